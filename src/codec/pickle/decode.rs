//! Bytes to a [`Value`]: CPython's pickle machine, on which nothing is ever run.
//!
//! One loop over the opcodes, after `Modules/_pickle.c` of CPython 3.11: a stack of nodes, a stack
//! of marks, a memo. Where CPython would call something, an [`Object`] records what with what; only
//! calls whose meaning is exactly a core type (`set([…])`, `_codecs.encode('…', 'latin1')`) become
//! that type, so that there is one form of it downstream.
//!
//! Text is not copied: the machine borrows the input, spans point into it, and what had to be
//! unescaped or translated is put behind the input at the end: see [`Draft`]. The bytes are
//! hostile: nothing is reserved before a length has met the input's end or a limit.

use std::cell::Cell;
use std::collections::BTreeMap;

use foldhash::HashMap;

use super::integer::{self, Int};
use super::lines::{raw_unicode_unescape, string_unescape};
use super::opcode::{self as op};
use super::records::Records;
use super::{HIGHEST_PROTOCOL, names};
use crate::codec::Error;
use crate::codec::cursor::is_ascii;
use crate::codec::keys::Keys;
use crate::limits::{Exceeded, Limits};
use crate::value::code_point::invalid_at;
use crate::value::draft::Draft;
use crate::value::{Global, How, Id, Node, Object, Span, Step, Value, spare};

/// Boxed, so that the results of the hot loop fit registers.
type Res<T> = Result<T, Box<Error>>;

/// Bytes between two looks at the limits.
const STRIDE: usize = 4096;

/// How far a PUT may go past the memo's end before it is kept apart: Python 2 counts from 1.
const MEMO_GAP: usize = 8;

/// Bytes of a name that is not long.
const NAME_MAX: u32 = 256;

/// What bytes hold, and what else shows of how they were written.
pub(in crate::codec) struct Pickled {
    /// The value.
    pub value: Value,
    /// How many bytes follow its end.
    pub trailing: usize,
    /// With which protocol it was written: the one that it names, else by the opcodes that it has.
    pub protocol: u8,
}

/// The value of `bytes`.
pub(in crate::codec) fn decode(bytes: Vec<u8>, limits: &Limits, notes: &mut Vec<String>) -> Result<Pickled, Error> {
    if bytes.len() as u64 > limits.decoded {
        return Err(Error::limit("pickle", None, limits.exceeded("decoded")));
    }
    let mut machine = Machine::over(&bytes, limits);
    let root = machine.run().map_err(|error| *error)?;
    let protocol = if machine.protocol == 0 { u8::from(!machine.is_text) } else { machine.protocol };
    let Machine { draft, dicts, sets, odd, tape, stack, marks, memo, .. } = machine;
    spare::keep(&STACK, stack);
    spare::keep(&MARKS, marks);
    spare::keep(&MEMO, memo);
    let trailing = tape.rest.len();
    let mut value = draft.finish(root).over(bytes);
    value.check_depth(limits).map_err(|exceeded| Error::limit("pickle", None, exceeded))?;
    let (repeated, members) =
        drop_repeated(&mut value, dicts, sets, limits).map_err(|exceeded| Error::limit("pickle", None, exceeded))?;
    odd.tell(repeated, members, trailing, notes);
    Ok(Pickled { value, trailing, protocol })
}

/// How INST and OBJ make an instance of a class, which is what they are there for: without
/// arguments it is not initialised (`instantiate` in `_pickle.c`).
fn instantiation(args: usize) -> How {
    if args == 0 { How::New } else { How::Call }
}

/// What was odd, to be told at the end.
#[derive(Default)]
struct Odd {
    /// Python 2 strings that are not ASCII, which may be text in any encoding.
    python2_bytes: u64,
    /// Objects made and dropped at once: calls for their effect.
    dropped: u64,
}

impl Odd {
    fn tell(&self, repeated: usize, members: usize, beyond: usize, notes: &mut Vec<String>) {
        let mut note = |count: u64, one: &str, many: &str| match count {
            0 => {}
            1 => notes.push(format!("1 {one}")),
            _ => notes.push(format!("{count} {many}")),
        };
        note(
            self.python2_bytes,
            "Python 2 string is not ASCII and shown as bytes",
            "Python 2 strings are not ASCII and shown as bytes",
        );
        note(self.dropped, "call's result is dropped and not shown", "calls' results are dropped and not shown");
        note(
            repeated as u64,
            "dict key is repeated; its last value is kept",
            "dict keys are repeated; the last value of each is kept",
        );
        note(
            members as u64,
            "set member is repeated; its first is kept",
            "set members are repeated; the first of each is kept",
        );
        note(beyond as u64, "byte after the pickle's end is ignored", "bytes after the pickle's end are ignored");
    }
}

/// What a call of a global means: mostly nothing that is known here.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    Other,
    CodecsEncode,
    Bytes,
    ByteArray,
    Set,
    FrozenSet,
    NewObj,
    NewObjEx,
}

/// What is left of the input. While plain opcodes run, what is here stays in registers.
#[derive(Clone, Copy)]
struct Tape<'a> {
    rest: &'a [u8],
    /// How many bytes are left when the limits are looked at again.
    stop: usize,
    /// How many opcodes were run.
    opcodes: u64,
    /// Bytes in all.
    len: usize,
}

impl<'a> Tape<'a> {
    /// How many bytes lie behind.
    #[inline(always)]
    fn at(&self) -> usize {
        self.len - self.rest.len()
    }

    /// The next opcode; `None` when the limits are to be looked at.
    #[inline(always)]
    fn opcode(&mut self) -> Option<u8> {
        if self.rest.len() <= self.stop {
            return None;
        }
        self.opcodes += 1;
        self.byte()
    }

    #[inline(always)]
    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    #[inline(always)]
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*bytes)
    }

    /// Where the next `len` bytes stand, and these.
    #[inline(always)]
    fn span(&mut self, len: u64) -> Option<(Span, &'a [u8])> {
        let start = self.at();
        let (bytes, rest) = self.rest.split_at_checked(usize::try_from(len).ok()?)?;
        self.rest = rest;
        Some((Draft::span(start, start + bytes.len()), bytes))
    }
}

struct Machine<'a> {
    input: &'a [u8],
    tape: Tape<'a>,
    /// How many bytes were left before the opcode that is run.
    left: usize,
    limits: &'a Limits,
    protocol: u8,
    /// Whether an opcode was met that only protocol 0 writes.
    is_text: bool,
    draft: Draft<'a>,
    stack: Vec<Node>,
    marks: Vec<usize>,
    /// Where the last mark stands: pops stop here.
    floor: usize,
    memo: Vec<Option<Node>>,
    memo_far: BTreeMap<u64, Node>,
    memo_count: usize,
    steps: usize,
    /// Bytes of text looked through for a second time.
    scanned: u64,
    buffers: u32,
    /// Made for the first one: most values have none.
    globals: Option<Box<Globals>>,
    records: Records,
    /// Dicts that may have equal keys.
    dicts: Vec<Id>,
    /// Sets and frozensets of more than one member.
    sets: Vec<Id>,
    /// Where the last opcode that made an object ended.
    made: usize,
    odd: Odd,
}

thread_local! {
    static STACK: Cell<Vec<Node>> = const { Cell::new(Vec::new()) };
    static MARKS: Cell<Vec<usize>> = const { Cell::new(Vec::new()) };
    static MEMO: Cell<Vec<Option<Node>>> = const { Cell::new(Vec::new()) };
}

/// Globals by name.
#[derive(Default)]
struct Globals {
    /// Where the texts of the names stood first.
    names: Keys,
    /// The same of long texts, so that naming one again costs nothing by its length.
    long: HashMap<Span, Span>,
    /// By module, name and whether dots are followed, which a second PROTO may change.
    ids: HashMap<(Span, Span, bool), Id>,
    meanings: Vec<Meaning>,
}

impl<'a> Machine<'a> {
    fn over(input: &'a [u8], limits: &'a Limits) -> Machine<'a> {
        let mut memo = spare::take(&MEMO);
        memo.reserve((input.len() / 16).min(1 << 16));
        Machine {
            input,
            tape: Tape { rest: input, stop: input.len(), opcodes: 0, len: input.len() },
            left: input.len(),
            limits,
            protocol: 0,
            // Protocols 0 and 1 write a lone None, bool or long alike.
            is_text: matches!(input.first(), Some(&(op::NONE | op::INT | op::LONG))),
            draft: Draft::new(input),
            stack: spare::take(&STACK),
            marks: spare::take(&MARKS),
            floor: 0,
            memo,
            memo_far: BTreeMap::new(),
            memo_count: 0,
            steps: 0,
            scanned: 0,
            buffers: 0,
            globals: None,
            records: Records::default(),
            dicts: Vec::new(),
            sets: Vec::new(),
            made: usize::MAX,
            odd: Odd::default(),
        }
    }

    fn run(&mut self) -> Res<Node> {
        loop {
            match self.run_plain()? {
                Some(op::STOP) => return self.pop(),
                Some(opcode) => self.step(opcode)?,
                None => self.look()?,
            }
        }
    }

    /// Runs the opcodes that most of a pickle is made of, which push what stands in the input or in the
    /// memo; returns the first other one, and `None` when the limits are to be looked at. They stand
    /// apart, with a tape of their own, so that what they need stays in registers.
    #[inline(never)]
    fn run_plain(&mut self) -> Res<Option<u8>> {
        let mut tape = self.tape;
        let other = loop {
            self.left = tape.rest.len();
            let Some(opcode) = tape.opcode() else { break None };
            match opcode {
                op::SHORT_BINUNICODE | op::BINUNICODE => {
                    let len = match opcode {
                        op::BINUNICODE => self.there(tape.take())?,
                        _ => [self.there(tape.byte())?, 0, 0, 0],
                    };
                    let text = self.text(&mut tape, u64::from(u32::from_le_bytes(len)))?;
                    self.memoise_next(&mut tape, text);
                    self.stack.push(text);
                }
                op::BINGET => {
                    let index = self.there(tape.byte())?;
                    let node = *self.known(u64::from(index))?;
                    self.stack.push(node);
                }
                op::LONG_BINGET => {
                    let index = u32::from_le_bytes(self.there(tape.take())?);
                    let node = *self.known(u64::from(index))?;
                    self.stack.push(node);
                }
                op::BININT1 => {
                    let number = self.there(tape.byte())?;
                    self.stack.push(Node::Int(i64::from(number)));
                }
                op::BININT2 => {
                    let number = u16::from_le_bytes(self.there(tape.take())?);
                    self.stack.push(Node::Int(i64::from(number)));
                }
                op::BININT => {
                    let number = i32::from_le_bytes(self.there(tape.take())?);
                    self.stack.push(Node::Int(i64::from(number)));
                }
                op::BINFLOAT => {
                    let float = f64::from_be_bytes(self.there(tape.take())?);
                    self.stack.push(Node::Float(float));
                }
                op::NONE => self.stack.push(Node::None),
                op::NEWTRUE => self.stack.push(Node::Bool(true)),
                op::NEWFALSE => self.stack.push(Node::Bool(false)),
                op::MARK => {
                    self.floor = self.stack.len();
                    self.marks.push(self.floor);
                }
                op::EMPTY_DICT => {
                    let dict = Node::Dict(self.draft.value.container(&[]));
                    self.memoise_next(&mut tape, dict);
                    self.stack.push(dict);
                }
                other => break Some(other),
            }
        };
        self.tape = tape;
        Ok(other)
    }

    /// Runs any opcode that [`Machine::run_plain`] has left.
    fn step(&mut self, opcode: u8) -> Res<()> {
        match opcode {
            op::SETITEMS => self.unmark().and_then(|from| self.set_items(from)),
            op::SETITEM => self.below(2).and_then(|from| self.set_items(from)),
            op::APPENDS => self.unmark().and_then(|from| self.append(from)),
            op::APPEND => self.below(1).and_then(|from| self.append(from)),
            op::TUPLE1 => self.tuple(1),
            op::TUPLE2 => self.tuple(2),
            op::TUPLE3 => self.tuple(3),
            op::EMPTY_LIST => self.push_container(Node::List),
            op::EMPTY_TUPLE => self.push_container(Node::Tuple),
            op::EMPTY_SET => self.push_container(Node::Set),
            op::MEMOIZE => self.put(self.memo_count as u64),
            op::BINPUT => {
                let index = self.byte()?;
                self.put(u64::from(index))
            }
            op::LONG_BINPUT => {
                let index = self.u32()?;
                self.put(u64::from(index))
            }
            op::GET => {
                let index = self.index_text()?;
                let node = *self.known(index)?;
                self.push(node)
            }
            op::PUT => {
                let index = self.index_text()?;
                self.put(index)
            }
            op::SHORT_BINBYTES => {
                let len = self.byte()?;
                self.push_spanned(u64::from(len), Node::Bytes)
            }
            _ => self.step_rare(opcode),
        }
    }

    #[inline(never)]
    fn step_rare(&mut self, opcode: u8) -> Res<()> {
        match opcode {
            op::PROTO => self.proto(),
            op::FRAME => self.frame(),
            op::TUPLE | op::LIST | op::DICT | op::FROZENSET => self.gather(opcode),
            op::ADDITEMS => {
                let from = self.unmark()?;
                self.add(from)
            }
            op::POP => self.discard(),
            op::POP_MARK => {
                let from = self.unmark()?;
                self.stack.truncate(from);
                Ok(())
            }
            op::DUP => {
                let top = self.top()?;
                self.push(top)
            }
            op::GLOBAL | op::STACK_GLOBAL | op::INST | op::EXT1 | op::EXT2 | op::EXT4 => self.step_global(opcode),
            op::REDUCE | op::NEWOBJ | op::NEWOBJ_EX | op::OBJ | op::BUILD => self.step_object(opcode),
            op::PERSID | op::BINPERSID => self.persistent(opcode),
            op::NEXT_BUFFER => {
                self.buffers += 1;
                self.push(Node::Buffer(self.buffers - 1))
            }
            op::READONLY_BUFFER => {
                let node = match self.pop()? {
                    Node::Buffer(n) => Node::ReadOnlyBuffer(n),
                    other => other,
                };
                self.push(node)
            }
            _ => self.step_scalar(opcode),
        }
    }

    fn step_scalar(&mut self, opcode: u8) -> Res<()> {
        self.is_text |= matches!(opcode, op::FLOAT | op::UNICODE | op::STRING);
        match opcode {
            op::LONG1 => {
                let len = self.byte()?;
                self.long(u64::from(len))
            }
            op::LONG4 => {
                let len = self.count_i32()?;
                self.long(len)
            }
            op::INT | op::LONG | op::FLOAT => self.number_text(opcode),
            op::UNICODE => {
                let from = self.tape.at();
                let line = self.line()?;
                // Most lines are the text as it is.
                if is_ascii(line) && !line.contains(&b'\\') {
                    return self.push(Node::Str(Draft::span(from, from + line.len())));
                }
                let text = raw_unicode_unescape(line).ok_or_else(|| self.wrong("holds a bad \\u escape"))?;
                let span = self.push_text(&text)?;
                self.push(Node::Str(span))
            }
            op::STRING => {
                let line = self.line()?;
                let text = string_unescape(line).ok_or_else(|| self.wrong("is not quoted or badly escaped"))?;
                let span = self.push_text(&text)?;
                self.push_python2(span)
            }
            op::SHORT_BINSTRING => {
                let len = self.byte()?;
                let span = self.span(u64::from(len))?;
                self.push_python2(span)
            }
            op::BINSTRING => {
                let len = self.count_i32()?;
                let span = self.span(len)?;
                self.push_python2(span)
            }
            op::BINUNICODE8 => {
                let len = self.u64()?;
                let mut tape = self.tape;
                let text = self.text(&mut tape, len)?;
                self.tape = tape;
                self.push_new(text)
            }
            op::BINBYTES => {
                let len = self.u32()?;
                self.push_spanned(u64::from(len), Node::Bytes)
            }
            op::BINBYTES8 => {
                let len = self.u64()?;
                self.push_spanned(len, Node::Bytes)
            }
            op::BYTEARRAY8 => {
                let len = self.u64()?;
                self.push_spanned(len, Node::ByteArray)
            }
            _ => Err(self.malformed(self.start(), format!("unknown opcode 0x{opcode:02x}"))),
        }
    }
}

/// Reading.
impl<'a> Machine<'a> {
    /// What was read, unless the input ends within it.
    #[inline(always)]
    fn there<T>(&self, read: Option<T>) -> Res<T> {
        match read {
            Some(read) => Ok(read),
            None => Err(self.wrong("is cut short")),
        }
    }

    fn byte(&mut self) -> Res<u8> {
        let byte = self.tape.byte();
        self.there(byte)
    }

    fn take<const N: usize>(&mut self) -> Res<[u8; N]> {
        let bytes = self.tape.take();
        self.there(bytes)
    }

    fn u32(&mut self) -> Res<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Res<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// A length of 32 bits that CPython reads as signed.
    fn count_i32(&mut self) -> Res<u64> {
        let count = i32::from_le_bytes(self.take()?);
        u64::try_from(count).map_err(|_| self.wrong(&format!("has the negative length {count}")))
    }

    /// The next `len` bytes.
    fn span(&mut self, len: u64) -> Res<Span> {
        let span = self.tape.span(len);
        span.map(|(span, _)| span).ok_or_else(|| self.too_long(self.tape, len))
    }

    /// The bytes up to a newline, which is consumed.
    fn line(&mut self) -> Res<&'a [u8]> {
        let rest = self.tape.rest;
        let len = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| self.wrong("lacks its newline"))?;
        self.tape.rest = &rest[len + 1..];
        Ok(&rest[..len])
    }

    /// Adds text that does not stand in the input. It is held to the input's own limit, which keeps
    /// the sum of both within 32 bits.
    fn push_text(&mut self, text: &[u8]) -> Res<Span> {
        if (self.draft.made() + text.len()) as u64 > self.limits.decoded {
            return Err(self.over_limit("decoded"));
        }
        Ok(self.draft.push_text(text))
    }
}

/// The stack, the marks and the memo.
impl<'a> Machine<'a> {
    #[inline(always)]
    fn push(&mut self, node: Node) -> Res<()> {
        self.stack.push(node);
        Ok(())
    }

    #[inline(always)]
    fn pop(&mut self) -> Res<Node> {
        if self.stack.len() <= self.floor {
            return Err(self.underflow());
        }
        Ok(self.stack.pop().expect("the stack is higher than its floor"))
    }

    #[inline(always)]
    fn top(&mut self) -> Res<Node> {
        match self.stack.last() {
            Some(node) if self.stack.len() > self.floor => Ok(*node),
            _ => Err(self.underflow()),
        }
    }

    /// Where the top `count` nodes begin.
    #[inline(always)]
    fn below(&mut self, count: usize) -> Res<usize> {
        if self.stack.len() < self.floor + count {
            return Err(self.underflow());
        }
        Ok(self.stack.len() - count)
    }

    /// Takes the last mark off; where its nodes begin.
    #[inline(always)]
    fn unmark(&mut self) -> Res<usize> {
        let Some(from) = self.marks.pop() else { return Err(self.wrong("lacks its MARK")) };
        self.floor = self.marks.last().copied().unwrap_or(0);
        Ok(from)
    }

    fn discard(&mut self) -> Res<()> {
        if self.marks.last() == Some(&self.stack.len()) {
            return self.unmark().map(|_| ());
        }
        let dropped = self.pop()?;
        if let Node::Object(id) = dropped
            && self.made == self.left
        {
            match self.effect(id) {
                Some((object, step)) => {
                    self.make_room(2)?;
                    self.draft.value.object_mut(object).steps.push(step);
                    self.steps += 2;
                }
                None => self.odd.dropped += 1,
            }
        }
        Ok(())
    }

    /// A call that was made with what is on top now and a state: how `save_reduce` writes the sixth
    /// part of `__reduce_ex__`. Its result is dropped.
    fn effect(&self, call: Id) -> Option<(Id, Step)> {
        let Object { how: How::Call, callable, args: Node::Tuple(args), .. } = self.draft.value.object(call) else {
            return None;
        };
        let &[Node::Object(object), state] = self.draft.value.members(*args) else { return None };
        let is_on_top = self.stack.len() > self.floor && self.stack.last() == Some(&Node::Object(object));
        is_on_top.then_some((object, Step::Call(*callable, state)))
    }

    /// Runs the opcode that memoises `node`, which is about to be pushed, if it is the next: to read
    /// back 16 bytes that were just written in parts would stall the processor, which took half the
    /// time of a decode.
    #[inline(always)]
    fn memoise_next(&mut self, tape: &mut Tape<'a>, node: Node) {
        let next = self.memo.len();
        let rest = match tape.rest {
            rest if rest.len() <= tape.stop => return,
            [op::MEMOIZE, rest @ ..] if self.memo_count == next => rest,
            [op::BINPUT, index, rest @ ..] if usize::from(*index) == next => rest,
            [op::LONG_BINPUT, a, b, c, d, rest @ ..] if u32::from_le_bytes([*a, *b, *c, *d]) as usize == next => rest,
            _ => return,
        };
        tape.rest = rest;
        tape.opcodes += 1;
        self.memo.push(Some(node));
        self.memo_count += 1;
    }

    /// Pushes what CPython memoises as soon as it is made.
    #[inline(always)]
    fn push_new(&mut self, node: Node) -> Res<()> {
        let mut tape = self.tape;
        self.memoise_next(&mut tape, node);
        self.tape = tape;
        self.push(node)
    }

    #[inline(always)]
    fn put(&mut self, index: u64) -> Res<()> {
        let node = self.top()?;
        if index == self.memo.len() as u64 {
            self.memo.push(Some(node));
            self.memo_count += 1;
            return Ok(());
        }
        self.put_elsewhere(index, node);
        Ok(())
    }

    fn put_elsewhere(&mut self, index: u64, node: Node) {
        let near = usize::try_from(index).ok().filter(|index| *index < self.memo.len() + MEMO_GAP);
        let old = match near {
            Some(index) => {
                if index >= self.memo.len() {
                    self.memo.resize(index + 1, None);
                }
                self.memo[index].replace(node).or_else(|| self.memo_far.remove(&(index as u64)))
            }
            None => self.memo_far.insert(index, node),
        };
        self.memo_count += usize::from(old.is_none());
    }

    /// What was memoised; as a reference, so that the node is copied in one piece.
    #[inline(always)]
    fn known(&self, index: u64) -> Res<&Node> {
        match usize::try_from(index).ok().and_then(|near| self.memo.get(near)) {
            Some(Some(node)) => Ok(node),
            _ => self.known_far(index),
        }
    }

    #[cold]
    fn known_far(&self, index: u64) -> Res<&Node> {
        let node = self.memo_far.get(&index);
        node.ok_or_else(|| self.wrong(&format!("asks for memo {index}, where nothing was put")))
    }

    /// The index of PUT and GET, in decimal.
    fn index_text(&mut self) -> Res<u64> {
        self.is_text = true;
        let line = self.line()?;
        let index = std::str::from_utf8(line).ok().and_then(|text| text.trim().parse::<u64>().ok());
        index.ok_or_else(|| self.wrong("has an index that is not a number"))
    }
}

/// Scalars.
impl<'a> Machine<'a> {
    /// The next `len` bytes as text.
    #[inline(always)]
    fn text(&self, tape: &mut Tape<'a>, len: u64) -> Res<Node> {
        let Some((span, text)) = tape.span(len) else { return Err(self.too_long(*tape, len)) };
        if !is_ascii(text) && std::str::from_utf8(text).is_err() {
            self.check_surrogates(text, span.start as usize)?;
        }
        Ok(Node::Str(span))
    }

    /// Accepts what CPython's `surrogatepass` accepts.
    #[cold]
    fn check_surrogates(&self, text: &[u8], from: usize) -> Res<()> {
        match invalid_at(text) {
            None => Ok(()),
            Some(at) => Err(self.malformed(from + at, format!("{} holds invalid UTF-8", self.opcode()))),
        }
    }

    fn push_spanned(&mut self, len: u64, kind: fn(Span) -> Node) -> Res<()> {
        let span = self.span(len)?;
        self.push_new(kind(span))
    }

    /// Python 2's `str`: text where it is ASCII, else bytes whose encoding nobody wrote down.
    fn push_python2(&mut self, span: Span) -> Res<()> {
        if self.draft.text(span).is_ascii() {
            return self.push(Node::Str(span));
        }
        self.odd.python2_bytes += 1;
        self.push(Node::Bytes(span))
    }

    /// An integer in two's complement, little-endian: a span of the input when it is a big one.
    fn long(&mut self, len: u64) -> Res<()> {
        if len > self.limits.integer {
            return Err(self.over_limit("integer"));
        }
        let mut span = self.span(len)?;
        let mut bytes = self.draft.text(span);
        while let [rest @ .., below, last] = bytes
            && *last == if *below >= 0x80 { 0xff } else { 0 }
        {
            bytes = &bytes[..rest.len() + 1];
        }
        span.len = small(bytes.len());
        if bytes.len() > 8 {
            return self.push(Node::Big(span));
        }
        let sign = if bytes.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 };
        let mut wide = [sign; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        self.push(Node::Int(i64::from_le_bytes(wide)))
    }

    /// INT, LONG and FLOAT: numbers in decimal, as protocol 0 writes them.
    fn number_text(&mut self, opcode: u8) -> Res<()> {
        let line = self.line()?;
        if line.len() as u64 > self.limits.integer {
            return Err(self.over_limit("integer"));
        }
        let number = match opcode {
            op::INT => match integer::int(line) {
                Ok(Int::Bool(truth)) => return self.push(Node::Bool(truth)),
                Ok(Int::Integer(number)) => Ok(number),
                Err(fault) => Err(fault),
            },
            op::LONG => integer::long(line),
            _ => {
                let text = std::str::from_utf8(line).map_or("", str::trim);
                let float = text.parse::<f64>().ok();
                let float = float.filter(|float| float.is_finite() || !text.contains(|c: char| c.is_ascii_digit()));
                return self.push(Node::Float(float.ok_or_else(|| self.wrong("is not a number"))?));
            }
        };
        let number = number.map_err(|fault| self.wrong(fault))?;
        let node = match i64::try_from(&number) {
            Ok(small) => Node::Int(small),
            Err(_) => Node::Big(self.push_text(&number.to_signed_bytes_le())?),
        };
        self.push(node)
    }
}

/// Containers.
impl<'a> Machine<'a> {
    #[inline(always)]
    fn push_container(&mut self, kind: fn(Id) -> Node) -> Res<()> {
        let id = self.draft.value.container(&[]);
        self.push_new(kind(id))
    }

    #[inline(always)]
    fn tuple(&mut self, count: usize) -> Res<()> {
        let from = self.below(count)?;
        let id = self.collect(from);
        self.push_new(Node::Tuple(id))
    }

    /// Makes one container of the stack from `from` on.
    #[inline(always)]
    fn collect(&mut self, from: usize) -> Id {
        let id = self.draft.value.container(&self.stack[from..]);
        self.stack.truncate(from);
        id
    }

    /// TUPLE, LIST, DICT and FROZENSET: what stands above the mark.
    fn gather(&mut self, opcode: u8) -> Res<()> {
        let from = self.unmark()?;
        self.is_text |= matches!(opcode, op::LIST | op::DICT) || self.stack.len() == from;
        if opcode == op::DICT {
            self.check_pairs(from)?;
        }
        let id = self.collect(from);
        match opcode {
            op::TUPLE => self.push_new(Node::Tuple(id)),
            op::LIST => self.push_new(Node::List(id)),
            op::FROZENSET => {
                self.note_set(id);
                self.push_new(Node::FrozenSet(id))
            }
            _ => {
                if !self.records.has(&self.draft, id, self.draft.value.members(id)) {
                    self.dicts.push(id);
                }
                self.push_new(Node::Dict(id))
            }
        }
    }

    /// Checks that below `from` there is something to be filled with what stands above. To look at
    /// it is left to the caller: to take a copy of what was written in parts would stall.
    #[inline(always)]
    fn check_filled(&self, from: usize) -> Res<()> {
        if from <= self.floor { Err(self.underflow()) } else { self.make_room(0) }
    }

    #[inline(always)]
    fn append(&mut self, from: usize) -> Res<()> {
        self.check_filled(from)?;
        match self.stack[from - 1] {
            Node::List(id) => self.draft.value.extend(id, &self.stack[from..]),
            _ if from == self.stack.len() => {}
            Node::Object(id) => self.record(id, from, Step::Extend),
            _ => return Err(self.misfit(self.stack[from - 1])),
        }
        self.stack.truncate(from);
        Ok(())
    }

    #[inline(always)]
    fn set_items(&mut self, from: usize) -> Res<()> {
        self.check_pairs(from)?;
        self.check_filled(from)?;
        match self.stack[from - 1] {
            Node::Dict(id) => {
                let pairs = &self.stack[from..];
                let is_first = self.draft.value.members(id).is_empty();
                if !(is_first && self.records.has(&self.draft, id, pairs)) && self.dicts.last() != Some(&id) {
                    self.dicts.push(id);
                }
                self.draft.value.extend(id, pairs);
            }
            _ if from == self.stack.len() => {}
            Node::Object(id) => self.record(id, from, Step::Items),
            _ => return Err(self.misfit(self.stack[from - 1])),
        }
        self.stack.truncate(from);
        Ok(())
    }

    fn add(&mut self, from: usize) -> Res<()> {
        self.check_filled(from)?;
        match self.stack[from - 1] {
            Node::Set(id) => {
                self.draft.value.extend(id, &self.stack[from..]);
                self.note_set(id);
            }
            _ if from == self.stack.len() => {}
            Node::Object(id) => self.record(id, from, Step::Add),
            _ => return Err(self.misfit(self.stack[from - 1])),
        }
        self.stack.truncate(from);
        Ok(())
    }

    #[inline(always)]
    fn check_pairs(&self, from: usize) -> Res<()> {
        if (self.stack.len() - from) % 2 == 1 {
            return Err(self.wrong("has a key without a value"));
        }
        Ok(())
    }

    /// Records that an object would be given what stands from `from` on. What comes in batches is
    /// one step.
    fn record(&mut self, id: Id, from: usize, step: fn(Id) -> Step) {
        let members = &self.stack[from..];
        let last = self.draft.value.object(id).steps.last().copied();
        if let Some(Step::Extend(same) | Step::Items(same) | Step::Add(same)) = last
            && last == Some(step(same))
        {
            self.draft.value.extend(same, members);
            return;
        }
        let id_of_step = self.draft.value.container(members);
        self.draft.value.object_mut(id).steps.push(step(id_of_step));
        self.steps += 2;
    }
}

/// Globals, objects and what else is not data by itself.
impl Machine<'_> {
    fn step_global(&mut self, opcode: u8) -> Res<()> {
        let code = match opcode {
            op::GLOBAL => {
                let global = self.global_text()?;
                return self.push(Node::Global(global));
            }
            op::INST => {
                let callable = Node::Global(self.global_text()?);
                let from = self.unmark()?;
                let how = instantiation(self.stack.len() - from);
                let args = Node::Tuple(self.collect(from));
                return self.push_object(how, callable, args, Node::None);
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Str(module), Node::Str(name)) = (module, name) else {
                    return Err(self.wrong("names a global by something other than text"));
                };
                let global = self.global(module, name)?;
                return self.push(Node::Global(global));
            }
            op::EXT1 => i64::from(self.byte()?),
            op::EXT2 => i64::from(u16::from_le_bytes(self.take()?)),
            _ => i64::from(i32::from_le_bytes(self.take()?)),
        };
        match u32::try_from(code) {
            Ok(code) if code > 0 => self.push(Node::Extension(code)),
            _ => Err(self.wrong(&format!("has the code {code}, which no extension can have"))),
        }
    }

    /// Module and name on two lines. Modules of one name share their text, as they do in CPython.
    fn global_text(&mut self) -> Res<Id> {
        let mut spans = [Span { start: 0, len: 0 }; 2];
        for span in &mut spans {
            let from = self.tape.at();
            let line = self.line()?;
            self.check_surrogates(line, from)?;
            *span = Draft::span(from, from + line.len());
        }
        let module = self.first(spans[0]);
        self.global(module, spans[1])
    }

    /// The global of these names: the same one for the same names.
    fn global(&mut self, module: Span, name: Span) -> Res<Id> {
        let follows_dots = self.protocol >= 4;
        let key = (self.first(module), self.first(name), follows_dots);
        if let Some(id) = self.globals.get_or_insert_default().ids.get(&key) {
            return Ok(*id);
        }
        self.make_room(1)?;
        let modern = match self.protocol {
            0..=2 => names::modern(self.draft.text(module), self.draft.text(name)),
            _ => None,
        };
        let id = match modern {
            None => self.new_global(module, name),
            Some((modern_module, modern_name)) => {
                let pushed = self.push_text(modern_module.as_bytes())?;
                let module = self.first(pushed);
                let name = match modern_name {
                    Some(modern_name) => self.push_text(modern_name.as_bytes())?,
                    None => name,
                };
                let same = (module, self.first(name), follows_dots);
                let known = self.globals.get_or_insert_default().ids.get(&same).copied();
                let id = known.unwrap_or_else(|| self.new_global(module, name));
                self.globals.get_or_insert_default().ids.insert(same, id);
                id
            }
        };
        self.globals.get_or_insert_default().ids.insert(key, id);
        Ok(id)
    }

    fn new_global(&mut self, module: Span, name: Span) -> Id {
        let meaning = match (self.draft.text(module), self.draft.text(name)) {
            (b"_codecs", b"encode") => Meaning::CodecsEncode,
            (b"builtins", b"bytes") => Meaning::Bytes,
            (b"builtins", b"bytearray") => Meaning::ByteArray,
            (b"builtins", b"set") => Meaning::Set,
            (b"builtins", b"frozenset") => Meaning::FrozenSet,
            (b"copyreg", b"__newobj__") => Meaning::NewObj,
            (b"copyreg", b"__newobj_ex__") => Meaning::NewObjEx,
            _ => Meaning::Other,
        };
        self.globals.get_or_insert_default().meanings.push(meaning);
        self.draft.value.push_global(Global { module, name, is_flat: self.protocol < 4 })
    }

    fn meaning(&self, global: Id) -> Meaning {
        self.globals.as_ref().map_or(Meaning::Other, |globals| globals.meanings[global.index()])
    }

    /// Where a text of a name stood first.
    fn first(&mut self, span: Span) -> Span {
        let Globals { names, long, .. } = &mut **self.globals.get_or_insert_default();
        if span.len <= NAME_MAX {
            return names.add(&self.draft, span);
        }
        *long.entry(span).or_insert_with(|| names.add(&self.draft, span))
    }

    fn step_object(&mut self, opcode: u8) -> Res<()> {
        match opcode {
            op::REDUCE => {
                let (args, callable) = (self.pop()?, self.pop()?);
                if let Some(node) = self.core_type(callable, args)? {
                    if let Node::Set(id) | Node::FrozenSet(id) = node {
                        self.note_set(id);
                    }
                    return self.push_new(node);
                }
                match self.new_call(callable, args)? {
                    Some((class, args, kwargs)) => self.push_object(How::New, class, args, kwargs),
                    None => self.push_object(How::Call, callable, args, Node::None),
                }
            }
            op::NEWOBJ => {
                let (args, class) = (self.pop()?, self.pop()?);
                self.push_object(How::New, class, args, Node::None)
            }
            op::NEWOBJ_EX => {
                let (kwargs, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push_object(How::New, class, args, kwargs)
            }
            op::OBJ => {
                let from = self.unmark()?;
                if self.stack.len() == from {
                    return Err(self.wrong("lacks its class"));
                }
                let how = instantiation(self.stack.len() - from - 1);
                let args = Node::Tuple(self.collect(from + 1));
                let class = self.pop()?;
                self.push_object(how, class, args, Node::None)
            }
            _ => {
                let (state, object) = (self.pop()?, self.top()?);
                let Node::Object(id) = object else { return Err(self.misfit(object)) };
                self.make_room(2)?;
                self.draft.value.object_mut(id).steps.push(Step::State(state));
                self.steps += 2;
                Ok(())
            }
        }
    }

    fn push_object(&mut self, how: How, callable: Node, args: Node, kwargs: Node) -> Res<()> {
        self.make_room(4)?;
        let id = self.draft.value.push_object(Object { how, callable, args, kwargs, steps: Vec::new() });
        self.made = self.tape.rest.len();
        self.push_new(Node::Object(id))
    }

    /// The core type that a call means, in the forms in which CPython writes core types that the
    /// protocol has no opcode for (`save_bytes`, `save_bytearray`, `save_set` in `_pickle.c`;
    /// Python 2 and 3.7 write a bytearray with `latin-1`).
    fn core_type(&mut self, callable: Node, args: Node) -> Res<Option<Node>> {
        let (Node::Global(global), Node::Tuple(args)) = (callable, args) else { return Ok(None) };
        let meaning = self.meaning(global);
        let (first, second) = match (meaning, self.draft.value.members(args)) {
            (Meaning::Other, _) => return Ok(None),
            (_, []) => (None, None),
            (_, [first]) => (Some(*first), None),
            (_, [first, second]) => (Some(*first), Some(*second)),
            _ => return Ok(None),
        };
        let named =
            |machine: &Self, name: &[u8]| matches!(second, Some(Node::Str(span)) if machine.draft.text(span) == name);
        Ok(match (meaning, first) {
            (Meaning::CodecsEncode, Some(Node::Str(span))) if named(self, b"latin1") => {
                self.latin1(span, 0)?.map(Node::Bytes)
            }
            (Meaning::ByteArray, Some(Node::Str(span))) if named(self, b"latin-1") => {
                self.latin1(span, 1)?.map(Node::ByteArray)
            }
            _ if second.is_some() => None,
            (Meaning::Bytes, None) => Some(Node::Bytes(self.push_text(b"")?)),
            (Meaning::Bytes, Some(same @ Node::Bytes(_))) => Some(same),
            (Meaning::ByteArray, None) => Some(Node::ByteArray(self.separate(&[])?)),
            (Meaning::ByteArray, Some(Node::Bytes(span))) => {
                let bytes = self.draft.text(span).to_vec();
                Some(Node::ByteArray(self.separate(&bytes)?))
            }
            (Meaning::Set, None | Some(Node::List(_))) => Some(Node::Set(self.snapshot(first)?)),
            (Meaning::FrozenSet, None | Some(Node::List(_))) => Some(Node::FrozenSet(self.snapshot(first)?)),
            _ => None,
        })
    }

    /// Class, arguments and named arguments of a call that stands for NEWOBJ or NEWOBJ_EX where the
    /// protocol has none. The C pickler, too, takes the one for the other by the function's name.
    fn new_call(&mut self, callable: Node, args: Node) -> Res<Option<(Node, Node, Node)>> {
        let (Node::Global(global), Node::Tuple(args)) = (callable, args) else { return Ok(None) };
        match (self.meaning(global), self.draft.value.members(args)) {
            (Meaning::NewObj, [class, rest @ ..]) => {
                let (class, rest) = (*class, rest.to_vec());
                self.make_room(rest.len() + 1)?;
                Ok(Some((class, Node::Tuple(self.draft.value.container(&rest)), Node::None)))
            }
            (Meaning::NewObjEx, [class, args @ Node::Tuple(_), kwargs @ Node::Dict(_)]) => {
                Ok(Some((*class, *args, *kwargs)))
            }
            _ => Ok(None),
        }
    }

    /// The Latin-1 bytes of a text, behind `gap` bytes that set them apart; `None` when it has none.
    fn latin1(&mut self, span: Span, gap: usize) -> Res<Option<Span>> {
        // One text can be named over and over by opcodes of a few bytes.
        self.scanned += u64::from(span.len);
        if self.scanned > self.limits.decoded {
            return Err(self.over_limit("decoded"));
        }
        let mut bytes = Vec::with_capacity(gap + span.len as usize);
        bytes.resize(gap, 0);
        let mut text = self.draft.text(span).iter();
        while let Some(&byte) = text.next() {
            bytes.push(match byte {
                0..0x80 => byte,
                0xc2 | 0xc3 => (byte << 6) | (text.next().copied().unwrap_or(0) & 0x3f),
                _ => return Ok(None),
            });
        }
        let Span { start, len } = self.push_text(&bytes)?;
        Ok(Some(Span { start: start + small(gap), len: len - small(gap) }))
    }

    /// A span that no other bytearray has, even when it is empty.
    fn separate(&mut self, bytes: &[u8]) -> Res<Span> {
        self.push_text(b"\0")?;
        self.push_text(bytes)
    }

    /// Remembers a set or frozenset, when there may be equals in it.
    fn note_set(&mut self, id: Id) {
        if self.draft.value.members(id).len() > 1 && self.sets.last() != Some(&id) {
            self.sets.push(id);
        }
    }

    fn snapshot(&mut self, list: Option<Node>) -> Res<Id> {
        let Some(Node::List(list)) = list else { return Ok(self.draft.value.container(&[])) };
        let members = self.draft.value.members(list).to_vec();
        self.make_room(members.len() + 1)?;
        Ok(self.draft.value.container(&members))
    }

    fn persistent(&mut self, opcode: u8) -> Res<()> {
        let id = if opcode == op::BINPERSID {
            self.pop()?
        } else {
            let from = self.tape.at();
            let line = self.line()?;
            if !line.is_ascii() {
                return Err(self.wrong("has an id that is not ASCII"));
            }
            Node::Str(Draft::span(from, from + line.len()))
        };
        self.make_room(2)?;
        let id = self.draft.value.container(&[id]);
        self.push(Node::Persistent(id))
    }

    fn proto(&mut self) -> Res<()> {
        self.protocol = self.byte()?;
        if self.protocol > HIGHEST_PROTOCOL {
            return Err(self.wrong(&format!("asks for protocol {}; the highest is 5", self.protocol)));
        }
        Ok(())
    }

    /// A frame must fit; where opcodes stand in it does not matter, as in the C unpickler.
    fn frame(&mut self) -> Res<()> {
        let len = self.u64()?;
        let rest = self.tape.rest;
        self.span(len)?;
        self.tape.rest = rest;
        Ok(())
    }
}

/// Limits and errors.
impl<'a> Machine<'a> {
    /// At the end of the input, and every few thousand bytes, which are as many opcodes at most: how
    /// many there were, and what they hold. Those that add little by themselves rely on it.
    #[cold]
    fn look(&mut self) -> Res<()> {
        let Tape { rest, opcodes, .. } = self.tape;
        if rest.is_empty() {
            let lacks = match self.input {
                [] => "there are no bytes, not even a pickle's STOP",
                _ => "the pickle ends without STOP",
            };
            return Err(self.wrong(lacks));
        }
        let may_run = usize::try_from(self.limits.opcodes - opcodes).unwrap_or(usize::MAX);
        if may_run == 0 {
            return Err(self.over_limit("opcodes"));
        }
        self.make_room(self.marks.len())?;
        self.tape.stop = rest.len().saturating_sub(may_run.min(STRIDE));
        Ok(())
    }

    /// Checks that `added` nodes may be added to all that is held.
    #[inline(always)]
    fn make_room(&self, added: usize) -> Res<()> {
        let memo = self.memo.len() + 2 * self.memo_far.len();
        let globals = self.globals.as_ref().map_or(0, |globals| globals.meanings.len());
        let held = self.draft.value.size() + self.stack.len() + memo + self.steps + 16 * globals;
        if (held + added) as u64 > self.limits.nodes { Err(self.over_limit("nodes")) } else { Ok(()) }
    }

    #[cold]
    fn over_limit(&self, name: &'static str) -> Box<Error> {
        Box::new(Error::limit("pickle", self.start() as u64, self.limits.exceeded(name)))
    }

    #[cold]
    fn malformed(&self, at: usize, message: String) -> Box<Error> {
        Box::new(Error::malformed("pickle", at as u64, message))
    }

    /// An error of the opcode being run; `what` goes on from its name.
    #[cold]
    fn wrong(&self, what: &str) -> Box<Error> {
        let message = match self.opcode() {
            "" => what.to_owned(),
            name => format!("{name} {what}"),
        };
        self.malformed(self.start(), message)
    }

    #[cold]
    fn too_long(&self, tape: Tape<'_>, len: u64) -> Box<Error> {
        self.wrong(&format!("announces {len} bytes, and {} are left", tape.rest.len()))
    }

    #[cold]
    fn underflow(&self) -> Box<Error> {
        self.wrong(if self.floor > 0 || !self.marks.is_empty() {
            "finds a MARK where it needs a value"
        } else {
            "finds the stack empty"
        })
    }

    #[cold]
    fn misfit(&self, node: Node) -> Box<Error> {
        let kind = format!("{node:?}");
        let kind = kind.split('(').next().unwrap_or_default().to_lowercase();
        self.wrong(&format!("cannot be done to this: {kind}"))
    }

    /// Where the opcode that is run stands.
    fn start(&self) -> usize {
        self.input.len() - self.left
    }

    fn opcode(&self) -> &'static str {
        self.input.get(self.start()).and_then(|opcode| op::name(*opcode)).unwrap_or("")
    }
}

/// Drops what is repeated in dicts and sets that may have equal keys or members; how many of each.
fn drop_repeated(
    value: &mut Value,
    mut dicts: Vec<Id>,
    mut sets: Vec<Id>,
    limits: &Limits,
) -> Result<(usize, usize), Exceeded> {
    if dicts.is_empty() && sets.is_empty() {
        return Ok((0, 0));
    }
    for ids in [&mut dicts, &mut sets] {
        ids.sort_unstable();
        ids.dedup();
    }
    // Keys are looked through for each mention of them, which may be a million of one long text:
    // four times all that may be decoded is more than any honest value has.
    let long = |node: &Node| match node {
        Node::Str(span) | Node::Bytes(span) | Node::Big(span) => u64::from(span.len),
        _ => 0,
    };
    let keys = dicts.iter().flat_map(|id| value.members(*id).iter().step_by(2));
    let total: u64 = keys.chain(sets.iter().flat_map(|id| value.members(*id))).map(long).sum();
    if total / 4 > limits.decoded {
        return Err(limits.exceeded("decoded"));
    }
    let equals = value.equals(&dicts, &sets);
    let repeated = dicts.iter().map(|id| value.dedupe(*id, &equals)).sum();
    let members = sets.iter().map(|id| value.dedupe_set(*id, &equals)).sum();
    Ok((repeated, members))
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("the input is limited below 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Fault;
    use crate::codec::pickle::encode::encode;

    fn read(bytes: &[u8]) -> Result<(Value, Vec<String>), Error> {
        let mut notes = Vec::new();
        decode(bytes.to_vec(), &Limits::DEFAULT, &mut notes).map(|pickled| (pickled.value, notes))
    }

    fn error(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    /// The value as its nodes, spelled; enough for what has no sharing.
    fn show(value: &Value, node: Node) -> String {
        let members = |id: Id| value.members(id).iter().map(|n| show(value, *n)).collect::<Vec<_>>().join(" ");
        match node {
            Node::Str(span) => format!("{:?}", String::from_utf8_lossy(value.text(span))),
            Node::Bytes(span) => format!("b{:?}", value.text(span).escape_ascii().to_string()),
            Node::ByteArray(span) => format!("B{:?}", value.text(span).escape_ascii().to_string()),
            Node::Big(span) => value.big(span).to_string(),
            Node::List(id) => format!("[{}]", members(id)),
            Node::Tuple(id) => format!("({})", members(id)),
            Node::Set(id) => format!("{{{}}}", members(id)),
            Node::FrozenSet(id) => format!("f{{{}}}", members(id)),
            Node::Dict(id) => format!("d{{{}}}", members(id)),
            Node::Persistent(id) => format!("P{}", members(id)),
            Node::Global(id) => {
                let (module, name) = value.global(id);
                format!("{}.{}", module.escape_ascii(), name.escape_ascii())
            }
            Node::Object(id) => {
                let Object { how, callable, args, kwargs, steps } = value.object(id);
                let mut out = format!("{how:?}:{}{}", show(value, *callable), show(value, *args));
                if *kwargs != Node::None {
                    out += &format!("**{}", show(value, *kwargs));
                }
                for step in steps {
                    out += &match *step {
                        Step::State(state) => format!(" state={}", show(value, state)),
                        Step::Call(callable, state) => {
                            format!(" call={}({})", show(value, callable), show(value, state))
                        }
                        Step::Extend(id) => format!(" extend=[{}]", members(id)),
                        Step::Items(id) => format!(" items=[{}]", members(id)),
                        Step::Add(id) => format!(" add=[{}]", members(id)),
                    };
                }
                out
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_opcode_means_what_it_means_in_cpython() {
        for (bytes, shown) in [
            (&b"N."[..], "None"),
            (b"I01\n.", "Bool(true)"),
            (b"I1\n.", "Int(1)"),
            (b"I99999999999999999999\n.", "99999999999999999999"),
            (b"L-5L\n.", "Int(-5)"),
            (b"L-99999999999999999999L\n.", "-99999999999999999999"),
            (b"F1.5\n.", "Float(1.5)"),
            (b"F-inf\n.", "Float(-inf)"),
            (b"J\xff\xff\xff\xff.", "Int(-1)"),
            (b"M\xff\xff.", "Int(65535)"),
            (b"\x8a\x00.", "Int(0)"),
            (b"\x8a\x03\xff\xff\xff.", "Int(-1)"),
            (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00.", "9223372036854775808"),
            (b"\x8a\x0a\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00.", "Int(5)"),
            (b"\x8b\x02\x00\x00\x00\x00\x80.", "Int(-32768)"),
            (b"S'a\\x41\\n\\101\\q'\n.", "\"aA\\nA\\\\q\""),
            (b"U\x02ab.", "\"ab\""),
            (b"T\x02\x00\x00\x00a\xe9.", "b\"a\\\\xe9\""),
            (b"V\xe9\\u20ac\\U0001f600\\\\u0041\n.", "\"\u{e9}\u{20ac}\u{1f600}\\\\\\\\u0041\""),
            (b"(K\x01K\x02t.", "(Int(1) Int(2))"),
            (b"(K\x01l.", "[Int(1)]"),
            (b"(K\x01K\x02d.", "d{Int(1) Int(2)}"),
            (b"}K\x01K\x02sK\x01K\x03s.", "d{Int(1) Int(3)}"),
            (b"](K\x01K\x02eNa.", "[Int(1) Int(2) None]"),
            (b"\x8f(K\x01\x90(K\x02\x90.", "{Int(1) Int(2)}"),
            (b"(K\x01\x91.", "f{Int(1)}"),
            (b"N\x85K\x01\x862.", "((None) Int(1))"),
            (b"KaK\x01K\x020\x86.", "(Int(97) Int(1))"),
            (b"K\x01(NNN1.", "Int(1)"),
            (b"K\x01(0.", "Int(1)"),
            (b"K\x07p5\n0g5\n.", "Int(7)"),
            (b"K\x07r\xff\xff\xff\xff0j\xff\xff\xff\xff.", "Int(7)"),
            (b"K\x07\x94K\x08\x94h\x00h\x01\x86.", "(Int(7) Int(8))"),
            (b"Pabc\n.", "P\"abc\""),
            (b"K\x01Q.", "PInt(1)"),
            (b"\x82\x05.", "Extension(5)"),
            (b"\x84\x00\x00\x01\x00.", "Extension(65536)"),
            (b"\x97\x97\x98\x86.", "(Buffer(0) ReadOnlyBuffer(1))"),
            (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "B\"a\""),
            (b"c__builtin__\nunicode\n.", "builtins.str"),
            (b"\x80\x03c__builtin__\nunicode\n.", "__builtin__.unicode"),
            (b"(K\x01ios\nsystem\n.", "Call:os.system(Int(1))"),
            (b"(cos\nsystem\nK\x01o.", "Call:os.system(Int(1))"),
            (b"(ia\nB\n.", "New:a.B()"),
            (b"(ca\nB\no.", "New:a.B()"),
            (b"ca\nB\n)}K\x01K\x02s\x92.", "New:a.B()**d{Int(1) Int(2)}"),
            (
                b"ca\nB\n)\x81Na(K\x01eK\x01K\x02s(K\x03\x90NbK\x04a.",
                "New:a.B() extend=[None Int(1)] items=[Int(1) Int(2)] add=[Int(3)] state=None extend=[Int(4)]",
            ),
            (b"ca\nB\n)Rq\x00cm\nf\nh\x00K\x01\x86R0.", "Call:a.B() call=m.f(Int(1))"),
            (b"ccopy_reg\n__newobj__\n(ca\nB\nK\x01tR.", "New:a.B(Int(1))"),
            (b"ccopy_reg\n__newobj_ex__\n(ca\nB\n(t(dtR.", "New:a.B()**d{}"),
            (b"ccopy_reg\n__newobj__\n)R.", "Call:copyreg.__newobj__()"),
            (b"c__builtin__\nset\n((lK\x01atR.", "{Int(1)}"),
            (b"c__builtin__\nfrozenset\n)R.", "f{}"),
            (b"c__builtin__\nset\nN\x85R.", "Call:builtins.set(None)"),
            (b"c__builtin__\nbytes\n)R.", "b\"\""),
            (b"c_codecs\nencode\n(Va\xe9\nVlatin1\ntR.", "b\"a\\\\xe9\""),
            (b"c_codecs\nencode\n(V\\u20ac\nVlatin1\ntR.", "Call:_codecs.encode(\"\u{20ac}\" \"latin1\")"),
            (b"c__builtin__\nbytearray\n(V\xe9\nVlatin-1\ntR.", "B\"\\\\xe9\""),
        ] {
            let (value, _) = read(bytes).unwrap_or_else(|error| panic!("{}: {error}", bytes.escape_ascii()));
            assert_eq!(show(&value, value.root()), shown, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (bytes, message) in [
            (&b""[..], "pickle: there are no bytes, not even a pickle's STOP at byte 0"),
            (b"N", "pickle: the pickle ends without STOP at byte 1"),
            (b"NNN\x9f.", "pickle: unknown opcode 0x9f at byte 3"),
            (b".", "pickle: STOP finds the stack empty at byte 0"),
            (b"N(.", "pickle: STOP finds a MARK where it needs a value at byte 2"),
            (b"Nt.", "pickle: TUPLE lacks its MARK at byte 1"),
            (b"(Nd.", "pickle: DICT has a key without a value at byte 2"),
            (b"}(Nu.", "pickle: SETITEMS has a key without a value at byte 3"),
            (b"(Ne.", "pickle: APPENDS finds the stack empty at byte 2"),
            (b"}Na.", "pickle: APPEND cannot be done to this: dict at byte 2"),
            (b"Nh\x07.", "pickle: BINGET asks for memo 7, where nothing was put at byte 1"),
            (b"q\x00.", "pickle: BINPUT finds the stack empty at byte 0"),
            (b"X\x05\x00\x00\x00ab.", "pickle: BINUNICODE announces 5 bytes, and 3 are left at byte 0"),
            (b"\x8c\x02a\xff.", "pickle: SHORT_BINUNICODE holds invalid UTF-8 at byte 3"),
            (b"I1x\n.", "pickle: INT is not a number at byte 0"),
            (b"F1e999\n.", "pickle: FLOAT is not a number at byte 0"),
            (b"S'abc\n.", "pickle: STRING is not quoted or badly escaped at byte 0"),
            (b"V\\u12\n.", "pickle: UNICODE holds a bad \\u escape at byte 0"),
            (b"cos\nsystem", "pickle: GLOBAL lacks its newline at byte 0"),
            (b"NN\x93.", "pickle: STACK_GLOBAL names a global by something other than text at byte 2"),
            (b"\x82\x00.", "pickle: EXT1 has the code 0, which no extension can have at byte 0"),
            (b"(o.", "pickle: OBJ lacks its class at byte 1"),
        ] {
            assert_eq!(error(bytes), message, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_odd_is_told() {
        for (bytes, note) in [
            (&b"N.junk"[..], "4 bytes after the pickle's end are ignored"),
            (b"U\x01\xe9.", "1 Python 2 string is not ASCII and shown as bytes"),
            (b"(K\x01NK\x01NK\x01Nd.", "2 dict keys are repeated; the last value of each is kept"),
            (b"(K\x01K\x02\x86NG?\xf0\0\0\0\0\0\0K\x02\x86Nd.", "1 dict key is repeated; its last value is kept"),
            (b"((K\x01(K\x02\x91\x91N((K\x02\x91K\x01\x91Nd.", "1 dict key is repeated; its last value is kept"),
            (b"\x8f(\x8c\x02ab\x85\x8c\x02ab\x85\x90.", "1 set member is repeated; its first is kept"),
            (b"Ncos\nsystem\n)R0.", "1 call's result is dropped and not shown"),
        ] {
            assert_eq!(read(bytes).unwrap().1, [note], "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn text_keeps_its_surrogates_and_its_identity() {
        let (value, _) = read(b"\x8c\x07a\xed\xa0\x80\xed\xbf\xbf\x94h\x00\x86.").unwrap();
        let Node::Tuple(id) = value.root() else { panic!() };
        assert_eq!(value.members(id)[0], value.members(id)[1]);
        let Node::Str(span) = value.members(id)[0] else { panic!() };
        assert_eq!(span, Span { start: 2, len: 7 });
    }

    #[test]
    fn globals_are_the_same_by_name() {
        let (value, _) = read(b"(cos\nsystem\ncos\nsystem\ncos\nopen\nVos\nVsystem\n\x93t.").unwrap();
        let Node::Tuple(id) = value.root() else { panic!() };
        let members = value.members(id);
        assert_eq!(members[0], members[1]);
        assert_eq!(members[0], members[3]);
        let names: Vec<_> = value.globals().collect();
        assert_eq!(names, [(&b"os"[..], &b"system"[..]), (b"os", b"open")]);
    }

    #[test]
    fn hostile_bytes_meet_a_limit() {
        let million = 1_000_000;
        let nested = [&b"]".repeat(million)[..], &b"a".repeat(million - 1), b"."].concat();
        let appended = [b"](".to_vec(), b"N".repeat(5 << 20), b"e.".to_vec()].concat();
        let snapshots = [
            &b"c__builtin__\nset\nq\x00]q\x01("[..],
            &b"N".repeat(10_000),
            b"e\x85q\x02",
            &b"h\x00h\x02R".repeat(1000),
            b".",
        ];
        let copies = [
            &b"c_codecs\nencode\nq\x00(X\x00\x00\x10\x00"[..],
            &b"x".repeat(1 << 20),
            b"Vlatin1\ntq\x01",
            &b"h\x00h\x01R".repeat(100),
            b".",
        ];
        let scans = [
            &b"c_codecs\nencode\nq\x00(X\x03\x00\x10\x00"[..],
            &b"x".repeat(1 << 20),
            b"\xe2\x82\xacVlatin1\ntq\x01",
            &b"h\x00h\x01R".repeat(100),
            b".",
        ];
        for (bytes, limit) in [
            (nested, "depth"),
            ([b"N".to_vec(), b"\x85".repeat(million), b".".to_vec()].concat(), "depth"),
            (b"\x8b\x00\x00\x00\x40.".to_vec(), "integer"),
            ([b"I".to_vec(), b"9".repeat(2 << 20), b"\n.".to_vec()].concat(), "integer"),
            (b"N".repeat(5 << 20), "nodes"),
            (b"(".repeat(5 << 20), "nodes"),
            (b"]".repeat(5 << 20), "nodes"),
            ([b"N".to_vec(), b"\x94".repeat(5 << 20)].concat(), "nodes"),
            (b"N0".repeat(9 << 20), "opcodes"),
            (appended, "nodes"),
            ([b"ca\nb\n)R".to_vec(), b"Nb".repeat(3 << 20)].concat(), "nodes"),
            (snapshots.concat(), "nodes"),
            (copies.concat(), "decoded"),
            (scans.concat(), "decoded"),
        ] {
            match read(&bytes).unwrap_err().fault {
                Fault::Limit(exceeded) => assert_eq!(exceeded.name, limit),
                other => panic!("{limit}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_claim_reserves_nothing() {
        for bytes in [
            &b"\x8d\x00\x00\x00\x00\x00\x01\x00\x00."[..],
            b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.",
            b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",
            b"B\xff\xff\xff\xff.",
            b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN.",
        ] {
            assert!(error(bytes).contains("announces"), "{}", bytes.escape_ascii());
        }
        assert!(read(b"Nr\xff\xff\xff\xff.").is_ok());
    }

    #[test]
    fn a_memo_bomb_and_a_cycle_are_as_small_as_their_bytes() {
        let mut bomb = b"]\x94".to_vec();
        for level in 0..60 {
            bomb.extend_from_slice(&[b']', 0x94, b'(', b'h', level, b'h', level, b'e']);
        }
        bomb.push(b'.');
        let (value, _) = read(&bomb).unwrap();
        assert!(value.size() < 500);
        assert!(read(b"]\x94h\x00a.").is_ok());
    }

    /// Pickles with every kind of part, for the two tests below.
    fn samples() -> Vec<Vec<u8>> {
        include_str!("../../../tests/data/pickle/cachetory.tsv")
            .lines()
            .step_by(7)
            .filter_map(|line| base64::Engine::decode(&BASE64, line.rsplit('\t').next()?).ok())
            .filter(|bytes| bytes.len() < 600)
            .collect()
    }

    const BASE64: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

    #[test]
    fn what_is_cut_short_is_refused_at_every_byte() {
        for sample in samples().iter().step_by(3) {
            let Ok((_, notes)) = read(sample) else { continue };
            let end = if notes.iter().any(|note| note.contains("after")) { sample.len() - 4 } else { sample.len() };
            for cut in 0..end {
                assert!(read(&sample[..cut]).is_err(), "{} cut at {cut}", sample.escape_ascii());
            }
        }
    }

    #[test]
    fn no_mutation_panics_and_what_is_read_can_be_written() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut read_again = 0;
        let samples = samples();
        for round in 0..40_000 {
            let mut bytes = samples[round % samples.len()].clone();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                match random.u8(..4) {
                    0 => bytes[at] = random.u8(..),
                    1 => bytes.insert(at, op::MARK.wrapping_add(random.u8(..)) & 0x9f),
                    2 if bytes.len() > 1 => drop(bytes.remove(at)),
                    _ => bytes[at] ^= 1 << random.u8(..8),
                }
            }
            let Ok((value, _)) = read(&bytes) else { continue };
            for protocol in [0, 2, 5] {
                let Ok(written) = encode(&value, protocol, &Limits::DEFAULT) else { continue };
                read(&written).unwrap_or_else(|error| panic!("{}: {error}", written.escape_ascii()));
                read_again += 1;
            }
        }
        assert!(read_again > 1000);
    }
}
