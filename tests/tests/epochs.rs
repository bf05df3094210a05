//! Epochs with real nodes: weights change, a validator joins, one leaves; each opens an epoch with a key of its own while
//! blocks flow and batches are on their way, also when every node is killed in between.

use std::{fs, time::Duration};

use alloy_primitives::Address;
use horae_node::{
    home::Home,
    keys::{KeySource, Vault},
};
use horae_tests::{Devnet, l1::inbox_head, node::command, stake, step};
use serde_json::{Value, json};

/// What an epoch may take from the change on L1 to its opening: the rest of the present one, a key, L1's finality.
const EPOCH_LIMIT: Duration = Duration::from_secs(60);
/// What a batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(40);
/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two blocks where nobody was killed: no more than a failover with the default settings, and the doubling after it.
const GAP_MS: u64 = 5_000;
/// The node that has no stake at first.
const NEWCOMER: usize = 4;
/// The validator that leaves.
const LEAVER: usize = 1;

#[test]
fn sets_weights_and_keys_change_while_blocks_flow_and_batches_are_in_flight() {
    let mut devnet = Devnet::start(&["--load", "50", "--standby", "1", "--epoch-slots", "2", "--deployer-owns"]);
    let inbox: Address = genesis(&devnet)["l1"]["inbox"].as_str().expect("an address").parse().expect("an address");
    let accepted = |devnet: &Devnet| inbox_head(&devnet.l1_url(), inbox).nextIndex;
    devnet.watch("a batch under the first key", BATCH_LIMIT, || (accepted(&devnet) > 0).then_some(()));
    assert_eq!(epoch(&devnet, 0)["epoch"], 0);
    assert_eq!(epoch(&devnet, 0)["next"], Value::Null, "nothing has changed");

    step("three of four raise their stake: the weights change");
    (0..3).for_each(|node| stake::raise(&devnet, node));
    let second = opened(&devnet, 1, &[0, 1, 2, 3]);
    assert_eq!((&second["totalWeight"], &second["keyIndex"]), (&json!(7), &json!(2)), "{second}");
    let before = accepted(&devnet);
    devnet.watch("two batches under the second key", BATCH_LIMIT, || (accepted(&devnet) >= before + 2).then_some(()));
    let first_gap = longest_gap(&devnet, 2, devnet.nodes[0].committed());

    step("a fifth joins; all are killed when its key is confirmed and not yet on L1");
    stake::join(&devnet, NEWCOMER);
    devnet.watch("the third key", EPOCH_LIMIT, || {
        let asked = devnet.nodes[0].rpc.try_ask("horae_epoch", &json!([])).ok()?;
        (asked["next"]["awaits"] == "rotation").then_some(())
    });
    devnet.nodes.iter_mut().for_each(|node| node.kill());
    devnet.nodes.iter_mut().for_each(|node| node.start());
    devnet.watch("answers of all nodes", START_LIMIT, || {
        devnet.nodes.iter().all(|node| node.try_status().is_some()).then_some(())
    });
    let third = opened(&devnet, 2, &[0, 1, 2, 3, NEWCOMER]);
    assert_eq!((&third["totalWeight"], &third["keyIndex"]), (&json!(8), &json!(3)), "{third}");
    let newcomer = stake::signer_of(&devnet.nodes[NEWCOMER]);
    devnet.watch("a slot of the newcomer", EPOCH_LIMIT, || (devnet.status().sequencer == newcomer).then_some(()));
    let before = accepted(&devnet);
    devnet.watch("a batch under the third key", BATCH_LIMIT, || (accepted(&devnet) > before).then_some(()));

    step("one leaves, and goes on as a follower");
    let from = devnet.nodes[0].committed();
    let leaver = stake::signer_of(&devnet.nodes[LEAVER]);
    stake::leave(&devnet, LEAVER);
    let fourth = opened(&devnet, 3, &[0, LEAVER, 2, 3, NEWCOMER]);
    assert_eq!((&fourth["totalWeight"], &fourth["keyIndex"]), (&json!(4), &json!(4)), "{fourth}");
    let validators = devnet.nodes[0].rpc.ask("horae_validators", &json!([]));
    assert!(!validators.to_string().contains(&leaver.to_string().to_lowercase()), "{validators}");
    let first = fourth["firstBlock"].as_u64().expect("a height");
    let posted = |devnet: &Devnet| inbox_head(&devnet.l1_url(), inbox).lastBlock;
    devnet.watch("a batch with blocks of the fourth epoch", BATCH_LIMIT, || (posted(&devnet) >= first).then_some(()));
    let head = devnet.nodes[0].committed();
    devnet.wait_for_head(LEAVER, head, EPOCH_LIMIT);
    assert_eq!(devnet.nodes[LEAVER].status().own, None, "it is no validator any more");
    let at_pool = stake::show(&devnet, LEAVER);
    assert!(at_pool["status"] == "unlocking" && at_pool["liable"] == at_pool["stake"], "{at_pool}");
    assert!(at_pool["claimableAt"].as_u64() > Some(0), "the key without it is in force: {at_pool}");
    let second_gap = longest_gap(&devnet, from, head);
    println!("  longest gap between blocks: {first_gap} ms at the first change, {second_gap} ms at the last");
    assert!(first_gap <= GAP_MS && second_gap <= GAP_MS, "{first_gap} and {second_gap} ms");

    step("all have the same chain, and readers follow it through all epochs");
    for node in 0..devnet.nodes.len() {
        devnet.wait_for_head(node, head, EPOCH_LIMIT);
    }
    devnet.same_blocks(head);
    let file = devnet.nodes[LEAVER].home.join("genesis.json").to_string_lossy().into_owned();
    let (url, until) = (devnet.nodes[LEAVER].rpc.url(), head.to_string());
    let read = ["feed", "--rpc", url, "--verify", "--genesis", &file, "--from", "1", "--until", &until];
    let (ok, _, error) = command(&read, &[]);
    assert!(ok, "{error}");
    derive(&devnet);

    step("shares of older keys are erased");
    for (node, sealed) in [(0, &["group-shares", "node", "signer"][..]), (LEAVER, &["node", "signer"])] {
        let vault = Vault::open(&Home::new(&devnet.nodes[node].home), &KeySource::Devnet).expect("its vault");
        assert_eq!(vault.names().expect("its names"), sealed, "node {node}");
    }
}

/// Waits until these nodes are in an epoch; gives what the first one says of it.
fn opened(devnet: &Devnet, number: u64, nodes: &[usize]) -> Value {
    for node in nodes {
        devnet.watch(&format!("epoch {number} on node {node}"), EPOCH_LIMIT, || {
            let asked = devnet.nodes[*node].rpc.try_ask("horae_epoch", &json!([])).ok()?;
            assert!(asked["epoch"].as_u64() <= Some(number), "{asked}");
            (asked["epoch"] == number).then_some(())
        });
    }
    let epoch = epoch(devnet, nodes[0]);
    println!("  epoch {number} from block {}: key {}", epoch["firstBlock"], epoch["groupKey"]);
    epoch
}

fn epoch(devnet: &Devnet, node: usize) -> Value {
    devnet.nodes[node].rpc.ask("horae_epoch", &json!([]))
}

fn genesis(devnet: &Devnet) -> Value {
    let text = fs::read_to_string(devnet.nodes[0].home.join("genesis.json")).expect("the genesis");
    serde_json::from_str(&text).expect("JSON")
}

/// The longest time between two blocks of a run, in milliseconds by their timestamps.
fn longest_gap(devnet: &Devnet, from: u64, to: u64) -> u64 {
    let sealed_ms = |number| {
        let block = devnet.nodes[0].block(number).expect("a committed block");
        block["header"]["timestampMs"].as_u64().unwrap_or_else(|| panic!("no timestamp in {block}"))
    };
    let sealed: Vec<u64> = (from..=to).map(sealed_ms).collect();
    sealed.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// L1 alone gives the chain again, over all rotations.
fn derive(devnet: &Devnet) {
    let fresh = devnet.scratch().join("fresh");
    fs::create_dir(&fresh).expect("a directory");
    fs::copy(devnet.nodes[0].home.join("genesis.json"), fresh.join("genesis.json")).expect("the genesis");
    let (l1, node) = (devnet.l1_url(), devnet.nodes[0].rpc.url());
    let home = fresh.to_string_lossy();
    let (ok, out, error) = command(&["derive", "--l1", &l1, "--home", &home, "--compare", node, "--json"], &[]);
    assert!(ok, "{error}");
    let derived: Value = serde_json::from_str(out.trim()).unwrap_or_else(|why| panic!("{why} in {out}"));
    let opened = epoch(devnet, 0)["firstBlock"].as_u64().expect("a height");
    assert!(derived["head"].as_u64() >= Some(opened), "block {opened} opened the last epoch: {derived}");
}
