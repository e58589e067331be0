//! One JSON object on one line: what scripts read.

use std::io::Write;

use super::escape;
use crate::entry::{StoredKey, Ttl};
use crate::limits::Limits;
use crate::value::Value;
use crate::value::json::{self, Escape};
use crate::value::print::PrintError;

/// A record: names and values in the order they were given.
#[derive(Clone, Debug, Default)]
pub struct Record(Vec<(&'static str, Field)>);

#[derive(Clone, Debug)]
enum Field {
    Json(serde_json::Value),
    Bytes(Vec<u8>),
    Value(Value),
    Records(Vec<Record>),
}

impl Record {
    /// An empty record.
    #[must_use]
    pub fn new() -> Record {
        Record::default()
    }

    /// Adds what JSON has: text, a number, a truth, null, a list.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<serde_json::Value>) -> Record {
        self.0.push((name, Field::Json(value.into())));
        self
    }

    /// Adds bytes from a cache, such as a key: text where they are UTF-8, else `{"$bytes": …}`.
    #[must_use]
    pub fn with_bytes(mut self, name: &'static str, bytes: &[u8]) -> Record {
        self.0.push((name, Field::Bytes(bytes.to_vec())));
        self
    }

    /// Adds where an entry is stored: the stored key, null where it can be nowhere, and its field if
    /// it has one.
    #[must_use]
    pub fn with_place(self, place: Option<&StoredKey>) -> Record {
        match place {
            None => self.with("stored_key", serde_json::Value::Null),
            Some(StoredKey { key, field: None }) => self.with_bytes("stored_key", key),
            Some(StoredKey { key, field: Some(field) }) => {
                self.with_bytes("stored_key", key).with_bytes("field", field)
            }
        }
    }

    /// Adds a ttl: milliseconds, or null for none.
    #[must_use]
    pub fn with_ttl(self, name: &'static str, ttl: Ttl) -> Record {
        match ttl {
            Ttl::Left(ms) => self.with(name, ms),
            Ttl::Never => self.with(name, serde_json::Value::Null),
            Ttl::Unknown => self.with(name, "unknown"),
        }
    }

    /// Adds a value that JSON has, such as one in typed JSON.
    #[must_use]
    pub fn with_value(mut self, name: &'static str, value: Value) -> Record {
        self.0.push((name, Field::Value(value)));
        self
    }

    /// Adds records: a list of objects.
    #[must_use]
    pub fn with_records(mut self, name: &'static str, records: Vec<Record>) -> Record {
        self.0.push((name, Field::Records(records)));
        self
    }

    /// What a terminal could act on is escaped wherever it goes: a pipe may end at one.
    pub(super) fn write(&self, limits: &Limits, out: &mut dyn Write) -> Result<(), PrintError> {
        for (index, (name, field)) in self.0.iter().enumerate() {
            write!(out, "{}\"{name}\": ", if index == 0 { "{" } else { ", " })?;
            match field {
                Field::Json(value) => write_json(value, out)?,
                Field::Bytes(bytes) if std::str::from_utf8(bytes).is_ok() => write_text(bytes, out)?,
                Field::Bytes(bytes) => {
                    use base64::Engine as _;
                    write!(out, "{{\"$bytes\": \"{}\"}}", base64::prelude::BASE64_STANDARD.encode(bytes))?;
                }
                Field::Value(value) => json::write(value, Escape::Terminal, limits, out)?,
                Field::Records(records) => {
                    for (index, record) in records.iter().enumerate() {
                        out.write_all(if index == 0 { b"[" } else { b", " })?;
                        record.write(limits, out)?;
                    }
                    out.write_all(if records.is_empty() { b"[]" } else { b"]" })?;
                }
            }
        }
        Ok(out.write_all(if self.0.is_empty() { b"{}" } else { b"}" })?)
    }
}

fn write_json(value: &serde_json::Value, out: &mut dyn Write) -> Result<(), PrintError> {
    match value {
        serde_json::Value::String(text) => write_text(text.as_bytes(), out),
        serde_json::Value::Array(items) => {
            out.write_all(b"[")?;
            for (index, item) in items.iter().enumerate() {
                out.write_all(if index == 0 { b"" } else { b", " })?;
                write_json(item, out)?;
            }
            Ok(out.write_all(b"]")?)
        }
        other => Ok(out.write_all(escape::message(&other.to_string()).as_bytes())?),
    }
}

fn write_text(text: &[u8], out: &mut dyn Write) -> Result<(), PrintError> {
    json::write(&Value::of_str(text), Escape::Terminal, &Limits::DEFAULT, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_of_json() {
        let record = Record::new()
            .with_bytes("key", b"a\"\n")
            .with_bytes("stored_key", b"\xff")
            .with("hit", true)
            .with_ttl("ttl_ms", Ttl::Never)
            .with("tags", vec!["a", "\x1b"])
            .with_value("value", Value::of_str("\u{9b}"));
        let mut out = Vec::new();
        record.write(&Limits::DEFAULT, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains(char::is_control), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["key"], "a\"\n");
        assert_eq!(back["stored_key"]["$bytes"], "/w==");
        assert_eq!(back["tags"][1], "\x1b");
        assert_eq!(back["value"], "\u{9b}");
    }
}
