//! Guards: a profile that is read-only or protected holds whatever the command is.

use std::collections::BTreeSet;

use cachectl::cli::Cli;
use clap::CommandFactory as _;

use crate::env::Env;
use crate::pty::Terminal;
use crate::server::Server;

/// What a command line does to entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Nothing, and it needs no backend.
    Nothing,
    /// It looks.
    Reads,
    /// It changes one entry.
    Writes,
    /// It changes many, or deletes.
    Destroys,
}
use Does::{Destroys, Nothing, Reads, Writes};

/// Each command in each of the ways that differ. A command that is not here fails the test below.
pub const LINES: &[(&str, Does)] = &[
    ("get k", Reads),
    ("set k 1", Writes),
    ("set k 1 --ttl 1h --if-exists", Writes),
    ("set --from lines.jsonl", Destroys),
    ("edit k", Writes),
    ("del k", Destroys),
    ("del k --dry-run", Reads),
    ("del --match k*", Destroys),
    ("del --match k* --dry-run", Reads),
    ("invalidate t", Destroys),
    ("invalidate t --dry-run", Reads),
    ("invalidate --all", Destroys),
    ("tags ls", Reads),
    ("tags check k --tag t", Reads),
    ("tags gc", Destroys),
    ("tags gc --dry-run", Reads),
    ("exists k", Reads),
    ("ttl k", Reads),
    ("expire k --ttl 1h", Writes),
    ("expire k l --ttl 1h", Destroys),
    ("expire k --ttl 1h --dry-run", Reads),
    ("expire --match k* --ttl 1h", Destroys),
    ("export", Reads),
    ("import lines.jsonl", Destroys),
    ("import lines.jsonl --dry-run", Reads),
    ("copy dummy:", Reads),
    ("diff dummy:", Reads),
    ("grep x", Reads),
    ("incr n", Writes),
    ("clear", Destroys),
    ("clear --dry-run", Reads),
    ("stats", Reads),
    ("stats --keys", Reads),
    ("bench --requests 10 --clients 1", Destroys),
    ("bench compare a.json b.json", Nothing),
    ("ls", Reads),
    ("ls -l", Reads),
    ("inspect k", Reads),
    ("key k", Nothing),
    ("ping", Reads),
    ("raw get k", Reads),
    ("raw OBJECT encoding k", Reads),
    ("raw SET k 1", Destroys),
    ("raw CONFIG get maxmemory", Reads),
    ("raw CONFIG SET maxmemory 0", Destroys),
    ("raw NOSUCH", Destroys),
    ("raw -- del k", Destroys),
    ("decode", Nothing),
    ("encode 1", Nothing),
    ("config show", Nothing),
    ("config check", Nothing),
    ("completions bash", Nothing),
    ("help get", Nothing),
];

/// A world with a profile `p` that has `guard`, and the files that the lines name.
fn guarded(guard: &str, url: &str) -> Env {
    let env = Env::new();
    std::fs::create_dir_all(env.path("config/cachectl")).unwrap();
    let text = format!("[profile.p]\nbackend = '{url}'\nlayout = 'rtc://n'\n{guard} = true\n");
    env.file("config/cachectl/config.toml", text);
    env.file("lines.jsonl", "");
    env
}

/// Nobody listens there: what gets so far ends with status 5.
const CLOSED: &str = "redis://127.0.0.1:1/0";

fn words<'a>(profile: &'a str, line: &'a str) -> Vec<&'a str> {
    std::iter::once(profile).chain(line.split(' ')).collect()
}

/// The line with more options, which stand before what `raw` sends.
fn with(line: &str, option: &str) -> String {
    match line.strip_prefix("raw ") {
        Some(rest) => format!("raw {option} {rest}"),
        None => format!("{line} {option}"),
    }
}

#[test]
fn every_command_is_in_the_list() {
    let mut listed: BTreeSet<String> = BTreeSet::new();
    let cli = Cli::command();
    for (line, _) in LINES {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let command = cli.find_subcommand(name).unwrap_or_else(|| panic!("no command {name}"));
        let second = words.next().filter(|word| command.find_subcommand(word).is_some());
        listed.insert([Some(name), second].into_iter().flatten().collect::<Vec<_>>().join(" "));
    }
    for command in cli.get_subcommands() {
        let name = command.get_name();
        if !command.is_subcommand_required_set() {
            assert!(listed.contains(name), "what does `{name}` do to entries? say it in LINES");
        }
        for inner in command.get_subcommands() {
            let name = format!("{name} {}", inner.get_name());
            assert!(listed.contains(&name), "what does `{name}` do to entries? say it in LINES");
        }
    }
}

#[test]
fn a_read_only_profile_refuses_what_writes_before_it_connects() {
    let env = guarded("read_only", CLOSED);
    for (line, does) in LINES {
        for line in [(*line).to_owned(), with(line, "--yes"), with(line, "--yes=p")] {
            let ran = env.run(words("@p", &line));
            match does {
                Writes | Destroys if line.contains("--yes") && ran.status == Some(2) => {
                    assert_eq!(*does, Writes, "it takes no --yes: {ran}");
                }
                Writes | Destroys => {
                    assert_eq!(ran.status, Some(6), "{ran}");
                    assert!(ran.stdout.is_empty() && ran.stderr().contains("profile `p` is read-only ("), "{ran}");
                }
                Reads if line.contains("--yes") => assert_ne!(ran.status, Some(6), "{ran}"),
                Reads => assert_eq!(ran.status, Some(5), "{ran}"),
                Nothing => assert_ne!(ran.status, Some(6), "{ran}"),
            }
        }
    }
    // Whatever else names the backend: the profile is what was chosen.
    assert!(env.fails(["@p", "-b", "memory:", "set", "k", "1"], 6).contains("read-only"));
    assert_eq!(env.run(["-b", "memory:", "set", "k", "1"]).status, Some(0));
}

#[test]
fn a_protected_profile_wants_its_name_for_what_cannot_be_undone() {
    let env = guarded("protected", CLOSED);
    for (line, does) in LINES.iter().filter(|(_, does)| *does != Nothing) {
        let ran = env.run(words("@p", line));
        if *does != Destroys {
            assert_eq!(ran.status, Some(5), "{ran}");
            continue;
        }
        assert_eq!(ran.status, Some(6), "{ran}");
        assert!(ran.stderr().contains("--yes=p"), "{ran}");
        for (option, status) in [("--yes", 6), ("-y", 6), ("--yes=", 6), ("--yes=q", 6), ("--yes=P", 6), ("--yes=p", 5)]
        {
            let ran = env.run(words("@p", &with(line, option)));
            assert_eq!(ran.status, Some(status), "{ran}");
            assert!(ran.stdout.is_empty(), "{ran}");
        }
    }
}

#[test]
fn a_person_types_the_name() {
    let server = Server::start(&[]);
    let env = guarded("protected", &server.url());
    server.command(&[b"SET", b"k", b"1"]);
    let typed = |name: &str| {
        let mut terminal = Terminal::start(&env, ["@p", "-l", "plain:", "del", "k"]);
        terminal.wait_for("type the profile's name to go on: ");
        terminal.type_line(name);
        terminal.finish()
    };
    for wrong in ["q", "", "y", "yes", "P"] {
        let shown = typed(wrong);
        assert!(shown.status == Some(6) && shown.text().contains("nothing was sent"), "{}", shown.text());
        assert_eq!(server.command(&[b"EXISTS", b"k"]), redis::Value::Int(1));
    }
    let shown = typed("p");
    assert_eq!((shown.status, server.command(&[b"EXISTS", b"k"])), (Some(0), redis::Value::Int(0)), "{}", shown.text());
    // A question of the command's own still comes, and shows what would go.
    server.command(&[b"SET", b"k", b"1"]);
    let mut terminal = Terminal::start(&env, ["@p", "-l", "plain:", "del", "--match", "*"]);
    terminal.wait_for("to go on: ");
    terminal.type_line("p");
    terminal.wait_for("delete 1 key matching `*`");
    terminal.type_line("n");
    assert_eq!((terminal.finish().status, server.command(&[b"EXISTS", b"k"])), (Some(6), redis::Value::Int(1)));
    assert_eq!(env.run(["@p", "-l", "plain:", "del", "--match", "*", "--yes=p"]).status, Some(0));
    assert_eq!(server.command(&[b"EXISTS", b"k"]), redis::Value::Int(0));
}

/// The names that the server gives to all commands of a category: `config|set` of a subcommand.
fn category(server: &Server, name: &str) -> Vec<String> {
    let reply = server.command(&[b"COMMAND", b"LIST", b"FILTERBY", b"ACLCAT", name.as_bytes()]);
    redis::from_redis_value(reply).unwrap()
}

#[test]
fn what_is_said_to_read_sends_nothing_that_writes() {
    let server = Server::start(&[]);
    let env = guarded("read_only", &server.url());
    let writes = category(&server, "write");
    assert!(writes.len() > 50, "{writes:?}");
    for key in ["k", "l", "rtc:x"] {
        server.command(&[b"SET", key.as_bytes(), b"1"]);
    }
    server.command(&[b"CONFIG", b"RESETSTAT"]);
    for layout in ["rtc://n", "plain:", "aiocache://n"] {
        for (line, _) in LINES.iter().filter(|(_, does)| *does == Reads) {
            let ran = env.run([vec!["@p", "-l", layout], line.split(' ').collect()].concat());
            assert!(!matches!(ran.status, Some(4 | 5 | 70)) && !ran.stderr().contains("read-only"), "{ran}");
        }
    }
    let called = server.info("commandstats");
    assert!(called.contains("cmdstat_scan:"), "{called}");
    for write in writes {
        assert!(!called.contains(&format!("cmdstat_{write}:")), "{write} was sent: {called}");
    }
}

#[test]
fn raw_knows_what_reads_and_lets_nothing_else_through() {
    let server = Server::start(&[]);
    let env = guarded("read_only", &server.url());
    let send = |name: &str| {
        let words = name.split('|').collect::<Vec<_>>();
        env.run([&["@p", "raw"], &words[..]].concat())
    };
    let dangerous = category(&server, "dangerous").into_iter().chain(category(&server, "admin"));
    let scripts = category(&server, "scripting");
    let writes = category(&server, "write").into_iter().chain(dangerous).chain(scripts);
    let mut refused = 0;
    for name in writes.collect::<BTreeSet<_>>() {
        // What the server calls dangerous and changes nothing.
        let harmless =
            ["info", "keys", "role", "sort_ro", "lastsave", "config|get", "acl|list", "acl|users", "acl|getuser"];
        let harmless = harmless.contains(&name.as_str())
            || ["client|list", "acl|dryrun", "eval_ro", "evalsha_ro", "fcall_ro", "script|exists"].contains(&&*name)
            || ["function|dump", "function|list", "function|stats", "module|list"].contains(&&*name)
            || ["latency|", "slowlog|get", "slowlog|len", "cluster|"].iter().any(|start| name.starts_with(start))
                && !["latency|reset", "latency|help"].contains(&&*name);
        if !harmless {
            refused += 1;
            let ran = send(&name);
            assert!(ran.status == Some(6) && ran.stderr().contains("read-only"), "{name}: {ran}");
        }
    }
    assert!(refused > 100, "{refused}");
    for name in category(&server, "read") {
        // `may replicate` is what the server says of it.
        if !["pfcount", "sort_ro", "touch"].contains(&&*name) {
            assert_ne!(send(&name).status, Some(6), "{name}");
        }
    }
    for cluster in ["RESET", "FAILOVER", "FORGET", "ADDSLOTS", "DELSLOTS", "SETSLOT", "MEET", "BUMPEPOCH"] {
        assert_eq!(send(&format!("CLUSTER|{cluster}")).status, Some(6), "{cluster}");
    }
}
