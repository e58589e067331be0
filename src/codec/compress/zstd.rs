//! `zstd`: frames of Zstandard (RFC 8878), one after the other.
//!
//! What is written is what the PyPI package `zstd` reads with its one-shot API: one frame that states
//! its size. A thread keeps one context each way from value to value, because a fresh one costs
//! several times what a small value does.

use std::cell::{Cell, RefCell};

use zstd::bulk;
use zstd::zstd_safe::{CParameter, DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::{Source, decode_limited, little_endian};
use crate::codec::cursor::Cursor;
use crate::codec::{Compressor, Error, Fact, Parameter, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `zstd`.
pub const ROW: Row = Row {
    names: &["zstd", "zstandard"],
    about: "Zstandard (RFC 8878)",
    parameters: &[
        Parameter { name: "compression-level", range: -100..=22, default: 3, about: "22 is small, below 0 is fast" },
        Parameter { name: "compression-threads", range: 0..=256, default: 0, about: "0 is one for each core" },
    ],
    work: Work::Compressor(&Zstd),
};

struct Zstd;

impl Compressor for Zstd {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let level = i32::try_from(parameters.of("compression-level")).expect("the row's range is small");
        let workers = CParameter::NbWorkers(workers(parameters.of("compression-threads")));
        let compress = |kept: &mut Option<bulk::Compressor<'static>>| {
            let mut zstd = match kept.take() {
                Some(zstd) => zstd,
                None => bulk::Compressor::new(level)?,
            };
            zstd.set_compression_level(level)?;
            zstd.set_parameter(workers)?;
            let compressed = zstd.compress(bytes)?;
            *kept = Some(zstd);
            Ok(compressed)
        };
        ENCODE.with_borrow_mut(compress).map_err(|error: std::io::Error| Error::unfit("zstd", error.to_string()))
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let mut frames = Frames::new(bytes, limits)?;
        let out = decode_limited("zstd", &mut frames, bytes.len(), limits)?;
        if frames.data + frames.skipped > 1 {
            remarks.notes.push(format!("{} frames, and {} to be skipped", frames.data, frames.skipped));
        }
        remarks.notes.extend(frames.note(out.len()));
        remarks.facts = std::mem::take(&mut frames.facts);
        Ok(out)
    }
}

thread_local! {
    static ENCODE: RefCell<Option<bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECODE: Cell<Option<DCtx<'static>>> = const { Cell::new(None) };
}

/// As in the PyPI package: 0 is one for each core. Never none: with any number of workers zstd writes
/// the same bytes, and other bytes without.
fn workers(threads: i64) -> u32 {
    match u32::try_from(threads) {
        Ok(threads) if threads > 0 => threads,
        _ => std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1)).min(200),
    }
}

/// `28 b5 2f fd`, as a little-endian number.
const FRAME: u32 = 0xfd2f_b528;
/// `5? 2a 4d 18`.
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184d_2a50..=0x184d_2a5f;

/// The content that zstd 1.5.7.2 (PyPI) makes room for when a frame does not say.
const SIZELESS_MAX: usize = 131_072;

/// Frames of zstd, one after the other.
struct Frames<'a> {
    cursor: Cursor<'a>,
    /// There until it goes back to the thread.
    context: Option<DCtx<'static>>,
    limits: &'a Limits,
    /// Where the frame that is being read starts.
    inside: Option<usize>,
    /// Frames with content, and how many of them do not state its size.
    data: u32,
    sizeless: u32,
    /// Frames that hold no content.
    skipped: u32,
    /// Whether the first frame of all does not state its size, and where its content ends.
    first_sizeless: bool,
    first_end: Option<usize>,
    /// What the first frame's header tells.
    facts: Vec<(&'static str, Fact)>,
    /// The size that it states.
    claim: Option<u64>,
}

impl<'a> Frames<'a> {
    fn new(bytes: &'a [u8], limits: &'a Limits) -> Result<Frames<'a>, Error> {
        let cursor = Cursor::new("zstd", bytes);
        if bytes.is_empty() {
            return Err(cursor.wrong("empty, where a zstd frame was expected"));
        }
        let mut context = match DECODE.take() {
            Some(context) => context,
            None => DCtx::try_create().ok_or_else(|| cursor.wrong("zstd gets no memory"))?,
        };
        // Windows are checked where a frame begins: one that states its size needs no more than that.
        let log_max = if usize::BITS >= 64 { 31 } else { 30 };
        context
            .reset(ResetDirective::SessionOnly)
            .and_then(|_| context.set_parameter(DParameter::WindowLogMax(log_max)))
            .map_err(|code| cursor.wrong(get_error_name(code)))?;
        let mut frames = Frames {
            cursor,
            context: Some(context),
            limits,
            inside: None,
            data: 0,
            sizeless: 0,
            skipped: 0,
            first_sizeless: false,
            first_end: None,
            facts: Vec::new(),
            claim: None,
        };
        frames.header(0)?;
        Ok(frames)
    }

    /// Looks at the header of the next frame (RFC 8878, 3.1.1) before the library does, and passes
    /// over a frame that is to be skipped.
    fn header(&mut self, decoded: usize) -> Result<(), Error> {
        let start = self.cursor.at();
        let mut ahead = self.cursor.clone();
        let magic = ahead.array("the magic number of a zstd frame").map(u32::from_le_bytes);
        match magic {
            Ok(FRAME) => {}
            Ok(magic) if SKIPPABLE.contains(&magic) => {
                let length = u32::from_le_bytes(ahead.array("the length of a skippable frame")?);
                ahead.take(length as usize, "a skippable frame")?;
                self.cursor = ahead;
                self.skipped += 1;
                self.first_end.get_or_insert(decoded);
                return Ok(());
            }
            Ok(_) | Err(_) if start > 0 => return Err(self.cursor.wrong("something follows the last zstd frame")),
            Ok(_) => return Err(self.cursor.wrong("not a zstd frame")),
            Err(error) => return Err(error),
        }
        let [descriptor] = ahead.array("the descriptor of a zstd frame")?;
        let single = descriptor & 0x20 != 0;
        let window = match single {
            true => 0,
            false => {
                let [byte] = ahead.array("the window of a zstd frame")?;
                let base = 1_u64 << (10 + (byte >> 3));
                base + base / 8 * u64::from(byte & 7)
            }
        };
        let dictionary = little_endian(ahead.take([0, 1, 2, 4][usize::from(descriptor & 3)], "a dictionary id")?);
        if dictionary != 0 {
            let message = format!("the frame needs dictionary {dictionary}, which a cache entry does not have");
            return Err(self.cursor.wrong(message));
        }
        let content = match (descriptor >> 6, single) {
            (0, false) => None,
            (0, true) => Some(little_endian(ahead.take(1, "a content size")?)),
            (1, _) => Some(256 + little_endian(ahead.take(2, "a content size")?)),
            (2, _) => Some(little_endian(ahead.take(4, "a content size")?)),
            _ => Some(little_endian(ahead.take(8, "a content size")?)),
        };
        let over = |name| Error::limit("zstd", start as u64, self.limits.exceeded(name));
        match content {
            Some(content) if content > self.limits.decoded.saturating_sub(decoded as u64) => {
                return Err(over("decoded"));
            }
            None if window > self.limits.window => return Err(over("window")),
            _ => {}
        }
        if self.data == 0 {
            self.claim = content;
            self.facts = header_facts(content, if single { content.unwrap_or(0) } else { window }, descriptor);
        }
        self.first_sizeless |= start == 0 && content.is_none();
        self.data += 1;
        self.sizeless += u32::from(content.is_none());
        self.inside = Some(start);
        Ok(())
    }

    /// Where cachetory's zstd would read something else, or nothing (tried with 1.5.7.2).
    fn note(&self, decoded: usize) -> Option<String> {
        let first = self.first_end.unwrap_or(decoded);
        match (self.sizeless, self.first_sizeless && (1..=SIZELESS_MAX).contains(&first)) {
            (0, _) => None,
            (_, false) => Some("a frame does not state its size: cachetory's zstd refuses it".to_owned()),
            (_, true) if self.data > 1 => Some(format!(
                "cachetory's zstd reads the first {first} bytes only: their frame does not state its size"
            )),
            (_, true) => None,
        }
    }
}

impl Source for Frames<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let Some(start) = self.inside else {
            if self.cursor.peek().is_none() {
                return Ok(false);
            }
            return self.header(out.len()).map(|()| true);
        };
        let before = out.len();
        let mut input = InBuffer::around(self.cursor.rest());
        let mut output = OutBuffer::around_pos(out, before);
        let context = self.context.as_mut().expect("it is there until the drop");
        let result = context.decompress_stream(&mut output, &mut input);
        let (read, written) = (input.pos(), output.pos() - before);
        self.cursor.pass(read);
        match result {
            Ok(0) => {
                self.inside = None;
                self.first_end.get_or_insert(before + written);
                Ok(self.cursor.peek().is_some())
            }
            Ok(_) if read > 0 || written > 0 => Ok(true),
            Ok(_) => {
                Err(self.cursor.wrong(format!("cut short: the zstd frame that starts at byte {start} does not end")))
            }
            Err(code) => Err(self.cursor.wrong(format!("the zstd frame is damaged: {}", get_error_name(code)))),
        }
    }

    fn at(&self) -> usize {
        self.cursor.at()
    }

    fn claim(&self) -> Option<u64> {
        self.claim
    }
}

impl Drop for Frames<'_> {
    fn drop(&mut self) {
        DECODE.set(self.context.take());
    }
}

/// What a frame's header tells.
fn header_facts(content: Option<u64>, window: u64, descriptor: u8) -> Vec<(&'static str, Fact)> {
    vec![
        ("content", content.map_or(Fact::Words("not stated"), Fact::Bytes)),
        ("window", Fact::Bytes(window)),
        ("segment", Fact::Words(if descriptor & 0x20 != 0 { "single" } else { "blocks" })),
        ("checksum", Fact::Words(if descriptor & 4 != 0 { "yes" } else { "no" })),
    ]
}
