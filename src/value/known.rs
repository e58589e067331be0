//! What the well-known callables stand for: dates, decimals, ordered dicts and their like, as data.
//!
//! A pickle says "call `datetime.datetime` with these ten bytes"; a person wants the date. The
//! shapes are those that CPython 2.7 to 3.14 write at protocols 0 to 5 (`Lib/copyreg.py`,
//! `Modules/_datetimemodule.c`, `Lib/uuid.py`, `Lib/fractions.py`, `Modules/_collectionsmodule.c`).
//! What has any other shape, or is out of range, is not known, and is shown as the call it is.
//! Nothing is called; no notation is known here.

mod form;
mod library;
mod numpy;
mod pandas;
mod record;
mod time;

use std::borrow::Cow;

use num_bigint::{BigInt, Sign};

pub use self::form::{Form, Given, Name, attribute, dotted, get_attribute};
pub use self::numpy::{Array, Item, boundaries, half};
use super::code_point::code_point;
use super::{How, Id, Node, Object, Span, Step, Value, scalar};

/// What an object stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<'v> {
    /// A complex number.
    Complex(f64, f64),
    /// A `range`: start, stop, step.
    Range(&'v [Node]),
    /// A `slice`: start, stop, step.
    Slice(&'v [Node]),
    /// The type of `None`.
    NoneType,
    /// A date.
    Date(Date),
    /// A time of day, and its zone or `None`.
    Time(Time, Node),
    /// Both.
    DateTime(Date, Time, Node),
    /// A duration.
    TimeDelta(TimeDelta),
    /// A fixed offset from UTC, and its name where it was given one.
    TimeZone(TimeDelta, Option<Span>),
    /// A zone of the time zone database.
    ZoneInfo(Span),
    /// A decimal number, in the text that `str` gives.
    Decimal(Span),
    /// A UUID.
    Uuid(u128),
    /// A fraction: numerator and denominator.
    Fraction(BigInt, BigInt),
    /// An `OrderedDict`: key, value, key, value …
    OrderedDict(Cow<'v, [Node]>),
    /// A `defaultdict`: what makes its values, and key, value, key, value …
    DefaultDict(Node, Cow<'v, [Node]>),
    /// A `Counter`: key, count, key, count …
    Counter(Cow<'v, [Node]>),
    /// A `deque`: its members, and the most that it takes or `None`.
    Deque(Cow<'v, [Node]>, Node),
    /// An instance of another class, as the call that reads like its `repr`.
    Form(Form<'v>),
    /// An array of numpy's or of the standard library.
    Array(Array<'v>),
    /// What has too many parts to read: its class, shape and types.
    Summary(Vec<u8>),
    /// What has no parts: its `repr`, and what it is in plain words.
    Word {
        /// In the notation of its `repr`.
        repr: Vec<u8>,
        /// For who has no such notation.
        plain: Plain,
    },
}

/// What something is where there are only numbers and text.
#[derive(Clone, Debug, PartialEq)]
pub enum Plain {
    /// Nothing: not a time.
    None,
    /// Seconds.
    Duration(f64),
    /// A scalar of numpy.
    Item(Item),
    /// A path, an address, a zone, a point in time.
    Text(Vec<u8>),
    /// A class or function.
    Name(Vec<u8>),
}

/// A day of the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// 1 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// A time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999999.
    pub microsecond: u32,
    /// The second of two times that a clock shows twice.
    pub fold: bool,
}

/// A duration, as `timedelta` keeps it: only the days are ever negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeDelta {
    /// -999999999 to 999999999.
    pub days: i64,
    /// 0 to 86399.
    pub seconds: i64,
    /// 0 to 999999.
    pub microseconds: i64,
}

/// An object, whichever of `copyreg`'s ways it was made by: a class and what it was given.
#[derive(Clone, Copy, Debug)]
pub struct Made<'v> {
    /// How it was made.
    pub how: How,
    /// The class or function.
    pub class: Node,
    /// The arguments by position.
    pub args: &'v [Node],
    /// All arguments in one, where they are not a tuple: `*rest`.
    pub rest: Option<Node>,
    /// The arguments by name, a dict.
    pub kwargs: Node,
    /// What was done to it then.
    pub steps: &'v [Step],
}

/// What `node` stands for, if it is an object of a known shape.
#[must_use]
pub fn of<'v>(value: &'v Value, node: Node) -> Option<Known<'v>> {
    let Node::Object(id) = node else { return None };
    let made = made(value, id);
    if made.rest.is_some() || made.kwargs != Node::None || made.args.iter().any(is_long) {
        return None;
    }
    let form = || form::instance(value, id, &made).map(Known::Form);
    let Node::Global(class) = made.class else { return zone_info(value, &made).or_else(form) };
    let (module, name) = value.global(class);
    of_global(value, module, name, &made).or_else(|| match (module, name) {
        (b"builtins", b"getattr") => attribute(value, node).map(|name| {
            let mut repr = Vec::new();
            scalar::write_name(&name, &mut repr);
            Known::Word { repr, plain: Plain::Name(name) }
        }),
        _ => library::of(value, module, name, &made)
            .or_else(|| numpy::of(value, module, name, &made))
            .or_else(|| record::of(value, module, name, &made))
            .or_else(|| time::of_pandas(value, module, name, &made))
            .or_else(|| pandas::of_table(value, module, name, &made))
            .or_else(form),
    })
}

/// Whether an argument is text that no date, number or name is so long as. Each object that is made
/// of one shared text reads all of it: a text of a megabyte under a million objects would take hours.
fn is_long(node: &Node) -> bool {
    matches!(node, Node::Str(span) if span.len as usize > scalar::DIGITS_MAX)
}

/// The classes of the built-in notation, by their module and name.
fn of_global<'v>(value: &'v Value, module: &[u8], name: &[u8], made: &Made<'v>) -> Option<Known<'v>> {
    match (module, name) {
        (b"collections", b"OrderedDict") => ordered_dict(value, made),
        (b"collections", b"defaultdict") => default_dict(value, made),
        (b"collections", b"deque") => deque(value, made),
        (b"uuid", b"UUID") => uuid(value, made),
        _ if !made.steps.is_empty() => None,
        (b"collections", b"Counter") => counter(value, made),
        (b"builtins", b"complex") => complex(made.args),
        (b"builtins", b"range") => three(value, made.args).then_some(Known::Range(made.args)),
        (b"builtins", b"slice") => (made.args.len() == 3).then_some(Known::Slice(made.args)),
        (b"builtins", b"type") => (made.args == [Node::None]).then_some(Known::NoneType),
        (b"datetime", b"date") => date(value, made.args),
        (b"datetime", b"time") => time(value, made.args),
        (b"datetime", b"datetime") => date_time(value, made.args),
        (b"datetime", b"timedelta") => time_delta(made.args).map(Known::TimeDelta),
        (b"datetime", b"timezone") => time_zone(value, made.args),
        (b"decimal", b"Decimal") => decimal(value, made.args),
        (b"fractions", b"Fraction") => fraction(value, made.args),
        _ => None,
    }
}

/// An object by its class, whether it was called, made by `__new__`, or by a function of `copyreg`.
#[must_use]
pub fn made(value: &Value, id: Id) -> Made<'_> {
    let Object { how, callable, args, kwargs, steps } = value.object(id);
    let Node::Tuple(tuple) = *args else {
        return Made { how: *how, class: *callable, args: &[], rest: Some(*args), kwargs: *kwargs, steps };
    };
    let args = value.members(tuple);
    let made = Made { how: *how, class: *callable, args, rest: None, kwargs: *kwargs, steps };
    if *kwargs != Node::None || *how != How::Call {
        return made;
    }
    match args {
        [class, base, state] if value.is_global(*callable, "copyreg", "_reconstructor") => {
            let bare = *state == Node::None && value.is_global(*base, "builtins", "object");
            Made { class: *class, args: if bare { &[] } else { &args[2..] }, ..made }
        }
        [class, args @ ..] if value.is_global(*callable, "copyreg", "__newobj__") => {
            Made { how: How::New, class: *class, args, ..made }
        }
        [class, Node::Tuple(args), named @ Node::Dict(_)] if value.is_global(*callable, "copyreg", "__newobj_ex__") => {
            Made { class: *class, args: value.members(*args), kwargs: *named, ..made }
        }
        _ => made,
    }
}

/// [`made`], of an object that was given no named arguments.
fn of_plain(value: &Value, node: Node) -> Option<Made<'_>> {
    let Node::Object(id) = node else { return None };
    let made = made(value, id);
    (made.rest.is_none() && made.kwargs == Node::None).then_some(made)
}

/// Whether `module.name` is a class for certain, so that it can be shown as one.
#[must_use]
pub fn is_class(module: &[u8], name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    let names: &[&str] = match module {
        b"builtins" => &[
            "bool",
            "bytearray",
            "bytes",
            "classmethod",
            "complex",
            "dict",
            "enumerate",
            "filter",
            "float",
            "frozenset",
            "int",
            "list",
            "map",
            "memoryview",
            "object",
            "property",
            "range",
            "reversed",
            "set",
            "slice",
            "staticmethod",
            "str",
            "super",
            "tuple",
            "type",
            "zip",
            "BaseException",
            "BaseExceptionGroup",
            "Exception",
            "ExceptionGroup",
            "GeneratorExit",
            "KeyboardInterrupt",
            "StopAsyncIteration",
            "StopIteration",
            "SystemExit",
        ],
        b"collections" => {
            &["ChainMap", "Counter", "OrderedDict", "UserDict", "UserList", "UserString", "defaultdict", "deque"]
        }
        b"datetime" => &["date", "datetime", "time", "timedelta", "timezone", "tzinfo"],
        b"decimal" => &["Context", "Decimal"],
        b"fractions" => &["Fraction"],
        b"uuid" => &["SafeUUID", "UUID"],
        b"zoneinfo" => &["ZoneInfo"],
        _ => &[],
    };
    names.contains(&name) || (module == b"builtins" && (name.ends_with("Error") || name.ends_with("Warning")))
}

/// The days of a month.
#[must_use]
pub fn days(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn complex(args: &[Node]) -> Option<Known<'static>> {
    match *args {
        [Node::Float(real), Node::Float(imaginary)] => Some(Known::Complex(real, imaginary)),
        _ => None,
    }
}

/// Whether these are a range's start, stop and step.
fn three(value: &Value, args: &[Node]) -> bool {
    args.len() == 3 && args.iter().all(|node| scalar::integer(value, *node).is_some()) && args[2] != Node::Int(0)
}

/// The state of a date or time: bytes, or text of the same length, which Python 2 wrote.
fn state<const N: usize>(value: &Value, node: Node) -> Option<[u8; N]> {
    match node {
        Node::Bytes(span) => value.text(span).try_into().ok(),
        Node::Str(span) => {
            let mut text = value.text(span);
            let mut bytes = Vec::with_capacity(N);
            while !text.is_empty() && bytes.len() <= N {
                let (code, len) = code_point(text);
                bytes.push(u8::try_from(code).ok()?);
                text = &text[len..];
            }
            bytes.try_into().ok()
        }
        _ => None,
    }
}

fn date(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    let &[node] = args else { return None };
    let bytes: [u8; 4] = state(value, node)?;
    valid_date(&bytes, bytes[2]).map(Known::Date)
}

fn time(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    let (node, zone) = with_zone(args)?;
    let bytes: [u8; 6] = state(value, node)?;
    valid_time(&bytes, bytes[0] & 0x7f, bytes[0] & 0x80 != 0).map(|time| Known::Time(time, zone))
}

fn date_time(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    let (node, zone) = with_zone(args)?;
    let bytes: [u8; 10] = state(value, node)?;
    let date = valid_date(&bytes, bytes[2] & 0x7f)?;
    let time = valid_time(&bytes[4..], bytes[4], bytes[2] & 0x80 != 0)?;
    Some(Known::DateTime(date, time, zone))
}

fn with_zone(args: &[Node]) -> Option<(Node, Node)> {
    match *args {
        [state] => Some((state, Node::None)),
        [state, zone @ Node::Object(_)] => Some((state, zone)),
        _ => None,
    }
}

fn valid_date(bytes: &[u8], month: u8) -> Option<Date> {
    let (year, day) = (u16::from_be_bytes([bytes[0], bytes[1]]), bytes[3]);
    let valid = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=days(year, month)).contains(&day);
    valid.then_some(Date { year, month, day })
}

fn valid_time(bytes: &[u8], hour: u8, fold: bool) -> Option<Time> {
    let (minute, second) = (bytes[1], bytes[2]);
    let microsecond = u32::from_be_bytes([0, bytes[3], bytes[4], bytes[5]]);
    let valid = hour < 24 && minute < 60 && second < 60 && microsecond < 1_000_000;
    valid.then_some(Time { hour, minute, second, microsecond, fold })
}

fn time_delta(args: &[Node]) -> Option<TimeDelta> {
    let [Node::Int(days), Node::Int(seconds), Node::Int(microseconds)] = *args else { return None };
    let valid = (-999_999_999..=999_999_999).contains(&days)
        && (0..86_400).contains(&seconds)
        && (0..1_000_000).contains(&microseconds);
    valid.then_some(TimeDelta { days, seconds, microseconds })
}

fn time_zone<'v>(value: &'v Value, args: &[Node]) -> Option<Known<'v>> {
    let (&offset, name) = match args {
        [offset] => (offset, None),
        [offset, Node::Str(name)] => (offset, Some(*name)),
        _ => return None,
    };
    let Some(Known::TimeDelta(offset)) = of_time_delta(value, offset) else { return None };
    let day = 86_400 * 1_000_000_i64;
    let total = (offset.days * 86_400 + offset.seconds) * 1_000_000 + offset.microseconds;
    (-day < total && total < day).then_some(Known::TimeZone(offset, name))
}

/// [`of`], for the one shape that may stand inside a zone: so no chain of zones is followed.
fn of_time_delta(value: &Value, node: Node) -> Option<Known<'_>> {
    let made = of_plain(value, node)?;
    (made.steps.is_empty() && value.is_global(made.class, "datetime", "timedelta"))
        .then(|| time_delta(made.args))?
        .map(Known::TimeDelta)
}

/// `zoneinfo.ZoneInfo._unpickle(key, from_cache)`, where the method is a `getattr`.
fn zone_info<'v>(value: &'v Value, made: &Made<'v>) -> Option<Known<'v>> {
    let &[Node::Str(key), Node::Int(0 | 1) | Node::Bool(_)] = made.args else { return None };
    let Node::Object(method) = made.class else { return None };
    let Object { how: How::Call, callable, args: Node::Tuple(args), kwargs: Node::None, steps } = value.object(method)
    else {
        return None;
    };
    let &[class, Node::Str(name)] = value.members(*args) else { return None };
    let is_unpickle = value.is_global(*callable, "builtins", "getattr")
        && value.is_global(class, "zoneinfo", "ZoneInfo")
        && value.text(name) == b"_unpickle";
    (is_unpickle && steps.is_empty() && made.steps.is_empty()).then_some(Known::ZoneInfo(key))
}

fn decimal<'v>(value: &'v Value, args: &[Node]) -> Option<Known<'v>> {
    let &[Node::Str(text)] = args else { return None };
    is_decimal(value.text(text)).then_some(Known::Decimal(text))
}

/// Whether `text` is what `str` gives for a decimal: the only text that `repr` shows unchanged.
#[must_use]
pub fn is_decimal(text: &[u8]) -> bool {
    let body = text.strip_prefix(b"-").unwrap_or(text);
    let digits = |text: &[u8]| text.iter().all(u8::is_ascii_digit);
    let whole = |text: &[u8]| !text.is_empty() && digits(text) && (text[0] != b'0' || text.len() == 1);
    if body == b"Infinity" {
        return true;
    }
    if let Some(diagnosis) = body.strip_prefix(b"NaN").or_else(|| body.strip_prefix(b"sNaN")) {
        return diagnosis.is_empty() || (whole(diagnosis) && diagnosis != b"0");
    }
    let split = |text: &'_ [u8], at: u8| text.iter().position(|byte| *byte == at);
    let (coefficient, exponent) = match split(body, b'E') {
        Some(at) => (&body[..at], Some(&body[at + 1..])),
        None => (body, None),
    };
    let (before, after) = match split(coefficient, b'.') {
        Some(at) => (&coefficient[..at], Some(&coefficient[at + 1..])),
        None => (coefficient, None),
    };
    if !whole(before) || after.is_some_and(|after| after.is_empty() || !digits(after)) {
        return false;
    }
    let after = after.unwrap_or_default();
    let Some(exponent) = exponent else {
        // More than six places below the first digit are written with an exponent.
        let zeros = after.iter().take_while(|digit| **digit == b'0').count();
        return before != b"0" || after.len() <= 6 || (zeros < after.len() && zeros < 6);
    };
    let Some((sign, power)) = exponent.split_first() else { return false };
    if !matches!(sign, b'+' | b'-') || !whole(power) || before.len() != 1 || (before == b"0" && !after.is_empty()) {
        return false;
    }
    // Without the exponent it would have been written when the adjusted exponent is -6 or more and
    // the last digit stands at or below the units.
    let Ok(power) = String::from_utf8_lossy(power).parse::<i64>() else { return false };
    let adjusted = if *sign == b'-' { -power } else { power };
    let last = adjusted - i64::try_from(after.len()).unwrap_or(i64::MAX);
    last > 0 || adjusted < -6
}

fn fraction(value: &Value, args: &[Node]) -> Option<Known<'static>> {
    let (numerator, denominator) = match *args {
        [numerator, denominator] => (scalar::integer(value, numerator)?, scalar::integer(value, denominator)?),
        [Node::Str(text)] => {
            // Before Python 3.11: the text of the fraction. Long digits take quadratic time to read.
            let text = std::str::from_utf8(value.text(text)).ok().filter(|text| text.len() <= scalar::DIGITS_MAX)?;
            let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
            let parse = |digits: &str| digits.parse::<BigInt>().ok().filter(|number| number.to_string() == digits);
            (parse(numerator)?, parse(denominator)?)
        }
        _ => return None,
    };
    (denominator.sign() == Sign::Plus && is_reduced(&numerator, &denominator))
        .then_some(Known::Fraction(numerator, denominator))
}

/// Whether two numbers have no common divisor. Numbers of more than 128 bits are believed: Python
/// keeps fractions reduced, and the division would take quadratic time.
fn is_reduced(a: &BigInt, b: &BigInt) -> bool {
    let (Ok(mut a), Ok(mut b)) = (u128::try_from(a.magnitude()), u128::try_from(b.magnitude())) else { return true };
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

/// The state is `{"int": n}`, alone or as the slots half of a pair; or it was called with its digits.
fn uuid(value: &Value, made: &Made<'_>) -> Option<Known<'static>> {
    let state = match (made.args, made.steps) {
        (&[], &[Step::State(state)]) => state,
        (&[Node::Str(digits)], &[]) => {
            return parse_uuid(std::str::from_utf8(value.text(digits)).ok()?).map(Known::Uuid);
        }
        _ => return None,
    };
    let state = match state {
        Node::Dict(dict) => dict,
        Node::Tuple(pair) => match *value.members(pair) {
            [Node::None, Node::Dict(slots)] => slots,
            _ => return None,
        },
        _ => return None,
    };
    let mut number = None;
    for pair in value.members(state).chunks_exact(2) {
        let Node::Str(key) = pair[0] else { return None };
        match value.text(key) {
            b"int" => number = Some(u128::try_from(scalar::integer(value, pair[1])?).ok()?),
            b"is_safe" => {}
            _ => return None,
        }
    }
    number.map(Known::Uuid)
}

/// Reads 32 hexadecimal digits, in the groups of a UUID or in one.
#[must_use]
pub fn parse_uuid(text: &str) -> Option<u128> {
    let groups: Vec<usize> = text.split('-').map(str::len).take(6).collect();
    let valid = matches!(groups[..], [32] | [8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    valid.then(|| u128::from_str_radix(&text.replace('-', ""), 16).ok())?
}

/// Called with nothing and filled by items; Python 2 gave a list of pairs.
fn ordered_dict<'v>(value: &'v Value, made: &Made<'v>) -> Option<Known<'v>> {
    let given = match *made.args {
        [] => Cow::Borrowed(&[][..]),
        [Node::List(pairs)] => {
            let mut given = Vec::new();
            for pair in value.members(pairs) {
                let (Node::List(pair) | Node::Tuple(pair)) = *pair else { return None };
                let &[key, member] = value.members(pair) else { return None };
                given.extend([key, member]);
            }
            Cow::Owned(given)
        }
        _ => return None,
    };
    steps(value, given, made.steps, Fill::Items).map(Known::OrderedDict)
}

fn default_dict<'v>(value: &'v Value, made: &Made<'v>) -> Option<Known<'v>> {
    let factory = match *made.args {
        [] => Node::None,
        [factory] => factory,
        _ => return None,
    };
    steps(value, Cow::Borrowed(&[]), made.steps, Fill::Items).map(|items| Known::DefaultDict(factory, items))
}

fn counter<'v>(value: &'v Value, made: &Made<'v>) -> Option<Known<'v>> {
    match *made.args {
        [Node::Dict(counts)] => Some(Known::Counter(Cow::Borrowed(value.members(counts)))),
        _ => None,
    }
}

fn deque<'v>(value: &'v Value, made: &Made<'v>) -> Option<Known<'v>> {
    let (given, most) = match *made.args {
        [] => (&[][..], Node::None),
        [Node::Tuple(given) | Node::List(given)] => (value.members(given), Node::None),
        [Node::Tuple(given) | Node::List(given), most] => (value.members(given), most),
        _ => return None,
    };
    let members = steps(value, Cow::Borrowed(given), made.steps, Fill::Extend)?;
    match most {
        Node::None => {}
        Node::Int(most) if i64::try_from(members.len()).is_ok_and(|len| len <= most) => {}
        _ => return None,
    }
    Some(Known::Deque(members, most))
}

#[derive(PartialEq)]
enum Fill {
    Items,
    Extend,
}

/// All that was added, where nothing else was done.
fn steps<'v>(value: &'v Value, given: Cow<'v, [Node]>, steps: &[Step], fill: Fill) -> Option<Cow<'v, [Node]>> {
    let mut all = given;
    for step in steps {
        let added = match step {
            Step::Items(id) if fill == Fill::Items => value.members(*id),
            Step::Extend(id) if fill == Fill::Extend => value.members(*id),
            _ => return None,
        };
        if all.is_empty() {
            all = Cow::Borrowed(added);
        } else {
            all.to_mut().extend_from_slice(added);
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_that_python_writes_is_a_decimal() {
        for text in ["0", "-0", "1.50", "0.000001", "1E+3", "-0E+3", "1.5E-7", "0E-7", "NaN", "-sNaN12", "-Infinity"] {
            assert!(is_decimal(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "1.",
            ".5",
            "1e3",
            "1E3",
            "1E+0",
            "1E-3",
            "0.0E+1",
            "0.0000001",
            "inf",
            "1_0",
            "1E+",
            "NaN0",
            "12.5E+20",
        ] {
            assert!(!is_decimal(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_date_out_of_range_is_not_known() {
        for (bytes, known) in [
            (&b"\x07\xe8\x02\x1d"[..], true),
            (b"\x07\xe7\x02\x1d", false),
            (b"\x00\x00\x01\x01", false),
            (b"\x07\xe8\x0d\x01", false),
            (b"\x07\xe8\x01", false),
        ] {
            let mut value = Value::of_bytes(bytes);
            let args = Node::Tuple(value.container(&[value.root()]));
            let callable = value.global_named("datetime", "date");
            let object = Object { how: How::Call, callable, args, kwargs: Node::None, steps: Vec::new() };
            let node = Node::Object(value.push_object(object));
            assert_eq!(of(&value, node).is_some(), known, "{bytes:?}");
        }
    }
}
