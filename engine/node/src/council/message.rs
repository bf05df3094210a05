//! What councils say to each other on the control-plane links, beside Tendermint's own messages (borsh).

use alloy_primitives::{Address, Bytes};
use borsh::{BorshDeserialize, BorshSerialize};
use horae_control::pending::Pending;
use horae_control::{Ack, CloseVote, RegisterIncarnation, Signature, SignedBlock, SignedEngineStatement};
use horae_mpc::SigningMessage;

/// A batch that its coordinator wants signed: the bytes for L1, which every signer unpacks and compares.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BatchProposal {
    /// Index of the batch.
    pub index: u64,
    /// Its first L2 block.
    pub first_block: u64,
    /// The packed bytes.
    pub data: Vec<u8>,
}

/// A validator's signature over the installation of the first group key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct InstallationSignature {
    /// The validator.
    pub validator: Address,
    /// Over the installation digest.
    pub signature: Signature,
}

/// One message between councils.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum LinkMessage {
    /// A command that waits to be decided.
    Pending(Box<Pending>),
    /// A signature for the first group key.
    Installation(InstallationSignature),
    /// A batch to be checked.
    Batch(BatchProposal),
    /// Threshold signing.
    Signing(SigningMessage),
    /// Whose shares signed a batch; for reports only, believed from its coordinator.
    Signed {
        /// Index of the batch.
        index: u64,
        /// The signers.
        signers: Vec<Address>,
    },
    /// A validator that starts asks what is known to be the newest of what it said; see [`horae_control::memory`].
    WhatDidISay,
    /// The answer.
    YouSaid(Box<YouSaid>),
}

/// The newest that a validator knows of another one's statements, each signed by that one.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct YouSaid {
    /// Its last registration of an incarnation.
    pub registration: Option<RegisterIncarnation>,
    /// Its ack for the highest block of the open term.
    pub ack: Option<Ack>,
    /// Its close vote of the open term.
    pub close: Option<CloseVote>,
    /// Its newest Tendermint vote or proposal.
    pub vote: Option<SignedEngineStatement>,
    /// Its highest block of the open term.
    pub sealed: Option<SignedBlock>,
}

impl LinkMessage {
    /// The bytes on the wire.
    pub fn encode(&self) -> Bytes {
        Bytes::from(borsh::to_vec(self).expect("writing to memory does not fail"))
    }
}
