//! The way to the next epoch, as the state takes it: when it is begun, who says what, how it opens; and the epochs before.

use std::sync::Arc;

use alloy_primitives::{Address, B256};

use super::{ControlParams, ControlState, Effect, Invalid};
use crate::dkg::Dkg;
use crate::epoch::Epoch;
use crate::limits::MAX_PAST_EPOCHS;
use crate::next_epoch::{EpochReadiness, NextEpoch, same_set};
use crate::planted;
use crate::roll_call::RollCall;
use crate::schedule::Schedule;
use crate::set::{Candidate, ValidatorSet};
use crate::shared::Shared;
use crate::statement::BlockFacts;

impl ControlState {
    /// The epoch that is being prepared.
    pub fn next_epoch(&self) -> Option<&NextEpoch> {
        self.next.as_ref()
    }

    /// Whether the next decision that closes a term opens an epoch: validators vote for one at the end of the running slot.
    pub fn epoch_is_due(&self) -> bool {
        self.next.as_ref().is_some_and(NextEpoch::is_due)
    }

    /// Epochs that ended last, oldest first; at most [`MAX_PAST_EPOCHS`]. Incarnations in them are those of their last term.
    pub fn past_epochs(&self) -> impl DoubleEndedIterator<Item = &Arc<Epoch>> {
        self.past.iter().map(Shared::arc)
    }

    /// The epoch whose key is being generated, or was last, and its validators.
    pub fn keygen(&self) -> (u64, &ValidatorSet) {
        match &self.next {
            Some(next) => (next.number(), next.set()),
            None => (self.epoch.number, &self.epoch.set),
        }
    }

    pub(super) fn hear_epoch_readiness(&mut self, said: &EpochReadiness) -> Result<(), Invalid> {
        let (validator, epoch) = (said.validator, said.epoch);
        match self.next.as_mut().filter(|next| next.counts(said, &self.domain)) {
            Some(next) => next.hear(said),
            None => return Err(Invalid::EpochReadiness { validator, epoch }),
        }
        Ok(())
    }

    /// The set that an epoch beginning now would have: the agreed registry without those in jail.
    fn set_to_be(&self) -> Option<ValidatorSet> {
        let candidates: Vec<Candidate> =
            self.l1.candidates().filter(|c| self.jail.get(c.id).is_none()).cloned().collect();
        let set = ValidatorSet::form(&candidates).ok()?;
        Some(set.with_incarnations(|signer| self.registrations.get(signer).map(|r| r.incarnation)))
    }

    /// Slots of the present epoch that have passed, as far as decided blocks show.
    fn slots_passed(&self) -> u64 {
        let opened = self.open.as_ref().map_or(0, |term| term.first_slot);
        opened.max(self.roll_call.reached_slot(&self.epoch.set)).saturating_sub(self.epoch.first_slot)
    }

    /// Whether an epoch that has lasted for `passed` slots is to be followed by one with this set.
    fn is_reason(&self, set: &ValidatorSet, passed: u64) -> bool {
        let overdue = self.params.epoch_slots_max > 0 && passed >= self.params.epoch_slots_max;
        !same_set(set, &self.epoch.set) || overdue || !self.reincarnated.is_empty()
    }

    /// Whether the next epoch is begun as soon as it is decided that the chain has come to `slot`: a reason to say so.
    pub(super) fn epoch_waits_for(&self, slot: u64) -> bool {
        let ControlParams { epoch_slots, epoch_slots_max, .. } = self.params;
        let (decided, passed) = (self.slots_passed(), slot.saturating_sub(self.epoch.first_slot));
        let crosses = |bound: u64| bound > 0 && decided < bound && passed >= bound;
        let waits = self.next.is_none() && epoch_slots > 0 && (crosses(epoch_slots) || crosses(epoch_slots_max));
        waits && passed >= epoch_slots && self.set_to_be().is_some_and(|set| self.is_reason(&set, passed))
    }

    /// Begins the next epoch when there is a reason to, and forms it anew as long as nobody can have signed its key.
    pub(super) fn prepare_epoch(&mut self, effects: &mut Vec<Effect>) {
        let height = self.height;
        if let Some(next) = &mut self.next
            && next.note_due(height)
        {
            effects.push(Effect::EpochDue { epoch: next.number() });
        }
        if planted!(EpochWithoutClosing)
            && let (Some(next), Some(term)) = (self.next.take_if(|next| next.is_due()), self.open.clone())
        {
            let first_slot = self.open_epoch(next, &term.parent, term.first_slot + 1, effects);
            self.open_term_on(term.number + 1, term.parent, first_slot, effects);
        }
        let passed = self.slots_passed();
        if self.open.is_none() || self.params.epoch_slots == 0 || passed < self.params.epoch_slots {
            return;
        }
        let Some(set) = self.set_to_be() else { return };
        let attempt = match &self.next {
            Some(next) if next.key().is_some() || same_set(&set, next.set()) => return,
            Some(_) => self.dkg.attempt() + 1,
            None if self.is_reason(&set, passed) => 0,
            None => return,
        };
        let epoch = self.epoch.number + 1;
        self.next = Some(NextEpoch::begin(epoch, set));
        self.dkg = Dkg::start(attempt, self.height);
        effects.push(Effect::EpochBegun { epoch });
    }

    /// Opens the next epoch on `head`; its slots are counted from `from` on. Gives the first slot of the term that opens with
    /// it: the first one whose validator is ready.
    pub(super) fn open_epoch(
        &mut self,
        next: NextEpoch,
        head: &BlockFacts,
        from: u64,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let set = next.set().clone();
        let seed = next.shown().map_or(B256::ZERO, |view| view.hash);
        let schedule = Schedule::new(seed, from, &set);
        let number = next.number();
        self.roll_call = RollCall::begin_with(&set, next.ready(), from, self.height);
        self.reincarnated = next.reborn().clone();
        let first_block = head.id.number.saturating_add(1);
        let opened = Epoch { number, first_slot: from, first_block, set, schedule, group_key: next.key() };
        self.past.push_back(Shared::new(std::mem::replace(&mut self.epoch, opened)));
        if self.past.len() > MAX_PAST_EPOCHS {
            self.past.pop_front();
        }
        effects.push(Effect::EpochOpened { epoch: number, first_slot: from });
        let passed_over = self.passed_over();
        let turns = from..from.saturating_add(self.epoch.schedule.cycle_slots().saturating_mul(2));
        let ready = |signer: Address| next.ready().contains(&signer) && !passed_over.contains(&signer);
        turns.clone().find(|slot| self.sequencer_of(*slot).is_some_and(ready)).unwrap_or(from)
    }
}
