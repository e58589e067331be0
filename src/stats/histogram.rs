//! How many entries there are of each order of size or time.

use super::estimate::{Estimate, Frame};

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Where the orders of times end.
const TIMES_S: [u64; 9] = [SECOND, 10 * SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY];

/// The entries of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The largest that belongs to it; `None` where there is no end.
    pub most: Option<u64>,
    /// How many.
    pub entries: Estimate,
}

/// Times by orders that people think in.
#[derive(Default)]
pub struct Times {
    counts: [u64; TIMES_S.len() + 1],
}

impl Times {
    /// Takes in one more, which belongs to the first order that it does not exceed.
    pub fn add(&mut self, ms: u64) {
        self.counts[TIMES_S.partition_point(|most_s| most_s * 1000 < ms)] += 1;
    }

    /// Every order in seconds, the shortest first; none where nothing was taken in.
    pub fn finish(self, frame: &Frame) -> Vec<Bucket> {
        if self.counts.iter().all(|count| *count == 0) {
            return Vec::new();
        }
        let ends = TIMES_S.into_iter().map(Some).chain([None]);
        ends.zip(self.counts).map(|(most, count)| Bucket { most, entries: frame.count(count) }).collect()
    }
}

/// Sizes by powers of two.
pub struct Sizes {
    counts: [u64; 65],
}

impl Sizes {
    /// Nothing yet.
    pub fn new() -> Sizes {
        Sizes { counts: [0; 65] }
    }

    /// Takes in one more: 0 alone, 1 alone, 2 to 3, 4 to 7 ...
    pub fn add(&mut self, size: u64) {
        self.counts[(u64::BITS - size.leading_zeros()) as usize] += 1;
    }

    /// The orders from the first that has entries to the last.
    pub fn finish(self, frame: &Frame) -> Vec<Bucket> {
        let first = self.counts.iter().position(|count| *count > 0).unwrap_or(0);
        let end = self.counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        let bucket = |bits: usize| {
            let most = u64::MAX.checked_shr(u64::BITS - bits as u32).unwrap_or(0);
            Bucket { most: Some(most), entries: frame.count(self.counts[bits]) }
        };
        (first..end).map(bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::estimate::Population;
    use super::*;

    fn told(buckets: Vec<Bucket>) -> Vec<(Option<u64>, u64)> {
        buckets.into_iter().map(|bucket| (bucket.most, bucket.entries.value)).collect()
    }

    #[test]
    fn a_time_belongs_to_the_first_order_that_it_does_not_exceed() {
        let frame = Frame::new(Population::Whole, 1);
        for (ms, most) in [
            (0, Some(1)),
            (1000, Some(1)),
            (1001, Some(10)),
            (60_000, Some(60)),
            (3_600_001, Some(21_600)),
            (2_592_000_000, Some(2_592_000)),
            (2_592_000_001, None),
            (u64::MAX, None),
        ] {
            let mut times = Times::default();
            times.add(ms);
            let buckets = told(times.finish(&frame));
            assert_eq!(buckets.len(), 10);
            assert!(buckets.contains(&(most, 1)), "{ms}: {buckets:?}");
        }
        assert_eq!(told(Times::default().finish(&frame)), []);
    }

    #[test]
    fn a_size_belongs_to_its_power_of_two() {
        let frame = Frame::new(Population::Whole, 6);
        let mut sizes = Sizes::new();
        [4, 5, 7, 8, 32].into_iter().for_each(|size| sizes.add(size));
        assert_eq!(told(sizes.finish(&frame)), [(Some(7), 3), (Some(15), 1), (Some(31), 0), (Some(63), 1)]);
        let mut sizes = Sizes::new();
        [0, u64::MAX].into_iter().for_each(|size| sizes.add(size));
        let buckets = told(sizes.finish(&frame));
        assert_eq!((buckets.len(), buckets[0], buckets[64]), (65, (Some(0), 1), (Some(u64::MAX), 1)));
        assert_eq!(told(Sizes::new().finish(&frame)), []);
    }
}
