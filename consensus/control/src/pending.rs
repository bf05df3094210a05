//! Commands that wait to be decided: one of a kind for each validator, each checked before it is kept.

use std::collections::BTreeMap;

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::command::{L1Event, RegisterIncarnation};
use crate::dkg::{DkgCommitments, DkgConfirm, DkgError, DkgMessage, DkgShares};
use crate::evidence::Evidence;
use crate::l1::L1View;
use crate::next_epoch::EpochReadiness;
use crate::proof::{NotEvidence, Proof};
use crate::state::ControlState;
use crate::statement::{CloseVote, Readiness, StatementError};

/// A signed command on its way to a control block; passed on between nodes.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Pending {
    /// A close vote; a control block takes > 2/3 of them together.
    Close(CloseVote),
    /// Key generation.
    DkgCommitments(DkgCommitments),
    /// Key generation.
    DkgShares(DkgShares),
    /// Key generation.
    DkgConfirm(DkgConfirm),
    /// A new incarnation.
    RegisterIncarnation(RegisterIncarnation),
    /// Proof of an offence.
    Evidence(Box<Proof>),
    /// Readiness.
    Readiness(Readiness),
    /// Readiness for the next epoch.
    EpochReadiness(EpochReadiness),
}

/// Kinds of pending commands, in the order in which they are proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    Close,
    Evidence,
    Incarnation,
    Readiness,
    EpochReadiness,
    Commitments,
    Shares,
    Confirm,
}

/// What became of a command that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Added {
    /// It is kept; pass it on to the others.
    New,
    /// It, or another in its place, was there already: the first one of a kind stays.
    Known,
    /// It contradicts what its author said before, which is kept: this proof is to be handed in too.
    Evidence(Box<Proof>),
}

/// Why a command is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPending {
    /// It was decided, or can no longer be.
    #[error("the command is out of date")]
    Stale,
    /// It belongs to a term or an attempt that has not begun here; to be sent again later.
    #[error("the command is ahead of the decided blocks known here")]
    Early,
    /// It does not count.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It does not count.
    #[error(transparent)]
    Dkg(#[from] DkgError),
    /// Not signed by a validator.
    #[error("the registration is not signed by a validator")]
    BadRegistration,
    /// Not signed by a validator of the next epoch.
    #[error("the statement is not signed by a validator of the next epoch")]
    BadEpochReadiness,
    /// It convicts nobody.
    #[error(transparent)]
    Evidence(#[from] NotEvidence),
}

/// The commands that this node knows of and that are not decided yet, and the L1 view that it would propose.
///
/// Bounded: eight commands a validator of the present set or the next.
#[derive(Clone, Debug, Default)]
pub struct PendingCommands {
    commands: BTreeMap<(Slot, Address), Pending>,
    l1_view: Option<(L1View, Vec<L1Event>)>,
}

impl PendingCommands {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commands kept.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty() && self.l1_view.is_none()
    }

    /// Takes in a command from this node or another, if it may still be decided.
    pub fn add(&mut self, command: Pending, state: &ControlState) -> Result<Added, NotPending> {
        let key = key(&command);
        let kept = self.commands.get(&key);
        if kept == Some(&command) {
            return Ok(Added::Known);
        }
        standing(&command, state)?;
        if let Some(kept) = kept.filter(|kept| !supersedes(&command, kept)) {
            return contradiction(kept, &command, state);
        }
        verify(&command, state)?;
        self.commands.insert(key, command);
        Ok(Added::New)
    }

    /// What this node would propose as the next L1 view; nothing withdraws it.
    pub fn set_l1_view(&mut self, view: Option<(L1View, Vec<L1Event>)>) {
        self.l1_view = view;
    }

    /// Drops what was decided or can no longer be; to be called after each decided block.
    pub fn drop_stale(&mut self, state: &ControlState) {
        self.commands.retain(|_, command| !matches!(standing(command, state), Err(NotPending::Stale)));
        if self.l1_view.as_ref().is_some_and(|(view, _)| view.number <= state.l1_view().number) {
            self.l1_view = None;
        }
    }

    /// Everything kept, in the order of proposing: to be sent to a peer that comes back.
    pub fn commands(&self) -> impl Iterator<Item = &Pending> {
        self.commands.values()
    }

    pub(crate) fn close_votes(&self) -> impl Iterator<Item = &CloseVote> {
        self.commands.values().filter_map(|command| match command {
            Pending::Close(vote) => Some(vote),
            _ => None,
        })
    }

    pub(crate) fn l1_view(&self) -> Option<&(L1View, Vec<L1Event>)> {
        self.l1_view.as_ref()
    }
}

fn key(command: &Pending) -> (Slot, Address) {
    match command {
        Pending::Close(m) => (Slot::Close, m.validator),
        Pending::RegisterIncarnation(m) => (Slot::Incarnation, m.validator),
        Pending::DkgCommitments(m) => (Slot::Commitments, m.validator),
        Pending::DkgShares(m) => (Slot::Shares, m.validator),
        Pending::DkgConfirm(m) => (Slot::Confirm, m.validator),
        Pending::Evidence(m) => (Slot::Evidence, m.validator),
        Pending::Readiness(m) => (Slot::Readiness, m.validator),
        Pending::EpochReadiness(m) => (Slot::EpochReadiness, m.validator),
    }
}

/// Whether `new` takes the place of `old`, which is of the same kind and author: only if it is about something later.
fn supersedes(new: &Pending, old: &Pending) -> bool {
    match (new, old) {
        (Pending::Close(new), Pending::Close(old)) => new.term > old.term,
        (Pending::RegisterIncarnation(new), Pending::RegisterIncarnation(old)) => new.incarnation > old.incarnation,
        (Pending::Readiness(new), Pending::Readiness(old)) => {
            (new.term, new.control_height, new.slot) > (old.term, old.control_height, old.slot)
        }
        (Pending::EpochReadiness(new), Pending::EpochReadiness(old)) => new.epoch > old.epoch,
        _ => match (dkg_message(new), dkg_message(old)) {
            (Some(new), Some(old)) => new.attempt() > old.attempt(),
            _ => false,
        },
    }
}

/// What a second command in the place of a kept one shows: two close votes convict, the rest is nothing new.
fn contradiction(kept: &Pending, second: &Pending, state: &ControlState) -> Result<Added, NotPending> {
    let (Pending::Close(first), Pending::Close(second)) = (kept, second) else { return Ok(Added::Known) };
    let term = state.open_term().ok_or(NotPending::Early)?;
    second.verify_author(term)?;
    let (first, second) = (Box::new(first.clone()), Box::new(second.clone()));
    Ok(Added::Evidence(Box::new(Evidence::DoubleClose { first, second }.proof(term)?)))
}

/// The message of a key generation, if the command is one.
pub(crate) fn dkg_message(command: &Pending) -> Option<DkgMessage<'_>> {
    match command {
        Pending::DkgCommitments(m) => Some(DkgMessage::Commitments(m)),
        Pending::DkgShares(m) => Some(DkgMessage::Shares(m)),
        Pending::DkgConfirm(m) => Some(DkgMessage::Confirm(m)),
        _ => None,
    }
}

/// Whether the command may still be decided, leaving signatures aside. Messages for a later phase of the running
/// attempt wait.
fn standing(command: &Pending, state: &ControlState) -> Result<(), NotPending> {
    if let Some(message) = dkg_message(command) {
        let dkg = state.dkg();
        return match message.attempt().cmp(&dkg.attempt()) {
            std::cmp::Ordering::Less => Err(NotPending::Stale),
            std::cmp::Ordering::Greater => Err(NotPending::Early),
            std::cmp::Ordering::Equal if message.phase() > dkg.phase() || dkg.awaits(&message) => Ok(()),
            std::cmp::Ordering::Equal => Err(NotPending::Stale),
        };
    }
    match command {
        Pending::Close(vote) => {
            let last = state.closed_terms().next_back().map_or(0, |closed| closed.term);
            match state.open_term() {
                _ if vote.term <= last => Err(NotPending::Stale),
                Some(open) if vote.term == open.number => Ok(()),
                _ => Err(NotPending::Early),
            }
        }
        Pending::RegisterIncarnation(m) if m.incarnation <= state.incarnation_of(&m.validator) => {
            Err(NotPending::Stale)
        }
        Pending::Readiness(said) => match state.open_term() {
            Some(open) if said.term < open.number => Err(NotPending::Stale),
            Some(open) if said.term == open.number && state.roll_call().says_more(said) => Ok(()),
            Some(open) if said.term == open.number => Err(NotPending::Stale),
            _ => Err(NotPending::Early),
        },
        Pending::EpochReadiness(said) => match state.next_epoch() {
            _ if said.epoch <= state.epoch().number => Err(NotPending::Stale),
            Some(next) if next.number() == said.epoch && next.key() == Some(said.key) => {
                if next.ready().contains(&said.validator) { Err(NotPending::Stale) } else { Ok(()) }
            }
            _ => Err(NotPending::Early),
        },
        Pending::Evidence(proof) => match state.term_of(proof) {
            Some(term) => {
                let id = term.set.get(&proof.validator).map(|v| v.id);
                let jail = state.jail();
                let known = id.is_some_and(|id| jail.get(id).is_some() || jail.has_served(id, proof));
                if known { Err(NotPending::Stale) } else { Ok(()) }
            }
            None if is_ahead(proof, state) => Err(NotPending::Early),
            None => Err(NotPending::Stale),
        },
        _ => Ok(()),
    }
}

/// Whether a proof names a term or control height above those known here.
fn is_ahead(proof: &Proof, state: &ControlState) -> bool {
    match proof.engine_height() {
        Some(height) => height > state.height().saturating_add(1),
        None => state.open_term().is_none_or(|term| proof.term > term.number),
    }
}

fn verify(command: &Pending, state: &ControlState) -> Result<(), NotPending> {
    let epoch = state.epoch();
    if let Some(message) = dkg_message(command) {
        let (number, set) = state.keygen();
        return Ok(message.verify(set, state.domain(), number)?);
    }
    match command {
        Pending::Close(vote) => match vote.verify(state.open_term().ok_or(NotPending::Early)?) {
            Err(StatementError::HeightUnknown { .. }) => Err(NotPending::Early),
            checked => Ok(checked?),
        },
        Pending::EpochReadiness(said) => match state.next_epoch() {
            Some(next) if next.counts(said, state.domain()) => Ok(()),
            _ => Err(NotPending::BadEpochReadiness),
        },
        Pending::Readiness(said) => Ok(said.verify(state.open_term().ok_or(NotPending::Early)?)?),
        Pending::Evidence(proof) => Ok(state.judge(proof).map(|_| ())?),
        Pending::RegisterIncarnation(m) if !m.verify(&epoch.set, state.domain()) => Err(NotPending::BadRegistration),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
