//! The tables of DiskCache 5.6.3, as `Cache.__init__` in its `core.py` makes them, and its settings.
//!
//! The statements are DiskCache's own, word for word: a cache made here and one made by Python are
//! the same. Nothing here opens files or keeps connections.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ErrorCode};

/// What `Cache()` makes with default settings, and finds made where another was first.
pub const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS Settings ( key TEXT NOT NULL UNIQUE, value);
INSERT OR IGNORE INTO Settings VALUES
 ('statistics', 0), ('tag_index', 0), ('eviction_policy', 'least-recently-stored'), ('size_limit', 1073741824),
 ('cull_limit', 10), ('sqlite_auto_vacuum', 1), ('sqlite_cache_size', 8192), ('sqlite_journal_mode', 'wal'),
 ('sqlite_mmap_size', 67108864), ('sqlite_synchronous', 1), ('disk_min_file_size', 32768),
 ('disk_pickle_protocol', 5), ('count', 0), ('size', 0), ('hits', 0), ('misses', 0);
CREATE TABLE IF NOT EXISTS Cache ( \
    rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL, expire_time REAL, access_time REAL, \
    access_count INTEGER DEFAULT 0, tag BLOB, size INTEGER DEFAULT 0, mode INTEGER DEFAULT 0, \
    filename TEXT, value BLOB);
CREATE UNIQUE INDEX IF NOT EXISTS Cache_key_raw ON Cache(key, raw);
CREATE INDEX IF NOT EXISTS Cache_expire_time ON Cache (expire_time);
CREATE INDEX IF NOT EXISTS Cache_store_time ON Cache (store_time);
CREATE TRIGGER IF NOT EXISTS Settings_count_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN \
    UPDATE Settings SET value = value + 1 WHERE key = \"count\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_count_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN \
    UPDATE Settings SET value = value - 1 WHERE key = \"count\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_size_insert AFTER INSERT ON Cache FOR EACH ROW BEGIN \
    UPDATE Settings SET value = value + NEW.size WHERE key = \"size\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_size_update AFTER UPDATE ON Cache FOR EACH ROW BEGIN \
    UPDATE Settings SET value = value + NEW.size - OLD.size WHERE key = \"size\"; END;
CREATE TRIGGER IF NOT EXISTS Settings_size_delete AFTER DELETE ON Cache FOR EACH ROW BEGIN \
    UPDATE Settings SET value = value - OLD.size WHERE key = \"size\"; END;";

/// What a database is to us.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A cache.
    Cache,
    /// Nothing yet.
    Unmade,
    /// Settings without entries: DiskCache makes the two tables one after the other, so another process
    /// may just be making it; or else the entries were dropped.
    Begun,
    /// Entries without settings, which nobody makes first.
    Damaged,
    /// Somebody's, but no cache.
    Foreign,
}

/// Looks at the tables there are.
///
/// # Errors
/// SQLite's.
pub fn find(connection: &Connection) -> Result<Found, Error> {
    // SQLite's own tables (`sqlite_stat1`) are nobody's.
    const TABLES: &str = "SELECT total(name = 'Cache'), total(name = 'Settings'), count(*) FROM sqlite_schema \
         WHERE type = 'table' AND name NOT GLOB 'sqlite_*'";
    let count = |row: &rusqlite::Row<'_>| Ok((row.get::<_, f64>(0)? > 0.0, row.get::<_, f64>(1)? > 0.0, row.get(2)?));
    Ok(match connection.query_row(TABLES, [], count)? {
        (true, true, _) => Found::Cache,
        (false, false, 0) => Found::Unmade,
        (false, true, 1) => Found::Begun,
        (true, false, 1) => Found::Damaged,
        _ => Found::Foreign,
    })
}

/// Makes the tables, all or none.
///
/// # Errors
/// SQLite's.
pub fn create(connection: &Connection) -> Result<(), Error> {
    // Only before there are tables can a database be told to give back space.
    connection.execute_batch("PRAGMA auto_vacuum = 1")?;
    // Changing the journal takes a lock that the busy timeout does not wait for. Whoever holds it
    // is making the same cache, so the mode is set by then, or will be by its next opening.
    match connection.execute_batch("PRAGMA journal_mode = wal") {
        Err(Error::SqliteFailure(error, _)) if error.code == ErrorCode::DatabaseBusy => {}
        other => other?,
    }
    let transaction = rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(CREATE)?;
    transaction.commit()
}

/// The settings that reading and writing obey.
pub struct Settings {
    /// Whether hits and misses are counted.
    pub statistics: bool,
    /// What goes first when the cache is full.
    pub policy: Policy,
    /// Bytes from which on the cache is full.
    pub size_limit: i64,
    /// How many rows one write removes at most.
    pub cull_limit: i64,
    /// Bytes from which on a value is a file.
    pub min_file_size: u64,
    /// SQLite's `synchronous`, which each connection sets for itself.
    pub synchronous: i64,
    /// Whether it is known to be a `JSONDisk`'s: its keys and values are zlib-compressed JSON. Only a
    /// chosen compression level tells; one made with the default level looks like any other cache.
    pub json_disk: bool,
}

/// What goes first when the cache is full, and what keeps an entry from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Nothing goes.
    None,
    /// The oldest write.
    LeastRecentlyStored,
    /// The oldest read or write.
    LeastRecentlyUsed,
    /// The one with the fewest reads.
    LeastFrequentlyUsed,
}

impl Settings {
    /// Reads the table `Settings`. `Err` inside names a setting that DiskCache would not take either.
    ///
    /// # Errors
    /// SQLite's.
    pub fn read(connection: &Connection) -> Result<Result<Settings, String>, Error> {
        let mut settings = Settings {
            statistics: false,
            policy: Policy::LeastRecentlyStored,
            size_limit: 1 << 30,
            cull_limit: 10,
            min_file_size: 1 << 15,
            synchronous: 1,
            json_disk: false,
        };
        let mut statement = connection.prepare("SELECT key, value FROM Settings")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (ValueRef::Text(name), value) = (row.get_ref(0)?, row.get_ref(1)?) else { continue };
            match name {
                b"disk_compress_level" => settings.json_disk = true,
                b"eviction_policy" => match Policy::named(value) {
                    Some(policy) => settings.policy = policy,
                    None => {
                        return Ok(Err("its setting eviction_policy is none that DiskCache 5.6.3 knows".to_owned()));
                    }
                },
                _ => {
                    let Some((name, take)) = NUMBERS.iter().find(|(known, _)| known.as_bytes() == name) else {
                        continue;
                    };
                    let Some(number) = number(value) else {
                        return Ok(Err(format!("its setting {name} is no number, which DiskCache 5.6.3 wants")));
                    };
                    take(&mut settings, number);
                }
            }
        }
        Ok(Ok(settings))
    }
}

type Take = fn(&mut Settings, i64);

/// The settings that are numbers, and what each sets.
const NUMBERS: &[(&str, Take)] = &[
    ("statistics", |settings, number| settings.statistics = number != 0),
    ("size_limit", |settings, number| settings.size_limit = number),
    ("cull_limit", |settings, number| settings.cull_limit = number),
    ("disk_min_file_size", |settings, number| settings.min_file_size = u64::try_from(number).unwrap_or(0)),
    ("sqlite_synchronous", |settings, number| {
        if (0..=3).contains(&number) {
            settings.synchronous = number;
        }
    }),
];

#[expect(clippy::cast_possible_truncation, reason = "Python's `2e9`; it saturates")]
fn number(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Integer(number) => Some(number),
        ValueRef::Real(number) => Some(number as i64),
        _ => None,
    }
}

impl Policy {
    fn named(value: ValueRef<'_>) -> Option<Policy> {
        let ValueRef::Text(name) = value else { return None };
        let all = [Policy::None, Policy::LeastRecentlyStored, Policy::LeastRecentlyUsed, Policy::LeastFrequentlyUsed];
        all.into_iter().find(|policy| policy.name().as_bytes() == name)
    }

    /// Its name in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::LeastRecentlyStored => "least-recently-stored",
            Policy::LeastRecentlyUsed => "least-recently-used",
            Policy::LeastFrequentlyUsed => "least-frequently-used",
        }
    }

    /// The statement that notes a read of row `?1`.
    #[must_use]
    pub fn note(self) -> Option<&'static str> {
        match self {
            Policy::None | Policy::LeastRecentlyStored => None,
            Policy::LeastRecentlyUsed => Some("UPDATE Cache SET access_time = unixepoch('subsec') WHERE rowid = ?1"),
            Policy::LeastFrequentlyUsed => Some("UPDATE Cache SET access_count = access_count + 1 WHERE rowid = ?1"),
        }
    }

    /// The statement that selects the first `?1` rows to go, and their files.
    #[must_use]
    pub fn evict(self) -> Option<&'static str> {
        match self {
            Policy::None => None,
            Policy::LeastRecentlyStored => Some("SELECT rowid, filename FROM Cache ORDER BY store_time LIMIT ?1"),
            Policy::LeastRecentlyUsed => Some("SELECT rowid, filename FROM Cache ORDER BY access_time LIMIT ?1"),
            Policy::LeastFrequentlyUsed => Some("SELECT rowid, filename FROM Cache ORDER BY access_count LIMIT ?1"),
        }
    }
}
