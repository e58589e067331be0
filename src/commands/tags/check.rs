//! `tags check`: whether an entry is live under its tags.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::super::arguments::{self, Tags};
use super::{Global, target};
use crate::entry::StoredKey;
use crate::exit::Exit;
use crate::render::{self, Printer, Record, escape};

/// Say whether an entry is live under its tags
///
/// That is, whether the application would find it under this key and these tags now; where not,
/// because of what. Nothing is read of the value. The status is 1 when it is not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key, taken literally
    #[arg(value_name = "KEY", value_parser = arguments::key())]
    key: OsString,
    #[command(flatten)]
    tags: Tags,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = crate::commands::records(printer)?;
    let names = args.tags.names(std::slice::from_ref(&args.key), global.escaped)?;
    let mut cache = target::open(global, printer)?;
    let missing = cache.missing_tags(&names[0]).context("cannot look at the tags")?;
    let stored_key = cache.locate(&names).context("cannot look at the tags")?.remove(0);
    // Where the tags were found to lead, and not where they may lead by now.
    let places: Vec<StoredKey> = stored_key.iter().cloned().collect();
    let facts = cache.facts_at(&places).context("cannot look")?.pop().flatten();
    let live = facts.is_some();
    if records {
        let record = Record::new().with_bytes("key", &names[0].key).with("tags", names[0].tags.clone());
        let record = record.with_place(stored_key.as_ref()).with("live", live).with("missing_tags", missing);
        printer.record(&match facts {
            Some(facts) => record.with_ttl("ttl_ms", facts.ttl).with(facts.unit(), facts.size),
            None => record,
        })?;
        return Ok(Exit::answer(live));
    }
    printer.line(match (&facts, missing.is_empty()) {
        (Some(_), _) => "live",
        (None, false) => "not live: a tag is not there, so everything stored with it is out of reach",
        (None, true) => "not live: the tags are there, and there is no entry under their values",
    })?;
    for tag in &missing {
        printer.line(&format!("  tag not there: {}", escape::line(tag.as_bytes())))?;
    }
    if let Some(facts) = facts {
        printer.line(&format!("  ttl {}, {}", render::ttl(facts.ttl), super::super::ls::size(&facts)))?;
    }
    if let Some(stored_key) = stored_key {
        printer.line(&format!("  stored key {}", escape::message(&stored_key.to_string())))?;
    }
    Ok(Exit::answer(live))
}
