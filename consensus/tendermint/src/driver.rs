//! Answers the engine: puts its questions to the node, keeps what it decides, and lets it rest between heights.

mod answer;
mod judge;
mod rest;
mod stop;
mod waiting;

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use arc_malachitebft_app_channel::{Channels, EngineHandle};
use arc_malachitebft_core_types::{HeightParams, LinearTimeouts};
use arc_malachitebft_engine::{host::Next, util::events};
use bytes::Bytes;
use horae_control::Decision;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinError, JoinSet},
    time::sleep_until,
};

use crate::{
    Event, NextHeight, Verdict,
    context::{Height, Members, Plane, ValueHash},
    decided::DecidedLog,
    links::Links,
    network::{Network, Received},
    signing::VoteSigner,
    values::Values,
};
use judge::Judge;
use rest::Phase;
pub(crate) use rest::Wake;
use stop::{Fatal, Stop, report, stopped};
pub(crate) use waiting::Waiting;

/// What the node tells the driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// Drop decided values below a height.
    Prune(u64, oneshot::Sender<io::Result<()>>),
    /// Read decisions from a height to another: see [`crate::Handle::decisions`].
    Read(u64, u64, oneshot::Sender<io::Result<(u64, Vec<Decision>)>>),
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

fn read(log: &DecidedLog, from: u64, to: u64) -> io::Result<(u64, Vec<Decision>)> {
    let Some((lowest, highest)) = log.heights().filter(|(lowest, _)| *lowest <= from) else {
        return Ok((log.heights().map_or(0, |(lowest, _)| lowest), Vec::new()));
    };
    let decided = log.range(from, to.min(highest))?;
    Ok((lowest, decided.into_iter().map(Decision::from).collect()))
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

/// The members of the height after this one, as the node says.
fn members_after(height: Height, next: Option<NextHeight>) -> Result<(Members, bool), Fatal> {
    let unusable = |what: String| Fatal {
        why: format!("the node's validator set after height {height} is not usable: {what}"),
        file: None,
    };
    let next = next.ok_or_else(|| unusable("there was no answer".into()))?;
    Ok((Members::new(&next).map_err(unusable)?, next.pending))
}

impl Driver {
    /// Runs the engine until it fails or is told to stop.
    pub(crate) async fn run(mut self) {
        let stop = self.serve().await;
        self.close().await;
        match stop {
            Stop::Shutdown(reply) => {
                drop(self);
                reply.map(|reply| reply.send(()));
            }
            Stop::Fatal(fatal) => report(self.events, self.commands, fatal).await,
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
                    Some(Command::Read(from, to, reply)) => {
                        let log = self.log.clone();
                        state.tasks.spawn(async move {
                            // Whoever asked may have stopped waiting.
                            let _ = reply.send(on_disk(move || read(&lock(&log), from, to)).await);
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

    fn done(&mut self, state: &mut State, done: Done) -> Result<(), Fatal> {
        match done {
            Done::Nothing => {}
            Done::Proposed(hash) => state.judge.own(hash),
            Done::Judged(hash, verdict) => self.judged(state, hash, verdict),
            Done::Told(next) => {
                let (members, pending) = members_after(self.height, next)?;
                state.phase.rest(members, pending);
                self.network.rest(true);
            }
            Done::Failed(fatal) => return Err(fatal),
        }
        Ok(())
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
}
