//! Pack turns committed blocks into the bytes that go to L1, and back.
//!
//! Columns, not rows, then zstd. What follows from execution is left out: a reader executes the blocks again ([`rebuild`]) and gets the same headers.

use alloy_primitives::{B256, Bytes};

use crate::execute::{ExecutedBlock, Executor};
use crate::follow::BlockError;
use crate::header::{Block, Header};
use crate::params::ChainParams;
use crate::rules::HeaderChoices;
use crate::state::StateSource;

/// How much a batch may hold when it is read; whoever wrote it is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Compressed bytes.
    pub bytes: usize,
    /// Bytes after decompression, and of all transactions together.
    pub unpacked_bytes: usize,
    /// Blocks.
    pub blocks: usize,
    /// Transactions.
    pub transactions: usize,
}

impl UnpackLimits {
    /// Limits that every batch of a chain with these parameters keeps.
    pub fn new(params: &ChainParams) -> Self {
        todo!()
    }
}

/// A batch on its way to L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBatch {
    /// The bytes for L1.
    pub bytes: Bytes,
    /// Keccak-256 of the bytes.
    pub data_hash: B256,
}

/// A batch read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackedBatch {
    /// Height of the first block.
    pub first_block: u64,
    /// The blocks, in order.
    pub blocks: Vec<UnpackedBlock>,
}

/// What a batch says about one block: all that cannot be worked out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackedBlock {
    /// Header fields that were chosen.
    pub choices: HeaderChoices,
    /// EIP-2718 encodings.
    pub transactions: Vec<Bytes>,
}

/// Why blocks cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No blocks, or they do not follow one another.
    #[error("blocks to pack must follow one another: {0}")]
    NotARun(&'static str),
    /// The compressor failed.
    #[error("zstd: {0}")]
    Zstd(#[from] std::io::Error),
    /// The bytes, read back, are not the blocks: nothing may leave.
    #[error("packed bytes do not read back as the same blocks")]
    Mismatch,
}

/// Why bytes are not a batch.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A version this code does not know.
    #[error("batch version {0} is unknown")]
    Version(u8),
    /// More than the limits allow.
    #[error("{what}: {have} is above the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large.
        have: u64,
        /// The limit.
        limit: u64,
    },
    /// The bytes end early, go on too long, or mean nothing.
    #[error("batch bytes are damaged: {0}")]
    Damaged(&'static str),
    /// The decompressor failed.
    #[error("zstd: {0}")]
    Zstd(#[from] std::io::Error),
}

/// Packs a run of blocks, reads the result back and compares before it returns it.
pub fn pack(blocks: &[Block]) -> Result<PackedBatch, PackError> {
    todo!()
}

/// Reads a batch. Work and memory are bounded by the limits, whatever the bytes.
pub fn unpack(bytes: &[u8], limits: &UnpackLimits) -> Result<UnpackedBatch, UnpackError> {
    todo!()
}

/// Executes an unpacked block above `parent` and so rebuilds its header.
pub fn rebuild<S: StateSource>(executor: &mut Executor<S>, params: &ChainParams, parent: &Header, block: &UnpackedBlock) -> Result<ExecutedBlock, BlockError<S::Error>> {
    todo!()
}
