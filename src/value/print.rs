//! What every notation asks before it writes: how long will it be, what is shared, why did it fail.
//!
//! A value of 300 bytes can stand for 2^60 leaves by sharing, so what a notation would write is
//! counted first, in time linear in what is stored. It knows no notation.

use std::fmt;
use std::io;

use super::identity::ByPart;
use super::known::{self, Known};
use super::{Identity, Node, Value};
use crate::limits::{Exceeded, Limits};

/// How often each container and object is referred to, and how many nodes it stands for.
pub struct Expansion {
    weights: ByPart<Weight>,
    cyclic: bool,
    total: u64,
}

#[derive(Clone, Copy, Default)]
struct Weight {
    /// Nodes written when sharing is not: 0 before it is known.
    size: u64,
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
        let mut expansion = Expansion { weights: ByPart::new(value), cyclic: false, total: 1 };
        let root = node;
        let mut stack = vec![(root, false)];
        let mut inside = Vec::new();
        while let Some((node, done)) = stack.pop() {
            let Some(weight) = expansion.weights.get_mut(node) else { continue };
            if done {
                weight.open = false;
                inside.clear();
                parts(value, node, &mut inside);
                let size = inside.iter().fold(1, |sum: u64, part| sum.saturating_add(expansion.size(*part)));
                if let Some(weight) = expansion.weights.get_mut(node) {
                    weight.size = size;
                }
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
        expansion.total = expansion.size(root);
        expansion
    }

    /// Refuses a value that is too long to be written with each shared part in full.
    ///
    /// # Errors
    /// [`Exceeded`] with the limit `printed`.
    pub fn check(&self, limits: &Limits) -> Result<(), Exceeded> {
        limits.check("printed", self.total)
    }

    /// Whether the value contains itself.
    #[must_use]
    pub fn is_cyclic(&self) -> bool {
        self.cyclic
    }

    /// How many nodes `node` stands for.
    #[must_use]
    pub fn size(&self, node: Node) -> u64 {
        self.weights.get(node).map_or(1, |weight| weight.size.max(1))
    }

    /// How often `node` is referred to.
    #[must_use]
    pub fn references(&self, node: Node) -> u32 {
        self.weights.get(node).map_or(1, |weight| weight.references)
    }

    /// Whether `node` is where a cycle closes.
    #[must_use]
    pub fn closes_cycle(&self, node: Node) -> bool {
        self.weights.get(node).is_some_and(|weight| weight.cycle)
    }
}

/// The nodes that are written when `node` is, in that order: of a date not its bytes.
fn parts(value: &Value, node: Node, out: &mut Vec<Node>) {
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
        }
        Some(_) => {}
    }
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
