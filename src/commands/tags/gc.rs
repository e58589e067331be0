//! `tags gc`: delete entries that no tags reach any more.

use anyhow::{Context as _, Result};

use super::super::bulk::{self, Act, Backup, Bounds, Consent, Ended, Keeper, Names, SAMPLE, Source, Tempo, ask};
use super::super::ls::Seen;
use super::{Global, KnownNames, target};
use crate::backend::Connect;
use crate::cache::{Cache, Reach, Standing};
use crate::entry::StoredKey;
use crate::exit::{Exit, Stop};
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
    #[command(flatten)]
    pub(super) consent: Consent,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    backup: Backup,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = crate::commands::records(printer)?;
    let (_, connect) = target::connect(global, printer)?;
    let mut cache = target::open_by(&connect, global)?;
    let known = args.known.of(&cache, global)?;
    // Entries first and tags after: the tags of an entry are older than it, so that an entry which these tags do not
    // reach has none, and is not one that was stored a moment ago.
    let entries = entries(&mut cache, printer)?;
    let reach = cache.reach(&known).context("cannot read the tags")?;
    let found = judge(&cache, &reach, entries, args)?;
    let ends = args.consent.dry_run || found.to_delete.is_empty();
    match (records, ends) {
        (false, _) => found.tell(&reach, cache.label(), printer)?,
        (true, true) => printer.record(&found.record(&reach))?,
        // The record is of what was done, and comes then.
        (true, false) => {}
    }
    if ends {
        return Ok(Exit::answer(!found.to_delete.is_empty()));
    }
    let count = render::count(found.to_delete.len() as u64, "entry", "entries");
    if let Some(most) = args.bounds.max_keys.filter(|most| found.to_delete.len() as u64 > *most) {
        let told = format!("{count} to delete, and --max-keys is {most}: nothing was deleted");
        return Err(Stop::refused(told).into());
    }
    if !args.consent.yes.is_said() {
        ask(&format!("delete {count} on {}?", cache.label()), "nothing was deleted", printer)?;
    }
    let mut deleted = 0;
    let done = delete(&connect, global, &found.to_delete, args, args.backup.open(&cache)?, &mut deleted, printer)?;
    if records {
        printer.record(&found.record(&reach).with("deleted", deleted))?;
    }
    printer.note(&format!("deleted {deleted} of {count}"));
    Ok(done)
}

/// What was found.
#[derive(Default)]
struct Tally {
    live: u64,
    probable: u64,
    dead: u64,
    to_delete: Vec<StoredKey>,
}

impl Tally {
    fn record(&self, reach: &Reach) -> Record {
        let sample: Vec<String> = self.to_delete.iter().take(SAMPLE).map(ToString::to_string).collect();
        Record::new()
            .with("live", self.live)
            .with("dead", self.dead)
            .with("probably_dead", self.probable)
            .with("to_delete", self.to_delete.len())
            .with("tags", reach.tags)
            .with("tags_together", reach.size)
            .with("sample", sample)
    }

    fn tell(&self, reach: &Reach, label: &str, printer: &mut Printer) -> Result<()> {
        let tags = render::count(reach.tags as u64, "tag", "tags");
        let rows = [
            (self.live, "live".to_owned()),
            (self.dead, "dead: the tag that every entry needs is not there".to_owned()),
            (self.probable, format!("probably dead: no set of up to {} of {tags} reaches them", reach.size)),
        ];
        for (count, what) in rows.iter().filter(|(count, _)| *count > 0) {
            printer.line(&format!("{count} {what}"))?;
        }
        for key in self.to_delete.iter().take(SAMPLE) {
            printer.line(&format!("  {}", escape::message(&key.to_string())))?;
        }
        if self.live + self.dead + self.probable == 0 {
            printer.note(&format!("no entries in this namespace on {label}"));
        }
        if self.probable > 0 && self.to_delete.is_empty() {
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

/// The entries of the namespace, each once.
fn entries(cache: &mut Cache, printer: &mut Printer) -> Result<Vec<StoredKey>> {
    let mut progress = printer.progress("looking");
    let (mut entries, mut seen) = (Vec::new(), Seen::default());
    let mut walk = cache.walk(Pattern::all(), None);
    while let Some(page) = walk.next(cache).context("cannot list entries")? {
        entries.extend(page.into_iter().map(|met| met.stored_key).filter(|key| seen.is_new(key)));
        progress.set(entries.len() as u64);
    }
    Ok(entries)
}

fn judge(cache: &Cache, reach: &Reach, entries: Vec<StoredKey>, args: &Args) -> Result<Tally> {
    let mut found = Tally::default();
    for entry in entries {
        let standing = cache.standing(reach, &entry)?;
        match standing {
            Standing::Live => found.live += 1,
            Standing::Dead => found.dead += 1,
            Standing::ProbablyDead => found.probable += 1,
        }
        if args.takes(standing) {
            found.to_delete.push(entry);
        }
    }
    Ok(found)
}

fn delete(
    connect: &Connect,
    global: &Global,
    entries: &[StoredKey],
    args: &Args,
    keeper: Option<Keeper>,
    count: &mut u64,
    printer: &mut Printer,
) -> Result<Exit> {
    let source = Source { connect, global, names: Names::These(entries) };
    let mut progress = printer.progress("deleting");
    let change = |cache: &mut Cache, batch: &[StoredKey]| bulk::delete_batch(cache, batch, keeper.as_ref());
    let ended = bulk::changes(&source, &mut Tempo::start(args.bounds.rate)?, false, change, |deleted, _| {
        *count += deleted;
        progress.set(*count);
        Ok(())
    });
    drop(progress);
    let done = ended.map(|ended| if ended == Ended::Interrupted { Exit::Interrupted } else { Exit::Yes });
    let done = done.map_err(|error| Act::delete("").partly(error, *count));
    bulk::finish(keeper, done.context("cannot delete"), printer)
}
