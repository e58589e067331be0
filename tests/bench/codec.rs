//! Decode and encode per layer, on three values: `cargo bench --bench codec`.
//!
//! For numbers to compare by eye while working on the code; `tests/bench/compare` has those that
//! count, beside other implementations in the same run.
#![allow(clippy::unwrap_used, missing_docs)]

mod payloads;

use cachectl::codec::Codec;
use cachectl::limits::Limits;
use cachectl::value::json::Escape;
use cachectl::value::{Value, plain};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};

const CHAINS: [&str; 8] = [
    "json://",
    "msgpack://",
    "pickle://",
    "pickle://?pickle-protocol=2",
    "pickle+zlib://",
    "pickle+zstd://",
    "noop+zlib://",
    "noop+zstd://",
];
const NAMES: [&str; 3] = ["p2k", "p50k", "p5m"];

fn main() {
    divan::main();
}

fn value(name: &str) -> Value {
    let make = payloads::PAYLOADS.iter().find(|(known, _)| *known == name).unwrap().1;
    Codec::parse("json:").unwrap().decode(make().into_bytes(), &Limits::DEFAULT).unwrap().value
}

/// What a chain encodes: the value, or where it has no serializer the value's JSON text.
fn subject(codec: &Codec, name: &str) -> Value {
    let value = value(name);
    if codec.has_serializer() {
        return value;
    }
    Value::of_bytes(Codec::parse("json:").unwrap().encode(&value, &Limits::DEFAULT).unwrap())
}

#[divan::bench(args = NAMES, consts = [0, 1, 2, 3, 4, 5, 6, 7])]
fn decode<const CHAIN: usize>(bencher: Bencher<'_, '_>, name: &str) {
    let codec = Codec::parse(CHAINS[CHAIN]).unwrap();
    let bytes = codec.encode(&subject(&codec, name), &Limits::DEFAULT).unwrap();
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .with_inputs(|| bytes.clone())
        .bench_values(|bytes| codec.decode(bytes, &Limits::DEFAULT).unwrap());
}

#[divan::bench(args = NAMES, consts = [0, 1, 2, 3, 4, 5, 6, 7])]
fn encode<const CHAIN: usize>(bencher: Bencher<'_, '_>, name: &str) {
    let codec = Codec::parse(CHAINS[CHAIN]).unwrap();
    let value = subject(&codec, name);
    bencher.bench(|| codec.encode(black_box(&value), &Limits::DEFAULT).unwrap());
}

#[divan::bench(args = NAMES)]
fn pickle_to_plain_json(bencher: Bencher<'_, '_>, name: &str) {
    let codec = Codec::parse("pickle:").unwrap();
    let bytes = codec.encode(&value(name), &Limits::DEFAULT).unwrap();
    bencher.counter(BytesCount::of_slice(&bytes)).with_inputs(|| bytes.clone()).bench_values(|bytes| {
        let value = codec.decode(bytes, &Limits::DEFAULT).unwrap().value;
        let mut out = Vec::new();
        plain::write(&value, Escape::Utf8, &Limits::DEFAULT, &mut out).unwrap();
        out
    });
}
