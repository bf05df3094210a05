//! Building the trie from the whole state, in pieces that fit into memory.
//!
//! The store has accounts by address, the trie wants them by hash. So the accounts are read as often as there are pieces, and each
//! piece takes those whose hashes are in its range: then a piece writes its own part of the file and no other.

use alloy_primitives::{Address, U256, keccak256};
use horae_stages::root::account_leaf;
use horae_stages::trie::KeyChange;
use redb::Durability;

use super::records::Tables;
use super::{RootWork, STANDS, StateTrie};
use crate::edges::store::{StoreError, StoreReader};

/// Keys of a piece, at most; some 200 bytes of memory each.
pub(super) const PIECE_KEYS: usize = 1 << 19;

/// Slots of one address, with their values.
type Slots = Vec<(U256, U256)>;

/// Builds the trie of the state that `reader` sees, in place of what is there. It stands nowhere yet.
pub(super) fn build(trie: &StateTrie, reader: &StoreReader) -> Result<RootWork, StoreError> {
    build_by(trie, reader, PIECE_KEYS)
}

pub(super) fn build_by(trie: &StateTrie, reader: &StoreReader, piece_keys: usize) -> Result<RootWork, StoreError> {
    trie.write(Durability::Immediate, |write| {
        write.delete_table(STANDS).map_err(|e| trie.sort(e))?;
        Tables::delete(write, &trie.path)
    })?;
    let (mut keys, mut branches) = (0, 0);
    let mut slots = reader.slots()?.peekable();
    while slots.peek().is_some() {
        trie.write(Durability::Immediate, |write| {
            let mut tables = Tables::open(write, &trie.path)?;
            let mut left = piece_keys;
            while left > 0 {
                let Some((address, of_address)) = next_slots(&mut slots, left)? else { break };
                left -= of_address.len();
                keys += of_address.len() as u64;
                tables.change_slots(reader, &address, of_address)?;
            }
            branches += tables.written;
            Ok(())
        })?;
    }
    let pieces = reader.account_count()?.div_ceil(piece_keys as u64).max(1);
    let mut root = horae_stages::root::EMPTY_ROOT_HASH;
    for piece in 0..pieces {
        root = trie.write(Durability::Immediate, |write| {
            let mut tables = Tables::open(write, &trie.path)?;
            let mut changes = Vec::new();
            for row in reader.accounts()? {
                let (address, account) = row?;
                if piece_of(&address, pieces) == piece {
                    let leaf = account_leaf(&account, tables.storage_root(&address)?);
                    changes.push(KeyChange::new(address.into_array(), Some(leaf)));
                }
            }
            keys += changes.len() as u64;
            let root = tables.change_accounts(reader, changes)?;
            branches += tables.written;
            Ok(root)
        })?;
    }
    Ok(RootWork { root, keys, branches, rebuilt: None })
}

/// The next slots of one address, `most` at most.
fn next_slots(
    slots: &mut std::iter::Peekable<impl Iterator<Item = Result<(Address, U256, U256), StoreError>>>,
    most: usize,
) -> Result<Option<(Address, Slots)>, StoreError> {
    let Some(first) = slots.next() else { return Ok(None) };
    let (address, slot, value) = first?;
    let mut found = vec![(slot, value)];
    while found.len() < most {
        let Some(row) = slots.next_if(|row| row.as_ref().map_or(true, |(owner, ..)| *owner == address)) else { break };
        let (_, slot, value) = row?;
        found.push((slot, value));
    }
    Ok(Some((address, found)))
}

/// Which of `pieces` equal ranges of hashes an address falls into.
fn piece_of(address: &Address, pieces: u64) -> u64 {
    let hash = keccak256(address);
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    ((u128::from(u64::from_be_bytes(first)) * u128::from(pieces)) >> 64) as u64
}
