//! One thing goes wrong, and nothing else: a validator dies and comes back, or lies.

use crate::sim::byzantine::{Lie, Mask};
use crate::sim::judge::Violation;
use crate::sim::node::signer_key;
use crate::sim::world::{Due, Plan, World};

/// What the lies of one validator came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conviction {
    /// It is in jail, and it alone.
    pub jailed: bool,
    /// Nobody waits for its turns.
    pub passed_over: bool,
    /// Blocks committed after it was convicted.
    pub blocks_after: u64,
}

/// What the outage of one validator came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Terms that closed while it was away.
    pub failovers: u64,
    /// Validators whose turns were passed over when it came back.
    pub passed_over: usize,
    /// Nobody's turns are passed over at the end.
    pub takes_turns: bool,
    /// Terms that closed after it came back.
    pub terms_after: u64,
    /// Blocks committed while it was away.
    pub missed_blocks: u64,
    /// Control heights decided while it was away.
    pub missed_heights: u64,
    /// Blocks committed after it came back.
    pub blocks: u64,
}

impl World {
    /// A world in which one validator lies, and nothing else goes wrong.
    #[must_use]
    pub fn with_liar(plan: Plan, at: usize, lies: Vec<Lie>) -> Self {
        let mut world = Self::without_faults(plan);
        let domain = *world.engine.state().domain();
        world.nodes[at].mask = Some(Mask::new(lies, world.rng.fork(), signer_key(at), domain));
        world.judge.expect_lies_of(world.nodes[at].address);
        world
    }

    /// Waits for the conviction of the validator at this place, and sees what follows.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn conviction(mut self, liar: usize, ends_ms: u64) -> Result<Conviction, Violation> {
        let address = self.nodes[liar].address;
        while self.engine.state().jail().iter().next().is_none() && self.now_ms < ends_ms {
            self.run_to(self.now_ms + 100)?;
        }
        let committed = self.judge.committed();
        self.run_to(ends_ms)?;
        let state = self.engine.state();
        let jailed = state.jail().iter().all(|(_, jailed)| jailed.validator == address);
        let jailed = jailed && state.jail().iter().count() == 1;
        let passed_over = state.open_term().is_some_and(|term| term.skips.latest() == [address]);
        Ok(Conviction { jailed, passed_over, blocks_after: self.judge.committed() - committed })
    }

    /// A validator dies at `dies_ms` and comes back at `back_ms`.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn outage(mut self, node: usize, dies_ms: u64, back_ms: u64, ends_ms: u64) -> Result<Outage, Violation> {
        let open = |world: &Self| world.engine.state().open_term().map_or(0, |term| term.number);
        let skipped = |world: &Self| world.engine.state().open_term().map_or(0, |term| term.skips.latest().len());
        self.run_to(dies_ms)?;
        let before = open(&self);
        let (blocks_before, heights_before) = (self.judge.committed(), self.engine.state().height());
        self.nodes[node].crash(&mut self.rng);
        self.run_to(back_ms)?;
        let missed_heights = self.engine.state().height() - heights_before;
        let (after, passed_over) = (open(&self), skipped(&self));
        let committed = self.judge.committed();
        self.at(0, Due::Starts { node });
        self.run_to(ends_ms)?;
        let takes_turns = skipped(&self) == 0;
        let blocks = self.judge.committed() - committed;
        Ok(Outage {
            failovers: after - before,
            passed_over,
            takes_turns,
            terms_after: open(&self) - after,
            missed_blocks: committed - blocks_before,
            missed_heights,
            blocks,
        })
    }
}
