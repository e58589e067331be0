//! A load generator: a plan in, a summary out.
//!
//! ```text
//! workload   what is asked for            schedule   when
//! wire       requests and replies         histogram  what was measured
//! poller     waiting for connections      engine     an event loop, for servers
//! worker     a thread a client, for all other stores
//! run        the threads, from start to end
//! compare    whether one set of runs is faster than another
//! sweep      the search for the highest rate that is borne
//! ```
//!
//! It touches only entries of its own, whose names begin with that of the run; each has a ttl, for when
//! nobody is left to delete them. What it measures is what a caller would have seen: in an open
//! loop latencies count from the time when a request was due.

pub mod compare;
mod engine;
mod histogram;
mod poller;
mod run;
mod schedule;
pub mod sweep;
mod wire;
mod worker;
mod workload;

use std::time::Duration;

pub use self::histogram::{Measured, Second, Tally};
pub use self::run::{Progress, run};
pub use self::schedule::{End, Pace};
pub use self::wire::{Names, Protocol};
use self::workload::Workload;
pub use self::workload::{Distribution, Mix, Operation, Sizes, Values};
use crate::backend::{Backend, Connect, Dial, Error};
use crate::entry::{Expiry, StoredKey};
use crate::interrupt::Interrupt;

/// Where the load goes.
pub enum Target<'a> {
    /// A server whose protocol is spoken here.
    Server(Protocol, &'a Dial),
    /// Any other store: one thread a client.
    Store(&'a Connect),
}

/// What a run is.
#[derive(Clone)]
pub struct Plan {
    /// Connections.
    pub clients: usize,
    /// Requests that a connection has in flight at most.
    pub pipeline: usize,
    /// Threads that share the connections to a server.
    pub threads: usize,
    /// What decides when requests are sent.
    pub pace: Pace,
    /// How long it goes on before it counts.
    pub warmup: Duration,
    /// When it is over.
    pub end: End,
    /// What is done how often.
    pub mix: Mix,
    /// How many keys there are.
    pub keys: u32,
    /// Which of them are asked for how often.
    pub distribution: Distribution,
    /// How large values are.
    pub sizes: Sizes,
    /// Their bytes.
    pub values: Values,
    /// What makes chance repeatable.
    pub seed: u64,
    /// How entries are called.
    pub names: Names,
    /// How long entries stay, if nobody deletes them.
    pub ttl_s: u64,
    /// How long to wait for a reply.
    pub timeout: Duration,
}

/// What a run has found.
#[derive(Clone, Default)]
pub struct Summary {
    /// What was measured.
    pub tally: Tally,
    /// From the end of the warm-up until the last reply.
    pub elapsed: Duration,
    /// Requests of an open loop that were due, and never sent: all connections were busy.
    pub unsent: u64,
    /// Requests that were sent, and never answered.
    pub unanswered: u64,
    /// The processor time of this process, the warm-up included.
    pub cpu: Duration,
    /// Why it ended early, if something failed.
    pub trouble: Option<String>,
    /// Whether somebody ended it.
    pub interrupted: bool,
}

impl Summary {
    /// Whether it went on for as long as it should.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.trouble.is_none() && !self.interrupted
    }
}

/// Entries that are written or deleted at once.
const BATCH: usize = 1000;

/// Bytes of values that are written at once, more or less.
const BATCH_BYTES: usize = 1 << 20;

impl Plan {
    /// What thread `nth` asks for.
    fn workload(&self, nth: usize) -> Workload {
        Workload::new(self.mix, self.keys, self.distribution, self.sizes.clone(), self.seed, nth)
    }

    fn expiry(&self) -> Expiry {
        Expiry::In(self.ttl_s.saturating_mul(1000))
    }

    /// Whether the load has this operation.
    #[must_use]
    pub fn has(&self, operation: Operation) -> bool {
        self.mix[operation as usize] > 0
    }

    /// Writes all entries, so that reads find them; counters start at 0. `told` hears how many there are.
    ///
    /// # Errors
    /// The backend's.
    pub fn preload(
        &self,
        backend: &mut dyn Backend,
        interrupt: &Interrupt,
        mut told: impl FnMut(u64),
    ) -> Result<(), Error> {
        // Another chance than that of any thread.
        let mut workload = self.workload(usize::MAX);
        let (mut writes, mut bytes) = (Vec::new(), 0);
        for key in 0..self.keys {
            let job = workload.preload(key);
            let (name, value) = (StoredKey::new(self.names.of(key, false)), self.values.of(&job));
            bytes += value.len();
            writes.push(worker::write(name, value, self.expiry()));
            if writes.len() == BATCH || bytes > BATCH_BYTES || key + 1 == self.keys {
                if interrupt.is_set() {
                    return Ok(());
                }
                backend.set_many(&writes)?;
                (writes, bytes) = (Vec::new(), 0);
                told(u64::from(key) + 1);
            }
        }
        Ok(())
    }

    /// Writes the counters, each with its ttl: one that the load made would have none.
    ///
    /// # Errors
    /// The backend's.
    pub fn preload_counters(&self, backend: &mut dyn Backend, interrupt: &Interrupt) -> Result<(), Error> {
        let keys: Vec<u32> = (0..self.keys).collect();
        for keys in keys.chunks(BATCH).take_while(|_| !interrupt.is_set()) {
            let name = |key: &u32| StoredKey::new(self.names.of(*key, true));
            let writes: Vec<_> = keys.iter().map(|key| worker::write(name(key), b"0", self.expiry())).collect();
            backend.set_many(&writes)?;
        }
        Ok(())
    }

    /// Deletes all entries that the run may have written; how many there were.
    ///
    /// # Errors
    /// The backend's.
    pub fn remove(&self, backend: &mut dyn Backend) -> Result<u64, Error> {
        let mut count = 0;
        let keys: Vec<u32> = (0..self.keys).collect();
        for counter in [false, true] {
            if counter && !self.has(Operation::Incr) {
                continue;
            }
            for keys in keys.chunks(BATCH) {
                let names: Vec<StoredKey> =
                    keys.iter().map(|key| StoredKey::new(self.names.of(*key, counter))).collect();
                count += backend.delete_many(&names)?.iter().filter(|deleted| **deleted).count() as u64;
            }
        }
        Ok(count)
    }
}
