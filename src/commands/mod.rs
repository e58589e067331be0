//! The subcommands, a file each: its help, its arguments, its `run`.
//!
//! A command decides and reports; what a read or a write is, `Cache` knows, and how things look,
//! `render`.

pub mod arguments;
mod bench;
mod bulk;
mod clear;
mod config;
mod copy;
mod danger;
mod decode;
mod del;
mod diff;
mod edit;
mod encode;
mod exists;
mod expire;
mod export;
mod get;
mod global;
mod grep;
mod guard;
mod import;
mod incr;
mod inspect;
mod invalidate;
mod key;
mod login;
mod ls;
pub mod names;
pub mod permissions;
mod ping;
mod raw;
mod set;
mod stats;
mod tags;
mod target;
mod ttl;
mod unreached;

use anyhow::Result;
use clap::Subcommand;

pub use self::global::{Flags, Global};
use self::guard::Effect;
use crate::exit::{Exit, Stop};
use crate::render::{Format, Printer, escape};

/// Makes [`Command`] of the commands, each a variant, the module that has its arguments and its `run`, and what
/// it does to entries.
macro_rules! commands {
    ($($variant:ident $module:ident $effect:expr,)*) => {
        /// What to do
        #[derive(Debug, Subcommand)]
        #[expect(missing_docs, reason = "clap would show a doc here in place of that of the arguments, and no more")]
        #[expect(clippy::large_enum_variant, reason = "there is one in a process")]
        pub enum Command {
            $($variant($module::Args),)*
        }

        impl Command {
            /// Each command's name, and what gives a clap command its help and its arguments.
            pub const ALL: &[(&str, fn(clap::Command) -> clap::Command)] =
                &[$((stringify!($module), <$module::Args as clap::Args>::augment_args),)*];

            /// Its name, and what it does to entries.
            fn effect(&self) -> (&'static str, Effect<'_>) {
                match self {
                    $(Command::$variant(args) => {
                        let effect: fn(&$module::Args) -> Effect<'_> = $effect;
                        (stringify!($module), effect(args))
                    })*
                }
            }

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
                let (name, effect) = self.effect();
                guard::check(name, effect, &global, printer)?;
                match self {
                    $(Command::$variant(args) => $module::run(&args, &global, printer),)*
                }
            }
        }
    };
}

commands! {
    Get get |_| Effect::Reads,
    Set set |args| args.effect(),
    Edit edit |_| Effect::Writes,
    Del del |args| args.consent.effect(),
    Invalidate invalidate |args| args.effect(),
    Tags tags |args| args.effect(),
    Exists exists |_| Effect::Reads,
    Ttl ttl |_| Effect::Reads,
    Expire expire |args| args.effect(),
    Export export |_| Effect::Reads,
    Import import |args| args.effect(),
    Copy copy |_| Effect::Reads,
    Diff diff |_| Effect::Reads,
    Grep grep |_| Effect::Reads,
    Incr incr |_| Effect::Writes,
    Clear clear |args| args.consent.effect(),
    Stats stats |_| Effect::Reads,
    Bench bench |args| args.effect(),
    Ls ls |_| Effect::Reads,
    Inspect inspect |_| Effect::Reads,
    Key key |_| Effect::Reads,
    Ping ping |_| Effect::Reads,
    Raw raw |args| args.effect(),
    Decode decode |_| Effect::Reads,
    Encode encode |_| Effect::Reads,
    Config config |_| Effect::Reads,
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
