//! Requests as bytes, and replies counted without being read into values: Redis's protocol (2 and 3) and
//! memcached's meta commands.
//!
//! What requests have in common is encoded once; a value that is read is passed over, however long it
//! is. Nothing here knows sockets or clocks.

use std::mem;

use itoa::Buffer;

use super::names::{DIGITS, Family, Generations, Names, push_digits};
use super::workload::{Job, Operation, Values};
use crate::backend::redis::slot_of;
use crate::entry::StoredKey;

/// Who listens at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Redis and Valkey.
    Redis,
    /// memcached 1.6 and later.
    Memcached,
}

/// Values from so many bytes on are handed to the socket where they are, not copied.
const LARGE: usize = 4096;

/// Encodes requests.
#[derive(Clone)]
pub struct Requests {
    protocol: Protocol,
    names: Names,
    values: Values,
    /// By the number of the operation: what stands before the key, or before the rest of it where keys
    /// are numbers; and what stands after it, or after the value's length.
    parts: [(Vec<u8>, Vec<u8>); Operation::ALL.len()],
    /// The same of reads that shall find nothing.
    absent: (Vec<u8>, Vec<u8>),
    /// What asks for the values of tags, by the number of the tag that an entry has: one question after the other.
    asks: Vec<Vec<Ask>>,
    /// Whether `parts` have all of a key but its digits.
    numbered: bool,
    /// Where they are numbers, what stands before the digits, by the number of the family.
    heads: [Vec<u8>; 3],
    /// What stands after a value.
    tail: Vec<u8>,
}

/// A question for values of tags.
#[derive(Clone)]
struct Ask {
    bytes: Vec<u8>,
    /// That of its first key.
    slot: u16,
}

/// What says to a node of a cluster that another one has named it for the next request: the slot is on its way to it.
pub const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

/// A request: bytes, or bytes around a value that is too large to copy.
pub enum Request<'a> {
    /// All of it is in the buffer.
    Whole,
    /// What is in the buffer stands before the value, and something after it.
    Around(&'a [u8], &'a [u8]),
}

impl Requests {
    /// Requests whose entries stay for `ttl_s` seconds.
    #[must_use]
    pub fn new(protocol: Protocol, names: Names, values: Values, ttl_s: u64) -> Requests {
        let hashes = names.has_hashes();
        let mut parts = Operation::ALL.map(|operation| {
            let (before, after) = match (protocol, hashes) {
                (Protocol::Redis, false) => of_redis(operation),
                (Protocol::Redis, true) => of_redis_hashes(operation),
                (Protocol::Memcached, _) => of_memcached(operation),
            };
            (before.as_bytes().to_vec(), after.as_bytes().to_vec())
        });
        let mut absent = parts[Operation::Get as usize].clone();
        let mut numbered = false;
        let [get, set, del, incr, _] = parts.each_mut().map(|(before, _)| (before, Family::Entry));
        for (before, family) in [get, set, del, (incr.0, Family::Counter), (&mut absent.0, Family::Absent)] {
            if let Some(head) = names.numbered(family) {
                push_length(protocol, head.len() + DIGITS, before);
                before.extend_from_slice(&head);
                numbered = true;
            }
        }
        let ttl_ms = (ttl_s * 1000).to_string();
        let tail = match protocol {
            // A field has no ttl of its own.
            Protocol::Redis if hashes => "\r\n".to_owned(),
            Protocol::Redis => format!("\r\n$2\r\nPX\r\n${}\r\n{ttl_ms}\r\n", ttl_ms.len()),
            Protocol::Memcached => "\r\n".to_owned(),
        };
        if protocol == Protocol::Memcached {
            // The same flags as those of a write of our own.
            let flags = if values.flags() == 0 { String::new() } else { format!(" F{}", values.flags()) };
            parts[Operation::Set as usize].1 = format!(" T{ttl_s}{flags} MS\r\n").into_bytes();
        }
        let asks = tags(&names).map(|needs| vec![ask("MGET", &needs)]).collect();
        let heads = [Family::Entry, Family::Counter, Family::Absent];
        let heads = heads.map(|family| names.numbered(family).unwrap_or_default());
        Requests { protocol, names, values, parts, absent, asks, numbered, heads, tail: tail.into_bytes() }
    }

    /// The same for a cluster, in which a question is about keys of one slot.
    #[must_use]
    pub fn each_alone(self) -> Requests {
        let alone = |needs: Vec<StoredKey>| needs.chunks(1).map(|need| ask("GET", need)).collect();
        Requests { asks: tags(&self.names).map(alone).collect(), ..self }
    }

    fn ask(&self, job: &Job) -> Option<&Ask> {
        let at = job.asks?;
        self.asks.get(job.key as usize % self.asks.len().max(1))?.get(usize::from(at))
    }

    /// What a job goes on with when the question that came first is answered.
    #[must_use]
    pub fn after(&self, job: Job) -> Job {
        let next = Job { asks: job.asks.map(|at| at + 1), ..job };
        if self.ask(&next).is_some() { next } else { Job { asks: None, ..job } }
    }

    /// The slot of the key that a job asks about, with room for it.
    #[must_use]
    pub fn slot(&self, job: &Job, key: &mut Vec<u8>) -> u16 {
        if let Some(ask) = self.ask(job) {
            return ask.slot;
        }
        if job.operation == Operation::Invalidate {
            return self.names.tag_write(job.key, job.generation).map_or(0, |(stored, _)| slot_of(&stored.key));
        }
        if let Some(stored) = self.names.listed(job.family(), job.key, job.generation) {
            return slot_of(&stored.key);
        }
        key.clear();
        key.extend_from_slice(&self.heads[job.family() as usize]);
        push_digits(job.key, key);
        slot_of(key)
    }

    /// Whether entries are asked for by the values of their tags.
    #[must_use]
    pub fn asks_tags(&self) -> bool {
        !self.asks.is_empty()
    }

    /// Adds the request for `job` to `out`, or what stands before its value.
    pub fn encode(&self, job: &Job, out: &mut Vec<u8>) -> Request<'_> {
        if let Some(ask) = self.ask(job) {
            out.extend_from_slice(&ask.bytes);
            return Request::Whole;
        }
        if job.operation == Operation::Invalidate {
            self.encode_invalidate(job, out);
            return Request::Whole;
        }
        let (before, after) = if job.absent { &self.absent } else { &self.parts[job.operation as usize] };
        out.extend_from_slice(before);
        if self.numbered {
            push_digits(job.key, out);
        } else if let Some(stored) = self.names.listed(job.family(), job.key, job.generation) {
            push_length(self.protocol, stored.key.len(), out);
            out.extend_from_slice(&stored.key);
            if let Some(field) = &stored.field {
                out.extend_from_slice(b"\r\n");
                push_length(self.protocol, field.len(), out);
                out.extend_from_slice(field);
            }
        }
        if job.operation != Operation::Set {
            out.extend_from_slice(after);
            return Request::Whole;
        }
        let mut size = Buffer::new();
        let size = size.format(job.size).as_bytes();
        match self.protocol {
            Protocol::Redis => {
                out.extend_from_slice(after);
                out.extend_from_slice(size);
                out.extend_from_slice(b"\r\n");
            }
            Protocol::Memcached => {
                out.push(b' ');
                out.extend_from_slice(size);
                out.extend_from_slice(after);
            }
        }
        let value = self.values.of(job);
        if value.len() >= LARGE {
            return Request::Around(value, &self.tail);
        }
        out.extend_from_slice(value);
        out.extend_from_slice(&self.tail);
        Request::Whole
    }
}

impl Requests {
    /// A write of a new value to a tag's key, as redis-tagged-cache does it.
    fn encode_invalidate(&self, job: &Job, out: &mut Vec<u8>) {
        let Some((stored, value)) = self.names.tag_write(job.key, job.generation) else { return };
        let (before, after) = &self.parts[Operation::Invalidate as usize];
        out.extend_from_slice(before);
        push_length(self.protocol, stored.key.len(), out);
        out.extend_from_slice(&stored.key);
        out.extend_from_slice(after);
        push_length(self.protocol, value.len(), out);
        out.extend_from_slice(&value);
        out.extend_from_slice(&self.tail);
    }
}

/// Where the values are that tell where the entries of each tag are.
fn tags(names: &Names) -> impl Iterator<Item = Vec<StoredKey>> {
    (0..names.generations().map_or(0, Generations::len)).map(|tag| names.needs(tag))
}

fn ask(verb: &str, keys: &[StoredKey]) -> Ask {
    let mut bytes = format!("*{}\r\n${}\r\n{verb}\r\n", keys.len() + 1, verb.len()).into_bytes();
    for stored in keys {
        push_length(Protocol::Redis, stored.key.len(), &mut bytes);
        bytes.extend_from_slice(&stored.key);
        bytes.extend_from_slice(b"\r\n");
    }
    Ask { bytes, slot: keys.first().map_or(0, |stored| slot_of(&stored.key)) }
}

/// What stands before a key and after it.
fn of_redis(operation: Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::Get => ("*2\r\n$3\r\nGET\r\n", "\r\n"),
        Operation::Set => ("*5\r\n$3\r\nSET\r\n", "\r\n$"),
        Operation::Del => ("*2\r\n$3\r\nDEL\r\n", "\r\n"),
        Operation::Incr => ("*2\r\n$4\r\nINCR\r\n", "\r\n"),
        Operation::Invalidate => ("*5\r\n$3\r\nSET\r\n", "\r\n"),
    }
}

/// The same where entries are fields of hashes.
fn of_redis_hashes(operation: Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::Get => ("*3\r\n$4\r\nHGET\r\n", "\r\n"),
        Operation::Set => ("*4\r\n$4\r\nHSET\r\n", "\r\n$"),
        Operation::Del => ("*3\r\n$4\r\nHDEL\r\n", "\r\n"),
        Operation::Incr => ("*4\r\n$7\r\nHINCRBY\r\n", "\r\n$1\r\n1\r\n"),
        // There are no tags then.
        Operation::Invalidate => ("", ""),
    }
}

fn of_memcached(operation: Operation) -> (&'static str, &'static str) {
    match operation {
        Operation::Get => ("mg ", " v\r\n"),
        Operation::Set => ("ms ", ""),
        Operation::Del => ("md ", "\r\n"),
        Operation::Incr => ("ma ", "\r\n"),
        // Nor here.
        Operation::Invalidate => ("", ""),
    }
}

/// What stands before a key of so many bytes.
fn push_length(protocol: Protocol, length: usize, out: &mut Vec<u8>) {
    if protocol == Protocol::Redis {
        out.push(b'$');
        out.extend_from_slice(Buffer::new().format(length).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// What a server has answered to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A value of so many bytes.
    Found(u64),
    /// There is none.
    Missing,
    /// It is done.
    Done,
    /// It is not done: the first word of why.
    Refused(&'a [u8]),
    /// Another node of the cluster does it: in the words of this one.
    Elsewhere(&'a [u8]),
}

impl<'a> Reply<'a> {
    /// The first word of why it is not done, where it is not.
    #[must_use]
    pub fn refusal(&self) -> Option<&'a [u8]> {
        match self {
            Reply::Refused(kind) => Some(kind),
            Reply::Elsewhere(words) => Some(word(words)),
            _ => None,
        }
    }
}

/// What came is not the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// How much of a line is kept: more than any of the lines that say something about what follows, or the name of a host.
const LINE_MOST: usize = 320;

/// The most that a value may claim to have, which is more than any server holds.
const VALUE_MOST: u64 = 1 << 32;

/// Counts replies in bytes that come in pieces. Holds no value that nobody wants, and no more than [`LINE_MOST`] of a
/// line.
#[derive(Clone, Default)]
pub struct Scanner {
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Whether a line has begun.
    in_line: bool,
    /// Bytes that are still to come of a value, its line end included.
    skip: u64,
    /// How many the value has in all; `None` where it is an error's text.
    value: Option<u64>,
    /// Whether replies may be lists, which count as one each: those to questions for tags are.
    lists: bool,
    /// Replies that are still to come of a list.
    parts: u64,
    /// Whether they are kept.
    keeps: bool,
    /// Those of a value that have come, where they are.
    kept: Vec<u8>,
}

/// What a line says.
enum Line<'a> {
    Reply(Reply<'a>),
    /// So many bytes and a line end follow: a value, or the text of an error.
    Value(u64, bool),
    /// So many replies follow.
    List(u64),
}

impl Scanner {
    /// A scanner where some replies may be lists.
    #[must_use]
    pub fn new(lists: bool) -> Scanner {
        Scanner { lists, ..Scanner::default() }
    }

    /// Hands over a reply, or the end of the list that it is in.
    fn hand(&mut self, reply: Reply<'_>, kept: Option<Vec<u8>>, each: &mut impl FnMut(Reply<'_>, Option<Vec<u8>>)) {
        match self.parts {
            0 => each(reply, kept),
            1 => {
                self.parts = 0;
                each(Reply::Done, None);
            }
            _ => self.parts -= 1,
        }
    }

    /// Takes the next bytes and hands over each reply that ends in them, with the value's bytes where `keep` said so
    /// when it began.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn scan(
        &mut self,
        protocol: Protocol,
        mut bytes: &[u8],
        mut keep: impl FnMut() -> bool,
        mut each: impl FnMut(Reply<'_>, Option<Vec<u8>>),
    ) -> Result<(), Malformed> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len() as u64);
                self.skip -= passed;
                let (part, rest) = bytes.split_at(usize::try_from(passed).expect("at most the bytes there are"));
                if self.keeps {
                    self.kept.extend_from_slice(part);
                }
                bytes = rest;
                if self.skip == 0 {
                    let kept = mem::take(&mut self.keeps).then(|| {
                        // Without the line end.
                        self.kept.truncate(self.kept.len() - 2);
                        mem::take(&mut self.kept)
                    });
                    self.hand(self.value.map_or(Reply::Refused(b"error"), Reply::Found), kept, &mut each);
                }
                continue;
            }
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.keep(bytes);
                return Ok(());
            };
            let held;
            let text = if mem::take(&mut self.in_line) {
                self.keep(&bytes[..=end]);
                self.in_line = false;
                held = mem::take(&mut self.line);
                held.trim_ascii_end()
            } else {
                bytes[..end].strip_suffix(b"\r").ok_or(Malformed)?
            };
            match line(protocol, text)? {
                Line::Reply(reply) => self.hand(reply, None, &mut each),
                Line::Value(size, is_value) => {
                    (self.skip, self.value) = (size + 2, is_value.then_some(size));
                    self.keeps = is_value && self.parts == 0 && keep();
                }
                // No list is in another one.
                Line::List(_) if !self.lists || self.parts > 0 => return Err(Malformed),
                Line::List(0) => each(Reply::Done, None),
                Line::List(count) => self.parts = count,
            }
            self.line.clear();
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    fn keep(&mut self, part: &[u8]) {
        self.in_line = true;
        let room = LINE_MOST - self.line.len();
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }
}

fn line(protocol: Protocol, line: &[u8]) -> Result<Line<'_>, Malformed> {
    let (first, rest) = line.split_first().ok_or(Malformed)?;
    Ok(match (protocol, first) {
        (Protocol::Redis, b'$' | b'_') if matches!(rest, b"-1" | b"") => Line::Reply(Reply::Missing),
        (Protocol::Redis, b'$') => Line::Value(number(rest)?, true),
        (Protocol::Redis, b'+' | b':') => Line::Reply(Reply::Done),
        (Protocol::Redis, b'-') => Line::Reply(match word(rest) {
            b"MOVED" | b"ASK" => Reply::Elsewhere(rest),
            kind => Reply::Refused(kind),
        }),
        (Protocol::Redis, b'!') => Line::Value(number(rest)?, false),
        (Protocol::Redis, b'*') => Line::List(number(rest)?),
        (Protocol::Memcached, _) => match word(line) {
            b"VA" => Line::Value(number(word(rest.get(2..).ok_or(Malformed)?))?, true),
            b"EN" | b"NF" | b"NS" => Line::Reply(Reply::Missing),
            b"HD" => Line::Reply(Reply::Done),
            error @ (b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR") => Line::Reply(Reply::Refused(error)),
            _ => return Err(Malformed),
        },
        _ => return Err(Malformed),
    })
}

/// Up to the first space.
fn word(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == b' ').next().unwrap_or_default()
}

fn number(digits: &[u8]) -> Result<u64, Malformed> {
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() || number > VALUE_MOST {
            return Err(Malformed);
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    if digits.is_empty() || number > VALUE_MOST { Err(Malformed) } else { Ok(number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;
    use crate::layout;

    fn job(operation: Operation, key: u32, size: u32) -> Job {
        Job { size, ..Job::new(operation, key) }
    }

    fn encoded(requests: &Requests, job: &Job) -> Vec<u8> {
        let mut out = Vec::new();
        if let Request::Around(value, tail) = requests.encode(job, &mut out) {
            out.extend_from_slice(value);
            out.extend_from_slice(tail);
        }
        out
    }

    #[test]
    fn requests_are_what_the_servers_take() {
        let values = Values::new(5000, 0.0, 1);
        let names = |layout: &str, given: Option<Vec<Vec<u8>>>| {
            let layout = layout::parse(layout, None, Kind::Redis).unwrap();
            let keys = given.as_ref().map_or(100, |given| given.len() as u32);
            Names::new(layout.as_ref(), "r", given, keys, &[Family::Entry, Family::Counter], 0).unwrap()
        };
        let redis = Requests::new(Protocol::Redis, names("plain:", None), values.clone(), 60);
        let memcached = Requests::new(Protocol::Memcached, names("plain:", None), values.clone(), 60);
        let key = "cachectl:bench:r:1000000000042";
        for (operation, of_redis, of_memcached) in [
            (Operation::Get, format!("*2\r\n$3\r\nGET\r\n$30\r\n{key}\r\n"), format!("mg {key} v\r\n")),
            (Operation::Del, format!("*2\r\n$3\r\nDEL\r\n$30\r\n{key}\r\n"), format!("md {key}\r\n")),
        ] {
            let job = job(operation, 42, 0);
            assert_eq!(String::from_utf8(encoded(&redis, &job)).unwrap(), of_redis);
            assert_eq!(String::from_utf8(encoded(&memcached, &job)).unwrap(), of_memcached);
        }
        let absent = Job { absent: true, ..job(Operation::Get, 42, 0) };
        assert_eq!(encoded(&memcached, &absent), b"mg cachectl:bench:r:3000000000042 v\r\n");
        let given = names("plain:", Some(vec![b"a".to_vec(), b"b\xff".to_vec()]));
        let given = Requests::new(Protocol::Redis, given, values.clone(), 60);
        let counter = b"*2\r\n$4\r\nINCR\r\n$20\r\ncachectl:bench:r:2b\xff\r\n";
        assert_eq!(encoded(&given, &job(Operation::Incr, 1, 0)), counter);
        let hashes = Requests::new(Protocol::Redis, names("pyredis-cache://Class/Student", None), values.clone(), 60);
        let place = "$38\r\n00000CLASSCACHECTL:BENCH:R:#0000000000\r\n";
        for (operation, command, after) in [
            (Operation::Get, "*3\r\n$4\r\nHGET", ""),
            (Operation::Set, "*4\r\n$4\r\nHSET", "$0\r\n\r\n"),
            (Operation::Del, "*3\r\n$4\r\nHDEL", ""),
            (Operation::Incr, "*4\r\n$7\r\nHINCRBY", "$1\r\n1\r\n"),
        ] {
            let family = if operation == Operation::Incr { 2 } else { 1 };
            let field = format!("$41\r\n000STUDENTCACHECTL:BENCH:R:#{family}000000000042\r\n");
            let sent = String::from_utf8(encoded(&hashes, &job(operation, 42, 0))).unwrap();
            assert_eq!(sent, format!("{command}\r\n{place}{field}{after}"));
        }
        for size in [0, 3, 4095, 4096, 5000] {
            let job = Job { offset: 7, ..job(Operation::Set, u32::MAX, size) };
            let key = "cachectl:bench:r:1004294967295";
            let head = format!("*5\r\n$3\r\nSET\r\n$30\r\n{key}\r\n${size}\r\n");
            let tail = b"\r\n$2\r\nPX\r\n$5\r\n60000\r\n";
            assert_eq!(encoded(&redis, &job), [head.as_bytes(), values.of(&job), tail].concat());
            let head = format!("ms {key} {size} T60 MS\r\n");
            assert_eq!(encoded(&memcached, &job), [head.as_bytes(), values.of(&job), b"\r\n"].concat());
        }
    }

    #[test]
    fn memcached_is_told_the_flags_that_values_have() {
        let layout = layout::parse("aiocache://a", None, Kind::Memcached).unwrap();
        let names = Names::new(layout.as_ref(), "r", None, 10, &[], 0).unwrap();
        let (values, _) = Values::given(&[b"abc".to_vec()], 5).unwrap();
        let requests = Requests::new(Protocol::Memcached, names, values, 60);
        let sent = encoded(&requests, &job(Operation::Set, 3, 3));
        assert_eq!(sent, b"ms acachectl:bench:r:1000000000003 3 T60 F5 MS\r\nabc\r\n");
    }

    /// The replies in `bytes`, as text, however the bytes are cut.
    fn check(protocol: Protocol, lists: bool, bytes: &[u8], expected: &str) {
        for piece in [1, 2, 3, 7, bytes.len()] {
            let (mut scanner, mut said) = (Scanner::new(lists), Vec::new());
            let (mut wrong, mut next) = (false, false);
            for part in bytes.chunks(piece) {
                let each = |reply: Reply<'_>, kept: Option<Vec<u8>>| {
                    if let (Some(kept), Reply::Found(size)) = (kept, reply) {
                        assert_eq!(kept.len() as u64, size);
                        return said.push(kept.escape_ascii().to_string());
                    }
                    said.push(match reply {
                        Reply::Found(size) => size.to_string(),
                        Reply::Missing => "miss".to_owned(),
                        Reply::Done => "done".to_owned(),
                        Reply::Refused(word) => String::from_utf8_lossy(word).into_owned(),
                        Reply::Elsewhere(words) => format!("<{}>", String::from_utf8_lossy(words)),
                    });
                };
                // Every other value is kept.
                let keep = || {
                    next = !next;
                    !next
                };
                wrong |= scanner.scan(protocol, part, keep, each).is_err();
                if wrong {
                    said.push("malformed".to_owned());
                    break;
                }
            }
            assert_eq!(said.join(" "), expected, "{} in pieces of {piece}", bytes.escape_ascii());
            assert!(scanner.line.capacity() <= 2 * LINE_MOST);
        }
    }

    #[test]
    fn replies_are_counted_however_they_are_cut() {
        let long = format!("-ERR {}\r\n+OK\r\n", "x".repeat(10_000));
        let redis = Protocol::Redis;
        for (bytes, expected) in [
            (&b"$3\r\na\nb\r\n$-1\r\n_\r\n+OK\r\n:12\r\n"[..], "3 miss miss done done"),
            (b"$0\r\n\r\n$12\r\n$5\r\n-1\r\n+OK\n\r\n-OOM command not\r\n", "0 $5\\r\\n-1\\r\\n+OK\\n OOM"),
            (b"!10\r\nERR wrong!\r\n+OK\r\n", "error done"),
            (long.as_bytes(), "ERR done"),
            (b"-MOVED 3999 127.0.0.1:6381\r\n-ASK 1 :1\r\n", "<MOVED 3999 127.0.0.1:6381> <ASK 1 :1>"),
            (b"+OK\r\n*1\r\n", "done malformed"),
            (b"$4x\r\n", "malformed"),
            (b"$99999999999999999999\r\n", "malformed"),
            (b"$-2\r\n", "malformed"),
            (b"\r\n", "malformed"),
            (b"HTTP/1.1 400 Bad Request\r\n", "malformed"),
            (b"$3\r\nab", ""),
        ] {
            check(redis, false, bytes, expected);
        }
        for (bytes, expected) in [
            (&b"*2\r\n$2\r\nab\r\n$-1\r\n$3\r\nabc\r\n*0\r\n+OK\r\n"[..], "done 3 done done"),
            (b"*1\r\n*1\r\n", "malformed"),
            (b"*1\r\n-ERR no\r\n:1\r\n", "done done"),
        ] {
            check(redis, true, bytes, expected);
        }
        for (bytes, expected) in [
            (&b"VA 3\r\nVA \r\nEN\r\nHD\r\nNF\r\nNS\r\n"[..], "3 miss done miss miss"),
            (b"VA 2 f1\r\n\r\n\r\nSERVER_ERROR out of memory\r\n", "2 SERVER_ERROR"),
            (b"VA\r\n", "malformed"),
            (b"+OK\r\n", "malformed"),
        ] {
            check(Protocol::Memcached, false, bytes, expected);
        }
    }
}
