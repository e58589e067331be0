//! `grep`: entries in whose values something stands.

use anyhow::{Context as _, Result};
use regex::bytes::{Regex, RegexBuilder};

use super::bulk::{self, Entries, Fetched, Selection, Source};
use super::{Global, ls, target};
use crate::cache::{Met, Reader};
use crate::entry::{Entry, Stored};
use crate::exit::{Exit, Stop};
use crate::render::text::excerpt;
use crate::render::{self, Printer, Record, escape};
use crate::value::leaves::{Leaf, Leaves};
use crate::value::{Node, Value};

/// Find what stands in values
///
/// Values are decoded, and the pattern is looked for in each text, number and name in them, not in the
/// compressed or pickled bytes. Each match is printed with its key, the way to it in the value and what
/// stands there; where the name of a member matches, it is marked. What does not decode is searched as
/// bytes. The walk is paced as all bulk reading is; the status is 1 when nothing matched and 7 when an
/// entry could not be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Regular expression; . ? * + [a-z] (a|b) ^ $ and \ before a literal character
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Take the pattern as text
    #[arg(short = 'F', long)]
    fixed_strings: bool,
    /// Upper and lower case are the same
    #[arg(short, long)]
    ignore_case: bool,
    /// Only the keys of entries that match
    #[arg(long)]
    keys_only: bool,
    /// Stop after so many matches
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    selection: Selection,
}

/// Bytes that the compiled pattern may take.
const PATTERN_MOST: usize = 1 << 20;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    super::records(printer)?;
    let text = if args.fixed_strings { regex::escape(&args.pattern) } else { args.pattern.clone() };
    let pattern = RegexBuilder::new(&text).case_insensitive(args.ignore_case).size_limit(PATTERN_MOST).build();
    let pattern = pattern.map_err(|error| Stop::usage(slip(&args.pattern, &error.to_string())))?;
    let (_, connect) = target::connect(global, printer)?;
    let mut cache = target::open_by(&connect, global)?;
    ls::tell_what_may_be_missing(&cache, printer);
    let keys = args.selection.pattern();
    let total = args.selection.total(&mut cache);
    let mut search =
        Search { args, pattern, reader: cache.reader().clone(), found: 0, looked: 0, unread: 0, why: None };
    let source = Source { connect: &connect, global, pattern: &keys, kind: args.selection.kind() };
    let mut tempo = args.selection.tempo()?;
    let mut progress = printer.progress_of("searching", total);
    let ended = source.ahead(tempo.batch(), bulk::fetch, |pages| {
        for page in pages {
            let Fetched { entries, took, .. } = page?;
            let count = entries.len();
            search.page(entries, global, printer)?;
            progress.set(search.looked);
            if search.is_full() {
                break;
            }
            if !tempo.passed(count, took) {
                return Ok(Exit::Interrupted);
            }
        }
        Ok(Exit::answer(search.found > 0))
    });
    drop(progress);
    let partly = |error: anyhow::Error| {
        let entries = render::count(search.looked, "entry was", "entries were");
        let stop = Stop { exit: Exit::Partial, message: format!("{entries} searched before this") };
        if search.looked > 0 { error.context(stop) } else { error }
    };
    let exit = ended.map_err(partly).context("cannot search")?;
    let entries = render::count(search.looked, "entry", "entries");
    let full = if search.is_full() { "; stopped at --limit, there may be more" } else { "" };
    printer.note(&format!(
        "{} in {entries} on {}{full}",
        render::count(search.found, "match", "matches"),
        cache.label()
    ));
    if let Some(why) = &search.why {
        let entries = render::count(search.unread, "entry", "entries");
        printer.warn(&format!("{entries} could not be read: {why}"));
    }
    Ok(if search.unread > 0 && exit <= Exit::No { Exit::Partial } else { exit })
}

/// Characters of a pattern, or of what is wrong with it, that are shown.
const SHOWN: usize = 200;

/// What is wrong with a pattern: the last line of it says that, after the pattern itself with marks under it.
fn slip(pattern: &str, error: &str) -> String {
    let cut = |text: &str| {
        let short: String = text.chars().take(SHOWN).collect();
        if short.len() < text.len() { format!("{short}…") } else { short }
    };
    let reason = error.lines().next_back().unwrap_or_default().trim_start_matches("error: ");
    format!("`{}` is no pattern: {}", cut(pattern), cut(reason))
}

/// The work.
struct Search<'a> {
    args: &'a Args,
    pattern: Regex,
    reader: Reader,
    found: u64,
    looked: u64,
    unread: u64,
    why: Option<String>,
}

impl Search<'_> {
    fn is_full(&self) -> bool {
        self.args.limit.is_some_and(|most| self.found >= most)
    }

    fn page(&mut self, entries: Entries, global: &Global, printer: &mut Printer) -> Result<()> {
        for (met, entry) in entries {
            match entry {
                Ok(None) => {}
                Ok(Some(Entry { stored, .. })) => {
                    self.looked += 1;
                    self.entry(&met, stored, global, printer)?;
                }
                Err(why) => {
                    self.unread += 1;
                    self.why.get_or_insert(why);
                }
            }
            if self.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn entry(&mut self, met: &Met, stored: Stored, global: &Global, printer: &mut Printer) -> Result<()> {
        let raw = stored.as_bytes().map(<[u8]>::to_vec);
        let value = match self.reader.read(stored) {
            Ok(reading) => reading.value,
            // What is of no known form is bytes.
            Err(_) => Value::of_bytes(raw.unwrap_or_default()),
        };
        let mut leaves = Leaves::of(&value);
        while let Some(Leaf { node, way, is_key }) = leaves.next() {
            if !self.matches(&value, node) {
                continue;
            }
            self.found += 1;
            let shown = Leaf { node, way, is_key };
            self.show(met, &leaves, &value, shown, global, printer)?;
            if self.args.keys_only || self.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn matches(&self, value: &Value, node: Node) -> bool {
        let mut digits = itoa::Buffer::new();
        match node {
            Node::Str(span) | Node::Bytes(span) | Node::ByteArray(span) | Node::Ext(_, span) => {
                self.pattern.is_match(value.text(span))
            }
            Node::Int(number) => self.pattern.is_match(digits.format(number).as_bytes()),
            Node::Global(id) => {
                let (module, name) = value.global(id);
                self.pattern.is_match(&[module, b".", name].concat())
            }
            node => self.pattern.is_match(excerpt(value, node, &self.reader.limits()).as_bytes()),
        }
    }

    fn show(
        &self,
        met: &Met,
        leaves: &Leaves<'_>,
        value: &Value,
        Leaf { node, way, is_key }: Leaf,
        global: &Global,
        printer: &mut Printer,
    ) -> Result<()> {
        let way = leaves.way(way);
        if printer.records() == Some(true) {
            let record = Record::new().with_bytes("key", met.called()).with_place(Some(&met.stored_key));
            if self.args.keys_only {
                return Ok(printer.record(&record)?);
            }
            let mut part = value.clone();
            part.set_root(node);
            let record = record.with("path", way).with("is_key", is_key).with_value("value", printer.typed(&part)?);
            return Ok(printer.record(&record)?);
        }
        if self.args.keys_only {
            return Ok(printer.key(met.called(), b'\n')?);
        }
        let shown = excerpt(value, node, &global.limits());
        // What is called so is not what is there.
        let shown = if is_key { format!("(the key) {shown}") } else { shown };
        Ok(printer.line(&format!(
            "{}{}: {}",
            escape::line(met.called()),
            escape::message(&way),
            escape::message(&shown)
        ))?)
    }
}
