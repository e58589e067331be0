//! Compare-and-set: a look at what is watched, and a transaction that only happens if it stayed so.
//!
//! WATCH, MULTI and EXEC are as old as Redis 2.2; SET's own comparison (`IFEQ`) came with Valkey 8.1 and
//! Redis 8.4. What is watched is the key: a write to another field of its hash, or another ttl, breaks the
//! transaction too, so that it is looked at again.

use redis::{Cmd, Value};

use super::nodes::Nodes;
use super::{command, read, shown, transaction};
use crate::backend::{Error, ErrorKind, REPLACE_TRIES, never_still};
use crate::entry::{Stored, StoredKey};

/// Puts `after` in place of `before`; whether `before` was there.
pub fn replace(nodes: &mut Nodes, key: &StoredKey, before: &Stored, after: &Stored) -> Result<bool, Error> {
    let tried = format!("cannot replace {}", shown(key));
    let (Some(before), Some(after)) = (before.as_bytes(), after.as_bytes()) else {
        return Err(Error::new(ErrorKind::Unfit, format!("{tried}: it takes bytes")));
    };
    let mut change = Change { tried: &tried, key, before, after, keeps_ttl: true };
    let mut replaced = Err(never_still(&tried, nodes.label()));
    for _ in 0..REPLACE_TRIES {
        match change.attempt(nodes) {
            Ok(Ended::Broken) => {}
            Ok(Ended::TooOld) => change.keeps_ttl = false,
            ended => {
                replaced = ended.map(|ended| matches!(ended, Ended::Done));
                break;
            }
        }
    }
    if replaced != Ok(true) {
        transaction::leave(nodes);
    }
    replaced
}

/// What is to be done.
struct Change<'a> {
    tried: &'a str,
    key: &'a StoredKey,
    before: &'a [u8],
    after: &'a [u8],
    /// Whether SET can leave the ttl alone: from Redis 6.0 on. Before, it is given anew, by the time of the look.
    keeps_ttl: bool,
}

/// What became of an attempt.
enum Ended {
    /// It was done.
    Done,
    /// Other data is there, or none.
    Changed,
    /// Somebody wrote just then, or the key is another node's by now.
    Broken,
    /// The server does not know how to leave a ttl alone.
    TooOld,
}

impl Change<'_> {
    fn attempt(&self, nodes: &mut Nodes) -> Result<Ended, Error> {
        let key = &self.key.key;
        let get = match &self.key.field {
            None => command("GET", &[key]),
            Some(field) => command("HGET", &[key, field]),
        };
        let mut look = vec![command("WATCH", &[key]), get];
        if !self.keeps_ttl {
            look.push(command("PTTL", &[key]));
        }
        let mut replies = nodes.change_together(&look)?.into_iter();
        let mut reply = || replies.next().unwrap_or_default();
        let (watched, data, ttl) = (reply(), reply(), reply());
        nodes.check(self.tried, watched)?;
        match data {
            Value::ServerError(error) if error.code() == "WRONGTYPE" => return Ok(Ended::Changed),
            data => match nodes.check(self.tried, data)? {
                Value::BulkString(bytes) if bytes == self.before => {}
                _ => return Ok(Ended::Changed),
            },
        }
        let ttl = nodes.check(self.tried, ttl)?;
        match transaction::commit(nodes, self.tried, vec![self.set(&ttl)])? {
            Some(mut replies) => self.judge(nodes, replies.pop().unwrap_or_default()),
            None => Ok(Ended::Broken),
        }
    }

    fn set(&self, ttl: &Value) -> Cmd {
        let key = &self.key.key;
        if let Some(field) = &self.key.field {
            return command("HSET", &[key, field, self.after]);
        }
        let mut set = command("SET", &[key, self.after]);
        match ttl {
            _ if self.keeps_ttl => drop(set.arg("KEEPTTL")),
            // One that is up within the millisecond may be so now.
            Value::Int(ms @ 0..) => drop(set.arg("PX").arg(ms.max(&1))),
            _ => {}
        }
        set
    }

    /// What the reply to `set` says.
    fn judge(&self, nodes: &Nodes, reply: Value) -> Result<Ended, Error> {
        let options = |error: &redis::ServerError| error.details().is_some_and(|words| words.contains("syntax error"));
        match reply {
            Value::ServerError(error) if self.keeps_ttl && options(&error) => Ok(Ended::TooOld),
            reply => match nodes.check(self.tried, reply)? {
                Value::Okay | Value::Int(_) => Ok(Ended::Done),
                reply => Err(read::odd(&reply)),
            },
        }
    }
}
