//! Python's words for what has no parts: strings, bytes, integers and floats, as CPython 3.11's `repr`.
//!
//! Each function appends to a buffer. What is shared by the notations stands here, so that a float
//! is the same digits in all of them. It knows neither containers nor objects.

use num_bigint::{BigInt, Sign};

use super::code_point::code_point;
use super::printable::is_printable;
use super::{Node, Value};

/// CPython refuses to turn longer integers into decimal digits and back, which takes quadratic time
/// (`sys.get_int_max_str_digits`).
pub const DIGITS_MAX: usize = 4300;

/// Bytes that are escaped, buffered and handed on at once.
pub const PAGE: usize = 1 << 16;

/// An integer in decimal; `None` when it has more than [`DIGITS_MAX`] digits.
#[must_use]
pub fn decimal(number: &BigInt) -> Option<String> {
    // A digit takes log2(10) bits, so more than 3.4 bits a digit is certainly too long.
    if number.bits() > DIGITS_MAX as u64 * 34 / 10 {
        return None;
    }
    let digits = number.to_string();
    (digits.trim_start_matches('-').len() <= DIGITS_MAX).then_some(digits)
}

/// An integer: in decimal, or `0x…` when CPython would refuse to print it.
#[must_use]
pub fn big(number: &BigInt) -> String {
    decimal(number).unwrap_or_else(|| {
        let sign = if number.sign() == Sign::Minus { "-" } else { "" };
        format!("{sign}0x{}", number.magnitude().to_str_radix(16))
    })
}

/// An integer of 64 bits.
pub fn write_int(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A float: the shortest digits that read back as it, with `.0` where there is no other sign that
/// it is one.
pub fn write_float(float: f64, out: &mut Vec<u8>) {
    if let Some(digits) = usual_float(float, &mut zmij::Buffer::new()) {
        out.extend_from_slice(digits);
        return;
    }
    let start = out.len();
    write_short_float(float, out);
    if out[start..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
        out.extend_from_slice(b".0");
    }
}

/// [`write_float`] for the floats for which there is a fast way: nearly all.
#[inline]
pub fn usual_float(float: f64, buffer: &mut zmij::Buffer) -> Option<&[u8]> {
    // In this range Python writes no exponent, and neither does the fast way.
    if !(1e-4..1e16).contains(&float.abs()) {
        return None;
    }
    let digits = buffer.format_finite(float).as_bytes();
    // Fewer than 16 digits, sign and point apart, cannot be one of two that are as near.
    (digits.len() < 16 || !may_tie(float)).then_some(digits)
}

/// A float of 32 bits, with as many digits as those need.
pub fn write_float32(float: f32, out: &mut Vec<u8>) {
    if float.is_finite() && float != 0.0 {
        let start = out.len();
        write_digits(&format!("{float:e}"), out);
        if out[start..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
            out.extend_from_slice(b".0");
        }
    } else {
        write_float(f64::from(float), out);
    }
}

/// A float as a part of a complex number: without the `.0`.
fn write_short_float(float: f64, out: &mut Vec<u8>) {
    if !float.is_finite() {
        let word = if float.is_nan() { "nan" } else { ["inf", "-inf"][usize::from(float < 0.0)] };
        out.extend_from_slice(word.as_bytes());
        return;
    }
    write_digits(&shortest(float), out);
}

/// Digits and exponent as Rust writes them, in Python's notation.
fn write_digits(scientific: &str, out: &mut Vec<u8>) {
    let (mantissa, exponent) = scientific.split_once('e').expect("Rust writes an exponent when asked to");
    let exponent: i32 = exponent.parse().expect("an exponent is a small number");
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: Vec<u8> = mantissa.bytes().filter(|byte| *byte != b'.').collect();
    out.extend_from_slice(sign.as_bytes());
    if !(-4..16).contains(&exponent) {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("e{sign}{:02}", exponent.abs()).as_bytes());
        return;
    }
    if exponent < 0 {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + usize::try_from(-exponent - 1).expect("it is negative"), b'0');
        out.extend_from_slice(&digits);
        return;
    }
    let whole = usize::try_from(exponent).expect("it is not negative") + 1;
    if digits.len() <= whole {
        out.extend_from_slice(&digits);
        out.resize(out.len() + whole - digits.len(), b'0');
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

/// The shortest digits that read back as `float`, and its exponent. Of two that are as short and as
/// near CPython takes the even one, Rust's `{:e}` the greater.
#[must_use]
pub fn shortest(float: f64) -> String {
    let shortest = format!("{float:e}");
    let digits = shortest.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    if digits < 16 {
        return shortest;
    }
    let nearest = format!("{float:.*e}", digits - 1);
    if nearest.parse() == Ok(float) { nearest } else { shortest }
}

/// Whether two shortest numbers can be as near to `float`: then it lies halfway, so that its exact
/// digits are one more than theirs, 18 at most. More than 26 binary places are more decimal digits
/// than that.
fn may_tie(float: f64) -> bool {
    let bits = float.to_bits();
    let exponent = i64::from((bits >> 52) as u32 & 0x7ff) - 1075;
    exponent + i64::from(bits.trailing_zeros().min(52)) >= -26
}

/// A complex number.
pub fn write_complex(real: f64, imaginary: f64, out: &mut Vec<u8>) {
    if real == 0.0 && real.is_sign_positive() {
        write_short_float(imaginary, out);
        out.push(b'j');
        return;
    }
    out.push(b'(');
    write_short_float(real, out);
    if imaginary.is_nan() || imaginary.is_sign_positive() {
        out.push(b'+');
    }
    write_short_float(imaginary, out);
    out.extend_from_slice(b"j)");
}

/// The integer that a finite float without a fraction is.
#[must_use]
pub fn whole(float: f64) -> BigInt {
    let bits = float.to_bits();
    let exponent = (bits >> 52) & 0x7ff;
    let mantissa = BigInt::from(bits & ((1 << 52) - 1) | u64::from(exponent > 0) << 52);
    let magnitude = if exponent >= 1075 { mantissa << (exponent - 1075) } else { mantissa >> (1075 - exponent) };
    if float < 0.0 { -magnitude } else { magnitude }
}

/// Text with its quotes.
pub fn write_str(text: &[u8], out: &mut Vec<u8>) {
    let quote = quote(text);
    out.push(quote);
    write_str_part(text, quote, out);
    out.push(quote);
}

/// A part of a text that begins and ends with whole characters, between its quotes.
pub fn write_str_part(part: &[u8], quote: u8, out: &mut Vec<u8>) {
    write_escaped(part, Some(quote), out);
}

/// Which quotes a text or bytes have: double ones only where they save escapes.
#[must_use]
pub fn quote(text: &[u8]) -> u8 {
    if text.contains(&b'\'') && !text.contains(&b'"') { b'"' } else { b'\'' }
}

/// Pages of at most so many bytes of text, each escaped by itself, so that no long one needs a buffer
/// of its length: they begin and end with whole characters.
pub fn pages(text: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = most.min(rest.len());
        // A character has at most three bytes after its first; bytes that are no text have any.
        let first = end.saturating_sub(3);
        while end > first && rest.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        let (page, after) = rest.split_at(end);
        rest = after;
        (!page.is_empty()).then_some(page)
    })
}

/// The name of a module, class or argument: what is not printable is escaped as in a string.
pub fn write_name(text: &[u8], out: &mut Vec<u8>) {
    write_escaped(text, None, out);
}

/// Bytes with `b` and their quotes.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let quote = quote(bytes);
    out.extend_from_slice(&[b'b', quote]);
    write_bytes_part(bytes, &[quote], out);
    out.push(quote);
}

/// The bytes in the repr of a bytearray: a single quote is escaped in it whatever quotes are around
/// (`bytearray_repr` in CPython 3.11, `Objects/bytearrayobject.c`).
pub fn write_byte_array(bytes: &[u8], out: &mut Vec<u8>) {
    let quote = quote(bytes);
    out.extend_from_slice(&[b'b', quote]);
    write_bytes_part(bytes, &[quote, b'\''], out);
    out.push(quote);
}

/// A part of bytes between their quotes, with a backslash before these quotes.
pub fn write_bytes_part(bytes: &[u8], escaped: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b if escaped.contains(b) => out.extend_from_slice(&[b'\\', *b]),
            0x20..0x7f => out.push(*byte),
            _ => push_hex(b'x', u32::from(*byte), 2, out),
        }
    }
}

/// A backslash, `letter`, and `digits` hexadecimal digits of `number`.
pub fn push_hex(letter: u8, number: u32, digits: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'\\', letter]);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(number >> (4 * place) & 0xf) as usize]);
    }
}

/// Whether the bytes of a node are a whole number, and which.
#[must_use]
pub fn integer(value: &Value, node: Node) -> Option<BigInt> {
    match node {
        Node::Int(number) => Some(number.into()),
        Node::Big(span) => Some(value.big(span)),
        _ => None,
    }
}

/// `quote` is what must be escaped along with backslashes; a name has neither.
fn write_escaped(text: &[u8], quote: Option<u8>, out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        let plain =
            |byte: &u8| (0x20..0x7f).contains(byte) && (quote.is_none() || *byte != b'\\' && Some(*byte) != quote);
        let run = text[at..].iter().take_while(|byte| plain(byte)).count();
        out.extend_from_slice(&text[at..at + run]);
        at += run;
        if at == text.len() {
            return;
        }
        let (code, len) = code_point(&text[at..]);
        match code {
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x20..0x7f => out.extend_from_slice(&[b'\\', text[at]]),
            _ if is_printable(code) => out.extend_from_slice(&text[at..at + len]),
            0..0x100 => push_hex(b'x', code, 2, out),
            0x100..0x1_0000 => push_hex(b'u', code, 4, out),
            _ => push_hex(b'U', code, 8, out),
        }
        at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_fast_way_writes_floats_as_the_slow_way_does() {
        let mut random = fastrand::Rng::with_seed(16);
        for round in 0..200_000 {
            let float = match round % 4 {
                0 => random.f64(),
                1 => random.f64() * 1e5 - 5e4,
                2 => random.i64(-1 << 57..1 << 57) as f64 / f64::from(1_u32 << random.u8(..8)),
                _ => f64::from_bits(random.u64(0x3f00_0000_0000_0000..0x4350_0000_0000_0000)),
            };
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            write_float(float, &mut fast);
            write_short_float(float, &mut slow);
            if slow.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
                slow.extend_from_slice(b".0");
            }
            assert_eq!(fast, slow, "{float:e}");
        }
    }

    #[test]
    fn floats_are_as_in_python() {
        for (float, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (1e-4, "0.0001"),
            (1.25e-5, "1.25e-05"),
            (5e-324, "5e-324"),
            (-123.456, "-123.456"),
            (-3_628_647_687_501_326.5 / 2.0, "-1814323843750663.2"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(text(|out| write_float(float, out)), expected);
        }
        for (real, imaginary, expected) in [
            (1.0, 2.0, "(1+2j)"),
            (0.0, -1.0, "-1j"),
            (-0.0, 1.0, "(-0+1j)"),
            (f64::NAN, f64::NAN, "(nan+nanj)"),
            (1.5, -0.0, "(1.5-0j)"),
            (0.0, f64::INFINITY, "infj"),
        ] {
            assert_eq!(text(|out| write_complex(real, imaginary, out)), expected);
        }
    }

    #[test]
    fn strings_and_bytes_are_as_in_python() {
        for (input, expected) in [
            (&b""[..], "''"),
            (b"it's", "\"it's\""),
            (b"'\"", "'\\'\"'"),
            (b"a\\b\n\t\r\x00\x1b\x7f", r"'a\\b\n\t\r\x00\x1b\x7f'"),
            ("é\u{a0}\u{200b}😀\u{e0001}".as_bytes(), r"'é\xa0\u200b😀\U000e0001'"),
            (b"\xed\xb2\x80", r"'\udc80'"),
        ] {
            assert_eq!(text(|out| write_str(input, out)), expected);
        }
        assert_eq!(text(|out| write_bytes(b"it's\x80\n\\", out)), r#"b"it's\x80\n\\""#);
        assert_eq!(text(|out| write_name(b"a'\x1b\\b", out)), r"a'\x1b\b");
    }

    #[test]
    fn integers_are_decimal_up_to_the_length_that_python_prints() {
        for (number, expected) in [(i64::MIN, "-9223372036854775808"), (0, "0"), (-10, "-10"), (99, "99")] {
            assert_eq!(text(|out| write_int(number, out)), expected);
        }
        let most: BigInt = BigInt::from(10_i32).pow(4299);
        let over: BigInt = BigInt::from(-10_i32) * &most;
        for (number, expected) in [
            (-BigInt::from(1_u128 << 64), "-18446744073709551616".to_owned()),
            (most.clone(), format!("1{}", "0".repeat(4299))),
            (over.clone(), format!("-0x{}", over.magnitude().to_str_radix(16))),
        ] {
            assert_eq!(big(&number), expected);
        }
    }
}
