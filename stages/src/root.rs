//! The Merkle-Patricia state root, computed in full: for batch boundaries, off the critical path.

use alloy_primitives::{Address, B256, U256};

use crate::changes::Account;

/// The Ethereum state root over all accounts, which may come in any order, each with its non-zero storage slots.
pub fn state_root<I, T>(accounts: I) -> B256
where
    I: IntoIterator<Item = (Address, Account, T)>,
    T: IntoIterator<Item = (U256, U256)>,
{
    todo!()
}
