//! One epoch: a validator set, a group key, an order of turns.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::dkg::GroupKey;
use crate::schedule::Schedule;
use crate::set::ValidatorSet;

/// At least a fixed number of slots with one validator set, one group key and one set of parameters.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Epoch {
    /// Number of the epoch; the first is 0.
    pub number: u64,
    /// First slot of the epoch.
    pub first_slot: u64,
    /// First block of the epoch: the one above the head that it opened on.
    pub first_block: u64,
    /// Its validators. Incarnations here are those of the open term.
    pub set: ValidatorSet,
    /// Its order of turns.
    pub schedule: Schedule,
    /// The key that all its validators confirmed.
    pub group_key: Option<GroupKey>,
}
