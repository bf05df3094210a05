//! Random runs of the slot protocol: four validators on real signatures, one of them Byzantine, who also seals two
//! chains at once, acks everything and lies in close votes; messages in any order, crashes that lose what was not
//! stored, handovers and failovers, all through the real voter, head choice and control state.
//!
//! Judged after every step, over what the world has seen: invariants 1 to 3 and 8 of design section 5. Certificates and
//! commits are reckoned here from the acks alone, with the Byzantine weight always added: the worst that can be shown.

mod judge;
mod settle;
mod steps;
mod views;

use super::control::{open, state};
use super::{PlantedQuorum, Rng};
use crate::record::Record;
use crate::sign::SignerKey;
use crate::state::ControlState;
use crate::statement::{Ack, BlockFacts, BlockId, CloseVote, SignedBlock};
use crate::term::Term;
use crate::voter::Voter;
use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;

const WINDOW: u64 = 4;
/// Steps of a run.
const STEPS: usize = 300;
const SLOT_BLOCKS: usize = 3;

/// What is wrong with the nodes of a run, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A quorum is taken to be one validator less.
    QuorumOffByOne,
    /// Acks are sent though they were not stored.
    SentBeforeStored,
    /// The close vote is not among what a restart reads back.
    CloseVoteForgotten,
    /// Certificates are not among what a restart reads back.
    CertificateForgotten,
    /// The note of the begun slot is not among what a restart reads back.
    NoBegunNote,
    /// Nobody votes to close: safe, but a term can get stuck for ever.
    NeverCloses,
}

/// One honest validator: its voter, its disk, and what waits for the disk.
struct Node {
    key: usize,
    control: usize,
    voter: Voter,
    disk: Vec<Record>,
    unsynced: Vec<(Record, Option<Ack>, Option<CloseVote>)>,
    unsent: Vec<SignedBlock>,
    /// The block it sealed last, as far as it remembers.
    sealed: Option<BlockFacts>,
}

/// The world as an observer sees it.
struct World {
    rng: Rng,
    fault: Fault,
    keys: Vec<SignerKey>,
    byzantine: usize,
    /// The Byzantine validator seals one chain only.
    calm: bool,
    /// The Byzantine validator has stopped acking.
    silent: bool,
    /// Control state after each decided block; every node has applied a prefix.
    control: Vec<ControlState>,
    terms: BTreeMap<u64, Term>,
    heads: BTreeMap<u64, BlockId>,
    blocks: BTreeMap<B256, SignedBlock>,
    nodes: Vec<Node>,
    /// Honest acks that left.
    acks: BTreeMap<(B256, Address), Ack>,
    /// The honest ack of each validator and term that names the highest certificate.
    holding: BTreeMap<(u64, Address), Ack>,
    votes: BTreeMap<(u64, Address), CloseVote>,
    seen: Counts,
}

#[derive(Default, Debug)]
struct Counts {
    certified: usize,
    committed: usize,
    terms: usize,
    handovers: usize,
    lost_with_evidence: usize,
    crashes: usize,
    skips: usize,
    /// Rounds until a new commit, once all messages arrive.
    slowest: usize,
}

type Verdict = Result<(), String>;

fn run(seed: u64, fault: Fault, steps: usize, opened: &ControlState) -> (Verdict, Counts) {
    let _planted = (fault == Fault::QuorumOffByOne).then(|| PlantedQuorum::new(1));
    let mut world = World::new(seed, fault, opened);
    for _ in 0..steps {
        if let Err(broken) = world.step() {
            return (Err(broken), world.seen);
        }
    }
    let settled = world.settle().map(|rounds| world.seen.slowest = rounds);
    (settled, world.seen)
}

fn opened() -> ControlState {
    let mut state = state(&[1, 1, 1, 1], WINDOW);
    open(&mut state);
    state
}

#[test]
fn invariants_hold_with_one_byzantine_validator() {
    let opened = opened();
    let mut all = Counts::default();
    for seed in 0..150 {
        let (verdict, seen) = run(seed, Fault::None, STEPS, &opened);
        assert_eq!(verdict, Ok(()), "seed {seed}");
        all.certified += seen.certified;
        all.committed += seen.committed;
        all.terms += seen.terms;
        all.handovers += seen.handovers;
        all.lost_with_evidence += seen.lost_with_evidence;
        all.crashes += seen.crashes;
        all.skips += seen.skips;
        all.slowest = all.slowest.max(seen.slowest);
    }
    println!("{all:?}");
    assert!(all.certified > 100 && all.committed > 50 && all.terms > 100, "{all:?}");
    assert!(all.handovers > 20 && all.crashes > 100 && all.skips > 100, "{all:?}");
}

/// The same for as many seeds as `HORAE_SEEDS` said when this was compiled.
#[test]
#[ignore = "minutes to hours: a search, not a check"]
fn invariants_hold_for_many_seeds() {
    let opened = opened();
    let seeds = option_env!("HORAE_SEEDS").map_or(5_000, |seeds| seeds.parse().unwrap());
    for seed in 1_000..1_000 + seeds {
        assert_eq!(run(seed, Fault::None, 2 * STEPS, &opened).0, Ok(()), "seed {seed}");
    }
}

/// Each planted fault must be caught within this many seeds.
fn is_caught(fault: Fault) {
    let opened = opened();
    let caught = (0..200).find_map(|seed| run(seed, fault, STEPS, &opened).0.err().map(|broken| (seed, broken)));
    println!("{fault:?}: {caught:?}");
    assert!(caught.is_some(), "{fault:?} was not caught");
}

#[test]
fn a_quorum_off_by_one_is_caught() {
    is_caught(Fault::QuorumOffByOne);
}

#[test]
fn an_ack_sent_before_it_is_stored_is_caught() {
    is_caught(Fault::SentBeforeStored);
}

#[test]
fn a_forgotten_close_vote_is_caught() {
    is_caught(Fault::CloseVoteForgotten);
}

#[test]
fn a_forgotten_certificate_is_caught() {
    is_caught(Fault::CertificateForgotten);
}

#[test]
fn a_missing_note_of_the_begun_slot_is_caught() {
    is_caught(Fault::NoBegunNote);
}

#[test]
fn a_term_that_nobody_closes_is_caught() {
    is_caught(Fault::NeverCloses);
}
