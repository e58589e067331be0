//! The command line: global options and the list of commands.
//!
//! Parsing only validates; nothing is opened or read here.

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use clap::builder::PossibleValue;
use clap::{Args as _, FromArgMatches as _, Parser, ValueEnum};

use crate::commands::arguments::with_tables;
use crate::commands::{Command, Flags};
use crate::exit::{Exit, STATUSES};
use crate::render::{Colour, Format};

/// Look into and operate the caches that applications fill
#[derive(Debug, Parser)]
#[command(name = "cachectl", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = EXAMPLES, after_long_help = after_long_help(), mut_args(with_tables))]
pub struct Cli {
    /// What holds for every command
    #[command(flatten)]
    pub flags: Flags,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Reads a command line, `cachectl` itself first.
    ///
    /// # Errors
    /// An answer, to who asked for help or the version; or what is wrong.
    pub fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
        let arguments = &with_profile(arguments);
        // What it takes as few commands for, it takes with all of them for. Help and errors want all.
        Cli::read_few(arguments).map_or_else(|| Cli::try_parse_from(arguments), Ok)
    }

    /// Reads a command line knowing only the commands whose names are in it, and no help: clap gives
    /// each command a copy of each global option, which is most of what a short command costs.
    fn read_few(arguments: &[OsString]) -> Option<Cli> {
        let named = Command::ALL.iter().filter(|(name, _)| arguments.iter().any(|word| word == name));
        let named = named.map(|(name, augment)| augment(clap::Command::new(*name)));
        // Never freed: that would take a fifth of the time of all this, and the process has one command line.
        let mut few = ManuallyDrop::new(Flags::augment_args(clap::Command::new("few")).subcommands(named));
        let mut matches = ManuallyDrop::new(few.try_get_matches_from_mut(arguments).ok()?);
        Cli::from_arg_matches_mut(&mut matches).ok()
    }
}

/// `@NAME` before all else is `--config=NAME`.
fn with_profile(arguments: &[OsString]) -> Vec<OsString> {
    let mut arguments = arguments.to_vec();
    if let Some(name) = arguments.get(1).and_then(|word| word.as_bytes().strip_prefix(b"@")) {
        arguments[1] = OsString::from_vec([b"--config=", name].concat());
    }
    arguments
}

const EXAMPLES: &str = "\
Examples:
  cachectl set user:42 '{\"name\": \"Ada\"}' --ttl 1h        store a value, on the embedded store
  cachectl get user:42                                   print it
  cachectl -b redis://localhost/0 ls --match 'user:*'    list keys on a Redis
  cachectl -b redis://localhost/0 inspect user:42        why it decodes as it does
  cachectl @prod ping                                    the backend of a profile
  cachectl decode -s pickle+zstd:// < value.bin          the codec alone

--help has the URLs, the limits and the exit statuses.";

/// The examples and the table of exit statuses.
fn after_long_help() -> String {
    let row = |(exit, about): &(Exit, &str)| format!("  {:>3}  {about}", *exit as u8);
    let statuses: Vec<String> = STATUSES.iter().map(row).collect();
    let examples = EXAMPLES.rsplit_once("\n\n").map_or(EXAMPLES, |(examples, _)| examples);
    format!("{examples}\n\nExit status:\n{}", statuses.join("\n"))
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
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_few_commands_take_all_take_alike() {
        let good = ["get a", "-q -b memory: get get set", "--max=depth=5 -n ls set -o json a 1", "get -- -x", "ls"];
        let bad = ["", "get", "gte get", "help get", "get --help", "--version", "-V get a", "get a --tls-key x", "x"];
        let read = |line: &str, read: fn(&[OsString]) -> Option<Cli>| {
            let words: Vec<OsString> =
                ["cachectl"].into_iter().chain(line.split_whitespace()).map(Into::into).collect();
            read(&words).map(|cli| format!("{cli:?}"))
        };
        for line in good.into_iter().chain(bad) {
            let few = read(line, Cli::read_few);
            assert_eq!(few, read(line, |words| Cli::try_parse_from(words).ok()), "{line}");
            assert_eq!(few.is_some(), good.contains(&line), "{line}");
        }
    }
}
