//! The plain layout: the stored key is a prefix and the key, with nothing between.
//!
//! cachetory 3.5.1 does this (`f"{prefix}{key}"`, no separator, no escaping), and so does everything
//! that has no naming rule at all: its prefix is empty.

use std::borrow::Cow;

use super::{Act, Error, Layout, Name, OUTSIDE, Owner, Row, Spec, Step, Sweep};
use crate::entry::StoredKey;
use crate::pattern::Pattern;
use crate::url::UrlError;

pub(super) const ROW: Row = Row {
    schemes: &["plain"],
    example: "plain://PREFIX",
    about: "the prefix, then the key, as cachetory stores it; no prefix unless given",
    open,
    recognise: |_, _| None,
};

fn open(spec: Spec) -> Result<Box<dyn Layout>, UrlError> {
    spec.no_query()?;
    Ok(Box::new(Plain { prefix: spec.namespace()?.unwrap_or_default() }))
}

/// A prefix, often empty.
struct Plain {
    prefix: Vec<u8>,
}

impl Layout for Plain {
    /// Tags are the backend's own here (DiskCache's), and no part of the name.
    fn locate(&self, name: &Name, _: &[Option<Vec<u8>>]) -> Result<Option<StoredKey>, Error> {
        Ok(Some(StoredKey::new([&self.prefix, name.key.as_slice()].concat())))
    }

    fn explain(&self, name: &Name, _: &[Option<Vec<u8>>]) -> Result<Vec<Step>, Error> {
        let stored = [&self.prefix, name.key.as_slice()].concat();
        if self.prefix.is_empty() {
            return Ok(vec![Step::new("the key as it is", stored)]);
        }
        Ok(vec![Step::new("the prefix", self.prefix.clone()), Step::new("prefix and key, nothing between", stored)])
    }

    fn within(&self, part: &str) -> Box<dyn Layout> {
        Box::new(Plain { prefix: [&self.prefix, part.as_bytes()].concat() })
    }

    fn owner(&self, stored: &StoredKey) -> Owner {
        let key = stored.key.strip_prefix(self.prefix.as_slice());
        key.map_or(Owner::Other, |key| Owner::Key(key.to_vec()))
    }

    fn group(&self, key: &[u8]) -> Option<Cow<'static, str>> {
        let named = !self.prefix.is_empty();
        named.then(|| if key.starts_with(&self.prefix) { "in the namespace" } else { OUTSIDE }.into())
    }

    fn sweep(&self, pattern: &Pattern) -> Sweep {
        Sweep { keys: pattern.under(&self.prefix), fields: None }
    }

    fn caveat(&self, act: Act, _: &[&str]) -> Option<&'static str> {
        match act {
            Act::GetMany if !self.prefix.is_empty() => Some(
                "an application's get_many (cachetory 3.5.1) leaves the prefix out: it finds other entries or none",
            ),
            Act::Clear => Some("an application's clear (cachetory 3.5.1) empties the whole database; this does not"),
            _ => None,
        }
    }
}
