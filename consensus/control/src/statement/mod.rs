//! The signed statements of the slot protocol, and what anyone can verify from them.

mod ack;
mod block;
mod certificate;
mod close;
mod engine;
mod readiness;

use alloy_primitives::Address;

pub use ack::Ack;
pub use block::{BlockFacts, BlockId, SignedBlock};
pub use certificate::{Certificate, CertificateAck, Commit};
pub use close::CloseVote;
pub use engine::{EngineStatement, SignedEngineStatement, Step};
pub use readiness::Readiness;

/// Why a statement does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// The author is not in the set.
    #[error("{validator} is not in the validator set")]
    UnknownValidator {
        /// The author named.
        validator: Address,
    },
    /// Nobody leads the slot in this epoch.
    #[error("slot {slot} has no sequencer in this epoch")]
    NoSequencer {
        /// The slot named.
        slot: u64,
    },
    /// The signature is malformed or somebody else's.
    #[error("not signed by {validator}")]
    BadSignature {
        /// Who should have signed.
        validator: Address,
    },
    /// The author's statements count under another incarnation.
    #[error("{validator} signed as incarnation {found}, {expected} counts")]
    WrongIncarnation {
        /// The author.
        validator: Address,
        /// What the statement names.
        found: u64,
        /// What the set names.
        expected: u64,
    },
    /// The statement is about another term or epoch.
    #[error("names epoch {epoch} term {term}, expected term {expected}")]
    WrongTerm {
        /// Epoch named.
        epoch: u64,
        /// Term named.
        term: u64,
        /// The term it was held against.
        expected: u64,
    },
    /// The block's slot does not follow from its parent.
    #[error("block is in slot {found}, its parent leads to slot {expected}")]
    WrongSlot {
        /// Slot named.
        found: u64,
        /// Slot that follows from the parent.
        expected: u64,
    },
    /// Which slots are passed over is not known yet at the control height that the last block of a slot names.
    #[error("the last block of a slot names control height {named}, known is {known}")]
    HeightUnknown {
        /// Control height named.
        named: u64,
        /// Highest control height known.
        known: u64,
    },
    /// The block does not stand on that parent.
    #[error("{child} is not a child of {parent}")]
    NotChild {
        /// The block.
        child: BlockId,
        /// The block it was held against.
        parent: BlockId,
    },
    /// Control height or timestamp lower than the parent's.
    #[error("control height or timestamp of {child} is below its parent's")]
    GoesBack {
        /// The block.
        child: BlockId,
    },
    /// A list that must be strictly ascending by author is not.
    #[error("authors are not strictly ascending")]
    Unordered,
    /// Not more than 2/3 of the weights.
    #[error("weight {weight} of {total} is no quorum")]
    NoQuorum {
        /// Weight that stands behind the statement.
        weight: u64,
        /// Weight of the set.
        total: u64,
    },
    /// An ack of a commit names no certificate at or above the committed block.
    #[error("the ack of {validator} holds no certificate for block {number}")]
    NotHolding {
        /// The author.
        validator: Address,
        /// The committed height.
        number: u64,
    },
    /// A named certificate is not canonical: block 0 is never certified, it is named by leaving it out.
    #[error("{validator} names a certificate of block 0")]
    NamesGenesis {
        /// The author.
        validator: Address,
    },
    /// A close vote's list has a gap, a wrong first height, or is longer than the window.
    #[error("the close vote of {validator} lists blocks that are not one run above its certificate")]
    BrokenList {
        /// The author.
        validator: Address,
    },
}

#[cfg(test)]
mod tests;
