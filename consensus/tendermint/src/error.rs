//! Why an engine could not start.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why an engine could not start, with the file or address at fault and the way out.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or directory could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The decided log, or the log of proposed values, is damaged before its last record.
    #[error("the log {} is damaged at byte {offset} ({what}); restore the whole directory from a copy of the same instant, or remove it \
             and catch up from the peers as a new incarnation", path.display())]
    LogCorrupt {
        /// The file.
        path: PathBuf,
        /// Where the damaged record begins, in bytes from the start of the file.
        offset: u64,
        /// What is wrong with it.
        what: String,
    },
    /// Another process, or another engine of this one, uses the directory.
    #[error("{} is in use; stop the other process first", path.display())]
    InUse {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The write-ahead log is damaged, or is not of the height that follows the decided log.
    #[error("the write-ahead log {} cannot be used ({what}); what this node signed at the height in progress is lost with it: \
             restore the whole directory from a copy of the same instant, or remove it and catch up from the peers as a new incarnation", path.display())]
    WalCorrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The decided log neither reaches nor begins right after the height that the node has applied.
    #[error("the decided log {} holds heights {first} to {last}, but the node has applied {applied}; restore the whole directory \
             from a copy of the same instant, or remove it and catch up from the peers as a new incarnation", path.display())]
    AppliedHeight {
        /// The file.
        path: PathBuf,
        /// First height in the log.
        first: u64,
        /// Last height in the log.
        last: u64,
        /// What the node says it has applied.
        applied: u64,
    },
    /// The listening socket could not be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why it failed.
        source: io::Error,
    },
    /// The validator set is empty, too heavy, or lists a validator twice.
    #[error("the validator set is not usable: {what}")]
    Validators {
        /// What is wrong with it.
        what: String,
    },
    /// The engine itself failed to start.
    #[error("the Tendermint engine did not start: {what}")]
    Engine {
        /// What it said.
        what: String,
    },
}
