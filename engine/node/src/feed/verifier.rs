//! The reader's side: items in, the strength that each block has reached out, or the first thing that is wrong.
//!
//! It holds a [`ControlState`] and the blocks that are not settled yet, and no more. At first the state is the one that the
//! genesis of the control plane makes: the domain, the validator set of epoch 0 with weights and incarnations, the order of
//! turns. Decisions, each checked against the set in force, move it on by the code that nodes run; so whatever a decision
//! changes about who seals which slot, or whose statements count, is in the [`Term`] that blocks are judged by here.
//!
//! It does not execute: that the state after a block is right is what certificates and commits say.

use std::collections::VecDeque;

use alloy_primitives::{Address, B256};
use borsh::BorshDeserialize;
use horae_control::{
    BlockFacts, BlockId, Certificate, Commit, ControlBlock, ControlState, Effect, Invalid, SignedBlock, StatementError,
    Term, set::SetError,
};
use horae_stages::transactions_root;
use thiserror::Error;

use super::item::{ClosedAt, DecisionItem, FeedBlock, Item};
use crate::chain_view::Strength;
use crate::replica::chain::facts_of;

/// Blocks above the committed height that a verifier keeps. A node that catches up may show this many before a commit.
pub const UNSETTLED_BLOCKS: usize = 65_536;

/// What an item has shown to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The control plane decided a block; these terms closed.
    Decided {
        /// Control height.
        height: u64,
        /// Where terms ended. The chain up to there is committed.
        closed: Vec<ClosedAt>,
    },
    /// The sequencer of its slot signed the block, and it stands on the one before.
    Ordered(BlockId),
    /// More than 2/3 acked the block: it and what is below is certified.
    Certified(BlockId),
    /// More than 2/3 hold its certificate: it and what is below is committed.
    Committed(BlockId),
    /// The node took ordered blocks back.
    Voided {
        /// Height that stays.
        above: u64,
        /// The highest certified block among those taken back. It comes back, unless its sequencer sealed two blocks at a height.
        certified: Option<u64>,
    },
    /// The feed has ended, for the reason given.
    Ended {
        /// Code, as of a JSON-RPC error.
        code: i32,
        /// What happened.
        message: String,
    },
}

/// Why an item is not believed. Nothing of the item has been taken in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FeedError {
    /// The hash is not that of the header.
    #[error("block {number}: the header hashes to {actual}, not to {claimed}")]
    Hash {
        /// Height.
        number: u64,
        /// What was said.
        claimed: B256,
        /// What it is.
        actual: B256,
    },
    /// The transactions are not those of the header.
    #[error("block {number}: the transactions are not those that the header commits to")]
    Transactions {
        /// Height.
        number: u64,
    },
    /// No sequencer's signature.
    #[error("block {number} bears no signature; this node rebuilt it from L1, ask another node")]
    Unsigned {
        /// Height.
        number: u64,
    },
    /// A height was left out.
    #[error("block {found} follows block {tip}: blocks between are missing")]
    Gap {
        /// The highest block before.
        tip: u64,
        /// Height of the block.
        found: u64,
    },
    /// An item that was there before, or is covered by one that was.
    #[error("{what} {number} was told before")]
    Replayed {
        /// What kind of item.
        what: &'static str,
        /// Its height.
        number: u64,
    },
    /// The block does not stand on the one before.
    #[error("block {number} stands on {parent}, but the block before is {tip}")]
    OtherParent {
        /// Height of the block.
        number: u64,
        /// Its parent.
        parent: B256,
        /// The block before.
        tip: BlockId,
    },
    /// The block has applied a control height that was not told.
    #[error("block {number} has applied control height {needs}, but the feed told decisions up to {told} only")]
    Undecided {
        /// Height of the block.
        number: u64,
        /// Control height it names.
        needs: u64,
        /// The highest decision told.
        told: u64,
    },
    /// A block, certificate or commit while no term is open.
    #[error("{what} {number} came while no term is open")]
    NoTerm {
        /// What kind of item.
        what: &'static str,
        /// Its height.
        number: u64,
    },
    /// A statement does not count: its place, its signature, or its quorum.
    #[error("{what} {number}: {why}")]
    Statement {
        /// What kind of item.
        what: &'static str,
        /// Its height.
        number: u64,
        /// What is wrong with it.
        why: StatementError,
    },
    /// The header names another sequencer than the one whose slot it is.
    #[error("block {number} names {sequencer} as its sequencer, who does not lead slot {slot}")]
    OtherSequencer {
        /// Its height.
        number: u64,
        /// In the header.
        sequencer: Address,
        /// The slot.
        slot: u64,
    },
    /// A certificate or commit of a block that was not told.
    #[error("the {what} is of {block}, which is not of the chain told so far")]
    UnknownBlock {
        /// What kind of item.
        what: &'static str,
        /// The block it names.
        block: BlockId,
    },
    /// A certificate names another slot, term or epoch than its block.
    #[error("the {what} of block {number} names another slot, term or epoch than the block")]
    OtherPlace {
        /// What kind of item.
        what: &'static str,
        /// Height.
        number: u64,
    },
    /// Committed blocks are never taken back.
    #[error("blocks above {above} are said to be void, but block {committed} is committed")]
    CommittedVoid {
        /// Height to stay.
        above: u64,
        /// The committed height.
        committed: u64,
    },
    /// There is nothing above that height.
    #[error("blocks above {above} are said to be void, but there are none")]
    NothingVoid {
        /// Height to stay.
        above: u64,
    },
    /// A decision was left out.
    #[error("decision {found} follows decision {told}: decisions between are missing")]
    DecisionGap {
        /// The highest decision before.
        told: u64,
        /// Its height.
        found: u64,
    },
    /// The decided bytes are no control block.
    #[error("decision {height} is no control block of this version: {why}")]
    DecisionBytes {
        /// Control height.
        height: u64,
        /// What is wrong.
        why: String,
    },
    /// The decided block cannot follow.
    #[error("decision {height} does not follow from those before: {why}")]
    DecisionInvalid {
        /// Control height.
        height: u64,
        /// Why not.
        why: Invalid,
    },
    /// The node says that a term ended elsewhere than the decision makes it end.
    #[error("decision {height} does not close what the node says it closes")]
    OtherHead {
        /// Control height.
        height: u64,
    },
    /// A term closed with a head that is not the highest block told.
    #[error("term {term} closed with {head}, but the chain told so far ends with {tip}")]
    HeadNotTold {
        /// The term.
        term: u64,
        /// Where it ended.
        head: BlockId,
        /// The highest block told.
        tip: BlockId,
    },
    /// More ordered blocks than can be kept, and no commit among them.
    #[error("{UNSETTLED_BLOCKS} blocks and no commit")]
    Unsettled,
}

/// Verifies a feed.
#[derive(Clone, Debug)]
pub struct Verifier {
    control: ControlState,
    /// The block that the first one told has to stand on, if the reader knows it.
    trusted: Option<BlockId>,
    /// The highest block that is committed and was told.
    settled: Option<BlockFacts>,
    /// The blocks above, each the child of the one before.
    open: VecDeque<BlockFacts>,
    certified: u64,
}

impl Verifier {
    /// One that trusts the genesis of the control plane alone and reads the whole chain, from block 1 and decision 1 on.
    pub fn from_genesis(genesis: &horae_control::Genesis) -> Result<Self, SetError> {
        let trusted = BlockId { number: 0, hash: genesis.block_hash };
        Ok(Self::new(ControlState::genesis(genesis)?, Some(trusted)))
    }

    /// One that goes on from a control state it trusts.
    ///
    /// With a trusted block the first one told has to be its child. Without one, the first block told may be any block of the open
    /// term (of the term that is open once the decisions before it are told); what it stands on is shown by the first certificate
    /// or commit at or above it, whose signers have executed the chain below.
    pub fn new(control: ControlState, trusted: Option<BlockId>) -> Self {
        Self { control, trusted, settled: None, open: VecDeque::new(), certified: 0 }
    }

    /// What the control plane has decided, as far as it was told.
    pub fn control(&self) -> &ControlState {
        &self.control
    }

    /// The highest block told.
    pub fn tip(&self) -> Option<BlockId> {
        self.open.back().or(self.settled.as_ref()).map(|facts| facts.id).or(self.trusted)
    }

    /// The highest committed height shown; 0 before any.
    pub fn committed(&self) -> u64 {
        self.settled.map_or(0, |facts| facts.id.number)
    }

    /// The highest certified height shown; what is committed is certified.
    pub fn certified(&self) -> u64 {
        self.certified.max(self.committed())
    }

    /// How strong a block told is, as far as the feed has shown: ordered, certified or committed.
    pub fn strength_of(&self, number: u64) -> Option<Strength> {
        match number {
            _ if self.tip().is_none_or(|tip| number > tip.number) => None,
            _ if number <= self.committed() => Some(Strength::Committed),
            _ if number <= self.certified() => Some(Strength::Certified),
            _ => Some(Strength::Ordered),
        }
    }

    /// Forgets the blocks that are not committed, so that the feed may be followed again, at this node or another, from the block
    /// above the committed one on. Gives the height to ask for; `None` if nothing is committed and the reader has to know.
    pub fn rewind(&mut self) -> Option<u64> {
        self.open.clear();
        self.certified = self.committed();
        self.tip().map(|tip| tip.number + 1)
    }

    /// Takes in the next item.
    pub fn take(&mut self, item: &Item) -> Result<Told, FeedError> {
        match item {
            Item::Decision(item) => self.decision(item),
            Item::Block(block) => self.block(block),
            Item::Certificate(certificate) => self.certificate(certificate),
            Item::Commit(commit) => self.commit(commit),
            Item::Void { above } => self.void(*above),
            Item::End { code, message } => Ok(Told::Ended { code: *code, message: message.clone() }),
        }
    }

    fn term(&self, what: &'static str, number: u64) -> Result<&Term, FeedError> {
        self.control.open_term().ok_or(FeedError::NoTerm { what, number })
    }

    fn block(&mut self, block: &FeedBlock) -> Result<Told, FeedError> {
        let header = &block.header;
        let number = header.number;
        let actual = header.hash();
        if actual != block.hash {
            return Err(FeedError::Hash { number, claimed: block.hash, actual });
        }
        if transactions_root(&block.transactions) != header.transactions_root {
            return Err(FeedError::Transactions { number });
        }
        let tip = self.tip();
        if let Some(tip) = tip {
            if number <= tip.number {
                return Err(FeedError::Replayed { what: "block", number });
            }
            if number - 1 != tip.number {
                return Err(FeedError::Gap { tip: tip.number, found: number });
            }
            if header.parent != tip.hash {
                return Err(FeedError::OtherParent { number, parent: header.parent, tip });
            }
        }
        let told = self.control.height();
        if header.control_height > told {
            return Err(FeedError::Undecided { number, needs: header.control_height, told });
        }
        let facts = facts_of(header, actual);
        let signature = block.signature.ok_or(FeedError::Unsigned { number })?;
        let statement = |why| FeedError::Statement { what: "block", number, why };
        self.check_place(&facts).map_err(statement)?;
        let term = self.term("block", number)?;
        SignedBlock { facts, signature }.verify(term).map_err(statement)?;
        let (sequencer, slot) = (header.sequencer, header.slot);
        if term.sequencer_of(slot).is_none_or(|leader| leader.signer != sequencer) {
            return Err(FeedError::OtherSequencer { number, sequencer, slot });
        }
        if self.open.len() >= UNSETTLED_BLOCKS {
            return Err(FeedError::Unsettled);
        }
        self.open.push_back(facts);
        Ok(Told::Ordered(facts.id))
    }

    /// Whether the block may stand where it does: term, and the slot that follows from its parent, by the term's own rule.
    fn check_place(&self, facts: &BlockFacts) -> Result<(), StatementError> {
        let Some(term) = self.control.open_term() else { return Ok(()) };
        let parent = self.open.back().or(self.settled.as_ref());
        let on_term = facts.parent == term.parent.id.hash;
        match parent {
            Some(parent) if !on_term => term.check_child(facts, parent),
            _ if on_term => term.check_child(facts, &term.parent),
            _ if facts.id.number <= term.parent.id.number => {
                Err(StatementError::NotChild { child: facts.id, parent: term.parent.id })
            }
            _ => term.check_place(facts.epoch, facts.term),
        }
    }

    /// The block that a certificate or commit is of, if it was told and stands where the certificate says.
    fn certified_block(&self, what: &'static str, certificate: &Certificate) -> Result<BlockFacts, FeedError> {
        let block = certificate.block;
        let found = self.open.iter().rev().find(|facts| facts.id == block);
        let facts = *found.ok_or(FeedError::UnknownBlock { what, block })?;
        if (facts.epoch, facts.term, facts.slot) != (certificate.epoch, certificate.term, certificate.slot) {
            return Err(FeedError::OtherPlace { what, number: block.number });
        }
        Ok(facts)
    }

    fn certificate(&mut self, certificate: &Certificate) -> Result<Told, FeedError> {
        const WHAT: &str = "certificate";
        let number = certificate.block.number;
        if number <= self.certified() {
            return Err(FeedError::Replayed { what: WHAT, number });
        }
        let facts = self.certified_block(WHAT, certificate)?;
        let term = self.term(WHAT, number)?;
        let verified = certificate.verify(&term.set, &term.domain);
        verified.map_err(|why| FeedError::Statement { what: WHAT, number, why })?;
        self.certified = number;
        Ok(Told::Certified(facts.id))
    }

    fn commit(&mut self, commit: &Commit) -> Result<Told, FeedError> {
        const WHAT: &str = "commit";
        let number = commit.block().number;
        if number <= self.committed() {
            return Err(FeedError::Replayed { what: WHAT, number });
        }
        let facts = self.certified_block(WHAT, &commit.certificate)?;
        let term = self.term(WHAT, number)?;
        let verified = commit.verify(&term.set, &term.domain);
        verified.map_err(|why| FeedError::Statement { what: WHAT, number, why })?;
        self.settle(facts);
        Ok(Told::Committed(facts.id))
    }

    fn settle(&mut self, facts: BlockFacts) {
        self.open.retain(|open| open.id.number > facts.id.number);
        self.settled = Some(facts);
    }

    fn void(&mut self, above: u64) -> Result<Told, FeedError> {
        let lowest = self.settled.map(|facts| facts.id.number).or(self.trusted.map(|id| id.number));
        if let Some(committed) = lowest.filter(|lowest| above < *lowest) {
            return Err(FeedError::CommittedVoid { above, committed });
        }
        if self.open.back().is_none_or(|tip| tip.id.number <= above) {
            return Err(FeedError::NothingVoid { above });
        }
        self.open.retain(|facts| facts.id.number <= above);
        let certified = Some(self.certified).filter(|certified| *certified > above);
        self.certified = self.certified.min(above);
        Ok(Told::Voided { above, certified })
    }

    fn decision(&mut self, item: &DecisionItem) -> Result<Told, FeedError> {
        let DecisionItem { decision, closed: claimed } = item;
        let height = decision.height;
        let told = self.control.height();
        if height <= told {
            return Err(FeedError::Replayed { what: "decision", number: height });
        }
        if height - 1 != told {
            return Err(FeedError::DecisionGap { told, found: height });
        }
        let verified = decision.verify(self.control.epoch(), self.control.domain());
        verified.map_err(|why| FeedError::Statement { what: "decision", number: height, why })?;
        let bytes = |why: std::io::Error| FeedError::DecisionBytes { height, why: why.to_string() };
        let block = ControlBlock::try_from_slice(&decision.value).map_err(bytes)?;
        let mut next = self.control.clone();
        let effects = next.apply(&block).map_err(|why| FeedError::DecisionInvalid { height, why })?;
        let closed: Vec<ClosedAt> = effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::TermClosed { term, head } => Some(ClosedAt { term, head }),
                _ => None,
            })
            .collect();
        if claimed.is_some_and(|claimed| !closed.contains(&claimed)) {
            return Err(FeedError::OtherHead { height });
        }
        for ClosedAt { term, head } in &closed {
            self.check_head(*term, *head)?;
        }
        self.control = next;
        if !closed.is_empty()
            && let Some(tip) = self.open.back().copied()
        {
            self.settle(tip);
        }
        Ok(Told::Decided { height, closed })
    }

    /// A term ends where the chain told ends. Before a reader's first block, terms may end where they will.
    fn check_head(&self, term: u64, head: BlockId) -> Result<(), FeedError> {
        let told = self.open.back().or(self.settled.as_ref()).map(|facts| facts.id);
        let behind = |trusted: &BlockId| head.number < trusted.number;
        match told.or(self.trusted.filter(|trusted| !behind(trusted))) {
            Some(tip) if tip != head => Err(FeedError::HeadNotTold { term, head, tip }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
