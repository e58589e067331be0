//! What goes wrong in the middle of work on many entries: networks, servers, signals. Whatever it is, the command ends
//! in time, its status is right, and no entry is lost that was said to be kept.

use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::env::{Env, Ran};
use crate::proxy::{FAULTS, Fault, Proxy};
use crate::server::{Fake, Server};

const KEYS: usize = 3000;

/// A place of its own whose backend is `url`.
fn on(url: &str) -> Env {
    Env::new().with("CACHECTL_BACKEND", url).within(Duration::from_secs(60))
}

/// How long is waited for a network that fails.
const TIMEOUT: &str = "--timeout=1s";

fn filled() -> Server {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    server.command(&[b"DEBUG", b"POPULATE", KEYS.to_string().as_bytes(), b"key", b"40"]);
    server
}

fn size(server: &Server) -> usize {
    match server.command(&[b"DBSIZE"]) {
        redis::Value::Int(size) => usize::try_from(size).unwrap(),
        reply => panic!("{reply:?}"),
    }
}

fn digest(server: &Server) -> redis::Value {
    server.command(&[b"DEBUG", b"DIGEST"])
}

/// The lines of an archive, head and end not counted; whether it has an end that says it is complete.
fn archive(env: &Env, name: &str) -> (usize, bool) {
    let text = fs::read_to_string(env.path(name)).unwrap_or_default();
    let entries = text.lines().filter(|line| line.starts_with("{\"stored_key\"") && line.ends_with('}')).count();
    (entries, text.lines().last().is_some_and(|line| line.contains("\"complete\": true")))
}

/// Work that is broken off somewhere, and what must be true of it then.
struct Work {
    words: &'static [&'static str],
    /// What holds when the status is 0, and what when it is another.
    judge: fn(&Env, &Server, &Server, &redis::Value, &Ran),
}

const WORKS: &[Work] = &[
    Work {
        words: &["ls"],
        judge: |_, _, _, _, ran| {
            let lines = ran.stdout.iter().filter(|byte| **byte == b'\n').count();
            assert!(ran.status != Some(0) || lines == KEYS, "{lines}: {ran}");
        },
    },
    Work {
        words: &["export", "all.jsonl"],
        judge: |env, _, _, _, ran| {
            let (entries, complete) = archive(env, "all.jsonl");
            assert_eq!(ran.status == Some(0), complete, "{entries}: {ran}");
            assert!(!complete || entries == KEYS, "{entries}: {ran}");
        },
    },
    Work {
        words: &["del", "--match", "*", "--yes", "--backup", "undo.jsonl"],
        judge: |env, server, _, before, ran| {
            assert!(ran.status != Some(0) || size(server) == 0, "{ran}");
            let direct = on(&server.url());
            let undo = env.path("undo.jsonl");
            if undo.exists() {
                let again = direct.run(["import", "--unchecked", undo.to_str().unwrap()]);
                assert!(matches!(again.status, Some(0 | 1)), "{again}");
            }
            assert_eq!(digest(server), *before, "nothing is lost: {ran}");
        },
    },
    Work {
        words: &["import", "given.jsonl"],
        judge: |env, server, _, before, ran| {
            assert!(ran.status != Some(0) || digest(server) == *before, "{ran}");
            let given = env.path("given.jsonl");
            on(&server.url()).ok(["import", given.to_str().unwrap()]);
            assert_eq!(digest(server), *before, "the same command goes on: {ran}");
        },
    },
    Work {
        words: &["copy", "TARGET"],
        judge: |_, server, target, before, ran| {
            assert!(ran.status != Some(0) || digest(target) == *before, "{ran}");
            on(&server.url()).ok(["copy", &target.url()]);
            assert_eq!(digest(target), *before, "the same command goes on: {ran}");
        },
    },
    Work {
        words: &["expire", "--match", "*", "--ttl", "1h", "--yes"],
        judge: |_, server, _, before, ran| {
            let info = server.info("keyspace");
            assert!(ran.status != Some(0) || info.contains(&format!("expires={KEYS},")), "{info} {ran}");
            on(&server.url()).ok(["expire", "--match", "*", "--ttl", "never", "--yes"]);
            assert_eq!(digest(server), *before, "{ran}");
        },
    },
    Work {
        words: &["grep", "--keys-only", "value"],
        judge: |_, _, _, _, ran| {
            let lines = ran.stdout.iter().filter(|byte| **byte == b'\n').count();
            assert!(ran.status != Some(0) || lines == KEYS, "{lines}: {ran}");
        },
    },
    Work {
        words: &["stats", "--keys", "--exact", "-o", "json"],
        judge: |_, _, _, _, ran| {
            let whole = String::from_utf8_lossy(&ran.stdout).contains("\"partial\": null");
            assert!(ran.status != Some(0) || whole, "{ran}");
        },
    },
];

impl Work {
    /// Its words, on a server that is as it was before, and another one that is empty.
    fn prepare(&self, env: &Env, server: &Server, target: &Server, given: &str) -> Vec<String> {
        target.command(&[b"FLUSHALL"]);
        for name in ["all.jsonl", "undo.jsonl"] {
            let _ = fs::remove_file(env.path(name));
        }
        if self.words[0] == "import" {
            env.file("given.jsonl", given);
            server.command(&[b"FLUSHALL"]);
        }
        self.words.iter().map(|word| if *word == "TARGET" { target.url() } else { (*word).to_owned() }).collect()
    }
}

#[test]
fn a_network_that_fails_leaves_the_truth() {
    let (server, target) = (filled(), Server::start(&["--enable-debug-command", "yes"]));
    let (before, given) = (digest(&server), on(&server.url()).ok(["export"]));
    for fault in FAULTS {
        for after in [30, 5_000, 70_000] {
            for work in WORKS {
                let proxy = Proxy::start(server.port, fault, after);
                let env = on(&proxy.url());
                let mut words = work.prepare(&env, &server, &target, &given);
                words.push(TIMEOUT.to_owned());
                let ran = env.run(&words);
                let what = format!("{fault:?} after {after} bytes: {ran}");
                match fault {
                    Fault::Late => assert_eq!(ran.status, Some(0), "{what}"),
                    // What little it asks may have passed.
                    _ => assert!(matches!(ran.status, Some(0 | 5 | 7)), "{what}"),
                }
                assert!(ran.took < Duration::from_secs(15), "{what}");
                assert!(ran.status == Some(0) || ran.stderr().contains("cachectl: "), "{what}");
                (work.judge)(&env, &server, &target, &before, &ran);
            }
        }
    }
}

#[test]
fn a_signal_at_any_moment_loses_nothing() {
    let long = std::env::var_os("CACHECTL_TEST_LONG").is_some();
    let (server, target) = (filled(), Server::start(&["--enable-debug-command", "yes"]));
    let (before, given) = (digest(&server), on(&server.url()).ok(["export"]));
    let mut random = fastrand::Rng::with_seed(7);
    let mut interrupted = 0;
    for seed in 0..if long { 100 } else { 24 } {
        let work = &WORKS[seed % WORKS.len()];
        let (env, name) = (on(&server.url()), if random.bool() { "-INT" } else { "-TERM" });
        let words = work.prepare(&env, &server, &target, &given);
        let (mut command, line) = env.command(&words);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        thread::sleep(Duration::from_micros(random.u64(..120_000)));
        // One that has ended already is not there any more.
        let _ = std::process::Command::new("kill").args([name, &child.id().to_string()]).output();
        let output = child.wait_with_output().unwrap();
        let took = started.elapsed();
        let ran = Ran { line, stdout: output.stdout, stderr: output.stderr, status: output.status.code(), took };
        // Before it listens, a signal ends it as it ends any program; after that it ends by itself.
        assert!(matches!(ran.status, None | Some(0 | 130)), "seed {seed}: {ran}");
        assert!(took < Duration::from_secs(10), "seed {seed}: {ran}");
        interrupted += usize::from(ran.status == Some(130));
        (work.judge)(&env, &server, &target, &before, &ran);
    }
    assert!(interrupted > 0, "no signal came in the middle of any work");
}

#[test]
fn a_server_that_is_killed_in_the_middle_is_said_to_be() {
    for work in WORKS {
        let (mut server, target) = (filled(), Server::start(&["--enable-debug-command", "yes"]));
        let given = on(&server.url()).ok(["export"]);
        let env = on(&server.url());
        let mut words = work.prepare(&env, &server, &target, &given);
        if !matches!(work.words[0], "ls" | "stats") {
            words.extend(["--rate".into(), "2000".into()]);
        }
        let (mut command, line) = env.command(&words);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        thread::sleep(Duration::from_millis(400));
        server.kill();
        let output = child.wait_with_output().unwrap();
        let took = started.elapsed();
        let ran = Ran { line, stdout: output.stdout, stderr: output.stderr, status: output.status.code(), took };
        // What takes no time may have been done before.
        let quick = matches!(work.words[0], "ls" | "stats");
        assert!(matches!(ran.status, Some(5 | 7)) || (quick && ran.status == Some(0)), "{ran}");
        assert!(took < Duration::from_secs(20), "{ran}");
        let told = ran.stderr();
        assert!(quick || told.contains("before this") || ran.status == Some(5), "{ran}");
        if work.words[0] == "export" {
            assert!(!archive(&env, "all.jsonl").1, "{ran}");
        }
    }
}

#[test]
fn ten_thousand_tags_and_a_server_that_dies() {
    let mut server = Server::start(&[]);
    let env = on(&server.url());
    let tags: String = (0..10_000).map(|at| format!("tag{at}\n")).collect();
    env.file("tags", &tags);
    let layout = ["-l", "redis-tagged-cache://ns", "invalidate", "--from", "tags"];
    let (mut command, line) = env.command(layout);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    crate::server::until("some tags are written", || size(&server) > 100 || size(&server) == 10_000);
    server.kill();
    let output = child.wait_with_output().unwrap();
    let took = Duration::ZERO;
    let ran = Ran { line, stdout: output.stdout, stderr: output.stderr, status: output.status.code(), took };
    assert!(matches!(ran.status, Some(0 | 5 | 7)), "{ran}");
    assert!(ran.status == Some(0) || ran.stderr().contains("cannot"), "{ran}");
}

#[test]
fn what_a_server_refuses_is_said_in_its_words() {
    // Full, and it may not evict.
    let server = Server::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let env = on(&server.url());
    let lines: String =
        (0..2000).map(|at| format!("{{\"key\": \"k{at}\", \"value\": \"{}\"}}\n", "x".repeat(2000))).collect();
    let told = env.feed(["import", "-"], lines.as_bytes());
    assert_eq!(told.status, Some(7), "{told}");
    assert!(told.stderr().contains("OOM") && told.stderr().contains("the same command goes on"), "{told}");
    let stored = size(&server);
    let (before, of_batch) = (stored / 500 * 500, stored % 500);
    assert!(
        stored > 500 && told.stderr().contains(&format!("{before} entries were stored before")),
        "{stored}: {told}"
    );
    assert!(told.stderr().contains(&format!("{of_batch} of 500 were done")), "{stored}: {told}");
    // No more clients: the walk wants a connection of its own.
    let server = Server::start(&["--maxclients", "1"]);
    let told = on(&server.url()).run(["del", "--match", "*", "--yes"]);
    assert_eq!(told.status, Some(5), "{told}");
    // A server that refuses does not wait for what it is told, so that its words may be lost.
    let said = ["raise maxclients", "the server closed the connection"];
    assert!(said.iter().any(|words| told.stderr().contains(words)), "{told}");
    // A replica.
    let (primary, replica) = (filled(), Server::start(&["--enable-debug-command", "yes"]));
    let port = primary.port.to_string();
    replica.command(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()]);
    crate::server::until("the replica has all", || size(&replica) == KEYS);
    let told = on(&replica.url()).run(["del", "--match", "*", "--yes"]);
    assert_eq!(told.status, Some(5), "{told}");
    assert!(told.stderr().contains("READONLY") && told.stderr().contains("write to its primary"), "{told}");
    // What cannot be provoked at will, in the words of Redis 7.0.
    for (answer, todo) in [
        (&b"-LOADING Redis is loading the dataset in memory\r\n"[..], "when its data is loaded"),
        (b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n", "a script"),
        (b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", "MASTERDOWN"),
    ] {
        for words in [&["del", "--match", "*", "--yes"][..], &["export"], &["copy", "dummy:"], &["grep", "x"]] {
            let fake = Fake::asked_by_many(move |_| answer.to_vec());
            let told = on(&fake.url()).run(words);
            assert_eq!(told.status, Some(5), "{told}");
            assert!(told.stderr().contains(todo), "{told}");
        }
    }
}

/// Replies as a hostile server makes them: sizes that it only claims, nests, lines without an end, all mixed up.
fn reply(random: &mut fastrand::Rng, depth: usize, out: &mut Vec<u8>) {
    let numbers = ["0", "1", "2", "-1", "7", "65536", "999999999999", "-9223372036854775808", "", "1e9", "0x1", "+3"];
    let number = numbers[random.usize(..numbers.len())];
    let text = |random: &mut fastrand::Rng, out: &mut Vec<u8>| {
        (0..random.usize(..20)).for_each(|_| out.push(random.u8(..)));
    };
    match random.u32(..16) {
        0 => out.extend_from_slice(b"+OK\r\n"),
        1 => out.extend_from_slice(format!("-ERR {number}\r\n").as_bytes()),
        2 => out.extend_from_slice(format!(":{number}\r\n").as_bytes()),
        3 => out.extend_from_slice(format!("${number}\r\n").as_bytes()),
        4 => {
            let length = random.usize(..12);
            out.extend_from_slice(format!("${length}\r\n").as_bytes());
            (0..length).for_each(|_| out.push(random.u8(..)));
            out.extend_from_slice(b"\r\n");
        }
        5..=8 if depth > 0 => {
            let length = random.usize(..4);
            out.extend_from_slice(format!("{}{length}\r\n", ['*', '~', '%', '>'][random.usize(..4)]).as_bytes());
            (0..length).for_each(|_| reply(random, depth - 1, out));
        }
        9 => out.extend_from_slice(format!("*{number}\r\n").as_bytes()),
        10 => out.extend_from_slice(&b"*1\r\n".repeat(random.usize(..20_000))),
        11 => out.extend_from_slice(&vec![b'+'; random.usize(..200_000)]),
        12 => out.extend_from_slice(b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"),
        13 => out.extend_from_slice(b"VA 2 c1 t-1 f0\r\nab\r\nHD\r\nMN\r\nEN\r\n"),
        14 => out.extend_from_slice(format!("VA {number} f{number} t{number}\r\n").as_bytes()),
        _ => text(random, out),
    }
}

#[test]
fn no_reply_brings_it_down() {
    let lines: [&[&str]; 8] = [
        &["get", "k"],
        &["ls", "-l"],
        &["del", "--match", "*", "--yes"],
        &["stats"],
        &["export"],
        &["ping"],
        &["set", "k", "1"],
        &["stats", "--keys"],
    ];
    for seed in 0..120 {
        let fake = Fake::asked_by_many_bytes(seed);
        let scheme = if seed % 4 == 3 { "memcached" } else { "redis" };
        let url = format!("{scheme}://localhost:{}", fake.port);
        let words = [&["--timeout=300ms"], lines[seed as usize % lines.len()]].concat();
        let ran = on(&url).within_mib(512).run(words);
        assert!(matches!(ran.status, Some(0 | 1 | 3 | 4 | 5 | 7)), "seed {seed}: {ran}");
        assert!(ran.took < Duration::from_secs(20), "seed {seed}: {ran}");
    }
}

impl Fake {
    /// One that answers whatever comes with replies of chance.
    fn asked_by_many_bytes(seed: u64) -> Fake {
        Fake::says_to_many(move |at| {
            let mut random = fastrand::Rng::with_seed(seed * 1000 + at);
            let mut out = Vec::new();
            (0..=random.usize(..3)).for_each(|_| reply(&mut random, 4, &mut out));
            out
        })
    }
}
