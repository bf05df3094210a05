//! Certificates and commits: what > 2/3 of the weights said, in a form that convinces a third party.

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Ack, BlockId, StatementError};
use crate::digest::Domain;
use crate::planted;
use crate::set::ValidatorSet;
use crate::sign::Signature;

/// An ack inside a certificate: what is not already said by the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CertificateAck {
    /// The author's signer address.
    pub validator: Address,
    /// The author's incarnation.
    pub incarnation: u64,
    /// Block of the certificate that the author held.
    pub certificate: Option<BlockId>,
    /// The ack's signature.
    pub signature: Signature,
}

/// Acks of > 2/3 for one block in one term.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Certificate {
    /// Epoch of the block.
    pub epoch: u64,
    /// Term of the block.
    pub term: u64,
    /// Slot of the block.
    pub slot: u64,
    /// The block.
    pub block: BlockId,
    /// Strictly ascending by author.
    pub acks: Vec<CertificateAck>,
}

impl Certificate {
    /// The ack at `at`, whole again.
    fn ack(&self, counted: &CertificateAck) -> Ack {
        Ack {
            validator: counted.validator,
            incarnation: counted.incarnation,
            epoch: self.epoch,
            term: self.term,
            slot: self.slot,
            block: self.block,
            certificate: counted.certificate,
            signature: counted.signature,
        }
    }

    /// Its acks, each as the author sent it.
    pub fn acks(&self) -> impl Iterator<Item = Ack> {
        self.acks.iter().map(|counted| self.ack(counted))
    }

    /// Checks every signature and that they are > 2/3 of the set of the epoch that the certificate names.
    pub fn verify(&self, set: &ValidatorSet, domain: &Domain) -> Result<(), StatementError> {
        if !ascending(self.acks.iter().map(|a| &a.validator)) {
            return Err(StatementError::Unordered);
        }
        let mut weight = 0;
        for ack in self.acks() {
            weight += ack.verify(set, domain)?.weight;
        }
        if planted!(CertificateByHeads) && 3 * self.acks.len() > 2 * set.len() {
            return Ok(());
        }
        quorum(set, weight)
    }

    /// The highest block that this certificate alone shows to be committed, as a height on the certified chain.
    ///
    /// Its acks name certificates of the term; where > 2/3 hold one at or above a height, that height is committed
    /// (see [`Commit`]). The certificate must have been verified.
    pub fn committed_number(&self, set: &ValidatorSet) -> Option<u64> {
        let mut held: Vec<(u64, u64)> =
            self.acks.iter().filter_map(|a| Some((a.certificate?.number, set.get(&a.validator)?.weight))).collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        let mut weight = 0;
        let (number, _) = held.into_iter().find(|(_, w)| {
            weight += w;
            set.is_quorum(weight)
        })?;
        Some(number.min(self.block.number))
    }
}

/// > 2/3 have acked holding a certificate, of one term, for a block or one that extends it.
///
/// What it proves on its own: `certificate` shows that the block was certified; each ack shows that its author held a
/// certificate of the same term at that height or above. The chain between them needs no proof: two certificates of one
/// term are on one chain as long as fewer than 1/3 lie, and an ack that names an invented higher certificate is a lie of
/// its author, who is then among those fewer than 1/3. An ack naming another block *at* the height is not counted.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commit {
    /// Of the committed block.
    pub certificate: Certificate,
    /// Of the same term, for any blocks; strictly ascending by author.
    pub acks: Vec<Ack>,
}

impl Commit {
    /// The committed block; all below it in the chain are committed too.
    pub fn block(&self) -> BlockId {
        self.certificate.block
    }

    /// Checks the certificate, every ack, and that > 2/3 of the set hold it or a higher one.
    pub fn verify(&self, set: &ValidatorSet, domain: &Domain) -> Result<(), StatementError> {
        self.certificate.verify(set, domain)?;
        self.verify_acks(set, domain)
    }

    /// [`Commit::verify`] for one that has verified the certificate already.
    pub fn verify_acks(&self, set: &ValidatorSet, domain: &Domain) -> Result<(), StatementError> {
        if !ascending(self.acks.iter().map(|a| &a.validator)) {
            return Err(StatementError::Unordered);
        }
        let (epoch, term) = (self.certificate.epoch, self.certificate.term);
        let mut weight = 0;
        for ack in &self.acks {
            if (ack.epoch, ack.term) != (epoch, term) {
                return Err(StatementError::WrongTerm { epoch: ack.epoch, term: ack.term, expected: term });
            }
            if !ack.holds(&self.certificate.block) {
                return Err(StatementError::NotHolding {
                    validator: ack.validator,
                    number: self.certificate.block.number,
                });
            }
            weight += ack.verify(set, domain)?.weight;
        }
        if planted!(CommitOnOneRound) {
            return Ok(());
        }
        quorum(set, weight)
    }
}

fn quorum(set: &ValidatorSet, weight: u64) -> Result<(), StatementError> {
    if set.is_quorum(weight) { Ok(()) } else { Err(StatementError::NoQuorum { weight, total: set.total() }) }
}

/// Whether the authors stand in strictly ascending order, so that none counts twice.
fn ascending<'a>(authors: impl Iterator<Item = &'a Address>) -> bool {
    authors.is_sorted_by(|a, b| a < b)
}
