//! What every notation asks before it writes: how long will it be, what is shared, why did it fail.
//!
//! A value of 300 bytes can stand for 2^60 leaves by sharing, so what a notation would write is
//! counted first, in time linear in what is stored; and so are the bytes of text, for one long text
//! may be shared by a million places. It knows no notation.

use std::fmt;
use std::io;

use super::identity::ByPart;
use super::known::{self, Known, Name};
use super::{Identity, Node, Value};
use crate::limits::{Exceeded, Limits};

/// How often each container and object is referred to, and how many nodes and bytes it stands for.
pub struct Expansion {
    weights: ByPart<Weight>,
    cyclic: bool,
    /// What is written when sharing is not.
    extent: Extent,
    /// Bytes of text written where only what is small is written again.
    labelled: u64,
}

/// How long something is in any notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Nodes, shared ones each time.
    pub nodes: u64,
    /// Bytes of text likewise, before any escape.
    pub bytes: u64,
}

impl Extent {
    /// Refuses what is too long.
    ///
    /// # Errors
    /// [`Exceeded`] with the limit `printed` or `output`.
    pub fn check(&self, limits: &Limits) -> Result<(), Exceeded> {
        limits.check("printed", self.nodes)?;
        limits.check("output", self.bytes)
    }
}

/// A shared part of at most this many nodes is written again rather than mentioned by its label.
const SMALL: u32 = 32;

/// It must not stand for more bytes of text than this either.
const SMALL_BYTES: u32 = 4096;

#[derive(Clone, Copy, Default)]
struct Weight {
    /// Nodes written when sharing is not: 0 before it is known, and all ones for too many to count.
    size: u32,
    /// Bytes of text likewise.
    bytes: u32,
    references: u32,
    open: bool,
    cycle: bool,
}

impl Expansion {
    /// Weighs all that `value` consists of. Where it contains itself, the inner mention counts as
    /// one node.
    #[must_use]
    pub fn of(value: &Value) -> Expansion {
        Expansion::of_node(value, value.root)
    }

    /// Weighs what `node` of `value` consists of.
    #[must_use]
    pub fn of_node(value: &Value, node: Node) -> Expansion {
        let extent = Extent { nodes: 0, bytes: 0 };
        let mut expansion = Expansion { weights: ByPart::new(value), cyclic: false, extent, labelled: 0 };
        let root = node;
        let mut stack = vec![(root, false)];
        let mut inside = Vec::new();
        while let Some((node, done)) = stack.pop() {
            let Some(weight) = expansion.weights.get_mut(node) else { continue };
            if done {
                weight.open = false;
                inside.clear();
                let own = parts(value, node, &mut inside);
                expansion.weigh(value, node, &inside, own);
                continue;
            }
            weight.references = weight.references.saturating_add(1);
            if weight.open {
                weight.cycle = true;
                expansion.cyclic = true;
            } else if weight.size == 0 {
                weight.open = true;
                weight.size = 1;
                stack.push((node, true));
                inside.clear();
                parts(value, node, &mut inside);
                stack.extend(
                    inside.iter().rev().filter(|part| Identity::of(**part).is_some()).map(|part| (*part, false)),
                );
            }
        }
        expansion.sum(value, root);
        expansion
    }

    /// Adds up what `node` stands for, all that is inside it being known; `own` is its own text.
    fn weigh(&mut self, value: &Value, node: Node, inside: &[Node], own: u64) {
        let (mut size, mut bytes, mut once) = (1_u32, to_u32(own), own);
        for part in inside {
            let (part_size, part_bytes) = match self.weights.get(*part) {
                Some(weight) => (weight.size, weight.bytes),
                None => {
                    let leaf = leaf_bytes(value, *part);
                    once = once.saturating_add(leaf);
                    (1, to_u32(leaf))
                }
            };
            size = size.saturating_add(part_size);
            bytes = bytes.saturating_add(part_bytes);
        }
        self.labelled = self.labelled.saturating_add(once);
        if let Some(weight) = self.weights.get_mut(node) {
            (weight.size, weight.bytes) = (size, bytes);
        }
    }

    /// Sums up, now that all parts are weighed.
    fn sum(&mut self, value: &Value, root: Node) {
        let counted = |count: u32| if count == u32::MAX { u64::MAX } else { u64::from(count) };
        let Some(weight) = self.weights.get(root) else {
            self.labelled = leaf_bytes(value, root);
            self.extent = Extent { nodes: 1, bytes: self.labelled };
            return;
        };
        self.extent = Extent { nodes: counted(weight.size), bytes: counted(weight.bytes) };
        let again = |weight: &Weight| match weight.references {
            // What has nothing inside is one word, which has no label however long it is.
            2.. if weight.is_small() || weight.size == 1 => u64::from(weight.references - 1) * u64::from(weight.bytes),
            _ => 0,
        };
        let repeated = self.weights.all().map(again);
        self.labelled = repeated.fold(self.labelled, u64::saturating_add);
    }

    /// Refuses a value that is too long to be written with each shared part in full.
    ///
    /// # Errors
    /// [`Exceeded`] with the limit `printed` or `output`.
    pub fn check(&self, limits: &Limits) -> Result<(), Exceeded> {
        self.extent.check(limits)
    }

    /// Refuses a value that is too long even when only its small parts are written again.
    ///
    /// # Errors
    /// [`Exceeded`] with the limit `output`.
    pub fn check_labelled(&self, limits: &Limits) -> Result<(), Exceeded> {
        limits.check("output", self.labelled)
    }

    /// Whether the value contains itself.
    #[must_use]
    pub fn is_cyclic(&self) -> bool {
        self.cyclic
    }

    /// Whether `node` is referred to more than once and too long to be written each time.
    #[must_use]
    pub fn is_labelled(&self, node: Node) -> bool {
        self.weights.get(node).is_some_and(|weight| weight.references > 1 && !weight.is_small())
    }

    /// Whether `node` is where a cycle closes.
    #[must_use]
    pub fn closes_cycle(&self, node: Node) -> bool {
        self.weights.get(node).is_some_and(|weight| weight.cycle)
    }
}

impl Weight {
    fn is_small(&self) -> bool {
        self.size <= SMALL && self.bytes <= SMALL_BYTES
    }
}

/// Bytes of text that a node without parts is written from, before any escape.
pub(super) fn leaf_bytes(value: &Value, node: Node) -> u64 {
    match node {
        Node::Str(span) | Node::Bytes(span) | Node::ByteArray(span) | Node::Big(span) | Node::Ext(_, span) => {
            u64::from(span.len)
        }
        Node::Global(id) => {
            let (module, name) = value.global_spans(id);
            u64::from(module.len) + u64::from(name.len)
        }
        _ => 0,
    }
}

fn to_u32(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The nodes that are written when `node` is, in that order: of a date not its bytes. Returns how
/// many bytes of text it has of its own beside them.
fn parts(value: &Value, node: Node, out: &mut Vec<Node>) -> u64 {
    match known::of(value, node) {
        None => value.children(node, out),
        Some(Known::Time(_, zone) | Known::DateTime(_, _, zone)) => out.push(zone),
        Some(Known::Range(bounds) | Known::Slice(bounds)) => out.extend_from_slice(bounds),
        Some(Known::OrderedDict(members) | Known::Counter(members)) => out.extend_from_slice(&members),
        Some(Known::Deque(members, most)) => {
            out.extend_from_slice(&members);
            out.push(most);
        }
        Some(Known::DefaultDict(factory, members)) => {
            out.push(factory);
            out.extend_from_slice(&members);
        }
        Some(Known::Form(form)) => {
            out.extend_from_slice(form.given.nodes());
            out.extend_from_slice(&form.fields);
            return match form.name {
                Name::Short(name) => name.len() as u64,
                Name::Class(class @ Node::Global(_)) => leaf_bytes(value, class),
                Name::Class(class) => known::dotted(value, class).map_or(0, |name| name.len() as u64),
            };
        }
        Some(Known::Word { repr, .. } | Known::Summary(repr)) => return repr.len() as u64,
        Some(Known::Array(array)) => return array.shown(),
        Some(Known::Decimal(text) | Known::ZoneInfo(text) | Known::TimeZone(_, Some(text))) => {
            return u64::from(text.len);
        }
        Some(Known::Fraction(numerator, denominator)) => return (numerator.bits() + denominator.bits()) / 8,
        Some(_) => {}
    }
    0
}

/// Marks for the containers and objects that are being written now.
pub struct Path(ByPart<bool>);

impl Path {
    /// Nothing of `value` is being written.
    #[must_use]
    pub fn new(value: &Value) -> Path {
        Path(ByPart::new(value))
    }

    /// Whether `node` is being written already; from now on it is.
    pub fn enter(&mut self, node: Node) -> bool {
        self.0.get_mut(node).is_some_and(|mark| std::mem::replace(mark, true))
    }

    /// `node` is not being written any more.
    pub fn leave(&mut self, node: Node) {
        if let Some(mark) = self.0.get_mut(node) {
            *mark = false;
        }
    }
}

/// Why a value could not be printed in full.
#[derive(Debug)]
pub enum PrintError {
    /// The output failed.
    Io(io::Error),
    /// It would have been too long: a small value may stand for an endless one by sharing.
    Limit(Exceeded),
    /// The notation cannot express it.
    Unfit(String),
}

impl fmt::Display for PrintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrintError::Io(error) => write!(f, "{error}"),
            PrintError::Limit(exceeded) => write!(f, "{exceeded}"),
            PrintError::Unfit(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for PrintError {}

impl From<io::Error> for PrintError {
    fn from(error: io::Error) -> PrintError {
        PrintError::Io(error)
    }
}

impl From<Exceeded> for PrintError {
    fn from(exceeded: Exceeded) -> PrintError {
        PrintError::Limit(exceeded)
    }
}
