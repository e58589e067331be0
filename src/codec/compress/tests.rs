//! Each layer by itself: what it writes, what it reads, what it refuses, and what it says of it.

use std::io::Write;

use ::zstd::bulk;
use ::zstd::stream::Encoder;
use ::zstd::zstd_safe::CParameter;
use flate2::Compression;

use super::*;
use crate::codec::{Codec, Stage};
use crate::value::Value;

/// Every layer of this room.
const EACH: &[&str] = &[
    "zlib:",
    "zstd:",
    "gzip:",
    "lz4:",
    "lz4-block:",
    "bz2:",
    "xz:",
    "brotli:",
    "snappy:",
    "snappy-framed:",
    "base64:",
];

fn encode(url: &str, bytes: &[u8]) -> Vec<u8> {
    Codec::parse(url).unwrap().encode(&Value::of_bytes(bytes), &Limits::DEFAULT).unwrap()
}

fn decode(url: &str, bytes: &[u8]) -> Result<(Vec<u8>, Vec<String>), String> {
    stage(url, bytes).map(|(bytes, stage)| (bytes, stage.notes))
}

fn stage(url: &str, bytes: &[u8]) -> Result<(Vec<u8>, Stage), String> {
    let decoded = Codec::parse(url).unwrap().decode(bytes.to_vec(), &Limits::DEFAULT);
    let mut decoded = decoded.map_err(|error| error.to_string())?;
    let whole = decoded.value.whole();
    Ok((decoded.value.into_text(whole), decoded.stages.remove(0)))
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|n| b"the quick brown fox "[n * n / 7 % 20]).collect()
}

/// A frame of one block that does not state its size.
fn sizeless(content: &[u8]) -> Vec<u8> {
    let header = u32::try_from(content.len()).unwrap() << 3 | 1;
    [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58], &header.to_le_bytes()[..3], content].concat()
}

#[test]
fn zlib_begins_as_cpythons_does_at_each_level() {
    let headers = [0x01, 0x01, 0x5e, 0x5e, 0x5e, 0x5e, 0x9c, 0xda, 0xda, 0xda];
    for (level, flags) in (0..).zip(headers).chain([(-1, 0x9c)]) {
        let bytes = encode(&format!("zlib://?compression-level={level}"), &text(5000));
        assert_eq!(bytes[..2], [0x78, flags], "level {level}");
    }
}

#[test]
fn what_is_compressed_comes_back() {
    let levels = ["zlib:?compression-level=0", "zstd:?compression-level=-100", "zlib+zstd:", "lz4:?block-size=7"];
    for url in EACH.iter().copied().chain(levels) {
        let most = if url == "brotli:" { 300_000 } else { 3 << 20 };
        for length in [0, 1, 255, 256, 70_000, most] {
            let (bytes, notes) = decode(url, &encode(url, &text(length))).unwrap();
            assert_eq!((bytes, notes), (text(length), vec![]), "{url} {length}");
        }
    }
}

#[test]
fn zstd_writes_one_frame_that_states_its_size() {
    assert_eq!(encode("zstd:", b""), b"\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00");
    for (length, descriptor) in [(10, 0x20), (255, 0x20), (256, 0x60), (65_791, 0x60), (65_792, 0xa0)] {
        assert_eq!(encode("zstd:", &text(length))[4], descriptor, "{length}");
    }
    assert_eq!(encode("zstd:?compression-level=0", &text(9999)), encode("zstd:", &text(9999)));
}

#[test]
fn a_stream_cut_short_at_any_byte_is_refused() {
    for url in EACH {
        let bytes = encode(url, &text(2000));
        for cut in 0..bytes.len() {
            // What these libraries write, and take, for nothing; and what is whole though shorter:
            // padding that may be missing, chunks of which one may be the last.
            let whole = match *url {
                "gzip:" | "bz2:" => cut == 0,
                "snappy-framed:" => cut == 0 || cut == 10,
                "base64:" => cut % 4 == 0,
                _ => false,
            };
            match decode(url, &bytes[..cut]) {
                Ok((out, _)) => assert!(whole && text(2000).starts_with(&out), "{url} {cut}"),
                Err(error) => {
                    assert!(error.contains("cut short") || error.contains("empty"), "{url} {cut}: {error}");
                    assert!(error.contains("at byte") && !whole, "{url} {cut}: {error}");
                }
            }
        }
    }
}

#[test]
fn zlib_says_what_it_was_given_instead() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(b"abc").unwrap();
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(b"abc").unwrap();
    let mut adler = encode("zlib:", b"abc");
    *adler.last_mut().unwrap() ^= 1;
    for (bytes, part) in [
        (gzip.finish().unwrap(), "gzip at byte 0"),
        (raw.finish().unwrap(), "raw deflate at byte 0"),
        (encode("zstd:", b"abc"), "zstd at byte 0"),
        (b"\x78\xbb\0\0\0\0".to_vec(), "preset dictionary"),
        (b"hello".to_vec(), "not a zlib stream at byte 0"),
        (adler, "the stream is damaged: incorrect data check at byte"),
    ] {
        let error = decode("zlib:", &bytes).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let trailing = [encode("zlib:", b"abc"), b"more".to_vec()].concat();
    let (bytes, notes) = decode("zlib:", &trailing).unwrap();
    assert_eq!((bytes.as_slice(), notes[0].contains("4 bytes after")), (&b"abc"[..], true));
}

#[test]
fn frames_that_others_write_are_read_and_those_that_cachetory_misreads_are_noted() {
    let (a, b) = (encode("zstd:", b"abc"), encode("zstd:", b"de"));
    let skip = b"\x50\x2a\x4d\x18\x01\x00\x00\x00Z".to_vec();
    let mut checked = bulk::Compressor::new(3).unwrap();
    checked.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
    for (frames, content, note) in [
        (vec![&a, &b], "abcde", None),
        (vec![&skip, &a], "abc", None),
        (vec![&a, &skip], "abc", None),
        (vec![&skip], "", None),
        (vec![&checked.compress(b"abc").unwrap()], "abc", None),
        (vec![&sizeless(b"abc")], "abc", None),
        (vec![&sizeless(b"abc"), &sizeless(b"de")], "abcde", Some("reads the first 3 bytes only")),
        (vec![&sizeless(b"abc"), &b], "abcde", Some("reads the first 3 bytes only")),
        (vec![&a, &sizeless(b"de")], "abcde", Some("refuses it")),
        (vec![&skip, &sizeless(b"de")], "de", Some("refuses it")),
        (vec![&sizeless(b"")], "", Some("refuses it")),
    ] {
        let bytes: Vec<u8> = frames.into_iter().flatten().copied().collect();
        let (decoded, notes) = decode("zstd:", &bytes).unwrap();
        assert_eq!(decoded, content.as_bytes());
        let notes: Vec<String> = notes.into_iter().filter(|note| !note.ends_with("to be skipped")).collect();
        assert_eq!(notes.len(), usize::from(note.is_some()), "{notes:?}");
        assert!(notes.first().is_none_or(|found| found.contains(note.unwrap())), "{notes:?}");
    }
    let mut stream = Encoder::new(Vec::new(), 3).unwrap();
    stream.write_all(&text(131_073)).unwrap();
    let (decoded, notes) = decode("zstd:", &stream.finish().unwrap()).unwrap();
    assert_eq!((decoded, notes.len()), (text(131_073), 1));
}

#[test]
fn zstd_refuses_what_is_no_frame() {
    let frame = encode("zstd:", &text(100));
    let mut damaged = frame.clone();
    damaged[10] ^= 0xff;
    for (bytes, part) in [
        (b"hello".to_vec(), "not a zstd frame at byte 0".to_owned()),
        ([&frame[..], b"x"].concat(), format!("something follows the last zstd frame at byte {}", frame.len())),
        (b"\x28\xb5\x2f\xfd\x21\x05\x03\x19\0\0abc".to_vec(), "dictionary 5".to_owned()),
        (b"\x50\x2a\x4d\x18\xff\xff\xff\xff".to_vec(), "cut short: a skippable frame".to_owned()),
        (b"\x28\xb5\x2f\xfd\x20\x05\x19\0\0abc".to_vec(), "damaged".to_owned()),
    ] {
        let error = decode("zstd:", &bytes).unwrap_err();
        assert!(error.contains(&part), "{error}");
    }
    assert_ne!(decode("zstd:", &damaged).map(|(bytes, _)| bytes), Ok(text(100)));
}

#[test]
fn a_header_that_claims_much_reserves_little_and_names_the_limit() {
    let claim = [&b"\x28\xb5\x2f\xfd\xe0"[..], &(1_u64 << 62).to_le_bytes(), b"\x01\0\0"].concat();
    let window = b"\x28\xb5\x2f\xfd\x00\xa8\x19\0\0abc";
    for (bytes, limit) in [(&claim[..], "`decoded`"), (&window[..], "`window`")] {
        let error = decode("zstd:", bytes).unwrap_err();
        assert!(error.contains(limit) && error.ends_with("at byte 0"), "{error}");
    }
    let most = b"\x28\xb5\x2f\xfd\x00\x88\x19\0\0abc";
    assert_eq!(decode("zstd:", most).unwrap().0, b"abc", "a window of exactly 128 MiB is read");
}

#[test]
fn a_bomb_ends_at_a_limit() {
    let zeros = vec![0; 20 << 20];
    let limits = Limits { decoded: 16 << 20, ..Limits::DEFAULT };
    for url in EACH {
        let level = if *url == "brotli:" { "brotli:?compression-level=1" } else { url };
        let bomb = encode(level, &zeros);
        let codec = Codec::parse(url).unwrap();
        let error = codec.decode(bomb.clone(), &limits).unwrap_err().to_string();
        assert!(error.contains("`decoded` of 16777216 bytes"), "{error}");
        if *url == "base64:" {
            continue;
        }
        let limits = Limits { ratio: 10, ..Limits::DEFAULT };
        let error = codec.decode(bomb, &limits).unwrap_err().to_string();
        assert!(error.contains("`ratio` of 10 times"), "{error}");
    }
}

#[test]
fn a_block_cannot_claim_more_than_its_bytes_can_hold() {
    for (url, bytes) in [
        ("lz4-block:", &b"\xff\xff\xff\x7f\x10a"[..]),
        ("lz4-block:", b"\xff\xff\xff\xff\x10a"),
        ("snappy:", b"\xff\xff\xff\xff\x07\0"),
        ("snappy:", b"\xff\xff\xff\xff\x0f\0"),
    ] {
        let error = decode(url, bytes).unwrap_err();
        assert!(error.contains("bytes cannot hold at byte 0"), "{url}: {error}");
    }
    let dictionary = [&b"\x5d\0\0\0\x80"[..], &[0xff; 8], &[0; 20]].concat();
    let error = decode("xz:", &dictionary).unwrap_err();
    assert!(error.contains("`window`"), "{error}");
    let error = decode("brotli:", b"\x11\x0f\x0f").unwrap_err();
    assert!(error.contains("larger than the format allows"), "{error}");
    let limits = Limits { window: 1 << 20, ..Limits::DEFAULT };
    for url in ["xz:", "brotli:"] {
        let error = Codec::parse(url).unwrap().decode(encode(url, &text(99)), &limits).unwrap_err().to_string();
        assert!(error.contains("`window` of 1048576"), "{error}");
    }
}

#[test]
fn what_follows_a_stream_is_read_as_the_libraries_read_it() {
    let skip = b"\x50\x2a\x4d\x18\x01\x00\x00\x00Z".to_vec();
    let twice = |url| [encode(url, b"abc"), encode(url, b"de")].concat();
    let then = |url, more: &[u8]| [&encode(url, b"abc"), more].concat();
    for (url, bytes, read, note) in [
        ("gzip:", twice("gzip:"), "abcde", "2 members"),
        ("gzip:", then("gzip:", b"\0\0"), "abc", ""),
        ("gzip:", then("gzip:", b"\0\0x"), "!something follows", ""),
        ("gzip:", then("gzip:", b"\x1f"), "!cut short", ""),
        ("bz2:", twice("bz2:"), "abcde", "2 streams"),
        ("bz2:", then("bz2:", b"x"), "abc", "1 byte after"),
        ("bz2:", then("bz2:", b"BZh9"), "!cut short", ""),
        ("bz2:", then("bz2:", b"BZh91AY&SYxxxxxxxxxxxxxxxx"), "abc", "26 bytes after"),
        ("xz:", twice("xz:"), "abcde", "2 streams"),
        ("xz:", then("xz:", b"x"), "abc", "1 byte after"),
        ("xz:", then("xz:", b"\xfd7z"), "!cut short", ""),
        ("lz4:", twice("lz4:"), "abc", "bytes after the first frame"),
        ("lz4:", [skip, encode("lz4:", b"abc")].concat(), "", "to be skipped"),
        ("snappy-framed:", twice("snappy-framed:"), "abcde", "2 streams"),
        ("snappy-framed:", then("snappy-framed:", b"\xfe\x02\0\0zz\x90\x01\0\0z"), "abc", ""),
        ("snappy-framed:", then("snappy-framed:", b"\x02\x01\0\0z"), "!damaged", ""),
        ("brotli:", then("brotli:", b"x"), "!something follows", ""),
        ("snappy:", then("snappy:", b"x"), "!damaged", ""),
        ("lz4-block:", then("lz4-block:", b"x"), "!damaged", ""),
        ("base64:", b"YW\r\nJj\n".to_vec(), "abc", ""),
        ("base64:", b"YWI=\nxx".to_vec(), "ab", "2 bytes after the padding"),
        ("base64:", b" YW-J j".to_vec(), "abc", "passed over, as by Python: 3, digits of the URL-safe"),
        ("base64:", b"Y".to_vec(), "!one more than a multiple", ""),
        ("base64:", b"YQ=".to_vec(), "!the padding is missing", ""),
    ] {
        match (decode(url, &bytes), read.strip_prefix('!')) {
            (Ok((out, notes)), None) => {
                assert_eq!((String::from_utf8(out).unwrap().as_str(), notes.is_empty()), (read, note.is_empty()));
                assert!(notes.concat().contains(note), "{url}: {notes:?}");
            }
            (Err(error), Some(part)) => assert!(error.contains(part), "{url}: {error}"),
            (found, _) => panic!("{url} {}: {found:?}", bytes.escape_ascii()),
        }
    }
}

#[test]
fn damage_is_found_where_the_format_can_tell() {
    for url in ["gzip:", "bz2:", "xz:", "snappy-framed:", "lz4:?content-checksum=1", "lz4:?block-checksum=1"] {
        let bytes = encode(url, &text(500));
        for place in [bytes.len() / 2, bytes.len() / 2 + 3] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x10;
            let error = decode(url, &damaged).unwrap_err();
            assert!(error.contains("damaged") && error.contains("at byte"), "{url} {place}: {error}");
        }
    }
    for url in EACH {
        if !matches!(*url, "base64:" | "zlib:") {
            let error = decode(url, b"hello").unwrap_err();
            assert!(error.contains("at byte"), "{url}: {error}");
        }
    }
}

#[test]
fn what_the_formats_tell_is_told() {
    let named = b"\x1f\x8b\x08\x18\x01\x02\0\0\x02\xffa.txt\0why\0\x03\0\0\0\0\0\0\0\0\0";
    let facts = |url: &str, bytes: &[u8]| {
        let facts = stage(url, bytes).unwrap().1.facts.into_iter();
        facts.map(|(name, fact)| format!("{name} {fact:?}")).collect::<Vec<_>>().join(", ")
    };
    for (url, said) in [
        ("zlib:", "level Words(\"6, the default\"), window Bytes(32768)"),
        ("zlib:?compression-level=9", "level Words(\"7 to 9\"), window Bytes(32768)"),
        ("zstd:", "content Bytes(100), window Bytes(100), segment Words(\"single\"), checksum Words(\"no\")"),
        ("gzip:", "level Words(\"9\")"),
        ("gzip:?compression-level=6", "level Words(\"2 to 8, or not said\")"),
        (
            "lz4:?content-checksum=1",
            "block Bytes(65536), blocks Words(\"independent\"), block checksums Words(\"no\"), content Bytes(100), \
             checksum Words(\"yes\")",
        ),
        ("bz2:?compression-level=3", "block Bytes(300000)"),
        ("xz:", "format Words(\"xz\"), check Words(\"crc64\"), dictionary Bytes(8388608)"),
        ("xz:?compression-level=0", "format Words(\"xz\"), check Words(\"crc64\"), dictionary Bytes(262144)"),
        ("brotli:?compression-window=18", "window Bytes(262128)"),
        ("snappy:", "content Bytes(100)"),
        ("snappy-framed:", "chunks Number(1)"),
        ("base64:", ""),
    ] {
        assert_eq!(facts(url, &encode(url, &text(100))), said, "{url}");
    }
    let said = "level Words(\"9\"), mtime Number(513), name Text([97, 46, 116, 120, 116]), \
                comment Text([119, 104, 121])";
    assert_eq!(facts("gzip:", named), said);
}

#[test]
fn a_thread_keeps_its_contexts_and_nothing_of_the_last_value() {
    for url in ["zlib:", "gzip:", "zstd:"] {
        let (fine, other) = (encode(url, &text(5000)), encode(&format!("{url}?compression-level=1"), &text(5000)));
        for broken in [&fine[..fine.len() / 2], &fine[..8], b"x", b""] {
            let _ = decode(url, broken);
            assert_eq!(decode(url, &fine).unwrap().0, text(5000), "{url}");
            assert_eq!(encode(&format!("{url}?compression-level=1"), &text(5000)), other, "{url}");
            assert_eq!(encode(url, &text(5000)), fine, "{url}");
        }
    }
}
