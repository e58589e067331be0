//! A connection that never waits, for who waits for many at once. It has no deadline: who waits has.

use std::io::{self, IoSlice, Read, Write};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;

use super::wire::Socket;

/// A connection whose reads and writes are [`io::ErrorKind::WouldBlock`] where they would wait.
pub struct Line {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
}

impl Line {
    /// A connection through `socket`; `tls` has agreed on its keys already.
    pub(super) fn new(socket: Socket, tls: Option<ClientConnection>) -> io::Result<Line> {
        socket.unblock()?;
        Ok(Line { socket, tls: tls.map(Box::new) })
    }

    /// Whether what was read from the socket may be more than what was read from here.
    #[must_use]
    pub fn reads_ahead(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether there is something written that waits for [`Write::flush`]: TLS takes more than the
    /// socket does.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }
}

#[cfg(unix)]
impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.tls {
            None => self.socket.write(bytes),
            Some(_) => self.write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write_vectored(parts) };
        let taken = tls.writer().write_vectored(parts)?;
        self.flush()?;
        if taken == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(taken) }
    }

    /// Sends on what the socket takes; the rest is still held back.
    fn flush(&mut self) -> io::Result<()> {
        while let Some(tls) = self.tls.as_mut().filter(|tls| tls.wants_write()) {
            match tls.write_tls(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                sent => sent.map(drop)?,
            }
        }
        Ok(())
    }
}
