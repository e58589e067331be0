//! One thread that keeps many connections to servers busy: an event loop that sends the next requests in
//! the same turn in which the replies to others came, and looks at the clock once for each read.
//!
//! Its clients are as applications have them: each has a connection to every node of a cluster, and each request goes
//! to the node that has its key. What a node says of keys that are elsewhere (MOVED, ASK) is followed; the latency of
//! a request is from its first sending.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::time::Duration;

use super::coding::{Coding, Samples};
use super::connection::{Connection, Flight, Odd, WRITE_MOST};
use super::histogram::{Recorder, Times};
use super::poller::{Native, Poller};
use super::routes::Routes;
use super::run::{Part, Signal};
use super::schedule::{Schedule, nanos};
use super::wire::{Protocol, Reply, Requests};
use super::workload::{Job, Operation, Workload};
use crate::backend::net::Line;
use crate::backend::redis::Detour;

/// Bytes read at once. Larger ones do not stay in the processor's cache.
const READ_MOST: usize = 64 << 10;

/// How often in a row a request is sent elsewhere: Redis's own clients have 5 to 16.
const HOPS_MOST: u8 = 16;

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
    /// What the servers speak.
    pub protocol: Protocol,
    /// Where they are.
    pub routes: &'a Routes<'a>,
    /// What they are asked.
    pub workload: Workload,
    /// How.
    pub requests: Requests,
    /// When.
    pub schedule: Schedule,
    /// How many requests a client has in flight at most.
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

/// Who asks.
#[derive(Default)]
struct Client {
    /// The connection to each node, where there is one.
    lines: Vec<Option<usize>>,
    in_flight: usize,
    /// How many more it would have if nothing were computed first.
    computing: usize,
}

/// Who answers.
struct Node {
    place: String,
    in_flight: usize,
    /// When something was heard of it, or it was asked after it had answered all.
    heard: u64,
}

/// A value that is being computed: until when, by which client, and for which key.
struct Computing {
    until: u64,
    client: usize,
    key: u32,
}

/// A request that is not done yet, though it had a reply, and where that sends it.
struct Onward {
    flight: Flight,
    detour: Option<Detour>,
}

/// The engine at work.
struct Loop<'a, P> {
    engine: Engine<'a>,
    clients: Vec<Client>,
    connections: Vec<Connection>,
    nodes: Vec<Node>,
    poller: P,
    recorder: Recorder,
    /// In the order of their ends.
    computing: VecDeque<Computing>,
    /// What is encoded and decoded once more when there is time.
    samples: Option<Samples<'a>>,
    input: Vec<u8>,
    output: Vec<u8>,
    key: Vec<u8>,
    /// Connections that have something to send.
    touched: Vec<usize>,
    onward: Vec<Onward>,
    in_flight: usize,
    spins: bool,
    /// How often it looked in vain lately, or was about to.
    vain: u32,
    /// Of an open loop: the clients that may send, each as often as it may.
    slots: VecDeque<usize>,
    /// Since when there has always been one.
    slots_since: u64,
    /// The node that ended it.
    lost: Option<usize>,
}

impl Engine<'_> {
    /// Goes on until the schedule is over or the signal says so, and all replies are there; of each client there is a
    /// connection to each node. What was measured is there in any case, and why it ended early.
    #[must_use]
    pub fn run(self, lines: Vec<Vec<Line>>) -> Part {
        self.run_on::<Native>(lines)
    }

    fn run_on<P: Poller>(self, lines: Vec<Vec<Line>>) -> Part {
        let recorder = Recorder::new(self.schedule.from, self.schedule.is_open());
        let poller = match P::new() {
            Ok(poller) => poller,
            Err(error) => return Part::failed(recorder, format!("cannot wait for connections: {error}")),
        };
        let (clients, count) = (lines.len(), lines.iter().map(Vec::len).sum::<usize>());
        let slots = if self.schedule.is_open() { clients * self.pipeline } else { 0 };
        let mut turns = Loop {
            spins: count <= SPINNERS_MOST && !self.schedule.is_open(),
            slots: (0..slots).map(|at| at % clients).collect(),
            computing: VecDeque::new(),
            samples: self.coding.map(|(coding, seed)| Samples::new(coding, seed)),
            engine: self,
            clients: (0..clients).map(|_| Client::default()).collect(),
            connections: Vec::with_capacity(count),
            nodes: Vec::new(),
            poller,
            recorder,
            input: vec![0; READ_MOST],
            output: Vec::with_capacity(2 * WRITE_MOST),
            key: Vec::new(),
            touched: Vec::new(),
            onward: Vec::new(),
            in_flight: 0,
            vain: 0,
            slots_since: 0,
            lost: None,
        };
        let trouble = turns.run(lines).err();
        turns.part(trouble)
    }
}

impl<P: Poller> Loop<'_, P> {
    fn run(&mut self, lines: Vec<Vec<Line>>) -> Result<(), String> {
        for (client, lines) in lines.into_iter().enumerate() {
            for (node, line) in lines.into_iter().enumerate() {
                self.connect(client, node, line)?;
            }
        }
        let mut now = self.engine.signal.now();
        let mut ended = None;
        for client in 0..self.clients.len() {
            self.refill(client, now)?;
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

    /// Takes in a client's connection to a node.
    fn connect(&mut self, client: usize, node: usize, line: Line) -> Result<(), String> {
        for node in self.nodes.len()..=node {
            let place = self.engine.routes.place(node).to_string();
            self.nodes.push(Node { place, in_flight: 0, heard: 0 });
        }
        let which = self.connections.len();
        let connection = Connection::new(line, client, node, &self.engine.requests);
        let added = self.poller.add(which, &connection);
        added.map_err(|error| format!("cannot wait for a connection: {error}"))?;
        self.connections.push(connection);
        let lines = &mut self.clients[client].lines;
        lines.resize(lines.len().max(node + 1), None);
        lines[node] = Some(which);
        Ok(())
    }

    /// A client's connection to a node. To one that was not there at the beginning it is made now, for which all wait.
    fn line_to(&mut self, client: usize, node: usize) -> Result<usize, String> {
        if let Some(which) = self.clients[client].lines.get(node).copied().flatten() {
            return Ok(which);
        }
        match self.engine.routes.line(node) {
            Ok(line) => self.connect(client, node, line)?,
            Err(error) => {
                self.lost = Some(node);
                return Err(error.message);
            }
        }
        Ok(self.connections.len() - 1)
    }

    /// Refuses to wait for ever: for a server that says nothing, and after the end for one that never says all.
    fn check_time(&mut self, now: u64, ended: Option<u64>) -> Result<(), String> {
        let timeout = self.engine.timeout;
        let is_over = |since: u64| now.saturating_sub(since) > nanos(timeout);
        let is_busy = |node: &Node| node.in_flight > 0;
        if let Some(node) = self.nodes.iter().position(|node| is_busy(node) && is_over(node.heard)) {
            return Err(
                self.lost(node, |place| format!("no answer from {place} within {timeout:?} (--timeout allows more)"))
            );
        }
        match self.nodes.iter().position(is_busy) {
            Some(node) if ended.is_some_and(is_over) => {
                let count = self.nodes[node].in_flight;
                let told = format!("were missing {timeout:?} after the end (--timeout allows more)");
                Err(self.lost(node, |place| format!("{count} answers of {place} {told}")))
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

    /// In an open loop, sends what is due by now and has a client; when the next is due.
    fn send_due(&mut self, now: &mut u64) -> Result<Option<u64>, String> {
        loop {
            let due = self.due(*now);
            let Some(at) = due.filter(|at| *at <= *now && self.engine.schedule.is_open()) else { return Ok(due) };
            let Some(client) = self.slots.pop_front() else { return Ok(due) };
            self.engine.schedule.take(at);
            if at >= self.slots_since {
                self.recorder.late(at, *now - at);
            }
            if self.slots.is_empty() {
                self.slots_since = u64::MAX;
            }
            let job = self.engine.workload.draw();
            self.ask(client, job, at, *now)?;
            self.flush_touched()?;
            *now = self.engine.signal.now();
        }
    }

    /// Writes what has been computed by now. Where the run shall end, that is no more waited for.
    fn send_computed(&mut self, now: u64) -> Result<(), String> {
        if self.engine.signal.is_stopped() || self.engine.schedule.is_over(now) {
            self.computing.clear();
        }
        while let Some(&Computing { until, client, key }) = self.computing.front().filter(|next| next.until <= now) {
            self.computing.pop_front();
            self.clients[client].computing -= 1;
            let job = self.engine.workload.write_back(key);
            self.ask(client, job, if self.engine.schedule.is_open() { until } else { now }, now)?;
            self.flush_touched()?;
        }
        Ok(())
    }

    /// In a closed loop, has a client ask as much as there is room for: not each at once, for a write
    /// takes longer than a request, but before the server runs out of them.
    fn refill(&mut self, client: usize, now: u64) -> Result<(), String> {
        let Client { in_flight, computing, .. } = self.clients[client];
        let free = self.engine.pipeline - in_flight - computing;
        if !self.engine.schedule.is_open() && free >= self.engine.pipeline.div_ceil(4) {
            for _ in 0..free {
                let Some(due) = self.due(now) else { break };
                self.engine.schedule.take(due);
                let job = self.engine.workload.draw();
                self.ask(client, job, now, now)?;
            }
        }
        // What follows on a reply is sent in any case.
        self.flush_touched()
    }

    /// Has a client do a job.
    fn ask(&mut self, client: usize, job: Job, intended: u64, now: u64) -> Result<(), String> {
        let flight = Flight { job, intended, sent: now, hops: 0, is_asking: false };
        let node = self.node_of(&job);
        let which = self.line_to(client, node)?;
        self.push(which, flight, now);
        Ok(())
    }

    /// The node for a job.
    fn node_of(&mut self, job: &Job) -> usize {
        match self.engine.routes.is_cluster() {
            false => 0,
            true => self.engine.routes.of(self.engine.requests.slot(job, &mut self.key)),
        }
    }

    fn push(&mut self, which: usize, flight: Flight, now: u64) {
        let connection = &mut self.connections[which];
        let node = &mut self.nodes[connection.node];
        if node.in_flight == 0 {
            node.heard = now;
        }
        node.in_flight += 1;
        self.clients[connection.client].in_flight += 1;
        self.in_flight += 1;
        connection.push(flight);
        if self.touched.last() != Some(&which) {
            self.touched.push(which);
        }
    }

    /// Reads what there is, counts the replies, and sends the next requests.
    fn receive(&mut self, which: usize) -> Result<(), String> {
        loop {
            let connection = &mut self.connections[which];
            let (client, node) = (connection.client, connection.node);
            let count = match connection.read(&mut self.input) {
                Ok(0) => return Err(self.lost(node, |place| format!("{place} closed a connection"))),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.cut_off(node, &error)),
            };
            let done = self.engine.signal.now();
            self.count(which, count, done)?;
            self.go_on(which, done)?;
            self.refill(client, done)?;
            if !self.connections[which].reads_ahead() {
                // A connection whose socket has more is found again, after the others had their turn.
                return Ok(());
            }
        }
    }

    /// Counts the replies in the first `count` bytes of the input.
    fn count(&mut self, which: usize, count: usize, done: u64) -> Result<(), String> {
        let Loop { engine, clients, connections, nodes, recorder, computing, samples, input, .. } = self;
        let Loop { onward, in_flight, slots, slots_since, .. } = self;
        let (mut reads, mut waiting) = samples.as_mut().map(Samples::parts).unzip();
        let connection = &mut connections[which];
        let (asker, node) = (connection.client, &mut nodes[connection.node]);
        let client = &mut clients[asker];
        let open = engine.schedule.is_open();
        let keep = || reads.as_mut().is_some_and(|reads| reads.draw());
        let scanned = connection.scan(engine.protocol, &input[..count], keep, |flight, reply, kept| {
            node.in_flight -= 1;
            client.in_flight -= 1;
            *in_flight -= 1;
            if let Some(next) = engine.onward(flight, reply) {
                if let Some(detour) = &next.detour {
                    recorder.sent_elsewhere(flight.intended, matches!(detour, Detour::Ask(..)));
                }
                onward.push(next);
                return;
            }
            let Flight { job, intended, sent, .. } = flight;
            recorder.reply(&job, Times { intended, sent, done }, reply);
            if let Some(waiting) = waiting.as_mut().filter(|_| recorder.counts(intended)) {
                waiting.replied(&job, reply, kept);
            }
            if let (Some(time), Operation::Get, Reply::Missing) = (engine.cache_aside, job.operation, reply) {
                // It is not free until what it computes is written.
                computing.push_back(Computing { until: done.saturating_add(time), client: asker, key: job.key });
                client.computing += 1;
            } else if open {
                *slots_since = (*slots_since).min(done);
                slots.push_back(asker);
            }
        });
        node.heard = done;
        let (place, clients) = (&node.place, clients.len());
        scanned.map_err(|odd| match odd {
            Odd::Malformed => format!("{place} sent what is not its protocol"),
            Odd::Unasked(None) => format!("{place} sent a reply that nobody had asked for"),
            Odd::Unasked(Some(word)) => {
                format!("{place} said {word} before it was asked anything: it may allow less than {clients} clients")
            }
        })
    }

    /// Sends on what is not done yet, of what a connection had replies to.
    fn go_on(&mut self, which: usize, now: u64) -> Result<(), String> {
        if self.onward.is_empty() {
            return Ok(());
        }
        let (client, by) = (self.connections[which].client, self.connections[which].node);
        let mut onward = mem::take(&mut self.onward);
        for Onward { flight, detour } in onward.drain(..) {
            let (node, is_asking) = match detour {
                None => (self.node_of(&flight.job), false),
                Some(detour) => self.engine.routes.follow(by, detour).map_err(|error| error.message)?,
            };
            let which = self.line_to(client, node)?;
            if is_asking {
                self.connections[which].push(Flight { is_asking, ..flight });
            }
            self.push(which, flight, now);
        }
        self.onward = onward;
        Ok(())
    }

    /// Sends what waits, but where there was no room for it the last time.
    fn flush_touched(&mut self) -> Result<(), String> {
        while let Some(which) = self.touched.pop() {
            if !self.connections[which].awaits_room {
                self.flush(which)?;
            }
        }
        Ok(())
    }

    /// Sends what the socket takes of what is not sent yet.
    fn flush(&mut self, which: usize) -> Result<(), String> {
        let connection = &mut self.connections[which];
        match connection.flush(&self.engine.requests, &mut self.output) {
            Ok(None) => Ok(()),
            Ok(Some(awaits_room)) => {
                let changed = self.poller.await_room(which, &*connection, awaits_room);
                changed.map_err(|error| format!("cannot wait for a connection: {error}"))
            }
            Err(error) => {
                let node = connection.node;
                Err(self.cut_off(node, &error))
            }
        }
    }

    /// Notes which node ends the run; why, in words about its place.
    fn lost(&mut self, node: usize, told: impl FnOnce(&str) -> String) -> String {
        self.lost = Some(node);
        told(&self.nodes[node].place)
    }

    fn cut_off(&mut self, node: usize, error: &io::Error) -> String {
        self.lost(node, |place| format!("a connection to {place} was lost: {error}"))
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
            lost: self.lost.map(|node| self.engine.routes.place(node)),
            trouble,
        }
    }
}

impl Engine<'_> {
    /// What a request that had a reply goes on with, where it is not done.
    fn onward(&self, flight: Flight, reply: Reply<'_>) -> Option<Onward> {
        match reply {
            Reply::Elsewhere(words) if self.routes.is_cluster() && flight.hops < HOPS_MOST => {
                let words = String::from_utf8_lossy(words);
                let detour = words.split_once(' ').and_then(|(code, rest)| Detour::read(code, rest))?;
                Some(Onward { flight: Flight { hops: flight.hops + 1, ..flight }, detour: Some(detour) })
            }
            _ if flight.job.asks.is_none() || reply.refusal().is_some() => None,
            // The values of its tags are there, or one of them: now for the next, or for the entry itself.
            _ => Some(Onward { flight: Flight { job: self.requests.after(flight.job), ..flight }, detour: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
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
        let routes = Routes::new(dial.as_ref(), dial.shards().unwrap());
        let layout = layout::parse("plain:", None, crate::entry::Kind::Memcached).unwrap();
        let names = Names::new(layout.as_ref(), "test", None, 100, &[Family::Entry], 0).unwrap();
        for (pace, end, count) in
            [(Pace::Closed, End::Requests(400), 400), (Pace::Open(500.0), End::After(Duration::from_millis(400)), 200)]
        {
            let lines: Vec<Vec<Line>> = (0..5).map(|_| vec![routes.line(0).unwrap()]).collect();
            let sizes = Sizes::Range(0, 3_000_000);
            let values = Values::new(sizes.most(), 0.0, 1);
            let engine = Engine {
                protocol: Protocol::Memcached,
                routes: &routes,
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
