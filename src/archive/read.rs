//! Lines to entries.

use std::fs::File;
use std::io::{self, BufRead, Read as _, Seek as _, SeekFrom};

use anyhow::Result;
use ring::digest::{Context, SHA256};

use super::line::{Fields, Item, item};
use super::{END, HEAD, VERSION, hexadecimal};
use crate::codec::{Codec, Fault};
use crate::exit::Stop;
use crate::limits::{BYTES_CEILING, Limits};
use crate::value::{Node, Value};

/// Reads an archive, or lines of entries that have neither head nor end.
pub struct Reader<R> {
    source: R,
    limits: Limits,
    json: Codec,
    digest: Context,
    /// Lines read, the one that [`Reader::item`] has given last included.
    number: u64,
    bytes: u64,
    entries: u64,
    headed: bool,
    made_from: Option<String>,
    end: Option<Ended>,
}

/// What the end of an archive says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether it has all that it was to have.
    pub complete: bool,
    /// Whether the lines before it are those that were written.
    pub intact: bool,
}

impl<R: BufRead> Reader<R> {
    /// Reads from `source`.
    pub fn new(source: R, limits: Limits) -> Reader<R> {
        let json = Codec::parse("json://").expect("the layer is in the table");
        let digest = Context::new(&SHA256);
        Reader {
            source,
            limits,
            json,
            digest,
            number: 0,
            bytes: 0,
            entries: 0,
            headed: false,
            made_from: None,
            end: None,
        }
    }

    /// The next entry; `None` at the end. Blank lines and recorded misses are passed over.
    ///
    /// # Errors
    /// When it cannot be read, or what is wrong with the line.
    pub fn item(&mut self) -> Result<Option<Item>> {
        loop {
            self.number += 1;
            let Some(line) = self.line()? else {
                self.number -= 1;
                return Ok(None);
            };
            if line.trim_ascii().is_empty() {
                self.digest.update(&line);
                continue;
            }
            if self.end.is_some() {
                return Err(Stop::data("there is more after the end of the archive: are two in one file?").into());
            }
            // Of the end only what is before it counts.
            let before = is_end(&line).then(|| self.digest.clone());
            self.digest.update(&line);
            let decoded = self.json.decode(line, &self.of_lines()).map_err(|error| match error.fault {
                Fault::Limit(_) => Stop::data(error.to_string()),
                _ => Stop::usage(error.to_string()),
            })?;
            let fields = Fields::of(&decoded.value)?;
            if let Some(version) = fields.find(HEAD) {
                self.begin(version)?;
                self.made_from = fields.text("source").unwrap_or(None).map(str::to_owned);
            } else if let Some((entries, before)) = fields.find(END).zip(before) {
                self.end = Some(self.judge(&fields, entries, before));
            } else if let Some(item) = item(&fields, &self.limits)? {
                self.entries += 1;
                return Ok(Some(item));
            }
        }
    }

    /// The number of the line that was read last, from 1 on.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Which backend its head says that it was made from.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.made_from.as_deref()
    }

    /// Bytes of the lines read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What the end says, once it was read; `None` where there was none.
    #[must_use]
    pub fn end(&self) -> Option<Ended> {
        self.end
    }

    /// Whether there was a head, so that there must be an end.
    #[must_use]
    pub fn is_archive(&self) -> bool {
        self.headed
    }

    /// The limits of a line, which is more than the entry in it: base64 is longer by a third, a key stands beside the
    /// value, and each member of a Redis type is a few nodes.
    fn of_lines(&self) -> Limits {
        let decoded = self.limits.decoded.max(self.limits.stored).saturating_mul(2).min(BYTES_CEILING);
        Limits { decoded, nodes: self.limits.nodes.saturating_mul(8), ..self.limits }
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let most = self.limits.stored.saturating_mul(2);
        self.bytes += (&mut self.source).take(most + 1).read_until(b'\n', &mut line)? as u64;
        if line.len() as u64 > most {
            return Err(self.limits.exceeded("stored").into());
        }
        Ok(if line.is_empty() { None } else { Some(line) })
    }

    fn begin(&mut self, version: Node) -> Result<()> {
        match version {
            Node::Int(version) if self.number == 1 && (1..=VERSION).contains(&version) => {}
            Node::Int(version) if version > VERSION => {
                let told = format!("it is an archive of version {version}, and this cachectl reads {VERSION}");
                return Err(Stop::usage(told).into());
            }
            _ => return Err(Stop::data("it is the head of another archive: are two in one file?").into()),
        }
        self.headed = true;
        Ok(())
    }

    fn judge(&self, fields: &Fields<'_>, entries: Node, before: Context) -> Ended {
        let digest = hexadecimal(before);
        let same = fields.text("sha256").is_ok_and(|text| text == Some(digest.as_str()));
        let intact = same && entries == Node::Int(self.entries.cast_signed());
        Ended { complete: fields.find("complete") == Some(Node::Bool(true)), intact }
    }
}

/// Whether a line may be the end, which begins with the field that says so.
fn is_end(line: &[u8]) -> bool {
    line.strip_prefix(b"{\"").is_some_and(|rest| rest.starts_with(END.as_bytes()))
}

/// Bytes at an end of a file in which its first or last line is looked for.
const TAIL: u64 = 4096;

/// What the two ends of a file tell before all of it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It is an archive, and has its end.
    Whole,
    /// It is an archive without one.
    Cut,
    /// It has no head: lines that somebody made.
    Lines,
}

/// Looks at both ends of a file.
///
/// # Errors
/// When it cannot be read.
pub fn tail(file: &mut File, limits: &Limits) -> io::Result<Tail> {
    let mut head = Vec::new();
    file.take(TAIL).read_to_end(&mut head)?;
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !has(first, HEAD, limits) {
        return Ok(Tail::Lines);
    }
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.take(TAIL).read_to_end(&mut tail)?;
    let text = tail.trim_ascii_end();
    let last = text.iter().rposition(|byte| *byte == b'\n').map_or(text, |at| &text[at + 1..]);
    Ok(if has(last, END, limits) { Tail::Whole } else { Tail::Cut })
}

/// Whether a line has a field.
fn has(line: &[u8], field: &str, limits: &Limits) -> bool {
    let json = Codec::parse("json://").expect("the layer is in the table");
    let value: Option<Value> = json.decode(line.to_vec(), limits).ok().map(|decoded| decoded.value);
    value.as_ref().and_then(|value| Fields::of(value).ok()).is_some_and(|fields| fields.find(field).is_some())
}
