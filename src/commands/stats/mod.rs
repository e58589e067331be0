//! `stats`: what a server holds, and whether it works.

mod facts;
mod keys;
mod server;
mod watch;

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Global, arguments, target};
use crate::backend::{self, Server};
use crate::cache::{self, Cache};
use crate::entry::Kind;
use crate::exit::{Exit, Stop};
use crate::render::{Format, Printer};
use crate::stats::server::{Finding, Rates, Severity, findings};

/// Say what a server holds and whether it works
///
/// What the server or store tells of itself, and what is wrong with it, what that means and what to do. What the
/// user may not ask is left out, and said; the status is 4 where nothing may be asked. To see what happens
/// now, it looks twice, a quarter of a second apart. -o json is one object and -o csv one row, with the
/// same names and raw units (bytes, seconds, shares from 0 to 1); null is what is not known. The
/// README lists the names, those of --keys too. --watch goes on until control-C (status 130): on a terminal in
/// place, else a line, a record or a row each time. A server that goes away is asked again each time.
///
/// --keys walks over all entries instead, or over a random sample of them, and only reads. Control-C prints what was
/// found so far (status 130), and so does a server that goes away meanwhile (status 7). A user of Redis needs +scan
/// for it; +info and +dbsize to draw a sample and to say how long it takes; +type, +pttl, +memory|usage and
/// +object|idletime (+object|freq under an LFU policy) for what is told of each entry, and +getrange to look into
/// values. `+@read +info` allows all of it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on, each 1s or INTERVAL
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "1s", value_parser = interval)]
    watch: Option<Duration>,
    /// Walk over the entries: by prefix, layout, type and codec how many, how large, how long they stay
    #[arg(long, conflicts_with = "watch")]
    keys: bool,
    #[command(flatten)]
    entries: keys::Entries,
}

/// Between the two looks of one call: long enough to count in, short enough to wait for.
const BETWEEN: Duration = Duration::from_millis(250);

/// The shortest interval of a watch: what it shows is read by people, and each look is work for the server.
const INTERVAL_LEAST: Duration = Duration::from_millis(100);

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let output = Output::of(printer)?;
    let kind = backend::kind(global.backend_url())?;
    let cache = target::open(global, printer)?;
    if let Some(namespace) = global.namespace.as_deref().filter(|_| args.keys) {
        printer.note(&format!("all entries are looked at, not only those of `{namespace}`: --match narrows"));
    }
    let mut source = Source { cache, kind };
    match args.watch {
        _ if args.keys => keys::run(&args.entries, &mut source, output, printer),
        Some(interval) => watch::run(&mut source, interval, output, printer),
        None => server::run(&mut source, output, printer),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    match arguments::duration(text)? {
        interval if interval >= INTERVAL_LEAST => Ok(interval),
        _ => Err(format!("an interval is at least {INTERVAL_LEAST:?}")),
    }
}

/// How a command that prints facts prints them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Text,
    Record,
    Row,
}

impl Output {
    fn of(printer: &Printer) -> Result<Output> {
        match printer.format() {
            Format::Text => Ok(Output::Text),
            Format::Json | Format::Jsonl => Ok(Output::Record),
            Format::Csv => Ok(Output::Row),
            Format::Plain | Format::Python | Format::Raw => {
                let told = "stats prints no values: its outputs are -o text, -o json, -o jsonl and -o csv";
                Err(Stop::usage(told).into())
            }
        }
    }
}

/// What is looked at.
struct Source {
    cache: Cache,
    kind: Kind,
}

impl Source {
    fn look(&mut self) -> Result<Look, cache::Error> {
        Ok(Look { server: self.cache.server()?, at: Instant::now() })
    }
}

/// What it told, and when.
struct Look {
    server: Server,
    at: Instant,
}

impl Look {
    /// What has changed since `before`; `None` where the counters began anew.
    fn since(&self, before: &Look) -> Option<Rates> {
        Rates::between(&before.server, &self.server, (self.at - before.at).as_secs_f64())
    }
}

/// What there is to show of a look.
struct View<'a> {
    label: &'a str,
    server: &'a Server,
    rates: Option<&'a Rates>,
    findings: Vec<Finding>,
}

impl<'a> View<'a> {
    fn new(source: &'a Source, server: &'a Server, rates: Option<&'a Rates>) -> View<'a> {
        View { label: source.cache.label(), server, rates, findings: findings(source.kind, server, rates) }
    }

    /// Commands a second: over a second or more as counted here, else as the server says it.
    fn ops_per_s(&self) -> Option<f64> {
        let counted = self.rates.filter(|rates| rates.seconds >= 1.0).and_then(|rates| rates.ops);
        counted.or(self.server.ops_per_s).or(self.rates.and_then(|rates| rates.ops))
    }

    /// What it is and where.
    fn title(&self) -> String {
        let words = [self.server.product.as_deref(), self.server.version.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        if words.is_empty() { self.label.to_owned() } else { format!("{} at {}", words.join(" "), self.label) }
    }
}

/// How a finding is marked.
fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Wrong => "wrong",
        Severity::Notable => "notable",
    }
}
