//! Entries to lines.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};

use super::{END, HEAD, VERSION, hexadecimal};
use crate::entry::{Members, Stored, StoredKey, StreamItem, Ttl};
use crate::limits::Limits;
use crate::value::json::{self, Escape};
use crate::value::print::PrintError;
use crate::value::{Value, typed_json};

/// An archive that is being written.
pub struct Writer<W> {
    out: W,
    digest: Context,
    entries: u64,
}

/// What the line of an entry says.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// Where it is stored.
    pub stored_key: &'a StoredKey,
    /// What the application calls it, where that is known.
    pub key: Option<&'a [u8]>,
    /// How long it stays.
    pub ttl: Ttl,
    /// When it was read, in milliseconds after the Unix epoch.
    pub read_at: i64,
    /// The tag, on a store whose entries carry one.
    pub tag: Option<&'a str>,
    /// What it holds.
    pub content: Content<'a>,
}

/// What an entry holds, in one of two forms.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// What is stored.
    Stored(&'a Stored),
    /// The value that it decodes to.
    Value {
        /// The value.
        value: &'a Value,
        /// By which chain; `None` where the store holds it in a type of its own.
        serializer: Option<&'a str>,
        /// As [`Stored::kind`].
        kind: &'static str,
        /// memcached's flags; 0 elsewhere.
        flags: u32,
    },
}

impl<W: Write> Writer<W> {
    /// Writes the head: entries of `source`, of which no secret may be in the name.
    ///
    /// # Errors
    /// When the output fails.
    pub fn begin(out: W, source: &str) -> io::Result<Writer<W>> {
        let mut archive = Writer { out, digest: Context::new(&SHA256), entries: 0 };
        let mut line = Vec::new();
        write!(line, "{{\"{HEAD}\": {VERSION}, \"source\": ")?;
        text(source.as_bytes(), &mut line);
        // Whole seconds are exact enough for who wonders which of two files is the newer.
        let made_at = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or(Timestamp::UNIX_EPOCH);
        writeln!(line, ", \"made_at\": \"{made_at}\"}}")?;
        archive.lines(&line, 0)?;
        Ok(archive)
    }

    /// Writes the lines of so many entries.
    ///
    /// # Errors
    /// When the output fails.
    pub fn lines(&mut self, lines: &[u8], entries: u64) -> io::Result<()> {
        self.digest.update(lines);
        self.out.write_all(lines)?;
        self.entries += entries;
        Ok(())
    }

    /// How many entries were written.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Hands everything to what is under this; who needs it to be on a disk asks that for it.
    ///
    /// # Errors
    /// When the output fails.
    pub fn flush(&mut self) -> io::Result<&mut W> {
        self.out.flush()?;
        Ok(&mut self.out)
    }

    /// Writes the end; `complete` unless the work was broken off, which makes it a whole file of fewer entries.
    ///
    /// # Errors
    /// When the output fails.
    pub fn end(mut self, complete: bool) -> io::Result<W> {
        let (entries, digest) = (self.entries, hexadecimal(self.digest));
        writeln!(self.out, "{{\"{END}\": {entries}, \"complete\": {complete}, \"sha256\": \"{digest}\"}}")?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl Line<'_> {
    /// Adds the line to `out`.
    ///
    /// # Errors
    /// When the value would be too long; what is in `out` then is no line.
    pub fn write(&self, limits: &Limits, out: &mut Vec<u8>) -> Result<(), PrintError> {
        write_entry(self, limits, out)
    }
}

fn write_entry(line: &Line<'_>, limits: &Limits, out: &mut Vec<u8>) -> Result<(), PrintError> {
    let Line { stored_key, key, ttl, read_at, tag, content } = *line;
    out.extend_from_slice(b"{");
    if let Some(key) = key.filter(|key| *key != stored_key.key || stored_key.field.is_some()) {
        out.extend_from_slice(b"\"key\": ");
        name(key, out);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(b"\"stored_key\": ");
    name(&stored_key.key, out);
    if let Some(field) = &stored_key.field {
        out.extend_from_slice(b", \"field\": ");
        name(field, out);
    }
    match ttl {
        Ttl::Never => out.extend_from_slice(b", \"ttl_ms\": null"),
        Ttl::Unknown => out.extend_from_slice(b", \"ttl_ms\": \"unknown\""),
        Ttl::Left(ms) => {
            let mut digits = itoa::Buffer::new();
            out.extend_from_slice(b", \"ttl_ms\": ");
            out.extend_from_slice(digits.format(ms).as_bytes());
            out.extend_from_slice(b", \"expires_at_ms\": ");
            out.extend_from_slice(digits.format(read_at.saturating_add_unsigned(ms)).as_bytes());
        }
    }
    if let Some(tag) = tag {
        out.extend_from_slice(b", \"tag\": ");
        text(tag.as_bytes(), out);
    }
    match content {
        Content::Stored(stored) => {
            let flags = if let Stored::Flagged(flags, _) = stored { *flags } else { 0 };
            kind(stored.kind(), flags, out)?;
            out.extend_from_slice(b", \"data\": ");
            data(stored, out)?;
        }
        Content::Value { value, serializer, kind: named, flags } => {
            kind(named, flags, out)?;
            if let Some(url) = serializer {
                out.extend_from_slice(b", \"serializer\": ");
                text(url.as_bytes(), out);
            }
            out.extend_from_slice(b", \"value\": ");
            let typed = typed_json::lower(value, limits)?;
            json::write(&typed, Escape::Terminal, limits, out)?;
        }
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

fn kind(kind: &str, flags: u32, out: &mut Vec<u8>) -> io::Result<()> {
    write!(out, ", \"type\": \"{kind}\"")?;
    if flags != 0 { write!(out, ", \"flags\": {flags}") } else { Ok(()) }
}

/// What is stored. The type says which form it has.
fn data(stored: &Stored, out: &mut Vec<u8>) -> io::Result<()> {
    match stored {
        Stored::Bytes(bytes) | Stored::Flagged(_, bytes) | Stored::Pickle(bytes) => binary(bytes, out),
        Stored::Text(string) => text(string.as_bytes(), out),
        Stored::Integer(number) => write!(out, "{number}")?,
        Stored::Float(number) => float(*number, out)?,
        Stored::Members(members) => match members {
            Members::Hash(pairs) => list(pairs, out, |(field, value), out| pair(field, value, out))?,
            Members::List(items) | Members::Set(items) => list(items, out, |item, out| {
                binary(item, out);
                Ok(())
            })?,
            Members::SortedSet(pairs) => list(pairs, out, |(member, score), out| {
                out.push(b'[');
                binary(member, out);
                out.extend_from_slice(b", ");
                float(*score, out)?;
                out.push(b']');
                Ok(())
            })?,
            Members::Stream(items) => list(items, out, |StreamItem { id, fields }, out| {
                out.push(b'[');
                text(id.as_bytes(), out);
                out.extend_from_slice(b", ");
                list(fields, out, |(field, value), out| pair(field, value, out))?;
                out.push(b']');
                Ok(())
            })?,
        },
    }
    Ok(())
}

fn list<T>(items: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"" } else { b", " });
        write(item, out)?;
    }
    out.push(b']');
    Ok(())
}

fn pair(field: &[u8], value: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    out.push(b'[');
    binary(field, out);
    out.extend_from_slice(b", ");
    binary(value, out);
    out.push(b']');
    Ok(())
}

/// A name: text where it is UTF-8.
fn name(name: &[u8], out: &mut Vec<u8>) {
    if std::str::from_utf8(name).is_ok() {
        return text(name, out);
    }
    out.extend_from_slice(b"{\"$bytes\": ");
    binary(name, out);
    out.push(b'}');
}

fn text(text: &[u8], out: &mut Vec<u8>) {
    json::write_str(text, Escape::Terminal, out);
}

fn binary(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = BASE64_STANDARD.encode_slice(bytes, &mut out[start..]).expect("there is room for all of it");
    out.truncate(start + written);
    out.push(b'"');
}

/// JSON has no infinities: they stand as they do in typed JSON.
fn float(number: f64, out: &mut Vec<u8>) -> io::Result<()> {
    if number.is_finite() {
        json::write_float(number, out);
        return Ok(());
    }
    let word = if number.is_nan() {
        "nan"
    } else if number > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    write!(out, "{{\"$float\": \"{word}\"}}")
}
