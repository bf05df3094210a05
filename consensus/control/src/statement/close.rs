//! Close votes: a validator's one irrevocable statement for a term.

use alloy_primitives::{Address, B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

use super::ack::author;
use super::{BlockId, Certificate, SignedBlock, StatementError};
use crate::digest::{Domain, Kind, digest, word, words};
use crate::planted;
use crate::sign::{Signature, SignerKey, recover};
use crate::term::Term;

/// Its author acks and, as sequencer, seals nothing more in the term. Stored before it is sent, re-sent byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CloseVote {
    /// The author's signer address.
    pub validator: Address,
    /// The author's incarnation.
    pub incarnation: u64,
    /// Epoch of the term.
    pub epoch: u64,
    /// The term.
    pub term: u64,
    /// The author's highest certificate of the term.
    pub certificate: Option<Certificate>,
    /// Every block the author acked above that height, lowest first, at most the window; each with its sequencer's
    /// signature.
    pub acked: Vec<SignedBlock>,
    /// Over [`CloseVote::digest`].
    pub signature: Signature,
}

impl CloseVote {
    /// `keccak256(abi.encode(uint64 certNumber, bytes32 certHash, bytes32 list, bytes32 attached))`, where `list` is
    /// the keccak256 of the words (number, hash) of the listed blocks, and `attached` that of the borsh bytes of
    /// certificate and list, so that nobody can alter on the way what the author sent.
    pub fn content(&self) -> B256 {
        let certificate = self.certificate.as_ref().map(|c| c.block);
        close_content(certificate.as_ref(), self.acked.iter().map(|block| &block.facts.id), self.attached())
    }

    /// keccak256 of the borsh bytes of certificate and list.
    pub(crate) fn attached(&self) -> B256 {
        keccak256(borsh::to_vec(&(&self.certificate, &self.acked)).expect("writing to memory does not fail"))
    }

    /// What the author signs.
    pub fn digest(&self, domain: &Domain) -> B256 {
        digest(domain, Kind::Close, self.incarnation, self.epoch, self.term, 0, self.content())
    }

    /// The same vote with `key`'s signature.
    pub fn signed(mut self, domain: &Domain, key: &SignerKey) -> Self {
        self.signature = key.sign(self.digest(domain));
        self
    }

    /// Height above which the vote lists what its author acked.
    pub fn listed_above(&self, term: &Term) -> u64 {
        self.certificate.as_ref().map_or(term.parent.id.number, |c| c.block.number)
    }

    /// Checks the author and its signature, not what the vote carries.
    pub fn verify_author(&self, term: &Term) -> Result<(), StatementError> {
        term.check_place(self.epoch, self.term)?;
        author(&term.set, &self.validator, self.incarnation)?;
        if recover(self.digest(&term.domain), &self.signature) != Some(self.validator) {
            return Err(StatementError::BadSignature { validator: self.validator });
        }
        Ok(())
    }

    /// Checks the whole vote: author, certificate, and that the list is one run of blocks, each a child of the one
    /// before and signed by its slot's sequencer, from the height above the certificate on.
    pub fn verify(&self, term: &Term) -> Result<(), StatementError> {
        self.verify_author(term)?;
        self.verify_shape(term)?;
        if let Some(certificate) = &self.certificate {
            certificate.verify(&term.set, &term.domain)?;
        }
        self.acked.iter().try_for_each(|block| block.verify(term))
    }

    /// The part of [`CloseVote::verify`] that needs no cryptography.
    pub fn verify_shape(&self, term: &Term) -> Result<(), StatementError> {
        let broken = StatementError::BrokenList { validator: self.validator };
        if self.acked.len() as u64 > term.window_blocks {
            return Err(broken);
        }
        if let Some(certificate) = self.certificate.as_ref().filter(|_| !planted!(EarlierCertificate)) {
            term.check_place(certificate.epoch, certificate.term)?;
            if certificate.block.number <= term.parent.id.number {
                return Err(broken);
            }
        }
        let Some(first) = self.acked.first() else { return Ok(()) };
        term.check_place(first.facts.epoch, first.facts.term)?;
        if Some(first.facts.id.number) != self.listed_above(term).checked_add(1) && !planted!(EarlierCertificate) {
            return Err(broken);
        }
        if first.facts.id.number == term.parent.id.number + 1 {
            term.check_child(&first.facts, &term.parent)?;
        }
        self.acked.windows(2).try_for_each(|pair| term.check_child(&pair[1].facts, &pair[0].facts))
    }
}

/// [`CloseVote::content`] of its parts.
fn close_content<'a>(certificate: Option<&BlockId>, listed: impl Iterator<Item = &'a BlockId>, attached: B256) -> B256 {
    let (number, hash) = certificate.map_or((0, B256::ZERO), |c| (c.number, c.hash));
    let list: Vec<B256> = listed.flat_map(|block| [word(block.number), block.hash]).collect();
    words(&[word(number), hash, words(&list), attached])
}
