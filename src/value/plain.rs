//! Plain JSON: any value as ordinary JSON for `jq` and its like, with what was lost said.
//!
//! A value that is JSON already is itself. Else tuples and sets become arrays, bytes text (base64
//! where they are not UTF-8), dates ISO 8601, decimals and UUIDs their text, keys the text that
//! Python's `json.dumps` gives them or that they print as, objects `{"class": …}` with what they
//! were given. It is a view: nothing reads it back. What contains itself has none.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::json::Escape;
use super::known::{self, Array, Form, Given, Item, Known, Name, Plain};
use super::print::{Expansion, Path, PrintError};
use super::{Id, Identity, Node, Span, Step, Value, danger, iso, json, python, scalar};
use crate::limits::Limits;

/// Writes `value` as one line of JSON, and returns what was flattened: `3 tuples became arrays`.
///
/// # Errors
/// [`PrintError::Unfit`] for a value that contains itself, [`PrintError::Limit`] for one that grows
/// too much, before anything is written.
pub fn write(value: &Value, escape: Escape, limits: &Limits, out: &mut dyn Write) -> Result<Vec<String>, PrintError> {
    if json::write_tree(value, escape, limits, out)? {
        return Ok(Vec::new());
    }
    let (plain, notes) = lower(value, limits)?;
    json::write(&plain, escape, limits, out)?;
    Ok(notes)
}

/// The value as one of JSON nodes only, and what was flattened.
fn lower(value: &Value, limits: &Limits) -> Result<(Value, Vec<String>), PrintError> {
    let mut lowering = Lowering {
        source: value,
        limits,
        out: Value::over(value.text.clone()),
        made: HashMap::new(),
        texts: HashMap::new(),
        path: Path::new(value),
        tasks: vec![Task::Node(value.root)],
        done: Vec::new(),
        notes: Vec::new(),
        said: None,
    };
    // Keys are spelled out for each mention of them.
    Expansion::of(value).check(limits)?;
    let most = limits.nodes.saturating_mul(8);
    while let Some(task) = lowering.tasks.pop() {
        match task {
            Task::Node(node) => lowering.node(node)?,
            Task::List(len) => {
                let start = lowering.done.len() - len;
                let list = Node::List(lowering.out.container(&lowering.done[start..]));
                lowering.done.truncate(start);
                lowering.done.push(list);
            }
            Task::Dict(keys) => lowering.dict(&keys),
            Task::Done(node) => lowering.done.push(node),
            Task::Keep(node) => lowering.keep(node),
        }
        if lowering.out.size() as u64 > most {
            return Err(limits.exceeded("nodes").into());
        }
        limits.check("output", (lowering.out.text.len() - value.text.len()) as u64)?;
    }
    let Lowering { mut out, mut done, notes, .. } = lowering;
    out.root = done.pop().expect("one value was lowered");
    let notes = notes.into_iter().map(|(note, count)| note.say(count)).collect();
    Ok((out, notes))
}

/// What was flattened, and what it became: said of one, and of several.
#[derive(Clone, Copy, PartialEq)]
struct Note(&'static str, &'static str);

impl Note {
    fn say(self, count: usize) -> String {
        let Note(one, many) = self;
        format!("{count} {}", if count == 1 { one } else { many })
    }
}

const TUPLE: Note = Note("tuple became an array", "tuples became arrays");
const SET: Note = Note("set became an array", "sets became arrays");
const TEXT: Note = Note("bytes value became text", "bytes values became text");
const BINARY: Note =
    Note("bytes value that is not UTF-8 became base64 text", "bytes values that are not UTF-8 became base64 text");
const FLOAT: Note = Note("float that is not finite became text", "floats that are not finite became text");
const INTEGER: Note = Note(
    "integer of more than 4300 digits became hexadecimal text",
    "integers of more than 4300 digits became hexadecimal text",
);
const KEY: Note = Note("key that is no string became text", "keys that are no strings became text");
const EQUAL: Note = Note("key now equals another of its object", "keys now equal others of their objects");
const DATE: Note = Note("date or time became ISO 8601 text", "dates and times became ISO 8601 text");
const DURATION: Note = Note("duration became seconds", "durations became seconds");
const NUMBER: Note =
    Note("number or identifier of a class became text", "numbers and identifiers of a class became text");
const MAPPING: Note = Note("mapping of a class became an object", "mappings of a class became objects");
const SEQUENCE: Note = Note("sequence of a class became an array", "sequences of a class became arrays");
const NAME: Note = Note("class or function became its name", "classes and functions became their names");
const OBJECT: Note = Note("instance became what it was made of", "instances became what they were made of");
const FIELDS: Note = Note("instance became an object of its fields", "instances became objects of their fields");
const ONLY: Note = Note("instance became its only argument", "instances became their only arguments");
const SCALAR: Note = Note("scalar of numpy became a plain one", "scalars of numpy became plain ones");
const ARRAY: Note = Note("array of a class became nested arrays", "arrays of a class became nested arrays");
const SPECIAL: Note = Note("special value became text or an object", "special values became text or objects");

enum Task {
    Node(Node),
    /// So many of the lowest become a list.
    List(usize),
    /// As many of the lowest get these keys.
    Dict(Vec<Node>),
    /// A node that is lowered already.
    Done(Node),
    /// What was made of this node last is kept for its next mention.
    Keep(Node),
}

/// What a text was made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Leaf {
    Bytes(Span),
    Big(Span),
    Global(Id),
    Ext(Span),
}

impl Leaf {
    fn of(node: Node) -> Option<Leaf> {
        Some(match node {
            Node::Bytes(span) => Leaf::Bytes(span),
            Node::Big(span) => Leaf::Big(span),
            Node::Global(id) => Leaf::Global(id),
            Node::Ext(_, span) => Leaf::Ext(span),
            _ => return None,
        })
    }
}

struct Lowering<'v> {
    source: &'v Value,
    limits: &'v Limits,
    out: Value,
    made: HashMap<Identity, Node>,
    /// What became of a leaf that is text now: one that is shared is not spelled out again.
    texts: HashMap<Leaf, (Note, Node)>,
    path: Path,
    tasks: Vec<Task>,
    done: Vec<Node>,
    notes: Vec<(Note, usize)>,
    /// The note of the last text.
    said: Option<Note>,
}

impl Lowering<'_> {
    fn node(&mut self, node: Node) -> Result<(), PrintError> {
        let source = self.source;
        if let Some(identity) = Identity::of(node) {
            if let Some(made) = self.made.get(&identity) {
                self.done.push(*made);
                return Ok(());
            }
            if self.path.enter(node) {
                let message = format!("plain JSON cannot hold {} that contains itself", json::kind(node));
                return Err(PrintError::Unfit(message));
            }
            self.tasks.push(Task::Keep(node));
        }
        let leaf = Leaf::of(node);
        if let Some((note, text)) = leaf.and_then(|leaf| self.texts.get(&leaf).copied()) {
            self.note(note);
            self.done.push(text);
            return Ok(());
        }
        match node {
            Node::None | Node::Bool(_) | Node::Int(_) | Node::Str(_) => self.done.push(node),
            Node::Big(span) => match scalar::decimal(&source.big(span)) {
                Some(_) => self.done.push(node),
                None => self.text(INTEGER, scalar::big(&source.big(span)).as_bytes()),
            },
            Node::Float(float) if float.is_finite() => self.done.push(node),
            Node::Float(float) => self.float(float),
            Node::Bytes(span) | Node::ByteArray(span) => match std::str::from_utf8(source.text(span)) {
                Ok(_) => {
                    self.note(TEXT);
                    self.said = Some(TEXT);
                    self.done.push(Node::Str(span));
                }
                Err(_) => self.text(BINARY, BASE64.encode(source.text(span)).as_bytes()),
            },
            Node::List(id) => self.list(source.members(id)),
            Node::Tuple(id) => {
                self.note(TUPLE);
                self.list(source.members(id));
            }
            Node::Set(id) | Node::FrozenSet(id) => {
                self.note(SET);
                self.list(source.members(id));
            }
            Node::Dict(id) => self.mapping(source.members(id))?,
            Node::Object(id) => match known::of(source, node) {
                // What is summed up for who reads it is whole for programs.
                None | Some(Known::Summary(_)) => self.object(id)?,
                Some(known) => self.known(node, known)?,
            },
            Node::Global(_) => {
                let name = self.printed(node)?;
                self.text(NAME, &name);
            }
            Node::Persistent(id) => {
                self.note(SPECIAL);
                let key = self.new_text(b"persistent");
                self.tasks.push(Task::Dict(vec![key]));
                self.tasks.extend(source.members(id).iter().take(1).map(|node| Task::Node(*node)));
            }
            _ => {
                let text = self.printed(node)?;
                self.text(SPECIAL, &text);
            }
        }
        if let (Some(leaf), Some(text @ Node::Str(_)), Some(note)) = (leaf, self.done.last(), self.said) {
            self.texts.insert(leaf, (note, *text));
        }
        Ok(())
    }

    fn float(&mut self, float: f64) {
        let mut word = Vec::new();
        json::write_float(float, &mut word);
        self.text(FLOAT, &word);
    }

    fn known(&mut self, node: Node, known: Known<'_>) -> Result<(), PrintError> {
        let source = self.source;
        let zoned = |text: String, zone: Node| match known::of(source, zone) {
            Some(Known::TimeZone(delta, _)) => text + &iso::offset(delta),
            Some(Known::ZoneInfo(key)) => format!("{text}[{}]", String::from_utf8_lossy(source.text(key))),
            Some(Known::Word { plain: Plain::Text(name), .. }) => format!("{text}[{}]", String::from_utf8_lossy(&name)),
            _ => text,
        };
        match known {
            Known::Date(date) => self.text(DATE, iso::date(date).as_bytes()),
            Known::Time(time, zone) => self.text(DATE, zoned(iso::time(time), zone).as_bytes()),
            Known::DateTime(date, time, zone) => {
                self.text(DATE, zoned(format!("{}T{}", iso::date(date), iso::time(time)), zone).as_bytes());
            }
            Known::TimeZone(delta, _) => self.text(DATE, iso::offset(delta).as_bytes()),
            Known::TimeDelta(delta) => {
                self.note(DURATION);
                let micros = i128::from(delta.days) * 86_400_000_000
                    + i128::from(delta.seconds) * 1_000_000
                    + i128::from(delta.microseconds);
                #[expect(clippy::cast_precision_loss, reason = "as `total_seconds` in Python")]
                let seconds = micros as f64 / 1e6;
                self.done.push(Node::Float(seconds));
            }
            Known::ZoneInfo(key) => self.text(DATE, source.text(key)),
            Known::Decimal(text) => self.text(NUMBER, source.text(text)),
            Known::Uuid(number) => self.text(NUMBER, python::uuid(number).as_bytes()),
            Known::Fraction(numerator, denominator) => {
                let text = format!("{}/{}", scalar::big(&numerator), scalar::big(&denominator));
                self.text(NUMBER, text.as_bytes());
            }
            Known::Complex(..) | Known::Range(_) | Known::Slice(_) | Known::NoneType => {
                let text = self.printed(node)?;
                self.text(NUMBER, &text);
            }
            Known::OrderedDict(items) | Known::DefaultDict(_, items) | Known::Counter(items) => {
                self.note(MAPPING);
                self.mapping(&items)?;
            }
            Known::Deque(members, _) => {
                self.note(SEQUENCE);
                self.list(&members);
            }
            Known::Summary(_) => unreachable!("a summary is shown as the object that it is"),
            Known::Form(form) => self.form(form)?,
            Known::Array(array) => self.array(&array)?,
            Known::Word { repr, plain } => match plain {
                Plain::None => {
                    self.note(SPECIAL);
                    self.done.push(Node::None);
                }
                Plain::Duration(seconds) => {
                    self.note(DURATION);
                    self.done.push(Node::Float(seconds));
                }
                Plain::Item(item) => {
                    self.note(SCALAR);
                    let node = self.item(item);
                    self.done.push(node);
                }
                Plain::Text(text) if std::str::from_utf8(&text).is_ok() => self.text(NUMBER, &text),
                Plain::Text(_) => self.text(NUMBER, &repr),
                Plain::Name(name) => self.text(NAME, &name),
            },
        }
        Ok(())
    }

    /// Fields become an object, members an array or object, a single argument itself: that is how
    /// an Enum is pickled, or a number of a class of its own. What has both keeps their names.
    fn form(&mut self, form: Form<'_>) -> Result<(), PrintError> {
        match form {
            Form { given: Given::Args(args), fields, .. } if args.is_empty() => {
                self.note(FIELDS);
                self.mapping(&fields)?;
            }
            Form { given: Given::Tuple(members) | Given::List(members), fields, .. } if fields.is_empty() => {
                self.note(SEQUENCE);
                self.list(members);
            }
            Form { given: Given::Dict(items), fields, .. } if fields.is_empty() => {
                self.note(MAPPING);
                self.mapping(items)?;
            }
            Form { given: Given::Args(args), end: ", dtype=object", .. } if args.len() == 1 => {
                self.note(ARRAY);
                self.tasks.push(Task::Node(args[0]));
            }
            Form { given: Given::Rows(members, shape), .. } => {
                self.note(ARRAY);
                let mut tasks = Vec::with_capacity(2 * members.len());
                for (at, node) in members.iter().enumerate() {
                    tasks.push(Task::Node(*node));
                    let done = known::boundaries(&shape, at + 1);
                    tasks.extend(shape.iter().rev().take(done).map(|length| Task::List(*length)));
                }
                self.tasks.extend(tasks.into_iter().rev());
            }
            Form { name, given, fields, .. } => {
                let class = match name {
                    Name::Short(name) => self.new_text(name),
                    Name::Class(class) => self.class(class),
                };
                let mut parts: Vec<(&str, Vec<Task>)> = vec![("class", vec![Task::Done(class)])];
                parts.push((
                    "args",
                    match given {
                        Given::Dict(items) => self.items(items)?,
                        other => list(other.nodes()),
                    },
                ));
                if !fields.is_empty() {
                    parts.push(("state", self.items(&fields)?));
                }
                self.note(OBJECT);
                self.parts(parts);
            }
        }
        Ok(())
    }

    /// Arrays in an array, from the inside out.
    fn array(&mut self, array: &Array<'_>) -> Result<(), PrintError> {
        self.note(ARRAY);
        let Some(items) = array.items() else {
            let mut text = Vec::new();
            array.write(&mut text);
            let text = self.new_text(&text);
            self.done.push(text);
            return Ok(());
        };
        let mut nodes: Vec<Node> = items.into_iter().map(|item| self.item(item)).collect();
        for length in array.shape().iter().skip(1).rev().filter(|length| **length > 0) {
            nodes = nodes.chunks(*length).map(|row| Node::List(self.out.container(row))).collect();
            let most = self.limits.nodes.saturating_mul(8);
            if self.out.size() as u64 > most {
                return Err(self.limits.exceeded("nodes").into());
            }
        }
        let root = match nodes[..] {
            [only] if array.shape().is_empty() => only,
            _ => Node::List(self.out.container(&nodes)),
        };
        self.done.push(root);
        Ok(())
    }

    fn item(&mut self, item: Item) -> Node {
        let float = |float: f64| if float.is_finite() { Some(Node::Float(float)) } else { None };
        let node = match item {
            Item::Bool(truth) => Some(Node::Bool(truth)),
            Item::Int(number) => Some(self.out.integer(&number.into())),
            Item::Float(number) => float(number),
            Item::Float16(bits) => float(known::half(bits)),
            Item::Float32(number) => float(f64::from(number)),
            Item::Masked => Some(Node::None),
            Item::Complex(..) | Item::Complex32(..) => {
                let mut word = Vec::new();
                item.write(&mut word);
                Some(self.new_text(&word))
            }
            Item::Text(ref text) | Item::Time(ref text) => Some(self.new_text(text.as_bytes())),
            Item::Bytes(ref bytes) => Some(match std::str::from_utf8(bytes) {
                Ok(text) => self.new_text(text.as_bytes()),
                Err(_) => self.new_text(BASE64.encode(bytes).as_bytes()),
            }),
        };
        node.unwrap_or_else(|| {
            let mut word = Vec::new();
            if let Item::Float16(bits) = item {
                json::write_float(known::half(bits), &mut word);
            } else if let Item::Float(number) = item {
                json::write_float(number, &mut word);
            } else if let Item::Float32(number) = item {
                json::write_float(f64::from(number), &mut word);
            }
            self.new_text(&word)
        })
    }

    /// `{"class": …, "args": […], "kwargs": …, "state": …}`, each where there is one, then what was
    /// added to it.
    fn object(&mut self, id: Id) -> Result<(), PrintError> {
        let source = self.source;
        let made = known::made(source, id);
        if let ([only], None, Node::None, []) = (made.args, made.rest, made.kwargs, made.steps)
            && Identity::of(*only).is_none()
            && self.is_harmless_class(made.class)
        {
            self.note(ONLY);
            self.tasks.push(Task::Node(*only));
            return Ok(());
        }
        self.note(OBJECT);
        let class = self.class(made.class);
        let mut fields: Vec<(&str, Vec<Task>)> = vec![("class", vec![Task::Done(class)])];
        if !made.args.is_empty() {
            fields.push(("args", list(made.args)));
        }
        fields.extend(made.rest.map(|rest| ("args", vec![Task::Node(rest)])));
        if made.kwargs != Node::None {
            fields.push(("kwargs", vec![Task::Node(made.kwargs)]));
        }
        for step in made.steps {
            fields.push(match *step {
                Step::State(state) => ("state", vec![Task::Node(state)]),
                Step::Call(callable, state) => ("call", list(&[callable, state])),
                Step::Extend(id) => ("extend", list(source.members(id))),
                Step::Add(id) => ("add", list(source.members(id))),
                Step::Items(id) => ("items", self.items(source.members(id))?),
            });
        }
        self.parts(fields);
        Ok(())
    }

    /// Whether `class` is an application's, by its spelling: `Colour`, not `system`.
    fn is_harmless_class(&self, class: Node) -> bool {
        let name = known::dotted(self.source, class).unwrap_or_default();
        let split = name.iter().rposition(|byte| *byte == b'.').unwrap_or(0);
        let last = name.get(split + 1).copied().unwrap_or_default();
        last.is_ascii_uppercase() && !danger::is_dangerous(&name[..split], name.get(split + 1..).unwrap_or_default())
    }

    fn class(&mut self, class: Node) -> Node {
        match known::dotted(self.source, class) {
            Some(name) => self.new_text(&name),
            None => self.new_text(json::kind(class).as_bytes()),
        }
    }

    fn items(&mut self, items: &[Node]) -> Result<Vec<Task>, PrintError> {
        let (keys, members) = self.keys(items)?;
        let members = members.into_iter().rev().map(Task::Node);
        Ok(std::iter::once(Task::Dict(keys)).chain(members).collect())
    }

    /// An object of these, in their order.
    fn parts(&mut self, fields: Vec<(&str, Vec<Task>)>) {
        let mut keys = Vec::with_capacity(fields.len());
        for (at, (name, _)) in fields.iter().enumerate() {
            // What was done twice gets a number.
            let before = fields[..at].iter().filter(|(other, _)| other == name).count();
            let key = if before == 0 { (*name).to_owned() } else { format!("{name}{}", before + 1) };
            keys.push(self.new_text(key.as_bytes()));
        }
        self.tasks.push(Task::Dict(keys));
        self.tasks.extend(fields.into_iter().rev().flat_map(|(_, tasks)| tasks));
    }

    fn mapping(&mut self, members: &[Node]) -> Result<(), PrintError> {
        let (keys, members) = self.keys(members)?;
        self.tasks.push(Task::Dict(keys));
        self.tasks.extend(members.into_iter().rev().map(Task::Node));
        Ok(())
    }

    /// The keys as text, and the members that have them: of equal keys all are kept, as
    /// `json.dumps` does, and it is said how many.
    fn keys(&mut self, pairs: &[Node]) -> Result<(Vec<Node>, Vec<Node>), PrintError> {
        let mut keys = Vec::with_capacity(pairs.len() / 2);
        let mut has_other = false;
        for pair in pairs.chunks_exact(2) {
            keys.push(match pair[0] {
                Node::Str(_) => pair[0],
                other => {
                    has_other = true;
                    self.note(KEY);
                    let text = self.key(other)?;
                    self.new_text(&text)
                }
            });
        }
        if has_other {
            let mut seen = HashSet::with_capacity(keys.len());
            let text = |key: &Node| if let Node::Str(span) = key { self.out.text(*span) } else { &[] };
            let equal = keys.iter().filter(|key| !seen.insert(text(key))).count();
            (0..equal).for_each(|_| self.note(EQUAL));
        }
        Ok((keys, pairs.iter().skip(1).step_by(2).copied().collect()))
    }

    /// A key as Python's `json.dumps` writes it where it does, else as it prints.
    fn key(&self, node: Node) -> Result<Vec<u8>, PrintError> {
        Ok(match node {
            Node::None => b"null".to_vec(),
            Node::Bool(truth) => truth.to_string().into_bytes(),
            Node::Bytes(span) if std::str::from_utf8(self.source.text(span)).is_ok() => self.source.text(span).to_vec(),
            Node::Float(float) => {
                let mut word = Vec::new();
                json::write_float(float, &mut word);
                word
            }
            other => self.printed(other)?,
        })
    }

    /// A node in Python's notation.
    fn printed(&self, node: Node) -> Result<Vec<u8>, PrintError> {
        let mut out = Vec::new();
        python::write_node(self.source, node, self.limits, &mut out)?;
        Ok(out)
    }

    fn keep(&mut self, node: Node) {
        self.path.leave(node);
        if let (Some(identity), Some(made)) = (Identity::of(node), self.done.last()) {
            self.made.insert(identity, *made);
        }
    }

    fn list(&mut self, nodes: &[Node]) {
        self.tasks.extend(list(nodes));
    }

    fn dict(&mut self, keys: &[Node]) {
        let start = self.done.len() - keys.len();
        let members: Vec<Node> = keys.iter().zip(&self.done[start..]).flat_map(|(key, node)| [*key, *node]).collect();
        self.done.truncate(start);
        self.done.push(Node::Dict(self.out.container(&members)));
    }

    fn text(&mut self, note: Note, text: &[u8]) {
        self.note(note);
        self.said = Some(note);
        let text = self.new_text(text);
        self.done.push(text);
    }

    fn new_text(&mut self, text: &[u8]) -> Node {
        Node::Str(self.out.push_text(text))
    }

    fn note(&mut self, note: Note) {
        match self.notes.iter_mut().find(|(known, _)| *known == note) {
            Some((_, count)) => *count += 1,
            None => self.notes.push((note, 1)),
        }
    }
}

fn list(nodes: &[Node]) -> Vec<Task> {
    let members = nodes.iter().rev().map(|node| Task::Node(*node));
    std::iter::once(Task::List(nodes.len())).chain(members).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::typed_json::{self, tests::parse};

    fn check(typed: &str, expected: &str, said: &[&str]) {
        let value = typed_json::lift(&parse(typed), &Limits::DEFAULT).unwrap();
        let mut out = Vec::new();
        let notes = write(&value, Escape::Utf8, &Limits::DEFAULT, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{typed}");
        assert_eq!(notes, said, "{typed}");
    }

    #[test]
    fn what_is_json_already_is_itself() {
        for json in [r#"{"a": [1, 2.5, "é", null], "a$": {}}"#, "[]", r#""""#, "-0.0", "18446744073709551616"] {
            check(json, json, &[]);
        }
    }

    #[test]
    fn what_is_flattened_is_said_once_with_its_count() {
        check(r#"[{"$tuple": [1]}, {"$tuple": []}]"#, "[[1], []]", &["2 tuples became arrays"]);
        check(r#"{"$bytes": "YQ=="}"#, r#""a""#, &["1 bytes value became text"]);
        check(r#"{"$bytes": "/w=="}"#, r#""/w==""#, &["1 bytes value that is not UTF-8 became base64 text"]);
        check(r#"{"$float": "nan"}"#, r#""NaN""#, &["1 float that is not finite became text"]);
        check(
            r#"[{"$datetime": "2024-02-29T12:00:00+01:00"}, {"$date": "2024-02-29"}]"#,
            r#"["2024-02-29T12:00:00+01:00", "2024-02-29"]"#,
            &["2 dates and times became ISO 8601 text"],
        );
        check(r#"{"$timedelta": {"days": 1, "microseconds": 500000}}"#, "86400.5", &["1 duration became seconds"]);
        check(r#"{"$decimal": "1.50"}"#, r#""1.50""#, &["1 number or identifier of a class became text"]);
        check(
            r#"{"$dict": [[1, 2], ["1", 3], [null, 4], [{"$tuple": [1, "a"]}, 5], [1.5, 6], [true, 7]]}"#,
            r#"{"1": 2, "1": 3, "null": 4, "(1, 'a')": 5, "1.5": 6, "true": 7}"#,
            &["5 keys that are no strings became text", "1 key now equals another of its object"],
        );
        check(
            r#"{"$object": "collections.OrderedDict", "steps": [{"items": [["a", 1]]}]}"#,
            r#"{"a": 1}"#,
            &["1 mapping of a class became an object"],
        );
        check(
            r#"{"$object": "m.C", "args": [1], "steps": [{"state": {"a": {"$tuple": []}}}, {"state": 2}]}"#,
            r#"{"class": "m.C", "args": [1], "state": {"a": []}, "state2": 2}"#,
            &["1 instance became what it was made of", "1 tuple became an array"],
        );
        check(r#"{"$global": "builtins.list"}"#, r#""<class 'list'>""#, &["1 class or function became its name"]);
        check(r#"[{"$id": 1, "$value": [1]}, {"$ref": 1}]"#, "[[1], [1]]", &[]);
    }

    #[test]
    fn what_contains_itself_is_refused() {
        let value = typed_json::lift(&parse(r#"{"$id": 1, "$value": [{"$ref": 1}]}"#), &Limits::DEFAULT).unwrap();
        let error = write(&value, Escape::Utf8, &Limits::DEFAULT, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "plain JSON cannot hold a list that contains itself");
    }
}
