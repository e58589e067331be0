//! `zlib` and `zstd`: bytes to fewer bytes, and back within limits.
//!
//! Every decompressor is a [`Source`] behind [`decode_limited`], which alone grows the output: what
//! a header claims reserves next to nothing, and a bomb ends at a limit that has a name. A writer
//! writes what cachetory's libraries can read: CPython's `zlib`, and the one-shot API of the PyPI
//! package `zstd`, which wants one frame that states its size.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zstd::zstd_safe::{CParameter, DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

use super::cursor::Cursor;
use super::{Compressor, Error, Parameter, Parameters, Row, Work};
use crate::limits::{Limits, RATIO_FLOOR};

/// The row of `zlib`.
pub const ZLIB: Row = Row {
    names: &["zlib"],
    about: "zlib (RFC 1950)",
    parameters: &[Parameter {
        name: "compression-level",
        range: -1..=9,
        default: -1,
        about: "0 stores, 1 is fast, 9 is small, -1 is 6",
    }],
    work: Work::Compressor(&Zlib),
};

/// The row of `zstd`.
pub const ZSTD: Row = Row {
    names: &["zstd", "zstandard"],
    about: "Zstandard (RFC 8878)",
    parameters: &[
        Parameter { name: "compression-level", range: -100..=22, default: 3, about: "22 is small, below 0 is fast" },
        Parameter { name: "compression-threads", range: 0..=256, default: 0, about: "0 is one for each core" },
    ],
    work: Work::Compressor(&Zstd),
};

/// Something that decompresses piece by piece.
trait Source {
    /// Appends to `out`, within the room that it has (which is some); whether there may be more.
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error>;

    /// How much of the input has been read.
    fn at(&self) -> usize;
}

/// No claim of a header reserves more than this.
const FIRST_ROOM_MAX: usize = 1 << 20;

/// All that `source` makes of `input` bytes, within the limits `decoded` and `ratio`.
fn decode_limited(
    layer: &'static str,
    source: &mut dyn Source,
    input: usize,
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    let most = usize::try_from(limits.decoded).unwrap_or(usize::MAX - 1);
    let ratio_most = limits.ratio.saturating_mul(input as u64).max(RATIO_FLOOR);
    let mut out = Vec::new();
    let mut room = input.saturating_mul(4).clamp(1 << 12, FIRST_ROOM_MAX);
    loop {
        out.reserve_exact(room.min(most + 1 - out.len()));
        let more = source.fill(&mut out)?;
        let over = match out.len() {
            length if length > most => Some("decoded"),
            length if length as u64 > ratio_most => Some("ratio"),
            _ => None,
        };
        if let Some(name) = over {
            return Err(Error::limit(layer, source.at() as u64, limits.exceeded(name)));
        }
        if !more {
            return Ok(out);
        }
        room = if out.len() == out.capacity() { out.len().max(room) } else { 1 };
    }
}

struct Zlib;

impl Compressor for Zlib {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let level =
            u32::try_from(parameters.of("compression-level")).map_or_else(|_| Compression::default(), Compression::new);
        let mut zlib = Compress::new(level, true);
        let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
        loop {
            let read = usize::try_from(zlib.total_in()).expect("no more than was given");
            let status = zlib
                .compress_vec(&bytes[read..], &mut out, FlushCompress::Finish)
                .map_err(|error| Error::unfit("zlib", error.to_string()))?;
            if status == Status::StreamEnd {
                return Ok(out);
            }
            out.reserve(out.len().max(64));
        }
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, notes: &mut Vec<String>) -> Result<Vec<u8>, Error> {
        check_zlib_header(bytes, limits)?;
        let mut source = Inflate::new("zlib", bytes, true);
        let out = decode_limited("zlib", &mut source, bytes.len(), limits)?;
        match bytes.len() - source.at() {
            0 => {}
            trailing => notes.push(format!("{trailing} bytes after the zlib stream are ignored, as by Python")),
        }
        Ok(out)
    }
}

/// That a zlib stream begins here; if not, what does.
fn check_zlib_header(bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    let wrong = |message: &str| Err(Error::malformed("zlib", 0, message));
    match bytes {
        [] => wrong("empty, where a zlib stream was expected"),
        [0x1f, 0x8b, ..] => wrong("not a zlib stream: it looks like gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => wrong("not a zlib stream: it looks like zstd"),
        [cmf, flags, ..] if is_zlib_header(*cmf, *flags) => match flags & 0x20 {
            0 => Ok(()),
            _ => wrong("the zlib stream needs a preset dictionary, which a cache entry does not have"),
        },
        [only] if only & 0x0f == 8 && only >> 4 <= 7 => wrong("cut short: a zlib header takes 2 bytes"),
        _ if is_raw_deflate(bytes, limits) => wrong("not a zlib stream: it looks like raw deflate"),
        _ => wrong("not a zlib stream"),
    }
}

/// RFC 1950, 2.2: deflate, a window of at most 32 KiB, and a sum that is a multiple of 31.
pub(super) fn is_zlib_header(cmf: u8, flags: u8) -> bool {
    cmf & 0x0f == 8 && cmf >> 4 <= 7 && u16::from_be_bytes([cmf, flags]).is_multiple_of(31)
}

/// Whether all of the bytes are a deflate stream without header and checksum.
fn is_raw_deflate(bytes: &[u8], limits: &Limits) -> bool {
    let mut source = Inflate::new("deflate", bytes, false);
    decode_limited("deflate", &mut source, bytes.len(), limits).is_ok() && source.at() == bytes.len()
}

/// A deflate stream, in zlib's wrapping or none.
struct Inflate<'a> {
    cursor: Cursor<'a>,
    inflate: Decompress,
}

impl<'a> Inflate<'a> {
    fn new(layer: &'static str, bytes: &'a [u8], wrapped: bool) -> Inflate<'a> {
        Inflate { cursor: Cursor::new(layer, bytes), inflate: Decompress::new(wrapped) }
    }
}

impl Source for Inflate<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let before = out.len();
        let result = self.inflate.decompress_vec(self.cursor.rest(), out, FlushDecompress::None);
        let read = usize::try_from(self.inflate.total_in()).expect("no more than was given") - self.cursor.at();
        self.cursor.pass(read);
        match result {
            Ok(Status::StreamEnd) => Ok(false),
            Ok(_) if read > 0 || out.len() > before => Ok(true),
            Ok(_) => Err(self.cursor.wrong("cut short: the stream does not end")),
            Err(error) => {
                let message = error.message().unwrap_or("invalid data").to_owned();
                Err(self.cursor.wrong(format!("the stream is damaged: {message}")))
            }
        }
    }

    fn at(&self) -> usize {
        self.cursor.at()
    }
}

struct Zstd;

impl Compressor for Zstd {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let level = i32::try_from(parameters.of("compression-level")).expect("the row's range is small");
        let compress = || {
            let mut zstd = zstd::bulk::Compressor::new(level)?;
            zstd.set_parameter(CParameter::NbWorkers(workers(parameters.of("compression-threads"))))?;
            zstd.compress(bytes)
        };
        compress().map_err(|error: std::io::Error| Error::unfit("zstd", error.to_string()))
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, notes: &mut Vec<String>) -> Result<Vec<u8>, Error> {
        let mut frames = Frames::new(bytes, limits)?;
        let out = decode_limited("zstd", &mut frames, bytes.len(), limits)?;
        notes.extend(frames.note(out.len()));
        Ok(out)
    }
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
    context: DCtx<'static>,
    limits: &'a Limits,
    /// Where the frame that is being read starts.
    inside: Option<usize>,
    /// Frames with content, and how many of them do not state its size.
    data: u32,
    sizeless: u32,
    /// Whether the first frame of all does not state its size, and where its content ends.
    first_sizeless: bool,
    first_end: Option<usize>,
}

impl<'a> Frames<'a> {
    fn new(bytes: &'a [u8], limits: &'a Limits) -> Result<Frames<'a>, Error> {
        let cursor = Cursor::new("zstd", bytes);
        if bytes.is_empty() {
            return Err(cursor.wrong("empty, where a zstd frame was expected"));
        }
        let mut context = DCtx::try_create().ok_or_else(|| cursor.wrong("zstd gets no memory"))?;
        // Windows are checked where a frame begins: one that states its size needs no more than that.
        let log_max = if usize::BITS >= 64 { 31 } else { 30 };
        context.set_parameter(DParameter::WindowLogMax(log_max)).map_err(|code| cursor.wrong(get_error_name(code)))?;
        Ok(Frames {
            cursor,
            context,
            limits,
            inside: None,
            data: 0,
            sizeless: 0,
            first_sizeless: false,
            first_end: None,
        })
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
        let result = self.context.decompress_stream(&mut output, &mut input);
        let (read, written) = (input.pos(), output.pos() - before);
        self.cursor.pass(read);
        match result {
            Ok(0) => {
                self.inside = None;
                self.first_end.get_or_insert(before + written);
                Ok(true)
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
}

/// Up to eight bytes, the lowest first.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::codec::Codec;
    use crate::value::Value;

    fn encode(url: &str, bytes: &[u8]) -> Vec<u8> {
        Codec::parse(url).unwrap().encode(&Value::of_bytes(bytes), &Limits::DEFAULT).unwrap()
    }

    fn decode(url: &str, bytes: &[u8]) -> Result<(Vec<u8>, Vec<String>), String> {
        let decoded = Codec::parse(url).unwrap().decode(bytes.to_vec(), &Limits::DEFAULT);
        let mut decoded = decoded.map_err(|error| error.to_string())?;
        let whole = decoded.value.whole();
        Ok((decoded.value.into_text(whole), decoded.stages.remove(0).notes))
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|n| b"the quick brown fox "[n * n / 7 % 20]).collect()
    }

    /// A frame of one block that does not state its size.
    fn sizeless(content: &[u8]) -> Vec<u8> {
        let header = u32::try_from(content.len()).unwrap() << 3 | 1;
        [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58], &header.to_le_bytes()[..3], content].concat()
    }

    #[test]
    fn zlib_begins_as_cpythons_does_at_each_level() {
        let headers = [0x01, 0x01, 0x5e, 0x5e, 0x5e, 0x5e, 0x9c, 0xda, 0xda, 0xda];
        for (level, flags) in (0..).zip(headers).chain([(-1, 0x9c)]) {
            let bytes = encode(&format!("zlib://?compression-level={level}"), &text(5000));
            assert_eq!(bytes[..2], [0x78, flags], "level {level}");
        }
    }

    #[test]
    fn what_is_compressed_comes_back() {
        for url in ["zlib:", "zlib:?compression-level=0", "zstd:", "zstd:?compression-level=-100", "zlib+zstd:"] {
            for length in [0, 1, 255, 256, 70_000, 3 << 20] {
                let (bytes, notes) = decode(url, &encode(url, &text(length))).unwrap();
                assert_eq!((bytes, notes), (text(length), vec![]), "{url} {length}");
            }
        }
    }

    #[test]
    fn zstd_writes_one_frame_that_states_its_size() {
        assert_eq!(encode("zstd:", b""), b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00");
        for (length, descriptor) in [(10, 0x20), (255, 0x20), (256, 0x60), (65_791, 0x60), (65_792, 0xa0)] {
            assert_eq!(encode("zstd:", &text(length))[4], descriptor, "{length}");
        }
        assert_eq!(encode("zstd:?compression-level=0", &text(9999)), encode("zstd:", &text(9999)));
    }

    #[test]
    fn a_stream_cut_short_at_any_byte_is_refused() {
        for url in ["zlib:", "zstd:"] {
            let bytes = encode(url, &text(2000));
            for cut in 0..bytes.len() {
                let error = decode(url, &bytes[..cut]).unwrap_err();
                assert!(error.contains("cut short") || error.contains("empty"), "{url} {cut}: {error}");
            }
        }
    }

    #[test]
    fn zlib_says_what_it_was_given_instead() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(b"abc").unwrap();
        let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(b"abc").unwrap();
        let mut adler = encode("zlib:", b"abc");
        *adler.last_mut().unwrap() ^= 1;
        for (bytes, part) in [
            (gzip.finish().unwrap(), "gzip at byte 0"),
            (raw.finish().unwrap(), "raw deflate at byte 0"),
            (encode("zstd:", b"abc"), "zstd at byte 0"),
            (b"\x78\xbb\0\0\0\0".to_vec(), "preset dictionary"),
            (b"hello".to_vec(), "not a zlib stream at byte 0"),
            (adler, "the stream is damaged: incorrect data check at byte"),
        ] {
            let error = decode("zlib:", &bytes).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let trailing = [encode("zlib:", b"abc"), b"more".to_vec()].concat();
        let (bytes, notes) = decode("zlib:", &trailing).unwrap();
        assert_eq!((bytes.as_slice(), notes[0].contains("4 bytes after")), (&b"abc"[..], true));
    }

    #[test]
    fn frames_that_others_write_are_read_and_those_that_cachetory_misreads_are_noted() {
        let (a, b) = (encode("zstd:", b"abc"), encode("zstd:", b"de"));
        let skip = b"\x50\x2a\x4d\x18\x01\x00\x00\x00Z".to_vec();
        let mut checked = zstd::bulk::Compressor::new(3).unwrap();
        checked.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
        for (frames, content, note) in [
            (vec![&a, &b], "abcde", None),
            (vec![&skip, &a], "abc", None),
            (vec![&a, &skip], "abc", None),
            (vec![&skip], "", None),
            (vec![&checked.compress(b"abc").unwrap()], "abc", None),
            (vec![&sizeless(b"abc")], "abc", None),
            (vec![&sizeless(b"abc"), &sizeless(b"de")], "abcde", Some("reads the first 3 bytes only")),
            (vec![&sizeless(b"abc"), &b], "abcde", Some("reads the first 3 bytes only")),
            (vec![&a, &sizeless(b"de")], "abcde", Some("refuses it")),
            (vec![&skip, &sizeless(b"de")], "de", Some("refuses it")),
            (vec![&sizeless(b"")], "", Some("refuses it")),
        ] {
            let bytes: Vec<u8> = frames.into_iter().flatten().copied().collect();
            let (decoded, notes) = decode("zstd:", &bytes).unwrap();
            assert_eq!(decoded, content.as_bytes());
            assert_eq!(notes.len(), usize::from(note.is_some()), "{notes:?}");
            assert!(notes.first().is_none_or(|found| found.contains(note.unwrap())), "{notes:?}");
        }
        let mut stream = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
        stream.write_all(&text(131_073)).unwrap();
        let (decoded, notes) = decode("zstd:", &stream.finish().unwrap()).unwrap();
        assert_eq!((decoded, notes.len()), (text(131_073), 1));
    }

    #[test]
    fn zstd_refuses_what_is_no_frame() {
        let frame = encode("zstd:", &text(100));
        let mut damaged = frame.clone();
        damaged[10] ^= 0xff;
        for (bytes, part) in [
            (b"hello".to_vec(), "not a zstd frame at byte 0".to_owned()),
            ([&frame[..], b"x"].concat(), format!("something follows the last zstd frame at byte {}", frame.len())),
            (b"\x28\xb5\x2f\xfd\x21\x05\x03\x19\0\0abc".to_vec(), "dictionary 5".to_owned()),
            (b"\x50\x2a\x4d\x18\xff\xff\xff\xff".to_vec(), "cut short: a skippable frame".to_owned()),
            (b"\x28\xb5\x2f\xfd\x20\x05\x19\0\0abc".to_vec(), "damaged".to_owned()),
        ] {
            let error = decode("zstd:", &bytes).unwrap_err();
            assert!(error.contains(&part), "{error}");
        }
        assert_ne!(decode("zstd:", &damaged).map(|(bytes, _)| bytes), Ok(text(100)));
    }

    #[test]
    fn a_header_that_claims_much_reserves_little_and_names_the_limit() {
        let claim = [&b"\x28\xb5\x2f\xfd\xe0"[..], &(1_u64 << 62).to_le_bytes(), b"\x01\0\0"].concat();
        let window = b"\x28\xb5\x2f\xfd\x00\xa8\x19\0\0abc";
        for (bytes, limit) in [(&claim[..], "`decoded`"), (&window[..], "`window`")] {
            let error = decode("zstd:", bytes).unwrap_err();
            assert!(error.contains(limit) && error.ends_with("at byte 0"), "{error}");
        }
        let most = b"\x28\xb5\x2f\xfd\x00\x88\x19\0\0abc";
        assert_eq!(decode("zstd:", most).unwrap().0, b"abc", "a window of exactly 128 MiB is read");
    }

    #[test]
    fn a_bomb_ends_at_a_limit() {
        let zeros = vec![0; 20 << 20];
        let limits = Limits { decoded: 16 << 20, ..Limits::DEFAULT };
        for url in ["zlib:", "zstd:"] {
            let bomb = encode(url, &zeros);
            let codec = Codec::parse(url).unwrap();
            let error = codec.decode(bomb.clone(), &limits).unwrap_err().to_string();
            assert!(error.contains("`decoded` of 16777216 bytes"), "{error}");
            let limits = Limits { ratio: 10, ..Limits::DEFAULT };
            let error = codec.decode(bomb, &limits).unwrap_err().to_string();
            assert!(error.contains("`ratio` of 10 times"), "{error}");
        }
    }
}
