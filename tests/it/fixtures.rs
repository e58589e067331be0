//! Bytes that the real libraries wrote, with what they read back: `tests/data/NAME.jsonl`.
//!
//! Captured on CPython 3.11.7 from cachetory 3.5.1, aiocache 0.12.3, aiocache-dynamodb 1.1.2,
//! pyredis-cache 0.1.3 and redis-tagged-cache 0.1 to 0.12, a JSON object a line. Values over 4096 bytes
//! were captured as a recipe with length and SHA-256. Where such a value repeats one byte or one
//! escape it is built again here, and the others were filled in from the real library; either way
//! the sum is checked. Abbreviated `repr`s (`2**2100`) are spelled out here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cachectl::codec::Codec;
use num_bigint::BigUint;
use serde_json::Value as Json;

use crate::python;

/// One captured fact.
#[derive(Debug)]
pub struct Line {
    /// The library that wrote it or read it.
    pub library: String,
    /// Its name, unique among the library's.
    pub case: String,
    /// `value` written by the library, `readonly` only read by it, `unsafe` never given to it,
    /// `error` refused by it, `key`, `call`.
    pub kind: String,
    /// The serializer that the application named.
    pub serializer_url: String,
    /// The serializer under which the stored bytes are the value: another than the application's
    /// where Django pickled them once more, and without what is of no matter here ([`chain`]).
    pub chain: String,
    /// The exact bytes; `None` where nothing was stored, or DynamoDB has it in a type of its own.
    pub stored: Option<Vec<u8>>,
    /// Python's `repr` of what the library read back, in full.
    pub repr: Option<String>,
    /// JSON text, where the value is plain JSON data.
    pub json: Option<String>,
    /// The Python type of the value: of what was written for `value`, of what was read for `readonly`.
    pub py_type: String,
    /// Why the library could not read it back: exception and first line.
    pub read_error: Option<String>,
}

/// Every line of `cachetory.jsonl`.
pub fn all() -> &'static [Line] {
    static LINES: LazyLock<Vec<Line>> =
        LazyLock::new(|| include_str!("../data/cachetory.jsonl").lines().map(Line::parse).collect());
    &LINES
}

/// The files beside `cachetory.jsonl`.
const OTHERS: [&str; 4] = [
    include_str!("../data/aiocache.jsonl"),
    include_str!("../data/aiocache-dynamodb.jsonl"),
    include_str!("../data/pyredis-cache.jsonl"),
    include_str!("../data/redis-tagged-cache.jsonl"),
];

/// The lines of every library that hold bytes.
pub fn of_every_library() -> impl Iterator<Item = &'static Line> {
    static LINES: LazyLock<Vec<Line>> =
        LazyLock::new(|| OTHERS.iter().flat_map(|file| file.lines()).map(Line::parse).collect());
    all().iter().chain(LINES.iter()).filter(|line| line.stored.is_some())
}

/// The lines of cachetory that hold bytes which the library could read: kinds `value` and `readonly`.
pub fn readable() -> impl Iterator<Item = &'static Line> {
    all().iter().filter(|line| ["value", "readonly"].contains(&line.kind.as_str()) && line.read_error.is_none())
}

impl Line {
    fn parse(line: &str) -> Line {
        let json: Json = serde_json::from_str(line).expect("a line is a JSON object");
        let text = |name: &str| json[name].as_str().map(str::to_owned);
        let (case, serializer_url) = (text("case").unwrap(), text("serializer_url").unwrap_or_default());
        let py_type = text("py_type").unwrap_or_default();
        let repr = text("read_repr").or_else(|| text("value_repr"));
        Line {
            library: text("library").unwrap(),
            kind: text("kind").unwrap(),
            chain: chain(&serializer_url, json["effective_chain"].as_str(), &py_type),
            stored: stored(&json).unwrap_or_else(|wrong| panic!("{case}: {wrong}")),
            repr: repr.map(|repr| spelled_out(&repr).unwrap_or(repr)),
            json: text("value_json"),
            read_error: text("read_error"),
            case,
            serializer_url,
            py_type,
        }
    }
}

/// The chain that reads the bytes here, where the URL says what is of no matter:
///
/// - `module=` names the Python package, and each of them writes what `json` and `msgpack` read;
/// - `encoding=` is how aiocache decodes before it unserializes; what it wrote is UTF-8 at any rate.
///   With `none`, text is not decoded at all, so that `string` reads back as bytes;
/// - `use-list=` is whether arrays are read as lists or as tuples; the bytes are the same.
///
/// Django's Redis cache stores an `int` as decimal text and pickles all else.
fn chain(serializer_url: &str, effective: Option<&str>, py_type: &str) -> String {
    match effective {
        None if serializer_url == "string://?encoding=none" => "noop://".to_owned(),
        None => {
            let (scheme, query) = serializer_url.split_once('?').unwrap_or((serializer_url, ""));
            let ours = |pair: &&str| !["module=", "encoding=", "use-list="].iter().any(|name| pair.starts_with(name));
            let query: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).filter(ours).collect();
            if query.is_empty() { scheme.to_owned() } else { format!("{scheme}?{}", query.join("&")) }
        }
        Some("pickle, or decimal text for int") if py_type == "int" => "json://".to_owned(),
        Some("pickle, or decimal text for int") => "pickle://".to_owned(),
        // `pickle4+pickle5`: the protocols, which reading does not need.
        Some(layers) => format!("{}://", layers.replace(|c: char| c.is_ascii_digit(), "")),
    }
}

fn stored(json: &Json) -> Result<Option<Vec<u8>>, String> {
    let decode = |text: &str| STANDARD.decode(text).map_err(|error| error.to_string());
    if ["BOOL", "NULL"].iter().any(|own| json["attribute_type"] == *own) {
        return Ok(None);
    }
    let bytes = json["stored_value_b64"].as_str().map(decode).transpose()?;
    let recipe = &json["stored_recipe"];
    if recipe.is_null() {
        return Ok(bytes);
    }
    let end = |name: &str| decode(recipe[name].as_str().ok_or(name)?);
    let (head, tail) = (end("head_b64")?, end("tail_b64")?);
    let length = recipe["length"].as_u64().ok_or("a recipe without a length")? as usize;
    let sum = |bytes: &[u8]| {
        let sum = ring::digest::digest(&ring::digest::SHA256, bytes);
        sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    // A byte, `\x00` or `\u0000`, over and over; what it is, the head's end tells.
    let built = |period: usize| {
        let filler = head[head.len() - period..].iter().cycle();
        let bytes: Vec<u8> = head.iter().chain(filler).take(length - tail.len()).copied().collect();
        [bytes.as_slice(), &tail].concat()
    };
    let candidates = bytes.map_or_else(|| [1, 4, 6].map(built).to_vec(), |bytes| vec![bytes]);
    match candidates.into_iter().find(|bytes| bytes.len() == length && recipe["sha256"] == sum(bytes)) {
        Some(bytes) => Ok(Some(bytes)),
        None => Err(format!("no bytes have the SHA-256 of the recipe {recipe}")),
    }
}

/// The whole `repr` for those that were captured as an abbreviation.
fn spelled_out(repr: &str) -> Option<String> {
    let numbers = |text: &dyn Fn(usize) -> String| (0..1001).map(text).collect::<Vec<_>>().join(", ");
    let full = match repr {
        "2**2100" => BigUint::from(2u8).pow(2100).to_string(),
        "'x'*255" => format!("'{}'", "x".repeat(255)),
        "'x'*256" => format!("'{}'", "x".repeat(256)),
        "'x'*1048576" => format!("'{}'", "x".repeat(1 << 20)),
        "b'y'*256" => format!("b'{}'", "y".repeat(256)),
        "bytes(1048576)" => format!("b'{}'", r"\x00".repeat(1 << 20)),
        "bytes(range(256))" => {
            let ascii: String = (0..=255).map(|byte: u8| byte_repr(byte)).collect();
            // Both kinds of quote are in it, and then Python takes single ones and escapes those.
            format!("b'{ascii}'")
        }
        "list(range(1001))" => format!("[{}]", numbers(&|n| n.to_string())),
        "{i: i for i in range(1001)}" => format!("{{{}}}", numbers(&|n| format!("{n}: {n}"))),
        "50 nested lists" => format!("{}{}", "[".repeat(51), "]".repeat(51)),
        "x=[1]; x.append(x)" => "[1, [...]]".to_owned(),
        "d={'a':1}; d['self']=d" => "{'a': 1, 'self': {...}}".to_owned(),
        "i=[]; t=(i,1); i.append(t)" => "([(...)], 1)".to_owned(),
        "x=['shared']; [x, x, {'k': x}]" => "[['shared'], ['shared'], {'k': ['shared']}]".to_owned(),
        cut if cut.starts_with("{'0': 0, '1': 1, ") && cut.ends_with("...<11794 characters>") => {
            format!("{{{}}}", numbers(&|n| format!("'{n}': {n}")))
        }
        _ => return None,
    };
    Some(full)
}

fn byte_repr(byte: u8) -> String {
    match byte {
        b'"' => "\"".to_owned(),
        _ => byte.escape_ascii().to_string(),
    }
}

#[test]
fn every_line_is_read_and_its_bytes_are_whole() {
    let count = |kind: &str| all().iter().filter(|line| line.kind == kind).count();
    assert_eq!((all().len(), count("value"), count("readonly"), count("unsafe")), (1818, 1341, 223, 12));
    for line in all().iter().filter(|line| ["value", "readonly", "unsafe"].contains(&line.kind.as_str())) {
        assert!(line.stored.is_some(), "{}", line.case);
    }
    for line in readable() {
        assert!(line.repr.is_some() && !line.py_type.is_empty(), "{}", line.case);
        let same = line.chain == line.serializer_url;
        assert!(same || line.case.starts_with("django."), "{}: {}", line.case, line.chain);
        if let Some(json) = &line.json {
            assert!(serde_json::from_str::<Json>(json).is_ok(), "{}: {json}", line.case);
        }
    }
    assert_eq!(readable().count(), 1341 + 187);
}

#[test]
fn the_lines_of_every_library_have_a_chain_that_is_known_here() {
    let mut of_library: BTreeMap<&str, usize> = BTreeMap::new();
    for line in of_every_library().filter(|line| !line.serializer_url.is_empty()) {
        assert!(Codec::parse(&line.chain).is_ok(), "{}: {}", line.case, line.chain);
        *of_library.entry(&line.library).or_default() += 1;
    }
    let counts = [
        ("aiocache", 934),
        ("aiocache-dynamodb", 505),
        ("cachetory", 1587),
        ("pyredis-cache", 337),
        ("redis-tagged-cache", 252),
    ];
    assert_eq!(of_library, BTreeMap::from(counts));
    let none = OTHERS.iter().flat_map(|file| file.lines()).map(Line::parse);
    let none = none.filter(|line| line.kind == "value" && line.stored.is_none());
    let own_types = none.map(|line| line.case).collect::<Vec<_>>();
    assert_eq!(own_types, ["null.none", "null.true", "null.false"], "DynamoDB's own NULL and BOOL");
}

/// What the real library reads from the bytes of every line prints as the line says, except where
/// that needs the captured application's own classes, holds an address in memory, or is a table of
/// pandas, which was captured as the call that made it.
#[test]
fn every_repr_is_what_python_prints() {
    let program = "
import base64, json, sys
from cachetory.serializers import from_url
def read(chain, stored):
    try:
        value = from_url(chain).deserialize(base64.b64decode(stored))
        return None if type(value).__module__.startswith('pandas') else repr(value)
    except (ImportError, AttributeError, NotImplementedError): return None
json.dump([read(*line) for line in json.load(sys.stdin)], sys.stdout)";
    let lines: Vec<&Line> = readable().collect();
    let input: Vec<(&str, String)> =
        lines.iter().map(|line| (line.chain.as_str(), STANDARD.encode(line.stored.as_ref().unwrap()))).collect();
    let printed = python::feed(program, &serde_json::to_vec(&input).unwrap());
    let printed: Vec<Option<String>> = serde_json::from_str(&printed).unwrap();
    let mut compared = 0;
    for (line, printed) in lines.iter().zip(printed) {
        let Some(printed) = printed.filter(|printed| !printed.contains(" at 0x")) else { continue };
        let repr = line.repr.as_ref().unwrap();
        assert!(printed == *repr, "{}: {:.200} is not {printed:.200}", line.case, repr);
        compared += 1;
    }
    assert!(compared > 1200, "{compared} lines");
}
