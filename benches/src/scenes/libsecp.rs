//! One node, whole, that recovers senders by libsecp256k1: what design 11 counts with, and what a machine without AVX-512 IFMA has.

use eyre::{Result, ensure};
use horae_recovery::{Input, recover_by_libsecp256k1};
use horae_tests::node::loopback;

use super::Scene;
use super::peers::Peers;
use super::recovery::inputs;
use crate::args::Options;
use crate::cpu::spent;
use crate::sheet::{Figure, Sheet, Target};
use crate::system::net::Net;
use crate::system::observe::Look;

/// Accounts that send.
const ACCOUNTS: u32 = 100;
/// Transactions of a load.
const TRANSACTIONS: u64 = 50_000;
/// Transactions of each account in the load that anvil gets too.
const TURNS: u64 = 200;
/// Signatures of a look at bare recovery.
const SIGNATURES: usize = 512;

/// Starts a devnet of one node that is told not to use vectors.
///
/// # Errors
/// What did not start.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    let mut net = Net::start(1)?;
    net.configure(&[("backend = \"auto\"", "backend = \"libsecp256k1\"")])?;
    net.load("tcp", ACCOUNTS, TRANSACTIONS, 0).run()?;
    let peers = Peers::start(loopback(net.node(0).ports.rpc), net.chain_id())?;
    Ok(Box::new(Libsecp { net, peers, inputs: inputs(SIGNATURES) }))
}

struct Libsecp {
    net: Net,
    peers: Peers,
    inputs: Vec<Input>,
}

impl Scene for Libsecp {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        for door in ["tcp", "quic"] {
            self.net.settle();
            let node = self.net.node(0);
            let load = self.net.load(door, ACCOUNTS, TRANSACTIONS, 0).save(&self.net.scratch().join("plan"))?;
            let before = self.bare();
            let look = Look::at(node)?;
            let outcome = load.run()?;
            let course = look.until_now(node)?;
            let bare = f64::midpoint(before, self.bare());
            ensure!(outcome.committed == TRANSACTIONS, "{} of {TRANSACTIONS} were committed", outcome.committed);
            let note = "committed at the sink; load generator, node and L1 share the cores";
            sheet.add(
                Figure::rate(format!("libsecp/{door}"), "tx/s").note(note),
                outcome.transactions_per_second,
                None,
            );
            let figure = Figure::cost(format!("libsecp/overhead/{door}"), "ns/tx")
                .beside("libsecp256k1, one by one")
                .wants(Target::RatioAtMost(1.25))
                .note("CPU time of the node's process, what the load's own watching of the chain asks of it included");
            sheet.add(figure, course.cpu_ns / TRANSACTIONS as f64, Some(bare));
        }
        let rates = self.peers.run(TURNS)?;
        let figure = Figure::rate("libsecp/rpc/anvil", "tx/s")
            .beside("anvil, the same batches")
            .wants(Target::RatioAtLeast(3.0))
            .note("batches of 100 on 8 connections from the same bare client, until all are in blocks");
        sheet.add(figure, rates.ours, Some(rates.anvil));
        self.net.expect_alive()
    }
}

impl Libsecp {
    /// Recovery alone on this machine now, ns a signature.
    fn bare(&self) -> f64 {
        let (cost, ()) = spent(|| {
            for input in &self.inputs {
                std::hint::black_box(recover_by_libsecp256k1(input).expect("it is signed"));
            }
        });
        cost.ns / SIGNATURES as f64
    }
}
