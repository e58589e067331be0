//! Waits until one of many connections can be read or written, to the microsecond.
//!
//! ```text
//! epoll      Linux: what is ready costs, not what is waited for
//! poll       any other Unix
//! ```

#[cfg(target_os = "linux")]
mod epoll;
// Linux has it for the tests, which run both.
#[cfg(any(test, not(target_os = "linux")))]
mod poll;

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Result;

#[cfg(target_os = "linux")]
pub use self::epoll::Epoll as Native;
#[cfg(test)]
pub use self::poll::Poll;
#[cfg(not(target_os = "linux"))]
pub use self::poll::Poll as Native;

/// Connections, each with a number: its place among all of them.
pub trait Poller: Sized {
    /// For this thread.
    ///
    /// # Errors
    /// The system's.
    fn new() -> Result<Self>;

    /// Waits from now on for what there is to read from one more connection, the next one.
    ///
    /// # Errors
    /// The system's.
    fn add(&mut self, which: usize, connection: impl AsFd) -> Result<()>;

    /// Waits from now on for room to write too, or no more.
    ///
    /// # Errors
    /// The system's.
    fn await_room(&mut self, which: usize, connection: impl AsFd, await_room: bool) -> Result<()>;

    /// Waits for so long at most, to the microsecond, for any of `connections`, which are all that were added; how many
    /// are ready, which [`Poller::ready`] tells.
    ///
    /// # Errors
    /// The system's.
    fn wait(&mut self, connections: &[impl AsFd], timeout: Duration) -> Result<usize>;

    /// One of those that the last wait has found.
    fn ready(&self, at: usize) -> Ready;
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    fn check<P: Poller>() {
        let mut poller = P::new().unwrap();
        let ((mut here, there), (_quiet, silent)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let all = [silent, there];
        for (which, one) in all.iter().enumerate() {
            poller.add(which, one).unwrap();
        }
        // The shortest of many: any of them may be late on a busy machine.
        let waits = (0..200).map(|_| {
            let start = Instant::now();
            assert_eq!(poller.wait(&all, Duration::from_micros(100)), Ok(0));
            start.elapsed()
        });
        let shortest = waits.min().unwrap();
        assert!((Duration::from_micros(100)..Duration::from_micros(900)).contains(&shortest), "{shortest:?}");
        here.write_all(b"x").unwrap();
        for timeout in [Duration::from_micros(100), Duration::from_secs(9), Duration::ZERO] {
            assert_eq!(poller.wait(&all, timeout), Ok(1));
            assert_eq!(poller.ready(0), Ready { which: 1, readable: true, writable: false });
        }
        poller.await_room(1, &all[1], true).unwrap();
        assert_eq!(poller.wait(&all, Duration::ZERO), Ok(1));
        assert_eq!(poller.ready(0), Ready { which: 1, readable: true, writable: true });
        poller.await_room(1, &all[1], false).unwrap();
        poller.await_room(0, &all[0], true).unwrap();
        assert_eq!(poller.wait(&all, Duration::from_secs(9)), Ok(2));
        let mut ready = [poller.ready(0), poller.ready(1)];
        ready.sort_by_key(|ready| ready.which);
        assert_eq!(ready.map(|ready| (ready.readable, ready.writable)), [(false, true), (true, false)]);
        drop(here);
        poller.await_room(0, &all[0], false).unwrap();
        assert_eq!(poller.wait(&all, Duration::from_secs(9)), Ok(1));
        assert!(poller.ready(0).readable);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn epoll_tells_what_is_ready_and_does_not_round_to_milliseconds() {
        check::<epoll::Epoll>();
    }

    #[test]
    fn poll_tells_what_is_ready_and_does_not_round_to_milliseconds() {
        check::<Poll>();
    }
}
