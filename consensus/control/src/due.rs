//! What L1 has brought that the L2 has to execute: entries of the forced queue, and batches whose carrier is paid.
//!
//! The first block whose L1 view reaches an item's L1 block begins with it. Items stay here until L1 has accepted a batch with a
//! block of such a view, so a block above the last accepted batch can be judged by them. Should batches be missing for so long that there
//! are too many, the oldest that committed blocks have executed go before; and while no committed block has, the L1 view stands still.

use std::collections::VecDeque;

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::batches::AcceptedBatch;
use crate::l1::{L1Error, L1View};
use crate::limits::MAX_DUE;

/// One thing to be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Due {
    /// An entry of the forced queue.
    Forced {
        /// Its index in the queue; the first is 0.
        index: u64,
        /// Hash of its encoding as a transaction of the L2.
        hash: B256,
        /// Gas that it may use.
        gas: u64,
        /// Length of that encoding.
        bytes: u64,
    },
    /// The carrier of an accepted batch is paid.
    Batch {
        /// Index of the batch.
        index: u64,
        /// Who carried it.
        carrier: Address,
    },
}

/// An L1 block with something due: a block of the L2 may stop there on its way to the agreed view.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DueBlock {
    /// The L1 block.
    pub view: L1View,
    /// What it brought, in L1's order.
    pub items: Vec<Due>,
}

/// Everything due, in L1's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Dues {
    blocks: VecDeque<DueBlock>,
    /// Index that the next entry of the queue must have.
    next_forced: u64,
    /// Items up to this L1 block are gone: accepted batches, or at least committed blocks, have executed them.
    settled: u64,
}

impl Dues {
    /// L1 blocks with something due, ascending; none that an accepted batch has reached.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = &DueBlock> {
        self.blocks.iter()
    }

    /// Of these, the ones above an L1 block.
    pub fn above(&self, l1_block: u64) -> impl Iterator<Item = &DueBlock> {
        let from = self.blocks.partition_point(|block| block.view.number <= l1_block);
        self.blocks.range(from..)
    }

    /// Entries of the queue that the agreed view has brought.
    pub fn next_forced(&self) -> u64 {
        self.next_forced
    }

    /// The L1 block up to which everything is executed and gone.
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Entries of the queue that no accepted batch is known to have executed.
    pub fn waiting(&self) -> usize {
        let items = self.blocks.iter().flat_map(|block| &block.items);
        items.filter(|item| matches!(item, Due::Forced { .. })).count()
    }

    /// An entry of the queue comes in.
    pub(crate) fn enqueue(
        &mut self,
        view: L1View,
        index: u64,
        hash: B256,
        gas: u64,
        bytes: u64,
    ) -> Result<(), L1Error> {
        if index != self.next_forced {
            return Err(L1Error::ForcedGap { found: index, expected: self.next_forced });
        }
        self.add(view, Due::Forced { index, hash, gas, bytes })?;
        self.next_forced += 1;
        Ok(())
    }

    /// A batch comes in: its carrier is to be paid, and what its blocks have executed is no longer due.
    pub(crate) fn accept(&mut self, batch: &AcceptedBatch) -> Result<(), L1Error> {
        self.settled = self.settled.max(batch.l1_view);
        while self.blocks.front().is_some_and(|block| block.view.number <= self.settled) {
            self.blocks.pop_front();
        }
        let view = L1View { number: batch.l1_block, hash: batch.l1_hash };
        self.add(view, Due::Batch { index: batch.index, carrier: batch.carrier })
    }

    /// Lets go of the oldest while there is more than may be kept, as far as committed blocks have executed it (`committed` is the L1
    /// view that they have come to); to be asked once all events of a view are in.
    pub(crate) fn make_room(&mut self, committed: u64) -> Result<(), L1Error> {
        let mut count: usize = self.blocks.iter().map(|block| block.items.len()).sum();
        while count > MAX_DUE {
            let Some(oldest) = self.blocks.pop_front_if(|block| block.view.number <= committed) else {
                return Err(L1Error::TooMuchDue(count));
            };
            count -= oldest.items.len();
            self.settled = oldest.view.number;
        }
        Ok(())
    }

    fn add(&mut self, view: L1View, item: Due) -> Result<(), L1Error> {
        match self.blocks.back_mut() {
            Some(last) if last.view == view => last.items.push(item),
            Some(last) if last.view.number >= view.number => return Err(L1Error::OutOfOrder(view.number)),
            _ => self.blocks.push_back(DueBlock { view, items: vec![item] }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
