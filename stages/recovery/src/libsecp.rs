//! Recovery by libsecp256k1, one by one: the backend of machines without AVX-512, the judge of the other backend, and
//! the way out for the rare lanes that its formulas do not cover.

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey};

use crate::input::{Input, Outcome, RecoverError};
use crate::keccak;

/// Recovers one address.
pub(crate) fn recover(input: &Input) -> Outcome {
    input.check()?;
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(&input.r);
    compact[32..].copy_from_slice(&input.s);
    let id =
        RecoveryId::try_from(i32::from(input.recovery_id)).map_err(|_| RecoverError::RecoveryId(input.recovery_id))?;
    // r and s are below the order, so that the signature always parses.
    let signature = RecoverableSignature::from_compact(&compact, id).map_err(|_| RecoverError::R)?;
    match signature.recover_ecdsa(Message::from_digest(input.hash)) {
        Ok(key) => Ok(address(&key)),
        Err(_) => Err(why(input)),
    }
}

/// Why a signature in range has no key: there is no point, or there is one and the key is at infinity.
fn why(input: &Input) -> RecoverError {
    let mut point = [2; 33];
    point[1..].copy_from_slice(&input.x());
    match PublicKey::from_slice(&point) {
        Ok(_) => RecoverError::Infinity,
        Err(_) => RecoverError::NoPoint,
    }
}

fn address(key: &PublicKey) -> [u8; 20] {
    let hash = keccak::hash(&key.serialize_uncompressed()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    address
}
