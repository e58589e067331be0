//! Writing of hashes, lists, sets, sorted sets and streams: one transaction each.
//!
//! What was there goes and what is written comes in one step, so that nobody meets half of it. The
//! commands of a transaction are of limited length; how many it takes is the value's. Of a stream the
//! items and their ids are written; groups of consumers are not part of an [`Entry`](crate::entry::Entry).

use redis::{Cmd, Value, cmd};

use super::nodes::Nodes;
use super::{command, read, shown, transaction};
use crate::backend::{Error, REPLACE_TRIES, never_still};
use crate::entry::{Condition, Expiry, Members, Write};

/// Members that one command writes.
const CHUNK: usize = 500;

/// Why Redis would refuse members in the middle of a transaction, which it does not take back then: the key would be
/// gone.
pub fn unfit(write: &Write, members: &Members) -> Option<&'static str> {
    match (members, write.expiry) {
        (_, Expiry::In(ms)) if ms > i64::MAX.unsigned_abs() / 2 => Some("its ttl is past what Redis counts to"),
        (members, _) if members.is_nothing() => Some("there are no members, and without any Redis keeps no key"),
        (Members::SortedSet(pairs), _) if pairs.iter().any(|(_, score)| score.is_nan()) => {
            Some("a score of a sorted set is a number")
        }
        (Members::Stream(items), _) => {
            let ids = items.iter().map(|item| id(&item.id).filter(|id| *id > (0, 0) && !item.fields.is_empty()));
            let ordered = ids.collect::<Option<Vec<_>>>().is_some_and(|ids| ids.is_sorted_by(|one, next| one < next));
            (!ordered).then_some("the items of a stream have ids such as 5-1, each above the one before, and fields")
        }
        _ => None,
    }
}

/// The two numbers of a stream's id.
fn id(text: &str) -> Option<(u64, u64)> {
    let (ms, number) = text.split_once('-')?;
    Some((ms.parse().ok()?, number.parse().ok()?))
}

/// Writes members; whether the condition held.
pub fn write(nodes: &mut Nodes, write: &Write, members: &Members) -> Result<bool, Error> {
    let doing = format!("cannot set {}", shown(&write.key));
    for _ in 0..REPLACE_TRIES {
        let (there, ttl) = look(nodes, write, &doing)?;
        if write.condition != Condition::Always && there != (write.condition == Condition::IfPresent) {
            forget(nodes)?;
            return Ok(false);
        }
        if let Some(replies) = transaction::commit(nodes, &doing, commands(write, members, ttl))? {
            replies.into_iter().try_for_each(|reply| nodes.check(&doing, reply).map(drop))?;
            return Ok(true);
        }
    }
    Err(never_still(&doing, nodes.label()))
}

/// Whether the key is there, which is watched from now on where it matters; and what is left of its ttl, likewise.
fn look(nodes: &mut Nodes, write: &Write, doing: &str) -> Result<(bool, Option<i64>), Error> {
    let key = write.key.key.as_slice();
    let mut look = Vec::new();
    if write.condition != Condition::Always {
        look.push(command("WATCH", &[key]));
    }
    if write.expiry == Expiry::Keep {
        look.push(command("PTTL", &[key]));
    }
    look.push(command("EXISTS", &[key]));
    let mut numbers = Vec::new();
    for reply in nodes.change_together(&look)? {
        match nodes.check(doing, reply)? {
            Value::Int(number) => numbers.push(number),
            Value::Okay => {}
            reply => return Err(read::odd(&reply)),
        }
    }
    match numbers[..] {
        [there] => Ok((there != 0, None)),
        [ttl, there] => Ok((there != 0, Some(ttl).filter(|ms| *ms >= 0))),
        _ => Err(read::odd(&Value::Nil)),
    }
}

/// What is watched is so no more.
fn forget(nodes: &mut Nodes) -> Result<(), Error> {
    if nodes.go_on(&[cmd("UNWATCH")])? != [Value::Okay] {
        transaction::leave(nodes);
    }
    Ok(())
}

fn commands(write: &Write, members: &Members, ttl: Option<i64>) -> Vec<Cmd> {
    let key = write.key.key.as_slice();
    let mut commands = vec![command("DEL", &[key])];
    fill(key, members, &mut commands);
    let expire = |verb, ms: &dyn ToString| command(verb, &[key, ms.to_string().as_bytes()]);
    match (write.expiry, ttl) {
        (Expiry::In(ms), _) => commands.push(expire("PEXPIRE", &ms)),
        (Expiry::Keep, Some(ms)) => commands.push(expire("PEXPIRE", &ms)),
        (Expiry::At(ms), _) => commands.push(expire("PEXPIREAT", &ms)),
        (Expiry::Never | Expiry::Keep, _) => {}
    }
    commands
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
