//! Tags: ours beside those of the real redis-tagged-cache and DiskCache, in both directions.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::env::{Env, Ran};
use crate::python::{self, Session};
use crate::server::{Fake, Memcached, Server};

const REDIS_TAGGED_CACHE: &str = include_str!("../data/redis-tagged-cache.jsonl");

/// A server, us on it with the layout of the library, and the library itself.
struct Both {
    server: Server,
    env: Env,
    app: Session,
}

impl Both {
    fn new() -> Both {
        let server = Server::start(&[]);
        let env = Env::new().with("CACHECTL_BACKEND", server.url()).with("CACHECTL_LAYOUT", "redis-tagged-cache://app");
        let setup = format!(
            "from rtc import RedisTaggedCache, CacheMiss\n\
             cache = RedisTaggedCache(namespace='app', host='127.0.0.1', port={})",
            server.port
        );
        Both { server, env, app: Session::start(&setup) }
    }

    fn run(&self, line: &str) -> Ran {
        self.env.run(line.split(' '))
    }

    /// What the application reads under `key` and `tags`, a Python list.
    fn get(&mut self, key: &str, tags: &str) -> String {
        self.app.eval(&format!("cache.get('{key}', tags={tags})"))
    }

    fn set(&mut self, key: &str, value: &str, tags: &str) {
        assert_eq!(self.app.eval(&format!("cache.set('{key}', {value}, tags={tags}, lifetime=600)")), "True");
    }

    /// The value of one `name:` line of `INFO section`.
    fn info(&self, section: &str, name: &str) -> String {
        let info = self.server.command(&[b"INFO", section.as_bytes()]);
        let info: String = redis::from_redis_value(info).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().to_owned()
    }

    fn keys(&self) -> BTreeSet<Vec<u8>> {
        redis::from_redis_value(self.server.command(&[b"KEYS", b"*"])).unwrap()
    }
}

fn records(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const MISS: &str = "CacheMiss: ";

#[test]
fn an_entry_is_found_under_its_tags_and_no_others() {
    let mut both = Both::new();
    let value = "{'id': 42, 'at': (1, 2.5, None)}";
    both.set("k", value, "['t2', 't1']");
    both.set("twice", "2", "['t1', 't1']");
    both.set("none", "3", "None");
    both.set("all", "4", "['@@@all@@@']");
    for (line, shown) in [
        ("get k --tag t1 --tag t2 -o python", value),
        ("get k --tag t2 --tag t1 -o python", value),
        ("get twice --tag t1 --tag t1", "2"),
        ("get none", "3"),
        ("get all --tag @@@all@@@", "4"),
    ] {
        assert_eq!(both.run(line).ok(), format!("{shown}\n"), "{line}");
    }
    for line in ["get k", "get k --tag t1", "get k --tag t1 --tag t2 --tag t2", "get twice --tag t1", "get all"] {
        assert!(both.run(line).fails(1).contains("no entry"), "{line}");
    }
    for (key, tags, python) in [
        ("k2", "--tag b --tag a", "['a', 'b']"),
        ("k3", "--tag a --tag a", "['a', 'a']"),
        ("k4", "", "[]"),
        ("k5", "--tag é😀", "['é😀']"),
    ] {
        let line = format!("set {key} {{\"x\":[1,null]}} {tags}");
        both.run(line.trim()).ok();
        assert_eq!(both.get(key, python), "{'x': [1, None]}", "{key}");
        assert_eq!(both.get(key, "['a', 'other']"), MISS);
    }
    assert_eq!(both.run("ttl k --tag t1 --tag t2 -o jsonl").ok().matches("ttl_ms").count(), 1);
    both.run("expire k --tag t1 --tag t2 --ttl never").ok();
    assert_eq!(both.run("ttl k --tag t1 --tag t2").ok(), "never\n");
    both.run("exists k --tag t1 --tag t2").ok();
    both.run("inspect k --tag t1 --tag t2").ok();
    both.run("del k --tag t1").fails(1);
    assert_eq!(both.get("k", "['t1', 't2']"), value);
    both.run("del k --tag t1 --tag t2").ok();
    assert_eq!(both.get("k", "['t1', 't2']"), MISS);
    assert_eq!(both.app.eval("cache.delete('k2', tags=['a', 'b'])"), "True");
    both.run("get k2 --tag a --tag b").fails(1);
}

#[test]
fn looking_makes_no_tag() {
    let both = Both::new();
    for (command, status) in [
        ("get k --tag t", 1),
        ("exists k --tag t", 1),
        ("ttl k --tag t", 1),
        ("inspect k --tag t", 1),
        ("key k --tag t", 1),
        ("tags check k --tag t", 1),
        ("tags ls", 1),
        ("tags gc --yes", 1),
        ("del k --tag t", 1),
        ("expire k --tag t --ttl 1h", 1),
        ("invalidate t --dry-run", 0),
        ("invalidate t --must-exist", 1),
    ] {
        assert_eq!(both.run(command).status, Some(status), "{command}");
    }
    assert!(both.keys().is_empty(), "{:?}", both.keys());
    for write in ["del", "unlink", "expire", "pexpire", "setex"] {
        assert_eq!(both.info("commandstats", &format!("cmdstat_{write}")), "", "{write}");
    }
}

#[test]
fn a_write_makes_the_tags_that_are_missing_and_keeps_the_others() {
    let both = Both::new();
    both.run("set k 1 --tag t1").ok();
    let tags = || {
        let records = records(&both.env.ok(["tags", "ls", "-o", "jsonl"]));
        let of = |tag: &Json, name: &str| tag[name].clone();
        records.iter().map(|tag| (of(tag, "stored_key").to_string(), of(tag, "ttl_ms"))).collect::<BTreeMap<_, _>>()
    };
    let before = tags();
    assert_eq!(before.len(), 2);
    assert!(before.values().all(|ttl| (86_340_000..=86_400_000).contains(&ttl.as_u64().unwrap())), "{before:?}");
    both.run("set k 2 --tag t1 --tag t2 --tag-ttl 1h").ok();
    let after = tags();
    let new = after.iter().find(|(key, _)| !before.contains_key(*key)).unwrap().1;
    assert!((after.len(), new.as_u64() <= Some(3_600_000)) == (3, true), "{after:?}");
    both.run("set k 3 --tag t3 --tag-ttl never").ok();
    assert_eq!(tags().values().filter(|ttl| ttl.is_null()).count(), 1);
    assert_eq!(both.run("get k --tag t1").ok(), "1\n", "the tags that were there are as they were");
}

#[test]
fn after_an_invalidation_the_library_misses_what_it_must_and_nothing_else() {
    let mut both = Both::new();
    let other = format!("RedisTaggedCache(namespace='other', host='127.0.0.1', port={})", both.server.port);
    let entries = [("a", "['t1']"), ("b", "['t2']"), ("ab", "['t1', 't2']"), ("c", "['t3']"), ("none", "[]")];
    let file = both.env.file("tags", "t1\r\n\nt2\n");
    let from = format!("invalidate --from {}", file.display());
    for (line, input, missed) in [
        ("invalidate t1", "", &["a", "ab"][..]),
        ("invalidate t1 t2", "", &["a", "b", "ab"]),
        ("invalidate t3 t3 nobody", "", &["c"]),
        ("invalidate --from -", "t2\nt3\n", &["b", "ab", "c"]),
        ("invalidate t3 --from -", "t2", &["b", "ab", "c"]),
        (&from, "", &["a", "b", "ab"]),
        ("invalidate --all --yes", "", &["a", "b", "ab", "c", "none"]),
        ("invalidate @@@all@@@", "", &["a", "b", "ab", "c", "none"]),
        ("invalidate t1 --must-exist", "", &["a", "ab"]),
        ("invalidate t1 t2 --dry-run", "", &[]),
        ("invalidate --all --dry-run", "", &[]),
    ] {
        for (key, tags) in entries {
            both.set(key, "1", tags);
        }
        assert_eq!(both.app.eval(&format!("{other}.set('a', 1, tags=['t1'])")), "True");
        let entries_before = both.keys().len();
        both.env.feed(line.split(' '), input.as_bytes()).ok();
        assert!(both.keys().len() >= entries_before, "{line}: an entry was deleted");
        for (key, tags) in entries {
            let expected = if missed.contains(&key) { MISS } else { "1" };
            assert_eq!(both.get(key, tags), expected, "{line}: {key}");
        }
        assert_eq!(both.app.eval(&format!("{other}.get('a', tags=['t1'])")), "1", "{line}: another namespace");
    }
    both.run("set mine 1 --tag t1").ok();
    assert_eq!(both.app.eval("cache.invalidate('t1')"), "True");
    both.run("get mine --tag t1").fails(1);
    both.run("set mine 1").ok();
    assert_eq!(both.app.eval("cache.invalidate_all()"), "True");
    both.run("get mine").fails(1);
}

#[test]
fn an_invalidation_says_what_it_did() {
    let mut both = Both::new();
    both.set("k", "1", "['t1']");
    let shown = both.run("invalidate t1 t9 -o jsonl --dry-run").ok();
    let [t1, t9] = &records(&shown)[..] else { panic!("{shown}") };
    assert_eq!((&t1["exists"], &t1["would_change"]), (&json!(true), &json!(true)), "{shown}");
    assert!(t1["age_ms"].as_u64().unwrap() < 60_000 && t1["ttl_ms"].as_u64().unwrap() > 86_000_000, "{shown}");
    assert_eq!((&t9["exists"], t9.get("ttl_ms")), (&json!(false), None), "{shown}");
    let told = both.run("invalidate t1 t9 --dry-run").ok();
    assert!(told.contains("there since about") && told.contains("not there: would be made"), "{told}");
    let ran = both.run("invalidate t1 t9 -o jsonl --tag-ttl 2h");
    assert!(ran.stderr().contains("invalidated 2 tags") && ran.stderr().contains("1 had not been there"), "{ran}");
    let done = records(&ran.ok());
    for (record, tag, existed) in [(&done[0], "t1", true), (&done[1], "t9", false)] {
        assert_eq!((&record["tag"], &record["existed"]), (&json!(tag), &json!(existed)), "{record}");
        let stored_key = record["stored_key"].as_str().unwrap();
        let value = both.server.command(&[b"GET", stored_key.as_bytes()]);
        let value: Vec<u8> = redis::from_redis_value(value).unwrap();
        let hashed = python::run(
            "import sys; from rtc.app.hash import short_hash; print(short_hash(bytes.fromhex(sys.argv[1])))",
            &[&value.iter().map(|byte| format!("{byte:02x}")).collect::<String>()],
        );
        assert_eq!((record["value_hash"].as_str(), value.len()), (Some(hashed.trim()), 16), "{record}");
        let ttl: u64 = redis::from_redis_value(both.server.command(&[b"PTTL", stored_key.as_bytes()])).unwrap();
        assert!((7_100_000..=7_200_000).contains(&ttl), "{ttl}");
    }
    let missing = both.run("invalidate t1 never-seen --must-exist -o jsonl");
    assert!((missing.status, missing.stderr().contains("1 tag was not there")) == (Some(1), true), "{missing}");
    let [_, never] = &records(std::str::from_utf8(&missing.stdout).unwrap())[..] else { panic!("{missing}") };
    assert_eq!((&never["existed"], &never["value_hash"]), (&json!(false), &Json::Null), "{missing}");
    let refused = both.run("invalidate --all").fails(6);
    assert!(
        refused.contains("--yes goes on without") && refused.contains("every entry of this namespace"),
        "{refused}"
    );
}

/// Whatever there is: as many exchanges for one tag without entries as for fifty with five hundred.
#[test]
fn an_invalidation_is_one_exchange() {
    let mut both = Both::new();
    let tags: Vec<String> = (0..50).map(|n| format!("t{n}")).collect();
    let mut cost = |line: String| {
        let count = |both: &Both| both.info("stats", "total_reads_processed").parse::<u64>().unwrap();
        let before = count(&both);
        both.run(&line).ok();
        let after = count(&both);
        let python = format!("all([cache.set(f'k{{n}}', n, tags={tags:?}) for n in range(500)])");
        assert_eq!(both.app.eval(&python), "True");
        after - before
    };
    let one = cost("invalidate nobody".to_owned());
    assert_eq!(cost(format!("invalidate {}", tags.join(" "))), one);
    assert_eq!(both.get("k7", &format!("{tags:?}")), "7");
    both.run("invalidate t49").ok();
    assert_eq!(both.get("k7", &format!("{tags:?}")), MISS);
    let deleted = ["del", "unlink"].map(|command| both.info("commandstats", &format!("cmdstat_{command}")));
    assert_eq!(deleted, [String::new(), String::new()]);
}

/// Every keyspace that the library left, and what it found there.
#[test]
fn what_the_library_stored_is_live_where_it_found_it() {
    let server = Server::start(&[]);
    let (mut live, mut dead) = (0, 0);
    for line in REDIS_TAGGED_CACHE.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()) {
        if line["kind"] != "scenario" {
            continue;
        }
        server.command(&[b"FLUSHALL"]);
        for (key, entry) in line["keyspace"].as_object().unwrap() {
            if let Some(value) = entry["value_b64"].as_str() {
                server.command(&[b"SET", key.as_bytes(), &STANDARD.decode(value).unwrap()]);
            }
        }
        let env = Env::new().with("CACHECTL_BACKEND", server.unix_url()).with("CACHECTL_LAYOUT", "rtc:");
        let env = env.with("CACHECTL_NAMESPACE", line["namespace"].as_str().unwrap());
        let check = |query: &Json| {
            let tags = query["tags"].as_array().unwrap().iter().flat_map(|tag| ["--tag", tag.as_str().unwrap()]);
            let ran = env.run(["tags", "check", query["key"].as_str().unwrap()].into_iter().chain(tags));
            assert!(matches!(ran.status, Some(0 | 1)), "{ran}");
            ran.status == Some(0)
        };
        for query in line["queries"].as_array().unwrap() {
            assert_eq!(check(query), query["live"] == true, "{} {query}", line["case"]);
            *(if query["live"] == true { &mut live } else { &mut dead }) += 1;
        }
        env.ok(["invalidate", "--all", "--yes"]);
        assert!(!line["queries"].as_array().unwrap().iter().any(check), "{}", line["case"]);
    }
    assert_eq!((live, dead), (18, 39));
}

#[test]
fn older_formats_are_invalidated_as_their_releases_do() {
    let server = Server::start(&[]);
    for format in ["0.11.1", "0.11.0", "0.10"] {
        let layout = format!("rtc://app?format={format}");
        let env = Env::new().with("CACHECTL_BACKEND", server.url()).with("CACHECTL_LAYOUT", layout);
        env.ok(["set", "k", "1", "--tag", "a", "--tag", "b"]);
        env.ok(["set", "other", "2", "--tag", "b"]);
        let done = records(&env.ok(["invalidate", "a", "-o", "jsonl"])).remove(0);
        let there = server.command(&[b"EXISTS", done["stored_key"].as_str().unwrap().as_bytes()]);
        assert_eq!((there == redis::Value::Int(0), done["value_hash"].is_null()), (format == "0.10", format == "0.10"));
        env.fails(["get", "k", "--tag", "a", "--tag", "b"], 1);
        env.prints(["get", "other", "--tag", "b"], "2\n");
        env.ok(["invalidate", "--all", "--yes"]);
        env.fails(["get", "other", "--tag", "b"], 1);
        server.command(&[b"FLUSHALL"]);
    }
}

#[test]
fn a_tag_on_disk_is_that_of_diskcache() {
    let env = Env::new();
    let dir = env.path("store");
    let env = env.with("CACHECTL_BACKEND", format!("disk://{}", dir.display()));
    let mut app = Session::start(&format!("import diskcache\ncache = diskcache.Cache({:?})", dir.to_str().unwrap()));
    for (key, tag) in [("a", "'red'"), ("b", "'red'"), ("c", "'blue'"), ("d", "None"), ("e", "'é'")] {
        assert_eq!(app.eval(&format!("cache.set('{key}', {{'n': 1}}, tag={tag})")), "True");
    }
    assert!(env.ok(["get", "a", "-o", "jsonl"]).contains(r#""tag": "red""#));
    let shown = env.ok(["invalidate", "red", "green", "--dry-run"]);
    assert!(shown.contains("2 entries: would be deleted") && shown.contains("not there: nothing to delete"), "{shown}");
    let ran = env.run(["invalidate", "red", "é", "green", "-o", "jsonl"]);
    assert!(ran.stderr().contains("invalidated 2 tags") && ran.stderr().contains("3 entries deleted"), "{ran}");
    let done = [("red", true, 2), ("é", true, 1), ("green", false, 0)];
    let done = done.map(|(tag, existed, deleted)| json!({"tag": tag, "existed": existed, "deleted": deleted}));
    assert_eq!(records(&ran.ok()), done);
    assert_eq!(app.eval("sorted(cache)"), "['c', 'd']");
    env.ok(["set", "mine", "5", "--tag", "red"]);
    assert_eq!(app.eval("cache.get('mine', tag=True)"), "(b'5', 'red')");
    assert_eq!(app.eval("cache.evict('red')"), "1");
    env.fails(["get", "mine"], 1);
    assert_eq!(env.run(["invalidate", "red", "--must-exist"]).status, Some(1));
    let several = env.fails(["set", "k", "1", "--tag", "a", "--tag", "b"], 2);
    assert!(several.contains("one tag at most"), "{several}");
}

#[test]
fn where_there_are_no_tags_the_layout_that_has_them_is_named() {
    let (server, memcached) = (Server::start(&[]), Memcached::start(&[]));
    for (url, layout) in [
        (server.url(), "plain://app:"),
        (server.url(), "aiocache://app"),
        (server.url(), "pyredis-cache://Student"),
        (memcached.url(), "plain:"),
        (memcached.url(), "aiocache://app"),
    ] {
        let env = Env::new().with("CACHECTL_BACKEND", &url).with("CACHECTL_LAYOUT", layout);
        for line in ["invalidate t1", "invalidate t1 --dry-run", "invalidate --all --yes", "tags ls", "tags gc --yes"] {
            let error = env.run(line.split(' ')).fails(2);
            assert!(error.contains("-l redis-tagged-cache://NAMESPACE"), "{url} {layout} {line}: {error}");
        }
    }
}

#[test]
fn tags_are_listed_with_the_names_that_are_known() {
    let mut both = Both::new();
    both.set("k", "1", "['t1', 't2', 'é']");
    assert_eq!(both.app.eval("cache.invalidate('t2')"), "True");
    let known = both.env.file("known", "t1\nt2\nnobody\n");
    let ls = |more: &[&str]| both.env.ok([&["tags", "ls"], more].concat());
    let names = |text: &str| records(text).iter().map(|tag| tag["tag"].to_string()).collect::<BTreeSet<_>>();
    assert_eq!(names(&ls(&["-o", "jsonl"])), ["\"@@@all@@@\"", "null"].map(str::to_owned).into());
    let shown = ls(&["-o", "jsonl", "--known", known.to_str().unwrap()]);
    assert_eq!(names(&shown), ["\"@@@all@@@\"", "\"t1\"", "\"t2\"", "null"].map(str::to_owned).into());
    for tag in records(&shown) {
        let invalidated = tag["tag"] == "t2";
        assert_eq!((tag["invalidated"] == json!(true), tag["ttl_ms"].is_null()), (invalidated, invalidated), "{tag}");
        assert_eq!(tag["age_ms"].as_u64().is_some_and(|age| age < 60_000), !invalidated, "{tag}");
    }
    let fed = both.env.feed(["tags", "ls", "--known", "-"], "é\nt2\n".as_bytes()).ok();
    assert!(fed.contains("é") && fed.contains("at least once") && fed.contains('?'), "{fed}");
    let nowhere = both.env.fails(["-l", "rtc://nowhere", "tags", "ls"], 1);
    assert!(nowhere.contains("no tags in this namespace"), "{nowhere}");
}

#[test]
fn an_entry_is_checked_under_its_tags() {
    let mut both = Both::new();
    both.set("k", "1", "['t1', 't2']");
    let check =
        |line: &str| records(std::str::from_utf8(&both.run(&format!("tags check -o jsonl {line}")).stdout).unwrap());
    let live = check("k --tag t2 --tag t1").remove(0);
    assert_eq!((&live["live"], &live["missing_tags"]), (&json!(true), &json!([])), "{live}");
    assert!(live["ttl_ms"].as_u64().unwrap() <= 600_000 && live["bytes"] == 5, "{live}");
    let dead = check("k --tag t1").remove(0);
    assert_eq!(
        (&dead["live"], &dead["missing_tags"], dead["stored_key"].is_string()),
        (&json!(false), &json!([]), true)
    );
    let missing = check("k --tag t9 --tag t9 --tag t8 --tag t1").remove(0);
    assert_eq!((&missing["missing_tags"], &missing["stored_key"]), (&json!(["t8", "t9"]), &Json::Null), "{missing}");
    assert_eq!(both.run("tags check k --tag t1 --tag t2").status, Some(0));
    let told = both.run("tags check k --tag t9");
    assert!(told.status == Some(1) && String::from_utf8_lossy(&told.stdout).contains("tag not there: t9"), "{told}");
    // What is no string is no value of a tag, to the library too.
    let [tag] = &records(&both.run("invalidate t9 --dry-run -o jsonl").ok())[..] else { panic!() };
    both.server.command(&[b"RPUSH", tag["stored_key"].as_str().unwrap().as_bytes(), b"x"]);
    assert_eq!(check("k --tag t9")[0]["missing_tags"], json!(["t9"]));
    let error = both.run("set k 1 --tag t9").fails(5);
    assert!(error.contains("where the tag `t9` has its value") && error.contains("is a list: `invalidate`"), "{error}");
    both.run("invalidate t9").ok();
    both.run("set k 2 --tag t9").ok();
    assert_eq!(both.get("k", "['t9']"), "2");
}

#[test]
fn what_is_dead_for_certain_is_freed_and_what_is_live_never() {
    let mut both = Both::new();
    both.set("plain", "1", "[]");
    both.set("one", "1", "['t1']");
    both.set("four", "1", "['t1', 't2', 't3', 't4']");
    both.set("old", "1", "['t5']");
    both.run("invalidate t5").ok();
    both.run("-n other -l rtc: set k 1 --tag t1").ok();
    for key in ["else", "rtc:x:s:y:z", "rtc:rL0Y20zC~Fw:s:jOSxayK1iJQ:rc6mqqhytYw"] {
        both.server.command(&[b"SET", key.as_bytes(), b"1"]);
    }
    let before = both.keys();
    let tally = |both: &Both, line: &str| records(std::str::from_utf8(&both.run(line).stdout).unwrap()).remove(0);
    let found = tally(&both, "tags gc --yes -o jsonl");
    let counts =
        |found: &Json| ["live", "dead", "probably_dead", "to_delete"].map(|name| found[name].as_u64().unwrap());
    assert_eq!((counts(&found), found["tags_together"].as_u64()), ([3, 0, 1, 0], Some(4)), "{found}");
    assert_eq!(counts(&tally(&both, "tags gc --probable --dry-run -o jsonl")), [3, 0, 1, 1]);
    let asked = both.run("tags gc --probable");
    assert!(asked.status == Some(6) && asked.stderr().contains("nobody can be asked here"), "{asked}");
    let left = both.run("tags gc");
    assert!(left.status == Some(1) && left.stderr().contains("--probable deletes it, too"), "{left}");
    assert_eq!(both.keys(), before, "nothing was deleted yet");
    let done = tally(&both, "tags gc --probable --yes -o jsonl");
    assert_eq!((counts(&done), done["deleted"].as_u64()), ([3, 0, 1, 1], Some(1)));
    assert_eq!(before.len() - both.keys().len(), 1);
    for (key, tags) in [("plain", "[]"), ("one", "['t1']"), ("four", "['t1', 't2', 't3', 't4']")] {
        assert_eq!(both.get(key, tags), "1", "{key}");
    }

    // Without the tag of all, nothing can be reached again: that needs no --probable.
    let [all] = &records(&both.run("invalidate --all --dry-run -o jsonl").ok())[..] else { panic!() };
    both.server.command(&[b"DEL", all["stored_key"].as_str().unwrap().as_bytes()]);
    assert_eq!(counts(&tally(&both, "tags gc --dry-run -o jsonl")), [0, 3, 0, 3]);
    let done = both.run("tags gc --yes");
    assert!(done.stderr().contains("deleted 3 of 3 entries"), "{done}");
    let none = both.run("tags gc --yes");
    assert!(none.status == Some(1) && none.stderr().contains("no entries in this namespace"), "{none}");
    assert_eq!(both.run("-n other -l rtc: get k --tag t1").ok(), "1\n");
    assert_eq!(before.iter().filter(|key| !both.keys().contains(*key)).count(), 5, "three, one, and the tag of all");
}

/// A user of `both`'s server, who may do what `rules` say; the environment to be that user.
fn as_user(both: &Both, rules: &[&str]) -> Env {
    let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
    both.server
        .command(&[&[b"ACL".as_slice(), b"SETUSER", b"ann", b"reset", b"on", b">pw"], rules.as_slice()].concat());
    let url = format!("redis://ann:pw@127.0.0.1:{}/0", both.server.port);
    Env::new().with("CACHECTL_BACKEND", url).with("CACHECTL_LAYOUT", "rtc://app")
}

#[test]
fn who_may_not_write_is_told_and_changes_nothing() {
    let mut both = Both::new();
    both.set("k", "1", "['t1']");
    let before = both.keys();
    let reader = as_user(&both, &["~*", "+get", "+getrange", "+pttl", "+type", "+strlen", "+exists", "+scan", "+mget"]);
    reader.prints(["get", "k", "--tag", "t1"], "1\n");
    reader.ok(["tags", "check", "k", "--tag", "t1"]);
    reader.ok(["invalidate", "t1", "t2", "--dry-run"]);
    for line in ["invalidate t1", "invalidate --all --yes", "set k 1 --tag new", "del k --tag t1"] {
        let error = reader.run(line.split(' ')).fails(4);
        assert!(error.contains("the server's ACL does not let this user do that"), "{line}: {error}");
    }
    assert_eq!((both.keys(), both.get("k", "['t1']")), (before, "1".to_owned()));
}

#[test]
fn a_partial_failure_says_which_tags_are_done() {
    let mut both = Both::new();
    both.set("one", "1", "['t1']");
    both.set("two", "2", "['t2']");
    let [tag] = &records(&both.run("invalidate t1 --dry-run -o jsonl").ok())[..] else { panic!() };
    let tag = tag["stored_key"].as_str().unwrap();
    let half = as_user(&both, &[&format!("~{tag}"), "%R~*", "+@all"]);
    let ran = half.run(["invalidate", "t0", "t1", "t2", "-o", "jsonl"]);
    let said = "cannot invalidate: 1 of 3 tags are invalidated, `t1`; not `t0`, `t2`; the same";
    assert!(ran.status == Some(7) && ran.stderr().contains(said), "{ran}");
    assert!(ran.stderr().contains("does no harm: of the writes 2 of 6 were done; cannot set `rtc:"), "{ran}");
    let [done] = &records(std::str::from_utf8(&ran.stdout).unwrap())[..] else { panic!("{ran}") };
    assert_eq!((&done["tag"], &done["existed"]), (&json!("t1"), &Json::Null), "{ran}");
    assert_eq!((both.get("one", "['t1']"), both.get("two", "['t2']")), (MISS.to_owned(), "2".to_owned()));
    let many = (0..1500).map(|n| format!("x{n}\n")).collect::<String>() + "t1\n";
    half.feed(["invalidate", "--from", "-"], many.as_bytes()).fails(4);
    let error = half.feed(["invalidate", "--from", "-"], format!("t1\n{many}").as_bytes()).fails(7);
    let said = "1 of 1502 tags are invalidated, `t1`; not `x0`, `x1`, `x2`, `x3`, `x4` and 1495 more; the same";
    assert!(error.contains(said), "{error}");
    let writer = as_user(&both, &[&format!("%W~{tag}"), "+@all"]);
    let error = writer.fails(["invalidate", "t0", "t1"], 7);
    assert!(error.contains("which of 2 tags are invalidated is not known"), "{error}");
}

/// A server that ends in the middle: what was answered is done.
#[test]
fn a_server_that_dies_leaves_it_said_how_far_it_came() {
    let env = Env::new().with("CACHECTL_LAYOUT", "rtc://app");
    let tags: String = (0..3000).map(|n| format!("tag{n}\n")).collect();
    for (answers, status, says) in [
        (0, 5, "of 1000 more it is not known"),
        (2000, 7, "1000 of 3000 tags are invalidated for certain, up to `tag999`; the same command again does no harm"),
        (5000, 7, "2500 of 3000 tags are invalidated for certain, up to `tag2499`;"),
        (500, 7, "which of 3000 tags are invalidated is not known"),
    ] {
        let fake = Fake::dies_after(answers);
        let ran = env.feed(["-b", &fake.url(), "--timeout", "2s", "invalidate", "--from", "-"], tags.as_bytes());
        let error = ran.fails(status);
        assert!(error.contains(says), "{answers}: {error}");
    }
}

#[test]
fn a_hundred_thousand_tags_on_stdin_are_done() {
    let mut both = Both::new();
    both.set("last", "1", "['tag99999']");
    both.set("other", "1", "['other']");
    let tags: String = (0..100_000).map(|n| format!("tag{n}\n")).collect();
    let ran = both.env.feed(["invalidate", "--from", "-"], tags.as_bytes());
    assert!(ran.stderr().contains("invalidated 100000 tags"), "{ran}");
    ran.ok();
    assert_eq!((both.get("last", "['tag99999']"), both.get("other", "['other']")), (MISS.to_owned(), "1".to_owned()));
    // Those, `other` and the tag of all; and the two entries.
    assert_eq!(both.server.command(&[b"DBSIZE"]), redis::Value::Int(100_004));
}

#[test]
fn a_namespace_that_is_nowhere_has_nothing_and_nothing_is_made_in_it() {
    let mut both = Both::new();
    both.set("k", "1", "['t1']");
    let before = both.keys();
    for (line, status, says) in [
        ("get k --tag t1", 1, "a tag of it is not there"),
        ("del k --tag t1", 1, "deleted 0 of 1 key"),
        ("ls", 1, "no keys"),
        ("tags ls", 1, "no tags in this namespace"),
        ("tags gc --yes --probable", 1, "no entries in this namespace"),
        ("invalidate t1 --must-exist", 1, "1 tag was not there"),
        ("clear --yes", 1, "deleted 0 keys"),
    ] {
        let error = both.run(&format!("-l rtc://nowhere {line}")).fails(status);
        assert!(error.contains(says), "{line}: {error}");
    }
    assert_eq!((both.keys(), both.get("k", "['t1']")), (before, "1".to_owned()));
}

#[test]
fn a_bad_tag_or_none_is_a_usage_error_that_names_it() {
    let mut both = Both::new();
    both.set("k", "1", "['t1']");
    let before = both.keys();
    let bad = OsStr::from_bytes(b"t\xed\xa0\x80");
    let fails = |args: &[&OsStr]| both.env.fails(args, 2);
    let said = r"a tag is text in UTF-8, and `t\xed\xa0\x80` is none";
    for args in [&["invalidate", "t1"][..], &["get", "k", "--tag"], &["set", "k", "1", "--tag"], &["del", "k", "--tag"]]
    {
        let error = fails(&args.iter().map(OsStr::new).chain([bad]).collect::<Vec<_>>());
        assert!(error.contains(said), "{args:?}: {error}");
    }
    let error = both.env.feed(["invalidate", "--from", "-"], b"t1\n\nt\xed\xa0\x80\nt2\n").fails(2);
    assert!(error.contains(r"line 3 of stdin: a name is text in UTF-8, and `t\xed\xa0\x80` is none"), "{error}");
    for (line, says) in [
        ("invalidate", "TAG"),
        ("invalidate --from /dev/null", "there are no tags to invalidate"),
        ("invalidate --from nowhere", "cannot open nowhere"),
        ("invalidate --all t1", "cannot be used with"),
        ("invalidate t1 --tag-ttl 0", "--tag-ttl"),
        ("invalidate t1 -o raw", "-o text and -o jsonl"),
        ("-l rtc://app?format=9 invalidate t1", "0.12, 0.11.1, 0.11.0, 0.10"),
    ] {
        let env = Env::new().with("CACHECTL_BACKEND", both.server.url());
        let line = if line.starts_with("-l") { line.to_owned() } else { format!("-l rtc://app {line}") };
        let error = env.run(line.split(' ')).fails(2);
        assert!(error.contains(says), "{line}: {error}");
    }
    assert_eq!((both.keys(), both.get("k", "['t1']")), (before, "1".to_owned()));
}

/// The application's side of the race: it stores, reads and invalidates as fast as it can, and tells what it did with
/// the times of a clock that both sides share.
const RACER: &str = "
import json, random, sys, time
import redis
from rtc import RedisTaggedCache, CacheMiss
port, seconds, entries = int(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3])
cache = RedisTaggedCache(namespace='app', host='127.0.0.1', port=port)
clock = redis.Redis(port=port, db=1)
now = lambda: clock.incr('clock')
writes, reads, invalidations = [], [], []
random.seed(7)
until = time.monotonic() + seconds
while time.monotonic() < until:
    key = random.choice(list(entries))
    tags = entries[key]
    what = random.random()
    if what < 0.45:
        begin = now()
        assert cache.set(key, begin, tags=tags)
        writes.append((begin, now()))
    elif what < 0.97:
        begin = now()
        try:
            reads.append((key, begin, cache.get(key, tags=tags)))
        except CacheMiss:
            reads.append((key, begin, None))
    else:
        tag = random.choice(['a', 'b'])
        begin = now()
        assert cache.invalidate(tag)
        invalidations.append((tag, begin, now()))
json.dump([writes, reads, invalidations], sys.stdout)
";

/// What one side did: stores as (begin, end), where begin is the value; reads as (key, begin, value); invalidations
/// as (tag, begin, end).
type Did = (Vec<(u64, u64)>, Vec<(String, u64, Option<u64>)>, Vec<(String, u64, u64)>);

/// Both sides at once for three seconds, or for thirty with `CACHECTL_TEST_LONG=1`: no entry is served that was
/// stored under a tag before that was invalidated, when that was before the read began.
#[test]
fn no_entry_outlives_its_tag_while_both_sides_are_at_work() {
    let entries = json!({"a": ["a"], "b": ["b"], "ab": ["a", "b"], "c": ["c"]});
    let both = Both::new();
    for (key, tags) in entries.as_object().unwrap() {
        let tags = tags.as_array().unwrap().iter().flat_map(|tag| ["--tag", tag.as_str().unwrap()]);
        both.env.ok(["set", key, "0"].into_iter().chain(tags));
    }
    let long = std::env::var("CACHECTL_TEST_LONG").is_ok_and(|long| long == "1");
    let seconds = if long { "30" } else { "3" };
    let (port, told) = (both.server.port.to_string(), entries.to_string());
    let theirs = std::thread::spawn(move || python::run(RACER, &[&port, seconds, &told]));
    let now = || redis::from_redis_value::<u64>(both.server.command_in(1, &[b"INCR", b"clock"])).unwrap();
    let mut ours: Did = (vec![(0, 0)], Vec::new(), Vec::new());
    for turn in 0.. {
        if theirs.is_finished() {
            break;
        }
        let (key, tags) = entries.as_object().unwrap().iter().nth(turn % 4).unwrap();
        let tags: Vec<&str> =
            tags.as_array().unwrap().iter().flat_map(|tag| ["--tag", tag.as_str().unwrap()]).collect();
        let begin = now();
        match turn % 3 {
            0 => {
                both.env.ok([&["set", key, &begin.to_string()], tags.as_slice()].concat());
                ours.0.push((begin, now()));
            }
            1 => {
                let ran = both.env.run([&["get", key], tags.as_slice()].concat());
                let value = std::str::from_utf8(&ran.stdout).unwrap().trim().parse().ok();
                assert_eq!(ran.status, Some(i32::from(value.is_none())), "{ran}");
                ours.1.push((key.clone(), begin, value));
            }
            _ => {
                let tag = ["a", "b"][turn % 2];
                both.env.ok(["invalidate", tag]);
                ours.2.push((tag.to_owned(), begin, now()));
            }
        }
    }
    let theirs: Did = serde_json::from_str(&theirs.join().unwrap()).unwrap();
    let tags_of = |key: &str| entries[key].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned());
    let stored: BTreeMap<u64, u64> = ours.0.iter().chain(&theirs.0).copied().collect();
    // Of each tag: by when an invalidation was over, when the latest of those that were over by then began.
    let mut over: BTreeMap<&str, BTreeMap<u64, u64>> = BTreeMap::new();
    for (tag, begin, end) in ours.2.iter().chain(&theirs.2) {
        over.entry(tag).or_default().insert(*end, *begin);
    }
    for ends in over.values_mut() {
        let mut latest = 0;
        for begin in ends.values_mut() {
            latest = latest.max(*begin);
            *begin = latest;
        }
    }
    for (side, did) in [("ours", &ours), ("theirs", &theirs)] {
        let (mut hits, mut misses) = (0, 0);
        for (key, begin, value) in &did.1 {
            assert!(key != "c" || value.is_some(), "{side}: an entry went whose tag nobody invalidated");
            *(if value.is_some() { &mut hits } else { &mut misses }) += 1;
            let Some(value) = value else { continue };
            for tag in tags_of(key) {
                let latest = over.get(tag.as_str()).and_then(|ends| ends.range(..begin).next_back());
                let stale = latest.is_some_and(|(_, invalidated)| stored[value] < *invalidated);
                assert!(!stale, "{side}: `{key}` was read at {begin} as stored by {}, {latest:?}", stored[value]);
            }
        }
        assert!(hits > 0 && misses > 0 && !did.0.is_empty() && did.2.len() > 3, "{side}: {hits} hits, {misses} misses");
    }
}
