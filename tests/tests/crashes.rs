//! What happens when nodes die: one, two, the sequencer, all; and what a node says that cannot start.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::TcpListener,
    os::unix::fs::FileExt,
    path::Path,
    time::Duration,
};

use alloy_primitives::B256;
use horae_tests::{
    Child, Devnet,
    child::tail,
    l1::inbox_head,
    node::{command, loopback},
    programs::horae,
    step, wait_for,
};

/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What the chain may take to go on after a failure: the wait for the silent, and a decision.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);
/// What a batch may take, with one node missing.
const BATCH_LIMIT: Duration = Duration::from_secs(60);
/// What a command that must fail may take to do so.
const FAILURE_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_chain_outlives_its_nodes() {
    let mut devnet = Devnet::start(&[]);
    one_dies_and_catches_up(&mut devnet);
    two_stop_and_nothing_is_accepted(&mut devnet);
    the_sequencer_dies(&mut devnet);
    all_die(&mut devnet);
    a_torn_journal_is_cut(&mut devnet);
    what_cannot_start_says_why(&mut devnet);
    nobody_panicked(&devnet);
}

/// No log of any start has a panic: whatever happened, it was foreseen.
fn nobody_panicked(devnet: &Devnet) {
    for entry in fs::read_dir(devnet.root().join("logs")).expect("logs").flatten() {
        let log = fs::read_to_string(entry.path()).expect("a log");
        assert!(!log.contains("panicked"), "{}:\n{}", entry.path().display(), tail(&log));
    }
}

fn one_dies_and_catches_up(devnet: &mut Devnet) {
    let victim = not_sequencer(devnet);
    step(&format!("kill -9 of node {victim}, which is not the sequencer"));
    devnet.nodes[victim].kill();
    let other = (victim + 1) % 4;
    devnet.wait_for_blocks(other, 5, RECOVERY_LIMIT);

    step("batches go on without it");
    more_batches(devnet, other);

    step("it is started again and catches up");
    let head = devnet.nodes[other].committed();
    devnet.nodes[victim].start_and_wait(START_LIMIT);
    devnet.wait_for_head(victim, head, RECOVERY_LIMIT);
    devnet.same_blocks(head);

    step("it acks again");
    devnet.wait_for_ack(other, victim, RECOVERY_LIMIT);
}

fn two_stop_and_nothing_is_accepted(devnet: &mut Devnet) {
    // The node that was restarted above stays: its shares and acks are needed now.
    let (first, second) = (2, 3);
    step(&format!("node {first} is stopped: batches go on"));
    devnet.nodes[first].stop();
    more_batches(devnet, 0);

    step(&format!("node {second} is stopped too: nothing is committed, no batch is accepted"));
    devnet.nodes[second].stop();
    let (committed, accepted) = settle(devnet, 0);
    let l1 = devnet.l1();
    let mined = l1_height(&l1);
    // As long as three batches take, by the clock of L1.
    wait_for("15 L1 blocks", BATCH_LIMIT, || {
        devnet.trickle(0);
        (l1_height(&l1) >= mined + 15).then_some(())
    });
    assert_eq!((devnet.nodes[0].committed(), batches(devnet)), (committed, accepted), "two of four went on");

    step("both are started again: blocks and batches go on");
    devnet.nodes[first].start_and_wait(START_LIMIT);
    devnet.nodes[second].start_and_wait(START_LIMIT);
    devnet.wait_for_head(0, committed + 5, RECOVERY_LIMIT);
    more_batches(devnet, 0);
    for node in [first, second] {
        devnet.wait_for_head(node, committed + 5, RECOVERY_LIMIT);
    }
    devnet.same_blocks(committed);
}

fn the_sequencer_dies(devnet: &mut Devnet) {
    let victim = devnet.watch("a sequencer", RECOVERY_LIMIT, || devnet.sequencer());
    let other = (victim + 1) % 4;
    let before = devnet.nodes[other].status();
    step(&format!("kill -9 of node {victim}, which holds slot {} of term {}", before.slot, before.term));
    devnet.nodes[victim].kill();
    let died_at = devnet.nodes[other].committed();
    devnet.wait_for_head(other, died_at + 10, RECOVERY_LIMIT);
    let after = devnet.nodes[other].status();
    println!("  term {} -> {}, slot {} -> {}", before.term, after.term, before.slot, after.slot);
    assert!(after.slot > before.slot, "{before:?} {after:?}");

    step("it is started again and catches up");
    devnet.nodes[victim].start_and_wait(START_LIMIT);
    let head = devnet.nodes[other].committed();
    devnet.wait_for_head(victim, head, RECOVERY_LIMIT);
    devnet.same_blocks(head);
    devnet.wait_for_ack(other, victim, RECOVERY_LIMIT);
}

fn all_die(devnet: &mut Devnet) {
    devnet.trickle(0);
    let head = devnet.wait_for_blocks(0, 5, RECOVERY_LIMIT);
    let before: Vec<B256> = (1..=head).map(|number| devnet.nodes[0].hash(number).expect("a committed block")).collect();
    step(&format!("kill -9 of all four, {head} blocks committed"));
    for node in &mut devnet.nodes {
        node.kill();
    }
    for node in &mut devnet.nodes {
        node.start();
    }
    step("the chain resumes, and nothing committed is lost");
    for node in 0..4 {
        devnet.wait_for_head(node, head + 5, RECOVERY_LIMIT + START_LIMIT);
    }
    for node in &devnet.nodes {
        for (number, hash) in (1..).zip(&before) {
            assert_eq!(node.hash(number), Some(*hash), "block {number} on node {}", node.index);
        }
    }
    more_batches(devnet, 0);
}

fn a_torn_journal_is_cut(devnet: &mut Devnet) {
    for (what, tear) in [("garbage at its end", append_garbage as fn(&Path)), ("its last bytes gone", cut_tail)] {
        step(&format!("a journal with {what}"));
        let node = &mut devnet.nodes[1];
        node.kill();
        tear(&node.newest_segment());
        node.start_and_wait(START_LIMIT);
        let (log, segment) = (devnet.nodes[1].log(), devnet.nodes[1].newest_segment());
        let said = log.lines().find(|line| line.contains("torn")).unwrap_or_else(|| panic!("not a word of it:\n{log}"));
        println!("  {}", said.trim());
        assert!(said.contains(&*segment.file_name().expect("a name").to_string_lossy()), "{said}");
        let head = devnet.nodes[0].committed();
        devnet.wait_for_head(1, head + 5, RECOVERY_LIMIT);
        devnet.same_blocks(head);
    }
}

fn append_garbage(segment: &Path) {
    let mut file = OpenOptions::new().append(true).open(segment).expect("the segment");
    file.write_all(&[0xa5; 37]).expect("written");
}

fn cut_tail(segment: &Path) {
    let file = OpenOptions::new().write(true).open(segment).expect("the segment");
    let length = file.metadata().expect("its length").len();
    file.set_len(length - 3).expect("cut");
}

fn what_cannot_start_says_why(devnet: &mut Devnet) {
    let at = |devnet: &Devnet, node: usize| devnet.nodes[node].home.to_string_lossy().into_owned();
    let home = at(devnet, 1);

    step("a second start on the same home");
    fails(
        devnet,
        &["node", "--home", &home],
        &[],
        &["in use by process", &devnet.nodes[1].process().to_string(), "--home"],
    );

    step("a directory that is no home");
    let nowhere = devnet.scratch().join("nowhere").to_string_lossy().into_owned();
    fails(devnet, &["node", "--home", &nowhere], &[], &[&nowhere, "horae init"]);

    devnet.nodes[1].stop();
    step("a busy port");
    let rpc = devnet.nodes[1].ports.rpc;
    {
        let _holder = TcpListener::bind(loopback(rpc)).expect("the port of a node that is stopped");
        fails(devnet, &["node", "--home", &home], &[], &[&rpc.to_string(), "in use"]);
    }

    step("an unreachable L1");
    let settings = devnet.nodes[1].home.join("node.toml");
    let kept = fs::read_to_string(&settings).expect("settings");
    let dead = free_port();
    fs::write(&settings, kept.replace(&devnet.l1_url(), &format!("http://{}", loopback(dead)))).expect("written");
    says(devnet, &["node", "--home", &home], &[&dead.to_string(), "L1"]);
    let (fresh, genesis) = (devnet.scratch().join("fresh"), devnet.nodes[1].home.join("genesis.json"));
    fs::create_dir(&fresh).expect("a directory");
    fs::copy(genesis, fresh.join("genesis.json")).expect("the genesis");
    let (l1, fresh) = (format!("http://{}", loopback(dead)), fresh.to_string_lossy().into_owned());
    fails(devnet, &["derive", "--l1", &l1, "--home", &fresh], &[], &[&dead.to_string()]);
    fs::write(&settings, &kept).expect("written");

    step("a wrong passphrase");
    let sealed = devnet.scratch().join("sealed");
    let passphrase = devnet.scratch().join("passphrase");
    fs::write(&passphrase, "the right one\n").expect("written");
    let (sealed, file) = (sealed.to_string_lossy().into_owned(), passphrase.to_string_lossy().into_owned());
    let genesis = devnet.nodes[1].home.join("genesis.json").to_string_lossy().into_owned();
    let l1 = devnet.l1_url();
    let (ok, out, err) =
        command(&["init", "--home", &sealed, "--passphrase-file", &file, "--genesis", &genesis, "--l1", &l1], &[]);
    assert!(ok, "{out}{err}");
    fs::write(&passphrase, "another one\n").expect("written");
    fails(devnet, &["node", "--home", &sealed], &[], &["wrong passphrase", "node.toml"]);
    fails(devnet, &["keys", "--home", &sealed], &[], &["wrong passphrase", "node.toml"]);

    step("a missing anvil");
    let other = devnet.scratch().join("other").to_string_lossy().into_owned();
    fails(
        devnet,
        &["devnet", "--home", &other],
        &[("HORAE_ANVIL", "/nowhere/anvil")],
        &["/nowhere/anvil", "HORAE_ANVIL"],
    );

    step("a flipped bit in the middle of the journal");
    let segment = devnet.nodes[1].newest_segment();
    flip_middle(&segment);
    fails(devnet, &["node", "--home", &home], &[], &["journal is damaged", &segment.to_string_lossy(), "Restore"]);
    flip_middle(&segment);
    devnet.nodes[1].start_and_wait(START_LIMIT);
    devnet.wait_for_blocks(1, 5, RECOVERY_LIMIT);

    step("a flipped bit in the log of decisions");
    devnet.nodes[1].stop();
    let log = devnet.nodes[1].home.join("consensus/decided.log");
    flip_middle(&log);
    fails(devnet, &["node", "--home", &home], &[], &[&log.to_string_lossy()]);
}

fn flip_middle(file: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(file).expect("the file");
    let middle = file.metadata().expect("its length").len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], middle).expect("written");
}

/// Runs a command that must end by itself, fail, and say each of `words`.
fn fails(devnet: &Devnet, arguments: &[&str], environment: &[(&str, &str)], words: &[&str]) {
    let log = devnet.scratch().join("failing.log");
    let mut child = Child::start(&horae(), arguments, environment, &log);
    let status = child.wait(FAILURE_LIMIT);
    let said = child.said();
    let last = said.lines().last().unwrap_or_default();
    println!("  {last}");
    assert!(!status.success(), "{arguments:?} succeeded: {said}");
    assert!(said.lines().any(|line| line.starts_with("error: ")) && !said.contains("panicked"), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in what {arguments:?} said: {said}");
    }
}

/// Runs a command until it has said each of `words`, whether or not it ends.
fn says(devnet: &Devnet, arguments: &[&str], words: &[&str]) {
    let log = devnet.scratch().join("saying.log");
    let mut child = Child::start(&horae(), arguments, &[], &log);
    let said = wait_for(&format!("{words:?} from {arguments:?}"), FAILURE_LIMIT, || {
        let said = child.said();
        if words.iter().all(|word| said.contains(word)) {
            return Some(said);
        }
        assert!(child.ended().is_none(), "{words:?} is not in: {said}");
        None
    });
    println!("  {}", said.lines().find(|line| line.contains(words[0])).unwrap_or_default());
}

fn free_port() -> u16 {
    TcpListener::bind(loopback(0)).and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn not_sequencer(devnet: &Devnet) -> usize {
    let sequencer = devnet.sequencer();
    (0..4).find(|node| Some(*node) != sequencer).expect("four nodes")
}

/// Batches that the contract has accepted.
fn batches(devnet: &Devnet) -> u64 {
    inbox_head(&devnet.l1_url(), devnet.inbox()).nextIndex
}

/// Waits for two more batches, with something to post in each: the first may have been under way before.
fn more_batches(devnet: &Devnet, through: usize) {
    let goal = batches(devnet) + 2;
    devnet.watch(&format!("batch {goal} on L1"), BATCH_LIMIT, || {
        devnet.trickle(through);
        (batches(devnet) >= goal).then_some(())
    });
}

/// Committed head and accepted batches once neither has changed for as long as five L1 blocks take.
fn settle(devnet: &Devnet, node: usize) -> (u64, u64) {
    let l1 = devnet.l1();
    let look = || (devnet.nodes[node].committed(), batches(devnet));
    let (mut last, mut since) = (look(), l1_height(&l1));
    wait_for("the chain to stand still", BATCH_LIMIT, || {
        let now = look();
        if now != last {
            (last, since) = (now, l1_height(&l1));
        }
        (l1_height(&l1) >= since + 5).then_some(last)
    })
}

fn l1_height(l1: &horae_tests::Rpc) -> u64 {
    horae_tests::rpc::quantity(&l1.ask("eth_blockNumber", &serde_json::json!([])))
}
