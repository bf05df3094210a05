//! Appending: the user's end, and the thread that commits in groups.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use horae_runtime::wake::BoundParker;
use horae_runtime::{Consumer, Parker, Producer, Waker, ring};

use super::disk::{Disk, DiskError};
use super::error::{AppendError, JournalError, is_full};
use super::lock::DirLock;
use super::{
    Durable, GROUP_BYTES, Lsn, Options, PAYLOAD_BYTES_MAX, Record, State, WAITING_BYTES_MAX, WAITING_RECORDS_MAX,
};
use super::{record, segment};
use crate::edges::metrics::names;

/// What file systems write at once.
const PAGE_BYTES: u64 = 4_096;

/// The one way to append to a journal. Dropping it writes what waits and lets go of the directory.
pub struct JournalWriter {
    state: Arc<State>,
    ring: Option<Producer<Record>>,
    waker: Waker,
    next: u64,
    thread: Option<JoinHandle<()>>,
}

impl JournalWriter {
    pub(super) fn start(
        state: Arc<State>,
        options: Options,
        lock: DirLock,
        next: u64,
        chain: u32,
        backend: impl FnOnce() -> Box<dyn Disk> + Send + 'static,
    ) -> Result<Self, JournalError> {
        let parker = Parker::new();
        let waker = parker.waker();
        let (producer, consumer) = ring(WAITING_RECORDS_MAX, parker.waker());
        let base = state.bases.read().last().copied().unwrap_or(next);
        let file = segment::open(&state.dir, base)?;
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
            if let Some(core) = options.core
                && let Err(error) = horae_runtime::pin::pin_current_thread(core)
            {
                tracing::warn!(%error, "the journal runs unpinned");
                metrics::counter!("horae_unpinned_total", "thread" => "journal").increment(1);
            }
            let mut disk = backend();
            disk.turn_to(file);
            let committer = Committer {
                state: Arc::clone(&shared),
                ring: consumer,
                disk,
                segment_bytes: options.segment_bytes,
                base,
                next,
                chain,
                buffer: Vec::new(),
            };
            let parker = parker.bind();
            let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| committer.run(&parker)));
            let failure = match ran {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
                Err(panic) => Some(JournalError::Died(horae_runtime::crew::message_of(panic.as_ref()))),
            };
            if let Some(error) = failure {
                tracing::error!(%error, "the journal has stopped");
                metrics::counter!("horae_journal_failures_total").increment(1);
                shared.failure.get_or_init(|| Arc::new(error));
                shared.durable.nudge();
            }
            drop(lock);
        });
        let path = &state.dir;
        let thread = thread.map_err(JournalError::io("start a thread for", path))?;
        Ok(Self { state, ring: Some(producer), waker, next, thread: Some(thread) })
    }

    /// Hands `records` to the journal, all or none, without waiting; they are durable once [`Durable::lsn`] has
    /// reached the position returned, which is the end of the last of them.
    ///
    /// # Errors
    /// [`AppendError`]; none of the records was taken then.
    pub fn append(&mut self, records: &[Record]) -> Result<Lsn, AppendError> {
        if let Some(failure) = self.state.failure.get() {
            return Err(AppendError::Stopped(Arc::clone(failure)));
        }
        if let Some(long) = records.iter().find(|record| record.payload.len() > PAYLOAD_BYTES_MAX) {
            return Err(AppendError::TooLong { bytes: long.payload.len(), max: PAYLOAD_BYTES_MAX });
        }
        if records.len() > WAITING_RECORDS_MAX {
            return Err(AppendError::TooMany { records: records.len(), max: WAITING_RECORDS_MAX });
        }
        let waiting_bytes = self.next - self.state.durable.get();
        let bytes: u64 = records.iter().map(|record| record::record_bytes(&record.payload)).sum();
        let Some(ring) = &mut self.ring else { return Err(AppendError::Busy { waiting_bytes }) };
        let over = waiting_bytes > 0 && waiting_bytes + bytes > WAITING_BYTES_MAX;
        if over || ring.room() < records.len() {
            return Err(AppendError::Busy { waiting_bytes });
        }
        // There is room for all, and only this end can take it.
        ring.push_burst(records.iter().cloned());
        self.next += bytes;
        Ok(Lsn(self.next))
    }

    /// Where the next record will begin.
    #[must_use]
    pub fn next(&self) -> Lsn {
        Lsn(self.next)
    }

    /// The durable mark, to hand to those who wait for it.
    #[must_use]
    pub fn durable(&self) -> Durable {
        Durable { state: Arc::clone(&self.state) }
    }

    /// Lets go of segments that lie wholly below `lsn`, in the background. The newest segment always stays.
    pub fn prune_below(&self, lsn: Lsn) {
        if self.state.prune.raise(lsn.0) {
            self.waker.wake();
        }
    }

    /// Writes what waits, stops the thread, and says how far the journal got.
    ///
    /// # Errors
    /// Why it stopped before the end.
    pub fn close(mut self) -> Result<Lsn, Arc<JournalError>> {
        self.finish();
        match self.state.failure.get() {
            Some(failure) => Err(Arc::clone(failure)),
            None => Ok(Lsn(self.state.durable.get())),
        }
    }

    fn finish(&mut self) {
        drop(self.ring.take());
        if let Some(thread) = self.thread.take() {
            // Its panics are caught and kept as the failure.
            let _ = thread.join();
        }
    }
}

impl Drop for JournalWriter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Bytes of the pages that a write touches: what the disk writes, for a page that is begun is written again with the next group.
pub(super) fn page_bytes(offset: u64, bytes: u64) -> u64 {
    ((offset + bytes).div_ceil(PAGE_BYTES) - offset / PAGE_BYTES) * PAGE_BYTES
}

/// The journal's thread.
struct Committer {
    state: Arc<State>,
    ring: Consumer<Record>,
    disk: Box<dyn Disk>,
    segment_bytes: u64,
    base: u64,
    next: u64,
    chain: u32,
    buffer: Vec<u8>,
}

impl Committer {
    fn run(mut self, parker: &BoundParker) -> Result<(), JournalError> {
        loop {
            self.prune()?;
            if self.commit_group()? {
                continue;
            }
            if self.ring.is_abandoned() && self.ring.is_empty() {
                return Ok(());
            }
            parker.park_unless(None, || !self.ring.is_empty() || self.ring.is_abandoned() || self.prunable() > 0);
        }
    }

    /// Commits all that waits, up to the size of a group; false if nothing did.
    fn commit_group(&mut self) -> Result<bool, JournalError> {
        let group = self.next;
        let (mut records, mut payload_bytes) = (0, 0);
        self.buffer.clear();
        while self.buffer.len() < GROUP_BYTES {
            let Some(record) = self.ring.pop() else { break };
            let lsn = group + self.buffer.len() as u64;
            records += 1;
            payload_bytes += record.payload.len() as u64;
            self.chain = record::encode(record.kind, &record.payload, lsn, group, self.chain, &mut self.buffer);
        }
        if self.buffer.is_empty() {
            return Ok(false);
        }
        let bytes = self.buffer.len() as u64;
        let began = Instant::now();
        let offset = segment::offset(self.base, group);
        self.disk.write_and_sync(&self.buffer, offset).map_err(|error| self.stop_reason(error))?;
        metrics::histogram!(names::JOURNAL_COMMIT_SECONDS).record(began.elapsed().as_secs_f64());
        metrics::counter!(names::JOURNAL_GROUPS).increment(1);
        metrics::counter!(names::JOURNAL_RECORDS).increment(records);
        metrics::counter!(names::JOURNAL_PAYLOAD_BYTES).increment(payload_bytes);
        metrics::counter!(names::JOURNAL_BYTES).increment(bytes);
        metrics::counter!(names::JOURNAL_PAGE_BYTES).increment(page_bytes(offset, bytes));
        self.next = group + bytes;
        self.state.durable.raise(self.next);
        if self.next - self.base >= self.segment_bytes {
            self.roll()?;
        }
        Ok(true)
    }

    /// Begins a new segment. Only between groups, when everything in the old one is durable.
    fn roll(&mut self) -> Result<(), JournalError> {
        let file = segment::create(&self.state.dir, self.next, self.chain)?;
        self.disk.turn_to(file);
        self.base = self.next;
        let mut bases = self.state.bases.latest().to_vec();
        bases.push(self.base);
        self.state.bases.set(bases);
        Ok(())
    }

    /// How many segments lie wholly below the prune mark.
    fn prunable(&self) -> usize {
        let mark = self.state.prune.get().min(self.next);
        let bases = self.state.bases.read();
        bases.iter().skip(1).take_while(|&&end| end <= mark).count()
    }

    fn prune(&self) -> Result<(), JournalError> {
        let count = self.prunable();
        if count == 0 {
            return Ok(());
        }
        let bases = self.state.bases.latest();
        let (old, kept) = bases.split_at(count);
        self.state.bases.set(kept.to_vec());
        // Oldest first, so that a crash in between leaves an unbroken rest.
        for &base in old {
            segment::remove(&self.state.dir, base)?;
        }
        segment::sync_dir(&self.state.dir)
    }

    fn stop_reason(&self, error: DiskError) -> JournalError {
        let file = segment::path(&self.state.dir, self.base);
        match error {
            DiskError::Write(source) | DiskError::Sync(source) if is_full(&source) => {
                JournalError::DiskFull { dir: self.state.dir.clone(), source }
            }
            DiskError::Write(source) => JournalError::Io { action: "write to", path: file, source },
            DiskError::Sync(source) => JournalError::Sync { file, source },
        }
    }
}
