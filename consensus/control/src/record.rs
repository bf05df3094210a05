//! What a validator stores before it speaks.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::statement::{Ack, Certificate, CloseVote, SignedBlock};

/// One entry of a validator's record of promises. It must be on stable storage before the statement that came with it
/// is sent; [`crate::Voter::restore`] reads the entries back in the order in which they were stored.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// A block was acked.
    Ack {
        /// The block, as its sequencer signed it: a close vote lists it.
        block: SignedBlock,
        /// A certificate that became the highest one held with this ack.
        adopted: Option<Certificate>,
        /// What is sent.
        ack: Ack,
    },
    /// A higher certificate was taken in, and the block acked last was acked again, naming it.
    Certificate {
        /// The certificate.
        certificate: Certificate,
        /// What is sent; nothing while no block of the term was acked.
        ack: Option<Ack>,
    },
    /// The term was voted to be closed.
    Close(CloseVote),
    /// A slot was begun: stored before its first block leaves. After a restart nothing more is sealed in it.
    SlotBegun {
        /// Incarnation that began it.
        incarnation: u64,
        /// Term of the slot.
        term: u64,
        /// The slot.
        slot: u64,
    },
}

impl Record {
    /// Term that the entry is about. Entries of closed terms may be dropped from the log.
    pub fn term(&self) -> u64 {
        match self {
            Self::Ack { ack, .. } => ack.term,
            Self::Certificate { certificate, .. } => certificate.term,
            Self::Close(vote) => vote.term,
            Self::SlotBegun { term, .. } => *term,
        }
    }
}
