//! The chaos run: four real nodes and a real L1 under steady load, while the sequencer is killed or stopped at random moments, or its
//! links are cut in one direction; and what must hold in the end.
//!
//! | file | is |
//! |---|---|
//! | [`load`] | transfers, each sent until it is reported committed |
//! | [`witness`] | the feeds of all nodes: certificates, commits |
//! | [`fault`] | what is done to a sequencer, and undone |
//! | [`judge`] | the final chain against all that was told, on nodes and L1 |
//! | [`figures`] | what is printed |

pub mod fault;
pub mod figures;
pub mod judge;
pub mod load;
pub mod witness;

use std::time::{Duration, Instant, SystemTime};

use crate::{devnet::Devnet, relay::Conditions, sim::rng::Rng};

use fault::Fault;
pub use figures::{Outcome, Percentiles};
use load::Load;
use witness::Witness;

/// What the chain may take to go on after a fault before the run fails.
const FAILOVER_LIMIT: Duration = Duration::from_secs(30);
/// What a node may take to answer after a start.
const START_LIMIT: Duration = Duration::from_secs(30);
/// What a node that is back may take until its acks count again.
const BACK_LIMIT: Duration = Duration::from_secs(60);
/// Blocks that a node executes after a fault before it counts as back though it acks nothing.
const FOLLOWED_BLOCKS: u64 = 150;
/// What the chain may take to be at work before the first fault.
const WORK_LIMIT: Duration = Duration::from_secs(60);
/// How often the running slot is asked for when a sequencer is to be hit.
const LOOK: Duration = Duration::from_millis(2);

/// What a run does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Faults, each of the sequencer of the moment.
    pub faults: usize,
    /// Draws moments and kinds.
    pub seed: u64,
    /// Transfers a second.
    pub rate: u32,
    /// How the links between nodes are, if they go through relays.
    pub links: Option<Conditions>,
    /// What is drawn from.
    pub kinds: &'static [Fault],
}

/// Runs a plan on a devnet of its own. `say` is told what happens, line by line.
///
/// # Panics
/// With what was waited for and the ends of the logs, if the chain or a node does not come back in time.
#[must_use]
pub fn run(plan: &Plan, say: &mut dyn FnMut(&str)) -> Outcome {
    let mut rng = Rng::new(plan.seed);
    let mut devnet = Devnet::start(&[]);
    if plan.links.is_some() || plan.kinds.iter().any(|kind| kind.needs_relays()) {
        devnet.relay(plan.links.unwrap_or_default(), plan.seed);
    }
    let witness = Witness::start(&devnet.nodes);
    let load = Load::start(&devnet.nodes, devnet.chain_id(), plan.rate, &mut rng);
    devnet.watch("transactions to be committed", WORK_LIMIT, || (load.count() > 0).then_some(()));
    say(&format!("at work: {} transfers a second", plan.rate));

    let slot_ms = devnet.nodes[0].rpc.ask("horae_slot", &serde_json::json!([]))["slotMs"].as_u64();
    let slot_ms = slot_ms.expect("horae_slot has the fields of the manual");
    let began = Instant::now();
    let (mut failovers, mut troubled, mut hits) = (Vec::new(), Vec::new(), [0; 3]);
    for round in 1..=plan.faults {
        let moment = Duration::from_millis(rng.between(0, 2 * slot_ms));
        let fault = plan.kinds[rng.below(plan.kinds.len())];
        std::thread::sleep(moment);
        let hit = hit(&mut devnet, &witness, fault);
        failovers.push(hit.gap.as_secs_f64() * 1_000.0);
        hits[fault.kind()] += 1;
        let back_ms = bring_back(&mut devnet, &hit);
        troubled.push((hit.at_ms, now_ms()));
        say(&format!(
            "{round:>4}/{}  node {}, slot {:>4}: {:<22} next commit after {:>6.0} ms, back after {back_ms:>6} ms; {} committed",
            plan.faults,
            hit.victim,
            hit.slot,
            fault.name(),
            hit.gap.as_secs_f64() * 1_000.0,
            load.count()
        ));
    }
    let seconds = began.elapsed().as_secs_f64();
    say("the load stops; judging");
    let told = load.finish();
    let mut violations = Vec::new();
    let reported = told.reported.iter().map(|reported| reported.number).max().unwrap_or(0);
    let last = witness.seen().certified.keys().copied().max().unwrap_or(0).max(reported);
    let chain = judge::final_chain(&devnet, last, &mut violations);
    judge::compare(&chain, &witness.seen(), &told, &mut violations);
    let batches = judge::compare_with_l1(&devnet, &chain, reported, &mut violations);
    let rhythm = judge::rhythm(&chain, &witness.seen(), &troubled);
    let certified = witness.seen().certified.values().map(Vec::len).sum();
    Outcome {
        seed: plan.seed,
        killed: hits[0],
        frozen: hits[1],
        cut_off: hits[2],
        seconds,
        committed: told.reported.len(),
        certified,
        blocks: chain.len() as u64,
        batches,
        failover_ms: Percentiles::of(failovers),
        handover_ms: rhythm.handover_ms,
        handover_intervals: rhythm.handover_intervals,
        block_interval_ms: rhythm.block_interval_ms,
        violations,
    }
}

/// A sequencer that was hit.
#[derive(Debug)]
struct Hit {
    victim: usize,
    fault: Fault,
    /// The slot that it held.
    slot: u64,
    /// When, in unix milliseconds.
    at_ms: u64,
    /// Until the first commit of a later slot that another node told of.
    gap: Duration,
    /// Committed head then.
    head: u64,
}

/// Hits the sequencer of this moment and waits until the chain has gone on without it.
fn hit(devnet: &mut Devnet, witness: &Witness, fault: Fault) -> Hit {
    let (victim, slot) = {
        let until = Instant::now() + WORK_LIMIT;
        loop {
            let status = devnet.status();
            if let Some(victim) = devnet.holder(&status) {
                break (victim, status.slot);
            }
            assert!(Instant::now() < until, "no node holds the slot:\n{}", devnet.logs());
            std::thread::sleep(LOOK);
        }
    };
    let before = witness.seen().commits.len();
    let (at, at_ms) = (Instant::now(), now_ms());
    fault.begin(devnet, victim);
    let what = format!("a commit after {} of node {victim} in slot {slot}", fault.name());
    let next = devnet.watch(&what, FAILOVER_LIMIT, || witness.commit_after(slot, victim, before));
    Hit { victim, fault, slot, at_ms, gap: next.at.saturating_duration_since(at), head: next.block.number }
}

/// Undoes a fault and waits until the victim takes part again; how long that took, in milliseconds. One that has voted to
/// close a term that went on without it says nothing before the next one: it is back when it has followed for a while.
fn bring_back(devnet: &mut Devnet, hit: &Hit) -> u128 {
    let began = Instant::now();
    hit.fault.end(devnet, hit.victim, START_LIMIT);
    let own = serde_json::json!(devnet.own(hit.victim));
    let other = (hit.victim + 1) % devnet.nodes.len();
    let goal = devnet.nodes[other].committed().max(hit.head);
    devnet.watch(&format!("an ack of node {} above block {goal}", hit.victim), BACK_LIMIT, || {
        let validators = devnet.nodes[other].rpc.try_ask("horae_validators", &serde_json::json!([])).ok()?;
        let found = validators.as_array()?.iter().find(|v| v["signer"] == own)?;
        let follows =
            || devnet.nodes[hit.victim].try_status().is_some_and(|s| s.heads.committed > goal + FOLLOWED_BLOCKS);
        (found["acked"].as_u64().is_some_and(|acked| acked > goal) || follows()).then_some(())
    });
    began.elapsed().as_millis()
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_millis()).expect("a clock before the year 584 million")
}
