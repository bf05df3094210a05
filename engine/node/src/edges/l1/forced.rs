//! The forced queue on L1: its entries as the L2 executes them, and everything else that blocks owe to L1.

use std::collections::BTreeSet;

use alloy::{rpc::types::Log, sol_types::SolEvent};
use alloy_primitives::{B256, Bytes, TxKind};
use horae_contracts::{BatchInbox, ForcedQueue};
use horae_stages::{
    L1View,
    protocol::{ForcedEntry, batch_paid},
};

use super::{L1, L1Error, batches::block_of};

/// A transaction that the first block of the L2 has to execute whose L1 view reaches an L1 block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueTransaction {
    /// The L1 block.
    pub l1_block: u64,
    /// EIP-2718 encoding.
    pub raw: Bytes,
}

impl L1 {
    /// Entries of the queue in these L1 blocks, in L1's order.
    ///
    /// # Errors
    /// [`L1Error::Reorganised`] if one of the blocks is not on L1's chain; [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn entries_in(&self, blocks: &[L1View]) -> Result<Vec<ForcedEntry>, L1Error> {
        let (Some(first), Some(last)) = (blocks.first(), blocks.last()) else { return Ok(Vec::new()) };
        let wanted: BTreeSet<(u64, B256)> = blocks.iter().map(|view| (view.number, view.hash)).collect();
        let mut entries = Vec::new();
        for (at, entry) in self.entries(first.number, last.number).await? {
            if wanted.contains(&(at.number, at.hash)) {
                entries.push(entry);
            } else if let Some(other) = blocks.iter().find(|view| view.number == at.number) {
                return Err(L1Error::Reorganised { number: other.number, expected: other.hash });
            }
        }
        Ok(entries)
    }

    /// Entries of the queue in the L1 blocks `from..=to`, each with its L1 block, in order.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn entries(&self, from: u64, to: u64) -> Result<Vec<(L1View, ForcedEntry)>, L1Error> {
        let mut entries = Vec::new();
        for log in self.logs(from, to, &[self.queue()], Some(ForcedQueue::Enqueued::SIGNATURE_HASH)).await? {
            let at = block_of(&log)?;
            entries.extend(entry_of(&log)?.map(|entry| (at, entry)));
        }
        Ok(entries)
    }

    /// What the L1 blocks `from..=to` make due on L2, in L1's order: entries of the queue, and payments to carriers of batches.
    ///
    /// # Errors
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn due(&self, from: u64, to: u64) -> Result<Vec<DueTransaction>, L1Error> {
        let mut due = Vec::new();
        for log in self.logs(from, to, &[self.inbox(), self.queue()], None).await? {
            let raw = if log.address() == self.queue() {
                entry_of(&log)?.map(|entry| entry.encode())
            } else if log.topic0() == Some(&BatchInbox::BatchAccepted::SIGNATURE_HASH) {
                let event = BatchInbox::BatchAccepted::decode_log(&log.inner);
                let event = event.map_err(|why| L1Error::Nonsense { what: "event", problem: why.to_string() })?;
                Some(batch_paid(event.index, event.carrier))
            } else {
                None
            };
            let l1_block = block_of(&log)?.number;
            due.extend(raw.map(|raw| DueTransaction { l1_block, raw }));
        }
        Ok(due)
    }
}

/// The entry that a log of the queue tells of, if it tells of one.
pub(super) fn entry_of(log: &Log) -> Result<Option<ForcedEntry>, L1Error> {
    if log.topic0() != Some(&ForcedQueue::Enqueued::SIGNATURE_HASH) {
        return Ok(None);
    }
    let event = ForcedQueue::Enqueued::decode_log(&log.inner);
    let event = event.map_err(|why| L1Error::Nonsense { what: "event", problem: why.to_string() })?;
    let e = event.data;
    let to = if e.isCreation { TxKind::Create } else { TxKind::Call(e.to) };
    Ok(Some(ForcedEntry { index: e.index, from: e.from, to, mint: e.mint, value: e.value, gas: e.gas, data: e.data }))
}
