//! The README says what the tables in the code say: the lists in it are the ones that go stale first.

use std::fs;
use std::path::Path;

use cachectl::backend::BACKENDS;
use cachectl::cli::definition;
use cachectl::codec::LAYERS;
use cachectl::config::KEYS;
use cachectl::layout::LAYOUTS;
use cachectl::limits::{LIMITS, Limits};

use crate::env::ttl_as_given;
use crate::examples::World;
use crate::python;

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

/// The examples, run as they are written on servers of their own: only the port 6379 and the directory /var/cache/shop
/// are others. Each command prints what stands below it, on both streams together.
#[test]
fn every_example_does_what_it_says() {
    let section = section("Libraries");
    assert!(section.contains(&format!("`export {BACKEND}`")));
    let examples: Vec<&str> = section.split("\n**").skip(1).collect();
    for example in &examples {
        let world = World::new();
        let ([program], [session]) = (&blocks(example, "python")[..], &blocks(example, "console")[..]) else {
            panic!("one program and one session: {example}")
        };
        python::run(&world.here(program), &[]);
        let steps = session.split("$ ").skip(1).map(|step| step.split_once('\n').unwrap());
        for (command, expected) in steps {
            let ran = world.run(&format!("export {BACKEND}; {command} 2>&1"));
            assert_eq!(ttl_as_given(std::str::from_utf8(&ran.stdout).unwrap()), world.here(expected), "{ran}");
        }
    }
    assert_eq!(examples.len(), 5);
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
