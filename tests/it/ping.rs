//! `ping`: what is there, and what this user may do.

use serde_json::Value;

use crate::env::Env;
use crate::server::{Certificates, Cluster, Fake, Memcached, Server};

fn record(env: &Env, args: &[&str]) -> Value {
    serde_json::from_str(&env.ok([args, &["ping", "-o", "json"]].concat())).unwrap()
}

fn list(record: &Value, name: &str) -> String {
    let words = record[name].as_array().unwrap_or_else(|| panic!("no {name}: {record}"));
    words.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_server_says_what_it_is_and_what_a_user_may_do() {
    let user = |rules: &str| format!("bob on >pw {rules}");
    let server = Server::start(&[]);
    let env = Env::new();
    for (rules, may, may_not, not_known) in [
        ("+@all ~*", "read ttl list stats write expire incr delete clear", "", ""),
        ("+@all -@dangerous +acl|dryrun +acl|whoami ~*", "read ttl list write expire incr delete", "stats clear", ""),
        ("+@read +acl|dryrun +acl|whoami ~app:*", "read ttl list", "stats write expire incr delete clear", ""),
        ("+@all ~other:*", "list stats clear", "read ttl write expire incr delete", ""),
        ("+@all -unlink ~*", "read ttl list stats write expire incr delete clear", "", ""),
        ("+@all -unlink -del ~*", "read ttl list stats write expire incr clear", "delete", ""),
        ("+get +scan +acl|whoami ~*", "read list", "ttl stats", "write expire incr delete clear"),
        ("+get ~app:*", "read", "ttl list stats", "write expire incr delete clear"),
    ] {
        let rules = user(rules);
        server.command(&[b"ACL", b"DELUSER", b"bob"]);
        let words: Vec<&[u8]> =
            [&b"ACL"[..], b"SETUSER"].into_iter().chain(rules.split(' ').map(str::as_bytes)).collect();
        server.command(&words);
        let url = format!("redis://bob:pw@127.0.0.1:{}/0", server.port);
        let env = Env::new().with("CACHECTL_BACKEND", url);
        let found = record(&env, &["-n", "app:"]);
        assert_eq!(list(&found, "may"), may, "{rules}: {found}");
        assert_eq!(list(&found, "may_not"), may_not, "{rules}: {found}");
        assert_eq!(list(&found, "not_known"), not_known, "{rules}: {found}");
        let named = rules.contains("@all") || rules.contains("whoami");
        assert_eq!(found["user"], if named { "bob".into() } else { Value::Null }, "{rules}: {found}");
        assert_eq!(found["key"], "app:cachectl:ping");
    }
    let url = server.url();
    let found = record(&env, &["-b", &url]);
    assert_eq!((found["product"].as_str(), found["role"].as_str()), (Some("redis"), Some("primary")), "{found}");
    assert_eq!(
        (&found["user"], &found["tls"], found["backend"].as_str()),
        (&"default".into(), &Value::Null, Some(&*url))
    );
    assert!(server.info("server").contains(&format!("redis_version:{}", found["version"].as_str().unwrap())));
    let (connect, trip) = (found["connect_us"].as_u64().unwrap(), found["round_trip_us"].as_u64().unwrap());
    assert!(trip > 0 && connect > 0 && trip < 5_000_000, "{found}");
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, told) = readme.split_once("\n**`ping`**").unwrap();
    let told = told.split("\n\n").next().unwrap();
    for name in found.as_object().unwrap().keys() {
        assert!(told.contains(&format!("`{name}`")), "{name} is not in the README");
    }
    let text = env.ok(["-b", &url, "ping"]);
    for says in ["backend", "redis 7", "primary", "round trip", "default", "may ", "of keys like"] {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert_eq!(server.command(&[b"DBSIZE"]), redis::Value::Int(0), "it has written");
    assert!(env.fails(["-b", &url, "ping", "-o", "raw"], 2).contains("-o jsonl"));
}

#[test]
fn tls_says_what_was_agreed_on() {
    let certificates = Certificates::new();
    let server = Server::start_tls(&certificates, "good", &["--tls-auth-clients", "no"]);
    let env = Env::new();
    let (url, ca) = (server.tls_url(), certificates.file("ca.pem").display().to_string());
    let found = record(&env, &["-b", &url, "--tls-ca", &ca]);
    assert_eq!((&found["tls"]["version"], &found["tls"]["checked"]), (&"TLSv1_3".into(), &true.into()), "{found}");
    assert!(found["tls"]["cipher"].as_str().unwrap().starts_with("TLS13_"), "{found}");
    let openssl = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(certificates.pair("good").0)
        .output()
        .expect("openssl, which redis-server's package depends on");
    let fingerprint = String::from_utf8(openssl.stdout).unwrap().trim().rsplit('=').next().unwrap().replace(':', "");
    assert_eq!(found["tls"]["certificate_sha256"], fingerprint.to_lowercase(), "{found}");
    let told = ["certificate_for", "certificate_until"].map(|name| found["tls"][name].to_string());
    assert_eq!(told, [r#"["localhost","127.0.0.1"]"#, r#""2124-01-01T00:00:00Z""#], "{found}");
    assert!(found["tls"]["certificate_days"].as_i64().is_some_and(|days| days > 30_000), "{found}");
    let text = env.ok(["-b", &url, "--tls-insecure", "ping"]);
    assert!(text.contains("NOT CHECKED") && text.contains("localhost, 127.0.0.1"), "{text}");
    assert!(env.fails(["-b", &url, "ping"], 5).contains("--tls-ca"));
}

#[test]
fn a_certificate_that_ends_soon_is_warned_about() {
    let certificates = Certificates::new();
    let ca = certificates.file("ca.pem").display().to_string();
    let env = Env::new();
    let ping = |url: &str, trust: &[&str]| {
        let ran = env.run([&["-q", "-b", url], trust, &["ping", "-o", "json"]].concat());
        let found: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
        (ran.stderr(), found["tls"]["certificate_days"].as_i64().unwrap())
    };
    for (name, trust, days, told) in [
        ("good", &["--tls-ca", &ca][..], 30_000..100_000, None),
        ("ending", &["--tls-ca", &ca], 3..4, Some(", in 3 days")),
        ("expired", &["--tls-insecure"], -100_000..-365, Some("has ended, on 2021-01-01T00:00:00Z")),
    ] {
        let redis = Server::start_tls(&certificates, name, &["--tls-auth-clients", "no"]);
        let memcached = Memcached::start_tls(&certificates, name, &[]);
        for url in [redis.tls_url(), memcached.url()] {
            let (error, left) = ping(&url, trust);
            assert!(days.contains(&left), "{name}: {left} days");
            assert_eq!(error.contains("the server's certificate"), told.is_some(), "{name}: {error}");
            assert!(error.contains(told.unwrap_or("")), "{name}: {error}");
        }
    }
    let cluster = Cluster::start_tls(&certificates);
    let url = format!("rediss+cluster://127.0.0.1:{}", cluster.nodes[0].port);
    assert!(ping(&url, &["--tls-ca", &ca]).1 > 30_000, "each node has one");
}

#[test]
fn every_kind_of_backend_answers() {
    let env = Env::new();
    let memcached = Memcached::start(&[]);
    let disk = format!("disk://{}", env.path("shop").display());
    for (url, product) in [(memcached.url(), "memcached"), (disk, "diskcache"), ("memory:".to_owned(), "memory")] {
        env.run(["-b", &url, "set", "k", "1"]);
        let found = record(&env, &["-b", &url]);
        assert_eq!((&found["product"], &found["user"], &found["may"]), (&product.into(), &Value::Null, &Value::Null));
        assert!(env.ok(["-b", &url, "ping"]).contains("round trip"));
    }
    assert_eq!(env.run(["-b", "dummy:", "ping"]).status, Some(0));
}

#[test]
fn what_does_not_answer_ends_with_its_status() {
    let env = Env::new();
    let server = Server::start(&["--requirepass", "pw"]);
    let guarded = Memcached::start_guarded();
    let silent = Fake::silent();
    let other = Fake::always_says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    for (url, status, says) in [
        ("redis://127.0.0.1:1/0".to_owned(), 5, "connection refused"),
        (server.url(), 4, "NOAUTH"),
        (server.url().replace("127.0.0.1", ":wrong@127.0.0.1"), 4, "WRONGPASS"),
        (guarded.url(), 4, "wants a login"),
        (silent.url(), 5, "no answer within 200ms"),
        (other.url(), 5, "another kind of server"),
        ("redis+unix:///no/such.sock".to_owned(), 5, "no such socket"),
        ("reds://h".to_owned(), 2, "did you mean"),
    ] {
        let told = env.fails(["-b", &url, "-q", "--timeout", "200ms", "ping"], status);
        assert!(told.contains(says), "{url}: {told}");
    }
}
