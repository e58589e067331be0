//! `bench --report`: all of a run as one page, with plots, that needs no network and no script.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::arguments;
use super::curves::{Moment, moments, nines, spectrum};
use super::show::{Report, cell, grouped, real, time};
use super::svg::{Axis, Line, Mark, html, plot};
use super::sweep::Sweep;
use crate::bench::Pace;

/// Points of a latency curve.
const POINTS: usize = 200;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2330; --dim: #667085; --paper: #fff; --rule: #e4e7ec;
  --c0: #2563eb; --c1: #dc6803; --c2: #0e9384; --c3: #c11574; --c4: #6938ef; --c5: #667085; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #98a2b3; --paper: #14171f; --rule: #2b313d;
  --c0: #6ea0ff; --c1: #fdb022; --c2: #2ed3b7; --c3: #f670c7; --c4: #a48afb; --c5: #98a2b3; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem .7rem .2rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
td:first-child, th:first-child { text-align: left; } th { color: var(--dim); font-weight: 500; }
table.facts td:last-child { text-align: left; white-space: normal; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; } p.key { margin: 0; color: var(--dim); } p.key span { margin-right: 1.2rem; }
p.key i { display: inline-block; width: 1.2em; height: 3px; margin-right: .4em; vertical-align: middle; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: var(--dim); }
text.y { text-anchor: end; } text.x { text-anchor: middle; }
.grid { stroke: var(--rule); stroke-width: 1; } .mark { stroke: var(--dim); stroke-dasharray: 4 3; }
polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
polyline.c0 { stroke: var(--c0); } polyline.c1 { stroke: var(--c1); } polyline.c2 { stroke: var(--c2); }
polyline.c3 { stroke: var(--c3); } polyline.c4 { stroke: var(--c4); } polyline.c5 { stroke: var(--c5); }
i.c0 { background: var(--c0); } i.c1 { background: var(--c1); } i.c2 { background: var(--c2); }
i.c3 { background: var(--c3); } i.c4 { background: var(--c4); } i.c5 { background: var(--c5); }
";

/// The page of a report. All text in it is escaped.
pub fn page(report: &Report<'_>) -> String {
    let title = html(&report.title());
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Load on {title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Load on {title}</h1>\n<p>{}</p>\n",
        html(&report.load())
    );
    if let Some(trouble) = report.trouble() {
        let _ = writeln!(out, "<p><strong>The run ended early: {}</strong></p>", html(trouble));
    }
    if let Some(sweep) = &report.sweep {
        section(&mut out, "Rates that were tried", &sweep_section(sweep, report.plan.threads));
    }
    let (header, rows) = report.table();
    let sentences: String = report.sentences().iter().map(|line| format!("<li>{}</li>\n", html(line))).collect();
    section(&mut out, "Operations", &format!("{}<ul>\n{sentences}</ul>\n", table(&header, &rows)));
    section(&mut out, "Latency by percentile", &latency_plot(report));
    let moments = moments(report);
    if moments.len() > 2 {
        section(&mut out, "Operations by the second", &rate_plot(&moments));
        section(&mut out, "Latency by the second", &moment_plot(&moments));
    }
    section(&mut out, "Settings", &facts(settings(report)));
    let server = report.server().unwrap_or_default();
    let server = server.into_iter().filter(|(_, value)| !value.is_null());
    let server: Vec<(&str, String)> = server.map(|(name, value)| (name, cell(value))).collect();
    if !server.is_empty() {
        section(&mut out, "The server meanwhile", &facts(server));
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn section(out: &mut String, name: &str, content: &str) {
    let _ = write!(out, "<h2>{name}</h2>\n{content}");
}

fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let row = |tag: &str, cells: Vec<&str>| {
        let cells: String = cells.iter().map(|cell| format!("<{tag}>{}</{tag}>", html(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let body: String = rows.iter().map(|cells| row("td", cells.iter().map(String::as_str).collect())).collect();
    format!("<div class=\"wide\"><table>\n{}{body}</table></div>\n", row("th", header.to_vec()))
}

fn facts(pairs: Vec<(&str, String)>) -> String {
    let row = |(name, value): (&str, String)| format!("<tr><td>{}</td><td>{}</td></tr>\n", html(name), html(&value));
    format!("<table class=\"facts\">\n{}</table>\n", pairs.into_iter().map(row).collect::<String>())
}

fn settings(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let plan = report.plan;
    let mut settings = vec![
        ("loop", if plan.pace == Pace::Closed { "closed" } else { "open" }.to_owned()),
        ("clients", plan.clients.to_string()),
        ("pipeline", plan.pipeline.to_string()),
        ("threads", plan.threads.to_string()),
        ("keys", plan.keys.to_string()),
        ("key distribution", arguments::distribution_text(plan.distribution)),
        ("mix", arguments::mix_text(&plan.mix)),
        ("layout", report.setting.layout.clone()),
        ("seed", plan.seed.to_string()),
        ("runs", report.runs.len().to_string()),
    ];
    settings.extend(arguments::sizes_text(&plan.sizes).map(|sizes| ("value size", sizes)));
    if let Some((from, form)) = &report.setting.values {
        settings.extend([("values from", from.clone()), ("serializer", form.clone())]);
    }
    settings
}

/// Nanoseconds on an axis that has all of `values`.
fn time_axis<'a>(values: impl Iterator<Item = &'a (f64, f64)>) -> Axis {
    let (least, most) = values.fold((f64::MAX, 1.0_f64), |(a, b), (_, ns)| (a.min(*ns), b.max(*ns)));
    Axis::log("latency", least.clamp(1.0, most), most, axis_time)
}

/// A time as an axis has it: a round one.
fn axis_time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs")];
    let (size, unit) = units.into_iter().find(|(size, _)| ns >= *size).unwrap_or((1.0, "ns"));
    format!("{} {unit}", ns / size)
}

/// A rate likewise.
fn axis_number(rate: f64) -> String {
    if rate < 10.0 { format!("{rate}") } else { grouped(rate) }
}

fn latency_plot(report: &Report<'_>) -> String {
    let curve =
        |name: &str, latency: &Histogram<u64>| Line { name: name.to_owned(), points: spectrum(latency, POINTS) };
    // Of a load that has one operation, "all" is the same once more.
    let several = report.operations().count() > 2;
    let mut lines: Vec<Line> = report
        .operations()
        .filter(|(name, measured)| (several || *name != "all") && !measured.latency.is_empty())
        .map(|(name, measured)| curve(name, &measured.latency))
        .collect();
    if let Some(service) = report.tally.service.as_ref().filter(|service| !service.is_empty()) {
        lines.push(curve("all, from when it was sent", service));
    }
    if lines.is_empty() {
        return "<p>Nothing was measured.</p>\n".to_owned();
    }
    let points = lines.iter().flat_map(|line| &line.points);
    let nines_most = points.clone().fold(1.0_f64, |most, (nines, _)| most.max(*nines));
    plot(&Axis::whole("percentile", nines_most, nines), &time_axis(points), &lines, None)
}

fn series(name: &str, moments: &[Moment], value: fn(&Moment) -> f64) -> Line {
    let at = |(second, moment): (usize, &Moment)| (real(second as u64), value(moment));
    Line { name: name.to_owned(), points: moments.iter().enumerate().map(at).collect() }
}

fn seconds_axis(moments: &[Moment]) -> Axis {
    Axis::linear("second", real(moments.len() as u64 - 1), |second| format!("{second}"))
}

fn rate_plot(moments: &[Moment]) -> String {
    let mut lines = vec![series("operations a second", moments, |moment| moment.rate)];
    if moments.iter().any(|moment| moment.errors > 0) {
        lines.push(series("errors", moments, |moment| real(moment.errors)));
    }
    let most = lines.iter().flat_map(|line| &line.points).fold(0.0_f64, |most, (_, rate)| most.max(*rate));
    plot(&seconds_axis(moments), &Axis::linear("per second", most, axis_number), &lines, None)
}

fn moment_plot(moments: &[Moment]) -> String {
    let lines = [
        series("p50", moments, |moment| real(moment.p50)),
        series("p99", moments, |moment| real(moment.p99)),
        series("max", moments, |moment| real(moment.max)),
    ];
    let y = time_axis(lines.iter().flat_map(|line| &line.points).filter(|(_, ns)| *ns > 0.0));
    plot(&seconds_axis(moments), &y, &lines, None)
}

fn sweep_section(sweep: &Sweep, threads: usize) -> String {
    let curve = sweep.curve();
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return "<p>None.</p>\n".to_owned() };
    let line = |name: &str, at: usize| Line {
        name: name.to_owned(),
        points: curve.iter().map(|step| (step.asked, real(step.latencies[at]))).collect(),
    };
    let lines = [line("p50", 0), line("p99", 1), line("p99.9", 2)];
    let x = Axis::log("asked for, a second", first.asked, last.asked, axis_number);
    let y = time_axis(lines.iter().flat_map(|line| &line.points).filter(|(_, ns)| *ns > 0.0));
    let (knee, _) = sweep.knee();
    let mark = knee.map(|knee| Mark {
        name: format!("{}/s, p99 {}", grouped(knee.asked), time(real(knee.latencies[1]))),
        at: knee.asked,
    });
    let (header, rows) = sweep.table();
    let (sentence, table) = (html(&sweep.sentence(threads)), table(&header, &rows));
    format!("<p>{sentence}</p>\n{}{table}", plot(&x, &y, &lines, mark.as_ref()))
}
