//! Liveness: once every message arrives, a new commit comes, whatever happened before.

use super::{Verdict, World};

/// Rounds without a commit after which all vote to close, and rounds within which a commit must come.
const PATIENCE: usize = 6;
const ROUNDS: usize = 60;

impl World {
    /// From here on every message arrives and the Byzantine validator does nothing: a new commit must come.
    pub(super) fn settle(&mut self) -> Result<usize, String> {
        self.silent = true;
        let (mut opened, mut before) = (0, self.committed());
        for round in 0..ROUNDS {
            for at in 0..self.nodes.len() {
                self.catch_up(at);
                self.seal_honestly(at);
                self.sync(at)?;
            }
            self.deliver_everything()?;
            if self.committed() > before {
                return Ok(round);
            }
            if round - opened >= PATIENCE {
                (0..self.nodes.len()).for_each(|at| self.vote_to_close(at));
                (0..self.nodes.len()).try_for_each(|at| self.sync(at))?;
                let term = self.open().number;
                self.decide(self.votes.values().filter(|v| v.term == term).cloned().collect())?;
                (opened, before) = (round, self.committed());
            }
        }
        Err(format!("liveness: no commit in {ROUNDS} rounds"))
    }

    /// Highest height that the honest validators have committed among themselves, in the open term.
    pub(super) fn committed(&self) -> u64 {
        let term = self.open();
        let shown = self.blocks_of(term.number).into_iter().filter(|b| {
            let holders = self.holders(&b.facts).len() as u64;
            self.certifiable(&b.facts) && term.set.is_quorum(holders)
        });
        shown.map(|b| b.facts.id.number).max().unwrap_or(term.parent.id.number)
    }

    pub(super) fn deliver_everything(&mut self) -> Verdict {
        for _ in 0..self.blocks.len() + 1 {
            let mut worked = false;
            for at in 0..self.nodes.len() {
                let tip = self.nodes[at].voter.tip();
                self.deliver_next(at);
                self.sync(at)?;
                for block in self.blocks_of(self.open().number) {
                    self.hand_certificate(at, &block.facts);
                    self.hand_commit(at, &block.facts);
                }
                self.sync(at)?;
                worked |= self.nodes[at].voter.tip() != tip;
            }
            if !worked {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn deliver_next(&mut self, at: usize) {
        let tip = self.nodes[at].voter.tip().unwrap_or(self.open().parent);
        let mut next = self.blocks_of(self.open().number);
        next.retain(|b| b.facts.parent == tip.id.hash);
        if let Some(block) = next.first() {
            self.hand_block(at, block);
        }
    }
}
