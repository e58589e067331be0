//! `expire`: give keys another ttl.

use std::ffi::OsString;
use std::fmt;

use anyhow::{Context as _, Result};

use super::arguments::{self, Tags, When};
use super::bulk::{self, Act, Bounds, Consent, Names, Source, Tempo};
use super::guard::Effect;
use super::{Global, target};
use crate::entry::{Expiry, Ttl};
use crate::exit::{Exit, Stop};
use crate::layout::Name;
use crate::pattern::Pattern;
use crate::render::{self, Printer, Record};

/// Give keys another ttl
///
/// `--ttl never` makes them stay. A key that is not there makes the status 1. With --jitter they do not
/// all expire at once, which would send every request for them to what the cache is in front of.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("when").args(["ttl", "at"]).required(true)))]
pub struct Args {
    /// Keys, taken literally
    #[arg(required_unless_present = "match", value_name = "KEY", value_parser = arguments::key())]
    keys: Vec<OsString>,
    #[command(flatten)]
    tags: Tags,
    #[command(flatten)]
    when: When,
    /// The keys that match a glob: * ? [a-z] and \ before a literal character
    #[arg(long, value_name = "GLOB", conflicts_with_all = ["keys", "tags"])]
    r#match: Option<String>,
    /// Up to so much longer, each by chance
    #[arg(long, value_name = "TIME", value_parser = arguments::ttl)]
    jitter: Option<Expiry>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    bounds: Bounds,
}

impl Args {
    /// What is done to entries.
    pub(super) fn effect(&self) -> Effect<'_> {
        match (&self.r#match, self.keys.len()) {
            (None, ..=1) if !self.consent.dry_run => Effect::Writes,
            _ => self.consent.effect(),
        }
    }
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let names = args.tags.names(&args.keys, global.escaped)?;
    let expiry = args.when.ttl.or(args.when.at).expect("the parser asks for one of them");
    let jitter_ms = match (args.jitter, expiry) {
        (None, _) => 0,
        (Some(Expiry::In(ms)), Expiry::In(_) | Expiry::At(_)) => ms,
        (Some(_), _) => return Err(Stop::usage("--jitter is a time that is added to a time").into()),
    };
    let (_, connect) = target::connect(global, printer)?;
    let mut cache = target::open_by(&connect, global)?;
    if let Some(rounding) = cache.rounding(expiry) {
        printer.note(&rounding);
    }
    let span = Span { expiry, jitter_ms };
    if let Some(glob) = &args.r#match {
        let pattern = Pattern::new(glob.as_bytes());
        let (which, verb) = (format!("matching `{glob}`"), format!("give a ttl of {span} to"));
        let done = format!("given a ttl of {span}:");
        let act = Act { verb: &verb, done: &done, which: &which, field: "hit" };
        if let Some(exit) = bulk::agree(&mut cache, &pattern, &act, &args.consent, &args.bounds, printer)? {
            return Ok(exit);
        }
        let source = Source { connect: &connect, global, names: Names::Matching(&pattern, None) };
        return bulk::sweep(&source, &act, &mut Tempo::start(args.bounds.rate)?, printer, |cache, batch| {
            span.give(batch, |keys, expiry| Ok(cache.expire_at(keys, expiry)?))
        });
    }
    let there = match args.consent.dry_run {
        true => cache.facts(&names).context("cannot look")?.iter().map(Option::is_some).collect(),
        false => span.give(&names, |names, expiry| Ok(cache.expire(names, expiry)?)).context("cannot expire")?,
    };
    for (Name { key, .. }, there) in names.iter().zip(&there) {
        if records {
            printer.record(&Record::new().with_bytes("key", key).with("hit", *there))?;
        } else if !there {
            super::miss(key, cache.label(), printer);
        }
    }
    let count = render::count(there.iter().filter(|there| **there).count() as u64, "key", "keys");
    let would = if args.consent.dry_run { "would get " } else { "" };
    printer.note(&format!("{count}: {would}ttl {span}"));
    Ok(Exit::answer(there.iter().all(|there| *there)))
}

/// A ttl, and how much longer it may be by chance.
struct Span {
    expiry: Expiry,
    jitter_ms: u64,
}

/// Ttls that the keys of one batch get: as many commands' worth of difference spreads them well.
const DRAWS: usize = 16;

impl Span {
    /// Gives each of `all` a ttl by `expire`, which takes those that get the same one.
    fn give<T: Clone>(
        &self,
        all: &[T],
        mut expire: impl FnMut(&[T], Expiry) -> Result<Vec<bool>>,
    ) -> Result<Vec<bool>> {
        if self.jitter_ms == 0 {
            return expire(all, self.expiry);
        }
        let mut there = Vec::with_capacity(all.len());
        for some in all.chunks(all.len().div_ceil(DRAWS).max(1)) {
            let longer = fastrand::u64(..=self.jitter_ms);
            let expiry = match self.expiry {
                Expiry::In(ms) => Expiry::In(ms.saturating_add(longer)),
                Expiry::At(ms) => Expiry::At(ms.saturating_add_unsigned(longer)),
                other => other,
            };
            there.extend(expire(some, expiry)?);
        }
        Ok(there)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = match self.expiry {
            Expiry::In(ms) => Ttl::Left(ms),
            Expiry::At(ms) => Ttl::Left(arguments::ms_until(ms)),
            Expiry::Never | Expiry::Keep => Ttl::Never,
        };
        write!(f, "{}", render::ttl(left))?;
        match self.jitter_ms {
            0 => Ok(()),
            ms => write!(f, " to {} more", render::ttl(Ttl::Left(ms))),
        }
    }
}
