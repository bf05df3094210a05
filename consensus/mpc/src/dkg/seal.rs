//! Sealing a dealer's shares to one receiver: HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
//! ChaCha20-Poly1305. The dealer is authenticated by the broadcast channel, not by HPKE.

use alloy_primitives::{Address, B256};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256,
};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{DkgRun, SealedShares, message::encode};

type Kem = X25519HkdfSha256;

/// Domain of everything sealed here.
const DOMAIN: &[u8] = b"horae.v1.dkg.share";

/// The key pair of one validator for one run.
pub(super) struct SealKey {
    secret: <Kem as hpke::Kem>::PrivateKey,
    public: <Kem as hpke::Kem>::PublicKey,
}

impl SealKey {
    pub(super) fn generate(rng: &mut (impl CryptoRng + RngCore)) -> Self {
        let (secret, public) = Kem::gen_keypair(rng);
        Self { secret, public }
    }

    pub(super) fn public(&self) -> [u8; 32] {
        self.public.to_bytes().into()
    }

    /// The scalars sealed to us, or nothing if they were not sealed to this key under this binding.
    pub(super) fn open(&self, binding: &Binding, sealed: &SealedShares) -> Option<Zeroizing<Vec<u8>>> {
        let encapsulated = Deserializable::from_bytes(&sealed.encapsulated).ok()?;
        let mode = OpModeR::Base;
        let info = binding.info();
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(
            &mode,
            &self.secret,
            &encapsulated,
            &info,
            &sealed.ciphertext,
            &[],
        )
        .ok()
        .map(Zeroizing::new)
    }
}

/// What a sealed share is bound to: it opens nowhere else.
pub(super) struct Binding {
    pub(super) run: DkgRun,
    /// Hash of all commitments of the run.
    pub(super) transcript: B256,
    pub(super) dealer: Address,
    pub(super) receiver: Address,
}

impl Binding {
    fn info(&self) -> Vec<u8> {
        encode(&(DOMAIN, self.run, self.transcript, self.dealer, self.receiver))
    }

    /// Seals `scalars` to `seal_key`, or nothing if that key is a point of low order.
    pub(super) fn seal(
        &self,
        seal_key: &[u8; 32],
        scalars: &[u8],
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Option<SealedShares> {
        let public = <Kem as hpke::Kem>::PublicKey::from_bytes(seal_key).ok()?;
        let mode = OpModeS::Base;
        let info = self.info();
        let (encapsulated, ciphertext) =
            hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, Kem, _>(&mode, &public, &info, scalars, &[], rng)
                .ok()?;
        Some(SealedShares { receiver: self.receiver, encapsulated: encapsulated.to_bytes().into(), ciphertext })
    }
}
