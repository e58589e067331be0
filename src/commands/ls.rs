//! `ls`: list keys.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use anyhow::{Context as _, Result};

use super::{Global, target};
use crate::cache::{Cache, Met};
use crate::entry::{Facts, Item, StoredKey};
use crate::exit::Exit;
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record, escape};

/// List keys
///
/// The keys of the layout, without its prefix, one a line; in no order. Walks the keyspace in pages
/// and never blocks the server. The status is 1 when there are none.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only keys that match a glob: * ? [a-z] and \ before a literal character
    #[arg(long, value_name = "GLOB")]
    r#match: Option<String>,
    /// Only entries of this type: string, hash, list, set, zset, stream; on disk bytes, pickle, text, int, float
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// With type, size and ttl
    #[arg(short, long)]
    long: bool,
    /// End each key with NUL instead of a line end
    #[arg(short = '0', long, conflicts_with = "long")]
    null: bool,
    /// How keys are named
    #[arg(long, id = "layout", value_name = "URL", hide = true)]
    _layout: Option<String>,
}

/// Rows of a table that are laid out together.
const TABLE: usize = 1000;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let pattern = args.r#match.as_ref().map_or_else(Pattern::all, |glob| Pattern::new(glob.as_bytes()));
    let mut cache = target::open(global, printer)?;
    tell_what_may_be_missing(&cache, printer);
    let most = args.limit.unwrap_or(u64::MAX);
    let mut seen = Seen::default();
    let (mut count, mut rows, mut split, mut hidden) = (0, Vec::new(), false, false);
    let mut walk = cache.walk(pattern, args.r#type.as_deref());
    while count < most {
        let Some(page) = walk.next(&mut cache).context("cannot list")? else { break };
        let new = page.into_iter().filter(|met| seen.is_new(&met.stored_key));
        let left = usize::try_from(most - count).unwrap_or(usize::MAX);
        let page: Vec<Met> = new.take(left).collect();
        count += page.len() as u64;
        hidden |= page.iter().any(|met| met.key.is_none());
        if args.long || records {
            describe(&mut cache, &page, args.long, printer, &mut rows)?;
        } else {
            let end = if args.null { b'\0' } else { b'\n' };
            split |= !args.null && page.iter().any(|met| met.called().contains(&b'\n'));
            page.iter().try_for_each(|met| printer.key(met.called(), end))?;
        }
        if rows.len() >= TABLE {
            table(&mut rows, printer)?;
        }
    }
    table(&mut rows, printer)?;
    if split && !printer.is_terminal() {
        printer.warn("a key holds a line end and looks like two: -0 ends keys with NUL instead");
    }
    if hidden {
        printer.note("the layout keeps only hashes of keys: these are stored keys, which -l plain: reads");
    }
    if count == 0 {
        printer.note(&format!("no keys on {}", cache.label()));
    }
    Ok(Exit::answer(count > 0))
}

/// Says that a backend does not list every key, where it does not.
pub fn tell_what_may_be_missing(cache: &Cache, printer: &mut Printer) {
    if !cache.abilities().lists_all {
        printer.note(&format!(
            "{} lists what it passes while it looks: keys that are added, used or evicted meanwhile may be missing",
            cache.label()
        ));
    }
}

/// A page of keys as records; if `long`, with type, size and ttl, and as rows of a table where no
/// records are wanted. A key that is gone by now is left out.
fn describe(
    cache: &mut Cache,
    page: &[Met],
    long: bool,
    printer: &mut Printer,
    rows: &mut Vec<Vec<String>>,
) -> Result<()> {
    if !long {
        return Ok(page.iter().try_for_each(|met| printer.record(&record(met)))?);
    }
    let stored: Vec<StoredKey> = page.iter().map(|met| met.stored_key.clone()).collect();
    let all = cache.facts_at(&stored).context("cannot look")?;
    for (met, facts) in page.iter().zip(all) {
        let Some(facts) = facts else { continue };
        if printer.records() == Some(true) {
            let record = record(met).with("type", facts.kind.clone()).with(facts.unit(), facts.size);
            let record = record.with_ttl("ttl_ms", facts.ttl).with("tag", facts.tag.clone());
            printer.record(&with_item(record, &facts))?;
        } else {
            rows.push(vec![facts.kind.clone(), size(&facts), render::ttl(facts.ttl), escape::line(met.called())]);
        }
    }
    Ok(())
}

/// What an entry is called; `key` is null where the layout hides it.
fn record(met: &Met) -> Record {
    let record = match &met.key {
        Some(key) => Record::new().with_bytes("key", key),
        None => Record::new().with("key", serde_json::Value::Null),
    };
    record.with_place(Some(&met.stored_key))
}

/// A record with what only memcached tells of an entry.
pub fn with_item(record: Record, facts: &Facts) -> Record {
    let Some(Item { flags, cas, idle_s, read }) = facts.item else { return record };
    record.with("flags", flags).with("cas", cas).with("idle_s", idle_s).with("read", read)
}

/// A size as people write it: bytes, or members.
pub fn size(facts: &Facts) -> String {
    match facts.unit() {
        "members" => render::count(facts.size, "member", "members"),
        _ => render::bytes(facts.size),
    }
}

fn table(rows: &mut Vec<Vec<String>>, printer: &mut Printer) -> Result<()> {
    if !rows.is_empty() {
        printer.table(&["type", "size", "ttl", "key"], rows)?;
        rows.clear();
    }
    Ok(())
}

/// The keys that were seen: a scan may give one twice. 16 bytes a key; that two of a thousand
/// million keys are taken for one has a chance of 1 in 10^20.
#[derive(Default)]
pub struct Seen {
    states: [RandomState; 2],
    hashes: HashSet<u128>,
}

impl Seen {
    /// Whether `key` was not seen before.
    pub fn is_new(&mut self, key: &StoredKey) -> bool {
        let [high, low] = [0, 1].map(|half| u128::from(self.states[half].hash_one(key)));
        self.hashes.insert(high << 64 | low)
    }
}
