//! What `--version` says: what this program reads and writes, and by which libraries. It is the same for two builds of
//! one commit.

use std::env::consts::{ARCH, OS};
use std::sync::LazyLock;

use crate::backend::BACKENDS;
use crate::codec::LAYERS;
use crate::layout::LAYOUTS;

/// The versions of all crates, as they were built.
const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"));

/// Crates whose faults are ours too: who asks whether a hole is in here looks for these.
const CRATES: &[&str] = &[
    "redis",
    "rustls",
    "ring",
    "libsqlite3-sys",
    "zstd-sys",
    "zlib-rs",
    "liblzma-sys",
    "libbz2-rs-sys",
    "lz4_flex",
    "brotli",
    "snap",
    "serde_json",
];

/// All of it, the version first.
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let linked = if cfg!(target_feature = "crt-static") { ", static" } else { "" };
        let rows = [
            ("built for", format!("{ARCH} {OS}{linked}")),
            ("backends", list(BACKENDS.iter().flat_map(|row| row.schemes.iter().copied()))),
            ("layers", list(LAYERS.iter().map(|row| row.names[0]))),
            ("layouts", list(LAYOUTS.iter().map(|row| row.schemes[0]))),
            ("libraries", list(CRATES.iter().filter_map(|name| locked(name)))),
        ];
        let rows: Vec<String> = rows.iter().map(|(name, what)| format!("{name}: {what}")).collect();
        format!("{}\n{}", env!("CARGO_PKG_VERSION"), rows.join("\n"))
    });
    &LONG
}

fn list<T: ToString>(words: impl Iterator<Item = T>) -> String {
    words.map(|word| word.to_string()).collect::<Vec<_>>().join(", ")
}

/// A crate and its version.
fn locked(name: &str) -> Option<String> {
    let (_, rest) = LOCK.split_once(&format!("\nname = \"{name}\"\nversion = \""))?;
    Some(format!("{name} {}", rest.split_once('"')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_in_the_tree() {
        for name in CRATES {
            assert!(locked(name).is_some(), "{name}");
        }
        let long = long();
        assert!(long.starts_with(env!("CARGO_PKG_VERSION")) && long.contains("memcached") && long.contains("zstd"));
        assert!(long.contains("redis 1."), "{long}");
    }
}
