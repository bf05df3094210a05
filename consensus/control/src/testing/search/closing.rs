//! Close votes, and every closing that can be decided of those at hand: each is handed to the real control state once.

use std::rc::Rc;

use alloy_primitives::Address;
use alloy_primitives::map::{HashMap, HashSet};

use super::super::close_vote;
use super::fault::Fault;
use super::tree::{Mask, each};
use super::{Search, Violation};
use crate::command::{CloseTerm, Command, ControlBlock, Question};
use crate::head::{base_of, pick_head};
use crate::pending::{Added, Pending, PendingCommands};
use crate::sign::Signature;
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

/// What a close vote says, whoever says it: all that the head depends on while weights are equal.
type ContentId = u16;

/// A close vote that was made.
struct Vote {
    vote: CloseVote,
    /// Blocks that its author acked, where a planted fault looks at them.
    acked: Mask,
    content: ContentId,
    /// It counts, and honest validators hold all it lists.
    usable: bool,
}

/// All close votes that were ever made.
#[derive(Default)]
pub(super) struct Votes {
    votes: Vec<Vote>,
    known: HashMap<(Signature, Mask), VoteId>,
    contents: HashMap<(Option<BlockId>, Vec<BlockId>, Mask), ContentId>,
}

impl Votes {
    pub(super) fn get(&self, id: VoteId) -> &CloseVote {
        &self.votes[usize::from(id)].vote
    }

    pub(super) fn content(&self, id: VoteId) -> ContentId {
        self.votes[usize::from(id)].content
    }

    fn add(&mut self, vote: CloseVote, acked: Mask, usable: bool) -> VoteId {
        let id = VoteId::try_from(self.votes.len()).expect("fewer votes than ids");
        self.known.insert((vote.signature, acked), id);
        let listed = vote.acked.iter().map(|block| block.facts.id).collect();
        let content = (vote.certificate.as_ref().map(|c| c.block), listed, acked);
        let fresh = self.contents.len() as ContentId;
        let content = *self.contents.entry(content).or_insert(fresh);
        self.votes.push(Vote { vote, acked, content, usable });
        id
    }
}

/// Close votes of some, by who else says the same: honest contents in order, then the Byzantine one's.
type Ballot = (Vec<ContentId>, Option<ContentId>);

/// What closings are made of: honest close votes, blocks that can be shown to be certified, blocks that exist.
type AtHand = ([Option<VoteId>; 3], Mask, Mask);

/// What was found out about closings.
#[derive(Default)]
pub(super) struct Closings {
    pub(super) outcomes: Vec<Outcome>,
    heads: HashMap<Ballot, Option<usize>>,
    /// Outcomes by head and voters.
    by_voters: HashMap<(usize, u8), OutcomeId>,
    lies: HashMap<(Mask, Mask), Rc<[VoteId]>>,
    reachable: HashMap<AtHand, Rc<[OutcomeId]>>,
    settled: HashSet<Vec<ContentId>>,
}

impl Closings {
    pub(super) fn tried(&self) -> usize {
        self.heads.len()
    }
}

impl Search {
    /// The id of a close vote whose author acked these blocks; equal votes have one, as signatures are deterministic.
    pub(super) fn vote_id(&mut self, vote: CloseVote, acked: Mask) -> VoteId {
        let acked = if self.fault == Fault::AcksAlone { acked } else { 0 };
        if let Some(known) = self.votes.known.get(&(vote.signature, acked)) {
            return *known;
        }
        let counts = vote.verify(&self.term).is_ok() || self.fault == Fault::StaleCertificate;
        let usable = counts && self.is_answered(&self.block(vec![vote.clone()]));
        self.votes.add(vote, acked, usable)
    }

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
            let honest: Vec<VoteId> = (0..3).filter(|n| chosen >> n & 1 == 1).filter_map(|n| votes[n]).collect();
            if honest.len() != chosen.count_ones() as usize || honest.is_empty() {
                continue;
            }
            for lie in lies.iter().copied().map(Some).chain([None]) {
                found.extend(self.decided(&honest, lie, chosen)?);
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
        let of_term = each(certified).map(|at| self.certificate(at).expect("made when it could first be"));
        let shown: Vec<_> = of_term
            .chain(self.stale.iter().map(|(_, certificate)| certificate.clone()))
            .map(Some)
            .chain([None])
            .collect();
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
                let acked = run.iter().fold(0, |mask, at| mask | 1 << at);
                lies.push(self.vote_id(vote, acked));
            }
        }
        let lies: Rc<[VoteId]> = lies.into();
        self.closings.lies.insert((certified, existing), lies.clone());
        lies
    }

    /// What follows if a control block proposes to close by these votes of the honest validators in `chosen`, and this
    /// lie.
    fn decided(&mut self, honest: &[VoteId], lie: Option<VoteId>, chosen: u8) -> Result<Option<OutcomeId>, Violation> {
        let mut contents: Vec<ContentId> = honest.iter().map(|id| self.votes.content(*id)).collect();
        contents.sort_unstable();
        let ballot = (contents, lie.map(|lie| self.votes.content(lie)));
        let voters = chosen | u8::from(lie.is_some()) << 3;
        let mut votes: Vec<VoteId> = honest.iter().copied().chain(lie).collect();
        let head = match self.closings.heads.get(&ballot) {
            Some(head) => *head,
            None => {
                votes.sort_unstable_by_key(|id| self.votes.get(*id).validator);
                let head = self.head_of(&votes)?;
                if self.exact
                    && let Some(head) = head
                {
                    self.apply(head, &votes)?;
                }
                self.closings.heads.insert(ballot, head);
                head
            }
        };
        let Some(head) = head else { return Ok(None) };
        if let Some(known) = self.closings.by_voters.get(&(head, voters)) {
            return Ok(Some(*known));
        }
        votes.sort_unstable_by_key(|id| self.votes.get(*id).validator);
        let control = self.apply(head, &votes)?;
        let id = self.outcome(head, control);
        self.closings.by_voters.insert((head, voters), id);
        Ok(Some(id))
    }

    /// The head that follows from these votes; nothing if one of them cannot be decided.
    fn head_of(&self, votes: &[VoteId]) -> Result<Option<usize>, Violation> {
        let usable = votes.iter().all(|id| self.votes.votes[usize::from(*id)].usable);
        if !usable || !self.term.set.is_quorum(votes.len() as u64) {
            return Ok(None);
        }
        let all: Vec<CloseVote> = votes.iter().map(|id| self.votes.get(*id).clone()).collect();
        let head = match self.head_by_fault(votes, &all) {
            Some(head) => head,
            None => {
                let base =
                    self.facts(&base_of(&self.term, &all)).ok_or("a usable vote has a base that nobody holds")?;
                pick_head(&self.term, &base, &all).map_err(|e| format!("usable votes have no head: {e}"))?.id
            }
        };
        match self.tree.find(&head.hash) {
            Some(at) if self.tree.nodes[at].phantom => Err(format!("the head is {head}, which nobody honest holds")),
            Some(at) => Ok(Some(at)),
            None => Err(format!("the head of term {} is {head}, which is not above its parent", self.term.number)),
        }
    }

    fn outcome(&mut self, head: usize, control: ControlState) -> OutcomeId {
        let slot = |control: &ControlState| control.open_term().map(|term| term.first_slot);
        let outcomes = &mut self.closings.outcomes;
        let same = |o: &Outcome| o.head == head && slot(&o.control) == slot(&control);
        let at = outcomes.iter().position(same).unwrap_or_else(|| {
            outcomes.push(Outcome { head, control });
            outcomes.len() - 1
        });
        at as OutcomeId
    }

    /// The control state after the closing by these votes. The next term must build on the head and be led by a voter.
    fn apply(&self, head: usize, votes: &[VoteId]) -> Result<ControlState, Violation> {
        let all: Vec<CloseVote> = votes.iter().map(|id| self.votes.get(*id).clone()).collect();
        let all = if self.head_by_fault(votes, &all).is_some() { self.forced(head, votes) } else { all };
        let voters: Vec<Address> = all.iter().map(|vote| vote.validator).collect();
        let block = self.block(all);
        let mut next = self.control.clone();
        if !self.is_answered(&block) {
            return Err("a closing by usable votes is not voted for".into());
        }
        next.apply(&block).map_err(|e| format!("a closing by usable votes is refused: {e}"))?;
        let opened = next.open_term().ok_or("a closing opens no term")?;
        let led = opened.sequencer_of(opened.first_slot).is_some_and(|v| voters.contains(&v.signer));
        if (opened.number, opened.parent) != (self.term.number + 1, *self.tree.facts(head)) || !led {
            return Err(format!("term {} does not go on from the head of term {}", opened.number, self.term.number));
        }
        Ok(next)
    }

    /// The control block that closes the term by these votes.
    fn block(&self, votes: Vec<CloseVote>) -> ControlBlock {
        let base = self.facts(&base_of(&self.term, &votes)).unwrap_or(self.term.parent);
        let commands = vec![Command::CloseTerm(CloseTerm { base, votes })];
        self.control.next_block(commands)
    }

    /// Whether an honest validator that has fetched all it can votes for a control block.
    fn is_answered(&self, block: &ControlBlock) -> bool {
        self.control.questions(block).iter().all(|question| match question {
            Question::HoldsBlocks(blocks) => blocks.iter().all(|facts| self.facts(&facts.id) == Some(*facts)),
            Question::L1Matches { .. } => false,
        })
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
        let mut contents = votes.map(|id| self.votes.content(id)).to_vec();
        contents.sort_unstable();
        if self.closings.settled.contains(&contents) {
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
        if !block.as_ref().is_some_and(closes) || self.decided(&votes, None, 0b111)?.is_none() {
            return Err("stuck: three honest close votes close nothing".into());
        }
        self.closings.settled.insert(contents);
        Ok(())
    }

    /// The head that a planted fault chooses; nothing if the code that ships is to choose.
    fn head_by_fault(&self, votes: &[VoteId], all: &[CloseVote]) -> Option<BlockId> {
        match self.fault {
            Fault::LongestChain => {
                let listed = all.iter().filter_map(|vote| Some(vote.acked.last()?.facts.id));
                let shown = listed.chain(all.iter().filter_map(|vote| Some(vote.certificate.as_ref()?.block)));
                shown.max_by_key(|id| (id.number, std::cmp::Reverse(id.hash))).or(Some(self.term.parent.id))
            }
            Fault::AcksAlone => {
                let whole = votes.iter().map(|id| {
                    let Vote { vote, acked, .. } = &self.votes.votes[usize::from(*id)];
                    let acked = each(*acked).map(|at| self.tree.nodes[at].block).collect();
                    CloseVote { certificate: None, acked, ..vote.clone() }
                });
                let whole: Vec<CloseVote> = whole.collect();
                Some(pick_head(&self.term, &self.term.parent, &whole).expect("the tree's facts agree").id)
            }
            Fault::StaleCertificate => {
                let base = base_of(&self.term, all);
                let stale = || self.stale.iter().map(|(block, _)| block.facts).find(|facts| facts.id == base);
                let base = self.facts(&base).or_else(stale)?;
                Some(pick_head(&self.term, &base, all).expect("the tree's facts agree").id)
            }
            _ => None,
        }
    }

    /// Votes by the same authors that lead the code that ships to the head a planted fault chose.
    fn forced(&self, head: usize, votes: &[VoteId]) -> Vec<CloseVote> {
        let list: Vec<_> = each(self.tree.chain[head] & !1).map(|at| self.tree.nodes[at].block).collect();
        let author = |id: &VoteId| self.keys.iter().find(|key| key.address() == self.votes.get(*id).validator);
        votes.iter().filter_map(author).map(|key| close_vote(&self.term, None, list.clone(), key)).collect()
    }
}
