//! Ctrl-C on a devnet leaves no process behind, and a second start goes on with the same chain.

use std::{net::TcpListener, time::Duration};

use horae_tests::{Devnet, child::lives, node::loopback, step, wait_for};

/// What the devnet may take to stop everything.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// What the chain may take to show a block.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn ctrl_c_leaves_nothing_behind_and_a_second_start_resumes() {
    let mut devnet = Devnet::start(&[]);
    let head = devnet.wait_for_head(0, 6, LIMIT);
    let hashes: Vec<_> = (1..=head).map(|number| devnet.nodes[0].hash(number)).collect();
    let processes: Vec<u32> = devnet.nodes.iter().map(|node| node.process()).collect();

    step("Ctrl-C");
    let status = devnet.interrupt(STOP_LIMIT);
    assert!(status.success(), "{status}:\n{}", devnet.said());
    for (node, process) in processes.into_iter().enumerate() {
        wait_for(&format!("the end of node {node}"), STOP_LIMIT, || (!lives(process)).then_some(()));
    }
    let ports = devnet.nodes.iter().flat_map(|node| [node.ports.rpc, node.ports.tcp, node.ports.control]);
    for port in ports.chain([devnet.l1_port()]) {
        TcpListener::bind(loopback(port)).unwrap_or_else(|e| panic!("port {port} is still held: {e}"));
    }

    step("a second start");
    devnet.start_again(&[]);
    assert!(devnet.said().contains("resuming the chain"), "{}", devnet.said());
    for node in 0..devnet.nodes.len() {
        devnet.wait_for_head(node, head + 3, LIMIT);
        for (number, hash) in (1..).zip(&hashes) {
            assert_eq!(devnet.nodes[node].hash(number), *hash, "block {number} on node {node}");
        }
    }
}
