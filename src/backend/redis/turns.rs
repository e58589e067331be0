//! Notices a scan that does not end: it goes in a circle, or shows nothing for ever.
//!
//! A cursor of Redis goes only forwards (`dictScan`, which counts in reversed bits), so one that
//! comes twice in a scan comes for ever. Brent's algorithm finds it with the memory of one cursor: it
//! keeps each first, second, fourth, eighth … and compares those between. Against a server that
//! makes up ever new cursors there is only patience, which has a limit.

use crate::backend::{Error, ErrorKind};
use crate::limits::{Exceeded, Limits};

/// The cursors of one scan.
#[derive(Default)]
pub struct Turns {
    kept: u64,
    since: u64,
    until: u64,
    empty: u64,
}

/// Why a scan does not end.
#[derive(Debug, PartialEq, Eq)]
pub enum Endless {
    /// It goes in a circle.
    Again,
    /// Page after page shows nothing.
    Empty(Exceeded),
}

impl Endless {
    /// In words.
    pub fn named(&self, verb: &str, label: &str) -> Error {
        let (kind, why) = match self {
            Endless::Again => (ErrorKind::Failed, "its cursors come again".to_owned()),
            Endless::Empty(exceeded) => (ErrorKind::Limit, format!("page after page is empty, {exceeded}")),
        };
        Error::new(kind, format!("the {verb} of {label} does not end: {why}"))
    }
}

impl Turns {
    /// Takes how much a page has shown and the next cursor; 0 is the end.
    ///
    /// # Errors
    /// [`Endless`] when the cursor is known to have come before, or too many pages were empty.
    pub fn pass(&mut self, shown: usize, cursor: u64, limits: &Limits) -> Result<(), Endless> {
        if cursor != 0 && cursor == self.kept {
            return Err(Endless::Again);
        }
        self.empty = if shown == 0 { self.empty + 1 } else { 0 };
        limits.check("scan", self.empty).map_err(Endless::Empty)?;
        if self.since == self.until {
            *self = Turns { kept: cursor, since: 0, until: (self.until * 2).max(1), empty: self.empty };
        } else {
            self.since += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_noticed_wherever_it_begins_and_nothing_else() {
        for (lead, circle) in [(0, 1), (0, 2), (1, 1), (7, 3), (100, 64), (5, 1000)] {
            let mut turns = Turns::default();
            let cursors = (1..=lead).chain((lead + 1..=lead + circle).cycle());
            let noticed =
                cursors.take(10_000).position(|cursor| turns.pass(1, cursor, &Limits::DEFAULT) == Err(Endless::Again));
            assert!(noticed.is_some_and(|at| at < 4 * (lead + circle) as usize), "{lead} {circle}: {noticed:?}");
        }
        let mut turns = Turns::default();
        assert!((1..100_000).chain([0]).all(|cursor| turns.pass(1, cursor, &Limits::DEFAULT).is_ok()));
    }

    #[test]
    fn empty_pages_are_counted_from_the_last_that_showed_something() {
        let limits = Limits { scan: 3, ..Limits::DEFAULT };
        let mut turns = Turns::default();
        for (cursor, shown) in (1..).zip([0, 0, 0, 1, 0, 0, 0]) {
            assert_eq!(turns.pass(shown, cursor, &limits), Ok(()), "page {cursor}");
        }
        assert_eq!(turns.pass(0, 8, &limits), Err(Endless::Empty(limits.exceeded("scan"))));
    }
}
