//! The bodies of the fuzz targets, on bytes of the fixtures that were changed a little.
//!
//! Deterministic and bounded, so that it runs each time: a panic here is found without a fuzzer.

use crate::bodies::{BODIES, Body};
use crate::fixtures;

/// Cases in all, shared by the bodies.
const CASES: usize = 20_000;

/// Longer fixtures take longer and break no other way.
const LENGTH_MAX: usize = 600;

/// Bytes that begin, end or lengthen something in one of the formats.
const TELLING: &[u8] = b"\x00\x01\x7f\x80\x81\x91\xa1\xc1\xc4\xca\xd4\xdc\xdd\xdf\xff().]}{[\",:0lde\\ucRbst+?=&/%";

/// What the fuzzers found, by the body that failed.
const FOUND: &[(&str, &[u8])] = &[
    // The empty tuple is one, however often it is mentioned.
    ("pickle", b"\x80\x02cuuid\nUUID\nq\x00)2\x81q\x01}q\x02U\x03in\x0cq\x03K\x01sb."),
    (
        "pickle",
        // What a persistent id stands for is in the memo, and a class by it in two calls.
        b"]q\x00(ccopy_reg\n_rFconstructor\nq\x01(cfixtur\x00\x00\x00\x00e_types\nPl\x00\x00e_types\nPlain\nq\x02c\
      __builtin__\nobject\nq\x03Ntq+Rq\x05}q\x06X\x01\x00\x00\x00aq\x07K\x00sbh\x01(h\x02h\x03Ntqbh\x01(h\x02h\
      \x03Ntq\x0bRq\x0c}q\x0dh\x07K\x02sbe.",
    ),
];

#[test]
fn what_was_found_once_stays_mended() {
    for (name, bytes) in FOUND {
        let body = BODIES.into_iter().find(|(body, _)| body == name).expect("a body has this name");
        run(body, bytes);
    }
}

#[test]
fn no_mutation_breaks_an_invariant() {
    let seeds: Vec<Vec<u8>> = fixtures::readable().filter_map(|line| line.stored.clone()).collect();
    for (index, (name, body)) in BODIES.into_iter().enumerate() {
        let mut seeds: Vec<Vec<u8>> = seeds.iter().filter(|seed| seed.len() <= LENGTH_MAX).cloned().collect();
        if name == "serializer_url" {
            seeds = fixtures::readable().map(|line| line.serializer_url.clone().into_bytes()).collect();
        }
        assert!(seeds.len() > 100, "{name}: {} seeds", seeds.len());
        seeds.iter().for_each(|seed| run((name, body), seed));
        let mut random = fastrand::Rng::with_seed(index as u64 + 1);
        for _ in 0..CASES / BODIES.len() {
            let mut bytes = seeds[random.usize(..seeds.len())].clone();
            for _ in 0..random.usize(1..4) {
                mutate(&mut bytes, &seeds, &mut random);
            }
            run((name, body), &bytes);
        }
    }
}

/// Runs a body, and says on what it failed.
fn run((name, body): Body, bytes: &[u8]) {
    let Err(panic) = std::panic::catch_unwind(|| body(bytes)) else { return };
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    panic!("{name} fails on b\"{}\": {}", bytes.escape_ascii(), message.unwrap_or("no message"));
}

fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut fastrand::Rng) {
    let at = random.usize(..=bytes.len());
    match random.u8(..7) {
        0 => bytes.insert(at, random.u8(..)),
        1 => bytes.insert(at, TELLING[random.usize(..TELLING.len())]),
        2 => bytes.truncate(at),
        3 => {
            let other = &seeds[random.usize(..seeds.len())];
            bytes.truncate(at);
            bytes.extend_from_slice(&other[random.usize(..=other.len())..]);
        }
        _ if at == bytes.len() => bytes.push(b'.'),
        4 => bytes[at] = TELLING[random.usize(..TELLING.len())],
        5 => bytes[at] ^= 1 << random.u8(..8),
        _ => drop(bytes.remove(at)),
    }
}
