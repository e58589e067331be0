//! Notices a scan that goes in a circle.
//!
//! A cursor of Redis goes only forwards (`dictScan`, which counts in reversed bits), so one that
//! comes twice in a scan comes for ever. Brent's algorithm finds it with the memory of one cursor: it
//! keeps each first, second, fourth, eighth … and compares those between.

use crate::backend::{Error, ErrorKind};

/// The cursors of one scan.
#[derive(Default)]
pub struct Turns {
    kept: u64,
    since: u64,
    until: u64,
}

/// A scan goes in a circle.
#[derive(Debug, PartialEq, Eq)]
pub struct Endless;

impl Endless {
    /// In words.
    pub fn named(&self, verb: &str, label: &str) -> Error {
        let message = format!("the {verb} of {label} does not end: its cursors come again");
        Error::new(ErrorKind::Failed, message)
    }
}

impl Turns {
    /// Takes the next cursor; 0 is the end.
    ///
    /// # Errors
    /// [`Endless`] when it is known to have come before.
    pub fn pass(&mut self, cursor: u64) -> Result<(), Endless> {
        if cursor != 0 && cursor == self.kept {
            return Err(Endless);
        }
        if self.since == self.until {
            *self = Turns { kept: cursor, since: 0, until: (self.until * 2).max(1) };
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
            let noticed = cursors.take(10_000).position(|cursor| turns.pass(cursor) == Err(Endless));
            assert!(noticed.is_some_and(|at| at < 4 * (lead + circle) as usize), "{lead} {circle}: {noticed:?}");
        }
        let mut turns = Turns::default();
        assert!((1..100_000).chain([0]).all(|cursor| turns.pass(cursor).is_ok()));
    }
}
