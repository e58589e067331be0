//! `clear`: delete all entries of a namespace, or empty the whole backend.

use anyhow::{Context as _, Result};

use super::bulk::{self, Backup, Bounds, Consent, Names, Source};
use super::{Global, target};
use crate::exit::{Exit, Stop};
use crate::layout::Act;
use crate::pattern::Pattern;
use crate::render::Printer;

/// Delete all entries of a namespace
///
/// The entries of the layout, walked and deleted in pages, so that the server answers others
/// meanwhile; what is added while it goes on may stay. Where the layout has no namespace, its entries
/// are everything on the backend: that takes --flush. The status is 1 when there was nothing to delete.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Empty the whole backend at once, whoever filled it: FLUSHDB on Redis
    #[arg(long)]
    flush: bool,
    #[command(flatten)]
    pub(super) consent: Consent,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    backup: Backup,
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    super::records(printer)?;
    if args.flush && args.backup.is_wanted() {
        let told = "--flush deletes what comes between, which no --backup has: `export FILE` keeps all there is now";
        return Err(Stop::usage(told).into());
    }
    let (_, connect) = target::connect(global, printer)?;
    let mut cache = target::open_by(&connect, global)?;
    let layout = match &global.namespace {
        Some(namespace) => format!("the namespace `{namespace}` of {}", global.layout),
        None => format!("the layout {}", global.layout),
    };
    let (all, label) = (Pattern::all(), cache.label().to_owned());
    let covers_all = cache.layout().sweep(&all).keys.is_all();
    let which = match (args.flush, covers_all) {
        (true, true) => "(all there are, whoever put them there)".to_owned(),
        (false, false) => format!("of {layout}"),
        (true, false) => {
            let why = format!("--flush empties the whole of {label}, not only {layout}: leave out one of the two");
            return Err(Stop::usage(why).into());
        }
        (false, true) => {
            let why = format!("{layout} has no namespace here, so its entries are all there are on {label}");
            let todo = "--flush empties it, -n or -l names a namespace, del --match deletes some";
            return Err(Stop::refused(format!("{why}: {todo}")).into());
        }
    };
    if let Some(caveat) = cache.layout().caveat(Act::Clear, &[]) {
        printer.note(caveat);
    }
    let act = bulk::Act::delete(&which);
    if let Some(exit) = bulk::agree(&mut cache, &all, &act, &args.consent, &args.bounds, printer)? {
        return Ok(exit);
    }
    if !args.flush {
        let source = Source { connect: &connect, global, names: Names::Matching(&all, None) };
        return bulk::delete(&source, &act, args.backup.open(&cache)?, &args.bounds, printer);
    }
    cache.flush().context("cannot clear")?;
    printer.note(&format!("{label} is empty"));
    Ok(Exit::Yes)
}
