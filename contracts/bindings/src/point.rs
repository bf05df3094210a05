//! Keys and signatures in the forms that L1 takes. RFC 9591 writes points compressed; the inbox takes both
//! coordinates, since finding the second costs L1 more than carrying it.

use alloy::primitives::{Bytes, U256};
use secp256k1::PublicKey;

use crate::Signature;

/// Bytes that are no point of secp256k1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {0} is not a compressed point of secp256k1 (SEC 1, section 2.3.3)")]
pub struct PointError(
    /// What the bytes were said to be.
    pub &'static str,
);

/// The (px, parity) of a group key given as the 33 bytes of a compressed point. Parity is 27 or 28.
pub fn group_key(compressed: &[u8; 33]) -> Result<(U256, u8), PointError> {
    PublicKey::from_slice(compressed).map_err(|_| PointError("group key"))?;
    Ok((U256::from_be_slice(&compressed[1..]), compressed[0] + 25))
}

/// A group signature from the 65 bytes of RFC 9591: R compressed, then z, big-endian.
pub fn group_signature(rfc9591: &[u8; 65]) -> Result<Signature, PointError> {
    let r = PublicKey::from_slice(&rfc9591[..33]).map_err(|_| PointError("signature's R"))?;
    let r = r.serialize_uncompressed();
    Ok(Signature {
        rx: U256::from_be_slice(&r[1..33]),
        ry: U256::from_be_slice(&r[33..]),
        z: U256::from_be_slice(&rfc9591[33..]),
    })
}

/// A validator's signature r || s || v as L1 takes it: v in {0, 1} becomes 27 or 28, any other v is left as it is.
pub fn recoverable(signature: &[u8; 65]) -> Bytes {
    let mut bytes = *signature;
    if bytes[64] < 2 {
        bytes[64] += 27;
    }
    Bytes::from(bytes)
}
