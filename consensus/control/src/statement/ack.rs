//! Acks: a validator's word that it has executed and stored a block, and which certificate it holds.

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{BlockId, StatementError};
use crate::digest::{Domain, Kind, digest, word, words};
use crate::set::{Validator, ValidatorSet};
use crate::sign::{Signature, SignerKey, recover};

/// A validator's signature over a block it has executed and stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ack {
    /// The author's signer address.
    pub validator: Address,
    /// The author's incarnation.
    pub incarnation: u64,
    /// Epoch of the block.
    pub epoch: u64,
    /// Term of the block.
    pub term: u64,
    /// Slot of the block.
    pub slot: u64,
    /// The block.
    pub block: BlockId,
    /// Block of the highest certificate of the term that the author holds and has stored.
    pub certificate: Option<BlockId>,
    /// Over [`Ack::digest`].
    pub signature: Signature,
}

impl Ack {
    /// `keccak256(abi.encode(uint64 number, bytes32 hash, uint64 certNumber, bytes32 certHash))`; zeros for none.
    pub fn content(&self) -> B256 {
        ack_content(&self.block, self.certificate.as_ref())
    }

    /// What the author signs.
    pub fn digest(&self, domain: &Domain) -> B256 {
        digest(domain, Kind::Ack, self.incarnation, self.epoch, self.term, self.slot, self.content())
    }

    /// The same ack with `key`'s signature.
    pub fn signed(mut self, domain: &Domain, key: &SignerKey) -> Self {
        self.signature = key.sign(self.digest(domain));
        self
    }

    /// Checks author, incarnation and signature against the set of the epoch that the ack names; gives the author.
    pub fn verify<'a>(&self, set: &'a ValidatorSet, domain: &Domain) -> Result<&'a Validator, StatementError> {
        let validator = author(set, &self.validator, self.incarnation)?;
        if self.certificate.is_some_and(|named| named.number == 0) {
            return Err(StatementError::NamesGenesis { validator: self.validator });
        }
        if recover(self.digest(domain), &self.signature) != Some(self.validator) {
            return Err(StatementError::BadSignature { validator: self.validator });
        }
        Ok(validator)
    }

    /// Whether the author holds a certificate for `block`, or for one above it in the same term.
    ///
    /// Two certificates of one term are on one chain (invariant 1), so a higher one extends `block` if `block` is itself
    /// certified; that is for the caller to know.
    pub fn holds(&self, block: &BlockId) -> bool {
        self.certificate.is_some_and(|named| named.number > block.number || named == *block)
    }
}

/// [`Ack::content`] of its parts.
fn ack_content(block: &BlockId, certificate: Option<&BlockId>) -> B256 {
    let (number, hash) = certificate.map_or((0, B256::ZERO), |named| (named.number, named.hash));
    words(&[word(block.number), block.hash, word(number), hash])
}

/// The member of the set that a statement names, if the incarnation is the one that counts.
pub(super) fn author<'a>(
    set: &'a ValidatorSet,
    signer: &Address,
    incarnation: u64,
) -> Result<&'a Validator, StatementError> {
    let validator = set.get(signer).ok_or(StatementError::UnknownValidator { validator: *signer })?;
    if validator.incarnation != incarnation {
        return Err(StatementError::WrongIncarnation {
            validator: *signer,
            found: incarnation,
            expected: validator.incarnation,
        });
    }
    Ok(validator)
}
