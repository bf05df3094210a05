//! A profile: its shape in TOML, the built-in ones, and how one is found.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bounds::check;
use crate::error::ProfileError;
use crate::machine::CpuSet;

/// The profiles in the binary: name and text.
pub const BUILT_IN: [(&str, &str); 5] = [
    ("laptop", include_str!("../profiles/laptop.toml")),
    ("cores-8", include_str!("../profiles/cores-8.toml")),
    ("cores-16", include_str!("../profiles/cores-16.toml")),
    ("cores-64", include_str!("../profiles/cores-64.toml")),
    ("two-sockets", include_str!("../profiles/two-sockets.toml")),
];

/// How to lay a node out on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Whether the layout has run under load on a machine of its size. What has not is shown as such wherever it is used.
    #[serde(default = "exercised")]
    pub exercised: bool,
    /// Transactions in flight at most.
    pub pool_size: usize,
    /// Transactions that may wait at the door; at most `pool_size`.
    pub door_depth: usize,
    /// How many workers recover senders; they are called `recover-0` and so on.
    pub recover_workers: usize,
    /// Threads of the asynchronous edges (JSON-RPC, QUIC, peers, L1).
    pub tokio_threads: usize,
    /// Depths of the rings between workers.
    pub rings: Rings,
    /// Cores of edges that have a thread of their own.
    #[serde(default)]
    pub edges: Edges,
    /// The threads of the pipeline, and which workers share each.
    pub threads: Vec<Thread>,
}

/// Depths of the rings between workers, in items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rings {
    /// Transactions from decode and dedup to each recover worker.
    pub decode_to_recover: usize,
    /// Transactions from each recover worker to admit.
    pub recover_to_execute: usize,
}

/// Cores of edges that have a thread of their own; without one the kernel places the thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Edges {
    /// Framed TCP ingest.
    pub tcp_ingest_core: Option<usize>,
    /// The journal.
    pub journal_core: Option<usize>,
}

/// One thread of the pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thread {
    /// Its name in the system's lists and in metrics; at most 15 bytes, which is what Linux keeps.
    pub name: String,
    /// The core to bind it to, if any.
    pub core: Option<usize>,
    /// Its workers, in the order in which work flows through them.
    pub workers: Vec<WorkerName>,
    /// What it does when none of them has work.
    #[serde(default)]
    pub idle: Idle,
}

/// What a thread does when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Idle {
    /// Spins for ever; for a core of its own.
    Spin {},
    /// Spins and yields a little, then sleeps until woken.
    Park {
        /// Rounds with a pause instruction between.
        spins: u32,
        /// Rounds with the core given away between.
        yields: u32,
        /// After work, microseconds of sleep from which nobody wakes it, before it sleeps until woken; at most 10,000.
        #[serde(default)]
        gather_us: u32,
    },
}

impl Default for Idle {
    fn default() -> Self {
        Self::Park { spins: 64, yields: 4, gather_us: 0 }
    }
}

/// A worker of the pipeline: stages that run back to back with no ring between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerName {
    /// Decode and dedup.
    Decode,
    /// Sender recovery, the n-th worker of several.
    Recover(usize),
    /// Admit, order, execute and seal.
    Execute,
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode => f.write_str("decode"),
            Self::Recover(index) => write!(f, "recover-{index}"),
            Self::Execute => f.write_str("execute"),
        }
    }
}

impl Serialize for WorkerName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WorkerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let recover = || name.strip_prefix("recover-").and_then(|index| index.parse().ok()).map(Self::Recover);
        let known = match name.as_str() {
            "decode" => Some(Self::Decode),
            "execute" => Some(Self::Execute),
            _ => recover().filter(|worker| worker.to_string() == name),
        };
        known.ok_or_else(|| {
            serde::de::Error::custom(format!(
                "unknown worker {name:?}, expected \"decode\", \"execute\", or \"recover-0\" and so on"
            ))
        })
    }
}

/// A profile that somebody wrote for a machine of his own says nothing of it.
fn exercised() -> bool {
    true
}

impl Default for Profile {
    fn default() -> Self {
        Self::laptop()
    }
}

impl Profile {
    /// The default: a node that shares its machine, and sleeps when idle.
    ///
    /// # Panics
    /// Never: a test reads every built-in profile.
    #[must_use]
    pub fn laptop() -> Self {
        let (name, text) = BUILT_IN[0];
        Self::parse(name, text).expect("the built-in profile is whole")
    }

    /// A built-in profile by its name, or else the file of that path.
    ///
    /// # Errors
    /// [`ProfileError`], naming the file and the key.
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
            return Self::parse(name, text);
        }
        let text = std::fs::read_to_string(Path::new(name)).map_err(|source| {
            let built_in = BUILT_IN.map(|(name, _)| name).join(", ");
            ProfileError::NotFound { name: name.to_owned(), built_in, source }
        })?;
        Self::parse(name, &text)
    }

    /// Reads a profile from `text`; `file` is its name in errors.
    ///
    /// # Errors
    /// [`ProfileError`], naming the file and the key.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(|error| ProfileError::Parse {
            file: file.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        match check(&profile) {
            Ok(()) => Ok(profile),
            Err((key, message)) => Err(ProfileError::Value { file: file.to_owned(), key, message }),
        }
    }

    /// Every worker that the profile must place.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerName> {
        let recover = (0..self.recover_workers).map(WorkerName::Recover);
        [WorkerName::Decode].into_iter().chain(recover).chain([WorkerName::Execute]).collect()
    }

    /// The cores of threads that spin: nothing else should run there.
    #[must_use]
    pub fn spinning_cores(&self) -> CpuSet {
        let spinning = self.threads.iter().filter(|thread| matches!(thread.idle, Idle::Spin {}));
        spinning.filter_map(|thread| thread.core).collect()
    }

    /// Every core that something is bound to.
    #[must_use]
    pub fn cores(&self) -> CpuSet {
        let edges = [self.edges.tcp_ingest_core, self.edges.journal_core];
        self.threads.iter().map(|thread| thread.core).chain(edges).flatten().collect()
    }

    /// The core of a worker, if its thread has one.
    #[must_use]
    pub fn core_of(&self, worker: WorkerName) -> Option<usize> {
        self.threads.iter().find(|thread| thread.workers.contains(&worker)).and_then(|thread| thread.core)
    }
}
