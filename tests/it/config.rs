//! Profiles: who has the last word, what is refused of whom, and what the files are checked for.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::env::Env;
use crate::server::{Memcached, Server};

/// A world with a user's file.
fn user(text: &str) -> Env {
    let env = Env::new();
    write_user(&env, text);
    env
}

fn write_user(env: &Env, text: &str) {
    fs::create_dir_all(env.path("config/cachectl")).unwrap();
    env.file("config/cachectl/config.toml", text);
}

/// What `config show` says, by name.
fn shown(env: &Env, args: &[&str]) -> BTreeMap<String, Value> {
    let text = env.ok([args, &["config", "show", "-o", "json"]].concat());
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.map(|row: Value| (row["name"].as_str().unwrap().to_owned(), row)).collect()
}

#[test]
fn a_url_that_is_nearly_one_is_written_out() {
    let env = Env::new();
    for (typed, told) in [
        ("localhost:6379", "write `redis://localhost:6379/0`"),
        ("cache:11211", "write `memcached://cache:11211`"),
        ("/var/cache/shop", "write `disk:///var/cache/shop`"),
        ("./shop", "write `disk:./shop`"),
        ("", "-b is empty"),
    ] {
        let error = env.fails(["-b", typed, "ping"], 2);
        assert!(error.contains(told), "{typed}: {error}");
    }
}

#[test]
fn a_flag_goes_before_the_environment_that_before_the_project_and_that_before_the_user() {
    let said = [
        ("backend", "--backend", "CACHECTL_BACKEND", "disk:///%"),
        ("serializer", "--serializer", "CACHECTL_SERIALIZER", "zlib+%://"),
        ("layout", "--layout", "CACHECTL_LAYOUT", "plain://%"),
        ("namespace", "--namespace", "CACHECTL_NAMESPACE", "%"),
    ];
    for (key, flag, variable, form) in said {
        let value = |who: &str| form.replace('%', who);
        let line = |who: &str| format!("[profile.p]\n\n{key} = \"{}\"\n", value(who));
        let env = user(&line("user"));
        let row = |env: &Env, args: &[&str]| shown(env, &[&["@p"], args].concat())[key].clone();
        let found = row(&env, &[]);
        assert_eq!((found["value"].as_str(), found["line"].as_u64()), (Some(&*value("user")), Some(3)), "{found}");
        assert!(found["path"].as_str().unwrap().ends_with("config/cachectl/config.toml"), "{found}");
        env.file(".cachectl.toml", line("project"));
        let found = row(&env, &[]);
        assert_eq!((found["value"].as_str(), found["origin"].as_str()), (Some(&*value("project")), Some("file")));
        assert!(found["path"].as_str().unwrap().ends_with(".cachectl.toml"), "{found}");
        let env = env.with(variable, value("variable"));
        let found = row(&env, &[]);
        assert_eq!((found["value"].as_str(), found["by"].as_str()), (Some(&*value("variable")), Some(variable)));
        let found = row(&env, &[flag, &value("flag")]);
        assert_eq!((found["value"].as_str(), found["by"].as_str()), (Some(&*value("flag")), Some(flag)));
    }
}

#[test]
fn what_nobody_says_is_the_default_and_so_it_works() {
    let env =
        user("[profile.p]\nnamespace = 'app:'\nserializer = 'pickle://'\nlimits = { stored = 30 }\ntimeout = 2\n");
    let row = |name: &str| shown(&env, &["-c", "p", "--max", "depth=7"])[name].clone();
    for (name, value, origin) in [
        ("profile", "p", "flag"),
        ("backend", "disk:", "default"),
        ("timeout", "2", "file"),
        ("limits.stored", "30", "file"),
        ("limits.depth", "7", "flag"),
        ("limits.layers", "16", "default"),
        ("read_only", "false", "default"),
    ] {
        let found = row(name);
        assert_eq!((found["value"].as_str(), found["origin"].as_str()), (Some(value), Some(origin)), "{found}");
    }
    assert_eq!(row("password_file")["value"], Value::Null);
    env.ok(["@p", "set", "k", "[1]"]);
    assert_eq!(env.ok(["get", "-o", "jsonl", "app:k"]).matches("pickle://").count(), 1);
    let long = "x".repeat(40);
    env.ok(["set", "app:long", &long]);
    assert!(env.fails(["@p", "get", "long"], 3).contains("stored"));
    let table = env.ok(["@p", "config", "show"]);
    assert!(table.contains("pickle://") && table.contains("config.toml:3") && table.contains("default"), "{table}");
}

#[test]
fn a_profile_is_chosen_by_flag_variable_or_default() {
    let env = user("default = 'a'\n[profile.a]\nnamespace = 'a'\n[profile.b]\nnamespace = 'b'\n[profile.c]\n");
    let profile = |env: &Env, args: &[&str]| shown(env, args)["profile"]["value"].as_str().map(str::to_owned);
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(profile(&env, &[]), some("a"));
    assert_eq!(profile(&env, &["@b"]), some("b"));
    assert_eq!(profile(&env, &["--config", "b"]), some("b"));
    assert_eq!(env.ok(["config", "show", "-c", "c"]).lines().nth(1).unwrap().split_whitespace().nth(1), Some("c"));
    assert_eq!(profile(&env, &["-c", ""]), None);
    assert_eq!(profile(&env, &["@"]), None);
    env.file(".cachectl.toml", "default = 'c'\n[profile.c]\n");
    assert_eq!(profile(&env, &[]), some("c"));
    let env = env.with("CACHECTL_CONFIG", "b");
    assert_eq!(profile(&env, &[]), some("b"));
    assert_eq!(profile(&env, &["@a"]), some("a"));
}

#[test]
fn the_short_option_of_bench_is_its_clients() {
    let env = user("[profile.p]\nbackend = 'memory:'\n");
    let told = env.ok(["-c", "p", "bench", "-c", "3", "--requests", "9"]);
    assert!(told.contains("3 clients") && told.contains("memory:"), "{told}");
    assert!(env.ok(["bench", "--config", "p", "-c", "3", "--requests", "9"]).contains("memory:"));
    assert!(env.fails(["-c", "q", "bench", "-c", "3"], 2).contains("unknown profile `q`"));
}

#[test]
fn a_projects_file_is_the_nearest_one_above() {
    let env = Env::new();
    fs::create_dir_all(env.path("outer/inner/deep")).unwrap();
    env.file("outer/.cachectl.toml", "default = 'p'\n[profile.p]\nnamespace = 'outer'\n");
    env.file(".cachectl.toml", "[profile.p]\nnamespace = 'no'\nlayout = 'aiocache:'\n");
    let show = |directory: &str| {
        let (mut command, _) = env.command(["config", "show"]);
        let output = command.current_dir(env.path(directory)).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let found = show("outer/inner/deep");
    assert!(found.contains("outer/.cachectl.toml:3") && found.contains("plain:"), "{found}");
    env.file("outer/inner/.cachectl.toml", "");
    assert!(!show("outer/inner/deep").contains("outer"), "the nearest holds alone");
    let env = user("[profile.p]\nnamespace = 'xdg'\n");
    fs::create_dir_all(env.path("home/.config/cachectl")).unwrap();
    env.file("home/.config/cachectl/config.toml", "[profile.p]\nnamespace = 'home'\n");
    assert_eq!(shown(&env, &["@p"])["namespace"]["value"], "xdg");
    let env = env.with("XDG_CONFIG_HOME", "");
    assert_eq!(shown(&env, &["@p"])["namespace"]["value"], "home");
}

#[test]
fn what_a_file_should_not_say_is_an_error_with_its_line() {
    for (text, says) in [
        ("[profile.p", "toml:1: this is not TOML"),
        ("[profile.p]\na = 1\na = 2\n", "toml:3: this is not TOML"),
        ("\nbackend = 'disk:'\n", "toml:2: unknown key `backend`: expected one of default, profile"),
        ("profiles = 1\n", "did you mean `profile`?"),
        ("default = 1\n", "`default` takes the name of a profile, and this is a TOML integer"),
        ("profile = 1\n", "`profile` takes tables"),
        ("[profile]\np = 1\n", "toml:2: `p` takes settings"),
        ("[profile.'a b']\n", "a profile's name is letters"),
        ("[profile.'']\n", "a profile's name is letters"),
        ("[profile.p]\nbakend = 'disk:'\n", "toml:2: unknown key `bakend`"),
        ("[profile.p]\nbakend = 'disk:'\n", "did you mean `backend`?"),
        ("[profile.p]\nbackend = 1\n", "`backend` takes a text in quotes, and this is a TOML integer"),
        ("[profile.p]\nbackend = ''\n", "is empty"),
        ("[profile.p]\nread_only = 'yes'\n", "`read_only` takes true or false"),
        ("[profile.p]\npassword = 'x'\n", "a password does not stand here"),
        ("[profile.p]\npassword_command = 'pass show x'\n", "takes a list"),
        ("[profile.p]\npassword_command = []\n", "a program and its arguments"),
        ("[profile.p]\npassword_command = ['a', 1]\n", "a program and its arguments"),
        ("[profile.p]\npassword_file = 'a'\nask_password = true\n", "keep one"),
        ("[profile.p]\nbackend = 'redis://:x@h'\npassword_file = 'a'\n", "keep one"),
        ("[profile.p]\ntls_cert = 'a'\n", "`tls_cert` needs `tls_key`"),
        ("[profile.p]\nlimits = 1\n", "`limits` takes a table"),
        ("[profile.p]\nlimits = { depht = 1 }\n", "no limit is called `depht`"),
        ("[profile.p]\nlimits = { depth = true }\n", "`depth` takes a number"),
        ("[profile.p]\nlimits = { depth = -1 }\n", "`-1` is not a number"),
        ("[profile.p]\n\ntimeout = '1x'\n", "toml:3: `timeout`: `1x` is not a length of time"),
        ("[profile.p]\nbackend = 'reds://h'\n", "toml:2: unknown backend `reds`"),
        ("[profile.p]\nserializer = 'pickel://'\n", "toml:2: unknown layer `pickel`"),
        ("[profile.p]\nlayout = 'plane:'\n", "the layout URL of"),
        ("default = 'q'\n[profile.p]\n", "toml:1: unknown profile `q`: expected one of p"),
        ("[profile.q]\n", "--config: unknown profile `p`: expected one of q"),
        ("", "--config: there is no profile `p`, nor any other"),
        ("# \u{0}", "this is not TOML"),
    ] {
        let env = user(text);
        fs::set_permissions(env.path("config/cachectl/config.toml"), fs::Permissions::from_mode(0o600)).unwrap();
        let chosen: &[&str] = if text.starts_with("default = 'q'") { &[] } else { &["-c", "p"] };
        let told = env.fails([chosen, &["get", "k"]].concat(), 2);
        assert!(told.contains(says), "{text:?}: {told}");
        let checked = env.run([chosen, &["config", "check"]].concat());
        assert!(checked.status == Some(2) && checked.stderr().contains(says), "{text:?}: {checked}");
    }
    let env = Env::new();
    fs::create_dir_all(env.path("config/cachectl/config.toml")).unwrap();
    assert!(env.fails(["get", "k"], 2).contains("is no file"));
    let env = Env::new().with("CACHECTL_LAYOUT", OsStr::from_bytes(b"plain://\xff"));
    assert!(env.fails(["get", "k"], 2).contains("CACHECTL_LAYOUT in the environment is not UTF-8"));
    let env = user("");
    fs::write(env.path("config/cachectl/config.toml"), b"\xff").unwrap();
    assert!(env.fails(["get", "k"], 2).contains("UTF-8"));
    fs::write(env.path("config/cachectl/config.toml"), "#".repeat(2 << 20)).unwrap();
    assert!(env.fails(["get", "k"], 2).contains("no file of profiles"));
}

#[test]
fn every_fault_of_all_files_is_told_at_once_in_the_order_of_lines() {
    let env = user("[profile.b]\nx = 1\n[profile.a]\ny = 1\nread_only = 1\n");
    env.file(".cachectl.toml", "[profile.c]\nz = 1\n");
    let told = env.fails(["config", "check"], 2);
    let places: Vec<&str> =
        told.lines().map(|line| line.split(": ").nth(usize::from(line.starts_with("cachectl"))).unwrap()).collect();
    let ends = [".cachectl.toml:2", "config.toml:2", "config.toml:4", "config.toml:5"];
    assert!(places.len() == 4 && places.iter().zip(ends).all(|(place, end)| place.ends_with(end)), "{told}");
}

#[test]
fn a_project_that_goes_too_far_is_refused_with_the_reason() {
    let own = "[profile.p]\nbackend = 'rediss://h'\n";
    for (project, says) in [
        ("tls_insecure = true", "a checkout does not switch off the checks"),
        ("tls_insecure = false", "may not say `tls_insecure`"),
        ("password_command = ['touch', 'ran']", "a program that a checkout names would run here"),
        ("password_file = 'secret'", "would be sent to the server that it names"),
        ("ask_password = true", "may not say `ask_password`"),
        ("password_timeout = 1", "may not say `password_timeout`"),
        ("tls_ca = '/etc/ca.pem'", "only files inside its own directory"),
        ("tls_ca = '../ca.pem'", "only files inside its own directory"),
        ("tls_ca = '~/ca.pem'", "only files inside its own directory"),
        ("tls_ca = 'in/../../ca.pem'", "only files inside its own directory"),
        ("backend = 'rediss://h?ssl_certfile=/me.pem'", "not in the URL"),
        ("backend = 'rediss://h?ssl%5fkeyfile=/me.key'", "not in the URL"),
        ("backend = 'memcacheds://h?ssl_ca_certs=/ca.pem'", "not in the URL"),
        ("backend = 'redis+sentinel://h/s?sentinel_ssl_keyfile=/me.key'", "not in the URL"),
    ] {
        let own = if project.starts_with("backend") { "[profile.p]\n\n" } else { own };
        let env = Env::new();
        env.file(".cachectl.toml", format!("{own}{project}\n"));
        let told = env.fails(["@p", "get", "k"], 2);
        assert!(told.contains(says) && told.contains(".cachectl.toml:3"), "{project}: {told}");
        assert!(!env.path("ran").exists());
    }
    for (mine, project, says) in [
        ("password_file = 'pw'", "backend = 'redis://evil'", "`password_file` is yours"),
        ("password_command = ['pass']", "backend = 'redis://evil'", "`password_command` is yours"),
        ("ask_password = true", "backend = 'redis://evil'", "`ask_password` is yours"),
        ("tls_insecure = true", "backend = 'rediss://evil'", "`tls_insecure` is yours"),
        ("tls_cert = 'a'\ntls_key = 'b'", "backend = 'rediss://evil'", "is yours"),
        ("backend = 'rediss://mine'", "tls_ca = 'evil.pem'", "`tls_ca` in a project's file is for the backend"),
        ("read_only = true", "read_only = false", "does not take `read_only` away, which"),
        ("protected = true", "protected = false", "does not take `protected` away, which"),
    ] {
        let env = user(&format!("[profile.p]\n{mine}\n"));
        env.file(".cachectl.toml", format!("[profile.p]\n{project}\n"));
        let told = env.fails(["@p", "get", "k"], 2);
        assert!(told.contains(says) && told.contains(".cachectl.toml:2") && told.contains("config.toml:2"), "{told}");
        let checked = env.fails(["config", "check"], 2);
        assert!(checked.contains(says), "{checked}");
    }
    let env = Env::new().with("CACHECTL_BACKEND", "rediss://mine");
    env.file(".cachectl.toml", "[profile.p]\ntls_ca = 'evil.pem'\n");
    assert!(env.fails(["@p", "get", "k"], 2).contains("is for the backend that the same file names"));
    // What guards is added to by both.
    let env = user("[profile.p]\nread_only = false\n");
    env.file(".cachectl.toml", "[profile.p]\nread_only = true\ntls_ca = 'ca.pem'\nbackend = 'rediss://h'\n");
    let found = shown(&env, &["@p"]);
    assert_eq!(found["read_only"]["value"], "true");
    let ca = found["tls_ca"]["value"].as_str().unwrap();
    assert_eq!(Path::new(ca), env.dir().canonicalize().unwrap().join("ca.pem"));
}

#[test]
fn a_profiles_password_and_trust_are_not_for_another_backend() {
    let env = user("[profile.p]\nbackend = 'redis://h'\npassword_file = 'pw'\ntls_insecure = true\nnamespace = 'n'\n");
    let found = shown(&env, &["@p", "-b", "redis://other"]);
    assert_eq!((&found["password_file"]["value"], &found["tls_insecure"]["value"]), (&Value::Null, &"false".into()));
    assert_eq!(found["namespace"]["value"], "n");
    let env = user("[profile.p]\npassword_file = 'pw'\n");
    let found = shown(&env, &["@p", "-b", "redis://other"]);
    assert!(found["password_file"]["value"].as_str().unwrap().ends_with("config/cachectl/pw"), "{found:?}");
}

#[test]
fn a_projects_file_of_another_user_is_not_read() {
    let env = Env::new();
    let path = env.file(".cachectl.toml", "[profile.p]\n");
    let changed = Command::new("chown").arg("12345").arg(&path).output().unwrap();
    // Only root may give a file away.
    assert_eq!(changed.status.success(), rustix::process::geteuid().is_root());
    if changed.status.success() {
        let told = env.fails(["get", "k"], 2);
        assert!(told.contains("belongs to another user (uid 12345)"), "{told}");
        assert_eq!(env.run(["-c", "", "get", "k"]).status, Some(1));
    }
}

#[test]
fn check_reads_everything_and_opens_nothing() {
    let env = Env::new();
    let ran = env.path("ran").display().to_string();
    let secret = env.file("secret", "x");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    write_user(
        &env,
        &format!(
            "[profile.a]\nbackend = 'redis://127.0.0.1:1'\npassword_command = ['touch', '{ran}']\n\
         [profile.b]\nbackend = 'memcached://u@127.0.0.1:1'\npassword_file = '{}'\n",
            secret.display()
        ),
    );
    env.file(".cachectl.toml", "[profile.b]\nnamespace = 'x'\n");
    let told = env.ok(["config", "check"]);
    assert!(told.contains("config.toml: 2 profiles: a, b") && told.contains(".cachectl.toml: 1 profile: b"), "{told}");
    let records: Vec<Value> =
        env.ok(["config", "check", "-o", "json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&records[0]["profiles"], &records[1]["profiles"]), (&Value::from(vec!["b"]), &vec!["a", "b"].into()));
    assert!(!Path::new(&ran).exists(), "it ran");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
    let told = env.fails(["config", "check"], 2);
    assert!(told.contains("config.toml:6: `password_file`") && told.contains("chmod 600"), "{told}");
    fs::remove_file(&secret).unwrap();
    assert!(env.fails(["config", "check"], 2).contains("cannot open"));
    write_user(
        &env,
        "[profile.a]\nbackend = 'reds:'\n[profile.b]\ntls_ca = 'no.pem'\n[profile.c]\npassword_timeout = 'x'\n",
    );
    let told = env.fails(["config", "check"], 2);
    for says in ["unknown backend `reds`", "config.toml:4: `tls_ca`: cannot find", "config.toml:6: `password_timeout`"]
    {
        assert!(told.contains(says), "{told}");
    }
    let env = Env::new();
    let ran = env.run(["config", "check"]);
    assert!(ran.status == Some(0) && ran.stderr().contains("there are no profiles"), "{ran}");
}

#[test]
fn the_example_of_the_readme_is_right() {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let example = readme.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let env = user(example);
    assert!(env.ok(["config", "check"]).contains("2 profiles: dev, prod"));
    assert_eq!(shown(&env, &[])["profile"]["value"], "dev");
    assert_eq!(shown(&env, &["@prod"])["protected"]["value"], "true");
}

#[test]
fn a_url_with_a_password_is_only_for_a_file_that_nobody_else_reads() {
    let env = user("[profile.p]\nbackend = 'redis://u:s3cret@127.0.0.1:1'\n");
    let path = env.path("config/cachectl/config.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let told = env.fails(["@p", "get", "k"], 2);
    assert!(told.contains("(mode 0644)") && told.contains("chmod 600") && !told.contains("s3cret"), "{told}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let told = env.fails(["@p", "get", "k"], 5);
    assert!(told.contains("refused") && !told.contains("s3cret") && !told.contains("processes"), "{told}");
    assert!(env.ok(["@p", "config", "show"]).contains("redis://u:***@127.0.0.1:1"));
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let env = Env::new().within(Duration::from_secs(10));
    for name in [".cachectl.toml", "password"] {
        assert!(Command::new("mkfifo").arg(env.path(name)).status().unwrap().success());
        let ran = env.run(["-b", "redis://127.0.0.1:1/0", "--password-file", "password", "ping"]);
        let expected = if name == "password" { Some(4) } else { Some(2) };
        assert!(ran.status == expected && ran.stderr().contains("is no file"), "{ran}");
        fs::remove_file(env.path(name)).unwrap();
    }
}

/// Advice about a password names who gave it, wherever that was.
#[test]
fn who_is_refused_is_told_where_the_password_comes_from() {
    let server = Server::start(&["--requirepass", "right"]);
    let (memcached, open) = (Memcached::start_guarded(), Server::start(&[]));
    let (url, place) = (server.url(), |scheme: &str, user: &str, port| format!("{scheme}://{user}127.0.0.1:{port}"));
    let with_password = place("redis", ":wrong@", server.port);
    let env = user(&format!(
        "[profile.command]\nbackend = '{url}'\npassword_command = ['echo', 'wrong']\n\
         [profile.file]\nbackend = '{url}'\npassword_file = '~/secret'\n\
         [profile.url]\nbackend = '{with_password}'\n"
    ));
    let file = env.file("home/secret", "wrong\n").display().to_string();
    for path in [&file, env.path("config/cachectl/config.toml").to_str().unwrap()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let variable = |name: &str, value: &str| Env::new().with(name, value);
    let sentinel = place("redis+sentinel", "", server.port) + "/s?sentinel_password=wrong";
    let ada = place("memcached", "ada:wrong@", memcached.port);
    for (env, args, told) in [
        (&env, &["@command"][..], "the program `echo …` (`password_command`, "),
        (&env, &["@command"], "config.toml:3)"),
        (&env, &["@file"], &*format!("{file} (`password_file`, ")),
        (&env, &["@url"], "the backend URL ("),
        (&env, &["@url"], "config.toml:8)"),
        (&env, &["-b", &url, "--password-file", &file], "(`password_file`, --password-file)"),
        (&env, &["-b", &with_password], "the backend URL (--backend)"),
        (&env, &["-b", &with_password.replace(":wrong", "u:wrong")], "the backend URL (--backend)"),
        (&env, &["-b", &sentinel], "that of `sentinel_password` in the URL"),
        (&env, &["-b", &ada], "the backend URL (--backend)"),
        (
            &env,
            &["-b", &place("redis", ":wrong@", open.port)],
            "leave it out); the password is that of the backend URL",
        ),
        (&variable("CACHECTL_PASSWORD", "wrong"), &["-b", &url], "the password is that of CACHECTL_PASSWORD"),
        (&variable("CACHECTL_BACKEND", &with_password), &[], "the backend URL (CACHECTL_BACKEND)"),
    ] {
        let error = env.fails([args, &["-q", "ls"]].concat(), 4);
        assert!(error.contains(told) && error.contains("the password is that of "), "{args:?}: {error}");
        assert!(!error.contains("wrong@") && error.matches("in the URL").count() <= 1, "{error}");
    }
    assert!(!env.fails(["-b", &url, "ls"], 4).contains("the password is that of"), "there is none");
}
