//! Reading the store: consistent snapshots, and the source that always reads the newest one.

use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use alloy_rlp::Decodable;
use borsh::BorshDeserialize;
use horae_control::{Certificate, Commit, Signature};
use horae_stages::{Account, Block, BlockChanges, BlockTx, ExecutedBlock, Header, StateSource};
use redb::{
    Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, Value,
};

use super::records::{Outcome, decode_account, split_storage_key, storage_key};
use super::tables::*;
use super::{Store, StoreError};
use crate::chain_view::BatchRecord;

/// The store as it was at one height.
pub struct StoreReader {
    path: PathBuf,
    height: u64,
    transaction: ReadTransaction,
    accounts: ReadOnlyTable<[u8; 20], [u8; 72]>,
    storage: ReadOnlyTable<[u8; 52], [u8; 32]>,
    codes: ReadOnlyTable<[u8; 32], &'static [u8]>,
    hashes: ReadOnlyTable<u64, [u8; 32]>,
}

/// A block out of the store.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// The block with its receipts. Its `changes` are empty: they are in the state and not kept apart.
    pub executed: ExecutedBlock,
    /// The sequencer's signature; `None` for a block rebuilt from L1.
    pub signature: Option<Signature>,
}

impl StoreReader {
    pub(super) fn open(path: &Path, db: &Database) -> Result<Self, StoreError> {
        let sort = |e: redb::Error| StoreError::sort(path, e);
        let transaction = db.begin_read().map_err(|e| sort(e.into()))?;
        let meta = transaction.open_table(META).map_err(|e| sort(e.into()))?;
        let height = meta.get(META_HEIGHT).map_err(|e| sort(e.into()))?;
        let height = height.and_then(|v| Some(u64::from_le_bytes(v.value().try_into().ok()?)));
        let height = height.ok_or_else(|| StoreError::corrupt(path, "no height"))?;
        Ok(Self {
            height,
            accounts: transaction.open_table(ACCOUNTS).map_err(|e| sort(e.into()))?,
            storage: transaction.open_table(STORAGE).map_err(|e| sort(e.into()))?,
            codes: transaction.open_table(CODES).map_err(|e| sort(e.into()))?,
            hashes: transaction.open_table(HASHES).map_err(|e| sort(e.into()))?,
            transaction,
            path: path.to_path_buf(),
        })
    }

    /// Height the state stands at.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Lowest height above genesis whose block is kept.
    pub fn lowest_height(&self) -> Result<u64, StoreError> {
        Ok(self.meta_u64(META_LOWEST)?.unwrap_or(1))
    }

    /// Height up to which transactions are found by hash.
    pub(super) fn indexed_height(&self) -> Result<u64, StoreError> {
        Ok(self.meta_u64(META_INDEXED)?.unwrap_or(self.height))
    }

    /// Hash of the block at a height, if it is not above [`StoreReader::height`] nor pruned.
    pub fn hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        Ok(self.hashes.get(number).map_err(|e| self.sort(e))?.map(|v| B256::from(v.value())))
    }

    /// Height of a block.
    pub fn number(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        self.get(NUMBERS, hash.0, Ok)
    }

    /// Where a transaction is: height and index in the block.
    pub fn transaction(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError> {
        self.get(TRANSACTIONS, hash.0, Ok)
    }

    /// The block as it was sealed: for batches and for nodes that catch up.
    pub fn raw_block(&self, number: u64) -> Result<Option<Block>, StoreError> {
        self.get(BLOCKS, number, |bytes| decode_block(bytes).map_err(|e| self.corrupt(number, e)))
    }

    /// The sealed blocks of a range of heights, lowest first, with their sequencers' signatures. Ends at the first that is missing.
    pub fn raw_blocks(&self, range: impl RangeBounds<u64>) -> Result<Vec<(Block, Option<Signature>)>, StoreError> {
        let blocks = self.table(BLOCKS)?;
        let outcomes = self.table(OUTCOMES)?;
        let mut found: Vec<(Block, Option<Signature>)> = Vec::new();
        for row in blocks.range(range).map_err(|e| self.sort(e))? {
            let (number, bytes) = row.map_err(|e| self.sort(e))?;
            let number = number.value();
            let block = decode_block(bytes.value()).map_err(|e| self.corrupt(number, e))?;
            if found.last().is_some_and(|(below, _)| below.header.number + 1 != number) {
                break;
            }
            let signature = match outcomes.get(number).map_err(|e| self.sort(e))? {
                Some(outcome) => decode_signature(outcome.value()).map_err(|e| self.corrupt(number, e))?,
                None => None,
            };
            found.push((block, signature));
        }
        Ok(found)
    }

    /// A header.
    pub fn header(&self, number: u64) -> Result<Option<Header>, StoreError> {
        self.get(BLOCKS, number, |bytes| decode_header(bytes).map_err(|e| self.corrupt(number, e)))
    }

    /// A block with its transactions and receipts.
    pub fn block(&self, number: u64) -> Result<Option<StoredBlock>, StoreError> {
        let Some(block) = self.raw_block(number)? else { return Ok(None) };
        let outcome =
            self.get(OUTCOMES, number, |bytes| Outcome::try_from_slice(bytes).map_err(|e| self.corrupt(number, e)))?;
        let outcome = outcome.ok_or_else(|| self.corrupt(number, "no receipts"))?;
        let hash = self.hash(number)?.ok_or_else(|| self.corrupt(number, "no hash"))?;
        if outcome.transactions.len() != block.transactions.len() {
            return Err(self.corrupt(number, "receipts and transactions differ in number"));
        }
        let mut transactions = Vec::with_capacity(block.transactions.len());
        let mut receipts = Vec::with_capacity(block.transactions.len());
        for (raw, outcome) in block.transactions.iter().zip(outcome.transactions) {
            transactions.push(BlockTx::from_stored(raw, outcome.sender).map_err(|e| self.corrupt(number, e))?);
            receipts.push(outcome.into_receipt());
        }
        let changes = BlockChanges::default();
        let executed = ExecutedBlock { hash, block, transactions, receipts, changes };
        Ok(Some(StoredBlock { executed, signature: outcome.signature }))
    }

    /// The blocks of a range that have logs, lowest first, with the blooms of their logs.
    pub fn log_blooms(&self, range: impl RangeBounds<u64>) -> Result<Vec<(u64, Bloom)>, StoreError> {
        let table = self.table(LOG_BLOOMS)?;
        let rows = table.range(range).map_err(|e| self.sort(e))?;
        rows.map(|row| {
            let (number, bloom) = row.map_err(|e| self.sort(e))?;
            Ok((number.value(), Bloom::from(bloom.value())))
        })
        .collect()
    }

    /// The certificate of a block, if one of its own is kept.
    pub fn certificate(&self, number: u64) -> Result<Option<Certificate>, StoreError> {
        self.get(CERTIFICATES, number, |bytes| borsh::from_slice(bytes).map_err(|e| self.corrupt(number, e)))
    }

    /// The lowest commit at or above a block: what shows the block committed. `None` if a decision committed it.
    pub fn commit(&self, number: u64) -> Result<Option<Commit>, StoreError> {
        let table = self.table(COMMITS)?;
        let mut range = table.range(number..).map_err(|e| self.sort(e))?;
        let Some(row) = range.next() else { return Ok(None) };
        let (_, bytes) = row.map_err(|e| self.sort(e))?;
        borsh::from_slice(bytes.value()).map(Some).map_err(|e| self.corrupt(number, e))
    }

    /// The record of a batch.
    pub fn batch(&self, index: u64) -> Result<Option<BatchRecord>, StoreError> {
        self.get(BATCHES, index, |bytes| borsh::from_slice(bytes).map_err(|e| self.corrupt(index, e)))
    }

    /// Records of batches, lowest first.
    pub fn batches(&self, range: impl RangeBounds<u64>) -> Result<Vec<BatchRecord>, StoreError> {
        let table = self.table(BATCHES)?;
        let rows = table.range(range).map_err(|e| self.sort(e))?;
        rows.map(|row| {
            let (index, bytes) = row.map_err(|e| self.sort(e))?;
            borsh::from_slice(bytes.value()).map_err(|e| self.corrupt(index.value(), e))
        })
        .collect()
    }

    /// The highest batch that L1 accepted.
    pub fn last_batch(&self) -> Result<Option<BatchRecord>, StoreError> {
        let table = self.table(BATCHES)?;
        let Some((index, bytes)) = table.last().map_err(|e| self.sort(e))? else { return Ok(None) };
        borsh::from_slice(bytes.value()).map(Some).map_err(|e| self.corrupt(index.value(), e))
    }

    /// Index of the highest batch that is final on L1.
    pub fn finalized_batch(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.meta_u64(META_FINALIZED_BATCHES)?.and_then(|count| count.checked_sub(1)))
    }

    /// The state root after a batch's last block, once it is computed.
    pub fn state_root(&self, number: u64) -> Result<Option<B256>, StoreError> {
        self.get(ROOTS, number, |v| Ok(B256::from(v)))
    }

    /// Computes the state root at this height from the whole state: the reference for [`super::StateTrie::root_at`].
    pub fn compute_root(&self) -> Result<B256, StoreError> {
        super::roots::compute(self)
    }

    /// How many accounts there are.
    pub(super) fn account_count(&self) -> Result<u64, StoreError> {
        self.accounts.len().map_err(|e| self.sort(e))
    }

    /// Every account, by address.
    pub(super) fn accounts(
        &self,
    ) -> Result<impl Iterator<Item = Result<(Address, Account), StoreError>> + '_, StoreError> {
        let rows = self.accounts.iter().map_err(|e| self.sort(e))?;
        Ok(rows.map(|row| {
            let (address, account) = row.map_err(|e| self.sort(e))?;
            Ok((Address::from(address.value()), decode_account(&account.value())))
        }))
    }

    /// Every storage slot, by address and slot.
    pub(super) fn slots(
        &self,
    ) -> Result<impl Iterator<Item = Result<(Address, U256, U256), StoreError>> + '_, StoreError> {
        let rows = self.storage.iter().map_err(|e| self.sort(e))?;
        Ok(rows.map(|row| {
            let (key, value) = row.map_err(|e| self.sort(e))?;
            let (address, slot) = split_storage_key(&key.value());
            Ok((address, slot, U256::from_be_bytes(value.value())))
        }))
    }

    fn meta_u64(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let value = self.table(META)?.get(key).map_err(|e| self.sort(e))?;
        let Some(value) = value else { return Ok(None) };
        let bytes = value.value().try_into().map_err(|_| StoreError::corrupt(&self.path, format!("bad {key}")))?;
        Ok(Some(u64::from_le_bytes(bytes)))
    }

    pub(super) fn table<K: Key, V: Value>(
        &self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, StoreError> {
        self.transaction.open_table(table).map_err(|e| self.sort(e))
    }

    fn get<'k, K: Key, V: Value, T>(
        &self,
        table: TableDefinition<'static, K, V>,
        key: K::SelfType<'k>,
        decode: impl FnOnce(V::SelfType<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let table = self.table(table)?;
        let value = table.get(key).map_err(|e| self.sort(e))?;
        value.map(|v| decode(v.value())).transpose()
    }

    pub(super) fn sort(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::sort(&self.path, error)
    }

    pub(super) fn corrupt(&self, number: u64, what: impl std::fmt::Display) -> StoreError {
        StoreError::corrupt(&self.path, format!("record {number}: {what}"))
    }
}

impl StateSource for StoreReader {
    type Error = StoreError;

    fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        let row = self.accounts.get(address.into_array()).map_err(|e| self.sort(e))?;
        Ok(row.map(|v| decode_account(&v.value())))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        let row = self.storage.get(storage_key(&address, &slot)).map_err(|e| self.sort(e))?;
        Ok(row.map(|v| U256::from_be_bytes(v.value())).unwrap_or_default())
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        let row = self.codes.get(code_hash.0).map_err(|e| self.sort(e))?;
        Ok(row.map(|v| Bytes::copy_from_slice(v.value())))
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        self.hash(number)
    }
}

/// Reads at the stored height of the moment.
///
/// Two reads may see different heights, so it is a state only for one that has every write above some stored height
/// itself, as `HotState` does. Anybody else wants [`Store::reader`].
#[derive(Clone)]
pub struct LatestState {
    store: Store,
}

impl LatestState {
    pub(super) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl StateSource for LatestState {
    type Error = StoreError;

    fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        self.store.reader().account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        self.store.reader().storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        self.store.reader().code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        self.store.reader().block_hash(number)
    }
}

/// A snapshot that several readers share.
#[derive(Clone)]
pub struct SharedReader(pub Arc<StoreReader>);

impl StateSource for SharedReader {
    type Error = StoreError;

    fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        self.0.account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, StoreError> {
        self.0.storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, StoreError> {
        self.0.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        self.0.block_hash(number)
    }
}

fn decode_block(mut bytes: &[u8]) -> Result<Block, alloy_rlp::Error> {
    Block::decode(&mut bytes)
}

/// The header is the first item of the block's list: the transactions need not be read.
fn decode_header(mut bytes: &[u8]) -> Result<Header, alloy_rlp::Error> {
    alloy_rlp::Header::decode(&mut bytes)?;
    Header::decode(&mut bytes)
}

/// The signature is the first field of the outcome: the receipts need not be read.
fn decode_signature(mut bytes: &[u8]) -> Result<Option<Signature>, std::io::Error> {
    Option::<Signature>::deserialize(&mut bytes)
}
