//! What must hold for any bytes at all: one function a parser of foreign bytes.
//!
//! Used by the fuzz targets beside it and by the mutation test of the normal suite. A body panics
//! when an invariant breaks; to refuse the bytes is always right.

use std::io::sink;

use cachectl::codec::detect::detect;
use cachectl::codec::{Codec, Fault};
use cachectl::limits::Limits;
use cachectl::render::text::{self, Notation, Style};
use cachectl::value::json::Escape;
use cachectl::value::{Value, plain, python, typed_json};

/// A body, by the name of its target.
pub type Body = (&'static str, fn(&[u8]));

/// All of them.
pub const BODIES: [Body; 5] = [
    ("pickle", pickle),
    ("json", json),
    ("msgpack", msgpack),
    ("detection", detection),
    ("serializer_url", serializer_url),
];

/// Small, so that a case takes no time, and large enough that most values fit.
const LIMITS: Limits = Limits {
    decoded: 1 << 20,
    nodes: 1 << 16,
    opcodes: 1 << 16,
    integer: 1 << 12,
    printed: 1 << 14,
    ..Limits::DEFAULT
};

/// Pickles: what is read is written and read again the same, at the newest protocol.
pub fn pickle(bytes: &[u8]) {
    same_again("pickle:", bytes);
}

/// JSON: the same.
pub fn json(bytes: &[u8]) {
    same_again("json:", bytes);
}

/// MessagePack: the same.
pub fn msgpack(bytes: &[u8]) {
    same_again("msgpack:", bytes);
}

/// Detection: what is said to be read by a chain is read by it, and detected again.
pub fn detection(bytes: &[u8]) {
    let Ok(found) = detect(bytes, &LIMITS) else { return };
    let codec = Codec::parse(&found.url).expect("a detected chain is a serializer URL");
    let value = codec.decode(bytes.to_vec(), &LIMITS).expect("a detected chain decodes").value;
    assert!(value.same(&found.decoded.value), "{} decodes to something else", found.url);
    for rival in &found.rivals {
        let codec = Codec::parse(rival).expect("a rival is a serializer URL");
        codec.decode(bytes.to_vec(), &LIMITS).expect("a rival decodes");
    }
}

/// Serializer URLs: what is accepted is spelt so that it is accepted as the same again.
pub fn serializer_url(bytes: &[u8]) {
    let Ok(codec) = Codec::parse(&String::from_utf8_lossy(bytes)) else { return };
    let again = Codec::parse(codec.url()).expect("our own spelling is accepted");
    assert_eq!((again.url(), again.layers()), (codec.url(), codec.layers()));
}

fn same_again(url: &str, bytes: &[u8]) {
    let codec = Codec::parse(url).expect("it is in the table");
    let Ok(decoded) = codec.decode(bytes.to_vec(), &LIMITS) else { return };
    let value = decoded.value;
    shown(&value);
    lifted(&value);
    match codec.encode(&value, &LIMITS) {
        Ok(written) => {
            let again = codec.decode(written, &Limits::DEFAULT).expect("what was written is read").value;
            assert!(again.same(&value), "written and read again it is another value");
        }
        Err(error) => assert!(!matches!(error.fault, Fault::Malformed(_)), "{error}"),
    }
}

/// Every notation ends, with or without an error.
fn shown(value: &Value) {
    for notation in [Notation::Python, Notation::Json] {
        let style = Style { notation, colour: true, width: 80, terminal: true };
        let _ = text::write(value, &style, &LIMITS, &mut sink());
    }
    let _ = python::write(value, &LIMITS, &mut sink());
    let mut out = Vec::new();
    match plain::write(value, Escape::Terminal, &LIMITS, &mut out) {
        Ok(_) => assert!(out.iter().all(|byte| *byte >= 0x20), "a control character is written as it is"),
        Err(error) => assert!(!error.to_string().starts_with("json"), "plain JSON is not JSON: {error}"),
    }
}

/// Typed JSON is the value, whole.
fn lifted(value: &Value) {
    let Ok(lowered) = typed_json::lower(value, &LIMITS) else { return };
    match typed_json::lift(&lowered, &Limits::DEFAULT) {
        Ok(lifted) => assert!(lifted.same(value), "typed JSON is lifted to another value"),
        Err(error) => panic!("typed JSON of our own is refused: {error}"),
    }
}
