//! The keeper's own picture of the chain: blocks in memory, what is known of them, and the heads that follow.
//!
//! No thread, no disk: events go in, heads and changes come out.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::Arc;

use alloy_primitives::B256;
use horae_control::{BlockId, Certificate, Commit, Signature};
use horae_stages::ExecutedBlock;

use super::snapshot::{RecentIndex, ViewedBlock};
use super::{Change, Heads, RECENT_BLOCKS, RECENT_BYTES};
use crate::edges::store::Finality;

/// Certificates, and commits, of blocks not executed here yet that are remembered.
const AWAITED: usize = 1_024;

/// An event that does not fit what came before: a fault of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// A block that is not the child of the head.
    #[error("block {given} was executed on top of block {head}, or its parent is another block")]
    Gap {
        /// Height of the head.
        head: u64,
        /// Height of the block.
        given: u64,
    },
    /// A rollback below the committed head.
    #[error("rollback to block {to}, but {committed} is committed")]
    CommittedRolledBack {
        /// Height to stay.
        to: u64,
        /// Height of the committed head.
        committed: u64,
    },
}

pub(super) struct Chain {
    index: Arc<RecentIndex>,
    blocks: VecDeque<Arc<ViewedBlock>>,
    /// The same for readers, until they change.
    shown: Option<Arc<Vec<Arc<ViewedBlock>>>>,
    /// Bytes of the transactions in `blocks` up to `stored`.
    recent_bytes: usize,
    stored: u64,
    /// The store finds the transactions of blocks up to here by hash.
    indexed: u64,
    head: BlockId,
    certified: u64,
    committed: u64,
    /// Last block of the highest accepted batch, and of the highest that is final, whether they are here or not.
    batched: u64,
    final_on_l1: u64,
    certificates: BTreeMap<u64, Arc<Certificate>>,
    commits: BTreeMap<u64, Arc<Commit>>,
    /// Committed ids that are not executed here yet.
    awaited: BTreeMap<u64, B256>,
    changes: Vec<Change>,
}

impl Chain {
    /// A chain of which everything up to `head` is committed and stored.
    pub(super) fn new(index: Arc<RecentIndex>, head: BlockId, batched: u64, final_on_l1: u64) -> Self {
        let number = head.number;
        Self {
            index,
            blocks: VecDeque::new(),
            shown: None,
            recent_bytes: 0,
            stored: number,
            indexed: number,
            head,
            certified: number,
            committed: number,
            batched,
            final_on_l1,
            certificates: BTreeMap::new(),
            commits: BTreeMap::new(),
            awaited: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    pub(super) fn heads(&self) -> Heads {
        let safe = self.batched.min(self.committed);
        Heads {
            ordered: self.head,
            certified: self.certified.max(self.committed),
            committed: self.committed,
            safe,
            finalized: self.final_on_l1.min(safe),
        }
    }

    /// The blocks in memory, lowest first, for readers.
    pub(super) fn blocks(&mut self) -> Arc<Vec<Arc<ViewedBlock>>> {
        let blocks = &self.blocks;
        self.shown.get_or_insert_with(|| Arc::new(blocks.iter().cloned().collect())).clone()
    }

    pub(super) fn certificates(&self) -> &BTreeMap<u64, Arc<Certificate>> {
        &self.certificates
    }

    pub(super) fn commits(&self) -> &BTreeMap<u64, Arc<Commit>> {
        &self.commits
    }

    /// What changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn executed(
        &mut self,
        executed: Arc<ExecutedBlock>,
        signature: Option<Signature>,
    ) -> Result<(), ChainFault> {
        let header = &executed.block.header;
        if header.number != self.head.number + 1 || header.parent != self.head.hash {
            return Err(ChainFault::Gap { head: self.head.number, given: header.number });
        }
        self.index.add(&executed);
        let block = Arc::new(ViewedBlock::new(executed, signature));
        self.head = block.id();
        self.blocks.push_back(block.clone());
        self.shown = None;
        self.changes.push(Change::Ordered(block));
        self.advance(|_| {});
        Ok(())
    }

    pub(super) fn rolled_back(&mut self, to: u64) -> Result<(), ChainFault> {
        if to < self.committed {
            return Err(ChainFault::CommittedRolledBack { to, committed: self.committed });
        }
        if to >= self.head.number {
            return Ok(());
        }
        self.shown = None;
        while let Some(block) = self.blocks.pop_back_if(|b| b.header().number > to) {
            self.head = BlockId { number: block.header().number - 1, hash: block.header().parent };
            self.index.remove(&block.executed);
            self.certificates.retain(|_, certificate| certificate.block != block.id());
        }
        self.certified = self.certified.min(to);
        self.changes.push(Change::RolledBack { to });
        Ok(())
    }

    pub(super) fn certified(&mut self, certificate: Arc<Certificate>) {
        if certificate.block.number > self.committed {
            self.advance(|chain| keep(&mut chain.certificates, certificate.block.number, certificate));
        }
    }

    pub(super) fn committed(&mut self, commit: Arc<Commit>) {
        let block = commit.block();
        if block.number > self.committed {
            self.advance(|chain| {
                keep(&mut chain.commits, block.number, commit);
                keep(&mut chain.awaited, block.number, block.hash);
            });
        }
    }

    pub(super) fn committed_by_decision(&mut self, block: BlockId) {
        if block.number > self.committed {
            self.advance(|chain| keep(&mut chain.awaited, block.number, block.hash));
        }
    }

    pub(super) fn batched(&mut self, last_block: u64) {
        self.advance(|chain| chain.batched = last_block);
    }

    pub(super) fn final_on_l1(&mut self, last_block: u64) {
        self.advance(|chain| chain.final_on_l1 = chain.final_on_l1.max(last_block));
    }

    /// Blocks that are committed and not stored, lowest first.
    pub(super) fn to_store(&self) -> impl Iterator<Item = &Arc<ViewedBlock>> {
        self.between(self.stored + 1, self.committed)
    }

    /// What shows blocks at these heights committed, for the store.
    pub(super) fn proofs(&self, numbers: RangeInclusive<u64>) -> Vec<Finality> {
        let certificates = self.certificates.range(numbers.clone()).map(|(_, certificate)| certificate);
        let commits = self.commits.range(numbers).map(|(_, commit)| commit);
        let certified = certificates.filter(|c| self.has(&c.block)).cloned().map(Finality::Certified);
        certified.chain(commits.filter(|c| self.has(&c.block())).cloned().map(Finality::Committed)).collect()
    }

    /// The store holds everything up to `number`, and what shows it committed.
    pub(super) fn stored(&mut self, number: u64) {
        self.certificates = self.certificates.split_off(&(number + 1));
        self.commits = self.commits.split_off(&(number + 1));
        self.recent_bytes += self.between(self.stored + 1, number).map(|b| b.bytes()).sum::<usize>();
        self.stored = self.stored.max(number);
    }

    /// The store finds the transactions of blocks up to `number`. Old blocks leave memory, of those for which it has done so since the last time:
    /// whoever reads the chain as it was a moment ago still finds all.
    pub(super) fn indexed(&mut self, number: u64) {
        let settled = std::mem::replace(&mut self.indexed, number);
        loop {
            let recent = self.blocks.partition_point(|b| b.header().number <= settled);
            if recent <= RECENT_BLOCKS && self.recent_bytes <= RECENT_BYTES {
                break;
            }
            let Some(oldest) = self.blocks.pop_front_if(|b| b.header().number <= settled) else { break };
            self.shown = None;
            self.recent_bytes -= oldest.bytes();
            self.index.remove(&oldest.executed);
        }
    }

    /// Takes in something new and moves the heads as far as what is known allows.
    fn advance(&mut self, take_in: impl FnOnce(&mut Self)) {
        let before = self.heads();
        take_in(self);
        let certified = self.certificates.values().rev().map(|c| c.block).find(|id| self.has(id));
        self.certified = self.certified.max(certified.map_or(0, |id| id.number));
        let committed =
            self.awaited.iter().rev().map(|(n, h)| BlockId { number: *n, hash: *h }).find(|id| self.has(id));
        if let Some(id) = committed {
            self.committed = self.committed.max(id.number);
            self.awaited = self.awaited.split_off(&(id.number + 1));
        }
        let after = self.heads();
        if after.certified > before.certified {
            self.changes.push(Change::Certified(after.certified));
        }
        let newly = between(&self.blocks, before.committed + 1, after.committed);
        self.changes.extend(newly.cloned().map(Change::Committed));
        if after.safe != before.safe {
            self.changes.push(Change::Safe(after.safe));
        }
        if after.finalized != before.finalized {
            self.changes.push(Change::Finalized(after.finalized));
        }
    }

    /// The blocks in memory from a height to another, both included, lowest first.
    fn between(&self, first: u64, last: u64) -> impl Iterator<Item = &Arc<ViewedBlock>> {
        between(&self.blocks, first, last)
    }

    fn has(&self, id: &BlockId) -> bool {
        let first = self.blocks.front().map(|b| b.header().number);
        let at = first.and_then(|first| usize::try_from(id.number.checked_sub(first)?).ok());
        at.and_then(|at| self.blocks.get(at)).is_some_and(|b| b.executed.hash == id.hash)
    }
}

/// Those of consecutive blocks that are at these heights: hundreds more stay in memory, too many to look at each for every event.
fn between(blocks: &VecDeque<Arc<ViewedBlock>>, first: u64, last: u64) -> impl Iterator<Item = &Arc<ViewedBlock>> {
    let lowest = blocks.front().map_or(0, |b| b.header().number);
    let place = |number: u64| usize::try_from(number.saturating_sub(lowest)).unwrap_or(usize::MAX).min(blocks.len());
    let end = place(last.saturating_add(1));
    blocks.range(place(first).min(end)..end)
}

/// Inserts, and lets the lowest go when there are too many: a higher one covers it.
fn keep<V>(map: &mut BTreeMap<u64, V>, number: u64, value: V) {
    map.insert(number, value);
    if map.len() > AWAITED {
        map.pop_first();
    }
}
