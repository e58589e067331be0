//! Redis through the library's interface, against real servers and false ones.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cachectl::backend::redis::{Place, Target, parse};
use cachectl::backend::{self, Backend, Cursor, Error, ErrorKind, Options, Reply};
use cachectl::entry::{Condition, Entry, Expiry, Facts, Members, Stored, StoredKey, Ttl, Write};
use cachectl::limits::Limits;
use cachectl::pattern::Pattern;

use crate::env::Env;
use crate::python;
use crate::server::{Certificates, Fake, Server, free_port};

const PASSWORD: &str = "s3cret";

fn options() -> Options {
    Options {
        timeout: Duration::from_secs(10),
        limits: Limits::DEFAULT,
        disk_default: PathBuf::new(),
        tls_ca: None,
        tls_client: None,
        tls_insecure: false,
        replica: false,
        password_from: None,
        tell: |_| (),
    }
}

fn impatient() -> Options {
    Options { timeout: Duration::from_millis(300), ..options() }
}

fn open(url: &str, options: &Options) -> Result<Box<dyn Backend>, Error> {
    backend::parse(url, options).unwrap_or_else(|error| panic!("{url}: {error}"))()
}

fn connect(url: &str) -> Box<dyn Backend> {
    open(url, &options()).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn key(name: impl Into<Vec<u8>>) -> StoredKey {
    StoredKey::new(name)
}

fn field(name: &str, field: &str) -> StoredKey {
    StoredKey { key: name.into(), field: Some(field.into()) }
}

fn write(key: StoredKey, bytes: &[u8], expiry: Expiry, condition: Condition) -> Write {
    Write { key, data: Stored::Bytes(bytes.to_vec()), expiry, condition, tag: None }
}

fn put(name: &str, bytes: &[u8]) -> Write {
    write(key(name), bytes, Expiry::Never, Condition::Always)
}

fn get(backend: &mut dyn Backend, name: &str) -> Option<Entry> {
    backend.get_many(&[key(name)]).unwrap().remove(0)
}

fn stored(backend: &mut dyn Backend, name: &str) -> Option<Stored> {
    get(backend, name).map(|entry| entry.stored)
}

/// Connects and reads: the error of whichever fails.
fn failure(url: &str, options: &Options) -> Error {
    let result = open(url, options).and_then(|mut backend| backend.get_many(&[key("k")]));
    result.err().unwrap_or_else(|| panic!("{url} works"))
}

fn check(url: &str, options: &Options, kind: ErrorKind, says: &str) {
    let error = failure(url, options);
    assert_eq!(error.kind, kind, "{url}: {error}");
    assert!(error.message.contains(says), "{url}: expected {says:?} in: {error}");
    assert!(!error.message.contains(PASSWORD), "the password is in: {error}");
}

/// Every user with every host, path and query: spellings that people write, and slips.
fn spellings() -> Vec<String> {
    let users =
        ["", "u@", ":p@", "u:p@", "u%40er:p%2Fw@", "u:@", "u:p@w@", "é:ü@", "u:p/w@", "u:p?w@", "u:p#w@", "u+v:p+w@"];
    let hosts = [
        "",
        "h",
        "H.Example",
        "[::1]",
        "[]",
        "[h]:1",
        "[fe80::1%25lo]:9",
        "[::1]7",
        "h:1",
        "h:",
        "h:0",
        "h:65536",
        "h:x",
        "[::1]:7",
        "h:1:2",
        "a:1,b:2",
        "%68",
    ];
    let paths =
        ["", "/", "/3", "/3/", "//3", "/1/2", "/abc", "/+1", "/1_0", "/-1", "/%33", "/x.sock", "/a%20b/c.sock", "/0#f"];
    let queries = [
        "?db=2",
        "?db=",
        "?db=x",
        "?db=1&db=2",
        "?username=q&password=r",
        "?password=a%2520b",
        "?password=a%40b",
        "?client_name=c",
        "?decode_responses=False",
        "?nope=1",
        "?db=5&socket_timeout=0.5",
        "?db=%32",
        "?protocol=3",
    ];
    let mut urls = Vec::new();
    for user in users {
        for host in hosts {
            urls.extend(paths.iter().map(|path| format!("redis://{user}{host}{path}")));
        }
        urls.extend(queries.iter().map(|query| format!("unix://{user}/s.sock{query}")));
        urls.extend(queries.iter().map(|query| format!("rediss://{user}h/4{query}")));
    }
    for scheme in ["rediss://", "unix://", "Redis://", "redis:/", "redis:"] {
        urls.extend(hosts.iter().map(|host| format!("{scheme}{host}")));
        urls.extend(paths.iter().map(|path| format!("{scheme}{path}")));
    }
    urls
}

#[test]
fn urls_mean_what_redis_py_says_or_are_refused() {
    let urls = spellings();
    let program = "
import sys
from redis.connection import parse_url, UnixDomainSocketConnection, SSLConnection
for url in sys.argv[1:]:
    try:
        got = parse_url(url)
        unix = got.get('connection_class') is UnixDomainSocketConnection
        place = [got.get('path', '')] if unix else [got.get('host', 'localhost'), got.get('port', 6379)]
        tls = got.get('connection_class') is SSLConnection
        print(*map(str, [*place, tls, got.get('db', 0), got.get('username'), got.get('password')]), sep='\\t')
    except ValueError as error:
        print('refused')
";
    let arguments: Vec<&str> = urls.iter().map(String::as_str).collect();
    let answers = python::run(program, &arguments);
    let (mut same, mut refused) = (0, 0);
    for (url, theirs) in urls.iter().zip(answers.lines()) {
        match parse(url) {
            Ok(target) => {
                assert_eq!(as_redis_py(&target), theirs, "{url}");
                same += 1;
            }
            Err(error) => {
                assert!(error.to_string().len() > 20, "{url}: {error}");
                refused += 1;
            }
        }
    }
    assert_eq!(same + refused, urls.len());
    assert!(same > 400 && refused > 400, "{same} the same, {refused} refused");
}

fn as_redis_py(target: &Target) -> String {
    let (place, tls) = match &target.place {
        Place::Tcp(host, port) => (format!("{host}\t{port}"), "False"),
        Place::Tls(host, port) => (format!("{host}\t{port}"), "True"),
        Place::Unix(path) => (path.display().to_string(), "False"),
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "None".to_owned());
    format!("{place}\t{tls}\t{}\t{}\t{}", target.db, or_none(&target.username), or_none(&target.password))
}

#[test]
fn parameters_that_redis_py_only_refuses_when_it_connects_are_refused_here_at_once() {
    let server = Server::start(&[]);
    let program = "
import redis, sys
for query in sys.argv[2:]:
    try:
        redis.Redis.from_url(sys.argv[1] + query).ping()
        print('works')
    except Exception as error:
        print(type(error).__name__)
";
    let base = server.url();
    let queries =
        ["?timeout=3", "?nope=1", "?protocol=4", "?ssl_cert_reqs=none", "?socket_read_size=9", "?max_connections=-1"];
    let answers = python::run(program, &[&[base.as_str()], &queries[..]].concat());
    for (query, answer) in queries.iter().zip(answers.lines()) {
        assert_ne!(answer, "works", "{query}");
        assert!(parse(&format!("{base}{query}")).is_err(), "{query}");
    }
    for query in
        ["?protocol=3", "?socket_timeout=2.5&retry_on_timeout=yes&max_connections=5&client_name=x&encoding=UTF-8"]
    {
        assert_eq!(python::run(program, &[&base, query]), "works\n", "{query}");
        assert_eq!(get(&mut *connect(&format!("{base}{query}")), "missing"), None, "{query}");
    }
}

#[test]
fn a_server_that_cannot_be_used_is_an_error_that_says_why() {
    let options = &options();
    check(&format!("redis://127.0.0.1:{}/0", free_port()), options, ErrorKind::Unreachable, "connection refused");
    check("redis+unix:///nowhere/redis.sock", options, ErrorKind::Unreachable, "no such socket");
    check("redis://host.invalid", options, ErrorKind::Unreachable, "host.invalid");

    let http = Fake::says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    check(&http.url(), options, ErrorKind::Unreachable, "another kind of server");
    let closing = Fake::says_and_closes(b"");
    check(&closing.url(), options, ErrorKind::Unreachable, "closed the connection");
    let plain = Fake::says(b"-ERR unknown command\r\n");
    check(&plain.url().replace("redis://", "rediss://"), options, ErrorKind::Unreachable, "does not speak TLS");

    let server = Server::start(&[]);
    let anywhere = format!("redis://0.0.0.0:{}", server.port);
    assert_eq!(get(&mut *connect(&anywhere), "k"), None, "redis-py takes it for this machine");
    check(
        &format!("redis://127.0.0.1:{}/99", server.port),
        options,
        ErrorKind::Failed,
        "database 99, which the URL names",
    );
    check(&format!("redis://:{PASSWORD}@127.0.0.1:{}", server.port), options, ErrorKind::Denied, "no password");
    let cluster = Server::start(&["--cluster-enabled", "yes"]);
    check(&cluster.url(), &impatient(), ErrorKind::Failed, "CLUSTERDOWN");
}

#[test]
fn a_silent_server_is_given_up_within_the_timeout() {
    let silent = Fake::silent();
    for url in [silent.url(), silent.url().replace("redis://", "rediss://"), format!("{}?protocol=3", silent.url())] {
        let start = Instant::now();
        check(&url, &impatient(), ErrorKind::Unreachable, "no answer within 300ms");
        assert!(start.elapsed() < Duration::from_secs(3), "{url}: {:?}", start.elapsed());
    }
}

#[test]
fn a_server_that_drips_is_given_up_within_the_timeout_too() {
    // A value, a line, a list, what is pushed, and a record of the TLS handshake.
    for (answer, scheme) in [
        (&b"$1000000\r\n"[..], "redis"),
        (b"+", "redis"),
        (b"*2\r\n$100\r\n", "redis"),
        (b">2\r\n$9000\r\n", "redis"),
        (b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", "rediss"),
    ] {
        let drips = Fake::drips_on(answer);
        let start = Instant::now();
        check(&drips.url().replace("redis", scheme), &impatient(), ErrorKind::Unreachable, "no answer within 300ms");
        assert!(start.elapsed() < Duration::from_secs(3), "{}: {:?}", answer.escape_ascii(), start.elapsed());
    }
}

#[test]
fn a_large_value_may_take_longer_than_the_timeout() {
    let slow = Fake::says_slowly(b"$2097152\r\n", 2 << 20, b"\r\n:-1\r\n");
    assert_eq!(
        stored(&mut *open(&slow.url(), &impatient()).unwrap(), "large"),
        Some(Stored::Bytes(vec![b'x'; 2 << 20]))
    );
}

#[test]
fn a_server_that_does_not_speak_tls_is_suspected_of_it() {
    let silent = Fake::silent();
    let url = silent.url().replace("redis://", "rediss://");
    check(&url, &impatient(), ErrorKind::Unreachable, "during the TLS handshake: does it speak TLS?");
}

#[test]
fn what_no_redis_answers_is_an_error_and_not_a_miss() {
    let nonsense = Fake::always_says(b"+OK\r\n+OK\r\n");
    let nothing = Fake::always_says(b"$-1\r\n:-1\r\n");
    let number = Fake::always_says(b":0\r\n:-1\r\n");
    let odd = |error: Error, question: &str| {
        assert_eq!(error.kind, ErrorKind::Failed, "{question}: {error}");
        assert!(error.message.contains("where Redis answers something else"), "{question}: {error}");
    };
    for fake in [&nonsense, &nothing] {
        odd(connect(&fake.url()).delete_many(&[key("k")]).unwrap_err(), "UNLINK");
        odd(connect(&fake.url()).delete_many(&[field("k", "f")]).unwrap_err(), "HDEL");
        odd(connect(&fake.url()).expire_many(&[key("k")], Expiry::Keep).unwrap_err(), "EXISTS");
        odd(connect(&fake.url()).expire_many(&[key("k")], Expiry::In(5)).unwrap_err(), "PEXPIRE");
        odd(
            connect(&fake.url())
                .set_many(&[write(field("k", "f"), b"", Expiry::Never, Condition::Always)])
                .unwrap_err(),
            "HSET",
        );
    }
    odd(connect(&number.url()).set_many(&[put("k", b"v")]).unwrap_err(), "SET");
    odd(connect(&number.url()).facts_many(&[key("k")]).unwrap_err(), "TYPE");
    odd(connect(&number.url()).get_many(&[key("k")]).unwrap_err(), "GETRANGE");
}

#[test]
fn a_scan_that_goes_in_a_circle_ends() {
    let keys = Fake::always_says(b"*2\r\n$1\r\n7\r\n*1\r\n$1\r\nk\r\n");
    let mut backend = connect(&keys.url());
    let mut cursor = Some(Cursor::Start);
    let error = (0..10).find_map(|_| match backend.scan(&Pattern::all(), None, cursor.take()?) {
        Ok(page) => {
            cursor = page.next;
            None
        }
        Err(error) => Some(error),
    });
    let error = error.expect("ten pages end in an error");
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(error.message.contains("does not end"), "{error}");
    // Another scan from the beginning is another scan.
    assert!(backend.scan(&Pattern::all(), None, Cursor::Start).is_ok());
}

#[test]
fn a_scan_that_shows_nothing_for_ever_ends() {
    let fake = Fake::always_scans();
    let env = Env::new();
    for (command, verb) in [(&["ls"][..], "SCAN"), (&["del", "--match", "a*", "--yes"], "SCAN")] {
        let error = env.fails([&["-b", &fake.url(), "--max", "scan=50"], command].concat(), 3);
        assert!(error.contains(&format!("the {verb} of ")) && error.contains("`scan` of 50 pages"), "{error}");
    }
}

#[test]
fn the_advice_to_log_in_is_in_the_form_of_the_url() {
    let server = Server::start(&["--requirepass", PASSWORD]);
    check(&server.url(), &options(), ErrorKind::Denied, "CACHECTL_PASSWORD or redis://USER:PASSWORD@HOST)");
    check(&server.unix_url(), &options(), ErrorKind::Denied, "CACHECTL_PASSWORD or redis+unix://USER:PASSWORD@/PATH)");
}

#[test]
fn sizes_that_a_server_only_claims_reserve_no_memory() {
    let before = address_space();
    for answer in [
        &b"$9223372036854775807\r\n"[..],
        b"*1000000000\r\n",
        b"*1000000000\r\n*1000000000\r\n*1000000000\r\n",
        b"%1000000000\r\n",
        b"$-9\r\n",
        b":99999999999999999999\r\n",
    ] {
        let fake = Fake::says_and_closes(answer);
        let error = failure(&fake.url(), &impatient());
        assert!(matches!(error.kind, ErrorKind::Unreachable | ErrorKind::Limit), "{error}");
    }
    let start = Instant::now();
    for answer in [&b"$999999999999\r\n"[..], b"*2147483647\r\n"] {
        check(&Fake::says(answer).url(), &options(), ErrorKind::Limit, "over the limit `stored`");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "what is announced is not waited for");
    let deep: &[u8] = "*1\r\n".repeat(200_000).leak().as_bytes();
    let error = failure(&Fake::says_and_closes(deep).url(), &impatient());
    assert_eq!(error.kind, ErrorKind::Unreachable, "{error}");
    let grown = address_space() - before;
    assert!(grown < 16 << 20, "{grown} KiB more than before");
}

/// The most KiB of address space that this process ever had: memory that is reserved counts, used or not.
fn address_space() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the tests run on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_login_is_checked_and_its_password_never_shown() {
    let acl = "reader on >s3cret ~* -@all +get";
    let mut user = vec!["--user"];
    user.extend(acl.split(' '));
    let server = Server::start(&[&user[..], &["--requirepass", "other"]].concat());
    let url = |login: &str| format!("redis://{login}127.0.0.1:{}/0", server.port);
    let options = &options();
    for protocol in ["", "?protocol=3"] {
        let url = |login: &str| url(login) + protocol;
        check(&url(""), options, ErrorKind::Denied, "wants a password");
        check(&url(&format!(":{PASSWORD}@")), options, ErrorKind::Denied, "WRONGPASS");
        check(&url(&format!("nobody:{PASSWORD}@")), options, ErrorKind::Denied, "cannot log in as `nobody`");
        check(&url("reader@"), options, ErrorKind::Denied, "WRONGPASS");
        assert_eq!(get(&mut *connect(&url(":other@")), "k"), None);
    }
    let mut reader = connect(&url("reader:s3cret@"));
    let error = reader.set_many(&[put("k", b"v")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert!(error.message.contains("cannot set `k`") && error.message.contains("'set'"), "{error}");
    let target = format!("redis://reader:{PASSWORD}@127.0.0.1:{}/1", server.port);
    check(&target, options, ErrorKind::Denied, "cannot use database 1");
    assert!(!reader.label().contains(PASSWORD) && !reader.label().contains("reader"), "{}", reader.label());
}

#[test]
fn a_server_that_repeats_the_password_does_not_get_it_shown() {
    for answer in [
        &b"-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `default`, `s3cret`, \r\n"[..],
        b"-ERR what is s3cret to me\r\n",
        b"-s3cret\r\n",
    ] {
        for query in ["", "?protocol=3"] {
            let fake = Fake::says(answer);
            let url = format!("redis://:{PASSWORD}@127.0.0.1:{}{query}", fake.port);
            let error = failure(&url, &options());
            assert!(!error.message.contains(PASSWORD), "{error}");
            assert!(error.message.contains("cannot log in"), "{error}");
        }
    }
}

#[test]
fn a_user_who_may_do_little_can_do_that() {
    let user = |name: &str, may: &str| format!("{name} on >{PASSWORD} ~app:* -@all {may}");
    let users = [
        user("getter", "+get +exists"),
        user("reader", "+getrange +pttl +strlen +type +scan +hscan"),
        user("writer", "+set +del"),
    ];
    let mut arguments = Vec::new();
    for user in &users {
        arguments.push("--user");
        arguments.extend(user.split(' '));
    }
    let server = Server::start(&arguments);
    let client = |name: &str| connect(&format!("redis://{name}:{PASSWORD}@127.0.0.1:{}/0", server.port));
    server.command(&[b"SET", b"app:k", b"v", b"PX", b"600000"]);
    server.command(&[b"SET", b"app:empty", b""]);
    server.command(&[b"HSET", b"app:h", b"f", b"v"]);

    let mut getter = client("getter");
    let entries = getter.get_many(&[key("app:k"), key("app:empty"), key("app:none")]).unwrap();
    let of = |bytes: &[u8]| Some(Entry { stored: Stored::Bytes(bytes.to_vec()), ttl: Ttl::Unknown, tag: None });
    assert_eq!(entries, [of(b"v"), of(b""), None]);
    let error = getter.get_many(&[key("app:h")]).unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("'type'"), "{error}");
    let error = getter.get_many(&[key("other")]).unwrap_err();
    assert!(error.kind == ErrorKind::Denied && error.message.contains("`other`"), "{error}");

    let mut reader = client("reader");
    assert!(matches!(get(&mut *reader, "app:k"), Some(Entry { ttl: Ttl::Left(_), .. })));
    assert!(matches!(stored(&mut *reader, "app:h"), Some(Stored::Members(Members::Hash(pairs))) if pairs.len() == 1));
    assert_eq!(reader.facts_many(&[key("app:empty")]).unwrap()[0].as_ref().unwrap().size, 0);
    assert_eq!(reader.scan(&Pattern::all(), None, Cursor::Start).unwrap().keys.len(), 3);

    let mut writer = client("writer");
    assert_eq!(writer.set_many(&[put("app:k", b"w")]).unwrap(), [true]);
    assert_eq!(writer.delete_many(&[key("app:k"), key("app:k")]).unwrap(), [true, false]);
}

#[test]
fn certificates_are_checked_and_the_error_says_what_is_wrong() {
    let certificates = Certificates::new();
    let trusting = Options { tls_ca: Some(certificates.file("ca.pem")), ..options() };
    let insecure = Options { tls_insecure: true, ..options() };
    let optional = ["--tls-auth-clients", "no"];
    for (name, says) in
        [("wrong-name", "another host name"), ("expired", "has expired"), ("stranger", "--tls-ca FILE trusts it")]
    {
        let server = Server::start_tls(&certificates, name, &optional);
        check(&server.tls_url(), &trusting, ErrorKind::Unreachable, says);
        assert_eq!(get(&mut *open(&server.tls_url(), &insecure).unwrap(), "k"), None, "{name}");
    }
    let server = Server::start_tls(&certificates, "good", &optional);
    assert_eq!(get(&mut *open(&server.tls_url(), &trusting).unwrap(), "k"), None);
    check(&server.tls_url(), &options(), ErrorKind::Unreachable, "not trusted here");
    check(&server.url(), &options(), ErrorKind::Unreachable, "rediss://");
    let with_ca = format!("{}?ssl_ca_certs={}", server.tls_url(), certificates.file("ca.pem").display());
    assert_eq!(get(&mut *connect(&with_ca), "k"), None);
    let unchecked = format!("{}?ssl_cert_reqs=none", server.tls_url());
    assert!(backend::parse(&unchecked, &options()).err().unwrap().to_string().contains("--tls-insecure"));
    assert_eq!(get(&mut *open(&unchecked, &insecure).unwrap(), "k"), None);
    let missing = Options { tls_ca: Some("/nowhere/ca.pem".into()), ..options() };
    check(&server.tls_url(), &missing, ErrorKind::Unreachable, "cannot read /nowhere/ca.pem");
}

#[test]
fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let certificates = Certificates::new();
    let server = Server::start_tls(&certificates, "good", &["--tls-auth-clients", "yes"]);
    let trusting = Options { tls_ca: Some(certificates.file("ca.pem")), ..options() };
    check(&server.tls_url(), &trusting, ErrorKind::Denied, "client certificate");
    let known = Options { tls_client: Some(certificates.pair("client")), ..trusting.clone() };
    assert_eq!(get(&mut *open(&server.tls_url(), &known).unwrap(), "k"), None);
    let (certificate, key_file) = certificates.pair("client");
    let query = format!("?ssl_certfile={}&ssl_keyfile={}", certificate.display(), key_file.display());
    assert_eq!(get(&mut *open(&(server.tls_url() + &query), &trusting).unwrap(), "k"), None);
}

#[test]
fn entries_are_written_under_their_conditions_and_expiries() {
    use Condition::{Always, IfAbsent, IfPresent};
    let server = Server::start(&[]);
    let backend = &mut *connect(&server.unix_url());
    let later = 4_000_000_000_000;
    // What is there before, the write, whether its condition held, what is there then.
    let cases = [
        (None, Expiry::Never, Always, true, Some(Ttl::Never)),
        (Some(Ttl::Left(600_000)), Expiry::Never, Always, true, Some(Ttl::Never)),
        (Some(Ttl::Left(600_000)), Expiry::Keep, Always, true, Some(Ttl::Left(600_000))),
        (None, Expiry::Keep, IfAbsent, true, Some(Ttl::Never)),
        (None, Expiry::In(500_000), Always, true, Some(Ttl::Left(500_000))),
        (None, Expiry::At(later), IfAbsent, true, Some(Ttl::Left(later.unsigned_abs()))),
        (Some(Ttl::Never), Expiry::Never, IfAbsent, false, Some(Ttl::Never)),
        (None, Expiry::Never, IfPresent, false, None),
        (Some(Ttl::Never), Expiry::In(500_000), IfPresent, true, Some(Ttl::Left(500_000))),
        (Some(Ttl::Never), Expiry::In(0), Always, true, None),
        (None, Expiry::In(0), Always, true, None),
        (None, Expiry::In(0), IfAbsent, true, None),
        (Some(Ttl::Never), Expiry::In(0), IfAbsent, false, Some(Ttl::Never)),
        (Some(Ttl::Never), Expiry::At(-5), IfPresent, true, None),
        (None, Expiry::In(0), IfPresent, false, None),
        (Some(Ttl::Never), Expiry::At(1), Always, true, None),
    ];
    for case in cases {
        let (before, expiry, condition, held, after) = case;
        server.command(&[b"DEL", b"k"]);
        match before {
            Some(Ttl::Left(ms)) => drop(server.command(&[b"SET", b"k", b"old", b"PX", ms.to_string().as_bytes()])),
            Some(_) => drop(server.command(&[b"SET", b"k", b"old"])),
            None => {}
        }
        let one = write(key("k"), b"new", expiry, condition);
        assert_eq!(backend.set_many(&[one]).unwrap(), [held], "{case:?}");
        let entry = get(backend, "k");
        assert_eq!(entry.is_some(), after.is_some(), "{case:?}");
        match (entry.map(|entry| entry.ttl), after) {
            (Some(Ttl::Left(left)), Some(Ttl::Left(given))) => assert!(left > 0 && left <= given, "{case:?}: {left}"),
            (ttl, after) => assert_eq!(ttl, after, "{case:?}"),
        }
    }
    let error = backend.set_many(&[write(key("k"), b"", Expiry::In(u64::MAX), Always)]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unfit, "{error}");
    let tagged = Write { tag: Some("t".into()), ..put("k", b"v") };
    assert_eq!(backend.set_many(&[put("first", b""), tagged]).unwrap_err().kind, ErrorKind::Unfit);
    assert_eq!(get(backend, "first"), None, "nothing is written when one of the writes cannot be");
}

#[test]
fn an_expiry_is_changed_and_removed() {
    let server = Server::start(&[]);
    let backend = &mut *connect(&server.url());
    let keys = [key("k"), key("none")];
    let mut change = |expiry| {
        server.command(&[b"SET", b"k", b"v", b"PX", b"600000"]);
        let there = backend.expire_many(&keys, expiry).unwrap();
        assert_eq!(there, [true, false], "{expiry:?}");
        get(backend, "k").map(|entry| entry.ttl)
    };
    assert_eq!(change(Expiry::Never), Some(Ttl::Never));
    assert!(matches!(change(Expiry::In(5_000_000)), Some(Ttl::Left(600_001..=5_000_000))));
    assert!(matches!(change(Expiry::Keep), Some(Ttl::Left(1..=600_000))));
    assert_eq!(change(Expiry::In(0)), None);
    assert_eq!(change(Expiry::At(-1)), None);
    server.command(&[b"SET", b"k", b"v"]);
    assert_eq!(backend.expire_many(&keys, Expiry::Never).unwrap(), [true, false], "it had no ttl before");
}

#[test]
fn fields_of_a_hash_are_entries() {
    let server = Server::start(&[]);
    let backend = &mut *connect(&server.url());
    let one = |name: &str, condition| write(field("h", name), b"v", Expiry::Never, condition);
    let writes = [one("a", Condition::Always), one("a", Condition::IfAbsent), one("b", Condition::IfAbsent)];
    assert_eq!(backend.set_many(&writes).unwrap(), [true, false, true]);
    let entries = backend.get_many(&[field("h", "a"), field("h", "none"), field("none", "a")]).unwrap();
    assert_eq!(entries.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    let facts = backend.facts_many(&[field("h", "a"), field("h", "none"), key("h")]).unwrap();
    let sizes: Vec<Option<u64>> = facts.into_iter().map(|facts| facts.map(|facts| facts.size)).collect();
    assert_eq!(sizes, [Some(1), None, Some(2)]);
    assert_eq!(backend.delete_many(&[field("h", "a"), field("h", "a")]).unwrap(), [true, false]);
    let expiring = write(field("h", "c"), b"v", Expiry::In(5), Condition::Always);
    assert_eq!(backend.set_many(&[expiring]).unwrap_err().kind, ErrorKind::Unfit);
    server.command(&[b"SET", b"string", b"v"]);
    assert_eq!(backend.get_many(&[field("string", "a")]).unwrap_err().kind, ErrorKind::Unfit);
}

#[test]
fn values_that_are_not_strings_are_read_member_by_member() {
    let server = Server::start(&[]);
    // More members than a page, and than the small encodings hold.
    let count = 2500_u16;
    let names: Vec<String> = (0..count).map(|at| format!("m{at:05}")).collect();
    for chunk in names.chunks(500) {
        let mut commands =
            [vec![&b"RPUSH"[..], b"list"], vec![b"HSET", b"hash"], vec![b"ZADD", b"zset"], vec![b"SADD", b"set"]];
        for name in chunk {
            commands[0].push(name.as_bytes());
            commands[1].extend([name.as_bytes(), b"v"]);
            commands[2].extend([&name.as_bytes()[1..], name.as_bytes()]);
            commands[3].push(name.as_bytes());
        }
        commands.iter().for_each(|command| drop(server.command(command)));
    }
    for at in 0..1200 {
        server.command(&[b"XADD", b"stream", format!("7-{}", at + 1).as_bytes(), b"f", b"v", b"g", b""]);
    }
    server.command(&[b"ZADD", b"odd", b"-inf", b"low", b"1.5", b"mid", b"inf", b"high"]);
    for protocol in ["", "&protocol=3"] {
        let backend = &mut *connect(&(server.unix_url() + protocol));
        let members = |name: &str, backend: &mut dyn Backend| match stored(backend, name) {
            Some(Stored::Members(members)) => members,
            other => panic!("{name}: {other:?}"),
        };
        let all: Vec<Vec<u8>> = names.iter().map(|name| name.clone().into_bytes()).collect();
        assert_eq!(members("list", backend), Members::List(all.clone()));
        let Members::Set(mut set) = members("set", backend) else { panic!("no set") };
        set.sort();
        assert_eq!(set, all);
        let Members::Hash(mut pairs) = members("hash", backend) else { panic!("no hash") };
        pairs.sort();
        assert!(
            pairs.iter().map(|(field, value)| (field, value.as_slice())).eq(all.iter().map(|name| (name, &b"v"[..])))
        );
        let scores = all.iter().cloned().zip((0..count).map(f64::from)).collect();
        assert_eq!(members("zset", backend), Members::SortedSet(scores));
        let odd = [("low", f64::NEG_INFINITY), ("mid", 1.5), ("high", f64::INFINITY)];
        assert_eq!(members("odd", backend), Members::SortedSet(odd.map(|(name, score)| (name.into(), score)).to_vec()));
        let Members::Stream(items) = members("stream", backend) else { panic!("no stream") };
        assert_eq!((items.len(), items[0].id.as_str(), items[1199].id.as_str()), (1200, "7-1", "7-1200"));
        assert_eq!(items[5].fields, [(b"f".to_vec(), b"v".to_vec()), (b"g".to_vec(), Vec::new())]);

        let kinds = ["list", "set", "hash", "zset", "stream", "none"];
        let facts = backend.facts_many(&kinds.map(key)).unwrap();
        for (kind, facts) in kinds.iter().zip(facts) {
            let size = if *kind == "stream" { 1200 } else { u64::from(count) };
            let expected = Facts { kind: (*kind).to_owned(), size, ttl: Ttl::Never, tag: None, item: None };
            assert_eq!(facts, Some(expected).filter(|_| *kind != "none"));
        }
        let page = backend.scan(&Pattern::all(), Some("zset"), Cursor::Start).unwrap();
        assert_eq!(page.keys.len(), 2);
        assert_eq!(backend.scan(&Pattern::all(), Some("zsett"), Cursor::Start).unwrap_err().kind, ErrorKind::Unfit);
    }
}

#[test]
fn what_is_larger_than_the_limits_is_refused_and_named() {
    let server = Server::start(&[]);
    server.command(&[b"SET", b"fits", &[b'x'; 1000]]);
    server.command(&[b"SET", b"large", &[b'x'; 1001]]);
    server.command(&[b"HSET", b"hash", b"f", &[b'x'; 1001]]);
    server.command(&[b"RPUSH", b"long", b"1", b"2", b"3", b"4", b"5"]);
    server.command(&[b"SADD", b"wide", &[b'x'; 600], &[b'y'; 600]]);
    let limits = Limits { stored: 1000, nodes: 4, ..Limits::DEFAULT };
    let backend = &mut *open(&server.url(), &Options { limits, ..options() }).unwrap();
    assert_eq!(stored(backend, "fits"), Some(Stored::Bytes(vec![b'x'; 1000])));
    for (key, says) in [
        (key("large"), "`large` is over the limit `stored`"),
        (field("hash", "f"), "field `f` of `hash` is over the limit `stored`"),
        (key("hash"), "`hash` is over the limit `stored`"),
        (key("long"), "`long` is over the limit `nodes`"),
        (key("wide"), "`wide` is over the limit `stored`"),
    ] {
        let error = backend.get_many(&[key]).unwrap_err();
        assert!(error.kind == ErrorKind::Limit && error.message.contains(says), "{error}");
        assert!(error.message.contains("--max"), "{error}");
    }
    assert_eq!(stored(backend, "fits"), Some(Stored::Bytes(vec![b'x'; 1000])), "the connection is still good");
}

#[test]
fn a_reply_without_end_is_given_up_at_the_limit() {
    let limits = Limits { stored: 4 << 20, ..Limits::DEFAULT };
    let options = Options { limits, ..options() };
    for answer in [&b"$9223372036854775807\r\n"[..], b"*1\r\n$1000000000\r\n"] {
        check(&Fake::floods(answer).url(), &options, ErrorKind::Limit, "over the limit `stored`");
    }
    check(&Fake::floods(b"+").url(), &options, ErrorKind::Unreachable, "another kind of server");
    let numbers = [b"*10000000\r\n".to_vec(), b":1\r\n".repeat(1_000_000)].concat().leak();
    check(
        &Fake::says(numbers).url(),
        &Options { limits: Limits::DEFAULT, ..options.clone() },
        ErrorKind::Limit,
        "over the limit `stored`",
    );
    // The first page of a list is asked for before the size of its members is known.
    let server = Server::start(&[]);
    let member = vec![b'x'; 1 << 20];
    for _ in 0..16 {
        server.command(&[b"RPUSH", b"list", &member]);
    }
    let backend = &mut *open(&server.url(), &options).unwrap();
    let error = backend.get_many(&[key("list")]).unwrap_err();
    assert!(error.kind == ErrorKind::Limit && error.message.contains("`list` is over"), "{error}");
    assert_eq!(get(backend, "none"), None, "and the next question is answered");
}

#[test]
fn odd_keys_and_long_lists_of_keys_are_each_one_key() {
    let server = Server::start(&[]);
    let backend = &mut *connect(&server.url());
    let mut names: Vec<Vec<u8>> = (0..2500).map(|at| format!("key {at}").into_bytes()).collect();
    names.extend([&b"*"[..], b"a*", b"it's", b"", b"\0\r\n", b"\xff\xfe", b"[a]"].map(<[u8]>::to_vec));
    let keys: Vec<StoredKey> = names.iter().cloned().map(StoredKey::new).collect();
    let writes = keys.iter().map(|key| write(key.clone(), &key.key, Expiry::Never, Condition::Always));
    assert!(backend.set_many(&writes.collect::<Vec<_>>()).unwrap().iter().all(|done| *done));
    for (key, entry) in keys.iter().zip(backend.get_many(&keys).unwrap()) {
        assert_eq!(entry.unwrap().stored, Stored::Bytes(key.key.clone()));
    }
    let (mut found, mut cursor) = (Vec::new(), Some(Cursor::Start));
    while let Some(at) = cursor {
        let page = backend.scan(&Pattern::all(), None, at).unwrap();
        found.extend(page.keys);
        cursor = page.next;
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), keys.len());
    for (pattern, count) in [(Pattern::new("a*"), 1), (Pattern::all().under(b"[a]"), 1), (Pattern::new("key 12?"), 10)]
    {
        let (mut found, mut cursor) = (0, Some(Cursor::Start));
        while let Some(at) = cursor {
            let page = backend.scan(&pattern, Some("string"), at).unwrap();
            found += page.keys.len();
            cursor = page.next;
        }
        assert_eq!(found, count, "{pattern:?}");
    }
    assert_eq!(backend.delete_many(&[key("a*")]).unwrap(), [true]);
    assert_eq!(backend.delete_many(&keys).unwrap().iter().filter(|done| **done).count(), keys.len() - 1);
    assert_eq!(server.command(&[b"DBSIZE"]), redis::Value::Int(0));
}

#[test]
fn a_connection_lost_among_writes_says_how_many_were_done() {
    let fake = Fake::says_and_closes(b"+OK\r\n+OK\r\n");
    let mut backend = connect(&fake.url());
    let writes: Vec<Write> = ["a", "b", "c", "d"].iter().map(|name| put(name, b"v")).collect();
    let error = backend.set_many(&writes).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Partial, "{error}");
    assert!(error.message.contains("2 of 4 were done; of 2 more it is not known"), "{error}");

    let server = Server::start(&["--user", "u", "on", "nopass", "~app:*", "+@all"]);
    let mut backend = connect(&format!("redis://u:x@127.0.0.1:{}", server.port));
    let error = backend.set_many(&[put("app:a", b""), put("else", b""), put("app:b", b"")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Partial, "{error}");
    assert!(error.message.contains("2 of 3 were done; cannot set `else`"), "{error}");
}

#[test]
fn a_new_counter_whose_ttl_is_refused_is_said_to_have_none() {
    let server = Server::start(&["--user", "ann", "on", "nopass", "~*", "+incrby"]);
    let mut backend = connect(&format!("redis://ann:x@127.0.0.1:{}", server.port));
    assert_eq!(backend.increment(&key("n"), 2, Expiry::Never), Ok(2));
    let error = backend.increment(&key("n"), 3, Expiry::In(60_000)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Partial, "{error}");
    for told in ["3 was added to `n`, now 5, but the ttl of a new counter cannot be set", "NOPERM"] {
        assert!(error.message.contains(told), "{error}");
    }
}

#[test]
fn a_lost_connection_is_made_again_for_the_next_question() {
    let server = Server::start(&[]);
    let backend = &mut *connect(&server.url());
    assert_eq!(get(backend, "k"), None);
    server.command(&[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"]);
    assert_eq!(get(backend, "k"), None);
    server.command(&[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"]);
    assert_eq!(backend.set_many(&[put("k", b"v")]), Ok(vec![true]), "nothing was sent that may have been done");
}

#[test]
fn a_connection_that_the_server_closed_for_idleness_is_replaced_before_a_write() {
    let server = Server::start(&["--timeout", "1"]);
    let backend = &mut *connect(&server.url());
    assert_eq!(get(backend, "k"), None);
    let deadline = Instant::now() + Duration::from_secs(20);
    let others = || match server.command(&[b"CLIENT", b"LIST", b"TYPE", b"normal"]) {
        redis::Value::BulkString(list) => list.iter().filter(|byte| **byte == b'\n').count() - 1,
        other => panic!("{other:?}"),
    };
    while others() > 0 {
        assert!(Instant::now() < deadline, "the server closes idle connections");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(backend.set_many(&[put("k", b"v")]).unwrap(), [true]);
}

#[test]
fn a_server_that_refuses_a_write_says_why() {
    let full = Server::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let error = connect(&full.url()).set_many(&[put("k", b"v")]).unwrap_err();
    assert!(error.kind == ErrorKind::Failed && error.message.contains("maxmemory and may not evict"), "{error}");
    let replica = Server::start(&["--replicaof", "127.0.0.1", &free_port().to_string()]);
    let error = connect(&replica.url()).set_many(&[put("k", b"v")]).unwrap_err();
    assert!(error.kind == ErrorKind::Failed && error.message.contains("write to its primary"), "{error}");
}

#[test]
fn cachetory_and_cachectl_read_what_the_other_wrote() {
    let program = r#"
import sys
from datetime import timedelta
from cachetory import serializers
from cachetory.backends.sync import from_url
from cachetory.caches.sync import Cache
cache = Cache(serializer=serializers.from_url("pickle+zstd://"), backend=from_url(sys.argv[1]), prefix="p:")
if sys.argv[2] == "write":
    cache.set("a", {"name": "Ada", "n": 2**70}, time_to_live=timedelta(hours=1))
    print(serializers.from_url("pickle+zstd://").serialize({"name": "Ada", "n": 2**70}).hex())
else:
    print(cache["b"])
"#;
    let certificates = Certificates::new();
    let plain = Server::start(&[]);
    let secure = Server::start_tls(&certificates, "good", &["--tls-auth-clients", "no"]);
    let secure_url = format!("{}?ssl_ca_certs={}", secure.tls_url(), certificates.file("ca.pem").display());
    for url in [plain.url(), plain.unix_url(), secure_url] {
        let written = python::run(program, &[&url, "write"]);
        let backend = &mut *connect(&url);
        let entry = get(backend, "p:a").unwrap_or_else(|| panic!("{url}: nothing there"));
        let Stored::Bytes(bytes) = entry.stored else { panic!("{url}: no bytes") };
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, written.trim(), "{url}");
        assert!(matches!(entry.ttl, Ttl::Left(3_500_000..=3_600_000)), "{url}: {:?}", entry.ttl);
        backend.set_many(&[put("p:b", &bytes)]).unwrap();
        assert_eq!(python::run(program, &[&url, "read"]), "{'name': 'Ada', 'n': 1180591620717411303424}\n", "{url}");
    }
}

#[test]
fn a_counter_is_a_string_or_a_field_and_gets_its_ttl_at_birth() {
    let user = |name: &str, may: &str| format!("{name} on >{PASSWORD} ~* -@all {may}");
    let mut arguments = Vec::new();
    let users = [user("counter", "+incrby"), user("limiter", "+incrby +set"), user("nobody", "+get")];
    for user in &users {
        arguments.push("--user");
        arguments.extend(user.split(' '));
    }
    let server = Server::start(&arguments);
    let mut redis = connect(&server.url());
    let never = Expiry::Never;
    assert_eq!(
        (redis.increment(&field("h", "f"), 5, never), redis.increment(&field("h", "f"), -7, never)),
        (Ok(5), Ok(-2))
    );
    server.command(&[b"HSET", b"h", b"x", b"y"]);
    for (key, expiry, part) in [
        (field("h", "x"), never, "the field holds no integer"),
        (field("h", "f"), Expiry::In(1000), "no ttl of its own"),
        (key("h"), never, "another type of value"),
        (key("h"), Expiry::In(1000), "another type of value"),
    ] {
        let error = redis.increment(&key, 1, expiry).unwrap_err();
        assert!(error.kind == ErrorKind::Unfit && error.message.contains(part), "{error}");
    }
    let client = |name: &str| connect(&format!("redis://{name}:{PASSWORD}@127.0.0.1:{}/0", server.port));
    let hour = Expiry::In(3_600_000);
    assert_eq!(client("counter").increment(&key("c"), 2, never), Ok(2));
    assert_eq!(
        (client("limiter").increment(&key("l"), 2, hour), client("limiter").increment(&key("l"), 2, hour)),
        (Ok(2), Ok(4))
    );
    assert!(matches!(get(&mut *redis, "l").unwrap().ttl, Ttl::Left(3_000_000..=3_600_000)));
    for error in [client("nobody").increment(&key("l"), 1, never), client("nobody").increment(&key("l"), 1, hour)] {
        let error = error.unwrap_err();
        assert!(error.kind == ErrorKind::Denied && error.message.contains("NOPERM"), "{error}");
    }
    assert_eq!(client("nobody").flush().unwrap_err().kind, ErrorKind::Denied);
    assert_eq!(redis.increment(&key("l"), 0, never), Ok(4));
    let fake = Fake::says_and_closes(b"+OK\r\n");
    let error = connect(&fake.url()).increment(&key("k"), 1, hour).unwrap_err();
    assert!(error.message.ends_with("whether it was added is not known"), "{error}");
}

#[test]
fn any_command_has_its_reply_in_either_protocol() {
    let server =
        Server::start(&["--enable-debug-command", "yes", "--user", "some", "on", "nopass", "~*", "-@all", "+ping"]);
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let bytes = |text: &str| Reply::Bytes(text.into());
    let mut two = connect(&server.url());
    let mut three = connect(&format!("{}?protocol=3", server.url()));
    let both = [
        ("PING", Reply::Status(b"PONG".to_vec())),
        ("set k v", Reply::Status(b"OK".to_vec())),
        ("GET k", bytes("v")),
        ("GET none", Reply::Nil),
        ("INCR n", Reply::Int(1)),
        ("RPUSH l a b", Reply::Int(2)),
        ("LRANGE l 0 -1", Reply::List(vec![bytes("a"), bytes("b")])),
        ("FLUSHDB", Reply::Status(b"OK".to_vec())),
    ];
    for (line, reply) in both {
        assert_eq!(two.raw(&words(line)), Ok(reply.clone()), "{line}");
        if line != "INCR n" && !line.starts_with("RPUSH") && !line.starts_with("LRANGE") {
            three.raw(&words("SET k v")).unwrap();
            assert_eq!(three.raw(&words(line)), Ok(reply), "{line}");
        }
    }
    let debug = [
        (
            "DEBUG PROTOCOL map",
            Reply::Map(vec![
                (Reply::Int(0), Reply::Bool(false)),
                (Reply::Int(1), Reply::Bool(true)),
                (Reply::Int(2), Reply::Bool(false)),
            ]),
        ),
        ("DEBUG PROTOCOL set", Reply::Set(vec![Reply::Int(0), Reply::Int(1), Reply::Int(2)])),
        ("DEBUG PROTOCOL double", Reply::Double("3.141".parse().unwrap())),
        ("DEBUG PROTOCOL bignum", Reply::Big(b"1234567999999999999999999999999999999".to_vec())),
        ("DEBUG PROTOCOL true", Reply::Bool(true)),
        ("DEBUG PROTOCOL null", Reply::Nil),
        ("DEBUG PROTOCOL attrib", bytes("Some real reply following the attribute")),
        ("DEBUG PROTOCOL verbatim", bytes("This is a verbatim\nstring")),
    ];
    for (line, reply) in debug {
        assert_eq!(three.raw(&words(line)), Ok(reply), "{line}");
    }
    let script = "return {1, redis.error_reply('MY error'), {redis.status_reply('fine')}}";
    let many = Reply::List(vec![
        Reply::Int(1),
        Reply::Error("MY error".into()),
        Reply::List(vec![Reply::Status(b"fine".to_vec())]),
    ]);
    for backend in [&mut two, &mut three] {
        assert_eq!(backend.raw(&[b"EVAL".to_vec(), script.into(), b"0".to_vec()]), Ok(many.clone()));
        for (line, kind, part) in [
            ("GET", ErrorKind::Unfit, "wrong number of arguments"),
            ("NO-SUCH x", ErrorKind::Unsupported, "unknown command"),
            ("psubscribe x", ErrorKind::Unfit, "`PSUBSCRIBE` cannot be sent from here"),
            ("CLIENT reply OFF", ErrorKind::Unfit, "`CLIENT REPLY` cannot be sent"),
        ] {
            let error = backend.raw(&words(line)).unwrap_err();
            assert!(error.kind == kind && error.message.contains(part), "{line}: {error}");
        }
        assert!(backend.raw(&words("CLIENT ID")).is_ok_and(|reply| matches!(reply, Reply::Int(_))));
    }
    let denied = connect(&format!("redis://some:@127.0.0.1:{}/0", server.port)).raw(&words("GET k")).unwrap_err();
    assert_eq!(denied.kind, ErrorKind::Denied, "{denied}");
    let mut impatient = open(&server.url(), &impatient()).unwrap();
    let error = impatient.raw(&words("BLPOP none 0")).unwrap_err();
    assert!(error.kind == ErrorKind::Unreachable && error.message.contains("--timeout allows more"), "{error}");
    assert_eq!(impatient.raw(&words("PING")), Ok(Reply::Status(b"PONG".to_vec())), "on a connection of its own");
}
