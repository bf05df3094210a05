//! What can go wrong in a run of key generation, and whose fault it is.

use alloy_primitives::Address;

use super::DkgRun;
use crate::group::GroupError;

/// Why a message was refused or a run cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DkgError {
    /// We are not in the set that the key is made for.
    #[error("{0} holds no share in this run")]
    NotAMember(Address),
    /// The sender is not in the set.
    #[error("{0} holds no share in this run and sent a message of it")]
    Stranger(Address),
    /// The message is of another chain, epoch or attempt. No fault: it may be late.
    #[error("a message of {found} came from {from} in {expected}")]
    OtherRun {
        /// Who sent it.
        from: Address,
        /// The run it names.
        found: DkgRun,
        /// Our run.
        expected: DkgRun,
    },
    /// The message does not have the form that layout and threshold ask for, or holds bytes that are no point or scalar.
    #[error("{dealer} sent {what}")]
    Malformed {
        /// Who sent it.
        dealer: Address,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A second message of the same kind that differs from the first. Of ourselves: another process runs with our identity,
    /// or a backup of an earlier state was restored.
    #[error("{dealer} sent two different messages of one kind")]
    TwoMessages {
        /// Who sent them.
        dealer: Address,
    },
    /// Shares that came before every validator's commitments.
    #[error("{dealer} dealt shares before all commitments were known")]
    TooEarly {
        /// Who dealt.
        dealer: Address,
    },
    /// The proof of knowledge does not hold.
    #[error("{dealer} did not prove knowledge of its secret")]
    BadProof {
        /// Who dealt.
        dealer: Address,
    },
    /// The key to seal shares to is not usable (a point of low order).
    #[error("{validator} gave a key that nothing can be sealed to")]
    BadSealKey {
        /// Whose key.
        validator: Address,
    },
    /// The shares sealed to us do not open, or do not fit the dealer's commitments.
    #[error("{dealer} dealt us shares that do not open or do not fit its commitments")]
    BadShares {
        /// Who dealt.
        dealer: Address,
    },
    /// Asked to go on before every message of the round was there.
    #[error("messages of {missing} validators are still missing")]
    Incomplete {
        /// How many have not been heard.
        missing: usize,
    },
    /// The key made cannot be installed on L1: run again.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Stored state, or a message, that does not decode.
    #[error("the bytes are no {0}")]
    Undecodable(&'static str),
    /// A check inside the FROST library failed for a reason none of the above names.
    #[error("key generation failed: {0}")]
    Library(frost_secp256k1::Error),
}

impl DkgError {
    /// The validator whose fault it is, where it is anyone's.
    pub fn culprit(&self) -> Option<Address> {
        match self {
            Self::Stranger(from) => Some(*from),
            Self::Malformed { dealer, .. }
            | Self::TwoMessages { dealer }
            | Self::TooEarly { dealer }
            | Self::BadProof { dealer }
            | Self::BadShares { dealer } => Some(*dealer),
            Self::BadSealKey { validator } => Some(*validator),
            Self::NotAMember(_)
            | Self::OtherRun { .. }
            | Self::Incomplete { .. }
            | Self::Group(_)
            | Self::Undecodable(_)
            | Self::Library(_) => None,
        }
    }
}
