//! Whose turns are passed over (design section 5: a dead node does not cost a failover at each of its turns).
//!
//! Each decision binds from the control height that made it. Which one holds at a handover is said by the slot's last
//! block: the newest decision at or below the control height that it names. So all who judge a chain of blocks agree on
//! every slot of it, whenever they learn of decisions; whoever does not know the named height yet cannot judge.

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Skip {
    /// Control height that decided it.
    pub height: u64,
    /// Whose turns are passed over from then on, ascending.
    pub skipped: Vec<Address>,
}

/// The decisions that bind in one term, oldest first. It only grows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Skips {
    known_height: u64,
    decisions: Vec<Skip>,
}

impl Skips {
    /// What holds in a term opened by the decision at `height`.
    pub fn new(height: u64, skipped: Vec<Address>) -> Self {
        Self { known_height: height, decisions: vec![Skip { height, skipped }] }
    }

    /// Control height up to which every decision is here.
    pub fn known_height(&self) -> u64 {
        self.known_height
    }

    /// Decisions, oldest first.
    pub fn decisions(&self) -> &[Skip] {
        &self.decisions
    }

    /// Whose turns are passed over at a handover whose last block names this control height.
    pub fn at(&self, height: u64) -> &[Address] {
        let in_force = self.decisions.iter().rev().find(|decision| decision.height <= height);
        in_force.map_or(&[], |decision| &decision.skipped)
    }

    /// Whose turns are passed over by the newest decision.
    pub fn latest(&self) -> &[Address] {
        self.decisions.last().map_or(&[], |decision| &decision.skipped)
    }

    /// Control height since which every decision has passed over this validator, if the newest one does.
    pub fn since(&self, validator: &Address) -> Option<u64> {
        let in_row = self.decisions.iter().rev().take_while(|decision| decision.skipped.contains(validator));
        in_row.last().map(|decision| decision.height)
    }

    /// Takes over what another copy of the same term's decisions knows beyond this one.
    pub fn learn(&mut self, newer: &Self) {
        if newer.known_height > self.known_height {
            self.clone_from(newer);
        }
    }

    /// Control height `height` has been decided, and changed nothing here.
    pub(crate) fn pass(&mut self, height: u64) {
        self.known_height = self.known_height.max(height);
    }

    /// Decides at `height`, the next one.
    pub(crate) fn decide(&mut self, height: u64, skipped: Vec<Address>) {
        self.pass(height);
        self.decisions.push(Skip { height, skipped });
    }
}

#[cfg(test)]
mod tests;
