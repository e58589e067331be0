//! `completions`: a shell's script, and what the script asks for.
//!
//! A script knows nothing of cachectl: it hands over the words that are typed and is told what may stand in the place
//! of the last, a line each, with what that is after a tab. So it never goes stale, and knows profiles and, for who
//! asks for them, keys: those that every shell takes for what they are.

use std::ffi::OsString;
use std::time::Duration;

use anyhow::Result;
use clap::builder::PossibleValue;
use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, ValueEnum};

use super::offers::{Place, place};
use super::{Cli, TOPICS, definition, with_profile};
use crate::backend::BACKENDS;
use crate::codec::LAYERS;
use crate::commands::{Flags, names};
use crate::exit::Exit;
use crate::layout::LAYOUTS;
use crate::limits::LIMITS;
use crate::render::Printer;

/// Print the completions of a shell
///
/// A script for the shell, which asks cachectl what may be typed: commands, options, the schemes of URLs and the names
/// of profiles. With CACHECTL_COMPLETE_KEYS=1 in the environment also keys, of the backend that the line names, as
/// far as they are found in 300 ms and without asking for a password.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
    /// Words of a command line: prints what may stand in the place of the last, as the scripts ask for it
    #[arg(value_name = "WORD", last = true)]
    words: Vec<OsString>,
}

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shell {
    /// Its name.
    pub name: &'static str,
    /// The file of its script, as the shell looks for it.
    pub file: &'static str,
    script: &'static str,
}

/// The table of shells.
pub const SHELLS: &[Shell] = &[
    Shell { name: "bash", file: "cachectl.bash", script: include_str!("../../completions/cachectl.bash") },
    Shell { name: "zsh", file: "_cachectl", script: include_str!("../../completions/_cachectl") },
    Shell { name: "fish", file: "cachectl.fish", script: include_str!("../../completions/cachectl.fish") },
    Shell { name: "powershell", file: "cachectl.ps1", script: include_str!("../../completions/cachectl.ps1") },
    Shell { name: "elvish", file: "cachectl.elv", script: include_str!("../../completions/cachectl.elv") },
];

impl ValueEnum for Shell {
    fn value_variants<'a>() -> &'a [Shell] {
        SHELLS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name))
    }
}

/// What may be typed, and what it is.
type Offer = (String, String);

/// What stands for the names of files, which shells know best.
const FILES: &str = "<files>";

/// What makes keys be told.
const KEYS_WANTED: &str = "CACHECTL_COMPLETE_KEYS";

/// So long may keys take: who types does not wait.
const KEYS_PATIENCE: Duration = Duration::from_millis(300);

/// Nobody reads more.
const KEYS_MOST: usize = 100;

pub fn run(args: &Args, printer: &mut Printer) -> Result<Exit> {
    if args.words.is_empty() {
        printer.raw(args.shell.script.as_bytes())?;
        return Ok(Exit::Yes);
    }
    for (word, about) in offers(&args.words) {
        printer.line(&format!("{word}\t{about}"))?;
    }
    Ok(Exit::Yes)
}

/// What may stand in the place of the last of `words`.
fn offers(words: &[OsString]) -> Vec<Offer> {
    let definition = definition();
    // `@NAME` stands where nothing else may, so the definition does not know of it.
    let profile = words.get(1).filter(|_| words.len() == 2).and_then(|word| word.to_str());
    if let Some(typed) = profile.filter(|word| word.starts_with('@')) {
        let profiles = names::profiles().into_iter().map(|name| (format!("@{name}"), "profile".to_owned()));
        return starting_with(typed, profiles.collect());
    }
    let said: Vec<String> = with_profile(words).iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Some(place) = place(&definition, &said) else { return Vec::new() };
    let mut offers = Vec::new();
    if place.may_be_command {
        offers.extend(commands(place.command));
    }
    if place.may_be_option {
        offers.extend(options(place.command));
    }
    if let Some(argument) = place.argument {
        offers.extend(values(argument, &place, &words[..words.len() - 1]));
    }
    let offers = starting_with(place.typed, offers);
    offers.into_iter().map(|(word, about)| (format!("{}{word}", place.head), about)).collect()
}

fn starting_with(typed: &str, mut offers: Vec<Offer>) -> Vec<Offer> {
    offers.retain(|(word, _)| word.starts_with(typed) || word == FILES);
    offers
}

fn commands(command: &Command) -> impl Iterator<Item = Offer> {
    let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
    shown.map(|command| (command.get_name().to_owned(), about(command.get_about())))
}

fn options(command: &Command) -> impl Iterator<Item = Offer> {
    let shown = command.get_arguments().filter(|option| !option.is_hide_set());
    shown.flat_map(|option| {
        let about = about(option.get_help());
        let short = option.get_short().map(|letter| format!("-{letter}"));
        let long = option.get_long_and_visible_aliases().unwrap_or_default();
        let all = long.into_iter().map(|name| format!("--{name}")).chain(short);
        all.map(|name| (name, about.clone())).collect::<Vec<_>>()
    })
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

/// What `argument` takes, after the words `before` it. It is known by its name, or by that of its value.
fn values(argument: &Arg, place: &Place, before: &[OsString]) -> Vec<Offer> {
    let possible = argument.get_possible_values();
    if !possible.is_empty() {
        let shown = possible.iter().filter(|value| !value.is_hide_set());
        return shown.map(|value| (value.get_name().to_owned(), about(value.get_help()))).collect();
    }
    let value = argument.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    match (argument.get_id().as_str(), value) {
        ("config", _) => names::profiles().into_iter().map(|name| (name, "profile".to_owned())).collect(),
        ("serializer", _) => layers(place.typed),
        ("layout", _) => LAYOUTS.iter().flat_map(|row| urls(row.schemes, row.example, row.about)).collect(),
        (_, "URL") => BACKENDS.iter().flat_map(|row| urls(row.schemes, row.example, row.about)).collect(),
        ("max", _) => LIMITS.iter().map(|row| (format!("{}=", row.name), row.about.to_owned())).collect(),
        ("names", _) => named(before),
        (_, "KEY") => keys(before, place.typed),
        (_, name) if ["FILE", ".json", "DIR"].iter().any(|part| name.contains(part)) => {
            vec![(FILES.to_owned(), String::new())]
        }
        _ => Vec::new(),
    }
}

/// What each of `schemes` begins with: the example's letters before the first that stands for something.
fn urls(schemes: &[&str], example: &str, about: &str) -> Vec<Offer> {
    let fixed = example.split(|c: char| c.is_ascii_uppercase()).next().unwrap_or_default();
    let rest = fixed.find(':').map_or("", |colon| &fixed[colon..]);
    schemes.iter().map(|scheme| (format!("{scheme}{rest}"), about.to_owned())).collect()
}

/// Layers after those that are typed.
fn layers(typed: &str) -> Vec<Offer> {
    let typed = typed.rsplit_once('+').map_or("", |(before, _)| &typed[..=before.len()]);
    let names = LAYERS.iter().flat_map(|row| row.names.iter().map(move |name| (name, row.about)));
    names.map(|(name, about)| (format!("{typed}{name}://"), about.to_owned())).collect()
}

/// What `help` tells of, after the words before.
fn named(before: &[OsString]) -> Vec<Offer> {
    let definition = definition();
    let said = before.iter().skip_while(|word| *word != "help").skip(1);
    let (mut command, mut topics) = (&definition, true);
    for name in said {
        match name.to_str().and_then(|name| command.find_subcommand(name)) {
            Some(inner) => command = inner,
            None => return Vec::new(),
        }
        topics = false;
    }
    let topics = TOPICS.iter().filter(|_| topics).map(|topic| (topic.name.to_owned(), topic.title.to_owned()));
    commands(command).chain(topics).collect()
}

/// Keys, to who wants them, of the backend that `before` names.
fn keys(before: &[OsString], typed: &str) -> Vec<Offer> {
    if std::env::var_os(KEYS_WANTED).is_none_or(|value| value != "1") {
        return Vec::new();
    }
    // A line that is not whole says of the backend what it says so far.
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(with_profile(before));
    let Some(flags) = matches.ok().and_then(|matches| Flags::from_arg_matches(&matches).ok()) else {
        return Vec::new();
    };
    let keys = names::keys(flags, typed.as_bytes(), KEYS_MOST, KEYS_PATIENCE);
    let keys = keys.into_iter().filter_map(|key| String::from_utf8(key).ok()).filter(|key| is_plain(key));
    keys.map(|key| (key, "key".to_owned())).collect()
}

/// Whether no shell takes `name` for anything else: a script puts it into a command line that somebody then runs.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+".contains(c);
    !name.is_empty() && !name.starts_with(['-', '@', '%']) && name.chars().all(plain)
}
