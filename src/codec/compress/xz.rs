//! `xz`, and on reading the older `.lzma` too: streams as CPython's `lzma.decompress` reads them.
//!
//! It is the same library on both sides, so what it takes for a stream is the same. A stream names
//! the memory that it is to be read with, which meets the limit `window`.

use liblzma::stream::{Action, Check, Error as Lzma, Status, Stream};

use super::little_endian;
use super::streams::{self, Fault};
use crate::codec::{Compressor, Error, Fact, Parameter, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `xz`.
pub const ROW: Row = Row {
    names: &["xz"],
    about: "xz, as Python's lzma writes it; reads .lzma too",
    parameters: &[Parameter {
        name: "compression-level",
        range: 0..=9,
        default: 6,
        about: "0 is fast, 9 is small and takes 65 MiB to read",
    }],
    work: Work::Compressor(&Xz),
};

/// What a reader needs beside the history that a stream asks for.
const READER: u64 = 1 << 20;

struct Xz;

impl Compressor for Xz {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let level = u32::try_from(parameters.of("compression-level")).expect("the row's range is small");
        let unfit = |error: Lzma| Error::unfit("xz", error.to_string());
        let mut xz = Stream::new_easy_encoder(level, Check::Crc64).map_err(unfit)?;
        let mut out = Vec::with_capacity(bytes.len() / 2 + 128);
        loop {
            let read = usize::try_from(xz.total_in()).expect("no more than was given");
            let status = xz.process_vec(&bytes[read..], &mut out, Action::Finish).map_err(unfit)?;
            if status == Status::StreamEnd {
                return Ok(out);
            }
            out.reserve(out.len().max(128));
        }
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let out = streams::decode::<Stream>("xz", bytes, limits, remarks)?;
        remarks.facts = header_facts(bytes);
        Ok(out)
    }
}

impl streams::Stream for Stream {
    fn open(limits: &Limits) -> Result<Stream, Fault> {
        let memory = limits.window.saturating_add(READER);
        Stream::new_auto_decoder(memory, 0).map_err(|error| Fault::Damaged(error.to_string()))
    }

    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Result<bool, Fault>) {
        let before = self.total_in();
        let result = self.process_vec(input, out, Action::Run);
        let read = usize::try_from(self.total_in() - before).expect("no more than was given");
        let ended = result.map(|status| status == Status::StreamEnd).map_err(|error| match error {
            Lzma::MemLimit => Fault::Limit("window"),
            Lzma::Format => Fault::Other("not an xz stream, nor an .lzma one"),
            error => Fault::Damaged(format!("the stream is damaged: {error}")),
        });
        (read, ended)
    }
}

/// What the headers of the first stream tell, which was read to its end (the .xz file format 1.2.1,
/// 2.1.1 and 3.1; the older format as liblzma's `lzma-file-format.txt` has it).
fn header_facts(bytes: &[u8]) -> Vec<(&'static str, Fact)> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    if !bytes.starts_with(b"\xfd7zXZ\0") {
        let dictionary = little_endian(bytes.get(1..5).unwrap_or(&[]));
        return vec![("format", Fact::Words(".lzma")), ("dictionary", Fact::Bytes(dictionary))];
    }
    let check = match byte(7) & 0x0f {
        0 => "none",
        1 => "crc32",
        4 => "crc64",
        10 => "sha256",
        _ => "another",
    };
    let mut facts = vec![("format", Fact::Words("xz")), ("check", Fact::Words(check))];
    // One filter, no sizes: what liblzma writes unless it is asked for something else.
    if byte(12) != 0 && byte(13) == 0 && byte(14) == 0x21 && byte(15) == 1 {
        let bits = u32::from(byte(16) & 0x3f);
        facts.push(("dictionary", Fact::Bytes(u64::from(2 | bits & 1) << (bits / 2 + 11))));
    }
    facts
}
