//! Reading a validator's promises back from what it stored.

use std::collections::BTreeMap;

use alloy_primitives::Address;

use super::promises::Promises;
use super::{Begun, Voter};
use crate::digest::Domain;
use crate::planted;
use crate::record::Record;
use crate::sign::SignerKey;
use crate::statement::BlockId;

/// The stored records contradict one another: the log is not as it was left, so nothing may be said from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A record is signed by another validator.
    #[error("record {at} belongs to another validator")]
    NotOurs {
        /// Position of the record, from 0.
        at: usize,
    },
    /// An ack does not continue the acks before it.
    #[error("record {at} acks {block}, which does not follow what was acked before in term {term}")]
    BrokenChain {
        /// Position of the record, from 0.
        at: usize,
        /// The block acked.
        block: BlockId,
        /// Term of the ack.
        term: u64,
    },
    /// Something was said after the close vote, or two different close votes are stored.
    #[error("record {at} contradicts the close vote of term {term}")]
    AfterClose {
        /// Position of the record, from 0.
        at: usize,
        /// The term.
        term: u64,
    },
}

impl Voter {
    /// The validator that stored these records, in the order in which they were stored.
    ///
    /// Records of another incarnation are passed over: they bind only in terms where this one has no voice. Open the
    /// present term with [`Voter::open_term`] before asking anything.
    pub fn restore(
        domain: Domain,
        key: SignerKey,
        incarnation: u64,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, RestoreError> {
        let mut promises: BTreeMap<u64, Promises> = BTreeMap::new();
        let mut begun: Option<Begun> = None;
        let mut floor = 0;
        for (at, record) in records.into_iter().enumerate() {
            let term = record.term();
            floor = floor.max(term);
            let (author, spoken_as) = author_of(&record);
            if author.is_some_and(|a| a != key.address()) {
                return Err(RestoreError::NotOurs { at });
            }
            if spoken_as.is_some_and(|i| i != incarnation) {
                continue;
            }
            let said = promises.entry(term).or_default();
            let closed = RestoreError::AfterClose { at, term };
            match record {
                // A log that was cut down says again what it still has, behind a close vote whose reasons may have been cut off.
                Record::Ack { .. } | Record::Certificate { .. } if said.close.is_some() && !said.covers(&record) => {
                    return Err(closed);
                }
                Record::Ack { block, ack, .. } if said.close.is_some() => {
                    said.restore(block, ack);
                }
                Record::Ack { block, adopted, ack } => {
                    let broken = RestoreError::BrokenChain { at, block: block.facts.id, term };
                    if let Some(certificate) = adopted {
                        said.adopt(certificate);
                    }
                    said.restore(block, ack).ok_or(broken)?;
                }
                Record::Certificate { certificate, ack } => {
                    said.adopt(certificate);
                    if let Some(ack) = ack {
                        said.replace_last_ack(ack);
                    }
                }
                Record::Close(vote) => {
                    if said.close.as_ref().is_some_and(|said| *said != vote) {
                        return Err(closed);
                    }
                    said.close = Some(vote).filter(|_| !planted!(CloseForgotten));
                }
                Record::SlotBegun { term, slot, .. } => {
                    if begun.as_ref().is_none_or(|b| (b.term, b.slot) < (term, slot)) {
                        begun = Some(Begun { term, slot, last: None });
                    }
                }
            }
        }
        Ok(Self { promises, begun, floor, ..Self::new(domain, key, incarnation) })
    }

    /// The fewest records that restore this voter as it is, for the term spoken in last and later ones: what a log may
    /// be cut down to. They name that term even if it is over, so that the ones before it stay over.
    pub fn compacted(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (term, said) in self.promises.range(self.spoken_last().unwrap_or(0)..) {
            if let Some(begun) = self.begun.as_ref().filter(|b| b.term == *term) {
                records.push(Record::SlotBegun { incarnation: self.incarnation, term: *term, slot: begun.slot });
            }
            said.records(&mut records);
        }
        records
    }
}

/// Who stored a record and as which incarnation, where it says so.
fn author_of(record: &Record) -> (Option<Address>, Option<u64>) {
    match record {
        Record::Ack { ack, .. } | Record::Certificate { ack: Some(ack), .. } => {
            (Some(ack.validator), Some(ack.incarnation))
        }
        Record::Certificate { ack: None, .. } => (None, None),
        Record::Close(vote) => (Some(vote.validator), Some(vote.incarnation)),
        Record::SlotBegun { incarnation, .. } => (None, Some(*incarnation)),
    }
}
