//! Where one epoch meets another: who signed the blocks of those that are over, whose commits count, and the slot at whose
//! end the present one is over.

use horae_control::{BlockFacts, Epoch, SignedBlock, Term, Validator, ValidatorSet, recover};
use horae_stages::{Header, StateSource};
use metrics::counter;

use super::Replica;

/// Incarnations below the last known one under which a block of an earlier term may have been signed.
const EARLIER_INCARNATIONS: u64 = 16;

impl<S: StateSource> Replica<S> {
    /// Whether the block is the last of the last slot of its epoch: it ends its slot, and names a control height at which the
    /// next epoch was due. Whoever executed it has applied that height, so all say the same of it.
    pub(super) fn ends_epoch(&self, block: &BlockFacts) -> bool {
        let Some(term) = self.voter.term() else { return false };
        let due = self.control.epoch_due_height.is_some_and(|due| block.control_height >= due);
        due && block.ends_slot && block.term == term.number && block.id != term.parent.id
    }

    /// Whether this validator is to vote for the closing that opens the next epoch: the last slot has ended, with a certificate.
    pub(super) fn epoch_ends(&self) -> bool {
        let head = self.chain.head_facts();
        let certified = || self.voter.certificate().is_some_and(|certificate| certificate.block == head.id);
        self.ends_epoch(&head) && certified() && self.voter.has_voice()
    }

    /// The validators of an epoch, as far as it is known here.
    pub(super) fn set_of(&self, epoch: u64) -> Option<&ValidatorSet> {
        match self.voter.term() {
            Some(term) if term.epoch == epoch => Some(&term.set),
            _ => self.past_epoch(epoch).map(|past| &past.set),
        }
    }

    /// Checks that the sequencer of its slot signed the block. One of an earlier term, which is settled already, may bear an
    /// earlier incarnation of it; one of an epoch that is no longer known is believed, and stays only if the chain that is
    /// settled turns out to contain it.
    pub(super) fn check_signature(&self, block: &SignedBlock, term: &Term) -> Result<(), String> {
        let facts = &block.facts;
        let sequencer = match self.past_epoch(facts.epoch) {
            _ if facts.epoch == term.epoch => term.sequencer_of(facts.slot),
            Some(past) => leader(past, facts.slot),
            None if facts.term >= term.number => None,
            None => {
                counter!("horae_blocks_of_forgotten_epochs").increment(1);
                return Ok(());
            }
        };
        let sequencer = sequencer.ok_or_else(|| format!("slot {} has no sequencer", facts.slot))?;
        let last = sequencer.incarnation;
        let lowest = if facts.term == term.number { last } else { last.saturating_sub(EARLIER_INCARNATIONS) };
        let signed_as = |incarnation| {
            let digest = SignedBlock::digest(facts, &term.domain, incarnation);
            recover(digest, &block.signature) == Some(sequencer.signer)
        };
        match (lowest..=last).rev().any(signed_as) {
            true => Ok(()),
            false => Err(format!("not signed by {}, who holds slot {}", sequencer.signer, facts.slot)),
        }
    }

    /// Whether the header names the signer whose slot it is. Of an epoch that is forgotten it cannot be said.
    pub(super) fn check_sequencer(&self, header: &Header, term: &Term) -> Result<(), String> {
        let sequencer = match self.past_epoch(header.epoch) {
            _ if header.epoch == term.epoch => term.sequencer_of(header.slot),
            Some(past) => leader(past, header.slot),
            None => return Ok(()),
        };
        match sequencer.filter(|sequencer| sequencer.signer == header.sequencer) {
            Some(_) => Ok(()),
            None => Err(format!("{} does not lead slot {}", header.sequencer, header.slot)),
        }
    }

    fn past_epoch(&self, number: u64) -> Option<&Epoch> {
        self.control.past_epochs.iter().rev().find(|epoch| epoch.number == number).map(|epoch| &**epoch)
    }
}

fn leader(epoch: &Epoch, slot: u64) -> Option<&Validator> {
    epoch.schedule.leader(slot).map(|at| &epoch.set.validators()[at])
}
