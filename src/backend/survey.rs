//! A survey: one walk over all that a store holds, which asks of each entry what the store knows of
//! it without handing over its data.
//!
//! The store drives and an [`Observer`] watches, so that a store may ask ahead: the next page of
//! names is on its way while the answers about this one are read. How large a page is, is the
//! store's own concern and that of its [`Pace`]: other clients of a server wait while it is busy
//! with one.

use std::ops::ControlFlow;
use std::time::Duration;

use super::{Backend, Cursor, Error};
use crate::entry::{Stored, StoredKey, Ttl};
use crate::pattern::Pattern;

/// What a survey asks of each entry. A store that knows more at no cost may tell more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Its type.
    pub kind: bool,
    /// How long it will stay.
    pub ttl: bool,
    /// The memory it takes.
    pub memory: bool,
    /// How long its data is.
    pub length: bool,
    /// How long nobody has used it.
    pub idle: bool,
    /// How often it is used.
    pub frequency: bool,
}

impl Questions {
    /// How many there are: what an entry costs the server grows with it.
    #[must_use]
    pub fn count(self) -> usize {
        let Questions { kind, ttl, memory, length, idle, frequency } = self;
        [kind, ttl, memory, length, idle, frequency].into_iter().filter(|asked| *asked).count()
    }
}

/// What a survey tells of one entry; `None` where it was not asked for or the store does not say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation<'a> {
    /// Its stored key.
    pub key: &'a [u8],
    /// As [`Facts::kind`](crate::entry::Facts::kind).
    pub kind: Option<&'a str>,
    /// How long it will stay.
    pub ttl: Option<Ttl>,
    /// Bytes of memory (on disk: of the file) that the store counts for it, its key and what keeps
    /// it included.
    pub memory: Option<u64>,
    /// Bytes of the data where it is one value, else the number of members.
    pub length: Option<u64>,
    /// Seconds since it was last used.
    pub idle_s: Option<u64>,
    /// Redis's logarithmic counter of accesses, 0 to 255, under an LFU policy.
    pub frequency: Option<u64>,
    /// Its data, where that was wanted and is one value of at most [`DATA_MOST`] bytes.
    pub stored: Option<Stored>,
}

/// Bytes of data up to which a survey fetches it.
pub const DATA_MOST: u64 = 1 << 20;

/// Who watches a survey.
pub trait Observer {
    /// Whether the data of an entry is wanted too.
    fn wants_data(&mut self, key: &[u8]) -> bool;

    /// An entry, with what is known of it; its data may be taken out. One may come twice while a
    /// server's table grows or shrinks.
    fn see(&mut self, seen: &mut Observation<'_>);

    /// A page is done; says whether to go on. `met` counts the names so far, those that do not match
    /// and those that were gone before they could be asked about included.
    fn turn(&mut self, met: u64) -> ControlFlow<()>;
}

/// How a survey goes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is asked of each entry.
    pub questions: Questions,
    /// Entries whose stored keys match. In a sample the others are drawn too, and count as met.
    pub pattern: Pattern,
    /// Names asked for at once; `None` leaves it to the store, which is gentle.
    pub page: Option<usize>,
    /// A random sample instead of all.
    pub sample: Option<Sample>,
}

/// A sample: each entry has the same chance, and may be drawn more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How many entries to draw, about.
    pub draws: u64,
    /// How many there are.
    pub of: u64,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// How a survey ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// Whether the observer ended it.
    pub stopped: bool,
    /// What could not be asked, in words; each once.
    pub withheld: Vec<String>,
}

/// A survey by the operations that every store has, a page of names at a time.
///
/// # Errors
/// The store's.
pub fn by_pages<B: Backend + ?Sized>(
    backend: &mut B,
    plan: &Plan,
    observer: &mut dyn Observer,
) -> Result<Surveyed, Error> {
    let mut draw = Draw::new(plan.sample);
    let (mut met, mut cursor) = (0, Some(Cursor::Start));
    while let Some(at) = cursor {
        let page = backend.scan(&Pattern::all(), None, at)?;
        met += page.keys.len() as u64;
        let keys: Vec<StoredKey> =
            page.keys.into_iter().filter(|key| draw.takes() && plan.pattern.matches(&key.key)).collect();
        let facts = backend.facts_many(&keys)?;
        for (key, facts) in keys.iter().zip(facts) {
            let Some(facts) = facts else { continue };
            let wanted = facts.unit() == "bytes" && facts.size <= DATA_MOST && observer.wants_data(&key.key);
            let entry = if wanted { backend.get_many(std::slice::from_ref(key))?.pop().flatten() } else { None };
            observer.see(&mut Observation {
                key: &key.key,
                kind: Some(&facts.kind),
                ttl: Some(facts.ttl),
                length: Some(facts.size),
                stored: entry.map(|entry| entry.stored),
                ..Observation::default()
            });
        }
        cursor = page.next;
        if observer.turn(draw.met(met)).is_break() {
            return Ok(Surveyed { stopped: true, ..Surveyed::default() });
        }
    }
    Ok(Surveyed::default())
}

/// Takes each entry that comes along with the chance that a [`Sample`] gives it: for stores whose names
/// cannot be drawn at random, but cost little.
pub struct Draw {
    random: fastrand::Rng,
    chance: f64,
    /// How many were taken; `None` where all are.
    drawn: Option<u64>,
}

impl Draw {
    /// Takes what `sample` says, or everything.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a chance")]
    pub fn new(sample: Option<Sample>) -> Draw {
        let Some(Sample { draws, of, seed }) = sample else {
            return Draw { random: fastrand::Rng::with_seed(0), chance: 1.0, drawn: None };
        };
        Draw { random: fastrand::Rng::with_seed(seed), chance: draws as f64 / of.max(1) as f64, drawn: Some(0) }
    }

    /// Whether the next entry is one.
    pub fn takes(&mut self) -> bool {
        let Some(drawn) = &mut self.drawn else { return true };
        let taken = self.random.f64() < self.chance;
        *drawn += u64::from(taken);
        taken
    }

    /// How many names were met, of `passed` that came along.
    #[must_use]
    pub fn met(&self, passed: u64) -> u64 {
        self.drawn.unwrap_or(passed)
    }
}

/// How many names are asked for at once, of a server that has other clients too.
///
/// A server does one thing at a time, so everybody waits while it answers a page. One is as large
/// as it answers in [`BUSY`], by what Redis 7.0 costs on common machines: 0.4 us a name and
/// 0.5 to 1.1 us a question. When answers take longer than they did, because the server has other work,
/// pages get smaller and pauses come between them. A link on which a round trip takes long leaves the
/// server idle most of the time: pages are larger there.
#[derive(Debug)]
pub struct Pace {
    count: usize,
    most: usize,
    fixed: bool,
    /// Whoever answers within this is not slow.
    quick: Duration,
    /// Nanoseconds for a name, lately and at best.
    lately: f64,
    best: f64,
}

/// What a page may keep a server busy for.
const BUSY: Duration = Duration::from_micros(250);
const NAME_NS: usize = 400;
const QUESTION_NS: usize = 900;

/// A page is not smaller than this: below, the round trips cost more than the names.
const COUNT_LEAST: usize = 32;

/// A round trip up to which a link is near.
const NEAR: Duration = Duration::from_millis(1);

/// How much longer than at best a name may take before the server counts as busy with others.
const SLOWER: f64 = 2.0;

impl Pace {
    /// Pages of `page` names, or as many as are gentle for so many questions over a link on which a round
    /// trip takes `round_trip`.
    #[must_use]
    pub fn new(page: Option<usize>, questions: usize, round_trip: Duration) -> Pace {
        let gentle = BUSY.as_nanos() as usize / (NAME_NS + QUESTION_NS * questions);
        let far = (round_trip.as_micros() / NEAR.as_micros()).clamp(1, 10) as usize;
        let most = page.unwrap_or(gentle * far);
        let (fixed, quick) = (page.is_some(), Duration::ZERO);
        Pace { count: most, most, fixed, quick, lately: 0.0, best: f64::INFINITY }
    }

    /// The same, where a page that is answered within `quick` is never one that took long: who asks on several
    /// connections at once waits for himself.
    #[must_use]
    pub fn unless_within(self, quick: Duration) -> Pace {
        Pace { quick, ..self }
    }

    /// How many names to ask for next.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// A page of `names`, or half of one, took so long; how long to wait before the next.
    #[expect(clippy::cast_precision_loss, reason = "times are rough")]
    pub fn passed(&mut self, names: usize, took: Duration) -> Duration {
        // The last page, and what little a sparse table shows, tell of round trips only.
        if self.fixed || names * 4 < self.count {
            return Duration::ZERO;
        }
        // One page that took long says little: this process may have waited for a processor.
        let each = (took.as_nanos() as f64 / names as f64).min(2.0 * SLOWER * self.best);
        self.lately = if self.lately == 0.0 { each } else { 0.8 * self.lately + 0.2 * each };
        // Slowly forgotten, as what is far in the table or long costs more by itself.
        self.best = (self.best * 1.002).min(self.lately);
        if self.lately > SLOWER * self.best && took > self.quick {
            self.count = (self.count / 2).max(COUNT_LEAST);
            return took;
        }
        self.count = (self.count + self.count / 8 + 1).min(self.most);
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs pages whose names take so many nanoseconds; the page size at the end, and all pauses.
    fn run(pace: &mut Pace, pages: usize, each_ns: u64) -> (usize, Duration) {
        let mut pauses = Duration::ZERO;
        for _ in 0..pages {
            let names = pace.count();
            pauses += pace.passed(names, Duration::from_nanos(each_ns * names as u64));
        }
        (pace.count(), pauses)
    }

    #[test]
    fn a_page_is_what_a_server_answers_in_a_quarter_of_a_millisecond() {
        let near = Duration::from_micros(50);
        for (questions, count) in [(0, 625), (1, 192), (2, 113), (4, 62)] {
            assert_eq!(Pace::new(None, questions, near).count(), count);
        }
        assert_eq!(Pace::new(None, 4, Duration::from_millis(5)).count(), 310);
        assert_eq!(Pace::new(None, 4, Duration::from_secs(2)).count(), 620);
        assert_eq!(Pace::new(Some(7), 4, near).count(), 7);
    }

    #[test]
    fn a_server_that_slows_down_gets_smaller_pages_and_pauses_until_it_is_itself_again() {
        let mut pace = Pace::new(None, 1, Duration::ZERO);
        assert_eq!(run(&mut pace, 50, 1000), (192, Duration::ZERO));
        let (count, pauses) = run(&mut pace, 50, 5000);
        assert_eq!(count, COUNT_LEAST);
        assert!(pauses > Duration::from_millis(5), "{pauses:?}");
        let (count, pauses) = run(&mut pace, 100, 1000);
        assert_eq!(count, 192);
        assert!(pauses < Duration::from_millis(2), "{pauses:?}");
    }

    #[test]
    fn who_answers_quickly_is_not_slow() {
        let mut pace = Pace::new(None, 0, Duration::ZERO).unless_within(Duration::from_millis(10));
        assert_eq!(run(&mut pace, 50, 1000), (625, Duration::ZERO));
        assert_eq!(run(&mut pace, 50, 15_000), (625, Duration::ZERO));
        assert!(run(&mut pace, 50, 100_000).1 > Duration::from_millis(100));
    }

    #[test]
    fn one_page_that_takes_long_is_no_reason() {
        let mut pace = Pace::new(None, 1, Duration::ZERO);
        run(&mut pace, 50, 1000);
        assert_eq!(run(&mut pace, 1, 1_000_000), (192, Duration::ZERO));
        assert_eq!(run(&mut pace, 20, 1000), (192, Duration::ZERO));
    }

    #[test]
    fn a_size_that_was_asked_for_stays() {
        let mut pace = Pace::new(Some(1000), 1, Duration::ZERO);
        run(&mut pace, 50, 1000);
        assert_eq!(run(&mut pace, 50, 50_000), (1000, Duration::ZERO));
    }

    #[test]
    fn a_draw_takes_its_share() {
        let mut draw = Draw::new(Some(Sample { draws: 1000, of: 10_000, seed: 7 }));
        let taken = (0..10_000).filter(|_| draw.takes()).count() as u64;
        assert!((900..1100).contains(&taken), "{taken}");
        assert_eq!(draw.met(10_000), taken);
        let mut all = Draw::new(None);
        assert!((0..100).all(|_| all.takes()));
        assert_eq!(all.met(100), 100);
    }
}
