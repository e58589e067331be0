//! Which prefixes the keys have: cut at a separator that is told or found, as deep as is told or as
//! tells something.
//!
//! A prefix ends with its separator, so `user:1` and `user:2` have the prefix `user:`, and a key
//! without a separator has none.

use super::tallies::{Branch, Counted, Tallies};
use super::tally::{Sample, Tally};

/// Where no separator is told it is one of these, the earlier where two are as good.
const SEPARATORS: [u8; 4] = [b':', b'/', b'#', b'.'];

/// How many keys are looked at to find it.
const LOOKED_AT: usize = 1000;

/// Separators are looked for in so many bytes of a key, so that no prefix is longer.
const WINDOW: usize = 512;

/// How many levels are counted where no depth is told.
const LEVELS: usize = 4;

/// As many as a table of 8,192 places holds, and with quantiles in so many bytes.
const NAMES_MOST: usize = 7000;
const FOOTPRINT_MOST: usize = 6 << 20;

/// A prefix is opened into those inside it when so few of them ...
const OPENED_MOST: usize = 16;

/// ... that have each at least this share of everything ...
const OPENED_SHARE: f64 = 0.01;

/// ... have together at least this share of the prefix.
const OPENED_COVER: f64 = 0.8;

/// The prefixes of keys, counted.
pub struct Prefixes {
    cut: Cut,
    tallies: Tallies,
    /// The keys that have none.
    bare: Tally,
    /// The first ones, until the separator is found.
    waiting: Option<Vec<(Box<[u8]>, Sample)>>,
}

/// How prefixes are cut from keys.
struct Cut {
    separators: Vec<u8>,
    depth: Option<usize>,
    skip: usize,
}

/// What came out.
pub struct Found {
    pub separators: Vec<u8>,
    pub counted: Vec<Counted>,
    /// What is in none of them.
    pub rest: Tally,
}

impl Prefixes {
    /// Cut at any of `separators`, or at the one that most of the first keys have; `depth` segments
    /// long, or as deep as tells something; after the first `skip` segments.
    pub fn new(separators: Option<Vec<u8>>, depth: Option<usize>, skip: usize) -> Prefixes {
        let waiting = if separators.is_none() { Some(Vec::new()) } else { None };
        let cut = Cut { separators: separators.unwrap_or_default(), depth, skip };
        Prefixes { cut, tallies: Tallies::new(NAMES_MOST, FOOTPRINT_MOST), bare: Tally::default(), waiting }
    }

    /// Counts an entry under the prefix of its key.
    pub fn add(&mut self, key: &[u8], sample: &Sample) {
        let key = &key[..key.len().min(WINDOW)];
        match &mut self.waiting {
            None => self.count(key, sample),
            Some(waiting) => {
                waiting.push((key.into(), *sample));
                if waiting.len() == LOOKED_AT {
                    self.settle();
                }
            }
        }
    }

    /// Finds the separator and counts the keys that waited for it.
    fn settle(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        let having = |separator: u8| waiting.iter().filter(|(key, _)| key.contains(&separator)).count();
        let found = SEPARATORS.into_iter().rev().max_by_key(|separator| having(*separator));
        self.cut.separators = found.into_iter().collect();
        waiting.iter().for_each(|(key, sample)| self.count(key, sample));
    }

    fn count(&mut self, key: &[u8], sample: &Sample) {
        let mut ends = [0; LEVELS];
        match self.cut.prefix(key, &mut ends) {
            Some((name, ends)) => self.tallies.add(name, ends, sample),
            None => self.bare.add(sample),
        }
    }

    /// What came out; shares are of bytes if `measured`, else of entries.
    pub fn finish(mut self, measured: bool) -> Found {
        self.settle();
        let Prefixes { cut, tallies, bare, .. } = self;
        let root = tallies.into_tree();
        let all = root.weight().plus(bare.weight()).by(measured);
        let mut counted = Vec::new();
        let share = (all as f64 * OPENED_SHARE).max(1.0);
        root.children.into_iter().for_each(|branch| cut.open(branch, measured, share, &mut counted));
        if bare.entries > 0 {
            counted.push(Counted::named("(no prefix)", bare));
        }
        Found { separators: cut.separators, counted, rest: root.own }
    }
}

impl Cut {
    /// The longest prefix of `key` that is counted, and where in it the prefixes that it lies in end,
    /// itself the last.
    fn prefix<'k, 'e>(&self, key: &'k [u8], ends: &'e mut [usize; LEVELS]) -> Option<(&'k [u8], &'e [usize])> {
        let (mut skip, mut start, mut levels) = (self.skip, 0, 0);
        let levels_most = self.depth.map_or(LEVELS, |depth| depth.max(1));
        for (at, byte) in key.iter().enumerate() {
            if !self.separators.contains(byte) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                start = at + 1;
                continue;
            }
            // A depth that is told is one level, of keys with less segments too.
            let level = if self.depth.is_some() { 0 } else { levels };
            ends[level] = at + 1 - start;
            levels += 1;
            if levels == levels_most {
                break;
            }
        }
        let told = if self.depth.is_some() { levels.min(1) } else { levels };
        let longest = *ends[..told].last()?;
        Some((&key[start..start + longest], &ends[..told]))
    }

    /// The rows of `branch`: itself, or those inside it and what is left of it.
    fn open(&self, branch: Branch, measured: bool, share: f64, counted: &mut Vec<Counted>) {
        let weigh = |branch: &Branch| branch.weight().by(measured) as f64;
        let all = weigh(&branch);
        let Branch { name, mut own, missed, children } = branch;
        let (mut large, small): (Vec<_>, Vec<_>) = children.into_iter().partition(|child| weigh(child) >= share);
        let cover: f64 = large.iter().map(weigh).sum();
        let opened = !large.is_empty() && large.len() <= OPENED_MOST && cover >= OPENED_COVER * all;
        let inside = if opened { std::mem::take(&mut large) } else { Vec::new() };
        large.into_iter().chain(small).for_each(|child| own.merge(child.into_tally()));
        if own.entries > 0 || !opened {
            counted.push(Counted { name: self.shown(&name), tally: own, missed, opened });
        }
        inside.into_iter().for_each(|child| self.open(child, measured, share, counted));
    }

    /// With a `*` for each level that is skipped.
    fn shown(&self, name: &[u8]) -> Vec<u8> {
        let separator = self.separators.first().copied();
        let mut shown: Vec<u8> = (0..self.skip).flat_map(|_| [Some(b'*'), separator]).flatten().collect();
        shown.extend_from_slice(name);
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `keys` are counted as: `prefix=entries` in the order of the names.
    fn counted(mut prefixes: Prefixes, keys: &[impl AsRef<[u8]>]) -> String {
        keys.iter().for_each(|key| prefixes.add(key.as_ref(), &Sample::default()));
        let found = prefixes.finish(false);
        let mut rows: Vec<String> = Vec::new();
        for counted in found.counted {
            let left = if counted.opened { " left" } else { "" };
            rows.push(format!("{}{left}={}", counted.name.escape_ascii(), counted.tally.entries));
        }
        rows.sort();
        rows.join(", ")
    }

    /// The same of the words of `keys`; `word*9` is `word0` to `word8`.
    fn check(separators: Option<&str>, depth: Option<usize>, skip: usize, keys: &str, expected: &str) {
        let mut all = Vec::new();
        for word in keys.split_whitespace() {
            match word.split_once('*') {
                None => all.push(word.to_owned()),
                Some((word, times)) => all.extend((0..times.parse().unwrap()).map(|n: u32| format!("{word}{n}"))),
            }
        }
        let prefixes = Prefixes::new(separators.map(|text| text.as_bytes().to_vec()), depth, skip);
        assert_eq!(counted(prefixes, &all), expected, "{separators:?} {depth:?} {skip}: {keys}");
    }

    #[test]
    fn a_depth_that_is_told_is_kept_to() {
        let keys = "a:b:c:1 a:b:c:2 a:b:3 a:4 5";
        check(None, Some(1), 0, keys, "(no prefix)=1, a:=4");
        check(None, Some(2), 0, keys, "(no prefix)=1, a:=1, a:b:=3");
        check(None, Some(3), 0, keys, "(no prefix)=1, a:=1, a:b:=1, a:b:c:=2");
        check(None, Some(9), 0, keys, "(no prefix)=1, a:=1, a:b:=1, a:b:c:=2");
        check(None, Some(6), 0, "a:b:c:d:e:f:g:1", "a:b:c:d:e:f:=1");
        check(None, Some(0), 0, "a:b:1", "a:=1");
    }

    #[test]
    fn levels_that_are_skipped_are_stars() {
        let keys = "eu:user:1 us:user:2 us:page:3 us:4 5";
        check(None, Some(1), 1, keys, "(no prefix)=2, *:page:=1, *:user:=2");
        check(None, None, 1, keys, "(no prefix)=2, *:page:=1, *:user:=2");
        check(None, Some(1), 2, keys, "(no prefix)=5");
        check(Some("/"), Some(1), 1, "a/b/c", "*/b/=1");
        check(Some(":/"), Some(1), 1, "a/b:c", "*:b:=1");
    }

    #[test]
    fn a_separator_is_found_in_the_first_keys() {
        check(None, None, 0, "a:1 b/c/2 d:3 e.f", "(no prefix)=2, a:=1, d:=1");
        check(None, None, 0, "a/1 a/2 b:3", "(no prefix)=1, a/=2");
        check(None, None, 0, "a#1 b#2 b.3", "(no prefix)=1, a#=1, b#=1");
        check(None, None, 0, "a.1 b.2 3", "(no prefix)=1, a.=1, b.=1");
        // As good: the one that is more usual.
        check(None, None, 0, "http://a", "http:=1");
        check(None, None, 0, "", "");
        check(None, None, 0, "plain other", "(no prefix)=2");
        // Those that come later change nothing.
        check(None, None, 0, "a/*1000 b:*5000", "(no prefix)=5000, a/=1000");
        check(None, None, 0, "a/*999 b:*5000", "(no prefix)=5000, a/=999");
    }

    #[test]
    fn a_separator_that_is_told_is_kept_to() {
        check(Some("#"), None, 0, "a:1 b#c:2", "(no prefix)=1, b#=1");
        check(Some(":/"), Some(2), 0, "a:b/1 a/b:2", "a/b:=1, a:b/=1");
        check(Some(""), None, 0, "a:1", "(no prefix)=1");
        check(Some(":"), None, 0, ":a :b", ":=2");
        check(Some(":"), Some(2), 0, "::a ::b", "::=2");
    }

    #[test]
    fn a_prefix_is_opened_where_what_is_inside_tells_more() {
        check(None, None, 0, "app:session:*30 app:page:*60", "app:page:=60, app:session:=30");
        check(None, None, 0, "user:1:a user:2:a user:3:a", "user:1:=1, user:2:=1, user:3:=1");
        let users: String = (0..200).map(|user| format!("user:{user}:name user:{user}:mail ")).collect();
        check(None, None, 0, &users, "user:=400");
        // What is left of it is told as well, and not opened when it is much.
        let some = format!("{users} user:page:*1600");
        check(None, None, 0, &some, "user: left=400, user:page:=1600");
        let half = format!("{users} user:page:*400");
        check(None, None, 0, &half, "user:=800");
        check(None, None, 0, "a:b:c:d:e:f:*9", "a:b:c:d:=9");
        check(None, None, 0, "a:b:*50 a:c:*40 a:*10 z:*3", "a: left=10, a:b:=50, a:c:=40, z:=3");
    }

    #[test]
    fn keys_are_bytes() {
        let keys: [&[u8]; 5] = [b"\xff\x00:\x001", b"\xff\x00:\xfe2", b"", b":", b"\n"];
        assert_eq!(counted(Prefixes::new(None, None, 0), &keys), "(no prefix)=2, :=1, \\xff\\x00:=2");
        let cut = Prefixes::new(Some(vec![0]), Some(1), 0);
        assert_eq!(counted(cut, &keys), "(no prefix)=3, \\xff\\x00=2");
        let mut long = vec![b'x'; WINDOW - 1];
        assert_eq!(counted(Prefixes::new(None, None, 0), &[[&long[..], b":1"].concat()]).len(), WINDOW + 2);
        long.push(b'x');
        assert_eq!(counted(Prefixes::new(None, None, 0), &[[&long[..], b":1"].concat()]), "(no prefix)=1");
    }

    #[test]
    fn a_million_prefixes_take_no_more_than_the_table_has_and_a_heavy_one_is_found() {
        let mut prefixes = Prefixes::new(None, None, 0);
        let mut key = Vec::new();
        for number in 0..1_000_000_u32 {
            key.clear();
            match number % 10 {
                0 => key.extend_from_slice(b"heavy:page:"),
                _ => key.extend_from_slice(format!("{number:x}:{number}:").as_bytes()),
            }
            key.push(b'1');
            prefixes.add(&key, &Sample { size: Some(100), ..Sample::default() });
        }
        let found = prefixes.finish(true);
        assert!(found.counted.len() <= NAMES_MOST, "{}", found.counted.len());
        let heavy = found.counted.iter().find(|counted| counted.name == b"heavy:page:").unwrap();
        assert_eq!((heavy.tally.entries, heavy.missed), (100_000, Default::default()));
        let all: u64 = found.counted.iter().map(|counted| counted.tally.entries).sum();
        assert_eq!(all + found.rest.entries, 1_000_000);
    }
}
