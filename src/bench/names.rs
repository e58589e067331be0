//! How the entries of a run are called: by the layout, in a namespace of the run's own inside the one that was
//! asked for, so that no application has heard of any of them.

use std::sync::Arc;

use fastrand::Rng;

use crate::entry::StoredKey;
use crate::layout::{Error, Layout, Name, Tagging};

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
    /// How many tags there are, of which each entry has one; where the layout has none, none.
    tags: u32,
    /// What tells the values of the tags.
    seed: u64,
}

#[derive(Clone)]
enum Form {
    /// The stored key is this, a digit for the family and the number.
    Numbered(Vec<u8>),
    /// One by one, by the number of the family; those of a family that the load has not are not there.
    Listed([Arc<[StoredKey]>; 3]),
}

impl Names {
    /// Names for `keys` of each family in the run called `run`.
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
        let layout: Arc<dyn Layout> = layout.within(&format!("cachectl:bench:{run}:")).into();
        let tags = if layout.tagging().is_some() { tags } else { 0 };
        let (given, form) = (given.map(Into::into), Form::Numbered(Vec::new()));
        let mut names = Names { layout, given, form, tags, seed: fastrand::u64(..) };
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
            listed[*family as usize] = (0..keys).map(|key| names.locate(*family, key)).collect::<Result<_, _>>()?;
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
            let StoredKey { key: stored, field } = self.locate(Family::Entry, key)?;
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

    /// Asks the layout where an entry is.
    fn locate(&self, family: Family, key: u32) -> Result<StoredKey, Error> {
        let named = |error| Error::new(format!("`{}`: {error}", self.key(family, key).escape_ascii()));
        let name = Name { key: self.key(family, key), tags: self.tags_of(family, key) };
        let found: Vec<Option<Vec<u8>>> = self.layout.tagging().map_or_else(Vec::new, |tagging| {
            tagging.tags_sorted(&name.tags).iter().map(|tag| Some(self.tag_value(tagging, tag))).collect()
        });
        let place = self.layout.locate(&name, &found).map_err(named)?;
        place.ok_or_else(|| named(Error::new("a tag has no value")))
    }

    fn tags_of(&self, family: Family, key: u32) -> Vec<String> {
        // A counter that is invalidated would be another one without a ttl.
        let tagged = self.tags > 0 && family != Family::Counter;
        tagged.then(|| tag_name(key % self.tags)).into_iter().collect()
    }

    /// Those of no other run, and always the same.
    fn tag_value(&self, tagging: &Tagging, tag: &str) -> Vec<u8> {
        let mut hash = self.seed;
        tag.bytes().for_each(|byte| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut random = [0; 16];
        Rng::with_seed(hash).fill(&mut random);
        tagging.fresh(random)
    }

    /// Tags and their values, without which no entry can be found.
    pub fn tags(&self) -> impl Iterator<Item = (StoredKey, Vec<u8>)> {
        let tagging = self.layout.tagging();
        let all = std::iter::once(Tagging::ALL.to_owned()).chain((0..self.tags).map(tag_name));
        tagging
            .into_iter()
            .flat_map(move |tagging| all.clone().map(move |tag| (tagging.tag_key(&tag), self.tag_value(tagging, &tag))))
    }

    /// Whether entries are fields of Redis hashes.
    #[must_use]
    pub fn has_hashes(&self) -> bool {
        self.layout.hash(b"0").is_some()
    }

    /// Where an entry is.
    #[must_use]
    pub fn of(&self, family: Family, key: u32) -> StoredKey {
        self.listed(family, key).cloned().unwrap_or_else(|| {
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
    pub fn listed(&self, family: Family, key: u32) -> Option<&StoredKey> {
        match &self.form {
            Form::Numbered(_) => None,
            Form::Listed(families) => families[family as usize].get(key as usize),
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

fn tag_name(tag: u32) -> String {
    format!("t{tag}")
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
