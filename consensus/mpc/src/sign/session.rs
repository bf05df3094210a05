//! One signing session as its coordinator sees it: one digest, one list of commitments, the answers so far.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::Address;
use frost_secp256k1::{CheaterDetection, Error, Identifier, SigningPackage, aggregate_custom, round2::SignatureShare};

use super::SigningRequest;
use crate::{
    group::{GroupPublic, GroupSignature, identifier, index_of},
    limits::MAX_BACKOFF_SHIFT,
};

/// How a session ended.
pub(super) enum Outcome {
    Signed(GroupSignature),
    /// These sent shares that do not fit their commitments. Nobody, if the failure is no signer's: of negligible probability.
    Liars(BTreeSet<Address>),
    /// It sent another number of shares than it owes, or no scalars.
    Malformed(Address),
}

pub(super) struct Session {
    pub(super) request: SigningRequest,
    package: SigningPackage,
    shares: BTreeMap<Identifier, SignatureShare>,
    /// Who has not answered.
    pub(super) waiting: BTreeSet<Address>,
    /// It cannot end in a signature, and is kept only for who is still to answer.
    pub(super) lost: bool,
    /// It gets no more time to itself: others may be opened beside it.
    pub(super) overdue: bool,
    pub(super) resend_at_ms: u64,
    resends: u32,
}

impl Session {
    /// Nothing if the request's list is not one to sign under.
    pub(super) fn open(request: SigningRequest, public: &GroupPublic, resend_at_ms: u64) -> Option<Self> {
        let package = request.package(public.layout())?;
        let waiting = request.signers.iter().map(|s| s.signer).collect();
        let shares = BTreeMap::new();
        Some(Self { request, package, shares, waiting, lost: false, overdue: false, resend_at_ms, resends: 0 })
    }

    /// Takes the shares of one signer. `false` if they are not what it owes: another number, or no scalars.
    pub(super) fn take(&mut self, from: Address, shares: &[[u8; 32]], public: &GroupPublic) -> bool {
        let identifiers = public.layout().identifiers(from);
        let decoded: Option<Vec<_>> = shares.iter().map(|bytes| SignatureShare::deserialize(bytes).ok()).collect();
        match decoded {
            Some(decoded) if decoded.len() == identifiers.len() => {
                self.shares.extend(identifiers.map(identifier).zip(decoded));
                true
            }
            _ => false,
        }
    }

    /// Puts the shares of all signers together and verifies the sum under the group key. Single shares are checked only if it
    /// does not verify.
    pub(super) fn conclude(&self, public: &GroupPublic) -> Outcome {
        let signature = aggregate_custom(&self.package, &self.shares, public.package(), CheaterDetection::AllCheaters);
        match signature {
            Ok(signature) => {
                GroupSignature::encode(&signature).map_or(Outcome::Liars(BTreeSet::new()), Outcome::Signed)
            }
            Err(Error::InvalidSignatureShare { culprits }) => {
                let holder = |id| index_of(id).and_then(|index| public.layout().holder_of(index));
                Outcome::Liars(culprits.iter().filter_map(holder).collect())
            }
            Err(_) => Outcome::Liars(BTreeSet::new()),
        }
    }

    /// Whether the session cannot end without `signer`.
    pub(super) fn includes(&self, signer: Address) -> bool {
        self.request.signers.iter().any(|s| s.signer == signer)
    }

    /// Sets the next time at which who has not answered is asked again.
    pub(super) fn back_off(&mut self, now_ms: u64, patience_ms: u64) {
        self.resends += 1;
        self.resend_at_ms = now_ms.saturating_add(backed_off(patience_ms, self.resends));
    }
}

/// `wait_ms`, doubled `times` times at most up to [`MAX_BACKOFF_SHIFT`].
pub(super) fn backed_off(wait_ms: u64, times: u32) -> u64 {
    wait_ms.saturating_mul(1 << times.min(MAX_BACKOFF_SHIFT))
}
