//! Computes state roots at batch boundaries, beside the keeper, on snapshots of the store.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use alloy_primitives::B256;

use crate::edges::store::{StoreError, StoreReader};

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

/// The thread, and the way to it. Ends when dropped, after what it has begun.
pub(super) struct RootWorker {
    jobs: Option<SyncSender<RootJob>>,
    thread: Option<JoinHandle<()>>,
}

impl RootWorker {
    /// Starts the thread; `done` gets every result in the order of the jobs, on that thread.
    pub(super) fn start(done: impl Fn(Result<BatchRoot, StoreError>) + Send + 'static) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel::<RootJob>(ROOTS_WAITING);
        let thread = Builder::new().name("state-root".into()).spawn(move || run(&queue, done))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands over a job; waits while [`ROOTS_WAITING`] are there already. `false` if the thread is gone.
    pub(super) fn submit(&self, job: RootJob) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok())
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

fn run(queue: &Receiver<RootJob>, done: impl Fn(Result<BatchRoot, StoreError>)) {
    while let Ok(RootJob { reader, hash }) = queue.recv() {
        let root = reader.compute_root();
        done(root.map(|root| BatchRoot { block: reader.height(), hash, root }));
    }
}
