//! Key generation as the control plane sees it: a consistent broadcast of messages whose insides are `horae-mpc`'s.
//!
//! An attempt goes commitments, shares, confirm, and needs every validator of the set in each phase. It starts again,
//! as the next attempt, when two validators confirm different keys or when the deadline in control heights passes.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{Domain, Kind, digest, word, words};
use crate::limits::MAX_DKG_PAYLOAD_BYTES;
use crate::set::ValidatorSet;
use crate::sign::{Signature, SignerKey, recover};

/// A FROST(secp256k1, SHA-256) group key, as the inbox stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GroupKey {
    /// x coordinate.
    pub px: U256,
    /// Parity of the y coordinate, 27 or 28.
    pub parity: u8,
}

impl GroupKey {
    /// Whether the parity is 27 or 28 and x is not zero; not whether x is on the curve.
    pub fn is_well_formed(&self) -> bool {
        matches!(self.parity, 27 | 28) && !self.px.is_zero()
    }
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum DkgPhase {
    /// Commitments of all validators are collected.
    Commitments,
    /// Encrypted shares of all validators are collected.
    Shares,
    /// Confirmations of all validators are collected.
    Confirm,
    /// All have confirmed one key.
    Done,
}

macro_rules! payload_message {
    ($(#[$doc:meta])* $name:ident, $label:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
        pub struct $name {
            /// The author's signer address.
            pub validator: Address,
            /// The attempt.
            pub attempt: u64,
            /// Bytes of `horae-mpc`, at most [`MAX_DKG_PAYLOAD_BYTES`].
            pub payload: Vec<u8>,
            /// Over the digest of kind command, the author's incarnation, the epoch of the key, and
            /// `keccak256(abi.encode(keccak256(label), uint64 attempt, keccak256(payload)))`.
            pub signature: Signature,
        }

        impl $name {
            fn digest(&self, domain: &Domain, incarnation: u64, epoch: u64) -> B256 {
                let content = words(&[keccak256($label), word(self.attempt), keccak256(&self.payload)]);
                digest(domain, Kind::Command, incarnation, epoch, 0, 0, content)
            }

            /// A signed message.
            pub fn sign(
                domain: &Domain,
                incarnation: u64,
                epoch: u64,
                attempt: u64,
                payload: Vec<u8>,
                key: &SignerKey,
            ) -> Self {
                let validator = key.address();
                let unsigned = Self { validator, attempt, payload, signature: Signature([0; 65]) };
                Self { signature: key.sign(unsigned.digest(domain, incarnation, epoch)), ..unsigned }
            }
        }
    };
}

payload_message!(
    /// A dealer's commitments and proofs.
    DkgCommitments, "dkg.commitments"
);
payload_message!(
    /// A dealer's encrypted shares, or what stands for them.
    DkgShares, "dkg.shares"
);

/// A validator has its shares and computed this group key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DkgConfirm {
    /// The author's signer address.
    pub validator: Address,
    /// The attempt.
    pub attempt: u64,
    /// The key.
    pub key: GroupKey,
    /// As for the other messages, over `keccak256(abi.encode(keccak256("dkg.confirm"), uint64 attempt, uint256 px,
    /// uint8 parity))`.
    pub signature: Signature,
}

impl DkgConfirm {
    fn digest(&self, domain: &Domain, incarnation: u64, epoch: u64) -> B256 {
        let (px, parity) = (B256::from(self.key.px), word(self.key.parity.into()));
        let content = words(&[keccak256("dkg.confirm"), word(self.attempt), px, parity]);
        digest(domain, Kind::Command, incarnation, epoch, 0, 0, content)
    }

    /// A signed message.
    pub fn sign(
        domain: &Domain,
        incarnation: u64,
        epoch: u64,
        attempt: u64,
        key: GroupKey,
        signer: &SignerKey,
    ) -> Self {
        let unsigned = Self { validator: signer.address(), attempt, key, signature: Signature([0; 65]) };
        Self { signature: signer.sign(unsigned.digest(domain, incarnation, epoch)), ..unsigned }
    }
}

/// A message of a key generation, by reference.
#[derive(Clone, Copy, Debug)]
pub enum DkgMessage<'a> {
    /// Phase commitments.
    Commitments(&'a DkgCommitments),
    /// Phase shares.
    Shares(&'a DkgShares),
    /// Phase confirm.
    Confirm(&'a DkgConfirm),
}

impl DkgMessage<'_> {
    /// The author named.
    pub fn validator(&self) -> Address {
        match self {
            Self::Commitments(m) => m.validator,
            Self::Shares(m) => m.validator,
            Self::Confirm(m) => m.validator,
        }
    }

    /// The attempt named.
    pub fn attempt(&self) -> u64 {
        match self {
            Self::Commitments(m) => m.attempt,
            Self::Shares(m) => m.attempt,
            Self::Confirm(m) => m.attempt,
        }
    }

    /// The phase it belongs to.
    pub fn phase(&self) -> DkgPhase {
        match self {
            Self::Commitments(_) => DkgPhase::Commitments,
            Self::Shares(_) => DkgPhase::Shares,
            Self::Confirm(_) => DkgPhase::Confirm,
        }
    }

    /// Checks size, author and signature for a key of this epoch's set.
    pub fn verify(&self, set: &ValidatorSet, domain: &Domain, epoch: u64) -> Result<(), DkgError> {
        let validator = self.validator();
        let bytes = match self {
            Self::Commitments(m) => m.payload.len(),
            Self::Shares(m) => m.payload.len(),
            Self::Confirm(m) if m.key.is_well_formed() => 0,
            Self::Confirm(_) => return Err(DkgError::BadKey { validator }),
        };
        if bytes > MAX_DKG_PAYLOAD_BYTES {
            return Err(DkgError::TooLong { bytes });
        }
        let incarnation = set.get(&validator).ok_or(DkgError::BadAuthor { validator })?.incarnation;
        let (signed, signature) = match self {
            Self::Commitments(m) => (m.digest(domain, incarnation, epoch), &m.signature),
            Self::Shares(m) => (m.digest(domain, incarnation, epoch), &m.signature),
            Self::Confirm(m) => (m.digest(domain, incarnation, epoch), &m.signature),
        };
        if recover(signed, signature) != Some(validator) {
            return Err(DkgError::BadAuthor { validator });
        }
        Ok(())
    }
}

/// Why a message does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DkgError {
    /// Not a member, or not signed by it.
    #[error("a key generation message was not signed by {validator}, or it is no validator")]
    BadAuthor {
        /// The author named.
        validator: Address,
    },
    /// The payload is too long.
    #[error("a key generation payload of {bytes} bytes")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It belongs to another attempt or phase, or its author has spoken in this phase.
    #[error("a key generation message of {validator} for attempt {attempt} phase {phase:?} is out of place")]
    OutOfPlace {
        /// The author.
        validator: Address,
        /// The attempt named.
        attempt: u64,
        /// The phase of the message.
        phase: DkgPhase,
    },
    /// The key is no point: parity is not 27 or 28, or x is zero.
    #[error("{validator} confirms a malformed key")]
    BadKey {
        /// The author.
        validator: Address,
    },
}

/// What a message or the deadline led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DkgStep {
    /// All have spoken: the next phase, or the end.
    Advanced(DkgPhase),
    /// The attempt failed and the next one begins.
    Restarted,
}

/// The key generation of an epoch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Dkg {
    attempt: u64,
    phase: DkgPhase,
    started_height: u64,
    commitments: BTreeMap<Address, Bytes>,
    shares: BTreeMap<Address, Bytes>,
    confirms: BTreeMap<Address, GroupKey>,
}

impl Dkg {
    pub(crate) fn start(attempt: u64, height: u64) -> Self {
        Self {
            attempt,
            phase: DkgPhase::Commitments,
            started_height: height,
            commitments: BTreeMap::new(),
            shares: BTreeMap::new(),
            confirms: BTreeMap::new(),
        }
    }

    /// The running attempt; the first is 0.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// How far it is.
    pub fn phase(&self) -> DkgPhase {
        self.phase
    }

    /// Control height at which the attempt began.
    pub fn started_height(&self) -> u64 {
        self.started_height
    }

    /// Payloads of the commitments decided so far, by author. Kept until the key generation of another key begins.
    pub fn commitments(&self) -> &BTreeMap<Address, Bytes> {
        &self.commitments
    }

    /// Payloads of the shares decided so far, by author.
    pub fn shares(&self) -> &BTreeMap<Address, Bytes> {
        &self.shares
    }

    /// Keys confirmed so far, by author.
    pub fn confirms(&self) -> &BTreeMap<Address, GroupKey> {
        &self.confirms
    }

    /// The key that all have confirmed.
    pub fn key(&self) -> Option<GroupKey> {
        match self.phase {
            DkgPhase::Done => self.confirms.values().next().copied(),
            _ => None,
        }
    }

    /// Whether the author of a message has yet to speak in the message's phase.
    pub(crate) fn awaits(&self, message: &DkgMessage<'_>) -> bool {
        let validator = message.validator();
        let spoken = match message.phase() {
            DkgPhase::Commitments => self.commitments.contains_key(&validator),
            DkgPhase::Shares => self.shares.contains_key(&validator),
            DkgPhase::Confirm | DkgPhase::Done => self.confirms.contains_key(&validator),
        };
        message.attempt() == self.attempt && message.phase() == self.phase && !spoken
    }

    /// Takes in a verified message.
    pub(crate) fn apply(
        &mut self,
        message: &DkgMessage<'_>,
        members: usize,
        height: u64,
    ) -> Result<Option<DkgStep>, DkgError> {
        let validator = message.validator();
        if !self.awaits(message) {
            let (attempt, phase) = (message.attempt(), message.phase());
            return Err(DkgError::OutOfPlace { validator, attempt, phase });
        }
        let (spoken, next) = match message {
            DkgMessage::Commitments(m) => {
                self.commitments.insert(validator, m.payload.clone().into());
                (self.commitments.len(), DkgPhase::Shares)
            }
            DkgMessage::Shares(m) => {
                self.shares.insert(validator, m.payload.clone().into());
                (self.shares.len(), DkgPhase::Confirm)
            }
            DkgMessage::Confirm(m) => {
                if self.confirms.values().any(|key| *key != m.key) {
                    *self = Self::start(self.attempt + 1, height);
                    return Ok(Some(DkgStep::Restarted));
                }
                self.confirms.insert(validator, m.key);
                (self.confirms.len(), DkgPhase::Done)
            }
        };
        if spoken < members {
            return Ok(None);
        }
        self.phase = next;
        Ok(Some(DkgStep::Advanced(next)))
    }

    /// Starts again if the deadline has passed at this control height.
    pub(crate) fn expire(&mut self, height: u64, deadline_heights: u64) -> Option<DkgStep> {
        if self.phase == DkgPhase::Done || height.saturating_sub(self.started_height) < deadline_heights {
            return None;
        }
        *self = Self::start(self.attempt + 1, height);
        Some(DkgStep::Restarted)
    }
}
