//! `cachectl` run as a user runs it: a process of its own, in an environment that holds nothing else.
//!
//! An [`Env`] is a temporary directory and what the process may see of the world: no variable of
//! whoever runs the tests, a home of its own, a deadline, and if wanted a bound on memory. What
//! fails shows the command line, both streams and the status.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Long enough for a machine that is busy with the other tests.
const DEADLINE: Duration = Duration::from_secs(30);

/// Where a command runs.
pub struct Env {
    dir: TempDir,
    program: PathBuf,
    vars: Vec<(OsString, OsString)>,
    memory_mib: Option<u64>,
    deadline: Duration,
}

/// A command that has ended.
pub struct Ran {
    /// As it would be typed.
    pub line: String,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// `None` when a signal ended it.
    pub status: Option<i32>,
    pub took: Duration,
}

impl Env {
    /// A new, empty place.
    pub fn new() -> Env {
        Env::of(env!("CARGO_BIN_EXE_cachectl"))
    }

    /// The same around another program.
    pub fn of(program: &str) -> Env {
        let dir = TempDir::with_prefix("cachectl-test-").expect("a temporary directory");
        let mut env = Env { dir, program: program.into(), vars: Vec::new(), memory_mib: None, deadline: DEADLINE };
        for (name, place) in [("HOME", "home"), ("XDG_CACHE_HOME", "cache"), ("XDG_CONFIG_HOME", "config")] {
            let place = env.path(place);
            fs::create_dir(&place).expect("a directory of ours");
            env = env.with(name, place);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        env.with("PATH", path).with("LANG", "C.UTF-8").with("TZ", "UTC")
    }

    /// The same, with a variable set.
    pub fn with(mut self, name: &str, value: impl AsRef<OsStr>) -> Env {
        self.vars.push((name.into(), value.as_ref().into()));
        self
    }

    /// The same, with so much address space and no more: memory that is only reserved counts too.
    pub fn within_mib(mut self, mib: u64) -> Env {
        self.memory_mib = Some(mib);
        self
    }

    /// The same, with another deadline: a command that takes longer is killed and fails the test.
    pub fn within(mut self, deadline: Duration) -> Env {
        self.deadline = deadline;
        self
    }

    /// The directory that commands run in.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    /// A new file in it.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a file of ours");
        path
    }

    /// How long a command may take.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The command, ready to run, and how it would be typed.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> (Command, String) {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().into()).collect();
        let mut command = match self.memory_mib {
            None => Command::new(&self.program),
            Some(mib) => {
                let mut shell = Command::new("sh");
                let limited = r#"ulimit -v "$1" && shift && exec "$@""#;
                shell.args(["-c", limited, "sh", &(mib * 1024).to_string()]).arg(&self.program);
                shell
            }
        };
        command.args(&args).env_clear().envs(self.vars.iter().cloned()).current_dir(self.dir());
        (command, typed(&self.program, &args))
    }

    /// Runs `args` with nothing on standard input.
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        self.feed(args, b"")
    }

    /// Runs `args` with `input` on standard input.
    pub fn feed(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, input: &[u8]) -> Ran {
        let (command, line) = self.command(args);
        let started = Instant::now();
        let mut command = assert_cmd::Command::from_std(command);
        let output = command.write_stdin(input).timeout(self.deadline).output().expect("the program starts");
        let (status, took) = (output.status.code(), started.elapsed());
        let ran = Ran { line, stdout: output.stdout, stderr: output.stderr, status, took };
        assert!(took < self.deadline, "not done after {:?}: {ran}", self.deadline);
        ran
    }

    /// Runs `args`, which must succeed; its standard output.
    pub fn ok(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
        self.run(args).ok()
    }

    /// Runs `args`, which must end with `status` and nothing on standard output; its standard error.
    pub fn fails(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, status: i32) -> String {
        self.run(args).fails(status)
    }

    /// Runs `args`, which must succeed and print exactly `expected`.
    pub fn prints(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>, expected: &str) {
        let ran = self.run(args);
        let different = first_difference(&String::from_utf8_lossy(&ran.stdout), expected);
        assert!(ran.status == Some(0) && different.is_none(), "{}\n{ran}", different.unwrap_or_default());
    }
}

impl Ran {
    /// Standard output of a command that must have succeeded.
    pub fn ok(self) -> String {
        assert_eq!(self.status, Some(0), "{self}");
        String::from_utf8(self.stdout).expect("the output is UTF-8")
    }

    /// Standard error of a command that must have ended with `status` and printed nothing else.
    pub fn fails(self, status: i32) -> String {
        assert_eq!(self.status, Some(status), "{self}");
        assert!(self.stdout.is_empty(), "a failure wrote to stdout: {self}");
        self.stderr()
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.status.map_or("a signal".to_owned(), |status| format!("status {status}"));
        write!(f, "\n$ {}\nended with {ended} after {:?}", self.line, self.took)?;
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let shown = &stream[..stream.len().min(2000)];
            write!(f, "\n{name} ({} bytes):\n{}", stream.len(), escaped(shown))?;
        }
        Ok(())
    }
}

/// `text` with a ttl of an hour or two days as it was given: on a busy machine some of its seconds
/// have passed before it is shown.
pub fn ttl_as_given(text: &str) -> String {
    let seconds = (1..60).rev().map(|second| format!("59m {second}s")).chain(["59m".to_owned()]);
    seconds.fold(text.to_owned(), |text, passed| text.replace(&passed, "1h")).replace("1d 23h 1h", "2d")
}

/// A test that fails over a control character must not send it to the terminal itself.
fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\n", "\n").replace("\\\"", "\"").replace("\\'", "'")
}

fn typed(program: &Path, args: &[OsString]) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let args = args.iter().map(|arg| {
        let arg = escaped(arg.as_encoded_bytes());
        let plain = !arg.is_empty() && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_=:/.@,+".contains(c));
        if plain { arg } else { format!("'{}'", arg.replace('\'', r"'\''")) }
    });
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}

/// The first line in which two texts differ, both ways; `None` when they are equal.
fn first_difference(actual: &str, expected: &str) -> Option<String> {
    let (mut left, mut right) = (actual.split('\n'), expected.split('\n'));
    for line in 1.. {
        let (left, right) = (left.next(), right.next());
        if left != right {
            return Some(format!("stdout differs in line {line}\n  is       {left:?}\n  expected {right:?}"));
        }
        left?;
    }
    None
}

/// What a test's failure would say.
fn failure(test: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(test).expect_err("this must fail");
    panic.downcast_ref::<String>().expect("a failure with a message").clone()
}

#[test]
fn a_command_sees_only_its_own_world() {
    let env = Env::of("/bin/sh").with("CACHECTL_BACKEND", "memory:");
    let seen = env.ok(["-c", "env; pwd -P"]);
    let names: Vec<&str> = seen.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert!(names.contains(&"HOME") && names.contains(&"CACHECTL_BACKEND"), "{seen}");
    assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{seen}");
    let dir = env.dir().canonicalize().unwrap();
    assert_eq!(seen.lines().last(), dir.to_str());
}

#[test]
fn streams_and_status_are_kept_apart() {
    let env = Env::of("/bin/sh");
    let ran = env.feed(["-c", "cat; echo no >&2; exit 3"], b"in\xff");
    assert_eq!((ran.stdout.as_slice(), ran.stderr().as_str(), ran.status), (&b"in\xff"[..], "no\n", Some(3)));
    assert_eq!(env.fails(["-c", "echo no >&2; exit 3"], 3), "no\n");
    env.prints(["-c", "echo a; echo b"], "a\nb\n");
}

#[test]
fn a_failure_shows_the_command_line_and_the_difference() {
    let status = failure(|| drop(Env::of("/bin/sh").ok(["-c", "printf 'a\\033[1m'; exit 2"])));
    assert!(status.contains("$ sh -c 'printf") && status.contains("status 2") && !status.contains('\x1b'), "{status}");
    let output = failure(|| Env::of("/bin/sh").prints(["-c", "echo a; echo b"], "a\nc\n"));
    assert!(output.contains("line 2") && output.contains("Some(\"c\")"), "{output}");
    assert!(failure(|| drop(Env::of("/bin/sh").fails(["-c", "echo a; exit 1"], 1))).contains("wrote to stdout"));
    assert!(failure(|| Env::of("/bin/sh").prints(["-c", "echo a; exit 1"], "a\n")).contains("status 1"));
}

#[test]
fn a_command_that_hangs_or_wants_too_much_memory_fails() {
    let hung = || drop(Env::of("/bin/sh").within(Duration::from_millis(200)).run(["-c", "exec sleep 60"]));
    assert!(failure(hung).contains("not done after 200ms"));
    let python = crate::python::interpreter();
    let hungry = |env: Env| env.run(["-c", "bytearray(200 << 20)"]).status;
    assert_eq!(hungry(Env::of(python.to_str().unwrap())), Some(0));
    assert_eq!(hungry(Env::of(python.to_str().unwrap()).within_mib(128)), Some(1));
}

#[test]
fn the_binary_is_there_and_starts() {
    let env = Env::new();
    let file = env.file("value", b"\xff\x00");
    assert_eq!(std::fs::read(file).unwrap(), b"\xff\x00");
    assert_eq!(env.run(["--version"]).status, Some(0));
}
