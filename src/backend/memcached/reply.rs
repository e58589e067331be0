//! One reply out of what a server sends, within a budget: meta protocol and the few classic words.
//!
//! `doc/protocol.txt` of memcached 1.6.18. Every line meets a limit, and so does the length of a value
//! before memory is reserved for it. This file knows no commands.

use std::io::{self, BufRead, Read as _};

use crate::backend::net::TooMuch;

/// Bytes of one line. A line of a metadump has a key of 250 bytes, each of them as `%20`, and numbers.
const LINE_MOST: u64 = 8 << 10;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `VA`: there is an item, and this is its data.
    Value(Marks, Vec<u8>),
    /// `HD`: it was done, or there is an item.
    Done(Marks),
    /// `EN`, `NF`: there is no item.
    Missing,
    /// `NS`: the condition did not hold.
    Unmet,
    /// `EX`: the item has changed meanwhile.
    Changed,
    /// `ERROR`, `CLIENT_ERROR`, `SERVER_ERROR` and `BUSY`, in the server's words.
    Refused(String),
    /// What the classic commands and `mn` answer, as a line.
    Line(String),
}

/// The flags that a meta reply came with: a letter, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks(String);

impl Marks {
    /// The number of `letter`; `None` where it is not there or no number of 64 bits.
    pub fn number(&self, letter: char) -> Option<i64> {
        let mut tokens = self.0.split_ascii_whitespace();
        tokens.find_map(|token| token.strip_prefix(letter)).and_then(|number| number.parse().ok())
    }
}

/// Reads a reply, whose data is at most `most` bytes.
///
/// # Errors
/// [`TooMuch`] inside; [`io::ErrorKind::InvalidData`] when it is not memcached's protocol; what
/// `source` says.
pub fn read(source: &mut impl BufRead, most: u64) -> io::Result<Reply> {
    let line = line(source)?;
    let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
    Ok(match word {
        "VA" => {
            let (length, marks) = rest.split_once(' ').unwrap_or((rest, ""));
            let length = length.bytes().all(|byte| byte.is_ascii_digit()).then(|| length.parse().unwrap_or(u64::MAX));
            let length = length.filter(|_| !rest.is_empty()).ok_or_else(malformed)?;
            Reply::Value(Marks(marks.to_owned()), data(source, length, most)?)
        }
        "HD" => Reply::Done(Marks(rest.to_owned())),
        "EN" | "NF" => Reply::Missing,
        "NS" => Reply::Unmet,
        "EX" => Reply::Changed,
        "ERROR" | "CLIENT_ERROR" | "SERVER_ERROR" | "BUSY" => Reply::Refused(line),
        "MN" | "OK" | "STORED" | "STAT" | "END" => Reply::Line(line),
        _ => return Err(malformed()),
    })
}

/// A line without its end, which is LF alone in a metadump.
///
/// # Errors
/// As [`read`] has them.
pub fn line(source: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    source.by_ref().take(LINE_MOST).read_until(b'\n', &mut line)?;
    if line.pop_if(|byte| *byte == b'\n').is_none() {
        let short = (line.len() as u64) < LINE_MOST;
        return Err(if short { io::ErrorKind::UnexpectedEof.into() } else { malformed() });
    }
    line.pop_if(|byte| *byte == b'\r');
    String::from_utf8(line).map_err(|_| malformed())
}

/// So many bytes and the CR LF after them. Memory grows with what comes, not with what is announced.
fn data(source: &mut impl BufRead, length: u64, most: u64) -> io::Result<Vec<u8>> {
    if length > most {
        return Err(io::Error::other(TooMuch));
    }
    let mut bytes = Vec::new();
    if (source.by_ref().take(length).read_to_end(&mut bytes)? as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut end = [0; 2];
    source.read_exact(&mut end)?;
    if end == *b"\r\n" { Ok(bytes) } else { Err(malformed()) }
}

/// What no memcached says.
pub fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "not a reply of memcached's protocol")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        match read(&mut &bytes[..], 10) {
            Ok(Reply::Value(marks, data)) => format!("{} {:?}", data.escape_ascii(), marks.number('f')),
            Ok(reply) => format!("{reply:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn replies_are_told_apart() {
        for (bytes, says) in [
            (&b"VA 2 t-1 f16\r\n\r\n\r\n"[..], "\\r\\n Some(16)"),
            (b"VA 0\r\n\r\n", " None"),
            (b"HD\r\n", "Done(Marks(\"\"))"),
            (b"EN\r\n", "Missing"),
            (b"NF b\r\n", "Missing"),
            (b"NS\r\n", "Unmet"),
            (b"EX\r\n", "Changed"),
            (b"CLIENT_ERROR no\r\n", "Refused(\"CLIENT_ERROR no\")"),
            (b"MN\r\n", "Line(\"MN\")"),
        ] {
            assert_eq!(shown(bytes), says, "{}", bytes.escape_ascii());
        }
        assert_eq!(Marks("t-1 f4294967295 c".to_owned()).number('f'), Some(4_294_967_295));
        assert_eq!(Marks("c".to_owned()).number('c'), None);
    }

    #[test]
    fn what_is_too_large_cut_short_or_no_reply_is_an_error() {
        for bytes in [&b"VA 11 t1\r\n"[..], b"VA 99999999999999999999999999\r\n"] {
            assert_eq!(shown(bytes), "the reply is too large", "{}", bytes.escape_ascii());
        }
        let long = [b"HD ".as_slice(), &[b'x'; 9 << 10], b"\r\n"].concat();
        for bytes in [
            &b"VA\r\n"[..],
            b"VA -1\r\n",
            b"VA x\r\n",
            b"VA 1\r\nab\r\n",
            b"+OK\r\n",
            b"\r\n",
            b"\xff\r\n",
            b"hd\r\n",
            &long,
        ] {
            assert!(shown(bytes).starts_with("not a reply"), "{:.40}", bytes.escape_ascii().to_string());
        }
        for bytes in [&b""[..], b"H", b"HD", b"VA 3\r\nab", b"VA 2\r\nab", b"VA 2\r\nab\r"] {
            let error = read(&mut &bytes[..], 10).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{}", bytes.escape_ascii());
        }
    }
}
