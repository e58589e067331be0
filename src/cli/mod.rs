//! The command line: global options, the list of commands, and the two that tell of it: `help` and `completions`.
//!
//! Parsing only validates; nothing is opened or read here. What help, man pages and completions say is read off
//! [`definition`] and the tables: of commands, [`EXAMPLES`], [`TOPICS`].

mod completions;
mod examples;
mod help;
mod offers;
mod topics;
mod version;

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use anyhow::Result;
use clap::builder::PossibleValue;
use clap::{Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

pub use self::completions::{SHELLS, Shell};
pub use self::examples::{EXAMPLES, Example, examples};
pub use self::topics::{FORMS, Part, TOPICS, Topic};
use crate::commands::{Command, Flags};
use crate::exit::Exit;
use crate::render::{Colour, Format, Printer};

/// Look into and operate the caches that applications fill
///
/// An application stores entries through cachetory, aiocache, pyredis-cache, redis-tagged-cache or DiskCache, on Redis,
/// Valkey, memcached or in a directory: their values are shown, written so that the application reads them, deleted,
/// counted and explained. Nothing that is found in a value is ever run. Without a server all of it works on an
/// embedded store.
#[derive(Debug, Parser)]
#[command(name = "cachectl", version, arg_required_else_help = true, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    /// What holds for every command
    #[command(flatten)]
    pub flags: Flags,
    /// What to do
    #[command(subcommand)]
    asked: Asked,
}

/// What can be asked for: a command, or what the command line itself is.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
enum Asked {
    #[command(flatten)]
    Command(Command),
    Completions(completions::Args),
    Help(help::Args),
}

impl Cli {
    /// Reads a command line, `cachectl` itself first.
    ///
    /// # Errors
    /// An answer, to who asked for help or the version; or what is wrong.
    pub fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        let arguments = &with_profile(arguments);
        // What it takes as few commands for, it takes with all of them for. Help and errors want all.
        Cli::read_few(arguments).map_or_else(|| Cli::read_all(arguments), Ok)
    }

    /// Reads a command line knowing only the commands whose names are in it, and no help: clap gives
    /// each command a copy of each global option, which is most of what a short command costs.
    fn read_few(arguments: &[OsString]) -> Option<Cli> {
        let named = Command::ALL.iter().filter(|(name, _)| arguments.iter().any(|word| word == name));
        let named = named.map(|(name, augment)| augment(clap::Command::new(*name)));
        // Never freed: that would take a fifth of the time of all this, and the process has one command line.
        let mut few = ManuallyDrop::new(Flags::augment_args(clap::Command::new("few")).subcommands(named));
        let mut matches = ManuallyDrop::new(few.try_get_matches_from_mut(arguments).ok()?);
        let flags = Flags::from_arg_matches_mut(&mut matches).ok()?;
        let asked = Asked::Command(Command::from_arg_matches_mut(&mut matches).ok()?);
        Some(Cli { flags, asked })
    }

    fn read_all(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        let mut definition = definition();
        let mut matches = definition.try_get_matches_from_mut(arguments)?;
        Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut definition))
    }

    /// Runs the command.
    ///
    /// # Errors
    /// Whatever stopped it; [`Exit::of`] says with which status.
    pub fn run(self, printer: &mut Printer) -> Result<Exit> {
        match self.asked {
            Asked::Command(command) => command.run(&self.flags, printer),
            // Neither asks what holds: both work where a file of profiles is broken.
            Asked::Completions(args) => completions::run(&args, printer),
            Asked::Help(args) => help::run(&args, printer),
        }
    }
}

/// The whole command line with all that its help says, each command with its copies of the global options.
#[must_use]
pub fn definition() -> clap::Command {
    help::dressed(Cli::command())
}

/// `@NAME` before all else is `--config=NAME`.
fn with_profile(arguments: &[OsString]) -> Vec<OsString> {
    let mut arguments = arguments.to_vec();
    if let Some(name) = arguments.get(1).and_then(|word| word.as_bytes().strip_prefix(b"@")) {
        arguments[1] = OsString::from_vec([b"--config=", name].concat());
    }
    arguments
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Format] {
        &[Format::Text, Format::Json, Format::Plain, Format::Python, Format::Jsonl, Format::Raw, Format::Csv]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Format::Text => ("text", "for people, in the notation of the data"),
            Format::Json => ("json", "typed JSON, lossless"),
            Format::Plain => ("plain", "ordinary JSON for jq; what was flattened is said on stderr"),
            Format::Python => ("python", "one line, as Python's repr"),
            Format::Jsonl => ("jsonl", "one record a line: key, hit, value, ttl_ms, serializer"),
            Format::Raw => ("raw", "the exact bytes; refuses a terminal"),
            Format::Csv => ("csv", "a table with a header, of stats and bench"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for Colour {
    fn value_variants<'a>() -> &'a [Colour] {
        &[Colour::Auto, Colour::Always, Colour::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Colour::Auto => PossibleValue::new("auto").help("on a terminal, unless NO_COLOR is set"),
            Colour::Always => PossibleValue::new("always"),
            Colour::Never => PossibleValue::new("never"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        definition().debug_assert();
    }

    #[test]
    fn what_few_commands_take_all_take_alike() {
        let good = ["get a", "-q -b memory: get get set", "--max=depth=5 -n ls set -o json a 1", "get -- -x", "ls"];
        let bad = ["", "get", "gte get", "get --help", "--version", "-V get a", "get a --tls-key x", "x"];
        let read = |line: &str, read: fn(&[OsString]) -> Option<Cli>| {
            let words: Vec<OsString> =
                ["cachectl"].into_iter().chain(line.split_whitespace()).map(Into::into).collect();
            read(&words).map(|cli| format!("{cli:?}"))
        };
        for line in good.into_iter().chain(bad) {
            let few = read(line, Cli::read_few);
            assert_eq!(few, read(line, |words| Cli::read_all(words).ok()), "{line}");
            assert_eq!(few.is_some(), good.contains(&line), "{line}");
        }
    }
}
