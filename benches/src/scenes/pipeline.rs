//! One node, whole: transactions in at an edge, committed at the sink. How many a second, what each costs the node's process, and what it
//! writes for them.

use eyre::{Result, ensure};
use horae_recovery::{Input, Outcome, Recoverer};
use horae_tests::node::loopback;

use super::Scene;
use super::peers::Peers;
use super::recovery::inputs;
use crate::args::Options;
use crate::cpu::spent;
use crate::sheet::{Figure, Sheet, Target};
use crate::system::load::{self, Load};
use crate::system::net::Net;
use crate::system::observe::{Calls, Course, Look};

/// The edges, each under load by itself.
const DOORS: [&str; 3] = ["tcp", "quic", "rpc"];
/// Accounts that send.
const ACCOUNTS: u32 = 100;
/// Transactions of a load.
const TRANSACTIONS: u64 = 100_000;
/// Transactions of each account in the load that anvil gets too.
const TURNS: u64 = 200;
/// Signatures of a look at bare recovery.
const SIGNATURES: usize = 2_048;
/// A burst of the recover worker.
const BURST: usize = 64;

/// Starts a devnet of one node, and anvil beside it.
///
/// # Errors
/// What did not start.
pub fn open(options: &Options) -> Result<Box<dyn Scene>> {
    let net = Net::start(1)?;
    // Accounts have money after this, and buffers their sizes.
    net.load("tcp", ACCOUNTS, TRANSACTIONS, 0).run()?;
    let peers =
        options.wants("pipeline/rpc/anvil").then(|| Peers::start(loopback(net.node(0).ports.rpc), net.chain_id()));
    let inputs = inputs(SIGNATURES);
    Ok(Box::new(Pipeline { net, peers: peers.transpose()?, inputs, bare: Recoverer::default(), counted: false }))
}

struct Pipeline {
    net: Net,
    peers: Option<Peers>,
    inputs: Vec<Input>,
    bare: Recoverer,
    counted: bool,
}

impl Scene for Pipeline {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        for door in DOORS {
            let before = self.bare_recovery();
            let (outcome, course) = self.loaded(door)?;
            let bare = f64::midpoint(before, self.bare_recovery());
            self.add(sheet, door, &outcome, &course, bare);
        }
        if let Some(peers) = &mut self.peers {
            let rates = peers.run(TURNS)?;
            let figure = Figure::rate("pipeline/rpc/anvil", "tx/s")
                .beside("anvil, the same batches")
                .wants(Target::RatioAtLeast(5.0))
                .note("batches of 100 on 8 connections from the same bare client, until all are in blocks; 3 is wanted with libsecp256k1, 5 with vectors");
            sheet.add(figure, rates.ours, Some(rates.anvil));
        }
        if !std::mem::replace(&mut self.counted, true) {
            for door in DOORS {
                if let Err(why) = self.count_calls(door, sheet) {
                    sheet.miss(&format!("calls/{door}"), format!("{why:#}"));
                }
            }
        }
        self.net.expect_alive()
    }
}

impl Pipeline {
    fn loaded(&self, door: &str) -> Result<(load::Outcome, Course)> {
        self.net.settle();
        let node = self.net.node(0);
        let load = Load { ceiling: true, ..self.net.load(door, ACCOUNTS, TRANSACTIONS, 0) };
        let load = load.save(&self.net.scratch().join("plan"))?;
        let look = Look::at(node)?;
        let outcome = load.run()?;
        let course = look.until_now(node)?;
        ensure!(
            outcome.committed == TRANSACTIONS,
            "of {TRANSACTIONS} transactions over {door}, {} were committed and {} refused",
            outcome.committed,
            outcome.refused
        );
        Ok((outcome, course))
    }

    fn add(&self, sheet: &mut Sheet, door: &str, outcome: &load::Outcome, course: &Course, bare: f64) {
        let count = outcome.committed as f64;
        let figure = Figure::rate(format!("pipeline/{door}"), "tx/s")
            .beside("the generator into a sink that does nothing")
            .note("committed at the sink; load generator, node and L1 share the cores");
        let ceiling = outcome.ceiling.map(|ceiling| ceiling.transactions_per_second);
        sheet.add(figure, outcome.transactions_per_second, ceiling);
        let mut figure = Figure::cost(format!("pipeline/overhead/{door}"), "ns/tx")
            .beside("bare recovery, batches of 64")
            .note("CPU time of the node's process, what the load's own watching of the chain asks of it included");
        if door != "rpc" {
            figure = figure.wants(Target::RatioAtMost(1.25));
        }
        sheet.add(figure, course.cpu_ns / count, Some(bare));
        let root = course.threads.get("state-root").copied().unwrap_or(0.0);
        let figure = Figure::cost(format!("root/share/{door}"), "% of the rest")
            .wants(Target::AtMost(5.0))
            .note("CPU time of the state root's worker beside all else that the node does; several roots a second");
        sheet.add(figure, root / (course.cpu_ns - root) * 100.0, None);
        if door == "tcp" {
            let edge = course.threads.get("horae-edge").copied().unwrap_or(0.0);
            let figure = Figure::cost("pipeline/overhead/tcp/workers", "ns/tx")
                .beside("bare recovery, batches of 64")
                .wants(Target::RatioAtMost(1.25))
                .note("without the threads `horae-edge`, which here serve nothing but the load's watching and the node's own timers");
            sheet.add(figure, (course.cpu_ns - edge) / count, Some(bare));
        }
        let threads = sheet.threads.entry(door.to_owned()).or_default();
        for (thread, ns) in &course.threads {
            threads.insert(thread.clone(), ns / count);
        }
        sheet.regimes.insert(door.to_owned(), course.regimes(outcome.seconds));
        if door == "tcp" {
            let groups = course.counted("horae_journal_groups_total");
            sheet.add(Figure::cost("journal/bytes", "B/tx"), course.counted("horae_journal_bytes_total") / count, None);
            let figure = Figure::cost("journal/fsyncs", "1/s")
                .note("groups that the journal has committed, a second of the load");
            sheet.add(figure, groups / outcome.seconds, None);
            let of = |names: &[&str]| {
                let wrote = course.written.iter().filter(|(name, _)| names.iter().any(|begin| name.starts_with(begin)));
                wrote.map(|(_, bytes)| bytes).sum::<f64>() / count
            };
            let figure =
                Figure::cost("journal/disk", "B/tx").note("bytes that the journal's thread had the kernel write");
            sheet.add(figure, of(&["journal"]), None);
            let figure = Figure::cost("store/bytes", "B/tx").note("bytes that the store's thread had the kernel write");
            sheet.add(figure, of(&["store"]), None);
        }
    }

    /// Bare recovery on this machine now, ns a signature.
    fn bare_recovery(&mut self) -> f64 {
        let Self { inputs, bare, .. } = self;
        let mut outcomes: Vec<Outcome> = vec![Ok([0; 20]); BURST];
        let (cost, ()) = spent(|| {
            for burst in inputs.chunks(BURST) {
                bare.recover_batch(burst, &mut outcomes[..burst.len()]);
                std::hint::black_box(&outcomes);
            }
        });
        cost.ns / SIGNATURES as f64
    }

    /// A load of its own, since counting has a price.
    fn count_calls(&self, door: &str, sheet: &mut Sheet) -> Result<()> {
        let calls = Calls::count(self.net.node(0).process())?;
        let outcome = self.loaded(door).map(|(outcome, _)| outcome);
        let (all, each) = calls.stop()?;
        let count = outcome?.committed as f64;
        let figure = Figure::cost(format!("calls/{door}"), "calls/tx").note(
            "system calls of the node's process under load, by perf, the edges and what watches the load included",
        );
        sheet.add(figure, all / count, None);
        let futex = each.iter().find(|(name, _)| name == "futex").map_or(0.0, |(_, calls)| *calls);
        sheet.add(Figure::cost(format!("calls/{door}/futex"), "calls/tx"), futex / count, None);
        let each = each.into_iter().map(|(name, calls)| (name, calls / count)).collect();
        sheet.calls.insert(door.to_owned(), each);
        Ok(())
    }
}
