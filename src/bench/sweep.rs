//! The search for the highest rate that a server bears.
//!
//! Rates are doubled until one is not borne, or halved until one is; then the gap between the two is
//! narrowed. What is not borne is tried once more before it is believed, for a moment in which the machine was
//! busy with something else looks the same. It knows rates and latencies, and not how they are measured.

/// The first rate, a second.
const FIRST: f64 = 1000.0;

/// The least.
const LEAST: f64 = 1.0;

/// The most: more than any machine sends.
pub const MOST: f64 = 1e8;

/// A gap that is less than this wide, as a ratio, is narrow enough.
pub const NARROW: f64 = 1.05;

/// A rate of which less than this share is achieved is not borne.
pub const KEPT: f64 = 0.99;

/// So many times the p99 that is usual where rates are borne, latencies have bent.
const BEND: u64 = 5;

/// Below this, in nanoseconds, they have not: it is what clocks and schedulers add now and then.
const BEND_LEAST: u64 = 1_000_000;

/// How many steps a search takes at most: from [`FIRST`] beyond a million, with some tried twice.
pub const STEPS_MOST: u32 = 24;

/// What a rate has come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    /// Requests a second that were asked for.
    pub asked: f64,
    /// Those that were sent in time and done.
    pub achieved: f64,
    /// 99 of 100 latencies are not longer; nanoseconds.
    pub p99: u64,
}

/// Whether a rate is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// It is.
    Borne,
    /// Less was achieved.
    Short,
    /// Latencies bend.
    Late,
}

/// The search.
#[derive(Debug, Default)]
pub struct Search {
    borne: Option<f64>,
    not_borne: Option<f64>,
    /// What was not borne once.
    doubted: Option<f64>,
    /// The p99 of each rate that was borne, the least first.
    usual: Vec<u64>,
}

impl Search {
    /// The rate to try next; `None` when it is found.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        if self.doubted.is_some() {
            return self.doubted;
        }
        match (self.borne, self.not_borne) {
            (None, None) => Some(FIRST),
            (Some(low), None) => Some(low * 2.0).filter(|rate| *rate <= MOST),
            (None, Some(high)) => (high > LEAST).then(|| (high / 2.0).max(LEAST)),
            (Some(low), Some(high)) => (high / low > NARROW).then(|| short((low * high).sqrt())),
        }
    }

    /// Takes in what a step has found, and says what that means.
    pub fn tell(&mut self, tried: &Tried) -> Bearing {
        // The median: the machine may have been busy, or unusually idle, during any of them.
        let usual = self.usual.get(self.usual.len() / 2).copied().unwrap_or(tried.p99);
        let bearing = if tried.achieved < tried.asked * KEPT {
            Bearing::Short
        } else if tried.p99 > usual.saturating_mul(BEND).max(BEND_LEAST) {
            Bearing::Late
        } else {
            Bearing::Borne
        };
        let doubted = self.doubted.take();
        match bearing {
            Bearing::Borne => {
                self.borne = Some(tried.asked);
                self.usual.insert(self.usual.partition_point(|p99| *p99 < tried.p99), tried.p99);
            }
            _ if doubted.is_none() => self.doubted = Some(tried.asked),
            _ => self.not_borne = Some(tried.asked),
        }
        bearing
    }
}

/// To three digits: nobody needs more of a rate in between.
fn short(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 2.0);
    (rate / unit).round() * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a server that bears `capacity`, and is slow at every `hiccup`th step; the highest rate that was borne,
    /// and the steps.
    fn search(capacity: f64, hiccup: usize) -> (Option<f64>, Vec<f64>) {
        let (mut search, mut steps, mut borne) = (Search::default(), Vec::new(), None);
        while let Some(asked) = search.next() {
            steps.push(asked);
            let slow = steps.len().is_multiple_of(hiccup);
            let p99 = if asked > capacity || slow { 80_000_000 } else { 100_000 };
            // Where nothing was borne yet nobody knows what is late.
            let most = if borne.is_some() { capacity * 1.2 } else { capacity };
            if search.tell(&Tried { asked, achieved: asked.min(most), p99 }) == Bearing::Borne {
                borne = Some(asked);
            }
        }
        (borne, steps)
    }

    #[test]
    fn the_knee_is_found_within_its_precision_and_in_few_steps() {
        for capacity in [1.5, 7.0, 900.0, 1000.0, 1001.0, 83_000.0, 1_300_000.0] {
            for hiccup in [usize::MAX, 4] {
                let (borne, steps) = search(capacity, hiccup);
                let share = borne.unwrap() / capacity;
                assert!((1.0 / NARROW / 1.01..=1.0).contains(&share), "{capacity}: {share} after {steps:?}");
                assert!(steps.len() <= STEPS_MOST as usize + 6, "{capacity}: {}", steps.len());
            }
        }
        let (_, steps) = search(83_000.0, usize::MAX);
        assert_eq!(steps[..8], [1e3, 2e3, 4e3, 8e3, 16e3, 32e3, 64e3, 128e3]);
        assert!(steps.len() < STEPS_MOST as usize, "{steps:?}");
    }

    #[test]
    fn what_bears_nothing_or_everything_ends_the_search() {
        let (borne, steps) = search(0.4, usize::MAX);
        assert_eq!((borne, steps.last().copied().map(|least| least < 2.0)), (None, Some(true)), "{steps:?}");
        let (borne, _) = search(f64::INFINITY, usize::MAX);
        assert!(borne.is_some_and(|rate| rate > MOST / 2.0), "{borne:?}");
    }

    #[test]
    fn a_rate_is_borne_when_it_is_achieved_in_time() {
        let mut search = Search::default();
        for (achieved, p99, bearing) in [
            (1000.0, 60_000, Bearing::Borne),
            (1980.0, 900_000, Bearing::Borne),
            (4000.0, 4_000_000, Bearing::Borne),
            (7900.0, 70_000, Bearing::Short),
            (8000.0, 4_600_000, Bearing::Late),
        ] {
            let asked = search.next().unwrap();
            assert_eq!(search.tell(&Tried { asked, achieved, p99 }), bearing, "{asked}");
        }
        assert_eq!((search.borne, search.not_borne), (Some(4000.0), Some(8000.0)));
    }
}
