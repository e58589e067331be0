//! JSON text, written as Python's `json.dumps` writes it.
//!
//! Only what JSON can hold is written: anything else is refused with the path to it, never turned
//! into something else. `NaN` and `Infinity` stand bare, as in Python, because Python reads them.
//! Reading JSON is the codec's; typed JSON and plain JSON are values that were lowered to this.

use std::io::{self, Write};

use super::code_point::{code_point, is_surrogate};
use super::print::{self, Expansion, Extent, Path, PrintError};
use super::printable::is_printable;
use super::scalar::{self, PAGE};
use super::{Node, Span, Value};
use crate::limits::Limits;

/// Which characters become escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// All but ASCII: `json.dumps` as it comes.
    Ascii,
    /// Those that JSON or UTF-8 cannot hold: `json.dumps(…, ensure_ascii=False)`.
    Utf8,
    /// Those too that a terminal could act on or not show.
    Terminal,
}

/// Writes `value` on one line, with `, ` and `: ` between its parts.
///
/// # Errors
/// [`PrintError::Unfit`] for what JSON cannot hold, [`PrintError::Limit`] for a value that sharing
/// makes too long, before anything is written.
pub fn write(value: &Value, escape: Escape, limits: &Limits, out: &mut dyn Write) -> Result<(), PrintError> {
    if write_tree(value, escape, limits, out)? {
        return Ok(());
    }
    Expansion::of(value).check(limits)?;
    write_parts(value, escape, out)
}

/// Writes `value` if it is JSON as it stands, and says whether it is; see [`tree`].
///
/// # Errors
/// [`PrintError::Limit`] for a value that is too long, before anything is written.
pub fn write_tree(value: &Value, escape: Escape, limits: &Limits, out: &mut dyn Write) -> Result<bool, PrintError> {
    let Some(extent) = tree(value) else { return Ok(false) };
    extent.check(limits)?;
    write_parts(value, escape, out).map(|()| true)
}

fn write_parts(value: &Value, escape: Escape, out: &mut dyn Write) -> Result<(), PrintError> {
    let mut path = Path::new(value);
    let mut frames: Vec<Frame<'_>> = Vec::new();
    // About what a member takes.
    let mut page = Page::new(value, 16 * value.size(), escape, out);
    let mut node = value.root;
    loop {
        match node {
            Node::List(id) | Node::Dict(id) => {
                if path.enter(node) {
                    return Err(unfit("a value that contains itself", value, &frames));
                }
                let frame = Frame { node, members: value.members(id), at: 0 };
                page.put(if frame.is_dict() { b"{" } else { b"[" });
                frames.push(frame);
            }
            Node::Str(span) => {
                page.put(b"\"");
                page.text(span)?;
                page.put(b"\"");
            }
            Node::None => page.put(b"null"),
            Node::Bool(true) => page.put(b"true"),
            Node::Bool(false) => page.put(b"false"),
            Node::Int(number) => {
                page.copy(itoa::Buffer::new().format(number).as_bytes());
            }
            scalar => page.scalar(scalar)?.map_err(|what| unfit(&what, value, &frames))?,
        }
        page.turn()?;
        let frame = loop {
            match frames.last_mut() {
                Some(frame) if frame.at < frame.members.len() => break frame,
                Some(frame) => {
                    page.put(if frame.is_dict() { b"}" } else { b"]" });
                    page.turn()?;
                    path.leave(frame.node);
                    frames.pop();
                }
                None => return Ok(page.end()?),
            }
        };
        if frame.at > 0 {
            page.put(b", ");
        }
        if frame.is_dict() {
            let key = frame.members[frame.at];
            frame.at += 1;
            let Node::Str(span) = key else { return Err(unfit_key(key, value, &mut frames)) };
            page.key(span)?;
        }
        node = frame.members[frame.at];
        frame.at += 1;
    }
}

/// JSON text that is handed on by pages. There is always room for a piece of text of which each byte
/// is an escape, so that nothing has to ask whether it fits, and a page never grows.
struct Page<'w> {
    value: &'w Value,
    escape: Escape,
    bytes: Vec<u8>,
    /// How many of the bytes are written.
    len: usize,
    /// What was written for a key, by a hash of its span: most dicts have the keys of others.
    keys: [Key; 1 << KEY_BITS],
    /// Where what takes longer is made.
    made: Vec<u8>,
    out: &'w mut dyn Write,
}

/// A key with its quotes and colon.
#[derive(Clone, Copy)]
struct Key {
    span: Span,
    bytes: [u8; KEY_MAX],
    len: usize,
}

const KEY_BITS: u32 = 5;
const KEY_MAX: usize = 32;

/// Bytes of text that are looked at, and escaped, together.
const PIECE: usize = 256;
/// What a piece and a key can become, a number, and what stands between them.
const PIECE_ROOM: usize = 2 * (6 * PIECE + 64);

impl<'w> Page<'w> {
    fn new(value: &'w Value, expected: usize, escape: Escape, out: &'w mut dyn Write) -> Page<'w> {
        let bytes = vec![0; PAGE.min(expected) + PIECE_ROOM];
        let none = Key { span: Span { start: u32::MAX, len: 0 }, bytes: [0; KEY_MAX], len: 0 };
        Page { value, escape, bytes, len: 0, keys: [none; 1 << KEY_BITS], made: Vec::new(), out }
    }

    /// Hands the page on if it is full.
    #[inline(always)]
    fn turn(&mut self) -> io::Result<()> {
        if self.len + PIECE_ROOM > self.bytes.len() { self.end() } else { Ok(()) }
    }

    /// Hands on what there is.
    #[cold]
    fn end(&mut self) -> io::Result<()> {
        self.out.write_all(&self.bytes[..self.len])?;
        self.len = 0;
        Ok(())
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, word: &[u8; N]) {
        self.bytes[self.len..self.len + N].copy_from_slice(word);
        self.len += N;
    }

    /// A key, its quotes and its colon.
    #[inline(always)]
    fn key(&mut self, span: Span) -> io::Result<()> {
        let slot = (span.start.wrapping_mul(0x9e37_79b1) >> (32 - KEY_BITS)) as usize;
        let Key { span: known, bytes, len } = &self.keys[slot];
        if *known == span {
            self.bytes[self.len..self.len + KEY_MAX].copy_from_slice(bytes);
            self.len += len;
            return Ok(());
        }
        let start = self.len;
        self.put(b"\"");
        self.text(span)?;
        self.put(b"\": ");
        if (span.len as usize) < KEY_MAX && self.len - start <= KEY_MAX {
            let mut bytes = [0; KEY_MAX];
            bytes.copy_from_slice(&self.bytes[start..start + KEY_MAX]);
            self.keys[slot] = Key { span, bytes, len: self.len - start };
        }
        Ok(())
    }

    /// Text without its quotes.
    #[inline(always)]
    fn text(&mut self, span: Span) -> io::Result<()> {
        let text = self.value.text(span);
        if text.len() <= PIECE {
            self.piece(text);
            return Ok(());
        }
        for piece in scalar::pages(text, PIECE) {
            self.piece(piece);
            self.turn()?;
        }
        Ok(())
    }

    #[inline(always)]
    fn piece(&mut self, text: &[u8]) {
        let start = self.len;
        if self.copy(text) {
            self.len = start;
            self.escaped(text);
        }
    }

    /// Copies up to a piece of bytes, by words, and says whether one of them may need an escape: a
    /// call to copy as many as there are costs more than most texts are long.
    #[inline(always)]
    fn copy(&mut self, bytes: &[u8]) -> bool {
        let (words, tail) = bytes.as_chunks::<8>();
        let room = &mut self.bytes[self.len..self.len + PIECE + 8];
        let mut found = 0;
        for (to, word) in room.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *to = *word;
            found |= special(u64::from_le_bytes(*word));
        }
        if !tail.is_empty() {
            let word = word_of(tail);
            room[8 * words.len()..8 * words.len() + 8].copy_from_slice(&word.to_le_bytes());
            // The zeros after the tail are none of it.
            found |= special(word) << (64 - 8 * tail.len());
        }
        self.len += bytes.len();
        found != 0
    }

    #[inline(never)]
    fn escaped(&mut self, text: &[u8]) {
        self.made.clear();
        write_str_part(text, self.escape, &mut self.made);
        let end = self.len + self.made.len();
        self.bytes[self.len..end].copy_from_slice(&self.made);
        self.len = end;
    }

    /// What has no parts; else what it is that JSON cannot hold.
    fn scalar(&mut self, node: Node) -> io::Result<Result<(), String>> {
        if let Node::Float(float) = node
            && let Some(digits) = scalar::usual_float(float, &mut zmij::Buffer::new())
        {
            self.copy(digits);
            return Ok(Ok(()));
        }
        let mut made = std::mem::take(&mut self.made);
        made.clear();
        let written = write_scalar(self.value, node, &mut made);
        for piece in made.chunks(PIECE) {
            self.copy(piece);
            self.turn()?;
        }
        self.made = made;
        Ok(written)
    }
}

/// How long `value` is, if it is JSON as it stands and no part of it but text is used twice; most
/// values are, and need neither lowering nor weighing. One look at every container, so that a part
/// that nothing refers to any more may make it `None`.
pub(super) fn tree(value: &Value) -> Option<Extent> {
    let mut seen = vec![Seen::Not; value.containers.len()];
    let mut extent = Extent { nodes: 1, bytes: print::leaf_bytes(value, value.root) };
    // Whether this is JSON itself, and no container that was seen before.
    let mut see = |node: Node| match node {
        Node::None | Node::Bool(_) | Node::Int(_) | Node::Str(_) => true,
        Node::Float(float) => float.is_finite(),
        Node::List(id) => std::mem::replace(&mut seen[id.index()], Seen::List) == Seen::Not,
        Node::Dict(id) => std::mem::replace(&mut seen[id.index()], Seen::Dict) == Seen::Not,
        _ => false,
    };
    if !see(value.root) {
        return None;
    }
    // Whether a dict could have these members. What a container is, its place says, not itself.
    let mut keyed = vec![true; value.containers.len()];
    for (container, keyed) in value.containers.iter().zip(&mut keyed) {
        let members = &value.members[container.start as usize..container.start as usize + container.len as usize];
        extent.nodes += members.len() as u64;
        for (at, node) in members.iter().enumerate() {
            // Nothing else here has text, and fewer than 2^32 nodes of 32 bits each do not overflow.
            if let Node::Str(span) = node {
                extent.bytes += u64::from(span.len);
                continue;
            }
            if !see(*node) {
                return None;
            }
            *keyed &= at % 2 == 1;
        }
    }
    let mut kinds = seen.iter().zip(&keyed);
    kinds.all(|(seen, keyed)| *keyed || *seen != Seen::Dict).then_some(extent)
}

/// As what a container was referred to.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    Not,
    List,
    Dict,
}

/// Text with its quotes.
pub fn write_str(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    out.push(b'"');
    write_str_part(text, escape, out);
    out.push(b'"');
}

/// A part of a text that begins and ends with whole characters, between its quotes.
pub fn write_str_part(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    let mut rest = text;
    loop {
        rest = &rest[push_plain(rest, out)..];
        if rest.is_empty() {
            return;
        }
        let (code, len) = code_point(rest);
        let shown = match escape {
            Escape::Ascii => false,
            Escape::Utf8 => !is_surrogate(code),
            Escape::Terminal => is_printable(code),
        };
        match code {
            0x08 => out.extend_from_slice(b"\\b"),
            0x09 => out.extend_from_slice(b"\\t"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x22 | 0x5c => out.extend_from_slice(&[b'\\', rest[0]]),
            0x7f.. if shown => out.extend_from_slice(&rest[..len]),
            0..0x1_0000 => scalar::push_hex(b'u', code, 4, out),
            _ => {
                scalar::push_hex(b'u', 0xd800 + ((code - 0x1_0000) >> 10), 4, out);
                scalar::push_hex(b'u', 0xdc00 + (code & 0x3ff), 4, out);
            }
        }
        rest = &rest[len..];
    }
}

/// `NaN` and `Infinity` by Python's names, other floats as everywhere.
pub fn write_float(float: f64, out: &mut Vec<u8>) {
    match float {
        _ if float.is_nan() => out.extend_from_slice(b"NaN"),
        f64::INFINITY => out.extend_from_slice(b"Infinity"),
        f64::NEG_INFINITY => out.extend_from_slice(b"-Infinity"),
        _ => scalar::write_float(float, out),
    }
}

/// What kind of value a node is, with its article, for error messages.
#[must_use]
pub fn kind(node: Node) -> &'static str {
    match node {
        Node::None => "None",
        Node::Bool(_) => "a bool",
        Node::Int(_) | Node::Big(_) => "an integer",
        Node::Float(_) => "a float",
        Node::Str(_) => "a string",
        Node::Bytes(_) => "bytes",
        Node::ByteArray(_) => "a bytearray",
        Node::List(_) => "a list",
        Node::Tuple(_) => "a tuple",
        Node::Set(_) => "a set",
        Node::FrozenSet(_) => "a frozenset",
        Node::Dict(_) => "a dict",
        Node::Global(_) => "a global",
        Node::Object(_) => "an object",
        Node::Persistent(_) => "a persistent id",
        Node::Extension(_) => "an extension code",
        Node::Buffer(_) | Node::ReadOnlyBuffer(_) => "an out-of-band buffer",
        Node::Ext(..) => "a msgpack extension",
        Node::Timestamp(..) => "a timestamp",
    }
}

/// A member's way from its container: `[0]`, `.name`, `["a name"]`.
pub fn push_step(key: Result<&[u8], usize>, path: &mut Vec<u8>) {
    match key {
        Err(index) => path.extend_from_slice(format!("[{index}]").as_bytes()),
        Ok(name) => {
            let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
            if !name.is_empty() && !name[0].is_ascii_digit() && name.iter().all(word) {
                path.push(b'.');
                path.extend_from_slice(name);
            } else {
                path.push(b'[');
                write_str(name, Escape::Terminal, path);
                path.push(b']');
            }
        }
    }
}

/// Appends the bytes before the first that may need an escape; how many they are. They are looked
/// at and copied eight at a time, and what is too many is taken back: a call to copy as many as
/// there are costs more than most texts are long.
#[inline]
fn push_plain(text: &[u8], out: &mut Vec<u8>) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        out.extend_from_slice(word);
        let run = plain(u64::from_le_bytes(*word));
        if run < 8 {
            out.truncate(out.len() - 8 + run);
            return 8 * index + run;
        }
    }
    if tail.is_empty() {
        return text.len();
    }
    // The zeros after the tail end the run.
    let word = word_of(tail);
    out.extend_from_slice(&word.to_le_bytes());
    let run = plain(word);
    out.truncate(out.len() - 8 + run);
    8 * words.len() + run
}

/// How many of the word's lowest bytes come before the first that may need an escape. A byte is
/// found by the borrow that its subtraction leaves in its highest bit, which is exact for the
/// lowest byte found.
#[inline]
fn plain(word: u64) -> usize {
    special(word).trailing_zeros() as usize / 8
}

/// The highest bit of the word's first byte that may need an escape; none if there is none.
#[inline(always)]
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    let equal = |byte: u8| (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    // A byte past ASCII has its highest bit itself.
    (equal(b'"') | equal(b'\\') | equal(0x7f) | control | word) & (ONES << 7)
}

/// One to seven bytes as the lowest of a word, whose others are zero: two loads that overlap.
#[inline]
fn word_of(bytes: &[u8]) -> u64 {
    let len = bytes.len();
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|part| u64::from(u32::from_le_bytes(*part)));
        return first | last << (8 * (len - 4));
    }
    [0, len / 2, len - 1].iter().fold(0, |word, at| word | u64::from(bytes[*at]) << (8 * at))
}

/// A list or dict that is being written.
struct Frame<'v> {
    node: Node,
    members: &'v [Node],
    at: usize,
}

impl Frame<'_> {
    fn is_dict(&self) -> bool {
        matches!(self.node, Node::Dict(_))
    }
}

fn write_scalar(value: &Value, node: Node, out: &mut Vec<u8>) -> Result<(), String> {
    match node {
        Node::Big(span) => match scalar::decimal(&value.big(span)) {
            Some(digits) => out.extend_from_slice(digits.as_bytes()),
            None => return Err(format!("an integer of more than {} digits", scalar::DIGITS_MAX)),
        },
        Node::Float(float) => write_float(float, out),
        other => return Err(kind(other).to_owned()),
    }
    Ok(())
}

fn unfit(what: &str, value: &Value, frames: &[Frame<'_>]) -> PrintError {
    let mut path = b"$".to_vec();
    for frame in frames {
        let step = match frame.members.get(frame.at.saturating_sub(2)) {
            Some(Node::Str(span)) if frame.is_dict() => Ok(value.text(*span)),
            _ => Err(frame.at - 1),
        };
        push_step(step, &mut path);
    }
    PrintError::Unfit(format!("json cannot hold {what} at {}", String::from_utf8_lossy(&path)))
}

/// The path is that of the dict: its key has none.
fn unfit_key(key: Node, value: &Value, frames: &mut Vec<Frame<'_>>) -> PrintError {
    frames.pop();
    unfit(&format!("{} as a key", kind(key)), value, frames)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Span;

    fn check(value: &Value, escape: Escape, expected: &str) {
        let mut out = Vec::new();
        let text = match write(value, escape, &Limits::DEFAULT, &mut out) {
            Ok(()) => String::from_utf8(out).unwrap(),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn strings_are_escaped_for_where_they_go() {
        let text = Value::of_str("\"\\/\n\x08\x0c\x1b\x7fé\u{202e}😀".as_bytes());
        check(&text, Escape::Ascii, r#""\"\\/\n\b\f\u001b\u007f\u00e9\u202e\ud83d\ude00""#);
        check(&text, Escape::Utf8, "\"\\\"\\\\/\\n\\b\\f\\u001b\x7fé\u{202e}😀\"");
        check(&text, Escape::Terminal, "\"\\\"\\\\/\\n\\b\\f\\u001b\\u007fé\\u202e😀\"");
        let surrogate = Value::of_str(&b"\xed\xa0\x80"[..]);
        for escape in [Escape::Ascii, Escape::Utf8, Escape::Terminal] {
            check(&surrogate, escape, r#""\ud800""#);
        }
    }

    #[test]
    fn an_escape_is_found_at_any_place_of_a_text_of_any_length() {
        for (byte, expected) in
            [(b'"', "\\\""), (b'\\', "\\\\"), (0, "\\u0000"), (0x1f, "\\u001f"), (b' ', " "), (b'~', "~")]
        {
            for len in 1..=26 {
                for place in 0..len {
                    let mut text: Vec<u8> = (b'a'..=b'z').take(len).collect();
                    let alphabet = String::from_utf8(text.clone()).unwrap();
                    text[place] = byte;
                    let (before, after) = (&alphabet[..place], &alphabet[place + 1..]);
                    check(&Value::of_str(text), Escape::Utf8, &format!("\"{before}{expected}{after}\""));
                }
            }
        }
    }

    #[test]
    fn a_text_of_many_pieces_is_escaped_as_one_is() {
        for len in [PIECE / 4, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 1000] {
            let text: String = "é\n\"a\x01😀\u{202e}".chars().cycle().take(len).collect();
            for escape in [Escape::Ascii, Escape::Utf8, Escape::Terminal] {
                let mut expected = Vec::new();
                write_str(text.as_bytes(), escape, &mut expected);
                check(&Value::of_str(text.as_str()), escape, &String::from_utf8(expected).unwrap());
            }
        }
    }

    #[test]
    fn keys_are_told_apart_by_place_and_length() {
        let alphabet = "abcdefghijklmnopqrstuvwxyz\n".repeat(4);
        let mut value = Value::over(alphabet.clone().into_bytes());
        let (mut members, mut expected) = (Vec::new(), Vec::new());
        for start in (0..60).chain(0..60) {
            for len in [0, 1, 2, 26, 27, 28, 29, 32, 40] {
                members.extend([Node::Str(Span { start, len }), Node::None]);
                let text = &alphabet[start as usize..(start + len) as usize];
                expected.push(format!("\"{}\": null", text.replace('\n', "\\n")));
            }
        }
        let root = value.container(&members);
        value.set_root(Node::Dict(root));
        check(&value, Escape::Utf8, &format!("{{{}}}", expected.join(", ")));
    }

    #[test]
    fn containers_and_scalars_are_as_json_dumps_writes_them() {
        let mut value = Value::over(b"a".to_vec());
        let key = Node::Str(value.whole());
        let list =
            value.container(&[Node::None, Node::Bool(true), Node::Int(-1), Node::Float(1e22), Node::Float(f64::NAN)]);
        let empty = Node::Dict(value.container(&[]));
        let root = value.container(&[key, Node::List(list), key, empty]);
        value.set_root(Node::Dict(root));
        check(&value, Escape::Utf8, r#"{"a": [null, true, -1, 1e+22, NaN], "a": {}}"#);
    }

    #[test]
    fn what_json_cannot_hold_is_named_with_its_path() {
        let mut value = Value::over(b"aa b".to_vec());
        let a = Node::Str(Span { start: 0, len: 1 });
        let a_b = Node::Str(Span { start: 1, len: 3 });
        let tuple = Node::Tuple(value.container(&[]));
        let list = Node::List(value.container(&[tuple]));
        let dict = value.container(&[a_b, Node::None, a, list]);
        value.set_root(Node::Dict(dict));
        check(&value, Escape::Utf8, "error: json cannot hold a tuple at $.a[0]");
        let cycle = value.container(&[Node::None]);
        value.extend(cycle, &[Node::List(cycle)]);
        let outer = value.container(&[a_b, Node::List(cycle)]);
        value.set_root(Node::Dict(outer));
        check(&value, Escape::Utf8, "error: json cannot hold a value that contains itself at $[\"a b\"][1]");
        let keyed = value.container(&[Node::Int(1), Node::None]);
        let keyed = value.container(&[Node::Dict(keyed)]);
        value.set_root(Node::List(keyed));
        check(&value, Escape::Utf8, "error: json cannot hold an integer as a key at $[0]");
    }

    #[test]
    fn a_memo_bomb_is_refused_before_a_byte_is_written() {
        let mut value = Value::over(Vec::new());
        let mut node = Node::List(value.container(&[]));
        for _ in 0..60 {
            node = Node::List(value.container(&[node, node]));
        }
        value.set_root(node);
        let mut out = Vec::new();
        let error = write(&value, Escape::Ascii, &Limits::DEFAULT, &mut out).unwrap_err();
        assert!(error.to_string().contains("`printed`"), "{error}");
        assert!(out.is_empty());
    }
}
