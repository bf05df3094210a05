//! Batches that L1 has accepted, in order and without a gap (invariant 4).

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::command::L1Event;

/// A batch that the inbox accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AcceptedBatch {
    /// Index of the batch; the first is 0.
    pub index: u64,
    /// The commitment that was signed; the next batch names it.
    pub digest: B256,
    /// Its first L2 block.
    pub first_block: u64,
    /// Its last L2 block.
    pub last_block: u64,
    /// Hash of that block.
    pub last_block_hash: B256,
    /// State root after it.
    pub state_root: B256,
    /// L1 block that its last block names as its view.
    pub l1_view: u64,
    /// Entries of the forced queue executed up to that block.
    pub forced: u64,
    /// Who carried it.
    pub carrier: Address,
    /// L1 block of acceptance.
    pub l1_block: u64,
    /// Hash of that block.
    pub l1_hash: B256,
    /// L1 transaction of acceptance.
    pub l1_tx: B256,
}

impl AcceptedBatch {
    /// The batch that an event tells of, if it tells of one.
    pub fn from_event(event: &L1Event) -> Option<Self> {
        match *event {
            L1Event::BatchAccepted {
                index,
                digest,
                first_block,
                last_block,
                last_block_hash,
                state_root,
                l1_view,
                forced,
                carrier,
                l1_block,
                l1_hash,
                l1_tx,
            } => Some(Self {
                index,
                digest,
                first_block,
                last_block,
                last_block_hash,
                state_root,
                l1_view,
                forced,
                carrier,
                l1_block,
                l1_hash,
                l1_tx,
            }),
            _ => None,
        }
    }
}

/// An accepted batch does not continue the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "batch {index} of blocks {first_block}..={last_block} does not follow: expected batch {next} from block {block}"
)]
pub struct BatchGap {
    /// Index of the batch.
    pub index: u64,
    /// Its first L2 block.
    pub first_block: u64,
    /// Its last L2 block.
    pub last_block: u64,
    /// The index that follows.
    pub next: u64,
    /// The first block that follows.
    pub block: u64,
}

/// The batches accepted so far; only the last one matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batches {
    last: Option<AcceptedBatch>,
}

impl Batches {
    /// The batch accepted last.
    pub fn last(&self) -> Option<AcceptedBatch> {
        self.last
    }

    /// Index that the next batch must have.
    pub fn next_index(&self) -> u64 {
        self.last.map_or(0, |batch| batch.index.saturating_add(1))
    }

    /// First block that the next batch must have.
    pub fn next_block(&self) -> u64 {
        self.last.map_or(1, |batch| batch.last_block.saturating_add(1))
    }

    /// The commitment that the next batch names; zero for the first.
    pub fn last_digest(&self) -> B256 {
        self.last.map_or(B256::ZERO, |batch| batch.digest)
    }

    pub(crate) fn accept(&mut self, batch: AcceptedBatch) -> Result<(), BatchGap> {
        let (next, block) = (self.next_index(), self.next_block());
        if batch.index != next || batch.first_block != block || batch.last_block < batch.first_block {
            let AcceptedBatch { index, first_block, last_block, .. } = batch;
            return Err(BatchGap { index, first_block, last_block, next, block });
        }
        self.last = Some(batch);
        Ok(())
    }
}
