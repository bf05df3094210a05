//! The transactions of the data folder, and the batches they are cut into.

use std::path::PathBuf;

use alloy_consensus::{Transaction, TxEnvelope};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, hex};
use horae_stages::{Block, Header, L1View};

/// Transactions a block.
const BLOCK_TRANSACTIONS: usize = 40;

/// Milliseconds between blocks.
const BLOCK_MS: u64 = 1_000;

/// The chain of the data.
pub const CHAIN_ID: u64 = 1;

/// Blocks that go to L1 together.
#[derive(Debug)]
pub struct Batch {
    /// The blocks.
    pub blocks: Vec<Block>,
    /// All transactions' encodings, end to end: what codecs over raw bytes get.
    pub raw: Vec<u8>,
    /// How many transactions there are.
    pub transactions: usize,
}

/// The EIP-2718 encodings of all transactions but those of the blob type, in the order of the chain.
///
/// # Panics
/// Without the data folder beside the repository, or `HORAE_DATA` that names it.
pub fn transactions() -> Vec<Bytes> {
    let folder = std::env::var_os("HORAE_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = folder.join("mainnet-transactions.jsonl.zst");
    let file =
        std::fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}; set HORAE_DATA to its folder", path.display()));
    let text = zstd::decode_all(file.as_slice()).expect("the data file is a zstd frame");
    let text = String::from_utf8(text).expect("the data file is text");
    let raw = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).expect("each line is a JSON object");
        let raw = row["raw"].as_str().expect("each line has the encoding");
        Bytes::from(hex::decode(raw).expect("an encoding is in hex"))
    };
    text.lines().map(raw).filter(|raw| raw[0] != 3).collect()
}

/// How much calldata a transaction has.
pub fn calldata_bytes(raw: &[u8]) -> usize {
    TxEnvelope::decode_2718_exact(raw).expect("the data is valid").input().len()
}

/// Cuts transactions into blocks of 40, and those into batches that end, as the chain's do, with the block that brings
/// them to `bytes`.
pub fn batches(transactions: &[Bytes], bytes: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut blocks = Vec::new();
    let mut raw = Vec::new();
    let last = transactions.len().div_ceil(BLOCK_TRANSACTIONS);
    for (number, transactions) in (1..).zip(transactions.chunks(BLOCK_TRANSACTIONS)) {
        blocks.push(Block { header: header(number as u64), transactions: transactions.to_vec() });
        transactions.iter().for_each(|one| raw.extend_from_slice(one));
        if raw.len() >= bytes || number == last {
            let count = blocks.iter().map(|block: &Block| block.transactions.len()).sum();
            batches.push(Batch {
                blocks: std::mem::take(&mut blocks),
                raw: std::mem::take(&mut raw),
                transactions: count,
            });
        }
    }
    batches
}

fn header(number: u64) -> Header {
    Header {
        parent: B256::ZERO,
        number,
        epoch: 1,
        term: 3,
        slot: number / 150,
        sequencer: Address::repeat_byte(1),
        timestamp_ms: 1_700_000_000_000 + BLOCK_MS * number,
        control_height: 7,
        l1_view: L1View { number: 20_000_000, hash: B256::repeat_byte(2) },
        forced: 0,
        base_fee: 0,
        gas_limit: 0,
        gas_used: 0,
        fee_recipient: Address::repeat_byte(3),
        prevrandao: B256::ZERO,
        transactions_root: B256::ZERO,
        receipts_root: B256::ZERO,
        changes_hash: B256::ZERO,
        batch: 0,
        batch_start_ms: 0,
        batch_bytes: 0,
        ends_slot: number % 150 == 149,
    }
}
