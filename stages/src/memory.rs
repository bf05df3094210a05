//! A state source in memory: the simulator's disk, and the state of a chain too small for a store.

use std::collections::BTreeMap;
use std::convert::Infallible;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::changes::{Account, BlockChanges};
use crate::state::StateSource;

/// The whole state in maps, plus the block hashes it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryState {
    accounts: BTreeMap<Address, Account>,
    storage: BTreeMap<(Address, U256), U256>,
    codes: BTreeMap<B256, Bytes>,
    hashes: BTreeMap<u64, B256>,
}

impl MemoryState {
    /// Applies the changes of block `number`.
    pub fn apply(&mut self, number: u64, hash: B256, changes: &BlockChanges) {
        for (address, account) in &changes.accounts {
            match account {
                Some(account) => self.accounts.insert(*address, *account),
                None => self.accounts.remove(address),
            };
        }
        for (key, value) in &changes.storage {
            if value.is_zero() {
                self.storage.remove(key);
            } else {
                self.storage.insert(*key, *value);
            }
        }
        self.codes.extend(changes.codes.iter().cloned());
        self.hashes.insert(number, hash);
    }

    /// Every account with its storage, by address.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, Account, Vec<(U256, U256)>)> + '_ {
        self.accounts.iter().map(|(address, account)| {
            let slots = (*address, U256::ZERO)..=(*address, U256::MAX);
            let storage = self.storage.range(slots).map(|((_, slot), value)| (*slot, *value)).collect();
            (*address, *account, storage)
        })
    }
}

impl StateSource for MemoryState {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<Option<Account>, Infallible> {
        Ok(self.accounts.get(&address).copied())
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self.storage.get(&(address, slot)).copied().unwrap_or_default())
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, Infallible> {
        Ok(self.codes.get(&code_hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, Infallible> {
        Ok(self.hashes.get(&number).copied())
    }
}
