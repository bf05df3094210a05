//! The keeper: the one thread that applies chain events, writes the store and publishes snapshots.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use arc_swap::{ArcSwap, ArcSwapOption};
use horae_control::BlockId;
use horae_stages::ChainParams;
use horae_stages::rules::ends_batch;
use tokio::sync::broadcast;
use tracing::{debug, error};

use super::chain::{Chain, ChainFault};
use super::past::UndoWindow;
use super::root_worker::{BatchRoot, ROOTS_WAITING, RootJob, RootWorker};
use super::snapshot::{RecentIndex, Snapshot};
use super::{BatchRecord, CHANGES_KEPT, ChainEvent, ChainView, Change, FEED_EVENTS, Inner, NodeStatus};
use crate::edges::metrics::names;
use crate::edges::store::{
    CommittedBlock, DEFAULT_KEPT_BLOCKS, Finality, StateTrie, Store, StoreError, StoreReader, TRIE_CACHE_BYTES,
};

/// Events applied before a snapshot is published, at most.
const BURST: usize = 64;
/// State roots that stay in memory for readers.
const ROOTS_KEPT: usize = 64;
/// When the store is due to be made durable and state roots are under way, committed blocks wait for them so long at most.
const REST_MAX: Duration = Duration::from_millis(500);
/// How often it is seen meanwhile whether they have come.
const REST_LOOK: Duration = Duration::from_millis(5);

/// What is told when a state root is computed; called on the root worker's thread.
pub type OnRoot = Box<dyn Fn(BatchRoot) + Send>;

/// How the keeper works.
pub struct KeeperOptions {
    /// The chain's parameters: they say where batches end.
    pub params: ChainParams,
    /// The store is made durable this often, in milliseconds.
    pub flush_interval_ms: u64,
    /// Blocks kept below the finalized head.
    pub kept_blocks: u64,
    /// Called with every state root at a batch boundary, in order.
    pub on_root: OnRoot,
}

impl KeeperOptions {
    /// A flush a second, the usual window, and nobody told of roots.
    pub fn new(params: ChainParams) -> Self {
        Self { params, flush_interval_ms: 1_000, kept_blocks: DEFAULT_KEPT_BLOCKS, on_root: Box::new(|_| {}) }
    }
}

/// Why the chain view stopped, or could not start.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The events do not fit together.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// No thread to be had.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The thread that computes state roots is gone.
    #[error("the thread that computes state roots has stopped")]
    RootWorkerGone,
}

/// Why an event was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The keeper is behind: try again with the event given back.
    #[error("the chain view is {FEED_EVENTS} events behind")]
    Full(Box<ChainEvent>),
    /// The keeper has stopped: see [`ChainView::fault`].
    #[error("the chain view has stopped")]
    Stopped,
}

enum Message {
    Event(Box<ChainEvent>),
    Stop,
}

/// The core's end of the event queue.
#[derive(Clone)]
pub struct ChainFeed {
    events: SyncSender<Message>,
}

impl ChainFeed {
    /// Sends an event without waiting. Events must all arrive, so one that is given back has to be sent again first.
    pub fn try_send(&self, event: ChainEvent) -> Result<(), FeedError> {
        self.events.try_send(Message::Event(Box::new(event))).map_err(|e| match e {
            TrySendError::Full(Message::Event(event)) => FeedError::Full(event),
            TrySendError::Full(Message::Stop) | TrySendError::Disconnected(_) => FeedError::Stopped,
        })
    }

    /// Sends an event, waiting for room: for start-up and tests, not for a pinned worker.
    pub fn send(&self, event: ChainEvent) -> Result<(), FeedError> {
        self.events.send(Message::Event(Box::new(event))).map_err(|_| FeedError::Stopped)
    }
}

/// Ends the keeper in order.
pub struct KeeperHandle {
    events: SyncSender<Message>,
    thread: JoinHandle<Result<(), Arc<KeeperError>>>,
}

impl KeeperHandle {
    /// Applies what was sent so far, waits for roots under way, makes the store durable, and ends the thread.
    pub fn stop(self) -> Result<(), Arc<KeeperError>> {
        let _ = self.events.send(Message::Stop);
        self.join()
    }

    /// Waits for the thread to end by itself, which it does when every feed is dropped or on a fault.
    pub fn join(self) -> Result<(), Arc<KeeperError>> {
        let Self { events, thread } = self;
        drop(events);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The thread has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Starts the keeper on a store; the chain begins at the stored height.
pub fn start(store: Store, options: KeeperOptions) -> Result<(ChainView, ChainFeed, KeeperHandle), KeeperError> {
    store.index_missing()?;
    let reader = store.reader();
    let number = reader.height();
    let hash = reader.hash(number)?.ok_or(StoreError::Gap { stored: number, given: number })?;
    let last_batch = reader.last_batch()?.map(Arc::new);
    let batched = last_batch.as_ref().map_or(0, |b| b.last_block);
    let finalized = match reader.finalized_batch()? {
        Some(index) => reader.batch(index)?.map_or(0, |b| b.last_block),
        None => 0,
    };
    let index = Arc::new(RecentIndex::default());
    let chain = Chain::new(index.clone(), BlockId { number, hash }, batched, finalized);
    let undo = Arc::new(UndoWindow::default());
    let snapshot = Snapshot {
        store: reader,
        index,
        blocks: Arc::default(),
        undo: undo.clone(),
        heads: chain.heads(),
        certificates: Arc::default(),
        commits: Arc::default(),
        status: Arc::new(NodeStatus::default()),
        last_batch: last_batch.clone(),
        transactions: 0,
    };
    let trie = StateTrie::open(store.path(), TRIE_CACHE_BYTES)?;
    let inner = Arc::new(Inner {
        store,
        snapshot: ArcSwap::from_pointee(snapshot),
        roots: RwLock::default(),
        changes: broadcast::channel(CHANGES_KEPT).0,
        fault: ArcSwapOption::empty(),
    });
    let (results, roots) = sync_channel(ROOTS_WAITING + 2);
    let on_root = options.on_root;
    let seen = inner.clone();
    let worker = RootWorker::start(trie, move |result| {
        if let Ok(root) = &result {
            seen.note_root(*root);
            on_root(*root);
        }
        // The keeper takes results before every job it submits, so there is room; it is gone only when the node stops.
        let _ = results.send(result);
    })
    .map_err(KeeperError::Thread)?;
    let (events, queue) = sync_channel(FEED_EVENTS);
    let keeper = Keeper {
        inner: inner.clone(),
        chain,
        undo,
        status: Arc::new(NodeStatus::default()),
        last_batch,
        transactions: 0,
        params: options.params,
        kept_blocks: options.kept_blocks,
        worker,
        roots,
        roots_under_way: 0,
        forgotten: 0,
    };
    let flush_interval = Duration::from_millis(options.flush_interval_ms);
    let run = move || keeper.run(&queue, flush_interval);
    let thread = Builder::new().name("chain-view".into()).spawn(run).map_err(KeeperError::Thread)?;
    let feed = ChainFeed { events: events.clone() };
    Ok((ChainView { inner }, feed, KeeperHandle { events, thread }))
}

impl Inner {
    fn note_root(&self, root: BatchRoot) {
        let mut roots = self.roots.write().unwrap_or_else(PoisonError::into_inner);
        roots.insert(root.block, root);
        if roots.len() > ROOTS_KEPT {
            roots.pop_first();
        }
    }
}

struct Keeper {
    inner: Arc<Inner>,
    chain: Chain,
    undo: Arc<UndoWindow>,
    status: Arc<NodeStatus>,
    last_batch: Option<Arc<BatchRecord>>,
    transactions: u64,
    params: ChainParams,
    kept_blocks: u64,
    worker: RootWorker,
    roots: Receiver<Result<BatchRoot, StoreError>>,
    roots_under_way: usize,
    /// Height up to which what blocks changed is forgotten.
    forgotten: u64,
}

impl Keeper {
    fn run(mut self, queue: &Receiver<Message>, flush_interval: Duration) -> Result<(), Arc<KeeperError>> {
        let ended = self.work(queue, flush_interval).map_err(Arc::new);
        if let Err(fault) = &ended {
            error!(%fault, "the chain view has stopped");
            self.inner.fault.store(Some(fault.clone()));
        }
        ended
    }

    fn work(&mut self, queue: &Receiver<Message>, flush_interval: Duration) -> Result<(), KeeperError> {
        self.compute_missing_root()?;
        let mut flush_at = Instant::now() + flush_interval;
        loop {
            let mut stop = false;
            let rests = self.rests(flush_at);
            let wait = if rests { REST_LOOK } else { flush_at.saturating_duration_since(Instant::now()) };
            match queue.recv_timeout(wait) {
                Ok(Message::Event(event)) => {
                    self.take_in(*event)?;
                    for _ in 1..BURST {
                        match queue.try_recv() {
                            Ok(Message::Event(event)) => self.take_in(*event)?,
                            Ok(Message::Stop) | Err(TryRecvError::Disconnected) => {
                                stop = true;
                                break;
                            }
                            Err(TryRecvError::Empty) => break,
                        }
                    }
                    self.publish();
                    if !rests {
                        self.store_committed()?;
                    }
                }
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => stop = true,
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.record_roots()?;
            if stop {
                return self.finish();
            }
            if Instant::now() >= flush_at && !self.rests(flush_at) {
                self.flush()?;
                flush_at = Instant::now() + flush_interval;
                self.store_committed()?;
            }
        }
    }

    /// The store should be made durable, which it cannot while roots are under way, and under load there is always one.
    fn rests(&self, flush_at: Instant) -> bool {
        self.roots_under_way > 0 && (flush_at..flush_at + REST_MAX).contains(&Instant::now())
    }

    fn take_in(&mut self, event: ChainEvent) -> Result<(), KeeperError> {
        match event {
            ChainEvent::Executed { block, signature } => self.chain.executed(block, signature)?,
            ChainEvent::RolledBack { to } => self.chain.rolled_back(to)?,
            ChainEvent::Certified(certificate) => self.chain.certified(certificate),
            ChainEvent::Committed(commit) => self.chain.committed(commit),
            ChainEvent::CommittedByDecision(block) => self.chain.committed_by_decision(block),
            ChainEvent::BatchAccepted(batch) => {
                self.inner.store.record_batch(&batch)?;
                if self.last_batch.as_ref().is_none_or(|last| last.index <= batch.index) {
                    self.chain.batched(batch.last_block);
                    self.last_batch = Some(batch);
                }
            }
            ChainEvent::BatchesDropped { from } => {
                self.inner.store.drop_batches(from)?;
                self.last_batch = self.inner.store.reader().last_batch()?.map(Arc::new);
                self.chain.batched(self.last_batch.as_ref().map_or(0, |b| b.last_block));
            }
            ChainEvent::L1Finalized { batch } => {
                if let Some(record) = self.inner.store.reader().batch(batch)? {
                    self.inner.store.record_finalized(batch)?;
                    self.chain.final_on_l1(record.last_block);
                }
            }
            ChainEvent::Status(status) => self.status = status,
        }
        Ok(())
    }

    /// Shows readers the chain as it is now, then tells subscribers what changed.
    fn publish(&mut self) {
        let changes = self.chain.take_changes();
        for change in &changes {
            if let Change::Committed(block) = change {
                self.transactions += block.executed.signed().len() as u64;
            }
        }
        let heads = self.chain.heads();
        self.inner.snapshot.store(Arc::new(self.snapshot(self.inner.store.reader())));
        for change in changes {
            // An error means only that nobody has subscribed.
            let _ = self.inner.changes.send(change);
        }
        metrics::gauge!(names::HEAD_ORDERED).set(heads.ordered.number as f64);
        metrics::gauge!(names::HEAD_CERTIFIED).set(heads.certified as f64);
        metrics::gauge!(names::HEAD_COMMITTED).set(heads.committed as f64);
        metrics::gauge!(names::HEAD_SAFE).set(heads.safe as f64);
        metrics::gauge!(names::HEAD_FINALIZED).set(heads.finalized as f64);
        metrics::counter!(names::TRANSACTIONS_COMMITTED).absolute(self.transactions);
    }

    fn snapshot(&self, store: Arc<StoreReader>) -> Snapshot {
        let before = self.inner.snapshot.load();
        Snapshot {
            store,
            index: before.index.clone(),
            blocks: Arc::new(self.chain.blocks().cloned().collect()),
            undo: self.undo.clone(),
            heads: self.chain.heads(),
            certificates: Arc::new(self.chain.certificates().clone()),
            commits: Arc::new(self.chain.commits().clone()),
            status: self.status.clone(),
            last_batch: self.last_batch.clone(),
            transactions: self.transactions,
        }
    }

    /// Moves committed blocks into the store, stopping after each that ends a batch to have its state root computed.
    fn store_committed(&mut self) -> Result<(), KeeperError> {
        let blocks: Vec<_> = self.chain.to_store().cloned().collect();
        if blocks.is_empty() {
            return Ok(());
        }
        let params = self.params.clone();
        for run in blocks.chunk_by(|below, _| !ends_batch(below.header(), &params)) {
            let Some(last) = run.last() else { continue };
            let number = last.header().number;
            let (certificates, commits) = self.chain.take_proofs(number);
            let proofs: Vec<_> = certificates.into_iter().map(Finality::Certified).collect();
            let proofs: Vec<_> = proofs.into_iter().chain(commits.into_iter().map(Finality::Committed)).collect();
            let committed = run.iter().map(|b| CommittedBlock { block: b.executed.clone(), signature: b.signature });
            let undone = self.inner.store.apply(&committed.collect::<Vec<_>>(), &proofs)?;
            let window = Arc::make_mut(&mut self.undo);
            undone.into_iter().for_each(|undo| window.push(undo));
            self.chain.stored(number);
            if ends_batch(last.header(), &params) {
                self.compute_root(last.executed.hash)?;
            }
        }
        self.publish();
        metrics::gauge!(names::STORE_HEIGHT).set(self.inner.store.stored_height() as f64);
        Ok(())
    }

    /// Has the root computed at the height where the store stands.
    fn compute_root(&mut self, hash: B256) -> Result<(), KeeperError> {
        self.record_roots()?;
        if !self.worker.submit(RootJob { reader: self.inner.store.reader(), hash }) {
            return Err(KeeperError::RootWorkerGone);
        }
        self.roots_under_way += 1;
        metrics::gauge!(names::STATE_ROOTS_WAITING).set(self.roots_under_way as f64);
        Ok(())
    }

    /// A store that was filled without a keeper (by derivation, say) may end at a batch boundary without its root.
    fn compute_missing_root(&mut self) -> Result<(), KeeperError> {
        let reader = self.inner.store.reader();
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
        self.inner.store.record_root(root.block, root.root)?;
        self.roots_under_way -= 1;
        metrics::gauge!(names::STATE_ROOTS_WAITING).set(self.roots_under_way as f64);
        Ok(())
    }

    /// Has the transactions of what was stored since the last time found by hash. Their blocks were in memory until now.
    fn index(&mut self) -> Result<(), KeeperError> {
        self.inner.store.index(self.chain.to_index().map(|block| block.executed.as_ref()))?;
        self.chain.indexed();
        self.publish();
        Ok(())
    }

    /// Not while a root is being computed: after a crash its block must be applied again, to compute it again.
    fn flush(&mut self) -> Result<(), KeeperError> {
        self.index()?;
        if self.roots_under_way > 0 {
            metrics::counter!(names::STORE_FLUSHES_DELAYED).increment(1);
            return Ok(());
        }
        self.inner.store.flush()?;
        // Only now: the trie must not outlive a state that a crash takes back.
        self.worker.sync();
        self.forget_changed()?;
        let heads = self.chain.heads();
        self.inner.store.prune(heads.finalized.saturating_sub(self.kept_blocks))?;
        metrics::gauge!(names::STORE_DURABLE_HEIGHT).set(self.inner.store.durable_height() as f64);
        Ok(())
    }

    fn forget_changed(&mut self) -> Result<(), KeeperError> {
        let durable = self.worker.durable_height();
        if durable > self.forgotten {
            self.inner.store.forget_changed(durable)?;
            self.forgotten = durable;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), KeeperError> {
        self.publish();
        self.store_committed()?;
        while self.roots_under_way > 0 {
            let result = self.roots.recv().map_err(|_| KeeperError::RootWorkerGone)?;
            self.record_root(result?)?;
        }
        self.index()?;
        self.inner.store.flush()?;
        self.worker.sync();
        Ok(())
    }
}
