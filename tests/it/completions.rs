//! Completions, as the shells themselves make them: real ones, with somebody at the keyboard.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cachectl::cli::SHELLS;

use crate::env::Env;
use crate::pty::Terminal;
use crate::server::{Fake, Server};

/// What is told for `line`, the words alone.
fn told(env: &Env, line: &str) -> Vec<String> {
    let words = ["completions", "bash", "--"].into_iter().chain(line.split(' '));
    let lines = env.ok(words);
    lines.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

fn check(env: &Env, line: &str, expected: &[&str]) {
    assert_eq!(told(env, line), expected, "{line}");
}

#[test]
fn what_may_stand_there_is_told() {
    let env = with_profiles(Env::new());
    check(&env, "cachectl in", &["invalidate", "incr", "inspect"]);
    check(&env, "cachectl tags ", &["ls", "check", "gc"]);
    check(&env, "cachectl help tags g", &["gc"]);
    check(&env, "cachectl help l", &["ls", "layouts", "limits"]);
    check(&env, "cachectl get --na", &["--namespace"]);
    check(&env, "cachectl set --n", &["--nx", "--namespace"]);
    check(&env, "cachectl get -o js", &["json", "jsonl"]);
    check(&env, "cachectl get --output=js", &["--output=json", "--output=jsonl"]);
    check(&env, "cachectl -b memcached", &["memcached://", "memcacheds://", "memcached+unix:///"]);
    check(&env, "cachectl get -bdisk", &["-bdisk:///"]);
    check(&env, "cachectl ls --backend=valkeys:", &["--backend=valkeys://"]);
    check(&env, "cachectl -s pickle+z", &["pickle+zlib://", "pickle+zstd://", "pickle+zstandard://"]);
    check(&env, "cachectl -l r", &["redis-tagged-cache://", "rtc://"]);
    check(&env, "cachectl get --max de", &["decoded=", "depth="]);
    check(&env, "cachectl -c p", &["prod"]);
    check(&env, "cachectl @", &["@prod", "@shop-2"]);
    check(&env, "cachectl @prod pi", &["ping"]);
    check(&env, "cachectl completions f", &["fish"]);
    check(&env, "cachectl decode ", &["<files>"]);
    check(&env, "cachectl set --from=", &["--from=<files>"]);
    check(&env, "cachectl set k ", &[]);
    check(&env, "cachectl nothing ", &[]);
    check(&env, "cachectl stats --facts ", &["type", "ttl", "memory", "length", "idle", "none"]);
    assert!(told(&env, "cachectl ").contains(&"get".to_owned()));
    assert_eq!(env.ok(["completions", "zsh", "--", "cachectl", "pin"]).lines().count(), 1);
    let about = env.ok(["completions", "fish", "--", "cachectl", "ge"]);
    assert_eq!(about, "get\tPrint the values of keys\n");
}

fn with_profiles(env: Env) -> Env {
    std::fs::create_dir_all(env.path("config/cachectl")).unwrap();
    env.file("config/cachectl/config.toml", "[profile.prod]\n[profile.shop-2]\n");
    env
}

#[test]
fn keys_are_told_to_who_asks_for_them() {
    let server = Server::start(&[]);
    for key in ["user:1", "user:2", "user:$(reboot)", "user:two words", "user:1,2", "-user:3", "other", "us\u{1b}[2J"] {
        server.command(&[b"SET", key.as_bytes(), b"1"]);
    }
    let line = format!("cachectl -b {} get us", server.url());
    check(&Env::new(), &line, &[]);
    check(&Env::new().with("CACHECTL_COMPLETE_KEYS", "0"), &line, &[]);
    let env = Env::new().with("CACHECTL_COMPLETE_KEYS", "1");
    check(&env, &line, &["user:1", "user:2"]);
    check(&env, &format!("cachectl get --backend {} -q user:1 user:2 o", server.url()), &["other"]);
    check(&env, &format!("cachectl -b {} -n us get er:", server.url()), &["er:1", "er:2"]);
    check(&env, &format!("cachectl -b {} set ot", server.url()), &["other"]);
    for at in 0..300 {
        server.command(&[b"SET", format!("many:{at}").as_bytes(), b"1"]);
    }
    assert_eq!(told(&env, &format!("cachectl -b {} get many", server.url())).len(), 100);
    let env = env.with("CACHECTL_BACKEND", server.url());
    check(&env, "cachectl ttl ot", &["other"]);
}

#[test]
fn who_types_waits_for_no_server_and_is_asked_nothing() {
    let (silent, endless) = (Fake::silent(), Fake::always_scans());
    let free = crate::server::free_port();
    let env = Env::new().with("CACHECTL_COMPLETE_KEYS", "1");
    let program = env.file("program", "#!/bin/sh\ntouch ran\necho x\n");
    Command::new("chmod").arg("+x").arg(&program).status().unwrap();
    std::fs::create_dir(env.path("config/cachectl")).unwrap();
    let url = silent.url().replace("redis://", "redis://user@");
    let words = format!("[profile.p]\nbackend = \"{url}\"\npassword_command = [\"{}\"]\n", program.display());
    env.file("config/cachectl/config.toml", words);
    let refused = format!("redis://127.0.0.1:{free}");
    for backend in [silent.url(), endless.url(), refused, "redis://h:x".to_owned(), "nothing:".to_owned()] {
        let started = Instant::now();
        let ran = env.run(["completions", "bash", "--", "cachectl", "-b", &backend, "get", "us"]);
        assert_eq!((ran.status, ran.stdout.len(), ran.stderr().as_str()), (Some(0), 0, ""), "{ran}");
        assert!(started.elapsed() < Duration::from_secs(5), "{ran}");
    }
    check(&env, "cachectl @p get us", &[]);
    assert!(!env.path("ran").exists());
    check(&env, &format!("cachectl --ask-password -b {url} get us"), &[]);
}

#[test]
fn each_script_is_a_file_of_its_shell() {
    let env = Env::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions");
    let mut files: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for shell in SHELLS {
        let script = std::fs::read_to_string(folder.join(shell.file)).unwrap();
        assert_eq!(env.ok(["completions", shell.name]), script);
        assert!(script.contains(&format!("cachectl completions {}", shell.name)), "{script}");
        files.retain(|file| file != shell.file);
    }
    assert!(files.is_empty(), "no shell has {files:?}");
}

/// Somebody at `shell`, who has sourced what `cachectl` prints for it, types each line and a tab; and then what shows
/// the words that stand there.
fn at_keyboard(shell: &str, arguments: &[&str], setup: &str) {
    let there = Command::new(shell).arg("--version").output();
    assert!(there.is_ok_and(|ran| ran.status.success()), "{shell} is missing: apt-get install {shell}");
    let server = Server::start(&[]);
    server.command(&[b"SET", b"user:42", b"1"]);
    server.command(&[b"SET", b"user:$(reboot)", b"1"]);
    let binaries = Path::new(env!("CARGO_BIN_EXE_cachectl")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    // A shell that reads keys wants the terminal to be its own.
    let env = with_profiles(Env::of("setsid").with("PATH", path).with("CACHECTL_COMPLETE_KEYS", "1"));
    env.file("value.bin", "1");
    let mut terminal = Terminal::start(&env, ["--ctty", "--wait", shell].iter().chain(arguments));
    terminal.type_line(setup);
    let url = server.url();
    for (typed, stands) in [
        ("cachectl inva", "<cachectl><invalidate>"),
        ("cachectl tags g", "<cachectl><tags><gc>"),
        ("cachectl get --names", "<cachectl><get><--namespace>"),
        ("cachectl get --output=pyt", "<cachectl><get><--output=python>"),
        ("cachectl get -o pyt", "<cachectl><get><-o><python>"),
        ("cachectl -b memcacheds", "<cachectl><-b><memcacheds://>"),
        ("cachectl -b valkeys:", "<cachectl><-b><valkeys://>"),
        ("cachectl ls -s pickle+msg", "<cachectl><ls><-s><pickle+msgpack://>"),
        ("cachectl @pr", "<cachectl><@prod>"),
        ("cachectl -c sho", "<cachectl><-c><shop-2>"),
        ("cachectl help lay", "<cachectl><help><layouts>"),
        ("cachectl decode val", "<cachectl><decode><value.bin>"),
        ("cachectl set --from=val", "<cachectl><set><--from=value.bin>"),
        (&format!("cachectl -b {url} get user:4"), &format!("<cachectl><-b><{url}><get><user:42>")),
        (&format!("cachectl -b {url} get us"), &format!("<cachectl><-b><{url}><get><user:42>")),
    ] {
        terminal.type_keys(&format!("{typed}\t"));
        // To the line's begin.
        terminal.type_line("\u{1}printf '<%s>' ");
        terminal.wait_for(stands);
    }
    terminal.type_line("exit");
    terminal.finish();
}

#[test]
fn bash_completes() {
    let setup = "PS1='> '; source <(cachectl completions bash)";
    at_keyboard("bash", &["--norc", "--noprofile", "-i"], setup);
}

#[test]
fn zsh_completes() {
    let setup = "PS1='> '; bindkey -e; autoload -Uz compinit; compinit -u; source <(cachectl completions zsh)";
    at_keyboard("zsh", &["-f", "-i"], setup);
}

/// As it is installed: the file is the function.
#[test]
fn zsh_completes_from_its_path() {
    let setup = "PS1='> '; bindkey -e; mkdir f; cachectl completions zsh > f/_cachectl; fpath=(~/../f $fpath); \
                 autoload -Uz compinit; compinit -u";
    at_keyboard("zsh", &["-f", "-i"], setup);
}

#[test]
fn fish_completes() {
    at_keyboard("fish", &["--no-config", "-i"], "cachectl completions fish | source");
}
