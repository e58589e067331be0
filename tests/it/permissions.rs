//! The table of permissions: a user with exactly the rules of a row can do what it says, and each rule is of use.

use std::collections::BTreeSet;

use cachectl::cli::Cli;
use cachectl::commands::permissions::{PERMISSIONS, Permission, line};
use clap::CommandFactory as _;
use serde_json::Value;

use crate::env::{Env, Ran};
use crate::server::Server;

/// What needs no server, or nothing of its own.
const NONE: &[&str] = &["decode", "encode", "config", "raw", "help", "completions"];

/// What is run of each row: the first with nothing but what the command needs.
const LINES: &[(&str, &[&str])] = &[
    ("get", &["get s", "get t e h a l z x -o jsonl"]),
    ("set", &["set s 1 -s json://", "set n 6", "-l rtc://shop set k 2 --tag new -s json://"]),
    ("del", &["del s", "del s --dry-run", "del --match t* --yes"]),
    (
        "invalidate",
        &[
            "-l rtc://shop invalidate red",
            "-l rtc://shop invalidate red --dry-run",
            "-l rtc://shop?format=0.10 invalidate red",
        ],
    ),
    ("tags ls", &["-l rtc://shop tags ls"]),
    ("tags check", &["-l rtc://shop tags check k --tag red", "-l rtc://shop tags check k --tag none"]),
    ("tags gc", &["-l rtc://shop tags gc --probable --yes"]),
    ("exists", &["exists s", "exists t h l a z x"]),
    ("ttl", &["ttl s", "ttl t h l a z x"]),
    ("expire", &["expire s --ttl 1h", "expire s --at 2100-01-01T00:00:00Z", "expire t s --ttl never --yes"]),
    ("incr", &["incr n", "incr new --ttl 1h"]),
    ("clear", &["-n s clear --yes", "clear --flush --yes"]),
    ("ls", &["ls", "ls -l"]),
    ("edit", &["edit s -s string://"]),
    ("export", &["export --match s", "export"]),
    ("import", &["import string.jsonl", "import all.jsonl", "import --if-not-exists all.jsonl"]),
    ("copy", &["copy dummy: --match s", "copy dummy:"]),
    ("diff", &["diff dummy: --match s", "diff dummy:"]),
    ("grep", &["grep v --match s", "grep v"]),
    ("inspect", &["inspect s", "inspect h"]),
    ("key", &["key s", "-l rtc://shop key k --tag red"]),
    ("stats", &["stats"]),
    ("stats --keys", &["stats --keys --exact --decode all", "stats --keys --facts length"]),
    ("bench", &["bench --duration 100ms --yes"]),
    ("ping", &["ping"]),
];

/// A server with an entry of each type, where `reset` brings them back.
struct World {
    server: Server,
    owner: Env,
    user: Env,
}

impl World {
    fn new() -> World {
        let server = Server::start(&[]);
        let owner = Env::new().with("CACHECTL_BACKEND", server.url());
        let user = Env::new().with("CACHECTL_BACKEND", server.url().replace("//", "//ann:pw@"));
        let user = user.with("EDITOR", "sed -i s/v/w/").with("PATH", std::env::var_os("PATH").unwrap());
        let world = World { server, owner, user };
        world.reset(&[]);
        for name in ["h", "l", "a", "z", "x"] {
            world.send(&format!("EXPIRE {name} 1000"));
        }
        for (name, pattern) in [("all.jsonl", "*"), ("string.jsonl", "s")] {
            world.user.file(name, world.owner.ok(["export", "--match", pattern]));
        }
        world
    }

    fn send(&self, line: &str) -> redis::Value {
        self.server.command(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>())
    }

    fn reset(&self, rules: &[&str]) {
        for line in [
            "FLUSHALL",
            "SET s v",
            "SET t v EX 1000",
            "SET n 5",
            "HSET h f v",
            "RPUSH l v",
            "SADD a v",
            "ZADD z 1 v",
            "XADD x 1-1 f v",
        ] {
            self.send(line);
        }
        self.server.command(&[b"SET", b"e", b""]);
        let dead = ["-l", "rtc://shop", "set", "dead", "1", "--tag", "old"];
        self.owner.ok(dead);
        self.owner.ok(["-l", "rtc://shop", "invalidate", "old"]);
        self.owner.ok(["-l", "rtc://shop", "set", "k", "1", "--tag", "red"]);
        self.send("ACL LOG RESET");
        self.send(format!("ACL SETUSER ann reset on >pw {}", line(rules, "*")).trim_end());
    }

    fn run(&self, args: &str) -> Ran {
        self.user.run(["-q"].into_iter().chain(args.split(' ')))
    }

    /// What the server has refused the user since.
    fn refused(&self) -> BTreeSet<String> {
        let log = self.send("ACL LOG 1000");
        let entries: Vec<Vec<redis::Value>> = redis::from_redis_value(log).unwrap();
        let text = |value: &redis::Value| redis::from_redis_value::<String>(value.clone()).unwrap_or_default();
        let field = |entry: &[redis::Value], name: &str| {
            entry.chunks(2).find(|pair| text(&pair[0]) == name).map(|pair| text(&pair[1])).unwrap()
        };
        let rule = |entry: &Vec<redis::Value>| match &*field(entry, "reason") {
            "command" => format!("+{}", field(entry, "object")),
            _ => "~".to_owned(),
        };
        entries.iter().map(rule).collect()
    }
}

fn lines(row: &Permission) -> &'static [&'static str] {
    LINES.iter().find(|(command, _)| *command == row.command).unwrap_or_else(|| panic!("{}: no lines", row.command)).1
}

#[test]
fn a_user_with_the_rules_of_a_row_is_refused_nothing() {
    let world = World::new();
    let mut wrong = Vec::new();
    for row in PERMISSIONS {
        for line in lines(row) {
            world.reset(&[row.needs, &more(row)].concat());
            let ran = world.run(line);
            // Of a tag that is not there, no is the answer.
            let (done, refused) = (matches!(ran.status, Some(0 | 1)), world.refused());
            if !done || !refused.is_empty() {
                wrong.push(format!("{}: {refused:?} {ran}", row.command));
            }
        }
        world.reset(row.needs);
        let ran = world.run(lines(row)[0]);
        // What differs is an answer, too.
        if ran.status != Some(i32::from(row.command == "diff")) {
            wrong.push(format!("{} with no more than it needs: {ran}", row.command));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn more(row: &Permission) -> Vec<&'static str> {
    row.more.iter().flat_map(|(rules, _)| *rules).copied().collect()
}

fn without<'a>(rules: &[&'a str], left_out: &str) -> Vec<&'a str> {
    rules.iter().copied().filter(|rule| *rule != left_out).collect()
}

#[test]
fn with_one_rule_less_a_command_is_refused_or_something_is_lost() {
    let world = World::new();
    let mut wrong = Vec::new();
    for row in PERMISSIONS {
        for left_out in row.needs {
            world.reset(&without(row.needs, left_out));
            let ran = world.run(lines(row)[0]);
            if !matches!(ran.status, Some(4 | 5 | 7)) {
                wrong.push(format!("{} without {left_out}: {ran}", row.command));
            }
        }
        for left_out in more(row) {
            let mut refused = BTreeSet::new();
            for line in lines(row) {
                world.reset(&[row.needs, &without(&more(row), left_out)].concat());
                world.run(line);
                refused.extend(world.refused());
            }
            if !refused.contains(left_out) {
                wrong.push(format!("{} never asks for {left_out}, only for {refused:?}", row.command));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_has_a_row_and_the_readme_has_the_table() {
    let named = |name: &str| PERMISSIONS.iter().any(|row| row.command.split(' ').next() == Some(name));
    for command in Cli::command().get_subcommands() {
        let name = command.get_name();
        assert!(named(name) || NONE.contains(&name), "no permissions of {name}");
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let out = Env::new().ok(["-n", "app:", "ping", "--permissions", "-o", "jsonl"]);
    let mut rows = 0;
    for record in out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let text = |name: &str| record[name].as_str().unwrap_or("").replace('|', "\\|");
        let (rules, lost) = (text("rules"), text("lost"));
        let rules = if rules.is_empty() { rules } else { format!("`{rules}`") };
        let row = format!("| `{}` | {rules} | {lost} |", text("command")).replace("|  |", "| |");
        assert!(readme.contains(&row), "not in the README: {row}");
        rows += 1;
    }
    assert_eq!(rows, PERMISSIONS.iter().map(|row| 1 + row.more.len()).sum::<usize>());
    let shown = Env::new().run(["-n", "app:", "ping", "--permissions"]);
    assert!(shown.stderr().contains("raw needs what it sends"), "{shown}");
    assert!(shown.ok().contains("~app:*"));
}
