//! `horae load`, called as a user calls it: the one place that knows its options and the form of its answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use eyre::{Result, WrapErr, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

/// What a load may take; then it is asked to stop, and tells what it has measured until then.
const LIMIT: Duration = Duration::from_secs(60);
/// What it may take to tell.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How transactions go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Framed TCP.
    Tcp(SocketAddr),
    /// QUIC.
    Quic(SocketAddr),
    /// Batched JSON-RPC, at the endpoint that is watched.
    Rpc,
}

/// A load.
#[derive(Clone, Debug)]
pub struct Load {
    /// JSON-RPC of the node that is watched.
    pub rpc: String,
    /// How transactions go in.
    pub door: Door,
    /// Accounts that send.
    pub accounts: u32,
    /// Transactions in all.
    pub transactions: u64,
    /// Transactions a second; 0 sends as fast as the chain commits.
    pub rate: u32,
    /// First send the same to a sink that does nothing: what the generator itself can do.
    pub ceiling: bool,
    /// Signed before, in this file.
    pub saved: Option<PathBuf>,
}

/// What a load came to.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// Taken by the node.
    pub accepted: u64,
    /// Refused for good.
    pub refused: u64,
    /// Answers that said "busy".
    pub busy_answers: u64,
    /// Seen committed.
    pub committed: u64,
    /// From the first that was sent to the last that was seen committed.
    pub seconds: f64,
    /// Committed a second.
    pub transactions_per_second: f64,
    /// What the generator alone did, if that was asked for.
    pub ceiling: Option<Ceiling>,
    /// Latency by strength, milliseconds, from when a transaction was due.
    pub latency_ms: BTreeMap<String, Quantiles>,
    /// It was asked to stop with transactions under way.
    #[serde(skip)]
    pub stopped: bool,
}

/// The generator alone.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Ceiling {
    /// Taken a second by a sink that does nothing.
    pub transactions_per_second: f64,
}

/// Quantiles of a latency.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Quantiles {
    /// The middle one.
    pub p50: f64,
    /// One in a hundred is longer.
    pub p99: f64,
}

impl Load {
    /// Runs it to its end.
    ///
    /// # Errors
    /// If it could not begin, or says something else than today's version.
    pub fn run(&self) -> Result<Outcome> {
        let mut command = self.command();
        command.args(["--patience", "20"]);
        match self.door {
            Door::Tcp(address) => drop(command.args(["--tcp", &address.to_string()])),
            Door::Quic(address) => drop(command.args(["--quic", &address.to_string()])),
            Door::Rpc => {}
        }
        match &self.saved {
            Some(file) => drop(command.arg("--from").arg(file)),
            None => self.size(&mut command),
        }
        command.args(["--rate", &self.rate.to_string()]);
        if self.ceiling {
            command.arg("--ceiling");
        }
        let (output, stopped) = bounded(&mut command).wrap_err("running horae load")?;
        // Exit code 1 means that not all was committed, and the answer says so.
        match serde_json::from_slice(&output.stdout) {
            Ok(outcome) => Ok(Outcome { stopped, ..outcome }),
            Err(why) => bail!("horae load: {why}: {}", String::from_utf8_lossy(&output.stderr).trim()),
        }
    }

    /// Funds the accounts and signs now, so that what is measured later is the load alone.
    ///
    /// # Errors
    /// What `horae load` said, if it does not sign.
    pub fn save(self, file: &Path) -> Result<Self> {
        let mut command = self.command();
        self.size(&mut command);
        let (output, _) = bounded(command.arg("--save").arg(file)).wrap_err("running horae load --save")?;
        ensure!(output.status.success(), "horae load --save: {}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Self { saved: Some(file.to_owned()), ..self })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(horae_tests::programs::horae());
        command.args(["load", "--json", "--rpc", &self.rpc]);
        command
    }

    fn size(&self, command: &mut Command) {
        command.args(["--accounts", &self.accounts.to_string(), "--transactions", &self.transactions.to_string()]);
    }
}

/// What a command says, and whether it had to be interrupted for it.
fn bounded(command: &mut Command) -> Result<(Output, bool)> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let process = Pid::from_raw(i32::try_from(child.id())?);
    let (tell, told) = channel();
    // Nobody listens once it has taken too long to stop.
    thread::spawn(move || drop(tell.send(child.wait_with_output())));
    if let Ok(output) = told.recv_timeout(LIMIT) {
        return Ok((output?, false));
    }
    kill(process, Signal::SIGINT)?;
    let output = told.recv_timeout(STOP_LIMIT).wrap_err("it does not stop when it is interrupted")?;
    Ok((output?, true))
}
