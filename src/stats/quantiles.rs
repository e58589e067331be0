//! Quantiles of numbers that come one by one, in memory that does not grow with their count.
//!
//! The first few are kept as they are: most names of a keyspace are rare, and a sketch costs a
//! kibibyte at least. From then on a DDSketch holds them, whose error is relative to the value
//! (Masson, Rim, Lee: "DDSketch", VLDB 2019), as sizes and times need that span ten orders.

use sketches_ddsketch::{Config, DDSketch};

/// How many numbers are kept as they are.
const FEW_MOST: usize = 32;

/// Sizes: within 1 %.
pub type Sizes = Sketch<10>;

/// Times, of which only the median is told: within 5 %, in a fifth of the memory.
pub type Times = Sketch<50>;

/// Numbers, of which quantiles are within `PER_MILLE` thousandths, or exact where they are few.
#[derive(Clone)]
pub enum Sketch<const PER_MILLE: u32> {
    /// As they came.
    Few(Vec<u64>),
    /// Counted in bins.
    Many(Box<DDSketch>),
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

impl<const PER_MILLE: u32> Default for Sketch<PER_MILLE> {
    fn default() -> Self {
        Sketch::Few(Vec::new())
    }
}

impl<const PER_MILLE: u32> Sketch<PER_MILLE> {
    /// Takes in one more.
    pub fn add(&mut self, number: u64) {
        match self {
            Sketch::Few(numbers) if numbers.len() < FEW_MOST => numbers.push(number),
            Sketch::Few(_) => self.sketch().add(number as f64),
            Sketch::Many(sketch) => sketch.add(number as f64),
        }
    }

    /// Takes in all of `other`.
    pub fn merge(&mut self, other: Self) {
        match other {
            Sketch::Few(numbers) => numbers.into_iter().for_each(|number| self.add(number)),
            Sketch::Many(other) => self.sketch().merge(&other).expect("sketches of one type have one error"),
        }
    }

    fn sketch(&mut self) -> &mut DDSketch {
        if let Sketch::Few(numbers) = self {
            // Bins for all 64 bits, so that none is ever merged with another: 2,250 at 1 %.
            let mut config = Config::new(f64::from(PER_MILLE) / 1000.0, 0, 0.5);
            config.max_num_bins = (45.0 / config.gamma.ln()) as u32;
            let mut sketch = DDSketch::new(config);
            numbers.iter().for_each(|number| sketch.add(*number as f64));
            *self = Sketch::Many(Box::new(sketch));
        }
        let Sketch::Many(sketch) = self else { unreachable!("it was made one above") };
        sketch
    }

    /// The median, the 99th percentile and the largest; `None` of nothing.
    pub fn quantiles(&self) -> Option<Quantiles> {
        match self {
            Sketch::Few(numbers) => {
                let mut sorted = numbers.clone();
                sorted.sort_unstable();
                let max = *sorted.last()?;
                let at = |quantile: f64| sorted[(quantile * (sorted.len() - 1) as f64).ceil() as usize];
                Some(Quantiles { median: at(0.5), p99: at(0.99), max })
            }
            Sketch::Many(sketch) => {
                let (min, max) = (sketch.min()?, sketch.max()?);
                let at = |quantile| {
                    let number = sketch.quantile(quantile).ok().flatten();
                    number.map(|number| number.clamp(min, max).round() as u64)
                };
                Some(Quantiles { median: at(0.5)?, p99: at(0.99)?, max: max as u64 })
            }
        }
    }

    /// Bytes that it takes beside itself.
    pub fn footprint(&self) -> usize {
        match self {
            Sketch::Few(numbers) => numbers.capacity() * size_of::<u64>(),
            Sketch::Many(sketch) => size_of::<DDSketch>() + sketch.length() * size_of::<u64>(),
        }
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
        assert!(sizes.footprint() <= 2250 * 8 + size_of::<DDSketch>(), "{}", sizes.footprint());
        check(&sizes, numbers);
    }
}
