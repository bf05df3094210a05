//! The engine's questions and reports, one by one.

use std::{
    io,
    time::{Duration, Instant},
};

use arc_malachitebft_app_channel::{
    AppMsg, Reply,
    app::types::{LocallyProposedValue, ProposedValue},
};
use arc_malachitebft_core_consensus::VoteExtensionError;
use arc_malachitebft_core_types::{CommitCertificate, Round, Validity};
use arc_malachitebft_engine::host::SyncedValueOutcome;
use bytes::Bytes;
use tokio::{sync::oneshot, task::JoinSet, time::timeout_at};

use super::{Done, Driver, Fatal, Phase, State, lock, on_disk, tell};
use crate::{
    Event,
    codec::Decided,
    context::{Height, Plane},
    limits,
};

impl Driver {
    pub(super) async fn answer(&mut self, state: &mut State, message: AppMsg<Plane>) -> Result<(), Fatal> {
        match message {
            AppMsg::ConsensusReady { reply } => {
                let params = self.enter(self.members.clone());
                self.network.begin(self.height);
                let _ = reply.send((self.height, params));
            }
            AppMsg::StartedRound { height, round, reply_value, .. } => {
                let _ = reply_value.send(Vec::new());
                if round != Round::ZERO {
                    tracing::info!(%height, %round, "a round passed without a decision");
                    metrics::counter!("horae_tendermint_extra_rounds_total").increment(1);
                }
                state.judge.round(round);
                for received in state.judge.due(height) {
                    self.received(state, received);
                }
            }
            AppMsg::GetValue { height, round, timeout, reply } => self.propose(state, height, round, timeout, reply),
            AppMsg::ReceivedProposalPart { part, reply, .. } => {
                let value = part.content.into_data().map(|checked| ProposedValue {
                    height: checked.proposal.height,
                    round: checked.proposal.round,
                    valid_round: checked.proposal.pol_round,
                    proposer: checked.proposal.proposer,
                    value: checked.proposal.value,
                    validity: checked.validity,
                });
                let _ = reply.send(value);
            }
            AppMsg::ProcessSyncedValue { height, round, proposer, value_bytes, reply } => {
                let values = self.values.clone();
                let stored = on_disk(move || values.put(height.0, &value_bytes)).await;
                let value = stored.map_err(|e| self.cannot_store(e))?;
                let value = ProposedValue {
                    height,
                    round,
                    valid_round: Round::Nil,
                    proposer,
                    value,
                    validity: Validity::Valid,
                };
                let _ = reply.send(SyncedValueOutcome::Verdict(value));
            }
            AppMsg::Decided { certificate, reply, .. } => {
                self.keep(state, certificate).await?;
                let _ = reply.send(());
            }
            AppMsg::Finalized { evidence, reply, .. } => {
                for evidence in self.network.found(&evidence) {
                    let events = self.events.clone();
                    state.tasks.spawn(async move {
                        let _ = events.send(Event::Evidence(Box::new(evidence))).await;
                        Done::Nothing
                    });
                }
                let Some(value) = state.decided.take() else {
                    return Err(Fatal {
                        why: format!("the engine finalized height {} without deciding it", self.height),
                        file: None,
                    });
                };
                state.phase = Phase::Telling(reply);
                // From here on, what the node knows is in its answer; what it learns later comes with a wake.
                self.wake.clear();
                let telling = tell(self.events.clone(), self.height, value);
                state.tasks.spawn(async move { Done::Told(telling.await) });
            }
            AppMsg::GetHistoryMinHeight { reply } => {
                let first = lock(&self.log).heights().map_or(self.height, |(first, _)| Height(first));
                let _ = reply.send(first);
            }
            AppMsg::GetDecidedValues { range, reply } => {
                let log = self.log.clone();
                state.tasks.spawn(async move {
                    let values = on_disk(move || lock(&log).range(range.start().0, range.end().0)).await;
                    if let Err(error) = &values {
                        tracing::error!(%error, "cannot read the decided log for a peer");
                    }
                    let _ = reply.send(values.unwrap_or_default().into_iter().map(Into::into).collect());
                    Done::Nothing
                });
            }
            AppMsg::ExtendVote { reply, .. } => {
                let _ = reply.send(None);
            }
            AppMsg::VerifyVoteExtensions { extensions, reply, .. } => {
                let refuse = |(address, _)| (address, Err(VoteExtensionError::InvalidVoteExtension));
                let _ = reply.send(extensions.into_iter().map(refuse).collect());
            }
            // The signed proposal that the engine publishes next carries the value.
            AppMsg::RestreamProposal { .. } => {}
        }
        Ok(())
    }

    fn propose(
        &self,
        state: &mut State,
        height: Height,
        round: Round,
        wait: Duration,
        reply: Reply<LocallyProposedValue<Plane>>,
    ) {
        let deadline = Instant::now() + wait;
        let (events, values, file) = (self.events.clone(), self.values.clone(), self.files.proposals.clone());
        state.height_tasks.spawn(async move {
            let ask = async {
                let (reply, answer) = oneshot::channel();
                let round = round.as_u32().unwrap_or(0);
                events.send(Event::Propose { height: height.0, round, deadline, reply }).await.ok()?;
                answer.await.ok()
            };
            let value: Bytes = match timeout_at(deadline.into(), ask).await {
                Ok(Some(value)) if value.len() <= limits::VALUE_MAX_BYTES => value.into(),
                Ok(Some(value)) => {
                    tracing::error!(bytes = value.len(), "the proposed value is too large");
                    return Done::Nothing;
                }
                Ok(None) | Err(_) => {
                    tracing::warn!(%height, %round, "nothing was proposed in time");
                    metrics::counter!("horae_tendermint_missed_proposals_total").increment(1);
                    return Done::Nothing;
                }
            };
            match on_disk(move || values.put(height.0, &value)).await {
                Ok(hash) => {
                    let _ = reply.send(LocallyProposedValue::new(height, round, hash));
                    Done::Proposed(hash)
                }
                Err(e) => Done::Failed(Fatal { why: format!("cannot store a proposed value: {e}"), file: Some(file) }),
            }
        });
    }

    /// Puts a decision on stable storage.
    async fn keep(&mut self, state: &mut State, certificate: CommitCertificate<Plane>) -> Result<(), Fatal> {
        let height = certificate.height;
        let Some(value) = self.values.get(&certificate.value_id) else {
            let why = format!(
                "height {height} was decided, but the log of proposed values lacks its value; restore the whole directory from a copy \
                 of the same instant, or remove it and catch up from the peers as a new incarnation"
            );
            return Err(Fatal { why, file: Some(self.files.proposals.clone()) });
        };
        metrics::gauge!("horae_tendermint_height").set(height.0 as f64);
        state.decided = Some(value.clone());
        state.height_tasks = JoinSet::new();
        let decided = Decided { value, certificate };
        self.network.decided(&self.members, &decided.clone().into());
        let log = self.log.clone();
        let stored = on_disk(move || lock(&log).append(&decided)).await;
        stored.map_err(|e| Fatal {
            why: format!("cannot store the decision of height {height}: {e}"),
            file: Some(self.files.decided.clone()),
        })
    }

    pub(super) fn cannot_store(&self, error: io::Error) -> Fatal {
        Fatal { why: format!("cannot store a proposed value: {error}"), file: Some(self.files.proposals.clone()) }
    }
}
