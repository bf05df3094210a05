//! A small chain for tests: real transactions, executed by the real stages over the real store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use horae_control::{Ack, BlockId, Certificate, CertificateAck, Commit, Signature};
use horae_stages::execute::ExecuteError;
use horae_stages::genesis::GenesisAccount;
use horae_stages::protocol::is_protocol;
use horae_stages::rules::HeaderChoices;
use horae_stages::{BlockTx, ChainParams, ExecutedBlock, Executor, Genesis, Header, HotState, Shed};

use super::{ChainEvent, ChainFeed, ChainView, KeeperHandle, KeeperOptions, Snapshot, start};
use crate::edges::store::{LatestState, Store, StoreOptions};

/// Chain id of the test chains.
pub(crate) const CHAIN_ID: u64 = 4242;

/// Blocks of a test batch: each block is a second after the one before.
pub(crate) const BATCH_BLOCKS: u64 = 4;

/// A funded account.
pub(crate) fn signer(seed: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(seed)).expect("a valid key")
}

/// Accounts 1 to 9 have a thousand ether each; batches end every [`BATCH_BLOCKS`] blocks with transactions.
pub(crate) fn genesis() -> Genesis {
    let mut params = ChainParams::devnet(CHAIN_ID);
    params.batch_interval_ms = (BATCH_BLOCKS - 1) * 1_000;
    params.batch_longest_interval_ms = params.batch_interval_ms;
    let balance = U256::from(10).pow(U256::from(21));
    let funded = |seed| (signer(seed).address(), GenesisAccount { balance, ..GenesisAccount::default() });
    Genesis {
        params,
        timestamp_ms: 1_700_000_000_000,
        l1_view: Default::default(),
        prevrandao: B256::ZERO,
        alloc: (1..10).map(funded).collect(),
    }
}

pub(crate) fn open(path: &Path) -> Store {
    Store::open(path, &genesis(), StoreOptions { cache_bytes: 4 << 20 }).expect("the store opens")
}

/// Signs an EIP-1559 transaction; `to` nobody creates a contract.
pub(crate) fn sign(from: &PrivateKeySigner, nonce: u64, to: Option<Address>, value: u64, data: Bytes) -> Bytes {
    sign_with_gas(from, nonce, to, value, data, 500_000)
}

pub(crate) fn sign_with_gas(
    from: &PrivateKeySigner,
    nonce: u64,
    to: Option<Address>,
    value: u64,
    data: Bytes,
    gas_limit: u64,
) -> Bytes {
    let transaction = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: to.map_or(TxKind::Create, TxKind::Call),
        value: U256::from(value),
        access_list: Default::default(),
        input: data,
    };
    let signature = from.sign_hash_sync(&transaction.signature_hash()).expect("signing does not fail");
    TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
}

pub(crate) fn transfer(from: u8, nonce: u64, to: Address, value: u64) -> Bytes {
    sign(&signer(from), nonce, Some(to), value, Bytes::new())
}

/// Seals blocks on a store, as the node core does: its hot state reads whatever the store holds by then.
pub(crate) struct TestChain {
    pub(crate) params: ChainParams,
    pub(crate) tip: Header,
    executor: Executor<LatestState>,
    store: Store,
}

impl TestChain {
    /// Goes on from the store's height.
    pub(crate) fn new(store: &Store) -> Self {
        let reader = store.reader();
        let tip = reader.header(reader.height()).expect("readable").expect("stored");
        let state = HotState::new(store.latest(), tip.number, tip.hash(), 1_000);
        let executor = Executor::new(state, CHAIN_ID);
        Self { params: genesis().params, tip, executor, store: store.clone() }
    }

    /// Seals a block a second after the tip; the first transaction that cannot be executed is the error.
    pub(crate) fn seal(&mut self, transactions: Vec<Bytes>) -> Result<Arc<ExecutedBlock>, Shed> {
        self.executor.state_mut().forget_below(self.store.stored_height());
        let mut choices = HeaderChoices::of(&self.tip);
        choices.timestamp_ms += 1_000;
        choices.epoch = 1;
        choices.term = 1;
        choices.slot = 1 + self.tip.number / 3;
        choices.ends_slot = self.tip.number % 3 == 2;
        choices.fee_recipient = Address::repeat_byte(0xfe);
        self.executor.begin(choices.on(&self.tip, self.tip.hash(), &self.params));
        for raw in &transactions {
            let transaction = if is_protocol(raw) { BlockTx::protocol(raw)? } else { BlockTx::recover(raw)? };
            match self.executor.execute(transaction) {
                Ok(_) => {}
                Err(ExecuteError::Shed(why)) => {
                    self.executor.abort();
                    return Err(why);
                }
                Err(other) => panic!("{other}"),
            }
        }
        let block = self.executor.finish(&self.tip, &self.params, || transactions).expect("readable");
        self.tip = block.block.header.clone();
        Ok(Arc::new(block))
    }

    /// Forgets the blocks above a height; `tip` is the header there.
    pub(crate) fn roll_back(&mut self, tip: &Header) {
        self.executor.state_mut().rollback_to(tip.number).expect("above the store");
        self.tip = tip.clone();
    }
}

/// A chain with its view, and the feed between them.
pub(crate) struct TestNode {
    pub(crate) chain: TestChain,
    pub(crate) view: ChainView,
    pub(crate) feed: ChainFeed,
    pub(crate) keeper: KeeperHandle,
}

impl TestNode {
    pub(crate) fn start(path: &Path, change: impl FnOnce(&mut KeeperOptions)) -> Self {
        let store = open(path);
        let chain = TestChain::new(&store);
        let mut options = KeeperOptions::new(chain.params.clone());
        change(&mut options);
        let (view, feed, keeper) = start(store, options).expect("the keeper starts");
        Self { chain, view, feed, keeper }
    }

    pub(crate) fn seal(&mut self, transactions: Vec<Bytes>) -> Arc<ExecutedBlock> {
        let block = self.chain.seal(transactions).expect("executable");
        let signature = Some(Signature([1; 65]));
        self.feed.send(ChainEvent::Executed { block: block.clone(), signature }).expect("the keeper runs");
        block
    }

    pub(crate) fn commit(&self, block: &ExecutedBlock) {
        self.feed.send(ChainEvent::Committed(commit_of(block))).expect("the keeper runs");
    }

    pub(crate) fn seal_and_commit(&mut self, transactions: Vec<Bytes>) -> Arc<ExecutedBlock> {
        let block = self.seal(transactions);
        self.commit(&block);
        block
    }
}

pub(crate) fn id_of(block: &ExecutedBlock) -> BlockId {
    BlockId { number: block.block.header.number, hash: block.hash }
}

/// A certificate in shape; nothing above the core checks signatures again.
pub(crate) fn certificate_of(block: &ExecutedBlock) -> Arc<Certificate> {
    let header = &block.block.header;
    let ack = |seed| CertificateAck {
        validator: Address::repeat_byte(seed),
        incarnation: 0,
        certificate: None,
        signature: Signature([seed; 65]),
    };
    Arc::new(Certificate {
        epoch: header.epoch,
        term: header.term,
        slot: header.slot,
        block: id_of(block),
        acks: (1..4).map(ack).collect(),
    })
}

/// A commit in shape.
pub(crate) fn commit_of(block: &ExecutedBlock) -> Arc<Commit> {
    let certificate = certificate_of(block).as_ref().clone();
    let header = &block.block.header;
    let ack = |seed| Ack {
        validator: Address::repeat_byte(seed),
        incarnation: 0,
        epoch: header.epoch,
        term: header.term,
        slot: header.slot,
        block: id_of(block),
        certificate: Some(id_of(block)),
        signature: Signature([seed; 65]),
    };
    Arc::new(Commit { certificate, acks: (1..4).map(ack).collect() })
}

/// Waits until the view shows what is asked for, woken by its changes; panics after a long while.
pub(crate) fn wait_until(view: &ChainView, what: &str, shows: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut left = 30_000;
    loop {
        let snapshot = view.snapshot();
        if shows(&snapshot) {
            return snapshot;
        }
        assert!(view.fault().is_none(), "the keeper stopped: {:?}", view.fault());
        assert!(left > 0, "never came: {what}; heads {:?}", snapshot.heads());
        left -= 1;
        std::thread::sleep(Duration::from_millis(1));
    }
}
