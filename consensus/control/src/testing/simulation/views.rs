//! A fresh world, and what can be shown in it: certificates and commits.

use super::super::{Rng, ack, certificate_of, domain, keys_of};
use super::{Counts, Fault, Node, World};
use crate::state::ControlState;
use crate::statement::{Ack, BlockFacts, BlockId, Certificate, Commit, SignedBlock};
use crate::term::Term;
use crate::voter::Voter;
use alloy_primitives::Address;
use std::collections::BTreeMap;

impl World {
    pub(super) fn new(seed: u64, fault: Fault, opened: &ControlState) -> Self {
        let mut rng = Rng::new(seed);
        let term = opened.open_term().unwrap().clone();
        let keys = keys_of(&term.set);
        // Half the runs: the Byzantine validator leads the first slot.
        let byzantine = if rng.chance(50) { term.schedule.leader(1).unwrap() } else { rng.below(4) };
        let calm = rng.chance(40);
        let nodes = (0..4)
            .filter(|at| *at != byzantine)
            .map(|key| {
                let mut voter = Voter::new(domain(), keys_of(&term.set).remove(key), 0);
                voter.open_term(term.clone());
                Node { key, control: 0, voter, disk: vec![], unsynced: vec![], unsent: vec![], sealed: None }
            })
            .collect();
        Self {
            rng,
            fault,
            keys,
            byzantine,
            calm,
            silent: false,
            control: vec![opened.clone()],
            terms: BTreeMap::from([(1, term)]),
            heads: BTreeMap::new(),
            blocks: BTreeMap::new(),
            nodes,
            acks: BTreeMap::new(),
            holding: BTreeMap::new(),
            votes: BTreeMap::new(),
            seen: Counts::default(),
        }
    }

    pub(super) fn open(&self) -> &Term {
        self.control.last().unwrap().open_term().unwrap()
    }

    pub(super) fn is_on_chain(&self, low: &BlockId, high: &BlockId) -> bool {
        let mut at = *high;
        while at.number > low.number {
            at = BlockId { number: at.number - 1, hash: self.blocks[&at.hash].facts.parent };
        }
        at == *low
    }

    pub(super) fn blocks_of(&self, term: u64) -> Vec<SignedBlock> {
        self.blocks.values().filter(|b| b.facts.term == term).copied().collect()
    }

    pub(super) fn honest_acks(&self, block: &BlockFacts) -> impl Iterator<Item = Ack> {
        let hash = block.id.hash;
        self.acks.range((hash, Address::ZERO)..).take_while(move |((of, _), _)| *of == hash).map(|(_, ack)| *ack)
    }

    /// The Byzantine validator's ack of a block.
    pub(super) fn byzantine_ack(&self, block: &BlockFacts, named: Option<BlockId>) -> Ack {
        ack(&self.terms[&block.term], block, named, &self.keys[self.byzantine])
    }

    /// Whether a certificate can be shown if the Byzantine validator wants it: what the invariants are judged by.
    pub(super) fn certifiable(&self, block: &BlockFacts) -> bool {
        self.terms[&block.term].set.is_quorum(self.honest_acks(block).count() as u64 + 1)
    }

    /// The certificate that is shown, if one is.
    pub(super) fn certificate(&self, block: &BlockFacts) -> Option<Certificate> {
        let mut acks: Vec<Ack> = self.honest_acks(block).collect();
        if !self.silent {
            acks.push(self.byzantine_ack(block, None));
        }
        self.terms[&block.term].set.is_quorum(acks.len() as u64).then(|| certificate_of(block, &acks))
    }

    /// Honest validators known to hold a certificate for a block or one above it.
    pub(super) fn holders(&self, block: &BlockFacts) -> Vec<Ack> {
        let of_term =
            self.holding.range((block.term, Address::ZERO)..).take_while(|((term, _), _)| *term == block.term);
        of_term.filter(|(_, ack)| ack.holds(&block.id)).map(|(_, ack)| *ack).collect()
    }

    pub(super) fn committable(&self, block: &BlockFacts) -> bool {
        self.certifiable(block) && self.terms[&block.term].set.is_quorum(self.holders(block).len() as u64 + 1)
    }

    /// The commit that is shown, if one is.
    pub(super) fn commit(&self, block: &BlockFacts) -> Option<Commit> {
        let mut acks = self.holders(block);
        if !self.silent {
            acks.push(self.byzantine_ack(block, Some(block.id)));
        }
        acks.sort_by_key(|a| a.validator);
        let certificate = self.certificate(block)?;
        self.terms[&block.term].set.is_quorum(acks.len() as u64).then_some(Commit { certificate, acks })
    }
}
