//! What a batch says about its blocks: a flag byte each, and steps from the block before where there are any.

use alloy_primitives::{Address, B256};

use super::UnpackError;
use super::columns::{Column, Columns, Readers};
use crate::header::L1View;
use crate::rules::HeaderChoices;

const ENDS_SLOT: u8 = 0x01;
/// Epoch, term or slot changed.
const SLOT: u8 = 0x02;
const CONTROL: u8 = 0x04;
const L1_VIEW: u8 = 0x08;
const FEE_RECIPIENT: u8 = 0x10;
const TRANSACTIONS: u8 = 0x20;
const SEQUENCER: u8 = 0x40;
const FLAGS: u8 = 0x7f;

/// What a batch starts from; nothing is carried over from the one before, so each can be read alone.
const START: HeaderChoices = HeaderChoices {
    epoch: 0,
    term: 0,
    slot: 0,
    sequencer: Address::ZERO,
    timestamp_ms: 0,
    control_height: 0,
    l1_view: L1View { number: 0, hash: B256::ZERO },
    fee_recipient: Address::ZERO,
    ends_slot: false,
};

/// The block before, while writing or reading.
#[derive(Debug)]
pub(super) struct Chain {
    last: HeaderChoices,
}

impl Default for Chain {
    fn default() -> Self {
        Self { last: START }
    }
}

impl Chain {
    pub(super) fn put(&mut self, columns: &mut Columns, next: HeaderChoices, transactions: usize) {
        let last = std::mem::replace(&mut self.last, next);
        let next = &self.last;
        let slot = (next.epoch, next.term, next.slot) != (last.epoch, last.term, last.slot);
        let marks = [
            (next.ends_slot, ENDS_SLOT),
            (slot, SLOT),
            (next.control_height != last.control_height, CONTROL),
            (next.l1_view != last.l1_view, L1_VIEW),
            (next.fee_recipient != last.fee_recipient, FEE_RECIPIENT),
            (transactions > 0, TRANSACTIONS),
            (next.sequencer != last.sequencer, SEQUENCER),
        ];
        let flags = marks.iter().filter(|(on, _)| *on).fold(0, |flags, (_, flag)| flags | flag);
        columns.push(Column::BlockFlags, flags);
        columns.varint(Column::BlockTimes, next.timestamp_ms.wrapping_sub(last.timestamp_ms));
        if flags & TRANSACTIONS != 0 {
            columns.varint(Column::BlockCounts, transactions as u64);
        }
        let mut step = |have: u64, last: u64| columns.varint(Column::BlockSteps, have.wrapping_sub(last));
        if flags & SLOT != 0 {
            step(next.epoch, last.epoch);
            step(next.term, last.term);
            step(next.slot, last.slot);
        }
        if flags & CONTROL != 0 {
            step(next.control_height, last.control_height);
        }
        if flags & L1_VIEW != 0 {
            step(next.l1_view.number, last.l1_view.number);
            columns.extend(Column::BlockHashes, next.l1_view.hash.as_slice());
        }
        if flags & FEE_RECIPIENT != 0 {
            columns.extend(Column::BlockHashes, next.fee_recipient.as_slice());
        }
        if flags & SEQUENCER != 0 {
            columns.extend(Column::BlockHashes, next.sequencer.as_slice());
        }
    }

    /// The next block and how many transactions it has, at most `most`.
    pub(super) fn next(
        &mut self,
        readers: &mut Readers<'_>,
        most: usize,
    ) -> Result<(HeaderChoices, usize), UnpackError> {
        let flags = readers.get(Column::BlockFlags).byte()?;
        if flags & !FLAGS != 0 {
            return Err(UnpackError::Damaged("unknown flags of a block"));
        }
        let next = &mut self.last;
        next.ends_slot = flags & ENDS_SLOT != 0;
        next.timestamp_ms = next.timestamp_ms.wrapping_add(readers.get(Column::BlockTimes).varint()?);
        let count =
            if flags & TRANSACTIONS != 0 { readers.get(Column::BlockCounts).count("transactions", most)? } else { 0 };
        let steps = readers.get(Column::BlockSteps);
        let mut step = |value: &mut u64| steps.varint().map(|step| *value = value.wrapping_add(step));
        if flags & SLOT != 0 {
            step(&mut next.epoch)?;
            step(&mut next.term)?;
            step(&mut next.slot)?;
        }
        if flags & CONTROL != 0 {
            step(&mut next.control_height)?;
        }
        if flags & L1_VIEW != 0 {
            step(&mut next.l1_view.number)?;
            next.l1_view.hash = readers.get(Column::BlockHashes).array().map(B256::from)?;
        }
        if flags & FEE_RECIPIENT != 0 {
            next.fee_recipient = readers.get(Column::BlockHashes).array().map(Address::from)?;
        }
        if flags & SEQUENCER != 0 {
            next.sequencer = readers.get(Column::BlockHashes).array().map(Address::from)?;
        }
        Ok((next.clone(), count))
    }
}
