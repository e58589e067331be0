//! Work on many entries: first the question, then page by page, at a tempo, with a file of what was deleted.

mod ahead;
mod fetch;
mod keeper;
mod selection;
mod tally;
mod tempo;

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context as _, Result};

pub use self::ahead::{Ended, Give, Names, Source};
pub use self::fetch::{Entries, entries, now_ms};
pub use self::keeper::{Backup, Keeper, Lines};
pub use self::selection::Selection;
pub use self::tally::Tally;
pub use self::tempo::{Bounds, Tempo};
use super::guard::{Effect, Yes};
use super::ls::{self, Seen};
use crate::cache::{Cache, Met};
use crate::entry::StoredKey;
use crate::exit::{Exit, Stop};
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record, escape};

/// Whether it shall be done.
#[derive(Debug, clap::Args)]
pub struct Consent {
    /// Say what would be done; do nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub yes: Yes,
}

impl Consent {
    /// What is done to entries.
    pub fn effect(&self) -> Effect<'_> {
        if self.dry_run { Effect::Reads } else { Effect::Destroys(&self.yes) }
    }
}

/// Keys shown as a sample.
pub const SAMPLE: usize = 10;

/// What is about to be done.
pub struct Act<'a> {
    /// Such as `delete`.
    pub verb: &'a str,
    /// Such as `deleted`.
    pub done: &'a str,
    /// Which keys they are, after the number of them.
    pub which: &'a str,
    /// What a record calls it.
    pub field: &'static str,
}

impl<'a> Act<'a> {
    /// To delete those keys.
    pub fn delete(which: &'a str) -> Act<'a> {
        Act { verb: "delete", done: "deleted", which, field: "deleted" }
    }

    /// An error before it was done to all.
    pub fn partly(&self, error: anyhow::Error, count: u64) -> anyhow::Error {
        let keys = render::count(count, "key was", "keys were");
        partly(error, count, format!("{keys} {} before this; the same command goes on", self.done))
    }
}

/// An error in the middle of work: what was done before makes it partly done.
pub fn partly(error: anyhow::Error, count: u64, told: String) -> anyhow::Error {
    if count > 0 { error.context(Stop { exit: Exit::Partial, message: told }) } else { error }
}

/// Asks whether it shall be done to the keys that match; or only says what would be. `None` to go on, else how
/// it ended.
pub fn agree(
    cache: &mut Cache,
    pattern: &Pattern,
    act: &Act<'_>,
    consent: &Consent,
    bounds: &Bounds,
    printer: &mut Printer,
) -> Result<Option<Exit>> {
    ls::tell_what_may_be_missing(cache, printer);
    if consent.yes.is_said() && !consent.dry_run && bounds.max_keys.is_none() {
        return Ok(None);
    }
    let Act { verb, done, which, .. } = act;
    let found = count(cache, pattern, printer)?;
    if consent.dry_run {
        report(&found, which, printer)?;
        return Ok(Some(Exit::answer(found.count > 0)));
    }
    if found.count == 0 {
        printer.note(&format!("no key {which} on {}", cache.label()));
        return Ok(Some(Exit::No));
    }
    let keys = render::count(found.count, "key", "keys");
    if let Some(most) = bounds.max_keys.filter(|most| found.count > *most) {
        let told = format!("{keys} {which} on {}, and --max-keys is {most}: nothing was {done}", cache.label());
        return Err(Stop::refused(told).into());
    }
    if consent.yes.is_said() {
        return Ok(None);
    }
    for key in &found.sample {
        printer.note(&format!("  {}", escape::line(key)));
    }
    ask(&format!("{verb} {keys} {which} on {}?", cache.label()), &format!("nothing was {done}"), printer).map(|()| None)
}

/// Asks `question`, and ends with `otherwise` unless the answer is yes.
///
/// # Errors
/// A refusal, also where nobody can be asked.
pub fn ask(question: &str, otherwise: &str, printer: &mut Printer) -> Result<()> {
    match printer.confirm(question) {
        Some(true) => Ok(()),
        Some(false) => Err(Stop::refused(otherwise).into()),
        None => {
            let told = format!("{question} nobody can be asked here: --yes goes on without, --dry-run shows");
            Err(Stop::refused(told).into())
        }
    }
}

/// What matches, before anything is done.
struct Found {
    count: u64,
    sample: Vec<Vec<u8>>,
}

fn count(cache: &mut Cache, pattern: &Pattern, printer: &mut Printer) -> Result<Found> {
    let mut progress = printer.progress("counting");
    let mut found = Found { count: 0, sample: Vec::new() };
    let mut seen = Seen::default();
    let mut walk = cache.walk(pattern.clone(), None);
    while let Some(page) = walk.next(cache).context("cannot scan")? {
        for met in page {
            if seen.is_new(&met.stored_key) {
                found.count += 1;
                if found.sample.len() < SAMPLE {
                    found.sample.push(met.called().to_vec());
                }
            }
        }
        progress.set(found.count);
    }
    drop(progress);
    Ok(found)
}

fn report(found: &Found, which: &str, printer: &mut Printer) -> Result<()> {
    if printer.records() == Some(true) {
        let sample: Vec<String> = found.sample.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        printer.record(&Record::new().with("matching", found.count).with("sample", sample))?;
        return Ok(());
    }
    printer.line(&format!("{} {}", render::count(found.count, "key", "keys"), escape::message(which)))?;
    for key in &found.sample {
        printer.line(&format!("  {}", escape::line(key)))?;
    }
    if found.count > found.sample.len() as u64 {
        printer.line("  …")?;
    }
    Ok(())
}

/// Does `act` to the keys that match, batch by batch: to what matched when its page was read. `change` says which of
/// a batch it was done to.
pub fn sweep(
    source: &Source<'_>,
    act: &Act<'_>,
    tempo: &mut Tempo,
    printer: &mut Printer,
    change: impl Fn(&mut Cache, &[StoredKey]) -> Result<Vec<bool>> + Sync,
) -> Result<Exit> {
    let mut progress = printer.progress("working");
    let mut count = 0_u64;
    // Names that nobody is told are not kept.
    let named = printer.records() == Some(true);
    let ended = changes(source, tempo, named, change, |changed, called| {
        count += changed;
        progress.set(count);
        called
            .iter()
            .try_for_each(|called| Ok(printer.record(&Record::new().with_bytes("key", called).with(act.field, true))?))
    });
    drop(progress);
    let doing = format!("cannot {}", act.verb);
    let ended = ended.map_err(|error| act.partly(error, count)).context(doing)?;
    let keys = render::count(count, "key", "keys");
    printer.note(&match ended {
        Ended::Interrupted => format!("interrupted: {} {keys} before; the same command goes on", act.done),
        Ended::Whole | Ended::Enough => format!("{} {keys}", act.done),
    });
    Ok(if ended == Ended::Interrupted { Exit::Interrupted } else { Exit::answer(count > 0) })
}

/// Does `change` batch by batch, which says which of one it was done to; `told` gets their number, and where they are
/// wanted their names.
pub fn changes(
    source: &Source<'_>,
    tempo: &mut Tempo,
    named: bool,
    change: impl Fn(&mut Cache, &[StoredKey]) -> Result<Vec<bool>> + Sync,
    mut told: impl FnMut(u64, Vec<Vec<u8>>) -> Result<()>,
) -> Result<Ended> {
    let make = |cache: &mut Cache, batch: Vec<Met>, give: Give<'_, (u64, Vec<Vec<u8>>)>| {
        let called: Vec<Vec<u8>> = batch.iter().filter(|_| named).map(|met| met.called().to_vec()).collect();
        let keys: Vec<StoredKey> = batch.into_iter().map(|met| met.stored_key).collect();
        let started = Instant::now();
        let changed = change(cache, &keys)?;
        let took = started.elapsed();
        let called = called.into_iter().zip(&changed).filter(|(_, changed)| **changed).map(|(called, _)| called);
        give((changed.iter().filter(|changed| **changed).count() as u64, called.collect()));
        Ok(took)
    };
    source.batches(tempo, make, |(changed, called)| {
        told(changed, called)?;
        Ok(ControlFlow::Continue(()))
    })
}

/// Deletes keys, and keeps them in a file before where one is wanted.
pub fn delete(
    source: &Source<'_>,
    act: &Act<'_>,
    keeper: Option<Keeper>,
    bounds: &Bounds,
    printer: &mut Printer,
) -> Result<Exit> {
    let mut tempo = Tempo::start(bounds.rate)?;
    let swept = sweep(source, act, &mut tempo, printer, |cache, batch| delete_batch(cache, batch, keeper.as_ref()));
    finish(keeper, swept, printer)
}

/// Deletes a batch, and keeps it before where that is wanted; says of each whether it was deleted.
pub fn delete_batch(cache: &mut Cache, keys: &[StoredKey], keeper: Option<&Keeper>) -> Result<Vec<bool>> {
    let Some(keeper) = keeper else { return Ok(cache.delete_at(keys)?) };
    let kept = keeper.keep(cache, keys)?;
    let to_delete: Vec<StoredKey> =
        keys.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(key, _)| key.clone()).collect();
    let mut deleted = cache.delete_at(&to_delete)?.into_iter();
    Ok(kept.into_iter().map(|kept| kept && deleted.next() == Some(true)).collect())
}

/// Ends the file, where there is one.
pub fn finish(keeper: Option<Keeper>, done: Result<Exit>, printer: &mut Printer) -> Result<Exit> {
    match keeper {
        None => done,
        Some(keeper) => keeper.finish(done, printer),
    }
}
