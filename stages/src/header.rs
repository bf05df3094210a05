//! The L2 block: what its header commits to, and the bytes that are hashed.
//!
//! The hash of a block is `keccak256(rlp(header))` over the fields in the order below. The sequencer's signature is over
//! a digest of that hash (`horae-control`), so it is not part of the header and a block can be rebuilt from L1 without it.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::ordered_root::ordered_root;

/// An L1 block that the control plane has agreed to read events from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
pub struct L1View {
    /// L1 block number.
    pub number: u64,
    /// L1 block hash.
    pub hash: B256,
}

/// Everything that execution depends on and everything it produced, short of the Merkle-Patricia root.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Header {
    /// Hash of the block below; zero for the genesis block.
    pub parent: B256,
    /// Height; genesis is 0.
    pub number: u64,
    /// Epoch whose validators ack this block.
    pub epoch: u64,
    /// Term the block was sealed in.
    pub term: u64,
    /// Slot the block was sealed in; counts through the whole chain.
    pub slot: u64,
    /// Signer address of who leads the slot and sealed the block.
    pub sequencer: Address,
    /// Unix time in milliseconds; never below the parent's. The EVM sees whole seconds.
    pub timestamp_ms: u64,
    /// Highest control-plane height the block has applied; never below the parent's.
    pub control_height: u64,
    /// L1 view the block has applied; its number never below the parent's.
    pub l1_view: L1View,
    /// Index of the first entry of the forced queue on L1 that is not executed yet.
    pub forced: u64,
    /// EIP-1559 base fee, in wei a gas.
    pub base_fee: u64,
    /// Gas limit of the block.
    pub gas_limit: u64,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// Receives the priority fees and the base fees, less the carriers' share (`stages/CHAIN.md`).
    pub fee_recipient: Address,
    /// What `PREVRANDAO` returns: see [`crate::rules::next_prevrandao`].
    pub prevrandao: B256,
    /// Ordered trie root of the transactions, as in Ethereum.
    pub transactions_root: B256,
    /// Ordered trie root of the receipts, as in Ethereum.
    pub receipts_root: B256,
    /// Hash of all state changes of the block, transaction by transaction: see [`crate::changes`].
    pub changes_hash: B256,
    /// Index of the batch this block goes into.
    pub batch: u64,
    /// Timestamp of the batch's first block, in milliseconds.
    pub batch_start_ms: u64,
    /// Transaction bytes in the batch up to and including this block.
    pub batch_bytes: u64,
    /// The block is the last of its slot.
    pub ends_slot: bool,
}

impl Header {
    /// The block hash.
    pub fn hash(&self) -> B256 {
        keccak256(alloy_rlp::encode(self))
    }

    /// The timestamp the EVM and JSON-RPC see, in seconds.
    pub fn timestamp_s(&self) -> u64 {
        self.timestamp_ms / 1_000
    }
}

/// What [`Header::transactions_root`] has to be for these EIP-2718 encodings.
pub fn transactions_root(raw: &[Bytes]) -> B256 {
    ordered_root(raw.len(), |at, out| out.extend_from_slice(&raw[at]))
}

/// A header and the EIP-2718 encodings of its transactions, in order.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Block {
    /// What the block commits to.
    pub header: Header,
    /// EIP-2718 encodings.
    pub transactions: Vec<Bytes>,
}
