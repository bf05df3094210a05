//! Acks to certificates to commits, for the sequencer and the one after it (and whoever else wants to know).
//!
//! Bounded: above the highest commit known, each validator's acks count at its [`TALLY_WINDOWS`] windows of highest
//! heights, one block a height. There is no bound on the heights themselves: after a restart the highest commit may be
//! unknown here, and acks far above must still count. Each signature is checked once, and nothing is checked for what is
//! known already. Close votes are kept too, one a validator: an ack against its author's close vote convicts.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;

use crate::evidence::Evidence;
use crate::limits::TALLY_WINDOWS;
use crate::planted;
use crate::statement::{Ack, BlockId, Certificate, CertificateAck, CloseVote, Commit, StatementError};
use crate::term::Term;

/// Something that an ack completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tallied {
    /// > 2/3 acked this block.
    Certificate(Certificate),
    /// > 2/3 hold a certificate for this block or one above it.
    Commit(Commit),
    /// A validator contradicted itself. Said once a validator.
    Evidence(Evidence),
}

/// Why an ack or certificate was not counted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Junk {
    /// It is not of this term, not signed by whom it names, or otherwise does not count.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// It is for a block that the term does not build.
    #[error("block {number} is not above the parent of its term")]
    BelowTerm {
        /// Height named.
        number: u64,
    },
}

/// Acks for one block.
#[derive(Debug)]
struct Count {
    slot: u64,
    block: BlockId,
    weight: u64,
    acks: BTreeMap<Address, CertificateAck>,
}

/// Acks at one height.
#[derive(Debug, Default)]
struct Height {
    /// Which block each validator acked first here.
    first: BTreeMap<Address, Ack>,
    counts: Vec<Count>,
}

/// The tally of one term.
#[derive(Debug)]
pub struct Tally {
    term: Term,
    committed: u64,
    heights: BTreeMap<u64, Height>,
    /// The ack of each validator that names the highest certificate.
    holding: BTreeMap<Address, Ack>,
    /// Certificates above the highest commit known.
    certificates: BTreeMap<u64, Certificate>,
    /// The close vote of each validator that has been heard.
    closes: BTreeMap<Address, CloseVote>,
    convicted: BTreeSet<Address>,
}

impl Tally {
    /// An empty tally of a term.
    pub fn new(term: Term) -> Self {
        Self {
            committed: term.parent.id.number,
            term,
            heights: BTreeMap::new(),
            holding: BTreeMap::new(),
            certificates: BTreeMap::new(),
            closes: BTreeMap::new(),
            convicted: BTreeSet::new(),
        }
    }

    /// Highest committed height known.
    pub fn committed_number(&self) -> u64 {
        self.committed
    }

    /// The highest certificate above the highest commit known.
    pub fn highest_certificate(&self) -> Option<&Certificate> {
        self.certificates.values().next_back()
    }

    /// The ack of a validator for the highest block, of those counted here.
    pub fn newest_ack(&self, validator: &Address) -> Option<Ack> {
        let counted = self.heights.values().rev().find_map(|height| height.first.get(validator));
        let holding = self.holding.get(validator);
        counted.into_iter().chain(holding).max_by_key(|ack| (ack.block.number, ack.certificate)).copied()
    }

    /// Counts an ack; gives what it completed.
    pub fn add(&mut self, ack: &Ack) -> Result<Vec<Tallied>, Junk> {
        self.term.check_place(ack.epoch, ack.term)?;
        let weight = self
            .term
            .set
            .get(&ack.validator)
            .ok_or(StatementError::UnknownValidator { validator: ack.validator })?
            .weight;
        let number = ack.block.number;
        if number <= self.term.parent.id.number {
            return Err(Junk::BelowTerm { number });
        }
        let first = self.heights.get(&number).and_then(|height| height.first.get(&ack.validator)).copied();
        if let Some(first) = first.filter(|first| first.block != ack.block) {
            let (first, second) = (Box::new(first), Box::new(*ack));
            return self.convict(ack, Evidence::DoubleAck { first, second });
        }
        let closed = self.closes.get(&ack.validator);
        if let Some(evidence) = closed.and_then(|vote| Evidence::between_ack_and_close(ack, vote)) {
            return self.convict(ack, evidence);
        }
        let names_more = self.names_more(ack);
        let counts = number > self.committed && first.is_none();
        if !names_more && !counts {
            return Ok(Vec::new());
        }
        ack.verify(&self.term.set, &self.term.domain)?;
        if names_more {
            self.holding.insert(ack.validator, *ack);
        }
        let certificate = if counts { self.count(ack, weight) } else { None };
        let mut done: Vec<Tallied> = certificate.into_iter().map(Tallied::Certificate).collect();
        done.extend(self.commit().map(Tallied::Commit));
        Ok(done)
    }

    /// An ack against what its author said before: never counted, told once.
    fn convict(&mut self, ack: &Ack, evidence: Evidence) -> Result<Vec<Tallied>, Junk> {
        if self.convicted.contains(&ack.validator) {
            return Ok(Vec::new());
        }
        ack.verify(&self.term.set, &self.term.domain)?;
        self.convicted.insert(ack.validator);
        Ok(vec![Tallied::Evidence(evidence)])
    }

    /// Takes in a close vote, verified by the caller; gives what it and an ack of its author say against each other.
    pub fn hold_close_vote(&mut self, vote: &CloseVote) -> Option<Evidence> {
        let validator = vote.validator;
        let place = self.term.check_place(vote.epoch, vote.term);
        if place.is_err() || !self.term.has(&validator) || self.convicted.contains(&validator) {
            return None;
        }
        self.closes.entry(validator).or_insert_with(|| vote.clone());
        let counted = self.heights.values().filter_map(|height| height.first.get(&validator));
        let mut said = counted.chain(self.holding.get(&validator));
        let evidence = said.find_map(|ack| Evidence::between_ack_and_close(ack, vote))?;
        self.convicted.insert(validator);
        Some(evidence)
    }

    /// Takes in a certificate made elsewhere; gives the commit that it completed.
    pub fn hold_certificate(&mut self, certificate: &Certificate) -> Result<Option<Commit>, Junk> {
        self.term.check_place(certificate.epoch, certificate.term)?;
        let number = certificate.block.number;
        if number <= self.committed || self.certificates.contains_key(&number) {
            return Ok(None);
        }
        certificate.verify(&self.term.set, &self.term.domain)?;
        self.certificates.insert(number, certificate.clone());
        Ok(self.commit())
    }

    /// Takes in a commit made elsewhere, verified by the caller: nothing at or below it is tallied any more.
    pub fn hold_committed(&mut self, number: u64) {
        if number > self.committed {
            self.committed = number;
            self.heights = self.heights.split_off(&(number + 1));
            self.certificates = self.certificates.split_off(&(number + 1));
        }
    }

    fn names_more(&self, ack: &Ack) -> bool {
        let named = |ack: &Ack| ack.certificate.map(|c| c.number);
        named(ack) > self.holding.get(&ack.validator).and_then(named)
    }

    /// Counts a verified first ack of its author at its height.
    fn count(&mut self, ack: &Ack, weight: u64) -> Option<Certificate> {
        let number = ack.block.number;
        self.make_room(&ack.validator);
        let height = self.heights.entry(number).or_default();
        height.first.insert(ack.validator, *ack);
        let at = height.counts.iter().position(|c| (c.block, c.slot) == (ack.block, ack.slot)).unwrap_or_else(|| {
            let count = Count { slot: ack.slot, block: ack.block, weight: 0, acks: BTreeMap::new() };
            height.counts.push(count);
            height.counts.len() - 1
        });
        let count = &mut height.counts[at];
        let counted = CertificateAck {
            validator: ack.validator,
            incarnation: ack.incarnation,
            certificate: ack.certificate,
            signature: ack.signature,
        };
        count.weight += weight;
        count.acks.insert(ack.validator, counted);
        let by_heads = planted!(CertificateByHeads) && 3 * count.acks.len() > 2 * self.term.set.len();
        if !(self.term.set.is_quorum(count.weight) || by_heads) || self.certificates.contains_key(&number) {
            return None;
        }
        let certificate = Certificate {
            epoch: self.term.epoch,
            term: self.term.number,
            slot: count.slot,
            block: count.block,
            acks: count.acks.values().copied().collect(),
        };
        self.certificates.insert(number, certificate.clone());
        Some(certificate)
    }

    /// Forgets a validator's lowest ack if as many as may be are kept of it.
    fn make_room(&mut self, validator: &Address) {
        let most = TALLY_WINDOWS.saturating_mul(self.term.window_blocks).max(1);
        let mut kept = self.heights.iter_mut().filter(|(_, height)| height.first.contains_key(validator));
        let Some((_, lowest)) = kept.next() else { return };
        if kept.count() as u64 + 1 < most {
            return;
        }
        let weight = self.term.set.get(validator).map_or(0, |v| v.weight);
        lowest.first.remove(validator);
        for count in &mut lowest.counts {
            if count.acks.remove(validator).is_some() {
                count.weight -= weight;
            }
        }
        lowest.counts.retain(|count| !count.acks.is_empty());
        self.heights.retain(|_, height| !height.first.is_empty());
    }

    /// The highest certificate above the last commit that > 2/3 hold, or one above it.
    fn commit(&mut self) -> Option<Commit> {
        let set = &self.term.set;
        let weight = |block: &BlockId| -> u64 {
            self.holding.iter().filter(|(_, a)| a.holds(block)).filter_map(|(v, _)| Some(set.get(v)?.weight)).sum()
        };
        let certificate = self
            .certificates
            .values()
            .rev()
            .find(|c| set.is_quorum(weight(&c.block)) || planted!(CommitOnOneRound))?
            .clone();
        let acks = self.holding.values().filter(|a| a.holds(&certificate.block)).copied().collect();
        self.hold_committed(certificate.block.number);
        Some(Commit { certificate, acks })
    }
}

#[cfg(test)]
mod tests;
