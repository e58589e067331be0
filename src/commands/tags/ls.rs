//! `tags ls`: the tags of a namespace.

use std::collections::HashSet;

use anyhow::{Context as _, Result};

use super::{Global, KnownNames, Tag, TagTtl, Ttl, target};
use crate::backend::Cursor;
use crate::exit::Exit;
use crate::render::{self, Printer, Record};

/// List the tags of the namespace
///
/// A tag key without expiry was invalidated by the library at least once; how old one with an
/// expiry is follows from the ttl that it began with. The status is 1 when there are none.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    known: KnownNames,
    #[command(flatten)]
    tag_ttl: TagTtl,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = crate::commands::records(printer)?;
    let mut cache = target::open(global, printer)?;
    let known = args.known.of(&cache, global)?;
    let (mut seen, mut rows) = (HashSet::new(), Vec::new());
    let mut cursor = Some(Cursor::Start);
    while let Some(at) = cursor {
        let (page, next) = cache.tags_page(&known, at).context("cannot list the tags")?;
        cursor = next;
        for tag in page {
            if !seen.insert(tag.stored_key.clone()) {
                continue;
            }
            if records {
                printer.record(&record(&tag, args))?;
            } else {
                rows.push(row(&tag, args));
            }
        }
    }
    if !rows.is_empty() {
        printer.table(&["tag", "ttl", "age", "invalidated", "stored key"], &rows)?;
    }
    if seen.is_empty() {
        printer.note(&format!("no tags in this namespace on {}", cache.label()));
    }
    Ok(if seen.is_empty() { Exit::No } else { Exit::Yes })
}

fn row(tag: &Tag, args: &Args) -> Vec<String> {
    let ttl = tag.ttl.unwrap_or(Ttl::Unknown);
    let age = tag.age_ms(args.tag_ttl.ms()).map_or_else(String::new, |age| render::ttl(Ttl::Left(age)));
    let invalidated = if ttl == Ttl::Never { "at least once" } else { "" };
    vec![
        tag.name.clone().unwrap_or_else(|| "?".to_owned()),
        render::ttl(ttl),
        age,
        invalidated.to_owned(),
        tag.stored_key.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}

fn record(tag: &Tag, args: &Args) -> Record {
    let ttl = tag.ttl.unwrap_or(Ttl::Unknown);
    let record = Record::new().with("tag", tag.name.clone()).with_place(tag.stored_key.as_ref());
    let record = record.with_ttl("ttl_ms", ttl).with("age_ms", tag.age_ms(args.tag_ttl.ms()));
    record.with("invalidated", (ttl == Ttl::Never).then_some(true))
}
