//! The keys of a memcached: a metadump, read as it comes.
//!
//! The server walks its lists of items once and sends a line for each (`lru_crawler metadump`, 1.4.31
//! and later). It takes no pattern, has no cursor, and occupies its connection until it is through: so a
//! listing has a connection of its own, and only what it has not passed yet is still on the way.
//! What is added, used or evicted meanwhile may be missed.

use super::link::Link;
use super::reply::{self, malformed};
use crate::backend::net::Stream;
use crate::backend::{Cursor, Error, ErrorKind, Page};
use crate::entry::StoredKey;
use crate::pattern::Pattern;
use crate::url::percent_decode;

/// Lines of one page.
const PAGE: usize = 1000;

/// A metadump that goes on.
pub struct Dump {
    stream: Stream,
    passed: u64,
}

impl Dump {
    /// Begins one.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn start(link: &Link) -> Result<Dump, Error> {
        let mut stream = link.session()?;
        stream.send(b"lru_crawler metadump all\r\n").map_err(|error| link.lost(&error))?;
        Ok(Dump { stream, passed: 0 })
    }

    /// Whether this is where `cursor` goes on.
    pub fn is_at(&self, cursor: &Cursor) -> bool {
        *cursor == Cursor::At(self.passed)
    }

    /// The next page of the keys that match.
    ///
    /// # Errors
    /// When the connection fails, or the server does not list.
    pub fn page(&mut self, link: &Link, pattern: &Pattern) -> Result<Page, Error> {
        let mut page = Page::default();
        for _ in 0..PAGE {
            let line = reply::line(self.stream.reply()).map_err(|error| link.lost(&error))?;
            let Some(rest) = line.strip_prefix("key=") else {
                return match line.as_str() {
                    "END" => Ok(page),
                    _ if line.starts_with("BUSY") || line.contains("ERROR") => {
                        Err(link.refused("cannot list keys", &line))
                    }
                    _ => Err(link.lost(&malformed())),
                };
            };
            let name = rest.split(' ').next().unwrap_or_default();
            let key = percent_decode(name).map_err(|_| {
                Error::new(ErrorKind::Failed, format!("{} lists a key that is not percent-encoded", link.label()))
            })?;
            if pattern.matches(&key) {
                page.keys.push(StoredKey::new(key));
            }
        }
        self.passed += PAGE as u64;
        page.next = Some(Cursor::At(self.passed));
        Ok(page)
    }
}
