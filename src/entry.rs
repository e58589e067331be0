//! What a backend holds: stored keys, entries, expiry. Bytes only; no codec, no layout.

use std::fmt;

/// What kind a backend is: libraries name keys differently on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Redis or Valkey.
    Redis,
    /// memcached.
    Memcached,
    /// A DiskCache directory.
    Disk,
    /// In this process.
    Memory,
    /// Stores nothing.
    Dummy,
}

/// The name a backend knows an entry by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoredKey {
    /// The bytes of the key.
    pub key: Vec<u8>,
    /// The field, where an entry lives inside a Redis hash.
    pub field: Option<Vec<u8>>,
}

impl StoredKey {
    /// A key without a field.
    #[must_use]
    pub fn new(key: impl Into<Vec<u8>>) -> StoredKey {
        StoredKey { key: key.into(), field: None }
    }
}

impl fmt::Display for StoredKey {
    /// For messages: not escaped, and what is not UTF-8 replaced.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = String::from_utf8_lossy(&self.key);
        match &self.field {
            None => write!(f, "{key}"),
            Some(field) => write!(f, "{key}, field {}", String::from_utf8_lossy(field)),
        }
    }
}

/// An entry as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The data.
    pub stored: Stored,
    /// How long it will stay.
    pub ttl: Ttl,
    /// The tag, on a store whose entries carry one (DiskCache).
    pub tag: Option<String>,
}

/// The data of an entry, in the types that backends have.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// Bytes that a codec has to make sense of.
    Bytes(Vec<u8>),
    /// Bytes, and what the client that wrote them says of their form: memcached's flags, not 0.
    Flagged(u32, Vec<u8>),
    /// Bytes that the store itself says are a pickle (DiskCache mode 4).
    Pickle(Vec<u8>),
    /// Text that the store itself holds as text (DiskCache, SQLite `TEXT` or a text file).
    Text(String),
    /// A number that the store itself holds as one (SQLite `INTEGER`).
    Integer(i64),
    /// A number that the store itself holds as one (SQLite `REAL`).
    Float(f64),
    /// A Redis hash, list, set, sorted set or stream.
    Members(Members),
}

impl Stored {
    /// What kind of data it is, as [`Facts::kind`] has it on disk; `bytes` on every other backend too.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Stored::Bytes(_) | Stored::Flagged(..) => "bytes",
            Stored::Pickle(_) => "pickle",
            Stored::Text(_) => "text",
            Stored::Integer(_) => "int",
            Stored::Float(_) => "float",
            Stored::Members(members) => members.kind(),
        }
    }

    /// Bytes that it takes, roughly: of members their own, and a word for each.
    #[must_use]
    pub fn size(&self) -> usize {
        const WORD: usize = size_of::<Vec<u8>>();
        let pair = |(one, other): &(Vec<u8>, Vec<u8>)| one.len() + other.len() + 2 * WORD;
        let item = |item: &Vec<u8>| item.len() + WORD;
        match self {
            Stored::Members(Members::Hash(pairs)) => pairs.iter().map(pair).sum(),
            Stored::Members(Members::List(items) | Members::Set(items)) => items.iter().map(item).sum(),
            Stored::Members(Members::SortedSet(pairs)) => pairs.iter().map(|(member, _)| item(member) + WORD).sum(),
            Stored::Members(Members::Stream(items)) => {
                items.iter().map(|item| WORD + item.fields.iter().map(pair).sum::<usize>()).sum()
            }
            other => other.as_bytes().map_or(WORD, <[u8]>::len),
        }
    }

    /// Whether both are the same data. NaN is the same as itself here, and -0.0 is not 0.0.
    #[must_use]
    pub fn same(&self, other: &Stored) -> bool {
        match (self, other) {
            (Stored::Float(one), Stored::Float(other)) => {
                one.to_bits() == other.to_bits() || (one.is_nan() && other.is_nan())
            }
            _ => self == other,
        }
    }

    /// The bytes of what is bytes or text; `None` for a number and for members.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Stored::Bytes(bytes) | Stored::Flagged(_, bytes) | Stored::Pickle(bytes) => Some(bytes),
            Stored::Text(text) => Some(text.as_bytes()),
            Stored::Integer(_) | Stored::Float(_) | Stored::Members(_) => None,
        }
    }
}

/// The members of a Redis value that is not a string, each of them bytes for a codec.
#[derive(Clone, Debug, PartialEq)]
pub enum Members {
    /// Field and value, in the server's order.
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    /// In order.
    List(Vec<Vec<u8>>),
    /// In the server's order.
    Set(Vec<Vec<u8>>),
    /// Member and score, lowest score first.
    SortedSet(Vec<(Vec<u8>, f64)>),
    /// Id, then fields and values.
    Stream(Vec<StreamItem>),
}

impl Members {
    /// As [`Facts::kind`] has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Members::Hash(_) => "hash",
            Members::List(_) => "list",
            Members::Set(_) => "set",
            Members::SortedSet(_) => "zset",
            Members::Stream(_) => "stream",
        }
    }

    /// Whether there are none, which makes it no entry: of these types only a stream is there without any.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        match self {
            Members::Hash(pairs) => pairs.is_empty(),
            Members::List(items) | Members::Set(items) => items.is_empty(),
            Members::SortedSet(pairs) => pairs.is_empty(),
            Members::Stream(_) => false,
        }
    }
}

/// One item of a Redis stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamItem {
    /// Such as `1526919030474-0`.
    pub id: String,
    /// Fields and values in order.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// How long an entry will stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// It has no expiry.
    Never,
    /// Milliseconds left.
    Left(u64),
    /// The store did not say.
    Unknown,
}

/// The expiry that a write gives an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// None.
    Never,
    /// In so many milliseconds; 0 expires it at once.
    In(u64),
    /// At so many milliseconds after the Unix epoch.
    At(i64),
    /// The one that the entry has; none where there is no entry.
    Keep,
}

/// When a write may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    Always,
    /// When there is no entry (Redis `NX`).
    IfAbsent,
    /// When there is one (Redis `XX`).
    IfPresent,
}

/// One entry to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Where to.
    pub key: StoredKey,
    /// What. Every backend takes bytes; a store with types of its own (disk) takes those too.
    pub data: Stored,
    /// For how long.
    pub expiry: Expiry,
    /// On which condition.
    pub condition: Condition,
    /// With which tag; `None` leaves the tag that the entry has.
    pub tag: Option<String>,
}

/// What a backend tells of an entry without handing over its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `string`, `hash`, `list`, `set`, `zset`, `stream` on Redis; `bytes`, `pickle`, `text`,
    /// `int`, `float` on disk; `bytes` on memcached.
    pub kind: String,
    /// Bytes of the data where `kind` is one value, else the number of members.
    pub size: u64,
    /// How long it will stay.
    pub ttl: Ttl,
    /// The tag, on a store whose entries carry one.
    pub tag: Option<String>,
    /// What only memcached tells.
    pub item: Option<Item>,
}

/// What memcached holds beside the bytes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What the client that wrote it says of its form.
    pub flags: u32,
    /// The number of its last write.
    pub cas: u64,
    /// Seconds since it was last used; the server looks at its clock once a minute.
    pub idle_s: u64,
    /// Whether it was read since it was written.
    pub read: bool,
}

impl Facts {
    /// What `size` counts: members for Redis's containers, bytes for all else.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        unit(&self.kind)
    }
}

/// What the size of an entry of a kind counts.
#[must_use]
pub fn unit(kind: &str) -> &'static str {
    match kind {
        "hash" | "list" | "set" | "zset" | "stream" => "members",
        _ => "bytes",
    }
}
