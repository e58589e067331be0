//! Entries to a file and back: export, import, --backup, and what may become of the file between.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::env::Env;
use crate::server::{Cluster, Memcached, Server, until};

/// A place of its own whose backend is `url`.
fn on(url: &str) -> Env {
    Env::new().with("CACHECTL_BACKEND", url)
}

/// One entry of every type that Redis has, with binary names and odd members.
fn fill(server: &Server) {
    for command in [
        &[&b"SET"[..], b"text", b"h\xc3\xa9llo\n\x1b[31m"][..],
        &[b"SET", b"\xff\x00 binary", b"\x80\x04K*."],
        &[b"SET", b"empty", b""],
        &[b"SET", b"short", b"v", b"PX", b"900000"],
        &[b"HSET", b"hash", b"f", b"1", b"\xfe", b"\x00", b"", b""],
        &[b"RPUSH", b"list", b"b", b"a", b"b", b"\xff"],
        &[b"SADD", b"set", b"one", b"two", b""],
        &[b"ZADD", b"zset", b"1.1", b"m", b"-inf", b"low", b"+inf", b"high", b"1e300", b"much", b"5e-324", b"little"],
        &[b"XADD", b"stream", b"1-1", b"f", b"v", b"f", b"w"],
        &[b"XADD", b"stream", b"5-0", b"g", b"\xff"],
        &[b"XGROUP", b"CREATE", b"hollow", b"g", b"$", b"MKSTREAM"],
        &[b"PEXPIRE", b"zset", b"800000"],
    ] {
        server.command(command);
    }
    // Members enough for more than one command.
    for at in 0..1200 {
        server.command(&[b"HSET", b"large", format!("field {at}").as_bytes(), format!("{at}").as_bytes()]);
    }
}

/// What a server holds: a digest of all keys and values, without ttls.
fn digest(server: &Server) -> String {
    match server.command(&[b"DEBUG", b"DIGEST"]) {
        redis::Value::SimpleString(digest) => digest,
        reply => panic!("{reply:?}"),
    }
}

/// A number that the server says.
fn number(server: &Server, words: &[&str]) -> i64 {
    match server.command(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()) {
        redis::Value::Int(number) => number,
        reply => panic!("{reply:?}"),
    }
}

#[test]
fn every_type_comes_back_as_it_was() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    fill(&server);
    let (env, before) = (on(&server.url()), digest(&server));
    let told = env.run(["export", "all.jsonl"]);
    assert!(told.stderr().contains(&format!("`cachectl -b {} import all.jsonl` brings them", server.url())), "{told}");
    assert!(told.stderr().contains("but not the consumer groups"), "{told}");
    assert_eq!(told.status, Some(0), "{told}");
    server.command(&[b"FLUSHALL"]);
    assert!(env.run(["import", "all.jsonl"]).stderr().contains("brought 11 entries"));
    assert_eq!(digest(&server), before);
    for key in ["short", "zset"] {
        let ttl = number(&server, &["PTTL", key]);
        assert!((600_000..=900_000).contains(&ttl), "{key}: {ttl}");
    }
    // Once more over what is there, and only what is not.
    env.ok(["import", "all.jsonl"]);
    assert_eq!(digest(&server), before);
    server.command(&[b"DEL", b"zset", b"text"]);
    server.command(&[b"RPUSH", b"list", b"more"]);
    let told = env.run(["import", "--if-not-exists", "all.jsonl"]);
    assert!(told.stderr().contains("brought 2 entries") && told.stderr().contains("left 9 entries that"), "{told}");
    assert_eq!(number(&server, &["LLEN", "list"]), 5);
    // Through a pipe, and what the head and the end are there for is checked by others' tools.
    let lines = env.ok(["export", "--match", "te*"]);
    let (before, end) = lines.trim_end().rsplit_once('\n').unwrap();
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{before}\n").as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(end.contains(&hex) && lines.lines().count() == 3, "{lines}");
    assert!(lines.chars().all(|letter| letter == '\n' || !letter.is_control()), "{lines}");
}

#[test]
fn who_may_not_open_a_transaction_loses_nothing() {
    let server = Server::start(&[]);
    server.command(&[b"HSET", b"h", b"f", b"old"]);
    let env = on(&server.url());
    let archive = env.ok(["export"]);
    let ann = on(&server.url().replace("//", "//ann:pw@"));
    ann.file("h.jsonl", archive);
    server.command(&[b"HSET", b"h", b"f", b"newer"]);
    for denied in ["multi", "exec", "hset", "del"] {
        let words = format!("ACL SETUSER ann reset on >pw ~* +@all -{denied}");
        server.command(&words.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        let told = ann.run(["import", "h.jsonl"]);
        assert_eq!(told.status, Some(4), "{told}");
        assert!(told.to_string().contains(denied), "without {denied}: {told}");
        assert!(env.ok(["get", "h"]).contains("newer"), "without {denied}");
    }
}

#[test]
fn values_can_be_read_and_changed_on_the_way() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    env.ok(["set", "-s", "pickle+zstd://", "k", r#"{"$tuple": [1, {"$bytes": "/w=="}]}"#, "--ttl", "1h"]);
    server.command(&[b"SET", b"raw", b"\x01\x02"]);
    server.command(&[b"RPUSH", b"list", b"a"]);
    let told = env.ok(["export", "--values"]);
    let line = told.lines().find(|line| line.contains("\"k\"")).unwrap();
    assert!(line.contains(r#""serializer": "pickle+zstd://"#), "{line}");
    assert!(line.ends_with(r#""value": {"$tuple": [1, {"$bytes": "/w=="}]}}"#), "{line}");
    let changed: String = told
        .lines()
        .filter(|line| !line.contains("archive"))
        .fold(String::new(), |all, line| all + &line.replace("[1, ", "[2, ") + "\n");
    server.command(&[b"FLUSHALL"]);
    let ran = env.feed(["import", "-"], changed.as_bytes());
    assert_eq!(ran.status, Some(0), "{ran}");
    assert_eq!(env.ok(["get", "k", "-o", "python"]), "(2, b'\\xff')\n");
    assert_eq!(env.ok(["get", "raw", "-o", "raw"]), "\u{1}\u{2}");
    assert_eq!(number(&server, &["LLEN", "list"]), 1);
    // With a serializer of one's own.
    env.feed(["import", "-s", "msgpack://", "-"], br#"{"key": "m", "value": [1], "ttl_ms": 5000}"#);
    assert_eq!(server.command(&[b"GET", b"m"]), redis::Value::BulkString(vec![0x91, 1]));
}

#[test]
fn a_file_that_was_cut_or_changed_is_refused() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    env.ok(["set", "a", "1"]);
    env.ok(["set", "b", "2"]);
    env.ok(["export", "whole.jsonl"]);
    server.command(&[b"FLUSHALL"]);
    let whole = fs::read_to_string(env.path("whole.jsonl")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let count = || number(&server, &["DBSIZE"]);
    let cut = format!("{}\n", lines[..3].join("\n"));
    env.file("cut.jsonl", &cut);
    assert!(env.fails(["import", "cut.jsonl"], 3).contains("has no end: it was cut"));
    assert_eq!(count(), 0, "nothing is stored of a file that is known to be cut");
    let half = &whole[..whole.len() - 20];
    env.file("half.jsonl", half);
    assert!(env.fails(["import", "half.jsonl"], 3).contains("has no end"));
    let told = env.feed(["import", "-"], cut.as_bytes());
    assert_eq!(told.status, Some(7), "what came through a pipe was stored before it was known: {told}");
    assert!(told.stderr().contains("stdin has no end") && told.stderr().contains("2 entries were stored"), "{told}");
    server.command(&[b"FLUSHALL"]);
    env.file("changed.jsonl", whole.replace("MQ==", "OQ=="));
    let told = env.run(["import", "changed.jsonl"]);
    assert!(told.status == Some(7) && told.stderr().contains("do not have the SHA-256 that its end says"), "{told}");
    env.ok(["import", "--unchecked", "cut.jsonl"]);
    env.ok(["import", "--unchecked", "changed.jsonl"]);
    assert_eq!(env.ok(["get", "a"]), "9\n");
    env.file("two.jsonl", whole.repeat(2));
    assert!(env.run(["import", "two.jsonl"]).stderr().contains("are two in one file?"));
    env.file("new.jsonl", whole.replacen("\"cachectl_archive\": 1", "\"cachectl_archive\": 9", 1));
    assert!(env.fails(["import", "new.jsonl"], 2).contains("an archive of version 9, and this cachectl reads 1"));
    for (line, told) in [
        (r#"{"stored_key": "k", "data": "AA==", "type": "vector"}"#, "`type` says `vector`"),
        (r#"{"stored_key": "k", "data": "A", "type": "bytes"}"#, "base64"),
        (r#"{"stored_key": "k", "data": [["AA=="]], "type": "hash"}"#, "a list of pairs"),
        (r#"{"data": "AA==", "type": "bytes"}"#, "no `stored_key`"),
        (r#"{"stored_key": "k", "data": "AA=="}"#, "no `type`"),
        (r#"{"stored_key": "k", "data": "AA==", "type": "bytes", "ttl_ms": "unknown"}"#, "--ttl says which"),
        (r#"{"key": "k", "value": 1, "serializer": "json://", "ttl_ms": "unknown"}"#, "--ttl says which"),
        ("{", "line 2 of stdin"),
    ] {
        let lines = format!("{}\n{line}\n", r#"{"key": "good", "value": 1}"#);
        let ran = env.feed(["import", "-"], lines.as_bytes());
        assert_eq!(ran.status, Some(if line.contains("unknown") { 2 } else { 7 }), "{line}: {ran}");
        assert!(ran.stderr().contains(told), "{line}: {ran}");
        if line.contains("unknown") {
            for command in [&["import", "--ttl", "1h", "-"][..], &["set", "--ttl", "1h", "--from", "-"]] {
                server.command(&[b"DEL", b"k"]);
                let ran = env.feed(command, line.as_bytes());
                // What was stored is no value: set leaves it to import.
                let stores = command[0] == "import" || line.contains("value");
                assert_eq!(ran.status, Some(if stores { 0 } else { 2 }), "{ran}");
                assert_eq!(number(&server, &["PTTL", "k"]) > 3_500_000, stores, "{ran}");
            }
        }
    }
}

#[test]
fn what_is_no_entry_is_left() {
    let server = Server::start(&[]);
    server.command(&[b"RPUSH", b"k", b"here"]);
    let env = on(&server.url());
    for kind in ["hash", "list", "set", "zset"] {
        let line = format!("{{\"stored_key\": \"k\", \"data\": [], \"type\": \"{kind}\"}}\n");
        let ran = env.feed(["import", "-"], line.as_bytes());
        assert_eq!(ran.status, Some(7), "{ran}");
        assert!(ran.stderr().contains(&format!("`k` is a {kind} without members")), "{ran}");
    }
    assert_eq!(number(&server, &["LLEN", "k"]), 1);
    let folder = env.dir().display().to_string();
    assert!(env.fails(["import", &folder], 2).contains("it is a directory"));
}

#[test]
fn an_entry_expires_when_it_was_to_expire() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    let past = r#"{"stored_key": "k", "type": "bytes", "data": "AA==", "ttl_ms": 60000, "expires_at_ms": 1000}"#;
    let told = env.feed(["import", "-"], past.as_bytes());
    assert_eq!(told.status, Some(1), "{told}");
    assert!(told.stderr().contains("1 entry has expired by now: --ttl-left"), "{told}");
    env.feed(["import", "--ttl-left", "-"], past.as_bytes());
    assert!((1..=60_000).contains(&number(&server, &["PTTL", "k"])));
    let told =
        env.feed(["import", "--dry-run", "--ttl-left", "-o", "jsonl", "-"], past.replace("\"k\"", "\"x\"").as_bytes());
    assert_eq!(told.stdout, b"{\"read\": 1, \"stored\": 1, \"existed\": 0, \"expired\": 0, \"unfit\": 0}\n", "{told}");
    assert_eq!(number(&server, &["EXISTS", "x"]), 0);
}

#[test]
fn what_is_deleted_is_kept_before() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    fill(&server);
    let (env, before) = (on(&server.url()), digest(&server));
    let told = env.run(["del", "--match", "*", "--yes", "--backup", "undo.jsonl"]);
    assert_eq!(told.status, Some(0), "{told}");
    assert!(told.stderr().contains("undo.jsonl has 11 entries"), "{told}");
    assert_eq!(number(&server, &["DBSIZE"]), 0);
    env.ok(["import", "undo.jsonl"]);
    assert_eq!(digest(&server), before);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(env.path("undo.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = env.fails(["del", "--match", "*", "--yes", "--backup", "undo.jsonl"], 6);
    assert!(told.contains("undo.jsonl is there already, and may be somebody's only copy"), "{told}");
    assert_eq!(digest(&server), before, "nothing is deleted that cannot be kept");
    // A name each, and what was not there.
    let told = env.run(["del", "text", "nothing", "--backup", "two.jsonl"]);
    assert_eq!(told.status, Some(1), "{told}");
    assert!(told.stderr().contains("two.jsonl has 1 entry") && told.stderr().contains("deleted 1 of 2"), "{told}");
    env.ok(["import", "two.jsonl"]);
    assert_eq!(digest(&server), before);
    env.ok(["-n", "sh", "clear", "--yes", "--backup", "namespace.jsonl"]);
    env.ok(["import", "namespace.jsonl"]);
    assert_eq!(digest(&server), before);
    assert!(env.fails(["clear", "--flush", "--yes", "--backup", "x"], 2).contains("export FILE"));
    // A value that is over the limit cannot be kept, and stays.
    server.command(&[b"SET", b"long", &[b'x'; 5000]]);
    let told = env.run(["del", "--match", "*", "--yes", "--backup", "some.jsonl", "--max", "stored=4000"]);
    assert_eq!(told.status, Some(7), "{told}");
    assert!(told.stderr().contains("stay where they are: `long` is") || told.stderr().contains("`large` is"), "{told}");
    assert_eq!(number(&server, &["EXISTS", "long"]), 1);
}

#[test]
fn a_disk_that_is_full_loses_nothing() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    server.command(&[b"SET", b"k", &[b'x'; 100_000]]);
    let told = env.run(["del", "--match", "*", "--yes", "--backup", "/dev/full"]);
    assert_eq!(told.status, Some(6), "a device is there already: {told}");
    // A file system of two pages.
    let script = "ulimit -f 8; trap '' XFSZ; exec \"$0\" \"$@\"";
    for (words, file) in [(&["del", "--match", "*", "--yes", "--backup"][..], "a.jsonl"), (&["export"], "b.jsonl")] {
        let (command, _) = env.command(words.iter().copied().chain([file]));
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut limited = std::process::Command::new("bash");
        limited.arg("-c").arg(script).arg(program).args(arguments).current_dir(env.dir());
        limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ran = limited.stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(told.contains(&format!("cannot write {file}")) && told.contains("File too large"), "{told}");
        assert_eq!(ran.status.code(), Some(5), "{told}");
    }
    assert_eq!(number(&server, &["EXISTS", "k"]), 1);
}

#[test]
fn what_redis_would_refuse_midway_is_refused_before() {
    let server = Server::start(&[]);
    server.command(&[b"SET", b"k", b"precious"]);
    let env = on(&server.url());
    for (kind, data, more) in [
        ("zset", r#"[["YQ==", {"$float": "nan"}]]"#, ""),
        ("stream", r#"[["abc", [["Zg==", "dg=="]]]]"#, ""),
        ("stream", r#"[["0-0", [["Zg==", "dg=="]]]]"#, ""),
        ("stream", r#"[["5-1", [["Zg==", "dg=="]]], ["4-1", [["Zg==", "dg=="]]]]"#, ""),
        ("list", r#"["YQ=="]"#, r#", "ttl_ms": 9223372036854775807"#),
    ] {
        let line = format!("{{\"stored_key\": \"k\", \"type\": \"{kind}\", \"data\": {data}{more}}}\n");
        let good = r#"{"stored_key": "good", "type": "bytes", "data": "AA=="}"#;
        let ran = env.feed(["import", "-"], format!("{line}{good}\n").as_bytes());
        assert_eq!((ran.status, number(&server, &["STRLEN", "k"])), (Some(7), 8), "{ran}");
        assert!(ran.stderr().contains("brought 1 entry"), "{ran}");
    }
}

#[test]
fn one_entry_that_cannot_be_stored_does_not_stop_the_others() {
    let (server, memcached) = (Server::start(&[]), Memcached::start(&[]));
    server.command(&[b"SET", b"large", &vec![b'x'; 2 << 20]]);
    server.command(&[b"SET", &[b'k'; 300], b"v"]);
    (0..20).for_each(|at| drop(server.command(&[b"SET", format!("k{at}").as_bytes(), b"v"])));
    let env = on(&server.url());
    let ran = env.run(["copy", &memcached.url()]);
    assert_eq!(ran.status, Some(7), "{ran}");
    assert!(ran.stderr().contains("copied 20 entries") && ran.stderr().contains("2 entries cannot be stored"), "{ran}");
}

#[test]
fn an_entry_that_is_left_keeps_the_ttl_of_its_hash() {
    let server = Server::start(&[]);
    server.command(&[b"HSET", b"h", b"f", b"old"]);
    let env = on(&server.url());
    let line = r#"{"stored_key": "h", "field": "f", "ttl_ms": 5000, "type": "bytes", "data": "YQ=="}"#;
    let ran = env.feed(["import", "--if-not-exists", "-"], line.as_bytes());
    assert!(ran.stderr().contains("left 1 entry"), "{ran}");
    assert_eq!(number(&server, &["PTTL", "h"]), -1);
}

#[test]
fn who_brings_back_part_of_it_or_elsewhere_is_told() {
    let (server, other) = (Server::start(&[]), Server::start(&[]));
    server.command(&[b"SET", b"k", b"v"]);
    let archive = on(&server.url()).ok(["export"]).replace("\"complete\": true", "\"complete\": false");
    let ran = on(&other.url()).feed(["import", "-"], archive.as_bytes());
    assert_eq!(ran.status, Some(0), "{ran}");
    assert!(ran.stderr().contains("stdin is marked as not complete"), "{ran}");
    assert!(ran.stderr().contains(&format!("stdin was made from {}", server.url())), "{ran}");
}

#[test]
fn whoever_feeds_a_pipe_keeps_nobody_from_interrupting() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    let (mut command, _) = env.command(["import", "-"]);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let stdin = child.stdin.take();
    until("it has connected", || {
        let told: String = redis::from_redis_value(server.command(&[b"CLIENT", b"LIST"])).unwrap();
        told.lines().count() > 1
    });
    std::thread::sleep(Duration::from_millis(300));
    signal(child.id(), "-INT");
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(130), "{}", String::from_utf8_lossy(&ran.stderr));
    drop(stdin);
}

#[test]
fn what_can_be_exported_can_be_brought_back() {
    let server = Server::start(&[]);
    server.command(&[b"SET", b"large", &vec![b'x'; 50 << 20]]);
    let env = on(&server.url());
    env.ok(["export", "all.jsonl"]);
    server.command(&[b"DEL", b"large"]);
    env.ok(["import", "all.jsonl"]);
    assert_eq!(number(&server, &["STRLEN", "large"]), 50 << 20);
}

#[test]
fn large_entries_are_taken_a_few_at_a_time() {
    let server = Server::start(&[]);
    let value = vec![b'x'; 1 << 20];
    for at in 0..300 {
        server.command(&[b"SET", format!("large:{at}").as_bytes(), &value]);
    }
    let other = Server::start(&[]);
    let env = on(&server.url()).within_mib(256);
    for words in [
        &["export", "all.jsonl"][..],
        &["copy", &other.url()],
        &["diff", &other.url()],
        &["grep", "y"],
        &["del", "--match", "*", "--yes", "--backup", "undo.jsonl"],
        &["import", "undo.jsonl"],
    ] {
        let ran = env.run(words);
        assert_eq!(ran.status, Some(if words[0] == "grep" { 1 } else { 0 }), "{ran}");
    }
    assert_eq!((number(&server, &["DBSIZE"]), number(&other, &["DBSIZE"])), (300, 300));
}

#[test]
fn more_keys_than_were_expected_are_not_touched() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    (0..30).for_each(|at| drop(server.command(&[b"SET", format!("k{at}").as_bytes(), b"v"])));
    for line in ["del --match k* --yes --max-keys 29", "expire --match k* --ttl 1h --yes --max-keys 29"] {
        let told = env.fails(line.split(' '), 6);
        assert!(told.contains("30 keys matching `k*`") && told.contains("--max-keys is 29: nothing was"), "{told}");
    }
    assert_eq!(number(&server, &["DBSIZE"]), 30);
    let told = env.run("expire --match k* --ttl 1h --jitter 1h --yes --max-keys 30".split(' '));
    assert!(told.stderr().contains("given a ttl of 1h to 1h more: 30 keys"), "{told}");
    let ttls: Vec<i64> = (0..30).map(|at| number(&server, &["PTTL", &format!("k{at}")])).collect();
    assert!(ttls.iter().all(|ttl| (3_500_000..=7_200_000).contains(ttl)), "{ttls:?}");
    let (least, most) = (ttls.iter().min().unwrap(), ttls.iter().max().unwrap());
    assert!(most - least > 600_000, "16 draws of an hour: {ttls:?}");
    let told = env.run("expire --match k* --ttl never --dry-run".split(' '));
    assert!(String::from_utf8_lossy(&told.stdout).starts_with("30 keys matching `k*`\n"), "{told}");
    env.ok("del --match k* --yes --max-keys 30 --rate 1000".split(' '));
    assert_eq!(number(&server, &["DBSIZE"]), 0);
}

#[test]
fn a_rate_is_kept_and_an_interrupt_ends_after_the_batch() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    (0..400).for_each(|at| drop(server.command(&[b"SET", format!("k{at}").as_bytes(), b"v"])));
    let (mut command, _) = env.command("del --match k* --yes --rate 100 --backup undo.jsonl".split(' '));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("something is deleted", || number(&server, &["DBSIZE"]) != 400);
    signal(child.id(), "-INT");
    let ran = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(130), "{told}");
    let left = number(&server, &["DBSIZE"]);
    assert!((1..400).contains(&left), "{left}");
    assert!(
        told.contains(&format!("interrupted: deleted {} keys before; the same command goes on", 400 - left)),
        "{told}"
    );
    assert!(told.contains("and is marked as not complete"), "{told}");
    env.ok(["import", "undo.jsonl"]);
    assert_eq!(number(&server, &["DBSIZE"]), 400);
}

#[test]
fn a_walk_that_finds_nothing_can_be_interrupted() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    server.command(&[b"DEBUG", b"POPULATE", b"1000000"]);
    let env = on(&server.url());
    let scans = || {
        let told: String = redis::from_redis_value(server.command(&[b"INFO", b"commandstats"])).unwrap();
        told.split_once("cmdstat_scan:calls=").map_or(0, |(_, rest)| rest.split(',').next().unwrap().parse().unwrap())
    };
    for words in ["del --match nothing* --yes", "grep x --match nothing*", "export --match nothing*"] {
        server.command(&[b"CONFIG", b"RESETSTAT"]);
        let (mut command, _) = env.command(words.split(' '));
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until("it scans", || scans() > 5);
        signal(child.id(), "-INT");
        let ran = child.wait_with_output().unwrap();
        assert_eq!(ran.status.code(), Some(130), "{words}: {}", String::from_utf8_lossy(&ran.stderr));
        assert!(scans() < 1000, "{words}: {} pages of 1000", scans());
    }
}

fn signal(id: u32, name: &str) {
    assert!(std::process::Command::new("kill").args([name, &id.to_string()]).status().unwrap().success());
}

#[test]
fn entries_go_from_any_store_to_the_like() {
    let (memcached, cluster, env) = (Memcached::start(&[]), Cluster::start(3, 0), Env::new());
    let stores = [memcached.url(), cluster.url(), format!("disk://{}", env.path("store").display())];
    for url in &stores {
        let env = on(url);
        for at in 0..50 {
            env.ok(["set", &format!("k{at}"), &format!("[{at}]"), "--ttl", "1h"]);
        }
        env.ok(["export", "all.jsonl"]);
        env.ok(["del", "--match", "*", "--yes"]);
        assert!(env.run(["import", "all.jsonl"]).stderr().contains("brought 50 entries"), "{url}");
        assert_eq!(env.ok(["get", "k7"]), "[7]\n", "{url}");
        let other = on(&stores[1]);
        let archive = env.path("all.jsonl");
        other.ok(["import", archive.to_str().unwrap()]);
    }
    // Types of a store's own have no place elsewhere, and that is said.
    let disk = on(&stores[2]);
    disk.ok(["set", "text", "\"t\"", "--tag", "red"]);
    let line = r#"{"stored_key": "n", "type": "int", "data": 5}"#;
    disk.feed(["import", "-"], line.as_bytes());
    let told = disk.ok(["export"]);
    assert!(told.contains(r#""type": "int", "data": 5}"#) && told.contains(r#""tag": "red""#), "{told}");
    let told = on(&stores[1]).feed(["import", "-"], line.as_bytes());
    assert_eq!(told.status, Some(7), "{told}");
    assert!(told.stderr().contains("`n` is of DiskCache's own type int: `copy --recode URL`"), "{told}");
    let told = on(&stores[0]).feed(["import", "-"], br#"{"stored_key": "l", "type": "list", "data": []}"#);
    assert!(told.stderr().contains("is of Redis's own type list, which no other backend has"), "{told}");
}

#[test]
fn a_server_that_dies_leaves_a_file_that_says_so() {
    let mut server = Server::start(&[]);
    let env = on(&server.url()).within(Duration::from_secs(60));
    (0..3000).for_each(|at| drop(server.command(&[b"SET", format!("k{at}").as_bytes(), b"v"])));
    let (mut command, _) = env.command("export --rate 1000 all.jsonl".split(' '));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("something is written", || fs::metadata(env.path("all.jsonl")).is_ok());
    server.kill();
    let ran = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(matches!(ran.status.code(), Some(5 | 7)), "{told}");
    assert!(told.contains("is marked as not complete"), "{told}");
    let archive = fs::read_to_string(env.path("all.jsonl")).unwrap();
    assert!(archive.trim_end().lines().last().unwrap().contains("\"complete\": false"), "{archive}");
    let entries = archive.lines().count() - 2;
    assert_eq!(told.contains("entries were written before this"), entries > 0, "{told}");
    assert_eq!(ran.status.code(), Some(if entries > 0 { 7 } else { 5 }), "{told}");
}

#[test]
fn entries_are_copied_as_they_are_and_as_another_library_has_them() {
    let (from, to) =
        (Server::start(&["--enable-debug-command", "yes"]), Server::start(&["--enable-debug-command", "yes"]));
    fill(&from);
    let env = on(&from.url());
    let told = env.run(["copy", &to.url(), "--dry-run"]);
    assert!(told.stderr().contains("would copy 11 entries to redis://"), "{told}");
    assert_eq!(number(&to, &["DBSIZE"]), 0);
    let told = env.run(["copy", &to.url()]);
    assert!(told.status == Some(0) && told.stderr().contains("copied 11 entries"), "{told}");
    assert_eq!(digest(&to), digest(&from));
    assert!(env.fails(["copy", &from.url()], 2).contains("source and target are the same"));
    let same = env.run(["diff", &to.url()]);
    assert_eq!(same.status, Some(0), "{same}");
    // A profile that is protected is asked about, whoever it is for.
    let profile = env.file(".cachectl.toml", format!("[profile.p]\nbackend = \"{}\"\nprotected = true\n", to.url()));
    assert!(env.fails(["copy", "@p"], 6).contains("profile `p` is protected"), "{}", profile.display());
    env.ok(["copy", "@p", "--yes=p", "--if-not-exists"]);
    // From cachetory's names and pickles to aiocache's names and JSON.
    from.command(&[b"FLUSHALL"]);
    to.command(&[b"FLUSHALL"]);
    env.ok(["-n", "app:", "set", "-s", "pickle+zstd://", "user", "[1, 2]", "--ttl", "1h"]);
    env.ok(["-n", "app:", "set", "-s", "pickle://", "set", r#"{"$set": [1]}"#]);
    let words = ["-n", "app:", "copy", &to.url(), "--to-layout", "aiocache://ns", "--recode", "json://"];
    let told = env.run(words);
    assert_eq!(told.status, Some(7), "{told}");
    assert!(
        told.stderr().contains("1 entry cannot be stored") && told.stderr().contains("`app:set` cannot be encoded"),
        "{told}"
    );
    assert_eq!(to.command(&[b"GET", b"ns:user"]), redis::Value::BulkString(b"[1, 2]".into()));
    assert!((3_500_000..=3_600_000).contains(&number(&to, &["PTTL", "ns:user"])));
    let store = format!("disk://{}", env.path("store").display());
    env.ok(["copy", &store, "--match", "app:user"]);
    assert_eq!(on(&store).ok(["get", "app:user"]), "[1, 2]\n");
    // A password of the source is never sent elsewhere.
    let env = env.with("CACHECTL_PASSWORD", "from the source");
    let guarded = Server::start(&["--requirepass", "another"]);
    let told = env.run(["-b", &format!("disk://{}", env.path("store").display()), "copy", &guarded.url()]);
    assert!(told.status == Some(4) && told.stderr().contains("wants a password"), "{told}");
}

#[test]
fn a_difference_is_found_on_either_side() {
    let (one, other) = (Server::start(&[]), Server::start(&[]));
    let (here, there) = (on(&one.url()), on(&other.url()));
    for env in [&here, &there] {
        env.ok(["set", "-s", "pickle://", "same", "[1]"]);
    }
    one.command(&[b"HSET", b"h", b"a", b"1", b"b", b"2"]);
    other.command(&[b"HSET", b"h", b"b", b"2", b"a", b"1"]);
    here.ok(["set", "-s", "pickle://?pickle-protocol=2", "recoded", "[1, \"x\"]"]);
    there.ok(["set", "-s", "pickle+zstd://", "recoded", "[1, \"x\"]"]);
    let words = ["diff", &other.url()];
    let told = here.run(words);
    assert_eq!(told.status, Some(1), "{told}");
    assert!(String::from_utf8_lossy(&told.stdout).starts_with("differs     recoded\n  here      bytes, "), "{told}");
    let told = here.run(["diff", &other.url(), "--values"]);
    assert!(told.status == Some(0) && told.stderr().contains("0 of 3 entries differ between"), "{told}");
    here.ok(["set", "mine", "1"]);
    there.ok(["set", "theirs", "2"]);
    there.ok(["set", "same", "[2]"]);
    let told = here.run(["diff", &other.url(), "--values"]);
    let shown = String::from_utf8_lossy(&told.stdout).into_owned();
    for line in ["only here   mine\n", "only there  theirs\n", "differs     same\n  here      [1]\n  there     [2]\n"] {
        assert!(shown.contains(line), "{told}");
    }
    assert_eq!(here.run(["diff", &other.url(), "--limit", "1"]).status, Some(1));
    let records = here.run(["diff", &other.url(), "-o", "jsonl", "--match", "mine"]);
    assert_eq!(records.stdout, b"{\"key\": \"mine\", \"stored_key\": \"mine\", \"differs\": \"here\"}\n", "{records}");
}

#[test]
fn what_cannot_be_read_on_either_side_is_no_sameness() {
    let (one, other) = (Server::start(&[]), Server::start(&[]));
    one.command(&[b"SET", b"a", b"1"]);
    other.command(&[b"SET", b"a", b"1"]);
    other.command(&[b"SET", b"large", &[b'x'; 5000]]);
    for (here, there) in [(&one, &other), (&other, &one)] {
        let ran = on(&here.url()).run(["--max", "stored=1000", "diff", &there.url()]);
        assert_eq!(ran.status, Some(7), "{ran}");
    }
}

#[test]
fn what_stands_in_values_is_found() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    let ada = r#"{"name": "Ada Lovelace", "tags": ["x", "ada"], "age": 36, "esc": "\u001b[31m ada"}"#;
    env.ok(["set", "-s", "pickle+zstd://", "user:1", ada]);
    env.ok(["set", "-s", "json://", "user:2", r#"{"name": "Bob"}"#]);
    server.command(&[b"HSET", b"h", b"field", b"an ada in a hash"]);
    server.command(&[b"SET", b"bytes", b"\x00\xff ada"]);
    let told = env.run(["grep", "ada", "-i"]);
    let mut lines: Vec<&str> = std::str::from_utf8(&told.stdout).unwrap().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r"bytes: b'\x00\xff ada'",
            "h['field']: 'an ada in a hash'",
            r"user:1['esc']: '\x1b[31m ada'",
            "user:1['name']: 'Ada Lovelace'",
            "user:1['tags'][1]: 'ada'",
        ],
        "{told}"
    );
    assert!(told.stderr().contains("5 matches in 4 entries on"), "{told}");
    env.prints(["grep", "^36$"], "user:1['age']: 36\n");
    env.prints(["grep", "-F", "[31m"], "user:1['esc']: '\\x1b[31m ada'\n");
    env.prints(["grep", "ada", "--keys-only", "--match", "user:*"], "user:1\n");
    let record = env.ok(["grep", "Bob", "-o", "jsonl"]);
    let part = r#""stored_key": "user:2", "path": "['name']", "is_key": false, "value": "Bob"}"#;
    assert!(record.lines().count() == 1 && record.contains(part), "{record}");
    env.prints(["grep", "^name$", "--match", "user:2"], "user:2['name']: (the key) 'name'\n");
    assert_eq!(env.run(["grep", "nobody"]).status, Some(1));
    let told = env.fails(["grep", &"(".repeat(100_000)], 2);
    assert!(told.len() < 1000 && told.contains("is no pattern: "), "{told}");
    assert!(env.fails(["grep", "("], 2).contains("`(` is no pattern"));
    assert_eq!(env.ok(["grep", "a", "--limit", "2"]).lines().count(), 2);
}
