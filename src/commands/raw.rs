//! `raw`: any command of the server's own.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use anyhow::{Context as _, Result};
use num_bigint::BigInt;

use super::guard::{Effect, Yes};
use super::{Global, arguments, target};
use crate::backend::{Reply, redis};
use crate::exit::{Exit, Stop};
use crate::render::text::Notation;
use crate::render::{Format, Printer, escape};
use crate::value::{Node, Value};

/// Send a command of the server's own
///
/// Redis and Valkey only. The arguments are sent as they are, without layout and serializer; what
/// comes after the command's name is its own, so options of cachectl's stand before it. A reply looks
/// as redis-cli shows it, but nothing in it is ambiguous or reaches a terminal unescaped; -o json and
/// the like print it as a value, in which data that is UTF-8 is text and an error inside a list is
/// {"error": …}; -o raw writes its bytes. Nil makes the status 1. Nothing is asked before a command
/// that destroys, unless the profile is protected.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command and its arguments, such as OBJECT ENCODING user:42
    #[arg(required = true, value_name = "CMD ARG", trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_parser = arguments::key())]
    command: Vec<OsString>,
    #[command(flatten)]
    yes: Yes,
}

impl Args {
    /// What is done to entries: nothing by a command that is known to read.
    pub(super) fn effect(&self) -> Effect<'_> {
        let words: Vec<&[u8]> = self.command.iter().map(|word| word.as_bytes()).collect();
        if redis::reads(&words) { Effect::Reads } else { Effect::Destroys(&self.yes) }
    }
}

pub fn run(args: &Args, global: &Global, printer: &mut Printer) -> Result<Exit> {
    if printer.format() == Format::Raw {
        super::refuse_terminal(printer)?;
    }
    let command = arguments::keys(&args.command, global.escaped)?;
    let reply = target::open(global, printer)?.raw(&command)?;
    let exit = if reply == Reply::Nil { Exit::No } else { Exit::Yes };
    match printer.format() {
        Format::Text => show(&reply, "", "", printer)?,
        Format::Raw => printer.raw(&exact(reply)?)?,
        _ => {
            let mut value = Value::over(Vec::new());
            let root = node(&reply, &mut value);
            value.set_root(root);
            printer.value(&value, Notation::Json).context("cannot show the reply")?;
        }
    }
    Ok(exit)
}

/// A reply in the notation of redis-cli, for a line that begins with `first` and further ones with
/// `rest`. What is a list stands in lists no deeper than a reply may.
fn show(reply: &Reply, first: &str, rest: &str, printer: &mut Printer) -> Result<()> {
    let (items, mark) = match reply {
        Reply::List(items) if !items.is_empty() => (items, ')'),
        Reply::Set(items) if !items.is_empty() => (items, '~'),
        Reply::Map(pairs) if !pairs.is_empty() => return show_map(pairs, first, rest, printer),
        scalar => return Ok(printer.line(&format!("{first}{}", word(scalar)))?),
    };
    let width = items.len().to_string().len();
    let inner = format!("{rest}{:width$}  ", "");
    for (at, item) in items.iter().enumerate() {
        let start = if at == 0 { first } else { rest };
        show(item, &format!("{start}{:>width$}{mark} ", at + 1), &inner, printer)?;
    }
    Ok(())
}

/// Key and value on one line where both are words; where not, a value has lines of its own.
fn show_map(pairs: &[(Reply, Reply)], first: &str, rest: &str, printer: &mut Printer) -> Result<()> {
    let width = pairs.len().to_string().len();
    let inner = format!("{rest}{:width$}  ", "");
    for (at, (key, value)) in pairs.iter().enumerate() {
        let start = format!("{}{:>width$}# ", if at == 0 { first } else { rest }, at + 1);
        if is_word(key) && is_word(value) {
            printer.line(&format!("{start}{} => {}", word(key), word(value)))?;
            continue;
        }
        show(key, &start, &inner, printer)?;
        show(value, &format!("{inner}=> "), &format!("{inner}   "), printer)?;
    }
    Ok(())
}

/// Whether a reply stands on one line.
fn is_word(reply: &Reply) -> bool {
    match reply {
        Reply::List(items) | Reply::Set(items) => items.is_empty(),
        Reply::Map(pairs) => pairs.is_empty(),
        _ => true,
    }
}

/// A reply that stands on one line.
fn word(reply: &Reply) -> String {
    let quoted = |bytes: &[u8]| format!("\"{}\"", escape::line(bytes).replace('"', "\\\""));
    match reply {
        Reply::Nil => "(nil)".to_owned(),
        // A script may answer with any status: one that looks like something else is marked.
        Reply::Status(text) if text.first().is_some_and(u8::is_ascii_alphabetic) => escape::line(text),
        Reply::Status(text) => format!("(status) {}", quoted(text)),
        Reply::Error(text) => format!("(error) {}", escape::line(text.as_bytes())),
        Reply::Int(number) => format!("(integer) {number}"),
        Reply::Big(digits) => format!("(integer) {}", escape::line(digits)),
        Reply::Double(number) => format!("(double) {number}"),
        Reply::Bool(truth) => format!("({truth})"),
        Reply::Bytes(bytes) => quoted(bytes),
        Reply::List(_) => "(empty array)".to_owned(),
        Reply::Set(_) => "(empty set)".to_owned(),
        Reply::Map(_) => "(empty hash)".to_owned(),
    }
}

/// The bytes of a reply that is one thing.
fn exact(reply: Reply) -> Result<Vec<u8>> {
    Ok(match reply {
        Reply::Nil => Vec::new(),
        Reply::Status(bytes) | Reply::Bytes(bytes) | Reply::Big(bytes) => bytes,
        Reply::Int(number) => number.to_string().into_bytes(),
        Reply::Double(number) => number.to_string().into_bytes(),
        Reply::Bool(truth) => truth.to_string().into_bytes(),
        Reply::Error(text) => text.into_bytes(),
        Reply::List(_) | Reply::Set(_) | Reply::Map(_) => {
            return Err(Stop::usage("a reply of several parts has no exact bytes: -o json has all of it").into());
        }
    })
}

/// A reply as a value.
fn node(reply: &Reply, value: &mut Value) -> Node {
    match reply {
        Reply::Nil => Node::None,
        Reply::Status(bytes) | Reply::Bytes(bytes) => text(bytes, value),
        Reply::Error(words) => {
            let pair = [text(b"error", value), text(words.as_bytes(), value)];
            Node::Dict(value.container(&pair))
        }
        Reply::Int(number) => Node::Int(*number),
        Reply::Big(digits) => match BigInt::parse_bytes(digits, 10) {
            Some(number) => value.integer(&number),
            None => text(digits, value),
        },
        Reply::Double(number) => Node::Float(*number),
        Reply::Bool(truth) => Node::Bool(*truth),
        Reply::List(items) => Node::List(container(items.iter(), value)),
        Reply::Set(items) => Node::Set(container(items.iter(), value)),
        Reply::Map(pairs) => Node::Dict(container(pairs.iter().flat_map(|(key, value)| [key, value]), value)),
    }
}

fn container<'r>(items: impl Iterator<Item = &'r Reply>, value: &mut Value) -> crate::value::Id {
    let nodes: Vec<Node> = items.map(|item| node(item, value)).collect();
    value.container(&nodes)
}

/// Text where it is UTF-8, else bytes.
fn text(bytes: &[u8], value: &mut Value) -> Node {
    let span = value.push_text(bytes);
    if std::str::from_utf8(bytes).is_ok() { Node::Str(span) } else { Node::Bytes(span) }
}
