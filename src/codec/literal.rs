//! Python's literals, read: what [`crate::value::python`] writes of values that consist of them.
//!
//! `None`, `True`, `False`, integers (decimal, or `0x…`), floats with `inf` and `nan`, `'…'`, `b'…'`, tuples,
//! lists, dicts and sets, and `set()`, `frozenset(…)`, `bytearray(b'…')`, which `repr` has no literals for. No
//! prefixes, triple quotes or sums, and nothing is called. An equal key or member that comes twice is an error:
//! Python would drop one without a word. It is no layer: nothing stores values so.

use num_bigint::BigInt;

use super::Error;
use super::cursor::Cursor;
use crate::limits::Limits;
use crate::value::code_point::{invalid_at, push_code_point};
use crate::value::draft::Draft;
use crate::value::scalar::DIGITS_MAX;
use crate::value::{Id, Node, Value};

/// Reads one value and nothing after it.
///
/// # Errors
/// What is wrong at which byte, or the limit that was met.
pub fn read(text: Vec<u8>, limits: &Limits) -> Result<Value, Error> {
    limits.check("decoded", text.len() as u64).map_err(|exceeded| Error::limit(LAYER, None, exceeded))?;
    if let Some(offset) = invalid_at(&text) {
        return Err(Error::malformed(LAYER, offset as u64, "the text is not UTF-8"));
    }
    let mut reader = Reader {
        cursor: Cursor::new(LAYER, &text),
        draft: Draft::new(&text),
        limits,
        open: Vec::new(),
        members: Vec::new(),
        nodes: 0,
        unique: Vec::new(),
    };
    let root = reader.document()?;
    let Reader { draft, unique, .. } = reader;
    let mut value = draft.finish(root).over(text);
    let (dicts, sets): (Vec<_>, Vec<_>) = unique.into_iter().partition(|(_, kind, _)| *kind == Kind::Dict);
    let ids = |all: &[(Id, Kind, usize)]| all.iter().map(|(id, ..)| *id).collect::<Vec<Id>>();
    let equals = value.equals(&ids(&dicts), &ids(&sets));
    for (id, kind, start) in dicts.into_iter().chain(sets) {
        let (dropped, what) = match kind {
            Kind::Dict => (value.dedupe(id, &equals), "a dict has two equal keys"),
            _ => (value.dedupe_set(id, &equals), "a set has two equal members"),
        };
        if dropped > 0 {
            return Err(Error::malformed(LAYER, start as u64, what));
        }
    }
    Ok(value)
}

const LAYER: &str = "python";

/// The machine: what is open, and what was read of it.
struct Reader<'a> {
    cursor: Cursor<'a>,
    draft: Draft<'a>,
    limits: &'a Limits,
    open: Vec<Open>,
    /// The members of all open brackets, the innermost last.
    members: Vec<Node>,
    nodes: u64,
    /// The dicts and sets, and where each begins.
    unique: Vec<(Id, Kind, usize)>,
}

/// What a bracket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    /// A tuple, or only parentheses.
    Tuple,
    /// A dict or a set: the first member tells.
    Braces,
    Dict,
    Set,
    FrozenSet,
}

impl Kind {
    fn end(self) -> u8 {
        match self {
            Kind::List => b']',
            Kind::Tuple | Kind::FrozenSet => b')',
            Kind::Braces | Kind::Dict | Kind::Set => b'}',
        }
    }
}

/// A bracket that is not closed yet.
#[derive(Clone, Copy)]
struct Open {
    kind: Kind,
    /// Where its members start.
    members: usize,
    /// Whether there was a comma in it: then parentheses are a tuple.
    comma: bool,
    /// Where it begins.
    start: usize,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Node, Error> {
        let root = loop {
            let Some(mut node) = self.value()? else { continue };
            while !self.open.is_empty() {
                self.push(node)?;
                if self.goes_on()? {
                    break;
                }
                node = self.close()?;
            }
            if self.open.is_empty() {
                break node;
            }
        };
        self.blanks();
        match self.cursor.peek() {
            None => Ok(root),
            Some(_) => Err(self.cursor.wrong("something follows the value")),
        }
    }

    /// The next value, if it is complete; `None` when it is a bracket whose first member follows.
    fn value(&mut self) -> Result<Option<Node>, Error> {
        self.blanks();
        match self.cursor.peek() {
            Some(b'\'' | b'"') => {
                let text = self.quoted(false)?;
                Ok(Some(Node::Str(self.draft.push_text(&text))))
            }
            Some(b'[') => self.enter(Kind::List),
            Some(b'(') => self.enter(Kind::Tuple),
            Some(b'{') => self.enter(Kind::Braces),
            Some(b'-' | b'+' | b'0'..=b'9') => self.number().map(Some),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => self.word(),
            _ => Err(self.expected("a value")),
        }
    }

    /// What begins with a letter.
    fn word(&mut self) -> Result<Option<Node>, Error> {
        let start = self.cursor.at();
        if self.cursor.rest().starts_with(b"b'") || self.cursor.rest().starts_with(b"b\"") {
            self.cursor.pass(1);
            let bytes = self.quoted(true)?;
            return Ok(Some(Node::Bytes(self.draft.push_text(&bytes))));
        }
        self.cursor.pass_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        let node = match self.cursor.since(start) {
            b"None" => Node::None,
            b"True" => Node::Bool(true),
            b"False" => Node::Bool(false),
            b"nan" => Node::Float(f64::NAN),
            b"inf" => Node::Float(f64::INFINITY),
            b"set" if self.cursor.rest().starts_with(b"()") => {
                self.cursor.pass(2);
                Node::Set(self.draft.value.container(&[]))
            }
            b"frozenset" if self.cursor.rest().starts_with(b"()") => {
                self.cursor.pass(2);
                Node::FrozenSet(self.draft.value.container(&[]))
            }
            b"frozenset" if self.cursor.peek() == Some(b'(') => return self.enter(Kind::FrozenSet),
            b"bytearray" if self.cursor.rest().starts_with(b"(b") => {
                self.cursor.pass(2);
                let bytes = self.quoted(true)?;
                if !self.cursor.eat(b')') {
                    return Err(self.expected("`)`"));
                }
                // One of its own, even when it is empty.
                self.draft.push_text(b"\0");
                Node::ByteArray(self.draft.push_text(&bytes))
            }
            other => {
                let message = format!("`{}` is no literal of Python", String::from_utf8_lossy(other));
                return Err(Error::malformed(LAYER, start as u64, message));
            }
        };
        Ok(Some(node))
    }

    fn enter(&mut self, kind: Kind) -> Result<Option<Node>, Error> {
        if self.open.len() as u64 >= self.limits.depth {
            return Err(self.over("depth"));
        }
        let start = self.cursor.at();
        self.cursor.pass(1);
        self.open.push(Open { kind, members: self.members.len(), comma: false, start });
        self.blanks();
        if kind != Kind::FrozenSet && self.cursor.eat(kind.end()) {
            return self.close().map(Some);
        }
        Ok(None)
    }

    /// After a member: passes over what leads to the next one, or over the closing bracket.
    fn goes_on(&mut self) -> Result<bool, Error> {
        self.blanks();
        let open = self.open.last_mut().expect("a member is inside a bracket");
        let count = self.members.len() - open.members;
        if open.kind == Kind::Braces {
            open.kind = if self.cursor.peek() == Some(b':') { Kind::Dict } else { Kind::Set };
        }
        let (kind, is_key) = (open.kind, open.kind == Kind::Dict && count % 2 == 1);
        if is_key || kind == Kind::Set {
            let what = match self.members.last() {
                Some(Node::List(_)) => "a list",
                Some(Node::Dict(_)) => "a dict",
                Some(Node::Set(_)) => "a set",
                Some(Node::ByteArray(_)) => "a bytearray",
                _ => "",
            };
            if !what.is_empty() {
                return Err(self.cursor.wrong(format!("{what} can be neither a key nor a member of a set")));
            }
        }
        if is_key {
            return if self.cursor.eat(b':') { Ok(true) } else { Err(self.expected("`:` after a key")) };
        }
        if kind != Kind::FrozenSet && self.cursor.eat(b',') {
            self.open.last_mut().expect("it is open still").comma = true;
            self.blanks();
            return Ok(!self.cursor.eat(kind.end()));
        }
        match (self.cursor.eat(kind.end()), kind) {
            (true, _) => Ok(false),
            (false, Kind::FrozenSet) => Err(self.expected("`)`")),
            (false, kind) => Err(self.expected(&format!("`,` or `{}`", char::from(kind.end())))),
        }
    }

    fn close(&mut self) -> Result<Node, Error> {
        let Open { kind, members, comma, start } = self.open.pop().expect("only an open bracket is closed");
        let added = &self.members[members..];
        let node = match (kind, added) {
            (Kind::Tuple, [one]) if !comma => *one,
            (Kind::FrozenSet, [Node::Set(id)]) => Node::FrozenSet(*id),
            (Kind::FrozenSet, _) => {
                return Err(Error::malformed(LAYER, start as u64, "a frozenset is of a set: `frozenset({…})`"));
            }
            _ => {
                let id = self.draft.value.container(added);
                match kind {
                    Kind::List => Node::List(id),
                    Kind::Tuple => Node::Tuple(id),
                    Kind::Set => Node::Set(id),
                    _ => Node::Dict(id),
                }
            }
        };
        match node {
            Node::Dict(id) if matches!(kind, Kind::Dict) => self.unique.push((id, Kind::Dict, start)),
            Node::Set(id) if kind == Kind::Set => self.unique.push((id, Kind::Set, start)),
            _ => {}
        }
        self.members.truncate(members);
        Ok(node)
    }

    fn push(&mut self, node: Node) -> Result<(), Error> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            return Err(self.over("nodes"));
        }
        self.members.push(node);
        Ok(())
    }

    /// What stands between the quotes that come next.
    fn quoted(&mut self, bytes: bool) -> Result<Vec<u8>, Error> {
        let start = self.cursor.at();
        let Some(quote @ (b'\'' | b'"')) = self.cursor.peek() else { return Err(self.expected("a quote")) };
        self.cursor.pass(1);
        let mut out = Vec::new();
        loop {
            let from = self.cursor.at();
            self.cursor.pass_while(|byte| byte != quote && byte != b'\\' && byte != b'\n');
            let run = self.cursor.since(from);
            if bytes && !run.is_ascii() {
                return Err(Error::malformed(LAYER, from as u64, "bytes are ASCII and escapes"));
            }
            out.extend_from_slice(run);
            match self.cursor.peek() {
                Some(b'\\') => self.escape(bytes, &mut out)?,
                Some(byte) if byte == quote => {
                    self.cursor.pass(1);
                    return Ok(out);
                }
                _ => return Err(Error::malformed(LAYER, start as u64, "a string is not closed on its line")),
            }
        }
    }

    fn escape(&mut self, bytes: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        let at = self.cursor.at() as u64;
        let [_, kind] = self.cursor.array("an escape")?;
        let digits = match kind {
            b'\\' | b'\'' | b'"' => {
                out.push(kind);
                return Ok(());
            }
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'v' => 11,
            b'0' if !self.cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) => 0,
            b'x' => return self.hex(2, bytes, out),
            b'u' if !bytes => return self.hex(4, bytes, out),
            b'U' if !bytes => return self.hex(8, bytes, out),
            _ => {
                return Err(Error::malformed(LAYER, at, "an escape that is not known here: a backslash itself is two"));
            }
        };
        out.push(digits);
        Ok(())
    }

    /// So many hexadecimal digits of a character, or of a byte.
    fn hex(&mut self, digits: usize, bytes: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        let at = self.cursor.at() as u64;
        let text = self.cursor.take(digits, "the number of a character")?;
        let number = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = number.and_then(|text| u32::from_str_radix(text, 16).ok());
        match number {
            Some(number) if bytes => out.push(number as u8),
            Some(number) if number <= u32::from(char::MAX) => push_code_point(number, out),
            _ => return Err(Error::malformed(LAYER, at, format!("no character is numbered so: {digits} hex digits"))),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Node, Error> {
        let start = self.cursor.at();
        let negative = self.cursor.peek() == Some(b'-');
        let _ = self.cursor.eat(b'-') || self.cursor.eat(b'+');
        if self.cursor.rest().starts_with(b"inf") {
            self.cursor.pass(3);
            return Ok(Node::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
        }
        if self.cursor.rest().starts_with(b"0x") {
            self.cursor.pass(2);
            let from = self.cursor.at();
            let digits = self.cursor.pass_while(|byte| byte.is_ascii_hexdigit());
            return self.integer(self.cursor.since(from), 16, negative, (digits.div_ceil(2)) as u64, start);
        }
        let from = self.cursor.at();
        let digits = self.cursor.pass_while(|byte| byte.is_ascii_digit());
        if digits == 0 {
            return Err(self.expected("a digit"));
        }
        let whole = self.cursor.since(from);
        let (zero, end) = (whole.starts_with(b"0"), self.cursor.at());
        if self.cursor.eat(b'.') {
            self.cursor.pass_while(|byte| byte.is_ascii_digit());
        }
        if self.cursor.eat(b'e') || self.cursor.eat(b'E') {
            let _ = self.cursor.eat(b'-') || self.cursor.eat(b'+');
            if self.cursor.pass_while(|byte| byte.is_ascii_digit()) == 0 {
                return Err(self.expected("a digit of the exponent"));
            }
        }
        if self.cursor.at() > end {
            let text = std::str::from_utf8(self.cursor.since(start)).expect("digits are ASCII");
            return Ok(Node::Float(text.parse().expect("digits, a point and an exponent are a float")));
        }
        if zero && digits > 1 {
            return Err(Error::malformed(LAYER, start as u64, "a number starts with a needless 0"));
        }
        if digits > DIGITS_MAX {
            let message = format!("an integer of {digits} digits: Python reads {DIGITS_MAX} at most, and more in hex");
            return Err(Error::malformed(LAYER, start as u64, message));
        }
        self.integer(whole, 10, negative, (digits * 5 / 12) as u64, start)
    }

    fn integer(&mut self, digits: &[u8], radix: u32, negative: bool, bytes: u64, start: usize) -> Result<Node, Error> {
        self.limits.check("integer", bytes).map_err(|exceeded| Error::limit(LAYER, start as u64, exceeded))?;
        let number = BigInt::parse_bytes(digits, radix).ok_or_else(|| self.expected("a digit"))?;
        Ok(self.draft.integer(&if negative { -number } else { number }))
    }

    /// Blanks, and comments to the end of their line.
    fn blanks(&mut self) {
        self.cursor.pass_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        while self.cursor.peek() == Some(b'#') {
            self.cursor.pass_while(|byte| byte != b'\n');
            self.cursor.pass_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        }
    }

    #[cold]
    fn expected(&self, what: &str) -> Error {
        match std::str::from_utf8(self.cursor.rest()).ok().and_then(|rest| rest.chars().next()) {
            None => self.cursor.wrong(format!("cut short: expected {what}")),
            Some(next) => self.cursor.wrong(format!("expected {what}, not `{}`", next.escape_debug())),
        }
    }

    #[cold]
    fn over(&self, limit: &'static str) -> Error {
        Error::limit(LAYER, self.cursor.at() as u64, self.limits.exceeded(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::python;

    /// What a text is in Python's notation, or what is wrong with it.
    fn shown(text: &str) -> String {
        match read(text.as_bytes().to_vec(), &Limits::DEFAULT) {
            Err(error) => error.to_string(),
            Ok(value) => {
                let mut out = Vec::new();
                python::write(&value, &Limits::DEFAULT, &mut out).unwrap();
                String::from_utf8(out).unwrap()
            }
        }
    }

    #[test]
    fn what_repr_prints_is_read_back() {
        for text in [
            "None",
            "[True, False, 0, -1, 9223372036854775808, -99999999999999999999]",
            "[0.0, -0.0, 1.5, 1e+16, 1e-05, 5e-324, inf, -inf, nan]",
            "['', 'a', \"it's\", 'a\"\\'', '\\\\\\n\\r\\t\\x00\\x1b\\x7f', 'é€😀', '\\u202e', '\\udc80', '\\U000e0001']",
            "[b'', b'a', b\"it's\", b'\\x00\\xff\\\\\\n']",
            "[(), (1,), (1, 2), [], {}, {1: 2, 'a': [None]}, {1}, {1, 'a'}]",
            "[set(), frozenset(), frozenset({1, 2}), bytearray(b''), bytearray(b\"\\'a\")]",
            "{(1, (2,)): {'a': {'b': ()}}, None: 1, 2.5: 2, b'k': 3}",
        ] {
            assert_eq!(shown(text), text);
        }
        let big = format!("-0x1{}", "0".repeat(4000));
        assert_eq!(shown(&big), big);
    }

    /// Any value of literals, of about so many parts.
    fn any(value: &mut Value, rng: &mut fastrand::Rng, parts: usize) -> Node {
        if parts == 0 || rng.u8(..4) == 0 {
            let text = rng.choice(["", "a", "it's \"", "\\n\n\u{202e}\u{1f600}", "\0x"]).unwrap_or_default();
            let span = value.push_text(text.as_bytes());
            let floats = [0.0, -0.0, 1.5e300, -1e-7, f64::NAN, f64::NEG_INFINITY];
            let any = [Node::None, Node::Bool(rng.bool()), Node::Int(rng.i64(..)), Node::Str(span), Node::Bytes(span)];
            return match rng.usize(..8) {
                0 => value.integer(&(BigInt::from(rng.i64(..)) * BigInt::from(u64::MAX))),
                1 => Node::Float(rng.choice(floats).unwrap_or_default()),
                2 => value.byte_array(text.as_bytes()),
                _ => rng.choice(any).unwrap_or(Node::None),
            };
        }
        let count = rng.usize(..4);
        let members: Vec<Node> = (0..count).map(|_| any(value, rng, parts / 2)).collect();
        let distinct: Vec<Node> = (0..count as i64).map(Node::Int).collect();
        match rng.usize(..5) {
            0 => Node::List(value.container(&members)),
            1 => Node::Tuple(value.container(&members)),
            2 => Node::Set(value.container(&distinct)),
            3 => Node::FrozenSet(value.container(&distinct)),
            _ => {
                let pairs: Vec<Node> = distinct.into_iter().zip(members).flat_map(|(key, node)| [key, node]).collect();
                Node::Dict(value.container(&pairs))
            }
        }
    }

    #[test]
    fn any_value_of_literals_is_read_back_and_nonsense_does_no_harm() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut read_as_another = 0;
        for round in 0..3000 {
            let mut value = Value::over(Vec::new());
            let root = any(&mut value, &mut rng, 40);
            value.set_root(root);
            let mut text = Vec::new();
            python::write(&value, &Limits::DEFAULT, &mut text).unwrap();
            let back = read(text.clone(), &Limits::DEFAULT).unwrap_or_else(|error| panic!("{round}: {error}"));
            assert!(back.same(&value), "{round}: {}", String::from_utf8_lossy(&text));
            let place = rng.usize(..text.len());
            text[place] = rng.u8(..);
            text.truncate(rng.usize(..=text.len()));
            read_as_another += usize::from(read(text, &Limits::DEFAULT).is_ok());
        }
        assert!((50..2900).contains(&read_as_another), "{read_as_another}");
    }

    #[test]
    fn what_people_write_is_read_too() {
        for (text, same) in [
            (" [ 1 , 2 , ] # both\n", "[1, 2]"),
            ("((1))", "1"),
            ("( 1 , )", "(1,)"),
            ("{1,}", "{1}"),
            ("{ 'a' : 1 , }", "{'a': 1}"),
            ("# head\n{# inside\n}\r\n", "{}"),
            ("+5", "5"),
            ("1.", "1.0"),
            ("2E3", "2000.0"),
            ("0x1F", "31"),
            ("\"\\a\\b\\f\\v\\0\"", "'\\x07\\x08\\x0c\\x0b\\x00'"),
            ("frozenset( {1} )", "frozenset({1})"),
        ] {
            assert_eq!(shown(text), same, "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_is_named_with_its_place() {
        for (text, error) in [
            ("", "cut short: expected a value at byte 0"),
            ("[1 2]", "expected `,` or `]`, not `2` at byte 3"),
            ("(1", "cut short: expected `,` or `)` at byte 2"),
            ("{1: 2, 3}", "expected `:` after a key, not `}` at byte 8"),
            ("{1, 2: 3}", "expected `,` or `}`, not `:` at byte 5"),
            ("[,]", "expected a value, not `,` at byte 1"),
            ("(,)", "expected a value, not `,` at byte 1"),
            ("1 2", "something follows the value at byte 2"),
            ("os.system('x')", "`os.system` is no literal of Python at byte 0"),
            ("true", "`true` is no literal of Python at byte 0"),
            ("datetime.date(2024, 1, 1)", "`datetime.date` is no literal of Python at byte 0"),
            ("'a\n'", "a string is not closed on its line at byte 0"),
            ("'\\d'", "an escape that is not known here: a backslash itself is two at byte 1"),
            ("'\\xg0'", "no character is numbered so: 2 hex digits at byte 3"),
            ("'\\U00110000'", "no character is numbered so: 8 hex digits at byte 3"),
            ("b'\\u0041'", "an escape that is not known here: a backslash itself is two at byte 2"),
            ("b'é'", "bytes are ASCII and escapes at byte 2"),
            ("007", "a number starts with a needless 0 at byte 0"),
            ("-x", "expected a digit, not `x` at byte 1"),
            ("0x", "cut short: expected a digit at byte 2"),
            ("[1, {2: 3, 2.0: 4}]", "a dict has two equal keys at byte 4"),
            ("{1, True}", "a set has two equal members at byte 0"),
            ("{[1]: 2}", "a list can be neither a key nor a member of a set at byte 4"),
            ("{{1}}", "a set can be neither a key nor a member of a set at byte 4"),
            ("frozenset([1])", "a frozenset is of a set: `frozenset({…})` at byte 9"),
            ("frozenset({1}, 2)", "expected `)`, not `,` at byte 13"),
            ("bytearray(b'x'", "cut short: expected `)` at byte 14"),
            ("bytearray(b)", "expected a quote, not `)` at byte 11"),
            ("1+2j", "something follows the value at byte 1"),
        ] {
            assert_eq!(shown(text), format!("python: {error}"), "{text}");
        }
        assert!(read(b"'\xff'".to_vec(), &Limits::DEFAULT).is_err_and(|error| error.offset == Some(1)));
        let deep = "[".repeat(5000);
        assert!(shown(&deep).contains("`depth`") && shown(&"9".repeat(5000)).contains("5000 digits"));
        let limits = Limits { nodes: 2, integer: 8, ..Limits::DEFAULT };
        for (text, limit) in [("[1, 2, 3]", "nodes"), ("0x112233445566778899", "integer")] {
            let error = read(text.into(), &limits).unwrap_err().to_string();
            assert!(error.contains(&format!("`{limit}`")), "{error}");
        }
    }
}
