//! Commands that are done together or not at all, on a key that was looked at.
//!
//! What is looked at comes first, by commands that name the key: they find the node that has it, and what they watch
//! holds in that session alone. Who may not open a transaction must not get past MULTI: what should wait for EXEC
//! would be done at once. So nothing follows MULTI before its reply is there.

use redis::{Cmd, Value, cmd};

use super::nodes::Nodes;
use super::slots::Detour;
use super::{in_doubt, read};
use crate::backend::Error;

/// Does `commands`, of one key, in the session that has answered last: the reply to each. `None` when somebody has
/// written what was watched there, or the key is another node's by now.
///
/// # Errors
/// When the user may not do one of them, and when the connection fails: `doing` says what they are for. A refusal of
/// one that was done with the others is its reply.
pub fn commit(nodes: &mut Nodes, doing: &str, commands: Vec<Cmd>) -> Result<Option<Vec<Value>>, Error> {
    let ended = attempt(nodes, doing, commands);
    if !matches!(ended, Ok(Some(_))) {
        leave(nodes);
    }
    ended
}

/// Ends the session that has answered last: what is watched and queued in it goes with it, which takes no permission.
pub fn leave(nodes: &mut Nodes) {
    let (node, _) = nodes.answered();
    nodes.link(node).hang_up();
}

fn attempt(nodes: &mut Nodes, doing: &str, mut commands: Vec<Cmd>) -> Result<Option<Vec<Value>>, Error> {
    let opened = nodes.go_on(&[cmd("MULTI")])?.remove(0);
    nodes.check(doing, opened)?;
    commands.push(cmd("EXEC"));
    let mut done = Value::Nil;
    // The first refusal is the reason; the last reply is that of EXEC.
    for reply in nodes.go_on(&commands).map_err(|error| in_doubt(error, "it was done"))? {
        match reply {
            Value::ServerError(error) if Detour::of(&error).is_some() => return Ok(None),
            reply => done = nodes.check(doing, reply)?,
        }
    }
    match done {
        Value::Array(replies) => Ok(Some(replies)),
        Value::Nil => Ok(None),
        reply => Err(read::odd(&reply)),
    }
}
