//! What can go wrong with the journal, and the way out of each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a journal cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process (or another journal of this one) has the directory.
    #[error("the journal in {} is in use by {holder}: two nodes on one directory would sign against each other; stop the other one first", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// Who has it, as far as the lock file tells.
        holder: String,
    },
    /// Bytes that were durable are not as they were written.
    #[error(
        "the journal is damaged: {} at byte {offset}: {flaw}. Restore this file from a copy, or move the journal's directory away and start again: \
         the node then fetches its blocks from peers and takes part again as a new incarnation", file.display()
    )]
    Corrupt {
        /// The damaged file.
        file: PathBuf,
        /// Where in the file, bytes from its start.
        offset: u64,
        /// What is wrong there.
        flaw: String,
    },
    /// There is no room for the next write. What was reported durable is safe; nothing else was reported.
    #[error("the disk that holds the journal in {} is full: nothing that was acknowledged is lost, and nothing more is accepted; free some space and start the node again ({source})", dir.display())]
    DiskFull {
        /// The journal's directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk did not confirm a write. It is not asked twice: the kernel may have dropped the pages, and would then say yes.
    #[error("the disk did not confirm a write to {}: {source}. The node stops, since a second try could succeed without the data; check the disk, then start again", file.display())]
    Sync {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The position lies before the oldest record that is kept, or the segment was pruned while it was being read.
    #[error("position {lsn} of the journal was pruned: it now begins at {first}")]
    Pruned {
        /// The position asked for.
        lsn: u64,
        /// The oldest record that is kept.
        first: u64,
    },
    /// No record begins at the position.
    #[error("no record of the journal begins at position {lsn} (it ends at {end})")]
    NoRecord {
        /// The position asked for.
        lsn: u64,
        /// The end of the durable journal.
        end: u64,
    },
    /// The journal's thread ended without saying why.
    #[error("the journal's thread has died: {0}")]
    Died(String),
}

impl JournalError {
    /// For `map_err`: a failure to `action` the file at `path`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if is_full(&source) {
                let dir = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
                Self::DiskFull { dir: dir.to_owned(), source }
            } else {
                Self::Io { action, path: path.to_owned(), source }
            }
        }
    }
}

/// True for the ways in which a file system says that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Why records were not taken. None of them was.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk is behind; try again once the durable mark has risen.
    #[error("the journal is busy: {waiting_bytes} bytes wait for the disk")]
    Busy {
        /// Bytes that wait.
        waiting_bytes: u64,
    },
    /// A payload is longer than a record may be.
    #[error("a record of {bytes} bytes is longer than the journal takes ({max})")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// More records at once than may ever wait.
    #[error("{records} records at once are more than the journal takes ({max})")]
    TooMany {
        /// How many.
        records: usize,
        /// The limit.
        max: usize,
    },
    /// The journal has stopped; the node must stop too.
    #[error(transparent)]
    Stopped(Arc<JournalError>),
}
