//! An L1 that makes no blocks for a long time, while small transactions come in.

use crate::sim::judge::Violation;
use crate::sim::world::World;

/// The first term is open, and batches have begun.
const BEGINS_MS: u64 = 20_000;
/// How long L1 makes no blocks.
const STALL_MS: u64 = 60_000;
/// Steps of a client in a thousand at which it sends something meanwhile.
const EAGER_PER_MILLE: u64 = 30;
/// How long the backlog may take.
const LIMIT_MS: u64 = 240_000;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Transactions committed while L1 stood still.
    pub transactions: usize,
    /// Blocks committed in that time.
    pub blocks: u64,
    /// Terms that closed in that time.
    pub failovers: u64,
    /// Committed blocks that were on L1 in no batch when it went on.
    pub behind: u64,
    /// How long it took until all of those were, in milliseconds.
    pub caught_up_ms: u64,
    /// Batches that it took.
    pub batches: u64,
    /// Most inputs that ever waited at one node.
    pub most_waiting: usize,
    /// Nobody's turns are passed over.
    pub all_take_turns: bool,
}

impl World {
    /// L1 makes no block for a long time.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn backlog(mut self) -> Result<Backlog, Violation> {
        let posted = |world: &Self| world.l1.batches().last().map_or(0, |accepted| accepted.batch.lastBlock);
        self.begin(BEGINS_MS)?;
        self.wait_for("batch", LIMIT_MS, |world| world.batches() > 0)?;
        (self.l1.stands_still, self.clients.eager_per_mille) = (true, EAGER_PER_MILLE);
        let (transactions, committed) = (self.judge.transactions(), self.judge.committed());
        let (failovers, batches) = (self.failovers(), self.batches());
        self.run_to(self.now_ms + STALL_MS)?;
        let height = self.judge.committed();
        let transactions = self.judge.transactions() - transactions;
        let (failovers, behind) = (self.failovers() - failovers, height - posted(&self));
        self.l1.stands_still = false;
        let began_ms = self.now_ms;
        self.wait_for("end of the backlog", LIMIT_MS, |world| posted(world) >= height)?;
        self.judge.rebuild(&self.beginning.genesis, &self.l1)?;
        Ok(Backlog {
            transactions,
            blocks: height - committed,
            failovers,
            behind,
            caught_up_ms: self.now_ms - began_ms,
            batches: self.batches() - batches,
            most_waiting: self.nodes.iter().map(|node| node.most_waiting).max().unwrap_or_default(),
            all_take_turns: (0..self.nodes.len()).all(|node| !self.is_passed_over(node)),
        })
    }
}
