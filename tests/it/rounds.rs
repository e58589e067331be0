//! Every captured value to typed JSON text and back: nothing is lost on the way, as CPython sees it.

use std::collections::BTreeMap;
use std::path::Path;

use cachectl::codec::{Codec, detect};
use cachectl::limits::Limits;
use cachectl::value::json::{Escape, write};
use cachectl::value::typed_json;

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

#[test]
fn typed_json_loses_nothing_of_any_captured_value() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rows");
    let mut rows = Vec::new();
    let mut compared: Vec<(&Line, bool)> = Vec::new();
    let mut unread: Vec<(&Line, String)> = Vec::new();
    let mut failed = Vec::new();
    for line in fixtures::of_every_library().filter(|line| !line.serializer_url.is_empty()) {
        let stored = line.stored.as_ref().unwrap();
        let codec = chain(line);
        match round(&codec, stored) {
            // What would be run is never given to Python.
            Ok(_) if line.kind == "unsafe" => {}
            Ok(made) => {
                for field in [line.case.as_bytes(), codec.layers().join("+").as_bytes(), stored, &made] {
                    rows.extend(u32::try_from(field.len()).unwrap().to_le_bytes());
                    rows.extend_from_slice(field);
                }
                compared.push((line, made == *stored));
            }
            Err(error) if error.starts_with("decode") => unread.push((line, error)),
            Err(error) => failed.push(format!("{} {}: {error}", line.library, line.case)),
        }
    }
    std::fs::write(&path, rows).unwrap();
    let classes = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let verdicts = python::run(PROGRAM, &[path.to_str().unwrap(), classes.to_str().unwrap()]);
    let verdicts: Vec<String> = serde_json::from_str(&verdicts).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for ((line, identical), verdict) in compared.iter().zip(&verdicts) {
        if verdict != "same" && !verdict.starts_with("unloadable") {
            failed.push(format!("{} {}: {verdict}", line.library, line.case));
        }
        let kind = line.chain.split(':').next().unwrap();
        *counts.entry(format!("{kind} {} {}", if *identical { "identical" } else { "not identical" }, verdict.split(':').next().unwrap())).or_default() += 1;
        if verdict.starts_with("unloadable") { println!("UNLOADABLE {} {}: {verdict:.150}", line.library, line.case); }
        if !identical { println!("NOT IDENTICAL {} {} {}", line.library, line.chain, line.case); }
    }
    for (line, error) in &unread { println!("UNREAD {} {} {error} | {:?}", line.library, line.case, line.read_error); }
    println!("{counts:#?}");
    for one in &failed { println!("FAILED {one:.300}"); }
    assert!(failed.is_empty());
}
