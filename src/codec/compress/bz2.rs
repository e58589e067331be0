//! `bz2`: streams of bzip2, one after the other, as CPython's `bz2.decompress` reads them.
//!
//! What follows a whole stream and is none itself is ignored there, and so it is here; a stream that
//! is only cut short is an error in both.

use bzip2::{Action, Compress, Compression, Decompress, Status};

use super::{Source, decode_limited, several, trailing};
use crate::codec::cursor::Cursor;
use crate::codec::{Compressor, Error, Fact, Parameter, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `bz2`.
pub const ROW: Row = Row {
    names: &["bz2"],
    about: "bzip2",
    parameters: &[Parameter {
        name: "compression-level",
        range: 1..=9,
        default: 9,
        about: "the block's size, in 100 000 bytes",
    }],
    work: Work::Compressor(&Bz2),
};

struct Bz2;

impl Compressor for Bz2 {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let level = u32::try_from(parameters.of("compression-level")).expect("the row's range is small");
        let mut bzip2 = Compress::new(Compression::new(level), 0);
        let mut out = Vec::with_capacity(bytes.len() / 2 + 64);
        loop {
            let read = usize::try_from(bzip2.total_in()).expect("no more than was given");
            let status = bzip2
                .compress_vec(&bytes[read..], &mut out, Action::Finish)
                .map_err(|error| Error::unfit("bz2", error.to_string()))?;
            if status == Status::StreamEnd {
                return Ok(out);
            }
            out.reserve(out.len().max(64));
        }
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let mut streams = Streams { cursor: Cursor::new("bz2", bytes), inside: None, count: 0 };
        let out = decode_limited("bz2", &mut streams, bytes.len(), limits)?;
        if let Some(level @ b'1'..=b'9') = bytes.get(3) {
            remarks.facts.push(("block", Fact::Bytes(u64::from(level - b'0') * 100_000)));
        }
        if bytes.is_empty() {
            remarks.notes.push("empty: not even a header, which Python reads as nothing".to_owned());
        }
        remarks.notes.extend(several(streams.count, "streams", "Python"));
        remarks.notes.extend(trailing(bytes.len() - streams.at(), "the last stream", "Python"));
        Ok(out)
    }
}

/// Streams, one after the other.
struct Streams<'a> {
    cursor: Cursor<'a>,
    /// The stream that is being read, and where it and its output start.
    inside: Option<(Decompress, Cursor<'a>, usize)>,
    /// Streams that were read to their end.
    count: usize,
}

impl Source for Streams<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        if self.cursor.peek().is_none() && self.inside.is_none() {
            return Ok(false);
        }
        let here = || (Decompress::new(false), self.cursor.clone(), out.len());
        let (mut bzip2, start, out_start) = self.inside.take().unwrap_or_else(here);
        let (read_before, before) = (bzip2.total_in(), out.len());
        let result = bzip2.decompress_vec(self.cursor.rest(), out);
        let read = usize::try_from(bzip2.total_in() - read_before).expect("no more than was given");
        self.cursor.pass(read);
        match result {
            Ok(Status::StreamEnd) => {
                self.count += 1;
                Ok(self.cursor.peek().is_some())
            }
            Ok(_) if read > 0 || out.len() > before => {
                self.inside = Some((bzip2, start, out_start));
                Ok(true)
            }
            Ok(_) => Err(self.cursor.wrong("cut short: the stream does not end")),
            Err(_) if self.count > 0 => {
                out.truncate(out_start);
                self.cursor = start;
                Ok(false)
            }
            Err(bzip2::Error::DataMagic) => Err(start.wrong("not a bzip2 stream")),
            Err(_) => Err(self.cursor.wrong("the stream is damaged")),
        }
    }

    fn at(&self) -> usize {
        self.cursor.at()
    }
}
