//! The coordinating half: gathers commitments ahead of time, opens sessions, and turns shares into a signature.
//!
//! The first session of a digest takes just enough signers. If it is not finished after `patience_ms`, another is opened of
//! those who are free: who has not taken part, or has answered. A signer is in one unanswered session of a digest at most, so
//! there are never more sessions than signers, and each that fails has cost the adversary a signer that will not answer or is
//! named. With at least a threshold of honest shares some session succeeds (ROAST, theorem 4.3).

use std::collections::{BTreeMap, VecDeque};

use alloy_primitives::{Address, B256};

use super::{
    NonceCommitments, Refusal, SigningReply, SigningRequest,
    session::{Outcome, Session, backed_off},
    signing::Signing,
};
use crate::{
    group::{GroupPublic, GroupSignature},
    limits::{COMMITMENTS_PER_SIGNER, MAX_DIGESTS},
};

/// How long a coordinator waits, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// A session unfinished for this long does not keep the next one from being opened; who has not answered is called
    /// silent, and asked again.
    pub patience_ms: u64,
    /// A signer that refused is left alone for this long, doubling with each refusal of one digest.
    pub retry_ms: u64,
    /// A signer without unused commitments is asked for some this often, ever more slowly while it does not answer.
    pub ask_interval_ms: u64,
    /// A digest that is not signed after this long is given up.
    pub give_up_ms: u64,
}

impl Default for CoordinatorConfig {
    fn default() -> Self {
        Self { patience_ms: 500, retry_ms: 250, ask_interval_ms: 500, give_up_ms: 60_000 }
    }
}

/// What a signer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No answer within `patience_ms`. It may still come.
    Silent,
    /// It does not sign.
    Refused(Refusal),
    /// Commitments or shares that are another number than it owes, or do not decode. Left out from now on.
    Malformed,
    /// A share that does not fit its commitment. Left out from now on.
    BadShare,
}

/// Why a digest is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Not done after `give_up_ms`.
    TimedOut,
    /// Without those left out the rest holds less than the threshold.
    TooFewSigners,
}

/// Why a digest is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeginError {
    /// [`MAX_DIGESTS`] are being signed already.
    #[error("{MAX_DIGESTS} digests are being signed already")]
    Busy,
}

/// What the caller is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorOutput {
    /// Ask `to` for nonce commitments.
    Ask {
        /// The signer.
        to: Address,
    },
    /// Send the request to each of `to`.
    Request {
        /// The signers, some or all of those in the request's list.
        to: Vec<Address>,
        /// What to send.
        request: SigningRequest,
    },
    /// For logs and meters; the coordinator has drawn its conclusions.
    Fault {
        /// Who.
        validator: Address,
        /// What.
        fault: Fault,
    },
    /// Done, and verified under the group key.
    Signed {
        /// What was signed.
        digest: B256,
        /// The signature.
        signature: GroupSignature,
    },
    /// Given up.
    Failed {
        /// What was to be signed.
        digest: B256,
        /// Why it was not.
        failure: Failure,
    },
}

/// What is known of one signer of the group.
#[derive(Default)]
pub(super) struct Known {
    /// Unused commitments, oldest first.
    unused: VecDeque<NonceCommitments>,
    /// It lied and is left out.
    liar: bool,
    asks: u32,
    ask_at_ms: u64,
}

/// Makes signatures of one group. It may be one of the signers: its caller then passes messages to its own [`Signer`](super::Signer).
pub struct Coordinator {
    public: GroupPublic,
    config: CoordinatorConfig,
    signers: BTreeMap<Address, Known>,
    signings: BTreeMap<B256, Signing>,
}

impl Coordinator {
    /// A coordinator that knows no commitments yet: the next [`Coordinator::poll`] asks for them.
    pub fn new(public: GroupPublic, config: CoordinatorConfig) -> Self {
        let signers = public.layout().validators().map(|v| (v, Known::default())).collect();
        Self { public, config, signers, signings: BTreeMap::new() }
    }

    /// The group it signs for.
    pub fn public(&self) -> &GroupPublic {
        &self.public
    }

    /// Signers left out because they lied.
    pub fn liars(&self) -> impl Iterator<Item = Address> + '_ {
        self.signers.iter().filter(|(_, known)| known.liar).map(|(signer, _)| *signer)
    }

    /// Whether `digest` is being signed.
    pub fn is_signing(&self, digest: B256) -> bool {
        self.signings.contains_key(&digest)
    }

    /// Begins to sign `digest`. One that is being signed already goes on as it is.
    pub fn begin(&mut self, digest: B256, now_ms: u64) -> Result<Vec<CoordinatorOutput>, BeginError> {
        if !self.signings.contains_key(&digest) {
            if self.signings.len() == MAX_DIGESTS {
                return Err(BeginError::Busy);
            }
            let give_up_at_ms = now_ms.saturating_add(self.config.give_up_ms);
            self.signings.insert(digest, Signing::new(give_up_at_ms));
        }
        Ok(self.poll(now_ms))
    }

    /// Forgets a digest that need not be signed any more.
    pub fn cancel(&mut self, digest: B256) {
        self.signings.remove(&digest);
    }

    /// Takes commitments that `from` sent when asked.
    pub fn on_commitments(
        &mut self,
        from: Address,
        commitments: NonceCommitments,
        now_ms: u64,
    ) -> Vec<CoordinatorOutput> {
        let mut outputs = Vec::new();
        self.keep(from, commitments, &mut outputs);
        outputs.extend(self.poll(now_ms));
        outputs
    }

    /// Takes the answer of `from` to a request.
    pub fn on_reply(&mut self, from: Address, reply: SigningReply, now_ms: u64) -> Vec<CoordinatorOutput> {
        let mut outputs = Vec::new();
        let name = reply.session();
        let digest = self.signings.iter().find(|(_, signing)| signing.sessions.contains_key(&name)).map(|(d, _)| *d);
        let signing = digest.and_then(|digest| self.signings.get_mut(&digest));
        match reply {
            SigningReply::Shares { shares, next, .. } => {
                let outcome = signing.and_then(|signing| signing.on_shares(&name, from, &shares, &self.public));
                self.keep(from, next, &mut outputs);
                self.conclude(digest.unwrap_or_default(), outcome, &mut outputs);
            }
            SigningReply::Refused { reason, next, .. } => {
                let retry_ms = self.config.retry_ms;
                if signing.is_some_and(|signing| signing.on_refusal(&name, from, retry_ms, now_ms)) {
                    outputs.push(CoordinatorOutput::Fault { validator: from, fault: Fault::Refused(reason) });
                    if let (Refusal::UnknownNonces, Some(known)) = (reason, self.signers.get_mut(&from)) {
                        known.unused.clear();
                    }
                }
                self.keep(from, next, &mut outputs);
            }
        }
        outputs.extend(self.poll(now_ms));
        outputs
    }

    fn conclude(&mut self, digest: B256, outcome: Option<Outcome>, outputs: &mut Vec<CoordinatorOutput>) {
        match outcome {
            Some(Outcome::Signed(signature)) => {
                self.signings.remove(&digest);
                outputs.push(CoordinatorOutput::Signed { digest, signature });
            }
            Some(Outcome::Liars(liars)) => {
                for liar in liars {
                    self.leave_out(liar, Fault::BadShare, outputs);
                }
            }
            Some(Outcome::Malformed(liar)) => self.leave_out(liar, Fault::Malformed, outputs),
            None => {}
        }
    }

    /// Does what is due: asks for commitments, opens sessions, repeats requests, gives up.
    pub fn poll(&mut self, now_ms: u64) -> Vec<CoordinatorOutput> {
        let mut outputs = Vec::new();
        self.drop_hopeless(now_ms, &mut outputs);
        let digests: Vec<B256> = self.signings.keys().copied().collect();
        for digest in digests {
            if let Some(signing) = self.signings.get_mut(&digest) {
                signing.repeat(&self.config, now_ms, &mut outputs);
            }
            self.open_session(digest, now_ms, &mut outputs);
        }
        self.ask(now_ms, &mut outputs);
        outputs
    }

    /// When [`Coordinator::poll`], last called at `now_ms`, next has something to do if nothing arrives before; nothing while
    /// all is at rest.
    pub fn next_poll_ms(&self, now_ms: u64) -> Option<u64> {
        let asks =
            self.signers.iter().filter(|(signer, known)| self.wants(**signer, known)).map(|(_, known)| known.ask_at_ms);
        let signings = self.signings.values().flat_map(|signing| signing.deadlines_ms(now_ms));
        asks.chain(signings).min()
    }

    fn drop_hopeless(&mut self, now_ms: u64, outputs: &mut Vec<CoordinatorOutput>) {
        let layout = self.public.layout();
        let left: u16 = self.signers.iter().filter(|(_, k)| !k.liar).map(|(v, _)| layout.share_count(*v)).sum();
        let too_few = left < layout.threshold();
        self.signings.retain(|digest, signing| {
            let failure = match () {
                () if too_few => Failure::TooFewSigners,
                () if now_ms >= signing.give_up_at_ms => Failure::TimedOut,
                () => return true,
            };
            outputs.push(CoordinatorOutput::Failed { digest: *digest, failure });
            false
        });
    }

    fn open_session(&mut self, digest: B256, now_ms: u64, outputs: &mut Vec<CoordinatorOutput>) {
        let Some(signing) = self.signings.get_mut(&digest) else { return };
        if !signing.may_open() {
            return;
        }
        let free = self.signers.iter().filter(|(v, k)| !k.liar && !k.unused.is_empty() && signing.is_free(**v, now_ms));
        let free = free.map(|(signer, _)| *signer).collect();
        let Some(chosen) = signing.choose(free, self.public.layout()) else { return };

        let mut take = |signer: Address| {
            let commitments = self.signers.get_mut(&signer)?.unused.pop_front()?;
            Some(super::SignerCommitments { signer, commitments })
        };
        let signers: Vec<_> = chosen.iter().filter_map(|signer| take(*signer)).collect();
        let request = SigningRequest { digest, signers };
        let resend_at_ms = now_ms.saturating_add(self.config.patience_ms);
        if let Some(session) = Session::open(request.clone(), &self.public, resend_at_ms) {
            signing.sessions.insert(request.session(), session);
            outputs.push(CoordinatorOutput::Request { to: chosen, request });
        }
    }

    fn ask(&mut self, now_ms: u64, outputs: &mut Vec<CoordinatorOutput>) {
        let wanting: Vec<_> = self.signers.iter().filter(|(v, k)| self.wants(**v, k)).map(|(v, _)| *v).collect();
        for signer in wanting {
            let Some(known) = self.signers.get_mut(&signer) else { continue };
            if now_ms >= known.ask_at_ms {
                known.ask_at_ms = now_ms.saturating_add(backed_off(self.config.ask_interval_ms, known.asks));
                known.asks += 1;
                outputs.push(CoordinatorOutput::Ask { to: signer });
            }
        }
    }

    /// Whether commitments of `signer` are wanted that no answer under way will bring.
    fn wants(&self, signer: Address, known: &Known) -> bool {
        !known.liar && known.unused.is_empty() && !self.signings.values().any(|signing| signing.awaits(signer))
    }

    fn keep(&mut self, from: Address, commitments: NonceCommitments, outputs: &mut Vec<CoordinatorOutput>) {
        let count = usize::from(self.public.layout().share_count(from));
        let Some(known) = self.signers.get_mut(&from) else { return };
        if known.liar || known.unused.contains(&commitments) {
            return;
        }
        if commitments.decode(count).is_none() {
            self.leave_out(from, Fault::Malformed, outputs);
            return;
        }
        if known.unused.len() == COMMITMENTS_PER_SIGNER {
            known.unused.pop_front();
        }
        known.unused.push_back(commitments);
        known.asks = 0;
    }

    fn leave_out(&mut self, signer: Address, fault: Fault, outputs: &mut Vec<CoordinatorOutput>) {
        if let Some(known) = self.signers.get_mut(&signer) {
            known.liar = true;
            known.unused.clear();
            self.signings.values_mut().for_each(|signing| signing.leave_out(signer));
            outputs.push(CoordinatorOutput::Fault { validator: signer, fault });
        }
    }
}
