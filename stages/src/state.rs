//! The state that blocks execute on: a read-only source below, and the hot state above it that can be rolled back.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::Database;
use revm::bytecode::Bytecode;
use revm::database_interface::DBErrorMarker;
use revm::state::AccountInfo;

use crate::cache::{Layer, Prior};
use crate::changes::{Account, BlockChanges, TxChanges};
use crate::limits;

/// A read-only state that trails the chain: a store at its checkpoint, or memory.
pub trait StateSource {
    /// What can go wrong below.
    type Error: Error + Send + Sync + 'static;

    /// The account, or `None` if it does not exist.
    fn account(&self, address: Address) -> Result<Option<Account>, Self::Error>;

    /// The value of a storage slot, zero if it was never written.
    fn storage(&self, address: Address, slot: U256) -> Result<U256, Self::Error>;

    /// Code by its hash, or `None` if there is none such. Never asked for the hash of empty code.
    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, Self::Error>;

    /// The hash of a block at or below the source's height, at most [`limits::BLOCK_HASHES`] below the tip, or `None`.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, Self::Error>;
}

/// A shared or borrowed source is a source.
macro_rules! forward_source {
    ($($pointer:ty),*) => {$(
        impl<S: StateSource + ?Sized> StateSource for $pointer {
            type Error = S::Error;

            fn account(&self, address: Address) -> Result<Option<Account>, S::Error> {
                (**self).account(address)
            }

            fn storage(&self, address: Address, slot: U256) -> Result<U256, S::Error> {
                (**self).storage(address, slot)
            }

            fn code(&self, code_hash: B256) -> Result<Option<Bytes>, S::Error> {
                (**self).code(code_hash)
            }

            fn block_hash(&self, number: u64) -> Result<Option<B256>, S::Error> {
                (**self).block_hash(number)
            }
        }
    )*};
}
forward_source!(&S, Arc<S>, Box<S>);

/// Why the state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError<E: Error> {
    /// The source failed.
    #[error("state source: {0}")]
    Source(#[source] E),
    /// An account names code that the source does not have: the source is damaged.
    #[error("code {0} is missing from the state")]
    MissingCode(B256),
    /// The source does not know a block hash within reach.
    #[error("hash of block {0} is missing from the state")]
    MissingBlockHash(u64),
    /// Code in the state that is none: the source or the genesis file is damaged.
    #[error("code {0} is malformed")]
    BadCode(B256),
    /// The EVM gave up for a reason that is not the transaction's.
    #[error("evm: {0}")]
    Evm(String),
}

impl<E: Error + Send + Sync + 'static> DBErrorMarker for StateError<E> {}

/// Why the state could not be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// The blocks between have been forgotten: the store has them.
    #[error("cannot roll back to block {to}: undo reaches down to {lowest}")]
    TooFar {
        /// The block asked for.
        to: u64,
        /// The lowest block that can be rolled back to.
        lowest: u64,
    },
    /// The state has not got there.
    #[error("cannot roll back to block {to}: the state is at {tip}")]
    Ahead {
        /// The block asked for.
        to: u64,
        /// The highest block applied.
        tip: u64,
    },
}

/// What one block overwrote, each key once.
#[derive(Debug, Default)]
struct Undo {
    accounts: Vec<(Address, Prior<Option<Account>>)>,
    storage: Vec<((Address, U256), Prior<U256>)>,
    codes: Vec<B256>,
}

/// A value one transaction or block changes: what it was and what it is.
pub(crate) struct Change<K, V> {
    pub key: K,
    pub before: V,
    pub after: V,
}

/// The latest state: recent writes over a cache over a source.
///
/// Blocks above the highest that was forgotten can be taken back. The source must hold exactly the state after some block
/// between the highest forgotten one and the one that is about to be forgotten, and nothing of a block that may yet be
/// rolled back.
#[derive(Debug)]
pub struct HotState<S> {
    source: S,
    accounts: Layer<Address, Option<Account>>,
    storage: Layer<(Address, U256), U256>,
    codes: Layer<B256, Bytecode>,
    /// One a block from `settled + 1` to `number`.
    undo: VecDeque<Undo>,
    /// What the open block overwrote.
    open: Undo,
    /// Code that accounts came to use in the open block; sorted out when it closes.
    open_codes: Vec<(B256, Bytes)>,
    /// Hashes of the blocks up to `number`, the newest last.
    hashes: VecDeque<B256>,
    number: u64,
    settled: u64,
}

impl<S: StateSource> HotState<S> {
    /// A hot state over a source that holds the state after block `number`, whose hash is `hash`.
    ///
    /// Keeps up to `entries` clean entries of each kind ([`limits::HOT_ENTRIES`] is a good value).
    pub fn new(source: S, number: u64, hash: B256, entries: usize) -> Self {
        Self {
            source,
            accounts: Layer::new(entries),
            storage: Layer::new(entries),
            codes: Layer::new(entries),
            undo: VecDeque::new(),
            open: Undo::default(),
            open_codes: Vec::new(),
            hashes: VecDeque::from([hash]),
            number,
            settled: number,
        }
    }

    /// The highest block applied.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The hash of the highest block applied.
    pub fn hash(&self) -> B256 {
        *self.hashes.back().expect("the tip's hash is never dropped")
    }

    /// The lowest block that can be rolled back to.
    pub fn lowest(&self) -> u64 {
        self.settled
    }

    /// The source below.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Entries held because the source does not have them yet, and clean ones kept for speed.
    pub fn entries(&self) -> (usize, usize) {
        let lens = [self.accounts.len(), self.storage.len(), self.codes.len()];
        lens.iter().fold((0, 0), |sum, len| (sum.0 + len.0, sum.1 + len.1))
    }

    /// The account as of the last transaction executed, or `None` if it does not exist.
    pub fn account(&mut self, address: Address) -> Result<Option<Account>, StateError<S::Error>> {
        if let Some(account) = self.accounts.get(&address) {
            return Ok(account);
        }
        let account = self.source.account(address).map_err(StateError::Source)?;
        self.accounts.fill(address, account);
        Ok(account)
    }

    /// The storage slot as of the last transaction executed.
    pub fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StateError<S::Error>> {
        let key = (address, slot);
        if let Some(value) = self.storage.get(&key) {
            return Ok(value);
        }
        let value = self.source.storage(address, slot).map_err(StateError::Source)?;
        self.storage.fill(key, value);
        Ok(value)
    }

    /// Takes back every block above `number`, and the open one.
    pub fn rollback_to(&mut self, number: u64) -> Result<(), RollbackError> {
        if number < self.settled {
            return Err(RollbackError::TooFar { to: number, lowest: self.settled });
        }
        if number > self.number {
            return Err(RollbackError::Ahead { to: number, tip: self.number });
        }
        self.abort();
        while self.number > number {
            let undo = self.undo.pop_back().expect("there is one undo a block above the settled");
            self.take_back(undo);
            self.hashes.pop_back();
            self.number -= 1;
        }
        Ok(())
    }

    /// Drops the undo of blocks up to and including `number`: the source has them now and they stay.
    pub fn forget_below(&mut self, number: u64) {
        while self.settled < number.min(self.number) {
            let undo = self.undo.pop_front().expect("there is one undo a block above the settled");
            self.settled += 1;
            for (address, _) in &undo.accounts {
                self.accounts.settle(address, self.settled);
            }
            for (key, _) in &undo.storage {
                self.storage.settle(key, self.settled);
            }
            for code_hash in &undo.codes {
                self.codes.settle(code_hash, self.settled);
            }
        }
        self.trim_hashes();
    }

    /// Applies the changes of the next block as they are, without executing it: for a node that trusts its own journal.
    ///
    /// On an error the state is as before.
    pub fn apply(&mut self, hash: B256, changes: &BlockChanges) -> Result<(), StateError<S::Error>> {
        self.abort();
        let mut accounts = Vec::with_capacity(changes.accounts.len());
        for (address, after) in &changes.accounts {
            accounts.push(Change { key: *address, before: self.account(*address)?, after: *after });
        }
        let mut storage = Vec::with_capacity(changes.storage.len());
        for (key, after) in &changes.storage {
            storage.push(Change { key: *key, before: self.storage(key.0, key.1)?, after: *after });
        }
        let mut codes = Vec::with_capacity(changes.codes.len());
        for (code_hash, code) in &changes.codes {
            codes.push((*code_hash, parse_code(*code_hash, code.clone())?));
        }
        self.write(&mut accounts, &mut storage);
        for (code_hash, code) in codes {
            self.write_code(code_hash, code);
        }
        self.close(hash);
        Ok(())
    }

    /// Writes a transaction's changes into the open block and empties the lists.
    pub(crate) fn write(
        &mut self,
        accounts: &mut Vec<Change<Address, Option<Account>>>,
        storage: &mut Vec<Change<(Address, U256), U256>>,
    ) {
        let at = self.number + 1;
        for Change { key, before, after } in accounts.drain(..) {
            if let Some(prior) = self.accounts.write(key, after, before, at) {
                self.open.accounts.push((key, prior));
            }
        }
        for Change { key, before, after } in storage.drain(..) {
            if let Some(prior) = self.storage.write(key, after, before, at) {
                self.open.storage.push((key, prior));
            }
        }
    }

    /// Notes code that an account came to use in the open block.
    pub(crate) fn write_code(&mut self, code_hash: B256, code: Bytecode) {
        self.open_codes.push((code_hash, code.original_bytes()));
        if self.codes.add(code_hash, code, self.number + 1) {
            self.open.codes.push(code_hash);
        }
    }

    /// Closes the open block: it is now block `number + 1` with this hash.
    pub(crate) fn close(&mut self, hash: B256) {
        self.open_codes.clear();
        self.undo.push_back(std::mem::take(&mut self.open));
        self.hashes.push_back(hash);
        self.number += 1;
        self.trim_hashes();
    }

    /// What the open block has changed so far: final values against those before it, sorted.
    pub(crate) fn open_changes(&mut self) -> BlockChanges {
        let mut changes = BlockChanges::default();
        for (address, prior) in &self.open.accounts {
            let after = self.accounts.get(address).expect("what the open block wrote is held");
            if after != prior.value {
                changes.accounts.push((*address, after));
            }
        }
        for (key, prior) in &self.open.storage {
            let after = self.storage.get(key).expect("what the open block wrote is held");
            if after != prior.value {
                changes.storage.push((*key, after));
            }
        }
        changes.codes.clone_from(&self.open_codes);
        changes.accounts.sort_unstable_by_key(|(address, _)| *address);
        changes.storage.sort_unstable_by_key(|(key, _)| *key);
        changes.codes.sort_unstable_by_key(|(code_hash, _)| *code_hash);
        changes.codes.dedup_by_key(|(code_hash, _)| *code_hash);
        changes
    }

    /// Takes back the open block.
    pub(crate) fn abort(&mut self) {
        self.open_codes.clear();
        let undo = std::mem::take(&mut self.open);
        self.take_back(undo);
    }

    fn take_back(&mut self, undo: Undo) {
        for (address, prior) in undo.accounts {
            self.accounts.undo(address, prior, self.settled);
        }
        for (key, prior) in undo.storage {
            self.storage.undo(key, prior, self.settled);
        }
        for code_hash in undo.codes {
            self.codes.take_back(&code_hash);
        }
    }

    /// Keeps what `BLOCKHASH` may ask for from any block that can be rolled back to.
    fn trim_hashes(&mut self) {
        let most = limits::BLOCK_HASHES + (self.number - self.settled);
        while self.hashes.len() as u64 > most {
            self.hashes.pop_front();
        }
    }
}

impl<S: StateSource> Database for HotState<S> {
    type Error = StateError<S::Error>;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        Ok(self.account(address)?.map(to_info))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if let Some(code) = self.codes.get(&code_hash) {
            return Ok(code);
        }
        let code = self.source.code(code_hash).map_err(StateError::Source)?;
        let code = parse_code(code_hash, code.ok_or(StateError::MissingCode(code_hash))?)?;
        self.codes.fill(code_hash, code.clone());
        Ok(code)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Self::Error> {
        Self::storage(self, address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Self::Error> {
        let below = self.number.checked_sub(number).ok_or(StateError::MissingBlockHash(number))?;
        if let Some(index) = (self.hashes.len() as u64).checked_sub(below + 1) {
            return Ok(self.hashes[index as usize]);
        }
        self.source.block_hash(number).map_err(StateError::Source)?.ok_or(StateError::MissingBlockHash(number))
    }
}

fn parse_code<E: Error>(code_hash: B256, code: Bytes) -> Result<Bytecode, StateError<E>> {
    Bytecode::new_raw_checked(code).map_err(|_| StateError::BadCode(code_hash))
}

/// An account in the EVM's own shape; its code is fetched when it is needed.
pub(crate) fn to_info(account: Account) -> AccountInfo {
    AccountInfo {
        nonce: account.nonce,
        balance: account.balance,
        code_hash: account.code_hash,
        account_id: None,
        code: (account.code_hash == KECCAK256_EMPTY).then(Bytecode::default),
    }
}

/// Sorts a transaction's changes and copies them into the shape that is hashed.
pub(crate) fn sorted_changes(
    accounts: &mut [Change<Address, Option<Account>>],
    storage: &mut [Change<(Address, U256), U256>],
    into: &mut TxChanges,
) {
    accounts.sort_unstable_by_key(|change| change.key);
    storage.sort_unstable_by_key(|change| change.key);
    into.accounts.clear();
    into.accounts.extend(accounts.iter().map(|change| (change.key, change.after)));
    into.storage.clear();
    into.storage.extend(storage.iter().map(|change| (change.key, change.after)));
}
