//! The state root at a batch boundary: kept trie against a scan of the whole state, by the count of accounts; and what roots cost the
//! thread that stores committed blocks. Interleaved rounds, medians, and the roots compared on the way. Times are of the processor,
//! as Linux counts them for threads, so that whatever else runs on the machine matters less.
//!
//! `cargo bench --bench root` takes a minute; `cargo bench --bench root -- 1000000 10000000` names counts of accounts.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, B256, U256, keccak256};
use horae_node::chain_view::{self, ChainEvent, KeeperOptions};
use horae_node::edges::store::{RootWork, StateTrie, Store, StoreOptions, TRIE_CACHE_BYTES, trie_path};
use horae_stages::{Account, Block, BlockChanges, ChainParams, ExecutedBlock, Genesis, Header};

const COUNTS: [u64; 2] = [10_000, 100_000];
const CHANGED: [u64; 2] = [2_000, 20_000];
/// Interleaved rounds; the scan of a large state is timed in fewer.
const ROUNDS: usize = 5;
const SCANNED_MAX: u64 = 2_000_000;
const CHAIN_ID: u64 = 4242;
/// Accounts of a block while the state is filled.
const FILL: u64 = 100_000;
/// A batch of the second table: two seconds of blocks of 50 ms, with 2,000 transfers.
const BATCH_BLOCKS: u64 = 40;
const BLOCK_ACCOUNTS: u64 = 100;
const BATCHES: u64 = 5;

fn main() {
    let counts: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let counts = if counts.is_empty() { COUNTS.to_vec() } else { counts };
    println!("a root at the end of a batch (ms of processor time, median of {ROUNDS} interleaved rounds)");
    println!("| accounts | changed | scan | kept trie | scan / trie | branches | trie file MB | store file MB |");
    println!("|---|---|---|---|---|---|---|---|");
    counts.iter().for_each(|count| roots(*count));
    println!(
        "\nstoring committed blocks of {BLOCK_ACCOUNTS} accounts, as fast as it goes (ms of processor time a block, all threads)"
    );
    println!("| accounts | no roots | a root every {BATCH_BLOCKS} blocks | ratio of medians | lowest to highest |");
    println!("|---|---|---|---|---|");
    counts.iter().for_each(|count| storing(*count));
}

fn roots(count: u64) {
    let home = tempfile::tempdir().unwrap();
    let mut chain = Chain::filled(home.path(), count);
    let mut trie = StateTrie::open(chain.store.path(), TRIE_CACHE_BYTES).unwrap();
    let (_, built) = timed(|| trie.root_at(&chain.store.reader()).unwrap());
    trie.sync().unwrap();
    let rounds = if count > SCANNED_MAX { 1 } else { ROUNDS };
    for changed in CHANGED {
        let (mut scans, mut kept) = (Vec::new(), Vec::new());
        let mut work = None;
        for _ in 0..ROUNDS {
            chain.apply_changes(changed, count);
            let reader = chain.store.reader();
            let (done, took): (RootWork, f64) = timed(|| trie.root_at(&reader).unwrap());
            kept.push(took);
            if scans.len() < rounds {
                let (root, took) = timed(|| reader.compute_root().unwrap());
                assert_eq!(root, done.root);
                scans.push(took);
            }
            work = Some(done);
            chain.store.flush().unwrap();
            trie.sync().unwrap();
        }
        let (scan, kept) = (median(&mut scans), median(&mut kept));
        let megabytes = |path: &Path| std::fs::metadata(path).unwrap().len() >> 20;
        let files = (megabytes(&trie_path(chain.store.path())), megabytes(chain.store.path()));
        let branches = work.map_or(0, |work| work.branches);
        let ratio = scan / kept;
        println!(
            "| {count} | {changed} | {scan:.0} | {kept:.1} | {ratio:.1} | {branches} | {} | {} |",
            files.0, files.1
        );
    }
    println!("| {count} | all, once | | {built:.0} | | | | |");
}

fn storing(count: u64) {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut took = [Vec::new(), Vec::new()];
    let [without, with] = [false, true].map(|roots| Storing::start(homes[usize::from(roots)].path(), count, roots));
    let mut both = [without, with];
    // The first round builds the trie.
    for round in 0..ROUNDS + 1 {
        for (storing, took) in both.iter_mut().zip(&mut took) {
            let ms = storing.round(count) / (BATCHES * BATCH_BLOCKS) as f64;
            if round > 0 {
                took.push(ms);
            }
        }
    }
    let mut ratios: Vec<f64> = took[1].iter().zip(&took[0]).map(|(with, without)| with / without).collect();
    let [without, with] = &mut took;
    let (without, with) = (median(without), median(with));
    median(&mut ratios);
    let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
    println!("| {count} | {without:.3} | {with:.3} | {:.3} | {low:.3} to {high:.3} |", with / without);
    both.into_iter().for_each(Storing::stop);
}

struct Storing {
    chain: Chain,
    view: chain_view::ChainView,
    feed: chain_view::ChainFeed,
    keeper: chain_view::KeeperHandle,
    roots: bool,
}

impl Storing {
    fn start(home: &Path, count: u64, roots: bool) -> Self {
        let chain = Chain::filled(home, count);
        let (view, feed, keeper) =
            chain_view::start(chain.store.clone(), KeeperOptions::new(genesis().params)).unwrap();
        Self { chain, view, feed, keeper, roots }
    }

    /// What it takes from the first block's sending to the last one's being stored, and its batch's root known.
    fn round(&mut self, count: u64) -> f64 {
        let blocks: Vec<_> = (1..=BATCHES * BATCH_BLOCKS)
            .map(|at| self.chain.block(BLOCK_ACCOUNTS, count, self.roots && at % BATCH_BLOCKS == 0))
            .collect();
        let last = blocks[blocks.len() - 1].block.header.number;
        let before = processor_ms("/proc/self/task");
        for block in blocks {
            let id = horae_control::BlockId { number: block.block.header.number, hash: block.hash };
            self.feed.send(ChainEvent::Executed { block, signature: None }).unwrap();
            self.feed.send(ChainEvent::CommittedByDecision(id)).unwrap();
        }
        while self.view.stored_height() < last || (self.roots && self.view.state_root(last).unwrap().is_none()) {
            assert!(self.view.fault().is_none(), "{:?}", self.view.fault());
            std::thread::sleep(Duration::from_millis(1));
        }
        processor_ms("/proc/self/task") - before
    }

    fn stop(self) {
        self.keeper.stop().unwrap();
    }
}

struct Chain {
    store: Store,
    tip: Header,
    tip_hash: B256,
    drawn: u64,
}

impl Chain {
    /// A store with this many accounts.
    fn filled(home: &Path, count: u64) -> Self {
        let genesis = genesis();
        let store = Store::open(&home.join("state.redb"), &genesis, StoreOptions::default()).unwrap();
        let tip = genesis.header();
        let mut chain = Self { store, tip_hash: tip.hash(), tip, drawn: 0 };
        let mut first = 0;
        while first < count {
            let next = count.min(first + FILL);
            let block = chain.seal((first..next).map(|n| (address(n), 1)).collect(), false);
            chain.store.apply_executed(&block).unwrap();
            chain.store.flush().unwrap();
            first = next;
        }
        chain
    }

    fn apply_changes(&mut self, changed: u64, count: u64) {
        let block = self.block(changed, count, false);
        self.store.apply_executed(&block).unwrap();
    }

    /// A block that changes some accounts, one in ten of which is new.
    fn block(&mut self, changed: u64, count: u64, ends_batch: bool) -> Arc<ExecutedBlock> {
        let accounts = (0..changed).map(|n| {
            self.drawn += 1;
            let at = if n % 10 == 0 { count + self.drawn } else { draw(self.drawn) % count };
            (address(at), self.drawn)
        });
        let accounts = accounts.collect();
        self.seal(accounts, ends_batch)
    }

    fn seal(&mut self, accounts: Vec<(Address, u64)>, ends_batch: bool) -> Arc<ExecutedBlock> {
        let mut header = self.tip.clone();
        header.parent = self.tip_hash;
        header.number += 1;
        header.batch_bytes = if ends_batch { genesis().params.batch_bytes } else { 0 };
        let account = |nonce| Some(Account { nonce, balance: U256::from(nonce) << 64, ..Account::default() });
        let mut accounts: Vec<_> = accounts.into_iter().map(|(address, nonce)| (address, account(nonce))).collect();
        accounts.sort_unstable_by_key(|(address, _)| *address);
        accounts.dedup_by_key(|(address, _)| *address);
        (self.tip_hash, self.tip) = (header.hash(), header.clone());
        Arc::new(ExecutedBlock {
            hash: self.tip_hash,
            block: Block { header, transactions: Vec::new() },
            transactions: Vec::new(),
            receipts: Vec::new(),
            changes: BlockChanges { accounts, ..BlockChanges::default() },
        })
    }
}

fn genesis() -> Genesis {
    let params = ChainParams::devnet(CHAIN_ID);
    Genesis { params, timestamp_ms: 0, l1_view: Default::default(), prevrandao: B256::ZERO, alloc: Default::default() }
}

fn address(n: u64) -> Address {
    Address::from_word(keccak256(n.to_be_bytes()))
}

fn draw(n: u64) -> u64 {
    let hash = keccak256([n.to_be_bytes(), [0x5a; 8]].concat());
    u64::from_be_bytes(*hash.first_chunk().unwrap())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let began = thread_ms(Path::new("/proc/thread-self"));
    let done = work();
    (done, thread_ms(Path::new("/proc/thread-self")) - began)
}

/// Processor time of all threads listed in a folder. None of ours ends while it is measured.
fn processor_ms(tasks: &str) -> f64 {
    std::fs::read_dir(tasks).unwrap().map(|task| thread_ms(&task.unwrap().path())).sum()
}

fn thread_ms(task: &Path) -> f64 {
    let text = std::fs::read_to_string(task.join("schedstat")).unwrap();
    text.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e6
}

/// Sorts, too.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
