//! Writing the store. redb allows one write transaction at a time; each of these is one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use alloy_primitives::{Address, B256, Bloom, U256};
use horae_control::{Certificate, Commit, Signature};
use horae_stages::{Account, Block, BlockChanges, ExecutedBlock, Genesis};
use redb::{Database, Durability, ReadableDatabase, Table, WriteTransaction};

use super::records::{Outcome, decode_account, encode_account, storage_key, to_bytes};
use super::tables::*;
use super::{CHANGED_KEPT, PRUNED_AT_ONCE, Store, StoreError, changed, sealed};
use crate::chain_view::BatchRecord;

/// A committed block on its way into the store.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    /// The block.
    pub block: Arc<ExecutedBlock>,
    /// Its sequencer's signature, if there is one.
    pub signature: Option<Signature>,
}

/// What shows a block certified or committed.
#[derive(Clone, Debug)]
pub enum Finality {
    /// A certificate of the block.
    Certified(Arc<Certificate>),
    /// A commit, which contains a certificate.
    Committed(Arc<Commit>),
}

/// Makes the tables and the genesis state in a new file; checks version and chain of an old one.
pub(super) fn check_or_initialise(path: &Path, db: &Database, genesis: &Genesis) -> Result<(), StoreError> {
    let sort = |e: redb::Error| StoreError::sort(path, e);
    let header = genesis.header();
    let hash = header.hash();
    let read = db.begin_read().map_err(|e| sort(e.into()))?;
    match read.open_table(META) {
        Ok(meta) => {
            let schema = meta.get(META_SCHEMA).map_err(|e| sort(e.into()))?;
            let found = schema.and_then(|v| Some(u64::from_le_bytes(v.value().try_into().ok()?)));
            let found = found.ok_or_else(|| StoreError::corrupt(path, "no layout version"))?;
            if found != SCHEMA_VERSION {
                return Err(StoreError::Schema { path: path.to_path_buf(), found, want: SCHEMA_VERSION });
            }
            let found = meta.get(META_GENESIS).map_err(|e| sort(e.into()))?;
            let found = found.and_then(|v| B256::try_from(v.value()).ok());
            let found = found.ok_or_else(|| StoreError::corrupt(path, "no genesis hash"))?;
            if found != hash {
                return Err(StoreError::OtherChain { path: path.to_path_buf(), found, want: hash });
            }
            match read.open_table(CHANGED) {
                Ok(_) => Ok(()),
                Err(redb::TableError::TableDoesNotExist(_)) => {
                    let write = db.begin_write().map_err(|e| sort(e.into()))?;
                    write.open_table(CHANGED).map_err(|e| sort(e.into()))?;
                    write.commit().map_err(|e| sort(e.into()))
                }
                Err(e) => Err(sort(e.into())),
            }
        }
        Err(redb::TableError::TableDoesNotExist(_)) => {
            drop(read);
            let mut write = db.begin_write().map_err(|e| sort(e.into()))?;
            write.set_quick_repair(true);
            initialise(&write, genesis, header, hash).map_err(sort)?;
            write.commit().map_err(|e| sort(e.into()))
        }
        Err(e) => Err(sort(e.into())),
    }
}

fn initialise(
    write: &WriteTransaction,
    genesis: &Genesis,
    header: horae_stages::Header,
    hash: B256,
) -> Result<(), redb::Error> {
    write.open_table(CERTIFICATES)?;
    write.open_table(COMMITS)?;
    write.open_table(BATCHES)?;
    write.open_table(ROOTS)?;
    write.open_table(TRANSACTIONS)?;
    let mut meta = write.open_table(META)?;
    meta.insert(META_SCHEMA, SCHEMA_VERSION.to_le_bytes().as_slice())?;
    meta.insert(META_GENESIS, hash.as_slice())?;
    meta.insert(META_HEIGHT, 0u64.to_le_bytes().as_slice())?;
    meta.insert(META_INDEXED, 0u64.to_le_bytes().as_slice())?;
    let block = ExecutedBlock {
        hash,
        block: Block { header, transactions: Vec::new() },
        transactions: Vec::new(),
        receipts: Vec::new(),
        changes: genesis.changes(),
    };
    Tables::open(write)?.put(&block, None)?;
    Ok(())
}

/// The tables that every block touches, open in one write transaction.
struct Tables<'t> {
    accounts: Table<'t, [u8; 20], [u8; 72]>,
    storage: Table<'t, [u8; 52], [u8; 32]>,
    codes: Table<'t, [u8; 32], &'static [u8]>,
    blocks: Table<'t, u64, &'static [u8]>,
    hashes: Table<'t, u64, [u8; 32]>,
    outcomes: Table<'t, u64, &'static [u8]>,
    log_blooms: Table<'t, u64, [u8; 256]>,
    numbers: Table<'t, [u8; 32], u64>,
    sealed: Table<'t, (u64, [u8; 20]), u64>,
    changed: Table<'t, u64, &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            accounts: write.open_table(ACCOUNTS)?,
            storage: write.open_table(STORAGE)?,
            codes: write.open_table(CODES)?,
            blocks: write.open_table(BLOCKS)?,
            hashes: write.open_table(HASHES)?,
            outcomes: write.open_table(OUTCOMES)?,
            log_blooms: write.open_table(LOG_BLOOMS)?,
            numbers: write.open_table(NUMBERS)?,
            sealed: write.open_table(SEALED)?,
            changed: write.open_table(CHANGED)?,
        })
    }

    /// Puts a block and its changes in; gives the values from before.
    fn put(&mut self, executed: &ExecutedBlock, signature: Option<Signature>) -> Result<BlockChanges, redb::Error> {
        let number = executed.block.header.number;
        let mut undo = BlockChanges::default();
        for (address, account) in &executed.changes.accounts {
            undo.accounts.push((*address, self.put_account(address, account.as_ref())?));
        }
        for ((address, slot), value) in &executed.changes.storage {
            undo.storage.push(((*address, *slot), self.put_slot(address, slot, value)?));
        }
        for (hash, code) in &executed.changes.codes {
            self.codes.insert(hash.0, code.as_ref())?;
        }
        self.changed.insert(number, changed::encode(&executed.changes).as_slice())?;
        if let Some(old) = number.checked_sub(CHANGED_KEPT) {
            self.changed.remove(old)?;
        }
        // Nobody sealed the genesis block.
        if number > 0 {
            sealed::count(&mut self.sealed, &executed.block.header)?;
        }
        self.blocks.insert(number, alloy_rlp::encode(&executed.block).as_slice())?;
        self.hashes.insert(number, executed.hash.0)?;
        self.outcomes.insert(number, to_bytes(&Outcome::of(executed, signature)).as_ref())?;
        let mut bloom = Bloom::ZERO;
        let logged = executed.receipts.iter().filter(|receipt| !receipt.envelope.logs().is_empty());
        logged.for_each(|receipt| bloom.accrue_bloom(receipt.envelope.logs_bloom()));
        if !bloom.is_zero() {
            self.log_blooms.insert(number, bloom.into_array())?;
        }
        self.numbers.insert(executed.hash.0, number)?;
        Ok(undo)
    }

    fn put_account(&mut self, address: &Address, account: Option<&Account>) -> Result<Option<Account>, redb::Error> {
        let before = match account {
            Some(account) => self.accounts.insert(address.into_array(), encode_account(account))?,
            None => self.accounts.remove(address.into_array())?,
        };
        Ok(before.map(|v| decode_account(&v.value())))
    }

    fn put_slot(&mut self, address: &Address, slot: &U256, value: &U256) -> Result<U256, redb::Error> {
        let key = storage_key(address, slot);
        let before = match value.is_zero() {
            false => self.storage.insert(key, value.to_be_bytes::<32>())?,
            true => self.storage.remove(key)?,
        };
        Ok(before.map(|v| U256::from_be_bytes(v.value())).unwrap_or_default())
    }
}

pub(super) fn apply(
    store: &Store,
    blocks: &[CommittedBlock],
    proofs: &[Finality],
) -> Result<Vec<Arc<BlockChanges>>, StoreError> {
    if blocks.is_empty() && proofs.is_empty() {
        return Ok(Vec::new());
    }
    let mut stored = store.stored_height();
    let mut parent = store.reader().hash(stored)?;
    for CommittedBlock { block, .. } in blocks {
        let header = &block.block.header;
        if header.number != stored + 1 || Some(header.parent) != parent {
            return Err(StoreError::Gap { stored, given: header.number });
        }
        (stored, parent) = (header.number, Some(block.hash));
    }
    let undo = write(store, Durability::None, |write| {
        let mut tables = Tables::open(write)?;
        let put = |b: &CommittedBlock| tables.put(&b.block, b.signature).map(Arc::new);
        let undo = blocks.iter().map(put).collect::<Result<Vec<_>, redb::Error>>()?;
        put_proofs(write, proofs)?;
        write.open_table(META)?.insert(META_HEIGHT, stored.to_le_bytes().as_slice())?;
        Ok(undo)
    })?;
    store.publish()?;
    Ok(undo)
}

pub(super) fn index<'a>(store: &Store, blocks: impl Iterator<Item = &'a ExecutedBlock>) -> Result<(), StoreError> {
    let (mut places, mut highest) = (Vec::new(), 0);
    for block in blocks {
        let number = block.block.header.number;
        highest = number;
        places.extend(block.transactions.iter().zip(0u32..).map(|(tx, index)| (tx.hash.0, (number, index))));
    }
    if places.is_empty() {
        store.shared.indexed.fetch_max(highest, Ordering::AcqRel);
        return Ok(());
    }
    places.sort_unstable_by_key(|(hash, _)| *hash);
    write(store, Durability::None, |write| {
        let mut transactions = write.open_table(TRANSACTIONS)?;
        for (hash, place) in &places {
            transactions.insert(hash, place)?;
        }
        Ok(())
    })?;
    store.shared.indexed.fetch_max(highest, Ordering::AcqRel);
    store.publish()
}

pub(super) fn flush(store: &Store) -> Result<(), StoreError> {
    let height = store.stored_height();
    let indexed = store.shared.indexed.load(Ordering::Acquire);
    write(store, Durability::Immediate, |write| {
        write.open_table(META)?.insert(META_INDEXED, indexed.to_le_bytes().as_slice())?;
        Ok(())
    })?;
    store.shared.durable.fetch_max(height, Ordering::AcqRel);
    Ok(())
}

fn put_proofs(write: &WriteTransaction, proofs: &[Finality]) -> Result<(), redb::Error> {
    let mut certificates = write.open_table(CERTIFICATES)?;
    let mut commits = write.open_table(COMMITS)?;
    for proof in proofs {
        match proof {
            Finality::Certified(certificate) => {
                certificates.insert(certificate.block.number, to_bytes(certificate.as_ref()).as_ref())?;
            }
            Finality::Committed(commit) => {
                commits.insert(commit.block().number, to_bytes(commit.as_ref()).as_ref())?;
            }
        }
    }
    Ok(())
}

pub(super) fn record_batch(store: &Store, batch: &BatchRecord) -> Result<(), StoreError> {
    write(store, Durability::None, |write| {
        write.open_table(BATCHES)?.insert(batch.index, to_bytes(batch).as_ref())?;
        Ok(())
    })?;
    store.publish()
}

pub(super) fn drop_batches(store: &Store, from: u64) -> Result<(), StoreError> {
    write(store, Durability::None, |write| Ok(write.open_table(BATCHES)?.retain_in(from.., |_, _| false)?))?;
    store.publish()
}

pub(super) fn record_finalized(store: &Store, batch: u64) -> Result<(), StoreError> {
    write(store, Durability::None, |write| {
        let count = batch.saturating_add(1).to_le_bytes();
        write.open_table(META)?.insert(META_FINALIZED_BATCHES, count.as_slice())?;
        Ok(())
    })?;
    store.publish()
}

pub(super) fn record_root(store: &Store, number: u64, root: B256) -> Result<(), StoreError> {
    write(store, Durability::None, |write| {
        write.open_table(ROOTS)?.insert(number, root.0)?;
        Ok(())
    })?;
    store.publish()
}

pub(super) fn forget_changed(store: &Store, height: u64) -> Result<(), StoreError> {
    write(store, Durability::None, |write| Ok(write.open_table(CHANGED)?.retain_in(..=height, |_, _| false)?))
}

pub(super) fn prune(store: &Store, height: u64) -> Result<u64, StoreError> {
    let reader = store.reader();
    let lowest = reader.lowest_height()?;
    let end = height.min(reader.height()).min(lowest.saturating_add(PRUNED_AT_ONCE));
    if end <= lowest {
        return Ok(0);
    }
    let (mut blocks, mut hashes) = (Vec::new(), Vec::new());
    for number in lowest..end {
        let Some(block) = reader.raw_block(number)? else { continue };
        blocks.push(block.header.hash().0);
        hashes.extend(block.transactions.iter().map(|raw| alloy_primitives::keccak256(raw).0));
    }
    // In order, as they went in: one after the other in the same page.
    hashes.sort_unstable();
    write(store, Durability::None, |write| {
        let mut numbers = write.open_table(NUMBERS)?;
        let mut transactions = write.open_table(TRANSACTIONS)?;
        for hash in &blocks {
            numbers.remove(hash)?;
        }
        for hash in &hashes {
            transactions.remove(hash)?;
        }
        write.open_table(BLOCKS)?.retain_in(lowest..end, |_, _| false)?;
        write.open_table(OUTCOMES)?.retain_in(lowest..end, |_, _| false)?;
        write.open_table(LOG_BLOOMS)?.retain_in(lowest..end, |_, _| false)?;
        write.open_table(CERTIFICATES)?.retain_in(lowest..end, |_, _| false)?;
        write.open_table(COMMITS)?.retain_in(lowest..end, |_, _| false)?;
        write.open_table(HASHES)?.retain_in(1..end.saturating_sub(horae_stages::limits::BLOCK_HASHES), |_, _| false)?;
        write.open_table(META)?.insert(META_LOWEST, end.to_le_bytes().as_slice())?;
        Ok(())
    })?;
    store.publish()?;
    Ok(end - lowest)
}

/// One write transaction, committed if `fill` succeeds.
fn write<T>(
    store: &Store,
    durability: Durability,
    fill: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
) -> Result<T, StoreError> {
    let mut write = store.shared.db.begin_write().map_err(|e| store.sort(e))?;
    write.set_durability(durability).map_err(|e| store.sort(e))?;
    if matches!(durability, Durability::Immediate) {
        write.set_quick_repair(true);
    }
    let filled = fill(&write).map_err(|e| store.sort(e))?;
    write.commit().map_err(|e| store.sort(e))?;
    Ok(filled)
}
