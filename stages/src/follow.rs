//! Follow re-executes a block that another node sealed and compares every header field with its own result.
//!
//! In: a block, its parent's header. Out: [`ExecutedBlock`], equal to the sequencer's, or the first thing that differs. On an error the state is
//! as before.

use alloy_primitives::B256;

use crate::execute::{BlockTx, ExecutedBlock, Executor};
use crate::header::{Block, Header};
use crate::params::ChainParams;
use crate::rules::RuleError;
use crate::shed::Shed;
use crate::state::{StateError, StateSource};

/// Why a block is refused.
#[derive(Debug, thiserror::Error)]
pub enum BlockError<E: std::error::Error> {
    /// A header rule is broken.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The state is not at the block's parent.
    #[error("the state is at block {have}, the block's parent is {want}")]
    NotOnTip {
        /// Height of the state.
        have: u64,
        /// Height of the parent.
        want: u64,
    },
    /// A transaction cannot be in the block.
    #[error("transaction {index}: {why}")]
    Transaction {
        /// Position in the block.
        index: usize,
        /// Why not.
        why: Shed,
    },
    /// Too many bytes.
    #[error("block of {have} bytes of transactions, limit {limit}")]
    Oversized {
        /// Sum of the encodings.
        have: usize,
        /// The limit.
        limit: usize,
    },
    /// The header states another result than execution gave.
    #[error("{field}: have {have}, executed {want}")]
    Commitment {
        /// Name of the field.
        field: &'static str,
        /// In the header.
        have: String,
        /// By our execution.
        want: String,
    },
    /// The state could not be read: our trouble, not the block's.
    #[error(transparent)]
    State(#[from] StateError<E>),
}

/// A block whose transactions are decoded and whose senders are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredBlock {
    block: Block,
    transactions: Vec<BlockTx>,
}

/// A transaction of a block that does not decode or has no sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transaction {index}: {why}")]
pub struct BadTransaction {
    /// Position in the block.
    pub index: usize,
    /// What is wrong with it.
    pub why: Shed,
}

impl RecoveredBlock {
    /// Joins a block with its transactions, recovered elsewhere (by several workers, say). `None` if they are not the block's.
    pub fn assemble(block: Block, transactions: Vec<BlockTx>) -> Option<Self> {
        todo!()
    }

    /// The block.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Its transactions, in order.
    pub fn transactions(&self) -> &[BlockTx] {
        &self.transactions
    }
}

/// Decodes a block's transactions and recovers their senders.
pub fn recover_block(block: Block) -> Result<RecoveredBlock, BadTransaction> {
    todo!()
}

/// Executes a block above `parent` and checks every header rule, the gas used and all three commitments.
///
/// Not checked, for it is not the header's to say: who may seal the slot, and how far the timestamp is ahead of a clock.
pub fn execute_block<S: StateSource>(executor: &mut Executor<S>, params: &ChainParams, parent: &Header, block: RecoveredBlock) -> Result<ExecutedBlock, BlockError<S::Error>> {
    todo!()
}
