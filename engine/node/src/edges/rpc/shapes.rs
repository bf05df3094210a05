//! Blocks, transactions, receipts and logs in the JSON of Ethereum's clients.
//!
//! The types are alloy's, with what only Horae has beside Ethereum's fields. Quantities are hexadecimal throughout, as
//! libraries expect of `eth_*` objects.

use alloy::network::AnyReceiptEnvelope;
use alloy::rpc::types::{Block, BlockTransactions, Header as RpcHeader, Log, Transaction, TransactionReceipt};
use alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH;
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{Receipt, ReceiptWithBloom, Transaction as _, TxEnvelope};
use alloy_primitives::{Address, B64, B256, Bytes, U64, U128, U256};
use alloy_rlp::Encodable;
use horae_stages::{AnyTx, BlockTx, ProtocolTx, protocol};
use serde::Serialize;

use crate::chain_view::ViewedBlock;

/// A transaction.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum RpcTransaction {
    /// A user signed it.
    Signed(Box<Transaction<TxEnvelope>>),
    /// The protocol's own, with the fields that nodes of the OP Stack show of a deposit.
    Protocol(Box<RpcProtocolTransaction>),
}

/// A protocol transaction. The signature is zero, as nobody signed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcProtocolTransaction {
    r#type: U64,
    hash: B256,
    source_hash: B256,
    from: Address,
    to: Option<Address>,
    mint: U256,
    value: U256,
    gas: U64,
    is_system_tx: bool,
    input: Bytes,
    nonce: U64,
    gas_price: U128,
    deposit_receipt_version: Option<U64>,
    block_hash: Option<B256>,
    block_number: Option<U64>,
    transaction_index: Option<U64>,
    v: U64,
    r: U256,
    s: U256,
}

/// A receipt; that of a protocol transaction also says which nonce its sender had.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RpcReceipt {
    #[serde(flatten)]
    receipt: TransactionReceipt<AnyReceiptEnvelope<Log>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_nonce: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposit_receipt_version: Option<U64>,
}

/// A header: Ethereum's fields, then Horae's.
#[derive(Clone, Debug, Serialize)]
pub struct RpcHead {
    #[serde(flatten)]
    header: RpcHeader,
    #[serde(flatten)]
    horae: HoraeFields,
}

/// A block: Ethereum's fields, then Horae's.
#[derive(Clone, Debug, Serialize)]
pub struct RpcBlock {
    #[serde(flatten)]
    block: Block<RpcTransaction>,
    #[serde(flatten)]
    horae: HoraeFields,
}

/// The header fields that Ethereum does not have.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HoraeFields {
    epoch: U64,
    term: U64,
    slot: U64,
    sequencer: Address,
    timestamp_ms: U64,
    control_height: U64,
    l1_view: L1ViewJson,
    forced: U64,
    changes_hash: B256,
    batch: U64,
    ends_slot: bool,
}

#[derive(Clone, Debug, Serialize)]
struct L1ViewJson {
    number: U64,
    hash: B256,
}

/// `eth_syncing`: `false`, or how far the node is behind.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Syncing {
    /// Not behind, as far as the node knows.
    No(bool),
    /// Behind.
    Behind(SyncProgress),
}

/// How far the node is behind.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncProgress {
    /// Height at which the node began.
    pub starting_block: U64,
    /// The committed head.
    pub current_block: U64,
    /// The highest block that a peer is known to hold.
    pub highest_block: U64,
}

/// `hash` is Horae's own. The state root is zero except in a batch's last block, once it is computed: no other block has one.
pub(super) fn header(block: &ViewedBlock, state_root: B256) -> RpcHeader {
    let ours = block.header();
    let inner = alloy_consensus::Header {
        parent_hash: ours.parent,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: ours.fee_recipient,
        state_root,
        transactions_root: ours.transactions_root,
        receipts_root: ours.receipts_root,
        logs_bloom: block.bloom,
        difficulty: U256::ZERO,
        number: ours.number,
        gas_limit: ours.gas_limit,
        gas_used: ours.gas_used,
        timestamp: ours.timestamp_s(),
        mix_hash: ours.prevrandao,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(ours.base_fee),
        ..Default::default()
    };
    let size = U256::from(block.executed.block.length());
    RpcHeader { hash: block.executed.hash, inner, total_difficulty: None, size: Some(size) }
}

pub(super) fn header_json(block: &ViewedBlock, state_root: B256) -> RpcHead {
    RpcHead { header: header(block, state_root), horae: horae_fields(block) }
}

pub(super) fn block(viewed: &ViewedBlock, full: bool, state_root: B256) -> RpcBlock {
    let transactions = match full {
        true => BlockTransactions::Full(
            (0..viewed.executed.transactions.len()).filter_map(|index| transaction(viewed, index, true)).collect(),
        ),
        false => BlockTransactions::Hashes(viewed.executed.transactions.iter().map(|t| t.hash).collect()),
    };
    let block = Block { header: header(viewed, state_root), uncles: Vec::new(), transactions, withdrawals: None };
    RpcBlock { block, horae: horae_fields(viewed) }
}

fn horae_fields(block: &ViewedBlock) -> HoraeFields {
    let header = block.header();
    HoraeFields {
        epoch: U64::from(header.epoch),
        term: U64::from(header.term),
        slot: U64::from(header.slot),
        sequencer: header.sequencer,
        timestamp_ms: U64::from(header.timestamp_ms),
        control_height: U64::from(header.control_height),
        l1_view: L1ViewJson { number: U64::from(header.l1_view.number), hash: header.l1_view.hash },
        forced: U64::from(header.forced),
        changes_hash: header.changes_hash,
        batch: U64::from(header.batch),
        ends_slot: header.ends_slot,
    }
}

/// `placed` says whether the block counts: before it is committed a transaction has no place.
pub(super) fn transaction(block: &ViewedBlock, index: usize, placed: bool) -> Option<RpcTransaction> {
    let transaction = block.executed.transactions.get(index)?;
    let header = block.header();
    let (block_hash, block_number) = (placed.then_some(block.executed.hash), placed.then_some(header.number));
    let transaction_index = placed.then_some(index as u64);
    let envelope = match &transaction.envelope {
        AnyTx::Signed(envelope) => envelope,
        AnyTx::Protocol(tx) => {
            let receipt = &block.executed.receipts.get(index)?.envelope;
            let shape = protocol_transaction(transaction.hash, tx);
            return Some(RpcTransaction::Protocol(Box::new(RpcProtocolTransaction {
                nonce: U64::from(receipt.deposit_nonce.unwrap_or_default()),
                deposit_receipt_version: receipt.deposit_version().map(U64::from),
                block_hash,
                block_number: block_number.map(U64::from),
                transaction_index: transaction_index.map(U64::from),
                ..shape
            })));
        }
    };
    Some(RpcTransaction::Signed(Box::new(Transaction {
        inner: Recovered::new_unchecked(envelope.clone(), transaction.sender),
        block_hash,
        block_number,
        transaction_index,
        effective_gas_price: Some(envelope.effective_gas_price(Some(header.base_fee))),
        block_timestamp: placed.then_some(header.timestamp_s()),
    })))
}

fn protocol_transaction(hash: B256, tx: &ProtocolTx) -> RpcProtocolTransaction {
    RpcProtocolTransaction {
        r#type: U64::from(protocol::TYPE),
        hash,
        source_hash: tx.source_hash,
        from: tx.from,
        to: tx.to.to().copied(),
        mint: tx.mint,
        value: tx.value,
        gas: U64::from(tx.gas),
        is_system_tx: false,
        input: tx.data.clone(),
        nonce: U64::ZERO,
        gas_price: U128::ZERO,
        deposit_receipt_version: None,
        block_hash: None,
        block_number: None,
        transaction_index: None,
        v: U64::ZERO,
        r: U256::ZERO,
        s: U256::ZERO,
    }
}

/// A transaction that is in no block; `None` if the bytes are none, which they are where they were admitted.
pub(super) fn waiting_transaction(raw: &Bytes) -> Option<RpcTransaction> {
    let BlockTx { envelope, sender, .. } = BlockTx::recover(raw).ok()?;
    let envelope = envelope.signed()?.clone();
    let price = envelope.max_fee_per_gas();
    Some(RpcTransaction::Signed(Box::new(Transaction {
        inner: Recovered::new_unchecked(envelope, sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(price),
        block_timestamp: None,
    })))
}

pub(super) fn receipt(block: &ViewedBlock, index: usize) -> Option<RpcReceipt> {
    let first_log = block.executed.receipts.iter().take(index).map(|r| r.envelope.logs().len()).sum();
    receipt_with(block, index, first_log)
}

pub(super) fn receipts(block: &ViewedBlock) -> Vec<RpcReceipt> {
    let mut first_log = 0;
    let mut found = Vec::with_capacity(block.executed.receipts.len());
    for (index, receipt) in block.executed.receipts.iter().enumerate() {
        found.extend(receipt_with(block, index, first_log));
        first_log += receipt.envelope.logs().len();
    }
    found
}

fn receipt_with(block: &ViewedBlock, index: usize, first_log: usize) -> Option<RpcReceipt> {
    let transaction = block.executed.transactions.get(index)?;
    let receipt = block.executed.receipts.get(index)?;
    let ReceiptWithBloom { receipt: ours, logs_bloom } = &receipt.envelope.receipt;
    let logs = ours.logs.iter().zip(first_log..).map(|(log, at)| place_log(block, index, at, log.clone()));
    let placed = Receipt { status: ours.status, cumulative_gas_used: ours.cumulative_gas_used, logs: logs.collect() };
    let inner = AnyReceiptEnvelope {
        inner: ReceiptWithBloom { receipt: placed, logs_bloom: *logs_bloom },
        r#type: receipt.envelope.ty,
    };
    let ethereum = TransactionReceipt {
        inner,
        transaction_hash: transaction.hash,
        transaction_index: Some(index as u64),
        block_hash: Some(block.executed.hash),
        block_number: Some(block.header().number),
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        blob_gas_used: None,
        blob_gas_price: None,
        from: transaction.sender,
        to: transaction.envelope.kind().to().copied(),
        contract_address: receipt.contract_address,
    };
    Some(RpcReceipt {
        receipt: ethereum,
        deposit_nonce: receipt.envelope.deposit_nonce.map(U64::from),
        deposit_receipt_version: receipt.envelope.deposit_version().map(U64::from),
    })
}

/// All logs of a block with their places, in order.
pub(super) fn logs(block: &ViewedBlock) -> impl Iterator<Item = Log> + '_ {
    let receipts = block.executed.receipts.iter().enumerate();
    let logs = receipts.flat_map(|(index, receipt)| receipt.envelope.logs().iter().map(move |log| (index, log)));
    logs.enumerate().map(|(at, (index, log))| place_log(block, index, at, log.clone()))
}

fn place_log(block: &ViewedBlock, index: usize, at: usize, inner: alloy_primitives::Log) -> Log {
    Log {
        inner,
        block_hash: Some(block.executed.hash),
        block_number: Some(block.header().number),
        block_timestamp: Some(block.header().timestamp_s()),
        transaction_hash: block.executed.transactions.get(index).map(|t| t.hash),
        transaction_index: Some(index as u64),
        log_index: Some(at as u64),
        removed: false,
    }
}
