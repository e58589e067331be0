//! The aiocache layout: namespace and key, with a colon between them on Redis only.
//!
//! Read from aiocache 0.12.3. `BaseCache._build_key` (`base.py`) puts nothing between the two, and
//! so do memcached and memory; `RedisCache._build_key` (`backends/redis.py`) puts a colon there
//! unless the namespace is empty. It has no store on disk: one would inherit the base's rule, so
//! that is the rule here for all that is not Redis.

use std::borrow::Cow;

use super::{Act, Error, Layout, Name, OUTSIDE, Owner, Row, Spec, Step, Sweep};
use crate::entry::{Kind, StoredKey};
use crate::pattern::Pattern;
use crate::url::UrlError;

pub(super) const ROW: Row = Row {
    schemes: &["aiocache"],
    example: "aiocache://NAMESPACE",
    about: "as aiocache stores it: NAMESPACE:KEY on Redis, NAMESPACEKEY elsewhere; the key alone unless given",
    open,
    recognise: |_, _| None,
};

fn open(spec: Spec) -> Result<Box<dyn Layout>, UrlError> {
    spec.no_query()?;
    let namespace = spec.namespace()?.unwrap_or_default();
    let mut prefix = namespace.clone();
    if spec.on == Kind::Redis && !prefix.is_empty() {
        prefix.push(b':');
    }
    Ok(Box::new(Aiocache { namespace, prefix: on_wire(spec.on, prefix), on: spec.on }))
}

/// A namespace, often empty.
struct Aiocache {
    namespace: Vec<u8>,
    /// What every stored key begins with.
    prefix: Vec<u8>,
    on: Kind,
}

/// Bytes of a key as the client sends them: `MemcachedCache._build_key` replaces spaces.
fn on_wire(on: Kind, mut bytes: Vec<u8>) -> Vec<u8> {
    if on == Kind::Memcached {
        bytes.iter_mut().filter(|byte| **byte == b' ').for_each(|byte| *byte = b'_');
    }
    bytes
}

/// The longest key of memcached, in bytes. The client (aiomcache 0.8.2) counts characters, and lets
/// some pass that the server then refuses.
const MEMCACHED_KEY_MAX: usize = 250;

/// Refuses what `Client._validate_key` (aiomcache 0.8.2) or memcached itself refuses.
fn check_memcached(stored: &[u8]) -> Result<(), Error> {
    let Ok(text) = std::str::from_utf8(stored) else {
        return Err(Error::new("aiocache has text as keys on memcached, and this one is not UTF-8"));
    };
    if stored.is_empty() {
        return Err(Error::new("memcached has no empty keys, and there is no namespace to put before this one"));
    }
    if stored.len() > MEMCACHED_KEY_MAX {
        let bytes = stored.len();
        return Err(Error::new(format!("with its namespace it is {bytes} bytes; memcached takes {MEMCACHED_KEY_MAX}")));
    }
    match text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        Some(odd) => Err(Error::new(format!(
            "U+{:04X} is in it: aiocache's memcached client takes no control characters, and no white space but \
             the space",
            u32::from(odd)
        ))),
        None => Ok(()),
    }
}

impl Aiocache {
    fn stored(&self, key: &[u8]) -> Result<Vec<u8>, Error> {
        let stored = [self.prefix.as_slice(), &on_wire(self.on, key.to_vec())].concat();
        if self.on == Kind::Memcached {
            check_memcached(&stored)?;
        }
        Ok(stored)
    }
}

impl Layout for Aiocache {
    fn locate(&self, name: &Name, _: &[Option<Vec<u8>>]) -> Result<Option<StoredKey>, Error> {
        Ok(Some(StoredKey::new(self.stored(&name.key)?)))
    }

    fn explain(&self, name: &Name, _: &[Option<Vec<u8>>]) -> Result<Vec<Step>, Error> {
        let stored = self.stored(&name.key)?;
        let mut steps = Vec::new();
        let how = match (self.namespace.is_empty(), self.on) {
            (true, _) => "no namespace: the key as it is",
            (false, Kind::Redis) => "namespace, a colon and key, as on Redis",
            (false, _) => "namespace and key, nothing between, as on all but Redis",
        };
        if !self.namespace.is_empty() {
            steps.push(Step::new("the namespace", self.namespace.clone()));
        }
        steps.push(Step::new(how, stored.clone()));
        if self.on == Kind::Memcached && stored.contains(&b'_') {
            let spaces = self.namespace.contains(&b' ') || name.key.contains(&b' ');
            let what = match spaces {
                true => "spaces became _, as aiocache does on memcached",
                false => "the same as with a space for any _ of it, on memcached",
            };
            steps.push(Step::new(what, stored));
        }
        Ok(steps)
    }

    fn within(&self, part: &str) -> Box<dyn Layout> {
        let prefix = [self.prefix.as_slice(), &on_wire(self.on, part.as_bytes().to_vec())].concat();
        Box::new(Aiocache { namespace: [&self.namespace, part.as_bytes()].concat(), prefix, on: self.on })
    }

    /// On memcached a `_` of the key may have been a space: there is no telling.
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

    /// In memory aiocache keeps the objects themselves.
    fn serializer(&self) -> Option<&'static str> {
        matches!(self.on, Kind::Redis | Kind::Memcached).then_some("json://")
    }

    fn caveat(&self, act: Act, layers: &[&str]) -> Option<&'static str> {
        match (act, self.on) {
            (Act::Clear, Kind::Redis) => Some(
                "an application's clear() (aiocache 0.12.3) runs FLUSHDB, even of a cache with a namespace; \
                 clear(namespace=...) takes the namespace as a pattern",
            ),
            (Act::Clear, Kind::Memcached) => Some(
                "an application's clear() (aiocache 0.12.3) runs flush_all, which takes what others have there, too",
            ),
            (Act::Set, Kind::Redis | Kind::Memcached) if layers.contains(&"msgpack") => Some(
                "aiocache's MsgPackSerializer (0.12.3) cannot read this back with its default encoding; \
                 with encoding=None it gives text back as bytes",
            ),
            _ => None,
        }
    }
}
