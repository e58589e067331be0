//! Linux: level-triggered epoll.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::{Errno, Result};
use rustix::thread::set_current_timer_slack;

use super::{Poller, Ready};

/// Events that are taken at once.
const EVENTS_MOST: usize = 256;

/// The kernel's list of connections, and what happened to some of them.
pub struct Epoll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poller for Epoll {
    /// For this thread, whose waits end as exactly as the system can from now on: usually they may be
    /// 50 µs late, which is as much as a reply takes.
    fn new() -> Result<Epoll> {
        // Where the system refuses, sends are late, and measured to be.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        Ok(Epoll { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS_MOST) })
    }

    fn add(&mut self, which: usize, connection: impl AsFd) -> Result<()> {
        epoll::add(&self.epoll, connection, EventData::new_u64(which as u64), EventFlags::IN)
    }

    fn await_room(&mut self, which: usize, connection: impl AsFd, await_room: bool) -> Result<()> {
        let flags = if await_room { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(&self.epoll, connection, EventData::new_u64(which as u64), flags)
    }

    fn wait(&mut self, _: &[impl AsFd], timeout: Duration) -> Result<usize> {
        self.events.clear();
        let waited = match timeout.subsec_nanos() % 1_000_000 {
            0 => self.wait_for(timeout),
            // epoll_wait knows whole milliseconds only, and waits longer rather than not long enough.
            _ => match self.sleep(timeout) {
                Ok(0) => Ok(0),
                Ok(_) => self.wait_for(Duration::ZERO),
                Err(error) => Err(error),
            },
        };
        match waited {
            Err(Errno::INTR) => Ok(0),
            waited => waited,
        }
    }

    fn ready(&self, at: usize) -> Ready {
        let event = self.events[at];
        let flags = event.flags;
        Ready {
            which: usize::try_from(event.data.u64()).expect("it was a usize"),
            readable: flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR),
            writable: flags.intersects(EventFlags::OUT),
        }
    }
}

impl Epoll {
    fn wait_for(&mut self, timeout: Duration) -> Result<usize> {
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout))
    }

    /// Waits until anything is ready; 0 when the time is up.
    fn sleep(&self, timeout: Duration) -> Result<usize> {
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&timeout))
    }
}
