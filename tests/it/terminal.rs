//! What reaches a terminal: nothing from a cache unescaped, and questions that can be answered.

use crate::env::Env;
use crate::pty::{self, Terminal};
use crate::server::Server;

/// Orders to a terminal: title, clear, colour, C1 forms, overwriting, bidi, zero width.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{90}q\r\u{202e}\u{200b}\u{2028}\u{7f}";

fn assert_tame(bytes: &[u8], what: &str) {
    let text = String::from_utf8_lossy(bytes);
    for c in HOSTILE.chars().filter(|c| !c.is_ascii_graphic() && *c != '\r') {
        assert!(!text.contains(c), "{what}: {c:?} in {text:?}");
    }
    assert!(!text.replace("\r\n", "").contains('\r'), "{what}: a bare carriage return in {text:?}");
}

#[test]
fn nothing_from_a_cache_reaches_a_terminal_unescaped() {
    let env = Env::new();
    let key = format!("k{HOSTILE}");
    let json = serde_json::json!({ HOSTILE: [HOSTILE] }).to_string();
    for (serializer, name) in [("json://", "j"), ("pickle://", "p"), ("msgpack://", "m")] {
        let key = format!("{name}{key}");
        env.ok(["set", "-s", serializer, "--tag", HOSTILE, "--", &key, &json]);
        for output in ["text", "json", "plain", "python", "jsonl"] {
            let shown = pty::show(&env, ["get", "--color", "never", "-o", output, "--", &key]);
            assert_eq!(shown.status, Some(0), "{}", String::from_utf8_lossy(&shown.bytes));
            assert_tame(&shown.bytes, output);
        }
        for args in [&["inspect"][..], &["inspect", "-o", "jsonl"], &["ttl"], &["exists"], &["key"]] {
            assert_tame(&pty::show(&env, [args, &["--color", "never", "--", &key]].concat()).bytes, args[0]);
        }
    }
    for args in [&["ls"][..], &["ls", "-l"], &["ls", "-l", "-o", "jsonl"], &["del", "--dry-run", "--match", "*"]] {
        let shown = pty::show(&env, args);
        assert!(shown.bytes.len() > 20);
        assert_tame(&shown.bytes, args[0]);
    }
    env.feed(["set", "text", "-", "-s", "string://", "--string"], HOSTILE.as_bytes()).ok();
    for serializer in ["string://", "noop://", "json://", "pickle://", "msgpack://", "zstd://"] {
        assert_tame(&pty::show(&env, ["get", "--color", "never", "-s", serializer, "text"]).bytes, serializer);
    }
    for args in [["get", HOSTILE], ["del", HOSTILE], ["-b", HOSTILE], ["-s", HOSTILE]] {
        assert_tame(&pty::show(&env, [&args[..], &["key", "x"]].concat()).bytes, args[0]);
    }
}

#[test]
fn nothing_from_a_server_reaches_a_terminal_unescaped() {
    let server = Server::start(&[]);
    let env = Env::new().with("CACHECTL_BACKEND", server.url());
    let list = "return {ARGV[1], redis.status_reply(ARGV[1]), redis.status_reply('a' .. ARGV[1]), \
                redis.error_reply('E ' .. ARGV[1])}";
    for output in ["text", "json", "plain", "python", "jsonl"] {
        for script in [list, "return ARGV[1]", "return redis.error_reply('E ' .. ARGV[1])"] {
            let shown = pty::show(&env, ["--color", "never", "-o", output, "raw", "EVAL", script, "0", HOSTILE]);
            assert!(shown.bytes.len() > HOSTILE.len(), "{output}: {script}");
            assert_tame(&shown.bytes, output);
        }
    }
    assert_tame(&pty::show(&env, ["raw", HOSTILE]).bytes, "the name of a command");
}

#[test]
fn raw_bytes_are_refused_by_a_terminal() {
    let env = Env::new();
    env.ok(["set", "k", "1"]);
    let shown = pty::show(&env, ["get", "k", "-o", "raw"]);
    assert_eq!(shown.status, Some(2));
    let shown = pty::show(&env, ["encode", "-s", "pickle://", "1"]);
    assert_eq!(shown.status, Some(2));
}

#[test]
fn colours_are_for_terminals() {
    let env = Env::new();
    env.ok(["set", "k", r#"{"a": [1, "x", null]}"#]);
    assert!(pty::show(&env, ["get", "k"]).bytes.contains(&0x1b));
    assert!(!pty::show(&env, ["get", "k", "--color", "never"]).bytes.contains(&0x1b));
    assert!(!pty::show(&Env::new().with("NO_COLOR", "1"), ["encode", "[1]"]).bytes.contains(&0x1b));
    assert!(!env.ok(["get", "k"]).contains('\u{1b}'));
    assert!(env.ok(["get", "k", "--color", "always"]).contains('\u{1b}'));
}

#[test]
fn a_question_is_answered_on_the_terminal() {
    let env = Env::new();
    for key in ["a1", "a2", "b"] {
        env.ok(["set", key, "1"]);
    }
    for (answer, status, left) in [("n", 6, 3), ("", 6, 3), ("y", 0, 1)] {
        let mut terminal = Terminal::start(&env, ["del", "--match", "a*"]);
        terminal.wait_for("[y/N]");
        terminal.type_line(answer);
        assert_eq!(terminal.finish().status, Some(status), "{answer:?}");
        assert_eq!(env.ok(["ls"]).lines().count(), left, "{answer:?}");
    }
}
