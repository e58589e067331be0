//! The commands on a real Redis, beside the real cachetory; and what goes wrong on the way there.

use std::time::Duration;

use crate::env::{Env, ttl_as_given};
use crate::interop::{self, Answer, Call, MODES};
use crate::server::{Certificates, Fake, Server};

/// A TLS server that asks its clients for no certificate.
const ANY_CLIENT: &[&str] = &["--tls-auth-clients", "no"];

/// What cachetory writes is shown, on every way to a server and with every serializer.
#[test]
fn what_cachetory_writes_is_shown() {
    let certificates = Certificates::new();
    let plain = Server::start(&[]);
    let tls = Server::start_tls(&certificates, "good", ANY_CLIENT);
    let ca = certificates.file("ca.pem");
    let ca = ca.to_str().unwrap();
    let ways = [
        (plain.url(), plain.url()),
        (plain.unix_url(), plain.unix_url()),
        (tls.tls_url(), format!("{}?ssl_ca_certs={ca}", tls.tls_url())),
    ];
    for (ours, theirs) in ways {
        let env = Env::new().with("CACHECTL_BACKEND", &ours);
        let run = |args: &[&str]| env.run([&["--tls-ca", ca], args].concat());
        for mode in MODES {
            for (serializer, shown) in [
                ("pickle+zstd://?pickle-protocol=4", "pickle+zstd://"),
                ("pickle+zlib+zstd://", "pickle+zlib+zstd://"),
                ("json://", "json://"),
                ("msgpack+zstd://", "msgpack+zstd://"),
            ] {
                let expr = "{'id': 42, 'name': 'Ada', 'roles': ['admin', None, 1.5]}";
                let answers =
                    interop::calls(mode, &theirs, "p:", &[Call::set("k", serializer, expr).ttl_ms(3_600_000)]);
                assert_eq!(answers, [Answer::Done]);
                let got = run(&["-l", "plain://p:", "get", "k", "-o", "python"]).ok();
                assert_eq!(got, format!("{expr}\n"), "{ours} {serializer}");
                let inspected = ttl_as_given(&run(&["-n", "p:", "inspect", "k"]).ok());
                for part in [shown, "p:k", "1h", "string", serializer.split(['+', ':']).next().unwrap()] {
                    assert!(inspected.contains(part), "{part} in {inspected}");
                }
                assert_eq!(run(&["-n", "p:", "ls"]).ok(), "k\n");
                assert!(ttl_as_given(&run(&["-n", "p:", "ls", "--long"]).ok()).contains("1h"));
            }
        }
    }
}

/// What `set` writes reads back equal in cachetory, synchronous and asynchronous.
#[test]
fn what_is_set_cachetory_reads() {
    let certificates = Certificates::new();
    let plain = Server::start(&[]);
    let tls = Server::start_tls(&certificates, "good", ANY_CLIENT);
    let ca = certificates.file("ca.pem");
    let ca = ca.to_str().unwrap();
    let typed = r#"[1, -0.0, 1e400, "naïve 😀", null, true, {"$bytes": "/wA="}, {"$tuple": [{"$set": [1]}]},
        {"$decimal": "1.50"}, {"$datetime": "2024-02-29T12:00:00.000001+00:00"},
        {"$uuid": "12345678-1234-5678-1234-567812345678"}, 36893488147419103232]"#;
    let repr = "[1, -0.0, inf, 'naïve 😀', None, True, b'\\xff\\x00', ({1},), Decimal('1.50'), \
        datetime.datetime(2024, 2, 29, 12, 0, 0, 1, tzinfo=datetime.timezone.utc), \
        UUID('12345678-1234-5678-1234-567812345678'), 36893488147419103232]";
    let simple = r#"{"a": [1, 2.5, null, "x"], "é": {}}"#;
    let simple_repr = "{'a': [1, 2.5, None, 'x'], 'é': {}}";
    let ways = [
        (plain.url(), plain.url()),
        (plain.unix_url(), plain.unix_url()),
        (tls.tls_url(), format!("{}?ssl_ca_certs={ca}", tls.tls_url())),
    ];
    for (ours, theirs) in ways {
        let env = Env::new();
        let set = |key: &str, serializer: &str, value: &str| {
            env.run(["-b", &ours, "--tls-ca", ca, "-s", serializer, "-n", "p:", "set", key, value, "--ttl", "90s"])
                .ok();
        };
        let mut cases = Vec::new();
        for chain in ["pickle", "pickle+zlib", "pickle+zstd", "pickle+zlib+zstd", "pickle+noop+zstd"] {
            for protocol in 0..=5 {
                cases.push((format!("{chain}://?pickle-protocol={protocol}"), typed, repr, "list"));
            }
        }
        for chain in [
            "json://",
            "msgpack://",
            "msgpack+zstd://?compression-level=19",
            "json+pickle+zlib://",
            "json+zlib://",
            "json+zstd://",
        ] {
            cases.push((chain.to_owned(), simple, simple_repr, "dict"));
        }
        for (index, (serializer, value, _, _)) in cases.iter().enumerate() {
            set(&format!("k{index}"), serializer, value);
        }
        let calls: Vec<Call> =
            cases.iter().enumerate().map(|(index, case)| Call::get(&format!("k{index}"), &case.0)).collect();
        for mode in MODES {
            for (answer, (serializer, _, repr, kind)) in interop::calls(mode, &theirs, "p:", &calls).iter().zip(&cases)
            {
                assert_eq!(*answer, Answer::value(repr, kind), "{ours} {serializer}");
            }
        }
    }
}

#[test]
fn an_entry_of_an_application_keeps_its_chain() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let url = server.url();
    for serializer in ["pickle+zstd://?pickle-protocol=4", "pickle://?pickle-protocol=2", "msgpack+zstd://", "json://"]
    {
        interop::calls(MODES[0], &url, "", &[Call::set("k", serializer, "{'n': 1}").ttl_ms(3_600_000)]);
        let ran = env.run(["set", "k", r#"{"n": 2}"#, "--keep-ttl"]);
        assert!(
            ttl_as_given(&ran.stderr()).contains("ttl of 1h kept") && ran.stderr().contains(&serializer[..6]),
            "{ran}"
        );
        let answers = interop::calls(MODES[0], &url, "", &[Call::get("k", serializer)]);
        assert_eq!(answers, [Answer::value("{'n': 2}", "dict")], "{serializer}");
        assert_eq!(ttl_as_given(&env.ok(["ttl", "k"])), "1h\n");
    }
}

#[test]
fn values_that_are_not_strings_are_read_too() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    for command in [
        &["HSET", "hash", "a", "{\"x\": 1}", "b", "[2]"][..],
        &["RPUSH", "list", "1", "[2]", "\"three\""],
        &["SADD", "set", "[1]"],
        &["ZADD", "zset", "1.5", "[1]", "2", "[2]"],
        &["XADD", "stream", "1-1", "f", "[1]"],
    ] {
        server.command(&command.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
    }
    for (key, python) in [
        ("hash", "{'a': {'x': 1}, 'b': [2]}"),
        ("list", "[1, [2], 'three']"),
        ("zset", "[([1], 1.5), ([2], 2.0)]"),
        ("stream", "[('1-1', {'f': [1]})]"),
    ] {
        assert_eq!(env.ok(["-s", "json://", "get", key, "-o", "python"]), format!("{python}\n"));
        assert_eq!(env.ok(["get", key, "-o", "python"]), format!("{python}\n"), "detected");
        assert!(env.ok(["inspect", key]).contains("member"));
        let refused = env.fails(["set", key, "1"], 3);
        assert!(refused.contains(key) && refused.contains("delete it first"), "{refused}");
    }
    assert_eq!(env.ok(["get", "set", "-o", "python"]), "{[1]}\n");
    assert_eq!(env.ok(["ls", "--type", "zset"]), "zset\n");
    env.fails(["get", "hash", "-o", "raw"], 2);
}

#[test]
fn each_failure_has_its_status_and_no_secret() {
    let certificates = Certificates::new();
    let secret = "s3cr3t%40pw";
    let guarded = Server::start(&["--requirepass", "s3cr3t@pw"]);
    let acl = "reader on >pw ~* +get +getrange +pttl +type +strlen +exists +scan";
    let user: Vec<&str> = std::iter::once("--user").chain(acl.split(' ')).collect();
    let limited = Server::start(&user);
    let http = Fake::says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let closes = Fake::says_and_closes(b"");
    let silent = Fake::silent();
    let wrong_name = Server::start_tls(&certificates, "wrong-name", ANY_CLIENT);
    let expired = Server::start_tls(&certificates, "expired", ANY_CLIENT);
    let stranger = Server::start_tls(&certificates, "stranger", ANY_CLIENT);
    let ca = certificates.file("ca.pem");
    let at = |server: &Server, user: &str| server.url().replace("redis://", &format!("redis://{user}@"));
    let free = crate::server::free_port();
    let cases = [
        (at(&guarded, &format!("default:{secret}x")), 4, "password"),
        (guarded.url(), 4, "password"),
        (format!("redis://user:{secret}@127.0.0.1:{free}/0"), 5, "refused"),
        (http.url(), 5, "another kind of server"),
        (closes.url(), 5, ""),
        (silent.url(), 5, "1s"),
        (wrong_name.tls_url(), 5, "name"),
        (expired.tls_url(), 5, "expired"),
        (stranger.tls_url(), 5, "--tls-ca"),
        (format!("redis+unix://user:{secret}@/nonexistent.sock"), 5, "nonexistent.sock"),
        (format!("redis://user:{secret}@h:1:2/0"), 2, ""),
        (format!("redis://user:{secret}@h/1/2"), 2, "12"),
        (format!("redis://user:{secret}@h/0?decode_responses=False"), 2, "decode_responses"),
        (format!("redis://user:{secret}@h/0?passwrd=x"), 2, "did you mean"),
    ];
    let env = Env::new().within(Duration::from_secs(10));
    for (url, status, part) in cases {
        for args in [&["get", "k"][..], &["set", "k", "1"], &["ls"], &["del", "k"], &["inspect", "k"], &["ttl", "k"]] {
            let ran = env.run([&["--timeout", "1s", "--tls-ca", ca.to_str().unwrap(), "-b", &url], args].concat());
            assert_eq!(ran.status, Some(status), "{ran}");
            let stderr = ran.stderr();
            assert!(stderr.contains(part), "expected `{part}`: {ran}");
            assert!(!stderr.contains("s3cr3t") && ran.stdout.is_empty(), "{ran}");
        }
    }
    let reader = at(&limited, "reader:pw");
    for (args, status) in
        [(&["get", "k"][..], 1), (&["ls"], 1), (&["inspect", "k"], 1), (&["set", "k", "1"], 4), (&["del", "k"], 4)]
    {
        let ran = env.run([&["-b", &reader], args].concat());
        assert_eq!(ran.status, Some(status), "{ran}");
        assert!(status != 4 || ran.stderr().contains("permission"), "{ran}");
    }
}

#[test]
fn what_a_server_says_is_escaped() {
    let env = Env::new();
    // Said once for each command that may have been sent.
    let fake = Fake::says(b"-ERR \x1b[2J\xc2\x9b31m\x07\r\n-ERR \x1b[2J\xc2\x9b31m\x07\r\n");
    let shown = crate::pty::show(&env, ["-b", &fake.url(), "--timeout", "1s", "get", "k"]);
    assert!(shown.text().contains(r"\x1b[2J"), "{}", shown.text());
    assert!(!shown.text().contains(['\u{1b}', '\u{7}', '\u{9b}']), "{:?}", shown.text());
}
