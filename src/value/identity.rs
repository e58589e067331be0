//! What can be shared, or contain others: its identity, and what a walk knows of each such part.
//!
//! It knows no notation and no format.

use foldhash::{HashMap, HashSet};

use super::{Id, Node, Span, Value, to_u32};
use crate::limits::{Exceeded, Limits};

/// The identity of a node that can be shared or contain others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A container's.
    Container(Id),
    /// An object's.
    Object(Id),
    /// A bytearray's: it holds no others, but it can be changed through any reference to it.
    ByteArray(Span),
}

impl Identity {
    /// The identity of `node`, if it has one.
    #[inline]
    #[must_use]
    pub fn of(node: Node) -> Option<Identity> {
        match node {
            Node::List(id)
            | Node::Tuple(id)
            | Node::Set(id)
            | Node::FrozenSet(id)
            | Node::Dict(id)
            | Node::Persistent(id) => Some(Identity::Container(id)),
            Node::Object(id) => Some(Identity::Object(id)),
            Node::ByteArray(span) => Some(Identity::ByteArray(span)),
            _ => None,
        }
    }
}

/// What a text is, or bytes: whether it is text, and what it says; and where that stands.
fn leaf(text: &[u8], node: Node) -> Option<((bool, &[u8]), Span)> {
    let (is_text, span) = match node {
        Node::Str(span) => (true, span),
        Node::Bytes(span) => (false, span),
        _ => return None,
    };
    let start = span.start as usize;
    Some(((is_text, &text[start..start + span.len as usize]), span))
}

/// Something for each container and each object of a value.
pub struct ByPart<T> {
    containers: Vec<T>,
    objects: Vec<T>,
}

impl<T: Clone + Default> ByPart<T> {
    /// The same for each part of `value`.
    #[must_use]
    pub fn new(value: &Value) -> ByPart<T> {
        ByPart {
            containers: vec![T::default(); value.containers.len()],
            objects: vec![T::default(); value.objects.len()],
        }
    }

    /// What there is for `node`; `None` when it is neither a container nor an object.
    #[must_use]
    pub fn get(&self, node: Node) -> Option<&T> {
        match Identity::of(node)? {
            Identity::Container(id) => self.containers.get(id.index()),
            Identity::Object(id) => self.objects.get(id.index()),
            Identity::ByteArray(_) => None,
        }
    }

    /// The same, to be changed.
    #[must_use]
    pub fn get_mut(&mut self, node: Node) -> Option<&mut T> {
        match Identity::of(node)? {
            Identity::Container(id) => self.containers.get_mut(id.index()),
            Identity::Object(id) => self.objects.get_mut(id.index()),
            Identity::ByteArray(_) => None,
        }
    }

    /// What there is for every part, in no order.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.containers.iter().chain(&self.objects)
    }
}

impl Value {
    /// The containers, objects and bytearrays that are referred to more than once.
    #[must_use]
    pub fn shared(&self) -> HashSet<Identity> {
        let mut seen: ByPart<bool> = ByPart::new(self);
        let mut arrays = HashSet::default();
        let mut shared = HashSet::default();
        let mut stack = vec![self.root];
        while let Some(node) = stack.pop() {
            let Some(identity) = Identity::of(node).filter(|_| !self.is_empty_tuple(node)) else { continue };
            let seen = match seen.get_mut(node) {
                Some(seen) => std::mem::replace(seen, true),
                None => !arrays.insert(identity),
            };
            if seen {
                shared.insert(identity);
            } else {
                self.children(node, &mut stack);
            }
        }
        shared
    }

    /// Whether a node is the empty tuple, of which Python has one: where it is mentioned twice nothing is shared.
    #[must_use]
    pub fn is_empty_tuple(&self, node: Node) -> bool {
        matches!(node, Node::Tuple(id) if self.members(id).is_empty())
    }

    /// Makes equal texts, and equal bytes, of containers one object where they are one in `model`: a notation
    /// for people does not say of them what is one, and a pickle that repeats each is longer than it was.
    pub fn share_texts_as(&mut self, model: &Value) {
        let mut one: HashMap<(bool, &[u8]), Option<Span>> = HashMap::default();
        for (leaf, span) in model.members.iter().filter_map(|node| leaf(&model.text, *node)) {
            let first = one.entry(leaf).or_insert(Some(span));
            *first = first.filter(|first| *first == span);
        }
        let mut met: HashMap<(bool, &[u8]), Span> = HashMap::default();
        for node in &mut self.members {
            let found = leaf(&self.text, *node).filter(|(leaf, _)| matches!(one.get(leaf), Some(Some(_))));
            let Some((leaf, span)) = found else { continue };
            let span = *met.entry(leaf).or_insert(span);
            *node = if let Node::Str(_) = node { Node::Str(span) } else { Node::Bytes(span) };
        }
    }

    /// Checks that containers are not nested deeper than allowed. A value that contains itself is
    /// as deep as the way to its first repetition.
    ///
    /// # Errors
    /// [`Exceeded`] with the limit `depth`.
    pub fn check_depth(&self, limits: &Limits) -> Result<(), Exceeded> {
        if ((self.containers.len() + self.objects.len()) as u64) < limits.depth || self.is_shallow(limits) {
            return Ok(());
        }
        let mut seen: ByPart<bool> = ByPart::new(self);
        let mut stack: Vec<(Node, u64)> = vec![(self.root, 0)];
        let mut inside = Vec::new();
        while let Some((node, depth)) = stack.pop() {
            if Identity::of(node).is_none() {
                continue;
            }
            if depth >= limits.depth {
                return Err(limits.exceeded("depth"));
            }
            if seen.get_mut(node).is_some_and(|seen| !std::mem::replace(seen, true)) {
                inside.clear();
                self.children(node, &mut inside);
                stack
                    .extend(inside.iter().filter(|node| Identity::of(**node).is_some()).map(|node| (*node, depth + 1)));
            }
        }
        Ok(())
    }

    /// Whether one look at all containers, in the order in which they were made, shows that none is
    /// too deep: most are made before what is inside them. Objects are left to the walk.
    fn is_shallow(&self, limits: &Limits) -> bool {
        if !self.objects.is_empty() {
            return false;
        }
        let mut depths = vec![0_u64; self.containers.len()];
        let mut deepest = 0;
        for index in 0..to_u32(depths.len()) {
            let depth = depths[index as usize] + 1;
            for node in self.members(Id(index)) {
                match Identity::of(*node) {
                    None => continue,
                    Some(Identity::Container(id)) if id.0 > index => {
                        let inner = &mut depths[id.index()];
                        *inner = depth.max(*inner);
                    }
                    Some(Identity::ByteArray(_)) => {}
                    Some(_) => return false,
                }
                deepest = depth.max(deepest);
            }
        }
        deepest < limits.depth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_limited_and_a_cycle_is_not_endless() {
        let limits = Limits { depth: 10, ..Limits::DEFAULT };
        let mut value = Value::over(Vec::new());
        let mut node = Node::Int(1);
        for _ in 0..10 {
            node = Node::List(value.container(&[node]));
        }
        value.set_root(node);
        assert!(value.check_depth(&limits).is_ok());
        let deeper = Node::Tuple(value.container(&[node]));
        value.set_root(deeper);
        assert!(value.check_depth(&limits).is_err());
        let cycle = value.container(&[]);
        value.extend(cycle, &[Node::List(cycle)]);
        value.set_root(Node::List(cycle));
        assert!(value.check_depth(&limits).is_ok());
    }
}
