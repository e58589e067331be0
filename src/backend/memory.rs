//! The reference: a map in this process, gone with it.
//!
//! What the other backends do over a network or a disk is here in its plainest form, so that the
//! conformance suite has something to agree with. Every connection of one parsed URL shares one
//! store (`bench` connects many times); each parse makes a store of its own, as in cachetory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{Backend, Connect, Cursor, Error, Options, Page, Row, Server, added, no_fields, nothing_more};
use crate::entry::{Condition, Entry, Expiry, Facts, Kind, Stored, StoredKey, Ttl, Write};
use crate::pattern::Pattern;
use crate::url::{Url, UrlError};

/// `memory:`
pub const ROW: Row =
    Row { schemes: &["memory"], example: "memory:", about: "in this process only", kind: Kind::Memory, parse };

/// How many keys a page of a scan looks at.
const PAGE: usize = 1000;

/// The only type that data has here.
const KIND: &str = "bytes";

fn parse(url: &str, _: &Options) -> Result<Connect, UrlError> {
    nothing_more(&Url::parse(url)?)?;
    let store = Arc::new(Mutex::new(Store::new()));
    Ok(Box::new(move || Ok(Box::new(Memory(Arc::clone(&store))))))
}

struct Memory(Arc<Mutex<Store>>);

impl Memory {
    /// A panic elsewhere leaves no entry half-written, so a poisoned lock is as good as any.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Memory {
    fn kind(&self) -> Kind {
        Kind::Memory
    }

    fn label(&self) -> &'static str {
        "memory:"
    }

    fn get_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Error> {
        no_fields(self.label(), keys)?;
        let mut store = self.store();
        let now = store.now();
        let entry = |held: &mut Held| Entry { stored: held.stored.clone(), ttl: held.ttl(now), tag: held.tag.clone() };
        Ok(keys.iter().map(|key| store.alive(&key.key, now).map(entry)).collect())
    }

    fn facts_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error> {
        no_fields(self.label(), keys)?;
        let mut store = self.store();
        let now = store.now();
        let facts = |held: &mut Held| Facts {
            kind: KIND.to_owned(),
            size: held.stored.as_bytes().map_or(8, <[u8]>::len) as u64,
            ttl: held.ttl(now),
            tag: held.tag.clone(),
            item: None,
        };
        Ok(keys.iter().map(|key| store.alive(&key.key, now).map(facts)).collect())
    }

    fn set_many(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error> {
        no_fields(self.label(), writes.iter().map(|write| &write.key))?;
        let mut store = self.store();
        Ok(writes.iter().map(|write| store.set(write)).collect())
    }

    fn replace(&mut self, key: &StoredKey, before: &Entry, after: &Stored) -> Result<bool, Error> {
        no_fields(self.label(), [key])?;
        let mut store = self.store();
        let now = store.now();
        let Some(held) = store.alive(&key.key, now) else { return Ok(false) };
        let unchanged = held.stored.same(&before.stored) && held.tag == before.tag;
        if unchanged {
            held.stored.clone_from(after);
        }
        Ok(unchanged)
    }

    fn delete_many(&mut self, keys: &[StoredKey]) -> Result<Vec<bool>, Error> {
        no_fields(self.label(), keys)?;
        let mut store = self.store();
        let now = store.now();
        Ok(keys.iter().map(|key| store.alive(&key.key, now).is_some() && store.remove(&key.key)).collect())
    }

    fn expire_many(&mut self, keys: &[StoredKey], expiry: Expiry) -> Result<Vec<bool>, Error> {
        no_fields(self.label(), keys)?;
        let mut store = self.store();
        let now = store.now();
        let expire = |held: &mut Held| held.deadline = deadline(expiry, now, held.deadline);
        Ok(keys.iter().map(|key| store.alive(&key.key, now).map(expire).is_some()).collect())
    }

    /// From the newest entry to the oldest: what is added meanwhile is not met, so a scan ends.
    fn scan(&mut self, pattern: &Pattern, kind: Option<&str>, cursor: Cursor) -> Result<Page, Error> {
        if kind.is_some_and(|kind| kind != KIND) {
            return Ok(Page::default());
        }
        let below = match cursor {
            Cursor::Start => u64::MAX,
            Cursor::At(place) => place,
        };
        let store = self.store();
        let now = store.now();
        let mut page = Page::default();
        for (looked, (place, key)) in store.places.range(..below).rev().enumerate() {
            if !store.held[key].expired(now) && pattern.matches(key) {
                page.keys.push(StoredKey::new(key.clone()));
            }
            if looked + 1 == PAGE {
                page.next = Some(Cursor::At(*place));
                break;
            }
        }
        Ok(page)
    }

    fn count(&mut self) -> Result<Option<u64>, Error> {
        Ok(Some(self.store().held.len() as u64))
    }

    fn increment(&mut self, key: &StoredKey, by: i64, expiry: Expiry) -> Result<i128, Error> {
        no_fields(self.label(), [key])?;
        let mut store = self.store();
        let now = store.now();
        let old = store.alive(&key.key, now).map(|held| held.stored.clone());
        let (number, expiry) = match old {
            None => (by, expiry),
            Some(stored) => (added(key, stored.as_bytes(), by)?, Expiry::Keep),
        };
        let data = Stored::Bytes(number.to_string().into_bytes());
        store.set(&Write { key: key.clone(), data, expiry, condition: Condition::Always, tag: None });
        Ok(number.into())
    }

    fn tagged(&mut self, tag: &str) -> Result<u64, Error> {
        Ok(self.store().tagged(tag).len() as u64)
    }

    fn evict(&mut self, tag: &str) -> Result<u64, Error> {
        let mut store = self.store();
        let keys = store.tagged(tag);
        Ok(keys.iter().filter(|key| store.remove(key)).count() as u64)
    }

    fn server(&mut self) -> Result<Server, Error> {
        let store = self.store();
        let now = store.now();
        let alive = || store.held.values().filter(|held| !held.expired(now));
        let expiring = alive().filter(|held| held.deadline.is_some()).count() as u64;
        let (product, entries) = (Some("memory".to_owned()), Some(alive().count() as u64));
        Ok(Server { product, entries, entries_expiring: Some(expiring), ..Server::default() })
    }

    fn flush(&mut self) -> Result<(), Error> {
        let mut store = self.store();
        store.held.clear();
        store.places.clear();
        Ok(())
    }
}

/// An entry, and its place among the others.
struct Held {
    stored: Stored,
    deadline: Option<i64>,
    tag: Option<String>,
    place: u64,
}

impl Held {
    fn expired(&self, now: i64) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn ttl(&self, now: i64) -> Ttl {
        match self.deadline {
            Some(deadline) => Ttl::Left(deadline.saturating_sub(now).unsigned_abs()),
            None => Ttl::Never,
        }
    }
}

/// The entries, and their keys in the order in which they first came.
struct Store {
    held: HashMap<Vec<u8>, Held>,
    places: BTreeMap<u64, Vec<u8>>,
    added: u64,
    start: Instant,
    start_time: Duration,
}

impl Store {
    fn new() -> Store {
        let start_time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Store { held: HashMap::new(), places: BTreeMap::new(), added: 0, start: Instant::now(), start_time }
    }

    /// Milliseconds after the Unix epoch, by a clock that never goes back.
    fn now(&self) -> i64 {
        i64::try_from((self.start_time + self.start.elapsed()).as_millis()).unwrap_or(i64::MAX)
    }

    /// The entry, unless it has expired; one that has is dropped here.
    fn alive(&mut self, key: &[u8], now: i64) -> Option<&mut Held> {
        if self.held.get(key)?.expired(now) {
            self.remove(key);
        }
        self.held.get_mut(key)
    }

    fn set(&mut self, write: &Write) -> bool {
        let now = self.now();
        let old = self.alive(&write.key.key, now);
        match (write.condition, &old) {
            (Condition::IfAbsent, Some(_)) | (Condition::IfPresent, None) => return false,
            _ => {}
        }
        if let Some(held) = old {
            held.stored.clone_from(&write.data);
            held.deadline = deadline(write.expiry, now, held.deadline);
            held.tag = write.tag.clone().or_else(|| held.tag.take());
            return true;
        }
        let (place, key) = (self.added, write.key.key.clone());
        let deadline = deadline(write.expiry, now, None);
        self.added += 1;
        self.places.insert(place, key.clone());
        self.held.insert(key, Held { stored: write.data.clone(), deadline, tag: write.tag.clone(), place });
        true
    }

    fn tagged(&self, tag: &str) -> Vec<Vec<u8>> {
        let now = self.now();
        let carry = self.held.iter().filter(|(_, held)| held.tag.as_deref() == Some(tag) && !held.expired(now));
        carry.map(|(key, _)| key.clone()).collect()
    }

    fn remove(&mut self, key: &[u8]) -> bool {
        let Some(held) = self.held.remove(key) else { return false };
        self.places.remove(&held.place);
        true
    }
}

/// When an entry that has `old` will expire.
fn deadline(expiry: Expiry, now: i64, old: Option<i64>) -> Option<i64> {
    match expiry {
        Expiry::Never => None,
        Expiry::In(ms) => Some(now.saturating_add_unsigned(ms)),
        Expiry::At(ms) => Some(ms),
        Expiry::Keep => old,
    }
}
