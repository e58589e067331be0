//! Which serializer URL bytes were written with, as far as bytes can tell.
//!
//! Compressors are peeled off while their magic numbers are there; then each serializer that the
//! first bytes allow is tried, and counts only when it decodes all of them. Text is never turned
//! into something else on a guess: where text has another reading too, the detection is
//! [`Certainty::Ambiguous`], and takes a reading other than text only if that one would be written
//! as the very same bytes. It knows no format but by [`Codec`] and the bytes formats begin with.

use std::fmt;

use super::compress::is_zlib_header;
use super::{Codec, Decoded, Error, Fault};
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
    let mut inner = bytes.to_vec();
    let mut peeled: Vec<&'static str> = Vec::new();
    let mut stages = Vec::new();
    while let Some(layer) = compressor(&inner) {
        let Some(decoded) = try_decode(&format!("{layer}:"), &inner, limits)? else { break };
        peeled.push(layer);
        limits.check("layers", 1 + peeled.len() as u64).map_err(|exceeded| Error::limit(layer, None, exceeded))?;
        stages.extend(decoded.stages);
        inner = match decoded.value.root() {
            Node::Bytes(span) => decoded.value.into_text(span),
            _ => unreachable!("a compressor gives bytes"),
        };
    }
    let mut found = serializer(&inner, limits)?;
    if let Some(layer) = compressor(&inner).filter(|_| found.url == NOOP) {
        found.why = format!("it begins as {layer} does, and does not decompress");
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
fn compressor(bytes: &[u8]) -> Option<&'static str> {
    match *bytes {
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some("zstd"),
        [0x1f, 0x8b, 8, ..] => Some("gzip"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some("lz4"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        // The size of a block, and the number that starts a block, or the one that ends the stream.
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Some("bz2"),
        [0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', ..] => Some("snappy-framed"),
        [cmf, flags, ..] if is_zlib_header(cmf, flags) => Some("zlib"),
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

/// The value of all of `bytes` under `url`, if they have one there.
fn try_decode(url: &str, bytes: &[u8], limits: &Limits) -> Result<Option<Decoded>, Error> {
    let codec = Codec::parse(url).expect("detected URLs are in the table");
    match codec.decode(bytes.to_vec(), limits) {
        Ok(decoded) => Ok(Some(decoded)),
        Err(error @ Error { fault: Fault::Limit(_), .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Tells serializers apart; `bytes` are not compressed.
fn serializer(bytes: &[u8], limits: &Limits) -> Result<Detection, Error> {
    if let [0x80, protocol @ 2..=5, .., b'.'] = *bytes {
        let url = pickle_url(protocol);
        if let Some(decoded) = try_decode(&url, bytes, limits)? {
            let why = format!("it begins as pickles of protocol {protocol} do, and all of it decodes");
            return Ok(Detection { url, certainty: Certainty::Certain, rivals: Vec::new(), why, decoded });
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(is_control) => of_text(text, limits),
        Ok(_) | Err(_) => of_binary(bytes, limits),
    }
}

/// Characters that text does not have.
fn is_control(char: char) -> bool {
    char.is_control() && !matches!(char, '\n' | '\r' | '\t' | '\u{1b}' | '\u{80}'..='\u{9f}')
}

/// Text is `string`, unless it is JSON or a pickle of many lines.
fn of_text(text: &str, limits: &Limits) -> Result<Detection, Error> {
    let bytes = text.as_bytes();
    let mut rivals = Vec::new();
    if let Some(decoded) = try_json(text, limits)? {
        let json = Codec::parse("json:").expect("json is in the table");
        let found = |certainty, why: &str, rivals| Detection {
            url: json.url().to_owned(),
            certainty,
            rivals,
            why: why.to_owned(),
            decoded: decoded.clone(),
        };
        match decoded.value.root() {
            Node::List(_) | Node::Dict(_) => {
                return Ok(found(Certainty::Certain, "all of it is JSON", Vec::new()));
            }
            Node::Str(_) => {
                return Ok(found(Certainty::Likely, "it is a JSON string", vec!["string://".to_owned()]));
            }
            _ if json.encode(&decoded.value, limits).is_ok_and(|again| again == bytes) => {
                let mut rivals = vec!["string://".to_owned()];
                rivals.extend(try_msgpack(bytes, limits)?.map(|_| "msgpack://".to_owned()));
                return Ok(found(Certainty::Ambiguous, "it may be JSON as well as text", rivals));
            }
            _ => rivals.push(json.url().to_owned()),
        }
    }
    if let Some((url, decoded)) = try_old_pickle(bytes, limits)? {
        if text.contains('\n') {
            let why = "all of it is a pickle of protocol 0 or 1".to_owned();
            let rivals = vec!["string://".to_owned()];
            return Ok(Detection { url, certainty: Certainty::Likely, rivals, why, decoded });
        }
        rivals.push(url);
    }
    rivals.extend(try_msgpack(bytes, limits)?.map(|_| "msgpack://".to_owned()));
    let (certainty, why) = match (bytes, rivals.as_slice()) {
        ([], _) => (Certainty::Ambiguous, "it is empty".to_owned()),
        (_, []) => (Certainty::Likely, "it is text".to_owned()),
        _ => (Certainty::Ambiguous, "it is text, and has another reading".to_owned()),
    };
    if bytes.is_empty() {
        rivals.push("noop://".to_owned());
    }
    let decoded = Decoded { value: Value::of_str(bytes), stages: Vec::new(), passed: Names::default() };
    let decoded = try_decode("string:", bytes, limits)?.unwrap_or(decoded);
    Ok(Detection { url: "string://".to_owned(), certainty, rivals, why, decoded })
}

/// Bytes that are not text: an old pickle, MessagePack, or just bytes.
fn of_binary(bytes: &[u8], limits: &Limits) -> Result<Detection, Error> {
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
    let noop = NOOP.to_owned();
    if found.is_empty() {
        let decoded = try_decode(&noop, bytes, limits)?.expect("noop takes any bytes");
        let why = "it is none of the formats that are known here".to_owned();
        return Ok(Detection { url: noop, certainty: Certainty::Likely, rivals: Vec::new(), why, decoded });
    }
    let (url, certainty, why, decoded) = found.remove(0);
    let mut rivals: Vec<String> = found.into_iter().map(|(url, ..)| url).collect();
    rivals.push(noop);
    Ok(Detection { url, certainty, rivals, why: why.to_owned(), decoded })
}

/// Reads JSON, if the text begins as JSON can.
fn try_json(text: &str, limits: &Limits) -> Result<Option<Decoded>, Error> {
    let first = text.trim_start_matches([' ', '\n', '\r', '\t']).bytes().next();
    match first {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I') => {
            try_decode("json:", text.as_bytes(), limits)
        }
        _ => Ok(None),
    }
}

/// Reads MessagePack, if nothing follows it.
fn try_msgpack(bytes: &[u8], limits: &Limits) -> Result<Option<Decoded>, Error> {
    try_whole("msgpack:", bytes, limits)
}

/// Reads a pickle of protocol 0 or 1, which have no magic number, if nothing follows it.
fn try_old_pickle(bytes: &[u8], limits: &Limits) -> Result<Option<(String, Decoded)>, Error> {
    let [first, .., b'.'] = *bytes else { return Ok(None) };
    let protocol = match first {
        b'}' | b']' | b')' | b'K' | b'J' | b'M' | b'U' | b'T' | b'X' | b'G' => 1,
        b'N' | b'I' | b'L' | b'F' | b'S' | b'V' | b'c' => 0,
        b'(' if bytes.is_ascii() && !bytes.iter().any(|byte| *byte < b'\t') => 0,
        b'(' => 1,
        _ => return Ok(None),
    };
    let url = pickle_url(protocol);
    Ok(try_whole(&url, bytes, limits)?.map(|decoded| (url, decoded)))
}

/// The value of `bytes` in a format that tells where it ends, if that is their last byte: if so,
/// nothing decodes without it.
fn try_whole(url: &str, bytes: &[u8], limits: &Limits) -> Result<Option<Decoded>, Error> {
    match bytes.split_last() {
        Some((_, rest)) if try_decode(url, rest, limits)?.is_none() => try_decode(url, bytes, limits),
        _ => Ok(None),
    }
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
        use Certainty::{Ambiguous, Certain, Likely};
        for (text, url, certainty, rivals) in [
            ("hello", "string://", Likely, vec![]),
            ("héllo wörld", "string://", Likely, vec![]),
            ("", "string://", Ambiguous, vec!["noop://"]),
            ("{\"a\": 1}", "json://", Certain, vec![]),
            (" [] ", "json://", Certain, vec![]),
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
            assert_eq!((found.url, found.certainty), (url, Certainty::Certain));
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
