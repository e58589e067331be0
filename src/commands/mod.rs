//! The subcommands, a file each: its help, its arguments, its `run`.
//!
//! A command decides and reports; what a read or a write is, `Cache` knows, and how things look,
//! `render`.

pub mod arguments;
mod bench;
mod bulk;
mod clear;
mod config;
mod danger;
mod decode;
mod del;
mod encode;
mod exists;
mod expire;
mod get;
mod global;
mod incr;
mod inspect;
mod invalidate;
mod key;
mod lines;
mod login;
mod ls;
mod raw;
mod set;
mod stats;
mod tags;
mod target;
mod ttl;

use anyhow::Result;
use clap::Subcommand;

pub use self::global::{Flags, Global};
use crate::exit::{Exit, Stop};
use crate::render::{Format, Printer, escape};

/// Makes [`Command`] of the commands, each a variant and the module that has its arguments and its `run`.
macro_rules! commands {
    ($($variant:ident $module:ident,)*) => {
        /// What to do
        #[derive(Debug, Subcommand)]
        #[expect(missing_docs, reason = "clap would show a doc here in place of that of the arguments, and no more")]
        pub enum Command {
            $($variant($module::Args),)*
        }

        impl Command {
            /// Each command's name, and what gives a clap command its help and its arguments.
            pub const ALL: &[(&str, fn(clap::Command) -> clap::Command)] =
                &[$((stringify!($module), <$module::Args as clap::Args>::augment_args),)*];

            /// Runs the command.
            ///
            /// # Errors
            /// Whatever stopped it; [`Exit::of`] says with which status.
            pub fn run(self, flags: &Flags, printer: &mut Printer) -> Result<Exit> {
                if printer.format() == Format::Csv && !matches!(self, Command::Stats(_) | Command::Bench(_)) {
                    let told = "-o csv is for tables, and this command prints none: stats and bench do";
                    return Err(Stop::usage(told).into());
                }
                let global = flags.settle()?;
                printer.limit(global.limits());
                match self {
                    $(Command::$variant(args) => $module::run(&args, &global, printer),)*
                }
            }
        }
    };
}

commands! {
    Get get,
    Set set,
    Del del,
    Invalidate invalidate,
    Tags tags,
    Exists exists,
    Ttl ttl,
    Expire expire,
    Incr incr,
    Clear clear,
    Stats stats,
    Bench bench,
    Ls ls,
    Inspect inspect,
    Key key,
    Raw raw,
    Decode decode,
    Encode encode,
    Config config,
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
