//! A survey of what a backend holds, seen as the application's: each entry with what the layout takes
//! it for, and some with their value.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::read::{Reader, Reading, Unread};
use super::{Cache, Error};
use crate::backend::survey::{Observation, Observer, Plan, Surveyed};
use crate::backend::{ErrorKind, Heat, Search};
use crate::layout::Layout;

/// Who watches a survey.
pub trait Visitor {
    /// Whether the value of an entry is wanted.
    fn wants_value(&mut self, key: &[u8]) -> bool;

    /// An entry; `group` is what the layout takes it for, where it tells entries apart. Its value is
    /// there where it was wanted and is one value of no great length.
    fn meet(&mut self, seen: &Observation<'_>, group: Option<&str>, value: Option<Valued>);

    /// A page is done, see [`Observer::turn`].
    fn turn(&mut self, met: u64) -> ControlFlow<()>;
}

/// What an entry's data turned out to be.
pub struct Valued {
    /// Bytes as stored.
    pub encoded: u64,
    /// The value and its chain, or why there is none.
    pub reading: Result<Reading, Unread>,
}

impl Cache {
    /// How many entries the backend holds, whatever the layout; `None` where it does not say, or not to this user.
    ///
    /// # Errors
    /// The backend's.
    pub fn count(&mut self) -> Result<Option<u64>, Error> {
        match self.backend.count() {
            Err(error) if error.kind == ErrorKind::Denied => Ok(None),
            counted => Ok(counted?),
        }
    }

    /// The most used keys, as [`Backend::hottest`](crate::backend::Backend::hottest).
    ///
    /// # Errors
    /// The backend's.
    pub fn hottest(&mut self, most: usize, search: &mut Search<'_>) -> Result<Vec<Heat>, Error> {
        Ok(self.backend.hottest(most, search)?)
    }

    /// Walks over all that the plan names, whatever the layout. What was shown before an error stands.
    ///
    /// # Errors
    /// The backend's.
    pub fn survey(&mut self, plan: &Plan, visitor: &mut dyn Visitor) -> Result<Surveyed, Error> {
        let Cache { backend, layout, reader, .. } = self;
        let mut watch = Watch { layout: layout.as_ref(), reader, visitor };
        Ok(backend.survey(plan, &mut watch)?)
    }
}

/// Reads what an [`Observer`] sees.
struct Watch<'a> {
    layout: &'a dyn Layout,
    reader: &'a Reader,
    visitor: &'a mut dyn Visitor,
}

impl Observer for Watch<'_> {
    fn wants_data(&mut self, key: &[u8]) -> bool {
        self.visitor.wants_value(key)
    }

    fn see(&mut self, seen: &mut Observation<'_>) {
        let group: Option<Cow<'_, str>> = self.layout.group(seen.key);
        let value = seen.stored.take().map(|stored| Valued {
            encoded: stored.as_bytes().map_or(8, <[u8]>::len) as u64,
            reading: self.reader.read(stored),
        });
        self.visitor.meet(seen, group.as_deref(), value);
    }

    fn turn(&mut self, met: u64) -> ControlFlow<()> {
        self.visitor.turn(met)
    }
}
