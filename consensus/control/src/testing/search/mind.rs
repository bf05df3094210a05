//! Honest validators: the real [`Voter`] after every history that matters, and what it makes of every event.
//!
//! A voter is a function of its state and of what it is handed, so what it did once it does again: each pair of mind and
//! event is asked of the real voter once and remembered. Two histories are one mind if their [`Key`]s are equal. The key
//! leaves out who acked the certificates that the voter keeps, and which certificates its older acks named: the code does
//! not look at them, and `merging_minds_loses_nothing` shows it.

use alloy_primitives::{B256, keccak256};

use super::super::ack;
use super::fault::Fault;
use super::shown::WAYS;
use super::tree::{Mask, each};
use super::{Search, Violation};
use crate::evidence::Evidence;
use crate::record::Record;
use crate::statement::{Ack, BlockId, Certificate, CloseVote, SignedBlock};
use crate::voter::{Refused, Voter};

/// Index of a [`Mind`].
pub(super) type MindId = u32;

/// Something that can happen to one honest validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A block arrives; with a certificate of the block below, if `carried` says which.
    Block { at: usize, carried: Option<usize> },
    /// A certificate of a block arrives.
    Certificate { at: usize, which: usize },
    /// A commit arrives.
    Commit(usize),
    /// A block of the term before arrives, and its certificate.
    Stale(usize),
    /// It seals this block, beginning the slot if it must.
    Seal(usize),
    /// It votes to close.
    Close,
    /// It crashes and starts again from what it stored.
    Restart,
}

impl Event {
    /// A number for each event below [`EVENTS`].
    pub(super) fn index(self) -> usize {
        let (kind, at) = match self {
            Self::Block { at, carried: None } => (0, at),
            Self::Block { at, carried: Some(which) } => (1 + which, at),
            Self::Certificate { at, which } => (1 + WAYS + which, at),
            Self::Commit(at) => (1 + 2 * WAYS, at),
            Self::Stale(at) => (2 + 2 * WAYS, at),
            Self::Seal(at) => (3 + 2 * WAYS, at),
            Self::Close => (4 + 2 * WAYS, 0),
            Self::Restart => (4 + 2 * WAYS, 1),
        };
        kind << 5 | at
    }
}

const EVENTS: usize = (5 + 2 * WAYS) << 5;
/// What an event leads to has not been asked yet.
const UNKNOWN: MindId = MindId::MAX;

/// What tells minds apart: everything said, and everything that decides what may be said next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// Place in the set.
    pub(super) member: u8,
    /// Blocks acked.
    pub(super) acked: Mask,
    /// Blocks sealed.
    pub(super) sealed: Mask,
    /// Block of the highest certificate named in an ack that was sent.
    pub(super) named: u8,
    /// The close vote sent.
    pub(super) vote: Option<u16>,
    /// What the voter itself knows: tip, certificate, close vote, commit, and what it began before a restart.
    tip: u8,
    certificate: u8,
    closed: bool,
    committed: u64,
    begun: (Option<u64>, Option<u64>),
    /// Hash of all it keeps, when nothing is to be merged.
    exact: B256,
}

/// One honest validator after a history.
#[derive(Clone)]
pub(super) struct Mind {
    pub(super) voter: Voter,
    /// What it stored, all its life.
    pub(super) records: Vec<Record>,
    /// The acks it sent in this term.
    pub(super) acks: Vec<Ack>,
    /// The slot that it began since its last restart.
    begun: Option<u64>,
    pub(super) key: Key,
    next: Vec<MindId>,
}

impl Key {
    /// The key of a merged mind: without what only an exact search tells apart.
    pub(super) fn merged(&self, search: &Search) -> Self {
        let vote = self.vote.map(|vote| search.votes.content(vote));
        Self { vote, committed: 0, exact: B256::ZERO, ..self.clone() }
    }
}

impl Search {
    /// A validator that has said nothing in the term yet.
    pub(super) fn newcomer(&mut self, member: usize, mut voter: Voter, records: Vec<Record>) -> MindId {
        voter.open_term(self.term.clone());
        let key = Key {
            member: member as u8,
            acked: 0,
            sealed: 0,
            named: 0,
            vote: None,
            tip: 0,
            certificate: 0,
            closed: false,
            committed: 0,
            begun: (None, None),
            exact: B256::ZERO,
        };
        self.intern(Mind { voter, records, acks: vec![], begun: None, key, next: vec![] })
    }

    /// The mind that `event` leads to.
    pub(super) fn after(&mut self, id: MindId, event: Event) -> Result<MindId, Violation> {
        let known = self.minds[id as usize].next[event.index()];
        if known != UNKNOWN {
            return Ok(known);
        }
        let mut mind = self.minds[id as usize].clone();
        let next = if self.happens(&mut mind, event)? { self.intern(mind) } else { id };
        self.minds[id as usize].next[event.index()] = next;
        Ok(next)
    }

    fn intern(&mut self, mut mind: Mind) -> MindId {
        let place = |id: Option<BlockId>| id.and_then(|id| self.tree.find(&id.hash)).unwrap_or(0) as u8;
        let voter = &mind.voter;
        mind.key.tip = place(voter.tip().map(|tip| tip.id));
        mind.key.certificate = place(voter.certificate().map(|c| c.block));
        mind.key.closed = voter.close_vote().is_some();
        mind.key.committed = voter.committed_number();
        mind.key.begun = (mind.begun, voter.begun_before_restart());
        if self.exact {
            mind.key.exact = keccak256(borsh::to_vec(&(voter.compacted(), &mind.acks)).unwrap());
        }
        if let Some(known) = self.known.get(&mind.key) {
            return *known;
        }
        let id = self.minds.len() as MindId;
        self.known.insert(mind.key.clone(), id);
        mind.next = vec![UNKNOWN; EVENTS];
        self.minds.push(mind);
        id
    }

    /// Lets the real voter do what the event asks; whether anything came of it.
    fn happens(&mut self, mind: &mut Mind, event: Event) -> Result<bool, Violation> {
        match event {
            Event::Block { at, carried } => self.takes_block(mind, at, carried),
            Event::Certificate { at, which } => {
                let certificate = self.certificates[at][which].clone().expect("made when it could first be");
                match mind.voter.hold_certificate(&certificate) {
                    Ok(Some(voted)) => self.said(mind, voted.record, voted.statement),
                    _ => Ok(false),
                }
            }
            Event::Commit(at) => {
                let commit = self.commits[at].clone().expect("made when it could first be");
                let before = mind.voter.committed_number();
                match mind.voter.hold_commit(&commit).map_err(|e| format!("a commit does not count: {e}"))? {
                    Some(voted) => self.said(mind, voted.record, voted.statement),
                    None => Ok(mind.voter.committed_number() > before),
                }
            }
            Event::Stale(at) => {
                let (block, certificate) = &self.stale[at];
                let said = mind.voter.hold_certificate(certificate).is_ok();
                if said || mind.voter.ack(block, Some(certificate)).is_ok() {
                    return Err("something of an earlier term was taken in".into());
                }
                Ok(false)
            }
            Event::Seal(at) => self.seals(mind, at),
            Event::Close => self.closes(mind),
            Event::Restart => self.restarts(mind),
        }
    }

    fn takes_block(&mut self, mind: &mut Mind, at: usize, carried: Option<usize>) -> Result<bool, Violation> {
        let node = &self.tree.nodes[at];
        let block = node.block;
        let carried = carried.and_then(|which| self.certificates[node.parent][which].clone());
        match mind.voter.ack(&block, carried.as_ref()) {
            Ok(voted) => self.said(mind, voted.record, Some(voted.statement)),
            Err(refused) => {
                let later = mind.voter.tip().is_some_and(|tip| block.facts.slot > tip.slot);
                if !self.fault.overrules(&refused, later) {
                    return Ok(false);
                }
                self.acks_regardless(mind, &block, carried.as_ref(), &refused)
            }
        }
    }

    /// The planted fault: an ack that the voter refuses. The voter is made to forget that it voted to close, or, where
    /// that is not it, the ack is signed behind its back.
    fn acks_regardless(
        &mut self,
        mind: &mut Mind,
        block: &SignedBlock,
        carried: Option<&Certificate>,
        refused: &Refused,
    ) -> Result<bool, Violation> {
        mind.records.retain(|record| !matches!(record, Record::Close(_)));
        if matches!(refused, Refused::VotedToClose { .. }) {
            mind.voter = self.restored(mind.key.member, mind.records.clone())?;
            let Ok(voted) = mind.voter.ack(block, carried) else { return Ok(false) };
            return self.said(mind, voted.record, Some(voted.statement));
        }
        let certified = mind.voter.certificate().map(|c| c.block);
        let ack = ack(&self.term, &block.facts, certified, &self.keys[usize::from(mind.key.member)]);
        self.said(mind, Record::Ack { block: *block, adopted: None, ack }, Some(ack))?;
        match self.restored(mind.key.member, mind.records.clone()) {
            Ok(voter) => mind.voter = voter,
            Err(_) => return Ok(false),
        }
        Ok(true)
    }

    /// The validator that these records restore, in the open term.
    pub(super) fn restored(&self, member: u8, records: Vec<Record>) -> Result<Voter, Violation> {
        let restored = Voter::restore(self.term.domain, self.keys[usize::from(member)].clone(), 0, records);
        let mut voter = restored.map_err(|e| format!("its own log does not restore a validator: {e}"))?;
        voter.open_term(self.term.clone());
        Ok(voter)
    }

    fn seals(&mut self, mind: &mut Mind, at: usize) -> Result<bool, Violation> {
        let block = self.tree.nodes[at].block;
        let slot = block.facts.slot;
        match mind.voter.begin_slot(slot) {
            // The planted fault cannot tell the voter that it has begun, so it seals one block of the slot only.
            Err(refused) if self.fault.overrules(&refused, true) => {
                let parent = self.tree.facts(self.tree.nodes[at].parent).id;
                let first = each(mind.key.sealed).all(|at| self.tree.facts(at).slot != slot);
                mind.key.sealed |= 1 << at;
                return Ok(first && mind.voter.tip().map(|tip| tip.id) == Some(parent));
            }
            _ if self.fault == Fault::NoHandoverCertificate && mind.key.sealed != 0 => return Ok(false),
            Ok(record) => {
                mind.records.push(record);
                mind.begun = Some(slot);
            }
            Err(_) => {}
        }
        let Ok(sealed) = mind.voter.seal(block.facts) else { return Ok(false) };
        if sealed != block {
            return Err(format!("{:?} is not what {} sealed", block, mind.key.member));
        }
        for other in each(mind.key.sealed) {
            let pair = Evidence::between_blocks(&self.tree.nodes[other].block, &sealed, &self.term);
            self.never_convicts(pair)?;
        }
        mind.key.sealed |= 1 << at;
        Ok(true)
    }

    fn closes(&mut self, mind: &mut Mind) -> Result<bool, Violation> {
        if mind.key.closed {
            return Ok(false);
        }
        let Ok(voted) = mind.voter.close() else { return Ok(false) };
        let mut vote = voted.statement;
        if self.fault == Fault::NothingListed {
            vote.acked.clear();
            vote = vote.signed(&self.term.domain, &self.keys[usize::from(mind.key.member)]);
        }
        if let Some(sent) = mind.key.vote {
            let (first, second) = (Box::new(self.votes.get(sent).clone()), Box::new(vote.clone()));
            self.never_convicts(Some(Evidence::DoubleClose { first, second }))?;
        }
        for ack in &mind.acks {
            self.fits_vote(ack, &vote)?;
        }
        mind.records.push(voted.record);
        mind.key.vote = Some(self.vote_id(vote, mind.key.acked));
        Ok(true)
    }

    fn restarts(&mut self, mind: &mut Mind) -> Result<bool, Violation> {
        let before = std::mem::take(&mut mind.records);
        let survives = |mut record: Record| self.fault.survives(&mut record).then_some(record);
        mind.records = before.into_iter().filter_map(survives).collect();
        let voter = self.restored(mind.key.member, mind.records.clone())?;
        if self.fault == Fault::None {
            let cut = self.restored(mind.key.member, mind.voter.compacted())?;
            let what = |v: &Voter| (v.tip(), v.last_ack(), v.certificate().cloned(), v.close_vote().cloned());
            if what(&cut) != what(&voter) || what(&cut) != what(&mind.voter) {
                return Err("a restart forgot something".into());
            }
        }
        mind.voter = voter;
        mind.begun = None;
        Ok(true)
    }

    /// A record is stored, and the ack that came with it leaves.
    fn said(&mut self, mind: &mut Mind, record: Record, ack: Option<Ack>) -> Result<bool, Violation> {
        mind.records.push(record);
        let Some(ack) = ack else { return Ok(true) };
        for other in &mind.acks {
            let (first, second) = (Box::new(*other), Box::new(ack));
            self.never_convicts(Some(Evidence::DoubleAck { first, second }))?;
        }
        if let Some(vote) = mind.key.vote {
            self.fits_vote(&ack, self.votes.get(vote))?;
        }
        let at = self.tree.find(&ack.block.hash).expect("acked blocks are of the tree");
        mind.key.acked |= 1 << at;
        let named = ack.certificate.and_then(|c| self.tree.find(&c.hash)).unwrap_or(0);
        if self.tree.number(named) > self.tree.number(usize::from(mind.key.named)) {
            mind.key.named = named as u8;
        }
        mind.acks.push(ack);
        Ok(true)
    }

    /// An ack and a close vote of one honest validator do not convict it.
    fn fits_vote(&self, ack: &Ack, vote: &CloseVote) -> Result<(), Violation> {
        let (ack, vote) = (Box::new(*ack), Box::new(vote.clone()));
        self.never_convicts(Some(Evidence::AckAndClose { ack, vote }))
    }

    /// Invariant 8.
    fn never_convicts(&self, pair: Option<Evidence>) -> Result<(), Violation> {
        match pair.filter(|_| !self.blind).map(|pair| (pair.verify(&self.term), pair)) {
            Some((Ok(convicted), pair)) => Err(format!("invariant 8: {convicted} is honest and convicted by {pair:?}")),
            _ => Ok(()),
        }
    }
}
