//! What was measured: histograms of latencies by operation, replies and errors counted, by the second.
//!
//! Times are nanoseconds, kept to three digits; memory does not grow with their number.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::run::Progress;
use super::wire::Reply;
use super::workload::Operation;

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
#[derive(Clone, Copy, Debug, Default)]
pub struct Second {
    /// Operations done.
    pub done: u64,
    /// Errors that came.
    pub errors: u64,
    /// The longest latency, in nanoseconds.
    pub latency_max: u64,
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
    /// What servers refused, by the first word that they said.
    pub errors: BTreeMap<String, u64>,
    /// By the second since the beginning.
    pub seconds: Vec<Second>,
}

impl Tally {
    /// Takes in what another thread or run measured.
    pub fn add(&mut self, other: &Tally) {
        for (mine, theirs) in self.operations.iter_mut().zip(&other.operations) {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().add(theirs);
            }
        }
        for (mine, theirs) in [(&mut self.service, &other.service), (&mut self.lateness, &other.lateness)] {
            if let Some(theirs) = theirs {
                mine.get_or_insert_with(histogram).add(theirs).expect("all have the same bounds");
            }
        }
        for (kind, count) in &other.errors {
            self.refused(kind, *count);
        }
        if self.seconds.len() < other.seconds.len() {
            self.seconds.resize_with(other.seconds.len(), Second::default);
        }
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            mine.done += theirs.done;
            mine.errors += theirs.errors;
            mine.latency_max = mine.latency_max.max(theirs.latency_max);
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
        Recorder { tally, from, run: Run::default() }
    }

    /// A request had its reply; `written` is how many bytes of value it sent.
    pub fn reply(&mut self, operation: Operation, times: Times, written: u32, reply: Reply<'_>) {
        if times.intended < self.from {
            return;
        }
        let second = usize::try_from((times.done - self.from) / 1_000_000_000).unwrap_or(SECONDS_MOST);
        let second = second.min(SECONDS_MOST);
        if let Reply::Refused(kind) = reply {
            self.tally.refused(&String::from_utf8_lossy(kind), 1);
            self.second(second).errors += 1;
            return;
        }
        let measured = self.tally.operations[operation as usize].get_or_insert_default();
        measured.bytes += u64::from(written);
        match (operation, reply) {
            (Operation::Get, Reply::Found(bytes)) => {
                measured.hits += 1;
                measured.bytes += bytes;
            }
            (Operation::Get, Reply::Missing) => measured.misses += 1,
            _ => {}
        }
        let (latency, service) = (times.done - times.intended, times.done - times.sent);
        let run = Run { operation: operation as usize, latency, service, second, count: self.run.count };
        if run != self.run {
            self.end_run();
            self.run = Run { count: 0, ..run };
        }
        self.run.count += 1;
    }

    /// A request of an open loop was sent so late though a connection was waiting for it.
    pub fn late(&mut self, intended: u64, by: u64) {
        if let Some(lateness) = self.tally.lateness.as_mut().filter(|_| intended >= self.from) {
            lateness.saturating_record(by);
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
        let second = self.second(run.second);
        second.done += run.count;
        second.latency_max = second.latency_max.max(run.latency);
        self.run.count = 0;
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
            recorder.reply(operation, times, 2, reply);
            match reply {
                _ if times.intended < 1000 => early += 1,
                Reply::Refused(_) => refused += 1,
                _ => {
                    latency[operation as usize].record(times.done - times.intended).unwrap();
                    service.record(times.done - times.sent).unwrap();
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
        let mut twice = tally.clone();
        twice.add(&tally);
        assert_eq!(twice.all().latency.len(), 2 * all.latency.len());
        assert_eq!((twice.errors_count(), twice.seconds[0].done), (2 * refused, 2 * tally.seconds[0].done));
    }

    #[test]
    fn a_server_that_makes_up_errors_fills_no_memory() {
        let mut recorder = Recorder::new(0, false);
        for number in 0..1000 {
            recorder.reply(Operation::Get, Times::default(), 0, Reply::Refused(format!("E{number}").as_bytes()));
        }
        let tally = recorder.finish();
        assert_eq!((tally.errors.len(), tally.errors_count()), (KINDS_MOST + 1, 1000));
    }
}
