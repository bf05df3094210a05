//! The signing half of a validator: gives out nonce commitments and answers signing requests.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use alloy_primitives::Address;
use rand_core::{CryptoRng, RngCore};

use super::{NonceCommitments, Refusal, SigningReply, SigningRequest, nonce::NonceSet};
use crate::{limits::NONCE_SETS_PER_COORDINATOR, material::KeyMaterial};

/// Owns a validator's shares of one group key, and its unused nonces.
///
/// Every validator of the group may coordinate. Nonces given to one cannot be spent by another, so a bad one starves only
/// itself.
pub struct Signer {
    material: KeyMaterial,
    /// By coordinator, oldest first.
    unused: BTreeMap<Address, VecDeque<(NonceCommitments, NonceSet)>>,
}

impl Signer {
    /// A signer without nonces.
    pub fn new(material: KeyMaterial) -> Self {
        Self { material, unused: BTreeMap::new() }
    }

    /// The shares it signs with.
    pub fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// Draws nonces for one signature that `coordinator` may ask for. Of more than [`NONCE_SETS_PER_COORDINATOR`] unused sets the
    /// oldest is dropped. Nothing for a stranger.
    pub fn commit(&mut self, coordinator: Address, rng: &mut (impl CryptoRng + RngCore)) -> Option<NonceCommitments> {
        self.material.public().layout().contains(coordinator).then(|| self.draw(coordinator, rng))
    }

    /// Signs. To be called only when the caller has made sure that the group should sign `request.digest`; else
    /// [`Signer::refuse`]. Spends the nonces that the request names, for this request only. Nothing for a stranger.
    pub fn sign(
        &mut self,
        coordinator: Address,
        request: &SigningRequest,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Option<SigningReply> {
        match self.shares_for(coordinator, request) {
            Ok(shares) => {
                let next = self.commit(coordinator, rng)?;
                Some(SigningReply::Shares { session: request.session(), shares, next })
            }
            Err(reason) => self.refuse(coordinator, request, reason, rng),
        }
    }

    /// Answers without signing; the nonces that the request names are dropped, they are in a list that others may have
    /// signed under. Nothing for a stranger.
    pub fn refuse(
        &mut self,
        coordinator: Address,
        request: &SigningRequest,
        reason: Refusal,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Option<SigningReply> {
        self.take(coordinator, request);
        let next = self.commit(coordinator, rng)?;
        Some(SigningReply::Refused { session: request.session(), reason, next })
    }

    fn shares_for(&mut self, coordinator: Address, request: &SigningRequest) -> Result<Vec<[u8; 32]>, Refusal> {
        let package = request.package(self.material.public().layout()).ok_or(Refusal::BadList)?;
        let nonces = self.take(coordinator, request).ok_or(Refusal::UnknownNonces)?;
        nonces.sign(self.material.shares(), &package).ok_or(Refusal::BadList)
    }

    /// Takes the nonces that the request names out of the unused ones.
    fn take(&mut self, coordinator: Address, request: &SigningRequest) -> Option<NonceSet> {
        let me = self.material.me();
        let named = &request.signers.iter().find(|s| s.signer == me)?.commitments;
        let unused = self.unused.get_mut(&coordinator)?;
        let at = unused.iter().position(|(commitments, _)| commitments == named)?;
        unused.remove(at).map(|(_, nonces)| nonces)
    }

    fn draw(&mut self, coordinator: Address, rng: &mut (impl CryptoRng + RngCore)) -> NonceCommitments {
        let (nonces, commitments) = NonceSet::draw(self.material.shares(), rng);
        let unused = self.unused.entry(coordinator).or_default();
        if unused.len() == NONCE_SETS_PER_COORDINATOR {
            unused.pop_front();
        }
        unused.push_back((commitments.clone(), nonces));
        commitments
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unused: usize = self.unused.values().map(VecDeque::len).sum();
        f.debug_struct("Signer").field("material", &self.material).field("unused", &unused).finish()
    }
}
