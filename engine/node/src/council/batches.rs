//! Batches at this node: which run of committed blocks comes next, the bytes and digest of it, and the check of another
//! validator's bytes against our own blocks.
//!
//! What a signer signs is computed from its own committed blocks and its own state root; of the coordinator it takes
//! only the bytes, after unpacking and comparing them.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use horae_contracts::{Batch, batch_digest};
use horae_stages::pack::{Level, PackError, UnpackError, UnpackLimits, pack, unpack};
use horae_stages::protocol::signed;
use horae_stages::rules::{HeaderChoices, ends_batch};
use horae_stages::{Block, ChainParams};
use thiserror::Error;

use crate::chain_view::ChainView;
use crate::edges::store::{StoreError, StoreReader};

/// The last batch that L1 has: what the next one stands on. All zero before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchHead {
    /// Index of the next batch.
    pub next_index: u64,
    /// Digest of the last one.
    pub digest: B256,
    /// Its last block.
    pub last_block: u64,
}

/// A batch that is complete here: committed to its last block, with the state root after it.
#[derive(Clone, Debug)]
pub struct CompleteBatch {
    /// Its blocks.
    pub blocks: Vec<Block>,
    /// What is signed, but for the hash of the data.
    header: Batch,
}

/// A batch's header and digest.
#[derive(Clone, Debug)]
pub struct SignableBatch {
    /// What the inbox takes.
    pub header: Batch,
    /// What the group signs.
    pub digest: B256,
}

/// Why bytes are not the batch.
#[derive(Debug, Error)]
pub enum BatchMismatch {
    /// They do not unpack.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// They hold other blocks than were committed here.
    #[error("block {number} in the batch is not the one committed here")]
    Block {
        /// The height.
        number: u64,
    },
    /// They hold another run of blocks.
    #[error("the batch holds blocks {found_first}..={found_last}, not {first}..={last}")]
    Range {
        /// First block in the bytes.
        found_first: u64,
        /// Last block in the bytes.
        found_last: u64,
        /// First block that is due.
        first: u64,
        /// Last block that is due.
        last: u64,
    },
}

/// Names the inbox that digests are bound to.
#[derive(Clone, Copy, Debug)]
pub struct Inbox {
    /// L1 chain id.
    pub l1_chain_id: u64,
    /// The contract.
    pub address: Address,
}

/// The next batch, if the blocks up to its end are committed and its state root is known.
pub(super) fn next_complete(
    view: &ChainView,
    params: &ChainParams,
    head: &BatchHead,
) -> Result<Option<CompleteBatch>, StoreError> {
    let reader = view.store().reader();
    // Looked at often, and for most of the time it is the batch under way: its blocks need not be read for that.
    let Some(tip) = reader.header(reader.height())? else { return Ok(None) };
    if tip.number <= head.last_block || (tip.batch <= head.next_index && !ends_batch(&tip, params)) {
        return Ok(None);
    }
    let Some(blocks) = run_of(&reader, params, head.last_block + 1)? else { return Ok(None) };
    let Some(last) = blocks.last().map(|block| block.header.number) else { return Ok(None) };
    let Some(state_root) = view.state_root(last)? else { return Ok(None) };
    Ok(CompleteBatch::new(head, blocks, state_root))
}

/// How many batches are complete here behind this one.
pub(super) fn waiting_behind(view: &ChainView, batch: &CompleteBatch, params: &ChainParams) -> Result<u64, StoreError> {
    let reader = view.store().reader();
    let tip = reader.header(reader.height())?;
    let complete = tip.map_or(0, |tip| tip.batch + u64::from(ends_batch(&tip, params)));
    Ok(complete.saturating_sub(batch.index() + 1))
}

/// The committed blocks from `first` to the end of its batch, if that is stored.
fn run_of(reader: &StoreReader, params: &ChainParams, first: u64) -> Result<Option<Vec<Block>>, StoreError> {
    let mut blocks = Vec::new();
    for number in first..=reader.height() {
        let Some(block) = reader.raw_block(number)? else { return Ok(None) };
        let ends = ends_batch(&block.header, params);
        blocks.push(block);
        if ends {
            return Ok(Some(blocks));
        }
    }
    Ok(None)
}

impl CompleteBatch {
    /// The batch after `head` of these blocks, the last of which ends it; `state_root` is the root after it. `None` without blocks.
    pub fn new(head: &BatchHead, blocks: Vec<Block>, state_root: B256) -> Option<Self> {
        let last = &blocks.last()?.header;
        let header = Batch {
            index: head.next_index,
            previousDigest: head.digest,
            firstBlock: head.last_block + 1,
            lastBlock: last.number,
            lastBlockHash: last.hash(),
            dataHash: B256::ZERO,
            stateRoot: state_root,
            l1View: last.l1_view.number,
            forced: last.forced,
        };
        Some(Self { header, blocks })
    }

    /// Index of the batch.
    pub fn index(&self) -> u64 {
        self.header.index
    }

    /// Its last block.
    pub fn last_block(&self) -> u64 {
        self.header.lastBlock
    }

    /// Packs the blocks. Signers read every level alike, so it is the coordinator's own choice.
    pub fn pack(&self, level: Level) -> Result<Bytes, PackError> {
        pack(&self.blocks, level).map(|packed| packed.bytes)
    }

    /// What is signed for these bytes, after [`CompleteBatch::check`] or for bytes of our own.
    pub fn signable(&self, data: &[u8], inbox: &Inbox) -> SignableBatch {
        let header = Batch { dataHash: keccak256(data), ..self.header.clone() };
        let digest = batch_digest(inbox.l1_chain_id, inbox.address, &header);
        SignableBatch { header, digest }
    }

    /// Checks that bytes hold exactly these blocks.
    pub fn check(&self, data: &[u8], params: &ChainParams) -> Result<(), BatchMismatch> {
        let unpacked = unpack(data, &UnpackLimits::new(params))?;
        let found_last = (unpacked.first_block + unpacked.blocks.len() as u64).saturating_sub(1);
        let (first, last) = (self.header.firstBlock, self.header.lastBlock);
        if (unpacked.first_block, found_last) != (first, last) || unpacked.blocks.len() != self.blocks.len() {
            return Err(BatchMismatch::Range { found_first: unpacked.first_block, found_last, first, last });
        }
        for (theirs, ours) in unpacked.blocks.iter().zip(&self.blocks) {
            let same =
                theirs.choices == HeaderChoices::of(&ours.header) && theirs.transactions == signed(&ours.transactions);
            if !same {
                return Err(BatchMismatch::Block { number: ours.header.number });
            }
        }
        Ok(())
    }
}
