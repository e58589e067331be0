//! The man pages: written from the definition of the command line and its tables, and checked in as they are.
//!
//! A page that is stale fails; `CACHECTL_BLESS=1 cargo test --locked --test it man` writes all of them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cachectl::cli::{EXAMPLES, FORMS, Part, TOPICS, Topic, definition, examples};
use cachectl::config::{KEYS, PROFILE};
use clap::Arg;

/// The day of the last release, which pages show; mandoc wants one.
const DATE: &str = "2026-11-21";

/// Text of a page in the language of `man(7)`.
#[derive(Default)]
struct Page(String);

impl Page {
    fn new(name: &str, section: u8, about: &str) -> Page {
        let mut page = Page::default();
        let version = env!("CARGO_PKG_VERSION");
        page.line(".\\\" Written by tests/it/man.rs from the definition of the command line: change that.");
        let title = name.to_uppercase();
        page.line(&format!(".TH {} {section} {DATE} \"cachectl {version}\"", escaped(&title)));
        page.section("NAME");
        let (first, rest) = about.split_at(1);
        page.fill(&format!("{} \\- {}{}", escaped(name), first.to_lowercase(), escaped(rest)));
        page
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn section(&mut self, name: &str) {
        self.line(&format!(".SH {name}"));
    }

    fn words(&mut self, text: &str) {
        self.fill(&escaped(text));
    }

    /// A paragraph's words, in lines that a diff can show.
    fn fill(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.len() + 1 + word.len() > 78 {
                self.text_line(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            self.text_line(&line);
        }
    }

    /// A dot or a quote at the begin of a line would be an order.
    fn text_line(&mut self, line: &str) {
        let order = line.starts_with(['.', '\'']);
        self.line(&if order { format!("\\&{line}") } else { line.to_owned() });
    }

    /// The paragraphs of `text`, of which the first follows what stands before.
    fn paragraphs(&mut self, text: &str, between: &str) {
        for (at, paragraph) in text.split("\n\n").enumerate() {
            if at > 0 {
                self.line(between);
            }
            self.words(paragraph);
        }
    }

    /// A term that is marked up already, and what it is.
    fn row(&mut self, term: &str, about: &str) {
        self.line(".TP");
        self.text_line(term);
        self.paragraphs(about, ".sp");
    }
}

/// Text as it is: nothing in it is an order, and each hyphen is the one that is typed.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c if c.is_ascii() => out.push(c),
            c => out.push_str(&format!("\\[u{:04X}]", u32::from(c))),
        }
    }
    out
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// The pages of a command and of those under it, by their file names.
fn command_pages(command: &clap::Command, path: &str, pages: &mut BTreeMap<String, String>) {
    let name = if path.is_empty() { "cachectl".to_owned() } else { format!("cachectl-{}", path.replace(' ', "-")) };
    let about = command.get_about().unwrap().to_string();
    let mut page = Page::new(&name, 1, &about);
    page.section("SYNOPSIS");
    let usage = command.clone().render_usage().to_string();
    for (at, line) in usage.trim_start_matches("Usage: ").lines().enumerate() {
        if at > 0 {
            page.line(".br");
        }
        page.text_line(&bold(line.trim()));
    }
    page.section("DESCRIPTION");
    let long = command.get_long_about().or(command.get_about()).unwrap().to_string();
    page.paragraphs(long.strip_prefix(&format!("{about}\n\n")).unwrap_or(&long), ".PP");
    page.section("EXAMPLES");
    for (line, does) in examples(path) {
        page.row(&bold(line), does);
    }
    let inner: Vec<&clap::Command> = command.get_subcommands().collect();
    if !inner.is_empty() {
        page.section("COMMANDS");
        for command in &inner {
            page.row(&bold(command.get_name()), &command.get_about().unwrap().to_string());
        }
    }
    options(command, &mut page);
    if path.is_empty() {
        surroundings(&mut page);
    }
    page.section("EXIT STATUS");
    page.words("See cachectl-exit-codes(7).");
    page.section("SEE ALSO");
    let below = inner.iter().map(|command| format!("{name}-{}(1)", command.get_name()));
    let above = path.rsplit_once(' ').map(|(above, _)| format!("cachectl-{}(1)", above.replace(' ', "-")));
    let main = (!path.is_empty()).then(|| "cachectl(1)".to_owned());
    let topics = TOPICS.iter().map(|topic| format!("cachectl-{}(7)", topic.name));
    let all: Vec<String> = main.into_iter().chain(above).chain(below).chain(topics).collect();
    page.words(&all.join(", "));
    pages.insert(format!("{name}.1"), page.0);
    for command in inner {
        let path = format!("{path} {}", command.get_name());
        command_pages(command, path.trim_start(), pages);
    }
}

/// The arguments, by heading. Those that each command has are told of `cachectl` alone.
fn options(command: &clap::Command, page: &mut Page) {
    let global = "Global options";
    let whole = command.get_name() == "cachectl";
    let shown = command.get_arguments().filter(|option| !option.is_hide_set());
    let shown: Vec<&Arg> = shown.filter(|option| whole || option.get_help_heading() != Some(global)).collect();
    let (positionals, named): (Vec<&Arg>, Vec<&Arg>) = shown.into_iter().partition(|option| option.is_positional());
    if !positionals.is_empty() {
        page.section("ARGUMENTS");
        positionals.into_iter().for_each(|argument| one(argument, page));
    }
    let mut headings: Vec<Option<&str>> = Vec::new();
    for option in &named {
        let heading = option.get_help_heading();
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings.sort_unstable();
    for heading in headings {
        page.section(&heading.unwrap_or("Options").to_uppercase());
        named.iter().filter(|option| option.get_help_heading() == heading).for_each(|option| one(option, page));
    }
    if !whole {
        page.line(".PP");
        page.words("Options that every command takes are in cachectl(1).");
    }
}

fn one(option: &Arg, page: &mut Page) {
    let short = option.get_short().map(|letter| bold(&format!("-{letter}")));
    let long = option.get_long_and_visible_aliases().unwrap_or_default();
    let names = short.into_iter().chain(long.iter().map(|name| bold(&format!("--{name}"))));
    let values = option.get_action().takes_values().then(|| option.get_value_names()).flatten().unwrap_or_default();
    let values: Vec<String> = values.iter().map(|name| italic(name)).collect();
    let count = option.get_num_args().unwrap_or_default();
    let mut term = names.collect::<Vec<_>>().join(", ");
    if !values.is_empty() {
        let between = if option.is_positional() {
            ""
        } else if option.is_require_equals_set() {
            "="
        } else {
            " "
        };
        let many = if count.max_values() > 1 { " ..." } else { "" };
        let value = format!("{between}{}{many}", values.join(" "));
        term += &if count.min_values() == 0 && !option.is_positional() { format!("[{value}]") } else { value };
    }
    let about = option.get_long_help().or(option.get_help()).map(ToString::to_string).unwrap_or_default();
    page.row(&term, &about);
    let possible = option.get_possible_values();
    let told: Vec<_> = possible.iter().filter(|value| !value.is_hide_set()).collect();
    if option.get_action().takes_values() && !told.is_empty() {
        let told = told.iter().map(|value| match value.get_help() {
            Some(help) => format!("{} ({help})", value.get_name()),
            None => value.get_name().to_owned(),
        });
        page.line(".sp");
        page.words(&format!("One of {}.", told.collect::<Vec<_>>().join(", ")));
    }
    let defaults: Vec<_> = option.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if option.get_action().takes_values() && !defaults.is_empty() {
        page.words(&format!("[default: {}]", defaults.join(",")));
    }
}

/// Variables and files.
fn surroundings(page: &mut Page) {
    page.section("ENVIRONMENT");
    for (key, variable) in KEYS.iter().filter_map(|key| Some((key, key.variable?))) {
        let about = match key.flag {
            Some(flag) => format!("As {flag}, which goes before it."),
            None => format!("The {} for the backend that somebody named with -b or CACHECTL_BACKEND.", key.name),
        };
        page.row(&bold(variable), &about);
    }
    page.row(&bold(PROFILE), "As --config, which goes before it.");
    page.row(&bold("CACHECTL_COMPLETE_KEYS"), "Where it is 1, shells complete keys too; see cachectl-completions(1).");
    page.row(&bold("NO_COLOR"), "Where it is not empty, there are no colours, unless --color=always.");
    page.section("FILES");
    page.row(&bold("~/.config/cachectl/config.toml"), "The profiles of the user; or under XDG_CONFIG_HOME.");
    page.row(&bold(".cachectl.toml"), "Those of a project, from the working directory upwards.");
}

fn topic_page(topic: &Topic) -> String {
    let mut page = Page::new(&format!("cachectl-{}", topic.name), 7, topic.title);
    page.section("DESCRIPTION");
    for (at, part) in (topic.parts)().into_iter().enumerate() {
        match part {
            Part::Text(text) => {
                if at > 0 {
                    page.line(".PP");
                }
                page.words(&text);
            }
            Part::Rows(rows) => rows.iter().for_each(|(term, about)| page.row(&bold(term), about)),
        }
    }
    page.section("SEE ALSO");
    let others = TOPICS.iter().filter(|other| other.name != topic.name);
    let others = others.map(|other| format!(", cachectl-{}(7)", other.name)).collect::<String>();
    page.words(&format!("cachectl(1){others}"));
    page.0
}

/// All pages, by their file names.
fn pages() -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    command_pages(&definition(), "", &mut pages);
    for topic in TOPICS {
        pages.insert(format!("cachectl-{}.7", topic.name), topic_page(topic));
    }
    pages
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("man")
}

#[test]
fn every_page_is_as_the_definition_has_it() {
    let pages = pages();
    if std::env::var_os("CACHECTL_BLESS").is_some() {
        let _ = fs::remove_dir_all(folder());
        fs::create_dir(folder()).unwrap();
        pages.iter().for_each(|(name, text)| fs::write(folder().join(name), text).unwrap());
    }
    let entries = fs::read_dir(folder()).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), entry.path());
    let there = entries.map(file).map(|(name, path)| (name, fs::read_to_string(path).unwrap()));
    let there: BTreeMap<String, String> = there.collect();
    let names = there.keys().chain(pages.keys());
    let stale: BTreeSet<_> = names.filter(|name| there.get(*name) != pages.get(*name)).collect();
    let how = "CACHECTL_BLESS=1 cargo test --locked --test it man";
    assert!(stale.is_empty(), "stale in man/: {stale:?}; `{how}` writes them anew");
}

#[test]
fn mandoc_finds_nothing_wrong() {
    let names: Vec<String> = pages().into_keys().collect();
    let ran = Command::new("mandoc").args(["-T", "lint"]).args(&names).current_dir(folder()).output();
    let ran = ran.expect("mandoc is missing: apt-get install mandoc");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.is_empty() && ran.stderr.is_empty(), "{ran:?}\n{said}");
}

/// What is typed must be there to be copied: no hyphen, quote or backslash may have become another.
#[test]
fn what_a_page_shows_can_be_typed() {
    let shown = |page: &str| {
        let ran =
            Command::new("mandoc").args(["-T", "utf8", "-O", "width=200"]).arg(page).current_dir(folder()).output();
        let text = String::from_utf8(ran.expect("mandoc is missing: apt-get install mandoc").stdout).unwrap();
        // A letter that is struck twice is bold, and one over a line is slanted.
        let mut plain: Vec<char> = Vec::new();
        for c in text.chars() {
            if c == '\u{8}' { plain.truncate(plain.len() - 1) } else { plain.push(c) }
        }
        plain.into_iter().collect::<String>()
    };
    for (path, examples) in EXAMPLES {
        let name = if path.is_empty() { "cachectl".to_owned() } else { format!("cachectl-{}", path.replace(' ', "-")) };
        let text = shown(&format!("{name}.1"));
        examples.iter().for_each(|(line, _)| assert!(text.contains(line), "{line}: {text}"));
    }
    let text = shown("cachectl-typed-json.7");
    for (json, python) in FORMS {
        assert!(text.contains(json) && text.contains(python), "{json} {python}: {text}");
    }
}
