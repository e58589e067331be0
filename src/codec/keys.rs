//! The map keys of one document: equal ones share a span, so that a map that repeats one is noticed.
//!
//! CPython's JSON scanner keeps each key once a document, which its pickler's memo can tell, so the
//! span must be shared. The table holds numbers only and looks at text where it stands: a document
//! of nothing but keys costs 24 bytes a key. The hash is seeded, so that no document can be made
//! to collide. It knows no format.

use std::cell::Cell;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;

use super::cursor::is_same;
use crate::value::draft::Draft;
use crate::value::{Id, Node, Span, Value, spare};

/// The keys seen so far.
pub struct Keys {
    seed: RandomState,
    known: Vec<Known>,
    /// Open addressing, a power of two long, at most half full: 0, or the number of a key + 1.
    table: Vec<u32>,
    /// The key that was added last: documents repeat their keys in turn, and most lookups end at
    /// the one that followed it before.
    last: usize,
    /// That one.
    guess: usize,
}

struct Known {
    span: Span,
    hash: u32,
    /// The number of the key that followed it last.
    next: u32,
}

thread_local! {
    static KNOWN: Cell<Vec<Known>> = const { Cell::new(Vec::new()) };
    static TABLE: Cell<Vec<u32>> = const { Cell::new(Vec::new()) };
}

impl Default for Keys {
    fn default() -> Keys {
        let (known, table) = (spare::take(&KNOWN), spare::take(&TABLE));
        Keys { seed: RandomState::default(), known, table, last: 0, guess: 0 }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        spare::keep(&KNOWN, std::mem::take(&mut self.known));
        spare::keep(&TABLE, std::mem::take(&mut self.table));
    }
}

impl Keys {
    /// The span of the key with this text, when it is the one that followed the last key before.
    #[inline(always)]
    pub fn again(&mut self, draft: &Draft<'_>, text: &[u8]) -> Option<Span> {
        let known = self.known.get(self.guess)?;
        if !is_same(draft.text(known.span), text) {
            return None;
        }
        (self.last, self.guess) = (self.guess, known.next as usize);
        Some(known.span)
    }

    /// The span of the first key that is equal to this one: `span` itself where there was none.
    #[inline]
    pub fn add(&mut self, draft: &Draft<'_>, span: Span) -> Span {
        let text = draft.text(span);
        match self.again(draft, text) {
            Some(span) => span,
            None => self.find(draft, span, text),
        }
    }

    fn find(&mut self, draft: &Draft<'_>, span: Span, text: &[u8]) -> Span {
        let number = self.number(draft, span, text);
        self.known[self.last].next = number;
        let Known { span, next, .. } = self.known[number as usize];
        (self.last, self.guess) = (number as usize, next as usize);
        span
    }

    fn number(&mut self, draft: &Draft<'_>, span: Span, text: &[u8]) -> u32 {
        if 2 * self.known.len() >= self.table.len() {
            self.grow();
        }
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
        self.known.push(Known { span, hash, next: 0 });
        self.table[slot] = number + 1;
        number
    }

    fn slot(&self, hash: u32) -> usize {
        hash as usize & (self.table.len() - 1)
    }

    fn grow(&mut self) {
        let slots = (2 * self.table.len()).max(64);
        self.table.clear();
        self.table.resize(slots, 0);
        self.known.reserve(self.table.len() / 2 - self.known.len());
        for (hash, number) in self.known.iter().map(|known| known.hash).zip(1..) {
            let mut slot = self.slot(hash);
            while self.table[slot] != 0 {
                slot = (slot + 1) & (self.table.len() - 1);
            }
            self.table[slot] = number;
        }
    }
}

/// Keys that are looked at each beside each other.
const BESIDE_MAX: usize = 32;

/// Whether the keys of `pairs` are texts that [`Keys`] has told to be each another one. Of more than
/// a few that are out of the order in which they were met first, it cannot tell.
#[must_use]
pub fn are_distinct(pairs: &[Node]) -> bool {
    let key = |pair: &[Node]| match pair[0] {
        Node::Str(span) => Some(span.start),
        _ => None,
    };
    let mut last = None;
    let is_later = |pair: &[Node]| {
        let before = std::mem::replace(&mut last, key(pair));
        last > before
    };
    if pairs.chunks_exact(2).all(is_later) {
        return true;
    }
    let is_new = |(index, pair): (usize, &[Node])| {
        key(pair).is_some() && pairs.chunks_exact(2).take(index).all(|other| key(other) != key(pair))
    };
    pairs.len() <= 2 * BESIDE_MAX && pairs.chunks_exact(2).enumerate().all(is_new)
}

/// Keeps the last of equal keys in each of `maps`, as Python does, and notes how many others there were.
pub fn drop_repeated(maps: &[Id], value: &mut Value, notes: &mut Vec<String>) {
    if maps.is_empty() {
        return;
    }
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
    fn equal_keys_share_a_span() {
        let text: Vec<u8> = (0..5000).chain(0..5000).flat_map(|n| format!("{n:04}").into_bytes()).collect();
        let draft = Draft::new(&text);
        let span = |n: usize| Draft::span(4 * n, 4 * n + 4);
        let mut keys = Keys::default();
        for n in 0..5000 {
            assert_eq!(keys.add(&draft, span(n)), span(n));
        }
        for n in (0..5000).chain((0..5000).rev()) {
            assert_eq!(keys.add(&draft, span(5000 + n)), span(n));
        }
        assert_eq!(keys.again(&draft, b"0002"), None);
        for n in [0, 1, 0] {
            keys.add(&draft, span(n));
        }
        assert_eq!(keys.again(&draft, b"0001"), Some(span(1)));
    }

    #[test]
    fn keys_out_of_order_are_told_apart_if_they_are_few() {
        let check = |starts: &[usize], expected: bool| {
            let pairs: Vec<Node> =
                starts.iter().flat_map(|at| [Node::Str(Draft::span(*at, at + 1)), Node::None]).collect();
            assert_eq!(are_distinct(&pairs), expected, "{starts:?}");
        };
        check(&[], true);
        check(&[0], true);
        check(&[1, 5, 8], true);
        check(&[8, 1, 5], true);
        check(&[1, 1], false);
        check(&[1, 5, 1], false);
        check(&[5, 1, 5], false);
        check(&(0..500).collect::<Vec<_>>(), true);
        check(&(0..500).rev().collect::<Vec<_>>(), false);
        assert!(!are_distinct(&[Node::Int(1), Node::None]));
        assert!(!are_distinct(&[Node::Str(Draft::span(0, 1)), Node::None, Node::Int(1), Node::None]));
    }
}
