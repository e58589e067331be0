//! `stats` once: the facts in groups, and under them what is wrong.

use std::thread;

use anstyle::AnsiColor;
use anyhow::{Context as _, Result};

use super::{BETWEEN, Output, Source, View, facts, mark};
use crate::backend::Server;
use crate::backend::server::Role;
use crate::entry::Ttl;
use crate::exit::Exit;
use crate::render::spark::bar;
use crate::render::{self, Printer};
use crate::stats::server::{Rates, Severity, hit_rate, memory_share, percent};

pub fn run(source: &mut Source, output: Output, printer: &mut Printer) -> Result<Exit> {
    const DOING: &str = "cannot ask how it does";
    let mut look = source.look().context(DOING)?;
    let mut rates = None;
    if counts(&look.server) {
        thread::sleep(BETWEEN);
        let again = source.look().context(DOING)?;
        rates = again.since(&look);
        look = again;
    }
    let view = View::new(source, &look.server, rates.as_ref());
    match output {
        Output::Text => text(&view, printer)?,
        Output::Record => facts::record(&view, printer)?,
        Output::Row => {
            printer.csv(&facts::header(&view), &[facts::row(&view)])?;
            withheld(view.server, printer);
        }
    }
    Ok(Exit::Yes)
}

/// Whether there is anything that a second look could tell.
fn counts(server: &Server) -> bool {
    server.evicted.is_some() || server.commands.is_some()
}

fn text(view: &View<'_>, printer: &mut Printer) -> Result<()> {
    printer.line(&render::escape::message(&view.title()))?;
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut last = "";
    for (group, fact, value) in grouped(view) {
        let Some(value) = value else { continue };
        let name = if group == last { "" } else { group };
        rows.push(vec![name.to_owned(), fact.to_owned(), value]);
        last = group;
    }
    printer.table(&[], &rows)?;
    for finding in &view.findings {
        let colour = if finding.severity == Severity::Wrong { AnsiColor::Red } else { AnsiColor::Yellow };
        printer.marked(colour, mark(finding.severity), &finding.what)?;
    }
    withheld(view.server, printer);
    match (view.findings.is_empty(), rows.is_empty()) {
        (_, true) => printer.note(&format!("{} tells nothing of itself", view.label)),
        (true, _) => printer.note("nothing wrong in what it tells"),
        _ => {}
    }
    Ok(())
}

/// Says what could not be asked.
pub fn withheld(server: &Server, printer: &mut Printer) {
    server.withheld.iter().for_each(|what| printer.note(&format!("left out: {what}")));
}

/// The facts as people read them, each with the group that it belongs to.
fn grouped(view: &View<'_>) -> Vec<(&'static str, &'static str, Option<String>)> {
    let server = view.server;
    let count = |count: Option<u64>| count.map(|count| count.to_string());
    let rate = |rate: fn(&Rates) -> Option<f64>| view.rates.and_then(rate);
    let role = server.role.map(|role| if role == Role::Primary { "primary" } else { "replica" }.to_owned());
    let link = server.replica_link_up.map(|up| if up { "up" } else { "down" }.to_owned());
    let up = server.uptime_s.map(|seconds| render::ttl(Ttl::Left(seconds.saturating_mul(1000))));
    let clients = server.clients.map(|clients| match server.clients_max {
        Some(most) => format!("{clients} of {most}"),
        None => clients.to_string(),
    });
    let rejected = server.rejected_connections.map(|count| format!("{count} since start"));
    let hit_rate = hit_rate(server).map(|rate| format!("{} since start", percent(rate)));
    vec![
        ("server", "role", role),
        ("server", "primaries", count(server.primaries)),
        ("server", "up", up),
        ("memory", "used", server.memory_used.map(|_| memory(server) + &full(server))),
        ("memory", "peak", server.memory_peak.map(render::bytes)),
        ("memory", "policy", server.policy.clone()),
        ("memory", "fragmentation", server.fragmentation.map(|ratio| format!("{ratio:.2}"))),
        ("entries", "held", count(server.entries)),
        ("entries", "with a ttl", count(server.entries_expiring)),
        ("entries", "expired", gone(server.expired, rate(|rates| rates.expired))),
        ("entries", "evicted", gone(server.evicted, rate(|rates| rates.evicted))),
        ("reads", "hit rate", hit_rate),
        ("reads", "hits", count(server.hits)),
        ("reads", "misses", count(server.misses)),
        ("load", "ops/s", view.ops_per_s().map(number)),
        ("load", "in", traffic(server.network_in, rate(|rates| rates.network_in))),
        ("load", "out", traffic(server.network_out, rate(|rates| rates.network_out))),
        ("clients", "connected", clients),
        ("clients", "blocked", count(server.clients_blocked)),
        ("clients", "refused", rejected),
        ("replication", "replicas", count(server.replicas)),
        ("replication", "link", link),
        ("replication", "last heard", server.replica_lag_s.map(|lag| format!("{lag}s ago"))),
        ("persistence", "last save", server.save_ok.map(went)),
        ("persistence", "changes since", count(server.save_changes)),
        ("persistence", "append-only file", server.aof_ok.map(went)),
    ]
}

fn gone(count: Option<u64>, rate: Option<f64>) -> Option<String> {
    count.map(|count| match rate {
        Some(rate) if rate > 0.0 => format!("{count} since start, {}/s now", number(rate)),
        _ => format!("{count} since start"),
    })
}

fn traffic(count: Option<u64>, rate: Option<f64>) -> Option<String> {
    count.map(|count| match rate {
        Some(rate) => format!("{} since start, {}/s now", render::bytes(count), bytes(rate)),
        None => format!("{} since start", render::bytes(count)),
    })
}

fn went(well: bool) -> String {
    if well { "ok" } else { "failed" }.to_owned()
}

/// How much memory is used of how much.
pub fn memory(server: &Server) -> String {
    let used = render::bytes(server.memory_used.unwrap_or_default());
    match (server.memory_max, memory_share(server)) {
        (Some(most), Some(share)) => format!("{used} of {}, {}", render::bytes(most), percent(share)),
        (Some(_), None) => format!("{used}, no limit"),
        (None, _) => used,
    }
}

/// The same as a bar, where there is a limit.
fn full(server: &Server) -> String {
    memory_share(server).map_or(String::new(), |share| format!("  {}", bar(share, BAR)))
}

/// Cells of the bar of the memory.
const BAR: usize = 10;

/// A number that people read.
pub fn number(number: f64) -> String {
    let shown = if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") };
    shown.strip_suffix(".0").map_or(shown.clone(), str::to_owned)
}

/// So many bytes, of a rate.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate of counters is never negative")]
pub fn bytes(rate: f64) -> String {
    render::bytes(rate as u64)
}
