//! `zlib`, and the deflate stream inside it and inside gzip.
//!
//! A thread keeps one inflater and one deflater from value to value: making them costs more than a
//! small value.

use std::cell::{Cell, RefCell};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Source, decode_limited, trailing};
use crate::codec::cursor::Cursor;
use crate::codec::{Compressor, Error, Fact, Parameter, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `zlib`.
pub const ROW: Row = Row {
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

struct Zlib;

impl Compressor for Zlib {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        deflate("zlib", bytes, parameters.of("compression-level"), true, Vec::new())
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let [cmf, flags] = check_zlib_header(bytes, limits)?;
        let mut source = Inflate::new("zlib", bytes, true);
        let out = decode_limited("zlib", &mut source, bytes.len(), limits)?;
        let level = ["0 or 1", "2 to 5", "6, the default", "7 to 9"][usize::from(flags >> 6)];
        remarks.facts = vec![("level", Fact::Words(level)), ("window", Fact::Bytes(256 << (cmf >> 4)))];
        remarks.notes.extend(trailing(bytes.len() - source.at(), "the zlib stream", "Python"));
        Ok(out)
    }
}

thread_local! {
    static INFLATE: Cell<Option<Box<Decompress>>> = const { Cell::new(None) };
    static DEFLATE: RefCell<Option<(i64, bool, Compress)>> = const { RefCell::new(None) };
}

/// `out`, and after it the deflate stream of `bytes`, in zlib's wrapping or none.
pub(super) fn deflate(
    layer: &'static str,
    bytes: &[u8],
    level: i64,
    wrapped: bool,
    mut out: Vec<u8>,
) -> Result<Vec<u8>, Error> {
    DEFLATE.with_borrow_mut(|kept| {
        if kept.as_ref().is_none_or(|(of, was, _)| (*of, *was) != (level, wrapped)) {
            let compression = u32::try_from(level).map_or_else(|_| Compression::default(), Compression::new);
            *kept = Some((level, wrapped, Compress::new(compression, wrapped)));
        }
        let (.., deflate) = kept.as_mut().expect("it was made just now");
        deflate.reset();
        out.reserve(bytes.len() / 2 + 64);
        loop {
            let read = usize::try_from(deflate.total_in()).expect("no more than was given");
            let status = deflate
                .compress_vec(&bytes[read..], &mut out, FlushCompress::Finish)
                .map_err(|error| Error::unfit(layer, error.to_string()))?;
            if status == Status::StreamEnd {
                return Ok(std::mem::take(&mut out));
            }
            out.reserve(out.len().max(64));
        }
    })
}

/// That a zlib stream begins here; if not, what does.
fn check_zlib_header(bytes: &[u8], limits: &Limits) -> Result<[u8; 2], Error> {
    let wrong = |message: &str| Err(Error::malformed("zlib", 0, message));
    match bytes {
        [] => wrong("empty, where a zlib stream was expected"),
        [0x1f, 0x8b, ..] => wrong("not a zlib stream: it looks like gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => wrong("not a zlib stream: it looks like zstd"),
        [cmf, flags, ..] if is_zlib_header(*cmf, *flags) => match flags & 0x20 {
            0 => Ok([*cmf, *flags]),
            _ => wrong("the zlib stream needs a preset dictionary, which a cache entry does not have"),
        },
        [only] if only & 0x0f == 8 && only >> 4 <= 7 => wrong("cut short: a zlib header takes 2 bytes"),
        _ if is_raw_deflate(bytes, limits) => wrong("not a zlib stream: it looks like raw deflate"),
        _ => wrong("not a zlib stream"),
    }
}

/// RFC 1950, 2.2: deflate, a window of at most 32 KiB, and a sum that is a multiple of 31.
pub(in crate::codec) fn is_zlib_header(cmf: u8, flags: u8) -> bool {
    cmf & 0x0f == 8 && cmf >> 4 <= 7 && u16::from_be_bytes([cmf, flags]).is_multiple_of(31)
}

/// Whether all of the bytes are a deflate stream without header and checksum.
fn is_raw_deflate(bytes: &[u8], limits: &Limits) -> bool {
    let mut source = Inflate::new("deflate", bytes, false);
    decode_limited("deflate", &mut source, bytes.len(), limits).is_ok() && source.at() == bytes.len()
}

/// A deflate stream, in zlib's wrapping or none.
pub(super) struct Inflate<'a> {
    pub cursor: Cursor<'a>,
    /// Where in the input the stream starts.
    start: usize,
    /// There until it goes back to the thread.
    inflate: Option<Box<Decompress>>,
}

impl<'a> Inflate<'a> {
    pub fn new(layer: &'static str, bytes: &'a [u8], wrapped: bool) -> Inflate<'a> {
        let inflate = INFLATE.take().unwrap_or_else(|| Box::new(Decompress::new(wrapped)));
        let mut inflate = Inflate { cursor: Cursor::new(layer, bytes), start: 0, inflate: Some(inflate) };
        inflate.restart(wrapped);
        inflate
    }

    /// Expects another stream to start where the cursor is.
    pub fn restart(&mut self, wrapped: bool) {
        self.start = self.cursor.at();
        self.inflate.iter_mut().for_each(|inflate| inflate.reset(wrapped));
    }
}

impl Drop for Inflate<'_> {
    fn drop(&mut self) {
        INFLATE.set(self.inflate.take());
    }
}

impl Source for Inflate<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let inflate = self.inflate.as_mut().expect("it is there until the drop");
        let before = out.len();
        let result = inflate.decompress_vec(self.cursor.rest(), out, FlushDecompress::None);
        let read = usize::try_from(inflate.total_in()).expect("no more than was given");
        let read = self.start + read - self.cursor.at();
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
