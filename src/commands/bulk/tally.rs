//! Entries that are stored as they were elsewhere, and what became of them.

use std::collections::BTreeMap;

use anyhow::Result;

use super::super::bulk;
use crate::cache::{Cache, Error};
use crate::entry::{Expiry, Kind, Stored, StoredKey, Write};
use crate::exit::Exit;
use crate::render::{self, Printer, Record, escape};

/// Whether one entry is the reason, and the others may be stored.
fn is_of_one(error: &Error) -> bool {
    matches!(error, Error::Backend(error) if error.is_of_one())
}

/// What became of the entries.
#[derive(Default)]
pub struct Tally {
    pub read: u64,
    pub stored: u64,
    /// Those that were there, and were to be left then.
    pub existed: u64,
    pub expired: u64,
    pub unfit: u64,
    /// Why the first of those was not stored.
    why: Option<String>,
}

impl Tally {
    /// Stores entries.
    ///
    /// # Errors
    /// The backend's.
    pub fn store(&mut self, cache: &mut Cache, mut writes: Vec<Write>) -> Result<()> {
        // A field has no ttl of its own: it has that of its hash.
        let lone = |write: &mut Write| match write.key.field {
            Some(_) => std::mem::replace(&mut write.expiry, Expiry::Keep),
            None => Expiry::Keep,
        };
        let expiries: Vec<Expiry> = writes.iter_mut().map(lone).collect();
        let stored: Vec<Option<bool>> = match cache.store(&writes) {
            Err(error) if is_of_one(&error) => self.store_each(cache, &writes)?,
            stored => stored?.into_iter().map(Some).collect(),
        };
        self.count(&stored);
        let mut hashes = BTreeMap::new();
        for ((write, expiry), stored) in writes.iter().zip(expiries).zip(stored) {
            if stored == Some(true) && !matches!(expiry, Expiry::Keep | Expiry::Never) {
                hashes.insert(write.key.key.clone(), expiry);
            }
        }
        for (hash, expiry) in hashes {
            cache.expire_at(&[StoredKey::new(hash)], expiry)?;
        }
        Ok(())
    }

    /// Stores entries one by one: one that cannot be is left (`None`), and the others are not.
    fn store_each(&mut self, cache: &mut Cache, writes: &[Write]) -> Result<Vec<Option<bool>>> {
        let mut stored = Vec::with_capacity(writes.len());
        for write in writes {
            match cache.store(std::slice::from_ref(write)) {
                Err(error) if is_of_one(&error) => {
                    self.leave(&write.key, &format!("could not be stored: {error}"));
                    stored.push(None);
                }
                Ok(done) => stored.extend(done.into_iter().map(Some)),
                Err(error) => {
                    self.count(&stored);
                    return Err(error.into());
                }
            }
        }
        Ok(stored)
    }

    fn count(&mut self, stored: &[Option<bool>]) {
        self.stored += stored.iter().filter(|stored| **stored == Some(true)).count() as u64;
        self.existed += stored.iter().filter(|stored| **stored == Some(false)).count() as u64;
    }

    /// Whether a backend can hold what another one held; what it cannot is counted.
    pub fn fits(&mut self, write: &Write, kind: Kind) -> bool {
        let held = write.data.kind();
        let why = match (&write.data, kind) {
            (Stored::Members(_), Kind::Disk | Kind::Memory | Kind::Memcached) => {
                format!("is of Redis's own type {held}, which no other backend has")
            }
            (Stored::Integer(_) | Stored::Float(_), Kind::Redis | Kind::Memcached) => {
                format!("is of DiskCache's own type {held}: `copy --recode URL` writes it in bytes")
            }
            (Stored::Members(members), _) if members.is_nothing() => {
                format!("is a {held} without members, which Redis does not keep")
            }
            _ if write.tag.is_some() && matches!(kind, Kind::Redis | Kind::Memcached) => {
                "has a tag of DiskCache's own, which no other backend keeps".to_owned()
            }
            _ => return true,
        };
        self.leave(&write.key, &why);
        false
    }

    /// An entry is not stored, for a reason that begins with a verb.
    pub fn leave(&mut self, key: &StoredKey, why: &str) {
        self.unfit += 1;
        self.why.get_or_insert_with(|| format!("`{}` {why}", escape::message(&key.to_string())));
    }

    /// Says what became of them, when the work came to its end, was interrupted (`Ok(false)`) or failed; and the
    /// status.
    ///
    /// # Errors
    /// That of the work; when the output fails.
    pub fn conclude(
        &self,
        whole: Result<bool>,
        verb: &str,
        label: &str,
        records: bool,
        printer: &mut Printer,
    ) -> Result<Exit> {
        let whole = whole.map_err(|error| {
            let entries = render::count(self.stored, "entry was", "entries were");
            bulk::partly(error, self.stored, format!("{entries} stored before this; the same command goes on"))
        });
        if whole.is_ok() || self.read > 0 {
            self.tell(verb, label, records, printer)?;
        }
        let exit = match whole? {
            false => Exit::Interrupted,
            true if self.unfit > 0 => Exit::Partial,
            true => Exit::answer(self.stored + self.existed > 0),
        };
        if exit == Exit::Interrupted {
            printer.note("interrupted: the same command goes on, and stores again what is stored already");
        }
        Ok(exit)
    }

    fn tell(&self, verb: &str, label: &str, records: bool, printer: &mut Printer) -> Result<()> {
        if records {
            let record = Record::new().with("read", self.read).with("stored", self.stored);
            let record = record.with("existed", self.existed).with("expired", self.expired).with("unfit", self.unfit);
            printer.record(&record)?;
        }
        printer.note(&format!("{verb} {} to {label}", render::count(self.stored, "entry", "entries")));
        if self.existed > 0 {
            printer.note(&format!("left {} that were there", render::count(self.existed, "entry", "entries")));
        }
        if self.expired > 0 {
            let entries = render::count(self.expired, "entry has", "entries have");
            printer.note(&format!("{entries} expired by now: --ttl-left gives the time that was left then"));
        }
        if let Some(why) = &self.why {
            let entries = render::count(self.unfit, "entry", "entries");
            let first = if self.unfit > 1 { "the first of them, " } else { "" };
            printer.warn(&format!("{entries} cannot be stored on {label}: {first}{why}"));
        }
        Ok(())
    }
}
