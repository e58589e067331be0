//! Values that are short to say and long to show, or that two readings could tell apart.

use std::time::Duration;

use cachectl::codec::Codec;
use cachectl::limits::Limits;
use cachectl::value::print::Expansion;
use cachectl::value::python::{self, Manner, Paper, Tint, Words};

use crate::env::{Env, Ran};
use crate::python::feed;

/// A machine that is busy with other tests is slower than one second says; this would be a hang.
const SLOW: Duration = Duration::from_secs(20);

/// A leaf in the memo, and a list of it so many times.
fn shared(leaf: &[u8], times: usize) -> Vec<u8> {
    [b"\x80\x04", leaf, b"\x940](", &b"h\x00".repeat(times), b"e."].concat()
}

fn long(opcode: u8, byte: u8, len: u32) -> Vec<u8> {
    [&[opcode], &len.to_le_bytes()[..], &vec![byte; len as usize]].concat()
}

fn decode(output: &str, pickle: &[u8]) -> Ran {
    let env = Env::new().within_mib(256).within(SLOW);
    env.feed(["decode", "-s", "pickle://", "-o", output], pickle)
}

fn repr(pickle: &[u8]) -> Result<(String, Vec<String>), String> {
    let codec = Codec::parse("pickle://").unwrap();
    let decoded = codec.decode(pickle.to_vec(), &Limits::DEFAULT).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    python::write(&decoded.value, &Limits::DEFAULT, &mut out).map_err(|error| error.to_string())?;
    Ok((String::from_utf8(out).unwrap(), decoded.stages.into_iter().flat_map(|stage| stage.notes).collect()))
}

#[test]
fn a_leaf_that_a_million_places_share_meets_a_limit() {
    let global = [&b"c"[..], &vec![b'm'; 1 << 20], b"\nn\n"].concat();
    for (name, leaf) in [
        ("str", long(b'X', b'x', 1 << 20)),
        ("bytes", long(b'B', 0xff, 1 << 20)),
        ("long", long(0x8b, 1, 1 << 20)),
        ("global", global),
    ] {
        for output in ["python", "text", "plain", "json", "jsonl"] {
            let ran = decode(output, &shared(&leaf, 1 << 20));
            assert_eq!(ran.status, Some(3), "{name}, {output}: {ran}");
            assert!(ran.stdout.is_empty() && ran.stderr().contains("--max output="), "{name}, {output}: {ran}");
        }
    }
}

#[test]
fn an_array_that_a_million_places_share_meets_a_limit() {
    let head = b"carray\n_array_reconstructor\n(carray\narray\n\x8c\x01BK\0";
    let array = [&head[..], &long(b'B', 7, 1 << 16), b"tR"].concat();
    for output in ["python", "text"] {
        let ran = decode(output, &shared(&array, 1 << 20));
        assert!(ran.status == Some(3) && ran.stderr().contains("--max output="), "{output}: {ran}");
    }
    assert!(decode("python", &shared(&array, 2)).ok().starts_with("[array('B', [7, 7, "));
}

#[test]
fn a_long_key_that_a_million_places_share_meets_a_limit() {
    let key = [b"\x80\x04".to_vec(), long(b'X', b'x', 1 << 20), b"\x940".to_vec()].concat();
    let (members, items) = (b"h\x00".repeat(1 << 20), b"h\x00N".repeat(1 << 20));
    for body in [[&b"\x8f("[..], &members, b"\x90."], [&b"}("[..], &items, b"u."]] {
        let ran = decode("json", &[&key[..], &body.concat()].concat());
        assert!(ran.status == Some(3) && ran.stderr().contains("--max decoded="), "{ran}");
    }
}

#[test]
fn a_small_part_that_a_million_places_share_meets_a_limit_in_every_view() {
    let part = [long(b'X', b'x', 4000), b"\x85".to_vec()].concat();
    for output in ["python", "text", "plain", "json"] {
        let ran = decode(output, &shared(&part, 1 << 20));
        let expected = if output == "json" { Some(0) } else { Some(3) };
        assert_eq!(ran.status, expected, "{output}: {}", ran.stderr());
    }
}

#[test]
fn a_long_leaf_is_shown_in_pages() {
    let (escape, bytes) = (b'\x1b', 16_u32 << 20);
    for (opcode, output, len) in [
        (b'X', "python", 4 * bytes + 3),
        (b'X', "text", 4 * bytes + 3),
        (b'X', "json", 6 * bytes + 3),
        (b'X', "jsonl", 6 * bytes),
        (b'B', "python", 4 * bytes + 4),
        (b'B', "json", bytes.div_ceil(3) * 4),
        (b'B', "plain", bytes * 6 + 3),
    ] {
        // The program itself, unoptimised, maps 20.
        let env = Env::new().within_mib(112).within(Duration::from_secs(60));
        let pickle = [b"\x80\x04".to_vec(), long(opcode, escape, bytes), b".".to_vec()].concat();
        env.file("value", pickle);
        let ran = env.run(["decode", "-s", "pickle://", "-o", output, "value"]);
        assert_eq!(ran.status, Some(0), "{output}: {}", ran.stderr());
        let printed = ran.stdout.len();
        assert!((len as usize..len as usize + 100).contains(&printed), "{output}: {printed}");
    }
}

#[test]
fn pages_break_no_character() {
    let text = format!("'{}{}", "x".repeat((1 << 16) - 3), "é😀\u{9b}".repeat(40_000));
    let pickle = [&b"\x80\x04X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes(), b"."].concat();
    let expected = format!("\"{}\"\n", text.replace('\u{9b}', "\\x9b"));
    assert!(decode("python", &pickle).ok() == expected && decode("text", &pickle).ok() == expected);
    let json = decode("json", &pickle).ok();
    assert!(json == format!("\"{}\"\n", text.replace('\u{9b}', "\\u009b")));
}

/// What CPython makes of each pickle: its `repr`, or nothing where it refuses.
fn cpython(pickles: &[Vec<u8>]) -> Vec<String> {
    let program = "import pickle, sys\n\
        for line in sys.stdin:\n    \
            try: print(repr(pickle.loads(bytes.fromhex(line))))\n    \
            except ValueError: print()\n    \
            except pickle.UnpicklingError: print()";
    let hex = |pickle: &Vec<u8>| pickle.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let printed = feed(program, pickles.iter().map(hex).collect::<String>().as_bytes());
    printed.lines().map(str::to_owned).collect()
}

fn check_against_cpython(pickles: &[Vec<u8>]) {
    let expected = cpython(pickles);
    assert_eq!(expected.len(), pickles.len());
    for (pickle, expected) in pickles.iter().zip(&expected) {
        let ours = repr(pickle).map(|(repr, _)| repr).unwrap_or_default();
        assert_eq!(&ours, expected, "{}", pickle[..pickle.len().min(80)].escape_ascii());
    }
}

#[test]
fn integers_in_text_are_read_as_cpython_reads_them() {
    let digits = |digit: &str, count: usize| digit.repeat(count).into_bytes();
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let words = "0 1 00 01 +1 -0 -1 010 08 0x10 0X1F 0x 0o17 0b11 0b12 1_000 1__0 _1 1_ 0_0 0x_1 0x_ 000 001 - + \
        5L 00L 12LL 010L 0x10L L 12L 1_0L 1e5 1.0 9223372036854775807 9223372036854775808 -9223372036854775808 \
        -9223372036854775809 09223372036854775808 0777777777777777777777777 0xffffffffffffffffff -0x10";
    for text in words.split_whitespace() {
        texts.push(text.into());
    }
    for text in ["", " 1", "1 ", "12 ", " 12 L", "12L ", "- 5", "\x0b1", "12\x0b", "1\r", "0\0", "12\0ab", "1_0\0ab"] {
        texts.push(text.into());
    }
    texts.extend([digits("1", 4300), digits("1", 4301), digits("0", 4300), digits("0", 4301)]);
    texts.extend([[&b"1"[..], &digits("_1", 4299)].concat()]);
    let pickle = |opcode: u8, text: &Vec<u8>| [&[opcode], text.as_slice(), b"\n."].concat();
    let pickles: Vec<_> = texts.iter().flat_map(|text| [pickle(b'I', text), pickle(b'L', text)]).collect();
    check_against_cpython(&pickles);
    let error = repr(&pickle(b'L', &digits("7", 1 << 20))).unwrap_err();
    assert!(error.contains("LONG has more than 4300 digits"), "{error}");
}

#[test]
fn counts_are_sorted_and_equals_dropped_as_cpython_does() {
    let program = "import sys\n\
        from collections import Counter\n\
        import pickle\n\
        counts = [{'a': 1.5, 'b': 2}, {'a': 'x', 'b': 'y'}, {'a': b'x', 'b': b'y'}, {'a': 'x', 'b': 1}, \n\
            {'a': -0.5, 'b': -1},\n\
            {'a': 1, 'b': 2**53 + 1, 'c': float(2**53)}, {'a': True, 'b': 1.0, 'c': 1}, \n\
            {'a': float('inf'), 'b': 2**2000},\n\
            {'a': -float('inf'), 'b': -2**70, 'c': -1e300}, {'a': float('nan')}, \n\
            {'a': None, 'b': None}, {'a': 0.1, 'b': -0.1}]\n\
        for count in counts: print(pickle.dumps(Counter(count)).hex())";
    let mut pickles: Vec<Vec<u8>> = Vec::new();
    for line in feed(program, b"").lines() {
        pickles.push((0..line.len()).step_by(2).map(|at| u8::from_str_radix(&line[at..at + 2], 16).unwrap()).collect());
    }
    for pickle in [
        "(Fnan\nI1\nFnan\nI2\nd.",
        "(F1e30\nI1\nL1000000000000000019884624838656L\nI2\nd.",
        "(F9223372036854775808\nI1\nL9223372036854775808L\nI2\nd.",
        "\u{8f}(K\u{1}K\u{1}I01\nF1\n\u{90}.",
        "(K\u{1}K\u{1}I01\nF1\n\u{91}.",
        "cbuiltins\nfrozenset\n((lI1\naI1\natR.",
    ] {
        let bytes: Vec<u8> = pickle.chars().map(|c| c as u8).collect();
        pickles.push(bytes);
    }
    check_against_cpython(&pickles);
    let (_, notes) = repr(b"\x80\x04\x8f(K\x01K\x01\x90.").unwrap();
    assert_eq!(notes, ["1 set member is repeated; its first is kept"]);
}

/// Paper that keeps only how long the longest word was.
struct Longest(usize);

impl Paper for Longest {
    fn open(&mut self, _: &'static str) {}
    fn close(&mut self, _: &'static str) {}
    fn comma(&mut self) {}
    fn word(&mut self, _: Tint, text: &[u8]) {
        self.0 = self.0.max(text.len());
    }
    fn flush(&mut self, _: bool) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn whatever_is_long_is_written_by_pages() {
    let len = 1_u32 << 20;
    let long = |mark: &[u8]| [mark, &len.to_le_bytes(), &b"\x1b".repeat(len as usize)].concat();
    for (what, chain, bytes) in [
        ("text", "pickle:", [long(b"X"), b".".to_vec()].concat()),
        ("bytes", "pickle:", [long(b"B"), b".".to_vec()].concat()),
        ("a class", "pickle:", [long(b"\x80\x04X\x01\0\0\0aX"), b"\x93.".to_vec()].concat()),
        ("a class that is called", "pickle:", [long(b"\x80\x04X\x01\0\0\0aX"), b"\x93)R.".to_vec()].concat()),
        ("a field", "pickle:", [long(b"\x80\x04ca\nB\n)\x81}X"), b"Nsb.".to_vec()].concat()),
        ("msgpack's own", "msgpack:", [b"\xc9\0\x10\0\0\x05".to_vec(), b"\x1b".repeat(len as usize)].concat()),
    ] {
        let value = Codec::parse(chain).unwrap().decode(bytes, &Limits::DEFAULT).unwrap().value;
        let (expansion, mut paper) = (Expansion::of(&value), Longest(0));
        python::walk(&value, &mut Manner::labelled(Words::Python, &expansion, &Limits::DEFAULT), &mut paper).unwrap();
        assert!((1..1 << 19).contains(&paper.0), "{what}: a word of {} bytes", paper.0);
    }
}
