//! The record: what was there before the first write, and what was written. On disk before anything is.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ChangeError;
use crate::checks::Form;
use crate::machine::Root;

/// Where the record is kept, from the root on.
pub const FOLDER: &str = "/var/lib/horae";
const FILE: &str = "/var/lib/horae/tune.json";
const NEXT: &str = "/var/lib/horae/tune.json.next";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where the record is kept, for messages.
pub const KEPT: &str = FILE;

/// What was written since the machine was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The start of the machine that it is of: a restart undoes all by itself.
    pub boot_id: String,
    /// The values, in the order in which they were written.
    pub values: Vec<Value>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The file.
    pub path: String,
    /// How its text is read.
    pub form: Form,
    /// What was there.
    pub before: String,
    /// What was written, or is about to be.
    pub written: String,
}

impl Kept {
    /// An empty record of this start of the machine.
    pub fn new(root: &Root) -> Self {
        Self { boot_id: boot_id(root), values: Vec::new() }
    }

    /// The record, if there is one.
    ///
    /// # Errors
    /// [`ChangeError`] if it cannot be read.
    pub fn load(root: &Root) -> Result<Option<Self>, ChangeError> {
        let path = root.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ChangeError::Record { path, source }),
        };
        match serde_json::from_str(&text) {
            Ok(kept) => Ok(Some(kept)),
            Err(why) => Err(ChangeError::Damaged { path, why: why.to_string() }),
        }
    }

    /// Whether it is of this start of the machine.
    #[must_use]
    pub fn is_of_this_start(&self, root: &Root) -> bool {
        self.boot_id == boot_id(root)
    }

    /// Puts it on stable storage, whole or not at all.
    pub(super) fn save(&self, root: &Root) -> Result<(), ChangeError> {
        let failed = |source| ChangeError::Record { path: root.join(FILE), source };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        let write = || {
            let mut next = File::create(root.join(NEXT))?;
            next.write_all(text.as_bytes())?;
            next.sync_all()?;
            fs::rename(root.join(NEXT), root.join(FILE))?;
            File::open(root.join(FOLDER))?.sync_all()
        };
        write().map_err(failed)
    }

    /// Removes it.
    pub(super) fn remove(root: &Root) -> Result<(), ChangeError> {
        let path = root.join(FILE);
        fs::remove_file(&path).map_err(|source| ChangeError::Record { path, source })
    }
}

/// Held while the machine is being changed.
pub(super) struct Lock {
    _folder: File,
}

impl Lock {
    /// Takes it, and makes the record's folder.
    pub(super) fn take(root: &Root) -> Result<Self, ChangeError> {
        let path: PathBuf = root.join(FOLDER);
        let open = || {
            fs::create_dir_all(&path)?;
            File::open(&path)
        };
        let folder = open().map_err(|source| ChangeError::Record { path: path.clone(), source })?;
        match folder.try_lock() {
            Ok(()) => Ok(Self { _folder: folder }),
            Err(fs::TryLockError::WouldBlock) => Err(ChangeError::Busy(path)),
            Err(fs::TryLockError::Error(source)) => Err(ChangeError::Record { path, source }),
        }
    }
}

/// Which start of the machine this is; empty where the kernel does not tell, and then all starts are one.
fn boot_id(root: &Root) -> String {
    root.read(BOOT_ID).unwrap_or_default()
}
