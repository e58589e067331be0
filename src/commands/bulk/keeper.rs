//! The file that entries are kept in: all of them for `export`, for others those that they delete.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};

use super::fetch::Fetch;
use crate::archive::{Content, Line, Writer};
use crate::cache::{Cache, Met, Reader, Reading};
use crate::entry::{Entry, Members, Stored, StoredKey, Ttl};
use crate::exit::{Exit, Stop};
use crate::limits::Limits;
use crate::render::{self, Printer};

/// Where deleted entries are kept.
#[derive(Debug, Default, clap::Args)]
pub struct Backup {
    /// Write every entry to a new file before it is deleted; `import FILE` brings them back. What is
    /// written between the two is not kept
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    backup: Option<PathBuf>,
}

impl Backup {
    /// Makes the file, where one was asked for.
    ///
    /// # Errors
    /// When it cannot be made, or is there already.
    pub fn open(&self, cache: &Cache) -> Result<Option<Keeper>> {
        let keeper = |path: &PathBuf| Keeper::create(path, cache.label());
        self.backup.as_ref().map(keeper).transpose()
    }

    /// Whether a file was asked for.
    pub fn is_wanted(&self) -> bool {
        self.backup.is_some()
    }
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 17;

/// The file, open. Threads may share it.
pub struct Keeper {
    state: Mutex<State>,
    /// What is under the archive, where that is on a disk.
    file: Option<File>,
    name: String,
    /// Where the entries are from.
    source: String,
    fetch: Fetch,
}

struct State {
    archive: Writer<BufWriter<Box<dyn Write + Send>>>,
    tally: Tally,
}

/// What was remarkable of entries.
#[derive(Default)]
struct Tally {
    /// Those that could not be read, and why the first of them.
    unread: u64,
    why: Option<String>,
    /// Values that are written as bytes: they did not decode, or would be too long.
    undecoded: u64,
    ttl_unknown: bool,
    streams: bool,
}

/// Lines of entries that are to go into the file.
pub struct Lines {
    bytes: Vec<u8>,
    entries: u64,
    tally: Tally,
}

/// Bytes of lines that are enough to hand them on.
const LINES: usize = 1 << 15;

impl Lines {
    /// None yet.
    pub fn new() -> Lines {
        Lines { bytes: Vec::with_capacity(2 * LINES), entries: 0, tally: Tally::default() }
    }

    /// Adds an entry as it was read at a time, with a reader its value; whether it is kept then.
    ///
    /// # Errors
    /// When what is stored would be too long.
    pub fn add(
        &mut self,
        met: &Met,
        entry: Result<Option<Entry>, String>,
        read_at: i64,
        reader: Option<&Reader>,
        limits: &Limits,
    ) -> Result<bool> {
        let Entry { stored, ttl, tag } = match entry {
            Ok(Some(entry)) => entry,
            Ok(None) => return Ok(false),
            Err(why) => {
                self.tally.unread += 1;
                self.tally.why.get_or_insert(why);
                return Ok(false);
            }
        };
        self.tally.ttl_unknown |= ttl == Ttl::Unknown;
        self.tally.streams |= matches!(stored, Stored::Members(Members::Stream(_)));
        self.entries += 1;
        let (stored_key, key, tag) = (&met.stored_key, met.key.as_deref(), tag.as_deref());
        let line = Line { stored_key, key, ttl, read_at, tag, content: Content::Stored(&stored) };
        if let Some(reader) = reader.filter(|_| !matches!(stored, Stored::Members(_))) {
            let start = self.bytes.len();
            let reading = reader.read(stored.clone()).ok();
            let written = reading.is_some_and(|Reading { value, chain }| {
                let content = Content::Value {
                    value: &value,
                    serializer: matches!(stored, Stored::Bytes(_) | Stored::Flagged(..)).then_some(chain.url.as_str()),
                    kind: stored.kind(),
                    flags: if let Stored::Flagged(flags, _) = stored { flags } else { 0 },
                };
                Line { content, ..line }.write(limits, &mut self.bytes).is_ok()
            });
            if written {
                return Ok(true);
            }
            self.bytes.truncate(start);
            self.tally.undecoded += 1;
        }
        line.write(limits, &mut self.bytes)?;
        Ok(true)
    }

    /// Whether there are enough to hand them on.
    pub fn are_many(&self) -> bool {
        self.bytes.len() >= LINES
    }
}

impl Keeper {
    /// Makes a file that only its owner reads, as a cache may hold anything.
    ///
    /// # Errors
    /// When there is one already, which may be somebody's only copy; or it cannot be made.
    pub fn create(path: &Path, source: &str) -> Result<Keeper> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let name = path.display().to_string();
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Stop::refused(format!("{name} is there already, and may be somebody's only copy: choose another name"))
            }
            _ => Stop::usage(format!("cannot make {name}: {error}")),
        })?;
        let out = Box::new(file.try_clone().with_context(|| format!("cannot write {name}"))?);
        Keeper::begin(out, Some(file), name, source)
    }

    /// Writes where results go.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub fn printing(source: &str) -> Result<Keeper> {
        Keeper::begin(Box::new(render::lines()), None, "the lines".to_owned(), source)
    }

    fn begin(out: Box<dyn Write + Send>, file: Option<File>, name: String, source: &str) -> Result<Keeper> {
        let archive = Writer::begin(BufWriter::with_capacity(BUFFER, out), source);
        let archive = archive.with_context(|| format!("cannot write {name}"))?;
        let state = Mutex::new(State { archive, tally: Tally::default() });
        Ok(Keeper { state, file, name, source: source.to_owned(), fetch: Fetch::default() })
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.state().archive.entries()
    }

    /// Writes lines.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, lines: Lines) -> Result<()> {
        let State { archive, tally } = &mut *self.state();
        tally.add(lines.tally);
        archive.lines(&lines.bytes, lines.entries).with_context(|| format!("cannot write {}", self.name))
    }

    /// Writes the entries at `keys`, to the disk itself; says of each whether it is kept now.
    ///
    /// # Errors
    /// The backend's where it fails altogether; and when the file cannot be written.
    pub fn keep(&self, cache: &mut Cache, keys: &[StoredKey]) -> Result<Vec<bool>> {
        let (mut kept, limits) = (Vec::with_capacity(keys.len()), cache.reader().limits());
        let met = |key: &StoredKey| Met { key: None, stored_key: key.clone() };
        self.fetch.batch(cache, keys.iter().map(met).collect(), |entries, read_at| {
            let mut lines = Lines::new();
            for (met, entry) in entries {
                kept.push(lines.add(&met, entry, read_at, None, &limits)?);
                if lines.are_many() {
                    self.write(std::mem::replace(&mut lines, Lines::new()))?;
                }
            }
            self.write(lines).map(|()| true)
        })?;
        let cannot = || format!("cannot write {}", self.name);
        self.state().archive.flush().map(drop).with_context(cannot)?;
        // What is deleted now must not be lost with the machine.
        self.file.iter().try_for_each(File::sync_data).with_context(cannot)?;
        Ok(kept)
    }

    /// Ends the file whatever became of the work, and says what it has. What could not be read makes it partly done.
    ///
    /// # Errors
    /// That of the work; that the file cannot be written.
    pub fn finish(self, done: Result<Exit>, printer: &mut Printer) -> Result<Exit> {
        let Keeper { state, file, name, source, .. } = self;
        let State { archive, tally } = state.into_inner().unwrap_or_else(PoisonError::into_inner);
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
            Some(_) => format!("{name} has {count}{marked}: `cachectl -b {source} import {name}` brings them back"),
            None => format!("wrote {count}{marked}"),
        });
        tally.tell(printer);
        match done {
            Ok(exit) if exit <= Exit::No && tally.unread > 0 => Ok(Exit::Partial),
            done => done,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn add(&mut self, Tally { unread, why, undecoded, ttl_unknown, streams }: Tally) {
        self.unread += unread;
        self.why = self.why.take().or(why);
        self.undecoded += undecoded;
        self.ttl_unknown |= ttl_unknown;
        self.streams |= streams;
    }

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
