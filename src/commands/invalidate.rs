//! `invalidate`: make every entry of some tags a miss.

use std::collections::HashSet;
use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, TagTtl};
use super::guard::{Effect, Yes};
use super::{Global, bulk, target, unreached};
use crate::cache::{self, Cache, Invalidated, Tag, Unknown};
use crate::entry::Ttl;
use crate::exit::{Exit, Stop};
use crate::layout::Act;
use crate::render::{self, Printer, Record};

/// Make every entry of some tags a miss
///
/// On redis-tagged-cache each tag gets a new value, all in one round trip however many entries they
/// have; nothing is deleted, and no entry that was stored before is found again. A tag that is not
/// there is made, as the library does. On disk: the entries with the tag are deleted, as DiskCache's
/// evict does. To do it twice does no harm.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("what").args(["tags", "from", "all"]).required(true).multiple(true)))]
pub struct Args {
    /// Tags, taken literally
    #[arg(value_name = "TAG", conflicts_with = "all", value_parser = arguments::tag())]
    tags: Vec<String>,
    /// Tags from a file, one a line; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    from: Option<OsString>,
    /// All entries of the namespace
    #[arg(long)]
    all: bool,
    /// Say which tags would change; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Make no tag that is not there; where one is not, the status is 1
    #[arg(long)]
    must_exist: bool,
    #[command(flatten)]
    yes: Yes,
    #[command(flatten)]
    tag_ttl: TagTtl,
}

impl Args {
    /// What is done to entries.
    pub(super) fn effect(&self) -> Effect<'_> {
        if self.dry_run { Effect::Reads } else { Effect::Destroys(&self.yes) }
    }
}

/// Tags that are invalidated in one round trip: two writes each, and what can be told when one fails.
const BATCH: usize = 500;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    super::records(printer)?;
    let tags = tags(args, global)?;
    let mut cache = target::open(global, printer)?;
    cache.keep_tags(args.tag_ttl.expiry());
    let tags = match args.all {
        true => vec![cache.tag_of_all().context("cannot invalidate all (`clear` deletes entries)")?.to_owned()],
        false => tags,
    };
    if args.dry_run {
        return preview(&mut cache, &tags, args, printer);
    }
    if args.all && !args.yes.is_said() {
        let question = format!("make every entry of this namespace on {} a miss?", cache.label());
        bulk::ask(&question, "nothing was invalidated", printer)?;
    }
    if let Some(caveat) = cache.layout().caveat(Act::Invalidate, &[]) {
        printer.note(caveat);
    }
    invalidate(&mut cache, &tags, args, printer)
}

fn tags(args: &Args, global: &Global) -> Result<Vec<String>> {
    let mut tags = args.tags.clone();
    if let Some(name) = &args.from {
        tags.extend(arguments::lines(name, &global.limits())?);
    }
    if tags.is_empty() && !args.all {
        return Err(Stop::usage("there are no tags to invalidate: the file has none").into());
    }
    Ok(tags)
}

fn preview(cache: &mut Cache, tags: &[String], args: &Args, printer: &mut Printer) -> Result<Exit> {
    let mut rows = Vec::new();
    let mut missing = false;
    for batch in tags.chunks(BATCH) {
        for tag in cache.tags(batch).context("cannot look at the tags")? {
            missing |= !exists(&tag);
            if printer.records() == Some(true) {
                printer.record(&record(&tag, args))?;
            } else {
                rows.push(vec![tag.name.clone().unwrap_or_default(), place(&tag), standing(&tag, args)]);
            }
        }
    }
    if !rows.is_empty() {
        printer.table(&["tag", "stored key", "now"], &rows)?;
    }
    printer.note("nothing was changed");
    Ok(if missing && args.must_exist { Exit::No } else { Exit::Yes })
}

fn exists(tag: &Tag) -> bool {
    tag.ttl.is_some() || tag.entries.is_some_and(|count| count > 0)
}

fn record(tag: &Tag, args: &Args) -> Record {
    let record = Record::new().with("tag", tag.name.clone());
    let record = match &tag.stored_key {
        Some(stored_key) => record.with_place(Some(stored_key)),
        None => record.with("entries", tag.entries),
    };
    let record = record.with("exists", exists(tag));
    let record = match tag.ttl {
        Some(ttl) => record.with_ttl("ttl_ms", ttl).with("age_ms", tag.age_ms(args.tag_ttl.ms())),
        None => record,
    };
    record.with("would_change", exists(tag) || !args.must_exist)
}

fn place(tag: &Tag) -> String {
    tag.stored_key.as_ref().map_or_else(|| "with the entries".to_owned(), ToString::to_string)
}

/// What there is of a tag, in words.
fn standing(tag: &Tag, args: &Args) -> String {
    let would = if args.must_exist { "not there" } else { "not there: would be made" };
    match (tag.entries, tag.ttl) {
        (Some(0), _) => "not there: nothing to delete".to_owned(),
        (Some(count), _) => format!("{}: would be deleted", render::count(count, "entry", "entries")),
        (None, None) => would.to_owned(),
        (None, Some(Ttl::Never)) => "there, without expiry: invalidated before".to_owned(),
        (None, Some(ttl)) => match tag.age_ms(args.tag_ttl.ms()) {
            Some(age) => format!("there since about {}, ttl {}", render::ttl(Ttl::Left(age)), render::ttl(ttl)),
            None => format!("there, ttl {}", render::ttl(ttl)),
        },
    }
}

fn invalidate(cache: &mut Cache, tags: &[String], args: &Args, printer: &mut Printer) -> Result<Exit> {
    let unknown = if args.must_exist { Unknown::Leave } else { Unknown::Make };
    let mut progress = printer.progress("invalidating");
    let (mut done, mut made, mut missing, mut deleted) = (0_usize, 0, 0, None);
    for (before, batch) in tags.chunks(BATCH).enumerate() {
        let mut batch_done = Vec::with_capacity(batch.len());
        let failed = cache.invalidate(batch, unknown, &mut batch_done).err();
        for one in &batch_done {
            let absent = one.existed == Some(false);
            let was_made = absent && one.value_hash.is_some();
            made += u64::from(was_made);
            missing += u64::from(absent && !was_made);
            deleted = one.deleted.map(|count| count + deleted.unwrap_or(0)).or(deleted);
            done += 1;
            if printer.records() == Some(true) {
                printer.record(&told(one))?;
            }
        }
        if let Some(error) = failed {
            drop(progress);
            let not = if let cache::Error::Backend(error) = &error { &error.unreached[..] } else { &[] };
            let message = partly(tags, before * BATCH, batch, &batch_done, not);
            let mut error = anyhow::Error::from(error);
            if done > 0 || Exit::of(&error) == Exit::Partial {
                error = error.context(Stop { exit: Exit::Partial, message });
            }
            return Err(error.context("cannot invalidate"));
        }
        progress.set(done as u64);
    }
    drop(progress);
    let changed = render::count(done as u64 - missing, "tag", "tags");
    let mut words = format!("invalidated {changed} on {}", cache.label());
    if let Some(count) = deleted {
        words = format!("{words}: {} deleted", render::count(count, "entry", "entries"));
    }
    if made > 0 {
        words = format!("{words}; {made} had not been there");
    }
    if missing > 0 {
        words = format!("{words}; {} not there", render::count(missing, "tag was", "tags were"));
    }
    printer.note(&words);
    Ok(if missing > 0 && args.must_exist { Exit::No } else { Exit::Yes })
}

/// Which tags are done when a `batch` fails, with all `before` it done, and of itself these; and which are `not`, by
/// their places in it, and for certain.
fn partly(tags: &[String], before: usize, batch: &[String], done: &[Invalidated], not: &[usize]) -> String {
    let total = render::count(tags.len() as u64, "tag", "tags");
    let again = "the same command again does no harm";
    if done.is_empty() && not.is_empty() {
        return match before.checked_sub(1) {
            None => format!("which of {total} are invalidated is not known; {again}"),
            Some(last) => {
                let last = unreached::listed([tags[last].as_bytes()]);
                format!("{before} of {total} are invalidated for certain, up to {last}; {again}")
            }
        };
    }
    let names: HashSet<&str> = done.iter().map(|one| one.name.as_str()).collect();
    let open = |tag: &&String| !names.contains(tag.as_str());
    // Those of the batches after it are left, too.
    let left = not.iter().map(|at| &batch[*at]).chain(&tags[before + batch.len()..]).filter(open);
    let doubtful = (0..batch.len()).filter(|at| !not.contains(at)).map(|at| &batch[at]).filter(open);
    let listed = |what: &str, tags: Vec<&String>| match tags.is_empty() {
        true => String::new(),
        false => what.to_owned() + &unreached::listed(tags.into_iter().map(String::as_bytes)),
    };
    let first = if before > 0 { format!(", the first {before}") } else { String::new() };
    let named = listed(", ", done.iter().map(|one| &one.name).collect());
    let (left, doubtful) =
        (listed("; not ", left.collect()), listed("; of these it is not known: ", doubtful.collect()));
    format!("{} of {total} are invalidated{first}{named}{left}{doubtful}; {again}", before + done.len())
}

fn told(one: &Invalidated) -> Record {
    let record = Record::new().with("tag", one.name.clone());
    match &one.stored_key {
        Some(stored_key) => {
            record.with_place(Some(stored_key)).with("existed", one.existed).with("value_hash", one.value_hash.clone())
        }
        None => record.with("existed", one.existed).with("deleted", one.deleted),
    }
}
