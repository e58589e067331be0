//! One line as an entry: what is stored, or a value to store.

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{END, HEAD};
use crate::cache::Form;
use crate::codec::Codec;
use crate::entry::{Members, Stored, StoredKey, StreamItem, Ttl};
use crate::exit::Stop;
use crate::layout::Name;
use crate::limits::Limits;
use crate::url::UrlError;
use crate::value::{Node, Value, typed_json};

/// The fields that a line may have. Those that only say what was read are passed over.
const FIELDS: &[&str] = &[
    "key",
    "value",
    "data",
    "ttl_ms",
    "expires_at_ms",
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
    HEAD,
    "source",
    "made_at",
    END,
    "complete",
    "sha256",
];

/// What a line has.
#[derive(Clone, Debug)]
pub enum Item {
    /// What was stored, and where.
    Held(Held),
    /// A value to store.
    Value(Box<Valued>),
}

/// An entry whose value a line says, in place of its bytes.
#[derive(Clone, Debug)]
pub struct Valued {
    /// What the application calls it, and its tags.
    pub name: Name,
    /// The value.
    pub value: Value,
    /// The form it was read in, which is the one to write it in.
    pub form: Form,
    /// Where it was stored, where the line says that.
    pub stored_key: Option<StoredKey>,
    /// How long it was to stay when it was read.
    pub ttl: Ttl,
    /// When it was to expire, in milliseconds after the Unix epoch.
    pub expires_at: Option<i64>,
}

/// An entry exactly as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Where it was stored.
    pub stored_key: StoredKey,
    /// What was stored.
    pub stored: Stored,
    /// How long it was to stay when it was read.
    pub ttl: Ttl,
    /// When it was to expire, in milliseconds after the Unix epoch.
    pub expires_at: Option<i64>,
    /// The tag, on a store whose entries carry one.
    pub tag: Option<String>,
}

/// Reads the fields of one line; `None` for a recorded miss.
///
/// # Errors
/// What is wrong with the line.
pub fn item(fields: &Fields<'_>, limits: &Limits) -> Result<Option<Item>> {
    if fields.find("hit") == Some(Node::Bool(false)) {
        return Ok(None);
    }
    let stored_key = fields.stored_key(limits)?;
    let expires_at = match fields.find("expires_at_ms") {
        None | Some(Node::None) => None,
        Some(Node::Int(ms)) => Some(ms),
        Some(_) => return Err(Stop::usage("`expires_at_ms` is neither a number of milliseconds nor null").into()),
    };
    if let Some(data) = fields.find("data") {
        let stored_key = stored_key.ok_or_else(|| Stop::usage("there is `data`, but no `stored_key`"))?;
        let stored = fields.stored(data, limits)?;
        let tag = fields.text("tag")?.map(str::to_owned);
        return Ok(Some(Item::Held(Held { stored_key, stored, ttl: fields.ttl()?, expires_at, tag })));
    }
    let key = match (fields.find("key"), &stored_key) {
        (Some(key), _) => fields.name("key", key, limits)?,
        (None, Some(stored_key)) => stored_key.key.clone(),
        (None, None) => return Err(Stop::usage("there is no `key`").into()),
    };
    let value = fields.find("value").ok_or_else(|| Stop::usage("there is no `value`"))?;
    let (value, name) = (fields.part(value, limits)?, Name { key, tags: fields.tags()? });
    let valued = Valued { name, value, form: fields.form()?, stored_key, ttl: fields.ttl()?, expires_at };
    Ok(Some(Item::Value(Box::new(valued))))
}

/// The fields of one line.
pub struct Fields<'a> {
    value: &'a Value,
    pairs: &'a [Node],
}

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value) -> Result<Fields<'a>> {
        let Node::Dict(id) = value.root() else { return Err(Stop::usage("it is no JSON object").into()) };
        let fields = Fields { value, pairs: value.members(id) };
        for pair in fields.pairs.chunks_exact(2) {
            let name = if let Node::Str(span) = pair[0] { value.text(span) } else { &[] };
            if !FIELDS.iter().any(|field| field.as_bytes() == name) {
                return Err(UrlError::unknown("field", &String::from_utf8_lossy(name), FIELDS).into());
            }
        }
        Ok(fields)
    }

    pub fn find(&self, name: &str) -> Option<Node> {
        let is = |key: Node| matches!(key, Node::Str(span) if self.value.text(span) == name.as_bytes());
        self.pairs.chunks_exact(2).find(|pair| is(pair[0])).map(|pair| pair[1])
    }

    fn as_text(&self, node: Node) -> Option<&'a str> {
        match node {
            Node::Str(span) => std::str::from_utf8(self.value.text(span)).ok(),
            _ => None,
        }
    }

    /// A field that is text, null or not there.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>> {
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

    fn ttl(&self) -> Result<Ttl> {
        match self.find("ttl_ms") {
            None | Some(Node::None) => Ok(Ttl::Never),
            Some(Node::Int(ms)) if ms > 0 => Ok(Ttl::Left(ms.unsigned_abs())),
            Some(node) if self.as_text(node) == Some("unknown") => Ok(Ttl::Unknown),
            Some(_) => Err(Stop::usage("`ttl_ms` is neither a positive number of milliseconds nor null").into()),
        }
    }

    /// A name: text, or bytes in typed JSON.
    fn name(&self, what: &str, node: Node, limits: &Limits) -> Result<Vec<u8>> {
        if let Node::Str(span) = node {
            return Ok(self.value.text(span).to_vec());
        }
        let name = self.part(node, limits)?;
        match name.root() {
            Node::Str(span) | Node::Bytes(span) => Ok(name.text(span).to_vec()),
            _ => Err(Stop::usage(format!("`{what}` is neither text nor {{\"$bytes\": …}}")).into()),
        }
    }

    fn stored_key(&self, limits: &Limits) -> Result<Option<StoredKey>> {
        let Some(key) = self.find("stored_key").filter(|key| *key != Node::None) else { return Ok(None) };
        let key = self.name("stored_key", key, limits)?;
        let field = self.find("field").filter(|field| *field != Node::None);
        let field = field.map(|field| self.name("field", field, limits)).transpose()?;
        Ok(Some(StoredKey { key, field }))
    }

    /// What was stored, in the form that its type has.
    fn stored(&self, data: Node, limits: &Limits) -> Result<Stored> {
        let kind = self.text("type")?.ok_or_else(|| Stop::usage("there is `data`, but no `type`"))?;
        Ok(match kind {
            "bytes" | "string" => match self.flags()? {
                None | Some(0) => Stored::Bytes(self.binary(data)?),
                Some(flags) => Stored::Flagged(flags, self.binary(data)?),
            },
            "pickle" => Stored::Pickle(self.binary(data)?),
            "text" => match data {
                Node::Str(span) => {
                    Stored::Text(String::from_utf8(self.value.text(span).to_vec()).map_err(|_| unfit("text in UTF-8"))?)
                }
                _ => return Err(unfit("text").into()),
            },
            "int" => match data {
                Node::Int(number) => Stored::Integer(number),
                _ => return Err(unfit("an integer").into()),
            },
            "float" => Stored::Float(self.float(data, limits)?),
            "list" => Stored::Members(Members::List(self.each(data, |item| self.binary(item))?)),
            "set" => Stored::Members(Members::Set(self.each(data, |item| self.binary(item))?)),
            "hash" => Stored::Members(Members::Hash(self.pairs(data)?)),
            "zset" => Stored::Members(Members::SortedSet(self.each(data, |item| {
                let [member, score] = self.pair(item)?;
                Ok((self.binary(member)?, self.float(score, limits)?))
            })?)),
            "stream" => Stored::Members(Members::Stream(self.each(data, |item| {
                let [id, fields] = self.pair(item)?;
                let id = self.as_text(id).ok_or_else(|| unfit("a list of ids with their fields"))?.to_owned();
                Ok(StreamItem { id, fields: self.pairs(fields)? })
            })?)),
            other => return Err(Stop::usage(format!("`type` says `{other}`, which no entry is")).into()),
        })
    }

    fn each<T>(&self, list: Node, read: impl Fn(Node) -> Result<T>) -> Result<Vec<T>> {
        let Node::List(id) = list else { return Err(unfit("a list").into()) };
        self.value.members(id).iter().map(|item| read(*item)).collect()
    }

    fn pair(&self, node: Node) -> Result<[Node; 2]> {
        let Node::List(id) = node else { return Err(unfit("a list of pairs").into()) };
        Ok(<[Node; 2]>::try_from(self.value.members(id)).map_err(|_| unfit("a list of pairs"))?)
    }

    fn pairs(&self, list: Node) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.each(list, |item| {
            let [field, value] = self.pair(item)?;
            Ok((self.binary(field)?, self.binary(value)?))
        })
    }

    fn binary(&self, node: Node) -> Result<Vec<u8>> {
        let Node::Str(span) = node else { return Err(unfit("base64").into()) };
        Ok(BASE64_STANDARD.decode(self.value.text(span)).map_err(|error| unfit(&format!("base64 ({error})")))?)
    }

    fn float(&self, node: Node, limits: &Limits) -> Result<f64> {
        match node {
            Node::Float(number) => Ok(number),
            // Every number that stands for a float as an integer is one that a float has.
            #[expect(clippy::cast_precision_loss, reason = "it was written from a float")]
            Node::Int(number) => Ok(number as f64),
            node => match self.part(node, limits)?.root() {
                Node::Float(number) => Ok(number),
                _ => Err(unfit("a number").into()),
            },
        }
    }

    /// A field as a value of its own.
    fn part(&self, node: Node, limits: &Limits) -> Result<Value> {
        let mut part = self.value.clone();
        part.set_root(node);
        Ok(typed_json::lift(&part, limits).map_err(|error| Stop::usage(error.to_string()))?)
    }
}

/// `data` is not what `type` says.
fn unfit(wanted: &str) -> Stop {
    Stop::usage(format!("`data` is not what its `type` says: {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    fn read(line: &str) -> Result<Option<Valued>> {
        Ok(match Reader::new(line.as_bytes(), Limits::DEFAULT).item()? {
            Some(Item::Value(valued)) => Some(*valued),
            Some(Item::Held(held)) => panic!("{held:?}"),
            None => None,
        })
    }

    #[test]
    fn a_line_says_all_that_an_entry_is() {
        let line = r#"{"key": {"$bytes": "/w=="}, "value": [1], "ttl_ms": 5, "serializer": "pickle://", "tag": "t"}"#;
        let Valued { name, form, ttl, .. } = read(line).unwrap().unwrap();
        assert_eq!((name, ttl), (Name { key: b"\xff".to_vec(), tags: vec!["t".into()] }, Ttl::Left(5)));
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
