//! How accounts, receipts and certificates lie on disk.
//!
//! Blocks are RLP as everywhere. Receipts are kept without their blooms (256 bytes each, and cheap to make again).

use alloy_consensus::{Eip658Value, Receipt, ReceiptWithBloom};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, LogData, U256};
use borsh::{BorshDeserialize, BorshSerialize};
use horae_control::Signature;
use horae_stages::{Account, AnyReceipt, ExecutedBlock, TxReceipt};

/// Nonce, big endian; balance, big endian; code hash.
pub(super) fn encode_account(account: &Account) -> [u8; 72] {
    let mut row = [0; 72];
    row[..8].copy_from_slice(&account.nonce.to_be_bytes());
    row[8..40].copy_from_slice(&account.balance.to_be_bytes::<32>());
    row[40..].copy_from_slice(account.code_hash.as_slice());
    row
}

pub(super) fn decode_account(row: &[u8; 72]) -> Account {
    let mut nonce = [0; 8];
    nonce.copy_from_slice(&row[..8]);
    Account {
        nonce: u64::from_be_bytes(nonce),
        balance: U256::from_be_slice(&row[8..40]),
        code_hash: B256::from_slice(&row[40..]),
    }
}

pub(super) fn storage_key(address: &Address, slot: &U256) -> [u8; 52] {
    let mut key = [0; 52];
    key[..20].copy_from_slice(address.as_slice());
    key[20..].copy_from_slice(&slot.to_be_bytes::<32>());
    key
}

pub(super) fn split_storage_key(key: &[u8; 52]) -> (Address, U256) {
    (Address::from_slice(&key[..20]), U256::from_be_slice(&key[20..]))
}

/// What execution gave for a block, and who signed it.
#[derive(BorshSerialize, BorshDeserialize)]
pub(super) struct Outcome {
    pub(super) signature: Option<Signature>,
    pub(super) transactions: Vec<TransactionOutcome>,
}

#[derive(BorshSerialize, BorshDeserialize)]
pub(super) struct TransactionOutcome {
    pub(super) sender: Address,
    kind: u8,
    success: bool,
    cumulative_gas_used: u64,
    gas_used: u64,
    effective_gas_price: u128,
    contract_address: Option<Address>,
    deposit_nonce: Option<u64>,
    logs: Vec<LogRecord>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct LogRecord {
    address: Address,
    topics: Vec<B256>,
    data: Vec<u8>,
}

impl Outcome {
    pub(super) fn of(block: &ExecutedBlock, signature: Option<Signature>) -> Self {
        let transactions = block
            .transactions
            .iter()
            .zip(&block.receipts)
            .map(|(transaction, receipt)| TransactionOutcome {
                sender: transaction.sender,
                kind: receipt.envelope.ty,
                success: receipt.envelope.status(),
                cumulative_gas_used: receipt.envelope.cumulative_gas_used(),
                gas_used: receipt.gas_used,
                effective_gas_price: receipt.effective_gas_price,
                contract_address: receipt.contract_address,
                deposit_nonce: receipt.envelope.deposit_nonce,
                logs: receipt.envelope.logs().iter().map(LogRecord::of).collect(),
            })
            .collect();
        Self { signature, transactions }
    }
}

impl LogRecord {
    fn of(log: &Log) -> Self {
        Self { address: log.address, topics: log.data.topics().to_vec(), data: log.data.data.to_vec() }
    }
}

impl TransactionOutcome {
    /// The receipt it was made from.
    pub(super) fn into_receipt(self) -> TxReceipt {
        let logs = self
            .logs
            .into_iter()
            .map(|log| Log { address: log.address, data: LogData::new_unchecked(log.topics, log.data.into()) })
            .collect();
        let receipt =
            Receipt { status: Eip658Value::Eip658(self.success), cumulative_gas_used: self.cumulative_gas_used, logs };
        let bloom: Bloom = receipt.bloom_slow();
        let receipt = ReceiptWithBloom { receipt, logs_bloom: bloom };
        TxReceipt {
            envelope: AnyReceipt { ty: self.kind, receipt, deposit_nonce: self.deposit_nonce },
            gas_used: self.gas_used,
            effective_gas_price: self.effective_gas_price,
            contract_address: self.contract_address,
        }
    }
}

/// Borsh into memory, which does not fail.
pub(super) fn to_bytes(value: &impl BorshSerialize) -> Bytes {
    borsh::to_vec(value).expect("writing to memory does not fail").into()
}
