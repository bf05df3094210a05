//! The epoch that is being prepared while the present one goes on (design section 5, "Epochs").
//!
//! 1. It is begun when the set would change, when a validator has lost its share, or when the present epoch has lasted its
//!    longest; never before it has lasted its shortest. From here on the key generation is this one's.
//! 2. Its validators confirm one group key. Until then it is formed anew whenever the set would be another one; after that
//!    it stands, because the old group may have signed the rotation already.
//! 3. The agreed L1 view shows the key in force at the inbox, with this set's snapshot.
//! 4. More than 2/3 of its weights say that they have executed what the old group leaves.
//!
//! Then it is due: validators vote to close the open term at the end of the running slot, and the decision that closes a
//! term, whatever for, opens the epoch on its head.
//!
//! The turns are shuffled by the hash of the L1 view in which the key was seen. Its height is not fixed one epoch ahead:
//! headers' `prevrandao` does not come through the agreed view, and a proposer may choose among the few views that show the
//! key. It gains no turns by that, only their order within a cycle.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{Domain, Kind, digest, word, words};
use crate::dkg::GroupKey;
use crate::l1::L1View;
use crate::set::ValidatorSet;
use crate::sign::{Signature, SignerKey, recover};
use crate::statement::BlockId;

/// A member of the next epoch's set has executed every block that is in no accepted batch yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EpochReadiness {
    /// The author's signer address.
    pub validator: Address,
    /// The author's incarnation.
    pub incarnation: u64,
    /// The next epoch.
    pub epoch: u64,
    /// The group key that it holds shares of.
    pub key: GroupKey,
    /// The highest committed block that it has executed.
    pub committed: BlockId,
    /// Over [`EpochReadiness::digest`].
    pub signature: Signature,
}

impl EpochReadiness {
    /// What the author signs: kind readiness, term and slot zero, and as content
    /// `keccak256(abi.encode(uint256 px, uint8 parity, uint64 number, bytes32 hash))`.
    pub fn digest(&self, domain: &Domain) -> B256 {
        let key = [B256::from(self.key.px), word(self.key.parity.into())];
        let content = words(&[key[0], key[1], word(self.committed.number), self.committed.hash]);
        digest(domain, Kind::Readiness, self.incarnation, self.epoch, 0, 0, content)
    }

    /// The same statement with `key`'s signature.
    pub fn signed(mut self, domain: &Domain, key: &SignerKey) -> Self {
        self.signature = key.sign(self.digest(domain));
        self
    }
}

/// What the next epoch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaits {
    /// All its validators are to confirm one group key.
    Key,
    /// The present group is to sign the key, and the agreed L1 view to show it in force.
    Rotation,
    /// More than 2/3 of its weights are to say that they are ready.
    Readiness,
    /// The open term is to be closed, at the end of the running slot.
    Closing,
}

/// The epoch that is being prepared.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct NextEpoch {
    number: u64,
    set: ValidatorSet,
    key: Option<GroupKey>,
    shown: Option<L1View>,
    ready: BTreeSet<Address>,
    /// Those that have lost their share of the key since it was confirmed.
    reborn: BTreeSet<Address>,
    due_height: Option<u64>,
}

impl NextEpoch {
    pub(crate) fn begin(number: u64, set: ValidatorSet) -> Self {
        Self { number, set, key: None, shown: None, ready: BTreeSet::new(), reborn: BTreeSet::new(), due_height: None }
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its validators, with the incarnations that would count in it.
    pub fn set(&self) -> &ValidatorSet {
        &self.set
    }

    /// The group key that all of them have confirmed.
    pub fn key(&self) -> Option<GroupKey> {
        self.key
    }

    /// The agreed L1 view in which the key was seen in force.
    pub fn shown(&self) -> Option<L1View> {
        self.shown
    }

    /// Those of its validators that have said that they are ready.
    pub fn ready(&self) -> &BTreeSet<Address> {
        &self.ready
    }

    /// Those that have lost their share of the key since it was confirmed: a reason for the epoch after it.
    pub(crate) fn reborn(&self) -> &BTreeSet<Address> {
        &self.reborn
    }

    /// The next decision that closes a term opens it.
    pub fn is_due(&self) -> bool {
        let weight = self.ready.iter().filter_map(|v| Some(self.set.get(v)?.weight)).sum();
        self.shown.is_some() && self.set.is_quorum(weight)
    }

    /// The control height since which it is due. A slot whose last block names this height or a later one is the last of the
    /// present epoch: whoever executed that block has applied that height too, so all agree on which slot it is.
    pub fn due_height(&self) -> Option<u64> {
        self.due_height
    }

    /// What it waits for.
    pub fn awaits(&self) -> Awaits {
        match (self.key, self.shown) {
            (None, _) => Awaits::Key,
            (Some(_), None) => Awaits::Rotation,
            _ if !self.is_due() => Awaits::Readiness,
            _ => Awaits::Closing,
        }
    }

    /// Notes since when it has been due; says whether that is news.
    pub(crate) fn note_due(&mut self, height: u64) -> bool {
        let (was_due, is_due) = (self.due_height.is_some(), self.is_due());
        if was_due != is_due {
            self.due_height = is_due.then_some(height);
        }
        is_due && !was_due
    }

    pub(crate) fn confirm(&mut self, key: GroupKey) {
        self.key = Some(key);
    }

    /// L1 holds this key, with a snapshot of this hash, as of this view.
    pub(crate) fn see(&mut self, key: GroupKey, snapshot_hash: B256, view: L1View) {
        if self.shown.is_none() && self.key == Some(key) && self.set.snapshot_hash() == snapshot_hash {
            self.shown = Some(view);
        }
    }

    /// Whether a statement of readiness counts, and is new.
    pub(crate) fn counts(&self, said: &EpochReadiness, domain: &Domain) -> bool {
        let member = self.set.get(&said.validator).is_some_and(|v| v.incarnation == said.incarnation);
        let place = said.epoch == self.number && self.key == Some(said.key);
        let signed = || recover(said.digest(domain), &said.signature) == Some(said.validator);
        member && place && !self.ready.contains(&said.validator) && signed()
    }

    pub(crate) fn hear(&mut self, said: &EpochReadiness) {
        self.ready.insert(said.validator);
    }

    /// A new incarnation counts here; what the older one has said does not.
    pub(crate) fn reincarnate(&mut self, validator: &Address, incarnation: u64) {
        self.ready.remove(validator);
        if self.key.is_some() && self.set.index_of(validator).is_some() {
            self.reborn.insert(*validator);
        }
        self.set = self.set.clone().with_incarnations(|v| (v == validator).then_some(incarnation));
    }
}

/// Whether two sets would be the same in force: members, keys and weights, but not stakes or incarnations.
pub(crate) fn same_set(a: &ValidatorSet, b: &ValidatorSet) -> bool {
    let members = |set: &ValidatorSet| -> Vec<(u64, Address, [u8; 32], u64)> {
        set.validators().iter().map(|v| (v.id, v.signer, v.node_key, v.weight)).collect()
    };
    members(a) == members(b)
}

#[cfg(test)]
mod tests;
