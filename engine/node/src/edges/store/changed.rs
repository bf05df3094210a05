//! Which accounts and slots a block changed, kept until the state trie has come past the block: a list of keys a block, so that it
//! costs the writing of blocks one row.
//!
//! ```text
//! 0  u32  number of accounts, little-endian
//! 4  the accounts' addresses, 20 bytes each; then address and slot (big-endian), 52 bytes each
//! ```

use alloy_primitives::{Address, U256};
use horae_stages::BlockChanges;

use super::records::{split_storage_key, storage_key};
use super::tables::CHANGED;
use super::{StoreError, StoreReader};

const COUNT_BYTES: usize = 4;
const ADDRESS_BYTES: usize = 20;
const SLOT_BYTES: usize = 52;

/// What changed in some blocks: sorted, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ChangedKeys {
    /// Accounts whose leaves change: those that changed, and the owners of slots that did.
    pub(super) accounts: Vec<Address>,
    /// Slots.
    pub(super) slots: Vec<(Address, U256)>,
}

pub(super) fn encode(changes: &BlockChanges) -> Vec<u8> {
    let bytes = COUNT_BYTES + changes.accounts.len() * ADDRESS_BYTES + changes.storage.len() * SLOT_BYTES;
    let mut row = Vec::with_capacity(bytes);
    row.extend((changes.accounts.len() as u32).to_le_bytes());
    changes.accounts.iter().for_each(|(address, _)| row.extend_from_slice(address.as_slice()));
    changes.storage.iter().for_each(|((address, slot), _)| row.extend(storage_key(address, slot)));
    row
}

impl ChangedKeys {
    /// Takes in a row; `None` if it is no such row.
    fn take(&mut self, row: &[u8]) -> Option<()> {
        let (count, rest) = row.split_first_chunk::<COUNT_BYTES>()?;
        let accounts = (u32::from_le_bytes(*count) as usize).checked_mul(ADDRESS_BYTES)?;
        let (accounts, slots) = rest.split_at_checked(accounts)?;
        self.accounts.extend(accounts.chunks_exact(ADDRESS_BYTES).map(Address::from_slice));
        let (slots, more) = slots.as_chunks::<SLOT_BYTES>();
        self.slots.extend(slots.iter().map(split_storage_key));
        more.is_empty().then_some(())
    }

    fn settle(&mut self) {
        self.slots.sort_unstable();
        self.slots.dedup();
        self.accounts.extend(self.slots.chunk_by(|(a, _), (b, _)| a == b).flat_map(|of| of.first()).map(|(a, _)| *a));
        self.accounts.sort_unstable();
        self.accounts.dedup();
    }
}

impl StoreReader {
    /// What changed in the blocks from `first` on; `None` if that of some block is not kept, or if it is more than `most` keys.
    pub(super) fn changed(&self, first: u64, most: usize) -> Result<Option<ChangedKeys>, StoreError> {
        let mut keys = ChangedKeys::default();
        let mut next = first;
        for row in self.table(CHANGED)?.range(first..=self.height()).map_err(|e| self.sort(e))? {
            let (number, bytes) = row.map_err(|e| self.sort(e))?;
            if number.value() != next {
                return Ok(None);
            }
            keys.take(bytes.value()).ok_or_else(|| self.corrupt(next, "not a list of changed keys"))?;
            if keys.accounts.len() + keys.slots.len() > most {
                return Ok(None);
            }
            next += 1;
        }
        keys.settle();
        Ok((next > self.height()).then_some(keys))
    }
}
