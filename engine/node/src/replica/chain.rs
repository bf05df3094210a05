//! The recent chain as one replica executed it: every block that may yet be rolled back, and some below, to answer peers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use alloy_primitives::B256;
use horae_control::{BlockFacts, BlockId, Certificate, Signature, SignedBlock};
use horae_stages::{ExecutedBlock, Header};

use super::message::SealedBlock;

/// Committed and stored blocks kept in memory for peers that lag a little, unless they are large; older ones come from the store. Of so many more
/// it stays known what was signed.
pub const KEPT_BLOCKS: usize = 512;
/// Bytes of transactions in blocks kept in memory though they are stored.
const KEPT_BYTES: usize = 16 << 20;

/// What the slot protocol needs to know of a header.
pub fn facts_of(header: &Header, hash: B256) -> BlockFacts {
    BlockFacts {
        id: BlockId { number: header.number, hash },
        parent: header.parent,
        epoch: header.epoch,
        term: header.term,
        slot: header.slot,
        ends_slot: header.ends_slot,
        control_height: header.control_height,
        timestamp_ms: header.timestamp_ms,
    }
}

/// A block that was executed here.
#[derive(Clone, Debug)]
pub struct Held {
    /// The block and what its execution brought.
    pub executed: Arc<ExecutedBlock>,
    /// Its facts with its sequencer's signature.
    pub signed: SignedBlock,
    /// The certificate of the block below, if this block is the first of a slot and brought it.
    pub carried: Option<Certificate>,
}

impl Held {
    /// Joins an executed block with its sequencer's signature.
    pub fn new(executed: Arc<ExecutedBlock>, signature: Signature, carried: Option<Certificate>) -> Self {
        let facts = facts_of(&executed.block.header, executed.hash);
        Self { executed, signed: SignedBlock { facts, signature }, carried }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.executed.block.header
    }

    /// Bytes of its transactions.
    fn bytes(&self) -> usize {
        self.executed.block.transactions.iter().map(|raw| raw.len()).sum()
    }

    /// The block as it goes to peers and into the journal.
    pub fn sealed(&self) -> SealedBlock {
        SealedBlock { block: self.executed.block.clone(), signature: self.signed.signature }
    }
}

/// A run of blocks, each the child of the one before, above a base that is stored.
#[derive(Debug)]
pub struct Chain {
    base: Header,
    base_facts: BlockFacts,
    held: VecDeque<Held>,
    /// Bytes of the transactions in `held`.
    bytes: usize,
    /// Blocks up to the base, as far as they are recent: to be acked late, if they were not, and for whoever lists them in a close vote.
    below: BTreeMap<u64, (SignedBlock, Option<Certificate>)>,
}

impl Chain {
    /// A chain that knows nothing above `base`, the highest stored block (or genesis), and `below` up to it.
    pub fn new(base: Header, hash: B256, below: Vec<(SignedBlock, Option<Certificate>)>) -> Self {
        let base_facts = facts_of(&base, hash);
        let below = below.into_iter().map(|(block, carried)| (block.facts.id.number, (block, carried))).collect();
        Self { base, base_facts, held: VecDeque::new(), bytes: 0, below }
    }

    /// Header of the highest block.
    pub fn head(&self) -> &Header {
        self.held.back().map_or(&self.base, Held::header)
    }

    /// Facts of the highest block.
    pub fn head_facts(&self) -> BlockFacts {
        self.held.back().map_or(self.base_facts, |held| held.signed.facts)
    }

    /// Facts of a block of this chain, if it is still in memory.
    pub fn facts(&self, number: u64) -> Option<BlockFacts> {
        if number == self.base_facts.id.number {
            return Some(self.base_facts);
        }
        self.signed(number).map(|(block, _)| block.facts)
    }

    /// Facts of the block with this hash, above the base or the base itself.
    pub fn find(&self, hash: &B256) -> Option<BlockFacts> {
        let held = self.held.iter().rev().map(|held| held.signed.facts);
        held.chain([self.base_facts]).find(|facts| facts.id.hash == *hash)
    }

    /// A recent block with its sequencer's signature, and the certificate of the block below that it brought.
    pub fn signed(&self, number: u64) -> Option<(SignedBlock, Option<&Certificate>)> {
        match self.get(number) {
            Some(held) => Some((held.signed, held.carried.as_ref())),
            None => self.below.get(&number).map(|(block, carried)| (*block, carried.as_ref())),
        }
    }

    /// Header of a block of this chain, if it is still in memory.
    pub fn header(&self, number: u64) -> Option<&Header> {
        if number == self.base.number {
            return Some(&self.base);
        }
        self.get(number).map(Held::header)
    }

    /// A block above the base.
    pub fn get(&self, number: u64) -> Option<&Held> {
        let offset = number.checked_sub(self.base_facts.id.number + 1)?;
        self.held.get(usize::try_from(offset).ok()?)
    }

    /// Whether the block is of this chain, as far as memory reaches.
    pub fn contains(&self, id: &BlockId) -> bool {
        self.facts(id.number).is_some_and(|facts| facts.id == *id)
    }

    /// The blocks above the base, lowest first.
    pub fn blocks(&self) -> impl Iterator<Item = &Held> {
        self.held.iter()
    }

    /// Adds the child of the head.
    pub fn push(&mut self, held: Held) {
        let head = self.head_facts().id;
        assert!(
            held.signed.facts.parent == head.hash && held.signed.facts.id.number == head.number + 1,
            "{} is no child of the head, {head}",
            held.signed.facts.id
        );
        self.bytes += held.bytes();
        self.held.push_back(held);
    }

    /// Takes off every block above `number`, highest last.
    pub fn cut_above(&mut self, number: u64) -> Vec<Held> {
        let keep = number.saturating_sub(self.base_facts.id.number);
        let keep = usize::try_from(keep).unwrap_or(usize::MAX).min(self.held.len());
        let cut = self.held.split_off(keep);
        self.bytes -= cut.iter().map(Held::bytes).sum::<usize>();
        cut.into()
    }

    /// Lets go of the lowest blocks that are stored, until few enough are left, and small enough.
    pub fn trim(&mut self, stored: u64) {
        while self.held.len() > KEPT_BLOCKS || self.bytes > KEPT_BYTES {
            let Some(lowest) = self.held.pop_front_if(|held| held.header().number <= stored) else { return };
            self.bytes -= lowest.bytes();
            self.base = lowest.header().clone();
            self.base_facts = lowest.signed.facts;
            self.below.insert(self.base.number, (lowest.signed, lowest.carried));
            if self.below.len() > KEPT_BLOCKS {
                self.below.pop_first();
            }
        }
    }
}
