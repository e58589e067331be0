//! memcached, one server at a time.
//!
//! Reads and writes are meta commands (1.6 and later), many in one round trip; keys that a line of text
//! cannot hold go in base64. What a server holds beside the bytes (flags, age) is kept and shown, and
//! looking at it does not count as use. Ttls are whole seconds there, and a listing is what the
//! server passes while it looks. Nothing here knows what the bytes or the flags mean.

mod dump;
mod info;
mod link;
mod reply;
mod request;
mod url;

use std::time::SystemTime;

use self::dump::{Dump, Listed};
use self::link::Link;
use self::reply::{Marks, Reply};
use self::request::{KEY_MOST, Name, Plan, RELATIVE_MOST, exptime, line, mode};
use self::url::Target;
use super::net::{Line, Place, Secured};
use super::survey::{self, DATA_MOST, Draw, Observation, Observer, Surveyed};
use super::{
    Abilities, Backend, Connect, Cursor, Dial, Error, ErrorKind, Options, Page, REPLACE_TRIES, Row, Server, Shards,
    never_still, no_fields,
};
use crate::entry::{Condition, Entry, Expiry, Facts, Item, Kind, Stored, StoredKey, Ttl, Write};
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::url::UrlError;

/// memcached in the clear.
pub const TCP: Row = Row {
    schemes: &["memcached"],
    example: "memcached://HOST:PORT",
    about: "a memcached server; memcached://USER:PASSWORD@HOST with a login",
    kind: Kind::Memcached,
    parse: open,
};

/// memcached under TLS.
pub const TLS: Row = Row {
    schemes: &["memcacheds"],
    example: "memcacheds://HOST:PORT",
    about: "the same under TLS, its certificate checked",
    kind: Kind::Memcached,
    parse: open,
};

/// memcached through a socket.
pub const UNIX: Row = Row {
    schemes: &["memcached+unix"],
    example: "memcached+unix:///PATH",
    about: "a memcached server behind a Unix socket",
    kind: Kind::Memcached,
    parse: open,
};

/// The only type that data has here.
const KIND: &str = "bytes";

/// What an item takes beside key and data, at least: its head, the CAS number and three bytes of ends.
const ITEM_HEAD: usize = 59;

/// Bytes of data from which on the server is asked for its limit first: a write that it refuses takes
/// the entry away that was there.
const LARGE: usize = 512 << 10;

/// Items of a survey between two turns of its observer.
const SURVEYED: usize = 1000;

fn open(url: &str, options: &Options) -> Result<Connect, UrlError> {
    let target = url::parse(url)?;
    target.tls.check(options.tls_insecure)?;
    let options = options.clone();
    Ok(Box::new(move || {
        let link = Link::connect(&target, &options)?;
        Ok(Box::new(Memcached { link, limits: options.limits, dump: None, item_most: None }))
    }))
}

/// Reads the URL for connections of the caller's own.
///
/// # Errors
/// When it is malformed.
pub fn dial(url: &str, options: &Options) -> Result<impl Dial + use<>, UrlError> {
    let target = url::parse(url)?;
    target.tls.check(options.tls_insecure)?;
    Ok(Dialled { target, options: options.clone() })
}

/// A memcached that others ask themselves.
struct Dialled {
    target: Target,
    options: Options,
}

impl Dial for Dialled {
    fn shards(&self) -> Result<Shards, Error> {
        Ok(Shards::one(self.target.place.clone()))
    }

    fn line(&self, place: &Place) -> Result<Line, Error> {
        let target = Target { place: place.clone(), ..self.target.clone() };
        let link = Link::connect(&target, &self.options)?;
        link.into_stream().into_line().map_err(|error| link::lost(&target, &self.options, &error))
    }
}

/// A connection to a memcached.
struct Memcached {
    link: Link,
    limits: Limits,
    dump: Option<Dump>,
    /// The server's `item_size_max`, once it was asked; `usize::MAX` where it does not say.
    item_most: Option<usize>,
}

impl Backend for Memcached {
    fn kind(&self) -> Kind {
        Kind::Memcached
    }

    fn label(&self) -> &str {
        self.link.label()
    }

    fn abilities(&self) -> Abilities {
        Abilities { key_bytes: 1..=KEY_MOST, ttl_step_ms: 1000, lists_all: false }
    }

    fn get_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Entry>>, Error> {
        self.fetch(keys, " t f v")
    }

    /// `u` keeps the server from counting it as use.
    fn facts_many(&mut self, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error> {
        let doing = |at: usize| format!("cannot look at {}", shown(&keys[at]));
        let keyed = self.named(keys, doing)?;
        let mut replies = Vec::new();
        self.link.ask(doing, keyed.iter().map(|key| line("mg", key, " s t f h l c u")), &mut replies)?;
        let facts = |(at, reply): (usize, Reply)| match reply {
            Reply::Done(marks) => {
                let number = |letter| marks.number(letter).unwrap_or_default().unsigned_abs();
                let item = Item { flags: flags(&marks), cas: number('c'), idle_s: number('l'), read: number('h') != 0 };
                let size = number('s');
                Ok(Some(Facts { kind: KIND.to_owned(), size, ttl: ttl(&marks), tag: None, item: Some(item) }))
            }
            Reply::Missing => Ok(None),
            reply => Err(self.odd(&doing(at), &reply)),
        };
        replies.into_iter().enumerate().map(facts).collect()
    }

    fn set_many(&mut self, writes: &[Write]) -> Result<Vec<bool>, Error> {
        let now = now_ms();
        let mut plans = Vec::with_capacity(writes.len());
        for write in writes {
            let doing = |_| format!("cannot set {}", shown(&write.key));
            let key = self.named([&write.key], doing)?.remove(0);
            self.fits(write)?;
            plans.push(Plan { key, exptime: exptime(write.expiry, now)?, mode: mode(write.condition), cas: 0 });
        }
        let keeping = |at: &usize| writes[*at].expiry == Expiry::Keep && writes[*at].condition != Condition::IfAbsent;
        let mut due: Vec<usize> = (0..writes.len()).collect();
        let mut done = vec![false; writes.len()];
        for _ in 0..REPLACE_TRIES {
            let kept: Vec<usize> = due.iter().copied().filter(keeping).collect();
            self.keep(&kept, writes, &mut plans)?;
            let doing = |at: usize| format!("cannot set {}", shown(&writes[due[at]].key));
            let stored = self.change(doing, due.iter().map(|at| plans[*at].request(&writes[*at].data)))?;
            for (at, stored) in due.iter().zip(stored) {
                done[*at] = stored;
            }
            // A key that has come, gone or changed since it was looked at: it is looked at again.
            due = kept.into_iter().filter(|at| !done[*at] && plans[*at].may_be_stale()).collect();
            if due.is_empty() {
                return Ok(done);
            }
        }
        let tried = format!("cannot set {} and keep its ttl", shown(&writes[due[0]].key));
        Err(never_still(&tried, self.label()))
    }

    fn replace(&mut self, key: &StoredKey, before: &Entry, after: &Stored) -> Result<bool, Error> {
        let tried = format!("cannot replace {}", shown(key));
        let name = self.named([key], |_| tried.clone())?.remove(0);
        let (data, condition) = (after.clone(), Condition::IfPresent);
        self.fits(&Write { key: key.clone(), data, expiry: Expiry::Keep, condition, tag: None })?;
        for _ in 0..REPLACE_TRIES {
            let (marks, bytes) = match self.link.ask_one(&tried, line("mg", &name, " t f v c u"))? {
                Reply::Value(marks, bytes) => (marks, bytes),
                Reply::Missing => return Ok(false),
                reply => return Err(self.odd(&tried, &reply)),
            };
            if stored(&marks, bytes) != before.stored {
                return Ok(false);
            }
            let Some(cas @ 1..) = marks.number('c') else {
                let message =
                    format!("{tried} at {}: it does not number its writes (-C switches that off)", self.label());
                return Err(Error::new(ErrorKind::Unsupported, message));
            };
            let plan = Plan { key: name.clone(), exptime: same_exptime(&marks, now_ms())?, mode: 'R', cas };
            if self.change(|_| tried.clone(), std::iter::once(plan.request(after)))? == [true] {
                return Ok(true);
            }
        }
        Err(never_still(&tried, self.label()))
    }

    fn delete_many(&mut self, keys: &[StoredKey]) -> Result<Vec<bool>, Error> {
        let doing = |at: usize| format!("cannot delete {}", shown(&keys[at]));
        let keyed = self.named(keys, doing)?;
        self.change(doing, keyed.iter().map(|key| line("md", key, "")))
    }

    fn expire_many(&mut self, keys: &[StoredKey], expiry: Expiry) -> Result<Vec<bool>, Error> {
        let doing = |at: usize| format!("cannot change the ttl of {}", shown(&keys[at]));
        let keyed = self.named(keys, doing)?;
        let flags = match expiry {
            Expiry::Keep => " s u".to_owned(),
            expiry => format!(" T{} u", exptime(expiry, now_ms())?),
        };
        self.change(doing, keyed.iter().map(|key| line("mg", key, &flags)))
    }

    fn scan(&mut self, pattern: &Pattern, kind: Option<&str>, cursor: Cursor) -> Result<Page, Error> {
        if kind.is_some_and(|kind| kind != KIND) {
            return Ok(Page::default());
        }
        let mut dump = match (cursor, self.dump.take()) {
            (Cursor::Start, _) => self.list()?,
            (at, Some(dump)) if dump.is_at(&at) => dump,
            (Cursor::At(_), _) => {
                let message = format!("cannot go on listing {}: memcached only lists from the start", self.label());
                return Err(Error::new(ErrorKind::Unfit, message));
            }
        };
        let page = dump.page(&self.link, pattern)?;
        self.dump = page.next.is_some().then_some(dump);
        Ok(page)
    }

    /// A counter has 64 bits without a sign here: it stops at 0 and wraps at its end.
    fn count(&mut self) -> Result<Option<u64>, Error> {
        let mut count = None;
        self.link.ask_lines("cannot count items", b"stats\r\n", |line| {
            count = line.strip_prefix("STAT curr_items ").and_then(|number| number.parse().ok()).or(count);
        })?;
        Ok(count)
    }

    /// The listing tells most of it: what has to be asked for is the data of entries that are wanted.
    fn survey(&mut self, plan: &survey::Plan, observer: &mut dyn Observer) -> Result<Surveyed, Error> {
        let mut dump = self.list()?;
        let mut draw = Draw::new(plan.sample);
        let mut passed = 0;
        loop {
            let mut wanted: Vec<Listed> = Vec::new();
            let mut last = false;
            for _ in 0..plan.page.unwrap_or(SURVEYED) {
                let Some(listed) = dump.listed(&self.link)? else {
                    // It is not asked for more, which would never come.
                    last = true;
                    break;
                };
                passed += 1;
                if !draw.takes() || !plan.pattern.matches(&listed.key) {
                    continue;
                }
                match listed.memory.is_none_or(|memory| memory <= DATA_MOST) && observer.wants_data(&listed.key) {
                    true => wanted.push(listed),
                    false => observer.see(&mut observation(&listed, None)),
                }
            }
            let keys: Vec<StoredKey> = wanted.iter().map(|listed| StoredKey::new(listed.key.clone())).collect();
            let entries = self.fetch(&keys, " t f v u")?;
            for (listed, entry) in wanted.iter().zip(entries) {
                observer.see(&mut observation(listed, entry));
            }
            let stopped = observer.turn(draw.met(passed)).is_break();
            if last || stopped {
                return Ok(Surveyed { stopped, ..Surveyed::default() });
            }
        }
    }

    fn increment(&mut self, key: &StoredKey, by: i64, expiry: Expiry) -> Result<i128, Error> {
        let (mode, start) = (if by < 0 { 'D' } else { 'I' }, by.max(0));
        let flags = format!(" v M{mode} D{} N{} J{start}", by.unsigned_abs(), exptime(expiry, now_ms())?);
        let tried = format!("cannot increment {}", shown(key));
        let name = self.named([key], |_| tried.clone())?.remove(0);
        let reply = self.link.ask_one(&tried, line("ma", &name, &flags))?;
        let digits = if let Reply::Value(_, digits) = &reply { digits.as_slice() } else { b"" };
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.trim_end().parse::<u64>().ok());
        number.map(i128::from).ok_or_else(|| self.odd(&tried, &reply))
    }

    fn secured(&self) -> Option<Secured> {
        self.link.secured()
    }

    fn server(&mut self) -> Result<Server, Error> {
        info::server(&mut self.link)
    }

    /// By `flush_all`; a server that was started with `-F` refuses.
    fn flush(&mut self) -> Result<(), Error> {
        match self.link.ask_one("cannot clear", b"flush_all\r\n".to_vec())? {
            Reply::Line(line) if line == "OK" => Ok(()),
            reply => Err(self.odd("cannot clear", &reply)),
        }
    }
}

impl Memcached {
    /// Sends changes, one for each entry, and says of each whether it was made.
    fn change(
        &mut self,
        doing: impl Fn(usize) -> String,
        requests: impl ExactSizeIterator<Item = Vec<u8>>,
    ) -> Result<Vec<bool>, Error> {
        let (total, mut sent) = (requests.len(), 0);
        let mut replies = Vec::new();
        let mut failure = self.link.ask(&doing, requests.inspect(|_| sent += 1), &mut replies).err();
        // What the server refused is answered all the same.
        let answered =
            replies.len() + usize::from(failure.as_ref().is_some_and(|failure| failure.kind != ErrorKind::Unreachable));
        let mut done = Vec::with_capacity(total);
        for (at, reply) in replies.iter().enumerate() {
            match reply {
                Reply::Done(_) => done.push(true),
                Reply::Missing | Reply::Unmet | Reply::Changed => done.push(false),
                reply if failure.is_none() => failure = Some(self.odd(&doing(at), reply)),
                _ => {}
            }
        }
        match failure {
            None => Ok(done),
            Some(failure) => Err(failure.after(done.len(), sent - answered, total)),
        }
    }
    /// The keys as requests have them.
    fn named<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a StoredKey>,
        doing: impl Fn(usize) -> String,
    ) -> Result<Vec<Name>, Error> {
        let name = |(at, key): (usize, &StoredKey)| {
            no_fields(self.label(), [key])?;
            let why = match Name::of(&key.key) {
                Ok(name) => return Ok(name),
                Err(why) => why,
            };
            Err(Error::new(ErrorKind::Unfit, format!("{}: {why}", doing(at))))
        };
        keys.into_iter().enumerate().map(name).collect()
    }

    /// Whether memcached can hold what is to be written.
    fn fits(&mut self, write: &Write) -> Result<(), Error> {
        let unfit = match write {
            Write { tag: Some(_), .. } => {
                "memcached has no tags of its own: choose a layout that keeps them".to_owned()
            }
            Write { data, .. } => match data.as_bytes() {
                None => "it takes bytes".to_owned(),
                Some(bytes) if bytes.len() < LARGE => return Ok(()),
                Some(bytes) => {
                    let most = self.item_most()?;
                    if bytes.len() + write.key.key.len() + ITEM_HEAD <= most {
                        return Ok(());
                    }
                    let (key, bytes) = (shown(&write.key), bytes.len());
                    let message = format!(
                        "cannot set {key} at {}: {bytes} bytes are over the server's limit of {most} bytes for an item \
                         with its key (its -I raises it)",
                        self.label()
                    );
                    return Err(Error::new(ErrorKind::Limit, message));
                }
            },
        };
        Err(Error::new(ErrorKind::Unfit, format!("cannot set {}: {unfit}", shown(&write.key))))
    }

    /// Begins a listing.
    fn list(&mut self) -> Result<Dump, Error> {
        // The server passes over an item that it still holds for us: it lets go of what it has
        // answered with when it is asked for something else.
        self.link.ask_one("cannot list keys", link::OPENING.to_vec())?;
        Dump::start(&self.link)
    }

    /// The entries of `keys`, asked for with `marks`.
    fn fetch(&mut self, keys: &[StoredKey], marks: &str) -> Result<Vec<Option<Entry>>, Error> {
        let doing = |at: usize| format!("cannot get {}", shown(&keys[at]));
        let keyed = self.named(keys, doing)?;
        let mut replies = Vec::new();
        if let Err(error) = self.link.ask(doing, keyed.iter().map(|key| line("mg", key, marks)), &mut replies) {
            let key = keys.get(replies.len()).filter(|_| error.kind == ErrorKind::Limit);
            return Err(key.map_or(error, |key| self.over(key)));
        }
        let entry = |(at, reply): (usize, Reply)| match reply {
            Reply::Value(marks, bytes) => {
                Ok(Some(Entry { stored: stored(&marks, bytes), ttl: ttl(&marks), tag: None }))
            }
            Reply::Missing => Ok(None),
            reply => Err(self.odd(&doing(at), &reply)),
        };
        replies.into_iter().enumerate().map(entry).collect()
    }

    /// How large an item may be; a server that does not say (a proxy) will say no.
    fn item_most(&mut self) -> Result<usize, Error> {
        if let Some(most) = self.item_most {
            return Ok(most);
        }
        let mut most = usize::MAX;
        let asked = self.link.ask_lines("cannot ask for its limits", b"stats settings\r\n", |line| {
            let said = line.strip_prefix("STAT item_size_max ").and_then(|number| number.parse().ok());
            most = said.unwrap_or(most);
        });
        match asked {
            Err(error) if error.kind == ErrorKind::Unreachable => Err(error),
            _ => Ok(*self.item_most.insert(most)),
        }
    }

    /// Looks at the entries whose ttl is to be kept: each plan then holds for the entry as it is now.
    fn keep(&mut self, kept: &[usize], writes: &[Write], plans: &mut [Plan]) -> Result<(), Error> {
        let doing = |at: usize| format!("cannot set {}", shown(&writes[kept[at]].key));
        let mut replies = Vec::new();
        let requests: Vec<Vec<u8>> = kept.iter().map(|at| line("mg", &plans[*at].key, " t c u")).collect();
        self.link.ask(doing, requests, &mut replies)?;
        let now = now_ms();
        for (place, reply) in replies.into_iter().enumerate() {
            let plan = &mut plans[kept[place]];
            match (reply, writes[kept[place]].condition) {
                (Reply::Done(marks), _) => {
                    let cas = marks.number('c').unwrap_or_default();
                    *plan = Plan { exptime: same_exptime(&marks, now)?, mode: 'R', cas, ..plan.clone() };
                }
                (Reply::Missing, Condition::IfPresent) => *plan = Plan { mode: 'R', cas: 0, ..plan.clone() },
                (Reply::Missing, _) => *plan = Plan { exptime: 0, mode: 'E', cas: 0, ..plan.clone() },
                (reply, _) => return Err(self.odd(&doing(place), &reply)),
            }
        }
        Ok(())
    }

    /// A value met the limit on what is read.
    fn over(&self, key: &StoredKey) -> Error {
        Error::new(
            ErrorKind::Limit,
            format!("cannot get {}: its value is {}", shown(key), self.limits.exceeded("stored")),
        )
    }

    /// The server could not, or answered with something else than memcached does.
    fn odd(&self, doing: &str, reply: &Reply) -> Error {
        let Reply::Refused(words) = reply else {
            let message = format!("{doing} at {}: the server gives another answer than memcached does", self.label());
            return Error::new(ErrorKind::Failed, message);
        };
        // It frees the old item before it finds no room for the new one.
        let gone = if words.starts_with("SERVER_ERROR o") { "; an entry that was there is gone" } else { "" };
        let error = self.link.refused(doing, words);
        Error { message: format!("{}{gone}", error.message), ..error }
    }
}

fn ttl(marks: &Marks) -> Ttl {
    match marks.number('t') {
        None => Ttl::Unknown,
        Some(-1) => Ttl::Never,
        // One that has expired wraps around (1.6.18).
        Some(seconds) if seconds < 0 || seconds > i32::MAX.into() => Ttl::Left(0),
        Some(seconds) => Ttl::Left(seconds.unsigned_abs() * 1000),
    }
}

/// The expiry that keeps the ttl that an item has.
fn same_exptime(marks: &Marks, now: i64) -> Result<i64, Error> {
    let expiry = match ttl(marks) {
        // By the second in which the server is, so that the ttl does not grow.
        Ttl::Left(ms) if ms > RELATIVE_MOST * 1000 => Expiry::At((now - now % 1000).saturating_add_unsigned(ms)),
        Ttl::Left(ms) => Expiry::In(ms),
        Ttl::Never | Ttl::Unknown => Expiry::Never,
    };
    exptime(expiry, now)
}

/// The data of an item.
fn stored(marks: &Marks, bytes: Vec<u8>) -> Stored {
    match flags(marks) {
        0 => Stored::Bytes(bytes),
        flags => Stored::Flagged(flags, bytes),
    }
}

fn flags(marks: &Marks) -> u32 {
    marks.number('f').and_then(|flags| u32::try_from(flags).ok()).unwrap_or_default()
}

/// What a listing tells of an item, and its data where that was fetched.
fn observation(listed: &Listed, entry: Option<Entry>) -> Observation<'_> {
    let now = now_ms();
    let left = |time: i64| Ttl::Left(u64::try_from(time.saturating_mul(1000).saturating_sub(now)).unwrap_or(0));
    Observation {
        key: &listed.key,
        kind: Some(KIND),
        ttl: listed.expires_s.map(|time| if time < 0 { Ttl::Never } else { left(time) }),
        memory: listed.memory,
        idle_s: listed.used_s.map(|time| u64::try_from(now / 1000 - time).unwrap_or(0)),
        length: entry.as_ref().and_then(|entry| entry.stored.as_bytes()).map(|bytes| bytes.len() as u64),
        stored: entry.map(|entry| entry.stored),
        ..Observation::default()
    }
}

/// Milliseconds after the Unix epoch.
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// A key as it stands in messages.
fn shown(key: &StoredKey) -> String {
    format!("`{}`", String::from_utf8_lossy(&key.key))
}
