//! Which dicts cannot have equal keys, told while they are filled.
//!
//! Most dicts of a cache are records: a few short texts for keys, the same ones in dict after dict.
//! The pickler's memo makes equal keys one span, so that a record that was looked through once is
//! known again by numbers alone. All other dicts are left to a closer look.

use std::num::NonZeroU8;

use crate::value::draft::Draft;
use crate::value::{Id, Node};

/// Keys in a record at most, and the bytes of each.
const KEYS_MAX: usize = 32;
const TEXT_MAX: usize = 64;

/// The records that were met last.
#[derive(Default)]
pub(super) struct Records {
    /// By where the first key stands: a dict, and how many of its first nodes were looked through.
    seen: [Option<(Id, NonZeroU8)>; 32],
}

impl Records {
    /// Whether the keys of `pairs` are plainly each another one; they are all that the dict `id` has
    /// or is about to get.
    pub(super) fn has(&mut self, draft: &Draft<'_>, id: Id, pairs: &[Node]) -> bool {
        let [Node::Str(first), ..] = pairs else { return pairs.is_empty() };
        let seen = &mut self.seen[first.start as usize % 32];
        if let Some((known, len)) = *seen
            && pairs.len() <= usize::from(len.get())
            && same_keys(pairs, draft.value.members(known))
        {
            return true;
        }
        if pairs.len() > 2 * KEYS_MAX || !are_distinct(draft, pairs) {
            return false;
        }
        *seen = u8::try_from(pairs.len()).ok().and_then(NonZeroU8::new).map(|len| (id, len));
        true
    }
}

/// Whether each key is the text at the same place of the other dict.
fn same_keys(pairs: &[Node], others: &[Node]) -> bool {
    let mut both = pairs.as_chunks::<2>().0.iter().zip(others.as_chunks::<2>().0);
    both.all(|([one, _], [other, _])| matches!((one, other), (Node::Str(one), Node::Str(other)) if one == other))
}

/// Whether all keys are short texts, each another one.
fn are_distinct(draft: &Draft<'_>, pairs: &[Node]) -> bool {
    // A bit a key, by its length and its ends: only keys of the same bit need be compared.
    let mut marks = 0_u64;
    for (index, [key, _]) in pairs.as_chunks::<2>().0.iter().enumerate() {
        let Node::Str(span) = *key else { return false };
        let text = draft.text(span);
        let (Some(first), Some(last)) = (text.first(), text.last()) else { return false };
        let mark = 1 << ((text.len() + 5 * usize::from(*first) + 11 * usize::from(*last)) % 64);
        let differs = |other: &Node| matches!(*other, Node::Str(other) if draft.text(other) != text);
        if text.len() > TEXT_MAX || marks & mark != 0 && !pairs.iter().step_by(2).take(index).all(differs) {
            return false;
        }
        marks |= mark;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_known_again_and_equal_keys_are_not_one() {
        let text = b"abababa";
        let mut draft = Draft::new(text);
        let mut records = Records::default();
        let keys = |places: &[usize]| -> Vec<Node> {
            places.iter().flat_map(|at| [Node::Str(Draft::span(*at, at + 1)), Node::None]).collect()
        };
        let mut check = |places: &[usize], expected: bool| {
            let pairs = keys(places);
            let id = draft.value.container(&pairs);
            assert_eq!(records.has(&draft, id, &pairs), expected, "{places:?}");
        };
        check(&[], true);
        check(&[0, 1], true);
        check(&[0, 1], true);
        check(&[0], true);
        check(&[0, 3], true);
        check(&[0, 2], false);
        check(&[0, 0], false);
        check(&[0, 1, 0], false);
        check(&[1, 3], false);
    }

    #[test]
    fn a_record_that_grew_is_known_by_its_first_keys_only() {
        let mut draft = Draft::new(b"ab");
        let mut records = Records::default();
        let [a, b] = [0, 1].map(|at| Node::Str(Draft::span(at, at + 1)));
        let id = draft.value.container(&[a, b, b, a]);
        assert!(records.has(&draft, id, &[a, b, b, a]));
        draft.value.extend(id, &[a, b]);
        assert!(!records.has(&draft, id, &[a, b, b, a, a, b]));
    }

    #[test]
    fn other_keys_are_left_to_a_closer_look() {
        let text = [b'x'; 100];
        let mut draft = Draft::new(&text);
        let mut records = Records::default();
        let long = Node::Str(Draft::span(0, 100));
        for key in [Node::Int(1), Node::Bytes(Draft::span(0, 1)), long] {
            let id = draft.value.container(&[key, key]);
            assert!(!records.has(&draft, id, &[key, key]));
        }
    }
}
