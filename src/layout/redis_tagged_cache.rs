//! The redis-tagged-cache layout: every part of a stored key is a hash, and the last one is of the
//! values that the entry's tags have at the time.
//!
//! An entry is `rtc:H(namespace):s:H(key):M`, where M hashes the values of its tags, each read from
//! `rtc:H(namespace):t:H(tag)`; a new value in one of those makes entries unreachable. Nothing
//! stored names a namespace, a key or a tag. Read from redis-tagged-cache 0.12.1 (`rtc/app/hash.py`,
//! `rtc/app/metadata.py`), 0.11.0, 0.11.2 and 0.10.1 (`rtc/app/service.py`): four formats in all.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::Digest as _;

use super::{Act, Error, Layout, Name, OUTSIDE, Owner, Row, Spec, Step, Sweep};
use crate::entry::StoredKey;
use crate::pattern::Pattern;
use crate::url::UrlError;

pub(super) const ROW: Row = Row {
    schemes: &["redis-tagged-cache", "rtc"],
    example: "redis-tagged-cache://NAMESPACE",
    about: "as redis-tagged-cache stores it, by hashes and tags; the namespace `default` unless given; ?format=0.12, \
            0.11.1, 0.11.0 or 0.10 is whose format",
    open,
    recognise,
};

fn open(spec: Spec) -> Result<Box<dyn Layout>, UrlError> {
    let format = match spec.parameter("format")? {
        None => &FORMATS[0],
        Some(name) => FORMATS.iter().find(|format| format.name == name).ok_or_else(|| {
            UrlError::unknown("format of redis-tagged-cache", name, &FORMATS.map(|format| format.name))
        })?,
    };
    let namespace = spec.namespace()?.unwrap_or_else(|| b"default".to_vec());
    Ok(Box::new(RedisTaggedCache(Tagging { namespace_hash: (format.hash)(&namespace), namespace, format })))
}

/// What differs between releases.
#[derive(Debug)]
struct Format {
    /// The first release that has it.
    name: &'static str,
    hash: fn(&[u8]) -> String,
    hash_told: &'static str,
    /// What stands between namespace and key.
    letter: u8,
    /// What stands between the values of tags.
    between: &'static [u8],
    /// Whether values of tags are hashes, and invalidating deletes them.
    text_values: bool,
}

/// The newest first.
const FORMATS: [Format; 4] = [
    Format { name: "0.12", hash: md5, hash_told: MD5_TOLD, letter: b's', between: b" ", text_values: false },
    Format { name: "0.11.1", hash: md5, hash_told: MD5_TOLD, letter: b'v', between: b"", text_values: false },
    Format {
        name: "0.11.0",
        hash: adler32,
        hash_told: "Adler-32, as URL-safe Base64 with ~ for -",
        letter: b'v',
        between: b"",
        text_values: false,
    },
    Format {
        name: "0.10",
        hash: sha256,
        hash_told: "the first 8 bytes of SHA-256, as URL-safe Base64",
        letter: b'v',
        between: b"",
        text_values: true,
    },
];

const MD5_TOLD: &str = "the first 8 bytes of MD5, as URL-safe Base64 with ~ for -";

fn md5(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&md5::Md5::digest(bytes)[..8]).replace('-', "~")
}

fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&ring::digest::digest(&ring::digest::SHA256, bytes).as_ref()[..8])
}

/// RFC 1950, section 8.2.
fn adler32(bytes: &[u8]) -> String {
    let step = |(a, b): (u32, u32), byte: &u8| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    };
    let (a, b) = bytes.iter().fold((1, 0), step);
    URL_SAFE_NO_PAD.encode((b << 16 | a).to_be_bytes()).replace('-', "~")
}

/// How a namespace stores tags, and entries under them.
#[derive(Debug)]
pub struct Tagging {
    namespace: Vec<u8>,
    namespace_hash: String,
    format: &'static Format,
}

impl Tagging {
    /// The tag that every entry has.
    pub const ALL: &str = "@@@all@@@";

    /// Where the value of a tag is.
    #[must_use]
    pub fn tag_key(&self, tag: &str) -> StoredKey {
        StoredKey::new(format!("{}{}", self.tag_prefix(), self.hash(tag.as_bytes())))
    }

    /// A value that no tag had before, of random bytes: a UUID of version 4, or the hash of one.
    #[must_use]
    pub fn fresh(&self, mut random: [u8; 16]) -> Vec<u8> {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        if self.format.text_values { self.hash(&random).into_bytes() } else { random.to_vec() }
    }

    /// Whether the library invalidates a tag by deleting its value, and not by writing a fresh one.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.format.text_values
    }

    /// The hash of a part of a key.
    #[must_use]
    pub fn hash(&self, text: &[u8]) -> String {
        (self.format.hash)(text)
    }

    /// The hash of the values that an entry's tags have, in the order of [`Tagging::tags_sorted`].
    #[must_use]
    pub fn metadata(&self, values: &[&[u8]]) -> String {
        self.hash(&values.join(self.format.between))
    }

    /// The tags that an entry has when it is given `tags`, in hashing order. A tag that is given
    /// twice counts twice; [`Tagging::ALL`] is added even then since 0.12, and not before.
    #[must_use]
    pub fn tags_sorted(&self, tags: &[String]) -> Vec<String> {
        let mut sorted = tags.to_vec();
        if self.format.letter == b's' || !tags.iter().any(|tag| tag == Tagging::ALL) {
            sorted.push(Tagging::ALL.to_owned());
        }
        // As UTF-8 sorts, so do code points, which is how Python sorts text.
        sorted.sort_unstable();
        sorted
    }

    /// Where the values of all tags are.
    #[must_use]
    pub fn tag_keys(&self) -> Pattern {
        Pattern::all().under(self.tag_prefix().as_bytes())
    }

    /// The hash of a tag, of the stored key of its value.
    #[must_use]
    pub fn tag_hash<'a>(&self, stored: &'a StoredKey) -> Option<&'a [u8]> {
        let hash = stored.key.strip_prefix(self.tag_prefix().as_bytes())?;
        (stored.field.is_none() && self.is_hash(hash)).then_some(hash)
    }

    /// Where all entries are, reachable or not.
    #[must_use]
    pub fn entry_keys(&self) -> Pattern {
        Pattern::all().under(self.entry_prefix().as_bytes())
    }

    /// The hash of the key and that of the tags' values, of the stored key of an entry. Locks of an
    /// entry are none.
    #[must_use]
    pub fn entry_parts<'a>(&self, stored: &'a StoredKey) -> Option<(&'a [u8], &'a [u8])> {
        let parts = stored.key.strip_prefix(self.entry_prefix().as_bytes())?;
        let colon = parts.iter().position(|byte| *byte == b':')?;
        let (key, metadata) = (&parts[..colon], &parts[colon + 1..]);
        (stored.field.is_none() && self.is_hash(key) && self.is_hash(metadata)).then_some((key, metadata))
    }

    /// Where the entry is whose key and whose tags' values have these hashes.
    #[must_use]
    pub fn entry_key(&self, key_hash: &str, metadata: &str) -> StoredKey {
        StoredKey::new(format!("{}{key_hash}:{metadata}", self.entry_prefix()))
    }

    fn tag_prefix(&self) -> String {
        format!("rtc:{}:t:", self.namespace_hash)
    }

    fn entry_prefix(&self) -> String {
        format!("rtc:{}:{}:", self.namespace_hash, char::from(self.format.letter))
    }

    fn is_hash(&self, part: &[u8]) -> bool {
        part.len() == self.namespace_hash.len() && is_hash(part)
    }
}

/// Whether `part` is a hash in one of the formats.
fn is_hash(part: &[u8]) -> bool {
    let within = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-~".contains(byte);
    [6, 11].contains(&part.len()) && part.iter().all(within)
}

/// A namespace.
struct RedisTaggedCache(Tagging);

impl Layout for RedisTaggedCache {
    fn needs(&self, name: &Name) -> Result<Vec<StoredKey>, Error> {
        Ok(self.0.tags_sorted(&name.tags).iter().map(|tag| self.0.tag_key(tag)).collect())
    }

    /// Where a tag has no value, the library would give it one, and so find nothing.
    fn locate(&self, name: &Name, found: &[Option<Vec<u8>>]) -> Result<Option<StoredKey>, Error> {
        let values: Option<Vec<&[u8]>> = found.iter().map(Option::as_deref).collect();
        let key_hash = self.0.hash(&name.key);
        Ok(values.map(|values| self.0.entry_key(&key_hash, &self.0.metadata(&values))))
    }

    fn explain(&self, name: &Name, found: &[Option<Vec<u8>>]) -> Result<Vec<Step>, Error> {
        let Tagging { namespace, namespace_hash, format } = &self.0;
        let mut steps = vec![
            Step::new("the namespace", namespace.clone()),
            Step::new(format!("its hash: {}", format.hash_told), namespace_hash.clone()),
            Step::new("the key", name.key.clone()),
            Step::new("its hash", self.0.hash(&name.key)),
        ];
        let tags = self.0.tags_sorted(&name.tags);
        for (place, (tag, value)) in tags.iter().zip(found).enumerate() {
            let value = value.as_ref().map_or_else(|| "there is none".to_owned(), |value| hex(value));
            steps.extend([
                Step::new(format!("tag {} of {}, sorted", place + 1, tags.len()), tag.as_str()),
                Step::new("where its value is", self.0.tag_key(tag).key),
                Step::new("its value, in hex", value),
            ]);
        }
        match found.iter().map(Option::as_deref).collect::<Option<Vec<&[u8]>>>() {
            None => steps.push(Step::new("a tag without a value: no entry can be found", "")),
            Some(values) => {
                let joined = if format.between.is_empty() { "nothing" } else { "a space" };
                let metadata = self.0.metadata(&values);
                let stored = self.0.entry_key(&self.0.hash(&name.key), &metadata);
                steps.push(Step::new(format!("hash of the values, {joined} between"), metadata));
                steps.push(Step::new("the hashes of namespace, key and values", stored.key));
            }
        }
        Ok(steps)
    }

    fn within(&self, part: &str) -> Box<dyn Layout> {
        let Tagging { namespace, format, .. } = &self.0;
        let namespace = [namespace, part.as_bytes()].concat();
        Box::new(RedisTaggedCache(Tagging { namespace_hash: (format.hash)(&namespace), namespace, format }))
    }

    fn owner(&self, stored: &StoredKey) -> Owner {
        self.0.entry_parts(stored).map_or(Owner::Other, |_| Owner::Hidden)
    }

    fn group(&self, key: &[u8]) -> Option<Cow<'static, str>> {
        Some(match parts(key) {
            Some(Parts { namespace, what, .. }) if namespace == self.0.namespace_hash => match what {
                "tag" => "tags",
                "entry" => "entries",
                "lock" => "locks",
                _ => "lists of waiters",
            }
            .into(),
            Some(Parts { namespace, what, .. }) => format!("{what}, namespace hash {namespace}").into(),
            None => OUTSIDE.into(),
        })
    }

    fn sweep(&self, _: &Pattern) -> Sweep {
        Sweep { keys: self.0.entry_keys(), fields: None }
    }

    fn serializer(&self) -> Option<&'static str> {
        Some("pickle://?pickle-protocol=4")
    }

    fn tagging(&self) -> Option<&Tagging> {
        Some(&self.0)
    }

    fn caveat(&self, act: Act, _: &[&str]) -> Option<&'static str> {
        (act == Act::Invalidate && self.0.format.letter == b's').then_some(
            "redis-tagged-cache's own invalidate (0.12) leaves tags without expiry; here they get one (--tag-ttl)",
        )
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A key whose every part is one that the library writes.
struct Parts<'a> {
    namespace: &'a str,
    letter: &'a str,
    what: &'static str,
}

fn parts(key: &[u8]) -> Option<Parts<'_>> {
    let mut words = std::str::from_utf8(key).ok()?.strip_prefix("rtc:")?.split(':');
    let (namespace, letter) = (words.next()?, words.next()?);
    let rest = [words.next(), words.next(), words.next()];
    let (what, hashes) = match (letter, rest) {
        ("t", [Some(tag), None, None]) => ("tag", [Some(tag), None]),
        ("s" | "v", [Some(key), Some(values), None]) if !matches!(values, "lock" | "waiting") => {
            ("entry", [Some(key), Some(values)])
        }
        ("l", [Some(key), Some(values), None]) => ("lock", [Some(key), Some(values)]),
        ("w", [Some(key), Some(values), None]) => ("list of waiters", [Some(key), Some(values)]),
        ("v", [Some(key), Some("lock"), None]) => ("lock", [Some(key), None]),
        ("v", [Some(key), Some(values), Some("lock")]) => ("lock", [Some(key), Some(values)]),
        ("v", [Some(key), Some("waiting"), None]) => ("list of waiters", [Some(key), None]),
        ("v", [Some(key), Some(values), Some("waiting")]) => ("list of waiters", [Some(key), Some(values)]),
        _ => return None,
    };
    let fits = |hash: &str| hash.len() == namespace.len() && is_hash(hash.as_bytes());
    let all = words.next().is_none() && fits(namespace) && hashes.into_iter().flatten().all(fits);
    all.then_some(Parts { namespace, letter, what })
}

/// What a key of the library's is, and in which format, as far as its parts tell: 0.10 has `-` in hashes
/// and text as values of tags, later ones `~` and 16 bytes.
fn recognise(stored: &StoredKey, value: Option<&[u8]>) -> Option<String> {
    let Parts { namespace, letter, what } = parts(&stored.key).filter(|_| stored.field.is_none())?;
    let has = |c: char| stored.key.contains(&(c as u8));
    let text_value = value.filter(|_| what == "tag").map(|value| value.len() == 11 && is_hash(value));
    let format = match (letter, namespace.len(), text_value) {
        ("s" | "l" | "w", 11, _) if !has('-') => "0.12",
        ("t" | "v", 6, _) if !has('-') => "0.11.0",
        ("s" | "l" | "w", _, _) | (_, 6, _) => return None,
        (_, _, Some(true)) => "0.10",
        _ if has('-') => "0.10",
        ("t", _, Some(false)) => "0.12 or 0.11.1",
        ("t", _, _) if has('~') => "0.12 or 0.11.1",
        ("t", _, _) => "0.12, 0.11.1 or 0.10",
        _ if has('~') => "0.11.1",
        _ => "0.11.1 or 0.10",
    };
    Some(format!("redis-tagged-cache {format} {what} (namespace hash {namespace})"))
}
