//! The edges of one simulated replica: what it says is put aside for the world to carry, what it stores goes to a disk that
//! takes its time, what it tells is checked by a chain view.

use std::mem;

use alloy_primitives::{Address, B256};
use horae_control::{CloseVote, Proof};
use horae_node::chain_view::ChainEvent;
use horae_node::replica::io::{Entry, Lsn, ReplicaIo};
use horae_node::replica::message::PeerMessage;
use horae_stages::Shed;

use super::disk::Disk;
use super::store::{SharedStore, View};

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
}

impl Edges {
    /// Edges over a disk and a store.
    #[must_use]
    pub fn new(disk: Disk, store: SharedStore) -> Self {
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
        }
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
        self.disk.durable()
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
        self.resubmitted.push(raw.to_vec());
    }

    fn count_refused(&mut self, _why: &Shed) {
        self.refused += 1;
    }

    fn count_forwarded(&mut self, _transactions: u64) {}

    fn forget(&mut self, hash: B256) {
        self.forgotten.push(hash);
    }

    fn fail(&mut self, why: String) {
        self.fault.get_or_insert(why);
    }
}
