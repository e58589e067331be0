//! What was found of the entries: tables and pictures for people, one object or one table for scripts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::backend::survey::Sample;
use crate::entry::Ttl;
use crate::render::spark::{bar, spark};
use crate::render::{self, Printer, Record, escape};
use crate::stats::{Bucket, CodecRow, Estimate, Listed, Measure, Quantiles, Report, Row, Table};
use crate::value::print::PrintError;

/// What there is to show.
pub struct Shown<'a> {
    pub label: &'a str,
    pub report: &'a Report,
    /// What was drawn, where not everything was looked at.
    pub sample: Option<Sample>,
    /// Why it is only a part.
    pub partial: Option<String>,
    pub withheld: &'a [String],
    pub took: Duration,
}

/// Cells of a bar.
const BAR: usize = 10;

/// Tables, pictures and lists.
pub fn text(shown: &Shown<'_>, printer: &mut Printer) -> Result<(), PrintError> {
    let report = shown.report;
    printer.line(&escape::message(&title(shown)))?;
    for table in [&report.prefixes, &report.groups, &report.types] {
        // One row that is everything tells nothing.
        if table.name != "type" && table.rows.len() + usize::from(table.rest.is_some()) < 2 && one(table) {
            continue;
        }
        rows(table, report.measure, printer)?;
    }
    codecs(report, printer)?;
    pictures(report, printer)?;
    for (name, list) in
        [("biggest", &report.biggest), ("never expire, biggest", &report.never), ("most used", &report.hottest)]
    {
        listed(name, list, printer)?;
    }
    Ok(())
}

/// Whether a table has nothing but one row that stands for no name.
fn one(table: &Table) -> bool {
    table.rows.first().is_none_or(|row| row.name.is_empty())
}

fn title(shown: &Shown<'_>) -> String {
    let Report { whole, .. } = shown.report;
    let entries = if whole.entries == Estimate::exact(1) { "entry" } else { "entries" };
    let mut words = vec![format!("{} {entries} on {}", estimate(whole.entries, render::grouped), shown.label)];
    words.extend(whole.bytes.map(|bytes| format!("{}{}", estimate(bytes, render::bytes), of_what(shown.report))));
    words.extend(whole.never.map(|never| format!("{} never expire", estimate(never, render::grouped))));
    if shown.report.unmeasured > 0 && whole.bytes.is_some() {
        words.push(format!("{} of no known size", render::grouped(shown.report.unmeasured)));
    }
    let mut title = words.join(", ");
    if let Some(Sample { draws, of, seed }) = shown.sample {
        let (draws, of) = (render::grouped(draws), render::grouped(of));
        title.push_str(&format!("\nestimated from {draws} of {of} drawn at random (seed {seed}), with 95 % intervals"));
    }
    if let Some(why) = &shown.partial {
        title.push_str(&format!("\nonly a part: {why}"));
    }
    title
}

/// What bytes are bytes of.
fn of_what(report: &Report) -> &'static str {
    match report.measure {
        Measure::Memory => " of memory",
        Measure::Length => " of data",
        Measure::Mixed => " of memory or data",
        Measure::Entries => "",
    }
}

/// A total, with its interval where it is not known exactly.
fn estimate(Estimate { value, low, high }: Estimate, shown: fn(u64) -> String) -> String {
    match (low == high, high) {
        (true, _) => shown(value),
        (false, u64::MAX) => format!("{} ({} or more)", shown(value), shown(low)),
        (false, _) => format!("{} ({}-{})", shown(value), shown(low), shown(high)),
    }
}

fn rows(table: &Table, measure: Measure, printer: &mut Printer) -> Result<(), PrintError> {
    let all: Vec<&Row> = table.rows.iter().chain(&table.rest).collect();
    if all.is_empty() {
        return Ok(());
    }
    let measured = measure != Measure::Entries;
    let timed = all.iter().any(|row| row.never.is_some());
    let idle = all.iter().any(|row| row.idle_s_median.is_some());
    let mut header = vec![table.name, "entries"];
    if measured {
        header.push("bytes");
    }
    header.extend(["", "share"]);
    if measured {
        header.extend(["median", "p99", "largest"]);
    }
    if timed {
        header.extend(["no ttl", "ttl"]);
    }
    if idle {
        header.push("idle");
    }
    let cells = |row: &&Row| {
        let mut cells = vec![name(row), estimate(row.entries, render::grouped)];
        if measured {
            cells.push(row.bytes.map_or_else(String::new, |bytes| estimate(bytes, render::bytes)));
        }
        cells.extend([bar(row.share, BAR), percent(row.share)]);
        if measured {
            let sizes = row.size.map(|Quantiles { median, p99, max }| [median, p99, max].map(render::bytes));
            cells.extend(sizes.unwrap_or_default());
        }
        if timed {
            cells.push(row.never.map_or_else(String::new, |never| share(never, row.entries)));
            cells.push(row.ttl_ms_median.map_or_else(String::new, time_ms));
        }
        if idle {
            cells.push(row.idle_s_median.map_or_else(String::new, |seconds| time_ms(seconds.saturating_mul(1000))));
        }
        cells
    };
    let cells: Vec<Vec<String>> = all.iter().map(cells).collect();
    printer.line("")?;
    printer.table_within(&header, &cells, &["idle", "p99", "", "ttl", "largest"])?;
    let missed = all.iter().map(|row| row.missed_most).max().unwrap_or(0);
    if missed > 0 {
        let missed = if measured { render::bytes(missed) } else { render::grouped(missed) };
        printer
            .note(&format!("too many names to count each by itself: up to {missed} of a row may be counted in others"));
    }
    Ok(())
}

/// What a row is of; of a prefix that has rows of its own below, what is left.
fn name(row: &Row) -> String {
    match (row.name.is_empty(), row.opened) {
        (true, _) => "(none)".to_owned(),
        (false, true) => format!("{}… (others)", escape::line(&row.name)),
        (false, false) => escape::line(&row.name),
    }
}

fn codecs(report: &Report, printer: &mut Printer) -> Result<(), PrintError> {
    if report.codecs.seen == 0 {
        return Ok(());
    }
    let cells = |codec: &CodecRow| {
        let CodecRow { row, encoded, decoded, ratio, classes } = codec;
        let classes: Vec<String> =
            classes.iter().map(|(class, count)| format!("{} ({count})", escape::line(class.as_bytes()))).collect();
        vec![
            escape::line(&row.name),
            estimate(row.entries, render::grouped),
            bar(row.share, BAR),
            percent(row.share),
            render::bytes(*encoded),
            render::bytes(*decoded),
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            classes.join(", "),
        ]
    };
    let others = report.codecs.rest.iter().map(|row| {
        let mut cells = vec![name(row), estimate(row.entries, render::grouped)];
        cells.extend([bar(row.share, BAR), percent(row.share)]);
        cells
    });
    let cells: Vec<Vec<String>> = report.codecs.rows.iter().map(cells).chain(others).collect();
    printer.line("")?;
    let header = ["codec", "entries", "", "share", "stored", "decoded", "ratio", "names"];
    printer.table_within(&header, &cells, &["", "decoded", "stored", "names"])?;
    let exact = report.codecs.rows.iter().all(|codec| codec.row.entries.low == codec.row.entries.high);
    let looked = render::count(report.codecs.seen, "value was looked into", "values were looked into");
    let rest = if exact { "" } else { ": stored, decoded and ratio are theirs, the rest is estimated from them" };
    printer.note(&format!("{looked}{rest}"));
    Ok(())
}

fn pictures(report: &Report, printer: &mut Printer) -> Result<(), PrintError> {
    let mut cells = Vec::new();
    let pictures = [
        ("size", &report.size, render::bytes as fn(u64) -> String),
        ("ttl", &report.ttl, time),
        ("idle", &report.idle, time),
    ];
    for (name, buckets, shown) in pictures {
        let used = |bucket: &Bucket| bucket.entries.value > 0;
        let (Some(first), Some(last)) = (buckets.iter().position(used), buckets.iter().rposition(used)) else {
            continue;
        };
        #[expect(clippy::cast_precision_loss, reason = "a picture")]
        let heights: Vec<f64> = buckets[first..=last].iter().map(|bucket| bucket.entries.value as f64).collect();
        // Orders of size double, and those before the first are not told.
        let before = match first.checked_sub(1) {
            Some(before) => buckets[before].most,
            None if name == "size" => buckets[first].most.map(|most| most.div_ceil(2)),
            None => None,
        };
        let from = before.filter(|before| *before > 0).map_or_else(|| "0".to_owned(), shown);
        let to = buckets[last].most.map_or_else(|| "more".to_owned(), shown);
        cells.push(vec![name.to_owned(), from, spark(&heights), to]);
    }
    if cells.is_empty() {
        return Ok(());
    }
    printer.line("")?;
    printer.table(&[], &cells)
}

fn listed(name: &str, list: &[Listed], printer: &mut Printer) -> Result<(), PrintError> {
    if list.is_empty() {
        return Ok(());
    }
    let cells = |listed: &Listed| {
        let cut = if listed.key.len() < listed.key_bytes { "…" } else { "" };
        vec![
            listed.size.map_or_else(String::new, render::bytes),
            listed.kind.clone().unwrap_or_default(),
            listed.ttl.map_or_else(String::new, render::ttl),
            listed.frequency.map_or_else(String::new, |count| count.to_string()),
            format!("{}{cut}", escape::line(&listed.key)),
        ]
    };
    let cells: Vec<Vec<String>> = list.iter().map(cells).collect();
    printer.line("")?;
    printer.table(&[name, "type", "ttl", "uses", "key"], &cells)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[expect(clippy::cast_precision_loss, reason = "a share")]
fn share(part: Estimate, all: Estimate) -> String {
    if all.value == 0 { String::new() } else { percent(part.value as f64 / all.value as f64) }
}

fn time(seconds: u64) -> String {
    time_ms(seconds.saturating_mul(1000))
}

/// The largest unit of a time and the one below: who compares medians needs no more.
fn time_ms(ms: u64) -> String {
    let whole = render::ttl(Ttl::Left(ms));
    whole.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// One object; see the README for its names.
pub fn record(shown: &Shown<'_>, printer: &mut Printer) -> Result<(), PrintError> {
    let Report { whole, .. } = shown.report;
    let report = shown.report;
    let sample = shown.sample.map(|sample| json!({"drawn": sample.draws, "of": sample.of, "seed": sample.seed}));
    let record = Record::new().with("backend", shown.label).with("partial", shown.partial.clone());
    let record = record.with("sample", sample).with("seen", report.seen).with("seconds", seconds(shown.took));
    let record = totals(record, whole).with("measure", measure(report.measure)).with("unmeasured", report.unmeasured);
    let record = record.with_bytes("separators", &report.separators);
    let tables = [("prefixes", &report.prefixes), ("layout", &report.groups), ("types", &report.types)];
    let record = tables.into_iter().fold(record, |record, (name, table)| {
        let all = table.rows.iter().chain(&table.rest);
        record.with_records(name, all.map(named).collect())
    });
    let codecs = report.codecs.rows.iter().map(|codec| {
        let classes: Vec<Record> = codec
            .classes
            .iter()
            .map(|(class, count)| Record::new().with("name", class.as_str()).with("values", *count))
            .collect();
        let record = named(&codec.row).with("encoded", codec.encoded).with("decoded", codec.decoded);
        record.with("ratio", codec.ratio.map(rounded)).with_records("names", classes)
    });
    let unknown = ["encoded", "decoded", "ratio"];
    let others = report.codecs.rest.iter().map(|row| {
        let record = unknown.into_iter().fold(named(row), |record, name| record.with(name, Value::Null));
        record.with_records("names", Vec::new())
    });
    let record =
        record.with_records("codecs", codecs.chain(others).collect()).with("codecs_values", report.codecs.seen);
    let record = record.with_records("sizes", buckets(&report.size, "bytes_most"));
    let record = record.with_records("ttls", buckets(&report.ttl, "s_most"));
    let record = record.with_records("idles", buckets(&report.idle, "s_most"));
    let record = lists(report).into_iter().fold(record, |record, (name, list)| {
        let each = list.iter().map(|listed| {
            let record = Record::new().with_bytes("key", &listed.key).with("key_bytes", listed.key_bytes);
            let record = record.with("type", listed.kind.clone()).with("bytes", listed.size);
            let record = match listed.ttl {
                Some(ttl) => record.with_ttl("ttl_ms", ttl),
                None => record.with("ttl_ms", "unknown"),
            };
            record.with("idle_s", listed.idle_s).with("frequency", listed.frequency)
        });
        record.with_records(name, each.collect())
    });
    printer.record(&record.with("withheld", shown.withheld.to_vec()))
}

/// The lists by name. That of entries without a ttl is not called as their number is.
fn lists(report: &Report) -> [(&'static str, &Vec<Listed>); 3] {
    [("biggest", &report.biggest), ("biggest_no_ttl", &report.never), ("hottest", &report.hottest)]
}

fn measure(measure: Measure) -> &'static str {
    match measure {
        Measure::Entries => "entries",
        Measure::Memory => "memory",
        Measure::Length => "length",
        Measure::Mixed => "mixed",
    }
}

fn seconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64())
}

/// To a tenth of a thousandth: more would be noise.
fn rounded(number: f64) -> f64 {
    (number * 10_000.0).round() / 10_000.0
}

fn named(row: &Row) -> Record {
    totals(Record::new().with_bytes("name", &row.name).with("opened", row.opened), row)
}

/// The totals of a row: an estimate has its 95 % interval in `_low` and `_high`, which are the same as
/// the total where it is exact; `_high` is null where there is no telling.
fn totals(record: Record, row: &Row) -> Record {
    cells(row).into_iter().fold(record, |record, (name, value)| record.with(name, value))
}

fn cells(row: &Row) -> Vec<(&'static str, Value)> {
    let high = |estimate: Option<Estimate>| estimate.map(|estimate| estimate.high).filter(|high| *high != u64::MAX);
    let (entries, bytes, never) = (Some(row.entries), row.bytes, row.never);
    let value = |estimate: Option<Estimate>| json!(estimate.map(|estimate| estimate.value));
    let low = |estimate: Option<Estimate>| json!(estimate.map(|estimate| estimate.low));
    vec![
        ("entries", value(entries)),
        ("entries_low", low(entries)),
        ("entries_high", json!(high(entries))),
        ("bytes", value(bytes)),
        ("bytes_low", low(bytes)),
        ("bytes_high", json!(high(bytes))),
        ("share", json!(rounded(row.share))),
        ("size_median", json!(row.size.map(|size| size.median))),
        ("size_p99", json!(row.size.map(|size| size.p99))),
        ("size_max", json!(row.size.map(|size| size.max))),
        ("no_ttl", value(never)),
        ("no_ttl_low", low(never)),
        ("no_ttl_high", json!(high(never))),
        ("ttl_ms_median", json!(row.ttl_ms_median)),
        ("idle_s_median", json!(row.idle_s_median)),
        ("missed_most", json!(row.missed_most)),
    ]
}

fn buckets(buckets: &[Bucket], most: &'static str) -> Vec<Record> {
    let each = buckets.iter().map(|bucket| {
        let Estimate { value, low, high } = bucket.entries;
        Record::new().with(most, bucket.most).with("entries", value).with("entries_low", low).with("entries_high", high)
    });
    each.collect()
}

/// All tables in one: `table` says which a row is of, and what a table does not have is empty.
pub fn csv(shown: &Shown<'_>, printer: &mut Printer) -> Result<(), PrintError> {
    let report = shown.report;
    let names = cells(&report.whole).into_iter().map(|(name, _)| name);
    let header: Vec<&str> = ["table", "name"].into_iter().chain(names).collect();
    let line = |table: &str, name: &[u8], row: &Row| {
        let cells =
            cells(row).into_iter().map(|(_, value)| if value.is_null() { String::new() } else { value.to_string() });
        [table.to_owned(), escape::line(name)].into_iter().chain(cells).collect::<Vec<String>>()
    };
    let mut lines = vec![line("all", b"", &report.whole)];
    for table in [&report.prefixes, &report.groups, &report.types] {
        lines.extend(table.rows.iter().chain(&table.rest).map(|row| line(table.name, &row.name, row)));
    }
    let codecs = report.codecs.rows.iter().map(|codec| &codec.row).chain(&report.codecs.rest);
    lines.extend(codecs.map(|row| line("codec", &row.name, row)));
    let counted = [("size", &report.size), ("ttl", &report.ttl), ("idle", &report.idle)];
    for (table, buckets) in counted {
        for Bucket { most, entries } in buckets {
            let most = most.map_or_else(|| "more".to_owned(), |most| most.to_string());
            let row = [entries.value, entries.low, entries.high].map(|number| number.to_string());
            lines.push(padded([table.to_owned(), most].into_iter().chain(row), header.len()));
        }
    }
    for (table, list) in lists(report) {
        for listed in list {
            let size = listed.size.map_or_else(String::new, |size| size.to_string());
            let row = [table.to_owned(), escape::line(&listed.key), "1".into(), "1".into(), "1".into(), size];
            lines.push(padded(row, header.len()));
        }
    }
    printer.csv(&header, &lines)
}

fn padded(cells: impl IntoIterator<Item = String>, width: usize) -> Vec<String> {
    let mut cells: Vec<String> = cells.into_iter().collect();
    cells.resize(width, String::new());
    cells
}
