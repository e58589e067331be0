//! `grep`: entries in whose values something stands.

use std::num::NonZeroU64;
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use regex::bytes::{Regex, RegexBuilder};

use super::bulk::{self, Ended, Entries, Give, Names, Selection, Source};
use super::{Global, ls, target};
use crate::cache::{Met, Reader};
use crate::entry::{Entry, Stored};
use crate::exit::{Exit, Stop};
use crate::limits::Limits;
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
    limit: Option<NonZeroU64>,
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
    let (reader, limits) = (cache.reader().clone(), global.limits());
    let search = Search { args, pattern, reader, limits, records: printer.records() == Some(true) };
    let source = Source { connect: &connect, global, names: Names::Matching(&keys, args.selection.kind()) };
    let (mut looked, mut unread, mut first_why, mut found) = (0, 0, None, 0);
    let mut is_full = false;
    let mut progress = printer.progress_of("searching", total);
    let ended = source.entries(
        &mut args.selection.tempo()?,
        |entries, _, give| {
            search.page(entries, give);
            Ok(())
        },
        |some| {
            let Looked { entries, cannot, why, matches } = some;
            (looked, unread, first_why) = (looked + entries, unread + cannot, first_why.take().or(why));
            for one in matches {
                search.show(&one, printer)?;
                found += 1;
                is_full = args.limit.is_some_and(|most| found >= most.get());
                if is_full {
                    return Ok(ControlFlow::Break(()));
                }
            }
            progress.set(looked);
            Ok(ControlFlow::Continue(()))
        },
    );
    drop(progress);
    let entries = || render::count(looked, "entry was", "entries were");
    let ended = ended.map_err(|error| bulk::partly(error, looked, format!("{} searched before this", entries())));
    let ended = ended.context("cannot search")?;
    let entries = render::count(looked, "entry", "entries");
    let full = if is_full { "; stopped at --limit, there may be more" } else { "" };
    printer.note(&format!("{} in {entries} on {}{full}", render::count(found, "match", "matches"), cache.label()));
    if let Some(why) = first_why {
        printer.warn(&format!("{} could not be read: {why}", render::count(unread, "entry", "entries")));
    }
    Ok(match ended {
        Ended::Interrupted => Exit::Interrupted,
        _ if unread > 0 => Exit::Partial,
        _ => Exit::answer(found > 0),
    })
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

/// The work. Threads share it.
struct Search<'a> {
    args: &'a Args,
    pattern: Regex,
    reader: Reader,
    limits: Limits,
    /// Whether matches become records, which have what matched as a value.
    records: bool,
}

/// What was found in some entries.
#[derive(Default)]
struct Looked {
    entries: u64,
    /// Entries that could not be read, and why the first of them.
    cannot: u64,
    why: Option<String>,
    matches: Vec<Match>,
}

struct Match {
    met: Met,
    way: String,
    is_key: bool,
    shown: String,
    value: Option<Value>,
}

/// Matches that are enough to hand them on, and bytes of a value that are.
const MATCHES: usize = 256;
const MATCHED_BYTES: usize = 1 << 20;

impl Search<'_> {
    fn page(&self, entries: Entries, give: Give<'_, Looked>) {
        let mut looked = Looked::default();
        for (met, entry) in entries {
            match entry {
                Ok(None) => {}
                Ok(Some(Entry { stored, .. })) => {
                    looked.entries += 1;
                    if !self.entry(&met, stored, &mut looked, give) {
                        return;
                    }
                }
                Err(why) => {
                    looked.cannot += 1;
                    looked.why.get_or_insert(why);
                }
            }
        }
        give(looked);
    }

    /// Searches an entry; whether to go on.
    fn entry(&self, met: &Met, stored: Stored, looked: &mut Looked, give: Give<'_, Looked>) -> bool {
        let raw = stored.as_bytes().map(<[u8]>::to_vec);
        let value = match self.reader.read(stored) {
            Ok(reading) => reading.value,
            // What is of no known form is bytes.
            Err(_) => Value::of_bytes(raw.unwrap_or_default()),
        };
        let (mut leaves, mut bytes) = (Leaves::of(&value), 0);
        while let Some(Leaf { node, way, is_key }) = leaves.next() {
            if !self.matches(&value, node) {
                continue;
            }
            let alone = self.records.then(|| leaves.alone(node));
            bytes += alone.as_ref().map_or(0, |alone| alone.whole().len as usize);
            let shown = excerpt(&value, node, &self.limits);
            looked.matches.push(Match { met: met.clone(), way: leaves.way(way), is_key, shown, value: alone });
            if self.args.keys_only {
                break;
            }
            if looked.matches.len() >= MATCHES || bytes >= MATCHED_BYTES {
                bytes = 0;
                if !give(std::mem::take(looked)) {
                    return false;
                }
            }
        }
        true
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
            node => self.pattern.is_match(excerpt(value, node, &self.limits).as_bytes()),
        }
    }

    fn show(&self, Match { met, way, is_key, shown, value }: &Match, printer: &mut Printer) -> Result<()> {
        if let Some(value) = value {
            let record = Record::new().with_bytes("key", met.called()).with_place(Some(&met.stored_key));
            if self.args.keys_only {
                return Ok(printer.record(&record)?);
            }
            let record = record.with("path", way.clone()).with("is_key", *is_key);
            return Ok(printer.record(&record.with_value("value", printer.typed(value)?))?);
        }
        if self.args.keys_only {
            return Ok(printer.key(met.called(), b'\n')?);
        }
        // What is called so is not what is there.
        let shown = if *is_key { format!("(the key) {shown}") } else { shown.clone() };
        Ok(printer.line(&format!(
            "{}{}: {}",
            escape::line(met.called()),
            escape::message(way),
            escape::message(&shown)
        ))?)
    }
}
