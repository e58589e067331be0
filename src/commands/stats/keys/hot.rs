//! The most used keys, where the server does not count the uses of each.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::super::Source;
use super::Entries;
use crate::backend::{ErrorKind, Search};
use crate::cache;
use crate::entry::Kind;
use crate::interrupt::Interrupt;
use crate::render::{Printer, escape};
use crate::stats::Listed;

/// How long a server looks for hot keys by itself.
const LOOK: Duration = Duration::from_secs(5);

/// The most used keys of the next seconds, or a word on how they could be found.
pub fn find(
    args: &Entries,
    source: &mut Source,
    policy: Option<&str>,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Vec<Listed>> {
    let Some(most) = args.hot else { return Ok(Vec::new()) };
    let mut wait = |time| if interrupt.wait(time) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let (time, monitor) = (args.monitor.unwrap_or(LOOK), args.monitor.is_some());
    let heats = match source.cache.hottest(most, &mut Search { time, monitor, wait: &mut wait }) {
        Ok(heats) => heats,
        Err(cache::Error::Backend(error)) if error.kind == ErrorKind::Unsupported && !monitor => {
            printer.note(&no_counts(source, policy));
            return Ok(Vec::new());
        }
        Err(cache::Error::Backend(error)) if error.kind == ErrorKind::Denied => {
            printer.note(&format!("left out: --hot: {error}"));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).context("cannot find the most used keys"),
    };
    if let Some(heat) = heats.first() {
        printer.note(&format!("uses are {} in {}s", heat.unit, time.as_secs_f64()));
    }
    let listed = |heat: crate::backend::Heat| Listed {
        key_bytes: heat.key.len(),
        key: heat.key,
        kind: None,
        size: None,
        ttl: None,
        idle_s: None,
        frequency: Some(heat.uses),
    };
    Ok(heats.into_iter().map(listed).collect())
}

/// Why there are none, and what would give some.
fn no_counts(source: &Source, policy: Option<&str>) -> String {
    let label = source.cache.label();
    let policy =
        policy.map_or_else(String::new, |policy| format!(" (its policy is {})", escape::line(policy.as_bytes())));
    let instead = match source.kind {
        Kind::Redis => {
            ": only an LFU policy does, and it has no HOTKEYS (Redis 8.6); --monitor 5s watches every command for that \
             long, which slows a busy server down"
        }
        Kind::Disk => ": only the policy least-frequently-used does",
        _ => "",
    };
    format!("left out: --hot: {label} does not count how often entries are used{policy}{instead}")
}
