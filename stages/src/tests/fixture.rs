//! Wallets that sign, a funded genesis, and a node of one thread that walks transactions through every stage.

use std::collections::BTreeMap;

use alloy_consensus::transaction::SignableTransaction;
use alloy_consensus::{Signed, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use secp256k1::ecdsa::RecoverableSignature;
use secp256k1::{Message, PublicKey, SecretKey};

use crate::admit::AdmitLimits;
use crate::changes::BlockChanges;
use crate::genesis::GenesisAccount;
use crate::header::Header;
use crate::*;

pub const CHAIN_ID: u64 = 1_088;
pub const START_MS: u64 = 1_700_000_000_000;
pub const ETHER: u128 = 1_000_000_000_000_000_000;
pub const GWEI: u128 = 1_000_000_000;

/// A key with its address and next nonce.
#[derive(Clone)]
pub struct Wallet {
    key: SecretKey,
    pub address: Address,
    pub nonce: u64,
}

impl Wallet {
    pub fn new(seed: u64) -> Self {
        let mut bytes = [7; 32];
        bytes[24..].copy_from_slice(&seed.to_be_bytes());
        let key = SecretKey::from_secret_bytes(bytes).unwrap();
        let public = PublicKey::from_secret_key(&key).serialize_uncompressed();
        Self { key, address: Address::from_raw_public_key(&public[1..]), nonce: 0 }
    }

    pub fn sign<T: SignableTransaction<Signature>>(&self, tx: T) -> Signed<T> {
        let signature = self.sign_digest(Message::from_digest(tx.signature_hash().0));
        tx.into_signed(signature)
    }

    pub fn sign_digest(&self, digest: Message) -> Signature {
        let (parity, bytes) = RecoverableSignature::sign_ecdsa_recoverable(digest, &self.key).serialize_compact();
        Signature::from_bytes_and_parity(&bytes, parity.to_u8() == 1)
    }

    /// An EIP-1559 transaction with this wallet's next nonce.
    pub fn send(&mut self, to: TxKind, value: u128, input: Bytes, gas_limit: u64) -> Vec<u8> {
        let tx = TxEip1559 { nonce: self.nonce, to, value: U256::from(value), input, gas_limit, ..draft() };
        self.nonce += 1;
        self.raw(tx)
    }

    pub fn raw(&self, tx: TxEip1559) -> Vec<u8> {
        TxEnvelope::from(self.sign(tx)).encoded_2718()
    }
}

/// A transaction to fill in.
pub fn draft() -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI / 10,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        ..TxEip1559::default()
    }
}

pub fn genesis(wallets: &[Wallet]) -> Genesis {
    let account = GenesisAccount { balance: U256::from(1_000 * ETHER), ..GenesisAccount::default() };
    let alloc: BTreeMap<_, _> = wallets.iter().map(|wallet| (wallet.address, account.clone())).collect();
    Genesis {
        params: ChainParams::devnet(CHAIN_ID),
        timestamp_ms: START_MS,
        l1_view: L1View::default(),
        prevrandao: Default::default(),
        alloc,
    }
}

pub fn executor(genesis: &Genesis) -> Executor<MemoryState> {
    genesis.check().unwrap();
    let mut memory = MemoryState::default();
    let hash = genesis.header().hash();
    memory.apply(0, hash, &genesis.changes());
    Executor::new(HotState::new(memory, 0, hash, 1 << 12), genesis.params.chain_id)
}

pub fn slot(slot: u64) -> SlotContext {
    SlotContext {
        epoch: 1,
        term: 1,
        slot,
        sequencer: Address::repeat_byte(0x5e),
        fee_recipient: Address::repeat_byte(0xfe),
    }
}

/// How many transactions of a block users signed.
pub fn signed(block: &ExecutedBlock) -> usize {
    block.signed().len()
}

pub type Parcel = Box<TxBody>;

/// A sequencer with all its stages, on one thread and a clock that the test holds.
pub struct Line {
    pub now_ms: u64,
    pub decode: Decode,
    pub dedup: Dedup,
    pub recover: Recover,
    pub admit: Admit<Parcel>,
    pub order: Order<Parcel, PriorityFee>,
    pub executor: Executor<MemoryState>,
    pub sealer: Sealer,
    pub applied: Applied,
    pub params: ChainParams,
    pub shed: Vec<Shed>,
    pub blocks: Vec<ExecutedBlock>,
}

impl Line {
    pub fn new(genesis: &Genesis) -> Self {
        let params = genesis.params.clone();
        Self {
            now_ms: START_MS,
            decode: Decode::new(DecodePolicy::new(&params)),
            dedup: Dedup::new(1_024),
            recover: Recover::new(),
            admit: Admit::new(AdmitLimits::default(), params.initial_base_fee, params.gas_limit),
            order: Order::new(PriorityFee),
            executor: executor(genesis),
            sealer: Sealer::new(slot(1), genesis.header(), params.clone()),
            applied: Applied::default(),
            params,
            shed: Vec::new(),
            blocks: Vec::new(),
        }
    }

    fn base_fee(&self) -> u64 {
        rules::next_base_fee(self.sealer.tip(), &self.params)
    }

    /// One transaction from the door to the order queue.
    pub fn submit(&mut self, raw: &[u8]) {
        let mut body = Box::<TxBody>::default();
        body.fill(raw, self.now_ms, 0);
        let recovered = self
            .decode
            .step(Frame::new(body))
            .and_then(|decoded| self.dedup.step(decoded))
            .and_then(|fresh| self.recover.step(fresh));
        match recovered {
            Err(rejected) => self.shed.push(rejected.why),
            Ok(recovered) => {
                let base_fee = self.base_fee();
                let mut verdicts = Vec::new();
                let view = self.executor.state_mut();
                self.admit.step(self.now_ms, recovered, view, &mut |verdict| verdicts.push(verdict)).unwrap();
                self.take(verdicts, base_fee);
            }
        }
    }

    fn take(&mut self, verdicts: Vec<Verdict<Parcel>>, base_fee: u64) {
        for verdict in verdicts {
            match verdict {
                Verdict::Ready(tx) => self.order.push(tx, base_fee),
                Verdict::Shed(rejected) => self.shed.push(rejected.why),
                Verdict::Included(_) => {}
            }
        }
    }

    /// Executes what is in order, sealing whenever a block is full, and then what is due.
    pub fn work(&mut self) {
        while let Some(tx) = self.order.pop() {
            match self.sealer.offer(self.now_ms, &self.applied, &mut self.executor, tx).unwrap() {
                Offered::Taken(_) => {}
                Offered::Shed(rejected) => {
                    self.admit.lost(
                        rejected.parcel.sender(),
                        rejected.parcel.envelope().map_or(0, alloy_consensus::Transaction::nonce),
                    );
                    self.shed.push(rejected.why);
                }
                Offered::Full(tx) => {
                    self.order.put_back(tx);
                    self.seal();
                }
                Offered::Ended(tx) => {
                    self.order.put_back(tx);
                    let (next, tip) = (slot(self.sealer.slot().slot + 1), self.sealer.tip().clone());
                    self.sealer = Sealer::new(next, tip, self.params.clone());
                }
            }
        }
        if self.sealer.ended() {
            let (next, tip) = (slot(self.sealer.slot().slot + 1), self.sealer.tip().clone());
            self.sealer = Sealer::new(next, tip, self.params.clone());
        }
        if let Some(block) = self.sealer.tick(self.now_ms, &self.applied, &mut self.executor).unwrap() {
            self.sealed(block);
        }
    }

    pub fn seal(&mut self) {
        if let Some(block) = self.sealer.seal(self.now_ms, &self.applied, &mut self.executor).unwrap() {
            self.sealed(block);
        }
    }

    fn sealed(&mut self, block: ExecutedBlock) {
        let base_fee = self.base_fee();
        let mut verdicts = Vec::new();
        let view = self.executor.state_mut();
        self.admit.executed(self.now_ms, &block, base_fee, view, &mut |verdict| verdicts.push(verdict)).unwrap();
        self.take(verdicts, base_fee);
        self.blocks.push(block);
    }
}

/// Follows every block from genesis on and returns the state it ends with.
pub fn follow(genesis: &Genesis, blocks: &[ExecutedBlock]) -> Executor<MemoryState> {
    let mut executor = executor(genesis);
    let mut parent: Header = genesis.header();
    for block in blocks {
        let recovered = recover_block(block.block.clone()).unwrap();
        let executed = execute_block(&mut executor, &genesis.params, &parent, recovered, FromL1::Settled).unwrap();
        assert_eq!(&executed, block);
        parent = executed.block.header;
    }
    executor
}

/// All changes of a chain in one, by replaying them over the genesis state.
pub fn replay<'a>(genesis: &Genesis, changes: impl IntoIterator<Item = &'a BlockChanges>) -> MemoryState {
    let mut memory = MemoryState::default();
    memory.apply(0, genesis.header().hash(), &genesis.changes());
    changes.into_iter().zip(1..).for_each(|(changes, number)| memory.apply(number, Default::default(), changes));
    memory
}
