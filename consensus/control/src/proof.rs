//! The proof of an offence, in the form in which the control plane decides and keeps it and a contract on L1 can check it.
//!
//! A proof names one validator, its incarnation, an epoch and a term, and holds two statements with their signatures
//! (`r || s || v`, `v` 0 or 1). Each signature is over the digest of [`crate::digest`], eight words:
//!
//! ```text
//! keccak256(abi.encode(keccak256(kind), chainId, locking, incarnation, epoch, term, slot, content))
//! ```
//!
//! | statement | kind | slot | content |
//! |---|---|---|---|
//! | block | `horae.v1.block` | its slot | `keccak256(abi.encode(number, hash))` |
//! | ack | `horae.v1.ack` | its slot | `keccak256(abi.encode(number, hash, certNumber, certHash))`, zeros for no certificate |
//! | close vote | `horae.v1.close` | 0 | `keccak256(abi.encode(certNumber, certHash, list, attached))`, `list` = keccak256 of the words (number, hash) of each block listed |
//! | Tendermint vote, proposal | `horae.v1.vote`, `horae.v1.proposal` | 0, and term 0 | `keccak256(abi.encode(step, height, round, value, pol))` |
//!
//! A contract recovers both signers with `ecrecover`, compares them with the validator's signer key, and then compares the
//! words, all of which stand in the proof:
//!
//! | offence | the two statements | convicts when |
//! |---|---|---|
//! | double block | block, block | one number, two hashes |
//! | double ack | ack, ack | one number, two hashes |
//! | double close vote | close vote, close vote | their words differ |
//! | unlisted ack | ack, close vote | the ack's number is above `certNumber` and the ack's block is not in the list |
//! | higher certificate | ack, close vote | the ack's `certNumber` is above the vote's |
//! | double vote, double proposal | Tendermint, Tendermint | one step, height and round; value or `pol` differ |
//!
//! That the incarnation is the one that counted in the term, and that the validator led the slots of its blocks, only the
//! control plane knows: what an older incarnation signed is void, and convicts nobody. In Rust that is
//! [`Proof::verify`] against the term, or for Tendermint against the term in which the height was decided.

use std::fmt;

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::digest::{Domain, Kind, digest, word, words};
use crate::sign::{Signature, recover};
use crate::statement::{BlockId, EngineStatement, StatementError, Step};
use crate::term::Term;

/// What a validator did that no honest one does.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Offence {
    /// Two different blocks at one height of a term.
    DoubleBlock,
    /// Acks of two different blocks at one height of a term.
    DoubleAck,
    /// Two different close votes in a term.
    DoubleClose,
    /// An ack that its close vote does not list.
    UnlistedAck,
    /// An ack that names a certificate above the one in its close vote.
    HigherCertificate,
    /// Two different Tendermint votes of one step at one height and round.
    DoubleVote,
    /// Two different Tendermint proposals at one height and round.
    DoubleProposal,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DoubleBlock => "double-block",
            Self::DoubleAck => "double-ack",
            Self::DoubleClose => "double-close",
            Self::UnlistedAck => "unlisted-ack",
            Self::HigherCertificate => "higher-certificate",
            Self::DoubleVote => "double-vote",
            Self::DoubleProposal => "double-proposal",
        })
    }
}

/// What one statement of a proof says: every word that its content is made of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Said {
    /// A block was sealed.
    Block {
        /// Slot of the block.
        slot: u64,
        /// The block.
        block: BlockId,
    },
    /// A block was acked.
    Ack {
        /// Slot of the block.
        slot: u64,
        /// The block.
        block: BlockId,
        /// Block of the certificate named.
        certificate: Option<BlockId>,
    },
    /// The term was voted to be closed.
    Close {
        /// Block of the certificate in the vote.
        certificate: Option<BlockId>,
        /// The blocks listed, at most the window.
        listed: Vec<BlockId>,
        /// keccak256 of what the vote carried.
        attached: B256,
    },
    /// A Tendermint vote or proposal.
    Engine(EngineStatement),
}

/// A statement and its author's signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SaidAndSigned {
    /// What was said.
    pub said: Said,
    /// Over the digest of what was said.
    pub signature: Signature,
}

/// Two statements of one validator that no honest one makes, and nothing that is not needed to see it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    /// Signer address of the one it convicts.
    pub validator: Address,
    /// The incarnation that signed both.
    pub incarnation: u64,
    /// The epoch that both name.
    pub epoch: u64,
    /// The term that both name; 0 for Tendermint's.
    pub term: u64,
    /// One of the two; the ack, where the other is a close vote.
    pub first: SaidAndSigned,
    /// The other.
    pub second: SaidAndSigned,
}

/// Why two statements convict nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEvidence {
    /// One of the statements does not count.
    #[error("one of the statements does not count: {0}")]
    Statement(#[from] StatementError),
    /// The statements have different authors or incarnations.
    #[error("the statements are not by one author and incarnation")]
    TwoAuthors,
    /// An honest validator may have made both.
    #[error("the statements do not contradict each other")]
    NoContradiction,
    /// A close vote lists more blocks than the window allows.
    #[error("a close vote that lists {0} blocks")]
    TooLong(usize),
    /// The term, or the control height, is not among those that are remembered.
    #[error("the term or control height named is not remembered here")]
    OutOfReach,
    /// The validator is in jail already; the first proof stays.
    #[error("{0} is in jail already")]
    InJail(Address),
    /// L1 has punished the validator for this, and has released it since.
    #[error("{0} has been punished for this, and was released")]
    Served(Address),
}

impl Said {
    fn kind(&self) -> Kind {
        match self {
            Self::Block { .. } => Kind::Block,
            Self::Ack { .. } => Kind::Ack,
            Self::Close { .. } => Kind::Close,
            Self::Engine(EngineStatement { step: Step::Proposal, .. }) => Kind::Proposal,
            Self::Engine(_) => Kind::Vote,
        }
    }

    /// Slot that its digest names.
    pub fn slot(&self) -> u64 {
        match self {
            Self::Block { slot, .. } | Self::Ack { slot, .. } => *slot,
            Self::Close { .. } | Self::Engine(_) => 0,
        }
    }

    /// The words whose keccak256 is its content: those in the table above.
    pub fn words(&self) -> Vec<B256> {
        match self {
            Self::Block { block, .. } => of_block(Some(block)).to_vec(),
            Self::Ack { block, certificate, .. } => [of_block(Some(block)), of_block(certificate.as_ref())].concat(),
            Self::Close { certificate, attached, .. } => {
                [of_block(certificate.as_ref()).as_slice(), &[words(&self.listed()), *attached]].concat()
            }
            Self::Engine(statement) => statement.words().to_vec(),
        }
    }

    /// Number and hash of each block that a close vote lists.
    pub fn listed(&self) -> Vec<B256> {
        match self {
            Self::Close { listed, .. } => listed.iter().flat_map(|block| of_block(Some(block))).collect(),
            _ => Vec::new(),
        }
    }

    fn digest(&self, proof: &Proof, domain: &Domain) -> B256 {
        let content = words(&self.words());
        digest(domain, self.kind(), proof.incarnation, proof.epoch, proof.term, self.slot(), content)
    }
}

fn of_block(block: Option<&BlockId>) -> [B256; 2] {
    block.map_or([B256::ZERO; 2], |block| [word(block.number), block.hash])
}

impl Proof {
    /// What the two statements show, leaving signatures aside.
    pub fn offence(&self) -> Result<Offence, NotEvidence> {
        let shown = match (&self.first.said, &self.second.said) {
            (Said::Block { block: a, .. }, Said::Block { block: b, .. }) if forks(a, b) => Offence::DoubleBlock,
            (Said::Ack { block: a, .. }, Said::Ack { block: b, .. }) if forks(a, b) => Offence::DoubleAck,
            (a @ Said::Close { .. }, b @ Said::Close { .. }) if a != b => Offence::DoubleClose,
            (Said::Ack { block, certificate: named, .. }, Said::Close { certificate, listed, .. }) => {
                let height = certificate.map_or(0, |c| c.number);
                if block.number > height && !listed.contains(block) {
                    Offence::UnlistedAck
                } else if named.is_some_and(|named| named.number > height) {
                    Offence::HigherCertificate
                } else {
                    return Err(NotEvidence::NoContradiction);
                }
            }
            (Said::Engine(a), Said::Engine(b)) if a.same_place(b) && a != b => match a.step {
                Step::Prevote | Step::Precommit => Offence::DoubleVote,
                Step::Proposal => Offence::DoubleProposal,
            },
            _ => return Err(NotEvidence::NoContradiction),
        };
        Ok(shown)
    }

    /// The control height of Tendermint statements, which name no term.
    pub fn engine_height(&self) -> Option<u64> {
        match self.first.said {
            Said::Engine(statement) => Some(statement.height),
            _ => None,
        }
    }

    /// Checks everything against the term that it names, or that was open when the control height was decided.
    pub fn verify(&self, term: &Term) -> Result<Offence, NotEvidence> {
        let offence = self.offence()?;
        let named = if self.engine_height().is_some() { 0 } else { term.number };
        if (self.epoch, self.term) != (term.epoch, named) {
            let (epoch, term, expected) = (self.epoch, self.term, term.number);
            return Err(StatementError::WrongTerm { epoch, term, expected }.into());
        }
        let validator = self.validator;
        let member = term.set.get(&validator).ok_or(StatementError::UnknownValidator { validator })?;
        if member.incarnation != self.incarnation {
            let (found, expected) = (self.incarnation, member.incarnation);
            return Err(StatementError::WrongIncarnation { validator, found, expected }.into());
        }
        for statement in [&self.first, &self.second] {
            match &statement.said {
                Said::Close { listed, .. } if listed.len() as u64 > term.window_blocks => {
                    return Err(NotEvidence::TooLong(listed.len()));
                }
                Said::Block { slot, .. } if term.sequencer_of(*slot).is_none_or(|v| v.signer != validator) => {
                    return Err(NotEvidence::TwoAuthors);
                }
                _ => {}
            }
        }
        let statements = [&self.first, &self.second];
        let digests = statements.map(|statement| statement.said.digest(self, &term.domain));
        // No certificate and one of block 0 without a hash are the same words: what was signed once contradicts nothing.
        if digests[0] == digests[1] {
            return Err(NotEvidence::NoContradiction);
        }
        for (statement, digest) in statements.into_iter().zip(digests) {
            if recover(digest, &statement.signature) != Some(validator) {
                return Err(StatementError::BadSignature { validator }.into());
            }
        }
        Ok(offence)
    }
}

/// Whether two blocks stand at one height.
fn forks(a: &BlockId, b: &BlockId) -> bool {
    a.number == b.number && a.hash != b.hash
}

#[cfg(test)]
mod tests;
