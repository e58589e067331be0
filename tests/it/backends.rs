//! What every backend does alike: one suite, run over each. Memory is the reference.
//!
//! A backend joins with one `#[test]` that hands its [`Connect`], to an empty store, to
//! [`conformance`]. What only one backend does is tested in a file of its own.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use cachectl::backend::survey::{Observation, Observer, Plan, Questions, Sample, Surveyed};
use cachectl::backend::{Backend, Connect, Cursor, Error, ErrorKind, Options, parse};
use cachectl::entry::{Condition, Entry, Expiry, Kind, Stored, StoredKey, Ttl, Write};
use cachectl::limits::Limits;
use cachectl::pattern::Pattern;

use crate::server::{Certificates, Cluster, Fake, Memcached, Server};

#[test]
fn memory_conforms() {
    conformance("memory", &parse("memory:", &options()).unwrap());
}

#[test]
fn disk_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("disk://{}/cache", directory.path().display());
    conformance("disk", &parse(&url, &options()).unwrap());
}

#[test]
fn redis_conforms() {
    let certificates = Certificates::new();
    let plain = Server::start(&[]);
    let tls = Server::start_tls(&certificates, "good", &["--tls-auth-clients", "no"]);
    let trusting = Options { tls_ca: Some(certificates.file("ca.pem")), ..options() };
    conformance("redis", &parse(&plain.url(), &options()).unwrap());
    conformance("redis+unix", &parse(&plain.unix_url(), &options()).unwrap());
    conformance("rediss", &parse(&tls.tls_url(), &trusting).unwrap());
}

#[test]
fn a_cluster_conforms() {
    let certificates = Certificates::new();
    let (plain, tls) = (Cluster::start(3, 0), Cluster::start_tls(&certificates));
    let trusting = Options { tls_ca: Some(certificates.file("ca.pem")), ..options() };
    conformance("redis+cluster", &parse(&plain.url(), &options()).unwrap());
    // A server's URL that leads to a node of a cluster leads to all of it.
    conformance("redis of a cluster", &parse(&format!("{}?protocol=3", plain.nodes[1].url()), &options()).unwrap());
    for node in &tls.nodes {
        node.command(&[b"ACL", b"SETUSER", b"ada", b"on", b">s3cret", b"~*", b"+@all"]);
        node.command(&[b"ACL", b"SETUSER", b"default", b"off"]);
    }
    let url = format!("rediss+cluster://ada:s3cret@localhost:{}?protocol=3", tls.nodes[2].port);
    conformance("rediss+cluster", &parse(&url, &trusting).unwrap());
    // TLS and the login are kept on the way to where MOVED leads.
    let url = format!("rediss://ada:s3cret@localhost:{}/0", tls.nodes[1].port);
    let mut subject = Subject { name: "rediss of a cluster", backend: parse(&url, &trusting).unwrap()().unwrap() };
    assert!((0..20).all(|n| subject.set(format!("k{n}"), "v")) && subject.keys("*", None).len() == 20);
}

/// Without the thread that moves items from list to list, a metadump passes every one. A value of 1 MiB
/// needs more room than the usual limit, which counts the key too.
const STILL: &[&str] = &["-I", "2m", "-o", "no_lru_maintainer"];

#[test]
fn memcached_conforms() {
    let certificates = Certificates::new();
    let plain = Memcached::start(STILL);
    let unix = Memcached::start_unix(STILL);
    let tls = Memcached::start_tls(&certificates, "good", &["-I", "2m", "-o", "no_lru_maintainer"]);
    let trusting = Options { tls_ca: Some(certificates.file("ca.pem")), ..options() };
    conformance("memcached", &parse(&plain.url(), &options()).unwrap());
    conformance("memcached+unix", &parse(&unix.url(), &options()).unwrap());
    conformance("memcacheds", &parse(&tls.url(), &trusting).unwrap());
}

/// Runs every check over the store that `connect` leads to, which is empty and is left empty.
pub fn conformance(name: &'static str, connect: &Connect) {
    let checks: &[fn(&mut Subject)] = &[
        a_missing_entry_is_a_miss,
        values_come_back_byte_for_byte,
        each_key_is_exactly_one_entry,
        a_write_gives_the_expiry_it_says,
        a_write_happens_on_its_condition,
        an_entry_is_replaced_only_as_it_was_read,
        an_entry_can_be_given_another_expiry,
        an_entry_expires_by_itself,
        many_keys_are_answered_in_their_order,
        large_batches_are_whole,
        a_scan_sees_every_key,
        a_scan_ends_while_keys_go,
        a_scan_takes_a_pattern_and_a_kind,
        a_counter_counts,
        a_survey_tells_of_every_entry,
    ];
    for check in checks {
        let mut subject = Subject { name, backend: connect().unwrap() };
        check(&mut subject);
        let keys = subject.keys("*", None);
        subject.backend.delete_many(&keys).unwrap();
        assert_eq!(subject.keys("*", None), [], "{name}");
    }
    let mut one = Subject { name, backend: connect().unwrap() };
    let mut two = Subject { name, backend: connect().unwrap() };
    assert!(one.set("k", "v"), "{name}: two connections lead to one store");
    assert_eq!(two.get("k"), Some(b"v".to_vec()), "{name}: two connections lead to one store");
    assert!(two.delete("k") && one.get("k").is_none(), "{name}: two connections lead to one store");
}

/// Limits, a timeout and a default directory that no test uses.
pub fn options() -> Options {
    Options {
        timeout: Duration::from_secs(20),
        limits: Limits::DEFAULT,
        disk_default: "/nonexistent/cachectl".into(),
        tls_ca: None,
        tls_client: None,
        tls_insecure: false,
        replica: false,
        password_from: None,
        tell: |_| (),
    }
}

/// A write of `bytes` to `key`, without expiry, in any case.
pub fn write(key: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Write {
    Write {
        key: StoredKey::new(key.as_ref()),
        data: Stored::Bytes(bytes.as_ref().to_vec()),
        expiry: Expiry::Never,
        condition: Condition::Always,
        tag: None,
    }
}

/// Milliseconds after the epoch, `from_now` away.
pub fn at(from_now: i64) -> Expiry {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Expiry::At(i64::try_from(now.as_millis()).unwrap() + from_now)
}

/// A backend, with what a check asks of it in one line.
pub struct Subject {
    /// For messages.
    pub name: &'static str,
    /// The backend.
    pub backend: Box<dyn Backend>,
}

impl Subject {
    /// Writes one entry.
    pub fn put(&mut self, write: Write) -> bool {
        self.backend.set_many(&[write]).unwrap()[0]
    }

    /// What a ttl may be over what was asked for: what clocks round off, and the backend's step. It may
    /// be a step short, too.
    fn slack_ms(&self) -> u64 {
        2 + 2 * (self.backend.abilities().ttl_step_ms - 1)
    }

    /// Whether the backend can have such a key.
    fn takes(&self, key: &[u8]) -> bool {
        self.backend.abilities().key_bytes.contains(&key.len())
    }

    /// Holds a scan, during which there were writes, against the keys that were there all the time.
    fn saw(&self, seen: &mut Vec<StoredKey>, keys: &[StoredKey]) {
        seen.sort();
        seen.dedup();
        match self.backend.abilities().lists_all {
            true => assert_eq!(seen, keys, "{}", self.name),
            // An item that is in use when its turn comes is passed over.
            false => assert!(!seen.is_empty() && seen.iter().all(|key| keys.contains(key)), "{}", self.name),
        }
    }

    /// Writes one entry without expiry.
    pub fn set(&mut self, key: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> bool {
        self.put(write(key, bytes))
    }

    /// One entry.
    pub fn entry(&mut self, key: impl AsRef<[u8]>) -> Option<Entry> {
        self.backend.get_many(&[StoredKey::new(key.as_ref())]).unwrap().remove(0)
    }

    /// The bytes of one entry.
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.entry(key).map(|entry| match entry.stored {
            Stored::Bytes(bytes) => bytes,
            other => panic!("{}: bytes were stored, not {other:?}", self.name),
        })
    }

    /// The ttl of one entry, on which `get` and the facts agree.
    pub fn ttl(&mut self, key: impl AsRef<[u8]>) -> Option<Ttl> {
        let read = self.entry(key.as_ref()).map(|entry| entry.ttl);
        let told = self.backend.facts_many(&[StoredKey::new(key.as_ref())]).unwrap().remove(0).map(|facts| facts.ttl);
        match (read, told) {
            (Some(Ttl::Left(read)), Some(Ttl::Left(told))) => assert!(told <= read, "{}", self.name),
            (Some(Ttl::Left(_)), None) => {} // it ran out between the two
            (read, told) => assert_eq!(read, told, "{}", self.name),
        }
        told
    }

    /// Whether the ttl is within a minute below `ms`.
    pub fn has_left(&mut self, key: impl AsRef<[u8]>, ms: u64) -> bool {
        matches!(self.ttl(key), Some(Ttl::Left(left)) if left <= ms + self.slack_ms() && left > ms - 60_000)
    }

    /// Adds to a counter that is created without expiry.
    pub fn add(&mut self, key: impl AsRef<[u8]>, by: i64) -> Result<i128, Error> {
        self.backend.increment(&StoredKey::new(key.as_ref()), by, Expiry::Never)
    }

    /// Puts `bytes` in place of `before`.
    fn replace(&mut self, key: impl AsRef<[u8]>, before: &Entry, bytes: impl AsRef<[u8]>) -> bool {
        let after = Stored::Bytes(bytes.as_ref().to_vec());
        self.backend.replace(&StoredKey::new(key.as_ref()), before, &after).unwrap()
    }

    /// Deletes one entry.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> bool {
        self.backend.delete_many(&[StoredKey::new(key.as_ref())]).unwrap()[0]
    }

    /// Gives one entry another expiry.
    pub fn expire(&mut self, key: impl AsRef<[u8]>, expiry: Expiry) -> bool {
        self.backend.expire_many(&[StoredKey::new(key.as_ref())], expiry).unwrap()[0]
    }

    /// All keys of a scan, in order, each once.
    pub fn keys(&mut self, pattern: &str, kind: Option<&str>) -> Vec<StoredKey> {
        let mut keys = self.pages(pattern, kind, |_, _| {});
        keys.sort();
        keys.dedup();
        keys
    }

    /// All keys of a scan as they come, with something done after each page.
    fn pages(
        &mut self,
        pattern: &str,
        kind: Option<&str>,
        mut then: impl FnMut(&mut dyn Backend, &[StoredKey]),
    ) -> Vec<StoredKey> {
        let pattern = Pattern::new(pattern);
        let (mut keys, mut cursor) = (Vec::new(), Cursor::Start);
        for _ in 0..100_000 {
            let page = self.backend.scan(&pattern, kind, cursor).unwrap();
            then(&mut *self.backend, &page.keys);
            keys.extend(page.keys);
            match page.next {
                Some(next) => cursor = next,
                None => return keys,
            }
        }
        panic!("{}: a scan of a few thousand keys has no end", self.name);
    }
}

fn a_missing_entry_is_a_miss(subject: &mut Subject) {
    let name = subject.name;
    assert_eq!(subject.get("k"), None, "{name}");
    assert_eq!(subject.ttl("k"), None, "{name}");
    assert!(!subject.delete("k"), "{name}");
    for expiry in [Expiry::Never, Expiry::In(1000), Expiry::Keep, at(1000)] {
        assert!(!subject.expire("k", expiry), "{name}: {expiry:?}");
    }
    assert_eq!(subject.keys("*", None), [], "{name}");
}

fn values_come_back_byte_for_byte(subject: &mut Subject) {
    let name = subject.name;
    let every_byte: Vec<u8> = (0..=255).collect();
    let mut random = fastrand::Rng::with_seed(7);
    let sizes = [32 * 1024 - 1, 32 * 1024, 1 << 20];
    let large = sizes.map(|size| std::iter::repeat_with(|| random.u8(..)).take(size).collect::<Vec<u8>>());
    let small = [&b""[..], b"\0", b"1", b"null", b" \n", "é".as_bytes(), &every_byte].map(<[u8]>::to_vec);
    for bytes in small.into_iter().chain(large) {
        for key in ["fresh", "again"] {
            assert!(subject.set(key, &bytes), "{name}");
            assert!(subject.get(key).as_ref() == Some(&bytes), "{name}: {} bytes", bytes.len());
            let facts = subject.backend.facts_many(&[StoredKey::new(key)]).unwrap().remove(0).unwrap();
            assert_eq!((facts.size, facts.ttl), (bytes.len() as u64, Ttl::Never), "{name}");
        }
        assert!(subject.delete("fresh"), "{name}");
    }
}

fn each_key_is_exactly_one_entry(subject: &mut Subject) {
    let name = subject.name;
    let mut keys: Vec<&[u8]> =
        vec![b"", b"a", b"A", b"a ", b" a", b"a b", b"a\n", b"\n", b"\0", b"a\0", b"a\0b", b"\xff"];
    keys.extend([
        &b"a\xff"[..],
        b"\xc3\xa9",
        b"\xc3",
        b"*",
        b"a*",
        b"?",
        b"[a]",
        b"[^a]",
        b"\\",
        b"\\*",
        b"it's",
        b"\"",
    ]);
    keys.extend([
        &b"1"[..],
        b"01",
        b"1.0",
        b"1e0",
        b"-1",
        b"null",
        b"None",
        b"%",
        b"%2A",
        b":",
        b"a:b",
        b"\x1b[31m",
        b"\r\n",
    ]);
    keys.extend([&b"\x80\x05K\x01."[..], b"9223372036854775808", b"inf", &[b'k'; 250], &[b'k'; 251]]);
    let none: Vec<&[u8]> = keys.extract_if(.., |key| !subject.takes(key)).collect();
    for key in &none {
        let unfit = |result: Result<(), Error>| result.is_err_and(|error| error.kind == ErrorKind::Unfit);
        let (key, backend) = (StoredKey::new(*key), &mut subject.backend);
        assert!(unfit(backend.set_many(&[write(&key.key, "v")]).map(drop)), "{name}: {key:?}");
        assert!(unfit(backend.get_many(std::slice::from_ref(&key)).map(drop)), "{name}: {key:?}");
        assert!(unfit(backend.facts_many(std::slice::from_ref(&key)).map(drop)), "{name}: {key:?}");
        assert!(unfit(backend.delete_many(std::slice::from_ref(&key)).map(drop)), "{name}: {key:?}");
        assert!(unfit(backend.expire_many(std::slice::from_ref(&key), Expiry::Never).map(drop)), "{name}: {key:?}");
    }
    for key in &keys {
        assert!(subject.set(key, [b"value of ", *key].concat()), "{name}: {key:?}");
    }
    let mut listed: Vec<StoredKey> = keys.iter().map(|key| StoredKey::new(*key)).collect();
    listed.sort();
    assert_eq!(subject.keys("*", None), listed, "{name}");
    for (gone, key) in keys.iter().enumerate() {
        assert!(subject.expire(key, Expiry::In(3_600_000)), "{name}: {key:?}");
        for (index, other) in keys.iter().enumerate() {
            let expected = (index >= gone).then(|| [b"value of ", *other].concat());
            assert_eq!(subject.get(other), expected, "{name}: {other:?} when {key:?} is next to go");
        }
        if let Some(next) = keys.get(gone + 1) {
            assert_eq!(subject.ttl(next), Some(Ttl::Never), "{name}: {next:?}");
        }
        assert!(subject.delete(key) && !subject.delete(key), "{name}: {key:?}");
    }
}

fn a_write_gives_the_expiry_it_says(subject: &mut Subject) {
    let name = subject.name;
    let hour = 3_600_000;
    let put = |subject: &mut Subject, expiry| assert!(subject.put(Write { expiry, ..write("k", "v") }), "{name}");
    put(subject, Expiry::Keep);
    assert_eq!(subject.ttl("k"), Some(Ttl::Never), "{name}: there was nothing to keep");
    put(subject, Expiry::In(hour));
    assert!(subject.has_left("k", hour), "{name}");
    put(subject, Expiry::Keep);
    assert!(subject.has_left("k", hour), "{name}: kept");
    put(subject, at(7_200_000));
    assert!(subject.has_left("k", 2 * hour), "{name}: replaced");
    put(subject, Expiry::Never);
    assert_eq!(subject.ttl("k"), Some(Ttl::Never), "{name}: dropped");
    for gone in [Expiry::In(0), at(-1000), Expiry::At(0), Expiry::At(-5)] {
        put(subject, Expiry::In(hour));
        put(subject, gone);
        assert_eq!((subject.get("k"), subject.ttl("k")), (None, None), "{name}: {gone:?}");
        assert!(subject.keys("*", None).is_empty() && !subject.delete("k"), "{name}: {gone:?}");
        put(subject, Expiry::Keep);
        assert_eq!(subject.ttl("k"), Some(Ttl::Never), "{name}: an expired entry has nothing to keep");
    }
}

fn a_write_happens_on_its_condition(subject: &mut Subject) {
    use Condition::{Always, IfAbsent, IfPresent};
    let name = subject.name;
    for (before, condition, held) in [
        (None, Always, true),
        (None, IfAbsent, true),
        (None, IfPresent, false),
        (Some(Expiry::Never), Always, true),
        (Some(Expiry::Never), IfAbsent, false),
        (Some(Expiry::Never), IfPresent, true),
        (Some(Expiry::In(0)), Always, true),
        (Some(Expiry::In(0)), IfAbsent, true),
        (Some(Expiry::In(0)), IfPresent, false),
    ] {
        for new in [b"new".to_vec(), vec![b'n'; 40_000]] {
            subject.delete("k");
            if let Some(expiry) = before {
                subject.put(Write { expiry, ..write("k", "old") });
            }
            let alive = before == Some(Expiry::Never);
            let expected = if held { Some(new.clone()) } else { alive.then(|| b"old".to_vec()) };
            let write = Write { condition, expiry: Expiry::In(90_000), ..write("k", &new) };
            assert_eq!(subject.put(write), held, "{name}: {before:?} {condition:?}");
            assert!(subject.get("k") == expected, "{name}: {before:?} {condition:?}");
            if held {
                assert!(subject.has_left("k", 90_000), "{name}: {before:?} {condition:?}");
            }
        }
    }
}

fn an_entry_is_replaced_only_as_it_was_read(subject: &mut Subject) {
    let name = subject.name;
    let large = vec![b'x'; 40_000];
    let keys = [&b"k"[..], b"a b\n", b"\xff"];
    for (key, old, new) in [(keys[0], &b"old"[..], &b"new"[..]), (keys[1], b"", &large), (keys[2], &large, b"")] {
        let hour = 3_600_000;
        subject.put(Write { expiry: Expiry::In(hour), ..write(key, old) });
        let before = subject.entry(key).unwrap();
        assert!(subject.replace(key, &before, new), "{name}");
        assert!(subject.get(key).as_deref() == Some(new) && subject.has_left(key, hour), "{name}: its ttl stays");
        assert!(!subject.replace(key, &before, "late"), "{name}: somebody was faster");
        assert!(subject.get(key).as_deref() == Some(new), "{name}");
        let before = subject.entry(key).unwrap();
        subject.expire(key, Expiry::In(2 * hour));
        assert!(subject.replace(key, &before, new) && subject.has_left(key, 2 * hour), "{name}: another ttl is kept");
        subject.expire(key, Expiry::Never);
        assert!(subject.replace(key, &before, old), "{name}");
        assert_eq!((subject.get(key).as_deref(), subject.ttl(key)), (Some(old), Some(Ttl::Never)), "{name}");
        let before = subject.entry(key).unwrap();
        subject.expire(key, Expiry::In(0));
        assert!(!subject.replace(key, &before, new) && subject.get(key).is_none(), "{name}: it has expired");
        subject.set(key, old);
        subject.delete(key);
        assert!(!subject.replace(key, &before, new) && subject.get(key).is_none(), "{name}: it is gone");
    }
    let (taken, before) = (subject.takes(b""), Entry { stored: Stored::Bytes(vec![]), ttl: Ttl::Never, tag: None });
    let replaced = subject.backend.replace(&StoredKey::new(""), &before, &Stored::Bytes(vec![1]));
    match replaced {
        Err(error) => assert!(!taken && error.kind == ErrorKind::Unfit, "{name}: {error}"),
        replaced => assert_eq!((taken, replaced), (true, Ok(false)), "{name}"),
    }
    assert!(subject.set("k", "v") && subject.expire("k", Expiry::Never), "{name}: nothing was left half done");
}

fn an_entry_can_be_given_another_expiry(subject: &mut Subject) {
    let name = subject.name;
    subject.set("k", "v");
    subject.set("other", "v");
    assert!(subject.expire("k", Expiry::Keep), "{name}");
    assert_eq!(subject.ttl("k"), Some(Ttl::Never), "{name}");
    assert!(subject.expire("k", Expiry::In(90_000)), "{name}");
    assert!(subject.has_left("k", 90_000), "{name}");
    assert!(subject.expire("k", Expiry::Keep) && subject.has_left("k", 90_000), "{name}");
    assert!(subject.expire("k", at(7_200_000)) && subject.has_left("k", 7_200_000), "{name}");
    assert!(subject.expire("k", Expiry::Never), "{name}");
    assert_eq!((subject.ttl("k"), subject.get("k")), (Some(Ttl::Never), Some(b"v".to_vec())), "{name}");
    for gone in [Expiry::In(0), at(-1000), Expiry::At(0)] {
        subject.set("k", "v");
        assert!(subject.expire("k", gone), "{name}: {gone:?}");
        assert_eq!(subject.get("k"), None, "{name}: {gone:?}");
        assert!(!subject.expire("k", Expiry::Never) && subject.get("k").is_none(), "{name}: {gone:?}");
    }
    assert_eq!(subject.ttl("other"), Some(Ttl::Never), "{name}");
}

fn an_entry_expires_by_itself(subject: &mut Subject) {
    let name = subject.name;
    let start = Instant::now();
    // A store that counts in steps rounds up, and may end a step early.
    let step = subject.backend.abilities().ttl_step_ms;
    let (least, most) = (50_u64.next_multiple_of(step) - step, 50_u64.next_multiple_of(step));
    assert!(subject.put(Write { expiry: Expiry::In(50), ..write("k", "v") }), "{name}");
    loop {
        let passed = start.elapsed();
        match subject.ttl("k") {
            None => break assert!(start.elapsed() >= Duration::from_millis(least), "{name}: gone after {passed:?}"),
            // Redis counts down to 0 before a key is gone.
            Some(Ttl::Left(left)) => assert!(left <= most, "{name}: {left} ms left"),
            other => panic!("{name}: {other:?}"),
        }
        assert!(passed < Duration::from_secs(10), "{name}: it stays");
    }
}

fn many_keys_are_answered_in_their_order(subject: &mut Subject) {
    let name = subject.name;
    assert_eq!(subject.backend.get_many(&[]), Ok(vec![]), "{name}");
    assert_eq!(subject.backend.facts_many(&[]), Ok(vec![]), "{name}");
    assert_eq!(subject.backend.set_many(&[]), Ok(vec![]), "{name}");
    assert_eq!(subject.backend.delete_many(&[]), Ok(vec![]), "{name}");
    assert_eq!(subject.backend.expire_many(&[], Expiry::Never), Ok(vec![]), "{name}");
    let if_absent = |key: &str, bytes: &str| Write { condition: Condition::IfAbsent, ..write(key, bytes) };
    let writes = [write("a", "1"), write("b", "2"), if_absent("a", "3"), if_absent("c", "4"), write("b", "5")];
    assert_eq!(subject.backend.set_many(&writes), Ok(vec![true, true, false, true, true]), "{name}");
    let keys = ["c", "x", "b", "a", "b", "nothing"].map(StoredKey::new);
    let read: Vec<Option<Stored>> =
        subject.backend.get_many(&keys).unwrap().into_iter().map(|entry| entry.map(|entry| entry.stored)).collect();
    let value = |text: &str| Some(Stored::Bytes(text.into()));
    assert_eq!(read, [value("4"), None, value("5"), value("1"), value("5"), None], "{name}");
    let facts = subject.backend.facts_many(&keys).unwrap();
    assert_eq!(facts.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, true, true, false], "{name}");
    let expired = subject.backend.expire_many(&keys, Expiry::In(0));
    assert_eq!(expired, Ok(vec![true, false, true, true, false, false]), "{name}");
    subject.backend.set_many(&writes).unwrap();
    assert_eq!(subject.backend.delete_many(&keys), Ok(vec![true, false, true, true, false, false]), "{name}");
}

fn large_batches_are_whole(subject: &mut Subject) {
    let name = subject.name;
    let writes: Vec<Write> = (0..3000).map(|n| write(format!("k{n}"), format!("value {n}"))).collect();
    let keys: Vec<StoredKey> = writes.iter().map(|write| write.key.clone()).collect();
    assert_eq!(subject.backend.set_many(&writes), Ok(vec![true; 3000]), "{name}");
    let entries = subject.backend.get_many(&keys).unwrap();
    assert_eq!(entries.len(), 3000, "{name}");
    for (entry, write) in entries.into_iter().zip(writes) {
        assert_eq!(entry.map(|entry| entry.stored), Some(write.data), "{name}: {:?}", write.key);
    }
    assert_eq!(subject.backend.expire_many(&keys, Expiry::In(90_000)), Ok(vec![true; 3000]), "{name}");
    assert_eq!(subject.backend.delete_many(&keys), Ok(vec![true; 3000]), "{name}");
    assert_eq!(subject.backend.get_many(&keys), Ok(vec![None; 3000]), "{name}");
}

/// Fills the store with `count` keys; the keys.
fn fill(subject: &mut Subject, count: usize) -> Vec<StoredKey> {
    let writes: Vec<Write> = (0..count).map(|n| write(format!("key:{n:05}"), "v")).collect();
    subject.backend.set_many(&writes).unwrap();
    writes.into_iter().map(|write| write.key).collect()
}

fn a_scan_sees_every_key(subject: &mut Subject) {
    let keys = fill(subject, 2500);
    subject.put(Write { expiry: Expiry::In(0), ..write("gone", "v") });
    assert_eq!(subject.keys("*", None), keys, "{}", subject.name);
    let mut n = 0;
    let mut seen = subject.pages("key:*", None, |backend, page| {
        // What is overwritten and added meanwhile hides nothing.
        backend.set_many(&page.iter().map(|key| write(&key.key, "w")).collect::<Vec<_>>()).unwrap();
        n += 1;
        backend.set_many(&[write(format!("new{n}"), "v")]).unwrap();
    });
    subject.saw(&mut seen, &keys);
}

fn a_scan_ends_while_keys_go(subject: &mut Subject) {
    let keys = fill(subject, 2500);
    let mut seen = subject.pages("*", None, |backend, page| {
        backend.delete_many(page).unwrap();
    });
    subject.saw(&mut seen, &keys);
    subject.backend.delete_many(&keys).unwrap();
    assert_eq!(subject.keys("*", None), [], "{}", subject.name);
}

fn a_scan_takes_a_pattern_and_a_kind(subject: &mut Subject) {
    let name = subject.name;
    for key in ["user:1", "user:2", "user:10", "a*", "ab", "a?", "[a]"] {
        subject.set(key, "v");
    }
    let kind = subject.backend.facts_many(&[StoredKey::new("ab")]).unwrap().remove(0).unwrap().kind;
    for (pattern, keys) in [
        ("user:*", &["user:1", "user:10", "user:2"][..]),
        ("user:?", &["user:1", "user:2"]),
        ("a\\*", &["a*"]),
        ("a[*?]", &["a*", "a?"]),
        ("a*", &["a*", "a?", "ab"]),
        ("ab", &["ab"]),
        ("\\[a]", &["[a]"]),
        ("b", &[]),
    ] {
        let keys: Vec<StoredKey> = keys.iter().map(|key| StoredKey::new(*key)).collect();
        assert_eq!(subject.keys(pattern, None), keys, "{name}: {pattern}");
        assert_eq!(subject.keys(pattern, Some(&kind)), keys, "{name}: {pattern} {kind}");
        assert_eq!(subject.keys(pattern, Some("hash")), [], "{name}: {pattern}");
    }
}

fn a_counter_counts(subject: &mut Subject) {
    let name = subject.name;
    let key = StoredKey::new("k");
    let hour = Expiry::In(3_600_000);
    assert_eq!(subject.backend.increment(&key, 5, hour), Ok(5), "{name}: where there is none it begins at 0");
    assert!(subject.has_left("k", 3_600_000), "{name}: what is created gets the expiry");
    assert_eq!(subject.backend.increment(&key, 2, Expiry::In(60_000)), Ok(7), "{name}");
    assert!(subject.has_left("k", 3_600_000), "{name}: what is there keeps its own");
    assert_eq!(subject.add("k", -3), Ok(4), "{name}");
    assert!(subject.has_left("k", 3_600_000), "{name}: what is there keeps its own");
    assert_eq!((subject.add("k", 0), subject.add("z", 0), subject.add("z", 9)), (Ok(4), Ok(0), Ok(9)), "{name}");
    assert_eq!(subject.ttl("z"), Some(Ttl::Never), "{name}");
    assert_eq!(subject.backend.increment(&StoredKey::new("y"), 1, Expiry::Keep), Ok(1), "{name}");
    assert_eq!(subject.ttl("y"), Some(Ttl::Never), "{name}: there was nothing to keep");
    subject.backend.increment(&StoredKey::new("at"), 1, at(7_200_000)).unwrap();
    assert!(subject.has_left("at", 7_200_000), "{name}");

    assert!(subject.set("t", "41") && subject.add("t", 1) == Ok(42), "{name}: text that is a number is a counter");
    assert_eq!(subject.get("t"), Some(b"42".to_vec()), "{name}: and stays text");
    subject.put(Write { expiry: Expiry::In(0), ..write("gone", "7") });
    assert_eq!(subject.add("gone", 1), Ok(1), "{name}: an expired counter is none");
    for text in ["", "x", "1.5", "1e3", "99999999999999999999"] {
        subject.set("n", text);
        let error = subject.add("n", 1).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unfit, "{name}: {text:?}: {error}");
        assert_eq!(subject.get("n"), Some(text.into()), "{name}: {text:?} is left as it was");
    }
}

/// Runs `check` over each store that can do all that Redis can.
fn each_store(check: fn(&mut Subject)) {
    let (directory, server, cluster) = (tempfile::tempdir().unwrap(), Server::start(&[]), Cluster::start(2, 0));
    let disk = format!("disk://{}/cache", directory.path().display());
    let urls = [("memory", "memory:"), ("disk", &disk), ("redis", &server.url()), ("redis+cluster", &cluster.url())];
    for (name, url) in urls {
        check(&mut Subject { name, backend: parse(url, &options()).unwrap()().unwrap() });
    }
}

#[test]
fn a_counter_has_a_sign_and_64_bits() {
    each_store(|subject| {
        let name = subject.name;
        assert_eq!((subject.add("k", -5), subject.add("k", -5), subject.add("k", 3)), (Ok(-5), Ok(-10), Ok(-7)));
        for (start, by) in [(i64::MAX, 1), (i64::MIN, -1), (1, i64::MAX), (-2, i64::MIN)] {
            subject.delete("k");
            assert_eq!(subject.add("k", start), Ok(start.into()), "{name}");
            let error = subject.add("k", by).unwrap_err();
            assert!(error.kind == ErrorKind::Unfit && error.message.contains("64 bits"), "{name}: {error}");
            assert_eq!(subject.add("k", 0), Ok(start.into()), "{name}: it is left as it was");
        }
        for text in ["01", "+1", "-0", "1\n", " 1", "1 2"] {
            subject.set("k", text);
            assert_eq!(subject.add("k", 1).unwrap_err().kind, ErrorKind::Unfit, "{name}: {text:?}");
        }
    });
}

#[test]
fn a_flush_leaves_nothing() {
    each_store(|subject| {
        let name = subject.name;
        subject.backend.flush().unwrap();
        fill(subject, 1000);
        subject.put(Write { expiry: Expiry::In(3_600_000), ..write("large", vec![b'x'; 100_000]) });
        subject.backend.flush().unwrap();
        assert_eq!(subject.keys("*", None), [], "{name}");
        assert!(subject.set("k", "v") && subject.keys("*", None).len() == 1, "{name}: it is usable after");
    });
}

#[test]
fn counting_at_once_loses_nothing() {
    let (directory, server) = (tempfile::tempdir().unwrap(), Server::start(&[]));
    let disk = format!("disk://{}/cache", directory.path().display());
    for url in ["memory:", &disk, &server.url()] {
        let connect = parse(url, &options()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut backend = connect().unwrap();
                    for _ in 0..50 {
                        backend.increment(&StoredKey::new("k"), 2, Expiry::In(3_600_000)).unwrap();
                    }
                });
            }
        });
        assert_eq!(connect().unwrap().increment(&StoredKey::new("k"), 0, Expiry::Never), Ok(400), "{url}");
    }
}

#[test]
fn replacing_at_once_loses_nothing() {
    let (directory, server, memcached) = (tempfile::tempdir().unwrap(), Server::start(&[]), Memcached::start(&[]));
    let (disk, cluster) = (format!("disk://{}/cache", directory.path().display()), Cluster::start(3, 0));
    let number = |entry: &Entry| String::from_utf8_lossy(entry.stored.as_bytes().unwrap()).parse::<u32>().unwrap();
    for url in ["memory:", &disk, &server.url(), &memcached.url(), &cluster.url()] {
        let connect = parse(url, &options()).unwrap();
        let mut subject = Subject { name: "", backend: connect().unwrap() };
        subject.put(Write { expiry: Expiry::In(3_600_000), ..write("k", "0") });
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut subject = Subject { name: "", backend: connect().unwrap() };
                    let mut add = || {
                        let before = subject.entry("k").unwrap();
                        subject.replace("k", &before, (number(&before) + 1).to_string())
                    };
                    (0..25).for_each(|_| while !add() {});
                });
            }
        });
        assert_eq!(subject.get("k"), Some(b"100".to_vec()), "{url}");
        assert!(subject.has_left("k", 3_600_000), "{url}");
    }
}

#[test]
fn what_stands_beside_the_bytes_is_compared_and_stays() {
    let (directory, memcached) = (tempfile::tempdir().unwrap(), Memcached::start(&[]));
    let disk = format!("disk://{}/cache", directory.path().display());
    let flagged = |flags, text: &str| Stored::Flagged(flags, text.into());
    let put = |url: &str, data: Stored, tag: Option<&str>| Write { data, tag: tag.map(Into::into), ..write(url, "") };
    for (url, data, tag, after, others) in [
        (
            "memory:",
            Stored::Text("a".into()),
            Some("red"),
            Stored::Integer(1),
            vec![(Stored::Text("a".into()), "blue")],
        ),
        (
            &*disk,
            Stored::Pickle(b"\x80\x04N.".to_vec()),
            Some("red"),
            Stored::Float(f64::NAN),
            vec![
                (Stored::Bytes(b"\x80\x04N.".to_vec()), "red"),
                (Stored::Pickle(b"\x80\x04N.".to_vec()), "blue"),
                (Stored::Float(0.0), "red"),
            ],
        ),
        (&memcached.url(), flagged(16, "a"), None, flagged(16, "b"), vec![(flagged(2, "a"), "")]),
    ] {
        let mut subject = Subject { name: "", backend: parse(url, &options()).unwrap()().unwrap() };
        let key = StoredKey::new(url);
        assert!(subject.put(put(url, data.clone(), tag)));
        let before = subject.entry(url).unwrap();
        for (data, tag) in others {
            assert!(subject.put(put(url, data, Some(tag).filter(|tag| !tag.is_empty()))));
            assert_eq!(subject.backend.replace(&key, &before, &after), Ok(false), "{url}");
        }
        assert!(subject.put(put(url, data, tag)));
        for after in [&after, &before.stored] {
            let now = subject.entry(url).unwrap();
            assert_eq!(subject.backend.replace(&key, &now, after), Ok(true), "{url}: {now:?}");
            let Entry { stored, tag: kept, .. } = subject.entry(url).unwrap();
            assert!(stored.same(after) && kept.as_deref() == tag, "{url}: {stored:?} {kept:?}");
        }
    }
    let unnumbered = Memcached::start(&["-C"]);
    let mut subject = Subject { name: "", backend: parse(&unnumbered.url(), &options()).unwrap()().unwrap() };
    subject.set("k", "v");
    let before = subject.entry("k").unwrap();
    let error = subject.backend.replace(&StoredKey::new("k"), &before, &Stored::Bytes(vec![])).unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("-C"), "{error}");
}

#[test]
fn a_field_is_replaced_whatever_happens_beside_it() {
    let server = Server::start(&[]);
    let mut backend = parse(&server.url(), &options()).unwrap()().unwrap();
    let key = StoredKey { key: b"h".to_vec(), field: Some(b"f".to_vec()) };
    server.command(&[b"HSET", b"h", b"f", b"1", b"g", b"2"]);
    server.command(&[b"EXPIRE", b"h", b"3600"]);
    let before = backend.get_many(std::slice::from_ref(&key)).unwrap().remove(0).unwrap();
    server.command(&[b"HSET", b"h", b"g", b"3"]);
    assert_eq!(backend.replace(&key, &before, &Stored::Bytes(b"4".to_vec())), Ok(true));
    assert_eq!(backend.replace(&key, &before, &Stored::Bytes(b"5".to_vec())), Ok(false));
    assert_eq!(server.command(&[b"HGET", b"h", b"f"]), redis::Value::BulkString(b"4".to_vec()));
    assert!(matches!(server.command(&[b"TTL", b"h"]), redis::Value::Int(3500..=3600)));
    for gone in [&[&b"HDEL"[..], b"h", b"f"][..], &[b"DEL", b"h"], &[b"SET", b"h", b"text"]] {
        server.command(gone);
        assert_eq!(backend.replace(&key, &before, &Stored::Bytes(b"5".to_vec())), Ok(false), "{gone:?}");
    }
    server.command(&[b"DEL", b"k"]);
    server.command(&[b"LPUSH", b"k", b"1"]);
    assert_eq!(backend.replace(&StoredKey::new("k"), &before, &before.stored), Ok(false), "it is a list now");
}

/// Who may do anything but open a transaction must not have the write done without one.
#[test]
fn who_may_not_compare_and_set_changes_nothing() {
    let server = Server::start(&[]);
    for (user, denied) in [("w", "-watch"), ("m", "-multi"), ("e", "-exec"), ("s", "-set"), ("g", "-get")] {
        server.command(&[b"ACL", b"SETUSER", user.as_bytes(), b"on", b"nopass", b"~*", b"+@all", denied.as_bytes()]);
        let url = server.url().replace("://", &format!("://{user}:x@"));
        let mut backend = parse(&url, &options()).unwrap()().unwrap();
        server.command(&[b"SET", b"k", b"old"]);
        let before = Entry { stored: Stored::Bytes(b"old".to_vec()), ttl: Ttl::Never, tag: None };
        let error = backend.replace(&StoredKey::new("k"), &before, &Stored::Bytes(b"new".to_vec())).unwrap_err();
        assert!(error.kind == ErrorKind::Denied && error.message.contains("cannot replace `k`"), "{user}: {error}");
        assert_eq!(server.command(&[b"GET", b"k"]), redis::Value::BulkString(b"old".to_vec()), "{user}");
        // Nothing is watched or begun any more.
        assert_eq!(backend.increment(&StoredKey::new("n"), 1, Expiry::Never), Ok(1), "{user}");
        server.command(&[b"DEL", b"n"]);
    }
}

/// Redis before 6.0 has no KEEPTTL, and says so when the transaction is done.
#[test]
fn a_server_that_cannot_leave_a_ttl_alone_is_given_it_anew() {
    for (ttl, set) in [(":5000", "SET k new PX 5000"), (":-1", "SET k new"), (":0", "SET k new PX 1")] {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let old = Fake::asked_by_many(move |words| {
            let mut heard = heard.lock().unwrap();
            let set = heard.last().is_some_and(|last: &String| last.ends_with("KEEPTTL"));
            heard.push(words.join(" "));
            let reply = match &*words[0] {
                "GET" => "$3\r\nold".to_owned(),
                "PTTL" => ttl.to_owned(),
                "SET" => "+QUEUED".to_owned(),
                "EXEC" if set => "*1\r\n-ERR syntax error".to_owned(),
                "EXEC" => "*1\r\n+OK".to_owned(),
                _ => "+OK".to_owned(),
            };
            format!("{reply}\r\n").into_bytes()
        });
        let mut backend = parse(&old.url(), &options()).unwrap()().unwrap();
        let before = Entry { stored: Stored::Bytes(b"old".to_vec()), ttl: Ttl::Unknown, tag: None };
        assert_eq!(backend.replace(&StoredKey::new("k"), &before, &Stored::Bytes(b"new".to_vec())), Ok(true));
        let first = ["WATCH k", "GET k", "MULTI", "SET k new KEEPTTL", "EXEC"];
        let second = ["WATCH k", "GET k", "PTTL k", "MULTI", set, "EXEC"];
        assert_eq!(*said.lock().unwrap(), [&first[..], &second].concat(), "{ttl}");
    }
}

#[test]
fn what_a_store_cannot_do_it_says() {
    let server = Server::start(&[]);
    let mut redis = parse(&server.url(), &options()).unwrap()().unwrap();
    let mut memory = parse("memory:", &options()).unwrap()().unwrap();
    let ping = [b"PING".to_vec()];
    for (error, part) in [
        (redis.evict("t").unwrap_err(), "no tags of its own"),
        (redis.tagged("t").unwrap_err(), "no tags of its own"),
        (memory.raw(&ping).unwrap_err(), "takes no commands"),
    ] {
        assert!(error.kind == ErrorKind::Unsupported && error.message.contains(part), "{error}");
    }
}

#[test]
fn stores_that_carry_tags_evict_by_them() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["memory:".to_owned(), format!("disk://{}/cache", directory.path().display())] {
        let mut subject = Subject { name: "tags", backend: parse(&url, &options()).unwrap()().unwrap() };
        assert_eq!((subject.backend.tagged("red"), subject.backend.evict("red")), (Ok(0), Ok(0)), "{url}");
        let tagged = |key: String, tag: &str| Write { tag: Some(tag.to_owned()), ..write(key, "v") };
        let red = (0..600).map(|n| tagged(format!("red{n}"), "red"));
        let rest = [tagged("blue".into(), "blue"), tagged("5".into(), "5"), tagged("r".into(), "re%"), write("k", "v")];
        subject.backend.set_many(&red.chain(rest).collect::<Vec<_>>()).unwrap();
        assert_eq!((subject.backend.tagged("red"), subject.backend.tagged("RED")), (Ok(600), Ok(0)), "{url}");
        assert_eq!((subject.backend.evict("re*"), subject.backend.evict("red")), (Ok(0), Ok(600)), "{url}");
        assert_eq!((subject.backend.tagged("red"), subject.backend.evict("5")), (Ok(0), Ok(1)), "{url}");
        assert_eq!(subject.keys("*", None), ["blue", "k", "r"].map(StoredKey::new), "{url}");
    }
}

#[test]
fn stores_that_carry_tags_keep_them() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["memory:".to_owned(), format!("disk://{}", directory.path().display())] {
        let mut subject = Subject { name: "tags", backend: parse(&url, &options()).unwrap()().unwrap() };
        let tagged = |tag: Option<&str>| Write { tag: tag.map(str::to_owned), ..write("k", "v") };
        for (put, tag) in [(None, None), (Some("red"), Some("red")), (None, Some("red")), (Some(""), Some(""))] {
            assert!(subject.put(tagged(put)));
            let facts = subject.backend.facts_many(&[StoredKey::new("k")]).unwrap().remove(0).unwrap();
            assert_eq!((facts.tag.as_deref(), facts.kind.as_str()), (tag, "bytes"), "{url}");
            assert_eq!(subject.entry("k").unwrap().tag.as_deref(), tag, "{url}");
        }
        subject.put(Write { expiry: Expiry::In(0), ..tagged(Some("red")) });
        subject.put(tagged(None));
        assert_eq!(subject.entry("k").unwrap().tag, None, "{url}: an expired entry has no tag to leave");
    }
}

#[test]
fn stores_without_hashes_refuse_a_field() {
    let directory = tempfile::tempdir().unwrap();
    for url in ["memory:".to_owned(), format!("disk://{}/cache", directory.path().display())] {
        let mut backend = parse(&url, &options()).unwrap()().unwrap();
        let key = StoredKey { key: b"k".to_vec(), field: Some(b"f".to_vec()) };
        let errors = [
            backend.get_many(std::slice::from_ref(&key)).unwrap_err(),
            backend.facts_many(std::slice::from_ref(&key)).unwrap_err(),
            backend.set_many(&[Write { key: key.clone(), ..write("", "v") }]).unwrap_err(),
            backend.delete_many(std::slice::from_ref(&key)).unwrap_err(),
            backend.expire_many(std::slice::from_ref(&key), Expiry::Never).unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind == ErrorKind::Unfit), "{url}: {errors:?}");
    }
    assert!(!directory.path().join("cache").exists());
}

#[test]
fn each_memory_url_is_a_store_of_its_own() {
    let one = parse("memory:", &options()).unwrap();
    let two = parse("memory://", &options()).unwrap();
    one().unwrap().set_many(&[write("k", "v")]).unwrap();
    let there = |connect: &Connect| connect().unwrap().get_many(&[StoredKey::new("k")]).unwrap()[0].is_some();
    assert_eq!((there(&one), there(&two)), (true, false));
}

#[test]
fn dummy_stores_nothing() {
    let mut subject = Subject { name: "dummy", backend: parse("dummy:", &options()).unwrap()().unwrap() };
    assert_eq!(subject.backend.kind(), Kind::Dummy);
    for (condition, held) in [(Condition::Always, true), (Condition::IfAbsent, true), (Condition::IfPresent, false)] {
        assert_eq!(subject.put(Write { condition, ..write("k", "v") }), held);
    }
    assert_eq!((subject.get("k"), subject.ttl("k")), (None, None));
    assert!(!subject.delete("k") && !subject.expire("k", Expiry::In(1)));
    assert_eq!(subject.keys("*", None), []);
    let keys = ["a", "b"].map(StoredKey::new);
    assert_eq!(subject.backend.get_many(&keys), Ok(vec![None, None]));
    let entry = Entry { stored: Stored::Bytes(b"v".to_vec()), ttl: Ttl::Never, tag: None };
    assert!(!subject.replace("k", &entry, "w"));
}

#[test]
fn urls_that_take_nothing_say_so() {
    for (url, part) in [("memory://x", "takes nothing after it"), ("dummy:?a=1", "unknown parameter `a`")] {
        let error = parse(url, &options()).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// What a survey told of an entry.
struct Told {
    key: Vec<u8>,
    ttl: Option<Ttl>,
    size: Option<u64>,
    data: Option<Vec<u8>>,
}

/// Who keeps what a survey shows.
#[derive(Default)]
struct Watcher {
    seen: Vec<Told>,
    wanted: Option<&'static [u8]>,
    turns: usize,
    turns_most: usize,
    met: u64,
}

impl Observer for Watcher {
    fn wants_data(&mut self, key: &[u8]) -> bool {
        self.wanted == Some(key)
    }

    fn see(&mut self, seen: &mut Observation<'_>) {
        let data = seen.stored.as_ref().and_then(Stored::as_bytes).map(<[u8]>::to_vec);
        let (key, size) = (seen.key.to_vec(), seen.length.or(seen.memory));
        self.seen.push(Told { key, ttl: seen.ttl, size, data });
    }

    fn turn(&mut self, met: u64) -> ControlFlow<()> {
        (self.turns, self.met) = (self.turns + 1, met);
        if self.turns == self.turns_most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn a_survey_tells_of_every_entry(subject: &mut Subject) {
    let name = subject.name;
    let asked = Questions { kind: true, ttl: true, length: true, ..Questions::default() };
    let plan = Plan { questions: asked, pattern: Pattern::all(), page: Some(50), sample: None };
    let mut none = Watcher::default();
    assert_eq!(subject.backend.survey(&plan, &mut none), Ok(Surveyed::default()), "{name}");
    assert_eq!((none.seen.len(), none.met), (0, 0), "{name}: of nothing there is nothing to tell");

    let key = |at: usize| format!("{}:{at:04}", if at < 100 { "few" } else { "many" });
    for at in 0..2000 {
        let expiry = if at % 2 == 0 { Expiry::Never } else { Expiry::In(3_600_000) };
        subject.put(Write { expiry, ..write(key(at), vec![b'x'; at]) });
    }
    let mut all = Watcher { wanted: Some(b"few:0007"), ..Watcher::default() };
    assert_eq!(subject.backend.survey(&plan, &mut all), Ok(Surveyed::default()), "{name}");
    all.seen.sort_by(|a, b| a.key.cmp(&b.key));
    all.seen.dedup_by(|a, b| a.key == b.key);
    assert_eq!((all.seen.len(), subject.backend.count()), (2000, Ok(Some(2000))), "{name}");
    assert!(all.met >= 2000 && all.turns > 1, "{name}: {} in {}", all.met, all.turns);
    for (at, Told { key: met, ttl, size, data }) in all.seen.iter().enumerate() {
        assert_eq!(*met, key(at).into_bytes(), "{name}");
        assert!(size.is_some_and(|size| size >= at as u64 && size < at as u64 + 200), "{name}: {at} {size:?}");
        assert_eq!(*ttl == Some(Ttl::Never), at % 2 == 0, "{name}: {at} {ttl:?}");
        assert_eq!(data.as_deref(), (at == 7).then_some(&b"xxxxxxx"[..]), "{name}: {at}");
    }

    let mut few = Watcher::default();
    subject.backend.survey(&Plan { pattern: Pattern::new("few:*"), ..plan.clone() }, &mut few).unwrap();
    few.seen.sort_by(|a, b| a.key.cmp(&b.key));
    few.seen.dedup_by(|a, b| a.key == b.key);
    assert_eq!(few.seen.len(), 100, "{name}");
    let mut first = Watcher { turns_most: 1, ..Watcher::default() };
    assert!(subject.backend.survey(&plan, &mut first).unwrap().stopped, "{name}");
    assert!(first.seen.len() < 2000, "{name}: it ended when it was told to");
    assert!(subject.set("few:0000", "v"), "{name}: and leaves the connection as good as it was");

    let sample = Some(Sample { draws: 400, of: 2000, seed: 1 });
    let mut drawn = Watcher::default();
    subject.backend.survey(&Plan { sample, ..plan.clone() }, &mut drawn).unwrap();
    assert!((300..=600).contains(&drawn.met) && drawn.seen.len() as u64 == drawn.met, "{name}: {}", drawn.met);
    let matching = Plan { sample, pattern: Pattern::new("many:*"), ..plan };
    let mut drawn = Watcher::default();
    subject.backend.survey(&matching, &mut drawn).unwrap();
    let share = drawn.seen.len() as f64 / drawn.met as f64;
    assert!(share > 0.9 && share < 1.0, "{name}: 19 of 20 match, not {share}");
    assert!(drawn.seen.iter().all(|seen| seen.key.starts_with(b"many:")), "{name}");
}
