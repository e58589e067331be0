//! The commands on the embedded store, as a newcomer runs them: no server, no options.

use crate::env::{Env, ttl_as_given};
use crate::server::Server;

/// A line of a session: arguments, exit status, standard output, a part of standard error.
type Step<'a> = (&'a [&'a str], i32, &'a str, &'a str);

fn session(env: &Env, steps: &[Step<'_>]) {
    for (args, status, stdout, stderr) in steps {
        let ran = env.run(*args);
        assert_eq!(ran.status, Some(*status), "{ran}");
        assert_eq!(ttl_as_given(&String::from_utf8_lossy(&ran.stdout)), *stdout, "{ran}");
        assert!(ttl_as_given(&ran.stderr()).contains(stderr), "expected `{stderr}`: {ran}");
    }
}

#[test]
fn the_first_minute() {
    session(
        &Env::new(),
        &[
            (&["get", "user:42"], 1, "", "no entry `user:42` on disk://"),
            (
                &["set", "user:42", r#"{"name": "Ada", "roles": ["admin"]}"#, "--ttl", "1h"],
                0,
                "",
                "stored `user:42` as json://, 35 B, ttl 1h",
            ),
            (&["get", "user:42"], 0, "{\"name\": \"Ada\", \"roles\": [\"admin\"]}\n", ""),
            (&["get", "user:42", "-o", "python"], 0, "{'name': 'Ada', 'roles': ['admin']}\n", ""),
            (&["exists", "user:42"], 0, "yes\n", ""),
            (&["ttl", "user:42"], 0, "1h\n", ""),
            (&["ls"], 0, "user:42\n", ""),
            (&["set", "user:42", "[1]"], 0, "", "no ttl: the one of 1h is gone (--keep-ttl keeps it)"),
            (&["ttl", "user:42"], 0, "never\n", ""),
            (&["expire", "user:42", "--ttl", "2d"], 0, "", ""),
            (&["set", "user:42", "[2]", "--keep-ttl"], 0, "", "ttl of 2d kept"),
            (&["del", "--dry-run", "user:42"], 0, "would delete user:42\n", ""),
            (&["set", "user:42", "5", "--nx"], 1, "", "not stored: there is an entry already"),
            (&["set", "user:42", "5", "--at", "2020-01-01T00:00:00Z"], 2, "", "in the past"),
            (&["get", "user:42", "-o", "python"], 0, "[2]\n", ""),
            (&["del", "user:42"], 0, "", "deleted 1 of 1 key"),
            (&["del", "user:42"], 1, "", "no entry `user:42`"),
            (&["ls"], 1, "", ""),
        ],
    );
}

#[test]
fn many_keys_at_once() {
    let env = Env::new();
    session(
        &env,
        &[
            (&["set", "a", "1"], 0, "", ""),
            (&["set", "b", "text"], 0, "", ""),
            (&["get", "b", "nope", "a"], 1, "==> b <==\n\"text\"\n==> a <==\n1\n", "no entry `nope`"),
            (&["get", "-o", "plain", "b", "a"], 0, "\"text\"\n1\n", ""),
            (&["exists", "a", "nope"], 1, "yes a\nno  nope\n", ""),
            (
                &["get", "-o", "jsonl", "a", "nope"],
                1,
                "{\"key\": \"a\", \"stored_key\": \"a\", \"hit\": true, \"ttl_ms\": null, \"tag\": null, \
                 \"type\": \"bytes\", \"serializer\": \"json://\", \"certainty\": \"ambiguous\", \"value\": 1}\n\
                 {\"key\": \"nope\", \"stored_key\": \"nope\", \"hit\": false}\n",
                "",
            ),
            (&["del", "a", "nope", "b"], 1, "", "deleted 2 of 3 keys"),
        ],
    );
}

#[test]
fn values_are_taken_as_they_are_meant() {
    let env = Env::new();
    for (args, python) in [
        (&["42"][..], "42"),
        (&["-5"], "-5"),
        (&["hello world"], "'hello world'"),
        (&["true story"], "'true story'"),
        (&["true"], "True"),
        (&["42", "--string"], "'42'"),
        (&["{", "--string"], "'{'"),
        (&["\"quoted\""], "'quoted'"),
        (&["é"], "'é'"),
        (&[""], "''"),
        (&[" [1] "], "[1]"),
        (&["18446744073709551616"], "18446744073709551616"),
        (&["NaN"], "nan"),
    ] {
        env.ok([&["set", "k"], args].concat());
        assert_eq!(env.ok(["get", "k", "-o", "python"]), format!("{python}\n"), "{args:?}");
    }
    for (args, python) in [
        (&[r#"{"$tuple": [1, {"$set": ["a"]}]}"#][..], "(1, {'a'})"),
        (&[r#"{"$bytes": "/w=="}"#], "b'\\xff'"),
        (&["abc", "--bytes"], "b'abc'"),
        (
            &[r#"{"$datetime": "2024-02-29T12:00:00+00:00"}"#],
            "datetime.datetime(2024, 2, 29, 12, 0, tzinfo=datetime.timezone.utc)",
        ),
        (&[r#"{"$decimal": "1.50"}"#], "Decimal('1.50')"),
        (&[r#"{"$dict": [[1, "a"], [null, 2]]}"#], "{1: 'a', None: 2}"),
    ] {
        env.ok([&["set", "-s", "pickle+zstd://", "p"], args].concat());
        assert_eq!(env.ok(["get", "p", "-o", "python"]), format!("{python}\n"), "{args:?}");
    }
    let file = env.file("value.json", b"[1, 2]\n");
    env.ok(["set".as_ref(), "f".as_ref(), format!("@{}", file.display()).as_ref() as &std::ffi::OsStr]);
    assert_eq!(env.ok(["get", "f"]), "[1, 2]\n");
    for (dash, bytes) in [("decode", b"\"from stdin\""), ("encode", b"\"from stdin\"")] {
        env.file("-", "not this");
        assert_eq!(env.feed([dash, "-", "-s", "json://"], bytes).ok().trim_end(), "\"from stdin\"", "{dash}");
    }
    env.feed(["set", "s", "-"], b"from stdin").ok();
    assert_eq!(env.ok(["get", "s", "-o", "plain"]), "\"from stdin\"\n");
}

#[test]
fn what_means_nothing_is_a_usage_error_that_helps() {
    let env = Env::new();
    for (args, part) in [
        (&["set", "k", r#"{"a": 1"#][..], "--string stores it as text"),
        (&["set", "k", "@/nonexistent"], "cannot open /nonexistent"),
        (&["set", "k", "v", "--ttl", "0"], "a ttl of zero"),
        (&["set", "k", "v", "--ttl", "soon"], "such as 60 (seconds)"),
        (&["set", "k", "v", "--at", "tomorrow"], "2026-12-01T00:00:00Z"),
        (&["set", "k", r#"{"$tupel": []}"#], "did you mean `$tuple`?"),
        (&["get", "k", "-b", "rdis://h"], "did you mean `redis`?"),
        (&["get", "k", "-b", "localhost:6379"], "write `redis://localhost:6379/0`"),
        (&["get", "k", "-s", "pickel://"], "did you mean `pickle`?"),
        (&["get", "k", "-s", "pickle://?pickle-protocol=9"], "from 0 to 5"),
        (&["get", "k", "-s", "zstd+pickle://?compresion-level=3"], "did you mean `compression-level`?"),
        (&["get", "k", "-l", "plian:"], "did you mean `plain`?"),
        (&["get", "k", "--max", "deph=1"], "depth"),
        (&["get"], "KEY"),
        (&["del", "--match", "a*", "b"], "cannot be used with"),
        (&["get", "a", "b", "-o", "raw"], "one key"),
    ] {
        let stderr = env.fails(args, 2);
        assert!(stderr.contains(part), "{args:?}: {stderr}");
    }
}

#[test]
fn literal_keys_and_patterns_are_different_things() {
    let env = Env::new();
    let keys = ["*", "a*", "ab", "a b", "it's", "x\ny", "", "[a]", "--", "back\\slash", "\u{1b}[31m"];
    for (index, key) in keys.iter().enumerate() {
        env.ok(["set", "--", key, &index.to_string()]);
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(env.ok(["get", "-o", "plain", "--", key]), format!("{index}\n"), "{key:?}");
    }
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(env.ok(["exists", "--", key]), "yes\n", "{key:?}");
        env.ok(["del", "--", key]);
        let left = env.run(["ls", "-0"]).stdout.iter().filter(|byte| **byte == 0).count();
        assert_eq!(left, keys.len() - index - 1, "deleting {key:?} deleted another");
    }
}

#[cfg(unix)]
#[test]
fn keys_are_bytes() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let env = Env::new();
    let key = OsStr::from_bytes(b"\xff\xfe k");
    env.ok([OsStr::new("set"), key, OsStr::new("1")]);
    env.ok(["set", "k", "2"]);
    assert_eq!(env.ok([OsStr::new("get"), key]), "1\n");
    assert_eq!(env.run(["ls", "-0", "--match", "*k"]).stdout.len(), 7);
    assert!(env.ok(["ls", "-o", "jsonl"]).contains(r#"{"$bytes": "//4gaw=="}"#));
}

#[test]
fn deleting_by_pattern_asks_first() {
    let env = Env::new();
    for key in ["user:1", "user:2", "user:*", "other"] {
        env.ok(["set", key, "1"]);
    }
    session(
        &env,
        &[
            (&["del", "--match", "nothing*"], 1, "", "no key matching `nothing*`"),
            (&["del", "--match", "user:\\*", "--dry-run"], 0, "1 key matching `user:\\*`\n  user:*\n", ""),
            (&["del", "--match", "user:*"], 6, "", "--yes goes on without, --dry-run shows"),
            (&["exists", "user:1"], 0, "yes\n", ""),
            (&["del", "--match", "user:*", "--yes"], 0, "", "deleted 3 keys"),
            (&["ls"], 0, "other\n", ""),
            (&["-l", "plain://o", "ls"], 0, "ther\n", ""),
            (&["-l", "plain://o", "del", "--match", "t*", "--yes"], 0, "", "deleted 1 key"),
        ],
    );
}

#[test]
fn an_entry_keeps_its_serializer_and_its_types() {
    let env = Env::new();
    session(
        &env,
        &[
            (
                &["set", "-s", "pickle+zlib://?pickle-protocol=2", "k", r#"{"$tuple": [1]}"#],
                0,
                "",
                "as pickle+zlib://?pickle-protocol=2",
            ),
            (&["set", "k", r#"{"$tuple": [2]}"#], 0, "", "as pickle+zlib://?pickle-protocol=2"),
            (&["get", "k"], 0, "(2,)\n", ""),
            (&["set", "-s", "json://", "j", r#"{"$tuple": [2]}"#], 3, "", "json cannot hold a tuple at $"),
            (&["set", "j", r#"{"$bytes": "AA=="}"#], 3, "", "json cannot hold bytes at $"),
            (&["exists", "j"], 1, "no\n", ""),
            (
                &["set", "-s", "json+zlib://", "jz", "[1]"],
                0,
                "",
                "cachetory can read json+zlib:// but could not have written it",
            ),
            (&["get", "jz"], 0, "[1]\n", ""),
            (&["set", "n", "1", "--if-exists"], 1, "", "not stored: there is no entry"),
            (&["set", "n", "1", "--if-not-exists"], 0, "", "stored"),
            (&["set", "n", "2", "--if-not-exists"], 1, "", "not stored: there is an entry already"),
            (&["get", "n"], 0, "1\n", ""),
        ],
    );
}

#[test]
fn what_get_prints_set_takes() {
    let env = Env::new();
    env.ok(["set", "-s", "pickle://", "a", r#"{"$tuple": [1, {"$bytes": "/w=="}]}"#, "--ttl", "1h"]);
    env.ok(["set", "b", r#"{"x": [1, null]}"#, "--tag", "t"]);
    let lines = env.run(["get", "-o", "jsonl", "a", "b", "miss"]);
    assert_eq!(lines.status, Some(1));
    env.ok(["del", "a", "b"]);
    env.feed(["set", "--from", "-"], &lines.stdout).ok();
    assert!(env.ok(["inspect", "a"]).contains("pickle://"));
    assert_eq!(env.ok(["get", "-o", "python", "a", "b"]), "(1, b'\\xff')\n{'x': [1, None]}\n");
    assert_eq!(ttl_as_given(&env.ok(["ttl", "a"])), "1h\n");
    assert_eq!(env.ok(["ttl", "b"]), "never\n");
    assert!(env.ok(["inspect", "b"]).contains("tag"));
    let wrong = env.feed(["set", "--from", "-"], b"{\"key\": \"x\", \"value\": 1}\n{\"key\": \"y\"}\n");
    assert!(wrong.stderr().contains("line 2: there is no"), "{wrong}");
    assert_eq!(wrong.status, Some(2));
}

#[test]
fn lines_that_fail_are_named_with_how_far_it_came() {
    let line = |at: usize, value: &str| format!("{{\"key\": \"k{at}\", \"value\": {value}}}\n");
    let lines = |wrong: &str| -> String {
        (1..=2500).map(|at| if at == 1503 { format!("{wrong}\n") } else { line(at, "\"v\"") }).collect()
    };
    let text = ["-s", "string://", "set", "--from", "-"];
    for (wrong, told) in [("{\"key\": 1}", "`key` is neither"), ("\n", ""), (line(1503, "1").trim(), "`k1503`: ")] {
        let env = Env::new();
        let ran = env.feed(text, lines(wrong).as_bytes());
        if told.is_empty() {
            assert_eq!(ran.status, Some(0), "a blank line is none: {ran}");
            continue;
        }
        let error = ran.fails(7);
        let far = "line 1503: stored for certain are the first 1000 lines; \
                   the same with the lines from 1001 on (`tail -n +1001`) goes on: ";
        assert!(error.contains(far) && error.contains(told), "{error}");
        assert_eq!(env.ok(["ls"]).lines().count(), 1000);
        let mended = lines(line(1503, "\"w\"").trim());
        let rest: Vec<&str> = mended.lines().skip(1000).collect();
        env.feed(text, rest.join("\n").as_bytes()).ok();
        assert_eq!(env.ok(["ls"]).lines().count(), 2500);
    }
    // Nothing is stored of a batch that has a value which cannot be, and its line is the one that is named.
    let env = Env::new();
    let first = [line(1, "\"v\""), line(2, "5"), line(3, "\"v\"")].concat();
    let error = env.feed(text, first.as_bytes()).fails(3);
    assert!(error.contains("line 2: `k2`: ") && !error.contains("certain"), "{error}");
    env.fails(["ls"], 1);

    let server = Server::start(&[]);
    let rules = "ACL SETUSER ann on >pw %R~* %W~k* +@all";
    server.command(&rules.split(' ').map(str::as_bytes).collect::<Vec<_>>());
    let env = Env::new().with("CACHECTL_BACKEND", format!("redis://ann:pw@127.0.0.1:{}/0", server.port));
    let refused = lines("{\"key\": \"other\", \"value\": \"v\"}");
    let error = env.feed(text, refused.as_bytes()).fails(7);
    for told in ["lines 1001 to 2000: ", "first 1000 lines", "999 of 1000 were done; ", "`other`", "NOPERM"] {
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn inspect_shows_what_each_layer_tells() {
    let env = Env::new();
    let named = b"\x1f\x8b\x08\x08\0\0\0\0\x02\xffa\x1b[1m\0\x8b\x8e\x05\0\x29\xbb\x4c\x0d\x02\0\0\0";
    env.feed(["set", "k", "-", "-s", "noop+zstd://", "--bytes"], &[&named[..], b"\0"].concat()).ok();
    let shown = env.ok(["inspect", "k"]);
    for part in ["zstd", "window: 29 B", "content: 29 B", "checksum: no", "level: 9, name: a\\x1b[1m", "+gzip+zstd://"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let record = env.ok(["inspect", "-o", "jsonl", "k"]);
    assert!(record.contains(r#""facts":{"level":"9","name":"a\u001b[1m"}"#), "{record}");
}

#[test]
fn bytes_that_do_not_decode_are_named_and_still_there() {
    let env = Env::new();
    env.feed(["set", "k", "-", "-s", "noop://", "--bytes"], b"\x80\x04\x95garbage").ok();
    let stderr = env.fails(["get", "k", "-s", "pickle://"], 3);
    assert!(stderr.contains("pickle: ") && stderr.contains("at byte "), "{stderr}");
    assert_eq!(env.run(["get", "k", "-o", "raw"]).stdout, b"\x80\x04\x95garbage");
    env.feed(["set", "z", "-", "-s", "noop://", "--bytes"], b"\x28\xb5\x2f\xfd nonsense").ok();
    let stderr = env.fails(["get", "z", "-s", "json://"], 3);
    assert!(stderr.contains("zstd"), "what the bytes look like instead: {stderr}");
}

#[test]
fn a_value_is_a_hit_even_when_it_is_empty() {
    let env = Env::new();
    env.feed(["set", "empty", "-", "-s", "noop://", "--bytes"], b"").ok();
    assert_eq!(env.run(["get", "empty", "-o", "raw"]).status, Some(0));
    assert_eq!(env.run(["get", "empty"]).status, Some(0));
    env.fails(["get", "missing"], 1);
    env.ok(["set", "null", "null"]);
    assert_eq!(env.ok(["get", "null", "-o", "plain"]), "null\n");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let env = Env::new();
    let lines: String = (0..20_000).map(|n| format!("{{\"key\": \"key:{n}\", \"value\": {n}}}\n")).collect();
    env.feed(["set", "--from", "-"], lines.as_bytes()).ok();
    let (mut command, line) = env.command(["ls"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(env.ok(["ls", "--limit", "7"]).lines().count(), 7);
}

#[test]
fn a_store_that_fails_says_so_and_leaves_nothing_half_written() {
    let env = Env::new();
    let dir = env.path("corrupt");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("cache.db"), vec![b'x'; 8192]).unwrap();
    let url = format!("disk://{}", dir.display());
    let stderr = env.fails(["-b", &url, "set", "k", "1"], 5);
    assert!(stderr.contains("cache.db") || stderr.contains("corrupt"), "{stderr}");
    let file = env.file("file", b"");
    let stderr = env.fails(["-b", &format!("disk://{}/x", file.display()), "set", "k", "1"], 5);
    assert!(stderr.contains("file"), "{stderr}");
}
