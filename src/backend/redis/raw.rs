//! Any command of the server's, and its reply as it came.
//!
//! What never ends or leaves no reply to wait for is refused: one command has one reply here.

use redis::{Cmd, Value};

use super::in_doubt;
use super::link::Link;
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

/// Sends `command`, its name first.
pub fn ask(link: &mut Link, command: &[Vec<u8>]) -> Result<Reply, Error> {
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
    let mut replies = Vec::with_capacity(1);
    link.ask([sent], &mut replies).map_err(|error| in_doubt(error, &format!("`{name}` was done")))?;
    Ok(reply(link.check(&format!("`{name}` was refused"), replies.pop().unwrap_or_default())?))
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
