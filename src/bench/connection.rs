//! A connection to a server, and the requests that are in flight on it.
//!
//! A request that waits for room in its socket is kept as what it asks, not as bytes: it is encoded again
//! when there is room. So memory grows with the requests in flight, and not with their values.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};

use super::wire::{ASKING, Malformed, Protocol, Reply, Request, Requests, Scanner};
use super::workload::Job;
use crate::backend::net::Line;

/// Bytes written at once, more or less.
pub const WRITE_MOST: usize = 64 << 10;

/// A request that has no reply yet.
#[derive(Clone, Copy)]
pub struct Flight {
    /// What it asks.
    pub job: Job,
    /// When it should have been sent.
    pub intended: u64,
    /// When it was, for the first time.
    pub sent: u64,
    /// How often it was sent elsewhere.
    pub hops: u8,
    /// Whether this is not the request, but what stands before it: that the node was named by another one.
    pub is_asking: bool,
}

/// What came and was no reply to any of them.
pub enum Odd {
    /// It is not the protocol.
    Malformed,
    /// Nobody had asked; the first word of the refusal, where it was one.
    Unasked(Option<String>),
}

/// A connection of a client.
pub struct Connection {
    /// Whose it is.
    pub client: usize,
    /// Where it leads.
    pub node: usize,
    /// Whether it waits for room to write.
    pub awaits_room: bool,
    line: Line,
    scanner: Scanner,
    flights: VecDeque<Flight>,
    /// How many of the last flights are not all sent.
    unsent: usize,
    /// Bytes of the first of those that are.
    skip: usize,
}

impl Connection {
    /// One on which nothing was asked yet.
    #[must_use]
    pub fn new(line: Line, client: usize, node: usize, requests: &Requests) -> Connection {
        Connection {
            client,
            node,
            awaits_room: false,
            line,
            scanner: Scanner::new(requests.asks_tags()),
            flights: VecDeque::new(),
            unsent: 0,
            skip: 0,
        }
    }

    /// Adds a request, to be [sent](Connection::flush).
    pub fn push(&mut self, flight: Flight) {
        self.flights.push_back(flight);
        self.unsent += 1;
    }

    /// Whether what was read from the socket may be more than what was read from here.
    #[must_use]
    pub fn reads_ahead(&self) -> bool {
        self.line.reads_ahead()
    }

    /// Reads what there is.
    ///
    /// # Errors
    /// The system's.
    pub fn read(&mut self, input: &mut [u8]) -> io::Result<usize> {
        self.line.read(input)
    }

    /// Takes what was read, and hands over each flight whose reply ends in it, with that, and with the value's bytes
    /// where `keep` said so when it began.
    ///
    /// # Errors
    /// When it is not what was asked for.
    pub fn scan(
        &mut self,
        protocol: Protocol,
        bytes: &[u8],
        keep: impl FnMut() -> bool,
        mut each: impl FnMut(Flight, Reply<'_>, Option<Vec<u8>>),
    ) -> Result<(), Odd> {
        let Connection { scanner, flights, unsent, .. } = self;
        let mut odd = Ok(());
        let scanned = scanner.scan(protocol, bytes, keep, |reply, kept| {
            let Some(flight) = (flights.len() > *unsent).then(|| flights.pop_front()).flatten() else {
                let word = reply.refusal().map(|word| String::from_utf8_lossy(word).into_owned());
                odd = Err(Odd::Unasked(word));
                return;
            };
            // What is said to the announcement is said to the request once more, if it matters.
            if !flight.is_asking {
                each(flight, reply, kept);
            }
        });
        scanned.map_err(|Malformed| Odd::Malformed).and(odd)
    }

    /// Sends what the socket takes of what is not sent yet; whether it waits for room now, where that has changed.
    ///
    /// # Errors
    /// The system's.
    pub fn flush(&mut self, requests: &Requests, output: &mut Vec<u8>) -> io::Result<Option<bool>> {
        while self.unsent > 0 {
            let (sent, all) = match self.send(requests, output) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if !all {
                self.partly(requests, sent, output);
                break;
            }
        }
        self.line.flush()?;
        let awaits_room = self.unsent > 0 || self.line.holds_back();
        let changed = mem::replace(&mut self.awaits_room, awaits_room) != awaits_room;
        Ok(changed.then_some(awaits_room))
    }

    /// Writes requests that are not sent yet: how many bytes, those sent before included, and whether
    /// that was all that was tried.
    fn send(&mut self, requests: &Requests, output: &mut Vec<u8>) -> io::Result<(usize, bool)> {
        output.clear();
        let (mut count, mut around) = (0, None);
        for flight in self.flights.range(self.flights.len() - self.unsent..) {
            count += 1;
            if let Request::Around(value, tail) = flight.encode(requests, output) {
                around = Some((value, tail));
                break;
            }
            if output.len() >= WRITE_MOST {
                break;
            }
        }
        let (total, sent) = match around {
            None => (output.len(), self.line.write(&output[self.skip..])?),
            Some((value, tail)) => {
                let parts = &mut [IoSlice::new(output), IoSlice::new(value), IoSlice::new(tail)][..];
                let mut parts = parts;
                IoSlice::advance_slices(&mut parts, self.skip);
                (output.len() + value.len() + tail.len(), self.line.write_vectored(parts)?)
            }
        };
        let sent = self.skip + sent;
        if sent == total {
            self.unsent -= count;
            self.skip = 0;
        }
        Ok((sent, sent == total))
    }

    /// Finds out which requests are among the `sent` bytes.
    fn partly(&mut self, requests: &Requests, mut sent: usize, output: &mut Vec<u8>) {
        for flight in self.flights.range(self.flights.len() - self.unsent..) {
            output.clear();
            let rest = match flight.encode(requests, output) {
                Request::Whole => 0,
                Request::Around(value, tail) => value.len() + tail.len(),
            };
            let Some(left) = sent.checked_sub(output.len() + rest) else { break };
            sent = left;
            self.unsent -= 1;
        }
        self.skip = sent;
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl Flight {
    fn encode<'a>(&self, requests: &'a Requests, out: &mut Vec<u8>) -> Request<'a> {
        if self.is_asking {
            out.extend_from_slice(ASKING);
            return Request::Whole;
        }
        requests.encode(&self.job, out)
    }
}
