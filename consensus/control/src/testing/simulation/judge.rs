//! The invariants, judged over what the world has seen.

use super::super::certificate_of;
use super::{Verdict, World};
use crate::evidence::Evidence;
use crate::statement::{Ack, BlockFacts, BlockId, SignedBlock};
use std::collections::BTreeSet;

impl World {
    /// An honest ack leaves: what it certifies and commits is judged at once.
    pub(super) fn send(&mut self, ack: Ack) -> Verdict {
        let block = self.blocks[&ack.block.hash].facts;
        let twice = |b: &SignedBlock| {
            let known = self.acks.get(&(b.facts.id.hash, ack.validator));
            known.is_some_and(|a| a.term == ack.term && a.block.number == ack.block.number && a.block != ack.block)
        };
        if self.blocks.values().any(twice) {
            return Err(format!("invariant 8: two acks at {}", ack.block.number));
        }
        if let Some(vote) = self.votes.get(&(ack.term, ack.validator))
            && Evidence::between_ack_and_close(&ack, vote).is_some()
        {
            return Err("invariant 8: an ack against the close vote".into());
        }
        self.acks.insert((block.id.hash, ack.validator), ack);
        let named = |a: &Ack| a.certificate.map_or(0, |c| c.number);
        let most = self.holding.entry((ack.term, ack.validator)).or_insert(ack);
        if named(&ack) > named(most) {
            *most = ack;
        }
        self.judge(ack.term)
    }

    /// Invariants 1 to 3 over one term.
    pub(super) fn judge(&mut self, term: u64) -> Verdict {
        let mut heights = BTreeSet::new();
        for block in self.blocks_of(term) {
            let facts = block.facts;
            if !self.certifiable(&facts) {
                continue;
            }
            if !heights.insert(facts.id.number) {
                return Err(format!("invariant 1: two certified blocks at {}", facts.id.number));
            }
            let Some(head) = self.heads.get(&term) else { continue };
            if self.is_on_chain(&facts.id, head) {
                continue;
            }
            if self.committable(&facts) {
                return Err(format!("invariant 2: committed {} is not below head {head}", facts.id));
            }
            if !self.is_excused(&facts, head) {
                return Err(format!("invariants 2, 3: certified {} lost to head {head} without evidence", facts.id));
            }
            self.seen.lost_with_evidence += 1;
        }
        Ok(())
    }

    /// Whether two blocks of the lost block's sequencer at the height where the chains part are there to slash it.
    pub(super) fn is_excused(&self, lost: &BlockFacts, head: &BlockId) -> bool {
        let mut low = *lost;
        while let Some(parent) = self.blocks.get(&low.parent).filter(|p| p.facts.term == lost.term) {
            if self.is_on_chain(&parent.facts.id, head) {
                break;
            }
            low = parent.facts;
        }
        let term = &self.terms[&lost.term];
        let low = self.blocks[&low.id.hash];
        let evidence = self
            .blocks
            .values()
            .filter(|b| self.is_on_chain(&b.facts.id, head))
            .find_map(|b| Evidence::between_blocks(&low, b, term));
        let convicted = evidence.and_then(|e| e.verify(term).ok());
        convicted == Some(self.keys[self.byzantine].address())
    }

    /// What certificates show to be committed, with a Byzantine ack that names the highest thing it can, is committed.
    pub(super) fn judge_shown_commits(&self, term: u64) -> Verdict {
        let (term, head) = (&self.terms[&term], &self.heads[&term]);
        for block in self.blocks_of(term.number).iter().filter(|b| self.certifiable(&b.facts)) {
            let lie = self.byzantine_ack(&block.facts, Some(block.facts.id));
            let acks: Vec<Ack> = self.honest_acks(&block.facts).chain([lie]).collect();
            let Some(number) = certificate_of(&block.facts, &acks).committed_number(&term.set) else { continue };
            let mut at = block.facts.id;
            while at.number > number {
                at = BlockId { number: at.number - 1, hash: self.blocks[&at.hash].facts.parent };
            }
            if !self.is_on_chain(&at, head) {
                return Err(format!("invariant 2: {at}, shown to be committed, is not below head {head}"));
            }
        }
        Ok(())
    }
}
