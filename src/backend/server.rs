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
