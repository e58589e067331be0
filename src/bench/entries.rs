//! The entries of a run: written before the load, and deleted after it.

use std::mem;

use super::names::Family;
use super::worker::write;
use super::{Operation, Plan, Summary};
use crate::backend::net::Place;
use crate::backend::{Backend, Cursor, Error, ErrorKind, Shards};
use crate::entry::{StoredKey, Write};
use crate::interrupt::Interrupt;
use crate::pattern::Pattern;

/// Entries that are written or deleted at once.
const BATCH: usize = 1000;

/// Bytes of values that are written at once, more or less.
const BATCH_BYTES: usize = 1 << 20;

/// The field that keeps a Redis hash: not the name of any entry.
const KEEPER: &[u8] = b"cachectl:bench";

/// What a run writes and leaves behind.
pub struct Entries<'a> {
    plan: &'a Plan,
    /// Whether anything may be there.
    stored: bool,
}

impl<'a> Entries<'a> {
    /// Those of a run that has written nothing yet.
    #[must_use]
    pub fn new(plan: &'a Plan) -> Entries<'a> {
        Entries { plan, stored: false }
    }

    /// Writes one of them, to see whether that is allowed.
    ///
    /// # Errors
    /// The backend's.
    pub fn try_one(&mut self, backend: &mut dyn Backend) -> Result<(), Error> {
        let name = self.plan.names.of(Family::Entry, 0, 0);
        self.write(&[write(name, b"", 0, self.plan.expiry())], backend)
    }

    /// Writes all that are read, so that reads find them. `told` hears how many there are.
    ///
    /// # Errors
    /// The backend's.
    pub fn preload(
        &mut self,
        backend: &mut dyn Backend,
        interrupt: &Interrupt,
        mut told: impl FnMut(u64),
    ) -> Result<(), Error> {
        let plan = self.plan;
        // Another chance than that of any thread.
        let mut workload = plan.workload(usize::MAX);
        let (mut writes, mut bytes) = (Vec::new(), 0);
        for key in 0..plan.keys {
            let job = workload.fill(key);
            let (name, value) = (plan.names.of(Family::Entry, key, 0), plan.values.of(&job));
            bytes += value.len();
            let write = write(name, value, plan.values.flags(), plan.expiry());
            writes.push(Write { tag: plan.own_tag(key), ..write });
            if writes.len() == BATCH || bytes > BATCH_BYTES || key + 1 == plan.keys {
                if interrupt.is_set() {
                    return Ok(());
                }
                self.write(&writes, backend)?;
                (writes, bytes) = (Vec::new(), 0);
                told(u64::from(key) + 1);
            }
        }
        Ok(())
    }

    /// Writes what must be there before the load, each with its ttl, which it would not have if the load made it: the
    /// values of tags, counters, and one field of each Redis hash, which keeps the hash and its ttl when all others go.
    ///
    /// # Errors
    /// The backend's.
    pub fn prepare(&mut self, backend: &mut dyn Backend, interrupt: &Interrupt) -> Result<(), Error> {
        let (plan, expiry) = (self.plan, self.plan.expiry());
        let hashes = plan.hashes();
        let field = |hash: &StoredKey| StoredKey { field: Some(KEEPER.to_vec()), ..hash.clone() };
        self.write_all(hashes.iter().map(|hash| write(field(hash), b"", 0, expiry)), backend, interrupt)?;
        for hashes in hashes.chunks(BATCH) {
            backend.expire_many(hashes, expiry)?;
        }
        self.write_all(plan.names.tags().map(|(key, value)| write(key, &value, 0, expiry)), backend, interrupt)?;
        let counter = |key| write(plan.names.of(Family::Counter, key, 0), b"0", 0, expiry);
        self.write_all((0..plan.counters()).map(counter), backend, interrupt)
    }

    fn write_all(
        &mut self,
        writes: impl Iterator<Item = Write>,
        backend: &mut dyn Backend,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let mut writes = writes.peekable();
        while writes.peek().is_some() && !interrupt.is_set() {
            self.write(&writes.by_ref().take(BATCH).collect::<Vec<_>>(), backend)?;
        }
        Ok(())
    }

    fn write(&mut self, writes: &[Write], backend: &mut dyn Backend) -> Result<(), Error> {
        let written = backend.set_many(writes);
        // Who refuses all of them has none.
        let refused = [ErrorKind::Denied, ErrorKind::Failed, ErrorKind::Unsupported, ErrorKind::Unfit];
        self.stored |= !written.as_ref().is_err_and(|error| refused.contains(&error.kind));
        written.map(drop)
    }

    /// Takes in what the load has done to them; `None` where nobody knows.
    pub fn loaded(&mut self, runs: Option<&[Summary]>) {
        let writing = [Operation::Set, Operation::Incr, Operation::Invalidate];
        self.stored |= match runs {
            None => self.plan.cache_aside.is_some() || writing.into_iter().any(|one| self.plan.has(one)),
            Some(runs) => runs.iter().any(|run| {
                run.unanswered > 0 || writing.into_iter().any(|one| run.tally.operations[one as usize].is_some())
            }),
        };
    }

    /// Deletes all that may be there, of which each of `shards` has a part. The part of the one at `lost` is the last:
    /// to wait for it takes long, and without it a cluster may soon refuse all else.
    ///
    /// # Errors
    /// The backend's; what the others have is deleted then.
    pub fn remove(
        &self,
        backend: &mut dyn Backend,
        shards: Option<&Shards>,
        lost: Option<&Place>,
    ) -> Result<(), Error> {
        if !self.stored {
            return Ok(());
        }
        let last = shards.and_then(|shards| shards.places.iter().position(|place| Some(place) == lost));
        let parts = (0..shards.map_or(1, |shards| shards.places.len())).map(|_| Part::default()).collect();
        let mut removal = Removal { backend, shards, parts, failure: None };
        let swept = self.plan.names.swept();
        if let Some(pattern) = &swept {
            removal.sweep(pattern);
        }
        self.each(swept.is_none(), |key| removal.add(key, |at| Some(at) != last));
        removal.flush();
        if last.is_some() {
            self.each(swept.is_none(), |key| removal.add(key, |at| Some(at) == last));
            removal.flush();
        }
        removal.failure.map_or(Ok(()), Err)
    }

    /// Names all that may be there, the entries only where they are to be found by their names.
    fn each(&self, entries: bool, mut tell: impl FnMut(StoredKey)) {
        let plan = self.plan;
        if plan.names.has_hashes() {
            return plan.hashes().into_iter().for_each(tell);
        }
        let entries = if entries { plan.keys } else { 0 };
        (0..entries).for_each(|key| tell(plan.names.of(Family::Entry, key, 0)));
        (0..plan.counters()).for_each(|key| tell(plan.names.of(Family::Counter, key, 0)));
        plan.names.tags().for_each(|(key, _)| tell(key));
    }
}

/// A deletion of many keys, batch by batch, each of which one server has: the loss of one keeps none from the others.
struct Removal<'a> {
    backend: &'a mut dyn Backend,
    shards: Option<&'a Shards>,
    parts: Vec<Part>,
    /// Why not all is deleted, at first.
    failure: Option<Error>,
}

/// What is to be deleted from one server next.
#[derive(Default)]
struct Part {
    keys: Vec<StoredKey>,
    lost: bool,
}

impl Removal<'_> {
    /// Takes in a key, where its server is one of those that are `wanted`.
    fn add(&mut self, key: StoredKey, wanted: impl FnOnce(usize) -> bool) {
        let at = self.shards.map_or(0, |shards| shards.of(&key.key));
        if wanted(at) {
            self.parts[at].keys.push(key);
            if self.parts[at].keys.len() == BATCH {
                self.delete(at);
            }
        }
    }

    fn sweep(&mut self, pattern: &Pattern) {
        let mut cursor = Some(Cursor::Start);
        while let Some(at) = cursor {
            cursor = match self.backend.scan(pattern, None, at) {
                Ok(page) => {
                    page.keys.into_iter().for_each(|key| self.add(key, |_| true));
                    self.flush();
                    page.next
                }
                Err(error) => {
                    self.failure.get_or_insert(error);
                    None
                }
            }
        }
    }

    fn flush(&mut self) {
        (0..self.parts.len()).for_each(|at| self.delete(at));
    }

    fn delete(&mut self, at: usize) {
        let Part { keys, lost } = &mut self.parts[at];
        let keys = mem::take(keys);
        if keys.is_empty() || *lost {
            return;
        }
        if let Err(error) = self.backend.delete_many(&keys) {
            *lost = true;
            self.failure.get_or_insert(error);
        }
    }
}
