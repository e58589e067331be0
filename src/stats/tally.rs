//! What is counted of the entries that have one name: how many, how large, how long they stay.

use super::quantiles::{Sizes, Times};
use crate::entry::Ttl;

/// What is counted of one entry.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Its weight in bytes.
    pub size: Option<u64>,
    /// How long it will stay.
    pub ttl: Option<Ttl>,
    /// Seconds since it was last used.
    pub idle_s: Option<u64>,
}

/// Entries, counted.
#[derive(Clone, Default)]
pub struct Tally {
    pub entries: u64,
    /// The sum of the sizes, and of their squares: what the variance of a sample is made of.
    pub bytes: u64,
    pub squares: f64,
    /// How many told whether they expire, and how many of them do not.
    pub timed: u64,
    pub never: u64,
    pub sizes: Sizes,
    pub ttls_ms: Times,
    pub idles_s: Times,
}

impl Tally {
    /// Takes in one more.
    pub fn add(&mut self, sample: &Sample) {
        self.entries += 1;
        if let Some(size) = sample.size {
            self.bytes = self.bytes.saturating_add(size);
            self.squares += size as f64 * size as f64;
            self.sizes.add(size);
        }
        match sample.ttl {
            Some(Ttl::Left(ms)) => {
                self.timed += 1;
                self.ttls_ms.add(ms);
            }
            Some(Ttl::Never) => {
                self.timed += 1;
                self.never += 1;
            }
            Some(Ttl::Unknown) | None => {}
        }
        if let Some(idle_s) = sample.idle_s {
            self.idles_s.add(idle_s);
        }
    }

    /// Takes in all of `other`.
    pub fn merge(&mut self, other: Tally) {
        self.entries += other.entries;
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.squares += other.squares;
        self.timed += other.timed;
        self.never += other.never;
        self.sizes.merge(other.sizes);
        self.ttls_ms.merge(other.ttls_ms);
        self.idles_s.merge(other.idles_s);
    }

    /// What it weighs beside others.
    pub fn weight(&self) -> Weight {
        Weight { bytes: self.bytes, entries: self.entries }
    }

    /// Bytes that it takes beside itself.
    pub fn footprint(&self) -> usize {
        self.sizes.footprint() + self.ttls_ms.footprint() + self.idles_s.footprint()
    }
}

/// How heavy a name is: by bytes where sizes are told, for all are 0 where none is, then by entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weight {
    pub bytes: u64,
    pub entries: u64,
}

impl Weight {
    pub fn plus(self, other: Weight) -> Weight {
        Weight { bytes: self.bytes.saturating_add(other.bytes), entries: self.entries + other.entries }
    }

    /// The larger of each, and not of the two.
    pub fn bound(self, other: Weight) -> Weight {
        Weight { bytes: self.bytes.max(other.bytes), entries: self.entries.max(other.entries) }
    }

    /// In bytes if `measured`, else in entries.
    pub fn by(self, measured: bool) -> u64 {
        if measured { self.bytes } else { self.entries }
    }
}
