//! What memcached clients for Python say of a value's form in the 32 bits beside it.
//!
//! The bits of pymemcache 4.0 (`serde.py`), python-memcached 1.62 (`memcache.py`) and pylibmc 1.6
//! (`_pylibmcmodule.h`) are the same, but for integers: 2 to the first two, 4 to pylibmc, to which 2 is a
//! bool. Clients of other languages use the same bits otherwise, so flags are evidence and no
//! proof; and 0 says nothing: it is what clients write that have no flags.

use super::Codec;
use crate::value::{Node, Value};

const PICKLE: u32 = 1;
const INTEGER: u32 = 2;
const LONG: u32 = 4;
const ZLIB: u32 = 8;
const TEXT: u32 = 16;

/// What flags say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// The layers of the chain, with `+` between them: at least the last ones of it.
    pub layers: &'static str,
    /// In words.
    pub words: &'static str,
    is_integer: bool,
}

/// What `flags` say; `None` where they are of no client that is known here, or 0.
#[must_use]
pub fn said(flags: u32) -> Option<Said> {
    let (layers, words) = match flags {
        ZLIB => ("zlib", "zlib"),
        PICKLE => ("pickle", "pickle"),
        INTEGER => ("json", "integer, or pylibmc's bool"),
        LONG => ("json", "integer"),
        TEXT => ("string", "text"),
        _ if flags == PICKLE | ZLIB => ("pickle+zlib", "pickle in zlib"),
        _ if flags == INTEGER | ZLIB => ("json+zlib", "integer in zlib, or pylibmc's bool"),
        _ if flags == LONG | ZLIB => ("json+zlib", "integer in zlib"),
        _ if flags == TEXT | ZLIB => ("string+zlib", "text in zlib"),
        _ => return None,
    };
    Some(Said { layers, words, is_integer: flags & (INTEGER | LONG) != 0 })
}

impl Said {
    /// The URL that reads what they say.
    #[must_use]
    pub fn url(&self) -> String {
        let serializer = if self.layers == "zlib" { "noop+" } else { "" };
        format!("{serializer}{}://", self.layers)
    }

    /// Whether a value can be under them.
    #[must_use]
    pub fn takes(&self, value: &Value) -> bool {
        !self.is_integer || matches!(value.root(), Node::Int(_) | Node::Big(_))
    }

    /// Whether `value`, written by `codec`, is what they say.
    #[must_use]
    pub fn holds(&self, codec: &Codec, value: &Value) -> bool {
        codec.layers().join("+") == self.layers && self.takes(value)
    }
}

/// Flags as people read them: `8 (zlib)`.
#[must_use]
pub fn shown(flags: u32) -> String {
    match (flags, said(flags)) {
        (0, _) => "0 (they say nothing)".to_owned(),
        (_, Some(Said { words, .. })) => format!("{flags} ({words}; pymemcache, pylibmc, python-memcached)"),
        (_, None) => format!("{flags} (of no client that is known here)"),
    }
}
