//! What is in a cache: observations in, tables out.
//!
//! Pure: no I/O, no clock, no terminal, so that all of it is tested over keyspaces that are known.
//! Memory is bounded whatever comes: names are given up for heavier ones ([`tallies`]), numbers
//! become sketches ([`quantiles`]), lists have a length ([`top`]).

mod census;
mod codecs;
mod estimate;
mod histogram;
mod prefixes;
mod quantiles;
mod report;
pub mod server;
mod tallies;
mod tally;
#[cfg(test)]
mod tests;
mod top;

pub use self::census::{Census, Wanted};
pub use self::codecs::Decoded;
pub use self::estimate::{Estimate, Population};
pub use self::histogram::Bucket;
pub use self::quantiles::Quantiles;
pub use self::report::{CodecRow, CodecTable, Measure, Report, Row, Table};
pub use self::top::Listed;
