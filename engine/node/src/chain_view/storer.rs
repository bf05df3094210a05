//! The thread that writes the store: what the keeper has it write, in order; state roots where batches end; once in a while all of it
//! durable and found by hash. A sync takes a tenth of a second and more where disk and cores are shared, and nobody but this thread
//! waits for it.

use std::sync::Arc;
use std::sync::mpsc::{self, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use horae_stages::rules::ends_batch;
use horae_stages::{BlockChanges, ChainParams};
use tracing::debug;

use super::BatchRecord;
use super::keeper::KeeperError;
use super::root_worker::{BatchRoot, ROOTS_WAITING, RootJob, RootWorker};
use super::snapshot::ViewedBlock;
use crate::edges::metrics::names;
use crate::edges::store::{CommittedBlock, Finality, StateTrie, Store, StoreError, StoreReader};

/// Jobs that may wait. The keeper has blocks written one job at a time; the others are news of batches.
const JOBS_WAITING: usize = 64;
/// Reports that may wait: more than one for each job, and one for each flush, that come between two looks of the keeper.
const REPORTS_WAITING: usize = 512;
/// When the store is due to be made durable and state roots are under way, jobs wait for them so long at most.
const REST_MAX: Duration = Duration::from_millis(500);
/// How often it is seen meanwhile whether it is over.
const REST_LOOK: Duration = Duration::from_millis(5);

/// Committed blocks in order, the last of which may end a batch.
pub(super) struct Run {
    pub(super) blocks: Vec<Arc<ViewedBlock>>,
    /// What shows them committed.
    pub(super) proofs: Vec<Finality>,
    pub(super) ends_batch: bool,
}

pub(super) enum Job {
    Blocks(Vec<Run>),
    Accepted(Arc<BatchRecord>),
    Dropped { from: u64 },
    Final { batch: u64 },
}

/// What a job came to; one for each, in order, and one whenever the store has indexed what it holds.
pub(super) enum Done {
    /// Blocks up to `number`, with what undoes each.
    Stored {
        number: u64,
        undone: Vec<Arc<BlockChanges>>,
    },
    /// Transactions of blocks up to `number` are found by hash.
    Indexed {
        number: u64,
    },
    Accepted(Arc<BatchRecord>),
    /// The highest batch that is left.
    Dropped {
        last: Option<Arc<BatchRecord>>,
    },
    Final {
        last_block: u64,
    },
    Nothing,
}

/// The same, with the store as it was then.
pub(super) struct Report {
    pub(super) reader: Arc<StoreReader>,
    pub(super) done: Done,
}

/// How the store is kept.
pub(super) struct Storing {
    pub(super) flush_interval_ms: u64,
    pub(super) kept_blocks: u64,
}

/// The thread, and the ways to and from it. Ends when dropped, after what it was given.
pub(super) struct Storer {
    jobs: Option<Sender<Job>>,
    reports: Receiver<Result<Report, KeeperError>>,
    thread: Option<JoinHandle<()>>,
}

impl Storer {
    /// Starts it; `on_root` is told every state root, on another thread.
    pub(super) fn start(
        store: Store,
        trie: StateTrie,
        storing: Storing,
        params: ChainParams,
        on_root: impl Fn(BatchRoot) + Send + 'static,
    ) -> Result<Self, KeeperError> {
        let (results, roots) = sync_channel(ROOTS_WAITING + 2);
        let worker = RootWorker::start(trie, move |result| {
            if let Ok(root) = &result {
                on_root(*root);
            }
            // Results are taken before every job is submitted, so there is room; the receiver is gone only when the node stops.
            let _ = results.send(result);
        })
        .map_err(KeeperError::Thread)?;
        let (jobs, queue) = bounded(JOBS_WAITING);
        let (reports, reported) = bounded(REPORTS_WAITING);
        let mut body = Body {
            store,
            storing,
            params,
            worker,
            roots,
            roots_under_way: 0,
            forgotten: 0,
            unindexed: Vec::new(),
            reports,
        };
        let run = move || {
            if let Err(why) = body.work(&queue) {
                // A keeper that is gone has stopped the node.
                let _ = body.reports.send(Err(why));
            }
        };
        let thread = Builder::new().name("store".into()).spawn(run).map_err(KeeperError::Thread)?;
        Ok(Self { jobs: Some(jobs), reports: reported, thread: Some(thread) })
    }

    /// Hands over a job; waits while [`JOBS_WAITING`] are there already.
    pub(super) fn submit(&self, job: Job) -> Result<(), KeeperError> {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err(KeeperError::StorerGone) }
    }

    /// What jobs came to, or why there are no more.
    pub(super) fn reports(&self) -> &Receiver<Result<Report, KeeperError>> {
        &self.reports
    }

    /// No more jobs come: it makes everything durable, reports what is left, and ends.
    pub(super) fn close(&mut self) {
        self.jobs = None;
    }
}

impl Drop for Storer {
    fn drop(&mut self) {
        self.jobs = None;
        // Reports that nobody takes must not hold it up.
        while self.reports.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What runs on the thread.
struct Body {
    store: Store,
    storing: Storing,
    params: ChainParams,
    worker: RootWorker,
    roots: mpsc::Receiver<Result<BatchRoot, StoreError>>,
    roots_under_way: usize,
    /// Height up to which what blocks changed is forgotten.
    forgotten: u64,
    /// Blocks stored since their transactions were last indexed.
    unindexed: Vec<Arc<ViewedBlock>>,
    reports: Sender<Result<Report, KeeperError>>,
}

impl Body {
    fn work(&mut self, jobs: &Receiver<Job>) -> Result<(), KeeperError> {
        self.compute_missing_root()?;
        let flush_interval = Duration::from_millis(self.storing.flush_interval_ms);
        let mut flush_at = Instant::now() + flush_interval;
        loop {
            if self.rests(flush_at) {
                self.rest()?;
            } else {
                match jobs.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
                    Ok(job) => self.take(job)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return self.finish(),
                }
            }
            self.record_roots()?;
            if Instant::now() >= flush_at && !self.rests(flush_at) {
                self.flush()?;
                flush_at = Instant::now() + flush_interval;
            }
        }
    }

    /// The store should be made durable, which it cannot while roots are under way, and under load there is always one.
    fn rests(&self, flush_at: Instant) -> bool {
        self.roots_under_way > 0 && (flush_at..flush_at + REST_MAX).contains(&Instant::now())
    }

    fn rest(&mut self) -> Result<(), KeeperError> {
        match self.roots.recv_timeout(REST_LOOK) {
            Ok(result) => self.record_root(result?),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(KeeperError::RootWorkerGone),
        }
    }

    fn take(&mut self, job: Job) -> Result<(), KeeperError> {
        let done = match job {
            Job::Blocks(runs) => self.write(&runs)?,
            Job::Accepted(batch) => {
                self.store.record_batch(&batch)?;
                Done::Accepted(batch)
            }
            Job::Dropped { from } => {
                self.store.drop_batches(from)?;
                Done::Dropped { last: self.store.reader().last_batch()?.map(Arc::new) }
            }
            Job::Final { batch } => match self.store.reader().batch(batch)? {
                Some(record) => {
                    self.store.record_finalized(batch)?;
                    Done::Final { last_block: record.last_block }
                }
                None => Done::Nothing,
            },
        };
        self.report(done);
        Ok(())
    }

    /// Stopping after each block that ends a batch, to have its state root computed.
    fn write(&mut self, runs: &[Run]) -> Result<Done, KeeperError> {
        let mut undone = Vec::new();
        for run in runs {
            let committed = run.blocks.iter();
            let committed = committed
                .map(|b| CommittedBlock { block: b.executed.clone(), signature: b.signature })
                .collect::<Vec<_>>();
            undone.extend(self.store.apply(&committed, &run.proofs)?);
            self.unindexed.extend(run.blocks.iter().cloned());
            if let Some(last) = run.blocks.last().filter(|_| run.ends_batch) {
                self.compute_root(last.executed.hash)?;
            }
        }
        let number = self.store.stored_height();
        metrics::gauge!(names::STORE_HEIGHT).set(number as f64);
        Ok(Done::Stored { number, undone })
    }

    fn report(&self, done: Done) {
        // A keeper that is gone has stopped the node.
        let _ = self.reports.send(Ok(Report { reader: self.store.reader(), done }));
    }

    /// Has the root computed at the height where the store stands.
    fn compute_root(&mut self, hash: B256) -> Result<(), KeeperError> {
        self.record_roots()?;
        if !self.worker.submit(RootJob { reader: self.store.reader(), hash }) {
            return Err(KeeperError::RootWorkerGone);
        }
        self.roots_under_way += 1;
        metrics::gauge!(names::STATE_ROOTS_WAITING).set(self.roots_under_way as f64);
        Ok(())
    }

    /// A store that was filled without a keeper (by derivation, say) may end at a batch boundary without its root.
    fn compute_missing_root(&mut self) -> Result<(), KeeperError> {
        let reader = self.store.reader();
        let Some(header) = reader.header(reader.height())? else { return Ok(()) };
        if ends_batch(&header, &self.params) && reader.state_root(header.number)?.is_none() {
            self.compute_root(header.hash())?;
        }
        Ok(())
    }

    fn record_roots(&mut self) -> Result<(), KeeperError> {
        while let Ok(result) = self.roots.try_recv() {
            self.record_root(result?)?;
        }
        Ok(())
    }

    fn record_root(&mut self, root: BatchRoot) -> Result<(), KeeperError> {
        debug!(block = root.block, root = %root.root, "state root at a batch boundary");
        self.store.record_root(root.block, root.root)?;
        self.roots_under_way -= 1;
        metrics::gauge!(names::STATE_ROOTS_WAITING).set(self.roots_under_way as f64);
        Ok(())
    }

    /// Has the transactions of what was stored since the last time found by hash. Their blocks were in memory until now.
    fn index(&mut self) -> Result<(), KeeperError> {
        self.store.index(self.unindexed.iter().map(|block| block.executed.as_ref()))?;
        self.unindexed.clear();
        // Said though nothing is new: old blocks leave memory at the report after the one that names them.
        self.report(Done::Indexed { number: self.store.stored_height() });
        Ok(())
    }

    /// Not while a root is being computed: after a crash its block must be applied again, to compute it again.
    fn flush(&mut self) -> Result<(), KeeperError> {
        self.index()?;
        if self.roots_under_way > 0 {
            metrics::counter!(names::STORE_FLUSHES_DELAYED).increment(1);
            return Ok(());
        }
        self.store.flush()?;
        // Only now: the trie must not outlive a state that a crash takes back.
        self.worker.sync();
        self.forget_changed()?;
        self.store.prune(self.finalized()?.saturating_sub(self.storing.kept_blocks))?;
        metrics::gauge!(names::STORE_DURABLE_HEIGHT).set(self.store.durable_height() as f64);
        Ok(())
    }

    /// The last stored block whose batch is final on L1.
    fn finalized(&self) -> Result<u64, StoreError> {
        let reader = self.store.reader();
        let record = reader.finalized_batch()?.map(|index| reader.batch(index)).transpose()?.flatten();
        Ok(record.map_or(0, |record| record.last_block.min(reader.height())))
    }

    fn forget_changed(&mut self) -> Result<(), KeeperError> {
        let durable = self.worker.durable_height();
        if durable > self.forgotten {
            self.store.forget_changed(durable)?;
            self.forgotten = durable;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), KeeperError> {
        while self.roots_under_way > 0 {
            let result = self.roots.recv().map_err(|_| KeeperError::RootWorkerGone)?;
            self.record_root(result?)?;
        }
        self.index()?;
        self.store.flush()?;
        self.worker.sync();
        Ok(())
    }
}
