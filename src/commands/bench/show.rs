//! What a run has found: as a table with sentences, as a record, as rows, as a log.

use std::fmt::Write as _;
use std::io;

use anyhow::Result;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::sweep::Sweep;
use super::{arguments, curves};
use crate::backend::Server;
use crate::bench::{
    Coding, Distribution, End, Measured, Operation, Pace, Plan, Progress, Second, Sizes, Summary, Tally,
};
use crate::render::{self, Format, Printer, Record};
use crate::stats::server::{Rates, percent};

/// The version of the record: it changes when a name or a unit does.
pub const SCHEMA: &str = "cachectl.bench/1";

/// Quantiles that are told.
const QUANTILES: [(&str, f64); 7] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// An open loop whose rate is less than this share of what was asked is overloaded.
const KEPT: f64 = 0.99;

/// What a plan does not say of its load.
#[derive(Default)]
pub struct Setting {
    /// The backend.
    pub place: String,
    /// The layout, as a URL.
    pub layout: String,
    /// Where values come from, and in which form they are, where they are no random bytes.
    pub values: Option<(String, String)>,
}

/// All that there is to say of the runs of a plan.
pub struct Report<'a> {
    pub plan: &'a Plan,
    pub setting: Setting,
    /// What all runs measured.
    pub tally: Tally,
    /// All operations in one.
    pub all: Measured,
    /// Operations a second: the median of the runs.
    pub throughput: f64,
    pub runs: Vec<Summary>,
    /// Operations a second of each run.
    throughputs: Vec<f64>,
    before: &'a Server,
    after: &'a Server,
    /// The search for its rate.
    pub sweep: Option<Sweep>,
}

#[expect(clippy::cast_precision_loss, reason = "counts are shown with less than 53 bits")]
pub fn real(count: u64) -> f64 {
    count as f64
}

/// What is no number, for want of anything to divide by, is 0.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Operations of a run that were asked for, and done: what is written after a miss comes beside them.
fn done_as_asked(tally: &Tally) -> u64 {
    let done: u64 = tally.operations.iter().flatten().map(|one| one.latency.len()).sum();
    done - tally.written_back
}

/// The one in the middle, or between the two that are; 0 of none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => figures[odd / 2],
        even => (figures[even / 2 - 1] + figures[even / 2]) / 2.0,
    }
}

/// Requests a second of an open loop.
#[derive(Clone, Copy, Default)]
pub struct Offered {
    /// Asked for.
    pub asked: f64,
    /// Sent.
    pub sent: f64,
    /// Done: the median of the runs.
    pub achieved: f64,
}

impl Offered {
    /// Whether less was sent than was asked for.
    fn is_overload(&self) -> bool {
        self.sent < self.asked * KEPT
    }
}

/// How many seconds a run took. The last request of an open loop may come long before the loop's end.
fn lasted(plan: &Plan, run: &Summary) -> f64 {
    match (plan.pace, plan.end) {
        (Pace::Open(_), End::After(time)) if run.is_whole() => time.max(run.elapsed).as_secs_f64(),
        _ => run.elapsed.as_secs_f64(),
    }
}

impl<'a> Report<'a> {
    /// Of these runs, with what the server said before and after.
    pub fn new(
        plan: &'a Plan,
        setting: Setting,
        runs: Vec<Summary>,
        before: &'a Server,
        after: &'a Server,
    ) -> Report<'a> {
        let mut tally = Tally::default();
        runs.iter().for_each(|run| tally.add(&run.tally));
        let done = |run: &Summary| run.tally.operations.iter().flatten().map(|one| one.latency.len()).sum();
        let throughputs: Vec<f64> = runs.iter().map(|run| ratio(real(done(run)), lasted(plan, run))).collect();
        let throughput = median(throughputs.clone());
        Report { plan, setting, all: tally.all(), tally, throughput, runs, throughputs, before, after, sweep: None }
    }

    /// With the search that has found its rate, if there was one.
    pub fn with_sweep(self, sweep: Option<Sweep>) -> Report<'a> {
        Report { sweep, ..self }
    }

    /// Why the last run ended early, if something failed.
    pub fn trouble(&self) -> Option<&str> {
        self.runs.iter().find_map(|run| run.trouble.as_deref())
    }

    /// The share of reads that found an entry.
    pub fn hit_rate(&self) -> Option<f64> {
        let reads = self.all.hits + self.all.misses;
        (reads > 0).then(|| ratio(real(self.all.hits), real(reads)))
    }

    /// Prints it as it was asked for.
    ///
    /// # Errors
    /// When the output fails.
    pub fn print(&self, printer: &mut Printer) -> Result<()> {
        match printer.format() {
            Format::Csv => {
                let rows = self.sweep.as_ref().map_or_else(|| self.rows().collect(), Sweep::rows);
                let header: Vec<&str> = rows.first().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                let cells = |row: &Vec<(String, Value)>| row.iter().map(|(_, value)| cell(value.clone())).collect();
                let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
                Ok(printer.csv(&header, &rows)?)
            }
            Format::Text => self.text(printer),
            _ => Ok(printer.record(&self.record())?),
        }
    }

    fn seconds(&self) -> f64 {
        self.runs.iter().map(|run| lasted(self.plan, run)).sum()
    }

    fn sum(&self, count: fn(&Summary) -> u64) -> u64 {
        self.runs.iter().map(count).sum()
    }

    /// Operations that were done, each with what was measured, and all of them in one.
    pub fn operations(&self) -> impl Iterator<Item = (&'static str, &Measured)> {
        operations(&self.tally, &self.all)
    }

    /// What encoding and decoding took, where that was measured.
    fn codec(&self) -> impl Iterator<Item = (&'static str, &Histogram<u64>)> {
        let both = [("encode", self.tally.encode.as_ref()), ("decode", self.tally.decode.as_ref())];
        both.into_iter().filter_map(|(name, took)| Some((name, took?)))
    }

    /// Of a cluster, how many primaries had the data.
    fn primaries(&self) -> Option<usize> {
        self.runs.iter().find_map(|run| run.primaries)
    }

    /// Of a cluster, how many requests were sent to another node: for good, and for once.
    fn redirects(&self) -> Option<(u64, u64)> {
        self.primaries().map(|_| (self.tally.moved, self.tally.asked))
    }

    /// How many operations were asked for and done.
    pub fn done_as_asked(&self) -> u64 {
        done_as_asked(&self.tally)
    }

    /// What became of the rate of an open loop.
    pub fn offered(&self) -> Option<Offered> {
        let Pace::Open(asked) = self.plan.pace else { return None };
        let sent = self.sum(|run| run.sent);
        // The last replies come after the last requests: they are no part of the time to send in.
        let seconds = match self.plan.end {
            End::After(time) if self.runs.iter().all(Summary::is_whole) => {
                time.as_secs_f64() * real(self.runs.len() as u64)
            }
            _ => self.seconds(),
        };
        let achieved = |run: &Summary| ratio(real(done_as_asked(&run.tally)), lasted(self.plan, run));
        let achieved = median(self.runs.iter().map(achieved).collect());
        Some(Offered { asked, sent: ratio(real(sent), seconds), achieved })
    }

    /// By Little's law, requests in flight are the rate by the time that each takes: of those that a closed
    /// loop says it has, how much that is. What is far from 1 was measured wrongly.
    fn littles_law(&self) -> Option<f64> {
        let in_flight = real((self.plan.clients * self.plan.pipeline) as u64);
        let rate = ratio(real(self.all.latency.len()), self.seconds());
        // Who computes what was missed has nothing in flight meanwhile.
        let compute = self.plan.cache_aside.map_or(0.0, |time| time.as_secs_f64() * real(self.all.misses));
        let computing = ratio(compute, self.seconds());
        (self.plan.pace == Pace::Closed && !self.all.latency.is_empty())
            .then(|| (rate * self.all.latency.mean() / 1e9 + computing) / in_flight)
    }

    /// Processor time of this process for each operation, in microseconds, and how many processors.
    pub fn cpu(&self) -> (f64, f64) {
        let cpu: f64 = self.runs.iter().map(|run| run.cpu.as_secs_f64()).sum();
        let warmup = self.plan.warmup.as_secs_f64() * real(self.runs.len() as u64);
        (ratio(cpu * 1e6, real(self.all.latency.len())), ratio(cpu, self.seconds() + warmup))
    }
}

/// Nanoseconds as microseconds, to the nanosecond.
pub fn us(ns: f64) -> Value {
    json!((ns.round()) / 1e3)
}

/// To three digits after the point.
pub fn rounded(number: f64) -> Value {
    json!((number * 1e3).round() / 1e3)
}

/// A value in a row.
pub fn cell(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Each is null where nothing was measured.
fn latencies(latency: &Histogram<u64>) -> Map<String, Value> {
    let us = |ns: f64| if latency.is_empty() { Value::Null } else { us(ns) };
    let quantiles = QUANTILES.iter().map(|(name, quantile)| {
        let value = if *quantile < 1.0 { latency.value_at_quantile(*quantile) } else { latency.max() };
        ((*name).to_owned(), us(real(value)))
    });
    quantiles.chain([("mean".to_owned(), us(latency.mean()))]).collect()
}

/// Operations that were done, each with what was measured, and all of them in one.
fn operations<'a>(tally: &'a Tally, all: &'a Measured) -> impl Iterator<Item = (&'static str, &'a Measured)> {
    let each = Operation::ALL.into_iter().zip(&tally.operations);
    let each = each.filter_map(|(operation, measured)| Some((operation.name(), measured.as_ref()?)));
    each.chain([("all", all)])
}

fn row(name: &str, measured: &Measured, seconds: f64) -> Vec<(String, Value)> {
    let count = measured.latency.len();
    let named = |(name, value): (&str, Value)| (name.to_owned(), value);
    let head =
        [("operation", json!(name)), ("count", json!(count)), ("throughput", rounded(ratio(real(count), seconds)))];
    let tail = [
        ("hits", json!(measured.hits)),
        ("misses", json!(measured.misses)),
        ("bytes_per_s", rounded(ratio(real(measured.bytes), seconds))),
    ];
    let latencies = latencies(&measured.latency).into_iter().map(|(name, value)| (format!("{name}_us"), value));
    head.map(named).into_iter().chain(latencies).chain(tail.map(named)).collect()
}

/// A row for what is no operation, with nothing where it has nothing.
fn codec_row(name: &str, took: &Histogram<u64>) -> Vec<(String, Value)> {
    let none = Measured { latency: took.clone(), ..Measured::default() };
    let has = |name: &str| ["operation", "count"].contains(&name) || name.ends_with("_us");
    let cells = row(name, &none, 0.0).into_iter();
    cells.map(|(name, value)| if has(&name) { (name, value) } else { (name, Value::Null) }).collect()
}

fn object(pairs: Vec<(String, Value)>) -> Value {
    Value::Object(pairs.into_iter().collect())
}

/// For scripts.
impl Report<'_> {
    fn rows(&self) -> impl Iterator<Item = Vec<(String, Value)>> {
        let operations = self.operations().map(|(name, measured)| row(name, measured, self.seconds()));
        operations.chain(self.codec().map(|(name, took)| codec_row(name, took)))
    }

    /// The rows of each run alone: how much runs differ is what `bench compare` judges by.
    fn each_run(&self) -> Vec<Value> {
        let rows = |run: &Summary| {
            let (all, seconds) = (run.tally.all(), lasted(self.plan, run));
            operations(&run.tally, &all).map(|(name, measured)| object(row(name, measured, seconds))).collect()
        };
        self.runs.iter().map(rows).collect()
    }

    fn record(&self) -> Record {
        let (plan, (cpu_us, processors)) = (self.plan, self.cpu());
        let second = |second: &Second| {
            let [p50, p99, max] =
                [second.latency(0.5), second.latency(0.99), second.latency_max].map(|ns| us(real(ns)));
            json!({"done": second.done, "errors": second.errors, "p50_us": p50, "p99_us": p99, "latency_max_us": max})
        };
        let offered = self.offered().map(|offered| {
            let Offered { asked, sent, achieved } = offered;
            let lateness = self.tally.lateness.as_ref().map(latencies);
            json!({
                "asked": rounded(asked), "sent": rounded(sent), "achieved": rounded(achieved),
                "unsent": self.sum(|run| run.unsent), "overloaded": offered.is_overload(), "lateness_us": lateness,
            })
        });
        let errors = self.tally.errors.iter().map(|(kind, count)| (kind.clone(), json!(count)));
        let errors: Map<String, Value> = errors.collect();
        let values = self.setting.values.as_ref();
        let operations = self.operations().map(|(name, measured)| object(row(name, measured, self.seconds())));
        let codec = |coding: &Coding| {
            let took = self.codec().map(|(name, took)| {
                let counted = [("count".to_owned(), json!(took.len()))];
                (format!("{name}_us"), Value::Object(counted.into_iter().chain(latencies(took)).collect()))
            });
            Value::Object([("share".to_owned(), json!(coding.share))].into_iter().chain(took).collect())
        };
        let codec = plan.coding.as_ref().map_or(Value::Null, codec);
        Record::new()
            .with("schema", SCHEMA)
            .with("backend", self.setting.place.clone())
            .with("throughput", rounded(self.throughput))
            .with("runs", self.throughputs.iter().map(|one| rounded(*one)).collect::<Vec<_>>())
            .with("primaries", self.primaries().map_or(Value::Null, Value::from))
            .with("loop", if plan.pace == Pace::Closed { "closed" } else { "open" })
            .with("clients", plan.clients)
            .with("pipeline", plan.pipeline)
            .with("threads", plan.threads)
            .with("keys", plan.keys)
            .with("key_distribution", arguments::distribution_text(plan.distribution))
            .with("mix", arguments::mix_text(&plan.mix))
            .with("layout", self.setting.layout.clone())
            .with("value_size", arguments::sizes_text(&plan.sizes).map_or(Value::Null, Value::from))
            .with("value_compressible", rounded(plan.compressible))
            .with("value_from", values.map_or(Value::Null, |(from, _)| from.as_str().into()))
            .with("serializer", values.map_or(Value::Null, |(_, form)| form.as_str().into()))
            .with("seed", plan.seed)
            .with("elapsed_s", rounded(self.seconds()))
            .with("count", self.all.latency.len())
            .with("errors", self.tally.errors_count())
            .with("errors_by_kind", errors)
            .with("redirects", self.redirects().map_or(Value::Null, |(moved, ask)| json!({"moved": moved, "ask": ask})))
            .with("unanswered", self.sum(|run| run.unanswered))
            .with("ended_early", self.trouble().map_or(Value::Null, Value::from))
            .with("latency_us", latencies(&self.all.latency))
            .with("service_us", self.tally.service.as_ref().map(latencies).map_or(Value::Null, Value::Object))
            .with("offered", offered.unwrap_or_default())
            .with("hit_rate_asked", plan.hit_rate.map_or(Value::Null, rounded))
            .with("cache_aside_us", plan.cache_aside.map_or(Value::Null, |time| us(time.as_secs_f64() * 1e9)))
            .with("hit_rate", self.hit_rate().map_or(Value::Null, rounded))
            .with("littles_law", self.littles_law().map_or(Value::Null, rounded))
            .with("client_cpu_us_per_operation", rounded(cpu_us))
            .with("client_processors", rounded(processors))
            .with("sweep", self.sweep.as_ref().map_or(Value::Null, Sweep::record))
            .with("operations", operations.collect::<Vec<_>>())
            .with("codec", codec)
            .with("each_run", self.each_run())
            .with("server", self.server().map_or(Value::Null, |pairs| object(owned(pairs))))
            .with("seconds", self.tally.seconds.iter().map(second).collect::<Vec<_>>())
    }

    /// What the server says has happened meanwhile, all that it does of itself included.
    pub fn server(&self) -> Option<Vec<(&'static str, Value)>> {
        let (before, after) = (self.before, self.after);
        // Counters that went back began anew: their differences mean nothing.
        Rates::between(before, after, 1.0)?;
        let count = |count: fn(&Server) -> Option<u64>| json!(count(after).zip(count(before)).map(|(a, b)| a - b));
        let cpu = |time: fn(&Server) -> Option<f64>| match time(after).zip(time(before)) {
            Some((after, before)) => rounded(after - before),
            None => Value::Null,
        };
        let hits = |server: &Server| server.hits.zip(server.misses);
        let hit_rate = hits(after).zip(hits(before)).map(|((hits, misses), (hits_before, misses_before))| {
            let (hits, misses) = (hits - hits_before, misses - misses_before);
            rounded(ratio(real(hits), real(hits + misses)))
        });
        let hit_rate = hit_rate.unwrap_or_default();
        Some(vec![
            ("commands", count(|server| server.commands)),
            ("hits", count(|server| server.hits)),
            ("misses", count(|server| server.misses)),
            ("hit_rate", hit_rate),
            ("expired", count(|server| server.expired)),
            ("evicted", count(|server| server.evicted)),
            ("network_in", count(|server| server.network_in)),
            ("network_out", count(|server| server.network_out)),
            ("cpu_user_s", cpu(|server| server.cpu_user_s)),
            ("cpu_sys_s", cpu(|server| server.cpu_sys_s)),
        ])
    }

    /// The latencies of each operation, in nanoseconds, as HdrHistogram's log of version 1.3.
    ///
    /// # Errors
    /// Those of compression.
    pub fn hdr(&self) -> io::Result<String> {
        let mut text = "#[Histogram log format version 1.3]\n".to_owned();
        text.push_str("\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n");
        for (name, measured) in self.operations() {
            let (length, max) = (self.seconds(), real(measured.latency.max()) / 1e6);
            let packed = super::log::packed(&measured.latency)?;
            let _ = writeln!(text, "Tag={name},0.000,{length:.3},{max:.3},{packed}");
        }
        Ok(text)
    }
}

fn owned(pairs: Vec<(&'static str, Value)>) -> Vec<(String, Value)> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// For people.
impl Report<'_> {
    fn text(&self, printer: &mut Printer) -> Result<()> {
        printer.line(&render::escape::message(&self.title()))?;
        if let Some(sweep) = &self.sweep {
            let (header, rows) = sweep.table();
            printer.table(&header, &rows)?;
            printer.line(&sweep.sentence(self.plan.threads))?;
            printer.line("")?;
        }
        printer.line(&self.load())?;
        let (header, rows) = self.table();
        printer.table(&header, &rows)?;
        for line in self.sentences() {
            printer.line(&render::escape::message(&line))?;
        }
        let rows = curves::second_rows(&curves::moments(self));
        if !rows.is_empty() {
            printer.line("by the second:")?;
            printer.table(&[], &rows)?;
        }
        for line in curves::latency_lines(&self.all.latency) {
            printer.line(&line)?;
        }
        Ok(())
    }

    /// A row for each operation, one for all where there are several, and those of the codec; the header first.
    pub fn table(&self) -> (Vec<&'static str>, Vec<Vec<String>>) {
        let quantiles = QUANTILES.iter().map(|(name, _)| *name);
        let header = ["", "count", "per s"].into_iter().chain(quantiles).chain(["mean", "hits", "bytes/s"]).collect();
        let mut rows: Vec<Vec<String>> = self.operations().map(|(name, measured)| self.cells(name, measured)).collect();
        if rows.len() <= 2 {
            rows.truncate(1);
        }
        rows.extend(self.codec().map(|(name, took)| codec_cells(name, took)));
        (header, rows)
    }

    /// What was asked, and where.
    pub fn title(&self) -> String {
        let words = [self.after.product.as_deref(), self.after.version.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        let place = &self.setting.place;
        if words.is_empty() { place.clone() } else { format!("{} at {place}", words.join(" ")) }
    }

    /// How it was asked.
    pub fn load(&self) -> String {
        let plan = self.plan;
        let keys = match plan.distribution {
            Distribution::Uniform => "uniform".to_owned(),
            Distribution::Zipf(theta) => format!("Zipf {theta}"),
            Distribution::Gaussian => "Gaussian".to_owned(),
            Distribution::Sequential => "sequential".to_owned(),
            Distribution::Latest => "latest".to_owned(),
        };
        let sizes = match &plan.sizes {
            Sizes::Range(least, most) if least == most => render::bytes(u64::from(*least)),
            Sizes::Range(least, most) => {
                format!("{} to {}", render::bytes(u64::from(*least)), render::bytes(u64::from(*most)))
            }
            Sizes::Weighted(sizes) => format!("{} sizes", sizes.len()),
            Sizes::Given(places) => {
                let (from, form) = self.setting.values.as_ref().map_or(("", ""), |(from, form)| (from, form));
                format!("{from} ({}, {form})", render::count(places.len() as u64, "value", "values"))
            }
        };
        let pace = match plan.pace {
            Pace::Closed => "closed loop".to_owned(),
            Pace::Open(rate) => format!("open loop at {}/s", rate),
        };
        format!(
            "{pace}; {}, pipeline {}; {}, {keys}; values of {sizes}; seed {}; {:.1} s",
            render::count(plan.clients as u64, "client", "clients"),
            plan.pipeline,
            render::count(u64::from(plan.keys), "key", "keys"),
            plan.seed,
            self.seconds(),
        )
    }

    fn cells(&self, name: &str, measured: &Measured) -> Vec<String> {
        let (count, seconds) = (measured.latency.len(), self.seconds());
        let reads = measured.hits + measured.misses;
        let hits = if reads > 0 { percent(ratio(real(measured.hits), real(reads))) } else { "-".to_owned() };
        [name.to_owned(), render::grouped(count), grouped(ratio(real(count), seconds))]
            .into_iter()
            .chain(quantiles(&measured.latency))
            .chain([time(measured.latency.mean()), hits, render::bytes(whole(ratio(real(measured.bytes), seconds)))])
            .collect()
    }

    /// What there is to say beside the table.
    pub fn sentences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(coding) = &self.plan.coding {
            let share = percent(coding.share);
            lines.push(format!(
                "encode and decode: {share} of the values, in time of this process beside the latencies"
            ));
        }
        if self.throughputs.len() > 1 {
            let (least, most) =
                self.throughputs.iter().fold((f64::MAX, 0.0_f64), |(a, b), one| (a.min(*one), b.max(*one)));
            let (median, runs) = (grouped(self.throughput), self.throughputs.len());
            lines.push(format!(
                "throughput: {median}/s, the median of {runs} runs from {} to {}",
                grouped(least),
                grouped(most)
            ));
        }
        lines.extend(self.pace_sentences());
        if let Some((asked, found)) = self.plan.hit_rate.zip(self.hit_rate()) {
            lines.push(format!("hits: {:.1} % asked for, {:.1} % found", 100.0 * asked, 100.0 * found));
        }
        if let Some(compute) = self.plan.cache_aside {
            let compute = time(compute.as_secs_f64() * 1e9);
            lines.push(format!(
                "cache-aside: a miss was written {compute} later; its set is none of the requests asked for"
            ));
        }
        if let Some(primaries) = self.primaries() {
            let (moved, asked) = self.redirects().unwrap_or_default();
            let primaries = render::count(primaries as u64, "primary", "primaries");
            let redirects = match moved + asked {
                0 => "no redirects".to_owned(),
                count => format!(
                    "{} (MOVED {moved}, ASK {asked}), each in the latency of its request",
                    render::count(count, "redirect", "redirects")
                ),
            };
            lines.push(format!("cluster of {primaries}: {redirects}"));
        }
        if self.tally.errors_count() > 0 {
            let kinds: Vec<String> = self.tally.errors.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            lines.push(format!("errors: {} ({})", self.tally.errors_count(), kinds.join(", ")));
        }
        let (cpu_us, processors) = self.cpu();
        let full = processors > 0.95 * real(self.plan.threads as u64) && self.plan.pace == Pace::Closed;
        let full = if full { ": as much as there is for it, so --threads may reach more" } else { "" };
        lines.push(format!("client: {cpu_us:.2} µs of a processor each, {} of one in all{full}", percent(processors)));
        let shown = |(name, value): (&str, Value)| (!value.is_null()).then(|| format!("{name} {value}"));
        let server: Vec<String> = self.server().unwrap_or_default().into_iter().filter_map(shown).collect();
        if !server.is_empty() {
            lines.push(format!("server meanwhile: {}", server.join(", ")));
        }
        lines
    }

    /// What the latencies mean.
    fn pace_sentences(&self) -> Vec<String> {
        let Some(offered) = self.offered() else {
            let closed = "closed loop: a slow answer delays the next question, so waiting is hidden; --rate shows it";
            let law = |law| format!("Little's law: rate x mean latency is {law:.3} of the requests in flight");
            return [closed.to_owned()].into_iter().chain(self.littles_law().map(law)).collect();
        };
        let mut lines = Vec::new();
        let (asked, achieved) = (grouped(offered.asked), grouped(offered.achieved));
        let unsent = match self.sum(|run| run.unsent) {
            0 => String::new(),
            unsent => format!("; {} were due and never sent", render::grouped(unsent)),
        };
        lines.push(match offered.is_overload() {
            true => format!("offered {asked}/s, achieved {achieved}/s: overloaded, latencies include backlog{unsent}"),
            false => format!("offered {asked}/s, achieved {achieved}/s{unsent}"),
        });
        if let Some(service) = &self.tally.service {
            let at = |quantile| time(real(service.value_at_quantile(quantile)));
            lines.push(format!(
                "latency is from when a request was due; from when it was sent: p50 {}, p99 {}, p99.9 {}, max {}",
                at(0.5),
                at(0.99),
                at(0.999),
                time(real(service.max())),
            ));
        }
        if let Some(late) = self.tally.lateness.as_ref().filter(|late| !late.is_empty()) {
            let at = |quantile| time(real(late.value_at_quantile(quantile)));
            lines.push(format!("sent late, with a connection free: p50 {}, p99 {}", at(0.5), at(0.99)));
        }
        lines
    }
}

fn quantiles(latency: &Histogram<u64>) -> impl Iterator<Item = String> {
    QUANTILES.iter().map(|(_, quantile)| match quantile {
        1.0 => time(real(latency.max())),
        quantile => time(real(latency.value_at_quantile(*quantile))),
    })
}

fn codec_cells(name: &str, took: &Histogram<u64>) -> Vec<String> {
    let (none, mean) = ("-".to_owned(), time(took.mean()));
    let head = [name.to_owned(), render::grouped(took.len()), none.clone()];
    head.into_iter().chain(quantiles(took)).chain([mean, none.clone(), none]).collect()
}

/// Nanoseconds as people read them.
pub fn time(ns: f64) -> String {
    match ns {
        ns if ns < 9_950.0 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 999_500.0 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 99_950_000.0 => format!("{:.2} ms", ns / 1e6),
        ns if ns < 999_500_000.0 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is never negative")]
fn whole(rate: f64) -> u64 {
    rate.round() as u64
}

/// A rate as people read it.
pub fn grouped(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.2}") } else { render::grouped(whole(rate)) }
}

/// How far run `nth` of `runs` is, since a quarter of a second ago.
pub fn progress(nth: usize, runs: usize, last: &Progress, now: &Progress) -> String {
    let run = if runs > 1 { format!("run {nth} of {runs}: ") } else { String::new() };
    let rate = render::grouped(now.done.saturating_sub(last.done) * 4);
    let (p50, p99) = (time(real(now.p50)), time(real(now.p99)));
    format!("{run}{} done, {rate}/s, p50 {p50}, p99 {p99}, errors {}", render::grouped(now.done), now.errors)
}
