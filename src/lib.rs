//! cachectl: look into and operate the caches that applications fill.
//!
//! The map of the house. Rooms are nouns, each a small interface over a deep inside; imports go
//! down only, and `tests/it/tidy.rs` says so.
//!
//! ```text
//! cli         the command line              commands    one file a subcommand
//! cache       backend + layout + codec: what a read and a write are
//! codec       values to bytes and back      value       what bytes decode to, and its notations
//! layout      stored keys for keys          backend     servers and stores
//! render      the only writer to stdout and stderr
//! entry pattern url limits secret exit      what the rooms share
//! ```
//!
//! The way of a `get`: the command asks the cache for entries; the layout names the stored
//! keys; the backend fetches; the codec, asked for or detected, decodes within [`limits::Limits`];
//! `render` prints. The library makes no promise of stability: it is there for the tests, the
//! benchmarks and the fuzzers.

pub mod backend;
pub mod codec;
pub mod entry;
pub mod layout;
pub mod limits;
pub mod pattern;
pub mod secret;
pub mod url;
pub mod value;
