//! What a block changes in the state, and the hash that the header keeps of it.
//!
//! [`BlockChanges`] holds final values, once an account and slot, sorted: what a store writes. The header's `changes_hash`
//! is finer: Keccak-256 over the changes of every transaction in turn ([`ChangesHasher`]), so an executor that keeps a
//! write it should have undone is caught even where a later transaction covers it up.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Keccak256, U256};

/// An account without its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Keccak-256 of the code; [`KECCAK256_EMPTY`] without any.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// Empty in the sense of EIP-161: such an account does not exist.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Has code (a contract or an EIP-7702 delegation).
    pub fn has_code(&self) -> bool {
        self.code_hash != KECCAK256_EMPTY
    }
}

/// Final values of everything that differs between the state before and after a block.
///
/// All three lists are sorted by key and have each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockChanges {
    /// Accounts; `None` for one that is no more.
    pub accounts: Vec<(Address, Option<Account>)>,
    /// Storage slots; zero for one that is no more.
    pub storage: Vec<((Address, U256), U256)>,
    /// Code that was not in the state before, by its hash.
    pub codes: Vec<(B256, Bytes)>,
}

impl BlockChanges {
    /// The account after the block; `None` if the block did not change it.
    pub fn account(&self, address: &Address) -> Option<&Option<Account>> {
        find(&self.accounts, address)
    }

    /// The slot after the block; `None` if the block did not change it.
    pub fn storage(&self, address: Address, slot: U256) -> Option<U256> {
        find(&self.storage, &(address, slot)).copied()
    }

    /// Code that the block brought.
    pub fn code(&self, code_hash: &B256) -> Option<&Bytes> {
        find(&self.codes, code_hash)
    }
}

fn find<'a, K: Ord, V>(sorted: &'a [(K, V)], key: &K) -> Option<&'a V> {
    sorted.binary_search_by(|(k, _)| k.cmp(key)).ok().map(|i| &sorted[i].1)
}

/// What one transaction changed, for the hash; sorted by the caller.
#[derive(Clone, Debug, Default)]
pub struct TxChanges {
    /// Accounts whose fields differ from before the transaction; `None` for one that is no more.
    pub accounts: Vec<(Address, Option<Account>)>,
    /// Slots whose value differs from before the transaction.
    pub storage: Vec<((Address, U256), U256)>,
}

/// The running hash over all changes of a block.
#[derive(Clone)]
pub struct ChangesHasher(Keccak256);

impl Default for ChangesHasher {
    fn default() -> Self {
        Self(Keccak256::new())
    }
}

impl ChangesHasher {
    /// Takes in one transaction.
    ///
    /// The bytes: `u32` count of accounts, each `address, 0` or `address, 1, nonce u64, balance 32, code hash 32`; `u32`
    /// count of slots, each `address, slot 32, value 32`; all big endian.
    pub fn take(&mut self, changes: &TxChanges) {
        self.0.update((changes.accounts.len() as u32).to_be_bytes());
        for (address, account) in &changes.accounts {
            let mut row = [0; 20 + 1 + 8 + 32 + 32];
            row[..20].copy_from_slice(address.as_slice());
            let len = match account {
                None => 21,
                Some(account) => {
                    row[20] = 1;
                    row[21..29].copy_from_slice(&account.nonce.to_be_bytes());
                    row[29..61].copy_from_slice(&account.balance.to_be_bytes::<32>());
                    row[61..].copy_from_slice(account.code_hash.as_slice());
                    row.len()
                }
            };
            self.0.update(&row[..len]);
        }
        self.0.update((changes.storage.len() as u32).to_be_bytes());
        for ((address, slot), value) in &changes.storage {
            self.0.update(address);
            self.0.update(slot.to_be_bytes::<32>());
            self.0.update(value.to_be_bytes::<32>());
        }
    }

    /// The header's `changes_hash`; Keccak-256 of nothing for a block without transactions.
    pub fn finish(self) -> B256 {
        self.0.finalize()
    }
}
