//! Waits until one of many connections can be read or written, to the microsecond: level-triggered epoll.

use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
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

    /// Waits for so long at most, to the microsecond; how many are ready, which [`Poller::ready`] tells.
    ///
    /// # Errors
    /// The system's.
    pub fn wait(&mut self, timeout: Duration) -> Result<usize> {
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

    fn wait_for(&mut self, timeout: Duration) -> Result<usize> {
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout))
    }

    /// Waits until anything is ready; 0 when the time is up.
    fn sleep(&self, timeout: Duration) -> Result<usize> {
        let timeout = Timespec::try_from(timeout).map_err(|_| Errno::INVAL)?;
        poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&timeout))
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wait_is_not_rounded_to_milliseconds() {
        let mut poller = Poller::new().unwrap();
        let (mut here, there) = UnixStream::pair().unwrap();
        poller.add(7, &there).unwrap();
        // The shortest of many: any of them may be late on a busy machine.
        let waits = (0..200).map(|_| {
            let start = Instant::now();
            assert_eq!(poller.wait(Duration::from_micros(100)), Ok(0));
            start.elapsed()
        });
        let shortest = waits.min().unwrap();
        assert!((Duration::from_micros(100)..Duration::from_micros(900)).contains(&shortest), "{shortest:?}");
        here.write_all(b"x").unwrap();
        for timeout in [Duration::from_micros(100), Duration::from_secs(9), Duration::ZERO] {
            assert_eq!(poller.wait(timeout), Ok(1));
            assert_eq!(poller.ready(0), Ready { which: 7, readable: true, writable: false });
        }
        poller.await_room(7, &there, true).unwrap();
        assert_eq!(poller.wait(Duration::ZERO), Ok(1));
        assert!(poller.ready(0).writable);
    }
}
