//! Waiting for servers that are sorting themselves out: longer each time, and no longer than the timeout in all.

use std::time::{Duration, Instant};

/// How long at first, and at most.
const FIRST: Duration = Duration::from_millis(10);
const MOST: Duration = Duration::from_millis(250);

/// What is left of it.
pub struct Patience {
    /// `None` where it is beyond what a clock can show.
    end: Option<Instant>,
    pause: Duration,
}

impl Patience {
    /// From now on, for a timeout.
    pub fn new(timeout: Duration) -> Patience {
        Patience { end: Instant::now().checked_add(timeout), pause: FIRST }
    }

    /// Waits a little; false where that would be too long.
    pub fn wait(&mut self) -> bool {
        if self.end.is_some_and(|end| Instant::now() + self.pause > end) {
            return false;
        }
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(MOST);
        true
    }
}
