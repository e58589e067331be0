//! The plain layout: the stored key is a prefix and the key, with nothing between.
//!
//! cachetory 3.5.1 does this (`f"{prefix}{key}"`, no separator, no escaping), and so does everything
//! that has no naming rule at all: its prefix is empty.

use super::Row;
use crate::entry::StoredKey;
use crate::pattern::Pattern;

pub(super) const ROW: Row = Row {
    name: "plain",
    example: "plain://PREFIX",
    about: "the prefix, then the key, as cachetory stores it; no prefix unless given",
    open: |prefix| Plain { prefix },
};

/// A prefix, often empty.
#[derive(Clone, Debug)]
pub struct Plain {
    prefix: Vec<u8>,
}

impl Plain {
    /// The stored key for a key.
    #[must_use]
    pub fn stored_key(&self, key: &[u8]) -> StoredKey {
        StoredKey::new([&self.prefix, key].concat())
    }

    /// The key for a stored key; `None` when it belongs to no key of this layout.
    #[must_use]
    pub fn key(&self, stored: &StoredKey) -> Option<Vec<u8>> {
        stored.key.strip_prefix(self.prefix.as_slice()).map(<[u8]>::to_vec)
    }

    /// The pattern over stored keys for a pattern over keys.
    #[must_use]
    pub fn pattern(&self, pattern: &Pattern) -> Pattern {
        pattern.under(&self.prefix)
    }
}
