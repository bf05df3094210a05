//! The state trie: what the state root at a batch boundary is made from, kept in a redb file beside the store's so that writing it
//! never holds up the store's one writer.
//!
//! It stands at some height and names that block. [`StateTrie::root_at`] brings it to the height of a snapshot of the store: it
//! walks the paths of what the blocks in between changed ([`super::tables::CHANGED`]) and of nothing else. If it cannot (a new file,
//! one of another chain or layout, changes no longer kept), it is built from the whole state, once, which is logged and counted.
//!
//! Like the store it is a checkpoint: [`StateTrie::root_at`] does not sync, [`StateTrie::sync`] does, after the store has made the same
//! height durable. So a crash never leaves it ahead of the store, and what it lacks is in the store.

mod build;
mod records;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::B256;
use horae_stages::StateSource;
use redb::{Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};
use tracing::{info, warn};

use super::changed::ChangedKeys;
use super::{StoreError, StoreReader, disk};
use records::Tables;

/// Layout of the file. One of another version is made again, from the store.
const TRIE_VERSION: u64 = 1;

/// Keys that changes are taken of at once, at most; were there more, the trie is built anew. Some 200 bytes of memory each.
pub const CATCH_UP_KEYS: usize = 1 << 20;

/// [`TRIE_VERSION`], height, block hash, root: where the trie stands. Missing while it is being built.
const STANDS: TableDefinition<'static, (), (u64, u64, [u8; 32], [u8; 32])> = TableDefinition::new("stands");

/// The trie. One thread uses it.
pub struct StateTrie {
    path: PathBuf,
    db: Database,
    stands: Option<Stands>,
    /// It stands where a crash would not leave it.
    unsynced: bool,
    durable: Arc<AtomicU64>,
}

/// A state root and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootWork {
    /// The root.
    pub root: B256,
    /// Accounts and slots that changed since the root before, or all of them if the trie was built anew.
    pub keys: u64,
    /// Branches written.
    pub branches: u64,
    /// Built from the whole state, and why.
    pub rebuilt: Option<Rebuilt>,
}

/// Why a trie was built from the whole state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// There was none, or it had another layout.
    New,
    /// It stood above the store or on another chain: an old copy was put back, or the node made again.
    OtherChain,
    /// The store does not have what changed since, or it is too much to take at once.
    FarBehind,
    /// Its file does not hang together.
    Damaged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stands {
    height: u64,
    hash: B256,
    root: B256,
}

impl Rebuilt {
    /// One word, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::OtherChain => "other_chain",
            Self::FarBehind => "far_behind",
            Self::Damaged => "damaged",
        }
    }
}

impl StateTrie {
    /// Opens the trie that belongs to the store at `store`; a file that cannot be read as one is made anew, and logged.
    ///
    /// # Errors
    /// The file is in use, or the disk refuses.
    pub fn open(store: &Path, cache_bytes: usize) -> Result<Self, StoreError> {
        let path = path_of(store);
        let db = match disk::open(&path, cache_bytes, "trie") {
            Err(error @ StoreError::Corrupt { .. }) => {
                warn!(%error, "the state trie is made again");
                remade(&path, cache_bytes)?
            }
            opened => opened?,
        };
        let trie = Self { path, db, stands: None, unsynced: false, durable: Arc::default() };
        let stands = trie.read_stands()?;
        trie.durable.store(stands.map_or(0, |stands| stands.height), Ordering::Release);
        Ok(Self { stands, ..trie })
    }

    /// Height whose trie a crash would leave; what changed up to it need not be kept.
    pub fn durable_height(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// [`StateTrie::durable_height`] for another thread.
    pub fn durable_mark(&self) -> Arc<AtomicU64> {
        self.durable.clone()
    }

    /// The root of the state that `reader` sees. The trie stands at its height then.
    ///
    /// # Errors
    /// The store's file or the trie's; a damaged trie is built anew first.
    pub fn root_at(&mut self, reader: &StoreReader) -> Result<RootWork, StoreError> {
        let why = match self.changes_to(reader)? {
            Ok(changed) if changed.to == changed.from => {
                return Ok(RootWork { root: changed.root, keys: 0, branches: 0, rebuilt: None });
            }
            Ok(changed) => match self.advance(reader, &changed.keys) {
                Err(StoreError::Corrupt { path, what }) if path == self.path => {
                    warn!(path = %path.display(), what, "the state trie is damaged");
                    Rebuilt::Damaged
                }
                advanced => return advanced,
            },
            Err(why) => why,
        };
        self.rebuild(reader, why)
    }

    /// Makes the trie durable where it stands. Only once the store is durable there.
    ///
    /// # Errors
    /// The disk.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let Some(stands) = self.stands.filter(|_| self.unsynced) else { return Ok(()) };
        self.write(Durability::Immediate, |_| Ok(()))?;
        self.durable.store(stands.height, Ordering::Release);
        self.unsynced = false;
        Ok(())
    }

    /// What changed from where the trie stands to where the reader does, or why that is not known.
    fn changes_to(&self, reader: &StoreReader) -> Result<Result<Changed, Rebuilt>, StoreError> {
        let Some(Stands { height, hash, root }) = self.stands else { return Ok(Err(Rebuilt::New)) };
        if height > reader.height() || reader.hash(height)? != Some(hash) {
            return Ok(Err(Rebuilt::OtherChain));
        }
        let keys = reader.changed(height + 1, CATCH_UP_KEYS)?;
        Ok(keys.map(|keys| Changed { from: height, to: reader.height(), root, keys }).ok_or(Rebuilt::FarBehind))
    }

    fn advance(&mut self, reader: &StoreReader, keys: &ChangedKeys) -> Result<RootWork, StoreError> {
        let (stands, branches) = self.write(Durability::None, |write| {
            let mut tables = Tables::open(write, &self.path)?;
            for slots in keys.slots.chunk_by(|(a, _), (b, _)| a == b) {
                let Some((address, _)) = slots.first() else { continue };
                let slots = slots.iter().map(|(_, slot)| Ok((*slot, reader.storage(*address, *slot)?)));
                tables.change_slots(reader, address, slots.collect::<Result<Vec<_>, StoreError>>()?)?;
            }
            let accounts = keys.accounts.iter().map(|address| tables.account_change(reader, address));
            let accounts = accounts.collect::<Result<Vec<_>, StoreError>>()?;
            let root = tables.change_accounts(reader, accounts)?;
            let branches = tables.written;
            drop(tables);
            Ok((self.put_stands(write, reader, root)?, branches))
        })?;
        (self.stands, self.unsynced) = (Some(stands), true);
        let keys = (keys.accounts.len() + keys.slots.len()) as u64;
        Ok(RootWork { root: stands.root, keys, branches, rebuilt: None })
    }

    fn rebuild(&mut self, reader: &StoreReader, why: Rebuilt) -> Result<RootWork, StoreError> {
        self.stands = None;
        let accounts = reader.account_count()?;
        info!(
            why = why.label(),
            accounts,
            height = reader.height(),
            "the state trie is built from the whole state, once"
        );
        let built = build::build(self, reader)?;
        let stands = self.write(Durability::None, |write| self.put_stands(write, reader, built.root))?;
        (self.stands, self.unsynced) = (Some(stands), true);
        self.durable.store(0, Ordering::Release);
        info!(root = %built.root, keys = built.keys, branches = built.branches, "the state trie is built");
        Ok(RootWork { rebuilt: Some(why), ..built })
    }

    fn put_stands(&self, write: &WriteTransaction, reader: &StoreReader, root: B256) -> Result<Stands, StoreError> {
        let height = reader.height();
        let hash = reader.hash(height)?.ok_or(StoreError::Gap { stored: height, given: height })?;
        let mut table = write.open_table(STANDS).map_err(|e| self.sort(e))?;
        table.insert((), (TRIE_VERSION, height, hash.0, root.0)).map_err(|e| self.sort(e))?;
        Ok(Stands { height, hash, root })
    }

    fn read_stands(&self) -> Result<Option<Stands>, StoreError> {
        let read = self.db.begin_read().map_err(|e| self.sort(e))?;
        let table = match read.open_table(STANDS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            opened => opened.map_err(|e| self.sort(e))?,
        };
        let row = table.get(()).map_err(|e| self.sort(e))?.map(|row| row.value());
        let stands = row.filter(|(version, ..)| *version == TRIE_VERSION);
        Ok(stands.map(|(_, height, hash, root)| Stands { height, hash: hash.into(), root: root.into() }))
    }

    /// One write transaction, committed if `fill` succeeds.
    fn write<T>(
        &self,
        durability: Durability,
        fill: impl FnOnce(&WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut write = self.db.begin_write().map_err(|e| self.sort(e))?;
        write.set_durability(durability).map_err(|e| self.sort(e))?;
        write.set_quick_repair(matches!(durability, Durability::Immediate));
        let filled = fill(&write)?;
        write.commit().map_err(|e| self.sort(e))?;
        Ok(filled)
    }

    fn sort(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::sort(&self.path, error)
    }
}

/// Where the trie of the store at `store` is.
pub fn path_of(store: &Path) -> PathBuf {
    store.with_extension("trie")
}

struct Changed {
    from: u64,
    to: u64,
    root: B256,
    keys: ChangedKeys,
}

fn remade(path: &Path, cache_bytes: usize) -> Result<Database, StoreError> {
    std::fs::remove_file(path).map_err(|source| StoreError::Io { path: path.to_path_buf(), source })?;
    disk::open(path, cache_bytes, "trie")
}
