//! `set`: store a value, or many.

use std::ffi::OsString;
use std::io::BufRead;

use anyhow::{Context as _, Result};

use super::arguments::{self, Typed, When};
use super::{Global, target};
use crate::cache::{Cache, Put, Receipt};
use crate::codec::Codec;
use crate::entry::{Condition, Expiry, Ttl};
use crate::exit::{Exit, Stop};
use crate::limits::Limits;
use crate::render::{self, Format, Printer, Record, escape};
use crate::value::{Node, Value, typed_json};

/// Store a value
///
/// The value is JSON (typed JSON: {"$bytes": ...} and the like) if it parses; text that starts with
/// {, [ or " must parse; other text is a string. An existing entry keeps its serializer unless -s
/// says otherwise, and loses its ttl unless --keep-ttl is given. Nothing is written that would not
/// read back as the same value.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key, taken literally
    #[arg(required_unless_present = "from", value_name = "KEY", value_parser = arguments::key())]
    key: Option<OsString>,
    /// Value; - for stdin, @FILE for a file
    #[arg(required_unless_present = "from", value_name = "VALUE", allow_negative_numbers = true)]
    #[arg(value_parser = arguments::key())]
    value: Option<OsString>,
    #[command(flatten)]
    typed: Typed,
    #[command(flatten)]
    when: When,
    /// Leave the ttl as it is
    #[arg(long, conflicts_with_all = ["ttl", "at"])]
    keep_ttl: bool,
    /// Only when there is no entry
    #[arg(long, visible_alias = "nx")]
    if_not_exists: bool,
    /// Only when there is an entry
    #[arg(long, visible_alias = "xx", conflicts_with = "if_not_exists")]
    if_exists: bool,
    /// Tag of the entry, on disk:
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Store every line of a JSONL file, as `get -o jsonl` prints them: key, value, `ttl_ms`, tag
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "value", "string", "bytes", "json"])]
    from: Option<OsString>,
}

/// Entries that are written in one round trip.
const BATCH: usize = 1000;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    match (&args.key, &args.value) {
        (Some(key), Some(value)) => set_one(args, key, value, global, printer),
        _ => set_many(args, global, printer),
    }
}

fn set_one(args: &Args, key: &OsString, value: &OsString, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let key = arguments::keys(std::slice::from_ref(key)).remove(0);
    let value = args.typed.value(value, &global.limits())?;
    let mut cache = target::open(global, printer)?;
    let put = args.put(key.clone(), value);
    let expiry = put.expiry;
    let receipts = cache.set(vec![put]).context("cannot set")?;
    let receipt = receipts.into_iter().next().expect("one put has one receipt");
    if printer.format() == Format::Jsonl {
        printer.record(&record(&key, &receipt))?;
    }
    for note in &receipt.notes {
        printer.note(note);
    }
    if !receipt.written {
        printer.note(&format!("not stored: {}", args.unmet()));
        return Ok(Exit::No);
    }
    let ttl = ttl_after(expiry, receipt.ttl_before);
    printer.note(&format!(
        "stored `{}` as {}, {}{ttl}",
        escape::line(&receipt.stored_key.key),
        receipt.url,
        render::bytes(receipt.size as u64)
    ));
    Ok(Exit::Yes)
}

/// What became of the ttl, in words.
fn ttl_after(expiry: Expiry, before: Option<Ttl>) -> String {
    match (expiry, before) {
        (Expiry::In(ms), _) => format!(", ttl {}", render::ttl(Ttl::Left(ms))),
        (Expiry::At(_), _) => ", with the expiry given".into(),
        (Expiry::Keep, Some(Ttl::Left(ms))) => format!(", ttl of {} kept", render::ttl(Ttl::Left(ms))),
        (Expiry::Keep, _) => ", no ttl".into(),
        (Expiry::Never, Some(Ttl::Left(ms))) => {
            format!(", no ttl: the one of {} is gone (--keep-ttl keeps it)", render::ttl(Ttl::Left(ms)))
        }
        (Expiry::Never, _) => ", no ttl".into(),
    }
}

fn record(key: &[u8], receipt: &Receipt) -> Record {
    Record::new()
        .with_bytes("key", key)
        .with_bytes("stored_key", &receipt.stored_key.key)
        .with("stored", receipt.written)
        .with("serializer", receipt.url.clone())
        .with("size", receipt.size)
        .with("existed", receipt.ttl_before.is_some())
}

impl Args {
    fn put(&self, key: Vec<u8>, value: Value) -> Put {
        let expiry = match self.when.ttl.or(self.when.at) {
            Some(expiry) => expiry,
            None if self.keep_ttl => Expiry::Keep,
            None => Expiry::Never,
        };
        let condition = match (self.if_not_exists, self.if_exists) {
            (true, _) => Condition::IfAbsent,
            (_, true) => Condition::IfPresent,
            _ => Condition::Always,
        };
        Put { key, value, expiry, condition, tag: self.tag.clone() }
    }

    fn unmet(&self) -> &'static str {
        if self.if_not_exists { "there is an entry already" } else { "there is no entry" }
    }
}

/// Reads a JSONL file line by line and stores it in batches: memory does not grow with the file.
fn set_many(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let limits = global.limits();
    let name = args.from.as_ref().expect("the parser asks for a key and a value, or for --from");
    let mut source: Box<dyn BufRead> = if name == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let shown = std::path::Path::new(name).display();
        let file = std::fs::File::open(name).map_err(|error| Stop::usage(format!("cannot open {shown}: {error}")))?;
        Box::new(std::io::BufReader::new(file))
    };
    let mut cache = target::open(global, printer)?;
    let mut progress = printer.progress("storing");
    let (mut stored, mut unmet, mut number) = (0_u64, 0_u64, 0_u64);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let line = next_line(&mut source, &limits).with_context(|| format!("line {}", number + 1))?;
        if let Some(line) = &line {
            number += 1;
            if let Some(put) = args.parse(line, &limits).with_context(|| told(number, stored))? {
                batch.push(put);
            }
        }
        if batch.len() == BATCH || line.is_none() {
            let written =
                flush(&mut cache, std::mem::take(&mut batch), printer).with_context(|| told(number, stored))?;
            stored += written.0;
            unmet += written.1;
            progress.set(stored + unmet);
        }
        if line.is_none() {
            break;
        }
    }
    drop(progress);
    let rest = if unmet > 0 { format!(", {unmet} not: {}", args.unmet()) } else { String::new() };
    printer.note(&format!("stored {stored} entries on {}{rest}", cache.label()));
    Ok(if unmet > 0 { Exit::No } else { Exit::Yes })
}

fn told(number: u64, stored: u64) -> String {
    format!("line {number} ({stored} entries were stored before it)")
}

fn next_line(source: &mut dyn BufRead, limits: &Limits) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // A key and its base64 stand around a value that is limited by itself.
    let most = limits.stored.saturating_mul(2);
    std::io::Read::take(&mut *source, most + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > most {
        return Err(limits.exceeded("stored").into());
    }
    Ok(if line.is_empty() { None } else { Some(line) })
}

fn flush(cache: &mut Cache, batch: Vec<Put>, printer: &mut Printer) -> Result<(u64, u64)> {
    let keys: Vec<Vec<u8>> = batch.iter().map(|put| put.key.clone()).collect();
    let receipts = cache.set(batch)?;
    let written = receipts.iter().filter(|receipt| receipt.written).count() as u64;
    if printer.format() == Format::Jsonl {
        for (key, receipt) in keys.iter().zip(&receipts) {
            printer.record(&record(key, receipt))?;
        }
    }
    Ok((written, receipts.len() as u64 - written))
}

impl Args {
    /// A line of JSONL as a put; `None` for a blank line and for a recorded miss.
    fn parse(&self, line: &[u8], limits: &Limits) -> Result<Option<Put>> {
        if line.trim_ascii().is_empty() {
            return Ok(None);
        }
        let json = Codec::parse("json://").expect("the layer is in the table");
        let decoded = json.decode(line.to_vec(), limits).map_err(|error| Stop::usage(error.to_string()))?;
        let fields = Fields::of(&decoded.value)?;
        if fields.find("hit").is_some_and(|hit| hit == Node::Bool(false)) {
            return Ok(None);
        }
        let key = fields.find("key").ok_or_else(|| Stop::usage("there is no `key`"))?;
        let value = fields.find("value").ok_or_else(|| Stop::usage("there is no `value`"))?;
        let key = fields.part(key, limits)?;
        let key = match key.root() {
            Node::Str(span) | Node::Bytes(span) => key.text(span).to_vec(),
            _ => return Err(Stop::usage("`key` is neither text nor {\"$bytes\": …}").into()),
        };
        let mut put = self.put(key, fields.part(value, limits)?);
        if self.when.ttl.or(self.when.at).is_none() && !self.keep_ttl {
            put.expiry = match fields.find("ttl_ms") {
                None | Some(Node::None) => Expiry::Never,
                Some(Node::Int(ms)) if ms > 0 => Expiry::In(ms.unsigned_abs()),
                Some(_) => {
                    return Err(Stop::usage("`ttl_ms` is neither a positive number of milliseconds nor null").into());
                }
            };
        }
        if let (None, Some(Node::Str(span))) = (&put.tag, fields.find("tag")) {
            put.tag = Some(String::from_utf8_lossy(decoded.value.text(span)).into_owned());
        }
        Ok(Some(put))
    }
}

/// The fields of one line.
struct Fields<'a> {
    value: &'a Value,
    pairs: &'a [Node],
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value) -> Result<Fields<'a>> {
        match value.root() {
            Node::Dict(id) => Ok(Fields { value, pairs: value.members(id) }),
            _ => Err(Stop::usage("it is no JSON object").into()),
        }
    }

    fn find(&self, name: &str) -> Option<Node> {
        let is = |node: &Node| matches!(node, Node::Str(span) if self.value.text(*span) == name.as_bytes());
        self.pairs.chunks_exact(2).find(|pair| is(&pair[0])).map(|pair| pair[1])
    }

    /// A field as a value of its own.
    fn part(&self, node: Node, limits: &Limits) -> Result<Value> {
        let mut part = self.value.clone();
        part.set_root(node);
        Ok(typed_json::lift(&part, limits).map_err(|error| Stop::usage(error.to_string()))?)
    }
}
