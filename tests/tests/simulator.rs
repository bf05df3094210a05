//! Whole nodes on seeded time, under faults and liars: the invariants of design section 5.
//!
//! `HORAE_SIM_SEEDS` says how many seeds are run (200 by default), `HORAE_SIM_FIRST` where they begin, `HORAE_SIM_EVENTS` how
//! long each is; a failure names its seed.

use horae_node::config::RetentionSettings;
use horae_tests::sim::{Lie, Many, Plan, World};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn many(first: u64, seeds: u64, threads: usize) -> Many {
    Many { first, seeds, events: number("HORAE_SIM_EVENTS", 20_000), nodes: None, threads }
}

#[test]
fn nodes_keep_the_invariants_and_come_right_again() {
    let seeds = number("HORAE_SIM_SEEDS", 200);
    let sum = many(number("HORAE_SIM_FIRST", 0), seeds, 2).run(|_| {});
    println!("{:?}", sum.all);
    let failures: Vec<String> = sum
        .failures
        .iter()
        .map(|f| {
            format!("seed {} at {} ms: invariant {}: {}", f.seed, f.at_ms, f.violation.invariant, f.violation.what)
        })
        .collect();
    assert!(failures.is_empty(), "{} of {seeds} seeds:\n{}", failures.len(), failures.join("\n"));
    let faults = sum.faults();
    assert!(faults.crashes >= seeds && sum.all.transactions as u64 >= seeds && sum.all.batches >= seeds);
    assert!(sum.all.epochs * 10 > seeds, "{} epochs opened", sum.all.epochs);
    assert!(sum.all.punished > 0, "{:?}", sum.all);
    assert!(faults.lies > 0 && faults.lost_disks > 0 && faults.old_backups > 0 && faults.reincarnations > 0);
}

#[test]
fn a_seed_plays_again_exactly() {
    let twice = [(); 2].map(|()| many(3, 3, 1).run(|_| {}));
    assert_eq!(twice[0], twice[1]);
    assert_ne!(twice[0].hash, many(4, 3, 1).run(|_| {}).hash);
}

/// A dead validator is waited for once; then its turns are passed over, and when it is back it takes them again.
#[test]
fn a_dead_validator_costs_one_failover_and_comes_back() {
    for seed in 2_000..2_004 {
        let plan = Plan { seed, events: u64::MAX, nodes: None, loud: false };
        let world = World::without_faults(plan);
        let dead = (seed % 4) as usize;
        let outage = world.outage(dead, 15_000, 75_000, 115_000).unwrap_or_else(|why| panic!("seed {seed}: {why:?}"));
        assert!(outage.failovers <= 1 && outage.passed_over == 1, "seed {seed}: {outage:?}");
        assert!(outage.takes_turns && outage.terms_after == 0 && outage.blocks > 50, "seed {seed}: {outage:?}");
    }
}

/// A sequencer that seals two blocks at a height is convicted, nobody waits for its turns, and the others go on.
#[test]
fn a_sequencer_that_seals_twice_is_convicted() {
    for seed in 3_000..3_004 {
        let plan = Plan { seed, events: u64::MAX, nodes: Some(4), loud: false };
        let liar = (seed % 4) as usize;
        let conviction = World::with_liar(plan, liar, vec![Lie::SealsTwice]).conviction(liar, 240_000);
        let conviction = conviction.unwrap_or_else(|why| panic!("seed {seed}: {why:?}"));
        assert!(conviction.jailed && conviction.passed_over, "seed {seed}: {conviction:?}");
        assert!(conviction.blocks_after > 50, "seed {seed}: {conviction:?}");
    }
}

/// A validator that was away for an hour catches up from the others by itself and takes its turns again; what it missed is less
/// than nodes keep unless told otherwise.
#[test]
fn a_validator_that_was_away_for_an_hour_catches_up_by_itself() {
    let plan = Plan { seed: 4_000, events: u64::MAX, nodes: Some(4), loud: false };
    let (dies_ms, away_ms) = (15_000, 3_600_000);
    let outage = World::without_faults(plan).outage(2, dies_ms, dies_ms + away_ms, dies_ms + away_ms + 240_000);
    let outage = outage.unwrap_or_else(|why| panic!("{why:?}"));
    println!("{outage:?}");
    assert!(outage.takes_turns && outage.blocks > 50 && outage.missed_blocks > 3_600, "{outage:?}");
    let kept = RetentionSettings::default();
    assert!(outage.missed_blocks < kept.blocks && outage.missed_heights < kept.control_heights, "{outage:?}");
}
