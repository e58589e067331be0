//! How one value is written: in which form, and whether that loses anything.
//!
//! Pure: what is there now comes in, the data to store goes out, or why there is none. An entry
//! keeps the form it has unless told otherwise, and nothing is stored that would not read back as
//! the same value.

use super::Error;
use crate::codec::detect::{self, Certainty, Detection};
use crate::codec::{self, Codec, flags, msgpack};
use crate::entry::{Condition, Entry, Expiry, Facts, Stored, StoredKey, Ttl};
use crate::layout::Name;
use crate::limits::Limits;
use crate::value::{Node, Value};

/// What is written where neither a URL, nor the entry, nor the layout says otherwise.
pub const DEFAULT_SERIALIZER: &str = "json://";

/// One value to write.
#[derive(Clone, Debug)]
pub struct Put {
    /// The key and its tags.
    pub name: Name,
    /// The value.
    pub value: Value,
    /// In which form.
    pub form: Form,
    /// For how long.
    pub expiry: Expiry,
    /// On which condition.
    pub condition: Condition,
}

/// The form of stored data.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// That of the entry there is; where there is none, the layout's; [`DEFAULT_SERIALIZER`] where it has none.
    AsIs,
    /// Bytes of this codec.
    By(Codec),
    /// Bytes of this codec, with flags that tell memcached's clients so.
    Flagged(Codec, u32),
    /// The store's own types, as DiskCache stores a Python value: text, numbers and bytes as they
    /// are, all else as a pickle.
    Native,
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The stored key.
    pub stored_key: StoredKey,
    /// Whether its condition held, so that it was written.
    pub written: bool,
    /// The chain that it was written with, or the store's own type.
    pub form: String,
    /// Bytes.
    pub size: usize,
    /// The ttl that an entry had before; `None` where there was no entry, or it is not known.
    pub ttl_before: Option<Ttl>,
    /// What the user should know, in words.
    pub notes: Vec<String>,
}

impl Receipt {
    /// Of a write that has not happened yet.
    pub(super) fn unwritten(stored_key: StoredKey, ttl_before: Option<Ttl>) -> Receipt {
        Receipt { stored_key, written: false, form: String::new(), size: 0, ttl_before, notes: Vec::new() }
    }
}

/// What a write would store.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The data.
    pub data: Stored,
    /// The chain that it is written with, or the store's own type.
    pub form: String,
    /// What the user should know, in words.
    pub notes: Vec<String>,
}

/// What is known of an entry before it is written over.
#[derive(Clone, Debug, Default)]
pub(super) struct Before {
    /// Its ttl; `None` where there is no entry.
    pub ttl: Option<Ttl>,
    /// As [`Facts::kind`] has it; empty where there is no entry.
    kind: String,
    /// Its flags, on memcached; 0 anywhere else.
    flags: u32,
    /// Its data, where it decides how to write.
    stored: Option<Stored>,
}

impl Before {
    pub fn of_facts(facts: Option<Facts>) -> Before {
        let Some(facts) = facts else { return Before::default() };
        let flags = facts.item.map_or(0, |item| item.flags);
        Before { ttl: Some(facts.ttl), kind: facts.kind, flags, stored: None }
    }

    pub fn of_entry(entry: Option<Entry>) -> Before {
        let Some(Entry { stored, ttl, .. }) = entry else { return Before::default() };
        let flags = if let Stored::Flagged(flags, _) = stored { flags } else { 0 };
        Before { ttl: Some(ttl), kind: stored.kind().to_owned(), flags, stored: Some(stored) }
    }

    /// Whether a write on `condition` is known not to happen.
    pub fn rules_out(&self, condition: Condition) -> bool {
        match condition {
            Condition::Always => false,
            Condition::IfAbsent => self.ttl.is_some(),
            Condition::IfPresent => self.ttl.is_none(),
        }
    }
}

/// The data to store.
pub(super) struct Plan {
    pub data: Stored,
    pub form: String,
    pub size: usize,
    pub notes: Vec<String>,
}

impl Plan {
    /// The same, under flags.
    fn flagged(self, flags: u32) -> Plan {
        match self.data {
            Stored::Bytes(bytes) if flags != 0 => Plan { data: Stored::Flagged(flags, bytes), ..self },
            _ => self,
        }
    }

    /// The same under the flags that are there, where they say what `codec` writes.
    fn keep_flags(mut self, codec: &Codec, value: &Value, before: &Before) -> Plan {
        match flags::said(before.flags) {
            _ if before.flags == 0 => self,
            Some(said) if said.holds(codec, value) => self.flagged(before.flags),
            _ => {
                self.notes.push(format!("the flags were {}, and are 0 now", flags::shown(before.flags)));
                self
            }
        }
    }
}

/// How to say it where the entry does not.
const TOLD: &str = "-s URL says how to write it";

/// The data to store for `value` over what is there now; `usual` is the layout's serializer.
pub(super) fn plan(
    value: &Value,
    form: &Form,
    before: &Before,
    usual: Option<&Codec>,
    limits: &Limits,
) -> Result<Plan, Error> {
    if let kind @ ("hash" | "list" | "set" | "zset" | "stream") = before.kind.as_str() {
        return Err(Error::loss(format!("it holds a {kind}, which a set would replace: delete it first")));
    }
    match (form, &before.stored) {
        (Form::By(codec), _) => {
            by_codec(codec, value, before, limits).map(|plan| plan.keep_flags(codec, value, before))
        }
        (Form::Flagged(codec, flags), _) => by_codec(codec, value, before, limits).map(|plan| plan.flagged(*flags)),
        (Form::Native, _) => native(value, 5, limits),
        (Form::AsIs, None | Some(Stored::Members(_))) => match usual {
            Some(usual) => by_codec(usual, value, before, limits),
            None => by_codec(&parse(DEFAULT_SERIALIZER), value, before, limits),
        },
        (Form::AsIs, Some(Stored::Bytes(bytes))) => {
            as_detected(detect::detect(bytes, limits), bytes, value, before, usual, limits)
        }
        (Form::AsIs, Some(Stored::Flagged(flags, bytes))) => {
            if let Some(said) = flags::said(*flags).filter(|said| !said.takes(value)) {
                return Err(Error::loss(format!("its flags say {}, and this is none; {TOLD}", said.words)));
            }
            let detection = detect::detect_flagged(bytes, *flags, limits);
            as_detected(detection, bytes, value, before, None, limits).map(|plan| plan.flagged(*flags))
        }
        (Form::AsIs, Some(Stored::Pickle(bytes))) => native(value, protocol(bytes), limits),
        (Form::AsIs, Some(Stored::Text(_) | Stored::Integer(_) | Stored::Float(_))) => native(value, 5, limits),
    }
}

fn parse(url: &str) -> Codec {
    Codec::parse(url).expect("the layers are in the table")
}

/// The protocol that a pickle says it has; those below 2 say none.
fn protocol(pickle: &[u8]) -> u8 {
    match pickle.first_chunk() {
        Some([0x80, protocol @ 2..=5]) => *protocol,
        _ => 0,
    }
}

fn by_codec(codec: &Codec, value: &Value, before: &Before, limits: &Limits) -> Result<Plan, Error> {
    let bytes = encode(codec, value, limits)?;
    let mut notes = Vec::new();
    if codec.only_read_by_cachetory() {
        notes.push(format!("cachetory can read {} but could not have written it", codec.url()));
    }
    if let Some(what) = msgpack::unreadable_by_ormsgpack(value).filter(|_| codec.layers().contains(&"msgpack")) {
        notes.push(format!("cachetory (ormsgpack) cannot read {what}; msgpack-python can"));
    }
    let size = bytes.len();
    // What DiskCache unpickles for Python stays an object to it.
    let pickled = before.kind == "pickle" && codec.layers() == ["pickle"];
    let data = if pickled { Stored::Pickle(bytes) } else { Stored::Bytes(bytes) };
    Ok(Plan { data, form: codec.url().to_owned(), size, notes })
}

/// With the chain that the bytes show. Where they show several, the layout's serializer decides if
/// it reads them; else all of them must store the same: a guess could store what the application
/// cannot read.
fn as_detected(
    detection: Result<Detection, codec::Error>,
    bytes: &[u8],
    value: &Value,
    before: &Before,
    usual: Option<&Codec>,
    limits: &Limits,
) -> Result<Plan, Error> {
    let Detection { url, certainty, rivals, why, decoded } =
        detection.map_err(|error| Error::loss(format!("what is there cannot be read ({error}); {TOLD}")))?;
    let reads = |usual: &&Codec| certainty == Certainty::Ambiguous && usual.decode(bytes.to_vec(), limits).is_ok();
    if let Some(usual) = usual.filter(reads) {
        return by_codec(usual, value, before, limits);
    }
    let unknown = url == detect::NOOP && !matches!(value.root(), Node::Bytes(_));
    if unknown && !bytes.is_empty() {
        return Err(Error::loss(format!("what is there is of no known format ({why}); {TOLD}")));
    }
    let mut plan = by_codec(&parse(&url), value, before, limits)?;
    if certainty != Certainty::Ambiguous || rivals.is_empty() || decoded.value.same(value) {
        return Ok(plan);
    }
    let others = rivals.join(" or ");
    let differs = |rival: &String| {
        let other = by_codec(&parse(rival), value, before, limits);
        other.is_ok_and(|other| other.data != plan.data)
    };
    // A number in JSON reads as text too: it is JSON that we write where nothing is known at all.
    if url == DEFAULT_SERIALIZER {
        plan.notes.push(format!("what was there may have been {others}: {TOLD}"));
    } else if rivals.iter().any(differs) {
        return Err(Error::loss(format!("what is there may be {url} or {others}, which differ here; {TOLD}")));
    }
    Ok(plan)
}

/// As `diskcache.Disk.store` does (5.6.3).
fn native(value: &Value, protocol: u8, limits: &Limits) -> Result<Plan, Error> {
    let (data, form) = match value.root() {
        Node::Str(span) if std::str::from_utf8(value.text(span)).is_ok() => {
            (Stored::Text(String::from_utf8_lossy(value.text(span)).into_owned()), "text")
        }
        Node::Bytes(span) => (Stored::Bytes(value.text(span).to_vec()), "bytes"),
        Node::Int(number) => (Stored::Integer(number), "integer"),
        // SQLite has no NaN.
        Node::Float(number) if !number.is_nan() => (Stored::Float(number), "float"),
        _ => {
            let url = format!("pickle://?pickle-protocol={protocol}");
            let codec = Codec::parse(&url).expect("the layer is in the table");
            (Stored::Pickle(encode(&codec, value, limits)?), "pickle")
        }
    };
    let size = data.as_bytes().map_or(8, <[u8]>::len);
    Ok(Plan { data, form: format!("{form}, in the store's own type"), size, notes: Vec::new() })
}

fn encode(codec: &Codec, value: &Value, limits: &Limits) -> Result<Vec<u8>, Error> {
    let bytes = codec.encode(value, limits)?;
    // Bytes that are stored as they are keep no type to compare.
    if codec.has_serializer() {
        let back = codec.decode(bytes.clone(), limits)?;
        if !back.value.same(value) {
            return Err(Error::loss(format!("{} would not read back as the same value", codec.url())));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(stored: Stored, value: &Value) -> Result<Plan, Error> {
        let before = Before::of_entry(Some(Entry { stored, ttl: Ttl::Never, tag: None }));
        plan(value, &Form::AsIs, &before, None, &Limits::DEFAULT)
    }

    fn int(number: i64) -> Value {
        let mut value = Value::over(Vec::new());
        value.set_root(Node::Int(number));
        value
    }

    #[test]
    fn a_guess_is_only_written_when_every_guess_stores_the_same() {
        let bytes = |text: &str| Stored::Bytes(text.into());
        assert_eq!(over(bytes("[1]"), &int(5)).unwrap().data, bytes("5"));
        let number = over(bytes("42"), &int(43)).unwrap();
        assert!(number.data == bytes("43") && number.notes[0].contains("string://"));
        let error = over(bytes("*"), &Value::of_str("x")).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("string:// or msgpack://") && error.contains("-s URL")));
    }

    #[test]
    fn the_layouts_serializer_decides_between_guesses_and_where_nothing_is() {
        let usual = |layout: &str, stored: Option<&[u8]>, value: &Value| {
            let stored = stored.map(|bytes| Stored::Bytes(bytes.to_vec()));
            let before = Before::of_entry(stored.map(|stored| Entry { stored, ttl: Ttl::Never, tag: None }));
            plan(value, &Form::AsIs, &before, Some(&parse(layout)), &Limits::DEFAULT).unwrap().form
        };
        for (layout, stored, value, form) in [
            ("pickle://?pickle-protocol=4", None, int(5), "pickle://?pickle-protocol=4"),
            ("string://", Some(&b"42"[..]), Value::of_str("x"), "string://"),
            ("json://", Some(b"\x80\x04N."), int(5), "pickle://?pickle-protocol=4"),
        ] {
            assert_eq!(usual(layout, stored, &value), form, "{layout}");
        }
    }

    #[test]
    fn what_is_of_no_known_format_is_not_written_over_by_a_guess() {
        let unknown = || Stored::Bytes(b"\x00\xff\xfe".to_vec());
        assert!(over(unknown(), &int(5)).is_err());
        assert_eq!(over(unknown(), &Value::of_bytes("x")).unwrap().data, Stored::Bytes(b"x".to_vec()));
    }

    #[test]
    fn a_store_keeps_its_own_types() {
        for (before, value, after) in [
            (Stored::Text("a".into()), Value::of_str("b"), Stored::Text("b".into())),
            (Stored::Text("a".into()), int(5), Stored::Integer(5)),
            (Stored::Integer(1), Value::of_bytes("b"), Stored::Bytes(b"b".to_vec())),
            (Stored::Pickle(b"\x80\x04N.".to_vec()), Value::over(Vec::new()), Stored::Pickle(b"\x80\x04N.".to_vec())),
        ] {
            assert_eq!(over(before, &value).unwrap().data, after);
        }
    }

    #[test]
    fn a_condition_that_cannot_hold_is_known_before_anything_is_encoded() {
        let there = Before::of_entry(Some(Entry { stored: Stored::Integer(1), ttl: Ttl::Never, tag: None }));
        assert!(there.rules_out(Condition::IfAbsent) && !there.rules_out(Condition::IfPresent));
        assert!(Before::default().rules_out(Condition::IfPresent) && !Before::default().rules_out(Condition::Always));
    }
}
