//! The embedded default: a directory in DiskCache 5.6.3's format, open to Python at the same time.
//!
//! Reading a directory that is no cache yet finds nothing and makes nothing; the first write makes
//! it. This file is the URL, the opening and the words for what can go wrong; `store` knows the
//! rows, `files` the values beside the database, `schema` the tables, `key` how keys are spelled.

mod files;
mod key;
mod schema;
mod store;

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use self::files::Files;
use self::key::Spelling;
use self::schema::{Found, Settings};
use self::store::{Deleted, PRODUCT, Store, Trouble, is_read_only};
use super::survey::{Observer, Plan, Surveyed};
use super::{Backend, Connect, Cursor, Error, ErrorKind, Options, Page, Row, Server, no_fields};
use crate::entry::{Entry, Expiry, Facts, Kind, Stored, StoredKey, Write};
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::url::{Url, UrlError, percent_decode};

/// `disk:`, `disk:///absolute/path`, `disk:relative/path`
pub const ROW: Row = Row {
    schemes: &["disk"],
    example: "disk:///PATH",
    about: "a directory in DiskCache's format; `disk:` alone is the user's own",
    kind: Kind::Disk,
    parse,
};

/// The database in a cache's directory.
const DATABASE: &str = "cache.db";

/// How long another process is given to make the second of the two tables.
const MAKING: Duration = Duration::from_secs(1);

/// How many writes are one transaction: few enough that other processes get their turn.
const BATCH: usize = 256;

fn parse(url: &str, options: &Options) -> Result<Connect, UrlError> {
    let Url { rest, slashes, query, .. } = Url::parse(url)?;
    if let Some((name, _)) = query.first() {
        return Err(UrlError::unknown("parameter", name, &[]));
    }
    let path = percent_decode(&rest)?;
    if path.contains(&0) {
        return Err(UrlError::new("a directory's name cannot hold a NUL byte"));
    }
    if slashes && !path.is_empty() && path[0] != b'/' {
        return Err(UrlError::new(format!(
            "`{url}` names a host: write `disk:{rest}` for a directory here, `disk:///{rest}` for one from the root"
        )));
    }
    if path == b"~" || path.starts_with(b"~/") {
        return Err(UrlError::new("`~` is the shell's, and not read here: write the home directory out"));
    }
    let private = path.is_empty();
    let given = if private { options.disk_default.clone() } else { PathBuf::from(OsString::from_vec(path)) };
    // Absolute, because SQLite would take a relative name that begins with `file:` for a URL.
    let directory = std::path::absolute(&given)
        .map_err(|error| UrlError::new(format!("`{url}` is relative to no directory: {error}")))?;
    let place = Place { directory, private, timeout: options.timeout, limits: options.limits };
    Ok(Box::new(move || {
        let label = format!("disk://{}", place.directory.display());
        Ok(Box::new(Disk { place: place.clone(), label, store: None }))
    }))
}

/// A backend over a cache that need not be there yet.
struct Disk {
    place: Place,
    label: String,
    store: Option<Store>,
}

impl Disk {
    /// The cache, if there is one.
    fn existing(&mut self) -> Result<Option<&Store>, Error> {
        if self.store.is_none() {
            self.store = self.place.open()?;
        }
        Ok(self.store.as_ref())
    }

    /// The cache, made where there was none.
    fn made(&mut self) -> Result<&Store, Error> {
        if self.existing()?.is_none() {
            self.store = Some(self.place.create()?);
        }
        Ok(self.store.as_ref().expect("it was opened or made just above"))
    }

    /// Deletes page after page, each done or not done as a whole; how many entries in all.
    fn in_pages(&mut self, delete: impl Fn(&Store, i64) -> Result<Deleted, Trouble>) -> Result<u64, Error> {
        self.existing()?;
        let Some(store) = &self.store else { return Ok(0) };
        let (mut count, mut after) = (0, Some(i64::MIN));
        while let Some(from) = after {
            let page = delete(store, from).map_err(|trouble| self.place.explain("write to", trouble));
            let page = page.map_err(|error| match count {
                0 => error,
                _ => Error::new(ErrorKind::Partial, format!("{count} entries were deleted, then: {error}")),
            })?;
            count += page.count;
            after = page.last;
        }
        Ok(count)
    }

    /// Does `work` on batches of `items` that each are done or not done as a whole.
    fn in_batches<T, R>(
        &self,
        store: &Store,
        items: &[T],
        work: impl Fn(&Store, &[T]) -> Result<Vec<R>, Trouble>,
    ) -> Result<Vec<R>, Error> {
        let mut done = Vec::with_capacity(items.len());
        for batch in items.chunks(BATCH) {
            match work(store, batch).map_err(|trouble| self.place.explain("write to", trouble)) {
                Ok(some) => done.extend(some),
                Err(error) if done.is_empty() => return Err(error),
                Err(error) => {
                    let message = format!("{} of {} were done, then: {error}", done.len(), items.len());
                    return Err(Error::new(ErrorKind::Partial, message));
                }
            }
        }
        Ok(done)
    }
}

impl Backend for Disk {
    fn kind(&self) -> Kind {
        Kind::Disk
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn get_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Error> {
        no_fields(&self.label, keys)?;
        let entries = match self.existing()? {
            Some(store) => store.get(keys),
            None => Ok(vec![None; keys.len()]),
        };
        entries.map_err(|trouble| self.place.explain("read", trouble))
    }

    fn facts_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error> {
        no_fields(&self.label, keys)?;
        let facts = match self.existing()? {
            Some(store) => store.facts(keys),
            None => Ok(vec![None; keys.len()]),
        };
        facts.map_err(|trouble| self.place.explain("read", trouble))
    }

    fn set_many(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error> {
        no_fields(&self.label, writes.iter().map(|write| &write.key))?;
        self.made()?;
        let store = self.store.as_ref().expect("it was opened or made just above");
        self.in_batches(store, writes, Store::set)
    }

    fn replace(&mut self, key: &StoredKey, before: &Entry, after: &Stored) -> Result<bool, Error> {
        no_fields(&self.label, [key])?;
        let replaced = match self.existing()? {
            Some(store) => store.replace(key, before, after),
            None => Ok(false),
        };
        replaced.map_err(|trouble| self.place.explain("write to", trouble))
    }

    fn delete_many(&mut self, keys: &[StoredKey]) -> Result<Vec<bool>, Error> {
        no_fields(&self.label, keys)?;
        self.existing()?;
        let Some(store) = &self.store else { return Ok(vec![false; keys.len()]) };
        self.in_batches(store, keys, Store::delete)
    }

    fn expire_many(&mut self, keys: &[StoredKey], expiry: Expiry) -> Result<Vec<bool>, Error> {
        no_fields(&self.label, keys)?;
        self.existing()?;
        let Some(store) = &self.store else { return Ok(vec![false; keys.len()]) };
        self.in_batches(store, keys, |store, keys| store.expire(keys, expiry))
    }

    fn scan(&mut self, pattern: &Pattern, kind: Option<&str>, cursor: Cursor) -> Result<Page, Error> {
        let page = match self.existing()? {
            Some(store) => store.scan(pattern, kind, &cursor),
            None => Ok(Page::default()),
        };
        page.map_err(|trouble| self.place.explain("read", trouble))
    }

    fn count(&mut self) -> Result<Option<u64>, Error> {
        let count = match self.existing()? {
            Some(store) => store.count(),
            None => Ok(0),
        };
        count.map(Some).map_err(|trouble| self.place.explain("read", trouble))
    }

    fn survey(&mut self, plan: &Plan, observer: &mut dyn Observer) -> Result<Surveyed, Error> {
        let surveyed = match self.existing()? {
            Some(store) => store.survey(plan, observer),
            None => Ok(Surveyed::default()),
        };
        surveyed.map_err(|trouble| self.place.explain("read", trouble))
    }

    fn increment(&mut self, key: &StoredKey, by: i64, expiry: Expiry) -> Result<i128, Error> {
        no_fields(&self.label, [key])?;
        let number = self.made()?.increment(key, by, expiry);
        number.map(i128::from).map_err(|trouble| self.place.explain("write to", trouble))
    }

    fn tagged(&mut self, tag: &str) -> Result<u64, Error> {
        let count = match self.existing()? {
            Some(store) => tags(tag).map(|tag| store.tagged(&tag)).sum(),
            None => Ok(0),
        };
        count.map_err(|trouble| self.place.explain("read", trouble))
    }

    fn evict(&mut self, tag: &str) -> Result<u64, Error> {
        tags(tag).map(|tag| self.in_pages(|store, after| store.evict_page(&tag, after))).sum()
    }

    fn server(&mut self) -> Result<Server, Error> {
        let server = match self.existing()? {
            Some(store) => store.server(),
            None => Ok(Server { product: Some(PRODUCT.to_owned()), entries: Some(0), ..Server::default() }),
        };
        server.map_err(|trouble| self.place.explain("read", trouble))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.in_pages(Store::clear_page).map(drop)
    }
}

/// Everything that is listed as the tag `tag`: DiskCache keeps tags as it keeps keys, but pickles none.
fn tags(tag: &str) -> impl Iterator<Item = Spelling<'_>> {
    Spelling::all(tag.as_bytes()).filter(Spelling::raw)
}

/// Where a cache is or will be.
#[derive(Clone)]
struct Place {
    directory: PathBuf,
    /// Whether it is nobody else's business: the user's own cache, not one that a URL named.
    private: bool,
    timeout: Duration,
    limits: Limits,
}

impl Place {
    /// The cache, if there is one.
    fn open(&self) -> Result<Option<Store>, Error> {
        let path = self.directory.join(DATABASE);
        match fs::metadata(&path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Err(self.failed("read", &format!("its {DATABASE} is not a file"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.not_sharded().map(|()| None),
            Err(error) => return Err(self.refused("read", &error)),
        }
        self.open_file(&path).map_err(|trouble| self.explain("read", trouble))
    }

    fn open_file(&self, path: &Path) -> Result<Option<Store>, Trouble> {
        let mut connection = self.connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut found = match schema::find(&connection) {
            // A WAL cannot be made beside a database that may only be read. Where there is none,
            // nobody writes, and the database is complete without.
            Err(error) if is_read_only(&error) && !wal(path).exists() => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
                connection = self.connect(&immutable(path), flags)?;
                schema::find(&connection)?
            }
            other => other?,
        };
        let start = Instant::now();
        while found == Found::Begun && start.elapsed() < self.timeout.min(MAKING) {
            thread::sleep(MAKING / 50);
            found = schema::find(&connection)?;
        }
        match found {
            Found::Cache => self.store(connection).map(Some),
            Found::Unmade => Ok(None),
            Found::Begun => Err(Trouble::Told(self.failed("read", &without("Cache")))),
            Found::Damaged => Err(Trouble::Told(self.failed("read", &without("Settings")))),
            Found::Foreign => Err(Trouble::Told(self.failed("read", NOT_A_CACHE))),
        }
    }

    /// The cache, made where there is none.
    fn create(&self) -> Result<Store, Error> {
        self.not_sharded()?;
        let mode = if self.private { 0o700 } else { 0o777 };
        let made = DirBuilder::new().recursive(true).mode(mode).create(&self.directory);
        made.map_err(|error| self.failed("create", &format!("{error}: make it, or name another directory")))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let created = (|| {
            let connection = self.connect(&self.directory.join(DATABASE), flags)?;
            // It was not there a moment ago: what is begun, another process is making now.
            match schema::find(&connection)? {
                Found::Unmade | Found::Begun | Found::Cache => {}
                Found::Damaged => return Err(Trouble::Told(self.failed("create", &without("Settings")))),
                Found::Foreign => return Err(Trouble::Told(self.failed("create", NOT_A_CACHE))),
            }
            schema::create(&connection)?;
            self.store(connection)
        })();
        created.map_err(|trouble| self.explain("create", trouble))
    }

    /// A connection that trusts the database with nothing.
    fn connect(&self, path: &Path, flags: OpenFlags) -> Result<Connection, rusqlite::Error> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(self.timeout)?;
        // The bundled SQLite would else plan each statement anew for each time of day bound to it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        // Room for a row around the longest value; the value itself is measured again.
        let most = self.limits.stored.saturating_add(1 << 20);
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, i32::try_from(most).unwrap_or(i32::MAX))?;
        Ok(connection)
    }

    fn store(&self, connection: Connection) -> Result<Store, Trouble> {
        let settings = Settings::read(&connection)?.map_err(|what| Error::new(ErrorKind::Failed, what))?;
        connection.pragma_update(None, "synchronous", settings.synchronous)?;
        Ok(Store { connection, files: Files::under(&self.directory), settings, limits: self.limits })
    }

    /// Refuses the directory of a `FanoutCache`: its caches are one level below.
    fn not_sharded(&self) -> Result<(), Error> {
        if !self.directory.join("000").join(DATABASE).exists() {
            return Ok(());
        }
        let directory = self.directory.display();
        let message = format!(
            "{directory} is a DiskCache FanoutCache, whose entries are spread over the caches in it: \
             name one of them, such as disk://{directory}/000"
        );
        Err(Error::new(ErrorKind::Unfit, message))
    }

    /// What went wrong, and what to do.
    fn explain(&self, tried: &str, trouble: Trouble) -> Error {
        let error = match trouble {
            Trouble::Told(error) => return error,
            Trouble::Here(Error { kind, message, .. }) => return Error { kind, ..self.failed(tried, &message) },
            Trouble::Sql(error) => error,
        };
        let advice = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                let timeout = self.timeout;
                let message = format!("timed out waiting for the lock, held by another process for over {timeout:?}");
                return Error { kind: ErrorKind::Unreachable, ..self.failed(tried, &message) };
            }
            Some(ErrorCode::TooBig) => {
                let message = format!("a row is {}", self.limits.exceeded("stored"));
                return Error { kind: ErrorKind::Limit, ..self.failed(tried, &message) };
            }
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                format!(": its {DATABASE} is damaged; {RESTORE}")
            }
            Some(ErrorCode::DiskFull) => ": free some space".to_owned(),
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                return match fs::File::open(self.directory.join(DATABASE)) {
                    Err(denied) if tried == "read" => self.refused(tried, &denied),
                    _ => self.failed(tried, &format!("{error}: this user may not write to the directory")),
                };
            }
            _ => String::new(),
        };
        self.failed(tried, &format!("{error}{advice}"))
    }

    fn failed(&self, tried: &str, why: &str) -> Error {
        Error::new(ErrorKind::Failed, format!("cannot {tried} the cache in {}: {why}", self.directory.display()))
    }

    fn refused(&self, tried: &str, error: &io::Error) -> Error {
        let kind = if error.kind() == io::ErrorKind::PermissionDenied { ErrorKind::Denied } else { ErrorKind::Failed };
        Error { kind, ..self.failed(tried, &error.to_string()) }
    }
}

/// Why half a cache is none.
fn without(table: &str) -> String {
    format!("its {DATABASE} is damaged: the table {table} is missing; {RESTORE}")
}

const RESTORE: &str = "restore it, or move the directory away to start an empty cache";

const NOT_A_CACHE: &str = "its cache.db is an SQLite database, but not DiskCache's: name another directory";

fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// SQLite's name for a file that nobody changes.
fn immutable(path: &Path) -> PathBuf {
    let mut name = b"file://".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => name.extend(format!("%{byte:02X}").bytes()),
            _ => name.push(*byte),
        }
    }
    name.extend(b"?immutable=1");
    PathBuf::from(OsString::from_vec(name))
}
