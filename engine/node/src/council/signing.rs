//! Threshold signing at this node: one signer, one coordinator, and the digests that this node has checked itself.

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::{Address, B256};
use horae_control::{GroupKey, SignerKey, planted};
use horae_mpc::{
    BeginError, Coordinator, CoordinatorConfig, CoordinatorOutput, Fault, GroupSignature, KeyMaterial, Refusal, Signer,
    SigningBody, SigningMessage, SigningReply, SigningRequest,
};
use metrics::counter;
use rand_core::{CryptoRng, RngCore};
use tracing::warn;

/// Checked digests that are remembered.
const APPROVED: usize = 16;
/// Requests that wait for their digest to be checked.
const WAITING: usize = 64;
/// A request whose digest is not checked after this long is refused, in milliseconds.
const CHECK_MS: u64 = 3_000;

const COORDINATOR: CoordinatorConfig =
    CoordinatorConfig { patience_ms: 1_500, retry_ms: 400, ask_interval_ms: 1_000, give_up_ms: 20_000 };

/// Something that follows from a turn of signing.
#[derive(Debug)]
pub enum SigningOutput {
    /// To be sent.
    Send {
        /// The validator.
        to: Address,
        /// The message.
        message: SigningMessage,
    },
    /// A validator did not do its part.
    Fault {
        /// The validator.
        validator: Address,
        /// What it did.
        fault: Fault,
    },
    /// A digest of ours is signed.
    Signed {
        /// The digest.
        digest: B256,
        /// The group's signature.
        signature: GroupSignature,
        /// Whose shares are in it.
        signers: Vec<Address>,
    },
    /// A digest of ours was given up.
    Failed {
        /// The digest.
        digest: B256,
    },
}

struct Waiting {
    from: Address,
    request: SigningRequest,
    since_ms: u64,
}

/// Signing under one group key.
pub struct Signing {
    me: Address,
    group: B256,
    signer: Signer,
    coordinator: Coordinator,
    approved: VecDeque<B256>,
    waiting: VecDeque<Waiting>,
    /// Whom the last request for each digest of ours went to, while it is being signed.
    asked: BTreeMap<B256, Vec<Address>>,
}

impl Signing {
    /// Signing with these shares.
    pub fn new(key: &SignerKey, material: KeyMaterial) -> Self {
        let public = material.public().clone();
        Self {
            me: key.address(),
            group: public.key().px(),
            coordinator: Coordinator::new(public, COORDINATOR),
            signer: Signer::new(material),
            approved: VecDeque::new(),
            waiting: VecDeque::new(),
            asked: BTreeMap::new(),
        }
    }

    /// Whether it signs under this key.
    pub fn is_under(&self, key: &GroupKey) -> bool {
        self.is_of(key.px.into())
    }

    /// This node has checked what the digest stands for.
    pub fn approve(&mut self, digest: B256, now_ms: u64, rng: &mut (impl CryptoRng + RngCore)) -> Vec<SigningOutput> {
        if !self.approved.contains(&digest) {
            self.approved.push_back(digest);
            if self.approved.len() > APPROVED {
                self.approved.pop_front();
            }
        }
        let (ready, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.request.digest == digest);
        self.waiting = rest.into();
        let mut outputs = Vec::new();
        for Waiting { from, request, .. } in ready {
            self.answer(from, &request, now_ms, rng, &mut outputs);
        }
        outputs
    }

    /// Begins to have a digest signed; this node must have approved it.
    pub fn begin(&mut self, digest: B256, now_ms: u64, rng: &mut (impl CryptoRng + RngCore)) -> Vec<SigningOutput> {
        let begun = self.coordinator.begin(digest, now_ms);
        let mut outputs = Vec::new();
        match begun {
            Ok(done) => self.carry(done, now_ms, rng, &mut outputs),
            Err(BeginError::Busy) => {
                warn!(%digest, "too many digests wait to be signed");
                outputs.push(SigningOutput::Failed { digest });
            }
        }
        outputs
    }

    /// Forgets a digest of ours that need not be signed any more.
    pub fn cancel(&mut self, digest: &B256) {
        self.asked.remove(digest);
        self.coordinator.cancel(*digest);
    }

    /// Whether its key has this x coordinate.
    pub fn is_of(&self, group: B256) -> bool {
        self.group == group
    }

    /// Takes in what another validator says about a signature under this key.
    pub fn hear(
        &mut self,
        from: Address,
        body: SigningBody,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
    ) -> Vec<SigningOutput> {
        let mut outputs = Vec::new();
        self.hear_body(from, body, now_ms, rng, &mut outputs);
        outputs
    }

    /// Lets time pass.
    pub fn tick(&mut self, now_ms: u64, rng: &mut (impl CryptoRng + RngCore)) -> Vec<SigningOutput> {
        let mut outputs = Vec::new();
        let done = self.coordinator.poll(now_ms);
        self.carry(done, now_ms, rng, &mut outputs);
        while self.waiting.front().is_some_and(|waiting| now_ms >= waiting.since_ms.saturating_add(CHECK_MS)) {
            if let Some(Waiting { from, request, .. }) = self.waiting.pop_front() {
                self.refuse(from, &request, now_ms, rng, &mut outputs);
            }
        }
        outputs
    }

    fn hear_body(
        &mut self,
        from: Address,
        body: SigningBody,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
        outputs: &mut Vec<SigningOutput>,
    ) {
        match body {
            SigningBody::Ask | SigningBody::Request(_) if planted!(SilentSigner) => {}
            SigningBody::Ask => {
                if let Some(commitments) = self.signer.commit(from, rng) {
                    self.send(from, SigningBody::Commitments(commitments), now_ms, rng, outputs);
                }
            }
            SigningBody::Commitments(commitments) => {
                let done = self.coordinator.on_commitments(from, commitments, now_ms);
                self.carry(done, now_ms, rng, outputs);
            }
            SigningBody::Request(request) if self.approved.contains(&request.digest) => {
                self.answer(from, &request, now_ms, rng, outputs);
            }
            SigningBody::Request(request) if self.waiting.len() < WAITING => {
                self.waiting.push_back(Waiting { from, request, since_ms: now_ms });
            }
            SigningBody::Request(request) => self.refuse(from, &request, now_ms, rng, outputs),
            SigningBody::Reply(reply) => {
                let done = self.coordinator.on_reply(from, reply, now_ms);
                self.carry(done, now_ms, rng, outputs);
            }
        }
    }

    fn answer(
        &mut self,
        from: Address,
        request: &SigningRequest,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
        outputs: &mut Vec<SigningOutput>,
    ) {
        if let Some(mut reply) = self.signer.sign(from, request, rng) {
            if planted!(LyingSigner)
                && let SigningReply::Shares { shares, .. } = &mut reply
            {
                shares.iter_mut().for_each(|share| share[31] ^= 1);
            }
            self.send(from, SigningBody::Reply(reply), now_ms, rng, outputs);
        }
    }

    fn refuse(
        &mut self,
        from: Address,
        request: &SigningRequest,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
        outputs: &mut Vec<SigningOutput>,
    ) {
        counter!("horae_signing_refused").increment(1);
        if let Some(reply) = self.signer.refuse(from, request, Refusal::NotVouched, rng) {
            self.send(from, SigningBody::Reply(reply), now_ms, rng, outputs);
        }
    }

    fn carry(
        &mut self,
        done: Vec<CoordinatorOutput>,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
        outputs: &mut Vec<SigningOutput>,
    ) {
        for output in done {
            match output {
                CoordinatorOutput::Ask { to } => self.send(to, SigningBody::Ask, now_ms, rng, outputs),
                CoordinatorOutput::Request { to, request } => {
                    let signers = request.signers.iter().map(|signer| signer.signer).collect();
                    self.asked.insert(request.digest, signers);
                    for to in to {
                        self.send(to, SigningBody::Request(request.clone()), now_ms, rng, outputs);
                    }
                }
                CoordinatorOutput::Fault { validator, fault } => {
                    counter!("horae_signing_faults").increment(1);
                    warn!(%validator, ?fault, "signing: a validator did not do its part");
                    outputs.push(SigningOutput::Fault { validator, fault });
                }
                CoordinatorOutput::Signed { digest, signature } => {
                    let signers = self.asked.remove(&digest).unwrap_or_default();
                    outputs.push(SigningOutput::Signed { digest, signature, signers });
                }
                CoordinatorOutput::Failed { digest, failure } => {
                    self.asked.remove(&digest);
                    warn!(%digest, ?failure, "signing failed");
                    outputs.push(SigningOutput::Failed { digest });
                }
            }
        }
    }

    /// Sends, to ourselves too: this node is a signer like any other.
    fn send(
        &mut self,
        to: Address,
        body: SigningBody,
        now_ms: u64,
        rng: &mut (impl CryptoRng + RngCore),
        outputs: &mut Vec<SigningOutput>,
    ) {
        if to == self.me {
            self.hear_body(to, body, now_ms, rng, outputs);
        } else {
            outputs.push(SigningOutput::Send { to, message: SigningMessage { group: self.group, body } });
        }
    }
}
