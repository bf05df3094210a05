//! A decided control block in a form that convinces a third party: its bytes, and the precommits of > 2/3 of the weights.
//!
//! One that holds a [`crate::ControlState`] can check the next decision against the set of its epoch and apply it, so from
//! the genesis state on it needs to believe nobody: terms, heads, incarnations and whatever else is decided follow.

use alloy_primitives::{Address, B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{Domain, Kind, digest, word, words};
use crate::epoch::Epoch;
use crate::sign::{Signature, recover};
use crate::statement::StatementError;

/// The step that a Tendermint vote or proposal is of, as it stands in [`vote_content`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// First round of voting.
    Prevote,
    /// Second round of voting: > 2/3 of these decide.
    Precommit,
    /// A proposal.
    Proposal,
}

/// `keccak256(abi.encode(uint64 step, uint64 height, uint64 round, bytes32 value, uint64 pol))`: what a Tendermint vote or
/// proposal is about. Step 0 is a prevote, 1 a precommit, 2 a proposal; value is the value's keccak256, zero for nil; `pol` is
/// 0 without a proof-of-lock round, else that round plus one (0 in votes).
pub fn vote_content(step: Step, height: u64, round: u32, value: B256, pol_round: Option<u32>) -> B256 {
    let step = match step {
        Step::Prevote => 0,
        Step::Precommit => 1,
        Step::Proposal => 2,
    };
    let pol = pol_round.map_or(0, |round| u64::from(round) + 1);
    words(&[word(step), word(height), word(u64::from(round)), value, word(pol)])
}

/// A decided control block with the precommits that decided it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Decision {
    /// Control height.
    pub height: u64,
    /// Tendermint round in which it was decided.
    pub round: u32,
    /// The borsh bytes of a [`crate::ControlBlock`].
    pub value: Vec<u8>,
    /// Precommits, strictly ascending by author.
    pub precommits: Vec<Precommit>,
}

/// A precommit inside a [`Decision`]: what is not already said by the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Precommit {
    /// The author's signer address.
    pub validator: Address,
    /// Over [`Decision::digest`] with the author's incarnation.
    pub signature: Signature,
}

impl Decision {
    /// What an author of this incarnation signs.
    pub fn digest(&self, domain: &Domain, epoch: u64, incarnation: u64) -> B256 {
        let content = vote_content(Step::Precommit, self.height, self.round, keccak256(&self.value), None);
        digest(domain, Kind::Vote, incarnation, epoch, 0, 0, content)
    }

    /// Checks that > 2/3 of the epoch's weights decided it. `epoch` is the one in force before the decision.
    pub fn verify(&self, epoch: &Epoch, domain: &Domain) -> Result<(), StatementError> {
        if !self.precommits.is_sorted_by(|a, b| a.validator < b.validator) {
            return Err(StatementError::Unordered);
        }
        let mut weight = 0;
        for Precommit { validator, signature } in &self.precommits {
            let unknown = StatementError::UnknownValidator { validator: *validator };
            let author = epoch.set.get(validator).ok_or(unknown)?;
            if recover(self.digest(domain, epoch.number, author.incarnation), signature) != Some(*validator) {
                return Err(StatementError::BadSignature { validator: *validator });
            }
            weight += author.weight;
        }
        if !epoch.set.is_quorum(weight) {
            return Err(StatementError::NoQuorum { weight, total: epoch.set.total() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
