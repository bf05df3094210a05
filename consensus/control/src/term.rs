//! One term: all that is needed to judge a statement that names it.

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::Domain;
use crate::schedule::Schedule;
use crate::set::{Validator, ValidatorSet};
use crate::statement::{BlockFacts, StatementError};

/// The slots that follow one another by handover, from one decision that names a head to the next.
///
/// A value of its own, taken from [`crate::ControlState::open_term`] when the term opens; nothing in it changes while
/// the term is open.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Term {
    /// What signatures are bound to.
    pub domain: Domain,
    /// Number of the term; the first is 1.
    pub number: u64,
    /// Epoch the term is in.
    pub epoch: u64,
    /// The block the term builds on: the head of the term before, or genesis.
    pub parent: BlockFacts,
    /// Slot of the first block above the parent.
    pub first_slot: u64,
    /// Blocks that a validator acks above the highest commit it knows (`W`).
    pub window_blocks: u64,
    /// The epoch's validators, with the incarnations that count in this term.
    pub set: ValidatorSet,
    /// The epoch's order of turns.
    pub schedule: Schedule,
}

impl Term {
    /// The validator that seals `slot`.
    pub fn sequencer_of(&self, slot: u64) -> Option<&Validator> {
        self.schedule.leader(slot).map(|at| &self.set.validators()[at])
    }

    /// The slot that a child of `parent` belongs to.
    pub fn child_slot(&self, parent: &BlockFacts) -> u64 {
        if parent.id == self.parent.id { self.first_slot } else { parent.slot.saturating_add(parent.ends_slot.into()) }
    }

    /// The validator that seals the child of `parent`: after a block that ends its slot, the next one in the schedule.
    pub fn sequencer_after(&self, parent: &BlockFacts) -> Option<&Validator> {
        self.sequencer_of(self.child_slot(parent))
    }

    /// Checks that `child` may stand on `parent`: height, parent hash, slot, and control height never going back.
    pub fn check_child(&self, child: &BlockFacts, parent: &BlockFacts) -> Result<(), StatementError> {
        self.check_place(child.epoch, child.term)?;
        let slot = self.child_slot(parent);
        if child.parent != parent.id.hash || Some(child.id.number) != parent.id.number.checked_add(1) {
            return Err(StatementError::NotChild { child: child.id, parent: parent.id });
        }
        if child.slot != slot {
            return Err(StatementError::WrongSlot { found: child.slot, expected: slot });
        }
        if child.control_height < parent.control_height || child.timestamp_ms < parent.timestamp_ms {
            return Err(StatementError::GoesBack { child: child.id });
        }
        Ok(())
    }

    /// Checks that a statement names this term and its epoch.
    pub fn check_place(&self, epoch: u64, term: u64) -> Result<(), StatementError> {
        if (epoch, term) != (self.epoch, self.number) {
            return Err(StatementError::WrongTerm { epoch, term, expected: self.number });
        }
        Ok(())
    }

    /// Whether `signer` is a member of the set.
    pub fn has(&self, signer: &Address) -> bool {
        self.set.index_of(signer).is_some()
    }
}
