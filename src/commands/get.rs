//! `get`: the values of keys.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::{Global, danger, target, unreached};
use crate::cache::{Chain, Found, Reached, Reading};
use crate::codec::detect::Certainty;
use crate::entry::{Entry, Stored, StoredKey};
use crate::exit::{Exit, Stop};
use crate::layout::{Act, Name};
use crate::render::text::Notation;
use crate::render::{Format, Printer, Record, escape};

/// Print the values of keys
///
/// Many keys are one round trip. A miss prints nothing on stdout and ends with status 1. Where a node of a
/// cluster is down, what the others have is shown, and the status is 7. Reading never writes, and
/// nothing found in a value is ever run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keys, taken literally
    #[arg(required = true, value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
    #[command(flatten)]
    tags: Tags,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let names = args.tags.names(&args.keys, global.escaped)?;
    if printer.format() == Format::Raw {
        refuse_raw(printer, names.len())?;
    }
    let mut cache = target::open(global, printer)?;
    let Reached { each, failure } = cache.entries_reached(&names).context("cannot get")?;
    if let Some(caveat) = cache.layout().caveat(Act::GetMany, &[]).filter(|_| names.len() > 1) {
        printer.note(caveat);
    }
    let mut exit = Exit::Yes;
    let mut missing = Vec::new();
    for (name, found) in names.iter().zip(each) {
        let key = name.key.as_slice();
        let Some(Found { stored_key, entry }) = found else {
            missing.push(key);
            not_asked(key, printer)?;
            continue;
        };
        let one = match entry {
            None => miss(name, stored_key.as_ref(), cache.label(), printer)?,
            Some(entry) if printer.format() == Format::Raw => raw(entry, printer)?,
            Some(entry) => {
                let Entry { stored, ttl, tag } = entry;
                let kind = stored.kind();
                let flags = if let Stored::Flagged(flags, _) = stored { Some(flags) } else { None };
                let reading = cache.reader().read(stored);
                let record = record(name, stored_key.as_ref()).with("hit", true);
                let record = record.with_ttl("ttl_ms", ttl).with("tag", tag).with("type", kind);
                let record = flags.into_iter().fold(record, |record, flags| record.with("flags", flags));
                let named = reading.as_ref().map(Reading::names).unwrap_or_default();
                let record = danger::list(record, &named);
                let reading = match reading {
                    Ok(reading) => danger::check(&named, global, printer).map(|()| reading),
                    Err(error) => Err(error.into()),
                };
                hit(key, reading, record, names.len(), printer)?
            }
        };
        exit = exit.max(one);
    }
    unreached::end(exit, &missing, names.len(), failure.as_ref())
}

/// Exact bytes are not for a terminal, and those of two values would be taken for one.
fn refuse_raw(printer: &Printer, keys: usize) -> Result<()> {
    super::refuse_terminal(printer)?;
    if keys > 1 {
        return Err(Stop::usage("-o raw takes one key: nothing would say where one value ends").into());
    }
    Ok(())
}

/// What the entry is called, and where that is stored.
fn record(Name { key, tags }: &Name, stored_key: Option<&StoredKey>) -> Record {
    let record = Record::new().with_bytes("key", key);
    let record = if tags.is_empty() { record } else { record.with("tags", tags.clone()) };
    record.with_place(stored_key)
}

/// Neither a hit nor a miss. Why is said in the end, of all such keys.
fn not_asked(key: &[u8], printer: &mut Printer) -> Result<()> {
    if printer.format() == Format::Jsonl {
        let record = Record::new().with_bytes("key", key).with("hit", serde_json::Value::Null);
        printer.record(&record.with("error", unreached::WHY))?;
    }
    Ok(())
}

fn miss(name: &Name, stored_key: Option<&StoredKey>, place: &str, printer: &mut Printer) -> Result<Exit> {
    if printer.format() == Format::Jsonl {
        printer.record(&record(name, stored_key).with("hit", false))?;
    } else {
        super::miss(&name.key, place, printer);
        if stored_key.is_none() {
            printer.note("a tag of it is not there, so that nothing is found under its tags: `tags check` says which");
        }
    }
    Ok(Exit::No)
}

fn raw(entry: Entry, printer: &mut Printer) -> Result<Exit> {
    match entry.stored {
        Stored::Bytes(bytes) | Stored::Flagged(_, bytes) | Stored::Pickle(bytes) => printer.raw(&bytes)?,
        Stored::Text(text) => printer.raw(text.as_bytes())?,
        Stored::Integer(number) => printer.raw(number.to_string().as_bytes())?,
        Stored::Float(number) => printer.raw(number.to_string().as_bytes())?,
        Stored::Members(members) => {
            return Err(Stop::usage(format!("a {} is no one value: -o jsonl shows its members", members.kind())).into());
        }
    }
    Ok(Exit::Yes)
}

/// One value that was found. What cannot be decoded does not stop the others.
fn hit(key: &[u8], reading: Result<Reading>, record: Record, keys: usize, printer: &mut Printer) -> Result<Exit> {
    let printed = match reading {
        Ok(Reading { value, chain }) if printer.format() == Format::Jsonl => {
            let typed = printer.typed(&value)?;
            let record = record.with("serializer", chain.url);
            let record = match chain.certainty {
                Some(certainty) => record.with("certainty", certainty.to_string()),
                None => record,
            };
            printer.record(&record.with_value("value", typed))?;
            return Ok(Exit::Yes);
        }
        Ok(Reading { value, chain }) => {
            if keys > 1 && printer.format() == Format::Text {
                printer.line(&format!("==> {} <==", escape::line(key)))?;
            }
            let printed = printer.value(&value, notation(&chain)).map_err(anyhow::Error::from);
            if let Some(doubt) = doubt(&chain) {
                printer.note(&doubt);
            }
            printed
        }
        Err(error) => {
            if printer.format() == Format::Jsonl {
                printer.record(&record.with("error", error.to_string()))?;
            }
            Err(error)
        }
    };
    match printed {
        Ok(()) => Ok(Exit::Yes),
        Err(error) if Exit::of(&error) == Exit::Data && keys > 1 => {
            printer.error(&format!("cannot show `{}`: {error}", escape::line(key)));
            Ok(Exit::Data)
        }
        Err(error) => Err(error.context(format!("cannot show `{}`", escape::line(key)))),
    }
}

/// What is to be said of a chain that is not the usual one, or was guessed among others as good.
pub fn doubt(chain: &Chain) -> Option<String> {
    let rivals = chain.rivals.join(" or ");
    let guessed = chain.certainty == Some(Certainty::Ambiguous) && !rivals.is_empty();
    let guess = if guessed { format!(", but it may be {rivals}: -s URL says which") } else { String::new() };
    let read = format!("read as {}{guess}", chain.url);
    match &chain.not {
        Some(usual) => Some(format!("not {usual}, the layout's serializer: {read}")),
        None => guessed.then_some(read),
    }
}

/// The notation of the data: Python's for pickles, JSON for the rest.
pub fn notation(chain: &Chain) -> Notation {
    if chain.url.contains("pickle") { Notation::Python } else { Notation::Json }
}
