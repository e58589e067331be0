//! What can be asked of the entries.

use std::time::Duration;

use clap::ValueEnum;

use crate::commands::arguments;

use crate::pattern::Pattern;
use crate::stats::Wanted;

/// The options of `stats --keys`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --keys")]
pub struct Entries {
    /// Only entries whose stored keys match
    #[arg(long, value_name = "GLOB", requires = "keys")]
    r#match: Option<String>,
    /// Draw a random sample of so many entries, or of such a share; totals have 95 % intervals. Of more than half of
    /// them all are looked at
    #[arg(long, value_name = "N|P%", requires = "keys", value_parser = Amount::parse_some)]
    pub sample: Option<Amount>,
    /// Walk over all entries, however many there are; above 1,000,000 a sample is drawn otherwise
    #[arg(long, requires = "keys", conflicts_with = "sample")]
    pub exact: bool,
    /// What to ask of each entry: each is a command more. With none, entries are counted by name
    #[arg(long, value_name = "FACTS", requires = "keys", value_enum, value_delimiter = ',', hide_short_help = true)]
    #[arg(default_value = "type,ttl,memory,idle")]
    pub facts: Vec<Fact>,
    /// Look into the values of so many entries, or of such a share, for codecs and classes [default: 1000]
    ///
    /// Values of up to 1 MiB. A server before Redis 7.2 takes an entry that is looked into, or asked for its length,
    /// for one that is used: `none`, without --facts length, leaves idle times and what an LRU or LFU policy goes by
    /// as they were.
    #[arg(long, value_name = "N|P%", requires = "keys", value_parser = Amount::parse, hide_short_help = true)]
    pub decode: Option<Amount>,
    /// Prefixes end at these characters [default: the one of : / # . that most keys have]
    #[arg(long, value_name = "CHARS", requires = "keys", hide_short_help = true)]
    separator: Option<String>,
    /// A prefix has so many segments [default: as many as tell something]
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", requires = "keys", value_parser = clap::value_parser!(u8).range(1..=16))]
    depth: Option<u8>,
    /// Leave out so many segments first
    #[arg(long, value_name = "N", requires = "keys", default_value_t = 0, hide_short_help = true)]
    skip: u8,
    /// Rows of each table
    #[arg(long, value_name = "N", requires = "keys", default_value_t = 20, hide_short_help = true)]
    rows: usize,
    /// List the N biggest entries
    #[arg(long, value_name = "N", requires = "keys", num_args = 0..=1, default_missing_value = "10")]
    top: Option<usize>,
    /// List the N biggest entries that never expire
    #[arg(long, value_name = "N", requires = "keys", num_args = 0..=1, default_missing_value = "10")]
    no_ttl: Option<usize>,
    /// List the N most used entries, where the server counts
    #[arg(long, value_name = "N", requires = "keys", num_args = 0..=1, default_missing_value = "10")]
    pub hot: Option<usize>,
    /// Watch every command for so long, at most 1m, to find the most used keys: slows a busy server down (MONITOR)
    #[arg(long, value_name = "TIME", requires = "hot", value_parser = watch, hide_short_help = true)]
    pub monitor: Option<Duration>,
    /// Entries a second at most
    #[arg(hide_short_help = true)]
    #[arg(long, value_name = "N", requires = "keys", value_parser = clap::value_parser!(u64).range(1..))]
    pub scan_rate: Option<u64>,
    /// Names to ask for at once [default: what a server answers in about 250 us, fewer when it is busy]
    #[arg(long, value_name = "N", requires = "keys", value_parser = page, hide_short_help = true)]
    pub page: Option<usize>,
    /// Where the random numbers of a sample begin
    #[arg(long, value_name = "N", requires = "keys", default_value_t = 0, hide_short_help = true)]
    pub seed: u64,
}

/// What can be asked of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fact {
    /// Its type (TYPE)
    Type,
    /// How long it will stay (PTTL)
    Ttl,
    /// The memory it takes (MEMORY USAGE)
    Memory,
    /// How long its data is, or how many members it has (STRLEN, HLEN …)
    Length,
    /// How long it has not been used, or under an LFU policy how often (OBJECT IDLETIME, OBJECT FREQ)
    Idle,
    /// Nothing but its name
    None,
}

/// So many, or such a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// So many.
    Count(u64),
    /// A share, from 0 to 1.
    Share(f64),
}

impl Amount {
    /// `5000`, `2.5%`, `all`, `none`.
    fn parse(text: &str) -> Result<Amount, String> {
        let wrong = || format!("`{text}` is neither a number, such as 5000, nor a share, such as 2.5% or all");
        match text.strip_suffix('%') {
            Some(share) => match share.trim().parse::<f64>() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Amount::Share(share / 100.0)),
                _ => Err(wrong()),
            },
            None if text == "all" => Ok(Amount::Share(1.0)),
            None if text == "none" => Ok(Amount::Count(0)),
            None => text.parse().map(Amount::Count).map_err(|_| wrong()),
        }
    }

    /// The same, of which nothing is none.
    fn parse_some(text: &str) -> Result<Amount, String> {
        match Amount::parse(text)? {
            Amount::Count(0) | Amount::Share(0.0) => Err("a sample has one entry at least".to_owned()),
            amount => Ok(amount),
        }
    }

    /// How many that is of so many: one at least.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share is from 0 to 1"
    )]
    pub fn of(self, all: u64) -> u64 {
        match self {
            Amount::Count(count) => count.max(1),
            Amount::Share(share) => ((all as f64 * share).ceil() as u64).max(1),
        }
    }
}

/// A watched server is slow for as long.
const WATCH_MOST: Duration = Duration::from_secs(60);

fn watch(text: &str) -> Result<Duration, String> {
    match arguments::duration(text)? {
        time if !time.is_zero() && time <= WATCH_MOST => Ok(time),
        _ => Err("expected a time of at most 1m: a server that is watched is slower for as long".to_owned()),
    }
}

/// Above some thousands there is no speed to win, and others wait.
fn page(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(page @ 1..=100_000) => Ok(page),
        _ => Err("expected a number of names from 1 to 100000".to_owned()),
    }
}

impl Entries {
    /// Which entries.
    pub fn pattern(&self) -> Pattern {
        self.r#match.as_ref().map_or_else(Pattern::all, |glob| Pattern::new(glob.as_bytes()))
    }

    /// What is to be counted and listed. Under an LFU policy the most used come for nothing.
    pub fn wanted(&self, counts_use: bool) -> Wanted {
        Wanted {
            separators: self.separator.as_ref().map(|characters| characters.clone().into_bytes()),
            depth: self.depth.map(usize::from),
            skip: usize::from(self.skip),
            rows: self.rows,
            top: self.top.unwrap_or(0),
            never: self.no_ttl.unwrap_or(0),
            hot: self.hot.filter(|_| counts_use).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_number_or_a_share() {
        for (text, amount) in [
            ("5000", Amount::Count(5000)),
            ("0", Amount::Count(0)),
            ("none", Amount::Count(0)),
            ("2.5%", Amount::Share(0.025)),
            ("100%", Amount::Share(1.0)),
            ("all", Amount::Share(1.0)),
        ] {
            assert_eq!(Amount::parse(text), Ok(amount), "{text}");
        }
        for text in ["", "%", "-1", "101%", "nan%", "1.5", "some"] {
            assert!(Amount::parse(text).is_err(), "{text}");
        }
        for text in ["0", "none", "0%", "x"] {
            assert!(Amount::parse_some(text).is_err(), "{text}");
        }
        assert_eq!(Amount::parse_some("0.1%"), Ok(Amount::Share(0.001)));
        assert_eq!((Amount::Share(0.001).of(10), Amount::Share(0.5).of(9), Amount::Count(7).of(3)), (1, 5, 7));
    }
}
