//! A pseudo-terminal around the program: what a person would see, byte for byte, and what they type.
//!
//! Standard input, output and error are all the terminal, 100 columns wide. It is not the
//! controlling terminal (that takes a system call between fork and exec, and so `unsafe`), so
//! control-C typed here is only a byte and `/dev/tty` is something else.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::FdFlags;
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use crate::env::Env;

/// A program that runs on a terminal. Killed when dropped.
pub struct Terminal<'env> {
    /// Borrowed, so that its directory stays as long as the program runs there.
    env: &'env Env,
    line: String,
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    deadline: Instant,
}

/// What a program that has ended has written, and its exit status.
pub struct Shown {
    /// As the terminal got it: a newline has become `\r\n`, and what was typed is echoed.
    pub bytes: Vec<u8>,
    /// `None` when a signal ended it.
    pub status: Option<i32>,
}

/// Runs `args` on a terminal to their end, with nothing typed.
pub fn show(env: &Env, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Shown {
    Terminal::start(env, args).finish()
}

impl<'env> Terminal<'env> {
    /// Starts `args` in `env`, whose deadline holds for the whole of it.
    pub fn start(env: &'env Env, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Terminal<'env> {
        let (master, slave) = open();
        let (mut command, line) = env.command(args);
        let stream = || Stdio::from(slave.try_clone().expect("a descriptor more"));
        command.env("TERM", "xterm-256color").stdin(stream()).stdout(stream()).stderr(stream());
        let child = command.spawn().expect("the program starts");
        let keyboard = File::from(master.try_clone().expect("a descriptor more"));
        let (sender, screen) = mpsc::channel();
        let mut reader = File::from(master);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end is an error (`EIO`) on Linux: nobody holds the other side any more.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        let deadline = Instant::now() + env.deadline();
        Terminal { env, line, child, keyboard, screen, seen: Vec::new(), deadline }
    }

    /// Waits until `text` is on the screen.
    pub fn wait_for(&mut self, text: &str) {
        while !self.seen.windows(text.len()).any(|window| window == text.as_bytes()) {
            assert!(self.read(), "`{text}` never came: {}", self.so_far());
        }
    }

    /// Types `text` and presses return.
    pub fn type_line(&mut self, text: &str) {
        self.type_keys(&format!("{text}\n"));
    }

    /// Types `keys`.
    pub fn type_keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes what is typed");
    }

    /// Sends it a signal, such as `INT`: control-C is only a byte here.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Makes it so many columns wide.
    pub fn resize(&self, columns: u16) {
        let size = Winsize { ws_row: 30, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.keyboard, size).expect("a terminal has a size");
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Shown {
        while self.read() {}
        let status = self.child.wait().expect("the program was started").code();
        Shown { bytes: std::mem::take(&mut self.seen), status }
    }

    /// Whether more has come; `false` at the end.
    fn read(&mut self) -> bool {
        match self.screen.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(bytes) => self.seen.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("not done after {:?}: {}", self.env.deadline(), self.so_far()),
        }
        true
    }

    fn so_far(&self) -> String {
        format!("$ {}\n{}", self.line, self.seen.escape_ascii())
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Shown {
    /// As text, with plain newlines.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).replace("\r\n", "\n")
    }

    /// [`Shown::text`] without the colours that we ourselves put there (`ESC [ … m`). What is left
    /// of escape characters came from somewhere else.
    pub fn uncoloured(&self) -> String {
        let text = self.text();
        let mut parts = text.split("\x1b[");
        let mut plain = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
            match rest.strip_prefix('m') {
                Some(rest) => plain.push_str(rest),
                None => plain.extend(["\x1b[", part]),
            }
        }
        plain
    }
}

/// Sends a signal to `child`, such as `INT`.
pub fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.expect("there is a `kill`").success(), "{name} to {}", child.id());
}

/// Runs `args` on a terminal that goes away once something is on it; whether they ended by themselves.
pub fn hang_up(env: &Env, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> bool {
    let (master, slave) = open();
    let (mut command, _) = env.command(args);
    let stream = || Stdio::from(slave.try_clone().expect("a descriptor more"));
    let command = command.env("TERM", "xterm-256color").stdin(stream()).stdout(stream()).stderr(stream());
    let mut child = command.spawn().expect("the program starts");
    let mut screen = File::from(master);
    assert!(screen.read(&mut [0; 4096]).is_ok_and(|count| count > 0), "nothing was shown");
    drop(screen);
    let deadline = Instant::now() + env.deadline();
    while child.try_wait().expect("the program was started").is_none() {
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Both sides of a new pseudo-terminal; neither is inherited by other tests' programs.
fn open() -> (OwnedFd, OwnedFd) {
    let opened = || -> rustix::io::Result<(OwnedFd, OwnedFd)> {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        rustix::io::fcntl_setfd(&master, FdFlags::CLOEXEC)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let path = rustix::pty::ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(&*path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::termios::tcsetwinsize(&slave, Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 })?;
        Ok((master, slave))
    };
    opened().expect("a pseudo-terminal")
}

fn shell() -> Env {
    Env::of("/bin/sh")
}

#[test]
fn a_program_sees_a_terminal_and_its_bytes_arrive_unchanged() {
    let shown = show(&shell(), ["-c", "test -t 0 && test -t 1 && test -t 2 && printf 'a\\033]0;b\\007\\n'; exit 4"]);
    assert_eq!((shown.bytes.as_slice(), shown.status), (&b"a\x1b]0;b\x07\r\n"[..], Some(4)));
    assert_eq!(shown.text(), "a\x1b]0;b\x07\n");
    assert_eq!(show(&shell(), ["-c", "stty size"]).text(), "30 100\n");
}

#[test]
fn a_person_can_answer_a_question() {
    let env = shell();
    let mut terminal = Terminal::start(&env, ["-c", "printf 'sure? '; read answer; echo \"<$answer>\""]);
    terminal.wait_for("sure? ");
    terminal.type_line("yes");
    let shown = terminal.finish();
    assert_eq!((shown.text().as_str(), shown.status), ("sure? yes\n<yes>\n", Some(0)));
}

#[test]
fn our_colours_are_taken_off_and_nothing_else() {
    for (bytes, plain) in [
        ("\x1b[1;31ma\x1b[0m\x1b[mb\r\n", "ab\n"),
        ("\x1b[2Ja", "\x1b[2Ja"),
        ("\x1b]0;a\x07", "\x1b]0;a\x07"),
        ("a\x1b", "a\x1b"),
        ("\x1b[", "\x1b["),
    ] {
        let shown = Shown { bytes: bytes.into(), status: None };
        assert_eq!(shown.uncoloured(), plain);
    }
}

#[test]
#[should_panic(expected = "not done after 200ms: $ sh -c 'exec sleep 60'")]
fn a_program_that_hangs_fails() {
    show(&shell().within(Duration::from_millis(200)), ["-c", "exec sleep 60"]);
}
