//! Typed JSON, read: JSON nodes as the value they stand for, or what is wrong with them and where.
//!
//! A container or object is made before what is inside it, so that what is inside can refer to it.
//! The forms are listed one level up. No JSON text is read here.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use num_bigint::{BigInt, BigUint, Sign};

use crate::limits::Limits;
use crate::url::nearest;
use crate::value::calls;
use crate::value::code_point::{is_surrogate, push_code_point};
use crate::value::known::{self, Date, Time, TimeDelta};
use crate::value::{Global, How, Id, Identity, Node, Object, Span, Step, Value, iso, json};

/// The value that typed JSON stands for: [`super::lower()`]'s inverse.
///
/// # Errors
/// What is wrong and where, in words for the person who typed it.
pub fn lift(source: &Value, limits: &Limits) -> Result<Value, LiftError> {
    let mut lifting = Lifting {
        source,
        out: Value::over(source.text.clone()),
        labels: HashMap::new(),
        tasks: vec![Lift::Node(source.root, None)],
        done: Vec::new(),
    };
    while let Some(task) = lifting.tasks.pop() {
        match task {
            Lift::Node(node, label) => lifting.node(node, label).map_err(|fault| fault.place(source))?,
            Lift::Fill(id, len) => {
                let start = lifting.done.len() - len;
                lifting.out.extend(id, &lifting.done[start..]);
                lifting.done.truncate(start);
            }
            Lift::Mark(node) => lifting.done.push(node),
            Lift::Object(id, shape) => lifting.object(id, shape),
        }
        if lifting.out.size() as u64 > limits.nodes.saturating_mul(8) {
            let message = limits.exceeded("nodes").to_string();
            return Err(LiftError { path: "$".to_owned(), message });
        }
    }
    let root = lifting.done.pop().expect("one value was lifted");
    lifting.out.root = root;
    share_modules(&mut lifting.out);
    Ok(lifting.out)
}

/// CPython has one text of each module's name, which its pickles tell; a class's is its own.
fn share_modules(value: &mut Value) {
    let Value { text, globals, .. } = value;
    let mut modules: HashMap<&[u8], Span> = HashMap::new();
    for Global { module, .. } in globals {
        *module = *modules.entry(&text[module.start as usize..][..module.len as usize]).or_insert(*module);
    }
}

/// Typed JSON that stands for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiftError {
    /// Where: `$.a[0]`.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for LiftError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for LiftError {}

/// An object that is filled in later.
fn placeholder(how: How) -> Object {
    Object { how, callable: Node::None, args: Node::None, kwargs: Node::None, steps: Vec::new() }
}

/// The float that a word stands for; `nan:7ff8000000000001` is a NaN of other bits than Python's.
fn float_word(word: &[u8]) -> Option<f64> {
    match word {
        b"nan" => Some(f64::NAN),
        b"inf" => Some(f64::INFINITY),
        b"-inf" => Some(f64::NEG_INFINITY),
        _ => {
            let digits = std::str::from_utf8(word.strip_prefix(b"nan:")?).ok()?;
            let bits = u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)?;
            Some(f64::from_bits(bits)).filter(|float| float.is_nan())
        }
    }
}

/// What is still to be lifted or put together, the next last.
enum Lift {
    /// A node, and its label where it has one.
    Node(Node, Option<i64>),
    /// So many of the lowest become members.
    Fill(Id, usize),
    /// A node that is lifted already.
    Mark(Node),
    /// The lowest become what an object was made of.
    Object(Id, Shape),
}

/// What of an object stands among what is lifted, in this order: callable, args, kwargs, steps.
enum Shape {
    /// An object of any kind; steps with how many nodes each has.
    Any { how: How, has_kwargs: bool, steps: Vec<(&'static str, usize)> },
    /// A date, a time or both, but for its zone.
    Zoned(Option<Date>, Option<Time>),
}

/// What is wrong, and which JSON object it is wrong with.
struct Fault {
    at: Node,
    message: String,
}

struct Lifting<'v> {
    source: &'v Value,
    out: Value,
    labels: HashMap<i64, Node>,
    tasks: Vec<Lift>,
    done: Vec<Node>,
}

/// The forms, and the other names each may have.
pub(super) const FORMS: &[(&str, &[&str])] = &[
    ("$bytes", &[]),
    ("$bytearray", &[]),
    ("$tuple", &[]),
    ("$set", &[]),
    ("$frozenset", &[]),
    ("$list", &[]),
    ("$dict", &[]),
    ("$int", &[]),
    ("$float", &[]),
    ("$str", &[]),
    ("$complex", &[]),
    ("$range", &[]),
    ("$fraction", &[]),
    ("$datetime", &["fold", "tzinfo"]),
    ("$date", &[]),
    ("$time", &["fold", "tzinfo"]),
    ("$timedelta", &[]),
    ("$timezone", &[]),
    ("$zoneinfo", &[]),
    ("$decimal", &[]),
    ("$uuid", &[]),
    ("$global", &[]),
    ("$object", &["how", "args", "kwargs", "steps"]),
    ("$persistent", &[]),
    ("$extension", &[]),
    ("$buffer", &[]),
    ("$readonly_buffer", &[]),
    ("$ext", &[]),
    ("$timestamp", &[]),
    ("$id", &["$value"]),
    ("$ref", &[]),
];

impl<'v> Lifting<'v> {
    fn node(&mut self, node: Node, label: Option<i64>) -> Result<(), Fault> {
        let (Node::List(id) | Node::Dict(id)) = node else {
            self.done.push(node);
            return Ok(());
        };
        let source = self.source;
        let members = source.members(id);
        if matches!(node, Node::List(_)) {
            self.sequence(Node::List, members, label);
            return Ok(());
        }
        let is_form = |key: &Node| matches!(key, Node::Str(span) if source.text(*span).first() == Some(&b'$'));
        if !members.iter().step_by(2).any(is_form) {
            return self.dict(members, label).map_err(|message| Fault { at: node, message });
        }
        self.form(members, label).map_err(|message| Fault { at: node, message })
    }

    fn sequence(&mut self, kind: fn(Id) -> Node, members: &[Node], label: Option<i64>) {
        let id = self.out.container(&[]);
        self.finish(kind(id), label);
        self.tasks.push(Lift::Fill(id, members.len()));
        self.tasks.extend(members.iter().rev().map(|node| Lift::Node(*node, None)));
    }

    fn dict(&mut self, members: &[Node], label: Option<i64>) -> Result<(), String> {
        if let Some(key) = members.iter().step_by(2).find(|key| !matches!(key, Node::Str(_))) {
            return Err(format!("{} is no key in JSON", json::kind(*key)));
        }
        let id = self.out.container(&[]);
        self.finish(Node::Dict(id), label);
        self.tasks.push(Lift::Fill(id, members.len()));
        for pair in members.chunks_exact(2).rev() {
            self.tasks.extend([Lift::Node(pair[1], None), Lift::Mark(pair[0])]);
        }
        Ok(())
    }

    /// A node is made, though what is inside may still be missing.
    fn finish(&mut self, node: Node, label: Option<i64>) {
        if let Some(label) = label {
            self.labels.insert(label, node);
        }
        self.done.push(node);
    }

    fn form(&mut self, members: &[Node], label: Option<i64>) -> Result<(), String> {
        let fields = self.fields(members)?;
        let (name, argument) = (fields.name, fields.argument);
        match name {
            "$ref" => {
                let Node::Int(label) = argument else { return Err("`$ref` takes a number".to_owned()) };
                let known = self.labels.get(&label).ok_or_else(|| format!("`$ref` {label} comes before its `$id`"))?;
                self.done.push(*known);
            }
            "$id" => {
                let Node::Int(new) = argument else { return Err("`$id` takes a number".to_owned()) };
                let inner = fields.other("$value").ok_or("`$id` needs a `$value`")?;
                if label.is_some() || self.labels.contains_key(&new) {
                    return Err(format!("`$id` {new} is given twice"));
                }
                if !matches!(inner, Node::List(_) | Node::Dict(_)) {
                    return Err(format!("`$id` is for what can be shared, not {}", json::kind(inner)));
                }
                self.tasks.push(Lift::Node(inner, Some(new)));
            }
            "$tuple" => self.sequence(Node::Tuple, self.array(name, argument)?, label),
            "$set" => self.sequence(Node::Set, self.array(name, argument)?, label),
            "$frozenset" => self.sequence(Node::FrozenSet, self.array(name, argument)?, label),
            "$list" => self.sequence(Node::List, self.array(name, argument)?, label),
            "$persistent" => self.sequence(Node::Persistent, &[argument], label),
            "$dict" => {
                let pairs = self.pairs(name, argument)?;
                self.sequence(Node::Dict, &pairs, label);
            }
            "$object" => self.object_form(&fields, label)?,
            "$datetime" | "$date" | "$time" => self.zoned_form(&fields, label)?,
            _ => {
                let made = match self.leaf(name, argument)? {
                    Made::Node(made) => made,
                    Made::Object(object) => Node::Object(self.out.push_object(object)),
                };
                if label.is_some() && Identity::of(made).is_none() {
                    return Err(format!("`$id` is for what can be shared, not {}", json::kind(made)));
                }
                self.finish(made, label);
            }
        }
        Ok(())
    }

    /// Takes a form apart: its `$` name, what that has, and the rest.
    fn fields(&self, members: &[Node]) -> Result<Fields, String> {
        let mut form = None;
        let mut others: Vec<(String, Node)> = Vec::new();
        for pair in members.chunks_exact(2) {
            let Node::Str(key) = pair[0] else { return Err(format!("{} is no key in JSON", json::kind(pair[0]))) };
            let key = String::from_utf8_lossy(self.source.text(key)).into_owned();
            match FORMS.iter().find(|(name, _)| *name == key) {
                Some(_) if form.is_some() => return Err(format!("`{key}` stands beside another `$` name")),
                Some(row) => form = Some((row, pair[1])),
                None => others.push((key, pair[1])),
            }
        }
        let names: Vec<&str> = FORMS.iter().map(|(name, _)| *name).collect();
        let unknown = |key: &str, names: &[&str]| match nearest(key, names) {
            Some(near) => format!("unknown `{key}`; did you mean `{near}`?"),
            None => format!("unknown `{key}`"),
        };
        let hint = "a key that begins with `$` is written in `$dict`";
        let Some(((name, allowed), argument)) = form else {
            let key = others.iter().map(|(key, _)| key.as_str()).find(|key| key.starts_with('$')).unwrap_or_default();
            return Err(format!("{}; {hint}", unknown(key, &names)));
        };
        match others.iter().find(|(key, _)| !allowed.contains(&key.as_str())) {
            Some((key, _)) if allowed.is_empty() => Err(format!("`{key}` stands beside `{name}`, which stands alone")),
            Some((key, _)) => Err(format!("beside `{name}`: {}", unknown(key, allowed))),
            None => Ok(Fields { name, argument, others }),
        }
    }

    /// `$object` and what stands beside it.
    fn object_form(&mut self, fields: &Fields, label: Option<i64>) -> Result<(), String> {
        let how = match fields.other("how") {
            None => How::Call,
            Some(Node::Str(span)) if self.source.text(span) == b"new" => How::New,
            Some(Node::Str(span)) if self.source.text(span) == b"call" => How::Call,
            Some(_) => return Err("`how` is \"call\" or \"new\"".to_owned()),
        };
        let id = self.out.push_object(placeholder(how));
        self.finish(Node::Object(id), label);
        let mut inside = vec![match fields.argument {
            Node::Str(span) => Lift::Mark(self.global("$object", span)?),
            other => Lift::Node(other, None),
        }];
        match fields.other("args") {
            None => inside.push(Lift::Mark(Node::Tuple(self.out.container(&[])))),
            Some(Node::List(members)) => {
                let args = self.out.container(&[]);
                inside.push(Lift::Mark(Node::Tuple(args)));
                let members = self.source.members(members);
                inside.extend(members.iter().map(|node| Lift::Node(*node, None)));
                inside.push(Lift::Fill(args, members.len()));
            }
            Some(other) => inside.push(Lift::Node(other, None)),
        }
        let kwargs = fields.other("kwargs");
        inside.extend(kwargs.map(|kwargs| Lift::Node(kwargs, None)));
        let mut steps = Vec::new();
        if let Some(node) = fields.other("steps") {
            for step in self.array("steps", node)? {
                let (name, nodes) = self.step(*step)?;
                steps.push((name, nodes.len()));
                inside.extend(nodes.iter().map(|node| Lift::Node(*node, None)));
            }
        }
        self.tasks.push(Lift::Object(id, Shape::Any { how, has_kwargs: kwargs.is_some(), steps }));
        self.tasks.extend(inside.into_iter().rev());
        Ok(())
    }

    /// One step, and the nodes it has.
    fn step(&self, step: Node) -> Result<(&'static str, Vec<Node>), String> {
        let expected = "a step is {\"state\": …}, {\"extend\": […]}, {\"items\": [[k, v], …]} or {\"add\": […]}";
        let Node::Dict(id) = step else { return Err(expected.to_owned()) };
        let &[Node::Str(name), argument] = self.source.members(id) else { return Err(expected.to_owned()) };
        match self.source.text(name) {
            b"state" => Ok(("state", vec![argument])),
            b"call" => match self.array("call", argument)? {
                pair @ [_, _] => Ok(("call", pair.to_vec())),
                _ => Err("`call` takes [callable, state]".to_owned()),
            },
            b"extend" => Ok(("extend", self.array("extend", argument)?.to_vec())),
            b"items" => Ok(("items", self.pairs("items", argument)?)),
            b"add" => Ok(("add", self.array("add", argument)?.to_vec())),
            _ => Err(expected.to_owned()),
        }
    }

    /// `$datetime`, `$date` and `$time`.
    fn zoned_form(&mut self, fields: &Fields, label: Option<i64>) -> Result<(), String> {
        let name = fields.name;
        let wrong = || {
            let example = match name {
                "$date" => "2024-02-29",
                "$time" => "12:00:00",
                _ => "2024-02-29T12:00:00+01:00",
            };
            format!("`{name}` takes ISO 8601 text, such as \"{example}\"")
        };
        let Node::Str(span) = fields.argument else { return Err(wrong()) };
        let text = std::str::from_utf8(self.source.text(span)).map_err(|_| wrong())?;
        let (date, rest) = match name {
            "$time" => (None, text),
            "$date" => (Some(iso::parse_date(text).ok_or_else(wrong)?), ""),
            _ => {
                let (date, rest) = text.split_once(['T', ' ']).ok_or_else(wrong)?;
                (Some(iso::parse_date(date).ok_or_else(wrong)?), rest)
            }
        };
        let at = rest.find(['Z', '+', '-', '[']).unwrap_or(rest.len());
        let (clock, zone) = rest.split_at(at);
        let mut time = None;
        if name != "$date" {
            time = Some(iso::parse_time(clock).ok_or_else(wrong)?);
        }
        match (fields.other("fold"), &mut time) {
            (None | Some(Node::Int(0)), _) => {}
            (Some(Node::Int(1)), Some(time)) => time.fold = true,
            _ => return Err("`fold` is 0 or 1".to_owned()),
        }
        let id = self.out.push_object(placeholder(How::Call));
        self.finish(Node::Object(id), label);
        self.tasks.push(Lift::Object(id, Shape::Zoned(date, time)));
        let zone = match (zone, fields.other("tzinfo")) {
            ("", None) => Lift::Mark(Node::None),
            ("", Some(node @ Node::Dict(_))) => Lift::Node(node, None),
            ("", Some(_)) => return Err("`tzinfo` takes a zone, such as {\"$zoneinfo\": \"Europe/Paris\"}".to_owned()),
            (_, Some(_)) => return Err("the zone stands both in the text and in `tzinfo`".to_owned()),
            (zone, None) => {
                let object = match zone.strip_prefix('[').and_then(|zone| zone.strip_suffix(']')) {
                    Some(key) if iso::is_zone_name(key.as_bytes()) => {
                        let key = Node::Str(self.out.push_text(key.as_bytes()));
                        calls::zone_info(&mut self.out, key)
                    }
                    _ => calls::time_zone(&mut self.out, iso::parse_offset(zone).ok_or_else(wrong)?, Node::None),
                };
                Lift::Mark(Node::Object(self.out.push_object(object)))
            }
        };
        self.tasks.push(zone);
        Ok(())
    }

    /// The forms that hold no values in turn.
    fn leaf(&mut self, name: &str, node: Node) -> Result<Made, String> {
        let number = |node: Node, what: &str| match node {
            Node::Int(number) => u32::try_from(number).map_err(|_| format!("`{name}` takes {what}")),
            _ => Err(format!("`{name}` takes {what}")),
        };
        Ok(Made::Node(match name {
            "$bytes" => Node::Bytes(self.base64(name, node)?),
            "$bytearray" => {
                self.out.push_text(b"\0");
                Node::ByteArray(self.base64(name, node)?)
            }
            "$float" => match float_word(self.text(name, node)?.as_bytes()) {
                Some(float) => Node::Float(float),
                None => return Err("`$float` takes \"nan\", \"inf\" or \"-inf\"".to_owned()),
            },
            "$str" => {
                let text =
                    unescape(self.text(name, node)?).ok_or("in `$str` a backslash is `\\\\` or begins `\\udXXX`")?;
                Node::Str(self.out.push_text(&text))
            }
            "$global" => match node {
                Node::Str(span) => self.global(name, span)?,
                _ => self.global_parts(node)?,
            },
            "$int" => {
                let expected = "`$int` takes hexadecimal text such as \"-0x1f\"";
                let number = hexadecimal(self.text(name, node)?).ok_or(expected)?;
                self.out.integer(&number)
            }
            "$extension" => match number(node, "a number from 1 to 2147483647")? {
                code @ 1..=0x7fff_ffff => Node::Extension(code),
                _ => return Err("`$extension` takes a number from 1 to 2147483647".to_owned()),
            },
            "$buffer" => Node::Buffer(number(node, "a number")?),
            "$readonly_buffer" => Node::ReadOnlyBuffer(number(node, "a number")?),
            "$timestamp" => match self.integers(name, node, 2)? {
                &[Node::Int(seconds), nanoseconds] => Node::Timestamp(seconds, number(nanoseconds, "nanoseconds")?),
                _ => return Err("`$timestamp` takes seconds and nanoseconds".to_owned()),
            },
            "$ext" => {
                let expected = || "`$ext` takes a code from -128 to 127 and base64 text".to_owned();
                let &[Node::Int(code), text] = self.array(name, node)? else { return Err(expected()) };
                Node::Ext(i8::try_from(code).map_err(|_| expected())?, self.base64(name, text)?)
            }
            _ => return self.leaf_object(name, node).map(Made::Object),
        }))
    }

    /// The forms of objects that hold no values in turn.
    fn leaf_object(&mut self, name: &str, node: Node) -> Result<Object, String> {
        match name {
            "$complex" => {
                let expected = || "`$complex` takes an array of two floats".to_owned();
                let &[real, imaginary] = self.array(name, node)? else { return Err(expected()) };
                let parts = [self.float(real).ok_or_else(expected)?, self.float(imaginary).ok_or_else(expected)?];
                Ok(calls::call(&mut self.out, "builtins", "complex", &parts.map(Node::Float)))
            }
            "$range" => {
                let bounds = self.integers(name, node, 3)?;
                Ok(calls::call(&mut self.out, "builtins", "range", bounds))
            }
            "$fraction" => {
                let parts = self.integers(name, node, 2)?;
                Ok(calls::call(&mut self.out, "fractions", "Fraction", parts))
            }
            "$timedelta" => {
                let delta = self.time_delta(node)?;
                Ok(calls::time_delta(&mut self.out, delta))
            }
            "$timezone" => {
                let (offset, zone_name) = match node {
                    Node::List(id) => match *self.source.members(id) {
                        [offset, Node::Str(zone_name)] => (offset, Node::Str(zone_name)),
                        [offset, Node::Dict(form)] => (offset, self.str_form(form)?),
                        _ => return Err("`$timezone` takes an offset, or an offset and a name".to_owned()),
                    },
                    _ => (node, Node::None),
                };
                let offset = iso::parse_offset(self.text(name, offset)?)
                    .ok_or("`$timezone` takes an offset such as \"+01:00\"")?;
                Ok(calls::time_zone(&mut self.out, offset, zone_name))
            }
            "$zoneinfo" => {
                let key = match node {
                    Node::Dict(form) => self.str_form(form)?,
                    _ => {
                        self.text(name, node)?;
                        node
                    }
                };
                Ok(calls::zone_info(&mut self.out, key))
            }
            "$decimal" => {
                let text = self.text(name, node)?;
                if !known::is_decimal(text.as_bytes()) {
                    return Err(format!("`$decimal` takes a number as Python's `str` gives it, not `{text}`"));
                }
                Ok(calls::call(&mut self.out, "decimal", "Decimal", &[node]))
            }
            "$uuid" => {
                let text = self.text(name, node)?;
                let number = known::parse_uuid(text).ok_or("`$uuid` takes 32 hexadecimal digits as 8-4-4-4-12")?;
                Ok(calls::uuid(&mut self.out, number))
            }
            _ => unreachable!("{name} is a row of the table of forms"),
        }
    }

    fn time_delta(&self, node: Node) -> Result<TimeDelta, String> {
        let expected = || "`$timedelta` takes an object of days, seconds from 0 to 86399, and microseconds".to_owned();
        let Node::Dict(id) = node else { return Err(expected()) };
        let mut delta = TimeDelta { days: 0, seconds: 0, microseconds: 0 };
        for pair in self.source.members(id).chunks_exact(2) {
            let (Node::Str(key), Node::Int(count)) = (pair[0], pair[1]) else { return Err(expected()) };
            let (field, range) = match self.source.text(key) {
                b"days" => (&mut delta.days, -999_999_999..1_000_000_000),
                b"seconds" => (&mut delta.seconds, 0..86_400),
                b"microseconds" => (&mut delta.microseconds, 0..1_000_000),
                _ => return Err(expected()),
            };
            if !range.contains(&count) {
                return Err(expected());
            }
            *field = count;
        }
        Ok(delta)
    }

    /// A float, or a `$float` form.
    fn float(&self, node: Node) -> Option<f64> {
        match node {
            Node::Float(float) => Some(float),
            Node::Dict(id) => match *self.source.members(id) {
                [Node::Str(key), Node::Str(word)] if self.source.text(key) == b"$float" => {
                    float_word(self.source.text(word))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// The text of a `$str` form, where text is expected.
    fn str_form(&mut self, form: Id) -> Result<Node, String> {
        match *self.source.members(form) {
            [Node::Str(key), node @ Node::Str(_)] if self.source.text(key) == b"$str" => {
                match self.leaf("$str", node)? {
                    Made::Node(node) => Ok(node),
                    Made::Object(_) => Err("`$str` is text".to_owned()),
                }
            }
            _ => Err("text is expected here".to_owned()),
        }
    }

    fn text(&self, name: &str, node: Node) -> Result<&'v str, String> {
        match node {
            Node::Str(span) => std::str::from_utf8(self.source.text(span)).ok(),
            _ => None,
        }
        .ok_or_else(|| format!("`{name}` takes text, not {}", json::kind(node)))
    }

    fn array(&self, name: &str, node: Node) -> Result<&'v [Node], String> {
        match node {
            Node::List(id) => Ok(self.source.members(id)),
            other => Err(format!("`{name}` takes an array, not {}", json::kind(other))),
        }
    }

    fn integers(&self, name: &str, node: Node, len: usize) -> Result<&'v [Node], String> {
        let nodes = self.array(name, node)?;
        let fit = nodes.len() == len && nodes.iter().all(|node| matches!(node, Node::Int(_) | Node::Big(_)));
        if fit { Ok(nodes) } else { Err(format!("`{name}` takes an array of {len} integers")) }
    }

    fn pairs(&self, name: &str, node: Node) -> Result<Vec<Node>, String> {
        let mut all = Vec::new();
        for pair in self.array(name, node)? {
            match self.array(name, *pair) {
                Ok([key, member]) => all.extend([*key, *member]),
                _ => return Err(format!("`{name}` takes an array of pairs [key, value]")),
            }
        }
        Ok(all)
    }

    fn base64(&mut self, name: &str, node: Node) -> Result<Span, String> {
        let bytes = match node {
            Node::Str(span) => BASE64.decode(self.source.text(span)).ok(),
            _ => None,
        };
        Ok(self.out.push_text(&bytes.ok_or_else(|| format!("`{name}` takes base64 text"))?))
    }

    /// `module.name`, or `module:outer.inner`.
    fn global(&mut self, form: &str, span: Span) -> Result<Node, String> {
        let text = self.source.text(span);
        let at = match text.iter().position(|byte| *byte == b':') {
            Some(at) => Some(at),
            None => text.iter().rposition(|byte| *byte == b'.'),
        };
        let at = at
            .filter(|at| (1..text.len() - 1).contains(at))
            .ok_or_else(|| format!("`{form}` takes \"module.name\" or \"module:outer.inner\""))?;
        let (module, name) = (text[..at].to_vec(), text[at + 1..].to_vec());
        let (module, name) = (self.out.push_text(&module), self.out.push_text(&name));
        Ok(Node::Global(self.out.push_global(Global { module, name, is_flat: false })))
    }

    /// `[module, name]`, with any dots the name's own, or `[module, outer, inner, …]`.
    fn global_parts(&mut self, node: Node) -> Result<Node, String> {
        let mut spans = Vec::new();
        for part in self.array("$global", node)? {
            let part = match *part {
                Node::Dict(form) => self.str_form(form)?,
                other => other,
            };
            spans.extend(if let Node::Str(span) = part { Some(span) } else { None });
        }
        match spans[..] {
            [module, name] => Ok(Node::Global(self.out.push_global(Global { module, name, is_flat: true }))),
            [module, ref parts @ ..] if parts.len() > 1 => {
                let parts: Vec<&[u8]> = parts.iter().map(|part| self.out.text(*part)).collect();
                if parts.iter().any(|part| part.contains(&b'.')) {
                    return Err("`$global` takes [module, outer, inner] without dots".to_owned());
                }
                let name = parts.join(&b'.');
                let name = self.out.push_text(&name);
                Ok(Node::Global(self.out.push_global(Global { module, name, is_flat: false })))
            }
            _ => Err("`$global` takes [module, name]".to_owned()),
        }
    }

    /// Puts an object together from what was lifted of it.
    fn object(&mut self, id: Id, shape: Shape) {
        let made = match shape {
            Shape::Zoned(date, time) => {
                let zone = self.done.pop().unwrap_or(Node::None);
                match (date, time) {
                    (Some(date), Some(time)) => calls::date_time(&mut self.out, date, time, zone),
                    (Some(date), None) => calls::date(&mut self.out, date),
                    (None, Some(time)) => calls::time(&mut self.out, time, zone),
                    (None, None) => unreachable!("a form has a date or a time"),
                }
            }
            Shape::Any { how, has_kwargs, steps } => {
                let mut made: Vec<Step> = Vec::with_capacity(steps.len());
                for (name, len) in steps.iter().rev() {
                    let nodes = self.done.split_off(self.done.len() - len);
                    made.push(match *name {
                        "state" => Step::State(nodes[0]),
                        "call" => Step::Call(nodes[0], nodes[1]),
                        "extend" => Step::Extend(self.out.container(&nodes)),
                        "items" => Step::Items(self.out.container(&nodes)),
                        _ => Step::Add(self.out.container(&nodes)),
                    });
                }
                made.reverse();
                let kwargs = if has_kwargs { self.done.pop() } else { None };
                let args = self.done.pop().unwrap_or(Node::None);
                let callable = self.done.pop().unwrap_or(Node::None);
                Object { how, callable, args, kwargs: kwargs.unwrap_or(Node::None), steps: made }
            }
        };
        *self.out.object_mut(id) = made;
    }
}

/// A form, taken apart.
struct Fields {
    name: &'static str,
    argument: Node,
    others: Vec<(String, Node)>,
}

impl Fields {
    fn other(&self, name: &str) -> Option<Node> {
        self.others.iter().find(|(key, _)| key == name).map(|(_, node)| *node)
    }
}

/// What a form that holds no values in turn is.
enum Made {
    Node(Node),
    Object(Object),
}

impl Fault {
    /// Finds the way to the JSON object that is wrong.
    fn place(self, source: &Value) -> LiftError {
        let mut path = b"$".to_vec();
        let mut frames = vec![(source.root, 0)];
        while let Some((node, at)) = frames.last_mut() {
            if *node == self.at {
                break;
            }
            let (members, stride) = match *node {
                Node::List(id) => (source.members(id), 1),
                Node::Dict(id) => (source.members(id), 2),
                _ => (&[][..], 1),
            };
            let next = members.get(*at + stride - 1).copied();
            *at += stride;
            match next {
                Some(next) => frames.push((next, 0)),
                None => {
                    frames.pop();
                }
            }
        }
        for (node, at) in frames.iter().filter(|(node, _)| *node != self.at) {
            match *node {
                Node::Dict(id) => match source.members(id)[at - 2] {
                    Node::Str(key) => json::push_step(Ok(source.text(key)), &mut path),
                    _ => json::push_step(Err(at / 2 - 1), &mut path),
                },
                _ => json::push_step(Err(at - 1), &mut path),
            }
        }
        LiftError { path: String::from_utf8_lossy(&path).into_owned(), message: self.message }
    }
}

/// `0x1f`, `-0x1f`.
fn hexadecimal(text: &str) -> Option<BigInt> {
    let (sign, digits) = text.strip_prefix('-').map_or((Sign::Plus, text), |digits| (Sign::Minus, digits));
    let digits = digits.strip_prefix("0x").filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some(BigInt::from_biguint(sign, BigUint::parse_bytes(digits.as_bytes(), 16)?))
}

/// The inverse of `escape` on the way out.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('\\') {
            out.push(b'\\');
            rest = after;
            continue;
        }
        let digits = rest.strip_prefix('u')?.get(..4)?;
        let code = u32::from_str_radix(digits, 16).ok().filter(|code| is_surrogate(*code))?;
        push_code_point(code, &mut out);
        rest = &rest[5..];
    }
    out.extend_from_slice(rest.as_bytes());
    Some(out)
}
