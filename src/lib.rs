//! cachectl: look into and operate the caches that applications fill.
//!
//! The map of the house. Rooms are nouns, each a small interface over a deep inside; imports go
//! down only, and `tests/it/tidy.rs` says so.
//!
//! ```text
//! cli         the command line              commands    one file a subcommand
//! cache       backend + layout + codec: what a read and a write are
//! codec       values to bytes and back      value       what bytes decode to, and its notations
//! layout      stored keys for keys          backend     servers and stores
//! bench       load on a server, and what it does to it
//! archive     entries as lines of JSON, and back
//! stats       what is in a cache, counted, and what a server's facts mean
//! render      the only writer to stdout and stderr
//! config      who has the last word on what holds: flag, variable, file
//! entry pattern url limits secret exit interrupt      what the rooms share
//! ```
//!
//! The way of a `get`: the command asks [`cache::Cache`] for entries; the layout names the stored
//! keys; the backend fetches; the codec, asked for or detected, decodes within [`limits::Limits`];
//! `render` prints. The library makes no promise of stability: it is there for the tests, the
//! benchmarks and the fuzzers.

pub mod archive;
pub mod backend;
pub mod bench;
pub mod cache;
pub mod cli;
pub mod codec;
pub mod commands;
pub mod config;
pub mod entry;
pub mod exit;
pub mod interrupt;
pub mod layout;
pub mod limits;
pub mod pattern;
pub mod render;
pub mod secret;
pub mod stats;
pub mod url;
pub mod value;

use std::ffi::OsString;

use crate::exit::Exit;
use crate::render::Printer;

/// Runs one command line, `cachectl` itself first, to its exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    render::report_panics(Exit::Bug as i32);
    let cli = match cli::Cli::read(&arguments.into_iter().collect::<Vec<_>>()) {
        Ok(cli) => cli,
        // Help and version are answers; all else is a usage error, which quotes what was typed.
        Err(error) if error.use_stderr() => {
            render::usage_error(&secret::redact_all(&error.render().to_string()));
            return Exit::Usage;
        }
        Err(answer) => return if answer.print().is_ok() { Exit::Yes } else { Exit::Unreachable },
    };
    let commands::Flags { output, color, quiet, .. } = cli.flags;
    let mut printer = Printer::new(output, color, quiet);
    let done = cli.run(&mut printer);
    match done.and_then(|exit| Ok(printer.flush().map(|()| exit)?)) {
        Ok(exit) => exit,
        Err(error) if exit::is_broken_pipe(&error) => Exit::Yes,
        Err(error) => {
            // It may quote a URL that somebody typed where none belongs.
            printer.error(&secret::redact_all(&format!("{error:#}")));
            Exit::of(&error)
        }
    }
}
