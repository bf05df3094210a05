//! The replica as a worker of the node: its inputs are rings and an inbox, its edges the journal, the peers and the query side.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use bytes::Bytes;
use horae_control::{CloseVote, Pending, Proof, Record as Promise};
use horae_runtime::{Cell, Consumer, Poll, Progress, StopReason, Stopper};
use horae_stages::{Recovered, Shed, StateSource};
use metrics::counter;
use tokio::sync::mpsc;
use tracing::error;

use super::inbox::InboxReader;
use super::io::{Entry, Lsn, ReplicaIo};
use super::message::PeerMessage;
use super::{Replica, RunningSlot};
use crate::chain_view::{ChainEvent, ChainFeed, ChainView, FeedError};
use crate::edges::journal::{Durable, JournalWriter, Lsn as JournalLsn, Record};
use crate::edges::peers::{NodeKey, Peers};
use crate::pipeline::{Desk, Entrance, Forgotten, Note, Parcel, Traffic};
use crate::roster::Roster;

/// Kind of every record that a replica writes: a borsh-encoded [`Entry`].
pub const ENTRY_KIND: u8 = 1;
/// Events that may wait for the query side before the replica stops working until it catches up.
const EVENTS_WAITING: usize = 1_024;
/// Journal records that may wait for the disk before the replica stops working until it catches up.
const RECORDS_WAITING: usize = 1_024;
/// Blocks that stay in the journal below those that the store has made durable. The journal is read whole at a start, and what
/// peers may ask for is in the store.
const JOURNAL_BLOCKS: u64 = 1_024;
/// Blocks between two prunings of the journal.
const PRUNE_EVERY_BLOCKS: u64 = 2_048;

/// A peer's question for blocks that only the store has.
#[derive(Clone, Copy, Debug)]
pub struct StoredQuestion {
    /// Who asks.
    pub to: NodeKey,
    /// First height wanted.
    pub from: u64,
}

/// The edges of a replica in a node.
pub struct NodeIo {
    journal: JournalWriter,
    durable: Durable,
    records: VecDeque<Record>,
    /// End of the last record that was handed to [`ReplicaIo::append`], in the journal or still waiting.
    appended: u64,
    /// Where each recent block begins in the journal.
    blocks_at: VecDeque<(u64, JournalLsn)>,
    pruned: u64,
    /// Once the journal is durable up to the first place, nothing below the second is needed.
    pruning: Option<(u64, JournalLsn)>,
    view: ChainView,
    feed: ChainFeed,
    events: VecDeque<ChainEvent>,
    peers: Peers,
    roster: Roster,
    council: mpsc::UnboundedSender<Pending>,
    questions: mpsc::Sender<StoredQuestion>,
    traffic: Arc<Traffic>,
    desk: Arc<Desk>,
    entrance: Entrance,
    forgotten: Forgotten,
    /// Transactions that found no room in the pipeline, to be put into it later.
    resubmitted: VecDeque<Vec<u8>>,
    failure: Option<String>,
}

/// What [`NodeIo`] is made of.
pub struct NodeEdges {
    /// The journal.
    pub journal: JournalWriter,
    /// The query side, to read from.
    pub view: ChainView,
    /// The query side, to tell.
    pub feed: ChainFeed,
    /// Other validators.
    pub peers: Peers,
    /// Their node keys.
    pub roster: Roster,
    /// The control plane.
    pub council: mpsc::UnboundedSender<Pending>,
    /// Whoever answers from the store.
    pub questions: mpsc::Sender<StoredQuestion>,
    /// The pipeline.
    pub entrance: Entrance,
    /// The pipeline's duplicate check.
    pub forgotten: Forgotten,
}

impl NodeIo {
    /// Edges for one replica.
    pub fn new(edges: NodeEdges) -> Self {
        let NodeEdges { journal, view, feed, peers, roster, council, questions, entrance, forgotten } = edges;
        Self {
            durable: journal.durable(),
            appended: journal.next().0,
            journal,
            records: VecDeque::new(),
            blocks_at: VecDeque::new(),
            pruned: view.durable_height(),
            pruning: None,
            view,
            feed,
            events: VecDeque::new(),
            peers,
            roster,
            council,
            questions,
            traffic: entrance.traffic(),
            desk: entrance.desk(),
            entrance,
            forgotten,
            resubmitted: VecDeque::new(),
            failure: None,
        }
    }

    /// Why the replica cannot go on, if it cannot.
    pub fn failure(&self) -> Option<String> {
        let journal = self.durable.failure().map(|why| why.to_string());
        let query = self.view.fault().map(|why| why.to_string());
        self.failure.clone().or(journal).or(query)
    }

    /// Moves on what waits.
    fn flush(&mut self) {
        while let Some(record) = self.records.front() {
            match self.journal.append(std::slice::from_ref(record)) {
                Ok(_) => drop(self.records.pop_front()),
                Err(crate::edges::journal::AppendError::Busy { .. }) => break,
                Err(why) => {
                    self.failure = Some(why.to_string());
                    break;
                }
            }
        }
        while let Some(event) = self.events.pop_front() {
            match self.feed.try_send(event) {
                Ok(()) => {}
                Err(FeedError::Full(event)) => {
                    self.events.push_front(*event);
                    break;
                }
                Err(FeedError::Stopped) => {
                    self.failure = Some("the chain view has stopped".to_owned());
                    break;
                }
            }
        }
        while let Some(raw) = self.resubmitted.front() {
            if !self.entrance.offer_unanswered(raw) {
                break;
            }
            self.resubmitted.pop_front();
        }
    }

    /// Lets go of what the store holds durably: the promises that still bind are written again first.
    fn prune(&mut self, promises: impl FnOnce() -> Vec<Promise>) {
        if let Some((_, below)) = self.pruning.take_if(|(after, _)| self.durable.lsn().0 >= *after) {
            self.journal.prune_below(below);
        }
        let needed = self.view.durable_height().saturating_sub(JOURNAL_BLOCKS);
        if needed < self.pruned.saturating_add(PRUNE_EVERY_BLOCKS) {
            return;
        }
        let below = JournalLsn(self.appended);
        for promise in promises() {
            self.append(Entry::Vote(promise));
        }
        while self.blocks_at.front().is_some_and(|(number, _)| *number <= needed) {
            self.blocks_at.pop_front();
        }
        let block_at = self.blocks_at.front().map_or(below, |(_, at)| *at);
        self.pruning = Some((self.appended, below.min(block_at)));
        self.pruned = needed;
    }
}

impl ReplicaIo for NodeIo {
    fn has_room(&self) -> bool {
        self.events.len() < EVENTS_WAITING && self.records.len() < RECORDS_WAITING
    }

    fn append(&mut self, entry: Entry) -> Lsn {
        if let Entry::Block { block, .. } = &entry {
            let number = block.header().number;
            while self.blocks_at.back().is_some_and(|(earlier, _)| *earlier >= number) {
                self.blocks_at.pop_back();
            }
            self.blocks_at.push_back((number, JournalLsn(self.appended)));
        }
        let payload = Bytes::from(borsh::to_vec(&entry).expect("writing to memory does not fail"));
        let record = Record { kind: ENTRY_KIND, payload };
        self.appended += record.journal_bytes();
        self.records.push_back(record);
        self.flush();
        self.appended
    }

    fn durable(&self) -> Lsn {
        self.durable.lsn().0
    }

    fn stored(&self) -> u64 {
        self.view.stored_height()
    }

    fn send(&mut self, to: Address, message: &PeerMessage) {
        if let Some(key) = self.roster.node_key(&to) {
            self.peers.send(&key, message.encode());
        }
    }

    fn broadcast(&mut self, message: &PeerMessage) {
        self.peers.broadcast(&message.encode());
    }

    fn send_stored(&mut self, to: Address, from: u64) {
        let Some(to) = self.roster.node_key(&to) else { return };
        if self.questions.try_send(StoredQuestion { to, from }).is_err() {
            counter!("horae_block_questions_dropped").increment(1);
        }
    }

    fn event(&mut self, event: ChainEvent) {
        self.events.push_back(event);
        self.flush();
    }

    fn close_vote(&mut self, vote: CloseVote) {
        // A council that is gone has stopped the node.
        let _ = self.council.send(Pending::Close(vote));
    }

    fn evidence(&mut self, proof: Proof) {
        // As above.
        let _ = self.council.send(Pending::Evidence(Box::new(proof)));
    }

    fn resubmit(&mut self, raw: &[u8]) {
        self.resubmitted.push_back(raw.to_vec());
    }

    fn count_refused(&mut self, why: &Shed) {
        self.traffic.count_refused(why);
    }

    fn note(&mut self, note: Note) {
        self.desk.note(note);
    }

    fn count_forwarded(&mut self, transactions: u64) {
        self.traffic.count_forwarded(transactions);
    }

    fn forget(&mut self, hash: B256) {
        self.forgotten.force_push(hash);
    }

    fn fail(&mut self, why: String) {
        self.failure.get_or_insert(why);
    }
}

/// The replica between its rings and its edges.
pub struct ReplicaWorker<S: StateSource> {
    replica: Replica<S>,
    inbox: InboxReader,
    lanes: Vec<Consumer<Recovered<Parcel>>>,
    next_lane: usize,
    io: NodeIo,
    running: Cell<RunningSlot>,
    /// When it was last worked out without a reason, in unix milliseconds.
    looked_ms: u64,
    stopper: Stopper,
}

impl<S: StateSource> ReplicaWorker<S> {
    /// A worker that reads the recoverers' rings in turn.
    pub fn new(
        replica: Replica<S>,
        inbox: InboxReader,
        lanes: Vec<Consumer<Recovered<Parcel>>>,
        io: NodeIo,
        running: Cell<RunningSlot>,
        stopper: Stopper,
    ) -> Self {
        Self { replica, inbox, lanes, next_lane: 0, io, running, looked_ms: 0, stopper }
    }
}

impl<S: StateSource> Poll for ReplicaWorker<S> {
    fn poll(&mut self, now_ms: u64) -> Progress {
        self.io.flush();
        if let Some(message) = self.io.failure() {
            error!(%message, "the replica cannot go on");
            self.stopper.stop(StopReason::Failed { worker: "replica".to_owned(), message });
            return Progress::IDLE;
        }
        let (inbox, lanes, next_lane) = (&self.inbox, &mut self.lanes, &mut self.next_lane);
        let mut transactions = || {
            for _ in 0..lanes.len() {
                let lane = *next_lane;
                *next_lane = (lane + 1) % lanes.len();
                if let Some(tx) = lanes[lane].pop() {
                    return Some(tx);
                }
            }
            None
        };
        let progress = self.replica.poll(now_ms, &mut || inbox.pop(), &mut transactions, &mut self.io);
        self.io.flush();
        let (replica, io) = (&self.replica, &mut self.io);
        io.prune(|| replica.promises());
        // What the clock alone brings about shows a millisecond later: an idle worker looks around dozens of times before it sleeps.
        if progress == Progress::Worked || self.looked_ms != now_ms {
            self.looked_ms = now_ms;
            let running = self.replica.running();
            if **self.running.read() != running {
                self.running.set(running);
            }
        }
        progress
    }
}
