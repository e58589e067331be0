//! Threads that put load on a server, from their start until all of them are done.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::engine::Engine;
use super::histogram::{Recorder, Tally};
use super::routes::Routes;
use super::schedule::{Pace, Schedule, nanos};
use super::wire::{Protocol, Requests};
use super::worker::Worker;
use super::{Plan, Summary, Target};
use crate::backend::net::{Line, Place};
use crate::backend::{Connect, Dial, Error, ErrorKind, Shards};
use crate::interrupt::Interrupt;

/// How often a thread tells how far it is.
const TELL: u64 = 250_000_000;

/// How long after it is known to all threads a run starts, so that none of them is late.
const START: Duration = Duration::from_millis(2);

/// Open files of a process that are no connections.
const FILES: u64 = 64;

/// What the threads of a run hear, and one of them tells.
pub struct Signal {
    start: Instant,
    stop: Arc<AtomicBool>,
    watched: bool,
    told: AtomicU64,
    progress: Mutex<Progress>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Operations done.
    pub done: u64,
    /// Errors that came.
    pub errors: u64,
    /// Half of the latencies until now are not longer; nanoseconds.
    pub p50: u64,
    /// 99 of 100 are not.
    pub p99: u64,
}

impl Signal {
    /// That of a single thread that nobody watches, from now on.
    #[cfg(test)]
    pub fn alone() -> Signal {
        Signal {
            start: Instant::now(),
            stop: Arc::default(),
            watched: false,
            told: AtomicU64::new(0),
            progress: Mutex::default(),
        }
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        nanos(Instant::now().saturating_duration_since(self.start))
    }

    /// Whether the run shall end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells now and then how far this thread is, where somebody looks.
    pub fn tell(&self, now: u64, recorder: &Recorder) {
        if self.watched && now >= self.told.load(Ordering::Relaxed) {
            self.told.store(now + TELL, Ordering::Relaxed);
            *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = recorder.progress();
        }
    }
}

/// What one thread has to say at its end.
pub struct Part {
    /// What it measured.
    pub tally: Tally,
    /// For how long.
    pub elapsed: Duration,
    /// What was sent because it was due.
    pub sent: u64,
    /// What was due and never sent.
    pub unsent: u64,
    /// What was sent and never answered.
    pub unanswered: u64,
    /// Whose fault that was, of a server.
    pub lost: Option<Place>,
    /// Why it ended early.
    pub trouble: Option<String>,
}

impl Part {
    /// Of a thread that could not begin.
    #[must_use]
    pub fn failed(recorder: Recorder, trouble: String) -> Part {
        let (tally, elapsed) = (recorder.finish(), Duration::ZERO);
        Part { tally, elapsed, sent: 0, unsent: 0, unanswered: 0, lost: None, trouble: Some(trouble) }
    }
}

/// A target as it is reached now.
enum Reached<'a> {
    Server(Protocol, Routes<'a>),
    Store(&'a Connect),
}

/// Runs `plan` once on `target`. `watch` is told now and then how far it is, where there is one.
///
/// # Errors
/// When the server cannot be reached, or not by so many. What goes wrong later is part of the summary.
pub fn run(
    plan: &Plan,
    target: &Target<'_>,
    interrupt: &Interrupt,
    watch: Option<&mut dyn FnMut(Progress)>,
) -> Result<Summary, Error> {
    let threads = match target {
        Target::Server(..) => plan.threads.min(plan.clients),
        Target::Store(_) => plan.clients,
    };
    let reached = match target {
        Target::Server(protocol, dial) => Reached::Server(*protocol, Routes::new(*dial, dial.shards()?)),
        Target::Store(connect) => Reached::Store(connect),
    };
    let (mut lines, primaries) = match &reached {
        Reached::Server(_, routes) => {
            (connections(plan, routes, interrupt)?, routes.is_cluster().then(|| routes.len()))
        }
        Reached::Store(_) => (Vec::new(), None),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let cpu = cpu_time();
    let start = Instant::now() + START;
    let signals: Vec<Signal> = (0..threads)
        .map(|_| Signal {
            start,
            stop: Arc::clone(&stop),
            watched: watch.is_some(),
            told: AtomicU64::new(0),
            progress: Mutex::default(),
        })
        .collect();
    let reached = &reached;
    let parts = thread::scope(|scope| {
        let mut running: Vec<ScopedJoinHandle<'_, Part>> = Vec::with_capacity(threads);
        for (nth, signal) in signals.iter().enumerate() {
            // As many for each, and the first ones take what is left over.
            let share = plan.clients / threads + usize::from(nth < plan.clients % threads);
            let lines: Vec<Vec<Line>> = lines.drain(..share.min(lines.len())).collect();
            running.push(scope.spawn(move || {
                thread::sleep(start.saturating_duration_since(Instant::now()));
                let part = work(plan, reached, lines, nth, threads, signal);
                if part.trouble.is_some() {
                    // What the others would measure is another load.
                    signal.stop.store(true, Ordering::Relaxed);
                }
                part
            }));
        }
        oversee(&running, &signals, &stop, interrupt, watch);
        running.into_iter().map(|thread| thread.join().expect("a thread that panics ends the process")).collect()
    });
    let cpu = cpu_time().saturating_sub(cpu);
    Ok(Summary { primaries, ..summary(parts, cpu, interrupt.is_set()) })
}

/// What one thread does.
fn work(
    plan: &Plan,
    reached: &Reached<'_>,
    lines: Vec<Vec<Line>>,
    nth: usize,
    threads: usize,
    signal: &Signal,
) -> Part {
    let workload = plan.workload(nth);
    let coding = plan.coding.as_ref().map(|coding| (coding, plan.seed.wrapping_add(nth as u64)));
    let schedule = Schedule::new(plan.pace, plan.warmup, plan.end, nth, threads);
    match reached {
        Reached::Server(protocol, routes) => {
            let requests = Requests::new(*protocol, plan.names.clone(), plan.values.clone(), plan.ttl_s);
            let requests = if routes.is_cluster() { requests.each_alone() } else { requests };
            let (protocol, pipeline, timeout) = (*protocol, plan.pipeline, plan.timeout);
            let cache_aside = plan.cache_aside.map(nanos);
            Engine { protocol, routes, workload, requests, schedule, pipeline, timeout, cache_aside, coding, signal }
                .run(lines)
        }
        Reached::Store(connect) => {
            let recorder = || Recorder::new(schedule.from, plan.pace != Pace::Closed);
            let mut backend = match connect() {
                Ok(backend) => backend,
                Err(error) => return Part::failed(recorder(), error.message),
            };
            let (names, values, expiry) = (&plan.names, &plan.values, plan.expiry());
            Worker { workload, names, values, expiry, cache_aside: plan.cache_aside, schedule, coding, signal }
                .run(backend.as_mut())
        }
    }
}

/// Waits for the threads: hears of signals, and passes on what they tell.
fn oversee(
    running: &[ScopedJoinHandle<'_, Part>],
    signals: &[Signal],
    stop: &AtomicBool,
    interrupt: &Interrupt,
    mut watch: Option<&mut dyn FnMut(Progress)>,
) {
    let tick = Duration::from_millis(20);
    let mut told = Instant::now();
    while !running.iter().all(ScopedJoinHandle::is_finished) {
        if interrupt.is_set() {
            stop.store(true, Ordering::Relaxed);
            thread::sleep(tick);
        } else if interrupt.wait(tick) {
            stop.store(true, Ordering::Relaxed);
        }
        if let Some(watch) = watch.as_mut().filter(|_| told.elapsed() >= Duration::from_nanos(TELL)) {
            told = Instant::now();
            let all = signals.iter().map(|signal| *signal.progress.lock().unwrap_or_else(PoisonError::into_inner));
            watch(all.fold(Progress::default(), |sum, one| Progress {
                done: sum.done + one.done,
                errors: sum.errors + one.errors,
                p50: sum.p50.max(one.p50),
                p99: sum.p99.max(one.p99),
            }));
        }
    }
}

fn summary(parts: Vec<Part>, cpu: Duration, interrupted: bool) -> Summary {
    let mut all = Summary { cpu, interrupted, ..Summary::default() };
    for part in parts {
        all.tally.add(&part.tally);
        all.elapsed = all.elapsed.max(part.elapsed);
        all.sent += part.sent;
        all.unsent += part.unsent;
        all.unanswered += part.unanswered;
        all.lost = all.lost.or(part.lost);
        all.trouble = all.trouble.or(part.trouble);
    }
    all
}

/// What the processors have done for this process.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default()
}

/// The connections of all clients to each of the servers, opened and logged in.
fn connections(plan: &Plan, routes: &Routes<'_>, interrupt: &Interrupt) -> Result<Vec<Vec<Line>>, Error> {
    let mut lines = Vec::with_capacity(plan.clients);
    for nth in 0..plan.clients {
        if interrupt.is_set() {
            break;
        }
        let each: Result<Vec<Line>, Error> = (0..routes.len()).map(|node| routes.line(node)).collect();
        lines.push(each.map_err(|error| match nth {
            0 => error,
            _ => Error::new(error.kind, format!("of {} clients {nth} connected, and then: {error}", plan.clients)),
        })?);
    }
    Ok(lines)
}

/// The servers that so many clients will load, each of which can be reached: to be known before anything is written.
///
/// # Errors
/// When one cannot, or so many connections to each may not be opened.
pub fn reach(dial: &dyn Dial, clients: usize) -> Result<Shards, Error> {
    let shards = dial.shards()?;
    allow_files(clients, shards.places.len())?;
    if shards.owners.is_some() {
        shards.places.iter().try_for_each(|place| dial.line(place).map(drop))?;
    }
    Ok(shards)
}

/// Raises the limit on open files to what so many clients of so many servers need, if need be and if it may.
fn allow_files(clients: usize, servers: usize) -> Result<(), Error> {
    let limit = getrlimit(Resource::Nofile);
    let needed = (clients * servers) as u64 + FILES;
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum });
    raised.map_err(|_| {
        let most = limit.maximum.unwrap_or_default();
        let todo = "fewer --clients, or a higher limit (ulimit -n)";
        Error::new(
            ErrorKind::Unfit,
            format!("{clients} clients need {needed} open files, and {most} are allowed: {todo}"),
        )
    })
}
