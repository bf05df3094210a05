//! What trails the replica: the chain view, which takes its events, and the store, which takes what is committed.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use horae_control::{BlockId, Certificate, Commit, Signature, SignedBlock};
use horae_node::chain_view::ChainEvent;
use horae_node::council::BatchHead;
use horae_node::council::batches::CompleteBatch;
use horae_node::replica::chain::{KEPT_BLOCKS, facts_of};
use horae_node::replica::message::SealedBlock;
use horae_node::replica::restore::Origin;
use horae_stages::root::state_root;
use horae_stages::rules::ends_batch;
use horae_stages::{Account, ExecutedBlock, Genesis, Header, MemoryState, StateSource};

use super::beginning::{KEEPING, REVERTING};

/// A committed block as it is stored.
#[derive(Clone, Debug)]
struct Stored {
    executed: Arc<ExecutedBlock>,
    signature: Option<Signature>,
    certificate: Option<Certificate>,
    commit: Option<Commit>,
}

/// What a bad store answers otherwise than it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One wei too much in this account.
    Balance(Address),
    /// [`REVERTER`](super::beginning::REVERTER) does not take back what it wrote, as with an executor that keeps a reverted call's write.
    KeptWrite,
}

/// Committed blocks, and the state after the highest.
#[derive(Clone, Debug)]
pub struct Store {
    genesis: Genesis,
    genesis_hash: B256,
    blocks: Vec<Stored>,
    state: MemoryState,
    /// Blocks that a crash does not take.
    flushed: usize,
    /// State roots after the last blocks of batches.
    roots: BTreeMap<u64, B256>,
    /// What it answers otherwise than it should, to the end of its days.
    pub damage: Option<Damage>,
}

impl Store {
    /// A store that has block 0.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        let genesis_hash = genesis.header().hash();
        let mut store = Self {
            genesis: genesis.clone(),
            genesis_hash,
            blocks: Vec::new(),
            state: MemoryState::default(),
            flushed: 0,
            roots: BTreeMap::new(),
            damage: None,
        };
        store.rebuild();
        store
    }

    fn rebuild(&mut self) {
        self.state = MemoryState::default();
        self.state.apply(0, self.genesis_hash, &self.genesis.changes());
        for (at, stored) in self.blocks.iter().enumerate() {
            self.state.apply(at as u64 + 1, stored.executed.hash, &stored.executed.changes);
        }
    }

    /// Highest block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    /// Highest block that a crash does not take.
    #[must_use]
    pub fn flushed(&self) -> u64 {
        self.flushed as u64
    }

    /// Makes everything durable.
    pub fn flush(&mut self) {
        self.flushed = self.blocks.len();
    }

    /// Loses what was not flushed.
    pub fn crash(&mut self) {
        self.blocks.truncate(self.flushed);
        self.rebuild();
    }

    /// The state after the highest block.
    #[must_use]
    pub fn state(&self) -> &MemoryState {
        &self.state
    }

    fn header(&self, number: u64) -> Header {
        match number.checked_sub(1) {
            None => self.genesis.header(),
            Some(at) => self.blocks[at as usize].executed.block.header.clone(),
        }
    }

    /// A stored block with its certificate of the block below, as a peer is answered.
    #[must_use]
    pub fn block(&self, number: u64) -> Option<(SealedBlock, Option<Certificate>)> {
        let stored = self.blocks.get(usize::try_from(number.checked_sub(1)?).ok()?)?;
        let block = SealedBlock { block: stored.executed.block.clone(), signature: stored.signature? };
        Some((block, self.certificate(number - 1)))
    }

    /// The lowest commit at or above a block.
    #[must_use]
    pub fn commit(&self, number: u64) -> Option<Commit> {
        let from = usize::try_from(number.checked_sub(1)?).ok()?;
        self.blocks.get(from..)?.iter().find_map(|stored| stored.commit.clone())
    }

    /// A stored block as it was executed.
    #[must_use]
    pub fn executed(&self, number: u64) -> Option<Arc<ExecutedBlock>> {
        Some(self.blocks.get(usize::try_from(number.checked_sub(1)?).ok()?)?.executed.clone())
    }

    /// The stored block that a transaction is in.
    #[must_use]
    pub fn with_transaction(&self, hash: &B256) -> Option<Arc<ExecutedBlock>> {
        with_transaction(self.blocks.iter(), hash)
    }

    fn certificate(&self, number: u64) -> Option<Certificate> {
        self.blocks.get(usize::try_from(number.checked_sub(1)?).ok()?)?.certificate.clone()
    }

    fn take(&mut self, stored: Stored) {
        let number = self.height() + 1;
        self.state.apply(number, stored.executed.hash, &stored.executed.changes);
        if ends_batch(&stored.executed.block.header, &self.genesis.params) {
            self.roots.insert(number, state_root(self.state.accounts()));
        }
        self.blocks.push(stored);
    }

    /// The batch after this one, if it is stored to its end.
    #[must_use]
    pub fn batch_after(&self, head: &BatchHead) -> Option<CompleteBatch> {
        let (last, root) = self.roots.range(head.last_block + 1..).next()?;
        let blocks = self.blocks.get(head.last_block as usize..*last as usize)?;
        CompleteBatch::new(head, blocks.iter().map(|stored| stored.executed.block.clone()).collect(), *root)
    }
}

fn with_transaction<'a>(mut blocks: impl Iterator<Item = &'a Stored>, hash: &B256) -> Option<Arc<ExecutedBlock>> {
    let found = blocks.find(|stored| stored.executed.transactions.iter().any(|tx| tx.hash == *hash));
    found.map(|stored| stored.executed.clone())
}

/// A store that replica and chain view share.
#[derive(Clone, Debug)]
pub struct SharedStore(pub Rc<RefCell<Store>>);

impl SharedStore {
    /// What a replica starts from.
    #[must_use]
    pub fn origin(&self) -> Origin<Self> {
        let store = self.0.borrow();
        let height = store.height();
        let header = store.header(height);
        let below = (height.saturating_sub(KEPT_BLOCKS as u64).max(1)..=height).filter_map(|number| {
            let (block, carried) = store.block(number)?;
            let facts = facts_of(block.header(), block.header().hash());
            Some((SignedBlock { facts, signature: block.signature }, carried))
        });
        Origin { source: self.clone(), hash: header.hash(), header, below: below.collect() }
    }
}

impl StateSource for SharedStore {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<Option<Account>, Infallible> {
        let store = self.0.borrow();
        let account = store.state.account(address)?;
        let too_much = store.damage == Some(Damage::Balance(address));
        Ok(account.map(|account| Account { balance: account.balance + U256::from(u8::from(too_much)), ..account }))
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.0.borrow().state.storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, Infallible> {
        let store = self.0.borrow();
        if store.damage == Some(Damage::KeptWrite) && code_hash == keccak256(REVERTING) {
            return Ok(Some(Bytes::copy_from_slice(&KEEPING)));
        }
        store.state.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, Infallible> {
        self.0.borrow().state.block_hash(number)
    }
}

/// The chain as the query side sees it: events in, committed blocks to the store.
#[derive(Debug)]
pub struct View {
    store: SharedStore,
    head: BlockId,
    blocks: VecDeque<Stored>,
    committed: u64,
    certificates: BTreeMap<u64, Certificate>,
    commits: BTreeMap<u64, Commit>,
    awaited: Option<BlockId>,
}

impl View {
    /// A view that begins at what the store has.
    #[must_use]
    pub fn new(store: SharedStore) -> Self {
        let height = store.0.borrow().height();
        let hash = store.0.borrow().header(height).hash();
        Self {
            store,
            head: BlockId { number: height, hash },
            blocks: VecDeque::new(),
            committed: height,
            certificates: BTreeMap::new(),
            commits: BTreeMap::new(),
            awaited: None,
        }
    }

    /// Highest committed block known here and executed.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// Hash of a block that is not stored yet.
    #[must_use]
    pub fn hash(&self, number: u64) -> Option<B256> {
        let lowest = self.blocks.front()?.executed.block.header.number;
        Some(self.blocks.get(usize::try_from(number.checked_sub(lowest)?).ok()?)?.executed.hash)
    }

    /// The executed block that a transaction is in, if it is not stored yet.
    #[must_use]
    pub fn with_transaction(&self, hash: &B256) -> Option<Arc<ExecutedBlock>> {
        with_transaction(self.blocks.iter(), hash)
    }

    /// Takes in one event; what does not fit what came before is a fault of the replica.
    pub fn take(&mut self, event: &ChainEvent) -> Result<(), String> {
        match event {
            ChainEvent::Executed { block, signature } => {
                let header = &block.block.header;
                if header.number != self.head.number + 1 || header.parent != self.head.hash {
                    return Err(format!("block {} executed on top of {}", header.number, self.head));
                }
                self.head = BlockId { number: header.number, hash: block.hash };
                let executed = block.clone();
                self.blocks.push_back(Stored { executed, signature: *signature, certificate: None, commit: None });
                self.settle()
            }
            ChainEvent::RolledBack { to } => {
                if *to < self.committed {
                    return Err(format!("rolled back to {to}, but {} is committed", self.committed));
                }
                while let Some(block) = self.blocks.pop_back_if(|block| block.executed.block.header.number > *to) {
                    let header = &block.executed.block.header;
                    self.head = BlockId { number: header.number - 1, hash: header.parent };
                }
                Ok(())
            }
            ChainEvent::Certified(certificate) => {
                self.certificates.insert(certificate.block.number, (**certificate).clone());
                Ok(())
            }
            ChainEvent::Committed(commit) => {
                self.certificates.insert(commit.block().number, commit.certificate.clone());
                self.commits.insert(commit.block().number, (**commit).clone());
                self.commit(commit.block())
            }
            ChainEvent::CommittedByDecision(id) => self.commit(*id),
            _ => Ok(()),
        }
    }

    fn commit(&mut self, id: BlockId) -> Result<(), String> {
        if id.number > self.committed {
            self.awaited = Some(self.awaited.filter(|awaited| awaited.number > id.number).unwrap_or(id));
        }
        self.settle()
    }

    fn settle(&mut self) -> Result<(), String> {
        let Some(id) = self.awaited.filter(|id| id.number <= self.head.number) else { return Ok(()) };
        self.awaited = None;
        let here = if id == self.head { Some(id.hash) } else { self.hash(id.number) };
        if id.number > self.committed {
            if here != Some(id.hash) {
                return Err(format!("{id} is committed, but another block was executed there"));
            }
            self.committed = id.number;
        }
        Ok(())
    }

    /// Stores up to `most` committed blocks.
    pub fn store(&mut self, most: usize) -> bool {
        for _ in 0..most {
            let committed = self.committed;
            let Some(mut block) = self.blocks.pop_front_if(|b| b.executed.block.header.number <= committed) else {
                break;
            };
            let number = block.executed.block.header.number;
            block.certificate = self.certificates.remove(&number).filter(|c| c.block.hash == block.executed.hash);
            block.commit = self.commits.remove(&number).filter(|c| c.block().hash == block.executed.hash);
            self.store.0.borrow_mut().take(block);
        }
        self.blocks.front().is_some_and(|block| block.executed.block.header.number <= self.committed)
    }
}
