//! `diff`: in which entries two backends differ.

use std::num::NonZeroU64;
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};

use super::bulk::{self, Ended, Entries, Give, Names, Selection, Source, Tempo};
use super::{Global, ls, target};
use crate::cache::{Cache, Met, Reader};
use crate::entry::{Entry, Members, Stored, StoredKey};
use crate::exit::Exit;
use crate::render::text::excerpt;
use crate::render::{self, Printer, Record, escape};
use crate::secret::redact;

/// Say in which entries two backends differ
///
/// OTHER is a backend URL, or @NAME for a profile. Entries are compared by stored key and exact bytes,
/// or with --values by what they decode to, so that another compressor or protocol is no difference; ttls
/// are not compared. A difference makes the status 1. What changes while it is looked at may be reported.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The other place: a backend URL, or @NAME
    #[arg(value_name = "OTHER")]
    other: String,
    /// Compare values, however they are encoded, and show both
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    selection: Selection,
    /// Stop after so many differences
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroU64>,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    super::records(printer)?;
    let mut other = global.elsewhere(&args.other)?;
    let pattern = args.selection.pattern();
    let (_, connect) = target::connect(global, printer)?;
    let mut here = target::open_by(&connect, global)?;
    // What is walked over is the same on both: names that both layouts would give are compared as stored.
    (other.layout, other.namespace) = (global.layout.clone(), global.namespace.clone());
    let place = || format!("the other place {}", redact(&args.other));
    let (_, connect_other) = target::connect(&other, printer).with_context(place)?;
    let mut there = target::open_by(&connect_other, &other).with_context(place)?;
    ls::tell_what_may_be_missing(&here, printer);
    ls::tell_what_may_be_missing(&there, printer);
    let reader = args.values.then(|| here.reader().clone());
    let mut diff = Diff { args, reader, compared: 0, found: 0, unread: 0, why: None };
    let mut tempo = args.selection.tempo()?;
    let names = Names::Matching(&pattern, args.selection.kind());
    let source = Source { connect: &connect, global, names };
    let compare = |diff: &mut Diff<'_>, entries, printer: &mut Printer| diff.compare(entries, &mut there, printer);
    let mut ended = diff.over(&source, &mut tempo, "comparing", printer, compare)?;
    if ended == Ended::Whole {
        let source = Source { connect: &connect_other, global: &other, names };
        let look =
            |diff: &mut Diff<'_>, entries, printer: &mut Printer| diff.look_for_more(entries, &mut here, printer);
        ended = diff.over(&source, &mut tempo, "looking for more there", printer, look)?;
    }
    let (entries, differ) = (render::count(diff.compared, "entry", "entries"), diff.found);
    let full = if diff.is_full() { "; stopped at --limit, there may be more" } else { "" };
    printer.note(&format!("{differ} of {entries} differ between {} and {}{full}", here.label(), there.label()));
    if let Some(why) = &diff.why {
        printer.warn(&format!("{} could not be read: {why}", render::count(diff.unread, "entry", "entries")));
    }
    Ok(match ended {
        Ended::Interrupted => Exit::Interrupted,
        _ if diff.unread > 0 => Exit::Partial,
        _ => Exit::answer(diff.found == 0),
    })
}

/// The work.
struct Diff<'a> {
    args: &'a Args,
    /// What makes values, where those are compared.
    reader: Option<Reader>,
    compared: u64,
    found: u64,
    unread: u64,
    why: Option<String>,
}

impl Diff<'_> {
    fn is_full(&self) -> bool {
        self.args.limit.is_some_and(|most| self.found >= most.get())
    }

    /// Walks over one side.
    fn over(
        &mut self,
        source: &Source<'_>,
        tempo: &mut Tempo,
        what: &'static str,
        printer: &mut Printer,
        mut look: impl FnMut(&mut Self, Entries, &mut Printer) -> Result<()>,
    ) -> Result<Ended> {
        let mut progress = printer.progress(what);
        let make = |entries: Entries, _, give: Give<'_, Entries>| {
            give(entries);
            Ok(())
        };
        let ended = source.entries(tempo, make, |entries| {
            look(self, entries, printer)?;
            progress.set(self.compared);
            Ok(if self.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        drop(progress);
        let entries = || render::count(self.compared, "entry was", "entries were");
        ended
            .map_err(|error| bulk::partly(error, self.compared, format!("{} compared before this", entries())))
            .context("cannot compare")
    }

    /// Entries of the first side, each with the one of the same stored key on the other.
    fn compare(&mut self, fetched: Entries, there: &mut Cache, printer: &mut Printer) -> Result<()> {
        let keys: Vec<StoredKey> = fetched.iter().map(|(met, _)| met.stored_key.clone()).collect();
        let others = bulk::entries(there, &keys)?;
        for ((met, one), other) in fetched.into_iter().zip(others) {
            match (one, other) {
                (Ok(None), _) => {}
                (Ok(Some(_)), Ok(None)) => {
                    self.compared += 1;
                    self.tell(&met, "here", None, printer)?;
                }
                (Ok(Some(Entry { stored: one, .. })), Ok(Some(Entry { stored: other, .. }))) => {
                    self.compared += 1;
                    if !self.are_same(&one, &other) {
                        self.tell(&met, "value", Some((one, other)), printer)?;
                    }
                }
                (Err(why), _) | (_, Err(why)) => {
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

    /// Entries of the other side: those that the first has are compared already.
    fn look_for_more(&mut self, fetched: Entries, here: &mut Cache, printer: &mut Printer) -> Result<()> {
        let keys: Vec<StoredKey> = fetched.iter().map(|(met, _)| met.stored_key.clone()).collect();
        for ((met, entry), facts) in fetched.into_iter().zip(here.facts_at(&keys)?) {
            if let (Err(why), None) = (&entry, &facts) {
                self.unread += 1;
                self.why.get_or_insert_with(|| why.clone());
            }
            if facts.is_none() && matches!(entry, Ok(Some(_))) && !self.is_full() {
                self.compared += 1;
                self.tell(&met, "there", None, printer)?;
            }
        }
        Ok(())
    }

    fn are_same(&self, one: &Stored, other: &Stored) -> bool {
        if in_order(one) == in_order(other) {
            return true;
        }
        let Some(reader) = &self.reader else { return false };
        match (reader.read(one.clone()), reader.read(other.clone())) {
            (Ok(one), Ok(other)) => one.value.same(&other.value),
            _ => false,
        }
    }

    fn tell(
        &mut self,
        met: &Met,
        differs: &'static str,
        both: Option<(Stored, Stored)>,
        printer: &mut Printer,
    ) -> Result<()> {
        self.found += 1;
        let sides = both.map(|(one, other)| [self.side(one), self.side(other)]);
        if printer.records() == Some(true) {
            let record = Record::new().with_bytes("key", met.called()).with_place(Some(&met.stored_key));
            let record = record.with("differs", differs);
            let record =
                sides.into_iter().fold(record, |record, [one, other]| record.with("here", one).with("there", other));
            return Ok(printer.record(&record)?);
        }
        let key = escape::line(met.called());
        match (differs, sides) {
            ("here", _) => printer.line(&format!("only here   {key}"))?,
            ("there", _) => printer.line(&format!("only there  {key}"))?,
            (_, Some([one, other])) => {
                printer.line(&format!("differs     {key}"))?;
                printer.line(&format!("  here      {}", escape::message(&one)))?;
                printer.line(&format!("  there     {}", escape::message(&other)))?;
            }
            (_, None) => printer.line(&format!("differs     {key}"))?,
        }
        Ok(())
    }

    /// One side of a difference: its value where values are compared, else its type and size.
    fn side(&self, stored: Stored) -> String {
        let (kind, size) = (stored.kind(), stored.as_bytes().map(<[u8]>::len));
        let reading = self.reader.as_ref().and_then(|reader| reader.read(stored).ok());
        match (reading, size) {
            (Some(reading), _) => excerpt(&reading.value, reading.value.root(), &crate::limits::Limits::DEFAULT),
            (None, Some(size)) => format!("{kind}, {}", render::bytes(size as u64)),
            (None, None) => kind.to_owned(),
        }
    }
}

/// Hashes and sets have no order; each server has its own.
fn in_order(stored: &Stored) -> Stored {
    let mut stored = stored.clone();
    match &mut stored {
        Stored::Members(Members::Hash(pairs)) => pairs.sort_unstable(),
        Stored::Members(Members::Set(items)) => items.sort_unstable(),
        _ => {}
    }
    stored
}
