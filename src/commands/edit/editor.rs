//! The editor: which program it is, and running it. It knows nothing of what is edited.

use std::env;
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::exit::{Exit, Stop};

/// What is run where nobody says otherwise: POSIX has it everywhere.
const USUAL: &str = "vi";

/// A program and its arguments.
pub struct Editor {
    words: Vec<String>,
    /// Who said so, if anybody did.
    origin: Option<&'static str>,
}

impl Editor {
    /// `$VISUAL`, else `$EDITOR`, in words as a shell has them: quotes and backslashes hold spaces together. No
    /// shell is run, so that nothing else in them means anything.
    ///
    /// # Errors
    /// A usage error when one of them is no words.
    pub fn of_environment() -> Result<Editor> {
        for origin in ["VISUAL", "EDITOR"] {
            let text = env::var_os(origin).unwrap_or_default();
            if text.as_encoded_bytes().trim_ascii().is_empty() {
                continue;
            }
            let words = text.to_str().and_then(shlex::split).filter(|words| !words.is_empty());
            let shown = text.as_encoded_bytes().escape_ascii().to_string();
            let wrong =
                || Stop::usage(format!("{origin} is no program with arguments: `{shown}` (are quotes closed?)"));
            return Ok(Editor { words: words.ok_or_else(wrong)?, origin: Some(origin) });
        }
        Ok(Editor { words: vec![USUAL.to_owned()], origin: None })
    }

    /// Has `file` edited, to the end. What the program prints is no result of ours, and goes to `screen`.
    ///
    /// # Errors
    /// When the program cannot be run, or does not end well: what is in the file is not meant then.
    pub fn run(&self, file: &Path, screen: Stdio) -> Result<()> {
        let (program, arguments) = self.words.split_first().expect("an editor is a word at least");
        if self.origin.is_none() && !io::stdin().is_terminal() {
            // It would wait for keys that nobody presses.
            return Err(
                Stop::usage(format!("there is no terminal for `{program}`: EDITOR names another editor")).into()
            );
        }
        let status = Command::new(program).args(arguments).arg(file).stdout(screen).status().map_err(|error| {
            let origin = self.origin.unwrap_or("neither VISUAL nor EDITOR is set");
            Stop::usage(format!("cannot run `{program}` ({origin}): {error}; EDITOR names another editor"))
        })?;
        let (exit, ended) = match (status.signal(), status.code().unwrap_or_default()) {
            (None, 0) => return Ok(()),
            (None, code) => (Exit::No, format!("ended with status {code}, so that nothing was changed")),
            (Some(signal), _) => (Exit::Interrupted, format!("was ended by signal {signal}")),
        };
        Err(Stop { exit, message: format!("`{program}` {ended}") }.into())
    }
}
