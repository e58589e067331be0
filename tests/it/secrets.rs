//! Secrets: from where a password comes, and that it comes out nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;

use crate::env::{Env, Ran};
use crate::guards::LINES;
use crate::pty::Terminal;
use crate::server::{Certificates, Fake, Memcached, Server};

/// The password, with what a URL must escape.
const SECRET: &str = "s3cr3t@pw";

/// The password as it stands in a URL.
const ESCAPED: &str = "s3cr3t%40pw";

/// What must be nowhere: a part of it is too much.
fn leaks(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let base64 = |text: &str| base64::prelude::BASE64_STANDARD.encode(text);
    // Of a longer text before the secret, base64 has one of three beginnings.
    let encoded =
        ["", "x", "xx"].map(|before| base64(&format!("{before}{SECRET}"))[4 * before.len().min(1)..10].to_owned());
    let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    ["s3cr3t", "t@pw", "t%40pw", &percent, &hex].iter().any(|part| text.contains(*part))
        || encoded.iter().any(|part| text.contains(part))
}

fn assert_silent(ran: &Ran) {
    assert!(!leaks(&ran.stdout) && !leaks(&ran.stderr), "the password is in what it wrote: {ran}");
    assert_ne!(ran.status, Some(70), "{ran}");
}

/// All files below `directory`.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let (inner, files): (Vec<_>, Vec<_>) =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).partition(|path| path.is_dir());
    files.into_iter().chain(inner.iter().flat_map(|path| self::files(path))).collect()
}

/// A world with a profile `p` of these lines, in a file that only its owner reads.
fn profile(lines: &str) -> Env {
    let env = Env::new();
    fs::create_dir_all(env.path("config/cachectl")).unwrap();
    let file = env.file("config/cachectl/config.toml", format!("[profile.p]\n{lines}\n"));
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    env
}

fn private(env: &Env, name: &str, content: &[u8]) -> String {
    let path = env.file(name, content);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn guarded() -> Server {
    Server::start(&["--requirepass", SECRET])
}

#[test]
fn what_is_looked_for_would_be_found() {
    let base64 = |text: &str| base64::prelude::BASE64_STANDARD.encode(text);
    for text in [SECRET, ESCAPED, "as3cr3t", "%73%33%63%72%33%74%40%70%77"] {
        assert!(leaks(text.as_bytes()), "{text}");
    }
    for before in ["", "a", "ab", "abc", "user:", "default "] {
        assert!(leaks(base64(&format!("{before}{SECRET}")).as_bytes()), "{before}");
    }
    assert!(!leaks(b"redis://u:***@h cannot log in"));
}

/// Every command against every failure, the password in the URL or in the environment.
#[test]
fn no_command_tells_a_password_whatever_fails() {
    let certificates = Certificates::new();
    let ca = certificates.file("ca.pem").display().to_string();
    let (server, other) = (guarded(), Server::start(&["--requirepass", "another"]));
    let tls = Server::start_tls(&certificates, "stranger", &["--tls-auth-clients", "no", "--requirepass", SECRET]);
    let http = Fake::always_says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let silent = Fake::silent();
    let echo = Fake::answers(|command, _| {
        let words = command.replace("\r\n", " ");
        format!("-ERR unknown command, with args beginning with: {words}\r\n").into_bytes()
    });
    let parrot = Fake::answers(|command, _| format!("-WRONGPASS {}\r\n", command.replace("\r\n", " ")).into_bytes());
    let memcached = Memcached::start_guarded();
    let ports = [1, other.port, http.port, silent.port, echo.port, parrot.port, server.port];
    let mut places: Vec<String> = ports.iter().map(|port| format!("redis://USER@127.0.0.1:{port}/0")).collect();
    places.extend([
        format!("rediss://USER@localhost:{}/0", tls.port),
        format!("rediss://USER@localhost:{}/0", server.port),
        format!("redis://USER@127.0.0.1:{}/99", server.port),
        format!("redis://bob@127.0.0.1:{}/0?protocol=3", server.port),
        format!("memcached://ada@127.0.0.1:{}", memcached.port),
        format!("memcached://eve@127.0.0.1:{}", memcached.port),
        "redis://USER@127.0.0.1/x".to_owned(),
        "redis://USER@127.0.0.1:x".to_owned(),
        "reds://USER@127.0.0.1".to_owned(),
        "redis://USER@127.0.0.1/?nonsense=1".to_owned(),
    ]);
    for place in &places {
        let in_url = place.replace("USER@", &format!(":{ESCAPED}@")).replace("bob@", &format!("bob:{ESCAPED}@"));
        let in_url = in_url.replace("ada@", &format!("ada:{ESCAPED}@")).replace("eve@", &format!("eve:{ESCAPED}@"));
        let bare = place.replace("USER@", "");
        for (at, (line, _)) in LINES.iter().enumerate() {
            // Each command once with the one and once with the other, over all the places.
            let (env, args) = match at % 2 == place.len() % 2 {
                true => (Env::new(), vec!["-b", &in_url]),
                false => (Env::new().with("CACHECTL_PASSWORD", SECRET), vec!["-b", &bare]),
            };
            env.file("lines.jsonl", "{\"key\": \"k\", \"value\": 1}\n");
            let options = ["--timeout", "150ms", "--tls-ca", &ca];
            let ran = env.run([&args[..], &options, &line.split(' ').collect::<Vec<_>>()].concat());
            assert_silent(&ran);
            for file in files(env.dir()) {
                assert!(!leaks(&fs::read(&file).unwrap()), "{}: {ran}", file.display());
            }
        }
    }
}

#[test]
fn no_slip_on_the_command_line_repeats_a_password() {
    let env = Env::new();
    let url = format!("redis://u:{ESCAPED}@127.0.0.1:1/0");
    for args in [
        vec![url.as_str(), "get", "k"],
        vec!["get", "k", "--nonsense", &url],
        vec!["get", "k", "--nonsense", "-b", &url],
        vec!["-b", &url, "gte", "k"],
        vec!["-b", &url, "-b", &url, "get", "k"],
        vec!["-b", &url, "get"],
        vec!["-b", &url, "set", "k", "[1"],
        vec!["-b", &url, "-s", "pickel://", "get", "k"],
        vec!["-b", &url, "-l", "plane:", "get", "k"],
        vec!["-b", &url, "-o", "csv", "get", "k"],
        vec!["-b", &url, "--timeout", "x", "get", "k"],
        vec!["-c", "nope", "-b", &url, "get", "k"],
        vec!["-s", &url, "get", "k"],
        vec!["-l", &url, "get", "k"],
        vec!["-o", &url, "get", "k"],
        vec!["--max", &url, "get", "k"],
        vec!["--timeout", &url, "get", "k"],
        vec!["-c", &url, "get", "k"],
        vec!["--color", &url, "get", "k"],
        vec!["--tls-ca", &url, "-b", "rediss://127.0.0.1:1", "get", "k"],
        vec!["--password-file", &url, "-b", "redis://127.0.0.1:1", "get", "k"],
        vec!["bench", "--mix", &url],
        vec!["expire", "k", "--ttl", &url],
    ] {
        let ran = env.run(&args);
        assert!(!matches!(ran.status, Some(0 | 1)), "{ran}");
        assert_silent(&ran);
        let env = Env::new().with("CACHECTL_BACKEND", &url).with("CACHECTL_PASSWORD", SECRET);
        assert_silent(&env.run(&args));
    }
    for args in [["config", "show"], ["config", "check"]] {
        for output in ["text", "json"] {
            let env = profile(&format!("backend = 'redis://u:{ESCAPED}@h'")).with("CACHECTL_PASSWORD", SECRET);
            let ran = env.run([&["@p", "-o", output], &args[..]].concat());
            assert_eq!(ran.status, Some(0), "{ran}");
            assert_silent(&ran);
        }
    }
    let env = profile(&format!("password_command = ['printf', '{SECRET}']"));
    assert_silent(&env.run(["@p", "config", "show"]));
}

#[test]
fn a_value_that_cannot_be_read_tells_no_password() {
    let server = guarded();
    let env = Env::new().with("CACHECTL_BACKEND", server.url()).with("CACHECTL_PASSWORD", SECRET);
    env.ok(["raw", "SET", "k", "\u{80}garbage"]);
    for line in ["get k -s pickle://", "inspect k -s zstd://", "incr k", "get k -s json:// --max stored=2"] {
        let ran = env.run(line.split(' '));
        assert!(matches!(ran.status, Some(2 | 3)), "{ran}");
        assert_silent(&ran);
    }
    for args in [&["stats", "-o", "json"][..], &["bench", "--requests", "9", "--yes", "-o", "json"], &["ping"]] {
        let ran = env.run(args);
        assert_eq!(ran.status, Some(0), "{ran}");
        assert_silent(&ran);
    }
}

#[test]
fn a_password_in_an_argument_works_and_is_warned_of_once() {
    let server = guarded();
    let with_password = format!("redis://:{ESCAPED}@127.0.0.1:{}/0", server.port);
    let env = Env::new();
    for line in ["exists k", "stats", "bench --requests 9", "ping"] {
        let ran = env.run([&["-b", &with_password], &line.split(' ').collect::<Vec<_>>()[..]].concat());
        assert!(matches!(ran.status, Some(0 | 1)), "{ran}");
        assert_eq!(ran.stderr().matches("in the list of processes").count(), 1, "{ran}");
        let ran = env.run([&["-q", "-b", &with_password], &line.split(' ').collect::<Vec<_>>()[..]].concat());
        assert!(!ran.stderr().contains("warning"), "{ran}");
    }
    let env = env.with("CACHECTL_BACKEND", with_password);
    assert_eq!(env.ok(["set", "k", "1", "-q"]), "");
    assert!(!env.run(["get", "k"]).stderr().contains("processes"));
}

#[test]
fn the_environment_and_files_and_programs_have_passwords() {
    let (server, memcached) = (guarded(), Memcached::start_guarded());
    let ping = |env: &Env, args: &[&str]| env.run([args, &["ping"]].concat());
    let env = Env::new().with("CACHECTL_PASSWORD", SECRET);
    for url in [server.url(), format!("redis://default@127.0.0.1:{}", server.port), server.unix_url()] {
        assert_eq!(ping(&env, &["-b", &url]).status, Some(0), "{url}");
    }
    let url = format!("memcached://ada@127.0.0.1:{}", memcached.port);
    assert_eq!(ping(&env, &["-b", &url]).status, Some(0));
    // A memcached that has no users is not asked to know one.
    assert_eq!(ping(&env, &["-b", &Memcached::start(&[]).url()]).status, Some(0));
    let url = server.url();
    // What stands in the URL is meant.
    let told = env.fails(["-b", &url.replace("127", ":wrong@127"), "get", "k"], 4);
    assert!(told.contains("WRONGPASS"), "{told}");
    let env = Env::new();
    for (content, status, says) in [
        (SECRET.to_owned(), 0, ""),
        (format!("{SECRET}\n"), 0, ""),
        (format!("{SECRET}\r\n"), 0, ""),
        (format!("{SECRET}\n\n"), 4, "more than one line"),
        (format!("{SECRET}\nuser: x\n"), 4, "more than one line"),
        (format!("{SECRET} "), 4, "WRONGPASS"),
        (String::new(), 4, "empty"),
        ("\n".to_owned(), 4, "empty"),
    ] {
        let file = private(&env, "pw", content.as_bytes());
        let ran = ping(&env, &["-b", &url, "--password-file", &file]);
        assert!(ran.status == Some(status) && ran.stderr().contains(says), "{content:?}: {ran}");
        assert_silent(&ran);
    }
    let file = private(&env, "pw", b"\xff");
    assert!(ping(&env, &["-b", &url, "--password-file", &file]).stderr().contains("not UTF-8"));
    private(&env, "pw", SECRET.as_bytes());
    for mode in [0o640, 0o604, 0o660, 0o602, 0o610] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let told = env.fails(["-b", &url, "--password-file", &file, "ping"], 6);
        assert!(told.contains(&format!("(mode 0{mode:o}): chmod 600 {file}")), "{told}");
    }
    for (name, says) in [("/no/such", "cannot open /no/such"), ("/", "is no file")] {
        let told = env.fails(["-b", &url, "--password-file", name, "ping"], 4);
        assert!(told.contains(says) && told.contains("--password-file"), "{told}");
    }
    // A store is no server, and has nobody to log in to.
    assert_eq!(env.run(["--password-file", "/no/such", "-b", "memory:", "get", "k"]).status, Some(1));
}

#[test]
fn a_program_prints_a_password_without_a_shell_and_in_time() {
    let server = guarded();
    let url = server.url();
    let run = |command: &str| {
        let lines = format!("backend = '{url}'\npassword_timeout = '400ms'\npassword_command = {command}");
        let env = profile(&lines).with("CACHECTL_SERIALIZER", "json://");
        private(&env, "pw", SECRET.as_bytes());
        let ran = env.run(["@p", "ping"]);
        assert_silent(&ran);
        assert!(!env.path("touched").exists(), "a shell ran: {ran}");
        ran
    };
    for (command, status, says) in [
        (format!("['printf', '{SECRET}']"), 0, ""),
        (format!("['echo', '{SECRET}']"), 0, ""),
        ("['cat', 'pw']".to_owned(), 0, ""),
        ("['echo', '$(touch touched; cat pw)']".to_owned(), 4, "WRONGPASS"),
        ("['echo; touch touched']".to_owned(), 4, "cannot run"),
        ("['no-such-program']".to_owned(), 4, "cannot run `no-such-program`"),
        ("['false']".to_owned(), 4, "`false` failed: exit status: 1"),
        (format!("['sh', '-c', 'echo {SECRET}; exit 3']"), 4, "failed: exit status: 3"),
        ("['true']".to_owned(), 4, "empty"),
        ("['sleep', '60']".to_owned(), 4, "not done after 400ms (`password_timeout` allows more)"),
        ("['sh', '-c', 'exec 2>&-; echo x; exec >&-; sleep 5']".to_owned(), 4, "not done after 400ms"),
        ("['sh', '-c', 'exec 2>&-; sleep 5 & echo x']".to_owned(), 4, "not done after 400ms"),
        ("['yes']".to_owned(), 4, "`yes`"),
        ("['cat']".to_owned(), 4, "empty"),
    ] {
        let started = Instant::now();
        let ran = run(&command);
        assert!(ran.status == Some(status) && ran.stderr().contains(says), "{command}: {ran}");
        assert!(started.elapsed() < Duration::from_secs(10), "{command}: {ran}");
    }
    // It gets none of the secrets that are here, and is not run where no password is wanted.
    let env = profile("backend = 'redis://127.0.0.1:1'\npassword_command = ['sh', '-c', 'env > seen; echo x']");
    let env = env.with("CACHECTL_NAMESPACE", "ns");
    env.fails(["@p", "get", "k"], 5);
    let seen = fs::read_to_string(env.path("seen")).unwrap();
    assert!(seen.contains("CACHECTL_NAMESPACE=ns") && !seen.contains("CACHECTL_BACKEND"), "{seen}");
    fs::remove_file(env.path("seen")).unwrap();
    for line in ["decode", "key k", "config show", "-b memory: get k"] {
        let _ = env.run([&["@p"], &line.split(' ').collect::<Vec<_>>()[..]].concat());
        assert!(!env.path("seen").exists(), "{line}");
    }
}

#[test]
fn the_environments_password_does_not_go_where_a_checkout_says() {
    let spy = Fake::answers(|_, _| b"+OK\r\n".to_vec());
    let env = Env::new().with("CACHECTL_PASSWORD", SECRET);
    env.file(".cachectl.toml", format!("default = 'p'\n[profile.p]\nbackend = '{}'\n", spy.url()));
    let told = env.fails(["get", "k"], 6);
    assert!(told.contains("CACHECTL_PASSWORD is not sent to") && told.contains(".cachectl.toml:3"), "{told}");
    assert_ne!(env.run(["-b", &spy.url(), "raw", "PING"]).status, Some(6));
    env.file(".cachectl.toml", "default = 'p'\n[profile.p]\nbackend = 'memory:'\n");
    assert_eq!(env.run(["get", "k"]).status, Some(1));
}

#[test]
fn a_terminal_asks_and_does_not_show_the_answer() {
    let server = guarded();
    let url = server.url();
    let env = Env::new();
    let ask = |keys: &str| {
        let mut terminal = Terminal::start(&env, ["-b", &url, "--ask-password", "exists", "k"]);
        terminal.wait_for(&format!("password for {url}: "));
        terminal.type_line(keys);
        terminal.finish()
    };
    for (keys, status) in [
        (SECRET, 1),
        ("wrong", 4),
        ("s3cr3t@pwx\x7f", 1),
        ("s3cr3t@pw\u{e9}\x08", 1),
        ("nonsense\x15s3cr3t@pw", 1),
        ("", 4),
        ("s3cr3t\x03", 130),
        ("\x04", 130),
    ] {
        let shown = ask(keys);
        assert_eq!(shown.status, Some(status), "{keys:?}: {}", shown.text());
        assert!(!leaks(&shown.bytes) && !shown.text().contains("wrong\n"), "{}", shown.text());
    }
    // Without any terminal nobody is asked.
    let alone = Env::of("setsid");
    let program = env!("CARGO_BIN_EXE_cachectl");
    let told = alone.fails(["--wait", program, "-b", &url, "--ask-password", "get", "k"], 4);
    assert!(told.contains("there is no terminal to ask on: name a file with --password-file"), "{told}");
    let env = profile(&format!("backend = '{url}'\nask_password = true"));
    let mut terminal = Terminal::start(&env, ["@p", "set", "k", "1"]);
    terminal.wait_for("password for");
    terminal.type_line(SECRET);
    assert_eq!(terminal.finish().status, Some(0));
    // The question is put once, however often the password is needed.
    let mut terminal = Terminal::start(&env, ["@p", "bench", "--requests", "9", "--yes"]);
    terminal.wait_for("password for");
    terminal.type_line(SECRET);
    let shown = terminal.finish();
    assert!(shown.status == Some(0) && shown.text().matches("password for").count() == 1, "{}", shown.text());
}
