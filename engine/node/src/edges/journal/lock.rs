//! One node a directory: a lock that the kernel drops when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::error::JournalError;

const LOCK_FILE: &str = "lock";

/// Held for as long as the journal is open.
pub(super) struct DirLock {
    _file: File,
}

impl DirLock {
    pub fn take(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(LOCK_FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(JournalError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let known = file.read_to_string(&mut holder).is_ok() && !holder.is_empty();
                let holder = if known { holder } else { "another process".to_owned() };
                return Err(JournalError::Locked { dir: dir.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(JournalError::io("lock", &path)(source)),
        }
        // Only a courtesy to who finds the lock taken.
        let noted = file.set_len(0).and_then(|()| file.rewind());
        if noted.and_then(|()| write!(file, "process {}", std::process::id())).is_err() {
            tracing::debug!(path = %path.display(), "cannot note the process in the lock file");
        }
        Ok(Self { _file: file })
    }
}
