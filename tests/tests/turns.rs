//! Planned downtime and slots handed on by an operator, with real nodes.

use std::time::Duration;

use alloy_primitives::Address;
use horae_tests::{Devnet, node::command, step};
use serde_json::{Value, json};

/// What the validators may take to decide something, and a slot to pass on.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs `horae` with these arguments on a node's home.
fn tell(devnet: &Devnet, node: usize, arguments: &[&str]) -> (bool, String, String) {
    let home = devnet.nodes[node].home.to_string_lossy().into_owned();
    command(&[arguments, &["--home", &home]].concat(), &[])
}

fn own(devnet: &Devnet, node: usize) -> Address {
    devnet.nodes[node].status().own.expect("a validator")
}

/// What a node says of a validator.
fn validator(devnet: &Devnet, seen_by: usize, of: Address) -> Value {
    let list = devnet.nodes[seen_by].rpc.ask("horae_validators", &json!([]));
    let found = list.as_array().into_iter().flatten().find(|v| v["signer"] == json!(of)).cloned();
    found.unwrap_or_else(|| panic!("{of} is not in {list}"))
}

#[test]
fn an_operator_takes_a_node_out_of_its_turns_and_hands_slots_on() {
    let devnet = Devnet::start(&[]);
    let term = devnet.status().term;

    step("a slot is handed on");
    let slot = devnet.watch("a slot that its holder ends", LIMIT, || {
        let holder = devnet.sequencer()?;
        let (done, out, _) = tell(&devnet, holder, &["slot", "transfer", "--json"]);
        let answer: Value = serde_json::from_str(&out).ok().filter(|_| done)?;
        answer["slot"].as_u64()
    });
    devnet.watch("the next slot", LIMIT, || (devnet.status().slot > slot).then_some(()));
    let refused = devnet.watch("a node without the slot", LIMIT, || {
        let other = (devnet.sequencer()? + 2) % devnet.nodes.len();
        let (done, _, err) = tell(&devnet, other, &["slot", "transfer"]);
        (!done).then_some(err)
    });
    assert!(refused.contains("holds it"), "{refused}");

    step("a node is drained");
    let (done, out, err) = tell(&devnet, 1, &["node", "drain", "--json"]);
    assert!(done, "{err}");
    let standing: Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!((&standing["out"], &standing["drained"]), (&json!(true), &json!(true)), "{standing}");
    let drained = own(&devnet, 1);
    let seen = validator(&devnet, 0, drained);
    assert_eq!((&seen["skipped"], &seen["ready"]), (&json!(true), &json!(false)), "{seen}");
    let from = devnet.status().slot;
    devnet.watch("six slots without it", LIMIT, || {
        let status = devnet.status();
        assert_ne!(status.sequencer, drained, "slot {}", status.slot);
        (status.slot >= from + 6).then_some(())
    });

    step("and put back");
    let (done, _, err) = tell(&devnet, 1, &["node", "resume"]);
    assert!(done, "{err}");
    devnet.watch("a slot of its own", LIMIT, || (devnet.status().sequencer == drained).then_some(()));
    assert_eq!(devnet.status().term, term, "nobody had to be waited for");
}
