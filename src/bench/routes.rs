//! Which server a request goes to, as all threads of a run know it: what one of them is told, the others need not be.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::backend::net::{Line, Place};
use crate::backend::redis::{Detour, place};
use crate::backend::{Dial, Error, ErrorKind, Shards};

/// Nodes that are kept in mind: Redis advises against more than a thousand.
const NODES_MOST: usize = 4096;

/// The servers of a run, and who has what.
pub struct Routes<'a> {
    dial: &'a dyn Dial,
    /// All that were ever heard of: a node is known by its place here.
    places: Mutex<Vec<Place>>,
    /// Of a cluster, the node that has each slot.
    owners: Option<Vec<AtomicU16>>,
}

impl Routes<'_> {
    /// Those that there are.
    #[must_use]
    pub fn new(dial: &dyn Dial, shards: Shards) -> Routes<'_> {
        let owners = shards.owners.map(|owners| owners.into_iter().map(AtomicU16::new).collect());
        Routes { dial, places: Mutex::new(shards.places), owners }
    }

    /// Whether they are a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.owners.is_some()
    }

    /// The node that has a slot.
    #[must_use]
    pub fn of(&self, slot: u16) -> usize {
        self.owners.as_ref().map_or(0, |owners| owners[usize::from(slot)].load(Ordering::Relaxed).into())
    }

    /// The node that another one names in place of a reply, and whether it has to be told that it was named: it has
    /// not got the slot yet.
    ///
    /// # Errors
    /// When more nodes are named than a cluster has.
    pub fn follow(&self, by: usize, detour: Detour) -> Result<(usize, bool), Error> {
        let (slot, host, port) = match detour {
            Detour::Moved(slot, host, port) => (Some(slot), host, port),
            Detour::Ask(host, port) => (None, host, port),
            Detour::Later => return Ok((by, false)),
        };
        let place = place(&self.place(by), host, port);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let node = match places.iter().position(|known| *known == place) {
            Some(node) => node,
            None if places.len() == NODES_MOST => {
                let message = format!("the nodes name {place}, and {NODES_MOST} others before it");
                return Err(Error::new(ErrorKind::Failed, message));
            }
            None => {
                places.push(place);
                places.len() - 1
            }
        };
        if let Some((owners, slot)) = self.owners.as_ref().zip(slot) {
            owners[usize::from(slot)].store(node as u16, Ordering::Relaxed);
        }
        Ok((node, slot.is_none()))
    }

    /// Where a node is.
    #[must_use]
    pub fn place(&self, node: usize) -> Place {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)[node].clone()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A connection to one.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses the user.
    pub fn line(&self, node: usize) -> Result<Line, Error> {
        self.dial.line(&self.place(node))
    }
}
