//! The census over keyspaces that are known: whole, sampled, empty and bounded.

use super::*;
use crate::backend::survey::Observation;
use crate::entry::Ttl;

/// An entry of a known keyspace.
struct Known {
    key: String,
    size: u64,
    ttl: Ttl,
    kind: &'static str,
}

impl Known {
    fn seen(&self) -> Observation<'_> {
        let key = self.key.as_bytes();
        Observation { key, kind: Some(self.kind), ttl: Some(self.ttl), memory: Some(self.size), ..Default::default() }
    }
}

/// So many entries under three prefixes: of log-normal sizes, of two sizes far apart, of one size.
fn keyspace(entries: usize, random: &mut fastrand::Rng) -> Vec<Known> {
    let mut normal = || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
    let known = |number: usize| {
        let (prefix, size, kind) = match number % 10 {
            0..6 => ("session", (7.0 + normal()).exp() as u64, "string"),
            6..9 => ("page", if number % 70 < 20 { 90_000 } else { 300 }, "text"),
            _ => ("flag", 56, "string"),
        };
        let ttl = if number.is_multiple_of(3) { Ttl::Never } else { Ttl::Left(1 + number as u64 * 1000) };
        Known { key: format!("{prefix}:{number}"), size, ttl, kind }
    };
    (0..entries).map(known).collect()
}

/// Every total that a report tells, by name.
fn totals(report: &Report) -> Vec<(String, Estimate)> {
    let mut totals = Vec::new();
    let codecs = report.codecs.rows.iter().map(|codec| ("codec", &codec.row));
    let tables = [&report.prefixes, &report.groups, &report.types];
    let rows = tables.into_iter().flat_map(|table| table.rows.iter().map(|row| (table.name, row)));
    for (table, row) in rows.chain(codecs).chain([("whole", &report.whole)]) {
        let name = format!("{table} {}", row.name.escape_ascii());
        totals.push((format!("{name} entries"), row.entries));
        totals.extend(row.bytes.map(|bytes| (format!("{name} bytes"), bytes)));
        totals.extend(row.never.map(|never| (format!("{name} never"), never)));
    }
    for (name, buckets) in [("ttl", &report.ttl), ("size", &report.size), ("idle", &report.idle)] {
        totals.extend(buckets.iter().map(|bucket| (format!("{name} {:?}", bucket.most), bucket.entries)));
    }
    totals
}

fn census(seen: &[&Known]) -> Census {
    let mut census = Census::new(Wanted { top: 3, never: 3, ..Wanted::default() });
    for known in seen {
        // The flags are looked into, and are a group.
        let flag = known.size == 56;
        let decoded = Decoded { chain: known.kind, encoded: 10, decoded: 20, classes: &[] };
        census.add(&known.seen(), flag.then_some("flags"), Some(&decoded));
    }
    census
}

#[test]
fn the_intervals_of_a_sample_hold_what_is_there_in_95_of_100_samples() {
    const SEEDS: u64 = 200;
    let keyspace = keyspace(20_000, &mut fastrand::Rng::with_seed(11));
    let of = keyspace.len() as u64;
    let all: Vec<&Known> = keyspace.iter().collect();
    let truth = totals(&census(&all).report(Population::Whole));
    assert!(truth.iter().all(|(_, total)| total.low == total.value && total.high == total.value));
    assert!(truth.len() > 40, "{} totals", truth.len());
    for population in [Population::Drawn { of }, Population::Sampled { of }] {
        let mut held = vec![0; truth.len()];
        let mut told = vec![0; truth.len()];
        for seed in 0..SEEDS {
            let mut random = fastrand::Rng::with_seed(seed);
            let sample = match population {
                Population::Drawn { .. } => (0..1000).map(|_| all[random.usize(..all.len())]).collect(),
                _ => random.choose_multiple(all.iter().copied(), 1000),
            };
            let estimates = totals(&census(&sample).report(population));
            for (at, (name, truth)) in truth.iter().enumerate() {
                let Some((_, estimate)) = estimates.iter().find(|(other, _)| other == name) else { continue };
                assert!(estimate.low <= estimate.value && estimate.value <= estimate.high, "{name} {estimate:?}");
                told[at] += 1;
                held[at] += u64::from((estimate.low..=estimate.high).contains(&truth.value));
            }
        }
        for ((name, truth), (held, told)) in truth.iter().zip(held.into_iter().zip(told)) {
            // What is rarer is in a sample, and so in a report, by chance.
            if truth.value == 0 || truth.value > 5 {
                let coverage = held as f64 / told as f64;
                assert!(coverage >= 0.91, "{coverage} of {told} {population:?}: {name}, {}", truth.value);
                assert_eq!(told, SEEDS, "{name}");
            }
        }
    }
}

#[test]
fn of_nothing_everything_is_told_without_a_division_by_nothing() {
    for population in [Population::Whole, Population::Sampled { of: 0 }, Population::Drawn { of: 9 }] {
        let report = Census::new(Wanted { top: 2, never: 2, hot: 2, ..Wanted::default() }).report(population);
        let Report { whole, prefixes, groups, types, codecs, .. } = &report;
        assert_eq!((report.seen, report.measure, whole.bytes, whole.share), (0, Measure::Entries, None, 0.0));
        assert_eq!((whole.size, whole.never, whole.missed_most), (None, None, 0));
        for table in [prefixes, groups, types] {
            assert!(table.rows.is_empty() && table.rest.is_none(), "{}", table.name);
        }
        assert!(codecs.rows.is_empty() && codecs.rest.is_none() && codecs.seen == 0);
        assert!(report.ttl.is_empty() && report.size.is_empty() && report.idle.is_empty());
        assert!(report.biggest.is_empty() && report.never.is_empty() && report.hottest.is_empty());
    }
}

#[test]
fn bytes_are_of_what_the_store_tells() {
    let kinds = [("string", false), ("hash", true), ("bytes", false), ("stream", true), ("ReJSON-RL", false)];
    for (kind, members) in kinds {
        for (memory, length) in [(None, None), (Some(100), None), (None, Some(7)), (Some(100), Some(7))] {
            let seen = Observation { key: b"k", kind: Some(kind), memory, length, ..Default::default() };
            let report = report(&[seen]);
            let (measure, bytes) = match (memory, length) {
                (Some(memory), _) => (Measure::Memory, Some(memory)),
                (None, Some(length)) if !members => (Measure::Length, Some(length)),
                _ => (Measure::Entries, None),
            };
            assert_eq!((report.measure, report.whole.bytes.map(|bytes| bytes.value)), (measure, bytes), "{kind}");
            assert_eq!((report.unmeasured, report.types.rows[0].share), (u64::from(bytes.is_none()), 1.0));
        }
    }
    let memory = Observation { key: b"a", memory: Some(0), ..Default::default() };
    let length = Observation { key: b"b", length: Some(0), ..Default::default() };
    let neither = Observation { key: b"c", ..Default::default() };
    let report = report(&[memory, length, neither]);
    assert_eq!((report.measure, report.unmeasured), (Measure::Mixed, 1));
    // All are empty, so that none has a share of the bytes.
    assert_eq!((report.prefixes.rows[0].share, report.prefixes.rows[0].bytes), (0.0, Some(Estimate::exact(0))));
}

fn report(seen: &[Observation]) -> Report {
    let mut census = Census::new(Wanted { top: 2, never: 2, hot: 2, ..Wanted::default() });
    seen.iter().for_each(|seen| census.add(seen, None, None));
    census.report(Population::Whole)
}

#[test]
fn a_row_tells_its_sizes_and_times_and_the_lists_the_entries() {
    let (ttl, idle_s) = (|ms| Some(Ttl::Left(ms)), Some);
    let of = |key, memory, ttl, idle_s, frequency| Observation {
        key,
        memory: Some(memory),
        ttl,
        idle_s,
        frequency,
        ..Default::default()
    };
    let report = report(&[
        of(b"a:1", 10, ttl(500), idle_s(3), Some(9)),
        of(b"a:2", 30, ttl(70_000), idle_s(5), Some(200)),
        of(b"a:3", 20, Some(Ttl::Never), idle_s(90_000), None),
        of(b"b:1", 940, Some(Ttl::Unknown), None, Some(1)),
    ]);
    let [b, a] = &report.prefixes.rows[..] else { panic!("{:?}", report.prefixes) };
    assert_eq!((&b.name[..], b.share, b.never, b.idle_s_median), (&b"b:"[..], 0.94, None, None));
    assert_eq!((&a.name[..], a.share, a.never), (&b"a:"[..], 0.06, Some(Estimate::exact(1))));
    assert_eq!((a.size, a.idle_s_median), (Some(Quantiles { median: 20, p99: 30, max: 30 }), Some(5)));
    assert_eq!(a.ttl_ms_median, Some(500));
    let filled = |buckets: &[Bucket]| -> Vec<Option<u64>> {
        buckets.iter().filter(|bucket| bucket.entries.value > 0).map(|bucket| bucket.most).collect()
    };
    assert_eq!((filled(&report.ttl), filled(&report.idle)), (vec![Some(1), Some(600)], vec![Some(10), Some(604_800)]));
    assert_eq!(filled(&report.size), [Some(15), Some(31), Some(1023)]);
    let keys = |list: &[Listed]| -> Vec<Vec<u8>> { list.iter().map(|listed| listed.key.clone()).collect() };
    assert_eq!(keys(&report.biggest), [b"b:1", b"a:2"]);
    assert_eq!(
        (keys(&report.never), keys(&report.hottest)),
        (vec![b"a:3".to_vec()], vec![b"a:2".into(), b"a:1".into()])
    );
}

#[test]
fn rows_that_are_too_many_are_summed_up() {
    let mut census = Census::new(Wanted { rows: 2, depth: Some(1), ..Wanted::default() });
    for number in 0..10_u64 {
        let key = format!("{number}:x");
        let seen =
            Observation { key: key.as_bytes(), kind: Some("string"), memory: Some(number), ..Default::default() };
        let decoded = Decoded { chain: &key, encoded: 2, decoded: 5, classes: &["a.B".to_owned()] };
        census.add(&seen, Some(&key), Some(&decoded));
    }
    let report = census.report(Population::Whole);
    for table in [&report.prefixes, &report.groups] {
        let bytes: Vec<u64> = table.rows.iter().chain(&table.rest).map(|row| row.bytes.unwrap().value).collect();
        assert_eq!(
            (bytes, table.rest.as_ref().unwrap().entries),
            (vec![9, 8, 28], Estimate::exact(8)),
            "{}",
            table.name
        );
    }
    let codecs = &report.codecs;
    assert_eq!((codecs.seen, codecs.rows.len(), codecs.rest.as_ref().unwrap().entries.value), (10, 2, 8));
    let first = &codecs.rows[0];
    assert_eq!((&first.row.name[..], first.row.entries, first.ratio), (&b"9:x"[..], Estimate::exact(1), Some(2.5)));
    assert_eq!(first.classes, [("a.B".to_owned(), 1)]);
}

#[test]
fn values_that_were_looked_into_are_a_sample_of_those_that_were_seen() {
    let mut census = Census::new(Wanted::default());
    for number in 0..1000_u64 {
        let seen = Observation { key: b"k", memory: Some(100), ..Default::default() };
        let chain = if number % 40 == 0 { "json" } else { "pickle" };
        let decoded = Decoded { chain, encoded: 1, decoded: 1, classes: &[] };
        census.add(&seen, None, (number % 10 == 0).then_some(&decoded));
    }
    let codecs = census.report(Population::Whole).codecs;
    let [pickle, json] = &codecs.rows[..] else { panic!("{codecs:?}") };
    assert_eq!((codecs.seen, pickle.row.entries.value, json.row.entries.value), (100, 750, 250));
    assert!(json.row.entries.low < 200 && json.row.entries.high > 300, "{:?}", json.row.entries);
    assert_eq!((json.row.share, json.row.bytes.map(|bytes| bytes.value)), (0.25, Some(25_000)));
}

#[test]
fn what_a_prefix_may_have_missed_is_in_its_interval() {
    let mut census = Census::new(Wanted { depth: Some(1), rows: usize::MAX, ..Wanted::default() });
    let mut truth = std::collections::HashMap::new();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..60_000 {
        let name = format!("{}:", random.u32(0..20_000));
        let size = random.u64(1..1000);
        let key = format!("{name}1");
        census.add(&Observation { key: key.as_bytes(), memory: Some(size), ..Default::default() }, None, None);
        let known: &mut (u64, u64) = truth.entry(name.into_bytes()).or_default();
        *known = (known.0 + 1, known.1 + size);
    }
    let report = census.report(Population::Whole);
    assert!(report.prefixes.rows.iter().any(|row| row.missed_most > 0));
    for row in &report.prefixes.rows {
        let (entries, bytes) = truth[&row.name];
        let told = row.bytes.unwrap();
        assert!(told.low == told.value && told.high == told.value + row.missed_most, "{row:?}");
        assert!((told.low..=told.high).contains(&bytes), "{row:?}: {bytes}");
        assert!((row.entries.low..=row.entries.high).contains(&entries), "{row:?}: {entries}");
    }
    let rest = report.prefixes.rest.unwrap();
    let told: u64 = report.prefixes.rows.iter().map(|row| row.entries.value).sum();
    assert_eq!(told + rest.entries.value, 60_000);
}
