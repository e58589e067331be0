//! The embedded store against the real thing: caches made, filled, checked and raced by Python's
//! diskcache, and what a damaged, foreign, full or forbidden directory is answered with.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cachectl::backend::{Cursor, Error, ErrorKind, Options, parse};
use cachectl::entry::{Expiry, Kind, Stored, StoredKey, Ttl, Write};
use cachectl::limits::Limits;
use cachectl::pattern::Pattern;

use crate::backends::{Subject, options, write};
use crate::python;

fn open(directory: &Path) -> Subject {
    open_with(directory, &options())
}

fn open_with(directory: &Path, options: &Options) -> Subject {
    let url = format!("disk://{}", directory.display());
    Subject { name: "disk", backend: parse(&url, options).unwrap()().unwrap() }
}

/// Runs a program over the cache `c` in `directory`; what it prints. Python's check comes last.
fn python(directory: &Path, program: &str) -> String {
    let program = format!(
        "import sys, time, pickle, pickletools, diskcache\nc = diskcache.Cache(sys.argv[1])\n{program}\n\
         found = [str(w.message) for w in c.check()]\nassert not found, found"
    );
    python::run(&program, &[directory.to_str().unwrap()])
}

fn bytes(text: impl AsRef<[u8]>) -> Option<Stored> {
    Some(Stored::Bytes(text.as_ref().to_vec()))
}

fn stored(subject: &mut Subject, key: impl AsRef<[u8]>) -> Option<Stored> {
    subject.entry(key).map(|entry| entry.stored)
}

/// The value files under `directory`.
fn value_files(directory: &Path) -> Vec<PathBuf> {
    let (mut files, mut open) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if !path.file_name().unwrap().to_str().unwrap().starts_with("cache.db") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn a_cache_made_here_is_the_one_that_python_would_have_made() {
    let root = tempfile::tempdir().unwrap();
    let (ours, theirs) = (root.path().join("ours"), root.path().join("theirs"));
    assert!(open(&ours).set("k", "v"));
    python(&theirs, "c['k'] = b'v'");
    let look = "
for sql in ['SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name',
            'SELECT key, value, typeof(value) FROM Settings ORDER BY key',
            'PRAGMA auto_vacuum', 'PRAGMA journal_mode', 'PRAGMA page_size', 'PRAGMA encoding',
            'SELECT key, typeof(key), raw, expire_time, access_count, tag, size, mode, filename, value FROM Cache']:
    print(c._sql(sql).fetchall())";
    // A plain connection first: opening a Cache would put right what is missing.
    let plain =
        format!("import sys, sqlite3\nclass c: _sql = sqlite3.connect(sys.argv[1] + '/cache.db').execute\n{look}");
    let look = |directory: &Path| python::run(&plain, &[directory.to_str().unwrap()]);
    assert_eq!(look(&ours), look(&theirs));
}

#[test]
fn what_is_written_here_is_read_by_python() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("new/cache");
    let mut subject = open(&directory);
    assert_eq!(subject.backend.kind(), Kind::Disk);
    for (key, value) in [
        (&b"text"[..], b"v".to_vec()),
        (b"", b"empty key".to_vec()),
        (b"empty value", vec![]),
        (b"nul\0key", b"\0".to_vec()),
        (b"\xff", b"binary key".to_vec()),
        ("é".as_bytes(), b"\xc3".to_vec()),
        (b"5", b"text five".to_vec()),
        (b"inline", vec![1; 32_767]),
        (b"file", vec![2; 32_768]),
        (b"large", vec![3; 5_000_000]),
        (b"rewritten", vec![4; 40_000]),
        (b"rewritten", vec![5; 50_000]),
        (b"shrunk", vec![6; 40_000]),
        (b"shrunk", b"small".to_vec()),
        (b"deleted", vec![7; 40_000]),
    ] {
        assert!(subject.set(key, value));
    }
    assert!(subject.delete("deleted"));
    let tagged = Write { tag: Some("red".into()), expiry: Expiry::In(3_600_000), ..write("tagged", "v") };
    assert!(subject.put(tagged.clone()));
    assert!(subject.put(Write { key: StoredKey::new("tagged too"), ..tagged }));
    assert!(subject.put(Write { expiry: Expiry::In(0), ..write("expired", "v") }));
    assert!(subject.set("touched", "v") && subject.expire("touched", Expiry::In(60_000)));
    assert_eq!(value_files(&directory).len(), 3);
    python(
        &directory,
        "
assert (c['text'], c[''], c['empty value'], c['nul\\0key']) == (b'v', b'empty key', b'', b'\\0')
assert (c[b'\\xff'], c['é'], c['5'], c.get(5)) == (b'binary key', b'\\xc3', b'text five', None)
assert (c['inline'], c['file'], c['large']) == (b'\\1' * 32767, b'\\2' * 32768, b'\\3' * 5000000)
assert (c['rewritten'], c['shrunk'], 'deleted' in c) == (b'\\5' * 50000, b'small', False)
value, expires, tag = c.get('tagged', expire_time=True, tag=True)
assert value == b'v' and tag == 'red' and 3590 < expires - time.time() <= 3600, (value, expires, tag)
value, expires, tag = c.get('touched', expire_time=True, tag=True)
assert tag is None and 50 < expires - time.time() <= 60, expires
assert 'expired' not in c and len(c) == 15, 'the write after it removed it'
assert c.volume() > 5000000 + 50000 + 32768
assert c.evict('red') == 2 and len(c) == 13
c.clear()",
    );
    assert_eq!(subject.keys("*", None), []);
    assert_eq!(value_files(&directory), Vec::<PathBuf>::new());
}

/// One entry of every mode, kind of key and kind of value, and the pickles among them in hex.
const EVERYTHING: &str = r"
c['bytes'] = b'\0\xff'
c['str'] = 'h\xe9llo'
c['int'] = -5
c['float'] = 1.5
c['nan'] = float('nan')
c['none'] = None
c['list'] = [1, 'a']
c['big bytes'] = b'x' * 40000
c['big str'] = '\xe9' * 40000
c['big pickle'] = list(range(20000))
c[b'\xff\0'] = b'bytes key'
c[5] = b'int key'
c[1.5] = b'float key'
c[1e22] = b'large float key'
c[None] = b'None key'
c[('t', 1)] = b'tuple key'
c[b'both'] = b'bytes'
c['both'] = b'str'
c.set('tagged', b'v', tag='red', expire=3600)
c.set('int tag', b'v', tag=7)
c.set('inf', b'v', expire=float('inf'))
c.set('expired', b'v', expire=-1)
for value in None, [1, 'a'], list(range(20000)):
    print(pickle.dumps(value, 5).hex())
for key in None, ('t', 1):
    print(pickletools.optimize(pickle.dumps(key, 5)).hex())";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

#[test]
fn what_python_wrote_is_read_changed_and_deleted_here() {
    let root = tempfile::tempdir().unwrap();
    let printed = python(root.path(), EVERYTHING);
    let pickles: Vec<Vec<u8>> = printed.lines().map(unhex).collect();
    let mut subject = open(root.path());
    let pickle = |n: usize| Some(Stored::Pickle(pickles[n].clone()));
    let rows: Vec<(&[u8], Option<Stored>, &str, usize)> = vec![
        (b"bytes", bytes(b"\0\xff"), "bytes", 2),
        (b"str", Some(Stored::Text("héllo".into())), "text", 6),
        (b"int", Some(Stored::Integer(-5)), "int", 2),
        (b"float", Some(Stored::Float(1.5)), "float", 3),
        (b"none", pickle(0), "pickle", 4),
        (b"list", pickle(1), "pickle", pickles[1].len()),
        (b"big bytes", bytes(vec![b'x'; 40_000]), "bytes", 40_000),
        (b"big str", Some(Stored::Text("é".repeat(40_000))), "text", 80_000),
        (b"big pickle", pickle(2), "pickle", pickles[2].len()),
        (b"\xff\0", bytes("bytes key"), "bytes", 9),
        (b"5", bytes("int key"), "bytes", 7),
        (b"1.5", bytes("float key"), "bytes", 9),
        (b"1e+22", bytes("large float key"), "bytes", 15),
        (&pickles[3], bytes("None key"), "bytes", 8),
        (&pickles[4], bytes("tuple key"), "bytes", 9),
        (b"both", bytes("str"), "bytes", 3),
        (b"tagged", bytes("v"), "bytes", 1),
        (b"int tag", bytes("v"), "bytes", 1),
        (b"inf", bytes("v"), "bytes", 1),
    ];
    let mut names: Vec<StoredKey> = rows.iter().map(|row| StoredKey::new(row.0)).collect();
    for (key, value, kind, size) in &rows {
        assert!(&stored(&mut subject, key) == value, "{}", String::from_utf8_lossy(key));
        let facts = subject.backend.facts_many(&[StoredKey::new(*key)]).unwrap().remove(0).unwrap();
        assert_eq!((facts.kind.as_str(), facts.size), (*kind, *size as u64), "{}", String::from_utf8_lossy(key));
    }
    assert!(matches!(stored(&mut subject, "nan"), Some(Stored::Float(nan)) if nan.is_nan()));
    for missing in ["5.0", "1.50", "expired", "None"] {
        assert_eq!(stored(&mut subject, missing), None, "{missing}");
    }
    assert!(subject.has_left("tagged", 3_600_000));
    assert_eq!((subject.ttl("inf"), subject.ttl("5")), (Some(Ttl::Never), Some(Ttl::Never)));
    let mut tag = |key: &str| subject.entry(key).unwrap().tag;
    assert_eq!((tag("tagged"), tag("int tag"), tag("str")), (Some("red".into()), Some("7".into()), None));

    names.push(StoredKey::new("nan"));
    names.sort();
    assert_eq!(subject.keys("*", None), names, "every row is listed but the expired one");
    assert_eq!(subject.keys("*", Some("pickle")), ["big pickle", "list", "none"].map(StoredKey::new));
    assert_eq!(subject.keys("*", Some("float")), ["float", "nan"].map(StoredKey::new));

    let small: Vec<Write> = names.iter().map(|key| write(&key.key, "new")).collect();
    let keep = small.iter().map(|write| Write { expiry: Expiry::Keep, ..write.clone() }).collect::<Vec<_>>();
    assert!(subject.backend.set_many(&keep).unwrap().iter().all(|held| *held));
    assert_eq!(value_files(root.path()), Vec::<PathBuf>::new());
    python(
        root.path(),
        r"
keys = [5, 1.5, 1e22, None, ('t', 1), b'\xff\0', 'both', 'bytes', 'big str', 'nan']
assert all(c[key] == b'new' for key in keys), [c[key] for key in keys]
assert c[b'both'] == b'bytes' and len(c) == 21
value, expires, tag = c.get('tagged', expire_time=True, tag=True)
assert 3500 < expires - time.time() <= 3600 and tag == 'red', 'both were kept'
assert c.get('int tag', tag=True) == (b'new', 7)",
    );
    assert!(subject.delete("both"));
    assert_eq!(stored(&mut subject, "both"), bytes("bytes"), "the other spelling is next");
    assert_eq!(subject.backend.expire_many(&names, Expiry::In(90_000)), Ok(vec![true; names.len()]));
    python(root.path(), "assert c.get(None, expire_time=True)[1] - time.time() > 80");
    assert_eq!(subject.backend.delete_many(&names), Ok(vec![true; names.len()]));
    python(root.path(), "assert len(c) == 0, list(c)");
}

#[test]
fn settings_of_the_cache_are_obeyed() {
    let root = tempfile::tempdir().unwrap();
    python(root.path(), "c.reset('disk_min_file_size', 10); c.reset('statistics', 1); c['python'] = b'v'");
    let mut subject = open(root.path());
    assert!(subject.set("nine", "123456789") && subject.set("ten", "1234567890"));
    assert_eq!(value_files(root.path()).len(), 1);
    let keys = ["nine", "ten", "python", "missing"].map(StoredKey::new);
    subject.backend.get_many(&keys).unwrap();
    subject.backend.facts_many(&keys).unwrap();
    subject.keys("*", None);
    python(root.path(), "assert c.stats() == (3, 1), c.stats()");
}

/// Writes the same to two caches, here and in Python, of every policy; what stays must be the same.
#[test]
fn a_full_cache_evicts_what_diskcache_would() {
    const KEYS: usize = 60;
    for policy in ["least-recently-stored", "least-recently-used", "least-frequently-used", "none"] {
        let root = tempfile::tempdir().unwrap();
        let (ours, theirs) = (root.path().join("ours"), root.path().join("theirs"));
        let make =
            format!("c = diskcache.Cache(sys.argv[1], eviction_policy='{policy}', size_limit=600000, cull_limit=3)");
        let fill = format!(
            "
for n in range({KEYS}):
    c.set(f'k{{n:02}}', b'x' * (20000 if n % 2 else 40000))
    c.get('k00'); c.get('k01')
    c.set('k02', b'again')
c.set('expired', b'v', expire=-10)
c.set('last', b'v')"
        );
        let list = "print(sorted(c), len(c))";
        python(&ours, &make);
        let theirs = python(&theirs, &format!("{make}\n{fill}\n{list}"));
        let mut subject = open(&ours);
        for n in 0..KEYS {
            subject.set(format!("k{n:02}"), vec![b'x'; if n % 2 == 1 { 20_000 } else { 40_000 }]);
            subject.backend.get_many(&["k00", "k01"].map(StoredKey::new)).unwrap();
            subject.set("k02", "again");
        }
        subject.put(Write { expiry: crate::backends::at(-10_000), ..write("expired", "v") });
        subject.set("last", "v");
        let ours = python(&ours, list);
        assert_eq!(ours, theirs, "{policy}");
        assert_eq!(ours.contains("'k00'"), policy != "least-recently-stored", "{policy}: {ours}");
        assert_eq!(ours.contains("'k30'"), policy == "none", "{policy}: {ours}");
    }
}

#[test]
fn several_processes_write_at_once() {
    const ROUNDS: usize = 150;
    const NAME: &str = "disk::several_processes_write_at_once";
    if let Some(directory) = std::env::var_os("CACHECTL_TEST_CHILD") {
        let (mut subject, me) = (open(directory.as_ref()), std::process::id());
        for n in 0..ROUNDS {
            let large = vec![b'v'; if n % 3 == 0 { 40_000 } else { 10 }];
            assert!(subject.set(format!("{me}:{n}"), &large));
            assert!(subject.set("shared", &large));
            assert!(stored(&mut subject, "shared").is_some(), "what is always there is never missed");
            assert!(subject.backend.facts_many(&[StoredKey::new("shared")]).unwrap()[0].is_some());
            assert!(n % 2 == 0 || subject.delete(format!("{me}:{n}")));
        }
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("cache");
    let program = format!(
        "
import sys, diskcache
c = diskcache.Cache(sys.argv[1])
for n in range({ROUNDS}):
    c[n] = c['shared'] = b'p' * (40000 if n % 3 == 0 else 10)
    assert 'shared' in c
print('1 passed')"
    );
    let mut python_racer = Command::new(python::interpreter());
    python_racer.args(["-c", &program]).arg(&directory).stdout(Stdio::piped());
    let racers = [child(NAME, &directory), child(NAME, &directory), child(NAME, &directory), child(NAME, &directory)];
    let racers = racers.into_iter().chain([python_racer]).map(|mut racer| racer.spawn().unwrap()).collect::<Vec<_>>();
    let outputs: Vec<Output> = racers.into_iter().map(|racer| racer.wait_with_output().unwrap()).collect();
    outputs.into_iter().for_each(passed);
    python(&directory, &format!("assert len(c) == 4 * {ROUNDS} // 2 + {ROUNDS} + 1, len(c)"));
    let large = ROUNDS.div_ceil(6) * 4 + ROUNDS.div_ceil(3);
    assert!((large..=large + 1).contains(&value_files(&directory).len()));
}

/// This test binary again, to run one test as a process of its own, over `directory`.
fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact"]).env("CACHECTL_TEST_CHILD", directory).stdout(Stdio::piped());
    command
}

/// The test passed in the child, and was not merely absent.
fn passed(child: Output) {
    let Output { status, stdout, stderr } = child;
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success() && out.contains("1 passed"), "{out}{err}");
}

#[test]
fn reading_makes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("none");
    let mut subject = open(&directory);
    let keys = ["a", "b"].map(StoredKey::new);
    assert_eq!(subject.backend.get_many(&keys), Ok(vec![None, None]));
    assert_eq!(subject.backend.facts_many(&keys), Ok(vec![None, None]));
    assert_eq!(subject.backend.delete_many(&keys), Ok(vec![false, false]));
    assert_eq!(subject.backend.expire_many(&keys, Expiry::Never), Ok(vec![false, false]));
    assert_eq!(subject.keys("*", None), []);
    assert!(!directory.exists());
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("cache.db"), "").unwrap();
    assert_eq!(subject.backend.get_many(&keys), Ok(vec![None, None]), "an empty file is no cache yet");
    assert_eq!(fs::metadata(directory.join("cache.db")).unwrap().len(), 0);
    assert!(subject.set("a", "v"), "and becomes one");
    python(&directory, "assert c['a'] == b'v'");
}

#[test]
fn only_the_default_directory_is_private() {
    let root = tempfile::tempdir().unwrap();
    let default = root.path().join("default/cache");
    let options = Options { disk_default: default.clone(), ..options() };
    let mut subject = Subject { name: "disk", backend: parse("disk:", &options).unwrap()().unwrap() };
    subject.set("k", "v");
    let named = root.path().join("named");
    open(&named).set("k", "v");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&default), mode(&named) & 0o700), (0o700, 0o700));
    let mut plain = root.path().join("plain");
    fs::create_dir(&plain).unwrap();
    assert_eq!(mode(&named), mode(&plain), "as `mkdir` would make it");
    plain.push("x");
    assert!(!plain.exists());
}

#[test]
fn urls_name_directories() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().display();
    for (url, directory) in [
        (format!("disk://{path}/a"), "a"),
        (format!("disk:{path}/b%20c%3Fd"), "b c?d"),
        (format!("DISK://{path}/e/"), "e"),
    ] {
        let mut subject = Subject { name: "disk", backend: parse(&url, &options()).unwrap()().unwrap() };
        assert!(subject.set("k", "v"));
        assert!(root.path().join(directory).join("cache.db").is_file(), "{url}");
        assert_eq!(subject.backend.label().trim_end_matches('/'), format!("disk://{path}/{directory}"));
    }
    for (url, part) in [
        ("disk:///a?timeout=1", "unknown parameter `timeout`"),
        ("disk://a/b", "write `disk:a/b` for a directory here, `disk:///a/b` for one from the root"),
        ("disk:///a%00b", "NUL"),
        ("disk:///a%zz", "two hex digits"),
        ("disk:~/cache", "write the home directory out"),
    ] {
        let error = parse(url, &options()).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// What reading and writing `directory` are answered with.
fn refusals(directory: &Path) -> [Error; 2] {
    let mut subject = open(directory);
    let read = subject.backend.get_many(&[StoredKey::new("k")]).unwrap_err();
    let listed = subject.backend.scan(&Pattern::all(), None, Cursor::Start).unwrap_err();
    assert_eq!(read, listed);
    [read, subject.backend.set_many(&[write("k", vec![0; 40_000])]).unwrap_err()]
}

#[test]
fn what_is_no_cache_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let check = |name: &str, kind: ErrorKind, part: &str| {
        let directory = root.path().join(name);
        let before = fs::read(directory.join("cache.db")).ok();
        for error in refusals(&directory) {
            assert_eq!(error.kind, kind, "{error}");
            assert!(error.message.contains(part) && error.message.contains(name), "{error}");
        }
        assert_eq!(fs::read(directory.join("cache.db")).ok(), before, "{name}");
        if directory.is_dir() {
            assert_eq!(value_files(&directory).iter().filter(|path| path.ends_with("val")).count(), 0, "{name}");
        }
    };
    let cache = |name: &str, bytes: &[u8]| {
        fs::create_dir(root.path().join(name)).unwrap();
        fs::write(root.path().join(name).join("cache.db"), bytes).unwrap();
    };
    cache("text", "this is no database at all, but long enough to be taken for one ".repeat(20).as_bytes());
    check("text", ErrorKind::Failed, "its cache.db is damaged");
    let whole = {
        open(&root.path().join("whole")).set("k", "v");
        fs::read(root.path().join("whole/cache.db")).unwrap()
    };
    cache("cut", &whole[..whole.len() / 2]);
    check("cut", ErrorKind::Failed, "its cache.db is damaged");
    let mut scratched = whole.clone();
    scratched[4096..].fill(0xa5);
    cache("scratched", &scratched);
    check("scratched", ErrorKind::Failed, "its cache.db is damaged");
    fs::create_dir(root.path().join("foreign")).unwrap();
    rusqlite::Connection::open(root.path().join("foreign/cache.db"))
        .unwrap()
        .execute_batch("CREATE TABLE moz_cookies (a); CREATE TABLE Cache (b);")
        .unwrap();
    check("foreign", ErrorKind::Failed, "an SQLite database, but not DiskCache's");
    fs::write(root.path().join("file"), "x").unwrap();
    check("file", ErrorKind::Failed, "Not a directory");
    fs::create_dir_all(root.path().join("folder/cache.db")).unwrap();
    check("folder", ErrorKind::Failed, "is not a file");
    let sharded = root.path().join("sharded");
    python::run("import sys, diskcache; diskcache.FanoutCache(sys.argv[1])['k'] = 1", &[sharded.to_str().unwrap()]);
    check("sharded", ErrorKind::Unfit, "is a DiskCache FanoutCache");
    let mut shard = open(&sharded.join("000"));
    assert!(shard.keys("*", None).len() < 2);
}

/// Makes a cache with one entry in `directory`, then changes its database past the code under test.
fn spoilt(directory: &Path, change: &str) {
    assert!(open(directory).set("k", "v"));
    rusqlite::Connection::open(directory.join("cache.db")).unwrap().execute_batch(change).unwrap();
}

#[test]
fn a_setting_that_is_no_number_is_named_and_nothing_is_evicted() {
    for setting in ["size_limit", "cull_limit", "disk_min_file_size", "statistics", "sqlite_synchronous"] {
        for value in ["'abc'", "'10'", "x'00'", "NULL"] {
            let root = tempfile::tempdir().unwrap();
            spoilt(root.path(), &format!("UPDATE Settings SET value = {value} WHERE key = '{setting}'"));
            for error in refusals(root.path()) {
                assert_eq!(error.kind, ErrorKind::Failed, "{error}");
                assert!(error.message.contains(&format!("its setting {setting} is no number")), "{error}");
            }
            let database = rusqlite::Connection::open(root.path().join("cache.db")).unwrap();
            let count: i64 = database.query_row("SELECT count(*) FROM Cache", [], |row| row.get(0)).unwrap();
            assert_eq!(count, 1, "{setting} {value}");
        }
    }
}

#[test]
fn half_a_cache_is_damaged_and_not_an_empty_one() {
    for table in ["Settings", "Cache"] {
        let root = tempfile::tempdir().unwrap();
        // What ANALYZE leaves is no sign of somebody else's database.
        spoilt(root.path(), &format!("ANALYZE; DROP TABLE {table}"));
        for error in refusals(root.path()) {
            assert_eq!(error.kind, ErrorKind::Failed, "{error}");
            assert!(error.message.contains(&format!("is damaged: the table {table} is missing")), "{error}");
        }
        let database = rusqlite::Connection::open(root.path().join("cache.db")).unwrap();
        let tables = "SELECT count(*) FROM sqlite_schema WHERE name = ?1";
        let count: i64 = database.query_row(tables, [table], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table} is not made again");
        assert_eq!(value_files(root.path()), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_cache_that_another_process_is_making_is_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(root.path().join("cache.db")).unwrap();
    database.execute_batch("CREATE TABLE Settings ( key TEXT NOT NULL UNIQUE, value)").unwrap();
    let directory = root.path().to_owned();
    let reader = std::thread::spawn(move || open(&directory).entry("k").is_none());
    std::thread::sleep(Duration::from_millis(60));
    database
        .execute_batch(
            "CREATE TABLE Cache (rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL, \
             expire_time REAL, access_time REAL, access_count INTEGER, tag BLOB, size INTEGER, mode INTEGER, \
             filename TEXT, value BLOB)",
        )
        .unwrap();
    assert!(reader.join().unwrap(), "an empty cache, and no error");
}

#[test]
fn what_the_cache_has_no_room_for_is_not_said_to_be_stored() {
    let root = tempfile::tempdir().unwrap();
    spoilt(root.path(), "UPDATE Settings SET value = 1000 WHERE key = 'size_limit'");
    let mut subject = open(root.path());
    for size in [10, 40_000] {
        let error = subject.backend.set_many(&[write("new", vec![0; size])]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        assert!(error.message.contains("size_limit of 1000 bytes leaves no room"), "{error}");
        assert!(error.message.contains("would now remove every entry, the new one too"), "{error}");
    }
    assert_eq!(subject.get("k"), Some(b"v".to_vec()), "nothing went for what did not come");
    assert_eq!(value_files(root.path()), Vec::<PathBuf>::new());
    python(root.path(), "assert list(c) == ['k'], list(c)\nassert c.set('new', b'') and list(c) == [], list(c)");
}

#[test]
fn a_json_disk_is_read_as_the_zlib_it_is_and_not_spoilt() {
    let root = tempfile::tempdir().unwrap();
    let disk = "diskcache.Cache(sys.argv[1], disk=diskcache.JSONDisk, disk_compress_level=6)";
    let run = |program: &str| {
        let program = format!("import sys, zlib, diskcache\nc = {disk}\n{program}\nassert c.check() == []");
        python::run(&program, &[root.path().to_str().unwrap()])
    };
    let printed = run("c['k'] = [1]; print(zlib.compress(b'\"k\"', 6).hex()); print(zlib.compress(b'[2]').hex())");
    let (key, value) = printed.trim().split_once('\n').unwrap();
    let mut subject = open(root.path());
    assert_eq!(subject.keys("*", None), [StoredKey::new(unhex(key))]);
    assert!(subject.set(unhex(key), unhex(value)));
    let error = subject.backend.set_many(&[write("plain", vec![0; 40_000])]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unfit);
    assert!(error.message.contains("JSONDisk"), "{error}");
    run("assert c['k'] == [2] and list(c) == ['k']");
}

#[test]
fn rows_that_diskcache_never_wrote_are_survived() {
    let root = tempfile::tempdir().unwrap();
    let mut subject = open(root.path());
    fs::write(root.path().join("cache.db.secret"), "secret").unwrap();
    for key in ["gone", "up", "absolute", "mode", "tag", "late", "name", "long"] {
        subject.set(key, "v");
    }
    let database = rusqlite::Connection::open(root.path().join("cache.db")).unwrap();
    let secret = root.path().join("cache.db.secret");
    for (key, change) in [
        ("gone", "mode = 2, value = NULL, filename = 'ab/cd/0123.val'".to_owned()),
        ("up", "mode = 2, value = NULL, filename = 'ab/../cache.db.secret'".to_owned()),
        ("absolute", format!("mode = 4, value = NULL, filename = '{}'", secret.display())),
        ("mode", "mode = 9".to_owned()),
        ("tag", "tag = x'ff41'".to_owned()),
        ("late", "expire_time = 'soon'".to_owned()),
        ("name", "mode = 3, value = NULL, filename = NULL".to_owned()),
        ("long", "value = zeroblob(2000000)".to_owned()),
    ] {
        database.execute(&format!("UPDATE Cache SET {change} WHERE key = '{key}'"), []).unwrap();
    }
    assert_eq!((subject.entry("gone"), subject.ttl("gone")), (None, None));
    let limits = Limits { stored: 1_500_000, ..Limits::DEFAULT };
    let mut narrow = open_with(root.path(), &Options { limits, ..options() });
    for (key, kind, part) in [
        ("up", ErrorKind::Failed, "no plain file inside the directory"),
        ("absolute", ErrorKind::Failed, "no plain file inside the directory"),
        ("mode", ErrorKind::Failed, "mode 9"),
        ("name", ErrorKind::Failed, "names none"),
        ("long", ErrorKind::Limit, "over the limit `stored`"),
    ] {
        let error = narrow.backend.get_many(&[StoredKey::new(key)]).unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(part) && error.message.starts_with("cannot read the cache in"), "{error}");
    }
    assert_eq!(subject.entry("tag").unwrap().tag.as_deref(), Some("\u{fffd}A"));
    assert_eq!(subject.ttl("late"), Some(Ttl::Never));
    database.execute("UPDATE Cache SET value = zeroblob(3000000) WHERE key = 'long'", []).unwrap();
    let error = narrow.backend.get_many(&[StoredKey::new("long")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Limit, "beyond what SQLite may hand over: {error}");
    for key in ["gone", "up", "absolute", "mode", "name", "long"] {
        assert!(subject.set(key, "whole again"), "{key}");
        assert_eq!(subject.get(key), Some(b"whole again".to_vec()), "{key}");
    }
    assert_eq!(fs::read_to_string(secret).unwrap(), "secret", "no name makes us remove what is not the cache's");
    python(root.path(), "");
}

#[test]
fn a_lock_is_waited_for_as_long_as_the_timeout_says() {
    let root = tempfile::tempdir().unwrap();
    let mut subject = open_with(root.path(), &Options { timeout: Duration::from_millis(30), ..options() });
    subject.set("k", "v");
    let database = rusqlite::Connection::open(root.path().join("cache.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = subject.backend.set_many(&[write("k", vec![0; 40_000])]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("timed out waiting for the lock"), "{error}");
    assert_eq!(value_files(root.path()), Vec::<PathBuf>::new(), "nothing half-written");
    assert_eq!(subject.get("k"), Some(b"v".to_vec()), "readers do not wait");
    database.execute_batch("ROLLBACK").unwrap();
    assert!(subject.set("k", "w"));
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    const NAME: &str = "disk::a_full_disk_leaves_nothing_half_written";
    if let Some(directory) = std::env::var_os("CACHECTL_TEST_CHILD") {
        let mut subject = open(directory.as_ref());
        let error = subject.backend.set_many(&[write("file", vec![0; 3_000_000])]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        assert!(error.message.contains("cannot write to the cache in"), "{error}");
        let batch: Vec<Write> = (0..200).map(|n| write(format!("n{n}"), vec![0; 20_000])).collect();
        let error = subject.backend.set_many(&batch).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        assert_eq!(subject.get("before"), Some(b"v".to_vec()));
        let batches: Vec<Write> = (0..2000).map(|n| write(format!("part{n}"), vec![0; 1500])).collect();
        let error = subject.backend.set_many(&batches).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Partial, "{error}");
        assert!(error.message.contains("of 2000 were done, then: cannot write to"), "{error}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    assert!(open(root.path()).set("before", "v"));
    // A limit on the size of a file is as good as a full disk, and needs no disk of its own.
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"trap '' XFSZ; ulimit -f 2000; exec "$0" "$@""#]).arg(std::env::current_exe().unwrap());
    passed(limited.args([NAME, "--exact"]).env("CACHECTL_TEST_CHILD", root.path()).output().unwrap());
    assert_eq!(value_files(root.path()), Vec::<PathBuf>::new());
    python(
        root.path(),
        "
assert sorted(c)[0] == 'before' and sorted(c)[-1].startswith('part'), sorted(c)
assert 0 < len(c) - 1 < 2000 and (len(c) - 1) % 256 == 0, len(c)",
    );
}

#[test]
fn a_directory_that_may_not_be_written_can_be_read() {
    const NAME: &str = "disk::a_directory_that_may_not_be_written_can_be_read";
    if let Some(root) = std::env::var_os("CACHECTL_TEST_CHILD") {
        let root = PathBuf::from(root);
        let mut subject = open(&root.join("readable"));
        assert_eq!(subject.get("k"), Some(b"v".to_vec()));
        assert_eq!(subject.keys("*", None), ["k", "large"].map(StoredKey::new));
        assert!(subject.get("large").is_some());
        for bytes in [vec![0; 10], vec![0; 40_000]] {
            let error = subject.backend.set_many(&[write("k", bytes)]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        }
        let [read, written] = refusals(&root.join("closed"));
        assert_eq!((read.kind, written.kind), (ErrorKind::Denied, ErrorKind::Denied), "{read}");
        let error = open(&root.join("readable/below")).backend.set_many(&[write("k", "v")]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{error}");
        assert!(error.message.contains("cannot create the cache in"), "{error}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(root.path(), 0o755);
    let (readable, closed) = (root.path().join("readable"), root.path().join("closed"));
    let make = "diskcache.Cache(sys.argv[1], eviction_policy='least-recently-used', statistics=1)";
    python(&readable, &format!("c = {make}; c['k'] = b'v'; c['large'] = b'x' * 40000"));
    assert!(open(&closed).set("k", "v"));
    // Root may do everything, so the test goes on as somebody else, from a copy that all may run.
    let program = root.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    set_mode(&program, 0o755);
    set_mode(&readable, 0o555);
    set_mode(&closed, 0o000);
    let mut command = Command::new(&program);
    command.args([NAME, "--exact"]).env("CACHECTL_TEST_CHILD", root.path());
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65534).gid(65534);
    }
    let output = command.output().unwrap();
    set_mode(&readable, 0o755);
    set_mode(&closed, 0o755);
    passed(output);
    assert!(!readable.join("below").exists());
    python(&readable, "assert c['k'] == b'v'");
}

#[test]
fn counters_and_tags_are_pythons_too() {
    let directory = tempfile::tempdir().unwrap();
    let made = "c.incr('n', 5)\nc.set('big', 2**70)\nc.set('f', 1.5)\nc.set('t', '41', tag='red', expire=3600)
for tag in ['red', 5, 5.0, b'red', None]:
    for n in range(150): c.set((tag, type(tag).__name__, n), 'x' * (n * 400), tag=tag)";
    python(directory.path(), made);
    let mut subject = open(directory.path());
    assert_eq!((subject.add("n", 3), subject.add("mine", 4), subject.add("t", 1)), (Ok(8), Ok(4), Ok(42)));
    assert!(subject.entry("t").unwrap().tag.as_deref() == Some("red") && subject.has_left("t", 3_600_000));
    for key in ["big", "f"] {
        assert_eq!(subject.add(key, 1).unwrap_err().kind, ErrorKind::Unfit, "{key}");
    }
    assert_eq!((subject.backend.tagged("5"), subject.backend.tagged("5.0")), (Ok(150), Ok(150)));
    assert_eq!((subject.backend.evict("5"), subject.backend.tagged("5.0")), (Ok(150), Ok(150)));
    assert_eq!((subject.backend.tagged("red"), subject.backend.evict("red")), (Ok(301), Ok(301)));
    let checked = "assert c.incr('n') == 9 and c['mine'] == 4 and len(c) == 304, len(c)
assert c.incr('mine', -5) == -1\nprint(sum(k is not None for k in c))";
    assert_eq!(python(directory.path(), checked), "304\n");
    subject.backend.flush().unwrap();
    assert_eq!(python(directory.path(), "print(len(c), c.volume() > 0)"), "0 True\n");
    assert_eq!(value_files(directory.path()), Vec::<PathBuf>::new());
}
