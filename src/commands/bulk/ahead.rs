//! A walk that is ahead of the work on it: one connection lists, others work on what was listed, and what they
//! make is taken in order. While one waits for the server another computes.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::super::{Global, target};
use super::fetch::{Entries, Fetch};
use super::tempo::Tempo;
use crate::backend::Connect;
use crate::cache::{Cache, Met};
use crate::entry::StoredKey;
use crate::pattern::Pattern;

/// Connections that work on batches. More would keep a server from its other clients: it answers them in turn.
const WORKERS: usize = 2;

/// Batches that may wait for a worker.
const BATCHES: usize = 2;

/// Pieces of what a worker made that may wait to be taken: about a batch, while it is the other one's turn.
const PIECES: usize = 16;

/// What is walked over.
pub struct Source<'a> {
    pub connect: &'a Connect,
    pub global: &'a Global,
    pub names: Names<'a>,
}

/// Which names a walk gives.
#[derive(Clone, Copy)]
pub enum Names<'a> {
    /// Those that match, of a type or of any, as [`Cache::walk`] takes it.
    Matching(&'a Pattern, Option<&'a str>),
    /// These.
    These(&'a [StoredKey]),
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// There are no more names.
    Whole,
    /// Whoever takes what was made wanted no more.
    Enough,
    /// Somebody has interrupted it.
    Interrupted,
}

/// Takes a piece of what was made; whether more is wanted.
pub type Give<'a, T> = &'a mut dyn FnMut(T) -> bool;

/// What a worker hands on.
enum Step<T> {
    Piece(T),
    /// The next batch is the next worker's.
    Done,
}

/// What the threads of a walk share.
struct Shared<'a> {
    tempo: Mutex<&'a mut Tempo>,
    /// Nobody wants more.
    stop: AtomicBool,
    interrupted: AtomicBool,
}

impl Shared<'_> {
    fn tempo<T>(&self, ask: impl FnOnce(&mut Tempo) -> T) -> T {
        ask(&mut self.tempo.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Source<'_> {
    /// Walks at a tempo. Workers make pieces of each batch by `make`, which says how long the server took; `take` gets
    /// them here in the order of the batches, until it breaks. When the walk ends early, what was made is taken still:
    /// it may have changed something.
    ///
    /// # Errors
    /// The first of all.
    pub fn batches<T: Send>(
        &self,
        tempo: &mut Tempo,
        make: impl Fn(&mut Cache, Vec<Met>, Give<'_, T>) -> Result<Duration> + Sync,
        take: impl FnMut(T) -> Result<ControlFlow<()>>,
    ) -> Result<Ended> {
        let (stop, interrupted) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Shared { tempo: Mutex::new(tempo), stop, interrupted };
        thread::scope(|scope| {
            let (shared, make) = (&shared, &make);
            let (mut workers, mut made) = (Vec::new(), Vec::new());
            for _ in 0..WORKERS {
                let (to_worker, batches) = sync_channel(BATCHES);
                let (pieces, from_worker) = sync_channel(PIECES);
                workers.push(to_worker);
                made.push(from_worker);
                scope.spawn(move || {
                    if let Err(error) = self.work(shared, &batches, make, &pieces) {
                        let _ = pieces.send(Err(error));
                    }
                });
            }
            scope.spawn(move || {
                let mut turn = (0..workers.len()).cycle();
                let mut next = || &workers[turn.next().expect("it goes on for ever")];
                if let Err(error) = self.walk(shared, |batch| next().send(Ok(batch)).is_ok()) {
                    let _ = next().send(Err(error));
                }
            });
            let taken = gather(made, take);
            shared.stop.store(true, Ordering::Relaxed);
            match taken {
                Ok(ControlFlow::Break(())) => Ok(Ended::Enough),
                Ok(_) if shared.interrupted.load(Ordering::Relaxed) => Ok(Ended::Interrupted),
                Ok(_) => Ok(Ended::Whole),
                Err(error) => Err(error),
            }
        })
    }

    /// The same over what is stored: `make` gets entries, and when they were read. Where there are processors enough it
    /// works beside the others; where there are not, here.
    ///
    /// # Errors
    /// The first of all.
    pub fn entries<T: Send>(
        &self,
        tempo: &mut Tempo,
        make: impl Fn(Entries, i64, Give<'_, T>) -> Result<()> + Sync,
        mut take: impl FnMut(T) -> Result<ControlFlow<()>>,
    ) -> Result<Ended> {
        let fetch = Fetch::default();
        if processors() > WORKERS {
            return self.batches(
                tempo,
                |cache, batch, give| {
                    fetch.batch(cache, batch, |entries, at| {
                        let mut wanted = true;
                        make(entries, at, &mut |piece| {
                            wanted = give(piece);
                            wanted
                        })?;
                        Ok(wanted)
                    })
                },
                take,
            );
        }
        let found = |cache: &mut Cache, batch: Vec<Met>, give: Give<'_, (Entries, i64)>| {
            fetch.batch(cache, batch, |entries, at| Ok(give((entries, at))))
        };
        self.batches(tempo, found, |(entries, at)| {
            let mut taken = Ok(ControlFlow::Continue(()));
            make(entries, at, &mut |piece| {
                taken = take(piece);
                matches!(taken, Ok(ControlFlow::Continue(())))
            })?;
            taken
        })
    }

    /// Gives names in batches, until nobody wants more.
    fn walk(&self, shared: &Shared<'_>, mut give: impl FnMut(Vec<Met>) -> bool) -> Result<()> {
        let mut batches = |names: &mut dyn ExactSizeIterator<Item = Met>| {
            while names.len() > 0 {
                // Of the same size, so that no worker waits for the other.
                let count = names.len().div_ceil(shared.tempo(|tempo| tempo.batch()));
                let batch = names.take(names.len().div_ceil(count)).collect();
                if shared.stop.load(Ordering::Relaxed) || !give(batch) {
                    return false;
                }
            }
            true
        };
        match self.names {
            Names::These(keys) => {
                batches(&mut keys.iter().map(|key| Met { key: None, stored_key: key.clone() }));
            }
            Names::Matching(pattern, kind) => {
                let mut cache = target::open_by(self.connect, self.global)?;
                let mut walk = cache.walk(pattern.clone(), kind);
                while let Some(page) = walk.next(&mut cache)? {
                    // There may be many pages without a name that is looked for.
                    if shared.tempo(|tempo| tempo.is_interrupted()) {
                        shared.interrupt();
                    }
                    if shared.stop.load(Ordering::Relaxed) || !batches(&mut page.into_iter()) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Works on batches until there are no more, or somebody has had enough.
    fn work<T>(
        &self,
        shared: &Shared<'_>,
        batches: &Receiver<Result<Vec<Met>>>,
        make: &impl Fn(&mut Cache, Vec<Met>, Give<'_, T>) -> Result<Duration>,
        pieces: &SyncSender<Result<Step<T>>>,
    ) -> Result<()> {
        let mut cache = target::open_by(self.connect, self.global)?;
        for batch in batches {
            let batch = batch?;
            let (count, wanted) = (batch.len(), || !shared.stop.load(Ordering::Relaxed));
            if !wanted() {
                break;
            }
            let took = make(&mut cache, batch, &mut |piece| pieces.send(Ok(Step::Piece(piece))).is_ok() && wanted())?;
            // All wait while one does: a rate is that of all of them.
            if !shared.tempo(|tempo| tempo.passed(count, took)) {
                shared.interrupt();
            }
            if pieces.send(Ok(Step::Done)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Processors that this process may use.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Takes what workers made, batch by batch in turn. One that has failed is passed over: what the others made counts.
fn gather<T>(
    mut made: Vec<Receiver<Result<Step<T>>>>,
    mut take: impl FnMut(T) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let (mut turn, mut failed) = (0, None::<anyhow::Error>);
    while !made.is_empty() {
        turn %= made.len();
        match made[turn].recv() {
            Ok(Ok(Step::Piece(piece))) => {
                if take(piece)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(Ok(Step::Done)) => turn += 1,
            Ok(Err(error)) => {
                failed = Some(match failed.take() {
                    None => error,
                    Some(first) => first.context(format!("{error:#}; and beside it")),
                });
            }
            Err(_) => drop(made.remove(turn)),
        }
    }
    failed.map_or(Ok(ControlFlow::Continue(())), Err)
}
