//! Decode turns bytes into a typed transaction and refuses what no state could make valid.
//!
//! In: [`Frame`]. Out: [`Decoded`]. Remembers nothing. Bound: the size limit of the policy, checked before anything else.

use alloy_consensus::TxEnvelope;

use crate::parcel::{Frame, Rejected, TxBody, typestate};
use crate::params::ChainParams;
use crate::shed::Shed;
use std::ops::DerefMut;

/// Well formed, of a type and chain we take, with gas and fees that make sense. Only [`Decode`] makes one.
#[derive(Debug)]
pub struct Decoded<P>(pub(crate) P);
typestate!(Decoded);

/// What a node takes at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodePolicy {
    /// The chain id that transactions are signed for.
    pub chain_id: u64,
    /// Largest encoding, in bytes.
    pub max_bytes: usize,
    /// Largest gas limit of one transaction.
    pub max_gas: u64,
    /// Take legacy transactions without a chain id.
    pub unprotected: bool,
    /// Take EIP-4844 blob transactions (without sidecar). No L2 block may contain one.
    pub blobs: bool,
}

impl DecodePolicy {
    /// What a node of this chain takes from users.
    pub fn new(params: &ChainParams) -> Self {
        todo!()
    }
}

/// The stage.
#[derive(Clone, Debug)]
pub struct Decode {
    policy: DecodePolicy,
}

impl Decode {
    /// A stage with this policy.
    pub fn new(policy: DecodePolicy) -> Self {
        Self { policy }
    }

    /// Decodes and hashes one transaction.
    pub fn step<P: DerefMut<Target = TxBody>>(&self, frame: Frame<P>) -> Result<Decoded<P>, Rejected<P>> {
        todo!()
    }
}

/// Decodes one EIP-2718 encoding and checks it by the policy.
pub fn decode_transaction(raw: &[u8], policy: &DecodePolicy) -> Result<TxEnvelope, Shed> {
    todo!()
}
