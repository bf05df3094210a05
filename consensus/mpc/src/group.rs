//! What anyone may know of a group: its key as L1 wants it, its verifying shares, and the signatures it makes.

use std::collections::BTreeMap;

use alloy_primitives::{B256, b256};
use borsh::{BorshDeserialize, BorshSerialize};
use frost_secp256k1::{
    Identifier, Signature, VerifyingKey,
    keys::{PublicKeyPackage, VerifyingShare},
};
use k256::{EncodedPoint, ProjectivePoint, elliptic_curve::sec1::ToEncodedPoint};

use crate::shares::{LayoutError, ShareLayout};

/// The order of secp256k1 (SEC 2, 2.4.1).
const ORDER: B256 = b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

/// Why a group key, a signature or stored group data is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// `px` is not below the order of the curve, so `ecrecover` cannot take it as `r`. Of probability 2^-128 for an honest
    /// run of key generation, which is then repeated.
    #[error("the x coordinate of the group key is not below the order of the curve")]
    KeyAboveOrder,
    /// There is no point with this x coordinate, or the parity is neither 27 nor 28.
    #[error("the group key is not a point of the curve")]
    KeyOffCurve,
    /// `(rx, ry)` is not a point of the curve.
    #[error("the signature's commitment is not a point of the curve")]
    CommitmentOffCurve,
    /// `z` is zero or not below the order of the curve.
    #[error("the signature's response is out of range")]
    ResponseOutOfRange,
    /// The signature is not one of this key over this digest.
    #[error("the signature does not verify")]
    Mismatch,
    /// Bytes that do not decode, or fields that contradict each other.
    #[error("stored group data does not decode")]
    Malformed,
    /// The stored weights make no layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// A group's public key in the form the L1 inbox stores: a point whose x coordinate is below the curve's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct GroupKey {
    px: B256,
    parity: u8,
}

impl GroupKey {
    /// Checks that `px` and `parity` (27: even y, 28: odd y, as `ecrecover` counts) name a point that L1 can install.
    pub fn new(px: B256, parity: u8) -> Result<Self, GroupError> {
        if px >= ORDER {
            return Err(GroupError::KeyAboveOrder);
        }
        if !matches!(parity, 27 | 28) {
            return Err(GroupError::KeyOffCurve);
        }
        let key = Self { px, parity };
        key.verifying_key()?;
        Ok(key)
    }

    pub(crate) fn from_verifying_key(key: &VerifyingKey) -> Result<Self, GroupError> {
        let compressed = key.serialize().map_err(|_| GroupError::KeyOffCurve)?;
        let (tag, px) = compressed.split_first().ok_or(GroupError::KeyOffCurve)?;
        Self::new(B256::try_from(px).map_err(|_| GroupError::KeyOffCurve)?, tag + 25)
    }

    /// The x coordinate, big-endian; below the curve's order. It also serves as the group's name.
    pub fn px(&self) -> B256 {
        self.px
    }

    /// 27 if y is even, 28 if it is odd.
    pub fn parity(&self) -> u8 {
        self.parity
    }

    /// Checks a signature as the L1 inbox does: the commitment is on the curve, `0 < z < n`, and
    /// `z*G = R + H2(R, P, digest)*P`.
    pub fn verify(&self, digest: B256, signature: &GroupSignature) -> Result<(), GroupError> {
        let signature = signature.decode()?;
        self.verifying_key()?.verify(digest.as_slice(), &signature).map_err(|_| GroupError::Mismatch)
    }

    pub(crate) fn verifying_key(&self) -> Result<VerifyingKey, GroupError> {
        let mut compressed = [self.parity - 25; 33];
        compressed[1..].copy_from_slice(self.px.as_slice());
        VerifyingKey::deserialize(&compressed).map_err(|_| GroupError::KeyOffCurve)
    }
}

impl BorshDeserialize for GroupKey {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let (px, parity) = <(B256, u8)>::deserialize_reader(reader)?;
        Self::new(px, parity).map_err(|error| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error))
    }
}

/// A Schnorr signature of a group over a 32-byte digest (RFC 9591, ciphersuite FROST(secp256k1, SHA-256)), as the L1 inbox
/// takes it. All three are big-endian. Fields straight from the wire may hold anything: [`GroupKey::verify`] checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct GroupSignature {
    /// x coordinate of the commitment R.
    pub rx: B256,
    /// y coordinate of the commitment R.
    pub ry: B256,
    /// The response z.
    pub z: B256,
}

impl GroupSignature {
    pub(crate) fn encode(signature: &Signature) -> Result<Self, GroupError> {
        let point: &ProjectivePoint = signature.R();
        let point = point.to_affine().to_encoded_point(false);
        let (Some(rx), Some(ry)) = (point.x(), point.y()) else {
            return Err(GroupError::CommitmentOffCurve);
        };
        let z = B256::from(<[u8; 32]>::from(signature.z().to_bytes()));
        if z.is_zero() {
            return Err(GroupError::ResponseOutOfRange);
        }
        Ok(Self { rx: B256::from_slice(rx), ry: B256::from_slice(ry), z })
    }

    pub(crate) fn decode(&self) -> Result<Signature, GroupError> {
        if self.z.is_zero() || self.z >= ORDER {
            return Err(GroupError::ResponseOutOfRange);
        }
        let point = EncodedPoint::from_affine_coordinates(&self.rx.0.into(), &self.ry.0.into(), false);
        let on_curve = k256::PublicKey::try_from(&point).map_err(|_| GroupError::CommitmentOffCurve)?;
        let mut bytes = [0; 65];
        bytes[..33].copy_from_slice(on_curve.to_encoded_point(true).as_bytes());
        bytes[33..].copy_from_slice(self.z.as_slice());
        Signature::deserialize(&bytes).map_err(|_| GroupError::CommitmentOffCurve)
    }
}

/// The public half of a finished key generation: enough to coordinate signing and to check every share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPublic {
    layout: ShareLayout,
    key: GroupKey,
    package: PublicKeyPackage,
}

impl GroupPublic {
    pub(crate) fn new(layout: ShareLayout, package: PublicKeyPackage) -> Result<Self, GroupError> {
        let key = GroupKey::from_verifying_key(package.verifying_key())?;
        let complete = package.verifying_shares().keys().copied().eq((1..=layout.total()).map(identifier));
        let encodable = package.verifying_shares().values().all(|share| share.serialize().is_ok());
        if !complete || !encodable || package.min_signers() != Some(layout.threshold()) {
            return Err(GroupError::Malformed);
        }
        Ok(Self { layout, key, package })
    }

    /// Who holds which shares.
    pub fn layout(&self) -> &ShareLayout {
        &self.layout
    }

    /// The group's key.
    pub fn key(&self) -> GroupKey {
        self.key
    }

    pub(crate) fn package(&self) -> &PublicKeyPackage {
        &self.package
    }
}

impl BorshSerialize for GroupPublic {
    fn serialize<W: borsh::io::Write>(&self, writer: &mut W) -> borsh::io::Result<()> {
        let shares: Vec<[u8; 33]> =
            self.package.verifying_shares().values().map(|s| point_bytes(&s.serialize())).collect();
        (self.layout.weights(), self.key, shares).serialize(writer)
    }
}

impl BorshDeserialize for GroupPublic {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let (weights, key, shares): (Vec<_>, GroupKey, Vec<[u8; 33]>) = BorshDeserialize::deserialize_reader(reader)?;
        let build = || -> Result<Self, GroupError> {
            let layout = ShareLayout::new(&weights)?;
            if shares.len() != usize::from(layout.total()) {
                return Err(GroupError::Malformed);
            }
            let shares =
                (1..).zip(&shares).map(|(index, bytes)| Ok((identifier(index), VerifyingShare::deserialize(bytes)?)));
            let shares: Result<BTreeMap<_, _>, frost_secp256k1::Error> = shares.collect();
            let shares = shares.map_err(|_| GroupError::Malformed)?;
            let package = PublicKeyPackage::new(shares, key.verifying_key()?, Some(layout.threshold()));
            Self::new(layout, package)
        };
        build().map_err(|error| borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error))
    }
}

/// The FROST identifier of a share.
///
/// # Panics
///
/// On zero, which no [`ShareLayout`] hands out.
pub(crate) fn identifier(index: u16) -> Identifier {
    Identifier::try_from(index).expect("shares are counted from one")
}

/// The index a FROST identifier of ours was made from; `None` for one that no layout hands out.
pub(crate) fn index_of(identifier: &Identifier) -> Option<u16> {
    let bytes = identifier.serialize();
    let (high, low) = bytes.split_last_chunk::<2>()?;
    high.iter().all(|byte| *byte == 0).then(|| u16::from_be_bytes(*low))
}

/// The compressed encoding of a point that was decoded, or made, as a point other than the identity.
pub(crate) fn point_bytes(encoded: &Result<Vec<u8>, frost_secp256k1::Error>) -> [u8; 33] {
    let bytes = encoded.as_deref().ok().and_then(|bytes| <[u8; 33]>::try_from(bytes).ok());
    bytes.expect("a point other than the identity has 33 bytes")
}
