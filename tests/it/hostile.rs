//! Values that were made to hurt: each ends within a second and 256 MiB, and names its limit.

use std::io::Write as _;
use std::time::Duration;

use cachectl::codec::Codec;
use cachectl::limits::Limits;
use cachectl::value::Value;

use crate::env::{Env, Ran};

/// A machine that is busy with other tests is slower than one second says; ten would be a hang.
const SLOW: Duration = Duration::from_secs(10);

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `levels` lists, each twice the one before: `x = []; x = [x, x]; …`.
fn memo_bomb(levels: usize) -> Vec<u8> {
    let mut pickle = b"\x80\x04]\x94".to_vec();
    for level in 0..levels {
        pickle.extend([b']', 0x94, b'(', b'h', level as u8, b'h', level as u8, b'e']);
    }
    pickle.push(b'.');
    pickle
}

fn deep(levels: usize) -> Vec<u8> {
    [b"\x80\x04".to_vec(), b"]".repeat(levels), b"a".repeat(levels - 1), b".".to_vec()].concat()
}

fn decode(serializer: &str, output: &str, bytes: &[u8]) -> Ran {
    let env = Env::new().within_mib(256).within(SLOW);
    env.feed(["decode", "-s", serializer, "-o", output], bytes)
}

#[test]
fn bombs_meet_a_limit_that_is_named() {
    let zeros = vec![0; 96 << 20];
    let once = zlib(&zeros);
    let wide = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00".to_vec();
    for (name, serializer, bytes, limit) in [
        ("zlib", "noop+zlib://", once.clone(), "decoded"),
        ("zlib in zlib", "noop+zlib+zlib://", zlib(&once), "decoded"),
        ("zstd", "noop+zstd://", zstd::bulk::compress(&zeros, 19).unwrap(), "decoded"),
        ("zstd, smaller", "noop+zstd://", zstd::bulk::compress(&zeros[..32 << 20], 19).unwrap(), "ratio"),
        ("zstd window", "noop+zstd://", wide, "window"),
        ("memo, as python", "pickle://", memo_bomb(60), ""),
        ("deep lists", "pickle://", deep(1_000_000), "depth"),
        ("deep json", "json://", b"[".repeat(1_000_000), "depth"),
        ("deep msgpack", "msgpack://", b"\x91".repeat(1_000_000), "depth"),
        ("LONG4 of 1 GB", "pickle://", b"\x80\x02\x8b\x00\x00\x00\x40\x01.".to_vec(), "integer"),
        ("BINBYTES8 of 2^62", "pickle://", b"\x80\x04\x8e\x00\x00\x00\x00\x00\x00\x00\x40.".to_vec(), ""),
        ("memo slot 2^32", "pickle://", b"\x80\x02Nr\xff\xff\xff\xff0]j\xfe\xff\xff\xff.".to_vec(), ""),
        ("msgpack array of 2^32", "msgpack://", b"\xdd\xff\xff\xff\xff".to_vec(), ""),
        ("opcodes", "pickle://", [b"\x80\x02".to_vec(), b"N0".repeat(9 << 20), b"N.".to_vec()].concat(), "opcodes"),
        ("nodes", "pickle://", [b"\x80\x02(".to_vec(), b"N".repeat(5 << 20), b"t.".to_vec()].concat(), "nodes"),
        ("a long value", "noop://", vec![b'x'; (64 << 20) + 1], "stored"),
    ] {
        let ran = decode(serializer, "python", &bytes);
        assert_eq!(ran.status, Some(3), "{name}: {ran}");
        assert!(ran.stdout.is_empty() && ran.stderr().contains(limit), "{name}: {ran}");
        if !["", "window"].contains(&limit) {
            assert!(ran.stderr().contains(&format!("--max {limit}=")) || limit == "decoded", "{name}: {ran}");
        }
    }
}

#[test]
fn a_bomb_in_any_layer_is_refused_within_little_memory() {
    let zeros = Value::of_bytes(vec![0; 96 << 20]);
    for (layer, limit) in [
        ("gzip://", "decoded"),
        ("bz2://?compression-level=1", "ratio"),
        ("xz://?compression-level=0", "ratio"),
        ("brotli://?compression-level=1", "decoded"),
        ("lz4://", "decoded"),
        ("lz4-block://", "decoded"),
        ("snappy://", "decoded"),
        ("snappy-framed://", "decoded"),
    ] {
        let bomb = Codec::parse(layer).unwrap().encode(&zeros, &Limits::DEFAULT).unwrap();
        let ran = decode(&format!("noop+{layer}"), "python", &bomb);
        assert_eq!(ran.status, Some(3), "{layer}: {ran}");
        assert!(ran.stdout.is_empty() && ran.stderr().contains(&format!("`{limit}`")), "{layer}: {ran}");
    }
    for (layer, bytes) in [
        ("lz4-block", &b"\xff\xff\xff\x7f\x10a"[..]),
        ("snappy", b"\xff\xff\xff\xff\x07\0"),
        ("lz4", b"\x04\x22\x4d\x18\x68\x70\xff\xff\xff\xff\0\0\0\0\0"),
        ("xz", b"\x5d\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0"),
    ] {
        let ran = decode(&format!("noop+{layer}://"), "python", bytes);
        assert_eq!(ran.status, Some(3), "{layer}: {ran}");
    }
}

#[test]
fn sharing_and_cycles_are_shown_in_what_they_are_long() {
    for output in ["text", "json", "jsonl"] {
        let ran = decode("pickle://", output, &memo_bomb(60));
        assert_eq!(ran.status, Some(0), "{ran}");
        assert!(ran.stdout.len() < 100_000, "{} bytes", ran.stdout.len());
    }
    let ran = decode("pickle://", "plain", &memo_bomb(60));
    assert!(ran.stderr().contains("--max printed="), "{ran}");
    assert_eq!(ran.status, Some(3));
    let cyclic = b"\x80\x04]\x94h\x00a.";
    assert_eq!(decode("pickle://", "python", cyclic).ok(), "[[...]]\n");
    assert_eq!(decode("pickle://", "json", cyclic).status, Some(0));
    assert_eq!(decode("pickle://", "plain", cyclic).status, Some(3));
}

#[test]
fn a_limit_can_be_raised() {
    let deep = deep(2000);
    let env = Env::new();
    env.feed(["decode", "-s", "pickle://"], &deep).fails(3);
    env.feed(["decode", "-s", "pickle://", "--max", "depth=2000"], &deep).ok();
}

#[test]
fn detection_survives_whatever_it_is_given() {
    let env = Env::new().within_mib(256).within(SLOW);
    for bytes in [memo_bomb(60), deep(1_000_000), zlib(&vec![0; 96 << 20]), b"[".repeat(1_000_000), Vec::new()] {
        let ran = env.feed(["decode"], &bytes);
        assert!(matches!(ran.status, Some(0 | 3)), "{ran}");
    }
}
