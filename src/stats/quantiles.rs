//! Quantiles of numbers that come one by one, in memory that does not grow with their count.
//!
//! The first few are kept as they are: most names of a keyspace are rare, and bins cost a kibibyte
//! at least. From then on an HdrHistogram counts them, whose error is relative to the number, as
//! sizes and times need that span ten orders, and which finds the bin without a logarithm.

use hdrhistogram::Histogram;

/// How many numbers are kept as they are.
const FEW_MOST: usize = 32;

/// Sizes: within 1 %.
pub type Sizes = Sketch<2>;

/// Times, of which only the median is told: within 5 %, in an eighth of the memory.
pub type Times = Sketch<1>;

/// Numbers, of which quantiles have so many `DIGITS`, or are exact where they are few.
#[derive(Clone)]
pub enum Sketch<const DIGITS: u8> {
    /// As they came.
    Few(Vec<u64>),
    /// Counted in bins.
    Many(Box<Bins>),
}

/// Numbers in bins, and the largest.
#[derive(Clone)]
pub struct Bins {
    histogram: Histogram<u32>,
    max: u64,
}

/// What is told of many numbers. The largest is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of them are not larger.
    pub median: u64,
    /// 99 of 100 of them are not larger.
    pub p99: u64,
    /// None is larger.
    pub max: u64,
}

impl<const DIGITS: u8> Default for Sketch<DIGITS> {
    fn default() -> Self {
        Sketch::Few(Vec::new())
    }
}

impl<const DIGITS: u8> Sketch<DIGITS> {
    /// Takes in one more.
    pub fn add(&mut self, number: u64) {
        match self {
            Sketch::Few(numbers) if numbers.len() < FEW_MOST => numbers.push(number),
            Sketch::Few(_) => self.bins().add(number),
            Sketch::Many(bins) => bins.add(number),
        }
    }

    /// Takes in all of `other`.
    pub fn merge(&mut self, other: Self) {
        match other {
            Sketch::Few(numbers) => numbers.into_iter().for_each(|number| self.add(number)),
            Sketch::Many(other) => {
                let bins = self.bins();
                bins.histogram.add(&other.histogram).expect("bins grow to what is added");
                bins.max = bins.max.max(other.max);
            }
        }
    }

    fn bins(&mut self) -> &mut Bins {
        if let Sketch::Few(numbers) = self {
            let histogram = Histogram::new(DIGITS).expect("one digit and two are allowed");
            let mut bins = Bins { histogram, max: 0 };
            numbers.iter().for_each(|number| bins.add(*number));
            *self = Sketch::Many(Box::new(bins));
        }
        let Sketch::Many(bins) = self else { unreachable!("they were made above") };
        bins
    }

    /// The median, the 99th percentile and the largest; `None` of nothing.
    pub fn quantiles(&self) -> Option<Quantiles> {
        match self {
            Sketch::Few(numbers) => {
                let mut sorted = numbers.clone();
                sorted.sort_unstable();
                let max = *sorted.last()?;
                let at = |quantile: f64| sorted[(quantile * sorted.len() as f64).ceil() as usize - 1];
                Some(Quantiles { median: at(0.5), p99: at(0.99), max })
            }
            Sketch::Many(bins) => {
                let Bins { histogram, max } = &**bins;
                // The middle of a bin is half as wrong as its end.
                let at = |quantile| histogram.median_equivalent(histogram.value_at_quantile(quantile)).min(*max);
                Some(Quantiles { median: at(0.5), p99: at(0.99), max: *max })
            }
        }
    }

    /// Bytes that it takes beside itself.
    pub fn footprint(&self) -> usize {
        match self {
            Sketch::Few(numbers) => numbers.capacity() * size_of::<u64>(),
            Sketch::Many(bins) => size_of::<Bins>() + bins.histogram.distinct_values() * size_of::<u32>(),
        }
    }
}

impl Bins {
    fn add(&mut self, number: u64) {
        self.histogram.record(number).expect("bins grow to every number of 64 bits");
        self.max = self.max.max(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Sizes {
        let mut sizes = Sizes::default();
        numbers.into_iter().for_each(|number| sizes.add(number));
        sizes
    }

    /// Asserts that `sizes` tells the quantiles of `numbers`, each within 1 % (and what rounding adds).
    fn check(sizes: &Sizes, mut numbers: Vec<u64>) {
        numbers.sort_unstable();
        let told = sizes.quantiles().unwrap();
        for (quantile, told) in [(0.5, told.median), (0.99, told.p99), (1.0, told.max)] {
            let rank = quantile * (numbers.len() - 1) as f64;
            let (low, high) = (numbers[rank.floor() as usize] as f64, numbers[rank.ceil() as usize] as f64);
            let within = low * 0.99 - 0.5 <= told as f64 && told as f64 <= high * 1.01 + 0.5;
            assert!(within, "{quantile} of {}: {told}, not {low} to {high}", numbers.len());
        }
        assert_eq!(told.max, *numbers.last().unwrap());
    }

    #[test]
    fn quantiles_are_within_a_hundredth_few_or_many_added_or_merged() {
        let mut random = fastrand::Rng::with_seed(1);
        for count in [1, 2, 3, 31, 32, 33, 100, 5000_usize] {
            for octaves in [1, 8, 20, 50] {
                let mut number = |_| random.u64(..) >> (63 - octaves) >> random.clone().u32(0..=octaves);
                let numbers: Vec<u64> = (0..count).map(&mut number).collect();
                check(&of(numbers.iter().copied()), numbers.clone());
                for cut in [0, count / 2, count.saturating_sub(1)] {
                    let mut merged = of(numbers[..cut].iter().copied());
                    merged.merge(of(numbers[cut..].iter().copied()));
                    check(&merged, numbers.clone());
                }
            }
        }
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(Sizes::default().quantiles(), None);
        let mut sizes = Sizes::default();
        sizes.merge(Sizes::default());
        assert_eq!(sizes.quantiles(), None);
    }

    #[test]
    fn numbers_of_every_size_take_no_more_than_their_bins() {
        let numbers: Vec<u64> = (0..64).cycle().take(1000).map(|shift| u64::MAX >> shift).chain([0]).collect();
        let sizes = of(numbers.iter().copied());
        assert!(sizes.footprint() <= 33 << 10, "{}", sizes.footprint());
        check(&sizes, numbers);
    }
}
