//! The real libraries on the other side: a Python with `tests/requirements.txt` installed.

use std::io::{BufRead, BufReader, Seek, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

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

/// A Python that stays: expressions in, what comes of them out.
pub struct Session {
    child: Child,
    answers: BufReader<ChildStdout>,
}

const SESSION: &str = r"
import json, sys
names = {}
def answer(run, code):
    try:
        said = repr(run(code, names))
    except BaseException as error:
        said = f'{type(error).__name__}: {error}'
    print(json.dumps(said), flush=True)
answer(exec, sys.argv[1])
for line in sys.stdin:
    answer(eval, json.loads(line))
";

impl Session {
    /// Starts one, and runs `setup` in it, whose names the expressions see.
    pub fn start(setup: &str) -> Session {
        let mut command = Command::new(interpreter());
        command.args(["-c", SESSION, setup]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("Python starts");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut session = Session { child, answers };
        assert_eq!(session.answer(), "None", "{setup}");
        session
    }

    /// What Python prints of `expr`; of an exception, its class and text.
    pub fn eval(&mut self, expr: &str) -> String {
        let line = serde_json::to_string(expr).expect("text is JSON");
        let stdin = self.child.stdin.as_mut().expect("it is piped");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("Python listens");
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("Python answers");
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("Python ended, or printed {line:?}"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Only fails when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
