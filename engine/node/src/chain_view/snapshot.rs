//! What a reader holds: the chain at one moment, from the oldest stored block to the newest ordered one.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, Bloom};
use horae_control::{BlockId, Certificate, Commit, Signature};
use horae_stages::{Block, ExecutedBlock, Header, Overlay};

use super::past::{PastState, StateAt, UndoWindow};
use super::{BatchRecord, Heads, NodeStatus};
use crate::edges::store::{SharedReader, StoreError, StoreReader};
use crate::feed::FeedBlock;

/// A block with what JSON-RPC asks about it.
#[derive(Clone, Debug)]
pub struct ViewedBlock {
    /// The block and its receipts. Its changes are empty if it came out of the store.
    pub executed: Arc<ExecutedBlock>,
    /// The sequencer's signature; `None` for genesis and for a block rebuilt from L1.
    pub signature: Option<Signature>,
    /// Bloom of all logs in it.
    pub bloom: Bloom,
}

impl ViewedBlock {
    /// Adds up the receipts' blooms.
    pub fn new(executed: Arc<ExecutedBlock>, signature: Option<Signature>) -> Self {
        let mut bloom = Bloom::ZERO;
        for receipt in executed.receipts.iter().filter(|receipt| !receipt.envelope.logs().is_empty()) {
            bloom.accrue_bloom(receipt.envelope.logs_bloom());
        }
        Self { executed, signature, bloom }
    }

    /// Its header.
    pub fn header(&self) -> &Header {
        &self.executed.block.header
    }

    /// Its height and hash.
    pub fn id(&self) -> BlockId {
        BlockId { number: self.header().number, hash: self.executed.hash }
    }

    /// Bytes of its transactions.
    pub(super) fn bytes(&self) -> usize {
        self.executed.block.transactions.iter().map(|raw| raw.len()).sum()
    }
}

/// Where a transaction is.
#[derive(Clone, Debug)]
pub struct Located {
    /// The block with it.
    pub block: Arc<ViewedBlock>,
    /// Its position in the block.
    pub index: usize,
}

/// Why a state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateUnavailable {
    /// Below what this node keeps.
    #[error("required historical state unavailable: block {asked}, this node keeps states from block {lowest} on")]
    Pruned {
        /// Height asked for.
        asked: u64,
        /// Lowest height whose state can be read.
        lowest: u64,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Hashes of the blocks in memory and of their transactions. Shared by all snapshots, so an entry is a hint to be checked.
#[derive(Default)]
pub(super) struct RecentIndex(RwLock<Recent>);

#[derive(Default)]
struct Recent {
    blocks: B256Map<u64>,
    transactions: B256Map<(u64, u32)>,
}

impl RecentIndex {
    pub(super) fn add(&self, block: &ExecutedBlock) {
        let mut recent = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let number = block.block.header.number;
        recent.blocks.insert(block.hash, number);
        for (index, transaction) in block.transactions.iter().enumerate() {
            recent.transactions.insert(transaction.hash, (number, index as u32));
        }
    }

    /// Takes a block out, except for transactions that are in another block by now.
    pub(super) fn remove(&self, block: &ExecutedBlock) {
        let mut recent = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let number = block.block.header.number;
        recent.blocks.remove(&block.hash);
        for (index, transaction) in block.transactions.iter().enumerate() {
            if recent.transactions.get(&transaction.hash) == Some(&(number, index as u32)) {
                recent.transactions.remove(&transaction.hash);
            }
        }
    }

    fn block(&self, hash: &B256) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).blocks.get(hash).copied()
    }

    fn transaction(&self, hash: &B256) -> Option<(u64, u32)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).transactions.get(hash).copied()
    }
}

/// The chain at one moment.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) store: Arc<StoreReader>,
    pub(super) index: Arc<RecentIndex>,
    /// Consecutive; the last is the ordered head. Empty while all that is known is in the store.
    pub(super) blocks: Arc<Vec<Arc<ViewedBlock>>>,
    pub(super) undo: Arc<UndoWindow>,
    pub(super) heads: Heads,
    pub(super) certificates: Arc<BTreeMap<u64, Arc<Certificate>>>,
    pub(super) commits: Arc<BTreeMap<u64, Arc<Commit>>>,
    pub(super) status: Arc<NodeStatus>,
    pub(super) last_batch: Option<Arc<BatchRecord>>,
    pub(super) transactions: u64,
}

impl Snapshot {
    /// The highest block at each strength.
    pub fn heads(&self) -> &Heads {
        &self.heads
    }

    /// What the node last said about slot, epoch and validators.
    pub fn status(&self) -> &Arc<NodeStatus> {
        &self.status
    }

    /// The highest batch that L1 accepted.
    pub fn last_batch(&self) -> Option<&Arc<BatchRecord>> {
        self.last_batch.as_ref()
    }

    /// Committed transactions since the node started.
    pub fn transactions_since_start(&self) -> u64 {
        self.transactions
    }

    /// The store below, at the height it had.
    pub fn store(&self) -> &Arc<StoreReader> {
        &self.store
    }

    /// The same chain over an older store, as it is between a commit and its way to the disk.
    #[cfg(test)]
    pub(crate) fn over(&self, store: Arc<StoreReader>) -> Self {
        Self { store, ..self.clone() }
    }

    /// The blocks in memory, lowest first: the newest committed ones and all that are ordered above them.
    pub fn recent(&self) -> &[Arc<ViewedBlock>] {
        &self.blocks
    }

    /// The block at a height, ordered ones included.
    pub fn block(&self, number: u64) -> Result<Option<Arc<ViewedBlock>>, StoreError> {
        if let Some(block) = self.in_memory(number) {
            return Ok(Some(block.clone()));
        }
        let stored = self.store.block(number)?;
        Ok(stored.map(|b| Arc::new(ViewedBlock::new(Arc::new(b.executed), b.signature))))
    }

    /// A header, ordered ones included.
    pub fn header(&self, number: u64) -> Result<Option<Header>, StoreError> {
        match self.in_memory(number) {
            Some(block) => Ok(Some(block.header().clone())),
            None => self.store.header(number),
        }
    }

    /// The height of a block, ordered ones included.
    pub fn number(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        let recent = self.index.block(hash).filter(|n| self.in_memory(*n).is_some_and(|b| b.executed.hash == *hash));
        match recent {
            Some(number) => Ok(Some(number)),
            None => self.store.number(hash),
        }
    }

    /// Where a transaction is, ordered ones included.
    pub fn transaction(&self, hash: &B256) -> Result<Option<Located>, StoreError> {
        let place = match self.index.transaction(hash).filter(|(number, _)| self.in_memory(*number).is_some()) {
            Some(place) => Some(place),
            None => self.store.transaction(hash)?,
        };
        let Some((number, index)) = place else { return Ok(None) };
        let Some(block) = self.block(number)? else { return Ok(None) };
        let index = index as usize;
        let is_it = block.executed.transactions.get(index).is_some_and(|t| t.hash == *hash);
        Ok(is_it.then_some(Located { block, index }))
    }

    /// The state after the block at a height, which must not be above the ordered head.
    pub fn state(&self, number: u64) -> Result<StateAt, StateUnavailable> {
        let stored = self.store.height();
        let source = SharedReader(self.store.clone());
        if number >= stored {
            let above = self.blocks.iter().filter(|b| (stored + 1..=number).contains(&b.header().number));
            return Ok(StateAt::Recent(Overlay::new(source, above.map(|b| b.executed.clone()).collect())));
        }
        match self.undo.newest(stored - number) {
            Some(undo) => Ok(StateAt::Past(PastState { number, source, undo })),
            None => Err(StateUnavailable::Pruned { asked: number, lowest: stored - self.undo.reach() }),
        }
    }

    /// A certificate of the block at a height, or the lowest one known above it, which covers it too.
    pub fn certificate(&self, number: u64) -> Result<Option<Arc<Certificate>>, StoreError> {
        if number <= self.store.height()
            && let Some(certificate) = self.store.certificate(number)?
        {
            return Ok(Some(Arc::new(certificate)));
        }
        if let Some(commit) = self.commit(number)? {
            return Ok(Some(Arc::new(commit.certificate.clone())));
        }
        Ok(self.certificates.range(number..).next().map(|(_, certificate)| certificate.clone()))
    }

    /// The lowest commit at or above a height, which covers it. `None` for a block committed by a decision.
    pub fn commit(&self, number: u64) -> Result<Option<Arc<Commit>>, StoreError> {
        let stored = if number <= self.store.height() { self.store.commit(number)?.map(Arc::new) } else { None };
        Ok(stored.or_else(|| self.commits.range(number..).next().map(|(_, commit)| commit.clone())))
    }

    /// Hash of the block at a height, ordered ones included.
    pub fn hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        match self.in_memory(number) {
            Some(block) => Ok(Some(block.executed.hash)),
            None => self.store.hash(number),
        }
    }

    /// The block at a height as its sequencer sealed it, ordered ones included.
    pub fn sealed(&self, number: u64) -> Result<Option<FeedBlock>, StoreError> {
        if let Some(block) = self.in_memory(number) {
            let Block { header, transactions } = block.executed.block.clone();
            let (hash, signature) = (block.executed.hash, block.signature);
            return Ok(Some(FeedBlock { hash, header, signature, transactions }));
        }
        let found = self.store.raw_blocks(number..=number)?.pop();
        Ok(found.map(|(Block { header, transactions }, signature)| {
            let hash = header.hash();
            FeedBlock { hash, header, signature, transactions }
        }))
    }

    /// The certificate of the block at a height itself.
    pub fn own_certificate(&self, number: u64) -> Result<Option<Arc<Certificate>>, StoreError> {
        if number <= self.store.height() {
            return Ok(self.store.certificate(number)?.map(Arc::new));
        }
        let Some(certificate) = self.certificates.get(&number) else { return Ok(None) };
        Ok((self.hash(number)? == Some(certificate.block.hash)).then(|| certificate.clone()))
    }

    /// The commit of the block at a height itself.
    pub fn own_commit(&self, number: u64) -> Result<Option<Arc<Commit>>, StoreError> {
        if number <= self.store.height() {
            let commit = self.store.commit(number)?.filter(|commit| commit.block().number == number);
            return Ok(commit.map(Arc::new));
        }
        let Some(commit) = self.commits.get(&number) else { return Ok(None) };
        Ok((self.hash(number)? == Some(commit.block().hash)).then(|| commit.clone()))
    }

    fn in_memory(&self, number: u64) -> Option<&Arc<ViewedBlock>> {
        let first = self.blocks.first()?.header().number;
        self.blocks.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }
}
