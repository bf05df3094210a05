//! L1 endpoints that lie or do not answer, at the sequencer among others.

use std::collections::BTreeSet;

use crate::sim::judge::Violation;
use crate::sim::l1::Endpoint;
use crate::sim::world::World;

/// The first term is open, and batches have begun.
const BEGINS_MS: u64 = 20_000;
/// How long it may take until a validator holds a slot, a batch is accepted, everybody takes turns again.
const LIMIT_MS: u64 = 90_000;

/// What is wrong with the endpoints of some validators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadEndpoints {
    /// They tell of another chain.
    Lie,
    /// They tell of the right chain, and of an event that never was.
    Invent,
    /// They do not answer.
    AreDead,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lied {
    /// Views put to the vote that were not L1's, and got no quorum.
    pub refused_views: u64,
    /// Agreed views that were not L1's.
    pub untrue_views: usize,
    /// Agreed views in that time.
    pub views: usize,
    /// Terms that closed in that time.
    pub failovers: u64,
    /// Blocks committed in that time.
    pub blocks: u64,
    /// Blocks that those validators sealed in that time.
    pub sealed: u64,
    /// Batches accepted in that time.
    pub batches: u64,
    /// Those validators that showed that they cannot take their turns.
    pub showed_trouble: usize,
    /// Whether the set of validators is the same in the end.
    pub same_set: bool,
    /// Batches accepted once the endpoints were well again.
    pub batches_after: u64,
    /// Nobody's turns are passed over in the end.
    pub all_take_turns: bool,
}

impl World {
    /// The endpoints of these validators are bad for a while, from when the first of them holds a slot.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn bad_endpoints(mut self, nodes: &[usize], what: BadEndpoints, lasts_ms: u64) -> Result<Lied, Violation> {
        self.begin(BEGINS_MS)?;
        self.wait_for("batch", LIMIT_MS, |world| world.batches() > 0)?;
        let sealed = |world: &Self| -> u64 { nodes.iter().map(|node| world.nodes[*node].sealed).sum() };
        let (first, before) = (nodes[0], self.nodes[nodes[0]].sealed);
        self.wait_for("slot of the first", LIMIT_MS, |world| world.nodes[first].sealed > before)?;
        let endpoint = match what {
            BadEndpoints::Lie => Endpoint::Lying,
            BadEndpoints::Invent => Endpoint::Inventing,
            BadEndpoints::AreDead => Endpoint::Silent,
        };
        nodes.iter().for_each(|node| self.nodes[*node].endpoint = endpoint);
        let set = self.engine.state().epoch().set.clone();
        let (failovers_before, committed, batches) = (self.failovers(), self.judge.committed(), self.batches());
        let (refused, sealed_before) = (self.engine.refused_views, sealed(&self));
        let (mut views, mut troubled) = (BTreeSet::new(), BTreeSet::new());
        let ends_ms = self.now_ms + lasts_ms;
        while self.now_ms < ends_ms {
            self.run_to(self.now_ms + 10)?;
            let view = self.engine.state().l1_view();
            views.insert((view.number, view.hash, self.l1.has(&view)));
            let shows = |node: &usize| self.running(*node).is_some_and(|running| running.side.trouble.is_some());
            troubled.extend(nodes.iter().copied().filter(shows));
        }
        let (failovers, blocks) = (self.failovers() - failovers_before, self.judge.committed() - committed);
        let (batches, sealed) = (self.batches() - batches, sealed(&self) - sealed_before);
        let refused_views = self.engine.refused_views - refused;

        nodes.iter().for_each(|node| self.nodes[*node].endpoint = Endpoint::Behind(0));
        let before = self.batches();
        self.wait_for("two batches", LIMIT_MS, |world| world.batches() >= before + 2)?;
        let everybody = |world: &Self| (0..world.nodes.len()).all(|node| !world.is_passed_over(node));
        let all_take_turns = self.run_until(LIMIT_MS, everybody)?;
        self.judge.rebuild(&self.beginning.genesis, &self.l1)?;
        Ok(Lied {
            refused_views,
            untrue_views: views.iter().filter(|(_, _, there)| !there).count(),
            views: views.len(),
            failovers,
            blocks,
            sealed,
            batches,
            showed_trouble: troubled.len(),
            same_set: self.engine.state().epoch().set == set,
            batches_after: self.batches() - before,
            all_take_turns,
        })
    }
}
