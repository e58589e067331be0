//! One connection to one memcached: requests out, replies in, within the timeout.
//!
//! `mn`, which does nothing, opens each session. The answer tells a server that wants a login from one
//! that wants none: a login is sent as a `set`, and one that wants none would keep the password as an
//! entry for everybody to read. This file knows no keys.

use std::time::{Duration, Instant};
use std::{io, mem};

use super::reply::{self, Reply};
use super::url::Target;
use crate::backend::net::{self, Place, Schemes, Secured, Stream};
use crate::backend::server::LINES_MOST;
use crate::backend::{Error, ErrorKind, Options};

/// Requests sent before their replies are read.
const BATCH: usize = 1000;

/// Bytes of requests sent before their replies are read; one may be longer. memcached reads no more
/// while nobody reads what it answers, so a batch must fit into what the system holds on the way.
const BATCH_BYTES: usize = 32 << 10;

/// A connection unused for this long is tried first: while a person thought about a question, the
/// server may have closed it (`-o idle_timeout`), and a write must not be sent twice.
const IDLE: Duration = Duration::from_secs(1);

/// It does nothing. Without the spaces it would be shorter than what a server that speaks TLS waits for
/// before it finds that nobody does.
pub const OPENING: &[u8] = b"mn    \r\n";

const SCHEMES: Schemes = Schemes { protocol: "memcached's", clear: "memcached://", tls: "memcacheds://" };

/// A connection, made again when it was lost and something is asked.
pub struct Link {
    target: Target,
    options: Options,
    label: String,
    open: Option<Stream>,
    used: Instant,
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the user.
    pub fn connect(target: &Target, options: &Options) -> Result<Link, Error> {
        let label = label(target);
        let (target, options) = (target.clone(), options.clone());
        let mut link = Link { target, options, label, open: None, used: Instant::now() };
        link.open = Some(link.session()?);
        Ok(link)
    }

    /// Where it is, without secrets.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Sends `requests` and adds a reply for each to `replies`. Requests are taken a batch at a time, so
    /// that they need not all be in memory. That the server could not (`SERVER_ERROR`) is a reply.
    /// `doing` says what the request at a place is for.
    ///
    /// # Errors
    /// When the connection fails, or the server did not understand; `replies` has those that came before.
    pub fn ask(
        &mut self,
        doing: impl Fn(usize) -> String,
        requests: impl IntoIterator<Item = Vec<u8>>,
        replies: &mut Vec<Reply>,
    ) -> Result<(), Error> {
        let mut requests = requests.into_iter();
        loop {
            let (mut packed, mut count) = (Vec::new(), 0);
            while count < BATCH && packed.len() < BATCH_BYTES {
                let Some(request) = requests.next() else { break };
                packed.extend(request);
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            self.ready()?;
            // What is still to come after a failure answers questions that nobody asks any more.
            let mut stream = self.open.take().expect("opened where it was not");
            stream.send(&packed).map_err(|error| self.lost(&error))?;
            for _ in 0..count {
                let most = self.options.limits.stored;
                match reply::read(stream.reply(), most).map_err(|error| self.lost(&error))? {
                    Reply::Refused(words) if !words.starts_with("SERVER_ERROR") => {
                        return Err(self.refused(&doing(replies.len()), &words));
                    }
                    reply => replies.push(reply),
                }
            }
            self.open = Some(stream);
            self.used = Instant::now();
        }
    }

    /// [`Link::ask`], for one request that the server may not refuse.
    ///
    /// # Errors
    /// When the connection fails, or the server refuses.
    pub fn ask_one(&mut self, doing: &str, request: Vec<u8>) -> Result<Reply, Error> {
        let mut replies = Vec::with_capacity(1);
        self.ask(|_| doing.to_owned(), [request], &mut replies)?;
        match replies.pop().expect("a reply for each request") {
            Reply::Refused(words) => Err(self.refused(doing, &words)),
            reply => Ok(reply),
        }
    }

    /// Sends one request and hands its lines over up to `END`.
    ///
    /// # Errors
    /// When the connection fails, or the server refuses.
    pub fn ask_lines(&mut self, doing: &str, request: &[u8], mut take: impl FnMut(&str)) -> Result<(), Error> {
        self.ready()?;
        let mut stream = self.open.take().expect("opened where it was not");
        stream.send(request).map_err(|error| self.lost(&error))?;
        for _ in 0..LINES_MOST {
            match reply::read(stream.reply(), 0).map_err(|error| self.lost(&error))? {
                Reply::Line(line) if line == "END" => {
                    self.open = Some(stream);
                    self.used = Instant::now();
                    return Ok(());
                }
                Reply::Line(line) => take(&line),
                Reply::Refused(words) => return Err(self.refused(doing, &words)),
                _ => break,
            }
        }
        Err(self.lost(&reply::malformed()))
    }

    /// A connection beside this one, opened and logged in.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the user.
    pub fn session(&self) -> Result<Stream, Error> {
        let connected = Stream::connect(&self.target.place, &self.target.tls, &self.options);
        let mut stream = connected.map_err(|error| self.lost(&error))?;
        let opened = self.exchange(&mut stream, OPENING)?;
        let wants_login = opened == Reply::Refused("CLIENT_ERROR unauthenticated".to_owned());
        match (&self.target.login, wants_login) {
            (Some((user, password)), true) => {
                let login = format!("{user} {password}");
                let request = format!("set login 0 0 {}\r\n{login}\r\n", login.len());
                match self.exchange(&mut stream, request.as_bytes())? {
                    Reply::Line(stored) if stored == "STORED" => Ok(stream),
                    Reply::Refused(words) => {
                        let words = words.replace(password.as_str(), "***");
                        Err(self.with_origin(self.refused(&format!("cannot log in as `{user}`"), &words)))
                    }
                    _ => Err(self.lost(&reply::malformed())),
                }
            }
            (Some(_), false) if opened == Reply::Line("MN".to_owned()) => {
                let message = format!("cannot log in at {}: the server wants no login: leave it out", self.label);
                Err(self.with_origin(Error::new(ErrorKind::Denied, message)))
            }
            (_, _) => match opened {
                Reply::Line(idle) if idle == "MN" => Ok(stream),
                Reply::Refused(words) => Err(self.refused("cannot open a session", &words)),
                _ => Err(self.lost(&reply::malformed())),
            },
        }
    }

    /// Who is refused with a password is told where it comes from.
    fn with_origin(&self, error: Error) -> Error {
        match &self.options.password_from {
            Some(origin) => error.of_password(origin),
            None => error,
        }
    }

    fn exchange(&self, stream: &mut Stream, request: &[u8]) -> Result<Reply, Error> {
        let reply = stream.send(request).and_then(|()| reply::read(stream.reply(), 0));
        reply.map_err(|error| self.lost(&error))
    }

    /// Opens a session where there is none that answers.
    fn ready(&mut self) -> Result<(), Error> {
        let idle = mem::replace(&mut self.used, Instant::now()).elapsed() > IDLE;
        if let (Some(mut stream), true) = (self.open.take_if(|_| idle), idle) {
            self.open = self.exchange(&mut stream, OPENING).is_ok().then_some(stream);
        }
        if self.open.is_none() {
            self.open = Some(self.session()?);
        }
        Ok(())
    }

    /// What TLS is, where there is any and a session.
    pub fn secured(&self) -> Option<Secured> {
        self.open.as_ref()?.secured()
    }

    /// The open connection, for who speaks the protocol himself.
    pub fn into_stream(self) -> Stream {
        self.open.expect("connecting has opened it, and nothing was asked since")
    }

    /// The connection could not be made, or was lost.
    pub fn lost(&self, error: &io::Error) -> Error {
        lost(&self.target, &self.options, error)
    }

    /// The server answered with an error to what `doing` says.
    pub fn refused(&self, doing: &str, words: &str) -> Error {
        let answer = ANSWERS.iter().find(|(start, ..)| words.starts_with(start));
        let (kind, advice) = answer.map_or((ErrorKind::Failed, String::new()), |row| (row.1, format!(" ({})", row.2)));
        Error::new(kind, format!("{doing} at {}: the server says: {words}{advice}", self.label))
    }
}

/// The connection to `target` could not be made, or was lost.
pub fn lost(target: &Target, options: &Options, error: &io::Error) -> Error {
    net::lost(&label(target), error, options, &target.place, &SCHEMES)
}

/// Where a target is, without who connects to it.
fn label(target: &Target) -> String {
    let place = &target.place;
    match place {
        Place::Tcp(..) => format!("memcached://{place}"),
        Place::Tls(..) => format!("memcacheds://{place}"),
        Place::Unix(_) => format!("memcached+unix://{place}"),
    }
}

/// What a server's error means: how its text starts, which kind it is, what to do.
const ANSWERS: &[(&str, ErrorKind, &str)] = &[
    (
        "CLIENT_ERROR unauthenticated",
        ErrorKind::Denied,
        "the server wants a login: USER:PASSWORD@ after the `//` of the URL",
    ),
    (
        "CLIENT_ERROR authentication failure",
        ErrorKind::Denied,
        "check the user and the password; memcached compares the lines of its -Y file",
    ),
    (
        "SERVER_ERROR object too large for cache",
        ErrorKind::Limit,
        "start the server with a larger -I: it holds items of up to 1 MiB by default",
    ),
    (
        "SERVER_ERROR out of memory",
        ErrorKind::Failed,
        "no room for an item of this size: start the server with a larger -m, or without -M to let it evict",
    ),
    (
        "CLIENT_ERROR cannot increment or decrement non-numeric value",
        ErrorKind::Unfit,
        "the entry is no decimal number of 64 bits without a sign",
    ),
    ("CLIENT_ERROR flush_all not allowed", ErrorKind::Unsupported, "the server runs with -F, which switches it off"),
    ("CLIENT_ERROR lru crawler disabled", ErrorKind::Unsupported, "`lru_crawler enable` on the server switches it on"),
    ("ERROR metadump not allowed", ErrorKind::Unsupported, "the server runs with -X, which switches listing off"),
    ("BUSY", ErrorKind::Failed, "somebody else lists its keys: try again when that is done"),
    ("ERROR Too many open connections", ErrorKind::Unreachable, "raise the server's -c, or close idle connections"),
    (
        "ERROR",
        ErrorKind::Unsupported,
        "it does not know the command: meta commands need memcached 1.6, and not every proxy passes them on",
    ),
    ("CLIENT_ERROR bad command line format", ErrorKind::Failed, "a proxy or an old server may not know all of it"),
    (
        "CLIENT_ERROR bad data chunk",
        ErrorKind::Failed,
        "the server counts other bytes than were sent: is there a proxy?",
    ),
];
