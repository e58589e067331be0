//! The subcommands, a file each: its help, its arguments, its `run`.
//!
//! A command decides and reports; what a read or a write is, `Cache` knows, and how things look,
//! `render`.

pub mod arguments;
mod bulk;
mod clear;
mod danger;
mod decode;
mod del;
mod encode;
mod exists;
mod expire;
mod get;
mod incr;
mod inspect;
mod invalidate;
mod key;
mod lines;
mod ls;
mod raw;
mod set;
mod stats;
mod tags;
mod target;
mod ttl;

use anyhow::Result;
use clap::Subcommand;

pub use self::target::Global;
use crate::exit::{Exit, Stop};
use crate::render::{Format, Printer, escape};

/// What to do
#[derive(Debug, Subcommand)]
#[expect(missing_docs, reason = "clap would show a doc here in place of that of the arguments, and no more")]
pub enum Command {
    Get(get::Args),
    Set(set::Args),
    Del(del::Args),
    Invalidate(invalidate::Args),
    Tags(tags::Args),
    Exists(exists::Args),
    Ttl(ttl::Args),
    Expire(expire::Args),
    Incr(incr::Args),
    Clear(clear::Args),
    Ls(ls::Args),
    Inspect(inspect::Args),
    Key(key::Args),
    Stats(stats::Args),
    Raw(raw::Args),
    Decode(decode::Args),
    Encode(encode::Args),
}

impl Command {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever stopped it; [`Exit::of`] says with which status.
    pub fn run(self, global: &Global, printer: &mut Printer) -> Result<Exit> {
        if printer.format() == Format::Csv && !matches!(self, Command::Stats(_)) {
            return Err(Stop::usage("-o csv is for tables, and this command prints none: stats does").into());
        }
        match self {
            Command::Get(args) => get::run(&args, global, printer),
            Command::Set(args) => set::run(&args, global, printer),
            Command::Del(args) => del::run(&args, global, printer),
            Command::Invalidate(args) => invalidate::run(&args, global, printer),
            Command::Tags(args) => tags::run(&args, global, printer),
            Command::Exists(args) => exists::run(&args, global, printer),
            Command::Ttl(args) => ttl::run(&args, global, printer),
            Command::Expire(args) => expire::run(&args, global, printer),
            Command::Incr(args) => incr::run(&args, global, printer),
            Command::Clear(args) => clear::run(&args, global, printer),
            Command::Ls(args) => ls::run(&args, global, printer),
            Command::Inspect(args) => inspect::run(&args, global, printer),
            Command::Key(args) => key::run(&args, global, printer),
            Command::Stats(args) => stats::run(&args, global, printer),
            Command::Raw(args) => raw::run(&args, global, printer),
            Command::Decode(args) => decode::run(&args, global, printer),
            Command::Encode(args) => encode::run(&args, global, printer),
        }
    }
}

/// Whether a command that prints no values prints records, or text.
///
/// # Errors
/// A usage error for the outputs that are for values.
fn records(printer: &Printer) -> Result<bool> {
    let told = "this command prints no values: its outputs are -o text and -o jsonl";
    Ok(printer.records().ok_or_else(|| Stop::usage(told))?)
}

/// Says that nothing is stored for `key`.
fn miss(key: &[u8], place: &str, printer: &mut Printer) {
    printer.note(&format!("no entry `{}` on {place}", escape::line(key)));
}

/// Exact bytes on a terminal would be taken for orders to it.
///
/// # Errors
/// When stdout is one.
fn refuse_terminal(printer: &Printer) -> Result<()> {
    let told = "-o raw writes exact bytes, which a terminal would obey: redirect stdout, or choose another -o";
    if printer.is_terminal() { Err(Stop::usage(told).into()) } else { Ok(()) }
}
