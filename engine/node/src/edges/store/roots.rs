//! The state root by a full scan of the state: the reference that the state trie is held against.

use std::iter::Peekable;

use alloy_primitives::{Address, B256, U256};
use horae_stages::root::state_root;

use super::{StoreError, StoreReader};

/// The Merkle-Patricia root of the state that `reader` sees.
///
/// Both tables are in the order of addresses, so one pass over each is enough and only one account's slots are in memory at
/// a time beside the trie.
pub(super) fn compute(reader: &StoreReader) -> Result<B256, StoreError> {
    let mut failure = None;
    let mut slots = reader.slots()?.peekable();
    let accounts = reader.accounts()?;
    let rows = accounts.map_while(|row| {
        let row = row.and_then(|(address, account)| Ok((address, account, slots_of(&mut slots, address)?)));
        row.map_err(|e| failure = Some(e)).ok()
    });
    let root = state_root(rows);
    match failure {
        Some(error) => Err(error),
        None => Ok(root),
    }
}

/// Takes the slots of one account off the front; those of addresses before it belong to no account and are skipped.
fn slots_of<I>(slots: &mut Peekable<I>, address: Address) -> Result<Vec<(U256, U256)>, StoreError>
where
    I: Iterator<Item = Result<(Address, U256, U256), StoreError>>,
{
    let mut found = Vec::new();
    while let Some(row) = slots.next_if(|row| row.as_ref().map_or(true, |(owner, ..)| *owner <= address)) {
        let (owner, slot, value) = row?;
        if owner == address {
            found.push((slot, value));
        }
    }
    Ok(found)
}
