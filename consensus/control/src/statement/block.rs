//! Blocks, as far as the slot protocol sees them.

use std::fmt;

use alloy_primitives::B256;
use borsh::{BorshDeserialize, BorshSerialize};

use super::StatementError;
use crate::digest::{Domain, Kind, digest, word, words};
use crate::sign::{Signature, SignerKey, recover};
use crate::term::Term;

/// A block, by height and header hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct BlockId {
    /// Height; genesis is 0.
    pub number: u64,
    /// Header hash.
    pub hash: B256,
}

impl BlockId {
    /// `keccak256(abi.encode(uint64 number, bytes32 hash))`: what a sequencer's signature is over.
    ///
    /// The height stands beside the hash so that two signatures at one height convict without the headers.
    pub fn content(&self) -> B256 {
        words(&[word(self.number), self.hash])
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {} ({})", self.number, self.hash)
    }
}

/// What the slot protocol needs to know of a header.
///
/// Only `id`, `epoch`, `term` and `slot` are bound by the sequencer's signature itself; the rest is bound by the hash,
/// so it may be believed only by one that holds the header and found the same facts in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockFacts {
    /// Height and hash.
    pub id: BlockId,
    /// Hash of the block below.
    pub parent: B256,
    /// Epoch whose validators ack it.
    pub epoch: u64,
    /// Term it was sealed in.
    pub term: u64,
    /// Slot it was sealed in; counts through the whole chain.
    pub slot: u64,
    /// It is the last of its slot.
    pub ends_slot: bool,
    /// Control height it has applied.
    pub control_height: u64,
    /// Its timestamp, unix milliseconds.
    pub timestamp_ms: u64,
}

impl BlockFacts {
    /// The genesis block: height 0, before every term and slot.
    pub fn genesis(hash: B256) -> Self {
        Self {
            id: BlockId { number: 0, hash },
            parent: B256::ZERO,
            epoch: 0,
            term: 0,
            slot: 0,
            ends_slot: true,
            control_height: 0,
            timestamp_ms: 0,
        }
    }
}

/// A block with its sequencer's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedBlock {
    /// The block.
    pub facts: BlockFacts,
    /// The sequencer's, over [`SignedBlock::digest`].
    pub signature: Signature,
}

impl SignedBlock {
    /// What the sequencer of the block signs.
    pub fn digest(facts: &BlockFacts, domain: &Domain, incarnation: u64) -> B256 {
        digest(domain, Kind::Block, incarnation, facts.epoch, facts.term, facts.slot, facts.id.content())
    }

    /// Signs without asking whether it may be signed; [`crate::Voter::seal`] asks.
    pub fn sign(facts: BlockFacts, domain: &Domain, incarnation: u64, key: &SignerKey) -> Self {
        let signature = key.sign(Self::digest(&facts, domain, incarnation));
        Self { facts, signature }
    }

    /// Checks that the block is of this term and signed by its slot's sequencer.
    pub fn verify(&self, term: &Term) -> Result<(), StatementError> {
        let facts = &self.facts;
        term.check_place(facts.epoch, facts.term)?;
        let sequencer = term.sequencer_of(facts.slot).ok_or(StatementError::NoSequencer { slot: facts.slot })?;
        let signed = Self::digest(facts, &term.domain, sequencer.incarnation);
        if recover(signed, &self.signature) != Some(sequencer.signer) {
            return Err(StatementError::BadSignature { validator: sequencer.signer });
        }
        Ok(())
    }
}
