//! The files below redb, and what is written to them: bytes and syncs are counted where they reach the file system, so the metrics
//! show what a block really costs the disk.

use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{BackendError, Database, StorageBackend};
use tracing::warn;

use super::StoreError;
use crate::edges::metrics::names;

/// Opens a database file, creating it if there is none; `label` is its name in metrics and logs. A file left by a crash is repaired
/// first, to its last durable commit; that is logged.
pub(super) fn open(path: &Path, cache_bytes: usize, label: &'static str) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    builder.set_repair_callback(move |session| {
        if session.progress() == 0.0 {
            warn!(file = label, "the file was not closed in order: repairing it, what is missing is made again");
        }
    });
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = file.map_err(|e| StoreError::sort(path, redb::Error::Io(e)))?;
    metrics::gauge!(names::STORE_BYTES, "file" => label).set(file.metadata().map_or(0.0, |meta| meta.len() as f64));
    let file = FileBackend::new(file).map_err(|e| StoreError::sort(path, e))?;
    builder.create_with_backend(Counted { file, label }).map_err(|e| StoreError::sort(path, e))
}

#[derive(Debug)]
struct Counted {
    file: FileBackend,
    label: &'static str,
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        metrics::gauge!(names::STORE_BYTES, "file" => self.label).set(len as f64);
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        metrics::counter!(names::STORE_SYNCS, "file" => self.label).increment(1);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        metrics::counter!(names::STORE_WRITTEN, "file" => self.label).increment(data.len() as u64);
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
