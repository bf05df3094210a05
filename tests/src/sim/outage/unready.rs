//! A validator that cannot take its turns: it lags, hears no blocks, or holds another state. Nobody may wait for it.

use std::collections::BTreeSet;

use crate::sim::beginning::{CHAIN_ID, late_wallet};
use crate::sim::judge::Violation;
use crate::sim::store::Damage;
use crate::sim::world::{Due, World};

/// The first term is open and every client has sent something.
const BEGINS_MS: u64 = 15_000;
/// How long a dead validator stays away, in milliseconds.
const AWAY_MS: u64 = 20_000;
/// How long it may take to be passed over, and to be taken back.
const LIMIT_MS: u64 = 120_000;
/// How long it is watched while it is passed over.
const WATCHED_MS: u64 = 25_000;

/// Why it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unready {
    /// It was away, is back, and gets no blocks: it is far behind.
    Behind,
    /// It runs on, and gets no blocks any more.
    Deaf,
    /// Its store holds another balance of an account that sends its first transaction.
    OtherState,
}

/// What its candidacy came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Blocks that it lacked at most while it was passed over.
    pub lag: u64,
    /// Times that it came upon a block that gives another result there.
    pub disagreements: u64,
    /// Terms that closed from the beginning until it was well again.
    pub failovers: u64,
    /// Slots that were its own although its turns were passed over.
    pub slots_given: usize,
    /// Slots of others in that time.
    pub slots_of_others: usize,
    /// Why it cannot take its turns, as it shows it.
    pub trouble: Option<String>,
    /// Blocks that it sealed after it was well again.
    pub sealed_after: u64,
    /// Terms that closed after that.
    pub failovers_after: u64,
}

impl World {
    /// A validator cannot take its turns for a while, and can again. One that has voted meanwhile to close a term that went on
    /// has its turns again in the next term: in a world with epochs that comes by itself.
    ///
    /// # Errors
    /// The first thing seen that must not be.
    pub fn unready(mut self, node: usize, why: Unready) -> Result<Candidate, Violation> {
        self.begin(BEGINS_MS)?;
        let (failovers_before, disagreements) = (self.failovers(), self.nodes[node].disagreements);
        self.disable(node, why)?;
        self.wait_for("decision to pass it over", LIMIT_MS, |world| world.is_passed_over(node))?;
        let others: Vec<usize> = (0..self.nodes.len()).filter(|other| *other != node).collect();
        // The slot that ran when it was decided may have been handed on before the decision was known there.
        let (_, decided_in, _) = self.slot_of(others.iter().copied()).unwrap_or_default();
        let mut given = BTreeSet::new();
        let mut lag = 0;
        let ends_ms = self.now_ms + WATCHED_MS;
        while self.now_ms < ends_ms {
            self.run_to(self.now_ms + 10)?;
            given.extend(self.slot_of(others.iter().copied()).filter(|(_, slot, _)| *slot > decided_in + 1));
            let head = self.running(node).map_or(0, |running| running.replica.head().number);
            lag = lag.max(self.judge.committed().saturating_sub(head));
        }
        let (own, of_others): (Vec<_>, Vec<_>) = given.into_iter().partition(|(_, _, holder)| *holder == node);
        let trouble = self.running(node).and_then(|running| running.side.trouble.clone());
        let failovers = self.failovers() - failovers_before;
        let disagreements = self.nodes[node].disagreements - disagreements;

        let (sealed, failovers_before) = (self.nodes[node].sealed, self.failovers());
        self.enable(node, why);
        self.wait_for("slot of its own", LIMIT_MS, |world| world.nodes[node].sealed > sealed + 1)?;
        self.run_to(self.now_ms + AWAY_MS)?;
        Ok(Candidate {
            lag,
            disagreements,
            failovers,
            slots_given: own.len(),
            slots_of_others: of_others.len(),
            trouble,
            sealed_after: self.nodes[node].sealed - sealed,
            failovers_after: self.failovers() - failovers_before,
        })
    }

    fn disable(&mut self, node: usize, why: Unready) -> Result<(), Violation> {
        match why {
            Unready::Behind => {
                self.net.deafen(node, true);
                self.nodes[node].crash(&mut self.rng);
                self.run_to(self.now_ms + AWAY_MS)?;
                self.at(0, Due::Starts { node });
                self.run_to(self.now_ms + 1)?;
            }
            Unready::Deaf => self.net.deafen(node, true),
            Unready::OtherState => {
                let (wallet, other) = (late_wallet(), (node + 1) % self.nodes.len());
                self.nodes[node].store.0.borrow_mut().damage = Some(Damage::Balance(wallet.address()));
                self.wait_for("slot of another", LIMIT_MS, |world| world.is_about_to_lead(other))?;
                let (_, raw) = wallet.sign(wallet.transfer(CHAIN_ID, 0));
                self.nodes[other].offer(self.now_ms, &raw, None);
            }
        }
        Ok(())
    }

    fn enable(&mut self, node: usize, why: Unready) {
        match why {
            Unready::Behind | Unready::Deaf => self.net.deafen(node, false),
            Unready::OtherState => {
                self.nodes[node].crash(&mut self.rng);
                self.judge.has_forgotten(self.nodes[node].address);
                self.nodes[node].lose_disk();
                self.at(1, Due::Starts { node });
            }
        }
    }
}
