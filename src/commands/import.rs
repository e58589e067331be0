//! `import`: entries from a file back to where they were.

use std::ffi::OsString;
use std::io::BufRead;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::arguments;
use super::bulk::{Tally, Tempo, now_ms};
use super::guard::{Effect, Yes};
use super::{Global, target};
use crate::archive::{self, Held, Item, Reader, Tail, Valued};
use crate::cache::{Cache, Form, Put};
use crate::codec::Codec;
use crate::entry::{Condition, Expiry, StoredKey, Ttl, Write};
use crate::exit::{Exit, Stop};
use crate::limits::Limits;
use crate::render::{self, Printer, escape};

/// Bring entries back from files that export or --backup wrote
///
/// Each goes back under its stored key, with its exact bytes, tag and flags, and expires when it was to
/// expire: what would have expired by now stays out (--ttl-left gives each the time that it had left).
/// A line with a value in place of bytes is encoded with its serializer, or with that of -s. Lines that
/// get -o jsonl printed are taken too. A file that was cut is refused with status 3; of one that was
/// changed it is said when its end is reached, with 7. An entry that is there is replaced, so that the
/// same command can be run again after it was interrupted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files; - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<OsString>,
    /// Leave entries that are there as they are
    #[arg(long, visible_alias = "nx")]
    if_not_exists: bool,
    /// Give entries the time that they had left when they were read
    #[arg(long)]
    ttl_left: bool,
    /// The ttl of entries of which it is not known
    #[arg(long, value_name = "TIME", value_parser = arguments::ttl)]
    ttl: Option<Expiry>,
    /// Take files that have no end, or another than they were written with
    #[arg(long)]
    unchecked: bool,
    /// Read everything, store nothing
    #[arg(long)]
    dry_run: bool,
    /// At most so many keys a second; else as many as leave the server quick
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU64>,
    #[command(flatten)]
    yes: Yes,
}

impl Args {
    /// What is done to entries.
    pub(super) fn effect(&self) -> Effect<'_> {
        if self.dry_run { Effect::Reads } else { Effect::Destroys(&self.yes) }
    }
}

/// Entries that are read at once, and bytes of their lines.
const BATCH: usize = 500;
const BATCH_BYTES: u64 = 1 << 20;

/// How often it is asked whether somebody wants it to end, while a file has no more to read.
const LISTEN: Duration = Duration::from_millis(100);

/// Batches that may wait to be stored.
const AHEAD: usize = 4;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let (limits, codec) = (global.limits(), target::codec(global)?);
    args.files.iter().try_for_each(|name| check(name, args.unchecked, &limits))?;
    let cache = target::open(global, printer)?;
    let mut import = Import { args, codec, cache, tally: Tally::default() };
    let mut tempo = Tempo::start(args.rate)?;
    let mut progress = printer.progress(if args.dry_run { "reading" } else { "storing" });
    let (sender, batches) = sync_channel(AHEAD);
    let files = Files { names: args.files.clone(), unchecked: args.unchecked, limits, batch: tempo.batch().min(BATCH) };
    let reading = thread::spawn(move || files.read(&sender));
    let mut work = || loop {
        match batches.recv_timeout(LISTEN) {
            Ok(Batch { items, last }) => {
                let (started, count) = (Instant::now(), items.len());
                import.store(items).with_context(|| import.told(&last))?;
                progress.set(import.tally.read);
                if !tempo.passed(count, started.elapsed()) {
                    return Ok(None);
                }
            }
            // Whoever reads a pipe may wait for ever.
            Err(RecvTimeoutError::Timeout) if tempo.is_interrupted() => return Ok(None),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Some(())),
        }
    };
    let ended = work().and_then(|whole| match whole {
        None => Ok(None),
        Some(()) => {
            let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            read.map(Some).map_err(|(error, at)| error.context(import.told(&at)))
        }
    });
    drop(progress);
    let Import { cache, tally, .. } = import;
    let verb = if args.dry_run { "would bring" } else { "brought" };
    let heads = ended.as_ref().map_or(&[][..], |heads| heads.as_deref().unwrap_or_default());
    heads.iter().for_each(|head| head.tell(cache.label(), printer));
    tally.conclude(ended.map(|ended| ended.is_some()), verb, cache.label(), records, printer).context("cannot import")
}

/// Refuses a file that is not there, or has a head but no end, before anything is stored. What comes through a pipe
/// is known only at its end.
fn check(name: &OsString, unchecked: bool, limits: &Limits) -> Result<()> {
    let path = Path::new(name);
    if name == "-" || (path.exists() && !path.is_file() && !path.is_dir()) {
        return Ok(());
    }
    let mut file = arguments::open(name)?;
    let tail = archive::tail(&mut file, limits).with_context(|| format!("cannot read {}", path.display()))?;
    if tail == Tail::Cut && !unchecked { Err(cut(&path.display().to_string())) } else { Ok(()) }
}

fn cut(name: &str) -> anyhow::Error {
    let told = format!("{name} has no end: it was cut, or is being written; --unchecked takes what is there");
    Stop::data(told).into()
}

/// Entries of a file, and which line of it was the last.
struct Batch {
    items: Vec<Item>,
    last: String,
}

/// What is read, and how.
struct Files {
    names: Vec<OsString>,
    unchecked: bool,
    limits: Limits,
    /// Entries at once.
    batch: usize,
}

/// What an archive says of itself.
struct Head {
    file: String,
    source: Option<String>,
    complete: bool,
}

impl Head {
    /// What somebody must know who believes that he has it all, or where it was.
    fn tell(&self, label: &str, printer: &mut Printer) {
        if let Some(source) = self.source.as_deref().filter(|source| *source != label) {
            printer.note(&format!("{} was made from {}", self.file, escape::message(source)));
        }
        if !self.complete {
            printer.warn(&format!("{} is marked as not complete: there was more than is in it", self.file));
        }
    }
}

impl Files {
    /// Reads them, as batches; what they say of themselves. What is wrong, and where.
    fn read(&self, sender: &SyncSender<Batch>) -> Result<Vec<Head>, (anyhow::Error, String)> {
        let mut heads = Vec::new();
        for name in &self.names {
            let shown = if name == "-" { "stdin".to_owned() } else { Path::new(name).display().to_string() };
            let source = arguments::source(name).map_err(|error| (error, shown.clone()))?;
            let mut reader = Reader::new(source, self.limits);
            if !self.read_one(&mut reader, &shown, sender)? {
                return Ok(heads);
            }
            judge(self.unchecked, &reader, &shown).map_err(|error| (error, shown.clone()))?;
            let complete = reader.end().is_none_or(|end| end.complete);
            heads.push(Head { file: shown, source: reader.source().map(str::to_owned), complete });
        }
        Ok(heads)
    }

    /// Reads one to its end; whether somebody still wants what is in it.
    fn read_one<R: BufRead>(
        &self,
        reader: &mut Reader<R>,
        shown: &str,
        sender: &SyncSender<Batch>,
    ) -> Result<bool, (anyhow::Error, String)> {
        loop {
            let mut items = Vec::with_capacity(self.batch);
            let (mut failure, mut ended, most) = (None, false, reader.bytes() + BATCH_BYTES);
            while items.len() < self.batch && reader.bytes() < most && failure.is_none() && !ended {
                match reader.item() {
                    Ok(Some(item)) => items.push(item),
                    Ok(None) => ended = true,
                    Err(error) => failure = Some(error),
                }
            }
            let last = format!("line {} of {shown}", reader.number());
            // What stands before a line that is wrong is stored; nobody waits for it when the work was broken off.
            if !items.is_empty() && sender.send(Batch { items, last: last.clone() }).is_err() {
                return Ok(false);
            }
            if let Some(error) = failure {
                return Err((error, last));
            }
            if ended {
                return Ok(true);
            }
        }
    }
}

/// What the end of a file says of the rest.
fn judge<R: BufRead>(unchecked: bool, reader: &Reader<R>, shown: &str) -> Result<()> {
    if unchecked {
        return Ok(());
    }
    match reader.end() {
        Some(end) if !end.intact => {
            let told = format!(
                "{shown} is not as it was written: its lines do not have the SHA-256 that its end says; \
                 --unchecked takes what somebody has changed on purpose"
            );
            Err(Stop::data(told).into())
        }
        None if reader.is_archive() => Err(cut(shown)),
        _ => Ok(()),
    }
}

/// The work.
struct Import<'a> {
    args: &'a Args,
    codec: Option<Codec>,
    cache: Cache,
    tally: Tally,
}

impl Import<'_> {
    fn told(&self, at: &str) -> String {
        format!("{at} ({} stored so far)", render::count(self.tally.stored, "entry", "entries"))
    }

    fn store(&mut self, items: Vec<Item>) -> Result<()> {
        let now = now_ms();
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            self.tally.read += 1;
            writes.extend(self.write(item, now)?);
        }
        match self.args.dry_run {
            true => self.tally.stored += writes.len() as u64,
            false => self.tally.store(&mut self.cache, writes)?,
        }
        Ok(())
    }

    /// What is to be written; `None` for what has expired, and for what this backend cannot hold.
    fn write(&mut self, item: Item, now: i64) -> Result<Option<Write>> {
        let condition = if self.args.if_not_exists { Condition::IfAbsent } else { Condition::Always };
        let (key, data, ttl, expires_at, tag) = match item {
            Item::Held(Held { stored_key, stored, ttl, expires_at, tag }) => (stored_key, stored, ttl, expires_at, tag),
            Item::Value(line) => {
                let Valued { name, value, form, stored_key, ttl, expires_at } = *line;
                let form = self.codec.as_ref().map_or(form, |codec| Form::By(codec.clone()));
                let put = Put { name, value, form, expiry: Expiry::Never, condition };
                let data = self.cache.encode(&put)?.data;
                let stored_key = match stored_key {
                    Some(stored_key) => stored_key,
                    None if self.args.dry_run => StoredKey::new(put.name.key.clone()),
                    None => self.cache.place(&put.name)?,
                };
                // Those of a layout are part of the stored key; the store's own is kept beside.
                let own = self.cache.layout().tagging().is_none();
                let tag = put.name.tags.into_iter().next().filter(|_| own);
                (stored_key, data, ttl, expires_at, tag)
            }
        };
        let expiry = match (ttl, expires_at) {
            (Ttl::Never, _) => Expiry::Never,
            (Ttl::Left(ms), None) => Expiry::In(ms),
            (Ttl::Left(ms), Some(_)) if self.args.ttl_left => Expiry::In(ms),
            (Ttl::Left(_), Some(at)) if at <= now => {
                self.tally.expired += 1;
                return Ok(None);
            }
            (Ttl::Left(_), Some(at)) => Expiry::At(at),
            (Ttl::Unknown, _) => self.args.ttl.ok_or_else(|| {
                let told = format!(
                    "the ttl of `{}` was not known: --ttl says which it gets",
                    escape::message(&key.to_string())
                );
                Stop::usage(told)
            })?,
        };
        let write = Write { key, data, expiry, condition, tag };
        Ok(self.tally.fits(&write, self.cache.kind()).then_some(write))
    }
}
