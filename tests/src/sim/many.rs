//! Many seeds on all cores, and what they come to together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use alloy_primitives::{B256, keccak256};

use super::faults::Tally;
use super::judge::Violation;
use super::world::{Outcome, Plan, World};

/// Which seeds are run.
#[derive(Clone, Copy, Debug)]
pub struct Many {
    /// The first.
    pub first: u64,
    /// How many.
    pub seeds: u64,
    /// Events of each, before faults stop.
    pub events: u64,
    /// How many validators there are; drawn if nothing is said.
    pub nodes: Option<usize>,
    /// Threads.
    pub threads: usize,
}

/// A seed that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// What was seen.
    pub violation: Violation,
}

/// What many runs came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Seeds that were run.
    pub seeds: u64,
    /// Over the runs' hashes, in the order of their seeds.
    pub hash: B256,
    /// All their numbers added up; the trace is without meaning.
    pub all: Outcome,
    /// Seeds that failed, lowest first.
    pub failures: Vec<Failure>,
}

impl Many {
    /// Runs them; `told` is called after each with the number that are done.
    #[must_use]
    pub fn run(&self, told: impl Fn(u64) + Sync) -> Sum {
        let (next, done) = (AtomicU64::new(self.first), AtomicU64::new(0));
        let work = || {
            let mut results = Vec::new();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.first + self.seeds {
                    return results;
                }
                results.push((seed, self.one(seed)));
                told(done.fetch_add(1, Ordering::Relaxed) + 1);
            }
        };
        let mut results: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            workers.into_iter().flat_map(|worker| worker.join().expect("a run's panic is caught")).collect()
        });
        results.sort_by_key(|(seed, _)| *seed);
        let mut sum = Sum { seeds: self.seeds, ..Sum::default() };
        for (seed, result) in results {
            sum.add(seed, result);
        }
        sum
    }

    /// Runs one seed. A panic counts as a violation.
    ///
    /// # Errors
    /// What was seen that must not be, and when.
    pub fn one(&self, seed: u64) -> Result<Outcome, (u64, Violation)> {
        let plan = Plan { seed, events: self.events, nodes: self.nodes, loud: false };
        caught(|| World::new(plan).run())
    }
}

/// What came of a run; a panic in it counts as a violation.
///
/// # Errors
/// What was seen that must not be, and when.
pub fn caught<T>(run: impl FnOnce() -> Result<T, (u64, Violation)>) -> Result<T, (u64, Violation)> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str);
        let why = why.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err((0, Violation::new(0, format!("panic: {why}"))))
    })
}

/// Runs seeds from `first` on in order until one fails, at most `seeds`; gives the lowest that does. The runs' panics must have
/// been [`caught`].
#[must_use]
pub fn first_failure<T>(
    first: u64,
    seeds: u64,
    threads: usize,
    run: impl Fn(u64) -> Result<T, (u64, Violation)> + Sync,
) -> Option<Failure> {
    let (next, lowest) = (AtomicU64::new(first), AtomicU64::new(first + seeds));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= lowest.load(Ordering::SeqCst) {
                return None;
            }
            if let Err((at_ms, violation)) = run(seed) {
                lowest.fetch_min(seed, Ordering::SeqCst);
                return Some(Failure { seed, at_ms, violation });
            }
        }
    };
    let failures: Vec<Failure> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().expect("a run's panic is caught")).collect()
    });
    failures.into_iter().min_by_key(|failure| failure.seed)
}

impl Sum {
    fn add(&mut self, seed: u64, result: Result<Outcome, (u64, Violation)>) {
        let trace = result.as_ref().map_or(0, |out| out.trace);
        self.hash = keccak256([self.hash.as_slice(), &seed.to_be_bytes(), &trace.to_be_bytes()].concat());
        match result {
            Ok(out) => {
                let all = &mut self.all;
                all.events += out.events;
                all.blocks += out.blocks;
                all.transactions += out.transactions;
                all.failovers += out.failovers;
                all.epochs += out.epochs;
                all.batches += out.batches;
                all.settlements += out.settlements;
                all.punished += out.punished;
                all.faults.add(&out.faults);
                all.rollbacks += out.rollbacks;
                all.simulated_ms += out.simulated_ms;
                all.idle_turns += out.idle_turns;
                all.most_waiting = all.most_waiting.max(out.most_waiting);
                all.refused += out.refused;
            }
            Err((at_ms, violation)) => self.failures.push(Failure { seed, at_ms, violation }),
        }
    }

    /// Faults, by kind.
    #[must_use]
    pub fn faults(&self) -> &Tally {
        &self.all.faults
    }
}
