//! `ttl`: how long keys will stay.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags};
use super::{Global, target, unreached};
use crate::cache::Reached;
use crate::exit::Exit;
use crate::layout::Name;
use crate::render::{self, Printer, Record, escape};

/// Print how long keys will stay
///
/// `never` where an entry has no expiry; -o jsonl gives milliseconds. A miss makes the status 1;
/// where a node of a cluster is down, it is 7, and what the others have is said.
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
    let mut missing = Vec::new();
    for (Name { key, .. }, facts) in names.iter().zip(&each) {
        let Some(facts) = facts else {
            missing.push(key.as_slice());
            if records {
                let record = Record::new().with_bytes("key", key).with("hit", serde_json::Value::Null);
                printer.record(&record.with("error", unreached::WHY))?;
            }
            continue;
        };
        let record = Record::new().with_bytes("key", key).with("hit", facts.is_some());
        match facts {
            Some(facts) if records => printer.record(&record.with_ttl("ttl_ms", facts.ttl))?,
            None if records => printer.record(&record)?,
            Some(facts) if names.len() == 1 => printer.line(&render::ttl(facts.ttl))?,
            Some(facts) => printer.line(&format!("{}\t{}", render::ttl(facts.ttl), escape::line(key)))?,
            None => super::miss(key, cache.label(), printer),
        }
    }
    let exit = Exit::answer(each.iter().flatten().all(Option::is_some));
    unreached::end(exit, &missing, names.len(), failure.as_ref())
}
