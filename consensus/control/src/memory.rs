//! Does this validator remember all that it said (design section 5, "Memory")?
//!
//! A log that was lost, cut, or put back from an old copy, and a second machine with the same keys, look alike from the
//! inside: the log is shorter than what the validator has said. So at start a validator says nothing and asks the others
//! for the newest that they know of it. Once > 2/3 of the weights, itself included, have answered, it either goes on as
//! it was, or takes up a new incarnation, which has a voice only in terms opened after its registration.
//!
//! Whoever asks believes no answer: each carries statements that it signed itself, so that a liar can hide what it
//! knows, but not invent a gap.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256};

use crate::command::RegisterIncarnation;
use crate::digest::Domain;
use crate::planted;
use crate::set::ValidatorSet;
use crate::sign::{Signature, recover};
use crate::statement::{Ack, BlockId, CloseVote, SignedBlock, SignedEngineStatement};

/// Where a Tendermint statement stands; later is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VotePlace {
    /// Control height.
    pub height: u64,
    /// Round.
    pub round: u32,
    /// 0 for a proposal, 1 for a prevote, 2 for a precommit.
    pub step: u8,
}

/// What a validator's own log says that it said in one term.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpokenInTerm {
    /// The last ack.
    pub ack: Option<Ack>,
    /// Block of the highest certificate held.
    pub certificate: Option<BlockId>,
    /// The close vote.
    pub close: Option<CloseVote>,
    /// The last slot begun.
    pub begun: Option<u64>,
}

/// What a validator's own log says that it said in its present incarnation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// By term.
    pub terms: BTreeMap<u64, SpokenInTerm>,
    /// The term that is open by its own control state: what it said in earlier ones binds it no more. 0 if none is.
    pub open_term: u64,
    /// The control height that its own log has decided.
    pub decided_height: u64,
    /// The newest Tendermint statement in its own log above that height.
    pub vote: Option<VotePlace>,
}

/// What another validator knows to be the newest of the one that asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its last registration.
    pub registration: Option<RegisterIncarnation>,
    /// Its ack for the highest block of the open term.
    pub ack: Option<Ack>,
    /// Its close vote of the open term.
    pub close: Option<CloseVote>,
    /// Its newest Tendermint statement.
    pub vote: Option<SignedEngineStatement>,
    /// Its highest block of the open term.
    pub sealed: Option<SignedBlock>,
}

/// What follows once enough have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// The log holds all that is known: speak on as this incarnation.
    Whole {
        /// The incarnation.
        incarnation: u64,
    },
    /// The log lacks something: nothing more may be said as an incarnation below this one, which is to be registered.
    Forgotten {
        /// The incarnation to register.
        incarnation: u64,
    },
}

/// The question of one validator, and the answers so far.
#[derive(Debug)]
pub struct Recall {
    domain: Domain,
    me: Address,
    set: ValidatorSet,
    spoken: Spoken,
    /// The incarnation that this validator takes itself to be.
    present: u64,
    registered: u64,
    answered: BTreeSet<Address>,
    /// The highest incarnation that answers show to have been used or registered.
    highest: u64,
    lacking: bool,
}

impl Recall {
    /// A question to the validators of `set`.
    ///
    /// `registered` is the incarnation by our own control state; `floor` the lowest that may speak, as noted when an
    /// earlier life found out that it had forgotten something, else 0.
    pub fn new(domain: Domain, me: Address, set: ValidatorSet, spoken: Spoken, registered: u64, floor: u64) -> Self {
        let present = registered.max(floor);
        Self {
            domain,
            me,
            set,
            spoken,
            present,
            registered,
            answered: BTreeSet::from([me]),
            highest: present,
            lacking: false,
        }
    }

    /// Takes in an answer; what is in it counts only as far as it bears our own signature.
    pub fn hear(&mut self, from: Address, known: &Known) {
        if self.set.index_of(&from).is_none() {
            return;
        }
        self.answered.insert(from);
        if let Some(registration) = &known.registration
            && self.is_ours(registration.validator, registration.digest(&self.domain), &registration.signature)
        {
            self.heard(registration.incarnation, true);
        }
        if let Some(ack) = &known.ack
            && self.is_ours(ack.validator, ack.digest(&self.domain), &ack.signature)
        {
            self.heard(ack.incarnation, self.spoken.covers_ack(ack));
        }
        if let Some(vote) = &known.close
            && self.is_ours(vote.validator, vote.digest(&self.domain), &vote.signature)
        {
            self.heard(vote.incarnation, self.spoken.covers_close(vote));
        }
        if let Some(block) = &known.sealed
            && self.is_ours(self.me, SignedBlock::digest(&block.facts, &self.domain, self.present), &block.signature)
        {
            self.heard(self.present, self.spoken.covers_block(block));
        }
        if let Some(vote) = known.vote.filter(|vote| vote.is_by(&self.me, &self.domain)) {
            self.heard(vote.incarnation, self.spoken.covers_vote(vote.statement.place()));
        }
    }

    /// Who has not answered yet, in the order of the set.
    pub fn missing(&self) -> impl Iterator<Item = Address> {
        self.set.validators().iter().map(|v| v.signer).filter(|signer| !self.answered.contains(signer))
    }

    /// What follows, once > 2/3 of the weights have answered.
    pub fn verdict(&self) -> Option<Recalled> {
        let weight = self.answered.iter().filter_map(|signer| self.set.get(signer)).map(|v| v.weight).sum();
        let of_few = planted!(MemoryOfTooFew) && self.answered.len() > 1;
        if of_few || planted!(OldBackupSpeaks) {
            return Some(Recalled::Whole { incarnation: self.present });
        }
        if !self.set.is_quorum(weight) {
            return None;
        }
        Some(if self.lacking {
            Recalled::Forgotten { incarnation: self.highest.saturating_add(1) }
        } else if self.present > self.registered {
            Recalled::Forgotten { incarnation: self.present }
        } else {
            Recalled::Whole { incarnation: self.present }
        })
    }

    fn is_ours(&self, author: Address, signed: B256, signature: &Signature) -> bool {
        author == self.me && recover(signed, signature) == Some(self.me)
    }

    fn heard(&mut self, incarnation: u64, covered: bool) {
        self.highest = self.highest.max(incarnation);
        self.lacking |= incarnation > self.present || (incarnation == self.present && !covered);
    }
}

impl Spoken {
    fn covers_ack(&self, ack: &Ack) -> bool {
        if ack.term < self.open_term {
            return true;
        }
        let Some(said) = self.terms.get(&ack.term) else { return false };
        let acked = said.ack.is_some_and(|own| own.block == ack.block || own.block.number > ack.block.number);
        let held = said.certificate.map_or(0, |certificate| certificate.number);
        acked && ack.certificate.is_none_or(|named| named.number <= held)
    }

    fn covers_close(&self, vote: &CloseVote) -> bool {
        let said = self.terms.get(&vote.term).and_then(|said| said.close.as_ref());
        vote.term < self.open_term || said.is_some_and(|own| own.content() == vote.content())
    }

    /// The note of a begun slot covers every block of it.
    fn covers_block(&self, block: &SignedBlock) -> bool {
        let (term, slot) = (block.facts.term, block.facts.slot);
        term < self.open_term || self.terms.get(&term).is_some_and(|said| said.begun.is_some_and(|begun| begun >= slot))
    }

    fn covers_vote(&self, place: VotePlace) -> bool {
        place.height <= self.decided_height || self.vote.is_some_and(|own| own >= place)
    }
}

#[cfg(test)]
mod tests;
