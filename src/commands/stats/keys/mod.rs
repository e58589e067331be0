//! `stats --keys`: what the entries are, by prefix, layout, type and codec.

mod arguments;
mod hot;
mod show;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

pub use self::arguments::Entries;
use self::arguments::{Amount, Fact};
use self::show::Shown;
use super::{Output, Source};
use crate::backend::survey::{Observation, Plan, Questions, Sample, Surveyed};
use crate::backend::{ErrorKind, Server};
use crate::cache::{self, Valued, Visitor};
use crate::entry::Kind;
use crate::exit::{Exit, Stop};
use crate::interrupt::Interrupt;
use crate::render::{self, Printer, Progress};
use crate::stats::{Census, Decoded, Population};

/// From so many entries on a sample is drawn, unless all are asked for: a walk of them takes seconds.
const EXACT_MOST: u64 = 1_000_000;

/// How many entries are drawn then: a share of a half is known to 0.3 %.
const DRAWS: u64 = 100_000;

/// How many values are looked into unless said: what is in more than 1 of 300 is seen.
const VALUES: u64 = 1000;

pub fn run(args: &Entries, source: &mut Source, output: Output, printer: &mut Printer) -> Result<Exit> {
    let interrupt = Interrupt::listen().context("cannot listen for control-C")?;
    // What it says of itself only helps: a user who may not ask for it may still walk.
    let server = match source.cache.server() {
        Err(cache::Error::Backend(error)) if error.kind == ErrorKind::Denied => Server::default(),
        server => server.context("cannot look at the server")?,
    };
    // As Redis and as DiskCache call it.
    let by_use = |policy: &str| policy.contains("lfu") || policy == "least-frequently-used";
    let counts_use = server.policy.as_deref().is_some_and(by_use);
    let questions = questions(args, counts_use);
    let total = source.cache.count().context("cannot count")?;
    let sample = sample(args, total, printer)?;
    let plan = Plan { questions, pattern: args.pattern(), page: args.page, sample };
    let of = sample.map(|sample| sample.draws).or(total);
    // How many match is known in the end only.
    let to_meet = of.filter(|_| plan.pattern.is_all() || sample.is_some());
    let mut walk = Walk {
        census: Census::new(args.wanted(counts_use)),
        met: 0,
        counted: 0,
        chance: chance(args.decode, of),
        random: fastrand::Rng::with_seed(args.seed),
        pace: args.scan_rate,
        started: Instant::now(),
        progress: printer.progress_of("entries", to_meet),
        interrupt: interrupt.clone(),
    };
    let mut surveyed = source.cache.survey(&plan, &mut walk);
    let Walk { mut census, met, counted, progress, started, .. } = walk;
    drop(progress);
    if let (Err(error), 0) = (&surveyed, counted) {
        return Err(anyhow::Error::new(error.clone()).context("cannot walk over the entries"));
    }
    census.leave_out(met.saturating_sub(counted));
    let population = match sample {
        None => Population::Whole,
        Some(Sample { of, .. }) if source.kind == Kind::Redis => Population::Drawn { of },
        Some(Sample { of, .. }) => Population::Sampled { of },
    };
    let mut report = census.report(population);
    if let (Some(most), false) = (args.hot, counts_use) {
        let search = hot::Wanted { most, monitor: args.monitor, policy: server.policy.as_deref() };
        surveyed = surveyed.and_then(|told| hot::find(&search, source, told, &mut report, &interrupt, printer));
    }
    let stopped = surveyed.as_ref().map_or(true, |surveyed| surveyed.stopped);
    let withheld = surveyed.as_ref().map(|surveyed| surveyed.withheld.clone()).unwrap_or_default();
    let shown = Shown {
        label: source.cache.label(),
        report: &report,
        sample: sample.map(|sample| Sample { draws: met, ..sample }),
        partial: stopped.then(|| partial(&surveyed)),
        withheld: &withheld,
        took: started.elapsed(),
    };
    match output {
        Output::Text => show::text(&shown, printer)?,
        Output::Record => show::record(&shown, printer)?,
        Output::Row => show::csv(&shown, printer)?,
    }
    withheld.iter().for_each(|what| printer.note(&format!("left out: {what}")));
    super::super::ls::tell_what_may_be_missing(&source.cache, printer);
    finish(surveyed, stopped, to_meet, counted, printer)
}

/// The status, and what there is to say of a walk that ended early.
fn finish(
    surveyed: Result<Surveyed, cache::Error>,
    stopped: bool,
    of: Option<u64>,
    counted: u64,
    printer: &mut Printer,
) -> Result<Exit> {
    let about = of.map_or_else(String::new, |of| format!(" of about {}", render::grouped(of)));
    let part = format!("only {}{about} entries were looked at", render::grouped(counted));
    match surveyed {
        Err(error) => Err(Stop { exit: Exit::Partial, message: format!("{part}: {error}") }.into()),
        Ok(_) if stopped => {
            printer.warn(&format!("interrupted: {part}"));
            Ok(Exit::Interrupted)
        }
        Ok(_) => Ok(Exit::Yes),
    }
}

/// Why there is only a part.
fn partial(surveyed: &Result<Surveyed, cache::Error>) -> String {
    surveyed.as_ref().err().map_or_else(|| "interrupted".to_owned(), ToString::to_string)
}

/// What is asked of each entry. A server that counts uses does not know idle times, and the other way round.
fn questions(args: &Entries, counts_use: bool) -> Questions {
    let asked = |fact: Fact| args.facts.contains(&fact);
    Questions {
        kind: asked(Fact::Type),
        ttl: asked(Fact::Ttl),
        memory: asked(Fact::Memory),
        length: asked(Fact::Length),
        idle: asked(Fact::Idle) && !counts_use,
        frequency: (asked(Fact::Idle) || args.hot.is_some()) && counts_use,
    }
}

/// The sample that was asked for; or where there are many entries and nobody asked for all, one.
fn sample(args: &Entries, total: Option<u64>, printer: &mut Printer) -> Result<Option<Sample>> {
    let of = match (args.sample, total) {
        (Some(_), None) => {
            return Err(Stop::usage(
                "--sample needs to know how many entries there are, which the server does not say",
            )
            .into());
        }
        (_, Some(of)) => of,
        (None, None) => return Ok(None),
    };
    let draws = match args.sample {
        // What is drawn may come again, and each draw is a question of its own.
        Some(amount) if amount.of(of) > of / 2 => {
            let (all, draws) = (render::count(of, "entry", "entries"), render::grouped(amount.of(of)));
            let told = "all are looked at, which is no more work than a sample of";
            printer.note(&format!("{all}: {told} {draws}"));
            return Ok(None);
        }
        Some(amount) => amount.of(of),
        None if args.exact || of <= EXACT_MOST => return Ok(None),
        None => {
            let told =
                "entries: a random sample of them is looked at, and totals are estimates; --exact walks over all";
            printer.note(&format!("{} {told}", render::grouped(of)));
            DRAWS
        }
    };
    Ok(Some(Sample { draws, of, seed: args.seed }))
}

/// The chance of an entry that its value is looked into.
#[expect(clippy::cast_precision_loss, reason = "a chance")]
fn chance(decode: Option<Amount>, of: Option<u64>) -> f64 {
    let amount = decode.unwrap_or(Amount::Count(VALUES));
    match (amount, of) {
        (Amount::Share(share), _) => share,
        (Amount::Count(0), _) => 0.0,
        (Amount::Count(count), Some(of)) => (count as f64 / of.max(1) as f64).min(1.0),
        (Amount::Count(_), None) => 0.01,
    }
}

/// A walk under way.
struct Walk {
    census: Census,
    met: u64,
    counted: u64,
    chance: f64,
    random: fastrand::Rng,
    /// Entries a second at most.
    pace: Option<u64>,
    started: Instant,
    progress: Progress,
    interrupt: Interrupt,
}

impl Visitor for Walk {
    fn wants_value(&mut self, _: &[u8]) -> bool {
        self.chance > 0.0 && self.random.f64() < self.chance
    }

    fn meet(&mut self, seen: &Observation<'_>, group: Option<&str>, value: Option<Valued>) {
        self.counted += 1;
        let Some(Valued { encoded, reading }) = value else {
            return self.census.add(seen, group, None);
        };
        let (chain, stages, classes) = match &reading {
            Ok(reading) => (reading.chain.url.as_str(), reading.chain.stages.as_slice(), reading.names().all),
            Err(_) => ("(undecodable)", &[][..], Vec::new()),
        };
        let decoded = stages.last().map_or(encoded, |stage| stage.input as u64);
        self.census.add(seen, group, Some(&Decoded { chain, encoded, decoded, classes: &classes }));
    }

    fn turn(&mut self, met: u64) -> ControlFlow<()> {
        self.met = met;
        self.progress.set(met);
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let due = self.pace.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(met as f64 / rate as f64));
        let early = due.saturating_sub(self.started.elapsed());
        let interrupted = if early.is_zero() { self.interrupt.is_set() } else { self.interrupt.wait(early) };
        if interrupted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
