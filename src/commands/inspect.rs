//! `inspect`: why an entry decodes as it does.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::{Global, danger, ls, target};
use crate::cache::{Chain, Found, Reading, Unread};
use crate::codec::{self, Fact, flags};
use crate::entry::{Facts, StoredKey, Ttl};
use crate::exit::Exit;
use crate::layout;
use crate::render::{self, Printer, Record, escape};
use crate::value::{Node, Value};

/// Show why an entry decodes as it does
///
/// Stored key, type, size, ttl; each layer with its size and ratio and what was odd; how the chain
/// was found and what else it might have been; the classes that a pickle names.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key, taken literally
    #[arg(value_name = "KEY", value_parser = arguments::key())]
    key: OsString,
    #[command(flatten)]
    tags: Tags,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let names = args.tags.names(std::slice::from_ref(&args.key), global.escaped)?;
    let key = &names[0].key;
    let mut cache = target::open(global, printer)?;
    let tried = || format!("cannot inspect `{}`", escape::line(key));
    let facts = cache.facts(&names).with_context(tried)?.remove(0);
    let found = cache.entries(&names).with_context(tried)?.remove(0);
    let (Some(facts), Found { stored_key: Some(stored_key), entry: Some(entry) }) = (facts, found) else {
        super::miss(key, cache.label(), printer);
        return Ok(Exit::No);
    };
    let report = Report {
        key,
        backend: cache.label().to_owned(),
        facts,
        layout: layout::recognise(&stored_key, entry.stored.as_bytes()),
        usual: cache.layout().serializer(),
        stored_key: &stored_key,
    };
    let reading = cache.reader().read(entry.stored);
    if records {
        printer.record(&report.record(&reading))?;
    } else {
        printer.table(&[], &report.rows(&reading))?;
    }
    // The error is a row of the report.
    let Ok(reading) = reading else { return Ok(Exit::Data) };
    danger::check(&reading.names(), global, printer).with_context(tried)?;
    Ok(Exit::Yes)
}

struct Report<'a> {
    key: &'a [u8],
    stored_key: &'a StoredKey,
    backend: String,
    facts: Facts,
    /// What the stored key is by its looks.
    layout: Option<String>,
    /// The serializer of the layout that was asked for.
    usual: Option<&'static str>,
}

impl Report<'_> {
    fn rows(&self, reading: &Result<Reading, Unread>) -> Vec<Vec<String>> {
        let facts = &self.facts;
        let mut rows = vec![row("key", escape::line(self.key)), row("stored key", self.stored_key.to_string())];
        rows.extend(self.layout.as_ref().map(|layout| row("layout", layout.clone())));
        rows.extend([
            row("backend", self.backend.clone()),
            row("type", facts.kind.clone()),
            row("size", ls::size(facts)),
            row("ttl", render::ttl(facts.ttl)),
        ]);
        rows.extend(facts.tag.as_ref().map(|tag| row("tag", escape::line(tag.as_bytes()))));
        rows.extend(self.usual.map(|usual| row("by default", format!("{usual}, the layout's serializer"))));
        if let Some(item) = &facts.item {
            rows.push(row("flags", flags::shown(item.flags)));
            let read = if item.read { "read" } else { "not read" };
            let used = render::ttl(Ttl::Left(item.idle_s * 1000));
            rows.push(row("last used", format!("{used} ago, {read} since it was written; cas {}", item.cas)));
        }
        match reading {
            Err(error) => rows.push(row("error", error.to_string())),
            Ok(found @ Reading { value, chain }) => {
                let names = found.names();
                rows.push(row("serializer", chain.url.clone()));
                rows.extend(detection_rows(chain));
                rows.extend(chain.stages.iter().flat_map(stage_rows));
                rows.push(row("value", summary(value)));
                rows.extend(named("names", &names.all));
                rows.extend(named("dangerous", &danger::names(&names)));
            }
        }
        rows
    }

    fn record(&self, reading: &Result<Reading, Unread>) -> Record {
        let facts = &self.facts;
        let record = Record::new()
            .with_bytes("key", self.key)
            .with_place(Some(self.stored_key))
            .with("layout", self.layout.clone())
            .with("default_serializer", self.usual)
            .with("backend", self.backend.clone())
            .with("type", facts.kind.clone())
            .with(facts.unit(), facts.size)
            .with_ttl("ttl_ms", facts.ttl)
            .with("tag", facts.tag.clone());
        let record = ls::with_item(record, facts);
        let (Reading { value, chain }, names) = match reading {
            Ok(reading) => (reading, reading.names()),
            Err(error) => return record.with("error", error.to_string()),
        };
        let mut record = record.with("serializer", chain.url.clone());
        if let Some(certainty) = chain.certainty {
            record = record
                .with("certainty", certainty.to_string())
                .with("rivals", chain.rivals.clone())
                .with("why", chain.why.clone());
        }
        let stages: Vec<serde_json::Value> = chain.stages.iter().map(stage_json).collect();
        let record = record.with("layers", stages).with("value", summary(value));
        let dangerous = danger::names(&names);
        record.with("names", names.all).with("dangerous", dangerous)
    }
}

fn row(name: &str, text: String) -> Vec<String> {
    vec![name.to_owned(), text]
}

/// A row a name, the first with the word for all of them.
fn named(word: &str, names: &[String]) -> Vec<Vec<String>> {
    let label = |index| if index == 0 { word } else { "" };
    names.iter().enumerate().map(|(index, name)| row(label(index), escape::line(name.as_bytes()))).collect()
}

fn detection_rows(chain: &Chain) -> Vec<Vec<String>> {
    let Some(certainty) = chain.certainty else { return Vec::new() };
    let mut rows = vec![row("detected", format!("{certainty}: {}", chain.why))];
    if !chain.rivals.is_empty() {
        rows.push(row("or it is", chain.rivals.join(", ")));
    }
    rows
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn stage_rows(stage: &codec::Stage) -> Vec<Vec<String>> {
    let input = render::bytes(stage.input as u64);
    let size = match stage.output {
        Some(output) if stage.input > 0 => {
            let ratio = output as f64 / stage.input as f64;
            format!("{input} -> {} (x{ratio:.2})", render::bytes(output as u64))
        }
        _ => input,
    };
    let mut rows = vec![row("layer", format!("{:<8} {size}", stage.layer))];
    if !stage.facts.is_empty() {
        let facts: Vec<String> = stage.facts.iter().map(|(name, fact)| format!("{name}: {}", words(fact))).collect();
        rows.push(row("", facts.join(", ")));
    }
    rows.extend(stage.notes.iter().map(|note| row("", note.clone())));
    rows
}

fn words(fact: &Fact) -> String {
    match fact {
        Fact::Bytes(count) => render::bytes(*count),
        Fact::Number(number) => number.to_string(),
        Fact::Words(words) => (*words).to_owned(),
        Fact::Text(text) => escape::line(text),
    }
}

fn stage_json(stage: &codec::Stage) -> serde_json::Value {
    let codec::Stage { layer, input, output, facts, notes } = stage;
    let facts: serde_json::Map<_, _> = facts.iter().map(|(name, fact)| (name.replace(' ', "_"), json(fact))).collect();
    serde_json::json!({"layer": layer, "input": input, "output": output, "facts": facts, "notes": notes})
}

fn json(fact: &Fact) -> serde_json::Value {
    match fact {
        Fact::Bytes(number) | Fact::Number(number) => (*number).into(),
        Fact::Words(words) => (*words).into(),
        Fact::Text(text) => String::from_utf8_lossy(text).into(),
    }
}

/// What a value is, in a few words.
fn summary(value: &Value) -> String {
    let count = |id, what: &str| format!("{what} of {}", value.members(id).len());
    match value.root() {
        Node::None => "None".into(),
        Node::Bool(_) => "bool".into(),
        Node::Int(_) | Node::Big(_) => "int".into(),
        Node::Float(_) => "float".into(),
        Node::Str(span) => format!("str of {}", render::count(u64::from(span.len), "byte", "bytes")),
        Node::Bytes(span) => format!("bytes of {}", span.len),
        Node::ByteArray(span) => format!("bytearray of {}", span.len),
        Node::List(id) => count(id, "list"),
        Node::Tuple(id) => count(id, "tuple"),
        Node::Set(id) => count(id, "set"),
        Node::FrozenSet(id) => count(id, "frozenset"),
        Node::Dict(id) => format!("dict of {}", value.members(id).len() / 2),
        Node::Global(id) => format!("the name {}", name(value.global(id))),
        Node::Object(id) => match value.object(id).callable {
            Node::Global(global) => format!("object by {}", name(value.global(global))),
            _ => "object".into(),
        },
        Node::Persistent(_) => "persistent id".into(),
        Node::Extension(code) => format!("extension code {code}"),
        Node::Buffer(_) | Node::ReadOnlyBuffer(_) => "out-of-band buffer".into(),
        Node::Ext(code, span) => format!("msgpack extension {code} of {} bytes", span.len),
        Node::Timestamp(..) => "msgpack timestamp".into(),
    }
}

fn name((module, name): (&[u8], &[u8])) -> String {
    format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name))
}
