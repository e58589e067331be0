//! The facts by name, for scripts: a record and a row of a table have the same, in the same order.

use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

use super::{View, mark};
use crate::backend::server::Role;
use crate::render::{Printer, Record};
use crate::stats::server::hit_rate;
use crate::value::print::PrintError;

/// One object: the facts, what is wrong, what was left out.
pub fn record(view: &View<'_>, printer: &mut Printer) -> Result<(), PrintError> {
    let facts = facts(view).into_iter();
    let record = facts.fold(Record::new(), |record, (name, value)| record.with(name, value));
    let findings = view.findings.iter();
    let findings = findings.map(|one| json!({"severity": mark(one.severity), "name": one.name, "what": one.what}));
    let findings: Vec<Value> = findings.collect();
    printer.record(&record.with("findings", findings).with("withheld", view.server.withheld.clone()))
}

/// The header of the table.
pub fn header(view: &View<'_>) -> Vec<&'static str> {
    facts(view).into_iter().map(|(name, _)| name).chain(["findings"]).collect()
}

/// A row of it: the names of what is wrong are its last cell, and what is not known is empty.
pub fn row(view: &View<'_>) -> Vec<String> {
    let cell = |(_, value): (&str, Value)| match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    };
    let names: Vec<&str> = view.findings.iter().map(|finding| finding.name).collect();
    facts(view).into_iter().map(cell).chain([names.join(" ")]).collect()
}

/// Now, to the second.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now)
}

fn facts(view: &View<'_>) -> Vec<(&'static str, Value)> {
    let (server, rates) = (view.server, view.rates);
    let role = server.role.map(|role| match role {
        Role::Primary => "primary",
        Role::Replica => "replica",
    });
    vec![
        ("time", json!(now().to_string())),
        ("backend", json!(view.label)),
        ("product", json!(server.product)),
        ("version", json!(server.version)),
        ("role", json!(role)),
        ("primaries", json!(server.primaries)),
        ("primaries_down", json!(server.primaries_down)),
        ("uptime_s", json!(server.uptime_s)),
        ("loading", json!(server.loading)),
        ("memory_used", json!(server.memory_used)),
        ("memory_peak", json!(server.memory_peak)),
        ("memory_max", json!(server.memory_max)),
        ("policy", json!(server.policy)),
        ("fragmentation", json!(server.fragmentation)),
        ("entries", json!(server.entries)),
        ("entries_expiring", json!(server.entries_expiring)),
        ("hits", json!(server.hits)),
        ("misses", json!(server.misses)),
        ("hit_rate", rounded(hit_rate(server))),
        ("expired", json!(server.expired)),
        ("evicted", json!(server.evicted)),
        ("commands", json!(server.commands)),
        ("clients", json!(server.clients)),
        ("clients_max", json!(server.clients_max)),
        ("clients_blocked", json!(server.clients_blocked)),
        ("rejected_connections", json!(server.rejected_connections)),
        ("replicas", json!(server.replicas)),
        ("replica_link_up", json!(server.replica_link_up)),
        ("replica_lag_s", json!(server.replica_lag_s)),
        ("save_ok", json!(server.save_ok)),
        ("save_changes", json!(server.save_changes)),
        ("aof_ok", json!(server.aof_ok)),
        ("network_in", json!(server.network_in)),
        ("network_out", json!(server.network_out)),
        ("cpu_user_s", json!(server.cpu_user_s)),
        ("cpu_sys_s", json!(server.cpu_sys_s)),
        ("ops_per_s", rounded(view.ops_per_s())),
        ("interval_s", rounded(rates.map(|rates| rates.seconds))),
        ("interval_hit_rate", rounded(rates.and_then(|rates| rates.hit_rate))),
        ("evicted_per_s", rounded(rates.and_then(|rates| rates.evicted))),
        ("expired_per_s", rounded(rates.and_then(|rates| rates.expired))),
        ("network_in_per_s", rounded(rates.and_then(|rates| rates.network_in))),
        ("network_out_per_s", rounded(rates.and_then(|rates| rates.network_out))),
    ]
}

/// To four digits after the point: the rest is chance.
fn rounded(number: Option<f64>) -> Value {
    json!(number.map(|number| (number * 10_000.0).round() / 10_000.0))
}
