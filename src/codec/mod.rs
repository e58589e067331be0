//! Values to bytes and back: chains of one serializer and any layers around it.
//!
//! A [`Codec`] is what a serializer URL says (`pickle+zstd://?pickle-protocol=4`): layers apply
//! left to right on write and right to left on read, and share one query, as in cachetory 3.5.1
//! (`serializers.from_url`). What cachetory would silently ignore is a usage error here. Adding a
//! layer is one file and one row in [`LAYERS`]; the help, the errors and the tests walk the table.
//!
//! No I/O, no keys, no backends; nothing that is decoded is ever run.

pub mod compress;
pub mod cursor;
pub mod detect;
pub mod flags;
pub mod json;
mod keys;
pub mod literal;
pub mod msgpack;
pub mod pickle;
pub mod text;

use std::fmt;
use std::ops::RangeInclusive;

use crate::limits::{Exceeded, Limits};
use crate::url::{Url, UrlError};
use crate::value::danger::Names;
use crate::value::{Node, Value};

/// One kind of layer.
pub struct Row {
    /// As URLs spell it; the first is the one we write.
    pub names: &'static [&'static str],
    /// For the help.
    pub about: &'static str,
    /// The parameters it takes from the query.
    pub parameters: &'static [Parameter],
    /// What it does.
    pub work: Work,
}

/// What a layer does.
pub enum Work {
    /// Value to bytes (or to text, for `json`), and back.
    Serializer(&'static dyn Serializer),
    /// Bytes to bytes, and back.
    Compressor(&'static dyn Compressor),
    /// Nothing: what it is given goes on as it is. What is still a value at the end of a chain is
    /// stored as redis-py would ([`text::store`]).
    Nothing,
}

/// A whole number that a layer takes from the query.
pub struct Parameter {
    /// As URLs spell it.
    pub name: &'static str,
    /// What it accepts.
    pub range: RangeInclusive<i64>,
    /// What it is when the URL does not say.
    pub default: i64,
    /// For the help.
    pub about: &'static str,
}

/// The table of layers.
pub const LAYERS: &[Row] = &[
    json::ROW,
    msgpack::ROW,
    pickle::ROW,
    text::NOOP,
    text::STRING,
    compress::ZLIB,
    compress::ZSTD,
    compress::GZIP,
    compress::LZ4,
    compress::LZ4_BLOCK,
    compress::BZ2,
    compress::XZ,
    compress::BROTLI,
    compress::SNAPPY,
    compress::SNAPPY_FRAMED,
    compress::BASE64,
];

/// Values to bytes and back.
pub trait Serializer: Sync {
    /// The bytes of `value`.
    ///
    /// # Errors
    /// [`Fault::Unfit`] when the format cannot hold the value without losing something.
    fn encode(&self, value: &Value, parameters: &Parameters, limits: &Limits) -> Result<Vec<u8>, Error>;

    /// The value of `bytes`, which it points into. What was odd goes to `notes`, in words.
    ///
    /// # Errors
    /// [`Fault::Malformed`] and [`Fault::Limit`], with the offset.
    fn decode(&self, bytes: Vec<u8>, limits: &Limits, notes: &mut Vec<String>) -> Result<Value, Error>;

    /// Whether the library's layer yields text rather than bytes, as `json` does in cachetory.
    fn is_text(&self) -> bool {
        false
    }
}

/// Bytes to bytes and back.
pub trait Compressor: Sync {
    /// The compressed bytes.
    ///
    /// # Errors
    /// When the compressor itself fails.
    fn encode(&self, bytes: &[u8], parameters: &Parameters) -> Result<Vec<u8>, Error>;

    /// The bytes that were compressed.
    ///
    /// # Errors
    /// [`Fault::Malformed`] and [`Fault::Limit`], with the offset in the input.
    fn decode(&self, bytes: &[u8], limits: &Limits, remarks: &mut Remarks) -> Result<Vec<u8>, Error>;
}

/// What a compressor has to say of the bytes that it read.
#[derive(Debug, Default)]
pub struct Remarks {
    /// What the format tells of how they were written.
    pub facts: Vec<(&'static str, Fact)>,
    /// What was odd, in words.
    pub notes: Vec<String>,
}

/// Something that a format tells of how bytes were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A size.
    Bytes(u64),
    /// Another number.
    Number(u64),
    /// Words of ours.
    Words(&'static str),
    /// Text from the bytes: not to be shown as it is.
    Text(Vec<u8>),
}

/// The query's numbers, for one layer: each within its range, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(&'static str, i64)>);

impl Parameters {
    /// The number called `name`.
    ///
    /// # Panics
    /// When the layer's row has no such parameter.
    #[must_use]
    pub fn of(&self, name: &str) -> i64 {
        self.0.iter().find(|(known, _)| *known == name).expect("a layer asks for parameters of its own row").1
    }
}

/// What a serializer URL says.
#[derive(Clone)]
pub struct Codec {
    url: String,
    layers: Vec<(&'static Row, Parameters)>,
}

/// What one layer did on the way from bytes to value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The layer's name.
    pub layer: &'static str,
    /// Bytes that it was given.
    pub input: usize,
    /// Bytes that it gave; `None` where it gave a value.
    pub output: Option<usize>,
    /// What the format tells of how the bytes were written.
    pub facts: Vec<(&'static str, Fact)>,
    /// What was odd.
    pub notes: Vec<String>,
}

/// A value, and how the bytes came to be it.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The value.
    pub value: Value,
    /// One a layer, in the order of reading.
    pub stages: Vec<Stage>,
    /// What was named on the way, by pickles whose value was the next layer's bytes.
    pub passed: Names,
}

impl Codec {
    /// Reads a serializer URL: `layer(+layer)*:[//][?parameters]`.
    ///
    /// # Errors
    /// When a layer or a parameter is unknown, repeated, blank or out of range.
    pub fn parse(text: &str) -> Result<Codec, UrlError> {
        let names = names();
        if !text.contains(':') {
            let known = text.split('+').all(|name| find(&name.to_lowercase()).is_some());
            return Err(match known {
                true => UrlError::new(format!("`{text}` lacks its colon: write `{text}://`")),
                false => UrlError::new(format!(
                    "`{text}` is not a serializer URL: expected LAYER(+LAYER)*://[?PARAMETER=N], with layers from {}",
                    names.join(", ")
                )),
            });
        }
        let url = Url::parse(text)?;
        if !url.rest.is_empty() {
            return Err(UrlError::new(format!(
                "`{}` stands between `://` and `?`, where a serializer URL has nothing",
                url.rest
            )));
        }
        let rows: Vec<&'static Row> = url
            .scheme
            .split('+')
            .map(|name| find(name).ok_or_else(|| UrlError::unknown("layer", name, &names)))
            .collect::<Result<_, _>>()?;
        Limits::DEFAULT.check("layers", rows.len() as u64).map_err(|exceeded| UrlError::new(exceeded.to_string()))?;
        let query = query(&url.query, &rows)?;
        let layers = rows.into_iter().map(|row| (row, resolve(row, &query))).collect();
        Ok(Codec { url: spell(&url.scheme, &query), layers })
    }

    /// The URL, in the spelling we write.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The layers' names, in the order of writing.
    #[must_use]
    pub fn layers(&self) -> Vec<&'static str> {
        self.layers.iter().map(|(row, _)| row.names[0]).collect()
    }

    /// Decodes `bytes`, the last layer first.
    ///
    /// # Errors
    /// The layer's error; also when a layer has given a value that the next one cannot take.
    pub fn decode(&self, bytes: Vec<u8>, limits: &Limits) -> Result<Decoded, Error> {
        let mut stages = Vec::with_capacity(self.layers.len());
        let mut passed = Names::default();
        let mut given = Given::Bytes(bytes);
        for (row, _) in self.layers.iter().rev() {
            if let (Given::Value(value), Work::Serializer(_) | Work::Compressor(_)) = (&given, &row.work) {
                passed.extend(Names::of(value));
            }
            let stage;
            (given, stage) = row.read(given, limits)?;
            stages.push(stage);
        }
        Ok(Decoded { value: given.into_value(), stages, passed })
    }

    /// Encodes `value`, the first layer first.
    ///
    /// # Errors
    /// The layer's error; also when a layer has given bytes that the next one cannot take.
    pub fn encode(&self, value: &Value, limits: &Limits) -> Result<Vec<u8>, Error> {
        let mut made: Option<Value> = None;
        for (row, parameters) in &self.layers {
            let current = made.as_ref().unwrap_or(value);
            made = match row.work {
                Work::Nothing => continue,
                Work::Serializer(serializer) => {
                    let bytes = serializer.encode(current, parameters, limits)?;
                    Some(if serializer.is_text() { Value::of_str(bytes) } else { Value::of_bytes(bytes) })
                }
                // cachetory's compressors refuse the text that its json yields, and read what
                // another program made of it; here `json+zlib` works both ways.
                Work::Compressor(compressor) => {
                    let bytes = borrow_bytes(row.names[0], current, made.is_some())?;
                    Some(Value::of_bytes(compressor.encode(bytes, parameters)?))
                }
            };
        }
        match made {
            Some(made) => into_bytes(self.layers.last().map_or("noop", |(row, _)| row.names[0]), made, true),
            None => text::store(value),
        }
    }

    /// Whether a layer turns values into bytes, so that types can be lost or kept.
    #[must_use]
    pub fn has_serializer(&self) -> bool {
        self.layers.iter().any(|(row, _)| matches!(row.work, Work::Serializer(_)))
    }

    /// Whether cachetory 3.5.1 reads this chain but cannot write it: its json gives text, and its
    /// compressors take bytes only.
    #[must_use]
    pub fn only_read_by_cachetory(&self) -> bool {
        let known = ["json", "msgpack", "pickle", "noop", "zlib", "zstd"];
        let mut text = false;
        let all = self.layers.iter().all(|(row, _)| known.contains(&row.names[0]));
        all && self.layers.iter().any(|(row, _)| match row.work {
            Work::Nothing => false,
            Work::Serializer(serializer) => {
                text = serializer.is_text();
                false
            }
            Work::Compressor(_) => text,
        })
    }
}

impl Row {
    /// What the layer makes of what the layer to its right, or a backend, has given.
    fn read(&self, given: Given, limits: &Limits) -> Result<(Given, Stage), Error> {
        let layer = self.names[0];
        let mut remarks = Remarks::default();
        let (input, output, made) = match self.work {
            Work::Nothing => {
                let output = given.len();
                (output.unwrap_or(0), output, given)
            }
            Work::Serializer(serializer) => {
                let bytes = given.into_bytes(layer, serializer.is_text())?;
                (bytes.len(), None, Given::Value(serializer.decode(bytes, limits, &mut remarks.notes)?))
            }
            Work::Compressor(compressor) => {
                let bytes = given.into_bytes(layer, false)?;
                let decoded = compressor.decode(&bytes, limits, &mut remarks)?;
                (bytes.len(), Some(decoded.len()), Given::Bytes(decoded))
            }
        };
        let Remarks { facts, notes } = remarks;
        Ok((made, Stage { layer, input, output, facts, notes }))
    }
}

/// What a layer is given, and what it makes of that.
enum Given {
    Bytes(Vec<u8>),
    Value(Value),
}

impl Given {
    /// The bytes that a layer is to decode: bytes, or text where the layer reads text.
    fn into_bytes(self, layer: &'static str, text: bool) -> Result<Vec<u8>, Error> {
        match self {
            Given::Bytes(bytes) => Ok(bytes),
            Given::Value(value) => into_bytes(layer, value, text),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Given::Bytes(bytes) => Value::of_bytes(bytes),
            Given::Value(value) => value,
        }
    }

    /// How long bytes or text are.
    fn len(&self) -> Option<usize> {
        match self {
            Given::Bytes(bytes) => Some(bytes.len()),
            Given::Value(value) => match value.root() {
                Node::Bytes(span) | Node::ByteArray(span) | Node::Str(span) => Some(span.len as usize),
                _ => None,
            },
        }
    }
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Codec({})", self.url)
    }
}

impl PartialEq for Codec {
    fn eq(&self, other: &Codec) -> bool {
        self.url == other.url
    }
}

/// The bytes of a value that is bytes, or text where `text` says that it may be.
fn into_bytes(layer: &'static str, value: Value, text: bool) -> Result<Vec<u8>, Error> {
    match value.root() {
        Node::Bytes(span) | Node::ByteArray(span) => Ok(value.into_text(span)),
        Node::Str(span) if text => Ok(value.into_text(span)),
        _ => Err(Error::malformed(layer, None, "the layer to its right decoded to a value, not to bytes")),
    }
}

/// The bytes that a layer is to wrap.
fn borrow_bytes<'a>(layer: &'static str, value: &'a Value, text: bool) -> Result<&'a [u8], Error> {
    match value.root() {
        Node::Bytes(span) | Node::ByteArray(span) => Ok(value.text(span)),
        Node::Str(span) if text => Ok(value.text(span)),
        _ => Err(Error::unfit(layer, "it takes bytes, and was given a value: put a serializer in front")),
    }
}

/// All layer names.
#[must_use]
pub fn names() -> Vec<&'static str> {
    LAYERS.iter().flat_map(|row| row.names.iter().copied()).collect()
}

fn find(name: &str) -> Option<&'static Row> {
    LAYERS.iter().find(|row| row.names.contains(&name))
}

/// Checks the shared query against every layer that takes a part of it.
fn query(pairs: &[(String, String)], rows: &[&'static Row]) -> Result<Vec<(&'static str, i64)>, UrlError> {
    let mut out: Vec<(&'static str, i64)> = Vec::new();
    for (name, text) in pairs {
        let takers: Vec<&Parameter> = rows.iter().flat_map(|row| row.parameters).filter(|p| p.name == name).collect();
        let Some(first) = takers.first() else {
            let known: Vec<&str> = rows.iter().flat_map(|row| row.parameters).map(|p| p.name).collect();
            return Err(UrlError::unknown("parameter", name, &known));
        };
        if out.iter().any(|(seen, _)| seen == name) {
            return Err(UrlError::new(format!("parameter `{name}` is given twice; cachetory would take the last")));
        }
        let low = takers.iter().map(|p| *p.range.start()).max().unwrap_or(i64::MIN);
        let high = takers.iter().map(|p| *p.range.end()).min().unwrap_or(i64::MAX);
        let number = whole_number(text).filter(|number| (low..=high).contains(number)).ok_or_else(|| {
            UrlError::new(format!("parameter `{name}` takes a whole number from {low} to {high}, not `{text}`"))
        })?;
        out.push((first.name, number));
    }
    Ok(out)
}

fn resolve(row: &'static Row, query: &[(&'static str, i64)]) -> Parameters {
    let given = |name| query.iter().find(|(seen, _)| *seen == name).map(|(_, number)| *number);
    Parameters(row.parameters.iter().map(|p| (p.name, given(p.name).unwrap_or(p.default))).collect())
}

fn spell(scheme: &str, query: &[(&'static str, i64)]) -> String {
    let query: Vec<String> = query.iter().map(|(name, number)| format!("{name}={number}")).collect();
    format!("{scheme}://{}{}", if query.is_empty() { "" } else { "?" }, query.join("&"))
}

/// An integer as pydantic 2.14 reads one from text: blanks around it, a sign, leading zeros, single
/// underscores between digits and a zero fraction are accepted.
fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let tidy = !whole.starts_with('_') && !whole.ends_with('_') && !whole.contains("__");
    let zero = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
    let whole: String = whole.chars().filter(|c| *c != '_').collect();
    let plain = !whole.is_empty() && whole.bytes().all(|digit| digit.is_ascii_digit());
    if tidy && zero && plain { whole.parse::<i64>().ok().map(|number| sign * number) } else { None }
}

/// Why bytes did not become a value, or a value not bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The layer that failed.
    pub layer: &'static str,
    /// Where in that layer's input.
    pub offset: Option<u64>,
    /// What was wrong.
    pub fault: Fault,
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are not what the layer reads.
    Malformed(String),
    /// A limit was met.
    Limit(Exceeded),
    /// The format cannot hold the value without losing something.
    Unfit(String),
}

impl Error {
    /// The bytes are not what the layer reads.
    pub fn malformed(layer: &'static str, offset: impl Into<Option<u64>>, message: impl Into<String>) -> Error {
        Error { layer, offset: offset.into(), fault: Fault::Malformed(message.into()) }
    }

    /// A limit was met.
    pub fn limit(layer: &'static str, offset: impl Into<Option<u64>>, exceeded: Exceeded) -> Error {
        Error { layer, offset: offset.into(), fault: Fault::Limit(exceeded) }
    }

    /// The format cannot hold the value.
    pub fn unfit(layer: &'static str, message: impl Into<String>) -> Error {
        Error { layer, offset: None, fault: Fault::Unfit(message.into()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.layer)?;
        match &self.fault {
            Fault::Malformed(message) | Fault::Unfit(message) => f.write_str(message)?,
            Fault::Limit(exceeded) => write!(f, "{exceeded}")?,
        }
        match self.offset {
            Some(offset) => write!(f, " at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_against_the_table() {
        for (text, url, layers) in [
            ("json:", "json://", vec!["json"]),
            ("Pickle+ZSTD://?pickle-protocol=4", "pickle+zstd://?pickle-protocol=4", vec!["pickle", "zstd"]),
            (
                "pickle+zstandard://?compression-level=%2B4.0",
                "pickle+zstandard://?compression-level=4",
                vec!["pickle", "zstd"],
            ),
            ("null://", "null://", vec!["noop"]),
        ] {
            let codec = Codec::parse(text).unwrap();
            assert_eq!((codec.url(), codec.layers()), (url, layers), "{text}");
        }
        for (text, part) in [
            ("pickel://", "did you mean `pickle`?"),
            ("pickle", "write `pickle://`"),
            ("nonsense", "not a serializer URL"),
            ("pickle+://", "unknown layer ``"),
            ("pickle://?pickle-protocol=6", "from 0 to 5, not `6`"),
            ("pickle://?pickle-protocl=4", "did you mean `pickle-protocol`?"),
            ("pickle://?pickle-protocol=", "not ``"),
            ("pickle://?pickle-protocol=4&pickle-protocol=4", "given twice"),
            ("pickle+zlib+zstd://?compression-level=10", "from -1 to 9, not `10`"),
            ("json://host", "`host` stands between"),
            ("json://?a=1", "none is taken here"),
        ] {
            let error = Codec::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_are_read_as_pydantic_reads_them() {
        for (text, number) in [(" 4 ", 4), ("+4", 4), ("-1", -1), ("004", 4), ("1_0", 10), ("4.00", 4)] {
            assert_eq!(whole_number(text), Some(number), "{text}");
        }
        for text in ["4.5", "4.", "1e0", "0x1", "true", "", "_1", "1__0", "٤"] {
            assert_eq!(whole_number(text), None, "{text}");
        }
    }

    #[test]
    fn it_is_known_which_chains_cachetory_only_reads() {
        for (url, only_read) in [
            ("json://", false),
            ("json+zlib://", true),
            ("json+pickle+zlib://", false),
            ("pickle+zlib://", false),
            ("json+noop+zstd://", true),
            ("json+gzip://", false),
        ] {
            assert_eq!(Codec::parse(url).unwrap().only_read_by_cachetory(), only_read, "{url}");
        }
    }
}
