//! A cache: backend, layout and codec joined. The only room that knows what a read and a write are.
//!
//! A read is: stored key from the layout, entry from the backend, value through the codec that was
//! asked for, or else through the one that the bytes show. A write is the way back, and is only
//! done when what it would store reads back as the same value.

mod read;
mod survey;
mod tags;
mod walk;
mod write;

use std::collections::{HashMap, HashSet};
use std::fmt;

pub use self::read::{Chain, Reader, Reading, Unread};
pub use self::survey::{Valued, Visitor};
pub use self::tags::{Invalidated, Known, Reach, Standing, Tag, Unknown};
pub use self::walk::{Met, Walk};
use self::write::{Before, Plan};
pub use self::write::{DEFAULT_SERIALIZER, Encoded, Form, Put, Receipt};
use crate::backend::{self, Abilities, Backend, ErrorKind, Reply, Server};
use crate::codec::{self, Codec};
use crate::entry::{Entry, Expiry, Facts, Kind, Stored, StoredKey, Write};
use crate::layout::{self, Layout, Name};
use crate::pattern::Pattern;
use crate::value::Value;

/// Three URLs, opened.
pub struct Cache {
    backend: Box<dyn Backend>,
    layout: Box<dyn Layout>,
    reader: Reader,
    /// What the value of a new tag gets.
    tag_expiry: Expiry,
}

/// What was found under a name.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it was looked for; `None` where nothing can be stored under the name as things stand:
    /// a tag of it is not there.
    pub stored_key: Option<StoredKey>,
    /// The entry, if there is one.
    pub entry: Option<Entry>,
}

/// What was asked about several things, of which not all could be reached.
#[derive(Clone, Debug)]
pub struct Reached<T> {
    /// An answer for each, in their order; `None` for those that were not reached.
    pub each: Vec<Option<T>>,
    /// Why they were not, where there are any.
    pub failure: Option<backend::Error>,
}

impl Cache {
    /// Joins the three.
    #[must_use]
    pub fn new(backend: Box<dyn Backend>, layout: Box<dyn Layout>, reader: Reader) -> Cache {
        Cache { backend, layout, reader, tag_expiry: tags::TAG_EXPIRY }
    }

    /// Says how long the values of tags that are made from now on stay; a day unless said.
    pub fn keep_tags(&mut self, expiry: Expiry) {
        self.tag_expiry = expiry;
    }

    /// Where the backend is, without secrets.
    #[must_use]
    pub fn label(&self) -> &str {
        self.backend.label()
    }

    /// What kind the backend is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.backend.kind()
    }

    /// The backend itself, for who measures it and not what is in it.
    pub fn backend(&mut self) -> &mut dyn Backend {
        self.backend.as_mut()
    }

    /// What the backend cannot do as exactly as others.
    #[must_use]
    pub fn abilities(&self) -> Abilities {
        self.backend.abilities()
    }

    /// What to say of an expiry that the backend cannot give as exactly, if it cannot.
    #[must_use]
    pub fn rounding(&self, expiry: Expiry) -> Option<String> {
        let step = self.backend.abilities().ttl_step_ms;
        let odd = match expiry {
            Expiry::Never | Expiry::Keep => 0,
            Expiry::In(ms) => ms % step,
            Expiry::At(ms) => ms.unsigned_abs() % step,
        };
        let unit = if step == 1000 { "whole seconds".to_owned() } else { format!("steps of {step} ms") };
        (odd != 0).then(|| format!("{} counts ttls in {unit}: this one is rounded up", self.label()))
    }

    /// The reader, for entries that were fetched.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> &dyn Layout {
        self.layout.as_ref()
    }

    /// What the layout needs to know of each name, read from the backend. Nothing is written.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn needed(&mut self, names: &[Name]) -> Result<Vec<Vec<Option<Vec<u8>>>>, Error> {
        let needs = names.iter().map(|name| match name.tags.is_empty() || self.layout.tagging().is_some() {
            true => self.layout.needs(name).map_err(|error| Error::name(&name.key, error)),
            false => Err(Error::name(&name.key, layout::Error::no_tags())),
        });
        let needs: Vec<Vec<StoredKey>> = needs.collect::<Result<_, _>>()?;
        let mut keys: Vec<StoredKey> = needs.iter().flatten().cloned().collect();
        keys.sort_unstable();
        keys.dedup();
        if keys.is_empty() {
            return Ok(vec![Vec::new(); names.len()]);
        }
        let found = self.strings(&keys)?;
        let found: HashMap<StoredKey, Option<Vec<u8>>> = keys.into_iter().zip(found).collect();
        Ok(needs.iter().map(|needs| needs.iter().map(|key| found[key].clone()).collect()).collect())
    }

    /// The bytes at `keys`. What is no string is as good as nothing: MGET says so too.
    fn strings(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let bytes = |entry: Option<Entry>| entry.and_then(|entry| entry.stored.as_bytes().map(<[u8]>::to_vec));
        Ok(self.backend.get_many(keys)?.into_iter().map(bytes).collect())
    }

    /// Where names are stored, as things stand.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn locate(&mut self, names: &[Name]) -> Result<Vec<Option<StoredKey>>, Error> {
        let found = self.needed(names)?;
        let each = names.iter().zip(found);
        each.map(|(name, found)| self.layout.locate(name, &found).map_err(|error| Error::name(&name.key, error)))
            .collect()
    }

    /// What the backend answers for each place; nothing for those that are none, which are not asked for.
    fn ask<T: Default>(
        &mut self,
        places: &[Option<StoredKey>],
        ask: impl FnOnce(&mut dyn Backend, &[StoredKey]) -> Result<Vec<T>, backend::Error>,
    ) -> Result<Vec<T>, Error> {
        let keys: Vec<StoredKey> = places.iter().flatten().cloned().collect();
        let mut answers = ask(self.backend.as_mut(), &keys)?.into_iter();
        Ok(places.iter().map(|place| place.as_ref().and_then(|_| answers.next()).unwrap_or_default()).collect())
    }

    /// The same, for as many places as can be reached: what a failure names is asked for no more.
    ///
    /// # Errors
    /// The backend's, where it reaches nothing, or fails otherwise.
    fn ask_reachable<T: Default>(
        &mut self,
        places: &[Option<StoredKey>],
        ask: impl Fn(&mut dyn Backend, &[StoredKey]) -> Result<Vec<T>, backend::Error>,
    ) -> Result<Reached<T>, Error> {
        let mut each: Vec<Option<T>> = places.iter().map(|place| place.is_none().then(T::default)).collect();
        let mut left: Vec<usize> = (0..places.len()).filter(|at| places[*at].is_some()).collect();
        let mut failure = None;
        loop {
            let keys: Vec<StoredKey> = left.iter().filter_map(|at| places[*at].clone()).collect();
            match ask(self.backend.as_mut(), &keys) {
                Ok(answers) => {
                    left.iter().zip(answers).for_each(|(at, answer)| each[*at] = Some(answer));
                    return Ok(Reached { each, failure });
                }
                Err(error) if error.unreached.is_empty() || error.unreached.len() >= left.len() => {
                    return Err(error.into());
                }
                Err(error) => {
                    let lost: HashSet<usize> = error.unreached.iter().map(|at| left[*at]).collect();
                    left.retain(|at| !lost.contains(at));
                    failure.get_or_insert(error);
                }
            }
        }
    }

    /// [`Cache::entries`], for as many names as can be reached.
    ///
    /// # Errors
    /// The backend's, where it reaches nothing, or fails otherwise; [`Error::Name`].
    pub fn entries_reached(&mut self, names: &[Name]) -> Result<Reached<Found>, Error> {
        let places = self.locate(names)?;
        let Reached { each, failure } = self.ask_reachable(&places, |backend, keys| backend.get_many(keys))?;
        let found = |(stored_key, entry): (_, Option<_>)| entry.map(|entry| Found { stored_key, entry });
        Ok(Reached { each: places.into_iter().zip(each).map(found).collect(), failure })
    }

    /// [`Cache::facts`], for as many names as can be reached.
    ///
    /// # Errors
    /// As [`Cache::entries_reached`].
    pub fn facts_reached(&mut self, names: &[Name]) -> Result<Reached<Option<Facts>>, Error> {
        let places = self.locate(names)?;
        self.ask_reachable(&places, |backend, keys| backend.facts_many(keys))
    }

    /// The entries of `names`, in their order, in one round trip (and one before it for the tags).
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn entries(&mut self, names: &[Name]) -> Result<Vec<Found>, Error> {
        let places = self.locate(names)?;
        let entries = self.ask(&places, |backend, keys| backend.get_many(keys))?;
        Ok(places.into_iter().zip(entries).map(|(stored_key, entry)| Found { stored_key, entry }).collect())
    }

    /// Entries that were met, in their order.
    ///
    /// # Errors
    /// The backend's.
    pub fn entries_at(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Error> {
        Ok(self.backend.get_many(keys)?)
    }

    /// Writes entries as they are, whatever the layout; says of each whether its condition held.
    ///
    /// # Errors
    /// The backend's.
    pub fn store(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error> {
        Ok(self.backend.set_many(writes)?)
    }

    /// What the backend tells of `names`, in their order.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn facts(&mut self, names: &[Name]) -> Result<Vec<Option<Facts>>, Error> {
        let places = self.locate(names)?;
        self.ask(&places, |backend, keys| backend.facts_many(keys))
    }

    /// What the backend tells of entries that were met.
    ///
    /// # Errors
    /// The backend's.
    pub fn facts_at(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error> {
        Ok(self.backend.facts_many(keys)?)
    }

    /// Deletes `names`; says of each whether it was there.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn delete(&mut self, names: &[Name]) -> Result<Vec<bool>, Error> {
        let places = self.locate(names)?;
        self.ask(&places, |backend, keys| backend.delete_many(keys))
    }

    /// Deletes entries that were met; says of each whether it was still there.
    ///
    /// # Errors
    /// The backend's.
    pub fn delete_at(&mut self, keys: &[StoredKey]) -> Result<Vec<bool>, Error> {
        Ok(self.backend.delete_many(keys)?)
    }

    /// Gives `names` another expiry; says of each whether it was there.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn expire(&mut self, names: &[Name], expiry: Expiry) -> Result<Vec<bool>, Error> {
        let places = self.locate(names)?;
        self.ask(&places, |backend, keys| backend.expire_many(keys, expiry))
    }

    /// Gives entries that were met another expiry; says of each whether it was still there.
    ///
    /// # Errors
    /// The backend's.
    pub fn expire_at(&mut self, keys: &[StoredKey], expiry: Expiry) -> Result<Vec<bool>, Error> {
        Ok(self.backend.expire_many(keys, expiry)?)
    }

    /// Adds to the counter under `name`; where it is, and its value then. As [`Backend::increment`].
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn increment(&mut self, name: &Name, by: i64, expiry: Expiry) -> Result<(StoredKey, i128), Error> {
        let place = self.locate_to_write(std::slice::from_ref(name))?.remove(0);
        let number = self.backend.increment(&place, by, expiry)?;
        Ok((place, number))
    }

    /// Deletes everything on the backend, whatever the layout.
    ///
    /// # Errors
    /// The backend's.
    pub fn flush(&mut self) -> Result<(), Error> {
        Ok(self.backend.flush()?)
    }

    /// What the backend says of itself.
    ///
    /// # Errors
    /// The backend's, such as that the user may ask it nothing.
    pub fn server(&mut self) -> Result<Server, Error> {
        Ok(self.backend.server()?)
    }

    /// The reply to a command of the server's own, whatever the layout.
    ///
    /// # Errors
    /// The backend's.
    pub fn raw(&mut self, command: &[Vec<u8>]) -> Result<Reply, Error> {
        Ok(self.backend.raw(command)?)
    }

    /// A walk over the entries whose keys match, and whose type is `kind` where one is given.
    #[must_use]
    pub fn walk(&self, pattern: Pattern, kind: Option<&str>) -> Walk {
        Walk::new(self, pattern, kind)
    }

    /// Writes values, each in its form. Nothing is written when one of them would not read back as the
    /// same value.
    ///
    /// # Errors
    /// The backend's; the codec's; [`Error::Loss`]; [`Error::Name`].
    pub fn set(&mut self, puts: Vec<Put>) -> Result<Vec<Receipt>, Error> {
        let mut names: Vec<Name> = puts.iter().map(|put| put.name.clone()).collect();
        let tags: Vec<Option<String>> = names.iter_mut().map(|name| self.own_tag(name)).collect::<Result<_, _>>()?;
        let keys = self.locate_to_write(&names)?;
        let before = self.before(&puts, &keys)?;
        let usual = self.usual();
        let mut writes = Vec::with_capacity(puts.len());
        let mut receipts = Vec::with_capacity(puts.len());
        for (((put, key), tag), before) in puts.into_iter().zip(keys).zip(tags).zip(before) {
            let ruled_out = before.as_ref().is_some_and(|before| before.rules_out(put.condition));
            let before = before.unwrap_or_default();
            let mut receipt = Receipt::unwritten(key.clone(), before.ttl);
            if !ruled_out {
                let plan = write::plan(&put.value, &put.form, &before, usual.as_ref(), &self.reader.limits);
                let Plan { data, form, size, notes } = plan.map_err(|error| error.at(&put.name.key))?;
                receipt = Receipt { form, size, notes, ..receipt };
                receipt.notes.extend(self.rounding(put.expiry));
                let Put { expiry, condition, .. } = put;
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

    /// The layout's serializer.
    fn usual(&self) -> Option<Codec> {
        self.layout.serializer().map(|url| Codec::parse(url).expect("layouts name layers of the table"))
    }

    /// Where a value is to be written; a tag that is not there is made.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`].
    pub fn place(&mut self, name: &Name) -> Result<StoredKey, Error> {
        Ok(self.locate_to_write(std::slice::from_ref(name))?.remove(0))
    }

    /// What [`Cache::set`] would store of a value where there is no entry; nothing is written.
    ///
    /// # Errors
    /// The codec's; [`Error::Loss`].
    pub fn encode(&self, put: &Put) -> Result<Encoded, Error> {
        self.planned(&put.value, &put.form, &Before::default()).map_err(|error| error.at(&put.name.key))
    }

    /// What [`Cache::replace`] is to store of a value in place of an entry; nothing is written.
    ///
    /// # Errors
    /// The codec's; [`Error::Loss`].
    pub fn encode_over(&self, key: &[u8], before: &Entry, value: &Value, form: &Form) -> Result<Encoded, Error> {
        self.planned(value, form, &Before::of_entry(Some(before.clone()))).map_err(|error| error.at(key))
    }

    fn planned(&self, value: &Value, form: &Form, before: &Before) -> Result<Encoded, Error> {
        let plan = write::plan(value, form, before, self.usual().as_ref(), &self.reader.limits)?;
        let Plan { data, form, notes, .. } = plan;
        Ok(Encoded { data, form, notes })
    }

    /// Puts data in place of an entry as it was read, in one step; says whether it was still so. As
    /// [`Backend::replace`].
    ///
    /// # Errors
    /// The backend's.
    pub fn replace(&mut self, place: &StoredKey, before: &Entry, data: &Stored) -> Result<bool, Error> {
        Ok(self.backend.replace(place, before, data)?)
    }

    /// The tag that the backend itself keeps with an entry, where the layout has no tags.
    fn own_tag(&self, name: &mut Name) -> Result<Option<String>, Error> {
        if self.layout.tagging().is_some() {
            return Ok(None);
        }
        let mut tags = std::mem::take(&mut name.tags).into_iter();
        match (tags.next(), tags.next()) {
            (tag, None) => Ok(tag),
            _ => Err(Error::name(&name.key, layout::Error::new("an entry has one tag at most with this layout"))),
        }
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
    /// The library could not have named such an entry.
    Name {
        /// Which key.
        key: Vec<u8>,
        /// Why.
        error: layout::Error,
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
    fn name(key: &[u8], error: layout::Error) -> Error {
        Error::Name { key: key.to_vec(), error }
    }

    fn loss(message: impl Into<String>) -> Error {
        Error::Loss { key: Vec::new(), message: message.into() }
    }

    fn at(self, name: &[u8]) -> Error {
        match self {
            Error::Codec { error, .. } => Error::Codec { key: name.to_vec(), error },
            Error::Loss { message, .. } => Error::Loss { key: name.to_vec(), message },
            Error::Backend(_) | Error::Name { .. } => self,
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
            Error::Name { key, error } if key.is_empty() => write!(f, "{error}"),
            Error::Name { key, error } => write!(f, "`{}`: {error}", String::from_utf8_lossy(key).escape_debug()),
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
