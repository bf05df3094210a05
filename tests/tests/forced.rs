//! Forced transactions on a real devnet: a user who never talks to a node enters them on L1 with the command line. They take effect
//! on L2 before their deadline, also when the sequencer dies, and L1 alone gives the same chain.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use horae_tests::{Devnet, node::command, rpc::quantity, step, wallet::Wallet};
use serde_json::{Value, json};

/// What an entry may take from L1 to a committed block.
const EFFECT_LIMIT: Duration = Duration::from_secs(60);
/// What a batch may take that includes it.
const BATCH_LIMIT: Duration = Duration::from_secs(120);
/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// One ether, in wei.
const ETHER: u128 = 1_000_000_000_000_000_000;

/// Somebody with ether on L1 and nothing on L2.
struct User {
    key: String,
    address: Address,
    genesis: String,
    l1: String,
}

impl User {
    fn new(devnet: &Devnet) -> Self {
        let key = hex::encode(keccak256("somebody who knows L1 only"));
        let address = Wallet::new(&key).address();
        let wei = format!("{:#x}", 10 * ETHER);
        let _: Value = devnet.l1().ask("anvil_setBalance", &json!([address, wei]));
        Self { key, address, genesis: devnet.genesis_file(), l1: devnet.l1_url() }
    }

    fn run(&self, arguments: &[&str]) -> (bool, String, String) {
        let chain = ["--genesis", &self.genesis, "--l1", &self.l1];
        command(&[&["queue"], arguments, &chain].concat(), &[("HORAE_KEY", &self.key)])
    }

    /// Enters something; gives its index and the hash of its transaction on L2.
    fn enter(&self, arguments: &[&str]) -> (u64, B256) {
        let (ok, said, why) = self.run(&[&["send"], arguments, &["--yes", "--json"]].concat());
        assert!(ok, "{said}{why}");
        let sent: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{why}"));
        let fact =
            |name: &str| sent["facts"][name].as_str().unwrap_or_else(|| panic!("no {name} in {sent}")).to_owned();
        (fact("entry").parse().expect("an index"), fact("L2_transaction").parse().expect("a hash"))
    }

    fn entry(&self, index: u64) -> Value {
        let (ok, said, why) = self.run(&["show", "--index", &index.to_string(), "--json"]);
        assert!(ok, "{why}");
        serde_json::from_str(&said).expect("a JSON object")
    }
}

#[test]
fn what_a_user_forces_on_l1_takes_effect_on_l2_before_its_deadline() {
    let mut devnet = Devnet::start(&[]);
    devnet.wait_for_blocks(0, 3, EFFECT_LIMIT);
    let user = User::new(&devnet);
    what_l1_would_refuse_is_said_before(&user);

    step("a deposit");
    let (index, deposit) = user.enter(&["--mint", "0.5"]);
    assert_eq!(index, 0);
    takes_effect(&devnet, &deposit);
    for node in &devnet.nodes {
        assert_eq!(balance(&node.rpc, user.address), U256::from(ETHER / 2), "no fee is paid on L2");
    }

    step("a forced transaction, and one that cannot be executed");
    let friend = Address::repeat_byte(0xf1);
    let (_, paid) = user.enter(&["--to", &friend.to_string(), "--value", "0.1"]);
    let (_, failed) = user.enter(&["--to", &friend.to_string(), "--value", "7"]);
    assert_eq!(takes_effect(&devnet, &paid)["status"], "0x1");
    assert_eq!(takes_effect(&devnet, &failed)["status"], "0x0");
    assert_eq!(balance(&devnet.nodes[1].rpc, friend), U256::from(ETHER / 10));

    step("kill -9 of the sequencer with an entry on its way");
    let victim = devnet.watch("a sequencer", EFFECT_LIMIT, || devnet.sequencer());
    let (last, created) = user.enter(&["--create", "--data", "0x60006000f3", "--gas", "200000"]);
    devnet.nodes[victim].kill();
    let other = (victim + 1) % devnet.nodes.len();
    takes_effect_on(&devnet, other, &created);
    devnet.nodes[victim].start_and_wait(START_LIMIT);
    takes_effect_on(&devnet, victim, &created);

    step("a batch includes them all, in time by its own view");
    let inbox = devnet.inbox();
    let head = devnet.watch("a batch with the last entry", BATCH_LIMIT, || {
        devnet.trickle(other);
        let head = horae_tests::l1::inbox_head(&devnet.l1_url(), inbox);
        (head.forced > last).then_some(head)
    });
    let shown = user.entry(last);
    assert_eq!(shown["included"], true);
    let due = shown["dueAtL1View"].as_u64().expect("a number");
    assert!(head.l1View >= shown["l1Block"].as_u64().expect("a number"), "{shown} {head:?}");
    assert!(head.l1View < due, "the view of the batch is at {}, the entry was due at {due}", head.l1View);
    assert_eq!(shown["l2Transaction"], json!(created));

    step("L1 alone gives the same chain");
    let home = devnet.nodes[other].home.display().to_string();
    let node = devnet.nodes[other].rpc.url().to_owned();
    let arguments = ["derive", "--l1", &devnet.l1_url(), "--home", &home, "--compare", &node, "--json"];
    let (ok, out, why) = command(&arguments, &[]);
    assert!(ok, "{out}{why}");
    let derived: Value = serde_json::from_str(out.trim()).expect("a JSON object");
    assert!(derived["head"].as_u64() >= Some(head.lastBlock), "{derived}");
    devnet.same_blocks(head.lastBlock);
}

fn what_l1_would_refuse_is_said_before(user: &User) {
    step("what the queue takes, and what it does not");
    let (ok, plan, why) = user.run(&["send", "--mint", "0.5", "--dry-run"]);
    assert!(
        ok && plan.contains("0.5 ETH") && plan.contains("deadline") && plan.contains("nothing was sent"),
        "{plan}{why}"
    );
    let (ok, _, why) = user.run(&["send", "--gas", "20000", "--yes"]);
    assert!(!ok && why.contains("raise --gas"), "{why}");
    let (ok, _, why) = user.run(&["send", "--data", "0x00", "--yes"]);
    assert!(!ok && why.contains("--data needs --gas"), "{why}");
    let (ok, _, why) = user.run(&["withdraw", "--yes"]);
    assert!(!ok && why.contains("owes this account nothing"), "{why}");
    let (ok, shown, why) = user.run(&["show"]);
    assert!(ok && shown.contains("0, of which 0 are in accepted batches"), "{shown}{why}");
}

/// The receipt, once all nodes have committed the transaction.
fn takes_effect(devnet: &Devnet, hash: &B256) -> Value {
    (0..devnet.nodes.len())
        .map(|node| takes_effect_on(devnet, node, hash))
        .reduce(|_, last| last)
        .expect("there are nodes")
}

fn takes_effect_on(devnet: &Devnet, node: usize, hash: &B256) -> Value {
    let receipt = devnet.watch(&format!("{hash} on node {node}"), EFFECT_LIMIT, || {
        let rpc = &devnet.nodes[node].rpc;
        let receipt = rpc.ask("eth_getTransactionReceipt", &json!([hash]));
        let number = quantity(receipt.get("blockNumber")?);
        (devnet.nodes[node].committed() >= number).then_some(receipt)
    });
    assert_eq!(receipt["type"], "0x7e", "{receipt}");
    receipt
}

fn balance(rpc: &horae_tests::rpc::Rpc, of: Address) -> U256 {
    serde_json::from_value(rpc.ask("eth_getBalance", &json!([of, "latest"]))).expect("an amount")
}
