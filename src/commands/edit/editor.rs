//! The editor: which program it is, and running it. It knows nothing of what is edited.

use std::env;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::exit::{Exit, Stop};

/// What is run where nobody says otherwise: POSIX has it everywhere.
const USUAL: &str = "vi";

/// A program and its arguments.
pub struct Editor {
    words: Vec<String>,
    /// Who said so.
    origin: &'static str,
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
            return Ok(Editor { words: words.ok_or_else(wrong)?, origin });
        }
        Ok(Editor { words: vec![USUAL.to_owned()], origin: "by default, as neither VISUAL nor EDITOR is set" })
    }

    /// Has `file` edited, to the end.
    ///
    /// # Errors
    /// When the program cannot be run, or does not end well: what is in the file is not meant then.
    pub fn run(&self, file: &Path) -> Result<()> {
        let (program, arguments) = self.words.split_first().expect("an editor is a word at least");
        let status = Command::new(program).args(arguments).arg(file).status().map_err(|error| {
            Stop::usage(format!("cannot run `{program}` ({}): {error}; EDITOR names another editor", self.origin))
        })?;
        match (status.success(), status.signal()) {
            (true, _) => Ok(()),
            (false, Some(_)) => {
                Err(Stop { exit: Exit::Interrupted, message: format!("`{program}` {}", ended(status)) }.into())
            }
            (false, None) => {
                let message = format!("`{program}` {}, so that nothing was changed", ended(status));
                Err(Stop { exit: Exit::No, message }.into())
            }
        }
    }
}

fn ended(status: std::process::ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    }
}
