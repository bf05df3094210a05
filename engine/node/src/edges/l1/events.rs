//! What happened on L1, in the words of the control plane: every validator must read the same list from the same blocks.

use alloy::{rpc::types::Log, sol_types::SolEventInterface};
use alloy_primitives::{Address, B256, keccak256};
use horae_contracts::{
    BatchInbox::BatchInboxEvents, LockingPool::LockingPoolEvents, Slasher::SlasherEvents,
    TransparentUpgradeableProxy::TransparentUpgradeableProxyEvents,
};
use horae_control::{command::L1Event, limits::MAX_L1_EVENTS};
use horae_stages::L1View;

use super::{L1, L1Error, batches::block_of, forced::entry_of};

impl L1 {
    /// The control-plane events of the L1 blocks above `after` up to `to`, in L1's order.
    ///
    /// Both blocks are looked at again after the logs were read, so a reorganisation in between cannot mix two chains.
    ///
    /// # Errors
    /// [`L1Error::Reorganised`] if either block is not on L1's chain; [`L1Error::TooManyEvents`]; [`L1Error::Unreachable`],
    /// [`L1Error::Nonsense`].
    pub async fn events(&self, after: L1View, to: L1View) -> Result<Vec<L1Event>, L1Error> {
        let events = self.placed_events(after, to).await?;
        if events.len() > MAX_L1_EVENTS {
            let (from, to) = (after.number + 1, to.number);
            return Err(L1Error::TooManyEvents { from, to, count: events.len(), limit: MAX_L1_EVENTS });
        }
        Ok(events.into_iter().map(|placed| placed.event).collect())
    }

    /// The next view that this node would propose after `after`, with its events: the deepest block allowed, at most `step_max`
    /// blocks on, and no further than [`MAX_L1_EVENTS`] events reach. `None` if there is no newer one.
    ///
    /// # Errors
    /// [`L1Error::Reorganised`] if `after` is not on L1's chain; [`L1Error::TooManyEvents`] if the very next block has too many;
    /// [`L1Error::Unreachable`], [`L1Error::Nonsense`].
    pub async fn next_view(&self, after: L1View, step_max: u64) -> Result<Option<(L1View, Vec<L1Event>)>, L1Error> {
        let candidate = self.view_candidate().await?.view;
        if candidate.number <= after.number {
            return Ok(None);
        }
        let mut to = candidate;
        if candidate.number - after.number > step_max {
            to = self.canonical(after.number + step_max).await?;
        }
        let mut events = self.placed_events(after, to).await?;
        if let Some(first_out) = events.get(MAX_L1_EVENTS) {
            let last = first_out.block.saturating_sub(1);
            if last <= after.number {
                let (from, to) = (after.number + 1, first_out.block);
                return Err(L1Error::TooManyEvents { from, to, count: events.len(), limit: MAX_L1_EVENTS });
            }
            events.retain(|placed| placed.block <= last);
            to = self.canonical(last).await?;
        }
        Ok(Some((to, events.into_iter().map(|placed| placed.event).collect())))
    }

    async fn canonical(&self, number: u64) -> Result<L1View, L1Error> {
        let missing =
            || L1Error::Nonsense { what: "block", problem: format!("it has no block {number} below its head") };
        self.block(number).await?.map(|block| block.view).ok_or_else(missing)
    }

    async fn placed_events(&self, after: L1View, to: L1View) -> Result<Vec<Placed>, L1Error> {
        self.require(after).await?;
        // A pool that works with no slasher yet has punished nobody.
        let contracts = [Some(self.locking()), Some(self.inbox()), Some(self.queue()), self.slasher().await?];
        let contracts: Vec<Address> = contracts.into_iter().flatten().collect();
        let logs = self.logs(after.number + 1, to.number, &contracts, None).await?;
        let mut events = Vec::new();
        for log in &logs {
            events.extend(self.placed(log)?);
        }
        self.require(to).await?;
        self.require(after).await?;
        Ok(events)
    }

    /// `None` for what the control plane does not care about.
    fn placed(&self, log: &Log) -> Result<Option<Placed>, L1Error> {
        let at = block_of(log)?;
        let block = at.number;
        if log.topic0().is_some_and(|topic| TransparentUpgradeableProxyEvents::SELECTORS.contains(&topic.0)) {
            return Ok(None);
        }
        let nonsense = |problem: String| L1Error::Nonsense { what: "event", problem };
        let event = if log.address() == self.locking() {
            let event = LockingPoolEvents::decode_log(&log.inner).map_err(|e| nonsense(e.to_string()))?;
            of_pool(event.data)
        } else if log.address() == self.queue() {
            entry_of(log)?.map(|entry| {
                let (raw, l1_hash) = (entry.encode(), at.hash);
                let (index, gas, hash, bytes) = (entry.index, entry.gas, keccak256(&raw), raw.len() as u64);
                L1Event::Forced { index, l1_block: block, l1_hash, hash, gas, bytes }
            })
        } else if log.address() != self.inbox() {
            let event = SlasherEvents::decode_log(&log.inner).map_err(|e| nonsense(e.to_string()))?;
            of_slasher(event.data)
        } else {
            let l1_tx = log.transaction_hash.ok_or_else(|| nonsense("it has no transaction".to_owned()))?;
            let event = BatchInboxEvents::decode_log(&log.inner).map_err(|e| nonsense(e.to_string()))?;
            of_inbox(event.data, at, l1_tx)
        };
        Ok(event.map(|event| Placed { block, event }))
    }
}

struct Placed {
    block: u64,
    event: L1Event,
}

fn of_pool(event: LockingPoolEvents) -> Option<L1Event> {
    match event {
        LockingPoolEvents::Locked(e) => {
            Some(L1Event::ValidatorJoined { id: e.id, signer: e.signer, node_key: e.nodeKey.0, stake: e.stake })
        }
        LockingPoolEvents::StakeChanged(e) => Some(L1Event::StakeChanged { id: e.id, stake: e.stake }),
        LockingPoolEvents::SignerUpdated(e) => Some(L1Event::SignerChanged { id: e.id, signer: e.newSigner }),
        LockingPoolEvents::UnlockInitiated(e) => Some(L1Event::ValidatorLeaving { id: e.id }),
        LockingPoolEvents::Released(e) => Some(L1Event::ValidatorReleased { id: e.id }),
        LockingPoolEvents::Jailed(e) => e.wasListed.then_some(L1Event::ValidatorLeaving { id: e.id }),
        // Links follow the node key that a validator joined with; of those that are not on the list the control plane knows
        // nothing yet; the rest moves money and permissions only.
        LockingPoolEvents::NodeKeyUpdated(_)
        | LockingPoolEvents::Queued(_)
        | LockingPoolEvents::UnlistedStakeChanged(_)
        | LockingPoolEvents::UnlistedSignerUpdated(_)
        | LockingPoolEvents::UnlistedUnlockInitiated(_)
        | LockingPoolEvents::Slashed(_)
        | LockingPoolEvents::WithdrawalInitiated(_)
        | LockingPoolEvents::WithdrawalClaimed(_)
        | LockingPoolEvents::RewardsCredited(_)
        | LockingPoolEvents::RewardsLocked(_)
        | LockingPoolEvents::RewardsWithdrawn(_)
        | LockingPoolEvents::RewardRecipientChanged(_)
        | LockingPoolEvents::OwnerProposed(_)
        | LockingPoolEvents::OwnerChanged(_)
        | LockingPoolEvents::Connected(_)
        | LockingPoolEvents::MaxValidatorsChanged(_)
        | LockingPoolEvents::ChangeIntervalChanged(_)
        | LockingPoolEvents::GuardianChanged(_)
        | LockingPoolEvents::VaultFactoryChanged(_)
        | LockingPoolEvents::Paused(_)
        | LockingPoolEvents::Unpaused(_)
        | LockingPoolEvents::Whitelisted(_)
        | LockingPoolEvents::Claimed(_)
        | LockingPoolEvents::Initialized(_)
        | LockingPoolEvents::OwnershipTransferStarted(_)
        | LockingPoolEvents::OwnershipTransferred(_) => None,
    }
}

fn of_slasher(event: SlasherEvents) -> Option<L1Event> {
    match event {
        SlasherEvents::Convicted(e) => Some(L1Event::ValidatorPunished { id: e.id, epoch: e.epoch, term: e.term }),
        // What offences cost, and who decides that.
        _ => None,
    }
}

fn of_inbox(event: BatchInboxEvents, at: L1View, l1_tx: B256) -> Option<L1Event> {
    match event {
        BatchInboxEvents::BatchAccepted(e) => Some(L1Event::BatchAccepted {
            index: e.index,
            digest: e.digest,
            first_block: e.firstBlock,
            last_block: e.lastBlock,
            last_block_hash: e.lastBlockHash,
            state_root: e.stateRoot,
            l1_view: e.l1View,
            forced: e.forced,
            carrier: e.carrier,
            l1_block: at.number,
            l1_hash: at.hash,
            l1_tx,
        }),
        BatchInboxEvents::KeyInstalled(e) => Some(L1Event::KeyInstalled {
            key_index: e.keyIndex,
            px: e.px,
            parity: e.parity,
            snapshot_hash: e.snapshotHash,
        }),
        BatchInboxEvents::EmergencyRotationStarted(_) | BatchInboxEvents::Initialized(_) => None,
    }
}
