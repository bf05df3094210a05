//! Each stage's cost a transaction in a sequencer's own order, transfers and token transfers, and what it allocates.

use std::hint::black_box;

use alloy_consensus::TxEnvelope;
use alloy_eips::Decodable2718;
use alloy_primitives::map::B256Set;
use alloy_primitives::{Address, B256, U256, keccak256};
use eyre::Result;
use revm::context::TxEnv;
use revm::database::InMemoryDB;
use revm::primitives::TxKind;
use revm::state::AccountInfo;
use revm::{Context, ExecuteCommitEvm, MainBuilder, MainContext};

use super::Scene;
use super::line::{Ledger, Line};
use crate::args::Options;
use crate::cpu::spent;
use crate::fixtures::{self, Kind, Senders};
use crate::sheet::{Figure, Sheet, Target};

const ACCOUNTS: u64 = 1_000;
/// Transfers of a block: what fits into its 64 kB.
const IN_BLOCK: usize = 512;
/// Token transfers of a block: what fits into its gas.
const TOKENS_IN_BLOCK: usize = 256;
const BLOCKS: usize = 8;

/// Sets up two chains, one with a token on it.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    let transfers = Chain::new(Kind::Transfer, IN_BLOCK);
    let senders = Senders::new(ACCOUNTS, 2, fixtures::CHAIN_ID);
    let key = B256::repeat_byte(0x11);
    let (token, setup) = fixtures::token_setup(&key, &senders.addresses(), fixtures::CHAIN_ID);
    let mut tokens = Chain::over(senders, &key, Kind::Token(token), TOKENS_IN_BLOCK);
    let mut blocks = vec![&setup[..1]];
    blocks.extend(setup[1..].chunks(TOKENS_IN_BLOCK));
    for raws in blocks {
        tokens.line.block(raws, &mut Ledger::default());
    }
    let mut scene = Stages { transfers, tokens, bare: bare_state(), nonce: 0, set: full_set() };
    // Caches and buffers have their sizes after this.
    scene.transfers.line.fill_dedup();
    scene.transfers.pass(1);
    scene.tokens.pass(1);
    Ok(Box::new(scene))
}

struct Chain {
    senders: Senders,
    line: Line,
    kind: Kind,
    in_block: usize,
}

impl Chain {
    fn new(kind: Kind, in_block: usize) -> Self {
        Self::over(Senders::new(ACCOUNTS, 1, fixtures::CHAIN_ID), &B256::repeat_byte(0x11), kind, in_block)
    }

    fn over(senders: Senders, funder: &B256, kind: Kind, in_block: usize) -> Self {
        let funder = alloy::signers::local::PrivateKeySigner::from_bytes(funder).expect("a key").address();
        let line = Line::new(&fixtures::genesis(senders.addresses().into_iter().chain([funder])));
        Self { senders, line, kind, in_block }
    }

    fn pass(&mut self, blocks: usize) -> (Ledger, Vec<Vec<u8>>) {
        let raws = self.senders.sign(blocks * self.in_block, self.kind);
        let mut ledger = Ledger::default();
        for raws in raws.chunks(self.in_block) {
            self.line.block(raws, &mut ledger);
        }
        (ledger, raws)
    }
}

struct Stages {
    transfers: Chain,
    tokens: Chain,
    bare: InMemoryDB,
    nonce: u64,
    set: B256Set,
}

impl Scene for Stages {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let (ledger, raws) = self.transfers.pass(BLOCKS);
        let count = ledger.transactions as f64;
        let each = |ns: f64| ns / count;
        let decode = each(by_alloy(&raws));
        let figure = Figure::cost("stage/decode", "ns/tx").beside("alloy's decoder and Keccak-256 alone");
        sheet.add(figure, each(ledger.decode.ns), Some(decode));
        let figure = Figure::cost("stage/dedup", "ns/tx").beside("a hash set that never forgets");
        sheet.add(figure, each(ledger.dedup.ns), Some(each(by_set(&mut self.set, &raws))));
        sheet.add(Figure::cost("stage/admit", "ns/tx"), each(ledger.admit.ns), None);
        sheet.add(Figure::cost("stage/order", "ns/tx"), each(ledger.order.ns), None);
        let bare = self.bare_transfers(raws.len());
        let figure = Figure::cost("stage/execute/transfer", "ns/tx").beside("revm on its in-memory database");
        sheet.add(figure, each(ledger.execute.ns), Some(each(bare)));
        sheet.add(Figure::cost("stage/seal", "ns/tx"), each(ledger.seal.ns), None);
        for (name, spent) in ledger.stages() {
            let mut figure = Figure::cost(format!("alloc/{name}"), "allocations/tx");
            if ["decode", "dedup", "recover", "admit", "order"].contains(&name) {
                figure = figure.wants(Target::AtMost(0.0));
            }
            sheet.add(figure, spent.allocations as f64 / count, None);
        }
        let (ledger, _) = self.tokens.pass(BLOCKS);
        let figure =
            Figure::cost("stage/execute/erc20", "ns/tx").note("OpenZeppelin's ERC-20, transfers between holders");
        sheet.add(figure, ledger.execute.ns / ledger.transactions as f64, None);
        let figure = Figure::cost("alloc/execute/erc20", "allocations/tx");
        sheet.add(figure, ledger.execute.allocations as f64 / ledger.transactions as f64, None);
        Ok(())
    }
}

impl Stages {
    /// The same transfers by revm alone, committed one by one to maps.
    fn bare_transfers(&mut self, count: usize) -> f64 {
        let mut evm = Context::mainnet().with_db(&mut self.bare).build_mainnet();
        let nonce = self.nonce;
        let addresses: Vec<Address> = (0..ACCOUNTS).map(address).collect();
        let transfers: Vec<TxEnv> = (0..count as u64)
            .map(|at| TxEnv {
                caller: addresses[(at % ACCOUNTS) as usize],
                kind: TxKind::Call(addresses[((at + 1) % ACCOUNTS) as usize]),
                nonce: nonce + at / ACCOUNTS,
                gas_limit: 21_000,
                value: U256::ONE,
                ..TxEnv::default()
            })
            .collect();
        let (cost, ()) = spent(|| {
            for tx in transfers {
                black_box(evm.transact_commit(tx).expect("a funded transfer runs"));
            }
        });
        // Only whole turns are counted, so the next pass begins with equal nonces.
        let turns = count as u64 / ACCOUNTS;
        drop(evm);
        self.nonce += turns;
        for index in 0..ACCOUNTS {
            if let Some(account) = self.bare.cache.accounts.get_mut(&address(index)) {
                account.info.nonce = self.nonce;
            }
        }
        cost.ns
    }
}

fn address(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

fn bare_state() -> InMemoryDB {
    let mut state = InMemoryDB::default();
    for index in 0..ACCOUNTS {
        let balance = U256::from(10).pow(U256::from(21));
        state.insert_account_info(address(index), AccountInfo { balance, ..AccountInfo::default() });
    }
    state
}

/// As many hashes as dedup remembers, and room for those of all rounds.
fn full_set() -> B256Set {
    let mut set = B256Set::default();
    set.reserve(2 * horae_stages::limits::RECENT_HASHES);
    set.extend((0..horae_stages::limits::RECENT_HASHES as u64).map(|index| keccak256(index.to_be_bytes())));
    set
}

fn by_alloy(raws: &[Vec<u8>]) -> f64 {
    let (cost, ()) = spent(|| {
        for raw in raws {
            black_box(TxEnvelope::decode_2718_exact(raw).expect("it decodes"));
            black_box(keccak256(raw));
        }
    });
    cost.ns
}

fn by_set(set: &mut B256Set, raws: &[Vec<u8>]) -> f64 {
    let hashes: Vec<B256> = raws.iter().map(keccak256).collect();
    let (cost, ()) = spent(|| {
        for hash in &hashes {
            black_box(set.insert(*hash));
        }
    });
    cost.ns
}
