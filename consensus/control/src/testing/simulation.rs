//! Random runs of the slot protocol: four validators on real signatures, one of them Byzantine, who also seals two
//! chains at once, acks everything and lies in close votes; messages in any order, crashes that lose what was not
//! stored, handovers and failovers, all through the real voter, head choice and control state.
//!
//! Judged after every step, over what the world has seen: invariants 1 to 3 and 8 of design section 5. Certificates and
//! commits are reckoned here from the acks alone, with the Byzantine weight always added: the worst that can be shown.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};

use super::control::{open, state};
use super::{PlantedQuorum, Rng, ack, certificate_of, child, close_vote, domain, keys_of};
use crate::command::{CloseTerm, Command, ControlBlock};
use crate::evidence::Evidence;
use crate::head::base_of;
use crate::record::Record;
use crate::sign::SignerKey;
use crate::state::ControlState;
use crate::statement::{Ack, BlockFacts, BlockId, Certificate, CloseVote, Commit, SignedBlock};
use crate::term::Term;
use crate::voter::Voter;

const WINDOW: u64 = 4;
/// Steps of a run.
const STEPS: usize = 300;
const SLOT_BLOCKS: usize = 3;

/// What is wrong with the nodes of a run, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// A quorum is taken to be one validator less.
    QuorumOffByOne,
    /// Acks are sent though they were not stored.
    SentBeforeStored,
    /// The close vote is not among what a restart reads back.
    CloseVoteForgotten,
    /// Certificates are not among what a restart reads back.
    CertificateForgotten,
    /// The note of the begun slot is not among what a restart reads back.
    NoBegunNote,
}

/// One honest validator: its voter, its disk, and what waits for the disk.
struct Node {
    key: usize,
    control: usize,
    voter: Voter,
    disk: Vec<Record>,
    unsynced: Vec<(Record, Option<Ack>, Option<CloseVote>)>,
    unsent: Vec<SignedBlock>,
    /// The block it sealed last, as far as it remembers.
    sealed: Option<BlockFacts>,
}

/// The world as an observer sees it.
struct World {
    rng: Rng,
    fault: Fault,
    keys: Vec<SignerKey>,
    byzantine: usize,
    /// The Byzantine validator seals one chain only.
    calm: bool,
    /// Control state after each decided block; every node has applied a prefix.
    control: Vec<ControlState>,
    terms: BTreeMap<u64, Term>,
    heads: BTreeMap<u64, BlockId>,
    blocks: BTreeMap<B256, SignedBlock>,
    nodes: Vec<Node>,
    /// Honest acks that left.
    acks: BTreeMap<(B256, Address), Ack>,
    /// The honest ack of each validator and term that names the highest certificate.
    holding: BTreeMap<(u64, Address), Ack>,
    votes: BTreeMap<(u64, Address), CloseVote>,
    seen: Counts,
}

#[derive(Default, Debug)]
struct Counts {
    certified: usize,
    committed: usize,
    terms: usize,
    handovers: usize,
    lost_with_evidence: usize,
    crashes: usize,
}

type Verdict = Result<(), String>;

impl World {
    fn new(seed: u64, fault: Fault, opened: &ControlState) -> Self {
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

    fn open(&self) -> &Term {
        self.control.last().unwrap().open_term().unwrap()
    }

    fn is_on_chain(&self, low: &BlockId, high: &BlockId) -> bool {
        let mut at = *high;
        while at.number > low.number {
            at = BlockId { number: at.number - 1, hash: self.blocks[&at.hash].facts.parent };
        }
        at == *low
    }

    fn blocks_of(&self, term: u64) -> Vec<SignedBlock> {
        self.blocks.values().filter(|b| b.facts.term == term).copied().collect()
    }

    /// Honest acks for a block, and one of the Byzantine validator.
    fn acks_for(&self, block: &BlockFacts) -> Vec<Ack> {
        let honest =
            self.acks.range((block.id.hash, Address::ZERO)..).take_while(|((hash, _), _)| *hash == block.id.hash);
        let mut acks: Vec<Ack> = honest.map(|(_, ack)| *ack).collect();
        acks.push(ack(&self.terms[&block.term], block, None, &self.keys[self.byzantine]));
        acks
    }

    /// Whether the world can show a certificate.
    fn certifiable(&self, block: &BlockFacts) -> bool {
        let honest =
            self.acks.range((block.id.hash, Address::ZERO)..).take_while(|((hash, _), _)| *hash == block.id.hash);
        self.terms[&block.term].set.is_quorum(honest.count() as u64 + 1)
    }

    fn certificate(&self, block: &BlockFacts) -> Option<Certificate> {
        self.certifiable(block).then(|| certificate_of(block, &self.acks_for(block)))
    }

    /// Honest validators known to hold a certificate for a block or one above it.
    fn holders(&self, block: &BlockFacts) -> Vec<Ack> {
        let of_term =
            self.holding.range((block.term, Address::ZERO)..).take_while(|((term, _), _)| *term == block.term);
        of_term.filter(|(_, ack)| ack.holds(&block.id)).map(|(_, ack)| *ack).collect()
    }

    fn committable(&self, block: &BlockFacts) -> bool {
        self.certifiable(block) && self.terms[&block.term].set.is_quorum(self.holders(block).len() as u64 + 1)
    }

    fn commit(&self, block: &BlockFacts) -> Option<Commit> {
        if !self.committable(block) {
            return None;
        }
        let mut acks = self.holders(block);
        acks.push(ack(&self.terms[&block.term], block, Some(block.id), &self.keys[self.byzantine]));
        acks.sort_by_key(|a| a.validator);
        Some(Commit { certificate: self.certificate(block)?, acks })
    }

    fn step(&mut self) -> Verdict {
        let at = self.rng.below(self.nodes.len());
        match self.rng.below(100) {
            0..14 => self.seal_honestly(at),
            14..22 => self.seal_byzantine(),
            22..52 => self.deliver_block(at),
            52..62 => self.deliver_certificate(at),
            62..66 => self.deliver_commit(at),
            66..90 => return self.sync(at),
            90..92 => self.vote_to_close(at),
            92..94 => self.crash(at),
            94..97 => self.catch_up(at),
            _ => return self.decide_close(),
        }
        Ok(())
    }

    fn seal_honestly(&mut self, at: usize) {
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
        if let Ok(block) = node.voter.seal(facts) {
            node.sealed = Some(facts);
            node.unsent.push(block);
        }
    }

    fn seal_byzantine(&mut self) {
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
        let block = SignedBlock::sign(facts, &term.domain, 0, &self.keys[self.byzantine]);
        self.blocks.insert(block.facts.id.hash, block);
    }

    fn deliver_block(&mut self, at: usize) {
        let Some(term) = self.nodes[at].voter.term().cloned() else { return };
        let tip = self.nodes[at].voter.tip().unwrap_or(term.parent);
        let mut next = self.blocks_of(term.number);
        if self.rng.chance(90) {
            next.retain(|b| b.facts.parent == tip.id.hash);
        }
        let Some(block) = self.rng.pick(&next).copied() else { return };
        let parent = self.blocks.get(&block.facts.parent).copied();
        let carried = parent.filter(|p| p.facts.term == term.number && p.facts.ends_slot);
        let carried = carried.and_then(|p| self.certificate(&p.facts));
        let node = &mut self.nodes[at];
        if let Ok(voted) = node.voter.ack(&block, carried.as_ref()) {
            self.seen.handovers += usize::from(carried.is_some());
            node.unsynced.push((voted.record, Some(voted.statement), None));
        }
    }

    fn deliver_certificate(&mut self, at: usize) {
        let Some(term) = self.nodes[at].voter.term().map(|t| t.number) else { return };
        let mut certified = self.blocks_of(term);
        certified.retain(|b| self.certifiable(&b.facts));
        let Some(block) = self.rng.pick(&certified) else { return };
        let Some(certificate) = self.certificate(&block.facts) else { return };
        let node = &mut self.nodes[at];
        if let Ok(Some(voted)) = node.voter.hold_certificate(&certificate) {
            node.unsynced.push((voted.record, voted.statement, None));
        }
    }

    fn deliver_commit(&mut self, at: usize) {
        let Some(term) = self.nodes[at].voter.term().map(|t| t.number) else { return };
        let mut committed = self.blocks_of(term);
        committed.retain(|b| self.committable(&b.facts));
        let Some(block) = self.rng.pick(&committed) else { return };
        let Some(commit) = self.commit(&block.facts) else { return };
        let node = &mut self.nodes[at];
        if let Some(voted) = node.voter.hold_commit(&commit).expect("a commit counts") {
            node.unsynced.push((voted.record, voted.statement, None));
        }
    }

    fn vote_to_close(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let Ok(voted) = node.voter.close() {
            node.unsynced.push((voted.record, None, Some(voted.statement)));
        }
    }

    /// Stores what waits, then sends it.
    fn sync(&mut self, at: usize) -> Verdict {
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
                let term = &self.terms[&vote.term];
                if said.into_iter().any(|ack| Evidence::between_ack_and_close(ack, &vote, term).is_some()) {
                    return Err("invariant 8: a close vote against an ack".into());
                }
                self.votes.insert(key, vote);
            }
        }
        Ok(())
    }

    /// An honest ack leaves: what it certifies and commits is judged at once.
    fn send(&mut self, ack: Ack) -> Verdict {
        let block = self.blocks[&ack.block.hash].facts;
        let twice = |b: &SignedBlock| {
            let known = self.acks.get(&(b.facts.id.hash, ack.validator));
            known.is_some_and(|a| a.term == ack.term && a.block.number == ack.block.number && a.block != ack.block)
        };
        if self.blocks.values().any(twice) {
            return Err(format!("invariant 8: two acks at {}", ack.block.number));
        }
        if let Some(vote) = self.votes.get(&(ack.term, ack.validator))
            && Evidence::between_ack_and_close(&ack, vote, &self.terms[&ack.term]).is_some()
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
    fn judge(&mut self, term: u64) -> Verdict {
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
    fn is_excused(&self, lost: &BlockFacts, head: &BlockId) -> bool {
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

    fn crash(&mut self, at: usize) {
        self.seen.crashes += 1;
        let at_key = self.nodes[at].key;
        if self.fault == Fault::SentBeforeStored {
            let sent = self.nodes[at].unsynced.clone();
            let blocks = self.blocks.clone();
            for ack in sent.into_iter().filter_map(|(_, ack, _)| ack).filter(|a| blocks.contains_key(&a.block.hash)) {
                self.acks.insert((ack.block.hash, ack.validator), ack);
            }
        }
        let node = &mut self.nodes[at];
        node.unsynced.clear();
        node.unsent.clear();
        node.sealed = None;
        let fault = self.fault;
        let kept = |record: &Record| match record {
            Record::Close(_) => fault != Fault::CloseVoteForgotten,
            Record::SlotBegun { .. } => fault != Fault::NoBegunNote,
            _ => true,
        };
        let mut disk: Vec<Record> = node.disk.iter().filter(|r| kept(r)).cloned().collect();
        if fault == Fault::CertificateForgotten {
            disk.retain(|r| !matches!(r, Record::Certificate { .. }));
            disk.iter_mut().for_each(|r| {
                if let Record::Ack { adopted, .. } = r {
                    *adopted = None;
                }
            });
        }
        let secret = (0..4).map(super::key).find(|k| k.address() == self.keys[at_key].address()).unwrap();
        node.voter = Voter::restore(domain(), secret, 0, disk.clone()).expect("its own log restores");
        node.disk = disk;
        if let Some(term) = self.control[node.control].open_term() {
            node.voter.open_term(term.clone());
        }
        if node.voter.begun_before_restart().is_some() && self.rng.chance(50) {
            self.vote_to_close(at);
        }
    }

    fn catch_up(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.control = self.control.len() - 1;
        node.voter.open_term(self.control[node.control].open_term().unwrap().clone());
    }

    /// A lying vote: any certificate or none, any chain above it.
    fn byzantine_vote(&mut self, term: &Term) -> CloseVote {
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

    fn decide_close(&mut self) -> Verdict {
        let term = self.open().clone();
        let mut votes: Vec<CloseVote> = self.votes.values().filter(|v| v.term == term.number).cloned().collect();
        while votes.len() > 2 && self.rng.chance(40) {
            votes.remove(self.rng.below(votes.len()));
        }
        if votes.len() < 3 || self.rng.chance(50) {
            let lie = self.byzantine_vote(&term);
            votes.push(lie);
        }
        votes.sort_by_key(|v| v.validator);
        let base = base_of(&term, &votes);
        let base = self.blocks.get(&base.hash).map_or(term.parent, |b| b.facts);
        let state = self.control.last().unwrap();
        let commands = vec![Command::CloseTerm(CloseTerm { base, votes })];
        let block = ControlBlock { height: state.height() + 1, commands };
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

    /// What certificates show to be committed, with a Byzantine ack that names the highest thing it can, is committed.
    fn judge_shown_commits(&self, term: u64) -> Verdict {
        let (term, head) = (&self.terms[&term], &self.heads[&term]);
        for block in self.blocks_of(term.number).iter().filter(|b| self.certifiable(&b.facts)) {
            let mut acks = self.acks_for(&block.facts);
            acks.pop();
            acks.push(ack(term, &block.facts, Some(block.facts.id), &self.keys[self.byzantine]));
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

fn run(seed: u64, fault: Fault, steps: usize, opened: &ControlState) -> (Verdict, Counts) {
    let _planted = (fault == Fault::QuorumOffByOne).then(|| PlantedQuorum::new(1));
    let mut world = World::new(seed, fault, opened);
    for _ in 0..steps {
        if let Err(broken) = world.step() {
            return (Err(broken), world.seen);
        }
    }
    (Ok(()), world.seen)
}

fn opened() -> ControlState {
    let mut state = state(&[1, 1, 1, 1], WINDOW);
    open(&mut state);
    state
}

#[test]
fn invariants_hold_with_one_byzantine_validator() {
    let opened = opened();
    let mut all = Counts::default();
    for seed in 0..150 {
        let (verdict, seen) = run(seed, Fault::None, STEPS, &opened);
        assert_eq!(verdict, Ok(()), "seed {seed}");
        all.certified += seen.certified;
        all.committed += seen.committed;
        all.terms += seen.terms;
        all.handovers += seen.handovers;
        all.lost_with_evidence += seen.lost_with_evidence;
        all.crashes += seen.crashes;
    }
    println!("{all:?}");
    assert!(all.certified > 100 && all.committed > 50 && all.terms > 100, "{all:?}");
    assert!(all.handovers > 20 && all.crashes > 100, "{all:?}");
}

/// The same for as many seeds as `HORAE_SEEDS` said when this was compiled.
#[test]
#[ignore = "minutes to hours: a search, not a check"]
fn invariants_hold_for_many_seeds() {
    let opened = opened();
    let seeds = option_env!("HORAE_SEEDS").map_or(5_000, |seeds| seeds.parse().unwrap());
    for seed in 1_000..1_000 + seeds {
        assert_eq!(run(seed, Fault::None, 2 * STEPS, &opened).0, Ok(()), "seed {seed}");
    }
}

/// Each planted fault must be caught within this many seeds.
fn is_caught(fault: Fault) {
    let opened = opened();
    let caught = (0..200).find_map(|seed| run(seed, fault, STEPS, &opened).0.err().map(|broken| (seed, broken)));
    println!("{fault:?}: {caught:?}");
    assert!(caught.is_some(), "{fault:?} was not caught");
}

#[test]
fn a_quorum_off_by_one_is_caught() {
    is_caught(Fault::QuorumOffByOne);
}

#[test]
fn an_ack_sent_before_it_is_stored_is_caught() {
    is_caught(Fault::SentBeforeStored);
}

#[test]
fn a_forgotten_close_vote_is_caught() {
    is_caught(Fault::CloseVoteForgotten);
}

#[test]
fn a_forgotten_certificate_is_caught() {
    is_caught(Fault::CertificateForgotten);
}

#[test]
fn a_missing_note_of_the_begun_slot_is_caught() {
    is_caught(Fault::NoBegunNote);
}
