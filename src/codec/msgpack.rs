//! `msgpack`: MessagePack as ormsgpack 1.13 and msgpack-python 1.2 write it.
//!
//! Both write the shortest form of everything but floats, which are always of 64 bits; so do we.
//! Both read less than the format has, and less than we: [`unreadable_by_ormsgpack`] says what an
//! application that uses cachetory could not read back. Reader and writer are loops with a stack of
//! their own. Format: <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use std::cell::Cell;
use std::collections::HashSet;

use super::cursor::{Cursor, is_ascii};
use super::keys::{Keys, are_distinct, drop_repeated};
use super::{Error, Parameters, Row, Serializer, Work};
use crate::limits::Limits;
use crate::value::draft::Draft;
use crate::value::json::{kind, push_step};
use crate::value::{Id, Identity, Node, Value, spare};

/// The row of `msgpack`.
pub const ROW: Row =
    Row { names: &["msgpack"], about: "MessagePack", parameters: &[], work: Work::Serializer(&Msgpack) };

/// The extension that the format itself defines.
const TIMESTAMP: i8 = -1;

struct Msgpack;

impl Serializer for Msgpack {
    fn encode(&self, value: &Value, _: &Parameters, limits: &Limits) -> Result<Vec<u8>, Error> {
        Writer { value, limits, open: Vec::new(), out: Vec::new() }.write()
    }

    fn decode(&self, bytes: Vec<u8>, limits: &Limits, notes: &mut Vec<String>) -> Result<Value, Error> {
        decode(bytes, limits, notes).map(|(value, _)| value)
    }
}

/// The value of `bytes`, and how many bytes follow its end.
pub(super) fn decode(bytes: Vec<u8>, limits: &Limits, notes: &mut Vec<String>) -> Result<(Value, usize), Error> {
    if bytes.len() as u64 > limits.decoded {
        return Err(Error::limit("msgpack", None, limits.exceeded("decoded")));
    }
    let mut reader = Reader::new(&bytes, limits);
    let root = reader.document().map_err(|error| *error)?;
    let Reader { cursor, draft, open, members, suspects, .. } = reader;
    spare::keep(&OPEN, open);
    spare::keep(&MEMBERS, members);
    let trailing = cursor.rest().len();
    let mut value = draft.finish(root).over(bytes);
    drop_repeated(&suspects, &mut value, notes);
    if trailing > 0 {
        notes.push(format!(
            "{trailing} bytes after the value are ignored, as by ormsgpack; msgpack-python refuses them"
        ));
    }
    Ok((value, trailing))
}

/// What in `value` cachetory's ormsgpack would refuse to read, though it is MessagePack.
#[must_use]
pub fn unreadable_by_ormsgpack(value: &Value) -> Option<&'static str> {
    let mut seen: HashSet<Identity> = HashSet::new();
    let mut stack = vec![value.root()];
    while let Some(node) = stack.pop() {
        match node {
            Node::Ext(..) => return Some("an extension"),
            Node::Timestamp(..) => return Some("a timestamp"),
            Node::List(id) | Node::Dict(id) if seen.insert(Identity::Container(id)) => {
                let members = value.members(id);
                let keys = members.iter().step_by(2);
                if matches!(node, Node::Dict(_)) && !keys.into_iter().all(|key| matches!(key, Node::Str(_))) {
                    return Some("a map key that is not text");
                }
                stack.extend_from_slice(members);
            }
            _ => {}
        }
    }
    None
}

/// The reading machine: what is open, and what was read of it.
struct Reader<'a> {
    cursor: Cursor<'a>,
    draft: Draft<'a>,
    limits: &'a Limits,
    keys: Keys,
    /// The innermost open container; in the beginning a list for the one value that is there.
    inner: Open,
    /// Those around it.
    open: Vec<Open>,
    /// The members of all open containers, the innermost last.
    members: Vec<Node>,
    nodes: u64,
    /// Maps that have equal keys, or may have.
    suspects: Vec<Id>,
}

/// An array or map that is not complete yet.
struct Open {
    map: bool,
    /// How many members it lacks. Nothing is reserved for them: the sender may be lying.
    left: u64,
    /// Where its members start.
    members: usize,
}

thread_local! {
    static OPEN: Cell<Vec<Open>> = const { Cell::new(Vec::new()) };
    static MEMBERS: Cell<Vec<Node>> = const { Cell::new(Vec::new()) };
}

/// Boxed, so that the results of the hot loop fit a register.
type Res = Result<(), Box<Error>>;

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], limits: &'a Limits) -> Reader<'a> {
        Reader {
            cursor: Cursor::new("msgpack", bytes),
            draft: Draft::new(bytes),
            limits,
            keys: Keys::default(),
            inner: Open { map: false, left: 1, members: 0 },
            open: spare::take(&OPEN),
            members: spare::take(&MEMBERS),
            nodes: 0,
            suspects: Vec::new(),
        }
    }

    /// Reads one value.
    fn document(&mut self) -> Result<Node, Box<Error>> {
        loop {
            while self.inner.left > 0 {
                if self.inner.map && self.inner.left.is_multiple_of(2) { self.key()? } else { self.item()? }
            }
            match self.open.pop() {
                Some(outer) => self.close(outer)?,
                None => break,
            }
        }
        Ok(self.members.pop().expect("one value was read"))
    }

    fn enter(&mut self, map: bool, left: u64) -> Res {
        if self.open.len() as u64 >= self.limits.depth {
            return Err(self.over("depth"));
        }
        let inner = Open { map, left, members: self.members.len() };
        self.open.push(std::mem::replace(&mut self.inner, inner));
        Ok(())
    }

    /// Adds a member to the innermost container.
    #[inline(always)]
    fn add(&mut self, node: Node) -> Res {
        self.inner.left -= 1;
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.over("nodes"));
        }
        self.members.push(node);
        Ok(())
    }

    /// Adds a number of `N` bytes, if they are there.
    #[inline(always)]
    fn add_number<const N: usize>(&mut self, marker: u8, node: impl Fn([u8; N]) -> Node) -> Res {
        match self.cursor.rest().first_chunk() {
            Some(bytes) => {
                self.cursor.pass(N);
                self.add(node(*bytes))
            }
            None => self.item_rare(marker),
        }
    }

    #[inline(always)]
    fn add_str(&mut self, length: u64) -> Res {
        let (start, bytes) = self.content(length, "a str")?;
        check_utf8(start, bytes)?;
        self.add(Node::Str(Draft::span(start, self.cursor.at())))
    }

    /// Reads the key of a pair, which mostly is a text that was met before.
    #[inline(always)]
    fn key(&mut self) -> Res {
        let length = match self.cursor.peek() {
            Some(marker @ 0xa0..=0xbf) => {
                self.cursor.pass(1);
                u64::from(marker & 0x1f)
            }
            Some(marker @ 0xd9..=0xdb) => {
                self.cursor.pass(1);
                self.str_length(marker)?
            }
            _ => return self.item(),
        };
        let (start, bytes) = self.content(length, "a str")?;
        let span = match self.keys.again(&self.draft, bytes) {
            Some(span) => span,
            None => {
                check_utf8(start, bytes)?;
                self.keys.add(&self.draft, Draft::span(start, self.cursor.at()))
            }
        };
        self.add(Node::Str(span))
    }

    /// Makes the innermost container of its members, and goes on in the one around it.
    fn close(&mut self, outer: Open) -> Res {
        let Open { map, members, .. } = std::mem::replace(&mut self.inner, outer);
        let added = &self.members[members..];
        let id = self.draft.value.container(added);
        if map && !are_distinct(added) {
            self.suspects.push(id);
        }
        self.members.truncate(members);
        self.add(if map { Node::Dict(id) } else { Node::List(id) })
    }

    /// Reads a leaf, or the beginning of a container. What most values are made of stands here.
    #[inline(always)]
    fn item(&mut self) -> Res {
        let Some(marker) = self.cursor.peek() else { return Err(self.ended()) };
        self.cursor.pass(1);
        match marker {
            0xa0..=0xbf => self.add_str(u64::from(marker & 0x1f)),
            0x00..=0x7f => self.add(Node::Int(i64::from(marker))),
            0xe0..=0xff => self.add(Node::Int(i64::from(marker.cast_signed()))),
            0x80..=0x8f => self.begin(true, u64::from(marker & 0x0f)),
            0x90..=0x9f => self.begin(false, u64::from(marker & 0x0f)),
            0xc0 => self.add(Node::None),
            0xc2 | 0xc3 => self.add(Node::Bool(marker == 0xc3)),
            0xcb => self.add_number(marker, |bytes| Node::Float(f64::from_be_bytes(bytes))),
            0xcc => self.add_number(marker, |bytes| Node::Int(i64::from(u8::from_be_bytes(bytes)))),
            0xcd => self.add_number(marker, |bytes| Node::Int(i64::from(u16::from_be_bytes(bytes)))),
            0xce => self.add_number(marker, |bytes| Node::Int(i64::from(u32::from_be_bytes(bytes)))),
            0xd9..=0xdb => {
                let length = self.str_length(marker)?;
                self.add_str(length)
            }
            _ => self.item_rare(marker),
        }
    }

    #[inline(never)]
    fn item_rare(&mut self, marker: u8) -> Res {
        match marker {
            0xdc => self.array_of::<2>(),
            0xdd => self.array_of::<4>(),
            0xde => self.map_of::<2>(),
            0xdf => self.map_of::<4>(),
            0xc1 => {
                let start = self.cursor.at() as u64 - 1;
                Err(Box::new(Error::malformed("msgpack", start, "no value begins with 0xc1")))
            }
            _ => {
                let node = self.leaf(marker)?;
                self.add(node)
            }
        }
    }

    fn begin(&mut self, map: bool, count: u64) -> Res {
        match (map, count) {
            (true, 0) => {
                let id = self.draft.value.container(&[]);
                self.add(Node::Dict(id))
            }
            (false, 0) => {
                let id = self.draft.value.container(&[]);
                self.add(Node::List(id))
            }
            (true, pairs) => self.enter(true, 2 * pairs),
            (false, count) => self.enter(false, count),
        }
    }

    fn array_of<const N: usize>(&mut self) -> Res {
        let count = self.length::<N>("the length of an array")?;
        self.begin(false, count)
    }

    fn map_of<const N: usize>(&mut self) -> Res {
        let count = self.length::<N>("the length of a map")?;
        self.begin(true, count)
    }

    fn leaf(&mut self, marker: u8) -> Result<Node, Error> {
        let int = "an integer";
        Ok(match marker {
            0xc4 => self.bin::<1>()?,
            0xc5 => self.bin::<2>()?,
            0xc6 => self.bin::<4>()?,
            0xc7 => self.ext::<1>()?,
            0xc8 => self.ext::<2>()?,
            0xc9 => self.ext::<4>()?,
            0xca => Node::Float(f64::from(f32::from_be_bytes(self.cursor.array("a float")?))),
            0xcb => Node::Float(f64::from_be_bytes(self.cursor.array("a float")?)),
            0xcc => Node::Int(i64::from(u8::from_be_bytes(self.cursor.array(int)?))),
            0xcd => Node::Int(i64::from(u16::from_be_bytes(self.cursor.array(int)?))),
            0xce => Node::Int(i64::from(u32::from_be_bytes(self.cursor.array(int)?))),
            0xcf => {
                let number = u64::from_be_bytes(self.cursor.array(int)?);
                match i64::try_from(number) {
                    Ok(number) => Node::Int(number),
                    Err(_) => self.draft.integer(&number.into()),
                }
            }
            0xd0 => Node::Int(i64::from(i8::from_be_bytes(self.cursor.array(int)?))),
            0xd1 => Node::Int(i64::from(i16::from_be_bytes(self.cursor.array(int)?))),
            0xd2 => Node::Int(i64::from(i32::from_be_bytes(self.cursor.array(int)?))),
            0xd3 => Node::Int(i64::from_be_bytes(self.cursor.array(int)?)),
            0xd4..=0xd8 => self.ext_of(1 << (marker - 0xd4))?,
            _ => unreachable!("other markers are told apart before"),
        })
    }

    fn str_length(&mut self, marker: u8) -> Result<u64, Error> {
        let what = "the length of a str";
        match marker {
            0xd9 => self.length::<1>(what),
            0xda => self.length::<2>(what),
            _ => self.length::<4>(what),
        }
    }

    /// A big-endian length of `N` bytes.
    fn length<const N: usize>(&mut self, what: &str) -> Result<u64, Error> {
        let bytes: [u8; N] = self.cursor.array(what)?;
        Ok(bytes.into_iter().fold(0, |length, byte| length << 8 | u64::from(byte)))
    }

    /// The bytes of a leaf: they are there, so they cost nothing that was not paid for.
    #[inline(always)]
    fn content(&mut self, length: u64, what: &str) -> Result<(usize, &'a [u8]), Error> {
        let start = self.cursor.at();
        let bytes = self.cursor.take(usize::try_from(length).unwrap_or(usize::MAX), what)?;
        Ok((start, bytes))
    }

    fn bin<const N: usize>(&mut self) -> Result<Node, Error> {
        let length = self.length::<N>("the length of a bin")?;
        let (start, _) = self.content(length, "a bin")?;
        Ok(Node::Bytes(Draft::span(start, self.cursor.at())))
    }

    fn ext<const N: usize>(&mut self) -> Result<Node, Error> {
        let length = self.length::<N>("the length of an extension")?;
        self.ext_of(length)
    }

    fn ext_of(&mut self, length: u64) -> Result<Node, Error> {
        let [kind] = self.cursor.array("the type of an extension")?;
        let kind = kind.cast_signed();
        let (start, bytes) = self.content(length, "an extension")?;
        let timestamp = if kind == TIMESTAMP { timestamp(bytes) } else { None };
        Ok(timestamp.unwrap_or_else(|| Node::Ext(kind, Draft::span(start, self.cursor.at()))))
    }

    #[cold]
    fn over(&self, limit: &'static str) -> Box<Error> {
        Box::new(Error::limit("msgpack", self.cursor.at() as u64, self.limits.exceeded(limit)))
    }

    #[cold]
    fn ended(&mut self) -> Box<Error> {
        let error = self.cursor.array::<1>("a marker").err();
        Box::new(error.expect("nothing is left"))
    }
}

/// That a str at `start` is UTF-8.
#[inline(always)]
fn check_utf8(start: usize, bytes: &[u8]) -> Res {
    if !is_ascii(bytes)
        && let Err(error) = std::str::from_utf8(bytes)
    {
        let offset = (start + error.valid_up_to()) as u64;
        return Err(Box::new(Error::malformed("msgpack", offset, "a str is not UTF-8")));
    }
    Ok(())
}

/// The timestamp in an extension of its type, in one of its three forms. An ill-formed one stays an
/// extension.
fn timestamp(bytes: &[u8]) -> Option<Node> {
    let (seconds, nanoseconds) = match *bytes {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [_, _, _, _, _, _, _, _] => {
            let both = u64::from_be_bytes(*bytes.first_chunk()?);
            (i64::try_from(both & 0x3_ffff_ffff).ok()?, u32::try_from(both >> 34).ok()?)
        }
        [a, b, c, d, ref seconds @ ..] => {
            (i64::from_be_bytes(seconds.try_into().ok()?), u32::from_be_bytes([a, b, c, d]))
        }
        _ => return None,
    };
    (nanoseconds < 1_000_000_000).then_some(Node::Timestamp(seconds, nanoseconds))
}

/// The writing machine: the containers that are being written, each with its next member.
struct Writer<'a> {
    value: &'a Value,
    limits: &'a Limits,
    open: Vec<(Node, &'a [Node], usize)>,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn write(mut self) -> Result<Vec<u8>, Error> {
        self.node(self.value.root())?;
        while let Some((_, members, next)) = self.open.last_mut() {
            let Some(node) = members.get(*next) else {
                self.open.pop();
                continue;
            };
            *next += 1;
            self.node(*node)?;
            // A shared container is written each time, so this is what bounds the work.
            if self.out.len() as u64 > self.limits.decoded {
                return Err(Error::limit("msgpack", None, self.limits.exceeded("decoded")));
            }
        }
        Ok(self.out)
    }

    fn node(&mut self, node: Node) -> Result<(), Error> {
        match node {
            Node::None => self.out.push(0xc0),
            Node::Bool(truth) => self.out.push(0xc2 + u8::from(truth)),
            Node::Int(number) => self.int(number),
            Node::Big(span) => match u64::try_from(self.value.big(span)) {
                Ok(number) => self.tagged(0xcf, number.to_be_bytes()),
                Err(_) => return Err(self.unfit("an integer beyond 64 bits")),
            },
            Node::Float(float) => self.tagged(0xcb, float.to_be_bytes()),
            Node::Str(span) => {
                let text = self.value.text(span);
                if std::str::from_utf8(text).is_err() {
                    return Err(self.unfit("text with a lone surrogate"));
                }
                self.header(text.len(), Some((0xa0, 31)), [Some(0xd9), Some(0xda), Some(0xdb)]);
                self.out.extend_from_slice(text);
            }
            Node::Bytes(span) => {
                let bytes = self.value.text(span);
                self.header(bytes.len(), None, [Some(0xc4), Some(0xc5), Some(0xc6)]);
                self.out.extend_from_slice(bytes);
            }
            Node::List(id) => {
                let members = self.value.members(id);
                self.enter(node, members)?;
                self.header(members.len(), Some((0x90, 15)), [None, Some(0xdc), Some(0xdd)]);
            }
            Node::Dict(id) => {
                let members = self.value.members(id);
                self.enter(node, members)?;
                self.header(members.len() / 2, Some((0x80, 15)), [None, Some(0xde), Some(0xdf)]);
            }
            Node::Ext(kind, span) => self.ext(kind, self.value.text(span)),
            Node::Timestamp(seconds, nanoseconds) => self.timestamp(seconds, nanoseconds),
            other => return Err(self.unfit(kind(other))),
        }
        Ok(())
    }

    fn int(&mut self, number: i64) {
        let bytes = number.to_be_bytes();
        let [.., e, f, g, h] = bytes;
        match number {
            -32..=127 => self.out.push(h),
            128..=0xff => self.tagged(0xcc, [h]),
            0x100..=0xffff => self.tagged(0xcd, [g, h]),
            0x1_0000..=0xffff_ffff => self.tagged(0xce, [e, f, g, h]),
            0x1_0000_0000.. => self.tagged(0xcf, bytes),
            -0x80..=-33 => self.tagged(0xd0, [h]),
            -0x8000..=-0x81 => self.tagged(0xd1, [g, h]),
            -0x8000_0000..=-0x8001 => self.tagged(0xd2, [e, f, g, h]),
            _ => self.tagged(0xd3, bytes),
        }
    }

    fn ext(&mut self, kind: i8, content: &[u8]) {
        match content.len() {
            1 => self.out.push(0xd4),
            2 => self.out.push(0xd5),
            4 => self.out.push(0xd6),
            8 => self.out.push(0xd7),
            16 => self.out.push(0xd8),
            length => self.header(length, None, [Some(0xc7), Some(0xc8), Some(0xc9)]),
        }
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(content);
    }

    /// In the shortest of the three forms that holds it.
    fn timestamp(&mut self, seconds: i64, nanoseconds: u32) {
        match (u32::try_from(seconds), nanoseconds) {
            (Ok(seconds), 0) => self.ext(TIMESTAMP, &seconds.to_be_bytes()),
            _ if (0..1 << 34).contains(&seconds) => {
                let both = u64::from(nanoseconds) << 34 | seconds.cast_unsigned();
                self.ext(TIMESTAMP, &both.to_be_bytes());
            }
            _ => self.ext(TIMESTAMP, &[&nanoseconds.to_be_bytes()[..], &seconds.to_be_bytes()].concat()),
        }
    }

    fn tagged<const N: usize>(&mut self, marker: u8, bytes: [u8; N]) {
        self.out.push(marker);
        self.out.extend_from_slice(&bytes);
    }

    /// The shortest header for a length: inside a marker up to some most, else after one of the
    /// markers for 8, 16 and 32 bits.
    fn header(&mut self, length: usize, fixed: Option<(u8, u8)>, markers: [Option<u8>; 3]) {
        let length = u32::try_from(length).expect("a value's text and members are counted in 32 bits");
        let [a, b, c, d] = length.to_be_bytes();
        match (fixed, markers) {
            (Some((marker, most)), _) if length <= u32::from(most) => self.out.push(marker | d),
            (_, [Some(marker), ..]) if length <= 0xff => self.tagged(marker, [d]),
            (_, [_, Some(marker), _]) if length <= 0xffff => self.tagged(marker, [c, d]),
            (_, [_, _, Some(marker)]) => self.tagged(marker, [a, b, c, d]),
            _ => unreachable!("every kind has a marker for 32 bits"),
        }
    }

    /// Goes on with the members of a container. A value that contains itself ends here, too.
    fn enter(&mut self, node: Node, members: &'a [Node]) -> Result<(), Error> {
        if self.open.len() as u64 >= self.limits.depth {
            return Err(Error::limit("msgpack", None, self.limits.exceeded("depth")));
        }
        self.open.push((node, members, 0));
        Ok(())
    }

    #[cold]
    fn unfit(&self, what: &str) -> Error {
        Error::unfit("msgpack", format!("it cannot hold {what}, which stands at {}", self.path()))
    }

    /// Where the writer is: `$.a[0]`.
    fn path(&self) -> String {
        let mut path = b"$".to_vec();
        for (node, members, next) in &self.open {
            let at = next - 1;
            match node {
                Node::Dict(_) if at % 2 == 0 => path.extend_from_slice(format!(" (key {})", at / 2).as_bytes()),
                Node::Dict(_) => match members[at - 1] {
                    Node::Str(span) => push_step(Ok(self.value.text(span)), &mut path),
                    _ => path.extend_from_slice(format!("[key {}]", at / 2).as_bytes()),
                },
                _ => push_step(Err(at), &mut path),
            }
        }
        String::from_utf8_lossy(&path).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<(Value, Vec<String>), String> {
        let mut notes = Vec::new();
        let value = Msgpack.decode(bytes.to_vec(), &Limits::DEFAULT, &mut notes);
        value.map(|value| (value, notes)).map_err(|error| error.to_string())
    }

    fn encode(value: &Value) -> Result<Vec<u8>, String> {
        Msgpack.encode(value, &Parameters::default(), &Limits::DEFAULT).map_err(|error| error.to_string())
    }

    fn of(node: Node) -> Value {
        let mut value = Value::over(Vec::new());
        value.set_root(node);
        value
    }

    #[test]
    fn numbers_take_their_shortest_form() {
        for (number, bytes) in [
            (0, &b"\x00"[..]),
            (127, b"\x7f"),
            (128, b"\xcc\x80"),
            (255, b"\xcc\xff"),
            (256, b"\xcd\x01\x00"),
            (65_536, b"\xce\x00\x01\x00\x00"),
            (1 << 32, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
            (i64::MAX, b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
            (-1, b"\xff"),
            (-32, b"\xe0"),
            (-33, b"\xd0\xdf"),
            (-128, b"\xd0\x80"),
            (-129, b"\xd1\xff\x7f"),
            (-32_769, b"\xd2\xff\xff\x7f\xff"),
            (-(1 << 31), b"\xd2\x80\x00\x00\x00"),
            (-(1 << 31) - 1, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
            (i64::MIN, b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
        ] {
            assert_eq!(encode(&of(Node::Int(number))).unwrap(), bytes, "{number}");
            assert_eq!(decode(bytes).unwrap().0.root(), Node::Int(number));
        }
        let most = b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff";
        let (value, _) = decode(most).unwrap();
        assert!(matches!(value.root(), Node::Big(_)));
        assert_eq!(encode(&value).unwrap(), most);
        assert_eq!(decode(b"\xca\x3f\x80\x00\x00").unwrap().0.root(), Node::Float(1.0));
        assert_eq!(encode(&of(Node::Float(1.0))).unwrap(), b"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00");
    }

    #[test]
    fn lengths_take_their_shortest_form_and_come_back() {
        for length in [0, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
            for value in [Value::of_str(vec![b'a'; length]), Value::of_bytes(vec![0xff; length])] {
                let bytes = encode(&value).unwrap();
                assert!(decode(&bytes).unwrap().0.same(&value), "{length}");
            }
            let mut value = Value::over(Vec::new());
            let mut pairs = Vec::new();
            for n in 0..length {
                pairs.extend([Node::Str(value.push_text(n.to_string().as_bytes())), Node::None]);
            }
            let (list, dict) = (value.container(&vec![Node::Bool(true); length]), value.container(&pairs));
            let both = value.container(&[Node::List(list), Node::Dict(dict)]);
            value.set_root(Node::List(both));
            assert!(decode(&encode(&value).unwrap()).unwrap().0.same(&value), "{length}");
        }
    }

    #[test]
    fn every_marker_reads_and_the_shortest_form_is_written_back() {
        for (bytes, again) in [
            (&b"\xc0"[..], &b"\xc0"[..]),
            (b"\x93\xc2\xc3\xc0", b"\x93\xc2\xc3\xc0"),
            (b"\xd9\x01a", b"\xa1a"),
            (b"\xda\x00\x01a", b"\xa1a"),
            (b"\xdb\x00\x00\x00\x01a", b"\xa1a"),
            (b"\xc5\x00\x01a", b"\xc4\x01a"),
            (b"\xc6\x00\x00\x00\x01a", b"\xc4\x01a"),
            (b"\xdc\x00\x01\x05", b"\x91\x05"),
            (b"\xdd\x00\x00\x00\x01\x05", b"\x91\x05"),
            (b"\xde\x00\x01\xa1a\x05", b"\x81\xa1a\x05"),
            (b"\xdf\x00\x00\x00\x01\xa1a\x05", b"\x81\xa1a\x05"),
            (b"\xd3\x00\x00\x00\x00\x00\x00\x00\x05", b"\x05"),
            (b"\x83\x01\xc0\x91\x02\xc0\xc4\x01a\x80", b"\x83\x01\xc0\x91\x02\xc0\xc4\x01a\x80"),
            (b"\xd4\x05a", b"\xd4\x05a"),
            (b"\xd5\x05ab", b"\xd5\x05ab"),
            (b"\xd8\x050123456789abcdef", b"\xd8\x050123456789abcdef"),
            (b"\xc7\x01\x05a", b"\xd4\x05a"),
            (b"\xc7\x00\x05", b"\xc7\x00\x05"),
            (b"\xc8\x00\x03\x80abc", b"\xc7\x03\x80abc"),
            (b"\xc9\x00\x00\x00\x03\x80abc", b"\xc7\x03\x80abc"),
        ] {
            let (value, _) = decode(bytes).unwrap();
            assert_eq!(encode(&value).unwrap(), again, "{}", bytes.escape_ascii());
            for cut in 0..bytes.len() {
                assert!(decode(&bytes[..cut]).unwrap_err().contains("cut short"));
            }
        }
    }

    #[test]
    fn timestamps_take_the_smallest_of_three_forms() {
        for (seconds, nanoseconds, length) in [
            (0, 0, 6),
            (u32::MAX.into(), 0, 6),
            (1 << 32, 0, 10),
            (1, 1, 10),
            ((1 << 34) - 1, 999_999_999, 10),
            (1 << 34, 0, 15),
            (-1, 0, 15),
            (i64::MIN, 999_999_999, 15),
        ] {
            let node = Node::Timestamp(seconds, nanoseconds);
            let bytes = encode(&of(node)).unwrap();
            assert_eq!((bytes.len(), decode(&bytes).unwrap().0.root()), (length, node));
        }
        let late = b"\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff";
        assert!(matches!(decode(late).unwrap().0.root(), Node::Ext(-1, _)), "more nanoseconds than a second has");
        assert!(matches!(decode(b"\xd4\xffa").unwrap().0.root(), Node::Ext(-1, _)));
    }

    #[test]
    fn what_is_wrong_is_said_with_the_place() {
        for (bytes, part) in [
            (&b""[..], "a marker takes 1 bytes, and 0 are left at byte 0"),
            (b"\x91\xc1", "no value begins with 0xc1 at byte 1"),
            (b"\xa3a\xffb", "a str is not UTF-8 at byte 2"),
            (b"\xa3\xed\xa0\x80", "a str is not UTF-8 at byte 1"),
            (b"\xdd\xff\xff\xff\xff", "cut short"),
            (b"\xdf\xff\xff\xff\xff\xc0", "cut short"),
            (b"\xc6\xff\xff\xff\xff", "a bin takes 4294967295 bytes, and 0 are left at byte 5"),
        ] {
            let error = decode(bytes).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        let (_, notes) = decode(b"\x01\x02\x03").unwrap();
        assert!(notes[0].starts_with("2 bytes after the value"), "{notes:?}");
    }

    #[test]
    fn the_last_of_equal_keys_wins_and_is_noted() {
        for (bytes, again) in [
            (&b"\x82\xa1a\x01\xa1a\x02"[..], &b"\x81\xa1a\x02"[..]),
            (b"\x83\x01\x01\xc3\x02\xa1a\x03", b"\x82\x01\x02\xa1a\x03"),
        ] {
            let (value, notes) = decode(bytes).unwrap();
            assert_eq!(encode(&value).unwrap(), again);
            assert!(notes[0].starts_with("1 repeated key"), "{notes:?}");
        }
    }

    #[test]
    fn what_it_cannot_hold_is_refused_with_the_path() {
        let mut value = Value::of_str(*b"\xed\xa0\x80");
        let text = Node::Str(value.whole());
        let (a, odd) = (value.push_text(b"a"), value.push_text(b"b c"));
        let tuple = Node::Tuple(value.container(&[]));
        let big = Node::Big(value.push_text(&[0; 9]));
        let huge = Node::Big(value.push_text(&[1; 10]));
        let array = value.byte_array(b"");
        for (node, what) in [(text, "surrogate"), (tuple, "a tuple"), (huge, "64 bits"), (array, "a bytearray")] {
            let list = value.container(&[big, node]);
            let inner = value.container(&[Node::Str(odd), Node::None, Node::Str(a), Node::List(list)]);
            value.set_root(Node::Dict(inner));
            let error = encode(&value).unwrap_err();
            assert!(error.contains(what) && error.ends_with("at $.a[1]"), "{error}");
        }
        let dict = value.container(&[Node::Str(odd), tuple]);
        value.set_root(Node::Dict(dict));
        assert!(encode(&value).unwrap_err().ends_with("at $[\"b c\"]"));
        let dict = value.container(&[tuple, text]);
        value.set_root(Node::Dict(dict));
        assert!(encode(&value).unwrap_err().ends_with("at $ (key 0)"));
    }

    #[test]
    fn depth_nodes_and_output_are_limited() {
        let deep = |levels: usize| [vec![0x91; levels], vec![0xc0]].concat();
        let (value, _) = decode(&deep(1024)).unwrap();
        assert_eq!(encode(&value).unwrap(), deep(1024));
        assert!(decode(&deep(1025)).unwrap_err().contains("`depth`"));
        let limits = Limits { nodes: 10, ..Limits::DEFAULT };
        let error = Msgpack.decode(vec![0x91 + 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &limits, &mut Vec::new());
        assert!(error.unwrap_err().to_string().contains("`nodes`"));
        let mut cycle = Value::over(Vec::new());
        let list = cycle.container(&[]);
        cycle.extend(list, &[Node::List(list)]);
        cycle.set_root(Node::List(list));
        assert!(encode(&cycle).unwrap_err().contains("`depth`"));
        let mut wide = Value::over(Vec::new());
        let mut node = Node::None;
        for _ in 0..60 {
            node = Node::List(wide.container(&[node, node]));
        }
        wide.set_root(node);
        let limits = Limits { decoded: 1 << 16, ..Limits::DEFAULT };
        let error = Msgpack.encode(&wide, &Parameters::default(), &limits).unwrap_err().to_string();
        assert!(error.contains("`decoded`"), "{error}");
    }

    #[test]
    fn what_ormsgpack_refuses_is_known() {
        for (bytes, what) in [
            (&b"\x81\xa1a\x91\x01"[..], None),
            (b"\x91\xd4\x05a", Some("an extension")),
            (b"\x81\xa1a\xd6\xff\x00\x00\x00\x00", Some("a timestamp")),
            (b"\x91\x81\x01\x01", Some("a map key that is not text")),
        ] {
            assert_eq!(unreadable_by_ormsgpack(&decode(bytes).unwrap().0), what);
        }
    }
}
