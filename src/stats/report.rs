//! What a census tells: plain data, every total with its interval.

use super::codecs::{Chain, Codecs};
use super::estimate::{Estimate, Frame, Population};
use super::histogram::{Bucket, Sizes, Times};
use super::prefixes::Prefixes;
use super::quantiles::Quantiles;
use super::tallies::{Counted, Tallies};
use super::tally::{Tally, Weight};
use super::top::{Listed, Top};

/// How many classes are told of a chain.
const CLASSES: usize = 5;

/// What a census counts.
pub struct Counts {
    pub entries: u64,
    pub left_out: u64,
    /// Of the entries, those that are one value, which can be looked into.
    pub single: u64,
    pub by_memory: u64,
    pub by_length: u64,
    pub prefixes: Prefixes,
    pub groups: Tallies,
    pub types: Tallies,
    pub codecs: Codecs,
    pub sizes: Sizes,
    pub ttls: Times,
    pub idles: Times,
    pub biggest: Top,
    pub never: Top,
    pub hottest: Top,
}

/// What is in a cache.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of everything. Its name is empty.
    pub whole: Row,
    /// How many entries were seen.
    pub seen: u64,
    /// What bytes are.
    pub measure: Measure,
    /// How many of the entries seen have no size.
    pub unmeasured: u64,
    /// At which bytes prefixes end, told or found.
    pub separators: Vec<u8>,
    /// By prefix.
    pub prefixes: Table,
    /// By layout.
    pub groups: Table,
    /// By type.
    pub types: Table,
    /// By codec chain.
    pub codecs: CodecTable,
    /// Entries that expire by the time left, in seconds; none where it was not told of any.
    pub ttl: Vec<Bucket>,
    /// Entries by size, in bytes; none where it was not told of any.
    pub size: Vec<Bucket>,
    /// Entries by the time since their last use, in seconds; none where it was not told of any.
    pub idle: Vec<Bucket>,
    /// The biggest entries seen.
    pub biggest: Vec<Listed>,
    /// The biggest of those that never expire.
    pub never: Vec<Listed>,
    /// The most often used.
    pub hottest: Vec<Listed>,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// There are none: rows have entries only.
    Entries,
    /// Of memory or of a file, as the store counts them.
    Memory,
    /// Of values; an entry that is no single value has no size.
    Length,
    /// Of memory for some entries, of the value for others.
    Mixed,
}

/// Entries by something.
#[derive(Clone, Debug)]
pub struct Table {
    /// By what.
    pub name: &'static str,
    /// The heaviest first.
    pub rows: Vec<Row>,
    /// All others.
    pub rest: Option<Row>,
}

/// Entries with something in common.
#[derive(Clone, Debug)]
pub struct Row {
    /// What; bytes as they are.
    pub name: Vec<u8>,
    /// Without what is in the rows whose names begin with this one.
    pub opened: bool,
    /// How many there are.
    pub entries: Estimate,
    /// How large they are together; `None` where no entry at all has a size.
    pub bytes: Option<Estimate>,
    /// Of all bytes, or where there are none of all entries: 0 to 1.
    pub share: f64,
    /// How large one is.
    pub size: Option<Quantiles>,
    /// How many never expire; `None` where the ttl was not told of any.
    pub never: Option<Estimate>,
    /// How long half of those that expire will stay.
    pub ttl_ms_median: Option<u64>,
    /// How long ago half of them were used last.
    pub idle_s_median: Option<u64>,
    /// The most that may be missing here and be counted in the row above it or in the rest, because
    /// there were too many names at some time: bytes, or where there are none entries.
    pub missed_most: u64,
}

/// Entries by the chain of their codec.
#[derive(Clone, Debug)]
pub struct CodecTable {
    /// How many values were looked into. Rows are estimates from a random sample of so many of the entries
    /// that are one value.
    pub seen: u64,
    /// The heaviest first.
    pub rows: Vec<CodecRow>,
    /// All others.
    pub rest: Option<Row>,
}

/// Entries with one chain.
#[derive(Clone, Debug)]
pub struct CodecRow {
    /// As in other tables.
    pub row: Row,
    /// Bytes as stored, of the values that were looked into.
    pub encoded: u64,
    /// Bytes of the same without compression.
    pub decoded: u64,
    /// How many times as large they are without; `None` where nothing is stored.
    pub ratio: Option<f64>,
    /// The classes that most of those name, with how many do.
    pub classes: Vec<(String, u64)>,
}

impl Report {
    /// What `counts` tell of `population`, in tables of so many rows.
    pub(super) fn new(counts: Counts, population: Population, rows: usize) -> Report {
        let measure = match (counts.by_memory, counts.by_length) {
            (0, 0) => Measure::Entries,
            (_, 0) => Measure::Memory,
            (0, _) => Measure::Length,
            _ => Measure::Mixed,
        };
        let measured = measure != Measure::Entries;
        let left_out = if population == Population::Whole { 0 } else { counts.left_out };
        let frame = Frame::new(population, counts.entries + left_out);
        let entries = if left_out == 0 { frame.all() } else { frame.count(counts.entries) };
        let prefixes = counts.prefixes.finish(measured);
        // Every entry is in one of these.
        let mut whole = prefixes.rest.clone();
        prefixes.counted.iter().for_each(|counted| whole.merge(counted.tally.clone()));

        let scale = Scale { frame, measured, whole: whole.weight(), rows };
        let table = |name, (counted, rest)| scale.table(name, counted, rest);
        Report {
            seen: counts.entries,
            measure,
            unmeasured: counts.entries - counts.by_memory - counts.by_length,
            separators: prefixes.separators,
            prefixes: table("prefix", (prefixes.counted, prefixes.rest)),
            groups: table("layout", counts.groups.into_tree().into_rows()),
            types: table("type", counts.types.into_tree().into_rows()),
            codecs: codecs(counts.codecs, population, frame.count(counts.single).value, &scale),
            ttl: counts.ttls.finish(&frame),
            size: counts.sizes.finish(&frame),
            idle: counts.idles.finish(&frame),
            biggest: counts.biggest.finish(),
            never: counts.never.finish(),
            hottest: counts.hottest.finish(),
            whole: Row { entries, ..scale.row(Counted::named("", whole)) },
        }
    }
}

/// What rows are made by.
struct Scale {
    frame: Frame,
    measured: bool,
    whole: Weight,
    rows: usize,
}

impl Scale {
    fn row(&self, counted: Counted) -> Row {
        let Counted { name, tally, missed, opened } = counted;
        let Scale { frame, measured, .. } = self;
        let with = |estimate: Estimate, missed| Estimate {
            high: estimate.high.saturating_add(frame.scaled(missed)),
            ..estimate
        };
        let (part, all) = (tally.weight().by(*measured), self.whole.by(*measured));
        Row {
            name,
            opened,
            entries: with(frame.count(tally.entries), missed.entries),
            bytes: measured.then(|| with(frame.total(tally.bytes, tally.squares), missed.bytes)),
            share: if all == 0 { 0.0 } else { part as f64 / all as f64 },
            size: tally.sizes.quantiles(),
            never: (tally.timed > 0).then(|| frame.count(tally.never)),
            ttl_ms_median: tally.ttls_ms.quantiles().map(|times| times.median),
            idle_s_median: tally.idles_s.quantiles().map(|times| times.median),
            missed_most: frame.scaled(missed.by(*measured)),
        }
    }

    fn table(&self, name: &'static str, mut counted: Vec<Counted>, mut rest: Tally) -> Table {
        counted.sort_unstable_by(|a, b| self.order(a, b));
        let light = counted.split_off(self.rows.min(counted.len()));
        light.into_iter().for_each(|counted| rest.merge(counted.tally));
        let rows = counted.into_iter().map(|counted| self.row(counted)).collect();
        Table { name, rows, rest: self.rest(rest) }
    }

    fn rest(&self, tally: Tally) -> Option<Row> {
        (tally.entries > 0).then(|| self.row(Counted::named("(others)", tally)))
    }

    /// The heavier first, and of equal ones by name.
    fn order(&self, a: &Counted, b: &Counted) -> std::cmp::Ordering {
        let weight = |counted: &Counted| counted.tally.weight();
        weight(b).cmp(&weight(a)).then_with(|| a.name.cmp(&b.name))
    }
}

/// The table of the values that were looked into, which are a sample of the `of` entries that are one.
fn codecs(codecs: Codecs, population: Population, of: u64, scale: &Scale) -> CodecTable {
    let Codecs { chains, mut rest } = codecs;
    let mut whole = rest.weight();
    let mut counted = Vec::new();
    for (name, mut chain) in chains {
        whole = whole.plus(chain.tally.weight());
        counted.push((Counted::named(&name, std::mem::take(&mut chain.tally)), chain));
    }
    let population = match population {
        Population::Whole | Population::Sampled { .. } => Population::Sampled { of },
        Population::Drawn { .. } => Population::Drawn { of },
    };
    let seen = whole.entries;
    let scale = Scale { frame: Frame::new(population, seen), whole, ..*scale };
    counted.sort_unstable_by(|(a, _), (b, _)| scale.order(a, b));
    let light = counted.split_off(scale.rows.min(counted.len()));
    light.into_iter().for_each(|(counted, _)| rest.merge(counted.tally));
    let row = |(counted, chain): (Counted, Chain)| CodecRow {
        row: scale.row(counted),
        encoded: chain.encoded,
        decoded: chain.decoded,
        ratio: (chain.encoded > 0).then(|| chain.decoded as f64 / chain.encoded as f64),
        classes: chain.top_classes(CLASSES),
    };
    CodecTable { seen, rows: counted.into_iter().map(row).collect(), rest: scale.rest(rest) }
}
