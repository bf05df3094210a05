//! The state that blocks execute on: a read-only source below, and the hot state above it that can be rolled back.

use std::error::Error;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::changes::{Account, BlockChanges};
use crate::limits;

/// A read-only state that trails the chain: a store at its checkpoint, or memory.
pub trait StateSource {
    /// What can go wrong below.
    type Error: Error + Send + Sync + 'static;

    /// The account, or `None` if it does not exist.
    fn account(&self, address: Address) -> Result<Option<Account>, Self::Error>;

    /// The value of a storage slot, zero if it was never written.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, Self::Error>;

    /// Code by its hash, or `None` if there is none such. Never asked for the hash of empty code.
    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, Self::Error>;

    /// The hash of a block at or below the source's height, at most [`limits::BLOCK_HASHES`] below the tip, or `None`.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, Self::Error>;
}

/// Why the state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError<E: Error> {
    /// The source failed.
    #[error("state source: {0}")]
    Source(#[source] E),
    /// An account names code that the source does not have: the source is damaged.
    #[error("code {0} is missing from the state")]
    MissingCode(B256),
    /// The source does not know a block hash within reach.
    #[error("hash of block {0} is missing from the state")]
    MissingBlockHash(u64),
}

/// Why the state could not be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// The blocks between have been forgotten: the store has them.
    #[error("cannot roll back to block {to}: undo reaches down to {lowest}")]
    TooFar {
        /// The block asked for.
        to: u64,
        /// The lowest block that can be rolled back to.
        lowest: u64,
    },
    /// The state has not got there.
    #[error("cannot roll back to block {to}: the state is at {tip}")]
    Ahead {
        /// The block asked for.
        to: u64,
        /// The highest block applied.
        tip: u64,
    },
}

/// The latest state: recent writes over a cache over a source.
///
/// Blocks above the highest that was forgotten can be taken back. The source must hold exactly the state after some block
/// between the highest forgotten one and the one that is about to be forgotten, and nothing of a block that may yet be
/// rolled back.
pub struct HotState<S> {
    source: S,
}

impl<S: StateSource> HotState<S> {
    /// A hot state over a source that holds the state after block `number`, whose hash is `hash`.
    ///
    /// Keeps up to `entries` clean entries of each kind ([`limits::HOT_ENTRIES`] is a good value).
    pub fn new(source: S, number: u64, hash: B256, entries: usize) -> Self {
        todo!()
    }

    /// The highest block applied.
    pub fn number(&self) -> u64 {
        todo!()
    }

    /// The source below.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// The account as of the last transaction executed, or `None` if it does not exist.
    pub fn account(&mut self, address: Address) -> Result<Option<Account>, StateError<S::Error>> {
        todo!()
    }

    /// The storage slot as of the last transaction executed.
    pub fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StateError<S::Error>> {
        todo!()
    }

    /// Takes back every block above `number`.
    pub fn rollback_to(&mut self, number: u64) -> Result<(), RollbackError> {
        todo!()
    }

    /// Drops the undo of blocks up to and including `number`: the source has them now and they stay.
    pub fn forget_below(&mut self, number: u64) {
        todo!()
    }

    /// Applies the changes of the next block as they are, without executing it: for a node that trusts its own journal.
    pub fn apply(&mut self, number: u64, hash: B256, changes: &BlockChanges) {
        todo!()
    }
}
