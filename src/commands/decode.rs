//! `decode`: bytes to a value. Needs no backend.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::{Global, arguments, danger, get, target};
use crate::entry::Stored;
use crate::exit::{Exit, Stop};
use crate::render::{Format, Printer, Record};

/// Decode bytes, without a backend
///
/// Reads stdin or a file, decodes by -s or by what the bytes show, and prints as `get` does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File; stdin for - or when there is none
    #[arg(value_name = "FILE")]
    file: Option<OsString>,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    if printer.format() == Format::Raw {
        return Err(Stop::usage("-o raw would print the bytes as they came: choose another -o").into());
    }
    let reader = target::reader(global)?;
    let bytes = match &args.file {
        Some(file) if file != "-" => arguments::read_file(file, &global.limits())?,
        _ => arguments::read_stdin(&global.limits())?,
    };
    let reading = reader.read(Stored::Bytes(bytes)).context("cannot decode")?;
    let names = reading.names();
    let record = danger::list(Record::new().with("serializer", reading.chain.url.as_str()), &names);
    let checked = danger::check(&names, global, printer);
    if printer.format() != Format::Jsonl {
        checked?;
        printer.value(&reading.value, get::notation(&reading.chain)).context("cannot show the value")?;
        if let Some(doubt) = get::doubt(&reading.chain) {
            printer.note(&doubt);
        }
        return Ok(Exit::Yes);
    }
    if let Err(error) = checked {
        printer.record(&record.with("error", error.to_string()))?;
        return Err(error);
    }
    let typed = printer.typed(&reading.value)?;
    printer.record(&record.with_value("value", typed))?;
    Ok(Exit::Yes)
}
