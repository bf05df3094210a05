//! What the control plane decided: a term opens on a head, everything above that head is void; and this replica's part in
//! it, to vote a term closed that makes no progress.

use std::sync::Arc;

use horae_control::{BlockFacts, ControlState, Dues, Epoch, NextEpoch, Tally, Term, planted};
use horae_stages::{L1View, StateSource};
use metrics::counter;
use tracing::{debug, info, warn};

use super::Replica;
use super::io::{Entry, ReplicaIo};
use crate::chain_view::ChainEvent;

/// Agreed L1 views that are remembered, to judge headers by.
const VIEWS: usize = 4_096;
/// A close vote, and the last ack, are said again this often while the term stays open without progress.
const REPEAT_MS: u64 = 1_000;

/// What a replica is told after each decided control block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlUpdate {
    /// Control height.
    pub height: u64,
    /// The agreed L1 view at that height.
    pub l1_view: L1View,
    /// The open term, if there is one.
    pub term: Option<Term>,
    /// How long without a new commit before a validator votes to close the term, until a commit by acks has come in it:
    /// doubled by failed terms already.
    pub slot_timeout_ms: u64,
    /// The same once a commit by acks has come.
    pub slot_timeout_base_ms: u64,
    /// A validator started anew in the open term, so that the term is to be closed.
    pub outdated: bool,
    /// The control height since which the next epoch has been due: see [`horae_control::NextEpoch::due_height`].
    pub epoch_due_height: Option<u64>,
    /// What L1 has brought that blocks have to execute.
    pub dues: Arc<Dues>,
    /// The highest block in a batch that L1 is agreed to have accepted.
    pub last_batch_block: u64,
    /// Epochs that ended last, oldest first.
    pub past_epochs: Vec<Arc<Epoch>>,
}

impl ControlUpdate {
    /// What a replica has to know of this state.
    pub fn of(state: &ControlState) -> Self {
        let view = state.l1_view();
        Self {
            height: state.height(),
            l1_view: L1View { number: view.number, hash: view.hash },
            term: state.open_term().cloned(),
            slot_timeout_ms: state.slot_timeout_ms(false),
            slot_timeout_base_ms: state.slot_timeout_ms(true),
            outdated: state.is_outdated(),
            epoch_due_height: state.next_epoch().and_then(NextEpoch::due_height),
            dues: state.dues().clone(),
            last_batch_block: state.batches().last().map_or(0, |batch| batch.last_block),
            past_epochs: state.past_epochs().cloned().collect(),
        }
    }
}

impl<S: StateSource> Replica<S> {
    pub(super) fn control_decided(&mut self, now_ms: u64, update: ControlUpdate, io: &mut impl ReplicaIo) {
        if update.height < self.control.height {
            return;
        }
        self.views.insert(update.height, update.l1_view);
        while self.views.len() > VIEWS {
            self.views.pop_first();
        }
        let opened = match &update.term {
            Some(term) if self.voter.term().is_none_or(|open| open.number < term.number) => Some(term.clone()),
            Some(term) => {
                self.voter.learn_skips(term);
                None
            }
            None => None,
        };
        self.control = update;
        if let Some(term) = opened {
            self.open(now_ms, term, io);
        }
        if self.control.outdated && self.closing.is_none() && self.voter.has_voice() {
            self.vote_to_close("a validator started anew in it", io);
        }
    }

    fn open(&mut self, now_ms: u64, term: Term, io: &mut impl ReplicaIo) {
        info!(term = term.number, epoch = term.epoch, parent = %term.parent.id, first_slot = term.first_slot, "term opened");
        self.abandon(io);
        let parent = term.parent;
        self.return_to(&parent.id, io);
        let void_above = self.chain.blocks().any(|held| {
            let (number, of) = (held.header().number, held.header().term);
            number > parent.id.number && of < term.number
        });
        if self.chain.facts(parent.id.number).is_some_and(|facts| facts.id != parent.id) {
            self.roll_back(self.committed.min(parent.id.number), io);
        } else if void_above {
            self.roll_back(parent.id.number, io);
        }
        self.side.drop_below(term.number);
        self.promised.clear();
        self.voter.open_term(term.clone());
        let mut tally = Tally::new(term);
        if let Some(commit) = self.commit_shown.clone() {
            // Of an older term it says nothing here; of this one, after a restart, it moves the window up.
            match self.voter.hold_commit(&commit) {
                Ok(Some(voted)) => self.renewed(voted, io),
                Ok(None) => {}
                Err(why) => debug!(%why, "the last commit is not of this term"),
            }
        }
        tally.hold_committed(self.voter.committed_number());
        self.tally = Some(tally);
        self.committed_in_term = false;
        self.closing = None;
        self.accused.clear();
        self.arrivals.drop_void(parent.id.number, self.voter.term().map_or(0, |term| term.number));
        self.questions.clear();
        self.progress_ms = now_ms;
        self.settle_head(io);
        self.close_if_begun_before(io);
    }

    /// Nobody can seal the rest of a slot that this validator had begun before a restart.
    pub(super) fn close_if_begun_before(&mut self, io: &mut impl ReplicaIo) {
        if let Some(slot) = self.voter.begun_before_restart()
            && self.closing.is_none()
            && self.voter.has_voice()
            && self.voter.term().is_some_and(|term| term.child_slot(&self.chain.head_facts()) == slot)
        {
            self.vote_to_close(&format!("slot {slot} was begun before a restart"), io);
        }
    }

    /// The parent of the open term is committed by decision; known here once it is executed here.
    pub(super) fn settle_head(&mut self, io: &mut impl ReplicaIo) {
        let Some(parent) = self.voter.term().map(|term| term.parent.id) else { return };
        if parent.number > self.committed && self.chain.contains(&parent) {
            self.committed = parent.number;
            io.append(Entry::Head { number: parent.number, hash: parent.hash });
            io.event(ChainEvent::CommittedByDecision(parent));
        }
    }

    /// Takes back every block above `to`. Their transactions start again.
    pub(super) fn roll_back(&mut self, to: u64, io: &mut impl ReplicaIo) {
        let to = to.max(self.committed);
        if self.head().number <= to {
            return;
        }
        self.abandon(io);
        if let Err(why) = self.executor.state_mut().rollback_to(to) {
            panic!("blocks above the highest committed one can always be taken back, yet: {why}");
        }
        let void = self.chain.cut_above(to);
        let term = self.voter.term().map_or(0, |term| term.number);
        void.iter().filter(|held| held.header().term >= term).for_each(|held| self.side.leave(held));
        void.iter().for_each(|held| self.entries.taken_back(held));
        warn!(to, blocks = void.len(), "rolled back");
        counter!("horae_blocks_rolled_back").increment(void.len() as u64);
        io.event(ChainEvent::RolledBack { to });
        let executed = void.iter().map(|held| &held.executed);
        let transactions = executed.flat_map(|block| block.signed().map(|(tx, raw)| (tx.hash, raw)));
        self.start_again(transactions, io);
    }

    /// Votes to close a term that makes no progress, and says so again while it stays open.
    pub(super) fn watch(&mut self, now_ms: u64, io: &mut impl ReplicaIo) {
        self.settle_head(io);
        if self.progressed {
            self.progressed = false;
            self.progress_ms = now_ms;
        }
        if let Some((after, vote)) = &self.closing {
            let stored = io.durable() >= *after || planted!(CloseBeforeStored);
            if stored && now_ms >= self.repeated_ms.saturating_add(REPEAT_MS) {
                self.repeated_ms = now_ms;
                io.close_vote(vote.clone());
            }
        } else if self.epoch_ends() {
            self.vote_to_close("its last slot of the epoch has ended", io);
        } else if self.close_due_ms().is_some_and(|due| now_ms >= due) {
            self.vote_to_close("no new commit within the slot timeout", io);
        } else if self.view_is_late(now_ms) && self.voter.has_voice() {
            self.vote_to_close("its L1 view stands still though it could move on", io);
        } else if self.voter.term().is_some() && now_ms >= self.progress_ms.max(self.repeated_ms) + REPEAT_MS {
            self.repeated_ms = now_ms;
            self.repeat_ack(io);
        }
    }

    pub(super) fn made_progress(&mut self) {
        self.progressed = true;
    }

    pub(super) fn close_due_ms(&self) -> Option<u64> {
        match &self.closing {
            // The first time it waits for the journal, which wakes the worker.
            Some(_) => (self.repeated_ms > 0).then(|| self.repeated_ms.saturating_add(REPEAT_MS)),
            None if !self.voter.has_voice() => None,
            None if self.committed_in_term => Some(self.progress_ms.saturating_add(self.control.slot_timeout_base_ms)),
            None => Some(self.progress_ms.saturating_add(self.control.slot_timeout_ms)),
        }
    }

    /// Answers the control plane's questions that can be answered now.
    pub(super) fn answer_questions(&mut self, now_ms: u64) {
        let mut open = Vec::new();
        for question in std::mem::take(&mut self.questions) {
            if question.reply.is_closed() {
                continue;
            }
            if question.blocks.iter().all(|facts| self.holds(facts) && !self.is_early(now_ms, facts)) {
                // Whoever asked may have stopped waiting.
                let _ = question.reply.send(());
            } else {
                open.push(question);
            }
        }
        self.questions = open;
    }

    /// Whether the block is executed here and its header says exactly this. The facts of a term's parent are the term's own.
    pub(super) fn holds(&self, facts: &BlockFacts) -> bool {
        let is_parent = self.voter.term().is_some_and(|term| term.parent == *facts);
        self.facts_held(&facts.id).is_some_and(|held| held == *facts || is_parent)
    }

    /// Whether the block is further ahead of the clock than it may be.
    pub(super) fn is_early(&self, now_ms: u64, facts: &BlockFacts) -> bool {
        facts.timestamp_ms > now_ms.saturating_add(self.config.params.drift_ms) && !planted!(HeadFromTheFuture)
    }
}
