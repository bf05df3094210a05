//! What can be shown of the blocks in a world: certificates and commits, by the real tally, and evidence.

use super::super::{ack, certificate_of};
use super::fault::Fault;
use super::mind::MindId;
use super::tree::{Mask, each};
use super::{Search, Violation};
use crate::evidence::Evidence;
use crate::statement::{Ack, Certificate, Commit};
use crate::tally::{Tallied, Tally};

/// Ways to make a certificate with the Byzantine validator: honest validators who ack.
pub(super) const WAYS: usize = 4;
const WAY: [Mask; WAYS] = [0b011, 0b101, 0b110, 0b111];
const ONE_OF: [usize; 8] = [0, 0, 0, 0, 0, 1, 2, 3];

impl Search {
    /// Whether a certificate of a block can be shown where these of the three honest validators acked it: the Byzantine
    /// validator acks everything. The first one that the real tally makes of it is the one that is handed out.
    pub(super) fn is_certified(&mut self, at: usize, acked: Mask, minds: &[MindId; 3]) -> Result<bool, Violation> {
        if let Some(known) = self.certifiable[at][acked as usize] {
            return Ok(known);
        }
        let facts = *self.tree.facts(at);
        let mut tally = Tally::new(self.term.clone());
        let lie = ack(&self.term, &facts, None, &self.keys[self.byzantine]);
        let honest = each(acked).map(|n| {
            let acks = &self.minds[minds[n] as usize].acks;
            *acks.iter().find(|ack| ack.block == facts.id).expect("its key says that it acked")
        });
        let mut made = None;
        let honest: Vec<Ack> = honest.collect();
        for ack in [lie].iter().chain(&honest) {
            let done = tally.add(ack).map_err(|junk| format!("an ack does not count: {junk}"))?;
            made = made.or(done.into_iter().find_map(|done| match done {
                Tallied::Certificate(certificate) => Some(certificate),
                _ => None,
            }));
        }
        self.certifiable[at][acked as usize] = Some(made.is_some());
        let Some(certificate) = made else { return Ok(false) };
        certificate.verify(&self.term.set, &self.term.domain).map_err(|e| format!("the tally's certificate: {e}"))?;
        let ways = &mut self.certificates[at];
        if self.exact {
            // Another one, by all there are.
            let whole: Vec<Ack> = honest.into_iter().chain([lie]).collect();
            ways[ONE_OF[acked as usize]] = Some(certificate_of(&facts, &whole));
        } else if ways[0].is_none() {
            ways[0] = Some(certificate);
        }
        Ok(true)
    }

    /// The certificates of a block that can be handed out in a world: one, but for an exact search.
    pub(super) fn ways(&self, at: usize, minds: &[MindId; 3]) -> Vec<usize> {
        if !self.exact {
            return vec![0];
        }
        let acked = self.ackers(at, minds);
        (0..WAYS).filter(|way| WAY[*way] & !acked == 0 && self.certificates[at][*way].is_some()).collect()
    }

    /// The first certificate of a block that was made.
    pub(super) fn certificate(&self, at: usize) -> Option<Certificate> {
        self.certificates[at].iter().flatten().next().cloned()
    }

    /// Which of the honest validators acked a block.
    pub(super) fn ackers(&self, at: usize, minds: &[MindId; 3]) -> Mask {
        let acked = |n: usize| (self.minds[minds[n] as usize].key.acked >> at & 1) << n;
        acked(0) | acked(1) | acked(2)
    }

    /// Whether a commit of a certified block can be shown: the Byzantine validator names whatever helps.
    pub(super) fn is_committed(&mut self, at: usize, minds: &[MindId; 3]) -> Result<bool, Violation> {
        if self.fault == Fault::CommitOnOneRound {
            return Ok(true);
        }
        let named = minds.map(|id| self.minds[id as usize].key.named);
        if let Some(known) = self.committable.get(&(at as u8, named)) {
            return Ok(*known);
        }
        let facts = *self.tree.facts(at);
        let mut acks = vec![ack(&self.term, &facts, Some(facts.id), &self.keys[self.byzantine])];
        for id in minds {
            let said = &self.minds[*id as usize].acks;
            acks.extend(said.iter().rev().find(|ack| ack.holds(&facts.id)));
        }
        acks.sort_by_key(|ack| ack.validator);
        let certificate = self.certificate(at).ok_or("only what is certified can be committed")?;
        let commit = Commit { certificate, acks };
        let counts = commit.verify(&self.term.set, &self.term.domain).is_ok();
        if counts && self.commits[at].is_none() {
            self.commits[at] = Some(commit);
        }
        self.committable.insert((at as u8, named), counts);
        Ok(counts)
    }

    /// Whether two blocks at the height where the chains of a lost block and of the head part convict the sequencer of
    /// the lost block.
    pub(super) fn is_excused(&mut self, lost: usize, head: usize) -> bool {
        if let Some(known) = self.excused.get(&(lost, head)) {
            return *known;
        }
        let parted = self.tree.chain[lost] & !self.tree.chain[head];
        let low = parted.trailing_zeros() as usize;
        let twin = each(self.tree.chain[head] & !1).find(|at| self.tree.number(*at) == self.tree.number(low));
        let (slot, low) = (self.tree.facts(lost).slot, self.tree.nodes[low].block);
        let evidence = twin.and_then(|at| Evidence::between_blocks(&low, &self.tree.nodes[at].block, &self.term));
        let convicted = evidence.and_then(|evidence| evidence.verify(&self.term).ok());
        let sequencer = self.term.sequencer_of(slot).map(|v| v.signer);
        let excused = convicted == sequencer && convicted == Some(self.keys[self.byzantine].address());
        self.excused.insert((lost, head), excused);
        excused
    }

    /// The blocks at the height of a block.
    pub(super) fn level(&self, at: usize) -> Mask {
        self.levels[(self.tree.number(at) - self.term.parent.id.number) as usize]
    }
}
