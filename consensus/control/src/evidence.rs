//! Pairs of statements that convict their author (design section 5, "Evidence").

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::statement::{Ack, CloseVote, SignedBlock, StatementError};
use crate::term::Term;

/// Two statements of one validator in one term that no honest one makes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Evidence {
    /// Two different blocks by one sequencer at one height.
    DoubleBlock {
        /// One of them.
        first: Box<SignedBlock>,
        /// The other.
        second: Box<SignedBlock>,
    },
    /// Two acks at one height for different blocks.
    DoubleAck {
        /// One of them.
        first: Box<Ack>,
        /// The other.
        second: Box<Ack>,
    },
    /// Two different close votes.
    DoubleClose {
        /// One of them.
        first: Box<CloseVote>,
        /// The other.
        second: Box<CloseVote>,
    },
    /// An ack above the height of the certificate in its signer's close vote that the vote does not list.
    UnlistedAck {
        /// The ack.
        ack: Box<Ack>,
        /// The vote.
        vote: Box<CloseVote>,
    },
    /// An ack naming a certificate above the one in its signer's close vote.
    HigherCertificate {
        /// The ack.
        ack: Box<Ack>,
        /// The vote.
        vote: Box<CloseVote>,
    },
}

/// Why a pair of statements convicts nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEvidence {
    /// One of the statements does not count.
    #[error("one of the statements does not count: {0}")]
    Statement(#[from] StatementError),
    /// The statements have different authors.
    #[error("the statements are not by one author")]
    TwoAuthors,
    /// An honest validator may have made both.
    #[error("the statements do not contradict each other")]
    NoContradiction,
}

impl Evidence {
    /// Checks the pair against the term it names and gives the one it convicts.
    pub fn verify(&self, term: &Term) -> Result<Address, NotEvidence> {
        match self {
            Self::DoubleBlock { first, second } => {
                first.verify(term)?;
                second.verify(term)?;
                let author = |b: &SignedBlock| term.sequencer_of(b.facts.slot).map(|v| v.signer);
                let (a, b) = (first.facts.id, second.facts.id);
                let signer = author(first).ok_or(NotEvidence::NoContradiction)?;
                decide(signer, author(second), a.number == b.number && a.hash != b.hash)
            }
            Self::DoubleAck { first, second } => {
                verify_ack(first, term)?;
                verify_ack(second, term)?;
                let (a, b) = (first.block, second.block);
                decide(first.validator, Some(second.validator), a.number == b.number && a.hash != b.hash)
            }
            Self::DoubleClose { first, second } => {
                first.verify_author(term)?;
                second.verify_author(term)?;
                decide(first.validator, Some(second.validator), first.content() != second.content())
            }
            Self::UnlistedAck { ack, vote } => {
                verify_ack(ack, term)?;
                vote.verify_author(term)?;
                let listed = vote.acked.iter().any(|b| b.facts.id == ack.block);
                let above = ack.block.number > vote.listed_above(term);
                decide(ack.validator, Some(vote.validator), above && !listed)
            }
            Self::HigherCertificate { ack, vote } => {
                verify_ack(ack, term)?;
                vote.verify_author(term)?;
                let above = ack.certificate.is_some_and(|named| named.number > vote.listed_above(term));
                decide(ack.validator, Some(vote.validator), above)
            }
        }
    }

    /// The pair of blocks, if it is one: cheap, without checking signatures.
    pub fn between_blocks(first: &SignedBlock, second: &SignedBlock, term: &Term) -> Option<Self> {
        let (a, b) = (&first.facts, &second.facts);
        let same_author = match (term.schedule.leader(a.slot), term.schedule.leader(b.slot)) {
            (Some(x), Some(y)) => x == y,
            _ => false,
        };
        let conflict = same_author && a.term == b.term && a.id.number == b.id.number && a.id.hash != b.id.hash;
        conflict.then(|| Self::DoubleBlock { first: Box::new(*first), second: Box::new(*second) })
    }

    /// What an ack and its author's close vote say against each other: cheap, without checking signatures.
    pub fn between_ack_and_close(ack: &Ack, vote: &CloseVote, term: &Term) -> Option<Self> {
        if ack.validator != vote.validator || (ack.epoch, ack.term) != (vote.epoch, vote.term) {
            return None;
        }
        let height = vote.listed_above(term);
        let pair = || (Box::new(*ack), Box::new(vote.clone()));
        if ack.block.number > height && !vote.acked.iter().any(|b| b.facts.id == ack.block) {
            let (ack, vote) = pair();
            return Some(Self::UnlistedAck { ack, vote });
        }
        if ack.certificate.is_some_and(|named| named.number > height) {
            let (ack, vote) = pair();
            return Some(Self::HigherCertificate { ack, vote });
        }
        None
    }
}

fn verify_ack(ack: &Ack, term: &Term) -> Result<(), StatementError> {
    term.check_place(ack.epoch, ack.term)?;
    ack.verify(&term.set, &term.domain).map(|_| ())
}

fn decide(first: Address, second: Option<Address>, contradiction: bool) -> Result<Address, NotEvidence> {
    if Some(first) != second {
        return Err(NotEvidence::TwoAuthors);
    }
    if contradiction { Ok(first) } else { Err(NotEvidence::NoContradiction) }
}
