//! Computes state roots at batch boundaries, beside the keeper: on snapshots of the store, into the state trie, which is this thread's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use alloy_primitives::B256;
use tracing::warn;

use crate::edges::metrics::names;
use crate::edges::store::{RootWork, StateTrie, StoreError, StoreReader};

/// Roots that may wait to be computed. The keeper waits beyond it: the state must not run away from the roots.
pub(super) const ROOTS_WAITING: usize = 4;

/// The state root after the last block of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRoot {
    /// Height of the block.
    pub block: u64,
    /// Its hash.
    pub hash: B256,
    /// Root of the state after it.
    pub root: B256,
}

/// A batch's last block, and the store as it was right after it.
pub(super) struct RootJob {
    pub(super) reader: Arc<StoreReader>,
    pub(super) hash: B256,
}

enum Job {
    Root(RootJob),
    Sync,
}

/// The thread, and the way to it. Ends when dropped, after what it was given.
pub(super) struct RootWorker {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    durable: Arc<AtomicU64>,
}

impl RootWorker {
    /// Starts the thread on a trie; `done` gets every result in the order of the jobs, on that thread.
    pub(super) fn start(
        trie: StateTrie,
        done: impl Fn(Result<BatchRoot, StoreError>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(ROOTS_WAITING);
        let durable = trie.durable_mark();
        let thread = Builder::new().name("state-root".into()).spawn(move || run(trie, &queue, done))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), durable })
    }

    /// Hands over a job; waits while [`ROOTS_WAITING`] are there already, which is logged and counted. `false` if the thread is gone.
    pub(super) fn submit(&self, job: RootJob) -> bool {
        let Some(jobs) = &self.jobs else { return false };
        let job = match jobs.try_send(Job::Root(job)) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(job)) => job,
        };
        metrics::counter!(names::STATE_ROOT_STALLS).increment(1);
        let began = Instant::now();
        let sent = jobs.send(job).is_ok();
        warn!(seconds = began.elapsed().as_secs_f64(), "committed blocks waited for {ROOTS_WAITING} state roots");
        sent
    }

    /// Has the trie made durable where it stands, after what was handed over before. Left out while the queue is full.
    pub(super) fn sync(&self) {
        if let Some(jobs) = &self.jobs {
            // The next flush asks again; a thread that is gone is found at the next root.
            let _ = jobs.try_send(Job::Sync);
        }
    }

    /// Height whose trie a crash would leave.
    pub(super) fn durable_height(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }
}

impl Drop for RootWorker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut trie: StateTrie, queue: &Receiver<Job>, done: impl Fn(Result<BatchRoot, StoreError>)) {
    while let Ok(job) = queue.recv() {
        match job {
            Job::Root(RootJob { reader, hash }) => {
                let began = Instant::now();
                let work = trie.root_at(&reader);
                if let Ok(work) = &work {
                    count(work, began);
                }
                done(work.map(|work| BatchRoot { block: reader.height(), hash, root: work.root }));
            }
            Job::Sync => {
                if let Err(error) = trie.sync() {
                    done(Err(error));
                }
            }
        }
    }
}

fn count(work: &RootWork, began: Instant) {
    metrics::histogram!(names::STATE_ROOT_SECONDS).record(began.elapsed().as_secs_f64());
    metrics::counter!(names::STATE_ROOT_KEYS).increment(work.keys);
    metrics::counter!(names::STATE_ROOT_BRANCHES).increment(work.branches);
    if let Some(why) = work.rebuilt {
        metrics::counter!(names::STATE_ROOT_REBUILDS, "why" => why.label()).increment(1);
    }
}
