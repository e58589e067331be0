//! The real libraries on the other side: a Python with `tests/requirements.txt` installed.

use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Command, Output};

/// The interpreter: `CACHECTL_TEST_PYTHON`, else the environment that `tests/run` makes.
pub fn interpreter() -> PathBuf {
    if let Some(path) = std::env::var_os("CACHECTL_TEST_PYTHON") {
        return PathBuf::from(path);
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(path.exists(), "no Python with the real libraries at {}: `tests/run` installs it", path.display());
    path
}

/// Runs a program in Python; its standard output. A failure of the program fails the test.
pub fn run(program: &str, args: &[&str]) -> String {
    output(Command::new(interpreter()).arg("-c").arg(program).args(args))
}

/// Runs a program in Python with `input`, of any size, on its standard input; its standard output.
pub fn feed(program: &str, input: &[u8]) -> String {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(input).and_then(|()| file.rewind()).expect("a temporary file is written");
    output(Command::new(interpreter()).arg("-c").arg(program).stdin(file))
}

fn output(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("Python starts");
    assert!(status.success(), "Python: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("the program prints UTF-8")
}
