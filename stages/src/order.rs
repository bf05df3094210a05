//! Order decides which executable transaction comes next.
//!
//! In: [`Ready`]. Out: the same, in the policy's order, but never a sender's nonces out of turn. Remembers what has not been taken yet; bounded
//! by the engine's pool, which is where the transactions live.

use std::ops::DerefMut;

use crate::admit::Ready;
use crate::parcel::TxBody;

/// An ordering policy: gives each transaction a rank when it arrives.
pub trait Policy {
    /// Higher goes first; equal ranks go by arrival.
    fn rank(&self, tx: &TxBody, base_fee: u64) -> u128;
}

/// First come, first served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival;

/// The most priority fee a gas first.
#[derive(Clone, Copy, Debug, Default)]
pub struct PriorityFee;

/// The stage.
#[derive(Debug)]
pub struct Order<P, O> {
    policy: O,
    parcel: std::marker::PhantomData<P>,
}

impl<P: DerefMut<Target = TxBody>, O: Policy> Order<P, O> {
    /// An empty queue under this policy.
    pub fn new(policy: O) -> Self {
        todo!()
    }

    /// Takes one in. `base_fee` is the next block's.
    pub fn push(&mut self, tx: Ready<P>, base_fee: u64) {
        todo!()
    }

    /// The next to execute.
    pub fn pop(&mut self) -> Option<Ready<P>> {
        todo!()
    }

    /// Puts back the one popped last, because the block had no room for it: it stays the next.
    pub fn put_back(&mut self, tx: Ready<P>) {
        todo!()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        todo!()
    }
}
