//! Tendermint's votes and proposals, as far as they are signed statements: the engine itself is `horae-tendermint`'s.

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{Domain, Kind, digest, word, words};
use crate::memory::VotePlace;
use crate::sign::{Signature, recover};

/// What a Tendermint statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Step {
    /// A prevote.
    Prevote,
    /// A precommit.
    Precommit,
    /// A proposal.
    Proposal,
}

/// A Tendermint vote or proposal. A validator signs at most one of a step at one height and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EngineStatement {
    /// What it is.
    pub step: Step,
    /// Control height to be decided.
    pub height: u64,
    /// Round at that height.
    pub round: u32,
    /// keccak256 of the value; zero for a vote for nil.
    pub value: B256,
    /// The proof-of-lock round that a proposal names.
    pub pol_round: Option<u32>,
}

impl EngineStatement {
    /// `keccak256(abi.encode(uint64 step, uint64 height, uint64 round, bytes32 value, uint64 pol))`: step 0 is a prevote, 1 a
    /// precommit, 2 a proposal; `pol` is 0 without a proof-of-lock round, else that round plus one (0 in votes).
    pub fn content(&self) -> B256 {
        words(&self.words())
    }

    /// The words of [`Self::content`].
    pub(crate) fn words(&self) -> [B256; 5] {
        let pol = self.pol_round.map_or(0, |round| u64::from(round) + 1);
        [word(self.step as u64), word(self.height), word(self.round.into()), self.value, word(pol)]
    }

    /// What its author signs. Term and slot are zero: a control height belongs to neither.
    pub fn digest(&self, domain: &Domain, incarnation: u64, epoch: u64) -> B256 {
        let kind = match self.step {
            Step::Prevote | Step::Precommit => Kind::Vote,
            Step::Proposal => Kind::Proposal,
        };
        digest(domain, kind, incarnation, epoch, 0, 0, self.content())
    }

    /// Where it stands among what its author signed.
    pub fn place(&self) -> VotePlace {
        let step = match self.step {
            Step::Proposal => 0,
            Step::Prevote => 1,
            Step::Precommit => 2,
        };
        VotePlace { height: self.height, round: self.round, step }
    }

    /// Whether both are of one step, height and round, of which a validator signs only one.
    pub fn same_place(&self, other: &Self) -> bool {
        (self.step, self.height, self.round) == (other.step, other.height, other.round)
    }
}

/// A Tendermint vote or proposal, in a form that convinces a third party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignedEngineStatement {
    /// Incarnation that signed it.
    pub incarnation: u64,
    /// Epoch that it names.
    pub epoch: u64,
    /// What it says.
    pub statement: EngineStatement,
    /// Over [`EngineStatement::digest`].
    pub signature: Signature,
}

impl SignedEngineStatement {
    /// Whether this validator signed it.
    pub fn is_by(&self, signer: &Address, domain: &Domain) -> bool {
        recover(self.statement.digest(domain, self.incarnation, self.epoch), &self.signature) == Some(*signer)
    }
}
