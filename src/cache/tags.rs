//! Tags: made where a write needs them, invalidated, listed; and which entries no tags reach any more.
//!
//! On a layout that has tags a tag is a key of its own that holds a random value, and entries are
//! stored under a hash of the values of their tags: a new value makes all of them unreachable at
//! once. Where the layout has none, a backend may keep one tag an entry (DiskCache), and to
//! invalidate it is to delete those entries.

use std::collections::HashSet;

use ring::rand::{SecureRandom as _, SystemRandom};

use super::{Cache, Error};
use crate::backend::{Cursor, ErrorKind};
use crate::entry::{Condition, Entry, Expiry, Stored, StoredKey, Ttl, Write};
use crate::layout::{self, Name, Tagging};

/// How long a new tag value stays: `lifetime_for_tags` of redis-tagged-cache 0.12.1, one day.
pub const TAG_EXPIRY: Expiry = Expiry::In(86_400_000);

/// A tag, and what there is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name, where that is known.
    pub name: Option<String>,
    /// Where its value is; `None` where the backend keeps tags with the entries.
    pub stored_key: Option<StoredKey>,
    /// How long its value will stay; `None` where it has none.
    pub ttl: Option<Ttl>,
    /// Entries that carry it, where the backend can count them.
    pub entries: Option<u64>,
}

/// A tag that was invalidated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalidated {
    /// Its name.
    pub name: String,
    /// Where its value is; `None` where the backend keeps tags with the entries.
    pub stored_key: Option<StoredKey>,
    /// Whether there was such a tag; `None` where the answer was lost.
    pub existed: Option<bool>,
    /// The hash of its new value; `None` where it has none.
    pub value_hash: Option<String>,
    /// Entries that were deleted, where the backend keeps tags with the entries.
    pub deleted: Option<u64>,
}

/// What to do with a tag that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Make it, as the libraries do.
    Make,
    /// Leave it so.
    Leave,
}

impl Cache {
    /// Where tags are kept, in a few words.
    fn tagging(&self) -> Option<&Tagging> {
        self.layout.tagging()
    }

    fn need_tagging(&self) -> Result<&Tagging, Error> {
        self.tagging().ok_or_else(|| Error::name(b"", layout::Error::no_tags()))
    }

    /// The name of the tag that all entries of a namespace have.
    ///
    /// # Errors
    /// When the layout has none.
    pub fn tag_of_all(&self) -> Result<&'static str, Error> {
        self.need_tagging().map(|_| Tagging::ALL)
    }

    /// Makes the tags of `names` that are not there, as a write does. Where another client makes one
    /// at the same time, the first value stays.
    fn make_tags(&mut self, names: &[Name]) -> Result<(), Error> {
        let found = self.needed(names)?;
        let Some(tagging) = self.layout.tagging() else { return Ok(()) };
        let mut missing = Vec::new();
        for (name, found) in names.iter().zip(found) {
            let needs = self.layout.needs(name).map_err(|error| Error::name(&name.key, error))?;
            missing.extend(needs.into_iter().zip(found).filter(|(_, value)| value.is_none()).map(|(key, _)| key));
        }
        missing.sort_unstable();
        missing.dedup();
        let write = |key| value(tagging, key, Condition::IfAbsent, self.tag_expiry);
        let writes = missing.into_iter().map(write).collect::<Result<Vec<Write>, Error>>()?;
        if !writes.is_empty() {
            self.backend.set_many(&writes)?;
        }
        Ok(())
    }

    /// Where names will be stored; tags of theirs that are not there are made.
    pub(super) fn locate_to_write(&mut self, names: &[Name]) -> Result<Vec<StoredKey>, Error> {
        let mut places = self.locate(names)?;
        if places.contains(&None) {
            self.make_tags(names)?;
            places = self.locate(names)?;
        }
        let each = names.iter().zip(places);
        each.map(|(name, place)| place.map_or_else(|| Err(self.no_value(name)), Ok)).collect()
    }

    /// Why a tag of `name` has no value, although it was given one just now.
    fn no_value(&mut self, name: &Name) -> Error {
        let tags = self.tagging().map(|tagging| tagging.tags_sorted(&name.tags)).unwrap_or_default();
        let keys = self.layout.needs(name).unwrap_or_default();
        let facts = self.backend.facts_many(&keys).unwrap_or_default();
        let mut others = tags.iter().zip(keys).zip(facts).filter_map(|(tag, facts)| {
            let kind = facts?.kind;
            (!["string", "bytes"].contains(&kind.as_str())).then_some((tag, kind))
        });
        let message = match others.next() {
            Some(((tag, key), kind)) => format!(
                "where the tag `{tag}` has its value, at `{key}`, is a {kind}: `invalidate` puts a value in its place"
            ),
            None => "a tag went away while the entry was to be stored: the server evicts, or somebody deletes tags"
                .to_owned(),
        };
        Error::Backend(crate::backend::Error::new(ErrorKind::Failed, message))
    }

    /// The tags of `name` that have no value, each once: while one has none, no entry is found under it.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`] when the layout has no tags.
    pub fn missing_tags(&mut self, name: &Name) -> Result<Vec<String>, Error> {
        let tags = self.need_tagging()?.tags_sorted(&name.tags);
        let found = self.needed(std::slice::from_ref(name))?.remove(0);
        let mut missing: Vec<String> =
            tags.into_iter().zip(found).filter(|(_, value)| value.is_none()).map(|(tag, _)| tag).collect();
        missing.dedup();
        Ok(missing)
    }

    /// What there is of tags. Nothing is written.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`] when neither layout nor backend keeps tags.
    pub fn tags(&mut self, names: &[String]) -> Result<Vec<Tag>, Error> {
        let Some(tagging) = self.tagging() else {
            let counted = names.iter().map(|name| {
                let count = self.backend.tagged(name).map_err(untagged)?;
                Ok(Tag { name: Some(name.clone()), stored_key: None, ttl: None, entries: Some(count) })
            });
            return counted.collect();
        };
        let keys: Vec<StoredKey> = names.iter().map(|name| tagging.tag_key(name)).collect();
        let facts = self.backend.facts_many(&keys)?;
        let each = names.iter().zip(keys).zip(facts).map(|((name, key), facts)| Tag {
            name: Some(name.clone()),
            stored_key: Some(key),
            ttl: facts.map(|facts| facts.ttl),
            entries: None,
        });
        Ok(each.collect())
    }

    /// Makes every entry of each tag a miss: on a layout with tags by new values, all in one round
    /// trip whatever they reach; else by deleting what the backend has tagged so. Adds the tags that it is
    /// done for to `done`.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`] when neither layout nor backend keeps tags. `done` then has the tags
    /// that are known to be done all the same, and the backend's error the places of those that are known not to be.
    pub fn invalidate(&mut self, names: &[String], unknown: Unknown, done: &mut Vec<Invalidated>) -> Result<(), Error> {
        let Some(tagging) = self.layout.tagging() else {
            for (at, name) in names.iter().enumerate() {
                let left = (at + 1..names.len()).collect();
                let count = self.backend.evict(name);
                let count = count.map_err(|error| untagged(crate::backend::Error { unreached: left, ..error }))?;
                let (existed, deleted) = (Some(count > 0), Some(count));
                let name = name.clone();
                done.push(Invalidated { name, stored_key: None, existed, value_hash: None, deleted });
            }
            return Ok(());
        };
        let keys: Vec<StoredKey> = names.iter().map(|name| tagging.tag_key(name)).collect();
        if tagging.deletes() {
            return match self.backend.delete_many(&keys) {
                Ok(existed) => {
                    let each = names.iter().zip(keys).zip(existed);
                    done.extend(each.map(|((name, key), existed)| invalidated(name, key, Some(existed), None)));
                    Ok(())
                }
                Err(error) => {
                    // What was not sent is known to be there still, if it was.
                    let held = self.held(&keys, &error.unreached);
                    let gone = |at: &usize| held[*at] == Some(None) && !error.unreached.contains(at);
                    let each = (0..keys.len()).filter(|at| gone(at));
                    done.extend(each.map(|at| invalidated(&names[at], keys[at].clone(), None, None)));
                    let there = (0..keys.len()).filter(|at| held[*at].is_some() && !gone(at)).collect();
                    Err(Error::Backend(crate::backend::Error { unreached: there, ..error }))
                }
            };
        }
        // A write only where there is one, then a write only where there is none: whether the tag was there is told
        // in the round trip that sets it, and what another client makes in between is newer than this.
        let mut writes = Vec::with_capacity(2 * names.len());
        let mut values = Vec::with_capacity(names.len());
        for key in &keys {
            let write = value(tagging, key.clone(), Condition::IfPresent, self.tag_expiry)?;
            values.push(write.data.as_bytes().unwrap_or_default().to_vec());
            let made = (unknown == Unknown::Make).then(|| Write { condition: Condition::IfAbsent, ..write.clone() });
            writes.push(write);
            writes.extend(made);
        }
        let written = match self.backend.set_many(&writes) {
            Ok(written) => written,
            Err(error) => {
                let each = writes.len() / names.len();
                let unsent = |at: &usize| (at * each..(at + 1) * each).all(|write| error.unreached.contains(&write));
                let unsent: Vec<usize> = (0..keys.len()).filter(unsent).collect();
                let held = self.held(&keys, &unsent);
                let tagging = self.need_tagging()?;
                let holds = |at: &usize| held[*at].as_ref().is_some_and(|held| held.as_ref() == Some(&values[*at]));
                let set = (0..keys.len()).filter(|at| holds(at));
                let set = set.map(|at| (&names[at], keys[at].clone(), Some(tagging.hash(&values[at]))));
                done.extend(set.map(|(name, key, hash)| invalidated(name, key, None, hash)));
                let unreached = (0..keys.len()).filter(|at| held[*at].is_some() && !holds(at)).collect();
                let message = match error.kind {
                    // It counts writes, which nobody who reads of tags would know.
                    ErrorKind::Partial => format!("of the writes {}", error.message),
                    _ => error.message,
                };
                return Err(Error::Backend(crate::backend::Error { message, unreached, ..error }));
            }
        };
        let each = names.iter().zip(keys).zip(values).zip(written.chunks(writes.len() / names.len().max(1)));
        done.extend(each.map(|(((name, key), value), written)| {
            let hash = written.contains(&true).then(|| tagging.hash(&value));
            invalidated(name, key, Some(written[0]), hash)
        }));
        Ok(())
    }

    /// What tags hold after a write of them failed; nothing where that cannot be told. The new value of those that are
    /// `unsent` they do not hold for certain.
    fn held(&mut self, keys: &[StoredKey], unsent: &[usize]) -> Vec<Option<Option<Vec<u8>>>> {
        let bytes = |entry: Entry| entry.stored.as_bytes().unwrap_or_default().to_vec();
        let sent = |(at, key): (usize, &StoredKey)| (!unsent.contains(&at)).then(|| key.clone());
        let places: Vec<Option<StoredKey>> = keys.iter().enumerate().map(sent).collect();
        match self.ask_reachable(&places, |backend, keys| backend.get_many(keys)) {
            Ok(held) => held.each.into_iter().map(|held| held.map(|held| held.map(bytes))).collect(),
            Err(_) => places.into_iter().map(|place| place.is_none().then_some(None)).collect(),
        }
    }

    /// A page of the tags of the namespace, from `cursor` on; `known` are names that they may have.
    ///
    /// # Errors
    /// The backend's; [`Error::Name`] when the layout has no tags.
    pub fn tags_page(&mut self, known: &Known, cursor: Cursor) -> Result<(Vec<Tag>, Option<Cursor>), Error> {
        let pattern = self.need_tagging()?.tag_keys();
        let page = self.backend.scan(&pattern, None, cursor)?;
        let facts = self.backend.facts_many(&page.keys)?;
        let tags = page.keys.into_iter().zip(facts).filter_map(|(key, facts)| {
            let ttl = facts?.ttl;
            Some(Tag {
                name: known.name(&key).map(str::to_owned),
                stored_key: Some(key),
                ttl: Some(ttl),
                entries: None,
            })
        });
        Ok((tags.collect(), page.next))
    }

    /// Names that tags may have, by where their values would be.
    ///
    /// # Errors
    /// [`Error::Name`] when the layout has no tags.
    pub fn known(&self, names: Vec<String>) -> Result<Known, Error> {
        let tagging = self.need_tagging()?;
        let all = std::iter::once(Tagging::ALL.to_owned()).chain(names);
        Ok(Known(all.map(|name| (tagging.tag_key(&name), name)).collect()))
    }

    /// Which entries the tags that are there now reach: see [`Reach`].
    ///
    /// # Errors
    /// The backend's; [`Error::Name`] when the layout has no tags.
    pub fn reach(&mut self, known: &Known) -> Result<Reach, Error> {
        let mut keys = Vec::new();
        let mut cursor = Some(Cursor::Start);
        while let Some(at) = cursor {
            let (tags, next) = self.tags_page(known, at)?;
            keys.extend(tags.into_iter().map(|tag| (tag.name, tag.stored_key)));
            cursor = next;
        }
        keys.sort_unstable();
        keys.dedup();
        let (names, keys): (Vec<Option<String>>, Vec<Option<StoredKey>>) = keys.into_iter().unzip();
        let keys: Vec<StoredKey> = keys.into_iter().flatten().collect();
        let values = self.strings(&keys)?;
        let tags = names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)));
        Ok(Reach::of(self.need_tagging()?, tags.collect()))
    }

    /// What is known of an entry of this layout.
    ///
    /// # Errors
    /// [`Error::Name`] when the layout has no tags.
    pub fn standing(&self, reach: &Reach, key: &StoredKey) -> Result<Standing, Error> {
        let parts = self.need_tagging()?.entry_parts(key);
        Ok(parts.map_or(Standing::Live, |(_, metadata)| reach.standing(metadata)))
    }
}

impl Tag {
    /// How long ago its value was set, in milliseconds, had it `lifetime_ms` to live then; `None` where
    /// that cannot be.
    #[must_use]
    pub fn age_ms(&self, lifetime_ms: Option<u64>) -> Option<u64> {
        match self.ttl {
            Some(Ttl::Left(left)) => lifetime_ms?.checked_sub(left),
            _ => None,
        }
    }
}

fn invalidated(name: &str, key: StoredKey, existed: Option<bool>, value_hash: Option<String>) -> Invalidated {
    Invalidated { name: name.to_owned(), stored_key: Some(key), existed, value_hash, deleted: None }
}

/// A write of a new value to a tag's key.
fn value(tagging: &Tagging, key: StoredKey, condition: Condition, expiry: Expiry) -> Result<Write, Error> {
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| {
        let message = "cannot make a tag's value: the system has no random bytes";
        Error::Backend(crate::backend::Error::new(ErrorKind::Failed, message))
    })?;
    let data = Stored::Bytes(tagging.fresh(random));
    Ok(Write { key, data, expiry, condition, tag: None })
}

/// The backend keeps no tags either.
fn untagged(error: crate::backend::Error) -> Error {
    match error.kind {
        ErrorKind::Unfit | ErrorKind::Unsupported => Error::name(
            b"",
            layout::Error::new(
                "neither this layout nor this backend keeps tags: -l redis-tagged-cache://NAMESPACE does on Redis, \
                 and -b disk: keeps one an entry",
            ),
        ),
        _ => Error::Backend(error),
    }
}

/// Names that tags may have.
#[derive(Clone, Debug, Default)]
pub struct Known(std::collections::HashMap<StoredKey, String>);

impl Known {
    /// The name of the tag whose value is at `key`.
    #[must_use]
    pub fn name(&self, key: &StoredKey) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

/// Which entries of a namespace can be read with the tags there are.
///
/// An entry's tags are not recorded, only a hash of their values in the order of their names. So it is
/// a search: every set of up to [`Reach::SIZE`] tags beside the one that all entries have, in the
/// order of their names, or in every order where a name is not known. What is found is certain. What
/// is not found is only probably unreachable, but for one case: without the value of the tag that all
/// have, nothing can be reached.
pub struct Reach {
    live: HashSet<Vec<u8>>,
    all: bool,
    /// Tags beside the one that all entries have.
    pub tags: usize,
    /// Up to how many of them together were tried.
    pub size: usize,
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Some tags reach it.
    Live,
    /// No tags that were tried reach it.
    ProbablyDead,
    /// Nothing can reach it.
    Dead,
}

impl Reach {
    /// Tags together that are tried at most.
    pub const SIZE: usize = 4;

    /// Hashes that are made at most: about a second, and 64 MiB.
    const TRIES: usize = 1_000_000;

    fn of(tagging: &Tagging, tags: Vec<(Option<String>, Vec<u8>)>) -> Reach {
        let (all, others): (Vec<_>, Vec<_>) =
            tags.into_iter().partition(|(name, _)| name.as_deref() == Some(Tagging::ALL));
        let mut reach = Reach { live: HashSet::new(), all: !all.is_empty(), tags: others.len(), size: 0 };
        let Some(all) = all.into_iter().next() else { return reach };
        for size in 0..=Reach::SIZE.min(others.len()) {
            if tries(others.len(), size, others.iter().any(|(name, _)| name.is_none())) > Reach::TRIES {
                break;
            }
            let mut chosen: Vec<&(Option<String>, Vec<u8>)> = vec![&all];
            reach.choose(tagging, &others, size, &mut chosen);
            reach.size = size;
        }
        reach
    }

    /// Every choice of `more` of `others` beside those chosen.
    fn choose<'a>(
        &mut self,
        tagging: &Tagging,
        others: &'a [(Option<String>, Vec<u8>)],
        more: usize,
        chosen: &mut Vec<&'a (Option<String>, Vec<u8>)>,
    ) {
        if more == 0 {
            return self.orders(tagging, chosen);
        }
        for (at, other) in others.iter().enumerate() {
            chosen.push(other);
            self.choose(tagging, &others[at + 1..], more - 1, chosen);
            chosen.pop();
        }
    }

    /// The hashes of the chosen tags' values: those with names in the order of the names, those
    /// without in every place.
    fn orders(&mut self, tagging: &Tagging, chosen: &[&(Option<String>, Vec<u8>)]) {
        let mut named: Vec<_> = chosen.iter().filter(|(name, _)| name.is_some()).collect();
        named.sort_unstable_by_key(|(name, _)| name.as_deref());
        let mut orders: Vec<Vec<&[u8]>> = vec![named.iter().map(|(_, value)| value.as_slice()).collect()];
        for (_, value) in chosen.iter().filter(|(name, _)| name.is_none()) {
            let mut longer = Vec::with_capacity(orders.len() * (named.len() + 1));
            for order in &orders {
                for at in 0..=order.len() {
                    longer.push([&order[..at], &[value.as_slice()], &order[at..]].concat());
                }
            }
            orders = longer;
        }
        self.live.extend(orders.iter().map(|values| tagging.metadata(values).into_bytes()));
    }

    /// What is known of the entry whose tags' values hash to `metadata`.
    fn standing(&self, metadata: &[u8]) -> Standing {
        match (self.all, self.live.contains(metadata)) {
            (false, _) => Standing::Dead,
            (true, true) => Standing::Live,
            (true, false) => Standing::ProbablyDead,
        }
    }
}

/// How many hashes it takes to try every choice of `size` of `count` tags.
fn tries(count: usize, size: usize, any_order: bool) -> usize {
    let choices = (0..size).fold(1_usize, |choices, taken| choices.saturating_mul(count - taken) / (taken + 1));
    let orders = if any_order { (1..=size + 1).product() } else { 1 };
    choices.saturating_mul(orders)
}
