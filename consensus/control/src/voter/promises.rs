//! What one validator has said in one term.

use super::Refused;
use crate::evidence::Evidence;
use crate::record::Record;
use crate::statement::{Ack, BlockFacts, BlockId, Certificate, CloseVote, SignedBlock};
use crate::term::Term;

/// Everything that binds a validator in one term.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Promises {
    /// The highest certificate held.
    pub(super) certificate: Option<Certificate>,
    /// The close vote; nothing is said after it.
    pub(super) close: Option<CloseVote>,
    /// Blocks acked above the certificate, lowest first: what a close vote lists. At most the window.
    above: Vec<(SignedBlock, Ack)>,
    /// The block acked last, and its ack as sent last.
    last: Option<(SignedBlock, Ack)>,
}

impl Promises {
    pub(super) fn tip(&self) -> Option<BlockFacts> {
        self.last.as_ref().map(|(block, _)| block.facts)
    }

    pub(super) fn last_ack(&self) -> Option<Ack> {
        self.last.as_ref().map(|(_, ack)| *ack)
    }

    pub(super) fn replace_last_ack(&mut self, ack: Ack) {
        if let Some((_, last)) = &mut self.last {
            *last = ack;
        }
        if let Some((_, last)) = self.above.last_mut() {
            *last = ack;
        }
    }

    /// Block of the highest certificate held.
    pub(super) fn certified(&self) -> Option<BlockId> {
        self.certificate.as_ref().map(|c| c.block)
    }

    /// Blocks acked above the certificate's height.
    pub(super) fn listed(&self) -> Vec<SignedBlock> {
        self.above.iter().map(|(block, _)| *block).collect()
    }

    pub(super) fn push(&mut self, block: SignedBlock, ack: Ack) {
        if self.certified().is_none_or(|c| block.facts.id.number > c.number) {
            self.above.push((block, ack));
        }
        self.last = Some((block, ack));
    }

    /// Makes `certificate` the highest one, unless a higher one is held.
    pub(super) fn adopt(&mut self, certificate: Certificate) {
        let number = certificate.block.number;
        if self.certified().is_some_and(|held| held.number >= number) {
            return;
        }
        self.above.retain(|(block, _)| block.facts.id.number > number);
        self.certificate = Some(certificate);
    }

    /// Checks that the certificate of `parent` is held or was brought along; gives it if it is new and higher than the
    /// one held.
    pub(super) fn parent_certificate(
        &self,
        parent: &BlockFacts,
        carried: Option<&Certificate>,
        term: &Term,
    ) -> Result<Option<Certificate>, Refused> {
        if self.certified() == Some(parent.id) {
            return Ok(None);
        }
        let carried = carried.filter(|c| c.block == parent.id && c.slot == parent.slot);
        let certificate = carried.ok_or(Refused::CertificateMissing { parent: parent.id })?;
        term.check_place(certificate.epoch, certificate.term)?;
        certificate.verify(&term.set, &term.domain)?;
        let higher = self.certified().is_none_or(|held| held.number < parent.id.number);
        Ok(higher.then(|| certificate.clone()))
    }

    /// Whether `block` and one that was acked here show that a sequencer signed twice at one height.
    pub(super) fn conflict(&self, block: &SignedBlock, term: &Term) -> Option<Evidence> {
        self.above.iter().chain(&self.last).find_map(|(acked, _)| Evidence::between_blocks(acked, block, term))
    }

    /// Appends an ack read back from the log; nothing if it does not continue the ones before.
    ///
    /// The first one may stand anywhere: the log is cut below the highest certificate.
    pub(super) fn restore(&mut self, block: SignedBlock, ack: Ack) -> Option<()> {
        let number = block.facts.id.number;
        match &self.last {
            Some((last, sent)) if number == last.facts.id.number => {
                if *last != block || sent.block != ack.block {
                    return None;
                }
                self.replace_last_ack(ack);
                Some(())
            }
            Some((last, _)) if number < last.facts.id.number => self.say_again(block, ack),
            Some((last, _)) if last.facts.id.number + 1 < number || block.facts.parent != last.facts.id.hash => None,
            _ => {
                self.push(block, ack);
                Some(())
            }
        }
    }

    /// A log that was cut down says again what it still has, and with it what was cut off in front.
    fn say_again(&mut self, block: SignedBlock, ack: Ack) -> Option<()> {
        let id = block.facts.id;
        if self.certified().is_some_and(|certified| id.number <= certified.number) {
            return Some(());
        }
        let at = self.above.partition_point(|(acked, _)| acked.facts.id.number < id.number);
        if let Some((acked, sent)) = self.above.get(at).filter(|(acked, _)| acked.facts.id.number == id.number) {
            return (*acked == block && sent.block == ack.block).then_some(());
        }
        let above = self.above.get(at).map(|(acked, _)| acked.facts);
        let below = at.checked_sub(1).and_then(|at| self.above.get(at)).map(|(acked, _)| acked.facts);
        let fits_above = above.is_none_or(|above| above.id.number > id.number + 1 || above.parent == id.hash);
        let fits_below =
            below.is_none_or(|below| below.id.number + 1 < id.number || block.facts.parent == below.id.hash);
        (fits_above && fits_below).then(|| self.above.insert(at, (block, ack)))
    }

    /// Whether a record stored behind the close vote says nothing that the vote does not stand for.
    pub(super) fn covers(&self, record: &Record) -> bool {
        let Some(vote) = &self.close else { return false };
        let certified = vote.certificate.as_ref().map_or(0, |certificate| certificate.block.number);
        match record {
            Record::Ack { block, ack, .. } => {
                let listed = vote.acked.iter().any(|acked| acked == block);
                let names = ack.certificate.map_or(0, |named| named.number);
                (listed || block.facts.id.number <= certified) && names <= certified
            }
            Record::Certificate { certificate, ack } => ack.is_none() && certificate.block.number <= certified,
            _ => false,
        }
    }

    /// The fewest records that restore these promises.
    pub(super) fn records(&self, records: &mut Vec<Record>) {
        if let Some(certificate) = &self.certificate {
            records.push(Record::Certificate { certificate: certificate.clone(), ack: None });
        }
        let acked = if self.above.is_empty() { self.last.as_slice() } else { &self.above };
        records.extend(acked.iter().map(|(block, ack)| Record::Ack { block: *block, adopted: None, ack: *ack }));
        records.extend(self.close.clone().map(Record::Close));
    }
}
