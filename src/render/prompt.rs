//! A question whose answer the terminal does not show.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::os::fd::AsFd as _;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// What came of a question.
pub enum Answer {
    /// Somebody typed this.
    Said(Vec<u8>),
    /// Somebody pressed control-C, or control-D.
    Interrupted,
    /// There is no terminal.
    Nobody,
}

/// Bytes of an answer.
const ANSWER_MOST: usize = 64 << 10;

/// Asks on standard input where it is a terminal, else on the one that the process belongs to.
pub fn secret(question: &str) -> io::Result<Answer> {
    let stdin = io::stdin();
    let terminal = match stdin.is_terminal() {
        true => File::from(stdin.as_fd().try_clone_to_owned()?),
        false => match File::options().read(true).write(true).open("/dev/tty") {
            Ok(terminal) => terminal,
            Err(_) => return Ok(Answer::Nobody),
        },
    };
    let silent = Silent::new(&terminal)?;
    tell(&terminal, question)?;
    let answer = read(&terminal);
    drop(silent);
    tell(&terminal, "\n")?;
    answer
}

/// On standard error, unless that goes elsewhere.
fn tell(mut terminal: &File, text: &str) -> io::Result<()> {
    let mut stderr = io::stderr();
    if stderr.is_terminal() { stderr.write_all(text.as_bytes()) } else { terminal.write_all(text.as_bytes()) }
}

/// Reads to the end of the line. The terminal does no editing of its own meanwhile.
fn read(mut terminal: &File) -> io::Result<Answer> {
    let mut answer = Vec::new();
    let mut byte = [0];
    loop {
        if terminal.read(&mut byte)? == 0 {
            return Ok(Answer::Interrupted);
        }
        match byte[0] {
            b'\n' | b'\r' => return Ok(Answer::Said(answer)),
            // Control-C and control-D.
            3 | 4 => return Ok(Answer::Interrupted),
            // Backspace takes a whole character of UTF-8.
            8 | 0x7f => while answer.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Control-U.
            0x15 => answer.clear(),
            byte if answer.len() < ANSWER_MOST => answer.push(byte),
            _ => {}
        }
    }
}

/// A terminal that shows nothing of what is typed, and sends no signals for it, until this is dropped.
struct Silent<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Silent<'_> {
    fn new(terminal: &File) -> io::Result<Silent<'_>> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        (modes.special_codes[SpecialCodeIndex::VMIN], modes.special_codes[SpecialCodeIndex::VTIME]) = (1, 0);
        tcsetattr(terminal, OptionalActions::Flush, &modes)?;
        Ok(Silent { terminal, before })
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        // A terminal that has gone away has nothing to show.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
