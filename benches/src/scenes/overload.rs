//! Four nodes on loopback: the most they commit, latency at half of it, what happens at twice of it, and what an idle node costs.

use std::thread::sleep;
use std::time::Duration;

use eyre::Result;

use super::Scene;
use crate::args::Options;
use crate::cpu;
use crate::sheet::{Figure, Sheet, Target};
use crate::system::net::Net;
use crate::system::observe::memory_mib;

/// Accounts that send.
const ACCOUNTS: u32 = 100;
/// Transactions of the load that looks for the most: as long a load as the others, since a burst of a second leaves what comes behind it
/// (batches to pack, check, sign and post) to those after it.
const TRANSACTIONS: u64 = 80_000;
/// How long the other loads last, seconds.
const SECONDS: u64 = 4;
/// How long idle nodes are looked at for each round.
const IDLE: Duration = Duration::from_secs(4);

/// Starts four nodes, and looks at them while they are idle: after a load they sign its batches for a while.
///
/// # Errors
/// What did not start.
pub fn open(options: &Options) -> Result<Box<dyn Scene>> {
    let net = Net::start(4)?;
    let mut four = Four { net, idle: Vec::new() };
    four.idle = (0..options.rounds).map(|_| four.idle_percent()).collect();
    four.net.load("tcp", ACCOUNTS, TRANSACTIONS, 0).run()?;
    Ok(Box::new(four))
}

struct Four {
    net: Net,
    /// CPU of an idle node in percent of a core, a look for each round.
    idle: Vec<f64>,
}

impl Scene for Four {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        if let Some(percent) = self.idle.pop() {
            let figure = Figure::cost("idle/cpu", "% of a core")
                .wants(Target::AtMost(2.0))
                .note("mean of four nodes before any load, looks of 4 s");
            sheet.add(figure, percent, None);
        }
        let net = &self.net;
        net.settle();
        let most = net.load("tcp", ACCOUNTS, TRANSACTIONS, 0).run()?.transactions_per_second;
        let note = "into one of four nodes; nodes, L1 and generator share the cores";
        sheet.add(Figure::rate("four/tcp", "tx/s").note(note), most, None);
        net.settle();

        let half = (most / 2.0) as u32;
        let outcome = net.load("tcp", ACCOUNTS, u64::from(half) * SECONDS, half).run()?;
        for (strength, limit_ms) in [("ordered", 5.0), ("committed", 50.0)] {
            let Some(latency) = outcome.latency_ms.get(strength) else { continue };
            let figure = Figure::cost(format!("latency/{strength}/p99"), "ms")
                .wants(Target::AtMost(limit_ms))
                .note("at half of four/tcp, open loop; the node tells of each head");
            sheet.add(figure, latency.p99, None);
            sheet.add(Figure::cost(format!("latency/{strength}/p50"), "ms"), latency.p50, None);
        }
        net.settle();

        let twice = (most * 2.0) as u32;
        let memory = self.memory();
        let outcome = net.load("tcp", ACCOUNTS, u64::from(twice) * SECONDS, twice).run()?;
        let figure = Figure::rate("overload/ratio", "tx/s")
            .beside("the most, in the same round")
            .wants(Target::RatioAtLeast(0.9))
            .note("committed a second while twice that is offered");
        sheet.add(figure, outcome.transactions_per_second, Some(most));
        if outcome.stopped {
            sheet.miss("overload/lost", "a load was stopped with transactions under way: it did not end in time");
        } else {
            let lost = outcome.accepted.saturating_sub(outcome.committed) as f64;
            let figure = Figure::cost("overload/lost", "tx").wants(Target::AtMost(0.0));
            sheet.add(figure.note("accepted and not committed"), lost, None);
        }
        sheet.add(
            Figure::cost("overload/busy", "answers").note("clients told to come again"),
            outcome.busy_answers as f64,
            None,
        );
        sheet.add(
            Figure::cost("overload/memory", "MiB").note("growth of the four nodes together"),
            self.memory() - memory,
            None,
        );
        net.expect_alive()
    }
}

impl Four {
    fn idle_percent(&self) -> f64 {
        let before = self.cpu_ns();
        let began = std::time::Instant::now();
        sleep(IDLE);
        (self.cpu_ns() - before) / began.elapsed().as_nanos() as f64 / self.net.nodes().len() as f64 * 100.0
    }

    fn cpu_ns(&self) -> f64 {
        self.net.nodes().iter().map(|node| cpu::of_process(node.process())).sum()
    }

    fn memory(&self) -> f64 {
        self.net.nodes().iter().map(|node| memory_mib(node.process())).sum()
    }
}
