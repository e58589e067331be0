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
    "collections.ChainMap",
    "types.SimpleNamespace",
    "zoneinfo.ZoneInfo",
    "ValueError",
    "KeyError",
    "ExceptionGroup",
    "functools.partial",
    "operator.itemgetter",
    "slice",
    "ellipsis",
    "NotImplementedType",
    "array.array",
    "re.Pattern",
    "pathlib.PurePosixPath",
    "ipaddress.IPv4Address",
    "ipaddress.IPv6Network",
    "time.struct_time",
    "numpy.int32",
    "numpy.int64",
    "numpy.float64",
    "numpy.bool",
    "numpy.str_",
    "numpy.datetime64",
    "numpy.ndarray",
    "numpy.dtypes.Float64DType",
    "pandas.Timestamp",
    "pandas.Timedelta",
    "pandas.api.typing.NaTType",
];

/// What values print as that need their class for Python's `repr`, at every protocol that wrote them.
const FORMS: &[(&str, &str)] = &[
    (".enum_str_value", "fixture_types.Color('red')"),
    (".enum_int_value", "fixture_types.Color(2)"),
    (".int_enum", "fixture_types.Level(10)"),
    (".str_enum", "fixture_types.Mode('r')"),
    (".flag", "fixture_types.Perm(6)"),
    (".dataclass", "fixture_types.Point(x=1, y=2.5, tags=['a'])"),
    (".dataclass_frozen", "fixture_types.FrozenPoint(x=1, y=2)"),
    (".dataclass_slots", "fixture_types.SlotsPoint(x=1, y=2)"),
    (".namedtuple", "fixture_types.Pair('l', 2)"),
    (".typed_namedtuple", "fixture_types.Row(7, 'seven')"),
    (".pydantic", "fixture_types.User(id=1, name='Ann', email=None, tags=['x'])"),
    (".object_plain", "fixture_types.Plain(a=1, b=[2])"),
    (".object_empty", "fixture_types.Plain()"),
    (".object_nested_class", "fixture_types.Plain.Inner(v=5)"),
    (".object_slots", "fixture_types.Slots(a=1, b='b')"),
    (".object_slots_and_dict", "fixture_types.SlotsAndDict(a=1, b=2, extra='e')"),
    (".object_getstate", "fixture_types.State(state=('state', 4))"),
    (".int_subclass", "fixture_types.MyInt(5)"),
    (".str_subclass", "fixture_types.MyStr('s')"),
    (".list_subclass", "fixture_types.MyList([1, 2], note='n')"),
    (".dict_subclass", "fixture_types.MyDict({'a': 1}, note='n')"),
    (".recursive_object", "fixture_types.Plain(name='loop', me=[fixture_types.Plain(...)])"),
    // Python shows no more than the dict, and so hides the class.
    (".userdict", "UserDict({'a': 1})"),
    // Python hides the attributes.
    (".exception_custom", "fixture_types.AppError(7, 'boom', code=7)"),
    (".func_builtin", "builtins.len"),
    (".func_classmethod", "builtins.dict.fromkeys"),
    (".func_bound_method", "builtins.getattr(fixture_types.Plain.Inner(v=3), 'method')"),
    (".np_masked", "numpy.ma.MaskedArray(shape=(3,), dtype=int64)"),
    (".np_ufunc", "numpy.add"),
];

/// Lines whose `repr` is not Python's own although their type is, and why.
const NOT_PYTHONS: &[(&str, &str)] = &[
    (".object_list", "a list of objects of a test class: they print as module.Class(state=…)"),
    ("foreign.pickle.inst", "a UUID without its number, for which Python has no repr"),
    (".np_array_struct", "a structured dtype is not read: it prints as the call that it is"),
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
        let exempt = NOT_PYTHONS.iter().any(|(part, _)| line.case.contains(part));
        let form = FORMS.iter().find(|(part, _)| line.case.ends_with(part)).filter(|_| line.chain.contains("pickle"));
        let kind = if form.is_some() { "form" } else { ["other", "exact"][usize::from(exact && !exempt)] };
        let right = match kind {
            "form" => form.map(|(_, text)| format!("{text}\n")) == Some(printed.to_string()),
            // Numpy breaks lines, and one line has none.
            "exact" => line.repr.as_deref().map(|repr| one_line(&line.py_type, repr)) == Some(printed.to_string()),
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
    assert!(checked["exact"] >= 1000 && checked["form"] >= 60, "{checked:?}");
}

fn one_line(py_type: &str, repr: &str) -> String {
    let lines = repr.split('\n');
    match py_type {
        "numpy.ndarray" => lines.map(str::trim).collect::<Vec<_>>().join(" ") + "\n",
        _ => format!("{repr}\n"),
    }
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
