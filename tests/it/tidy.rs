//! How the house stays in order: imports go down only, and the other habits that a program can check.
//!
//! Rules are functions from one file to what is wrong with it, so that each is tried below on small
//! inputs that break it: a check that cannot fail would be worse than none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::source::{Token, in_tests, item_end, tokens};

/// The rooms (modules of the library, and the binary), each only above all that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("limits", &[]),
    ("secret", &[]),
    ("interrupt", &[]),
    ("url", &[]),
    ("entry", &[]),
    ("pattern", &[]),
    ("config", &["limits", "secret", "url"]),
    ("value", &["limits", "url"]),
    ("codec", &["limits", "url", "value"]),
    ("layout", &["entry", "limits", "pattern", "url"]),
    ("backend", &["entry", "limits", "pattern", "secret", "url"]),
    ("stats", &["backend", "entry", "limits"]),
    ("bench", &["backend", "entry", "interrupt", "layout", "limits", "pattern"]),
    ("cache", &["backend", "codec", "entry", "layout", "limits", "pattern", "value"]),
    ("render", &["codec", "entry", "limits", "secret", "value"]),
    ("exit", &["backend", "cache", "codec", "layout", "limits", "url", "value"]),
    ("archive", &["cache", "codec", "entry", "exit", "layout", "limits", "url", "value"]),
    (
        "commands",
        &[
            "archive",
            "backend",
            "bench",
            "cache",
            "codec",
            "config",
            "entry",
            "exit",
            "interrupt",
            "layout",
            "limits",
            "pattern",
            "render",
            "secret",
            "stats",
            "url",
            "value",
        ],
    ),
    ("cli", &["backend", "codec", "commands", "exit", "layout", "limits", "render", "url"]),
    ("lib", &["cli", "commands", "exit", "render", "secret"]),
    ("main", &["exit", "run"]),
];

const FUNCTION_LINES: usize = 70;
const LINE_CHARS: usize = 120;

/// What every file of the program keeps to.
const RULES: &[fn(&File) -> Vec<Finding>] =
    &[has_doc, fits, imports_down, sockets, output, arguments, no_unwrap, no_ignored_test];

/// What the tests keep to.
const TEST_RULES: &[fn(&File) -> Vec<Finding>] = &[has_doc, fits, no_ignored_test];

/// The line, and what is wrong there.
type Finding = (usize, String);

#[test]
fn the_program_is_tidy() {
    assert_tidy("src", RULES);
}

#[test]
fn the_tests_are_tidy() {
    assert_tidy("tests/it", TEST_RULES);
}

#[test]
fn the_table_itself_points_down() {
    let mut above = BTreeSet::new();
    for (room, may) in MAY_IMPORT {
        for other in *may {
            assert!(above.contains(other) || *room == "main", "{room} may import {other}, which is not above it");
        }
        above.insert(*room);
    }
}

fn assert_tidy(folder: &str, rules: &[fn(&File) -> Vec<Finding>]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let paths = rust_files(&root.join(folder));
    assert!(!paths.is_empty(), "no Rust files in {folder}");
    let mut findings = Vec::new();
    for path in paths {
        let text = fs::read_to_string(root.join(&path)).unwrap();
        let name = path.strip_prefix(&root.display().to_string()).unwrap_or(&path).trim_start_matches('/');
        findings.extend(inspect(name, &text, rules));
    }
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<String> {
    let (mut folders, mut files) = (vec![folder.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => files.push(path.to_str().unwrap().to_owned()),
                _ => {}
            }
        }
    }
    files.sort();
    files
}

/// `path:line: what is wrong`, in the order of the rules.
fn inspect(path: &str, text: &str, rules: &[fn(&File) -> Vec<Finding>]) -> Vec<String> {
    let file = File::new(path, text);
    let findings = rules.iter().flat_map(|rule| rule(&file));
    findings.map(|(line, message)| format!("{path}:{line}: {message}")).collect()
}

/// A source file, and where in the house it stands.
struct File<'a> {
    text: &'a str,
    tokens: Vec<Token<'a>>,
    /// Whether each token belongs to tests.
    in_tests: Vec<bool>,
    /// `["codec", "json"]` for `src/codec/json.rs`; empty for the roots.
    module: Vec<&'a str>,
    /// The first of `module`, or `lib` or `main`.
    room: &'a str,
}

impl<'a> File<'a> {
    fn new(path: &'a str, text: &'a str) -> File<'a> {
        let inside = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
        let mut module: Vec<&str> = inside.split('/').collect();
        let room = module[0];
        if matches!(inside, "lib" | "main") || module.last() == Some(&"mod") {
            module.pop();
        }
        let tokens = tokens(text);
        let mut in_tests = in_tests(&tokens);
        if module.contains(&"tests") {
            in_tests.fill(true);
        }
        File { text, tokens, in_tests, module, room }
    }

    fn text(&self, at: usize) -> &'a str {
        self.tokens.get(at).map_or("", |token| token.text)
    }

    fn before(&self, at: usize) -> &'a str {
        at.checked_sub(1).map_or("", |at| self.text(at))
    }

    /// The lines of the tokens for which `wrong` holds, each with `message`.
    fn find(&self, message: &str, wrong: impl Fn(usize) -> bool) -> Vec<Finding> {
        let found = (0..self.tokens.len()).filter(|at| wrong(*at));
        found.map(|at| (self.tokens[at].line, format!("`{}`: {message}", self.text(at)))).collect()
    }
}

fn has_doc(file: &File) -> Vec<Finding> {
    match file.text.starts_with("//! ") {
        true => Vec::new(),
        false => vec![(1, "a file starts with `//!` and what it is".to_owned())],
    }
}

/// Functions fit a screen, lines a window.
fn fits(file: &File) -> Vec<Finding> {
    let long = file.text.lines().enumerate().filter(|(_, line)| line.chars().count() > LINE_CHARS);
    let mut findings: Vec<Finding> =
        long.map(|(at, _)| (at + 1, format!("a line of over {LINE_CHARS} characters"))).collect();
    for at in 0..file.tokens.len() {
        let named = file.text(at) == "fn" && file.text(at + 1).starts_with(|c: char| c.is_alphabetic() || c == '_');
        if !named {
            continue;
        }
        let first = file.tokens[at].line;
        let lines = file.tokens[item_end(&file.tokens, at) - 1].line + 1 - first;
        if lines > FUNCTION_LINES {
            let name = file.text(at + 1);
            findings.push((first, format!("`{name}` has {lines} lines, {FUNCTION_LINES} are the most")));
        }
    }
    findings
}

/// Every mention counts, not only `use` lines.
fn imports_down(file: &File) -> Vec<Finding> {
    let Some((_, may)) = MAY_IMPORT.iter().find(|(room, _)| *room == file.room) else {
        return vec![(1, format!("`{}` is not in the table of tests/it/tidy.rs", file.room))];
    };
    let wrong = mentions(file).into_iter().filter(|(_, name)| *name != file.room && !may.contains(name));
    wrong.map(|(line, name)| (line, format!("{} may not import {name}", file.room))).collect()
}

/// What `file` names at the root of the crate, with the lines.
fn mentions<'a>(file: &File<'a>) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut module = file.module.clone();
    let mut opened: Vec<usize> = Vec::new();
    let mut depth = 0;
    for at in 0..file.tokens.len() {
        match file.text(at) {
            "{" => {
                depth += 1;
                if at >= 2 && file.text(at - 2) == "mod" {
                    module.push(file.text(at - 1));
                    opened.push(depth);
                }
            }
            "}" => {
                if opened.last() == Some(&depth) {
                    opened.pop();
                    module.pop();
                }
                depth -= 1;
            }
            // A `super` after another belongs to the path that the first one starts.
            "super" if at < 2 || file.before(at) != "::" || file.text(at - 2) == "self" => {
                heads(file, at, &module, &mut found)
            }
            "crate" if file.before(at) != "extern" => heads(file, at, &module, &mut found),
            "cachectl" if file.room == "main" && file.text(at + 1) == "::" => heads(file, at + 2, &[], &mut found),
            name if file.room == "lib" && names_room(file, at, name) => found.push((file.tokens[at].line, name)),
            _ => {}
        }
    }
    found
}

/// In the root of the crate a room's bare name is a path too.
fn names_room(file: &File, at: usize, name: &str) -> bool {
    let room = MAY_IMPORT.iter().any(|(room, _)| *room == name);
    room && file.text(at + 1) == "::" && file.before(at) != "::"
}

/// The names at the root of the crate that the path at `at` leads to; `module` is where it starts.
fn heads<'a>(file: &File<'a>, mut at: usize, module: &[&str], found: &mut Vec<(usize, &'a str)>) {
    let mut module = module.to_vec();
    loop {
        match file.text(at) {
            "crate" => module.clear(),
            "super" => drop(module.pop()),
            "self" if !module.is_empty() => {}
            _ => break,
        }
        match file.text(at + 1) {
            "::" => at += 2,
            // `pub(crate)`, `pub(super)`: who may see, not what is seen.
            ")" => return,
            _ => break,
        }
    }
    if file.text(at) == "{" {
        let end = item_end(&file.tokens, at);
        let mut depth = 0;
        for inner in at..end {
            let starts = depth == 1 && matches!(file.before(inner), "{" | ",") && file.text(inner) != "}";
            if starts {
                heads(file, inner, &module, found);
            }
            match file.text(inner) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
        }
    } else if module.is_empty() && !file.text(at).is_empty() {
        found.push((file.tokens[at].line, file.text(at)));
    }
}

fn sockets(file: &File) -> Vec<Finding> {
    let types = ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener", "ToSocketAddrs"];
    if ["backend", "bench"].contains(&file.room) {
        return Vec::new();
    }
    file.find("only backend opens sockets", |at| {
        let net = file.text(at) == "net" && file.before(at) == "::" && at >= 2 && file.text(at - 2) == "std";
        net || types.contains(&file.text(at))
    })
}

fn output(file: &File) -> Vec<Finding> {
    let macros = ["print", "println", "eprint", "eprintln"];
    if file.room == "render" {
        return Vec::new();
    }
    file.find("only render writes to the terminal", |at| {
        let (name, next) = (file.text(at), file.text(at + 1));
        // `.stdout(…)` is a method of `Command`, and no stream of ours.
        let stream = ["stdout", "stderr"].contains(&name) && next == "(" && file.before(at) != ".";
        stream || (macros.contains(&name) && next == "!")
    })
}

fn arguments(file: &File) -> Vec<Finding> {
    match file.room {
        "cli" | "commands" | "lib" | "main" => Vec::new(),
        _ => file.find("only cli and commands know clap", |at| file.text(at) == "clap"),
    }
}

fn no_unwrap(file: &File) -> Vec<Finding> {
    file.find("say in `expect` why it cannot fail, or return the error", |at| {
        !file.in_tests[at] && file.text(at) == "unwrap" && file.before(at) == "." && file.text(at + 1) == "("
    })
}

fn no_ignored_test(file: &File) -> Vec<Finding> {
    file.find("a test that does not run is not a test", |at| {
        file.text(at) == "ignore" && file.before(at) == "[" && at >= 2 && file.text(at - 2) == "#"
    })
}

/// The rules on one small file: `expected` is what they say, without the path.
fn check(path: &str, body: &str, expected: &[&str]) {
    let text = format!("//! Small.\n{body}");
    let findings = inspect(path, &text, RULES);
    let said: Vec<&str> = findings.iter().map(|finding| &finding[path.len() + 1..]).collect();
    assert_eq!(said, expected, "{path}: {body}");
}

#[test]
fn an_import_that_points_up_is_found_however_it_is_written() {
    let json = "src/codec/json.rs";
    let no_backend = &["2: codec may not import backend"][..];
    for body in [
        "use crate::backend::Error;",
        "use crate::{backend, value};",
        "use crate::{value::{Node, Value}, limits::Limits, backend::{self, Kind}};",
        "fn f() -> crate::backend::Error {}",
        "use super::super::backend::Kind;",
        "use super::super::{value::Value, backend};",
        "use super::{super::backend, Row};",
        "mod inner { use super::super::super::backend; }",
        "use self::super::super::backend;",
        "#[cfg(test)] mod tests { use crate::backend; }",
    ] {
        check(json, body, no_backend);
    }
    check(json, "use super::super::*;", &["2: codec may not import *"]);
    check(json, "use crate as root;", &["2: codec may not import crate"]);
    check(json, "use crate::{self as root};", &["2: codec may not import self"]);
    check("src/codec/mod.rs", "use super::backend;", no_backend);
    check("src/codec/mod.rs", "use super::{\nvalue,\nbackend};", &["4: codec may not import backend"]);
    check("src/codec.rs", "use super::backend;", no_backend);
    check("src/lib.rs", "mod codec;\nfn run() { codec::names(); }", &["3: lib may not import codec"]);
    check("src/main.rs", "fn main() { cachectl::backend::parse() }", &["2: main may not import backend"]);
    check("src/attic/mod.rs", "", &["1: `attic` is not in the table of tests/it/tidy.rs"]);
}

#[test]
fn an_import_that_points_down_is_not_found() {
    for body in [
        "use crate::value::{Node, Value};\nuse crate::{limits, url::Url, codec::Row};",
        "use super::*;\nuse super::{Row, pickle};\npub(crate) fn f() {}\npub(super) fn g() {}",
        "mod tests { use super::super::Row; }",
        "// crate::backend\n/// [`crate::backend`]\nconst S: &str = \"crate::backend\";",
        "extern crate zstd;",
    ] {
        check("src/codec/json.rs", body, &[]);
    }
    check("src/lib.rs", "mod cli;\nfn run() { cli::parse(); std::url::x(); }", &[]);
    check("src/main.rs", "fn main() { cachectl::run() }", &[]);
}

#[test]
fn the_other_habits_are_found_when_broken() {
    let room = "src/value/mod.rs";
    let only_backend = "only backend opens sockets";
    check(room, "use std::net::IpAddr;", &[&format!("2: `net`: {only_backend}")]);
    check(room, "fn f(_: TcpStream) {}", &[&format!("2: `TcpStream`: {only_backend}")]);
    check("src/backend/wire.rs", "use std::net::TcpStream;", &[]);
    check(room, "fn f() { println!() }", &["2: `println`: only render writes to the terminal"]);
    check(room, "fn f() { io::stderr() }", &["2: `stderr`: only render writes to the terminal"]);
    check(room, "fn f() { command.stdout(x); write!(x) }", &[]);
    check("src/render/mod.rs", "fn f() { io::stdout(); eprintln!() }", &[]);
    check(room, "use clap::Args;", &["2: `clap`: only cli and commands know clap"]);
    check("src/commands/get.rs", "use clap::Args;", &[]);
    let unwrap = "2: `unwrap`: say in `expect` why it cannot fail, or return the error";
    check(room, "fn f() { x.unwrap() }", &[unwrap]);
    check(room, "fn f() { x.unwrap_or(y) }\n#[cfg(test)]\nmod tests { fn f() { x.unwrap() } }", &[]);
    check("src/value/tests.rs", "fn f() { x.unwrap() }", &[]);
    check(room, "#[ignore]\nfn f() {}", &["2: `ignore`: a test that does not run is not a test"]);
    check(room, "#[ignore = \"slow\"] fn f() {}", &["2: `ignore`: a test that does not run is not a test"]);
    assert_eq!(inspect(room, "// not a doc\n", RULES).len(), 1);
}

#[test]
fn a_function_and_a_line_may_be_so_long_and_no_longer() {
    let function = |lines: usize| format!("fn f(x: [u8; 2]) {{\n{}}}", "x;\n".repeat(lines - 2));
    check("src/url.rs", &function(FUNCTION_LINES), &[]);
    check("src/url.rs", &function(FUNCTION_LINES + 1), &["2: `f` has 71 lines, 70 are the most"]);
    check("src/url.rs", &format!("trait T {{ fn f(); }}\n{}", "\n".repeat(80)), &[]);
    check("src/url.rs", &"é".repeat(LINE_CHARS), &[]);
    check("src/url.rs", &"é".repeat(LINE_CHARS + 1), &["2: a line of over 120 characters"]);
}
