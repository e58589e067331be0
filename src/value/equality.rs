//! When two values are equal: as a write must keep them, and as Python compares the keys of a dict.
//!
//! The one tells lists from tuples and looks at sharing and cycles; to the other 1 and True are the
//! same. It knows no notation and no format.

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::mem::{Discriminant, discriminant};

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashSet};

use super::{Id, Identity, Members, Node, Span, Step, Value, scalar, to_u32};

impl Value {
    /// Whether two values are equal, of the same types, and shared and cyclic in the same places.
    /// Order counts in dicts and sets too: a write keeps it.
    #[must_use]
    pub fn same(&self, other: &Value) -> bool {
        let mut twins: HashMap<Identity, Identity> = HashMap::default();
        let mut taken: HashSet<Identity> = HashSet::default();
        let mut stack = vec![(self.root, other.root)];
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        while let Some((a, b)) = stack.pop() {
            match (Identity::of(a), Identity::of(b)) {
                _ if self.is_empty_tuple(a) && other.is_empty_tuple(b) => continue,
                (Some(x), Some(y)) => match twins.get(&x) {
                    Some(twin) if *twin == y => continue,
                    Some(_) => return false,
                    None if !taken.insert(y) => return false,
                    None => {
                        twins.insert(x, y);
                    }
                },
                (None, None) => {}
                _ => return false,
            }
            if !self.same_here(a, other, b) {
                return false;
            }
            mine.clear();
            theirs.clear();
            self.children(a, &mut mine);
            other.children(b, &mut theirs);
            if mine.len() != theirs.len() {
                return false;
            }
            stack.extend(mine.iter().copied().zip(theirs.iter().copied()));
        }
        true
    }

    /// Whether two nodes are equal but for what is inside them.
    fn same_here(&self, a: Node, other: &Value, b: Node) -> bool {
        match (a, b) {
            (Node::Float(x), Node::Float(y)) => x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()),
            (Node::Str(x), Node::Str(y))
            | (Node::Bytes(x), Node::Bytes(y))
            | (Node::ByteArray(x), Node::ByteArray(y))
            | (Node::Big(x), Node::Big(y)) => self.text(x) == other.text(y),
            (Node::Ext(m, x), Node::Ext(n, y)) => m == n && self.text(x) == other.text(y),
            (Node::Global(x), Node::Global(y)) => {
                self.global(x) == other.global(y) && self.is_flat(x) == other.is_flat(y)
            }
            (Node::Object(x), Node::Object(y)) => {
                let (x, y) = (self.object(x), other.object(y));
                let alike = |(a, b): (&Step, &Step)| match (*a, *b) {
                    (Step::State(_), Step::State(_)) | (Step::Call(..), Step::Call(..)) => true,
                    (Step::Extend(a), Step::Extend(b))
                    | (Step::Items(a), Step::Items(b))
                    | (Step::Add(a), Step::Add(b)) => self.members(a).len() == other.members(b).len(),
                    _ => false,
                };
                x.how == y.how && x.steps.len() == y.steps.len() && x.steps.iter().zip(&y.steps).all(alike)
            }
            _ if Identity::of(a).is_some() => discriminant(&a) == discriminant(&b),
            _ => a == b,
        }
    }

    /// Which tuples and frozensets among the keys of these dicts and the members of these sets are
    /// equal. Each part is looked at once, however often it is shared.
    #[must_use]
    pub fn equals(&self, dicts: &[Id], sets: &[Id]) -> Equals {
        let mut classes =
            Classes { value: self, of_key: HashMap::default(), of_text: HashMap::default(), equals: Equals::default() };
        let keys = dicts.iter().flat_map(|id| self.members(*id).iter().step_by(2));
        for node in keys.chain(sets.iter().flat_map(|id| self.members(*id))) {
            classes.add(*node);
        }
        classes.equals
    }

    /// Keeps the last of the members of a dict that have equal keys, in the place of the first, as
    /// Python does. Returns how many were dropped.
    pub fn dedupe(&mut self, id: Id, equals: &Equals) -> usize {
        let members = self.members(id);
        if members.len() <= 2 {
            return 0;
        }
        let mut places: HashMap<Key<'_>, usize> =
            HashMap::with_capacity_and_hasher(members.len() / 2, RandomState::default());
        let mut kept: Vec<Node> = Vec::new();
        for (index, pair) in members.chunks_exact(2).enumerate() {
            match places.entry(self.key(pair[0], index, equals)) {
                Entry::Occupied(place) => {
                    if kept.is_empty() {
                        kept.extend_from_slice(&members[..2 * index]);
                    }
                    kept[2 * place.get() + 1] = pair[1];
                }
                Entry::Vacant(place) => {
                    place.insert(if kept.is_empty() { index } else { kept.len() / 2 });
                    if !kept.is_empty() {
                        kept.extend_from_slice(pair);
                    }
                }
            }
        }
        if kept.is_empty() {
            return 0;
        }
        let dropped = (members.len() - kept.len()) / 2;
        let Members { start, .. } = self.containers[id.0 as usize];
        self.members[start as usize..start as usize + kept.len()].copy_from_slice(&kept);
        self.containers[id.0 as usize].len = to_u32(kept.len());
        dropped
    }

    /// Keeps the first of the members of a set that are equal, as Python does. Returns how many were
    /// dropped.
    pub fn dedupe_set(&mut self, id: Id, equals: &Equals) -> usize {
        let members = self.members(id);
        let mut seen = HashSet::with_capacity_and_hasher(members.len(), RandomState::default());
        let is_new = |(index, node): &(usize, Node)| seen.insert(self.key(*node, *index, equals));
        let kept: Vec<Node> = members.iter().copied().enumerate().filter(is_new).map(|(_, node)| node).collect();
        let dropped = members.len() - kept.len();
        let Members { start, .. } = self.containers[id.index()];
        self.members[start as usize..start as usize + kept.len()].copy_from_slice(&kept);
        self.containers[id.index()].len = to_u32(kept.len());
        dropped
    }

    /// A key under Python's equality, for the kinds that bytes can repeat by accident. `index` sets
    /// apart what equals nothing, not even itself.
    fn key(&self, node: Node, index: usize, equals: &Equals) -> Key<'_> {
        match node {
            Node::Bool(truth) => Key::Int(i64::from(truth)),
            Node::Int(number) => Key::Int(number),
            #[expect(clippy::cast_possible_truncation, reason = "only a whole number in range takes this arm")]
            Node::Float(float) if float.trunc() == float && (-TWO_63..TWO_63).contains(&float) => {
                Key::Int(float as i64)
            }
            Node::Float(float) if float.is_finite() && float.trunc() == float => {
                Key::Big(scalar::whole(float).to_signed_bytes_le().into())
            }
            Node::Float(float) if float.is_nan() => Key::NotANumber(index),
            Node::Float(float) => Key::Float(float.to_bits()),
            Node::Big(span) => Key::Big(self.text(span).into()),
            Node::Str(span) => Key::Str(self.text(span)),
            Node::Bytes(span) => Key::Bytes(self.text(span)),
            Node::None => Key::None,
            Node::Tuple(id) | Node::FrozenSet(id) => match equals.0.get(&id) {
                Some(class) => Key::Class(*class),
                None => Key::Container(id),
            },
            Node::Object(id) => Key::Object(id),
            other => Key::Other(format!("{other:?}")),
        }
    }
}

/// Floats from here on are beyond 64 bits.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// The tuples and frozensets that were looked at, by a number that equal ones have in common.
#[derive(Debug, Default)]
pub struct Equals(HashMap<Id, usize>);

/// Numbers for keys, the same for equal ones.
struct Classes<'v> {
    value: &'v Value,
    of_key: HashMap<Key<'v>, usize>,
    /// A long text may be mentioned a million times.
    of_text: HashMap<(Discriminant<Node>, Span), usize>,
    equals: Equals,
}

impl<'v> Classes<'v> {
    /// Numbers a tuple or frozenset, what is inside it first.
    fn add(&mut self, node: Node) {
        let mut stack = vec![node];
        let mut open = HashSet::default();
        while let Some(&node) = stack.last() {
            let (Node::Tuple(id) | Node::FrozenSet(id)) = node else {
                stack.pop();
                continue;
            };
            if self.equals.0.contains_key(&id) {
                stack.pop();
                continue;
            }
            let members = self.value.members(id);
            // What is met again while it is open contains itself, and equals nothing else.
            if open.insert(id) {
                let is_inner =
                    |node: &&Node| matches!(node, Node::Tuple(id) | Node::FrozenSet(id) if !open.contains(id));
                stack.extend(members.iter().filter(is_inner));
                continue;
            }
            stack.pop();
            let mut parts: Vec<usize> = members.iter().map(|member| self.number(*member)).collect();
            let key = if matches!(node, Node::Tuple(_)) {
                Key::Tuple(parts)
            } else {
                parts.sort_unstable();
                parts.dedup();
                Key::FrozenSet(parts)
            };
            let class = self.class(key);
            self.equals.0.insert(id, class);
        }
    }

    fn number(&mut self, node: Node) -> usize {
        let (Node::Str(span) | Node::Bytes(span) | Node::Big(span)) = node else {
            let key = self.value.key(node, self.of_key.len(), &self.equals);
            return self.class(key);
        };
        let text = (discriminant(&node), span);
        if let Some(class) = self.of_text.get(&text) {
            return *class;
        }
        let key = self.value.key(node, 0, &self.equals);
        let class = self.class(key);
        self.of_text.insert(text, class);
        class
    }

    fn class(&mut self, key: Key<'v>) -> usize {
        let next = self.of_key.len();
        *self.of_key.entry(key).or_insert(next)
    }
}

/// A key under Python's equality.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    None,
    Int(i64),
    Big(Cow<'a, [u8]>),
    Float(u64),
    NotANumber(usize),
    Str(&'a [u8]),
    Bytes(&'a [u8]),
    Container(Id),
    Class(usize),
    Tuple(Vec<usize>),
    FrozenSet(Vec<usize>),
    Object(Id),
    Other(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_and_cycles_count_as_sameness() {
        let list = |shared: bool| {
            let mut value = Value::over(Vec::new());
            let x = value.container(&[Node::Int(1)]);
            let y = if shared { x } else { value.container(&[Node::Int(1)]) };
            let root = value.container(&[Node::List(x), Node::List(y)]);
            value.extend(root, &[Node::List(root)]);
            value.set_root(Node::List(root));
            value
        };
        assert!(list(true).same(&list(true)));
        assert!(list(false).same(&list(false)));
        assert!(!list(true).same(&list(false)));
        assert!(!list(false).same(&list(true)));
    }

    #[test]
    fn the_last_of_equal_keys_wins_in_the_first_place() {
        let mut value = Value::over(b"ab".to_vec());
        let a = Node::Str(Span { start: 0, len: 1 });
        let b = Node::Str(Span { start: 1, len: 1 });
        let again = Node::Str(value.push_text(b"a"));
        let id = value.container(&[
            a,
            Node::Int(1),
            b,
            Node::Int(2),
            again,
            Node::Int(3),
            Node::Int(1),
            b,
            Node::Bool(true),
            a,
        ]);
        assert_eq!(value.dedupe(id, &Equals::default()), 2);
        assert_eq!(value.members(id), [a, Node::Int(3), b, Node::Int(2), Node::Int(1), a]);
    }
}
