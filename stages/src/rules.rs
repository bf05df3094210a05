//! The chain rules: every header field that follows from the parent, and the rules about slots and batches.
//!
//! The page that explains them is `stages/CHAIN.md`. A sequencer fills headers in by these functions and a follower checks
//! headers by the same ones.

use alloy_eips::eip1559::BaseFeeParams;
use alloy_primitives::{Address, B256, keccak256};
use revm::primitives::hardfork::SpecId;

use crate::header::{Header, L1View};
use crate::params::ChainParams;

/// The Ethereum hard fork whose EVM rules hold.
pub const SPEC: SpecId = SpecId::OSAKA;

/// EIP-1559: the gas target of a block is half its limit, and the base fee moves by at most an eighth a block.
const BASE_FEE: BaseFeeParams = BaseFeeParams { max_change_denominator: 8, elasticity_multiplier: 2 };

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
    /// Signer address of who leads the slot.
    pub sequencer: Address,
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

impl HeaderInputs {
    /// What a given header said before its transactions ran.
    pub fn of(header: &Header) -> Self {
        Self {
            parent: header.parent,
            number: header.number,
            epoch: header.epoch,
            term: header.term,
            slot: header.slot,
            sequencer: header.sequencer,
            timestamp_ms: header.timestamp_ms,
            control_height: header.control_height,
            l1_view: header.l1_view,
            base_fee: header.base_fee,
            gas_limit: header.gas_limit,
            fee_recipient: header.fee_recipient,
            prevrandao: header.prevrandao,
            ends_slot: header.ends_slot,
        }
    }
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
    /// Signer address of who leads the slot.
    pub sequencer: Address,
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
            sequencer: header.sequencer,
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
            sequencer: self.sequencer,
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
    #[error(
        "epoch {epoch}, term {term}, slot {slot} cannot follow the parent's {parent_epoch}, {parent_term}, {parent_slot} (ended: {parent_ended})"
    )]
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
    if parent.number == 0 {
        return params.initial_base_fee.max(params.min_base_fee);
    }
    BASE_FEE.next_block_base_fee(parent.gas_used, parent.gas_limit, parent.base_fee).max(params.min_base_fee)
}

/// What `PREVRANDAO` returns in a block with `l1_view` above a block whose own value is `parent`.
pub fn next_prevrandao(parent: B256, l1_view: &L1View) -> B256 {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(parent.as_slice());
    bytes[32..].copy_from_slice(l1_view.hash.as_slice());
    keccak256(bytes)
}

/// The batch fields of the block above `parent` with this timestamp and sum of transaction encodings.
pub fn next_batch_fields(parent: &Header, timestamp_ms: u64, block_bytes: u64, params: &ChainParams) -> BatchFields {
    if parent.number == 0 || ends_batch(parent, params) {
        let batch = if parent.number == 0 { parent.batch } else { parent.batch + 1 };
        return BatchFields { batch, batch_start_ms: timestamp_ms, batch_bytes: block_bytes };
    }
    BatchFields {
        batch: parent.batch,
        batch_start_ms: parent.batch_start_ms,
        batch_bytes: parent.batch_bytes.saturating_add(block_bytes),
    }
}

/// Whether the block is the last of its batch. Block 0 is in no batch.
pub fn ends_batch(header: &Header, params: &ChainParams) -> bool {
    if header.number == 0 {
        return false;
    }
    let age_ms = header.timestamp_ms.saturating_sub(header.batch_start_ms);
    header.batch_bytes >= params.batch_bytes
        || (header.batch_bytes > 0 && age_ms >= params.batch_interval_ms)
        || age_ms >= params.batch_longest_interval_ms
}

/// Whether a block has to be the last of its slot: `first_ms` is the timestamp of the slot's first block, `count` the number
/// of blocks in the slot with this one, `timestamp_ms` this block's.
pub fn must_end_slot(first_ms: u64, timestamp_ms: u64, count: u64, params: &ChainParams) -> bool {
    count >= params.slot_blocks || timestamp_ms.saturating_sub(first_ms) >= params.slot_ms
}

/// Checks every field of `header` that does not take execution.
///
/// Not checked here, for it takes more than the parent: who may seal the slot (the control plane), and whether the slot had
/// to end ([`must_end_slot`]).
pub fn check_header(
    header: &Header,
    parent: &Header,
    parent_hash: B256,
    block_bytes: u64,
    params: &ChainParams,
) -> Result<(), RuleError> {
    if header.parent != parent_hash {
        return Err(RuleError::Parent { have: header.parent, want: parent_hash });
    }
    let forward =
        |field, have, parent| if have < parent { Err(RuleError::WentBack { field, parent, have }) } else { Ok(()) };
    forward("timestamp_ms", header.timestamp_ms, parent.timestamp_ms)?;
    forward("control_height", header.control_height, parent.control_height)?;
    forward("l1_view.number", header.l1_view.number, parent.l1_view.number)?;
    forward("forced", header.forced, parent.forced)?;
    if header.l1_view.number == parent.l1_view.number && header.l1_view.hash != parent.l1_view.hash {
        return Err(RuleError::L1ViewForked { number: header.l1_view.number });
    }
    check_slot(header, parent)?;
    let want = HeaderChoices::of(header).on(parent, parent_hash, params);
    let batch = next_batch_fields(parent, header.timestamp_ms, block_bytes, params);
    equal("number", header.number, want.number)?;
    equal("base_fee", header.base_fee, want.base_fee)?;
    equal("gas_limit", header.gas_limit, want.gas_limit)?;
    equal("prevrandao", header.prevrandao, want.prevrandao)?;
    equal("batch", header.batch, batch.batch)?;
    equal("batch_start_ms", header.batch_start_ms, batch.batch_start_ms)?;
    equal("batch_bytes", header.batch_bytes, batch.batch_bytes)
}

/// A slot goes on until a block ends it; then a later one follows. A later term starts with a later slot, wherever it finds
/// the one before. Above block 0 anything may start.
fn check_slot(header: &Header, parent: &Header) -> Result<(), RuleError> {
    let fits = if parent.number == 0 {
        true
    } else if header.term == parent.term {
        let in_turn = if parent.ends_slot { header.slot > parent.slot } else { header.slot == parent.slot };
        in_turn && header.epoch == parent.epoch
    } else {
        header.term > parent.term && header.epoch >= parent.epoch && header.slot > parent.slot
    };
    if fits {
        return Ok(());
    }
    Err(RuleError::Slot {
        epoch: header.epoch,
        term: header.term,
        slot: header.slot,
        parent_epoch: parent.epoch,
        parent_term: parent.term,
        parent_slot: parent.slot,
        parent_ended: parent.ends_slot,
    })
}

pub(crate) fn equal<T: PartialEq + ToString>(field: &'static str, have: T, want: T) -> Result<(), RuleError> {
    if have == want {
        return Ok(());
    }
    Err(RuleError::Field { field, have: have.to_string(), want: want.to_string() })
}
