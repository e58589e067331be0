//! A histogram as HdrHistogram's logs have it: its V2 encoding, compressed, in base64.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hdrhistogram::Histogram;

/// Marks the V2 encoding (`V2EncodingCookieBase` of HdrHistogram's Java library, with words of one byte).
const COOKIE: u32 = 0x1c84_9303 | 0x10;

/// Marks what is inside as compressed.
const COMPRESSED: u32 = 0x1c84_9304 | 0x10;

/// The text of `histogram`.
///
/// # Errors
/// Those of compression, of which there are none in memory.
pub fn packed(histogram: &Histogram<u64>) -> io::Result<String> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&encoded(histogram))?;
    let body = zlib.finish()?;
    let mut bytes = COMPRESSED.to_be_bytes().to_vec();
    bytes.extend_from_slice(&length(&body).to_be_bytes());
    bytes.extend_from_slice(&body);
    Ok(BASE64_STANDARD.encode(bytes))
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a histogram has less than 4 GiB")
}

fn encoded(histogram: &Histogram<u64>) -> Vec<u8> {
    let mut counts = Vec::new();
    let mut zeros = 0_i64;
    let last = histogram.iter_recorded().last().map_or(0, |value| value.value_iterated_to());
    for value in histogram.iter_all() {
        match value.count_at_value() {
            0 => zeros += 1,
            count => {
                if zeros > 0 {
                    push_number(-zeros, &mut counts);
                }
                zeros = 0;
                push_number(i64::try_from(count).unwrap_or(i64::MAX), &mut counts);
            }
        }
        if value.value_iterated_to() >= last {
            break;
        }
    }
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&COOKIE.to_be_bytes());
    bytes.extend_from_slice(&length(&counts).to_be_bytes());
    // The offset of a shifted histogram.
    bytes.extend_from_slice(&0_u32.to_be_bytes());
    bytes.extend_from_slice(&u32::from(histogram.sigfig()).to_be_bytes());
    bytes.extend_from_slice(&histogram.low().to_be_bytes());
    bytes.extend_from_slice(&histogram.high().to_be_bytes());
    bytes.extend_from_slice(&1.0_f64.to_be_bytes());
    bytes.extend_from_slice(&counts);
    bytes
}

/// A number in zigzag and LEB128, of which the ninth byte has eight bits.
fn push_number(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    for _ in 0..8 {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        if rest == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
    out.push((rest & 0xff) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_packed_as_the_format_says() {
        for (number, bytes) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (64, &[0x80, 1]),
            (-65, &[0x81, 1]),
            (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ] {
            let mut out = Vec::new();
            push_number(number, &mut out);
            assert_eq!(out, bytes, "{number}");
        }
    }

    #[test]
    fn a_histogram_is_its_counts_and_runs_of_none() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000, 1).unwrap();
        histogram.record_n(1, 3).unwrap();
        histogram.record_n(5, 1).unwrap();
        let bytes = encoded(&histogram);
        // None at 0, three at 1, none from 2 to 4, one at 5.
        assert_eq!(bytes[40..], [1, 6, 5, 2]);
        assert_eq!(bytes[..12], [0x1c, 0x84, 0x93, 0x13, 0, 0, 0, 4, 0, 0, 0, 0]);
        assert!(packed(&histogram).unwrap().starts_with("HISTF"));
    }
}
