//! The file that entries are kept in: all of them for `export`, for others those that they delete.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use crate::archive::{Content, Line, Writer};
use crate::backend::ErrorKind;
use crate::cache::{Cache, Error, Met, Reader, Reading};
use crate::entry::{Entry, Members, Stored, StoredKey, Ttl};
use crate::exit::{Exit, Stop};
use crate::limits::Limits;
use crate::render::{self, Printer};

/// Where deleted entries are kept.
#[derive(Debug, Default, clap::Args)]
pub struct Backup {
    /// Write every entry to a new file before it is deleted; `import FILE` brings them back
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    backup: Option<PathBuf>,
}

impl Backup {
    /// Makes the file, where one was asked for.
    ///
    /// # Errors
    /// When it cannot be made, or is there already.
    pub fn open(&self, cache: &Cache) -> Result<Option<Keeper>> {
        let keeper = |path: &PathBuf| Keeper::create(path, cache.label(), None, &cache.reader().limits());
        self.backup.as_ref().map(keeper).transpose()
    }

    /// Whether a file was asked for.
    pub fn is_wanted(&self) -> bool {
        self.backup.is_some()
    }
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 17;

/// The file, open.
pub struct Keeper {
    archive: Writer<BufWriter<Box<dyn Write>>>,
    /// What is under it, where that is on a disk.
    file: Option<File>,
    name: String,
    /// What makes values of entries, where those are written.
    reader: Option<Reader>,
    limits: Limits,
    tally: Tally,
}

/// What was remarkable of entries.
#[derive(Default)]
struct Tally {
    /// Those that could not be read, and why the first of them.
    unread: u64,
    why: Option<String>,
    /// Values that did not decode.
    undecoded: u64,
    ttl_unknown: bool,
    streams: bool,
}

/// Entries where they are, or why one cannot be read.
pub type Entries = Vec<(Met, Result<Option<Entry>, String>)>;

/// A page of them.
pub struct Fetched {
    pub entries: Entries,
    /// When they were read, in milliseconds after the Unix epoch.
    pub at: i64,
    /// How long the backend took.
    pub took: Duration,
}

impl Keeper {
    /// Makes a file that only its owner reads, as a cache may hold anything. With a reader, values are written.
    ///
    /// # Errors
    /// When there is one already, which may be somebody's only copy; or it cannot be made.
    pub fn create(path: &Path, source: &str, reader: Option<Reader>, limits: &Limits) -> Result<Keeper> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let name = path.display().to_string();
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Stop::refused(format!("{name} is there already, and may be somebody's only copy: choose another name"))
            }
            _ => Stop::usage(format!("cannot make {name}: {error}")),
        })?;
        let out = Box::new(file.try_clone().with_context(|| format!("cannot write {name}"))?);
        Keeper::begin(out, Some(file), name, source, reader, limits)
    }

    /// Writes where results go.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn printing(source: &str, reader: Option<Reader>, limits: &Limits) -> Result<Keeper> {
        Keeper::begin(Box::new(render::lines()), None, "the lines".to_owned(), source, reader, limits)
    }

    fn begin(
        out: Box<dyn Write>,
        file: Option<File>,
        name: String,
        source: &str,
        reader: Option<Reader>,
        limits: &Limits,
    ) -> Result<Keeper> {
        let archive = Writer::begin(BufWriter::with_capacity(BUFFER, out), source);
        let archive = archive.with_context(|| format!("cannot write {name}"))?;
        Ok(Keeper { archive, file, name, reader, limits: *limits, tally: Tally::default() })
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.archive.entries()
    }

    /// Writes what was read at a time; says of each entry whether it is kept.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, entries: &Entries, read_at: i64) -> Result<Vec<bool>> {
        let kept = entries.iter().map(|(met, entry)| match entry {
            Ok(None) => Ok(false),
            Ok(Some(entry)) => self.entry(met, entry, read_at).map(|()| true),
            Err(why) => {
                self.tally.unread += 1;
                self.tally.why.get_or_insert_with(|| why.clone());
                Ok(false)
            }
        });
        kept.collect()
    }

    fn entry(&mut self, met: &Met, Entry { stored, ttl, tag }: &Entry, read_at: i64) -> Result<()> {
        self.tally.ttl_unknown |= *ttl == Ttl::Unknown;
        self.tally.streams |= matches!(stored, Stored::Members(Members::Stream(_)));
        let is_value = !matches!(stored, Stored::Members(_));
        let reading = self.reader.as_ref().filter(|_| is_value).map(|reader| reader.read(stored.clone()));
        let content = match &reading {
            Some(Ok(Reading { value, chain })) => Content::Value {
                value,
                serializer: matches!(stored, Stored::Bytes(_) | Stored::Flagged(..)).then_some(chain.url.as_str()),
                kind: stored.kind(),
                flags: if let Stored::Flagged(flags, _) = stored { *flags } else { 0 },
            },
            _ => Content::Stored(stored),
        };
        self.tally.undecoded += u64::from(matches!(reading, Some(Err(_))));
        let (stored_key, key, tag) = (&met.stored_key, met.key.as_deref(), tag.as_deref());
        let line = Line { stored_key, key, ttl: *ttl, read_at, tag, content };
        self.archive.entry(&line, &self.limits).with_context(|| format!("cannot write {}", self.name))
    }

    /// Writes the entries at `keys`, to the disk itself; says of each whether it is kept now.
    ///
    /// # Errors
    /// The backend's where it fails altogether; and when the file cannot be written.
    pub fn keep(&mut self, cache: &mut Cache, keys: &[StoredKey]) -> Result<Vec<bool>> {
        let met = |key: &StoredKey| Met { key: None, stored_key: key.clone() };
        let entries: Entries = keys.iter().map(met).zip(entries(cache, keys)?).collect();
        let kept = self.write(&entries, now_ms())?;
        let cannot = || format!("cannot write {}", self.name);
        self.archive.flush().with_context(cannot)?;
        // What is deleted now must not be lost with the machine.
        self.file.iter().try_for_each(File::sync_data).with_context(cannot)?;
        Ok(kept)
    }

    /// Ends the file whatever became of the work, and says what it has. What could not be read makes it partly done.
    ///
    /// # Errors
    /// That of the work; that the file cannot be written.
    pub fn finish(self, done: Result<Exit>, printer: &mut Printer) -> Result<Exit> {
        let Keeper { archive, file, name, tally, .. } = self;
        let complete = done.as_ref().is_ok_and(|exit| *exit != Exit::Interrupted);
        let entries = archive.entries();
        let ended = archive.end(complete).map(drop).and_then(|()| file.iter().try_for_each(File::sync_all));
        if let Err(error) = ended {
            // Why the work stopped is the better reason.
            let told = format!("cannot write {name}, which has no end now");
            return done.and(Err(anyhow::Error::from(error).context(told)));
        }
        let count = render::count(entries, "entry", "entries");
        let marked = if complete { "" } else { ", and is marked as not complete" };
        printer.note(&match file {
            Some(_) if entries == 0 => format!("{name} has no entries{marked}"),
            Some(_) => format!("{name} has {count}{marked}: `import {name}` brings them back"),
            None => format!("wrote {count}{marked}"),
        });
        tally.tell(printer);
        match done {
            Ok(exit) if exit <= Exit::No && tally.unread > 0 => Ok(Exit::Partial),
            done => done,
        }
    }
}

impl Tally {
    fn tell(&self, printer: &mut Printer) {
        if self.undecoded > 0 {
            let values = render::count(self.undecoded, "value does", "values do");
            printer.note(&format!("{values} not decode: the exact bytes are there instead"));
        }
        if self.streams {
            printer.note("of streams there are the items, but not the consumer groups");
        }
        if self.ttl_unknown {
            printer.warn("the server does not tell this user ttls (PTTL): import will ask for one (--ttl)");
        }
        if let Some(why) = &self.why {
            let entries = render::count(self.unread, "entry", "entries");
            printer.warn(&format!("{entries} could not be read, and stay where they are: {why}"));
        }
    }
}

/// The entries at `keys`, or why one cannot be read: it is too large, of a type that is none of ours, or
/// not for this user.
///
/// # Errors
/// When the backend fails altogether.
pub fn entries(cache: &mut Cache, keys: &[StoredKey]) -> Result<Vec<Result<Option<Entry>, String>>, Error> {
    match cache.entries_at(keys) {
        Ok(entries) => Ok(entries.into_iter().map(Ok).collect()),
        // One of them is the reason, and each by itself tells which.
        Err(error) if is_of_one(&error) => keys.iter().map(|key| entry(cache, key)).collect(),
        Err(error) => Err(error),
    }
}

fn entry(cache: &mut Cache, key: &StoredKey) -> Result<Result<Option<Entry>, String>, Error> {
    match cache.entries_at(std::slice::from_ref(key)) {
        Ok(mut entries) => Ok(Ok(entries.pop().flatten())),
        Err(error) if is_of_one(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

fn is_of_one(error: &Error) -> bool {
    let Error::Backend(error) = error else { return false };
    matches!(error.kind, ErrorKind::Limit | ErrorKind::Unfit | ErrorKind::Denied)
}

/// The entries of a page, and when they were read.
///
/// # Errors
/// When the backend fails altogether.
pub fn fetch(cache: &mut Cache, page: Vec<Met>) -> Result<Fetched, Error> {
    let keys: Vec<StoredKey> = page.iter().map(|met| met.stored_key.clone()).collect();
    let started = Instant::now();
    let entries = entries(cache, &keys)?;
    Ok(Fetched { entries: page.into_iter().zip(entries).collect(), at: now_ms(), took: started.elapsed() })
}

/// Now, in milliseconds after the Unix epoch.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
