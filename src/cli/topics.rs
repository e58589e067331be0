//! Topics: what several commands share, told once, from the tables that the commands go by.
//!
//! `help TOPIC` and the pages of section 7 walk [`TOPICS`]; each is made of parts, which look different there and
//! here.

use crate::backend::BACKENDS;
use crate::codec::LAYERS;
use crate::commands::permissions::{self, ELSEWHERE, PERMISSIONS};
use crate::exit::STATUSES;
use crate::layout::LAYOUTS;
use crate::limits::{LIMITS, Limits};

/// What several commands share.
pub struct Topic {
    /// As `help` takes it.
    pub name: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// What there is to say.
    pub parts: fn() -> Vec<Part>,
}

/// A part of what there is to say.
pub enum Part {
    /// A paragraph.
    Text(String),
    /// Terms, each with what it is.
    Rows(Vec<(String, String)>),
}

/// The table of topics.
pub const TOPICS: &[Topic] = &[
    Topic { name: "backends", title: "where entries are: the URLs of -b", parts: backends },
    Topic { name: "serializers", title: "how values are encoded: the URLs of -s", parts: serializers },
    Topic { name: "layouts", title: "how keys are named: the URLs of -l", parts: layouts },
    Topic { name: "exit-codes", title: "what a command ends with", parts: exit_codes },
    Topic { name: "typed-json", title: "how values are written and printed as JSON", parts: typed_json },
    Topic { name: "permissions", title: "what a user of Redis must be allowed", parts: permissions },
    Topic { name: "limits", title: "what bounds a value that is read: --max", parts: limits },
];

/// A term that is longer stands on a line of its own.
const TERM_MOST: usize = 36;

impl Topic {
    /// All of it as text, in lines of so many columns.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut text = format!("{}: {}\n", self.name, self.title);
        for part in (self.parts)() {
            text.push('\n');
            match part {
                Part::Text(words) => text.push_str(&wrapped(&words, "", "", width)),
                Part::Rows(rows) => {
                    let terms = rows.iter().map(|(term, _)| term.chars().count());
                    let column = terms.filter(|term| *term <= TERM_MOST).max().unwrap_or(0);
                    let indent = " ".repeat(column + 4);
                    for (term, about) in rows {
                        let fits = term.chars().count() <= column;
                        let first = if fits { format!("  {term:column$}  ") } else { format!("  {term}\n{indent}") };
                        text.push_str(&wrapped(&about, &first, &indent, width));
                    }
                }
            }
        }
        text
    }
}

/// `words` in lines of at most `width` columns where that is possible, after `first`, and each but the first after
/// `indent`.
fn wrapped(words: &str, first: &str, indent: &str, width: usize) -> String {
    let (mut text, mut column) = (first.to_owned(), indent.len());
    let mut fresh = true;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if !fresh && column + 1 + length > width {
            text.push('\n');
            text.push_str(indent);
            (column, fresh) = (indent.len(), true);
        }
        if !fresh {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
        fresh = false;
    }
    text.push('\n');
    text
}

fn backends() -> Vec<Part> {
    let rows = BACKENDS.iter().map(|row| {
        let (_, others) = row.schemes.split_first().expect("each has a scheme");
        let also = if others.is_empty() { String::new() } else { format!("; also {}:", others.join(":, ")) };
        (row.example.to_owned(), format!("{}{also}", row.about))
    });
    vec![
        text("A backend is named by -b URL, CACHECTL_BACKEND or a profile; without one it is disk:."),
        Part::Rows(rows.collect()),
        text(
            "A password in the URL of -b can be read by every user of the machine, in the list of processes: \
             CACHECTL_PASSWORD, --password-file, --ask-password and profiles keep it out of there.",
        ),
    ]
}

fn serializers() -> Vec<Part> {
    let layers = LAYERS.iter().map(|row| (row.names.join(", "), row.about.to_owned()));
    let parameters = LAYERS.iter().flat_map(|row| {
        row.parameters.iter().map(|parameter| {
            let (low, high) = (parameter.range.start(), parameter.range.end());
            let term = format!("{} ?{}={low}..{high}", row.names[0], parameter.name);
            (term, format!("{} [default: {}]", parameter.about, parameter.default))
        })
    });
    vec![
        text(
            "A serializer is named by -s URL, CACHECTL_SERIALIZER or a profile: LAYER(+LAYER)*://[?PARAMETER=N], \
             such as pickle+zstd://?compression-level=19. Layers apply from left to right on write and from right to \
             left on read, and share the parameters.",
        ),
        text(
            "Without one, or with auto://, an entry is read as the library of the layout writes it, else by what its \
             bytes show. It is written in the chain that the entry has; a new one in that of the layout's library, \
             else json://.",
        ),
        Part::Rows(layers.collect()),
        text("Parameters, with what they may be:"),
        Part::Rows(parameters.collect()),
    ]
}

fn layouts() -> Vec<Part> {
    let rows = LAYOUTS.iter().map(|row| (row.example.to_owned(), row.about.to_owned()));
    vec![
        text(
            "A layout is how a library names the entries of an application in a backend. It is named by -l URL, \
             CACHECTL_LAYOUT or a profile; without one it is plain:. What stands behind :// is the namespace, and -n \
             NAME says the same.",
        ),
        Part::Rows(rows.collect()),
    ]
}

fn exit_codes() -> Vec<Part> {
    let rows = STATUSES.iter().map(|(exit, about)| ((*exit as u8).to_string(), (*about).to_owned()));
    vec![
        text("The exit status is for scripts, and does not change its meaning:"),
        Part::Rows(rows.collect()),
        text("Where the reader of the output goes away (a broken pipe), that is success."),
    ]
}

fn permissions() -> Vec<Part> {
    let lost = |rules: &[&str], lost: &str| match (rules.is_empty(), lost) {
        (true, _) => "it works with no rule at all".to_owned(),
        (false, "") => "it is refused".to_owned(),
        (false, lost) => lost.to_owned(),
    };
    let rows = PERMISSIONS.iter().flat_map(|row| {
        let of = move |rules: &[&str], without: &str| {
            let line = permissions::line(rules, "KEYS");
            let line = if line.is_empty() { "nothing".to_owned() } else { line };
            (format!("{}: {line}", row.command), lost(rules, without))
        };
        std::iter::once(of(row.needs, "")).chain(row.more.iter().map(move |(rules, without)| of(rules, without)))
    });
    vec![
        text("Rules for ACL SETUSER, and what is lost without them; `ping --permissions` has them for your keys:"),
        Part::Rows(rows.collect()),
        text(ELSEWHERE),
    ]
}

/// What typed JSON has that JSON has not, and the same in Python; a test has each read and written.
pub const FORMS: &[(&str, &str)] = &[
    (r#"{"$bytes": "AAE="}"#, r"b'\x00\x01'"),
    (r#"{"$bytearray": "AAE="}"#, r"bytearray(b'\x00\x01')"),
    (r#"{"$tuple": [1, 2]}"#, "(1, 2)"),
    (r#"{"$set": [1]}"#, "{1}"),
    (r#"{"$frozenset": [1]}"#, "frozenset({1})"),
    (r#"{"$dict": [[1, "one"], ["$ref", 2]]}"#, "{1: 'one', '$ref': 2}"),
    (r#"{"$float": "nan"}"#, "nan"),
    (r#"{"$complex": [1.0, 2.0]}"#, "(1+2j)"),
    (r#"{"$range": [0, 10, 2]}"#, "range(0, 10, 2)"),
    (r#"{"$fraction": [1, 3]}"#, "Fraction(1, 3)"),
    (r#"{"$decimal": "1.50"}"#, "Decimal('1.50')"),
    (r#"{"$uuid": "12345678-1234-5678-1234-567812345678"}"#, "UUID('12345678-1234-5678-1234-567812345678')"),
    (r#"{"$date": "2026-12-01"}"#, "datetime.date(2026, 12, 1)"),
    (r#"{"$time": "12:00:00"}"#, "datetime.time(12, 0)"),
    (
        r#"{"$datetime": "2026-12-01T12:00:00+00:00"}"#,
        "datetime.datetime(2026, 12, 1, 12, 0, tzinfo=datetime.timezone.utc)",
    ),
    (r#"{"$timedelta": {"days": 1, "seconds": 30}}"#, "datetime.timedelta(days=1, seconds=30)"),
    (r#"{"$timezone": "+01:00"}"#, "datetime.timezone(datetime.timedelta(seconds=3600))"),
    (r#"{"$zoneinfo": "Europe/Paris"}"#, "zoneinfo.ZoneInfo(key='Europe/Paris')"),
    (r#"{"$str": "\\ud800"}"#, r"'\ud800'"),
    (r#"{"$global": "app.Colour"}"#, "app.Colour"),
    (r#"{"$id": 1, "$value": [{"$ref": 1}]}"#, "[[...]]"),
];

fn typed_json() -> Vec<Part> {
    let rows = FORMS.iter().map(|(json, python)| ((*json).to_owned(), (*python).to_owned()));
    vec![
        text(
            "`get -o json` prints JSON that loses nothing, and `set`, `encode` and `set --from` take it back. What \
             JSON itself can say is said so. All else is an object whose first key begins with $:",
        ),
        Part::Rows(rows.collect()),
        text(
            "An integer of more than 4300 digits is {\"$int\": \"0x...\"}. A key of your own that begins with $ is \
             written as in $dict above.",
        ),
        text(
            "An object of an application's class is {\"$object\": \"app.Point\", \"args\": [...]}, with `how` and \
             `kwargs` where it was made in another way, and `steps` for what it was given afterwards; a list among \
             them is $list. Of pickles there are also $persistent, $extension, $buffer and $readonly_buffer, and of \
             MessagePack {\"$ext\": [CODE, \"BASE64\"]} and {\"$timestamp\": [SECONDS, NANOSECONDS]}.",
        ),
        text(
            "A VALUE on the command line is typed JSON if it parses, and text that begins with {, [ or \" must; \
             other text is a string. --string, --bytes and --json force it; - is standard input, @FILE a file.",
        ),
    ]
}

fn limits() -> Vec<Part> {
    let rows = LIMITS.iter().map(|row| {
        let most = *(row.field)(&mut Limits::DEFAULT.clone());
        let (most, unit) = match row.unit {
            "bytes" => (most >> 20, "MiB"),
            unit => (most, unit),
        };
        (row.name.to_owned(), format!("{} [default: {most} {unit}]", row.about))
    });
    vec![
        text(
            "Values are taken to be hostile: what comes from bytes meets a limit before memory is reserved for it. \
             An error names the limit and the byte. --max NAME=N raises or lowers one, such as --max stored=256MiB \
             or --max depth=2000; so does `limits` in a profile.",
        ),
        Part::Rows(rows.collect()),
    ]
}

fn text(words: &str) -> Part {
    Part::Text(words.to_owned())
}
