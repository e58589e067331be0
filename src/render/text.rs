//! The view that people get when they ask for no other: in the data's own notation, broken into
//! lines where it is long, coloured where that helps.
//!
//! A list, dict or call stands on one line when it fits, else each member has its own. Nothing is
//! cut. What is shared and not small is written once, as `#1 …`, and `<shared #1>` after that, or
//! `<cycle #1>` inside itself, so the length is linear in what is stored. Nothing unprintable passes
//! in Python's notation, nor to a terminal in JSON's. It knows nothing of keys or backends.

use std::collections::VecDeque;
use std::io::{self, Write};

use anstyle::{AnsiColor, Effects};

use crate::limits::Limits;
use crate::value::json::Escape;
use crate::value::print::{Expansion, PrintError};
use crate::value::python::{Manner, Paper, Tint, Words, walk};
use crate::value::{Node, Value, python};

/// In which notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// Python's, for what came from a pickle.
    Python,
    /// JSON's, with Python's for what JSON has no words for.
    Json,
}

/// How a value is shown.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// In which notation.
    pub notation: Notation,
    /// With colours.
    pub colour: bool,
    /// Columns of a line.
    pub width: usize,
    /// On a terminal, which must not get what it could act on.
    pub terminal: bool,
}

/// Writes `value` without a newline at its end.
///
/// # Errors
/// The output's, and [`PrintError::Limit`] where one long text stands in too many places.
pub fn write(value: &Value, style: &Style, limits: &Limits, out: &mut dyn Write) -> Result<(), PrintError> {
    let expansion = Expansion::of(value);
    expansion.check_labelled(limits)?;
    walk(value, &mut Manner::labelled(style.words(), &expansion, limits), &mut Pretty::new(style, out))
}

/// Writes `value` without labels, each shared part wherever it is: a notation of nothing but its own words, which
/// can be read back where it has words for all of it.
///
/// # Errors
/// The output's, and [`PrintError::Limit`] for a value that sharing makes too long, before anything is written.
pub fn write_bare(value: &Value, style: &Style, limits: &Limits, out: &mut dyn Write) -> Result<(), PrintError> {
    let expansion = Expansion::of(value);
    expansion.check(limits)?;
    walk(value, &mut Manner::repeated(style.words(), &expansion, limits), &mut Pretty::new(style, out))
}

impl Style {
    fn words(&self) -> Words {
        match self.notation {
            Notation::Python => Words::Python,
            Notation::Json => Words::Json(if self.terminal { Escape::Terminal } else { Escape::Utf8 }),
        }
    }
}

/// Bytes of an [`excerpt`].
const EXCERPT_MOST: usize = 200;

/// The beginning of one part of a value, as Python writes it, on a line.
#[must_use]
pub fn excerpt(value: &Value, node: Node, limits: &Limits) -> String {
    let mut cut = Cut(Vec::new());
    // It is cut where it ends in an error.
    let whole = python::write_node(value, node, limits, &mut cut).is_ok();
    let text = String::from_utf8_lossy(&cut.0);
    if whole { text.into_owned() } else { format!("{}…", text.trim_end_matches('\u{fffd}')) }
}

/// Takes no more than the beginning.
struct Cut(Vec<u8>);

impl Write for Cut {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(EXCERPT_MOST - self.0.len());
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Paper on which a bracket waits until it is known whether it fits into the line: at most a line
/// of words is held back (D. C. Oppen, "Prettyprinting", 1980, with brackets broken consistently).
struct Pretty<'o> {
    style: Style,
    indent: usize,
    out: &'o mut dyn Write,
    /// What is settled.
    settled: Vec<u8>,
    /// Columns that the current line has.
    column: usize,
    /// The open brackets that are settled: whether each is broken into lines.
    broken: Vec<bool>,
    /// How many of those are.
    depth: usize,
    /// A broken bracket has just opened.
    fresh: bool,
    /// What waits: nothing, or from the first bracket that may still fit.
    queue: VecDeque<Token>,
    /// The words among them.
    words: Vec<u8>,
    /// Columns that wait.
    waiting: usize,
    /// The brackets that are open among them: place in the queue, counting those that left it, and
    /// `waiting` then, counting likewise.
    open: VecDeque<(usize, usize)>,
    /// Tokens and columns that have left the queue.
    left: (usize, usize),
}

enum Token {
    /// With its columns up to its closing bracket, once that is known.
    Open(&'static str, Option<usize>),
    Close(&'static str),
    Comma,
    /// Tint, bytes and columns.
    Word(Tint, usize, usize),
}

impl Token {
    fn columns(&self) -> usize {
        match self {
            Token::Open(bracket, _) | Token::Close(bracket) => bracket.len(),
            Token::Comma => 2,
            Token::Word(_, _, columns) => *columns,
        }
    }
}

/// Settled bytes that are handed on at once.
const PAGE: usize = 1 << 16;

impl<'o> Pretty<'o> {
    fn new(style: &Style, out: &'o mut dyn Write) -> Pretty<'o> {
        Pretty {
            style: *style,
            indent: match style.notation {
                Notation::Python => 4,
                Notation::Json => 2,
            },
            out,
            settled: Vec::new(),
            column: 0,
            broken: Vec::new(),
            depth: 0,
            fresh: false,
            queue: VecDeque::new(),
            words: Vec::new(),
            waiting: 0,
            open: VecDeque::new(),
            left: (0, 0),
        }
    }

    /// Columns that are left on this line; inside a broken bracket a comma may follow.
    fn room(&self) -> usize {
        self.style.width.saturating_sub(self.column + usize::from(self.depth > 0))
    }

    fn push(&mut self, token: Token, text: &[u8]) {
        if self.queue.is_empty() && !matches!(token, Token::Open(..)) {
            self.settle(&token, text);
            return;
        }
        match token {
            Token::Open(..) => self.open.push_back((self.left.0 + self.queue.len(), self.left.1 + self.waiting)),
            Token::Close(bracket) => {
                if let Some((place, before)) = self.open.pop_back() {
                    let columns = self.left.1 + self.waiting + bracket.len() - before;
                    if let Token::Open(_, size) = &mut self.queue[place - self.left.0] {
                        *size = Some(columns);
                    }
                }
            }
            Token::Comma | Token::Word(..) => {}
        }
        self.waiting += token.columns();
        self.queue.push_back(token);
        self.words.extend_from_slice(text);
        while !self.queue.is_empty() && (self.open.is_empty() || self.waiting > self.room()) {
            self.release();
        }
    }

    /// Settles what waits up to the next bracket that may still fit.
    fn release(&mut self) {
        let words = std::mem::take(&mut self.words);
        let mut at = 0;
        let mut is_first = true;
        while let Some(token) = self.queue.pop_front() {
            if let (Token::Open(_, None), false) = (&token, is_first) {
                self.queue.push_front(token);
                break;
            }
            if let Token::Open(_, None) = token {
                self.open.pop_front();
            }
            is_first = false;
            self.left = (self.left.0 + 1, self.left.1 + token.columns());
            self.waiting -= token.columns();
            let len = if let Token::Word(_, len, _) = token { len } else { 0 };
            self.settle(&token, &words[at..at + len]);
            at += len;
        }
        self.words = words;
        self.words.drain(..at);
    }

    fn settle(&mut self, token: &Token, text: &[u8]) {
        let is_flat = self.broken.last() == Some(&false);
        match *token {
            Token::Open(bracket, size) => {
                self.begin();
                let fits = is_flat || size.is_some_and(|size| size <= self.room());
                self.write(bracket);
                self.broken.push(!fits);
                self.depth += usize::from(!fits);
                self.fresh = !fits;
            }
            Token::Close(bracket) => {
                if self.broken.pop() == Some(true) {
                    self.depth -= 1;
                    if !std::mem::take(&mut self.fresh) {
                        self.new_line();
                    }
                }
                self.write(bracket);
            }
            Token::Comma if self.broken.last() == Some(&true) => {
                self.write(",");
                self.new_line();
            }
            Token::Comma => self.write(", "),
            Token::Word(tint, _, columns) => {
                self.begin();
                self.column += columns;
                match colour(tint).filter(|_| self.style.colour && columns > 0) {
                    None => self.settled.extend_from_slice(text),
                    Some(style) => {
                        self.settled.extend_from_slice(style.render().to_string().as_bytes());
                        self.settled.extend_from_slice(text);
                        self.settled.extend_from_slice(style.render_reset().to_string().as_bytes());
                    }
                }
            }
        }
    }

    /// The first member of a broken bracket has a line of its own.
    fn begin(&mut self) {
        if std::mem::take(&mut self.fresh) {
            self.new_line();
        }
    }

    fn new_line(&mut self) {
        self.settled.push(b'\n');
        self.column = self.depth * self.indent;
        self.settled.resize(self.settled.len() + self.column, b' ');
    }

    fn write(&mut self, punctuation: &str) {
        self.settled.extend_from_slice(punctuation.as_bytes());
        self.column += punctuation.len();
    }
}

impl Paper for Pretty<'_> {
    fn open(&mut self, bracket: &'static str) {
        self.push(Token::Open(bracket, None), b"");
    }

    fn close(&mut self, bracket: &'static str) {
        self.push(Token::Close(bracket), b"");
    }

    fn comma(&mut self) {
        self.push(Token::Comma, b"");
    }

    fn word(&mut self, tint: Tint, text: &[u8]) {
        let columns = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
        self.push(Token::Word(tint, text.len(), columns), text);
    }

    fn flush(&mut self, done: bool) -> io::Result<()> {
        if done || self.settled.len() >= PAGE {
            debug_assert!(!done || self.queue.is_empty(), "every bracket that opens closes");
            self.out.write_all(&self.settled)?;
            self.settled.clear();
        }
        Ok(())
    }
}

fn colour(tint: Tint) -> Option<anstyle::Style> {
    Some(match tint {
        Tint::Plain => return None,
        Tint::Key => AnsiColor::Blue.on_default(),
        Tint::Text => AnsiColor::Green.on_default(),
        Tint::Number => AnsiColor::Cyan.on_default(),
        Tint::Constant => AnsiColor::Magenta.on_default(),
        Tint::Name => AnsiColor::Yellow.on_default(),
        Tint::Label => anstyle::Style::new().effects(Effects::DIMMED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Node, Span};

    const PLAIN: Style = Style { notation: Notation::Python, colour: false, width: 20, terminal: true };

    fn check(value: &Value, style: Style, expected: &str) {
        let mut out = Vec::new();
        write(value, &style, &Limits::DEFAULT, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    /// `{'a': [1, 2, 3], 'bb': [[], (1,)]}`, with as many threes as asked for.
    fn sample(threes: usize) -> Value {
        let mut value = Value::over(b"abb".to_vec());
        let (a, bb) = (Node::Str(Span { start: 0, len: 1 }), Node::Str(Span { start: 1, len: 2 }));
        let mut numbers = vec![Node::Int(1), Node::Int(2)];
        numbers.resize(2 + threes, Node::Int(3));
        let numbers = Node::List(value.container(&numbers));
        let empty = Node::List(value.container(&[]));
        let one = Node::Tuple(value.container(&[Node::Int(1)]));
        let rest = Node::List(value.container(&[empty, one]));
        let root = value.container(&[a, numbers, bb, rest]);
        value.set_root(Node::Dict(root));
        value
    }

    #[test]
    fn a_bracket_breaks_only_where_it_does_not_fit() {
        let wide = Style { width: 80, ..PLAIN };
        check(&sample(1), wide, "{'a': [1, 2, 3], 'bb': [[], (1,)]}");
        check(&sample(1), PLAIN, "{\n    'a': [1, 2, 3],\n    'bb': [\n        [],\n        (1,)\n    ]\n}");
        let json = Style { notation: Notation::Json, ..PLAIN };
        check(&sample(1), json, "{\n  \"a\": [1, 2, 3],\n  \"bb\": [[], (1,)]\n}");
        check(
            &sample(3),
            Style { width: 10, ..json },
            "{\n  \"a\": [\n    1,\n    2,\n    3,\n    3,\n    3\n  ],\n  \"bb\": [\n    [],\n    (1,)\n  ]\n}",
        );
        check(
            &sample(1),
            Style { width: 0, ..json },
            "{\n  \"a\": [\n    1,\n    2,\n    3\n  ],\n  \"bb\": [\n    [],\n    (\n      1,\n    )\n  ]\n}",
        );
    }

    #[test]
    fn a_line_is_never_longer_than_it_may_be_when_it_can_be_broken() {
        for width in 14..60 {
            let mut out = Vec::new();
            write(&sample(30), &Style { width, ..PLAIN }, &Limits::DEFAULT, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.lines().all(|line| line.len() <= width), "{width}:\n{text}");
            assert_eq!(text.split_whitespace().collect::<String>().matches('3').count(), 30);
        }
    }

    #[test]
    fn what_is_shared_is_written_once_and_small_things_again() {
        let mut value = Value::over(Vec::new());
        let small = Node::List(value.container(&[Node::Int(1)]));
        let big = Node::List(value.container(&[Node::None; 40]));
        let root = value.container(&[small, small, big, big]);
        value.extend(root, &[Node::List(root)]);
        value.set_root(Node::List(root));
        let nones = vec!["None"; 40].join(", ");
        let wide = Style { width: 1000, ..PLAIN };
        check(&value, wide, &format!("#1 [[1], [1], #2 [{nones}], <shared #2>, <cycle #1>]"));
    }

    #[test]
    fn a_memo_bomb_is_shown_in_a_page() {
        let mut value = Value::over(Vec::new());
        let mut node = Node::List(value.container(&[]));
        for _ in 0..60 {
            node = Node::List(value.container(&[node, node]));
        }
        value.set_root(node);
        let mut out = Vec::new();
        write(&value, &PLAIN, &Limits::DEFAULT, &mut out).unwrap();
        assert!(out.len() < 50_000, "{} bytes", out.len());
        assert!(String::from_utf8(out).unwrap().contains("<shared #"));
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_passes() {
        let hostile = Value::of_str("\x1b]0;x\x07\u{9b}31m\u{202e}\u{200b}".as_bytes());
        check(&hostile, PLAIN, r"'\x1b]0;x\x07\x9b31m\u202e\u200b'");
        let json = Style { notation: Notation::Json, ..PLAIN };
        check(&hostile, json, r#""\u001b]0;x\u0007\u009b31m\u202e\u200b""#);
        check(&hostile, Style { terminal: false, ..json }, "\"\\u001b]0;x\\u0007\u{9b}31m\u{202e}\u{200b}\"");
        let mut named = Value::over(Vec::new());
        let global = named.global_named("m\x1b", "C\u{202e}");
        named.set_root(global);
        check(&named, json, r"m\x1b.C\u202e");
    }

    #[test]
    fn colours_go_by_kind() {
        let mut value = Value::over(b"a".to_vec());
        let root = value.container(&[Node::Str(value.whole()), Node::None]);
        value.set_root(Node::Dict(root));
        check(&value, Style { colour: true, ..PLAIN }, "{\x1b[34m'a'\x1b[0m: \x1b[35mNone\x1b[0m}");
    }
}
