//! What councils say to each other on the control-plane links, beside Tendermint's own messages (borsh).

use alloy_primitives::{Address, Bytes};
use borsh::{BorshDeserialize, BorshSerialize};
use horae_control::Signature;
use horae_control::pending::Pending;
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
}

impl LinkMessage {
    /// The bytes on the wire.
    pub fn encode(&self) -> Bytes {
        Bytes::from(borsh::to_vec(self).expect("writing to memory does not fail"))
    }
}
