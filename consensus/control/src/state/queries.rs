//! What the control state says to those who ask.

use std::sync::Arc;

use alloy_primitives::{Address, B256, keccak256};

use super::{ClosedTerm, ControlParams, ControlState};
use crate::batches::Batches;
use crate::command::RegisterIncarnation;
use crate::digest::Domain;
use crate::dkg::{Dkg, GroupKey};
use crate::due::Dues;
use crate::epoch::Epoch;
use crate::jail::Jail;
use crate::l1::{L1State, L1View};
use crate::limits::MAX_TIMEOUT_DOUBLINGS;
use crate::roll_call::RollCall;
use crate::statement::BlockFacts;
use crate::term::Term;

/// What the first term still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The key generation.
    KeyGeneration,
    /// L1: this key is to be installed at the inbox.
    Installation {
        /// The key that all confirmed.
        key: GroupKey,
    },
    /// L1 holds another key, or another snapshot of validators, than the one agreed here: an operator must look.
    OtherKeyInstalled {
        /// The key that all confirmed.
        key: GroupKey,
        /// Hash of our set.
        snapshot_hash: B256,
    },
    /// Nothing: it is open, or opens now.
    Ready,
}

impl ControlState {
    /// What the first term still waits for.
    pub fn opening(&self) -> Opening {
        let Some(key) = self.epoch.group_key else { return Opening::KeyGeneration };
        let snapshot_hash = self.epoch.set.snapshot_hash();
        match self.l1.installed() {
            None => Opening::Installation { key },
            Some(i) if i.key == key && i.snapshot_hash == snapshot_hash => Opening::Ready,
            Some(_) => Opening::OtherKeyInstalled { key, snapshot_hash },
        }
    }

    /// What signatures are bound to.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The numbers.
    pub fn params(&self) -> &ControlParams {
        &self.params
    }

    /// `keccak256` of the borsh bytes.
    ///
    /// # Panics
    /// If memory cannot be written.
    pub fn hash(&self) -> B256 {
        keccak256(borsh::to_vec(self).expect("a control state is written to memory"))
    }

    /// Control height applied last.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The present epoch.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The open term.
    pub fn open_term(&self) -> Option<&Term> {
        self.open.as_ref()
    }

    /// The validator that seals this slot of the present epoch.
    pub fn sequencer_of(&self, slot: u64) -> Option<Address> {
        let at = self.epoch.schedule.leader(slot)?;
        Some(self.epoch.set.validators()[at].signer)
    }

    /// The validator that seals the child of this block in the open term.
    pub fn sequencer_after(&self, block: &BlockFacts) -> Option<Address> {
        self.open.as_ref()?.sequencer_after(block).map(|v| v.signer)
    }

    /// The agreed L1 view.
    pub fn l1_view(&self) -> L1View {
        self.l1.view()
    }

    /// What L1 has brought.
    pub fn l1(&self) -> &L1State {
        &self.l1
    }

    /// Batches accepted on L1.
    pub fn batches(&self) -> &Batches {
        &self.batches
    }

    /// What L1 has brought that blocks have to execute.
    pub fn dues(&self) -> &Arc<Dues> {
        self.dues.arc()
    }

    /// The key generation.
    pub fn dkg(&self) -> &Dkg {
        &self.dkg
    }

    /// Terms closed last, oldest first; at most [`MAX_CLOSED_TERMS`].
    pub fn closed_terms(&self) -> impl DoubleEndedIterator<Item = &ClosedTerm> {
        self.closed.iter()
    }

    /// Validators convicted of an offence.
    pub fn jail(&self) -> &Jail {
        &self.jail
    }

    /// Who can take its turns, by its own word.
    pub fn roll_call(&self) -> &RollCall {
        &self.roll_call
    }

    /// Whether a member of the set has to say that it is ready, or not, having come to `slot`: something has changed, or the
    /// chain has moved on, or has come to where the next epoch may begin. So an idle validator says nothing.
    pub fn readiness_is_due(&self, validator: &Address, slot: u64, ready: bool) -> bool {
        let Some(last) = self.roll_call.of(validator) else { return false };
        let failed = self.roll_call.has_failed(validator);
        let moved_on = slot >= last.slot.saturating_add(self.params.readiness_slots.max(1))
            || (slot > last.slot && self.epoch_waits_for(slot));
        self.open.is_some() && (last.ready != ready || (ready && (failed || moved_on)))
    }

    /// The incarnation that a validator registered last; it counts from the next term on.
    pub fn incarnation_of(&self, validator: &Address) -> u64 {
        self.registration_of(validator).map_or(0, |registration| registration.incarnation)
    }

    /// A validator's last registration.
    pub fn registration_of(&self, validator: &Address) -> Option<&RegisterIncarnation> {
        self.registrations.get(validator)
    }

    /// Whether a validator registered a new incarnation in the open term, its first in this epoch: a reason to vote to
    /// close the term, so that the new one has a voice and faults do not add up over a long term.
    pub fn is_outdated(&self) -> bool {
        self.outdated_term.is_some() && self.outdated_term == self.open.as_ref().map(|term| term.number)
    }

    /// Terms in a row that were closed by failover, as far as close votes show.
    pub fn failed_in_a_row(&self) -> u32 {
        self.failed_in_a_row
    }

    /// The slot timeout now, in milliseconds: doubled with each failed term in a row. `committed` is whether the node has
    /// seen a commit by acks in the open term, which returns it to its base.
    pub fn slot_timeout_ms(&self, committed: bool) -> u64 {
        let doublings = if committed { 0 } else { self.failed_in_a_row.min(MAX_TIMEOUT_DOUBLINGS) };
        self.params.slot_timeout_ms.saturating_mul(1 << doublings)
    }
}
