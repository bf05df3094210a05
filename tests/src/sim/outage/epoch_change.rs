//! All validators die in the middle of an epoch change.

use horae_control::{Awaits, NextEpoch};

use crate::sim::judge::Violation;
use crate::sim::world::World;

/// The first term is open.
const BEGINS_MS: u64 = 10_000;
/// How long it may take until the next epoch is at a step, opens, has batches.
const LIMIT_MS: u64 = 240_000;
/// How long after the step was reached they die, at most, and how long the first and the last stay away.
const LATER_MS: u64 = 400;
const AWAY_MS: (u64, u64) = (20, 2_500);

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochChange {
    /// What the next epoch waited for when they died.
    pub died_at: Awaits,
    /// Machines that died.
    pub died: usize,
    /// Blocks committed from then until it opened.
    pub blocks: u64,
    /// How long it took to open, in milliseconds.
    pub opened_after_ms: u64,
    /// The key that L1 has in force then is the epoch's.
    pub same_key: bool,
    /// Batches accepted under the new key.
    pub batches_after: u64,
    /// What L1 has settled, which is something, ends with an epoch.
    pub is_settled: bool,
    /// Validators convicted.
    pub convicted: usize,
}

impl World {
    /// All validators die while the next epoch waits for this, and come back one after the other.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn death_in_epoch_change(mut self, awaits: Awaits) -> Result<EpochChange, Violation> {
        let step = |world: &Self| world.engine.state().next_epoch().map(NextEpoch::awaits);
        self.begin(BEGINS_MS)?;
        let later_ms = self.rng.between(0, LATER_MS);
        let died_at = loop {
            self.wait_for("epoch change at this step", LIMIT_MS, |world| step(world) == Some(awaits))?;
            self.run_until(later_ms, |world| step(world) != Some(awaits))?;
            if let Some(died_at) = step(&self) {
                break died_at;
            }
        };
        let next = self.engine.state().epoch().number + 1;
        let (began_ms, committed) = (self.now_ms, self.judge.committed());
        let died = (0..self.nodes.len()).filter(|node| self.running(*node).is_some()).count();
        for node in 0..self.nodes.len() {
            let after_ms = self.rng.between(AWAY_MS.0, AWAY_MS.1);
            self.restart(node, after_ms);
        }
        self.wait_for("next epoch", LIMIT_MS, |world| world.engine.state().epoch().number >= next)?;
        let same_key = self.engine.state().epoch().group_key == self.l1.key();
        let (opened_after_ms, blocks) = (self.now_ms - began_ms, self.judge.committed() - committed);
        let batches = self.batches();
        self.wait_for("three batches", LIMIT_MS, |world| world.batches() >= batches + 3)?;
        self.wait_for("settlement", LIMIT_MS, |world| world.l1.settlements().count() > 0)?;
        let state = self.engine.state();
        let opened: Vec<u64> =
            state.past_epochs().map(|epoch| epoch.first_block).chain([state.epoch().first_block]).collect();
        let is_settled = self.l1.settlements().all(|settled| opened.contains(&(settled.lastBlock + 1)));
        let height = self.judge.committed();
        self.wait_for("same chain everywhere", LIMIT_MS, |world| {
            (0..world.nodes.len()).all(|node| world.running(node).is_some_and(|r| r.replica.committed() >= height))
        })?;
        self.judge.rebuild(&self.beginning.genesis, &self.l1)?;
        Ok(EpochChange {
            died_at,
            died,
            blocks,
            opened_after_ms,
            same_key,
            batches_after: self.batches() - batches,
            is_settled,
            convicted: self.engine.state().jail().iter().count(),
        })
    }
}
