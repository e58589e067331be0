//! Servers and stores: stored keys in, entries out. No values, no layouts.
//!
//! A backend is one file and one row in [`BACKENDS`]. Its URL is parsed once, before anything is
//! connected, into a [`Connect`] that may then be called many times. Every backend passes the same
//! conformance suite (`tests/it/backends.rs`); [`memory`] is the reference.

pub mod disk;
pub mod dummy;
pub mod memcached;
pub mod memory;
pub mod net;
pub mod redis;
mod reply;
pub mod server;
mod shards;
pub mod survey;

use std::fmt;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

pub use self::reply::Reply;
pub use self::server::Server;
pub use self::shards::{Dial, Shards};
use self::survey::{Observer, Plan, Surveyed};
use crate::entry::{Entry, Expiry, Facts, Kind, Stored, StoredKey, Write};
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::url::{Url, UrlError};

/// What every store can do. Many keys at once are one round trip where the server allows it.
pub trait Backend {
    /// What kind it is: a layout may name keys differently on each.
    fn kind(&self) -> Kind;

    /// Where it is, without secrets, for messages.
    fn label(&self) -> &str;

    /// What it cannot do as exactly as the others.
    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    /// The entries of `keys`, in their order; `None` where there is none (or no longer).
    fn get_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Error>;

    /// What there is to say of `keys` without their data, in their order. Never counts as an access.
    fn facts_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error>;

    /// Writes entries, in order; says of each whether its condition held.
    fn set_many(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error>;

    /// Puts `after` where an entry stands with the data and the tag of `before`, in one step whoever else
    /// writes; says whether one did. Its expiry, as it is by then, and its tag stay.
    fn replace(&mut self, key: &StoredKey, before: &Entry, after: &Stored) -> Result<bool, Error>;

    /// Deletes `keys`; says of each whether it was there.
    fn delete_many(&mut self, keys: &[StoredKey]) -> Result<Vec<bool>, Error>;

    /// Gives `keys` another expiry; says of each whether it was there.
    fn expire_many(&mut self, keys: &[StoredKey], expiry: Expiry) -> Result<Vec<bool>, Error>;

    /// A page of the keys that match; `kind` as in [`Facts::kind`]. A key that is there from the
    /// first page to the last is seen at least once, where [`Abilities::lists_all`] says so.
    fn scan(&mut self, pattern: &Pattern, kind: Option<&str>, cursor: Cursor) -> Result<Page, Error>;

    /// A page of the fields that match of the hash at `key`, as [`Backend::scan`] gives keys.
    fn scan_fields(&mut self, key: &StoredKey, _pattern: &Pattern, _cursor: Cursor) -> Result<Page, Error> {
        no_fields(self.label(), [&StoredKey { key: key.key.clone(), field: Some(Vec::new()) }])
            .map(|()| Page::default())
    }

    /// How many entries there are, expired ones that are not gone yet included; `None` where the store
    /// does not say without looking at each.
    fn count(&mut self) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    /// Walks over all that the plan names, or a sample of it, and tells `observer` of each entry. Looking
    /// never counts as an access, where the server can help it.
    fn survey(&mut self, plan: &Plan, observer: &mut dyn Observer) -> Result<Surveyed, Error> {
        survey::by_pages(self, plan, observer)
    }

    /// The `most` keys that are used most within a time, the hottest first, by what the server itself can
    /// watch.
    fn hottest(&mut self, _most: usize, _search: &mut Search<'_>) -> Result<Vec<Heat>, Error> {
        Err(unsupported(self.label(), "cannot say which keys are used most"))
    }

    /// Adds `by` to the counter at `key`, in one step whoever else does; its value then. Where there
    /// is no entry it begins at 0 and gets `expiry`; one that is there keeps the expiry it has. Holds
    /// the counters of every store: 64 bits, with a sign or without.
    fn increment(&mut self, _key: &StoredKey, _by: i64, _expiry: Expiry) -> Result<i128, Error> {
        Err(unsupported(self.label(), "keeps no counters"))
    }

    /// How many entries carry the store's own tag (DiskCache's).
    fn tagged(&mut self, _tag: &str) -> Result<u64, Error> {
        Err(unsupported(self.label(), NO_TAGS))
    }

    /// Deletes the entries that carry the store's own tag, in pages; how many there were.
    fn evict(&mut self, _tag: &str) -> Result<u64, Error> {
        Err(unsupported(self.label(), NO_TAGS))
    }

    /// Deletes everything there is, whoever put it there.
    fn flush(&mut self) -> Result<(), Error> {
        Err(unsupported(self.label(), "cannot be emptied at once: delete by pattern instead"))
    }

    /// What TLS is on the connection, where there is any.
    fn secured(&self) -> Option<net::Secured> {
        None
    }

    /// What it says of itself. One that says nothing has said so with this.
    fn server(&mut self) -> Result<Server, Error> {
        Ok(Server::default())
    }

    /// Sends one command of the server's own, its name first, and gives the reply as it came.
    fn raw(&mut self, _command: &[Vec<u8>]) -> Result<Reply, Error> {
        Err(unsupported(self.label(), "takes no commands: raw is for Redis and Valkey"))
    }
}

/// How hot keys are looked for.
pub struct Search<'a> {
    /// How long.
    pub time: Duration,
    /// Whether every command is to be repeated to this client (MONITOR), which slows the server down.
    pub monitor: bool,
    /// Waits for so long, or until the user has enough; says whether to go on.
    pub wait: &'a mut dyn FnMut(Duration) -> ControlFlow<()>,
}

/// A key that is used, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heat {
    /// The stored key.
    pub key: Vec<u8>,
    /// How much.
    pub uses: u64,
    /// Of what.
    pub unit: &'static str,
}

/// Why a store has nothing to say of a tag.
const NO_TAGS: &str = "keeps no tags of its own: choose a layout that does";

/// The store has no such ability.
fn unsupported(label: &str, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{label} {what}"))
}

/// How often a write that must find an entry as it was looked at is tried while others write.
const REPLACE_TRIES: usize = 16;

/// They never stopped.
fn never_still(tried: &str, label: &str) -> Error {
    Error::new(ErrorKind::Failed, format!("{tried} at {label}: it is written all the time"))
}

/// The counter that `text` is and `by` more, for stores that do not count themselves: 64 bits with a
/// sign, spelled as Redis wants it, without zeros before it.
fn added(key: &StoredKey, text: Option<&[u8]>, by: i64) -> Result<i64, Error> {
    let number = text.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| {
        let number: i64 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    });
    let unfit = |why: &str| Error::new(ErrorKind::Unfit, format!("cannot add {by} to `{key}`: {why}"));
    let number = number.ok_or_else(|| unfit("it holds no integer of 64 bits in decimal"))?;
    number.checked_add(by).ok_or_else(|| unfit(&format!("it is {number}, and a counter has 64 bits, one for the sign")))
}

/// A parsed URL: call it for a connection.
pub type Connect = Box<dyn Fn() -> Result<Box<dyn Backend>, Error> + Send + Sync>;

/// What a store can do of what is asked of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// How many bytes a key can have. One that has more or fewer is refused.
    pub key_bytes: RangeInclusive<usize>,
    /// To what a ttl is rounded up. An entry may go one step too early.
    pub ttl_step_ms: u64,
    /// Whether a scan sees every key that is there from its first page to its last.
    pub lists_all: bool,
}

impl Abilities {
    /// Everything.
    pub const ALL: Abilities = Abilities { key_bytes: 0..=usize::MAX, ttl_step_ms: 1, lists_all: true };
}

/// Where a scan goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cursor {
    /// At the beginning.
    #[default]
    Start,
    /// At a number that the backend gave.
    At(u64),
}

/// A page of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys; the same one may come again.
    pub keys: Vec<StoredKey>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// What holds for every backend, whatever the URL says.
#[derive(Clone, Debug)]
pub struct Options {
    /// For connecting, and again for each command. A server that sends a large value has longer.
    pub timeout: Duration,
    /// On what is read.
    pub limits: Limits,
    /// The directory that `disk:` alone means.
    pub disk_default: PathBuf,
    /// A file of PEM certificates to trust beside the system's.
    pub tls_ca: Option<PathBuf>,
    /// A PEM client certificate and its key.
    pub tls_client: Option<(PathBuf, PathBuf)>,
    /// Trust any certificate.
    pub tls_insecure: bool,
    /// Read from replicas, and write nothing.
    pub replica: bool,
    /// Who named the password that is in the URL, in words: for who is refused with it.
    pub password_from: Option<String>,
    /// Says to the user what is to be known at once, such as that a server is one of several.
    pub tell: fn(&str),
}

/// One kind of backend.
pub struct Row {
    /// The URL schemes, the usual one first.
    pub schemes: &'static [&'static str],
    /// A URL as an example.
    pub example: &'static str,
    /// For the help.
    pub about: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// Reads the whole URL. Connects to nothing.
    pub parse: fn(&str, &Options) -> Result<Connect, UrlError>,
}

/// The table of backends.
pub const BACKENDS: &[Row] = &[
    disk::ROW,
    redis::TCP,
    redis::TLS,
    redis::UNIX,
    redis::CLUSTER,
    redis::SENTINEL,
    memcached::TCP,
    memcached::TLS,
    memcached::UNIX,
    memory::ROW,
    dummy::ROW,
];

/// Finds the backend that `url` names and reads the URL.
///
/// # Errors
/// When no backend has the scheme, or the backend refuses the URL.
pub fn parse(url: &str, options: &Options) -> Result<Connect, UrlError> {
    let row = row(url)?;
    if options.replica && ![redis::CLUSTER.schemes, redis::SENTINEL.schemes].contains(&row.schemes) {
        return Err(UrlError::new("--replica is for redis+cluster:// and redis+sentinel://: this names one store"));
    }
    (row.parse)(url, options)
}

/// What kind of backend `url` names, without a connection.
///
/// # Errors
/// When no backend has the scheme.
pub fn kind(url: &str) -> Result<Kind, UrlError> {
    Ok(row(url)?.kind)
}

/// [`parse`], for connections of the caller's own; `None` where the store is no server.
///
/// # Errors
/// When no backend has the scheme, or the backend refuses the URL.
pub fn dial(url: &str, options: &Options) -> Result<Option<Box<dyn Dial>>, UrlError> {
    Ok(match kind(url)? {
        Kind::Redis => Some(Box::new(redis::dial(url, options)?)),
        Kind::Memcached => Some(Box::new(memcached::dial(url, options)?)),
        Kind::Disk | Kind::Memory | Kind::Dummy => None,
    })
}

fn row(url: &str) -> Result<&'static Row, UrlError> {
    let schemes: Vec<&str> = BACKENDS.iter().flat_map(|row| row.schemes.iter().copied()).collect();
    let wrong = |write: String| Err(UrlError::new(format!("`{url}` is not a backend URL: write `{write}`")));
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let scheme = match url.split_once(':') {
        Some((_, "11211")) => return wrong(format!("memcached://{url}")),
        Some((_, port)) if is_port(port) => return wrong(format!("redis://{url}/0")),
        Some((scheme, _)) => scheme.to_ascii_lowercase(),
        None if url.starts_with('/') => return wrong(format!("disk://{url}")),
        None if url.starts_with('.') => return wrong(format!("disk:{url}")),
        None => return Err(UrlError::new(format!("`{url}` is not a backend URL: expected one of {}", examples()))),
    };
    let row = BACKENDS.iter().find(|row| row.schemes.contains(&scheme.as_str()));
    row.ok_or_else(|| UrlError::unknown("backend", &scheme, &schemes))
}

fn examples() -> String {
    BACKENDS.iter().map(|row| row.example).collect::<Vec<_>>().join(", ")
}

/// Refuses a query, and what stands after the scheme, for backends that take neither.
///
/// # Errors
/// When there is any.
pub fn nothing_more(url: &Url) -> Result<(), UrlError> {
    match url.query.first() {
        Some((name, _)) => Err(UrlError::unknown("parameter", name, &[])),
        None if !url.rest.is_empty() => Err(UrlError::new(format!("`{}://` takes nothing after it", url.scheme))),
        None => Ok(()),
    }
}

/// Refuses keys with a field, for backends that know no hashes.
///
/// # Errors
/// When a key has one.
pub fn no_fields<'a>(label: &str, keys: impl IntoIterator<Item = &'a StoredKey>) -> Result<(), Error> {
    match keys.into_iter().any(|key| key.field.is_some()) {
        true => {
            Err(Error::new(ErrorKind::Unfit, format!("{label} has no hashes, so an entry cannot be a field of one")))
        }
        false => Ok(()),
    }
}

/// A backend could not do what it was asked. The message says what was tried and what came back,
/// without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which kind of failure: picks the exit status.
    pub kind: ErrorKind,
    /// In words.
    pub message: String,
    /// Of several things that were asked for or to be done, the places of those that were not for certain, as the
    /// server that has them was not reached: the others may be asked for without them.
    pub unreached: Vec<usize>,
    /// Whether one of several is the reason, though others were done before it.
    pub of_one: bool,
}

/// Which kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Authentication or permission.
    Denied,
    /// Not connected: closed port, TLS, timeout, not the server that the URL says.
    Unreachable,
    /// The server or the store answered that it cannot: full disk, corrupt file, out of memory.
    Failed,
    /// A reply or a value met a limit.
    Limit,
    /// The server does not know the command: it is too old, or the command is switched off.
    Unsupported,
    /// The request itself makes no sense there: a hash where a string is needed.
    Unfit,
    /// Some of it was done before it failed.
    Partial,
}

impl Error {
    /// An error of `kind`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), unreached: Vec::new(), of_one: false }
    }

    /// Whether one of several is the reason, which the server can never hold: the others may be tried without it.
    #[must_use]
    pub fn is_of_one(&self) -> bool {
        self.of_one || matches!(self.kind, ErrorKind::Limit | ErrorKind::Unfit)
    }

    /// The same, with who named the password that was refused.
    fn of_password(self, origin: &str) -> Error {
        Error { message: format!("{}; the password is that of {origin}", self.message), ..self }
    }

    /// The same, of what was not reached at these places.
    fn not_at(self, places: impl IntoIterator<Item = usize>) -> Error {
        let mut unreached: Vec<usize> = places.into_iter().collect();
        unreached.sort_unstable();
        unreached.dedup();
        Error { unreached, ..self }
    }

    /// The same, where what was not reached stands for what is at other places.
    fn placed(self, place: impl Fn(usize) -> usize) -> Error {
        let unreached: Vec<usize> = self.unreached.iter().map(|at| place(*at)).collect();
        self.not_at(unreached)
    }

    /// The same, where `done` of `total` had been done before, and of `in_doubt` nobody answered.
    fn after(self, done: usize, in_doubt: usize, total: usize) -> Error {
        let unknown = match in_doubt {
            0 => String::new(),
            _ if total == 1 => "; whether it was done is not known".to_owned(),
            count => format!("; of {count} more it is not known whether they were done"),
        };
        match done {
            0 => Error { message: format!("{}{unknown}", self.message), ..self },
            count => {
                let message = format!("{count} of {total} were done{unknown}; {}", self.message);
                Error { of_one: self.is_of_one(), kind: ErrorKind::Partial, message, ..self }
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
