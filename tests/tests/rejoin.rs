//! A node that was away for longer than the others keep what they decided, or lost its disk then: it says so, its home is made
//! again from L1 and a node that it need not trust, and it is a validator again.

use std::{fs, path::Path, time::Duration};

use horae_tests::{Devnet, node::command, step};
use serde_json::{Value, json};

/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What the chain may take to move on.
const LIMIT: Duration = Duration::from_secs(120);
/// The node that is away.
const VICTIM: usize = 1;
/// Control heights that nodes keep here.
const KEPT_HEIGHTS: u64 = 16;

#[test]
fn a_node_that_was_away_for_too_long_rejoins_from_l1_and_a_peer() {
    let mut devnet = Devnet::start(&[]);
    step("all nodes keep few decisions");
    for node in 0..devnet.nodes.len() {
        keep_few_heights(&devnet.nodes[node].home);
        devnet.nodes[node].stop();
        devnet.nodes[node].start_and_wait(START_LIMIT);
    }
    devnet.wait_for_blocks(VICTIM, 5, LIMIT);
    devnet.nodes[VICTIM].kill();
    let left_at = decided(&devnet, 0);

    step("the others go on until they have forgotten what was decided when it left");
    devnet.watch("decisions to be forgotten", LIMIT, || {
        devnet.trickle(0);
        let mut others = (0..devnet.nodes.len()).filter(|node| *node != VICTIM);
        let forgotten = |node: usize| devnet.nodes[node].rpc.ask("horae_decision", &json!([left_at + 1])).is_null();
        others.all(|node| decided(&devnet, node) > left_at + KEPT_HEIGHTS && forgotten(node)).then_some(())
    });

    step("it says that it cannot catch up, and what to do");
    devnet.nodes[VICTIM].start_and_wait(START_LIMIT);
    devnet.watch("the way back to be named", LIMIT, || {
        devnet.nodes[VICTIM].log().contains("horae node rejoin").then_some(())
    });
    devnet.nodes[VICTIM].stop();

    step("its home is not overwritten unasked");
    let home = devnet.nodes[VICTIM].home.to_string_lossy().into_owned();
    let from = devnet.nodes[0].rpc.url().to_owned();
    let rejoin = |more: &[&str]| command(&[&["node", "rejoin", "--home", &home, "--from", &from], more].concat(), &[]);
    let (ok, _, error) = rejoin(&[]);
    assert!(!ok && error.contains("--set-aside"), "{error}");
    let (ok, said, error) = rejoin(&["--set-aside", "--json"]);
    assert!(ok, "{error}");
    let made: Value = serde_json::from_str(&said).expect("one JSON object");
    println!("  {made}");
    assert!(made["batches"].as_u64() > Some(0) && made["head"].as_u64() > Some(0), "{made}");
    assert!(Path::new(made["setAside"].as_str().expect("a directory")).join("state.redb").exists());

    step("it follows, and is a validator again");
    devnet.nodes[VICTIM].start_and_wait(START_LIMIT);
    let incarnation = devnet.wait_for_ack(0, VICTIM, LIMIT);
    println!("  incarnation {incarnation}");
    let head = devnet.nodes[0].committed();
    devnet.wait_for_head(VICTIM, head, LIMIT);
    devnet.same_blocks(head);

    step("without its acks nothing would be committed now");
    devnet.nodes[3].kill();
    devnet.wait_for_blocks(0, 5, LIMIT);

    step("a disk lost altogether: the keys come from a backup, the rest is made again");
    devnet.nodes[3].start_and_wait(START_LIMIT);
    devnet.wait_for_ack(0, 3, LIMIT);
    devnet.nodes[VICTIM].kill();
    for lost in ["state.redb", "control.state", "incarnation"] {
        let _ = fs::remove_file(devnet.nodes[VICTIM].home.join(lost));
    }
    for lost in ["journal", "consensus", "aside-1"] {
        fs::remove_dir_all(devnet.nodes[VICTIM].home.join(lost)).expect("removed");
    }
    let (ok, _, error) = rejoin(&["--json"]);
    assert!(ok, "{error}");
    devnet.nodes[VICTIM].start_and_wait(START_LIMIT);
    // A new incarnation, unless all that it had signed was of terms that are closed by now.
    println!("  incarnation {}", devnet.wait_for_ack(0, VICTIM, LIMIT));
    let head = devnet.nodes[0].committed();
    devnet.wait_for_head(VICTIM, head, LIMIT);
    devnet.same_blocks(head);
}

/// The control height of a node.
fn decided(devnet: &Devnet, node: usize) -> u64 {
    devnet.nodes[node].rpc.ask("horae_controlState", &json!([]))["height"].as_u64().expect("a height")
}

fn keep_few_heights(home: &Path) {
    let file = home.join("node.toml");
    let mut settings: toml::Table = fs::read_to_string(&file).expect("node.toml").parse().expect("TOML");
    let retention = settings.entry("retention").or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let heights = toml::Value::Integer(KEPT_HEIGHTS as i64);
    retention.as_table_mut().expect("a table").insert("control_heights".to_owned(), heights);
    fs::write(file, toml::to_string(&settings).expect("TOML")).expect("written");
}
