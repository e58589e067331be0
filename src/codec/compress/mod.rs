//! Bytes to fewer bytes, and back within limits: one file a library, one row a layer.
//!
//! Every decompressor is a [`Source`] behind [`decode_limited`], which alone grows the output: what
//! a header claims reserves little, and a bomb ends at a limit that has a name. Two formats, a raw
//! block of lz4 and of snappy, decode only into all of their output at once: [`claimed`] makes room
//! for no more than their input can stand for. What is written is what the Python packages read, and
//! what they read beyond one stream (members, trailing bytes) is read as they do, and said in a note.

mod base64;
mod brotli;
mod bz2;
mod gzip;
mod lz4;
mod snappy;
mod streams;
mod xz;
mod zlib;
mod zstd;

use std::io::{self, Read};

use super::{Error, Remarks};
use crate::limits::{Limits, RATIO_FLOOR};

pub use self::base64::ROW as BASE64;
pub use self::brotli::ROW as BROTLI;
pub use self::bz2::ROW as BZ2;
pub use self::gzip::ROW as GZIP;
pub use self::lz4::{BLOCK as LZ4_BLOCK, FRAME as LZ4};
pub use self::snappy::{FRAMED as SNAPPY_FRAMED, RAW as SNAPPY};
pub use self::xz::ROW as XZ;
pub use self::zlib::ROW as ZLIB;
pub(super) use self::zlib::is_zlib_header;
pub use self::zstd::ROW as ZSTD;

/// Something that decompresses piece by piece.
trait Source {
    /// Appends to `out`, within the room that it has (which is some); whether there may be more.
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error>;

    /// How much of the input has been read.
    fn at(&self) -> usize;

    /// How long the output is, if the input says so: a claim, to be believed within reason.
    fn claim(&self) -> Option<u64> {
        None
    }
}

/// Without limits in sight, no more than this is reserved, or than so many times the input.
const FIRST_ROOM_MAX: usize = 1 << 20;
const FIRST_RATIO_MAX: usize = 32;

/// All that `source` makes of `input` bytes, within the limits `decoded` and `ratio`.
fn decode_limited(
    layer: &'static str,
    source: &mut dyn Source,
    input: usize,
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    let most = usize::try_from(limits.decoded).unwrap_or(usize::MAX - 1);
    let mut out = Vec::new();
    let mut room = match source.claim().and_then(|claim| usize::try_from(claim).ok()) {
        // One more, so that the end is seen without asking for more room.
        Some(claim) => claim.saturating_add(1).min(input.saturating_mul(FIRST_RATIO_MAX).max(FIRST_ROOM_MAX)),
        None => input.saturating_mul(4).clamp(1 << 12, FIRST_ROOM_MAX),
    };
    loop {
        out.reserve_exact(room.min(most + 1 - out.len()));
        let more = source.fill(&mut out)?;
        check(layer, out.len() as u64, source.at(), input, limits)?;
        if !more {
            return Ok(out);
        }
        room = if out.len() == out.capacity() { out.len().max(room) } else { 1 };
    }
}

/// That `output` bytes are within the limits `decoded` and `ratio`; `at` is where that was found.
fn check(layer: &'static str, output: u64, at: usize, input: usize, limits: &Limits) -> Result<(), Error> {
    let name = match () {
        () if output > limits.decoded => "decoded",
        () if output > limits.ratio.saturating_mul(input as u64).max(RATIO_FLOOR) => "ratio",
        () => return Ok(()),
    };
    Err(Error::limit(layer, at as u64, limits.exceeded(name)))
}

/// Room for the `claim` of a block that decodes only as a whole, where it cannot come to more than
/// `times` its `input` bytes.
fn claimed(layer: &'static str, claim: u64, input: usize, times: u64, limits: &Limits) -> Result<Vec<u8>, Error> {
    if claim > times.saturating_mul(input as u64) {
        let message = format!("cut short or damaged: it claims {claim} bytes, which {input} bytes cannot hold");
        return Err(Error::malformed(layer, 0, message));
    }
    check(layer, claim, 0, input, limits)?;
    Ok(vec![0; usize::try_from(claim).expect("within the limit `decoded`")])
}

/// [`Source::fill`] from a reader that keeps no output back.
fn fill_from(reader: &mut dyn Read, out: &mut Vec<u8>) -> io::Result<bool> {
    let room = out.capacity() - out.len();
    let read = reader.take(room as u64).read_to_end(out)?;
    Ok(read == room)
}

/// Up to eight bytes, the lowest first.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// That the library `reader` passes over `count` bytes behind the end, if there are any.
fn trailing(count: usize, after: &str, reader: &str) -> Option<String> {
    match count {
        0 => None,
        1 => Some(format!("1 byte after {after} is ignored, as by {reader}")),
        _ => Some(format!("{count} bytes after {after} are ignored, as by {reader}")),
    }
}

/// That there is more than one stream behind another, if so.
fn several(count: usize, what: &str, reader: &str) -> Option<String> {
    (count > 1).then(|| format!("{count} {what}, read one after the other, as by {reader}"))
}

#[cfg(test)]
mod tests;
