//! Reading records from any position, at start and for peers that catch up, while the journal goes on growing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::error::JournalError;
use super::record::{self, HEADER_BYTES, Head};
use super::{Durable, Entry, Lsn, Record, State, segment};

/// Bytes that a reader asks the disk for at a time.
const READ_AHEAD_BYTES: u64 = 256 * 1024;

/// Opens readings of a journal. Clones share it; it may outlive the writer.
#[derive(Clone)]
pub struct JournalReader {
    state: Arc<State>,
}

impl JournalReader {
    pub(super) fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// The oldest record that is kept.
    #[must_use]
    pub fn first(&self) -> Lsn {
        Lsn(self.state.bases.read().first().copied().unwrap_or_default())
    }

    /// The durable mark.
    #[must_use]
    pub fn durable(&self) -> Durable {
        Durable { state: Arc::clone(&self.state) }
    }

    /// Reads from the record that begins at `lsn` on. `lsn` may be the durable end: then the reading begins empty.
    ///
    /// # Errors
    /// [`JournalError::Pruned`] or [`JournalError::NoRecord`] when there is nothing to read from there.
    pub fn read_from(&self, lsn: Lsn) -> Result<Records, JournalError> {
        let mut records = Records {
            state: Arc::clone(&self.state),
            next: lsn.0,
            chain: None,
            segment: None,
            window: Vec::new(),
            window_lsn: 0,
            failed: false,
        };
        let end = self.state.durable.get();
        if lsn.0 > end {
            return Err(JournalError::NoRecord { lsn: lsn.0, end });
        }
        if lsn.0 < self.first().0 {
            return Err(JournalError::Pruned { lsn: lsn.0, first: self.first().0 });
        }
        // Whether a record begins there shows now, not at the first look.
        if lsn.0 < end {
            records.head(end).map_err(|error| match error {
                JournalError::Corrupt { .. } => JournalError::NoRecord { lsn: lsn.0, end },
                other => other,
            })?;
        }
        Ok(records)
    }
}

/// A reading, oldest record first. `None` means that it has caught up with the durable mark: more may come later, so ask
/// again when the mark has risen.
pub struct Records {
    state: Arc<State>,
    next: u64,
    chain: Option<u32>,
    segment: Option<Segment>,
    window: Vec<u8>,
    window_lsn: u64,
    failed: bool,
}

struct Segment {
    base: u64,
    file: File,
}

impl Records {
    /// Where the next record begins.
    #[must_use]
    pub fn position(&self) -> Lsn {
        Lsn(self.next)
    }

    fn advance(&mut self, durable: u64) -> Result<Entry, JournalError> {
        let head = self.head(durable)?;
        let payload = self.bytes_at(head.lsn + HEADER_BYTES as u64, head.payload_bytes);
        let record = Record { kind: head.kind, payload: Bytes::copy_from_slice(payload) };
        self.next = head.end();
        self.chain = Some(head.crc);
        Ok(Entry { lsn: Lsn(head.lsn), end: Lsn(head.end()), record })
    }

    /// Brings the whole record at `next` into the window and checks it.
    fn head(&mut self, durable: u64) -> Result<Head, JournalError> {
        let segment_end = self.enter_segment(durable)?;
        self.fill(HEADER_BYTES as u64, segment_end)?;
        let wanted = record::peek_bytes(self.rest()).unwrap_or(HEADER_BYTES);
        self.fill(wanted as u64, segment_end)?;
        let head = record::decode(self.rest(), self.next).map_err(|flaw| self.corrupt(&flaw))?;
        if self.chain.is_some_and(|chain| chain != head.previous) {
            return Err(self.corrupt(&record::Flaw::Chain));
        }
        Ok(head)
    }

    /// Opens the segment that holds `next`, unless it is open, and says where its durable records end.
    fn enter_segment(&mut self, durable: u64) -> Result<u64, JournalError> {
        let bases = self.state.bases.latest();
        let index = bases.partition_point(|&base| base <= self.next);
        let segment_end = bases.get(index).copied().unwrap_or(durable).min(durable);
        let Some(&base) = index.checked_sub(1).and_then(|index| bases.get(index)) else {
            return Err(self.pruned());
        };
        if self.segment.as_ref().is_none_or(|open| open.base != base) {
            let path = segment::path(&self.state.dir, base);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.pruned()),
                Err(error) => return Err(JournalError::io("open", &path)(error)),
            };
            self.segment = Some(Segment { base, file });
            self.window.clear();
        }
        Ok(segment_end)
    }

    /// Makes the window hold at least `bytes` from `next` on, as far as the segment goes.
    fn fill(&mut self, bytes: u64, segment_end: u64) -> Result<(), JournalError> {
        let wanted = (self.next + bytes).min(segment_end);
        if self.next >= self.window_lsn && wanted <= self.window_lsn + self.window.len() as u64 {
            return Ok(());
        }
        let Some(segment) = &self.segment else { return Err(self.pruned()) };
        let read = bytes.max(READ_AHEAD_BYTES).min(segment_end.saturating_sub(self.next));
        self.window.resize(read as usize, 0);
        self.window_lsn = self.next;
        let path = || segment::path(&self.state.dir, segment.base);
        match segment.file.read_exact_at(&mut self.window, segment::offset(segment.base, self.next)) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.window.clear();
                if error.kind() == io::ErrorKind::UnexpectedEof {
                    let offset = segment::offset(segment.base, self.next);
                    let flaw = "it is shorter than what was written to it".to_owned();
                    return Err(JournalError::Corrupt { file: path(), offset, flaw });
                }
                Err(JournalError::io("read", &path())(error))
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes_from(self.next)
    }

    fn bytes_from(&self, lsn: u64) -> &[u8] {
        lsn.checked_sub(self.window_lsn).and_then(|at| self.window.get(at as usize..)).unwrap_or_default()
    }

    fn bytes_at(&self, lsn: u64, bytes: usize) -> &[u8] {
        self.bytes_from(lsn).get(..bytes).unwrap_or_default()
    }

    fn pruned(&self) -> JournalError {
        JournalError::Pruned { lsn: self.next, first: self.state.bases.read().first().copied().unwrap_or_default() }
    }

    fn corrupt(&self, flaw: &record::Flaw) -> JournalError {
        let base = self.segment.as_ref().map_or(0, |segment| segment.base);
        let file = segment::path(&self.state.dir, base);
        JournalError::Corrupt { file, offset: segment::offset(base, self.next), flaw: flaw.to_string() }
    }
}

impl Iterator for Records {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let durable = self.state.durable.get();
        if self.failed || self.next >= durable {
            return None;
        }
        let entry = self.advance(durable);
        self.failed = entry.is_err();
        Some(entry)
    }
}
