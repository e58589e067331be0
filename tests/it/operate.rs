//! Operating a cache through the program: counters, bulk deletion, commands of the server's own.

use std::ffi::OsStr;

use cachectl::entry::Kind;
use cachectl::layout::{self, LAYOUTS};

use crate::env::{Env, Ran, ttl_as_given};
use crate::pty::{self, Terminal};
use crate::server::Server;

/// A place of its own whose backend is `url`.
fn on(url: &str) -> Env {
    Env::new().with("CACHECTL_BACKEND", url)
}

/// Runs the words of `line`, which must end with `status`.
fn run(env: &Env, line: &str, status: i32) -> Ran {
    let ran = env.run(line.split(' '));
    assert_eq!(ran.status, Some(status), "{ran}");
    ran
}

/// Runs the words of `line`: exit status, standard output, a part of standard error.
fn check(env: &Env, line: &str, status: i32, stdout: &str, stderr: &str) {
    let ran = run(env, line, status);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), stdout, "{ran}");
    assert!(ran.stderr().contains(stderr), "expected `{stderr}`: {ran}");
}

#[test]
fn a_counter_is_counted_on_every_store() {
    let server = Server::start(&[]);
    for env in [on(&server.url()), Env::new()] {
        check(&env, "incr hits --ttl 1h", 0, "1\n", "");
        check(&env, "incr hits --by 41 --ttl 2d", 0, "42\n", "");
        assert_eq!(ttl_as_given(&env.ok(["ttl", "hits"])), "1h\n", "a counter that is there keeps its ttl");
        check(&env, "incr hits --by -50", 0, "-8\n", "");
        check(&env, "incr hits --by=-1", 0, "-9\n", "");
        check(&env, "get hits", 0, "-9\n", "");
        check(
            &env,
            "incr -o jsonl -n app: hits",
            0,
            "{\"key\": \"hits\", \"stored_key\": \"app:hits\", \"value\": 1}\n",
            "",
        );
        check(&env, "set number 5", 0, "", "");
        check(&env, "incr number", 0, "6\n", "");
        check(&env, "set text five", 0, "", "");
        check(&env, "incr text", 2, "", "cannot count: cannot add 1 to `text`");
        check(&env, "get text", 0, "\"five\"\n", "");
        check(&env, "set number 9223372036854775807", 0, "", "");
        check(&env, "incr number", 2, "", "64 bits");
        check(&env, "incr number --by 1.5", 2, "", "--by");
        check(&env, "incr number --tag red", 2, "", "tags are no part of a key in this layout");
        check(&env, "incr number -o raw", 2, "", "-o text and -o jsonl");
    }
    check(&on("dummy:"), "incr k --by 3", 0, "3\n", "");
}

#[test]
fn a_namespace_is_cleared_and_nothing_else() {
    let server = Server::start(&[]);
    for env in [on(&server.url()), Env::new()] {
        for key in ["a*:1", "a*:2", "ab:1", "a*", "b"] {
            env.ok(["set", key, "1"]);
        }
        let layout = "-l plain://a*:";
        let shown = run(&env, &format!("{layout} clear --dry-run"), 0);
        assert!(shown.stderr().contains("an application's clear"), "{shown}");
        let mut lines: Vec<&str> = std::str::from_utf8(&shown.stdout).unwrap().lines().collect();
        lines[1..].sort_unstable();
        assert_eq!(lines, ["2 keys of the layout plain://a*:", "  1", "  2"]);
        let record = env.ok(["-n", "a*:", "clear", "--dry-run", "-o", "jsonl"]);
        assert!(record.starts_with("{\"matching\": 2, \"sample\": [\""), "{record}");
        check(&env, &format!("{layout} clear"), 6, "", "--yes goes on without, --dry-run shows");
        check(&env, "-n a*: clear --yes", 0, "", "deleted 2 keys");
        check(&env, "-n a*: clear", 1, "", "no key of the namespace `a*:` of plain:");
        check(&env, "-n a*: clear --yes", 1, "", "deleted 0 keys");
        let mut left: Vec<String> = env.ok(["ls"]).lines().map(str::to_owned).collect();
        left.sort();
        assert_eq!(left, ["a*", "ab:1", "b"]);
    }
}

#[test]
fn everything_is_deleted_only_on_request() {
    let server = Server::start(&[]);
    for env in [on(&server.url()), Env::new()] {
        for key in ["a:1", "b:1"] {
            env.ok(["set", key, "1"]);
        }
        for line in ["clear", "clear --yes", "clear --dry-run", "-l plain:// clear --yes"] {
            check(&env, line, 6, "", "has no namespace here, so its entries are all there are on ");
        }
        check(&env, "-n a: clear --flush --yes", 2, "", "not only the namespace `a:`");
        check(&env, "clear --flush", 6, "", "delete 2 keys (all there are, whoever put them there) on ");
        assert!(
            env.ok(["clear", "--flush", "--dry-run"]).starts_with("2 keys (all there are, whoever put them there)\n")
        );
        let mut terminal = Terminal::start(&env, ["clear", "--flush"]);
        terminal.wait_for("[y/N] ");
        terminal.type_line("n");
        assert_eq!(terminal.finish().status, Some(6));
        assert_eq!(env.ok(["ls"]).lines().count(), 2);
        check(&env, "clear --flush --yes", 0, "", " is empty");
        check(&env, "ls", 1, "", "no keys");
        check(&env, "clear --flush", 1, "", "no key (all there are");
    }
    check(&on("dummy:"), "clear --flush --yes", 0, "", "dummy: is empty");
}

#[test]
fn what_is_met_while_clearing_is_deleted_page_by_page() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    let lines: String = (0..5000).map(|n| format!("{{\"key\": \"k{n}\", \"value\": {n}}}\n")).collect();
    for namespace in ["x:", "y:"] {
        env.feed(["-n", namespace, "set", "--from", "-"], lines.as_bytes()).ok();
    }
    let deleted = env.ok(["-n", "x:", "clear", "--yes", "-o", "jsonl"]);
    assert_eq!(deleted.lines().count(), 5000);
    assert!(deleted.starts_with("{\"key\": \"k") && deleted.contains("\"deleted\": true}"), "{deleted:.100}");
    check(&env, "raw DBSIZE", 0, "(integer) 5000\n", "");
}

#[test]
fn a_layout_without_hashes_says_so() {
    let env = Env::new();
    check(&env, "del --hash a b", 2, "", "the layout keeps no entries in hashes");
    check(&env, "del --hash a --match b", 2, "", "cannot be used with");
    check(&env, "del", 2, "", "KEY");
}

#[test]
fn any_command_can_be_sent_and_its_reply_is_shown() {
    let server = Server::start(&["--enable-debug-command", "yes"]);
    let env = on(&server.url());
    let nested = "return {1, 'a\"b', {redis.status_reply('fine'), false, {}}, redis.error_reply('ERR no'), \
                  redis.status_reply('(nil)'), '\\27[1m\\255'}";
    let eval = |output: &str| env.ok(["-o", output, "raw", "EVAL", nested, "0"]);
    let shown = r#"1) (integer) 1
2) "a\"b"
3) 1) fine
   2) (nil)
   3) (empty array)
4) (error) ERR no
5) (status) "(nil)"
6) "\x1b[1m\xff"
"#;
    assert_eq!(eval("text"), shown);
    let json = r#"[1, "a\"b", ["fine", null, []], {"error": "ERR no"}, "(nil)", {"$bytes": "G1sxbf8="}]"#;
    assert_eq!((eval("json"), eval("jsonl")), (format!("{json}\n"), format!("{json}\n")));
    assert_eq!(eval("python"), "[1, 'a\"b', ['fine', None, []], {'error': 'ERR no'}, '(nil)', b'\\x1b[1m\\xff']\n");
    assert!(eval("plain").starts_with(r#"[1, "a\"b", ["fine", null, []], {"error": "ERR no"}, "(nil)", "#));

    check(&env, "raw PING", 0, "PONG\n", "");
    check(&env, "-e raw SET k\\n\\xff \\x00", 0, "OK\n", "");
    check(&env, "raw KEYS *", 0, "1) \"k\\n\\xff\"\n", "");
    check(&env, "raw DEL none", 0, "(integer) 0\n", "");
    check(&env, "raw GET none", 1, "(nil)\n", "");
    check(&env, "-o json raw GET none", 1, "null\n", "");
    check(&env, "-o raw raw ECHO a-b", 0, "a-b", "");
    check(&env, "-o raw raw KEYS *", 2, "", "several parts");
    check(&env, "raw SET number -5", 0, "OK\n", "");
    check(&env, "raw ECHO --help -o", 2, "", "wrong number of arguments");
    let bytes = env.run([
        OsStr::new("-e"),
        "-o".as_ref(),
        "raw".as_ref(),
        "raw".as_ref(),
        "GET".as_ref(),
        "k\\n\\xff".as_ref(),
    ]);
    assert_eq!(bytes.stdout, b"\0");
    assert_eq!(pty::show(&env, ["-o", "raw", "raw", "PING"]).status, Some(2));

    let three = on(&format!("{}?protocol=3", server.url()));
    check(
        &three,
        "raw DEBUG PROTOCOL map",
        0,
        "1# (integer) 0 => (false)\n2# (integer) 1 => (true)\n3# (integer) 2 => (false)\n",
        "",
    );
    check(&three, "-o json raw DEBUG PROTOCOL map", 0, "{\"$dict\": [[0, false], [1, true], [2, false]]}\n", "");
    check(&three, "raw DEBUG PROTOCOL set", 0, "1~ (integer) 0\n2~ (integer) 1\n3~ (integer) 2\n", "");
    check(&three, "-o json raw DEBUG PROTOCOL bignum", 0, "1234567999999999999999999999999999999\n", "");
    check(&three, "raw DEBUG PROTOCOL double", 0, "(double) 3.141\n", "");
    let first = three.ok(["raw", "COMMAND", "DOCS", "get"]);
    assert!(first.starts_with("1# \"get\"\n   => 1# \"summary\" => \"Get the value of a key\"\n      2# "), "{first}");
}

#[test]
fn a_command_that_is_refused_says_why() {
    let server = Server::start(&["--user", "reader", "on", ">secret", "~*", "-@all", "+get", "+scan"]);
    let env = on(&server.url());
    for (line, status, part) in [
        ("raw NOSUCH a", 5, "unknown command"),
        ("raw GET", 2, "wrong number of arguments"),
        ("raw", 2, "CMD"),
        ("raw MONITOR", 2, "its replies never end"),
        ("raw subscribe x", 2, "`SUBSCRIBE` cannot be sent from here"),
        ("--timeout 300ms raw BLPOP none 0", 5, "--timeout allows more"),
        ("-b memory: raw PING", 5, "raw is for Redis and Valkey"),
    ] {
        check(&env, line, status, "", part);
    }
    run(&env, "raw RPUSH list a", 0);
    check(&env, "raw GET list", 2, "", "another type of value");
    let reader = on(&format!("redis://reader:secret@127.0.0.1:{}/0", server.port));
    for line in ["raw SET k v", "incr k", "incr k --ttl 1h", "clear --flush --yes", "-n l clear --yes"] {
        check(&reader, line, 4, "", "NOPERM");
    }
    check(&reader, "raw GET k", 1, "(nil)\n", "");
}

/// What `get -o jsonl` prints, `set --from` takes: under each layout, with its tags.
#[test]
fn entries_go_out_and_come_back_under_every_layout() {
    let server = Server::start(&[]);
    for row in LAYOUTS {
        let env = on(&server.url()).with("CACHECTL_LAYOUT", row.example);
        let layout = layout::parse(row.example, None, Kind::Redis).unwrap();
        let tags = if layout.tagging().is_some() { &["--tag", "red", "--tag", "blue"][..] } else { &[] };
        // Numbers are keys under every layout.
        let [one, two] = if layout.hash(b"3").is_some() { ["3/12", "3/13"] } else { ["12", "13"] };
        let both = ["-o", "jsonl", one, two];
        env.ok([&["set", one, "[1, {\"b\": null}]"], tags].concat());
        env.ok([&["set", "-s", "pickle+zlib://", two, "{\"$tuple\": [1]}"], tags].concat());
        let out = env.ok([&["get"], &both[..], tags].concat());
        assert_eq!(out.contains("\"tags\": [\"red\", \"blue\"]"), layout.tagging().is_some(), "{}: {out}", row.example);
        env.ok([&["del", one, two], tags].concat());
        env.feed(["set", "--from", "-"], out.as_bytes()).ok();
        assert_eq!(env.ok([&["get"], &both[..], tags].concat()), out, "{}", row.example);
        assert_eq!(env.ok([&["get", "-o", "python", two], tags].concat()), "(1,)\n", "{}", row.example);
        assert_eq!(env.ok([&["exists", one], tags].concat()), "yes\n", "{}", row.example);
        assert_eq!(env.ok([&["ttl", one], tags].concat()), "never\n", "{}", row.example);
        if let Some(hash) = layout.hash(b"3") {
            check(&env, "del --hash 3 --dry-run", 0, "would delete 3\n", "");
            check(&env, "del --hash 3 4", 1, "", "deleted 1 of 2 keys");
            let exists = server.command(&[b"EXISTS", &hash.unwrap().key]);
            assert_eq!(exists, redis::Value::Int(0), "{}", row.example);
        }
        env.ok(["raw", "FLUSHDB"]);
    }
}

#[test]
fn the_help_of_a_command_says_what_is_special() {
    let env = Env::new();
    for (command, word) in [("incr", "limiters"), ("clear", "walked"), ("raw", "redis-cli"), ("del", "literally:")] {
        assert!(env.ok([command, "--help"]).contains(word), "{command}");
    }
}
