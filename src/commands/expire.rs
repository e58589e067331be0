//! `expire`: give keys another ttl.

use std::ffi::OsString;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags, When};
use super::guard::{Effect, Yes};
use super::{Global, target};
use crate::entry::{Expiry, Ttl};
use crate::exit::Exit;
use crate::layout::Name;
use crate::render::{self, Printer, Record};

/// Give keys another ttl
///
/// `--ttl never` makes them stay. A key that is not there makes the status 1.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("when").args(["ttl", "at"]).required(true)))]
pub struct Args {
    /// Keys, taken literally
    #[arg(required = true, value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
    #[command(flatten)]
    tags: Tags,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    yes: Yes,
}

impl Args {
    /// What is done to entries.
    pub(super) fn effect(&self) -> Effect<'_> {
        if self.keys.len() > 1 { Effect::Destroys(&self.yes) } else { Effect::Writes }
    }
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let names = args.tags.names(&args.keys, global.escaped)?;
    let expiry = args.when.ttl.or(args.when.at).expect("the parser asks for one of them");
    let mut cache = target::open(global, printer)?;
    if let Some(rounding) = cache.rounding(expiry) {
        printer.note(&rounding);
    }
    let there = cache.expire(&names, expiry).context("cannot expire")?;
    for (Name { key, .. }, there) in names.iter().zip(&there) {
        if records {
            printer.record(&Record::new().with_bytes("key", key).with("hit", *there))?;
        } else if !there {
            super::miss(key, cache.label(), printer);
        }
    }
    let count = there.iter().filter(|there| **there).count() as u64;
    let ttl = match expiry {
        Expiry::In(ms) => render::ttl(Ttl::Left(ms)),
        Expiry::At(ms) => render::ttl(Ttl::Left(arguments::ms_until(ms))),
        Expiry::Never | Expiry::Keep => render::ttl(Ttl::Never),
    };
    printer.note(&format!("{}: ttl {ttl}", render::count(count, "key", "keys")));
    Ok(Exit::answer(there.iter().all(|there| *there)))
}
