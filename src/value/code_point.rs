//! Code points of text as Python's `surrogatepass` has it: UTF-8 in which lone surrogates may stand.
//!
//! Python's `str` can hold half of a surrogate pair, JSON's escapes and pickles can name one, and
//! Rust's `str` has no room for it; so text is bytes here. Which characters may be shown is for
//! [`super::printable`] to say.

/// The first code point of `text`, which must not be empty, and how many bytes it takes. Lone
/// surrogates are code points here. A byte that begins none is the surrogate that Python's
/// `surrogateescape` makes of it, so nothing is lost and nothing panics.
#[inline]
#[must_use]
pub fn code_point(text: &[u8]) -> (u32, usize) {
    let first = u32::from(text[0]);
    let (start, len) = match text[0] {
        0..0x80 => return (first, 1),
        0xc2..0xe0 => (first & 0x1f, 2),
        0xe0..0xf0 => (first & 0x0f, 3),
        0xf0..0xf5 => (first & 0x07, 4),
        _ => return (0xdc00 + first, 1),
    };
    match text.get(1..len) {
        Some(more) if more.iter().all(|byte| byte & 0xc0 == 0x80) => {
            (more.iter().fold(start, |code, byte| code << 6 | u32::from(byte & 0x3f)), len)
        }
        _ => (0xdc00 + first, 1),
    }
}

/// Adds the bytes of a code point, which may be a surrogate.
///
/// # Panics
/// When there is no such code point.
pub fn push_code_point(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            assert!(is_surrogate(code), "{code:#x} is no code point");
            let [_, _, high, low] = code.to_be_bytes();
            out.extend([0xed, 0x80 | (high << 2 & 0x3c) | low >> 6, 0x80 | low & 0x3f]);
        }
    }
}

/// Whether `code` is half of a pair that UTF-8 has no room for.
#[must_use]
pub fn is_surrogate(code: u32) -> bool {
    (0xd800..0xe000).contains(&code)
}

/// Where `bytes` stop being text; `None` when all of them are.
#[must_use]
pub fn invalid_at(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(&bytes[at..]) {
        at += error.valid_up_to();
        match bytes[at..] {
            [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] => at += 3,
            _ => return Some(at),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_are_read_from_any_bytes() {
        for (text, expected) in [
            (&b"a\xff"[..], (0x61, 1)),
            ("é".as_bytes(), (0xe9, 2)),
            ("€".as_bytes(), (0x20ac, 3)),
            ("😀x".as_bytes(), (0x1f600, 4)),
            (b"\xed\xb2\x80", (0xdc80, 3)),
            (b"\xff", (0xdcff, 1)),
            (b"\xe2\x82", (0xdce2, 1)),
            (b"\xe2\x82a", (0xdce2, 1)),
        ] {
            assert_eq!(code_point(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_pushed_is_read_and_is_text() {
        for code in
            [0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xffff, 0x1_0000, 0x10_ffff]
        {
            let mut out = Vec::new();
            push_code_point(code, &mut out);
            assert_eq!(code_point(&out), (code, out.len()));
            assert_eq!(invalid_at(&out), None);
            assert_eq!(invalid_at(&[b"\xed\xa0\x80a", out.as_slice(), b"\xff"].concat()), Some(4 + out.len()));
        }
        assert_eq!(invalid_at(b"a\xed\xa0"), Some(1));
    }
}
