//! A read-only view of the state after some recent block: the changes of recent blocks over a source that trails them.
//!
//! This is what a reader (JSON-RPC) looks at while the executor goes on: blocks are shared, nothing is copied.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::changes::Account;
use crate::execute::ExecutedBlock;
use crate::state::StateSource;

/// A source with blocks on top, the newest last.
#[derive(Clone, Debug)]
pub struct Overlay<S> {
    source: S,
    blocks: Vec<Arc<ExecutedBlock>>,
}

impl<S> Overlay<S> {
    /// The state after the last of `blocks`, which follow one another and of which the first is at most one above the
    /// source's height.
    pub fn new(source: S, blocks: Vec<Arc<ExecutedBlock>>) -> Self {
        Self { source, blocks }
    }
}

impl<S: StateSource> StateSource for Overlay<S> {
    type Error = S::Error;

    fn account(&self, address: Address) -> Result<Option<Account>, S::Error> {
        match self.blocks.iter().rev().find_map(|b| b.changes.account(&address)) {
            Some(account) => Ok(*account),
            None => self.source.account(address),
        }
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, S::Error> {
        match self.blocks.iter().rev().find_map(|b| b.changes.storage(address, slot)) {
            Some(value) => Ok(value),
            None => self.source.storage(address, slot),
        }
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, S::Error> {
        match self.blocks.iter().rev().find_map(|b| b.changes.code(&code_hash)) {
            Some(code) => Ok(Some(code.clone())),
            None => self.source.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, S::Error> {
        match self.blocks.iter().rev().find(|b| b.block.header.number == number) {
            Some(block) => Ok(Some(block.hash)),
            None => self.source.block_hash(number),
        }
    }
}
