//! Rewards with real nodes: as an epoch ends its blocks are settled on L1 under the group key, also after all nodes were killed and the
//! key has changed, and what validators are credited is what the formula says, to the wei.

use std::time::Duration;

use alloy_primitives::U256;
use horae_contracts::reward::part;
use horae_tests::{
    Devnet,
    node::command,
    rewards::{Payroll, Settled},
    stake, step,
};
use serde_json::{Value, json};

/// What an epoch may take from the change on L1 to its opening, and its settlement after that.
const LIMIT: Duration = Duration::from_secs(90);
/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn ended_epochs_are_settled_and_credited_to_the_wei() {
    let mut devnet = Devnet::start(&["--load", "20", "--epoch-slots", "2"]);
    let payroll = Payroll::of(&devnet);
    assert!(payroll.settlements().is_empty(), "the first epoch goes on");
    let (ok, _, why) = rewards(&devnet, &["settle", "--dry-run"]);
    assert!(!ok && why.contains("nothing to do"), "{why}");

    step("the stakes of three change: an epoch ends, and is settled");
    (0..3).for_each(|node| stake::raise(&devnet, node));
    let first = settled(&devnet, &payroll, 1);

    step("the stake of the fourth changes, all nodes are killed as its epoch opens: that one is settled too");
    stake::raise(&devnet, 3);
    opened(&devnet, 2);
    devnet.nodes.iter_mut().for_each(|node| node.kill());
    devnet.nodes.iter_mut().for_each(|node| node.start());
    for node in &mut devnet.nodes {
        node.wait_until_it_answers(START_LIMIT);
    }
    let settlements = settled(&devnet, &payroll, 2);
    assert_eq!(settlements[0].settlement, first[0].settlement);

    step("each block is settled once, to who sealed it, and pays what the formula says");
    let (allowed, mut next) = (payroll.allowed(&settlements), 1);
    let mut credited = std::collections::BTreeMap::<u64, U256>::new();
    for (at, Settled { settlement, allowed: on_l1, earned, .. }) in settlements.iter().enumerate() {
        println!(
            "  blocks {} to {}: {:?} allowed {on_l1}",
            settlement.firstBlock, settlement.lastBlock, settlement.blocks
        );
        assert_eq!((settlement.index, settlement.firstBlock), (at as u64, next));
        let sealed = payroll.sealed(&devnet.nodes[at], settlement.firstBlock, settlement.lastBlock);
        let (ids, blocks): (Vec<u64>, Vec<u64>) = sealed.into_iter().unzip();
        assert_eq!((&settlement.ids, &settlement.blocks), (&ids, &blocks), "who sealed what");
        assert_eq!(*on_l1, allowed[at], "stake times time");
        assert!(!on_l1.is_zero());
        let whole = settlement.lastBlock - settlement.firstBlock + 1;
        for (id, count) in ids.iter().zip(&blocks) {
            assert_eq!(earned[id], part(allowed[at], *count, whole), "validator {id}");
            *credited.entry(*id).or_default() += earned[id];
        }
        next = settlement.lastBlock + 1;
    }
    for (id, amount) in &credited {
        assert_eq!(payroll.credited(*id), *amount, "what validator {id} may withdraw");
    }

    step("the command line shows the same");
    let (ok, shown, why) = rewards(&devnet, &["show", "--history", "--json"]);
    assert!(ok, "{why}");
    let shown: Value = serde_json::from_str(&shown).expect("a JSON object");
    let wei = |value: &Value| -> U256 { serde_json::from_value(value.clone()).expect("an amount") };
    assert_eq!((&shown["nextIndex"], &shown["lastSettled"]), (&json!(2), &json!(next - 1)), "{shown}");
    assert_eq!((wei(&shown["owed"]), wei(&shown["missing"])), (U256::ZERO, U256::ZERO), "{shown}");
    for (id, amount) in &credited {
        let of = |v: &&Value| v["id"] == json!(id);
        let earner = shown["validators"].as_array().and_then(|all| all.iter().find(of)).expect("a validator");
        assert_eq!((wei(&earner["earned"]), wei(&earner["credited"])), (*amount, *amount), "{shown}");
    }
    let paid: U256 = credited.values().fold(U256::ZERO, |sum, amount| sum + amount);
    assert_eq!(wei(&shown["funds"]), U256::from(4_600_000 * stake::WEI) - paid);
}

/// Waits until L1 has so many settlements; gives them.
fn settled(devnet: &Devnet, payroll: &Payroll, count: usize) -> Vec<Settled> {
    devnet.watch(&format!("settlement {count}"), LIMIT, || {
        let settlements = payroll.settlements();
        (settlements.len() >= count).then_some(settlements)
    })
}

/// Waits until all nodes are in an epoch.
fn opened(devnet: &Devnet, number: u64) {
    for node in &devnet.nodes {
        devnet.watch(&format!("epoch {number} on node {}", node.index), LIMIT, || {
            let asked = node.rpc.try_ask("horae_epoch", &json!([])).ok()?;
            (asked["epoch"].as_u64() >= Some(number)).then_some(())
        });
    }
}

/// `horae rewards` with these arguments, of the first node.
fn rewards(devnet: &Devnet, arguments: &[&str]) -> (bool, String, String) {
    let home = devnet.nodes[0].home.display().to_string();
    command(&[&["rewards"], arguments, &["--home", &home]].concat(), &[])
}
