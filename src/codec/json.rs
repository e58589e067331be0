//! `json`: what Python's `json` module reads and writes (CPython 3.11, `Modules/_json.c`).
//!
//! Its dialect is wider than JSON: `NaN` and the infinities, lone surrogates, integers of any size,
//! UTF-16 and UTF-32 (`json.detect_encoding`). Equal keys of one document are one object there, so
//! they get one span here. The reader is a loop with a stack of its own, and its text stays where
//! it was read unless an escape has to be undone. It does not know how values are written:
//! [`crate::value::json`] does.

use num_bigint::BigInt;

use super::cursor::Cursor;
use super::keys::{Keys, are_distinct, drop_repeated};
use super::{Error, Parameters, Row, Serializer, Work};
use crate::limits::Limits;
use crate::value::code_point::{invalid_at, push_code_point};
use crate::value::draft::{Draft, Drafted};
use crate::value::json::{Escape, write};
use crate::value::print::PrintError;
use crate::value::scalar::DIGITS_MAX;
use crate::value::{Id, Node, Span, Value};

/// The row of `json`.
pub const ROW: Row = Row {
    names: &["json"],
    about: "JSON as Python's json module reads and writes it",
    parameters: &[],
    work: Work::Serializer(&Json),
};

pub(super) struct Json;

impl Serializer for Json {
    fn encode(&self, value: &Value, _: &Parameters, limits: &Limits) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        write(value, Escape::Ascii, limits, &mut out).map_err(|error| match error {
            PrintError::Limit(exceeded) => Error::limit("json", None, exceeded),
            other => Error::unfit("json", other.to_string()),
        })?;
        Ok(out)
    }

    fn decode(&self, bytes: Vec<u8>, limits: &Limits, notes: &mut Vec<String>) -> Result<Value, Error> {
        let bytes = utf8(bytes, notes)?;
        limits.check("decoded", bytes.len() as u64).map_err(|exceeded| Error::limit("json", None, exceeded))?;
        let (drafted, suspects) = Reader::new(&bytes, limits).document()?;
        let mut value = drafted.over(bytes);
        drop_repeated(&suspects, &mut value, notes);
        Ok(value)
    }

    fn is_text(&self) -> bool {
        true
    }
}

/// The bytes as UTF-8 in which surrogates may stand, decoded as `json.detect_encoding` says.
fn utf8(bytes: Vec<u8>, notes: &mut Vec<String>) -> Result<Vec<u8>, Error> {
    let (name, text) = match bytes.as_slice() {
        [0, 0, 0xfe, 0xff, rest @ ..] => ("UTF-32", utf32(rest, u32::from_be_bytes)?),
        [0xff, 0xfe, 0, 0, rest @ ..] => ("UTF-32", utf32(rest, u32::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => ("UTF-16", utf16(rest, u16::from_be_bytes)?),
        [0xff, 0xfe, rest @ ..] => ("UTF-16", utf16(rest, u16::from_le_bytes)?),
        [0xef, 0xbb, 0xbf, ..] => ("", Vec::new()),
        [0, 0, _, _, ..] => ("UTF-32", utf32(&bytes, u32::from_be_bytes)?),
        [0, _, _, _, ..] | [0, _] => ("UTF-16", utf16(&bytes, u16::from_be_bytes)?),
        [_, 0, 0, 0, ..] => ("UTF-32", utf32(&bytes, u32::from_le_bytes)?),
        [_, 0, _, _, ..] | [_, 0] => ("UTF-16", utf16(&bytes, u16::from_le_bytes)?),
        _ => ("", Vec::new()),
    };
    if name.is_empty() {
        return match invalid_at(&bytes) {
            None => Ok(bytes),
            Some(offset) => Err(Error::malformed("json", offset as u64, "the text is not UTF-8")),
        };
    }
    notes.push(format!("the text is {name}"));
    Ok(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<u8>, Error> {
    let (units, cut) = bytes.as_chunks::<2>();
    if !cut.is_empty() {
        return Err(Error::malformed("json", bytes.len() as u64, "cut short: UTF-16 text has an odd length"));
    }
    let mut out = Vec::with_capacity(units.len());
    for item in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
        let code = item.map_or_else(|lone| lone.unpaired_surrogate().into(), u32::from);
        push_code_point(code, &mut out);
    }
    Ok(out)
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Result<Vec<u8>, Error> {
    let (units, cut) = bytes.as_chunks::<4>();
    if !cut.is_empty() {
        return Err(Error::malformed("json", bytes.len() as u64, "cut short: UTF-32 text ends inside a character"));
    }
    let mut out = Vec::with_capacity(units.len());
    for (bytes, index) in units.iter().zip(0_u64..) {
        let code = unit(*bytes);
        if code > u32::from(char::MAX) {
            return Err(Error::malformed("json", 4 * index, format!("no UTF-32 character is numbered {code:#x}")));
        }
        push_code_point(code, &mut out);
    }
    Ok(out)
}

/// The machine: what is open, and what was read of it.
struct Reader<'a> {
    cursor: Cursor<'a>,
    draft: Draft<'a>,
    limits: &'a Limits,
    keys: Keys,
    open: Vec<Open>,
    /// The members of all open containers, the innermost last.
    members: Vec<Node>,
    nodes: u64,
    /// Dicts that may have equal keys.
    suspects: Vec<Id>,
    /// Where strings are unescaped.
    scratch: Vec<u8>,
}

/// A list or dict that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    dict: bool,
    /// Where its members start.
    members: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], limits: &'a Limits) -> Reader<'a> {
        Reader {
            cursor: Cursor::new("json", bytes),
            draft: Draft::new(bytes),
            limits,
            keys: Keys::default(),
            open: Vec::with_capacity(16),
            members: Vec::with_capacity(64),
            nodes: 0,
            suspects: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Reads one value and nothing after it. Returns it with the dicts that may have equal keys.
    fn document(mut self) -> Result<(Drafted, Vec<Id>), Error> {
        if self.cursor.rest().starts_with(b"\xef\xbb\xbf") {
            self.cursor.pass(3);
        }
        let root = loop {
            let Some(mut node) = self.value()? else { continue };
            while let Some(open) = self.open.last().copied() {
                self.push(node)?;
                if self.goes_on(open.dict)? {
                    break;
                }
                node = self.close();
            }
            if self.open.is_empty() {
                break node;
            }
        };
        self.blanks();
        match self.cursor.peek() {
            None => Ok((self.draft.finish(root), self.suspects)),
            Some(_) => Err(self.cursor.wrong("something follows the value")),
        }
    }

    /// The next value, if it is complete; `None` when it is a container whose first member follows.
    fn value(&mut self) -> Result<Option<Node>, Error> {
        self.blanks();
        match self.cursor.peek() {
            Some(b'"') => Ok(Some(Node::Str(self.string()?))),
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
            Some(b'[') => self.enter(false),
            Some(b'{') => self.enter(true),
            Some(b't') => self.literal("true", Node::Bool(true)),
            Some(b'f') => self.literal("false", Node::Bool(false)),
            Some(b'n') => self.literal("null", Node::None),
            Some(b'N') => self.literal("NaN", Node::Float(f64::NAN)),
            Some(b'I') => self.literal("Infinity", Node::Float(f64::INFINITY)),
            _ => Err(self.expected("a value")),
        }
    }

    fn enter(&mut self, dict: bool) -> Result<Option<Node>, Error> {
        if self.open.len() as u64 >= self.limits.depth {
            return Err(self.over("depth"));
        }
        self.cursor.pass(1);
        self.open.push(Open { dict, members: self.members.len() });
        self.blanks();
        if self.cursor.eat(if dict { b'}' } else { b']' }) {
            return Ok(Some(self.close()));
        }
        if dict {
            self.key()?;
        }
        Ok(None)
    }

    /// After a member: passes over the comma (and the next key), or over the closing bracket.
    fn goes_on(&mut self, dict: bool) -> Result<bool, Error> {
        self.blanks();
        if self.cursor.eat(b',') {
            if dict {
                self.blanks();
                self.key()?;
            }
            return Ok(true);
        }
        match (dict, self.cursor.peek()) {
            (false, Some(b']')) | (true, Some(b'}')) => self.cursor.pass(1),
            (false, _) => return Err(self.expected("`,` or `]`")),
            (true, _) => return Err(self.expected("`,` or `}`")),
        }
        Ok(false)
    }

    fn key(&mut self) -> Result<(), Error> {
        if self.cursor.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let span = self.string()?;
        let span = self.keys.add(&self.draft, span);
        self.push(Node::Str(span))?;
        self.blanks();
        if self.cursor.eat(b':') { Ok(()) } else { Err(self.expected("`:` after a key")) }
    }

    fn push(&mut self, node: Node) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.over("nodes"));
        }
        self.members.push(node);
        Ok(())
    }

    fn close(&mut self) -> Node {
        let Open { dict, members } = self.open.pop().expect("only an open container is closed");
        let added = &self.members[members..];
        let id = self.draft.value.container(added);
        if dict && !are_distinct(added) {
            self.suspects.push(id);
        }
        self.members.truncate(members);
        if dict { Node::Dict(id) } else { Node::List(id) }
    }

    /// The text of the string that starts here.
    fn string(&mut self) -> Result<Span, Error> {
        self.cursor.pass(1);
        let start = self.cursor.at();
        self.cursor.pass(plain(self.cursor.rest()));
        if self.cursor.peek() != Some(b'"') {
            return self.escaped(start);
        }
        let end = self.cursor.at();
        self.cursor.pass(1);
        Ok(Draft::span(start, end))
    }

    /// The rest of a string that is more than plain text.
    fn escaped(&mut self, start: usize) -> Result<Span, Error> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend_from_slice(self.cursor.since(start));
        loop {
            match self.cursor.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut scratch)?,
                Some(_) => return Err(self.cursor.wrong("a string holds a control character as it is")),
                None => return Err(Error::malformed("json", start as u64 - 1, "cut short: a string is not closed")),
            }
            let run = plain(self.cursor.rest());
            scratch.extend_from_slice(self.cursor.take(run, "text")?);
        }
        self.cursor.pass(1);
        let span = self.draft.push_text(&scratch);
        self.scratch = scratch;
        Ok(span)
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let [_, kind] = self.cursor.array("an escape")?;
        out.push(match kind {
            b'"' | b'\\' | b'/' => kind,
            b'b' => b'\x08',
            b'f' => b'\x0c',
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let code = self.hex()?;
                let joined = match code {
                    0xd800..=0xdbff => self.low_surrogate()?.map(|low| 0x1_0000 + ((code & 0x3ff) << 10 | low & 0x3ff)),
                    _ => None,
                };
                push_code_point(joined.unwrap_or(code), out);
                return Ok(());
            }
            _ => return Err(self.cursor.wrong("an escape ends here that JSON does not have")),
        });
        Ok(())
    }

    /// Passes over the escape of a low surrogate, if one follows.
    fn low_surrogate(&mut self) -> Result<Option<u32>, Error> {
        let mut ahead = self.cursor.clone();
        if !(ahead.eat(b'\\') && ahead.eat(b'u')) {
            return Ok(None);
        }
        std::mem::swap(&mut self.cursor, &mut ahead);
        match self.hex()? {
            low @ 0xdc00..=0xdfff => Ok(Some(low)),
            _ => {
                self.cursor = ahead;
                Ok(None)
            }
        }
    }

    fn hex(&mut self) -> Result<u32, Error> {
        let digits: [u8; 4] = self.cursor.array("the number of a character")?;
        digits.into_iter().try_fold(0, |code, digit| {
            let digit =
                char::from(digit).to_digit(16).ok_or_else(|| self.cursor.wrong("`\\u` takes four hex digits"))?;
            Ok(code << 4 | digit)
        })
    }

    fn number(&mut self) -> Result<Node, Error> {
        let start = self.cursor.at();
        let negative = self.cursor.eat(b'-');
        if negative && self.cursor.rest().starts_with(b"Infinity") {
            self.cursor.pass(8);
            return Ok(Node::Float(f64::NEG_INFINITY));
        }
        let zero = self.cursor.peek() == Some(b'0');
        let digits = self.cursor.pass_while(|byte| byte.is_ascii_digit());
        if digits == 0 {
            return Err(self.expected("a digit"));
        }
        if zero && digits > 1 {
            return Err(Error::malformed("json", start as u64, "a number starts with a needless 0"));
        }
        let whole = self.cursor.at();
        if self.cursor.eat(b'.') && self.cursor.pass_while(|byte| byte.is_ascii_digit()) == 0 {
            return Err(self.expected("a digit after the point"));
        }
        if self.cursor.eat(b'e') || self.cursor.eat(b'E') {
            let _ = self.cursor.eat(b'-') || self.cursor.eat(b'+');
            if self.cursor.pass_while(|byte| byte.is_ascii_digit()) == 0 {
                return Err(self.expected("a digit of the exponent"));
            }
        }
        let text = self.cursor.since(start);
        if self.cursor.at() == whole {
            return self.integer(text, start, digits);
        }
        let text = std::str::from_utf8(text).expect("digits are ASCII");
        Ok(Node::Float(text.parse().expect("digits, a point and an exponent are a float")))
    }

    fn integer(&mut self, text: &[u8], start: usize, digits: usize) -> Result<Node, Error> {
        if digits <= 18 {
            let small = text.iter().fold(0, |sum, digit| match digit {
                b'-' => sum,
                _ => 10 * sum + i64::from(digit - b'0'),
            });
            return Ok(Node::Int(if text.starts_with(b"-") { -small } else { small }));
        }
        if digits > DIGITS_MAX {
            let message = format!("an integer of {digits} digits: Python reads {DIGITS_MAX} at most");
            return Err(Error::malformed("json", start as u64, message));
        }
        if (digits * 5 / 12) as u64 > self.limits.integer {
            return Err(Error::limit("json", start as u64, self.limits.exceeded("integer")));
        }
        let number = BigInt::parse_bytes(text, 10).expect("digits are an integer");
        Ok(self.draft.integer(&number))
    }

    fn literal(&mut self, text: &str, node: Node) -> Result<Option<Node>, Error> {
        if !self.cursor.rest().starts_with(text.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.cursor.pass(text.len());
        Ok(Some(node))
    }

    #[inline]
    fn blanks(&mut self) {
        self.cursor.pass_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    }

    #[cold]
    fn expected(&self, what: &str) -> Error {
        match self.cursor.peek() {
            None => self.cursor.wrong(format!("cut short: expected {what}")),
            Some(byte @ b' '..=b'~') => self.cursor.wrong(format!("expected {what}, not `{}`", char::from(byte))),
            Some(byte) => self.cursor.wrong(format!("expected {what}, not {byte:#04x}")),
        }
    }

    #[cold]
    fn over(&self, limit: &'static str) -> Error {
        Error::limit("json", self.cursor.at() as u64, self.limits.exceeded(limit))
    }
}

/// How many bytes there are before the first quote, backslash or control character. Eight at a
/// time: a byte of the word is found by the borrow that its subtraction leaves in its highest bit,
/// which is exact for the lowest byte found.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let equal = |byte: u8| {
            let other = word ^ (ONES * u64::from(byte));
            other.wrapping_sub(ONES) & !other
        };
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let found = (equal(b'"') | equal(b'\\') | control) & HIGHS;
        if found != 0 {
            return 8 * index + found.trailing_zeros() as usize / 8;
        }
    }
    8 * words.len() + tail.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: impl AsRef<[u8]>) -> Result<(Value, Vec<String>), String> {
        let mut notes = Vec::new();
        let value = Json.decode(text.as_ref().to_vec(), &Limits::DEFAULT, &mut notes);
        value.map(|value| (value, notes)).map_err(|error| error.to_string())
    }

    fn again(text: impl AsRef<[u8]>) -> String {
        let (value, _) = decode(text).unwrap();
        String::from_utf8(Json.encode(&value, &Parameters::default(), &Limits::DEFAULT).unwrap()).unwrap()
    }

    #[test]
    fn values_are_read_as_python_reads_them() {
        for (text, expected) in [
            ("null", "null"),
            (" \t\r\n[ true , false ]\n", "[true, false]"),
            ("-0", "0"),
            ("-0.0", "-0.0"),
            ("1e400", "Infinity"),
            ("[NaN,-Infinity,Infinity]", "[NaN, -Infinity, Infinity]"),
            ("999999999999999999", "999999999999999999"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775808", "9223372036854775808"),
            ("1E5", "100000.0"),
            ("1.0e-7", "1e-07"),
            (r#""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00""#, r#""\"\\/\b\f\n\r\tA\u00e9\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ud83d""#),
            (r#""\ud83d\u0041""#, r#""\ud83dA""#),
            (r#""\ude00\ud83d\ud83d\ude00""#, r#""\ude00\ud83d\ud83d\ude00""#),
            ("\"\u{7f}é😀\"", r#""\u007f\u00e9\ud83d\ude00""#),
            ("{}", "{}"),
            (r#"{"a": [], "b": {"a": {}}}"#, r#"{"a": [], "b": {"a": {}}}"#),
            ("\u{feff}[1]", "[1]"),
        ] {
            assert_eq!(again(text), expected, "{text}");
        }
        assert_eq!(again(b"\"\xed\xa0\xbd\""), r#""\ud83d""#);
    }

    #[test]
    fn other_encodings_are_detected_as_python_detects_them() {
        let text = "{\"é😀\": 1}";
        let expected = r#"{"\u00e9\ud83d\ude00": 1}"#;
        let le16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let be16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        let le32 = |text: &str| text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<_>>();
        let be32 = |text: &str| text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<_>>();
        for encode in [le16, be16, le32, be32] as [fn(&str) -> Vec<u8>; 4] {
            assert_eq!(again(encode(text)), expected);
            assert_eq!(again(encode(&format!("\u{feff}{text}"))), expected);
            assert_eq!(again(encode("7")), "7");
            let cut = encode(text);
            assert!(decode(&cut[..cut.len() - 1]).is_err());
        }
        assert_eq!(again(b"\"\0\x3d\xd8\"\0"), r#""\ud83d""#);
        assert!(decode(b"\"\0\0\0\0\0\x11\0\"\0\0\0").unwrap_err().contains("0x110000 at byte 4"));
    }

    #[test]
    fn what_python_refuses_is_refused_with_the_place() {
        for (text, part) in [
            ("", "cut short: expected a value at byte 0"),
            (" ", "cut short: expected a value at byte 1"),
            ("[1,]", "expected a value, not `]` at byte 3"),
            ("{\"a\":1,}", "expected a key in double quotes, not `}` at byte 7"),
            ("{a: 1}", "expected a key in double quotes, not `a` at byte 1"),
            ("{\"a\" 1}", "expected `:` after a key, not `1` at byte 5"),
            ("[1 2]", "expected `,` or `]`, not `2` at byte 3"),
            ("[1}", "expected `,` or `]`, not `}` at byte 2"),
            ("{\"a\": 1]", "expected `,` or `}`, not `]` at byte 7"),
            ("01", "needless 0 at byte 0"),
            ("-", "cut short: expected a digit at byte 1"),
            ("1.", "a digit after the point at byte 2"),
            ("1.e5", "a digit after the point, not `e` at byte 2"),
            ("1e+", "a digit of the exponent at byte 3"),
            ("+1", "expected a value, not `+` at byte 0"),
            ("nul", "expected a value, not `n` at byte 0"),
            ("-NaN", "expected a digit, not `N` at byte 1"),
            ("1 2", "something follows the value at byte 2"),
            ("\"a", "a string is not closed at byte 0"),
            ("\"a\nb\"", "control character as it is at byte 2"),
            ("\"\\x\"", "an escape ends here that JSON does not have at byte 3"),
            ("\"\\u12g4\"", "four hex digits"),
            ("\"\\u+123\"", "four hex digits"),
            ("\u{a0}1", "expected a value, not 0xc2 at byte 0"),
        ] {
            let error = decode(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert_eq!(decode(b"[\"\xff\"]").unwrap_err(), "json: the text is not UTF-8 at byte 2");
        assert!(decode("9".repeat(4300)).is_ok());
        assert!(decode("9".repeat(4301)).unwrap_err().contains("4301 digits"));
    }

    #[test]
    fn a_document_cut_short_at_any_byte_is_refused() {
        let text = r#"{"a": [1.5e3, "x\u00e9\ud83d\ude00"], "b": {"c": null, "a": true}}"#;
        for cut in 0..text.len() {
            assert!(decode(&text[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn equal_keys_share_their_span_and_values_do_not() {
        let (value, _) = decode(r#"[{"key": "key"}, {"\u006bey": 1}, {"key": "key"}]"#).unwrap();
        let Node::List(list) = value.root() else { panic!() };
        let pairs: Vec<&[Node]> = value
            .members(list)
            .iter()
            .map(|node| match node {
                Node::Dict(id) => value.members(*id),
                _ => panic!(),
            })
            .collect();
        assert_eq!(pairs[0][0], pairs[1][0]);
        assert_eq!(pairs[0][0], pairs[2][0]);
        assert_ne!(pairs[0][0], pairs[0][1]);
        assert_ne!(pairs[0][1], pairs[2][1]);
    }

    #[test]
    fn the_last_of_equal_keys_wins_and_is_noted() {
        let (value, notes) = decode(r#"{"a": 1, "b": {"a": 2}, "a": 3, "a": 4}"#).unwrap();
        let out = Json.encode(&value, &Parameters::default(), &Limits::DEFAULT).unwrap();
        assert_eq!(out, br#"{"a": 4, "b": {"a": 2}}"#);
        assert!(notes[0].starts_with("2 repeated keys"), "{notes:?}");
        assert!(decode(r#"[{"a": 1}, {"a": {"a": 1}}]"#).unwrap().1.is_empty());
    }

    #[test]
    fn depth_and_nodes_are_limited() {
        let limits = Limits { depth: 3, nodes: 5, integer: 40, ..Limits::DEFAULT };
        let decode = |text: &str| Json.decode(text.into(), &limits, &mut Vec::new()).map_err(|error| error.to_string());
        assert!(decode("[[[]]]").is_ok());
        assert!(decode("[[[[]]]]").unwrap_err().contains("`depth` of 3 levels"));
        assert!(decode("[1,2,3,4,5]").is_ok());
        assert!(decode("[1,2,3,4,5,6]").unwrap_err().contains("`nodes`"));
        assert!(decode(&"9".repeat(90)).is_ok());
        assert!(decode(&"9".repeat(100)).unwrap_err().contains("`integer`"));
        assert!(self::decode("[".repeat(1_000_000)).unwrap_err().contains("`depth`"));
    }

    #[test]
    fn plain_text_ends_where_a_byte_by_byte_look_ends_it() {
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
        let mut text = vec![b'a'; 40];
        for byte in 0..=255 {
            for place in 0..40 {
                text[place] = byte;
                text[39 - place] ^= 0x80;
                assert_eq!(plain(&text), text.iter().position(ends).unwrap_or(40), "{byte:#x} at {place}");
                text[39 - place] = b'!';
                text[place] = b'#';
            }
        }
    }
}
