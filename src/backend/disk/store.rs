//! An open cache: the rows of `cache.db` and the files beside it, one transaction a batch of writes.
//!
//! What `set`, `add`, `get`, `touch`, `delete` and `_cull` of `Cache` in diskcache 5.6.3 (`core.py`) do
//! is done here in the same order. Reading writes nothing, but for what the cache's own
//! settings ask for (least-recently-used, least-frequently-used, statistics). The database is as
//! untrusted as any file: lengths are limited by SQLite before memory is reserved, views are off.

use std::time::{Duration, SystemTime};

use rusqlite::types::{Value, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension, Params, Row, Transaction, params};

use super::files::{Files, Unread};
use super::key::{self, Spelling};
use super::schema::{Policy, Settings};
use crate::backend::survey::{DATA_MOST, Draw, Observation, Observer, Plan, Surveyed};
use crate::backend::{Cursor, Error, ErrorKind, Page, Server, added};
use crate::entry::{Condition, Entry, Expiry, Facts, Stored, StoredKey, Ttl, Write};
use crate::limits::Limits;
use crate::pattern::Pattern;

/// How many rows a page of a scan looks at, and how many bytes of keys it holds before it ends.
const PAGE: i64 = 1000;
const PAGE_BYTES: usize = 1 << 20;

/// How often a row is looked up again whose file is gone: it was overwritten between the two.
const TRIES: usize = 10;

/// The first byte of everything that zlib wrote.
const ZLIB: u8 = 0x78;

/// `Cache.mode`.
const RAW: i64 = 1;
const BINARY_FILE: i64 = 2;
const TEXT_FILE: i64 = 3;
const PICKLE: i64 = 4;

/// The live row of a key. `typeof` keeps the key `1` from being found as `1.0`.
macro_rules! select_live {
    ($columns:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM Cache WHERE key = ?1 AND raw = ?2 AND typeof(key) = typeof(?1)",
            " AND (expire_time IS NULL OR expire_time > ?3)"
        )
    };
}

const ENTRY: &str = select_live!("filename, expire_time, tag, rowid, mode, value");
const FACTS: &str =
    select_live!("filename, expire_time, tag, size, mode, typeof(value), coalesce(octet_length(value), 0)");
const HEAD: &str = select_live!("rowid, filename, expire_time, tag");
/// An expired row of one spelling is overwritten, and has nothing to keep.
const REST: &str =
    "SELECT rowid, filename, NULL, NULL FROM Cache WHERE key = ?1 AND raw = ?2 AND typeof(key) = typeof(?1)";
const SCAN: &str = "SELECT rowid, key, mode, typeof(value) FROM Cache \
     WHERE rowid <= ?1 AND (expire_time IS NULL OR expire_time > ?2) ORDER BY rowid DESC LIMIT ?3";
const SURVEY: &str = "SELECT rowid, key, mode, typeof(value), expire_time, \
     CASE WHEN filename IS NULL THEN coalesce(octet_length(value), 0) ELSE size END, access_time, access_count, \
     filename, value FROM Cache \
     WHERE rowid <= ?1 AND (expire_time IS NULL OR expire_time > ?2) ORDER BY rowid DESC LIMIT ?3";
const ROWS: &str = "SELECT count(*) FROM Cache";
const INSERT: &str = "INSERT INTO Cache(key, raw, store_time, expire_time, access_time, access_count, tag, size, \
     mode, filename, value) VALUES (?1, ?2, ?3, ?4, ?3, 0, ?5, ?6, ?7, ?8, ?9)";
const UPDATE: &str = "UPDATE Cache SET store_time = ?2, expire_time = ?3, access_time = ?2, access_count = 0, \
     tag = ?4, size = ?5, mode = ?6, filename = ?7, value = ?8 WHERE rowid = ?1";
const DELETE: &str = "DELETE FROM Cache WHERE rowid = ?1";
const EXPIRE: &str = "UPDATE Cache SET expire_time = ?2 WHERE rowid = ?1";
const COUNT: &str = "UPDATE Settings SET value = value + ?2 WHERE key = ?1";
const EXPIRED: &str = "SELECT rowid, filename FROM Cache \
     WHERE expire_time IS NOT NULL AND expire_time < ?1 ORDER BY expire_time LIMIT ?2";
const INCREMENT: &str = "UPDATE Cache SET store_time = ?2, value = ?3 WHERE rowid = ?1";
const TAGGED: &str = "SELECT count(*) FROM Cache WHERE tag = ?1 AND typeof(tag) = typeof(?1) \
     AND (expire_time IS NULL OR expire_time > ?2)";
const OF_TAG: &str = "SELECT rowid, filename FROM Cache \
     WHERE tag = ?1 AND typeof(tag) = typeof(?1) AND rowid > ?2 ORDER BY rowid LIMIT ?3";
const ALL: &str = "SELECT rowid, filename FROM Cache WHERE rowid > ?1 ORDER BY rowid LIMIT ?2";
const SIZE: &str = "SELECT value FROM Settings WHERE key = 'size'";
const COUNTER: &str = "SELECT value FROM Settings WHERE key = ?1";
const EXPIRING: &str = "SELECT count(*) FROM Cache WHERE expire_time IS NOT NULL";

/// Whose format it is.
pub const PRODUCT: &str = "diskcache";

/// Why something failed, for the caller to say where.
pub enum Trouble {
    /// SQLite's reason.
    Sql(rusqlite::Error),
    /// A value's or a file's.
    Here(Error),
    /// One that says already where.
    Told(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Sql(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Here(error)
    }
}

/// Rows that one transaction of a bulk deletion removes: other processes get their turn between.
const DELETED: i64 = 256;

/// What a page of a bulk deletion removed.
pub struct Deleted {
    /// How many rows; one that had expired and was still held counts too, as in DiskCache.
    pub count: u64,
    /// The last of them, after which the next page goes on; `None` at the end.
    pub last: Option<i64>,
}

/// Names of files to remove once the transaction that let go of them has ended.
type Trash = Vec<Vec<u8>>;

/// An open cache.
pub struct Store {
    /// The database.
    pub connection: Connection,
    /// The files beside it.
    pub files: Files,
    /// What the cache's maker chose.
    pub settings: Settings,
    /// On what is read.
    pub limits: Limits,
}

impl Store {
    /// The entries of `keys`, and the note of it that the settings ask for.
    pub fn get(&self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Trouble> {
        let found = keys.iter().map(|key| self.entry(&key.key)).collect::<Result<Vec<_>, _>>()?;
        let read: Vec<i64> = found.iter().flatten().map(|(rowid, _)| *rowid).collect();
        self.note(&read, found.len() - read.len())?;
        Ok(found.into_iter().map(|found| found.map(|(_, entry)| entry)).collect())
    }

    /// What is said of `keys` without their data.
    pub fn facts(&self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Trouble> {
        let facts = |row: &Row<'_>, now: f64, file: Option<&[u8]>| {
            if file.is_some_and(|name| !self.files.exists(name)) {
                return Ok(None);
            }
            let (mode, stored, size): (i64, String, i64) =
                (row.get(4)?, row.get(5)?, row.get(if file.is_some() { 3 } else { 6 })?);
            let (ttl, tag) = (ttl(row.get_ref(1)?, now), tag(row.get_ref(2)?));
            Ok(Some(Facts {
                kind: kind(mode, &stored).to_owned(),
                size: size.max(0).unsigned_abs(),
                ttl,
                tag,
                item: None,
            }))
        };
        keys.iter().map(|key| self.find_whole(FACTS, &key.key, facts)).collect()
    }

    /// Writes a batch.
    pub fn set(&self, writes: &[Write]) -> Result<Vec<bool>, Trouble> {
        self.set_where(writes, |_| Ok(true))
    }

    /// Writes over one entry that is still as it was.
    pub fn replace(&self, key: &StoredKey, before: &Entry, after: &Stored) -> Result<bool, Trouble> {
        let (data, expiry, condition) = (after.clone(), Expiry::Keep, Condition::IfPresent);
        let write = Write { key: key.clone(), data, expiry, condition, tag: None };
        let unchanged = |write: &Write| {
            let found = self.entry(&write.key.key)?;
            Ok(found.is_some_and(|(_, entry)| entry.stored.same(&before.stored) && entry.tag == before.tag))
        };
        Ok(self.set_where(&[write], unchanged)? == [true])
    }

    /// Writes those of a batch for which `holds`, which is asked inside the transaction. Large values are
    /// files before it begins, so that no other process waits for them, and none of them stays behind when
    /// it fails.
    fn set_where(
        &self,
        writes: &[Write],
        holds: impl Fn(&Write) -> Result<bool, Trouble>,
    ) -> Result<Vec<bool>, Trouble> {
        let mut names: Vec<Option<String>> = Vec::with_capacity(writes.len());
        let mut done = Ok(());
        for write in writes {
            match self.file(&write.data) {
                Ok(name) => names.push(name),
                Err(error) => {
                    done = Err(error.into());
                    break;
                }
            }
        }
        let done = done.and_then(|()| {
            self.transact(|trash| {
                let mut one = |(write, name): (&Write, &Option<String>)| {
                    if holds(write)? {
                        return self.set_one(write, name.as_deref(), trash);
                    }
                    trash.extend(name.as_ref().map(|name| name.as_bytes().to_vec()));
                    Ok(false)
                };
                writes.iter().zip(&names).map(&mut one).collect()
            })
        });
        if done.is_err() {
            names.iter().flatten().for_each(|name| self.files.remove(name.as_bytes()));
        }
        done
    }

    /// Deletes a batch.
    pub fn delete(&self, keys: &[StoredKey]) -> Result<Vec<bool>, Trouble> {
        self.transact(|trash| {
            let delete = |key: &StoredKey| {
                let Some(head) = self.find(HEAD, &key.key, now(), |row| Ok(Head::read(row)?))? else {
                    return Ok(false);
                };
                self.prepare(DELETE)?.execute([head.rowid])?;
                trash.extend(head.filename);
                Ok(true)
            };
            keys.iter().map(delete).collect()
        })
    }

    /// Gives a batch another expiry.
    pub fn expire(&self, keys: &[StoredKey], expiry: Expiry) -> Result<Vec<bool>, Trouble> {
        self.transact(|_| {
            let expire = |key: &StoredKey| {
                let now = now();
                let Some(head) = self.find(HEAD, &key.key, now, |row| Ok(Head::read(row)?))? else { return Ok(false) };
                let expire_time = expire_time(expiry, now, head.expire_time);
                self.prepare(EXPIRE)?.execute(params![head.rowid, expire_time])?;
                Ok(true)
            };
            keys.iter().map(expire).collect()
        })
    }

    /// Adds to a counter, as `Cache.incr`, which knows only integers; here decimal text counts too,
    /// as on Redis, and stays text.
    pub fn increment(&self, key: &StoredKey, by: i64, expiry: Expiry) -> Result<i64, Trouble> {
        self.transact(|trash| {
            let now = now();
            let found = self.find(ENTRY, &key.key, now, |row| {
                let in_row = row.get_ref(0)? == ValueRef::Null;
                let stored = if in_row { self.stored(row.get(4)?, None, row.get_ref(5)?)? } else { None };
                Ok((row.get::<_, i64>(3)?, stored))
            })?;
            let Some((rowid, stored)) = found else {
                let data = Stored::Integer(by);
                let write = Write { key: key.clone(), data, expiry, condition: Condition::Always, tag: None };
                return self.set_one(&write, None, trash).map(|_| by);
            };
            let text = match &stored {
                Some(Stored::Integer(number)) => Some(number.to_string().into_bytes()),
                Some(Stored::Bytes(_) | Stored::Text(_)) => stored.as_ref().and_then(Stored::as_bytes).map(Vec::from),
                _ => None,
            };
            let number = added(key, text.as_deref(), by).map_err(Trouble::Told)?;
            let value = match stored {
                Some(Stored::Bytes(_)) => Value::Blob(number.to_string().into_bytes()),
                Some(Stored::Text(_)) => Value::Text(number.to_string()),
                _ => Value::Integer(number),
            };
            self.prepare(INCREMENT)?.execute(params![rowid, now, value])?;
            if let Some(note) = self.settings.policy.note() {
                self.prepare(note)?.execute([rowid])?;
            }
            Ok(number)
        })
    }

    /// How many entries are there with a tag.
    pub fn tagged(&self, tag: &Spelling<'_>) -> Result<u64, Trouble> {
        let count: i64 = self.prepare(TAGGED)?.query_row(params![tag, now()], |row| row.get(0))?;
        Ok(count.max(0).unsigned_abs())
    }

    /// `Cache.evict`: deletes a page of the rows with a tag, those after row `after`.
    pub fn evict_page(&self, tag: &Spelling<'_>, after: i64) -> Result<Deleted, Trouble> {
        self.delete_page(OF_TAG, params![tag, after, DELETED])
    }

    /// `Cache.clear`: deletes a page of the rows after row `after`.
    pub fn clear_page(&self, after: i64) -> Result<Deleted, Trouble> {
        self.delete_page(ALL, params![after, DELETED])
    }

    fn delete_page(&self, sql: &str, params: impl Params) -> Result<Deleted, Trouble> {
        let rows = self.transact(|trash| self.evict(sql, params, trash))?;
        let last = rows.last().copied().filter(|_| integer(rows.len()) == DELETED);
        Ok(Deleted { count: rows.len() as u64, last })
    }

    /// A page of keys from the newest row to the oldest: what is added meanwhile is not met, so a
    /// scan ends. An overwritten entry keeps its row, so none is missed.
    pub fn scan(&self, pattern: &Pattern, only: Option<&str>, cursor: &Cursor) -> Result<Page, Trouble> {
        let from = match cursor {
            Cursor::Start => i64::MAX,
            Cursor::At(rowid) => rowid.cast_signed(),
        };
        let mut page = Page::default();
        let (mut looked, mut held) = (0, 0);
        let mut statement = self.prepare(SCAN)?;
        let mut rows = statement.query(params![from, now(), PAGE])?;
        while let Some(row) = rows.next()? {
            let (rowid, key, mode, stored): (i64, _, i64, String) =
                (row.get(0)?, row.get_ref(1)?, row.get(2)?, row.get(3)?);
            let wanted = only.is_none_or(|only| only == kind(mode, &stored));
            if let Some(name) = key::name(key).filter(|name| wanted && pattern.matches(name)) {
                held += name.len();
                page.keys.push(StoredKey::new(name));
            }
            looked += 1;
            if looked == PAGE || held > PAGE_BYTES {
                page.next = rowid.checked_sub(1).map(|next| Cursor::At(next.cast_unsigned()));
                break;
            }
        }
        Ok(page)
    }

    /// How many rows there are, expired ones included.
    pub fn count(&self) -> Result<u64, Trouble> {
        let count: i64 = self.prepare(ROWS)?.query_row([], |row| row.get(0))?;
        Ok(count.max(0).unsigned_abs())
    }

    /// Shows `observer` the rows from the newest to the oldest. Nothing is noted as an access.
    pub fn survey(&self, plan: &Plan, observer: &mut dyn Observer) -> Result<Surveyed, Trouble> {
        let (mut draw, mut passed) = (Draw::new(plan.sample), 0);
        let mut from = i64::MAX;
        loop {
            let (mut looked, mut last) = (0, None);
            let mut statement = self.prepare(SURVEY)?;
            let now = now();
            let mut rows = statement.query(params![from, now, PAGE])?;
            while let Some(row) = rows.next()? {
                (looked, last) = (looked + 1, Some(row.get::<_, i64>(0)?));
                passed += 1;
                let name = key::name(row.get_ref(1)?).filter(|name| draw.takes() && plan.pattern.matches(name));
                if let Some(name) = name {
                    self.observe(row, now, &name, observer)?;
                }
            }
            drop(rows);
            let stopped = observer.turn(draw.met(passed)).is_break();
            let next = last.filter(|_| looked == PAGE).and_then(|rowid| rowid.checked_sub(1));
            match next {
                Some(next) if !stopped => from = next,
                _ => return Ok(Surveyed { stopped, ..Surveyed::default() }),
            }
        }
    }

    fn observe(&self, row: &Row<'_>, now: f64, name: &[u8], observer: &mut dyn Observer) -> Result<(), Trouble> {
        let (mode, stored, size): (i64, String, i64) = (row.get(2)?, row.get(3)?, row.get(5)?);
        let length = size.max(0).unsigned_abs();
        // A row that names a file which is gone is none, as in DiskCache.
        let data = match length <= DATA_MOST && observer.wants_data(name) {
            true => self.stored(mode, bytes(row.get_ref(8)?), row.get_ref(9)?)?,
            false => None,
        };
        // Each policy keeps what it goes by, and no more.
        let (used, count): (Option<f64>, Option<i64>) = (row.get(6)?, row.get(7)?);
        let used = used.filter(|_| self.settings.policy == Policy::LeastRecentlyUsed);
        let count = count.filter(|_| self.settings.policy == Policy::LeastFrequentlyUsed);
        observer.see(&mut Observation {
            key: name,
            kind: Some(kind(mode, &stored)),
            ttl: Some(ttl(row.get_ref(4)?, now)),
            length: Some(length),
            idle_s: used.map(|used| Duration::try_from_secs_f64(now - used).unwrap_or_default().as_secs()),
            frequency: count.map(|count| count.max(0).unsigned_abs()),
            stored: data,
            ..Observation::default()
        });
        Ok(())
    }

    /// The entry of one key, and its row.
    fn entry(&self, key: &[u8]) -> Result<Option<(i64, Entry)>, Trouble> {
        self.find_whole(ENTRY, key, |row, now, file| {
            let Some(stored) = self.stored(row.get(4)?, file, row.get_ref(5)?)? else { return Ok(None) };
            let (ttl, tag) = (ttl(row.get_ref(1)?, now), tag(row.get_ref(2)?));
            Ok(Some((row.get(3)?, Entry { stored, ttl, tag })))
        })
    }

    /// What `read` makes of the live row of `key`, whose first column is its file; `None` from `read`
    /// says that the file is missing. Such a row is a miss, as in DiskCache, unless it was
    /// overwritten between the look at the row and at the file.
    fn find_whole<T>(
        &self,
        sql: &str,
        key: &[u8],
        read: impl Fn(&Row<'_>, f64, Option<&[u8]>) -> Result<Option<T>, Trouble>,
    ) -> Result<Option<T>, Trouble> {
        let mut gone: Option<Vec<u8>> = None;
        for _ in 0..TRIES {
            let (now, mut file) = (now(), None);
            let found = self.find(sql, key, now, |row| {
                file = bytes(row.get_ref(0)?).map(<[u8]>::to_vec);
                read(row, now, file.as_deref())
            })?;
            match found {
                Some(None) if file != gone => gone = file,
                found => return Ok(found.flatten()),
            }
        }
        Ok(None)
    }

    /// The data of a row, as `Disk.fetch` reads it; `None` when its file is missing.
    fn stored(&self, mode: i64, filename: Option<&[u8]>, value: ValueRef<'_>) -> Result<Option<Stored>, Trouble> {
        let file = |name: Option<&[u8]>| match name {
            Some(name) => self.read(name),
            None => Err(failed("a row says that its value is a file, and names none")),
        };
        if bytes(value).is_some_and(|bytes| bytes.len() as u64 > self.limits.stored) {
            return Err(self.too_long());
        }
        Ok(Some(match (mode, value) {
            (RAW, ValueRef::Blob(bytes)) => Stored::Bytes(bytes.to_vec()),
            (RAW, ValueRef::Text(bytes)) => text(bytes.to_vec()),
            (RAW, ValueRef::Integer(number)) => Stored::Integer(number),
            (RAW, ValueRef::Real(number)) => Stored::Float(number),
            // SQLite has no NaN: a `float('nan')` that Python stores becomes `NULL`.
            (RAW, ValueRef::Null) => Stored::Float(f64::NAN),
            (PICKLE, ValueRef::Blob(bytes)) => Stored::Pickle(bytes.to_vec()),
            (PICKLE, ValueRef::Null) => return Ok(file(filename)?.map(Stored::Pickle)),
            (BINARY_FILE, _) => return Ok(file(filename)?.map(Stored::Bytes)),
            (TEXT_FILE, _) => return Ok(file(filename)?.map(text)),
            _ => return Err(failed(format!("a row has mode {mode}, which DiskCache 5.6.3 does not write"))),
        }))
    }

    fn read(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let shown = String::from_utf8_lossy(name);
        match self.files.read(name, self.limits.stored) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Unread::Missing) => Ok(None),
            Err(Unread::TooLong) => Err(self.too_long()),
            Err(Unread::Refused) => {
                Err(failed(format!("the value file `{shown}` is not opened: it is no plain file inside the directory")))
            }
            Err(Unread::Io(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(Error::new(ErrorKind::Denied, format!("the value file `{shown}`: {error}")).into())
            }
            Err(Unread::Io(error)) => Err(failed(format!("the value file `{shown}`: {error}"))),
        }
    }

    fn too_long(&self) -> Trouble {
        Error::new(ErrorKind::Limit, format!("a stored value is {}", self.limits.exceeded("stored"))).into()
    }

    /// Writes bytes to a file where the settings say that they are large.
    fn file(&self, data: &Stored) -> Result<Option<String>, Error> {
        let bytes = match (data.as_bytes(), data) {
            (Some(bytes), _) => bytes,
            (None, Stored::Members(members)) => {
                return Err(Error::new(ErrorKind::Unfit, format!("DiskCache has no {}", members.kind())));
            }
            (None, _) => return Ok(None),
        };
        // What SQLite would not hand back under the limit is kept out of it.
        if (bytes.len() as u64) < self.settings.min_file_size.min(self.limits.stored.max(1)) {
            return Ok(None);
        }
        let failed = |error| Error::new(ErrorKind::Failed, format!("a file for the value: {error}"));
        self.files.write(bytes).map(Some).map_err(failed)
    }

    /// One write, as `Cache.set` and `Cache.add` do it. An expired row of the same spelling is
    /// overwritten, not inserted beside.
    fn set_one(&self, write: &Write, file: Option<&str>, trash: &mut Trash) -> Result<bool, Trouble> {
        let now = now();
        let live = self.find(HEAD, &write.key.key, now, |row| Ok(Head::read(row)?))?;
        match (write.condition, &live) {
            (Condition::IfAbsent, Some(_)) | (Condition::IfPresent, None) => {
                trash.extend(file.map(|name| name.as_bytes().to_vec()));
                return Ok(false);
            }
            _ => {}
        }
        let key = Spelling::of_new(&write.key.key);
        let old = match live {
            Some(head) => Some(head),
            None => self.prepare(REST)?.query_row(params![key, key.raw()], Head::read).optional()?,
        };
        let expire_time = expire_time(write.expiry, now, old.as_ref().and_then(|head| head.expire_time));
        let tag = write.tag.as_ref().map(|tag| Value::Text(tag.clone()));
        let tag = tag.or_else(|| old.as_ref().map(|head| head.tag.clone()));
        let (mode, value) = columns(&write.data, file.is_some());
        let size = if file.is_some() { integer(write.data.as_bytes().map_or(0, <[u8]>::len)) } else { 0 };
        let rowid = if let Some(Head { rowid, filename, .. }) = old {
            let row = params![rowid, now, expire_time, tag, size, mode, file, value];
            self.prepare(UPDATE)?.execute(row)?;
            trash.extend(filename);
            rowid
        } else if self.settings.json_disk && write.key.key.first() != Some(&ZLIB) {
            let message = "it is a DiskCache JSONDisk, whose keys are zlib-compressed JSON: one that is not would \
                 break it for Python";
            return Err(Error::new(ErrorKind::Unfit, message).into());
        } else {
            let row = params![key, key.raw(), now, expire_time, tag, size, mode, file, value];
            self.prepare(INSERT)?.insert(row)?
        };
        self.cull(rowid, now, trash)?;
        Ok(true)
    }

    /// `Cache._cull`: a few expired rows go, and a few more by the policy while the cache is full. That
    /// `written` is one of these is an error, and nothing goes: DiskCache would say that it is stored.
    fn cull(&self, written: i64, now: f64, trash: &mut Trash) -> Result<(), Trouble> {
        let mut most = self.settings.cull_limit;
        if most == 0 {
            return Ok(());
        }
        most = most.saturating_sub(integer(self.evict(EXPIRED, params![now, most], trash)?.len()));
        let Some(evict) = self.settings.policy.evict().filter(|_| most != 0) else { return Ok(()) };
        let most_bytes = self.settings.size_limit;
        if self.volume()? < most_bytes {
            return Ok(());
        }
        let evicted = self.evict(evict, params![most], trash)?;
        if !evicted.contains(&written) {
            return Ok(());
        }
        let left: i64 = self.prepare("SELECT count(*) FROM Cache")?.query_row([], |row| row.get(0))?;
        let which = match left {
            0 => "every entry, the new one too".to_owned(),
            _ => format!("{} entries, the new one among them", evicted.len()),
        };
        Err(failed(format!(
            "its size_limit of {most_bytes} bytes leaves no room: DiskCache would now remove {which}, so nothing was \
             done; delete some, or raise size_limit"
        )))
    }

    /// What the settings and the tables say. Entries that have expired count until they are removed, as
    /// in DiskCache.
    pub fn server(&self) -> Result<Server, Trouble> {
        let count = |name: &str| -> rusqlite::Result<Option<u64>> {
            let number =
                self.prepare(COUNTER)?.query_row([name], |row| Ok(row.get_ref(0)?.as_i64().ok())).optional()?;
            Ok(number.flatten().and_then(|number| u64::try_from(number).ok()))
        };
        let mut server = Server {
            product: Some(PRODUCT.to_owned()),
            memory_used: u64::try_from(self.volume()?).ok(),
            memory_max: u64::try_from(self.settings.size_limit).ok(),
            policy: Some(self.settings.policy.name().to_owned()),
            entries: count("count")?,
            entries_expiring: u64::try_from(self.prepare(EXPIRING)?.query_row([], |row| row.get::<_, i64>(0))?).ok(),
            ..Server::default()
        };
        if self.settings.statistics {
            (server.hits, server.misses) = (count("hits")?, count("misses")?);
        } else {
            server.withheld.push("hits and misses: the cache does not count them (statistics=1 does)".to_owned());
        }
        Ok(server)
    }

    /// `Cache.volume`: the bytes of the database and of the files.
    fn volume(&self) -> Result<i64, Trouble> {
        let ask = |sql: &str| self.prepare(sql)?.query_row([], |row| row.get::<_, i64>(0));
        let database = ask("PRAGMA page_count")?.saturating_mul(ask("PRAGMA page_size")?);
        Ok(database.saturating_add(ask(SIZE)?))
    }

    /// Deletes the rows that a statement selects; which. Looking first and deleting by row costs a
    /// tenth of one statement that does both, where there is nothing to delete.
    fn evict(&self, sql: &str, params: impl Params, trash: &mut Trash) -> Result<Vec<i64>, Trouble> {
        let mut selected: Vec<i64> = Vec::new();
        let mut statement = self.prepare(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            selected.push(row.get(0)?);
            trash.extend(bytes(row.get_ref(1)?).map(<[u8]>::to_vec));
        }
        for rowid in &selected {
            self.prepare(DELETE)?.execute([rowid])?;
        }
        Ok(selected)
    }

    /// Notes what was read, where the settings ask for it. A cache that this user may only read is
    /// read without.
    fn note(&self, read: &[i64], missed: usize) -> Result<(), Trouble> {
        let note = self.settings.policy.note().filter(|_| !read.is_empty());
        if note.is_none() && !self.settings.statistics {
            return Ok(());
        }
        let noted = self.transact(|_| {
            for (name, count) in [("hits", integer(read.len())), ("misses", integer(missed))] {
                if self.settings.statistics && count > 0 {
                    self.prepare(COUNT)?.execute(params![name, count])?;
                }
            }
            if let Some(note) = note {
                for rowid in read {
                    self.prepare(note)?.execute([rowid])?;
                }
            }
            Ok(())
        });
        match noted {
            Err(Trouble::Sql(error)) if is_read_only(&error) => Ok(()),
            other => other,
        }
    }

    /// What `read` makes of the live row of `key`, under the first spelling that has one.
    fn find<T>(
        &self,
        sql: &str,
        key: &[u8],
        now: f64,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Trouble>,
    ) -> Result<Option<T>, Trouble> {
        let mut statement = self.prepare(sql)?;
        for spelling in Spelling::all(key) {
            let mut rows = statement.query(params![spelling, spelling.raw(), now])?;
            if let Some(row) = rows.next()? {
                return read(row).map(Some);
            }
        }
        Ok(None)
    }

    /// All of `work` or none of it; then the files that it let go of are removed.
    fn transact<T>(&self, work: impl FnOnce(&mut Trash) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let transaction = Transaction::new_unchecked(&self.connection, rusqlite::TransactionBehavior::Immediate)?;
        let mut trash = Trash::new();
        let done = work(&mut trash)?;
        transaction.commit()?;
        trash.iter().for_each(|name| self.files.remove(name));
        Ok(done)
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.connection.prepare_cached(sql)
    }
}

/// What a write has to know of the row that is there.
struct Head {
    rowid: i64,
    filename: Option<Vec<u8>>,
    expire_time: Option<f64>,
    tag: Value,
}

impl Head {
    fn read(row: &Row<'_>) -> rusqlite::Result<Head> {
        let filename = bytes(row.get_ref(1)?).map(<[u8]>::to_vec);
        Ok(Head { rowid: row.get(0)?, filename, expire_time: seconds(row.get_ref(2)?), tag: row.get(3)? })
    }
}

/// Whether SQLite may only read there.
pub fn is_read_only(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

fn failed(message: impl Into<String>) -> Trouble {
    Error::new(ErrorKind::Failed, message).into()
}

/// A length as SQLite has it.
fn integer(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

/// The columns `mode` and `value` of a row, as `Disk.store` has them: a file leaves `value` empty.
fn columns(data: &Stored, file: bool) -> (i64, Value) {
    let (mode, in_file, value) = match data {
        Stored::Bytes(bytes) | Stored::Flagged(_, bytes) => (RAW, BINARY_FILE, Value::Blob(bytes.clone())),
        Stored::Text(text) => (RAW, TEXT_FILE, Value::Text(text.clone())),
        Stored::Pickle(bytes) => (PICKLE, PICKLE, Value::Blob(bytes.clone())),
        Stored::Integer(number) => (RAW, RAW, Value::Integer(*number)),
        Stored::Float(number) => (RAW, RAW, Value::Real(*number)),
        Stored::Members(_) => unreachable!("`file` has refused it"),
    };
    if file { (in_file, Value::Null) } else { (mode, value) }
}

/// Text, or bytes where what calls itself text is not UTF-8.
fn text(bytes: Vec<u8>) -> Stored {
    String::from_utf8(bytes).map_or_else(|error| Stored::Bytes(error.into_bytes()), Stored::Text)
}

fn bytes(column: ValueRef<'_>) -> Option<&[u8]> {
    match column {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

/// A tag as text. DiskCache takes whatever SQLite takes.
fn tag(column: ValueRef<'_>) -> Option<String> {
    key::name(column).map(|name| String::from_utf8_lossy(&name).into_owned())
}

/// The kind of [`Facts`] for a mode and the type that SQLite has the value in.
fn kind(mode: i64, stored: &str) -> &'static str {
    match (mode, stored) {
        (PICKLE, _) => "pickle",
        (TEXT_FILE, _) | (RAW, "text") => "text",
        (RAW, "integer") => "int",
        (RAW, "real" | "null") => "float",
        _ => "bytes",
    }
}

/// Seconds after the Unix epoch, as Python's `time.time()`.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).as_ref().map_or(0.0, Duration::as_secs_f64)
}

/// `expire_time`, where it is one: `expire=float('inf')` is none.
#[expect(clippy::cast_precision_loss, reason = "the column is REAL")]
fn seconds(column: ValueRef<'_>) -> Option<f64> {
    match column {
        ValueRef::Real(seconds) if seconds.is_finite() => Some(seconds),
        ValueRef::Integer(seconds) => Some(seconds as f64),
        _ => None,
    }
}

/// What is left, rounded up: an entry that is there has at least a millisecond.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn ttl(expire_time: ValueRef<'_>, now: f64) -> Ttl {
    seconds(expire_time).map_or(Ttl::Never, |seconds| Ttl::Left(((seconds - now) * 1000.0).ceil() as u64))
}

/// The `expire_time` that an expiry gives to an entry that has `kept`.
#[expect(clippy::cast_precision_loss, reason = "the column is REAL")]
fn expire_time(expiry: Expiry, now: f64, kept: Option<f64>) -> Option<f64> {
    match expiry {
        Expiry::Never => None,
        Expiry::In(ms) => Some(now + ms as f64 / 1000.0),
        Expiry::At(ms) => Some(ms as f64 / 1000.0),
        Expiry::Keep => kept,
    }
}
