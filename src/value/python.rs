//! Python's notation: what `repr` prints in CPython 3.11, byte for byte, for the well-known types.
//!
//! Those are None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set (in stored
//! order), frozenset, dict, range, slice, the datetime family, `ZoneInfo`, `Decimal`, `UUID`,
//! `Fraction`, `OrderedDict`, `defaultdict`, `Counter`, `deque` and the built-in classes; a value
//! inside itself is `[...]`, `{...}`, `(...)`. An integer that CPython refuses to print, of more than
//! 4300 digits, is `0x…`. What no `repr` is known for is written so:
//!
//! - an object: `module.Class(arg, …, name=arg, …, state=…, extend=[…], items={k: v}, add={…})`,
//!   what it was given, in stored order, with `call=f(..., state)` for what was called with it; `*args`
//!   and `**kwargs` where they are not a tuple, a dict
//!   with names; in itself `module.Class(...)`
//! - a class or function: `<class 'module.Name'>` where it is a class for certain, else `module.name`
//! - a table or index of pandas: its class, shape and dtypes, `pandas.Series(shape=(3,), dtype=int64)`
//! - a persistent id: `persistent(id)`; a `copyreg` extension: `extension(code)`
//! - an out-of-band buffer: `buffer(n)`, `readonly_buffer(n)`
//! - a msgpack extension: `Ext(code, b'…')`; a msgpack timestamp: `Timestamp(seconds, nanoseconds)`
//!
//! [`walk`] goes over a value once for every view that people read; where lines break and what is
//! coloured is for its [`Paper`] to say.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::{self, Write};

use num_bigint::BigInt;

use super::json::{self, Escape};
use super::known::{self, Date, Form, Given, Known, Name, Time, TimeDelta};
use super::print::{self, Expansion, Path, PrintError};
use super::scalar::{self, PAGE};
use super::{Id, Identity, Node, Step, Value};
use crate::limits::Limits;

/// Writes `value` on one line.
///
/// # Errors
/// [`PrintError::Limit`] for a value that sharing makes too long, before anything is written.
pub fn write(value: &Value, limits: &Limits, out: &mut dyn Write) -> Result<(), PrintError> {
    write_node(value, value.root, limits, out)
}

/// Writes one node of `value` on one line.
///
/// # Errors
/// As [`write()`].
pub fn write_node(value: &Value, node: Node, limits: &Limits, out: &mut dyn Write) -> Result<(), PrintError> {
    let expansion = Expansion::of_node(value, node);
    expansion.check(limits)?;
    let repr = |out: &mut dyn Write| {
        walk_node(value, node, &mut Manner::repr(&expansion, limits), &mut Line { buffer: Vec::new(), out })
    };
    if expansion.is_cyclic() {
        // Which mentions are inner ones depends on the way taken, so only a walk can count them.
        repr(&mut io::sink())?;
    }
    repr(out)
}

/// What [`walk`] writes on.
pub trait Paper {
    /// A bracket opens.
    fn open(&mut self, bracket: &'static str);
    /// The bracket closes.
    fn close(&mut self, bracket: &'static str);
    /// Between two members of a bracket.
    fn comma(&mut self);
    /// A word that is not broken.
    fn word(&mut self, tint: Tint, text: &[u8]);
    /// Hands on what is settled. Called often.
    ///
    /// # Errors
    /// The output's.
    fn flush(&mut self, done: bool) -> io::Result<()>;
}

/// What a word is, for colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// Punctuation.
    Plain,
    /// A key of a dict.
    Key,
    /// Text and bytes.
    Text,
    /// A number.
    Number,
    /// True, False, None.
    Constant,
    /// The name of a class, a function or an argument.
    Name,
    /// A label or a mention of it.
    Label,
}

/// Whose words scalars are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Python's.
    Python,
    /// JSON's, for what JSON has; else Python's.
    Json(Escape),
}

/// What becomes of a part that is met again.
enum Sharing {
    /// It is written again, but not inside itself.
    Repeat { nodes: u64, bytes: u64 },
    /// It is mentioned by its label, but when it is small.
    Label { labels: HashMap<Identity, usize> },
}

/// How a value is written.
pub struct Manner<'e> {
    words: Words,
    expansion: &'e Expansion,
    sharing: Sharing,
    limits: Limits,
}

impl<'e> Manner<'e> {
    /// As `repr`: at most as much as the limits `printed` and `output` say.
    #[must_use]
    pub fn repr(expansion: &'e Expansion, limits: &Limits) -> Manner<'e> {
        Manner::repeated(Words::Python, expansion, limits)
    }

    /// Each shared part again wherever it is, as `repr` does.
    #[must_use]
    pub fn repeated(words: Words, expansion: &'e Expansion, limits: &Limits) -> Manner<'e> {
        let sharing = Sharing::Repeat { nodes: limits.printed, bytes: limits.output };
        Manner { words, expansion, sharing, limits: *limits }
    }

    /// Each shared part that is not small once, and its label from then on: linear in what is
    /// stored, so nothing is refused.
    #[must_use]
    pub fn labelled(words: Words, expansion: &'e Expansion, limits: &Limits) -> Manner<'e> {
        Manner { words, expansion, sharing: Sharing::Label { labels: HashMap::new() }, limits: *limits }
    }
}

/// Writes `value` on `paper`.
///
/// # Errors
/// The output's, and [`PrintError::Limit`] where a value is to be repeated too often.
pub fn walk(value: &Value, manner: &mut Manner<'_>, paper: &mut dyn Paper) -> Result<(), PrintError> {
    walk_node(value, value.root, manner, paper)
}

fn walk_node(value: &Value, node: Node, manner: &mut Manner<'_>, paper: &mut dyn Paper) -> Result<(), PrintError> {
    let mut path = Path::new(value);
    let mut tasks = vec![Task::Node(node, Tint::Plain)];
    let mut scratch = Vec::new();
    while let Some(task) = tasks.pop() {
        match task {
            Task::Node(node, tint) => {
                if let Sharing::Repeat { nodes, bytes } = &mut manner.sharing {
                    *nodes = nodes.checked_sub(1).ok_or_else(|| manner.limits.exceeded("printed"))?;
                    let leaf = print::leaf_bytes(value, node);
                    *bytes = bytes.checked_sub(leaf).ok_or_else(|| manner.limits.exceeded("output"))?;
                }
                scratch.clear();
                if is_long(value, node) {
                    long_word(value, node, manner.words, tint, paper)?;
                } else if let Some(own) = word(value, node, manner.words, &mut scratch) {
                    paper.word(if tint == Tint::Plain { own } else { tint }, &scratch);
                } else if !met(value, node, manner, &mut path, paper, &mut tasks) {
                    tasks.push(Task::Leave(node));
                    let start = tasks.len();
                    enter(value, node, &mut tasks);
                    tasks[start..].reverse();
                }
                paper.flush(false)?;
            }
            Task::Members(members, at, shape) => {
                let Some(node) = members.get(at).copied() else { continue };
                if at > 0 {
                    paper.comma();
                }
                match (shape, members.get(at + 1).copied()) {
                    (Shape::Pairs, Some(member)) => {
                        tasks.push(Task::Members(members, at + 2, shape));
                        tasks.extend([Task::Node(member, Tint::Plain), Task::Word(Tint::Plain, b": "[..].into())]);
                        tasks.push(Task::Node(node, Tint::Key));
                    }
                    (Shape::Fields, Some(member)) => {
                        tasks.push(Task::Members(members, at + 2, shape));
                        tasks.extend([Task::Node(member, Tint::Plain), field(value, node)]);
                    }
                    (Shape::Tuples, Some(member)) => {
                        tasks.push(Task::Members(members, at + 2, shape));
                        tasks.extend([Task::Close(")"), Task::Node(member, Tint::Plain), Task::Comma]);
                        tasks.extend([Task::Node(node, Tint::Plain), Task::Open("(")]);
                    }
                    _ => {
                        tasks.push(Task::Members(members, at + 1, shape));
                        tasks.push(Task::Node(node, Tint::Plain));
                    }
                }
            }
            Task::Open(bracket) => paper.open(bracket),
            Task::Close(bracket) => paper.close(bracket),
            Task::Comma => paper.comma(),
            Task::Word(tint, text) => paper.word(tint, &text),
            Task::Names(pieces) => write_names(&pieces, Tint::Name, paper)?,
            Task::Leave(node) => path.leave(node),
        }
    }
    paper.flush(true)?;
    Ok(())
}

/// What is still to be written, the next last.
enum Task<'v> {
    Node(Node, Tint),
    Members(Cow<'v, [Node]>, usize, Shape),
    Open(&'static str),
    Close(&'static str),
    Comma,
    Word(Tint, Cow<'v, [u8]>),
    Names([&'v [u8]; 3]),
    Leave(Node),
}

/// How members are written.
#[derive(Clone, Copy)]
enum Shape {
    /// One by one.
    Single,
    /// `key: value`.
    Pairs,
    /// `(key, value)`.
    Tuples,
    /// `name=value`, where the names are text.
    Fields,
}

/// Writes what has no parts to walk over, and says what it is; `None` for what has.
fn word(value: &Value, node: Node, words: Words, out: &mut Vec<u8>) -> Option<Tint> {
    let json = matches!(words, Words::Json(_));
    match node {
        Node::None => out.extend_from_slice(if json { b"null" } else { b"None" }),
        Node::Bool(true) => out.extend_from_slice(if json { b"true" } else { b"True" }),
        Node::Bool(false) => out.extend_from_slice(if json { b"false" } else { b"False" }),
        Node::Int(number) => scalar::write_int(number, out),
        Node::Big(span) => out.extend_from_slice(scalar::big(&value.big(span)).as_bytes()),
        Node::Float(float) if json => json::write_float(float, out),
        Node::Float(float) => scalar::write_float(float, out),
        Node::Str(span) => match words {
            Words::Python => scalar::write_str(value.text(span), out),
            Words::Json(escape) => json::write_str(value.text(span), escape, out),
        },
        Node::Bytes(span) => scalar::write_bytes(value.text(span), out),
        Node::ByteArray(span) => {
            out.extend_from_slice(b"bytearray(");
            scalar::write_byte_array(value.text(span), out);
            out.push(b')');
        }
        Node::Global(id) => global_pieces(value, id).iter().for_each(|piece| scalar::write_name(piece, out)),
        Node::Extension(code) => out.extend_from_slice(format!("extension({code})").as_bytes()),
        Node::Buffer(n) => out.extend_from_slice(format!("buffer({n})").as_bytes()),
        Node::ReadOnlyBuffer(n) => out.extend_from_slice(format!("readonly_buffer({n})").as_bytes()),
        Node::Ext(code, span) => {
            out.extend_from_slice(format!("Ext({code}, ").as_bytes());
            scalar::write_byte_array(value.text(span), out);
            out.push(b')');
        }
        Node::Timestamp(seconds, nanoseconds) => {
            out.extend_from_slice(format!("Timestamp({seconds}, {nanoseconds})").as_bytes());
        }
        Node::Object(_) => return known_word(&known::of(value, node)?, value, out),
        Node::List(_) | Node::Tuple(_) | Node::Set(_) | Node::FrozenSet(_) | Node::Dict(_) | Node::Persistent(_) => {
            return None;
        }
    }
    Some(match node {
        Node::None | Node::Bool(_) => Tint::Constant,
        Node::Int(_) | Node::Big(_) | Node::Float(_) => Tint::Number,
        Node::Str(_) | Node::Bytes(_) | Node::ByteArray(_) => Tint::Text,
        _ => Tint::Name,
    })
}

/// Whether a node is text, bytes or a name of more than a page.
fn is_long(value: &Value, node: Node) -> bool {
    match node {
        Node::Str(span) | Node::Bytes(span) | Node::ByteArray(span) | Node::Ext(_, span) => span.len as usize > PAGE,
        Node::Global(id) => global_pieces(value, id).iter().any(|piece| piece.len() > PAGE),
        _ => false,
    }
}

/// Writes such a one page by page.
fn long_word(value: &Value, node: Node, words: Words, tint: Tint, paper: &mut dyn Paper) -> io::Result<()> {
    let or = |own| if tint == Tint::Plain { own } else { tint };
    let span = match node {
        Node::Str(span) | Node::Bytes(span) | Node::ByteArray(span) | Node::Ext(_, span) => span,
        Node::Global(id) => return write_names(&global_pieces(value, id), or(Tint::Name), paper),
        _ => return Ok(()),
    };
    let text = value.text(span);
    let quote = scalar::quote(text);
    let (open, close, marks, tint) = match (node, words) {
        (Node::Str(_), Words::Json(_)) => (String::new(), "", &[b'"'][..], or(Tint::Text)),
        (Node::Str(_), Words::Python) => (String::new(), "", &[quote][..], or(Tint::Text)),
        (Node::Bytes(_), _) => ("b".to_owned(), "", &[quote][..], or(Tint::Text)),
        (Node::Ext(code, _), _) => (format!("Ext({code}, b"), ")", &[quote, b'\''][..], or(Tint::Name)),
        _ => ("bytearray(b".to_owned(), ")", &[quote, b'\''][..], or(Tint::Text)),
    };
    paper.word(tint, &[open.as_bytes(), &marks[..1]].concat());
    let mut escaped = Vec::new();
    for page in scalar::pages(text, PAGE) {
        escaped.clear();
        match (node, words) {
            (Node::Str(_), Words::Json(escape)) => json::write_str_part(page, escape, &mut escaped),
            (Node::Str(_), Words::Python) => scalar::write_str_part(page, quote, &mut escaped),
            _ => scalar::write_bytes_part(page, marks, &mut escaped),
        }
        paper.word(tint, &escaped);
        paper.flush(false)?;
    }
    paper.word(tint, &[&marks[..1], close.as_bytes()].concat());
    Ok(())
}

/// Writes names, and what stands around them, as one word; a long one page by page.
fn write_names(pieces: &[&[u8]], tint: Tint, paper: &mut dyn Paper) -> io::Result<()> {
    let mut escaped = Vec::new();
    for page in pieces.iter().flat_map(|piece| scalar::pages(piece, PAGE)) {
        scalar::write_name(page, &mut escaped);
        if escaped.len() > PAGE {
            paper.word(tint, &escaped);
            paper.flush(false)?;
            escaped.clear();
        }
    }
    if !escaped.is_empty() {
        paper.word(tint, &escaped);
    }
    Ok(())
}

/// A class or function: its names, and what stands around them, which needs no escape. `Ellipsis` and
/// `NotImplemented` are values that are pickled by name.
fn global_pieces(value: &Value, id: Id) -> [&[u8]; 5] {
    let (module, name) = value.global(id);
    let is_class = known::is_class(module, name);
    let is_constant = module == b"builtins" && matches!(name, b"Ellipsis" | b"NotImplemented");
    let (open, close): (&[u8], &[u8]) = if is_class { (b"<class '", b"'>") } else { (b"", b"") };
    match is_constant || is_class && module == b"builtins" {
        true => [open, b"", b"", name, close],
        false => [open, module, b".", name, close],
    }
}

/// The known objects that have no parts to walk over.
fn known_word(known: &Known<'_>, value: &Value, out: &mut Vec<u8>) -> Option<Tint> {
    let text = match known {
        Known::Complex(real, imaginary) => {
            scalar::write_complex(*real, *imaginary, out);
            return Some(Tint::Number);
        }
        Known::Date(date) => format!("datetime.date({})", date_arguments(*date)),
        Known::Time(time, Node::None) => {
            format!("datetime.time({}{})", time_arguments(*time), if time.fold { ", fold=1" } else { "" })
        }
        Known::DateTime(date, time, Node::None) => {
            let fold = if time.fold { ", fold=1" } else { "" };
            format!("datetime.datetime({}, {}{fold})", date_arguments(*date), time_arguments(*time))
        }
        Known::TimeDelta(delta) => time_delta(*delta),
        Known::TimeZone(delta, name) => {
            let utc = *delta == TimeDelta { days: 0, seconds: 0, microseconds: 0 };
            if name.is_none() && utc {
                "datetime.timezone.utc".to_owned()
            } else {
                out.extend_from_slice(format!("datetime.timezone({}", time_delta(*delta)).as_bytes());
                if let Some(name) = name {
                    out.extend_from_slice(b", ");
                    scalar::write_str(value.text(*name), out);
                }
                ")".to_owned()
            }
        }
        Known::ZoneInfo(key) => {
            out.extend_from_slice(b"zoneinfo.ZoneInfo(key=");
            scalar::write_str(value.text(*key), out);
            ")".to_owned()
        }
        Known::Decimal(text) => format!("Decimal('{}')", String::from_utf8_lossy(value.text(*text))),
        Known::Uuid(number) => format!("UUID('{}')", uuid(*number)),
        Known::NoneType => "<class 'NoneType'>".to_owned(),
        Known::Word { repr, .. } | Known::Summary(repr) => {
            out.extend_from_slice(repr);
            String::new()
        }
        Known::Array(array) => {
            array.write(out);
            String::new()
        }
        _ => return None,
    };
    out.extend_from_slice(text.as_bytes());
    Some(Tint::Name)
}

fn date_arguments(Date { year, month, day }: Date) -> String {
    format!("{year}, {month}, {day}")
}

/// Hours and minutes always, the rest where it is not zero.
fn time_arguments(Time { hour, minute, second, microsecond, .. }: Time) -> String {
    match (second, microsecond) {
        (0, 0) => format!("{hour}, {minute}"),
        (_, 0) => format!("{hour}, {minute}, {second}"),
        _ => format!("{hour}, {minute}, {second}, {microsecond}"),
    }
}

fn time_delta(TimeDelta { days, seconds, microseconds }: TimeDelta) -> String {
    let fields = [("days", days), ("seconds", seconds), ("microseconds", microseconds)];
    let shown: Vec<String> =
        fields.iter().filter(|(_, count)| *count != 0).map(|(name, count)| format!("{name}={count}")).collect();
    format!("datetime.timedelta({})", if shown.is_empty() { "0".to_owned() } else { shown.join(", ") })
}

/// The 8-4-4-4-12 hexadecimal digits of a UUID.
#[must_use]
pub fn uuid(number: u128) -> String {
    let hex = format!("{number:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Whether `node` is only mentioned here, because it stands further up or was written before. If
/// not, it is being written from now on.
fn met<'v>(
    value: &'v Value,
    node: Node,
    manner: &mut Manner<'_>,
    path: &mut Path,
    paper: &mut dyn Paper,
    tasks: &mut Vec<Task<'v>>,
) -> bool {
    let expansion = manner.expansion;
    let is_inside = path.enter(node);
    let Sharing::Label { labels } = &mut manner.sharing else {
        if is_inside {
            let start = tasks.len();
            ellipsis(value, node, tasks);
            tasks[start..].reverse();
        }
        return is_inside;
    };
    let Some(identity) = Identity::of(node) else { return false };
    if let Some(label) = labels.get(&identity) {
        let what = if is_inside { "cycle" } else { "shared" };
        paper.word(Tint::Label, format!("<{what} #{label}>").as_bytes());
        if !is_inside {
            path.leave(node);
        }
        return true;
    }
    if is_inside {
        paper.word(Tint::Label, b"<cycle>");
        return true;
    }
    if expansion.is_labelled(node) || expansion.closes_cycle(node) {
        let label = labels.len() + 1;
        labels.insert(identity, label);
        paper.word(Tint::Label, format!("#{label} ").as_bytes());
    }
    false
}

/// What CPython prints for a value inside itself, in the order of writing.
fn ellipsis<'v>(value: &'v Value, node: Node, tasks: &mut Vec<Task<'v>>) {
    let dots: &'static str = match node {
        Node::List(_) => "[...]",
        Node::Tuple(_) => "(...)",
        Node::Dict(_) => "{...}",
        Node::Set(_) => "set(...)",
        Node::FrozenSet(_) => "frozenset(...)",
        Node::Object(id) => match known::of(value, node) {
            Some(Known::Deque(..)) => "[...]",
            Some(Known::Counter(_)) => "Counter({...})",
            Some(Known::OrderedDict(_)) => "...",
            Some(Known::DefaultDict(factory, _)) => {
                tasks.extend([name("defaultdict("), Task::Node(factory, Tint::Plain), plain(", {...})")]);
                return;
            }
            Some(Known::Form(Form { name, .. })) => {
                push_name(value, &name, tasks);
                "(...)"
            }
            _ => {
                push_callable(value, known::made(value, id).class, tasks);
                "(...)"
            }
        },
        _ => "(...)",
    };
    tasks.push(plain(dots));
}

/// The parts of `node`, in the order of writing.
fn enter<'v>(value: &'v Value, node: Node, tasks: &mut Vec<Task<'v>>) {
    match node {
        Node::List(id) => bracket(tasks, "[", value.members(id).into(), Shape::Single, "]"),
        Node::Dict(id) => bracket(tasks, "{", value.members(id).into(), Shape::Pairs, "}"),
        Node::Tuple(id) => {
            let members = value.members(id);
            bracket(tasks, "(", members.into(), Shape::Single, ")");
            if members.len() == 1 {
                tasks.insert(tasks.len() - 1, plain(","));
            }
        }
        Node::Set(id) if value.members(id).is_empty() => tasks.push(plain("set()")),
        Node::Set(id) => bracket(tasks, "{", value.members(id).into(), Shape::Single, "}"),
        Node::FrozenSet(id) => {
            let members = value.members(id);
            tasks.extend([name("frozenset"), plain("(")]);
            if !members.is_empty() {
                bracket(tasks, "{", members.into(), Shape::Single, "}");
            }
            tasks.push(plain(")"));
        }
        Node::Persistent(id) => {
            tasks.push(name("persistent"));
            bracket(tasks, "(", value.members(id).into(), Shape::Single, ")");
        }
        Node::Object(_) => match known::of(value, node) {
            Some(known) => enter_known(known, value, tasks),
            None => enter_object(value, node, tasks),
        },
        _ => {}
    }
}

fn enter_known<'v>(known: Known<'v>, value: &'v Value, tasks: &mut Vec<Task<'v>>) {
    let fold = |time: Time| plain(if time.fold { ", fold=1" } else { "" });
    let zoned = |zone: Node| [name(", tzinfo="), Task::Node(zone, Tint::Plain)];
    match known {
        Known::Time(time, zone) => {
            tasks.push(owned(format!("datetime.time({}", time_arguments(time))));
            tasks.extend(zoned(zone));
            tasks.extend([fold(time), plain(")")]);
        }
        Known::DateTime(date, time, zone) => {
            tasks.push(owned(format!("datetime.datetime({}, {}", date_arguments(date), time_arguments(time))));
            tasks.push(fold(time));
            tasks.extend(zoned(zone));
            tasks.push(plain(")"));
        }
        Known::Range(bounds) => {
            let shown = if bounds[2] == Node::Int(1) { &bounds[..2] } else { bounds };
            tasks.push(name("range"));
            bracket(tasks, "(", shown.into(), Shape::Single, ")");
        }
        Known::Slice(bounds) => {
            tasks.push(name("slice"));
            bracket(tasks, "(", bounds.into(), Shape::Single, ")");
        }
        Known::Fraction(numerator, denominator) => {
            tasks.push(owned(format!("Fraction({}, {})", scalar::big(&numerator), scalar::big(&denominator))));
        }
        Known::OrderedDict(items) if items.is_empty() => tasks.push(name("OrderedDict()")),
        Known::OrderedDict(items) => {
            tasks.extend([name("OrderedDict"), plain("(")]);
            bracket(tasks, "[", items, Shape::Tuples, "]");
            tasks.push(plain(")"));
        }
        Known::Counter(counts) if counts.is_empty() => tasks.push(name("Counter()")),
        Known::Counter(counts) => {
            tasks.extend([name("Counter"), plain("(")]);
            bracket(tasks, "{", most_common(value, counts), Shape::Pairs, "}");
            tasks.push(plain(")"));
        }
        Known::DefaultDict(factory, items) => {
            tasks.extend([name("defaultdict"), plain("("), Task::Node(factory, Tint::Plain), plain(", ")]);
            bracket(tasks, "{", items, Shape::Pairs, "}");
            tasks.push(plain(")"));
        }
        Known::Deque(members, most) => {
            tasks.extend([name("deque"), plain("(")]);
            bracket(tasks, "[", members, Shape::Single, "]");
            if most != Node::None {
                tasks.extend([name(", maxlen="), Task::Node(most, Tint::Plain)]);
            }
            tasks.push(plain(")"));
        }
        Known::Form(form) => enter_form(form, value, tasks),
        other => unreachable!("{other:?} is a word"),
    }
}

/// As `Counter.most_common`: the greatest first, equal ones in stored order. Counts that are not all
/// numbers, all text or all bytes stay as they are stored, as they do in Python where they do not
/// compare; and so do those among which is a NaN, whose order says nothing.
fn most_common<'v>(value: &Value, counts: Cow<'v, [Node]>) -> Cow<'v, [Node]> {
    let rank = |pair: &[Node]| match pair[1] {
        Node::Bool(truth) => Some(Rank::Whole(i64::from(truth).into(), 0.0)),
        Node::Str(span) => Some(Rank::Text(value.text(span))),
        Node::Bytes(span) => Some(Rank::Bytes(value.text(span))),
        Node::Float(float) if float.is_nan() => None,
        Node::Float(f64::INFINITY) => Some(Rank::Most),
        Node::Float(f64::NEG_INFINITY) => Some(Rank::Least),
        Node::Float(float) => Some(Rank::Whole(scalar::whole(float.floor()), float - float.floor())),
        other => scalar::integer(value, other).map(|number| Rank::Whole(number, 0.0)),
    };
    let Some(ranks) = counts.chunks_exact(2).map(rank).collect::<Option<Vec<_>>>() else { return counts };
    let alike = |kind: fn(&Rank<'_>) -> bool| ranks.iter().all(kind);
    let is_comparable = alike(|rank| matches!(rank, Rank::Text(_)))
        || alike(|rank| matches!(rank, Rank::Bytes(_)))
        || alike(|rank| !matches!(rank, Rank::Text(_) | Rank::Bytes(_)));
    if !is_comparable {
        return counts;
    }
    let mut pairs: Vec<_> = ranks.into_iter().zip(counts.chunks_exact(2)).collect();
    pairs.sort_by(|(a, _), (b, _)| b.partial_cmp(a).unwrap_or(Ordering::Equal));
    pairs.into_iter().flat_map(|(_, pair)| [pair[0], pair[1]]).collect()
}

/// What a count is sorted by: numbers exactly, whatever their types.
#[derive(PartialEq, PartialOrd)]
enum Rank<'v> {
    Least,
    /// The whole number below, and the fraction above it.
    Whole(BigInt, f64),
    Most,
    Text(&'v [u8]),
    Bytes(&'v [u8]),
}

/// `Class(given, field=…)`.
fn enter_form<'v>(form: Form<'v>, value: &'v Value, tasks: &mut Vec<Task<'v>>) {
    push_name(value, &form.name, tasks);
    tasks.push(Task::Open("("));
    let start = tasks.len();
    match form.given {
        Given::Args(args) if args.is_empty() => {}
        Given::Args(args) => tasks.push(Task::Members(args, 0, Shape::Single)),
        Given::Tuple(members) => tasks.push(Task::Members(members.into(), 0, Shape::Single)),
        Given::List(members) => bracket(tasks, "[", members.into(), Shape::Single, "]"),
        Given::Dict(items) => bracket(tasks, "{", items.into(), Shape::Pairs, "}"),
        Given::Rows(members, shape) => {
            for (at, node) in members.iter().enumerate() {
                tasks.extend((at > 0).then_some(Task::Comma));
                tasks.extend((0..known::boundaries(&shape, at)).map(|_| Task::Open("[")));
                tasks.push(Task::Node(*node, Tint::Plain));
                tasks.extend((0..known::boundaries(&shape, at + 1)).map(|_| Task::Close("]")));
            }
        }
    }
    if !form.fields.is_empty() {
        if tasks.len() > start {
            tasks.push(Task::Comma);
        }
        tasks.push(Task::Members(form.fields, 0, Shape::Fields));
    }
    if !form.end.is_empty() {
        tasks.push(name(form.end));
    }
    tasks.push(Task::Close(")"));
}

fn push_name<'v>(value: &'v Value, name: &Name<'v>, tasks: &mut Vec<Task<'v>>) {
    match *name {
        Name::Short(name) => tasks.push(Task::Word(Tint::Name, name.into())),
        Name::Class(class) => push_callable(value, class, tasks),
    }
}

/// `module.Class(args, name=arg, state=…)`.
fn enter_object<'v>(value: &'v Value, node: Node, tasks: &mut Vec<Task<'v>>) {
    let Node::Object(id) = node else { return };
    let made = known::made(value, id);
    push_callable(value, made.class, tasks);
    tasks.push(Task::Open("("));
    let start = tasks.len();
    if !made.args.is_empty() {
        tasks.push(Task::Members(made.args.into(), 0, Shape::Single));
    }
    let next = |tasks: &mut Vec<Task<'v>>, word: Cow<'v, [u8]>| {
        if tasks.len() > start {
            tasks.push(Task::Comma);
        }
        tasks.push(Task::Word(Tint::Name, word));
    };
    if let Some(rest) = made.rest {
        next(tasks, b"*"[..].into());
        tasks.push(Task::Node(rest, Tint::Plain));
    }
    match made.kwargs {
        Node::None => {}
        Node::Dict(id) if value.members(id).iter().step_by(2).all(|key| matches!(key, Node::Str(_))) => {
            for pair in value.members(id).chunks_exact(2) {
                next(tasks, b""[..].into());
                tasks.extend([field(value, pair[0]), Task::Node(pair[1], Tint::Plain)]);
            }
        }
        other => {
            next(tasks, b"**"[..].into());
            tasks.push(Task::Node(other, Tint::Plain));
        }
    }
    for step in made.steps {
        match *step {
            Step::State(state) => {
                next(tasks, b"state="[..].into());
                tasks.push(Task::Node(state, Tint::Plain));
            }
            Step::Call(callable, state) => {
                next(tasks, b"call="[..].into());
                push_callable(value, callable, tasks);
                tasks.extend([Task::Open("("), name("..."), Task::Comma, Task::Node(state, Tint::Plain)]);
                tasks.push(Task::Close(")"));
            }
            Step::Extend(id) => {
                next(tasks, b"extend="[..].into());
                bracket(tasks, "[", value.members(id).into(), Shape::Single, "]");
            }
            Step::Items(id) => {
                next(tasks, b"items="[..].into());
                bracket(tasks, "{", value.members(id).into(), Shape::Pairs, "}");
            }
            Step::Add(id) => {
                next(tasks, b"add="[..].into());
                bracket(tasks, "{", value.members(id).into(), Shape::Single, "}");
            }
        }
    }
    tasks.push(Task::Close(")"));
}

/// What is called: a global by its name alone.
fn push_callable<'v>(value: &'v Value, callable: Node, tasks: &mut Vec<Task<'v>>) {
    let Node::Global(id) = callable else {
        tasks.push(Task::Node(callable, Tint::Plain));
        return;
    };
    let (module, class) = value.global(id);
    tasks.push(Task::Names([module, b".", class]));
}

fn bracket<'v>(
    tasks: &mut Vec<Task<'v>>,
    open: &'static str,
    members: Cow<'v, [Node]>,
    shape: Shape,
    close: &'static str,
) {
    tasks.extend([Task::Open(open), Task::Members(members, 0, shape), Task::Close(close)]);
}

/// `name=`.
fn field(value: &Value, name: Node) -> Task<'_> {
    let text = if let Node::Str(name) = name { value.text(name) } else { b"" };
    Task::Names([text, b"=", b""])
}

fn plain(text: &'static str) -> Task<'static> {
    Task::Word(Tint::Plain, text.as_bytes().into())
}

fn name(text: &'static str) -> Task<'static> {
    Task::Word(Tint::Name, text.as_bytes().into())
}

fn owned(text: String) -> Task<'static> {
    Task::Word(Tint::Name, text.into_bytes().into())
}

/// Paper of one endless line.
struct Line<'o> {
    buffer: Vec<u8>,
    out: &'o mut dyn Write,
}

impl Paper for Line<'_> {
    fn open(&mut self, bracket: &'static str) {
        self.buffer.extend_from_slice(bracket.as_bytes());
    }

    fn close(&mut self, bracket: &'static str) {
        self.buffer.extend_from_slice(bracket.as_bytes());
    }

    fn comma(&mut self) {
        self.buffer.extend_from_slice(b", ");
    }

    fn word(&mut self, _: Tint, text: &[u8]) {
        self.buffer.extend_from_slice(text);
    }

    fn flush(&mut self, done: bool) -> io::Result<()> {
        if done || self.buffer.len() >= PAGE {
            self.out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}
