//! The relay: executable transactions while another validator holds the slot. They are passed on to it, and kept until a
//! block contains them, so that a dead sequencer takes none of them with it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256};
use horae_control::planted;
use horae_stages::Ready;

use super::message::{BYTES_PER_ANSWER, TRANSACTIONS_PER_MESSAGE};
use crate::pipeline::Parcel;

/// A transaction that no block has shown is passed on again after this long, to whoever is the sequencer then.
pub const RESEND_MS: u64 = 2_000;
/// How often the relay looks for transactions that have to be sent again.
pub const SWEEP_MS: u64 = 250;

struct Kept {
    tx: Ready<Parcel>,
    sent_to: Option<Address>,
    sent_ms: u64,
}

fn place_of(tx: &Ready<Parcel>) -> (Address, u64) {
    let body = tx.body();
    (body.sender(), body.envelope().map_or(0, Transaction::nonce))
}

/// Transactions on their way to the sequencer. Bounded by the node's pool, in which they live.
#[derive(Default)]
pub struct Relay {
    kept: BTreeMap<u64, Kept>,
    arrival: HashMap<B256, u64>,
    nonces: HashMap<(Address, u64), u64>,
    unsent: VecDeque<u64>,
    next: u64,
    swept_ms: u64,
}

impl Relay {
    /// Keeps a transaction, behind all that are kept.
    pub fn push(&mut self, tx: Ready<Parcel>) {
        self.arrival.insert(tx.body().hash(), self.next);
        self.nonces.insert(place_of(&tx), self.next);
        self.kept.insert(self.next, Kept { tx, sent_to: None, sent_ms: 0 });
        self.unsent.push_back(self.next);
        self.next += 1;
    }

    /// Lets go of a transaction: a block contains it.
    pub fn remove(&mut self, hash: &B256) -> Option<Ready<Parcel>> {
        let at = self.arrival.remove(hash)?;
        self.take(at)
    }

    /// Lets go of the transaction of this sender with this nonce: a block contains another.
    pub fn remove_at(&mut self, sender: Address, nonce: u64) -> Option<Ready<Parcel>> {
        let at = *self.nonces.get(&(sender, nonce))?;
        self.take(at)
    }

    fn take(&mut self, at: u64) -> Option<Ready<Parcel>> {
        let tx = self.kept.remove(&at)?.tx;
        let (hash, place) = (tx.body().hash(), place_of(&tx));
        self.arrival.remove(&hash);
        if self.nonces.get(&place) == Some(&at) {
            self.nonces.remove(&place);
        }
        Some(tx)
    }

    /// Lets go of all, in order of arrival: this node is the sequencer now.
    pub fn drain(&mut self) -> impl Iterator<Item = Ready<Parcel>> + use<> {
        self.arrival.clear();
        self.nonces.clear();
        self.unsent.clear();
        std::mem::take(&mut self.kept).into_values().map(|kept| kept.tx)
    }

    /// Transactions kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The next message's worth of transactions that `sequencer` has not been sent lately; empty when there are none.
    pub fn take_unsent(&mut self, now_ms: u64, sequencer: Address) -> Vec<Vec<u8>> {
        self.sweep(now_ms, sequencer);
        let mut bytes = 0;
        let mut batch = Vec::new();
        while batch.len() < TRANSACTIONS_PER_MESSAGE && bytes < BYTES_PER_ANSWER {
            let Some(at) = self.unsent.pop_front() else { break };
            let Some(kept) = self.kept.get_mut(&at) else { continue };
            kept.sent_to = Some(sequencer);
            kept.sent_ms = now_ms;
            bytes += kept.tx.body().raw().len();
            batch.push(kept.tx.body().raw().to_vec());
            if planted!(LostResend) {
                self.take(at);
            }
        }
        batch
    }

    /// Now and then, finds those that were sent to another sequencer, or too long ago.
    fn sweep(&mut self, now_ms: u64, sequencer: Address) {
        if now_ms < self.swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        self.swept_ms = now_ms;
        let stale = |kept: &Kept| {
            kept.sent_to.is_some()
                && (kept.sent_to != Some(sequencer) || now_ms >= kept.sent_ms.saturating_add(RESEND_MS))
        };
        for (at, kept) in self.kept.iter_mut().filter(|(_, kept)| stale(kept)) {
            kept.sent_to = None;
            self.unsent.push_back(*at);
        }
    }
}
