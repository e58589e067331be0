//! `exists`: whether keys are there.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::{Global, target, unreached};
use crate::cache::Reached;
use crate::exit::Exit;
use crate::layout::Name;
use crate::render::{Printer, Record, escape};

/// Say whether keys exist
///
/// The status is 0 when all of them do, else 1; where a node of a cluster is down, it is 7, and what the
/// others have is said. Does not count as an access.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keys, taken literally
    #[arg(required = true, value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
    #[command(flatten)]
    tags: Tags,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let names = args.tags.names(&args.keys, global.escaped)?;
    let mut cache = target::open(global, printer)?;
    let Reached { each, failure } = cache.facts_reached(&names).context("cannot look")?;
    let (mut all, mut missing) = (true, Vec::new());
    for (Name { key, .. }, facts) in names.iter().zip(&each) {
        let there = facts.as_ref().map(Option::is_some);
        let word = match there {
            Some(true) => "yes",
            Some(false) => "no",
            None => "?",
        };
        all &= there == Some(true);
        missing.extend(there.is_none().then_some(key.as_slice()));
        match records {
            true => printer.record(&Record::new().with_bytes("key", key).with("exists", there))?,
            _ if names.len() == 1 => printer.line(word)?,
            _ => printer.line(&format!("{word:<3} {}", escape::line(key)))?,
        }
    }
    unreached::end(Exit::answer(all), &missing, names.len(), failure.as_ref())
}
