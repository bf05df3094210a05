//! The edges of one simulated replica: what it says is put aside for the world to carry, what it stores goes to a disk that
//! takes its time, what it tells is checked by a chain view. Faults can be planted here, to see that they are noticed.

use std::mem;

use alloy_primitives::{Address, B256};
use horae_control::{CloseVote, Proof, Record};
use horae_node::chain_view::ChainEvent;
use horae_node::replica::io::{Entry, Lsn, ReplicaIo};
use horae_node::replica::message::PeerMessage;
use horae_stages::Shed;

use super::disk::Disk;
use super::store::{SharedStore, View};

/// A fault put in on purpose: the judge must see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Planted {
    /// None: what is found is a bug.
    #[default]
    Nothing,
    /// Entries are called durable as soon as they are appended.
    SpeaksBeforeStored,
    /// A start reads no promises.
    ForgetsPromises,
    /// A start reads no notes of begun slots.
    ForgetsBegunSlots,
    /// The query side is not told of rollbacks.
    KeepsVoidBlocks,
    /// Transactions of void blocks are not taken up again.
    DropsVoidTransactions,
}

/// Something said on the links.
#[derive(Debug)]
pub enum Said {
    /// To one validator.
    To(Address, PeerMessage),
    /// To all others.
    All(PeerMessage),
    /// To one validator, blocks of the store from this height on.
    Stored(Address, u64),
}

/// One replica's edges.
#[derive(Debug)]
pub struct Edges {
    /// The journal.
    pub disk: Disk,
    /// The query side.
    pub view: View,
    /// What was said and not yet carried.
    pub said: Vec<Said>,
    /// Close votes for the control plane.
    pub votes: Vec<CloseVote>,
    /// Offences of others that the replica has proof of.
    pub accusations: Vec<Proof>,
    /// Transactions that go through the pipeline again.
    pub resubmitted: Vec<Vec<u8>>,
    /// Hashes that the duplicate check lets through again.
    pub forgotten: Vec<B256>,
    /// What the replica told, for the judge.
    pub events: Vec<ChainEvent>,
    /// Transactions refused after they were let in, with the reason.
    pub refused: u64,
    /// What did not fit together.
    pub fault: Option<String>,
    store: SharedStore,
    planted: Planted,
}

impl Edges {
    /// Edges over a disk and a store.
    #[must_use]
    pub fn new(disk: Disk, store: SharedStore, planted: Planted) -> Self {
        Self {
            disk,
            view: View::new(store.clone()),
            said: Vec::new(),
            votes: Vec::new(),
            accusations: Vec::new(),
            resubmitted: Vec::new(),
            forgotten: Vec::new(),
            events: Vec::new(),
            refused: 0,
            fault: None,
            store,
            planted,
        }
    }

    /// What the journal says at a start.
    #[must_use]
    pub fn read(&self) -> Vec<Entry> {
        let mut entries = self.disk.read();
        match self.planted {
            Planted::ForgetsPromises => entries.retain(|entry| !matches!(entry, Entry::Vote(_))),
            Planted::ForgetsBegunSlots => {
                entries.retain(|entry| !matches!(entry, Entry::Vote(Record::SlotBegun { .. })));
            }
            _ => {}
        }
        entries
    }

    /// The disk, when the process is no more.
    #[must_use]
    pub fn into_disk(mut self) -> Disk {
        mem::take(&mut self.disk)
    }
}

impl ReplicaIo for Edges {
    fn has_room(&self) -> bool {
        true
    }

    fn append(&mut self, entry: Entry) -> Lsn {
        self.disk.append(entry)
    }

    fn durable(&self) -> Lsn {
        if self.planted == Planted::SpeaksBeforeStored { self.disk.end() } else { self.disk.durable() }
    }

    fn stored(&self) -> u64 {
        self.store.0.borrow().height()
    }

    fn send(&mut self, to: Address, message: &PeerMessage) {
        self.said.push(Said::To(to, message.clone()));
    }

    fn broadcast(&mut self, message: &PeerMessage) {
        self.said.push(Said::All(message.clone()));
    }

    fn send_stored(&mut self, to: Address, from: u64) {
        self.said.push(Said::Stored(to, from));
    }

    fn event(&mut self, event: ChainEvent) {
        if self.planted == Planted::KeepsVoidBlocks && matches!(event, ChainEvent::RolledBack { .. }) {
            return;
        }
        if let Err(why) = self.view.take(&event) {
            self.fault.get_or_insert(why);
        }
        self.events.push(event);
    }

    fn close_vote(&mut self, vote: CloseVote) {
        self.votes.push(vote);
    }

    fn evidence(&mut self, proof: Proof) {
        self.accusations.push(proof);
    }

    fn resubmit(&mut self, raw: &[u8]) {
        if self.planted != Planted::DropsVoidTransactions {
            self.resubmitted.push(raw.to_vec());
        }
    }

    fn count_refused(&mut self, _why: &Shed) {
        self.refused += 1;
    }

    fn count_forwarded(&mut self, _transactions: u64) {}

    fn forget(&mut self, hash: B256) {
        self.forgotten.push(hash);
    }
}
