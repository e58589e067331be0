//! The one integration binary: `mod` lines in reading order, a suite a subject.
#![allow(clippy::unwrap_used, missing_docs)]

mod auto;
mod backends;
#[path = "../fuzz/bodies.rs"]
mod bodies;
mod codecs;
mod commands;
mod disk;
mod env;
mod exactness;
mod fixtures;
mod forms;
mod hostile;
mod hot;
mod interop;
mod keys;
mod layouts;
mod libraries;
mod memcached;
mod mutate;
mod operate;
mod pickle;
mod print;
mod pty;
mod python;
mod readme;
mod redis;
mod rounds;
mod server;
mod servers;
mod source;
mod stats;
mod tags;
mod terminal;
mod tidy;
mod values;
