//! Threshold signing of the validators of an epoch: FROST key generation without a dealer, and signing, both as
//! pure state machines. No clock, socket, disk or randomness of its own: `now_ms` and `rng` are arguments, what is to
//! be sent is returned.
//!
//! Ciphersuite: FROST(secp256k1, SHA-256) of [RFC 9591], by `frost-secp256k1`. Sealed shares: HPKE base mode of
//! [RFC 9180] with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
//!
//! # The pieces
//!
//! - [`ShareLayout`]: who holds which FROST identifiers. A validator holds as many shares as it has weight.
//! - [`Dkg`]: one run of key generation, fed by a channel that shows every validator the same messages
//!   ([`DkgCommitments`], then [`DkgShares`]); ends in [`KeyMaterial`].
//! - [`GroupPublic`] (layout, group key, verifying shares) is what anyone may know; [`KeyMaterial`] adds our secrets.
//! - [`Signer`] owns the nonces of one validator and answers a [`SigningRequest`] with a [`SigningReply`].
//! - [`Coordinator`] gathers nonce commitments ahead of time and, for a 32-byte digest, runs as many signing sessions
//!   as it takes to get a [`GroupSignature`] in spite of silent and lying signers.
//!
//! # How a key is made
//!
//! ```text
//! let (mut dkg, commitments) = Dkg::start(DkgParams { run, layout }, me, &mut rng)?;
//! store(dkg.to_bytes());                     // before sending, encrypted
//! broadcast(DkgMessage::Commitments(commitments));
//! for every decided Commitments(m) from v:   dkg.on_commitments(v, &m)?;
//! when dkg.has_all_commitments():            let shares = dkg.shares()?;
//!                                            store(dkg.to_bytes()); broadcast(DkgMessage::Shares(shares));
//! for every decided Shares(m) from v:        dkg.on_shares(v, &m)?;
//! when dkg.has_all_shares():                 let material = dkg.finish()?;
//!                                            store(material.to_bytes()); broadcast(DkgMessage::Confirm(material.confirm()));
//! ```
//!
//! An error names its culprit ([`DkgError::culprit`]). `start` and `shares` draw randomness once: a restored [`Dkg`] says
//! the same things again, byte for byte.
//!
//! # How a digest is signed
//!
//! ```text
//! coordinator.poll(now_ms)                   -> Ask { to }            (round 1, ahead of time)
//! signer.commit(coordinator, &mut rng)       -> NonceCommitments
//! coordinator.on_commitments(from, m, now_ms)
//! coordinator.begin(digest, now_ms)          -> Request { to, request }
//! signer.sign(coordinator, &request, &mut rng) -> SigningReply        (only after the caller has checked the digest)
//! coordinator.on_reply(from, reply, now_ms)  -> Signed { digest, signature } | Fault { validator, .. } | ...
//! ```
//!
//! [RFC 9591]: https://www.rfc-editor.org/rfc/rfc9591
//! [RFC 9180]: https://www.rfc-editor.org/rfc/rfc9180

pub mod limits;

mod dkg;
mod group;
mod material;
mod shares;
mod sign;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;

pub use dkg::{
    Dkg, DkgCommitments, DkgConfirm, DkgError, DkgMessage, DkgParams, DkgRun, DkgShares, SealedShares, ShareDeal,
};
pub use group::{GroupError, GroupKey, GroupPublic, GroupSignature};
pub use material::KeyMaterial;
pub use shares::{LayoutError, ShareLayout};
pub use sign::{
    BeginError, Coordinator, CoordinatorConfig, CoordinatorOutput, Failure, Fault, NonceCommitment, NonceCommitments,
    Refusal, Signer, SignerCommitments, SigningBody, SigningMessage, SigningReply, SigningRequest, Undecodable,
};
