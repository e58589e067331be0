//! Which node of a cluster has which key, and what nodes say of that.
//!
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>. Nothing is asked here.

use std::ops::RangeInclusive;

use crc::{CRC_16_XMODEM, Crc};
use redis::{Arg, Cmd, ServerError, Value};

use super::read;
use crate::backend::Error;
use crate::backend::net::Place;

/// How many slots a cluster has.
pub const SLOTS: u16 = 16384;

static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a key: of what stands in its first braces, where anything does.
pub fn of(key: &[u8]) -> u16 {
    let place = |key: &[u8], brace| key.iter().position(|byte| *byte == brace);
    let tag = place(key, b'{').and_then(|open| {
        let rest = &key[open + 1..];
        place(rest, b'}').map(|close| &rest[..close]).filter(|tag| !tag.is_empty())
    });
    CRC.checksum(tag.unwrap_or(key)) % SLOTS
}

/// The slot of a command that this house sends, unless it has no key. Keys come first, but for those of commands
/// that have subcommands.
pub fn of_command(command: &Cmd) -> Option<u16> {
    let mut words = command.args_iter().filter_map(|word| match word {
        Arg::Simple(word) => Some(word),
        _ => None,
    });
    match words.next()? {
        b"MULTI" | b"EXEC" => None,
        b"MEMORY" | b"OBJECT" => words.nth(1).map(of),
        _ => words.next().map(of),
    }
}

/// Slots and the nodes that have them, the primary first. A host is empty where it is the one that was asked.
#[derive(Debug, PartialEq, Eq)]
pub struct Range {
    pub slots: RangeInclusive<u16>,
    pub nodes: Vec<(String, u16)>,
}

/// What CLUSTER SLOTS answers: of each range the first and the last slot, the primary, and its replicas.
pub fn ranges(told: Value) -> Result<Vec<Range>, Error> {
    read::array(told)?.into_iter().map(range).collect()
}

fn range(told: Value) -> Result<Range, Error> {
    let mut parts = read::array(told)?.into_iter();
    let mut next = || parts.next().unwrap_or_default();
    let (start, end) = (slot(next())?, slot(next())?);
    if start > end {
        return Err(read::odd(&Value::Int(end.into())));
    }
    let nodes = std::iter::once(node(next())).chain(parts.map(node)).collect::<Result<_, _>>()?;
    Ok(Range { slots: start..=end, nodes })
}

fn node(told: Value) -> Result<(String, u16), Error> {
    let mut node = read::array(told)?.into_iter();
    let host = match node.next().unwrap_or_default() {
        Value::Nil => String::new(),
        // A node that was not told its own name says so.
        host => String::from_utf8_lossy(&read::bytes(host)?).replace('?', ""),
    };
    if host.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(read::odd(&Value::BulkString(host.into_bytes())));
    }
    match node.next().unwrap_or_default() {
        Value::Int(port) => Ok((host, u16::try_from(port).map_err(|_| read::odd(&Value::Int(port)))?)),
        other => Err(read::odd(&other)),
    }
}

fn slot(told: Value) -> Result<u16, Error> {
    match told {
        Value::Int(slot @ 0..16384) => Ok(slot as u16),
        other => Err(read::odd(&other)),
    }
}

/// Slots that are on their way to the node that answered CLUSTER NODES so: `[42-<-ID]` in its own line.
pub fn importing(told: &str) -> Vec<u16> {
    let own = told.lines().filter(|line| line.split(' ').nth(2).is_some_and(|flags| flags.contains("myself")));
    let moving = own.flat_map(|line| line.split(' ').skip(8));
    moving.filter_map(|word| word.strip_prefix('[')?.split_once("-<-")?.0.parse().ok()).collect()
}

/// The address of a node that the one at `by` calls so: without a host, it has that one's.
pub fn place(by: &Place, host: String, port: u16) -> Place {
    match (by, host.is_empty()) {
        (Place::Tls(host, _), true) => Place::Tls(host.clone(), port),
        (Place::Tcp(host, _), true) => Place::Tcp(host.clone(), port),
        (Place::Unix(_), true) => Place::Tcp("localhost".to_owned(), port),
        (Place::Tls(..), false) => Place::Tls(host, port),
        _ => Place::Tcp(host, port),
    }
}

/// What a node of a cluster answers in place of a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Detour {
    /// The slot is another node's from now on.
    Moved(u16, String, u16),
    /// This once, the other node has it: the slot is on its way there.
    Ask(String, u16),
    /// It will be all right soon.
    Later,
}

impl Detour {
    /// The detour that an error means, if it means one.
    pub fn of(error: &ServerError) -> Option<Detour> {
        Detour::read(error.code(), error.details().unwrap_or_default())
    }

    /// The same of its first word and the rest.
    pub fn read(code: &str, details: &str) -> Option<Detour> {
        let mut words = details.split(' ');
        match code {
            "TRYAGAIN" | "CLUSTERDOWN" => return Some(Detour::Later),
            "MOVED" | "ASK" => {}
            _ => return None,
        }
        let slot = words.next()?.parse().ok().filter(|slot| *slot < SLOTS)?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let (host, port) = (host.trim_matches(['[', ']', '?']).to_owned(), port.parse().ok()?);
        Some(if code == "ASK" { Detour::Ask(host, port) } else { Detour::Moved(slot, host, port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::redis::command;

    #[test]
    fn a_key_has_the_slot_that_redis_gives_it() {
        // CLUSTER KEYSLOT of Redis 7.0.15.
        for (key, slot) in [
            (&b""[..], 0),
            (b"foo", 12182),
            (b"user:42", 15880),
            (b"{user1000}.following", 3443),
            (b"{user1000}.followers", 3443),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", 4015),
            (b"foo{bar}{zap}", 5061),
            (b"}{", 12793),
            (b"\xff\x00", 1023),
        ] {
            assert_eq!(of(key), slot, "{}", key.escape_ascii());
        }
    }

    #[test]
    fn the_key_of_a_command_is_found() {
        let foo = Some(of(b"foo"));
        for (verb, words, slot) in [
            ("GETRANGE", &[&b"foo"[..], b"0", b"1"][..], foo),
            ("MEMORY", &[b"USAGE", b"foo"], foo),
            ("OBJECT", &[b"FREQ", b"foo"], foo),
            ("MULTI", &[], None),
            ("EXEC", &[], None),
        ] {
            assert_eq!(of_command(&command(verb, words)), slot, "{verb}");
        }
    }

    #[test]
    fn what_nodes_say_of_slots_is_understood() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host| Value::Array(vec![host, Value::Int(7001), text("id")]);
        let told =
            |start, end, host| Value::Array(vec![Value::Int(start), Value::Int(end), node(host), node(Value::Nil)]);
        let all = Value::Array(vec![told(0, 5, text("h")), told(6, 16383, Value::Nil), told(7, 7, text("?"))]);
        let range = |slots, host: &str| Range { slots, nodes: vec![(host.to_owned(), 7001), (String::new(), 7001)] };
        assert_eq!(ranges(all), Ok(vec![range(0..=5, "h"), range(6..=16383, ""), range(7..=7, "")]));
        let places =
            [told(0, 16384, text("h")), told(-1, 5, text("h")), told(9, 8, text("h")), told(0, 5, text("h\n"))];
        for odd in places.into_iter().chain([Value::Int(1), Value::Array(Vec::new())]) {
            assert!(ranges(Value::Array(vec![odd.clone()])).is_err(), "{odd:?}");
        }

        let nodes = "a1 127.0.0.1:1@2 master - 0 0 1 connected 0-5 [9-<-a2]\n\
                     a2 127.0.0.1:2@3 myself,master - 0 0 2 connected 6-7 9 [7->-a1] [42-<-a1] [43-<-a1]\n";
        assert_eq!(importing(nodes), [42, 43]);
        assert!(importing("nonsense").is_empty());
    }

    #[test]
    fn a_detour_is_an_error_of_a_cluster() {
        let detour = |line: &str| match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => Detour::of(&error),
            other => panic!("{other:?}"),
        };
        assert_eq!(detour("MOVED 3999 127.0.0.1:6381"), Some(Detour::Moved(3999, "127.0.0.1".into(), 6381)));
        assert_eq!(detour("ASK 3999 ::1:6381"), Some(Detour::Ask("::1".into(), 6381)));
        assert_eq!(detour("MOVED 3999 :6381"), Some(Detour::Moved(3999, String::new(), 6381)));
        assert_eq!(detour("MOVED 3999 ?:6381"), Some(Detour::Moved(3999, String::new(), 6381)));
        assert_eq!(detour("TRYAGAIN Multiple keys"), Some(Detour::Later));
        for none in ["MOVED", "MOVED 16384 h:1", "MOVED 1 h", "ASK x h:1", "ASK 1 h:99999", "ERR no"] {
            assert_eq!(detour(none), None, "{none}");
        }
    }
}
