//! What is stored, as much of it at once as is likely not to be too much.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;

use crate::backend::ErrorKind;
use crate::cache::{Cache, Error, Met};
use crate::entry::{Entry, StoredKey};

/// Bytes of entries that are fetched at once, by what those before had.
const BYTES: usize = 1 << 18;

/// Entries of which a first fetch has no more, as nobody knows how large they are.
const FIRST: usize = 16;

/// Entries where they are, or why one cannot be read.
pub type Entries = Vec<(Met, Result<Option<Entry>, String>)>;

/// Fetches entries. Threads may share it.
pub struct Fetch {
    /// How many at once.
    count: AtomicUsize,
}

impl Default for Fetch {
    fn default() -> Fetch {
        Fetch { count: AtomicUsize::new(FIRST) }
    }
}

impl Fetch {
    /// Gives the entries of a batch to `each`, and when they were read, until it wants no more. How long the server
    /// took.
    ///
    /// # Errors
    /// When the backend fails altogether; those of `each`.
    pub fn batch(
        &self,
        cache: &mut Cache,
        batch: Vec<Met>,
        mut each: impl FnMut(Entries, i64) -> Result<bool>,
    ) -> Result<Duration> {
        let (mut left, mut took) = (batch.into_iter(), Duration::ZERO);
        while left.len() > 0 {
            let some: Vec<Met> = left.by_ref().take(self.count.load(Ordering::Relaxed)).collect();
            let keys: Vec<StoredKey> = some.iter().map(|met| met.stored_key.clone()).collect();
            let started = Instant::now();
            let found = entries(cache, &keys)?;
            took += started.elapsed();
            let bytes: usize = found.iter().flatten().flatten().map(|entry| entry.stored.size()).sum();
            self.count.store((BYTES / (bytes / keys.len()).max(1)).max(1), Ordering::Relaxed);
            if !each(some.into_iter().zip(found).collect(), now_ms())? {
                break;
            }
        }
        Ok(took)
    }
}

/// The entries at `keys`, or why one cannot be read: it is too large, of a type that is none of ours, or
/// not for this user.
///
/// # Errors
/// When the backend fails altogether.
pub fn entries(cache: &mut Cache, keys: &[StoredKey]) -> Result<Vec<Result<Option<Entry>, String>>, Error> {
    match cache.entries_at(keys) {
        Ok(entries) => Ok(entries.into_iter().map(Ok).collect()),
        // One of them is the reason, and each by itself tells which.
        Err(error) if is_of_one(&error) => keys.iter().map(|key| entry(cache, key)).collect(),
        Err(error) => Err(error),
    }
}

fn entry(cache: &mut Cache, key: &StoredKey) -> Result<Result<Option<Entry>, String>, Error> {
    match cache.entries_at(std::slice::from_ref(key)) {
        Ok(mut entries) => Ok(Ok(entries.pop().flatten())),
        Err(error) if is_of_one(&error) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

fn is_of_one(error: &Error) -> bool {
    let Error::Backend(error) = error else { return false };
    matches!(error.kind, ErrorKind::Limit | ErrorKind::Unfit | ErrorKind::Denied)
}

/// Now, in milliseconds after the Unix epoch.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}
