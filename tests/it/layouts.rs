//! Stored keys: what the layouts make of the names in `tests/data`, against what the libraries stored.
//!
//! A line that nobody can type is listed with the reason, and the counts are checked: none is left
//! out in silence.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cachectl::entry::{Kind, StoredKey};
use cachectl::layout::{self, Act, Layout, Name, Owner, Step, Tagging};
use cachectl::pattern::Pattern;
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::env::Env;
use crate::python;
use crate::server::Server;

const AIOCACHE: &str = include_str!("../data/aiocache.jsonl");
const PYREDIS_CACHE: &str = include_str!("../data/pyredis-cache.jsonl");
const REDIS_TAGGED_CACHE: &str = include_str!("../data/redis-tagged-cache.jsonl");

fn open(url: &str, namespace: Option<&str>, on: Kind) -> Box<dyn Layout> {
    layout::parse(url, namespace, on).unwrap_or_else(|error| panic!("{url} {namespace:?}: {error}"))
}

fn locate(layout: &dyn Layout, key: &str) -> Option<StoredKey> {
    layout.locate(&Name::new(key), &[]).ok().flatten()
}

/// The lines of these kinds.
fn lines(file: &str, kinds: &[&str]) -> Vec<Json> {
    let lines = file.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    lines.filter(|line| kinds.iter().any(|kind| line["kind"] == *kind)).collect()
}

fn text<'a>(line: &'a Json, name: &str) -> Option<&'a str> {
    line[name].as_str()
}

fn bytes(line: &Json, name: &str) -> Option<Vec<u8>> {
    line[name].as_str().map(|text| STANDARD.decode(text).unwrap())
}

/// The reason why nobody can type what a line is about, of a list of cases for each reason.
fn untypable<'a>(line: &Json, reasons: &[(&'a str, &[&str])]) -> Option<&'a str> {
    let case = text(line, "case").unwrap();
    reasons.iter().find(|(_, cases)| cases.contains(&case)).map(|(reason, _)| *reason)
}

#[test]
fn aiocache_stores_where_the_layout_says() {
    let reasons: &[(&str, &[&str])] = &[
        ("a member of an Enum stands for its value", &["redis.key.09", "redis.key.11", "redis.key.13"]),
        ("a member of an Enum", &["memcached.key.14", "memcached.key.15"]),
        ("not text, which memcached needs; the same as text is a key", &["memcached.key.17", "memcached.key.18"]),
    ];
    let (mut same, mut refused, mut left) = (0, 0, 0);
    for line in lines(AIOCACHE, &["key", "value"]) {
        if untypable(&line, reasons).is_some() {
            left += 1;
            continue;
        }
        let on = if line["backend"] == "redis" { Kind::Redis } else { Kind::Memcached };
        let layout = open("aiocache:", text(&line, "namespace"), on);
        let stored = locate(layout.as_ref(), text(&line, "logical_key").unwrap());
        assert_eq!(stored, bytes(&line, "stored_key_b64").map(StoredKey::new), "{}", line["case"]);
        *(if stored.is_some() { &mut same } else { &mut refused }) += 1;
    }
    assert_eq!((same, refused, left), (928, 6, 7));
}

#[test]
fn pyredis_cache_stores_where_the_layout_says() {
    let reasons: &[(&str, &[&str])] = &[
        ("a number that is none of integers, which the library truncates", &["key.60", "key.62", "key.65", "key.72"]),
        ("a truth value", &["key.66", "key.67"]),
        ("text as id, which is a number when typed", &["key.68"]),
        ("a name that is bytes, or a number", &["key.74", "key.77"]),
        ("a lone surrogate, which is no text on a command line", &["key.59"]),
    ];
    let (mut same, mut refused, mut left) = (0, 0, 0);
    for line in lines(PYREDIS_CACHE, &["key", "value"]) {
        if untypable(&line, reasons).is_some() {
            left += 1;
            continue;
        }
        let operation = text(&line, "op_name").unwrap();
        let plain = |json: &Json| json.as_str().map_or_else(|| json.to_string(), str::to_owned);
        let (namespace, key) = match text(&line, "hash_key") {
            None => (operation.to_owned(), plain(&line["identity"])),
            Some(hash) => (format!("{hash}/{operation}"), format!("{}/{}", line["hash_id"], plain(&line["identity"]))),
        };
        let layout = layout::parse("pyredis-cache:", Some(&namespace), Kind::Redis).ok();
        let stored = layout.and_then(|layout| locate(layout.as_ref(), &key));
        let expected = bytes(&line, "stored_key_b64");
        let expected = expected.map(|key| StoredKey { key, field: bytes(&line, "field_b64") });
        assert_eq!(stored, expected, "{}", line["case"]);
        *(if stored.is_some() { &mut same } else { &mut refused }) += 1;
    }
    assert_eq!((same, refused, left), (374, 6, 10));
}

fn format_of(version: &str) -> &'static str {
    match version {
        "0.12.1" => "0.12",
        "0.11.2" => "0.11.1",
        "0.11.0" => "0.11.0",
        "0.1.11" | "0.5.0" | "0.9.3" | "0.10.1" => "0.10",
        other => panic!("no format of {other} is known here"),
    }
}

fn tagged(line: &Json) -> Box<dyn Layout> {
    let format = format_of(text(line, "version").unwrap());
    open(&format!("rtc:?format={format}"), text(line, "namespace"), Kind::Redis)
}

/// The values that stored keys had, by whichever fields of the line say so.
fn values(line: &Json) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut values = BTreeMap::new();
    let mut add = |key: &str, value: &Json| {
        let value = value.as_str().map(|value| STANDARD.decode(value).unwrap());
        values.extend(value.map(|value| (key.as_bytes().to_vec(), value)));
    };
    let list = |name: &str| line[name].as_array().cloned().unwrap_or_default();
    for (key, value) in list("sorted_tag_keys").iter().zip(&list("sorted_tag_values_b64")) {
        add(key.as_str().unwrap(), value);
    }
    for tag in list("tag_values") {
        add(tag["key"].as_str().unwrap(), &tag["value_b64"]);
    }
    for keyspace in [&line["keyspace_after"], &line["keyspace"]] {
        keyspace.as_object().into_iter().flatten().for_each(|(key, entry)| add(key, &entry["value_b64"]));
    }
    values
}

fn locate_tagged(layout: &dyn Layout, key: &str, tags: &Json, line: &Json) -> Option<StoredKey> {
    let tags = tags.as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect();
    let name = Name { key: key.as_bytes().to_vec(), tags };
    let values = values(line);
    let needs = layout.needs(&name).unwrap();
    let found: Vec<_> = needs.iter().map(|needed| values.get(&needed.key).cloned()).collect();
    let located = layout.locate(&name, &found).unwrap();
    let explained = layout.explain(&name, &found).unwrap();
    let last = &explained.last().unwrap().result;
    assert_eq!(last, located.as_ref().map_or(&Vec::new(), |stored| &stored.key), "the last step of {explained:?}");
    located
}

#[test]
fn redis_tagged_cache_hashes_as_the_layout_does() {
    let lines = lines(REDIS_TAGGED_CACHE, &["hash"]);
    for line in &lines {
        let input = text(line, "input").map_or_else(|| bytes(line, "input_b64").unwrap(), |text| text.into());
        assert_eq!(tagged(line).tagging().unwrap().hash(&input), line["hash"].as_str().unwrap(), "{}", line["case"]);
    }
    assert_eq!(lines.len(), 73);
}

#[test]
fn redis_tagged_cache_stores_where_the_layout_says() {
    let (mut named, mut by_hash, mut nothing) = (0, 0, BTreeSet::new());
    for line in lines(REDIS_TAGGED_CACHE, &["key", "value"]) {
        let case = text(&line, "case").unwrap();
        let layout = tagged(&line);
        let tagging = layout.tagging().unwrap();
        let stored = bytes(&line, "stored_key_b64").map(StoredKey::new).or_else(|| {
            let mut keys = values(&line).into_keys().map(StoredKey::new);
            keys.find(|key| tagging.entry_parts(key).is_some())
        });
        let Some(stored) = stored else {
            assert_eq!(line["keyspace_after"].as_object().map(serde_json::Map::len), Some(0), "{case}");
            nothing.insert(case.to_owned());
            continue;
        };
        let tags = match (&line["tags"], &line["hook_calls"][0]["cache_tags"]) {
            (Json::Null, Json::Null) => &serde_json::json!(["t1"]),
            (Json::Null, tags) | (tags, _) => tags,
        };
        assert_eq!(layout.owner(&stored), Owner::Hidden, "{case}");
        if let Some(key) = text(&line, "logical_key") {
            assert_eq!(locate_tagged(layout.as_ref(), key, tags, &line), Some(stored), "{case}");
            named += 1;
        } else {
            // Of the decorators of old releases the key is not known: what is left is the hash of the tags.
            let located = locate_tagged(layout.as_ref(), "", tags, &line).unwrap();
            let metadata = |stored: &StoredKey| tagging.entry_parts(stored).unwrap().1.to_vec();
            assert_eq!(metadata(&located), metadata(&stored), "{case}");
            by_hash += 1;
        }
    }
    assert_eq!((named, by_hash), (271, 5));
    assert_eq!(nothing, ["decorator.bad_tags", "decorator.unserializable_args"].map(str::to_owned).into());
}

#[test]
fn redis_tagged_cache_finds_what_the_layout_finds() {
    let (mut live, mut dead) = (0, 0);
    for line in lines(REDIS_TAGGED_CACHE, &["scenario"]) {
        let layout = tagged(&line);
        for query in line["queries"].as_array().unwrap() {
            let key = query["key"].as_str().unwrap();
            let stored = locate_tagged(layout.as_ref(), key, &query["tags"], &line);
            let expected = query["stored_key"].as_str().map(StoredKey::new);
            assert_eq!(stored, expected, "{} {query}", line["case"]);
            let found = stored.is_some_and(|stored| values(&line).contains_key(&stored.key));
            assert_eq!(found, query["live"], "{} {query}", line["case"]);
            *(if found { &mut live } else { &mut dead }) += 1;
        }
    }
    assert_eq!((live, dead), (18, 39));
}

#[test]
fn each_format_says_how_tags_are_stored() {
    for (format, entry, deletes) in [
        ("0.12", "rtc:wh~Wm18D0z0:s:k:m", false),
        ("0.11.1", "rtc:wh~Wm18D0z0:v:k:m", false),
        ("0.11.0", "rtc:C04C5g:v:k:m", false),
        ("0.10", "rtc:N6juwc4ZaH0:v:k:m", true),
    ] {
        let layout = open(&format!("redis-tagged-cache://?format={format}"), None, Kind::Redis);
        let tagging = layout.tagging().unwrap();
        assert_eq!((tagging.entry_key("k", "m"), tagging.deletes()), (StoredKey::new(entry), deletes), "{format}");
        let tag = tagging.tag_key("tag1");
        assert!(tagging.tag_keys().matches(&tag.key) && !tagging.entry_keys().matches(&tag.key), "{format}");
        assert_eq!(tagging.tag_hash(&tag), Some(tagging.hash(b"tag1").as_bytes()), "{format}");
        let (key_hash, metadata) = (tagging.hash(b"k"), tagging.metadata(&[b"v"]));
        let entry = tagging.entry_key(&key_hash, &metadata);
        assert!(tagging.entry_keys().matches(&entry.key), "{format}");
        assert_eq!(tagging.entry_parts(&entry), Some((key_hash.as_bytes(), metadata.as_bytes())), "{format}");
        assert_eq!((tagging.entry_parts(&tag), tagging.tag_hash(&entry)), (None, None), "{format}");
        let lock = StoredKey::new([entry.key.as_slice(), b":lock"].concat());
        assert_eq!((tagging.entry_parts(&lock), layout.owner(&lock)), (None, Owner::Other), "{format}");
        let fresh = tagging.fresh([0xff; 16]);
        if deletes {
            assert_eq!(
                fresh,
                tagging.hash(b"\xff\xff\xff\xff\xff\xff\x4f\xff\xbf\xff\xff\xff\xff\xff\xff\xff").as_bytes()
            );
        } else {
            assert_eq!((fresh[6], fresh[8], fresh.len()), (0x4f, 0xbf, 16), "{format}");
        }
        let all = Tagging::ALL.to_owned();
        let sorted = tagging.tags_sorted(&["b".to_owned(), all.clone(), "!".to_owned(), "b".to_owned()]);
        let times = if format == "0.12" { 2 } else { 1 };
        let expected = [vec!["!".to_owned()], vec![all; times], vec!["b".to_owned(); 2]].concat();
        assert_eq!(sorted, expected, "{format}");
    }
}

#[test]
fn a_url_that_names_no_keys_is_refused() {
    for (url, namespace, says) in [
        ("pyredis-cache:", None, "pyredis-cache://OPERATION"),
        ("pyredis-cache://", None, "pyredis-cache://OPERATION"),
        ("pyredis-cache:", Some(""), "more than 2 characters"),
        ("pyredis-cache://ab", None, "more than 2 characters"),
        ("pyredis-cache://ab/Student", None, "more than 2 characters"),
        ("pyredis-cache://Class/", None, "more than 2 characters"),
        ("pyredis-cache://Student?format=1", None, "none is taken here"),
        ("rtc://foo?format=0.13", None, "0.12, 0.11.1, 0.11.0, 0.10"),
        ("rtc://foo?fromat=0.12", None, "did you mean `format`?"),
        ("aiocache://ns?x=1", None, "none is taken here"),
        ("aiocach://ns", None, "did you mean `aiocache`?"),
    ] {
        let error = layout::parse(url, namespace, Kind::Redis).err().unwrap_or_else(|| panic!("{url} works"));
        assert!(error.to_string().contains(says), "{url}: {error}");
    }
}

#[test]
fn a_key_that_the_library_could_not_have_is_refused() {
    for (url, on, key, says) in [
        ("aiocache://ns", Kind::Memcached, "a\nb", "U+000A is in it"),
        ("aiocache://ns", Kind::Memcached, "a\u{a0}b", "U+00A0 is in it"),
        ("aiocache://n%09s", Kind::Memcached, "a", "U+0009 is in it"),
        ("aiocache://ns", Kind::Memcached, &"é".repeat(125), "is 252 bytes; memcached takes 250"),
        ("aiocache://%ff", Kind::Memcached, "a", "not UTF-8"),
        ("aiocache:", Kind::Memcached, "", "no empty keys"),
        ("pyredis-cache://Student", Kind::Redis, "twelve", "such as 12 or -3, not `twelve`"),
        ("pyredis-cache://Student", Kind::Redis, "", "such as 12 or -3, not ``"),
        ("pyredis-cache://Student", Kind::Redis, "1_000", "such as 12 or -3"),
        ("pyredis-cache://Student", Kind::Redis, "--1", "such as 12 or -3"),
        ("pyredis-cache://Student", Kind::Redis, "1.5", "such as 12 or -3"),
        ("pyredis-cache://Class/Student", Kind::Redis, "12", "HASH_ID/ID"),
        ("pyredis-cache://Class/Student", Kind::Redis, "3/12/1", "such as 12 or -3, not `12/1`"),
    ] {
        let error = open(url, None, on).locate(&Name::new(key), &[]).unwrap_err().to_string();
        assert!(error.contains(says), "{url} {key}: {error}");
    }
}

#[test]
fn a_name_that_can_be_spelt_in_several_ways_is_one_entry() {
    let student = open("pyredis-cache://Student", None, Kind::Redis);
    for (key, stored) in
        [("007", "000STUDENT#0000000007"), ("+7", "000STUDENT#0000000007"), ("-0", "000STUDENT#0000000000")]
    {
        assert_eq!(locate(student.as_ref(), key), Some(StoredKey::new(stored)), "{key}");
    }
    let slash = open("pyredis-cache://a%2Fb", None, Kind::Redis);
    assert_eq!(locate(slash.as_ref(), "1"), Some(StoredKey::new("0000000A/B#0000000001")));
    let class = open("pyredis-cache://Class/Student", None, Kind::Redis);
    let hash = StoredKey::new("00000CLASS#0000000003");
    assert_eq!((class.hash(b"03"), class.hash(b"x").map(|hash| hash.is_err())), (Some(Ok(hash)), Some(true)));
    assert_eq!(student.hash(b"3"), None);
    let spaces = open("aiocache://n%20s", None, Kind::Memcached);
    let told = |key: &str| spaces.explain(&Name::new(key), &[]).unwrap().pop().unwrap();
    assert_eq!(told("k y"), Step::new("spaces became _, as aiocache does on memcached", "n_sk_y"));
    assert_eq!(spaces.owner(&StoredKey::new("n_sk_y")), Owner::Key(b"k_y".to_vec()));
}

/// Where `key` is, which must be where a sweep looks and be the entry of `key` itself.
fn there_and_back(layout: &dyn Layout, key: &[u8]) {
    let stored = layout.locate(&Name::new(key), &[]).unwrap().unwrap();
    assert_eq!(layout.owner(&stored), Owner::Key(key.to_vec()), "{stored}");
    let sweep = layout.sweep(&Pattern::all());
    assert!(sweep.keys.matches(&stored.key), "{stored}");
    let field = sweep.fields.zip(stored.field.as_ref()).map(|(fields, field)| fields.matches(field));
    assert_eq!(field, stored.field.as_ref().map(|_| true), "{stored}");
}

proptest! {
    #[test]
    fn a_stored_key_tells_its_key(namespace: String, key: Vec<u8>) {
        there_and_back(open("plain:", Some(&namespace), Kind::Redis).as_ref(), &key);
        there_and_back(open("aiocache:", Some(&namespace), Kind::Redis).as_ref(), &key);
    }

    #[test]
    fn a_stored_key_tells_its_id(name in "[^/]{3,12}", hash in "[^/]{3,12}", id in "0|-?[1-9][0-9]{0,30}", at: i64) {
        there_and_back(open("pyredis-cache:", Some(&name), Kind::Redis).as_ref(), id.as_bytes());
        let hashes = open("pyredis-cache:", Some(&format!("{hash}/{name}")), Kind::Redis);
        there_and_back(hashes.as_ref(), format!("{at}/{id}").as_bytes());
    }
}

#[test]
fn what_is_stored_for_others_is_not_swept() {
    let layout = open("aiocache://a*%5B", None, Kind::Redis);
    let keys = layout.sweep(&Pattern::new("k*")).keys;
    assert!(keys.matches(b"a*[:k1") && !keys.matches(b"ab[:k1") && !keys.matches(b"a*[:l"));
    for (url, stored) in [
        ("aiocache://ns", "nsx:k"),
        ("pyredis-cache://Student", "000STUDENT#12"),
        ("pyredis-cache://Student", "000STUDENT#00000000012"),
        ("pyredis-cache://Student", "000STUDENT#-000000000"),
        ("pyredis-cache://Student", "00TEACHER#0000000012"),
        ("pyredis-cache://Class/Student", "00000CLASS#0000000003"),
        ("rtc://foo", "rtc:wh~Wm18D0z0:s:jOSxayK1iJQ:5N~ubkoB3IY"),
        ("rtc://foo", "rtc:rL0Y20zC~Fw:l:jOSxayK1iJQ:5N~ubkoB3IY"),
        ("rtc://foo", "rtc:rL0Y20zC~Fw:s:jOSxayK1iJQ"),
        ("rtc://foo", "rtc:rL0Y20zC~Fw:s:jOSxayK1iJQ:short"),
    ] {
        assert_eq!(open(url, None, Kind::Redis).owner(&StoredKey::new(stored)), Owner::Other, "{url} {stored}");
    }
}

/// `str.upper()` of CPython 3.11 has Unicode 14, and Rust's standard library a later one: these
/// letters got their capitals since, as later releases of Python have them too. Which of the two an
/// application runs on, its keys do not say; none of the scripts is one that programs are named in.
const LATER: [std::ops::RangeInclusive<u32>; 10] = [
    0x19b..=0x19b,
    0x264..=0x264,
    0x1c8a..=0x1c8a,
    0xa7cd..=0xa7cd,
    0xa7cf..=0xa7cf,
    0xa7d3..=0xa7d3,
    0xa7d5..=0xa7d5,
    0xa7db..=0xa7db,
    0x10d70..=0x10d85,
    0x16ebb..=0x16ed3,
];

#[test]
fn upper_case_is_that_of_python() {
    let program = "
for n in range(0x110000):
    if not 0xd800 <= n < 0xe000 and chr(n).upper() != chr(n):
        print(n, *map(ord, chr(n).upper()))
";
    let mut capitals = BTreeMap::new();
    for line in python::run(program, &[]).lines() {
        let mut codes = line.split(' ').map(|code| char::from_u32(code.parse().unwrap()).unwrap());
        capitals.insert(codes.next().unwrap(), codes.collect::<String>());
    }
    assert!(capitals.len() > 1500, "{}", capitals.len());
    for c in char::MIN..=char::MAX {
        let (own, python) = (c.to_string().to_uppercase(), capitals.remove(&c));
        if own != python.clone().unwrap_or_else(|| c.to_string()) {
            let later = python.is_none() && LATER.iter().any(|range| range.contains(&u32::from(c)));
            assert!(later, "U+{:04X}: {own}, in Python {python:?}", u32::from(c));
        }
    }
    assert!(capitals.is_empty(), "{capitals:?}");
}

#[test]
fn what_a_stored_key_is_can_be_told_from_it() {
    let recognise = |stored: &str, value: Option<&[u8]>| layout::recognise(&StoredKey::new(stored), value);
    let mut count = 0;
    for line in lines(REDIS_TAGGED_CACHE, &["key", "value", "scenario"]) {
        let format = format_of(text(&line, "version").unwrap());
        for (key, value) in values(&line) {
            let key = String::from_utf8(key).unwrap();
            let told = recognise(&key, Some(&value)).unwrap_or_else(|| panic!("{key} of {format}"));
            let (formats, _) = told.strip_prefix("redis-tagged-cache ").unwrap().split_once(" (namespace").unwrap();
            assert!(formats.split([' ', ',']).any(|told| told == format), "{key} of {format}: {told}");
            let tag = key.split(':').nth(2) == Some("t");
            assert!(formats.ends_with(if tag { "tag" } else { "entry" }), "{key}: {told}");
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
    for (key, told) in [
        ("rtc:rL0Y20zC~Fw:l:jOSxayK1iJQ:5N~ubkoB3IY", "redis-tagged-cache 0.12 lock (namespace hash rL0Y20zC~Fw)"),
        ("rtc:AoIBRQ:v:BksB~A:xfsOcQ:waiting", "redis-tagged-cache 0.11.0 list of waiters (namespace hash AoIBRQ)"),
        ("000STUDENT#0000000012", "pyredis-cache, by its looks: STUDENT 12"),
        ("AVERYLONGNAME#-000000012", "pyredis-cache, by its looks: AVERYLONGNAME -12"),
        ("AVERYLONGNAME#0000000012", "pyredis-cache, by its looks: AVERYLONGNAME 12"),
        ("ORDERNUMBER#1234567890", ""),
        ("000student#0000000012", ""),
        ("STUDENT#0000000012", ""),
        ("rtc:x:s:y:z", ""),
        ("rtc:AoIBRQ:s:BksB~A:xfsOcQ", ""),
        ("rtc:rL0Y20zC~Fw:v:lock", ""),
        ("k", ""),
    ] {
        assert_eq!(recognise(key, None).unwrap_or_default(), told, "{key}");
    }
    let field = StoredKey { key: "00000CLASS#0000000003".into(), field: Some("000STUDENT#0000000012".into()) };
    let told = layout::recognise(&field, None).unwrap();
    assert_eq!(told, "pyredis-cache, by its looks: STUDENT 12 in the hash CLASS 3");
}

#[test]
fn a_trap_of_the_library_is_named() {
    for (url, on, act, layers, says) in [
        ("aiocache://ns", Kind::Redis, Act::Clear, &[][..], "FLUSHDB"),
        ("aiocache://ns", Kind::Memcached, Act::Clear, &[], "flush_all"),
        ("aiocache://ns", Kind::Redis, Act::Set, &["msgpack"], "MsgPackSerializer"),
        ("aiocache://ns", Kind::Redis, Act::Set, &["json"], ""),
        ("aiocache://ns", Kind::Memory, Act::Set, &["msgpack"], ""),
        ("rtc://foo", Kind::Redis, Act::Invalidate, &[], "without expiry"),
        ("rtc://foo?format=0.11.1", Kind::Redis, Act::Invalidate, &[], ""),
        ("pyredis-cache://Student", Kind::Redis, Act::Set, &[], ""),
    ] {
        let caveat = open(url, None, on).caveat(act, layers).unwrap_or_default();
        assert!(caveat.contains(says) && caveat.is_empty() == says.is_empty(), "{url} {act:?}: {caveat}");
    }
}

#[test]
fn key_prints_where_and_why() {
    let env = Env::new();
    let key =
        |layout: &str, rest: &[&str]| env.ok([&["-b", "redis://localhost:1", "-l", layout, "key"], rest].concat());
    assert_eq!(key("aiocache://ns", &["a", "b c"]), "ns:a\nns:b c\n");
    assert_eq!(key("pyredis-cache://Student", &["12"]), "000STUDENT#0000000012\n");
    assert_eq!(key("pyredis-cache://Class/Student", &["3/12"]), "00000CLASS#0000000003\t000STUDENT#0000000012\n");
    let steps = key("pyredis-cache://+abc", &["--explain", "007"]);
    for part in ["+000000abc", "+000000ABC", "a number: no zeros before it", "+000000ABC#0000000007"] {
        assert!(steps.contains(part), "{part}: {steps}");
    }
    assert!(key("aiocache://ns", &["--explain", "a"]).contains("namespace, a colon and key"));
    let error = env.fails(["-l", "pyredis-cache://Student", "key", "x"], 2);
    assert!(error.contains("such as 12 or -3, not `x`"), "{error}");
}

#[test]
fn entries_of_the_libraries_are_read_by_their_names() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.unix_url());
    let set = |key: &str, value: &[u8]| drop(server.command(&[b"SET", key.as_bytes(), value]));
    set("ns:k", b"42");
    set("ns:text", b"hello");
    let plain = env.run(["get", "ns:k"]);
    assert!(plain.stderr().contains("may be string://"), "{plain}");
    let json = env.run(["-l", "aiocache://ns", "get", "k"]);
    assert_eq!((json.stdout.as_slice(), json.stderr().as_str()), (&b"42\n"[..], ""), "{json}");
    let told = env.run(["-l", "aiocache://ns", "get", "text"]).stderr();
    assert!(told.contains("not json://, the layout's serializer: read as string://"), "{told}");
    let detected = env.run(["-l", "aiocache://ns", "-s", "auto:", "get", "k"]);
    assert!(detected.stderr().contains("may be string://"), "{detected}");

    let by_default = |key: &str| env.ok(["-l", "aiocache://ns", "inspect", key]);
    assert!(by_default("k").contains("json://, the layout's serializer"), "{}", by_default("k"));
    assert!(by_default("text").contains("it is not json://, the layout's serializer; "), "{}", by_default("text"));

    let set_new = env.run(["-l", "aiocache://ns", "set", "new", "{\"a\": 1}"]).stderr();
    assert!(set_new.contains("stored `ns:new` as json://"), "{set_new}");
    let set_msgpack = env.run(["-l", "aiocache://ns", "-s", "msgpack:", "set", "packed", "1"]).stderr();
    assert!(set_msgpack.contains("MsgPackSerializer"), "{set_msgpack}");
    let many = env.run(["-l", "plain://ns:", "get", "k", "new"]).stderr();
    assert_eq!(many.matches("an application's get_many").count(), 1, "{many}");
    assert!(!env.run(["-l", "plain://ns:", "get", "k"]).stderr().contains("get_many"));

    let field = [b"HSET".as_slice(), b"00000CLASS#0000000003", b"000STUDENT#0000000012", b"{\"n\": 1}"];
    server.command(&field);
    let student = ["-l", "pyredis-cache://Class/Student"];
    env.prints([student.as_slice(), &["get", "-o", "json", "3/12"]].concat(), "{\"n\": 1}\n");
    env.prints([student.as_slice(), &["ls"]].concat(), "3/12\n");

    let tagged = ["-l", "rtc://foo"];
    let miss = env.run([tagged.as_slice(), &["key", "k", "--tag", "t2"]].concat());
    assert!(miss.status == Some(1) && miss.stderr().contains("a tag of it is not there"), "{miss}");
    let tagging = open("rtc://foo", None, Kind::Redis);
    let tag_key = |tag: &str| String::from_utf8(tagging.tagging().unwrap().tag_key(tag).key).unwrap();
    set(&tag_key(Tagging::ALL), b"ALL");
    set(&tag_key("t2"), b"T2");
    let stored = "rtc:rL0Y20zC~Fw:s:jOSxayK1iJQ:rc6mqqhytYw";
    env.prints([tagged.as_slice(), &["key", "k", "--tag", "t2"]].concat(), &format!("{stored}\n"));
    let steps = env.ok([tagged.as_slice(), &["key", "--explain", "k", "--tag", "t2"]].concat());
    for part in ["rL0Y20zC~Fw", "jOSxayK1iJQ", "@@@all@@@", "414c4c", "5432", "rc6mqqhytYw", stored] {
        assert!(steps.contains(part), "{part}: {steps}");
    }
    set(stored, b"\x80\x04K\x05.");
    env.prints([tagged.as_slice(), &["get", "k", "--tag", "t2"]].concat(), "5\n");
    let report = env.ok(["inspect", stored]);
    assert!(report.contains("redis-tagged-cache 0.12 entry (namespace hash rL0Y20zC~Fw)"), "{report}");
    env.prints([tagged.as_slice(), &["ls"]].concat(), &format!("{stored}\n"));
}
