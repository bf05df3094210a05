//! Before the engine runs: decided heights are delivered again, and the node says how to take part.

use std::{
    io,
    ops::RangeInclusive,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_malachitebft_core_types::LinearTimeouts;
use tokio::sync::{mpsc, watch};

use super::{Command, Driver, Fatal, Files, Stop, Wake, lock, members_after, on_disk, report, stopped, tell};
use crate::{
    Event, Part,
    codec::Decided,
    context::{Height, Members},
    decided::DecidedLog,
    links::Links,
    network::{Network, Received},
    signing::VoteSigner,
    start::start_engine,
    values::Values,
};

/// Everything of a driver but the engine.
pub(crate) struct Waiting {
    pub part: watch::Receiver<Option<Part>>,
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
    /// The height before the first one that is replayed.
    pub height: Height,
    /// Who decides the height after that.
    pub members: Members,
}

impl Waiting {
    /// Delivers the decided heights of `replay`, waits for the node to say how to take part, and runs the engine.
    pub(crate) async fn run(mut self, replay: RangeInclusive<u64>) {
        let stop = match self.prepare(replay).await {
            Ok(part) => match start_engine(&self.network, &self.signer, &self.files, part).await {
                Ok((channels, engine)) => return self.driver(channels, engine).run().await,
                Err(what) => {
                    Stop::Fatal(Fatal { why: format!("the Tendermint engine did not start: {what}"), file: None })
                }
            },
            Err(stop) => stop,
        };
        self.links.close().await;
        self.network.close();
        match stop {
            Stop::Shutdown(reply) => {
                drop(self);
                reply.map(|reply| reply.send(()));
            }
            Stop::Fatal(fatal) => report(self.events, self.commands, fatal).await,
        }
    }

    async fn prepare(&mut self, replay: RangeInclusive<u64>) -> Result<Part, Stop> {
        for height in replay {
            self.deliver(height).await?;
        }
        // So that evidence, and what peers ask about one another, has the members to be judged by.
        self.network.enter(Height(self.height.0 + 1), self.members.clone());
        let taken = async { self.part.wait_for(Option::is_some).await.ok().and_then(|part| *part) };
        tokio::select! {
            part = taken => part.ok_or(Stop::Shutdown(None)),
            stop = stopped(&mut self.commands) => Err(stop),
        }
    }

    async fn deliver(&mut self, height: u64) -> Result<(), Stop> {
        let file = self.files.decided.clone();
        let failed = |e: io::Error| Fatal { why: format!("cannot read the decided log: {e}"), file: Some(file) };
        let log = self.log.clone();
        let decided = on_disk(move || lock(&log).read(height)).await.map_err(failed)?;
        let Some(Decided { value, certificate }) = decided else { return Ok(()) };
        let told = tokio::select! {
            told = tell(self.events.clone(), certificate.height, value) => told,
            stop = stopped(&mut self.commands) => return Err(stop),
        };
        self.members = members_after(certificate.height, told)?.0;
        self.height = certificate.height;
        Ok(())
    }

    fn driver(
        self,
        channels: arc_malachitebft_app_channel::Channels<crate::context::Plane>,
        engine: arc_malachitebft_app_channel::EngineHandle,
    ) -> Driver {
        Driver {
            failures: channels.events.subscribe(),
            channels,
            engine,
            events: self.events,
            commands: self.commands,
            intake: self.intake,
            network: self.network,
            links: self.links,
            log: self.log,
            values: self.values,
            signer: self.signer,
            wake: self.wake,
            files: self.files,
            timeouts: self.timeouts,
            heartbeat: self.heartbeat,
            height: Height(self.height.0 + 1),
            members: self.members,
        }
    }
}
