//! `incr`: add to a counter.

use std::ffi::OsString;

use anyhow::{Context as _, Result};
use serde_json::Number;

use super::arguments::{self, Tags, When};
use super::{Global, target};
use crate::entry::Expiry;
use crate::exit::Exit;
use crate::render::{Printer, Record};

/// Add to a counter, and print its value
///
/// In one step, whoever else counts. A counter begins at 0 where there is no entry; one that holds no
/// integer in decimal is left as it is. --ttl and --at are for a counter that this creates, as rate
/// limiters want it: one that is there keeps its ttl (expire changes it).
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Key, taken literally
    #[arg(value_name = "KEY", value_parser = arguments::key())]
    key: OsString,
    /// Add so much; below 0 to count down
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    by: i64,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    tags: Tags,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let name = args.tags.names(std::slice::from_ref(&args.key), global.escaped)?.remove(0);
    let expiry = args.when.ttl.or(args.when.at).unwrap_or(Expiry::Never);
    let mut cache = target::open(global, printer)?;
    let (place, number) = cache.increment(&name, args.by, expiry).context("cannot count")?;
    if records {
        let record = Record::new().with_bytes("key", &name.key).with_place(Some(&place));
        let number = Number::from_i128(number).expect("numbers of any size are kept (`arbitrary_precision`)");
        printer.record(&record.with("value", number))?;
    } else {
        printer.line(&number.to_string())?;
    }
    Ok(Exit::Yes)
}
