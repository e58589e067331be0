//! Stores nothing: says yes to every write and has no entry, as cachetory's `dummy://`.
//!
//! For dry runs of a script, and to measure what everything but a store costs.

use super::{Backend, Connect, Cursor, Error, Options, Page, Row, nothing_more};
use crate::entry::{Condition, Entry, Expiry, Facts, Kind, Stored, StoredKey, Write};
use crate::pattern::Pattern;
use crate::url::{Url, UrlError};

/// `dummy:`
pub const ROW: Row = Row { schemes: &["dummy"], example: "dummy:", about: "stores nothing", kind: Kind::Dummy, parse };

struct Dummy;

fn parse(url: &str, _: &Options) -> Result<Connect, UrlError> {
    nothing_more(&Url::parse(url)?)?;
    Ok(Box::new(|| Ok(Box::new(Dummy))))
}

impl Backend for Dummy {
    fn kind(&self) -> Kind {
        Kind::Dummy
    }

    fn label(&self) -> &'static str {
        "dummy:"
    }

    fn get_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Error> {
        Ok(vec![None; keys.len()])
    }

    fn facts_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error> {
        Ok(vec![None; keys.len()])
    }

    /// There never is an entry, so only a write that asks for one is refused.
    fn set_many(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error> {
        Ok(writes.iter().map(|write| write.condition != Condition::IfPresent).collect())
    }

    /// There never is an entry that could still be as it was.
    fn replace(&mut self, _: &StoredKey, _: &Entry, _: &Stored) -> Result<bool, Error> {
        Ok(false)
    }

    fn delete_many(&mut self, keys: &[StoredKey]) -> Result<Vec<bool>, Error> {
        Ok(vec![false; keys.len()])
    }

    fn expire_many(&mut self, keys: &[StoredKey], _: Expiry) -> Result<Vec<bool>, Error> {
        Ok(vec![false; keys.len()])
    }

    fn scan(&mut self, _: &Pattern, _: Option<&str>, _: Cursor) -> Result<Page, Error> {
        Ok(Page::default())
    }

    /// There never is a counter, so each begins at 0.
    fn increment(&mut self, _: &StoredKey, by: i64, _: Expiry) -> Result<i128, Error> {
        Ok(by.into())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
