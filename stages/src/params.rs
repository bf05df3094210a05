//! The chain rules that are numbers: one value, agreed by all nodes of an epoch, carried in the genesis file.
//!
//! The page that explains them is `stages/CHAIN.md`; the code that applies them is [`crate::rules`].

use serde::{Deserialize, Serialize};

/// Parameters that decide whether a block is valid. Every node of an epoch holds the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainParams {
    /// EIP-155 chain id of the L2.
    pub chain_id: u64,
    /// Gas limit of every block.
    pub gas_limit: u64,
    /// Base fee of the first block, in wei a gas; EIP-1559 moves it from there.
    pub initial_base_fee: u64,
    /// The base fee never falls below this, in wei a gas.
    pub min_base_fee: u64,
    /// Largest EIP-2718 encoding of one transaction, in bytes.
    pub max_transaction_bytes: usize,
    /// Largest sum of transaction encodings in one block, in bytes.
    pub max_block_bytes: usize,
    /// A block with transactions is sealed this long after the block before, or a moment after its first transaction if that is later; in
    /// milliseconds.
    pub block_interval_ms: u64,
    /// Without transactions an empty block is sealed this often, in milliseconds.
    pub heartbeat_ms: u64,
    /// A slot's last block is the first one whose timestamp is this far past the slot's first, in milliseconds.
    pub slot_ms: u64,
    /// A slot has at most this many blocks.
    pub slot_blocks: u64,
    /// A batch with transactions ends at the first block this far past its first, in milliseconds.
    pub batch_interval_ms: u64,
    /// A batch of empty blocks ends only this far past its first block, in milliseconds.
    pub batch_longest_interval_ms: u64,
    /// A batch ends at the first block that brings its transactions to this many bytes. With one more block of
    /// [`Self::max_block_bytes`] it must still fit into one L1 transaction ([`crate::limits::CALLDATA_BYTES`]).
    pub batch_bytes: u64,
    /// Part of the fees of a block that goes to whoever carries batches to L1, in 1/10,000; the rest is the fee recipient's.
    pub carrier_share: u64,
    /// A validator acks no block further than this ahead of its own clock, in milliseconds.
    pub drift_ms: u64,
    /// The sequencer streams at most this many uncommitted blocks ahead (`W` of the design).
    pub window_blocks: u64,
}

impl ChainParams {
    /// What a devnet runs with: three-second slots, a batch about every five seconds.
    pub fn devnet(chain_id: u64) -> Self {
        Self {
            chain_id,
            gas_limit: 60_000_000,
            initial_base_fee: 1_000_000_000,
            min_base_fee: 1_000_000,
            max_transaction_bytes: 64 * 1024,
            max_block_bytes: 64 * 1024,
            block_interval_ms: 20,
            heartbeat_ms: 500,
            slot_ms: 3_000,
            slot_blocks: 1_024,
            batch_interval_ms: 5_000,
            batch_longest_interval_ms: 120_000,
            batch_bytes: 60 * 1024,
            carrier_share: 1_000,
            drift_ms: 2_000,
            window_blocks: 128,
        }
    }
}
