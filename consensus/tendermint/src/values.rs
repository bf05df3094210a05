//! The bytes of the values seen in the height in progress.
//!
//! The engine's write-ahead log knows values by hash only. A value's bytes are on disk here before the engine may vote for it, so that a
//! restarted node can still deliver what it helped to decide.

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;

use crate::{StartError, context::ValueHash, records::RecordFile};

const MAGIC: [u8; 8] = *b"HORAEPL1";

/// Values of the height in progress, in memory and on disk.
#[derive(Debug)]
pub(crate) struct Values {
    log: Mutex<RecordFile>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    height: u64,
    values: HashMap<ValueHash, Bytes>,
}

impl Values {
    /// Opens or creates the file and loads the values of `height`, the height in progress.
    ///
    /// # Errors
    /// [`StartError::File`] or [`StartError::LogCorrupt`].
    pub(crate) fn open(path: &Path, height: u64) -> Result<Self, StartError> {
        let mut held = Held { height, values: HashMap::new() };
        let log = RecordFile::open(path, MAGIC, |_, body| {
            let (at, value): (u64, Vec<u8>) =
                borsh::from_slice(&body).map_err(|e| format!("a record does not decode: {e}"))?;
            if at == height {
                held.values.insert(ValueHash::of(&value), value.into());
            }
            Ok(())
        })?;
        Ok(Self { log: Mutex::new(log), held: Mutex::new(held) })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Stores a value of `height` and returns its hash; does nothing if that height is over. Blocks on the disk.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn put(&self, height: u64, value: &Bytes) -> io::Result<ValueHash> {
        let hash = ValueHash::of(value);
        let mut log = self.log.lock().unwrap_or_else(|e| e.into_inner());
        {
            let held = self.held();
            if held.height != height || held.values.contains_key(&hash) {
                return Ok(hash);
            }
        }
        log.append(&borsh::to_vec(&(height, &value[..]))?)?;
        self.held().values.insert(hash, value.clone());
        Ok(hash)
    }

    /// A value of the height in progress.
    pub(crate) fn get(&self, hash: &ValueHash) -> Option<Bytes> {
        self.held().values.get(hash).cloned()
    }

    /// Forgets the values of earlier heights. Blocks on the disk.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn begin(&self, height: u64) -> io::Result<()> {
        let mut log = self.log.lock().unwrap_or_else(|e| e.into_inner());
        let mut held = self.held();
        if held.height == height {
            return Ok(());
        }
        *held = Held { height, values: HashMap::new() };
        log.clear()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn values_of_the_height_survive_a_restart_and_only_they() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("proposals.log");
        let values = Values::open(&path, 4).unwrap();
        let old = values.put(4, &Bytes::from_static(b"old")).unwrap();
        assert!(values.get(&old).is_some());
        values.begin(5).unwrap();
        assert!(values.get(&old).is_none());
        let new = values.put(5, &Bytes::from_static(b"new")).unwrap();
        let late = values.put(4, &Bytes::from_static(b"late")).unwrap();
        drop(values);

        let values = Values::open(&path, 5).unwrap();
        assert_eq!(values.get(&new), Some(Bytes::from_static(b"new")));
        assert!(values.get(&old).is_none() && values.get(&late).is_none());
        drop(values);
        assert!(Values::open(&path, 6).unwrap().get(&new).is_none());
    }
}
