//! `del`: delete keys, by name or by pattern.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::bulk::{self, Act, Backup, Bounds, Consent, Keeper, Names, Source};
use super::{Global, target};
use crate::cache::Cache;
use crate::entry::{Facts, StoredKey};
use crate::exit::{Exit, Stop};
use crate::layout::Name;
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record, escape};

/// Delete keys
///
/// Keys are taken literally: `del 'a*'` deletes the key a*, and `del --match 'a*'` the keys that
/// match. `del --hash ID` deletes a Redis hash that a layout keeps entries in, with all of them. What
/// was not there makes the status 1.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keys, taken literally
    #[arg(required_unless_present_any = ["match", "hash"], value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
    #[command(flatten)]
    tags: Tags,
    /// Delete the keys that match a glob: * ? [a-z] and \ before a literal character
    #[arg(long, value_name = "GLOB", conflicts_with = "keys")]
    r#match: Option<String>,
    /// Delete the whole hashes of these ids, where the layout keeps entries in Redis hashes
    #[arg(long, value_name = "HASH_ID", num_args = 1.., conflicts_with_all = ["keys", "match", "tags"])]
    #[arg(value_parser = arguments::key())]
    hash: Vec<OsString>,
    #[command(flatten)]
    pub(super) consent: Consent,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    backup: Backup,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    super::records(printer)?;
    let (_, connect) = target::connect(global, printer)?;
    let mut cache = target::open_by(&connect, global)?;
    if let Some(glob) = &args.r#match {
        let (pattern, which) = (Pattern::new(glob.as_bytes()), format!("matching `{glob}`"));
        let act = Act::delete(&which);
        if let Some(exit) = bulk::agree(&mut cache, &pattern, &act, &args.consent, &args.bounds, printer)? {
            return Ok(exit);
        }
        let source = Source { connect: &connect, global, names: Names::Matching(&pattern, None) };
        return bulk::delete(&source, &act, args.backup.open(&cache)?, &args.bounds, printer);
    }
    if !args.hash.is_empty() {
        let ids = arguments::keys(&args.hash, global.escaped)?;
        let hashes = hashes(&cache, &ids)?;
        return if args.consent.dry_run {
            preview(&ids, &cache.facts_at(&hashes).context("cannot look")?, cache.label(), printer)
        } else {
            let keeper = args.backup.open(&cache)?;
            delete(&ids, &hashes, keeper, &mut cache, printer)
        };
    }
    let names = args.tags.names(&args.keys, global.escaped)?;
    let keys: Vec<Vec<u8>> = names.iter().map(|Name { key, .. }| key.clone()).collect();
    if args.consent.dry_run {
        preview(&keys, &cache.facts(&names).context("cannot look")?, cache.label(), printer)
    } else {
        let Some(keeper) = args.backup.open(&cache)? else {
            return report(&keys, &cache.delete(&names).context("cannot delete")?, cache.label(), printer);
        };
        // Under a name that no tag reaches there is nothing.
        let places = cache.locate(&names).context("cannot delete")?;
        let (keys, places): (Vec<_>, Vec<_>) =
            keys.into_iter().zip(places).filter_map(|(key, place)| Some((key, place?))).unzip();
        delete(&keys, &places, Some(keeper), &mut cache, printer)
    }
}

/// Deletes entries where they are, keeps them before where that is wanted, and says of each whether it was there.
fn delete(
    keys: &[Vec<u8>],
    places: &[StoredKey],
    keeper: Option<Keeper>,
    cache: &mut Cache,
    printer: &mut Printer,
) -> Result<Exit> {
    let deleted = bulk::delete_batch(cache, places, keeper.as_ref()).context("cannot delete");
    let done = deleted.and_then(|deleted| report(keys, &deleted, cache.label(), printer));
    bulk::finish(keeper, done, printer)
}

/// Where the hashes of `ids` are.
fn hashes(cache: &Cache, ids: &[Vec<u8>]) -> Result<Vec<StoredKey>> {
    let none = || Stop::usage("the layout keeps no entries in hashes: -l pyredis-cache://CLASS/NAME is one that does");
    let hash = |id: &Vec<u8>| Ok(cache.layout().hash(id).ok_or_else(none)??);
    ids.iter().map(hash).collect()
}

fn preview(keys: &[Vec<u8>], facts: &[Option<Facts>], label: &str, printer: &mut Printer) -> Result<Exit> {
    for (key, facts) in keys.iter().zip(facts) {
        match (facts, printer.records()) {
            (_, Some(true)) => {
                printer.record(&Record::new().with_bytes("key", key).with("would_delete", facts.is_some()))?;
            }
            (Some(_), _) => printer.line(&format!("would delete {}", escape::line(key)))?,
            (None, _) => super::miss(key, label, printer),
        }
    }
    Ok(Exit::answer(facts.iter().all(Option::is_some)))
}

fn report(keys: &[Vec<u8>], deleted: &[bool], label: &str, printer: &mut Printer) -> Result<Exit> {
    for (key, deleted) in keys.iter().zip(deleted) {
        if printer.records() == Some(true) {
            printer.record(&Record::new().with_bytes("key", key).with("deleted", *deleted))?;
        } else if !deleted {
            super::miss(key, label, printer);
        }
    }
    let count = deleted.iter().filter(|deleted| **deleted).count();
    printer.note(&format!("deleted {count} of {}", render::count(keys.len() as u64, "key", "keys")));
    Ok(Exit::answer(count == keys.len()))
}
