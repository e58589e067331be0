//! Streams one after the other, as CPython's `bz2.decompress` and `lzma.decompress` read them.
//!
//! What follows a whole stream and is none itself is ignored (`Lib/bz2.py`, `Lib/lzma.py` in 3.11);
//! one that is only cut short is an error.

use super::{Remarks, Source, decode_limited, several, trailing};
use crate::codec::Error;
use crate::codec::cursor::Cursor;
use crate::limits::Limits;

/// A stream that is being read.
pub(super) trait Stream: Sized {
    /// One that has read nothing yet.
    fn open(limits: &Limits) -> Result<Self, Fault>;

    /// Takes input and appends to `out`, within its room: how much was taken, and whether that was the end.
    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Result<bool, Fault>);
}

/// Why a stream cannot be read on.
pub(super) enum Fault {
    /// The limit of this name.
    Limit(&'static str),
    /// It does not begin as such a stream does.
    Other(&'static str),
    /// It is not what it began as.
    Damaged(String),
}

/// All of the streams, with what is to be said of their number and of what follows them.
pub(super) fn decode<S: Stream>(
    layer: &'static str,
    bytes: &[u8],
    limits: &Limits,
    remarks: &mut Remarks,
) -> Result<Vec<u8>, Error> {
    let cursor = Cursor::new(layer, bytes);
    let mut streams = Streams::<S> { layer, cursor, inside: None, count: 0, limits };
    let out = decode_limited(layer, &mut streams, bytes.len(), limits)?;
    remarks.notes.extend(several(streams.count, "streams", "Python"));
    remarks.notes.extend(trailing(bytes.len() - streams.at(), "the last stream", "Python"));
    Ok(out)
}

struct Streams<'a, S> {
    layer: &'static str,
    cursor: Cursor<'a>,
    /// The stream that is being read, and where it and its output start.
    inside: Option<(S, Cursor<'a>, usize)>,
    /// Streams that were read to their end.
    count: usize,
    limits: &'a Limits,
}

impl<S: Stream> Source for Streams<'_, S> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let before = out.len();
        let (mut stream, start, out_start) = match self.inside.take() {
            Some(inside) => inside,
            None => {
                let stream = S::open(self.limits).map_err(|fault| self.error(fault, &self.cursor))?;
                (stream, self.cursor.clone(), before)
            }
        };
        let (read, result) = stream.read(self.cursor.rest(), out);
        self.cursor.pass(read);
        match result {
            Ok(true) => {
                self.count += 1;
                Ok(self.cursor.peek().is_some())
            }
            Ok(false) if read > 0 || out.len() > before => {
                self.inside = Some((stream, start, out_start));
                Ok(true)
            }
            Ok(false) => Err(self.cursor.wrong("cut short: the stream does not end")),
            Err(Fault::Other(_) | Fault::Damaged(_)) if self.count > 0 => {
                out.truncate(out_start);
                self.cursor = start;
                Ok(false)
            }
            Err(fault) => Err(self.error(fault, &start)),
        }
    }

    fn at(&self) -> usize {
        self.cursor.at()
    }
}

impl<S> Streams<'_, S> {
    /// What is wrong with the stream that starts at `start`.
    fn error(&self, fault: Fault, start: &Cursor<'_>) -> Error {
        match fault {
            Fault::Limit(name) => Error::limit(self.layer, start.at() as u64, self.limits.exceeded(name)),
            Fault::Other(message) => start.wrong(message),
            Fault::Damaged(message) => self.cursor.wrong(message),
        }
    }
}
