//! What a validator holds of a group key: its secret shares and the group's public half.

use std::{collections::BTreeMap, fmt};

use alloy_primitives::Address;
use borsh::{BorshDeserialize, BorshSerialize};
use frost_secp256k1::keys::{KeyPackage, SigningShare, VerifyingShare};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    dkg::{DkgConfirm, DkgRun, encode},
    group::{GroupError, GroupPublic, identifier},
    limits::MAX_STATE_BYTES,
};

/// Format of stored material.
const VERSION: u8 = 1;

/// One validator's share of a group key. The secret parts are overwritten on drop.
#[derive(Clone)]
pub struct KeyMaterial {
    run: DkgRun,
    me: Address,
    public: GroupPublic,
    shares: BTreeMap<u16, KeyPackage>,
}

#[derive(BorshSerialize, BorshDeserialize)]
struct Stored {
    version: u8,
    run: DkgRun,
    me: Address,
    public: GroupPublic,
    shares: Vec<[u8; 32]>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.shares.zeroize();
    }
}

impl KeyMaterial {
    /// Checks that `shares` are those of `me` under the group's verifying shares.
    pub(crate) fn new(
        run: DkgRun,
        me: Address,
        public: GroupPublic,
        shares: BTreeMap<u16, KeyPackage>,
    ) -> Result<Self, GroupError> {
        if shares.is_empty() || !shares.keys().copied().eq(public.layout().identifiers(me)) {
            return Err(GroupError::Malformed);
        }
        for (index, share) in &shares {
            let expected = public.package().verifying_shares().get(&identifier(*index));
            let derived = VerifyingShare::from(*share.signing_share());
            let fits = share.identifier() == &identifier(*index)
                && share.verifying_share() == &derived
                && expected == Some(&derived)
                && share.verifying_key() == public.package().verifying_key()
                && *share.min_signers() == public.layout().threshold();
            if !fits {
                return Err(GroupError::Malformed);
            }
        }
        Ok(Self { run, me, public, shares })
    }

    /// The run that made the key.
    pub fn run(&self) -> DkgRun {
        self.run
    }

    /// The validator whose shares these are.
    pub fn me(&self) -> Address {
        self.me
    }

    /// What may be known of the group.
    pub fn public(&self) -> &GroupPublic {
        &self.public
    }

    /// Our word to the others that we hold our shares.
    pub fn confirm(&self) -> DkgConfirm {
        DkgConfirm { run: self.run, key: self.public.key() }
    }

    pub(crate) fn shares(&self) -> &BTreeMap<u16, KeyPackage> {
        &self.shares
    }

    /// Everything, as bytes. Secret: the caller encrypts them at rest.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let scalar = |share: &KeyPackage| {
            let bytes = Zeroizing::new(share.signing_share().serialize());
            <[u8; 32]>::try_from(bytes.as_slice()).expect("a scalar has 32 bytes")
        };
        Zeroizing::new(encode(&Stored {
            version: VERSION,
            run: self.run,
            me: self.me,
            public: self.public.clone(),
            shares: self.shares.values().map(scalar).collect(),
        }))
    }

    /// Restores [`KeyMaterial::to_bytes`], checking each secret share against its public one.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GroupError> {
        if bytes.len() > MAX_STATE_BYTES {
            return Err(GroupError::Malformed);
        }
        let stored: Stored = borsh::from_slice(bytes).map_err(|_| GroupError::Malformed)?;
        let layout = stored.public.layout();
        if stored.version != VERSION || stored.shares.len() != usize::from(layout.share_count(stored.me)) {
            return Err(GroupError::Malformed);
        }
        let package = |(index, bytes): (u16, &[u8; 32])| {
            let secret = SigningShare::deserialize(bytes).map_err(|_| GroupError::Malformed)?;
            let key = *stored.public.package().verifying_key();
            let package = KeyPackage::new(identifier(index), secret, secret.into(), key, layout.threshold());
            Ok((index, package))
        };
        let shares: Result<_, GroupError> = layout.identifiers(stored.me).zip(&stored.shares).map(package).collect();
        Self::new(stored.run, stored.me, stored.public.clone(), shares?)
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyMaterial")
            .field("run", &self.run)
            .field("me", &self.me)
            .field("key", &self.public.key())
            .field("shares", &self.shares.keys())
            .finish_non_exhaustive()
    }
}
