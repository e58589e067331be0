//! `stats --watch`: the same, again and again, until somebody says stop.
//!
//! On a terminal the lines stay where they are and change; elsewhere each look is a line, a record or a
//! row. A server that goes away is waited for: that is when one looks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::server::{bytes, memory, number, withheld};
use super::{Look, Output, Source, View, facts, mark};
use crate::backend::{ErrorKind, Server};
use crate::cache;
use crate::entry::Ttl;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::render::spark::spark;
use crate::render::{self, Live, Printer};
use crate::stats::server::{Rates, percent};

/// Looks that are kept: five minutes of one a second.
const HISTORY: usize = 300;

pub fn run(source: &mut Source, interval: Duration, output: Output, printer: &mut Printer) -> Result<Exit> {
    let interrupt = Interrupt::listen().context("cannot listen for signals")?;
    let first = source.look().context("cannot ask how it does")?;
    let mut shown = match output {
        Output::Text if printer.redraws() => Shown::InPlace(Live::default()),
        _ => Shown::Lines { output, headed: false },
    };
    if !matches!(shown, Shown::InPlace(_)) {
        withheld(&first.server, printer);
    }
    let mut watch =
        Watch { interval, history: History::default(), before: first, rates: None, gone: None, event: None };
    let mut due = watch.before.at;
    shown.begin(source, &watch, printer)?;
    loop {
        // From the time when it was due, so that the intervals do not grow by what a look takes.
        due = (due + interval).max(Instant::now());
        if interrupt.wait(due.saturating_duration_since(Instant::now())) {
            shown.end(printer)?;
            return Ok(Exit::Interrupted);
        }
        let news = watch.look(source)?;
        shown.show(source, &watch, news, printer)?;
    }
}

/// What has been seen.
struct Watch {
    interval: Duration,
    history: History,
    before: Look,
    rates: Option<Rates>,
    /// Since when it cannot be reached, and why.
    gone: Option<(Instant, String)>,
    /// What happened last, and when.
    event: Option<String>,
}

/// What a look has brought beside numbers.
enum News {
    None,
    Gone,
    Event(String),
}

impl Watch {
    /// Looks again. Only that the server cannot be reached is waited out: all else ends the watch.
    fn look(&mut self, source: &mut Source) -> Result<News> {
        let now = match source.look() {
            Ok(now) => now,
            Err(cache::Error::Backend(error)) if error.kind == ErrorKind::Unreachable => {
                let news = if self.gone.is_none() { News::Gone } else { News::None };
                let since = self.gone.take().map_or_else(Instant::now, |(since, _)| since);
                self.gone = Some((since, error.message));
                self.rates = None;
                self.history.push(None);
                return Ok(news);
            }
            Err(error) => return Err(error).context("cannot ask how it does"),
        };
        self.rates = now.since(&self.before);
        self.before = now;
        self.history.push(Some((&self.before.server, self.rates.as_ref())));
        let back = self.gone.take().map(|(since, _)| format!("reached again after {} s", since.elapsed().as_secs()));
        let anew = "the counters began anew: the server was restarted, or its statistics were reset";
        let anew = self.rates.is_none().then(|| anew.to_owned());
        let news: Vec<String> = back.into_iter().chain(anew).collect();
        if news.is_empty() {
            return Ok(News::None);
        }
        let event = format!("{}: {}", facts::now(), news.join("; "));
        self.event = Some(event.clone());
        Ok(News::Event(event))
    }

    fn view<'a>(&'a self, source: &'a Source) -> View<'a> {
        View::new(source, &self.before.server, self.rates.as_ref())
    }
}

/// Where it is shown.
enum Shown {
    InPlace(Live),
    Lines { output: Output, headed: bool },
}

impl Shown {
    /// On a terminal there is something to see at once; a line waits until there is an interval to tell of.
    fn begin(&mut self, source: &Source, watch: &Watch, printer: &mut Printer) -> Result<()> {
        match self {
            Shown::InPlace(live) => Ok(live.draw(&lines(source, watch, printer.size().0), printer)?),
            Shown::Lines { .. } => Ok(()),
        }
    }

    fn show(&mut self, source: &Source, watch: &Watch, news: News, printer: &mut Printer) -> Result<()> {
        let (output, headed) = match self {
            Shown::InPlace(live) => return Ok(live.draw(&lines(source, watch, printer.size().0), printer)?),
            Shown::Lines { output, headed } => (*output, headed),
        };
        match (&news, &watch.gone) {
            (News::Event(event), _) => printer.warn(event),
            (News::Gone, Some((_, why))) => printer.warn(&format!("{}: {why}; it is asked again", facts::now())),
            _ => {}
        }
        if watch.gone.is_some() {
            return Ok(());
        }
        let view = watch.view(source);
        match output {
            Output::Text => printer.line(&line(&view))?,
            Output::Record => facts::record(&view, printer)?,
            Output::Row => {
                let header = if *headed { Vec::new() } else { facts::header(&view) };
                printer.csv(&header, &[facts::row(&view)])?;
                *headed = true;
            }
        }
        // Whoever reads it reads it now.
        Ok(printer.flush()?)
    }

    /// Where the terminal has echoed control-C, the prompt comes.
    fn end(&mut self, printer: &mut Printer) -> Result<()> {
        match self {
            Shown::InPlace(live) => Ok(live.end(printer)?),
            Shown::Lines { .. } => Ok(()),
        }
    }
}

/// A number that goes up and down: what it is called, and how people read it.
struct Row {
    name: &'static str,
    value: fn(&Server, Option<&Rates>) -> Option<f64>,
    shown: fn(f64) -> String,
}

/// What is watched. Memory is shown with its limit.
const ROWS: [Row; 8] = [
    Row { name: "ops/s", value: |server, rates| rates.and_then(|r| r.ops).or(server.ops_per_s), shown: number },
    Row { name: "hit rate", value: |_, rates| rates?.hit_rate, shown: percent },
    Row { name: MEMORY, value: |server, _| server.memory_used.map(real), shown: bytes },
    Row { name: "evicted/s", value: |_, rates| rates?.evicted, shown: number },
    Row { name: "expired/s", value: |_, rates| rates?.expired, shown: number },
    Row { name: "clients", value: |server, _| server.clients.map(real), shown: number },
    Row { name: "in/s", value: |_, rates| rates?.network_in, shown: bytes },
    Row { name: "out/s", value: |_, rates| rates?.network_out, shown: bytes },
];

const MEMORY: &str = "memory";

#[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
fn real(count: u64) -> f64 {
    count as f64
}

impl Row {
    fn text(&self, view: &View<'_>) -> String {
        match (self.value)(view.server, view.rates) {
            Some(_) if self.name == MEMORY => memory(view.server),
            Some(value) => (self.shown)(value),
            None => "-".to_owned(),
        }
    }
}

/// One look as a line.
fn line(view: &View<'_>) -> String {
    let facts = ROWS.iter().map(|row| format!("{} {}", row.name, row.text(view)));
    let names: Vec<&str> = view.findings.iter().map(|finding| finding.name).collect();
    let findings = if names.is_empty() { String::new() } else { format!("  ! {}", names.join(" ")) };
    format!("{}  {}{findings}", facts::now(), facts.collect::<Vec<_>>().join("  "))
}

/// All there is to see, for a terminal of so many columns.
fn lines(source: &Source, watch: &Watch, columns: usize) -> Vec<String> {
    let view = watch.view(source);
    let up = watch.before.server.uptime_s.map(|seconds| render::ttl(Ttl::Left(seconds.saturating_mul(1000))));
    let up = up.map_or(String::new(), |up| format!(", up {up}"));
    let mut lines = vec![format!("{}{up}; each {:?}, control-C ends", view.title(), watch.interval)];
    for (at, row) in ROWS.iter().enumerate() {
        let head = format!("{:<10}{:>30}  ", row.name, row.text(&view));
        // One column is left free by who draws.
        let cells = columns.saturating_sub(head.chars().count() + 1);
        lines.push(head + &spark(&watch.history.cells(at, cells)));
    }
    let gone = watch.gone.as_ref().map(|(since, why)| {
        format!("not reached for {} s, and asked again each {:?}: {why}", since.elapsed().as_secs(), watch.interval)
    });
    let findings = view.findings.iter().map(|finding| format!("{}: {}", mark(finding.severity), finding.what));
    let withheld = view.server.withheld.iter().map(|what| format!("left out: {what}"));
    let sentences = gone.into_iter().chain(watch.event.clone()).chain(findings).chain(withheld);
    // A number may be cut; what to do about it may not.
    lines.extend(sentences.flat_map(|sentence| wrapped(&sentence, columns.saturating_sub(1))));
    lines
}

/// A sentence in lines of so many columns, where its words let it; all but the first are indented.
fn wrapped(sentence: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The numbers of the last looks.
#[derive(Default)]
struct History {
    samples: VecDeque<[f64; ROWS.len()]>,
    /// How many are there no more.
    dropped: usize,
}

impl History {
    /// Adds a look, or that there was none.
    fn push(&mut self, look: Option<(&Server, Option<&Rates>)>) {
        if self.samples.len() == HISTORY {
            self.samples.pop_front();
            self.dropped += 1;
        }
        let value = |row: &Row| look.and_then(|(server, rates)| (row.value)(server, rates)).unwrap_or(f64::NAN);
        self.samples.push_back(ROWS.each_ref().map(value));
    }

    /// What a row has been, in at most `cells`: where there are more looks than cells, each cell is the
    /// mean of as many. A look stays with the same others in its cell, so that what is past does not flicker.
    fn cells(&self, row: usize, cells: usize) -> Vec<f64> {
        if cells == 0 {
            return Vec::new();
        }
        let each = self.samples.len().div_ceil(cells).max(1);
        let first = self.dropped / each;
        let mut means: Vec<(f64, f64)> = Vec::new();
        for (at, sample) in self.samples.iter().enumerate() {
            means.resize((self.dropped + at) / each - first + 1, (0.0, 0.0));
            if let Some((sum, count)) = means.last_mut().filter(|_| sample[row].is_finite()) {
                *sum += sample[row];
                *count += 1.0;
            }
        }
        // Nothing by nothing is no number: a gap.
        let means: Vec<f64> = means.into_iter().map(|(sum, count)| sum / count).collect();
        means[means.len().saturating_sub(cells)..].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words() {
        assert_eq!(wrapped("wrong: so it is", 80), ["wrong: so it is"]);
        assert_eq!(wrapped("wrong: so it is", 10), ["wrong: so", "  it is"]);
        assert_eq!(wrapped("wrong: unbreakable", 4), ["wrong:", "  unbreakable"]);
        assert_eq!(wrapped("", 0), [""]);
    }

    #[test]
    fn a_history_fits_into_its_cells_and_keeps_its_gaps() {
        let mut history = History::default();
        assert!(history.cells(5, 10).is_empty() && history.cells(5, 0).is_empty());
        let clients = |clients| Server { clients: Some(clients), ..Server::default() };
        for count in [1, 3, 5] {
            history.push(Some((&clients(count), None)));
        }
        assert_eq!(history.cells(5, 10), [1.0, 3.0, 5.0]);
        assert_eq!(history.cells(5, 2), [2.0, 5.0]);
        history.push(None);
        assert!(history.cells(5, 4)[3].is_nan());
        assert_eq!(history.cells(5, 2), [2.0, 5.0]);
        assert_eq!(history.cells(5, 0), [0.0; 0]);
        for count in 0..2 * HISTORY as u64 {
            history.push(Some((&clients(count), None)));
        }
        for cells in [1, 7, 50, HISTORY, 1000] {
            let shown = history.cells(5, cells);
            assert!(shown.len() <= cells && shown.iter().all(|mean| mean.is_finite()), "{cells}: {shown:?}");
            assert!(shown.is_sorted(), "{cells}: {shown:?}");
        }
        assert_eq!(history.cells(5, 1000).last(), Some(&(2.0 * HISTORY as f64 - 1.0)));
    }
}
