//! What people type: keys, values, ttls, points in time. Parsed at the edge, once.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use clap::builder::TypedValueParser;
use jiff::{SpanRelativeTo, Timestamp};

use crate::codec::{Codec, Fault};
use crate::entry::Expiry;
use crate::exit::{Exit, Stop};
use crate::layout::Name;
use crate::limits::Limits;
use crate::value::{Value, typed_json};

/// How a value on the command line is meant.
#[derive(Clone, Debug, Args)]
pub struct Typed {
    /// Take the value as text
    #[arg(long, conflicts_with_all = ["bytes", "json"])]
    pub string: bool,
    /// Take the value as bytes
    #[arg(long, conflicts_with = "json")]
    pub bytes: bool,
    /// Take the value as typed JSON
    #[arg(long)]
    pub json: bool,
}

impl Typed {
    /// The value that `argument` is: text on the command line, `-` for stdin, `@FILE`.
    ///
    /// # Errors
    /// When it cannot be read or means nothing.
    pub fn value(&self, argument: &OsString, limits: &Limits) -> Result<Value> {
        let text = read(argument, limits)?;
        if self.bytes {
            return Ok(Value::of_bytes(text));
        }
        if self.json {
            return json(text, limits).context("cannot take the value as typed JSON");
        }
        if std::str::from_utf8(&text).is_err() {
            return Err(Stop::usage("the value is not UTF-8: --bytes stores it as bytes").into());
        }
        if self.string {
            return Ok(Value::of_str(text));
        }
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        let must = matches!(first, Some(b'{' | b'[' | b'"'));
        match json(text.clone(), limits) {
            Ok(value) => Ok(value),
            Err(error) if must || Exit::of(&error) != Exit::Usage => {
                Err(error.context("cannot take the value as JSON (--string stores it as text)"))
            }
            Err(_) => Ok(Value::of_str(text)),
        }
    }
}

/// A value from typed JSON.
///
/// # Errors
/// A usage error, because somebody typed it; a limit is the same one that stored bytes meet.
pub fn json(text: Vec<u8>, limits: &Limits) -> Result<Value> {
    let codec = Codec::parse("json://").expect("the layer is in the table");
    let decoded = codec.decode(text, limits).map_err(|error| match error.fault {
        Fault::Limit(_) => anyhow::Error::from(error),
        _ => Stop::usage(format!("not JSON: {error}")).into(),
    })?;
    let lifted = typed_json::lift(&decoded.value, limits);
    Ok(lifted.map_err(|error| Stop::usage(format!("JSON, but not typed JSON: {error}")))?)
}

/// The bytes that an argument stands for: its own, those of stdin (`-`) or of a file (`@FILE`).
///
/// # Errors
/// When they cannot be read or are too many.
pub fn read(argument: &OsString, limits: &Limits) -> Result<Vec<u8>> {
    let bytes = argument.clone().into_vec();
    match bytes.split_first() {
        Some((b'-', [])) => read_stdin(limits),
        Some((b'@', name)) => read_file(&OsString::from_vec(name.to_vec()), limits),
        _ => Ok(bytes),
    }
}

/// All of stdin.
///
/// # Errors
/// When it cannot be read or is too long.
pub fn read_stdin(limits: &Limits) -> Result<Vec<u8>> {
    read_all(std::io::stdin().lock(), limits).context("cannot read stdin")
}

/// All of a file.
///
/// # Errors
/// When it cannot be read or is too long.
pub fn read_file(name: &OsStr, limits: &Limits) -> Result<Vec<u8>> {
    read_all(open(name)?, limits).with_context(|| format!("cannot read {}", Path::new(name).display()))
}

/// A file that was named on the command line.
///
/// # Errors
/// A usage error when it cannot be opened.
pub fn open(name: &OsStr) -> Result<File> {
    let cannot = |why: &dyn Display| Stop::usage(format!("cannot open {}: {why}", Path::new(name).display()));
    let file = File::open(name).map_err(|error| cannot(&error))?;
    // A directory can be opened, and not read.
    if file.metadata().is_ok_and(|about| about.is_dir()) { Err(cannot(&"it is a directory").into()) } else { Ok(file) }
}

/// A file that is read as it comes; `-` is stdin.
///
/// # Errors
/// A usage error when it cannot be opened.
pub fn source(name: &OsStr) -> Result<Box<dyn BufRead>> {
    if name == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    Ok(Box::new(BufReader::with_capacity(1 << 17, open(name)?)))
}

fn read_all(source: impl std::io::Read, limits: &Limits) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limits.stored + 1).read_to_end(&mut bytes).map_err(|error| Stop::usage(error.to_string()))?;
    limits.check("stored", bytes.len() as u64)?;
    Ok(bytes)
}

/// The tags of the entries that a command is about.
#[derive(Clone, Debug, Args)]
pub struct Tags {
    /// Tag of the entry, where the layout has tags; may be repeated
    #[arg(long = "tag", value_name = "TAG", action = clap::ArgAction::Append, value_parser = tag())]
    pub tags: Vec<String>,
}

impl Tags {
    /// What the application calls the entries at `keys`, each with all of the tags.
    ///
    /// # Errors
    /// When an escape is none.
    pub fn names(&self, keys: &[OsString], escaped: bool) -> Result<Vec<Name>> {
        let name = |key| Name { key, tags: self.tags.clone() };
        Ok(self::keys(keys, escaped)?.into_iter().map(name).collect())
    }
}

/// How long the values of tags stay.
#[derive(Clone, Debug, Args)]
pub struct TagTtl {
    /// How long the value of a tag stays, on redis-tagged-cache
    #[arg(long, value_name = "TIME", value_parser = ttl, default_value = "1d")]
    tag_ttl: Expiry,
}

impl TagTtl {
    /// As an expiry.
    #[must_use]
    pub fn expiry(&self) -> Expiry {
        self.tag_ttl
    }

    /// In milliseconds; `None` for ever.
    #[must_use]
    pub fn ms(&self) -> Option<u64> {
        match self.tag_ttl {
            Expiry::In(ms) => Some(ms),
            _ => None,
        }
    }
}

/// A tag on the command line: text, as in every library that has tags.
pub fn tag() -> impl TypedValueParser<Value = String> {
    clap::builder::OsStringValueParser::new().try_map(|tag| {
        let wrong =
            |tag: OsString| format!("a tag is text in UTF-8, and `{}` is none", tag.as_encoded_bytes().escape_ascii());
        tag.into_string().map_err(wrong)
    })
}

/// The lines of a file of names; `-` is stdin. Blank lines are passed over.
///
/// # Errors
/// When it cannot be read, is too long or is not UTF-8.
pub fn lines(name: &OsString, limits: &Limits) -> Result<Vec<String>> {
    let bytes = if name == "-" { read_stdin(limits)? } else { read_file(name, limits)? };
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let named = lines.enumerate().filter(|(_, line)| !line.is_empty()).map(|(at, line)| {
        let text = std::str::from_utf8(line).map(str::to_owned);
        Ok(text.map_err(|_| {
            let file = if name == "-" { "stdin".to_owned() } else { Path::new(name).display().to_string() };
            let (at, line) = (at + 1, line.escape_ascii());
            Stop::usage(format!("line {at} of {file}: a name is text in UTF-8, and `{line}` is none"))
        })?)
    });
    named.collect()
}

/// The bytes of keys: what was typed, or what that stands for when it is in the escapes that a
/// terminal is shown.
///
/// # Errors
/// When an escape is none.
pub fn keys(arguments: &[OsString], escaped: bool) -> Result<Vec<Vec<u8>>> {
    let keys = arguments.iter().map(|argument| argument.clone().into_vec());
    if escaped { keys.map(|key| unescaped(&key)).collect() } else { Ok(keys.collect()) }
}

fn unescaped(key: &[u8]) -> Result<Vec<u8>> {
    let wrong = || {
        let key = String::from_utf8_lossy(key);
        Stop::usage(format!(r"`{key}` has an escape that is none of \\ \n \r \t \xHH \uHHHH \UHHHHHHHH"))
    };
    Ok(unescape(key).ok_or_else(wrong)?)
}

/// The inverse of [`crate::render::escape::line()`].
fn unescape(key: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(key.len());
    let mut rest = key;
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'\\' {
            out.push(*byte);
            rest = after;
            continue;
        }
        let (kind, after) = after.split_first()?;
        let digits = match kind {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        let (hex, after) = after.split_at_checked(digits)?;
        rest = after;
        let code = || u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok();
        match kind {
            b'\\' => out.push(b'\\'),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'x' => out.push(u8::try_from(code()?).ok()?),
            b'u' | b'U' => out.extend(char::from_u32(code()?)?.encode_utf8(&mut [0; 4]).bytes()),
            _ => return None,
        }
    }
    Some(out)
}

/// A key on the command line: any bytes, also none.
pub fn key() -> clap::builder::OsStringValueParser {
    clap::builder::OsStringValueParser::new()
}

/// An expiry on the command line.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub struct When {
    /// For so long: 60 (seconds), 90s, 1h30m, 2d, never
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    pub ttl: Option<Expiry>,
    /// Until then, such as 2026-12-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = at)]
    pub at: Option<Expiry>,
}

/// Reads a ttl.
///
/// # Errors
/// What is expected.
pub fn ttl(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let duration = duration(text).map_err(|error| format!("{error}; or never"))?;
    match u64::try_from(duration.as_millis()) {
        Ok(ms @ 1..=MS_MAX) => Ok(Expiry::In(ms)),
        Ok(0) => Err("a ttl of zero means something else in every library: use del, or --ttl never".into()),
        _ => Err("a ttl is at most 100 years".into()),
    }
}

const MS_MAX: u64 = 100 * 366 * 86_400 * 1000;

/// Reads how long to wait for a server.
///
/// # Errors
/// What is expected.
pub fn timeout(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("no server answers in no time".into()),
        timeout => Ok(timeout),
    }
}

/// Checks a [`timeout`], and keeps it as it is.
///
/// # Errors
/// What is expected.
pub fn checked_timeout(text: &str) -> Result<String, String> {
    timeout(text).map(|_| text.to_owned())
}

/// Reads a length of time: `60` is seconds.
///
/// # Errors
/// What is expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a length of time: expected such as 60 (seconds), 90s, 1h30m, 2d");
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    Duration::try_from(duration).map_err(|_| wrong())
}

/// Reads a point in time.
///
/// # Errors
/// What is expected.
pub fn at(text: &str) -> Result<Expiry, String> {
    let time: Timestamp = text
        .parse()
        .map_err(|_| format!("`{text}` is no point in time with an offset: expected such as 2026-12-01T00:00:00Z"))?;
    if time <= Timestamp::now() {
        return Err(format!("`{text}` is in the past: use del"));
    }
    Ok(Expiry::At(time.as_millisecond()))
}

/// Milliseconds from now until so many after the epoch.
#[must_use]
pub fn ms_until(ms: i64) -> u64 {
    u64::try_from(ms - Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Checks `NAME=N` of `--max`, and keeps it as it is.
///
/// # Errors
/// What is expected.
pub fn limit(text: &str) -> Result<String, String> {
    Limits::DEFAULT.clone().set(text)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_are_read() {
        for (text, ms) in [
            ("60", 60_000),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(ttl(text), Ok(Expiry::In(ms)), "{text}");
        }
        assert_eq!(ttl("never"), Ok(Expiry::Never));
        for text in ["", "0", "0s", "-5s", "x", "1 month", "1e9", "99999999999", "200000d"] {
            assert!(ttl(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_terminal_shows_of_a_key_can_be_typed() {
        let texts = ["a b", "\\", "\n\t\r\0\x1b", "\u{9b}\u{202e}\u{e0001}é"].map(str::as_bytes);
        for key in texts.into_iter().chain([&b"\xff\x00\x9b"[..]]) {
            let shown = crate::render::escape::line(key);
            assert_eq!(unescape(shown.as_bytes()).as_deref(), Some(key), "{shown}");
        }
        for wrong in ["\\", "\\q", "\\x1", "\\xzz", "\\ud800"] {
            assert_eq!(unescape(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn points_in_time_are_read() {
        assert_eq!(at("2300-01-01T00:00:01Z"), Ok(Expiry::At(10_413_792_001_000)));
        assert_eq!(at("2300-01-01T01:00:01+01:00"), Ok(Expiry::At(10_413_792_001_000)));
        assert!(at("1970-01-01T00:00:01Z").is_err_and(|error| error.contains("past")));
        assert!(at("2026-12-01").is_err());
        assert!(at("2026-12-01T00:00:00").is_err());
    }
}
