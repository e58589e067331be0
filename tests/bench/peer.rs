//! Our side of `tests/bench/compare`: times an operation when it is asked to, one line an answer.
//!
//! `payloads DIR` writes the payloads there as JSON. Without arguments each line on stdin is
//! `OPERATION FILE`, and the answer is the nanoseconds of thread CPU time that one operation took:
//! the median of nine batches of about 40 ms, with the copy of the input that a backend would have
//! made and the end of the result.
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
    let mut files: HashMap<String, Vec<u8>> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (operation, file) = line.split_once(' ').unwrap();
        let bytes = files.entry(file.to_owned()).or_insert_with(|| std::fs::read(file).unwrap());
        println!("{}", run(operation, bytes));
    }
}

/// `CHAIN.decode`, `CHAIN.encode`, or one of the ways that have a name of their own.
fn run(operation: &str, bytes: &[u8]) -> u64 {
    let (layer, verb) = operation.split_once('.').unwrap();
    match (layer, verb) {
        ("pickle", "json") => {
            let codec = Codec::parse("pickle:").unwrap();
            measure(|| plain_json(&codec.decode(bytes.to_vec(), &LIMITS).unwrap().value))
        }
        ("auto", "decode") => measure(|| detect(bytes, &LIMITS).unwrap()),
        ("serde", "decode") => measure(|| serde_json::from_slice::<serde_json::Value>(bytes).unwrap()),
        (_, "decode") => {
            let codec = Codec::parse(&chain(layer)).unwrap();
            measure(|| codec.decode(bytes.to_vec(), &LIMITS).unwrap())
        }
        // What is encoded is what the bytes decode to: of a compressor, the JSON text in it.
        (_, "encode") => {
            let codec = Codec::parse(&chain(layer)).unwrap();
            let value = codec.decode(bytes.to_vec(), &LIMITS).unwrap().value;
            measure(|| codec.encode(&value, &LIMITS).unwrap())
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

fn measure<T>(mut once: impl FnMut() -> T) -> u64 {
    let mut batch = |count: u64| {
        let start = now_ns();
        for _ in 0..count {
            drop(black_box(once()));
        }
        now_ns() - start
    };
    let mut count = 1;
    while batch(count) < BATCH_NS / 4 {
        count *= 2;
    }
    let count = (count * BATCH_NS / batch(count).max(1)).max(1);
    let mut times: Vec<u64> = (0..BATCHES).map(|_| batch(count) / count).collect();
    times.sort_unstable();
    times[BATCHES / 2]
}

fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap()
}
