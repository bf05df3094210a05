//! A validator that leaves, while it holds a slot.

use horae_control::command::L1Event;

use crate::sim::judge::Violation;
use crate::sim::world::World;

/// The first term is open.
const BEGINS_MS: u64 = 15_000;
/// How long it may take until it holds a slot, is out of the set, and batches come under the key without it.
const LIMIT_MS: u64 = 240_000;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Validators before and after.
    pub validators: (usize, usize),
    /// Longest time without a commit from when L1 said so until the end, in milliseconds.
    pub longest_gap_ms: u64,
    /// Terms that closed other than with their epoch.
    pub failovers: u64,
    /// Blocks that it sealed after it was out.
    pub sealed_after: u64,
    /// It has the blocks that the others committed without it.
    pub follows: bool,
    /// Batches accepted under the key without it.
    pub batches_after: u64,
}

impl World {
    /// L1 says that a validator leaves, at the moment at which it begins a slot.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn leaving(mut self, node: usize) -> Result<Left, Violation> {
        let address = self.nodes[node].address;
        self.begin(BEGINS_MS)?;
        self.wait_for("slot of its own", LIMIT_MS, |world| world.is_about_to_lead(node))?;
        let set = |world: &Self| world.engine.state().epoch().set.clone();
        let (before, failovers) = (set(&self), self.failovers());
        let id = before.get(&address).map_or(0, |validator| validator.id);
        self.l1.announce(L1Event::ValidatorLeaving { id });

        let (mut committed, mut since_ms, mut longest_gap_ms) = (self.judge.committed(), self.now_ms, 0);
        let mut goal = None;
        let ends_ms = self.now_ms + LIMIT_MS;
        while goal.is_none_or(|batches| self.batches() < batches) {
            if self.now_ms > ends_ms {
                return Err(Violation::new(0, format!("it does not leave: {}", self.standing())));
            }
            self.run_to(self.now_ms + 10)?;
            if self.judge.committed() > committed {
                longest_gap_ms = longest_gap_ms.max(self.now_ms - since_ms);
                (committed, since_ms) = (self.judge.committed(), self.now_ms);
            }
            if goal.is_none() && set(&self).get(&address).is_none() {
                goal = Some(self.batches() + 3);
            }
        }
        let (height, sealed) = (self.judge.committed(), self.nodes[node].sealed);
        let follows = |world: &Self| world.running(node).is_some_and(|running| running.replica.committed() >= height);
        let follows = self.run_until(LIMIT_MS, follows)?;
        self.judge.rebuild(&self.beginning.genesis, &self.l1)?;
        Ok(Left {
            validators: (before.validators().len(), set(&self).validators().len()),
            longest_gap_ms,
            failovers: self.failovers() - failovers,
            sealed_after: self.nodes[node].sealed - sealed,
            follows,
            batches_after: 3,
        })
    }
}
