//! Which entries a walk is about, and how fast it goes.

use std::num::NonZeroU64;

use anyhow::Result;

use super::Tempo;
use crate::cache::Cache;
use crate::pattern::Pattern;

/// What commands that walk over entries and change none are told.
#[derive(Debug, clap::Args)]
pub struct Selection {
    /// Only the keys that match a glob: * ? [a-z] and \ before a literal character
    #[arg(long, value_name = "GLOB")]
    r#match: Option<String>,
    /// Only entries of this type, as ls takes it
    #[arg(long, value_name = "TYPE")]
    r#type: Option<String>,
    /// At most so many keys a second; else as many as leave the server quick
    #[arg(long, value_name = "N")]
    rate: Option<NonZeroU64>,
}

impl Selection {
    /// The keys.
    pub fn pattern(&self) -> Pattern {
        self.r#match.as_ref().map_or_else(Pattern::all, |glob| Pattern::new(glob.as_bytes()))
    }

    /// The type, as [`Cache::walk`] takes it.
    pub fn kind(&self) -> Option<&str> {
        self.r#type.as_deref()
    }

    /// How many entries there are, where that is what is walked over; who may not count does without.
    pub fn total(&self, cache: &mut Cache) -> Option<u64> {
        let all = self.r#type.is_none() && cache.layout().sweep(&self.pattern()).keys.is_all();
        if all { cache.count().unwrap_or(None) } else { None }
    }

    /// The work begins.
    ///
    /// # Errors
    /// As [`Tempo::start`].
    pub fn tempo(&self) -> Result<Tempo> {
        Tempo::start(self.rate)
    }
}
