//! One connection to one Redis server: commands out, replies in, within the timeout.
//!
//! The `redis` crate gives the commands. Opening a session (HELLO, AUTH,
//! SELECT) is done here, because only the server's own words tell a wrong password from a missing
//! permission, and because a user with few permissions must not need more commands than it uses:
//! no CLIENT SETINFO, and SELECT only for a database that is not 0. Where sentinels know the server, they
//! are asked for each session. This file knows no keys.

use std::io;
use std::time::{Duration, Instant};

use redis::{Cmd, RedisError, RedisResult, Value, cmd};

use super::url::{Sentinels, Target, Topology};
use super::{command, fault, info, reply, sentinel};
use crate::backend::net::{Place, Secured, Stream};
use crate::backend::{Error, ErrorKind, Options};

/// A connection unused for this long is tried with a PING first: while a person thought about a
/// question, the server may have closed it (its `timeout`), and a write must not be sent twice.
const IDLE: Duration = Duration::from_secs(1);

/// What INFO says of a node of a cluster.
const CLUSTERED: &[u8] = b"cluster_enabled:1";

/// What a reply may cost beside the largest value: lengths and places of members.
const REPLY_SLACK: u64 = 1 << 20;

/// A connection, made again when it was lost and something is asked.
pub struct Link {
    target: Target,
    options: Options,
    label: String,
    open: Option<Session>,
    sessions: u64,
    used: Instant,
    untouching: bool,
}

/// What lasts as long as a socket does.
struct Session {
    stream: Stream,
    reply_most: u64,
    /// Whether the server is a node of a cluster, where it has said.
    clustered: Option<bool>,
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
    /// A connection that is made when something is asked.
    pub fn new(target: &Target, options: &Options) -> Link {
        Link {
            label: label(target),
            target: target.clone(),
            options: options.clone(),
            open: None,
            sessions: 0,
            used: Instant::now(),
            untouching: false,
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// When the server cannot be reached, or refuses the user or the database.
    pub fn connect(target: &Target, options: &Options) -> Result<Link, Error> {
        let mut link = Link::new(target, options);
        link.reopen()?;
        Ok(link)
    }

    /// Where it is, without secrets.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its address.
    pub fn place(&self) -> &Place {
        &self.target.place
    }

    /// Which database it uses.
    pub fn database(&self) -> i64 {
        self.target.db.into()
    }

    /// How many sessions there were: what a server said in another may hold no more.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// What TLS is, where there is any and a session.
    pub fn secured(&self) -> Option<Secured> {
        self.open.as_ref()?.stream.secured()
    }

    /// Whether there is a session, as far as is known.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Sends `commands` and adds a reply for each to `replies`; a server's refusal is a reply.
    ///
    /// # Errors
    /// When the connection fails; `replies` has those that came before.
    pub fn ask(&mut self, commands: impl IntoIterator<Item = Cmd>, replies: &mut Vec<Value>) -> Result<(), Error> {
        let (mut packed, mut count) = (Vec::new(), 0);
        for command in commands {
            command.write_packed_command(&mut packed);
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        self.open()?;
        self.send(&packed)?;
        (0..count).try_for_each(|_| self.receive().map(|reply| replies.push(reply)))
    }

    /// Makes a connection where there is none that works.
    ///
    /// # Errors
    /// As [`Link::connect`]; nothing was sent then.
    pub fn open(&mut self) -> Result<(), Error> {
        self.ready().map(drop)
    }

    /// Sends packed commands over a connection that is open. Each has a reply, to be [received](Link::receive).
    ///
    /// # Errors
    /// When the connection fails: some may have been done.
    pub fn send(&mut self, packed: &[u8]) -> Result<(), Error> {
        self.talk(|session| Ok(session.stream.send(packed)?))
    }

    /// The next reply.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn receive(&mut self) -> Result<Value, Error> {
        self.talk(Session::receive)
    }

    /// Uses the open connection, which is no more after a failure: what is still to come on it answers questions
    /// that nobody asks any more.
    fn talk<T>(&mut self, talk: impl FnOnce(&mut Session) -> RedisResult<T>) -> Result<T, Error> {
        let talked = talk(self.open.as_mut().expect("whoever talks has opened it"));
        self.used = Instant::now();
        talked.map_err(|error| {
            self.hang_up();
            self.lost(&error)
        })
    }

    /// Whether the server is a node of a cluster. HELLO is everybody's; before Redis 6, INFO is.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn is_clustered(&mut self) -> Result<bool, Error> {
        if let Some(clustered) = self.ready()?.clustered {
            return Ok(clustered);
        }
        let mut replies = Vec::with_capacity(1);
        self.ask([cmd("HELLO")], &mut replies)?;
        let clustered = match replies.pop() {
            Some(Value::ServerError(_)) => {
                self.ask([command("INFO", &[b"cluster"])], &mut replies)?;
                matches!(replies.pop(), Some(Value::BulkString(told)) if told.windows(17).any(|at| at == CLUSTERED))
            }
            hello => hello.is_some_and(info::is_clustered),
        };
        self.is_known_to_be_clustered(clustered);
        Ok(clustered)
    }

    /// The server has said whether it is a node of a cluster, and need not be asked.
    pub fn is_known_to_be_clustered(&mut self, clustered: bool) {
        if let Some(session) = &mut self.open {
            session.clustered = Some(clustered);
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
        let is_over = |session: &mut Session| session.stream.is_over() || idle && !session.is_alive();
        if self.open.as_mut().is_none_or(is_over) {
            self.reopen()?;
        }
        Ok(self.open.as_mut().expect("opened where it was not"))
    }

    fn lost(&self, error: &redis::RedisError) -> Error {
        fault::lost(&self.label, error, &self.options, &self.target.place)
    }

    fn reopen(&mut self) -> Result<(), Error> {
        let Topology::Sentinel(sentinels) = &self.target.topology else { return self.enter() };
        let (sentinels, options) = (sentinels.clone(), self.options.clone());
        sentinel::find(&sentinels, &options, |host, port| {
            self.target.place = match self.target.place {
                Place::Tls(..) => Place::Tls(host, port),
                _ => Place::Tcp(host, port),
            };
            let role = if options.replica { "a replica" } else { "the primary" };
            self.label = format!("{}, {role} of `{}`", server(&self.target), sentinels.service);
            self.enter()
        })
    }

    /// Opens a session with the server at the address that is known.
    fn enter(&mut self) -> Result<(), Error> {
        self.open = None;
        let stream = Stream::connect(&self.target.place, &self.target.tls, &self.options)
            .map_err(|error| self.lost(&error.into()))?;
        let reply_most = self.options.limits.stored.saturating_add(REPLY_SLACK);
        let mut session = Session { stream, reply_most, clustered: None };
        let opening = opening(&self.target);
        let mut packed = Vec::new();
        for (_, command) in &opening {
            command.write_packed_command(&mut packed);
        }
        let mut replies = Vec::new();
        session.exchange(&packed, opening.len(), &mut replies).map_err(|error| self.lost(&error))?;
        for ((doing, opening), reply) in opening.iter().zip(replies) {
            match opening.args_iter().next() {
                Some(redis::Arg::Simple(ROLE)) => self.check_role(&reply)?,
                first => {
                    let login = matches!(first, Some(redis::Arg::Simple(b"AUTH" | b"HELLO")));
                    let told = |error| self.without_password(if login { self.with_origin(error) } else { error });
                    let reply = self.check(doing, reply).map_err(told)?;
                    if let Value::Map(_) = reply {
                        session.clustered = Some(info::is_clustered(reply));
                    }
                }
            }
        }
        self.open = Some(session);
        self.sessions += 1;
        self.used = Instant::now();
        self.untouching = false;
        Ok(())
    }

    /// Sentinels may not know yet that a server is primary no more. One that does not tell is believed.
    fn check_role(&self, reply: &Value) -> Result<(), Error> {
        let role = if self.options.replica { "slave" } else { "master" };
        match reply {
            Value::Array(parts) if parts.first() != Some(&Value::BulkString(role.into())) => {
                Err(Error::new(ErrorKind::Failed, format!("{} is none now", self.label)))
            }
            _ => Ok(()),
        }
    }

    /// Who is refused with a password is told where it comes from.
    fn with_origin(&self, error: Error) -> Error {
        match (&self.target.password, &self.options.password_from) {
            (Some(_), Some(origin)) => error.of_password(origin),
            _ => error,
        }
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
        (0..count).try_for_each(|_| self.receive().map(|reply| replies.push(reply)))
    }

    fn receive(&mut self) -> RedisResult<Value> {
        reply::read(self.stream.reply(), self.reply_most)
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
    if target.readonly {
        commands.push(("cannot read from replicas".to_owned(), cmd("READONLY")));
    }
    if let Topology::Sentinel(_) = target.topology {
        commands.push((String::new(), cmd("ROLE")));
    }
    commands
}

/// The command that tells a primary from a replica.
const ROLE: &[u8] = b"ROLE";

/// Where a target is, without who connects to it.
pub fn label(target: &Target) -> String {
    let scheme = if let Place::Tls(..) = target.place { "rediss" } else { "redis" };
    let list = |places: &[Place]| places.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    match &target.topology {
        Topology::Single => server(target),
        Topology::Cluster(places) => format!("{scheme}+cluster://{}", list(places)),
        Topology::Sentinel(Sentinels { places, service, .. }) => {
            format!("{scheme}+sentinel://{}/{service}/{}", list(places), target.db)
        }
    }
}

/// The one server that a target is.
fn server(target: &Target) -> String {
    let (place, db) = (&target.place, target.db);
    match place {
        Place::Tcp(..) => format!("redis://{place}/{db}"),
        Place::Tls(..) => format!("rediss://{place}/{db}"),
        Place::Unix(_) => format!("redis+unix://{place}?db={db}"),
    }
}
