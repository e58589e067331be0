//! One connection to one Redis server: commands out, replies in, within the timeout.
//!
//! The `redis` crate gives the commands. Opening a session (HELLO, AUTH,
//! SELECT) is done here, because only the server's own words tell a wrong password from a missing
//! permission, and because a user with few permissions must not need more commands than it uses:
//! no CLIENT SETINFO, and SELECT only for a database that is not 0. This file knows no keys.

use std::io;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, RedisResult, Value, cmd};

use super::url::Target;
use super::{fault, reply};
use crate::backend::net::{Place, Stream};
use crate::backend::{Error, Options};

/// Commands sent before their replies are read.
const BATCH: usize = 1000;

/// Bytes of commands sent before their replies are read; one command may be longer.
const BATCH_BYTES: usize = 1 << 20;

/// A connection unused for this long is tried with a PING first: while a person thought about a
/// question, the server may have closed it (its `timeout`), and a write must not be sent twice.
const IDLE: Duration = Duration::from_secs(1);

/// What a reply may cost beside the largest value: lengths and places of members.
const REPLY_SLACK: u64 = 1 << 20;

/// A connection, made again when it was lost and something is asked.
pub struct Link {
    target: Target,
    options: Options,
    label: String,
    open: Option<Session>,
    used: Instant,
    untouching: bool,
}

/// What lasts as long as a socket does.
struct Session {
    stream: Stream,
    reply_most: u64,
}

/// Why talk ended early.
pub enum Trouble {
    /// The connection failed, or what came is not Redis's protocol.
    Lost(RedisError),
    /// It says already why.
    Told(Error),
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Trouble {
        Trouble::Lost(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Lost(error.into())
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Told(error)
    }
}

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the user or the database.
    pub fn connect(target: &Target, options: &Options) -> Result<Link, Error> {
        let mut link = Link {
            label: label(target),
            target: target.clone(),
            options: options.clone(),
            open: None,
            used: Instant::now(),
            untouching: false,
        };
        link.reopen()?;
        Ok(link)
    }

    /// Where it is, without secrets.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Which database it uses.
    pub fn database(&self) -> i64 {
        self.target.db.into()
    }

    /// Sends `commands` and adds a reply for each to `replies`; a server's refusal is a reply.
    /// Commands are taken a batch at a time, so that they need not all be in memory.
    ///
    /// # Errors
    /// When the connection fails; `replies` has those that came before.
    pub fn ask(&mut self, commands: impl IntoIterator<Item = Cmd>, replies: &mut Vec<Value>) -> Result<(), Error> {
        let mut commands = commands.into_iter();
        loop {
            let (mut packed, mut count) = (Vec::new(), 0);
            while count < BATCH && packed.len() < BATCH_BYTES {
                let Some(command) = commands.next() else { break };
                command.write_packed_command(&mut packed);
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            if let Err(error) = self.ready()?.exchange(&packed, count, replies) {
                // What is still to come on this connection answers questions that nobody asks any more.
                self.hang_up();
                return Err(self.lost(&error));
            }
            self.used = Instant::now();
        }
    }

    /// [`Link::ask`], for one command whose refusal is an error: `doing` says what it is for.
    ///
    /// # Errors
    /// When the connection fails or the server refuses.
    pub fn ask_one(&mut self, doing: &str, command: Cmd) -> Result<Value, Error> {
        let mut replies = Vec::with_capacity(1);
        self.ask([command], &mut replies)?;
        self.check(doing, replies.pop().expect("a reply for each command"))
    }

    /// The reply, unless it is a refusal.
    ///
    /// # Errors
    /// When it is one.
    pub fn check(&self, doing: &str, reply: Value) -> Result<Value, Error> {
        match reply {
            Value::ServerError(error) => Err(fault::refused(&self.label, doing, &error)),
            reply => Ok(reply),
        }
    }

    /// Hands the connection over, for talk in which one question does not wait for the answer to the last.
    ///
    /// # Errors
    /// When the connection fails, or `talk` does; it is not used again then.
    pub fn converse(&mut self, talk: impl FnOnce(&mut Stream) -> Result<(), Trouble>) -> Result<(), Error> {
        let talked = talk(&mut self.ready()?.stream);
        self.used = Instant::now();
        talked.map_err(|trouble| {
            self.hang_up();
            match trouble {
                Trouble::Lost(error) => self.lost(&error),
                Trouble::Told(error) => error,
            }
        })
    }

    /// Another connection to the same server.
    ///
    /// # Errors
    /// As [`Link::connect`].
    pub fn another(&self) -> Result<Link, Error> {
        let mut link = Link::connect(&self.target, &self.options)?;
        if self.untouching {
            link.leave_no_trace()?;
        }
        Ok(link)
    }

    /// The open connection, for who speaks the protocol himself.
    pub fn into_stream(self) -> Stream {
        self.open.expect("connecting has opened it, and nothing was asked since").stream
    }

    /// Ends the connection; the next question makes another.
    pub fn hang_up(&mut self) {
        self.open = None;
    }

    /// From now on, reading does not make keys look recently used. Only Redis 7.2 and later can;
    /// the others, and users who may not, read as ever.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn leave_no_trace(&mut self) -> Result<(), Error> {
        if self.untouching {
            return Ok(());
        }
        self.untouching = true;
        let mut command = cmd("CLIENT");
        command.arg("NO-TOUCH").arg("ON");
        self.ask([command], &mut Vec::new())
    }

    /// The session, if need be a new one.
    fn ready(&mut self) -> Result<&mut Session, Error> {
        let idle = self.used.elapsed() > IDLE;
        if self.open.as_mut().is_none_or(|session| idle && !session.is_alive()) {
            self.reopen()?;
        }
        Ok(self.open.as_mut().expect("opened where it was not"))
    }

    fn lost(&self, error: &redis::RedisError) -> Error {
        fault::lost(&self.label, error, &self.options, &self.target.place)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        let stream = Stream::connect(&self.target.place, &self.target.tls, &self.options)
            .map_err(|error| self.lost(&error.into()))?;
        let reply_most = self.options.limits.stored.saturating_add(REPLY_SLACK);
        let mut session = Session { stream, reply_most };
        let opening = opening(&self.target);
        let mut packed = Vec::new();
        for (_, command) in &opening {
            command.write_packed_command(&mut packed);
        }
        let mut replies = Vec::new();
        session.exchange(&packed, opening.len(), &mut replies).map_err(|error| self.lost(&error))?;
        for ((doing, _), reply) in opening.iter().zip(replies) {
            self.check(doing, reply).map_err(|error| self.without_password(error))?;
        }
        self.open = Some(session);
        self.used = Instant::now();
        self.untouching = false;
        Ok(())
    }

    /// A server, or whatever listens there, may repeat what it was sent.
    fn without_password(&self, error: Error) -> Error {
        match &self.target.password {
            Some(password) => Error { message: error.message.replace(password.as_str(), "***"), ..error },
            None => error,
        }
    }
}

impl Session {
    /// Writes commands and reads a reply for each.
    fn exchange(&mut self, packed: &[u8], count: usize, replies: &mut Vec<Value>) -> RedisResult<()> {
        self.stream.send(packed)?;
        for _ in 0..count {
            replies.push(reply::read(self.stream.reply(), self.reply_most)?);
        }
        Ok(())
    }

    /// Whether the server still answers; that this user may not PING is an answer.
    fn is_alive(&mut self) -> bool {
        self.exchange(&cmd("PING").get_packed_command(), 1, &mut Vec::new()).is_ok()
    }
}

/// The commands that open a session, each with what it is for.
fn opening(target: &Target) -> Vec<(String, Cmd)> {
    let mut commands = Vec::new();
    // As in redis-py, a user without a password has the empty one.
    let login = target.username.is_some() || target.password.is_some();
    let password = target.password.as_deref().unwrap_or_default();
    let mut hello = cmd(if target.resp3 { "HELLO" } else { "AUTH" });
    match (target.resp3, login) {
        (true, true) => {
            let user = target.username.as_deref().unwrap_or("default");
            hello.arg(3).arg("AUTH").arg(user).arg(password);
        }
        (true, false) => drop(hello.arg(3)),
        (false, _) => drop(hello.arg(target.username.as_deref()).arg(password)),
    }
    if target.resp3 || login {
        let doing = match &target.username {
            Some(user) => format!("cannot log in as `{user}`"),
            None if login => "cannot log in".to_owned(),
            None => "cannot speak RESP3 (`protocol=3`)".to_owned(),
        };
        commands.push((doing, hello));
    }
    if target.db != 0 {
        let mut select = cmd("SELECT");
        select.arg(target.db);
        commands.push((format!("cannot use database {}, which the URL names,", target.db), select));
    }
    commands
}

/// Where a target is, without who connects to it.
pub fn label(target: &Target) -> String {
    let (place, db) = (&target.place, target.db);
    match place {
        Place::Tcp(..) => format!("redis://{place}/{db}"),
        Place::Tls(..) => format!("rediss://{place}/{db}"),
        Place::Unix(_) => format!("redis+unix://{place}?db={db}"),
    }
}
