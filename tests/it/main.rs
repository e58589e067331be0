//! The one integration binary: `mod` lines in reading order, a suite a subject.
#![allow(clippy::unwrap_used, missing_docs)]

mod codecs;
mod fixtures;
mod pickle;
mod python;
mod source;
mod tidy;
