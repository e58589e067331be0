//! Reading: entries and facts in as few round trips as their types allow, and within limits.
//!
//! A string is read by GETRANGE, so that no more than the limit comes over the wire whatever the
//! server holds; the key's PTTL goes with it and also tells an empty string from no key. That is one
//! round trip for any number of strings. Hashes, lists, sets, sorted sets and streams answer
//! WRONGTYPE and are then read page by page, for the same reason.

use std::collections::HashSet;

use redis::{Cmd, ServerError, Value};

use super::nodes::Nodes;
use super::turns::Turns;
use super::{command, shown};
use crate::backend::{Error, ErrorKind};
use crate::entry::{Entry, Facts, Members, Stored, StoredKey, StreamItem, Ttl};
use crate::limits::Limits;

/// Members of a first page, when nothing is known of their size yet.
const PAGE_FIRST: u64 = 16;

/// Members of a page at most.
const PAGE_MOST: u64 = 1000;

/// What the first round trip told of a key.
enum Seen {
    /// All there is to know.
    Known(Option<Stored>),
    /// One more question in the second round trip.
    Ask(Question, Cmd),
    /// It is not a string.
    Members,
}

/// What the second round trip asks.
#[derive(Clone, Copy)]
enum Question {
    /// For the data.
    Get,
    /// Whether there is a key, whose data is then empty.
    Exists,
}

/// The entries of `keys`, in their order.
pub fn entries(nodes: &mut Nodes, keys: &[StoredKey], limits: &Limits) -> Result<Vec<Option<Entry>>, Error> {
    let first = keys.iter().flat_map(|key| {
        let data = match &key.field {
            None => command("GETRANGE", &[&key.key, b"0", limits.stored.to_string().as_bytes()]),
            Some(field) => command("HSTRLEN", &[&key.key, field]),
        };
        [data, command("PTTL", &[&key.key])]
    });
    let mut replies = Vec::with_capacity(2 * keys.len());
    nodes.ask(first, &mut replies).map_err(of_pairs)?;
    let mut replies = replies.into_iter();
    let mut seen = Vec::with_capacity(keys.len());
    for key in keys {
        let (data, pttl) = (replies.next().unwrap_or(Value::Nil), replies.next().unwrap_or(Value::Nil));
        let ttl = ttl(nodes, key, pttl)?;
        seen.push((look(nodes, key, data, ttl, limits)?, ttl));
    }

    let asked: Vec<usize> = (0..keys.len()).filter(|at| question(&seen[*at].0).is_some()).collect();
    let second: Vec<Cmd> = seen.iter().filter_map(|(seen, _)| question(seen)).collect();
    let mut answers = Vec::with_capacity(second.len());
    nodes.ask(second, &mut answers).map_err(|error| error.placed(|at| asked[at]))?;
    let mut answers = answers.into_iter();
    let mut entries = Vec::with_capacity(keys.len());
    for (at, (key, (seen, ttl))) in keys.iter().zip(seen).enumerate() {
        let mut members = || members(nodes, key, limits).map_err(|error| error.placed(|_| at));
        let stored = match seen {
            Seen::Known(stored) => stored,
            Seen::Members => members()?,
            Seen::Ask(question, _) => match answers.next().unwrap_or(Value::Nil) {
                Value::ServerError(error) if error.code() == "WRONGTYPE" => members()?,
                answer => answered(nodes, key, question, answer, limits)?,
            },
        };
        entries.push(stored.zip(ttl).map(|(stored, ttl)| Entry { stored, ttl, tag: None }));
    }
    Ok(entries)
}

/// An error about commands of which each key has two, as one about keys.
fn of_pairs(error: Error) -> Error {
    error.placed(|at| at / 2)
}

fn question(seen: &Seen) -> Option<Cmd> {
    match seen {
        Seen::Ask(_, command) => Some(command.clone()),
        _ => None,
    }
}

/// What the reply to the first question about `key` tells.
fn look(nodes: &Nodes, key: &StoredKey, data: Value, ttl: Option<Ttl>, limits: &Limits) -> Result<Seen, Error> {
    let refused = |code: &str| matches!(&data, Value::ServerError(error) if error.code() == code);
    if ttl.is_none() {
        return Ok(Seen::Known(None));
    }
    if refused("WRONGTYPE") && key.field.is_none() {
        return Ok(Seen::Members);
    }
    if refused("NOPERM") && key.field.is_none() {
        // Many an application may GET and no more. The limit is then met after the reading.
        return Ok(Seen::Ask(Question::Get, command("GET", &[&key.key])));
    }
    match (nodes.check(&format!("cannot get {}", shown(key)), data)?, &key.field) {
        (Value::Int(length), Some(field)) => {
            within(key, "stored", length.unsigned_abs(), limits)?;
            Ok(Seen::Ask(Question::Get, command("HGET", &[&key.key, field])))
        }
        // Without a ttl to tell, an empty string and no key look the same.
        (Value::BulkString(bytes), None) if bytes.is_empty() && ttl == Some(Ttl::Unknown) => {
            Ok(Seen::Ask(Question::Exists, command("EXISTS", &[&key.key])))
        }
        (Value::BulkString(bytes), None) => {
            within(key, "stored", bytes.len() as u64, limits)?;
            Ok(Seen::Known(Some(Stored::Bytes(bytes))))
        }
        (reply, _) => Err(odd(&reply)),
    }
}

/// What the reply to the second question about `key` tells.
fn answered(
    nodes: &Nodes,
    key: &StoredKey,
    question: Question,
    answer: Value,
    limits: &Limits,
) -> Result<Option<Stored>, Error> {
    match (nodes.check(&format!("cannot get {}", shown(key)), answer)?, question) {
        (Value::Int(there), Question::Exists) => Ok((there != 0).then(|| Stored::Bytes(Vec::new()))),
        (reply, Question::Exists) => Err(odd(&reply)),
        (Value::Nil, Question::Get) => Ok(None),
        (reply, Question::Get) => {
            let bytes = bytes(reply)?;
            within(key, "stored", bytes.len() as u64, limits)?;
            Ok(Some(Stored::Bytes(bytes)))
        }
    }
}

/// What PTTL said; `None` where there is no key.
fn ttl(nodes: &Nodes, key: &StoredKey, pttl: Value) -> Result<Option<Ttl>, Error> {
    match pttl {
        Value::Int(-2) => Ok(None),
        Value::Int(left) => Ok(Some(u64::try_from(left).map_or(Ttl::Never, Ttl::Left))),
        Value::ServerError(error) if error.code() == "NOPERM" && names_a_command(&error) => Ok(Some(Ttl::Unknown)),
        reply => Err(match nodes.check(&format!("cannot read the ttl of {}", shown(key)), reply) {
            Ok(reply) => odd(&reply),
            Err(error) => error,
        }),
    }
}

/// Whether a command is what the user may not, rather than the key.
fn names_a_command(error: &ServerError) -> bool {
    error.details().is_some_and(|details| details.contains("command"))
}

fn within(key: &StoredKey, limit: &'static str, count: u64, limits: &Limits) -> Result<(), Error> {
    limits.check(limit, count).map_err(|exceeded| over(key, &exceeded))
}

fn over(key: &StoredKey, exceeded: &crate::limits::Exceeded) -> Error {
    Error::new(ErrorKind::Limit, format!("{} is {exceeded}", shown(key)))
}

/// What is left of the limits while members are read.
struct Budget<'a> {
    key: &'a StoredKey,
    limits: &'a Limits,
    members: u64,
    bytes: u64,
}

impl Budget<'_> {
    fn spend(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.members += 1;
        self.bytes += bytes.len() as u64;
        if self.members > self.limits.nodes {
            return Err(over(self.key, &self.limits.exceeded("nodes")));
        }
        if self.bytes > self.limits.stored {
            return Err(over(self.key, &self.limits.exceeded("stored")));
        }
        Ok(())
    }

    /// How many members to ask for: as many as are likely to fit, by the size of those so far.
    fn page(&self) -> u64 {
        if self.members == 0 {
            return PAGE_FIRST;
        }
        let average = (self.bytes / self.members).max(1);
        ((self.limits.stored - self.bytes) / average).clamp(1, PAGE_MOST)
    }
}

/// The members of a value that is not a string; `None` when it is gone.
fn members(nodes: &mut Nodes, key: &StoredKey, limits: &Limits) -> Result<Option<Stored>, Error> {
    let kind = kind(nodes.ask_one(&format!("cannot get {}", shown(key)), command("TYPE", &[&key.key]))?)?;
    let mut budget = Budget { key, limits, members: 0, bytes: 0 };
    let budget = &mut budget;
    let members = match kind.as_str() {
        "hash" => Members::Hash(pairs(scanned(nodes, budget, "HSCAN", 2)?)),
        "set" => Members::Set(scanned(nodes, budget, "SSCAN", 1)?),
        "list" => Members::List(list(nodes, budget)?),
        "zset" => Members::SortedSet(sorted(nodes, budget)?),
        "stream" => Members::Stream(stream(nodes, budget)?),
        "none" => return Ok(None),
        _ => {
            let message = format!("{} holds a `{kind}`, which cannot be read as an entry", shown(key));
            return Err(Error::new(ErrorKind::Unfit, message));
        }
    };
    Ok(Some(Stored::Members(members)))
}

/// The members of a hash (`width` 2) or a set (1) by a cursor, which may show one again: the first
/// of each `width` tells whether it did.
fn scanned(nodes: &mut Nodes, budget: &mut Budget, verb: &str, width: usize) -> Result<Vec<Vec<u8>>, Error> {
    let mut seen = HashSet::new();
    let mut members = Vec::new();
    let (mut cursor, mut by, mut turns) = (0, None, Turns::default());
    loop {
        let mut scan = command(verb, &[&budget.key.key]);
        scan.arg(cursor).arg("COUNT").arg(budget.page());
        let (next, page) = page(ask(nodes, budget, scan)?)?;
        // A cursor that another node has given means nothing: what is seen again is known by then.
        let stale = by.replace(nodes.answered()).is_some_and(|by| by != nodes.answered());
        turns.pass(page.len(), next, budget.limits).map_err(|endless| endless.named(verb, nodes.label()))?;
        for group in page.chunks_exact(width) {
            if seen.insert(group[0].clone()) {
                group.iter().try_for_each(|member| budget.spend(member))?;
                members.extend_from_slice(group);
            }
        }
        cursor = if stale { 0 } else { next };
        if cursor == 0 && !stale {
            return Ok(members);
        }
    }
}

fn list(nodes: &mut Nodes, budget: &mut Budget) -> Result<Vec<Vec<u8>>, Error> {
    let mut members = Vec::new();
    loop {
        let count = budget.page();
        let page = array(ask(nodes, budget, range("LRANGE", budget.key, members.len() as u64, count))?)?;
        let last = (page.len() as u64) < count;
        for member in page {
            let member = bytes(member)?;
            budget.spend(&member)?;
            members.push(member);
        }
        if last {
            return Ok(members);
        }
    }
}

fn sorted(nodes: &mut Nodes, budget: &mut Budget) -> Result<Vec<(Vec<u8>, f64)>, Error> {
    let mut members = Vec::new();
    loop {
        let count = budget.page();
        let mut range = range("ZRANGE", budget.key, members.len() as u64, count);
        range.arg("WITHSCORES");
        // RESP2 has member, score, member …; RESP3 has pairs.
        let mut flat = Vec::new();
        for item in array(ask(nodes, budget, range)?)? {
            match item {
                Value::Array(pair) => flat.extend(pair),
                item => flat.push(item),
            }
        }
        let last = (flat.len() as u64) < 2 * count;
        let mut flat = flat.into_iter();
        while let (Some(member), Some(score)) = (flat.next(), flat.next()) {
            let member = bytes(member)?;
            budget.spend(&member)?;
            members.push((member, number(score)?));
        }
        if last {
            return Ok(members);
        }
    }
}

fn stream(nodes: &mut Nodes, budget: &mut Budget) -> Result<Vec<StreamItem>, Error> {
    let mut items: Vec<StreamItem> = Vec::new();
    loop {
        let start = items.last().map_or("-".to_owned(), |item| format!("({}", item.id));
        let count = budget.page();
        let mut range = command("XRANGE", &[&budget.key.key, start.as_bytes(), b"+"]);
        range.arg("COUNT").arg(count);
        let page = array(ask(nodes, budget, range)?)?;
        let last = (page.len() as u64) < count;
        for item in page {
            let mut parts = array(item)?.into_iter();
            let (Some(id), Some(fields)) = (parts.next(), parts.next()) else { return Err(odd(&Value::Nil)) };
            let id = bytes(id)?;
            budget.spend(&id)?;
            let fields = array(fields)?.into_iter().map(bytes).collect::<Result<Vec<_>, _>>()?;
            fields.iter().try_for_each(|field| budget.spend(field))?;
            items.push(StreamItem { id: String::from_utf8_lossy(&id).into_owned(), fields: pairs(fields) });
        }
        if last {
            return Ok(items);
        }
    }
}

fn range(verb: &str, key: &StoredKey, start: u64, count: u64) -> Cmd {
    let mut range = command(verb, &[&key.key]);
    range.arg(start).arg(start + count - 1);
    range
}

fn ask(nodes: &mut Nodes, budget: &Budget, command: Cmd) -> Result<Value, Error> {
    let named = |error: Error| match error.kind {
        ErrorKind::Limit => over(budget.key, &budget.limits.exceeded("stored")),
        _ => error,
    };
    nodes.ask_one(&format!("cannot get {}", shown(budget.key)), command).map_err(named)
}

fn pairs(flat: Vec<Vec<u8>>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut flat = flat.into_iter();
    std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect()
}

/// What there is to say of `keys` without their data.
pub fn facts(nodes: &mut Nodes, keys: &[StoredKey]) -> Result<Vec<Option<Facts>>, Error> {
    let first = keys.iter().flat_map(|key| {
        let kind = match &key.field {
            None => command("TYPE", &[&key.key]),
            Some(field) => command("HEXISTS", &[&key.key, field]),
        };
        [kind, command("PTTL", &[&key.key])]
    });
    let mut replies = Vec::with_capacity(2 * keys.len());
    nodes.ask(first, &mut replies).map_err(of_pairs)?;
    let mut replies = replies.into_iter();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        let (first, pttl) = (replies.next().unwrap_or(Value::Nil), replies.next().unwrap_or(Value::Nil));
        let ttl = ttl(nodes, key, pttl)?;
        let kind = match (nodes.check(&format!("cannot look at {}", shown(key)), first)?, &key.field) {
            (Value::Int(there), Some(_)) => if there == 0 { "none" } else { "string" }.to_owned(),
            (reply, Some(_)) => return Err(odd(&reply)),
            (reply, None) => kind(reply)?,
        };
        found.push(ttl.filter(|_| kind != "none").map(|ttl| (kind, ttl)));
    }

    let there: Vec<usize> = (0..keys.len()).filter(|at| found[*at].is_some()).collect();
    let lengths = keys.iter().zip(&found).filter_map(|(key, found)| found.as_ref().map(|(kind, _)| size(key, kind)));
    let mut sizes = Vec::new();
    nodes.ask(lengths, &mut sizes).map_err(|error| error.placed(|at| there[at]))?;
    let mut sizes = sizes.into_iter();
    let mut facts = Vec::with_capacity(keys.len());
    for (key, found) in keys.iter().zip(found) {
        let Some((kind, ttl)) = found else {
            facts.push(None);
            continue;
        };
        let size = sizes.next().unwrap_or(Value::Nil);
        match nodes.check(&format!("cannot read the size of {}", shown(key)), size)? {
            Value::Int(size) => facts.push(Some(Facts { kind, size: size.unsigned_abs(), ttl, tag: None, item: None })),
            // Gone since the first question.
            Value::Nil => facts.push(None),
            reply => return Err(odd(&reply)),
        }
    }
    Ok(facts)
}

/// The command that tells the size of a value of `kind`. Modules' types only tell their memory.
fn size(key: &StoredKey, kind: &str) -> Cmd {
    if let Some(field) = &key.field {
        return command("HSTRLEN", &[&key.key, field]);
    }
    match length_verb(kind) {
        Some(verb) => command(verb, &[&key.key]),
        None => command("MEMORY", &[b"USAGE", &key.key]),
    }
}

/// The command that tells the length of what has this type of the server's own.
pub fn length_verb(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "string" => "STRLEN",
        "hash" => "HLEN",
        "list" => "LLEN",
        "set" => "SCARD",
        "zset" => "ZCARD",
        "stream" => "XLEN",
        _ => return None,
    })
}

/// The reply of a SCAN: the next cursor, and what was found.
pub fn page(reply: Value) -> Result<(u64, Vec<Vec<u8>>), Error> {
    let mut parts = array(reply)?.into_iter();
    let (Some(cursor), Some(found)) = (parts.next(), parts.next()) else { return Err(odd(&Value::Nil)) };
    let cursor = bytes(cursor)?;
    let cursor = std::str::from_utf8(&cursor).ok().and_then(|text| text.parse().ok());
    let found = array(found)?.into_iter().map(bytes).collect::<Result<_, _>>()?;
    Ok((cursor.ok_or_else(|| odd(&Value::Nil))?, found))
}

fn kind(reply: Value) -> Result<String, Error> {
    bytes(reply).map(|name| String::from_utf8_lossy(&name).into_owned())
}

fn number(reply: Value) -> Result<f64, Error> {
    match reply {
        Value::Double(number) => Ok(number),
        reply => {
            let text = bytes(reply)?;
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            number.ok_or_else(|| odd(&Value::BulkString(text)))
        }
    }
}

/// The bytes of a reply that is text.
pub fn bytes(reply: Value) -> Result<Vec<u8>, Error> {
    match reply {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Okay => Ok(b"OK".to_vec()),
        reply => Err(odd(&reply)),
    }
}

/// The items of an array, a set or a map, keys and values in turn.
pub fn array(reply: Value) -> Result<Vec<Value>, Error> {
    match reply {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Map(pairs) => Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        reply => Err(odd(&reply)),
    }
}

/// A reply that Redis does not give.
pub fn odd(reply: &Value) -> Error {
    let what = match reply {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "text",
        _ => "a list",
    };
    Error::new(ErrorKind::Failed, format!("the server answered with {what} where Redis answers something else"))
}
