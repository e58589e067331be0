//! Servers that have the data together, for who speaks their protocol himself: where they are, and which has what.

use super::Error;
use super::net::{Line, Place};
use super::redis::slot_of;

/// Opens connections of the caller's own, logged in.
pub trait Dial: Send + Sync {
    /// The servers that have the data, as they are now.
    ///
    /// # Errors
    /// When none of them can be reached, or the user is refused.
    fn shards(&self) -> Result<Shards, Error>;

    /// A connection to one of them, or to one that they have named since.
    ///
    /// # Errors
    /// When it cannot be reached, or refuses the user.
    fn line(&self, place: &Place) -> Result<Line, Error>;
}

/// Servers that each have a part of the data, or the one that has all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards {
    /// Where they are.
    pub places: Vec<Place>,
    /// Of a cluster, which of them has each slot.
    pub owners: Option<Vec<u16>>,
}

impl Shards {
    /// One that has all.
    #[must_use]
    pub fn one(place: Place) -> Shards {
        Shards { places: vec![place], owners: None }
    }

    /// Which of them has a key.
    #[must_use]
    pub fn of(&self, key: &[u8]) -> usize {
        self.owners.as_ref().map_or(0, |owners| owners[usize::from(slot_of(key))].into())
    }
}
