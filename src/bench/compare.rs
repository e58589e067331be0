//! Whether one set of runs is faster than another, or only looks so.
//!
//! Figures of a run cannot be negative and vary by factors, so their logarithms are compared: the ratio is that of
//! the geometric means, and its interval is Welch's for two samples of unequal variance, taken back from the
//! logarithms (B. L. Welch, "The generalization of 'Student's' problem when several different population
//! variances are involved", Biometrika 34, 1947, pages 28 to 35):
//!
//! ```text
//! d = mean(ln b) - mean(ln a)        s² = var(ln a) / n_a + var(ln b) / n_b
//! exp(d ± t s), where t is Student's at 97.5 % with
//! s⁴ / ((var(ln a) / n_a)² / (n_a - 1) + (var(ln b) / n_b)² / (n_b - 1)) degrees of freedom
//! ```

use std::f64::consts::FRAC_PI_2;

/// The share of all intervals that contain the true ratio.
const CONFIDENCE: f64 = 0.95;

/// More degrees of freedom than this change the third digit of an interval's width at most.
const FREEDOM_MOST: f64 = 1000.0;

/// Steps in which the distribution is summed up.
const STEPS: u32 = 20_000;

/// A figure of two sets of runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The geometric mean of the first.
    pub a: f64,
    /// That of the second.
    pub b: f64,
    /// The second by the first.
    pub ratio: f64,
    /// Where the true ratio is, with a confidence of 95 %. A single run does not tell how much runs differ.
    pub interval: Option<(f64, f64)>,
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// By more than the threshold, and not by chance.
    Better,
    /// Likewise.
    Worse,
    /// Neither.
    Same,
}

/// What is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More of it, such as throughput.
    Higher,
    /// Less of it, such as latency.
    Lower,
}

impl Comparison {
    /// Of figures that are above 0, at least one on each side.
    #[must_use]
    pub fn of(a: &[f64], b: &[f64]) -> Comparison {
        let (a, b) = (Sample::of(a), Sample::of(b));
        let difference = b.mean - a.mean;
        let interval = a.error.zip(b.error).map(|(one, other)| {
            let error = one + other;
            // Runs that are all the same leave no doubt, and no degrees of freedom.
            let width = if error > 0.0 {
                let freedom = error * error / (one * one / (a.count - 1.0) + other * other / (b.count - 1.0));
                student(freedom) * error.sqrt()
            } else {
                0.0
            };
            ((difference - width).exp(), (difference + width).exp())
        });
        Comparison { a: a.mean.exp(), b: b.mean.exp(), ratio: difference.exp(), interval }
    }

    /// Whether it changed by more than `threshold`, a share, and its interval has no "no change" in it; where
    /// there is no interval, the ratio alone decides.
    #[must_use]
    pub fn verdict(&self, direction: Direction, threshold: f64) -> Verdict {
        let (low, high) = self.interval.unwrap_or((self.ratio, self.ratio));
        let fell = self.ratio < 1.0 - threshold && high < 1.0;
        let rose = self.ratio > 1.0 + threshold && low > 1.0;
        match (direction, fell, rose) {
            (_, false, false) => Verdict::Same,
            (Direction::Higher, true, _) | (Direction::Lower, false, true) => Verdict::Worse,
            (Direction::Lower, true, _) | (Direction::Higher, false, true) => Verdict::Better,
        }
    }
}

/// The logarithms of one side.
struct Sample {
    count: f64,
    mean: f64,
    /// The variance of the mean; a single one has none.
    error: Option<f64>,
}

impl Sample {
    #[expect(clippy::cast_precision_loss, reason = "nobody does 2^53 runs")]
    fn of(figures: &[f64]) -> Sample {
        let count = figures.len() as f64;
        let logs = figures.iter().map(|figure| figure.ln());
        let mean = logs.clone().sum::<f64>() / count;
        let squares: f64 = logs.map(|log| (log - mean) * (log - mean)).sum();
        let error = (figures.len() > 1).then(|| squares / (count - 1.0) / count);
        Sample { count, mean, error }
    }
}

/// Student's t that is exceeded to either side by what is left of the confidence.
///
/// With `t = √freedom tan x` the density becomes a power of the cosine, from 0 to a quarter turn: it needs no
/// gamma function to be summed up, and Welch's degrees of freedom are no whole numbers.
fn student(freedom: f64) -> f64 {
    let freedom = freedom.clamp(1.0, FREEDOM_MOST);
    let step = FRAC_PI_2 / f64::from(STEPS);
    let density = |nth: u32| ((f64::from(nth) + 0.5) * step).cos().powf(freedom - 1.0);
    let mut left = CONFIDENCE * (0..STEPS).map(density).sum::<f64>();
    for nth in 0..STEPS {
        let part = density(nth);
        if left <= part {
            return freedom.sqrt() * ((f64::from(nth) + left / part) * step).tan();
        }
        left -= part;
    }
    unreachable!("a part of the sum is reached before all of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 1e-4, "{found}, expected {expected}");
    }

    #[test]
    fn students_t_is_that_of_the_tables() {
        // Fractions have no table: those are from the density with its gamma functions, by Simpson's rule.
        let table = [(1.0, 12.7062), (2.0, 4.302_653), (3.0, 3.182_446), (10.0, 2.228_139), (30.0, 2.042_272)];
        for (freedom, t) in table.into_iter().chain([(2.5, 3.574_655), (6.7, 2.386_258), (120.0, 1.979_93)]) {
            assert_near(student(freedom), t);
        }
    }

    #[test]
    fn samples_of_unequal_size_and_variance_are_compared_as_welch_says() {
        // Worked out apart from this code: 2.93677 degrees of freedom.
        let found = Comparison::of(&[100.0, 110.0, 95.0, 105.0], &[120.0, 150.0, 130.0]);
        let (low, high) = found.interval.unwrap();
        for (found, expected) in [
            (found.a, 102.347_302),
            (found.b, 132.761_439),
            (found.ratio, 1.297_166),
            (low, 1.027_003),
            (high, 1.638_397),
        ] {
            assert_near(found, expected);
        }
        assert_eq!(Comparison::of(&[2.0, 2.0], &[2.0, 2.0]).interval, Some((1.0, 1.0)));
        assert_eq!(Comparison::of(&[2.0], &[2.0, 3.0]).interval, None);
    }

    #[test]
    fn a_verdict_takes_more_than_the_threshold_and_more_than_chance() {
        let of = |ratio, interval| Comparison { a: 1.0, b: ratio, ratio, interval };
        for (ratio, interval, verdict) in [
            (1.2, Some((1.1, 1.3)), Verdict::Better),
            (1.2, None, Verdict::Better),
            (1.2, Some((0.9, 1.6)), Verdict::Same),
            (1.04, Some((1.03, 1.05)), Verdict::Same),
            (0.8, Some((0.7, 0.9)), Verdict::Worse),
            (0.8, None, Verdict::Worse),
            (0.8, Some((0.6, 1.1)), Verdict::Same),
            (0.96, None, Verdict::Same),
        ] {
            let opposite = match verdict {
                Verdict::Better => Verdict::Worse,
                Verdict::Worse => Verdict::Better,
                Verdict::Same => Verdict::Same,
            };
            assert_eq!(of(ratio, interval).verdict(Direction::Higher, 0.05), verdict, "{ratio}");
            assert_eq!(of(ratio, interval).verdict(Direction::Lower, 0.05), opposite, "{ratio}");
        }
    }
}
