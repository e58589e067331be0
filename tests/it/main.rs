//! The one integration binary: `mod` lines in reading order, a suite a subject.
#![allow(clippy::unwrap_used, missing_docs)]

mod backends;
mod codecs;
mod disk;
mod fixtures;
mod pickle;
mod python;
mod redis;
mod server;
mod source;
mod tidy;
