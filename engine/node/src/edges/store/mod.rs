//! The state store: committed blocks, their receipts and the state after them, in one redb file.
//!
//! It is a checkpoint that trails the journal. Blocks are applied without a sync ([`Store::apply`]); now and then
//! [`Store::flush`] makes all that was applied durable. After a crash the store stands where it was at the last flush, and
//! the journal is replayed above [`Store::stored_height`]. Only committed blocks go in, so nothing ever has to come out.

mod changed;
mod disk;
mod error;
mod reader;
mod records;
mod roots;
mod sealed;
mod tables;
#[cfg(test)]
mod tests;
mod trie;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::B256;
use arc_swap::ArcSwap;
use horae_stages::{BlockChanges, ExecutedBlock, Genesis};
use redb::Database;

pub use error::StoreError;
pub use reader::{LatestState, SharedReader, StoreReader, StoredBlock};
pub use trie::{CATCH_UP_KEYS, Rebuilt, RootWork, StateTrie, path_of as trie_path};
pub use writer::{CommittedBlock, Finality};

/// Memory that redb may use to cache pages, in bytes, unless set otherwise.
pub const DEFAULT_CACHE_BYTES: usize = 128 << 20;

/// The same for the state trie's file.
pub const TRIE_CACHE_BYTES: usize = 64 << 20;

/// Blocks kept below the lowest one that is still needed: hashes for `BLOCKHASH`, receipts and logs for clients.
pub const DEFAULT_KEPT_BLOCKS: u64 = 50_000;

/// Blocks that one call of [`Store::prune`] takes out at most, so that it never holds up the writer for long.
pub const PRUNED_AT_ONCE: u64 = 256;

/// Blocks whose changed keys are kept at most for a state trie that lags. One that is further behind is built anew.
pub const CHANGED_KEPT: u64 = 8_192;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Memory for cached pages, in bytes.
    pub cache_bytes: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { cache_bytes: DEFAULT_CACHE_BYTES }
    }
}

/// The store. Cheap to clone; one thread writes, any number read.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    db: Database,
    stored: AtomicU64,
    durable: AtomicU64,
    /// Transactions of blocks up to here are found by hash.
    indexed: AtomicU64,
    latest: ArcSwap<StoreReader>,
}

impl Store {
    /// Opens the file, creating it with the genesis state if there is none.
    ///
    /// Refuses a file of another layout version or another chain. A file left by a crash is repaired first, to its last
    /// flush; that is logged.
    pub fn open(path: &Path, genesis: &Genesis, options: StoreOptions) -> Result<Self, StoreError> {
        let db = disk::open(path, options.cache_bytes, "state")?;
        writer::check_or_initialise(path, &db, genesis)?;
        let reader = StoreReader::open(path, &db)?;
        let height = reader.height();
        let shared = Shared {
            path: path.to_path_buf(),
            db,
            stored: AtomicU64::new(height),
            durable: AtomicU64::new(height),
            indexed: AtomicU64::new(reader.indexed_height()?),
            latest: ArcSwap::from_pointee(reader),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Height the state stands at: right after [`Store::open`], the block above which the journal is replayed.
    pub fn stored_height(&self) -> u64 {
        self.shared.stored.load(Ordering::Acquire)
    }

    /// Height a crash would leave the store at. The journal keeps every block above it.
    pub fn durable_height(&self) -> u64 {
        self.shared.durable.load(Ordering::Acquire)
    }

    /// A consistent snapshot at the stored height; it stays as it is while the store goes on.
    ///
    /// Pages it can see are not reused while it lives: do not keep it for long.
    pub fn reader(&self) -> Arc<StoreReader> {
        self.shared.latest.load_full()
    }

    /// A source that always reads at the stored height, for one that holds everything above it (`HotState`).
    pub fn latest(&self) -> LatestState {
        LatestState::new(self.clone())
    }

    /// Applies the next committed blocks, and keeps what shows them or earlier ones committed: all of it or nothing,
    /// without a sync. Gives what undoes each block. Their transactions are found by hash after [`Store::index`].
    ///
    /// An undo holds the values from before its block, as [`BlockChanges`] with no codes.
    pub fn apply(&self, blocks: &[CommittedBlock], proofs: &[Finality]) -> Result<Vec<Arc<BlockChanges>>, StoreError> {
        writer::apply(self, blocks, proofs)
    }

    /// Has the transactions of stored blocks found by their hashes. These fall anywhere in their table, so that every one of a block
    /// rewrites a page of its own; the more blocks at once, the more share one. What a node that stopped out of order has left
    /// is made up for by [`Store::index_missing`].
    pub fn index<'a>(&self, blocks: impl Iterator<Item = &'a ExecutedBlock>) -> Result<(), StoreError> {
        writer::index(self, blocks)
    }

    /// [`Store::index`] of stored blocks that were left without it: closing the file makes durable what was applied, indexed or not.
    pub fn index_missing(&self) -> Result<(), StoreError> {
        let reader = self.reader();
        for number in self.shared.indexed.load(Ordering::Acquire) + 1..=reader.height() {
            if let Some(block) = reader.block(number)? {
                self.index([&block.executed].into_iter())?;
            }
        }
        Ok(())
    }

    /// [`Store::apply`] and [`Store::index`] of one block that nobody signed for, as replay from the journal or derivation from L1 has it.
    pub fn apply_executed(&self, block: &Arc<ExecutedBlock>) -> Result<(), StoreError> {
        let committed = CommittedBlock { block: block.clone(), signature: None };
        writer::apply(self, &[committed], &[])?;
        writer::index(self, [block.as_ref()].into_iter())
    }

    /// Makes everything applied so far durable.
    pub fn flush(&self) -> Result<(), StoreError> {
        writer::flush(self)
    }

    /// Keeps the record of a batch that L1 accepted, in place of any with the same index.
    pub fn record_batch(&self, batch: &crate::chain_view::BatchRecord) -> Result<(), StoreError> {
        writer::record_batch(self, batch)
    }

    /// Forgets the batches from this index on: L1 dropped them.
    pub fn drop_batches(&self, from: u64) -> Result<(), StoreError> {
        writer::drop_batches(self, from)
    }

    /// Notes that all batches up to this one are final on L1.
    pub fn record_finalized(&self, batch: u64) -> Result<(), StoreError> {
        writer::record_finalized(self, batch)
    }

    /// Keeps the state root after a block ([`StateTrie::root_at`]).
    pub fn record_root(&self, number: u64, root: B256) -> Result<(), StoreError> {
        writer::record_root(self, number, root)
    }

    /// Forgets what blocks up to `height` changed: a crash leaves the state trie at it, or above.
    pub fn forget_changed(&self, height: u64) -> Result<(), StoreError> {
        writer::forget_changed(self, height)
    }

    /// Takes out blocks below `height`, at most [`PRUNED_AT_ONCE`]; gives how many went. Genesis and state stay.
    pub fn prune(&self, height: u64) -> Result<u64, StoreError> {
        writer::prune(self, height)
    }

    fn sort(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::sort(&self.shared.path, error)
    }

    fn publish(&self) -> Result<(), StoreError> {
        let reader = StoreReader::open(&self.shared.path, &self.shared.db)?;
        let height = reader.height();
        self.shared.latest.store(Arc::new(reader));
        self.shared.stored.store(height, Ordering::Release);
        Ok(())
    }
}
