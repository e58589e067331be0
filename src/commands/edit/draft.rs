//! The file that is edited, in a directory of its own that nobody else may enter.
//!
//! A value may be a secret, and so may what editors leave beside a file: swap files, backups. All of it goes
//! with the directory, unless the file is kept.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::config;
use crate::exit::Stop;
use crate::limits::Limits;

/// How often another name is tried where one is taken.
const TRIES: usize = 16;

/// A file for the editor. Removed with its directory when dropped.
pub struct Draft {
    directory: PathBuf,
    file: PathBuf,
    /// What the first text was without its head.
    first: Option<Vec<u8>>,
    kept: bool,
    limits: Limits,
}

impl Draft {
    /// Makes the directory; there is no file in it yet.
    ///
    /// # Errors
    /// When the system says no.
    pub fn create(extension: &str, limits: Limits) -> Result<Draft> {
        let parent = std::env::temp_dir();
        let directory = private(&parent)
            .with_context(|| format!("cannot make a directory in {} (TMPDIR names another)", parent.display()))?;
        let file = directory.join(format!("value.{extension}"));
        Ok(Draft { directory, file, first: None, kept: false, limits })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Writes the file anew: a head of comments, and the text.
    ///
    /// # Errors
    /// When the system says no.
    pub fn write(&mut self, head: &str, body: &[u8]) -> Result<()> {
        self.first.get_or_insert_with(|| body.to_vec());
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.file)?;
            file.write_all(head.as_bytes())?;
            file.write_all(body)
        };
        write().with_context(|| format!("cannot write {}", self.file.display()))
    }

    /// From now on the file is called so.
    ///
    /// # Errors
    /// When the system says no.
    pub fn rename(&mut self, name: &str) -> Result<()> {
        let file = self.directory.join(name);
        fs::rename(&self.file, &file).with_context(|| format!("cannot rename {}", self.file.display()))?;
        self.file = file;
        Ok(())
    }

    /// The text, without the lines that begin with `#`: none of a value does in any notation, for line ends in text
    /// are escapes.
    ///
    /// # Errors
    /// When it cannot be read, or is too long.
    pub fn body(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.open().and_then(|file| {
            // The head comes on top.
            file.take(self.limits.output + HEAD_MOST).read_to_end(&mut bytes)
        });
        read.map_err(|error| Stop::usage(format!("cannot read {}: {error}", self.file.display())))?;
        self.limits.check("output", bytes.len() as u64)?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        Ok(lines.filter(|line| !line.trim_ascii_start().starts_with(b"#")).flatten().copied().collect())
    }

    /// The file, if it is one still: an editor may leave anything there, and a pipe would be waited for.
    fn open(&self) -> io::Result<File> {
        match fs::symlink_metadata(&self.file)?.is_file() {
            true => config::open(&self.file),
            false => Err(io::Error::other("it is no file any more")),
        }
    }

    /// Whether there is something in it that was typed. What cannot be read may be.
    pub fn is_edited(&self) -> bool {
        match (self.body(), &self.first) {
            (Ok(body), Some(first)) => body != *first && !body.trim_ascii().is_empty(),
            (Err(_), Some(_)) => self.file.exists(),
            (_, None) => false,
        }
    }

    /// Leaves the file where it is, and says where that is.
    pub fn keep(mut self) -> PathBuf {
        self.kept = true;
        self.file.clone()
    }
}

/// Bytes of a head, and more.
const HEAD_MOST: u64 = 1 << 20;

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed cannot be told either: the outcome is what was asked for.
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

/// A new directory that only its owner may enter.
fn private(parent: &Path) -> io::Result<PathBuf> {
    let mut tries = 0;
    loop {
        let directory = parent.join(format!("cachectl-edit-{:016x}", fastrand::u64(..)));
        match DirBuilder::new().mode(0o700).create(&directory) {
            Ok(()) => return Ok(directory),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
}
