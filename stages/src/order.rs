//! Order decides which executable transaction comes next.
//!
//! In: [`Ready`]. Out: the same, in the policy's order, but never a sender's nonces out of turn. Remembers what has not been
//! taken yet; bounded by the engine's pool, which is where the transactions live.

use std::collections::{BinaryHeap, VecDeque};
use std::ops::DerefMut;

use alloy_consensus::Transaction;
use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;

use crate::admit::Ready;
use crate::parcel::TxBody;

/// An ordering policy: gives each transaction a rank when it arrives.
pub trait Policy {
    /// Higher goes first; equal ranks go by arrival.
    fn rank(&self, tx: &TxBody, base_fee: u64) -> u128;
}

/// First come, first served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival;

impl Policy for Arrival {
    fn rank(&self, _: &TxBody, _: u64) -> u128 {
        0
    }
}

/// The most priority fee a gas first.
#[derive(Clone, Copy, Debug, Default)]
pub struct PriorityFee;

impl Policy for PriorityFee {
    fn rank(&self, tx: &TxBody, base_fee: u64) -> u128 {
        let tx = tx.decoded();
        tx.effective_gas_price(Some(base_fee)).saturating_sub(u128::from(base_fee))
    }
}

/// Where a sender's first transaction stands: the greatest is taken first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: u128,
    arrival: std::cmp::Reverse<u64>,
    sender: Address,
}

#[derive(Debug)]
struct Waiting<P> {
    rank: u128,
    arrival: u64,
    tx: Ready<P>,
}

/// The stage: a queue a sender, and a heap of their heads.
#[derive(Debug)]
pub struct Order<P, O> {
    policy: O,
    heads: BinaryHeap<Place>,
    senders: AddressMap<VecDeque<Waiting<P>>>,
    /// Emptied queues, kept for their room.
    spare: Vec<VecDeque<Waiting<P>>>,
    put_back: Vec<Ready<P>>,
    arrivals: u64,
    len: usize,
}

impl<P: DerefMut<Target = TxBody>, O: Policy> Order<P, O> {
    /// An empty queue under this policy.
    pub fn new(policy: O) -> Self {
        Self {
            policy,
            heads: BinaryHeap::new(),
            senders: AddressMap::default(),
            spare: Vec::new(),
            put_back: Vec::new(),
            arrivals: 0,
            len: 0,
        }
    }

    /// Takes one in. `base_fee` is the next block's.
    pub fn push(&mut self, tx: Ready<P>, base_fee: u64) {
        let waiting = Waiting { rank: self.policy.rank(tx.body(), base_fee), arrival: self.arrivals, tx };
        self.arrivals += 1;
        self.len += 1;
        let sender = waiting.tx.body().sender;
        let queue = self.senders.entry(sender).or_insert_with(|| self.spare.pop().unwrap_or_default());
        if queue.is_empty() {
            self.heads.push(waiting.place(sender));
        }
        queue.push_back(waiting);
    }

    /// The next to execute.
    pub fn pop(&mut self) -> Option<Ready<P>> {
        if let Some(tx) = self.put_back.pop() {
            self.len -= 1;
            return Some(tx);
        }
        let sender = self.heads.pop()?.sender;
        let queue = self.senders.get_mut(&sender).expect("a sender in the heap has a queue");
        let waiting = queue.pop_front().expect("a sender in the heap has a transaction");
        if let Some(next) = queue.front() {
            self.heads.push(next.place(sender));
        } else if let Some(queue) = self.senders.remove(&sender) {
            self.spare.push(queue);
        }
        self.len -= 1;
        Some(waiting.tx)
    }

    /// Puts back the one popped last, because the block had no room for it: it stays the next.
    pub fn put_back(&mut self, tx: Ready<P>) {
        self.len += 1;
        self.put_back.push(tx);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<P> Waiting<P> {
    fn place(&self, sender: Address) -> Place {
        Place { rank: self.rank, arrival: std::cmp::Reverse(self.arrival), sender }
    }
}
