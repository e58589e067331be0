//! The keys of a memcached: a metadump, read as it comes.
//!
//! The server walks its lists of items once and sends a line for each (`lru_crawler metadump`, 1.4.31
//! and later). It takes no pattern, has no cursor, and occupies its connection until it is through: so a
//! listing has a connection of its own, and only what it has not passed yet is still on the way.
//! What is added, used or evicted meanwhile may be missed.

use std::thread;
use std::time::{Duration, Instant};

use super::link::Link;
use super::reply::{self, malformed};
use crate::backend::net::Stream;
use crate::backend::{Cursor, Error, ErrorKind, Page};
use crate::entry::StoredKey;
use crate::pattern::Pattern;
use crate::url::percent_decode;

/// Lines of one page.
const PAGE: usize = 1000;

/// By the table of hashes, which misses no item that is moved from list to list because it was just used; by those
/// lists where the server knows no other way (tried with 1.6.18, which knows both).
const BY_HASH: &[u8] = b"lru_crawler metadump hash\r\n";
const BY_LIST: &[u8] = b"lru_crawler metadump all\r\n";

/// How long a server may be busy with the walk before, which it goes on with for a while when nobody
/// listens any more, and how often it is asked again.
const BUSY_MOST: Duration = Duration::from_secs(2);
const AGAIN: Duration = Duration::from_millis(10);

/// A metadump that goes on.
pub struct Dump {
    stream: Stream,
    command: &'static [u8],
    started: Instant,
    has_begun: bool,
    passed: u64,
}

/// An item as it is listed.
pub struct Listed {
    /// Its key.
    pub key: Vec<u8>,
    /// When it expires, in seconds after the Unix epoch; -1 for never.
    pub expires_s: Option<i64>,
    /// When it was last used, likewise.
    pub used_s: Option<i64>,
    /// Bytes that it takes, its head and key included.
    pub memory: Option<u64>,
}

impl Dump {
    /// Begins one.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub fn start(link: &Link) -> Result<Dump, Error> {
        let mut stream = link.session()?;
        stream.send(BY_HASH).map_err(|error| link.lost(&error))?;
        Ok(Dump { stream, command: BY_HASH, started: Instant::now(), has_begun: false, passed: 0 })
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
            let Some(listed) = self.listed(link)? else { return Ok(page) };
            if pattern.matches(&listed.key) {
                page.keys.push(StoredKey::new(listed.key));
            }
        }
        self.passed += PAGE as u64;
        page.next = Some(Cursor::At(self.passed));
        Ok(page)
    }

    /// The next item; `None` after the last.
    ///
    /// # Errors
    /// When the connection fails, or the server does not list.
    pub fn listed(&mut self, link: &Link) -> Result<Option<Listed>, Error> {
        let mut line = reply::line(self.stream.reply()).map_err(|error| link.lost(&error))?;
        while !self.has_begun {
            match () {
                // To a server that knows only lists, it is the name of one.
                () if line.starts_with("BADCLASS") && self.command == BY_HASH => self.command = BY_LIST,
                () if line.starts_with("BUSY") && self.started.elapsed() < BUSY_MOST => thread::sleep(AGAIN),
                () => break,
            }
            self.stream.send(self.command).map_err(|error| link.lost(&error))?;
            line = reply::line(self.stream.reply()).map_err(|error| link.lost(&error))?;
        }
        self.has_begun = true;
        let Some(rest) = line.strip_prefix("key=") else {
            return match line.as_str() {
                "END" => Ok(None),
                _ if line.starts_with("BUSY") || line.contains("ERROR") => Err(link.refused("cannot list keys", &line)),
                _ => Err(link.lost(&malformed())),
            };
        };
        let mut words = rest.split(' ');
        let key = percent_decode(words.next().unwrap_or_default()).map_err(|_| {
            Error::new(ErrorKind::Failed, format!("{} lists a key that is not percent-encoded", link.label()))
        })?;
        let mut listed = Listed { key, expires_s: None, used_s: None, memory: None };
        for word in words {
            match word.split_once('=') {
                Some(("exp", time)) => listed.expires_s = time.parse().ok(),
                Some(("la", time)) => listed.used_s = time.parse().ok(),
                Some(("size", size)) => listed.memory = size.parse().ok(),
                _ => {}
            }
        }
        Ok(Some(listed))
    }
}
