//! The control state on disk: a snapshot after every decided block, so that a start replays nothing but what came after.
//!
//! It is a checkpoint of the decided log, not a truth of its own: a file that cannot be read is an error that says so.

use std::path::{Path, PathBuf};

use borsh::{BorshDeserialize, BorshSerialize};
use horae_control::ControlState;
use thiserror::Error;

use crate::home::write_atomic;

/// Layout of the file; another number is refused.
const VERSION: u32 = 3;

/// Why the snapshot could not be read or written.
#[derive(Debug, Error)]
pub enum StateFileError {
    /// The disk.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not a snapshot of this version.
    #[error("{} is not a control state of this version ({why}); delete it and the control plane is replayed from the decided log", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Reads the snapshot, if there is one.
pub fn load(file: &Path) -> Result<Option<ControlState>, StateFileError> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateFileError::Io { file: file.to_path_buf(), source }),
    };
    let unreadable = |why: String| StateFileError::Unreadable { file: file.to_path_buf(), why };
    let mut rest = bytes.as_slice();
    let version = u32::deserialize(&mut rest).map_err(|why| unreadable(why.to_string()))?;
    if version != VERSION {
        return Err(unreadable(format!("version {version}, expected {VERSION}")));
    }
    ControlState::try_from_slice(rest).map(Some).map_err(|why| unreadable(why.to_string()))
}

/// Writes the snapshot, whole or not at all.
pub fn save(file: &Path, state: &ControlState) -> Result<(), StateFileError> {
    let io = |source| StateFileError::Io { file: file.to_path_buf(), source };
    let mut bytes = Vec::new();
    VERSION.serialize(&mut bytes).map_err(io)?;
    state.serialize(&mut bytes).map_err(io)?;
    write_atomic(file, &bytes).map_err(io)
}
