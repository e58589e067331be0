//! How fast bulk work goes, and until when: a rate that was asked for, pauses when the server slows
//! down, and an end when somebody wants one.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::backend::survey::Pace;
use crate::interrupt::Interrupt;

/// Entries that are worked on at once under a rate come so often a second, so that it is one.
const BATCHES_A_SECOND: u64 = 10;

/// The most that are worked on at once.
const BATCH_MOST: usize = 1000;

/// A batch that is answered within this is no sign that the server is slow: one takes 1 to 4 ms, and several times
/// that where this process has a single processor, and works on another meanwhile.
const QUICK: Duration = Duration::from_millis(25);

/// What bulk work may be held to.
#[derive(Debug, clap::Args)]
pub struct Bounds {
    /// Refuse when more keys match, before anything is done
    #[arg(long, value_name = "N")]
    pub max_keys: Option<u64>,
    /// At most so many keys a second; else as many as leave the server quick
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU64>,
}

/// Work under way.
pub struct Tempo {
    rate: Option<NonZeroU64>,
    pace: Pace,
    started: Instant,
    done: u64,
    interrupt: Interrupt,
}

impl Tempo {
    /// Work begins. From now on an interrupt ends it after the batch that is under way.
    ///
    /// # Errors
    /// When the system does not let listen for signals.
    pub fn start(rate: Option<NonZeroU64>) -> Result<Tempo> {
        let interrupt = Interrupt::listen().context("cannot listen for signals")?;
        // A server reads 16 KiB of a client's commands before it turns to the others, however many come: a page of
        // names is what keeps it longest.
        let pace = Pace::new(None, 0, Duration::ZERO).unless_within(QUICK);
        Ok(Tempo { rate, pace, started: Instant::now(), done: 0, interrupt })
    }

    /// Whether somebody wants it to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// How many entries to take at once.
    #[must_use]
    pub fn batch(&self) -> usize {
        match self.rate {
            None => self.pace.count(),
            Some(rate) => usize::try_from(rate.get() / BATCHES_A_SECOND).unwrap_or(usize::MAX).clamp(1, BATCH_MOST),
        }
    }

    /// So many entries were done in so long. Waits as the rate and the server want it; whether to go on.
    #[must_use]
    pub fn passed(&mut self, count: usize, took: Duration) -> bool {
        self.done += count as u64;
        let mut pause = self.pace.passed(count, took);
        if let Some(rate) = self.rate {
            let due = Duration::from_nanos((u128::from(self.done) * 1_000_000_000 / u128::from(rate.get())) as u64);
            pause = pause.max(due.saturating_sub(self.started.elapsed()));
        }
        if pause.is_zero() { !self.is_interrupted() } else { !self.interrupt.wait(pause) }
    }
}
