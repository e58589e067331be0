//! What a server or a store says of itself: plain facts, each only where it was told.
//!
//! Nothing is judged here, and nothing is kept between two looks: a rate is the difference of two.

use std::collections::HashMap;

/// What a server or a store tells of itself; `None` where it does not, or where the user may not ask.
/// Counters are since its start, or since its statistics were reset.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Server {
    /// `redis`, `valkey`, `memcached`, `diskcache`, `memory`.
    pub product: Option<String>,
    /// As it spells it.
    pub version: Option<String>,
    /// Of a server that is one of several with the same data.
    pub role: Option<Role>,
    /// Of a cluster, how many nodes there are that each have a part of the data.
    pub primaries: Option<u64>,
    /// Of these, how many did not answer.
    pub primaries_down: Option<u64>,
    /// Seconds since its start.
    pub uptime_s: Option<u64>,
    /// Whether it is still reading its data from disk.
    pub loading: Option<bool>,
    /// Bytes that the data takes, overhead included; on disk of file.
    pub memory_used: Option<u64>,
    /// The most that it has been.
    pub memory_peak: Option<u64>,
    /// What it may be; 0 for no limit.
    pub memory_max: Option<u64>,
    /// What goes when there is no room, in the store's own word.
    pub policy: Option<String>,
    /// Bytes that the system gave it for each that it uses.
    pub fragmentation: Option<f64>,
    /// Connections, this one too.
    pub clients: Option<u64>,
    /// How many it takes.
    pub clients_max: Option<u64>,
    /// Of those, the ones that wait in a command that blocks.
    pub clients_blocked: Option<u64>,
    /// Connections that were one too many.
    pub rejected_connections: Option<u64>,
    /// Commands done; of memcached those on entries.
    pub commands: Option<u64>,
    /// Commands a second lately, where the server says so itself.
    pub ops_per_s: Option<f64>,
    /// Reads that found an entry.
    pub hits: Option<u64>,
    /// Reads that found none.
    pub misses: Option<u64>,
    /// Entries whose ttl ended.
    pub expired: Option<u64>,
    /// Entries that had to make room.
    pub evicted: Option<u64>,
    /// Entries, in all databases.
    pub entries: Option<u64>,
    /// Of those, the ones with a ttl.
    pub entries_expiring: Option<u64>,
    /// Replicas that are connected.
    pub replicas: Option<u64>,
    /// Of a replica, whether it is connected to its primary.
    pub replica_link_up: Option<bool>,
    /// Seconds since a replica heard from its primary, or a primary from the slowest of its replicas.
    pub replica_lag_s: Option<u64>,
    /// Whether the last save went well.
    pub save_ok: Option<bool>,
    /// Changes since the last save.
    pub save_changes: Option<u64>,
    /// Whether the last write of the append-only file went well, where there is one.
    pub aof_ok: Option<bool>,
    /// Bytes received.
    pub network_in: Option<u64>,
    /// Bytes sent.
    pub network_out: Option<u64>,
    /// Seconds of the processor, outside the kernel.
    pub cpu_user_s: Option<f64>,
    /// Seconds of the processor, inside the kernel.
    pub cpu_sys_s: Option<f64>,
    /// What could not be asked, and why, in words: `INFO: the user may not`.
    pub withheld: Vec<String>,
}

impl Server {
    /// Several servers that each have a part of the data, as one: sums where a sum says something, and else what is
    /// worst among them. A fact is there where one of them tells it. `None` of none.
    #[must_use]
    pub fn joined(servers: Vec<Server>) -> Option<Server> {
        servers.into_iter().reduce(Server::with)
    }

    fn with(self, other: Server) -> Server {
        Server {
            product: words(self.product, other.product),
            version: words(self.version, other.version),
            role: worse(self.role, other.role, |one, two| if one == two { one } else { Role::Replica }),
            primaries: sum(self.primaries, other.primaries),
            primaries_down: sum(self.primaries_down, other.primaries_down),
            uptime_s: worse(self.uptime_s, other.uptime_s, u64::min),
            loading: worse(self.loading, other.loading, |one, two| one || two),
            memory_used: sum(self.memory_used, other.memory_used),
            memory_peak: sum(self.memory_peak, other.memory_peak),
            // One without a limit has the others' memory too, should they share a machine.
            memory_max: worse(self.memory_max, other.memory_max, |one, two| match (one, two) {
                (0, _) | (_, 0) => 0,
                (one, two) => one.saturating_add(two),
            }),
            policy: words(self.policy, other.policy),
            fragmentation: worse(self.fragmentation, other.fragmentation, f64::max),
            clients: sum(self.clients, other.clients),
            clients_max: sum(self.clients_max, other.clients_max),
            clients_blocked: sum(self.clients_blocked, other.clients_blocked),
            rejected_connections: sum(self.rejected_connections, other.rejected_connections),
            commands: sum(self.commands, other.commands),
            ops_per_s: worse(self.ops_per_s, other.ops_per_s, |one, two| one + two),
            hits: sum(self.hits, other.hits),
            misses: sum(self.misses, other.misses),
            expired: sum(self.expired, other.expired),
            evicted: sum(self.evicted, other.evicted),
            entries: sum(self.entries, other.entries),
            entries_expiring: sum(self.entries_expiring, other.entries_expiring),
            replicas: sum(self.replicas, other.replicas),
            replica_link_up: worse(self.replica_link_up, other.replica_link_up, |one, two| one && two),
            replica_lag_s: worse(self.replica_lag_s, other.replica_lag_s, u64::max),
            save_ok: worse(self.save_ok, other.save_ok, |one, two| one && two),
            save_changes: sum(self.save_changes, other.save_changes),
            aof_ok: worse(self.aof_ok, other.aof_ok, |one, two| one && two),
            network_in: sum(self.network_in, other.network_in),
            network_out: sum(self.network_out, other.network_out),
            cpu_user_s: worse(self.cpu_user_s, other.cpu_user_s, |one, two| one + two),
            cpu_sys_s: worse(self.cpu_sys_s, other.cpu_sys_s, |one, two| one + two),
            withheld: union(self.withheld, other.withheld),
        }
    }
}

fn worse<T>(one: Option<T>, two: Option<T>, pick: fn(T, T) -> T) -> Option<T> {
    match (one, two) {
        (Some(one), Some(two)) => Some(pick(one, two)),
        (one, two) => one.or(two),
    }
}

fn sum(one: Option<u64>, two: Option<u64>) -> Option<u64> {
    worse(one, two, u64::saturating_add)
}

/// Both where they differ.
fn words(one: Option<String>, two: Option<String>) -> Option<String> {
    worse(one, two, |one, two| match one.split(", ").any(|word| word == two) {
        true => one,
        false => format!("{one}, {two}"),
    })
}

fn union(mut one: Vec<String>, two: Vec<String>) -> Vec<String> {
    for words in two {
        if !one.contains(&words) {
            one.push(words);
        }
    }
    one
}

/// What a server is among others with the same data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows a primary.
    Replica,
}

/// Lines that are read of what a server says of itself. A Redis says about 200, and one for each
/// database; a memcached about 100.
pub(super) const LINES_MOST: usize = 4096;

/// Bytes of a word such as a version.
const WORD_MOST: usize = 64;

/// Facts as a server says them: names, and texts that may hold anything.
#[derive(Default)]
pub(super) struct Said(HashMap<String, String>);

impl Said {
    /// Takes a fact, as one of at most [`LINES_MOST`].
    pub fn take(&mut self, name: &str, text: &str) {
        if self.0.len() < LINES_MOST {
            self.0.insert(name.to_owned(), text.to_owned());
        }
    }

    /// All of them, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// The text of `name`.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The word that `name` is: short, and nothing but visible ASCII.
    pub fn word(&self, name: &str) -> Option<String> {
        let fits = |text: &&str| (1..=WORD_MOST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        self.text(name).filter(fits).map(str::to_owned)
    }

    /// The number that `name` is.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// The number with a fraction that `name` is: never one that cannot be counted with.
    pub fn real(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok().filter(|real: &f64| real.is_finite() && *real >= 0.0)
    }

    /// Whether `name` is what it is when all is well.
    pub fn is(&self, name: &str, well: &str) -> Option<bool> {
        self.text(name).map(|text| text == well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fact_is_none() {
        let mut said = Said::default();
        let long = "9".repeat(65);
        let texts = ["", "-1", "1 2", "nan", "inf", "-nan", "1e999", "\u{1b}[2J", "18446744073709551616", &long];
        for text in texts {
            said.take("fact", text);
            assert_eq!(said.number("fact"), None, "{text}");
            let real = said.real("fact");
            assert!(real.is_none_or(|real| real.is_finite() && real >= 0.0), "{text}: {real:?}");
        }
        for (text, word) in [("", None), ("\u{1b}", None), ("a b", None), (&long, None), ("7.0.15", Some("7.0.15"))] {
            said.take("fact", text);
            assert_eq!(said.word("fact").as_deref(), word, "{text}");
        }
        for fact in 0..2 * LINES_MOST {
            said.take(&fact.to_string(), "1");
        }
        assert_eq!(said.all().count(), LINES_MOST);
    }
}
