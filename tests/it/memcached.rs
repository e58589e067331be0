//! memcached: what the Python clients' flags say, logins, limits, listings, and servers that lie.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cachectl::backend::{Backend, Cursor, ErrorKind, Options, parse};
use cachectl::entry::{Expiry, Stored, StoredKey, Ttl, Write};
use cachectl::pattern::Pattern;

use crate::backends::{Subject, options, write};
use crate::env::{Env, ttl_as_given};
use crate::python;
use crate::server::{Certificates, Fake, Memcached};

/// Opens a client on the port in `argv[2]` as `client`; `argv[3]` is what to do with it.
const CLIENTS: &str = r"
import sys
name, port = sys.argv[1], sys.argv[2]
if name == 'pymemcache':
    from pymemcache import serde
    from pymemcache.client.base import Client
    client = Client(('127.0.0.1', int(port)), serde=serde.compressed_serde)
    write = client.set
elif name == 'python-memcached':
    import memcache
    client = memcache.Client(['127.0.0.1:' + port])
    write = lambda key, value: client.set(key, value, min_compress_len=400)
else:
    import pylibmc
    client = pylibmc.Client(['127.0.0.1:' + port])
    write = lambda key, value: client.set(key, value, min_compress_len=400)
exec(sys.argv[3])
";

const NAMES: [&str; 3] = ["pymemcache", "python-memcached", "pylibmc"];

/// A program on the real client `name`.
fn client(name: &str, server: &Memcached, program: &str) -> String {
    python::run(CLIENTS, &[name, &server.port.to_string(), program])
}

#[test]
fn what_python_clients_write_is_shown_as_they_read_it() {
    let server = Memcached::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    for name in NAMES {
        let values = "[b'a\\xff', 'text \u{e9}', '42', '{\"a\": 1}', '', 42, -7, 2**70, True, {'a': [1, None]}, \
            (1, 'b'), 'long ' * 200, {'long': 'long ' * 200}, b'\\xff' * 1000, 1.5, None]";
        let program = format!(
            "values = {values}\nfor n, v in enumerate(values): assert write(f'k{{n}}', v) is not False\n\
                     for n in range(len(values)): print(repr(client.get(f'k{{n}}')))"
        );
        let read = client(name, &server, &program);
        assert_eq!(read.lines().count(), 16, "{name}");
        for (n, repr) in read.lines().enumerate() {
            let key = format!("k{n}");
            assert_eq!(env.ok(["get", &key, "-o", "python"]), format!("{repr}\n"), "{name} {key}");
        }
        let inspected = env.ok(["inspect", "k12"]);
        for part in ["9 (pickle in zlib; pymemcache, pylibmc, python-memcached)", "pickle+zlib://", "certain", "ago"] {
            assert!(inspected.contains(part), "{name}: {part} in {inspected}");
        }
        let record = env.ok(["get", "k2", "-o", "jsonl"]);
        assert!(record.contains("\"flags\": 16") && record.contains("\"value\": \"42\""), "{name}: {record}");
    }
}

#[test]
fn what_is_set_over_an_entry_python_clients_read() {
    let server = Memcached::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    for name in NAMES {
        client(name, &server, "write('i', 5); write('s', '5'); write('p', {'a': 1}); write('z', {'a': 'long ' * 200})");
        let flags = |key: &str| server.says(format!("mg {key} f\r\n").as_bytes());
        let before: Vec<String> = ["i", "s", "p", "z"].map(flags).into();
        env.ok(["set", "i", "6"]);
        env.ok(["set", "s", "6", "--string"]);
        env.ok(["set", "p", "[1, {\"$tuple\": [2]}]"]);
        env.ok(["-s", "pickle+zlib://", "set", "z", "\"short\""]);
        assert_eq!(["i", "s", "p", "z"].map(flags), before.as_slice(), "{name}");
        let read = client(name, &server, "print([client.get(k) for k in ('i', 's', 'p', 'z')])");
        assert_eq!(read, "[6, '6', [1, (2,)], 'short']\n", "{name}");

        let refused = env.fails(["set", "i", "[1]"], 3);
        assert!(refused.contains("its flags say integer") && refused.contains("-s URL"), "{name}: {refused}");
        let told = env.run(["-s", "string://", "set", "p", "x", "--string"]);
        assert!(told.stderr().contains("flags were 1 (pickle") && told.status == Some(0), "{name}: {told}");
        assert!(flags("p").contains("f0"), "{name}");
    }
}

#[test]
fn flags_that_are_wrong_or_unknown_hide_nothing() {
    let server = Memcached::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    for (flags, bytes, python, words) in [
        (1, "[1]", "[1]\n", "which it is not"),
        (2, "[1]", "[1]\n", "which it is not"),
        (24, "text", "'text'\n", "which it is not"),
        (4096, "[1]", "[1]\n", "4096 (of no client that is known here)"),
        (3, "[1]", "[1]\n", "3 (of no client that is known here)"),
        (0, "[1]", "[1]\n", "0 (they say nothing)"),
        (16, "[1]", "'[1]'\n", "its flags say text"),
        (2, "9 ", "9\n", "integer"),
    ] {
        server.says(format!("ms k {} F{flags}\r\n{bytes}\r\n", bytes.len()).as_bytes());
        assert_eq!(env.ok(["get", "k", "-o", "python"]), python, "{flags}");
        let inspected = env.ok(["inspect", "k"]);
        assert!(inspected.contains(words), "{flags}: {inspected}");
    }
    server.says(b"ms k 3 F4096\r\n[1]\r\n");
    env.ok(["set", "k", "[2]"]);
    assert_eq!(server.says(b"mg k f v\r\n"), "VA 3 f4096\r\n[2]\r\n", "flags that nobody here knows are kept");
    let line = env.file("dump.jsonl", env.ok(["get", "k", "-o", "jsonl"]));
    env.ok(["del", "k"]);
    env.ok(["set", "--from", line.to_str().unwrap()]);
    assert_eq!(server.says(b"mg k f v\r\n"), "VA 3 f4096\r\n[2]\r\n", "and go through a file");
}

/// aiocache knows no flags but 0.
#[test]
fn aiocache_fixtures_go_both_ways() {
    let server = Memcached::start(&["-I", "2m"]);
    let mut entries = std::collections::BTreeMap::new();
    for line in include_str!("../data/aiocache.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let bytes = |name: &str| line[name].as_str().map(|text| BASE64_STANDARD.decode(text).unwrap());
        if line["backend"] == "memcached" && line["kind"] == "value" {
            let (Some(key), Some(value)) = (bytes("stored_key_b64"), bytes("stored_value_b64")) else { continue };
            assert_eq!(line["flags"], 0, "{line}");
            entries.insert([key, line["case"].as_str().unwrap().into()].concat(), value);
        }
    }
    assert!(entries.len() > 80, "{}", entries.len());
    let mut backend = parse(&server.url(), &options()).unwrap()().unwrap();
    let writes: Vec<Write> = entries.iter().map(|(key, value)| write(key, value)).collect();
    assert_eq!(backend.set_many(&writes), Ok(vec![true; writes.len()]));
    let keys: Vec<String> = entries.keys().map(|key| BASE64_STANDARD.encode(key)).collect();
    // It reads what we wrote, and writes it again.
    let program = r"
import asyncio, base64, sys, aiomcache
async def main():
    client = aiomcache.Client('127.0.0.1', int(sys.argv[1]))
    for key in map(base64.b64decode, sys.argv[2].split()):
        value = await client.get(key)
        print(base64.b64encode(value).decode())
        await client.set(key, b'<' + value)
asyncio.run(main())
";
    let read = python::run(program, &[&server.port.to_string(), &keys.join(" ")]);
    let expected: Vec<String> = entries.values().map(|value| BASE64_STANDARD.encode(value)).collect();
    assert_eq!(read.lines().collect::<Vec<_>>(), expected);
    let keys: Vec<StoredKey> = entries.keys().map(|key| StoredKey::new(key.clone())).collect();
    for (entry, value) in backend.get_many(&keys).unwrap().into_iter().zip(entries.values()) {
        let entry = entry.unwrap();
        assert_eq!((entry.stored, entry.ttl), (Stored::Bytes([b"<", value.as_slice()].concat()), Ttl::Never));
    }
}

#[test]
fn a_login_is_told_from_none_and_never_shown() {
    let (open, guarded) = (Memcached::start(&[]), Memcached::start_guarded());
    let env = Env::new();
    let at = |server: &Memcached, user: &str| server.url().replace("//", &format!("//{user}@"));
    let right = at(&guarded, "ada:s3cr3t%40pw");
    env.ok(["-b", &right, "set", "k", "1"]);
    assert_eq!(env.ok(["-b", &right, "get", "k"]), "1\n");
    assert_eq!(env.ok(["-b", &right, "ls"]), "k\n");
    for (url, part) in [
        (at(&guarded, "ada:s3cr3tX"), "check the user and the password"),
        (at(&guarded, "bob:s3cr3t%40pw"), "check the user and the password"),
        (guarded.url(), "USER:PASSWORD@"),
        (at(&open, "ada:s3cr3t%40pw"), "wants no login"),
    ] {
        for args in [&["get", "k"][..], &["set", "k", "1"], &["ls"], &["ttl", "k"]] {
            let ran = env.run([&["-b", &url], args].concat());
            assert_eq!(ran.status, Some(4), "{ran}");
            assert!(ran.stderr().contains(part) && !ran.stderr().contains("s3cr3t"), "{ran}");
        }
    }
    // As a `set`, it would have been kept there for everybody to read.
    assert_eq!(server_keys(&open), Vec::<String>::new());
}

fn server_keys(server: &Memcached) -> Vec<String> {
    let mut subject = Subject { name: "keys", backend: parse(&server.url(), &options()).unwrap()().unwrap() };
    subject.keys("*", None).into_iter().map(|key| String::from_utf8(key.key).unwrap()).collect()
}

#[test]
fn a_limit_of_the_server_is_named_with_its_remedy() {
    let server = Memcached::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let large = env.file("large", vec![b'x'; 1 << 20]);
    let large = format!("@{}", large.display());
    env.ok(["set", "k", "1"]);
    let refused = env.fails(["-s", "string://", "set", "k", &large, "--string"], 3);
    assert!(refused.contains("limit of 1048576 bytes") && refused.contains("-I raises it"), "{refused}");
    assert_eq!(env.ok(["get", "k"]), "1\n", "what was there is still there");
    let long = "k".repeat(251);
    for args in
        [&["set", &long, "1"][..], &["get", &long], &["del", &long], &["ttl", &long], &["expire", &long, "--ttl", "1"]]
    {
        assert!(env.fails(args, 2).contains("250 at most"), "{args:?}");
    }
    assert!(env.fails(["set", "k", "1", "--ttl", "36500d"], 2).contains("2038"));

    let small = Memcached::start(&["-I", "512k"]);
    let backend = &mut parse(&small.url(), &options()).unwrap()().unwrap();
    backend.set_many(&[write("k", "1")]).unwrap();
    let error = backend.set_many(&[write("k", vec![b'x'; (512 << 10) - 8])]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit, "{error}");
    assert!(error.message.contains("-I") && error.message.contains("that was there is gone"), "{error}");
    assert_eq!(backend.get_many(&[StoredKey::new("k")]), Ok(vec![None]), "the connection is still good");

    let full = Memcached::start(&["-M", "-m", "1", "-I", "512k"]);
    let backend = &mut parse(&full.url(), &options()).unwrap()().unwrap();
    let writes: Vec<Write> = (0..8).map(|n| write(format!("k{n}"), vec![b'x'; 400_000])).collect();
    let error = backend.set_many(&writes).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Partial, "{error}");
    assert!(error.message.contains(" of 8 were done") && error.message.contains("without -M"), "{error}");
}

#[test]
fn ttls_are_whole_seconds_and_right_beyond_thirty_days() {
    let server = Memcached::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let told = env.run(["set", "k", "1", "--ttl", "1500ms"]);
    assert!(told.stderr().contains("whole seconds: this one is rounded up"), "{told}");
    let told = env.run(["expire", "k", "--ttl", "2500ms"]);
    assert!(told.stderr().contains("rounded up"), "{told}");
    assert!(!env.run(["expire", "k", "--ttl", "90s"]).stderr().contains("rounded"));
    for ttl in ["30d", "31d", "400d"] {
        env.ok(["set", "k", "1", "--ttl", ttl]);
        let first = ttl_as_given(&env.ok(["ttl", "k"]));
        let days: u64 = ttl.trim_end_matches('d').parse().unwrap();
        let mut subject = Subject { name: "ttl", backend: parse(&server.url(), &options()).unwrap()().unwrap() };
        assert!(subject.has_left("k", days * 86_400_000), "{ttl}: {first}");
        env.ok(["set", "k", "2", "--keep-ttl"]);
        assert!(subject.has_left("k", days * 86_400_000 + 3000), "{ttl}: kept");
    }
    // Two in one batch: the second holds for the entry that the first has written.
    let mut subject = Subject { name: "keep", backend: parse(&server.url(), &options()).unwrap()().unwrap() };
    let keep = |bytes: &str| Write { expiry: Expiry::Keep, ..write("k", bytes) };
    assert_eq!(subject.backend.set_many(&[keep("3"), keep("4")]), Ok(vec![true, true]));
    assert!(subject.has_left("k", 400 * 86_400_000 + 3000));
    assert_eq!(subject.get("k"), Some(b"4".to_vec()));
}

#[test]
fn looking_is_no_use_and_reading_is() {
    let server = Memcached::start(&[]);
    let mut subject = Subject { name: "use", backend: parse(&server.url(), &options()).unwrap()().unwrap() };
    subject.put(Write { data: Stored::Flagged(u32::MAX, b"v".to_vec()), ..write("k", "") });
    let item = |subject: &mut Subject| {
        subject.backend.facts_many(&[StoredKey::new("k")]).unwrap().remove(0).unwrap().item.unwrap()
    };
    assert!(!item(&mut subject).read && server.says(b"me k\r\n").contains("fetch=no"));
    assert_eq!(item(&mut subject).flags, u32::MAX);
    subject.expire("k", Expiry::In(90_000));
    assert!(!item(&mut subject).read, "nor is another ttl");
    assert_eq!(subject.entry("k").unwrap().stored, Stored::Flagged(u32::MAX, b"v".to_vec()));
    assert!(item(&mut subject).read && server.says(b"me k\r\n").contains("fetch=yes"));
}

#[test]
fn numbers_are_counted_by_the_server() {
    let server = Memcached::start(&[]);
    let mut connection = parse(&server.url(), &options()).unwrap()().unwrap();
    let key = StoredKey::new("a b");
    let hour = Expiry::In(3_600_000);
    let ttl = |connection: &mut Box<dyn Backend>| {
        let entry = connection.get_many(&[StoredKey::new("a b")]).unwrap().remove(0).unwrap();
        matches!(entry.ttl, Ttl::Left(left) if left > 80_000 && left <= 90_000)
    };
    assert_eq!(connection.increment(&key, 7, Expiry::In(90_000)), Ok(7), "there is none: it begins at 0");
    assert_eq!(connection.increment(&key, 5, hour), Ok(12));
    assert!(ttl(&mut connection), "one that is there keeps its ttl");
    assert_eq!(connection.increment(&key, -3, hour), Ok(9));
    assert_eq!(connection.increment(&key, 0, hour), Ok(9), "after `9 `, which keeps its length");
    assert_eq!(connection.increment(&key, i64::MIN, hour), Ok(0), "it stops at 0");
    assert_eq!(connection.increment(&StoredKey::new("n"), -5, Expiry::Never), Ok(0));
    connection.set_many(&[write("n", u64::MAX.to_string())]).unwrap();
    assert_eq!(connection.increment(&StoredKey::new("n"), 0, Expiry::Never), Ok(u64::MAX.into()));
    connection.set_many(&[write("text", "x")]).unwrap();
    let error = connection.increment(&StoredKey::new("text"), 1, hour).unwrap_err();
    assert!(error.kind == ErrorKind::Unfit && error.message.contains("no decimal number"), "{error}");

    connection.flush().unwrap();
    assert_eq!(connection.get_many(&[key]), Ok(vec![None]));
    let locked = Memcached::start(&["-F"]);
    let error = parse(&locked.url(), &options()).unwrap()().unwrap().flush().unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("-F"), "{error}");
}

#[test]
fn a_listing_says_what_it_is() {
    let server = Memcached::start(&["-o", "no_lru_maintainer"]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    for key in ["user:1", "user:2", "a b", "%2A", "line\nend"] {
        env.ok(["set", key, "1", "--ttl", "90s"]);
    }
    let listed = env.run(["ls", "--match", "user:*", "-o", "jsonl", "--long"]);
    assert_eq!(listed.stderr().matches("may be missing").count(), 1, "{listed}");
    let mut lines: Vec<serde_json::Value> =
        listed.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["key"].to_string());
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["key"], &lines[0]["flags"], &lines[0]["read"]), (&"user:1".into(), &0.into(), &false.into()));
    let mut keys: Vec<String> = env.ok(["ls", "-0"]).split_terminator('\0').map(str::to_owned).collect();
    keys.sort();
    assert_eq!(keys, ["%2A", "a b", "line\nend", "user:1", "user:2"]);
    assert!(env.run(["del", "--match", "user:*", "--yes"]).stderr().contains("may be missing"));
    assert_eq!(server_keys(&server), ["%2A", "a b", "line\nend"]);

    for (arguments, part) in [(&["-X"][..], "-X"), (&["-o", "no_lru_crawler"], "lru_crawler enable")] {
        let closed = Memcached::start(arguments);
        let refused = env.fails(["-b", &closed.url(), "ls"], 5);
        assert!(refused.contains(part), "{refused}");
    }
    let mut backend = parse(&server.url(), &options()).unwrap()().unwrap();
    let error = backend.scan(&Pattern::all(), None, Cursor::At(1000)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unfit, "{error}");
}

#[test]
fn tls_is_checked_and_its_absence_is_named() {
    let certificates = Certificates::new();
    let ca = certificates.file("ca.pem");
    let env = Env::new();
    let good = Memcached::start_tls(&certificates, "good", &[]);
    let url = format!("{}?ssl_ca_certs={}", good.url(), ca.display());
    env.ok(["-b", &url, "set", "k", "1"]);
    let wrong = Memcached::start_tls(&certificates, "wrong-name", &[]);
    let plain = Memcached::start(&[]);
    let to = |scheme: &str, server: &Memcached| format!("{scheme}://localhost:{}", server.port);
    for (url, part) in [
        (good.url(), "--tls-ca"),
        (format!("{}?ssl_ca_certs={}", wrong.url(), ca.display()), "another host name"),
        (to("memcached", &good), "try memcacheds://"),
        (to("memcacheds", &plain), ""),
    ] {
        let refused = env.fails(["-b", &url, "--timeout", "2s", "get", "k"], 5);
        assert!(refused.contains(part), "{url}: {refused}");
    }
    let unchecked = format!("{}?ssl_cert_reqs=none", wrong.url());
    assert!(env.fails(["-b", &unchecked, "get", "k"], 2).contains("--tls-insecure"));
    env.fails(["-b", &unchecked, "--tls-insecure", "get", "k"], 1);
}

#[test]
fn servers_that_lie_are_given_up() {
    let impatient = Options { timeout: Duration::from_millis(300), ..options() };
    let check = |fake: &Fake, kind: ErrorKind, part: &str| {
        let error = match parse(&fake.memcached_url(), &impatient).unwrap()() {
            Err(error) => error,
            Ok(mut backend) => backend.get_many(&[StoredKey::new("k")]).unwrap_err(),
        };
        assert!(error.kind == kind && error.message.contains(part), "{part}: {error:?}");
    };
    let another = "another kind of server";
    check(&Fake::says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), ErrorKind::Unreachable, another);
    check(&Fake::says(b"-ERR unknown command 'mn'\r\n"), ErrorKind::Unreachable, another);
    check(&Fake::says(b"ERROR\r\n"), ErrorKind::Unsupported, "1.6");
    check(&Fake::says(b"ERROR Too many open connections\r\n"), ErrorKind::Unreachable, "-c");
    check(&Fake::says_and_closes(b""), ErrorKind::Unreachable, "closed the connection");
    check(&Fake::silent(), ErrorKind::Unreachable, "no answer");
    check(&Fake::drips_on(b"M"), ErrorKind::Unreachable, "no answer");
    check(&Fake::floods(b"MN"), ErrorKind::Unreachable, another);
    for (answer, kind, part) in [
        (&b"VA 9223372036854775807 t-1\r\n"[..], ErrorKind::Limit, "`k`"),
        (b"VA 99999999999999999999 t-1\r\n", ErrorKind::Limit, "`stored`"),
        (b"VA 3 t-1\r\nabcdef\r\n", ErrorKind::Unreachable, another),
        (b"VA -3 t-1\r\nabc\r\n", ErrorKind::Unreachable, another),
        (b"VA 3 t-1\r\nab", ErrorKind::Unreachable, "no answer"),
        (b"HD\r\n", ErrorKind::Failed, "another answer"),
        (b"MN\r\n", ErrorKind::Failed, "another answer"),
        (b"SERVER_ERROR backend is down\r\n", ErrorKind::Failed, "backend is down"),
        (b"CLIENT_ERROR no\r\n", ErrorKind::Failed, "cannot get `k` at memcached://"),
        (b"\r\n", ErrorKind::Unreachable, another),
        (b"VA 3", ErrorKind::Unreachable, "no answer"),
    ] {
        check(&Fake::opens_and_says(answer), kind, part);
    }
    let odd = Fake::opens_and_says(b"VA 1 t99999999999999999999 f-7\r\nv\r\n");
    let mut backend = parse(&odd.memcached_url(), &impatient).unwrap()().unwrap();
    let entry = backend.get_many(&[StoredKey::new("k")]).unwrap().remove(0).unwrap();
    assert_eq!((entry.stored, entry.ttl), (Stored::Bytes(b"v".to_vec()), Ttl::Unknown), "numbers that are none");
    for (answer, kind, part) in [
        (&b"key=%zz exp=-1\n"[..], ErrorKind::Failed, "percent-encoded"),
        (b"STAT x\r\n", ErrorKind::Unreachable, another),
        (b"BUSY currently processing crawler request\r\n", ErrorKind::Failed, "try again"),
        (b"key=a exp", ErrorKind::Unreachable, "no answer"),
    ] {
        // The listing has a connection of its own.
        let fake = Fake::opens_and_says(answer);
        let mut backend = parse(&fake.memcached_url(), &impatient).unwrap()().unwrap();
        let error = backend.scan(&Pattern::all(), None, Cursor::Start).unwrap_err();
        assert!(error.kind == kind && error.message.contains(part), "{part}: {error:?}");
    }
}

#[test]
fn an_entry_that_was_just_read_is_listed() {
    let server = Memcached::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    ["a", "b", "c"].iter().for_each(|key| drop(env.ok(["set", key, "1"])));
    for key in ["a", "b", "c"].iter().cycle().take(30) {
        env.ok(["get", key]);
        assert_eq!(env.ok(["ls"]).lines().count(), 3);
    }
}
