//! Answers the engine: puts its questions to the node, keeps what it decides, and lets it rest between heights.

mod judge;
mod rest;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use arc_malachitebft_app_channel::{
    AppMsg, Channels, EngineHandle, Reply,
    app::types::{LocallyProposedValue, ProposedValue},
};
use arc_malachitebft_core_consensus::VoteExtensionError;
use arc_malachitebft_core_types::{CommitCertificate, HeightParams, LinearTimeouts, Round, Validity};
use arc_malachitebft_engine::{
    host::{Next, SyncedValueOutcome},
    util::events,
};
use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinError, JoinSet},
    time::{sleep_until, timeout, timeout_at},
};

use crate::{
    Event, NextHeight, Verdict,
    codec::Decided,
    context::{Height, Members, Plane, ValueHash},
    decided::DecidedLog,
    limits,
    links::Links,
    network::{Network, Received},
    signing::VoteSigner,
    values::Values,
    wal,
};
use judge::Judge;
use rest::Phase;
pub(crate) use rest::Wake;

/// What the node tells the driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// Drop decided values below a height.
    Prune(u64, oneshot::Sender<io::Result<()>>),
    /// Stop; answered when all is closed.
    Shutdown(oneshot::Sender<()>),
}

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub wal: PathBuf,
    pub proposals: PathBuf,
    pub decided: PathBuf,
}

/// Why the engine cannot go on.
#[derive(Debug)]
pub(crate) struct Fatal {
    why: String,
    file: Option<PathBuf>,
}

/// Why the driver ends.
enum Stop {
    Shutdown(Option<oneshot::Sender<()>>),
    Fatal(Fatal),
}

impl From<Fatal> for Stop {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

/// What a task beside the driver came to.
enum Done {
    Nothing,
    /// This node proposed a value.
    Proposed(ValueHash),
    /// The node judged a value, or declined to.
    Judged(ValueHash, Option<Verdict>),
    /// The node was told of a decision, and says who decides next.
    Told(Option<NextHeight>),
    Failed(Fatal),
}

/// The driver of one engine.
pub(crate) struct Driver {
    pub channels: Channels<Plane>,
    pub engine: EngineHandle,
    pub failures: events::RxEvent<Plane>,
    pub events: mpsc::Sender<Event>,
    pub commands: mpsc::Receiver<Command>,
    pub intake: mpsc::Receiver<Received>,
    pub network: Arc<Network>,
    pub links: Arc<Links>,
    pub log: Arc<Mutex<DecidedLog>>,
    pub values: Arc<Values>,
    pub signer: VoteSigner,
    pub wake: Arc<Wake>,
    pub files: Files,
    pub timeouts: LinearTimeouts,
    pub heartbeat: Duration,
    /// The height in progress; while it is not started, the one before the next.
    pub height: Height,
    pub members: Members,
}

/// What changes while the driver runs.
struct State {
    phase: Phase,
    judge: Judge,
    decided: Option<Bytes>,
    /// Tasks that end with the height.
    height_tasks: JoinSet<Done>,
    tasks: JoinSet<Done>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// What a task came to; that it was ended with its height is nothing.
fn finished(done: Result<Done, JoinError>) -> Done {
    match done {
        Ok(done) => done,
        Err(error) if error.is_panic() => {
            Done::Failed(Fatal { why: format!("a task of the driver failed: {error}"), file: None })
        }
        Err(_) => Done::Nothing,
    }
}

/// Runs something that blocks on the disk.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Tells the node of a decision and returns who decides next.
async fn tell(events: mpsc::Sender<Event>, height: Height, value: Bytes) -> Option<NextHeight> {
    let (reply, answer) = oneshot::channel();
    events.send(Event::Decided { height: height.0, value: value.into(), reply }).await.ok()?;
    answer.await.ok()
}

impl Driver {
    /// Delivers the decided heights from `replay` on, then runs the engine until it fails or is told to stop.
    pub(crate) async fn run(mut self, replay: std::ops::RangeInclusive<u64>) {
        let stop = match self.replay(replay).await {
            Ok(()) => self.serve().await,
            Err(stop) => stop,
        };
        self.close().await;
        match stop {
            Stop::Shutdown(reply) => {
                drop(self);
                reply.map(|reply| reply.send(()));
            }
            Stop::Fatal(fatal) => self.report(fatal).await,
        }
    }

    async fn replay(&mut self, heights: std::ops::RangeInclusive<u64>) -> Result<(), Stop> {
        for height in heights {
            let file = self.files.decided.clone();
            let failed = |e: io::Error| Fatal { why: format!("cannot read the decided log: {e}"), file: Some(file) };
            let log = self.log.clone();
            let decided = on_disk(move || lock(&log).read(height)).await.map_err(failed)?;
            let Some(Decided { value, certificate }) = decided else { continue };
            let told = tokio::select! {
                told = tell(self.events.clone(), certificate.height, value) => told,
                stop = Self::stopped(&mut self.commands) => return Err(stop),
            };
            self.members = self.next_members(certificate.height, told)?.0;
        }
        Ok(())
    }

    /// Returns when the node wants the driver to stop; other commands are not served.
    async fn stopped(commands: &mut mpsc::Receiver<Command>) -> Stop {
        loop {
            match commands.recv().await {
                Some(Command::Shutdown(reply)) => return Stop::Shutdown(Some(reply)),
                Some(Command::Prune(_, reply)) => {
                    let _ = reply.send(Err(io::Error::new(
                        io::ErrorKind::WouldBlock,
                        "not while decided heights are delivered",
                    )));
                }
                None => return Stop::Shutdown(None),
            }
        }
    }

    async fn serve(&mut self) -> Stop {
        let mut state = State {
            phase: Phase::Deciding,
            judge: Judge::new(),
            decided: None,
            height_tasks: JoinSet::new(),
            tasks: JoinSet::new(),
        };
        loop {
            let heartbeat = state.phase.deadline(self.heartbeat);
            let step = tokio::select! {
                message = self.channels.consensus.recv() => match message {
                    Some(message) => self.answer(&mut state, message).await,
                    None => Err(self.failure()),
                },
                Some(received) = self.intake.recv() => {
                    self.received(&mut state, received);
                    Ok(())
                }
                Some(done) = state.height_tasks.join_next() => self.done(&mut state, finished(done)),
                Some(done) = state.tasks.join_next() => self.done(&mut state, finished(done)),
                () = self.wake.woken() => Ok(()),
                () = self.network.peer_progress() => Ok(()),
                () = sleep_until(heartbeat.unwrap_or_else(Instant::now).into()), if heartbeat.is_some() => Ok(()),
                _ = &mut self.engine.handle => Err(self.failure()),
                command = self.commands.recv() => match command {
                    Some(Command::Prune(height, reply)) => {
                        let log = self.log.clone();
                        state.tasks.spawn(async move {
                            let _ = reply.send(on_disk(move || lock(&log).prune_below(height)).await);
                            Done::Nothing
                        });
                        Ok(())
                    }
                    Some(Command::Shutdown(reply)) => return Stop::Shutdown(Some(reply)),
                    None => return Stop::Shutdown(None),
                },
            };
            if let Err(fatal) = step.and_then(|()| self.start_if_due(&mut state)) {
                return Stop::Fatal(fatal);
            }
        }
    }

    async fn answer(&mut self, state: &mut State, message: AppMsg<Plane>) -> Result<(), Fatal> {
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
        let log = self.log.clone();
        let stored = on_disk(move || lock(&log).append(&Decided { value, certificate })).await;
        stored.map_err(|e| Fatal {
            why: format!("cannot store the decision of height {height}: {e}"),
            file: Some(self.files.decided.clone()),
        })
    }

    fn done(&mut self, state: &mut State, done: Done) -> Result<(), Fatal> {
        match done {
            Done::Nothing => {}
            Done::Proposed(hash) => state.judge.own(hash),
            Done::Judged(hash, verdict) => self.judged(state, hash, verdict),
            Done::Told(next) => {
                let (members, pending) = self.next_members(self.height, next)?;
                state.phase.rest(members, pending);
                self.network.rest(true);
            }
            Done::Failed(fatal) => return Err(fatal),
        }
        Ok(())
    }

    fn next_members(&self, height: Height, next: Option<NextHeight>) -> Result<(Members, bool), Fatal> {
        let unusable = |what: String| Fatal {
            why: format!("the node's validator set after height {height} is not usable: {what}"),
            file: None,
        };
        let next = next.ok_or_else(|| unusable("there was no answer".into()))?;
        Ok((Members::new(&next).map_err(unusable)?, next.pending))
    }

    /// Makes the members those of the height that begins.
    fn enter(&mut self, members: Members) -> HeightParams<Plane> {
        if let Some(own) = members.get(&crate::context::Signer(self.signer.address())) {
            self.signer.enter(own.key);
        }
        self.network.enter(self.height, members.clone());
        self.members = members;
        HeightParams::new(self.members.clone(), self.timeouts, None)
    }

    fn start_if_due(&mut self, state: &mut State) -> Result<(), Fatal> {
        let next = Height(self.height.0 + 1);
        let Some(cause) = state.phase.due(self.heartbeat, &self.wake, self.network.peer_height() >= next.0) else {
            return Ok(());
        };
        let Some((reply, members)) = state.phase.leave() else { return Ok(()) };
        metrics::counter!("horae_tendermint_heights_total", "cause" => cause.name()).increment(1);
        self.values.begin(next.0).map_err(|e| self.cannot_store(e))?;
        self.height = next;
        state.judge.begin(next);
        let params = self.enter(members);
        self.network.rest(false);
        if cause.is_own() {
            self.network.begin(next);
        }
        let _ = reply.send(Next::Start(next, params));
        Ok(())
    }

    fn cannot_store(&self, error: io::Error) -> Fatal {
        Fatal { why: format!("cannot store a proposed value: {error}"), file: Some(self.files.proposals.clone()) }
    }

    /// Why the engine stopped by itself, as far as it says.
    fn failure(&mut self) -> Fatal {
        let mut what = None;
        loop {
            use tokio::sync::broadcast::error::TryRecvError;
            match self.failures.try_recv() {
                Ok(events::Event::WalCorrupted(error)) => what = Some(error.to_string()),
                Ok(events::Event::WalReplayError(error)) => what = Some(error.to_string()),
                Ok(events::Event::WalResetError(error)) => what = Some(error.to_string()),
                Ok(_) | Err(TryRecvError::Lagged(_)) => {}
                Err(_) => break,
            }
        }
        let what =
            what.unwrap_or_else(|| "it could not be written, or a part of the engine failed: see the log".into());
        let why = format!(
            "the Tendermint engine stopped, so that it cannot sign twice; its write-ahead log: {what}. Free or repair the disk and start \
             again; if the log stays unusable, remove the whole directory and catch up from the peers as a new incarnation"
        );
        Fatal { why, file: Some(self.files.wal.clone()) }
    }

    async fn close(&mut self) {
        let actor = self.engine.actor.clone();
        actor.get_cell().stop_children(None);
        actor.stop(None);
        // After a failure of its log a part of the engine hangs by design.
        let _ = timeout(limits::ENGINE_STOP, actor.wait(None)).await;
        self.links.close().await;
        self.network.close();
        wal::released(&self.files.wal, limits::ENGINE_STOP).await;
    }

    async fn report(mut self, Fatal { why, file }: Fatal) {
        tracing::error!(why, ?file, "the control plane stopped for good");
        metrics::counter!("horae_tendermint_fatal_total").increment(1);
        let told = self.events.send(Event::Fatal { why, file });
        let stop = tokio::select! {
            _ = told => Self::stopped(&mut self.commands).await,
            stop = Self::stopped(&mut self.commands) => stop,
        };
        if let Stop::Shutdown(Some(reply)) = stop {
            let _ = reply.send(());
        }
    }
}
