//! Statements of readiness: a validator's word on whether it can take its turns.

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};

use super::ack::author;
use super::{BlockId, StatementError};
use crate::digest::{Domain, Kind, digest, word, words};
use crate::sign::{Signature, SignerKey, recover};
use crate::term::Term;

/// A validator can take its turns, or asks to be passed over.
///
/// Its order among the author's statements is the control height: one that names a height below the one that decided the
/// author's last statement is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Readiness {
    /// The author's signer address.
    pub validator: Address,
    /// The author's incarnation.
    pub incarnation: u64,
    /// Epoch of the term.
    pub epoch: u64,
    /// The open term.
    pub term: u64,
    /// Slot of the highest committed block that the author has executed.
    pub slot: u64,
    /// That block.
    pub committed: BlockId,
    /// Number of the L1 block that it names as its view.
    pub l1_view: u64,
    /// Control height that the author had applied.
    pub control_height: u64,
    /// It can take its turns; otherwise it asks to be passed over (planned downtime, or something is wrong with it).
    pub ready: bool,
    /// Over [`Readiness::digest`].
    pub signature: Signature,
}

impl Readiness {
    /// `keccak256(abi.encode(uint64 number, bytes32 hash, uint64 l1View, uint64 controlHeight, bool ready))`.
    pub fn content(&self) -> B256 {
        let Self { committed, l1_view, control_height, ready, .. } = self;
        words(&[word(committed.number), committed.hash, word(*l1_view), word(*control_height), word((*ready).into())])
    }

    /// What the author signs.
    pub fn digest(&self, domain: &Domain) -> B256 {
        digest(domain, Kind::Readiness, self.incarnation, self.epoch, self.term, self.slot, self.content())
    }

    /// The same statement with `key`'s signature.
    pub fn signed(mut self, domain: &Domain, key: &SignerKey) -> Self {
        self.signature = key.sign(self.digest(domain));
        self
    }

    /// Checks place, author, incarnation and signature.
    pub fn verify(&self, term: &Term) -> Result<(), StatementError> {
        term.check_place(self.epoch, self.term)?;
        author(&term.set, &self.validator, self.incarnation)?;
        if recover(self.digest(&term.domain), &self.signature) != Some(self.validator) {
            return Err(StatementError::BadSignature { validator: self.validator });
        }
        Ok(())
    }
}
