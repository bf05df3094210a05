//! The signer key and its signatures: ECDSA on secp256k1, deterministic nonces (RFC 6979), recoverable, low s (EIP-2).

use std::fmt;

use alloy_primitives::{Address, B256, keccak256};
use borsh::{BorshDeserialize, BorshSerialize};
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey, SecretKey};
use zeroize::Zeroizing;

use crate::seen;

/// Half the order of the curve: the largest `s` accepted (EIP-2).
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// `r || s || v`, with `v` 0 or 1 (27 or 28 on L1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Signature(pub [u8; 65]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", alloy_primitives::hex::encode(self.0))
    }
}

/// The 32 bytes are not a secp256k1 secret: zero, or not below the order of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signer key is not a valid secp256k1 secret")]
pub struct InvalidKey;

/// A validator's secp256k1 secret. Erased from memory when dropped; never printed.
#[cfg_attr(test, derive(Clone))]
pub struct SignerKey {
    secret: Zeroizing<[u8; 32]>,
    address: Address,
}

impl SignerKey {
    /// The key with these secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> Result<Self, InvalidKey> {
        let secret = Zeroizing::new(*secret);
        let mut key = SecretKey::from_secret_bytes(*secret).map_err(|_| InvalidKey)?;
        let address = address_of(&PublicKey::from_secret_key(&key));
        key.non_secure_erase();
        Ok(Self { secret, address })
    }

    /// The address that [`recover`] returns for this key's signatures.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs 32 bytes. The same bytes always give the same signature.
    pub fn sign(&self, digest: B256) -> Signature {
        let mut key = SecretKey::from_secret_bytes(*self.secret).expect("checked when the key was made");
        let signature = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &key);
        key.non_secure_erase();
        let (v, rs) = signature.serialize_compact();
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&rs);
        bytes[64] = v.to_u8();
        seen::remember(digest, Signature(bytes), Some(self.address));
        Signature(bytes)
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerKey").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Who signed `digest`, or nothing if the signature is malformed, has a high `s`, or recovers no key.
pub fn recover(digest: B256, signature: &Signature) -> Option<Address> {
    if let Some(known) = seen::recalled(digest, signature) {
        return known;
    }
    let signer = recover_anew(digest, signature);
    seen::remember(digest, *signature, signer);
    signer
}

fn recover_anew(digest: B256, signature: &Signature) -> Option<Address> {
    let bytes = &signature.0;
    if bytes[32..64] > HALF_ORDER[..] {
        return None;
    }
    let v = match bytes[64] {
        0 => RecoveryId::Zero,
        1 => RecoveryId::One,
        _ => return None,
    };
    let parsed = RecoverableSignature::from_compact(&bytes[..64], v).ok()?;
    let key = parsed.recover_ecdsa(Message::from_digest(digest.0)).ok()?;
    Some(address_of(&key))
}

fn address_of(key: &PublicKey) -> Address {
    let point = key.serialize_uncompressed();
    Address::from_slice(&keccak256(&point[1..])[12..])
}

#[cfg(test)]
mod tests;
