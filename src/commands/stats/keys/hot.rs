//! The most used keys, where the server does not count the uses of each.

use std::ops::ControlFlow;
use std::time::Duration;

use super::super::Source;
use crate::backend::survey::Surveyed;
use crate::backend::{Error, ErrorKind, Heat, Search};
use crate::cache;
use crate::entry::Kind;
use crate::interrupt::Interrupt;
use crate::render::{Printer, escape};
use crate::stats::{Listed, Report};

/// How long a server looks for hot keys by itself.
const LOOK: Duration = Duration::from_secs(5);

/// Which keys are to be found, and how.
pub struct Wanted<'a> {
    /// How many.
    pub most: usize,
    /// For how long every command is to be watched, where it is.
    pub monitor: Option<Duration>,
    /// The server's policy, which does not count uses.
    pub policy: Option<&'a str>,
}

/// Adds the most used keys of the next seconds to `report`. What cannot be asked, and that the user had
/// enough, is added to what was told of the walk before.
pub fn find(
    wanted: &Wanted<'_>,
    source: &mut Source,
    mut told: Surveyed,
    report: &mut Report,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<Surveyed, cache::Error> {
    if told.stopped {
        return Ok(told);
    }
    let mut wait = |time| if interrupt.wait(time) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let (time, monitor) = (wanted.monitor.unwrap_or(LOOK), wanted.monitor.is_some());
    let heats = match source.cache.hottest(wanted.most, &mut Search { time, monitor, wait: &mut wait }) {
        Ok(heats) => heats,
        Err(cache::Error::Backend(error)) if error.kind == ErrorKind::Unsupported && !monitor => {
            told.withheld.push(no_counts(source, wanted.policy));
            return Ok(told);
        }
        Err(cache::Error::Backend(error)) if error.kind == ErrorKind::Denied => {
            told.withheld.push(format!("--hot: {error}"));
            return Ok(told);
        }
        Err(cache::Error::Backend(Error { kind, message, .. })) => {
            return Err(Error::new(kind, format!("cannot find the most used keys: {message}")).into());
        }
        Err(error) => return Err(error),
    };
    told.stopped = interrupt.is_set();
    if let Some(heat) = heats.first() {
        printer.note(&format!("uses are {} in {}s", heat.unit, time.as_secs_f64()));
    }
    report.hottest = heats.into_iter().map(listed).collect();
    Ok(told)
}

fn listed(Heat { key, uses, .. }: Heat) -> Listed {
    let key_bytes = key.len();
    Listed { key, key_bytes, kind: None, size: None, ttl: None, idle_s: None, frequency: Some(uses) }
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
    format!("--hot: {label} does not count how often entries are used{policy}{instead}")
}
