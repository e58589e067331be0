//! `set`: store a value, or many.

use std::collections::BTreeSet;
use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, TagTtl, Tags, Typed, When};
use super::guard::{Effect, Yes};
use super::{Global, target};
use crate::archive::{Item, Reader, Valued};
use crate::backend::ErrorKind;
use crate::cache::{self, Form, Put, Receipt};
use crate::codec::Codec;
use crate::entry::{Condition, Expiry, Ttl};
use crate::exit::{Exit, Stop};
use crate::layout::{Act, Layout, Name};
use crate::render::{self, Printer, Record, escape};
use crate::value::{Node, Value};

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
    #[command(flatten)]
    tags: Tags,
    #[command(flatten)]
    tag_ttl: TagTtl,
    /// Store every line of a JSONL file, as `get -o jsonl` prints them
    ///
    /// Each has key and value, and may have `ttl_ms`, tag and serializer.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "value", "string", "bytes", "json"])]
    from: Option<OsString>,
    #[command(flatten)]
    yes: Yes,
}

impl Args {
    /// What is done to entries.
    pub(super) fn effect(&self) -> Effect<'_> {
        if self.from.is_some() { Effect::Destroys(&self.yes) } else { Effect::Writes }
    }
}

/// Entries that are written in one round trip, and bytes of their lines.
const BATCH: usize = 1000;
const BATCH_BYTES: u64 = 1 << 20;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    match (&args.key, &args.value) {
        (Some(key), Some(value)) => set_one(args, key, value, global, printer),
        _ => set_many(args, global, printer),
    }
}

fn set_one(args: &Args, key: &OsString, value: &OsString, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let name = args.tags.names(std::slice::from_ref(key), global.escaped)?.remove(0);
    let value_typed = args.typed.value(value, &global.limits())?;
    if value == "-" && matches!(value_typed.root(), Node::Str(span) if value_typed.text(span).ends_with(b"\n")) {
        printer.note("the text from stdin ends with a line end, which is stored too");
    }
    let form = target::codec(global)?.map_or(Form::AsIs, Form::By);
    let mut cache = target::open(global, printer)?;
    cache.keep_tags(args.tag_ttl.expiry());
    let put = Put { name: name.clone(), value: value_typed, form, ..args.put() };
    let expiry = put.expiry;
    let receipts = cache.set(vec![put]).context("cannot set")?;
    let receipt = receipts.into_iter().next().expect("one put has one receipt");
    if records {
        printer.record(&record(&name.key, &receipt))?;
    }
    for note in &receipt.notes {
        printer.note(note);
    }
    if !receipt.written {
        printer.note(&format!("not stored: {}", args.unmet()));
        return Ok(Exit::No);
    }
    printer.note(&format!(
        "stored `{}` as {}, {}{}",
        escape::message(&receipt.stored_key.to_string()),
        receipt.form,
        render::bytes(receipt.size as u64),
        ttl_after(expiry, receipt.ttl_before)
    ));
    caveat(cache.layout(), [receipt.form.as_str()], printer);
    Ok(Exit::Yes)
}

/// What the user must know of the library when values are written in these forms.
fn caveat<'a>(layout: &dyn Layout, forms: impl IntoIterator<Item = &'a str>, printer: &mut Printer) {
    let caveats = forms.into_iter().filter_map(|form| {
        // A store's own type is no chain of layers.
        let codec = Codec::parse(form).ok();
        layout.caveat(Act::Set, &codec.map_or_else(Vec::new, |codec| codec.layers()))
    });
    caveats.collect::<BTreeSet<_>>().into_iter().for_each(|caveat| printer.note(caveat));
}

/// What became of the ttl, in words.
fn ttl_after(expiry: Expiry, before: Option<Ttl>) -> String {
    match (expiry, before) {
        (Expiry::In(ms), _) => format!(", ttl {}", render::ttl(Ttl::Left(ms))),
        (Expiry::At(ms), _) => format!(", ttl {}", render::ttl(Ttl::Left(arguments::ms_until(ms)))),
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
        .with_place(Some(&receipt.stored_key))
        .with("stored", receipt.written)
        .with("serializer", receipt.form.clone())
        .with("size", receipt.size)
        .with("existed", receipt.ttl_before.is_some())
}

impl Args {
    /// What the options say of every entry; key and value are to be filled in.
    fn put(&self) -> Put {
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
        let (name, value, form) =
            (Name { tags: self.tags.tags.clone(), ..Name::default() }, Value::over(Vec::new()), Form::AsIs);
        Put { name, value, form, expiry, condition }
    }

    /// A put of a file under the options: what they say comes before what the line says.
    fn over(&self, line: Valued, codec: Option<&Codec>) -> Result<Put> {
        let options = self.put();
        let expiry = match (options.expiry, line.ttl) {
            (Expiry::Never, _) if self.when.ttl.is_some() => Expiry::Never,
            (Expiry::Never, Ttl::Never) => Expiry::Never,
            (Expiry::Never, Ttl::Left(ms)) => Expiry::In(ms),
            (Expiry::Never, Ttl::Unknown) => {
                return Err(Stop::usage("`ttl_ms` says `unknown`: --ttl says which it gets").into());
            }
            (expiry, _) => expiry,
        };
        Ok(Put {
            form: codec.map_or(line.form, |codec| Form::By(codec.clone())),
            expiry,
            condition: options.condition,
            name: if options.name.tags.is_empty() { line.name } else { Name { tags: options.name.tags, ..line.name } },
            value: line.value,
        })
    }

    fn unmet(&self) -> &'static str {
        if self.if_not_exists { "there is an entry already" } else { "there is no entry" }
    }
}

/// Reads a JSONL file line by line and stores it in batches: memory does not grow with the file.
fn set_many(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let (limits, codec) = (global.limits(), target::codec(global)?);
    super::records(printer)?;
    let name = args.from.as_ref().expect("the parser asks for a key and a value, or for --from");
    let mut source = Reader::new(arguments::source(name)?, limits);
    let mut cache = target::open(global, printer)?;
    cache.keep_tags(args.tag_ttl.expiry());
    let mut progress = printer.progress("storing");
    let mut tally = Tally::default();
    let (mut batch, mut most) = (Vec::with_capacity(BATCH), BATCH_BYTES);
    loop {
        let put = match source.item() {
            Ok(Some(Item::Value(line))) => args.over(*line, codec.as_ref()).map(Some),
            Ok(Some(Item::Held(_))) => Err(Stop::usage("it has what was stored, not a value: import takes it").into()),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let number = source.number();
        let put = put.map_err(|error| tally.ended(&format!("line {number}"), error))?;
        let ended = put.is_none();
        batch.extend(put.map(|put| (number, put)));
        if batch.len() == BATCH || source.bytes() >= most || ended {
            most = source.bytes() + BATCH_BYTES;
            let (lines, puts): (Vec<u64>, Vec<Put>) = std::mem::take(&mut batch).into_iter().unzip();
            let keys: Vec<Vec<u8>> = puts.iter().map(|put| put.name.key.clone()).collect();
            match cache.set(puts) {
                Ok(receipts) => tally.take(&keys, receipts, printer)?,
                Err(error) => return Err(tally.ended(&at_fault(&error, &lines, &keys), error.into())),
            }
            tally.lines = number;
            progress.set(tally.stored + tally.unmet);
        }
        if ended {
            break;
        }
    }
    drop(progress);
    caveat(cache.layout(), tally.forms.iter().map(String::as_str), printer);
    let forms: Vec<&str> = tally.forms.iter().map(String::as_str).collect();
    let forms = if forms.is_empty() { String::new() } else { format!(" as {}", forms.join(", ")) };
    let rest = if tally.unmet > 0 { format!(", {} not: {}", tally.unmet, args.unmet()) } else { String::new() };
    let stored = render::count(tally.stored, "entry", "entries");
    printer.note(&format!("stored {stored}{forms} on {}{rest}", cache.label()));
    Ok(Exit::answer(tally.unmet == 0))
}

/// The line of a batch that an error is about, as far as its key tells; else all of them.
fn at_fault(error: &cache::Error, lines: &[u64], keys: &[Vec<u8>]) -> String {
    let of_key = match error {
        cache::Error::Backend(_) => None,
        cache::Error::Codec { key, .. } | cache::Error::Name { key, .. } | cache::Error::Loss { key, .. } => Some(key),
    };
    let named = keys.iter().zip(lines).filter(|(key, _)| Some(*key) == of_key).map(|(_, line)| line.to_string());
    match (named.collect::<Vec<_>>(), lines) {
        (named, _) if !named.is_empty() => format!("line {}", named.join(" or ")),
        (_, [first, .., last]) => format!("lines {first} to {last}"),
        (_, lines) => format!("line {}", lines.first().unwrap_or(&0)),
    }
}

/// What became of the lines so far.
#[derive(Default)]
struct Tally {
    /// All up to this one are done for certain.
    lines: u64,
    stored: u64,
    unmet: u64,
    forms: BTreeSet<String>,
}

impl Tally {
    /// How it ends when something is wrong with a line, or with the lines since the last that are done.
    fn ended(&self, at: &str, error: anyhow::Error) -> anyhow::Error {
        let partly =
            matches!(error.downcast_ref(), Some(cache::Error::Backend(error)) if error.kind == ErrorKind::Partial);
        if self.stored == 0 && !partly {
            return error.context(at.to_owned());
        }
        let certain = match self.lines {
            0 => "of no line it is certain that it is stored".to_owned(),
            lines => format!("stored for certain are the first {}", render::count(lines, "line", "lines")),
        };
        let rest = format!("the same with the lines from {0} on (`tail -n +{0}`) goes on", self.lines + 1);
        error.context(Stop { exit: Exit::Partial, message: format!("{at}: {certain}; {rest}") })
    }

    fn take(&mut self, keys: &[Vec<u8>], receipts: Vec<Receipt>, printer: &mut Printer) -> Result<()> {
        for (key, receipt) in keys.iter().zip(receipts) {
            if printer.records() == Some(true) {
                printer.record(&record(key, &receipt))?;
            }
            self.stored += u64::from(receipt.written);
            self.unmet += u64::from(!receipt.written);
            if receipt.written {
                self.forms.insert(receipt.form);
            }
        }
        Ok(())
    }
}
