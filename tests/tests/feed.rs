//! The feed of real nodes, followed by `horae feed --verify`: over slots, over the death of the sequencer, over a broken link,
//! from the middle; and a reader with another genesis who believes none of it.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use horae_tests::{Child, Devnet, Node, node::command, programs::horae, step};
use nix::sys::signal::Signal;
use serde_json::Value;

/// What the chain may take to go on after a failure: the wait for the silent, and a decision.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
/// What a reader may take to end when it is asked to, or refuses.
const END_LIMIT: Duration = Duration::from_secs(20);
/// Transfers a second meanwhile.
const LOAD: &str = "50";

#[test]
fn a_reader_that_holds_only_the_genesis_verifies_the_chain_whatever_happens() {
    let mut devnet = Devnet::start(&["--load", LOAD]);
    let node = not_sequencer(&devnet);
    let mut reader = follow(&devnet.nodes[node], &devnet.scratch().join("reader.log"));

    step("the feed verifies from genesis, over several slots");
    devnet.watch("three slots committed in the feed", RECOVERY_LIMIT, || {
        (told(&mut reader).slots_committed() >= 3).then_some(())
    });

    step("the sequencer dies; the feed goes on into the next term");
    let term = devnet.nodes[node].status().term;
    let victim = kill_the_sequencer(&mut devnet, node);
    devnet.watch("a commit in a later term", RECOVERY_LIMIT, || {
        told(&mut reader).commits.last().is_some_and(|(_, of)| *of > term).then_some(())
    });
    let closed = told(&mut reader).closed;
    assert!(closed.iter().any(|of| *of >= term), "the decision that closed term {term} was told: {closed:?}");
    devnet.nodes[victim].start_and_wait(RECOVERY_LIMIT);

    step("the node that serves it dies and comes back; the reader goes on where it was");
    devnet.nodes[node].kill();
    devnet.nodes[node].start_and_wait(RECOVERY_LIMIT);
    let before = told(&mut reader).committed();
    devnet.watch("ten more blocks committed in the feed", RECOVERY_LIMIT, || {
        (told(&mut reader).committed() >= before + 10).then_some(())
    });

    step("Ctrl-C ends it in order");
    reader.signal(Signal::SIGINT);
    assert!(reader.wait(END_LIMIT).success(), "{}", reader.tail());
    let all = Told::of(&reader.said());
    assert!(
        reader.said().contains(&format!("verified up to committed block {}", all.committed())),
        "{}",
        reader.tail()
    );
    assert!(reader.said().contains("taking it up again"), "the link did break");
    let heights: Vec<u64> = all.blocks.keys().copied().collect();
    assert_eq!(heights, (1..=*heights.last().expect("blocks")).collect::<Vec<_>>(), "no block is missing");

    step("another node tells the same chain");
    let other = (node + 1) % 4;
    for number in [1, all.committed() / 2, all.committed()] {
        devnet.wait_for_head(other, number, RECOVERY_LIMIT);
        let hash = devnet.nodes[other].hash(number).expect("a committed block").to_string();
        assert_eq!(all.blocks[&number]["hash"], hash, "block {number}");
    }

    step("from the middle: the same items");
    let (from, until) = (all.committed() / 2, all.committed());
    for server in [node, other] {
        let again =
            Told::of(&read(&devnet.nodes[server], &["--genesis", &genesis(&devnet.nodes[server])], from, until));
        for number in from..=until {
            assert_eq!(again.blocks[&number], all.blocks[&number], "block {number} of node {server}");
        }
        assert!(again.committed() >= until);
    }
    a_reader_of_another_chain_believes_nothing(&devnet, node);
    one_that_trusts_its_node_begins_at_its_term(&devnet, node);
}

fn a_reader_of_another_chain_believes_nothing(devnet: &Devnet, node: usize) {
    step("with another validator set nothing verifies");
    let node = &devnet.nodes[node];
    let text = fs::read_to_string(genesis(node)).expect("a genesis file");
    let mut other: Value = serde_json::from_str(&text).expect("JSON");
    other["validators"][0]["signer"] = "0x00000000000000000000000000000000000000aa".into();
    let file = devnet.scratch().join("other.json");
    fs::write(&file, other.to_string()).expect("a file");
    let file = file.to_string_lossy();
    let (success, _, error) =
        command(&["feed", "--rpc", node.rpc.url(), "--verify", "--genesis", &file, "--from", "1", "--until", "5"], &[]);
    assert!(!success && error.contains("does not verify"), "{error}");
}

fn one_that_trusts_its_node_begins_at_its_term(devnet: &Devnet, node: usize) {
    step("without a genesis file the node is trusted for the term, and no block before it can be checked");
    let node = &devnet.nodes[node];
    let until = (node.committed() + 5).to_string();
    let (success, said, error) = command(&["feed", "--rpc", node.rpc.url(), "--verify", "--until", &until], &[]);
    assert!(success && said.contains("committed"), "{said}\n{error}");
    let (success, _, error) = command(&["feed", "--rpc", node.rpc.url(), "--verify", "--from", "1"], &[]);
    assert!(!success && error.contains("give --genesis"), "{error}");
}

/// What a reader printed.
#[derive(Default)]
struct Told {
    /// The last block told at each height.
    blocks: BTreeMap<u64, Value>,
    /// Committed heights with the terms of their certificates.
    commits: Vec<(u64, u64)>,
    /// Terms that decisions closed.
    closed: Vec<u64>,
}

impl Told {
    /// Reads JSON lines, and passes over those for people.
    fn of(text: &str) -> Self {
        let mut told = Self::default();
        // The last line may not be whole yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for item in whole.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no number in {item}"));
            match item["type"].as_str() {
                Some("block") => drop(told.blocks.insert(number(&item["header"]["number"]), item.clone())),
                Some("commit") => {
                    let certificate = &item["certificate"];
                    told.commits.push((number(&certificate["block"]["number"]), number(&certificate["term"])));
                }
                Some("decision") if !item["closed"].is_null() => told.closed.push(number(&item["closed"]["term"])),
                _ => {}
            }
        }
        told
    }

    fn committed(&self) -> u64 {
        self.commits.last().map_or(0, |(number, _)| *number)
    }

    fn slots_committed(&self) -> usize {
        let slots = self.blocks.range(..=self.committed()).map(|(_, block)| block["header"]["slot"].as_u64());
        slots.collect::<std::collections::BTreeSet<_>>().len()
    }
}

/// What a reader has printed so far.
///
/// # Panics
/// If it has ended.
fn told(reader: &mut Child) -> Told {
    if let Some(status) = reader.ended() {
        panic!("the reader ended ({status}):\n{}", reader.tail());
    }
    Told::of(&reader.said())
}

fn genesis(node: &Node) -> String {
    node.home.join("genesis.json").to_string_lossy().into_owned()
}

/// Follows a node's feed from the first block on, with nothing but the genesis file.
fn follow(node: &Node, log: &Path) -> Child {
    let url = node.rpc.url().replace("http://", "ws://");
    let genesis = genesis(node);
    let arguments = ["feed", "--rpc", &url, "--from", "1", "--verify", "--genesis", &genesis, "--json"];
    Child::start(&horae(), &arguments, &[], log)
}

/// Reads from a block until another is committed; what was printed.
fn read(node: &Node, options: &[&str], from: u64, until: u64) -> String {
    let (from, until) = (from.to_string(), until.to_string());
    let fixed = ["feed", "--rpc", node.rpc.url(), "--json", "--verify", "--from", &from, "--until", &until];
    let (success, said, error) = command(&[&fixed, options].concat(), &[]);
    assert!(success, "{error}");
    said
}

fn not_sequencer(devnet: &Devnet) -> usize {
    let sequencer = devnet.sequencer();
    (0..devnet.nodes.len()).find(|node| Some(*node) != sequencer).expect("more than one node")
}

/// Kills whoever holds the slot, once that is not the node that serves the reader.
fn kill_the_sequencer(devnet: &mut Devnet, spared: usize) -> usize {
    let victim = devnet.watch("a sequencer that does not serve the reader", RECOVERY_LIMIT, || {
        devnet.sequencer().filter(|n| *n != spared)
    });
    devnet.nodes[victim].kill();
    victim
}
