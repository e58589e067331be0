//! `base64` (RFC 4648, 4): bytes as ASCII, read as CPython's `base64.b64decode` reads them.
//!
//! That is: whatever is not in the standard alphabet is passed over, and nothing is read behind the
//! padding. Line breaks belong to the format; for anything else that was passed over there is a note,
//! because it may well mean that the bytes are no base64, or base64 of the other alphabet.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Source, decode_limited, trailing};
use crate::codec::cursor::Cursor;
use crate::codec::{Compressor, Error, Parameters, Remarks, Row, Work};
use crate::limits::Limits;

/// The row of `base64`.
pub const ROW: Row = Row {
    names: &["base64"],
    about: "base64 with the standard alphabet",
    parameters: &[],
    work: Work::Compressor(&Base64),
};

struct Base64;

impl Compressor for Base64 {
    fn encode(&self, bytes: &[u8], _: &Parameters) -> Result<Vec<u8>, Error> {
        Ok(STANDARD.encode(bytes).into_bytes())
    }

    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error> {
        let mut digits =
            Digits { cursor: Cursor::new("base64", bytes), bits: 0, digits: 0, padding: 0, others: 0, url: 0 };
        let out = decode_limited("base64", &mut digits, bytes.len(), limits)?;
        if digits.others > 0 {
            let url = if digits.url > 0 { ", digits of the URL-safe alphabet among them" } else { "" };
            let others = digits.others;
            remarks.notes.push(format!("bytes that are no digits are passed over, as by Python: {others}{url}"));
        }
        digits.cursor.pass_while(|byte| matches!(byte, b'\r' | b'\n'));
        remarks.notes.extend(trailing(digits.cursor.rest().len(), "the padding", "Python"));
        Ok(out)
    }
}

/// Digits of six bits, and what stands between them.
struct Digits<'a> {
    cursor: Cursor<'a>,
    /// The last digits, the latest lowest.
    bits: u32,
    digits: usize,
    /// Padding since the last digit.
    padding: usize,
    /// Bytes that are neither digits nor padding nor line breaks, and those of them that are digits
    /// in the URL-safe alphabet.
    others: usize,
    url: usize,
}

impl Digits<'_> {
    /// What `digits` stand for at their end.
    fn end(&self) -> Result<bool, Error> {
        match self.digits % 4 {
            0 => Ok(false),
            1 => {
                let count = self.digits;
                Err(self.cursor.wrong(format!("cut short: {count} digits, one more than a multiple of four")))
            }
            _ => Err(self.cursor.wrong("cut short: the padding is missing")),
        }
    }
}

impl Source for Digits<'_> {
    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        while out.len() < out.capacity() {
            let Some(byte) = self.cursor.peek() else { return self.end() };
            self.cursor.pass(1);
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    self.padding += 1;
                    if self.digits % 4 >= 2 && self.digits % 4 + self.padding >= 4 {
                        return Ok(false);
                    }
                    continue;
                }
                b'\r' | b'\n' => continue,
                _ => {
                    self.others += 1;
                    self.url += usize::from(matches!(byte, b'-' | b'_'));
                    continue;
                }
            };
            self.padding = 0;
            self.bits = self.bits << 6 | u32::from(digit);
            self.digits += 1;
            // A digit brings six bits, of which the last byte takes what it lacks.
            match self.digits % 4 {
                1 => {}
                2 => out.push((self.bits >> 4) as u8),
                3 => out.push((self.bits >> 2) as u8),
                _ => out.push(self.bits as u8),
            }
        }
        Ok(true)
    }

    fn at(&self) -> usize {
        self.cursor.at()
    }
}
