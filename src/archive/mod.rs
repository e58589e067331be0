//! Archives: entries as lines of JSON, from which they come back exactly.
//!
//! The first line is the head, then each entry has one, and the last is the end: it has the SHA-256 of
//! all lines before it, so that a file that was cut or changed is known. The line of an entry says where
//! it is stored, when it expires and either what is stored (`data`: base64 of bytes, and of each member of
//! a Redis hash, list, set, sorted set or stream) or the value that it decodes to (`value`, in typed JSON,
//! with its `serializer`). It is also what `get -o jsonl` prints, so one reader takes both. No backend here,
//! and no files.

mod line;
mod read;
mod write;

use ring::digest::Context;

pub use self::line::{Held, Item, Valued};
pub use self::read::{Ended, Reader, Tail, tail};
pub use self::write::{Content, Line, Writer};

/// The version of the format that is written, and the highest that is read.
pub const VERSION: i64 = 1;

/// The field that makes a line the head, with the version.
const HEAD: &str = "cachectl_archive";

/// The field that makes a line the end, with the number of entries.
const END: &str = "archive_end";

/// A digest as the end has it.
fn hexadecimal(digest: Context) -> String {
    digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
