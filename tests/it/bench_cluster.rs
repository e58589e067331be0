//! `bench` on several servers: each request goes to the node that has its key, whatever the nodes do meanwhile.

use std::io::Read as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{hand_over, has, send};
use crate::env::{Env, Ran};
use crate::pty;
use crate::server::{Certificates, Cluster, Fake, Server, until};

fn record(ran: &Ran) -> Value {
    let text = String::from_utf8_lossy(&ran.stdout);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

fn number(record: &Value, path: &str) -> f64 {
    record.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number {path} in {record}"))
}

fn keys_left(node: &Server) -> i64 {
    redis::from_redis_value(node.command(&[b"DBSIZE"])).unwrap()
}

fn has_got(node: &Server, command: &str) -> bool {
    node.info("commandstats").contains(&format!("cmdstat_{command}:"))
}

/// Runs a load that takes long enough, and does something to the servers while it goes on.
fn meanwhile(env: &Env, args: &[&str], nodes: &[Server], act: impl FnOnce()) -> Ran {
    for node in nodes {
        node.command(&[b"CONFIG", b"RESETSTAT"]);
    }
    thread::scope(|scope| {
        let ran = scope.spawn(|| env.run([args, &["-o", "json"]].concat()));
        until("the load has begun", || nodes.iter().all(|node| has_got(node, "get") || has_got(node, "hget")));
        act();
        ran.join().unwrap()
    })
}

#[test]
fn every_operation_goes_to_the_node_that_has_its_key() {
    let (cluster, env) = (Cluster::start(3, 0), Env::new());
    let node = cluster.nodes[2].url();
    for (url, layout, mix, more) in [
        (cluster.url(), "plain://app:", "get=6,set=3,del=1,incr=1", &["--pipeline", "1"][..]),
        (cluster.url(), "plain://app:", "get=6,set=3,del=1,incr=1", &["--pipeline", "16", "--threads", "2"]),
        (format!("{}?protocol=3", cluster.url()), "plain:", "get,set", &["--value-size", "64=9,70000=1"]),
        (node, "aiocache://app", "get=6,set=3,del=1,incr=1", &["--rate", "3000"]),
        (cluster.url(), "rtc://app", "get=16,set=2,del=1,invalidate=1,incr=1", &["--pipeline", "4"]),
        (cluster.url(), "pyredis-cache://Class/Student", "get=6,set=3,del=1,incr=1", &["--hit-rate", "50%"]),
        (cluster.url(), "plain:", "get", &["--no-preload", "--cache-aside=1ms"]),
    ] {
        cluster.nodes.iter().for_each(|node| drop(node.command(&[b"CONFIG", b"RESETSTAT"])));
        let load = ["--mix", mix, "--requests", "3000", "--key-count", "1000", "--clients", "7"];
        let ran = env.run([&["-b", &url, "-l", layout, "bench", "-o", "json"], &load[..], more].concat());
        let told = record(&ran);
        assert!(ran.status == Some(0) && !ran.stderr().contains("left"), "{ran}");
        let written_back = if more.contains(&"--no-preload") { number(&told, "/operations/0/misses") } else { 0.0 };
        assert_eq!((number(&told, "/count") - written_back, number(&told, "/errors")), (3000.0, 0.0), "{told}");
        assert_eq!((&told["primaries"], &told["redirects"]), (&json!(3), &json!({"moved": 0, "ask": 0})), "{told}");
        // Of each question that a request takes, whichever node it is for.
        assert!(number(&told, "/server/commands") >= 3000.0 && number(&told, "/hit_rate") > 0.2, "{told}");
        let read = if layout.starts_with("pyredis") { "hget" } else { "get" };
        assert!(cluster.nodes.iter().all(|node| has_got(node, read)), "{layout}: each has some of the keys");
        assert_eq!(cluster.nodes.iter().map(keys_left).sum::<i64>(), 0, "{layout}");
    }
    let text = env.ok(["-b", &cluster.url(), "bench", "--requests", "100"]);
    assert!(text.contains("cluster of 3 primaries: no redirects"), "{text}");
    let sweep = record(&env.run(["-b", &cluster.url(), "bench", "--sweep=5s", "-o", "json"]));
    assert!(number(&sweep, "/sweep/knee") > 0.0 && sweep["primaries"] == 3, "{sweep}");
}

#[test]
fn a_cluster_under_tls_is_loaded_and_pinged() {
    let certificates = Certificates::new();
    let (cluster, env) = (Cluster::start_tls(&certificates), Env::new());
    let (url, ca) = (format!("rediss+cluster://127.0.0.1:{}", cluster.nodes[0].port), certificates.file("ca.pem"));
    let by = ["--tls-ca", ca.to_str().unwrap(), "-b", &url];
    let load = ["bench", "--requests", "2000", "--pipeline", "8", "--value-size", "64=9,70000=1", "-o", "json"];
    let told = record(&env.run([&by[..], &load].concat()));
    assert_eq!((number(&told, "/count"), number(&told, "/errors"), &told["primaries"]), (2000.0, 0.0, &json!(3)));
    let told = record(&env.run([&by[..], &["ping", "-o", "json"]].concat()));
    assert!(told["tls"]["version"].as_str().unwrap().starts_with("TLSv1"), "{told}");
}

/// Names of which those with the same letter are in one slot, and the letters.
fn names(env: &Env) -> (String, Vec<String>) {
    let letters: Vec<String> = ('a'..='z').map(|letter| letter.to_string()).collect();
    let lines = letters.iter().flat_map(|letter| (0..20).map(move |at| format!("{{{letter}}}{at}\n")));
    (env.file("names", lines.collect::<String>()).to_str().unwrap().to_owned(), letters)
}

#[test]
fn slots_that_move_during_a_load_are_followed_and_nothing_is_missed() {
    let (cluster, env) = (Cluster::start(3, 0), Env::new());
    let (names, letters) = names(&env);
    for (step, more) in [
        (1, &["--mix", "get=6,set=3,incr=1"][..]),
        (2, &["--pipeline", "16", "--threads", "2", "--value-size", "64=9,70000=1"]),
        (1, &["--rate", "500"]),
    ] {
        let load = ["-b", &cluster.url(), "bench", "--keys", &names, "--duration", "6s"];
        let ran = meanwhile(&env, &[&load[..], more].concat(), &cluster.nodes, || {
            for letter in &letters[..3] {
                let slot = cluster.slot(letter);
                let owner = (0..3).find(|node| has(&cluster.nodes[*node], slot)).unwrap();
                let (from, to) = (&cluster.nodes[owner], &cluster.nodes[(owner + step) % 3]);
                send(slot, from, to);
                let asked = || to.says(&["INFO", "commandstats"]).contains("cmdstat_asking:");
                until("a client is sent to where the slot is going", asked);
                hand_over(slot, &cluster, to);
            }
        });
        let told = record(&ran);
        let [moved, ask] = ["moved", "ask"].map(|name| number(&told, &format!("/redirects/{name}")));
        assert!(ran.status == Some(0) && number(&told, "/errors") == 0.0, "{more:?}: {ran}");
        assert!(moved > 0.0 && ask > 0.0 && told["hit_rate"] == 1.0, "{more:?}: {told}");
        let text = told["operations"].as_array().unwrap().last().unwrap();
        assert!(number(text, "/count") > 1000.0, "{told}");
        assert_eq!(cluster.nodes.iter().map(keys_left).sum::<i64>(), 0, "{more:?}");
    }
}

/// Nobody had a connection to the replica before.
#[test]
fn a_replica_that_takes_over_during_a_load_is_asked_from_then_on() {
    let (cluster, env) = (Cluster::start(3, 1), Env::new());
    let (replica, primaries) = (&cluster.nodes[3], &cluster.nodes[..3]);
    let load = ["-b", &cluster.url(), "bench", "--duration", "5s", "--mix", "get"];
    let ran = meanwhile(&env, &load, primaries, || {
        replica.command(&[b"CLUSTER", b"FAILOVER"]);
        until("the replica has taken over", || replica.info("replication").contains("role:master"));
    });
    let told = record(&ran);
    assert!(ran.status == Some(0) && number(&told, "/errors") == 0.0, "{ran}");
    assert!(number(&told, "/redirects/moved") > 0.0 && told["hit_rate"] == 1.0, "{told}");
    assert!(has_got(replica, "get"), "{told}");
    assert_eq!([&cluster.nodes[1], &cluster.nodes[2], replica].map(keys_left), [0; 3]);
}

/// A cluster that wants all of its nodes refuses everything soon after one is lost: until then the others are asked.
#[test]
fn a_node_that_dies_during_a_load_is_named_and_the_others_are_left_clean() {
    for (at, signal, told_of, settings, timeout) in [
        (0, "KILL", "", ["cluster-require-full-coverage", "no"], "1s"),
        (1, "STOP", "no answer from ", ["cluster-require-full-coverage", "no"], "1s"),
        (2, "KILL", "", ["cluster-node-timeout", "4000"], "7s"),
    ] {
        let (cluster, env) = (Cluster::start(3, 0), Env::new());
        for node in &cluster.nodes {
            node.command(&[b"CONFIG", b"SET", settings[0].as_bytes(), settings[1].as_bytes()]);
        }
        let place = format!("127.0.0.1:{}", cluster.nodes[at].port);
        let mix = ["--duration", "60s", "--mix", "get=8,set=1,incr=1"];
        let load = ["-b", &cluster.url(), "--timeout", timeout, "bench"];
        let ran = meanwhile(&env, &[&load[..], &mix].concat(), &cluster.nodes, || {
            thread::sleep(Duration::from_millis(200));
            cluster.nodes[at].signal(signal);
        });
        let told = record(&ran);
        assert!(ran.status == Some(7) && number(&told, "/count") > 0.0, "{ran}");
        let early = told["ended_early"].as_str().unwrap();
        assert!(early.contains(&place) && early.contains(told_of), "{ran}");
        let stderr = ran.stderr();
        assert!(stderr.contains("the run ended early") && stderr.contains("may be left"), "{stderr}");
        for other in (0..3).filter(|other| *other != at) {
            assert_eq!(keys_left(&cluster.nodes[other]), 0, "{ran}");
        }
        cluster.nodes[at].signal("CONT");
    }
}

#[test]
fn nothing_is_written_to_a_cluster_of_which_a_node_is_down() {
    let (mut cluster, env) = (Cluster::start(3, 0), Env::new());
    let place = format!("127.0.0.1:{}", cluster.nodes[2].port);
    cluster.nodes[2].kill();
    for more in [&["--yes"][..], &[], &["--yes", "--no-preload", "--mix", "set"]] {
        let told = env.fails([&["-b", &cluster.url(), "--timeout", "1s", "bench"], more].concat(), 5);
        assert!(told.contains(&place) && told.contains("cannot put load on it"), "{told}");
        assert!(!told.contains("may be left"), "{told}");
    }
    for node in &cluster.nodes[..2] {
        assert!(!has_got(node, "set") && keys_left(node) == 0);
    }
    let empty = Server::start(&["--cluster-enabled", "yes"]);
    let told = env.fails(["-b", &format!("redis+cluster://127.0.0.1:{}", empty.port), "bench", "--yes"], 5);
    assert!(told.contains("no node has any slots"), "{told}");
    empty.command(&[b"CLUSTER", b"ADDSLOTSRANGE", b"0", b"16380"]);
    let told = env.fails(["-b", &empty.url(), "bench", "--yes"], 5);
    assert!(told.contains("a cluster of whose slots 3 are no node's"), "{told}");
}

#[test]
fn a_signal_leaves_nothing_on_any_node() {
    let (cluster, env) = (Cluster::start(3, 0), Env::new());
    for (layout, name) in [("rtc://app", "INT"), ("pyredis-cache://Class/Student", "TERM")] {
        cluster.nodes.iter().for_each(|node| drop(node.command(&[b"CONFIG", b"RESETSTAT"])));
        let mix =
            if layout.starts_with("rtc") { "get=8,set=2,invalidate=1,incr=1" } else { "get=8,set=2,del=1,incr=1" };
        let load = ["-l", layout, "bench", "--duration", "60s", "--mix", mix];
        let (mut command, line) = env.command([&["-b", &cluster.url()], &load[..]].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let read = if layout.starts_with("rtc") { "get" } else { "hget" };
        until("the load has begun", || cluster.nodes.iter().all(|node| has_got(node, read)));
        pty::signal(&child, name);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(130), ""), "{line}");
        assert_eq!(cluster.nodes.iter().map(keys_left).sum::<i64>(), 0, "{line}");
    }
    let limited = ["-c", r#"ulimit -n 1024 && exec "$@""#, "sh", env!("CARGO_BIN_EXE_cachectl")];
    let load = ["-b", &cluster.url(), "bench", "--clients", "500"];
    let ran = Env::of("/bin/sh").run([&limited[..], &load].concat());
    assert!(ran.status == Some(2) && ran.stderr().contains("500 clients need 1564 open files"), "{ran}");
}

/// Two nodes that each say that the other has the slot would send a request to and fro for ever.
#[test]
fn a_request_that_nobody_takes_is_an_error_and_no_hang() {
    let port = Arc::new(AtomicU16::new(0));
    let own = Arc::clone(&port);
    let fake = Fake::asked_by_many(move |words| {
        let port = own.load(Ordering::SeqCst);
        match words[0].as_str() {
            "CLUSTER" => format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n").into_bytes(),
            "GET" => format!("-MOVED 7 127.0.0.1:{port}\r\n").into_bytes(),
            "DBSIZE" => b":0\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        }
    });
    port.store(fake.port, Ordering::SeqCst);
    let url = format!("redis+cluster://127.0.0.1:{}", fake.port);
    let load = ["bench", "--no-preload", "--mix", "get", "--requests", "20", "--clients", "2", "-o", "json"];
    let ran = Env::new().run([&["-b", &url], &load[..]].concat());
    let told = record(&ran);
    assert_eq!((ran.status, &told["errors_by_kind"]["MOVED"]), (Some(5), &json!(20)), "{ran}");
    assert_eq!(told["redirects"], json!({"moved": 20 * 16, "ask": 0}), "{told}");
}

#[test]
fn the_primary_that_sentinels_know_is_loaded_and_its_successor_left_clean() {
    let env = Env::new().within(Duration::from_secs(60));
    let primary = Server::start(&[]);
    let port = primary.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &port]);
    until("the replica has its primary's data", || replica.info("replication").contains("link_status:up"));
    let sentinel = Server::start_sentinel("shop", &primary, "");
    until("the sentinel knows the replica", || sentinel.info("sentinel").contains("slaves=1"));
    let url = format!("redis+sentinel://127.0.0.1:{}/shop", sentinel.port);
    let told = record(&env.run(["-b", &url, "bench", "--requests", "2000", "--pipeline", "4", "-o", "json"]));
    assert_eq!((number(&told, "/count"), number(&told, "/errors")), (2000.0, 0.0), "{told}");
    assert_eq!((&told["primaries"], &told["redirects"]), (&Value::Null, &Value::Null), "{told}");
    assert_eq!((keys_left(&primary), has_got(&primary, "get"), has_got(&replica, "get")), (0, true, false));

    let load = ["-b", &url, "--timeout", "20s", "bench", "--duration", "60s"];
    let ran = meanwhile(&env, &load, std::slice::from_ref(&primary), || {
        until("the replica has the keys", || keys_left(&replica) >= 10_000);
        primary.signal("KILL");
    });
    let early = record(&ran)["ended_early"].as_str().unwrap().to_owned();
    assert!(ran.status == Some(7) && early.contains(&format!("127.0.0.1:{port}")), "{ran}");
    assert!(!ran.stderr().contains("may be left") && keys_left(&replica) == 0, "{ran}");
}
