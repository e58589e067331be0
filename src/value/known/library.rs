//! The standard library's and the zone packages' callables that read better than they are called.
//!
//! Shapes: `Lib/pathlib.py`, `Lib/ipaddress.py`, `Lib/re/__init__.py`, `Modules/_functoolsmodule.c`,
//! `Modules/arraymodule.c` and `Lib/collections/__init__.py` of CPython 3.8 to 3.14, python-dateutil
//! 2.9 `tz/tz.py`, pytz 2025 `tzinfo.py`. What was typed by hand or has any other shape is not known.

use super::form::{Form, named};
use super::numpy::{Array, Dtype};
use super::{Known, Made, Plain, TimeDelta, of_time_delta};
use crate::value::{Node, Step, Value, scalar};

/// A path has no more parts than this: a longer one is no file's.
const PARTS_MAX: usize = 1024;

/// What `module.name` stands for, if it is one of these.
pub(super) fn of<'v>(value: &'v Value, module: &[u8], name: &'v [u8], made: &Made<'v>) -> Option<Known<'v>> {
    match (module, name) {
        (b"types", b"SimpleNamespace") => simple_namespace(value, made).map(Known::Form),
        (b"collections", b"ChainMap" | b"UserDict" | b"UserList" | b"UserString") => {
            wrapper(value, name, made).map(Known::Form)
        }
        (b"functools", b"partial") => partial(value, made).map(Known::Form),
        (b"dateutil.tz.tz", _) => dateutil(value, name, made),
        _ if !made.steps.is_empty() => None,
        (b"pathlib" | b"pathlib._local", b"PurePosixPath" | b"PosixPath" | b"PureWindowsPath" | b"WindowsPath") => {
            path(value, name, made.args)
        }
        (b"ipaddress", _) => address(value, name, made.args),
        (b"re", b"_compile") => pattern(value, made.args),
        (b"array", b"array") => match *made.args {
            [Node::Str(_), Node::List(items)] if value.members(items).is_empty() => {
                Some(Known::Form(Form::call("array", &made.args[..1], &[])))
            }
            [Node::Str(_), Node::List(_)] => Some(Known::Form(Form::call("array", made.args, &[]))),
            _ => None,
        },
        (b"array", b"_array_reconstructor") => array(value, made.args).map(Known::Array),
        (b"time", b"struct_time") => struct_time(value, made.args),
        (b"pytz", b"_UTC") if made.args.is_empty() => Some(word("<UTC>", "UTC")),
        (b"pytz", b"_p") => pytz(value, made.args),
        _ => None,
    }
}

fn word(repr: impl Into<Vec<u8>>, plain: impl Into<Vec<u8>>) -> Known<'static> {
    Known::Word { repr: repr.into(), plain: Plain::Text(plain.into()) }
}

/// `name('text')`.
fn quoted(name: &[u8], text: &[u8]) -> Vec<u8> {
    let mut repr = [name, b"("].concat();
    scalar::write_str(text, &mut repr);
    repr.push(b')');
    repr
}

fn simple_namespace<'v>(value: &'v Value, made: &Made<'v>) -> Option<Form<'v>> {
    match (made.args, made.steps) {
        ([], []) => Some(Form::call("namespace", &[][..], &[])),
        ([], [Step::State(Node::Dict(fields))]) => {
            Some(Form::call("namespace", &[][..], named(value, value.members(*fields))?))
        }
        _ => None,
    }
}

/// The one attribute that these classes keep everything in.
fn wrapper<'v>(value: &'v Value, name: &[u8], made: &Made<'v>) -> Option<Form<'v>> {
    let ([], [Step::State(Node::Dict(state))]) = (made.args, made.steps) else { return None };
    let state = value.members(*state);
    let &[Node::Str(key), _] = state else { return None };
    match (name, value.text(key), state[1]) {
        (b"ChainMap", b"maps", Node::List(maps)) => Some(Form::call("ChainMap", value.members(maps), &[])),
        (b"UserDict", b"data", Node::Dict(_)) => Some(Form::call("UserDict", &state[1..], &[])),
        (b"UserList", b"data", Node::List(_)) => Some(Form::call("UserList", &state[1..], &[])),
        (b"UserString", b"data", Node::Str(_)) => Some(Form::call("UserString", &state[1..], &[])),
        _ => None,
    }
}

/// Made with the function alone; the state is function, arguments, named arguments, attributes.
fn partial<'v>(value: &'v Value, made: &Made<'v>) -> Option<Form<'v>> {
    let (&[called], &[Step::State(Node::Tuple(state))]) = (made.args, made.steps) else { return None };
    let &[function, Node::Tuple(args), Node::Dict(kwargs), Node::None] = value.members(state) else { return None };
    let args = [&[function], value.members(args)].concat();
    (called == function).then_some(())?;
    Some(Form::call("functools.partial", args, named(value, value.members(kwargs))?))
}

fn path(value: &Value, name: &[u8], args: &[Node]) -> Option<Known<'static>> {
    let windows = name.ends_with(b"WindowsPath");
    let separator = |byte: &u8| *byte == b'/' || windows && *byte == b'\\';
    let mut text = Vec::new();
    for (at, part) in args.iter().enumerate() {
        let Node::Str(part) = part else { return None };
        let part = value.text(*part);
        if part.is_empty() || at > 0 && part.iter().any(separator) || at == PARTS_MAX {
            return None;
        }
        // `C:` and `a` are `C:a`, in the directory that the drive is at.
        let is_drive = windows && at == 1 && text.len() == 2 && text[1] == b':';
        if at > 0 && text.last() != Some(&b'/') && !is_drive {
            text.push(b'/');
        }
        text.extend(part.iter().map(|byte| if windows && *byte == b'\\' { b'/' } else { *byte }));
    }
    if text.is_empty() {
        text.push(b'.');
    }
    Some(word(quoted(name, &text), text))
}

fn address(value: &Value, name: &[u8], args: &[Node]) -> Option<Known<'static>> {
    let &[arg] = args else { return None };
    let text = match (name, arg) {
        (b"IPv4Address", Node::Int(number)) => {
            let [a, b, c, d] = u32::try_from(number).ok()?.to_be_bytes();
            format!("{a}.{b}.{c}.{d}").into_bytes()
        }
        (b"IPv6Address", number @ (Node::Int(_) | Node::Big(_))) => {
            ipv6(u128::try_from(scalar::integer(value, number)?).ok()?).into_bytes()
        }
        (
            b"IPv4Address" | b"IPv6Address" | b"IPv4Network" | b"IPv6Network" | b"IPv4Interface" | b"IPv6Interface",
            Node::Str(text),
        ) => {
            let text = value.text(text);
            let is_address = text.iter().all(|byte| byte.is_ascii_hexdigit() || b".:/".contains(byte));
            is_address.then(|| text.to_vec())?
        }
        _ => return None,
    };
    Some(word(quoted(name, &text), text))
}

/// The first longest run of zero groups is `::`. CPython 3.11 has no dotted form.
fn ipv6(number: u128) -> String {
    let groups: Vec<u16> =
        number.to_be_bytes().chunks_exact(2).map(|two| u16::from_be_bytes([two[0], two[1]])).collect();
    let run = |start: usize| groups[start..].iter().take_while(|group| **group == 0).count();
    let start = (0..8).rev().max_by_key(|start| run(*start)).unwrap_or(0);
    let hex = |groups: &[u16]| groups.iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":");
    match run(start) {
        0 | 1 => hex(&groups),
        len => format!("{}::{}", hex(&groups[..start]), hex(&groups[start + len..])),
    }
}

/// `Modules/_sre/sre.c`, `pattern_repr`, but that it cuts a pattern at 200 characters.
fn pattern(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    let &[pattern, Node::Int(flags)] = args else { return None };
    let mut repr = b"re.compile(".to_vec();
    let (text, mut flags) = match pattern {
        Node::Str(text) => {
            scalar::write_str(value.text(text), &mut repr);
            // UNICODE is what text has anyway, where neither LOCALE nor ASCII is given.
            (text, if flags & (4 | 32 | 256) == 32 { flags & !32 } else { flags })
        }
        Node::Bytes(text) => {
            scalar::write_bytes(value.text(text), &mut repr);
            (text, flags)
        }
        _ => return None,
    };
    let mut words = Vec::new();
    for (bit, name) in [
        (1, "TEMPLATE"),
        (2, "IGNORECASE"),
        (4, "LOCALE"),
        (8, "MULTILINE"),
        (16, "DOTALL"),
        (32, "UNICODE"),
        (64, "VERBOSE"),
        (128, "DEBUG"),
        (256, "ASCII"),
    ] {
        if flags & bit != 0 {
            words.push(format!("re.{name}"));
            flags &= !bit;
        }
    }
    if flags != 0 {
        words.push(format!("{flags:#x}"));
    }
    if !words.is_empty() {
        repr.extend_from_slice(format!(", {}", words.join("|")).as_bytes());
    }
    repr.push(b')');
    Some(word(repr, value.text(text)))
}

/// `array._array_reconstructor(array.array, typecode, machine format, bytes)`.
fn array<'v>(value: &'v Value, args: &[Node]) -> Option<Array<'v>> {
    let &[class, Node::Str(code), Node::Int(format), Node::Bytes(data)] = args else { return None };
    let &[code] = value.text(code) else { return None };
    let format = usize::try_from(format).ok()?;
    let number = match format {
        0 => "u1",
        1 => "i1",
        _ => *["u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"].get((format - 2) / 2)?,
    };
    let dtype = Dtype::number(number, format > 1 && format % 2 == 1)?;
    (value.is_global(class, "array", "array") && b"bBhHiIlLqQfd".contains(&code)).then_some(())?;
    Array::of_typecode(code, dtype, value.text(data))
}

fn struct_time(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    let &[Node::Tuple(fields), Node::Dict(_)] = args else { return None };
    let members = value.members(fields);
    let names = ["year", "mon", "mday", "hour", "min", "sec", "wday", "yday", "isdst"];
    let mut numbers = [0; 9];
    (members.len() == 9).then_some(())?;
    for (number, member) in numbers.iter_mut().zip(members) {
        let Node::Int(field) = member else { return None };
        *number = *field;
    }
    let shown: Vec<String> = names.iter().zip(numbers).map(|(name, number)| format!("tm_{name}={number}")).collect();
    let [year, month, day, hour, minute, second, ..] = numbers;
    let plain = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    Some(word(format!("time.struct_time({})", shown.join(", ")), plain))
}

fn dateutil(value: &Value, name: &[u8], made: &Made<'_>) -> Option<Known<'static>> {
    let state = |wanted: &[u8]| match *made.steps {
        [Step::State(Node::Dict(state))] => {
            let pairs = value.members(state).chunks_exact(2).take(32);
            let is_wanted = |pair: &&[Node]| matches!(pair[0], Node::Str(key) if value.text(key) == wanted);
            pairs.into_iter().find(is_wanted).map(|pair| pair[1])
        }
        _ => None,
    };
    // Below protocol 2 `copyreg` hands it an empty `tzinfo`.
    let is_bare = matches!(made.args, [] | [Node::Object(_)]);
    match name {
        b"tzutc" if is_bare => Some(word("tzutc()", "UTC")),
        b"tzlocal" if is_bare => Some(word("tzlocal()", "local")),
        b"tzoffset" => {
            let Some(super::Known::TimeDelta(TimeDelta { days, seconds, .. })) =
                of_time_delta(value, state(b"_offset")?)
            else {
                return None;
            };
            let mut repr = b"tzoffset(".to_vec();
            match state(b"_name")? {
                Node::Str(name) => scalar::write_str(value.text(name), &mut repr),
                Node::None => repr.extend_from_slice(b"None"),
                _ => return None,
            }
            let seconds = days * 86_400 + seconds;
            repr.extend_from_slice(format!(", {seconds})").as_bytes());
            Some(word(repr, format!("UTC{}{}s", if seconds < 0 { "" } else { "+" }, seconds)))
        }
        b"tzfile" => match *made.args {
            [Node::None, Node::Str(file)] => Some(word(quoted(b"tzfile", value.text(file)), value.text(file))),
            _ => None,
        },
        _ => None,
    }
}

/// `pytz._p(zone)` of a zone that never changed, `pytz._p(zone, offset, dst, abbreviation)` of others.
fn pytz(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    match *args {
        [Node::Str(zone)] => {
            let mut repr = b"<StaticTzInfo ".to_vec();
            scalar::write_str(value.text(zone), &mut repr);
            repr.push(b'>');
            Some(word(repr, value.text(zone)))
        }
        [Node::Str(zone), Node::Int(offset), Node::Int(dst), Node::Str(abbreviation)] => {
            (-86_400..=86_400).contains(&offset).then_some(())?;
            let mut repr = b"<DstTzInfo ".to_vec();
            scalar::write_str(value.text(zone), &mut repr);
            repr.push(b' ');
            scalar::write_name(value.text(abbreviation), &mut repr);
            // As `str` of a timedelta: a negative one is `-1 day, h:mm:ss`.
            let (day, rest) = (offset.div_euclid(86_400), offset.rem_euclid(86_400));
            let clock = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
            let day = match day {
                0 => "+".to_owned(),
                1 => "+1 day, ".to_owned(),
                days => format!("{days} day{}, ", if days == -1 { "" } else { "s" }),
            };
            let season = if dst == 0 { "STD" } else { "DST" };
            repr.extend_from_slice(format!("{day}{clock} {season}>").as_bytes());
            Some(word(repr, value.text(zone)))
        }
        _ => None,
    }
}
