//! The load of `bench`: that it is what the application itself would do, in bytes and in shares.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::env::Env;
use crate::pty;
use crate::server::{Memcached, Server};

/// Values that every serializer can hold; one is too large to be copied, and one compresses well.
fn lines(keys: [&str; 3]) -> String {
    let noise: String =
        (0..9000_u32).map(|n| char::from(b'a' + (n.wrapping_mul(2_654_435_761) >> 27) as u8 % 26)).collect();
    let [one, two, three] = keys;
    format!(
        "{{\"key\": \"{one}\", \"value\": {{\"id\": 1, \"name\": \"é\", \"list\": [1, 2.5, null, true]}}}}\n\n\
         {{\"key\": \"{two}\", \"value\": \"{noise}\"}}\n{{\"key\": \"{three}\", \"value\": [{}0]}}\n",
        "0, ".repeat(500)
    )
}

/// The commands that a server was sent, with their arguments as MONITOR shows them.
struct Watched(UnixStream);

impl Watched {
    fn new(server: &Server) -> Watched {
        let mut monitor = UnixStream::connect(server.socket()).unwrap();
        monitor.write_all(b"MONITOR\r\n").unwrap();
        Watched(monitor)
    }

    /// Those until now, since the last time.
    fn take(&mut self, server: &Server) -> Vec<Vec<String>> {
        server.command(&[b"ECHO", b"that was all"]);
        let (mut seen, mut part) = (Vec::new(), vec![0; 1 << 16]);
        while !seen.windows(12).any(|window| window == b"that was all") {
            let count = self.0.read(&mut part).unwrap();
            seen.extend_from_slice(&part[..count]);
        }
        let text = String::from_utf8(seen).unwrap();
        let words = |line: &str| -> Option<Vec<String>> {
            let (_, words) = line.split_once("] \"")?;
            Some(words.strip_suffix('"')?.split("\" \"").map(str::to_owned).collect())
        };
        text.lines().filter_map(words).collect()
    }
}

/// The key and the value of each write of an entry.
fn writes(commands: &[Vec<String>]) -> Vec<(String, String)> {
    let write = |words: &Vec<String>| match words[0].to_uppercase().as_str() {
        "SET" if !words[1].contains(":t:") => Some((words[1].clone(), words[2].clone())),
        // The one that keeps the hash and its ttl is none.
        "HSET" if words[2] != "cachectl:bench" => Some((format!("{} {}", words[1], words[2]), words[3].clone())),
        _ => None,
    };
    commands.iter().filter_map(write).collect()
}

fn keys_left(server: &Server) -> redis::Value {
    server.command(&[b"DBSIZE"])
}

#[test]
fn the_load_writes_byte_for_byte_what_set_writes() {
    let server = Server::start(&[]);
    let url = server.url();
    let mut watched = Watched::new(&server);
    for (layout, keys, place) in [
        ("plain://app:", ["a", "b", "c"], "app:cachectl:bench:"),
        ("aiocache://app", ["a", "b", "c"], "app:cachectl:bench:"),
        ("redis-tagged-cache://app", ["a", "b", "c"], "rtc:"),
        ("pyredis-cache://Student", ["1", "2", "3"], "000STUDENTCACHECTL:BENCH:"),
        ("pyredis-cache://Class/Student", ["1/1", "1/2", "1/3"], "00000CLASSCACHECTL:BENCH:"),
    ] {
        for serializer in ["json://", "pickle+zstd://", "msgpack://", "json+zlib://"] {
            let env = Env::new();
            let file = env.file("values.jsonl", lines(keys));
            let file = file.to_str().unwrap();
            let by = ["-b", &url, "-l", layout, "-s", serializer];
            env.ok([&by[..], &["set", "--from", file]].concat());
            let ours = writes(&watched.take(&server));
            server.command(&[b"FLUSHDB"]);
            let load = ["--mix", "get,set", "--requests", "300", "--key-count", "50", "--clients", "3"];
            let told = env.ok([&by[..], &["bench", "-o", "json", "--value-from", file], &load].concat());
            let told: Value = serde_json::from_str(&told).unwrap();
            assert_eq!((&told["errors"], &told["hit_rate"]), (&0.into(), &1.0.into()), "{told}");
            assert_eq!((&told["value_size"], told["value_from"].as_str()), (&Value::Null, Some(file)), "{told}");
            assert!(told["serializer"].as_str().unwrap().starts_with(serializer.trim_end_matches("//")), "{told}");
            let commands = watched.take(&server);
            let theirs = writes(&commands);
            // The 50 that are written first and about 150 of the load, by two clients of ours.
            assert!(theirs.len() > 150 && ours.len() == 3, "{} {}", ours.len(), theirs.len());
            for (key, value) in &theirs {
                assert!(key.starts_with(place) && ours.iter().any(|(_, ours)| ours == value), "{layout} {key} {value}");
            }
            let hashes = commands.iter().any(|words| words[0] == "PEXPIRE");
            assert_eq!(
                hashes,
                layout.contains('/') && layout.ends_with("s/Student"),
                "a hash has the ttl of its fields"
            );
            assert!(ours.iter().all(|(_, ours)| theirs.iter().any(|(_, value)| ours == value)), "{layout}");
            assert_eq!(keys_left(&server), redis::Value::Int(0), "{layout}");
        }
    }
}

#[test]
fn the_value_of_an_entry_is_taken_as_it_is_or_as_asked() {
    let (server, memcached, env) = (Server::start(&[]), Memcached::start(&[]), Env::new());
    let mut watched = Watched::new(&server);
    let url = server.url();
    env.ok(["-b", &url, "-s", "pickle+zlib://", "set", "mine", "[1, 2]"]);
    env.ok(["-b", &url, "-s", "json://", "set", "other", "[1, 2]"]);
    let sent = writes(&watched.take(&server));
    let load = ["--value-from", "mine", "--mix", "set", "--requests", "20", "--key-count", "3", "--yes"];
    for (serializer, sent) in [(&[][..], &sent[0].1), (&["-s", "json://"], &sent[1].1)] {
        env.ok([&["-b", &url], serializer, &["bench"], &load[..]].concat());
        let values = writes(&watched.take(&server));
        assert!(values.len() == 23 && values.iter().all(|(_, value)| value == sent), "{values:?}");
    }
    // What says what they are on memcached goes with the bytes: the reads of the load find them so.
    memcached.says(b"set mine 1 0 9\r\n\x80\x04]\x94(K\x01e.\r\n");
    env.ok([&["-b", &memcached.url(), "bench"], &load[..]].concat());
    let missing = env.fails(["-b", &url, "bench", "--value-from", "nobody", "--yes"], 2);
    assert!(missing.contains("the value of `nobody`: there is no such entry on"), "{missing}");
}

#[test]
fn a_value_that_does_not_encode_is_told_with_its_line_before_anything_is_sent() {
    let (server, env) = (Server::start(&[]), Env::new());
    for (lines, serializer, status, part) in [
        ("{\"key\": \"a\", \"value\": 1}\n{\"key\": \"b\", \"value\": {\"$set\": [1]}}", "json://", 3, "line 2 of "),
        ("{\"key\": \"a\", \"value\": 1}\n{\"key\": \"b\", \"valeu\": 1}", "json://", 2, "line 2 of "),
        ("{\"key\": \"a\", \"value\": 1, \"type\": \"hash\"}", "json://", 3, "cannot be written back"),
        ("\n\n", "json://", 2, "there is no value in "),
        ("{\"key\": \"a\", \"value\": 1}", "jsno://", 2, "did you mean `json`?"),
    ] {
        let file = env.file("values.jsonl", lines);
        let line = ["-b", &server.url(), "-s", serializer, "bench", "--value-from", file.to_str().unwrap()];
        let told = env.fails(line, status);
        assert!(told.contains(part), "{lines}: {told}");
    }
    assert!(!server.info("commandstats").contains("cmdstat_set:"));
    let none = env.fails(["-b", &server.url(), "bench", "--value-from", "none.jsonl"], 2);
    assert!(none.contains("none.jsonl"), "{none}");
    for (backend, layout, part) in [
        (server.url(), "pyredis-cache://Student", "expected a number"),
        (Memcached::start(&[]).url(), "rtc://app", "this layout is for Redis"),
    ] {
        let names = env.file("names", "a\n");
        let args = ["-b", &backend, "-l", layout, "bench", "--keys", names.to_str().unwrap()];
        let told = env.fails(args, 2);
        assert!(told.contains(part) || told.contains("an id is a whole number"), "{told}");
    }
}

#[test]
fn what_encoding_and_decoding_take_is_told_apart() {
    let (server, memcached, env) = (Server::start(&[]), Memcached::start(&[]), Env::new());
    let disk = format!("disk://{}", env.path("cache").display());
    let file = env.file("values.jsonl", lines(["a", "b", "c"]));
    for (url, pipeline, requests) in [
        (&server.url(), "1", "1000"),
        (&server.url(), "16", "1000"),
        (&memcached.url(), "16", "1000"),
        (&disk, "1", "99"),
    ] {
        let line = ["-b", url, "-s", "pickle+zstd://", "bench", "-o", "json", "--value-from", file.to_str().unwrap()];
        let load = ["--requests", requests, "--pipeline", pipeline, "--key-count", "20", "--mix", "get=7,set=3"];
        let all = env.ok([&line[..], &load, &["--decode=100%"]].concat());
        let told: Value = serde_json::from_str(&all).unwrap();
        let rows = told["operations"].as_array().unwrap();
        assert_eq!((&told["errors"], rows.len()), (&0.into(), 3), "{told}");
        let counts =
            ["/codec/decode_us/count", "/codec/encode_us/count"].map(|path| told.pointer(path).unwrap().clone());
        assert_eq!(counts, [rows[0]["hits"].clone(), rows[1]["count"].clone()], "{told}");
        assert!(told.pointer("/codec/decode_us/p50").unwrap().as_f64() > Some(0.0), "{told}");
    }
    let line = ["-b", &server.url(), "-s", "json://", "bench", "--value-from", file.to_str().unwrap(), "--decode=50%"];
    let csv = env.ok([&line[..], &["--requests", "200", "-o", "csv"]].concat());
    let rows: Vec<&str> = csv.lines().collect();
    assert!(rows.len() == 6 && rows[4].starts_with("encode,") && rows[5].starts_with("decode,"), "{csv}");
    assert!(rows[5].ends_with(",,,") && rows[5].matches(',').count() == rows[0].matches(',').count(), "{csv}");
    let text = env.ok([&line[..], &["--requests", "200"]].concat());
    assert!(text.contains("encode and decode: 50 % of the values, in time of this process"), "{text}");
    for (args, part) in [(&["--decode"][..], "--value-from"), (&["--decode=0%", "--value-from", "k"], "above 0")] {
        let told = env.fails([&["-b", "dummy:", "bench"], args].concat(), 2);
        assert!(told.contains(part), "{told}");
    }
    let mixed = "{\"key\": \"a\", \"value\": 1, \"serializer\": \"pickle://\"}\n{\"key\": \"b\", \"value\": 1}";
    let mixed = env.file("mixed.jsonl", mixed);
    let told = env.fails(["-b", "dummy:", "bench", "--decode", "--value-from", mixed.to_str().unwrap()], 2);
    assert!(told.contains("about one chain"), "{told}");
}

fn record(env: &Env, url: &str, args: &[&str]) -> Value {
    serde_json::from_str(&env.ok([&["-b", url], args, &["-o", "json"]].concat())).unwrap()
}

fn number(record: &Value, path: &str) -> f64 {
    record.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number {path} in {record}"))
}

#[test]
fn reads_hit_as_often_as_asked() {
    let (server, memcached, env) = (Server::start(&[]), Memcached::start(&[]), Env::new());
    for (url, layout) in [
        (&server.url()[..], "plain:"),
        (&server.url(), "rtc://app"),
        (&memcached.url(), "plain:"),
        ("memory:", "plain:"),
    ] {
        for share in [0.0, 0.35, 0.8, 1.0] {
            let percent = format!("{}%", share * 100.0);
            let load = ["--mix", "get=4,set=1", "--requests", "5000", "--key-count", "200", "--clients", "5"];
            let told = record(&env, url, &[&["-l", layout, "bench", "--hit-rate", &percent][..], &load].concat());
            let reads = number(&told, "/operations/0/count");
            // Four deviations, as many as one of 16,000 runs has.
            let bound = 4.0 * (share * (1.0 - share) / reads).sqrt();
            let found = number(&told, "/hit_rate");
            // The record has three digits.
            assert!((found - share).abs() <= bound + 0.0005, "{url} {layout}: {share} is {found}, bound {bound}");
            assert_eq!(number(&told, "/hit_rate_asked"), share);
        }
    }
    assert_eq!(keys_left(&server), redis::Value::Int(0));
    env.fails(["-b", &memcached.url(), "ls"], 1);
    let text = env.ok(["-b", &server.url(), "bench", "--hit-rate", "50%", "--requests", "500"]);
    assert!(text.contains("hits: 50.0 % asked for, "), "{text}");
}

#[test]
fn what_is_not_found_is_computed_and_written_while_others_go_on() {
    let (server, memcached, env) = (Server::start(&[]), Memcached::start(&[]), Env::new());
    let disk = format!("disk://{}", env.path("cache").display());
    let backends = [
        (&server.url()[..], "plain:"),
        (&server.url(), "rtc://app"),
        (&server.url(), "pyredis-cache://Class/Student"),
        (&memcached.url(), "plain:"),
        (&disk, "plain:"),
    ];
    for (url, layout) in backends {
        for pace in [&[][..], &["--rate", "1000"]] {
            let load = ["--no-preload", "--mix", "get", "--key-count", "40", "--clients", "20", "--requests", "1000"];
            let line =
                [&["-l", layout, "bench", "--cache-aside=50ms", "--key-distribution", "sequential"][..], &load, pace];
            let told = record(&env, url, &line.concat());
            let (misses, sets) = (number(&told, "/operations/0/misses"), number(&told, "/operations/1/count"));
            assert_eq!((misses, number(&told, "/errors")), (sets, 0.0), "{url} {layout}: {told}");
            // Each key is missed at least once, and no more than every client can before one has written it.
            assert!((40.0..=800.0).contains(&misses), "{url} {layout}: {told}");
            // One after the other they would take 2 s at least.
            assert!(number(&told, "/elapsed_s") < 1.9, "{url} {layout}: {told}");
        }
    }
    assert_eq!(keys_left(&server), redis::Value::Int(0));
    // A run is over when its time is, whatever is being computed.
    for url in [&server.url()[..], "memory:"] {
        let line = ["-b", url, "bench", "--no-preload", "--mix", "get", "--duration", "1s", "--cache-aside=60s"];
        let ran = env.run(line);
        assert!(ran.took < Duration::from_secs(20) && ran.stderr().is_empty(), "{ran}");
        assert!(ran.ok().contains("cache-aside: a miss was written 60.00 s later"));
    }
}

/// Each read is a miss that is written a moment later, which nobody asked for: twice the rate is done.
#[test]
fn what_is_written_after_a_miss_is_none_of_the_rate_that_was_asked_for() {
    let (server, env) = (Server::start(&[]), Env::new());
    let misses = ["bench", "--no-preload", "--mix", "get", "--cache-aside=1ms", "--key-count", "100000"];
    let told = record(&env, &server.url(), &[&misses[..], &["--rate", "200", "--duration", "2s"]].concat());
    let [asked, sent, achieved] = ["asked", "sent", "achieved"].map(|name| number(&told, &format!("/offered/{name}")));
    assert_eq!((asked, sent, &told["offered"]["overloaded"]), (200.0, 200.0, &false.into()), "{told}");
    assert!((190.0..=200.0).contains(&achieved) && number(&told, "/throughput") > 370.0, "{told}");
    let text = env.ok([&["-b", &server.url()], &misses[..], &["--rate", "200", "--duration", "1s"]].concat());
    assert!(text.contains("offered 200/s, achieved 200/s\n") || text.contains("offered 200/s, achieved 19"), "{text}");
    let told = record(&env, "dummy:", &[&misses[..], &["--sweep=5s", "--clients", "4"]].concat());
    for step in told["sweep"]["steps"].as_array().unwrap() {
        let [asked, sent, achieved] = ["/asked", "/sent", "/achieved"].map(|name| number(step, name));
        // A step takes a sixth of a second: one request more is six a second.
        assert!(sent <= asked * 1.02 + 7.0 && achieved <= asked * 1.02 + 7.0, "{step}");
    }
}

#[test]
fn tags_are_asked_for_and_invalidated_as_the_library_does() {
    let (server, env) = (Server::start(&[]), Env::new());
    let mut watched = Watched::new(&server);
    for pace in [&["--pipeline", "4"][..], &["--rate", "2000"]] {
        let mix = ["-l", "rtc://app", "bench", "--mix", "get=16,set=2,del=1,invalidate=1,incr=1"];
        let load = ["--requests", "2000", "--key-count", "100", "--tag-count", "10", "--clients", "10"];
        let told = record(&env, &server.url(), &[&mix[..], &load, pace].concat());
        let rows = told["operations"].as_array().unwrap();
        let count = |name: &str| {
            let row = rows.iter().find(|row| row["operation"] == name).unwrap();
            usize::try_from(row["count"].as_u64().unwrap()).unwrap()
        };
        assert_eq!((number(&told, "/count"), number(&told, "/errors")), (2000.0, 0.0), "{told}");
        // What is invalidated is missed until it is written again.
        assert!((0.05..0.9).contains(&number(&told, "/hit_rate")), "{told}");
        let commands = watched.take(&server);
        let sent = |name: &str, part: &str| {
            commands.iter().filter(|words| words[0] == name && words.len() > 1 && words[1].contains(part)).count()
        };
        assert_eq!(sent("MGET", ":t:"), count("get") + count("set") + count("del"), "{told}");
        assert_eq!((sent("GET", ":s:"), sent("DEL", ":s:")), (count("get"), count("del")), "{told}");
        // The tag of all and ten others are written first, 100 entries and 100 counters too.
        assert_eq!((sent("SET", ":t:"), sent("SET", ":s:")), (count("invalidate") + 11, count("set") + 200), "{told}");
        let times = commands.iter().filter(|words| words[0] == "SET").all(|words| words[3] == "PX" && words.len() == 5);
        assert!(times, "every write has a ttl");
        assert_eq!(keys_left(&server), redis::Value::Int(0));
    }
    let disk = format!("disk://{}", env.path("cache").display());
    let mix =
        ["bench", "--mix", "get=8,set=1,invalidate=1", "--requests", "300", "--key-count", "50", "--tag-count", "5"];
    let told = record(&env, &disk, &mix);
    assert!((0.01..0.9).contains(&number(&told, "/hit_rate")) && number(&told, "/errors") == 0.0, "{told}");
    env.fails(["-b", &disk, "ls"], 1);
    let url = server.url();
    for (backend, layout, part) in [
        (&url[..], "plain:", "neither this layout nor this backend keeps any"),
        ("memory:", "plain:", "neither this layout nor this backend keeps any"),
        (&url, "rtc://app?format=0.10", "is for later formats"),
        ("memory:", "rtc://app", "this layout is for Redis"),
    ] {
        let told = env.fails(["-b", backend, "-l", layout, "bench", "--mix", "get=9,invalidate=1"], 2);
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_signal_leaves_nothing_of_any_layout() {
    for (layout, name, more) in [
        ("rtc://app", "INT", &["--mix", "get=8,set=2,invalidate=1,incr=1"][..]),
        ("pyredis-cache://Class/Student", "TERM", &["--mix", "get=8,set=2,del=1,incr=1", "--hit-rate", "50%"]),
        ("aiocache://app", "INT", &["--no-preload", "--mix", "get", "--cache-aside=60s"]),
    ] {
        let (server, env) = (Server::start(&[]), Env::new());
        let file = env.file("values.jsonl", lines(["1", "2", "3"]));
        let line = ["-b", &server.url(), "-l", layout, "-s", "pickle://", "bench", "--duration", "60s"];
        let values = ["--decode", "--value-from", file.to_str().unwrap()];
        let (mut command, line) = env.command([&line[..], &values, more].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + env.deadline();
        while !["get", "hget"].iter().any(|get| server.info("commandstats").contains(&format!("cmdstat_{get}:"))) {
            assert!(Instant::now() < deadline, "{line}");
            thread::sleep(Duration::from_millis(5));
        }
        pty::signal(&child, name);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{line}: {stderr}");
        assert!(Instant::now() < deadline && stderr.is_empty(), "{line}: {stderr}");
        assert_eq!(keys_left(&server), redis::Value::Int(0), "{line}");
    }
}
