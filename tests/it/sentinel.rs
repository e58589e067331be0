//! Redis behind sentinels: the primary is found, and found again after a failover.

use cachectl::backend::{Cursor, Options, parse};
use cachectl::entry::StoredKey;
use cachectl::pattern::Pattern;

use crate::backends::{options, write};
use crate::env::Env;
use crate::server::{Certificates, Server, free_port, until};

/// A primary's replica, which has its data.
fn replica_of(primary: &Server, more: &[&str]) -> Server {
    let port = primary.port.to_string();
    let replica = Server::start(&[&["--replicaof", "127.0.0.1", &port], more].concat());
    until("the replica has its primary's data", || replica.info("replication").contains("link_status:up"));
    replica
}

#[test]
fn the_primary_is_found_and_found_again_after_a_failover() {
    let mut primary = Server::start(&[]);
    let replica = replica_of(&primary, &[]);
    let sentinel = Server::start_sentinel("shop", &primary, "");
    until("the sentinel knows the replica", || sentinel.info("sentinel").contains("slaves=1"));
    // The first one is not there, which is no reason to fail.
    let list = format!("127.0.0.1:{},127.0.0.1:{}", free_port(), sentinel.port);
    for scheme in ["redis+sentinel", "valkey+sentinel"] {
        let env = Env::new().with("CACHECTL_BACKEND", format!("{scheme}://{list}/shop/2"));
        env.ok(["set", "k", "1"]);
        assert_eq!(env.ok(["get", "k"]), "1\n");
    }
    assert_eq!(replica_reads(&list), "1\n");
    assert_eq!(primary.command_in(2, &[b"GET", b"k"]), redis::Value::BulkString(b"1".to_vec()));

    let url = format!("redis+sentinel://{list}/shop/0?protocol=3");
    let mut backend = parse(&url, &options()).unwrap()().unwrap();
    let keys: Vec<StoredKey> = (0..2500).map(|at| StoredKey::new(format!("key:{at:04}"))).collect();
    let writes: Vec<_> = keys.iter().map(|key| write(&key.key, "v")).collect();
    backend.set_many(&writes).unwrap();
    until("the replica has all keys", || replica.command(&[b"DBSIZE"]) == redis::Value::Int(2500));
    let mut page = backend.scan(&Pattern::all(), None, Cursor::Start).unwrap();
    primary.kill();
    let mut seen = std::mem::take(&mut page.keys);
    while let Some(next) = page.next {
        page = backend.scan(&Pattern::all(), None, next).unwrap();
        seen.append(&mut page.keys);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, keys, "a scan begins anew on the new primary");
    assert_eq!(backend.set_many(&[write("after", "v")]).unwrap(), [true]);
    assert_eq!(replica.command(&[b"EXISTS", b"after"]), redis::Value::Int(1));
    assert!(backend.label().contains("/shop/0"), "{}", backend.label());
}

/// What `get --replica` prints of a key in database 2, as soon as the replica has it.
fn replica_reads(list: &str) -> String {
    let env = Env::new().with("CACHECTL_BACKEND", format!("redis+sentinel://{list}/shop/2"));
    until("the replica has the key", || env.run(["--replica", "get", "k"]).status == Some(0));
    assert!(env.fails(["--replica", "set", "k", "2"], 2).contains("--replica only reads"));
    assert!(env.fails(["--replica", "raw", "SET", "k", "2"], 2).contains("--replica only reads"));
    assert_eq!(env.ok(["--replica", "raw", "GET", "k"]), "\"1\"\n");
    assert!(env.ok(["--replica", "ping"]).contains(", replica"));
    env.ok(["--replica", "get", "k"])
}

#[test]
fn a_primary_that_was_made_a_replica_is_left() {
    let primary = Server::start(&[]);
    let replica = replica_of(&primary, &[]);
    let sentinel = Server::start_sentinel("shop", &primary, "");
    let url = format!("redis+sentinel://127.0.0.1:{}/shop", sentinel.port);
    let mut backend = parse(&url, &options()).unwrap()().unwrap();
    assert_eq!(backend.set_many(&[write("before", "v")]).unwrap(), [true]);
    // What a failover does, without the ten seconds that a sentinel takes to hear of everything.
    let new = replica.port.to_string();
    sentinel.command(&[b"SENTINEL", b"REMOVE", b"shop"]);
    replica.command(&[b"REPLICAOF", b"NO", b"ONE"]);
    primary.command(&[b"REPLICAOF", b"127.0.0.1", new.as_bytes()]);
    until("the roles are changed", || primary.info("replication").contains("role:slave"));
    sentinel.command(&[b"SENTINEL", b"MONITOR", b"shop", b"127.0.0.1", new.as_bytes(), b"1"]);
    assert_eq!(backend.set_many(&[write("after", "v")]).unwrap(), [true]);
    assert_eq!(replica.command(&[b"EXISTS", b"after"]), redis::Value::Int(1));
}

#[test]
fn sentinels_have_logins_and_certificates_of_their_own() {
    let certificates = Certificates::new();
    let ca = certificates.file("ca.pem");
    let server = Server::start(&["--requirepass", "s3cret-server"]);
    let own = "sentinel auth-pass shop s3cret-server\nrequirepass s3cret-sentinel";
    let plain = Server::start_sentinel("shop", &server, own);
    let env = Env::new();
    let run = |url: &str| env.run(["-b", url, "--timeout", "2s", "set", "k", "1"]);
    let at = |query: &str| format!("redis+sentinel://:s3cret-server@127.0.0.1:{}/shop{query}", plain.port);
    run(&at("?sentinel_password=s3cret-sentinel")).ok();
    for (url, status, part) in [
        (at(""), 4, "wants a password"),
        (at("?sentinel_password=s3cret-wrong"), 4, "check the user and the password"),
        (at("?sentinel_password=s3cret-sentinel").replace(":s3cret-server@", ""), 4, "wants a password"),
        (at("?sentinel_password=s3cret-sentinel").replace("/shop", "/shoe"), 5, "watches no service `shoe`"),
        (format!("redis+sentinel://127.0.0.1:{}/shop", server.port), 5, "is no sentinel"),
        (format!("redis+sentinel://127.0.0.1:{}/shop", free_port()), 5, "connection refused"),
    ] {
        let refused = run(&url);
        assert!(refused.status == Some(status) && refused.stderr().contains(part), "{part}: {refused}");
        assert!(!refused.stderr().contains("s3cret"), "{refused}");
    }

    let secured = Server::start_tls(&certificates, "good", &["--tls-auth-clients", "no"]);
    let tls = Server::start_sentinel_tls(&certificates, "shop", &secured, "");
    let name = format!("localhost:{}/shop", tls.port);
    let trusting = Options { tls_ca: Some(ca.clone()), ..options() };
    let open = |url: &str, options: &Options| parse(url, options).unwrap()().map(drop);
    assert_eq!(open(&format!("rediss+sentinel://{name}"), &trusting), Ok(()));
    let error = open(&format!("rediss+sentinel://{name}"), &options()).unwrap_err();
    assert!(error.message.contains("not trusted here"), "{error}");
    // The sentinels' certificates are one thing, and the server's another.
    let mixed = format!("redis+sentinel://:s3cret-server@{name}");
    let secured_only = format!("{mixed}?sentinel_ssl=true&sentinel_ssl_ca_certs={}", ca.display());
    let error = open(&secured_only, &options()).unwrap_err();
    assert!(error.message.contains("closed the connection"), "the server wants TLS too: {error}");
}
