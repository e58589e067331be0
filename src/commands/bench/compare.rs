//! `bench compare`: whether one record of `bench -o json` is faster than another.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::super::arguments as typed;
use super::show::{SCHEMA, grouped, rounded, time};
use super::{Global, arguments};
use crate::bench::compare::{Comparison, Direction, Verdict};
use crate::bench::sweep::NARROW;
use crate::exit::{Exit, Stop};
use crate::render::{self, Format, Printer, Record};

/// Say whether the load of one record went better than that of another
///
/// Both are what `bench -o json` has printed. For each operation, throughput and latencies are compared as
/// the ratio of B to A, with an interval that has the true ratio in it with a confidence of 95 %: Welch's t on the
/// logarithms of what each run measured, so do several (--runs 10). The status is 1 when a throughput is lower
/// or a latency higher by more than the threshold and no change is outside the interval. Where a
/// side has one run there is no interval, and the ratio alone decides. Of two sweeps the knees are compared, and
/// nothing else: latencies at different rates are not alike.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Record of before
    #[arg(value_name = "A.json")]
    a: OsString,
    /// Record of after
    #[arg(value_name = "B.json")]
    b: OsString,
    /// Change that is none
    #[arg(long, value_name = "PERCENT", default_value = "5%", value_parser = arguments::share)]
    threshold: f64,
}

/// The version of what is printed: it changes when a name or a unit does.
const COMPARISON_SCHEMA: &str = "cachectl.bench.compare/1";

/// What is compared, by its name in the row of an operation.
const METRICS: [(&str, Direction); 4] = [
    ("throughput", Direction::Higher),
    ("p50_us", Direction::Lower),
    ("p99_us", Direction::Lower),
    ("p99.9_us", Direction::Lower),
];

/// Settings without which another thing is measured.
const SAME: [&str; 7] = ["/loop", "/clients", "/pipeline", "/mix", "/value_size", "/hit_rate_asked", "/cache_aside_us"];

/// Likewise, but for a sweep, which has found it.
const RATE: [&str; 1] = ["/offered/asked"];

/// Settings that may be just what is compared.
const ALIKE: [&str; 8] = [
    "/primaries",
    "/threads",
    "/keys",
    "/key_distribution",
    "/layout",
    "/value_from",
    "/serializer",
    "/value_compressible",
];

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    let (a, b) = (Side::read(&args.a, global)?, Side::read(&args.b, global)?);
    let swept = a.is_sweep();
    if swept != b.is_sweep() {
        let (sweep, other) = if swept { (&a.file, &b.file) } else { (&b.file, &a.file) };
        let told = format!("{sweep} is of a sweep and {other} is not");
        return Err(Stop::usage(format!("cannot compare: {told}; run both with --sweep, or neither")).into());
    }
    let rate = differences(&a, &b, &RATE).filter(|_| !swept);
    if let Some((name, one, other)) = differences(&a, &b, &SAME).chain(rate).next() {
        let told = format!("{name} is {one} in {} and {other} in {}", a.file, b.file);
        return Err(Stop::usage(format!("cannot compare: {told}; run both with the same load")).into());
    }
    for (name, one, other) in differences(&a, &b, &ALIKE) {
        printer.warn(&format!("{name} is {one} in {} and {other} in {}", a.file, b.file));
    }
    for side in [&a, &b] {
        if let Some(reason) = side.record["ended_early"].as_str() {
            printer.warn(&format!("{} ended early: {reason}", side.file));
        }
        if let Some(count) = side.record["errors"].as_u64().filter(|count| *count > 0) {
            printer.warn(&format!("{} has {}", side.file, render::count(count, "error", "errors")));
        }
        if side.record["sweep"]["cut_short"] == true {
            printer.warn(&format!("in {} the time was up before the search for the knee was", side.file));
        }
    }
    let rows = if swept { vec![knees(&a, &b, args.threshold)?] } else { compare(&a, &b, args.threshold)? };
    match printer.format() {
        Format::Csv => {
            let header: Vec<&str> = rows[0].fields().into_iter().map(|(name, _)| name).collect();
            let cells = |row: &Row| row.fields().into_iter().map(|(_, value)| super::show::cell(value)).collect();
            printer.csv(&header, &rows.iter().map(cells).collect::<Vec<_>>())?;
        }
        Format::Text => text(&a, &b, &rows, args.threshold, printer)?,
        Format::Json | Format::Jsonl => printer.record(&record(&a, &b, &rows, args.threshold))?,
        Format::Plain | Format::Python | Format::Raw => return Err(Stop::usage(super::OUTPUTS).into()),
    }
    Ok(Exit::answer(!is_worse(&rows)))
}

fn is_worse(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.verdict == Verdict::Worse)
}

/// A record, and the file that has it.
struct Side {
    file: String,
    record: Value,
    /// The rows of each run, one for each operation.
    runs: Vec<Vec<Value>>,
}

impl Side {
    /// Reads a file.
    ///
    /// # Errors
    /// A usage error when it is no record of this version, or one of no runs.
    fn read(name: &OsString, global: &Global) -> Result<Side> {
        let file = Path::new(name).display().to_string();
        let bytes = typed::read_file(name, &global.limits())?;
        let stop = |told: String| Stop::usage(format!("cannot compare {file}: {told}"));
        let parsed = serde_json::from_slice(&bytes);
        let record: Value = parsed.map_err(|error| stop(format!("it is not what bench -o json prints: {error}")))?;
        match record["schema"].as_str() {
            Some(SCHEMA) => {}
            Some(other) => return Err(stop(format!("its schema is {other}, and not {SCHEMA}")).into()),
            None => return Err(stop("it is not what bench -o json prints: it has no schema".to_owned()).into()),
        }
        let each = record["each_run"].as_array().map_or(&[][..], Vec::as_slice);
        let runs: Option<Vec<Vec<Value>>> = each.iter().map(|run| run.as_array().cloned()).collect();
        let runs = runs.filter(|runs| !runs.is_empty()).ok_or_else(|| stop("it has no runs in each_run".to_owned()))?;
        Ok(Side { file, record, runs })
    }

    /// The operations of the first run, as they are called.
    fn operations(&self) -> impl Iterator<Item = &str> {
        self.runs[0].iter().filter_map(|row| row["operation"].as_str())
    }

    /// What each run that did `operation` measured of `metric`.
    ///
    /// # Errors
    /// A usage error when one has nothing above 0.
    fn figures(&self, operation: &str, metric: &str) -> Result<Vec<f64>> {
        let rows = self.runs.iter().enumerate().map(|(at, run)| (at, run.iter()));
        let rows = rows.flat_map(|(at, run)| run.map(move |row| (at, row)));
        rows.filter(|(_, row)| row["operation"] == operation)
            .map(|(at, row)| {
                let figure = row[metric].as_f64().filter(|figure| *figure > 0.0 && figure.is_finite());
                figure.ok_or_else(|| {
                    let (file, nth) = (&self.file, at + 1);
                    let told = format!("cannot compare {file}: run {nth} has no {metric} above 0 for {operation}");
                    Stop::usage(told).into()
                })
            })
            .collect()
    }

    /// Whether its rate is one that was looked for.
    fn is_sweep(&self) -> bool {
        self.record["sweep"].is_object()
    }

    /// The highest rate that was borne.
    ///
    /// # Errors
    /// A usage error when none was.
    fn knee(&self) -> Result<f64> {
        let knee = self.record["sweep"]["knee"].as_f64().filter(|knee| *knee > 0.0 && knee.is_finite());
        let told = || format!("cannot compare {}: no rate that was tried is borne, so there is no knee", self.file);
        knee.ok_or_else(|| Stop::usage(told()).into())
    }

    fn place(&self) -> &str {
        self.record["backend"].as_str().unwrap_or("?")
    }
}

/// The settings that differ: the name, and what it is on either side.
fn differences<'a>(
    a: &'a Side,
    b: &'a Side,
    names: &'a [&'static str],
) -> impl Iterator<Item = (&'static str, Value, Value)> + 'a {
    let of = |side: &Side, name| side.record.pointer(name).cloned().unwrap_or_default();
    let each = names.iter().map(move |name| (name.trim_start_matches('/'), of(a, name), of(b, name)));
    each.filter(|(_, one, other)| one != other)
}

/// One figure of one operation.
struct Row {
    operation: String,
    metric: &'static str,
    comparison: Comparison,
    verdict: Verdict,
}

/// Each figure of each operation that both have.
fn compare(a: &Side, b: &Side, threshold: f64) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for operation in a.operations() {
        for (metric, direction) in METRICS {
            let (one, other) = (a.figures(operation, metric)?, b.figures(operation, metric)?);
            if one.is_empty() || other.is_empty() {
                continue;
            }
            let comparison = Comparison::of(&one, &other);
            let verdict = comparison.verdict(direction, threshold);
            rows.push(Row { operation: operation.to_owned(), metric, comparison, verdict });
        }
    }
    if rows.is_empty() {
        return Err(Stop::usage(format!("cannot compare: no operation is in {} and in {}", a.file, b.file)).into());
    }
    Ok(rows)
}

/// The knees of two sweeps.
fn knees(a: &Side, b: &Side, threshold: f64) -> Result<Row> {
    let comparison = Comparison::of(&[a.knee()?], &[b.knee()?]);
    let verdict = comparison.verdict(Direction::Higher, threshold);
    Ok(Row { operation: "all".to_owned(), metric: "knee", comparison, verdict })
}

impl Row {
    /// For scripts.
    fn fields(&self) -> [(&'static str, Value); 8] {
        let Comparison { a, b, ratio, interval } = self.comparison;
        let share = |ratio: f64| json!((ratio * 1e6).round() / 1e6);
        [
            ("operation", json!(self.operation)),
            ("metric", json!(self.metric)),
            ("a", rounded(a)),
            ("b", rounded(b)),
            ("ratio", share(ratio)),
            ("ratio_low", interval.map_or(Value::Null, |(low, _)| share(low))),
            ("ratio_high", interval.map_or(Value::Null, |(_, high)| share(high))),
            ("verdict", json!(self.verdict())),
        ]
    }

    fn verdict(&self) -> &'static str {
        match self.verdict {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Same => "same",
        }
    }

    /// For people.
    fn cells(&self) -> Vec<String> {
        let Comparison { a, b, ratio, interval } = self.comparison;
        let (name, figure): (&str, fn(f64) -> String) = match self.metric.strip_suffix("_us") {
            Some(quantile) => (quantile, |us| time(us * 1e3)),
            None if self.metric == "knee" => ("knee per s", grouped),
            None => ("per s", grouped),
        };
        let interval = interval.map_or_else(|| "-".to_owned(), |(low, high)| format!("{low:.3} to {high:.3}"));
        let verdict = self.verdict().to_owned();
        vec![self.operation.clone(), name.to_owned(), figure(a), figure(b), format!("{ratio:.3}"), interval, verdict]
    }
}

fn record(a: &Side, b: &Side, rows: &[Row], threshold: f64) -> Record {
    let side = |side: &Side| json!({"file": side.file, "backend": side.place(), "runs": side.runs.len()});
    let row =
        |row: &Row| Value::Object(row.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    Record::new()
        .with("schema", COMPARISON_SCHEMA)
        .with("a", side(a))
        .with("b", side(b))
        .with("threshold", threshold)
        .with("worse", is_worse(rows))
        .with("comparisons", rows.iter().map(row).collect::<Vec<_>>())
}

fn text(a: &Side, b: &Side, rows: &[Row], threshold: f64, printer: &mut Printer) -> Result<()> {
    for (name, side) in [("A", a), ("B", b)] {
        let runs = match side.is_sweep() {
            true => "a sweep".to_owned(),
            false => render::count(side.runs.len() as u64, "run", "runs"),
        };
        let line = format!("{name}: {}, {runs} on {}", side.file, side.place());
        printer.line(&render::escape::message(&line))?;
    }
    let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    printer.table(&["", "", "A", "B", "B/A", "95 % interval", ""], &cells)?;
    let percent = threshold * 100.0;
    let judged = if a.is_sweep() {
        &format!("by the ratio alone: a sweep finds its knee to within {:.0} %", (NARROW - 1.0) * 100.0)
    } else if rows.iter().all(|row| row.comparison.interval.is_some()) {
        "and the interval is without 1"
    } else {
        "by the ratio alone where a side has one run: that may be chance, and --runs 10 would tell"
    };
    Ok(printer.line(&format!("a change is one of more than {percent} %, {judged}"))?)
}
