//! One validator dies and comes back, and nothing else goes wrong.

use super::judge::Violation;
use super::world::{Due, World};

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
    /// Blocks committed after it came back.
    pub blocks: u64,
}

impl World {
    /// A validator dies at `dies_ms` and comes back at `back_ms`.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn outage(mut self, node: usize, dies_ms: u64, back_ms: u64, ends_ms: u64) -> Result<Outage, Violation> {
        let open = |world: &Self| world.engine.state().open_term().map_or(0, |term| term.number);
        let skipped = |world: &Self| world.engine.state().open_term().map_or(0, |term| term.skips.latest().len());
        self.run_to(dies_ms)?;
        let before = open(&self);
        self.nodes[node].crash(&mut self.rng);
        self.run_to(back_ms)?;
        let (after, passed_over) = (open(&self), skipped(&self));
        let committed = self.judge.committed();
        self.at(0, Due::Starts { node });
        self.run_to(ends_ms)?;
        let takes_turns = skipped(&self) == 0;
        let blocks = self.judge.committed() - committed;
        Ok(Outage { failovers: after - before, passed_over, takes_turns, terms_after: open(&self) - after, blocks })
    }
}
