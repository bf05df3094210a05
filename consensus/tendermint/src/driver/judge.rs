//! The values that peers propose: which of them are put to the node, and what becomes of its verdict.

use std::collections::HashMap;

use arc_malachitebft_core_types::{Round, Validity};
use arc_malachitebft_peer::PeerId;
use tokio::sync::oneshot;

use super::{Done, Driver, Fatal, Phase, State, on_disk};
use crate::{
    Event, Verdict,
    context::{CheckedValue, Height, Proposal, ValueHash},
    limits,
    network::Received,
    signing::{proposal_digest, signed_by},
};

/// A value of the height in progress.
#[derive(Debug, Default)]
struct Candidate {
    verdict: Option<Verdict>,
    /// Proposals of it that wait for the verdict.
    waiting: Vec<(PeerId, Proposal)>,
}

/// The values of the height in progress, and proposals of the next ones.
#[derive(Debug, Default)]
pub(super) struct Judge {
    round: u32,
    candidates: HashMap<ValueHash, Candidate>,
    /// How many values were first seen in each round.
    values: HashMap<Round, usize>,
    early: Vec<Received>,
}

impl Judge {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A height begins.
    pub(super) fn begin(&mut self, height: Height) {
        self.round = 0;
        self.candidates.clear();
        self.values.clear();
        self.early.retain(|received| received.proposal.height >= height);
    }

    /// A round begins.
    pub(super) fn round(&mut self, round: Round) {
        self.round = round.as_u32().unwrap_or(0);
    }

    /// This node proposed the value.
    pub(super) fn own(&mut self, hash: ValueHash) {
        self.candidates.entry(hash).or_default().verdict = Some(Verdict::Accept);
    }

    /// Takes the proposals that came before their height.
    pub(super) fn due(&mut self, height: Height) -> Vec<Received> {
        let (due, early) =
            std::mem::take(&mut self.early).into_iter().partition(|received| received.proposal.height == height);
        self.early = early;
        due
    }

    fn hold(&mut self, received: Received) {
        let (mut proposals, mut bytes) = (1, received.value.len());
        for held in self.early.iter().filter(|held| held.from == received.from) {
            proposals += 1;
            bytes += held.value.len();
        }
        if proposals <= limits::EARLY_PROPOSALS && bytes <= limits::EARLY_BYTES {
            self.early.push(received);
        } else {
            dropped("early");
        }
    }
}

fn dropped(why: &'static str) {
    metrics::counter!("horae_tendermint_proposals_refused_total", "why" => why).increment(1);
}

impl Driver {
    /// Looks at a proposal from a peer.
    pub(super) fn received(&self, state: &mut State, received: Received) {
        let proposal = received.proposal.message;
        let deciding = matches!(state.phase, Phase::Deciding);
        if proposal.height > self.height {
            if proposal.height.0 - self.height.0 <= limits::EARLY_HEIGHTS {
                state.judge.hold(received);
            }
            return;
        }
        if proposal.height < self.height || !deciding {
            return;
        }
        if let Err(why) = self.admissible(&state.judge, &received) {
            tracing::debug!(height = %proposal.height, proposer = %proposal.proposer, why, "refused a proposal");
            dropped(why);
            return;
        }
        let known = state.judge.candidates.contains_key(&proposal.value);
        if !known {
            let values = state.judge.values.entry(proposal.round).or_default();
            if *values >= limits::VALUES_PER_ROUND {
                dropped("too many");
                return;
            }
            *values += 1;
        }
        let candidate = state.judge.candidates.entry(proposal.value).or_default();
        match candidate.verdict {
            Some(verdict) => self.give(received.from, proposal, verdict),
            None => {
                if !candidate.waiting.iter().any(|(_, other)| *other == proposal) {
                    candidate.waiting.push((received.from, proposal));
                }
                if !known {
                    self.put_to_node(state, received);
                }
            }
        }
    }

    /// Whether a proposal of the height in progress is worth the node's time.
    fn admissible(&self, judge: &Judge, received: &Received) -> Result<(), &'static str> {
        let proposal = &received.proposal.message;
        let round = proposal.round.as_u32().ok_or("round")?;
        if round > judge.round.saturating_add(limits::ROUNDS_AHEAD) {
            return Err("round");
        }
        let proposer = self.members.proposer(proposal.height, proposal.round);
        if proposer.address != proposal.proposer {
            return Err("turn");
        }
        if received.value.len() > limits::VALUE_MAX_BYTES || ValueHash::of(&received.value) != proposal.value {
            return Err("value");
        }
        let digest = proposal_digest(&self.signer.domain(), &proposer.key, proposal);
        if !signed_by(digest, &received.proposal.signature, &proposer.key) {
            return Err("signature");
        }
        Ok(())
    }

    /// Asks the node, and stores the value meanwhile: it must be on disk before the engine may vote for it.
    fn put_to_node(&self, state: &mut State, received: Received) {
        let proposal = received.proposal.message;
        let (events, values, file) = (self.events.clone(), self.values.clone(), self.files.proposals.clone());
        state.height_tasks.spawn(async move {
            let value = received.value.clone();
            let storing = on_disk(move || values.put(proposal.height.0, &value));
            let asking = async {
                let (reply, answer) = oneshot::channel();
                let check = Event::Check {
                    height: proposal.height.0,
                    proposer: proposal.proposer.0,
                    value: received.value.into(),
                    reply,
                };
                events.send(check).await.ok()?;
                answer.await.ok()
            };
            let (stored, verdict) = tokio::join!(storing, asking);
            match stored {
                Ok(hash) => Done::Judged(hash, verdict),
                Err(e) => Done::Failed(Fatal { why: format!("cannot store a proposed value: {e}"), file: Some(file) }),
            }
        });
    }

    /// Gives the engine what waited for a verdict.
    pub(super) fn judged(&self, state: &mut State, hash: ValueHash, verdict: Option<Verdict>) {
        let Some(verdict) = verdict else {
            // Without an answer the value counts as not seen; another proposal of it is put to the node again.
            state.judge.candidates.remove(&hash);
            return;
        };
        let Some(candidate) = state.judge.candidates.get_mut(&hash) else { return };
        candidate.verdict = Some(verdict);
        for (from, proposal) in std::mem::take(&mut candidate.waiting) {
            self.give(from, proposal, verdict);
        }
    }

    fn give(&self, from: PeerId, proposal: Proposal, verdict: Verdict) {
        if verdict == Verdict::Reject {
            tracing::info!(height = %proposal.height, round = %proposal.round, proposer = %proposal.proposer, "the node rejects a value");
            metrics::counter!("horae_tendermint_values_rejected_total").increment(1);
        }
        let validity = Validity::from_bool(verdict == Verdict::Accept);
        self.network.checked(from, CheckedValue { proposal, validity });
    }
}
