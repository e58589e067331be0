//! `stats --keys --hot`: the most used keys, counted by the server or watched.

use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::Env;
use crate::pty;
use crate::server::{Fake, Server};

/// What `stats --keys` says with these arguments, and its remarks.
fn keys(server: &Server, arguments: &[&str]) -> (Value, String) {
    let url = server.url();
    let all = [&["-b", &url, "stats", "--keys", "-o", "json"], arguments].concat();
    let ran = Env::new().run(all);
    let remarks = ran.stderr();
    (serde_json::from_str(&ran.ok()).unwrap(), remarks)
}

fn hottest(stats: &Value) -> Vec<&str> {
    stats["hottest"].as_array().unwrap().iter().map(|listed| listed["key"].as_str().unwrap()).collect()
}

#[test]
fn a_server_that_counts_is_believed() {
    let server = Server::start(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lfu"]);
    for key in [b"cold", b"warm"] {
        server.command(&[b"SET", key, b"v"]);
    }
    // The counter is logarithmic, and its first steps are near certain.
    for _ in 0..2000 {
        server.command(&[b"GET", b"warm"]);
    }
    let (stats, _) = keys(&server, &["--hot", "1"]);
    assert_eq!(hottest(&stats), ["warm"]);
    assert!(stats["hottest"][0]["frequency"].as_u64().unwrap() > 5, "{stats}");
    assert!(stats["idles"].as_array().unwrap().is_empty(), "it does not know idle times then");
}

#[test]
fn a_server_that_does_not_count_is_watched_only_when_asked_to() {
    let server = Server::start(&[]);
    server.command(&[b"SET", b"a", b"v"]);
    let (stats, remarks) = keys(&server, &["--hot"]);
    assert!(hottest(&stats).is_empty() && remarks.contains("--monitor 5s"), "{remarks}");

    let ended = AtomicBool::new(false);
    let (stats, remarks) = thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                for key in [&b"b\n\"\xff"[..], b"a", b"a", b"a"] {
                    server.command(&[b"GET", key]);
                }
                server.command_in(1, &[b"MGET", b"elsewhere", b"elsewhere", b"elsewhere", b"elsewhere"]);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let told = keys(&server, &["--hot", "2", "--monitor", "1s"]);
        ended.store(true, Ordering::Relaxed);
        told
    });
    let listed = stats["hottest"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["key"]), (2, &Value::from("a")), "{stats}");
    assert_eq!(listed[1]["key"]["$bytes"], "Ygoi/w==", "{stats}");
    let uses = |at: usize| listed[at]["frequency"].as_u64().unwrap();
    assert!(uses(0) >= 2 * uses(1) && uses(1) > 0, "{stats}");
    assert!(remarks.contains("commands in 1s"), "{remarks}");
}

#[test]
fn who_may_not_watch_is_told_so() {
    let server = Server::start(&["--user", "reader", "on", "nopass", "~*", "+@read", "+info", "+dbsize"]);
    let url = server.url().replace("redis://", "redis://reader:x@");
    let ran = Env::new().run(["-b", &url, "stats", "--keys", "--hot", "--monitor", "1s"]);
    let remarks = ran.stderr();
    assert!(remarks.contains("left out: --hot:") && remarks.contains("NOPERM"), "{remarks}");
    assert!(!ran.ok().is_empty());
}

/// What Redis 8.6 answers to HOTKEYS GET, by its documentation: a list of names and values for each session.
const HOTKEYS: &[u8] = b"*1\r\n*4\r\n$15\r\ntracking-active\r\n:1\r\n$14\r\nby-cpu-time-us\r\n\
    *4\r\n$4\r\nwarm\r\n:900\r\n$4\r\ncool\r\n:7\r\n";

#[test]
fn a_server_that_finds_hot_keys_by_itself_is_asked_to() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let server = Fake::answers(move |command, _| {
        let words: Vec<&str> = command.split("\r\n").skip(2).step_by(2).collect();
        if words.first() == Some(&"HOTKEYS") {
            log.lock().unwrap().push(words[1..].join(" "));
        }
        match words.as_slice() {
            ["HOTKEYS", "GET"] => HOTKEYS.to_vec(),
            ["SCAN", ..] => b"*2\r\n$1\r\n0\r\n*1\r\n$4\r\nwarm\r\n".to_vec(),
            ["TYPE", ..] => b"+string\r\n".to_vec(),
            ["MEMORY" | "PTTL" | "OBJECT" | "DBSIZE", ..] => b":1\r\n".to_vec(),
            ["GETRANGE", ..] => b"$1\r\nv\r\n".to_vec(),
            ["INFO", ..] => b"$19\r\nredis_version:8.6.0\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        }
    });
    let ran = Env::new().run(["-b", &server.url(), "stats", "--keys", "--hot", "1", "-o", "json"]);
    let remarks = ran.stderr();
    let stats: Value = serde_json::from_str(&ran.ok()).unwrap();
    assert_eq!(hottest(&stats), ["warm"], "{stats}");
    assert_eq!(stats["hottest"][0]["frequency"], 900);
    assert!(remarks.contains("us of the server in 5s"), "{remarks}");
    let asked = asked.lock().unwrap();
    assert_eq!(*asked, ["START METRICS 1 CPU COUNT 10 DURATION 5", "GET", "STOP", "RESET"]);
}

/// A watch of a minute, once it has begun.
fn watching(server: &Server, env: &Env) -> std::process::Child {
    let (mut command, _) =
        env.command(["-b", &server.url(), "stats", "--keys", "--hot", "--monitor", "1m", "-o", "json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !server.info("commandstats").contains("cmdstat_monitor") {
        assert!(start.elapsed() < Duration::from_secs(60), "it never watched");
        thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_watch_that_is_interrupted_shows_what_was_found() {
    let (server, env) = (Server::start(&[]), Env::new());
    server.command(&[b"SET", b"a", b"v"]);
    let child = watching(&server, &env);
    server.command(&[b"GET", b"b"]);
    thread::sleep(Duration::from_millis(300));
    pty::signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let stats: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&stats["entries"], &stats["partial"]), (&Value::from(1), &Value::from("interrupted")));
    assert_eq!(hottest(&stats), ["b"]);
}

#[test]
fn a_server_that_goes_away_while_it_is_watched_leaves_what_was_found_before() {
    let (server, env) = (Server::start(&[]), Env::new());
    server.command(&[b"SET", b"a", b"v"]);
    let child = watching(&server, &env);
    drop(server);
    let output = child.wait_with_output().unwrap();
    let stats: Value = serde_json::from_slice(&output.stdout).unwrap();
    let remarks = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &stats["entries"]), (Some(7), &Value::from(1)), "{remarks}");
    assert!(remarks.contains("cannot find the most used keys"), "{remarks}");
}

#[test]
fn a_command_may_be_longer_than_the_memory() {
    let (server, env) = (Server::start(&[]), Env::new().within_mib(160));
    let child = watching(&server, &env);
    // Four bytes for each in what MONITOR repeats.
    server.command(&[b"SET", b"long", &vec![0; 64 << 20]]);
    for key in [&b"long"[..], b"short"] {
        server.command(&[b"STRLEN", key]);
    }
    thread::sleep(Duration::from_secs(2));
    pty::signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    let stats: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), hottest(&stats)), (Some(130), vec!["long", "short"]), "{output:?}");
    assert_eq!(stats["hottest"][0]["frequency"], 2, "{stats}");
}
