//! Any Unix: `poll`, which is told all connections each time, and knows whole milliseconds only.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, Result};

use super::{Poller, Ready};

/// What each connection waits for, and which of them are ready.
pub struct Poll {
    flags: Vec<PollFlags>,
    ready: Vec<Ready>,
}

impl Poller for Poll {
    fn new() -> Result<Poll> {
        Ok(Poll { flags: Vec::new(), ready: Vec::new() })
    }

    fn add(&mut self, _: usize, _: impl AsFd) -> Result<()> {
        self.flags.push(PollFlags::IN);
        Ok(())
    }

    fn await_room(&mut self, which: usize, _: impl AsFd, await_room: bool) -> Result<()> {
        self.flags[which] = if await_room { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        Ok(())
    }

    /// What is left of a wait when its milliseconds are over it spends looking: that takes a processor, and is
    /// on time.
    fn wait(&mut self, connections: &[impl AsFd], timeout: Duration) -> Result<usize> {
        let started = Instant::now();
        let asked = connections.iter().zip(&self.flags);
        let mut asked: Vec<PollFd<'_>> = asked.map(|(connection, flags)| PollFd::new(connection, *flags)).collect();
        self.ready.clear();
        loop {
            let left = timeout.saturating_sub(started.elapsed());
            let whole = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
            let whole = Timespec::try_from(whole).map_err(|_| Errno::INVAL)?;
            match poll(&mut asked, Some(&whole)) {
                Ok(0) if started.elapsed() < timeout => {}
                Ok(0) | Err(Errno::INTR) => return Ok(0),
                Ok(_) => break,
                Err(error) => return Err(error),
            }
        }
        for (which, one) in asked.iter().enumerate() {
            let found = one.revents();
            let readable = found.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
            let writable = found.intersects(PollFlags::OUT);
            if readable || writable {
                self.ready.push(Ready { which, readable, writable });
            }
        }
        Ok(self.ready.len())
    }

    fn ready(&self, at: usize) -> Ready {
        self.ready[at]
    }
}
