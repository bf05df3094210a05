//! A decided control block in a form that convinces a third party: its bytes, and the precommits of > 2/3 of the weights.
//!
//! One that holds a [`crate::ControlState`] can check the next decision against the set of its epoch and apply it, so from
//! the genesis state on it needs to believe nobody: terms, heads, incarnations and whatever else is decided follow.

use alloy_primitives::{Address, B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::Domain;
use crate::epoch::Epoch;
use crate::sign::{Signature, recover};
use crate::statement::{EngineStatement, StatementError, Step};

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
        let value = keccak256(&self.value);
        let (step, height, round) = (Step::Precommit, self.height, self.round);
        EngineStatement { step, height, round, value, pol_round: None }.digest(domain, incarnation, epoch)
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
