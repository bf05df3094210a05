//! Who can take its turns, as far as the control plane has been told.
//!
//! A validator counts as ready from the opening of the epoch on, until it says otherwise, its statement is stale, or the
//! term is closed on it: then the slot that made no progress was its own, and it was not among the close voters. A new
//! statement brings it back; so does a close vote, which shows that it is alive, unless it has asked to be passed over.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::jail::Jail;
use crate::set::{Validator, ValidatorSet};
use crate::statement::Readiness;

/// A validator's last decided statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Stated {
    /// The slot that it had come to.
    pub slot: u64,
    /// L1 view of the highest block that it had committed.
    pub l1_view: u64,
    /// It can take its turns.
    pub ready: bool,
    /// Control height that decided the statement.
    pub height: u64,
}

/// What each validator of the epoch said last. Bounded by the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct RollCall {
    stated: BTreeMap<Address, Stated>,
    /// Those whose own slot made no progress and who have not been heard since, with the control height that closed the term.
    failed: BTreeMap<Address, u64>,
}

impl RollCall {
    /// An epoch begins: all are taken to be ready.
    pub(crate) fn begin(set: &ValidatorSet, slot: u64, height: u64) -> Self {
        let stated =
            set.validators().iter().map(|v| (v.signer, Stated { slot, l1_view: 0, ready: true, height })).collect();
        Self { stated, failed: BTreeMap::new() }
    }

    /// An epoch begins: those that have said so are ready, the others get no turns before they say it.
    pub(crate) fn begin_with(set: &ValidatorSet, ready: &BTreeSet<Address>, slot: u64, height: u64) -> Self {
        let mut roll_call = Self::begin(set, slot, height);
        for (validator, stated) in &mut roll_call.stated {
            stated.ready = ready.contains(validator);
        }
        roll_call
    }

    /// What a validator said last.
    pub fn of(&self, validator: &Address) -> Option<Stated> {
        self.stated.get(validator).copied()
    }

    /// Whether the last slot of this validator came to nothing, and nothing was heard from it since.
    pub fn has_failed(&self, validator: &Address) -> bool {
        self.failed.contains_key(validator)
    }

    /// Whether a statement is newer than its author's last one and says something else.
    pub(crate) fn says_more(&self, said: &Readiness) -> bool {
        let Some(last) = self.of(&said.validator) else { return true };
        let same = last.ready == said.ready && said.slot <= last.slot && !self.has_failed(&said.validator);
        said.control_height >= last.height && !same
    }

    pub(crate) fn state(&mut self, said: &Readiness, height: u64) {
        self.failed.remove(&said.validator);
        let Readiness { slot, l1_view, ready, .. } = *said;
        self.stated.insert(said.validator, Stated { slot, l1_view, ready, height });
    }

    /// A term closed: `voters` are alive and begin the next one at `slot`; `leader` led the slot that made no progress.
    pub(crate) fn close<'a>(
        &mut self,
        leader: Option<Address>,
        voters: impl Iterator<Item = &'a Address>,
        slot: u64,
        height: u64,
    ) {
        self.failed.extend(leader.map(|leader| (leader, height)));
        for voter in voters {
            self.failed.remove(voter);
            if let Some(stated) = self.stated.get_mut(voter).filter(|stated| stated.ready) {
                stated.slot = stated.slot.max(slot);
            }
        }
    }

    /// The highest slot that > 1/3 of the weights have come to, by their own word: one of them at least is honest.
    pub fn reached_slot(&self, set: &ValidatorSet) -> u64 {
        self.reached(set, |stated| stated.slot)
    }

    /// The highest L1 view that committed blocks have come to, by the word of > 1/3 of the weights.
    pub fn reached_l1_view(&self, set: &ValidatorSet) -> u64 {
        self.reached(set, |stated| stated.l1_view)
    }

    fn reached(&self, set: &ValidatorSet, what: impl Fn(Stated) -> u64) -> u64 {
        let mut places: Vec<(u64, u64)> =
            set.validators().iter().filter_map(|v| Some((what(self.of(&v.signer)?), v.weight))).collect();
        places.sort_unstable_by(|a, b| b.cmp(a));
        let mut weight = 0;
        let reached = places.into_iter().find(|(_, w)| {
            weight += w;
            3 * weight > set.total()
        });
        reached.map_or(0, |(place, _)| place)
    }

    /// Those whose turns are passed over, ascending: less than 1/3 of the weights together, convicted ones first, then those
    /// that ask for it, then those that have failed, then the stalest. Who does not fit keeps its turns.
    pub(crate) fn passed_over(&self, set: &ValidatorSet, jail: &Jail, stale_slots: u64) -> Vec<Address> {
        let reached = self.reached_slot(set);
        let reason = |v: &Validator| -> Option<(u8, u64)> {
            if let Some(jailed) = jail.get(v.id) {
                return Some((0, jailed.height));
            }
            let stated = self.of(&v.signer)?;
            if !stated.ready {
                return Some((1, stated.height));
            }
            if let Some(height) = self.failed.get(&v.signer) {
                return Some((2, *height));
            }
            (reached.saturating_sub(stated.slot) > stale_slots).then_some((3, stated.slot))
        };
        let mut wanted: Vec<((u8, u64), &Validator)> =
            set.validators().iter().filter_map(|v| Some((reason(v)?, v))).collect();
        wanted.sort_by_key(|(reason, v)| (*reason, v.signer));
        let (mut passed, mut weight) = (Vec::new(), 0);
        for (_, v) in wanted {
            if 3 * (weight + v.weight) < set.total() {
                weight += v.weight;
                passed.push(v.signer);
            }
        }
        passed.sort_unstable();
        passed
    }
}

#[cfg(test)]
mod tests;
