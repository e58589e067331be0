//! One thread that asks one backend for one thing at a time, for stores that are no servers.

use std::thread;
use std::time::Duration;

use super::coding::{Coding, Samples};
use super::histogram::{Recorder, Times};
use super::names::Names;
use super::run::{Part, Signal};
use super::schedule::{Schedule, nanos};
use super::wire::Reply;
use super::workload::{Job, Operation, Values, Workload};
use crate::backend::{Backend, Error, ErrorKind};
use crate::entry::{Condition, Expiry, Stored, StoredKey, Write};

/// How long a wait is at most: as late as a signal is noticed.
const WAIT_MOST: Duration = Duration::from_millis(50);

/// What one thread is to do.
pub struct Worker<'a> {
    /// What it asks for.
    pub workload: Workload,
    /// How entries are called.
    pub names: &'a Names,
    /// What is written.
    pub values: &'a Values,
    /// How long entries stay.
    pub expiry: Expiry,
    /// For how long a client computes what it has not found, before it writes it, where it does so.
    pub cache_aside: Option<Duration>,
    /// When.
    pub schedule: Schedule,
    /// How values are encoded and decoded, where that is measured too, and what tells which.
    pub coding: Option<(&'a Coding, u64)>,
    /// What it is told, and tells, meanwhile.
    pub signal: &'a Signal,
}

impl Worker<'_> {
    /// Goes on until the schedule is over or the signal says so.
    #[must_use]
    pub fn run(mut self, backend: &mut dyn Backend) -> Part {
        let mut recorder = Recorder::new(self.schedule.from, self.schedule.is_open());
        let trouble = self.work(backend, &mut recorder).err();
        let now = self.signal.now();
        Part {
            elapsed: Duration::from_nanos(now.saturating_sub(self.schedule.from)),
            sent: self.schedule.sent,
            unsent: self.schedule.overdue(now),
            unanswered: u64::from(trouble.is_some()),
            tally: recorder.finish(),
            lost: None,
            trouble,
        }
    }

    fn work(&mut self, backend: &mut dyn Backend, recorder: &mut Recorder) -> Result<(), String> {
        let mut samples = self.coding.map(|(coding, seed)| Samples::new(coding, seed));
        let mut free_since = 0;
        loop {
            let now = self.signal.now();
            self.signal.tell(now, recorder);
            let Some(due) = self.schedule.due(now).filter(|_| !self.signal.is_stopped()) else { return Ok(()) };
            if due > now {
                thread::sleep(Duration::from_nanos(due - now).min(WAIT_MOST));
                continue;
            }
            self.schedule.take(due);
            if due >= free_since {
                recorder.late(due, now - due);
            }
            let job = self.workload.draw();
            let reply = self.does(&job, due, backend, recorder, samples.as_mut())?;
            if let (Some(time), Operation::Get, Reply::Missing) = (self.cache_aside, job.operation, reply) {
                let until = self.signal.now().saturating_add(nanos(time));
                if self.computes(until) {
                    let job = self.workload.write_back(job.key);
                    let intended = if self.schedule.is_open() { until } else { self.signal.now() };
                    self.does(&job, intended, backend, recorder, samples.as_mut())?;
                }
            }
            free_since = self.signal.now();
        }
    }

    /// Waits until then; not when the run shall end before.
    fn computes(&self, until: u64) -> bool {
        loop {
            let now = self.signal.now();
            if self.signal.is_stopped() || self.schedule.is_over(now) {
                return false;
            }
            if now >= until {
                return true;
            }
            thread::sleep(Duration::from_nanos(until - now).min(WAIT_MOST));
        }
    }

    /// Does a job and counts it.
    fn does(
        &self,
        job: &Job,
        intended: u64,
        backend: &mut dyn Backend,
        recorder: &mut Recorder,
        samples: Option<&mut Samples<'_>>,
    ) -> Result<Reply<'static>, String> {
        let sent = self.signal.now();
        let answered = self.ask(job, backend);
        let done = self.signal.now();
        let (reply, value) = match answered {
            Ok(answer) => answer,
            Err(Error { kind: ErrorKind::Unreachable, message, .. }) => return Err(message),
            Err(error) => (Reply::Refused(kind(error.kind)), None),
        };
        recorder.reply(job, Times { intended, sent, done }, reply);
        if let Some(samples) = samples.filter(|_| recorder.counts(intended)) {
            let (reads, waiting) = samples.parts();
            waiting.replied(job, reply, value.filter(|_| reads.draw()));
            samples.measure(recorder);
        }
        Ok(reply)
    }

    /// The answer, and the value where one was read.
    fn ask(&self, job: &Job, backend: &mut dyn Backend) -> Result<(Reply<'static>, Option<Vec<u8>>), Error> {
        let key = self.names.of(job.family(), job.key, job.generation);
        match job.operation {
            Operation::Get => {
                let Some(entry) = backend.get_many(&[key])?.pop().flatten() else { return Ok((Reply::Missing, None)) };
                let value = match entry.stored {
                    Stored::Bytes(bytes) | Stored::Flagged(_, bytes) => bytes,
                    other => other.as_bytes().unwrap_or_default().to_vec(),
                };
                return Ok((Reply::Found(value.len() as u64), Some(value)));
            }
            Operation::Set => {
                // A store whose tags have no values keeps them with the entries.
                let tag = self.names.tag(job.key);
                let write = write(key, self.values.of(job), self.values.flags(), self.expiry);
                backend.set_many(&[Write { tag, ..write }])?;
            }
            Operation::Del => {
                backend.delete_many(&[key])?;
            }
            Operation::Incr => {
                backend.increment(&key, 1, self.expiry)?;
            }
            Operation::Invalidate => {
                backend.evict(&self.names.tag(job.key).unwrap_or_default())?;
            }
        }
        Ok((Reply::Done, None))
    }
}

/// The write of an entry of a run. A field of a hash has no ttl of its own.
pub fn write(key: StoredKey, value: &[u8], flags: u32, expiry: Expiry) -> Write {
    let data = if flags == 0 { Stored::Bytes(value.to_vec()) } else { Stored::Flagged(flags, value.to_vec()) };
    let expiry = if key.field.is_none() { expiry } else { Expiry::Never };
    Write { key, data, expiry, condition: Condition::Always, tag: None }
}

/// What errors of a backend are counted as.
fn kind(kind: ErrorKind) -> &'static [u8] {
    match kind {
        ErrorKind::Denied => b"denied",
        ErrorKind::Unreachable => b"unreachable",
        ErrorKind::Failed => b"failed",
        ErrorKind::Limit => b"limit",
        ErrorKind::Unsupported => b"unsupported",
        ErrorKind::Unfit => b"unfit",
        ErrorKind::Partial => b"partial",
    }
}
