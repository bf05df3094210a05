//! How a driver ends: because the node wants it, or because the engine cannot go on.

use std::{io, path::PathBuf};

use arc_malachitebft_engine::util::events;
use tokio::{
    sync::{broadcast::error::TryRecvError, mpsc, oneshot},
    time::timeout,
};

use super::{Command, Driver};
use crate::{Event, limits, wal};

/// Why the engine cannot go on.
#[derive(Debug)]
pub(super) struct Fatal {
    pub why: String,
    pub file: Option<PathBuf>,
}

/// Why the driver ends.
pub(super) enum Stop {
    Shutdown(Option<oneshot::Sender<()>>),
    Fatal(Fatal),
}

impl From<Fatal> for Stop {
    fn from(fatal: Fatal) -> Self {
        Self::Fatal(fatal)
    }
}

impl Driver {
    /// Why the engine stopped by itself, as far as it says.
    pub(super) fn failure(&mut self) -> Fatal {
        let mut what = None;
        loop {
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

    /// Stops the engine and closes links and files.
    pub(super) async fn close(&mut self) {
        let actor = self.engine.actor.clone();
        actor.get_cell().stop_children(None);
        actor.stop(None);
        // After a failure of its log a part of the engine hangs by design.
        let _ = timeout(limits::ENGINE_STOP, actor.wait(None)).await;
        self.links.close().await;
        self.network.close();
        wal::released(&self.files.wal, limits::ENGINE_STOP).await;
    }
}

/// Returns when the node wants the driver to stop; other commands are not served.
pub(super) async fn stopped(commands: &mut mpsc::Receiver<Command>) -> Stop {
    let not_now = || io::Error::new(io::ErrorKind::WouldBlock, "not before the engine runs, or after it stopped");
    loop {
        match commands.recv().await {
            Some(Command::Shutdown(reply)) => return Stop::Shutdown(Some(reply)),
            Some(Command::Prune(_, reply)) => {
                let _ = reply.send(Err(not_now()));
            }
            Some(Command::Read(_, _, reply)) => {
                let _ = reply.send(Err(not_now()));
            }
            None => return Stop::Shutdown(None),
        }
    }
}

/// Tells the node, then waits for it to let go.
pub(super) async fn report(
    events: mpsc::Sender<Event>,
    mut commands: mpsc::Receiver<Command>,
    Fatal { why, file }: Fatal,
) {
    tracing::error!(why, ?file, "the control plane stopped for good");
    metrics::counter!("horae_tendermint_fatal_total").increment(1);
    let told = events.send(Event::Fatal { why, file });
    let stop = tokio::select! {
        _ = told => stopped(&mut commands).await,
        stop = stopped(&mut commands) => stop,
    };
    if let Stop::Shutdown(Some(reply)) = stop {
        let _ = reply.send(());
    }
}
