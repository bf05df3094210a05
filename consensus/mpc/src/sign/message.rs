//! What signers and coordinators say to each other, over authenticated links; encoded with borsh.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};
use frost_secp256k1::{
    SigningPackage,
    round1::{self, SigningCommitments},
};

use crate::{
    dkg::encode,
    group::{identifier, point_bytes},
    limits::MAX_SIGNING_MESSAGE_BYTES,
    shares::ShareLayout,
};

/// The two public points of one nonce pair, compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct NonceCommitment {
    /// Commitment to the hiding nonce.
    pub hiding: [u8; 33],
    /// Commitment to the binding nonce.
    pub binding: [u8; 33],
}

/// Round one of one signer, for one signature: a commitment for each identifier it holds, ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct NonceCommitments(pub Vec<NonceCommitment>);

/// One signer's entry in a signing request.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignerCommitments {
    /// The signer.
    pub signer: Address,
    /// What it committed to.
    pub commitments: NonceCommitments,
}

/// Round two, from the coordinator: sign this digest under this list.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SigningRequest {
    /// What to sign. The signer's caller checks what it stands for before it answers.
    pub digest: B256,
    /// Everyone in the session, ascending by address; together they hold at least the threshold.
    pub signers: Vec<SignerCommitments>,
}

/// Why a signer does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
pub enum Refusal {
    /// The nonces were used, dropped, or lost in a restart, or were given to another coordinator.
    #[error("the nonces of the request are not at hand")]
    UnknownNonces,
    /// The request's list is not one to sign under: too few shares, strangers, wrong counts, no points, out of order.
    #[error("the request's list of signers is not acceptable")]
    BadList,
    /// The caller cannot vouch for the digest, or not yet. Given by the caller, never by [`Signer`](crate::Signer).
    #[error("the digest is not known to stand for something to sign")]
    NotVouched,
}

/// The answer to a [`SigningRequest`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SigningReply {
    /// The signer's shares of the signature.
    Shares {
        /// [`SigningRequest::session`].
        session: B256,
        /// One scalar, big-endian, for each identifier the signer holds, ascending.
        shares: Vec<[u8; 32]>,
        /// Commitments for a later session, so that it needs one round only.
        next: NonceCommitments,
    },
    /// No shares.
    Refused {
        /// [`SigningRequest::session`].
        session: B256,
        /// Why not.
        reason: Refusal,
        /// Commitments for a later session. With [`Refusal::UnknownNonces`] earlier ones are void.
        next: NonceCommitments,
    },
}

/// A signing message between two validators, as bytes on a link.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SigningMessage {
    /// [`GroupKey::px`](crate::GroupKey::px) of the group it is about: chooses the signer or coordinator to give it to.
    pub group: B256,
    /// What is said.
    pub body: SigningBody,
}

/// The kinds of signing message.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum SigningBody {
    /// Coordinator to signer: commit to nonces.
    Ask,
    /// Signer to coordinator.
    Commitments(NonceCommitments),
    /// Coordinator to signer.
    Request(SigningRequest),
    /// Signer to coordinator.
    Reply(SigningReply),
}

/// Bytes that are no signing message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no signing message")]
pub struct Undecodable;

impl SigningMessage {
    /// The bytes to send.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes at most [`MAX_SIGNING_MESSAGE_BYTES`], all of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Undecodable> {
        if bytes.len() > MAX_SIGNING_MESSAGE_BYTES {
            return Err(Undecodable);
        }
        borsh::from_slice(bytes).map_err(|_| Undecodable)
    }
}

impl SigningRequest {
    /// Names the session by its content, so that an answer cannot be taken for that of another one.
    pub fn session(&self) -> B256 {
        keccak256(encode(self))
    }

    /// The request as FROST takes it; nothing if the list is not one to sign under.
    pub(super) fn package(&self, layout: &ShareLayout) -> Option<SigningPackage> {
        let mut list = BTreeMap::new();
        if !self.signers.is_sorted_by(|a, b| a.signer < b.signer) {
            return None;
        }
        for SignerCommitments { signer, commitments } in &self.signers {
            let commitments = commitments.decode(usize::from(layout.share_count(*signer)))?;
            list.extend(layout.identifiers(*signer).map(identifier).zip(commitments));
        }
        let enough = list.len() >= usize::from(layout.threshold());
        enough.then(|| SigningPackage::new(list, self.digest.as_slice()))
    }
}

impl NonceCommitments {
    pub(super) fn encode<'c>(commitments: impl Iterator<Item = &'c SigningCommitments>) -> Self {
        let encode = |c: &SigningCommitments| NonceCommitment {
            hiding: point_bytes(&c.hiding().serialize()),
            binding: point_bytes(&c.binding().serialize()),
        };
        Self(commitments.map(encode).collect())
    }

    /// The commitments, if they are `count` pairs of points, and at least one.
    pub(super) fn decode(&self, count: usize) -> Option<Vec<SigningCommitments>> {
        if count == 0 || self.0.len() != count {
            return None;
        }
        let decode = |c: &NonceCommitment| {
            let hiding = round1::NonceCommitment::deserialize(&c.hiding).ok()?;
            let binding = round1::NonceCommitment::deserialize(&c.binding).ok()?;
            Some(SigningCommitments::new(hiding, binding))
        };
        self.0.iter().map(decode).collect()
    }
}

impl SigningReply {
    /// The session it answers.
    pub fn session(&self) -> B256 {
        match self {
            Self::Shares { session, .. } | Self::Refused { session, .. } => *session,
        }
    }
}
