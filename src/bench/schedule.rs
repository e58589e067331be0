//! When requests are to be sent, and until when.
//!
//! A closed loop sends when an answer is there, so that a slow server is asked less. An open loop sends
//! when it is time to, as users do: request `i` is due at `i / rate`, whatever became of those before.

use std::time::Duration;

/// What decides when a request is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// The reply to another.
    Closed,
    /// The clock: so many a second.
    Open(f64),
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// So many requests have been sent, those of the warm-up not counted.
    Requests(u64),
    /// It has gone on for so long after the warm-up.
    After(Duration),
}

/// How long after its end an open loop still sends what was due before: as long as it takes to wake up.
const GRACE: u64 = 50_000_000;

/// The turns of one thread out of several. Times are nanoseconds since the start.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// From when on requests count.
    pub from: u64,
    /// Until when; `u64::MAX` for as long as it takes.
    until: u64,
    /// How many were sent that count.
    pub sent: u64,
    /// How many are still to be.
    left: u64,
    open: Option<Clock>,
}

/// The due times of an open loop.
#[derive(Clone, Debug)]
struct Clock {
    /// Nanoseconds between two requests of the whole run.
    every: f64,
    /// Which request is next, and how many threads take turns.
    next: u64,
    step: u64,
}

impl Schedule {
    /// The turns of thread `nth` of `threads`.
    #[must_use]
    pub fn new(pace: Pace, warmup: Duration, end: End, nth: usize, threads: usize) -> Schedule {
        let (nth, step) = (nth as u64, threads as u64);
        let from = nanos(warmup);
        let (until, left) = match end {
            End::After(time) => (from.saturating_add(nanos(time)), u64::MAX),
            End::Requests(count) => (u64::MAX, count / step + u64::from(nth < count % step)),
        };
        let open = match pace {
            Pace::Closed => None,
            Pace::Open(rate) => Some(Clock { every: 1e9 / rate, next: nth, step }),
        };
        Schedule { from, until, sent: 0, left, open }
    }

    /// Whether requests are sent when it is time to.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When the next request is due, if there is one: now, in a closed loop.
    #[must_use]
    pub fn due(&self, now: u64) -> Option<u64> {
        let due = self.open.as_ref().map_or(now, Clock::due);
        let late = self.is_open() && now > self.until.saturating_add(GRACE);
        (self.left > 0 && due < self.until && !late).then_some(due)
    }

    /// Whether the time is up, where there is one.
    #[must_use]
    pub fn is_over(&self, now: u64) -> bool {
        now >= self.until
    }

    /// The next request, which was due then, is sent.
    pub fn take(&mut self, due: u64) {
        if due >= self.from {
            self.left -= 1;
            self.sent += 1;
        }
        if let Some(clock) = &mut self.open {
            clock.next += clock.step;
        }
    }

    /// How many requests count that were due at `now` and that nobody has sent.
    #[must_use]
    pub fn overdue(&self, now: u64) -> u64 {
        let Some(mut clock) = self.open.clone() else { return 0 };
        let end = now.min(self.until);
        let mut count = 0;
        // Those of the warm-up do not count.
        while count < self.left && clock.due() < end {
            count += u64::from(clock.due() >= self.from);
            clock.next += clock.step;
        }
        count
    }
}

impl Clock {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a run is over long before a time has more than 53 bits"
    )]
    fn due(&self) -> u64 {
        (self.next as f64 * self.every) as u64
    }
}

/// As nanoseconds, for five centuries at most.
#[must_use]
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn threads_share_the_rate_and_the_requests() {
        let end = End::After(Duration::from_secs(3));
        let mut due: Vec<u64> = Vec::new();
        for nth in 0..3 {
            let mut schedule = Schedule::new(Pace::Open(1000.0), Duration::from_secs(1), end, nth, 3);
            assert_eq!(schedule.overdue(u64::MAX), 1000);
            while let Some(at) = schedule.due(0) {
                due.push(at);
                schedule.take(at);
            }
            assert_eq!(schedule.overdue(u64::MAX), 0);
        }
        due.sort_unstable();
        assert_eq!(due, (0..4000).map(|at| at * SECOND / 1000).collect::<Vec<_>>());
        let counts = [0, 1, 2].map(|nth| {
            let mut schedule = Schedule::new(Pace::Closed, Duration::ZERO, End::Requests(11), nth, 3);
            let mut count = 0;
            while let Some(now) = schedule.due(count) {
                schedule.take(now);
                count += 1;
            }
            count
        });
        assert_eq!(counts, [4, 4, 3]);
    }

    #[test]
    fn a_warm_up_is_not_counted_and_what_is_too_late_is_not_sent() {
        let mut schedule = Schedule::new(Pace::Closed, Duration::from_secs(1), End::Requests(1), 0, 1);
        for now in [0, SECOND - 1] {
            schedule.take(schedule.due(now).unwrap());
        }
        schedule.take(schedule.due(SECOND).unwrap());
        assert_eq!(schedule.due(SECOND), None);
        let schedule = Schedule::new(Pace::Open(10.0), Duration::ZERO, End::After(Duration::from_secs(1)), 0, 1);
        assert_eq!((schedule.due(SECOND + GRACE), schedule.due(SECOND + GRACE + 1)), (Some(0), None));
        assert_eq!((schedule.overdue(SECOND / 2), schedule.overdue(9 * SECOND)), (5, 10));
    }
}
