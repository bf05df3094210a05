//! Execute runs transactions on the hot state, one block at a time.
//!
//! The same code runs for a sequencer's own block, a follower's check, a replay of the journal and a derivation from L1. A transaction that
//! cannot be in a block leaves no trace; one that reverts is in it.

use alloy_consensus::{ReceiptEnvelope, TxEnvelope};
use alloy_primitives::{Address, B256, Bytes};

use crate::changes::BlockChanges;
use crate::header::Block;
use crate::params::ChainParams;
use crate::rules::HeaderInputs;
use crate::shed::Shed;
use crate::state::{HotState, StateError, StateSource};

/// A decoded transaction whose sender is known. Made by [`crate::recover_block`] and its kin, so the sender is true.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockTx {
    /// Transaction hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// The transaction.
    pub envelope: TxEnvelope,
}

impl BlockTx {
    /// Decodes a transaction of this chain's blocks and recovers its sender.
    pub fn recover(raw: &[u8]) -> Result<Self, Shed> {
        todo!()
    }

    /// Decodes a transaction whose sender was recovered before and kept in this node's own store.
    pub fn from_stored(raw: &[u8], sender: Address) -> Result<Self, Shed> {
        todo!()
    }
}

/// What a transaction left behind, with what JSON-RPC adds to the consensus receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxReceipt {
    /// The consensus receipt: type, status, cumulative gas, logs, bloom.
    pub envelope: ReceiptEnvelope,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Wei a gas that were paid.
    pub effective_gas_price: u128,
    /// The contract it created.
    pub contract_address: Option<Address>,
}

/// A block with everything its execution brought. Shared behind an `Arc` by the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedBlock {
    /// The block hash.
    pub hash: B256,
    /// Header and encodings.
    pub block: Block,
    /// The decoded transactions, in order.
    pub transactions: Vec<BlockTx>,
    /// Their receipts, in order.
    pub receipts: Vec<TxReceipt>,
    /// What the block changed in the state.
    pub changes: BlockChanges,
}

/// Why a transaction could not be executed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E: std::error::Error> {
    /// It cannot be in this block; the state is as before.
    #[error(transparent)]
    Shed(#[from] Shed),
    /// The state could not be read; the state is as before.
    #[error(transparent)]
    State(#[from] StateError<E>),
}

/// The hot state with an EVM over it, and the block being executed, if any.
pub struct Executor<S: StateSource> {
    state: HotState<S>,
}

impl<S: StateSource> Executor<S> {
    /// An executor on this state for a chain with this EIP-155 id.
    pub fn new(state: HotState<S>, chain_id: u64) -> Self {
        todo!()
    }

    /// The state, with the effects of the open block's transactions so far.
    pub fn state(&self) -> &HotState<S> {
        todo!()
    }

    /// The state, to read through its cache, roll back or forget. An open block is in the way of rolling back: see
    /// [`Executor::abort`].
    pub fn state_mut(&mut self) -> &mut HotState<S> {
        todo!()
    }

    /// Opens a block on the state's tip. A block left open is aborted.
    pub fn begin(&mut self, inputs: HeaderInputs) {
        todo!()
    }

    /// The inputs of the open block.
    pub fn open(&self) -> Option<&HeaderInputs> {
        todo!()
    }

    /// Executes one transaction in the open block and returns its receipt.
    ///
    /// # Panics
    /// If no block is open.
    pub fn execute(&mut self, raw: &[u8], envelope: &TxEnvelope, hash: B256, sender: Address) -> Result<&TxReceipt, ExecuteError<S::Error>> {
        todo!()
    }

    /// Gas used in the open block so far.
    pub fn gas_used(&self) -> u64 {
        todo!()
    }

    /// Bytes of transactions in the open block so far.
    pub fn bytes(&self) -> usize {
        todo!()
    }

    /// Closes the open block: header, hash, commitments, changes.
    ///
    /// # Panics
    /// If no block is open.
    pub fn finish(&mut self, parent: &crate::header::Header, params: &ChainParams) -> ExecutedBlock {
        todo!()
    }

    /// Takes back the open block, if any.
    pub fn abort(&mut self) {
        todo!()
    }
}
