//! The so many entries that have the most of something.

use std::cmp::Reverse;

use crate::backend::survey::Observation;
use crate::entry::Ttl;

/// Of a key no more bytes are kept: a key can have 512 MiB.
const KEY_MOST: usize = 4096;

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its first 4,096 bytes.
    pub key: Vec<u8>,
    /// How many it has.
    pub key_bytes: usize,
    /// As [`Observation::kind`].
    pub kind: Option<String>,
    /// Its weight in bytes.
    pub size: Option<u64>,
    /// How long it will stay.
    pub ttl: Option<Ttl>,
    /// Seconds since it was last used.
    pub idle_s: Option<u64>,
    /// How often it is used, as the server counts.
    pub frequency: Option<u64>,
}

/// The entries that scored the most.
pub struct Top {
    most: usize,
    /// The most first. Few are ever put in: a keyspace in random order puts in `most` · ln(entries).
    entries: Vec<(Score, Listed)>,
}

/// The score, and of equal scores the size, and of equal sizes who came first.
type Score = (u64, u64, Reverse<u64>);

impl Top {
    /// At most so many.
    pub fn new(most: usize) -> Top {
        Top { most, entries: Vec::new() }
    }

    /// Takes in an entry, the `nth` that came.
    pub fn add(&mut self, score: u64, size: Option<u64>, nth: u64, seen: &Observation) {
        let score = (score, size.unwrap_or(0), Reverse(nth));
        let full = self.entries.len() >= self.most;
        if full && self.entries.last().is_none_or(|(least, _)| score < *least) {
            return;
        }
        let (key, key_bytes) = (&seen.key[..seen.key.len().min(KEY_MOST)], seen.key.len());
        // A scan may show an entry twice, and one that was sampled may come again.
        if self.entries.iter().any(|(_, listed)| listed.key_bytes == key_bytes && listed.key == key) {
            return;
        }
        let (key, kind) = (key.to_vec(), seen.kind.map(str::to_owned));
        let Observation { ttl, idle_s, frequency, .. } = *seen;
        let listed = Listed { key, key_bytes, kind, size, ttl, idle_s, frequency };
        let place = self.entries.partition_point(|(other, _)| *other > score);
        self.entries.insert(place, (score, listed));
        self.entries.truncate(self.most);
    }

    /// The most first.
    pub fn finish(self) -> Vec<Listed> {
        self.entries.into_iter().map(|(_, listed)| listed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of the list of `most` from entries of one letter, whose score is their place in `alphabet`.
    fn check(most: usize, keys: &str, expected: &str) {
        let mut top = Top::new(most);
        for (nth, key) in keys.as_bytes().iter().enumerate() {
            let seen = Observation { key: std::slice::from_ref(key), ..Observation::default() };
            top.add(u64::from(key.to_ascii_lowercase()), None, nth as u64, &seen);
        }
        let listed: Vec<u8> = top.finish().into_iter().flat_map(|listed| listed.key).collect();
        assert_eq!(String::from_utf8(listed).unwrap(), expected, "{most} of {keys}");
    }

    #[test]
    fn the_most_come_first_once_and_no_more_than_asked_for() {
        check(3, "", "");
        check(0, "abc", "");
        check(3, "b", "b");
        check(3, "abcdef", "fed");
        check(3, "fedcba", "fed");
        check(3, "bdacbdacbdac", "dcb");
        // Of equal ones those that came first.
        check(2, "aAbB", "bB");
        check(3, "aAbB", "bBa");
    }

    #[test]
    fn equal_scores_are_told_apart_by_size() {
        let mut top = Top::new(1);
        for (nth, size) in [3, 9, 5].into_iter().enumerate() {
            let key = [size as u8];
            top.add(7, Some(size), nth as u64, &Observation { key: &key, ..Observation::default() });
        }
        assert_eq!(top.finish()[0].size, Some(9));
    }

    #[test]
    fn of_a_long_key_the_beginning_is_kept() {
        let key = vec![0xff; KEY_MOST + 10];
        let mut top = Top::new(2);
        top.add(1, None, 0, &Observation { key: &key, ..Observation::default() });
        // Another, as far as is kept; the length tells them apart.
        top.add(1, None, 1, &Observation { key: &key[1..], ..Observation::default() });
        let listed = top.finish();
        let told: Vec<_> = listed.iter().map(|listed| (listed.key.len(), listed.key_bytes)).collect();
        assert_eq!(told, [(KEY_MOST, KEY_MOST + 10), (KEY_MOST, KEY_MOST + 9)]);
    }
}
