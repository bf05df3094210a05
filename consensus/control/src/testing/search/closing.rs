//! Close votes, and every closing that can be decided of those at hand: each is handed to the real control state once.

use std::rc::Rc;

use alloy_primitives::map::HashMap;

use super::super::close_vote;
use super::fault::Fault;
use super::tree::{Mask, each};
use super::{Search, Violation};
use crate::command::{CloseTerm, Command, ControlBlock, Question};
use crate::head::{base_of, pick_head};
use crate::pending::{Added, Pending, PendingCommands};
use crate::state::ControlState;
use crate::statement::{BlockFacts, BlockId, CloseVote};

/// Index of a close vote.
pub(super) type VoteId = u16;
/// Index of an [`Outcome`].
pub(super) type OutcomeId = u16;

/// What a decided closing led to.
pub(super) struct Outcome {
    /// The head, a block of the tree.
    pub(super) head: usize,
    /// The control state, in which the next term is open.
    pub(super) control: ControlState,
}

/// All close votes that were ever made.
#[derive(Default)]
pub(super) struct Votes {
    /// Each with the blocks that its author acked.
    votes: Vec<(CloseVote, Mask)>,
    known: HashMap<crate::sign::Signature, VoteId>,
}

impl Votes {
    pub(super) fn get(&self, id: VoteId) -> &CloseVote {
        &self.votes[usize::from(id)].0
    }

    /// The id of this vote; equal votes have one, as signatures are deterministic.
    pub(super) fn add(&mut self, vote: CloseVote, acked: Mask) -> VoteId {
        let next = VoteId::try_from(self.votes.len()).expect("fewer votes than ids");
        let id = *self.known.entry(vote.signature).or_insert(next);
        if id == next {
            self.votes.push((vote, acked));
        }
        id
    }
}

/// What was found out about closings.
#[derive(Default)]
pub(super) struct Closings {
    pub(super) outcomes: Vec<Outcome>,
    decided: HashMap<Vec<VoteId>, Option<OutcomeId>>,
    lies: HashMap<(Mask, Mask), Rc<[VoteId]>>,
    reachable: HashMap<([Option<VoteId>; 3], Mask, Mask), Rc<[OutcomeId]>>,
    settled: HashMap<[VoteId; 3], ()>,
}

impl Closings {
    pub(super) fn tried(&self) -> usize {
        self.decided.len()
    }
}

impl Search {
    /// Everything that can be decided when these honest close votes are there, these blocks exist and these can be shown
    /// to be certified: any > 2/3 of the votes, with any vote of the Byzantine validator.
    pub(super) fn outcomes(
        &mut self,
        votes: [Option<VoteId>; 3],
        certified: Mask,
        existing: Mask,
    ) -> Result<Rc<[OutcomeId]>, Violation> {
        if let Some(known) = self.closings.reachable.get(&(votes, certified, existing)) {
            return Ok(known.clone());
        }
        let lies = self.lies(certified, existing);
        let mut found = Vec::new();
        for chosen in 0..8u8 {
            let honest: Vec<(usize, VoteId)> =
                (0..3).filter(|n| chosen >> n & 1 == 1).filter_map(|n| Some((self.honest[n], votes[n]?))).collect();
            if honest.len() != chosen.count_ones() as usize || honest.len() < 2 {
                continue;
            }
            for lie in lies.iter().copied().map(Some).chain([None]) {
                let mut all = honest.clone();
                all.extend(lie.map(|lie| (self.byzantine, lie)));
                all.sort_unstable();
                let all: Vec<VoteId> = all.into_iter().map(|(_, vote)| vote).collect();
                found.extend(self.decided(&all)?);
            }
        }
        found.sort_unstable();
        found.dedup();
        let found: Rc<[OutcomeId]> = found.into();
        self.closings.reachable.insert((votes, certified, existing), found.clone());
        Ok(found)
    }

    /// Every close vote that the Byzantine validator can show: any certificate that can be formed or none, and any run of
    /// blocks from the height above it on.
    fn lies(&mut self, certified: Mask, existing: Mask) -> Rc<[VoteId]> {
        if let Some(known) = self.closings.lies.get(&(certified, existing)) {
            return known.clone();
        }
        let of_term = each(certified).map(|at| self.certificates[at].clone().expect("made when it could first be"));
        let shown: Vec<_> = of_term.chain(self.stale.iter().cloned()).map(Some).chain([None]).collect();
        let mut lies = Vec::new();
        for certificate in shown {
            let base = certificate.as_ref().map_or(self.term.parent.id.number, |c| c.block.number);
            for tip in each(existing & !1 | 1) {
                let above = |at: &usize| self.tree.number(*at) > base;
                let run: Vec<usize> = each(self.tree.chain[tip] & !1).filter(above).collect();
                if (run.is_empty() && tip != 0) || run.len() as u64 > self.term.window_blocks {
                    continue;
                }
                let list = run.iter().map(|at| self.tree.nodes[*at].block).collect();
                let vote = close_vote(&self.term, certificate.clone(), list, &self.keys[self.byzantine]);
                lies.push(self.votes.add(vote, run.iter().fold(0, |mask, at| mask | 1 << at)));
            }
        }
        let lies: Rc<[VoteId]> = lies.into();
        self.closings.lies.insert((certified, existing), lies.clone());
        lies
    }

    /// What follows if a control block proposes to close by these votes, in the order of their authors.
    fn decided(&mut self, votes: &[VoteId]) -> Result<Option<OutcomeId>, Violation> {
        if let Some(known) = self.closings.decided.get(votes) {
            return Ok(*known);
        }
        let outcome = match self.head_by_fault(votes)? {
            Some(forced) => forced.and_then(|head| Some((head, self.apply(self.forced(head, votes))?))),
            None => {
                let all: Vec<CloseVote> = votes.iter().map(|id| self.votes.get(*id).clone()).collect();
                self.apply(all).and_then(|control| {
                    let head = control.open_term()?.parent.id;
                    Some((self.tree.find(&head.hash)?, control))
                })
            }
        };
        let id = outcome.map(|(head, control)| self.outcome(head, control)).transpose()?;
        self.closings.decided.insert(votes.to_vec(), id);
        Ok(id)
    }

    fn outcome(&mut self, head: usize, control: ControlState) -> Result<OutcomeId, Violation> {
        let opened = control.open_term().expect("a closing opens a term");
        if self.tree.nodes[head].phantom {
            return Err("the head is a block that nobody honest holds".into());
        }
        let (term, slot) = (&self.term, opened.first_slot);
        if (opened.number, opened.parent) != (term.number + 1, *self.tree.facts(head))
            || opened.sequencer_of(slot).is_none()
        {
            return Err(format!("term {} does not build on the head of term {}", opened.number, term.number));
        }
        let same = |o: &Outcome| o.head == head && o.control.open_term().is_some_and(|t| t.first_slot == slot);
        let outcomes = &mut self.closings.outcomes;
        let at = outcomes.iter().position(same).unwrap_or_else(|| {
            outcomes.push(Outcome { head, control });
            outcomes.len() - 1
        });
        Ok(at as OutcomeId)
    }

    /// The control state after the closing by these votes, if honest validators vote for it and it is valid.
    fn apply(&self, votes: Vec<CloseVote>) -> Option<ControlState> {
        let base = self.facts(&base_of(&self.term, &votes))?;
        let commands = vec![Command::CloseTerm(CloseTerm { base, votes })];
        let block = ControlBlock { height: self.control.height() + 1, commands };
        let answered = self.control.questions(&block).iter().all(|question| match question {
            Question::HoldsBlocks(blocks) => blocks.iter().all(|facts| self.facts(&facts.id) == Some(*facts)),
            Question::L1Matches { .. } => false,
        });
        if !answered && self.fault != Fault::PhantomHead {
            return None;
        }
        let mut next = self.control.clone();
        next.apply(&block).is_ok().then_some(next)
    }

    /// What an honest validator that has fetched all it can knows of a block.
    fn facts(&self, id: &BlockId) -> Option<BlockFacts> {
        let at = self.tree.find(&id.hash)?;
        let held = !self.tree.nodes[at].phantom || self.fault == Fault::PhantomHead;
        held.then(|| *self.tree.facts(at))
    }

    /// Nothing is stuck: once the honest validators' votes are there, an honest proposer closes the term by them alone,
    /// whatever the Byzantine one sends.
    pub(super) fn settles(&mut self, votes: [VoteId; 3]) -> Result<(), Violation> {
        if self.closings.settled.contains_key(&votes) {
            return Ok(());
        }
        let mut pending = PendingCommands::new();
        for id in votes {
            let added = pending.add(Pending::Close(self.votes.get(id).clone()), &self.control);
            if !matches!(added, Ok(Added::New)) {
                return Err(format!("stuck: an honest close vote is not kept: {added:?}"));
            }
        }
        let block = self.control.propose(&pending, &|id: &BlockId| self.facts(id));
        let closes = |b: &ControlBlock| matches!(b.commands.as_slice(), [Command::CloseTerm(_)]);
        if !block.as_ref().is_some_and(closes) || self.decided(&votes)?.is_none() {
            return Err("stuck: three honest close votes close nothing".into());
        }
        self.closings.settled.insert(votes, ());
        Ok(())
    }

    /// The head that a planted fault chooses; nothing if the code that ships is to choose, `Some(None)` if there is none.
    fn head_by_fault(&self, votes: &[VoteId]) -> Result<Option<Option<usize>>, Violation> {
        let all: Vec<CloseVote> = votes.iter().map(|id| self.votes.get(*id).clone()).collect();
        let held = |v: &CloseVote| v.acked.iter().all(|b| self.facts(&b.facts.id).is_some());
        let head = match self.fault {
            Fault::LongestChain | Fault::AcksAlone if !all.iter().all(held) => None,
            Fault::LongestChain => {
                let shown = all.iter().flat_map(|v| {
                    v.acked.last().map(|b| b.facts.id).into_iter().chain(v.certificate.as_ref().map(|c| c.block))
                });
                shown.max_by_key(|id| (id.number, std::cmp::Reverse(id.hash))).or(Some(self.term.parent.id))
            }
            Fault::AcksAlone => {
                let whole: Vec<CloseVote> = votes
                    .iter()
                    .map(|id| {
                        let (vote, acked) = &self.votes.votes[usize::from(*id)];
                        let acked = each(*acked).map(|at| self.tree.nodes[at].block).collect();
                        CloseVote { certificate: None, acked, ..vote.clone() }
                    })
                    .collect();
                Some(pick_head(&self.term, &self.term.parent, &whole).expect("the tree's facts agree").id)
            }
            Fault::StaleCertificate => {
                let stale = |at: &BlockId| self.stale_facts.iter().find(|facts| facts.id == *at).copied();
                let base = base_of(&self.term, &all);
                let base = self.facts(&base).or_else(|| stale(&base));
                base.and_then(|base| Some(pick_head(&self.term, &base, &all).ok()?.id))
            }
            _ => return Ok(None),
        };
        let Some(head) = head else { return Ok(Some(None)) };
        match self.tree.find(&head.hash) {
            Some(at) => Ok(Some(Some(at))),
            None => Err(format!("the head of term {} is {head}, which is not above its parent", self.term.number)),
        }
    }

    /// Votes by the same authors that lead the code that ships to the head a planted fault chose.
    fn forced(&self, head: usize, votes: &[VoteId]) -> Vec<CloseVote> {
        let list: Vec<_> = each(self.tree.chain[head] & !1).map(|at| self.tree.nodes[at].block).collect();
        let author = |id: &VoteId| self.keys.iter().find(|key| key.address() == self.votes.get(*id).validator);
        votes.iter().filter_map(author).map(|key| close_vote(&self.term, None, list.clone(), key)).collect()
    }
}
