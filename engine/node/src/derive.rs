//! The chain rebuilt from L1 alone: every accepted batch is read from the calldata that carried it, unpacked and executed above
//! the genesis state, and must come out as what the group signed.

use std::{cell::RefCell, collections::VecDeque, convert::Infallible, rc::Rc};

use alloy_primitives::{Address, B256, Bytes, U256};
use horae_stages::{
    ExecutedBlock, Executor, Genesis, Header, HotState, MemoryState, StateSource,
    changes::Account,
    limits::HOT_ENTRIES,
    pack::{UnpackError, UnpackLimits, rebuild, unpack},
    root::state_root,
    rules::ends_batch,
};
use serde::Serialize;
use thiserror::Error;

use crate::{
    edges::l1::{AcceptedBatch, L1, L1Error, forced::DueTransaction},
    genesis::GenesisFile,
};

/// L1 blocks that are read at a time.
const STRIDE_BLOCKS: u64 = 2_000;

/// Why the chain cannot be rebuilt.
#[derive(Debug, Error)]
pub enum DeriveError {
    /// L1 could not be read.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The data of a batch cannot be read.
    #[error("batch {index} (L1 transaction {l1_tx}): {why}; its signers accepted what this version cannot read")]
    Unpack {
        /// Index of the batch.
        index: u64,
        /// The L1 transaction with it.
        l1_tx: B256,
        /// What is wrong with it.
        why: UnpackError,
    },
    /// A block does not execute.
    #[error(
        "batch {index}, block {block}: {why}; genesis.json is of another chain, or this version executes differently"
    )]
    Block {
        /// Index of the batch.
        index: u64,
        /// Height of the block.
        block: u64,
        /// What is wrong with it.
        why: String,
    },
    /// What was rebuilt is not what the group signed.
    #[error(
        "batch {index}: {what} is {rebuilt}, but the group signed {signed}; genesis.json is of another chain, or this version executes differently"
    )]
    Differs {
        /// Index of the batch.
        index: u64,
        /// What differs.
        what: &'static str,
        /// As rebuilt.
        rebuilt: String,
        /// As signed.
        signed: String,
    },
}

/// A batch as it was rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DerivedBatch {
    /// Its index.
    pub index: u64,
    /// Its first block.
    pub first_block: u64,
    /// Its last block.
    pub last_block: u64,
    /// Hash of the last block.
    pub last_block_hash: B256,
    /// State root after the last block.
    pub state_root: B256,
    /// Transactions in it.
    pub transactions: u64,
    /// Bytes of the transactions before packing.
    pub raw_bytes: u64,
    /// Bytes posted.
    pub posted_bytes: u64,
    /// The L1 transaction with it.
    pub l1_tx: B256,
}

/// A chain being rebuilt.
pub struct Derivation<'a> {
    genesis: &'a Genesis,
    state: Shared,
    executor: Executor<Shared>,
    head: Header,
    hashes: Vec<B256>,
    state_root: B256,
    next_index: u64,
    last_digest: B256,
    /// What L1 has made due and no block has executed yet, in L1's order.
    due: VecDeque<DueTransaction>,
}

impl<'a> Derivation<'a> {
    /// The genesis block alone.
    pub fn new(genesis: &'a Genesis) -> Self {
        let head = genesis.header();
        let hash = head.hash();
        let mut memory = MemoryState::default();
        memory.apply(0, hash, &genesis.changes());
        let root = state_root(memory.accounts());
        let state = Shared(Rc::new(RefCell::new(memory)));
        let hot = HotState::new(state.clone(), 0, hash, HOT_ENTRIES);
        let executor = Executor::new(hot, genesis.params.chain_id);
        Self {
            genesis,
            state,
            executor,
            head,
            hashes: vec![hash],
            state_root: root,
            next_index: 0,
            last_digest: B256::ZERO,
            due: VecDeque::new(),
        }
    }

    /// L1 has made this due: batches leave it out, and the first block whose L1 view reaches it begins with it. To be told in L1's
    /// order, before the batches that may have executed it.
    pub fn owes(&mut self, due: DueTransaction) {
        if due.l1_block > self.genesis.l1_view.number {
            self.due.push_back(due);
        }
    }

    fn due_up_to(&mut self, l1_block: u64) -> Vec<Bytes> {
        let reached = self.due.partition_point(|due| due.l1_block <= l1_block);
        self.due.drain(..reached).map(|due| due.raw).collect()
    }

    /// Executes the next batch and compares the outcome with what the group signed. Each block goes to `each` once it is
    /// executed, before the batch is compared.
    ///
    /// # Errors
    /// All but [`DeriveError::L1`]. The derivation is then of no further use.
    pub fn apply(
        &mut self,
        accepted: &AcceptedBatch,
        mut each: impl FnMut(ExecutedBlock),
    ) -> Result<DerivedBatch, DeriveError> {
        let index = accepted.batch.index;
        let same = |what, rebuilt: String, signed: String| match rebuilt == signed {
            true => Ok(()),
            false => Err(DeriveError::Differs { index, what, rebuilt, signed }),
        };
        same("the index", self.next_index.to_string(), index.to_string())?;
        same(
            "the digest of the batch before",
            self.last_digest.to_string(),
            accepted.batch.previousDigest.to_string(),
        )?;
        same("the first block", (self.head.number + 1).to_string(), accepted.batch.firstBlock.to_string())?;

        let params = &self.genesis.params;
        let unpacked = unpack(&accepted.data, &UnpackLimits::new(params)).map_err(|why| DeriveError::Unpack {
            index,
            l1_tx: accepted.l1_tx,
            why,
        })?;
        same("the first block in the data", accepted.batch.firstBlock.to_string(), unpacked.first_block.to_string())?;
        let (mut transactions, mut raw_bytes) = (0, 0);
        for block in &unpacked.blocks {
            let number = self.head.number + 1;
            let view = block.choices.l1_view.number;
            let due = self.due_up_to(view);
            let executed = rebuild(&mut self.executor, params, &self.head, block, &due)
                .map_err(|why| DeriveError::Block { index, block: number, why: why.to_string() })?;
            transactions += block.transactions.len() as u64;
            raw_bytes += block.transactions.iter().map(|raw| raw.len() as u64).sum::<u64>();
            self.state.0.borrow_mut().apply(number, executed.hash, &executed.changes);
            self.executor.state_mut().forget_below(number);
            self.head = executed.block.header.clone();
            self.hashes.push(executed.hash);
            each(executed);
        }
        self.state_root = state_root(self.state.0.borrow().accounts());
        same("the last block", self.head.number.to_string(), accepted.batch.lastBlock.to_string())?;
        same("the hash of the last block", self.head_hash().to_string(), accepted.batch.lastBlockHash.to_string())?;
        same("the state root", self.state_root.to_string(), accepted.batch.stateRoot.to_string())?;
        same("entries of the forced queue", self.head.forced.to_string(), accepted.batch.forced.to_string())?;
        same("the L1 view", self.head.l1_view.number.to_string(), accepted.batch.l1View.to_string())?;
        same("the end of a batch after the last block", ends_batch(&self.head, params).to_string(), true.to_string())?;
        self.next_index = index + 1;
        self.last_digest = accepted.digest;
        Ok(DerivedBatch {
            index,
            first_block: accepted.batch.firstBlock,
            last_block: self.head.number,
            last_block_hash: self.head_hash(),
            state_root: self.state_root,
            transactions,
            raw_bytes,
            posted_bytes: accepted.data.len() as u64,
            l1_tx: accepted.l1_tx,
        })
    }

    /// Header of the highest block rebuilt.
    pub fn head(&self) -> &Header {
        &self.head
    }

    /// Hash of the highest block rebuilt.
    pub fn head_hash(&self) -> B256 {
        self.hashes[self.hashes.len() - 1]
    }

    /// Merkle-Patricia root of the state after it.
    pub fn state_root(&self) -> B256 {
        self.state_root
    }

    /// Hashes of all blocks rebuilt, by height.
    pub fn hashes(&self) -> &[B256] {
        &self.hashes
    }
}

/// A batch that was rebuilt, its blocks, and how far it is to L1's head.
#[derive(Debug)]
pub struct Step<'a> {
    /// The batch as L1 has it.
    pub accepted: &'a AcceptedBatch,
    /// The batch as it was rebuilt.
    pub batch: &'a DerivedBatch,
    /// Its blocks, lowest first.
    pub blocks: Vec<ExecutedBlock>,
    /// L1's head, up to which everything is read.
    pub l1_head: u64,
}

/// Rebuilds everything that L1 holds now. `told` is called after each batch.
///
/// # Errors
/// The first thing that is wrong, here or with `told`.
pub async fn derive<'a, E: From<DeriveError>>(
    l1: &L1,
    genesis: &'a GenesisFile,
    mut told: impl FnMut(Step<'_>) -> Result<(), E>,
) -> Result<Derivation<'a>, E> {
    let failed = |why: L1Error| E::from(why.into());
    l1.require(genesis.l1.origin()).await.map_err(failed)?;
    let head = l1.head().await.map_err(failed)?.view;
    let mut derivation = Derivation::new(&genesis.l2);
    let mut from = genesis.l1.origin_number;
    while from <= head.number {
        let to = head.number.min(from + STRIDE_BLOCKS - 1);
        for due in l1.due(from, to).await.map_err(failed)? {
            derivation.owes(due);
        }
        for accepted in l1.batches(from, to).await.map_err(failed)? {
            let mut blocks = Vec::new();
            let batch = derivation.apply(&accepted, |block| blocks.push(block))?;
            told(Step { accepted: &accepted, batch: &batch, blocks, l1_head: head.number })?;
        }
        from = to + 1;
    }
    l1.require(head).await.map_err(failed)?;
    Ok(derivation)
}

/// The state behind the executor, which is brought forward block by block beside it.
#[derive(Clone)]
struct Shared(Rc<RefCell<MemoryState>>);

impl StateSource for Shared {
    type Error = Infallible;

    fn account(&self, address: Address) -> Result<Option<Account>, Infallible> {
        self.0.borrow().account(address)
    }

    fn storage(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        self.0.borrow().storage(address, slot)
    }

    fn code(&self, code_hash: B256) -> Result<Option<Bytes>, Infallible> {
        self.0.borrow().code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, Infallible> {
        self.0.borrow().block_hash(number)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::genesis::testing::genesis;
    use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
    use alloy_eips::eip2718::Encodable2718;
    use alloy_primitives::{TxKind, keccak256};
    use horae_contracts::{Batch, Signature, batch_digest};
    use horae_control::SignerKey;
    use horae_stages::{
        Block, ForcedEntry, L1View,
        genesis::GenesisAccount,
        pack::{Level, UnpackedBlock, pack},
        protocol::batch_paid,
        rules::HeaderChoices,
    };

    fn key() -> SignerKey {
        SignerKey::from_bytes(&[5; 32]).unwrap()
    }

    fn funded() -> GenesisFile {
        let mut genesis = genesis();
        let account = GenesisAccount { balance: U256::from(10u128.pow(21)), ..Default::default() };
        genesis.l2.alloc.insert(key().address(), account);
        genesis
    }

    fn transfer(genesis: &GenesisFile, nonce: u64) -> Bytes {
        let transaction = TxEip1559 {
            chain_id: genesis.l2.params.chain_id,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 0,
            to: TxKind::Call(Address::repeat_byte(9)),
            value: U256::from(7),
            access_list: Default::default(),
            input: Bytes::new(),
        };
        let signature = key().sign(transaction.signature_hash()).0;
        let signature = alloy_primitives::Signature::from_bytes_and_parity(&signature[..64], signature[64] == 1);
        TxEnvelope::from(transaction.into_signed(signature)).encoded_2718().into()
    }

    /// Executes blocks with one transfer each until the rule ends the batch, and packs them.
    fn next_batch(live: &mut Derivation<'_>, genesis: &GenesisFile, nonce: &mut u64) -> AcceptedBatch {
        let params = &genesis.l2.params;
        let (first, index, previous) = (live.head.number + 1, live.next_index, live.last_digest);
        let mut blocks: Vec<Block> = Vec::new();
        while blocks.last().is_none_or(|block| !ends_batch(&block.header, params)) {
            let parent = live.head.clone();
            let choices = HeaderChoices {
                epoch: 0,
                term: 1,
                slot: 1,
                sequencer: Address::repeat_byte(7),
                timestamp_ms: parent.timestamp_ms + 1_000,
                control_height: parent.control_height + 1,
                l1_view: L1View { number: parent.l1_view.number + 1, hash: B256::repeat_byte(3) },
                fee_recipient: Address::repeat_byte(8),
                ends_slot: false,
            };
            let unpacked = UnpackedBlock { choices, transactions: vec![transfer(genesis, *nonce)] };
            *nonce += 1;
            let due = live.due_up_to(unpacked.choices.l1_view.number);
            let executed = rebuild(&mut live.executor, params, &parent, &unpacked, &due).unwrap();
            live.state.0.borrow_mut().apply(executed.block.header.number, executed.hash, &executed.changes);
            live.executor.state_mut().forget_below(executed.block.header.number);
            live.head = executed.block.header.clone();
            live.hashes.push(executed.hash);
            blocks.push(executed.block);
        }
        let data = pack(&blocks, Level::Fast).unwrap().bytes;
        let batch = Batch {
            index,
            previousDigest: previous,
            firstBlock: first,
            lastBlock: live.head.number,
            lastBlockHash: live.head_hash(),
            dataHash: keccak256(&data),
            stateRoot: state_root(live.state.0.borrow().accounts()),
            l1View: live.head.l1_view.number,
            forced: live.head.forced,
        };
        let digest = batch_digest(genesis.l1.chain_id, genesis.l1.inbox, &batch);
        live.next_index += 1;
        live.last_digest = digest;
        let none = U256::ZERO;
        AcceptedBatch {
            digest,
            batch,
            signature: Signature { rx: none, ry: none, z: none },
            data,
            l1_tx: B256::ZERO,
            carrier: Address::ZERO,
            l1_block: L1View::default(),
        }
    }

    fn two_batches(genesis: &GenesisFile) -> (Vec<AcceptedBatch>, B256, Vec<B256>) {
        let mut live = Derivation::new(&genesis.l2);
        let mut nonce = 0;
        let batches = vec![next_batch(&mut live, genesis, &mut nonce), next_batch(&mut live, genesis, &mut nonce)];
        let root = state_root(live.state.0.borrow().accounts());
        (batches, root, live.hashes)
    }

    #[test]
    fn batches_give_the_live_chain_again() {
        let genesis = funded();
        let (batches, root, hashes) = two_batches(&genesis);
        let mut derivation = Derivation::new(&genesis.l2);
        let read: Vec<_> = batches.iter().map(|batch| derivation.apply(batch, drop).unwrap()).collect();
        assert_eq!(derivation.hashes(), hashes);
        assert_eq!(derivation.state_root(), root);
        assert_eq!(read[0].last_block + 1, read[1].first_block);
        assert_eq!(read[0].transactions, read[0].last_block);
    }

    #[test]
    fn what_l1_made_due_is_put_back_though_batches_leave_it_out() {
        let genesis = funded();
        let origin = genesis.l2.l1_view.number;
        let entry = |index, l1_block| {
            let (from, to) = (Address::repeat_byte(0x71), TxKind::Call(Address::repeat_byte(0x72)));
            let (mint, value) = (U256::from(5), U256::from(3));
            let entry = ForcedEntry { index, from, to, mint, value, gas: 21_000, data: Bytes::new() };
            DueTransaction { l1_block, raw: entry.encode() }
        };
        let paid = DueTransaction { l1_block: origin + 2, raw: batch_paid(0, Address::repeat_byte(8)) };
        // What is at the origin or below was before the chain.
        let due = [entry(7, origin), entry(0, origin + 1), entry(1, origin + 2), paid];
        let mut live = Derivation::new(&genesis.l2);
        due.iter().for_each(|due| live.owes(due.clone()));
        let batch = next_batch(&mut live, &genesis, &mut 0);
        assert_eq!(batch.batch.forced, 2);

        let mut derivation = Derivation::new(&genesis.l2);
        due.iter().for_each(|due| derivation.owes(due.clone()));
        let read = derivation.apply(&batch, drop).unwrap();
        assert_eq!((derivation.hashes(), read.transactions), (live.hashes(), read.last_block));
        let account = derivation.state.account(Address::repeat_byte(0x71)).unwrap().unwrap();
        assert_eq!((account.nonce, account.balance), (2, U256::from(4)));

        let mut forgetful = Derivation::new(&genesis.l2);
        forgetful.owes(due[1].clone());
        let error = forgetful.apply(&batch, drop).unwrap_err();
        assert!(matches!(error, DeriveError::Differs { index: 0, .. }), "{error}");
    }

    #[test]
    fn what_the_group_signed_must_come_out() {
        let genesis = funded();
        let (batches, ..) = two_batches(&genesis);
        let differs = |change: &dyn Fn(&mut AcceptedBatch)| {
            let mut wrong = batches[0].clone();
            change(&mut wrong);
            match Derivation::new(&genesis.l2).apply(&wrong, drop) {
                Err(DeriveError::Differs { what, .. }) => what,
                other => panic!("expected a difference, got {other:?}"),
            }
        };
        assert_eq!(differs(&|b| b.batch.stateRoot.0[0] ^= 1), "the state root");
        assert_eq!(differs(&|b| b.batch.lastBlockHash.0[0] ^= 1), "the hash of the last block");
        assert_eq!(differs(&|b| b.batch.lastBlock += 1), "the last block");
        assert_eq!(differs(&|b| b.batch.l1View += 1), "the L1 view");
        assert_eq!(differs(&|b| b.batch.index += 1), "the index");
        assert_eq!(differs(&|b| b.batch.previousDigest.0[0] ^= 1), "the digest of the batch before");
        let mut derivation = Derivation::new(&genesis.l2);
        assert!(matches!(derivation.apply(&batches[1], drop), Err(DeriveError::Differs { what: "the index", .. })));
    }

    #[test]
    fn damaged_data_and_another_genesis_are_errors() {
        let genesis = funded();
        let (batches, ..) = two_batches(&genesis);
        let mut cut = batches[0].clone();
        cut.data = cut.data.slice(..cut.data.len() / 2);
        assert!(matches!(Derivation::new(&genesis.l2).apply(&cut, drop), Err(DeriveError::Unpack { index: 0, .. })));
        let mut poorer = genesis.clone();
        poorer.l2.alloc.clear();
        let error = Derivation::new(&poorer.l2).apply(&batches[0], drop).unwrap_err();
        assert!(matches!(error, DeriveError::Block { index: 0, block: 1, .. }), "{error}");
        assert!(error.to_string().contains("genesis.json is of another chain"), "{error}");
    }
}
