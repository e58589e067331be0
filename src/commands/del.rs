//! `del`: delete keys, by name or by pattern.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::{Global, target};
use crate::cache::{Cache, Walk};
use crate::entry::StoredKey;
use crate::exit::{Exit, Stop};
use crate::layout::Name;
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record, escape};

/// Delete keys
///
/// Keys are taken literally: `del 'a*'` deletes the key a*, and `del --match 'a*'` the keys that
/// match. A key that was not there makes the status 1.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keys, taken literally
    #[arg(required_unless_present = "match", value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
    #[command(flatten)]
    tags: Tags,
    /// Delete the keys that match a glob: * ? [a-z] and \ before a literal character
    #[arg(long, value_name = "GLOB", conflicts_with = "keys")]
    r#match: Option<String>,
    /// Say what would be deleted; delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before deleting what matches
    #[arg(long, short)]
    yes: bool,
}

/// Keys shown as a sample.
const SAMPLE: usize = 10;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let mut cache = target::open(global, printer)?;
    super::records(printer)?;
    let Some(glob) = &args.r#match else {
        let names = args.tags.names(&args.keys, global.escaped)?;
        return if args.dry_run {
            preview_keys(&mut cache, &names, printer)
        } else {
            delete_keys(&mut cache, &names, printer)
        };
    };
    let pattern = Pattern::new(glob.as_bytes());
    if args.dry_run {
        let found = count(&mut cache, &pattern, printer)?;
        report(&found, glob, printer)?;
        return Ok(Exit::answer(found.count > 0));
    }
    if !args.yes {
        let found = count(&mut cache, &pattern, printer)?;
        if found.count == 0 {
            printer.note(&format!("no key matches `{glob}`"));
            return Ok(Exit::No);
        }
        for key in &found.sample {
            printer.note(&format!("  {}", escape::line(key)));
        }
        let keys = render::count(found.count, "key that matches", "keys that match");
        let question = format!("delete {keys} `{glob}` on {}?", cache.label());
        match printer.confirm(&question) {
            Some(true) => {}
            Some(false) => return Err(Stop::refused("nothing was deleted").into()),
            None => {
                return Err(Stop::refused(format!(
                    "{question} nobody can be asked here: --yes deletes, --dry-run shows"
                ))
                .into());
            }
        }
    }
    delete_matching(&mut cache, &pattern, printer)
}

fn preview_keys(cache: &mut Cache, names: &[Name], printer: &mut Printer) -> Result<Exit> {
    let facts = cache.facts(names).context("cannot look")?;
    for (Name { key, .. }, facts) in names.iter().zip(&facts) {
        match (facts, printer.records()) {
            (_, Some(true)) => {
                printer.record(&Record::new().with_bytes("key", key).with("would_delete", facts.is_some()))?;
            }
            (Some(_), _) => printer.line(&format!("would delete {}", escape::line(key)))?,
            (None, _) => super::miss(key, cache.label(), printer),
        }
    }
    Ok(Exit::answer(facts.iter().all(Option::is_some)))
}

fn delete_keys(cache: &mut Cache, names: &[Name], printer: &mut Printer) -> Result<Exit> {
    let deleted = cache.delete(names).context("cannot delete")?;
    for (Name { key, .. }, deleted) in names.iter().zip(&deleted) {
        if printer.records() == Some(true) {
            printer.record(&Record::new().with_bytes("key", key).with("deleted", *deleted))?;
        } else if !deleted {
            super::miss(key, cache.label(), printer);
        }
    }
    let count = deleted.iter().filter(|deleted| **deleted).count();
    printer.note(&format!("deleted {count} of {}", render::count(names.len() as u64, "key", "keys")));
    Ok(Exit::answer(count == names.len()))
}

/// What matches, before anything is done.
struct Found {
    count: u64,
    sample: Vec<Vec<u8>>,
}

fn count(cache: &mut Cache, pattern: &Pattern, printer: &mut Printer) -> Result<Found> {
    let mut progress = printer.progress("counting");
    let mut found = Found { count: 0, sample: Vec::new() };
    let mut seen = super::ls::Seen::default();
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

fn report(found: &Found, glob: &str, printer: &mut Printer) -> Result<()> {
    if printer.records() == Some(true) {
        let sample: Vec<String> = found.sample.iter().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
        printer.record(&Record::new().with("matching", found.count).with("sample", sample))?;
        return Ok(());
    }
    let keys = render::count(found.count, "key matches", "keys match");
    printer.line(&format!("{keys} `{}`", escape::message(glob)))?;
    for key in &found.sample {
        printer.line(&format!("  {}", escape::line(key)))?;
    }
    if found.count > found.sample.len() as u64 {
        printer.line("  …")?;
    }
    Ok(())
}

/// Page by page: what is deleted is what matched when its page was read.
fn delete_matching(cache: &mut Cache, pattern: &Pattern, printer: &mut Printer) -> Result<Exit> {
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

fn partly(count: u64) -> Stop {
    Stop { exit: Exit::Partial, message: format!("{count} keys were deleted before this; the same command goes on") }
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
