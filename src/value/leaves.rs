//! The scalars in a value, each with the way to it.
//!
//! A part that is shared is gone through once, so that the work is linear in what is stored. Without
//! recursion, as everywhere.

use super::identity::ByPart;
use super::{Node, Span, Value, scalar};

/// Goes through the scalars of a value, in the order in which they stand there.
pub struct Leaves<'a> {
    value: &'a Value,
    seen: ByPart<bool>,
    /// What is still to be gone through, the next one last.
    todo: Vec<(Node, u32, bool)>,
    /// Each step with the one that it was made from.
    steps: Vec<(u32, Step)>,
    children: Vec<Node>,
}

/// A step into a container.
#[derive(Clone, Copy)]
enum Step {
    /// To the value itself.
    Root,
    /// To the value at a key.
    Key(Node),
    /// To a member.
    Member(usize),
    /// To a part of an object: what it is made with.
    Part(usize),
}

/// Where a scalar is.
#[derive(Clone, Copy, Debug)]
pub struct Way(u32);

/// A scalar.
#[derive(Clone, Copy, Debug)]
pub struct Leaf {
    /// Itself.
    pub node: Node,
    /// Where it is; of a key, where its value is.
    pub way: Way,
    /// Whether it is the key of a dict.
    pub is_key: bool,
}

impl<'a> Leaves<'a> {
    /// Of `value`.
    #[must_use]
    pub fn of(value: &'a Value) -> Leaves<'a> {
        let (seen, children) = (ByPart::new(value), Vec::new());
        Leaves { value, seen, todo: vec![(value.root(), 0, false)], steps: vec![(0, Step::Root)], children }
    }

    /// A scalar as a value of its own.
    #[must_use]
    pub fn alone(&self, node: Node) -> Value {
        let copy = |span: Span, of: fn(Span) -> Node| {
            let mut alone = Value::over(self.value.text(span).to_vec());
            alone.set_root(of(alone.whole()));
            alone
        };
        match node {
            Node::Str(span) => copy(span, Node::Str),
            Node::Bytes(span) => copy(span, Node::Bytes),
            Node::ByteArray(span) => copy(span, Node::ByteArray),
            _ => {
                let mut alone = self.value.clone();
                alone.set_root(node);
                alone
            }
        }
    }

    /// The way to a scalar, as Python writes it: `['a'][0]`; what an object is made with is `.0`, `.1` ….
    #[must_use]
    pub fn way(&self, Way(mut at): Way) -> String {
        let mut steps = Vec::new();
        while at != 0 {
            let (from, step) = self.steps[at as usize];
            steps.push(step);
            at = from;
        }
        let mut text = Vec::new();
        for step in steps.into_iter().rev() {
            match step {
                Step::Root => {}
                Step::Key(key) => {
                    text.push(b'[');
                    self.write_key(key, &mut text);
                    text.push(b']');
                }
                Step::Member(at) => text.extend_from_slice(format!("[{at}]").as_bytes()),
                Step::Part(at) => text.extend_from_slice(format!(".{at}").as_bytes()),
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write_key(&self, key: Node, out: &mut Vec<u8>) {
        match key {
            Node::Str(span) => scalar::write_str(self.value.text(span), out),
            Node::Bytes(span) => scalar::write_bytes(self.value.text(span), out),
            Node::Int(number) => scalar::write_int(number, out),
            Node::Float(number) => scalar::write_float(number, out),
            Node::Bool(true) => out.extend_from_slice(b"True"),
            Node::Bool(false) => out.extend_from_slice(b"False"),
            Node::None => out.extend_from_slice(b"None"),
            _ => out.extend_from_slice("…".as_bytes()),
        }
    }

    fn enter(&mut self, node: Node, at: u32) {
        let first = self.todo.len();
        if let Node::Dict(id) = node {
            for (number, pair) in self.value.members(id).chunks_exact(2).enumerate() {
                // A key is where its value is.
                let step = if is_leaf(pair[0]) { Step::Key(pair[0]) } else { Step::Member(number) };
                let to = self.step(at, step);
                self.todo.extend([(pair[0], to, true), (pair[1], to, false)]);
            }
        } else {
            let mut children = std::mem::take(&mut self.children);
            children.clear();
            self.value.children(node, &mut children);
            for (number, child) in children.iter().enumerate() {
                let step = if matches!(node, Node::Object(_)) { Step::Part(number) } else { Step::Member(number) };
                let to = self.step(at, step);
                self.todo.push((*child, to, false));
            }
            self.children = children;
        }
        self.todo[first..].reverse();
    }

    fn step(&mut self, from: u32, step: Step) -> u32 {
        self.steps.push((from, step));
        u32::try_from(self.steps.len() - 1).unwrap_or(0)
    }
}

fn is_leaf(node: Node) -> bool {
    !matches!(
        node,
        Node::List(_)
            | Node::Tuple(_)
            | Node::Set(_)
            | Node::FrozenSet(_)
            | Node::Dict(_)
            | Node::Persistent(_)
            | Node::Object(_)
    )
}

impl Iterator for Leaves<'_> {
    type Item = Leaf;

    fn next(&mut self) -> Option<Leaf> {
        loop {
            let (node, at, is_key) = self.todo.pop()?;
            if is_leaf(node) {
                return Some(Leaf { node, way: Way(at), is_key });
            }
            if let Some(seen) = self.seen.get_mut(node)
                && !std::mem::replace(seen, true)
            {
                self.enter(node, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::typed_json;
    use super::*;
    use crate::limits::Limits;

    fn check(json: &str, ways: &[&str]) {
        let value = typed_json::lift(&typed_json::tests::parse(json), &Limits::DEFAULT).unwrap();
        let mut leaves = Leaves::of(&value);
        let mut found = Vec::new();
        while let Some(leaf) = leaves.next() {
            found.push(leaves.way(leaf.way));
        }
        assert_eq!(found, ways, "{json}");
    }

    #[test]
    fn each_scalar_has_its_way() {
        check("5", &[""]);
        check(
            r#"[1, [2, 3], {"a'": {"b": null}}]"#,
            &["[0]", "[1][0]", "[1][1]", r#"[2]["a'"]"#, r#"[2]["a'"]['b']"#, r#"[2]["a'"]['b']"#],
        );
        check(r#"{"$dict": [[5, 1], [{"$tuple": [1, 2]}, 3]]}"#, &["[5]", "[5]", "[1][0]", "[1][1]", "[1]"]);
    }

    #[test]
    fn what_is_shared_is_gone_through_once_and_a_cycle_ends() {
        check(r#"[{"$id": 1, "$value": ["x"]}, {"$ref": 1}, {"$ref": 1}]"#, &["[0][0]"]);
        check(r#"{"$id": 1, "$value": [7, {"$ref": 1}]}"#, &["[0]"]);
    }
}
