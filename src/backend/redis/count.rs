//! Counters: INCRBY and HINCRBY, and the ttl of a counter that is new.
//!
//! A ttl is for the one who creates: a rate limiter counts in a window that the first request opens.
//! To create with a ttl and to add are one transaction, in which Redis's clock stands: no counter is
//! ever left without its ttl because the one before expired between the two.

use redis::{Cmd, Value, cmd};

use super::nodes::Nodes;
use super::{command, in_doubt, read, shown};
use crate::backend::{Error, ErrorKind};
use crate::entry::{Expiry, StoredKey};

/// Adds `by`; what the counter is then.
pub fn increment(nodes: &mut Nodes, key: &StoredKey, by: i64, expiry: Expiry) -> Result<i128, Error> {
    let doing = format!("cannot add {by} to {}", shown(key));
    let digits = by.to_string();
    let add = match &key.field {
        None => command("INCRBY", &[&key.key, digits.as_bytes()]),
        Some(field) => command("HINCRBY", &[&key.key, field, digits.as_bytes()]),
    };
    let commands = match (creating(key, expiry), &key.field) {
        (None, _) => vec![add],
        (Some(create), None) => vec![cmd("MULTI"), create, add, cmd("EXEC")],
        (Some(_), Some(_)) => {
            let message = format!("{doing}: a field of a Redis hash has no ttl of its own: the hash has one");
            return Err(Error::new(ErrorKind::Unfit, message));
        }
    };
    let replies = nodes.change_together(&commands).map_err(|error| in_doubt(error, "it was added"))?;
    // Who may not open a transaction has had the commands done one by one, and may not set the ttl either.
    if let [_, Value::ServerError(refusal), Value::Int(number), _] = &replies[..] {
        let doing =
            format!("{by} was added to {}, now {number}, but the ttl of a new counter cannot be set", shown(key));
        let refused = nodes.check(&doing, Value::ServerError(refusal.clone())).err();
        return Err(Error { kind: ErrorKind::Partial, ..refused.expect("a refusal is an error") });
    }
    match nodes.check(&doing, answer(replies))? {
        Value::Int(number) => Ok(number.into()),
        reply => Err(read::odd(&reply)),
    }
}

/// What makes a counter of 0 with an expiry where there is none.
fn creating(key: &StoredKey, expiry: Expiry) -> Option<Cmd> {
    let mut set = command("SET", &[&key.key, b"0", b"NX"]);
    match expiry {
        Expiry::Never | Expiry::Keep => return None,
        Expiry::In(ms) => set.arg("PX").arg(ms),
        Expiry::At(ms) => set.arg("PXAT").arg(ms),
    };
    Some(set)
}

/// The reply that tells: the one reply; or of a transaction what the addition came to, or why there
/// was none. Who may not open a transaction has had the commands done one by one.
fn answer(mut replies: Vec<Value>) -> Value {
    match replies.pop() {
        Some(Value::Array(mut done)) => done.pop().unwrap_or_default(),
        Some(Value::ServerError(_)) if matches!(replies.get(2), Some(Value::Int(_))) => replies.swap_remove(2),
        Some(last @ Value::ServerError(_)) => {
            let first = replies.into_iter().find(|reply| matches!(reply, Value::ServerError(_)));
            first.unwrap_or(last)
        }
        last => last.unwrap_or_default(),
    }
}
