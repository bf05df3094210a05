//! Nonces that can be used once. Signing the same nonce twice gives the share away, so a set is neither `Clone` nor
//! serialisable, and signing consumes it.

use std::collections::BTreeMap;

use frost_secp256k1::{
    SigningPackage,
    keys::KeyPackage,
    round1::{self, SigningNonces},
    round2,
};
use rand_core::{CryptoRng, RngCore};

use super::NonceCommitments;

/// One nonce pair for each identifier of a signer, overwritten on drop.
pub(super) struct NonceSet {
    nonces: Vec<SigningNonces>,
}

impl NonceSet {
    /// Draws a set for the holder of `shares`, and what to publish of it.
    pub(super) fn draw(
        shares: &BTreeMap<u16, KeyPackage>,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> (Self, NonceCommitments) {
        let nonces: Vec<_> = shares.values().map(|share| round1::commit(share.signing_share(), rng).0).collect();
        let commitments = NonceCommitments::encode(nonces.iter().map(SigningNonces::commitments));
        (Self { nonces }, commitments)
    }

    /// Signs with every share under one list, and ends the set whether that works or not. Fails if the list has other
    /// commitments in our place.
    pub(super) fn sign(self, shares: &BTreeMap<u16, KeyPackage>, package: &SigningPackage) -> Option<Vec<[u8; 32]>> {
        let sign = |(nonces, share): (&SigningNonces, &KeyPackage)| {
            let share = round2::sign(package, nonces, share).ok()?;
            share.serialize().try_into().ok()
        };
        self.nonces.iter().zip(shares.values()).map(sign).collect()
    }
}
