//! What is said of keys that could not be asked for while others could: one server of several is down.

use anyhow::Result;

use crate::backend::Error;
use crate::exit::{Exit, Stop};
use crate::render::{self, escape};

/// What a record says of such a key; the message in the end says more.
pub const WHY: &str = "not asked: the server that has it cannot be reached";

/// Names in a message.
const NAMED: usize = 5;

/// Some names, as a message lists them.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a [u8]>) -> String {
    let names: Vec<&[u8]> = names.into_iter().collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let listed: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{}`", escape::line(name))).collect();
    format!("{}{more}", listed.join(", "))
}

/// How a command ends that has shown what it was told of `all` keys: without a failure as `exit` says.
///
/// # Errors
/// The failure, which left these keys out.
pub fn end(exit: Exit, missing: &[&[u8]], all: usize, failure: Option<&Error>) -> Result<Exit> {
    let Some(failure) = failure else { return Ok(exit) };
    let (count, all) = (missing.len(), render::count(all as u64, "key", "keys"));
    let message = format!("{count} of {all} could not be asked for, {}: {failure}", listed(missing.iter().copied()));
    Err(Stop { exit: Exit::Partial, message }.into())
}
