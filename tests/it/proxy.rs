//! A network that fails: it stands between the program and a server, and lets so many bytes of replies through.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// What becomes of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes any more.
    Stall,
    /// They end in the middle of a reply.
    Truncate,
    /// They are reset.
    Reset,
    /// What comes is no reply.
    Garbage,
    /// One reply comes late, within the timeout.
    Late,
}

pub const FAULTS: [Fault; 5] = [Fault::Stall, Fault::Truncate, Fault::Reset, Fault::Garbage, Fault::Late];

/// How late.
const LATE: Duration = Duration::from_millis(300);

/// The network. It ends when the last connection does.
pub struct Proxy {
    /// Its loopback port.
    pub port: u16,
    ended: Arc<AtomicBool>,
}

/// What all connections share.
struct Line {
    fault: Fault,
    /// Bytes of replies that still pass.
    left: AtomicUsize,
    failed: AtomicBool,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    /// Before the server at `port`, until `after` bytes of replies have passed.
    pub fn start(port: u16, fault: Fault, after: usize) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let proxy = Proxy { port: listener.local_addr().unwrap().port(), ended: Arc::clone(&ended) };
        let line = Arc::new(Line { fault, left: AtomicUsize::new(after), failed: AtomicBool::new(false), ended });
        thread::spawn(move || {
            for client in listener.incoming() {
                if line.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (client, line) = (client.unwrap(), Arc::clone(&line));
                if line.is_cut() && line.fault != Fault::Stall {
                    continue;
                }
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                thread::spawn(move || line.replies(server, client));
            }
        });
        proxy
    }

    /// The URL of the server behind it.
    pub fn url(&self) -> String {
        format!("redis://localhost:{}/0", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes who waits for a connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Line {
    fn is_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0 && self.fault != Fault::Late
    }

    fn replies(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = server.read(&mut part) {
            let take = |left: usize| Some(left - left.min(count));
            let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).unwrap_or(0);
            if client.write_all(&part[..count.min(left)]).is_err() {
                return;
            }
            if left >= count {
                continue;
            }
            match self.fault {
                Fault::Late => {
                    if !self.failed.swap(true, Ordering::SeqCst) {
                        thread::sleep(LATE);
                    }
                    if client.write_all(&part[left..count]).is_err() {
                        return;
                    }
                    continue;
                }
                Fault::Stall => {
                    // Whoever waits gives up; the connection is there until then.
                    while server.read(&mut part).is_ok_and(|count| count > 0) {}
                }
                Fault::Truncate => {}
                Fault::Reset => drop(set_socket_linger(&client, Some(Duration::ZERO))),
                Fault::Garbage => drop(client.write_all(b"\x00\xff what? \r\n:::\r\n*-7\r\n")),
            }
            return;
        }
    }
}
