//! A group of FROST signers in one place, dealt by a dealer: for tests of what L1 makes of its signatures.

use std::collections::BTreeMap;

use frost_secp256k1 as frost;
use rand_chacha::ChaCha20Rng;

/// Signers enough to sign, and the key they sign for.
pub struct Group {
    signers: BTreeMap<frost::Identifier, frost::keys::KeyPackage>,
    public: frost::keys::PublicKeyPackage,
}

impl Group {
    /// The first `t` of `n` who were dealt a new key.
    pub fn deal(t: u16, n: u16, rng: &mut ChaCha20Rng) -> Self {
        let (shares, public) =
            frost::keys::generate_with_dealer(n, t, frost::keys::IdentifierList::Default, &mut *rng).unwrap();
        let signers = shares.into_iter().take(t.into()).map(|(id, share)| (id, share.try_into().unwrap())).collect();
        Self { signers, public }
    }

    /// The group's key, compressed.
    pub fn key(&self) -> [u8; 33] {
        self.public.verifying_key().serialize().unwrap().try_into().unwrap()
    }

    /// Signs in the protocol's two rounds. The bytes are those of RFC 9591.
    pub fn sign(&self, message: &[u8], rng: &mut ChaCha20Rng) -> [u8; 65] {
        let mut nonces = BTreeMap::new();
        let mut commitments = BTreeMap::new();
        for (id, key) in &self.signers {
            let (nonce, commitment) = frost::round1::commit(key.signing_share(), rng);
            nonces.insert(*id, nonce);
            commitments.insert(*id, commitment);
        }
        let package = frost::SigningPackage::new(commitments, message);
        let shares = self
            .signers
            .iter()
            .map(|(id, key)| (*id, frost::round2::sign(&package, &nonces[id], key).unwrap()))
            .collect();
        frost::aggregate(&package, &shares, &self.public).unwrap().serialize().unwrap().try_into().unwrap()
    }
}
