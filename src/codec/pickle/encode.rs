//! A [`Value`] to bytes: what CPython 3.11's C pickler writes for the same object graph.
//!
//! After `Modules/_pickle.c`, function by function, its oddities included: a dict of exactly 1000
//! items is followed by an empty batch and a list is not; what has no opcode at a protocol is
//! written as the call that makes it. Identity decides what is written once and then fetched from
//! the memo: a container or object is itself by its id, a text by its span, a text of one Latin-1
//! character by that character, a global by its names.
//!
//! One thing the pickler never writes: what a persistent id stands for goes into the memo where the
//! value has it more than once, which only other writers' bytes can say.
//!
//! Containers are walked with a stack of [`Task`]s, never by recursion.

use foldhash::{HashMap, HashMapExt as _, HashSet};

use super::lines::raw_unicode_escape;
use super::{names, opcode as op};
use crate::codec::Error;
use crate::limits::Limits;
use crate::value::{How, Id, Identity, Node, Span, Step, Value, scalar};

/// Items between a MARK and its SETITEMS, APPENDS or ADDITEMS.
const BATCH: usize = 1000;
/// A frame is closed once it is this long; text of this length stands outside frames.
const FRAME_TARGET: usize = 64 * 1024;
/// What is shorter than this gets no frame.
const FRAME_LEAST: usize = 4;
const FRAME_HEADER: usize = 9;

const NO_MEMO: u32 = u32::MAX;

/// The bytes of `value` at `protocol`.
pub(super) fn encode(value: &Value, protocol: u8, limits: &Limits) -> Result<Vec<u8>, Error> {
    let mut encoder = Encoder::new(value, protocol, limits);
    if protocol >= 2 {
        encoder.out.extend_from_slice(&[op::PROTO, protocol]);
    }
    encoder.framing = protocol >= 4;
    encoder.save(value.root())?;
    while let Some(task) = encoder.tasks.pop() {
        encoder.run(task)?;
    }
    encoder.op(op::STOP);
    encoder.close_frame();
    Ok(encoder.out)
}

/// What remains to be written, the last first.
#[derive(Clone, Copy)]
enum Task {
    Save(Node),
    Op(u8),
    /// The members of a container, in batches.
    Batches {
        id: Id,
        next: u32,
        style: Style,
    },
    /// The members of a container, one after the other.
    Members {
        id: Id,
        next: u32,
    },
    /// The end of a tuple whose members are written.
    Tuple(Id),
    /// The end of a frozenset whose members are written.
    FrozenSet(Id),
    /// The end of a persistent id that is written.
    Persistent(Id),
    /// The end of `set([…])`, whose list is written.
    SetCall(Node),
    /// The steps of an object that was made.
    Made(Id),
    Steps {
        id: Id,
        next: u32,
    },
    Global(&'static str, &'static str),
    /// Memoises something that is nowhere else in the value.
    PutFresh,
    /// Memoises the `__new__` of the class.
    PutNewOf(u32),
    GetNewOf(u32),
    Fresh(&'static str),
}

/// How members are written into what they belong to.
#[derive(Clone, Copy)]
struct Style {
    /// Nodes an item: 2 for pairs.
    unit: u8,
    one: u8,
    many: u8,
    rule: Rule,
}

/// Which of the C pickler's loops writes the batches.
#[derive(Clone, Copy, PartialEq)]
enum Rule {
    /// Protocol 0 has no batches.
    Singly,
    /// `batch_list_exact`.
    List,
    /// `batch_dict_exact`: a full last batch is followed by an empty one.
    Dict,
    /// `save_set`: so it is here, and a single member makes a batch.
    Set,
    /// `batch_list` and `batch_dict`: a single item that is left makes no batch.
    Iterator,
}

impl Style {
    const LIST: Style = Style { unit: 1, one: op::APPEND, many: op::APPENDS, rule: Rule::List };
    const DICT: Style = Style { unit: 2, one: op::SETITEM, many: op::SETITEMS, rule: Rule::Dict };
    const SET: Style = Style { unit: 1, one: op::ADDITEMS, many: op::ADDITEMS, rule: Rule::Set };

    fn with(self, rule: Rule) -> Style {
        Style { rule, ..self }
    }

    /// Whether the item at `index` of `total` is written without a MARK.
    fn is_single(self, index: usize, total: usize) -> bool {
        match self.rule {
            Rule::Singly => true,
            Rule::List | Rule::Dict => total == 1,
            Rule::Set => false,
            Rule::Iterator => total - index / BATCH * BATCH == 1,
        }
    }

    /// Whether a full last batch is followed by an empty one.
    fn is_trailed(self) -> bool {
        matches!(self.rule, Rule::Dict | Rule::Set)
    }
}

struct Encoder<'v> {
    value: &'v Value,
    protocol: u8,
    limits: &'v Limits,
    out: Vec<u8>,
    tasks: Vec<Task>,
    framing: bool,
    /// Where the open frame's header stands.
    frame: Option<usize>,
    memo: Memo<'v>,
    /// What is referred to more than once, looked up when there is a persistent id.
    shared: Option<HashSet<Identity>>,
    buffers: u32,
}

/// What was written, by identity; each entry is an index in the memo that a reader will have.
struct Memo<'v> {
    count: u32,
    containers: Vec<u32>,
    objects: Vec<u32>,
    texts: Texts,
    bytes: HashMap<Span, u32>,
    byte_arrays: HashMap<Span, u32>,
    /// CPython has one of each text of a Latin-1 character, and one empty text, at the end.
    characters: [u32; 257],
    no_bytes: u32,
    latin1: u32,
    globals: HashMap<(&'v [u8], &'v [u8]), u32>,
    /// Those whose dots are not followed.
    flat_globals: HashMap<(&'v [u8], &'v [u8]), u32>,
    /// `__new__` of the class that has this memo index.
    new_of: HashMap<u32, u32>,
}

/// The memo indices of texts. A hash table whose hash is where a text stands: texts are written
/// about in the order in which they stand, so that what is touched lies side by side.
struct Texts {
    /// How many entries there were when the last text that begins in these bytes had its own.
    last: Vec<u32>,
    entries: Vec<Text>,
}

struct Text {
    span: Span,
    index: u32,
    /// The same of the one before it in these bytes; 0 when there is none.
    before: u32,
}

/// About as close as the beginnings of texts come: each has its opcode and its length, or quotes.
const TEXT_APART: u32 = 4;

impl Texts {
    fn of(value: &Value) -> Texts {
        let last = vec![0; (value.whole().len / TEXT_APART) as usize + 1];
        Texts { last, entries: Vec::new() }
    }

    /// The index of the text at `span`; if it has none, it gets `next` and `None` is returned.
    #[inline(always)]
    fn get_or_put(&mut self, span: Span, next: u32) -> Option<u32> {
        let last = &mut self.last[(span.start / TEXT_APART) as usize];
        let before = *last;
        let mut at = before;
        while at > 0 {
            let text = &self.entries[at as usize - 1];
            if text.span == span {
                return Some(text.index);
            }
            at = text.before;
        }
        self.entries.push(Text { span, index: next, before });
        *last = self.entries.len() as u32;
        None
    }
}

impl<'v> Encoder<'v> {
    fn new(value: &'v Value, protocol: u8, limits: &'v Limits) -> Encoder<'v> {
        Encoder {
            value,
            protocol,
            limits,
            out: Vec::with_capacity(64 + value.whole().len as usize),
            tasks: Vec::new(),
            framing: false,
            frame: None,
            memo: Memo {
                count: 0,
                containers: vec![NO_MEMO; value.containers()],
                objects: vec![NO_MEMO; value.objects().len()],
                texts: Texts::of(value),
                bytes: HashMap::new(),
                byte_arrays: HashMap::new(),
                characters: [NO_MEMO; 257],
                no_bytes: NO_MEMO,
                latin1: NO_MEMO,
                globals: HashMap::new(),
                flat_globals: HashMap::new(),
                new_of: HashMap::new(),
            },
            shared: None,
            buffers: 0,
        }
    }

    fn run(&mut self, task: Task) -> Result<(), Error> {
        match task {
            Task::Batches { id, next, style } => return self.batches(id, next as usize, style),
            Task::Members { id, next } => return self.members(id, next),
            Task::Save(node) => return self.save(node),
            Task::Op(opcode) => self.op(opcode),
            Task::Tuple(id) => self.end_tuple(id),
            Task::FrozenSet(id) => self.end_frozen_set(id),
            Task::Persistent(id) => self.end_persistent(id),
            Task::SetCall(node) => self.end_set_call(node),
            Task::Made(id) => self.made(id),
            Task::Steps { id, next } => return self.steps(id, next),
            Task::Global(module, name) => return self.known_global(module, name),
            Task::PutFresh => {
                self.put();
            }
            Task::PutNewOf(class) => {
                let index = self.put();
                self.memo.new_of.insert(class, index);
            }
            Task::GetNewOf(class) => {
                let index = self.memo.new_of[&class];
                self.get(index);
            }
            Task::Fresh(text) => self.fresh_text(text.as_bytes()),
        }
        Ok(())
    }

    /// Writes a node, or what of it comes before its members.
    fn save(&mut self, node: Node) -> Result<(), Error> {
        if self.leaf(node)? {
            return Ok(());
        }
        // A value whose parts are in the memo only after they were written, and that contains
        // itself through them, has no pickle at this protocol; CPython ends in RecursionError.
        if self.tasks.len() as u64 > 16 * self.limits.depth + 64 {
            return Err(unfit("the value contains itself in a way that this protocol cannot write, or is too deep"));
        }
        match node {
            Node::List(id) => self.list(id),
            Node::Dict(id) => self.dict(id),
            Node::Tuple(id) => self.tuple(id),
            Node::Set(id) if self.protocol >= 4 => {
                self.op(op::EMPTY_SET);
                self.put_container(id);
                self.push_batches(id, Style::SET);
            }
            Node::FrozenSet(id) if self.protocol >= 4 => {
                self.op(op::MARK);
                self.tasks.extend([Task::FrozenSet(id), Task::Members { id, next: 0 }]);
            }
            Node::Set(id) | Node::FrozenSet(id) => return self.set_call(node, id),
            Node::Object(id) => return self.object(id),
            Node::Persistent(id) => return self.persistent(id),
            _ => return Err(unfit("there is a kind of value that Python has no type for")),
        }
        Ok(())
    }

    /// Writes a node that has no members to walk, or that was written before.
    #[inline(always)]
    fn leaf(&mut self, node: Node) -> Result<bool, Error> {
        self.boundary();
        match node {
            Node::None => self.op(op::NONE),
            Node::Bool(truth) => self.bool(truth),
            Node::Int(number) => self.int(number),
            Node::Float(float) => self.float(float),
            Node::Str(span) => self.str(span),
            Node::List(id)
            | Node::Tuple(id)
            | Node::Set(id)
            | Node::FrozenSet(id)
            | Node::Dict(id)
            | Node::Persistent(id) => {
                let index = self.memo.containers[id.index()];
                if index == NO_MEMO {
                    return Ok(false);
                }
                self.get(index);
            }
            Node::Object(id) => {
                let index = self.memo.objects[id.index()];
                if index == NO_MEMO {
                    return Ok(false);
                }
                self.get(index);
            }
            other => return self.leaf_rare(other).map(|()| true),
        }
        Ok(true)
    }

    fn leaf_rare(&mut self, node: Node) -> Result<(), Error> {
        match node {
            Node::Big(span) => return self.big(span),
            Node::Bytes(span) => return self.bytes(span),
            Node::ByteArray(span) => return self.byte_array(span),
            Node::Global(id) => {
                let (module, name) = self.value.global(id);
                if self.value.is_flat(id) {
                    return self.flat_global(module, name);
                }
                return self.global(module, name, Some(self.value.global_spans(id)));
            }
            Node::Extension(code) => return self.extension(code),
            Node::Buffer(n) | Node::ReadOnlyBuffer(n) => {
                if self.protocol < 5 {
                    return Err(unfit("buffers outside the pickle need protocol 5"));
                }
                if n != self.buffers {
                    return Err(unfit(format!("buffer {n} stands out of turn, and buffers are told by their turn")));
                }
                self.buffers += 1;
                self.op(op::NEXT_BUFFER);
                if matches!(node, Node::ReadOnlyBuffer(_)) {
                    self.op(op::READONLY_BUFFER);
                }
            }
            Node::Ext(code, _) => return Err(unfit(format!("msgpack's extension {code} has no Python type"))),
            Node::Timestamp(..) => return Err(unfit("msgpack's timestamp has no Python type")),
            _ => unreachable!("all other nodes are written by `leaf` and `save`"),
        }
        Ok(())
    }
}

/// Bytes, frames and the memo.
impl Encoder<'_> {
    #[inline(always)]
    fn op(&mut self, opcode: u8) {
        self.open_frame();
        self.out.push(opcode);
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        self.open_frame();
        self.out.extend_from_slice(bytes);
    }

    /// An opcode, and the argument that belongs to it.
    #[inline(always)]
    fn op_with<const N: usize>(&mut self, opcode: u8, argument: [u8; N]) {
        self.open_frame();
        // One look at the room for both.
        let mut both = [opcode; 16];
        both[1..=N].copy_from_slice(&argument);
        self.out.extend_from_slice(&both[..=N]);
    }

    /// An opcode and its line, as in protocol 0.
    fn line(&mut self, opcode: u8, text: &[u8]) {
        self.op(opcode);
        self.out.extend_from_slice(text);
        self.out.push(b'\n');
    }

    #[inline(always)]
    fn open_frame(&mut self) {
        if self.framing && self.frame.is_none() {
            self.frame = Some(self.out.len());
            self.out.extend_from_slice(&[0; FRAME_HEADER]);
        }
    }

    /// Between two objects: a frame that is long enough ends here.
    #[inline(always)]
    fn boundary(&mut self) {
        if let Some(frame) = self.frame
            && self.out.len() - frame - FRAME_HEADER >= FRAME_TARGET
        {
            self.close_frame();
        }
    }

    fn close_frame(&mut self) {
        let Some(frame) = self.frame.take() else { return };
        let len = self.out.len() - frame - FRAME_HEADER;
        if len >= FRAME_LEAST {
            self.out[frame] = op::FRAME;
            self.out[frame + 1..frame + FRAME_HEADER].copy_from_slice(&(len as u64).to_le_bytes());
        } else {
            self.out.drain(frame..frame + FRAME_HEADER);
        }
    }

    /// An opcode with its length and its text, which stands outside frames when it is long.
    #[inline(always)]
    fn spelled<const N: usize>(&mut self, opcode: u8, len: [u8; N], text: &[u8]) {
        if text.len() < FRAME_TARGET {
            self.op_with(opcode, len);
            self.out.extend_from_slice(text);
            return;
        }
        self.close_frame();
        let framing = std::mem::replace(&mut self.framing, false);
        self.op_with(opcode, len);
        self.write(text);
        self.framing = framing;
    }

    /// Memoises what was written last.
    #[inline(always)]
    fn put(&mut self) -> u32 {
        let index = self.memo.count;
        self.memo.count += 1;
        match self.protocol {
            4.. => self.op(op::MEMOIZE),
            0 => self.line(op::PUT, index.to_string().as_bytes()),
            _ => match u8::try_from(index) {
                Ok(index) => self.op_with(op::BINPUT, [index]),
                Err(_) => self.op_with(op::LONG_BINPUT, index.to_le_bytes()),
            },
        }
        index
    }

    #[inline(always)]
    fn get(&mut self, index: u32) {
        match u8::try_from(index) {
            _ if self.protocol == 0 => self.line(op::GET, index.to_string().as_bytes()),
            Ok(index) => self.op_with(op::BINGET, [index]),
            Err(_) => self.op_with(op::LONG_BINGET, index.to_le_bytes()),
        }
    }

    fn put_container(&mut self, id: Id) {
        self.memo.containers[id.index()] = self.put();
    }
}

/// Scalars.
impl Encoder<'_> {
    fn bool(&mut self, truth: bool) {
        match (self.protocol, truth) {
            (2.., true) => self.op(op::NEWTRUE),
            (2.., false) => self.op(op::NEWFALSE),
            (_, true) => self.line(op::INT, b"01"),
            (_, false) => self.line(op::INT, b"00"),
        }
    }

    #[inline(always)]
    fn int(&mut self, number: i64) {
        match (i32::try_from(number), self.protocol) {
            (Ok(_), 0) => self.line(op::INT, number.to_string().as_bytes()),
            (Ok(number), _) => match (u8::try_from(number), u16::try_from(number)) {
                (Ok(byte), _) => self.op_with(op::BININT1, [byte]),
                (_, Ok(short)) => self.op_with(op::BININT2, short.to_le_bytes()),
                _ => self.op_with(op::BININT, number.to_le_bytes()),
            },
            (_, 0 | 1) => self.line(op::LONG, format!("{number}L").as_bytes()),
            _ => {
                let bytes = number.to_le_bytes();
                let spare = match number {
                    0.. => (number.leading_zeros() - 1) / 8,
                    _ => (number.leading_ones() - 1) / 8,
                };
                let len = 8 - spare as usize;
                self.op_with(op::LONG1, [len as u8]);
                self.write(&bytes[..len]);
            }
        }
    }

    fn big(&mut self, span: Span) -> Result<(), Error> {
        let bytes = self.value.text(span);
        if self.protocol < 2 {
            let Some(digits) = scalar::decimal(&self.value.big(span)) else {
                let most = scalar::DIGITS_MAX;
                return Err(unfit(format!("an integer of over {most} digits needs protocol 2 or higher")));
            };
            self.line(op::LONG, format!("{digits}L").as_bytes());
            return Ok(());
        }
        match u8::try_from(bytes.len()) {
            Ok(len) => self.op_with(op::LONG1, [len]),
            Err(_) => self.op_with(op::LONG4, span.len.to_le_bytes()),
        }
        self.write(bytes);
        Ok(())
    }

    #[inline(always)]
    fn float(&mut self, float: f64) {
        match self.protocol {
            0 => {
                let mut repr = Vec::new();
                scalar::write_float(float, &mut repr);
                self.line(op::FLOAT, &repr);
            }
            _ => self.op_with(op::BINFLOAT, float.to_be_bytes()),
        }
    }

    #[inline(always)]
    fn str(&mut self, span: Span) {
        let text = self.value.text(span);
        if let Some(character) = single(text) {
            return self.character(character, text);
        }
        if let Some(index) = self.memo.texts.get_or_put(span, self.memo.count) {
            return self.get(index);
        }
        self.text(text);
        self.put();
    }

    /// A text of which CPython has only one.
    fn character(&mut self, character: usize, text: &[u8]) {
        match self.memo.characters[character] {
            NO_MEMO => {
                self.text(text);
                self.memo.characters[character] = self.put();
            }
            index => self.get(index),
        }
    }

    /// A text that is nowhere else in the value.
    fn fresh_text(&mut self, text: &[u8]) {
        self.boundary();
        if let Some(character) = single(text) {
            return self.character(character, text);
        }
        self.text(text);
        self.put();
    }

    #[inline(always)]
    fn text(&mut self, text: &[u8]) {
        match (self.protocol, u8::try_from(text.len())) {
            (4.., Ok(len)) => self.spelled(op::SHORT_BINUNICODE, [len], text),
            (1.., _) => {
                let len = u32::try_from(text.len()).expect("a span's length is 32 bits, and so is a name's");
                self.spelled(op::BINUNICODE, len.to_le_bytes(), text);
            }
            _ => {
                self.op(op::UNICODE);
                raw_unicode_escape(text, &mut self.out);
                self.out.push(b'\n');
            }
        }
    }

    fn bytes(&mut self, span: Span) -> Result<(), Error> {
        let known = match span.len {
            0 => self.memo.no_bytes,
            _ => self.memo.bytes.get(&span).copied().unwrap_or(NO_MEMO),
        };
        if known != NO_MEMO {
            self.get(known);
            return Ok(());
        }
        let index = self.fresh_bytes(self.value.text(span))?;
        match span.len {
            0 => self.memo.no_bytes = index,
            _ => {
                self.memo.bytes.insert(span, index);
            }
        }
        Ok(())
    }

    /// Bytes, and their memo index. Below protocol 3 they are a call.
    fn fresh_bytes(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        match (self.protocol, u8::try_from(bytes.len()), u32::try_from(bytes.len())) {
            (3.., Ok(len), _) => self.spelled(op::SHORT_BINBYTES, [len], bytes),
            (3.., _, Ok(len)) => self.spelled(op::BINBYTES, len.to_le_bytes(), bytes),
            (3.., _, _) => return Err(unfit("bytes are longer than 4 GiB")),
            _ if bytes.is_empty() => {
                self.known_global("builtins", "bytes")?;
                self.empty_tuple();
                self.op(op::REDUCE);
            }
            _ => {
                self.known_global("_codecs", "encode")?;
                if self.protocol < 2 {
                    self.op(op::MARK);
                }
                let mut text = Vec::with_capacity(2 * bytes.len());
                for &byte in bytes {
                    match byte {
                        0..0x80 => text.push(byte),
                        _ => text.extend_from_slice(&[0xc0 | byte >> 6, 0x80 | byte & 0x3f]),
                    }
                }
                self.fresh_text(&text);
                match self.memo.latin1 {
                    NO_MEMO => {
                        self.text(b"latin1");
                        self.memo.latin1 = self.put();
                    }
                    index => self.get(index),
                }
                self.op(if self.protocol < 2 { op::TUPLE } else { op::TUPLE2 });
                self.put();
                self.op(op::REDUCE);
            }
        }
        Ok(self.put())
    }

    fn byte_array(&mut self, span: Span) -> Result<(), Error> {
        if let Some(index) = self.memo.byte_arrays.get(&span) {
            self.get(*index);
            return Ok(());
        }
        let bytes = self.value.text(span);
        if self.protocol >= 5 {
            self.spelled(op::BYTEARRAY8, u64::from(span.len).to_le_bytes(), bytes);
        } else {
            self.known_global("builtins", "bytearray")?;
            self.boundary();
            if bytes.is_empty() {
                self.empty_tuple();
            } else {
                if self.protocol < 2 {
                    self.op(op::MARK);
                }
                self.boundary();
                self.fresh_bytes(bytes)?;
                self.op(if self.protocol < 2 { op::TUPLE } else { op::TUPLE1 });
                self.put();
            }
            self.op(op::REDUCE);
        }
        let index = self.put();
        self.memo.byte_arrays.insert(span, index);
        Ok(())
    }

    fn extension(&mut self, code: u32) -> Result<(), Error> {
        if self.protocol < 2 {
            return Err(unfit(format!("extension code {code} needs protocol 2 or higher")));
        }
        match (u8::try_from(code), u16::try_from(code)) {
            (Ok(code), _) => self.op_with(op::EXT1, [code]),
            (_, Ok(code)) => self.op_with(op::EXT2, code.to_le_bytes()),
            _ => self.op_with(op::EXT4, code.to_le_bytes()),
        }
        Ok(())
    }
}

/// Globals.
impl<'v> Encoder<'v> {
    /// A global that the format itself needs.
    fn known_global(&mut self, module: &'static str, name: &'static str) -> Result<(), Error> {
        self.boundary();
        self.global(module.as_bytes(), name.as_bytes(), None)
    }

    /// A global; with the spans of its names, where the value has them.
    fn global(&mut self, module: &'v [u8], name: &'v [u8], spans: Option<(Span, Span)>) -> Result<(), Error> {
        if let Some(index) = self.memo.globals.get(&(module, name)) {
            let index = *index;
            self.get(index);
            return Ok(());
        }
        if self.protocol >= 4 {
            match spans {
                Some((module, name)) => {
                    self.boundary();
                    self.str(module);
                    self.boundary();
                    self.str(name);
                }
                None => {
                    match self.module_span(module) {
                        Some(span) => self.str(span),
                        None => self.fresh_text(module),
                    }
                    self.fresh_text(name);
                }
            }
            self.op(op::STACK_GLOBAL);
        } else if name.contains(&b'.') {
            return self.dotted(module, name);
        } else {
            self.global_lines(module, name)?;
        }
        let index = self.put();
        self.memo.globals.insert((module, name), index);
        Ok(())
    }

    /// A global whose name has dots of its own, which from protocol 4 on nothing can name.
    fn flat_global(&mut self, module: &'v [u8], name: &'v [u8]) -> Result<(), Error> {
        if let Some(index) = self.memo.flat_globals.get(&(module, name)) {
            let index = *index;
            self.get(index);
            return Ok(());
        }
        if self.protocol >= 4 {
            let shown = format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name));
            return Err(unfit(format!(
                "the name `{shown}` has dots that are not followed and needs protocol 3 or lower"
            )));
        }
        self.global_lines(module, name)?;
        let index = self.put();
        self.memo.flat_globals.insert((module, name), index);
        Ok(())
    }

    /// The text of a module that a global of the value is in, which CPython would share.
    fn module_span(&self, module: &[u8]) -> Option<Span> {
        self.value.global_ids().map(|id| self.value.global_spans(id).0).find(|span| self.value.text(*span) == module)
    }

    /// Below protocol 4, `module.A.B` is `getattr(module.A, 'B')`.
    fn dotted(&mut self, module: &'v [u8], name: &'v [u8]) -> Result<(), Error> {
        let dots: Vec<usize> = (0..name.len()).filter(|at| name[*at] == b'.').collect();
        if dots.len() as u64 > self.limits.depth {
            return Err(unfit("a name of more levels than the limit `depth` needs protocol 4 or higher"));
        }
        let known = dots.iter().rposition(|dot| self.memo.globals.contains_key(&(module, &name[..*dot])));
        let from = known.unwrap_or(0);
        for _ in &dots[from..] {
            self.known_global("builtins", "getattr")?;
            if self.protocol < 2 {
                self.op(op::MARK);
            }
        }
        self.global(module, &name[..dots[from]], None)?;
        for (at, dot) in dots.iter().enumerate().skip(from) {
            let end = dots.get(at + 1).copied().unwrap_or(name.len());
            self.fresh_text(&name[dot + 1..end]);
            self.op(if self.protocol < 2 { op::TUPLE } else { op::TUPLE2 });
            self.put();
            self.op(op::REDUCE);
            let index = self.put();
            self.memo.globals.insert((module, &name[..end]), index);
        }
        Ok(())
    }

    /// GLOBAL, in Python 2's spelling where Python 2 may read it.
    fn global_lines(&mut self, module: &[u8], name: &[u8]) -> Result<(), Error> {
        let ancient = if self.protocol < 3 { names::ancient(module, name) } else { None };
        let (module, name) = match &ancient {
            Some((module, Some(name))) => (module.as_bytes(), name.as_bytes()),
            Some((module, None)) => (module.as_bytes(), name),
            None => (module, name),
        };
        let shown = || format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name));
        if self.protocol < 3 && !(module.is_ascii() && name.is_ascii()) {
            return Err(unfit(format!("the name `{}` is not ASCII and needs protocol 3 or higher", shown())));
        }
        if module.contains(&b'\n') || name.contains(&b'\n') || std::str::from_utf8(&[module, name].concat()).is_err() {
            return Err(unfit(format!("the name `{}` needs protocol 4 or higher", shown())));
        }
        self.line(op::GLOBAL, module);
        self.out.extend_from_slice(name);
        self.out.push(b'\n');
        Ok(())
    }
}

/// Containers.
impl Encoder<'_> {
    fn list(&mut self, id: Id) {
        match self.protocol {
            0 => self.write(&[op::MARK, op::LIST]),
            _ => self.op(op::EMPTY_LIST),
        }
        self.put_container(id);
        self.push_batches(id, Style::LIST);
    }

    fn dict(&mut self, id: Id) {
        match self.protocol {
            0 => self.write(&[op::MARK, op::DICT]),
            _ => self.op(op::EMPTY_DICT),
        }
        self.put_container(id);
        self.push_batches(id, Style::DICT);
    }

    fn push_batches(&mut self, id: Id, style: Style) {
        if !self.value.members(id).is_empty() {
            let style = if self.protocol == 0 { style.with(Rule::Singly) } else { style };
            self.tasks.push(Task::Batches { id, next: 0, style });
        }
    }

    /// Writes members from the `next` on, until one has members itself.
    fn batches(&mut self, id: Id, mut next: usize, style: Style) -> Result<(), Error> {
        let value = self.value;
        let members = value.members(id);
        let unit = usize::from(style.unit);
        let total = members.len() / unit;
        loop {
            if next.is_multiple_of(unit) {
                let index = next / unit;
                if index > 0 {
                    self.end_item(index, total, style);
                }
                if index == total {
                    return Ok(());
                }
                if index.is_multiple_of(BATCH) && !style.is_single(index, total) {
                    self.op(op::MARK);
                }
            }
            let member = members[next];
            next += 1;
            if !self.leaf(member)? {
                // Memoised or not was looked at; what is left of `save` writes the beginning.
                self.tasks.push(Task::Batches { id, next: next as u32, style });
                return self.save(member);
            }
        }
    }

    /// Writes members from the `next` on, with nothing between them, until one has members itself.
    fn members(&mut self, id: Id, mut next: u32) -> Result<(), Error> {
        let value = self.value;
        for member in &value.members(id)[next as usize..] {
            next += 1;
            if !self.leaf(*member)? {
                self.tasks.push(Task::Members { id, next });
                return self.save(*member);
            }
        }
        Ok(())
    }

    /// After the first `count` of `total` items.
    fn end_item(&mut self, count: usize, total: usize, style: Style) {
        let full = count.is_multiple_of(BATCH);
        if style.is_single(count - 1, total) {
            self.op(style.one);
        } else if full || count == total {
            self.op(style.many);
            if full && count == total && style.is_trailed() {
                self.write(&[op::MARK, style.many]);
            }
        }
    }

    fn empty_tuple(&mut self) {
        match self.protocol {
            0 => self.write(&[op::MARK, op::TUPLE]),
            _ => self.op(op::EMPTY_TUPLE),
        }
    }

    fn tuple(&mut self, id: Id) {
        let len = self.value.members(id).len();
        if len == 0 {
            return self.empty_tuple();
        }
        if self.protocol < 2 || len > 3 {
            self.op(op::MARK);
        }
        self.tasks.extend([Task::Tuple(id), Task::Members { id, next: 0 }]);
    }

    /// A tuple that is in the memo by now contains itself: what was written is dropped.
    fn end_tuple(&mut self, id: Id) {
        let len = self.value.members(id).len();
        let index = self.memo.containers[id.index()];
        if index != NO_MEMO {
            match (self.protocol, len) {
                (2.., ..4) => (0..len).for_each(|_| self.op(op::POP)),
                (0, _) => (0..=len).for_each(|_| self.op(op::POP)),
                _ => self.op(op::POP_MARK),
            }
            return self.get(index);
        }
        self.op(match (self.protocol, len) {
            (2.., 1) => op::TUPLE1,
            (2.., 2) => op::TUPLE2,
            (2.., 3) => op::TUPLE3,
            _ => op::TUPLE,
        });
        self.put_container(id);
    }

    fn end_frozen_set(&mut self, id: Id) {
        let index = self.memo.containers[id.index()];
        if index != NO_MEMO {
            self.op(op::POP_MARK);
            return self.get(index);
        }
        self.op(op::FROZENSET);
        self.put_container(id);
    }

    /// Below protocol 4: `set([…])` or `frozenset([…])`.
    fn set_call(&mut self, node: Node, id: Id) -> Result<(), Error> {
        self.known_global("builtins", if matches!(node, Node::Set(_)) { "set" } else { "frozenset" })?;
        if self.protocol < 2 {
            self.op(op::MARK);
        }
        match self.protocol {
            0 => self.write(&[op::MARK, op::LIST]),
            _ => self.op(op::EMPTY_LIST),
        }
        self.put();
        self.tasks.push(Task::SetCall(node));
        self.push_batches(id, Style::LIST);
        Ok(())
    }

    fn end_set_call(&mut self, node: Node) {
        self.op(if self.protocol < 2 { op::TUPLE } else { op::TUPLE1 });
        self.put();
        self.op(op::REDUCE);
        let (Node::Set(id) | Node::FrozenSet(id)) = node else { unreachable!("only sets are called so") };
        match self.memo.containers[id.index()] {
            NO_MEMO => self.put_container(id),
            index => {
                self.op(op::POP);
                self.get(index);
            }
        }
    }
}

/// Objects.
impl Encoder<'_> {
    /// Writes what makes an object. Below protocol 2 and 4 there are fewer opcodes for it, and
    /// `save_reduce` writes calls that do the same.
    fn object(&mut self, id: Id) -> Result<(), Error> {
        let object = self.value.object(id);
        self.tasks.push(Task::Made(id));
        let mut todo: Vec<Task> = Vec::with_capacity(8);
        match (object.how, object.kwargs) {
            (How::Call, _) => {
                todo.extend([Task::Save(object.callable), Task::Save(object.args), Task::Op(op::REDUCE)]);
            }
            (How::New, Node::None) if self.protocol >= 2 => {
                todo.extend([Task::Save(object.callable), Task::Save(object.args), Task::Op(op::NEWOBJ)]);
            }
            (How::New, kwargs) if self.protocol >= 4 => {
                todo.extend([Task::Save(object.callable), Task::Save(object.args), Task::Save(kwargs)]);
                todo.push(Task::Op(op::NEWOBJ_EX));
            }
            (How::New, Node::None) => {
                todo.extend([Task::Global("copyreg", "__newobj__"), Task::Op(op::MARK), Task::Save(object.callable)]);
                todo.push(Task::Members { id: tuple_of(object.args)?, next: 0 });
                todo.extend([Task::Op(op::TUPLE), Task::PutFresh, Task::Op(op::REDUCE)]);
            }
            (How::New, kwargs) if self.protocol < 2 => {
                todo.extend([Task::Global("copyreg", "__newobj_ex__"), Task::Op(op::MARK)]);
                todo.extend([Task::Save(object.callable), Task::Save(object.args), Task::Save(kwargs)]);
                todo.extend([Task::Op(op::TUPLE), Task::PutFresh, Task::Op(op::REDUCE)]);
            }
            (How::New, kwargs) => self.partial(object.callable, object.args, kwargs, &mut todo)?,
        }
        self.tasks.extend(todo.into_iter().rev());
        Ok(())
    }

    /// Protocols 2 and 3: `functools.partial(cls.__new__, cls, *args, **kwargs)()`, the partial
    /// pickled as what its `__reduce__` gives.
    fn partial(&mut self, class: Node, args: Node, kwargs: Node, todo: &mut Vec<Task>) -> Result<(), Error> {
        let (Node::Global(id), args) = (class, tuple_of(args)?) else {
            return Err(unfit("a class that is not a name, with named arguments, needs protocol 4 or higher"));
        };
        let key = id.index() as u32;
        todo.push(Task::Global("functools", "partial"));
        if self.memo.new_of.contains_key(&key) {
            todo.push(Task::GetNewOf(key));
        } else {
            todo.extend([Task::Global("builtins", "getattr"), Task::Save(class), Task::Fresh("__new__")]);
            todo.extend([Task::Op(op::TUPLE2), Task::PutFresh, Task::Op(op::REDUCE), Task::PutNewOf(key)]);
        }
        todo.extend([Task::Op(op::TUPLE1), Task::PutFresh, Task::Op(op::REDUCE), Task::PutFresh]);
        let len = 1 + self.value.members(args).len();
        todo.extend([Task::Op(op::MARK), Task::GetNewOf(key)]);
        todo.extend((len > 3).then_some(Task::Op(op::MARK)));
        todo.extend([Task::Save(class), Task::Members { id: args, next: 0 }]);
        todo.push(Task::Op([op::TUPLE1, op::TUPLE2, op::TUPLE3].get(len - 1).copied().unwrap_or(op::TUPLE)));
        todo.extend([Task::PutFresh, Task::Save(kwargs), Task::Op(op::NONE), Task::Op(op::TUPLE), Task::PutFresh]);
        todo.extend([Task::Op(op::BUILD), Task::Op(op::EMPTY_TUPLE), Task::Op(op::REDUCE)]);
        Ok(())
    }

    /// An object that is in the memo by now contains itself in its arguments.
    fn made(&mut self, id: Id) {
        match self.memo.objects[id.index()] {
            NO_MEMO => {
                self.memo.objects[id.index()] = self.put();
                self.tasks.push(Task::Steps { id, next: 0 });
            }
            index => {
                self.op(op::POP);
                self.get(index);
            }
        }
    }

    fn steps(&mut self, id: Id, next: u32) -> Result<(), Error> {
        let value = self.value;
        let Some(step) = value.object(id).steps.get(next as usize) else { return Ok(()) };
        self.tasks.push(Task::Steps { id, next: next + 1 });
        match *step {
            Step::State(state) => {
                self.tasks.push(Task::Op(op::BUILD));
                return self.save(state);
            }
            Step::Call(callable, state) => {
                // `save_reduce` writes TUPLE2 at every protocol.
                let end = [Task::Op(op::POP), Task::Op(op::REDUCE), Task::Op(op::TUPLE2)];
                self.tasks.extend(end);
                self.tasks.extend([Task::Save(state), Task::Save(Node::Object(id)), Task::Save(callable)]);
            }
            Step::Extend(members) => self.push_batches(members, Style::LIST.with(Rule::Iterator)),
            Step::Items(members) => self.push_batches(members, Style::DICT.with(Rule::Iterator)),
            Step::Add(_) if self.protocol < 4 => {
                return Err(unfit("members added to an object need protocol 4 or higher"));
            }
            Step::Add(members) => self.push_batches(members, Style::SET),
        }
        Ok(())
    }

    /// Persistent ids are never memoised; at protocol 0 they are a line of text.
    fn persistent(&mut self, id: Id) -> Result<(), Error> {
        let Some(&name) = self.value.members(id).first() else { return Err(unfit("a persistent id is missing")) };
        if self.protocol > 0 {
            self.tasks.push(Task::Persistent(id));
            return self.save(name);
        }
        match name {
            Node::Int(number) => self.line(op::PERSID, number.to_string().as_bytes()),
            Node::Str(span) if self.value.text(span).is_ascii() && !self.value.text(span).contains(&b'\n') => {
                self.line(op::PERSID, self.value.text(span));
            }
            _ => return Err(unfit("a persistent id that is not a line of ASCII needs protocol 1 or higher")),
        }
        self.put_if_shared(id);
        Ok(())
    }

    /// As with a tuple, what is in the memo by now is within its own id.
    fn end_persistent(&mut self, id: Id) {
        let index = self.memo.containers[id.index()];
        if index != NO_MEMO {
            self.op(op::POP);
            return self.get(index);
        }
        self.op(op::BINPERSID);
        self.put_if_shared(id);
    }

    fn put_if_shared(&mut self, id: Id) {
        let shared = self.shared.get_or_insert_with(|| self.value.shared());
        if shared.contains(&Identity::Container(id)) {
            self.put_container(id);
        }
    }
}

fn tuple_of(args: Node) -> Result<Id, Error> {
    match args {
        Node::Tuple(id) => Ok(id),
        _ => Err(unfit("an object's arguments are not a tuple, which this protocol needs")),
    }
}

fn unfit(message: impl Into<String>) -> Error {
    Error::unfit("pickle", message)
}

/// Which of the texts that CPython has only one of this is.
#[inline(always)]
fn single(text: &[u8]) -> Option<usize> {
    match *text {
        [] => Some(256),
        [byte @ 0..0x80] => Some(usize::from(byte)),
        [lead @ (0xc2 | 0xc3), byte] => Some(usize::from(lead << 6 | byte & 0x3f)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::decode;
    use super::*;
    use crate::codec::Fault;
    use crate::value::Object;

    fn pickle(value: &Value, protocol: u8) -> Result<String, String> {
        encode(value, protocol, &Limits::DEFAULT)
            .map(|bytes| bytes.escape_ascii().to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_protocol_cannot_hold_is_refused() {
        let mut value = Value::over(b"\x01\xed\xa0\x80".to_vec());
        let span = value.whole();
        let name = value.global_named("a", "naïve");
        let broken = value.global_named("a", "b\nc");
        let object = value.push_object(Object {
            how: How::New,
            callable: name,
            args: Node::None,
            kwargs: Node::None,
            steps: Vec::new(),
        });
        let huge = Node::Big(value.push_text(&[1; 2000]));
        let id = value.container(&[Node::None]);
        for (node, protocol, part) in [
            (Node::Ext(5, span), 5, "msgpack's extension 5"),
            (Node::Timestamp(0, 0), 5, "msgpack's timestamp"),
            (Node::Buffer(0), 4, "need protocol 5"),
            (Node::Buffer(1), 5, "out of turn"),
            (Node::Extension(1), 1, "needs protocol 2"),
            (name, 2, "is not ASCII"),
            (broken, 3, "needs protocol 4"),
            (Node::Object(object), 1, "not a tuple"),
            (huge, 1, "over 4300 digits"),
            (Node::Persistent(id), 0, "not a line of ASCII"),
        ] {
            value.set_root(node);
            let error = encode(&value, protocol, &Limits::DEFAULT).unwrap_err();
            assert!(matches!(&error.fault, Fault::Unfit(message) if message.contains(part)), "{error}");
        }
    }

    #[test]
    fn what_a_persistent_id_stands_for_is_shared_where_it_was() {
        let read = |bytes: &[u8]| decode(bytes.to_vec(), &Limits::DEFAULT, &mut Vec::new()).unwrap().value;
        for (bytes, protocol, expected) in [
            (&b"](Pa\nPa\ne."[..], 0, r"(lp0\nPa\naPa\na."),
            (b"](Pa\n2e.", 0, r"(lp0\nPa\np1\nag1\na."),
            (b"](K\x01QK\x01Qe.", 1, r"]q\x00(K\x01QK\x01Qe."),
            (b"](K\x01Qq\x00h\x00e.", 1, r"]q\x00(K\x01Qq\x01h\x01e."),
            // In its own id, by way of a list.
            (b"]2Qq\x00ah\x00.", 1, r"]q\x00h\x00Qq\x01a0h\x01."),
        ] {
            let value = read(bytes);
            assert_eq!(pickle(&value, protocol).unwrap(), expected);
            let written = encode(&value, protocol, &Limits::DEFAULT).unwrap();
            assert!(read(&written).same(&value), "{expected}");
        }
    }

    #[test]
    fn a_tuple_that_is_only_in_itself_is_refused() {
        let mut value = Value::over(Vec::new());
        let id = value.container(&[]);
        value.extend(id, &[Node::Tuple(id)]);
        value.set_root(Node::Tuple(id));
        for protocol in 0..=5 {
            assert!(pickle(&value, protocol).unwrap_err().contains("contains itself"));
        }
    }

    #[test]
    fn equal_names_are_one_global_and_characters_one_text() {
        let mut value = Value::over(b"\xc3\xa9\xc3\xa9".to_vec());
        let text = |start| Node::Str(Span { start, len: 2 });
        let names = [value.global_named("a", "b"), value.global_named("a", "b")];
        let id = value.container(&[names[0], names[1], text(0), text(2)]);
        value.set_root(Node::List(id));
        assert_eq!(
            pickle(&value, 2).unwrap(),
            r"\x80\x02]q\x00(ca\nb\nq\x01h\x01X\x02\x00\x00\x00\xc3\xa9q\x02h\x02e."
        );
    }
}
