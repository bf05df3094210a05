//! Whole replicas under crashes, lost messages, partitions, slow disks and skewed clocks, on seeded time.
//!
//! `HORAE_SIM_SEEDS` says how many seeds are run (24 by default), `HORAE_SIM_FIRST` where they begin; a failure names its seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use horae_tests::sim::{Outcome, Plan, Planted, Violation, World};

const FAULTS_MS: u64 = 15_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn run(seed: u64, planted: Planted) -> Result<Outcome, (u64, Violation)> {
    World::new(Plan { seed, faults_ms: FAULTS_MS, planted, loud: number("HORAE_SIM_LOUD", 0) > 0 }).run()
}

#[test]
fn replicas_keep_the_invariants_and_come_right_again() {
    let (first, seeds) = (number("HORAE_SIM_FIRST", 0), number("HORAE_SIM_SEEDS", 24));
    let next = AtomicU64::new(first);
    let work = || {
        let (mut failed, mut sum) = (Vec::new(), Outcome::default());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + seeds {
                return (failed, sum);
            }
            match run(seed, Planted::Nothing) {
                Ok(out) => {
                    sum.blocks += out.blocks;
                    sum.transactions += out.transactions;
                    sum.terms += out.terms;
                    sum.crashes += out.crashes;
                    sum.rollbacks += out.rollbacks;
                    sum.simulated_ms += out.simulated_ms;
                    sum.idle_turns += out.idle_turns;
                    sum.refused += out.refused;
                    sum.most_waiting = sum.most_waiting.max(out.most_waiting);
                }
                Err((at_ms, Violation { invariant, what })) => {
                    failed.push(format!("seed {seed} at {at_ms} ms: invariant {invariant}: {what}"));
                }
            }
        }
    };
    let results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker's seeds")).collect()
    });
    let failed: Vec<String> = results.iter().flat_map(|(failed, _)| failed.clone()).collect();
    for (_, sum) in &results {
        println!("{sum:?}");
    }
    assert!(failed.is_empty(), "{} of {seeds} seeds:\n{}", failed.len(), failed.join("\n"));
    let crashes: u64 = results.iter().map(|(_, sum)| sum.crashes).sum();
    let transactions: usize = results.iter().map(|(_, sum)| sum.transactions).sum();
    assert!(crashes >= seeds && transactions as u64 >= seeds, "the runs were not what they are meant to be");
}

#[test]
fn a_seed_plays_again_exactly() {
    for seed in [3, 7] {
        assert_eq!(run(seed, Planted::Nothing), run(seed, Planted::Nothing), "seed {seed}");
    }
}

/// Runs seeds with a fault put in until the judge sees it, and gives the invariant that it named.
fn caught(planted: Planted, seeds: u64) -> u8 {
    let seen = (1_000..1_000 + seeds).find_map(|seed| run(seed, planted).err());
    let (_, violation) = seen.unwrap_or_else(|| panic!("{planted:?} was not noticed in {seeds} seeds"));
    println!("{planted:?}: {violation:?}");
    violation.invariant
}

#[test]
fn an_ack_before_it_is_stored_is_noticed() {
    assert_eq!(caught(Planted::SpeaksBeforeStored, 24), 8);
}

#[test]
fn forgotten_promises_are_noticed() {
    assert_eq!(caught(Planted::ForgetsPromises, 24), 8);
}

#[test]
fn a_forgotten_note_of_a_begun_slot_is_noticed() {
    assert_eq!(caught(Planted::ForgetsBegunSlots, 60), 8);
}

#[test]
fn blocks_kept_beyond_a_rollback_are_noticed() {
    assert_eq!(caught(Planted::KeepsVoidBlocks, 24), 5);
}

#[test]
fn transactions_lost_with_their_block_are_noticed() {
    assert_eq!(caught(Planted::DropsVoidTransactions, 24), 9);
}

/// A dead validator is waited for once; then its turns are passed over, and when it is back it takes them again.
#[test]
fn a_dead_validator_costs_one_failover_and_comes_back() {
    for seed in 2_000..2_004 {
        let plan = Plan { seed, faults_ms: 0, planted: Planted::Nothing, loud: false };
        let world = World::new(plan);
        let dead = (seed % 4) as usize;
        let outage = world.outage(dead, 3_000, 63_000, 100_000).unwrap_or_else(|why| panic!("seed {seed}: {why:?}"));
        assert!(outage.failovers <= 1 && outage.passed_over == 1, "seed {seed}: {outage:?}");
        assert!(outage.takes_turns && outage.terms_after == 0 && outage.blocks > 50, "seed {seed}: {outage:?}");
    }
}
