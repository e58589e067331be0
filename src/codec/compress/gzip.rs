//! `gzip` (RFC 1952): members one after the other, as CPython's `gzip.decompress` reads them.
//!
//! Zeros may follow a member, and another member those; anything else there is refused. What is
//! written has no time in it, so that equal values stay equal bytes.

use flate2::Crc;

use super::zlib::{Inflate, deflate};
use super::{Source, decode_limited, several};
use crate::codec::{Compressor, Error, Fact, Parameter, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `gzip`.
pub const ROW: Row = Row {
    names: &["gzip"],
    about: "gzip (RFC 1952)",
    parameters: &[Parameter {
        name: "compression-level",
        range: 0..=9,
        default: 9,
        about: "0 stores, 1 is fast, 9 is small",
    }],
    work: Work::Compressor(&Gzip),
};

struct Gzip;

impl Compressor for Gzip {
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error> {
        let level = parameters.of("compression-level");
        let hint = match level {
            0 | 1 => 4,
            9 => 2,
            _ => 0,
        };
        // Deflate, no flags, no time, the hint that zlib writes, and the system "unknown".
        let header = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, hint, 0xff];
        let mut out = deflate("gzip", bytes, level, false, header)?;
        let mut crc = Crc::new();
        crc.update(bytes);
        out.extend(crc.sum().to_le_bytes());
        out.extend(crc.amount().to_le_bytes());
        Ok(out)
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let mut members =
            Members { inflate: Inflate::new("gzip", bytes, false), crc: None, count: 0, facts: Vec::new() };
        let out = decode_limited("gzip", &mut members, bytes.len(), limits)?;
        remarks.facts = members.facts;
        if bytes.is_empty() {
            remarks.notes.push("empty: not even a header, which Python reads as nothing".to_owned());
        }
        remarks.notes.extend(several(members.count, "members", "Python"));
        Ok(out)
    }
}

/// Members, one after the other.
struct Members<'a> {
    inflate: Inflate<'a>,
    /// The checksum so far of the member that is being read.
    crc: Option<Crc>,
    count: usize,
    /// What the first header tells.
    facts: Vec<(&'static str, Fact)>,
}

impl Members<'_> {
    /// Passes over the header of a member (RFC 1952, 2.3).
    fn header(&mut self) -> Result<(), Error> {
        let cursor = &mut self.inflate.cursor;
        let start = cursor.clone();
        match cursor.rest() {
            [0x1f] | [0x1f, 0x8b, ..] => {}
            _ if self.count > 0 => return Err(start.wrong("something follows the last gzip member")),
            _ => return Err(start.wrong("not a gzip member")),
        }
        let [_, _, method, flags] = cursor.array("the start of a gzip member")?;
        if method != 8 {
            return Err(start.wrong(format!("unknown compression method {method}")));
        }
        let time = u32::from_le_bytes(cursor.array("the time of a gzip member")?);
        let [hint, _system] = cursor.array("the header of a gzip member")?;
        if flags & 4 != 0 {
            let length = u16::from_le_bytes(cursor.array("the length of an extra field")?);
            cursor.take(usize::from(length), "an extra field")?;
        }
        let mut text = |flag| match flags & flag {
            0 => Ok(None),
            _ => {
                let start = cursor.at();
                cursor.pass_while(|byte| byte != 0);
                let text = cursor.since(start).to_vec();
                cursor.array("the end of a name").map(|[_]: [u8; 1]| Some(text))
            }
        };
        let (name, comment) = (text(8)?, text(16)?);
        if flags & 2 != 0 {
            cursor.take(2, "the checksum of a header")?;
        }
        if self.count == 0 {
            let level = match hint {
                2 => "9",
                4 => "0 or 1",
                _ => "2 to 8, or not said",
            };
            self.facts.push(("level", Fact::Words(level)));
            self.facts.extend((time != 0).then_some(("mtime", Fact::Number(u64::from(time)))));
            self.facts.extend(name.map(|name| ("name", Fact::Text(name))));
            self.facts.extend(comment.map(|comment| ("comment", Fact::Text(comment))));
        }
        self.count += 1;
        self.crc = Some(Crc::new());
        self.inflate.restart(false);
        Ok(())
    }

    /// Compares what a member ends with to what it held; passes over zeros after it.
    fn trailer(&mut self, crc: &Crc) -> Result<(), Error> {
        let cursor = &mut self.inflate.cursor;
        let start = cursor.clone();
        let sum = u32::from_le_bytes(cursor.array("the checksum of a gzip member")?);
        let length = u32::from_le_bytes(cursor.array("the length of a gzip member")?);
        if sum != crc.sum() {
            return Err(start.wrong("the member is damaged: its checksum is another"));
        }
        if length != crc.amount() {
            return Err(start.wrong("the member is damaged: its length is another"));
        }
        cursor.pass_while(|byte| byte == 0);
        Ok(())
    }
}

impl Source for Members<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let Some(mut crc) = self.crc.take() else {
            let more = self.inflate.cursor.peek().is_some();
            return if more { self.header().map(|()| true) } else { Ok(false) };
        };
        let before = out.len();
        let more = self.inflate.fill(out)?;
        crc.update(&out[before..]);
        if more {
            self.crc = Some(crc);
            return Ok(true);
        }
        self.trailer(&crc)?;
        Ok(self.inflate.cursor.peek().is_some())
    }

    fn at(&self) -> usize {
        self.inflate.at()
    }
}
