//! The caches of the libraries whose layouts there are, with every serializer that they offer: what they
//! write is read, listed and operated here, and what is written here they read as equal.
//!
//! cachetory has suites of its own (`servers`, `memcached`); DiskCache too (`disk`); tags are in `tags`.

use crate::env::{Env, ttl_as_given};
use crate::python::Session;
use crate::server::{Memcached, Server};

/// A cache of an application, and the options that make it ours.
struct Case {
    /// What it is called in the Python session.
    cache: &'static str,
    layout: &'static str,
    /// Empty for the one that the layout has by itself.
    serializer: &'static str,
    /// What such a cache can hold, as Python, and typed JSON for the same.
    values: &'static [(&'static str, &'static str)],
}

const JSON: &[(&str, &str)] = &[
    ("{'id': 42, 'tags': ['a', None, True], 'é😀': 1.5}", r#"{"id":42,"tags":["a",null,true],"é😀":1.5}"#),
    ("[]", "[]"),
    ("'text'", r#""text""#),
    ("-0.0", "-0.0"),
    ("36893488147419103232", "36893488147419103232"),
];

const PICKLE: &[(&str, &str)] = &[
    ("{'at': (1, {2}, b'\\xff\\x00')}", r#"{"at":{"$tuple":[1,{"$set":[2]},{"$bytes":"/wA="}]}}"#),
    (
        "datetime.datetime(2024, 2, 29, 12, 0, tzinfo=datetime.timezone.utc)",
        r#"{"$datetime":"2024-02-29T12:00:00+00:00"}"#,
    ),
    ("Decimal('1.50')", r#"{"$decimal":"1.50"}"#),
    ("{1: 'one', None: 2}", r#"{"$dict":[[1,"one"],[null,2]]}"#),
];

/// Text has to be in quotes where it is read as JSON, too.
const TEXT: &[(&str, &str)] = &[("'hello wörld'", r#""hello wörld""#), ("''", r#""""#)];

const MSGPACK: &[(&str, &str)] = &[
    ("{'id': 42, 'raw': b'\\xff', 'f': 0.5}", r#"{"id":42,"raw":{"$bytes":"/w=="},"f":0.5}"#),
    ("[1, [2, None], -7, 18446744073709551615]", "[1,[2,null],-7,18446744073709551615]"),
];

const BYTES: &[(&str, &str)] = &[("b'\\xff\\x00raw'", r#"{"$bytes":"/wByYXc="}"#)];

/// Checks `case` in both directions. `KEY` of each expression is the key, and of each command.
fn check(app: &mut Session, env: &Env, case: &Case, keys: [&str; 2]) {
    let [theirs, ours] = keys;
    let run = |args: &[&str]| {
        let serializer: &[&str] = if case.serializer.is_empty() { &[] } else { &["-s", case.serializer] };
        env.run([&["-l", case.layout], serializer, args].concat())
    };
    let cache = case.cache;
    let what = format!("{cache} with {} {}", case.layout, case.serializer);
    for (python, typed) in case.values {
        assert_eq!(app.eval(&format!("write({cache}, '{theirs}', {python})")), "True", "{what}: {python}");
        assert_eq!(run(&["get", theirs, "-o", "python"]).ok(), format!("{python}\n"), "{what}");
        let listed = run(&["ls"]).ok();
        assert!(listed.lines().any(|line| line == theirs), "{what}: {listed}");
        let inspected = run(&["inspect", theirs]).ok();
        let chain = case.serializer.split(['?', ':']).next().unwrap();
        assert!(inspected.contains(chain), "{what}: {inspected}");

        run(&["set", ours, "--json", typed]).ok();
        assert_eq!(app.eval(&format!("read({cache}, '{ours}')")), *python, "{what}: {typed}");
        assert_eq!(app.eval(&format!("read({cache}, '{ours}') == {python}")), "True", "{what}: {typed}");
        run(&["del", theirs]).ok();
        assert_eq!(app.eval(&format!("read({cache}, '{theirs}')")), "None", "{what}");
        assert_eq!(app.eval(&format!("remove({cache}, '{ours}')")), "True", "{what}");
        run(&["get", ours]).fails(1);
    }
}

/// The same, for the ttl: theirs is shown, ours holds.
fn check_ttl(app: &mut Session, env: &Env, cache: &str, layout: &str, key: &str) {
    let run = |line: &str| env.run(["-l", layout].into_iter().chain(line.split(' ')));
    assert_eq!(app.eval(&format!("write({cache}, '{key}', 'v', 3600)")), "True", "{cache}");
    assert_eq!(ttl_as_given(&run(&format!("ttl {key}")).ok()), "1h\n", "{cache} {layout}");
    run(&format!("expire {key} --ttl 2d")).ok();
    assert_eq!(ttl_as_given(&run(&format!("ttl {key}")).ok()), "2d\n", "{cache} {layout}");
    run(&format!("expire {key} --ttl never")).ok();
    assert_eq!(run(&format!("ttl {key}")).ok(), "never\n", "{cache} {layout}");
    assert_eq!(app.eval(&format!("read({cache}, '{key}')")), "'v'", "{cache}");
}

const AIOCACHE: &str = "
import asyncio, datetime
from decimal import Decimal
from aiocache import RedisCache, MemcachedCache
from aiocache.serializers import *
loop = asyncio.new_event_loop()
serializers = {'json': JsonSerializer(), 'pickle': PickleSerializer(), 'pickle2': PickleSerializer(protocol=2),
               'string': StringSerializer(), 'null': NullSerializer(encoding=None)}
def caches(make):
    return {name: make(serializer) for name, serializer in serializers.items()}
def write(cache, key, value, ttl=None):
    return loop.run_until_complete(cache.set(key, value, ttl=ttl))
def read(cache, key):
    return loop.run_until_complete(cache.get(key))
def remove(cache, key):
    return loop.run_until_complete(cache.delete(key)) == 1
";

#[test]
fn aiocache_on_redis() {
    let server = Server::start(&[]);
    let port = server.port;
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let mut app = Session::start(&format!(
        "{AIOCACHE}
c = caches(lambda serializer: RedisCache(serializer, endpoint='127.0.0.1', port={port}, namespace='app'))
bare = RedisCache(JsonSerializer(), endpoint='127.0.0.1', port={port})"
    ));
    for (cache, layout, serializer, values) in [
        ("c['json']", "aiocache://app", "", JSON),
        ("c['json']", "aiocache://app", "json://", JSON),
        ("bare", "aiocache:", "", JSON),
        ("c['pickle']", "aiocache://app", "pickle://?pickle-protocol=4", PICKLE),
        ("c['pickle2']", "aiocache://app", "pickle://?pickle-protocol=2", PICKLE),
        ("c['string']", "aiocache://app", "string://", TEXT),
        ("c['null']", "aiocache://app", "null://", BYTES),
    ] {
        check(&mut app, &env, &Case { cache, layout, serializer, values }, ["theirs:1", "ours 2"]);
    }
    check_ttl(&mut app, &env, "c['json']", "aiocache://app", "k");
    assert_eq!(app.eval("loop.run_until_complete(c['json'].increment('n', 5))"), "5");
    assert_eq!(env.ok(["-l", "aiocache://app", "incr", "n", "--by", "2"]), "7\n");
    assert_eq!(app.eval("loop.run_until_complete(c['json'].increment('n', -1))"), "6");
    assert_eq!(app.eval("loop.run_until_complete(c['json'].multi_set([('m1', 1), ('m2', [2])]))"), "True");
    assert_eq!(env.ok(["-l", "aiocache://app", "get", "m1", "m2", "-o", "json"]), "1\n[2]\n");
    env.ok(["-l", "aiocache://app", "clear", "--yes"]);
    assert_eq!(app.eval("loop.run_until_complete(c['json'].multi_get(['m1', 'm2', 'n']))"), "[None, None, None]");
}

/// MsgPackSerializer reads nothing back with its own default encoding (0.12.3): `encoding=None` reads text as bytes.
#[test]
fn aiocache_with_msgpack() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url()).with("CACHECTL_LAYOUT", "aiocache://app");
    let env = env.with("CACHECTL_SERIALIZER", "msgpack://");
    let mut app = Session::start(&format!(
        "{AIOCACHE}
writer, reader = [RedisCache(serializer, endpoint='127.0.0.1', port={}, namespace='app')
                  for serializer in (MsgPackSerializer(), MsgPackSerializer(encoding=None))]",
        server.port
    ));
    for (python, typed) in MSGPACK {
        assert_eq!(app.eval(&format!("write(writer, 'k', {python})")), "True");
        env.prints(["get", "k", "-o", "python"], &format!("{python}\n"));
        let said = env.run(["set", "mine", "--json", typed]);
        assert!(said.status == Some(0) && said.stderr().contains("cannot read this back"), "{said}");
        assert_eq!(app.eval("read(reader, 'mine') == read(reader, 'k')"), "True", "{typed}");
    }
    assert_eq!(app.eval("read(reader, 'mine')"), "[1, [2, None], -7, 18446744073709551615]");
}

#[test]
fn aiocache_on_memcached() {
    let server = Memcached::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let mut app = Session::start(&format!(
        "{AIOCACHE}
c = caches(lambda serializer: MemcachedCache(serializer, endpoint='127.0.0.1', port={}, namespace='a p'))",
        server.port
    ));
    for (cache, serializer, values) in [
        ("c['json']", "", JSON),
        ("c['pickle']", "pickle://?pickle-protocol=4", PICKLE),
        ("c['pickle2']", "pickle://?pickle-protocol=2", PICKLE),
        ("c['string']", "string://", TEXT),
        ("c['null']", "null://", BYTES),
    ] {
        check(&mut app, &env, &Case { cache, layout: "aiocache://a%20p", serializer, values }, ["theirs1", "ours_2"]);
    }
    check_ttl(&mut app, &env, "c['json']", "aiocache://a%20p", "k");
}

const PYREDIS_CACHE: &str = "
import datetime, json, pickle
from decimal import Decimal
from redis import ConnectionPool
from redis_cache import CacheClient, HashCacheClient
pairs = {'json': (json.dumps, json.loads), 'pickle': (pickle.dumps, pickle.loads), 'none': (lambda x: x, lambda x: x)}
class Missing(Exception): pass
def missing(*_):
    raise Missing
def simple(pool, name, expire_time=0):
    set_func, get_func = pairs[name]
    return CacheClient(pool, 'Student', missing, set_func=set_func, get_func=get_func, expire_time=expire_time)
def hashed(pool, name):
    set_func, get_func = pairs[name]
    return HashCacheClient(pool, 'Class', 'Student', missing, set_func=set_func, get_func=get_func)
def ids(key):
    return [int(part) for part in key.split('/')]
def write(cache, key, value, ttl=0):
    cache.expire, cache.expire_time = bool(ttl), ttl
    return cache.set(*ids(key), data=value) == 1
def read(cache, key):
    try:
        return cache.get(*ids(key))
    except Missing:
        return None
def remove(cache, key):
    return cache.delete(*ids(key)) == 1
";

#[test]
fn pyredis_cache() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let mut app = Session::start(&format!(
        "{PYREDIS_CACHE}
pool = ConnectionPool(host='127.0.0.1', port={})
s = {{name: simple(pool, name) for name in pairs}}
h = {{name: hashed(pool, name) for name in pairs}}",
        server.port
    ));
    for (cache, serializer, values) in [
        ("['json']", "json://", JSON),
        ("['pickle']", "pickle://?pickle-protocol=4", PICKLE),
        ("['none']", "noop://", BYTES),
    ] {
        for (which, layout, keys) in
            [("s", "pyredis-cache://Student", ["12", "13"]), ("h", "pyredis-cache://Class/Student", ["3/12", "3/13"])]
        {
            let cache: &'static str = Box::leak(format!("{which}{cache}").into_boxed_str());
            check(&mut app, &env, &Case { cache, layout, serializer, values }, keys);
        }
    }
    check_ttl(&mut app, &env, "s['json']", "pyredis-cache://Student", "7");
    env.ok(["-l", "pyredis-cache://Student", "set", "--", "-3", "5"]);
    assert_eq!(app.eval("read(s['json'], '-3')"), "5");
    assert_eq!(app.eval("[h['json'].set(3, n, data=n) for n in range(1, 4)]"), "[1, 1, 1]");
    assert_eq!(env.ok(["-l", "pyredis-cache://Class/Student", "ls"]).lines().count(), 3);
    env.ok(["-l", "pyredis-cache://Class/Student", "del", "--hash", "3"]);
    assert_eq!(app.eval("[read(h['json'], f'3/{n}') for n in range(1, 4)]"), "[None, None, None]");
}

/// What pyredis-cache could not name is refused before anything is asked, and what stands in the way of a value stays.
#[test]
fn pyredis_cache_with_bad_input() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    server.command(&[b"SET", b"00000CLASS#0000000003", b"in the way"]);
    server.command(&[b"RPUSH", b"000STUDENT#0000000012", b"a", b"b"]);
    let stored =
        || ["00000CLASS#0000000003", "000STUDENT#0000000012"].map(|key| server.command(&[b"DUMP", key.as_bytes()]));
    let before = stored();
    for (layout, line, status, says) in [
        (
            "pyredis-cache://Student",
            "get twelve",
            2,
            "an id is a whole number in decimal, such as 12 or -3, not `twelve`",
        ),
        ("pyredis-cache://Student", "set 1.5 1", 2, "not `1.5`"),
        ("pyredis-cache://Student", "del 1 x", 2, "not `x`"),
        ("pyredis-cache://St", "get 1", 2, "more than 2 characters in pyredis-cache, and `St` has not"),
        ("pyredis-cache://Class/Student", "get 12", 2, "HASH_ID/ID"),
        ("pyredis-cache://Class/Student", "get 3/12", 2, "WRONGTYPE"),
        ("pyredis-cache://Class/Student", "set 3/12 1", 2, "WRONGTYPE"),
        ("pyredis-cache://Class/Student", "del 3/12", 2, "WRONGTYPE"),
        ("pyredis-cache://Student", "set 12 1", 3, "it holds a list, which a set would replace: delete it first"),
        ("pyredis-cache://Nobody", "ls", 1, "no keys"),
        ("pyredis-cache://Nobody", "clear --yes", 1, "deleted 0 keys"),
    ] {
        let error = env.run(["-l", layout].into_iter().chain(line.split(' '))).fails(status);
        assert!(error.contains(says), "{layout} {line}: {error}");
    }
    assert_eq!(stored(), before, "something was changed");
    assert_eq!(server.command(&[b"DBSIZE"]), redis::Value::Int(2));
}

#[test]
fn redis_tagged_cache() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let mut app = Session::start(&format!(
        "
import datetime, json, pickle
from decimal import Decimal
from rtc import RedisTaggedCache, CacheMiss
def cache(**more):
    return RedisTaggedCache(namespace='app', host='127.0.0.1', port={}, **more)
c = {{'default': cache(), 'pickle2': cache(serializer=lambda value: pickle.dumps(value, protocol=2)),
     'json': cache(serializer=lambda value: json.dumps(value).encode(), unserializer=json.loads),
     'raw': cache(serializer=lambda value: value, unserializer=lambda data: data)}}
def read(cache, key):
    try:
        return cache.get(key, tags=['t', 'é'])
    except CacheMiss:
        return 'a miss'",
        server.port
    ));
    for (cache, serializer, values) in [
        ("c['default']", "", PICKLE),
        ("c['pickle2']", "pickle://?pickle-protocol=2", PICKLE),
        ("c['json']", "json://", JSON),
        ("c['raw']", "noop://", BYTES),
    ] {
        let run = |args: &[&str]| {
            let options: &[&str] = if serializer.is_empty() { &[] } else { &["-s", serializer] };
            env.run([&["-l", "rtc://app"], options, args, &["--tag", "é", "--tag", "t"]].concat())
        };
        for (python, typed) in values {
            let set = format!("{cache}.set('theirs', {python}, tags=['é', 't'], lifetime=3600)");
            assert_eq!(app.eval(&set), "True", "{cache} {python}");
            assert_eq!(run(&["get", "theirs", "-o", "python"]).ok(), format!("{python}\n"), "{cache}");
            assert_eq!(ttl_as_given(&run(&["ttl", "theirs"]).ok()), "1h\n");
            run(&["expire", "theirs", "--ttl", "2d"]).ok();
            assert_eq!(ttl_as_given(&run(&["ttl", "theirs"]).ok()), "2d\n");
            assert_eq!(env.ok(["-l", "rtc://app", "ls"]), run(&["key", "theirs"]).ok(), "{cache}");
            assert!(run(&["inspect", "theirs"]).ok().contains("redis-tagged-cache 0.12 entry"), "{cache}");
            run(&["set", "ours", "--json", typed]).ok();
            assert_eq!(app.eval(&format!("read({cache}, 'ours')")), *python, "{cache} {typed}");
            run(&["del", "theirs"]).ok();
            assert_eq!(app.eval(&format!("read({cache}, 'theirs')")), "'a miss'");
            assert_eq!(app.eval(&format!("{cache}.delete('ours', tags=['t', 'é'])")), "True");
            run(&["get", "ours"]).fails(1);
        }
    }
}
