//! What is asked for: which operation, on which key, with how large a value. Seeded, so that a run can
//! be had again.

use std::sync::Arc;

use fastrand::Rng;

use super::names::{Family, Generations};

/// What can be done to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Read it.
    Get,
    /// Write it.
    Set,
    /// Delete it.
    Del,
    /// Add 1 to a counter. Counters are keys of their own.
    Incr,
    /// Make all entries of a tag misses.
    Invalidate,
}

impl Operation {
    /// All, each at the place that is its number.
    pub const ALL: [Operation; 5] =
        [Operation::Get, Operation::Set, Operation::Del, Operation::Incr, Operation::Invalidate];

    /// As `--mix` spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Operation::Get => "get",
            Operation::Set => "set",
            Operation::Del => "del",
            Operation::Incr => "incr",
            Operation::Invalidate => "invalidate",
        }
    }
}

/// How many of all operations are which, by weight.
pub type Mix = [u32; Operation::ALL.len()];

/// Which of the keys are asked for how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distribution {
    /// Each as often as any other.
    Uniform,
    /// The first ones most: the one at rank `r` in proportion to `r` to the power of minus this.
    Zipf(f64),
    /// Those in the middle most; the standard deviation is a sixth of the keys.
    Gaussian,
    /// One after the other, and again.
    Sequential,
    /// Those written last most: from there back, as [`Distribution::Zipf`] 0.99.
    Latest,
}

/// How many bytes values have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// From one number to another, each as often as any other.
    Range(u32, u32),
    /// Sizes and how many of all values have them, by weight.
    Weighted(Vec<(u32, u32)>),
    /// Those of values that are there: where each begins in [`Values`], and its size; each as often as any other.
    Given(Arc<[(u32, u32)]>),
}

impl Sizes {
    /// The largest.
    #[must_use]
    pub fn most(&self) -> u32 {
        match self {
            Sizes::Range(_, most) => *most,
            Sizes::Weighted(sizes) => sizes.iter().map(|(size, _)| *size).max().unwrap_or_default(),
            Sizes::Given(places) => places.iter().map(|(_, size)| *size).max().unwrap_or_default(),
        }
    }

    /// Where a value begins, and its size.
    fn draw(&self, rng: &mut Rng) -> (u32, u32) {
        let size = match self {
            Sizes::Range(least, most) if least == most => *least,
            Sizes::Range(least, most) => rng.u32(*least..=*most),
            Sizes::Weighted(sizes) => sizes[weighted(rng, sizes.iter().map(|(_, weight)| *weight))].0,
            Sizes::Given(places) => return places[rng.usize(0..places.len())],
        };
        (rng.u32(0..PLACES), size)
    }
}

/// The place of one of `weights`, which are not all 0.
fn weighted(rng: &mut Rng, weights: impl Iterator<Item = u32> + Clone) -> usize {
    let total: u64 = weights.clone().map(u64::from).sum();
    let mut left = rng.u64(0..total);
    for (at, weight) in weights.enumerate() {
        match left.checked_sub(u64::from(weight)) {
            Some(less) => left = less,
            None => return at,
        }
    }
    unreachable!("what is drawn is less than the sum of the weights")
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// What.
    pub operation: Operation,
    /// The number of the key; what is invalidated is its tag.
    pub key: u32,
    /// Where the value is in [`Values`].
    pub offset: u32,
    /// How many bytes the value has.
    pub size: u32,
    /// Whether it is a read that shall find nothing.
    pub absent: bool,
    /// Whether it writes what a read has missed: nobody asked for that beside the read.
    pub writes_back: bool,
    /// Of the tag of the key, where tags have values.
    pub generation: u32,
    /// Which question for the values of tags comes first, as a library would ask it; none where there is none left.
    pub asks: Option<u8>,
}

impl Job {
    /// One without a value and without a tag.
    #[must_use]
    pub fn new(operation: Operation, key: u32) -> Job {
        Job { operation, key, offset: 0, size: 0, absent: false, writes_back: false, generation: 0, asks: None }
    }

    /// What it is done to.
    #[must_use]
    pub fn family(&self) -> Family {
        match self.operation {
            _ if self.absent => Family::Absent,
            Operation::Incr => Family::Counter,
            _ => Family::Entry,
        }
    }
}

/// What values are parts of: random bytes, in which each begins somewhere else, so that few are alike; or
/// values that are there, one after the other.
#[derive(Clone)]
pub struct Values {
    bytes: Arc<[u8]>,
    /// What memcached is told of their form.
    flags: u32,
}

/// Bytes of which the first are random, where not all are.
const BLOCK: usize = 128;

/// At how many places a value can begin.
const PLACES: u32 = 4096;

impl Values {
    /// Enough for values of so many bytes, of which such a share is always the same.
    #[must_use]
    pub fn new(size_most: u32, compressible: f64, seed: u64) -> Values {
        let mut bytes = vec![0; size_most as usize + PLACES as usize];
        let mut rng = Rng::with_seed(seed);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
        let random = (BLOCK as f64 * (1.0 - compressible)).round() as usize;
        for block in bytes.chunks_mut(BLOCK) {
            let random = random.min(block.len());
            rng.fill(&mut block[..random]);
        }
        Values { bytes: bytes.into(), flags: 0 }
    }

    /// These, with these flags, and where each is; `None` when they are too large together.
    #[must_use]
    pub fn given(values: &[Vec<u8>], flags: u32) -> Option<(Values, Sizes)> {
        let mut places = Vec::with_capacity(values.len());
        let mut end = 0_u32;
        for value in values {
            let size = u32::try_from(value.len()).ok()?;
            places.push((end, size));
            end = end.checked_add(size)?;
        }
        Some((Values { bytes: values.concat().into(), flags }, Sizes::Given(places.into())))
    }

    /// What memcached is told of their form.
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// The value of a job.
    #[must_use]
    pub fn of(&self, job: &Job) -> &[u8] {
        &self.bytes[job.offset as usize..][..job.size as usize]
    }
}

/// Jobs without end.
#[derive(Clone)]
pub struct Workload {
    mix: Mix,
    /// The operation of a mix that has only one.
    only: Option<Operation>,
    keys: Keys,
    sizes: Sizes,
    rng: Rng,
    hit_rate: Option<f64>,
    generations: Option<Generations>,
}

impl Workload {
    /// Jobs for one thread of several: `nth` tells their seeds, and where they begin in a sequence.
    #[must_use]
    pub fn new(mix: Mix, keys: u32, distribution: Distribution, sizes: Sizes, seed: u64, nth: usize) -> Workload {
        let used: Vec<Operation> = Operation::ALL.into_iter().filter(|one| mix[*one as usize] > 0).collect();
        let only = if let [only] = used[..] { Some(only) } else { None };
        let rng = Rng::with_seed(seed.wrapping_add((nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        Workload { mix, only, keys: Keys::new(keys, distribution, nth), sizes, rng, hit_rate: None, generations: None }
    }

    /// The same, with such a share of the reads for entries that are there, where it is not for all of them.
    #[must_use]
    pub fn hitting(self, hit_rate: Option<f64>) -> Workload {
        Workload { hit_rate, ..self }
    }

    /// The same, on a layout whose tags have values.
    #[must_use]
    pub fn tagged(self, generations: Option<Generations>) -> Workload {
        Workload { generations, ..self }
    }

    /// The next job.
    pub fn draw(&mut self) -> Job {
        let rng = &mut self.rng;
        let operation = self.only.unwrap_or_else(|| Operation::ALL[weighted(rng, self.mix.iter().copied())]);
        let key = self.keys.draw(operation, rng);
        let absent = match operation {
            Operation::Set => return self.fill(key),
            Operation::Get => self.hit_rate.is_some_and(|rate| rng.f64() >= rate),
            _ => false,
        };
        self.tag(Job { absent, ..Job::new(operation, key) })
    }

    /// A job that writes `key` after a miss, whatever the mix.
    pub fn write_back(&mut self, key: u32) -> Job {
        Job { writes_back: true, ..self.fill(key) }
    }

    /// A job that writes `key`, whatever the mix.
    pub fn fill(&mut self, key: u32) -> Job {
        let (offset, size) = self.sizes.draw(&mut self.rng);
        self.tag(Job { offset, size, ..Job::new(Operation::Set, key) })
    }

    fn tag(&self, job: Job) -> Job {
        match (&self.generations, job.operation) {
            (None, _) | (_, Operation::Incr) => job,
            (Some(generations), Operation::Invalidate) => Job { generation: generations.next(job.key), ..job },
            (Some(generations), _) => Job { generation: generations.of(job.key), asks: Some(0), ..job },
        }
    }
}

/// Numbers of keys.
#[derive(Clone)]
struct Keys {
    count: u32,
    drawn: Drawn,
}

#[derive(Clone)]
enum Drawn {
    Uniform,
    Zipf(Zipf),
    Gaussian,
    Sequential { next: u32 },
    Latest { newest: u32, back: Zipf },
}

impl Keys {
    fn new(count: u32, distribution: Distribution, nth: usize) -> Keys {
        let drawn = match distribution {
            Distribution::Uniform => Drawn::Uniform,
            Distribution::Zipf(theta) => Drawn::Zipf(Zipf::new(count, theta)),
            Distribution::Gaussian => Drawn::Gaussian,
            // Threads that began alike would ask for the same key at the same time.
            Distribution::Sequential => Drawn::Sequential { next: (nth as u32).wrapping_mul(7919) % count },
            Distribution::Latest => Drawn::Latest { newest: count - 1, back: Zipf::new(count, 0.99) },
        };
        Keys { count, drawn }
    }

    fn draw(&mut self, operation: Operation, rng: &mut Rng) -> u32 {
        let count = self.count;
        match &mut self.drawn {
            Drawn::Uniform => rng.u32(0..count),
            Drawn::Zipf(zipf) => zipf.draw(rng) - 1,
            Drawn::Gaussian => gaussian(count, rng),
            Drawn::Sequential { next } => {
                let key = *next;
                *next = (key + 1) % count;
                key
            }
            Drawn::Latest { newest, .. } if operation == Operation::Set => {
                *newest = (*newest + 1) % count;
                *newest
            }
            Drawn::Latest { newest, back } => {
                let back = back.draw(rng) - 1;
                if *newest >= back { *newest - back } else { count - (back - *newest) }
            }
        }
    }
}

/// A key around the middle, by Marsaglia's polar method; what falls outside is drawn again.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be within the keys")]
fn gaussian(count: u32, rng: &mut Rng) -> u32 {
    let (middle, deviation) = (f64::from(count) / 2.0, f64::from(count) / 6.0);
    loop {
        let (x, y) = (2.0 * rng.f64() - 1.0, 2.0 * rng.f64() - 1.0);
        let square = x * x + y * y;
        if square >= 1.0 || square == 0.0 {
            continue;
        }
        let key = middle + deviation * x * (-2.0 * square.ln() / square).sqrt();
        if (0.0..f64::from(count)).contains(&key) {
            return key as u32;
        }
    }
}

/// Ranks from 1 by Zipf's law, exactly and without a table: rejection-inversion (W. Hörmann and
/// G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
/// ACM TOMACS 6(3), 1996). `h` is `x^-theta`, [`Zipf::area`] its integral.
#[derive(Clone)]
struct Zipf {
    theta: f64,
    count: f64,
    /// The area up to rank 1, less the whole of its own share.
    low: f64,
    /// The area up to the last rank.
    high: f64,
}

impl Zipf {
    fn new(count: u32, theta: f64) -> Zipf {
        let mut zipf = Zipf { theta, count: f64::from(count), low: 0.0, high: 0.0 };
        zipf.low = zipf.area(1.5) - 1.0;
        zipf.high = zipf.area(zipf.count + 0.5);
        zipf
    }

    /// The integral of `x^-theta` from 1 on, with its limit at a theta of 1.
    fn area(&self, x: f64) -> f64 {
        let power = 1.0 - self.theta;
        if power.abs() < 1e-9 { x.ln() } else { (power * x.ln()).exp_m1() / power }
    }

    /// The inverse of [`Zipf::area`].
    fn at(&self, area: f64) -> f64 {
        let power = 1.0 - self.theta;
        if power.abs() < 1e-9 { area.exp() } else { ((power * area).ln_1p() / power).exp() }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the ranks")]
    fn draw(&self, rng: &mut Rng) -> u32 {
        loop {
            let area = self.low + rng.f64() * (self.high - self.low);
            let rank = self.at(area).round().clamp(1.0, self.count);
            // The hat has more than the rank's share only to the left of it.
            if area >= self.area(rank + 0.5) - rank.powf(-self.theta) {
                return rank as u32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const DRAWS: u32 = 200_000;

    /// The chi-square of `counts` beside what was `expected`, and how many bins it has; bins with few are
    /// put together.
    fn chi_square(counts: &[f64], expected: &[f64]) -> (f64, f64) {
        let (mut sum, mut bins, mut seen, mut hoped) = (0.0, 0.0, 0.0, 0.0);
        for (count, expected) in counts.iter().zip(expected) {
            seen += count;
            hoped += expected;
            if hoped >= 20.0 {
                sum += (seen - hoped) * (seen - hoped) / hoped;
                (bins, seen, hoped) = (bins + 1.0, 0.0, 0.0);
            }
        }
        (sum, bins)
    }

    /// That so many draws look like `shares`, within four deviations of what chi-square has.
    fn check(name: &str, shares: &[f64], mut draw: impl FnMut() -> u32) {
        let total: f64 = shares.iter().sum();
        let expected: Vec<f64> = shares.iter().map(|share| share / total * f64::from(DRAWS)).collect();
        let mut counts = vec![0.0; shares.len()];
        for _ in 0..DRAWS {
            counts[draw() as usize] += 1.0;
        }
        let (sum, bins) = chi_square(&counts, &expected);
        assert!(bins > 1.0 && sum < bins + 4.0 * (2.0 * bins).sqrt(), "{name}: {sum} in {bins} bins");
    }

    fn workload(mix: Mix, keys: u32, distribution: Distribution, sizes: Sizes) -> Workload {
        Workload::new(mix, keys, distribution, sizes, 42, 0)
    }

    #[test]
    fn keys_are_distributed_as_asked() {
        let gets = [1, 0, 0, 0, 0];
        let some = Sizes::Range(1, 1);
        let uniform = vec![1.0; 1000];
        let mut load = workload(gets, 1000, Distribution::Uniform, some.clone());
        check("uniform", &uniform, || load.draw().key);
        let mut load = workload(gets, 1000, Distribution::Sequential, some.clone());
        check("sequential", &uniform, || load.draw().key);
        for theta in [0.5, 0.99, 1.0, 1.5] {
            let shares: Vec<f64> = (1..=1000).map(|rank| f64::from(rank).powf(-theta)).collect();
            let mut load = workload(gets, 1000, Distribution::Zipf(theta), some.clone());
            check("zipf", &shares, || load.draw().key);
        }
        let bell = |key: u32| (-((f64::from(key) + 0.5 - 500.0) / (1000.0 / 6.0)).powi(2) / 2.0).exp();
        let mut load = workload(gets, 1000, Distribution::Gaussian, some.clone());
        check("gaussian", &(0..1000).map(bell).collect::<Vec<_>>(), || load.draw().key);
        let latest: Vec<f64> = (1..=1000).rev().map(|rank| f64::from(rank).powf(-0.99)).collect();
        let mut load = workload(gets, 1000, Distribution::Latest, some);
        check("latest", &latest, || load.draw().key);
    }

    #[test]
    fn a_distribution_that_is_another_is_found() {
        let slip = std::panic::catch_unwind(|| {
            let mut load = workload([1, 0, 0, 0, 0], 1000, Distribution::Zipf(0.95), Sizes::Range(1, 1));
            let shares: Vec<f64> = (1..=1000).map(|rank| f64::from(rank).powf(-0.99)).collect();
            check("zipf", &shares, || load.draw().key);
        });
        assert!(slip.is_err());
    }

    #[test]
    fn what_was_written_last_is_read_most() {
        let mut load = workload([0, 1, 0, 0, 0], 100, Distribution::Latest, Sizes::Range(1, 1));
        let keys: Vec<u32> = (0..3).map(|_| load.draw().key).collect();
        assert_eq!(keys, [0, 1, 2]);
        load.only = Some(Operation::Get);
        let newest = (0..1000).filter(|_| load.draw().key == 2).count();
        assert!(newest > 150, "{newest}");
    }

    #[test]
    fn operations_and_sizes_are_as_weighted() {
        let sizes = Sizes::Weighted(vec![(10, 90), (1000, 10)]);
        let mut load = workload([6, 3, 1, 0, 0], 10, Distribution::Uniform, sizes.clone());
        check("mix", &[6.0, 3.0, 1.0, 0.0, 0.0], || load.draw().operation as u32);
        let mut load = workload([0, 1, 0, 0, 0], 10, Distribution::Uniform, sizes);
        check("weighted", &[9.0, 1.0], || u32::from(load.draw().size == 1000));
        let mut load = workload([0, 1, 0, 0, 0], 10, Distribution::Uniform, Sizes::Range(5, 24));
        check("range", &[1.0; 20], || load.draw().size - 5);
        let given = [b"a".to_vec(), b"bc".to_vec(), Vec::new(), b"def".to_vec()];
        let (values, sizes) = Values::given(&given, 0).unwrap();
        let mut load = workload([0, 1, 0, 0, 0], 10, Distribution::Uniform, sizes);
        let place = |value: &[u8]| given.iter().position(|one| one == value).unwrap() as u32;
        check("given", &[1.0; 4], || place(values.of(&load.draw())));
    }

    #[test]
    fn reads_hit_as_often_as_asked() {
        for rate in [0.0, 0.2, 0.8, 0.999] {
            let some = Sizes::Range(1, 1);
            let mut load = workload([9, 1, 0, 0, 0], 10, Distribution::Uniform, some).hitting(Some(rate));
            check("hit rate", &[rate * 9.0, (1.0 - rate) * 9.0, 1.0], || match load.draw() {
                Job { operation: Operation::Set, absent, .. } => 2 + u32::from(absent),
                Job { absent, .. } => u32::from(absent),
            });
        }
    }

    #[test]
    fn values_compress_as_much_as_asked() {
        for share in [0.0, 0.25, 0.5, 0.9, 1.0] {
            let values = Values::new(60_000, share, 3);
            let value = values.of(&Job { offset: 77, size: 60_000, ..Job::new(Operation::Set, 0) });
            let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            deflate.write_all(value).unwrap();
            let saved = 1.0 - deflate.finish().unwrap().len() as f64 / 60_000.0;
            assert!((saved - share).abs() < 0.05, "{share}: {saved}");
        }
    }

    #[test]
    fn the_same_seed_asks_for_the_same_and_values_fit() {
        let make = |nth| Workload::new([1; 5], 50, Distribution::Zipf(0.99), Sizes::Range(0, 100), 7, nth);
        let (mut one, mut same, mut other) = (make(0), make(0), make(1));
        let values = Values::new(100, 0.0, 7);
        let (mut equal, mut different) = (0, 0);
        for _ in 0..1000 {
            let job = one.draw();
            assert_eq!(values.of(&job).len(), job.size as usize);
            equal += u32::from(job == same.draw());
            different += u32::from(job != other.draw());
        }
        assert!(equal == 1000 && different > 900, "{equal} {different}");
    }
}
