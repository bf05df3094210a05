//! Who leads which slot of an epoch.
//!
//! Every cycle of `total weight` slots each validator leads exactly `weight` slots. The seed only shuffles a cycle
//! (Fisher-Yates with words of `keccak256(seed, cycle, step)`), so nobody gains slots by bending it.

use std::sync::Arc;

use alloy_primitives::B256;
use arc_swap::ArcSwapOption;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{word, words};
use crate::set::ValidatorSet;

/// The weighted order of turns of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Schedule {
    seed: B256,
    first_slot: u64,
    weights: Vec<u64>,
    #[borsh(skip)]
    shuffled: Shuffled,
}

/// The cycles that were asked for last, an even and an odd one: shuffling takes a hash for each turn, and the running slot and
/// the next one are asked for all the time. Follows from the other fields, and is no part of what is compared or written.
#[derive(Debug, Default)]
struct Shuffled([ArcSwapOption<(u64, Vec<usize>)>; 2]);

impl Clone for Shuffled {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Shuffled {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Shuffled {}

impl Schedule {
    /// The schedule of an epoch whose first slot is `first_slot`.
    pub fn new(seed: B256, first_slot: u64, set: &ValidatorSet) -> Self {
        let weights = set.validators().iter().map(|v| v.weight).collect();
        Self { seed, first_slot, weights, shuffled: Shuffled::default() }
    }

    /// First slot of the epoch.
    pub fn first_slot(&self) -> u64 {
        self.first_slot
    }

    /// Slots in a cycle: the total weight.
    pub fn cycle_slots(&self) -> u64 {
        self.weights.iter().sum()
    }

    /// Index in the set of the one that leads `slot`; nobody leads a slot before the epoch's first.
    pub fn leader(&self, slot: u64) -> Option<usize> {
        let offset = slot.checked_sub(self.first_slot)?;
        let slots = self.cycle_slots();
        let cycle = offset.checked_div(slots)?;
        let place = &self.shuffled.0[usize::from(cycle % 2 == 1)];
        let known = place.load();
        let at = (offset % slots) as usize;
        if let Some((_, order)) = known.as_deref().filter(|(known, _)| *known == cycle) {
            return order.get(at).copied();
        }
        let order = self.cycle(cycle);
        let leader = order.get(at).copied();
        place.store(Some(Arc::new((cycle, order))));
        leader
    }

    /// Leaders of a cycle, in order.
    pub fn cycle(&self, cycle: u64) -> Vec<usize> {
        let mut seats: Vec<usize> =
            self.weights.iter().enumerate().flat_map(|(at, w)| std::iter::repeat_n(at, *w as usize)).collect();
        for last in (1..seats.len()).rev() {
            let random = words(&[self.seed, word(cycle), word(last as u64)]);
            let wide = u128::from_be_bytes(std::array::from_fn(|i| random[i]));
            seats.swap(last, (wide % (last as u128 + 1)) as usize);
        }
        seats
    }
}

#[cfg(test)]
mod tests;
