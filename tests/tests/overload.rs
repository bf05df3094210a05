//! More than four nodes can take, at the doors of two of them at once: clients are told "busy", the chain goes on, nothing that was
//! accepted is lost, and memory stays where it was.

use std::fs;
use std::thread;
use std::time::Duration;

use horae_tests::{
    Devnet, Node,
    node::{loopback, says},
    step,
    wallet::TEST_KEYS,
};
use serde_json::Value;

/// Offered to each of two nodes a second: more than any machine takes that runs four nodes on the cores of one.
const RATE: &str = "400000";
/// Transactions of each load; the half of a node's pool that is for clients holds a third of them.
const COUNT: u64 = 24_000;
/// Accounts of each load: few, so that a lost nonce holds up many.
const ACCOUNTS: &str = "48";
/// What the nodes' memory may grow by, MiB each: what everything with a bound comes to (caches of store and trie 192, blocks in memory,
/// places of the pool, hot state), whatever was offered.
const GROWTH_MIB: u64 = 512;
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn an_overloaded_chain_goes_on_and_loses_nothing_that_it_accepted() {
    let devnet = Devnet::start(&[]);
    step("both loads are signed");
    let plans = [0, 1].map(|node: usize| {
        let plan = devnet.scratch().join(format!("plan-{node}")).display().to_string();
        let rpc = format!("http://{}", loopback(devnet.nodes[node].ports.rpc));
        let count = COUNT.to_string();
        let sized = ["--key", TEST_KEYS[node], "--accounts", ACCOUNTS, "--transactions", &count, "--save", &plan];
        let signed = says(&[&["load", "--rpc", &rpc, "--json"][..], &sized].concat(), &[]);
        assert_eq!(signed["transactions"], COUNT, "{signed}");
        plan
    });
    let before: Vec<u64> = devnet.nodes.iter().map(memory_mib).collect();

    step("both are sent at once");
    let runs: Vec<Value> = thread::scope(|scope| {
        let send = |node: usize| {
            let (plan, at) = (&plans[node], &devnet.nodes[node]);
            let rpc = format!("http://{}", loopback(at.ports.rpc));
            let tcp = loopback(at.ports.tcp).to_string();
            scope.spawn(move || {
                let from = ["load", "--json", "--rpc", &rpc, "--tcp", &tcp, "--from", plan];
                says(&[&from[..], &["--rate", RATE, "--patience", "30"]].concat(), &[])
            })
        };
        [send(0), send(1)].map(|run| run.join().expect("a load panicked")).into()
    });

    step("all of it is committed, on all nodes alike");
    for run in &runs {
        assert_eq!((&run["accepted"], &run["committed"]), (&COUNT.into(), &COUNT.into()), "{run}");
        assert_eq!((&run["refused"], &run["end"]), (&0.into(), &"done".into()), "{run}");
        assert!(run["busy_answers"].as_u64() > Some(0), "it was not overloaded: {run}");
    }
    let head = devnet.status().heads.committed;
    for node in 1..devnet.nodes.len() {
        devnet.wait_for_head(node, head, LIMIT);
    }
    devnet.same_blocks(head);
    for (node, before) in devnet.nodes.iter().zip(before) {
        let grown = memory_mib(node).saturating_sub(before);
        assert!(grown <= GROWTH_MIB, "node {} has grown by {grown} MiB", node.index);
    }
}

fn memory_mib(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.process())).expect("a running process");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says it");
    resident.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") / 1024
}
