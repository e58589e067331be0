//! The one integration binary: `mod` lines in reading order, a suite a subject.
#![allow(clippy::unwrap_used, missing_docs)]

mod source;
mod tidy;
