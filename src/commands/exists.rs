//! `exists`: whether keys are there.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::{Global, target};
use crate::exit::Exit;
use crate::layout::Name;
use crate::render::{Printer, Record, escape};

/// Say whether keys exist
///
/// The status is 0 when all of them do, else 1. Does not count as an access.
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
    let facts = cache.facts(&names).context("cannot look")?;
    for (Name { key, .. }, facts) in names.iter().zip(&facts) {
        let word = if facts.is_some() { "yes" } else { "no" };
        match records {
            true => printer.record(&Record::new().with_bytes("key", key).with("exists", facts.is_some()))?,
            _ if names.len() == 1 => printer.line(word)?,
            _ => printer.line(&format!("{word:<3} {}", escape::line(key)))?,
        }
    }
    Ok(Exit::answer(facts.iter().all(Option::is_some)))
}
