//! What `decode` and `encode` print, byte for byte against CPython and the real libraries.
//!
//! Decoding goes through the binary for every captured line, encoding through the library for a
//! generated corpus, which Python encodes live.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::env::Env;
use crate::fixtures::{self, Line};

/// Types whose `repr` is Python's own, byte for byte. Other classes print as `module.Class(…)`.
const EXACT: &[&str] = &[
    "NoneType",
    "bool",
    "int",
    "float",
    "complex",
    "str",
    "bytes",
    "bytearray",
    "list",
    "tuple",
    "set",
    "frozenset",
    "dict",
    "range",
    "datetime.datetime",
    "datetime.date",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "uuid.UUID",
    "fractions.Fraction",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.Counter",
    "collections.deque",
];

/// Lines whose `repr` is not Python's own although their type is, and why.
const NOT_PYTHONS: &[(&str, &str)] = &[
    (".object_list", "a list of objects of a test class: they print as module.Class(state=…)"),
    ("foreign.pickle.inst", "a UUID without its number, for which Python has no repr"),
];

#[test]
fn every_captured_value_decodes_to_what_python_prints() {
    let env = Env::new();
    let (mut checked, mut wrong) = (BTreeMap::<&str, usize>::new(), String::new());
    for line in fixtures::readable() {
        let Some(stored) = &line.stored else { continue };
        let ran = env.feed(["decode", "-s", &line.chain, "-o", "python"], stored);
        let printed = String::from_utf8_lossy(&ran.stdout);
        let exact = EXACT.contains(&line.py_type.as_str());
        let exempt = NOT_PYTHONS.iter().any(|(part, _)| line.case.ends_with(part));
        let kind = if exact && !exempt { "exact" } else { "other" };
        let right = match kind {
            "exact" => line.repr.as_deref().map(|repr| format!("{repr}\n")) == Some(printed.to_string()),
            _ => ran.status == Some(0) && printed.lines().count() == 1,
        };
        *checked.entry(kind).or_default() += 1;
        if !right {
            let _ = writeln!(
                wrong,
                "{} ({}): {printed}  expected: {:?}\n  {}",
                line.case,
                line.chain,
                line.repr,
                ran.stderr()
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked["exact"] >= 1000, "{checked:?}");
}

#[test]
fn plain_output_is_the_json_of_plain_values() {
    let env = Env::new();
    let (mut checked, mut wrong) = (0, String::new());
    for line in fixtures::readable() {
        let (Some(stored), Some(json)) = (&line.stored, &line.json) else { continue };
        // The JSON is that of the value written; what is read back of a noop chain is bytes.
        if line.repr.as_ref().is_some_and(|repr| repr.starts_with("b'")) {
            continue;
        }
        let ran = env.feed(["decode", "-s", &line.chain, "-o", "plain"], stored);
        if String::from_utf8_lossy(&ran.stdout) != format!("{json}\n") {
            let _ = writeln!(wrong, "{}: {json:.200}\n{ran}", line.case);
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked >= 500, "{checked}");
}

#[test]
fn nothing_unsafe_is_run_or_swallowed() {
    let env = Env::new().within_mib(256);
    let unsafe_lines: Vec<&Line> = fixtures::all().iter().filter(|line| line.kind == "unsafe").collect();
    assert!(unsafe_lines.len() >= 12);
    for line in unsafe_lines {
        for output in ["text", "json", "python", "plain"] {
            let ran = env.feed(["decode", "-s", &line.chain, "-o", output], line.stored.as_ref().unwrap());
            assert!(matches!(ran.status, Some(0 | 3)), "{}: {ran}", line.case);
        }
        // Whatever the value asked for would have left a trace here.
        let left: Vec<_> = std::fs::read_dir(env.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 3, "{}: {left:?}", line.case);
    }
}
