//! `edit`, with editors that are shell scripts: `$1` is the file.

use std::fs;
use std::path::PathBuf;

use crate::env::{Env, Ran, ttl_as_given};
use crate::pty::Terminal;
use crate::server::{Memcached, Server};

/// A place whose editor runs [`edits`], and that has its files of its own.
fn place() -> Env {
    let env = Env::new();
    let tmp = env.path("tmp");
    fs::create_dir(&tmp).unwrap();
    let editor = env.path("editor");
    env.with("TMPDIR", tmp)
        .with("EDITOR", format!("sh '{}'", editor.display()))
        .with("CLI", env!("CARGO_BIN_EXE_cachectl"))
}

fn on(url: &str) -> Env {
    place().with("CACHECTL_BACKEND", url)
}

/// Runs a line of arguments with an editor that is `script`.
fn edits(env: &Env, script: &str, line: &str) -> Ran {
    env.file("editor", script);
    env.run(line.split(' '))
}

/// The files that were kept.
fn kept(env: &Env) -> Vec<PathBuf> {
    let directories = fs::read_dir(env.path("tmp")).unwrap().map(|entry| entry.unwrap().path());
    directories.flat_map(|directory| fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path())).collect()
}

/// The one file that was kept, which the message names; it is removed.
fn taken(env: &Env, ran: &Ran) -> String {
    let files = kept(env);
    let [file] = &files[..] else { panic!("{files:?} {ran}") };
    assert!(ran.stderr().contains(&format!("what you wrote is in {}\n", file.display())), "{ran}");
    let text = fs::read_to_string(file).unwrap();
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    text
}

#[test]
fn what_is_saved_is_stored_in_the_form_that_the_entry_has() {
    let (server, memcached) = (Server::start(&[]), Memcached::start(&[]));
    for env in [on(&server.url()), on(&memcached.url()), place()] {
        for (serializer, value, script, after) in [
            ("json://", r#"{"a": [1, 2.5, "é"]}"#, "s/2.5/3.0/", "{'a': [1, 3.0, 'é']}\n"),
            (
                "pickle+zstd://?pickle-protocol=2",
                r#"{"$tuple": [1, {"$bytes": "/w=="}]}"#,
                "s/1/-1/",
                "(-1, b'\\xff')\n",
            ),
            (
                "pickle://",
                r#"{"$datetime": "2026-12-01T12:00:00"}"#,
                "s/2026/2027/",
                "datetime.datetime(2027, 12, 1, 12, 0)\n",
            ),
            ("msgpack://", r#"[1, {"$bytes": "AAE="}]"#, "s/1,/2,/", "[2, b'\\x00\\x01']\n"),
            ("string://", r#""a text""#, "s/text/word/", "'a word'\n"),
        ] {
            env.ok(["set", "-s", serializer, "k", value, "--ttl", "1h"]);
            let before = inspected(&env);
            let ran = edits(&env, &format!("sed -i '{script}' \"$1\""), "edit k");
            assert_eq!(ran.status, Some(0), "{ran}");
            assert!(ran.stderr().contains("stored `k` as ") && ran.stderr().contains("its ttl kept"), "{ran}");
            assert_eq!(env.ok(["get", "k", "-o", "python"]), after, "{serializer}");
            assert_eq!(inspected(&env), before, "{serializer}");
            assert_eq!(ttl_as_given(&env.ok(["ttl", "k"])), "1h\n");
            assert_eq!(kept(&env), [] as [PathBuf; 0]);
        }
    }
}

/// The chain of `k`.
fn inspected(env: &Env) -> serde_json::Value {
    let record: serde_json::Value = serde_json::from_str(&env.ok(["inspect", "k", "-o", "jsonl"])).unwrap();
    record["serializer"].clone()
}

#[test]
fn what_is_not_touched_stays_whatever_it_is() {
    let env = place();
    let value = r#"{"$id": 1, "$value": [{"$ref": 1}, {"$object": "app.Point", "args": [1, {"$decimal": "1.50"}]},
        {"$id": 2, "$value": {"$tuple": [{"$set": ["a\u202e"]}]}}, {"$ref": 2}, {"$float": "nan"}, "edit",
        {"$bytes": "AAE="}, {"$bytes": "AAE="}]}"#;
    env.ok(["set", "-s", "pickle://", "k", value]);
    let before = env.ok(["get", "k", "-o", "json"]);
    assert_eq!(edits(&env, "sed -i 's/\"edit\"/\"done\"/' \"$1\"", "edit k").status, Some(0));
    assert_eq!(env.ok(["get", "k", "-o", "json"]), before.replace("\"edit\"", "\"done\""));
    assert!(before.contains("$ref") && before.contains("app.Point"), "{before}");
}

/// Pickles of CPython's own: every byte of what was not touched stays, so that what was one object is one still.
#[test]
fn an_edited_pickle_is_what_python_would_have_made_of_the_edited_value() {
    let program = "import datetime, pickle, sys\n\
                   both = lambda f: [pickle.dumps(f(n), int(p)).hex() for p in '012345' for n in (424242, 434343)]\n\
                   rows = lambda n: [{'id': i, 'is': 'active', 'of': b'admin'} for i in range(50)] + [n, 'active']\n\
                   one = [1, ('a', 'b')]\n\
                   mixed = lambda n: [one, one, n, {1, 2}, datetime.datetime(2024, 1, 2), 'x' * 300, {'k': 2.5}]\n\
                   apart = lambda n: ['.'.join('ab'), '.'.join('ab'), n, {'a.b': '.'.join('ab')}]\n\
                   [print(line) for f in (rows, mixed, apart) for line in both(f)]";
    let printed = crate::python::run(program, &[]);
    let bytes = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let pickles: Vec<Vec<u8>> = printed.lines().map(bytes).collect();
    assert_eq!(pickles.len(), 36);
    let env = place();
    for (index, pair) in pickles.chunks_exact(2).enumerate() {
        let file = env.file("pickle", &pair[0]);
        let stored = format!("@{}", file.display());
        let notations: &[&str] = if (6..12).contains(&index) { &["edit k"] } else { &["edit k", "edit k --as python"] };
        for line in notations {
            env.ok(["set", "k", &stored, "-s", "noop://", "--bytes"]);
            assert_eq!(edits(&env, "sed -i s/424242/434343/ \"$1\"", line).status, Some(0));
            let left = env.run(["get", "k", "-o", "raw"]).stdout;
            assert!(left == pair[1], "{index} {line}: {} not {}", left.escape_ascii(), pair[1].escape_ascii());
        }
    }
}

#[test]
fn nobody_else_can_read_the_file_and_nothing_of_it_is_left() {
    let env = place();
    env.ok(["set", "k", "\"secret\""]);
    let script = r#"stat -c %a "$1" "$(dirname "$1")" > modes; cp "$1" seen; cp "$1" "$1~"; sed -i s/secret/x/ "$1""#;
    assert_eq!(edits(&env, script, "edit k").status, Some(0));
    assert_eq!(fs::read_to_string(env.path("modes")).unwrap(), "600\n700\n");
    assert_eq!(fs::read_dir(env.path("tmp")).unwrap().count(), 0);
    let seen = fs::read_to_string(env.path("seen")).unwrap();
    let mut lines = seen.lines();
    let head: Vec<&str> = lines.by_ref().take_while(|line| line.starts_with("# ")).collect();
    assert!(head[0].starts_with("# `k` on disk://") && head[0].ends_with("/cachectl: json://, no ttl"), "{seen}");
    assert!(head.iter().any(|line| line.contains("leave the file as it is, or empty")), "{seen}");
    assert!(seen.ends_with("\n\"secret\"\n"), "{seen}");
}

#[test]
fn nothing_is_written_where_nothing_was_changed() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    env.ok(["set", "k", r#"{"a": [1, 2]}"#]);
    for script in
        ["", ": > \"$1\"", "sed -i '/^[^#]/d' \"$1\"", "sed -i 's/1,/1  ,  /' \"$1\"", "echo '# more' >> \"$1\""]
    {
        let ran = edits(&env, script, "edit k");
        assert_eq!((ran.status, ran.stderr().as_str()), (Some(0), "nothing was changed\n"), "{script}: {ran}");
        let record = edits(&env, script, "edit k -o jsonl").ok();
        assert_eq!(record, "{\"key\": \"k\", \"stored_key\": \"k\", \"stored\": false}\n");
        assert_eq!(fs::read_dir(env.path("tmp")).unwrap().count(), 0, "{script}");
    }
    assert!(!server.info("commandstats").contains("cmdstat_watch:"));
    let record = edits(&env, "echo noise; sed -i s/2/3/ \"$1\"", "edit k -o jsonl").ok();
    let stored = "\"stored\": true, \"serializer\": \"json://\", \"size\": 13}\n";
    assert_eq!(record, format!("{{\"key\": \"k\", \"stored_key\": \"k\", {stored}"));
}

#[test]
fn a_change_by_somebody_else_is_not_overwritten_and_the_edit_is_kept() {
    let (server, memcached) = (Server::start(&[]), Memcached::start(&[]));
    for env in [on(&server.url()), on(&memcached.url()), place()] {
        for (theirs, told, left) in
            [("set k 5 -q", "somebody else has changed it", "5\n"), ("del k -q", "it is gone meanwhile", "")]
        {
            env.ok(["set", "-s", "pickle://", "k", r#"{"$tuple": [1]}"#]);
            let ran = edits(&env, &format!("sed -i s/1/2/ \"$1\"; \"$CLI\" {theirs}"), "edit k");
            assert!(ran.status == Some(1) && ran.stderr().contains(told), "{ran}");
            assert_eq!(String::from_utf8(env.run(["get", "k", "-o", "python"]).stdout).unwrap(), left);
            let [file] = &kept(&env)[..] else { panic!("{ran}") };
            env.ok(["set", "-s", "pickle://", "k", &format!("@{}", file.display())]);
            assert_eq!(env.ok(["get", "k", "-o", "python"]), "(2,)\n");
            assert_eq!(taken(&env, &ran), "{\"$tuple\": [2]}\n");
        }
        // The same value again is the same entry, and another ttl is no change.
        env.ok(["set", "k", "[1]", "--ttl", "1h"]);
        let same = "\"$CLI\" set k '[1]' -q; \"$CLI\" expire k --ttl 2d -q; sed -i s/1/2/ \"$1\"";
        let ran = edits(&env, same, "edit k");
        assert_eq!(ran.status, Some(0), "{ran}");
        assert_eq!((env.ok(["get", "k"]), ttl_as_given(&env.ok(["ttl", "k"]))), ("[2]\n".into(), "2d\n".into()));
    }
}

#[test]
fn what_means_nothing_or_would_lose_something_is_told_with_its_line() {
    let env = place();
    env.ok([
        "set",
        "-s",
        "json://",
        "k",
        r#"{"a": 1, "long": "................................................................................."}"#,
    ]);
    let before = env.ok(["get", "k"]);
    for (script, status, told) in [
        ("s/1/x/", 2, "expected a value, not `x`"),
        ("s/1/{\"$tuple\": 1}/", 2, "no typed JSON: $.a: `$tuple` takes an array"),
        ("s/1/{\"$tuple\": [1]}/", 3, "tuple"),
        ("s/\"long\"/\"a\"/", 3, "1 repeated keys"),
    ] {
        let ran = edits(&env, &format!("sed -i '{script}' \"$1\""), "edit k");
        assert_eq!(ran.status, Some(status), "{ran}");
        assert!(ran.stderr().starts_with("cachectl: cannot edit `k`: ") && ran.stderr().contains(told), "{ran}");
        let text = taken(&env, &ran);
        assert!(text.contains("# NOT STORED: ") && text.contains(told), "{text}");
        if status == 2 && !told.contains('$') {
            let line = text.lines().position(|line| line.contains("\"a\": x")).unwrap() + 1;
            assert!(
                ran.stderr().contains(&format!(": line {line}: ")) && text.contains(&format!("line {line}: ")),
                "{ran}"
            );
        }
        assert_eq!(env.ok(["get", "k"]), before);
    }
}

#[test]
fn on_a_terminal_the_file_is_opened_again_with_the_reason() {
    let env = place();
    env.ok(["set", "k", "[1]"]);
    env.file(
        "editor",
        "if grep -q 'NOT STORED' \"$1\"; then cp \"$1\" seen; sed -i s/x/2/ \"$1\"; else sed -i s/1/x/ \"$1\"; fi",
    );
    let shown = Terminal::start(&env, ["edit", "k"]).finish();
    assert!(shown.status == Some(0) && shown.text().starts_with("stored `k` as json://"), "{}", shown.text());
    assert_eq!(env.ok(["get", "k"]), "[2]\n");
    let seen = fs::read_to_string(env.path("seen")).unwrap();
    let line = seen.lines().position(|line| line == "[x]").unwrap() + 1;
    assert!(seen.contains(&format!("# NOT STORED: line {line}: expected a value, not `x`\n")), "{seen}");
    // Left as it is, or wrong in the same way again: that is to give up.
    env.file("editor", "sed -i s/2/y/ \"$1\"");
    let shown = Terminal::start(&env, ["edit", "k"]).finish();
    assert!(shown.status == Some(2) && shown.text().contains("expected a value, not `y`; what you wrote is in "));
    let [file] = &kept(&env)[..] else { panic!("{}", shown.text()) };
    assert!(fs::read_to_string(file).unwrap().ends_with("\n[y]\n"));
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    // Emptied: nothing of it is wanted any more.
    env.file("editor", "if grep -q 'NOT STORED' \"$1\"; then : > \"$1\"; else sed -i s/2/y/ \"$1\"; fi");
    let shown = Terminal::start(&env, ["edit", "k"]).finish();
    assert_eq!((shown.status, shown.text().as_str(), kept(&env).len()), (Some(0), "nothing was changed\n", 0));
    assert_eq!(env.ok(["get", "k"]), "[2]\n");
}

#[test]
fn the_editor_is_the_one_that_is_named_and_must_end_well() {
    let env = place();
    env.ok(["set", "k", "[1]"]);
    for (script, status, told, is_kept) in [
        ("exit 3", 1, "`sh` ended with status 3, so that nothing was changed", false),
        ("sed -i s/1/2/ \"$1\"; exit 3", 1, "`sh` ended with status 3, so that nothing was changed", true),
        ("kill -INT $$", 130, "`sh` was ended by signal 2", false),
        ("sed -i s/1/2/ \"$1\"; kill -INT $$", 130, "`sh` was ended by signal 2", true),
        ("rm \"$1\"", 2, "cannot read ", false),
    ] {
        let ran = edits(&env, script, "edit k");
        assert!(ran.status == Some(status) && ran.stderr().contains(told), "{ran}");
        match is_kept {
            true => assert!(taken(&env, &ran).ends_with("\n[2]\n"), "{ran}"),
            false => assert_eq!(fs::read_dir(env.path("tmp")).unwrap().count(), 0, "{ran}"),
        }
    }
    assert_eq!(env.ok(["get", "k"]), "[1]\n");
    let nobody = Env::new();
    nobody.ok(["set", "k", "[1]"]);
    assert!(nobody.fails(["edit", "k"], 2).contains("there is no terminal for `vi`: EDITOR names another"));
    env.file("an editor", "#!/bin/sh\nsed -i \"$1\" \"$2\"\n");
    let program = env.path("an editor").display().to_string();
    assert!(std::process::Command::new("chmod").args(["+x", &program]).status().unwrap().success());
    // VISUAL comes before EDITOR, and no shell is run.
    for (visual, status, told) in [
        (format!("'{program}' \"s/1/2/\""), 0, "stored `k`"),
        (format!("  {} s/2/$(id)/ ", program.replace(' ', "\\ ")), 2, "line 6: expected a value, not `$`"),
        ("/nowhere/at-all -f".to_owned(), 2, "cannot run `/nowhere/at-all` (VISUAL): No such file"),
        ("vi 'x".to_owned(), 2, "VISUAL is no program with arguments: `vi \\'x` (are quotes closed?)"),
    ] {
        let env = place().with("VISUAL", visual);
        env.ok(["set", "k", if status == 0 { "[1]" } else { "[2]" }]);
        let ran = env.run(["edit", "k"]);
        assert!(ran.status == Some(status) && ran.stderr().contains(told), "{ran}");
    }
}

/// What is typed in an editor reaches its process group: control-C there must not end what waits for it.
#[test]
fn signals_leave_nothing_behind() {
    let env = place();
    let waits = "echo 'here it is'; while [ ! -e go ]; do sleep 0.02; done; rm go";
    for (signal, script, status, value, kept_files) in [
        ("INT", format!("{waits}; sed -i s/1/2/ \"$1\""), 0, "[2]\n", 0),
        ("QUIT", waits.to_owned(), 0, "[1]\n", 0),
        ("TERM", waits.to_owned(), 130, "[1]\n", 0),
        ("HUP", format!("{waits}; sed -i s/1/2/ \"$1\""), 130, "[1]\n", 1),
    ] {
        env.ok(["set", "k", "[1]"]);
        env.file("editor", script);
        let mut terminal = Terminal::start(&env, ["edit", "k"]);
        terminal.wait_for("here it is");
        terminal.signal(signal);
        terminal.signal(signal);
        env.file("go", "");
        let shown = terminal.finish();
        assert_eq!((shown.status, env.ok(["get", "k"]).as_str()), (Some(status), value), "{signal}: {}", shown.text());
        assert_eq!(kept(&env).len(), kept_files, "{signal}");
    }
}

#[test]
fn an_entry_is_found_by_its_layout_and_keeps_what_stands_beside_it() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    for line in
        ["-l rtc://n {} report --tag a --tag b", "-l pyredis-cache://Class/Student {} 5/7", "-l aiocache://n {} k"]
    {
        env.ok([&line.replace("{}", "set").split(' ').collect::<Vec<_>>()[..], &[r#"{"n": 1}"#]].concat());
        let ran = edits(&env, "cp \"$1\" seen; sed -i s/1/2/ \"$1\"", &line.replace("{}", "edit"));
        assert_eq!(ran.status, Some(0), "{ran}");
        let shown = env.ok([line.replace("{}", "get").split(' ').collect::<Vec<_>>(), vec!["-o", "python"]].concat());
        assert_eq!(shown, "{'n': 2}\n");
        assert!(fs::read_to_string(env.path("seen")).unwrap().contains("\n# stored as `"), "{line}");
    }
    let missed = edits(&env, "touch started", "-l rtc://n edit report --tag c");
    assert_eq!((missed.status, env.path("started").exists()), (Some(1), false), "{missed}");

    let tagged = place();
    tagged.ok(["set", "k", "1", "--tag", "red"]);
    assert_eq!(edits(&tagged, "sed -i s/1/2/ \"$1\"", "edit k").status, Some(0));
    assert!(tagged.ok(["get", "k", "-o", "jsonl"]).contains("\"tag\": \"red\""));

    let memcached = Memcached::start(&[]);
    let flagged = on(&memcached.url());
    let line = r#"{"key": "k", "value": "text", "serializer": "string://", "flags": 16}"#;
    flagged.feed(["set", "--from", "-"], line.as_bytes()).ok();
    assert_eq!(edits(&flagged, "sed -i s/text/word/ \"$1\"", "edit k").status, Some(0));
    let record = flagged.ok(["get", "k", "-o", "jsonl"]);
    assert!(record.contains("\"flags\": 16") && record.contains("\"word\""), "{record}");
}

#[test]
fn what_could_not_be_written_back_is_refused_before_anything_is_edited() {
    let server = Server::start(&[]);
    let env = on(&server.url());
    server.command(&[b"HSET", b"hash", b"f", b"1"]);
    server.command(&[b"SET", b"odd", b"\x00\xff\xfe"]);
    server.command(&[b"SET", b"cut", b"\x80\x04K"]);
    env.ok(["set", "-s", "pickle://", "shared", r#"[{"$id": 1, "$value": [1]}, {"$ref": 1}]"#]);
    env.ok(["set", "-s", "pickle://", "date", r#"{"$date": "2026-12-01"}"#]);
    env.ok(["set", "-s", "pickle://", "evil", r#"{"$object": "os.system", "args": ["id"]}"#]);
    let script = "touch started";
    for (line, status, told) in [
        ("edit hash", 3, "cannot edit `hash`: it holds a hash, and edit takes what is one value"),
        ("edit -s json:// odd", 3, "cannot edit `odd`: json:"),
        ("edit -s pickle:// cut", 3, "cannot edit `cut`: pickle:"),
        ("edit nothing", 1, "no entry `nothing` on redis://"),
        ("edit shared --as python", 3, "as Python it would not read back as the same value (parts of it are shared)"),
        (
            "edit date --as python",
            3,
            "as Python it would not read back as the same value (line 1: `datetime.date` is no lit",
        ),
        ("edit evil --strict", 3, "--strict refuses"),
        ("edit date --as yaml", 2, "possible values: json, python"),
        ("edit date -o raw", 2, "-o text and -o jsonl"),
    ] {
        let ran = edits(&env, script, line);
        assert!(ran.status == Some(status) && ran.stderr().contains(told), "{ran}");
    }
    let cluster = edits(&env, script, "-b redis+cluster://127.0.0.1:1 --replica edit k");
    assert!(
        cluster.status == Some(2) && cluster.stderr().contains("--replica only reads, and edit writes"),
        "{cluster}"
    );
    assert!(!env.path("started").exists());
    // Bytes of no known format are bytes, and are stored as such.
    assert_eq!(edits(&env, "sed -i 's|AP/+|AAA=|' \"$1\"", "edit odd").status, Some(0));
    assert_eq!(server.command(&[b"GET", b"odd"]), redis::Value::BulkString(vec![0, 0]));
}

#[test]
fn a_write_that_fails_keeps_the_edit() {
    let server = Server::start(&[]);
    server.command(&[b"SET", b"k", b"[1]"]);
    server.command(&[b"ACL", b"SETUSER", b"reader", b"on", b">x", b"~*", b"+@read"]);
    let env = on(&server.url().replace("://", "://reader:x@"));
    let ran = edits(&env, "sed -i s/1/2/ \"$1\"", "edit k");
    assert!(ran.status == Some(4) && ran.stderr().contains("cannot edit `k`: cannot replace `k` at redis://"), "{ran}");
    assert_eq!(taken(&env, &ran), "[2]\n");
    assert_eq!(server.command(&[b"GET", b"k"]), redis::Value::BulkString(b"[1]".to_vec()));
}

#[test]
fn a_value_of_literals_can_be_edited_as_python() {
    let env = place();
    let value = r#"{"$dict": [["a", {"$tuple": [1, {"$set": [1]}]}], [2, {"$bytes": "/w=="}], [null, "it's \u202e"]]}"#;
    env.ok(["set", "-s", "pickle+gzip://", "k", value, "--ttl", "1h"]);
    let ran = edits(&env, "cp \"$1\" seen; sed -i \"s/(1, /(b'x', /\" \"$1\"", "edit k --as python");
    assert_eq!(ran.status, Some(0), "{ran}");
    let seen = fs::read_to_string(env.path("seen")).unwrap();
    assert!(seen.ends_with("\n{'a': (1, {1}), 2: b'\\xff', None: \"it's \\u202e\"}\n"), "{seen}");
    assert_eq!(env.ok(["get", "k", "-o", "python"]), "{'a': (b'x', {1}), 2: b'\\xff', None: \"it's \\u202e\"}\n");
    let ran = edits(&env, "sed -i 's/None/os.getcwd()/' \"$1\"", "edit k --as python");
    assert!(ran.status == Some(2) && ran.stderr().contains(": line 5: `os.getcwd` is no literal of Python; "), "{ran}");
    assert!(taken(&env, &ran).lines().nth(4).unwrap().starts_with("{'a'"));
    // A notation is no form: what JSON cannot hold stays out of it.
    env.ok(["set", "-s", "json://", "k", "[1]"]);
    let ran = edits(&env, "sed -i 's/1/(1,)/' \"$1\"", "edit k --as python");
    assert_eq!(ran.status, Some(3), "{ran}");
}

#[test]
fn what_an_editor_leaves_in_the_place_of_the_file_is_not_waited_for() {
    let env = place();
    env.ok(["set", "k", "1"]);
    for script in
        ["rm \"$1\"; mkfifo \"$1\"", "rm \"$1\"; ln -s /etc/passwd \"$1\"", "rm \"$1\"; mkdir \"$1\"", "rm \"$1\""]
    {
        let ran = edits(&env, &format!("PATH=/usr/bin:/bin\n{script}"), "edit k");
        assert_eq!(ran.status, Some(2), "{script}: {ran}");
        assert!(ran.stderr().contains("cannot read "), "{script}: {ran}");
        assert_eq!(env.ok(["get", "k"]), "1\n");
    }
}
