//! `tags`: look at tags, and free what they no longer reach.

mod check;
mod gc;
mod ls;

use std::ffi::OsString;

use anyhow::Result;
use clap::Subcommand;

pub(super) use super::arguments::TagTtl;
use super::guard::Effect;
use super::{Global, arguments, target};
use crate::cache::{Cache, Known, Tag};
use crate::entry::Ttl;
use crate::exit::Exit;
use crate::render::Printer;

/// Look at tags, and free what they no longer reach
///
/// For layouts with tags (redis-tagged-cache), which store only hashes of the names of tags: --known
/// gives names to try.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the tags of the namespace
    Ls(ls::Args),
    /// Say whether an entry is live under its tags
    Check(check::Args),
    /// Delete entries that no tags reach any more
    Gc(gc::Args),
}

impl Args {
    /// What is done to entries.
    pub(super) fn effect(&self) -> Effect<'_> {
        match &self.command {
            Command::Ls(_) | Command::Check(_) => Effect::Reads,
            Command::Gc(args) => args.consent.effect(),
        }
    }
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    match &args.command {
        Command::Ls(args) => ls::run(args, global, printer),
        Command::Check(args) => check::run(args, global, printer),
        Command::Gc(args) => gc::run(args, global, printer),
    }
}

/// Names that tags may have.
#[derive(Clone, Debug, clap::Args)]
struct KnownNames {
    /// Names that tags may have, one a line; - for stdin. May be repeated
    #[arg(long, value_name = "FILE", action = clap::ArgAction::Append)]
    known: Vec<OsString>,
}

impl KnownNames {
    fn of(&self, cache: &Cache, global: &Global) -> Result<Known> {
        let mut names = Vec::new();
        for file in &self.known {
            names.extend(arguments::lines(file, &global.limits())?);
        }
        Ok(cache.known(names)?)
    }
}
