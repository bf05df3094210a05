//! `--full`: how costs move with the number of accounts, the size of a block, the interval between blocks and the number of nodes, and what one
//! core would do if one stage cost nothing.

use alloy_primitives::Address;
use eyre::{Result, ensure};
use horae_stages::rules::HeaderChoices;
use horae_stages::{Account, BlockChanges, Executor, Genesis, HotState, L1View, MemoryState, limits};

use super::Scene;
use super::line::{Ledger, Line};
use super::root;
use crate::args::Options;
use crate::cpu::{self, spent};
use crate::fixtures::{self, Kind, Senders};
use crate::machine;
use crate::sheet::{Figure, Sheet};
use crate::system::net::Net;

/// Sizes of a state, in accounts.
const STATES: [u64; 3] = [10_000, 1_000_000, 10_000_000];
/// Memory that an account takes here while the state is made, bytes.
const ACCOUNT_BYTES: u64 = 500;
/// Transfers on each state.
const TRANSFERS: u64 = 16_384;
/// Sizes of a block, in transactions.
const BLOCKS: [usize; 6] = [16, 64, 128, 256, 512, 1_024];
/// Transactions for each size.
const LINED_UP: usize = 4_096;
/// Intervals between blocks.
const INTERVALS_MS: [u32; 5] = [2, 5, 10, 20, 100];
/// Transactions a second at each interval: little beside what four nodes on these cores commit, so that what is seen is the path and not a
/// queue for the cores.
const CALM_RATE: u32 = 200;
/// How long each interval is looked at, seconds.
const CALM_SECONDS: u32 = 6;
/// Numbers of nodes.
const NODES: [u8; 3] = [1, 4, 7];
const ACCOUNTS: u32 = 100;
const TRANSACTIONS: u64 = 15_000;

/// Execution against the number of accounts.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn accounts(_: &Options) -> Result<Box<dyn Scene>> {
    Ok(Box::new(Accounts))
}

struct Accounts;

impl Scene for Accounts {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let title = "Execution against the number of accounts";
        for count in STATES {
            if machine::memory_mib() << 20 < 2 * count * ACCOUNT_BYTES {
                sheet.miss(&format!("sweep/accounts/{count}"), "this machine has too little memory");
                continue;
            }
            let ns = transfers_on(count)?;
            let figure = Figure::cost(format!("sweep/accounts/{count}"), "ns/tx")
                .note("transfers between accounts nobody has touched before");
            sheet.add(figure, ns, None);
            sheet.point(title, "accounts", "ns/tx", "execute and seal", count as f64, ns);
        }
        Ok(())
    }
}

/// Executes transfers between random accounts of a state of so many, each account once.
fn transfers_on(count: u64) -> Result<f64> {
    let balance = alloy_primitives::U256::from(10).pow(alloy_primitives::U256::from(21));
    let accounts = root::accounts(count);
    let genesis: Genesis = fixtures::genesis([]);
    let header = genesis.header();
    let funded = |(address, account): &(Address, Account)| (*address, Some(Account { nonce: 0, balance, ..*account }));
    let changes = BlockChanges { accounts: accounts.iter().map(funded).collect(), ..BlockChanges::default() };
    let mut state = MemoryState::default();
    state.apply(0, header.hash(), &changes);
    drop(changes);
    let state = HotState::new(state, 0, header.hash(), limits::HOT_ENTRIES);
    let mut executor = Executor::new(state, fixtures::CHAIN_ID);
    // A stride prime to the count visits every account once.
    let (stride, transfers) = (7_919, TRANSFERS.min(count / 2));
    let at = |step: u64| accounts[(step * stride % count) as usize].0;
    let txs: Vec<_> = (0..transfers).map(|n| fixtures::bare_transfer(at(2 * n), 0, at(2 * n + 1))).collect();
    let mut parent = header;
    let mut spent_ns = 0.0;
    for block in txs.chunks(512) {
        let choices = HeaderChoices {
            epoch: 0,
            term: 1,
            slot: 1,
            sequencer: Address::ZERO,
            timestamp_ms: parent.timestamp_ms + 20,
            control_height: 0,
            l1_view: L1View::default(),
            fee_recipient: Address::repeat_byte(9),
            ends_slot: false,
        };
        let raws: Vec<_> = block.iter().map(|_| alloy_primitives::Bytes::from_static(&[0; 112])).collect();
        let block = block.to_vec();
        let (cost, sealed) = spent(|| {
            executor.begin(choices.on(&parent, parent.hash(), &genesis.params));
            for tx in block {
                let run = executor.execute(tx).map(drop);
                ensure!(run.is_ok(), "a funded transfer runs: {run:?}");
            }
            executor.finish(&parent, &genesis.params, || raws).map_err(|why| eyre::eyre!("{why}"))
        });
        parent = sealed?.block.header;
        spent_ns += cost.ns;
    }
    Ok(spent_ns / transfers as f64)
}

/// Costs against the size of a block.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn batches(_: &Options) -> Result<Box<dyn Scene>> {
    let mut genesis = genesis_of(&Senders::new(1_000, 7, fixtures::CHAIN_ID));
    genesis.params.max_block_bytes = 1 << 20;
    Ok(Box::new(Batches { senders: Senders::new(1_000, 7, fixtures::CHAIN_ID), line: Line::new(&genesis) }))
}

fn genesis_of(senders: &Senders) -> Genesis {
    fixtures::genesis(senders.addresses())
}

struct Batches {
    senders: Senders,
    line: Line,
}

impl Batches {
    fn pass(&mut self, in_block: usize) -> Ledger {
        let raws = self.senders.sign(LINED_UP, Kind::Transfer);
        let mut ledger = Ledger::default();
        for raws in raws.chunks(in_block) {
            self.line.block(raws, &mut ledger);
        }
        ledger
    }
}

impl Scene for Batches {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        for in_block in BLOCKS {
            let ledger = self.pass(in_block);
            for (stage, spent) in ledger.stages() {
                let ns = spent.ns / ledger.transactions as f64;
                sheet.point(
                    "Stages against the size of a block",
                    "transactions a block",
                    "ns/tx",
                    stage,
                    in_block as f64,
                    ns,
                );
            }
            let figure = Figure::cost(format!("sweep/batch/{in_block}"), "ns/tx").note("all stages in one thread");
            sheet.add(figure, ledger.each_ns(), None);
        }
        Ok(())
    }
}

/// Latency, and what a node costs, against the interval between blocks.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn intervals(_: &Options) -> Result<Box<dyn Scene>> {
    Ok(Box::new(Intervals))
}

struct Intervals;

impl Scene for Intervals {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let across = "milliseconds between blocks";
        for interval_ms in INTERVALS_MS {
            let net = Net::start_with(4, &["--block-interval-ms", &interval_ms.to_string()])?;
            let load = net.load("tcp", ACCOUNTS, u64::from(CALM_RATE * CALM_SECONDS), CALM_RATE);
            load.run()?;
            let load = load.save(&net.scratch().join("plan"))?;
            net.settle();
            let cpu_ns = || -> f64 { net.nodes().iter().map(|node| cpu::of_process(node.process())).sum() };
            let before = cpu_ns();
            let outcome = load.run()?;
            let percent = (cpu_ns() - before) / 1e9 / outcome.seconds / net.nodes().len() as f64 * 100.0;
            for (strength, latency) in &outcome.latency_ms {
                for (quantile, ms) in [("p50", latency.p50), ("p99", latency.p99)] {
                    let figure = Figure::cost(format!("sweep/interval/{interval_ms}/{strength}/{quantile}"), "ms")
                        .note("four nodes, 200 a second, open loop; the node tells of each head");
                    sheet.add(figure, ms, None);
                    let line = format!("{strength} {quantile}");
                    sheet.point("Latency against the block interval", across, "ms", &line, f64::from(interval_ms), ms);
                }
            }
            let figure = Figure::cost(format!("sweep/interval/{interval_ms}/cpu"), "% of a core")
                .note("of each of four nodes, at 200 transactions a second");
            sheet.add(figure, percent, None);
            let title = "CPU of a node against the block interval";
            sheet.point(title, across, "% of a core", "a node", f64::from(interval_ms), percent);
        }
        Ok(())
    }
}

/// Throughput against the number of nodes.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn nodes(_: &Options) -> Result<Box<dyn Scene>> {
    Ok(Box::new(Nodes))
}

struct Nodes;

impl Scene for Nodes {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        for nodes in NODES {
            let net = Net::start(nodes)?;
            let load = net.load("tcp", ACCOUNTS, TRANSACTIONS, 0);
            load.run()?;
            let rate = load.run()?.transactions_per_second;
            let figure = Figure::rate(format!("sweep/nodes/{nodes}"), "tx/s")
                .note("all nodes, L1 and generator share the cores");
            sheet.add(figure, rate, None);
            sheet.point(
                "Throughput against the number of nodes",
                "nodes",
                "tx/s",
                "framed TCP",
                f64::from(nodes),
                rate,
            );
        }
        Ok(())
    }
}

/// What one core does without one of its stages.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn stubs(_: &Options) -> Result<Box<dyn Scene>> {
    let senders = Senders::new(1_000, 9, fixtures::CHAIN_ID);
    let line = Line::new(&genesis_of(&senders));
    Ok(Box::new(Stubs(Batches { senders, line })))
}

struct Stubs(Batches);

impl Scene for Stubs {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let ledger = self.0.pass(512);
        let each: Vec<(&str, f64)> =
            ledger.stages().iter().map(|(stage, spent)| (*stage, spent.ns / ledger.transactions as f64)).collect();
        let all: f64 = each.iter().map(|(_, ns)| ns).sum();
        let note = "transactions a second of one core; in one thread costs add up, so a stage that cost nothing is left out of the sum";
        sheet.add(Figure::rate("sweep/stubs/none", "tx/s").note(note), 1e9 / all, None);
        for (stage, ns) in each {
            let figure = Figure::rate(format!("sweep/stubs/{stage}"), "tx/s").beside("with all stages").note(note);
            sheet.add(figure, 1e9 / (all - ns), Some(1e9 / all));
        }
        Ok(())
    }
}
