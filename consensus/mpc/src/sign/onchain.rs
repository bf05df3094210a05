//! The L1 inbox's check of a group signature, done as Solidity does it (one `ecrecover`), against our own check and against
//! `vectors/group_signatures.json`, which the contract's tests read too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, keccak256};
use frost_secp256k1::{Ciphersuite, Secp256K1Sha256};
use k256::{
    AffinePoint, EncodedPoint, ProjectivePoint, Scalar,
    elliptic_curve::{
        PrimeField,
        sec1::{FromEncodedPoint, ToEncodedPoint},
    },
};

use super::{SignerCommitments, SigningRequest, session::Outcome, session::Session};
use crate::{
    GroupKey, GroupSignature, Signer,
    testing::{group, rng, validator},
};

const VECTORS: &str = include_str!("../../vectors/group_signatures.json");

fn scalar(bytes: B256) -> Option<Scalar> {
    Scalar::from_repr(bytes.0.into()).into()
}

fn compressed(x: B256, odd: bool) -> [u8; 33] {
    let mut bytes = [2 + u8::from(odd); 33];
    bytes[1..].copy_from_slice(x.as_slice());
    bytes
}

fn address_of(x: &[u8], y: &[u8]) -> Address {
    Address::from_slice(&keccak256([x, y].concat())[12..])
}

/// The EVM's precompile 1 (yellow paper, appendix E).
fn ecrecover(hash: Scalar, v: u8, r: B256, s: Scalar) -> Option<Address> {
    let point = EncodedPoint::from_bytes(compressed(r, v == 28)).ok()?;
    let point = Option::<AffinePoint>::from(AffinePoint::from_encoded_point(&point))?;
    let inverse = Option::<Scalar>::from(scalar(r)?.invert())?;
    let recovered = (ProjectivePoint::from(point) * s - ProjectivePoint::GENERATOR * hash) * inverse;
    let recovered = recovered.to_affine().to_encoded_point(false);
    Some(address_of(recovered.x()?, recovered.y()?))
}

/// What the contract computes.
fn verify(px: B256, parity: u8, digest: B256, signature: &GroupSignature) -> bool {
    let GroupSignature { rx, ry, z } = *signature;
    let point = EncodedPoint::from_affine_coordinates(&rx.0.into(), &ry.0.into(), false);
    let on_curve = bool::from(AffinePoint::from_encoded_point(&point).is_some());
    let (Some(z), Some(px_scalar)) = (scalar(z), scalar(px)) else { return false };
    if !on_curve || z == Scalar::ZERO {
        return false;
    }
    let challenge = [&compressed(rx, ry[31] & 1 == 1)[..], &compressed(px, parity == 28), digest.as_slice()].concat();
    let challenge = Secp256K1Sha256::H2(&challenge);
    let recovered = ecrecover(-(z * px_scalar), parity, px, -(challenge * px_scalar));
    recovered == Some(address_of(rx.as_slice(), ry.as_slice()))
}

/// Signs with everybody, round by round.
fn sign(weights: &[u64], seed: u64, digest: B256) -> (GroupKey, GroupSignature) {
    let materials = group(weights, seed);
    let public = materials[0].public().clone();
    let mut signers: Vec<_> = materials.into_iter().map(Signer::new).collect();
    let mut rng = rng(seed);
    let commit = |(number, signer): (usize, &mut Signer)| SignerCommitments {
        signer: validator(number),
        commitments: signer.commit(validator(0), &mut rng).unwrap(),
    };
    let request = SigningRequest { digest, signers: signers.iter_mut().enumerate().map(commit).collect() };
    let mut session = Session::open(request.clone(), &public, 0).unwrap();
    for (number, signer) in signers.iter_mut().enumerate() {
        let reply = signer.sign(validator(0), &request, &mut rng).unwrap();
        let super::SigningReply::Shares { shares, .. } = reply else { panic!("refused") };
        assert!(session.take(validator(number), &shares, &public));
    }
    let Outcome::Signed(signature) = session.conclude(&public) else { panic!("not signed") };
    (public.key(), signature)
}

#[test]
fn the_contract_accepts_what_groups_sign_under_keys_of_either_parity() {
    let mut parities = BTreeMap::new();
    for seed in 30..42 {
        let digest = keccak256([seed as u8]);
        let (key, signature) = sign(&[1, 1], seed, digest);
        *parities.entry((key.parity(), signature.ry[31] & 1)).or_insert(0) += 1;
        assert!(verify(key.px(), key.parity(), digest, &signature));
        assert!(!verify(key.px(), key.parity(), B256::ZERO, &signature));
        assert!(!verify(key.px(), 27 + 28 - key.parity(), digest, &signature));
        key.verify(digest, &signature).unwrap();
    }
    assert_eq!(parities.len(), 4, "every combination of parities: {parities:?}");
}

#[test]
fn vectors_shared_with_the_contract() {
    let vectors: serde_json::Value = serde_json::from_str(VECTORS).unwrap();
    let mut seen = BTreeMap::new();
    for vector in vectors.as_array().unwrap() {
        let field = |name: &str| vector[name].as_str().unwrap().parse::<B256>().unwrap();
        let parity = vector["parity"].as_u64().unwrap() as u8;
        let signature = GroupSignature { rx: field("rx"), ry: field("ry"), z: field("z") };
        let (px, digest) = (field("px"), field("digest"));
        let valid = vector["valid"].as_bool().unwrap();
        let ours = GroupKey::new(px, parity).unwrap().verify(digest, &signature).is_ok();
        assert_eq!(ours, valid, "ours: {}", vector["what"]);
        assert_eq!(verify(px, parity, digest, &signature), valid, "the contract's: {}", vector["what"]);
        *seen.entry(valid).or_insert(0) += 1;
    }
    assert!(seen[&true] >= 4 && seen[&false] >= 5);
}

#[test]
fn keys_that_l1_cannot_install_are_refused() {
    use crate::GroupError::{KeyAboveOrder, KeyOffCurve};
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141".parse().unwrap();
    assert_eq!(GroupKey::new(order, 27), Err(KeyAboveOrder));
    assert_eq!(GroupKey::new(B256::repeat_byte(0xff), 27), Err(KeyAboveOrder));
    let (key, _) = sign(&[1, 1], 30, B256::ZERO);
    for parity in [0, 1, 2, 26, 29, 255] {
        assert_eq!(GroupKey::new(key.px(), parity), Err(KeyOffCurve));
    }
    // x = 5 is on no point of secp256k1.
    assert_eq!(GroupKey::new(B256::with_last_byte(5), 27), Err(KeyOffCurve));
}

#[test]
fn signatures_out_of_form_are_refused_by_their_form() {
    use crate::GroupError::{CommitmentOffCurve, ResponseOutOfRange};
    let (key, good) = sign(&[1, 1], 30, B256::ZERO);
    let refused = |signature| key.verify(B256::ZERO, &signature);
    assert_eq!(refused(good), Ok(()));
    assert_eq!(refused(GroupSignature { z: B256::ZERO, ..good }), Err(ResponseOutOfRange));
    assert_eq!(refused(GroupSignature { z: B256::repeat_byte(0xff), ..good }), Err(ResponseOutOfRange));
    assert_eq!(refused(GroupSignature { ry: good.rx, ..good }), Err(CommitmentOffCurve));
    assert_eq!(refused(GroupSignature { rx: B256::repeat_byte(0xff), ..good }), Err(CommitmentOffCurve));
    assert_eq!(refused(GroupSignature { rx: B256::ZERO, ry: B256::ZERO, ..good }), Err(CommitmentOffCurve));
}
