//! The README says what the tables in the code say: the lists in it are the ones that go stale first.

use std::fs;
use std::path::Path;

use cachectl::backend::BACKENDS;
use cachectl::cli::definition;
use cachectl::codec::LAYERS;
use cachectl::config::KEYS;
use cachectl::layout::LAYOUTS;
use cachectl::limits::{LIMITS, Limits};

use crate::env::{Env, Ran, ttl_as_given};
use crate::examples::World;
use crate::python;
use crate::server::{Cluster, Server};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The part of the README under `heading`, up to the next one of its level.
fn section(heading: &str) -> String {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let start = readme.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    let rest = &readme[start + 4..];
    rest[..rest.find("\n## ").unwrap_or(rest.len())].to_owned()
}

/// The cells of the table rows in `text`, without the backquotes.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| line.starts_with('|'));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()).collect()
}

#[test]
fn the_limits_are_the_limits() {
    let rows = rows(&section("Limits"));
    let mut defaults = Limits::DEFAULT;
    for limit in LIMITS {
        let row = rows.iter().find(|row| row[0] == limit.name).unwrap_or_else(|| panic!("no limit {}", limit.name));
        let default = *(limit.field)(&mut defaults);
        let shown = match limit.unit {
            "bytes" => format!("{} MiB", default >> 20),
            _ => default.to_string(),
        };
        assert_eq!(row[1], shown, "{}", limit.name);
    }
    assert_eq!(rows.len(), LIMITS.len() + 2, "heading, rule, and a row a limit: {rows:?}");
}

#[test]
fn every_command_is_there() {
    let rows = rows(&section("Commands"));
    for command in definition().get_subcommands() {
        let name = command.get_name();
        let named = |cell: &str| cell.split(", ").any(|one| one.split(' ').next() == Some(name));
        assert!(rows.iter().any(|row| named(&row[0])), "no command {name}");
    }
}

#[test]
fn every_backend_and_layer_is_there() {
    let section = section("Three URLs");
    for scheme in BACKENDS.iter().flat_map(|row| row.schemes) {
        assert!(section.contains(&format!("`{scheme}:")), "no backend {scheme}");
    }
    let rows = rows(&section);
    for layer in LAYERS {
        let names = layer.names.join(", ");
        let row = rows.iter().find(|row| row[0] == names).unwrap_or_else(|| panic!("no layer {names}"));
        let parameters: Vec<&str> = layer.parameters.iter().map(|parameter| parameter.name).collect();
        assert_eq!(row[2], parameters.join(", "), "{names}");
    }
}

#[test]
fn every_key_of_profiles_is_there_with_its_flag_and_its_variable() {
    let rows = rows(&section("Profiles"));
    for key in KEYS {
        let place = |row: &Vec<String>| row[0].split(", ").position(|name| name == key.name);
        let row = rows.iter().find(|row| place(row).is_some()).unwrap_or_else(|| panic!("no key {}", key.name));
        let flag = row[2].split(", ").nth(place(row).unwrap()).unwrap();
        assert_eq!((flag, &*row[3]), (key.flag.unwrap_or(""), key.variable.unwrap_or("")), "{}", key.name);
    }
}

#[test]
fn every_layout_is_there_with_the_version_that_the_tests_have() {
    let rows = rows(&section("Three URLs"));
    let pinned = fs::read_to_string(root().join("tests/requirements.txt")).unwrap();
    for layout in LAYOUTS {
        let named = |cell: &str| cell.split(", ").any(|one| one == layout.example);
        let row = rows.iter().find(|row| named(&row[0])).unwrap_or_else(|| panic!("no layout {}", layout.example));
        assert!(layout.schemes.iter().all(|scheme| row[0].contains(&format!("{scheme}:"))), "{row:?}");
        let mut words = row[1].split([' ', ';']);
        let (library, version) = (words.next().unwrap(), words.next().unwrap());
        let pin = |line: &str| line.split("==").next().unwrap().split('[').next() == Some(library);
        let pin = pinned.lines().find(|line| pin(line)).unwrap_or_else(|| panic!("{library} is not pinned"));
        assert!(pin.ends_with(&format!("=={version}")), "{library} {version}: {pin}");
    }
}

/// The blocks of `language` in `text`.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

const BACKEND: &str = "CACHECTL_BACKEND=redis://localhost:6379/0";

/// What the commands of a session print, on both streams together, after a program has run: as it is written, on
/// servers of its own, of which only the port 6379 and the directory /var/cache/shop are others.
fn played(part: &str) -> (String, String) {
    let world = World::new();
    let ([program], [session]) = (&blocks(part, "python")[..], &blocks(part, "console")[..]) else {
        panic!("one program and one session: {part}")
    };
    python::run(&world.here(program), &[]);
    let commands = session.lines().filter_map(|line| line.strip_prefix("$ "));
    let steps = commands.map(|command| {
        let ran = world.run(&format!("export {BACKEND}; {{ {command}\n}} 2>&1"));
        format!("$ {command}\n{}", world.there(&ttl_as_given(std::str::from_utf8(&ran.stdout).unwrap())))
    });
    ((*session).to_owned(), steps.collect())
}

/// Sessions are what was printed: `CACHECTL_BLESS=1` writes them anew.
#[test]
fn every_session_is_what_is_printed() {
    let libraries = section("Libraries");
    assert!(libraries.contains(&format!("`export {BACKEND}`")));
    let mut parts: Vec<String> = libraries.split("\n**").skip(1).map(str::to_owned).collect();
    parts.push(section("A look"));
    assert_eq!(parts.len(), 6);
    for (written, printed) in parts.iter().map(|part| played(part)) {
        if std::env::var_os("CACHECTL_BLESS").is_some() {
            let path = root().join("README.md");
            let readme = fs::read_to_string(&path).unwrap();
            fs::write(path, readme.replace(&written, &printed)).unwrap();
        } else {
            assert_eq!(printed, written, "CACHECTL_BLESS=1 cargo test --locked --test it every_session");
        }
    }
}

/// The column of the comparison that another program's version could make untrue.
#[test]
fn redis_cli_does_what_is_said_of_it() {
    let server = Server::start(&[]);
    let port = server.port.to_string();
    let cli = |args: &[&str]| Env::of("redis-cli").run(["-p", &port].iter().chain(args));
    let same = |ran: Ran| assert_eq!((ran.stdout.as_slice(), ran.status), (&b"\n"[..], Some(0)), "{ran}");
    server.command(&[b"SET", b"empty", b""]);
    same(cli(&["get", "nothing"]));
    same(cli(&["get", "empty"]));
    server.command(&[b"LPUSH", b"list", b"x"]);
    let ran = cli(&["get", "list"]);
    assert!(ran.status == Some(0) && ran.stdout.starts_with(b"WRONGTYPE"), "{ran}");
    for key in [&b"a b"[..], b"a", b"b"] {
        server.command(&[b"SET", key, b"1"]);
    }
    let recipe = format!("redis-cli -p {port} --scan --pattern 'a *' | xargs redis-cli -p {port} unlink");
    let ran = Env::of("/bin/sh").with("PATH", std::env::var("PATH").unwrap()).run(["-c", &recipe]);
    assert_eq!((ran.status, ran.stdout.as_slice()), (Some(0), &b"2\n"[..]), "{ran}");
    assert_eq!(server.command(&[b"EXISTS", b"a b", b"a", b"b"]), redis::Value::Int(1));
    server.command(&[b"SET", b"key", b"1", b"EX", b"100"]);
    server.command(&[b"SET", b"key", b"2"]);
    assert_eq!(server.command(&[b"TTL", b"key"]), redis::Value::Int(-1));
    let cluster = Cluster::start(3, 0);
    let env = Env::new().with("CACHECTL_BACKEND", cluster.url());
    let lines: String = (0..300).map(|at| format!("{{\"key\": \"key{at}\", \"value\": 1}}\n")).collect();
    env.feed(["set", "--yes", "--from", "-"], lines.as_bytes()).ok();
    let node = cluster.nodes[0].port.to_string();
    let ran = Env::of("redis-cli").run(["-p", &node, "-c", "--scan"]);
    let listed = ran.stdout.split(|byte| *byte == b'\n').count() - 1;
    assert!(ran.status == Some(0) && (1..200).contains(&listed), "{ran}");
    assert_eq!(env.ok(["ls"]).lines().count(), 300);
}

/// A promise is shown by a test that is there.
#[test]
fn every_test_that_shows_a_promise_is_there() {
    let table = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let named: Vec<&str> = table.split('`').filter(|word| word.starts_with("tests/")).collect();
    assert!(named.len() > 10, "{named:?}");
    for path in named {
        assert!(root().join(path).exists(), "{path}");
    }
}

#[test]
fn every_room_is_on_the_map() {
    let map = section("The house");
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let slash = if entry.path().is_dir() { "/" } else { "" };
        let room = format!("{}{slash}", entry.file_name().to_str().unwrap());
        assert!(map.contains(&room), "{room} is not on the map");
    }
}
