//! Counts entries, in one pass, for every table at once.

use super::codecs::{Codecs, Decoded};
use super::estimate::Population;
use super::histogram;
use super::prefixes::Prefixes;
use super::report::{Counts, Report};
use super::tallies::Tallies;
use super::tally::Sample;
use super::top::Top;
use crate::backend::survey::Observation;
use crate::entry::{Ttl, unit};

/// Names of layouts and of types, and the bytes that their quantiles may take.
const GROUPS_MOST: (usize, usize) = (1000, 2 << 20);
const TYPES_MOST: (usize, usize) = (250, 1 << 20);

/// What a census is to find out.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// At which bytes prefixes end; `None`: the one that most of the first keys have.
    pub separators: Option<Vec<u8>>,
    /// How many segments a prefix has; `None`: as many as tell something.
    pub depth: Option<usize>,
    /// How many segments are left out before.
    pub skip: usize,
    /// How many rows a table has, without the one of all others.
    pub rows: usize,
    /// How many of the biggest entries are listed.
    pub top: usize,
    /// How many of the biggest of those that never expire.
    pub never: usize,
    /// How many of the most often used.
    pub hot: usize,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { separators: None, depth: None, skip: 0, rows: 20, top: 0, never: 0, hot: 0 }
    }
}

/// Entries, counted.
pub struct Census {
    rows: usize,
    counts: Counts,
}

impl Census {
    /// Nothing yet.
    pub fn new(wanted: Wanted) -> Census {
        let Wanted { separators, depth, skip, rows, top, never, hot } = wanted;
        let counts = Counts {
            entries: 0,
            left_out: 0,
            single: 0,
            by_memory: 0,
            by_length: 0,
            prefixes: Prefixes::new(separators, depth, skip),
            groups: Tallies::new(GROUPS_MOST.0, GROUPS_MOST.1),
            types: Tallies::new(TYPES_MOST.0, TYPES_MOST.1),
            codecs: Codecs::default(),
            sizes: histogram::Sizes::new(),
            ttls: histogram::Times::default(),
            idles: histogram::Times::default(),
            biggest: Top::new(top),
            never: Top::new(never),
            hottest: Top::new(hot),
        };
        Census { rows, counts }
    }

    /// Counts an entry: under its `group` where it has one, and as what its value turned out to be
    /// where that was looked into.
    pub fn add(&mut self, seen: &Observation, group: Option<&str>, decoded: Option<&Decoded>) {
        let counts = &mut self.counts;
        let nth = counts.entries;
        counts.entries += 1;
        let single = seen.kind.is_none_or(|kind| unit(kind) == "bytes");
        let length = seen.length.filter(|_| single);
        let size = seen.memory.or(length);
        counts.single += u64::from(single);
        counts.by_memory += u64::from(seen.memory.is_some());
        counts.by_length += u64::from(seen.memory.is_none() && length.is_some());

        let sample = Sample { size, ttl: seen.ttl, idle_s: seen.idle_s };
        counts.prefixes.add(seen.key, &sample);
        if let Some(group) = group {
            counts.groups.add(group.as_bytes(), &[group.len()], &sample);
        }
        if let Some(kind) = seen.kind {
            counts.types.add(kind.as_bytes(), &[kind.len()], &sample);
        }
        if let Some(decoded) = decoded {
            counts.codecs.add(decoded, &sample);
        }

        if let Some(size) = size {
            counts.sizes.add(size);
            counts.biggest.add(size, Some(size), nth, seen);
        }
        match seen.ttl {
            Some(Ttl::Left(ms)) => counts.ttls.add(ms),
            Some(Ttl::Never) => counts.never.add(size.unwrap_or(0), size, nth, seen),
            Some(Ttl::Unknown) | None => {}
        }
        if let Some(idle_s) = seen.idle_s {
            counts.idles.add(idle_s.saturating_mul(1000));
        }
        if let Some(frequency) = seen.frequency {
            counts.hottest.add(frequency, size, nth, seen);
        }
    }

    /// So many more were drawn that nobody asks about: their names do not match.
    pub fn leave_out(&mut self, count: u64) {
        self.counts.left_out += count;
    }

    /// What came out, where the entries that were counted are all of `population`, or some.
    pub fn report(self, population: Population) -> Report {
        Report::new(self.counts, population, self.rows)
    }
}
