//! What reads like its `repr` although it is only a call in the pickle, and what must not be called.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cachectl::codec::Codec;
use cachectl::limits::Limits;
use cachectl::value::danger::Names;
use cachectl::value::json::Escape;
use cachectl::value::{Value, plain, python, typed_json};

use crate::env::Env;
use crate::fixtures::{self, Line};
use crate::python::run;

fn decode(url: &str, bytes: &[u8]) -> Value {
    Codec::parse(url).unwrap().decode(bytes.to_vec(), &Limits::DEFAULT).unwrap().value
}

fn repr(value: &Value) -> String {
    let mut out = Vec::new();
    python::write(value, &Limits::DEFAULT, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn plain_json(value: &Value) -> (String, Vec<String>) {
    let mut out = Vec::new();
    let notes = plain::write(value, Escape::Utf8, &Limits::DEFAULT, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), notes)
}

/// A value of typed JSON.
fn typed(text: &str) -> Value {
    let parsed = decode("json://", text.as_bytes());
    typed_json::lift(&parsed, &Limits::DEFAULT).unwrap()
}

/// What each line of the program's pickles should be, and is.
fn compare(call: &str, args: &[&str], least: usize, show: impl Fn(&Value) -> String) {
    let lines = run(&format!("{}\n{call}", include_str!("../data/print/forms.py")), args);
    let (mut count, mut wrong) = (0, Vec::new());
    for line in lines.lines() {
        let (pickle, expected) = line.split_once('\t').expect("a tab");
        let expected: String = serde_json::from_str(expected).unwrap();
        let found = show(&decode("pickle://", &BASE64.decode(pickle).unwrap()));
        if found != expected {
            wrong.push(format!("{args:?}: {found}\n  expected {expected}\n"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].concat());
    assert!(count >= least, "{count} values");
}

#[test]
fn forms_are_the_repr_of_the_real_libraries() {
    for protocol in ["0", "2", "4", "5"] {
        compare("show(int(sys.argv[1]))", &[protocol], 1500, repr);
    }
}

#[test]
fn tables_are_their_class_and_shape() {
    for protocol in ["2", "4", "5"] {
        compare("show_tables(int(sys.argv[1]))", &[protocol], 30, repr);
    }
}

#[test]
fn arrays_are_nested_json_in_plain_output() {
    compare("show_json()", &[], 300, |value| plain_json(value).0);
}

#[test]
fn a_large_array_is_its_shape() {
    let program = "import base64, pickle, numpy as np
for a in (np.zeros((1000, 3)), np.ma.masked_equal([1, 2, 3], 2), np.zeros((9, 9), '>i2'), np.zeros((2, 1), 'i1,>f8')):
    print(base64.b64encode(pickle.dumps(a, 5)).decode())";
    let expected = [
        "numpy.ndarray(shape=(1000, 3), dtype=float64)",
        "numpy.ma.MaskedArray(shape=(3,), dtype=int64)",
        "numpy.ndarray(shape=(9, 9), dtype=>i2)",
        "numpy.ndarray(shape=(2, 1), dtype=[('f0', 'i1'), ('f1', '>f8')])",
    ];
    let plain = ["[[0.0, 0.0, 0.0], ", "[1, null, 3]", "[[0, 0, 0, 0, 0, 0, 0, 0, 0], ", "{\"class\": "];
    for ((line, expected), plain) in run(program, &[]).lines().zip(expected).zip(plain) {
        let value = decode("pickle://", &BASE64.decode(line).unwrap());
        assert_eq!(repr(&value), expected);
        assert!(plain_json(&value).0.starts_with(plain), "{expected}");
    }
}

#[test]
fn plain_output_says_what_became_of_instances() {
    for (name, expected, said) in [
        ("pickle0.enum_int_value", "2", "1 instance became its only argument"),
        (".dataclass", r#"{"x": 1, "y": 2.5, "tags": ["a"]}"#, "1 instance became an object of its fields"),
        (".namedtuple", r#"["l", 2]"#, "1 sequence of a class became an array"),
        (".path", r#""/a/b""#, "1 number or identifier of a class became text"),
        (".ipv4", r#""192.0.2.1""#, "1 number or identifier of a class became text"),
        (".np_float64", "1.5", "1 scalar of numpy became a plain one"),
    ] {
        let mut count = 0;
        for line in fixtures::readable().filter(|line| line.case.ends_with(name) && line.chain.contains("pickle")) {
            let found = plain_json(&decode(&line.chain, line.stored.as_ref().unwrap()));
            assert_eq!(found, (expected.to_owned(), vec![said.to_owned()]), "{}", line.case);
            count += 1;
        }
        assert!(count > 0, "{name}: {count}");
    }
}

#[test]
fn what_has_another_shape_is_the_call_that_it_is() {
    let dtype = |state: &str| {
        format!(
            r#"{{"$object": "numpy.dtype", "args": ["f8", false, true],
                "steps": [{{"state": {{"$tuple": {state}}}}}]}}"#
        )
    };
    let f8 = dtype(r#"[3, "<", null, null, null, -1, -1, 0]"#);
    let array = |shape: &str, dtype: &str, data: &str| {
        format!(
            r#"{{"$object": "numpy._core.numeric._frombuffer",
                "args": [{{"$bytes": "{data}"}}, {dtype}, {{"$tuple": {shape}}}, "C"]}}"#
        )
    };
    let zero = "AAAAAAAAAAA=";
    for (typed_json, starts) in [
        (array("[1]", &f8, zero), "array([0.])"),
        (array("[2]", &f8, zero), "numpy._core.numeric._frombuffer("),
        (array("[-1]", &f8, zero), "numpy._core.numeric._frombuffer("),
        (array("[9223372036854775807, 9223372036854775807]", &f8, zero), "numpy._core.numeric._frombuffer("),
        (array("[0, 9223372036854775807]", &f8, ""), "array([], shape=(0, 9223372036854775807), dtype=float64)"),
        (array("[1]", &dtype("[3]"), zero), "numpy._core.numeric._frombuffer("),
        (array("[1]", "1", zero), "numpy._core.numeric._frombuffer("),
        (r#"{"$object": "pathlib.PosixPath", "args": ["a", "b/c"]}"#.into(), "pathlib.PosixPath('a', 'b/c')"),
        (r#"{"$object": "pathlib.PosixPath", "args": [1]}"#.into(), "pathlib.PosixPath(1)"),
        (r#"{"$object": "ipaddress.IPv4Address", "args": [-1]}"#.into(), "ipaddress.IPv4Address(-1)"),
        (r#"{"$object": "ipaddress.IPv4Address", "args": ["x'"]}"#.into(), "ipaddress.IPv4Address(\"x'\")"),
        (r#"{"$object": "re._compile", "args": ["a", "b"]}"#.into(), "re._compile('a', 'b')"),
        (r#"{"$object": "m.C", "steps": [{"state": {"a=1, b": 2}}]}"#.into(), "m.C(state={'a=1, b': 2})"),
        (r#"{"$object": "m.C", "steps": [{"state": {"a": 2}}, {"state": 3}]}"#.into(), "m.C(state={'a': 2}, state=3)"),
        (
            r#"{"$id": 1, "$value": {"$object": "m.C", "steps": [{"state": {"a": {"$ref": 1}}}]}}"#.into(),
            "m.C(a=m.C(...))",
        ),
        (
            r#"{"$object": "pandas._libs.tslibs.timedeltas._timedelta_unpickle", "args": [-9223372036854775808, 9]}"#
                .into(),
            "pandas._libs.tslibs.timedeltas._timedelta_unpickle(",
        ),
    ] {
        let value = typed(&typed_json);
        assert!(repr(&value).starts_with(starts), "{typed_json}: {}", repr(&value));
        if !typed_json.contains("$ref") {
            plain_json(&value);
        }
    }
}

/// Unsafe lines that ask for nothing known to be dangerous, and why.
const HARMLESS: &[(&str, &str)] = &[
    ("unsafe.build_setstate", "a state for a class of the application"),
    ("unsafe.billion_laughs", "names nothing"),
    ("unsafe.huge_frame", "does not decode"),
    ("unsafe.huge_memo_index", "names nothing"),
    ("unsafe.huge_long4", "does not decode"),
    ("unsafe.negative_long4", "does not decode"),
    ("unsafe.huge_int_text", "names nothing"),
    ("unsafe.tuple_keyed_dict", "names nothing"),
];

/// Lines that an application loads with harm, of whichever library: those kept apart as such, and one
/// that its library was seen not to run.
fn harmful() -> impl Iterator<Item = &'static Line> {
    let is_harmful = |line: &&Line| line.kind == "unsafe" || line.case == "foreign.pickle.os_system_never_run";
    fixtures::of_every_library().filter(is_harmful)
}

#[test]
fn every_harmful_line_is_flagged_listed_and_refused_when_strict() {
    let env = Env::new();
    let mut flagged = 0;
    for line in harmful().filter(|line| !HARMLESS.iter().any(|(case, _)| line.case == *case)) {
        let stored = line.stored.as_ref().unwrap();
        let ran = env.feed(["decode", "-s", &line.chain], stored);
        assert_eq!(ran.status, Some(0), "{ran}");
        assert!(ran.stderr().contains("warning: `") && ran.stderr().contains("has not run it"), "{}: {ran}", line.case);
        let ran = env.feed(["decode", "-s", &line.chain, "--strict", "-o", "jsonl"], stored);
        assert_eq!(ran.status, Some(3), "{ran}");
        let record: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(record["dangerous"].as_array().unwrap().len(), 1, "{}: {record}", line.case);
        let argument = format!("@{}", env.file("value", stored).display());
        env.run(["set", "k", &argument, "--bytes", "-s", "noop://"]).ok();
        let ran = env.run(["inspect", "k", "-s", &line.chain, "--strict", "-o", "jsonl"]);
        assert_eq!(ran.status, Some(3), "{}: {ran}", line.case);
        let inspected: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(inspected["dangerous"], record["dangerous"], "{}", line.case);
        flagged += 1;
    }
    assert_eq!(flagged, 5);
}

#[test]
fn nothing_that_a_library_wrote_is_flagged() {
    let limits = Limits::DEFAULT;
    let mut ordinary = 0;
    let pickles = fixtures::of_every_library().filter(|line| line.chain.contains("pickle"));
    for line in pickles.filter(|line| line.kind != "unsafe" && line.case != "foreign.pickle.os_system_never_run") {
        let codec = Codec::parse(&line.chain).unwrap();
        let Ok(decoded) = codec.decode(line.stored.clone().unwrap(), &limits) else { continue };
        let names = Names::of(&decoded.value);
        assert!(names.dangers.is_empty(), "{} {}: {:?}", line.library, line.case, names.dangers);
        ordinary += usize::from(!names.all.is_empty());
    }
    assert!(ordinary > 700, "{ordinary}");
}

#[test]
fn what_a_pickle_drops_or_hides_is_flagged_too() {
    let env = Env::new();
    let dropped = b"cos\nsystem\n(S'true'\ntR0I1\n.";
    let inner = b"cos\nsystem\n(S'true'\ntR0\x8e\x02\x00\x00\x00\x00\x00\x00\x00N..";
    for (serializer, bytes, name, called) in [
        ("pickle://", &dropped[..], "os.system", true),
        ("pickle+pickle://", inner, "os.system", true),
        ("pickle://", b"cos\nsystem\n.", "os.system", false),
        ("pickle://", b"\x80\x04\x8c\x09posixpath\x8c\x09os.system\x93.", "posixpath.os.system", false),
        (
            "pickle://",
            b"c__builtin__\ngetattr\n(cposixpath\nos\nS'system'\ntR(S'true'\ntR.",
            "posixpath.os.system",
            true,
        ),
        ("pickle://", b"c__builtin__\neval\n(S'1'\ntR.", "builtins.eval", true),
        ("pickle://", b"\x80\x04c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval", true),
        ("pickle://", b"ccommands\ngetoutput\n(S'id'\ntR.", "subprocess.getoutput", true),
        ("pickle://", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "os.system", true),
        ("pickle://", b"cfunctools\npartial\n(cos\nsystem\nS'true'\ntR.", "os.system", false),
        ("pickle://", b"cpickle\nloads\n(S'N.'\ntR.", "pickle.loads", true),
        ("pickle://", b"\x80\x04\x8c\x08__main__\x8c\x11__builtins__.eval\x93.", "__main__.__builtins__.eval", false),
        ("pickle://", b"ccopyreg\nadd_extension\n(S'os'\nS'system'\nI1\ntR0\x82\x01.", "copyreg.add_extension", true),
        ("pickle://", b"cos\nsys\x1b[31mtem\n.", r"os.sys\x1b[31mtem", false),
    ] {
        let ran = env.feed(["decode", "-s", serializer], bytes);
        let said = if called { "would have been called" } else { "is named" };
        assert!(ran.stderr().contains(&format!("warning: `{name}` {said}")), "{name}: {ran}");
        assert_eq!(ran.status, Some(0), "{ran}");
        let ran = env.feed(["decode", "-s", serializer, "--strict"], bytes);
        assert!(ran.status == Some(3) && ran.stdout.is_empty(), "{ran}");
    }
    let many: Vec<u8> = (0..1000).flat_map(|n| format!("cos\nx{n}\n0").into_bytes()).chain(*b"N.").collect();
    let ran = env.feed(["decode", "-s", "pickle://"], &many);
    assert!(ran.stderr().contains("and 992 more dangerous names") && ran.stderr().lines().count() < 12, "{ran}");
}

#[test]
fn get_and_inspect_flag_what_they_show() {
    let env = Env::new();
    let file = env.file("value", b"cos\nsystem\n(S'true'\ntR.");
    let argument = format!("@{}", file.display());
    env.run(["set", "k", &argument, "--bytes", "-s", "noop://"]).ok();
    let ran = env.run(["get", "k", "-s", "pickle://"]);
    assert!(ran.stderr().contains("`os.system` would have been called"), "{ran}");
    assert_eq!(ran.stdout, b"os.system('true')\n");
    env.run(["get", "k", "-s", "pickle://", "--strict"]).fails(3);
    let record: serde_json::Value =
        serde_json::from_str(&env.run(["get", "k", "-s", "pickle://", "-o", "jsonl"]).ok()).unwrap();
    assert_eq!(record["dangerous"], serde_json::json!(["os.system"]));
    let ran = env.run(["inspect", "k", "-s", "pickle://", "--strict"]);
    assert_eq!(ran.status, Some(3), "{ran}");
    let rows = String::from_utf8(ran.stdout).unwrap();
    assert!(rows.lines().any(|row| row.trim_start().starts_with("dangerous") && row.ends_with("os.system")), "{rows}");
}
