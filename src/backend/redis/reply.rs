//! One reply out of what a server sends, within a budget.
//!
//! The `redis` crate's parser looks at no limit: ten million numbers are 40 MB on the wire and a GiB
//! in memory, and a line without an end is read again from its start with each piece that comes. So
//! the frames are read here, each length held against the budget when it is announced; the crate
//! reads the lines that are a value by themselves, and knows what a server's errors are called.

use std::io::{self, BufRead, Read as _};

use redis::{ErrorKind, Parser, RedisError, RedisResult, Value};

use crate::backend::net::TooMuch;

/// Bytes of one line. What a server says in one (a status, an error, a number) is short.
pub const LINE_MOST: u64 = 64 << 10;

/// What one element costs of the budget beside its bytes: its place in memory, and its share of growth.
const ELEMENT: u64 = 64;
const _: () = assert!(size_of::<Value>() as u64 <= ELEMENT);

/// Lists in lists. The replies to our commands have three.
const DEPTH_MOST: usize = 32;

/// A list whose elements are still to come.
struct Open {
    mark: u8,
    items: Vec<Value>,
    total: u64,
}

/// Reads a reply that costs at most `budget`. What the server pushes before it is passed over at the
/// same cost, and attributes are dropped: no command of ours asks for either.
///
/// # Errors
/// [`TooMuch`] inside an [`io::Error`]; [`ErrorKind::Parse`] when it is not Redis's protocol; what
/// `source` says.
pub fn read(source: &mut impl BufRead, mut budget: u64) -> RedisResult<Value> {
    let mut open: Vec<Open> = Vec::new();
    let mut parser = Parser::new();
    loop {
        let line = line(source)?;
        spend(&mut budget, line.len() as u64)?;
        let mut whole = match (line[0], announced(&line)?) {
            (_, None) => Some(Value::Nil),
            (b'$' | b'=' | b'!', Some(length)) => {
                spend(&mut budget, length)?;
                Some(blob(line[0], bulk(source, length)?, &mut parser)?)
            }
            (mark @ (b'*' | b'~' | b'>' | b'%' | b'|'), Some(count)) => {
                let total = match mark {
                    b'%' => count.saturating_mul(2),
                    // What the attributes are about comes after them.
                    b'|' => count.saturating_mul(2).saturating_add(1),
                    _ => count,
                };
                spend(&mut budget, total.saturating_mul(ELEMENT))?;
                if open.len() == DEPTH_MOST {
                    return Err(malformed());
                }
                open.push(Open { mark, items: Vec::new(), total });
                None
            }
            _ => Some(parser.parse_value(line.as_slice())?),
        };
        // What is whole goes into the list around it, which may make that whole.
        loop {
            match (whole.take(), open.last_mut()) {
                (Some(value), None) => return Ok(value),
                (Some(value), Some(list)) => list.items.push(value),
                (None, _) => {}
            }
            let Some(list) = open.pop_if(|list| list.items.len() as u64 == list.total) else { break };
            whole = closed(list);
        }
    }
}

/// A list as a value; what is pushed is none.
fn closed(Open { mark, mut items, .. }: Open) -> Option<Value> {
    match mark {
        b'>' => None,
        b'|' => items.pop(),
        b'~' => Some(Value::Set(items)),
        b'%' => {
            let mut items = items.into_iter();
            Some(Value::Map(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()))
        }
        _ => Some(Value::Array(items)),
    }
}

/// The length or the count that a line announces: `None` for -1, and 0 for lines that announce none.
fn announced(line: &[u8]) -> RedisResult<Option<u64>> {
    if !b"$=!*~>%|".contains(&line[0]) {
        return Ok(Some(0));
    }
    match &line[1..line.len() - 2] {
        b"-1" => Ok(None),
        digits if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            // What is past 64 bits is past any budget.
            Ok(Some(std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)))
        }
        _ => Err(malformed()),
    }
}

/// A line with its CR LF: never empty.
fn line(source: &mut impl BufRead) -> RedisResult<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let left = LINE_MOST - line.len() as u64;
        if source.by_ref().take(left).read_until(b'\n', &mut line)? == 0 {
            return Err(if left == 0 { malformed() } else { io::Error::from(io::ErrorKind::UnexpectedEof).into() });
        }
        if line.ends_with(b"\r\n") && line.len() > 2 {
            return Ok(line);
        }
        // Anything else than one of these says at once that it is no Redis.
        if !b"$=!*~>%|+-:_,#(".contains(&line[0]) {
            return Err(malformed());
        }
    }
}

/// So many bytes and the CR LF after them. Memory grows with what comes, not with what is announced.
fn bulk(source: &mut impl BufRead, length: u64) -> RedisResult<Vec<u8>> {
    let mut bytes = Vec::new();
    if (source.by_ref().take(length).read_to_end(&mut bytes)? as u64) < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let mut end = [0; 2];
    source.read_exact(&mut end)?;
    if end == *b"\r\n" { Ok(bytes) } else { Err(malformed()) }
}

/// What bytes of an announced length are: data; text after its format (`txt:`); an error.
fn blob(mark: u8, bytes: Vec<u8>, parser: &mut Parser) -> RedisResult<Value> {
    match mark {
        b'=' => match bytes.get(3) {
            Some(b':') => Ok(Value::BulkString(bytes[4..].to_vec())),
            _ => Err(malformed()),
        },
        b'!' => {
            let words = String::from_utf8_lossy(&bytes).replace(['\r', '\n'], " ");
            parser.parse_value(format!("-{words}\r\n").as_bytes())
        }
        _ => Ok(Value::BulkString(bytes)),
    }
}

fn spend(budget: &mut u64, cost: u64) -> RedisResult<()> {
    *budget = budget.checked_sub(cost).ok_or_else(|| io::Error::other(TooMuch))?;
    Ok(())
}

/// It is not Redis's protocol.
pub fn malformed() -> RedisError {
    (ErrorKind::Parse, "not a reply of Redis's protocol").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], budget: u64) -> String {
        match read(&mut &bytes[..], budget) {
            Ok(value) => format!("{value:?}"),
            Err(error) if error.kind() == ErrorKind::Parse => "malformed".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn replies_are_what_the_crate_makes_of_them() {
        for bytes in [
            &b"+OK\r\n"[..],
            b"+\r\n",
            b"+a\nb\r\n",
            b"-WRONGTYPE no\r\n",
            b":-7\r\n",
            b"$0\r\n\r\n",
            b"$4\r\n\r\n\r\n\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*3\r\n:1\r\n*1\r\n*0\r\n$1\r\na\r\n",
            b"%1\r\n+k\r\n~2\r\n#t\r\n_\r\n",
            b",1.5\r\n",
            b"(123456789012345678901234567890\r\n",
            b"!8\r\nERR a  b\r\n",
        ] {
            let theirs = redis::parse_redis_value(bytes).unwrap();
            assert_eq!(shown(bytes, 1 << 20), format!("{theirs:?}"), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_asked_for_is_passed_over() {
        let int = "int(5)";
        for bytes in [&b">2\r\n+message\r\n*0\r\n:5\r\n"[..], b">0\r\n>0\r\n:5\r\n", b"|1\r\n+ttl\r\n:9\r\n:5\r\n"] {
            assert_eq!(shown(bytes, 1000), int, "{}", bytes.escape_ascii());
        }
        assert_eq!(shown(b"=7\r\ntxt:abc\r\n", 1000), shown(b"$3\r\nabc\r\n", 1000));
    }

    #[test]
    fn what_is_announced_meets_the_budget_before_it_comes() {
        for bytes in [
            &b"$1001\r\n"[..],
            b"*1000000000\r\n",
            b"%9223372036854775807\r\n",
            b"*2\r\n$600\r\n",
            b"$99999999999999999999999\r\n",
            &b">0\r\n".repeat(300),
            &b"*1\r\n".repeat(20),
        ] {
            assert!(shown(bytes, 700).contains("too large"), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_cut_short_or_no_reply_is_an_error() {
        let long = [b"+".as_slice(), &[b'x'; 1 << 17], b"\r\n"].concat();
        for bytes in [
            &b"HTTP/1.1 400\r\n"[..],
            b"\r\n",
            b"$-9\r\n",
            b"$\r\n",
            b"$+1\r\n",
            b"*1x\r\n",
            b"$1\r\nabc",
            b":one\r\n",
            b"=1\r\na\r\n",
            &b"*1\r\n".repeat(50),
            &long,
        ] {
            assert_eq!(shown(bytes, 1 << 20), "malformed", "{:.40}", bytes.escape_ascii().to_string());
        }
        for bytes in [&b""[..], b"+O", b"$3\r\nab", b"$3\r\nabc", b"*2\r\n:1\r\n", b">1\r\n:1\r\n"] {
            let error = read(&mut &bytes[..], 1 << 20).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Io, "{}: {error}", bytes.escape_ascii());
        }
    }
}
