//! The first block and the state below it, as a JSON file that all nodes of a chain share.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::changes::BlockChanges;
use crate::header::{Header, L1View};
use crate::params::ChainParams;

/// The genesis file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The chain rules that are numbers.
    pub params: ChainParams,
    /// Timestamp of block 0, unix milliseconds.
    pub timestamp_ms: u64,
    /// L1 view of block 0.
    #[serde(default)]
    pub l1_view: L1View,
    /// What the first `PREVRANDAO` is mixed from.
    #[serde(default)]
    pub prevrandao: B256,
    /// The accounts that exist in block 0.
    #[serde(default)]
    pub alloc: BTreeMap<Address, GenesisAccount>,
}

/// An account in block 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAccount {
    /// Wei.
    pub balance: U256,
    /// Nonce.
    #[serde(default)]
    pub nonce: u64,
    /// Code.
    #[serde(default)]
    pub code: Bytes,
    /// Storage slots.
    #[serde(default)]
    pub storage: BTreeMap<U256, U256>,
}

impl Genesis {
    /// The header of block 0. Epoch, term, slot, batch and control height are 0, and it ends its slot.
    ///
    /// It commits to the alloc by `changes_hash`, so that chains with different allocs differ from block 0 on.
    pub fn header(&self) -> Header {
        todo!()
    }

    /// The state after block 0.
    pub fn changes(&self) -> BlockChanges {
        todo!()
    }
}
