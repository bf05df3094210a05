//! The Merkle-Patricia state root: of a whole state at once ([`state_root`]), and what goes into the leaves of a trie that is kept
//! ([`crate::trie`]).

use alloy_primitives::{Address, B256, U256};
use alloy_rlp::Encodable;
use alloy_trie::TrieAccount;
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};

use crate::changes::Account;

pub use alloy_trie::EMPTY_ROOT_HASH;

/// The Ethereum state root over all accounts, which may come in any order, each with its non-zero storage slots.
pub fn state_root<I, T>(accounts: I) -> B256
where
    I: IntoIterator<Item = (Address, Account, T)>,
    T: IntoIterator<Item = (U256, U256)>,
{
    state_root_unhashed(accounts.into_iter().map(|(address, account, storage)| {
        let storage = storage.into_iter().map(|(slot, value)| (B256::from(slot), value));
        (address, trie_account(&account, storage_root_unhashed(storage)))
    }))
}

/// What the leaf of an account holds: the RLP of its fields and of the root of its storage.
pub fn account_leaf(account: &Account, storage_root: B256) -> Vec<u8> {
    alloy_rlp::encode(trie_account(account, storage_root))
}

/// What the leaf of a slot holds, `None` for zero: such a slot has no leaf.
pub fn slot_leaf(value: &U256) -> Option<Vec<u8>> {
    if value.is_zero() {
        return None;
    }
    let mut leaf = Vec::with_capacity(value.length());
    value.encode(&mut leaf);
    Some(leaf)
}

fn trie_account(account: &Account, storage_root: B256) -> TrieAccount {
    TrieAccount { nonce: account.nonce, balance: account.balance, storage_root, code_hash: account.code_hash }
}
