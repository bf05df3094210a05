//! What the validators say to each other while a key is made. All of it is broadcast; encoded with borsh.

use std::fmt;

use alloy_primitives::{Address, B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

use super::DkgError;
use crate::{group::GroupKey, limits::MAX_DKG_MESSAGE_BYTES};

/// Names one run of key generation. Every message and every sealed share is bound to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct DkgRun {
    /// Chain id of the L2.
    pub chain_id: u64,
    /// The epoch the key is for.
    pub epoch: u64,
    /// Counts the runs for this epoch.
    pub attempt: u32,
}

impl fmt::Display for DkgRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} for epoch {} of chain {}", self.attempt, self.epoch, self.chain_id)
    }
}

/// A dealer's public part for one of its identifiers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ShareDeal {
    /// Commitments to the coefficients of the secret polynomial, constant term first: `threshold` compressed points.
    pub coefficients: Vec<[u8; 33]>,
    /// Proof of knowledge of the constant term: compressed point and scalar.
    pub proof: [u8; 65],
}

/// Round one, one a validator: commitments for each identifier it holds.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DkgCommitments {
    /// The run.
    pub run: DkgRun,
    /// X25519 public key, made for this run, that shares for this validator are sealed to.
    pub seal_key: [u8; 32],
    /// One a share the sender holds, ascending by identifier.
    pub deals: Vec<ShareDeal>,
}

/// The shares of one dealer for one receiver.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SealedShares {
    /// For whom.
    pub receiver: Address,
    /// HPKE encapsulated key.
    pub encapsulated: [u8; 32],
    /// HPKE ciphertext of 32-byte scalars, big-endian: for each identifier of the dealer, ascending, one for each identifier
    /// of the receiver, ascending.
    pub ciphertext: Vec<u8>,
}

/// Round two, one a validator, once the commitments of all are known.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DkgShares {
    /// The run.
    pub run: DkgRun,
    /// One for every other validator, ascending by address.
    pub sealed: Vec<SealedShares>,
}

/// A validator's word that it holds its shares of this key. The key may be used once more than 2/3 of the weights have given it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DkgConfirm {
    /// The run.
    pub run: DkgRun,
    /// The key it ended in.
    pub key: GroupKey,
}

/// Any message of a run, as it goes on the broadcast channel.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum DkgMessage {
    /// Round one.
    Commitments(DkgCommitments),
    /// Round two.
    Shares(DkgShares),
    /// Done.
    Confirm(DkgConfirm),
}

impl DkgMessage {
    /// The run it belongs to.
    pub fn run(&self) -> DkgRun {
        match self {
            Self::Commitments(message) => message.run,
            Self::Shares(message) => message.run,
            Self::Confirm(message) => message.run,
        }
    }

    /// The bytes to broadcast.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes at most [`MAX_DKG_MESSAGE_BYTES`], all of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DkgError> {
        if bytes.len() > MAX_DKG_MESSAGE_BYTES {
            return Err(DkgError::Undecodable("key generation message: too long"));
        }
        borsh::from_slice(bytes).map_err(|_| DkgError::Undecodable("key generation message"))
    }
}

/// Borsh bytes of a value whose encoding cannot fail: no length of ours comes near `u32::MAX`.
pub(crate) fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    borsh::to_vec(value).expect("borsh writes to memory without error")
}

/// Names a message by its content.
pub(super) fn digest_of(message: &impl BorshSerialize) -> B256 {
    keccak256(encode(message))
}
