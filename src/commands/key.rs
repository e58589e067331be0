//! `key`: the stored key for a key.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::{Global, target};
use crate::entry::StoredKey;
use crate::exit::Exit;
use crate::layout::{Layout, Name, Step};
use crate::render::{Printer, Record, escape};

/// Print the stored key for a key
///
/// What the layout makes of each key, one a line, as the backend has it; of an entry inside a Redis
/// hash the key and the field, with a tab between. The backend is only asked where the layout
/// depends on what it holds (tags), and nothing is written.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keys, taken literally
    #[arg(required = true, value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
    #[command(flatten)]
    tags: Tags,
    /// Show each step from the key to the stored key
    #[arg(long)]
    explain: bool,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let names = args.tags.names(&args.keys, global.escaped)?;
    let layout = target::layout(global)?;
    let found = needed(layout.as_ref(), &names, global, printer)?;
    let mut exit = Exit::Yes;
    for (name, found) in names.iter().zip(&found) {
        let stored = layout.locate(name, found)?;
        if stored.is_none() {
            exit = Exit::No;
            printer.note(&format!(
                "no stored key for `{}`: a tag of it is not there, so no entry is",
                escape::line(&name.key)
            ));
        }
        let steps = if args.explain { layout.explain(name, found)? } else { Vec::new() };
        match (records, &stored) {
            (true, _) => printer.record(&record(name, stored.as_ref(), &steps, args.explain))?,
            (false, Some(stored)) if !args.explain => line(stored, printer)?,
            (false, None) if !args.explain => {}
            (false, _) => {
                let rows: Vec<Vec<String>> =
                    steps.into_iter().map(|step| vec![step.what, escape::line(&step.result)]).collect();
                printer.table(&[], &rows)?;
            }
        }
    }
    Ok(exit)
}

/// What the layout needs to know of each name; the backend is left alone where that is nothing.
fn needed(
    layout: &dyn Layout,
    names: &[Name],
    global: &Global,
    printer: &mut Printer,
) -> Result<Vec<Vec<Option<Vec<u8>>>>> {
    let tags = names.iter().any(|name| !name.tags.is_empty());
    if !tags && names.iter().map(|name| layout.needs(name)).collect::<Result<Vec<_>, _>>()?.iter().all(Vec::is_empty) {
        return Ok(vec![Vec::new(); names.len()]);
    }
    target::open(global, printer)?.needed(names).context("cannot read what the stored key depends on")
}

fn line(stored: &StoredKey, printer: &mut Printer) -> Result<()> {
    match &stored.field {
        None => printer.key(&stored.key, b'\n')?,
        Some(field) => {
            printer.key(&stored.key, b'\t')?;
            printer.key(field, b'\n')?;
        }
    }
    Ok(())
}

fn record(name: &Name, stored: Option<&StoredKey>, steps: &[Step], explain: bool) -> Record {
    let record = Record::new().with_bytes("key", &name.key).with_place(stored);
    if !explain {
        return record;
    }
    let step = |step: &Step| serde_json::json!({"what": step.what, "result": String::from_utf8_lossy(&step.result)});
    record.with("steps", steps.iter().map(step).collect::<Vec<_>>())
}
