//! A cache: backend, layout and codec joined. The only room that knows what a read and a write are.
//!
//! A read is: stored key from the layout, entry from the backend, value through the codec that was
//! asked for, or else through the one that the bytes show. A write is the way back, and is only
//! done when what it would store reads back as the same value.

use std::fmt;

use crate::backend::{self, Backend, Cursor, ErrorKind};
use crate::codec::detect::{self, Certainty, Detection};
use crate::codec::{self, Codec, Decoded, Stage};
use crate::entry::{Condition, Entry, Expiry, Facts, Members, Stored, StoredKey, StreamItem, Ttl, Write};
use crate::layout::Layout;
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::value::{Node, Value};

/// What is written when neither a URL, nor the entry, nor the layout says otherwise.
pub const DEFAULT_SERIALIZER: &str = "json://";

/// Three URLs, opened.
pub struct Cache {
    backend: Box<dyn Backend>,
    layout: Layout,
    reader: Reader,
}

/// Bytes to values: a codec that was asked for, or detection. Needs no backend.
pub struct Reader {
    codec: Option<Codec>,
    limits: Limits,
}

/// A value, and how the stored data came to be it.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The value.
    pub value: Value,
    /// By which chain.
    pub chain: Chain,
}

/// The chain that read a value.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Its URL. Where the store holds the value in a type of its own, that type.
    pub url: String,
    /// How sure that is, where nobody said which it is.
    pub certainty: Option<Certainty>,
    /// By what it was told.
    pub why: String,
    /// Other chains that read all of the bytes too.
    pub rivals: Vec<String>,
    /// What each layer did, in the order of reading.
    pub stages: Vec<Stage>,
}

/// One value to write.
#[derive(Clone, Debug)]
pub struct Put {
    /// The key.
    pub key: Vec<u8>,
    /// The value.
    pub value: Value,
    /// For how long.
    pub expiry: Expiry,
    /// On which condition.
    pub condition: Condition,
    /// With which tag.
    pub tag: Option<String>,
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The stored key.
    pub stored_key: StoredKey,
    /// Whether its condition held, so that it was written.
    pub written: bool,
    /// The chain that it was written with.
    pub url: String,
    /// Bytes.
    pub size: usize,
    /// The ttl that an entry had before; `None` where there was no entry, or it is not known.
    pub ttl_before: Option<Ttl>,
    /// What the user should know, in words.
    pub notes: Vec<String>,
}

/// Bytes that did not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Why.
    pub error: codec::Error,
    /// What the bytes look like instead, in words.
    pub instead: Option<String>,
}

/// Bytes up to which a failure is worth a second look at what they are.
const HINT_MAX: usize = 1 << 20;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instead {
            Some(instead) => write!(f, "{}; {instead}", self.error),
            None => write!(f, "{}", self.error),
        }
    }
}

impl std::error::Error for Unread {}

/// A page of keys.
pub struct Page {
    /// Key and stored key.
    pub keys: Vec<(Vec<u8>, StoredKey)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Reader {
    /// A reader by `codec`, or by detection.
    #[must_use]
    pub fn new(codec: Option<Codec>, limits: Limits) -> Reader {
        Reader { codec, limits }
    }

    /// The value of what a backend stored.
    ///
    /// # Errors
    /// The codec's, and what the bytes look like instead.
    pub fn read(&self, stored: Stored) -> Result<Reading, Unread> {
        let kept = match &stored {
            Stored::Bytes(bytes) if self.codec.is_some() && bytes.len() <= HINT_MAX => Some(bytes.clone()),
            _ => None,
        };
        self.read_stored(stored).map_err(|error| {
            let detected = kept.and_then(|bytes| detect::detect(&bytes, &self.limits).ok());
            let other =
                detected.filter(|detection| self.codec.as_ref().is_some_and(|asked| asked.url() != detection.url));
            let instead = other.map(|Detection { url, why, .. }| match url.as_str() {
                detect::NOOP => format!("what is stored is of no known format: {why}"),
                _ => format!("what is stored looks like {url}"),
            });
            Unread { error, instead }
        })
    }

    fn read_stored(&self, stored: Stored) -> Result<Reading, codec::Error> {
        match stored {
            Stored::Bytes(bytes) => self.read_bytes(bytes),
            Stored::Pickle(bytes) => {
                let codec = Codec::parse("pickle://").expect("the layer is in the table");
                Ok(read_by(codec.url(), codec.decode(bytes, &self.limits)?))
            }
            Stored::Text(text) => Ok(native(Value::of_str(text), "text")),
            Stored::Integer(number) => Ok(native(of_node(Node::Int(number)), "integer")),
            Stored::Float(number) => Ok(native(of_node(Node::Float(number)), "float")),
            Stored::Members(members) => self.read_members(members),
        }
    }

    fn read_bytes(&self, bytes: Vec<u8>) -> Result<Reading, codec::Error> {
        let Some(codec) = &self.codec else {
            let Detection { url, certainty, rivals, why, decoded } = detect::detect(&bytes, &self.limits)?;
            let chain = Chain { url, certainty: Some(certainty), why, rivals, stages: decoded.stages };
            return Ok(Reading { value: decoded.value, chain });
        };
        Ok(read_by(codec.url(), codec.decode(bytes, &self.limits)?))
    }

    /// A hash becomes a dict, a list a list, a set a set, a sorted set a list of pairs, a stream a
    /// list of ids and dicts. Names are text where they are UTF-8; what a codec wrote is decoded.
    fn read_members(&self, members: Members) -> Result<Reading, codec::Error> {
        let mut all = Gathered { value: Value::over(Vec::new()), reader: self, chain: Chain::default() };
        let root = match members {
            Members::Hash(pairs) => {
                let nodes = all.pairs(pairs)?;
                Node::Dict(all.value.container(&nodes))
            }
            Members::List(items) => {
                let nodes = all.items(items)?;
                Node::List(all.value.container(&nodes))
            }
            Members::Set(items) => {
                let nodes = all.items(items)?;
                Node::Set(all.value.container(&nodes))
            }
            Members::SortedSet(pairs) => {
                let mut nodes = Vec::new();
                for (member, score) in pairs {
                    let pair = [all.item(member)?, Node::Float(score)];
                    nodes.push(Node::Tuple(all.value.container(&pair)));
                }
                Node::List(all.value.container(&nodes))
            }
            Members::Stream(items) => {
                let mut nodes = Vec::new();
                for StreamItem { id, fields } in items {
                    let id = Node::Str(all.value.push_text(id.as_bytes()));
                    let fields = all.pairs(fields)?;
                    let pair = [id, Node::Dict(all.value.container(&fields))];
                    nodes.push(Node::Tuple(all.value.container(&pair)));
                }
                Node::List(all.value.container(&nodes))
            }
        };
        all.value.set_root(root);
        Ok(Reading { value: all.value, chain: all.chain })
    }
}

/// The members of one Redis value while they are decoded, one after the other, into one value.
struct Gathered<'a> {
    value: Value,
    reader: &'a Reader,
    chain: Chain,
}

impl Gathered<'_> {
    fn item(&mut self, bytes: Vec<u8>) -> Result<Node, codec::Error> {
        let Reading { value, chain } = self.reader.read_bytes(bytes)?;
        if self.chain.url.is_empty() {
            self.chain.url.clone_from(&chain.url);
        } else if !self.chain.url.split(", ").any(|url| url == chain.url) {
            self.chain.url = format!("{}, {}", self.chain.url, chain.url);
        }
        let limits = &self.reader.limits;
        let bytes = u64::from(self.value.whole().len) + u64::from(value.whole().len);
        let nodes = (self.value.size() + value.size()) as u64;
        let within = limits.check("decoded", bytes).and_then(|()| limits.check("nodes", nodes));
        within.map_err(|exceeded| codec::Error::limit("members", None, exceeded))?;
        Ok(self.value.graft(value))
    }

    fn items(&mut self, items: Vec<Vec<u8>>) -> Result<Vec<Node>, codec::Error> {
        items.into_iter().map(|item| self.item(item)).collect()
    }

    fn pairs(&mut self, pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Vec<Node>, codec::Error> {
        let mut nodes = Vec::new();
        for (name, item) in pairs {
            let text = std::str::from_utf8(&name).is_ok();
            let span = self.value.push_text(&name);
            nodes.push(if text { Node::Str(span) } else { Node::Bytes(span) });
            let item = self.item(item).map_err(|error| in_field(&name, error))?;
            nodes.push(item);
        }
        Ok(nodes)
    }
}

fn in_field(name: &[u8], mut error: codec::Error) -> codec::Error {
    if let codec::Fault::Malformed(message) = &mut error.fault {
        *message = format!("field `{}`: {message}", String::from_utf8_lossy(name));
    }
    error
}

fn read_by(url: &str, decoded: Decoded) -> Reading {
    let chain = Chain { url: url.to_owned(), stages: decoded.stages, ..Chain::default() };
    Reading { value: decoded.value, chain }
}

fn native(value: Value, kind: &str) -> Reading {
    Reading { value, chain: Chain { url: format!("{kind}, as the store has it"), ..Chain::default() } }
}

fn of_node(node: Node) -> Value {
    let mut value = Value::over(Vec::new());
    value.set_root(node);
    value
}

impl Cache {
    /// Joins the three.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>, layout: Layout, reader: Reader) -> Cache {
        Cache { backend, layout, reader }
    }

    /// Where the backend is, without secrets.
    #[must_use]
    pub fn label(&self) -> &str {
        self.backend.label()
    }

    /// The reader, for entries that were fetched.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The stored key for a key.
    #[must_use]
    pub fn stored_key(&self, key: &[u8]) -> StoredKey {
        self.layout.stored_key(key)
    }

    fn stored_keys(&self, keys: &[Vec<u8>]) -> Vec<StoredKey> {
        keys.iter().map(|key| self.layout.stored_key(key)).collect()
    }

    /// The entries of `keys`, in their order, in one round trip.
    ///
    /// # Errors
    /// The backend's.
    pub fn entries(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Entry>>, Error> {
        let keys = self.stored_keys(keys);
        Ok(self.backend.get_many(&keys)?)
    }

    /// What the backend tells of `keys`, in their order.
    ///
    /// # Errors
    /// The backend's.
    pub fn facts(&mut self, keys: &[Vec<u8>]) -> Result<Vec<Option<Facts>>, Error> {
        let keys = self.stored_keys(keys);
        Ok(self.backend.facts_many(&keys)?)
    }

    /// Deletes `keys`; says of each whether it was there.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete(&mut self, keys: &[Vec<u8>]) -> Result<Vec<bool>, Error> {
        let keys = self.stored_keys(keys);
        Ok(self.backend.delete_many(&keys)?)
    }

    /// Gives `keys` another expiry; says of each whether it was there.
    ///
    /// # Errors
    /// The backend's.
    pub fn expire(&mut self, keys: &[Vec<u8>], expiry: Expiry) -> Result<Vec<bool>, Error> {
        let keys = self.stored_keys(keys);
        Ok(self.backend.expire_many(&keys, expiry)?)
    }

    /// A page of the keys that match and that this layout names.
    ///
    /// # Errors
    /// The backend's.
    pub fn scan(&mut self, pattern: &Pattern, kind: Option<&str>, cursor: Cursor) -> Result<Page, Error> {
        let page = self.backend.scan(&self.layout.pattern(pattern), kind, cursor)?;
        let keys = page.keys.into_iter().filter_map(|stored| Some((self.layout.key(&stored)?, stored)));
        Ok(Page { keys: keys.collect(), next: page.next })
    }

    /// Writes values: each with the codec that was asked for, else with the chain that its entry
    /// has, else as JSON. Nothing is written when one of them would not read back as the same value.
    ///
    /// # Errors
    /// The backend's; the codec's; [`Error::Loss`].
    pub fn set(&mut self, puts: Vec<Put>) -> Result<Vec<Receipt>, Error> {
        let keys: Vec<StoredKey> = puts.iter().map(|put| self.layout.stored_key(&put.key)).collect();
        let before = self.before(&keys)?;
        let mut writes = Vec::with_capacity(puts.len());
        let mut receipts = Vec::with_capacity(puts.len());
        for ((put, key), before) in puts.into_iter().zip(keys).zip(before) {
            let prepared = self.prepare(&put.value, &before).map_err(|error| error.at(&put.key))?;
            let Put { expiry, condition, tag, .. } = put;
            receipts.push(Receipt {
                stored_key: key.clone(),
                written: false,
                url: prepared.url,
                size: prepared.size,
                ttl_before: before.ttl,
                notes: prepared.notes,
            });
            writes.push(Write { key, data: prepared.data, expiry, condition, tag });
        }
        let written = self.backend.set_many(&writes)?;
        for (receipt, written) in receipts.iter_mut().zip(written) {
            receipt.written = written;
        }
        Ok(receipts)
    }

    /// What is there before a write. Who may write but not read is told less, not refused.
    fn before(&mut self, keys: &[StoredKey]) -> Result<Vec<Before>, Error> {
        let known = if self.reader.codec.is_some() {
            self.backend.facts_many(keys).map(|all| all.into_iter().map(Before::of_facts).collect())
        } else {
            self.backend.get_many(keys).map(|all| all.into_iter().map(Before::of_entry).collect())
        };
        match known {
            Err(error) if error.kind == ErrorKind::Denied => Ok(vec![Before::default(); keys.len()]),
            known => Ok(known?),
        }
    }

    /// The data to store for `value`, checked to read back as the same.
    fn prepare(&self, value: &Value, before: &Before) -> Result<Prepared, Error> {
        if let Some(kind) = &before.container {
            return Err(Error::loss(format!("it holds a {kind}, which a set would replace: delete it first")));
        }
        let native = self.reader.codec.is_none();
        match (&before.stored, value.root()) {
            (Some(Stored::Text(_)), Node::Str(span)) if native => {
                if let Ok(text) = std::str::from_utf8(value.text(span)) {
                    return Ok(Prepared::native(Stored::Text(text.to_owned()), text.len()));
                }
            }
            (Some(Stored::Integer(_) | Stored::Float(_)), Node::Int(number)) if native => {
                return Ok(Prepared::native(Stored::Integer(number), 8));
            }
            (Some(Stored::Integer(_) | Stored::Float(_)), Node::Float(number)) if native && !number.is_nan() => {
                return Ok(Prepared::native(Stored::Float(number), 8));
            }
            _ => {}
        }
        let codec = self.writer(before)?;
        let bytes = self.encode(&codec, value)?;
        let mut notes = Vec::new();
        if !codec.cachetory_writes() {
            notes.push(format!("cachetory can read {} but could not have written it", codec.url()));
        }
        let size = bytes.len();
        // A value that DiskCache pickled, or kept in a type of SQLite's, stays an object to Python.
        let pickled = native
            && matches!(
                before.stored,
                Some(Stored::Pickle(_) | Stored::Text(_) | Stored::Integer(_) | Stored::Float(_))
            );
        let data = if pickled { Stored::Pickle(bytes) } else { Stored::Bytes(bytes) };
        Ok(Prepared { data, url: codec.url().to_owned(), size, notes })
    }

    /// The codec that writes over `before`.
    fn writer(&self, before: &Before) -> Result<Codec, Error> {
        let parse = |url: &str| Codec::parse(url).map_err(|error| Error::loss(error.to_string()));
        if let Some(codec) = &self.reader.codec {
            return Ok(codec.clone());
        }
        match &before.stored {
            Some(Stored::Bytes(bytes)) => {
                let detection = detect::detect(bytes, &self.reader.limits).map_err(|error| {
                    Error::loss(format!("what is there cannot be read ({error}); -s URL says how to write"))
                })?;
                parse(&detection.url)
            }
            Some(Stored::Pickle(bytes)) => {
                let protocol = match bytes.first_chunk() {
                    Some([0x80, protocol @ 2..=5]) => *protocol,
                    _ => 0,
                };
                parse(&format!("pickle://?pickle-protocol={protocol}"))
            }
            Some(Stored::Text(_) | Stored::Integer(_) | Stored::Float(_)) => parse("pickle://"),
            Some(Stored::Members(_)) | None => parse(DEFAULT_SERIALIZER),
        }
    }

    fn encode(&self, codec: &Codec, value: &Value) -> Result<Vec<u8>, Error> {
        let limits = &self.reader.limits;
        let bytes = codec.encode(value, limits)?;
        // Bytes that are stored as they are keep no type to compare.
        if codec.has_serializer() {
            let back = codec.decode(bytes.clone(), limits)?;
            if !back.value.same(value) {
                return Err(Error::loss(format!("{} would not read back as the same value", codec.url())));
            }
        }
        Ok(bytes)
    }
}

/// What is known of an entry before it is written over.
#[derive(Clone, Debug, Default)]
struct Before {
    ttl: Option<Ttl>,
    /// A Redis container's kind.
    container: Option<String>,
    /// The data, where it decides how to write.
    stored: Option<Stored>,
}

impl Before {
    fn of_facts(facts: Option<Facts>) -> Before {
        let Some(facts) = facts else { return Before::default() };
        let container = (facts.unit() == "members").then(|| facts.kind.clone());
        Before { ttl: Some(facts.ttl), container, stored: None }
    }

    fn of_entry(entry: Option<Entry>) -> Before {
        let Some(Entry { stored, ttl, .. }) = entry else { return Before::default() };
        let container = match &stored {
            Stored::Members(members) => Some(members.kind().to_owned()),
            _ => None,
        };
        Before { ttl: Some(ttl), container, stored: Some(stored) }
    }
}

struct Prepared {
    data: Stored,
    url: String,
    size: usize,
    notes: Vec<String>,
}

impl Prepared {
    fn native(data: Stored, size: usize) -> Prepared {
        let url = match data {
            Stored::Text(_) => "text",
            Stored::Integer(_) => "integer",
            _ => "float",
        };
        Prepared { data, url: format!("{url}, as the store had it"), size, notes: Vec::new() }
    }
}

/// Why a read or a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The backend could not.
    Backend(backend::Error),
    /// The codec could not.
    Codec {
        /// For which key, where several were asked for.
        key: Vec<u8>,
        /// Why.
        error: codec::Error,
    },
    /// Something would be lost.
    Loss {
        /// For which key.
        key: Vec<u8>,
        /// What.
        message: String,
    },
}

impl Error {
    fn loss(message: impl Into<String>) -> Error {
        Error::Loss { key: Vec::new(), message: message.into() }
    }

    fn at(self, name: &[u8]) -> Error {
        match self {
            Error::Codec { error, .. } => Error::Codec { key: name.to_vec(), error },
            Error::Loss { message, .. } => Error::Loss { key: name.to_vec(), message },
            Error::Backend(_) => self,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Backend(error) => write!(f, "{error}"),
            Error::Codec { key, error } => {
                write!(f, "`{}`: {error}", String::from_utf8_lossy(key).escape_debug())
            }
            Error::Loss { key, message } => {
                write!(f, "`{}`: {message}", String::from_utf8_lossy(key).escape_debug())
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<backend::Error> for Error {
    fn from(error: backend::Error) -> Error {
        Error::Backend(error)
    }
}

impl From<codec::Error> for Error {
    fn from(error: codec::Error) -> Error {
        Error::Codec { key: Vec::new(), error }
    }
}
