//! The state after a block: above the store by the changes of recent blocks, below it by what undoes them.

use std::collections::VecDeque;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use horae_stages::{Account, BlockChanges, Overlay, StateSource};

use super::{PAST_ENTRIES, PAST_STATES};
use crate::edges::store::{SharedReader, StoreError};

/// The state after one block.
pub enum StateAt {
    /// At the stored height or above.
    Recent(Overlay<SharedReader>),
    /// Below the stored height.
    Past(PastState),
}

/// A state below the stored height.
pub struct PastState {
    pub(super) number: u64,
    pub(super) source: SharedReader,
    /// What undoes the blocks above `number` up to the stored height, lowest first.
    pub(super) undo: Vec<Arc<BlockChanges>>,
}

impl StateSource for StateAt {
    type Error = StoreError;

    fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        match self {
            Self::Recent(state) => state.account(address),
            Self::Past(state) => match state.undo.iter().find_map(|undo| undo.account(&address)) {
                Some(account) => Ok(*account),
                None => state.source.account(address),
            },
        }
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        match self {
            Self::Recent(state) => state.storage(address, slot),
            Self::Past(state) => match state.undo.iter().find_map(|undo| undo.storage(address, slot)) {
                Some(value) => Ok(value),
                None => state.source.storage(address, slot),
            },
        }
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::Recent(state) => state.code(code_hash),
            Self::Past(state) => state.source.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        match self {
            Self::Recent(state) => state.block_hash(number),
            Self::Past(state) if number > state.number => Ok(None),
            Self::Past(state) => state.source.block_hash(number),
        }
    }
}

/// What undoes the newest stored blocks, bounded by number and size.
#[derive(Clone, Default)]
pub(super) struct UndoWindow {
    undo: VecDeque<Arc<BlockChanges>>,
    entries: usize,
}

impl UndoWindow {
    /// Adds the undo of the block that was stored last.
    pub(super) fn push(&mut self, undo: Arc<BlockChanges>) {
        self.entries += size(&undo);
        self.undo.push_back(undo);
        while self.undo.len() > PAST_STATES || self.entries > PAST_ENTRIES {
            let Some(oldest) = self.undo.pop_front() else { break };
            self.entries -= size(&oldest);
        }
    }

    /// The undo of the newest `count` stored blocks, lowest first; `None` if it reaches less far.
    pub(super) fn newest(&self, count: u64) -> Option<Vec<Arc<BlockChanges>>> {
        let skip = self.undo.len().checked_sub(usize::try_from(count).ok()?)?;
        Some(self.undo.iter().skip(skip).cloned().collect())
    }

    /// How many blocks it reaches below the stored height.
    pub(super) fn reach(&self) -> u64 {
        self.undo.len() as u64
    }
}

fn size(undo: &BlockChanges) -> usize {
    undo.accounts.len() + undo.storage.len()
}
