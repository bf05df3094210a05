//! Where the kernel's files are: `/`, or a tree that stands for it.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

/// Most that is read of one file of the kernel; each is far smaller.
const BYTES_MAX: u64 = 1 << 20;

/// The directory below which `/proc`, `/sys` and `/var` are looked for.
#[derive(Clone, Debug)]
pub struct Root(PathBuf);

/// Why a file has no value to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Absent {
    /// The kernel has no such file: it is older, built without, or of a virtual machine.
    #[error("not there")]
    Missing,
    /// It is there and cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

impl Root {
    /// The machine that this process runs on.
    #[must_use]
    pub fn of_this_machine() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A tree that stands for a machine.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where `path`, which begins with a slash, lies.
    #[must_use]
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// The text of a file, without white space around it.
    ///
    /// # Errors
    /// [`Absent`].
    pub fn read(&self, path: &str) -> Result<String, Absent> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Absent::Missing,
            _ => Absent::Unreadable(error.to_string()),
        };
        let file = fs::File::open(self.join(path)).map_err(unreadable)?;
        let text = io::read_to_string(io::Read::take(file, BYTES_MAX)).map_err(unreadable)?;
        Ok(text.trim().to_owned())
    }

    /// Writes to a file that is there; the kernel's files are never made.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn write(&self, path: &str, value: &str) -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).truncate(true).open(self.join(path))?;
        // One call: the kernel takes each write for a whole value.
        file.write_all(format!("{value}\n").as_bytes())
    }

    /// The names in a directory, sorted; none if it is not there.
    #[must_use]
    pub fn names(&self, path: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.join(path)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}
