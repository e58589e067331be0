//! The codecs beside the libraries that they stand in for, over generated data with a fixed seed.
//!
//! Python writes what it was given and what it made of it ([`PROGRAM`]); here the same is made of it.

use std::io::Write;
use std::time::{Duration, Instant};

use cachectl::codec::{Codec, detect};
use cachectl::limits::Limits;
use cachectl::value::Value;

use crate::python;

const PROGRAM: &str = include_str!("codecs.py");

/// Records that Python wrote, with `N` fields each.
fn records<const N: usize>(kind: &str) -> Vec<[Option<Vec<u8>>; N]> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records");
    python::run(PROGRAM, &[kind, path.to_str().unwrap()]);
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut field = || {
        let (length, after) = rest.split_first_chunk::<4>().unwrap();
        let (field, after) = match u32::from_le_bytes(*length) {
            u32::MAX => (None, after),
            length => (Some(after[..length as usize].to_vec()), &after[length as usize..]),
        };
        rest = after;
        (field, rest.is_empty())
    };
    let mut out = Vec::new();
    loop {
        let mut end = false;
        out.push(std::array::from_fn(|_| {
            let (field, last) = field();
            end = last;
            field
        }));
        if end {
            return out;
        }
    }
}

fn codec(url: &str) -> Codec {
    Codec::parse(url).unwrap()
}

fn decode(url: &str, bytes: &[u8]) -> Result<Value, String> {
    codec(url).decode(bytes.to_vec(), &Limits::DEFAULT).map(|decoded| decoded.value).map_err(|error| error.to_string())
}

fn encode(url: &str, value: &Value) -> Result<Vec<u8>, String> {
    codec(url).encode(value, &Limits::DEFAULT).map_err(|error| error.to_string())
}

fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(300)].escape_ascii().to_string()
}

#[test]
fn json_and_msgpack_are_written_as_python_writes_them() {
    let records = records::<3>("corpus");
    assert!(records.len() > 2300);
    let mut packed = 0;
    for [document, dumped, expected] in records {
        let (document, dumped) = (document.unwrap(), dumped.unwrap());
        let value = decode("json:", &document).unwrap();
        let written = encode("json:", &value).unwrap();
        let place = written.iter().zip(&dumped).take_while(|(ours, theirs)| ours == theirs).count().saturating_sub(20);
        assert!(written == dumped, "{} for {}", show(&written[place..]), show(&dumped[place..]));
        match (encode("msgpack:", &value), expected) {
            (Ok(bytes), Some(expected)) => {
                assert!(bytes == expected, "{}", show(&document));
                let again = decode("msgpack:", &bytes).unwrap();
                assert!(again.same(&value), "{}", show(&document));
                packed += 1;
            }
            (Err(_), None) => {}
            (found, _) => panic!("{}: {found:?}", show(&document)),
        }
    }
    assert!(packed > 1000, "{packed}");
}

#[test]
fn exactly_the_json_that_python_reads_is_read() {
    let records = records::<2>("malformed");
    let refused = records.iter().filter(|[_, read]| read.is_none()).count();
    assert!((2000..10_000).contains(&refused), "{refused} of {}", records.len());
    for [text, read] in records {
        let text = text.unwrap();
        let value = decode("json:", &text);
        let found = value.and_then(|value| encode("json:", &value));
        match (&found, &read) {
            (Ok(found), Some(read)) => assert!(found == read, "{}", show(&text)),
            (Err(_), None) => {}
            _ => panic!("{}: {:?}, and Python {:?}", show(&text), found, read.as_deref().map(show)),
        }
    }
}

#[test]
fn compressed_bytes_go_both_ways() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ours");
    let mut ours = Vec::new();
    let records: Vec<_> = records::<3>("frames").into_iter().chain(records::<3>("layers")).collect();
    for [url, data, compressed] in &records {
        let [url, data, compressed] = [url, data, compressed].map(|field| field.as_deref().unwrap());
        let name = std::str::from_utf8(url).unwrap();
        assert!(decode(name, compressed).unwrap().same(&Value::of_bytes(data)), "{name}: {}", show(data));
        let bytes = encode(name, &Value::of_bytes(data)).unwrap();
        // Other compressors than zstd's are other programs here; their headers are the same.
        let same = match name.split_once(':').unwrap().0 {
            "zstd" => compressed.len(),
            "zlib" if compressed[0] == 0x78 => 2,
            "gzip" => 9, // The next byte is the system.
            "lz4" => 7,
            "bz2" => 4,
            _ => 0,
        };
        assert_eq!(show(&bytes[..same.min(bytes.len())]), show(&compressed[..same]), "{name}, {} bytes", data.len());
        for field in [url, data, &bytes] {
            ours.extend(u32::try_from(field.len()).unwrap().to_le_bytes());
            ours.extend_from_slice(field);
        }
    }
    std::fs::write(&path, ours).unwrap();
    let count = python::run(PROGRAM, &["inflate", path.to_str().unwrap()]);
    assert_eq!(count.trim(), records.len().to_string());
}

#[test]
fn exactly_the_streams_that_python_reads_are_read() {
    let records = records::<3>("odd");
    let refused = records.iter().filter(|[.., read]| read.is_none()).count();
    assert!((3000..records.len() - 3000).contains(&refused), "{refused} of {}", records.len());
    let mut different = Vec::new();
    for [url, bytes, read] in records {
        let (url, bytes) = (String::from_utf8(url.unwrap()).unwrap(), bytes.unwrap());
        let found = decode(&url, &bytes);
        let same = match (&found, &read) {
            (Ok(value), Some(read)) => value.same(&Value::of_bytes(read.as_slice())),
            (found, read) => found.is_err() == read.is_none(),
        };
        if !same {
            let found = found.map(|value| show(value.text(value.whole())));
            different.push(format!("{url} {}: {found:?}, and Python {:?}", show(&bytes), read.as_deref().map(show)));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn bombs_end_soon_and_name_their_limit() {
    let zeros = vec![0; 1 << 20];
    // A block after a full flush does not look back, so it can be repeated; the stream has no end,
    // but no reader comes as far as that.
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), true);
    let mut zlib = Vec::with_capacity(1 << 14);
    deflate.compress_vec(&zeros, &mut zlib, flate2::FlushCompress::Full).unwrap();
    let first = zlib.len();
    deflate.compress_vec(&zeros, &mut zlib, flate2::FlushCompress::Full).unwrap();
    zlib.extend_from_slice(&zlib[first..].repeat(1022));
    let mut zstd = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    for _ in 0..1024 {
        zstd.write_all(&zeros).unwrap();
    }
    let zstd = zstd.finish().unwrap();
    let double = encode("zlib:", &Value::of_bytes(zlib.as_slice())).unwrap();
    let window = b"\x28\xb5\x2f\xfd\x00\xa8\x19\0\0abc".to_vec();
    let claim = [&b"\x28\xb5\x2f\xfd\xe0"[..], &(1_u64 << 62).to_le_bytes(), b"\x01\0\0"].concat();
    for (url, bytes, limit) in [
        ("zlib:", zlib, "`decoded`"),
        ("zlib+zlib:", double.clone(), "`decoded`"),
        ("json+zlib+zlib:", double, "`decoded`"),
        ("zstd:", zstd, "`ratio`"),
        ("zstd:", window, "`window`"),
        ("zstd:", claim, "`decoded`"),
        ("json:", b"[".repeat(1_000_000), "`depth`"),
        ("msgpack:", vec![0x91; 1_000_000], "`depth`"),
    ] {
        let start = Instant::now();
        let error = decode(url, &bytes).unwrap_err();
        assert!(error.contains(limit), "{url}: {error}");
        assert!(detect::detect(&bytes, &Limits::DEFAULT).unwrap_err().to_string().contains(limit), "{url}");
        assert!(start.elapsed() < Duration::from_secs(5), "{url} took {:?}", start.elapsed());
    }
}

/// JSON in each of the other layers.
const LAYERS: &[&str] = &[
    "json+gzip:",
    "json+lz4:",
    "json+lz4:?block-checksum=1&content-checksum=1",
    "json+lz4-block:",
    "json+bz2:",
    "json+xz:",
    "json+brotli:",
    "json+snappy:",
    "json+snappy-framed:",
    "json+base64:",
];

#[test]
fn damaged_bytes_never_panic_and_what_is_read_can_be_read_again() {
    let text = br#"{"a": [1, -2.5, "x\u00e9\ud83d\ude00", null, true], "b": {"c": 18446744073709551615, "a": []}}"#;
    let value = decode("json:", text).unwrap();
    let extended = [
        &b"\x84\xa1a\xd6\xff\x00\x00\x00\x01\x05\xd7\x05abcdefgh\x91\xc0\xc4\x03\xff\xfe\xfd"[..],
        b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xca\x00\x00\x00\x00",
    ]
    .concat();
    let mut seeds = vec![("msgpack:", extended)];
    for url in ["json:", "msgpack:", "json+zlib:", "json+zstd:", "msgpack+zlib+zstd:"] {
        seeds.push((url, encode(url, &value).unwrap()));
    }
    for url in LAYERS {
        seeds.push((url, encode(url, &value).unwrap()));
    }
    let limits = Limits { decoded: 1 << 16, depth: 20, nodes: 1000, ..Limits::DEFAULT };
    let mut random = fastrand::Rng::with_seed(5);
    let mut read = 0;
    for _ in 0..30_000 {
        let (url, seed) = random.choice(&seeds).unwrap();
        let mut bytes = seed.clone();
        for _ in 0..random.usize(0..4) {
            let place = random.usize(0..=bytes.len());
            match random.u8(0..4) {
                0 => bytes.insert(place, random.u8(..)),
                1 => bytes.truncate(place),
                2 if place < bytes.len() => drop(bytes.remove(place)),
                _ if place < bytes.len() => bytes[place] = random.u8(..),
                _ => {}
            }
        }
        let _ = detect::detect(&bytes, &limits);
        let Ok(decoded) = codec(url).decode(bytes.clone(), &limits) else { continue };
        let Ok(again) = codec(url).encode(&decoded.value, &limits) else { continue };
        let again = codec(url).decode(again, &limits).unwrap();
        assert!(again.value.same(&decoded.value), "{url}: {}", show(&bytes));
        read += 1;
    }
    assert!(read > 3000, "{read}");
}
