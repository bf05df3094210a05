//! One of the real processes lies: a sequencer that seals two blocks at one height, signers that are silent or give wrong shares.
//! They are `horae-planted`, which the feature `planted` builds.

use std::{fs, time::Duration};

use alloy_primitives::Address;
use horae_control::planted::Fault;
use horae_node::config::Settings;
use horae_tests::{
    Devnet,
    l1::inbox_head,
    node::command,
    programs::{horae, horae_planted},
    stake, step,
    wallet::TEST_KEYS,
};
use serde_json::{Value, json};

/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What the chain may take to convict, to go on, to have a batch accepted.
const LIMIT: Duration = Duration::from_secs(90);

#[test]
fn the_shipped_binary_has_no_faults_to_plant() {
    let contains = |bytes: &[u8], name: &str| bytes.windows(name.len()).any(|window| window == name.as_bytes());
    let (shipped, planted) = (fs::read(horae()).expect("horae"), fs::read(horae_planted()).expect("horae-planted"));
    assert!(!contains(&shipped, "planted:") && !contains(&shipped, "HORAE_PLANTED"));
    for fault in Fault::ALL {
        assert!(!contains(&shipped, fault.name()), "{} is in the shipped binary", fault.name());
        assert!(contains(&planted, fault.name()), "{} is not in horae-planted", fault.name());
    }
}

#[test]
fn liars_among_real_processes() {
    an_equivocating_sequencer_is_jailed_and_the_chain_goes_on();
    let devnet = a_silent_and_a_lying_signer_stop_no_batch();
    the_nodes_report_an_offender_and_its_owner_brings_it_back(devnet);
}

fn an_equivocating_sequencer_is_jailed_and_the_chain_goes_on() {
    let mut devnet = Devnet::start(&[]);
    let offender = 3;
    let (own, others) = (devnet.own(offender), 0..3);
    // So that the stranger is first: nodes that can send report by themselves.
    send_to_l1(&mut devnet, false);
    step("one of four seals two blocks at each height");
    restart(&mut devnet, offender, Fault::EquivocatingSequencer);

    step("the others convict it");
    for node in others.clone() {
        let offence = devnet.watch(&format!("node {node} to call it convicted"), LIMIT, || {
            devnet.trickle(node);
            validator(&devnet, node, own).filter(|seen| !seen["offence"].is_null())
        });
        println!("  node {node}: {}", offence["offence"]);
        assert_eq!((&offence["offence"], &offence["skipped"]), (&json!("double-block"), &json!(true)), "{offence}");
    }
    let (ok, shown, _) = command(&["validators", "--rpc", devnet.nodes[0].rpc.url()], &[]);
    let line = shown.lines().find(|line| line.to_lowercase().contains(&own.to_string().to_lowercase()));
    assert!(ok && line.is_some_and(|line| line.contains("jailed")), "{shown}");
    let logs: String = others.clone().map(|node| devnet.nodes[node].log()).collect();
    assert!(logs.contains("a validator contradicted itself"), "the evidence is logged where it was found");

    step("the chain goes on without its turns, and the three agree");
    let from = devnet.status().slot;
    devnet.watch("six slots without it", LIMIT, || {
        let status = devnet.nodes[0].status();
        assert!(status.slot <= from + 1 || status.sequencer != own, "slot {} is its", status.slot);
        (status.slot >= from + 6).then_some(())
    });
    let head = devnet.nodes[0].committed();
    for node in others.clone() {
        devnet.wait_for_head(node, head, LIMIT);
    }
    for number in 1..=head {
        let hashes: Vec<_> = others.clone().map(|node| devnet.nodes[node].hash(number)).collect();
        assert!(hashes[0].is_some() && hashes.iter().all(|hash| *hash == hashes[0]), "block {number}: {hashes:?}");
    }

    step("a stranger reports it to L1, which cuts its stake and jails it there");
    a_stranger_reports(&devnet, own);
    let shown = stake::show(&devnet, offender);
    let stake = stake::UNIT_METIS * stake::WEI;
    assert_eq!(shown["status"], json!("jailed"), "{shown}");
    assert_eq!(shown["stake"], json!(alloy_primitives::U256::from(stake - stake / 10)), "{shown}");

    step("the next epoch is without it");
    send_to_l1(&mut devnet, true);
    devnet.watch("three validators", 2 * LIMIT, || {
        devnet.trickle(0);
        let list = devnet.nodes[0].rpc.try_ask("horae_validators", &json!([])).ok()?;
        list.as_array().filter(|list| list.len() == 3 && list.iter().all(|v| v["signer"] != json!(own))).map(drop)
    });
}

/// Reports the offence of a validator with an account that has nothing to do with the chain.
fn a_stranger_reports(devnet: &Devnet, offender: Address) {
    let genesis = devnet.genesis_file();
    let (l1, rpc, offender) = (devnet.l1_url(), devnet.nodes[0].rpc.url(), offender.to_string());
    let slash = |arguments: &[&str]| {
        let chain = ["--rpc", rpc, "--genesis", &genesis, "--l1", &l1];
        command(&[&["slash"], arguments, &chain].concat(), &[("HORAE_KEY", TEST_KEYS[2])])
    };
    let (ok, shown, why) = slash(&["show"]);
    assert!(ok && shown.contains("double-block") && shown.contains("not reported"), "{shown}{why}");
    let submit = ["submit", "--validator", &offender, "--yes"];
    let (ok, said, why) = slash(&submit);
    assert!(ok && said.contains("10.00 % of 20000 METIS"), "{said}{why}");
    let (ok, _, why) = slash(&submit);
    assert!(!ok && why.contains("L1 has punished this offence already"), "{why}");
    let (_, shown, _) = slash(&["show"]);
    assert!(shown.contains("; punished on L1"), "{shown}");
}

/// Whether the nodes carry anything to L1; all are started anew.
fn send_to_l1(devnet: &mut Devnet, submit: bool) {
    for node in &mut devnet.nodes {
        node.stop();
        let file = node.home.join("node.toml");
        let mut settings = Settings::load(&file).expect("the settings of a devnet's node");
        settings.l1.submit = submit;
        settings.save(&file).expect("the settings are written");
    }
    for node in &mut devnet.nodes {
        node.start();
    }
    for node in &mut devnet.nodes {
        node.wait_until_it_answers(START_LIMIT);
    }
}

/// The last of five seals two blocks at each height. Nobody but the nodes says a word to L1.
fn the_nodes_report_an_offender_and_its_owner_brings_it_back(mut devnet: Devnet) {
    let (offender, own) = (4, devnet.own(4));
    step("one of five seals two blocks at each height: the others report it to L1 by themselves");
    restart(&mut devnet, offender, Fault::EquivocatingSequencer);
    let jailed = devnet.watch("the offender in L1's jail", 2 * LIMIT, || {
        devnet.trickle(0);
        Some(stake::show(&devnet, offender)).filter(|shown| shown["status"] == json!("jailed"))
    });
    let stake = stake::UNIT_METIS * stake::WEI;
    assert_eq!(jailed["stake"], json!(alloy_primitives::U256::from(stake - stake / 10)), "punished once: {jailed}");
    devnet.watch("the punishment in the agreed view, or an epoch without it", 2 * LIMIT, || {
        devnet.trickle(0);
        let seen = validator(&devnet, 0, own);
        seen.is_none_or(|seen| seen["punished"] == json!(true)).then_some(())
    });

    step("its time over, the owner brings it up to the least stake and back from jail");
    devnet.nodes[offender].stop();
    devnet.nodes[offender].start_and_wait(START_LIMIT);
    devnet.watch("an epoch without it", 2 * LIMIT, || {
        devnet.trickle(0);
        validator(&devnet, 0, own).is_none().then_some(())
    });
    stake::raise(&devnet, offender);
    devnet.watch("its release", 2 * LIMIT, || {
        devnet.trickle(0);
        match stake::release(&devnet, offender) {
            Ok(()) => Some(()),
            Err(why) => {
                assert!(why.contains("in jail until"), "{why}");
                None
            }
        }
    });
    let back = devnet.watch("an epoch with it again", 3 * LIMIT, || {
        devnet.trickle(0);
        validator(&devnet, 0, own)
    });
    assert_eq!((&back["offence"], &back["skipped"]), (&Value::Null, &json!(false)), "{back}");
    let genesis = devnet.genesis_file();
    let (l1, rpc) = (devnet.l1_url(), devnet.nodes[0].rpc.url());
    let (ok, shown, why) = command(&["slash", "show", "--rpc", rpc, "--genesis", &genesis, "--l1", &l1], &[]);
    assert!(ok && shown.contains("no offence is on record"), "{shown}{why}");
    devnet.watch("a slot of it", 2 * LIMIT, || {
        devnet.trickle(0);
        (devnet.status().sequencer == own).then_some(())
    });
}

fn a_silent_and_a_lying_signer_stop_no_batch() -> Devnet {
    let mut devnet = Devnet::start(&["--nodes", "5"]);
    let (signer, own) = (4, devnet.own(4));
    for (fault, kind) in [(Fault::SilentSigner, "silent"), (Fault::LyingSigner, "badShare")] {
        step(&format!("of five signers, of whom four must sign, one is {}", fault.name()));
        restart(&mut devnet, signer, fault);
        let before = faults(&devnet, own, kind);
        let first = batches(&devnet);
        devnet.watch(&format!("five batches, and `{kind}` in horae_validators"), 2 * LIMIT, || {
            devnet.trickle(0);
            (batches(&devnet) >= first + 5 && faults(&devnet, own, kind) > before).then_some(())
        });
        // A coordinator that meets it again in the same batch would have waited for a second round.
        let (signed, failed) = (batches(&devnet) - first, faults(&devnet, own, kind) - before);
        println!("  {signed} batches, {failed} extra rounds");
        assert!(failed <= signed + 1, "{failed} faults in {signed} batches");
    }
    let shown: String =
        devnet.nodes[..4].iter().map(|node| command(&["validators", "--rpc", node.rpc.url()], &[]).1).collect();
    let named = shown
        .lines()
        .any(|line| line.to_lowercase().contains(&own.to_string().to_lowercase()) && line.contains("bad share"));
    assert!(named, "the liar is named: {shown}");
    devnet
}

/// Starts a node anew with a fault.
fn restart(devnet: &mut Devnet, node: usize, fault: Fault) {
    devnet.nodes[node].stop();
    devnet.nodes[node].start_planted(fault.name());
    devnet.nodes[node].wait_until_it_answers(START_LIMIT);
}

/// What a node says of a validator.
fn validator(devnet: &Devnet, seen_by: usize, of: Address) -> Option<Value> {
    let list = devnet.nodes[seen_by].rpc.try_ask("horae_validators", &json!([])).ok()?;
    list.as_array()?.iter().find(|v| v["signer"] == json!(of)).cloned()
}

/// How often a signer failed in this way, by the word of all others.
fn faults(devnet: &Devnet, of: Address, kind: &str) -> u64 {
    let seen = (0..devnet.nodes.len()).filter_map(|node| validator(devnet, node, of));
    let of_kind = |seen: Value| {
        let faults = seen["signingFaults"].as_array().cloned().unwrap_or_default();
        faults.iter().filter(|fault| fault["kind"] == kind).filter_map(|fault| fault["count"].as_u64()).sum::<u64>()
    };
    seen.map(of_kind).sum()
}

/// Batches that L1 has accepted.
fn batches(devnet: &Devnet) -> u64 {
    inbox_head(&devnet.l1_url(), devnet.inbox()).nextIndex
}
