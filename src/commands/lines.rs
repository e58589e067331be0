//! One line of JSONL as something to store: what `get -o jsonl` prints, `set --from` takes.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read as _};

use anyhow::Result;

use super::arguments;
use crate::cache::{Form, Put};
use crate::codec::Codec;
use crate::entry::{Condition, Expiry};
use crate::exit::Stop;
use crate::layout::Name;
use crate::limits::Limits;
use crate::url::UrlError;
use crate::value::{Node, Value, typed_json};

/// The fields that a line may have. Those that only say what was read are passed over.
const FIELDS: &[&str] = &[
    "key",
    "value",
    "ttl_ms",
    "tag",
    "tags",
    "serializer",
    "type",
    "flags",
    "hit",
    "stored_key",
    "field",
    "certainty",
    "dangerous",
];

/// A file of lines; `-` is stdin.
///
/// # Errors
/// When it cannot be opened.
pub fn source(name: &OsString) -> Result<Box<dyn BufRead>> {
    if name == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    Ok(Box::new(BufReader::new(arguments::open(name)?)))
}

/// The next line; `None` at the end.
///
/// # Errors
/// When it cannot be read, or is longer than any value may be.
pub fn next(source: &mut dyn BufRead, limits: &Limits) -> Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    // A key and its base64 stand around a value that is limited by itself.
    let most = limits.stored.saturating_mul(2);
    source.take(most + 1).read_until(b'\n', &mut line)?;
    if line.len() as u64 > most {
        return Err(limits.exceeded("stored").into());
    }
    Ok(if line.is_empty() { None } else { Some(line) })
}

/// Reads one line; `None` for a blank one and for a recorded miss.
///
/// # Errors
/// What is wrong with the line.
pub fn put(line: &[u8], limits: &Limits) -> Result<Option<Put>> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let json = Codec::parse("json://").expect("the layer is in the table");
    let decoded = json.decode(line.to_vec(), limits).map_err(|error| Stop::usage(error.to_string()))?;
    let fields = Fields::of(&decoded.value)?;
    if fields.find("hit") == Some(Node::Bool(false)) {
        return Ok(None);
    }
    let missing = |name| Stop::usage(format!("there is no `{name}`"));
    let key = fields.part(fields.find("key").ok_or_else(|| missing("key"))?, limits)?;
    let key = match key.root() {
        Node::Str(span) | Node::Bytes(span) => key.text(span).to_vec(),
        _ => return Err(Stop::usage("`key` is neither text nor {\"$bytes\": …}").into()),
    };
    let value = fields.part(fields.find("value").ok_or_else(|| missing("value"))?, limits)?;
    let expiry = match fields.find("ttl_ms") {
        None | Some(Node::None) => Expiry::Never,
        Some(Node::Int(ms)) if ms > 0 => Expiry::In(ms.unsigned_abs()),
        Some(_) => return Err(Stop::usage("`ttl_ms` is neither a positive number of milliseconds nor null").into()),
    };
    let name = Name { key, tags: fields.tags()? };
    Ok(Some(Put { name, value, form: fields.form()?, expiry, condition: Condition::Always }))
}

/// The fields of one line.
struct Fields<'a> {
    value: &'a Value,
    pairs: &'a [Node],
}

impl<'a> Fields<'a> {
    fn of(value: &'a Value) -> Result<Fields<'a>> {
        let Node::Dict(id) = value.root() else { return Err(Stop::usage("it is no JSON object").into()) };
        let fields = Fields { value, pairs: value.members(id) };
        for pair in fields.pairs.chunks_exact(2) {
            let name = fields.as_text(pair[0]).unwrap_or_default();
            if !FIELDS.contains(&name) {
                return Err(UrlError::unknown("field", name, FIELDS).into());
            }
        }
        Ok(fields)
    }

    fn find(&self, name: &str) -> Option<Node> {
        let mut pairs = self.pairs.chunks_exact(2);
        pairs.find(|pair| self.as_text(pair[0]) == Some(name)).map(|pair| pair[1])
    }

    fn as_text(&self, node: Node) -> Option<&'a str> {
        match node {
            Node::Str(span) => std::str::from_utf8(self.value.text(span)).ok(),
            _ => None,
        }
    }

    /// A field that is text, null or not there.
    fn text(&self, name: &str) -> Result<Option<&'a str>> {
        match self.find(name) {
            None | Some(Node::None) => Ok(None),
            Some(node) => match self.as_text(node) {
                Some(text) => Ok(Some(text)),
                None => Err(Stop::usage(format!("`{name}` is not text")).into()),
            },
        }
    }

    /// The entry's own tag (`tag`), or those that are part of its name (`tags`).
    fn tags(&self) -> Result<Vec<String>> {
        let wrong = || Stop::usage("`tags` is no list of text");
        let Some(node) = self.find("tags").filter(|node| *node != Node::None) else {
            return Ok(self.text("tag")?.map(str::to_owned).into_iter().collect());
        };
        let Node::List(id) = node else { return Err(wrong().into()) };
        let tags = self.value.members(id).iter().map(|tag| self.as_text(*tag).map(str::to_owned).ok_or_else(wrong));
        Ok(tags.collect::<Result<_, _>>()?)
    }

    /// What memcached held beside the value.
    fn flags(&self) -> Result<Option<u32>> {
        match self.find("flags") {
            None | Some(Node::None) => Ok(None),
            Some(Node::Int(flags)) if u32::try_from(flags).is_ok() => Ok(u32::try_from(flags).ok()),
            Some(_) => Err(Stop::usage("`flags` is no number of 32 bits").into()),
        }
    }

    /// The form that the line was read in is the one it is written in.
    fn form(&self) -> Result<Form> {
        match self.text("type")? {
            None | Some("bytes" | "string") => match self.text("serializer")? {
                None => Ok(Form::AsIs),
                Some(url) => {
                    let codec = Codec::parse(url)?;
                    Ok(self
                        .flags()?
                        .map_or_else(|| Form::By(codec.clone()), |flags| Form::Flagged(codec.clone(), flags)))
                }
            },
            Some("pickle" | "text" | "int" | "float") => Ok(Form::Native),
            Some(kind @ ("hash" | "list" | "set" | "zset" | "stream")) => {
                Err(Stop::data(format!("a {kind} of Redis cannot be written back, only shown")).into())
            }
            Some(other) => Err(Stop::usage(format!("`type` says `{other}`, which no entry is")).into()),
        }
    }

    /// A field as a value of its own.
    fn part(&self, node: Node, limits: &Limits) -> Result<Value> {
        let mut part = self.value.clone();
        part.set_root(node);
        Ok(typed_json::lift(&part, limits).map_err(|error| Stop::usage(error.to_string()))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Option<Put>> {
        put(line.as_bytes(), &Limits::DEFAULT)
    }

    #[test]
    fn a_line_says_all_that_an_entry_is() {
        let put =
            read(r#"{"key": {"$bytes": "/w=="}, "value": [1], "ttl_ms": 5, "serializer": "pickle://", "tag": "t"}"#);
        let Put { name, form, expiry, .. } = put.unwrap().unwrap();
        assert_eq!((name, expiry), (Name { key: b"\xff".to_vec(), tags: vec!["t".into()] }, Expiry::In(5)));
        let two = r#"{"key": "k", "value": 1, "tags": ["b", "a", "b"]}"#;
        assert_eq!(read(two).unwrap().unwrap().name.tags, ["b", "a", "b"]);
        assert_eq!(form, Form::By(Codec::parse("pickle://").unwrap()));
        assert_eq!(read(r#"{"key": "k", "value": 1}"#).unwrap().unwrap().form, Form::AsIs);
        let flagged = r#"{"key": "k", "value": "v", "serializer": "string://", "flags": 16}"#;
        let string = Codec::parse("string://").unwrap();
        assert_eq!(read(flagged).unwrap().unwrap().form, Form::Flagged(string, 16));
        let native = r#"{"key": "k", "value": 1, "type": "int", "serializer": null}"#;
        assert_eq!(read(native).unwrap().unwrap().form, Form::Native);
        for nothing in ["", " \n", r#"{"key": "k", "hit": false}"#] {
            assert!(read(nothing).unwrap().is_none(), "{nothing}");
        }
    }

    #[test]
    fn a_slip_in_a_line_is_named() {
        for (line, part) in [
            (r#"{"key": "k", "valeu": 1}"#, "did you mean `value`?"),
            (r#"{"key": "k"}"#, "no `value`"),
            (r#"{"key": "k", "value": 1, "tags": [1]}"#, "no list of text"),
            (r#"{"value": 1}"#, "no `key`"),
            (r#"{"key": 5, "value": 1}"#, "neither text nor"),
            (r#"{"key": "k", "value": 1, "ttl": 5}"#, "did you mean `ttl_ms`?"),
            (r#"{"key": "k", "value": 1, "ttl_ms": -5}"#, "neither a positive number"),
            (r#"{"key": "k", "value": 1, "serializer": "json://", "flags": -1}"#, "no number of 32 bits"),
            (r#"{"key": "k", "value": {}, "type": "hash"}"#, "cannot be written back"),
            (r#"{"key": "k", "value": 1, "serializer": "pickel://"}"#, "did you mean `pickle`?"),
            ("[1]", "no JSON object"),
            ("{", "at byte 1"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
