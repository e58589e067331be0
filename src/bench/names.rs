//! How the entries of a run are called: by the layout, in a namespace of the run's own inside the one that was
//! asked for, so that no application has heard of any of them.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fastrand::Rng;

use crate::entry::StoredKey;
use crate::layout::{Error, Layout, Name, Tagging};
use crate::pattern::Pattern;

/// Digits of a numbered key.
pub const DIGITS: usize = 12;

/// Stored keys that are kept in memory, where they are more than a prefix and a number.
const LISTED_MOST: u32 = 10_000_000;

/// Entries of one Redis hash, where the layout has entries in hashes.
const IN_HASH: u32 = 100;

/// What of a run an entry is. The names of one begin with another digit than those of the others: a digit,
/// for some layouts have numbers as keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// What is read and written.
    Entry,
    /// A number that is added to: what is written is none.
    Counter,
    /// What nobody writes, for reads that shall find nothing.
    Absent,
}

impl Family {
    fn digit(self) -> u8 {
        match self {
            Family::Entry => b'1',
            Family::Counter => b'2',
            Family::Absent => b'3',
        }
    }
}

/// The names of a run. Clones share what is large.
#[derive(Clone)]
pub struct Names {
    layout: Arc<dyn Layout>,
    /// Keys from a file; where there are none, keys are numbers.
    given: Option<Arc<[Vec<u8>]>>,
    form: Form,
    /// What the names of tags begin with.
    run: String,
    /// How many tags there are, of which each entry has one; none where nobody keeps tags.
    tags: u32,
    /// What tells the values of the tags.
    seed: u64,
    /// Where tags have values.
    generations: Option<Generations>,
}

/// How often each tag was invalidated: what tells its value, and so where the entries are that have it. A library reads
/// that from the server; here only the run itself changes it.
#[derive(Clone)]
pub struct Generations(Arc<[AtomicU32]>);

impl Generations {
    /// Of the tag of an entry.
    #[must_use]
    pub fn of(&self, key: u32) -> u32 {
        self.0[key as usize % self.0.len()].load(Ordering::Relaxed)
    }

    /// The next one of the tag of an entry, which is that from now on.
    #[must_use]
    pub fn next(&self, key: u32) -> u32 {
        self.0[key as usize % self.0.len()].fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many tags there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    fn any(&self) -> bool {
        self.0.iter().any(|generation| generation.load(Ordering::Relaxed) > 0)
    }
}

#[derive(Clone)]
enum Form {
    /// The stored key is this, a digit for the family and the number.
    Numbered(Vec<u8>),
    /// One by one, by the number of the family; those of a family that the load has not are not there.
    Listed([Arc<[StoredKey]>; 3]),
}

impl Names {
    /// Names for `keys` of each family in the run called `run`, whose entries have one of so many tags each.
    ///
    /// # Errors
    /// When the layout cannot have one of the keys, or there are too many for it.
    pub fn new(
        layout: &dyn Layout,
        run: &str,
        given: Option<Vec<Vec<u8>>>,
        keys: u32,
        families: &[Family],
        tags: u32,
    ) -> Result<Names, Error> {
        let run = format!("cachectl:bench:{run}:");
        let layout: Arc<dyn Layout> = layout.within(&run).into();
        let generations = layout.tagging().map(|_| Generations((0..tags).map(|_| AtomicU32::new(0)).collect()));
        let (given, form) = (given.map(Into::into), Form::Numbered(Vec::new()));
        let mut names = Names { layout, given, form, run, tags, seed: fastrand::u64(..), generations };
        if let Some(head) = names.head()? {
            names.form = Form::Numbered(head);
            return Ok(names);
        }
        if keys > LISTED_MOST {
            let told = "the names of this layout are kept in memory: --key-count";
            return Err(Error::new(format!("{told} is at most {LISTED_MOST} with it")));
        }
        let mut listed = [const { Vec::new() }; 3].map(Arc::from);
        for family in families {
            listed[*family as usize] = (0..keys).map(|key| names.locate(*family, key, 0)).collect::<Result<_, _>>()?;
        }
        names.form = Form::Listed(listed);
        Ok(names)
    }

    /// What stands before the family's digit, where the key itself is the end of the stored key.
    fn head(&self) -> Result<Option<Vec<u8>>, Error> {
        if self.given.is_some() {
            return Ok(None);
        }
        let head = |key| {
            let StoredKey { key: stored, field } = self.locate(Family::Entry, key, 0)?;
            let head = stored.strip_suffix(self.key(Family::Entry, key).as_slice()).map(<[u8]>::to_vec);
            Ok(head.filter(|_| field.is_none()))
        };
        let (one, other) = (head(0)?, head(u32::MAX)?);
        Ok(one.filter(|one| Some(one) == other.as_ref()))
    }

    /// What the layout has as a key.
    fn key(&self, family: Family, key: u32) -> Vec<u8> {
        let mut text = Vec::new();
        if self.has_hashes() && self.given.is_none() {
            text.extend_from_slice(format!("{}/", key / IN_HASH).as_bytes());
        }
        text.push(family.digit());
        match &self.given {
            Some(given) => text.extend_from_slice(&given[key as usize]),
            None => push_digits(key, &mut text),
        }
        text
    }

    /// Asks the layout where an entry is, while its tag has the value of a generation.
    fn locate(&self, family: Family, key: u32, generation: u32) -> Result<StoredKey, Error> {
        let named = |error| match &self.given {
            Some(given) => Error::new(format!(
                "the name `{}`, with a digit of ours before it: {error}",
                given[key as usize].escape_ascii()
            )),
            None => Error::new(format!("the name of an entry of the run: {error}")),
        };
        let name = self.name(family, key);
        let found: Vec<Option<Vec<u8>>> = self.layout.tagging().map_or_else(Vec::new, |tagging| {
            tagging.tags_sorted(&name.tags).iter().map(|tag| Some(self.tag_value(tagging, tag, generation))).collect()
        });
        let place = self.layout.locate(&name, &found).map_err(named)?;
        place.ok_or_else(|| named(Error::new("a tag has no value")))
    }

    fn name(&self, family: Family, key: u32) -> Name {
        // A counter that is invalidated would be another one without a ttl.
        let tagged = self.generations.is_some() && family != Family::Counter;
        Name { key: self.key(family, key), tags: tagged.then(|| self.tag(key)).flatten().into_iter().collect() }
    }

    /// The tag of an entry, where entries have tags.
    #[must_use]
    pub fn tag(&self, key: u32) -> Option<String> {
        (self.tags > 0).then(|| format!("{}t{}", self.run, key % self.tags))
    }

    /// How often tags were invalidated, where they have values.
    #[must_use]
    pub fn generations(&self) -> Option<&Generations> {
        self.generations.as_ref()
    }

    /// Where the values of the tags are that tell where an entry is, in the order in which a library asks for them.
    #[must_use]
    pub fn needs(&self, key: u32) -> Vec<StoredKey> {
        self.layout.needs(&self.name(Family::Entry, key)).unwrap_or_default()
    }

    /// Where the tag of an entry has its value, and that of a generation.
    #[must_use]
    pub fn tag_write(&self, key: u32, generation: u32) -> Option<(StoredKey, Vec<u8>)> {
        let (tagging, tag) = self.layout.tagging().zip(self.tag(key))?;
        Some((tagging.tag_key(&tag), self.tag_value(tagging, &tag, generation)))
    }

    /// Those of no other run, and always the same. The tag that all entries have is never invalidated.
    fn tag_value(&self, tagging: &Tagging, tag: &str, generation: u32) -> Vec<u8> {
        let generation = if tag == Tagging::ALL { 0 } else { generation };
        let mut hash = self.seed ^ u64::from(generation) << 32;
        tag.bytes().for_each(|byte| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut random = [0; 16];
        Rng::with_seed(hash).fill(&mut random);
        tagging.fresh(random)
    }

    /// Tags and their values, without which no entry can be found.
    pub fn tags(&self) -> impl Iterator<Item = (StoredKey, Vec<u8>)> {
        self.layout.tagging().into_iter().flat_map(move |tagging| {
            let all = std::iter::once(Tagging::ALL.to_owned()).chain((0..self.tags).filter_map(|tag| self.tag(tag)));
            all.map(move |tag| (tagging.tag_key(&tag), self.tag_value(tagging, &tag, 0)))
        })
    }

    /// Where to look for entries that tags no longer reach, if there may be any.
    #[must_use]
    pub fn swept(&self) -> Option<Pattern> {
        let any = self.generations.as_ref().is_some_and(Generations::any);
        any.then(|| self.layout.sweep(&Pattern::all()).keys)
    }

    /// Whether entries are fields of Redis hashes.
    #[must_use]
    pub fn has_hashes(&self) -> bool {
        self.layout.hash(b"0").is_some()
    }

    /// Where an entry is, while its tag has the value of a generation.
    #[must_use]
    pub fn of(&self, family: Family, key: u32, generation: u32) -> StoredKey {
        self.listed(family, key, generation).map(Cow::into_owned).unwrap_or_else(|| {
            let mut stored = self.numbered(family).unwrap_or_default();
            push_digits(key, &mut stored);
            StoredKey::new(stored)
        })
    }

    /// Where names are numbers, what stands before their digits.
    #[must_use]
    pub fn numbered(&self, family: Family) -> Option<Vec<u8>> {
        match &self.form {
            Form::Numbered(head) => Some([head.as_slice(), &[family.digit()]].concat()),
            Form::Listed(_) => None,
        }
    }

    /// Where they are not, where an entry is.
    #[must_use]
    pub fn listed(&self, family: Family, key: u32, generation: u32) -> Option<Cow<'_, StoredKey>> {
        match &self.form {
            Form::Numbered(_) => None,
            Form::Listed(families) if generation == 0 => families[family as usize].get(key as usize).map(Cow::Borrowed),
            Form::Listed(_) => self.locate(family, key, generation).ok().map(Cow::Owned),
        }
    }

    /// What names begin with, for messages.
    #[must_use]
    pub fn shown(&self) -> String {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match &self.form {
            Form::Numbered(head) => shown(head),
            Form::Listed([entries, ..]) => {
                let (first, last) = (&entries[0].key, &entries[entries.len() - 1].key);
                let same = first.iter().zip(last).take_while(|(one, other)| one == other).count();
                shown(&first[..same])
            }
        }
    }

    /// Bytes of the longest.
    #[must_use]
    pub fn longest(&self) -> usize {
        match &self.form {
            Form::Numbered(head) => head.len() + 1 + DIGITS,
            Form::Listed(families) => {
                families.iter().flat_map(|all| all.iter()).map(|stored| stored.key.len()).max().unwrap_or_default()
            }
        }
    }
}

/// `number` in [`DIGITS`] digits.
pub fn push_digits(mut number: u32, out: &mut Vec<u8>) {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Kind;
    use crate::layout;

    fn names(layout: &str, tags: u32) -> Names {
        let layout = layout::parse(layout, None, Kind::Redis).unwrap();
        Names::new(layout.as_ref(), "r", None, 10, &[Family::Entry, Family::Absent], tags).unwrap()
    }

    #[test]
    fn an_entry_is_where_the_values_of_its_tags_say() {
        for format in ["0.12", "0.11.1", "0.11.0"] {
            let names = names(&format!("rtc://app?format={format}"), 3);
            let layout =
                layout::parse(&format!("rtc://appcachectl:bench:r:?format={format}"), None, Kind::Redis).unwrap();
            for (key, generation) in [(0, 0), (4, 0), (4, 1), (4, 2), (7, 1)] {
                let tag = format!("cachectl:bench:r:t{}", key % 3);
                let name = Name { key: format!("1{key:012}").into_bytes(), tags: vec![tag] };
                let needs = layout.needs(&name).unwrap();
                assert_eq!(names.needs(key), needs);
                let (written, value) = names.tag_write(key, generation).unwrap();
                let found: Vec<Option<Vec<u8>>> = needs
                    .iter()
                    .map(|place| match *place == written {
                        true => Some(value.clone()),
                        false => names.tags().find(|(all, _)| all == place).map(|(_, value)| value),
                    })
                    .collect();
                let place = layout.locate(&name, &found).unwrap().unwrap();
                assert_eq!(names.of(Family::Entry, key, generation), place, "{format} {key} {generation}");
            }
            let places =
                [(4, 0), (4, 1), (7, 1), (4, 2)].map(|(key, generation)| names.of(Family::Entry, key, generation));
            assert!((1..4).all(|at| !places[..at].contains(&places[at])), "{places:?}");
            let generations = names.generations().unwrap();
            assert!(names.swept().is_none());
            assert_eq!((generations.next(4), generations.of(7), generations.of(5)), (1, 1, 0));
            assert!(names.swept().unwrap().matches(&places[0].key));
        }
    }

    #[test]
    fn all_names_are_the_runs_own_and_different() {
        for layout in
            ["plain://app:", "aiocache://app", "pyredis-cache://Student", "pyredis-cache://Class/Student", "rtc:"]
        {
            let names = names(layout, 3);
            let mut all: Vec<StoredKey> = [Family::Entry, Family::Absent]
                .into_iter()
                .flat_map(|family| (0..10).map(move |key| (family, key)))
                .map(|(family, key)| names.of(family, key, 0))
                .collect();
            let (shown, longest) = (names.shown(), names.longest());
            for stored in &all {
                assert!(stored.key.starts_with(shown.as_bytes()) && stored.key.len() <= longest, "{layout} {stored}");
                let run = String::from_utf8_lossy(&stored.key).to_lowercase();
                assert!(layout == "rtc:" || run.contains("cachectl:bench:r:"), "{run}");
            }
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), 20, "{layout}");
        }
    }
}
