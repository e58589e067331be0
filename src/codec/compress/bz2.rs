//! `bz2`: streams of bzip2, as CPython's `bz2.decompress` reads them.

use bzip2::{Action, Compress, Compression, Decompress, Status};

use super::streams::{self, Fault, Stream};
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
        if bytes.is_empty() {
            remarks.notes.push("empty: not even a header, which Python reads as nothing".to_owned());
            return Ok(Vec::new());
        }
        let out = streams::decode::<Decompress>("bz2", bytes, limits, remarks)?;
        if let Some(level @ b'1'..=b'9') = bytes.get(3) {
            remarks.facts.push(("block", Fact::Bytes(u64::from(level - b'0') * 100_000)));
        }
        Ok(out)
    }
}

impl Stream for Decompress {
    fn open(_: &Limits) -> Result<Decompress, Fault> {
        Ok(Decompress::new(false))
    }

    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Result<bool, Fault>) {
        let before = self.total_in();
        let result = self.decompress_vec(input, out);
        let read = usize::try_from(self.total_in() - before).expect("no more than was given");
        let ended = result.map(|status| status == Status::StreamEnd).map_err(|error| match error {
            bzip2::Error::DataMagic => Fault::Other("not a bzip2 stream"),
            _ => Fault::Damaged("the stream is damaged".to_owned()),
        });
        (read, ended)
    }
}
