//! What follows from a decided control block.

use alloy_primitives::Address;

use crate::batches::AcceptedBatch;
use crate::dkg::{DkgPhase, GroupKey};
use crate::l1::L1View;
use crate::proof::Offence;
use crate::statement::BlockId;

/// Something that follows from a decided block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The key generation entered this phase.
    DkgAdvanced {
        /// The attempt.
        attempt: u64,
        /// The phase it entered.
        phase: DkgPhase,
    },
    /// The key generation failed and starts again as this attempt.
    DkgRestarted {
        /// The new attempt.
        attempt: u64,
    },
    /// The next epoch is being prepared, with this set: its key generation has begun.
    EpochBegun {
        /// Number of the next epoch.
        epoch: u64,
    },
    /// The next epoch is ready: the open term is to be closed at the end of the running slot.
    EpochDue {
        /// Number of the next epoch.
        epoch: u64,
    },
    /// An epoch opened; the term that opens with it follows.
    EpochOpened {
        /// Its number.
        epoch: u64,
        /// Its first slot.
        first_slot: u64,
    },
    /// All validators confirmed this group key: it may be installed on L1.
    GroupKeyConfirmed {
        /// Epoch of the key.
        epoch: u64,
        /// The key.
        key: GroupKey,
    },
    /// The inbox took a key.
    KeyInstalled {
        /// Index of the key on L1.
        key_index: u64,
        /// The key.
        key: GroupKey,
    },
    /// The open term closed.
    TermClosed {
        /// The term.
        term: u64,
        /// Its last block; those up to it are committed, those of the term above it are void.
        head: BlockId,
    },
    /// A term opened: [`ControlState::open_term`] has the rest.
    TermOpened {
        /// The term.
        term: u64,
        /// Its epoch.
        epoch: u64,
        /// The block it builds on.
        parent: BlockId,
        /// Slot of the first block above.
        first_slot: u64,
    },
    /// The L1 view moved.
    L1Advanced(L1View),
    /// L1 accepted a batch.
    BatchAccepted(AcceptedBatch),
    /// A validator started anew.
    IncarnationRegistered {
        /// The validator.
        validator: Address,
        /// Its incarnation from the next term on.
        incarnation: u64,
        /// It is the validator's first in this epoch: a reason to vote to close the open term.
        first_in_epoch: bool,
    },
    /// A validator was convicted: it has no turns from now on, and is out of the set at the next epoch.
    Jailed {
        /// The validator.
        validator: Address,
        /// What it did.
        offence: Offence,
    },
    /// A convicted validator was punished and released on L1: it may be in the next set.
    Released {
        /// Number of the validator.
        id: u64,
    },
    /// Other turns than before are passed over, at handovers whose last block names this control height or a later one.
    Skipped {
        /// Whose, ascending.
        skipped: Vec<Address>,
    },
}
