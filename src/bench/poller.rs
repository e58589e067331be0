//! Waits until one of many connections can be read or written, to the microsecond: level-triggered epoll.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, Result};
use rustix::thread::set_current_timer_slack;

/// Events that are taken at once.
const EVENTS_MOST: usize = 256;

/// Connections, each with a number.
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
}

/// Which connection can do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Its number.
    pub which: usize,
    /// There is something to read, be it an end or an error.
    pub readable: bool,
    /// There is room for what is to be written.
    pub writable: bool,
}

impl Poller {
    /// For this thread, whose waits end as exactly as the system can from now on: usually they may be
    /// 50 µs late, which is as much as a reply takes.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> Result<Poller> {
        // Where the system refuses, sends are late, and measured to be.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        Ok(Poller { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS_MOST) })
    }

    /// Waits for what there is to read from a connection.
    ///
    /// # Errors
    /// The system's.
    pub fn add(&self, which: usize, line: impl AsFd) -> Result<()> {
        epoll::add(&self.epoll, line, EventData::new_u64(which as u64), EventFlags::IN)
    }

    /// Waits from now on for room to write too, or no more.
    ///
    /// # Errors
    /// The system's.
    pub fn await_room(&self, which: usize, line: impl AsFd, await_room: bool) -> Result<()> {
        let flags = if await_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(&self.epoll, line, EventData::new_u64(which as u64), flags)
    }

    /// Waits for so long at most; how many are ready, which [`Poller::ready`] tells.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self, timeout: Duration) -> Result<usize> {
        self.events.clear();
        let mut waited = self.wait_exactly(timeout);
        if waited == Err(Errno::NOSYS) {
            // Before Linux 5.11 there are only whole milliseconds.
            let ms = u64::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
            waited = self.wait_exactly(Duration::from_millis(ms));
        }
        match waited {
            Err(Errno::INTR) => Ok(0),
            waited => waited,
        }
    }

    fn wait_exactly(&mut self, timeout: Duration) -> Result<usize> {
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout))
    }

    /// One of those that the last wait has found.
    #[must_use]
    pub fn ready(&self, at: usize) -> Ready {
        let event = self.events[at];
        let flags = event.flags;
        Ready {
            which: usize::try_from(event.data.u64()).expect("it was a usize"),
            readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
            writable: flags.intersects(EventFlags::OUT),
        }
    }
}
