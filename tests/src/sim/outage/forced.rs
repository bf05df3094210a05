//! More in the forced queue than one block can take, while the sequencer cannot read L1.

use alloy_primitives::{Address, Bytes, TxKind, U256};
use horae_stages::ForcedEntry;

use crate::sim::judge::Violation;
use crate::sim::l1::Endpoint;
use crate::sim::world::World;

/// The first term is open.
const BEGINS_MS: u64 = 15_000;
/// What the queue holds: 15 L1 blocks' worth.
const ENTRIES: u64 = 120;
/// Gas of each: what one L1 block brings fits into a block of the L2, what two bring does not.
const ENTRY_GAS: u64 = 1_000_000;
/// How long it may take until all is executed and in a batch.
const LIMIT_MS: u64 = 240_000;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forced {
    /// Entries executed.
    pub executed: u64,
    /// Of these, the ones that accepted batches include.
    pub included: u64,
    /// From the first entry to the last one's execution, in milliseconds.
    pub took_ms: u64,
    /// Terms that closed.
    pub failovers: u64,
    /// Blocks that the node without L1 sealed meanwhile.
    pub sealed: u64,
    /// It has the blocks that the others sealed.
    pub follows: bool,
}

impl World {
    /// A node loses its L1 when it begins a slot, and the queue fills.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn forced_past(mut self, node: usize) -> Result<Forced, Violation> {
        self.begin(BEGINS_MS)?;
        self.wait_for("slot of its own", LIMIT_MS, |world| world.is_about_to_lead(node))?;
        self.nodes[node].endpoint = Endpoint::Silent;
        let (failovers, sealed, began_ms) = (self.failovers(), self.nodes[node].sealed, self.now_ms);
        for n in 0..ENTRIES {
            let from = Address::with_last_byte(n as u8);
            let (to, mint) = (TxKind::Call(from), U256::from(n));
            self.l1.enter(ForcedEntry { index: 0, from, to, mint, value: mint, gas: ENTRY_GAS, data: Bytes::new() });
        }
        self.wait_for("execution of all entries", LIMIT_MS, |world| world.judge.forced() == ENTRIES)?;
        let took_ms = self.now_ms - began_ms;
        let included = |world: &Self| world.l1.batches().last().map_or(0, |accepted| accepted.batch.forced);
        self.wait_for("batch with them", LIMIT_MS, |world| included(world) == ENTRIES)?;
        let height = self.judge.committed();
        let follows = |world: &Self| world.running(node).is_some_and(|running| running.replica.committed() >= height);
        let follows = self.run_until(LIMIT_MS, follows)?;
        self.judge.rebuild(&self.beginning.genesis, &self.l1)?;
        Ok(Forced {
            executed: self.judge.forced(),
            included: included(&self),
            took_ms,
            failovers: self.failovers() - failovers,
            sealed: self.nodes[node].sealed - sealed,
            follows,
        })
    }
}
