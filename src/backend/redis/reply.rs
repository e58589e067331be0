//! One reply out of what a server sends, within a budget.
//!
//! The `redis` crate's parser looks at no limit: ten million numbers are 40 MB on the wire and a GiB
//! in memory, and a line without an end is read again from its start with each piece that comes. So
//! the frames are read here, each length held against the budget when it is announced; the crate
//! reads the lines that are a value by themselves, and knows what a server's errors are called.

use std::io::{self, BufRead, Read as _};

use redis::{ErrorKind, RedisError, RedisResult, Value};

use crate::backend::net::TooMuch;

/// Bytes of one line. What a server says in one (a status, an error, a number) is short.
const LINE_MOST: u64 = 64 << 10;

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

/// What a line is, or announces.
enum Head {
    Whole(Value),
    /// So many bytes.
    Blob(u8, u64),
    /// So many elements.
    List(u8, u64),
}

/// Reads a reply that costs at most `budget`. What the server pushes before it is passed over at the
/// same cost, and attributes are dropped: no command of ours asks for either.
///
/// # Errors
/// [`TooMuch`] inside an [`io::Error`]; [`ErrorKind::Parse`] when it is not Redis's protocol; what
/// `source` says.
pub fn read(source: &mut impl BufRead, mut budget: u64) -> RedisResult<Value> {
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut whole = match with_line(source, |line| {
            spend(&mut budget, line.len() as u64)?;
            head(line)
        })? {
            Head::Whole(value) => Some(value),
            Head::Blob(mark, length) => {
                spend(&mut budget, length)?;
                Some(blob(mark, bulk(source, length)?)?)
            }
            Head::List(mark, count) => {
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

/// What a line is or announces. What comes by the million (a number, `OK`) is made here, and not by the crate,
/// whose parser begins with a buffer of 8 KiB for each.
fn head(line: &[u8]) -> RedisResult<Head> {
    let (mark, rest) = (line[0], &line[1..line.len() - 2]);
    match mark {
        b'+' if rest == b"OK" => Ok(Head::Whole(Value::Okay)),
        b'$' | b'=' | b'!' => Ok(announced(rest)?.map_or(Head::Whole(Value::Nil), |length| Head::Blob(mark, length))),
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            Ok(announced(rest)?.map_or(Head::Whole(Value::Nil), |count| Head::List(mark, count)))
        }
        _ => match integer(rest).filter(|_| mark == b':') {
            Some(number) => Ok(Head::Whole(Value::Int(number))),
            None => Ok(Head::Whole(redis::parse_redis_value(line)?)),
        },
    }
}

/// A number of up to 18 digits, which cannot be too large.
pub fn integer(digits: &[u8]) -> Option<i64> {
    let (sign, digits) = match digits {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    let fits = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    fits.then(|| sign * digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

/// The length or the count that a line announces: `None` for -1.
fn announced(digits: &[u8]) -> RedisResult<Option<u64>> {
    match digits {
        b"-1" => Ok(None),
        digits if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {
            // What is past 18 digits is past any budget.
            Ok(Some(integer(digits).map_or(u64::MAX, i64::unsigned_abs)))
        }
        _ => Err(malformed()),
    }
}

/// Bytes in which the end of a line is looked for where they stand: a number, a word.
const SHORT: usize = 64;

/// What `read` makes of the next line with its CR LF, which is never empty.
pub fn with_line<T>(source: &mut impl BufRead, read: impl FnOnce(&[u8]) -> RedisResult<T>) -> RedisResult<T> {
    let here = source.fill_buf()?;
    if let Some(end) = here.iter().take(SHORT).position(|byte| *byte == b'\n').filter(|end| *end > 1)
        && here[end - 1] == b'\r'
    {
        let made = read(&here[..=end])?;
        source.consume(end + 1);
        return Ok(made);
    }
    read(&line(source)?)
}

/// A line that is long, or has not come as a whole.
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
    let here = source.fill_buf()?;
    if let Some((body, rest)) = usize::try_from(length).ok().and_then(|length| here.split_at_checked(length))
        && rest.starts_with(b"\r\n")
    {
        let bytes = body.to_vec();
        source.consume(bytes.len() + 2);
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    if (source.by_ref().take(length).read_to_end(&mut bytes)? as u64) < length {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let mut end = [0; 2];
    source.read_exact(&mut end)?;
    if end == *b"\r\n" { Ok(bytes) } else { Err(malformed()) }
}

/// What bytes of an announced length are: data; text after its format (`txt:`); an error.
fn blob(mark: u8, bytes: Vec<u8>) -> RedisResult<Value> {
    match mark {
        b'=' => match bytes.get(3) {
            Some(b':') => Ok(Value::BulkString(bytes[4..].to_vec())),
            _ => Err(malformed()),
        },
        b'!' => {
            let words = String::from_utf8_lossy(&bytes).replace(['\r', '\n'], " ");
            redis::parse_redis_value(format!("-{words}\r\n").as_bytes())
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
        // A buffer of one byte, so that everything comes in pieces, must read the same.
        let [pieces, whole] =
            [1, 1 << 16].map(|size| match read(&mut io::BufReader::with_capacity(size, bytes), budget) {
                Ok(value) => format!("{value:?}"),
                Err(error) if error.kind() == ErrorKind::Parse => "malformed".to_owned(),
                Err(error) => error.to_string(),
            });
        assert_eq!(pieces, whole);
        whole
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
