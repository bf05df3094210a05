//! What can go wrong with the store, in words an operator can act on.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use alloy_primitives::B256;

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the file.
    #[error("state store {path} is in use by another process: stop it, or give this node a home of its own")]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// Written by another version of Horae.
    #[error(
        "state store {path} has layout version {found}, this build reads {want}: move the file away and start again, the \
         state is rebuilt from the journal (or, with that pruned, by `horae derive`)"
    )]
    Schema {
        /// The database file.
        path: PathBuf,
        /// Version in the file.
        found: u64,
        /// Version of this build.
        want: u64,
    },
    /// The file belongs to another chain.
    #[error("state store {path} belongs to another chain: its genesis is {found}, the genesis file's is {want}")]
    OtherChain {
        /// The database file.
        path: PathBuf,
        /// Genesis hash in the file.
        found: B256,
        /// Genesis hash of the chain this node is set up for.
        want: B256,
    },
    /// No room on the device.
    #[error("no space left for the state store {path}: free some and start the node again, nothing is lost")]
    DiskFull {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not what was written to it.
    #[error(
        "state store {path} is damaged ({what}): move the file away and start again, the state is rebuilt from the journal \
         (or, with that pruned, by `horae derive`)"
    )]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The operating system refused.
    #[error("state store {path}: {source}")]
    Io {
        /// The database file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A block that does not follow the stored ones: a fault of the caller.
    #[error("block {given} does not follow the stored height {stored}, or its parent is another block")]
    Gap {
        /// The stored height.
        stored: u64,
        /// Number of the block offered.
        given: u64,
    },
}

impl StoreError {
    pub(super) fn corrupt(path: &Path, what: impl ToString) -> Self {
        Self::Corrupt { path: path.to_path_buf(), what: what.to_string() }
    }

    /// Sorts an error of redb, whichever of its types it is.
    pub(super) fn sort(path: &Path, error: impl Into<redb::Error>) -> Self {
        let path = path.to_path_buf();
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path },
            redb::Error::Io(source) => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path },
                ErrorKind::InvalidData => Self::Corrupt { path, what: source.to_string() },
                _ => Self::Io { path, source },
            },
            other => Self::Corrupt { path, what: other.to_string() },
        }
    }
}
