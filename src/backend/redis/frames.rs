//! The few replies that a survey gets, read where they stand: millions of them pass, and none is kept.
//!
//! [`reply`](super::reply) builds a value of each; here a number is a number, and text goes to the
//! end of a buffer that is used again and again. Every length meets a limit before it is read.

use std::io::{self, BufRead, Read as _};

use redis::{RedisResult, ServerError, Value};

use super::reply::{integer, malformed, with_line};
use crate::backend::net::TooMuch;

/// A reply of one part.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// A number.
    Int(i64),
    /// Text or bytes: so many of them are now at the end of the buffer.
    Bytes(usize),
    /// Nothing.
    Nil,
    /// The server's refusal.
    Refused(ServerError),
}

/// Reads frames from one source.
pub struct Frames<'a, R> {
    source: &'a mut R,
}

impl<'a, R: BufRead> Frames<'a, R> {
    /// Over what `source` sends.
    pub fn new(source: &'a mut R) -> Frames<'a, R> {
        Frames { source }
    }

    /// A reply of one part; its text, of at most `most` bytes, goes to the end of `text`.
    pub fn one(&mut self, text: &mut Vec<u8>, most: u64) -> RedisResult<Frame> {
        let (mark, head) = self.head(|mark, rest| match mark {
            b':' | b'$' | b'*' => number(rest).map(Head::Number),
            b'+' => Ok(Head::Text(extend(text, rest))),
            b'_' => Ok(Head::Number(-1)),
            b'-' => Ok(Head::Line(rest.to_vec())),
            _ => Err(malformed()),
        })?;
        match (mark, head) {
            (b':', Head::Number(number)) => Ok(Frame::Int(number)),
            (_, Head::Text(count)) => Ok(Frame::Bytes(count)),
            (_, Head::Line(line)) => Ok(Frame::Refused(refusal(&line)?)),
            (_, Head::Number(-1)) => Ok(Frame::Nil),
            (b'$', Head::Number(length)) => Ok(Frame::Bytes(self.body(length, text, most)?)),
            _ => Err(malformed()),
        }
    }

    /// How many parts a list has.
    pub fn list(&mut self) -> RedisResult<Result<usize, ServerError>> {
        let (_, head) = self.head(|mark, rest| match mark {
            b'*' => number(rest).map(Head::Number),
            b'-' => Ok(Head::Line(rest.to_vec())),
            _ => Err(malformed()),
        })?;
        match head {
            Head::Line(line) => Ok(Err(refusal(&line)?)),
            Head::Number(count) => Ok(Ok(usize::try_from(count).map_err(|_| malformed())?)),
            Head::Text(_) => Err(malformed()),
        }
    }

    /// The length and the bytes of a bulk string.
    fn body(&mut self, length: i64, text: &mut Vec<u8>, most: u64) -> RedisResult<usize> {
        let length = u64::try_from(length).map_err(|_| malformed())?;
        if length > most {
            return Err(io::Error::other(TooMuch).into());
        }
        let here = self.source.fill_buf()?;
        let whole = usize::try_from(length).map_err(|_| malformed())?;
        if let Some((body, rest)) = here.split_at_checked(whole)
            && rest.starts_with(b"\r\n")
        {
            text.extend_from_slice(body);
            self.source.consume(whole + 2);
            return Ok(whole);
        }
        let read = self.source.by_ref().take(length).read_to_end(text)?;
        let mut end = [0; 2];
        self.source.read_exact(&mut end)?;
        if read == whole && end == *b"\r\n" { Ok(whole) } else { Err(malformed()) }
    }

    /// What `read` makes of the next line: of its mark, and of what stands between that and its end.
    fn head(&mut self, read: impl FnOnce(u8, &[u8]) -> RedisResult<Head>) -> RedisResult<(u8, Head)> {
        with_line(self.source, |line| Ok((line[0], read(line[0], &line[1..line.len() - 2])?)))
    }
}

/// What a line announces or is.
enum Head {
    Number(i64),
    Text(usize),
    Line(Vec<u8>),
}

fn extend(text: &mut Vec<u8>, more: &[u8]) -> usize {
    text.extend_from_slice(more);
    more.len()
}

fn number(digits: &[u8]) -> RedisResult<i64> {
    integer(digits).ok_or_else(malformed)
}

/// A refusal's text as the crate reads it.
fn refusal(line: &[u8]) -> RedisResult<ServerError> {
    match redis::parse_redis_value(&[b"-", line, b"\r\n"].concat())? {
        Value::ServerError(error) => Ok(error),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<String> {
        // A buffer of one byte, so that everything comes in pieces, must read the same.
        let [pieces, whole] = [1, 1 << 16].map(|size| {
            let mut source = io::BufReader::with_capacity(size, bytes);
            let (mut frames, mut text, mut shown) = (Frames::new(&mut source), Vec::new(), Vec::new());
            loop {
                text.clear();
                match frames.one(&mut text, 5) {
                    Ok(Frame::Bytes(_)) => shown.push(text.escape_ascii().to_string()),
                    Ok(frame) => shown.push(format!("{frame:?}")),
                    Err(error) => {
                        shown.push(error.to_string());
                        return shown;
                    }
                }
            }
        });
        assert_eq!(pieces, whole);
        whole
    }

    #[test]
    fn a_frame_is_read_whole_or_in_pieces() {
        let shown = all(b":1\r\n:-2\r\n+hash\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n_\r\n");
        assert_eq!(shown[..7], ["Int(1)", "Int(-2)", "hash", "a\\r\\n", "", "Nil", "Nil"].map(str::to_owned));
        assert_eq!(shown.len(), 8, "{shown:?}");
        let shown = all(b"-NOPERM this user has no permissions to run the 'memory|usage' command\r\n");
        assert!(shown[0].contains("NoPerm") && shown[0].contains("memory|usage"), "{shown:?}");
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        for bytes in [
            &b":\r\n"[..],
            b":1x\r\n",
            b":1\n",
            b"$6\r\nabcdef\r\n",
            b"$-2\r\n",
            b"$3\r\nabcd\r\n",
            b"$99999999999999999999\r\n",
            b"%1\r\n",
            b"\r\n",
            b"*2\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            &[b"+".as_slice(), &[b'x'; 1 << 17]].concat(),
        ] {
            assert_eq!(all(bytes).len(), 1, "{:.40}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn a_list_says_how_long_it_is() {
        let list = |mut bytes: &[u8]| Frames::new(&mut bytes).list();
        assert_eq!(list(b"*12\r\n").unwrap().unwrap(), 12);
        assert!(list(b"-ERR no\r\n").unwrap().is_err());
        for wrong in [&b"*-1\r\n"[..], b":1\r\n", b"$1\r\na\r\n", b""] {
            assert!(list(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
