//! `--full`: one node whole, with each of its sinks made free in turn: journal and store in memory instead of on the disk, nothing posted to L1.

use eyre::{Result, bail, ensure};

use super::Scene;
use crate::args::Options;
use crate::sheet::{Figure, Sheet};
use crate::system::net::Net;
use crate::system::observe::Look;

/// Accounts that send.
const ACCOUNTS: u32 = 100;
/// Transactions of a load.
const TRANSACTIONS: u64 = 100_000;

/// A sink, and how it is made free.
enum Stub {
    Nothing,
    /// These of the node's home are in memory.
    InMemory(&'static [&'static str]),
    /// This of its configuration is another.
    Configured(&'static [(&'static str, &'static str)]),
}

/// The first is what the others are held against.
const SINKS: [(&str, Stub); 4] = [
    ("all", Stub::Nothing),
    ("without-journal", Stub::InMemory(&["journal"])),
    ("without-store", Stub::InMemory(&["state.redb", "state.trie"])),
    ("without-l1", Stub::Configured(&[("submit = true", "submit = false")])),
];

/// Throughput and cost without each sink.
///
/// # Errors
/// None; the signature is that of all scenes.
pub fn open(_: &Options) -> Result<Box<dyn Scene>> {
    Ok(Box::new(Sinks))
}

struct Sinks;

impl Scene for Sinks {
    fn round(&mut self, sheet: &mut Sheet) -> Result<()> {
        let mut whole = None;
        for (name, stub) in SINKS {
            let (rate, ns) = match loaded(&stub) {
                Ok(measured) => measured,
                Err(why) => {
                    sheet.miss(&format!("sweep/sinks/{name}"), format!("{why:#}"));
                    continue;
                }
            };
            let figure = Figure::rate(format!("sweep/sinks/{name}"), "tx/s").beside("with all sinks");
            let figure = figure.note("committed at the sink, framed TCP; in memory: in /dev/shm");
            sheet.add(figure, rate, whole.map(|(rate, _)| rate));
            let figure = Figure::cost(format!("sweep/sinks/{name}/cpu"), "ns/tx").beside("with all sinks");
            sheet.add(figure.note("CPU time of the node's process"), ns, whole.map(|(_, ns)| ns));
            whole = whole.or(Some((rate, ns)));
        }
        Ok(())
    }
}

/// Transactions a second and CPU nanoseconds for each, of a node of its own.
fn loaded(stub: &Stub) -> Result<(f64, f64)> {
    let mut net = Net::start(1)?;
    let memory = tempfile::Builder::new().prefix("horae-bench").tempdir_in("/dev/shm");
    match (stub, &memory) {
        (Stub::Nothing, _) => net.configure(&[])?,
        (Stub::Configured(changes), _) => net.configure(changes)?,
        (Stub::InMemory(names), Ok(memory)) => net.relocate(names, memory.path())?,
        (Stub::InMemory(_), Err(why)) => bail!("no files in memory: {why}"),
    }
    let load = net.load("tcp", ACCOUNTS, TRANSACTIONS, 0);
    load.run()?;
    let load = load.save(&net.scratch().join("plan"))?;
    net.settle();
    let look = Look::at(net.node(0))?;
    let outcome = load.run()?;
    let course = look.until_now(net.node(0))?;
    ensure!(outcome.committed == TRANSACTIONS, "of {TRANSACTIONS} transactions {} were committed", outcome.committed);
    Ok((outcome.transactions_per_second, course.cpu_ns / TRANSACTIONS as f64))
}
