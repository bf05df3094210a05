//! The chain as readers see it: uncommitted blocks in memory above the committed ones in the store.
//!
//! The node core sends [`ChainEvent`]s down one bounded queue ([`ChainFeed`]). One thread, the keeper, applies them and publishes an
//! immutable [`Snapshot`] after each burst. A second one, the storer, moves committed blocks into the store and makes it durable; a third
//! computes state roots where batches end. Readers on other threads take the newest snapshot and never wait, nor does
//! the core wait for them.

mod chain;
mod event;
mod heads;
mod keeper;
mod past;
mod root_worker;
mod snapshot;
mod status;
mod storer;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use alloy_primitives::B256;
use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::broadcast;

pub use chain::ChainFault;
pub use event::{BatchRecord, ChainEvent};
pub use heads::{Heads, Strength};
pub use keeper::{ChainFeed, FeedError, KeeperError, KeeperHandle, KeeperOptions, OnRoot, start};
pub use past::StateAt;
pub use root_worker::BatchRoot;
pub use snapshot::{Located, Snapshot, StateUnavailable, ViewedBlock};
pub use status::{
    EpochStatus, EpochStep, ForcedStatus, NextEpochStatus, NodeStatus, SettlementStatus, SigningFault,
    SigningFaultKind, SigningFaults, SlotStatus, TrafficStatus, ValidatorStatus,
};

use crate::edges::store::{Store, StoreError};

/// Events that may wait for the keeper.
pub const FEED_EVENTS: usize = 4_096;

/// Changes a subscriber may be behind before it loses some and is told so.
pub const CHANGES_KEPT: usize = 1_024;

/// Committed blocks that stay in memory after they are stored, since most questions are about them.
pub const RECENT_BLOCKS: usize = 512;

/// Bytes of transactions in the blocks that stay in memory after they are stored.
pub const RECENT_BYTES: usize = 16 << 20;

/// Blocks below the stored height whose state can still be asked for, unless they changed too much.
pub const PAST_STATES: usize = 1_024;

/// Accounts and slots remembered for past states.
pub const PAST_ENTRIES: usize = 1 << 19;

/// What changed, for subscribers, after the snapshot that shows it was published.
#[derive(Clone, Debug)]
pub enum Change {
    /// A block was ordered.
    Ordered(Arc<ViewedBlock>),
    /// Ordered blocks above this height are void.
    RolledBack {
        /// Height that stays.
        to: u64,
    },
    /// Everything up to this height is certified.
    Certified(u64),
    /// This block is committed; one change a block, in order.
    Committed(Arc<ViewedBlock>),
    /// Everything up to this height is in an accepted batch (or, after an L1 reorganisation, no longer more than this).
    Safe(u64),
    /// Everything up to this height is final on L1.
    Finalized(u64),
}

/// The door for readers. Cheap to clone.
#[derive(Clone)]
pub struct ChainView {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    snapshot: ArcSwap<Snapshot>,
    roots: RwLock<BTreeMap<u64, BatchRoot>>,
    changes: broadcast::Sender<Change>,
    fault: ArcSwapOption<KeeperError>,
}

impl ChainView {
    /// The chain as of the last burst of events. A snapshot stays as it is; take a new one for each question.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.inner.snapshot.load_full()
    }

    /// What changes from now on. A receiver that falls [`CHANGES_KEPT`] behind is told that it lost some.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// How many listen to changes now.
    pub fn subscribers(&self) -> usize {
        self.inner.changes.receiver_count()
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Height that the store holds: the core may forget what it keeps of blocks up to here.
    pub fn stored_height(&self) -> u64 {
        self.inner.store.stored_height()
    }

    /// Height that the store holds after any crash: the journal may be pruned below it.
    pub fn durable_height(&self) -> u64 {
        self.inner.store.durable_height()
    }

    /// The state root after a batch's last block, once it is computed.
    pub fn state_root(&self, block: u64) -> Result<Option<B256>, StoreError> {
        let recent = self.inner.roots.read().unwrap_or_else(PoisonError::into_inner).get(&block).map(|r| r.root);
        match recent {
            Some(root) => Ok(Some(root)),
            None => self.inner.store.reader().state_root(block),
        }
    }

    /// Why the keeper stopped, if it did: the node has to stop too.
    pub fn fault(&self) -> Option<Arc<KeeperError>> {
        self.inner.fault.load_full()
    }
}
