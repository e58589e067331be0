//! Redis Cluster: every command on all of it, and what nodes that move, fail and are lost do to a walk.

use std::collections::BTreeSet;

use cachectl::backend::{Backend, Connect, Cursor, ErrorKind, Options, Reply, parse};
use cachectl::entry::{Expiry, StoredKey};
use cachectl::pattern::Pattern;
use serde_json::Value;

use crate::backends::{options, write};
use crate::env::Env;
use crate::server::{Cluster, Server, until};

fn open(url: &str) -> Connect {
    parse(url, &options()).unwrap()
}

fn key(at: usize) -> String {
    format!("key:{at:04}")
}

/// Writes so many keys, whichever nodes they are on.
fn fill(url: &str, count: usize) -> BTreeSet<String> {
    let writes: Vec<_> = (0..count).map(|at| write(key(at), format!("\"{at}\""))).collect();
    assert_eq!(open(url)().unwrap().set_many(&writes).unwrap(), vec![true; count]);
    (0..count).map(key).collect()
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

/// Whether each primary has some of the entries and none all.
fn is_spread(cluster: &Cluster, count: i64) -> bool {
    let sizes = cluster.nodes.iter().map(|node| node.command(&[b"DBSIZE"]));
    let sizes: Vec<i64> = sizes.map(|size| redis::from_redis_value(size).unwrap()).collect();
    sizes.iter().sum::<i64>() == count && sizes.iter().all(|size| *size > 0)
}

#[test]
fn every_command_works_on_all_of_a_cluster() {
    let cluster = Cluster::start(3, 0);
    let keys = fill(&cluster.url(), 300);
    assert!(is_spread(&cluster, 300));
    let node = format!("{}?protocol=3", cluster.nodes[1].url());
    for (url, remarks) in [(cluster.url(), 0), (cluster.nodes[2].url(), 1), (node, 1)] {
        let env = Env::new().with("CACHECTL_BACKEND", &url);
        let listed = env.run(["ls"]);
        assert_eq!(listed.stderr().matches("is a node of a cluster").count(), remarks, "{listed}");
        assert_eq!(lines(&listed.ok()), keys, "{url}");
        let quiet = env.run(["-q", "get", "key:0000", "key:0001", "key:0002", "key:0003", "-o", "jsonl"]);
        assert_eq!((quiet.stderr().as_str(), quiet.status), ("", Some(0)), "{quiet}");
        assert_eq!(String::from_utf8_lossy(&quiet.stdout).matches("\"hit\": true").count(), 4, "{quiet}");
        assert_eq!(lines(&env.ok(["ls", "--match", "key:01*", "-l"])).len(), 101, "{url}: and a header");
        bulk(&env);
        counters(&env);
        layouts(&env);
        assert_eq!(lines(&env.ok(["ls"])), keys, "{url}");
    }
    whole(&cluster, &Env::new().with("CACHECTL_BACKEND", cluster.url()));
}

fn bulk(env: &Env) {
    let dump: Vec<String> = (0..50).map(|at| format!("{{\"key\": \"bulk:{at}\", \"value\": {at}}}")).collect();
    let dump = env.file("dump.jsonl", dump.join("\n"));
    env.ok(["set", "--from", dump.to_str().unwrap()]);
    assert!(env.ok(["del", "--match", "bulk:*", "--dry-run"]).starts_with("50 keys"));
    env.ok(["expire", "bulk:1", "bulk:2", "bulk:3", "--ttl", "1h"]);
    assert!(env.run(["del", "--match", "bulk:*", "--yes"]).stderr().contains("deleted 50 keys"));
    assert_eq!(env.run(["exists", "bulk:1"]).status, Some(1));
}

fn counters(env: &Env) {
    for at in 0..8 {
        let counter = format!("counter:{at}");
        assert_eq!(env.ok(["incr", &counter, "--ttl", "1h"]), "1\n", "{counter}");
        assert_eq!(env.ok(["incr", &counter, "--by", "4"]), "5\n", "{counter}");
        assert!(env.ok(["ttl", &counter]).contains("59m") || env.ok(["ttl", &counter]).contains("1h"));
        env.ok(["del", &counter]);
    }
}

/// Tags that are in several slots, and fields of hashes.
fn layouts(env: &Env) {
    let tagged = |args: &[&str]| env.run([&["-l", "redis-tagged-cache://shop"], args].concat());
    let tags = ["--tag", "a", "--tag", "b", "--tag", "c", "--tag", "d"];
    tagged(&[&["set", "report", "1"], &tags[..]].concat()).ok();
    assert_eq!(tagged(&[&["get", "report"], &tags[..]].concat()).ok(), "1\n");
    assert_eq!(tagged(&[&["tags", "check", "report"], &tags[..]].concat()).status, Some(0));
    // Each tag, and that of all entries.
    assert_eq!(tagged(&["tags", "ls"]).ok().matches("rtc:").count(), 5);
    tagged(&["invalidate", "c"]).ok();
    assert_eq!(tagged(&[&["get", "report"], &tags[..]].concat()).status, Some(1));
    assert!(tagged(&["tags", "gc", "--probable", "--yes"]).stderr().contains("deleted 1 of 1 entry"));
    env.ok(["del", "--match", "rtc:*", "--yes"]);

    let fields = |args: &[&str]| env.run([&["-l", "pyredis-cache://Class/Student"], args].concat());
    for class in ["1", "2", "3"] {
        fields(&["set", &format!("{class}/7"), "1"]).ok();
    }
    assert_eq!(lines(&fields(&["ls"]).ok()), ["1/7", "2/7", "3/7"].map(str::to_owned).into());
    fields(&["del", "--hash", "1", "2", "3"]).ok();
}

/// What has no key.
fn whole(cluster: &Cluster, env: &Env) {
    assert_eq!(env.ok(["raw", "GET", "key:0007"]), "\"\\\"7\\\"\"\n");
    assert!(env.fails(["raw", "MGET", "key:0001", "key:0002"], 5).contains("in one slot"));
    let part = env.run(["raw", "DBSIZE"]);
    assert!(part.stderr().contains("of 3 primaries"), "{part}");
    assert!(env.fails(["raw", "NONSENSE", "key:0001"], 5).contains("unknown command"));

    let told = |args: &[&str]| -> Value { serde_json::from_str(&env.ok(args)).unwrap() };
    let stats = told(&["stats", "-o", "json"]);
    assert_eq!((&stats["primaries"], &stats["entries"], &stats["role"]), (&3.into(), &300.into(), &"primary".into()));
    assert!(stats["memory_used"].as_u64() > Some(1 << 20), "{stats}");
    let entries = told(&["stats", "--keys", "-o", "json"]);
    assert_eq!((&entries["entries"], &entries["partial"]), (&300.into(), &Value::Null), "{entries}");
    let sample = told(&["stats", "--keys", "--sample", "50%", "-o", "json"]);
    let (low, high) = (sample["entries_low"].as_u64().unwrap(), sample["entries_high"].as_u64().unwrap());
    assert!(low <= 300 && high >= 300 && sample["sample"]["of"] == 300, "{sample}");

    assert!(env.fails(["bench"], 6).contains("has 300 other entries"));
    env.ok(["clear", "--flush", "--yes"]);
    env.fails(["ls"], 1);
    assert!(cluster.nodes.iter().all(|node| node.command(&[b"DBSIZE"]) == redis::Value::Int(0)));
}

#[test]
fn a_url_that_does_not_lead_to_a_cluster_says_so() {
    let alone = Server::start(&[]);
    let url = |port| format!("redis+cluster://127.0.0.1:{port}");
    let env = Env::new();
    assert!(env.fails(["-b", &url(alone.port), "ls"], 5).contains("it is no node of a cluster"));
    let free = crate::server::free_port();
    assert!(env.fails(["-b", &url(free), "ls"], 5).contains("connection refused"));
    let empty = Server::start(&["--cluster-enabled", "yes"]);
    assert!(env.fails(["-b", &url(empty.port), "ls"], 5).contains("no node has any slots"));
    let get = ["-b", &url(empty.port), "--timeout", "300ms", "get", "k"];
    assert!(env.fails(get, 5).contains("CLUSTERDOWN"));
}

#[test]
fn who_may_not_ask_where_keys_are_is_told_by_the_nodes() {
    let cluster = Cluster::start(3, 0);
    fill(&cluster.url(), 30);
    for node in &cluster.nodes {
        node.command(&[b"ACL", b"SETUSER", b"ada", b"on", b">s3cret", b"~*", b"+getrange", b"+pttl", b"+scan"]);
    }
    for scheme in ["redis+cluster", "redis"] {
        let url = format!("{scheme}://ada:s3cret@127.0.0.1:{}", cluster.nodes[0].port);
        let env = Env::new().with("CACHECTL_BACKEND", url);
        let keys: Vec<String> = (0..30).map(key).collect();
        let got = env.ok([&["get", "-o", "jsonl"][..], &keys.iter().map(String::as_str).collect::<Vec<_>>()].concat());
        assert_eq!(got.matches("\"hit\": true").count(), 30, "{got}");
        let refused = env.fails(["ls"], 4);
        assert!(refused.contains("cluster|slots") && !refused.contains("s3cret"), "{refused}");
    }
}

#[test]
fn a_node_that_is_gone_is_named_and_the_others_are_walked_over() {
    let mut cluster = Cluster::start(3, 0);
    let keys = fill(&cluster.url(), 300);
    for node in &cluster.nodes {
        node.command(&[b"CONFIG", b"SET", b"cluster-require-full-coverage", b"no"]);
    }
    let gone: BTreeSet<String> =
        keys.iter().filter(|key| cluster.primary_of(key).port == cluster.nodes[1].port).cloned().collect();
    let place = format!("127.0.0.1:{}", cluster.nodes[1].port);
    cluster.nodes[1].kill();
    let env = Env::new().with("CACHECTL_BACKEND", cluster.url());
    let run = |args: &[&str]| env.run([&["--timeout", "500ms"], args].concat());
    let listed = run(&["ls"]);
    assert!(listed.status == Some(7) && listed.stderr().contains(&place), "{listed}");
    assert!(listed.stderr().contains("1 of 3 primaries") && listed.stderr().contains("same command"), "{listed}");
    let left: BTreeSet<String> = keys.difference(&gone).cloned().collect();
    assert_eq!(lines(&String::from_utf8(listed.stdout).unwrap()), left);
    let got = run(&["get", gone.first().unwrap()]);
    assert!(got.status == Some(5) && got.stderr().contains(&place), "{got}");
    let walked = run(&["stats", "--keys", "-o", "json"]);
    assert!(walked.status == Some(7) && walked.stderr().contains(&place), "{walked}");
    let walked: Value = serde_json::from_slice(&walked.stdout).unwrap();
    assert_eq!(walked["entries"], left.len(), "{walked}");
    let stats: Value = serde_json::from_str(&run(&["stats", "-o", "json"]).ok()).unwrap();
    assert_eq!((&stats["primaries"], &stats["primaries_down"]), (&3.into(), &1.into()), "{stats}");
    assert_eq!(
        (&stats["findings"][0]["severity"], &stats["findings"][0]["name"]),
        (&"wrong".into(), &"primaries-down".into())
    );
    let flushed = run(&["clear", "--flush", "--yes"]);
    assert!(flushed.stderr().contains(&place), "{flushed}");

    // What was not sent was not done, and is said to be so.
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    fill_what_is_left(&cluster, &left);
    let deleted = run(&[&["del"], &names[..]].concat());
    let told = format!("{} of 300 were done; ", left.len());
    assert!(deleted.status == Some(7) && deleted.stderr().contains(&told), "{deleted}");
    assert!(deleted.stderr().contains(&place) && !deleted.stderr().contains("not known"), "{deleted}");
    fill_what_is_left(&cluster, &left);
    let deleted = run(&["del", "--match", "key:*", "--yes"]);
    assert!(deleted.status == Some(7) && deleted.stderr().contains(&place), "{deleted}");
    assert!(deleted.stderr().contains(&format!("{} keys were deleted", left.len())), "{deleted}");
}

/// A cluster of three that serves what it can, whose second node is gone: the others' keys, and those of that one.
fn cut() -> (Cluster, Env, BTreeSet<String>, BTreeSet<String>) {
    let mut cluster = Cluster::start(3, 0);
    let keys = fill(&cluster.url(), 60);
    for node in &cluster.nodes {
        node.command(&[b"CONFIG", b"SET", b"cluster-require-full-coverage", b"no"]);
    }
    let gone = |key: &&String| cluster.primary_of(key).port == cluster.nodes[1].port;
    let gone: BTreeSet<String> = keys.iter().filter(gone).cloned().collect();
    let left = keys.difference(&gone).cloned().collect();
    cluster.nodes[1].kill();
    let env = Env::new().with("CACHECTL_BACKEND", cluster.url());
    (cluster, env, left, gone)
}

#[test]
fn what_other_nodes_have_is_shown_when_one_is_gone() {
    let (cluster, env, left, gone) = cut();
    let place = format!("redis://127.0.0.1:{}/0", cluster.nodes[1].port);
    let names: Vec<&str> = left.iter().chain(&gone).map(String::as_str).collect();
    let run = |args: &[&str]| env.run([&["--timeout", "300ms"], args, &names].concat());
    let told = format!("{} of 60 keys could not be asked for, `{}`", gone.len(), gone.first().unwrap());
    for (args, shown) in [
        (&["get"][..], "==> "),
        (&["get", "-o", "jsonl"], "\"hit\": true"),
        (&["exists"], "yes "),
        (&["exists", "-o", "jsonl"], "\"exists\": true"),
        (&["ttl"], "never\t"),
        (&["ttl", "-o", "jsonl"], "\"hit\": true"),
    ] {
        let ran = run(args);
        let (out, error) = (String::from_utf8_lossy(&ran.stdout).into_owned(), ran.stderr());
        assert_eq!((ran.status, out.matches(shown).count()), (Some(7), left.len()), "{ran}");
        assert!(error.contains(&told) && error.contains(&place) && error.contains("refused"), "{ran}");
        let unknown = ["\"hit\": null", "\"exists\": null", "?   "].iter().map(|one| out.matches(one).count());
        let silent = !args.contains(&"jsonl") && args[0] != "exists";
        assert_eq!(unknown.sum::<usize>(), if silent { 0 } else { gone.len() }, "{ran}");
    }
    // A miss among those that answer is one still, and who has nothing at all ends as ever.
    let mut others = (0..).map(|at| format!("none:{at}"));
    let none = others.find(|key| cluster.primary_of(key).port != cluster.nodes[1].port).unwrap();
    assert_eq!(env.run(["--timeout", "300ms", "exists", &none, left.first().unwrap()]).status, Some(1));
    env.fails(["--timeout", "300ms", "get", gone.first().unwrap(), gone.last().unwrap()], 5);
}

#[test]
fn tags_of_nodes_that_are_there_are_invalidated_and_named() {
    let (cluster, env, ..) = cut();
    let place = format!("redis://127.0.0.1:{}/0", cluster.nodes[1].port);
    let tags: Vec<String> = (0..30).map(|at| format!("tag{at}")).collect();
    let (mut there, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for tag in &tags {
        let key = env.run(["-l", "rtc://shop", "invalidate", tag, "--dry-run", "-o", "jsonl", "--timeout", "100ms"]);
        match key.status {
            Some(0) => there.insert(tag.clone()),
            _ => gone.insert(tag.clone()),
        };
    }
    assert!(!there.is_empty() && !gone.is_empty(), "{there:?} {gone:?}");
    let args = ["--timeout", "300ms", "-l", "rtc://shop", "invalidate", "-o", "jsonl"];
    let ran = env.run(args.into_iter().chain(tags.iter().map(String::as_str)));
    let done: Vec<Value> =
        String::from_utf8_lossy(&ran.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(done.iter().map(|one| one["tag"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>(), there, "{ran}");
    let error = ran.stderr();
    assert!(ran.status == Some(7) && error.contains(&place) && !error.contains("not known"), "{ran}");
    assert!(error.contains(&format!("{} of 30 tags are invalidated, `", there.len())), "{ran}");
    let first = tags.iter().find(|tag| gone.contains(*tag)).unwrap();
    assert!(error.contains(&format!("; not `{first}`")), "{ran}");
}

#[test]
fn a_ping_says_how_much_of_a_cluster_answers() {
    let (mut cluster, env, ..) = cut();
    let place = format!("redis://127.0.0.1:{}/0", cluster.nodes[1].port);
    // Reading is tried for who may not ask for permissions, and half of all keys are where nobody answers.
    for node in [&cluster.nodes[0], &cluster.nodes[2]] {
        let rules = "ACL SETUSER ann on >pw ~* +get +pttl +scan +info +cluster|slots";
        node.command(&rules.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    }
    let ann = cluster.url().replace("//", "//ann:pw@");
    for url in [cluster.url(), cluster.nodes[0].url(), ann] {
        let ran = env.run(["--timeout", "300ms", "-b", &url, "ping", "-o", "json"]);
        let found: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
        assert_eq!((&found["primaries"], &found["primaries_down"]), (&3.into(), &1.into()), "{found}");
        let error = ran.stderr();
        assert!(ran.status == Some(7) && error.contains("1 of 3 primaries does not answer: "), "{ran}");
        assert!(error.contains(&place) && !error.contains("names no key"), "{ran}");
    }
    let shown = env.run(["--timeout", "300ms", "ping"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("1 of 3 primaries does not answer"), "{shown}");
    cluster.nodes[0].kill();
    cluster.nodes[2].kill();
    env.fails(["--timeout", "300ms", "ping"], 5);
}

/// A connection that the server has closed is none: what goes on a new one, or nowhere, is in no doubt.
#[test]
fn what_was_not_sent_to_a_server_that_is_gone_is_in_no_doubt() {
    let mut server = Server::start(&[]);
    let mut backend = open(&server.url())().unwrap();
    let keys: Vec<StoredKey> = (0..10).map(|at| StoredKey::new(key(at))).collect();
    assert_eq!(backend.delete_many(&keys), Ok(vec![false; 10]));
    server.kill();
    let error = backend.delete_many(&keys).unwrap_err();
    assert!(error.kind == ErrorKind::Unreachable && error.message.contains("refused"), "{error}");
    assert_eq!((error.message.contains("not known"), error.unreached), (false, (0..10).collect()));
}

fn fill_what_is_left(cluster: &Cluster, keys: &BTreeSet<String>) {
    for key in keys {
        let slot = cluster.slot(key);
        let node = if slot < 16384 / 3 { &cluster.nodes[0] } else { &cluster.nodes[2] };
        node.command(&[b"SET", key.as_bytes(), b"v"]);
    }
}

/// Opens the way of a slot from a node to another, and takes its keys along it.
pub fn send(slot: usize, from: &Server, to: &Server) {
    let slot = slot.to_string();
    let (source, target) = (from.says(&["CLUSTER", "MYID"]), to.says(&["CLUSTER", "MYID"]));
    to.command(&[b"CLUSTER", b"SETSLOT", slot.as_bytes(), b"IMPORTING", source.as_bytes()]);
    from.command(&[b"CLUSTER", b"SETSLOT", slot.as_bytes(), b"MIGRATING", target.as_bytes()]);
    let keys = from.command(&[b"CLUSTER", b"GETKEYSINSLOT", slot.as_bytes(), b"10000"]);
    let keys: Vec<Vec<u8>> = redis::from_redis_value(keys).unwrap();
    let port = to.port.to_string();
    let head = [&b"MIGRATE"[..], b"127.0.0.1", port.as_bytes(), b"", b"0", b"5000", b"KEYS"];
    if !keys.is_empty() {
        from.command(&head.into_iter().chain(keys.iter().map(Vec::as_slice)).collect::<Vec<_>>());
    }
}

/// Ends it: the slot is the other node's. The nodes agree on that before anything else moves: two that take slots at
/// the same time may do so in the same epoch, and one of the slots is nobody's then.
pub fn hand_over(slot: usize, cluster: &Cluster, to: &Server) {
    let (number, target) = (slot.to_string(), to.says(&["CLUSTER", "MYID"]));
    to.command(&[b"CLUSTER", b"SETSLOT", number.as_bytes(), b"NODE", target.as_bytes()]);
    for node in &cluster.nodes {
        node.command(&[b"CLUSTER", b"SETSLOT", number.as_bytes(), b"NODE", target.as_bytes()]);
    }
    until("the nodes agree whose the slot is", || {
        let views: BTreeSet<Vec<String>> = cluster.nodes.iter().map(view).collect();
        views.len() == 1 && has(to, slot)
    });
}

/// Of each node its name, epoch and slots, as one of them sees them.
fn view(node: &Server) -> Vec<String> {
    let told = node.says(&["CLUSTER", "NODES"]);
    let lines = told.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let slots = words[8..].iter().filter(|word| !word.starts_with('['));
        [words[0], words[6]].iter().chain(slots).copied().collect::<Vec<_>>().join(" ")
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// All keys of a scan, with something done after each page.
fn walk(backend: &mut dyn Backend, mut then: impl FnMut(usize)) -> BTreeSet<String> {
    let (mut keys, mut cursor) = (BTreeSet::new(), Some(Cursor::Start));
    for page in 0.. {
        let Some(at) = cursor else { break };
        assert!(page < 1000, "a scan of a few thousand keys has no end");
        let told = backend.scan(&Pattern::all(), None, at).unwrap();
        keys.extend(told.keys.into_iter().map(|key| String::from_utf8(key.key).unwrap()));
        cursor = told.next;
        then(page);
    }
    keys
}

#[test]
fn a_slot_that_moves_while_it_is_walked_over_hides_nothing() {
    let cluster = Cluster::start(3, 0);
    let keys = fill(&cluster.url(), 3000);
    let mut backend = open(&cluster.url())().unwrap();
    // From each node to the one before it, and to the one after it: one of the two was walked over already.
    for step in [1, 2] {
        let mut moved = Vec::new();
        let seen = walk(&mut *backend, |page| {
            for at in (page * 40..page * 40 + 40).step_by(8).filter(|_| page < 6) {
                let slot = cluster.slot(&key(at));
                let owner = (0..3).find(|node| has(&cluster.nodes[*node], slot)).unwrap();
                let (from, to) = (&cluster.nodes[owner], &cluster.nodes[(owner + step) % 3]);
                send(slot, from, to);
                // Some stay on their way until the walk is over.
                match at % 16 {
                    0 => hand_over(slot, &cluster, to),
                    _ => moved.push((slot, (owner + step) % 3)),
                }
            }
        });
        assert_eq!(keys.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new(), "step {step}");
        assert_eq!(seen.len(), 3000);
        for (slot, to) in moved {
            hand_over(slot, &cluster, &cluster.nodes[to]);
        }
    }
}

/// Whether a node has a slot.
pub fn has(node: &Server, slot: usize) -> bool {
    let told = node.says(&["CLUSTER", "NODES"]);
    let own = told.lines().find(|line| line.contains("myself")).unwrap();
    own.split(' ').skip(8).filter(|word| !word.starts_with('[')).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        (first.parse().unwrap()..=last.parse().unwrap()).contains(&slot)
    })
}

fn there<T>(found: Vec<Option<T>>) -> Vec<bool> {
    found.iter().map(Option::is_some).collect()
}

#[test]
fn a_key_on_its_way_is_found_where_it_is() {
    let cluster = Cluster::start(2, 0);
    for protocol in [2, 3] {
        let url = format!("{}?protocol={protocol}", cluster.url());
        let mut backend = open(&url)().unwrap();
        let tagged = |name: &str| StoredKey::new(format!("{{way{protocol}}}{name}"));
        let names = ["a", "b", "counter", "new"].map(tagged);
        backend.set_many(&[write(&names[0].key, "1"), write(&names[2].key, "7")]).unwrap();
        let slot = cluster.slot(&String::from_utf8(names[0].key.clone()).unwrap());
        let (from, to) = if slot < 8192 { (0, 1) } else { (1, 0) };
        send(slot, &cluster.nodes[from], &cluster.nodes[to]);
        assert_eq!(there(backend.get_many(&names).unwrap()), [true, false, true, false]);
        assert_eq!(there(backend.facts_many(&names).unwrap()), [true, false, true, false]);
        assert_eq!(backend.increment(&names[2], 1, Expiry::In(3_600_000)), Ok(8), "a transaction");
        assert_eq!(backend.increment(&names[3], 1, Expiry::In(3_600_000)), Ok(1), "a transaction that creates");
        assert_eq!(backend.set_many(&[write(&names[1].key, "2")]).unwrap(), [true]);
        hand_over(slot, &cluster, &cluster.nodes[to]);
        assert_eq!(there(backend.get_many(&names).unwrap()), [true; 4]);
        let reply = backend.raw(&[b"GET".to_vec(), names[0].key.clone()]);
        assert_eq!(reply, Ok(Reply::Bytes(b"1".to_vec())));
        assert_eq!(backend.delete_many(&names).unwrap(), [true; 4]);
    }
}

#[test]
fn a_replica_that_takes_over_during_a_walk_is_walked_over() {
    let mut cluster = Cluster::start(3, 1);
    let keys = fill(&cluster.url(), 3000);
    let size = |node: &Server| node.command(&[b"DBSIZE"]);
    until("the replica has all keys", || size(&cluster.nodes[3]) == size(&cluster.nodes[0]));
    // Through another node: the first will not be there.
    let mut backend = open(&cluster.nodes[1].url())().unwrap();
    let slots_of_first = |key: &str| cluster.slot(key) < 16384 / 3;
    let of_first = keys.iter().find(|key| slots_of_first(key)).unwrap().clone();
    let mut first = Some(cluster.nodes.remove(0));
    let seen = walk(&mut *backend, |page| {
        if page == 0 {
            drop(first.take());
        }
    });
    assert_eq!(keys.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(backend.get_many(&[StoredKey::new(of_first)]).unwrap()[0].is_some());
    assert_eq!(backend.count(), Ok(Some(3000)));
}

/// A primary is killed while keys are deleted: what was not done is said, and the same command goes on.
#[test]
fn a_primary_that_dies_among_deletions_leaves_them_resumable() {
    let mut cluster = Cluster::start(3, 1);
    fill(&cluster.url(), 30_000);
    let size = |node: &Server| node.command(&[b"DBSIZE"]);
    until("the replica has all keys", || size(&cluster.nodes[3]) == size(&cluster.nodes[0]));
    let env = Env::new().with("CACHECTL_BACKEND", format!("redis+cluster://127.0.0.1:{}", cluster.nodes[1].port));
    let (before, deletes) = (size(&cluster.nodes[0]), ["--timeout", "10s", "del", "--match", "key:*", "--yes"]);
    let ran = std::thread::scope(|scope| {
        let ran = scope.spawn(|| env.run(deletes));
        let first = cluster.nodes.remove(0);
        until("deletion has begun", || size(&first) != before);
        drop(first);
        ran.join().unwrap()
    });
    assert!(matches!(ran.status, Some(0 | 7)) && ran.stdout.is_empty(), "{ran}");
    assert!(ran.status == Some(0) || ran.stderr().contains("the same command goes on"), "{ran}");
    // What the primary had not told its replica yet is there again.
    assert!(matches!(env.run(deletes).status, Some(0 | 1)));
    assert_eq!(env.run(["ls"]).status, Some(1));
}

#[test]
fn replicas_are_read_and_never_written() {
    let cluster = Cluster::start(2, 2);
    let keys = fill(&cluster.url(), 300);
    let (primaries, replicas) = cluster.nodes.split_at(2);
    let size = |node: &Server| node.command(&[b"DBSIZE"]);
    until("the replicas have all keys", || primaries.iter().map(size).eq(replicas.iter().map(size)));
    // A node names a replica when it has heard how far it is.
    let ranges = |node: &Server| match node.command(&[b"CLUSTER", b"SLOTS"]) {
        redis::Value::Array(ranges) => ranges,
        other => panic!("{other:?}"),
    };
    let named = |range: &redis::Value| matches!(range, redis::Value::Array(parts) if parts.len() == 4);
    until("the nodes name the replicas", || cluster.nodes.iter().all(|node| ranges(node).iter().all(named)));
    for node in &cluster.nodes {
        node.command(&[b"CONFIG", b"RESETSTAT"]);
    }
    let env = Env::new().with("CACHECTL_BACKEND", cluster.url());
    let all: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(env.ok([&["--replica", "get", "-o", "jsonl"], &all[..]].concat()).matches("\"hit\": true").count(), 300);
    assert_eq!(lines(&env.ok(["--replica", "ls"])), keys);
    let asked = |node: &Server| ["cmdstat_getrange", "cmdstat_scan"].map(|one| node.info("commandstats").contains(one));
    assert!(replicas.iter().all(|node| asked(node) == [true; 2]), "the replicas answered");
    assert!(primaries.iter().all(|node| asked(node) == [false; 2]), "and the primaries were left in peace");
    for writes in [
        &["set", "k", "1"][..],
        &["del", "key:0000"],
        &["incr", "n"],
        &["raw", "SET", "key:0000", "1"],
        &["raw", "EVAL", "return redis.call('SET', KEYS[1], '1')", "1", "key:0000"],
        &["raw", "CONFIG", "SET", "maxmemory", "1gb"],
        &["raw", "FLUSHALL"],
        &["raw", "NONSENSE"],
    ] {
        assert!(env.fails([&["--replica"], writes].concat(), 2).contains("--replica only reads"), "{writes:?}");
    }
    assert_eq!(env.ok(["--replica", "raw", "GET", "key:0000"]), "\"\\\"0\\\"\"\n");
    // What no table here has, the server says of: it only reads.
    assert_eq!(env.ok(["--replica", "raw", "PFCOUNT", "none"]), "(integer) 0\n");
    assert!(env.run(["--replica", "raw", "DBSIZE"]).stderr().contains("of 2 primaries"));
    let ping = env.run(["--replica", "ping"]);
    assert!(ping.stderr().is_empty() && String::from_utf8_lossy(&ping.stdout).contains("2 primaries"), "{ping}");
    assert!(primaries.iter().all(|node| !node.info("commandstats").contains("cmdstat_get:")), "in peace still");
    assert!(env.fails(["--replica", "-b", &primaries[0].url(), "ls"], 2).contains("names one store"));
}

#[test]
fn what_is_asked_of_nodes_that_do_not_answer_ends() {
    let cluster = Cluster::start(2, 0);
    fill(&cluster.url(), 100);
    let impatient = Options { timeout: std::time::Duration::from_millis(300), ..options() };
    let mut backend = parse(&cluster.url(), &impatient).unwrap()().unwrap();
    cluster.nodes[1].signal("STOP");
    let mut cursor = Some(Cursor::Start);
    let error = loop {
        match backend.scan(&Pattern::all(), None, cursor.take().expect("a scan that does not see everything fails")) {
            Ok(page) => cursor = page.next,
            Err(error) => break error,
        }
    };
    assert!(error.kind == ErrorKind::Partial && error.message.contains("no answer within"), "{error}");
    cluster.nodes[1].signal("CONT");
}
