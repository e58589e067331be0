//! Writing of hashes, lists, sets, sorted sets and streams: one transaction each.
//!
//! What was there goes and what is written comes in one step, so that nobody meets half of it. The
//! commands of a transaction are of limited length; how many it takes is the value's. Of a stream the
//! items and their ids are written; groups of consumers are not part of an [`Entry`](crate::entry::Entry).

use redis::{Cmd, Value, cmd};

use super::nodes::Nodes;
use super::{command, in_doubt, read, shown};
use crate::backend::{Error, ErrorKind};
use crate::entry::{Condition, Expiry, Members, Write};

/// Members that one command writes.
const CHUNK: usize = 500;

/// Writes members; whether the condition held.
pub fn write(nodes: &mut Nodes, write: &Write, members: &Members) -> Result<bool, Error> {
    let doing = format!("cannot set {}", shown(&write.key));
    let key = write.key.key.as_slice();
    if write.condition != Condition::Always && !holds(nodes, write, &doing)? {
        return Ok(false);
    }
    let mut commands = vec![cmd("MULTI"), command("DEL", &[key])];
    fill(key, members, &mut commands);
    match write.expiry {
        Expiry::Never => {}
        Expiry::In(ms) => commands.push(command("PEXPIRE", &[key, ms.to_string().as_bytes()])),
        Expiry::At(ms) => commands.push(command("PEXPIREAT", &[key, ms.to_string().as_bytes()])),
        Expiry::Keep => {
            let left = nodes.ask_one(&doing, command("PTTL", &[key]))?;
            if let Value::Int(ms @ 0..) = left {
                commands.push(command("PEXPIRE", &[key, ms.to_string().as_bytes()]));
            }
        }
    }
    commands.push(cmd("EXEC"));
    let replies = nodes.change_together(&commands).map_err(|error| in_doubt(error, "it was written"))?;
    match replies.into_iter().next_back() {
        Some(Value::Array(done)) => {
            done.into_iter().try_for_each(|reply| nodes.check(&doing, reply).map(drop))?;
            Ok(true)
        }
        // Somebody else has written what was watched.
        Some(Value::Nil) => Ok(false),
        Some(reply) => Err(nodes.check(&doing, reply).map_or_else(|error| error, |reply| read::odd(&reply))),
        None => Err(Error::new(ErrorKind::Failed, format!("{doing}: no reply came"))),
    }
}

/// Whether the condition holds, and the transaction is off should it hold no more when that comes.
fn holds(nodes: &mut Nodes, write: &Write, doing: &str) -> Result<bool, Error> {
    let key = write.key.key.as_slice();
    let mut replies = nodes.change_together(&[command("WATCH", &[key]), command("EXISTS", &[key])])?.into_iter();
    for _ in 0..replies.len().saturating_sub(1) {
        nodes.check(doing, replies.next().unwrap_or_default())?;
    }
    let there = match nodes.check(doing, replies.next().unwrap_or_default())? {
        Value::Int(there) => there != 0,
        reply => return Err(read::odd(&reply)),
    };
    let holds = there == (write.condition == Condition::IfPresent);
    if !holds {
        // To the same node: its slot is that of the key, which no command without one tells.
        nodes.change_together(&[command("EXISTS", &[key]), cmd("UNWATCH")])?;
    }
    Ok(holds)
}

fn fill(key: &[u8], members: &Members, commands: &mut Vec<Cmd>) {
    let mut in_chunks = |verb: &str, arguments: &mut dyn Iterator<Item = [Vec<u8>; 2]>, single: bool| {
        let mut command: Option<Cmd> = None;
        for (at, [first, second]) in arguments.enumerate() {
            if at % CHUNK == 0 {
                commands.extend(command.take());
            }
            let command = command.get_or_insert_with(|| super::command(verb, &[key]));
            command.arg(first);
            if !single {
                command.arg(second);
            }
        }
        commands.extend(command);
    };
    let one = |item: &Vec<u8>| [item.clone(), Vec::new()];
    match members {
        Members::List(items) => in_chunks("RPUSH", &mut items.iter().map(one), true),
        Members::Set(items) => in_chunks("SADD", &mut items.iter().map(one), true),
        Members::Hash(pairs) => {
            in_chunks("HSET", &mut pairs.iter().map(|(field, value)| [field.clone(), value.clone()]), false);
        }
        Members::SortedSet(pairs) => {
            let pair = |(member, score): &(Vec<u8>, f64)| [redis_float(*score).into_bytes(), member.clone()];
            in_chunks("ZADD", &mut pairs.iter().map(pair), false);
        }
        Members::Stream(items) => {
            for item in items {
                let mut add = command("XADD", &[key, item.id.as_bytes()]);
                for (field, value) in &item.fields {
                    add.arg(field).arg(value);
                }
                commands.push(add);
            }
            if items.is_empty() {
                // A stream without items is there all the same.
                commands.push(command("XADD", &[key, b"0-1", b"", b""]));
                commands.push(command("XDEL", &[key, b"0-1"]));
            }
        }
    }
}

/// A score as ZADD takes it: the shortest digits that read back the same.
fn redis_float(score: f64) -> String {
    if score.is_infinite() { if score > 0.0 { "+inf".into() } else { "-inf".into() } } else { score.to_string() }
}
