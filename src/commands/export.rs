//! `export`: entries as lines of a file, from which they come back exactly.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::bulk::{self, Fetched, Keeper, Selection, Source, Tempo};
use super::{Global, ls, target};
use crate::exit::{Exit, Stop};
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
    let reader = args.values.then(|| cache.reader().clone());
    let (label, limits) = (cache.label().to_owned(), global.limits());
    let mut keeper = match args.file.as_ref().filter(|file| file.as_os_str() != "-") {
        None => Keeper::printing(&label, reader, &limits)?,
        Some(path) => Keeper::create(path, &label, reader, &limits)?,
    };
    drop(cache);
    let source = Source { connect: &connect, global, pattern: &pattern, kind: args.selection.kind() };
    let done = export(&source, &mut keeper, args.selection.tempo()?, total, printer);
    let count = keeper.entries();
    let done = done.map_err(|error| if count > 0 { error.context(partly(count)) } else { error });
    keeper.finish(done.context("cannot export"), printer)
}

fn export(
    source: &Source<'_>,
    keeper: &mut Keeper,
    mut tempo: Tempo,
    total: Option<u64>,
    printer: &mut Printer,
) -> Result<Exit> {
    let mut progress = printer.progress_of("exporting", total);
    let ended = source.ahead(tempo.batch(), bulk::fetch, |pages| {
        for page in pages {
            let Fetched { entries, at, took } = page?;
            keeper.write(&entries, at)?;
            progress.set(keeper.entries());
            if !tempo.passed(entries.len(), took) {
                return Ok(Exit::Interrupted);
            }
        }
        Ok(Exit::answer(keeper.entries() > 0))
    });
    drop(progress);
    ended
}

fn partly(count: u64) -> Stop {
    let entries = render::count(count, "entry was", "entries were");
    Stop { exit: Exit::Partial, message: format!("{entries} written before this") }
}
