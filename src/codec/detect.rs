//! Which serializer URL bytes were written with, as far as bytes can tell.
//!
//! Compressors are peeled off while their magic numbers are there; then each serializer that the
//! first bytes allow is tried, and counts only when it decodes all of them. Text is never turned
//! into something else on a guess: where text has another reading too, the detection is
//! [`Certainty::Ambiguous`], and takes a reading other than text only if that one would be written
//! as the very same bytes. It knows no format but by its [`Row`] and the bytes formats begin with.

use std::borrow::Cow;
use std::fmt;

use super::compress::{self, is_zlib_header};
use super::pickle::decode::Pickled;
use super::{
    Codec, Decoded, Error, Fault, Given, Parameters, Row, Serializer as _, Stage, flags, json, msgpack, pickle, text,
};
use crate::limits::Limits;
use crate::value::danger::Names;
use crate::value::{Node, Value};

/// How sure a detection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// Other readings are as good.
    Ambiguous,
    /// Another reading would be a coincidence.
    Likely,
    /// The bytes say so themselves.
    Certain,
}

impl fmt::Display for Certainty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Certainty::Ambiguous => "ambiguous",
            Certainty::Likely => "likely",
            Certainty::Certain => "certain",
        })
    }
}

/// What bytes turned out to be.
#[derive(Clone, Debug)]
pub struct Detection {
    /// The serializer URL that reads them.
    pub url: String,
    /// How sure that is.
    pub certainty: Certainty,
    /// Other serializer URLs that read all of them.
    pub rivals: Vec<String>,
    /// What it was told by, in words.
    pub why: String,
    /// The value, and how the bytes came to be it.
    pub decoded: Decoded,
}

/// Finds out what `bytes` were written with. There is always an answer: bytes are `noop` at least.
///
/// # Errors
/// When a limit was met on the way: then it is not known what the bytes are.
pub fn detect(bytes: &[u8], limits: &Limits) -> Result<Detection, Error> {
    let found = outer(bytes, limits)?;
    let value = &found.decoded.value;
    let is_pickle = found.decoded.stages.last().is_some_and(|stage| stage.layer == "pickle");
    match value.root() {
        Node::Bytes(span) if is_pickle => {
            let inner = outer(value.text(span), limits)?;
            Ok(of_pickled_bytes(found, inner))
        }
        Node::Str(span) if is_pickle && try_json(value.text(span), limits)?.is_some() => {
            let rivals = vec![put_inside(&found.url, "json://")];
            let why = format!("{}; what it holds is text that may be JSON", found.why);
            Ok(Detection { certainty: found.certainty.min(Certainty::Likely), rivals, why, ..found })
        }
        _ => Ok(found),
    }
}

/// [`detect`], where the client that wrote the bytes left flags beside them. They decide between
/// readings that the bytes leave open, and are passed over where the bytes are not what they say.
///
/// # Errors
/// As [`detect`] has them.
pub fn detect_flagged(bytes: &[u8], flags: u32, limits: &Limits) -> Result<Detection, Error> {
    let found = detect(bytes, limits);
    let Some(said) = flags::said(flags) else { return found };
    let agreed = format!("its flags say {}", said.words);
    let codec = Codec::parse(&said.url()).expect("flags name layers of the table");
    match found {
        Ok(found) if layers(&found.url) == said.layers && said.takes(&found.decoded.value) => {
            let why = format!("{}, and {agreed}", found.why);
            Ok(Detection { certainty: Certainty::Certain, rivals: Vec::new(), why, ..found })
        }
        Ok(found) if layers(&found.url).ends_with(&format!("+{}", said.layers)) => {
            Ok(Detection { why: format!("{}, and {agreed}", found.why), ..found })
        }
        found => match made(codec.decode(bytes.to_vec(), limits)) {
            Ok(Some(decoded)) if said.takes(&decoded.value) => {
                let rivals = found.map(|found| found.url).into_iter().collect();
                Ok(Detection { url: said.url(), certainty: Certainty::Likely, rivals, why: agreed, decoded })
            }
            _ => found.map(|found| {
                let why = format!("{}; {agreed}, which it is not", found.why);
                Detection { why, ..found }
            }),
        },
    }
}

/// `pickle+zlib` of `pickle+zlib://?pickle-protocol=4`.
fn layers(url: &str) -> &str {
    url.split("://").next().unwrap_or_default()
}

/// What a pickle is that holds bytes, which are `inner`. Django's caches pickle what another
/// serializer made. Bytes that say what they are themselves are taken at their word.
fn of_pickled_bytes(mut found: Detection, mut inner: Detection) -> Detection {
    let is_plain = |url: &str| url == NOOP || url == "string://";
    if is_plain(&inner.url) {
        return found;
    }
    let url = put_inside(&found.url, &inner.url);
    found.certainty = found.certainty.min(Certainty::Likely);
    let layers = &inner.decoded.stages;
    if layers.len() == 1 && inner.certainty < Certainty::Certain {
        found.rivals.push(url);
        return found;
    }
    found.decoded.stages.append(&mut inner.decoded.stages);
    inner.decoded.stages = found.decoded.stages;
    let why = format!("{}, in a pickle", inner.why);
    Detection { url, certainty: found.certainty, rivals: vec![found.url], why, decoded: inner.decoded }
}

/// The URL of what `inner` names inside of what `outer` names. There is one protocol in a URL: the
/// inner pickle's, where both are pickles.
fn put_inside(outer: &str, inner: &str) -> String {
    let (outer, outer_query) = outer.split_once("://").expect("detected URLs are spelt in full");
    let (inner, inner_query) = inner.split_once("://").expect("detected URLs are spelt in full");
    let query = if inner.starts_with("pickle") { inner_query } else { outer_query };
    format!("{inner}+{outer}://{query}")
}

/// What the bytes are, but for bytes inside a pickle.
fn outer(bytes: &[u8], limits: &Limits) -> Result<Detection, Error> {
    let mut next = compressor(bytes);
    let mut inner = Cow::Borrowed(bytes);
    let mut peeled: Vec<&'static str> = Vec::new();
    let mut stages = Vec::new();
    while let Some(row) = next {
        let Some((peel, stage)) = made(row.read(Given::Bytes(inner.to_vec()), limits))? else { break };
        let layer = row.names[0];
        peeled.push(layer);
        limits.check("layers", 1 + peeled.len() as u64).map_err(|exceeded| Error::limit(layer, None, exceeded))?;
        stages.push(stage);
        inner = Cow::Owned(peel.into_bytes(layer, false)?);
        next = compressor(&inner);
    }
    let mut found = serializer(&inner, limits)?;
    if let Some(row) = next.filter(|_| found.url == NOOP) {
        found.why = format!("it begins as {} does, and does not decompress", row.names[0]);
    }
    stages.append(&mut found.decoded.stages);
    found.decoded.stages = stages;
    if !peeled.is_empty() {
        let wrap = |url: &str| wrapped(url, &peeled);
        found.url = wrap(&found.url);
        found.rivals = found.rivals.iter().map(|url| wrap(url)).collect();
        found.why = format!("{}, in {}", found.why, peeled.iter().rev().copied().collect::<Vec<_>>().join(" in "));
    }
    Ok(found)
}

/// What bytes are that are nothing else.
pub const NOOP: &str = "noop://";

/// The compressor whose streams begin as `bytes` do.
fn compressor(bytes: &[u8]) -> Option<&'static Row> {
    match *bytes {
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(&compress::ZSTD),
        [0x1f, 0x8b, 8, ..] => Some(&compress::GZIP),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some(&compress::LZ4),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(&compress::XZ),
        // The size of a block, and the number that starts a block, or the one that ends the stream.
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Some(&compress::BZ2),
        [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some(&compress::SNAPPY_FRAMED),
        [cmf, flags, ..] if is_zlib_header(cmf, flags) => Some(&compress::ZLIB),
        _ => None,
    }
}

/// `pickle://?pickle-protocol=4` under `[zstd, zlib]`, the outermost first:
/// `pickle+zlib+zstd://?pickle-protocol=4`.
fn wrapped(url: &str, peeled: &[&str]) -> String {
    let (serializer, query) = url.split_once("://").expect("detected URLs are spelt in full");
    let layers: String = peeled.iter().rev().map(|layer| format!("+{layer}")).collect();
    format!("{serializer}{layers}://{query}")
}

/// What a layer made of bytes, or `None` where it is not what they are.
fn made<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error @ Error { fault: Fault::Limit(_), .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// What a layer makes of `bytes`, if it makes something of them.
fn try_decode(row: &Row, bytes: &[u8], limits: &Limits) -> Result<Option<Decoded>, Error> {
    let read = made(row.read(Given::Bytes(bytes.to_vec()), limits))?;
    let decoded = |(given, stage): (Given, _)| Decoded {
        value: given.into_value(),
        stages: vec![stage],
        passed: Names::default(),
    };
    Ok(read.map(decoded))
}

/// The same in the form that a codec gives, for a reader that was asked without one.
fn decoded(layer: &'static str, input: usize, value: Value, notes: Vec<String>) -> Decoded {
    let stage = Stage { layer, input, output: None, facts: Vec::new(), notes };
    Decoded { value, stages: vec![stage], passed: Names::default() }
}

/// Tells serializers apart; `bytes` are not compressed. Each is asked once, the likeliest first, and
/// not at all where the first bytes rule it out.
fn serializer(bytes: &[u8], limits: &Limits) -> Result<Detection, Error> {
    if let [0x80, 2..=5, ..] = *bytes
        && let Some((pickled, notes)) = try_pickle(bytes, limits)?
    {
        let Pickled { value, trailing, protocol } = pickled;
        let (certainty, rivals, end) = match trailing {
            0 => (Certainty::Certain, Vec::new(), "all of it decodes"),
            _ => (Certainty::Likely, vec![NOOP.to_owned()], "decodes, with bytes after its end"),
        };
        let why = format!("it begins as pickles of protocol {protocol} do, and {end}");
        let decoded = decoded("pickle", bytes.len(), value, notes);
        return Ok(Detection { url: pickle_url(protocol), certainty, rivals, why, decoded });
    }
    let json = try_json(bytes, limits)?;
    let is_utf8 = std::str::from_utf8(bytes).is_ok();
    match json {
        Some(json) if matches!(json.value.root(), Node::List(_) | Node::Dict(_)) => {
            Ok(of_json_container(json, is_utf8))
        }
        json if is_utf8 && !has_controls(bytes) => of_text(bytes, json, limits),
        json => of_binary(bytes, json, is_utf8, limits),
    }
}

/// Whether there are characters that text does not have. A piece is looked at whole, which the
/// compiler makes a few instructions of: one by one they would cost more than the decoding.
fn has_controls(bytes: &[u8]) -> bool {
    let is_control = |byte: &u8| matches!(byte, 0..0x20 | 0x7f) && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x1b);
    bytes.chunks(64).any(|piece| piece.iter().fold(false, |any, byte| any | is_control(byte)))
}

/// An array or object is JSON, and the same bytes as text that a program made of JSON itself, or that
/// Python's `str` did: `[1, 2]`.
fn of_json_container(decoded: Decoded, is_utf8: bool) -> Detection {
    let (url, why) = ("json://".to_owned(), "all of it is JSON".to_owned());
    let rivals = if is_utf8 { vec!["string://".to_owned()] } else { Vec::new() };
    Detection { url, certainty: Certainty::Likely, rivals, why, decoded }
}

/// Text is `string`, unless it is a JSON scalar or a pickle of many lines.
fn of_text(bytes: &[u8], json: Option<Decoded>, limits: &Limits) -> Result<Detection, Error> {
    let string = "string://".to_owned();
    let msgpack = |rivals: &mut Vec<String>| -> Result<(), Error> {
        rivals.extend(try_msgpack(bytes, limits)?.map(|_| "msgpack://".to_owned()));
        Ok(())
    };
    let mut rivals = Vec::new();
    if let Some(decoded) = json {
        let url = "json://".to_owned();
        if matches!(decoded.value.root(), Node::Str(_)) {
            let why = "it is a JSON string".to_owned();
            return Ok(Detection { url, certainty: Certainty::Likely, rivals: vec![string], why, decoded });
        }
        if json::Json.encode(&decoded.value, &Parameters::default(), limits).is_ok_and(|again| again == bytes) {
            let mut rivals = vec![string];
            msgpack(&mut rivals)?;
            let why = "it may be JSON as well as text".to_owned();
            return Ok(Detection { url, certainty: Certainty::Ambiguous, rivals, why, decoded });
        }
        rivals.push(url);
    }
    if let Some((url, decoded)) = try_old_pickle(bytes, limits)? {
        if bytes.contains(&b'\n') {
            let why = "all of it is a pickle of protocol 0 or 1".to_owned();
            return Ok(Detection { url, certainty: Certainty::Likely, rivals: vec![string], why, decoded });
        }
        rivals.push(url);
    }
    msgpack(&mut rivals)?;
    let (certainty, why) = match (bytes, rivals.as_slice()) {
        ([], _) => (Certainty::Ambiguous, "it is empty".to_owned()),
        (_, []) => (Certainty::Likely, "it is text".to_owned()),
        _ => (Certainty::Ambiguous, "it is text, and has another reading".to_owned()),
    };
    if bytes.is_empty() {
        rivals.push(NOOP.to_owned());
    }
    // It is known to be UTF-8 by now: to look again would cost as much as all the rest.
    limits.check("decoded", bytes.len() as u64).map_err(|exceeded| Error::limit("string", None, exceeded))?;
    let decoded = decoded("string", bytes.len(), Value::of_str(bytes), Vec::new());
    Ok(Detection { url: string, certainty, rivals, why, decoded })
}

/// Bytes that are not text: an old pickle, MessagePack, JSON with odd characters, or just bytes.
fn of_binary(bytes: &[u8], json: Option<Decoded>, is_utf8: bool, limits: &Limits) -> Result<Detection, Error> {
    let mut found: Vec<(String, Certainty, &str, Decoded)> = Vec::new();
    if let Some((url, decoded)) = try_old_pickle(bytes, limits)? {
        found.push((url, Certainty::Likely, "all of it is a pickle of protocol 0 or 1", decoded));
    }
    if let Some(decoded) = try_msgpack(bytes, limits)? {
        let certainty = match decoded.value.root() {
            Node::List(id) | Node::Dict(id) if !decoded.value.members(id).is_empty() => Certainty::Likely,
            Node::Str(span) if span.len > 3 => Certainty::Likely,
            _ => Certainty::Ambiguous,
        };
        found.push(("msgpack://".to_owned(), certainty, "all of it is MessagePack", decoded));
    }
    if let Some(decoded) = json {
        found.push(("json://".to_owned(), Certainty::Likely, "all of it is JSON", decoded));
    }
    let mut plain = vec![NOOP.to_owned()];
    plain.extend(is_utf8.then(|| "string://".to_owned()));
    if found.is_empty() {
        let decoded = try_decode(&text::NOOP, bytes, limits)?.expect("noop takes any bytes");
        let (certainty, why) = match is_utf8 {
            true => (Certainty::Ambiguous, "it may be text, but has control characters"),
            false => (Certainty::Likely, "it is none of the formats that are known here"),
        };
        let rivals = plain.split_off(1);
        return Ok(Detection { url: NOOP.to_owned(), certainty, rivals, why: why.to_owned(), decoded });
    }
    let (url, certainty, why, decoded) = found.remove(0);
    let mut rivals: Vec<String> = found.into_iter().map(|(url, ..)| url).collect();
    rivals.append(&mut plain);
    Ok(Detection { url, certainty, rivals, why: why.to_owned(), decoded })
}

/// Reads JSON, if the bytes begin as JSON can, in any encoding that Python detects.
fn try_json(bytes: &[u8], limits: &Limits) -> Result<Option<Decoded>, Error> {
    let marks = |byte: &&u8| matches!(**byte, b' ' | b'\n' | b'\r' | b'\t' | 0 | 0xef | 0xbb | 0xbf | 0xff | 0xfe);
    match bytes.iter().find(|byte| !marks(byte)) {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I') => {
            try_decode(&json::ROW, bytes, limits)
        }
        _ => Ok(None),
    }
}

/// Reads MessagePack, if nothing follows it. What is whole with its first byte is all that such
/// bytes can be: so most text is ruled out.
fn try_msgpack(bytes: &[u8], limits: &Limits) -> Result<Option<Decoded>, Error> {
    if let [0..=0x7f | 0xc0..=0xc3 | 0xe0..=0xff, _, ..] = bytes {
        return Ok(None);
    }
    let mut notes = Vec::new();
    let read = made(msgpack::decode(bytes.to_vec(), limits, &mut notes))?;
    Ok(read.filter(|(_, trailing)| *trailing == 0).map(|(value, _)| decoded("msgpack", bytes.len(), value, notes)))
}

/// Reads a pickle, and what was odd in it.
fn try_pickle(bytes: &[u8], limits: &Limits) -> Result<Option<(Pickled, Vec<String>)>, Error> {
    let mut notes = Vec::new();
    let read = made(pickle::decode::decode(bytes.to_vec(), limits, &mut notes))?;
    Ok(read.map(|pickled| (pickled, notes)))
}

/// Reads a pickle of protocol 0 or 1, which have no magic number, if nothing follows it.
fn try_old_pickle(bytes: &[u8], limits: &Limits) -> Result<Option<(String, Decoded)>, Error> {
    match *bytes {
        [b'}' | b']' | b')' | b'(' | b'K' | b'J' | b'M' | b'U' | b'T' | b'X' | b'G', .., b'.'] => {}
        [b'N' | b'I' | b'L' | b'F' | b'S' | b'V' | b'c', .., b'.'] => {}
        _ => return Ok(None),
    }
    let whole = try_pickle(bytes, limits)?.filter(|(pickled, _)| pickled.trailing == 0);
    Ok(whole.map(|(Pickled { value, protocol, .. }, notes)| {
        (pickle_url(protocol), decoded("pickle", bytes.len(), value, notes))
    }))
}

fn pickle_url(protocol: u8) -> String {
    match protocol {
        5 => "pickle://".to_owned(),
        _ => format!("pickle://?pickle-protocol={protocol}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    fn check(bytes: &[u8], url: &str, certainty: Certainty, rivals: &[&str]) {
        let found = detect(bytes, &Limits::DEFAULT).unwrap();
        assert_eq!(
            (found.url.as_str(), found.certainty, found.rivals.as_slice()),
            (url, certainty, rivals.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice()),
            "{}",
            bytes.escape_ascii()
        );
    }

    #[test]
    fn text_stays_text_unless_all_of_it_is_something_else() {
        use Certainty::{Ambiguous, Likely};
        for (text, url, certainty, rivals) in [
            ("hello", "string://", Likely, vec![]),
            ("héllo wörld", "string://", Likely, vec![]),
            ("", "string://", Ambiguous, vec!["noop://"]),
            ("{\"a\": 1}", "json://", Likely, vec!["string://"]),
            (" [] ", "json://", Likely, vec!["string://"]),
            ("\"a\"", "json://", Likely, vec!["string://"]),
            ("{\"a\": 1", "string://", Likely, vec![]),
            ("42", "json://", Ambiguous, vec!["string://"]),
            ("7", "json://", Ambiguous, vec!["string://", "msgpack://"]),
            ("007", "string://", Likely, vec![]),
            ("1.50", "string://", Ambiguous, vec!["json://"]),
            ("42\n", "string://", Ambiguous, vec!["json://"]),
            ("null", "json://", Ambiguous, vec!["string://"]),
            ("nothing", "string://", Likely, vec![]),
            ("a", "string://", Ambiguous, vec!["msgpack://"]),
        ] {
            check(text.as_bytes(), url, certainty, &rivals);
        }
    }

    #[test]
    fn binary_is_what_decodes_in_full() {
        use Certainty::{Ambiguous, Likely};
        check(b"\x81\xa1a\x01", "msgpack://", Likely, &["noop://"]);
        check(b"\xcc\xff", "msgpack://", Ambiguous, &["noop://"]);
        check(b"\x81\xa1a\x01!", "noop://", Likely, &[]);
        check(b"\x00\xff\xfe", "noop://", Likely, &[]);
    }

    #[test]
    fn compressors_are_peeled_when_they_decode() {
        for chain in [
            "json+zlib",
            "json+zstd",
            "json+zlib+zstd",
            "json+zstd+zlib",
            "json+gzip",
            "json+lz4",
            "json+bz2",
            "json+xz",
            "json+snappy-framed",
            "json+gzip+xz+lz4",
        ] {
            let mut value = Value::over(Vec::new());
            let list = value.container(&[Node::Int(1)]);
            value.set_root(Node::List(list));
            let url = format!("{chain}://");
            let bytes = Codec::parse(&url).unwrap().encode(&value, &Limits::DEFAULT).unwrap();
            let found = detect(&bytes, &Limits::DEFAULT).unwrap();
            assert_eq!((found.url, found.certainty), (url, Certainty::Likely));
            assert!(found.decoded.value.same(&value));
            assert_eq!(found.decoded.stages.len(), chain.split('+').count());
        }
        check(b"x^2 is a square", "string://", Certainty::Likely, &[]);
        for begin in [&b"\x28\xb5\x2f\xfd?"[..], b"\x04\x22\x4d\x18\xff", b"\xfd7zXZ\0\xff", b"\x1f\x8b\x08\xff"] {
            check(begin, "noop://", Certainty::Likely, &[]);
        }
        check(b"BZh9 is how bzip2 begins", "string://", Certainty::Likely, &[]);
        check(b"eyJhIjogMX0=", "string://", Certainty::Likely, &[]);
    }

    #[test]
    fn a_bomb_is_named_and_not_passed_off_as_bytes() {
        let zeros = Value::of_bytes(vec![0; 1 << 20]);
        let bytes = Codec::parse("zlib:").unwrap().encode(&zeros, &Limits::DEFAULT).unwrap();
        let limits = Limits { decoded: 1 << 16, ..Limits::DEFAULT };
        assert!(detect(&bytes, &limits).unwrap_err().to_string().contains("`decoded`"));
        assert!(detect(&[b'['; 5000], &Limits::DEFAULT).unwrap_err().to_string().contains("`depth`"));
        assert!(detect(&[0x91; 5000], &Limits::DEFAULT).unwrap_err().to_string().contains("`depth`"));
    }
}
