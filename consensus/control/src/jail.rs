//! Validators convicted of an offence: off the schedule at once, out of the set at the next epoch, and back once L1 has
//! punished the offence and released the validator.
//!
//! Kept by the number that the Locking contract gave them, so that a new signer key is no way out. There is one entry a
//! validator, with the first proof. Beside the entries it is kept which offences L1 has punished, and which of them the
//! validator has served: a release clears an entry only if L1 has punished that very offence, whatever was decided here
//! meanwhile, and what was served jails nobody again.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::limits::MAX_PUNISHED;
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

/// Where an offence was done; L1 punishes one a place. Term 0 stands for Tendermint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
struct Place {
    epoch: u64,
    term: u64,
}

impl Place {
    fn of(proof: &Proof) -> Self {
        Self { epoch: proof.epoch, term: proof.term }
    }
}

/// What L1 has done about one validator, lowest place first.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Record {
    /// Punished since the last release.
    punished: BTreeSet<Place>,
    /// Punished before it.
    served: BTreeSet<Place>,
}

/// All convicted validators.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Jail {
    jailed: BTreeMap<u64, Shared<Jailed>>,
    records: BTreeMap<u64, Record>,
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

    /// Whether the validator was punished on L1 for what the proof shows, and has been released since.
    pub fn has_served(&self, id: u64, proof: &Proof) -> bool {
        self.records.get(&id).is_some_and(|record| record.served.contains(&Place::of(proof)))
    }

    /// Whether the agreed L1 view shows that what the proof shows was punished.
    pub fn is_punished(&self, id: u64, proof: &Proof) -> bool {
        self.has_served(id, proof)
            || self.records.get(&id).is_some_and(|record| record.punished.contains(&Place::of(proof)))
    }

    pub(crate) fn convict(&mut self, id: u64, jailed: Jailed) {
        self.jailed.entry(id).or_insert_with(|| Shared::new(jailed));
    }

    /// L1 has punished the validator for what it did there. Of more than [`MAX_PUNISHED`] places the lowest are forgotten:
    /// evidence of the oldest terms comes too late anyway.
    pub(crate) fn punish(&mut self, id: u64, epoch: u64, term: u64) {
        let record = self.records.entry(id).or_default();
        record.punished.insert(Place { epoch, term });
        while record.punished.len() > MAX_PUNISHED {
            record.punished.pop_first();
        }
    }

    /// L1 has released the validator; says whether its entry went with that.
    pub(crate) fn release(&mut self, id: u64) -> bool {
        let Some(record) = self.records.get_mut(&id) else { return false };
        record.served.append(&mut record.punished);
        while record.served.len() > MAX_PUNISHED {
            record.served.pop_first();
        }
        let served = |jailed: &Shared<Jailed>| record.served.contains(&Place::of(&jailed.proof));
        self.jailed.get(&id).is_some_and(served) && self.jailed.remove(&id).is_some()
    }
}
