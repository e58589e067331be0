//! Typed JSON, written: a value as JSON nodes, each short form only where lifting makes the same nodes.
//!
//! The forms are listed one level up. No JSON text is made here.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use foldhash::HashSetExt as _;

use crate::limits::{Exceeded, Limits};
use crate::value::code_point::{code_point, is_surrogate};
use crate::value::draft::Draft;
use crate::value::known::{self, Known, TimeDelta};
use crate::value::{How, Id, Identity, Node, Object, Span, Step, Value, iso, json, print, python, scalar};

/// The value as one of JSON nodes only: most values are, and stand for themselves.
///
/// # Errors
/// [`Exceeded`] with the limit `nodes` or `output`, for what grows too much by being spelled out.
pub fn lower<'v>(value: &'v Value, limits: &Limits) -> Result<Cow<'v, Value>, Exceeded> {
    if stands_for_itself(value, limits) { Ok(Cow::Borrowed(value)) } else { spell_out(value, limits).map(Cow::Owned) }
}

/// Whether every part is its own short form. Text that is mentioned again and again past the limit is not looked
/// through.
fn stands_for_itself(value: &Value, limits: &Limits) -> bool {
    let is_own_form = |node: &Node| match *node {
        Node::Str(span) => std::str::from_utf8(value.text(span)).is_ok(),
        Node::Dict(id) => is_plain(value, value.members(id)),
        _ => true,
    };
    json::tree(value).is_some_and(|extent| extent.check(limits).is_ok())
        && is_own_form(&value.root)
        && value.members.iter().all(is_own_form)
}

fn spell_out(value: &Value, limits: &Limits) -> Result<Value, Exceeded> {
    let mut lowering = Lowering {
        source: value,
        limits,
        shared: value.shared(),
        labels: HashMap::new(),
        out: Value::over(value.text.clone()),
        names: HashMap::new(),
        made: HashMap::new(),
        globals: HashMap::new(),
        read: 0,
        tasks: vec![Lower::Node(value.root)],
        done: Vec::new(),
    };
    // A node becomes a few; what can be decoded can be lowered.
    let most = limits.nodes.saturating_mul(8);
    while let Some(task) = lowering.tasks.pop() {
        match task {
            Lower::Node(node) => lowering.node(node),
            Lower::Inner(node) => lowering.inner(node),
            Lower::Done(node) => lowering.done.push(node),
            Lower::List(len) => {
                let start = lowering.done.len() - len;
                let list = Node::List(lowering.out.container(&lowering.done[start..]));
                lowering.done.truncate(start);
                lowering.done.push(list);
            }
            Lower::Dict(id) => lowering.dict(id),
            Lower::Record(names) => lowering.record(&names),
        }
        if lowering.out.size() as u64 > most {
            return Err(limits.exceeded("nodes"));
        }
        limits.check("output", lowering.read)?;
    }
    let root = lowering.done.pop().expect("one value was lowered");
    lowering.out.root = root;
    Ok(lowering.out)
}

/// Bytes kept free behind a long text for the names of forms, which would double the room for it.
const NAMES_ROOM: usize = 4096;

/// What is still to be lowered or put together, the next last.
enum Lower {
    Node(Node),
    /// The same, but for its label.
    Inner(Node),
    /// A node that is lowered already.
    Done(Node),
    /// So many of the lowest become a list.
    List(usize),
    /// The members of this dict, lowered, get its keys.
    Dict(Id),
    /// As many of the lowest get these names.
    Record(Vec<&'static str>),
}

/// A leaf whose form has other text than itself.
#[derive(PartialEq, Eq, Hash)]
enum Leaf {
    Base64(Span),
    Escaped(Span),
    Hex(Span),
}

struct Lowering<'v> {
    source: &'v Value,
    limits: &'v Limits,
    shared: foldhash::HashSet<Identity>,
    labels: HashMap<Identity, i64>,
    out: Value,
    /// Where the names of forms stand in the text.
    names: HashMap<&'static str, Node>,
    /// What was made of a leaf: one that is shared is not spelled out for each mention.
    made: HashMap<Leaf, Node>,
    globals: HashMap<Id, Node>,
    /// Bytes of text met so far, shared ones each time: they are looked through, then written.
    read: u64,
    tasks: Vec<Lower>,
    done: Vec<Node>,
}

impl Lowering<'_> {
    fn node(&mut self, node: Node) {
        let Some(identity) = Identity::of(node).filter(|identity| self.shared.contains(identity)) else {
            return self.inner(node);
        };
        if let Some(label) = self.labels.get(&identity) {
            let label = Node::Int(*label);
            return self.plan([Lower::Done(label), record(["$ref"])]);
        }
        let label = i64::try_from(self.labels.len() + 1).expect("counts are limited below 32 bits");
        self.labels.insert(identity, label);
        self.plan([Lower::Done(Node::Int(label)), Lower::Inner(node), record(["$id", "$value"])]);
    }

    fn inner(&mut self, node: Node) {
        let source = self.source;
        self.read = self.read.saturating_add(print::leaf_bytes(source, node));
        match node {
            Node::None | Node::Bool(_) | Node::Int(_) => self.done.push(node),
            Node::Big(span) => match scalar::decimal(&source.big(span)) {
                Some(_) => self.done.push(node),
                None => self.made_form("$int", Leaf::Hex(span)),
            },
            Node::Float(float) if float.is_finite() => self.done.push(node),
            Node::Float(float) => {
                let mut word = Vec::new();
                scalar::write_float(float, &mut word);
                if float.is_nan() && float.to_bits() != f64::NAN.to_bits() {
                    word.extend(format!(":{:016x}", float.to_bits()).into_bytes());
                }
                self.text_form("$float", &word);
            }
            Node::Str(span) if std::str::from_utf8(source.text(span)).is_ok() => self.done.push(node),
            Node::Str(span) => self.made_form("$str", Leaf::Escaped(span)),
            Node::Bytes(span) => self.made_form("$bytes", Leaf::Base64(span)),
            Node::ByteArray(span) => self.made_form("$bytearray", Leaf::Base64(span)),
            Node::List(id) => self.list(source.members(id), None),
            Node::Tuple(id) => self.list(source.members(id), Some("$tuple")),
            Node::Set(id) => self.list(source.members(id), Some("$set")),
            Node::FrozenSet(id) => self.list(source.members(id), Some("$frozenset")),
            Node::Dict(id) if self.is_plain(id) => {
                self.tasks.push(Lower::Dict(id));
                self.tasks.extend(source.members(id).chunks_exact(2).rev().map(|pair| Lower::Node(pair[1])));
            }
            Node::Dict(id) => {
                let mut plan = Vec::new();
                pairs(source.members(id), &mut plan);
                plan.push(record(["$dict"]));
                self.plan(plan);
            }
            Node::Global(id) => match self.global_text(id) {
                Some(text) => {
                    self.done.push(text);
                    self.record(&["$global"]);
                }
                None => {
                    let parts = self.global_parts(id);
                    self.list(&parts, Some("$global"));
                }
            },
            Node::Object(id) => self.object(node, id),
            Node::Persistent(id) => {
                let inner = source.members(id).first().copied().unwrap_or(Node::None);
                self.plan([Lower::Node(inner), record(["$persistent"])]);
            }
            Node::Extension(code) => self.plan([Lower::Done(Node::Int(code.into())), record(["$extension"])]),
            Node::Buffer(n) => self.plan([Lower::Done(Node::Int(n.into())), record(["$buffer"])]),
            Node::ReadOnlyBuffer(n) => self.plan([Lower::Done(Node::Int(n.into())), record(["$readonly_buffer"])]),
            Node::Ext(code, span) => {
                let text = self.made(Leaf::Base64(span));
                self.plan([Lower::Done(Node::Int(code.into())), Lower::Done(text), Lower::List(2), record(["$ext"])]);
            }
            Node::Timestamp(seconds, nanoseconds) => {
                self.list(&[Node::Int(seconds), Node::Int(nanoseconds.into())], Some("$timestamp"));
            }
        }
    }

    fn object(&mut self, node: Node, id: Id) {
        if let Some(plan) = self.short_form(node, id) {
            return self.plan(plan);
        }
        let source = self.source;
        let Object { how, callable, args, kwargs, steps } = source.object(id);
        let mut names = vec!["$object"];
        let mut plan = vec![match *callable {
            Node::Global(global) => match self.global_text(global) {
                Some(text) => Lower::Done(text),
                None => Lower::Node(*callable),
            },
            other => Lower::Node(other),
        }];
        if let Node::Str(span) = *callable {
            let text = self.made(Leaf::Escaped(span));
            plan = vec![Lower::Done(text), record(["$str"])];
        }
        if *how == How::New {
            names.push("how");
            plan.push(Lower::Done(self.text(b"new")));
        }
        names.push("args");
        match *args {
            Node::Tuple(id) if !self.is_shared(*args) => members(source.members(id), &mut plan),
            Node::List(id) if !self.is_shared(*args) => {
                members(source.members(id), &mut plan);
                plan.push(record(["$list"]));
            }
            other => plan.push(Lower::Node(other)),
        }
        if *kwargs != Node::None {
            names.push("kwargs");
            plan.push(Lower::Node(*kwargs));
        }
        if !steps.is_empty() {
            names.push("steps");
            for step in steps {
                let name = match *step {
                    Step::State(state) => {
                        plan.push(Lower::Node(state));
                        "state"
                    }
                    Step::Call(callable, state) => {
                        members(&[callable, state], &mut plan);
                        "call"
                    }
                    Step::Extend(id) => {
                        members(source.members(id), &mut plan);
                        "extend"
                    }
                    Step::Add(id) => {
                        members(source.members(id), &mut plan);
                        "add"
                    }
                    Step::Items(id) => {
                        pairs(source.members(id), &mut plan);
                        "items"
                    }
                };
                plan.push(record([name]));
            }
            plan.push(Lower::List(steps.len()));
        }
        plan.push(Lower::Record(names));
        self.plan(plan);
    }

    /// The form of a known object that lifting makes the same nodes of.
    fn short_form(&mut self, node: Node, id: Id) -> Option<Vec<Lower>> {
        let source = self.source;
        let known = known::of(source, node)?;
        if let Known::Uuid(number) = known {
            return self
                .is_plain_uuid(id)
                .then(|| vec![Lower::Done(self.text(python::uuid(number).as_bytes())), record(["$uuid"])]);
        }
        let args = self.plain_call(node)?;
        let integers = |args: &[Node]| args.iter().map(|node| Lower::Done(*node)).collect::<Vec<_>>();
        match known {
            Known::Complex(..) => {
                let mut plan = Vec::new();
                members(args, &mut plan);
                plan.push(record(["$complex"]));
                Some(plan)
            }
            Known::Range(_) | Known::Fraction(..) if args.iter().all(|arg| scalar::integer(source, *arg).is_some()) => {
                let name = if args.len() == 3 { "$range" } else { "$fraction" };
                let mut plan = integers(args);
                plan.extend([Lower::List(args.len()), record([name])]);
                Some(plan)
            }
            Known::Date(date) => {
                matches!(args[0], Node::Bytes(_)).then(|| self.zoned("$date", iso::date(date), false, Node::None))
            }
            Known::Time(time, zone) => {
                matches!(args[0], Node::Bytes(_)).then(|| self.zoned("$time", iso::time(time), time.fold, zone))
            }
            Known::DateTime(date, time, zone) => matches!(args[0], Node::Bytes(_))
                .then(|| self.zoned("$datetime", format!("{}T{}", iso::date(date), iso::time(time)), time.fold, zone)),
            Known::TimeDelta(TimeDelta { days, seconds, microseconds }) => {
                let fields = [("days", days), ("seconds", seconds), ("microseconds", microseconds)];
                let shown = fields.iter().filter(|(_, count)| *count != 0);
                let mut plan: Vec<Lower> = shown.clone().map(|(_, count)| Lower::Done(Node::Int(*count))).collect();
                plan.extend([Lower::Record(shown.map(|(name, _)| *name).collect()), record(["$timedelta"])]);
                Some(plan)
            }
            Known::TimeZone(delta, name) => {
                self.plain_call(args[0]).filter(|_| !self.is_shared(args[0]))?;
                let mut plan = vec![Lower::Done(self.text(iso::offset(delta).as_bytes()))];
                if let Some(name) = name {
                    plan.extend([Lower::Node(Node::Str(name)), Lower::List(2)]);
                }
                plan.push(record(["$timezone"]));
                Some(plan)
            }
            Known::ZoneInfo(key) if self.is_plain_zone(node) => {
                Some(vec![Lower::Node(Node::Str(key)), record(["$zoneinfo"])])
            }
            Known::Decimal(text) => Some(vec![Lower::Done(Node::Str(text)), record(["$decimal"])]),
            _ => None,
        }
    }

    /// A date or time: its zone in the text where that is all there is to it.
    fn zoned(&mut self, name: &'static str, mut text: String, fold: bool, zone: Node) -> Vec<Lower> {
        let mut names = vec![name];
        let mut fields = Vec::new();
        if fold {
            names.push("fold");
            fields.push(Lower::Done(Node::Int(1)));
        }
        let is_shared = self.is_shared(zone);
        match known::of(self.source, zone) {
            _ if zone == Node::None => {}
            Some(Known::TimeZone(delta, None)) if !is_shared && self.is_plain_zone(zone) => {
                text.push_str(&iso::offset(delta));
            }
            Some(Known::ZoneInfo(key))
                if !is_shared && self.is_plain_zone(zone) && iso::is_zone_name(self.source.text(key)) =>
            {
                text.push_str(&format!("[{}]", String::from_utf8_lossy(self.source.text(key))));
            }
            _ => {
                names.push("tzinfo");
                fields.push(Lower::Node(zone));
            }
        }
        let mut plan = vec![Lower::Done(self.text(text.as_bytes()))];
        plan.extend(fields);
        plan.push(Lower::Record(names));
        plan
    }

    /// The arguments of an object that is nothing but a call with its own tuple.
    fn plain_call(&self, node: Node) -> Option<&[Node]> {
        let Node::Object(id) = node else { return None };
        match self.source.object(id) {
            Object { how: How::Call, callable, args: args @ Node::Tuple(tuple), kwargs: Node::None, steps }
                if steps.is_empty()
                    && !self.is_shared(*args)
                    && !["_reconstructor", "__newobj__", "__newobj_ex__"]
                        .iter()
                        .any(|name| self.source.is_global(*callable, "copyreg", name)) =>
            {
                Some(self.source.members(*tuple))
            }
            _ => None,
        }
    }

    /// Whether all inside a zone is its own and as CPython writes it.
    fn is_plain_zone(&self, zone: Node) -> bool {
        let Some(args) = self.plain_call(zone) else { return false };
        let Node::Object(id) = zone else { return false };
        match self.source.object(id).callable {
            Node::Global(_) => args.len() == 1 && !self.is_shared(args[0]) && self.plain_call(args[0]).is_some(),
            method => args[1] == Node::Int(1) && !self.is_shared(method) && self.plain_call(method).is_some(),
        }
    }

    fn is_plain_uuid(&self, id: Id) -> bool {
        let Object { how: How::New, callable: Node::Global(_), args, kwargs: Node::None, steps } =
            self.source.object(id)
        else {
            return false;
        };
        let [Step::State(state @ Node::Dict(dict))] = *steps.as_slice() else { return false };
        !self.is_shared(*args) && !self.is_shared(state) && self.source.members(dict).len() == 2
    }

    /// Whether a JSON object holds the dict as it is. Its keys are not looked through past the limit.
    fn is_plain(&mut self, id: Id) -> bool {
        let members = self.source.members(id);
        let keys = members.iter().step_by(2).map(|key| print::leaf_bytes(self.source, *key));
        let keys = keys.fold(0, u64::saturating_add);
        self.read = self.read.saturating_add(keys);
        self.read <= self.limits.output && is_plain(self.source, members)
    }

    fn is_shared(&self, node: Node) -> bool {
        Identity::of(node).is_some_and(|identity| self.shared.contains(&identity))
    }

    fn global_text(&mut self, id: Id) -> Option<Node> {
        if let Some(made) = self.globals.get(&id) {
            return Some(*made);
        }
        let (module, name) = self.source.global(id);
        let (module, name) = (std::str::from_utf8(module).ok()?, std::str::from_utf8(name).ok()?);
        let usual = !module.is_empty() && !name.is_empty() && !module.contains(':') && !name.contains(':');
        if !usual || self.source.is_flat(id) {
            return None;
        }
        let text = format!("{module}{}{name}", if name.contains('.') { ':' } else { '.' });
        let made = self.text(text.as_bytes());
        self.globals.insert(id, made);
        Some(made)
    }

    /// The module, and the name: whole where its dots are its own, else attribute by attribute.
    fn global_parts(&self, id: Id) -> Vec<Node> {
        let (module, name) = self.source.global_spans(id);
        if self.source.is_flat(id) {
            return vec![Node::Str(module), Node::Str(name)];
        }
        let mut start = name.start as usize;
        let parts = self.source.text(name).split(|byte| *byte == b'.').map(|part| {
            let span = Draft::span(start, start + part.len());
            start += part.len() + 1;
            Node::Str(span)
        });
        std::iter::once(Node::Str(module)).chain(parts).collect()
    }

    /// Puts tasks in line, the first first.
    fn plan(&mut self, plan: impl IntoIterator<Item = Lower, IntoIter: DoubleEndedIterator>) {
        self.tasks.extend(plan.into_iter().rev());
    }

    fn list(&mut self, nodes: &[Node], form: Option<&'static str>) {
        self.tasks.extend(form.map(|name| record([name])));
        self.tasks.push(Lower::List(nodes.len()));
        self.tasks.extend(nodes.iter().rev().map(|node| Lower::Node(*node)));
    }

    fn text(&mut self, text: &[u8]) -> Node {
        Node::Str(self.out.push_text(text))
    }

    /// The text that the form of a leaf has.
    fn made(&mut self, leaf: Leaf) -> Node {
        if let Some(made) = self.made.get(&leaf) {
            return *made;
        }
        let source = self.source;
        let made = match leaf {
            Leaf::Base64(span) => Node::Str(self.base64(source.text(span))),
            Leaf::Escaped(span) => self.text(&escape(source.text(span))),
            Leaf::Hex(span) => self.text(scalar::big(&source.big(span)).as_bytes()),
        };
        self.made.insert(leaf, made);
        made
    }

    /// Base64 text, made where it is to stand: it may be most of the memory there is.
    fn base64(&mut self, bytes: &[u8]) -> Span {
        let start = self.out.text.len();
        let len = base64::encoded_len(bytes.len(), true).expect("bytes are limited far below the address space");
        let span = Draft::span(start, start + len);
        self.out.text.reserve_exact(len + NAMES_ROOM);
        self.out.text.resize(start + len, 0);
        BASE64.encode_slice(bytes, &mut self.out.text[start..]).expect("the room is as long as the text");
        span
    }

    fn made_form(&mut self, name: &'static str, leaf: Leaf) {
        let text = self.made(leaf);
        self.done.push(text);
        self.record(&[name]);
    }

    fn text_form(&mut self, name: &'static str, text: &[u8]) {
        let text = self.text(text);
        self.done.push(text);
        self.record(&[name]);
    }

    fn dict(&mut self, id: Id) {
        let keys = self.source.members(id);
        let start = self.done.len() - keys.len() / 2;
        let members: Vec<Node> =
            keys.iter().step_by(2).zip(&self.done[start..]).flat_map(|(key, node)| [*key, *node]).collect();
        self.done.truncate(start);
        self.done.push(Node::Dict(self.out.container(&members)));
    }

    fn record(&mut self, names: &[&'static str]) {
        let start = self.done.len() - names.len();
        let mut members = Vec::with_capacity(2 * names.len());
        for (at, name) in names.iter().enumerate() {
            let out = &mut self.out;
            let key = self.names.entry(name).or_insert_with(|| Node::Str(out.push_text(name.as_bytes())));
            members.extend([*key, self.done[start + at]]);
        }
        self.done.truncate(start);
        self.done.push(Node::Dict(self.out.container(&members)));
    }
}

fn record<const N: usize>(names: [&'static str; N]) -> Lower {
    Lower::Record(names.to_vec())
}

fn members(nodes: &[Node], plan: &mut Vec<Lower>) {
    plan.extend(nodes.iter().map(|node| Lower::Node(*node)));
    plan.push(Lower::List(nodes.len()));
}

fn pairs(nodes: &[Node], plan: &mut Vec<Lower>) {
    for pair in nodes.chunks_exact(2) {
        plan.extend([Lower::Node(pair[0]), Lower::Node(pair[1]), Lower::List(2)]);
    }
    plan.push(Lower::List(nodes.len() / 2));
}

/// Whether a JSON object holds the dict as it is.
fn is_plain(value: &Value, members: &[Node]) -> bool {
    let keys = || {
        members.iter().step_by(2).map(|key| match key {
            Node::Str(span) => Some(value.text(*span)),
            _ => None,
        })
    };
    let fits =
        |key: Option<&[u8]>| key.is_some_and(|text| text.first() != Some(&b'$') && std::str::from_utf8(text).is_ok());
    if !keys().all(fits) {
        return false;
    }
    // Of few keys, to compare each with each is less than to hash them.
    if members.len() <= 2 * FEW_KEYS {
        return keys().enumerate().all(|(at, key)| !keys().take(at).any(|before| before == key));
    }
    let mut seen = foldhash::HashSet::with_capacity(members.len() / 2);
    keys().all(|key| seen.insert(key))
}

const FEW_KEYS: usize = 16;

/// Text with lone surrogates, as `$str` has it.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let (code, len) = code_point(&text[at..]);
        match code {
            0x5c => out.extend_from_slice(b"\\\\"),
            _ if is_surrogate(code) => scalar::push_hex(b'u', code, 4, &mut out),
            _ => out.extend_from_slice(&text[at..at + len]),
        }
        at += len;
    }
    out
}
