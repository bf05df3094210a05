//! One node of a devnet: its home, its ports, and the process that runs it, whoever started that.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use alloy_primitives::{Address, B256};
use nix::sys::signal::Signal;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    child::{Child, lives, send, tail},
    programs::{horae, horae_planted},
    rpc::Rpc,
    wait::wait_for,
};

/// What a killed process may take to be gone.
const GONE_LIMIT: Duration = Duration::from_secs(20);

/// Where a node listens: `devnet.toml` of a devnet.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Ports {
    /// JSON-RPC.
    pub rpc: u16,
    /// Framed TCP ingest.
    pub tcp: u16,
    /// QUIC ingest (UDP).
    pub quic: u16,
    /// Control-plane peers.
    pub control: u16,
    /// Block streams (UDP).
    pub stream: u16,
    /// Prometheus.
    pub metrics: u16,
}

/// Heads by strength.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Heads {
    /// Signed by the sequencer.
    pub ordered: u64,
    /// Acked by > 2/3 who hold the certificate.
    pub committed: u64,
    /// In a batch that L1 accepted.
    pub safe: u64,
}

/// What `horae_status` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The validator that this node is.
    pub own: Option<Address>,
    /// Running slot.
    pub slot: u64,
    /// Its term.
    pub term: u64,
    /// Who holds it.
    pub sequencer: Address,
    /// The heads.
    pub heads: Heads,
    /// Batches that L1 accepted, as this node knows.
    pub batches: u64,
    /// The group key in force.
    pub group_key: Option<String>,
}

/// A node.
#[derive(Debug)]
pub struct Node {
    /// Its place in the devnet.
    pub index: usize,
    /// Its home directory.
    pub home: PathBuf,
    /// Where it listens.
    pub ports: Ports,
    /// Its JSON-RPC.
    pub rpc: Rpc,
    logs: PathBuf,
    starts: usize,
    own: Option<Child>,
}

/// An address on loopback.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Node {
    /// The node at `index` of the devnet in `root`, which the devnet itself has started.
    #[must_use]
    pub fn of_devnet(root: &Path, index: usize, ports: Ports) -> Self {
        let rpc = Rpc::new(&format!("http://{}", loopback(ports.rpc)));
        let home = root.join("nodes").join(index.to_string());
        Self { index, home, ports, rpc, logs: root.join("logs"), starts: 0, own: None }
    }

    /// Its home, for a command line.
    #[must_use]
    pub fn home_text(&self) -> String {
        self.home.display().to_string()
    }

    /// The process that runs it, as the lock of its home says.
    ///
    /// # Panics
    /// If none ever did.
    #[must_use]
    pub fn process(&self) -> u32 {
        let text = fs::read_to_string(self.home.join("lock")).expect("the lock of a home that was used");
        text.trim().parse().expect("the holder's process id")
    }

    /// What it says of itself, if it answers.
    #[must_use]
    pub fn try_status(&self) -> Option<Status> {
        let answer = self.rpc.try_ask("horae_status", &json!([])).ok()?;
        Some(serde_json::from_value(answer).expect("horae_status has the fields of the manual"))
    }

    /// What it says of itself.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn status(&self) -> Status {
        self.try_status()
            .unwrap_or_else(|| panic!("node {} does not answer; its log ends:\n{}", self.index, self.tail()))
    }

    /// Its committed head.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.status().heads.committed
    }

    /// `horae_block`, if it has the block.
    #[must_use]
    pub fn block(&self, number: u64) -> Option<Value> {
        self.rpc.try_ask("horae_block", &json!([format!("{number:#x}")])).ok().filter(|block| !block.is_null())
    }

    /// Hash of a block.
    #[must_use]
    pub fn hash(&self, number: u64) -> Option<B256> {
        serde_json::from_value(self.block(number)?["hash"].clone()).ok()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// SIGTERM, and waits until it is gone.
    pub fn stop(&mut self) {
        self.end(Signal::SIGTERM);
    }

    fn end(&mut self, signal: Signal) {
        let process = self.process();
        assert!(lives(process), "node {} has ended by itself; its log ends:\n{}", self.index, self.tail());
        send(process, signal);
        let own = &mut self.own;
        wait_for(&format!("the end of node {}", self.index), GONE_LIMIT, || {
            // One of ours stays a zombie until it is asked about.
            let _ = own.as_mut().and_then(Child::ended);
            (!lives(process)).then_some(())
        });
        self.own = None;
    }

    /// Starts it on its home.
    pub fn start(&mut self) {
        self.start_as(&horae(), &[]);
    }

    /// Starts it on its home with a fault (`planted:...`).
    pub fn start_planted(&mut self, fault: &str) {
        self.start_as(&horae_planted(), &[("HORAE_PLANTED", fault)]);
    }

    fn start_as(&mut self, program: &Path, environment: &[(&str, &str)]) {
        self.starts += 1;
        let log = self.log_file();
        let home = self.home.to_string_lossy();
        self.own = Some(Child::start(program, &["node", "--home", &home], environment, &log));
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// If it ends, or does not answer in time.
    pub fn start_and_wait(&mut self, limit: Duration) {
        self.start();
        self.wait_until_it_answers(limit);
    }

    /// Waits until it answers.
    ///
    /// # Panics
    /// If it ends, or does not answer in time.
    pub fn wait_until_it_answers(&mut self, limit: Duration) {
        wait_for(&format!("an answer of node {}", self.index), limit, || {
            self.expect_alive();
            self.try_status()
        });
    }

    /// # Panics
    /// With the end of its log, if it has ended.
    pub fn expect_alive(&mut self) {
        if let Some(own) = &mut self.own
            && let Some(status) = own.ended()
        {
            panic!("node {} ended ({status}):\n{}", self.index, own.tail());
        }
    }

    /// Where its last start logs.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        match self.starts {
            0 => self.logs.join(format!("node-{}.log", self.index)),
            n => self.logs.join(format!("node-{}.start-{n}.log", self.index)),
        }
    }

    /// What it has logged since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// The end of that.
    #[must_use]
    pub fn tail(&self) -> String {
        tail(&self.log())
    }

    /// The newest segment of its journal.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn newest_segment(&self) -> PathBuf {
        let files = fs::read_dir(self.home.join("journal")).expect("a journal");
        let segments = files.flatten().map(|entry| entry.path());
        segments.filter(|path| path.extension().is_some_and(|e| e == "journal")).max().expect("a segment")
    }
}

/// Runs a command of `horae` to its end: whether it succeeded, its standard output, its standard error.
///
/// # Panics
/// If it does not start.
#[must_use]
pub fn command(arguments: &[&str], environment: &[(&str, &str)]) -> (bool, String, String) {
    let output =
        Command::new(horae()).args(arguments).envs(environment.iter().copied()).output().expect("horae starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// What a command of `horae` that succeeds prints as JSON.
///
/// # Panics
/// If it fails, or prints anything else.
#[must_use]
pub fn says(arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let (ok, said, why) = command(arguments, environment);
    assert!(ok, "{arguments:?}: {said}{why}");
    serde_json::from_str(said.trim()).unwrap_or_else(|problem| panic!("{arguments:?}: {problem} in {said}"))
}
