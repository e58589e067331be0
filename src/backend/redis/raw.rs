//! Any command of the server's, and its reply as it came.
//!
//! What never ends or leaves no reply to wait for is refused: one command has one reply here.

use redis::{Cmd, Value, cmd};

use super::nodes::Nodes;
use super::{in_doubt, read, slots};
use crate::backend::{Error, ErrorKind, Reply};

/// Commands that have no one reply, and why.
const REFUSED: &[(&str, &str)] = &[
    ("SUBSCRIBE", LISTENS),
    ("PSUBSCRIBE", LISTENS),
    ("SSUBSCRIBE", LISTENS),
    ("UNSUBSCRIBE", LISTENS),
    ("PUNSUBSCRIBE", LISTENS),
    ("SUNSUBSCRIBE", LISTENS),
    ("MONITOR", "its replies never end"),
    ("SYNC", REPLICATES),
    ("PSYNC", REPLICATES),
    ("REPLCONF", REPLICATES),
    ("CLIENT REPLY", "it turns replies off, and one is waited for"),
];

const LISTENS: &str = "messages come when they come, and never end";
const REPLICATES: &str = "it is for replicas, and has no one reply";

/// Commands that change nothing, whatever their arguments are; where it depends on the second word, both.
#[rustfmt::skip]
const READS: &[&str] = &[
    "ACL CAT", "ACL DRYRUN", "ACL GETUSER", "ACL LIST", "ACL USERS", "ACL WHOAMI", "BITCOUNT", "BITFIELD_RO",
    "BITPOS", "CLIENT GETNAME", "CLIENT ID", "CLIENT INFO", "CLIENT LIST", "CLUSTER COUNTKEYSINSLOT",
    "CLUSTER GETKEYSINSLOT", "CLUSTER INFO", "CLUSTER KEYSLOT", "CLUSTER LINKS", "CLUSTER MYID", "CLUSTER NODES",
    "CLUSTER SHARDS", "CLUSTER SLOTS", "COMMAND", "CONFIG GET", "DBSIZE", "DUMP", "ECHO", "EVALSHA_RO", "EVAL_RO",
    "EXISTS", "EXPIRETIME", "FCALL_RO", "FUNCTION DUMP", "FUNCTION LIST", "FUNCTION STATS", "GEODIST", "GEOHASH",
    "GEOPOS", "GEORADIUSBYMEMBER_RO", "GEORADIUS_RO", "GEOSEARCH", "GET", "GETBIT", "GETRANGE", "HEXISTS", "HGET",
    "HGETALL", "HKEYS", "HLEN", "HMGET", "HRANDFIELD", "HSCAN", "HSTRLEN", "HVALS", "INFO", "KEYS", "LASTSAVE",
    "LATENCY DOCTOR", "LATENCY GRAPH", "LATENCY HISTOGRAM", "LATENCY HISTORY", "LATENCY LATEST", "LCS", "LINDEX",
    "LLEN", "LOLWUT", "LPOS", "LRANGE", "MEMORY DOCTOR", "MEMORY MALLOC-STATS", "MEMORY STATS", "MEMORY USAGE", "MGET",
    "MODULE LIST", "OBJECT", "PEXPIRETIME", "PING", "PTTL", "PUBSUB", "RANDOMKEY", "ROLE", "SCAN", "SCARD",
    "SCRIPT EXISTS", "SDIFF", "SINTER", "SINTERCARD", "SISMEMBER", "SLOWLOG GET", "SLOWLOG LEN", "SMEMBERS",
    "SMISMEMBER", "SORT_RO", "SRANDMEMBER", "SSCAN", "STRLEN", "SUBSTR", "SUNION", "TIME", "TTL", "TYPE", "XINFO",
    "XLEN", "XPENDING", "XRANGE", "XREAD", "XREVRANGE", "ZCARD", "ZCOUNT", "ZDIFF", "ZINTER", "ZINTERCARD",
    "ZLEXCOUNT", "ZMSCORE", "ZRANDMEMBER", "ZRANGE", "ZRANGEBYLEX", "ZRANGEBYSCORE", "ZRANK", "ZREVRANGE",
    "ZREVRANGEBYLEX", "ZREVRANGEBYSCORE", "ZREVRANK", "ZSCAN", "ZSCORE", "ZUNION",
];

/// Whether a command is known to change nothing.
#[must_use]
pub fn reads(words: &[impl AsRef<[u8]>]) -> bool {
    let mut words = words.iter().map(|word| String::from_utf8_lossy(word.as_ref()).to_uppercase());
    let name = words.next().unwrap_or_default();
    READS.contains(&name.as_str()) || words.next().is_some_and(|second| READS.contains(&&*format!("{name} {second}")))
}

/// Lets a command through that only reads: one that is known to, or of which the server says so. Whether a replica
/// refuses the others is not relied on: a node of a cluster sends them on to its primary, and some replicas may be
/// written to.
///
/// # Errors
/// When it may write.
pub fn only_reads(nodes: &mut Nodes, command: &[Vec<u8>]) -> Result<(), Error> {
    if reads(command) {
        return Ok(());
    }
    let name = command.first().map(Vec::as_slice).unwrap_or_default();
    let (any, mut replies) = (nodes.any(), Vec::with_capacity(1));
    nodes.link(any).ask([super::command("COMMAND", &[b"INFO", name])], &mut replies)?;
    match replies.pop().is_some_and(is_read_only) {
        true => Ok(()),
        false => {
            let message =
                format!("--replica only reads, and `{}` may write: leave it out", String::from_utf8_lossy(name));
            Err(Error::new(ErrorKind::Unfit, message))
        }
    }
}

/// Whether COMMAND INFO was answered with a command that only reads: name, arity, flags …
fn is_read_only(told: Value) -> bool {
    let first = |told| read::array(told).ok()?.into_iter().next();
    let Some(Ok(mut parts)) = first(told).map(read::array) else { return false };
    let flags = if parts.len() > 2 { read::array(parts.swap_remove(2)).unwrap_or_default() } else { Vec::new() };
    flags.into_iter().filter_map(|flag| read::bytes(flag).ok()).any(|flag| flag == b"readonly")
}

/// Sends `command`, its name first.
pub fn ask(nodes: &mut Nodes, command: &[Vec<u8>]) -> Result<Reply, Error> {
    let words: Vec<_> = command.iter().map(|word| String::from_utf8_lossy(word)).collect();
    let name = words.first().map(AsRef::as_ref).unwrap_or_default();
    let starts = |with: &str| {
        let mut words = words.iter();
        with.split(' ').all(|one| words.next().is_some_and(|word| word.eq_ignore_ascii_case(one)))
    };
    if let Some((refused, why)) = REFUSED.iter().find(|(refused, _)| starts(refused)) {
        return Err(Error::new(ErrorKind::Unfit, format!("`{refused}` cannot be sent from here: {why}")));
    }
    let mut sent = Cmd::new();
    for word in command {
        sent.arg(word.as_slice());
    }
    let node = node(nodes, name, command)?;
    let mut replies = nodes.change_at(node, &[sent]).map_err(|error| in_doubt(error, &format!("`{name}` was done")))?;
    Ok(reply(nodes.check(&format!("`{name}` was refused"), replies.pop().unwrap_or_default())?))
}

/// The node for a command: in a cluster that of its first key. One that names none is for a single node, and that this
/// is a part of the cluster is said.
fn node(nodes: &mut Nodes, name: &str, command: &[Vec<u8>]) -> Result<usize, Error> {
    if !nodes.is_cluster() {
        return Ok(0);
    }
    let any = nodes.any();
    let key = match command.len() {
        1 => None,
        _ => {
            let mut question = cmd("COMMAND");
            question.arg("GETKEYS").arg(command);
            let mut replies = Vec::with_capacity(1);
            nodes.link(any).ask([question], &mut replies)?;
            match replies.pop() {
                Some(Value::ServerError(error)) if error.details().is_some_and(|told| told.contains("no key")) => None,
                // What is wrong with the command the node says itself, and where its keys are where this is not told.
                Some(Value::ServerError(_)) => return Ok(any),
                keys => read::array(keys.unwrap_or_default())?.into_iter().next().map(read::bytes).transpose()?,
            }
        }
    };
    if let Some(key) = key {
        return Ok(nodes.node_of(slots::of(&key)));
    }
    let (label, all) = (nodes.link(any).label().to_owned(), nodes.primaries().map_or(0, |all| all.len()));
    nodes.tell(&format!("`{name}` names no key: it goes to {label} alone, of {all} primaries"));
    Ok(any)
}

/// A reply in types of our own. Lists in lists are as deep as `reply::read` lets them be: 32.
fn reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Okay => Reply::Status(b"OK".to_vec()),
        Value::SimpleString(text) => Reply::Status(text.into_bytes()),
        Value::Int(number) => Reply::Int(number),
        Value::BigNumber(digits) => Reply::Big(digits),
        Value::Double(number) => Reply::Double(number),
        Value::Boolean(truth) => Reply::Bool(truth),
        Value::BulkString(bytes) => Reply::Bytes(bytes),
        Value::VerbatimString { text, .. } => Reply::Bytes(text.into_bytes()),
        Value::Array(items) => Reply::List(items.into_iter().map(reply).collect()),
        Value::Set(items) => Reply::Set(items.into_iter().map(reply).collect()),
        Value::Map(pairs) => Reply::Map(pairs.into_iter().map(|(key, value)| (reply(key), reply(value))).collect()),
        Value::Attribute { data, .. } => reply(*data),
        Value::ServerError(error) => {
            Reply::Error([Some(error.code()), error.details()].into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        // `reply::read` passes over what a server pushes.
        other => Reply::Error(format!("a reply of an unknown type: {other:?}")),
    }
}
