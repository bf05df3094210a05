//! The first block and the state below it, as a JSON file that all nodes of a chain share.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use revm::bytecode::Bytecode;
use serde::{Deserialize, Serialize};

use crate::changes::{Account, BlockChanges, ChangesHasher, TxChanges};
use crate::header::{Block, Header, L1View};
use crate::limits;
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

/// Why a genesis file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Storage without code or nonce: a later creation at the address would not see it (EIP-7610).
    #[error("genesis account {0} has storage but neither code nor nonce")]
    LooseStorage(Address),
    /// Code that the EVM cannot hold.
    #[error("genesis account {0} has malformed code")]
    BadCode(Address),
    /// A parameter without which no block can be sealed.
    #[error("genesis parameter {0} is out of range")]
    Param(&'static str),
}

impl Genesis {
    /// Checks what the rest of the crate relies on.
    pub fn check(&self) -> Result<(), GenesisError> {
        for (address, account) in &self.alloc {
            if !account.storage.is_empty() && account.code.is_empty() && account.nonce == 0 {
                return Err(GenesisError::LooseStorage(*address));
            }
            if Bytecode::new_raw_checked(account.code.clone()).is_err() {
                return Err(GenesisError::BadCode(*address));
            }
        }
        let params = &self.params;
        let in_range = [
            ("gas_limit", params.gas_limit >= limits::TRANSACTION_GAS_CAP),
            ("max_transaction_bytes", params.max_transaction_bytes > 0),
            ("max_block_bytes", params.max_block_bytes >= params.max_transaction_bytes),
            ("heartbeat_ms", params.heartbeat_ms > 0),
            ("slot_blocks", params.slot_blocks > 0),
            ("batch_longest_interval_ms", params.batch_longest_interval_ms >= params.batch_interval_ms),
            ("batch_bytes", params.batch_bytes.saturating_add(params.max_block_bytes as u64) <= limits::CALLDATA_BYTES),
            ("carrier_share", params.carrier_share <= 10_000),
            ("window_blocks", params.window_blocks > 0),
        ];
        match in_range.iter().find(|(_, fits)| !fits) {
            Some((name, _)) => Err(GenesisError::Param(name)),
            None => Ok(()),
        }
    }

    /// The header of block 0. Epoch, term, slot, batch and control height are 0, and it ends its slot.
    ///
    /// It commits to the alloc by `changes_hash`, so that chains with different allocs differ from block 0 on.
    pub fn header(&self) -> Header {
        let changes = self.changes();
        let mut hasher = ChangesHasher::default();
        hasher.take(&TxChanges { accounts: changes.accounts, storage: changes.storage });
        Header {
            parent: B256::ZERO,
            number: 0,
            epoch: 0,
            term: 0,
            slot: 0,
            sequencer: Address::ZERO,
            timestamp_ms: self.timestamp_ms,
            control_height: 0,
            l1_view: self.l1_view,
            forced: 0,
            base_fee: self.params.initial_base_fee,
            gas_limit: self.params.gas_limit,
            gas_used: 0,
            fee_recipient: Address::ZERO,
            prevrandao: self.prevrandao,
            transactions_root: EMPTY_ROOT_HASH,
            receipts_root: EMPTY_ROOT_HASH,
            changes_hash: hasher.finish(),
            batch: 0,
            batch_start_ms: self.timestamp_ms,
            batch_bytes: 0,
            ends_slot: true,
        }
    }

    /// The state after block 0.
    pub fn changes(&self) -> BlockChanges {
        let mut changes = BlockChanges::default();
        for (address, genesis) in &self.alloc {
            let code_hash = if genesis.code.is_empty() { KECCAK256_EMPTY } else { keccak256(&genesis.code) };
            let account = Account { nonce: genesis.nonce, balance: genesis.balance, code_hash };
            if !account.is_empty() {
                changes.accounts.push((*address, Some(account)));
            }
            if account.has_code() {
                changes.codes.push((code_hash, genesis.code.clone()));
            }
            let slots = genesis.storage.iter().filter(|(_, value)| !value.is_zero());
            changes.storage.extend(slots.map(|(slot, value)| ((*address, *slot), *value)));
        }
        changes.codes.sort_unstable_by_key(|(code_hash, _)| *code_hash);
        changes.codes.dedup_by_key(|(code_hash, _)| *code_hash);
        changes
    }

    /// Block 0.
    pub fn block(&self) -> Block {
        Block { header: self.header(), transactions: Vec::new() }
    }
}
