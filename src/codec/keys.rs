//! The map keys of one document: equal ones share a span, and a map that repeats one is noticed.
//!
//! CPython's JSON scanner keeps each key once a document, which its pickler's memo can tell, so the
//! span must be shared. The table holds numbers only and looks at text where it stands: a document
//! of nothing but keys costs 20 bytes a key. The hash is seeded, so that no document can be made
//! to collide. It knows no format.

use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

use super::cursor::is_same;
use crate::value::draft::Draft;
use crate::value::{Id, Span, Value};

/// The keys seen so far, and those of the maps that are open.
pub struct Keys {
    seed: RandomState,
    known: Vec<Known>,
    /// Open addressing, a power of two long, at most half full: 0, or the number of a key + 1.
    table: Vec<u32>,
    /// The key that was added last: documents repeat their keys in turn, and most lookups end at
    /// the one that followed it before.
    last: usize,
    /// The keys of all open maps.
    open: Vec<u32>,
    maps: u32,
}

struct Known {
    span: Span,
    hash: u32,
    /// The number of the map that was closed with it last.
    map: u32,
    /// The key that followed it last.
    next: u32,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { seed: RandomState::default(), known: Vec::new(), table: vec![0; 64], last: 0, open: Vec::new(), maps: 0 }
    }
}

impl Keys {
    /// Adds a key to the innermost open map. Returns the span of the first equal key, which is
    /// `span` itself where there was none.
    #[inline]
    pub fn add(&mut self, draft: &Draft<'_>, span: Span) -> Span {
        let text = draft.text(span);
        let guess = self.known.get(self.last).map_or(0, |last| last.next);
        let number = match self.known.get(guess as usize) {
            Some(known) if is_same(draft.text(known.span), text) => guess,
            _ => self.find(draft, span, text),
        };
        self.known[self.last].next = number;
        self.last = number as usize;
        self.open.push(number);
        self.known[number as usize].span
    }

    /// Where the keys of a map that is opened now will start.
    #[inline]
    #[must_use]
    pub fn start(&self) -> usize {
        self.open.len()
    }

    /// Closes the map whose keys start at `start`. Returns whether it has equal keys.
    #[inline]
    pub fn close(&mut self, start: usize) -> bool {
        self.maps += 1;
        let mut repeated = false;
        for number in self.open.drain(start..) {
            let known = &mut self.known[number as usize];
            repeated |= known.map == self.maps;
            known.map = self.maps;
        }
        repeated
    }

    fn find(&mut self, draft: &Draft<'_>, span: Span, text: &[u8]) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "half of the hash is enough for 2^31 keys")]
        let hash = self.seed.hash_one(text) as u32;
        let mut slot = self.slot(hash);
        while let Some(number) = self.table[slot].checked_sub(1) {
            let known = &self.known[number as usize];
            if known.hash == hash && is_same(draft.text(known.span), text) {
                return number;
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
        let number = u32::try_from(self.known.len()).expect("nodes are limited below 32 bits");
        self.known.push(Known { span, hash, map: 0, next: 0 });
        self.table[slot] = number + 1;
        if 2 * self.known.len() > self.table.len() {
            self.grow();
        }
        number
    }

    fn slot(&self, hash: u32) -> usize {
        hash as usize & (self.table.len() - 1)
    }

    fn grow(&mut self) {
        self.table = vec![0; 2 * self.table.len()];
        for (hash, number) in self.known.iter().map(|known| known.hash).zip(1..) {
            let mut slot = self.slot(hash);
            while self.table[slot] != 0 {
                slot = (slot + 1) & (self.table.len() - 1);
            }
            self.table[slot] = number;
        }
    }
}

/// Keeps the last of equal keys in each of `maps`, as Python does, and notes how many others there were.
pub fn drop_repeated(maps: &[Id], value: &mut Value, notes: &mut Vec<String>) {
    let equals = value.equals(maps, &[]);
    let dropped: usize = maps.iter().map(|id| value.dedupe(*id, &equals)).sum();
    if dropped > 0 {
        notes.push(format!("{dropped} repeated keys: the last of equal keys wins, as in Python"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_share_a_span_and_repeats_are_seen() {
        let text: Vec<u8> = (0..5000).chain(0..5000).flat_map(|n| format!("{n:04}").into_bytes()).collect();
        let draft = Draft::new(&text);
        let span = |n: usize| Draft::span(4 * n, 4 * n + 4);
        let mut keys = Keys::default();
        for n in 0..5000 {
            assert_eq!(keys.add(&draft, span(n)), span(n));
        }
        let inner = keys.start();
        for n in 0..5000 {
            assert_eq!(keys.add(&draft, span(5000 + n)), span(n));
        }
        assert!(!keys.close(inner), "the inner map has each key once");
        keys.add(&draft, span(5000));
        assert!(keys.close(0), "the outer map has `0000` twice");
        keys.add(&draft, span(1));
        assert!(!keys.close(0));
    }
}
