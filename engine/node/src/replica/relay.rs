//! The relay: executable transactions while another validator holds the slot. They are passed on to it, and kept until a
//! block contains them, so that a dead sequencer takes none of them with it.
//!
//! They go in order of arrival, and no more are under way than the sequencer has room for: one that were lost there would be
//! overtaken by later nonces, which then wait in its place.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256};
use horae_control::planted;
use horae_stages::Ready;

use super::message::{BYTES_PER_ANSWER, TRANSACTIONS_PER_MESSAGE};
use crate::pipeline::Parcel;

/// A transaction that no block has shown is passed on again after this long.
pub const RESEND_MS: u64 = 2_000;
/// How often the relay looks for transactions that have to be sent again.
pub const SWEEP_MS: u64 = 250;

struct Kept {
    tx: Ready<Parcel>,
    /// When it was passed on to the present sequencer.
    sent_ms: Option<u64>,
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
    /// Those that are not under way, in order of arrival.
    unsent: BTreeSet<u64>,
    sequencer: Option<Address>,
    next: u64,
    swept_ms: u64,
}

impl Relay {
    /// Keeps a transaction, behind all that are kept.
    pub fn push(&mut self, tx: Ready<Parcel>) {
        self.arrival.insert(tx.body().hash(), self.next);
        self.nonces.insert(place_of(&tx), self.next);
        self.kept.insert(self.next, Kept { tx, sent_ms: None });
        self.unsent.insert(self.next);
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
        self.unsent.remove(&at);
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

    /// The next message's worth of transactions for `sequencer`, with which at most `window` are under way to it; empty when there
    /// are none.
    pub fn take_unsent(&mut self, now_ms: u64, sequencer: Address, window: usize) -> Vec<Vec<u8>> {
        self.take_back(now_ms, sequencer);
        let room = window.saturating_sub(self.kept.len() - self.unsent.len()).min(TRANSACTIONS_PER_MESSAGE);
        let mut bytes = 0;
        let mut batch = Vec::new();
        while batch.len() < room && bytes < BYTES_PER_ANSWER {
            let Some(at) = self.unsent.pop_first() else { break };
            let kept = self.kept.get_mut(&at).expect("what is unsent is kept");
            kept.sent_ms = Some(now_ms);
            bytes += kept.tx.body().raw().len();
            batch.push(kept.tx.body().raw().to_vec());
            if planted!(LostResend) {
                self.take(at);
            }
        }
        batch
    }

    /// What went to another sequencer has to be sent anew; now and then, what was sent too long ago, too.
    fn take_back(&mut self, now_ms: u64, sequencer: Address) {
        let is_new = self.sequencer.replace(sequencer) != Some(sequencer);
        if !is_new && now_ms < self.swept_ms.saturating_add(SWEEP_MS) {
            return;
        }
        self.swept_ms = now_ms;
        let is_lost = |sent_ms: u64| is_new || now_ms >= sent_ms.saturating_add(RESEND_MS);
        for (at, kept) in self.kept.iter_mut().filter(|(_, kept)| kept.sent_ms.is_some_and(is_lost)) {
            kept.sent_ms = None;
            self.unsent.insert(*at);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{U256, keccak256};
    use horae_runtime::Pool;
    use horae_stages::admit::{AccountView, Admit, AdmitLimits, Verdict};
    use horae_stages::{Decode, DecodePolicy, Dedup, Frame, Recover};

    use super::*;
    use crate::chain_view::testing::{genesis, transfer};
    use crate::pipeline::TxCell;

    const FIRST: Address = Address::repeat_byte(1);
    const SECOND: Address = Address::repeat_byte(2);

    struct Rich;

    impl AccountView for Rich {
        type Error = std::convert::Infallible;
        fn nonce_and_balance(&mut self, _: Address) -> Result<(u64, U256), Self::Error> {
            Ok((0, U256::MAX))
        }
    }

    /// A relay that keeps `count` transfers of one sender, and their bytes.
    fn relay(count: u64) -> (Relay, Vec<Vec<u8>>) {
        let params = genesis().params;
        let pool = Pool::new(count as usize, TxCell::default);
        let decode = Decode::new(DecodePolicy::new(&params));
        let (mut dedup, mut recover) = (Dedup::new(64), Recover::new());
        let mut admit = Admit::new(AdmitLimits::default(), 1, params.gas_limit);
        let (mut relay, mut raws) = (Relay::default(), Vec::new());
        for nonce in 0..count {
            let raw = transfer(1, nonce, FIRST, 1).to_vec();
            let mut cell = pool.try_take().unwrap();
            cell.fill(&raw, 0, None);
            let fresh = dedup.step(decode.step(Frame::new(Parcel::new(cell))).unwrap()).unwrap();
            let recovered = recover.step(fresh).unwrap();
            admit
                .step(0, recovered, &mut Rich, &mut |verdict| match verdict {
                    Verdict::Ready(tx) => relay.push(tx),
                    other => panic!("{other:?}"),
                })
                .unwrap();
            raws.push(raw);
        }
        (relay, raws)
    }

    #[test]
    fn no_more_are_under_way_than_there_is_room_for() {
        let (mut relay, raws) = relay(7);
        assert_eq!(relay.take_unsent(0, FIRST, 4), raws[..4]);
        assert!(relay.take_unsent(1, FIRST, 4).is_empty());
        assert!(relay.remove(&keccak256(&raws[1])).is_some());
        assert_eq!(relay.take_unsent(2, FIRST, 4), raws[4..5]);
        assert_eq!(relay.len(), 6);
    }

    #[test]
    fn what_was_lost_goes_again_before_what_came_later() {
        let (mut relay, raws) = relay(6);
        assert_eq!(relay.take_unsent(0, FIRST, 3), raws[..3]);
        assert!(relay.remove(&keccak256(&raws[0])).is_some());
        assert_eq!(relay.take_unsent(RESEND_MS - 1, FIRST, 3), raws[3..4]);
        assert_eq!(relay.take_unsent(RESEND_MS + SWEEP_MS, FIRST, 3), raws[1..3]);
    }

    #[test]
    fn the_next_sequencer_is_sent_all_at_once() {
        let (mut relay, raws) = relay(5);
        assert_eq!(relay.take_unsent(0, FIRST, 3), raws[..3]);
        assert_eq!(relay.take_unsent(1, SECOND, 3), raws[..3]);
        assert!(relay.take_unsent(2, SECOND, 3).is_empty());
        assert_eq!(relay.take_unsent(3, SECOND, 5), raws[3..]);
        assert_eq!(relay.drain().count(), 5);
        assert!(relay.take_unsent(4, FIRST, 5).is_empty());
    }
}
