//! Compare-and-set: a look at what is watched, and a transaction that only happens if it stayed so.
//!
//! WATCH, MULTI and EXEC are as old as Redis 2.2; SET's own comparison (`IFEQ`) came with Valkey 8.1 and
//! Redis 8.4. What is watched is the key: a write to another field of its hash, or another ttl, breaks the
//! transaction too, so that it is looked at again.

use redis::{Cmd, Value, cmd};

use super::nodes::Nodes;
use super::slots::Detour;
use super::{command, in_doubt, read, shown};
use crate::backend::{Error, ErrorKind, REPLACE_TRIES, never_still};
use crate::entry::{Stored, StoredKey};

/// What became of a transaction.
enum Ended {
    /// It was done.
    Done,
    /// Somebody wrote, or the key is another node's by now.
    Broken,
}

/// Puts `after` in place of `before`; whether `before` was there.
pub fn replace(nodes: &mut Nodes, key: &StoredKey, before: &Stored, after: &Stored) -> Result<bool, Error> {
    let tried = format!("cannot replace {}", shown(key));
    let (Some(before), Some(after)) = (before.as_bytes(), after.as_bytes()) else {
        return Err(Error::new(ErrorKind::Unfit, format!("{tried}: it takes bytes")));
    };
    let (get, set) = match &key.field {
        None => (command("GET", &[&key.key]), command("SET", &[&key.key, after, b"KEEPTTL"])),
        Some(field) => (command("HGET", &[&key.key, field]), command("HSET", &[&key.key, field, after])),
    };
    let look = [command("WATCH", &[&key.key]), get];
    for _ in 0..REPLACE_TRIES {
        let held = holds(nodes, &tried, &look, before);
        let ended = match held {
            Ok(true) => transact(nodes, &tried, &set),
            held => {
                leave(nodes);
                return held;
            }
        };
        match ended {
            Ok(Ended::Done) => return Ok(true),
            Ok(Ended::Broken) => {}
            Err(error) => {
                leave(nodes);
                return Err(error);
            }
        }
    }
    leave(nodes);
    Err(never_still(&tried, nodes.label()))
}

/// Ends the session: what is watched and queued in it goes with it, which takes no permission.
fn leave(nodes: &mut Nodes) {
    let (node, _) = nodes.answered();
    nodes.link(node).hang_up();
}

/// Whether the data is `before`, which is watched from here on.
fn holds(nodes: &mut Nodes, tried: &str, look: &[Cmd], before: &[u8]) -> Result<bool, Error> {
    let mut replies = nodes.change_together(look)?.into_iter();
    let mut reply = || replies.next().unwrap_or_default();
    let (watched, data) = (reply(), reply());
    nodes.check(tried, watched)?;
    match data {
        Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(false),
        data => Ok(matches!(nodes.check(tried, data)?, Value::BulkString(bytes) if bytes == before)),
    }
}

/// Does `set` if what is watched is as it was. Who may not open a transaction must not get past MULTI: the
/// write would be done at once.
fn transact(nodes: &mut Nodes, tried: &str, set: &Cmd) -> Result<Ended, Error> {
    let opened = nodes.go_on(&[cmd("MULTI")])?.remove(0);
    nodes.check(tried, opened)?;
    let replies = nodes.go_on(&[set.clone(), cmd("EXEC")]).map_err(|error| in_doubt(error, "it was replaced"))?;
    for reply in replies {
        match reply {
            Value::ServerError(error) if Detour::of(&error).is_some() => {
                leave(nodes);
                return Ok(Ended::Broken);
            }
            Value::Nil => return Ok(Ended::Broken),
            Value::Array(done) => {
                let done = done.into_iter().next().unwrap_or_default();
                return match nodes.check(tried, done)? {
                    Value::Okay | Value::Int(_) => Ok(Ended::Done),
                    reply => Err(read::odd(&reply)),
                };
            }
            queued => drop(nodes.check(tried, queued)?),
        }
    }
    Err(read::odd(&Value::Nil))
}
