//! Seal fills the open block and closes it by time, gas or bytes; with nothing to do it closes an empty one at every heartbeat.
//!
//! In: [`Ready`] transactions in order, the clock, and what the control plane has decided ([`SlotContext`], [`Applied`]). Out:
//! [`ExecutedBlock`]s, to be signed, stored and sent. Remembers the tip and the slot it fills.

use std::ops::DerefMut;

use alloy_primitives::Address;

use crate::admit::Ready;
use crate::execute::{ExecutedBlock, Executor};
use crate::header::{Header, L1View};
use crate::params::ChainParams;
use crate::parcel::{Rejected, TxBody};
use crate::state::{StateError, StateSource};

/// The slot a sequencer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotContext {
    /// Epoch of the slot.
    pub epoch: u64,
    /// Term of the slot.
    pub term: u64,
    /// The slot.
    pub slot: u64,
    /// Who is credited the fees.
    pub fee_recipient: Address,
}

/// What the control plane has decided and the next block applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Control height. Where it is below the parent's, the parent's stands.
    pub control_height: u64,
    /// L1 view. Where it is below the parent's, the parent's stands.
    pub l1_view: L1View,
}

/// What became of a transaction that was offered to the open block.
#[derive(Debug)]
pub enum Offered<P> {
    /// It is in the block; the handle goes home, the client is answered at the strength it asked for.
    Taken(P),
    /// It cannot be executed.
    Shed(Rejected<P>),
    /// The open block has no room for it: seal, then offer it again.
    Full(Ready<P>),
    /// The slot's last block is sealed.
    Ended(Ready<P>),
}

/// The stage, for one slot.
#[derive(Debug)]
pub struct Sealer {
    params: ChainParams,
}

impl Sealer {
    /// Starts a slot above `parent`. The first block is due at once, so that the slot is seen to have begun.
    pub fn new(slot: SlotContext, parent: Header, params: ChainParams) -> Self {
        todo!()
    }

    /// The slot.
    pub fn slot(&self) -> &SlotContext {
        todo!()
    }

    /// The header of the highest block sealed, or the slot's parent.
    pub fn tip(&self) -> &Header {
        todo!()
    }

    /// The slot's last block is sealed.
    pub fn ended(&self) -> bool {
        todo!()
    }

    /// Executes a transaction in the open block, opening one if there is none.
    pub fn offer<S: StateSource, P: DerefMut<Target = TxBody>>(&mut self, now_ms: u64, applied: &Applied, executor: &mut Executor<S>, tx: Ready<P>) -> Result<Offered<P>, (P, StateError<S::Error>)> {
        todo!()
    }

    /// Closes the open block if it is due, or an empty one at a heartbeat.
    pub fn tick<S: StateSource>(&mut self, now_ms: u64, applied: &Applied, executor: &mut Executor<S>) -> Option<ExecutedBlock> {
        todo!()
    }

    /// Closes a block now, whatever is in it; `None` when the slot has ended.
    pub fn seal<S: StateSource>(&mut self, now_ms: u64, applied: &Applied, executor: &mut Executor<S>) -> Option<ExecutedBlock> {
        todo!()
    }

    /// When `tick` next has something to do, in unix milliseconds.
    pub fn next_due_ms(&self) -> u64 {
        todo!()
    }

    /// Takes back the open block (the term has closed) and returns the encodings of its transactions, to be sent on.
    pub fn abandon<S: StateSource>(self, executor: &mut Executor<S>) -> Vec<alloy_primitives::Bytes> {
        todo!()
    }
}
