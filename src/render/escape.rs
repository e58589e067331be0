//! Nothing from a cache reaches a terminal unescaped.
//!
//! Keys, tags, server messages and file names go through [`line()`] before they are shown; values
//! through their own notation, which escapes the same characters.

use crate::value::printable::is_printable;

/// `bytes` as one line that cannot move a cursor: what is printable stands as it is, a backslash is
/// doubled, a character that is not printable (C0, C1, DEL, bidi and zero-width controls, line
/// separators) becomes `\uXXXX`, a byte that is no UTF-8 or below 0x80 `\xXX`: it can be read back.
#[must_use]
pub fn line(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_escaped(&mut out, c, true));
        chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    out
}

/// A message of our own, in which text from elsewhere may stand: its backslashes and line ends are
/// left alone.
#[must_use]
pub fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' { out.push(c) } else { push_escaped(&mut out, c, false) }
    }
    out
}

fn push_escaped(out: &mut String, c: char, backslash: bool) {
    match c {
        '\\' if backslash => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_printable(c as u32) => out.push(c),
        c if (c as u32) < 0x80 => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if (c as u32) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

#[cfg(test)]
mod tests {
    use super::{line, message};

    #[test]
    fn no_control_character_is_left() {
        for (bytes, shown) in [
            (&b"user:42"[..], "user:42"),
            ("n\u{e4}ive \u{1f600}".as_bytes(), "n\u{e4}ive \u{1f600}"),
            (b"a\nb\r\t\x1b]0;x\x07", "a\\nb\\r\\t\\x1b]0;x\\x07"),
            ("\u{9b}31m\u{202e}\u{200b}\u{2028}\u{e0001}".as_bytes(), "\\u009b31m\\u202e\\u200b\\u2028\\U000e0001"),
            (b"a\\b\xff\x00", "a\\\\b\\xff\\x00"),
        ] {
            assert_eq!(line(bytes), shown);
        }
        assert_eq!(message("a\\b\n\x1b"), "a\\b\n\\x1b");
    }
}
