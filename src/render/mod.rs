//! The only writer to stdout and stderr: results to the one, everything else to the other.
//!
//! A command hands over values, records and sentences; how they look, whether colours are wanted
//! and what must be escaped is decided here.

pub mod escape;
mod live;
mod prompt;
mod record;
pub mod spark;
pub mod text;

use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use comfy_table::presets;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use self::live::Live;
pub use self::prompt::Answer;
pub use self::record::Record;
use crate::entry::Ttl;
use crate::limits::Limits;
use crate::secret::redact_all;
use crate::value::json::{self, Escape};
use crate::value::print::{Expansion, PrintError};
use crate::value::{Value, plain, python, typed_json};

/// How results look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people: pretty, coloured on a terminal, in the notation of the data.
    #[default]
    Text,
    /// Typed JSON, lossless; what a terminal could act on is escaped, for a pipe may end at one.
    Json,
    /// Ordinary JSON, for jq; what was flattened is said on stderr.
    Plain,
    /// One line, as Python's repr.
    Python,
    /// One JSON record a line: key, hit, value, `ttl_ms` …
    Jsonl,
    /// The exact bytes.
    Raw,
    /// A table, of the commands that print one.
    Csv,
}

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// Writes results and remarks.
pub struct Printer {
    format: Format,
    colour: bool,
    quiet: bool,
    limits: Limits,
    terminal: bool,
    out: BufWriter<io::Stdout>,
}

impl Printer {
    /// A printer to this process's stdout and stderr.
    #[must_use]
    pub fn new(format: Format, colour: Colour, quiet: bool) -> Printer {
        let terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = match colour {
            Colour::Auto => terminal && !unwanted,
            Colour::Always => true,
            Colour::Never => false,
        };
        let out = BufWriter::with_capacity(1 << 16, io::stdout());
        Printer { format, colour, quiet, limits: Limits::DEFAULT, terminal, out }
    }

    /// From now on, results meet these limits.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The format that was asked for.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether results are records, one JSON object a line, or text: what a command can print that
    /// prints no values. `None` for the formats that are for values.
    #[must_use]
    pub fn records(&self) -> Option<bool> {
        match self.format {
            Format::Text => Some(false),
            Format::Json | Format::Jsonl => Some(true),
            Format::Plain | Format::Python | Format::Raw | Format::Csv => None,
        }
    }

    /// Whether stdout is a terminal.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Where a program may write that is run meanwhile: on the terminal, or beside the results.
    #[must_use]
    pub fn beside(&self) -> Stdio {
        if self.terminal { Stdio::inherit() } else { Stdio::from(io::stderr()) }
    }

    /// Whether colours are wanted on stdout.
    #[must_use]
    pub fn is_coloured(&self) -> bool {
        self.colour
    }

    /// Whether what stands on stdout can be written over: on a terminal that can do that.
    #[must_use]
    pub fn redraws(&self) -> bool {
        self.terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    /// A value on stdout, in the format that was asked for, and a line end. `notation` is that of
    /// the data.
    ///
    /// # Errors
    /// When the format cannot express the value, or it would be too long.
    pub fn value(&mut self, value: &Value, notation: text::Notation) -> Result<(), PrintError> {
        match self.format {
            Format::Text => {
                let style = text::Style { notation, colour: self.colour, width: self.width(), terminal: self.terminal };
                text::write(value, &style, &self.limits, &mut self.out)?;
            }
            Format::Python => python::write(value, &self.limits, &mut self.out)?,
            Format::Json | Format::Jsonl | Format::Raw | Format::Csv => {
                let typed = typed_json::lower(value, &self.limits)?;
                json::write(&typed, Escape::Terminal, &self.limits, &mut self.out)?;
            }
            Format::Plain => {
                let escape = if self.terminal { Escape::Terminal } else { Escape::Utf8 };
                let notes = plain::write(value, escape, &self.limits, &mut self.out)?;
                self.out.write_all(b"\n")?;
                notes.iter().for_each(|note| self.note(note));
                return Ok(());
            }
        }
        Ok(self.out.write_all(b"\n")?)
    }

    /// A value as typed JSON, for a record.
    ///
    /// # Errors
    /// When it would be too long.
    pub fn typed(&self, value: &Value) -> Result<Value, PrintError> {
        let typed = typed_json::lower(value, &self.limits)?;
        Expansion::of(&typed).check(&self.limits)?;
        Ok(typed.into_owned())
    }

    /// Exact bytes on stdout.
    ///
    /// # Errors
    /// When the output fails.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), PrintError> {
        Ok(self.out.write_all(bytes)?)
    }

    /// A record on stdout, on a line of its own.
    ///
    /// # Errors
    /// When the output fails.
    pub fn record(&mut self, record: &Record) -> Result<(), PrintError> {
        record.write(&self.limits, &mut self.out)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// A line of text on stdout; what came from a cache in it has been through [`escape`].
    ///
    /// # Errors
    /// When the output fails.
    pub fn line(&mut self, text: &str) -> Result<(), PrintError> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// A line of text on stdout after a word that says how to take it, in `colour` where colours are
    /// wanted. The text is escaped here.
    ///
    /// # Errors
    /// When the output fails.
    pub fn marked(&mut self, colour: AnsiColor, mark: &str, text: &str) -> Result<(), PrintError> {
        let style = if self.colour { colour.on_default() } else { Style::new() };
        Ok(writeln!(self.out, "{style}{mark}:{style:#} {}", escape::message(text))?)
    }

    /// A key on stdout: escaped on a terminal, its exact bytes in a pipe.
    ///
    /// # Errors
    /// When the output fails.
    pub fn key(&mut self, key: &[u8], end: u8) -> Result<(), PrintError> {
        if self.terminal {
            self.out.write_all(escape::line(key).as_bytes())?;
        } else {
            self.out.write_all(key)?;
        }
        Ok(self.out.write_all(&[end])?)
    }

    /// A table on stdout. Every cell is escaped here.
    ///
    /// # Errors
    /// When the output fails.
    pub fn table(&mut self, header: &[&str], rows: &[Vec<String>]) -> Result<(), PrintError> {
        Ok(self.out.write_all(table(header, rows).as_bytes())?)
    }

    /// The same, of which a terminal that is too narrow shows less: columns that are named in `spare`
    /// go, the first of them first.
    ///
    /// # Errors
    /// When the output fails.
    pub fn table_within(&mut self, header: &[&str], rows: &[Vec<String>], spare: &[&str]) -> Result<(), PrintError> {
        let (mut header, mut rows) = (header.to_vec(), rows.to_vec());
        let mut spare = spare.iter();
        loop {
            let text = table(&header, &rows);
            let fits = !self.terminal || text.lines().all(|line| line.chars().count() <= self.width());
            let Some(name) = spare.next().filter(|_| !fits) else {
                return Ok(self.out.write_all(text.as_bytes())?);
            };
            if let Some(place) = header.iter().position(|column| column == name) {
                header.remove(place);
                rows.iter_mut().for_each(|row| drop(row.remove(place)));
            }
        }
    }

    /// Rows of a table as CSV (RFC 4180), with `header` before them where there is one. Every cell is
    /// escaped here.
    ///
    /// # Errors
    /// When the output fails.
    pub fn csv(&mut self, header: &[&str], rows: &[Vec<String>]) -> Result<(), PrintError> {
        const FITS: &str = "memory takes all, and rows have as many cells as their header";
        let mut table = csv::Writer::from_writer(Vec::new());
        if !header.is_empty() {
            table.write_record(header).expect(FITS);
        }
        for row in rows {
            table.write_record(row.iter().map(|cell| escape::message(cell))).expect(FITS);
        }
        let text = table.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(self.out.write_all(&text)?)
    }

    /// A remark on stderr, unless `--quiet`.
    pub fn note(&mut self, text: &str) {
        if !self.quiet {
            self.say("", text);
        }
    }

    /// A warning on stderr, in any case.
    pub fn warn(&mut self, text: &str) {
        self.say("warning: ", text);
    }

    /// An error on stderr, in any case.
    pub fn error(&mut self, text: &str) {
        self.say("cachectl: ", text);
    }

    fn say(&mut self, prefix: &str, text: &str) {
        // What was printed before comes before; a reader that went away is noticed at the next write.
        let _ = self.out.flush();
        let _ = writeln!(io::stderr(), "{prefix}{}", escape::message(text));
    }

    /// Asks on the terminal; `None` where there is nobody to ask.
    #[must_use]
    pub fn confirm(&mut self, question: &str) -> Option<bool> {
        self.ask(&format!("{question} [y/N] ")).map(|answer| matches!(&*answer, "y" | "Y" | "yes"))
    }

    /// Asks for a line on the terminal; `None` where there is nobody to ask.
    #[must_use]
    pub fn ask(&mut self, question: &str) -> Option<String> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        let _ = self.out.flush();
        let _ = write!(io::stderr(), "{}", escape::message(question));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).ok()?;
        Some(answer.trim().to_owned())
    }

    /// Asks for a text on the terminal, which does not show it.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn ask_secret(&mut self, question: &str) -> io::Result<Answer> {
        let _ = self.out.flush();
        prompt::secret(&escape::message(question))
    }

    /// Whether anybody would see progress.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Progress over an unknown number of steps, on stderr: see [`Progress`].
    #[must_use]
    pub fn progress(&self, what: &'static str) -> Progress {
        self.progress_of(what, None)
    }

    /// Progress over about so many steps, where that is known.
    #[must_use]
    pub fn progress_of(&self, what: &'static str, total: Option<u64>) -> Progress {
        Progress { what, total, quiet: self.quiet, started: Instant::now(), bar: None }
    }

    /// Hands everything to the operating system.
    ///
    /// # Errors
    /// When the output fails.
    pub fn flush(&mut self) -> Result<(), PrintError> {
        Ok(self.out.flush()?)
    }

    fn width(&self) -> usize {
        self.size().0
    }

    /// Columns and rows of the terminal; 80 by 24 where there is none.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        match self.terminal.then(terminal_size::terminal_size).flatten() {
            Some((columns, rows)) => (usize::from(columns.0), usize::from(rows.0)),
            None => (80, 24),
        }
    }
}

/// A table as text.
fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING);
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| escape::message(cell)).collect::<Vec<_>>());
    }
    // A terminal's width is not looked at: what is cut is for the caller to say.
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// How far long work is: shown when stderr is a terminal and the work is long enough to wonder.
pub struct Progress {
    what: &'static str,
    total: Option<u64>,
    quiet: bool,
    started: Instant,
    bar: Option<ProgressBar>,
}

/// Work that is done by then needs no progress shown.
const PATIENCE: Duration = Duration::from_millis(700);

impl Progress {
    /// So many steps are done.
    pub fn set(&mut self, steps: u64) {
        if self.bar.is_none() && !self.quiet && self.started.elapsed() > PATIENCE {
            let bar = ProgressBar::with_draw_target(self.total, ProgressDrawTarget::stderr());
            let template = if self.total.is_some() { TEMPLATE_OF } else { TEMPLATE };
            bar.set_style(ProgressStyle::with_template(template).expect("the template is checked by a test"));
            self.bar = Some(bar.with_message(self.what).with_elapsed(self.started.elapsed()));
        }
        if let Some(bar) = &self.bar {
            bar.set_position(steps);
        }
    }

    /// So it goes, in place of what was said before.
    pub fn say(&mut self, text: String) {
        if self.bar.is_none() && !self.quiet && self.started.elapsed() > PATIENCE {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template(TEMPLATE_SAID).expect("the template is checked by a test"));
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.what, escape::message(&text)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

const TEMPLATE_SAID: &str = "{wide_msg}";
const TEMPLATE: &str = "{msg}: {human_pos} ({per_sec})";
const TEMPLATE_OF: &str = "{msg}: {human_pos} of {human_len} {wide_bar:.dim} {per_sec}, {eta} left";

/// Where lines go that are results and have been made safe for a terminal already.
#[must_use]
pub fn lines() -> impl Write {
    io::stdout()
}

/// Says on stderr what is wrong with the command line, before there is a printer.
pub fn usage_error(text: &str) {
    let _ = io::stderr().write_all(escape::message(text).as_bytes());
}

/// A remark on stderr, from where no printer is at hand; each is made once.
pub fn remark(text: &str) {
    static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let Ok(mut made) = MADE.lock() else { return };
    if !made.iter().any(|one| one == text) {
        let _ = writeln!(io::stderr(), "{}", escape::message(text));
        made.push(text.to_owned());
    }
}

/// Makes a panic end the process with `status` and a sentence to report it by. Nothing from a cache
/// is in it: what a panic says may hold anything, so it is escaped.
pub fn report_panics(status: i32) {
    std::panic::set_hook(Box::new(move |panic| {
        let text = escape::message(&redact_all(&panic.to_string()));
        let _ = writeln!(io::stderr(), "cachectl: this is a bug, please report it: {text}");
        std::process::exit(status);
    }));
}

/// A ttl as people write it: `1h 2m 3s`, `never`, `unknown`.
#[must_use]
pub fn ttl(ttl: Ttl) -> String {
    let Ttl::Left(ms) = ttl else {
        return if ttl == Ttl::Never { "never".into() } else { "unknown".into() };
    };
    if ms < 10_000 {
        return if ms % 1000 == 0 { format!("{}s", ms / 1000) } else { format!("{}ms", ms) };
    }
    let seconds = ms.div_ceil(1000);
    let parts = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds;
    let mut words = Vec::new();
    for (size, unit) in parts {
        if left >= size {
            words.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    words.join(" ")
}

/// So many of something: `1 key`, `2 keys`.
#[must_use]
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A number as people read it: `1,234,567`.
#[must_use]
pub fn grouped(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// A number of bytes as people write it: `512 B`, `1.5 KiB`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = count as f64 / 1024.0;
    if count < 1024 {
        return format!("{count} B");
    }
    for unit in units {
        if size < 1024.0 || unit == "TiB" {
            return format!("{size:.1} {unit}");
        }
        size /= 1024.0;
    }
    unreachable!("the last unit takes any size")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ttls_and_sizes_are_readable() {
        for (ms, shown) in
            [(0, "0s"), (1, "1ms"), (1500, "1500ms"), (9000, "9s"), (3_599_001, "1h"), (90_061_000, "1d 1h 1m 1s")]
        {
            assert_eq!(ttl(Ttl::Left(ms)), shown, "{ms}");
        }
        for (count, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (u64::MAX, "16777216.0 TiB")]
        {
            assert_eq!(bytes(count), shown, "{count}");
        }
    }

    #[test]
    fn the_progress_template_is_well_formed() {
        for template in [TEMPLATE_SAID, TEMPLATE, TEMPLATE_OF] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
