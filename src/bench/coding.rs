//! What it takes to encode and to decode values: done again on a sample of what is written and read.
//!
//! It is the client's own time, apart from any latency: it begins when the replies that came together have
//! been counted, and their times taken.

use std::mem;
use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;

use super::histogram::Recorder;
use super::schedule::nanos;
use super::wire::Reply;
use super::workload::{Job, Operation};

/// Bytes that wait to be decoded at most, more or less.
const WAITING_MOST: usize = 1 << 20;

/// How values are encoded and decoded, and how many of them are.
#[derive(Clone)]
pub struct Coding {
    /// Which share of the values.
    pub share: f64,
    /// Encodes the value that is written from there.
    pub encode: Arc<dyn Fn(u32) + Send + Sync>,
    /// Decodes what was read; whether it could be.
    pub decode: Arc<dyn Fn(Vec<u8>) -> bool + Send + Sync>,
}

/// The sample of one thread.
pub struct Samples<'a> {
    coding: &'a Coding,
    reads: Sampler,
    waiting: Waiting,
}

/// Chooses what belongs to a sample.
pub struct Sampler {
    share: f64,
    rng: Rng,
}

/// What was chosen.
pub struct Waiting {
    writes: Sampler,
    read: Vec<Vec<u8>>,
    written: Vec<u32>,
    bytes: usize,
}

impl<'a> Samples<'a> {
    /// None yet.
    #[must_use]
    pub fn new(coding: &'a Coding, seed: u64) -> Samples<'a> {
        let sampler = |seed| Sampler { share: coding.share, rng: Rng::with_seed(seed) };
        let waiting = Waiting { writes: sampler(!seed), read: Vec::new(), written: Vec::new(), bytes: 0 };
        Samples { coding, reads: sampler(seed), waiting }
    }

    /// Who chooses values that come, and where they go.
    pub fn parts(&mut self) -> (&mut Sampler, &mut Waiting) {
        (&mut self.reads, &mut self.waiting)
    }

    /// Whether it is time to measure, lest memory grow.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.bytes > WAITING_MOST
    }

    /// Encodes and decodes what was chosen.
    pub fn measure(&mut self, recorder: &mut Recorder) {
        for offset in self.waiting.written.drain(..) {
            let start = Instant::now();
            (self.coding.encode)(offset);
            recorder.encoded(nanos(start.elapsed()));
        }
        for value in self.waiting.read.drain(..) {
            let start = Instant::now();
            let could = (self.coding.decode)(value);
            recorder.decoded(nanos(start.elapsed()), could);
        }
        self.waiting.bytes = 0;
    }
}

impl Sampler {
    /// Whether the next one does.
    pub fn draw(&mut self) -> bool {
        self.share >= 1.0 || self.rng.f64() < self.share
    }
}

impl Waiting {
    /// A job had its reply, with the value's bytes where it was chosen.
    pub fn replied(&mut self, job: &Job, reply: Reply<'_>, kept: Option<Vec<u8>>) {
        if let Some(value) = kept {
            self.bytes += value.len() + mem::size_of::<Vec<u8>>();
            self.read.push(value);
        }
        if job.operation == Operation::Set && reply == Reply::Done && self.writes.draw() {
            self.written.push(job.offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_share_that_was_asked_for_and_what_fails_is_an_error() {
        for (share, least, most) in [(1.0, 10_000, 10_000), (0.1, 880, 1120)] {
            let decode = |value: Vec<u8>| value != b"wrong";
            let coding = Coding { share, encode: Arc::new(|offset| assert_eq!(offset, 7)), decode: Arc::new(decode) };
            let (mut samples, mut recorder) = (Samples::new(&coding, 5), Recorder::new(0, false));
            let mut wrong = 0;
            for nth in 0..20_000 {
                let operation = if nth % 2 == 0 { Operation::Set } else { Operation::Get };
                let job = Job { offset: 7, ..Job::new(operation, 1) };
                let (reads, waiting) = samples.parts();
                let value = if nth % 10 == 1 { "wrong" } else { "right" };
                let kept = (operation == Operation::Get && reads.draw()).then(|| value.as_bytes().to_vec());
                wrong += u64::from(kept.as_deref() == Some(b"wrong"));
                waiting.replied(&job, if operation == Operation::Set { Reply::Done } else { Reply::Found(5) }, kept);
                if samples.is_full() {
                    samples.measure(&mut recorder);
                }
            }
            samples.measure(&mut recorder);
            let tally = recorder.finish();
            let (encoded, decoded) = (tally.encode.unwrap().len(), tally.decode.unwrap().len());
            assert!(
                (least..=most).contains(&encoded) && (least..=most).contains(&(decoded + wrong)),
                "{encoded} {decoded}"
            );
            assert!(wrong > 0 && tally.errors["undecodable"] == wrong);
        }
    }
}
