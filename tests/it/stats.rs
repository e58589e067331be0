//! `stats`: what servers say of themselves, what is wrong with them, and the watch.

use std::fs;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::Env;
use crate::pty::{self, Terminal};
use crate::python;
use crate::server::{Fake, Memcached, Server};

/// What `stats -o json` says of the backend at `url`.
fn stats(url: &str) -> Value {
    let text = Env::new().ok(["-b", url, "stats", "-o", "json"]);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The names of the findings, each with how bad it is.
fn findings(stats: &Value) -> Vec<String> {
    let list = stats["findings"].as_array().unwrap();
    let text = |finding: &Value, part: &str| finding[part].as_str().unwrap().to_owned();
    list.iter().map(|finding| format!("{} {}", text(finding, "severity"), text(finding, "name"))).collect()
}

fn fill(server: &Server, count: usize, bytes: usize) {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    let value = "x".repeat(bytes);
    for number in 0..count {
        stream.write_all(format!("SET fill:{number} {value}\r\n").as_bytes()).unwrap();
    }
    stream.write_all(b"QUIT\r\n").unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn what_redis_says_is_shown() {
    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", "--appendonly", "yes"]);
    server.command(&[b"SET", b"a", b"1"]);
    server.command_in(3, &[b"SET", b"b", b"1", b"EX", b"1000"]);
    for key in [b"a", b"a", b"a", b"x"] {
        let _: redis::Value = server.command(&[b"GET", key]);
    }
    let stats = stats(&server.url());
    let info = server.info("default");
    let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    for (name, theirs) in [
        ("version", "redis_version"),
        ("memory_max", "maxmemory"),
        ("policy", "maxmemory_policy"),
        ("clients_max", "maxclients"),
        ("hits", "keyspace_hits"),
        ("misses", "keyspace_misses"),
        ("expired", "expired_keys"),
        ("evicted", "evicted_keys"),
        ("replicas", "connected_slaves"),
    ] {
        let ours = stats[name].to_string();
        assert_eq!(ours.trim_matches('"'), line(theirs), "{name}");
    }
    for (name, expected) in [
        ("product", Value::from("redis")),
        ("role", "primary".into()),
        ("backend", server.url().into()),
        ("loading", false.into()),
        ("entries", 2.into()),
        ("entries_expiring", 1.into()),
        ("hit_rate", 0.75.into()),
        ("clients", 1.into()),
        ("save_ok", true.into()),
        ("aof_ok", true.into()),
        ("replica_link_up", Value::Null),
        ("evicted_per_s", 0.0.into()),
    ] {
        assert_eq!(stats[name].to_string(), expected.to_string(), "{name}: {stats}");
    }
    assert!(stats["interval_s"].as_f64().is_some_and(|seconds| (0.2..30.0).contains(&seconds)), "{stats}");
    for name in ["memory_used", "memory_peak", "network_in", "network_out", "commands"] {
        assert!(stats[name].as_u64().is_some_and(|count| count > 0), "{name}: {stats}");
    }
    assert_eq!((findings(&stats), stats["withheld"].to_string()), (vec![], "[]".to_owned()));
    let text = Env::new().ok(["-b", &server.url(), "stats"]);
    for part in ["redis 7", "primary", "of 100.0 MiB", "allkeys-lru", "75 % since start", "append-only file  ok"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let kept = |server: &Server| TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
    let server = Server::start(&[]);
    assert_eq!(findings(&stats(&server.url())), ["wrong maxmemory-unset"]);
    let ran = Env::new().run(["-b", &server.url(), "stats"]);
    assert!(ran.ok().contains("wrong: maxmemory is not set: the server grows until the system stops it"));

    let server = Server::start(&["--maxmemory", "3mb"]);
    assert_eq!(findings(&stats(&server.url())), ["wrong noeviction"]);
    fill(&server, 5000, 1000);
    assert_eq!(findings(&stats(&server.url())), ["wrong noeviction", "wrong memory-near-max"]);

    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"]);
    fill(&server, 10, 1);
    let mut blocked = kept(&server);
    blocked.write_all(b"BLPOP queue 0\r\n").unwrap();
    wait_until(|| server.info("default").contains("blocked_clients:1"));
    assert_eq!(findings(&stats(&server.url())), ["notable few-expiring", "notable blocked-clients"]);

    let sound = ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"];
    let server = Server::start(&sound);
    read(&server, 1000);
    assert_eq!(findings(&stats(&server.url())), ["wrong hit-rate"]);
    server.command(&[b"SET", b"nothing", b"1"]);
    read(&server, 1500);
    assert_eq!(findings(&stats(&server.url())), ["notable hit-rate"]);

    let server = Server::start(&sound);
    let directory = server.socket().parent().unwrap().join("dump.rdb");
    fs::create_dir(&directory).unwrap();
    server.command(&[b"BGSAVE"]);
    wait_until(|| server.info("default").contains("rdb_last_bgsave_status:err"));
    assert_eq!(findings(&stats(&server.url())), ["wrong save-failed"]);

    let nobody = crate::server::free_port().to_string();
    let server = Server::start(&[&["--replicaof", "127.0.0.1", &nobody][..], &sound].concat());
    let told = stats(&server.url());
    assert_eq!((findings(&told), &told["role"]), (vec!["wrong replica-link-down".to_owned()], &Value::from("replica")));

    let server = Server::start(&[&["--maxclients", "2"][..], &sound].concat());
    let first = kept(&server);
    assert_eq!(findings(&stats(&server.url())), ["wrong clients-near-max"]);
    let (second, mut third) = (kept(&server), kept(&server));
    third.read_to_end(&mut Vec::new()).unwrap();
    drop((first, second));
    wait_until(|| UnixStream::connect(server.socket()).is_ok_and(|mut stream| answers(&mut stream)));
    wait_until(|| findings(&stats(&server.url())).contains(&"notable rejected-connections".to_owned()));
}

fn answers(stream: &mut UnixStream) -> bool {
    stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
}

/// Reads an entry so often, without its data.
fn read(server: &Server, count: usize) {
    let mut stream = UnixStream::connect(server.socket()).unwrap();
    stream.write_all("EXISTS nothing\r\n".repeat(count).as_bytes()).unwrap();
    stream.read_exact(&mut vec![0; ":0\r\n".len() * count]).unwrap();
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it never came to that");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn evicting_now_is_told_from_evicted_once() {
    let server = Server::start(&["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"]);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::SeqCst) {
                fill(&server, 3000, 1000);
            }
        });
        wait_until(|| !server.info("default").contains("evicted_keys:0\r"));
        let told = stats(&server.url());
        ended.store(true, Ordering::SeqCst);
        assert!(findings(&told).contains(&"wrong evicting".to_owned()), "{told}");
        assert!(told["evicted_per_s"].as_f64().is_some_and(|rate| rate > 0.0), "{told}");
    });
    let told = stats(&server.url());
    assert_eq!(findings(&told), ["notable memory-near-max", "notable evicted"], "{told}");
}

#[test]
fn who_may_ask_little_is_told_little_and_what_is_left_out() {
    let server = Server::start(&[]);
    server.command(&[b"SET", b"a", b"1"]);
    for (user, rules) in
        [("reader", "+@read"), ("pinger", "+ping +info"), ("careful", "+@all -@dangerous"), ("nobody", "+ping")]
    {
        let rules = ["ACL", "SETUSER", user, "on", ">pw", "~*"].into_iter().chain(rules.split(' '));
        server.command(&rules.map(str::as_bytes).collect::<Vec<_>>());
    }
    let url = |user: &str| server.url().replace("redis://", &format!("redis://{user}:pw@"));
    let told = stats(&url("pinger"));
    assert_eq!((told["withheld"].to_string(), &told["entries"]), ("[]".to_owned(), &Value::from(1)));
    let told = stats(&url("reader"));
    assert_eq!((&told["entries"], &told["version"], &told["hits"]), (&1.into(), &version(&server), &Value::Null));
    for part in ["INFO: the user may not", "CONFIG GET maxmemory", "entries of other databases"] {
        assert!(told["withheld"].to_string().contains(part), "{part}: {told}");
    }
    let maps = stats(&format!("{}?protocol=3", url("careful")));
    let told = stats(&url("careful"));
    for name in ["entries", "version", "role", "memory_peak", "withheld"] {
        assert_eq!(maps[name].is_null(), told[name].is_null(), "{name}: {maps}");
    }
    assert!(told["memory_used"].as_u64().is_some() && told["fragmentation"].as_f64().is_some(), "{told}");
    assert_eq!((&told["entries"], &told["memory_max"]), (&1.into(), &Value::Null), "{told}");
    let ran = Env::new().run(["-b", &url("careful"), "stats"]);
    assert!(ran.stderr().contains("left out: INFO: the user may not"), "{ran}");
    let text = ran.ok();
    assert!(text.lines().any(|line| line.contains("held") && line.ends_with(" 1")), "{text}");
    for more in [&["stats"][..], &["stats", "-o", "json"], &["stats", "--watch"]] {
        let refused = Env::new().fails([&["-b", &url("nobody")], more].concat(), 4);
        assert!(refused.contains("INFO") && refused.contains("ACL") && !refused.contains("pw"), "{refused}");
    }
}

fn version(server: &Server) -> Value {
    let info = server.info("default");
    info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap().into()
}

#[test]
fn what_memcached_says_is_shown() {
    let server = Memcached::start(&["-m", "32", "-c", "100"]);
    server.says(b"ms a 1\r\n1\r\nmg a v\r\nmg x v\r\n");
    let told = stats(&server.url());
    for (name, expected) in [
        ("product", Value::from("memcached")),
        ("hits", 1.into()),
        ("misses", 1.into()),
        ("hit_rate", 0.5.into()),
        ("entries", 1.into()),
        ("evicted", 0.into()),
        ("commands", 3.into()),
        ("memory_max", (32 << 20).into()),
        ("policy", "lru".into()),
        ("clients_max", 100.into()),
        ("ops_per_s", 0.0.into()),
        ("save_ok", Value::Null),
        ("role", Value::Null),
    ] {
        assert_eq!(told[name].to_string(), expected.to_string(), "{name}: {told}");
    }
    assert_eq!(findings(&told), [""; 0]);
    let version = server.says(b"version\r\n");
    assert_eq!(format!("VERSION {}\r\n", told["version"].as_str().unwrap()), version);
    let server = Memcached::start_unix(&["-M"]);
    assert_eq!(findings(&stats(&server.url())), ["wrong noeviction"]);
}

#[test]
fn what_a_store_without_a_server_says_is_shown() {
    let env = Env::new();
    let directory = env.path("shop");
    let program = "import sys, diskcache\n\
        cache = diskcache.Cache(sys.argv[1], statistics=1, eviction_policy='none', size_limit=1 << 20)\n\
        cache.set('a', 1)\ncache.set('b', 2, expire=1000)\ncache.get('a')\ncache.get('a')\ncache.get('x')\n\
        cache.set('large', b'x' * (1 << 20))\nprint(cache.volume())\n";
    let volume = python::run(program, &[directory.to_str().unwrap()]);
    let told = stats(&format!("disk://{}", directory.display()));
    for (name, expected) in [
        ("product", Value::from("diskcache")),
        ("entries", 3.into()),
        ("entries_expiring", 1.into()),
        ("hits", 2.into()),
        ("misses", 1.into()),
        ("policy", "none".into()),
        ("memory_max", (1 << 20).into()),
        ("clients", Value::Null),
    ] {
        assert_eq!(told[name].to_string(), expected.to_string(), "{name}: {told}");
    }
    assert_eq!(told["memory_used"].to_string(), volume.trim(), "{told}");
    assert_eq!(findings(&told), ["wrong noeviction", "wrong memory-near-max"]);
    env.ok(["set", "k", "1"]);
    let told: Value = serde_json::from_str(&env.ok(["stats", "-o", "jsonl"])).unwrap();
    assert_eq!((&told["entries"], &told["hits"]), (&1.into(), &Value::Null));
    assert!(told["withheld"].to_string().contains("does not count them"), "{told}");
    assert_eq!(stats("memory:")["entries"], 0);
    let ran = Env::new().run(["-b", "dummy:", "stats"]);
    assert!(ran.stderr().contains("dummy: tells nothing of itself"), "{ran}");
    assert_eq!(ran.ok(), "dummy:\n");
}

/// A script finds each fact in each output under the same name, and the README has them all.
#[test]
fn the_names_are_the_same_everywhere() {
    let server = Server::start(&[]);
    let told = stats(&server.url());
    let names: Vec<&String> = told.as_object().unwrap().keys().filter(|name| *name != "withheld").collect();
    let table = Env::new().ok(["-b", &server.url(), "stats", "-o", "csv"]);
    let mut lines = table.lines();
    assert_eq!(lines.next().unwrap().split(',').collect::<Vec<_>>(), names);
    let row: Vec<&str> = lines.next().unwrap().split(',').collect();
    assert_eq!((row.len(), row[row.len() - 1], lines.next()), (names.len(), "maxmemory-unset", None));
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let lost = told.as_object().unwrap().keys().find(|name| !readme.contains(&format!("`{name}`")));
    assert_eq!(lost, None, "a name that the README does not have");
}

#[test]
fn what_means_nothing_is_refused() {
    let env = Env::new();
    for (args, part) in [
        (&["stats", "-o", "plain"][..], "-o json"),
        (&["stats", "-o", "raw"], "-o json"),
        (&["stats", "--watch", "0"], "at least 100ms"),
        (&["stats", "--watch", "soon"], "length of time"),
        (&["ls", "-o", "csv"], "-o csv is for tables"),
        (&["get", "k", "-o", "csv"], "-o csv is for tables"),
        (&["encode", "1", "-o", "csv"], "-o csv is for tables"),
    ] {
        let refused = env.fails([&["-b", "memory:"], args].concat(), 2);
        assert!(refused.contains(part), "{args:?}: {refused}");
    }
    let gone = format!("redis://127.0.0.1:{}/0", crate::server::free_port());
    for more in [&["stats"][..], &["stats", "--watch"]] {
        env.fails([&["-b", &gone], more].concat(), 5);
    }
}

#[test]
fn what_a_server_makes_up_does_no_harm() {
    let env = Env::new().within_mib(512);
    let hostile = b"redis_version:\x1b[2J\r\nserver_name:\xff\xfe\r\nused_memory:-1\r\nmaxmemory:nan\r\n\
        maxmemory_policy:a b\r\nmem_fragmentation_ratio:inf\r\nused_cpu_user:NaN\r\nrole:\x9b\r\n\
        uptime_in_seconds:18446744073709551615\r\nmaxclients:0\r\n";
    let reply = [format!("${}\r\n", hostile.len()).as_bytes(), hostile, b"\r\n"].concat();
    // One for each command that a question may be.
    let fake = Fake::always_says(reply.repeat(8).leak());
    let ran = env.run(["-b", &fake.url(), "stats", "-o", "json"]);
    let told: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    assert_eq!((&told["uptime_s"], &told["clients_max"]), (&u64::MAX.into(), &0.into()), "{told}");
    for name in ["version", "product", "memory_used", "memory_max", "policy", "fragmentation", "cpu_user_s", "role"] {
        assert_eq!(told[name], Value::Null, "{name}: {told}");
    }
    let ran = env.run(["-b", &fake.url(), "stats"]);
    assert!(ran.status == Some(0) && !ran.stdout.contains(&0x1b), "{ran}");
    // An old Redis says less in INFO, and more in CONFIG.
    let old = b"$52\r\nredis_version:5.0.0\r\nmaxmemory:0\r\nmaxmemory_policy:x\r\n\
        *2\r\n$10\r\nmaxclients\r\n$2\r\n77\r\n";
    let told = stats(&Fake::always_says(old).url());
    assert_eq!((&told["clients_max"], &told["version"]), (&77.into(), &"5.0.0".into()), "{told}");
    for (answer, status) in [
        (&b"$4\r\nnone\r\n"[..], 5),
        (b":1\r\n", 5),
        (b"-ERR no\r\n", 5),
        (b"-NOAUTH Authentication required.\r\n", 4),
        (b"$99999999999\r\n", 3),
        (b"HTTP/1.1 400\r\n\r\n", 5),
    ] {
        let fake = Fake::always_says(answer.repeat(8).leak());
        let ran = env.run(["-b", &fake.url(), "--timeout", "2s", "stats"]);
        assert!(ran.status == Some(status) && ran.stdout.is_empty(), "{}: {ran}", answer.escape_ascii());
    }
    let fake = Fake::opens_and_repeats(b"STAT a 1\r\n");
    let ran = env.run(["-b", &fake.memcached_url(), "stats"]);
    assert!(ran.status == Some(5) && ran.took < Duration::from_secs(20), "{ran}");
}

#[test]
fn a_watch_changes_in_place_and_ends_with_the_terminal_as_it_was() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let mut terminal = Terminal::start(&env, ["stats", "--watch", "100ms"]);
    terminal.wait_for("clients");
    for count in [1u8, 2, 3] {
        server.command(&[b"CONFIG", b"SET", b"maxmemory", format!("{count}0mb").as_bytes()]);
        terminal.wait_for(&format!("of {count}0.0 MiB"));
    }
    terminal.wait_for("▁");
    terminal.resize(40);
    server.command(&[b"CONFIG", b"SET", b"maxmemory", b"50mb"]);
    terminal.wait_for("of 50.0 MiB");
    let started = Instant::now();
    terminal.signal("INT");
    let shown = terminal.finish();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(shown.status, Some(130));
    let text = shown.text();
    assert!(text.contains("Aredis "), "it goes back up: {text:?}");
    assert!(text.ends_with("\r\x1b[K") && !text.contains("\x1b[?"), "{text:?}");
    let frame = text.split("\x1b[J").filter(|frame| frame.contains("of 50.0 MiB")).last().unwrap();
    assert!(
        frame.replace("\x1b[K\n ", "").contains("for a cache CONFIG SET maxmemory-policy allkeys-lru"),
        "{frame:?}"
    );
    for line in frame.lines() {
        let line = line.trim_start_matches("\x1b[").trim_start_matches(|c: char| c.is_ascii_digit());
        assert!(line.trim_start_matches('A').trim_end_matches("\x1b[K").chars().count() < 40, "{line:?}");
    }
}

#[test]
fn a_second_signal_ends_at_once_what_waits_for_a_server() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let mut watch = Piped::start(&env, &["--timeout", "10m"]);
    watch.line();
    server.command(&[b"CLIENT", b"PAUSE", b"600000", b"ALL"]);
    let started = Instant::now();
    while watch.child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < Duration::from_secs(20), "it still waits");
        pty::signal(&watch.child, "INT");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_watch_ends_at_a_signal_however_long_its_interval_is() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    for name in ["INT", "TERM", "HUP"] {
        let mut terminal = Terminal::start(&env, ["stats", "--watch", "1h"]);
        terminal.wait_for("control-C ends");
        let started = Instant::now();
        terminal.signal(name);
        assert_eq!(terminal.finish().status, Some(130), "{name}");
        assert!(started.elapsed() < Duration::from_secs(5), "{name}: {:?}", started.elapsed());
    }
    assert!(pty::hang_up(&env, ["stats", "--watch", "100ms"]), "it went on without a terminal");
}

/// A watch whose stdout is a pipe.
struct Piped {
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Piped {
    fn start(env: &Env, args: &[&str]) -> Piped {
        let (mut command, _) = env.command([&["stats", "--watch", "100ms"], args].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Piped { child, lines: Some(lines) }
    }

    fn line(&mut self) -> String {
        self.lines.as_mut().unwrap().next().expect("a line more").unwrap()
    }

    fn record(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Ends it by a signal: its status, and what it said on stderr.
    fn end(mut self) -> (Option<i32>, String) {
        pty::signal(&self.child, "INT");
        let status = self.child.wait().unwrap().code();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_watch_into_a_pipe_is_a_line_an_interval() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let mut watch = Piped::start(&env, &["-o", "jsonl"]);
    assert!(watch.record()["interval_s"].as_f64().is_some_and(|seconds| seconds >= 0.1));
    server.command(&[b"SET", b"a", b"1"]);
    while watch.record()["entries"] != 1 {}
    assert_eq!(watch.end(), (Some(130), String::new()));
    let mut watch = Piped::start(&env, &["-o", "csv"]);
    let (header, first, second) = (watch.line(), watch.line(), watch.line());
    assert!(header.starts_with("time,backend,product") && first.contains(",redis,") && second.contains(",redis,"));
    drop(watch);
    let mut watch = Piped::start(&env, &[]);
    let line = watch.line();
    assert!(line.contains("  ops/s ") && line.ends_with("! maxmemory-unset"), "{line}");
    // Who reads no more ends it, and that is no failure.
    watch.lines = None;
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_watch_outlives_a_restart_of_the_counters_and_a_server_that_does_not_answer() {
    let server = Server::start(&["--maxmemory", "100mb"]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    read(&server, 50);
    let mut watch = Piped::start(&env, &["-o", "jsonl", "--timeout", "300ms"]);
    assert_eq!(watch.record()["misses"], 50);
    server.command(&[b"CONFIG", b"RESETSTAT"]);
    while watch.record()["misses"] != 0 {}
    watch.record();
    server.command(&[b"CLIENT", b"PAUSE", b"1500", b"ALL"]);
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(1500) {
        watch.record();
    }
    let (status, said) = watch.end();
    assert_eq!(status, Some(130));
    for (part, count) in [("the counters began anew", 1), ("it is asked again", 1), ("reached again after 1 s", 1)] {
        assert_eq!(said.matches(part).count(), count, "{part}: {said}");
    }
}
