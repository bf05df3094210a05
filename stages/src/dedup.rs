//! Dedup lets each transaction through once, before the cost of recovery is paid for it.
//!
//! In: [`Decoded`]. Out: [`Fresh`]. Remembers the last [`limits::RECENT_HASHES`] hashes; the oldest makes way for the newest. An older duplicate is
//! not our business: its nonce is spent, and admit refuses it.

use std::ops::DerefMut;

use alloy_primitives::B256;

use crate::decode::Decoded;
use crate::parcel::{Rejected, TxBody, typestate};

/// Not seen lately. Only [`Dedup`] makes one.
#[derive(Debug)]
pub struct Fresh<P>(pub(crate) P);
typestate!(Fresh);

/// The stage.
#[derive(Debug)]
pub struct Dedup {}

impl Dedup {
    /// Remembers `recent` hashes ([`limits::RECENT_HASHES`] is a good value).
    pub fn new(recent: usize) -> Self {
        todo!()
    }

    /// Lets a transaction through unless its hash is remembered.
    pub fn step<P: DerefMut<Target = TxBody>>(&mut self, decoded: Decoded<P>) -> Result<Fresh<P>, Rejected<P>> {
        todo!()
    }

    /// Forgets a hash, so that a transaction that was shed or rolled back may come again.
    pub fn forget(&mut self, hash: B256) {
        todo!()
    }
}
