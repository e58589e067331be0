//! Which keys are used most: asked of the server where it watches by itself, else watched.
//!
//! HOTKEYS (Redis 8.6, <https://redis.io/docs/latest/commands/hotkeys/>) has the server measure for a time
//! and keep the top. MONITOR repeats every command to this client, which costs a busy server up to half
//! of its speed: so it is never used unless asked for, and ends at its time whatever comes.

use std::io::{self, BufRead as _, Read as _};
use std::time::{Duration, Instant};

use foldhash::HashMap;
use redis::{RedisResult, Value, cmd};

use super::frames::{Frame, Frames};
use super::link::Trouble;
use super::nodes::Nodes;
use super::reply::malformed;
use super::{command, fault, read};
use crate::backend::net::Stream;
use crate::backend::{Error, Heat, Search};

/// Keys that are counted at the same time. Those that came once only go when there are more.
const KEYS_MOST: usize = 100_000;

/// Bytes of a command that are kept: its keys stand at the beginning, and a value may be as long as it likes.
const COMMAND_MOST: usize = 64 << 10;

/// How long to wait for a line before it is looked whether to go on.
const LOOK: Duration = Duration::from_millis(100);

/// HOTKEYS keeps from 10 to 64.
const KEPT: std::ops::RangeInclusive<usize> = 10..=64;

/// Commands that name no key, and those that have several.
const KEYLESS: &[&str] = &[
    "acl",
    "auth",
    "client",
    "cluster",
    "command",
    "config",
    "dbsize",
    "discard",
    "echo",
    "exec",
    "failover",
    "flushall",
    "flushdb",
    "function",
    "hello",
    "hotkeys",
    "info",
    "keys",
    "lastsave",
    "latency",
    "lolwut",
    "module",
    "monitor",
    "multi",
    "ping",
    "psync",
    "psubscribe",
    "publish",
    "pubsub",
    "punsubscribe",
    "quit",
    "randomkey",
    "replconf",
    "reset",
    "role",
    "save",
    "bgsave",
    "bgrewriteaof",
    "scan",
    "script",
    "select",
    "shutdown",
    "slowlog",
    "subscribe",
    "swapdb",
    "sync",
    "time",
    "unsubscribe",
    "unwatch",
    "wait",
];
const ALL_KEYS: &[&str] =
    &["del", "exists", "mget", "pfcount", "sdiff", "sinter", "sunion", "touch", "unlink", "watch"];
const SECOND_KEYS: &[&str] = &["debug", "memory", "object", "xgroup", "xinfo", "bitop"];

/// The `most` most used keys of a time: of the one server, or of all primaries, which are watched at the same time.
pub fn hottest(nodes: &mut Nodes, most: usize, search: &mut Search<'_>) -> Result<Vec<Heat>, Error> {
    let primaries = nodes.primaries()?;
    let mut heats = match search.monitor {
        true => watched(nodes, &primaries, search)?,
        false => asked(nodes, &primaries, most, search)?,
    };
    heats.sort_unstable_by(|a, b| b.uses.cmp(&a.uses).then_with(|| a.key.cmp(&b.key)));
    heats.truncate(most);
    Ok(heats)
}

/// By HOTKEYS.
fn asked(nodes: &mut Nodes, primaries: &[usize], most: usize, search: &mut Search<'_>) -> Result<Vec<Heat>, Error> {
    let kept = most.clamp(*KEPT.start(), *KEPT.end()).to_string();
    // It ends by itself should we not be there any more.
    let seconds = search.time.as_secs().max(1).to_string();
    let start = [&b"START"[..], b"METRICS", b"1", b"CPU", b"COUNT", kept.as_bytes(), b"DURATION", seconds.as_bytes()];
    for node in primaries {
        nodes.link(*node).ask_one("cannot have the server find hot keys", command("HOTKEYS", &start))?;
    }
    let _ = (search.wait)(search.time);
    let mut heats = Vec::new();
    for node in primaries {
        let link = nodes.link(*node);
        let told = link.ask_one("cannot read the hot keys", command("HOTKEYS", &[b"GET"]));
        let _ = link.ask_one("cannot end the search for hot keys", command("HOTKEYS", &[b"STOP"]));
        let _ = link.ask_one("cannot forget the hot keys", command("HOTKEYS", &[b"RESET"]));
        heats.extend(by_cpu(told?)?);
    }
    Ok(heats)
}

/// The list `by-cpu-time-us` of what HOTKEYS GET answers: names and values in turn, in one list or in
/// one of its own for each session.
fn by_cpu(told: Value) -> Result<Vec<Heat>, Error> {
    let mut parts = read::array(told)?;
    if let [Value::Array(_) | Value::Map(_)] = parts.as_slice() {
        parts = read::array(parts.remove(0))?;
    }
    let mut parts = parts.into_iter();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        if read::bytes(name)? != b"by-cpu-time-us" {
            continue;
        }
        let mut keys = read::array(value)?.into_iter();
        let mut heats = Vec::new();
        while let (Some(key), Some(Value::Int(us))) = (keys.next(), keys.next()) {
            heats.push(Heat { key: read::bytes(key)?, uses: us.unsigned_abs(), unit: "us of the server" });
        }
        return Ok(heats);
    }
    Ok(Vec::new())
}

/// By MONITOR.
fn watched(nodes: &mut Nodes, primaries: &[usize], search: &mut Search<'_>) -> Result<Vec<Heat>, Error> {
    let mut counts: HashMap<Vec<u8>, u64> = HashMap::default();
    let watched = watch(nodes, primaries, search, &mut counts);
    // They would go on watching.
    primaries.iter().for_each(|node| nodes.link(*node).hang_up());
    watched?;
    Ok(counts.into_iter().map(|(key, uses)| Heat { key, uses, unit: "commands" }).collect())
}

fn watch(
    nodes: &mut Nodes,
    primaries: &[usize],
    search: &mut Search<'_>,
    counts: &mut HashMap<Vec<u8>, u64>,
) -> Result<(), Error> {
    for node in primaries {
        let link = nodes.link(*node);
        let label = link.label().to_owned();
        link.converse(|stream| {
            stream.send(&cmd("MONITOR").get_packed_command())?;
            match Frames::new(stream.reply()).one(&mut Vec::new(), 64)? {
                Frame::Bytes(_) => Ok(()),
                Frame::Refused(error) => Err(fault::refused(&label, "cannot watch commands", &error).into()),
                _ => Err(malformed().into()),
            }
        })?;
    }
    let end = Instant::now() + search.time;
    let look = LOOK / u32::try_from(primaries.len()).unwrap_or(u32::MAX);
    let mut lines: Vec<Line> = primaries.iter().map(|_| Line::default()).collect();
    while Instant::now() < end && (search.wait)(Duration::ZERO).is_continue() {
        for (node, line) in primaries.iter().zip(&mut lines) {
            let link = nodes.link(*node);
            let database = link.database();
            link.converse(|stream| line.read(stream, look, database, counts))?;
        }
    }
    Ok(())
}

/// A line that is read as it comes.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    is_counted: bool,
}

impl Line {
    /// Reads lines for a time, or until none comes within it, and counts their keys.
    fn read(
        &mut self,
        stream: &mut Stream,
        time: Duration,
        database: i64,
        counts: &mut HashMap<Vec<u8>, u64>,
    ) -> Result<(), Trouble> {
        let start = Instant::now();
        while start.elapsed() < time {
            let left = (COMMAND_MOST - self.bytes.len()) as u64;
            match stream.within(time).take(left).read_until(b'\n', &mut self.bytes) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(_) => {
                    let is_whole = self.bytes.ends_with(b"\n");
                    if !is_whole && self.bytes.len() < COMMAND_MOST {
                        continue;
                    }
                    if !self.is_counted {
                        count(&self.bytes, database, counts)?;
                    }
                    // What follows of one that is longer is passed over.
                    self.is_counted = !is_whole;
                    self.bytes.clear();
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Counts the keys of a line: `+1700000000.123456 [0 127.0.0.1:5000] "get" "key"`.
fn count(line: &[u8], database: i64, counts: &mut HashMap<Vec<u8>, u64>) -> RedisResult<()> {
    let rest = line.strip_prefix(b"+").ok_or_else(malformed)?;
    let Some(open) = rest.iter().position(|byte| *byte == b'[') else { return Ok(()) };
    let Some(close) = rest.iter().position(|byte| *byte == b']') else { return Ok(()) };
    let place = String::from_utf8_lossy(rest.get(open + 1..close).unwrap_or_default()).into_owned();
    if place.split(' ').next().and_then(|number| number.parse().ok()) != Some(database) {
        return Ok(());
    }
    for key in keys(&words(&rest[close + 1..])) {
        if let Some(uses) = counts.get_mut(key.as_slice()) {
            *uses += 1;
            continue;
        }
        if counts.len() >= KEYS_MOST {
            counts.retain(|_, uses| *uses > 1);
        }
        if counts.len() < KEYS_MOST {
            counts.insert(key.clone(), 1);
        }
    }
    Ok(())
}

/// Which of a command's words are keys.
fn keys(words: &[Vec<u8>]) -> &[Vec<u8>] {
    let Some((verb, rest)) = words.split_first() else { return &[] };
    let verb = String::from_utf8_lossy(verb).to_ascii_lowercase();
    let is = |verbs: &[&str]| verbs.contains(&verb.as_str());
    match rest {
        [] => &[],
        _ if is(KEYLESS) => &[],
        keys if is(ALL_KEYS) => keys,
        [_, keys @ ..] if is(SECOND_KEYS) => &keys[..keys.len().min(1)],
        [_, count, keys @ ..] if verb.starts_with("eval") || verb.starts_with("fcall") => {
            let count = std::str::from_utf8(count).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
            &keys[..keys.len().min(count)]
        }
        [key, ..] => std::slice::from_ref(key),
    }
}

/// The words of a line, as `sdscatrepr` (`sds.c`) quotes them. What is cut off is left out.
fn words(mut line: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    while let Some(start) = line.iter().position(|byte| *byte == b'"') {
        line = &line[start + 1..];
        let mut word = Vec::new();
        loop {
            match line {
                [b'"', rest @ ..] => {
                    line = rest;
                    words.push(word);
                    break;
                }
                [b'\\', b'x', high, low, rest @ ..] => {
                    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                    word.push(digit(high) << 4 | digit(low));
                    line = rest;
                }
                [b'\\', escaped, rest @ ..] => {
                    word.push(match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'a' => 7,
                        b'b' => 8,
                        other => *other,
                    });
                    line = rest;
                }
                [byte, rest @ ..] => {
                    word.push(*byte);
                    line = rest;
                }
                [] => return words,
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_line_are_counted() {
        let check = |line: &str, expected: &[&[u8]]| {
            let mut counts = HashMap::default();
            count(line.as_bytes(), 2, &mut counts).unwrap();
            let mut keys: Vec<&[u8]> = counts.keys().map(Vec::as_slice).collect();
            keys.sort_unstable();
            assert_eq!(keys, expected, "{line}");
        };
        check("+1.5 [2 127.0.0.1:1] \"get\" \"a\"\r\n", &[b"a"]);
        check("+1.5 [0 127.0.0.1:1] \"get\" \"a\"\r\n", &[]);
        check("+1.5 [2 lua] \"SET\" \"a\\\"\\\\\\x00\\n\" \"v\"\r\n", &[b"a\"\\\0\n"]);
        check("+1.5 [2 unix:/tmp/s] \"mget\" \"a\" \"b\"\r\n", &[b"a", b"b"]);
        check("+1.5 [2 x] \"object\" \"freq\" \"a\"\r\n", &[b"a"]);
        check("+1.5 [2 x] \"evalsha\" \"f00\" \"2\" \"a\" \"b\" \"c\"\r\n", &[b"a", b"b"]);
        check("+1.5 [2 x] \"evalsha\" \"f00\" \"9\" \"a\"\r\n", &[b"a"]);
        check("+1.5 [2 x] \"PING\"\r\n", &[]);
        check("+1.5 [2 x] \"info\" \"all\"\r\n", &[]);
        check("+1.5 [2 x] \"get\" \"cut o", &[]);
        check("+OK\r\n", &[]);
        assert!(count(b":1\r\n", 2, &mut HashMap::default()).is_err());
    }

    #[test]
    fn hot_keys_are_read_flat_or_nested() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let list = || Value::Array(vec![text("x"), Value::Int(104), text("y"), Value::Int(98)]);
        let flat = Value::Array(vec![text("tracking-active"), Value::Int(1), text("by-cpu-time-us"), list()]);
        let map = Value::Map(vec![(text("by-cpu-time-us"), list())]);
        for told in [flat.clone(), map.clone(), Value::Array(vec![flat]), Value::Array(vec![map])] {
            let heats = by_cpu(told).unwrap();
            let heats: Vec<_> = heats.iter().map(|heat| (heat.key.as_slice(), heat.uses)).collect();
            assert_eq!(heats, [(&b"x"[..], 104), (b"y", 98)]);
        }
        assert_eq!(by_cpu(Value::Array(Vec::new())).unwrap(), []);
        assert!(by_cpu(Value::Int(3)).is_err());
    }
}
