//! A validator whose logs end earlier than what it said, as after an operator cut a damaged one.

use crate::sim::judge::Violation;
use crate::sim::world::{Due, World};

/// The first term is open.
const BEGINS_MS: u64 = 15_000;
/// How long it may take until it has a slot.
const LIMIT_MS: u64 = 120_000;

/// Which log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutLog {
    /// The journal, with its promises and blocks.
    Journal,
    /// Tendermint's: its votes and the last decided heights.
    Decisions,
    /// The whole of Tendermint's, and the control state with it.
    ControlPlane,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Entries, or decided heights, that were cut.
    pub cut: u64,
    /// New incarnations that it began.
    pub incarnations: u64,
    /// Terms that closed.
    pub failovers: u64,
    /// Blocks that it sealed afterwards.
    pub sealed_after: u64,
    /// Blocks that give another result there.
    pub disagreements: u64,
    /// Validators convicted.
    pub convicted: usize,
}

impl World {
    /// A validator dies in a slot of its own, and the newer half of a log is gone.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn cut_log(mut self, node: usize, log: CutLog) -> Result<Recovered, Violation> {
        self.begin(BEGINS_MS)?;
        let sealed = self.nodes[node].sealed;
        self.wait_for("slot of its own", LIMIT_MS, |world| world.nodes[node].sealed > sealed)?;
        let (failovers, incarnations) = (self.failovers(), self.out.faults.reincarnations);
        self.nodes[node].crash(&mut self.rng);
        // An ack that only one other knows of may be missing from the answers of > 2/3: it is one of those that may be faulty,
        // and is held to what it says from now on.
        self.judge.has_forgotten(self.nodes[node].address);
        let cut = match log {
            CutLog::Journal => self.nodes[node].cut_journal(),
            CutLog::Decisions => self.nodes[node].cut_decisions(),
            CutLog::ControlPlane => self.nodes[node].lose_control_plane(),
        };
        self.at(1_000, Due::Starts { node });
        let (sealed, committed) = (self.nodes[node].sealed, self.judge.committed());
        self.wait_for("slot of its own again", LIMIT_MS, |world| world.nodes[node].sealed > sealed + 2)?;
        self.wait_for("commits", LIMIT_MS, |world| world.judge.committed() > committed + 20)?;
        Ok(Recovered {
            cut,
            incarnations: self.out.faults.reincarnations - incarnations,
            failovers: self.failovers() - failovers,
            sealed_after: self.nodes[node].sealed - sealed,
            disagreements: self.nodes[node].disagreements,
            convicted: self.engine.state().jail().iter().count(),
        })
    }
}
