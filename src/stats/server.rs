//! What a server's facts mean: rates between two looks, and what is wrong, with what to do about it.
//!
//! Each judgement is a threshold with a name and a reason. A fact that is not there is not judged.

use crate::backend::Server;
use crate::entry::Kind;

/// What changed between two looks, a second; `None` where either look does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Seconds between the looks.
    pub seconds: f64,
    /// Commands.
    pub ops: Option<f64>,
    /// Of the reads meanwhile, the share that found an entry, from 0 to 1; `None` without reads.
    pub hit_rate: Option<f64>,
    /// Entries that had to make room.
    pub evicted: Option<f64>,
    /// Entries whose ttl ended.
    pub expired: Option<f64>,
    /// Bytes received.
    pub network_in: Option<f64>,
    /// Bytes sent.
    pub network_out: Option<f64>,
}

impl Rates {
    /// What changed from `before` to `after`, `seconds` later. `None` when a counter went backwards: the
    /// server was restarted, or its statistics were reset.
    #[must_use]
    pub fn between(before: &Server, after: &Server, seconds: f64) -> Option<Rates> {
        if seconds <= 0.0 || began_anew(before, after) {
            return None;
        }
        let rate = |count: Count| -> Option<f64> { Some(real(count(after)?.checked_sub(count(before)?)?) / seconds) };
        let found = |count: Count| -> Option<u64> { count(after)?.checked_sub(count(before)?) };
        let hit_rate = found(|s| s.hits).zip(found(|s| s.misses)).and_then(|(hits, misses)| share(hits, misses));
        Some(Rates {
            seconds,
            ops: rate(|server| server.commands),
            hit_rate,
            evicted: rate(|server| server.evicted),
            expired: rate(|server| server.expired),
            network_in: rate(|server| server.network_in),
            network_out: rate(|server| server.network_out),
        })
    }
}

type Count = fn(&Server) -> Option<u64>;

fn began_anew(before: &Server, after: &Server) -> bool {
    let counters: [Count; 8] = [
        |server| server.uptime_s,
        |server| server.commands,
        |server| server.hits,
        |server| server.misses,
        |server| server.evicted,
        |server| server.expired,
        |server| server.network_in,
        |server| server.network_out,
    ];
    counters.iter().any(|count| count(before).zip(count(after)).is_some_and(|(before, after)| after < before))
}

/// The share of reads that found an entry, since the start; `None` without reads.
#[must_use]
pub fn hit_rate(server: &Server) -> Option<f64> {
    share(server.hits?, server.misses?)
}

/// The share of the memory that may be used which is; `None` where there is no limit.
#[must_use]
pub fn memory_share(server: &Server) -> Option<f64> {
    ratio(server.memory_used?, server.memory_max?)
}

/// What is to be said of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// For scripts: never another for the same thing.
    pub name: &'static str,
    /// What it is, what that means, what to do.
    pub what: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something does not work, or will not.
    Wrong,
    /// It may be meant.
    Notable,
}

use Severity::{Notable, Wrong};

/// Reads from which on a hit rate says something: a cache that has just started misses.
const READS_LEAST: u64 = 1000;

/// Below this share of hits a cache costs about as much as it saves: each miss pays for itself and for
/// the application's own work.
const HIT_RATE_WRONG: f64 = 0.5;

/// Below this share of hits keys, ttls or the size of most caches deserve a look.
const HIT_RATE_NOTABLE: f64 = 0.8;

/// From this share of its limit on there is little left: what is written in bursts fills it.
const MEMORY_NEAR: f64 = 0.9;

/// From this share of maxclients on one more deployment may be one too many.
const CLIENTS_NEAR: f64 = 0.9;

/// Below this use of memory the server's own code and buffers make any ratio.
const FRAGMENTATION_LEAST: u64 = 64 << 20;

/// What Redis's own documentation calls fragmented.
const FRAGMENTATION_HIGH: f64 = 1.5;

/// A little less than 1 is memory that was reserved and not touched yet; less than this was swapped out.
const FRAGMENTATION_LOW: f64 = 0.9;

/// Seconds. A replica reports each second, and a primary speaks every ten (repl-ping-replica-period).
const LAG_MOST: u64 = 15;

/// Below this share of entries with a ttl, a policy that evicts only those has little to evict.
const EXPIRING_LEAST: f64 = 0.1;

/// What is to be said of a server of this kind, the worst first. Without `rates` of now, what happens now
/// is not judged.
#[must_use]
pub fn findings(kind: Kind, server: &Server, rates: Option<&Rates>) -> Vec<Finding> {
    let mut found = Vec::new();
    state(server, &mut found);
    replication(server, &mut found);
    memory(kind, server, &mut found);
    eviction(kind, server, rates, &mut found);
    reads(server, &mut found);
    clients(kind, server, &mut found);
    found.sort_by_key(|finding| finding.severity);
    found
}

fn find(found: &mut Vec<Finding>, severity: Severity, name: &'static str, what: impl Into<String>) {
    found.push(Finding { severity, name, what: what.into() });
}

fn state(server: &Server, found: &mut Vec<Finding>) {
    if let (Some(all), Some(down @ 1..)) = (server.primaries, server.primaries_down) {
        let what = format!(
            "{down} of {all} primaries of the cluster did not answer: their entries cannot be had, and none at all \
             while cluster-require-full-coverage is on; what is shown is that of the others"
        );
        find(found, Wrong, "primaries-down", what);
    }
    if server.loading == Some(true) {
        find(found, Wrong, "loading", "loading: it has just started and answers little until its data is read");
    }
    if server.save_ok == Some(false) {
        let what = "the last save to disk failed: writes are refused while stop-writes-on-bgsave-error is on; \
                    its log says why (space, permissions of its dir, memory to fork)";
        find(found, Wrong, "save-failed", what);
    }
    if server.aof_ok == Some(false) {
        let what = "the last write of the append-only file failed: what is written is refused or lost at a restart; \
                    its log says why (space on the disk)";
        find(found, Wrong, "aof-failed", what);
    }
}

fn replication(server: &Server, found: &mut Vec<Finding>) {
    if server.replica_link_up == Some(false) {
        let what = "the link to the primary is down: this replica answers with old data; is the primary there, \
                    and does it take masterauth?";
        find(found, Wrong, "replica-link-down", what);
    }
    if let Some(lag) = server.replica_lag_s.filter(|lag| *lag > LAG_MOST && server.replica_link_up != Some(false)) {
        let what = format!("replication lags: nothing was heard for {lag} s; replicas may answer with old data");
        find(found, Wrong, "replication-lag", what);
    }
}

fn memory(kind: Kind, server: &Server, found: &mut Vec<Finding>) {
    let keeps = keeps_all(server);
    match server.memory_max {
        Some(0) if kind == Kind::Redis => {
            let what = "maxmemory is not set: the server grows until the system stops it; CONFIG SET maxmemory BYTES, \
                        and for a cache a maxmemory-policy such as allkeys-lru";
            find(found, Wrong, "maxmemory-unset", what);
        }
        Some(1..) if keeps => find(found, Wrong, "noeviction", when_full(kind, server)),
        _ => {}
    }
    // A memcached's memory is always full after a while, and a cache that evicts may be.
    if let Some(share) = memory_share(server).filter(|share| *share > MEMORY_NEAR && kind != Kind::Memcached) {
        let (used, severity) = (percent(share), if keeps { Wrong } else { Notable });
        let then = if keeps { "more than the rest does not fit" } else { "entries are evicted to make room" };
        find(found, severity, "memory-near-max", format!("memory is at {used} of its limit: {then}"));
    }
    let Some(ratio) = server.fragmentation.filter(|_| server.memory_used > Some(FRAGMENTATION_LEAST)) else { return };
    if ratio > FRAGMENTATION_HIGH {
        let what = format!(
            "fragmentation {ratio:.2}: the system has given much more memory than is used; \
             CONFIG SET activedefrag yes, or a restart, gives it back"
        );
        find(found, Notable, "fragmented", what);
    } else if ratio < FRAGMENTATION_LOW {
        let what =
            format!("fragmentation {ratio:.2}: part of its memory is swapped out, and slow; give it more memory");
        find(found, Wrong, "swapped", what);
    }
}

/// Whether what is stored stays, whatever else is to be stored.
fn keeps_all(server: &Server) -> bool {
    matches!(server.policy.as_deref(), Some("noeviction" | "none"))
}

/// What becomes of a store that evicts nothing.
fn when_full(kind: Kind, server: &Server) -> String {
    let policy = server.policy.as_deref().unwrap_or_default();
    match kind {
        Kind::Redis => format!(
            "policy {policy}: writes fail when maxmemory is reached; for a cache CONFIG SET maxmemory-policy \
             allkeys-lru"
        ),
        Kind::Memcached => {
            format!("policy {policy}: writes fail when memory is full; start it without -M to let it evict")
        }
        _ => format!("policy {policy}: nothing is removed before its ttl ends, so it grows past its size_limit"),
    }
}

fn eviction(kind: Kind, server: &Server, rates: Option<&Rates>, found: &mut Vec<Finding>) {
    let shares = server.entries_expiring.zip(server.entries).and_then(|(some, all)| ratio(some, all));
    let policy = server.policy.as_deref().filter(|policy| policy.starts_with("volatile-"));
    if let (Some(policy), Some(share), Some(1..)) = (policy, shares.filter(|s| *s < EXPIRING_LEAST), server.memory_max)
    {
        let share = percent(share);
        let what = format!(
            "policy {policy} evicts only entries with a ttl, and {share} have one: without any, writes fail when \
             maxmemory is reached; allkeys-lru evicts all"
        );
        find(found, Notable, "few-expiring", what);
    }
    let more = match kind {
        Kind::Memcached => "a larger -m",
        Kind::Disk => "a larger size_limit",
        _ => "a larger maxmemory",
    };
    match (rates.and_then(|rates| rates.evicted), server.evicted) {
        (Some(rate), _) if rate > 0.0 => {
            let what = format!(
                "evicting now: {rate:.0} entries/s leave before their ttl ends; the cache is too small for what is \
                 stored: {more}, or shorter ttls"
            );
            find(found, Wrong, "evicting", what);
        }
        (_, Some(count @ 1..)) => {
            let what = format!("entries had to make room, {count} since start: where that costs hits, {more} helps");
            find(found, Notable, "evicted", what);
        }
        _ => {}
    }
}

fn reads(server: &Server, found: &mut Vec<Finding>) {
    let enough =
        server.hits.zip(server.misses).is_some_and(|(hits, misses)| hits.saturating_add(misses) >= READS_LEAST);
    let Some(rate) = hit_rate(server).filter(|rate| enough && *rate < HIT_RATE_NOTABLE) else { return };
    let severity = if rate < HIT_RATE_WRONG { Wrong } else { Notable };
    let rate = percent(rate);
    let what =
        format!("hit rate {rate} since start: entries expire or are evicted too soon, or are asked for only once");
    find(found, severity, "hit-rate", what);
}

fn clients(kind: Kind, server: &Server, found: &mut Vec<Finding>) {
    let most = if kind == Kind::Memcached { "-c" } else { "maxclients" };
    let share = server.clients.zip(server.clients_max).and_then(|(clients, most)| ratio(clients, most));
    if let (Some(clients), Some(_)) = (server.clients, share.filter(|share| *share > CLIENTS_NEAR)) {
        let what = format!(
            "{clients} clients are connected, near {most}: further ones are refused; raise it, or \
             look who keeps idle connections"
        );
        find(found, Wrong, "clients-near-max", what);
    }
    if let Some(count @ 1..) = server.rejected_connections {
        let what = format!("connections were refused, {count} since start: more clients than {most} allows");
        find(found, Notable, "rejected-connections", what);
    }
    if let Some(count @ 1..) = server.clients_blocked {
        let what = format!(
            "clients wait in commands that block, {count} now: usual for a queue (BLPOP, XREAD), not for a cache"
        );
        find(found, Notable, "blocked-clients", what);
    }
}

/// A share in percent: of what is nearly nothing or nearly all, never 0 % or 100 %.
#[must_use]
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        small if small > 0.0 && small < 1.0 => "under 1 %".to_owned(),
        large if large < 100.0 && large > 99.0 => format!("{:.1} %", (large * 10.0).floor() / 10.0),
        usual => format!("{usual:.0} %"),
    }
}

fn share(hits: u64, misses: u64) -> Option<f64> {
    ratio(hits, hits.saturating_add(misses))
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| real(part) / real(whole))
}

#[expect(clippy::cast_precision_loss, reason = "shares and rates are shown with three digits")]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kind: Kind, server: &Server, rates: Option<&Rates>) -> Vec<&'static str> {
        findings(kind, server, rates).iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn what_is_not_told_is_not_judged() {
        for kind in [Kind::Redis, Kind::Memcached, Kind::Disk, Kind::Memory, Kind::Dummy] {
            assert_eq!(names(kind, &Server::default(), Some(&Rates::default())), [""; 0], "{kind:?}");
        }
    }

    #[test]
    fn a_finding_begins_at_its_threshold() {
        let server = Server::default;
        let some = |text: &str| Some(text.to_owned());
        let (used, max) = (Some(100 << 20), Some(200 << 20));
        for (name, wrong, well) in [
            (
                "hit-rate",
                Server { hits: Some(799), misses: Some(201), ..server() },
                Server { hits: Some(800), misses: Some(200), ..server() },
            ),
            (
                "hit-rate",
                Server { hits: Some(0), misses: Some(1000), ..server() },
                Server { hits: Some(0), misses: Some(999), ..server() },
            ),
            (
                "memory-near-max",
                Server { memory_used: Some(91), memory_max: Some(100), ..server() },
                Server { memory_used: Some(90), memory_max: Some(100), ..server() },
            ),
            (
                "fragmented",
                Server { fragmentation: Some(1.51), memory_used: used, ..server() },
                Server { fragmentation: Some(9.0), memory_used: Some(64 << 20), ..server() },
            ),
            (
                "swapped",
                Server { fragmentation: Some(0.89), memory_used: used, ..server() },
                Server { fragmentation: Some(0.95), memory_used: used, ..server() },
            ),
            (
                "replication-lag",
                Server { replica_lag_s: Some(16), ..server() },
                Server { replica_lag_s: Some(15), ..server() },
            ),
            (
                "few-expiring",
                Server {
                    policy: some("volatile-lru"),
                    memory_max: max,
                    entries: Some(100),
                    entries_expiring: Some(9),
                    ..server()
                },
                Server {
                    policy: some("volatile-lru"),
                    memory_max: max,
                    entries: Some(100),
                    entries_expiring: Some(10),
                    ..server()
                },
            ),
            (
                "clients-near-max",
                Server { clients: Some(10), clients_max: Some(11), ..server() },
                Server { clients: Some(9), clients_max: Some(10), ..server() },
            ),
            ("loading", Server { loading: Some(true), ..server() }, Server { loading: Some(false), ..server() }),
            ("aof-failed", Server { aof_ok: Some(false), ..server() }, Server { aof_ok: Some(true), ..server() }),
            (
                "blocked-clients",
                Server { clients_blocked: Some(1), ..server() },
                Server { clients_blocked: Some(0), ..server() },
            ),
            ("evicted", Server { evicted: Some(1), ..server() }, Server { evicted: Some(0), ..server() }),
        ] {
            assert_eq!(names(Kind::Redis, &wrong, None), [name], "{wrong:?}");
            assert_eq!(names(Kind::Redis, &well, None), [""; 0], "{well:?}");
        }
    }

    #[test]
    fn rates_are_of_what_happened_between() {
        let look = |hits, misses, commands| Server {
            uptime_s: Some(9),
            hits: Some(hits),
            misses: Some(misses),
            commands: Some(commands),
            evicted: Some(u64::MAX),
            ..Server::default()
        };
        let rates = Rates::between(&look(10, 90, 100), &look(13, 91, 200), 0.5).unwrap();
        assert_eq!((rates.ops, rates.hit_rate), (Some(200.0), Some(0.75)));
        assert_eq!((rates.evicted, rates.expired), (Some(0.0), None));
        let still = Rates::between(&look(1, 1, 1), &look(1, 1, 1), 1.0).unwrap();
        assert_eq!((still.ops, still.hit_rate), (Some(0.0), None));
        assert_eq!(Rates::between(&look(10, 90, 100), &look(0, 91, 200), 1.0), None, "a counter went backwards");
        assert_eq!(Rates::between(&look(1, 1, 1), &look(1, 1, 1), 0.0), None, "no time passed");
        let restarted = Server { uptime_s: Some(0), ..look(2, 2, 2) };
        assert_eq!(Rates::between(&look(1, 1, 1), &restarted, 1.0), None, "the server was restarted");
    }

    #[test]
    fn shares_are_shown_as_they_are() {
        for (share, shown) in
            [(0.0, "0 %"), (0.001, "under 1 %"), (0.126, "13 %"), (0.994, "99.4 %"), (0.9999, "99.9 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(share), shown);
        }
    }
}
