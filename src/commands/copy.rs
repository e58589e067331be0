//! `copy`: entries from one backend to another.

use std::ops::ControlFlow;

use anyhow::{Context as _, Result};

use super::bulk::{Ended, Entries, Give, Names, Selection, Source, Tally};
use super::guard::{self, Effect, Yes};
use super::{Global, ls, target};
use crate::cache::{Cache, Form, Met, Put};
use crate::codec::Codec;
use crate::entry::{Condition, Entry, Expiry, StoredKey, Ttl, Write};
use crate::exit::{Exit, Stop};
use crate::layout::Name;
use crate::render::Printer;

/// Copy entries to another backend
///
/// TARGET is a backend URL, or @NAME for a profile. Entries keep their stored keys, exact bytes, ttls,
/// tags and flags, unless told otherwise: --to-layout names them as another library does, and --recode
/// encodes their values anew. An entry that is there is replaced, so that the same command can be run
/// again after it was interrupted; --if-not-exists leaves it. What one backend has and the other cannot
/// hold is counted, said, and makes the status 7.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to: a backend URL, or @NAME
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    selection: Selection,
    /// Name keys by this layout there
    #[arg(long, value_name = "URL")]
    to_layout: Option<String>,
    /// Encode values by this serializer there
    #[arg(long, value_name = "URL")]
    recode: Option<String>,
    /// Leave entries that are there as they are
    #[arg(long, visible_alias = "nx")]
    if_not_exists: bool,
    /// Read everything, store nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    yes: Yes,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let records = super::records(printer)?;
    let mut there = global.elsewhere(&args.target)?;
    if let Some(layout) = &args.to_layout {
        (there.layout, there.namespace) = (layout.clone(), None);
    }
    let effect = if args.dry_run { Effect::Reads } else { Effect::Destroys(&args.yes) };
    guard::check("copy", effect, &there, printer)?;
    let recode = args.recode.as_deref().map(Codec::parse).transpose().context("the serializer URL of --recode")?;
    let (_, connect) = target::connect(global, printer)?;
    let mut from = target::open_by(&connect, global)?;
    let to =
        target::open(&there, printer).with_context(|| format!("the target {}", crate::secret::redact(&args.target)))?;
    if from.label() == to.label() && args.to_layout.is_none() && recode.is_none() {
        return Err(Stop::usage(format!("source and target are the same: {}", to.label())).into());
    }
    ls::tell_what_may_be_missing(&from, printer);
    let pattern = args.selection.pattern();
    let total = args.selection.total(&mut from);
    let source = Source { connect: &connect, global, names: Names::Matching(&pattern, args.selection.kind()) };
    let rename = args.to_layout.is_some();
    let mut copy = Copy { args, from, to, recode, rename, tally: Tally::default() };
    let mut progress = printer.progress_of("copying", total);
    let make = |entries: Entries, read_at: i64, give: Give<'_, (Entries, i64)>| {
        give((entries, read_at));
        Ok(())
    };
    let ended = source.entries(&mut args.selection.tempo()?, make, |(entries, read_at)| {
        copy.page(entries, read_at)?;
        progress.set(copy.tally.read);
        Ok(ControlFlow::Continue(()))
    });
    drop(progress);
    let whole = ended.map(|ended| ended != Ended::Interrupted);
    let verb = if args.dry_run { "would copy" } else { "copied" };
    copy.tally.conclude(whole, verb, copy.to.label(), records, printer).context("cannot copy")
}

/// The work.
struct Copy<'a> {
    args: &'a Args,
    from: Cache,
    to: Cache,
    recode: Option<Codec>,
    rename: bool,
    tally: Tally,
}

impl Copy<'_> {
    fn page(&mut self, entries: Entries, read_at: i64) -> Result<()> {
        let mut writes = Vec::with_capacity(entries.len());
        for (met, entry) in entries {
            match entry {
                Ok(None) => {}
                Ok(Some(entry)) => {
                    self.tally.read += 1;
                    let write = self.write(&met, entry, read_at)?;
                    writes.extend(write.filter(|write| self.tally.fits(write, self.to.kind())));
                }
                Err(why) => self.tally.leave(&met.stored_key, &format!("could not be read: {why}")),
            }
        }
        match self.args.dry_run {
            true => self.tally.stored += writes.len() as u64,
            false => self.tally.store(&mut self.to, writes)?,
        }
        Ok(())
    }

    /// What is to be written; `None` for what cannot be.
    fn write(&mut self, met: &Met, Entry { stored, ttl, tag }: Entry, read_at: i64) -> Result<Option<Write>> {
        let condition = if self.args.if_not_exists { Condition::IfAbsent } else { Condition::Always };
        let expiry = match ttl {
            Ttl::Never => Expiry::Never,
            Ttl::Left(ms) => Expiry::At(read_at.saturating_add_unsigned(ms)),
            Ttl::Unknown => {
                self.tally.leave(&met.stored_key, "has a ttl that the server does not tell this user (PTTL)");
                return Ok(None);
            }
        };
        let Some(key) = self.place(met)? else { return Ok(None) };
        let data = match &self.recode {
            None => stored,
            Some(codec) => {
                let reading = match self.from.reader().read(stored) {
                    Ok(reading) => reading,
                    Err(error) => {
                        self.tally.leave(&met.stored_key, &format!("does not decode: {error}"));
                        return Ok(None);
                    }
                };
                let (name, form) = (Name::new(met.called().to_vec()), Form::By(codec.clone()));
                let put = Put { name, value: reading.value, form, expiry, condition };
                match self.to.encode(&put) {
                    Ok(encoded) => encoded.data,
                    Err(error) => {
                        self.tally.leave(&met.stored_key, &format!("cannot be encoded: {error}"));
                        return Ok(None);
                    }
                }
            }
        };
        Ok(Some(Write { key, data, expiry, condition, tag }))
    }

    /// Where it is to be stored.
    fn place(&mut self, met: &Met) -> Result<Option<StoredKey>> {
        if !self.rename {
            return Ok(Some(met.stored_key.clone()));
        }
        let Some(key) = &met.key else {
            self.tally.leave(&met.stored_key, "is a hash of its key, which the layout does not tell");
            return Ok(None);
        };
        match self.to.place(&Name::new(key.clone())) {
            Ok(place) => Ok(Some(place)),
            Err(crate::cache::Error::Name { error, .. }) => {
                self.tally.leave(&met.stored_key, &format!("has no name there: {error}"));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
