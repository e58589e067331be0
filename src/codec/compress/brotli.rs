//! `brotli` (RFC 7932): one stream and nothing after it, as the PyPI package `brotli` reads it.
//!
//! It has no magic number, so it is only ever read on request.

use brotli::enc::backward_references::BrotliEncoderParams;
use brotli::enc::{BrotliCompress, StandardAlloc};
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

use super::{Source, decode_limited};
use crate::codec::cursor::Cursor;
use crate::codec::{Compressor, Error, Fact, Parameter, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `brotli`.
pub const ROW: Row = Row {
    names: &["brotli"],
    about: "Brotli (RFC 7932)",
    parameters: &[
        Parameter { name: "compression-level", range: 0..=11, default: 11, about: "0 is fast, 11 is small" },
        Parameter { name: "compression-window", range: 10..=24, default: 22, about: "the window's size, in bits" },
    ],
    work: Work::Compressor(&Brotli),
};

struct Brotli;

impl Compressor for Brotli {
    fn encode(&self, mut bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let number = |name| i32::try_from(parameters.of(name)).expect("the row's range is small");
        let parameters = BrotliEncoderParams {
            quality: number("compression-level"),
            lgwin: number("compression-window"),
            size_hint: bytes.len(),
            ..BrotliEncoderParams::default()
        };
        let mut out = Vec::new();
        BrotliCompress(&mut bytes, &mut out, &parameters).map_err(|error| Error::unfit("brotli", error.to_string()))?;
        Ok(out)
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let cursor = Cursor::new("brotli", bytes);
        let Some(window) = window(cursor.peek()) else {
            return Err(cursor.wrong(match bytes {
                [] => "empty, where a brotli stream was expected",
                _ => "not a brotli stream: its window is larger than the format allows",
            }));
        };
        limits.check("window", window).map_err(|exceeded| Error::limit("brotli", 0, exceeded))?;
        // Without the extension of large windows, which the package does not read either.
        let state =
            BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
        let mut stream = Stream { cursor, state: Box::new(state) };
        let out = decode_limited("brotli", &mut stream, bytes.len(), limits)?;
        remarks.facts = vec![("window", Fact::Bytes(window))];
        Ok(out)
    }
}

/// The window that a stream asks for in its first byte (RFC 7932, 9.1).
fn window(first: Option<u8>) -> Option<u64> {
    let first = first?;
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => return None,
        (_, 0, bits) => 8 + bits,
        (_, bits, _) => 17 + bits,
    };
    Some((1 << bits) - 16)
}

/// One stream.
struct Stream<'a> {
    cursor: Cursor<'a>,
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
}

impl Source for Stream<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let input = self.cursor.rest();
        let (mut left, mut read, mut written) = (input.len(), 0, out.len());
        let mut room = out.capacity() - written;
        out.resize(out.capacity(), 0);
        let result =
            BrotliDecompressStream(&mut left, &mut read, input, &mut room, &mut written, out, &mut 0, &mut self.state);
        out.truncate(written);
        self.cursor.pass(read);
        match result {
            BrotliResult::ResultSuccess if self.cursor.peek().is_none() => Ok(false),
            BrotliResult::ResultSuccess => Err(self.cursor.wrong("something follows the brotli stream")),
            BrotliResult::NeedsMoreOutput => Ok(true),
            BrotliResult::NeedsMoreInput => Err(self.cursor.wrong("cut short: the stream does not end")),
            BrotliResult::ResultFailure => Err(self.cursor.wrong("the stream is damaged, or no brotli stream")),
        }
    }

    fn at(&self) -> usize {
        self.cursor.at()
    }
}
