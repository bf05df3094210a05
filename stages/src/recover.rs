//! Recover finds the sender from the signature, with libsecp256k1.
//!
//! In: [`Fresh`]. Out: [`Recovered`]. Remembers nothing, so any number of workers may each have one. Works on bursts, which
//! leaves room for vector code that recovers several senders at once.

use std::ops::DerefMut;

use alloy_consensus::TxEnvelope;
use alloy_primitives::Address;

use crate::dedup::Fresh;
use crate::parcel::{Rejected, TxBody, typestate};
use crate::shed::Shed;

/// The sender is true. Only [`Recover`] makes one.
#[derive(Debug)]
pub struct Recovered<P>(pub(crate) P);
typestate!(Recovered);

/// The stage.
#[derive(Clone, Debug, Default)]
pub struct Recover {}

impl Recover {
    /// A stage.
    pub fn new() -> Self {
        todo!()
    }

    /// Recovers one sender.
    pub fn step<P: DerefMut<Target = TxBody>>(&self, fresh: Fresh<P>) -> Result<Recovered<P>, Rejected<P>> {
        todo!()
    }

    /// Recovers the senders of a burst and hands the results out in its order; `burst` is left empty, its buffer kept.
    pub fn burst<P: DerefMut<Target = TxBody>>(&self, burst: &mut Vec<Fresh<P>>, out: impl FnMut(Result<Recovered<P>, Rejected<P>>)) {
        todo!()
    }
}

/// The sender of a transaction. High `s` (EIP-2) is refused.
pub fn recover_sender(envelope: &TxEnvelope) -> Result<Address, Shed> {
    todo!()
}
