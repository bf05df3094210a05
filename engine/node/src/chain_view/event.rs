//! What the node core tells the query side, in order, through one bounded queue.
//!
//! The core never waits for a reader: it sends events, and reads back only cells ([`super::ChainView::stored_height`] and
//! the roots). Order matters: a block is executed before it is certified, certified or decided before it is committed.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};
use horae_control::{BlockId, Certificate, Commit, Signature};
use horae_stages::ExecutedBlock;
use serde::{Deserialize, Serialize};

use super::status::NodeStatus;

/// One step of the chain as the node core saw it.
#[derive(Clone, Debug)]
pub enum ChainEvent {
    /// The next block above the highest one was ordered and executed here.
    Executed {
        /// The block with its receipts and changes.
        block: Arc<ExecutedBlock>,
        /// The sequencer's signature over it; `None` for a block rebuilt from L1, which does not carry one.
        signature: Option<Signature>,
    },
    /// Every block above this height is void (a term closed with a lower head). Never below the committed head.
    RolledBack {
        /// Height that stays.
        to: u64,
    },
    /// A block, and with it every block below, is certified.
    Certified(Arc<Certificate>),
    /// A block, and with it every block below, is committed by acks.
    Committed(Arc<Commit>),
    /// A block, and with it every block below, is committed because a decision closed a term with it as head.
    CommittedByDecision(BlockId),
    /// The inbox on L1 accepted a batch.
    BatchAccepted(Arc<BatchRecord>),
    /// An L1 reorganisation dropped this batch and every later one from L1; they will be sent again.
    BatchesDropped {
        /// Index of the lowest batch dropped.
        from: u64,
    },
    /// The L1 block with this batch is final, and so are all batches before it.
    L1Finalized {
        /// Index of the batch.
        batch: u64,
    },
    /// The slot, epoch and validators as they are now.
    Status(Arc<NodeStatus>),
}

/// A batch that the inbox on L1 accepted.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchRecord {
    /// Index; the first is 0.
    pub index: u64,
    /// The digest that was signed.
    pub digest: B256,
    /// Lowest block in it.
    pub first_block: u64,
    /// Highest block in it.
    pub last_block: u64,
    /// Hash of the highest block.
    pub last_block_hash: B256,
    /// Merkle-Patricia root of the state after the highest block.
    pub state_root: B256,
    /// Keccak-256 of the posted data.
    pub data_hash: B256,
    /// Transactions in it.
    pub transactions: u64,
    /// Bytes of the transactions before packing.
    pub raw_bytes: u64,
    /// Bytes posted.
    pub posted_bytes: u64,
    /// Validators whose shares signed it, as far as this node knows.
    pub signers: Vec<Address>,
    /// Hash of the L1 transaction.
    pub l1_tx: B256,
    /// Number of the L1 block with it.
    pub l1_block: u64,
    /// Hash of the L1 block with it.
    pub l1_block_hash: B256,
    /// Gas the L1 transaction used; 0 if not known.
    pub l1_gas: u64,
}
