//! The Merkle-Patricia state root, computed in full: for batch boundaries, off the critical path.

use alloy_primitives::{Address, B256, U256};
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};

use crate::changes::Account;

/// The Ethereum state root over all accounts, which may come in any order, each with its non-zero storage slots.
pub fn state_root<I, T>(accounts: I) -> B256
where
    I: IntoIterator<Item = (Address, Account, T)>,
    T: IntoIterator<Item = (U256, U256)>,
{
    state_root_unhashed(accounts.into_iter().map(|(address, account, storage)| {
        let storage = storage.into_iter().map(|(slot, value)| (B256::from(slot), value));
        let account = TrieAccount {
            nonce: account.nonce,
            balance: account.balance,
            storage_root: storage_root_unhashed(storage),
            code_hash: account.code_hash,
        };
        (address, account)
    }))
}
