//! Names that a command line may want while it is being typed: of profiles and of keys. Nobody waits for them, nobody
//! is asked, and what goes wrong is not said.

use std::collections::BTreeSet;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Flags, login, target};
use crate::config::Files;
use crate::pattern::Pattern;
use crate::render::{Colour, Format, Printer};

/// The profiles that there are.
#[must_use]
pub fn profiles() -> BTreeSet<String> {
    let files = Files::read().unwrap_or_default();
    files.names().into_iter().map(str::to_owned).collect()
}

/// At most so many of the keys that start with `prefix`, as far as they are found in so long.
#[must_use]
pub fn keys(flags: Flags, prefix: &[u8], most: usize, patience: Duration) -> BTreeSet<Vec<u8>> {
    let deadline = Instant::now() + patience;
    let (sender, receiver) = mpsc::sync_channel(0);
    let pattern = Pattern::all().under(prefix);
    // Nobody waits for it: it ends with the process, or when nobody takes a page.
    thread::spawn(move || drop(walk(&flags, pattern, &sender)));
    let mut keys = BTreeSet::new();
    while keys.len() < most {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(page) => keys.extend(page),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    while keys.len() > most {
        keys.pop_last();
    }
    keys
}

fn walk(flags: &Flags, pattern: Pattern, sender: &SyncSender<Vec<Vec<u8>>>) -> Result<()> {
    let global = flags.settle()?;
    // A question, or the window of a program that keeps passwords, is no answer to a key that is pressed.
    let asks = |name: &str| ["ask_password", "password_command"].contains(&name);
    if login::source(&global.profile).is_some_and(|setting| asks(&setting.name)) {
        return Ok(());
    }
    let mut printer = Printer::new(Format::Text, Colour::Never, true);
    let mut cache = target::open(&global, &mut printer)?;
    let mut walk = cache.walk(pattern, None);
    while let Some(page) = walk.next(&mut cache)? {
        let keys = page.into_iter().filter_map(|met| met.key).collect();
        if sender.send(keys).is_err() {
            break;
        }
    }
    Ok(())
}
