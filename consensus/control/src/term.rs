//! One term: all that is needed to judge a statement that names it.

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::Domain;
use crate::schedule::Schedule;
use crate::set::{Validator, ValidatorSet};
use crate::skips::Skips;
use crate::statement::{BlockFacts, StatementError};

/// The slots that follow one another by handover, from one decision that names a head to the next.
///
/// A value of its own, taken from [`crate::ControlState::open_term`] when the term opens. Nothing in it changes while the
/// term is open but `skips`, which grows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Term {
    /// What signatures are bound to.
    pub domain: Domain,
    /// Number of the term; the first is 1.
    pub number: u64,
    /// Epoch the term is in.
    pub epoch: u64,
    /// Control height of the decision that opened it.
    pub opened_height: u64,
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
    /// Whose turns are passed over.
    pub skips: Skips,
}

impl Term {
    /// The validator that seals `slot`.
    pub fn sequencer_of(&self, slot: u64) -> Option<&Validator> {
        self.schedule.leader(slot).map(|at| &self.set.validators()[at])
    }

    /// The slot that a child of `parent` belongs to, as far as [`Term::can_judge_child`].
    pub fn child_slot(&self, parent: &BlockFacts) -> u64 {
        if parent.id == self.parent.id {
            self.first_slot
        } else if parent.ends_slot {
            self.slot_after(parent.slot, parent.control_height)
        } else {
            parent.slot
        }
    }

    /// The slot that follows `slot` if its last block names `control_height`: the next one in the schedule whose turn is
    /// not passed over.
    pub fn slot_after(&self, slot: u64, control_height: u64) -> u64 {
        let next = slot.saturating_add(1);
        let skipped = self.skips.at(control_height);
        if skipped.is_empty() {
            return next;
        }
        let takes_turn = |slot: &u64| self.sequencer_of(*slot).is_some_and(|v| !skipped.contains(&v.signer));
        let turns = self.schedule.cycle_slots().saturating_mul(2);
        (next..next.saturating_add(turns)).find(takes_turn).unwrap_or(next)
    }

    /// Whether every decision that says which slot follows `parent` is known.
    pub fn can_judge_child(&self, parent: &BlockFacts) -> bool {
        parent.id == self.parent.id || !parent.ends_slot || parent.control_height <= self.skips.known_height()
    }

    /// The validator that seals the child of `parent`: after a block that ends its slot, the next one in the schedule.
    pub fn sequencer_after(&self, parent: &BlockFacts) -> Option<&Validator> {
        self.sequencer_of(self.child_slot(parent))
    }

    /// Checks that `child` may stand on `parent`: height, parent hash, slot, and control height never going back.
    pub fn check_child(&self, child: &BlockFacts, parent: &BlockFacts) -> Result<(), StatementError> {
        self.check_place(child.epoch, child.term)?;
        if !self.can_judge_child(parent) {
            let (named, known) = (parent.control_height, self.skips.known_height());
            return Err(StatementError::HeightUnknown { named, known });
        }
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
