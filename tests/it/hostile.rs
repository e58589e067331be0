//! Values and servers that were made to hurt: each ends within a second and 256 MiB, and names its limit.
//!
//! A corpus as data. A case is a name, the chain that it is read with, bytes and how it must end;
//! every case runs as a process of its own, in each output format where that matters.

use std::io::Write as _;
use std::time::Duration;

use cachectl::codec::Codec;
use cachectl::limits::Limits;
use cachectl::value::Value;

use crate::env::{Env, Ran};
use crate::server::Fake;

/// What a case may take in a release build. Without optimization, on a machine that is busy with
/// other tests, ten would be a hang.
const SLOW: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 1 });

const FORMATS: [&str; 5] = ["text", "json", "plain", "python", "jsonl"];

struct Case {
    name: &'static str,
    chain: &'static str,
    bytes: Vec<u8>,
    ends: Ends,
}

/// How a case must end.
#[derive(Clone, Copy)]
enum Ends {
    /// Refused, with the name of this limit.
    Limit(&'static str),
    /// Refused, with these words.
    Wrong(&'static str),
    /// Shown, in every format but those named, in no more bytes than this.
    Shown(usize, &'static [&'static str]),
}

use Ends::{Limit, Shown, Wrong};

fn case(name: &'static str, chain: &'static str, bytes: impl Into<Vec<u8>>, ends: Ends) -> Case {
    Case { name, chain, bytes: bytes.into(), ends }
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 19).unwrap()
}

fn pickle(parts: &[&[u8]]) -> Vec<u8> {
    [&[&b"\x80\x04"[..]], parts, &[&b"."[..]]].concat().concat()
}

/// `levels` containers, each twice the one before: `x = []; x = [x, x]; …`.
fn memo_bomb(levels: u8) -> Vec<u8> {
    let twice = |level| [b']', 0x94, b'(', b'h', level, b'h', level, b'e'];
    pickle(&[b"]\x94", &(0..levels).flat_map(twice).collect::<Vec<u8>>()])
}

fn tuple_bomb(levels: u8) -> Vec<u8> {
    pickle(&[b"N\x94", &(0..levels).flat_map(|level| [b'h', level, b'h', level, 0x86, 0x94]).collect::<Vec<u8>>()])
}

fn dict_bomb(levels: u8) -> Vec<u8> {
    let twice = |level| [b'}', 0x94, b'(', b'K', 1, b'h', level, b'K', 2, b'h', level, b'u'];
    pickle(&[b"}\x94", &(0..levels).flat_map(twice).collect::<Vec<u8>>()])
}

fn deep(levels: usize) -> Vec<u8> {
    pickle(&[&b"]".repeat(levels), &b"a".repeat(levels - 1)])
}

/// What would run, write or load something, were it obeyed (S1).
fn calling() -> Vec<Case> {
    let touch = b"X\x0a\0\0\0touch evil";
    let shown = Shown(500, &[]);
    let call = |callable: &[u8]| pickle(&[callable, b"(X\x0a\0\0\0touch evil", b"tR"]);
    vec![
        case("os.system", "pickle://", call(b"cposix\nsystem\n"), shown),
        case("eval", "pickle://", call(b"c__builtin__\neval\n"), shown),
        case("a shell", "pickle://", call(b"csubprocess\ncheck_output\n"), shown),
        case("a file to write", "pickle://", pickle(&[b"cbuiltins\nopen\n(X\x04\0\0\0evilX\x01\0\0\0wtR"]), shown),
        case(
            "a method by getattr",
            "pickle://",
            call(b"cbuiltins\ngetattr\n(cos\nsystem\nX\x08\0\0\0__call__tR"),
            shown,
        ),
        case(
            "a name from the memo",
            "pickle://",
            call(b"X\x05\0\0\0posixq\x000X\x06\0\0\0systemq\x010h\x00h\x01\x93"),
            shown,
        ),
        case("INST", "pickle://", b"(S'touch evil'\nios\nsystem\n.", shown),
        case("OBJ", "pickle://", b"(cos\nsystem\nS'touch evil'\no.", shown),
        case("a state", "pickle://", pickle(&[b"ca\nB\n)\x81}X\x0c\0\0\0__setstate__cos\nsystem\nsb"]), shown),
        case("an extension", "pickle://", pickle(&[b"\x84\xff\xff\xff\x7f(tR"]), shown),
        case("a persistent id", "pickle://", pickle(&[touch, b"Q"]), shown),
        case("msgpack's pickle", "msgpack://", b"\xc7\x0b\x01cos\nsystem\n", shown),
    ]
}

/// What grows by sharing, by nesting and by containing itself (S3).
fn growing() -> Vec<Case> {
    let million = 1_000_000;
    let dicts = [b"}".repeat(million), b"K\x01".to_vec(), b"Ns".to_vec()].concat();
    vec![
        case("lists shared 60 deep", "pickle://", memo_bomb(60), Shown(100_000, &["python", "plain"])),
        case("tuples shared 60 deep", "pickle://", tuple_bomb(60), Shown(100_000, &["python", "plain"])),
        case("dicts shared 60 deep", "pickle://", dict_bomb(60), Shown(100_000, &["python", "plain"])),
        case("lists shared 250 deep", "pickle://", memo_bomb(250), Shown(500_000, &["python", "plain"])),
        case("a list in itself", "pickle://", pickle(&[b"]\x94h\x00a"]), Shown(200, &["plain"])),
        case("a dict in itself", "pickle://", pickle(&[b"}\x94K\x01h\x00s"]), Shown(200, &["plain"])),
        case("a tuple in its list", "pickle://", pickle(&[b"]\x94h\x00\x85\x94a0h\x01"]), Shown(200, &["plain"])),
        case("an object in its state", "pickle://", pickle(&[b"ca\nB\n)\x81\x94h\x00b"]), Shown(300, &["plain"])),
        case("deep lists", "pickle://", deep(million), Limit("depth")),
        case("deep tuples", "pickle://", pickle(&[b"N", &b"\x85".repeat(million)]), Limit("depth")),
        case(
            "deep objects",
            "pickle://",
            pickle(&[b"ca\nB\n\x940", &b"h\x00".repeat(5000), b"N", &b"R".repeat(5000)]),
            Limit("depth"),
        ),
        case(
            "deep states",
            "pickle://",
            pickle(&[&b"ca\nB\n)\x81".repeat(5000), b"N", &b"b".repeat(5000)]),
            Limit("depth"),
        ),
        case("dicts that are never closed", "pickle://", pickle(&[&dicts]), Shown(100, &[])),
        case("deep json", "json://", b"[".repeat(million), Limit("depth")),
        case("deep json objects", "json://", b"{\"a\":".repeat(million), Limit("depth")),
        case("deep msgpack", "msgpack://", b"\x91".repeat(million), Limit("depth")),
        case("deep msgpack maps", "msgpack://", b"\x81\x01".repeat(million), Limit("depth")),
    ]
}

/// What claims to be long, and is not (S3).
fn claiming() -> Vec<Case> {
    vec![
        case("BINUNICODE8 of 2^40", "pickle://", pickle(&[b"\x8d\0\0\0\0\0\x01\0\0"]), Wrong("announces")),
        case("BINBYTES8 of 2^62", "pickle://", pickle(&[b"\x8e\0\0\0\0\0\0\0\x40"]), Wrong("announces")),
        case("BYTEARRAY8 of 2^63", "pickle://", pickle(&[b"\x96\0\0\0\0\0\0\0\x80"]), Wrong("announces")),
        case("BINUNICODE of 4 GiB", "pickle://", pickle(&[b"X\xff\xff\xff\xff"]), Wrong("announces")),
        case("BINSTRING of a negative length", "pickle://", pickle(&[b"T\xff\xff\xff\xff"]), Wrong("negative")),
        case("a frame of 2^64", "pickle://", pickle(&[b"\x95\xff\xff\xff\xff\xff\xff\xff\xffN"]), Wrong("announces")),
        case("LONG4 of 1 GiB", "pickle://", pickle(&[b"\x8b\0\0\0\x40\x01"]), Limit("integer")),
        case("LONG of 2 million digits", "pickle://", pickle(&[b"L", &b"9".repeat(2 << 20), b"L\n"]), Limit("integer")),
        case(
            "LONG of 900,000 digits",
            "pickle://",
            pickle(&[b"L", &b"9".repeat(900_000), b"L\n"]),
            Wrong("more than 4300 digits"),
        ),
        case("memo slot 2^32", "pickle://", pickle(&[b"Nr\xff\xff\xff\xff0]j\xfe\xff\xff\xff"]), Wrong("memo")),
        case("memo slot 10^30", "pickle://", pickle(&[b"Np1", &b"0".repeat(30), b"\n"]), Wrong("not a number")),
        case("protocol 255", "pickle://", b"\x80\xffN.".to_vec(), Wrong("protocol 255")),
        case("msgpack array of 2^32", "msgpack://", b"\xdd\xff\xff\xff\xff", Wrong("cut short")),
        case("msgpack map of 2^32", "msgpack://", b"\xdf\xff\xff\xff\xff", Wrong("cut short")),
        case("msgpack bin of 4 GiB", "msgpack://", b"\xc6\xff\xff\xff\xff", Wrong("cut short")),
        case("msgpack str of 4 GiB", "msgpack://", b"\xdb\xff\xff\xff\xff", Wrong("cut short")),
        case("msgpack ext of 4 GiB", "msgpack://", b"\xc9\xff\xff\xff\xff\x01", Wrong("cut short")),
        case("msgpack arrays in arrays of 2^32", "msgpack://", b"\xdd\xff\xff\xff\xff".repeat(900), Wrong("cut short")),
        case("json number of 1 million digits", "json://", b"9".repeat(1 << 20), Wrong("4300")),
        case(
            "json exponent of 1 million digits",
            "json://",
            [b"1e".to_vec(), b"9".repeat(1 << 20)].concat(),
            Shown(100, &[]),
        ),
    ]
}

/// Half a million objects that `callable` makes of one long text.
fn shared(callable: &[u8], text: &[u8]) -> Vec<u8> {
    let len = u32::try_from(text.len()).unwrap().to_le_bytes();
    pickle(&[callable, b"\x94X", &len, text, b"\x85\x94](", &b"h\x00h\x01R".repeat(1 << 19), b"e"])
}

/// What is long, past what one value may cost (S3).
fn spending() -> Vec<Case> {
    let long = 1 << 20;
    let set = [&b"cbuiltins\nset\nq\x00]q\x01("[..], &b"N".repeat(10_000), b"e\x85q\x02"].concat();
    let text = [&b"c_codecs\nencode\nq\x00(X\x00\x00\x10\x00"[..], &b"x".repeat(1 << 20), b"Vlatin1\ntq\x01"].concat();
    vec![
        case("opcodes", "pickle://", pickle(&[&b"N0".repeat(9 << 20), b"N"]), Limit("opcodes")),
        case("a stack of millions", "pickle://", pickle(&[&b"N".repeat(5 << 20)]), Limit("nodes")),
        case("marks by the million", "pickle://", pickle(&[&b"(".repeat(5 << 20)]), Limit("nodes")),
        case("a memo of millions", "pickle://", pickle(&[b"N", &b"\x94".repeat(5 << 20)]), Limit("nodes")),
        case("a tuple of millions", "pickle://", pickle(&[b"(", &b"N".repeat(5 << 20), b"t"]), Limit("nodes")),
        case("empty lists by the million", "pickle://", pickle(&[&b"]0".repeat(5 << 20), b"N"]), Limit("nodes")),
        case("steps by the million", "pickle://", pickle(&[b"ca\nB\n)R", &b"Nb".repeat(3 << 20)]), Limit("nodes")),
        case(
            "a list made a set 1000 times",
            "pickle://",
            pickle(&[&set, &b"h\x00h\x02R".repeat(1000)]),
            Limit("nodes"),
        ),
        case("a text encoded 100 times", "pickle://", pickle(&[&text, &b"h\x00h\x01R".repeat(100)]), Limit("decoded")),
        case(
            "a json list of millions",
            "json://",
            [b"[1".to_vec(), b",1".repeat(5 << 20), b"]".to_vec()].concat(),
            Limit("nodes"),
        ),
        case(
            "a msgpack array of millions",
            "msgpack://",
            [b"\xdd\x00\x50\x00\x00".to_vec(), vec![1; 5 << 20]].concat(),
            Limit("nodes"),
        ),
        case("a decimal's digits", "pickle://", shared(b"cdecimal\nDecimal\n", &b"1".repeat(long)), Limit("output")),
        case("a UUID's", "pickle://", shared(b"cuuid\nUUID\n", &b"1".repeat(long)), Limit("output")),
        case("a path's letters", "pickle://", shared(b"cpathlib\nPosixPath\n", &b"a".repeat(long)), Limit("output")),
        case("a long value", "noop://", vec![b'x'; (64 << 20) + 1], Limit("stored")),
        case(
            "equal keys by the hundred thousand",
            "json://",
            [b"{\"a\":1".to_vec(), b",\"a\":1".repeat(200_000), b"}".to_vec()].concat(),
            Shown(100, &[]),
        ),
    ]
}

/// Compressed bombs, for each layer there is, alone and nested (S4).
fn compressed() -> Vec<Case> {
    let zeros = vec![0; 96 << 20];
    let once = zlib(&zeros);
    let small = zstd(&zeros[..32 << 20]);
    let zeros_in = |chain: &str| Codec::parse(chain).unwrap().encode(&Value::of_bytes(&zeros[..]), &Limits::DEFAULT);
    let bomb = |chain, limit| case(chain, chain, zeros_in(chain).unwrap(), Limit(limit));
    let wide = b"\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00";
    let huge = b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x00\x00";
    vec![
        case("zlib", "noop+zlib://", once.clone(), Limit("decoded")),
        case("zlib in zlib", "noop+zlib+zlib://", zlib(&once), Limit("decoded")),
        case("zlib in zlib in zlib", "noop+zlib+zlib+zlib://", zlib(&zlib(&once)), Limit("decoded")),
        case("zlib in zstd", "noop+zlib+zstd://", zstd(&once), Limit("decoded")),
        case("zlib, smaller", "noop+zlib://", zlib(&zeros[..32 << 20]), Limit("ratio")),
        case("zlib that is cut short", "noop+zlib://", &once[..once.len() / 2], Limit("ratio")),
        case("zstd", "noop+zstd://", zstd(&zeros), Limit("decoded")),
        case("zstd in zlib", "noop+zstd+zlib://", zlib(&zstd(&zeros)), Limit("decoded")),
        case("zstd, smaller", "noop+zstd://", small, Limit("ratio")),
        case("zstd window", "noop+zstd://", wide, Wrong("window")),
        case("zstd that claims 2^63 bytes", "noop+zstd://", huge, Wrong("zstd")),
        case("a pickle of zeros in zlib", "pickle+zlib://", zlib(&zeros[..40 << 20]), Limit("ratio")),
        case(
            "too many layers",
            "noop+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib+zlib://",
            "",
            Wrong(""),
        ),
        bomb("noop+gzip://", "decoded"),
        bomb("noop+bz2://?compression-level=1", "ratio"),
        bomb("noop+xz://?compression-level=0", "ratio"),
        bomb("noop+brotli://?compression-level=1", "decoded"),
        bomb("noop+lz4://", "decoded"),
        bomb("noop+lz4-block://", "decoded"),
        bomb("noop+snappy://", "decoded"),
        bomb("noop+snappy-framed://", "decoded"),
        case("lz4-block that claims 2 GiB", "noop+lz4-block://", b"\xff\xff\xff\x7f\x10a", Wrong("lz4-block")),
        case("snappy that claims 2 GiB", "noop+snappy://", b"\xff\xff\xff\xff\x07\0", Wrong("snappy")),
        case(
            "a block of lz4 of 2 GiB",
            "noop+lz4://",
            b"\x04\x22\x4d\x18\x68\x70\xff\xff\xff\xff\0\0\0\0\0",
            Wrong("lz4"),
        ),
        case(
            "an .lzma that asks for 2 GiB",
            "noop+xz://",
            b"\x5d\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0",
            Limit("window"),
        ),
    ]
}

#[test]
fn what_calls_is_shown_and_not_obeyed() {
    assert_all(calling());
}

#[test]
fn what_grows_ends() {
    assert_all(growing());
}

#[test]
fn what_only_claims_ends() {
    assert_all(claiming());
}

#[test]
fn what_costs_too_much_ends() {
    assert_all(spending());
}

#[test]
fn what_is_a_bomb_ends() {
    assert_all(compressed());
}

#[test]
fn there_are_sixty_cases_and_more() {
    let count = calling().len() + growing().len() + claiming().len() + spending().len();
    assert!(count >= 60, "{count}");
}

fn decode(chain: &str, output: &str, bytes: &[u8]) -> Ran {
    let env = Env::new().within_mib(256).within(SLOW);
    let ran = env.feed(["decode", "-s", chain, "-o", output], bytes);
    assert!(!env.path("evil").exists(), "{ran}");
    ran
}

/// Runs every case, and says what each took: `cargo test --release --test it hostile -- --nocapture`.
#[expect(clippy::print_stderr, reason = "it prints a table for who reads the test's output")]
fn assert_all(cases: Vec<Case>) {
    for Case { name, chain, bytes, ends } in cases {
        let outputs = if matches!(ends, Shown(..)) { &FORMATS[..] } else { &["python"] };
        for output in outputs {
            let ran = decode(chain, output, &bytes);
            eprintln!("{:>8.1} ms  {output:<7} {name}", ran.took.as_secs_f64() * 1000.0);
            assert_ends(name, output, ends, &ran);
        }
    }
}

fn assert_ends(name: &str, output: &str, ends: Ends, ran: &Ran) {
    let says = match ends {
        Shown(most, refused) if !refused.contains(&output) => {
            assert_eq!(ran.status, Some(0), "{name}: {ran}");
            assert!(ran.stdout.len() <= most, "{name} in {output}: {} bytes", ran.stdout.len());
            return;
        }
        Shown(..) => "",
        Limit(limit) => limit,
        Wrong(says) => says,
    };
    assert!(matches!(ran.status, Some(2 | 3)), "{name} in {output}: {ran}");
    assert!(ran.stderr().contains(says), "{name} in {output}: {ran}");
    if let Limit(limit) = ends {
        assert!(ran.stderr().contains(&format!("`{limit}`")), "{name}: {ran}");
    }
}

#[test]
fn what_is_refused_in_python_and_plain_names_the_option() {
    for bytes in [memo_bomb(60), tuple_bomb(60), dict_bomb(60)] {
        let ran = decode("pickle://", "plain", &bytes);
        assert!(ran.stderr().contains("--max printed="), "{ran}");
    }
    assert_eq!(decode("pickle://", "python", b"\x80\x04]\x94h\x00a.").ok(), "[[...]]\n");
}

#[test]
fn an_array_of_millions_is_shown_by_its_shape() {
    let bytes: u32 = 30_000_000;
    let head = [b"carray\n_array_reconstructor\n(carray\narray\nX\x01\0\0\0bK\x01B", &bytes.to_le_bytes()[..]].concat();
    let array = pickle(&[&head, &vec![0; bytes as usize], b"tR"]);
    for output in ["python", "plain", "text"] {
        let shown = decode("pickle://", output, &array).ok();
        assert!(shown.contains("array.array(shape=(30000000,), dtype=int8)"), "{output}: {shown:.200}");
    }
}

#[test]
fn a_limit_can_be_raised() {
    let deep = deep(2000);
    let env = Env::new();
    env.feed(["decode", "-s", "pickle://"], &deep).fails(3);
    env.feed(["decode", "-s", "pickle://", "--max", "depth=2000"], &deep).ok();
}

#[test]
fn a_limit_ends_with_one_status_whether_bytes_were_stored_or_typed() {
    let env = Env::new();
    env.feed(["decode", "-s", "json://", "--max", "depth=2"], b"[[[1]]]").fails(3);
    for how in [&["[[[1]]]"][..], &["--json", "[[[1]]]"], &["--json", "-"], &["-"]] {
        let ran = env.feed([&["encode", "--max", "depth=2"], how].concat(), b"[[[1]]]");
        assert!(ran.fails(3).contains("`depth`"), "{how:?}");
    }
}

#[test]
fn detection_survives_whatever_it_is_given() {
    let env = Env::new().within_mib(256).within(SLOW);
    for bytes in [memo_bomb(60), deep(1_000_000), zlib(&vec![0; 96 << 20]), b"[".repeat(1_000_000), Vec::new()] {
        let ran = env.feed(["decode"], &bytes);
        assert!(matches!(ran.status, Some(0 | 3)), "{ran}");
    }
}

/// What a terminal would act on or hide (S5).
const CONTROLS: [&str; 15] = [
    "\u{1b}]0;title\u{7}",
    "\u{1b}]8;;http://localhost/\u{1b}\\",
    "\u{1b}]52;c;aGk=\u{7}",
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}Pq\u{1b}\\",
    "\u{1b}c",
    "real\rfake",
    "\u{8}\u{8}\u{8}",
    "\u{7f}",
    "\u{9b}31m",
    "\u{90}x\u{9c}",
    "\u{202e}gnp.exe",
    "\u{2066}x\u{2069}",
    "a\u{200b}b\u{feff}",
    "\u{2028}\u{85}",
];

#[test]
fn control_characters_are_never_written_as_they_are() {
    for control in CONTROLS {
        let len = u8::try_from(control.len()).unwrap();
        let text = [&[0x8c, len], control.as_bytes()].concat();
        let named = [b"c", control.replace('\r', "").as_bytes(), b"\n", control.as_bytes(), b"\n"].concat();
        let values = [
            ("pickle://", pickle(&[&text])),
            ("pickle://", pickle(&[b"}", &text, &text, b"s"])),
            ("pickle://", pickle(&[&named])),
            ("pickle://", pickle(&[&named, b")R"])),
            ("json://", format!("[1, {control}]").into_bytes()),
            ("string://", control.into()),
            ("auto://", control.into()),
        ];
        for (chain, bytes) in values {
            for output in ["text", "python"] {
                let chain: &[&str] = if chain == "auto://" { &[] } else { &["-s", chain] };
                let env = Env::new().within_mib(256).within(SLOW);
                let ran = env.feed([&["decode", "-o", output], chain].concat(), &bytes);
                assert!(matches!(ran.status, Some(0 | 3)), "{ran}");
                let c0 = ran.stdout.iter().find(|byte| **byte < 0x20 && **byte != b'\n');
                assert_eq!(c0, None, "{ran}");
                // JSON that goes to a pipe keeps what JSON holds as it is; on a terminal, see pty.rs.
                let stdout = if output == "python" { ran.stdout.clone() } else { Vec::new() };
                assert_harmless(&Ran { stdout, ..ran });
            }
        }
    }
}

/// That a terminal could be shown both streams.
fn assert_harmless(ran: &Ran) {
    for stream in [String::from_utf8_lossy(&ran.stdout).into_owned(), ran.stderr()] {
        let hidden = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let harmful = stream.chars().find(|c| (c.is_control() && *c != '\n') || hidden(*c) || *c == '\u{feff}');
        assert_eq!(harmful, None, "{ran}");
    }
}

/// What a hostile or confused server answers (S18).
const ANSWERS: [(&str, &[u8]); 20] = [
    ("a bulk of 2^63", b"$9223372036854775807\r\n"),
    ("a bulk of 2^64", b"$18446744073709551616\r\n"),
    ("a bulk of 1 GiB", b"$1073741824\r\nx"),
    ("a bulk of a negative length", b"$-7\r\n"),
    ("a bulk that says no length", b"$\r\n"),
    ("a bulk that is cut short", b"$100\r\nhello"),
    ("a bulk without its end", b"$5\r\nhelloworld"),
    ("an array of 10^9", b"*1000000000\r\n"),
    ("an array of 2^63", b"*9223372036854775807\r\n:1\r\n"),
    ("a map of 10^9", b"%1000000000\r\n"),
    ("a set of 10^9", b"~1000000000\r\n"),
    ("a push of 10^9", b">1000000000\r\n"),
    ("an integer of 30 digits", b":999999999999999999999999999999\r\n"),
    ("an error that speaks to the terminal", b"-ERR \x1b]0;owned\x07\x1b[2J\r\n"),
    ("an error that hides", b"-ERR \xe2\x80\xaegnp\r\n"),
    ("bytes that are not text", b"+\xff\xfe\xfd\r\n"),
    ("another protocol", b"HTTP/1.1 200 OK\r\n\r\n"),
    ("zeros", &[0; 64]),
    ("a line without an end", b"+OK"),
    ("nothing", b""),
];

#[test]
fn hostile_servers_are_errors() {
    for (name, answer) in ANSWERS {
        for fake in [Fake::says_and_closes(answer), Fake::drips(answer)] {
            let env = Env::new().within_mib(256).within(SLOW);
            for command in [&["get", "k"][..], &["ls"]] {
                let ran = env.run([&["-b", &fake.url(), "--timeout", "1s"], command].concat());
                assert!(matches!(ran.status, Some(3..=5)), "{name}: {ran}");
                assert!(ran.stdout.is_empty(), "{name}: {ran}");
                assert_harmless(&ran);
            }
        }
    }
}

#[test]
fn replies_nested_in_replies_or_without_an_end_are_refused() {
    let long_error = [&b"-ERR "[..], &b"x".repeat(32 << 20)].concat();
    let nested = [&b"*1\r\n"[..], b"%1\r\n:1\r\n", b"~1\r\n"].map(|nested| nested.repeat(100_000));
    for answer in nested.into_iter().chain([long_error]) {
        let fake = Fake::says_and_closes(answer.leak());
        let env = Env::new().within_mib(256).within(SLOW);
        let ran = env.run(["-b", &fake.url(), "get", "k"]);
        assert!(matches!(ran.status, Some(3..=5)), "{ran}");
        assert_harmless(&ran);
    }
}
