//! Stored keys: how a library names, in a backend, what the application calls by a key and tags.
//!
//! A layout is pure: names in, stored keys out. It holds no connection, no clock and no random
//! source; where a stored key depends on what the backend holds, it says what must be read first
//! and is handed what was found. One file a library and one row in [`LAYOUTS`].

mod aiocache;
mod plain;
mod pyredis_cache;
mod redis_tagged_cache;

use std::borrow::Cow;
use std::fmt;

pub use self::redis_tagged_cache::Tagging;
use crate::entry::{Kind, StoredKey};
use crate::pattern::Pattern;
use crate::url::{Url, UrlError, percent_decode};

/// What the application calls an entry: a key, and the tags it names with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Name {
    /// The key.
    pub key: Vec<u8>,
    /// The tags, in the caller's order; duplicates kept.
    pub tags: Vec<String>,
}

impl Name {
    /// A key without tags.
    #[must_use]
    pub fn new(key: impl Into<Vec<u8>>) -> Name {
        Name { key: key.into(), tags: Vec::new() }
    }
}

/// How a library names stored keys.
pub trait Layout: Send + Sync {
    /// The stored keys whose values decide where `name` is; none for most.
    ///
    /// # Errors
    /// When the library could not name such an entry.
    fn needs(&self, _name: &Name) -> Result<Vec<StoredKey>, Error> {
        Ok(Vec::new())
    }

    /// Where `name` is stored. `found` is what [`Layout::needs`] asked for, in its order; where the
    /// library could have no such entry for lack of one of them, `None`.
    ///
    /// # Errors
    /// When the library could not name such an entry.
    fn locate(&self, name: &Name, found: &[Option<Vec<u8>>]) -> Result<Option<StoredKey>, Error>;

    /// The steps from `name` to its stored key, for people.
    ///
    /// # Errors
    /// As [`Layout::locate`].
    fn explain(&self, name: &Name, found: &[Option<Vec<u8>>]) -> Result<Vec<Step>, Error>;

    /// The same layout for a namespace inside this one, of which no application has heard: with `part` at the end of
    /// the namespace, or of the names that stand for one.
    fn within(&self, part: &str) -> Box<dyn Layout>;

    /// What a stored key is to this layout.
    fn owner(&self, stored: &StoredKey) -> Owner;

    /// What a stored key is counted under, where the layout tells keys apart: the operation, or entries,
    /// tags and locks. A Redis hash that holds entries counts as it is named.
    fn group(&self, key: &[u8]) -> Option<Cow<'static, str>>;

    /// Where entries whose keys match may be: never fewer, so that who asks filters by the key.
    fn sweep(&self, pattern: &Pattern) -> Sweep;

    /// The serializer URL that the library uses unless the application says otherwise.
    fn serializer(&self) -> Option<&'static str> {
        None
    }

    /// How tags are stored, where they are part of a name.
    fn tagging(&self) -> Option<&Tagging> {
        None
    }

    /// The Redis hash of this id, where entries are fields of hashes.
    ///
    /// # Errors
    /// When it is no id.
    fn hash(&self, _id: &[u8]) -> Option<Result<StoredKey, Error>> {
        None
    }

    /// What the user must know of the library when doing `act` with values in these layers.
    fn caveat(&self, _act: Act, _layers: &[&str]) -> Option<&'static str> {
        None
    }
}

/// The group of keys that are none of the layout's, or not of this namespace.
const OUTSIDE: &str = "others";

/// One step from a name to a stored key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done, in words.
    pub what: String,
    /// What comes of it.
    pub result: Vec<u8>,
}

impl Step {
    /// A step.
    pub fn new(what: impl Into<String>, result: impl Into<Vec<u8>>) -> Step {
        Step { what: what.into(), result: result.into() }
    }
}

/// What a stored key is to a layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// None of its entries.
    Other,
    /// The entry of this key.
    Key(Vec<u8>),
    /// An entry whose key cannot be told from it: the layout stores a hash.
    Hidden,
}

/// Where a scan for entries has to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The stored keys.
    pub keys: Pattern,
    /// Where entries are fields of the hashes at these keys: which fields.
    pub fields: Option<Pattern>,
}

/// What is being done, where a library has a trap in doing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Many entries are read at once.
    GetMany,
    /// An entry is written.
    Set,
    /// A namespace is cleared.
    Clear,
    /// Tags are invalidated.
    Invalidate,
}

/// A name that the library could not have given. A usage error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
}

impl Error {
    /// An error with a sentence of its own.
    pub fn new(message: impl Into<String>) -> Error {
        Error { message: message.into() }
    }

    /// Tags were given to a layout that has none.
    #[must_use]
    pub fn no_tags() -> Error {
        Error::new("tags are no part of a key in this layout: -l redis-tagged-cache://NAMESPACE is one where they are")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// What a layout URL says, and where it will be used.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// What stands between scheme and query, still percent-encoded; `None` when nothing was said.
    pub rest: Option<&'a str>,
    /// The query.
    pub query: &'a [(String, String)],
    /// On which kind of backend: libraries name keys differently on each.
    pub on: Kind,
}

impl Spec<'_> {
    /// The namespace, decoded; `None` when none was said.
    ///
    /// # Errors
    /// When an escape is malformed.
    pub fn namespace(&self) -> Result<Option<Vec<u8>>, UrlError> {
        self.rest.map(percent_decode).transpose()
    }

    /// The value of the query's one parameter, `name`.
    ///
    /// # Errors
    /// When the query has another, or this one twice.
    pub fn parameter(&self, name: &'static str) -> Result<Option<&str>, UrlError> {
        match self.query {
            [] => Ok(None),
            [(only, value)] if only == name => Ok(Some(value)),
            [(first, _), ..] if first == name => {
                Err(UrlError::new(format!("`{name}` is given more than once, or not alone")))
            }
            [(first, _), ..] => Err(UrlError::unknown("parameter", first, &[name])),
        }
    }

    /// Refuses a query, for layouts that take none.
    ///
    /// # Errors
    /// When there is one.
    pub fn no_query(&self) -> Result<(), UrlError> {
        match self.query.first() {
            Some((name, _)) => Err(UrlError::unknown("parameter", name, &[])),
            None => Ok(()),
        }
    }
}

/// One layout.
pub struct Row {
    /// The URL schemes, the usual one first.
    pub schemes: &'static [&'static str],
    /// A URL as an example.
    pub example: &'static str,
    /// For the help.
    pub about: &'static str,
    /// The layout that a URL says.
    pub open: fn(Spec) -> Result<Box<dyn Layout>, UrlError>,
    /// What of the library's a stored key is, whatever the namespace, in words; its value may help.
    /// `None` unless hardly anything else has such keys.
    pub recognise: fn(&StoredKey, Option<&[u8]>) -> Option<String>,
}

/// The table of layouts.
pub const LAYOUTS: &[Row] = &[plain::ROW, aiocache::ROW, pyredis_cache::ROW, redis_tagged_cache::ROW];

/// What of which library's a stored key is, as far as it tells by itself; its value may help.
#[must_use]
pub fn recognise(stored: &StoredKey, value: Option<&[u8]>) -> Option<String> {
    LAYOUTS.iter().find_map(|row| (row.recognise)(stored, value))
}

/// Reads a layout URL: `name:[//][namespace]`, for use on a kind of backend. `namespace`, from an
/// option of its own, says the same as the URL's.
///
/// # Errors
/// When no layout has the name, the layout refuses the URL, or two namespaces are given.
pub fn parse(text: &str, namespace: Option<&str>, on: Kind) -> Result<Box<dyn Layout>, UrlError> {
    let url = Url::parse(text)?;
    let schemes: Vec<&str> = LAYOUTS.iter().flat_map(|row| row.schemes.iter().copied()).collect();
    let row = LAYOUTS.iter().find(|row| row.schemes.contains(&url.scheme.as_str()));
    let row = row.ok_or_else(|| UrlError::unknown("layout", &url.scheme, &schemes))?;
    if namespace.is_some() && !url.rest.is_empty() {
        return Err(UrlError::new(format!("the layout `{text}` has a namespace already: leave out --namespace")));
    }
    let literal = namespace.map(|namespace| namespace.replace('%', "%25"));
    let rest = literal.as_deref().or(Some(url.rest.as_str()).filter(|rest| !rest.is_empty()));
    (row.open)(Spec { rest, query: &url.query, on })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_url_names_layout_and_namespace() {
        for (url, namespace, stored) in [
            ("plain:", None, "k"),
            ("plain://", None, "k"),
            ("plain://app:", None, "app:k"),
            ("plain://a%20b/", None, "a b/k"),
            ("PLAIN:", Some("p%20"), "p%20k"),
        ] {
            let layout = parse(url, namespace, Kind::Redis).unwrap();
            assert_eq!(layout.locate(&Name::new("k"), &[]), Ok(Some(StoredKey::new(stored))), "{url}");
        }
        for (url, namespace) in [("plian:", None), ("plain", None), ("plain://?x=1", None), ("plain://a", Some("b"))] {
            assert!(parse(url, namespace, Kind::Redis).is_err(), "{url}");
        }
    }
}
