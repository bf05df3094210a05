//! One validator's side of one run of key generation.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use frost_secp256k1::{
    Error, Identifier, Signature,
    keys::{
        KeyPackage, PublicKeyPackage, SigningShare, VerifiableSecretSharingCommitment,
        dkg::{part1, part2, part3, round1, round2},
    },
};
use k256::{FieldBytes, Scalar, elliptic_curve::PrimeField};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{
    DkgCommitments, DkgError, DkgMessage, DkgRun, DkgShares, SealedShares, ShareDeal,
    message::digest_of,
    seal::{Binding, SealKey},
};
use crate::{
    group::{GroupPublic, identifier, index_of, point_bytes},
    material::KeyMaterial,
    shares::ShareLayout,
};

/// Bytes of a scalar.
const SCALAR: usize = 32;
/// Bytes that a sealed message is longer than its content (Poly1305 tag).
const TAG: usize = 16;

/// Streams of the run's seed, so that no two draws share bytes. Identifiers take theirs by their index.
const SEAL_KEY_STREAM: u64 = 1 << 32;
const SEALING_STREAM: u64 = 2 << 32;

/// Round one of everyone, by identifier.
type Packages = BTreeMap<Identifier, round1::Package>;

/// Round two of ours, by our identifiers: what we keep, and what the holder of every other identifier gets.
type Dealt = BTreeMap<u16, (round2::SecretPackage, BTreeMap<Identifier, round2::Package>)>;

/// What all validators of a run agree on beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkgParams {
    /// The run.
    pub run: DkgRun,
    /// Who will hold which shares.
    pub layout: ShareLayout,
}

/// Shares that a dealer sealed to us.
pub(super) struct Opened {
    /// Hash of the message they came in.
    pub(super) message: B256,
    /// As in [`SealedShares::ciphertext`], opened.
    pub(super) scalars: Zeroizing<Vec<u8>>,
}

/// One validator's side of one run.
///
/// Everything it ever says is a function of a seed drawn at [`Dkg::start`] and of the messages it was shown, so that a node
/// restored from any stored state of the run says the same again. Messages count once the broadcast channel has shown them,
/// our own included; until then [`Dkg::outgoing`] repeats ours. Messages shown twice are taken once.
pub struct Dkg {
    pub(super) params: DkgParams,
    pub(super) me: Address,
    pub(super) seed: Zeroizing<[u8; 32]>,
    secrets: BTreeMap<u16, round1::SecretPackage>,
    seal_key: SealKey,
    own_commitments: DkgCommitments,
    own_shares: Option<DkgShares>,
    pub(super) commitments: BTreeMap<Address, DkgCommitments>,
    pub(super) opened: BTreeMap<Address, Opened>,
    pub(super) own_shares_shown: bool,
}

impl Dkg {
    /// Begins a run. Store [`Dkg::to_bytes`] before sending the commitments.
    pub fn start(
        params: DkgParams,
        me: Address,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Result<(Self, DkgCommitments), DkgError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        let dkg = Self::from_seed(params, me, seed)?;
        let commitments = dkg.own_commitments.clone();
        Ok((dkg, commitments))
    }

    pub(super) fn from_seed(params: DkgParams, me: Address, seed: Zeroizing<[u8; 32]>) -> Result<Self, DkgError> {
        let layout = &params.layout;
        if !layout.contains(me) {
            return Err(DkgError::NotAMember(me));
        }
        let seal_key = SealKey::generate(&mut stream(&seed, SEAL_KEY_STREAM));
        let mut secrets = BTreeMap::new();
        let mut deals = Vec::new();
        for index in layout.identifiers(me) {
            let rng = stream(&seed, u64::from(index));
            let dealt = part1(identifier(index), layout.total(), layout.threshold(), rng);
            let (secret, package) = dealt.map_err(DkgError::Library)?;
            secrets.insert(index, secret);
            deals.push(encode_deal(&package)?);
        }
        let own_commitments = DkgCommitments { run: params.run, seal_key: seal_key.public(), deals };
        Ok(Self {
            params,
            me,
            seed,
            secrets,
            seal_key,
            own_commitments,
            own_shares: None,
            commitments: BTreeMap::new(),
            opened: BTreeMap::new(),
            own_shares_shown: false,
        })
    }

    /// What the run is about.
    pub fn params(&self) -> &DkgParams {
        &self.params
    }

    /// What we have said, or have to say now, that the broadcast channel has not shown yet. To be sent again after a
    /// restart. Fails as [`Dkg::shares`] does.
    pub fn outgoing(&mut self) -> Result<Vec<DkgMessage>, DkgError> {
        let mut messages = Vec::new();
        if !self.commitments.contains_key(&self.me) {
            messages.push(DkgMessage::Commitments(self.own_commitments.clone()));
        }
        if self.has_all_commitments() && !self.own_shares_shown {
            messages.push(DkgMessage::Shares(self.shares()?));
        }
        Ok(messages)
    }

    /// Takes the commitments that the channel shows from `from`, our own too.
    pub fn on_commitments(&mut self, from: Address, message: &DkgCommitments) -> Result<(), DkgError> {
        self.check_sender(from, message.run)?;
        if let Some(known) = self.commitments.get(&from) {
            return same(known == message, from);
        }
        if from == self.me {
            same(self.own_commitments == *message, from)?;
        } else {
            self.decode_deals(from, message)?;
        }
        self.commitments.insert(from, message.clone());
        Ok(())
    }

    /// Whether the commitments of every validator have been shown.
    pub fn has_all_commitments(&self) -> bool {
        self.commitments.len() == self.params.layout.validators().len()
    }

    /// Our shares for everyone, once all commitments are there. Checks every dealer's proof of knowledge. The same message
    /// each time. Store [`Dkg::to_bytes`] before sending it.
    pub fn shares(&mut self) -> Result<DkgShares, DkgError> {
        if let Some(shares) = &self.own_shares {
            return Ok(shares.clone());
        }
        let dealt = self.deal()?;
        let transcript = self.transcript();
        let layout = &self.params.layout;
        let mut sealed = Vec::new();
        for receiver in layout.validators().filter(|v| *v != self.me) {
            let mut scalars = Zeroizing::new(Vec::new());
            for (_, packages) in dealt.values() {
                for index in layout.identifiers(receiver) {
                    let package = packages.get(&identifier(index));
                    let package = package.ok_or(DkgError::Library(Error::PackageNotFound))?;
                    scalars.extend_from_slice(&Zeroizing::new(package.signing_share().serialize()));
                }
            }
            let their_key = self.commitments.get(&receiver).map(|c| c.seal_key).unwrap_or_default();
            let binding = Binding { run: self.params.run, transcript, dealer: self.me, receiver };
            let mut rng = stream(&self.seed, SEALING_STREAM + u64::from(layout.identifiers(receiver).start));
            let shares = binding.seal(&their_key, &scalars, &mut rng);
            sealed.push(shares.ok_or(DkgError::BadSealKey { validator: receiver })?);
        }
        let shares = DkgShares { run: self.params.run, sealed };
        self.own_shares = Some(shares.clone());
        Ok(shares)
    }

    /// Takes the shares that the channel shows from `from`, our own message too.
    pub fn on_shares(&mut self, from: Address, message: &DkgShares) -> Result<(), DkgError> {
        self.check_sender(from, message.run)?;
        if !self.has_all_commitments() {
            return Err(DkgError::TooEarly { dealer: from });
        }
        if from == self.me {
            let own = self.shares()?;
            same(own == *message, from)?;
            self.own_shares_shown = true;
            return Ok(());
        }
        let digest = digest_of(message);
        if let Some(known) = self.opened.get(&from) {
            return same(known.message == digest, from);
        }
        let sealed = self.check_sealed(from, message)?;
        let binding = Binding { run: self.params.run, transcript: self.transcript(), dealer: from, receiver: self.me };
        let scalars = self.seal_key.open(&binding, sealed).ok_or(DkgError::BadShares { dealer: from })?;
        self.opened.insert(from, Opened { message: digest, scalars });
        Ok(())
    }

    /// Whether the shares of every validator have been shown, our own message too.
    pub fn has_all_shares(&self) -> bool {
        self.own_shares_shown && self.opened.len() + 1 == self.params.layout.validators().len()
    }

    /// Checks what was dealt to us against the dealers' commitments and adds it up to our shares of the group key.
    ///
    /// The caller stores the material, then drops the run and its stored state. Slow for large groups, see
    /// [`MAX_SHARES`](crate::limits::MAX_SHARES): not for a thread that others wait for.
    pub fn finish(&self) -> Result<KeyMaterial, DkgError> {
        let layout = &self.params.layout;
        if !self.has_all_shares() {
            let heard = self.opened.len() + usize::from(self.own_shares_shown);
            return Err(DkgError::Incomplete { missing: layout.validators().len() - heard });
        }
        let packages = self.round1_packages()?;
        let commitments = packages.iter().map(|(id, package)| (*id, package.commitment())).collect();
        let public = PublicKeyPackage::from_dkg_commitments(&commitments).map_err(DkgError::Library)?;
        let public = GroupPublic::new(layout.clone(), public)?;
        let key = *public.package().verifying_key();

        let dealt = self.deal()?;
        let mut shares = BTreeMap::new();
        for (at, index) in layout.identifiers(self.me).enumerate() {
            let mut sum = Zeroizing::new(Scalar::ZERO);
            if let Some((kept, _)) = dealt.get(&index) {
                *sum += kept.secret_share();
            }
            for package in self.received(&dealt, at, index)?.values() {
                *sum += scalar(package).ok_or(DkgError::Library(Error::DeserializationError))?;
            }
            let share = SigningShare::deserialize(&sum.to_bytes()).map_err(DkgError::Library)?;
            shares.insert(index, KeyPackage::new(identifier(index), share, share.into(), key, layout.threshold()));
        }
        // The material checks each sum against the sum of all commitments. Single deals are checked only if that fails, for
        // it takes `total` times as long.
        KeyMaterial::new(self.params.run, self.me, public, shares).or_else(|error| {
            self.check_each_deal(&packages, &dealt)?;
            Err(error.into())
        })
    }

    /// The protocol's own check, dealer by dealer, to name who dealt badly.
    fn check_each_deal(&self, packages: &Packages, dealt: &Dealt) -> Result<(), DkgError> {
        for (at, index) in self.params.layout.identifiers(self.me).enumerate() {
            if let Some((kept, _)) = dealt.get(&index) {
                let received = self.received(dealt, at, index)?;
                let others = without(packages, identifier(index));
                part3(kept, &others, &received).map_err(|error| self.blame(error))?;
            }
        }
        Ok(())
    }

    /// Round two for each of our identifiers. Checks every dealer's proof of knowledge.
    fn deal(&self) -> Result<Dealt, DkgError> {
        let packages = self.round1_packages()?;
        let deal = |(index, secret): (&u16, &round1::SecretPackage)| {
            let others = without(&packages, identifier(*index));
            let dealt = part2(secret.clone(), &others).map_err(|error| self.blame(error))?;
            Ok((*index, dealt))
        };
        self.secrets.iter().map(deal).collect()
    }

    /// What all other identifiers, those of ours too, dealt to `index`, which is our `at`-th.
    fn received(
        &self,
        dealt: &Dealt,
        at: usize,
        index: u16,
    ) -> Result<BTreeMap<Identifier, round2::Package>, DkgError> {
        let layout = &self.params.layout;
        let ours = usize::from(layout.share_count(self.me));
        let mut received = BTreeMap::new();
        for (dealer, opened) in &self.opened {
            let rows = opened.scalars.chunks_exact(ours * SCALAR);
            for (dealer_index, row) in layout.identifiers(*dealer).zip(rows) {
                let share = row.get(at * SCALAR..(at + 1) * SCALAR).and_then(|b| SigningShare::deserialize(b).ok());
                let share = share.ok_or(DkgError::BadShares { dealer: *dealer })?;
                received.insert(identifier(dealer_index), round2::Package::new(share));
            }
        }
        for (dealer_index, (_, packages)) in dealt {
            if let Some(package) = packages.get(&identifier(index)) {
                received.insert(identifier(*dealer_index), package.clone());
            }
        }
        Ok(received)
    }

    /// All commitments, by identifier.
    fn round1_packages(&self) -> Result<Packages, DkgError> {
        if !self.has_all_commitments() {
            let missing = self.params.layout.validators().len() - self.commitments.len();
            return Err(DkgError::Incomplete { missing });
        }
        let mut packages = BTreeMap::new();
        for (dealer, message) in &self.commitments {
            packages.extend(self.decode_deals(*dealer, message)?);
        }
        Ok(packages)
    }

    fn decode_deals(
        &self,
        dealer: Address,
        message: &DkgCommitments,
    ) -> Result<Vec<(Identifier, round1::Package)>, DkgError> {
        let layout = &self.params.layout;
        if message.deals.len() != usize::from(layout.share_count(dealer)) {
            return Err(DkgError::Malformed { dealer, what: "commitments for another number of shares than it holds" });
        }
        let decode = |(index, deal): (u16, &ShareDeal)| {
            if deal.coefficients.len() != usize::from(layout.threshold()) {
                return Err(DkgError::Malformed {
                    dealer,
                    what: "a polynomial of another degree than the threshold's",
                });
            }
            let commitment = VerifiableSecretSharingCommitment::deserialize(&deal.coefficients);
            let commitment =
                commitment.map_err(|_| DkgError::Malformed { dealer, what: "a commitment that is no point" })?;
            let proof = Signature::deserialize(&deal.proof);
            let proof = proof.map_err(|_| DkgError::Malformed { dealer, what: "a proof that does not decode" })?;
            Ok((identifier(index), round1::Package::new(commitment, proof)))
        };
        layout.identifiers(dealer).zip(&message.deals).map(decode).collect()
    }

    /// Checks the form of a whole message, so that all receivers judge it alike, and gives the part for us.
    fn check_sealed<'m>(&self, dealer: Address, message: &'m DkgShares) -> Result<&'m SealedShares, DkgError> {
        let layout = &self.params.layout;
        let receivers = layout.validators().filter(|v| *v != dealer);
        if !message.sealed.iter().map(|s| s.receiver).eq(receivers) {
            return Err(DkgError::Malformed { dealer, what: "shares for others than the validators of the run" });
        }
        let count = |v| usize::from(layout.share_count(v));
        let fits = |s: &SealedShares| s.ciphertext.len() == count(dealer) * count(s.receiver) * SCALAR + TAG;
        if !message.sealed.iter().all(fits) {
            return Err(DkgError::Malformed { dealer, what: "another number of shares than the layout asks for" });
        }
        let ours = message.sealed.iter().find(|s| s.receiver == self.me);
        ours.ok_or(DkgError::Malformed { dealer, what: "no shares for us" })
    }

    fn check_sender(&self, from: Address, run: DkgRun) -> Result<(), DkgError> {
        if run != self.params.run {
            return Err(DkgError::OtherRun { from, found: run, expected: self.params.run });
        }
        if !self.params.layout.contains(from) {
            return Err(DkgError::Stranger(from));
        }
        Ok(())
    }

    /// Hash of all commitments, ascending by validator.
    pub(super) fn transcript(&self) -> B256 {
        digest_of(&self.commitments)
    }

    /// Puts a validator's name to an identifier that the library blames.
    fn blame(&self, error: Error) -> DkgError {
        let culprits = error.culprits();
        let dealer = culprits.first().and_then(index_of).and_then(|index| self.params.layout.holder_of(index));
        match (error, dealer) {
            (Error::InvalidProofOfKnowledge { .. }, Some(dealer)) => DkgError::BadProof { dealer },
            (Error::InvalidSecretShare { .. }, Some(dealer)) => DkgError::BadShares { dealer },
            (error, _) => DkgError::Library(error),
        }
    }

    pub(super) fn own_commitments_digest(&self) -> B256 {
        digest_of(&self.own_commitments)
    }
}

fn stream(seed: &[u8; 32], number: u64) -> ChaCha20Rng {
    let mut rng = ChaCha20Rng::from_seed(*seed);
    rng.set_stream(number);
    rng
}

fn same(equal: bool, dealer: Address) -> Result<(), DkgError> {
    if equal { Ok(()) } else { Err(DkgError::TwoMessages { dealer }) }
}

fn without(packages: &Packages, identifier: Identifier) -> Packages {
    let mut others = packages.clone();
    others.remove(&identifier);
    others
}

fn scalar(package: &round2::Package) -> Option<Scalar> {
    let bytes = Zeroizing::new(package.signing_share().serialize());
    Scalar::from_repr(*FieldBytes::from_slice(bytes.get(..SCALAR)?)).into()
}

fn encode_deal(package: &round1::Package) -> Result<ShareDeal, DkgError> {
    let coefficients = package.commitment().serialize().map_err(DkgError::Library)?;
    let coefficients = coefficients.into_iter().map(|bytes| point_bytes(&Ok(bytes))).collect();
    let proof = package.proof_of_knowledge().serialize().map_err(DkgError::Library)?;
    let proof = proof.try_into().map_err(|_| DkgError::Library(Error::SerializationError))?;
    Ok(ShareDeal { coefficients, proof })
}
