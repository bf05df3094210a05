//! Validators convicted of an offence: off the schedule at once, out of the set at the next epoch.
//!
//! Kept by the number that the Locking contract gave them, so that a new signer key is no way out. There is one entry a
//! validator, with the first proof; it stays, and so there are never more than registered validators.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::proof::{Offence, Proof};
use crate::shared::Shared;

/// One convicted validator.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Jailed {
    /// Signer address that it was convicted under.
    pub validator: Address,
    /// What it did.
    pub offence: Offence,
    /// Control height of the conviction.
    pub height: u64,
    /// Epoch of the conviction.
    pub epoch: u64,
    /// What shows it, for L1.
    pub proof: Proof,
}

/// All convicted validators.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Jail {
    jailed: BTreeMap<u64, Shared<Jailed>>,
}

impl Jail {
    /// The entry of the validator with this number.
    pub fn get(&self, id: u64) -> Option<&Jailed> {
        self.jailed.get(&id).map(|jailed| &**jailed)
    }

    /// Numbers and entries, ascending by number.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Jailed)> {
        self.jailed.iter().map(|(id, jailed)| (*id, &**jailed))
    }

    pub(crate) fn convict(&mut self, id: u64, jailed: Jailed) {
        self.jailed.entry(id).or_insert_with(|| Shared::new(jailed));
    }
}
