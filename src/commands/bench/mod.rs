//! `bench`: load on a server or a store, and what it does to it.

mod arguments;
mod compare;
mod curves;
mod log;
mod page;
mod show;
mod svg;
mod sweep;
mod threshold;
mod values;

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::builder::TypedValueParser as _;

use self::arguments::Weights;
use self::show::{Report, Setting};
use self::sweep::Sweep;
use self::threshold::Threshold;
use self::values::{Objects, Source};
use super::guard::{Effect, Yes};
use super::{Global, arguments as typed, target};
use crate::backend::{self, Backend, Connect, Dial, ErrorKind, Options, Server, Shards};
use crate::bench::{
    Distribution, End, Entries, Family, Mix, Names, Operation, Pace, Plan, Progress, Protocol, Sizes, Summary, Target,
    Values, reach, run as load,
};
use crate::entry::{Kind, Ttl};
use crate::exit::{Exit, Stop};
use crate::interrupt::Interrupt;
use crate::layout::Layout;
use crate::render::{self, Format, Printer, escape};

/// Put load on a server or a store, and measure what it does
///
/// A closed loop, in which each client sends its next request when it has the answer to the last: it tells
/// how much a server can do. --rate makes it an open loop, whose requests are sent when they are due, as
/// users do: it tells how long they wait, for latencies count from when a request was due. The entries
/// are the run's own (cachectl:bench:RUN:…, as the layout names them), with a ttl, and deleted at the end, also on
/// control-C and SIGTERM. A backend that has other entries takes --yes. The status is 1 when a condition of
/// --fail-on holds, 5 when every request was answered with an error, and 7 when the server went away and what is
/// shown was measured before.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Clients, each with connections of its own
    #[arg(long, short, value_name = "N", default_value_t = 50, value_parser = arguments::number::<usize>(1, 100_000))]
    clients: usize,
    /// Requests that a client has in flight at most
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = arguments::number::<usize>(1, 10_000))]
    pipeline: usize,
    /// Threads that share the clients: more than one where one processor is not enough
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = arguments::number::<usize>(1, 1024))]
    threads: usize,
    /// Stop after so many requests
    #[arg(long, value_name = "N", value_parser = arguments::number::<u64>(1, 1 << 50), conflicts_with = "duration")]
    requests: Option<u64>,
    /// Stop after so long [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = typed::timeout)]
    duration: Option<Duration>,
    /// Load for so long before anything counts
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = typed::duration, hide_short_help = true)]
    warmup: Duration,
    /// Requests a second, sent when they are due: an open loop
    #[arg(long, value_name = "N", value_parser = arguments::rate)]
    rate: Option<f64>,
    /// Look for the highest rate that is borne
    ///
    /// Open loops at rising rates, for so long in all at most.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1m",
        value_parser = arguments::sweep, conflicts_with_all = ["rate", "requests", "duration", "warmup", "runs"])]
    sweep: Option<Duration>,
    /// How much of the load is what: get, set, del, incr, invalidate
    ///
    /// invalidate is for layouts that have tags, and for disk:.
    #[arg(long, value_name = "NAME=WEIGHT,…", default_value = "get=90,set=10", value_parser = arguments::mix)]
    mix: Weights,
    /// Have a client that reads what is not there wait for TIME, such as 5ms, and then write it
    ///
    /// As if it computed it. Other clients go on, and such writes come beside the requests that are asked for.
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "0s")]
    #[arg(value_parser = arguments::short_time)]
    cache_aside: Option<Duration>,
    /// Which share of the reads is for entries that are there; the others are for names that nobody writes
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "PERCENT", value_parser = arguments::part, conflicts_with = "no_preload")]
    hit_rate: Option<f64>,
    /// Use the names in FILE, one a line, after the run's own prefix; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "key_count", hide_short_help = true)]
    keys: Option<OsString>,
    /// How many keys there are
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = arguments::number::<u32>(1, u32::MAX))]
    key_count: u32,
    /// Which keys are asked for: uniform, zipf:THETA, gaussian, sequential, latest (those written last)
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "NAME", default_value = "uniform", value_parser = arguments::distribution)]
    key_distribution: Distribution,
    /// Bytes of a value: 64, 64..1KiB, 64=90,4KiB=10
    ///
    /// A size, a range, or sizes with weights.
    #[arg(long, value_name = "SIZE", default_value = "64", value_parser = arguments::sizes)]
    value_size: Sizes,
    /// How much of a value is always the same, for a store or a network that compresses
    #[arg(long, value_name = "PERCENT", default_value = "0%", value_parser = arguments::part, hide_short_help = true)]
    #[arg(conflicts_with = "value_from")]
    value_compressible: f64,
    /// Write the values of a file, or that of an entry
    ///
    /// Of FILE.jsonl, whose lines are as set --from takes them (also @FILE, or - for stdin), or of the entry of KEY;
    /// byte for byte as set would with the same -s and -l, and each as often as any other.
    #[arg(long, value_name = "KEY|FILE.jsonl", conflicts_with = "value_size")]
    #[arg(value_parser = typed::key().map(Source::parse))]
    value_from: Option<Source>,
    /// Encode and decode a share of the values once more (1% unless said), and tell how long that takes
    ///
    /// Of those that are written and read, apart from the latencies. It takes time of the client, in the thread that
    /// loads: after the replies that came together have their times, but those that come meanwhile wait, so a large
    /// share of large values lowers the throughput and lengthens latencies.
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, require_equals = true, default_missing_value = "1%")]
    #[arg(value_parser = arguments::share_of_all, requires = "value_from")]
    decode: Option<f64>,
    /// How many tags there are, of which each entry has one, where the layout has tags
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = arguments::number::<u32>(1, 100_000))]
    tag_count: u32,
    /// Makes chance repeatable
    #[arg(long, value_name = "N", default_value_t = 1, hide_short_help = true)]
    seed: u64,
    /// Do not write the keys first: reads find what the load has written
    #[arg(long, hide_short_help = true)]
    no_preload: bool,
    /// Do it so many times; the throughput is the median
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = arguments::number::<usize>(1, 1000))]
    runs: usize,
    /// End with status 1 when one holds, such as p99>5ms,errors>0
    ///
    /// Or cannot be judged. More are hit_rate<80% and throughput<10000.
    #[arg(long, value_name = "CONDITION,…", value_delimiter = ',', value_parser = Threshold::parse)]
    fail_on: Vec<Threshold>,
    /// Write the latencies of each operation to FILE, as an HdrHistogram log
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    hdr: Option<PathBuf>,
    /// Write all of it with plots to FILE, a page for a browser
    ///
    /// It needs nothing else.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// The profile
    #[arg(long, id = "config", value_name = "NAME", hide = true, global = true)]
    _config: Option<String>,
    #[command(flatten)]
    yes: Yes,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say whether the load of one record went better than that of another
    Compare(compare::Args),
}

impl Args {
    /// What is done to entries: those of others may have to make room.
    pub(super) fn effect(&self) -> Effect<'_> {
        match &self.command {
            Some(Command::Compare(_)) => Effect::Reads,
            None => Effect::Destroys(&self.yes),
        }
    }
}

/// What both print.
const OUTPUTS: &str = "bench prints no values: its outputs are -o text, -o json, -o jsonl and -o csv";

/// How long entries stay after the run, at least, should nobody delete them.
const TTL_SPARE_S: u64 = 3600;

/// How long entries stay where nobody knows how long a run takes.
const TTL_S: u64 = 86_400;

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    if let Some(Command::Compare(args)) = &args.command {
        return compare::run(args, global, printer);
    }
    if matches!(printer.format(), Format::Plain | Format::Python | Format::Raw) {
        return Err(Stop::usage(OUTPUTS).into());
    }
    let (options, connect) = target::connect(global, printer)?;
    let url = global.backend_url();
    let (kind, dial) = (backend::kind(url)?, target::dial(global, &options, printer)?);
    let mut plan = plan(args, global, kind, &options)?;
    // Nobody waits for a run whose results have no place to go.
    let (mut hdr, mut page) = (create(args.hdr.as_deref())?, create(args.report.as_deref())?);
    let interrupt = Interrupt::listen().context("cannot listen for signals")?;
    let mut cache = target::open_by(&connect, global).context("cannot put load on it")?;
    let shards = dial.as_deref().map(|dial| reach(dial, plan.clients)).transpose().context("cannot put load on it")?;
    let key_bytes = cache.abilities().key_bytes;
    if !key_bytes.contains(&plan.names.longest()) {
        let told = format!("a key has {} bytes at most on {}", key_bytes.end(), cache.label());
        return Err(Stop::usage(format!("{told}, and that of an entry {}", plan.names.longest())).into());
    }
    let mut setting = Setting { place: cache.label().to_owned(), layout: layout_text(global), values: None };
    if let Some(source) = &args.value_from {
        let Objects { values, sizes, form, coding } =
            values::objects(source, args.decode, global, &mut cache, printer)?;
        (plan.values, plan.sizes, plan.coding) = (values, sizes, coding);
        setting.values = Some((source.to_string(), form));
    }
    let mut entries = Entries::new(&plan);
    if !matches!(kind, Kind::Memory | Kind::Dummy) {
        guard(cache.backend(), &args.yes, &mut entries)?;
    }
    let site = Site { kind, dial, connect: &connect, shards };
    let measured = measure(args, &plan, &mut entries, &site, cache.backend(), &interrupt, printer);
    remove(&plan, &entries, &site, cache.backend(), &measured, printer);
    let (plan, Measurement { runs, before, after, sweep }) = measured?;
    let report = Report::new(&plan, setting, runs, &before, &after).with_sweep(sweep);
    report.print(printer)?;
    if let Some(file) = &mut hdr {
        file.write_all(report.hdr()?.as_bytes()).context("cannot write the histograms")?;
    }
    if let Some(file) = &mut page {
        file.write_all(page::page(&report).as_bytes()).context("cannot write the report")?;
    }
    let held: Vec<&Threshold> = args.fail_on.iter().filter(|threshold| threshold.holds(&report)).collect();
    held.iter().for_each(|threshold| printer.warn(&format!("{threshold} holds: {}", threshold.found(&report))));
    if let Some(trouble) = report.trouble() {
        printer.error(&format!("the run ended early: {trouble}; what is shown was measured before"));
        return Ok(Exit::Partial);
    }
    if interrupt.is_set() {
        return Ok(Exit::Interrupted);
    }
    if report.all.latency.is_empty() && report.tally.errors_count() > 0 {
        printer.error("no request was answered with anything but an error");
        return Ok(Exit::Unreachable);
    }
    Ok(Exit::answer(held.is_empty()))
}

/// The file that was asked for.
fn create(path: Option<&Path>) -> Result<Option<File>> {
    path.map(|path| File::create(path).with_context(|| format!("cannot write {}", path.display()))).transpose()
}

/// What the arguments say, put together.
fn plan(args: &Args, global: &Global, kind: Kind, options: &Options) -> Result<Plan> {
    target::codec(global)?;
    let given = match &args.keys {
        None => None,
        Some(file) => Some(names(file, kind, global)?),
    };
    let keys = given.as_ref().map_or(Ok(args.key_count), |given| u32::try_from(given.len()))?;
    let layout = target::layout(global)?;
    let tags = tags(args, layout.as_ref(), kind)?;
    let run = format!("{:08x}", fastrand::u32(..));
    let counters = (args.mix.0[Operation::Incr as usize] > 0).then_some(Family::Counter);
    let absent = args.hit_rate.and(Some(Family::Absent));
    let families: Vec<Family> = [Some(Family::Entry), counters, absent].into_iter().flatten().collect();
    let names = Names::new(layout.as_ref(), &run, given, keys, &families, tags);
    let names = names.map_err(|error| Stop::usage(error.to_string()))?;
    let end = match (args.requests, args.duration.or(args.sweep)) {
        (Some(requests), _) => End::Requests(requests),
        (None, duration) => End::After(duration.unwrap_or(Duration::from_secs(10))),
    };
    let ttl_s = match end {
        End::Requests(_) => TTL_S,
        End::After(time) => {
            let runs = u32::try_from(args.runs).unwrap_or(u32::MAX);
            (args.warmup + time).saturating_mul(runs).as_secs().saturating_add(TTL_SPARE_S)
        }
    };
    let store = !matches!(kind, Kind::Redis | Kind::Memcached);
    if store && (args.pipeline > 1 || args.threads > 1) {
        let told = "--pipeline and --threads are for servers: on this backend each client is a thread of its own";
        return Err(Stop::usage(told).into());
    }
    Ok(Plan {
        clients: args.clients,
        pipeline: args.pipeline,
        threads: args.threads,
        pace: args.rate.map_or(Pace::Closed, Pace::Open),
        warmup: args.warmup,
        end,
        mix: args.mix.0,
        hit_rate: args.hit_rate,
        cache_aside: args.cache_aside,
        keys,
        distribution: args.key_distribution,
        sizes: args.value_size.clone(),
        compressible: args.value_compressible,
        values: Values::new(args.value_size.most(), args.value_compressible, args.seed),
        seed: args.seed,
        names,
        ttl_s,
        timeout: options.timeout,
        coding: None,
    })
}

/// How many tags there are: none where nobody keeps any.
fn tags(args: &Args, layout: &dyn Layout, kind: Kind) -> Result<u32> {
    let invalidates = args.mix.0[Operation::Invalidate as usize] > 0;
    let told = match (layout.tagging(), kind) {
        (Some(_), kind) if kind != Kind::Redis => "this layout is for Redis: its library knows no other store",
        (Some(tagging), _) if invalidates && tagging.deletes() => {
            "redis-tagged-cache 0.10 makes a tag's value again when it is asked for, and a load knows those that it \
             wrote: invalidate is for later formats"
        }
        (None, kind) if invalidates && kind != Kind::Disk => {
            "invalidate is of tags, and neither this layout nor this backend keeps any: \
             -l redis-tagged-cache://NAMESPACE does on Redis, and -b disk: keeps one an entry"
        }
        (None, _) if !invalidates => return Ok(0),
        _ => return Ok(args.tag_count),
    };
    Err(Stop::usage(told).into())
}

/// The layout, as one URL.
fn layout_text(global: &Global) -> String {
    let namespace = global.namespace.as_deref().unwrap_or_default();
    format!("{}{}", global.layout, escape::message(namespace))
}

/// The names of keys in a file, as the backend can hold them.
fn names(file: &OsString, kind: Kind, global: &Global) -> Result<Vec<Vec<u8>>> {
    let names: Vec<Vec<u8>> = typed::lines(file, &global.limits())?.into_iter().map(String::into_bytes).collect();
    if names.is_empty() {
        return Err(Stop::usage("there is no name in the file of --keys").into());
    }
    // A line of its protocol has keys as they are, and no more than that beside our prefix.
    let fits = |name: &Vec<u8>| name.len() <= 200 && !name.iter().any(|byte| matches!(byte, 0..=b' ' | 0x7f));
    match names.iter().find(|name| kind == Kind::Memcached && !fits(name)) {
        Some(name) => {
            let told = "a key on memcached has no spaces or control characters, and with the run's prefix 250 bytes";
            Err(Stop::usage(format!("`{}`: {told}", String::from_utf8_lossy(name))).into())
        }
        None => Ok(names),
    }
}

/// Refuses a backend that somebody else uses too, unless that was said to be right. What does not let this user count
/// its entries must let it write some.
fn guard(backend: &mut dyn Backend, yes: &Yes, entries: &mut Entries<'_>) -> Result<()> {
    let label = backend.label().to_owned();
    let has = match backend.count() {
        Err(error) if error.kind == ErrorKind::Denied && yes.is_said() => {
            return entries.try_one(backend).context("cannot put load on it");
        }
        _ if yes.is_said() => return Ok(()),
        Ok(Some(0)) => return Ok(()),
        Ok(Some(count)) => format!("has {}", render::count(count, "other entry", "other entries")),
        Ok(None) => "does not say whether it has other entries".to_owned(),
        Err(error) => {
            // Who has not logged in may write nothing either.
            let todo = if error.message.contains("NOPERM") { " (--yes goes on where this user may write)" } else { "" };
            return Err(error).context(format!("cannot tell whether {label} has other entries{todo}"));
        }
    };
    let why = "whoever uses it will notice, and where memory is short entries may be evicted";
    let todo = "--yes goes on: it writes only entries of its own, and deletes them; -b memory: is a place apart";
    Err(Stop::refused(format!("{label} {has}: {why} ({todo})")).into())
}

/// Where the load goes.
struct Site<'a> {
    kind: Kind,
    dial: Option<Box<dyn Dial>>,
    connect: &'a Connect,
    /// The servers that have the data, where there are any.
    shards: Option<Shards>,
}

impl Site<'_> {
    fn target(&self) -> Target<'_> {
        match (self.dial.as_deref(), self.kind) {
            (Some(dial), Kind::Memcached) => Target::Server(Protocol::Memcached, dial),
            (Some(dial), _) => Target::Server(Protocol::Redis, dial),
            (None, _) => Target::Store(self.connect),
        }
    }
}

/// The runs, and what the server said before and after.
struct Measurement {
    runs: Vec<Summary>,
    before: Server,
    after: Server,
    sweep: Option<Sweep>,
}

/// Writes the keys, and does what was asked for: the runs, or the search for the rate of the one to tell of.
fn measure(
    args: &Args,
    plan: &Plan,
    entries: &mut Entries<'_>,
    site: &Site<'_>,
    control: &mut dyn Backend,
    interrupt: &Interrupt,
    printer: &mut Printer,
) -> Result<(Plan, Measurement)> {
    entries.prepare(control, interrupt).context("cannot write what the load needs")?;
    if !args.no_preload {
        let mut progress = printer.progress_of("writing keys", Some(u64::from(plan.keys)));
        entries.preload(control, interrupt, |count| progress.set(count)).context("cannot write the keys")?;
    }
    let measured = match args.sweep {
        Some(bound) => sweep::measure(bound, plan, site, control, interrupt, printer),
        None => repeat(args.runs, plan, site, control, interrupt, printer).map(|measured| (plan.clone(), measured)),
    };
    entries.loaded(measured.as_ref().ok().map(|(_, measured)| measured.runs.as_slice()));
    measured
}

/// Does so many runs, until one fails.
fn repeat(
    runs_count: usize,
    plan: &Plan,
    site: &Site<'_>,
    control: &mut dyn Backend,
    interrupt: &Interrupt,
    printer: &Printer,
) -> Result<Measurement> {
    let before = control.server().unwrap_or_default();
    let mut runs: Vec<Summary> = Vec::new();
    for nth in 1..=runs_count {
        if interrupt.is_set() {
            break;
        }
        let mut progress = printer.progress("load");
        let mut last = Progress::default();
        let mut watch = |now: Progress| {
            progress.say(show::progress(nth, runs_count, &last, &now));
            last = now;
        };
        let watched = printer.is_watched().then_some(&mut watch as &mut dyn FnMut(Progress));
        let summary = load(plan, &site.target(), interrupt, watched).context("cannot put load on it")?;
        let over = summary.trouble.is_some();
        runs.push(summary);
        if over {
            // A server that does not answer is not waited for again.
            return Ok(Measurement { runs, before, after: Server::default(), sweep: None });
        }
    }
    Ok(Measurement { runs, before, after: control.server().unwrap_or_default(), sweep: None })
}

/// Deletes the entries of the run. That it could not is said, and not what the run is judged by.
fn remove(
    plan: &Plan,
    entries: &Entries<'_>,
    site: &Site<'_>,
    control: &mut dyn Backend,
    measured: &Result<(Plan, Measurement)>,
    printer: &mut Printer,
) {
    let runs = measured.as_ref().map_or(&[][..], |(_, measured)| &measured.runs);
    let failed = measured.is_err() || runs.iter().any(|run| run.trouble.is_some());
    let lost = runs.iter().find_map(|run| run.lost.as_ref());
    let shards = site.shards.as_ref();
    // What was lost may be there again, or the address that the URL names be gone and others not.
    let removed = match failed.then(|| (site.connect)()) {
        Some(Ok(mut anew)) => entries.remove(anew.as_mut(), shards, lost),
        Some(Err(_)) | None => entries.remove(control, shards, lost),
    };
    if let Err(error) = removed {
        let (prefix, ttl) = (escape::message(&plan.names.shown()), render::ttl(Ttl::Left(plan.ttl_s * 1000)));
        printer.warn(&format!("entries `{prefix}…` may be left, for {ttl} at most: cannot delete them: {error}"));
    }
}
