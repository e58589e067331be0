//! A socket that gives up at a deadline, however much or little the other side sends.
//!
//! The system's own timeouts count from each byte, so a server that sends one now and then would
//! never be given up. TLS reads many times for one record: so the deadline is under it, not above.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What each byte adds to the deadline: large values may take longer, at a mebibyte a second or more.
const BYTE: Duration = Duration::from_nanos(1_000_000_000 >> 20);

/// A socket and its deadline.
pub struct Wire {
    socket: Socket,
    /// `None` where it is beyond what a clock can show.
    deadline: Option<Instant>,
}

/// What the system calls it.
pub enum Socket {
    /// To a host and a port.
    Tcp(TcpStream),
    /// To a path.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Wire {
    /// A socket whose deadline is so far from `start`.
    pub fn new(socket: Socket, start: Instant, timeout: Duration) -> Wire {
        Wire { socket, deadline: start.checked_add(timeout) }
    }

    /// Gives what comes next a whole timeout.
    pub fn arm(&mut self, timeout: Duration) {
        self.deadline = Instant::now().checked_add(timeout);
    }

    /// Whether the other side has closed it, as far as the system knows yet.
    pub fn is_over(&self) -> bool {
        self.socket.is_over()
    }

    /// The socket, which has no deadline any more.
    pub fn into_socket(self) -> Socket {
        self.socket
    }

    /// What is left, for the system; none is an error.
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }

    fn passed(&mut self, count: usize) -> usize {
        let more = BYTE.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        self.deadline = self.deadline.and_then(|deadline| deadline.checked_add(more));
        count
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.left()?;
            match &self.socket {
                Socket::Tcp(socket) => socket.set_read_timeout(left),
                #[cfg(unix)]
                Socket::Unix(socket) => socket.set_read_timeout(left),
            }?;
            match self.socket.read(buffer) {
                // A signal ends a wait that has a timeout, whoever listens to it: the server has its time still.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read.map(|count| self.passed(count)),
            }
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.left()?;
        match &self.socket {
            Socket::Tcp(socket) => socket.set_write_timeout(left),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.set_write_timeout(left),
        }?;
        let count = self.socket.write(bytes)?;
        Ok(self.passed(count))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Socket {
    #[cfg(target_os = "linux")]
    fn is_over(&self) -> bool {
        let mut socket = [PollFd::new(self, PollFlags::RDHUP)];
        poll(&mut socket, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0)
    }

    /// Only Linux tells this from data that comes.
    #[cfg(not(target_os = "linux"))]
    fn is_over(&self) -> bool {
        false
    }

    /// From now on nothing waits: what cannot be done at once is [`io::ErrorKind::WouldBlock`].
    pub fn unblock(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.set_nonblocking(true),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.set_nonblocking(true),
        }
    }
}

#[cfg(unix)]
impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(buffer),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write(bytes),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.write(bytes),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write_vectored(parts),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.write_vectored(parts),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Tcp(socket) => socket.flush(),
            #[cfg(unix)]
            Socket::Unix(socket) => socket.flush(),
        }
    }
}
