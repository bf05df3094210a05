//! The control plane's state: what all nodes agree on after the same decided blocks.

mod effect;
mod epochs;
mod invalid;
mod queries;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use alloy_primitives::{Address, B256};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::batches::{AcceptedBatch, Batches};
use crate::command::{CloseTerm, Command, ControlBlock, L1Event, Question, RegisterIncarnation};
use crate::digest::Domain;
use crate::dkg::{Dkg, DkgMessage, DkgStep};
use crate::due::Dues;
use crate::epoch::Epoch;
use crate::failover;
use crate::head::standing_on;
use crate::jail::{Jail, Jailed};
use crate::l1::{L1Error, L1State, L1View};
use crate::limits::{MAX_CLOSED_TERMS, MAX_COMMANDS, MAX_JUDGED_TERMS, MAX_SKIP_DECISIONS};
use crate::next_epoch::NextEpoch;
use crate::planted;
use crate::proof::{NotEvidence, Offence, Proof};
use crate::roll_call::RollCall;
use crate::schedule::Schedule;
use crate::set::{Candidate, SetError, ValidatorSet};
use crate::shared::Shared;
use crate::skips::Skips;
use crate::statement::{BlockFacts, BlockId, CloseVote, Readiness};
use crate::term::Term;

pub use effect::Effect;
pub use invalid::Invalid;
pub use queries::Opening;

/// The numbers of an epoch that the control plane itself needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlParams {
    /// Blocks that a validator acks above the highest commit it knows (`W`).
    pub window_blocks: u64,
    /// A validator votes to close a term in which it saw no new commit for this long, in milliseconds, before doubling.
    pub slot_timeout_ms: u64,
    /// Control heights after which a key generation starts again.
    pub dkg_deadline_heights: u64,
    /// L1 blocks that one L1 view may advance.
    pub l1_step_blocks: u64,
    /// Bytes of a control block that a proposer fills; a quorum of close votes may go beyond.
    pub control_block_bytes: u64,
    /// A ready validator says so again once it has come this many slots further.
    pub readiness_slots: u64,
    /// A validator whose last statement is more than this many slots behind is passed over.
    pub stale_slots: u64,
    /// Slots that an epoch lasts at least; 0 keeps the first epoch for ever.
    pub epoch_slots: u64,
    /// Slots after which a new epoch with a new group key is prepared although the set would stay; 0 for never.
    pub epoch_slots_max: u64,
}

impl ControlParams {
    /// What a devnet runs with.
    pub fn devnet() -> Self {
        Self {
            window_blocks: 128,
            slot_timeout_ms: 1_000,
            dkg_deadline_heights: 200,
            l1_step_blocks: 64,
            control_block_bytes: 1024 * 1024,
            readiness_slots: 16,
            stale_slots: 48,
            epoch_slots: 0,
            epoch_slots_max: 0,
        }
    }
}

/// Where the chain begins.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Genesis {
    /// What signatures are bound to.
    pub domain: Domain,
    /// The L1 block up to which `validators` are known; events are read from the next one on.
    pub l1_view: L1View,
    /// Validators of epoch 0.
    pub validators: Vec<Candidate>,
    /// Shuffles the turns of epoch 0.
    pub seed: B256,
    /// Hash of L2 block 0.
    pub block_hash: B256,
    /// The numbers.
    pub params: ControlParams,
}

/// A term that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ClosedTerm {
    /// Number of the term.
    pub term: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The block it built on.
    pub parent: BlockId,
    /// Where it ended.
    pub head: BlockFacts,
}

/// The state machine. Equal decided blocks give equal states, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ControlState {
    domain: Domain,
    params: ControlParams,
    height: u64,
    epoch: Epoch,
    open: Option<Term>,
    genesis: BlockFacts,
    closed: VecDeque<ClosedTerm>,
    failed_in_a_row: u32,
    dkg: Dkg,
    l1: L1State,
    batches: Batches,
    dues: Shared<Dues>,
    registrations: BTreeMap<Address, RegisterIncarnation>,
    reincarnated: BTreeSet<Address>,
    /// The term that a registration is a reason to close.
    outdated_term: Option<u64>,
    /// Terms closed last, oldest first, that evidence is judged against.
    judged: VecDeque<Shared<Term>>,
    jail: Jail,
    roll_call: RollCall,
    next: Option<NextEpoch>,
    /// Epochs that ended last, oldest first.
    past: VecDeque<Shared<Epoch>>,
}

impl ControlState {
    /// The state at control height 0: epoch 0 is there, its key generation runs, no term is open.
    pub fn genesis(genesis: &Genesis) -> Result<Self, SetError> {
        let set = ValidatorSet::form(&genesis.validators)?;
        let first_slot = 1;
        let schedule = Schedule::new(genesis.seed, first_slot, &set);
        Ok(Self {
            domain: genesis.domain,
            params: genesis.params,
            height: 0,
            epoch: Epoch { number: 0, first_slot, first_block: 1, set, schedule, group_key: None },
            open: None,
            genesis: BlockFacts::genesis(genesis.block_hash),
            closed: VecDeque::new(),
            failed_in_a_row: 0,
            dkg: Dkg::start(0, 0),
            l1: L1State::new(genesis.l1_view, &genesis.validators),
            batches: Batches::default(),
            dues: Shared::new(Dues::default()),
            registrations: BTreeMap::new(),
            reincarnated: BTreeSet::new(),
            outdated_term: None,
            judged: VecDeque::new(),
            jail: Jail::default(),
            roll_call: RollCall::default(),
            next: None,
            past: VecDeque::new(),
        })
    }

    /// Applies the next decided block. If it is invalid, nothing has changed.
    pub fn apply(&mut self, block: &ControlBlock) -> Result<Vec<Effect>, Invalid> {
        let mut next = self.clone();
        let effects = next.step(block)?;
        *self = next;
        Ok(effects)
    }

    /// Whether [`ControlState::apply`] would take the block. What it cannot know is in [`ControlState::questions`].
    pub fn check(&self, block: &ControlBlock) -> Result<(), Invalid> {
        self.clone().step(block).map(|_| ())
    }

    /// What must be known to be true before one votes for this block, on top of [`ControlState::check`].
    pub fn questions(&self, block: &ControlBlock) -> Vec<Question> {
        block.commands.iter().filter_map(|command| self.question(command)).collect()
    }

    fn question(&self, command: &Command) -> Option<Question> {
        match command {
            Command::L1View { .. } if planted!(UnagreedL1Event) => None,
            Command::CloseTerm(_) if planted!(PhantomHead) => None,
            Command::L1View { number, hash, events } => Some(Question::L1Matches {
                after: self.l1_view(),
                number: *number,
                hash: *hash,
                events: events.clone(),
            }),
            Command::CloseTerm(closing) => {
                let parent = self.open.as_ref().map(|term| term.parent.id);
                let listed = standing_on(&closing.base.id, &closing.votes).into_iter();
                let mut blocks: Vec<BlockFacts> =
                    listed.chain([closing.base]).filter(|facts| Some(facts.id) != parent).collect();
                blocks.sort_by_key(|facts| facts.id);
                blocks.dedup();
                Some(Question::HoldsBlocks(blocks))
            }
            _ => None,
        }
    }

    fn step(&mut self, block: &ControlBlock) -> Result<Vec<Effect>, Invalid> {
        if Some(block.height) != self.height.checked_add(1) {
            return Err(Invalid::Height { found: block.height, height: self.height });
        }
        let here = self.hash();
        if block.state != here {
            return Err(Invalid::OtherState { height: block.height, named: block.state, here });
        }
        let commands = &block.commands;
        if commands.len() > MAX_COMMANDS {
            return Err(Invalid::TooManyCommands(commands.len()));
        }
        let l1_views = commands.iter().filter(|c| matches!(c, Command::L1View { .. })).count();
        let closings = commands.iter().filter(|c| matches!(c, Command::CloseTerm(_))).count();
        if closings > 1 || (l1_views > 0 && commands.len() > 1) {
            return Err(Invalid::Mixed);
        }
        self.height = block.height;
        let mut effects = Vec::new();
        for command in commands {
            self.command(command, &mut effects)?;
        }
        let deadline = self.params.dkg_deadline_heights;
        if self.dkg.expire(self.height, deadline).is_some() {
            effects.push(Effect::DkgRestarted { attempt: self.dkg.attempt() });
        }
        self.open_first_term(&mut effects);
        self.prepare_epoch(&mut effects);
        self.decide_skips(&mut effects);
        Ok(effects)
    }

    fn command(&mut self, command: &Command, effects: &mut Vec<Effect>) -> Result<(), Invalid> {
        match command {
            Command::L1View { number, hash, events } => {
                let view = L1View { number: *number, hash: *hash };
                self.advance_l1(view, events, effects)
            }
            Command::DkgCommitments(m) => self.key_generation(&DkgMessage::Commitments(m), effects),
            Command::DkgShares(m) => self.key_generation(&DkgMessage::Shares(m), effects),
            Command::DkgConfirm(m) => self.key_generation(&DkgMessage::Confirm(m), effects),
            Command::CloseTerm(closing) => self.close_term(closing, effects),
            Command::RegisterIncarnation(registration) => self.reincarnate(registration, effects),
            Command::Evidence(proof) => self.convict(proof, effects),
            Command::Readiness(said) => self.hear_readiness(said),
            Command::EpochReadiness(said) => self.hear_epoch_readiness(said),
        }
    }

    /// Applies one command of a block being put together, if it can be; a refused one changes nothing.
    pub(crate) fn take(&mut self, command: &Command) -> bool {
        self.command(command, &mut Vec::new()).is_ok()
    }

    fn advance_l1(&mut self, view: L1View, events: &[L1Event], effects: &mut Vec<Effect>) -> Result<(), Invalid> {
        self.l1.check(view.number, events, self.params.l1_step_blocks)?;
        let mut dues = None;
        for event in events {
            if let Some(installed) = self.l1.apply(event)? {
                effects.push(Effect::KeyInstalled { key_index: installed.key_index, key: installed.key });
                if let Some(next) = &mut self.next {
                    next.see(installed.key, installed.snapshot_hash, view);
                }
            }
            self.follow_jail(event, effects);
            if let Some(batch) = AcceptedBatch::from_event(event) {
                self.batches.accept(batch)?;
                dues.get_or_insert_with(|| (*self.dues).clone()).accept(&batch)?;
                effects.push(Effect::BatchAccepted(batch));
            }
            if let L1Event::Forced { index, l1_block, l1_hash, hash, gas, bytes } = *event {
                if l1_block <= self.l1.view().number || l1_block > view.number {
                    return Err(L1Error::OutOfOrder(l1_block).into());
                }
                let at = L1View { number: l1_block, hash: l1_hash };
                dues.get_or_insert_with(|| (*self.dues).clone()).enqueue(at, index, hash, gas, bytes)?;
            }
        }
        if let Some(mut dues) = dues {
            dues.make_room(self.roll_call.reached_l1_view(&self.epoch.set))?;
            self.dues = Shared::new(dues);
        }
        self.l1.advance(view);
        effects.push(Effect::L1Advanced(view));
        Ok(())
    }

    /// What L1 says of punished offences and releases.
    fn follow_jail(&mut self, event: &L1Event, effects: &mut Vec<Effect>) {
        match *event {
            L1Event::ValidatorPunished { id, epoch, term } if self.l1.is_registered(id) => {
                self.jail.punish(id, epoch, term);
            }
            L1Event::ValidatorReleased { id } if self.jail.release(id) => effects.push(Effect::Released { id }),
            _ => {}
        }
    }

    fn key_generation(&mut self, message: &DkgMessage<'_>, effects: &mut Vec<Effect>) -> Result<(), Invalid> {
        let (epoch, set) = self.keygen();
        message.verify(set, &self.domain, epoch)?;
        let members = set.len();
        match self.dkg.apply(message, members, self.height)? {
            Some(DkgStep::Advanced(phase)) => {
                effects.push(Effect::DkgAdvanced { attempt: self.dkg.attempt(), phase });
            }
            Some(DkgStep::Restarted) => effects.push(Effect::DkgRestarted { attempt: self.dkg.attempt() }),
            None => {}
        }
        if let Some(key) = self.dkg.key() {
            match &mut self.next {
                Some(next) => next.confirm(key),
                None => self.epoch.group_key = Some(key),
            }
            effects.push(Effect::GroupKeyConfirmed { epoch, key });
        }
        Ok(())
    }

    fn close_term(&mut self, closing: &CloseTerm, effects: &mut Vec<Effect>) -> Result<(), Invalid> {
        let term = self.open.as_ref().ok_or(Invalid::NoOpenTerm)?;
        let outcome = failover::close(term, closing, |voters| self.out_of_turn(voters))?;
        let leader = term.sequencer_after(&outcome.head).map(|v| v.signer);
        let head = outcome.head;
        effects.push(Effect::TermClosed { term: term.number, head: head.id });
        let closed = ClosedTerm { term: term.number, epoch: term.epoch, parent: term.parent.id, head };
        self.closed.push_back(closed);
        if self.closed.len() > MAX_CLOSED_TERMS {
            self.closed.pop_front();
        }
        let next = self.next.take_if(|next| next.is_due());
        let before = if outcome.had_commit { 0 } else { self.failed_in_a_row };
        self.failed_in_a_row = before.saturating_add(next.is_none().into());
        let number = term.number + 1;
        let voters = || closing.votes.iter().map(|vote: &CloseVote| &vote.validator);
        let absent = leader.filter(|leader| voters().all(|voter| voter != leader));
        self.roll_call.close(absent, voters(), outcome.next_slot, self.height);
        self.judged.extend(self.open.take().map(Shared::new));
        if self.judged.len() > MAX_JUDGED_TERMS {
            self.judged.pop_front();
        }
        let first_slot = match next {
            Some(next) => self.open_epoch(next, &head, outcome.failed_slot.saturating_add(1), effects),
            None => outcome.next_slot,
        };
        self.open_term_on(number, head, first_slot, effects);
        Ok(())
    }

    fn reincarnate(&mut self, registration: &RegisterIncarnation, effects: &mut Vec<Effect>) -> Result<(), Invalid> {
        let RegisterIncarnation { validator, incarnation, .. } = *registration;
        let last = self.incarnation_of(&validator);
        if incarnation <= last || !registration.verify(&self.epoch.set, &self.domain) {
            return Err(Invalid::Incarnation { validator, incarnation });
        }
        self.registrations.insert(validator, *registration);
        let first_in_epoch = self.reincarnated.insert(validator);
        if let Some(next) = &mut self.next {
            next.reincarnate(&validator, incarnation);
            if next.key().is_none() {
                self.dkg = Dkg::start(self.dkg.attempt() + 1, self.height);
                effects.push(Effect::DkgRestarted { attempt: self.dkg.attempt() });
            }
        }
        match &self.open {
            Some(term) if first_in_epoch && !planted!(QuietIncarnation) => self.outdated_term = Some(term.number),
            Some(_) => {}
            None => self.count_incarnations(),
        }
        effects.push(Effect::IncarnationRegistered { validator, incarnation, first_in_epoch });
        Ok(())
    }

    fn convict(&mut self, proof: &Proof, effects: &mut Vec<Effect>) -> Result<(), Invalid> {
        // Which incarnation counts at the next height is not known before this block is decided.
        if proof.engine_height().is_some_and(|height| height > self.height) {
            return Err(NotEvidence::OutOfReach.into());
        }
        let (id, offence) = self.judge(proof)?;
        let (validator, height, epoch) = (proof.validator, self.height, self.epoch.number);
        self.jail.convict(id, Jailed { validator, offence, height, epoch, proof: proof.clone() });
        effects.push(Effect::Jailed { validator, offence });
        Ok(())
    }

    /// What the proof convicts its validator of, and the validator's number.
    pub(crate) fn judge(&self, proof: &Proof) -> Result<(u64, Offence), NotEvidence> {
        let term = self.term_of(proof).ok_or(NotEvidence::OutOfReach)?;
        let id = term.set.get(&proof.validator).map(|v| v.id);
        if id.is_some_and(|id| self.jail.get(id).is_some()) {
            return Err(NotEvidence::InJail(proof.validator));
        }
        if id.is_some_and(|id| self.jail.has_served(id, proof)) {
            return Err(NotEvidence::Served(proof.validator));
        }
        let offence = proof.verify(term)?;
        Ok((id.ok_or(NotEvidence::OutOfReach)?, offence))
    }

    /// The term that a proof is judged against: the one named, or for Tendermint the one open when the height was decided,
    /// if it is open or among those closed last.
    pub(crate) fn term_of(&self, proof: &Proof) -> Option<&Term> {
        let mut terms = self.judged.iter().map(|term| &**term).chain(&self.open);
        match proof.engine_height() {
            Some(height) if height > self.height.saturating_add(1) => None,
            Some(height) => terms.rfind(|term| term.opened_height < height),
            None => terms.find(|term| term.number == proof.term),
        }
    }

    fn hear_readiness(&mut self, said: &Readiness) -> Result<(), Invalid> {
        said.verify(self.open.as_ref().ok_or(Invalid::NoOpenTerm)?)?;
        if !self.roll_call.says_more(said) {
            return Err(Invalid::NothingNew(said.validator));
        }
        self.roll_call.state(said, self.height);
        Ok(())
    }

    fn passed_over(&self) -> Vec<Address> {
        self.roll_call.passed_over(&self.epoch.set, &self.jail, self.params.stale_slots)
    }

    /// Of those whose turns are passed over, the ones that would be so even after these close votes.
    fn out_of_turn(&self, voters: &BTreeSet<Address>) -> Vec<Address> {
        let mut heard = self.roll_call.clone();
        heard.close(None, voters.iter(), heard.reached_slot(&self.epoch.set), self.height);
        heard.passed_over(&self.epoch.set, &self.jail, self.params.stale_slots)
    }

    fn decide_skips(&mut self, effects: &mut Vec<Effect>) {
        let skipped = self.passed_over();
        let height = self.height;
        let Some(term) = &mut self.open else { return };
        let full = term.skips.decisions().len() >= MAX_SKIP_DECISIONS;
        let convicts = effects.iter().any(|effect| matches!(effect, Effect::Jailed { .. }));
        if term.skips.latest() == skipped || (full && !convicts) {
            return term.skips.pass(height);
        }
        term.skips.decide(height, skipped.clone());
        effects.push(Effect::Skipped { skipped });
    }

    /// Opens term 1 once all have confirmed the group key and the inbox holds it with our set.
    fn open_first_term(&mut self, effects: &mut Vec<Effect>) {
        if self.open.is_none() && self.opening() == Opening::Ready {
            self.roll_call = RollCall::begin(&self.epoch.set, self.epoch.first_slot, self.height);
            self.open_term_on(1, self.genesis, self.epoch.first_slot, effects);
        }
    }

    fn open_term_on(&mut self, number: u64, parent: BlockFacts, first_slot: u64, effects: &mut Vec<Effect>) {
        self.count_incarnations();
        effects.push(Effect::TermOpened { term: number, epoch: self.epoch.number, parent: parent.id, first_slot });
        self.open = Some(Term {
            domain: self.domain,
            number,
            opened_height: self.height,
            epoch: self.epoch.number,
            parent,
            first_slot,
            window_blocks: self.params.window_blocks,
            set: self.epoch.set.clone(),
            schedule: self.epoch.schedule.clone(),
            skips: Skips::new(self.height, self.passed_over()),
        });
    }

    /// Makes the registered incarnations the ones that count: only when no term is open.
    fn count_incarnations(&mut self) {
        let set = self.epoch.set.clone();
        self.epoch.set = set.with_incarnations(|signer| self.registrations.get(signer).map(|r| r.incarnation));
    }
}

#[cfg(test)]
mod tests;
