//! What stored bytes decode to: one graph of nodes for every serializer.
//!
//! A [`Value`] owns the decoded bytes and points into them. A [`Node`] is 16 bytes and `Copy`:
//! scalars are held in place, text by its [`Span`], containers and objects by an index. So sharing
//! and cycles are what they were in the bytes, nothing is freed by recursion, and a hostile value
//! costs what it is long. Classes are data: an [`Object`] says what the bytes asked to be called
//! with what; nothing is ever called.
//!
//! Two invariants carry sharing through a round trip:
//! - a container or object is the same one exactly when its index is the same;
//! - a text longer than one character is the same Python object exactly when its span is the same
//!   (CPython has only one of each text of length 0 or 1).
//!
//! This room knows no bytes format, no backend and no terminal.

mod calls;
pub mod code_point;
pub mod danger;
pub mod draft;
mod equality;
mod identity;
pub mod iso;
pub mod json;
pub mod known;
pub mod leaves;
pub mod plain;
pub mod print;
pub mod printable;
pub mod python;
pub mod scalar;
pub mod spare;
pub mod typed_json;

use std::cell::Cell;

use num_bigint::BigInt;

pub use self::identity::Identity;
use crate::limits::BYTES_CEILING;

/// Where text stands in [`Value::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

/// Index of a container, an object or a global in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u32);

impl Id {
    /// Its place in its table: ids are dense, so that what is known of each fits a `Vec`.
    #[inline]
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One value. What it points to is in the [`Value`] that it came from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// Python's `None`, JSON's `null`, msgpack's nil.
    None,
    /// True or false.
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer beyond 64 bits: two's complement, little-endian, minimal.
    Big(Span),
    /// A float.
    Float(f64),
    /// Text: UTF-8 in which lone surrogates may stand (CPython's `surrogatepass`).
    Str(Span),
    /// Bytes.
    Bytes(Span),
    /// Python's `bytearray`; like a container, the same one exactly when its span is the same.
    ByteArray(Span),
    /// A list or array.
    List(Id),
    /// A tuple.
    Tuple(Id),
    /// A set, in stored order.
    Set(Id),
    /// A frozenset, in stored order.
    FrozenSet(Id),
    /// A dict or map: its members are key, value, key, value …
    Dict(Id),
    /// A name that would be looked up: `module.name`.
    Global(Id),
    /// Something that would be called.
    Object(Id),
    /// A persistent id; its only member is the id.
    Persistent(Id),
    /// A number in `copyreg`'s extension registry, which stands for a global.
    Extension(u32),
    /// The n-th buffer that was kept out of the pickle.
    Buffer(u32),
    /// The same, made read-only.
    ReadOnlyBuffer(u32),
    /// A msgpack extension.
    Ext(i8, Span),
    /// A msgpack timestamp: seconds since the epoch, nanoseconds.
    Timestamp(i64, u32),
}

/// `module.name`, in Python 3's spelling.
#[derive(Clone, Copy, Debug)]
pub struct Global {
    /// The module.
    pub module: Span,
    /// The name in the module; dotted for a nested class.
    pub name: Span,
    /// Whether the dots are the name's own: below protocol 4 a pickle names the attribute `"A.B"`.
    pub is_flat: bool,
}

/// How an object would have been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `callable(*args)`.
    Call,
    /// `callable.__new__(callable, *args, **kwargs)`.
    New,
}

/// Something that would be called: kept as it was said, in the order it was said.
#[derive(Clone, Debug)]
pub struct Object {
    /// How.
    pub how: How,
    /// What: a global, or any other node.
    pub callable: Node,
    /// With which arguments: a tuple, in bytes that CPython wrote.
    pub args: Node,
    /// With which named arguments: a dict, or `None`.
    pub kwargs: Node,
    /// What would have been done to it then.
    pub steps: Vec<Step>,
}

/// One thing done to an object after it was made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// `__setstate__`, or an update of `__dict__`.
    State(Node),
    /// `extend` with the members of this container.
    Extend(Id),
    /// Items set: key, value, key, value …
    Items(Id),
    /// Members added, as to a set.
    Add(Id),
    /// A call with the object itself and a state, whose result is dropped: `__reduce_ex__`'s sixth part.
    Call(Node, Node),
}

/// A container's members stand side by side, with room to grow.
#[derive(Clone, Copy, Debug, Default)]
struct Members {
    start: u32,
    len: u32,
    room: u32,
}

/// A decoded value and all that it consists of.
#[derive(Clone, Debug)]
pub struct Value {
    text: Vec<u8>,
    members: Vec<Node>,
    containers: Vec<Members>,
    objects: Vec<Object>,
    globals: Vec<Global>,
    root: Node,
}

thread_local! {
    static MEMBERS: Cell<Vec<Node>> = const { Cell::new(Vec::new()) };
    static CONTAINERS: Cell<Vec<Members>> = const { Cell::new(Vec::new()) };
}

impl Drop for Value {
    fn drop(&mut self) {
        spare::keep(&MEMBERS, std::mem::take(&mut self.members));
        spare::keep(&CONTAINERS, std::mem::take(&mut self.containers));
    }
}

impl Value {
    /// A `None` over `text`, which spans may point into.
    ///
    /// # Panics
    /// When `text` is longer than [`BYTES_CEILING`]; every reader is limited below that.
    #[must_use]
    pub fn over(text: Vec<u8>) -> Value {
        assert!(text.len() as u64 <= BYTES_CEILING, "decoded bytes are limited below the ceiling");
        Value {
            text,
            members: spare::take(&MEMBERS),
            containers: spare::take(&CONTAINERS),
            objects: Vec::new(),
            globals: Vec::new(),
            root: Node::None,
        }
    }

    /// A value that is this text.
    #[must_use]
    pub fn of_str(text: impl Into<Vec<u8>>) -> Value {
        let mut value = Value::over(text.into());
        value.root = Node::Str(value.whole());
        value
    }

    /// A value that is these bytes.
    #[must_use]
    pub fn of_bytes(bytes: impl Into<Vec<u8>>) -> Value {
        let mut value = Value::over(bytes.into());
        value.root = Node::Bytes(value.whole());
        value
    }

    /// The span of all text there is now.
    #[must_use]
    pub fn whole(&self) -> Span {
        Span { start: 0, len: to_u32(self.text.len()) }
    }

    /// Makes room for so many members and containers.
    pub fn reserve(&mut self, members: usize, containers: usize) {
        self.members.reserve(members);
        self.containers.reserve(containers);
    }

    /// The node that the value is.
    #[must_use]
    pub fn root(&self) -> Node {
        self.root
    }

    /// Says which node the value is.
    pub fn set_root(&mut self, root: Node) {
        self.root = root;
    }

    /// The bytes of a span.
    #[inline]
    #[must_use]
    pub fn text(&self, span: Span) -> &[u8] {
        &self.text[span.start as usize..span.start as usize + span.len as usize]
    }

    /// The bytes of a span, taken out: no copy where the span is all there is.
    #[must_use]
    pub fn into_text(mut self, span: Span) -> Vec<u8> {
        if span == self.whole() {
            return std::mem::take(&mut self.text);
        }
        self.text(span).to_vec()
    }

    /// Adds text of its own: unescaped, computed or typed by a person.
    pub fn push_text(&mut self, text: &[u8]) -> Span {
        let start = self.text.len();
        self.text.extend_from_slice(text);
        assert!(self.text.len() as u64 <= u64::from(u32::MAX), "text is limited below 32 bits");
        Span { start: to_u32(start), len: to_u32(text.len()) }
    }

    /// A bytearray of its own, even when it is empty.
    pub fn byte_array(&mut self, bytes: &[u8]) -> Node {
        self.push_text(b"\0");
        Node::ByteArray(self.push_text(bytes))
    }

    /// The integer as a node: [`Node::Int`] where it fits.
    pub fn integer(&mut self, number: &BigInt) -> Node {
        match i64::try_from(number) {
            Ok(small) => Node::Int(small),
            Err(_) => Node::Big(self.push_text(&number.to_signed_bytes_le())),
        }
    }

    /// The integer of a [`Node::Big`].
    #[must_use]
    pub fn big(&self, span: Span) -> BigInt {
        BigInt::from_signed_bytes_le(self.text(span))
    }

    /// A new container with these members.
    #[inline]
    pub fn container(&mut self, members: &[Node]) -> Id {
        let start = to_u32(self.members.len());
        self.members.extend_from_slice(members);
        let len = to_u32(members.len());
        self.containers.push(Members { start, len, room: len });
        Id(to_u32(self.containers.len() - 1))
    }

    /// Adds members to a container. Amortised, as for a `Vec`: one that cannot grow where it
    /// stands moves to the end, with as much room again.
    #[inline]
    pub fn extend(&mut self, id: Id, added: &[Node]) {
        let members = &mut self.containers[id.0 as usize];
        if members.room > 0 {
            return self.extend_more(id, added);
        }
        let len = to_u32(added.len());
        *members = Members { start: to_u32(self.members.len()), len, room: len };
        self.members.extend_from_slice(added);
    }

    /// The same for one that has or had members.
    fn extend_more(&mut self, id: Id, added: &[Node]) {
        let Members { start, len, room } = self.containers[id.0 as usize];
        let (from, old, new) = (start as usize, len as usize, len as usize + added.len());
        let at_end = from + room as usize == self.members.len();
        if new <= room as usize {
            self.members[from + old..from + new].copy_from_slice(added);
            self.containers[id.0 as usize].len = to_u32(new);
        } else if at_end {
            self.members.truncate(from + old);
            self.members.extend_from_slice(added);
            self.containers[id.0 as usize] = Members { start, len: to_u32(new), room: to_u32(new) };
        } else {
            let moved = self.members.len();
            self.members.extend_from_within(from..from + old);
            self.members.extend_from_slice(added);
            self.members.resize(moved + new.max(2 * old), Node::None);
            let room = to_u32(new.max(2 * old));
            self.containers[id.0 as usize] = Members { start: to_u32(moved), len: to_u32(new), room };
        }
    }

    /// The members of a container; of a dict: key, value, key, value …
    #[inline]
    #[must_use]
    pub fn members(&self, id: Id) -> &[Node] {
        let Members { start, len, .. } = self.containers[id.0 as usize];
        &self.members[start as usize..start as usize + len as usize]
    }

    /// How many member nodes are held, room to grow included: what memory follows.
    #[must_use]
    pub fn size(&self) -> usize {
        self.members.len() + self.containers.len() + 4 * self.objects.len()
    }

    /// How many containers there are: an [`Id`] of one is below this.
    #[must_use]
    pub fn containers(&self) -> usize {
        self.containers.len()
    }

    /// Adds an object.
    pub fn push_object(&mut self, object: Object) -> Id {
        self.objects.push(object);
        Id(to_u32(self.objects.len() - 1))
    }

    /// An object.
    #[must_use]
    pub fn object(&self, id: Id) -> &Object {
        &self.objects[id.0 as usize]
    }

    /// An object, to add steps to.
    pub fn object_mut(&mut self, id: Id) -> &mut Object {
        &mut self.objects[id.0 as usize]
    }

    /// All objects, in the order they were made.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Adds a global by the spans of its names.
    pub fn push_global(&mut self, global: Global) -> Id {
        self.globals.push(global);
        Id(to_u32(self.globals.len() - 1))
    }

    /// A global by its names, which need not stand in the text yet.
    pub fn global_named(&mut self, module: &str, name: &str) -> Node {
        let module = self.push_text(module.as_bytes());
        let name = self.push_text(name.as_bytes());
        Node::Global(self.push_global(Global { module, name, is_flat: false }))
    }

    /// Module and name of a global.
    #[must_use]
    pub fn global(&self, id: Id) -> (&[u8], &[u8]) {
        let Global { module, name, .. } = self.globals[id.index()];
        (self.text(module), self.text(name))
    }

    /// Where the names of a global stand.
    #[must_use]
    pub fn global_spans(&self, id: Id) -> (Span, Span) {
        let Global { module, name, .. } = self.globals[id.index()];
        (module, name)
    }

    /// Whether a name with dots is that of one attribute, and not of a class nested in others.
    #[must_use]
    pub fn is_flat(&self, id: Id) -> bool {
        let Global { name, is_flat, .. } = self.globals[id.index()];
        is_flat && self.text(name).contains(&b'.')
    }

    /// The ids of all globals, in the order of their first use.
    pub fn global_ids(&self) -> impl Iterator<Item = Id> + use<> {
        (0..to_u32(self.globals.len())).map(Id)
    }

    /// All globals named, in the order of their first use.
    pub fn globals(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.globals.iter().map(|global| (self.text(global.module), self.text(global.name)))
    }

    /// Whether `node` is the global `module.name`.
    #[must_use]
    pub fn is_global(&self, node: Node, module: &str, name: &str) -> bool {
        matches!(node, Node::Global(id) if self.global(id) == (module.as_bytes(), name.as_bytes()))
    }

    /// The nodes directly inside `node`, in the order they are written.
    pub fn children(&self, node: Node, out: &mut Vec<Node>) {
        match node {
            Node::List(id)
            | Node::Tuple(id)
            | Node::Set(id)
            | Node::FrozenSet(id)
            | Node::Dict(id)
            | Node::Persistent(id) => {
                out.extend_from_slice(self.members(id));
            }
            Node::Object(id) => {
                let object = self.object(id);
                out.extend([object.callable, object.args, object.kwargs]);
                for step in &object.steps {
                    match *step {
                        Step::State(state) => out.push(state),
                        Step::Call(callable, state) => out.extend([callable, state]),
                        Step::Extend(id) | Step::Items(id) | Step::Add(id) => out.extend_from_slice(self.members(id)),
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes all of `other` in and returns its root, as a node of this value.
    pub fn graft(&mut self, other: Value) -> Node {
        let by = Shift {
            text: to_u32(self.text.len()),
            members: to_u32(self.members.len()),
            containers: to_u32(self.containers.len()),
            objects: to_u32(self.objects.len()),
            globals: to_u32(self.globals.len()),
        };
        self.push_text(&other.text);
        self.members.extend(other.members.iter().map(|node| by.node(*node)));
        let moved = other.containers.iter().map(|one| Members { start: one.start + by.members, ..*one });
        self.containers.extend(moved);
        let named = |one: &Global| Global { module: by.span(one.module), name: by.span(one.name), ..*one };
        self.globals.extend(other.globals.iter().map(named));
        self.objects.extend(other.objects.iter().map(|one| Object {
            how: one.how,
            callable: by.node(one.callable),
            args: by.node(one.args),
            kwargs: by.node(one.kwargs),
            steps: one.steps.iter().map(|step| by.step(*step)).collect(),
        }));
        by.node(other.root)
    }
}

/// By how much a grafted value's indexes move.
struct Shift {
    text: u32,
    members: u32,
    containers: u32,
    objects: u32,
    globals: u32,
}

impl Shift {
    fn span(&self, span: Span) -> Span {
        Span { start: span.start + self.text, len: span.len }
    }

    fn id(&self, id: Id) -> Id {
        Id(id.0 + self.containers)
    }

    fn node(&self, node: Node) -> Node {
        match node {
            Node::Big(span) => Node::Big(self.span(span)),
            Node::Str(span) => Node::Str(self.span(span)),
            Node::Bytes(span) => Node::Bytes(self.span(span)),
            Node::ByteArray(span) => Node::ByteArray(self.span(span)),
            Node::Ext(code, span) => Node::Ext(code, self.span(span)),
            Node::List(id) => Node::List(self.id(id)),
            Node::Tuple(id) => Node::Tuple(self.id(id)),
            Node::Set(id) => Node::Set(self.id(id)),
            Node::FrozenSet(id) => Node::FrozenSet(self.id(id)),
            Node::Dict(id) => Node::Dict(self.id(id)),
            Node::Persistent(id) => Node::Persistent(self.id(id)),
            Node::Global(id) => Node::Global(Id(id.0 + self.globals)),
            Node::Object(id) => Node::Object(Id(id.0 + self.objects)),
            Node::None
            | Node::Bool(_)
            | Node::Int(_)
            | Node::Float(_)
            | Node::Extension(_)
            | Node::Buffer(_)
            | Node::ReadOnlyBuffer(_)
            | Node::Timestamp(..) => node,
        }
    }

    fn step(&self, step: Step) -> Step {
        match step {
            Step::State(node) => Step::State(self.node(node)),
            Step::Call(callable, state) => Step::Call(self.node(callable), self.node(state)),
            Step::Extend(id) => Step::Extend(self.id(id)),
            Step::Items(id) => Step::Items(self.id(id)),
            Step::Add(id) => Step::Add(self.id(id)),
        }
    }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).expect("counts are limited below 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_16_bytes() {
        assert_eq!(size_of::<Node>(), 16);
    }

    #[test]
    fn containers_grow_in_turn() {
        let mut value = Value::over(Vec::new());
        let (a, b) = (value.container(&[]), value.container(&[]));
        for n in 0..1000 {
            value.extend(a, &[Node::Int(n)]);
            value.extend(b, &[Node::Int(-n), Node::None]);
        }
        assert_eq!(value.members(a).len(), 1000);
        assert!(value.members(a).iter().zip(0..).all(|(node, n)| *node == Node::Int(n)));
        assert_eq!(value.members(b)[1998], Node::Int(-999));
        assert!(value.size() < 12_000);
    }
}
