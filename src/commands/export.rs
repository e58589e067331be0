//! `export`: entries as lines of a file, from which they come back exactly.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::bulk::{self, Ended, Entries, Give, Keeper, Lines, Names, Selection, Source};
use super::{Global, ls, target};
use crate::exit::Exit;
use crate::render::{self, Printer};

/// Write entries to a file, from which import brings them back
///
/// JSON lines: a head, one line an entry with its ttl, tag, flags and exact bytes (base64), and an end
/// with the SHA-256 of all before it, so that a file that was cut is known. --values writes each value
/// in typed JSON in place of its bytes, to be read, searched or changed; what does not decode keeps its
/// bytes. Redis hashes, lists, sets, sorted sets and streams are written too (of streams not the
/// consumer groups). What changes meanwhile is in it as it was when its page was read; while a server's
/// table grows or shrinks an entry may come twice. The status is 7 when an entry could not be read, 1
/// when there was none.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File to make; stdout without one
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    selection: Selection,
    /// Values in typed JSON in place of exact bytes
    #[arg(long)]
    values: bool,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    super::records(printer)?;
    let (_, connect) = target::connect(global, printer)?;
    let mut cache = target::open_by(&connect, global)?;
    ls::tell_what_may_be_missing(&cache, printer);
    let pattern = args.selection.pattern();
    let total = args.selection.total(&mut cache);
    let (reader, limits) = (args.values.then(|| cache.reader().clone()), global.limits());
    let keeper = match args.file.as_ref().filter(|file| file.as_os_str() != "-") {
        None => Keeper::printing(cache.label())?,
        Some(path) => Keeper::create(path, cache.label())?,
    };
    drop(cache);
    let source = Source { connect: &connect, global, names: Names::Matching(&pattern, args.selection.kind()) };
    let mut progress = printer.progress_of("exporting", total);
    let make = |entries: Entries, read_at, give: Give<'_, Lines>| {
        let mut lines = Lines::new();
        for (met, entry) in entries {
            lines.add(&met, entry, read_at, reader.as_ref(), &limits)?;
            if lines.are_many() && !give(std::mem::replace(&mut lines, Lines::new())) {
                return Ok(());
            }
        }
        give(lines);
        Ok(())
    };
    let ended = source.entries(&mut args.selection.tempo()?, make, |lines| {
        keeper.write(lines)?;
        progress.set(keeper.entries());
        Ok(ControlFlow::Continue(()))
    });
    drop(progress);
    let count = keeper.entries();
    let done = ended.map(|ended| if ended == Ended::Interrupted { Exit::Interrupted } else { Exit::answer(count > 0) });
    let done = done.map_err(|error| {
        bulk::partly(error, count, format!("{} written before this", render::count(count, "entry was", "entries were")))
    });
    keeper.finish(done.context("cannot export"), printer)
}
