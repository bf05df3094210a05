//! Control blocks on their way: judged when they are decided, and handed to every node that can have them.

use horae_control::{ControlBlock, Effect};

use super::judge::Violation;
use super::node::Running;
use super::world::{Due, World};

impl World {
    /// Holds what was decided at this height against L1 and the invariants.
    pub(super) fn judge_decision(&mut self, height: u64, effects: &[Effect]) -> Result<(), Violation> {
        let Some((value, _)) = self.engine.decided(height) else { return Ok(()) };
        let block: ControlBlock = borsh::from_slice(value).map_err(|why| Violation::new(0, why.to_string()))?;
        let agreed = std::mem::replace(&mut self.agreed, self.engine.state().l1_view());
        self.l1.check_view(agreed, &block)?;
        self.judge.entered(&self.l1, self.agreed.number);
        self.judge.decided(&block, self.engine.state())?;
        for effect in effects {
            if let Effect::IncarnationRegistered { validator, first_in_epoch, .. } = effect {
                self.judge.reincarnates(*validator)?;
                let open = self.engine.state().open_term().map(|term| term.number);
                self.outdated = open.filter(|_| *first_in_epoch).or(self.outdated);
            }
            if let Effect::Jailed { validator, offence } = effect
                && !self.judge.may_be_convicted(validator)
            {
                return Err(Violation::new(8, format!("{validator} is jailed for {offence:?}, though it is honest")));
            }
        }
        Ok(())
    }

    /// Hands the next control block to every node that can have it.
    pub(super) fn spread(&mut self) {
        let deciding = self.engine.quorum(&self.nodes, &self.net).unwrap_or_default();
        let heights: Vec<Option<u64>> = self
            .nodes
            .iter()
            .map(|node| {
                let running = node.running.as_ref().filter(|running| running.side.part.is_some())?;
                Some(running.council.state().height())
            })
            .collect();
        for node in 0..self.nodes.len() {
            let Some(height) = heights[node].filter(|height| *height < self.engine.height()) else { continue };
            let ahead = |n: usize| heights[n].is_some_and(|other| other > height);
            let told = (0..self.nodes.len()).any(|n| self.net.joined(n, node) && ahead(n));
            if (told || deciding.contains(&node)) && !self.nodes[node].applying {
                self.nodes[node].applying = true;
                let late = self.rng.chance(20) && !self.calm;
                let after_ms = if late { self.rng.between(200, 2_500) } else { self.rng.between(1, 60) };
                self.at(after_ms, Due::Applies { node });
            }
        }
    }

    pub(super) fn apply(&mut self, node: usize) -> Result<(), Violation> {
        self.nodes[node].applying = false;
        let clock_ms = self.nodes[node].clock_ms(self.now_ms);
        let Some(Running { council, side, .. }) = &mut self.nodes[node].running else { return Ok(()) };
        let height = council.state().height() + 1;
        let decided = self.engine.decided(height).filter(|_| side.part.is_some());
        let Some((value, precommits)) = decided else { return Ok(()) };
        side.remember(precommits);
        side.files.decided = side.files.decided.max(height);
        council
            .decided(height, value, clock_ms, side)
            .map_err(|why| Violation::new(0, format!("node {node}: {why}")))?;
        self.settle(node)
    }
}
