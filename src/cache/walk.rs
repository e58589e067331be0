//! A walk over the entries of a layout, a page at a time.
//!
//! Where entries are fields, it goes from hash to hash and through the fields of each; a hash that
//! is gone, or is none any more when its turn comes, has no entries.

use super::{Cache, Error};
use crate::backend::Cursor;
use crate::entry::StoredKey;
use crate::layout::{self, Owner, Sweep};
use crate::pattern::Pattern;

/// A walk under way.
pub struct Walk {
    pattern: Pattern,
    sweep: Sweep,
    kind: Option<String>,
    keys: Option<Cursor>,
    /// Hashes of the last page of keys whose fields are not read yet.
    hashes: Vec<StoredKey>,
    /// Where the fields of the last of them go on.
    fields: Cursor,
}

/// An entry that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Its key; `None` where the layout stores a hash of it.
    pub key: Option<Vec<u8>>,
    /// Its stored key.
    pub stored_key: StoredKey,
}

impl Met {
    /// What it is called: its key, or where that is hidden its stored key.
    #[must_use]
    pub fn called(&self) -> &[u8] {
        self.key.as_deref().unwrap_or(&self.stored_key.key)
    }
}

impl Walk {
    pub(super) fn new(cache: &Cache, pattern: Pattern, kind: Option<&str>) -> Walk {
        let sweep = cache.layout.sweep(&pattern);
        let (kind, keys) = match (&sweep.fields, kind) {
            // A field is nothing but bytes: of another type there are none.
            (Some(_), Some(other)) if other != "string" => (None, None),
            (Some(_), _) => (Some("hash".to_owned()), Some(Cursor::Start)),
            (None, kind) => (kind.map(str::to_owned), Some(Cursor::Start)),
        };
        Walk { pattern, sweep, kind, keys, hashes: Vec::new(), fields: Cursor::Start }
    }

    /// The next page of entries, which may be empty; `None` at the end. An entry may come twice.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`] when a pattern is to match keys that the layout hides.
    pub fn next(&mut self, cache: &mut Cache) -> Result<Option<Vec<Met>>, Error> {
        let page = match (&self.sweep.fields, self.hashes.last(), self.keys.take()) {
            (Some(fields), Some(hash), keys) => {
                self.keys = keys;
                let page = cache.backend.scan_fields(hash, fields, std::mem::take(&mut self.fields))?;
                match page.next {
                    Some(next) => self.fields = next,
                    None => drop(self.hashes.pop()),
                }
                page.keys
            }
            (_, _, None) => return Ok(None),
            (fields, _, Some(at)) => {
                let page = cache.backend.scan(&self.sweep.keys, self.kind.as_deref(), at)?;
                self.keys = page.next;
                if fields.is_some() {
                    self.hashes = page.keys;
                    return Ok(Some(Vec::new()));
                }
                page.keys
            }
        };
        let met = page.into_iter().filter_map(|stored| self.meet(cache, stored).transpose());
        Ok(Some(met.collect::<Result<_, _>>()?))
    }

    fn meet(&self, cache: &Cache, stored_key: StoredKey) -> Result<Option<Met>, Error> {
        match cache.layout.owner(&stored_key) {
            Owner::Key(key) if self.pattern.matches(&key) => Ok(Some(Met { key: Some(key), stored_key })),
            Owner::Hidden if self.pattern.is_all() => Ok(Some(Met { key: None, stored_key })),
            Owner::Hidden => {
                let told = "the layout stores hashes of keys, which no pattern matches: leave --match out";
                Err(Error::name(b"", layout::Error::new(told)))
            }
            Owner::Key(_) | Owner::Other => Ok(None),
        }
    }
}
