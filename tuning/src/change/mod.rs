//! Writing what can be written while a machine runs, and putting back exactly what was there.
//!
//! What was there is on disk before the first write (a [`record`] below the root), so that a crash at any point leaves nothing
//! that [`revert`] does not know of. Whatever somebody else has set in between is his: it is said, and left.

mod apply;
mod record;
mod revert;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Serialize;

pub use apply::{Application, Applied, Outcome};
pub use record::{KEPT, Kept};
pub use revert::{PutBack, Reverted, revert};

use crate::machine::Root;

/// Why nothing could be applied or put back.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Not root.
    #[error("only root may write to the kernel's files: sudo horae tune {0}")]
    NotRoot(&'static str),
    /// The record of what was there.
    #[error("{path}: {source}; nothing more was written without it")]
    Record {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The record is damaged.
    #[error("{path} is no record of `horae tune apply` ({why}); restore it, or restart the machine and remove it")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody else is at it.
    #[error("another `horae tune` is changing this machine ({0} is locked); wait for it")]
    Busy(PathBuf),
}

/// A value that is not what it was, by neither hand of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Foreign {
    /// What we wrote.
    pub written: String,
    /// What is there.
    pub found: String,
}

/// Whether the process may write, by what the kernel says of it.
fn demand_root(root: &Root, command: &'static str) -> Result<(), ChangeError> {
    let status = root.read("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    match ids.and_then(|ids| ids.split_whitespace().nth(1)) {
        Some("0") => Ok(()),
        _ => Err(ChangeError::NotRoot(command)),
    }
}
