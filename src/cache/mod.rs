//! A cache: backend, layout and codec joined. The only room that knows what a read and a write are.
//!
//! A read is: stored key from the layout, entry from the backend, value through the codec that was
//! asked for, or else through the one that the bytes show. A write is the way back, and is only
//! done when what it would store reads back as the same value.

mod read;
mod write;

use std::fmt;

pub use self::read::{Chain, Reader, Reading, Unread};
use self::write::{Before, Plan};
pub use self::write::{DEFAULT_SERIALIZER, Form, Put, Receipt};
use crate::backend::{self, Backend, Cursor, ErrorKind};
use crate::codec;
use crate::entry::{Entry, Expiry, Facts, StoredKey, Write};
use crate::layout::Layout;
use crate::pattern::Pattern;

/// Three URLs, opened.
pub struct Cache {
    backend: Box<dyn Backend>,
    layout: Layout,
    reader: Reader,
}

/// A page of keys.
pub struct Page {
    /// Key and stored key.
    pub keys: Vec<(Vec<u8>, StoredKey)>,
    /// Where to go on; `None` at the end.
    pub next: Option<Cursor>,
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

    /// Writes values, each in its form. Nothing is written when one of them would not read back as the
    /// same value.
    ///
    /// # Errors
    /// The backend's; the codec's; [`Error::Loss`].
    pub fn set(&mut self, puts: Vec<Put>) -> Result<Vec<Receipt>, Error> {
        let keys: Vec<StoredKey> = puts.iter().map(|put| self.layout.stored_key(&put.key)).collect();
        let before = self.before(&puts, &keys)?;
        let mut writes = Vec::with_capacity(puts.len());
        let mut receipts = Vec::with_capacity(puts.len());
        for ((put, key), before) in puts.into_iter().zip(keys).zip(before) {
            let ruled_out = before.as_ref().is_some_and(|before| before.rules_out(put.condition));
            let before = before.unwrap_or_default();
            let mut receipt = Receipt::unwritten(key.clone(), before.ttl);
            if !ruled_out {
                let plan = write::plan(&put.value, &put.form, &before, &self.reader.limits);
                let Plan { data, form, size, notes } = plan.map_err(|error| error.at(&put.key))?;
                receipt = Receipt { form, size, notes, ..receipt };
                let Put { expiry, condition, tag, .. } = put;
                writes.push((receipts.len(), Write { key, data, expiry, condition, tag }));
            }
            receipts.push(receipt);
        }
        let (places, writes): (Vec<usize>, Vec<Write>) = writes.into_iter().unzip();
        for (place, written) in places.into_iter().zip(self.backend.set_many(&writes)?) {
            receipts[place].written = written;
        }
        Ok(receipts)
    }

    /// What is there before a write. Who may write but not read is told less, not refused.
    fn before(&mut self, puts: &[Put], keys: &[StoredKey]) -> Result<Vec<Option<Before>>, Error> {
        let known = if puts.iter().any(|put| put.form == Form::AsIs) {
            self.backend.get_many(keys).map(|all| all.into_iter().map(Before::of_entry).collect::<Vec<_>>())
        } else {
            self.backend.facts_many(keys).map(|all| all.into_iter().map(Before::of_facts).collect())
        };
        match known {
            Err(error) if error.kind == ErrorKind::Denied => Ok(vec![None; keys.len()]),
            known => Ok(known?.into_iter().map(Some).collect()),
        }
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
