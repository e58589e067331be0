//! Every captured value to typed JSON text and back: nothing is lost on the way, as CPython sees it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cachectl::backend::{Options, parse};
use cachectl::cache::{Cache, Form, Put, Reader, Reading};
use cachectl::codec::{Codec, detect};
use cachectl::entry::{Condition, Expiry, Kind, Stored, StoredKey, Write};
use cachectl::layout::{self, Name};
use cachectl::limits::Limits;
use cachectl::value::json::{Escape, write};
use cachectl::value::typed_json;

use crate::env::Env;
use crate::fixtures::{self, Line};
use crate::python;

const PROGRAM: &str = include_str!("rounds.py");

/// The chain that writes what was captured: the line's, with the protocol that the pickle has.
fn chain(line: &Line) -> Codec {
    let stored = line.stored.as_ref().unwrap();
    let detected = detect::detect(stored, &Limits::DEFAULT).ok().filter(|found| found.url.starts_with("pickle"));
    match detected {
        Some(found) if line.chain == "pickle://" => Codec::parse(&found.url).unwrap(),
        _ => Codec::parse(&line.chain).unwrap(),
    }
}

/// The bytes after a round trip by way of text, as `get -o json` prints it and `set` takes it.
fn round(codec: &Codec, stored: &[u8]) -> Result<Vec<u8>, String> {
    let limits = Limits::DEFAULT;
    let value = codec.decode(stored.to_vec(), &limits).map_err(|error| format!("decode: {error}"))?.value;
    let mut text = Vec::new();
    let lowered = typed_json::lower(&value, &limits).map_err(|error| format!("lower: {error}"))?;
    write(&lowered, Escape::Ascii, &limits, &mut text).map_err(|error| format!("write: {error}"))?;
    let json = Codec::parse("json:").unwrap();
    let read = json.decode(text, &limits).map_err(|error| format!("read: {error}"))?.value;
    let lifted = typed_json::lift(&read, &limits).map_err(|error| format!("lift: {error}"))?;
    if !lifted.same(&value) {
        return Err("lifted to another value".to_owned());
    }
    codec.encode(&lifted, &limits).map_err(|error| format!("encode: {error}"))
}

/// Why CPython does not load what was captured, so that there is nothing to compare: the lines of
/// which the exception says so, and how many they are. `pandas` 2 does not know some names of 3.
const UNLOADABLE: [(&str, usize); 9] = [
    ("NotImplementedError: (<StringDtype", 10),
    ("AttributeError: Can't get attribute '_nat_unpickle'", 4),
    ("AttributeError: Can't get attribute 'no_such'", 1),
    ("ModuleNotFoundError: No module named 'no_such_module'", 1),
    ("Error: Decompression error: length mismatch", 1),
    ("UnicodeDecodeError: 'ascii'", 2),
    ("UnpicklingError: pickle stream refers to out-of-band data", 1),
    ("ValueError: unregistered extension code 1", 1),
    ("TypeError: unhashable type: 'list'", 2),
];

/// Case, layers, what was captured and what was made of it, for [`PROGRAM`].
fn rows<'a>(pairs: impl IntoIterator<Item = &'a (&'static Line, Vec<u8>)>) -> Vec<u8> {
    let mut rows = Vec::new();
    for (line, made) in pairs {
        let layers = Codec::parse(&line.chain).unwrap().layers().join("+");
        for field in [line.case.as_bytes(), layers.as_bytes(), line.stored.as_ref().unwrap(), made] {
            rows.extend(u32::try_from(field.len()).unwrap().to_le_bytes());
            rows.extend_from_slice(field);
        }
    }
    rows
}

/// What CPython finds when it walks the captured value and the other at once.
fn verdicts(pairs: &[(&'static Line, Vec<u8>)]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows");
    std::fs::write(&path, rows(pairs)).unwrap();
    let classes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let found = python::run(PROGRAM, &[path.to_str().unwrap(), classes.to_str().unwrap()]);
    serde_json::from_str(&found).unwrap()
}

/// The lines to go round; those that nothing reads are the same ones that their library refused.
fn lines() -> impl Iterator<Item = &'static Line> {
    fixtures::of_every_library().filter(|line| !line.serializer_url.is_empty())
}

#[test]
fn typed_json_loses_nothing_of_any_captured_value() {
    let (mut pairs, mut unread) = (Vec::new(), 0);
    for line in lines() {
        let stored = line.stored.as_ref().unwrap();
        match round(&chain(line), stored) {
            Ok(made) => pairs.push((line, made)),
            Err(error) => {
                assert!(error.starts_with("decode: "), "{} {}: {error}", line.library, line.case);
                unread += 1;
            }
        }
    }
    // Damaged on purpose, with one that Python reads: a msgpack text that is not UTF-8.
    assert_eq!(unread, 38);
    // What would be run is never given to Python.
    pairs.retain(|(line, _)| line.kind != "unsafe");
    let mut unloadable: BTreeMap<&str, usize> = BTreeMap::new();
    for ((line, made), verdict) in pairs.iter().zip(verdicts(&pairs)) {
        let stored = line.stored.as_ref().unwrap();
        if let [0x80, protocol, ..] = **stored
            && line.chain.starts_with("pickle://")
        {
            assert_eq!(made[..2], [0x80, protocol], "{} {}", line.library, line.case);
        }
        match verdict.strip_prefix("unloadable: ") {
            None => assert_eq!(verdict, "same", "{} {}", line.library, line.case),
            Some(why) => {
                let known = UNLOADABLE.iter().find(|(start, _)| why.starts_with(start));
                let (known, _) = known.unwrap_or_else(|| panic!("{} {}: {why}", line.library, line.case));
                *unloadable.entry(known).or_default() += 1;
            }
        }
    }
    assert_eq!(unloadable, BTreeMap::from(UNLOADABLE));
    let of_cpython = |line: &Line| line.kind == "value" && line.chain.starts_with("pickle:");
    let pickles = pairs.iter().filter(|(line, _)| of_cpython(line));
    let (identical, other): (Vec<_>, Vec<_>) = pickles.partition(|(line, made)| line.stored.as_ref() == Some(made));
    // The others had one text in two places (as a key of a dict and in a set, say), or the name of a
    // module as two texts: typed JSON does not tell which texts are one object.
    assert_eq!((identical.len(), other.len()), (1566, 47));
}

/// What is rare, as CPython 3.11 reads it, goes round byte by byte.
#[test]
fn what_no_library_wrote_goes_round_too() {
    for (protocol, bytes) in [
        // The attribute `"A.B"` of the module, and `B` of its class `A`: below protocol 4 they are two things.
        (0, &b"(cm\nA.B\np0\ng0\ntp1\n."[..]),
        (2, b"\x80\x02cm\nA.B\nq\x00."),
        (3, b"\x80\x03cm\nA.B\nq\x00)\x81q\x01."),
        (2, b"\x80\x02c__builtin__\ngetattr\nq\x00cm\nA\nq\x01X\x01\x00\x00\x00Bq\x02\x86q\x03Rq\x04."),
        (4, b"\x80\x04\x95\x0d\x00\x00\x00\x00\x00\x00\x00\x8c\x01m\x94\x8c\x03A.B\x94\x93\x94."),
        // A state that a function sets: the sixth part of `__reduce_ex__`, of one object and of two.
        (0, b"cm\nD\np0\n(tRp1\ncm\nsetter\np2\ng1\n(dp3\nVa\np4\nI1\ns\x86R0."),
        (2, b"\x80\x02cm\nD\nq\x00)Rq\x01cm\nsetter\nq\x02h\x01}q\x03X\x01\x00\x00\x00aq\x04K\x01s\x86R0."),
        (
            4,
            b"\x80\x04\x95@\x00\x00\x00\x00\x00\x00\x00]\x94(\x8c\x01m\x94\x8c\x01D\x94\x93\x94)R\x94h\x01\
              \x8c\x06setter\x94\
              \x93\x94h\x04}\x94\x8c\x01a\x94K\x01s\x86R0h\x03)R\x94h\x06h\t}\x94h\x08K\x01s\x86R0e.",
        ),
    ] {
        let codec = Codec::parse(&format!("pickle://?pickle-protocol={protocol}")).unwrap();
        let made = round(&codec, bytes).unwrap_or_else(|error| panic!("{}: {error}", bytes.escape_ascii()));
        assert_eq!(made.escape_ascii().to_string(), bytes.escape_ascii().to_string());
    }
    let later = Codec::parse("pickle://?pickle-protocol=4").unwrap();
    let error = round(&later, b"\x80\x02cm\nA.B\nq\x00.").unwrap_err();
    assert!(
        error.ends_with("the name `m.A.B` has dots that are not followed and needs protocol 3 or lower"),
        "{error}"
    );
}

/// Over the entry itself, without being told how it was written: what `set` takes, it has compared.
#[test]
fn set_takes_the_typed_json_of_every_entry_over_the_entry() {
    let options = Options {
        timeout: Duration::from_secs(1),
        limits: Limits::DEFAULT,
        disk_default: PathBuf::new(),
        tls_ca: None,
        tls_client: None,
        tls_insecure: false,
        replica: false,
        password_from: None,
        tell: |_| (),
    };
    let connect = parse("memory:", &options).unwrap();
    let mut refused = Vec::new();
    for line in lines() {
        let stored = line.stored.as_ref().unwrap();
        let reader = Reader::new(None, Limits::DEFAULT);
        let Ok(Reading { value, chain }) = reader.read(Stored::Bytes(stored.clone())) else {
            refused.push(line.case.as_str());
            continue;
        };
        let key = StoredKey { key: b"key".to_vec(), field: None };
        let data = Stored::Bytes(stored.clone());
        let (expiry, condition) = (Expiry::Never, Condition::Always);
        let mut backend = connect().unwrap();
        backend.set_many(&[Write { key, data, expiry, condition, tag: None }]).unwrap();
        let lifted = typed_json::lift(&typed_json::lower(&value, &Limits::DEFAULT).unwrap(), &Limits::DEFAULT).unwrap();
        let mut cache = Cache::new(backend, layout::parse("plain:", None, Kind::Memory).unwrap(), reader);
        let put = Put { name: Name::new("key"), value: lifted, form: Form::AsIs, expiry, condition };
        let receipts = cache.set(vec![put]).unwrap_or_else(|error| panic!("{} {}: {error}", line.library, line.case));
        assert!(receipts[0].written && receipts[0].form == chain.url, "{} {}: {receipts:?}", line.library, line.case);
    }
    let over_a_limit = ["foreign.msgpack.deep_1100", "foreign.zstd.huge_claimed_size", "unsafe.huge_long4"];
    assert_eq!(refused, over_a_limit);
}

/// As a person has it: `decode -o json`, then `encode`, of every fiftieth line.
#[test]
fn the_binary_goes_round_too() {
    let env = Env::new();
    let mut pairs = Vec::new();
    for line in lines().filter(|line| line.kind == "value").step_by(50) {
        let codec = chain(line);
        let stored = line.stored.as_ref().unwrap();
        let text = env.feed(["decode", "-s", codec.url(), "-o", "json"], stored).ok();
        let made = env.feed(["encode", "-s", codec.url()], text.as_bytes());
        assert_eq!(made.status, Some(0), "{made}");
        pairs.push((line, made.stdout));
    }
    assert!(pairs.len() > 60);
    for ((line, _), verdict) in pairs.iter().zip(verdicts(&pairs)) {
        let known = verdict == "same" || UNLOADABLE.iter().any(|(start, _)| verdict.contains(start));
        assert!(known, "{} {}: {verdict}", line.library, line.case);
    }
}
