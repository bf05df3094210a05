//! The branches of the tries on disk: one trie of accounts, and one of slots for each address that has any.

use std::path::Path;

use alloy_primitives::{Address, B256, U256};
use horae_stages::StateSource;
use horae_stages::root::{EMPTY_ROOT_HASH, account_leaf, slot_leaf};
use horae_stages::trie::{Branch, Child, KEY_NIBBLES, KeyChange, Nibbles, Records, apply, root_of};
use redb::{ReadableTable, ReadableTableMetadata, Table, TableDefinition, WriteTransaction};

use crate::edges::store::{StoreError, StoreReader};

/// Path (a byte a nibble) -> branch of the accounts' trie. A parent's key comes right before its children's.
const ACCOUNT_BRANCHES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("account_branches");
/// Address and path (a byte a nibble) -> branch of the trie of its slots.
const SLOT_BRANCHES: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("slot_branches");
/// The top of the accounts' trie, unless that is empty.
const ACCOUNT_TOP: TableDefinition<'static, (), &[u8]> = TableDefinition::new("account_top");
/// Address -> top of the trie of its slots, unless that is empty.
const SLOT_TOPS: TableDefinition<'static, [u8; 20], &[u8]> = TableDefinition::new("slot_tops");

const ADDRESS_BYTES: usize = 20;

/// The tables, open in one write transaction.
pub(super) struct Tables<'t> {
    path: &'t Path,
    account_branches: Table<'t, &'static [u8], &'static [u8]>,
    slot_branches: Table<'t, &'static [u8], &'static [u8]>,
    account_top: Table<'t, (), &'static [u8]>,
    slot_tops: Table<'t, [u8; 20], &'static [u8]>,
    /// Branches written so far.
    pub(super) written: u64,
}

impl<'t> Tables<'t> {
    pub(super) fn open(write: &'t WriteTransaction, path: &'t Path) -> Result<Self, StoreError> {
        let sort = |e: redb::TableError| StoreError::sort(path, e);
        Ok(Self {
            path,
            account_branches: write.open_table(ACCOUNT_BRANCHES).map_err(sort)?,
            slot_branches: write.open_table(SLOT_BRANCHES).map_err(sort)?,
            account_top: write.open_table(ACCOUNT_TOP).map_err(sort)?,
            slot_tops: write.open_table(SLOT_TOPS).map_err(sort)?,
            written: 0,
        })
    }

    /// Forgets everything.
    pub(super) fn delete(write: &WriteTransaction, path: &Path) -> Result<(), StoreError> {
        let sort = |e: redb::TableError| StoreError::sort(path, e);
        write.delete_table(ACCOUNT_BRANCHES).map_err(sort)?;
        write.delete_table(SLOT_BRANCHES).map_err(sort)?;
        write.delete_table(ACCOUNT_TOP).map_err(sort)?;
        write.delete_table(SLOT_TOPS).map_err(sort)?;
        Ok(())
    }

    /// Gives slots of one address these values, which `reader` has too.
    pub(super) fn change_slots(
        &mut self,
        reader: &StoreReader,
        address: &Address,
        slots: Vec<(U256, U256)>,
    ) -> Result<(), StoreError> {
        let path = self.path;
        let sort = |e: redb::StorageError| StoreError::sort(path, e);
        let top = self.slot_top(address)?;
        let change = |(slot, value): (U256, U256)| KeyChange::new(slot.to_be_bytes::<32>(), slot_leaf(&value));
        let mut changes: Vec<_> = slots.into_iter().map(change).collect();
        let (prefix, values) = (address.into_array(), SlotValues { reader, address: *address });
        let mut records = Stored { path, table: &mut self.slot_branches, prefix: &prefix, values, written: 0 };
        let top = apply(&mut records, top, &mut changes)?;
        self.written += records.written;
        match top {
            Some(top) => drop(self.slot_tops.insert(prefix, encoded(&top).as_slice()).map_err(sort)?),
            None => drop(self.slot_tops.remove(prefix).map_err(sort)?),
        }
        Ok(())
    }

    /// What becomes of an account's leaf by the state that `reader` sees, once its slots are in.
    pub(super) fn account_change(
        &self,
        reader: &StoreReader,
        address: &Address,
    ) -> Result<KeyChange<ADDRESS_BYTES>, StoreError> {
        let leaf = match reader.account(*address)? {
            Some(account) => Some(account_leaf(&account, self.storage_root(address)?)),
            None => None,
        };
        Ok(KeyChange::new(address.into_array(), leaf))
    }

    /// Makes these changes to the accounts and gives the state root.
    pub(super) fn change_accounts(
        &mut self,
        reader: &StoreReader,
        mut changes: Vec<KeyChange<ADDRESS_BYTES>>,
    ) -> Result<B256, StoreError> {
        let path = self.path;
        let sort = |e: redb::StorageError| StoreError::sort(path, e);
        let top = self.account_top.get(()).map_err(sort)?;
        let top = top.map(|bytes| Child::decode(bytes.value()).map_err(|e| damaged(path, e))).transpose()?;
        let values = AccountValues { reader, path, slot_tops: &self.slot_tops };
        let mut records = Stored { path, table: &mut self.account_branches, prefix: &[], values, written: 0 };
        let top = apply(&mut records, top, &mut changes)?;
        self.written += records.written;
        match &top {
            Some(top) => drop(self.account_top.insert((), encoded(top).as_slice()).map_err(sort)?),
            None => drop(self.account_top.remove(()).map_err(sort)?),
        }
        Ok(root_of(top.as_ref()))
    }

    /// Root of the slots of an address.
    pub(super) fn storage_root(&self, address: &Address) -> Result<B256, StoreError> {
        storage_root(&self.slot_tops, self.path, address)
    }

    fn slot_top(&self, address: &Address) -> Result<Option<Child<32>>, StoreError> {
        slot_top(&self.slot_tops, self.path, address)
    }
}

/// Where the values of leaves come from that are not among the changes.
trait Values<const N: usize> {
    fn value(&self, name: &[u8; N]) -> Result<Option<Vec<u8>>, StoreError>;
}

struct SlotValues<'r> {
    reader: &'r StoreReader,
    address: Address,
}

impl Values<32> for SlotValues<'_> {
    fn value(&self, name: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(slot_leaf(&self.reader.storage(self.address, U256::from_be_bytes(*name))?))
    }
}

struct AccountValues<'r, 't> {
    reader: &'r StoreReader,
    path: &'r Path,
    slot_tops: &'r Table<'t, [u8; 20], &'static [u8]>,
}

impl Values<ADDRESS_BYTES> for AccountValues<'_, '_> {
    fn value(&self, name: &[u8; ADDRESS_BYTES]) -> Result<Option<Vec<u8>>, StoreError> {
        let address = Address::from(*name);
        let Some(account) = self.reader.account(address)? else { return Ok(None) };
        Ok(Some(account_leaf(&account, storage_root(self.slot_tops, self.path, &address)?)))
    }
}

/// The branches of one trie: those of a table whose keys begin with `prefix`.
struct Stored<'r, 't, V> {
    path: &'r Path,
    table: &'r mut Table<'t, &'static [u8], &'static [u8]>,
    prefix: &'r [u8],
    values: V,
    written: u64,
}

impl<V> Stored<'_, '_, V> {
    fn sort(&self, error: redb::StorageError) -> StoreError {
        StoreError::sort(self.path, error)
    }
}

impl<const N: usize, V: Values<N>> Records<N> for Stored<'_, '_, V> {
    type Error = StoreError;

    fn load(&self, path: &Nibbles) -> Result<Branch<N>, StoreError> {
        let key = Key::new(self.prefix, path);
        let bytes = self.table.get(key.bytes()).map_err(|e| self.sort(e))?;
        let bytes = bytes.ok_or_else(|| damaged(self.path, format!("no branch at {path:?}")))?;
        Branch::decode(bytes.value()).map_err(|e| damaged(self.path, e))
    }

    fn save(&mut self, path: &Nibbles, branch: &Branch<N>) -> Result<(), StoreError> {
        let mut bytes = Vec::with_capacity(BRANCH_BYTES);
        branch.encode(&mut bytes);
        let key = Key::new(self.prefix, path);
        let kept = self.table.insert(key.bytes(), bytes.as_slice()).map(drop);
        kept.map_err(|e| self.sort(e))?;
        self.written += 1;
        Ok(())
    }

    fn remove(&mut self, path: &Nibbles) -> Result<(), StoreError> {
        let key = Key::new(self.prefix, path);
        let removed = self.table.remove(key.bytes()).map(drop);
        removed.map_err(|e| self.sort(e))
    }

    fn value(&self, name: &[u8; N]) -> Result<Vec<u8>, StoreError> {
        self.values.value(name)?.ok_or_else(|| damaged(self.path, "a leaf that the state does not have"))
    }
}

/// What a full branch of leaves may take.
const BRANCH_BYTES: usize = 1_100;

struct Key {
    bytes: [u8; ADDRESS_BYTES + KEY_NIBBLES],
    len: usize,
}

impl Key {
    fn new(prefix: &[u8], path: &Nibbles) -> Self {
        let mut key = Self { bytes: [0; ADDRESS_BYTES + KEY_NIBBLES], len: prefix.len() + path.len() };
        key.bytes[..prefix.len()].copy_from_slice(prefix);
        key.bytes[prefix.len()..key.len].iter_mut().zip(path.iter()).for_each(|(byte, nibble)| *byte = nibble);
        key
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn slot_top(
    tops: &Table<'_, [u8; 20], &'static [u8]>,
    path: &Path,
    address: &Address,
) -> Result<Option<Child<32>>, StoreError> {
    let bytes = tops.get(address.into_array()).map_err(|e| StoreError::sort(path, e))?;
    bytes.map(|bytes| Child::decode(bytes.value()).map_err(|e| damaged(path, e))).transpose()
}

fn storage_root(tops: &Table<'_, [u8; 20], &'static [u8]>, path: &Path, address: &Address) -> Result<B256, StoreError> {
    if tops.is_empty().map_err(|e| StoreError::sort(path, e))? {
        return Ok(EMPTY_ROOT_HASH);
    }
    Ok(root_of(slot_top(tops, path, address)?.as_ref()))
}

fn encoded<const N: usize>(child: &Child<N>) -> Vec<u8> {
    let mut bytes = Vec::new();
    child.encode(&mut bytes);
    bytes
}

fn damaged(path: &Path, what: impl ToString) -> StoreError {
    StoreError::corrupt(path, what)
}
