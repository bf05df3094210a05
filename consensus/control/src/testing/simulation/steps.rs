//! What happens in a world: one random thing at a time.

use super::super::{child, close_vote, domain, key, readiness};
use super::{Fault, SLOT_BLOCKS, Verdict, WINDOW, World};
use crate::command::{CloseTerm, Command};
use crate::evidence::Evidence;
use crate::head::base_of;
use crate::record::Record;
use crate::statement::{BlockFacts, CloseVote, SignedBlock};
use crate::term::Term;
use crate::voter::Voter;

impl World {
    pub(super) fn step(&mut self) -> Verdict {
        let at = self.rng.below(self.nodes.len());
        match self.rng.below(100) {
            0..14 => self.seal_honestly(at),
            14..22 => self.seal_byzantine(),
            22..52 => self.deliver_block(at),
            52..62 => self.deliver_certificate(at),
            62..66 => self.deliver_commit(at),
            66..90 => return self.sync(at),
            90..92 => self.vote_to_close(at),
            92..94 => return self.crash(at),
            94..97 => self.catch_up(at),
            97 => self.decide_readiness(at),
            _ => return self.decide_close(),
        }
        Ok(())
    }

    pub(super) fn seal_honestly(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let Some(term) = node.voter.term().cloned() else { return };
        let tip = node.voter.tip().unwrap_or(term.parent);
        let slot = term.child_slot(&tip);
        if let Ok(record) = node.voter.begin_slot(slot) {
            node.unsynced.push((record, None, None));
        }
        let ours = node.sealed.filter(|b| (b.term, b.slot) == (term.number, slot));
        let parent = ours.unwrap_or(tip);
        if term.child_slot(&parent) != slot {
            return;
        }
        let in_slot = self.blocks.values().filter(|b| (b.facts.term, b.facts.slot) == (term.number, slot)).count();
        let facts = child(&term, &parent, in_slot + 1 >= SLOT_BLOCKS, 1_000 + self.rng.next() % 3);
        let applied = self.control[node.control].height();
        let facts = BlockFacts { control_height: facts.control_height.max(applied), ..facts };
        if let Ok(block) = node.voter.seal(facts) {
            node.sealed = Some(facts);
            node.unsent.push(block);
        }
    }

    pub(super) fn seal_byzantine(&mut self) {
        let term = self.open().clone();
        let mut parents: Vec<BlockFacts> = self.blocks_of(term.number).iter().map(|b| b.facts).collect();
        parents.push(term.parent);
        parents.retain(|p| {
            let ours = term.schedule.leader(term.child_slot(p)) == Some(self.byzantine);
            let children = self.blocks.values().filter(|b| b.facts.parent == p.id.hash && b.facts.term == term.number);
            ours && children.count() < if self.calm { 1 } else { 2 }
        });
        let Some(parent) = self.rng.pick(&parents).copied() else { return };
        let facts = child(&term, &parent, self.rng.chance(40), self.rng.next());
        // Any height that is not below the parent's; nobody executes a block that names one above the decided ones.
        let newest = self.control.last().unwrap().height();
        let control_height = facts.control_height + self.rng.next() % (newest + 1 - facts.control_height);
        let facts = BlockFacts { control_height, ..facts };
        let block = SignedBlock::sign(facts, &term.domain, 0, &self.keys[self.byzantine]);
        self.blocks.insert(block.facts.id.hash, block);
    }

    pub(super) fn deliver_block(&mut self, at: usize) {
        let Some(term) = self.nodes[at].voter.term().cloned() else { return };
        let tip = self.nodes[at].voter.tip().unwrap_or(term.parent);
        let mut next = self.blocks_of(term.number);
        if self.rng.chance(90) {
            next.retain(|b| b.facts.parent == tip.id.hash);
        }
        if let Some(block) = self.rng.pick(&next).copied() {
            self.hand_block(at, &block);
        }
    }

    /// Somebody asks to be passed over, or says that it is ready again.
    pub(super) fn decide_readiness(&mut self, at: usize) {
        let who = if self.rng.chance(50) { self.nodes[at].key } else { self.byzantine };
        let state = self.control.last().unwrap();
        let (term, height) = (self.open(), state.height());
        let key = &self.keys[who];
        let ready = !state.roll_call().of(&key.address()).is_some_and(|stated| stated.ready);
        let said = readiness(term, term.first_slot, height, ready, key);
        let mut next = state.clone();
        let block = next.next_block(vec![Command::Readiness(said)]);
        next.apply(&block).expect("a new word on readiness counts");
        let open = next.open_term().unwrap().clone();
        self.seen.skips += usize::from(open.skips.decisions().len() > 1);
        self.terms.insert(open.number, open);
        self.control.push(next);
    }

    pub(super) fn hand_block(&mut self, at: usize, block: &SignedBlock) {
        let parent = self.blocks.get(&block.facts.parent).copied();
        let carried = parent.filter(|p| p.facts.term == block.facts.term && p.facts.ends_slot);
        let carried = carried.and_then(|p| self.certificate(&p.facts));
        let node = &mut self.nodes[at];
        // A block is executed once the control height it names has been applied.
        if block.facts.control_height > self.control[node.control].height() {
            return;
        }
        if let Ok(voted) = node.voter.ack(block, carried.as_ref()) {
            self.seen.handovers += usize::from(carried.is_some());
            node.unsynced.push((voted.record, Some(voted.statement), None));
        }
    }

    pub(super) fn deliver_certificate(&mut self, at: usize) {
        let Some(term) = self.nodes[at].voter.term().map(|t| t.number) else { return };
        let mut certified = self.blocks_of(term);
        certified.retain(|b| self.certifiable(&b.facts));
        if let Some(block) = self.rng.pick(&certified).copied() {
            self.hand_certificate(at, &block.facts);
        }
    }

    pub(super) fn hand_certificate(&mut self, at: usize, block: &BlockFacts) {
        let Some(certificate) = self.certificate(block) else { return };
        let node = &mut self.nodes[at];
        if let Ok(Some(voted)) = node.voter.hold_certificate(&certificate) {
            node.unsynced.push((voted.record, voted.statement, None));
        }
    }

    pub(super) fn deliver_commit(&mut self, at: usize) {
        let Some(term) = self.nodes[at].voter.term().map(|t| t.number) else { return };
        let mut committed = self.blocks_of(term);
        committed.retain(|b| self.committable(&b.facts));
        if let Some(block) = self.rng.pick(&committed).copied() {
            self.hand_commit(at, &block.facts);
        }
    }

    pub(super) fn hand_commit(&mut self, at: usize, block: &BlockFacts) {
        let Some(commit) = self.commit(block) else { return };
        let node = &mut self.nodes[at];
        if let Some(voted) = node.voter.hold_commit(&commit).expect("a commit counts") {
            node.unsynced.push((voted.record, voted.statement, None));
        }
    }

    pub(super) fn vote_to_close(&mut self, at: usize) {
        if self.fault == Fault::NeverCloses {
            return;
        }
        let node = &mut self.nodes[at];
        if let Ok(voted) = node.voter.close() {
            node.unsynced.push((voted.record, None, Some(voted.statement)));
        }
    }

    /// Stores what waits, then sends it.
    pub(super) fn sync(&mut self, at: usize) -> Verdict {
        let node = &mut self.nodes[at];
        let sent = std::mem::take(&mut node.unsynced);
        node.disk.extend(sent.iter().map(|(record, ..)| record.clone()));
        for block in std::mem::take(&mut self.nodes[at].unsent) {
            let twin =
                self.blocks.values().find_map(|b| Evidence::between_blocks(b, &block, &self.terms[&block.facts.term]));
            if twin.is_some() && self.blocks.get(&block.facts.id.hash) != Some(&block) {
                return Err(format!("invariant 8: an honest sequencer signed two blocks at {}", block.facts.id.number));
            }
            self.blocks.insert(block.facts.id.hash, block);
        }
        for (_, ack, vote) in sent {
            if let Some(ack) = ack {
                self.send(ack)?;
            }
            if let Some(vote) = vote {
                let key = (vote.term, vote.validator);
                if self.votes.get(&key).is_some_and(|v| *v != vote) {
                    return Err("invariant 8: two close votes".into());
                }
                let said = self.acks.values().chain(self.holding.values());
                if said.into_iter().any(|ack| Evidence::between_ack_and_close(ack, &vote).is_some()) {
                    return Err("invariant 8: a close vote against an ack".into());
                }
                self.votes.insert(key, vote);
            }
        }
        Ok(())
    }

    /// A crash and a restart: what was not stored is lost, and whatever the planted fault loses.
    pub(super) fn crash(&mut self, at: usize) -> Verdict {
        self.seen.crashes += 1;
        let unsynced = std::mem::take(&mut self.nodes[at].unsynced);
        if self.fault == Fault::SentBeforeStored {
            let sent = unsynced.into_iter().filter_map(|(_, ack, _)| ack);
            for ack in sent.filter(|a| self.blocks.contains_key(&a.block.hash)).collect::<Vec<_>>() {
                self.send(ack)?;
            }
        }
        let fault = self.fault;
        let node = &mut self.nodes[at];
        node.unsent.clear();
        node.sealed = None;
        node.disk.retain(|record| match record {
            Record::Close(_) => fault != Fault::CloseVoteForgotten,
            Record::SlotBegun { .. } => fault != Fault::NoBegunNote,
            Record::Certificate { .. } => fault != Fault::CertificateForgotten,
            Record::Ack { .. } => true,
        });
        if fault == Fault::CertificateForgotten {
            for record in &mut node.disk {
                if let Record::Ack { adopted, .. } = record {
                    *adopted = None;
                }
            }
        }
        let address = self.keys[node.key].address();
        let secret = (0..4).map(key).find(|k| k.address() == address).unwrap();
        node.voter = Voter::restore(domain(), secret, 0, node.disk.clone()).expect("its own log restores");
        node.voter.open_term(self.control[node.control].open_term().unwrap().clone());
        if node.voter.begun_before_restart().is_some() && self.rng.chance(50) {
            self.vote_to_close(at);
        }
        Ok(())
    }

    pub(super) fn catch_up(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.control = self.control.len() - 1;
        let open = self.control[node.control].open_term().unwrap();
        node.voter.learn_skips(open);
        node.voter.open_term(open.clone());
    }

    /// A lying vote: any certificate or none, any chain above it.
    pub(super) fn byzantine_vote(&mut self, term: &Term) -> CloseVote {
        let blocks = self.blocks_of(term.number);
        let certified: Vec<SignedBlock> = blocks.iter().filter(|b| self.certifiable(&b.facts)).copied().collect();
        let certificate = match self.rng.pick(&certified).copied() {
            Some(block) if self.rng.chance(30) => self.certificate(&block.facts),
            _ => None,
        };
        let base = certificate.as_ref().map_or(term.parent.id.number, |c| c.block.number);
        let mut acked = Vec::new();
        if let Some(tip) = self.rng.pick(&blocks).copied().filter(|_| self.rng.below(100) < 85) {
            let mut at = Some(tip);
            while let Some(block) = at.filter(|b| b.facts.term == term.number && b.facts.id.number > base) {
                acked.insert(0, block);
                at = self.blocks.get(&block.facts.parent).copied();
            }
            acked.truncate(WINDOW as usize);
        }
        close_vote(term, certificate, acked, &self.keys[self.byzantine])
    }

    pub(super) fn decide_close(&mut self) -> Verdict {
        let term = self.open().clone();
        let mut votes: Vec<CloseVote> = self.votes.values().filter(|v| v.term == term.number).cloned().collect();
        while votes.len() > 2 && self.rng.chance(40) {
            votes.remove(self.rng.below(votes.len()));
        }
        if votes.len() < 3 || self.rng.chance(50) {
            let lie = self.byzantine_vote(&term);
            votes.push(lie);
        }
        self.decide(votes)
    }

    /// Decides the closing of the open term by these votes, if it can be decided.
    pub(super) fn decide(&mut self, mut votes: Vec<CloseVote>) -> Verdict {
        let term = self.open().clone();
        votes.sort_by_key(|v| v.validator);
        let base = base_of(&term, &votes);
        let base = self.blocks.get(&base.hash).map_or(term.parent, |b| b.facts);
        let state = self.control.last().unwrap();
        let commands = vec![Command::CloseTerm(CloseTerm { base, votes })];
        let block = state.next_block(commands);
        let mut next = state.clone();
        if next.apply(&block).is_err() {
            return Ok(());
        }
        let opened = next.open_term().unwrap().clone();
        for block in self.blocks_of(term.number) {
            self.seen.certified += usize::from(self.certifiable(&block.facts));
            self.seen.committed += usize::from(self.committable(&block.facts));
        }
        self.seen.terms += 1;
        self.heads.insert(term.number, opened.parent.id);
        self.terms.insert(opened.number, opened);
        self.control.push(next);
        self.judge(term.number)?;
        self.judge_shown_commits(term.number)
    }
}
