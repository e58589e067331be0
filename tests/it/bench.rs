//! `bench`: that what it says is true, and that it leaves nothing behind.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::Env;
use crate::pty;
use crate::python;
use crate::server::{Certificates, Fake, Memcached, Server};

/// The record of a run with `args` on the backend at `url`, which must have succeeded.
fn bench(url: &str, args: &[&str]) -> Value {
    record(&Env::new().ok([&["-b", url, "bench", "-o", "json"], args].concat()))
}

fn record(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn number(record: &Value, path: &str) -> f64 {
    let value = record.pointer(path).unwrap_or_else(|| panic!("no {path} in {record}"));
    value.as_f64().unwrap_or_else(|| panic!("{path} is {value} in {record}"))
}

fn keys_left(server: &Server) -> i64 {
    match server.command(&[b"DBSIZE"]) {
        redis::Value::Int(count) => count,
        other => panic!("{other:?}"),
    }
}

#[test]
fn all_that_was_asked_for_is_done_on_every_way_to_a_server() {
    let certificates = Certificates::new();
    let any_client = &["--tls-auth-clients", "no"];
    let (plain, tls) = (Server::start(&[]), Server::start_tls(&certificates, "good", any_client));
    let (memcached, socket) = (Memcached::start(&[]), Memcached::start_unix(&[]));
    let secure = Memcached::start_tls(&certificates, "good", &[]);
    let ca = certificates.file("ca.pem");
    let env = Env::new();
    let urls = [
        plain.url(),
        plain.unix_url(),
        format!("{}?protocol=3", plain.url()),
        tls.tls_url(),
        memcached.url(),
        socket.url(),
        secure.url(),
    ];
    for url in urls {
        for (pipeline, threads, sizes) in [("1", "1", "0..100"), ("16", "2", "64=9,70000=1")] {
            let line = ["-b", &url, "--tls-ca", ca.to_str().unwrap(), "bench", "-o", "json", "--requests", "3000"];
            let load = ["--mix", "get=6,set=3,del=1,incr=1", "--clients", "7", "--key-count", "100"];
            let shape = ["--pipeline", pipeline, "--threads", threads, "--value-size", sizes];
            let told = record(&env.ok([&line[..], &load, &shape].concat()));
            assert_eq!((number(&told, "/count"), number(&told, "/errors")), (3000.0, 0.0), "{url}: {told}");
            assert!(number(&told, "/throughput") > 0.0 && number(&told, "/hit_rate") > 0.5, "{url}: {told}");
            assert!((0.0..=1.05).contains(&number(&told, "/littles_law")), "{url}: {told}");
            let operations = told["operations"].as_array().unwrap();
            let names: Vec<&str> = operations.iter().map(|row| row["operation"].as_str().unwrap()).collect();
            assert_eq!(names, ["get", "set", "del", "incr", "all"], "{url}");
            let each: f64 = operations[..4].iter().map(|row| number(row, "/count")).sum();
            assert_eq!(each, 3000.0, "{url}");
        }
    }
    assert_eq!((keys_left(&plain), keys_left(&tls)), (0, 0));
    env.fails(["-b", &memcached.url(), "ls"], 1);
}

#[test]
fn other_stores_are_asked_by_a_thread_a_client() {
    let env = Env::new();
    let disk = format!("disk://{}", env.path("cache").display());
    for (url, hits) in [("memory:", 1.0), (&disk, 1.0), ("dummy:", 0.0)] {
        let told = record(&env.ok([
            "-b",
            url,
            "bench",
            "-o",
            "json",
            "--requests",
            "200",
            "--clients",
            "3",
            "--key-count",
            "20",
        ]));
        assert_eq!((number(&told, "/count"), number(&told, "/hit_rate")), (200.0, hits), "{url}: {told}");
    }
    env.fails(["-b", &disk, "ls"], 1);
    assert!(env.fails(["-b", "memory:", "bench", "--pipeline", "2"], 2).contains("for servers"));
}

/// A closed loop would hide the stall: 50 requests wait, and no others are sent.
#[test]
fn a_stall_of_the_server_is_in_the_latencies_of_an_open_loop() {
    let server = Server::start(&[]);
    let told = thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_secs(3));
            server.signal("STOP");
            thread::sleep(Duration::from_secs(1));
            server.signal("CONT");
        });
        bench(&server.url(), &["--rate", "4000", "--duration", "8s", "--seed", "7"])
    });
    assert!((500_000.0..1_500_000.0).contains(&number(&told, "/latency_us/p99")), "{told}");
    assert!(number(&told, "/service_us/p99") < 250_000.0, "{told}");
    assert!(number(&told, "/latency_us/max") >= 900_000.0, "{told}");
    let (asked, sent) = (number(&told, "/offered/asked"), number(&told, "/offered/sent"));
    assert!((sent / asked - 1.0).abs() < 0.001 && number(&told, "/offered/unsent") == 0.0, "{told}");
    assert_eq!(keys_left(&server), 0);
}

#[test]
fn the_rate_is_the_one_that_was_asked_for_or_it_is_said() {
    let server = Server::start(&[]);
    for (rate, count) in [("0.5", 1.0), ("100", 200.0), ("1000", 2000.0)] {
        let told = bench(&server.url(), &["--rate", rate, "--duration", "2s", "--threads", "2"]);
        assert_eq!((number(&told, "/count"), &told["offered"]["overloaded"]), (count, &Value::Bool(false)), "{told}");
    }
    let ran = Env::new().run(["-b", &server.url(), "bench", "--rate", "5000000", "--duration", "1s", "--clients", "2"]);
    let text = ran.ok();
    assert!(text.contains("offered 5,000,000/s, achieved") && text.contains("overloaded, latencies include"), "{text}");
    assert!(text.contains("were due and never sent"), "{text}");
}

#[test]
fn a_signal_ends_it_with_what_was_measured_and_no_key_left() {
    for name in ["INT", "TERM"] {
        let server = Server::start(&[]);
        let env = Env::new();
        let (mut command, line) = env.command(["-b", &server.url(), "bench", "--duration", "60s", "-o", "json"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + env.deadline();
        while !server.info("commandstats").contains("cmdstat_get:") {
            assert!(Instant::now() < deadline, "{line}");
            thread::sleep(Duration::from_millis(5));
        }
        pty::signal(&child, name);
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{line}");
        assert!(number(&record(&text), "/count") > 0.0, "{text}");
        assert_eq!(keys_left(&server), 0, "{name}");
    }
}

#[test]
fn every_entry_has_a_ttl_and_is_what_set_writes() {
    let server = Server::start(&[]);
    let mut monitor = UnixStream::connect(server.socket()).unwrap();
    monitor.write_all(b"MONITOR\r\n").unwrap();
    let env = Env::new();
    env.ok(["-b", &server.url(), "set", "cachectl:bench:mine", "abc", "--string", "-s", "string://", "--ttl", "1h"]);
    let args = ["--mix", "get,set,incr", "--requests", "300", "--value-size", "3", "--key-count", "5", "--yes"];
    bench(&server.url(), &args);
    server.command(&[b"DEL", b"cachectl:bench:mine"]);
    server.command(&[b"ECHO", b"the end"]);
    let mut seen = Vec::new();
    let mut part = [0; 1 << 16];
    while !seen.windows(7).any(|window| window == b"the end") {
        let count = monitor.read(&mut part).unwrap();
        seen.extend_from_slice(&part[..count]);
    }
    let text = String::from_utf8_lossy(&seen).into_owned();
    let sets: Vec<Vec<&str>> =
        text.lines().filter(|line| line.contains("\"SET\"")).map(|line| line.split("\" \"").collect()).collect();
    let (ours, rest) = sets.split_first().unwrap();
    assert!(rest.len() > 60, "{text}");
    for set in rest {
        // The command, the key, the value, PX and the time: one more or less would be another request.
        assert_eq!((set.len(), set[3]), (ours.len(), ours[3]), "{set:?}");
        assert!(set[1].starts_with("cachectl:bench:") && set[4].trim_end_matches('"').parse::<u64>().is_ok());
    }
    assert_eq!(keys_left(&server), 0);
}

#[test]
fn who_else_uses_the_server_is_not_disturbed_unasked() {
    let server = Server::start(&[]);
    server.command(&[b"SET", b"theirs", b"1"]);
    let env = Env::new();
    let refused = env.fails(["-b", &server.url(), "bench", "--requests", "10"], 6);
    assert!(refused.contains("1 other entry") && refused.contains("--yes"), "{refused}");
    assert_eq!(keys_left(&server), 1);
    bench(&server.url(), &["--requests", "10", "--yes"]);
    assert_eq!(keys_left(&server), 1);
}

#[test]
fn who_may_not_log_in_count_or_write_is_told_so_and_leaves_nothing() {
    let guarded = Server::start(&["--requirepass", "s3cret"]);
    let users =
        ["counts on >pw ~* +@all -dbsize -set", "writes on >pw ~* +@all -dbsize", "reads on >pw ~* +@all -dbsize -set"];
    let users: Vec<&str> = users.iter().flat_map(|user| ["--user"].into_iter().chain(user.split(' '))).collect();
    let server = Server::start(&users);
    server.command(&[b"ACL", b"SETUSER", b"counts", b"+dbsize"]);
    let at = |user: &str| server.url().replace("redis://", &format!("redis://{user}:pw@"));
    let (reads, env) = (["--no-preload", "--mix", "get"], Env::new());
    for (url, more, part) in [
        (guarded.url(), &[][..], "NOAUTH"),
        (guarded.url(), &["--yes"], "NOAUTH"),
        (guarded.url(), &reads, "NOAUTH"),
        (at("writes"), &[], "(--yes goes on where this user may write): cannot count keys"),
        (at("reads"), &["--yes"], "cannot put load on it: cannot set"),
        (at("reads"), &["--yes", "--no-preload", "--mix", "get"], "cannot put load on it: cannot set"),
        (at("counts"), &[], "cannot write the keys"),
    ] {
        let told = env.fails([&["-b", &url, "bench", "--requests", "10"], more].concat(), 4);
        assert!(told.contains(part) && told.contains("the server says"), "{part}: {told}");
        assert!(!told.contains("may be left"), "{told}");
        assert!(part != "NOAUTH" || !told.contains("--yes"), "{told}");
    }
    let ran = env.run(["-b", &at("writes"), "bench", "--requests", "100", "--yes"]);
    assert!(ran.status == Some(0) && !ran.stderr().contains("may be left"), "{ran}");
    let ran = env.run([&["-b", &at("counts"), "bench", "--requests", "100"], &reads[..]].concat());
    assert!(ran.status == Some(0) && !ran.stderr().contains("may be left"), "{ran}");
    assert_eq!(keys_left(&server), 0);
}

#[test]
fn what_goes_wrong_is_an_error_or_counted_and_never_a_hang() {
    let env = Env::new().within(Duration::from_secs(30));
    let free = crate::server::free_port();
    let refused = env.fails(["-b", &format!("redis://127.0.0.1:{free}/0"), "bench"], 5);
    assert!(refused.contains("connection refused"), "{refused}");
    for (args, part) in [
        (&["--rate", "0"][..], "above 0"),
        (&["--rate=-1"], "above 0"),
        (&["--rate", "1e12"], "no machine"),
        (&["--clients", "0"], "from 1"),
        (&["--mix", "put=1"], "no operation"),
        (&["--requests", "1", "--duration", "1s"], "cannot be used"),
        (&["--fail-on", "p99>5"], "unit"),
        (&["-o", "python"], "bench prints no values"),
    ] {
        let refused = env.fails([&["-b", "dummy:", "bench"], args].concat(), 2);
        assert!(refused.contains(part), "{args:?}: {refused}");
    }
    let full = Server::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let line = ["-b", &full.url(), "bench", "-o", "json", "--no-preload", "--mix", "set", "--requests", "100"];
    let ran = env.run([&line[..], &["--fail-on", "p99>5ms"]].concat());
    let told = record(&String::from_utf8_lossy(&ran.stdout));
    assert_eq!((number(&told, "/errors_by_kind/OOM"), number(&told, "/count")), (100.0, 0.0), "{told}");
    assert_eq!((ran.status, &told["latency_us"]["p99"], &told["littles_law"]), (Some(5), &Value::Null, &Value::Null));
    let remarks = ran.stderr();
    assert!(remarks.contains("p99>5ms holds: nothing was measured") && remarks.contains("no request was"), "{remarks}");
    assert!(!told.to_string().contains("NaN"));
    let wrong = Fake::always_says(b"$1\r\na\r\n+OK\r\n*1\r\n");
    let ran = env.run(["-b", &wrong.url(), "--timeout", "1s", "bench", "--no-preload", "--yes", "--clients", "1"]);
    assert!(ran.status == Some(7) || ran.status == Some(5), "{ran}");
}

#[test]
fn an_open_loop_of_a_few_requests_has_the_same_rate_everywhere() {
    let told = bench("memory:", &["--rate", "4", "--duration", "1s", "--mix", "get", "--clients", "1"]);
    for path in ["/throughput", "/operations/0/throughput", "/each_run/0/0/throughput"] {
        assert!((3.9..=4.0).contains(&number(&told, path)), "{path}: {told}");
    }
}

#[test]
fn a_server_that_dies_ends_the_run_with_what_was_measured() {
    for name in ["KILL", "STOP"] {
        let server = Server::start(&[]);
        let ran = thread::scope(|scope| {
            scope.spawn(|| {
                while !server.info("commandstats").contains("cmdstat_get:") {
                    thread::sleep(Duration::from_millis(5));
                }
                thread::sleep(Duration::from_millis(200));
                server.signal(name);
            });
            let line = ["-b", &server.url(), "--timeout", "1s", "bench", "--duration", "20s", "-o", "json"];
            Env::new().run(line)
        });
        assert_eq!(ran.status, Some(7), "{ran}");
        let (told, stderr) = (record(&String::from_utf8_lossy(&ran.stdout)), ran.stderr());
        assert!(number(&told, "/count") > 0.0 && told["ended_early"].is_string(), "{told}");
        assert!(stderr.contains("the run ended early") && stderr.contains("may be left"), "{stderr}");
        assert!(ran.took < Duration::from_secs(15), "{ran}");
    }
}

#[test]
fn conditions_and_files_are_for_scripts() {
    let server = Server::start(&[]);
    let env = Env::new();
    let names = env.file("names", "a\nb c\nd\n");
    let line = ["-b", &server.url(), "bench", "--requests", "500", "--keys", names.to_str().unwrap()];
    let hdr = env.path("log");
    let more = ["-o", "csv", "--runs", "3", "--hdr", hdr.to_str().unwrap(), "--fail-on", "errors>0,max>3600s"];
    let csv = env.ok([&line[..], &more].concat());
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows[0][0], rows[0][2], rows[0][3]), ("operation", "throughput", "p50_us"));
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["operation", "get", "set", "all"]);
    assert_eq!(rows[3][1], "1500");
    let log = std::fs::read_to_string(hdr).unwrap();
    for tag in ["Tag=get,0.000,", "Tag=set,", "Tag=all,", ",HISTF"] {
        assert!(log.contains(tag), "{log}");
    }
    let ran = env.run([&line[..], &["--fail-on", "throughput>1,mean<1ns"]].concat());
    assert!(ran.status == Some(1) && ran.stderr().contains("throughput>1 holds"), "{ran}");
    assert_eq!(keys_left(&server), 0);
}

/// A server that takes 4 ms for each question bears 250 a second and no more, whatever the machine does.
#[test]
fn a_sweep_finds_the_rate_that_a_server_bears_and_keeps_to_its_time() {
    let slow = Fake::asked_by_many(|words| {
        if words[0] != "GET" {
            return b"+OK\r\n".to_vec();
        }
        thread::sleep(Duration::from_millis(4));
        b"$1\r\nx\r\n".to_vec()
    });
    let env = Env::new();
    let line = ["-b", &slow.url(), "bench", "--sweep=6s", "--no-preload", "--yes", "--mix", "get", "--clients", "1"];
    let ran = env.run([&line[..], &["-o", "json"]].concat());
    let told = record(&String::from_utf8_lossy(&ran.stdout));
    assert!(ran.status == Some(0) && ran.took < Duration::from_secs(15), "{ran}");
    let (knee, above) = (number(&told, "/sweep/knee"), number(&told, "/sweep/above"));
    // On a busy machine it bears less.
    assert!((1.0..=275.0).contains(&knee) && above > knee && above / knee < 2.01, "{told}");
    let steps = told["sweep"]["steps"].as_array().unwrap();
    let asked = |row: &&Value| number(row, "/asked") == 1000.0;
    let first = steps.iter().find(asked).unwrap();
    assert!(!first["borne"].as_bool().unwrap() && number(first, "/achieved") < 260.0, "{told}");
    assert_eq!((number(&told, "/offered/asked"), &told["loop"]), (knee, &Value::String("open".to_owned())), "{told}");
    let text = env.ok(line);
    assert!(text.contains("knee at ") && text.contains("; above it, ") && text.contains("not achieved"), "{text}");
    let csv = env.ok([&line[..], &["-o", "csv"]].concat());
    assert!(csv.starts_with("asked,sent,achieved,p50_us,p99_us,") && csv.matches(",true,true").count() == 1, "{csv}");
    assert!(env.fails(["-b", "dummy:", "bench", "--sweep=1s"], 2).contains("5s at least"));
    assert!(env.fails(["-b", "dummy:", "bench", "--sweep", "--rate", "5"], 2).contains("cannot be used"));
}

/// A page that fetches nothing, and in which a name from a server is text.
#[test]
fn a_report_is_one_page_that_needs_nothing_else_and_has_no_tag_of_a_server() {
    let hostile = "-<script>alert(1)</script>&\u{1b}\"' no\r\n";
    let fake = Fake::asked_by_many(move |words| if words[0] == "GET" { hostile } else { "+OK\r\n" }.into());
    let server = Server::start(&[]);
    let env = Env::new();
    let page = env.path("page.html");
    let report = ["--report", page.to_str().unwrap(), "--yes", "--no-preload"];
    for (url, load, parts) in [
        (server.url(), &["--rate", "500", "--duration", "4s"][..], &["by the second", "from when it was sent"][..]),
        (server.url(), &["--requests", "300", "--runs", "2"], &["Little&#39;s law", "The server meanwhile"]),
        (server.url(), &["--sweep=5s"], &["Rates that were tried", "knee at"]),
        (
            fake.url(),
            &["--requests", "50", "--mix", "get"],
            &["&lt;script&gt;alert(1)&lt;/script&gt;&amp;\\x1b&quot;&#39;"],
        ),
    ] {
        let ran = env.run([&["-b", &url, "bench"], load, &report].concat());
        assert_eq!(ran.status, Some(if url == fake.url() { 5 } else { 0 }), "{ran}");
        let text = std::fs::read_to_string(&page).unwrap();
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in {text}");
        for tag in ["script", "img", "link", "a", "iframe", "object"] {
            assert!(!text.contains(&format!("<{tag} ")) && !text.contains(&format!("<{tag}>")), "{tag} in {text}");
        }
        assert!(!text.contains("http") || text.matches("http").count() == text.matches("http-equiv").count(), "{text}");
        // What is opened is closed, in its order.
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
            let name = tag.split([' ', '/']).find(|name| !name.is_empty()).unwrap();
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{text}"),
                None if tag.ends_with('/') || ["!doctype", "meta"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?} in {text}");
    }
    let refused = env.fails(["-b", "dummy:", "bench", "--requests", "9", "--report", "/nonexistent/page.html"], 5);
    assert!(refused.contains("cannot write /nonexistent/page.html"), "{refused}");
}

#[test]
fn the_curves_are_drawn_where_there_are_any() {
    let server = Server::start(&[]);
    let text = Env::new().ok(["-b", &server.url(), "bench", "--rate", "1000", "--duration", "4s"]);
    for part in ["by the second:", "latency by percentile:", "99.9 %", "█"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let told = bench(&server.url(), &["--rate", "1000", "--duration", "4s"]);
    let seconds = told["seconds"].as_array().unwrap();
    assert!((4..=5).contains(&seconds.len()), "{told}");
    for second in &seconds[..4] {
        let [p50, p99, max] = ["/p50_us", "/p99_us", "/latency_max_us"].map(|name| number(second, name));
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{second}");
        assert!((990.0..=1010.0).contains(&number(second, "/done")) || max > 9000.0, "{second}");
    }
    let few = Env::new().ok(["-b", &server.url(), "bench", "--requests", "20"]);
    assert!(!few.contains("by percentile"), "{few}");
}

/// Read by another implementation of the format, which has all counts and the same percentiles.
#[test]
fn the_histogram_log_is_read_by_the_python_library() {
    const READ: &str = r#"
import json, sys
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 3_600_000_000_000, 3))
while (found := reader.get_next_interval_histogram()) is not None:
    at = [found.get_value_at_percentile(percent) for percent in (50, 90, 95, 99, 99.9, 99.99, 100)]
    counts = sum(item.count_added_in_this_iter_step for item in found.get_recorded_iterator())
    print(json.dumps([found.get_tag(), found.get_total_count(), counts, found.get_mean_value(), *at]))
"#;
    let (server, env) = (Server::start(&[]), Env::new());
    let log = env.path("log");
    let file = log.to_str().unwrap();
    let told = bench(&server.url(), &["--requests", "10000", "--mix", "get=9,set=1", "--hdr", file]);
    let rows = told["operations"].as_array().unwrap();
    let read = python::run(READ, &[file]);
    let read: Vec<Value> = read.lines().map(record).collect();
    assert_eq!(read.len(), 3, "{read:?}");
    for (row, read) in rows.iter().zip(&read) {
        assert_eq!((&row["operation"], &row["count"], &row["count"]), (&read[0], &read[1], &read[2]), "{read}");
        let near = |one: f64, other: f64| (one / other - 1.0).abs() < 0.002;
        assert!(near(number(row, "/mean_us") * 1000.0, number(read, "/3")), "{row} {read}");
        for (at, name) in ["p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"].iter().enumerate() {
            let (ours, theirs) = (number(row, &format!("/{name}_us")) * 1000.0, number(read, &format!("/{}", at + 4)));
            // Of 10,000 every percentile is a whole number of them, so that nobody has to round; the maximum is kept
            // exactly, and the log has its bucket.
            let equal = if *name == "max" { near(ours, theirs) } else { (ours - theirs).abs() < 0.5 };
            assert!(equal || row["operation"] != "all", "{name}: {ours} and {theirs} of {row}");
        }
    }
}

#[test]
fn more_clients_than_files_are_refused_before_anything_is_sent() {
    let server = Server::start(&[]);
    let limited = r#"ulimit -n 1024 && exec "$@""#;
    let line = ["-c", limited, "sh", env!("CARGO_BIN_EXE_cachectl"), "-b", &server.url(), "bench"];
    let ran = Env::of("/bin/sh").run([&line[..], &["--clients", "10000"]].concat());
    let told =
        "10000 clients need 10064 open files, and 1024 are allowed: fewer --clients, or a higher limit (ulimit -n)";
    assert!(ran.status.is_some_and(|status| status != 0) && ran.stderr().contains(told), "{ran}");
    for part in ["cmdstat_set:", "cmdstat_get:", "cmdstat_dbsize:"] {
        assert!(!server.info("commandstats").contains(part), "{part}: {ran}");
    }
    // What the limit has room for is done.
    let ran = Env::of("/bin/sh").run([&line[..], &["--clients", "900", "--requests", "2000", "-o", "json"]].concat());
    assert_eq!(number(&record(&ran.ok()), "/count"), 2000.0);
}

#[test]
fn ten_thousand_connections_are_served_by_one_thread() {
    let server = Server::start(&["--maxclients", "10100"]);
    let env = Env::new().within(Duration::from_secs(120));
    let line = ["-b", &server.url(), "bench", "--clients", "10000", "--requests", "20000", "-o", "json"];
    let told = record(&env.ok(line));
    assert_eq!((number(&told, "/count"), number(&told, "/errors")), (20_000.0, 0.0), "{told}");
    assert_eq!(keys_left(&server), 0);
    let full = Server::start(&["--maxclients", "20"]);
    let ran = env.run(["-b", &full.url(), "bench", "--requests", "100"]);
    // It depends on who is faster whether the refusal comes while connections are made, before the question, or looks
    // like its answer.
    let told = ran.stderr() + &String::from_utf8_lossy(&ran.stdout);
    let (early, late) = (["of 50 clients "], ["may allow less than 50", "(ERR "]);
    let expected: &[&str] = if ran.status == Some(5) { &early } else { &late };
    assert!(matches!(ran.status, Some(5 | 7)) && expected.iter().any(|words| told.contains(words)), "{ran}");
    assert_eq!(keys_left(&full), 0);
}

#[test]
fn a_replica_that_may_not_be_written_to_is_told_or_counted() {
    let replica = Server::start(&["--replicaof", "127.0.0.1", &crate::server::free_port().to_string()]);
    let env = Env::new();
    let refused = env.fails(["-b", &replica.url(), "bench", "--requests", "10"], 5);
    assert!(refused.contains("cannot write the keys") && refused.contains("READONLY"), "{refused}");
    assert!(!refused.contains("may be left"), "{refused}");
    let told = bench(&replica.url(), &["--no-preload", "--mix", "get=1,set=1", "--requests", "200"]);
    let refusals = number(&told, "/errors_by_kind/READONLY");
    assert!(refusals > 50.0 && refusals + number(&told, "/count") == 200.0, "{told}");
}

#[test]
fn what_is_no_protocol_in_the_middle_of_a_pipeline_ends_the_run_with_what_came_before() {
    let asked = AtomicUsize::new(0);
    let breaks = Fake::asked_by_many(move |words| match words[0].as_str() {
        "GET" if asked.fetch_add(1, Ordering::SeqCst) == 105 => b"*1\r\n".to_vec(),
        "GET" => b"$1\r\nx\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    });
    let env = Env::new();
    let line = ["-b", &breaks.url(), "bench", "--yes", "--no-preload", "--mix", "get", "--pipeline", "16"];
    let ran = env.run([&line[..], &["--clients", "1", "--duration", "20s", "-o", "json"]].concat());
    let told = record(&String::from_utf8_lossy(&ran.stdout));
    assert!(ran.status == Some(7) && ran.stderr().contains("what is not its protocol"), "{ran}");
    assert_eq!((number(&told, "/count"), number(&told, "/unanswered") > 0.0), (105.0, true), "{told}");
    assert!(ran.took < Duration::from_secs(15), "{ran}");
}

/// A server that answers one of many in flight now and then would be waited for as long as it likes.
#[test]
fn a_run_ends_within_its_duration_and_the_timeout_whatever_the_server_does() {
    let slow = Fake::asked_by_many(|words| {
        if words[0] != "GET" {
            return b"+OK\r\n".to_vec();
        }
        thread::sleep(Duration::from_millis(300));
        b"$1\r\nx\r\n".to_vec()
    });
    let env = Env::new();
    let line = ["-b", &slow.url(), "--timeout", "1s", "bench", "--yes", "--no-preload", "--mix", "get"];
    for load in [&["--pipeline", "64", "--clients", "1"][..], &["--pipeline", "64", "--clients", "2", "--rate", "500"]]
    {
        let ran = env.run([&line[..], &["--duration", "1s", "-o", "json"], load].concat());
        let told = record(&String::from_utf8_lossy(&ran.stdout));
        assert!(ran.status == Some(7) && ran.stderr().contains("missing 1s after the end"), "{ran}");
        assert!(number(&told, "/count") > 3.0 && number(&told, "/elapsed_s") < 2.6, "{told}");
    }
}

/// Latencies and due times are from the monotonic clock, which nobody sets: the other one is not even asked.
#[test]
fn no_clock_that_can_be_set_is_asked() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.extend(std::fs::read_dir(folder.join("poller")).unwrap().map(|entry| entry.unwrap().path()));
    let (mut monotonic, mut texts) = (0, 0);
    for text in files.iter().filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()) {
        assert!(!text.contains("SystemTime") && !text.contains("UNIX_EPOCH") && !text.contains("Realtime"), "{text}");
        (monotonic, texts) = (monotonic + usize::from(text.contains("Instant::now()")), texts + 1);
    }
    assert!(monotonic > 0 && texts > 10, "{monotonic} of {texts}");
}

/// What the machine does not carry at the time is said to be overloaded; all else is sent as asked, to the request.
#[test]
fn an_offered_rate_is_kept_to_a_thousandth() {
    let server = Server::start(&[]);
    for (rate, must) in [(1000.0, true), (10_000.0, false), (50_000.0, false)] {
        let told = bench(&server.url(), &["--rate", &rate.to_string(), "--duration", "2s", "--pipeline", "50"]);
        let (sent, unsent) = (number(&told, "/offered/sent"), number(&told, "/offered/unsent"));
        if told["offered"]["overloaded"] == Value::Bool(true) {
            assert!(!must && unsent > 0.0, "{told}");
        } else {
            assert!((sent / rate - 1.0).abs() < 0.001 || unsent > 0.0, "{told}");
        }
        assert!((sent + unsent / 2.0 - rate).abs() < rate * 0.001, "{told}");
    }
}
