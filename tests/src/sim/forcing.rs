//! The forced queue: what users enter in it, and whether blocks and batches made of it what they have to. Each entry is executed once, in
//! order, by the first block whose L1 view reaches it; a batch names as many as its blocks have executed, and none is overdue.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use horae_contracts::Batch;
use horae_control::BlockId;
use horae_stages::{ExecutedBlock, ForcedEntry, ProtocolTx};

use super::beginning::{CATCHER, REVERTER};
use super::judge::Violation;
use super::l1::{FORCED_DEADLINE, L1};
use super::rng::Rng;

/// An entry of a user who has nothing on L2 but what it mints: a deposit, a call that fails, one that it cannot pay for, or the
/// creation of a contract.
#[must_use]
pub fn draw_entry(rng: &mut Rng) -> ForcedEntry {
    let from = Address::repeat_byte(rng.between(0x70, 0x74) as u8);
    let mint = U256::from(rng.between(0, 1_000));
    let (to, value, gas, data) = match rng.below(5) {
        0 => (TxKind::Call(REVERTER), U256::ZERO, 60_000, Bytes::new()),
        1 => (TxKind::Call(CATCHER), mint, 200_000, Bytes::new()),
        2 => (TxKind::Call(from), U256::MAX, 21_000, Bytes::new()),
        3 => (TxKind::Create, U256::ZERO, 3_000_000, Bytes::from_static(&[0x60, 0x00, 0x60, 0x00, 0xf3])),
        _ => (TxKind::Call(from), mint, 21_000, Bytes::new()),
    };
    ForcedEntry { index: 0, from, to, mint, value, gas, data }
}

/// What a block has of the queue.
#[derive(Debug)]
struct Begins {
    view: u64,
    entries: Vec<B256>,
}

/// The queue as agreed, and what became of it.
#[derive(Debug, Default)]
pub struct Forcing {
    /// L1 block and hash of each entry that the agreed view has brought.
    queue: Vec<(u64, B256)>,
    blocks: BTreeMap<B256, Begins>,
    next: u64,
}

impl Forcing {
    pub(super) fn entered(&mut self, l1: &L1, view: u64) {
        let known = self.queue.len();
        self.queue.extend(l1.entries_up_to(view).skip(known).map(|(at, entry)| (at, entry.hash())));
    }

    pub(super) fn next(&self) -> u64 {
        self.next
    }

    pub(super) fn executed(&mut self, block: &ExecutedBlock) {
        self.blocks.entry(block.hash).or_insert_with(|| {
            let decoded = block.block.transactions.iter().map(|raw| ProtocolTx::decode(raw));
            let forced =
                decoded.zip(&block.transactions).filter(|(tx, _)| tx.as_ref().is_ok_and(ProtocolTx::is_forced));
            Begins { view: block.block.header.l1_view.number, entries: forced.map(|(_, tx)| tx.hash).collect() }
        });
    }

    /// A block is committed, on top of the one before.
    pub(super) fn committed(&mut self, id: BlockId) -> Result<(), Violation> {
        let Some(Begins { view, entries }) = self.blocks.remove(&id.hash) else { return Ok(()) };
        let due = self.queue.iter().skip(self.next as usize).take_while(|(at, _)| *at <= view);
        let due: Vec<B256> = due.map(|(_, hash)| *hash).collect();
        if due != entries {
            let (next, found) = (self.next, entries.len());
            let what = format!(
                "{id} comes to L1 block {view} with {found} entries of the forced queue, due are {} from {next} on",
                due.len()
            );
            return Err(Violation::new(9, what));
        }
        self.next += due.len() as u64;
        Ok(())
    }

    /// L1 has accepted a batch.
    pub(super) fn check_batch(&self, batch: &Batch) -> Result<(), Violation> {
        let reached = self.queue.iter().take_while(|(at, _)| *at <= batch.l1View).count() as u64;
        let overdue = self.queue.get(batch.forced as usize).is_some_and(|(at, _)| at + FORCED_DEADLINE <= batch.l1View);
        if batch.forced == reached && !overdue {
            return Ok(());
        }
        let what = format!(
            "batch {} comes to L1 block {} with {} entries of the forced queue, by then there were {reached}",
            batch.index, batch.l1View, batch.forced
        );
        Err(Violation::new(9, what))
    }
}
