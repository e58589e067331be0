//! What protocol 0 writes as lines of text: escaped strings. Numbers are in `integer.rs`.
//!
//! Pure functions on one line each; which opcode a line belongs to, and what is wrong when it means
//! nothing, is for the machine to say.

use crate::value::code_point::{code_point, push_code_point};
use crate::value::scalar::push_hex;

/// Python's `raw-unicode-escape`, as the pickler has it: Latin-1, and all else as `\uXXXX` or
/// `\UXXXXXXXX`; so are the characters that would end the line or begin an escape.
pub(super) fn raw_unicode_escape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let (code, len) = code_point(rest);
        match u8::try_from(code) {
            Ok(byte) if !matches!(byte, 0 | b'\n' | b'\r' | 0x1a | b'\\') => out.push(byte),
            _ if code <= 0xffff => push_hex(b'u', code, 4, out),
            _ => push_hex(b'U', code, 8, out),
        }
        rest = &rest[len..];
    }
}

/// Python's `raw-unicode-escape`: Latin-1 in which only `\uXXXX` and `\UXXXXXXXX` are escapes.
pub(super) fn raw_unicode_unescape(line: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(line.len());
    let mut at = 0;
    while at < line.len() {
        let digits = match (line[at], line.get(at + 1)) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            (b'\\', Some(next)) => {
                out.push(b'\\');
                push_code_point(u32::from(*next), &mut out);
                at += 2;
                continue;
            }
            (byte, _) => {
                push_code_point(u32::from(byte), &mut out);
                at += 1;
                continue;
            }
        };
        let hex = line.get(at + 2..at + 2 + digits).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let point = hex
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .filter(|point| *point <= 0x10_ffff)?;
        push_code_point(point, &mut out);
        at += 2 + digits;
    }
    Some(out)
}

/// The bytes of a quoted Python 2 string literal.
pub(super) fn string_unescape(line: &[u8]) -> Option<Vec<u8>> {
    let [quote @ (b'\'' | b'"'), text @ .., last] = line else { return None };
    if quote != last {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        at += 1;
        if text[at - 1] != b'\\' {
            out.push(text[at - 1]);
            continue;
        }
        let escape = *text.get(at)?;
        at += 1;
        let simple = match escape {
            b'\\' | b'\'' | b'"' => escape,
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'x' => {
                let hex = std::str::from_utf8(text.get(at..at + 2)?).ok()?;
                at += 2;
                u8::from_str_radix(hex, 16).ok()?
            }
            b'0'..=b'7' => {
                let more = text[at..].iter().take(2).take_while(|digit| matches!(digit, b'0'..=b'7')).count();
                let digits = &text[at - 1..at + more];
                at += more;
                // Three octal digits may pass 255; CPython keeps the low byte.
                digits.iter().fold(0, |number: u8, digit| number.wrapping_mul(8).wrapping_add(digit - b'0'))
            }
            _ => {
                out.push(b'\\');
                escape
            }
        };
        out.push(simple);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_unescaped() {
        for text in [&b""[..], b"a b", b"\0\n\r\x1a\\u0041", "\u{e9}\u{20ac}\u{1f600}".as_bytes(), b"\xed\xa0\x80"] {
            let mut line = Vec::new();
            raw_unicode_escape(text, &mut line);
            assert!(!line.contains(&b'\n'));
            assert_eq!(raw_unicode_unescape(&line).unwrap(), text);
        }
    }
}
