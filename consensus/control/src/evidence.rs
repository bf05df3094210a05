//! Pairs of statements that convict their author (design section 5, "Evidence"), as a node finds them. What the control
//! plane decides is the [`Proof`] made of them.

use alloy_primitives::Address;

use crate::proof::{NotEvidence, Proof, Said, SaidAndSigned};
use crate::statement::{Ack, CloseVote, SignedBlock};
use crate::term::Term;

/// Two statements of one validator in one term that no honest one makes.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// An ack above the height of the certificate in its signer's close vote that the vote does not list, or one naming a
    /// certificate above that one.
    AckAndClose {
        /// The ack.
        ack: Box<Ack>,
        /// The vote.
        vote: Box<CloseVote>,
    },
}

impl Evidence {
    /// The same in the form that the control plane decides. It counts only once [`Proof::verify`] says so.
    pub fn proof(&self, term: &Term) -> Result<Proof, NotEvidence> {
        let (author, other, place, first, second) = match self {
            Self::DoubleBlock { first, second } => {
                let author =
                    |block: &SignedBlock| term.sequencer_of(block.facts.slot).map(|v| (v.signer, v.incarnation));
                let signer = author(first).ok_or(NotEvidence::NoContradiction)?;
                let place = [(first.facts.epoch, first.facts.term), (second.facts.epoch, second.facts.term)];
                (signer, author(second), place, said_block(first), said_block(second))
            }
            Self::DoubleAck { first, second } => {
                let place = [(first.epoch, first.term), (second.epoch, second.term)];
                let other = (second.validator, second.incarnation);
                ((first.validator, first.incarnation), Some(other), place, said_ack(first), said_ack(second))
            }
            Self::DoubleClose { first, second } => {
                let place = [(first.epoch, first.term), (second.epoch, second.term)];
                let other = (second.validator, second.incarnation);
                ((first.validator, first.incarnation), Some(other), place, said_close(first), said_close(second))
            }
            Self::AckAndClose { ack, vote } => {
                let place = [(ack.epoch, ack.term), (vote.epoch, vote.term)];
                let other = (vote.validator, vote.incarnation);
                ((ack.validator, ack.incarnation), Some(other), place, said_ack(ack), said_close(vote))
            }
        };
        for (epoch, number) in place {
            term.check_place(epoch, number)?;
        }
        if Some(author) != other {
            return Err(NotEvidence::TwoAuthors);
        }
        let (validator, incarnation) = author;
        Ok(Proof { validator, incarnation, epoch: term.epoch, term: term.number, first, second })
    }

    /// Checks the pair against the term it names and gives the one it convicts.
    pub fn verify(&self, term: &Term) -> Result<Address, NotEvidence> {
        let proof = self.proof(term)?;
        proof.verify(term)?;
        Ok(proof.validator)
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
    pub fn between_ack_and_close(ack: &Ack, vote: &CloseVote) -> Option<Self> {
        if (ack.validator, ack.epoch, ack.term) != (vote.validator, vote.epoch, vote.term) {
            return None;
        }
        let height = vote.certificate.as_ref().map_or(0, |c| c.block.number);
        let unlisted = ack.block.number > height && !vote.acked.iter().any(|b| b.facts.id == ack.block);
        let higher = ack.certificate.is_some_and(|named| named.number > height);
        (unlisted || higher).then(|| Self::AckAndClose { ack: Box::new(*ack), vote: Box::new(vote.clone()) })
    }
}

fn said_block(block: &SignedBlock) -> SaidAndSigned {
    let said = Said::Block { slot: block.facts.slot, block: block.facts.id };
    SaidAndSigned { said, signature: block.signature }
}

fn said_ack(ack: &Ack) -> SaidAndSigned {
    let said = Said::Ack { slot: ack.slot, block: ack.block, certificate: ack.certificate };
    SaidAndSigned { said, signature: ack.signature }
}

fn said_close(vote: &CloseVote) -> SaidAndSigned {
    let certificate = vote.certificate.as_ref().map(|c| c.block);
    let listed = vote.acked.iter().map(|block| block.facts.id).collect();
    SaidAndSigned { said: Said::Close { certificate, listed, attached: vote.attached() }, signature: vote.signature }
}
