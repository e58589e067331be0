//! Our side of `tests/bench/compare`: times an operation when it is asked to, one line an answer.
//!
//! `payloads DIR` writes the payloads there as JSON. Without arguments each line on stdin is
//! `OPERATION FILE`, and the answer is the nanoseconds of thread CPU time that one operation took:
//! the fastest of nine batches of about 40 ms, with the copy of the input that a backend would have
//! made and the end of the result. `OPERATION FILE COUNT` as arguments does it that often and says
//! nothing, for tools that count instructions.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod payloads;

use std::collections::HashMap;
use std::hint::black_box;
use std::io::BufRead as _;

use cachectl::codec::Codec;
use cachectl::codec::detect::detect;
use cachectl::limits::Limits;
use cachectl::value::json::Escape;
use cachectl::value::{Value, plain};
use rustix::time::{ClockId, clock_gettime};

const BATCHES: usize = 9;
const BATCH_NS: u64 = 40_000_000;
const LIMITS: Limits = Limits::DEFAULT;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, folder] = arguments.as_slice()
        && command == "payloads"
    {
        for (name, make) in payloads::PAYLOADS {
            std::fs::write(format!("{folder}/{name}.json"), make()).unwrap();
        }
        return;
    }
    if let [_, operation, file, count] = arguments.as_slice() {
        let count = count.parse().unwrap();
        run(operation, &std::fs::read(file).unwrap(), &mut |once| (0..count).for_each(|_| once()));
        return;
    }
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (operation, file) = line.split_once(' ').unwrap();
        let bytes = files.entry(file.to_owned()).or_insert_with(|| std::fs::read(file).unwrap());
        let mut time = 0;
        run(operation, bytes, &mut |once| time = measure(once));
        println!("{time}");
    }
}

/// Hands an operation over to be done: `CHAIN.decode`, `CHAIN.encode`, or one of the ways that have a
/// name of their own.
fn run(operation: &str, bytes: &[u8], repeat: &mut dyn FnMut(&mut dyn FnMut())) {
    let (layer, verb) = operation.split_once('.').unwrap();
    match (layer, verb) {
        ("pickle", "json") => {
            let codec = Codec::parse("pickle:").unwrap();
            repeat(&mut || end(plain_json(&codec.decode(bytes.to_vec(), &LIMITS).unwrap().value)))
        }
        ("auto", "decode") => repeat(&mut || end(detect(bytes, &LIMITS).unwrap())),
        ("serde", "decode") => repeat(&mut || end(serde_json::from_slice::<serde_json::Value>(bytes).unwrap())),
        (_, "decode") => {
            let codec = Codec::parse(&chain(layer)).unwrap();
            repeat(&mut || end(codec.decode(bytes.to_vec(), &LIMITS).unwrap()))
        }
        // What is encoded is what the bytes decode to: of a compressor, the JSON text in it.
        (_, "encode") => {
            let codec = Codec::parse(&chain(layer)).unwrap();
            let value = codec.decode(bytes.to_vec(), &LIMITS).unwrap().value;
            repeat(&mut || end(codec.encode(&value, &LIMITS).unwrap()))
        }
        _ => panic!("no operation is called {operation}"),
    }
}

fn chain(layer: &str) -> String {
    match layer {
        "json" | "msgpack" | "pickle" | "string" => format!("{layer}:"),
        chain if chain.contains('+') => format!("{chain}:"),
        compressor => format!("noop+{compressor}:"),
    }
}

/// What `-o plain` does.
fn plain_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    plain::write(value, Escape::Utf8, &LIMITS, &mut out).unwrap();
    out
}

/// The end of a result, which is the operation's too.
fn end<T>(result: T) {
    drop(black_box(result));
}

fn measure(once: &mut dyn FnMut()) -> u64 {
    let mut batch = |count: u64| {
        let start = now_ns();
        for _ in 0..count {
            once();
        }
        now_ns() - start
    };
    let mut count = 1;
    while batch(count) < BATCH_NS / 4 {
        count *= 2;
    }
    let count = (count * BATCH_NS / batch(count).max(1)).max(1);
    (0..BATCHES).map(|_| batch(count) / count).min().expect("there are batches")
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap()
}
