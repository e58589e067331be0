//! Redis and Valkey: one server, a cluster, or the primary that sentinels know.
//!
//! Everything goes in pipelines: many keys are one round trip, and a long list goes in batches. A
//! user whose ACL allows little gets what it allows: PTTL and GETRANGE are not needed to read, nor
//! UNLINK to delete. Nothing here knows what the bytes mean.

mod all;
mod count;
mod fault;
mod frames;
mod hot;
mod info;
mod link;
mod members;
mod nodes;
mod patience;
mod raw;
mod read;
mod replace;
mod reply;
mod sentinel;
mod slots;
mod survey;
mod transaction;
mod turns;
mod url;
mod walk;

use redis::{Cmd, Value, cmd};

use self::link::Link;
use self::nodes::{Answer, Nodes};
pub use self::raw::reads;
pub use self::slots::{Detour, of as slot_of, place};
use self::turns::Turns;
pub use self::url::{Target, Topology, parse};
use self::walk::Walk;
use super::net::Line;
pub use super::net::Place;
use super::net::Secured;
use super::survey::{Observer, Plan, Surveyed};
use super::{
    Backend, Connect, Cursor, Dial, Error, ErrorKind, Heat, Options, Page, Reply, Row, Search, Server, Shards,
};
use crate::entry::{Condition, Entry, Expiry, Facts, Kind, Stored, StoredKey, Write};
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::url::UrlError;

/// Redis in the clear.
pub const TCP: Row = Row {
    schemes: &["redis", "valkey"],
    example: "redis://HOST:PORT/DB",
    about: "a Redis or Valkey server; redis://USER:PASSWORD@HOST with a login",
    kind: Kind::Redis,
    parse: open,
};

/// Redis under TLS.
pub const TLS: Row = Row {
    schemes: &["rediss", "valkeys"],
    example: "rediss://HOST:PORT/DB",
    about: "the same under TLS, its certificate checked",
    kind: Kind::Redis,
    parse: open,
};

/// Redis through a socket.
pub const UNIX: Row = Row {
    schemes: &["redis+unix", "unix"],
    example: "redis+unix:///PATH?db=N",
    about: "a Redis or Valkey server behind a Unix socket",
    kind: Kind::Redis,
    parse: open,
};

/// Redis Cluster.
pub const CLUSTER: Row = Row {
    schemes: &["redis+cluster", "rediss+cluster", "valkey+cluster", "valkeys+cluster"],
    example: "redis+cluster://HOST:PORT,HOST:PORT",
    about: "a Redis or Valkey cluster, of which some nodes are named; rediss+cluster:// under TLS",
    kind: Kind::Redis,
    parse: open,
};

/// Redis behind sentinels.
pub const SENTINEL: Row = Row {
    schemes: &["redis+sentinel", "rediss+sentinel", "valkey+sentinel", "valkeys+sentinel"],
    example: "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB",
    about: "the primary of a service, as its sentinels know it; rediss+sentinel:// under TLS",
    kind: Kind::Redis,
    parse: open,
};

/// Keys that the server is asked to look at for one page of a scan.
const SCAN_COUNT: usize = 1000;

/// What TYPE answers for the server's own types.
const KINDS: &[&str] = &["string", "hash", "list", "set", "zset", "stream", "vectorset"];

/// A module's types all have names of nine characters (`RedisModule_CreateDataType`).
const MODULE_KIND_LEN: usize = 9;

fn open(url: &str, options: &Options) -> Result<Connect, UrlError> {
    let target = parse(url)?;
    target.check(options.tls_insecure)?;
    let options = options.clone();
    Ok(Box::new(move || {
        let nodes = Nodes::connect(&target, &options)?;
        let Options { limits, replica, .. } = options;
        Ok(Box::new(Redis { nodes, limits, replica, keys: Walk::default(), fields: Scan::default() }))
    }))
}

/// Reads the URL for connections of the caller's own.
///
/// # Errors
/// When it is malformed.
pub fn dial(url: &str, options: &Options) -> Result<impl Dial + use<>, UrlError> {
    let target = parse(url)?;
    target.check(options.tls_insecure)?;
    // What there is to be said of them, who asks them otherwise says.
    Ok(Dialled { target, options: Options { tell: |_| (), ..options.clone() } })
}

/// Servers that others ask themselves.
struct Dialled {
    target: Target,
    options: Options,
}

impl Dial for Dialled {
    fn shards(&self) -> Result<Shards, Error> {
        Nodes::connect(&self.target, &self.options)?.shards()
    }

    fn line(&self, place: &Place) -> Result<Line, Error> {
        let readonly = self.options.replica && matches!(self.target.topology, Topology::Cluster(_));
        let target = Target { place: place.clone(), topology: Topology::Single, readonly, ..self.target.clone() };
        let link = Link::connect(&target, &self.options)?;
        let label = link.label().to_owned();
        let line = link.into_stream().into_line();
        line.map_err(|error| fault::lost(&label, &error.into(), &self.options, place))
    }
}

struct Redis {
    nodes: Nodes,
    limits: Limits,
    /// Whether they are replicas.
    replica: bool,
    /// Of the keyspace.
    keys: Walk,
    /// Of a hash's fields.
    fields: Scan,
}

/// A scan of fields under way.
#[derive(Default)]
struct Scan {
    turns: Turns,
    next: u64,
    /// Who has given the cursor.
    by: (usize, u64),
}

impl Backend for Redis {
    fn kind(&self) -> Kind {
        Kind::Redis
    }

    fn label(&self) -> &str {
        self.nodes.label()
    }

    fn get_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Error> {
        read::entries(&mut self.nodes, keys, &self.limits)
    }

    fn facts_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error> {
        self.nodes.leave_no_trace();
        read::facts(&mut self.nodes, keys)
    }

    fn set_many(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error> {
        self.may_write()?;
        for write in writes {
            fits(write)?;
        }
        if writes.iter().any(|write| matches!(write.data, Stored::Members(_))) {
            return self.set_each(writes);
        }
        let doing = |at: usize| format!("cannot set {}", shown(&writes[at].key));
        self.change(doing, writes.iter().map(set))
    }

    fn replace(&mut self, key: &StoredKey, before: &Entry, after: &Stored) -> Result<bool, Error> {
        self.may_write()?;
        replace::replace(&mut self.nodes, key, &before.stored, after)
    }

    fn delete_many(&mut self, keys: &[StoredKey]) -> Result<Vec<bool>, Error> {
        self.may_write()?;
        match self.delete("UNLINK", keys) {
            // Before Redis 4 there is only DEL, and a user may be allowed no more than that.
            Err(Error { kind: ErrorKind::Denied | ErrorKind::Unsupported, .. }) => self.delete("DEL", keys),
            result => result,
        }
    }

    fn expire_many(&mut self, keys: &[StoredKey], expiry: Expiry) -> Result<Vec<bool>, Error> {
        self.may_write()?;
        if keys.iter().any(|key| key.field.is_some()) {
            return Err(Error::new(
                ErrorKind::Unfit,
                "a field of a Redis hash has no ttl of its own: the hash has one",
            ));
        }
        let doing = |at: usize| format!("cannot change the ttl of {}", shown(&keys[at]));
        let each = |key: &StoredKey| match expiry {
            Expiry::Never => (command("PERSIST", &[&key.key]), Held::Above(0)),
            Expiry::In(ms) => (command("PEXPIRE", &[&key.key, ms.to_string().as_bytes()]), Held::Above(0)),
            Expiry::At(ms) => (command("PEXPIREAT", &[&key.key, ms.to_string().as_bytes()]), Held::Above(0)),
            Expiry::Keep => (command("EXISTS", &[&key.key]), Held::Above(0)),
        };
        let done = self.change(doing, keys.iter().map(each))?;
        match expiry {
            // PERSIST says no of a key that had no ttl, too.
            Expiry::Never if done.contains(&false) => self.expire_many(keys, Expiry::Keep),
            _ => Ok(done),
        }
    }

    fn scan(&mut self, pattern: &Pattern, kind: Option<&str>, cursor: Cursor) -> Result<Page, Error> {
        if let Some(kind) = kind.filter(|kind| !KINDS.contains(kind) && kind.len() != MODULE_KIND_LEN) {
            let message = format!("Redis has no type `{kind}`: expected one of {}", KINDS.join(", "));
            return Err(Error::new(ErrorKind::Unfit, message));
        }
        let scan = |at: u64| {
            let mut scan = cmd("SCAN");
            scan.arg(at);
            if !pattern.is_all() {
                scan.arg("MATCH").arg(pattern.as_bytes());
            }
            scan.arg("COUNT").arg(SCAN_COUNT);
            if let Some(kind) = kind {
                scan.arg("TYPE").arg(kind);
            }
            scan
        };
        self.keys.page(&mut self.nodes, &cursor, scan, &self.limits)
    }

    fn scan_fields(&mut self, key: &StoredKey, pattern: &Pattern, cursor: Cursor) -> Result<Page, Error> {
        let at = match cursor {
            Cursor::Start => 0,
            Cursor::At(at) => at,
        };
        let mut scan = command("HSCAN", &[&key.key]);
        scan.arg(at);
        if !pattern.is_all() {
            scan.arg("MATCH").arg(pattern.as_bytes());
        }
        scan.arg("COUNT").arg(SCAN_COUNT);
        let (next, pairs) = read::page(self.nodes.ask_one("cannot list fields", scan)?)?;
        let Scan { turns, next: expected, by } = &mut self.fields;
        if at == 0 || at != *expected {
            *turns = Turns::default();
        }
        turns.pass(pairs.len(), next, &self.limits).map_err(|endless| endless.named("HSCAN", self.nodes.label()))?;
        // A cursor that another node has given, or this one before a restart, means nothing.
        let stale = at != 0 && *by != self.nodes.answered();
        (*expected, *by) = (next, self.nodes.answered());
        let next = if stale { Some(Cursor::Start) } else { Some(next).filter(|next| *next != 0).map(Cursor::At) };
        // Field and value in turn.
        let fields = pairs.into_iter().step_by(2);
        Ok(Page { keys: fields.map(|field| StoredKey { key: key.key.clone(), field: Some(field) }).collect(), next })
    }

    fn count(&mut self) -> Result<Option<u64>, Error> {
        all::count(&mut self.nodes)
    }

    fn survey(&mut self, plan: &Plan, observer: &mut dyn Observer) -> Result<Surveyed, Error> {
        all::survey(&mut self.nodes, plan, &self.limits, observer)
    }

    fn hottest(&mut self, most: usize, search: &mut Search<'_>) -> Result<Vec<Heat>, Error> {
        hot::hottest(&mut self.nodes, most, search)
    }

    fn increment(&mut self, key: &StoredKey, by: i64, expiry: Expiry) -> Result<i128, Error> {
        self.may_write()?;
        count::increment(&mut self.nodes, key, by, expiry)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.may_write()?;
        all::flush(&mut self.nodes)
    }

    fn secured(&self) -> Option<Secured> {
        self.nodes.secured()
    }

    fn server(&mut self) -> Result<Server, Error> {
        all::server(&mut self.nodes)
    }

    fn raw(&mut self, command: &[Vec<u8>]) -> Result<Reply, Error> {
        if self.replica {
            raw::only_reads(&mut self.nodes, command)?;
        }
        raw::ask(&mut self.nodes, command)
    }
}

/// What a reply must be for a change to have been made.
#[derive(Clone, Copy)]
enum Held {
    /// OK, not nil.
    Said,
    /// Any number.
    Counted,
    /// A number above this one.
    Above(i64),
    /// The number 0.
    Zero,
}

impl Held {
    /// Whether it was; `None` when Redis does not answer so.
    fn by(self, reply: &Value) -> Option<bool> {
        match (self, reply) {
            (Held::Said, Value::Okay) | (Held::Counted, Value::Int(_)) => Some(true),
            (Held::Said, Value::Nil) => Some(false),
            (Held::Above(least), Value::Int(number)) => Some(*number > least),
            (Held::Zero, Value::Int(number)) => Some(*number == 0),
            _ => None,
        }
    }
}

impl Redis {
    /// Who reads from replicas writes nothing: what is written to their primary, they may not show for a while.
    fn may_write(&self) -> Result<(), Error> {
        match self.replica {
            false => Ok(()),
            true => {
                let message = "--replica only reads, and this may write: leave it out";
                Err(Error::new(ErrorKind::Unfit, message))
            }
        }
    }

    /// Sends changes, one for each entry, and says of each whether it was made.
    fn change(
        &mut self,
        doing: impl Fn(usize) -> String,
        changes: impl ExactSizeIterator<Item = (Cmd, Held)>,
    ) -> Result<Vec<bool>, Error> {
        let total = changes.len();
        let mut held = Vec::new();
        let commands = changes.map(|(command, one)| {
            held.push(one);
            command
        });
        let mut answers = Vec::new();
        let mut failure = self.nodes.change(commands, &mut answers).err();
        let mut done = Vec::with_capacity(answers.len());
        let (mut in_doubt, mut unreached) = (0, Vec::new());
        // After a failure no more are sent.
        unreached.extend(answers.len()..total);
        for (at, (answer, held)) in answers.into_iter().zip(held).enumerate() {
            let reply = match answer {
                Answer::Unsent => {
                    unreached.push(at);
                    continue;
                }
                Answer::Lost => {
                    in_doubt += 1;
                    continue;
                }
                Answer::Came(reply) => reply,
            };
            let judged = self.nodes.check(&doing(at), reply).and_then(|reply| {
                held.by(&reply)
                    .ok_or_else(|| Error::new(ErrorKind::Failed, format!("{}: {}", doing(at), read::odd(&reply))))
            });
            match judged {
                Ok(held) => done.push(held),
                Err(error) if failure.is_none() => failure = Some(error),
                Err(_) => {}
            }
        }
        match failure {
            None => Ok(done),
            Some(failure) => Err(failure.after(done.len(), in_doubt, total).not_at(unreached)),
        }
    }

    /// Writes of which some have members, in order: what stands between two of those goes together.
    fn set_each(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error> {
        let mut done = Vec::with_capacity(writes.len());
        for part in writes
            .chunk_by(|one, next| !matches!(one.data, Stored::Members(_)) && !matches!(next.data, Stored::Members(_)))
        {
            let result = match &part[0].data {
                Stored::Members(all) => members::write(&mut self.nodes, &part[0], all).map(|held| vec![held]),
                _ => self.set_many(part),
            };
            done.extend(result.map_err(|error| error.after(done.len(), 0, writes.len()))?);
        }
        Ok(done)
    }

    fn delete(&mut self, verb: &str, keys: &[StoredKey]) -> Result<Vec<bool>, Error> {
        let each = |key: &StoredKey| match &key.field {
            None => (command(verb, &[&key.key]), Held::Above(0)),
            Some(field) => (command("HDEL", &[&key.key, field]), Held::Above(0)),
        };
        self.change(|at| format!("cannot delete {}", shown(&keys[at])), keys.iter().map(each))
    }
}

/// Whether Redis can hold what is to be written.
fn fits(write: &Write) -> Result<(), Error> {
    let unfit = match (write, &write.key.field) {
        (Write { tag: Some(_), .. }, _) => "Redis has no tags of its own: choose a layout that keeps them",
        (Write { expiry: Expiry::In(_) | Expiry::At(_), .. }, Some(_)) => {
            "a field of a Redis hash has no ttl of its own: the hash has one"
        }
        (Write { condition: Condition::IfPresent, .. }, Some(_)) => {
            "Redis cannot write a field of a hash only where there is one"
        }
        (Write { data: Stored::Members(_), .. }, Some(_)) => "a field of a Redis hash holds bytes",
        (Write { data: Stored::Members(all), .. }, None) => match members::unfit(write, all) {
            None => return Ok(()),
            Some(unfit) => unfit,
        },
        (Write { data, .. }, _) if data.as_bytes().is_none() => "it takes bytes",
        _ => return Ok(()),
    };
    Err(Error::new(ErrorKind::Unfit, format!("cannot set {}: {unfit}", shown(&write.key))))
}

/// The command for a write that [`fits`].
fn set(write: &Write) -> (Cmd, Held) {
    let (key, bytes) = (write.key.key.as_slice(), write.data.as_bytes().expect("`fits` has refused all else"));
    if let Some(field) = &write.key.field {
        return match write.condition {
            Condition::IfAbsent => (command("HSETNX", &[key, field, bytes]), Held::Above(0)),
            _ => (command("HSET", &[key, field, bytes]), Held::Counted),
        };
    }
    // Redis refuses an expiry that has come: what would be gone at once is deleted instead.
    if matches!(write.expiry, Expiry::In(0) | Expiry::At(i64::MIN..=0)) {
        return match write.condition {
            Condition::Always => (command("DEL", &[key]), Held::Counted),
            Condition::IfAbsent => (command("EXISTS", &[key]), Held::Zero),
            Condition::IfPresent => (command("DEL", &[key]), Held::Above(0)),
        };
    }
    let mut set = command("SET", &[key, bytes]);
    match write.condition {
        Condition::Always => {}
        Condition::IfAbsent => drop(set.arg("NX")),
        Condition::IfPresent => drop(set.arg("XX")),
    }
    match write.expiry {
        Expiry::Never => {}
        Expiry::In(ms) => drop(set.arg("PX").arg(ms)),
        Expiry::At(ms) => drop(set.arg("PXAT").arg(ms)),
        Expiry::Keep => drop(set.arg("KEEPTTL")),
    }
    (set, Held::Said)
}

fn command(name: &str, arguments: &[&[u8]]) -> Cmd {
    let mut command = cmd(name);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

/// A connection that was lost leaves open what became of what was sent.
fn in_doubt(error: Error, done: &str) -> Error {
    match error.kind {
        ErrorKind::Unreachable => Error { message: format!("{}; whether {done} is not known", error.message), ..error },
        _ => error,
    }
}

/// A key as it stands in messages.
fn shown(key: &StoredKey) -> String {
    let name = String::from_utf8_lossy(&key.key);
    match &key.field {
        None => format!("`{name}`"),
        Some(field) => format!("field `{}` of `{name}`", String::from_utf8_lossy(field)),
    }
}
