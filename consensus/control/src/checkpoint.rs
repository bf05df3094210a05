//! A control state that a stranger shows, and why to believe it: the decision above it names its hash, and the set that
//! decided is the one that L1 has in force. So a node that lost its disk needs to trust no peer.

use crate::command::ControlBlock;
use crate::decision::Decision;
use crate::l1::InstalledKey;
use crate::state::{ControlState, Genesis};
use crate::statement::StatementError;

/// A control state and the decision at the height above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The state.
    pub state: ControlState,
    /// The next decision.
    pub decision: Decision,
}

/// Why a checkpoint is not to be believed, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACheckpoint {
    /// It is of another chain, or of one with other parameters.
    #[error("it is of another chain than genesis.json")]
    OtherChain,
    /// L1 has the key of the next epoch already, so the set that L1 names is not the one that decides.
    #[error(
        "epoch {epoch} ends: L1 has the key of the next one in force; it can be checked once that epoch has opened"
    )]
    EpochEnds {
        /// The epoch that ends.
        epoch: u64,
    },
    /// Its validators, or their group key, are not those that L1 has in force.
    #[error("its validators or their group key are not those that L1 has in force")]
    OtherSet,
    /// The decision is not the one above the state.
    #[error("the decision at height {found} is not the one above height {height}")]
    OtherHeight {
        /// Height of the decision.
        found: u64,
        /// Height of the state.
        height: u64,
    },
    /// The decision does not count.
    #[error("the decision above it does not count: {0}")]
    Decision(#[from] StatementError),
    /// The decided bytes are no control block.
    #[error("the decision above it is no control block of this version: {0}")]
    Unreadable(String),
    /// What was decided is about another state.
    #[error("what > 2/3 of the weights decided is about another control state")]
    OtherState,
}

impl Checkpoint {
    /// The state, if > 2/3 of the validators that L1 has in force with this key vouch for it.
    ///
    /// It may be older than what its node has: L1 cannot tell.
    pub fn verify(self, genesis: &Genesis, in_force: &InstalledKey) -> Result<ControlState, NotACheckpoint> {
        let Self { state, decision } = self;
        if *state.domain() != genesis.domain || *state.params() != genesis.params {
            return Err(NotACheckpoint::OtherChain);
        }
        let epoch = state.epoch();
        let is_in_force = |key, hash| key == Some(in_force.key) && hash == in_force.snapshot_hash;
        if !is_in_force(epoch.group_key, epoch.set.snapshot_hash()) {
            let next = state.next_epoch();
            return Err(match next.is_some_and(|next| is_in_force(next.key(), next.set().snapshot_hash())) {
                true => NotACheckpoint::EpochEnds { epoch: epoch.number },
                false => NotACheckpoint::OtherSet,
            });
        }
        let (found, height) = (decision.height, state.height());
        if Some(found) != height.checked_add(1) {
            return Err(NotACheckpoint::OtherHeight { found, height });
        }
        decision.verify(epoch, state.domain())?;
        let block: ControlBlock =
            borsh::from_slice(&decision.value).map_err(|why| NotACheckpoint::Unreadable(why.to_string()))?;
        match block.height == found && block.state == state.hash() {
            true => Ok(state),
            false => Err(NotACheckpoint::OtherState),
        }
    }
}

#[cfg(test)]
mod tests;
