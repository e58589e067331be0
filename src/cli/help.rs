//! `help`, and what `-h` and `--help` say beside the arguments: examples, and where to read on.

use anyhow::Result;
use clap::{Arg, Command};

use super::{Example, TOPICS, definition, examples, version};
use crate::backend::BACKENDS;
use crate::codec::LAYERS;
use crate::exit::Exit;
use crate::layout::LAYOUTS;
use crate::limits::LIMITS;
use crate::render::Printer;
use crate::url::UrlError;

/// Tell all of a command or a topic
///
/// The topics are what several commands share: the URLs, the exit statuses, the notation of values, the limits.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Command, such as tags gc, or topic, such as backends
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Examples come before the arguments: who asks for all of it wants to see it done first.
const TEMPLATE: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Columns of help, at most.
const WIDTH: usize = 100;

/// How many of the examples fit where all is to fit a screen.
const EXAMPLES_SHORT: usize = 2;

pub fn run(args: &Args, printer: &mut Printer) -> Result<Exit> {
    if let [name] = &args.names[..]
        && let Some(topic) = TOPICS.iter().find(|topic| topic.name == name)
    {
        printer.line(topic.text(printer.size().0.min(WIDTH)).trim_end())?;
        return Ok(Exit::Yes);
    }
    let mut definition = definition();
    let mut command = &mut definition;
    for (depth, name) in args.names.iter().enumerate() {
        let commands = command.get_subcommands().map(|one| one.get_name().to_owned());
        let topics = TOPICS.iter().filter(|_| depth == 0).map(|topic| topic.name.to_owned());
        let names: Vec<String> = commands.chain(topics).collect();
        command = command.find_subcommand_mut(name).ok_or_else(|| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            UrlError::unknown(if depth == 0 { "command or topic" } else { "command" }, name, &names)
        })?;
    }
    let help = command.render_long_help();
    printer.line(if printer.is_coloured() { help.ansi().to_string() } else { help.to_string() }.trim_end())?;
    Ok(Exit::Yes)
}

/// The command line with what its help says beside the arguments. That takes long to put together, so that only who
/// asks for it has it done.
pub fn dressed(root: Command) -> Command {
    let mut root = root.long_version(version::long());
    // First, so that each command has its own copy of the global options: those of `cachectl -h` are hidden below.
    root.build();
    let more = format!("More: --help, `cachectl help COMMAND`, and on {}", topics());
    let titles = TOPICS.iter().map(|topic| format!("  {:<12} {}", topic.name, topic.title)).collect::<Vec<_>>();
    let topics = format!("Topics, for `cachectl help TOPIC`:\n{}", titles.join("\n"));
    let root = with_examples(root, "", &more).after_long_help(topics);
    let root = root.mut_args(|option| pointed(option).hide_short_help(true));
    root.mut_subcommands(|command| {
        let path = command.get_name().to_owned();
        told(command, &path)
    })
}

/// A command that stands under `cachectl`, and those under it.
fn told(command: Command, path: &str) -> Command {
    let more = format!("More: --help; `help` on {}", topics());
    let topics = format!("More: `cachectl help` on {}", topics());
    let command = with_examples(command, path, &more).after_long_help(topics).mut_args(pointed);
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        told(inner, &path)
    })
}

/// `command` with the examples of `path`, and in short `more`.
fn with_examples(command: Command, path: &str, more: &str) -> Command {
    let all = examples(path);
    let few = &all[..all.len().min(EXAMPLES_SHORT)];
    let command = command.help_template(TEMPLATE).after_help(format!("{}{more}", listed(few)));
    if all.is_empty() { command } else { command.before_long_help(listed(all).trim_end().to_owned()) }
}

fn listed(examples: &[Example]) -> String {
    if examples.is_empty() {
        return String::new();
    }
    let widest = examples.iter().map(|(line, _)| line.chars().count()).max().unwrap_or(0);
    let beside = examples.iter().all(|(_, does)| widest + does.chars().count() + 4 <= WIDTH);
    let lines = examples.iter().map(|(line, does)| match beside {
        true => format!("  {line:widest$}  {does}\n"),
        false => format!("  {line}\n      {does}\n"),
    });
    format!("Examples:\n{}\n", lines.collect::<String>())
}

fn topics() -> String {
    TOPICS.iter().map(|topic| topic.name).collect::<Vec<_>>().join(", ")
}

/// A global option that a table stands behind, in long with the names that are in the table.
fn pointed(option: Arg) -> Arg {
    let (names, topic): (Vec<&str>, _) = match option.get_id().as_str() {
        "backend" => (BACKENDS.iter().flat_map(|row| row.schemes).copied().collect(), "backends"),
        "serializer" => (LAYERS.iter().flat_map(|row| row.names).copied().collect(), "serializers"),
        "layout" => (LAYOUTS.iter().flat_map(|row| row.schemes).copied().collect(), "layouts"),
        "max" => (LIMITS.iter().map(|row| row.name).collect(), "limits"),
        _ => return option,
    };
    let about = option.get_long_help().or(option.get_help()).map(ToString::to_string).unwrap_or_default();
    option.long_help(format!("{about}\n\nMore: `cachectl help {topic}` on {}", names.join(", ")))
}
