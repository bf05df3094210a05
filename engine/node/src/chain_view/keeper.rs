//! The keeper: the one thread that applies chain events and publishes snapshots. What it has stored another thread writes, so that no
//! sync of the disk holds up what readers see.

use std::sync::Arc;
use std::sync::{PoisonError, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded, never, select};
use horae_control::BlockId;
use horae_stages::ChainParams;
use horae_stages::rules::ends_batch;
use tokio::sync::broadcast;
use tracing::error;

use super::chain::{Chain, ChainFault};
use super::past::UndoWindow;
use super::root_worker::BatchRoot;
use super::snapshot::{RecentIndex, Snapshot};
use super::storer::{Done, Job, Report, Run, Storer, Storing};
use super::{BatchRecord, CHANGES_KEPT, ChainEvent, ChainView, Change, FEED_EVENTS, Inner, NodeStatus};
use crate::edges::metrics::names;
use crate::edges::store::{DEFAULT_KEPT_BLOCKS, StateTrie, Store, StoreError, StoreReader, TRIE_CACHE_BYTES};

/// Events applied before a snapshot is published, at most.
const BURST: usize = 64;
/// Committed blocks wait so long at most for others before they go into the store together: each time costs its upper pages anew,
/// however few blocks there are, and until then they are in memory and in the journal.
const GATHER: Duration = Duration::from_millis(50);
/// Committed blocks that may wait for the store. Beyond it no events are taken, and the core stops when their queue is full.
const UNSTORED_BLOCKS: usize = 512;
/// How often an idle keeper looks around without a reason.
const IDLE_LOOK: Duration = Duration::from_secs(1);
/// State roots that stay in memory for readers.
const ROOTS_KEPT: usize = 64;

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
    /// The thread that writes the store is gone.
    #[error("the thread that writes the store has stopped")]
    StorerGone,
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
    events: Sender<Message>,
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
    events: Sender<Message>,
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
        store: store.clone(),
        snapshot: ArcSwap::from_pointee(snapshot),
        roots: RwLock::default(),
        changes: broadcast::channel(CHANGES_KEPT).0,
        fault: ArcSwapOption::empty(),
    });
    let seen = inner.clone();
    let on_root = options.on_root;
    let storing = Storing { flush_interval_ms: options.flush_interval_ms, kept_blocks: options.kept_blocks };
    let storer = Storer::start(store, trie, storing, options.params.clone(), move |root| {
        seen.note_root(root);
        on_root(root);
    })?;
    let (events, queue) = bounded(FEED_EVENTS);
    let keeper = Keeper {
        inner: inner.clone(),
        chain,
        undo,
        status: Arc::new(NodeStatus::default()),
        last_batch,
        transactions: 0,
        params: options.params,
        storer,
        stored: inner.store.reader(),
        sent_at: Instant::now(),
        under_way: false,
    };
    let run = move || keeper.run(&queue);
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
    storer: Storer,
    /// The store as the last report had it.
    stored: Arc<StoreReader>,
    /// When blocks were last sent to the store, and whether it has yet to report them.
    sent_at: Instant,
    under_way: bool,
}

impl Keeper {
    fn run(mut self, queue: &Receiver<Message>) -> Result<(), Arc<KeeperError>> {
        let ended = self.work(queue).map_err(Arc::new);
        if let Err(fault) = &ended {
            error!(%fault, "the chain view has stopped");
            self.inner.fault.store(Some(fault.clone()));
        }
        ended
    }

    fn work(&mut self, queue: &Receiver<Message>) -> Result<(), KeeperError> {
        let nothing = never();
        let reports = self.storer.reports().clone();
        loop {
            let events = if self.is_behind() { &nothing } else { queue };
            let mut stop = false;
            select! {
                recv(events) -> message => stop = self.take_burst(message.ok(), queue)?,
                recv(reports) -> report => self.take_report(report.map_err(|_| KeeperError::StorerGone)??),
                default(self.patience()) => {}
            }
            while let Ok(report) = reports.try_recv() {
                self.take_report(report?);
            }
            self.publish();
            self.store_committed()?;
            if stop {
                return self.finish();
            }
        }
    }

    /// The store has fallen so far behind that nothing more is taken in.
    fn is_behind(&self) -> bool {
        self.under_way && self.chain.to_store().count() >= UNSTORED_BLOCKS
    }

    /// How long to wait for what comes.
    fn patience(&self) -> Duration {
        if self.under_way || self.chain.to_store().next().is_none() {
            return IDLE_LOOK;
        }
        (self.sent_at + GATHER).saturating_duration_since(Instant::now())
    }

    /// Takes in a message and what waits behind it; whether it is time to stop.
    fn take_burst(&mut self, first: Option<Message>, queue: &Receiver<Message>) -> Result<bool, KeeperError> {
        let mut next = first;
        for _ in 0..BURST {
            match next {
                Some(Message::Event(event)) => self.take_in(*event)?,
                Some(Message::Stop) | None => return Ok(true),
            }
            next = match queue.try_recv() {
                Ok(message) => Some(message),
                Err(TryRecvError::Disconnected) => None,
                Err(TryRecvError::Empty) => return Ok(false),
            };
        }
        // The one taken last must not be lost.
        match next {
            Some(Message::Event(event)) => self.take_in(*event).map(|()| false),
            Some(Message::Stop) | None => Ok(true),
        }
    }

    fn take_in(&mut self, event: ChainEvent) -> Result<(), KeeperError> {
        match event {
            ChainEvent::Executed { block, signature } => self.chain.executed(block, signature)?,
            ChainEvent::RolledBack { to } => self.chain.rolled_back(to)?,
            ChainEvent::Certified(certificate) => self.chain.certified(certificate),
            ChainEvent::Committed(commit) => self.chain.committed(commit),
            ChainEvent::CommittedByDecision(block) => self.chain.committed_by_decision(block),
            ChainEvent::BatchAccepted(batch) => self.storer.submit(Job::Accepted(batch))?,
            ChainEvent::BatchesDropped { from } => self.storer.submit(Job::Dropped { from })?,
            ChainEvent::L1Finalized { batch } => self.storer.submit(Job::Final { batch })?,
            ChainEvent::Status(status) => self.status = status,
        }
        Ok(())
    }

    fn take_report(&mut self, Report { reader, done }: Report) {
        self.stored = reader;
        match done {
            Done::Stored { number, undone } => {
                let window = Arc::make_mut(&mut self.undo);
                undone.into_iter().for_each(|undo| window.push(undo));
                self.chain.stored(number);
                self.under_way = false;
            }
            Done::Indexed { number } => self.chain.indexed(number),
            Done::Accepted(batch) => {
                if self.last_batch.as_ref().is_none_or(|last| last.index <= batch.index) {
                    self.chain.batched(batch.last_block);
                    self.last_batch = Some(batch);
                }
            }
            Done::Dropped { last } => {
                self.last_batch = last;
                self.chain.batched(self.last_batch.as_ref().map_or(0, |b| b.last_block));
            }
            Done::Final { last_block } => self.chain.final_on_l1(last_block),
            Done::Nothing => {}
        }
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
        let snapshot = self.snapshot();
        self.inner.snapshot.store(Arc::new(snapshot));
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

    fn snapshot(&mut self) -> Snapshot {
        let before = self.inner.snapshot.load();
        Snapshot {
            store: self.stored.clone(),
            index: before.index.clone(),
            blocks: self.chain.blocks(),
            undo: self.undo.clone(),
            heads: self.chain.heads(),
            certificates: Arc::new(self.chain.certificates().clone()),
            commits: Arc::new(self.chain.commits().clone()),
            status: self.status.clone(),
            last_batch: self.last_batch.clone(),
            transactions: self.transactions,
        }
    }

    /// Sends committed blocks to the store, if it has none to write and they have waited for others.
    fn store_committed(&mut self) -> Result<(), KeeperError> {
        if self.under_way || self.sent_at.elapsed() < GATHER { Ok(()) } else { self.send_committed() }
    }

    fn send_committed(&mut self) -> Result<(), KeeperError> {
        let blocks: Vec<_> = self.chain.to_store().take(UNSTORED_BLOCKS).cloned().collect();
        if blocks.is_empty() {
            return Ok(());
        }
        let mut runs = Vec::new();
        let mut above = 0;
        for run in blocks.chunk_by(|below, _| !ends_batch(below.header(), &self.params)) {
            let Some(last) = run.last().map(|block| block.header()) else { continue };
            let proofs = self.chain.proofs(above..=last.number);
            above = last.number + 1;
            runs.push(Run { blocks: run.to_vec(), proofs, ends_batch: ends_batch(last, &self.params) });
        }
        self.storer.submit(Job::Blocks(runs))?;
        self.sent_at = Instant::now();
        self.under_way = true;
        Ok(())
    }

    /// Has all that is committed stored and durable, with the roots that belong to it.
    fn finish(&mut self) -> Result<(), KeeperError> {
        while self.under_way || self.chain.to_store().next().is_some() {
            if !self.under_way {
                self.send_committed()?;
            }
            let report = self.storer.reports().recv().map_err(|_| KeeperError::StorerGone)?;
            self.take_report(report?);
        }
        self.storer.close();
        while let Ok(report) = self.storer.reports().recv() {
            self.take_report(report?);
        }
        self.publish();
        Ok(())
    }
}
