//! Rust source as tokens with line numbers, comments and literals left out. It knows no rule.
//!
//! A rule that searched the text itself would trip over its own examples in comments and strings.

/// A word (identifier, keyword or number), `::`, or one other character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// The tokens of `source`; lifetimes, literals in quotes and comments are not among them.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { source, at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < source.len() {
        lexer.step();
    }
    lexer.tokens
}

/// Which tokens stand in an item under `#[cfg(test)]`, by index.
pub fn in_tests(tokens: &[Token]) -> Vec<bool> {
    let mut marks = vec![false; tokens.len()];
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]"];
    for at in 0..tokens.len() {
        let here = tokens[at..].iter().map(|token| token.text);
        if here.take(attribute.len()).eq(attribute) {
            let end = item_end(tokens, at + attribute.len());
            marks[at..end].fill(true);
        }
    }
    marks
}

/// The index after the item that starts at `at`: after its `;`, or after the `}` of its body.
pub fn item_end(tokens: &[Token], at: usize) -> usize {
    let (mut braces, mut others) = (0, 0);
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "{" => braces += 1,
            "}" => braces -= 1,
            "(" | "[" => others += 1,
            ")" | "]" => others -= 1,
            _ => {}
        }
        let closed = token.text == "}" || token.text == ";";
        if closed && braces == 0 && others == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    tokens: Vec<Token<'a>>,
}

impl<'a> Lexer<'a> {
    fn step(&mut self) {
        let rest = self.rest();
        if rest.starts_with("//") {
            self.skip(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.skip(comment_len(rest));
        } else if rest.starts_with('"') {
            self.skip(string_len(rest));
        } else if rest.starts_with('\'') {
            self.skip(quote_len(rest));
        } else if rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            self.word();
        } else if rest.starts_with("::") {
            self.push(2);
        } else if rest.starts_with(char::is_whitespace) {
            self.skip(rest.chars().next().map_or(0, char::len_utf8));
        } else {
            self.push(rest.chars().next().map_or(0, char::len_utf8));
        }
    }

    /// A word, or the literal that a word such as `b` or `r` introduces.
    fn word(&mut self) {
        let rest = self.rest();
        let len = word_len(rest);
        let (word, after) = rest.split_at(len);
        let hashes = after.len() - after.trim_start_matches('#').len();
        let raw = ["r", "br", "cr"].contains(&word) && after[hashes..].starts_with('"');
        if raw {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = &after[hashes + 1..];
            let end = body.find(&close).map_or(body.len(), |at| at + close.len());
            self.skip(len + hashes + 1 + end);
        } else if word == "r" && hashes == 1 {
            self.skip(2);
        } else if ["b", "c"].contains(&word) && after.starts_with(['"', '\'']) {
            self.skip(len);
        } else {
            self.push(len);
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, len: usize) {
        self.tokens.push(Token { text: &self.rest()[..len], line: self.line });
        self.at += len;
    }

    fn skip(&mut self, len: usize) {
        self.line += self.rest()[..len].matches('\n').count();
        self.at += len;
    }
}

fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Comments nest in Rust.
fn comment_len(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    loop {
        let rest = &text.as_bytes()[at..];
        match rest {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            [_, ..] => at += 1,
            [] => return at,
        }
        if depth == 0 {
            return at;
        }
    }
}

fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character literal, or a lifetime with its name.
fn quote_len(text: &str) -> usize {
    let mut inside = text[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), Some(escaped)) => {
            let head = 2 + escaped.len_utf8();
            head + text[head..].find('\'').map_or(0, |at| at + 1)
        }
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 1 + word_len(&text[1..]),
    }
}

#[test]
fn comments_and_literals_are_left_out_and_lines_counted() {
    let words = |source| tokens(source).iter().map(|token| token.text).collect::<Vec<_>>().join(" ");
    for (source, expected) in [
        ("a::b // c\nd", "a :: b d"),
        ("/* a /* b */ c */ d", "d"),
        (r##"x("a\"b", r#"c"d"#, b"e", br"f", 'g', '\'', '"', b'\\', h)"##, "x ( , , , , , , , , h )"),
        ("fn f<'a>(x: &'a str, y: &'static u8)", "fn f < > ( x : & str , y : & u8 )"),
        ("'\\u{1f600}' a 'é' b", "a b"),
        ("r#type r b2", "type r b2"),
        ("\"open", ""),
        ("", ""),
    ] {
        assert_eq!(words(source), expected, "{source}");
    }
    let lines: Vec<usize> = tokens("a\n\"x\ny\"\n/*\n*/ b").iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 5]);
}

#[test]
fn a_test_item_ends_with_its_body() {
    let source = "a #[cfg(test)] mod t { fn f() { b } } c #[cfg(test)] use d; e #[cfg(test)] const N: [u8; 1] = [0]; g";
    let tokens = tokens(source);
    let marks = in_tests(&tokens);
    let outside: Vec<&str> = tokens.iter().zip(marks).filter(|(_, mark)| !mark).map(|(token, _)| token.text).collect();
    assert_eq!(outside, ["a", "c", "e", "g"]);
}
