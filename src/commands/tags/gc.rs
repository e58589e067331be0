//! `tags gc`: delete entries that no tags reach any more.

use anyhow::{Context as _, Result};

use super::super::bulk::ask;
use super::super::ls::Seen;
use super::{Global, KnownNames, target};
use crate::cache::{Cache, Reach, Standing};
use crate::entry::StoredKey;
use crate::exit::Exit;
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record, escape};

/// Delete entries that no tags reach any more
///
/// The library itself never frees them. An entry does not tell its tags, so they are searched for: sets
/// of up to four of the tags there are, in the order of their names where --known gives those. What
/// is reached is live, for certain. What is not is dead for certain only when the namespace's tag of
/// all entries is not there, which every entry needs; else probably, and is left unless --probable
/// says so. An entry that is deleted wrongly is a miss to the application, and nothing worse. Begin
/// with --dry-run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    known: KnownNames,
    /// Delete what is probably dead, too
    #[arg(long)]
    probable: bool,
    /// Count and show a sample; delete nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Entries shown as a sample.
const SAMPLE: usize = 10;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = crate::commands::records(printer)?;
    let mut cache = target::open(global, printer)?;
    let known = args.known.of(&cache, global)?;
    let reach = cache.reach(&known).context("cannot read the tags")?;
    let found = survey(&mut cache, &reach, args, printer)?;
    if records && (args.dry_run || found.to_delete == 0) {
        printer.record(&found.record(&reach))?;
    } else {
        found.tell(&reach, printer)?;
    }
    if found.to_delete == 0 || args.dry_run {
        return Ok(if found.to_delete == 0 { Exit::No } else { Exit::Yes });
    }
    if !args.yes {
        let entries = render::count(found.to_delete, "entry", "entries");
        ask(&format!("delete {entries} on {}?", cache.label()), "nothing was deleted", printer)?;
    }
    let deleted = delete(&mut cache, &reach, args, printer)?;
    if records {
        printer.record(&found.record(&reach).with("deleted", deleted))?;
    }
    printer.note(&format!("deleted {}", render::count(deleted, "entry", "entries")));
    Ok(Exit::Yes)
}

/// What was found.
#[derive(Default)]
struct Tally {
    live: u64,
    probable: u64,
    dead: u64,
    to_delete: u64,
    sample: Vec<StoredKey>,
}

impl Tally {
    fn record(&self, reach: &Reach) -> Record {
        let sample: Vec<String> = self.sample.iter().map(ToString::to_string).collect();
        Record::new()
            .with("live", self.live)
            .with("dead", self.dead)
            .with("probably_dead", self.probable)
            .with("to_delete", self.to_delete)
            .with("tags", reach.tags)
            .with("tags_together", reach.size)
            .with("sample", sample)
    }

    fn tell(&self, reach: &Reach, printer: &mut Printer) -> Result<()> {
        let tags = render::count(reach.tags as u64, "tag", "tags");
        let rows = [
            (self.live, "live".to_owned()),
            (self.dead, "dead: the tag that every entry needs is not there".to_owned()),
            (self.probable, format!("probably dead: no set of up to {} of {tags} reaches them", reach.size)),
        ];
        for (count, what) in rows.iter().filter(|(count, _)| *count > 0) {
            printer.line(&format!("{count} {what}"))?;
        }
        for key in &self.sample {
            printer.line(&format!("  {}", escape::message(&key.to_string())))?;
        }
        if self.probable > 0 && self.to_delete == 0 {
            printer.note(
                "what is probably dead is left: --probable deletes it, too; --known FILE of names makes it surer",
            );
        }
        Ok(())
    }
}

impl Args {
    fn takes(&self, standing: Standing) -> bool {
        standing == Standing::Dead || (self.probable && standing == Standing::ProbablyDead)
    }
}

fn survey(cache: &mut Cache, reach: &Reach, args: &Args, printer: &mut Printer) -> Result<Tally> {
    let mut progress = printer.progress("looking");
    let (mut found, mut seen) = (Tally::default(), Seen::default());
    let mut walk = cache.walk(Pattern::all(), None);
    while let Some(page) = walk.next(cache).context("cannot list entries")? {
        for met in page.into_iter().filter(|met| seen.is_new(&met.stored_key)) {
            let standing = cache.standing(reach, &met.stored_key)?;
            match standing {
                Standing::Live => found.live += 1,
                Standing::Dead => found.dead += 1,
                Standing::ProbablyDead => found.probable += 1,
            }
            if args.takes(standing) {
                found.to_delete += 1;
                if found.sample.len() < SAMPLE {
                    found.sample.push(met.stored_key);
                }
            }
        }
        progress.set(found.live + found.dead + found.probable);
    }
    Ok(found)
}

/// What was reached when this began stays; a tag that came since then reaches entries that are newer, too,
/// so that only what was there at the survey's end could be deleted wrongly, and is a miss then.
fn delete(cache: &mut Cache, reach: &Reach, args: &Args, printer: &mut Printer) -> Result<u64> {
    let mut progress = printer.progress("deleting");
    let mut count = 0;
    let mut walk = cache.walk(Pattern::all(), None);
    while let Some(page) = walk.next(cache).context("cannot list entries")? {
        let mut keys = Vec::new();
        for met in page {
            if args.takes(cache.standing(reach, &met.stored_key)?) {
                keys.push(met.stored_key);
            }
        }
        let deleted = if keys.is_empty() { Vec::new() } else { cache.delete_at(&keys).context("cannot delete")? };
        count += deleted.iter().filter(|deleted| **deleted).count() as u64;
        progress.set(count);
    }
    Ok(count)
}
