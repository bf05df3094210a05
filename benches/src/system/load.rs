//! `horae load`, called as a user calls it: the one place that knows its options and the form of its answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use eyre::{Result, WrapErr, bail};
use serde::Deserialize;

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
        let mut command = Command::new(horae_tests::programs::horae());
        command.args(["load", "--json", "--patience", "20", "--rpc", &self.rpc]);
        match self.door {
            Door::Tcp(address) => drop(command.args(["--tcp", &address.to_string()])),
            Door::Quic(address) => drop(command.args(["--quic", &address.to_string()])),
            Door::Rpc => {}
        }
        command.args(["--accounts", &self.accounts.to_string(), "--transactions", &self.transactions.to_string()]);
        command.args(["--rate", &self.rate.to_string()]);
        if self.ceiling {
            command.arg("--ceiling");
        }
        let output = command.stdin(Stdio::null()).output().wrap_err("starting horae load")?;
        // Exit code 1 means that not all was committed, and the answer says so.
        match serde_json::from_slice(&output.stdout) {
            Ok(outcome) => Ok(outcome),
            Err(why) => bail!("horae load: {why}: {}", String::from_utf8_lossy(&output.stderr).trim()),
        }
    }
}
