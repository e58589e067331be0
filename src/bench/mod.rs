//! A load generator: a plan in, a summary out.
//!
//! ```text
//! workload   what is asked for            schedule   when
//! names      how entries are called   coding     what values cost the client
//! wire       requests and replies         histogram  what was measured
//! poller     waiting for connections      engine     an event loop, for servers
//! connection what is in flight on one     routes     which of the servers has what
//! worker     a thread a client, for all other stores
//! run        the threads, from start to end
//! entries    what is written before and deleted after
//! compare    whether one set of runs is faster than another
//! sweep      the search for the highest rate that is borne
//! ```
//!
//! It touches only entries of its own, whose names begin with that of the run; each has a ttl, for when
//! nobody is left to delete them. What it measures is what a caller would have seen: in an open
//! loop latencies count from the time when a request was due.

mod coding;
pub mod compare;
mod connection;
mod engine;
mod entries;
mod histogram;
mod names;
mod poller;
mod routes;
mod run;
mod schedule;
pub mod sweep;
mod wire;
mod worker;
mod workload;

use std::time::Duration;

pub use self::coding::Coding;
pub use self::entries::Entries;
pub use self::histogram::{Measured, Second, Tally};
pub use self::names::{Family, Names};
pub use self::run::{Progress, reach, run};
pub use self::schedule::{End, Pace};
pub use self::wire::Protocol;
use self::workload::Workload;
pub use self::workload::{Distribution, Mix, Operation, Sizes, Values};
use crate::backend::net::Place;
use crate::backend::{Connect, Dial};
use crate::entry::{Expiry, StoredKey};

/// Where the load goes.
pub enum Target<'a> {
    /// A server whose protocol is spoken here.
    Server(Protocol, &'a dyn Dial),
    /// Any other store: one thread a client.
    Store(&'a Connect),
}

/// What a run is.
#[derive(Clone)]
pub struct Plan {
    /// Clients, each with a connection to the server, or to each primary of a cluster.
    pub clients: usize,
    /// Requests that a client has in flight at most.
    pub pipeline: usize,
    /// Threads that share the clients of a server.
    pub threads: usize,
    /// What decides when requests are sent.
    pub pace: Pace,
    /// How long it goes on before it counts.
    pub warmup: Duration,
    /// When it is over.
    pub end: End,
    /// What is done how often.
    pub mix: Mix,
    /// Which share of the reads is for entries that are there, where it is not all of them.
    pub hit_rate: Option<f64>,
    /// How long a client takes to make the value of an entry that it has not found, before it writes it; where
    /// clients do so.
    pub cache_aside: Option<Duration>,
    /// How many keys there are.
    pub keys: u32,
    /// Which of them are asked for how often.
    pub distribution: Distribution,
    /// How large values are.
    pub sizes: Sizes,
    /// How much of each is always the same.
    pub compressible: f64,
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
    /// How values are encoded and decoded, where that is measured too.
    pub coding: Option<Coding>,
}

/// What a run has found.
#[derive(Clone, Default)]
pub struct Summary {
    /// What was measured.
    pub tally: Tally,
    /// From the end of the warm-up until the last reply.
    pub elapsed: Duration,
    /// Requests that were sent because it was time to, or an answer had come: not those that wrote what others had
    /// missed.
    pub sent: u64,
    /// Requests of an open loop that were due, and never sent: all connections were busy.
    pub unsent: u64,
    /// Requests that were sent, and never answered.
    pub unanswered: u64,
    /// The processor time of this process, the warm-up included.
    pub cpu: Duration,
    /// Of a cluster, how many primaries had the data when it began.
    pub primaries: Option<usize>,
    /// The server that was lost, if one was.
    pub lost: Option<Place>,
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

impl Plan {
    /// What thread `nth` asks for.
    fn workload(&self, nth: usize) -> Workload {
        Workload::new(self.mix, self.keys, self.distribution, self.sizes.clone(), self.seed, nth)
            .hitting(self.hit_rate)
            .tagged(self.names.generations().cloned())
    }

    fn expiry(&self) -> Expiry {
        Expiry::In(self.ttl_s.saturating_mul(1000))
    }

    /// The tag that the store itself keeps with an entry, where it does.
    fn own_tag(&self, key: u32) -> Option<String> {
        self.names.tag(key).filter(|_| self.names.generations().is_none())
    }

    /// Whether the load has this operation.
    #[must_use]
    pub fn has(&self, operation: Operation) -> bool {
        self.mix[operation as usize] > 0
    }

    /// How many counters there are.
    fn counters(&self) -> u32 {
        if self.has(Operation::Incr) { self.keys } else { 0 }
    }

    /// The Redis hashes that entries are in, where they are in any.
    fn hashes(&self) -> Vec<StoredKey> {
        if !self.names.has_hashes() {
            return Vec::new();
        }
        let all = |family| (0..self.keys).filter_map(move |key| self.names.listed(family, key, 0));
        let mut keys: Vec<Vec<u8>> =
            all(Family::Entry).chain(all(Family::Counter)).map(|stored| stored.key.clone()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(StoredKey::new).collect()
    }
}
