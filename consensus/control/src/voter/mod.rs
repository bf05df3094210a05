//! One validator's promises for its whole life (design section 5, "Acks", "Streaming", "Failover").
//!
//! Each decision gives back a [`Record`] and a statement. The record must be on stable storage before the statement is
//! sent; then two acks at one height, two close votes or two blocks at one height never leave, whatever crashes. If
//! storing fails, the process must stop: the decision has been taken here and cannot be taken back.
//!
//! What only the node can know is for the node to do before it asks: that it executed the block with the same result,
//! that block and control height are on stable storage, and that the timestamp is at most `drift` ahead of its clock.

mod promises;
mod restore;

use std::collections::BTreeMap;

use alloy_primitives::Address;

use crate::digest::Domain;
use crate::evidence::Evidence;
use crate::memory::SpokenInTerm;
use crate::planted;
use crate::record::Record;
use crate::sign::{Signature, SignerKey};
use crate::statement::{Ack, BlockFacts, BlockId, Certificate, CloseVote, Commit, SignedBlock, StatementError};
use crate::term::Term;
use promises::Promises;
pub use restore::RestoreError;

/// A decision: store the record, then send the statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voted<S> {
    /// To be on stable storage first.
    pub record: Record,
    /// To be sent after.
    pub statement: S,
}

/// Why the voter does not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No term is open.
    #[error("no term is open")]
    NoOpenTerm,
    /// This validator is not in the set of the open term, or its incarnation counts only from a later term.
    #[error("incarnation {incarnation} of {validator} has no voice in term {term}")]
    NoVoice {
        /// This validator.
        validator: Address,
        /// Its incarnation.
        incarnation: u64,
        /// The open term.
        term: u64,
    },
    /// This validator does not know yet whether it remembers all that it said.
    #[error("silent until the other validators have said what they know of this one")]
    Silent,
    /// This validator has voted to close the term.
    #[error("voted to close term {term}")]
    VotedToClose {
        /// The open term.
        term: u64,
    },
    /// The block, or a higher one, was acked before.
    #[error("acked up to {tip} already")]
    AlreadyAcked {
        /// The block acked last.
        tip: BlockId,
    },
    /// A block below is missing here; ask again once it has been acked.
    #[error("acked up to {tip}, cannot ack block {number} yet")]
    Gap {
        /// The block acked last, or the term's parent.
        tip: BlockId,
        /// Height of the block refused.
        number: u64,
    },
    /// More than the window above the highest commit known; ask again after the next commit.
    #[error("block {number} is more than {window} above the highest commit known, {committed}")]
    WindowFull {
        /// Height of the block refused.
        number: u64,
        /// Highest committed height known.
        committed: u64,
        /// The window, in blocks.
        window: u64,
    },
    /// The first block of a slot came without the certificate of the block below.
    #[error("a slot begins above {parent}, whose certificate is missing")]
    CertificateMissing {
        /// Last block of the slot before.
        parent: BlockId,
    },
    /// The sequencer has signed two blocks at one height.
    #[error("the sequencer signed two blocks at one height")]
    Equivocation(Box<Evidence>),
    /// The slot is another validator's, or not the next one, or was begun before.
    #[error("slot {slot} cannot be begun here")]
    NotOurSlot {
        /// The slot asked for.
        slot: u64,
    },
    /// Nothing may be sealed in the slot: it was not begun by this process.
    #[error("slot {slot} was not begun since the last restart")]
    NotBegun {
        /// The slot asked for.
        slot: u64,
    },
    /// The statement itself does not count.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

/// The slot begun last, and what was sealed in it since this process began it.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
struct Begun {
    term: u64,
    slot: u64,
    /// The block to build on; nothing if the slot was begun before a restart.
    last: Option<BlockFacts>,
}

/// One validator's voice in acks, close votes and sealing.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Voter {
    domain: Domain,
    key: SignerKey,
    incarnation: u64,
    open: Option<Term>,
    promises: BTreeMap<u64, Promises>,
    begun: Option<Begun>,
    committed: u64,
    /// Nothing may be said yet: whether the log is whole is not known.
    silent: bool,
    /// The highest certificate of the open term that was learned in silence: held as soon as there is a voice to say so. The
    /// window counts from what it commits, so without it a close vote could list more than a window of blocks.
    learned: Option<Certificate>,
    /// The highest term that the stored records name: earlier ones are over, and what was said in them may be cut off.
    floor: u64,
}

impl Voter {
    /// A validator that has never spoken. One that has must be made by [`Voter::restore`].
    pub fn new(domain: Domain, key: SignerKey, incarnation: u64) -> Self {
        Self {
            domain,
            key,
            incarnation,
            open: None,
            promises: BTreeMap::new(),
            begun: None,
            committed: 0,
            silent: false,
            learned: None,
            floor: 0,
        }
    }

    /// Says nothing until [`Voter::speak_as`].
    pub fn hush(&mut self) {
        self.silent = true;
    }

    /// May speak from now on, as this incarnation, and holds the highest certificate that it has learned in silence. As a new
    /// incarnation it forgets what it promised: that bound the old one, and the new one has a voice only in terms opened
    /// after its registration.
    pub fn speak_as(&mut self, incarnation: u64) -> Option<Voted<Option<Ack>>> {
        if incarnation != self.incarnation {
            self.incarnation = incarnation;
            self.promises.clear();
            self.begun = None;
        }
        self.silent = false;
        let learned = self.learned.take()?;
        self.take_in(&learned)
    }

    /// Whether what this validator says counts in the open term: it is in the set as its present incarnation, and is not
    /// silent.
    pub fn has_voice(&self) -> bool {
        let Some(term) = &self.open else { return false };
        let counted = term.set.get(&self.address()).is_some_and(|v| v.incarnation == self.incarnation);
        counted && !self.silent
    }

    /// What it has said, as far as it remembers: to compare with what others know of it.
    pub fn said(&self) -> BTreeMap<u64, SpokenInTerm> {
        let said = |promises: &Promises| SpokenInTerm {
            ack: promises.last_ack(),
            certificate: promises.certified(),
            close: promises.close.clone(),
            begun: None,
        };
        let mut terms: BTreeMap<u64, SpokenInTerm> =
            self.promises.iter().map(|(term, promises)| (*term, said(promises))).collect();
        if let Some(begun) = &self.begun {
            terms.entry(begun.term).or_default().begun = Some(begun.slot);
        }
        terms
    }

    /// This validator's address.
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// The open term.
    pub fn term(&self) -> Option<&Term> {
        self.open.as_ref()
    }

    /// Learns of later decisions about turns in the open term; of another term it learns nothing.
    pub fn learn_skips(&mut self, term: &Term) {
        if let Some(open) = self.open.as_mut().filter(|open| open.number == term.number) {
            open.skips.learn(&term.skips);
        }
    }

    /// Takes over the term that the control plane has opened; earlier ones are over. An older term than the open one, or
    /// than one that was spoken in before a restart, changes nothing: a node whose control plane is replayed from further
    /// back than its log of promises was cut must not speak twice.
    pub fn open_term(&mut self, term: Term) {
        if term.number < self.floor || self.open.as_ref().is_some_and(|open| open.number >= term.number) {
            return;
        }
        let spoken_last = self.spoken_last().unwrap_or(term.number);
        self.promises = self.promises.split_off(&spoken_last.min(term.number));
        if planted!(EarlierCertificate)
            && let Some(earlier) = self.certificate().cloned()
        {
            self.promises.entry(term.number).or_default().adopt(earlier);
        }
        if !planted!(WindowStaysShut) {
            self.committed = self.committed.max(term.parent.id.number);
        }
        if let Some(certificate) = self.promises.get(&term.number).and_then(|said| said.certificate.as_ref()) {
            learn(&mut self.committed, certificate, &term);
        }
        self.learned = None;
        self.open = Some(term);
    }

    /// Highest committed height known: by the last decision, a commit or a certificate shown to this voter.
    pub fn committed_number(&self) -> u64 {
        self.committed
    }

    /// The block acked last in the open term.
    pub fn tip(&self) -> Option<BlockFacts> {
        self.spoken()?.tip()
    }

    /// The ack sent last in the open term; sent again after a restart.
    pub fn last_ack(&self) -> Option<Ack> {
        self.spoken()?.last_ack()
    }

    /// The highest certificate of the open term that was taken in.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.spoken()?.certificate.as_ref()
    }

    /// The close vote for the open term, to be sent again as it is.
    pub fn close_vote(&self) -> Option<&CloseVote> {
        self.spoken()?.close.as_ref()
    }

    /// A slot of the open term that was begun before the last restart. If the node's log lacks the slot's last block, it
    /// must vote to close the term.
    pub fn begun_before_restart(&self) -> Option<u64> {
        let begun = self.begun.as_ref()?;
        let open = self.open.as_ref()?;
        let unfinished = begun.term == open.number && begun.last.is_none();
        (unfinished && !planted!(RestartedSequencerSeals)).then_some(begun.slot)
    }

    /// Acks the next block of the open term.
    ///
    /// `carried` is the certificate that a slot's first block brings of the block below; it is not looked at otherwise.
    /// The node has executed the block with the same result and stored it.
    pub fn ack(&mut self, block: &SignedBlock, carried: Option<&Certificate>) -> Result<Voted<Ack>, Refused> {
        let Speaking { term, promises, key, domain, incarnation, committed, .. } = self.speaking()?;
        let facts = &block.facts;
        term.check_place(facts.epoch, facts.term)?;
        let tip = promises.tip().unwrap_or(term.parent);
        if facts.id.number <= tip.id.number {
            if let Some(evidence) = promises.conflict(block, term) {
                block.verify(term)?;
                return Err(Refused::Equivocation(Box::new(evidence)));
            }
            return Err(Refused::AlreadyAcked { tip: tip.id });
        }
        if facts.id.number - tip.id.number > 1 && !planted!(AckWithGap) {
            return Err(Refused::Gap { tip: tip.id, number: facts.id.number });
        }
        check_window(facts.id.number, *committed, term)?;
        if !planted!(AckWithGap) {
            term.check_child(facts, &tip)?;
        }
        let adopted = match opens_slot(term, &tip) {
            true => promises.parent_certificate(&tip, carried, term)?,
            false => None,
        };
        block.verify(term)?;

        if let Some(certificate) = &adopted {
            learn(committed, certificate, term);
            promises.adopt(certificate.clone());
        }
        let ack = Ack {
            validator: key.address(),
            incarnation,
            epoch: term.epoch,
            term: term.number,
            slot: facts.slot,
            block: facts.id,
            certificate: promises.certified(),
            signature: Signature([0; 65]),
        }
        .signed(domain, key);
        promises.push(*block, ack);
        Ok(Voted { record: Record::Ack { block: *block, adopted, ack }, statement: ack })
    }

    /// Takes in a certificate of the open term, whether or not its block has been acked here.
    ///
    /// If it is the highest so far, the block acked last is acked again, naming it. One that has voted to close, or has
    /// no voice, only learns from it what is committed.
    pub fn hold_certificate(&mut self, certificate: &Certificate) -> Result<Option<Voted<Option<Ack>>>, Refused> {
        let term = self.open.as_ref().ok_or(Refused::NoOpenTerm)?;
        check_certificate(certificate, term)?;
        if self.holds(certificate.block.number) {
            return Ok(None);
        }
        certificate.verify(&term.set, &term.domain)?;
        learn(&mut self.committed, certificate, term);
        Ok(self.take_in(certificate))
    }

    /// Takes in a commit of the open term: its certificate as by [`Voter::hold_certificate`], and the height that the
    /// window counts from.
    pub fn hold_commit(&mut self, commit: &Commit) -> Result<Option<Voted<Option<Ack>>>, Refused> {
        let term = self.open.as_ref().ok_or(Refused::NoOpenTerm)?;
        check_certificate(&commit.certificate, term)?;
        if commit.block().number <= self.committed {
            return Ok(None);
        }
        if self.certificate() != Some(&commit.certificate) {
            commit.certificate.verify(&term.set, &term.domain)?;
        }
        commit.verify_acks(&term.set, &term.domain)?;
        let higher = !self.holds(commit.block().number);
        if !planted!(WindowStaysShut) {
            self.committed = self.committed.max(commit.block().number);
        }
        Ok(if higher { self.take_in(&commit.certificate) } else { None })
    }

    /// Votes to close the open term. The vote is irrevocable and always the same.
    pub fn close(&mut self) -> Result<Voted<CloseVote>, Refused> {
        if let Some(vote) = self.close_vote() {
            return Ok(Voted { record: Record::Close(vote.clone()), statement: vote.clone() });
        }
        let Speaking { term, promises, key, domain, incarnation, .. } = self.speaking()?;
        let vote = CloseVote {
            validator: key.address(),
            incarnation,
            epoch: term.epoch,
            term: term.number,
            certificate: promises.certificate.clone(),
            acked: if planted!(NothingListed) { Vec::new() } else { promises.listed() },
            signature: Signature([0; 65]),
        }
        .signed(domain, key);
        promises.close = Some(vote.clone());
        Ok(Voted { record: Record::Close(vote.clone()), statement: vote })
    }

    /// Begins a slot of ours on the block acked last, whose certificate must be held. The record must be on stable
    /// storage before the slot's first block leaves.
    pub fn begin_slot(&mut self, slot: u64) -> Result<Record, Refused> {
        let Speaking { term, promises, key, incarnation, begun, .. } = self.speaking()?;
        let tip = promises.tip().unwrap_or(term.parent);
        let at_start = tip.id == term.parent.id || tip.ends_slot || planted!(RestartedSequencerSeals);
        let first_of_slot = at_start && term.can_judge_child(&tip);
        let ours = term.sequencer_after(&tip).is_some_and(|v| v.signer == key.address());
        let later =
            planted!(RestartedSequencerSeals) || begun.as_ref().is_none_or(|b| (b.term, b.slot) < (term.number, slot));
        if !first_of_slot || term.child_slot(&tip) != slot || !ours || !later {
            return Err(Refused::NotOurSlot { slot });
        }
        if opens_slot(term, &tip) && promises.certified() != Some(tip.id) {
            return Err(Refused::CertificateMissing { parent: tip.id });
        }
        *begun = Some(Begun { term: term.number, slot, last: Some(tip) });
        Ok(Record::SlotBegun { incarnation, term: term.number, slot })
    }

    /// Signs the next block of the slot that was begun. Its record is the note of the begun slot.
    ///
    /// How far to run ahead of the highest commit is for the node to pace: the window binds acks, and this validator's own
    /// ack of a block beyond it is refused like everyone's.
    pub fn seal(&mut self, facts: BlockFacts) -> Result<SignedBlock, Refused> {
        let Speaking { term, key, domain, incarnation, begun, .. } = self.speaking()?;
        let not_begun = Refused::NotBegun { slot: facts.slot };
        let begun = begun.as_mut().filter(|b| (b.term, b.slot) == (facts.term, facts.slot)).ok_or(not_begun.clone())?;
        let last = begun.last.as_mut().ok_or(not_begun)?;
        if !planted!(EquivocatingSequencer) {
            term.check_child(&facts, last)?;
        }
        *last = facts;
        Ok(SignedBlock::sign(facts, domain, incarnation, key))
    }

    /// The last term in which something was said or a slot begun.
    fn spoken_last(&self) -> Option<u64> {
        let said = self.promises.iter().rev().find(|(_, said)| **said != Promises::default()).map(|(term, _)| *term);
        said.max(self.begun.as_ref().map(|begun| begun.term))
    }

    fn spoken(&self) -> Option<&Promises> {
        self.promises.get(&self.open.as_ref()?.number)
    }

    fn holds(&self, number: u64) -> bool {
        self.certificate().into_iter().chain(&self.learned).any(|c| c.block.number >= number)
    }

    /// Makes a verified certificate, higher than the one held, the highest one; nothing if there is no voice to do so.
    fn take_in(&mut self, certificate: &Certificate) -> Option<Voted<Option<Ack>>> {
        if self.silent {
            self.learned = Some(certificate.clone());
            return None;
        }
        let Speaking { promises, key, domain, .. } = self.speaking().ok()?;
        promises.adopt(certificate.clone());
        let ack = promises.last_ack().map(|last| {
            let ack = Ack { certificate: Some(certificate.block), ..last }.signed(domain, key);
            promises.replace_last_ack(ack);
            ack
        });
        Some(Voted { record: Record::Certificate { certificate: certificate.clone(), ack }, statement: ack })
    }

    /// What speaking in the open term needs, if this validator may speak in it.
    fn speaking(&mut self) -> Result<Speaking<'_>, Refused> {
        let term = self.open.as_ref().ok_or(Refused::NoOpenTerm)?;
        if self.silent {
            return Err(Refused::Silent);
        }
        let validator = self.key.address();
        if term.set.get(&validator).is_none_or(|v| v.incarnation != self.incarnation) {
            return Err(Refused::NoVoice { validator, incarnation: self.incarnation, term: term.number });
        }
        let promises = self.promises.entry(term.number).or_default();
        let later_slot = planted!(CloseForSlotOnly) && promises.tip().is_some_and(|tip| tip.ends_slot);
        let unbound = later_slot || planted!(AckAfterClose);
        if promises.close.is_some() && !unbound {
            return Err(Refused::VotedToClose { term: term.number });
        }
        Ok(Speaking {
            term,
            promises,
            key: &self.key,
            domain: &self.domain,
            incarnation: self.incarnation,
            begun: &mut self.begun,
            committed: &mut self.committed,
        })
    }
}

struct Speaking<'a> {
    term: &'a Term,
    promises: &'a mut Promises,
    key: &'a SignerKey,
    domain: &'a Domain,
    incarnation: u64,
    begun: &'a mut Option<Begun>,
    committed: &'a mut u64,
}

/// Whether a child of `tip` is the first of a slot by handover, so that it needs the certificate of `tip`.
fn opens_slot(term: &Term, tip: &BlockFacts) -> bool {
    tip.ends_slot && tip.id != term.parent.id
}

fn check_window(number: u64, committed: u64, term: &Term) -> Result<(), Refused> {
    let window = term.window_blocks;
    if number.saturating_sub(committed) > window {
        return Err(Refused::WindowFull { number, committed, window });
    }
    Ok(())
}

fn check_certificate(certificate: &Certificate, term: &Term) -> Result<(), StatementError> {
    term.check_place(certificate.epoch, certificate.term)?;
    if certificate.block.number <= term.parent.id.number {
        return Err(StatementError::NotChild { child: certificate.block, parent: term.parent.id });
    }
    Ok(())
}

fn learn(committed: &mut u64, certificate: &Certificate, term: &Term) {
    if let Some(number) = certificate.committed_number(&term.set).filter(|_| !planted!(WindowStaysShut)) {
        *committed = (*committed).max(number);
    }
}

#[cfg(test)]
mod tests;
