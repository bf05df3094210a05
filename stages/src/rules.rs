//! The chain rules: every header field that follows from the parent, and the rules about slots and batches.
//!
//! The page that explains them is `stages/CHAIN.md`. A sequencer fills headers in by these functions and a follower checks
//! headers by the same ones.

use alloy_primitives::{Address, B256, keccak256};
use revm::primitives::hardfork::SpecId;

use crate::header::{Header, L1View};
use crate::params::ChainParams;

/// The Ethereum hard fork whose EVM rules hold.
pub const SPEC: SpecId = SpecId::OSAKA;

/// EIP-1559: the gas target of a block is its limit divided by this.
pub const ELASTICITY: u64 = 2;

/// EIP-1559: the base fee moves by at most one part in this many a block.
pub const BASE_FEE_CHANGE_DENOMINATOR: u64 = 8;

/// What a header says before any transaction has run: all that execution depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderInputs {
    /// Hash of the block below.
    pub parent: B256,
    /// Height.
    pub number: u64,
    /// Epoch of the slot.
    pub epoch: u64,
    /// Term of the slot.
    pub term: u64,
    /// The slot.
    pub slot: u64,
    /// Unix milliseconds.
    pub timestamp_ms: u64,
    /// Control height applied.
    pub control_height: u64,
    /// L1 view applied.
    pub l1_view: L1View,
    /// Base fee in wei a gas.
    pub base_fee: u64,
    /// Gas limit.
    pub gas_limit: u64,
    /// Who is credited the fees.
    pub fee_recipient: Address,
    /// What `PREVRANDAO` returns.
    pub prevrandao: B256,
    /// The block is the last of its slot.
    pub ends_slot: bool,
}

/// The part of [`HeaderInputs`] that does not follow from the parent and the parameters: what the sequencer chooses or the
/// control plane says, and what a batch has to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderChoices {
    /// Epoch of the slot.
    pub epoch: u64,
    /// Term of the slot.
    pub term: u64,
    /// The slot.
    pub slot: u64,
    /// Unix milliseconds.
    pub timestamp_ms: u64,
    /// Control height applied.
    pub control_height: u64,
    /// L1 view applied.
    pub l1_view: L1View,
    /// Who is credited the fees.
    pub fee_recipient: Address,
    /// The block is the last of its slot.
    pub ends_slot: bool,
}

impl HeaderChoices {
    /// What a given header chose.
    pub fn of(header: &Header) -> Self {
        Self {
            epoch: header.epoch,
            term: header.term,
            slot: header.slot,
            timestamp_ms: header.timestamp_ms,
            control_height: header.control_height,
            l1_view: header.l1_view,
            fee_recipient: header.fee_recipient,
            ends_slot: header.ends_slot,
        }
    }

    /// Adds what follows from the parent (whose hash is `parent_hash`) and the parameters.
    pub fn on(self, parent: &Header, parent_hash: B256, params: &ChainParams) -> HeaderInputs {
        HeaderInputs {
            parent: parent_hash,
            number: parent.number + 1,
            epoch: self.epoch,
            term: self.term,
            slot: self.slot,
            timestamp_ms: self.timestamp_ms,
            control_height: self.control_height,
            l1_view: self.l1_view,
            base_fee: next_base_fee(parent, params),
            gas_limit: params.gas_limit,
            fee_recipient: self.fee_recipient,
            prevrandao: next_prevrandao(parent.prevrandao, &self.l1_view),
            ends_slot: self.ends_slot,
        }
    }
}

/// The header fields that say where in which batch a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchFields {
    /// Index of the batch.
    pub batch: u64,
    /// Timestamp of the batch's first block, in milliseconds.
    pub batch_start_ms: u64,
    /// Transaction bytes in the batch up to and including this block.
    pub batch_bytes: u64,
}

/// A header rule that a block breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The block does not name the parent it is checked against.
    #[error("parent hash: have {have}, want {want}")]
    Parent {
        /// In the header.
        have: B256,
        /// The parent's hash.
        want: B256,
    },
    /// A field that follows from the parent has another value.
    #[error("{field}: have {have}, want {want}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// In the header.
        have: String,
        /// By the rules.
        want: String,
    },
    /// A field that never goes down went down.
    #[error("{field} went from {parent} to {have}")]
    WentBack {
        /// Name of the field.
        field: &'static str,
        /// In the parent.
        parent: u64,
        /// In the header.
        have: u64,
    },
    /// Two hashes at one L1 height.
    #[error("l1 view at {number} has another hash than in the parent")]
    L1ViewForked {
        /// The L1 height.
        number: u64,
    },
    /// Epoch, term and slot do not follow the parent's.
    #[error("epoch {epoch}, term {term}, slot {slot} cannot follow the parent's {parent_epoch}, {parent_term}, {parent_slot} (ended: {parent_ended})")]
    Slot {
        /// In the header.
        epoch: u64,
        /// In the header.
        term: u64,
        /// In the header.
        slot: u64,
        /// In the parent.
        parent_epoch: u64,
        /// In the parent.
        parent_term: u64,
        /// In the parent.
        parent_slot: u64,
        /// The parent ended its slot.
        parent_ended: bool,
    },
}

/// The base fee of the block above `parent` (EIP-1559 with elasticity 2, never below the least).
pub fn next_base_fee(parent: &Header, params: &ChainParams) -> u64 {
    todo!()
}

/// What `PREVRANDAO` returns in a block with `l1_view` above a block whose own value is `parent`.
pub fn next_prevrandao(parent: B256, l1_view: &L1View) -> B256 {
    todo!()
}

/// The batch fields of the block above `parent` with this timestamp and sum of transaction encodings.
pub fn next_batch_fields(parent: &Header, timestamp_ms: u64, block_bytes: u64, params: &ChainParams) -> BatchFields {
    todo!()
}

/// Whether the block is the last of its batch. Block 0 is in no batch.
pub fn ends_batch(header: &Header, params: &ChainParams) -> bool {
    todo!()
}

/// Whether a block has to be the last of its slot: `first_ms` is the timestamp of the slot's first block, `count` the number
/// of blocks in the slot with this one, `timestamp_ms` this block's.
pub fn must_end_slot(first_ms: u64, timestamp_ms: u64, count: u64, params: &ChainParams) -> bool {
    todo!()
}

/// Checks every field of `header` that does not take execution.
///
/// Not checked here, for it takes more than the parent: who may seal the slot (the control plane), and whether the slot had
/// to end ([`must_end_slot`]).
pub fn check_header(header: &Header, parent: &Header, parent_hash: B256, block_bytes: u64, params: &ChainParams) -> Result<(), RuleError> {
    todo!()
}
