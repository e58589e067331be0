//! One thread that keeps many connections to a server busy: an event loop that sends the next requests in
//! the same turn in which the replies to others came, and looks at the clock once for each read.
//!
//! A request that waits for room in its socket is kept as what it asks, not as bytes: it is encoded again
//! when there is room. So memory grows with the requests in flight, and not with their values.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::coding::{Coding, Samples};
use super::histogram::{Recorder, Times};
use super::poller::{Native, Poller};
use super::run::{Part, Signal};
use super::schedule::{Schedule, nanos};
use super::wire::{Malformed, Protocol, Reply, Request, Requests, Scanner};
use super::workload::{Job, Operation, Workload};
use crate::backend::net::Line;

/// Bytes read at once. Larger ones do not stay in the processor's cache.
const READ_MOST: usize = 64 << 10;

/// Bytes written at once, more or less.
const WRITE_MOST: usize = 64 << 10;

/// For how long a thread with few connections looks for a reply before it sleeps: to sleep and to wake up
/// takes longer than a reply does, for this thread and for the server, which is asked later then and has gone to
/// sleep itself.
const SPIN: u64 = 200_000;

/// How long before a request of an open loop is due a thread looks instead of sleeping: as late as the system
/// wakes it up.
const EARLY: u64 = 60_000;

/// After looking in vain so often, a thread looks only now and then: the server is slower than that, or
/// has no processor while this thread has one.
const VAIN_MOST: u32 = 4;

/// How often is now and then: once in so many waits.
const NOW_AND_THEN: u32 = 32;

/// From more connections on there is always something to do, and looking would cost others the processor.
const SPINNERS_MOST: usize = 4;

/// How long a wait is at most: as late as a signal is noticed.
const WAIT_MOST: u64 = 50_000_000;

/// What one thread is to do.
pub struct Engine<'a> {
    /// What the server speaks.
    pub protocol: Protocol,
    /// What it is asked.
    pub workload: Workload,
    /// How.
    pub requests: Requests,
    /// When.
    pub schedule: Schedule,
    /// How many requests a connection has in flight at most.
    pub pipeline: usize,
    /// For how long nothing may come.
    pub timeout: Duration,
    /// For how long a client computes what it has not found, before it writes it, where it does so.
    pub cache_aside: Option<u64>,
    /// How values are encoded and decoded, where that is measured too, and what tells which.
    pub coding: Option<(&'a Coding, u64)>,
    /// What it is told, and tells, meanwhile.
    pub signal: &'a Signal,
}

/// A request that has no reply yet.
struct Flight {
    job: Job,
    intended: u64,
    sent: u64,
}

struct Connection {
    line: Line,
    scanner: Scanner,
    flights: VecDeque<Flight>,
    /// How many of the last flights are not all sent.
    unsent: usize,
    /// Bytes of the first of those that are.
    skip: usize,
    /// How many more flights it would have if nothing were computed first.
    computing: usize,
    /// Whether it waits for room to write.
    awaits_room: bool,
}

/// A value that is being computed: until when, by which connection, and for which key.
struct Computing {
    until: u64,
    which: usize,
    key: u32,
}

/// The engine at work.
struct Loop<'a, P> {
    engine: Engine<'a>,
    connections: Vec<Connection>,
    poller: P,
    recorder: Recorder,
    /// In the order of their ends.
    computing: VecDeque<Computing>,
    /// What is encoded and decoded once more when there is time.
    samples: Option<Samples<'a>>,
    input: Vec<u8>,
    output: Vec<u8>,
    in_flight: usize,
    spins: bool,
    /// How often it looked in vain lately, or was about to.
    vain: u32,
    /// When something was heard, or first asked.
    heard: u64,
    /// Of an open loop: the connections that may send, each as often as it may.
    slots: VecDeque<usize>,
    /// Since when there has always been one.
    slots_since: u64,
}

impl Engine<'_> {
    /// Goes on until the schedule is over or the signal says so, and all replies are there. What was
    /// measured is there in any case, and why it ended early.
    #[must_use]
    pub fn run(self, lines: Vec<Line>) -> Part {
        self.run_on::<Native>(lines)
    }

    fn run_on<P: Poller>(self, lines: Vec<Line>) -> Part {
        let recorder = Recorder::new(self.schedule.from, self.schedule.is_open());
        let poller = match P::new() {
            Ok(poller) => poller,
            Err(error) => return Part::failed(recorder, format!("cannot wait for connections: {error}")),
        };
        let connection = |line| Connection {
            line,
            scanner: Scanner::new(self.requests.asks_tags()),
            flights: VecDeque::with_capacity(self.pipeline.min(64)),
            unsent: 0,
            skip: 0,
            computing: 0,
            awaits_room: false,
        };
        let connections: Vec<Connection> = lines.into_iter().map(connection).collect();
        let count = connections.len();
        let mut turns = Loop {
            spins: count <= SPINNERS_MOST && !self.schedule.is_open(),
            slots: (0..if self.schedule.is_open() { count * self.pipeline } else { 0 }).map(|at| at % count).collect(),
            computing: VecDeque::new(),
            samples: self.coding.map(|(coding, seed)| Samples::new(coding, seed)),
            engine: self,
            connections,
            poller,
            recorder,
            input: vec![0; READ_MOST],
            output: Vec::with_capacity(2 * WRITE_MOST),
            in_flight: 0,
            vain: 0,
            heard: 0,
            slots_since: 0,
        };
        let trouble = turns.run().err();
        turns.part(trouble)
    }
}

impl<P: Poller> Loop<'_, P> {
    fn run(&mut self) -> Result<(), String> {
        for which in 0..self.connections.len() {
            let added = self.poller.add(which, &self.connections[which].line);
            added.map_err(|error| format!("cannot wait for a connection: {error}"))?;
        }
        let mut now = self.engine.signal.now();
        self.heard = now;
        let mut ended = None;
        for which in 0..self.connections.len() {
            self.refill(which, now)?;
            now = self.engine.signal.now();
        }
        loop {
            self.send_computed(now)?;
            let due = self.send_due(&mut now)?;
            if self.in_flight == 0 && due.is_none() && self.computing.is_empty() {
                return Ok(());
            }
            if due.is_none() {
                ended.get_or_insert(now);
            }
            self.check_time(now, ended)?;
            for at in 0..self.wait(due, now)? {
                let ready = self.poller.ready(at);
                if ready.readable {
                    self.receive(ready.which)?;
                }
                if ready.writable {
                    self.flush(ready.which)?;
                }
                if let Some(samples) = self.samples.as_mut().filter(|samples| samples.is_full()) {
                    samples.measure(&mut self.recorder);
                }
            }
            if let Some(samples) = &mut self.samples {
                samples.measure(&mut self.recorder);
            }
            now = self.engine.signal.now();
            self.engine.signal.tell(now, &self.recorder);
        }
    }

    /// Refuses to wait for ever: for a server that says nothing, and after the end for one that never says all.
    fn check_time(&self, now: u64, ended: Option<u64>) -> Result<(), String> {
        let timeout = self.engine.timeout;
        let is_over = |since: u64| now.saturating_sub(since) > nanos(timeout);
        match ended {
            _ if self.in_flight == 0 => Ok(()),
            _ if is_over(self.heard) => Err(format!("no answer within {timeout:?} (--timeout allows more)")),
            Some(ended) if is_over(ended) => {
                let count = self.in_flight;
                Err(format!("{count} answers were missing {timeout:?} after the end (--timeout allows more)"))
            }
            _ => Ok(()),
        }
    }

    /// Waits until something can be done; of how many connections. Where nothing is in flight, there
    /// is something due.
    fn wait(&mut self, due: Option<u64>, now: u64) -> Result<usize, String> {
        let failed = |error| format!("cannot wait for connections: {error}");
        let (mut sleep, mut look) = (WAIT_MOST, 0);
        if self.engine.schedule.is_open() && (!self.slots.is_empty() || self.in_flight == 0) {
            let left = due.map_or(WAIT_MOST, |due| due.saturating_sub(now).min(WAIT_MOST));
            (sleep, look) = (left.saturating_sub(EARLY), if left <= EARLY { left } else { 0 });
        } else if self.spins && (self.vain < VAIN_MOST || self.vain.is_multiple_of(NOW_AND_THEN)) {
            look = SPIN;
        }
        if let Some(next) = self.computing.front() {
            sleep = sleep.min(next.until.saturating_sub(now));
        }
        while self.engine.signal.now().saturating_sub(now) < look {
            let count = self.poller.wait(&self.connections, Duration::ZERO).map_err(failed)?;
            if count > 0 {
                self.vain = 0;
                return Ok(count);
            }
        }
        self.vain = self.vain.wrapping_add(1);
        self.poller.wait(&self.connections, Duration::from_nanos(sleep)).map_err(failed)
    }

    /// When the next request is due, where more are to be sent at all.
    fn due(&self, now: u64) -> Option<u64> {
        self.engine.schedule.due(now).filter(|_| !self.engine.signal.is_stopped())
    }

    /// In an open loop, sends what is due by now and has a connection; when the next is due.
    fn send_due(&mut self, now: &mut u64) -> Result<Option<u64>, String> {
        loop {
            let due = self.due(*now);
            let Some(at) = due.filter(|at| *at <= *now && self.engine.schedule.is_open()) else { return Ok(due) };
            let Some(which) = self.slots.pop_front() else { return Ok(due) };
            self.engine.schedule.take(at);
            if at >= self.slots_since {
                self.recorder.late(at, *now - at);
            }
            if self.slots.is_empty() {
                self.slots_since = u64::MAX;
            }
            let flight = Flight { job: self.engine.workload.draw(), intended: at, sent: *now };
            self.push(which, flight);
            self.flush(which)?;
            *now = self.engine.signal.now();
        }
    }

    /// Writes what has been computed by now. Where the run shall end, that is no more waited for.
    fn send_computed(&mut self, now: u64) -> Result<(), String> {
        if self.engine.signal.is_stopped() || self.engine.schedule.is_over(now) {
            self.computing.clear();
        }
        while let Some(&Computing { until, which, key }) = self.computing.front().filter(|next| next.until <= now) {
            self.computing.pop_front();
            self.connections[which].computing -= 1;
            let job = self.engine.workload.write_back(key);
            let intended = if self.engine.schedule.is_open() { until } else { now };
            self.push(which, Flight { job, intended, sent: now });
            self.flush(which)?;
        }
        Ok(())
    }

    fn push(&mut self, which: usize, flight: Flight) {
        let connection = &mut self.connections[which];
        let sent = flight.sent;
        connection.flights.push_back(flight);
        connection.unsent += 1;
        if self.in_flight == 0 {
            self.heard = sent;
        }
        self.in_flight += 1;
    }

    /// In a closed loop, sends as many requests as there is room for: not each at once, for a write
    /// takes longer than a request, but before the server runs out of them.
    fn refill(&mut self, which: usize, now: u64) -> Result<(), String> {
        let connection = &self.connections[which];
        let free = self.engine.pipeline - connection.flights.len() - connection.computing;
        if self.engine.schedule.is_open() || free < self.engine.pipeline.div_ceil(4) {
            // What follows on a reply is sent all the same.
            return if connection.unsent > 0 && !connection.awaits_room { self.flush(which) } else { Ok(()) };
        }
        for _ in 0..free {
            let Some(due) = self.due(now) else { break };
            self.engine.schedule.take(due);
            let flight = Flight { job: self.engine.workload.draw(), intended: now, sent: now };
            self.push(which, flight);
        }
        self.flush(which)
    }

    /// Reads what there is, counts the replies, and sends the next requests.
    fn receive(&mut self, which: usize) -> Result<(), String> {
        loop {
            let connection = &mut self.connections[which];
            let count = match connection.line.read(&mut self.input) {
                Ok(0) => return Err("the server closed a connection".to_owned()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(lost(&error)),
            };
            let done = self.engine.signal.now();
            self.count(which, count, done)?;
            self.refill(which, done)?;
            let connection = &self.connections[which];
            if !connection.line.reads_ahead() {
                // A connection whose socket has more is found again, after the others had their turn.
                return Ok(());
            }
        }
    }

    /// Counts the replies in the first `count` bytes of the input.
    fn count(&mut self, which: usize, count: usize, done: u64) -> Result<(), String> {
        let Loop { connections, input, recorder, computing, samples, in_flight, engine, slots, slots_since, .. } = self;
        let (mut reads, mut waiting) = samples.as_mut().map(Samples::parts).unzip();
        let clients = connections.len();
        let Connection { scanner, flights, unsent, computing: computes, .. } = &mut connections[which];
        let open = engine.schedule.is_open();
        let mut unasked = None;
        let keep = || reads.as_mut().is_some_and(|reads| reads.draw());
        let scanned = scanner.scan(engine.protocol, &input[..count], keep, |reply, kept| {
            if flights.len() <= *unsent {
                unasked = Some(match reply {
                    Reply::Refused(word) => format!(
                        "the server said {} before it was asked anything: it may allow less than {clients} clients",
                        String::from_utf8_lossy(word)
                    ),
                    _ => "the server sent a reply that nobody had asked for".to_owned(),
                });
                return;
            }
            let Some(Flight { job, intended, sent }) = flights.pop_front() else { return };
            if job.asks_tags && !matches!(reply, Reply::Refused(_)) {
                // The values of its tags are there: now for the entry itself.
                flights.push_back(Flight { job: Job { asks_tags: false, ..job }, intended, sent });
                *unsent += 1;
                return;
            }
            recorder.reply(&job, Times { intended, sent, done }, reply);
            if let Some(waiting) = waiting.as_mut().filter(|_| recorder.counts(intended)) {
                waiting.replied(&job, reply, kept);
            }
            *in_flight -= 1;
            if let (Some(time), Operation::Get, Reply::Missing) = (engine.cache_aside, job.operation, reply) {
                // Its connection is not free until what it computes is written.
                computing.push_back(Computing { until: done.saturating_add(time), which, key: job.key });
                *computes += 1;
            } else if open {
                *slots_since = (*slots_since).min(done);
                slots.push_back(which);
            }
        });
        self.heard = done;
        match scanned {
            Err(Malformed) => Err("the server sent what is not its protocol".to_owned()),
            Ok(()) => unasked.map_or(Ok(()), Err),
        }
    }

    /// Sends what the socket takes of what is not sent yet.
    fn flush(&mut self, which: usize) -> Result<(), String> {
        let connection = &mut self.connections[which];
        while connection.unsent > 0 {
            let (sent, all) = match connection.send(&self.engine.requests, &mut self.output) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(lost(&error)),
            };
            if !all {
                connection.partly(&self.engine.requests, sent, &mut self.output);
                break;
            }
        }
        connection.line.flush().map_err(|error| lost(&error))?;
        let awaits_room = connection.unsent > 0 || connection.line.holds_back();
        if mem::replace(&mut connection.awaits_room, awaits_room) != awaits_room {
            let changed = self.poller.await_room(which, &connection.line, awaits_room);
            changed.map_err(|error| format!("cannot wait for a connection: {error}"))?;
        }
        Ok(())
    }

    fn part(self, trouble: Option<String>) -> Part {
        let now = self.engine.signal.now();
        let from = self.engine.schedule.from;
        Part {
            elapsed: Duration::from_nanos(now.saturating_sub(from)),
            sent: self.engine.schedule.sent,
            unsent: self.engine.schedule.overdue(now),
            unanswered: self.in_flight as u64,
            tally: self.recorder.finish(),
            trouble,
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl Connection {
    /// Writes requests that are not sent yet: how many bytes, those sent before included, and whether
    /// that was all that was tried.
    fn send(&mut self, requests: &Requests, output: &mut Vec<u8>) -> io::Result<(usize, bool)> {
        output.clear();
        let (mut count, mut around) = (0, None);
        for flight in self.flights.range(self.flights.len() - self.unsent..) {
            count += 1;
            if let Request::Around(value, tail) = requests.encode(&flight.job, output) {
                around = Some((value, tail));
                break;
            }
            if output.len() >= WRITE_MOST {
                break;
            }
        }
        let (total, sent) = match around {
            None => (output.len(), self.line.write(&output[self.skip..])?),
            Some((value, tail)) => {
                let parts = &mut [IoSlice::new(output), IoSlice::new(value), IoSlice::new(tail)][..];
                let mut parts = parts;
                IoSlice::advance_slices(&mut parts, self.skip);
                (output.len() + value.len() + tail.len(), self.line.write_vectored(parts)?)
            }
        };
        let sent = self.skip + sent;
        if sent == total {
            self.unsent -= count;
            self.skip = 0;
        }
        Ok((sent, sent == total))
    }

    /// Finds out which requests are among the `sent` bytes.
    fn partly(&mut self, requests: &Requests, mut sent: usize, output: &mut Vec<u8>) {
        for flight in self.flights.range(self.flights.len() - self.unsent..) {
            output.clear();
            let rest = match requests.encode(&flight.job, output) {
                Request::Whole => 0,
                Request::Around(value, tail) => value.len() + tail.len(),
            };
            let Some(left) = sent.checked_sub(output.len() + rest) else { break };
            sent = left;
            self.unsent -= 1;
        }
        self.skip = sent;
    }
}

fn lost(error: &io::Error) -> String {
    format!("a connection was lost: {error}")
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::super::histogram::{Tally, histogram};
    use super::super::names::{Family, Names};
    use super::super::poller::Poll;
    use super::super::schedule::{End, Pace};
    use super::super::workload::{Distribution, Operation, Sizes, Values};
    use super::*;
    use crate::backend::{Options, dial};
    use crate::layout;
    use crate::limits::Limits;

    /// A memcached that stores nothing; its URL.
    fn server() -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                thread::spawn(move || {
                    let mut asked = BufReader::new(stream.try_clone().unwrap());
                    let mut line = String::new();
                    while asked.read_line(&mut line).is_ok_and(|count| count > 0) {
                        let words: Vec<&str> = line.split_whitespace().collect();
                        let answer = match words[0] {
                            "mn" => "MN\r\n",
                            "mg" => "EN\r\n",
                            _ => {
                                let size: u64 = words[2].parse().unwrap();
                                io::copy(&mut (&mut asked).take(size + 2), &mut io::sink()).unwrap();
                                "HD\r\n"
                            }
                        };
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                        line.clear();
                    }
                });
            }
        });
        format!("memcached://127.0.0.1:{port}")
    }

    /// Values that are larger than any buffer, so that connections wait for room too.
    fn check<P: Poller>() {
        let timeout = Duration::from_secs(20);
        let (limits, tls_client) = (Limits::DEFAULT, None);
        let options = Options {
            timeout,
            limits,
            disk_default: "/nonexistent".into(),
            tls_ca: None,
            tls_client,
            tls_insecure: false,
            replica: false,
            password_from: None,
            tell: |_| (),
        };
        let dial = dial(&server(), &options).unwrap().unwrap();
        let layout = layout::parse("plain:", None, crate::entry::Kind::Memcached).unwrap();
        let names = Names::new(layout.as_ref(), "test", None, 100, &[Family::Entry], 0).unwrap();
        for (pace, end, count) in
            [(Pace::Closed, End::Requests(400), 400), (Pace::Open(500.0), End::After(Duration::from_millis(400)), 200)]
        {
            let lines: Vec<Line> = (0..5).map(|_| dial().unwrap()).collect();
            let sizes = Sizes::Range(0, 3_000_000);
            let values = Values::new(sizes.most(), 0.0, 1);
            let engine = Engine {
                protocol: Protocol::Memcached,
                workload: Workload::new([20, 1, 0, 0, 0], 100, Distribution::Uniform, sizes, 1, 0),
                requests: Requests::new(Protocol::Memcached, names.clone(), values, 60),
                schedule: Schedule::new(pace, Duration::ZERO, end, 0, 1),
                pipeline: 8,
                cache_aside: None,
                coding: None,
                timeout,
                signal: &Signal::alone(),
            };
            let part = engine.run_on::<P>(lines);
            let done = |operation| part.tally.operations[operation as usize].as_ref().unwrap().latency.len();
            assert_eq!((part.trouble, part.unsent, part.unanswered), (None, 0, 0), "{pace:?}");
            let (gets, sets) = (done(Operation::Get), done(Operation::Set));
            assert!(gets + sets == count && sets > 4, "{pace:?}: {gets} and {sets}");
            check_trace(&part.tally, count);
        }
    }

    /// That the histograms are those of all that happened, one by one.
    fn check_trace(tally: &Tally, count: u64) {
        assert_eq!(tally.trace.len() as u64, count);
        for operation in [Operation::Get, Operation::Set] {
            let mut exact = histogram();
            let of = tally.trace.iter().filter(|(one, _)| *one == operation);
            of.for_each(|(_, times)| exact.record(times.done - times.intended).unwrap());
            assert!(tally.operations[operation as usize].as_ref().unwrap().latency == exact);
        }
        if let Some(service) = &tally.service {
            let mut exact = histogram();
            tally.trace.iter().for_each(|(_, times)| exact.record(times.done - times.sent).unwrap());
            assert!(*service == exact);
        }
        let seconds: u64 = tally.seconds.iter().map(|second| second.done).sum();
        let latest = tally.trace.iter().map(|(_, times)| times.done / 1_000_000_000).max().unwrap();
        assert_eq!((seconds, tally.seconds.len() as u64), (count, latest + 1));
    }

    #[test]
    fn a_load_is_done_whatever_waits_for_it() {
        check::<Native>();
        check::<Poll>();
    }
}
