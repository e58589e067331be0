//! Deletion of many entries, as `del --match`, `clear` and `tags gc` do it: first the question, then page by page.

use anyhow::{Context as _, Result};

use super::guard::{Effect, Yes};
use super::ls::{self, Seen};
use crate::cache::{Cache, Walk};
use crate::entry::StoredKey;
use crate::exit::{Exit, Stop};
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record, escape};

/// Whether it shall be done.
#[derive(Debug, clap::Args)]
pub struct Consent {
    /// Say what would be deleted; delete nothing
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

/// Asks whether the keys that match shall be deleted, `which` says which they are; or only says what
/// would be. `None` to go on, else how it ended.
pub fn agree(
    cache: &mut Cache,
    pattern: &Pattern,
    which: &str,
    consent: &Consent,
    printer: &mut Printer,
) -> Result<Option<Exit>> {
    ls::tell_what_may_be_missing(cache, printer);
    if consent.yes.is_said() && !consent.dry_run {
        return Ok(None);
    }
    let found = count(cache, pattern, printer)?;
    if consent.dry_run {
        report(&found, which, printer)?;
        return Ok(Some(Exit::answer(found.count > 0)));
    }
    if found.count == 0 {
        printer.note(&format!("no key {which} on {}", cache.label()));
        return Ok(Some(Exit::No));
    }
    for key in &found.sample {
        printer.note(&format!("  {}", escape::line(key)));
    }
    let question = format!("delete {} {which} on {}?", render::count(found.count, "key", "keys"), cache.label());
    ask(&question, "nothing was deleted", printer).map(|()| None)
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

/// Deletes the keys that match, page by page: what is deleted is what matched when its page was read.
pub fn delete(cache: &mut Cache, pattern: &Pattern, printer: &mut Printer) -> Result<Exit> {
    let mut progress = printer.progress("deleting");
    let mut count = 0_u64;
    let mut walk = cache.walk(pattern.clone(), None);
    while let Some(deleted) = delete_page(cache, &mut walk, printer)
        .map_err(|error| if count > 0 { error.context(partly(count)) } else { error })
        .context("cannot delete")?
    {
        count += deleted;
        progress.set(count);
    }
    drop(progress);
    printer.note(&format!("deleted {}", render::count(count, "key", "keys")));
    Ok(Exit::answer(count > 0))
}

/// What is to be said when not all is deleted.
pub fn partly(count: u64) -> Stop {
    let keys = render::count(count, "key was", "keys were");
    Stop { exit: Exit::Partial, message: format!("{keys} deleted before this; the same command goes on") }
}

/// Deletes the next page of the walk; `None` at its end.
fn delete_page(cache: &mut Cache, walk: &mut Walk, printer: &mut Printer) -> Result<Option<u64>> {
    let Some(page) = walk.next(cache)? else { return Ok(None) };
    let stored: Vec<StoredKey> = page.iter().map(|met| met.stored_key.clone()).collect();
    let deleted = if stored.is_empty() { Vec::new() } else { cache.delete_at(&stored)? };
    if printer.records() == Some(true) {
        for (met, _) in page.iter().zip(&deleted).filter(|(_, deleted)| **deleted) {
            printer.record(&Record::new().with_bytes("key", met.called()).with("deleted", true))?;
        }
    }
    Ok(Some(deleted.iter().filter(|deleted| **deleted).count() as u64))
}
