//! What was measured: histograms of latencies by operation, replies and errors counted, by the second.
//!
//! Times are nanoseconds, kept to three digits; memory does not grow with their number.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::run::Progress;
use super::wire::Reply;
use super::workload::{Job, Operation};

/// Digits of a latency that are kept.
const DIGITS: u8 = 3;

/// The longest latency that is told apart, an hour: a run waits for no reply that long.
const LATENCY_MOST: u64 = 3_600_000_000_000;

/// Kinds of errors that are counted apart. A server that makes up more gets the rest counted together.
const KINDS_MOST: usize = 32;

/// Seconds that are kept one by one: an hour.
const SECONDS_MOST: usize = 3600;

/// An empty histogram of latencies.
#[must_use]
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MOST, DIGITS).expect("the bounds are sound")
}

/// One operation's replies.
#[derive(Clone)]
pub struct Measured {
    /// From when each should have been sent until its reply was there, in nanoseconds.
    pub latency: Histogram<u64>,
    /// Reads that found an entry.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Bytes of values, written or read.
    pub bytes: u64,
}

impl Default for Measured {
    fn default() -> Measured {
        Measured { latency: histogram(), hits: 0, misses: 0, bytes: 0 }
    }
}

impl Measured {
    /// Takes in what another thread or run measured.
    pub fn add(&mut self, other: &Measured) {
        self.latency.add(&other.latency).expect("all have the same bounds");
        self.hits += other.hits;
        self.misses += other.misses;
        self.bytes += other.bytes;
    }
}

/// One second of a run.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// Operations done.
    pub done: u64,
    /// Errors that came.
    pub errors: u64,
    /// The longest latency, in nanoseconds.
    pub latency_max: u64,
    /// How many latencies were in which bucket, of the buckets that have any, the lowest first: coarser than the
    /// histograms of a whole run, for there are many of them.
    buckets: Vec<(u16, u32)>,
}

/// Buckets to a doubling, so that what is read is at most a 64th too high.
const OCTAVE: u64 = 64;

/// The bucket of a time: below two octaves' worth each its own, and from there on its highest seven bits.
fn bucket(ns: u64) -> u16 {
    let shift = (u64::BITS - OCTAVE.trailing_zeros() - 1).saturating_sub(ns.leading_zeros());
    u16::try_from(u64::from(shift) * OCTAVE + (ns >> shift)).expect("there are less than 4096")
}

/// The longest time in a bucket.
fn bucket_most(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let shift = (bucket / OCTAVE).saturating_sub(1);
    ((bucket - shift * OCTAVE) << shift) | ((1 << shift) - 1)
}

impl Second {
    /// The latency that this share of all is not longer than, in nanoseconds.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a second's operations"
    )]
    pub fn latency(&self, share: f64) -> u64 {
        let mut left = (self.done as f64 * share).ceil().max(1.0) as u64;
        for (bucket, count) in &self.buckets {
            left = left.saturating_sub(u64::from(*count));
            if left == 0 {
                return bucket_most(*bucket).min(self.latency_max);
            }
        }
        self.latency_max
    }

    /// Takes in what another thread or run measured in its second.
    fn add(&mut self, other: &Second) {
        self.done += other.done;
        self.errors += other.errors;
        self.latency_max = self.latency_max.max(other.latency_max);
        for (bucket, count) in &other.buckets {
            match self.buckets.binary_search_by_key(bucket, |(bucket, _)| *bucket) {
                Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(*count),
                Err(at) => self.buckets.insert(at, (*bucket, *count)),
            }
        }
    }
}

/// All that a run, or a part of it, has measured.
#[derive(Clone, Default)]
pub struct Tally {
    /// By the number of the operation; `None` of those that were not done.
    pub operations: [Option<Measured>; Operation::ALL.len()],
    /// From when each was sent until its reply was there, of open loops, where that is another time.
    pub service: Option<Histogram<u64>>,
    /// How much later than it should each was sent, where there was a connection to send it on.
    pub lateness: Option<Histogram<u64>>,
    /// How long it took to encode values, where that was measured.
    pub encode: Option<Histogram<u64>>,
    /// How long it took to decode them.
    pub decode: Option<Histogram<u64>>,
    /// What servers refused, by the first word that they said.
    pub errors: BTreeMap<String, u64>,
    /// Of the operations done, those that wrote what a read had missed: beside what was asked for.
    pub written_back: u64,
    /// Requests that a node of a cluster sent to another one for good (MOVED).
    pub moved: u64,
    /// And for once (ASK).
    pub asked: u64,
    /// By the second since the beginning.
    pub seconds: Vec<Second>,
    /// All that was done, one by one: what the rest is checked by.
    #[cfg(test)]
    pub trace: Vec<(Operation, Times)>,
}

impl Tally {
    /// Takes in what another thread or run measured.
    pub fn add(&mut self, other: &Tally) {
        for (mine, theirs) in self.operations.iter_mut().zip(&other.operations) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().add(theirs);
            }
        }
        for (mine, theirs) in [
            (&mut self.service, &other.service),
            (&mut self.lateness, &other.lateness),
            (&mut self.encode, &other.encode),
            (&mut self.decode, &other.decode),
        ] {
            if let Some(theirs) = theirs {
                mine.get_or_insert_with(histogram).add(theirs).expect("all have the same bounds");
            }
        }
        for (kind, count) in &other.errors {
            self.refused(kind, *count);
        }
        self.written_back += other.written_back;
        self.moved += other.moved;
        self.asked += other.asked;
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize_with(other.seconds.len(), Second::default);
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            mine.add(theirs);
        }
    }

    /// All operations in one.
    #[must_use]
    pub fn all(&self) -> Measured {
        let mut all = Measured::default();
        self.operations.iter().flatten().for_each(|measured| all.add(measured));
        all
    }

    /// How many errors there were.
    #[must_use]
    pub fn errors_count(&self) -> u64 {
        self.errors.values().sum()
    }

    fn refused(&mut self, kind: &str, count: u64) {
        let room = self.errors.len() < KINDS_MOST || self.errors.contains_key(kind);
        *self.errors.entry(if room { kind } else { "other" }.to_owned()).or_default() += count;
    }
}

/// When one request was to be sent, was sent, and its reply was there: nanoseconds since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// When it should have been sent.
    pub intended: u64,
    /// When it was.
    pub sent: u64,
    /// When its reply was there.
    pub done: u64,
}

/// Takes measurements one by one. Replies that came together have the same latency: they are counted
/// together too.
pub struct Recorder {
    tally: Tally,
    /// Since when it counts.
    from: u64,
    run: Run,
    /// How many latencies of the second that it is now were in which bucket.
    buckets: Box<[u32]>,
    now: usize,
}

/// Operations of one kind with one latency.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Run {
    operation: usize,
    latency: u64,
    service: u64,
    second: usize,
    count: u64,
}

impl Recorder {
    /// A recorder of what should be sent at `from` or later. Of an open loop, the time since the sending
    /// is another one, and counted beside.
    #[must_use]
    pub fn new(from: u64, open: bool) -> Recorder {
        let mut tally = Tally::default();
        if open {
            (tally.service, tally.lateness) = (Some(histogram()), Some(histogram()));
        }
        let buckets = vec![0; usize::from(bucket(u64::MAX)) + 1].into();
        Recorder { tally, from, run: Run::default(), buckets, now: 0 }
    }

    /// A job had its reply.
    pub fn reply(&mut self, job: &Job, times: Times, reply: Reply<'_>) {
        let operation = job.operation;
        if times.intended < self.from {
            return;
        }
        let second = usize::try_from((times.done - self.from) / 1_000_000_000).unwrap_or(SECONDS_MOST);
        let second = second.min(SECONDS_MOST);
        if let Some(kind) = reply.refusal() {
            self.tally.refused(&String::from_utf8_lossy(kind), 1);
            self.second(second).errors += 1;
            return;
        }
        #[cfg(test)]
        self.tally.trace.push((operation, times));
        let measured = self.tally.operations[operation as usize].get_or_insert_default();
        measured.bytes += u64::from(job.size);
        match (operation, reply) {
            (Operation::Get, Reply::Found(bytes)) => {
                measured.hits += 1;
                measured.bytes += bytes;
            }
            (Operation::Get, Reply::Missing) => measured.misses += 1,
            _ => {}
        }
        self.tally.written_back += u64::from(job.writes_back);
        let (latency, service) = (times.done - times.intended, times.done - times.sent);
        let run = Run { operation: operation as usize, latency, service, second, count: self.run.count };
        if run != self.run {
            self.end_run();
            self.run = Run { count: 0, ..run };
        }
        self.run.count += 1;
    }

    /// A request that should be sent then was sent to another node, for once or for good.
    pub fn sent_elsewhere(&mut self, intended: u64, once: bool) {
        if intended >= self.from {
            self.tally.moved += u64::from(!once);
            self.tally.asked += u64::from(once);
        }
    }

    /// A request of an open loop was sent so late though a connection was waiting for it.
    pub fn late(&mut self, intended: u64, by: u64) {
        if let Some(lateness) = self.tally.lateness.as_mut().filter(|_| intended >= self.from) {
            lateness.saturating_record(by);
        }
    }

    /// Whether what was to be sent then counts.
    #[must_use]
    pub fn counts(&self, intended: u64) -> bool {
        intended >= self.from
    }

    /// A value was encoded once more, in so long.
    pub fn encoded(&mut self, took: u64) {
        self.tally.encode.get_or_insert_with(histogram).saturating_record(took);
    }

    /// A value was decoded in so long, or could not be.
    pub fn decoded(&mut self, took: u64, could: bool) {
        match could {
            true => self.tally.decode.get_or_insert_with(histogram).saturating_record(took),
            false => self.tally.refused("undecodable", 1),
        }
    }

    /// How far it is; the latencies are those of the operation that was done most.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let measured = self.tally.operations.iter().flatten().max_by_key(|measured| measured.latency.len());
        let at = |quantile| measured.map_or(0, |measured| measured.latency.value_at_quantile(quantile));
        let done = self.tally.seconds.iter().map(|second| second.done).sum();
        Progress { done, errors: self.tally.errors_count(), p50: at(0.5), p99: at(0.99) }
    }

    /// All that was measured.
    #[must_use]
    pub fn finish(mut self) -> Tally {
        self.end_run();
        self.end_second();
        self.tally
    }

    fn end_run(&mut self) {
        let run = self.run;
        if run.count == 0 {
            return;
        }
        if let Some(measured) = &mut self.tally.operations[run.operation] {
            measured.latency.saturating_record_n(run.latency, run.count);
        }
        if let Some(service) = &mut self.tally.service {
            service.saturating_record_n(run.service, run.count);
        }
        if run.second != self.now {
            self.end_second();
            self.now = run.second;
        }
        let count = &mut self.buckets[usize::from(bucket(run.latency))];
        *count = count.saturating_add(u32::try_from(run.count).unwrap_or(u32::MAX));
        let second = self.second(run.second);
        second.done += run.count;
        second.latency_max = second.latency_max.max(run.latency);
        self.run.count = 0;
    }

    /// Puts away the buckets that have something, and starts anew.
    fn end_second(&mut self) {
        let used = self.buckets.iter_mut().zip(0_u16..).filter(|(count, _)| **count > 0);
        let buckets = used.map(|(count, bucket)| (bucket, std::mem::take(count))).collect();
        let now = self.now;
        self.second(now).add(&Second { buckets, ..Second::default() });
    }

    fn second(&mut self, second: usize) -> &mut Second {
        if self.tally.seconds.len() <= second {
            self.tally.seconds.resize_with(second + 1, Second::default);
        }
        &mut self.tally.seconds[second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_together_is_what_was_counted_one_by_one() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut recorder = Recorder::new(1000, true);
        let (mut latency, mut service) = ([histogram(), histogram()], histogram());
        let (mut hits, mut bytes, mut refused, mut early) = (0, 0, 0, 0);
        let mut by_second: Vec<Vec<u64>> = Vec::new();
        let mut times = Times::default();
        for _ in 0..50_000 {
            if rng.u32(0..3) == 0 {
                let intended = rng.u64(0..5_000_000_000);
                let sent = intended + rng.u64(0..1_000_000);
                let most = 1 << rng.u32(1..34);
                times = Times { intended, sent, done: sent + rng.u64(0..most) };
            }
            let operation = Operation::ALL[rng.usize(0..2)];
            let reply = [Reply::Found(7), Reply::Missing, Reply::Done, Reply::Refused(b"OOM")][rng.usize(0..4)];
            recorder.reply(&Job { size: 2, ..Job::new(operation, 0) }, times, reply);
            match reply {
                _ if times.intended < 1000 => early += 1,
                Reply::Refused(_) => refused += 1,
                _ => {
                    latency[operation as usize].record(times.done - times.intended).unwrap();
                    service.record(times.done - times.sent).unwrap();
                    let second = usize::try_from((times.done - 1000) / 1_000_000_000).unwrap();
                    by_second.resize(by_second.len().max(second + 1), Vec::new());
                    by_second[second].push(times.done - times.intended);
                    let hit = operation == Operation::Get && reply == Reply::Found(7);
                    hits += u64::from(hit);
                    bytes += 2 + 7 * u64::from(hit);
                }
            }
        }
        let tally = recorder.finish();
        for (operation, latency) in tally.operations.iter().zip(&latency) {
            assert!(operation.as_ref().unwrap().latency == *latency);
        }
        assert!(tally.service == Some(service));
        let all = tally.all();
        assert_eq!((all.hits, all.bytes, tally.errors["OOM"]), (hits, bytes, refused));
        let seconds: u64 = tally.seconds.iter().map(|second| second.done + second.errors).sum();
        assert_eq!(seconds, 50_000 - early);
        for (second, mut exact) in tally.seconds.iter().zip(by_second) {
            exact.sort_unstable();
            for share in [0.01, 0.5, 0.99, 1.0] {
                let at = (exact.len() as f64 * share).ceil() as usize;
                let (found, exact) = (second.latency(share) as f64, exact[at.max(1) - 1] as f64);
                assert!((0.0..=exact / 64.0).contains(&(found - exact)), "{share}: {found}, and not {exact}");
            }
        }
        let mut twice = tally.clone();
        twice.add(&tally);
        assert_eq!(twice.all().latency.len(), 2 * all.latency.len());
        assert_eq!((twice.errors_count(), twice.seconds[0].done), (2 * refused, 2 * tally.seconds[0].done));
    }

    #[test]
    fn every_time_has_a_bucket_that_is_hardly_wider_than_it() {
        let times = (0..64).flat_map(|shift| [1_u64 << shift, (1 << shift) - 1, (1 << shift) + (1 << shift) / 3]);
        for ns in (0..1000).chain(times).chain([u64::MAX]) {
            let (place, most) = (bucket(ns), bucket_most(bucket(ns)));
            assert!(most >= ns && most - ns <= ns / 64, "{ns}: {place} is up to {most}");
            assert!(place == 0 || bucket_most(place - 1) < ns, "{ns}: {place}");
        }
    }

    #[test]
    fn a_server_that_makes_up_errors_fills_no_memory() {
        let mut recorder = Recorder::new(0, false);
        for number in 0..1000 {
            let job = Job::new(Operation::Get, 0);
            recorder.reply(&job, Times::default(), Reply::Refused(format!("E{number}").as_bytes()));
        }
        let tally = recorder.finish();
        assert_eq!((tally.errors.len(), tally.errors_count()), (KINDS_MOST + 1, 1000));
    }
}
