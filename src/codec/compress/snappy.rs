//! `snappy`, raw as `snappy.compress` writes it, and `snappy-framed`, as its stream compressor does.
//!
//! They are two formats. A raw block begins with the size of what it holds and has no magic number.
//! Frames (`framing_format.txt`) are chunks behind a stream identifier; nothing marks their end, so
//! that a stream that was cut between two chunks cannot be told from a whole one. All chunks are
//! walked before any is decoded, so that any other cut is seen.

use std::io::Write as _;

use snap::raw;
use snap::read::FrameDecoder;
use snap::write::FrameEncoder;

use super::{Source, claimed, decode_limited, fill_from, little_endian, several};
use crate::codec::cursor::Cursor;
use crate::codec::{Compressor, Error, Fact, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `snappy`.
pub const RAW: Row = Row {
    names: &["snappy"],
    about: "raw snappy, as snappy.compress writes it",
    parameters: &[],
    work: Work::Compressor(&Raw),
};

/// The row of `snappy-framed`.
pub const FRAMED: Row = Row {
    names: &["snappy-framed"],
    about: "snappy in frames, as snappy.StreamCompressor writes it",
    parameters: &[],
    work: Work::Compressor(&Framed),
};

/// Three bytes of a raw block make 64 of output, and none make more (`format_description.txt`).
const RAW_RATIO_MAX: u64 = 22;

struct Raw;

impl Compressor for Raw {
    fn encode(&self, bytes: &[u8], _: &Parameters) -> Result<Vec<u8>, Error> {
        raw::Encoder::new().compress_vec(bytes).map_err(|error| Error::unfit("snappy", error.to_string()))
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let wrong = |message: String| Error::malformed("snappy", 0, message);
        if bytes.is_empty() {
            return Err(wrong("empty, where a size was expected".to_owned()));
        }
        let damaged = |error| wrong(format!("the block is cut short or damaged: {error}"));
        let claim = raw::decompress_len(bytes).map_err(damaged)? as u64;
        let mut out = claimed("snappy", claim, bytes.len(), RAW_RATIO_MAX, limits)?;
        raw::Decoder::new().decompress(bytes, &mut out).map_err(damaged)?;
        remarks.facts = vec![("content", Fact::Bytes(claim))];
        Ok(out)
    }
}

struct Framed;

/// The first chunk of a stream.
const IDENTIFIER: &[u8] = b"\xff\x06\0\0sNaPpY";

impl Compressor for Framed {
    fn encode(&self, bytes: &[u8], _: &Parameters) -> Result<Vec<u8>, Error> {
        let mut snappy = FrameEncoder::new(Vec::new());
        snappy.write_all(bytes).map_err(|error| Error::unfit("snappy-framed", error.to_string()))?;
        snappy.into_inner().map_err(|error| Error::unfit("snappy-framed", error.to_string()))
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let (chunks, streams) = walk(bytes)?;
        let mut source = Chunks { decoder: FrameDecoder::new(bytes), length: bytes.len() };
        let out = decode_limited("snappy-framed", &mut source, bytes.len(), limits)?;
        remarks.facts = vec![("chunks", Fact::Number(chunks))];
        remarks.notes.extend(several(streams, "streams", "python-snappy"));
        Ok(out)
    }
}

/// That chunks follow one another to the end; how many hold content, and how many start a stream.
fn walk(bytes: &[u8]) -> Result<(u64, usize), Error> {
    let mut cursor = Cursor::new("snappy-framed", bytes);
    let mut first = cursor.clone();
    if !bytes.is_empty() && first.take(IDENTIFIER.len(), "the identifier of a snappy stream")? != IDENTIFIER {
        return Err(cursor.wrong("not a snappy stream: its identifier is missing"));
    }
    let (mut chunks, mut streams) = (0, 0);
    while cursor.peek().is_some() {
        let [kind, length @ ..] = cursor.array::<4>("the head of a snappy chunk")?;
        chunks += u64::from(kind < 2);
        streams += usize::from(kind == 0xff);
        let length = usize::try_from(little_endian(&length)).expect("three bytes");
        cursor.take(length, "a snappy chunk")?;
    }
    Ok((chunks, streams))
}

/// Chunks, one after the other.
struct Chunks<'a> {
    decoder: FrameDecoder<&'a [u8]>,
    length: usize,
}

impl Source for Chunks<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        fill_from(&mut self.decoder, out).map_err(|error| {
            let message = format!("the snappy stream is damaged before here: {error}");
            Error::malformed("snappy-framed", self.at() as u64, message)
        })
    }

    fn at(&self) -> usize {
        self.length - self.decoder.get_ref().len()
    }
}
