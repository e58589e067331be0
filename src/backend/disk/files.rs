//! Values too large for the database: one file each, `ab/cd/<28 hex>.val` under the cache's directory.
//!
//! Names of files come from a database that anybody may have written, so nothing but a plain file
//! inside the directory is ever opened or removed: no absolute path, no `..`, no link, no pipe.
//! Follows `Disk._write`, `Disk.filename` and `Disk.remove` of diskcache 5.6.3 (`core.py`).

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// A directory can vanish between its making and its use, when another process removes its last file.
const TRIES: usize = 10;

/// The value files of one cache.
pub struct Files {
    root: PathBuf,
}

/// Why a value file was not read.
pub enum Unread {
    /// There is none, as after a deletion by another process.
    Missing,
    /// The name leads out of the cache, or to something that is no plain file.
    Refused,
    /// It is longer than allowed.
    TooLong,
    /// The system said no.
    Io(io::Error),
}

impl Files {
    /// The value files under `root`.
    #[must_use]
    pub fn under(root: &Path) -> Files {
        Files { root: root.to_owned() }
    }

    /// Writes a file of a new name, which is returned. Nothing stays behind on failure.
    ///
    /// # Errors
    /// When the system says no.
    pub fn write(&self, bytes: &[u8]) -> io::Result<String> {
        let mut tries = 0;
        let (name, mut file) = loop {
            tries += 1;
            let hex = format!("{:032x}", fastrand::u128(..));
            let name = format!("{}/{}/{}.val", &hex[..2], &hex[2..4], &hex[4..]);
            let path = self.root.join(&name);
            let made = path.parent().map_or(Ok(()), fs::create_dir_all);
            match made.and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path)) {
                Ok(file) => break (name, file),
                Err(error) if tries < TRIES && is_race(&error) => {}
                Err(error) => {
                    self.prune(&path);
                    return Err(error);
                }
            }
        };
        match file.write_all(bytes) {
            Ok(()) => Ok(name),
            Err(error) => {
                self.remove(name.as_bytes());
                Err(error)
            }
        }
    }

    /// Reads a file of at most `most` bytes.
    ///
    /// # Errors
    /// [`Unread`] says why not.
    pub fn read(&self, name: &[u8], most: u64) -> Result<Vec<u8>, Unread> {
        let (path, len) = self.plain_file(name)?;
        if len > most {
            return Err(Unread::TooLong);
        }
        let mut bytes = Vec::new();
        // The file may have grown since; one byte more than allowed is enough to know.
        fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most { Err(Unread::TooLong) } else { Ok(bytes) }
    }

    /// Whether there is such a file.
    #[must_use]
    pub fn exists(&self, name: &[u8]) -> bool {
        !matches!(self.plain_file(name), Err(Unread::Missing))
    }

    /// Removes a file, and its directories where they are empty then. Another process may be faster,
    /// and the row is gone already: as in DiskCache, a failure is nobody's to act on.
    pub fn remove(&self, name: &[u8]) {
        if let Ok((path, _)) = self.plain_file(name) {
            let _ = fs::remove_file(&path);
            self.prune(&path);
        }
    }

    /// Removes the directories between `path` and the root, innermost first, while they are empty.
    fn prune(&self, path: &Path) {
        for parent in path.ancestors().skip(1).take_while(|parent| *parent != self.root) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }

    /// The path and the length of the plain file that `name` stands for.
    fn plain_file(&self, name: &[u8]) -> Result<(PathBuf, u64), Unread> {
        let name = Path::new(OsStr::from_bytes(name));
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(Unread::Refused);
        }
        let mut path = self.root.clone();
        let mut parts = name.iter().peekable();
        while let Some(part) = parts.next() {
            path.push(part);
            let found = fs::symlink_metadata(&path)?;
            match parts.peek() {
                Some(_) if found.is_dir() => {}
                None if found.is_file() => return Ok((path, found.len())),
                _ => return Err(Unread::Refused),
            }
        }
        Err(Unread::Refused)
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Unread {
        if error.kind() == ErrorKind::NotFound { Unread::Missing } else { Unread::Io(error) }
    }
}

/// The directory was removed before it was used, or the name is taken.
fn is_race(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::AlreadyExists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_and_goes_with_its_directories() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::under(root.path());
        let name = files.write(b"abc").unwrap();
        assert_eq!((name.len(), &name[2..3], &name[5..6], &name[34..]), (38, "/", "/", ".val"));
        assert_eq!(files.read(name.as_bytes(), 3).ok(), Some(b"abc".to_vec()));
        assert!(matches!(files.read(name.as_bytes(), 2), Err(Unread::TooLong)));
        assert!(files.exists(name.as_bytes()));
        files.remove(name.as_bytes());
        assert!(matches!(files.read(name.as_bytes(), 3), Err(Unread::Missing)));
        assert!(!files.exists(name.as_bytes()));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, "x").unwrap();
        let root = outside.path().join("cache");
        fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(&secret, root.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.join("dir")).unwrap();
        let files = Files::under(&root);
        for name in ["../secret", "no/../../secret", "/etc/hostname", "link", "dir/secret", "", ".", "dir"] {
            assert!(matches!(files.read(name.as_bytes(), 9), Err(Unread::Refused)), "{name}");
            files.remove(name.as_bytes());
        }
        files.remove(secret.as_os_str().as_bytes());
        assert!(secret.exists() && root.join("link").is_symlink() && root.join("dir").is_symlink());
    }
}
