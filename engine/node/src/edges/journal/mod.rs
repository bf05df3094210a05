//! The block journal: the truth that a node restarts from.
//!
//! Append-only segments of length-prefixed, checksummed records, each of which covers the checksum of the one before.
//! Appends go through a bounded ring to a thread of its own, which writes all that waits as one *group*, syncs it, and
//! raises the `durable` mark: group commit.
//!
//! Positions are [`Lsn`]s: bytes of records since the first record ever. A record's own position, and the position at
//! which its group begins, are part of it. A group is written only after the one before it is on the disk, so a flaw below the
//! beginning of a later group was durable once: that is corruption, and an error. A flaw with nothing of a later
//! group above it is a torn last write: nothing of it was ever reported durable, and it is cut.
//! (A durable last group that rots, or a tail lost at a record's very end, cannot be told from this by the journal alone.)
//!
//! ```text
//! <dir>/lock                          held while a node runs on the directory
//! <dir>/<base, 20 digits>.journal     segment header, then records; base is the position of its first record
//! ```

mod disk;
mod error;
mod lock;
mod reader;
mod record;
mod scan;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use horae_runtime::{Cell, Marker, Waker};

pub use error::{AppendError, JournalError};
pub use reader::{JournalReader, Records};
pub use scan::TornTail;
pub use writer::JournalWriter;

/// The longest payload of a record, bytes: above any block.
pub const PAYLOAD_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A segment that has reached this many bytes gets a successor, by default.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Records that may wait to be written.
pub const WAITING_RECORDS_MAX: usize = 16 * 1024;

/// Bytes that may wait to be written; a single larger append is taken when nothing waits.
pub const WAITING_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A group closes once it has this many bytes.
pub const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// A position in the journal: bytes of records, their headers included, since the first record ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What is appended: the journal looks at neither part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the payload is; the user's numbering.
    pub kind: u8,
    /// At most [`PAYLOAD_BYTES_MAX`]. Cloning it copies no bytes.
    pub payload: Bytes,
}

impl Record {
    /// Bytes that the record takes in the journal.
    #[must_use]
    pub fn journal_bytes(&self) -> u64 {
        record::record_bytes(&self.payload)
    }
}

/// A record and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the record begins; [`JournalReader::read_from`] finds it there.
    pub lsn: Lsn,
    /// Where it ends and the next begins: it is durable once the durable mark is here.
    pub end: Lsn,
    /// The record.
    pub record: Record,
}

/// How to run a journal.
#[derive(Clone, Debug)]
pub struct Options {
    /// See [`SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// Core to bind the journal's thread to, if any.
    pub core: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, core: None }
    }
}

/// What was found on opening.
pub struct Opened {
    /// Reads records from any position, now and while the journal grows. Clone it freely.
    pub reader: JournalReader,
    /// The oldest record that is kept.
    pub first: Lsn,
    /// The end of the last record.
    pub end: Lsn,
    /// A last write that had not reached the disk whole, and was cut. Say so to the user.
    pub torn: Option<TornTail>,
}

impl Opened {
    /// All records, oldest first.
    ///
    /// # Errors
    /// As [`JournalReader::read_from`].
    pub fn records(&self) -> Result<Records, JournalError> {
        self.reader.read_from(self.first)
    }
}

/// The way to open a journal.
pub struct Journal;

impl Journal {
    /// Opens the journal in `dir`, or begins one there: takes the lock, checks every record, cuts a torn last write, and
    /// starts the journal's thread.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another node runs on it, [`JournalError::Corrupt`] if records that were durable
    /// are not as they were, or what the disk says.
    pub fn open(dir: impl Into<PathBuf>, options: Options) -> Result<(Opened, JournalWriter), JournalError> {
        Self::open_with(dir.into(), options, disk::files)
    }

    /// Checks the journal in `dir` without changing it: where it begins and ends, and a torn last write, which opening would cut.
    ///
    /// # Errors
    /// As [`open`](Self::open), without the lock.
    pub fn check(dir: &Path) -> Result<(Lsn, Lsn, Option<TornTail>), JournalError> {
        let scanned = scan::scan(dir)?;
        Ok((Lsn(scanned.bases.first().copied().unwrap_or(0)), Lsn(scanned.end), scanned.torn))
    }

    fn open_with(
        dir: PathBuf,
        options: Options,
        backend: impl FnOnce() -> Box<dyn disk::Disk> + Send + 'static,
    ) -> Result<(Opened, JournalWriter), JournalError> {
        std::fs::create_dir_all(&dir).map_err(JournalError::io("create", &dir))?;
        let lock = lock::DirLock::take(&dir)?;
        let scanned = scan::scan(&dir)?;
        scan::repair(&dir, &scanned)?;
        if let Some(torn) = &scanned.torn {
            tracing::warn!(file = %torn.file.display(), offset = torn.offset, bytes = torn.bytes, "journal: a torn last write was cut");
            metrics::counter!("horae_journal_torn_tails_total").increment(1);
        }
        let mut bases = scanned.bases.clone();
        if bases.is_empty() {
            segment::create(&dir, scanned.end, scanned.chain)?;
            bases.push(scanned.end);
        }
        let first = bases.first().copied().unwrap_or(scanned.end);
        let state = Arc::new(State {
            dir,
            durable: Marker::new(scanned.end),
            prune: Marker::new(first),
            bases: Cell::new(bases),
            failure: OnceLock::new(),
        });
        let writer = JournalWriter::start(Arc::clone(&state), options, lock, scanned.end, scanned.chain, backend)?;
        let opened =
            Opened { reader: JournalReader::new(state), first: Lsn(first), end: Lsn(scanned.end), torn: scanned.torn };
        Ok((opened, writer))
    }
}

/// What the journal's thread shares with its users.
struct State {
    dir: PathBuf,
    durable: Marker,
    prune: Marker,
    /// Positions at which the segments on disk begin, ascending, never empty.
    bases: Cell<Vec<u64>>,
    failure: OnceLock<Arc<JournalError>>,
}

/// How far the journal is on disk, for whoever must wait for it. Clones share it.
#[derive(Clone)]
pub struct Durable {
    state: Arc<State>,
}

impl Durable {
    /// Everything below this position is on stable storage.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        Lsn(self.state.durable.get())
    }

    /// Why the journal has stopped, if it has: the mark will not rise any more.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<JournalError>> {
        self.state.failure.get().cloned()
    }

    /// Wakes `waker` whenever the mark rises, and when the journal stops.
    pub fn watch(&self, waker: &Waker) {
        self.state.durable.watch(waker);
    }
}
