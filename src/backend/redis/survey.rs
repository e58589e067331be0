//! A survey of one server: names by SCAN, then what was asked of each.
//!
//! The server is never without work: as soon as a page's cursor is known the next SCAN is sent, and
//! in front of this page's questions; while their answers come, the next names are on their way. It
//! answers all that it has read of a connection at once, though, and then waits for more: so half of a
//! page's questions go over a second connection, a turn later than the others, and it has always one
//! half to do while the answers to the other are read. What is expected back stands in a queue, and
//! each answer that is read may send more. A sample asks for
//! names at random cursors: keys lie in the server's table in the order of a hash with a random seed
//! (SipHash, `dict.c`), so what lies where a cursor points is a random choice whatever it is called.
//!
//! What the server refuses to tell (ACL, LRU or LFU) is asked once and left out from then on.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use redis::{RedisResult, ServerError};

use super::frames::{Frame, Frames};
use super::link::{Link, Trouble};
use super::reply::malformed;
use super::turns::Turns;
use super::{KINDS, fault, read};
use crate::backend::Error;
use crate::backend::net::{Stream, TooMuch};
use crate::backend::survey::{DATA_MOST, Observation, Observer, Pace, Plan, Questions, Sample, Surveyed};
use crate::entry::{Stored, Ttl};
use crate::limits::Limits;

/// Names of one page, whatever was asked for.
const NAMES_MOST: usize = 1 << 20;

/// Bytes of a cursor: more digits than a number has that can be one.
const CURSOR_MOST: u64 = 64;

/// Bytes of the name of a type.
const KIND_MOST: u64 = 64;

/// A page is waited for no longer than this, however slow the server has become.
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// Cursors drawn at once, at most.
const DRAWS: usize = 64;

/// Draws for each entry that a sample wants: a table that was much larger once is sparse.
const DRAWS_MOST: u64 = 50;

/// Connections, the first of which has the names.
type Lanes<'a, 'b> = &'a mut [&'b mut Stream];

/// What the server will answer next.
enum Expected {
    /// A page of names.
    Names,
    /// So many pages of a name or two, at random cursors.
    Draws(usize),
    /// The facts of a page, asked for at a time.
    Facts(Page),
    /// Of the same page, what only its types let ask for.
    Data(Page),
}

/// A page of names and what is known of each.
struct Page {
    names: Vec<u8>,
    entries: Vec<Known>,
    /// How many names came with it, those that a sample draws in vain included.
    met: u64,
    /// What was asked of them, and over which connection.
    questions: Questions,
    lane: usize,
    sent: Instant,
}

impl Default for Page {
    fn default() -> Page {
        let (names, entries, questions) = (Vec::new(), Vec::new(), Questions::default());
        Page { names, entries, met: 0, questions, lane: 0, sent: Instant::now() }
    }
}

/// What is known of an entry of a page.
#[derive(Clone, Copy, Default)]
struct Known {
    /// Where its name ends in the page's.
    end: usize,
    /// Its type, by its place in [`Survey::kinds`].
    kind: Option<u8>,
    ttl: Option<Ttl>,
    memory: Option<u64>,
    idle_s: Option<u64>,
    frequency: Option<u64>,
    gone: bool,
    wanted: bool,
}

/// A survey under way.
struct Survey<'a> {
    plan: &'a Plan,
    limits: &'a Limits,
    label: String,
    observer: &'a mut dyn Observer,
    questions: Questions,
    /// What was refused, in words.
    withheld: Vec<String>,
    kinds: Vec<String>,
    expected: VecDeque<Expected>,
    spare: Vec<Page>,
    /// What is to be sent over each connection.
    out: [Vec<u8>; 2],
    /// How many pages the second has to answer, and which comes then.
    pending: usize,
    next: Option<Page>,
    turns: Turns,
    pace: Pace,
    /// When the last page was done.
    done: Instant,
    /// Names of the pages that are done: those of pages under way may never be looked at.
    met: u64,
    draws: Option<Draws>,
    stopped: bool,
}

/// Random cursors, until enough names came.
struct Draws {
    sample: Sample,
    random: fastrand::Rng,
    made: u64,
    names: u64,
}

/// Surveys the server at the other end of `link`.
pub fn survey(link: &mut Link, plan: &Plan, limits: &Limits, observer: &mut dyn Observer) -> Result<Surveyed, Error> {
    link.leave_no_trace()?;
    let start = Instant::now();
    link.ask_one("cannot list keys", super::command("SCAN", &[b"0", b"COUNT", b"1"]))?;
    // A sample is short, and names alone are one question after the other. Where there may be no second
    // connection, the first does all.
    let asks = plan.sample.is_none() && plan.questions.count() > 0;
    let mut other = if asks { link.another().ok() } else { None };
    let mut survey = Survey {
        plan,
        limits,
        label: link.label().to_owned(),
        observer,
        questions: plan.questions,
        withheld: Vec::new(),
        kinds: KINDS.iter().map(|kind| (*kind).to_owned()).collect(),
        expected: VecDeque::new(),
        spare: Vec::new(),
        out: [Vec::new(), Vec::new()],
        pending: 0,
        next: None,
        turns: Turns::default(),
        pace: Pace::new(plan.page, plan.questions.count(), start.elapsed()),
        done: start,
        met: 0,
        draws: plan.sample.map(|sample| Draws {
            sample,
            random: fastrand::Rng::with_seed(sample.seed),
            made: 0,
            names: 0,
        }),
        stopped: false,
    };
    match &mut other {
        Some(other) => other.converse(|second| Ok(link.converse(|first| survey.run(&mut [first, second]))?))?,
        None => link.converse(|stream| survey.run(&mut [stream]))?,
    }
    let Survey { stopped, withheld, .. } = survey;
    if stopped {
        link.hang_up();
    }
    Ok(Surveyed { stopped, withheld })
}

impl Survey<'_> {
    fn run(&mut self, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        match &self.draws {
            Some(_) => self.draw(),
            None => self.ask_names(0),
        }
        self.send(lanes)?;
        while let Some(expected) = self.expected.pop_front() {
            match expected {
                Expected::Names => self.names(lanes)?,
                Expected::Draws(count) => self.drawn(count, lanes)?,
                Expected::Facts(page) => self.facts(page, lanes)?,
                Expected::Data(page) => self.data(page, lanes)?,
            }
            if self.stopped {
                return Ok(());
            }
        }
        Ok(())
    }

    fn send(&mut self, lanes: Lanes<'_, '_>) -> RedisResult<()> {
        for (lane, out) in lanes.iter_mut().zip(&mut self.out) {
            if !out.is_empty() {
                lane.send(out)?;
                out.clear();
            }
        }
        Ok(())
    }

    fn ask_names(&mut self, cursor: u64) {
        let (cursor, count) = (itoa(cursor), itoa(self.pace.count() as u64));
        match self.plan.pattern.is_all() {
            true => put(&mut self.out[0], &[b"SCAN", &cursor, b"COUNT", &count]),
            false => {
                let pattern = self.plan.pattern.as_bytes();
                put(&mut self.out[0], &[b"SCAN", &cursor, b"MATCH", pattern, b"COUNT", &count]);
            }
        }
        self.expected.push_back(Expected::Names);
    }

    /// Asks at random cursors, unless enough was drawn.
    fn draw(&mut self) {
        let Some(draws) = &mut self.draws else { return };
        let Sample { draws: wanted, .. } = draws.sample;
        if draws.names >= wanted || draws.made >= wanted.saturating_mul(DRAWS_MOST) {
            return;
        }
        // Each shows a name or two, so that the last do not draw much more than was asked for.
        let count = usize::try_from(wanted - draws.names).unwrap_or(usize::MAX).min(DRAWS);
        for _ in 0..count {
            put(&mut self.out[0], &[b"SCAN", &itoa(draws.random.u64(1..)), b"COUNT", b"1"]);
        }
        draws.made += count as u64;
        self.expected.push_back(Expected::Draws(count));
    }

    fn names(&mut self, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        let mut page = self.page();
        let cursor = self.cursor(lanes[0], &mut page)?;
        if cursor != 0 {
            self.ask_names(cursor);
        }
        // Where nothing else is asked the server is idle until it has this.
        if self.questions.count() == 0 {
            self.send(lanes)?;
        }
        let count = self.read_names(lanes[0], &mut page)?;
        page.met = count as u64;
        self.turns.pass(count, cursor, self.limits).map_err(|endless| endless.named("SCAN", &self.label))?;
        if lanes.len() == 1 || page.entries.len() < 2 {
            return self.ask(page, lanes);
        }
        let half = self.halve(&mut page);
        self.ask(page, lanes)?;
        match (self.pending, &self.next) {
            (0, _) | (_, Some(_)) => self.ask(half, lanes),
            _ => {
                self.next = Some(half);
                Ok(())
            }
        }
    }

    /// Takes the second half of a page, for the second connection.
    fn halve(&mut self, page: &mut Page) -> Page {
        let middle = page.entries.len() / 2;
        let end = page.entries[middle - 1].end;
        let mut half = self.page();
        half.names.extend_from_slice(&page.names[end..]);
        half.entries.extend(page.entries.drain(middle..).map(|entry| Known { end: entry.end - end, ..entry }));
        page.names.truncate(end);
        (half.lane, half.met) = (1, half.entries.len() as u64);
        page.met -= half.met;
        half
    }

    /// A page is done: what waits for its connection is asked.
    fn follow(&mut self, lane: usize, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        if lane == 0 {
            return Ok(());
        }
        self.pending -= 1;
        match self.next.take().filter(|_| !self.stopped) {
            Some(page) => self.ask(page, lanes),
            None => Ok(()),
        }
    }

    fn drawn(&mut self, draws: usize, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        let mut page = self.page();
        for _ in 0..draws {
            self.cursor(lanes[0], &mut page)?;
            page.met += self.read_names(lanes[0], &mut page)? as u64;
        }
        if let Some(draws) = &mut self.draws {
            draws.names += page.met;
        }
        self.draw();
        self.ask(page, lanes)
    }

    fn page(&mut self) -> Page {
        let mut page = self.spare.pop().unwrap_or_default();
        page.names.clear();
        page.entries.clear();
        (page.met, page.lane) = (0, 0);
        page.questions = self.questions;
        page
    }

    /// Reads the beginning of a SCAN's reply.
    fn cursor(&self, stream: &mut Stream, page: &mut Page) -> Result<u64, Trouble> {
        let mut frames = Frames::new(stream.reply());
        match frames.list()? {
            Ok(2) => {}
            Ok(_) => return Err(malformed().into()),
            Err(refused) => return Err(fault::refused(&self.label, "cannot list keys", &refused).into()),
        }
        let names = page.names.len();
        let Frame::Bytes(_) = frames.one(&mut page.names, CURSOR_MOST)? else { return Err(malformed().into()) };
        let cursor = std::str::from_utf8(&page.names[names..]).ok().and_then(|text| text.parse().ok());
        page.names.truncate(names);
        Ok(cursor.ok_or_else(malformed)?)
    }

    /// Reads the rest of it: the names go to the page, but for those that a sample draws in vain.
    fn read_names(&self, stream: &mut Stream, page: &mut Page) -> Result<usize, Trouble> {
        let mut frames = Frames::new(stream.reply());
        let Ok(count) = frames.list()? else { return Err(malformed().into()) };
        for _ in 0..count {
            let (start, most) = (page.names.len(), self.limits.stored.saturating_sub(page.names.len() as u64));
            let Frame::Bytes(_) = frames.one(&mut page.names, most)? else { return Err(malformed().into()) };
            if self.draws.is_some() && !self.plan.pattern.matches(&page.names[start..]) {
                page.names.truncate(start);
                continue;
            }
            if page.entries.len() == NAMES_MOST {
                return Err(io::Error::other(TooMuch).into());
            }
            page.entries.push(Known { end: page.names.len(), ..Known::default() });
        }
        Ok(count)
    }

    /// Sends what is to be asked of each entry of a page.
    fn ask(&mut self, mut page: Page, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        self.pending += usize::from(page.lane == 1);
        let mut start = 0;
        let mut any = false;
        for entry in &mut page.entries {
            entry.wanted = self.observer.wants_data(&page.names[start..entry.end]);
            any |= entry.wanted;
            start = entry.end;
        }
        page.questions.kind |= (any || page.questions.length) && self.knows(Question::Kind);
        let asked = Question::asked(page.questions);
        start = 0;
        for entry in &page.entries {
            let name = &page.names[start..entry.end];
            for question in &asked {
                question.put(&mut self.out[page.lane], name);
            }
            start = entry.end;
        }
        page.sent = Instant::now();
        self.send(lanes)?;
        match asked.is_empty() || page.entries.is_empty() {
            true => self.ask_more(page, lanes),
            false => {
                self.expected.push_back(Expected::Facts(page));
                Ok(())
            }
        }
    }

    /// Whether the server has not refused to tell it.
    fn knows(&self, question: Question) -> bool {
        !self.withheld.iter().any(|words| words.starts_with(question.verb()))
    }

    fn facts(&mut self, mut page: Page, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        let mut frames = Frames::new(lanes[page.lane].reply());
        let asked = Question::asked(page.questions);
        let mut text = Vec::new();
        for entry in &mut page.entries {
            for question in &asked {
                text.clear();
                match (question, frames.one(&mut text, KIND_MOST)?) {
                    (_, Frame::Refused(error)) => self.refused(*question, &error)?,
                    (Question::Kind, Frame::Bytes(_)) => {
                        entry.kind = self.kind(&text);
                        entry.gone |= text == b"none";
                    }
                    (Question::Ttl, Frame::Int(-2)) | (Question::Memory, Frame::Nil) => entry.gone = true,
                    (Question::Ttl, Frame::Int(left)) => {
                        entry.ttl = Some(u64::try_from(left).map_or(Ttl::Never, Ttl::Left));
                    }
                    (Question::Memory, Frame::Int(bytes)) => entry.memory = Some(bytes.unsigned_abs()),
                    (Question::Idle, Frame::Int(seconds)) => entry.idle_s = Some(seconds.unsigned_abs()),
                    (Question::Frequency, Frame::Int(count)) => entry.frequency = Some(count.unsigned_abs()),
                    (Question::Idle | Question::Frequency, Frame::Nil) => {}
                    _ => return Err(malformed().into()),
                }
            }
        }
        page.questions.length |= self.questions.length;
        self.ask_more(page, lanes)
    }

    /// The place of a type in the list of those that were met.
    fn kind(&mut self, name: &[u8]) -> Option<u8> {
        let known = self.kinds.iter().position(|kind| kind.as_bytes() == name);
        let place = known.unwrap_or_else(|| {
            // Modules have a few; only a hostile server has hundreds.
            if self.kinds.len() < usize::from(u8::MAX) {
                self.kinds.push(String::from_utf8_lossy(name).into_owned());
            }
            self.kinds.len() - 1
        });
        u8::try_from(place).ok()
    }

    /// The server does not tell. What it would not tell of any entry is not asked again.
    fn refused(&mut self, question: Question, error: &ServerError) -> Result<(), Error> {
        let details = error.details().unwrap_or_default();
        let why = match error.code() {
            // It may be this key alone that the user may not look at.
            "NOPERM" if !details.contains("command") => {
                self.withhold("what is known of some entries: the user may not look at their keys".to_owned());
                return Ok(());
            }
            "NOPERM" => "the user may not".to_owned(),
            // In a cluster, its key is on its way to another node.
            "WRONGTYPE" | "MOVED" | "ASK" | "TRYAGAIN" => return Ok(()),
            "CLUSTERDOWN" => "a node of the cluster is missing".to_owned(),
            "ERR" if details.starts_with("unknown") => "the server does not know it".to_owned(),
            "ERR" if details.contains("LFU") => details.to_owned(),
            _ => return Err(fault::refused(&self.label, &format!("cannot ask {}", question.verb()), error)),
        };
        self.withhold(format!("{}: {why}", question.verb()));
        match question {
            Question::Kind => self.questions.kind = false,
            Question::Ttl => self.questions.ttl = false,
            Question::Idle => self.questions.idle = false,
            Question::Frequency => self.questions.frequency = false,
            Question::Length => self.questions.length = false,
            // How long the data is, is the next best.
            Question::Memory => {
                self.questions.memory = false;
                self.questions.length = true;
            }
            Question::Data => {}
        }
        Ok(())
    }

    fn withhold(&mut self, words: String) {
        if !self.withheld.contains(&words) {
            self.withheld.push(words);
        }
    }

    /// Sends what only the types of a page's entries let ask for; a page without such is done.
    fn ask_more(&mut self, page: Page, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        let lane = page.lane;
        let mut start = 0;
        let mut any = false;
        for entry in &page.entries {
            let name = &page.names[start..entry.end];
            if let Some(verb) = self.length_verb(&page, entry) {
                put(&mut self.out[lane], &[verb, name]);
                any = true;
            }
            if self.wants(entry) {
                put(&mut self.out[lane], &[b"GETRANGE", name, b"0", &itoa(DATA_MOST)]);
                any = true;
            }
            start = entry.end;
        }
        self.send(lanes)?;
        if any {
            self.expected.push_back(Expected::Data(page));
            return Ok(());
        }
        self.finish(page, |_, _| Ok((None, None)))?;
        self.follow(lane, lanes)
    }

    /// Of an entry whose type is not told, that of strings: the others refuse.
    fn length_verb(&self, page: &Page, entry: &Known) -> Option<&'static [u8]> {
        let kind = entry.kind.map_or("string", |kind| self.kinds[usize::from(kind)].as_str());
        let asked = page.questions.length && !entry.gone;
        read::length_verb(kind).filter(|_| asked).map(str::as_bytes)
    }

    fn wants(&self, entry: &Known) -> bool {
        let is_string = entry.kind.is_none_or(|kind| self.kinds[usize::from(kind)] == "string");
        entry.wanted && !entry.gone && is_string
    }

    fn data(&mut self, page: Page, lanes: Lanes<'_, '_>) -> Result<(), Trouble> {
        let lane = page.lane;
        let mut frames = Frames::new(lanes[lane].reply());
        self.finish(page, |survey, (page, entry)| {
            let mut length = None;
            if survey.length_verb(page, entry).is_some() {
                match frames.one(&mut Vec::new(), 0)? {
                    Frame::Int(count) => length = Some(count.unsigned_abs()),
                    Frame::Refused(error) => survey.refused(Question::Length, &error)?,
                    _ => return Err(malformed().into()),
                }
            }
            let mut data = None;
            if survey.wants(entry) {
                let mut bytes = Vec::new();
                match frames.one(&mut bytes, DATA_MOST + 1)? {
                    // One more than may be is what is cut off.
                    Frame::Bytes(count) => data = Some(bytes).filter(|_| count as u64 <= DATA_MOST),
                    Frame::Refused(error) => survey.refused(Question::Data, &error)?,
                    _ => return Err(malformed().into()),
                }
            }
            Ok((length, data))
        })?;
        self.follow(lane, lanes)
    }

    /// Shows the observer a page, each entry with what `more` tells of it.
    fn finish(
        &mut self,
        mut page: Page,
        mut more: impl FnMut(&mut Self, (&Page, &Known)) -> Result<(Option<u64>, Option<Vec<u8>>), Trouble>,
    ) -> Result<(), Trouble> {
        let entries = std::mem::take(&mut page.entries);
        let mut start = 0;
        for entry in &entries {
            let (length, data) = more(self, (&page, entry))?;
            if !entry.gone {
                self.observer.see(&mut Observation {
                    key: &page.names[start..entry.end],
                    kind: entry.kind.map(|kind| self.kinds[usize::from(kind)].as_str()),
                    ttl: entry.ttl,
                    memory: entry.memory,
                    length,
                    idle_s: entry.idle_s,
                    frequency: entry.frequency,
                    stored: data.map(Stored::Bytes),
                });
            }
            start = entry.end;
        }
        self.met += page.met;
        let now = Instant::now();
        let pause = self.pace.passed(entries.len(), now - self.done.max(page.sent));
        self.stopped = self.observer.turn(self.met).is_break();
        if !self.stopped && !pause.is_zero() {
            std::thread::sleep(pause.min(PAUSE_MOST));
        }
        self.done = Instant::now();
        page.entries = entries;
        self.spare.push(page);
        Ok(())
    }
}

/// What can be asked of an entry.
#[derive(Clone, Copy, PartialEq)]
enum Question {
    Kind,
    Ttl,
    Memory,
    Idle,
    Frequency,
    Length,
    Data,
}

/// What can be asked of an entry of which only the name is known.
const FIRST: [Question; 5] = [Question::Kind, Question::Ttl, Question::Memory, Question::Idle, Question::Frequency];

impl Question {
    /// Those that are asked before anything is known of an entry.
    fn asked(questions: Questions) -> Vec<Question> {
        FIRST.into_iter().filter(|question| question.is_in(questions)).collect()
    }

    fn is_in(self, questions: Questions) -> bool {
        match self {
            Question::Kind => questions.kind,
            Question::Ttl => questions.ttl,
            Question::Memory => questions.memory,
            Question::Idle => questions.idle,
            Question::Frequency => questions.frequency,
            Question::Length => questions.length,
            Question::Data => false,
        }
    }

    /// As the server calls it.
    fn verb(self) -> &'static str {
        match self {
            Question::Kind => "TYPE",
            Question::Ttl => "PTTL",
            Question::Memory => "MEMORY USAGE",
            Question::Idle => "OBJECT IDLETIME",
            Question::Frequency => "OBJECT FREQ",
            Question::Length => "STRLEN and its like",
            Question::Data => "GETRANGE",
        }
    }

    /// Adds the question about `name`.
    fn put(self, out: &mut Vec<u8>, name: &[u8]) {
        match self.verb().split_once(' ') {
            None => put(out, &[self.verb().as_bytes(), name]),
            Some((verb, sub)) => put(out, &[verb.as_bytes(), sub.as_bytes(), name]),
        }
    }
}

/// Adds a command.
fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let mut number = itoa::Buffer::new();
    out.push(b'*');
    out.extend_from_slice(number.format(parts.len()).as_bytes());
    for part in parts {
        out.extend_from_slice(b"\r\n$");
        out.extend_from_slice(number.format(part.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

fn itoa(number: u64) -> Vec<u8> {
    itoa::Buffer::new().format(number).as_bytes().to_vec()
}
