//! Pack turns committed blocks into the bytes that go to L1, and back.
//!
//! Columns, not rows, then brotli or zstd, as the [`Level`] says. What follows from execution is left out, and so are protocol transactions, which follow from the
//! header and from L1: a reader executes the blocks again ([`rebuild`]) and gets the same headers.

mod blocks;
mod bytes;
mod calldata;
mod columns;
mod frames;
mod level;
mod numbers;
mod table;
mod transactions;

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::Decodable2718;
use alloy_primitives::{B256, Bytes, keccak256};

use self::blocks::Chain;
use self::bytes::{Reader, put_varint};
use self::columns::{Columns, Unpacked};
pub use self::level::{FAST_BACKLOG, Level, MIDDLE_BACKLOG};
use self::transactions::{TxReader, Writer};
use crate::execute::{ExecutedBlock, Executor};
use crate::follow::{self, BadTransaction, BlockError};
use crate::header::{Block, Header};
use crate::params::ChainParams;
use crate::protocol::{self, FromL1};
use crate::rules::{self, HeaderChoices};
use crate::state::StateSource;
use crate::transaction::BlockTx;

/// The version of the format, its first byte.
const VERSION: u8 = 3;

/// The most a block takes in the columns beside its transactions.
const BLOCK_BYTES: usize = 144;

/// The most a transaction takes in the columns, in multiples of its own encoding: all its numbers may be of one byte, and
/// columns give a signature 64.
const EXPANSION: usize = 16;

/// No transaction has a shorter encoding: nine fields, all of one byte.
const SMALLEST_TRANSACTION_BYTES: usize = 10;

/// What the frames themselves take, whatever is in them.
const FRAME_BYTES: usize = 4_096;

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
    /// Limits that every batch of a chain with these parameters keeps: it ends with the block that fills it or, at one block
    /// a millisecond, with its longest interval.
    pub fn new(params: &ChainParams) -> Self {
        let transaction_bytes = params.batch_bytes as usize + params.max_block_bytes;
        Self::holding(transaction_bytes, params.batch_longest_interval_ms as usize + 1)
    }

    /// Limits that every batch of so many bytes of transactions and so many blocks keeps.
    pub fn holding(transaction_bytes: usize, blocks: usize) -> Self {
        let unpacked_bytes = EXPANSION * transaction_bytes + blocks * BLOCK_BYTES + FRAME_BYTES;
        Self {
            bytes: unpacked_bytes,
            unpacked_bytes,
            blocks,
            transactions: transaction_bytes / SMALLEST_TRANSACTION_BYTES + 1,
        }
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
    /// EIP-2718 encodings of what users signed.
    pub transactions: Vec<Bytes>,
}

/// Why blocks cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// No blocks, or they do not follow one another.
    #[error("blocks to pack must follow one another: {0}")]
    NotARun(&'static str),
    /// The compressor failed.
    #[error("compressor: {0}")]
    Compressor(#[from] std::io::Error),
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
    #[error("decompressor: {0}")]
    Decompressor(#[from] std::io::Error),
}

/// Packs a run of blocks. Whoever sends the bytes reads them back first ([`unpack`]) and compares.
///
/// The layout: version, height of the first block, chain id, count of blocks, then the columns ([`columns`]). Each batch can
/// be read alone, and by whoever does not know the level.
pub fn pack(blocks: &[Block], level: Level) -> Result<PackedBatch, PackError> {
    let first = blocks.first().ok_or(PackError::NotARun("there are none"))?.header.number;
    if !blocks.iter().zip(first..).all(|(block, number)| block.header.number == number) {
        return Err(PackError::NotARun("a height is missing"));
    }
    let mut transactions = blocks.iter().flat_map(|block| protocol::signed(&block.transactions));
    let chain_id = transactions.find_map(|raw| chain_id_of(raw)).unwrap_or(0);
    let mut columns = Columns::new();
    let mut chain = Chain::default();
    let mut writer = Writer::default();
    for block in blocks {
        let signed = protocol::signed(&block.transactions);
        chain.put(&mut columns, HeaderChoices::of(&block.header), signed.len());
        signed.iter().for_each(|raw| writer.put(&mut columns, chain_id, raw));
    }
    writer.finish(&mut columns);

    let mut bytes = vec![VERSION];
    put_varint(&mut bytes, first);
    put_varint(&mut bytes, chain_id);
    put_varint(&mut bytes, blocks.len() as u64);
    columns.write(level, &mut bytes)?;
    let bytes = Bytes::from(bytes);
    Ok(PackedBatch { data_hash: keccak256(&bytes), bytes })
}

/// Reads a batch. Work and memory are bounded by the limits, whatever the bytes.
pub fn unpack(bytes: &[u8], limits: &UnpackLimits) -> Result<UnpackedBatch, UnpackError> {
    if bytes.len() > limits.bytes {
        return Err(UnpackError::TooLarge { what: "bytes", have: bytes.len() as u64, limit: limits.bytes as u64 });
    }
    let mut reader = Reader(bytes);
    match reader.byte()? {
        VERSION => {}
        other => return Err(UnpackError::Version(other)),
    }
    let first_block = reader.varint()?;
    let chain_id = reader.varint()?;
    let count = reader.count("blocks", limits.blocks)?;
    if first_block.checked_add(count as u64).is_none() {
        return Err(UnpackError::Damaged("block numbers overflow"));
    }
    let columns = Unpacked::read(&mut reader, limits)?;
    reader.end()?;

    let mut readers = columns.readers();
    let mut chain = Chain::default();
    let mut transactions = TxReader::new(&mut readers, chain_id)?;
    let mut left = limits.transactions;
    let mut budget = limits.unpacked_bytes;
    let mut blocks = Vec::new();
    for _ in 0..count {
        let (choices, count) = chain.next(&mut readers, left)?;
        left -= count;
        let list = (0..count).map(|_| transactions.next(&mut readers, &mut budget));
        blocks.push(UnpackedBlock { choices, transactions: list.collect::<Result<_, _>>()? });
    }
    readers.end()?;
    Ok(UnpackedBatch { first_block, blocks })
}

/// Executes an unpacked block above `parent` and so rebuilds its header. `due` are the encodings of what the L1 blocks above the
/// parent's view, up to this block's, made due, in the order of L1: a batch leaves them out.
///
/// Every header rule is checked, as for a block that another node sealed: a batch that breaks one is refused.
pub fn rebuild<S: StateSource>(
    executor: &mut Executor<S>,
    params: &ChainParams,
    parent: &Header,
    block: &UnpackedBlock,
    due: &[Bytes],
) -> Result<ExecutedBlock, BlockError<S::Error>> {
    let bytes = block.transactions.iter().map(|raw| raw.len()).sum();
    if bytes > params.max_block_bytes {
        return Err(BlockError::Oversized { have: bytes, limit: params.max_block_bytes });
    }
    let bad = |bad: BadTransaction| BlockError::Transaction { index: bad.index, why: bad.why };
    let parent_hash = follow::check_tip(executor, parent)?;
    let inputs = block.choices.clone().on(parent, parent_hash, params);
    let prefix = protocol::prefix(&inputs, parent, due);
    let mut transactions = follow::recover_transactions(&prefix).map_err(bad)?;
    let protocol: Vec<_> = transactions.iter().map_while(BlockTx::as_protocol).collect();
    protocol::check_prefix(&inputs, parent, &protocol, &FromL1::Settled)?;
    follow::recover_signed(&block.transactions, &mut transactions).map_err(bad)?;
    executor.begin(inputs);
    follow::run_all(executor, transactions)?;
    let raw = [prefix, block.transactions.clone()].concat();
    let executed = follow::finish(executor, parent, params, raw)?;
    let checked = rules::check_header(&executed.block.header, parent, parent_hash, bytes as u64, params);
    if checked.is_err() {
        executor.state_mut().rollback_to(parent.number).expect("the block just closed can be taken back");
    }
    checked?;
    Ok(executed)
}

fn chain_id_of(raw: &[u8]) -> Option<u64> {
    TxEnvelope::decode_2718_exact(raw).ok()?.chain_id()
}
