//! What a node runs with: `node.toml`, the genesis file and the keys, read and checked before the first socket is opened.

use std::{
    collections::BTreeSet,
    fs, io,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use horae_recovery::{Choice, NoVectors, Setup};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    genesis::{GenesisError, GenesisFile},
    home::{Home, HomeError, HomeLock, write_atomic},
    keys::{KeyError, KeySource, Keys, Vault},
};

/// Most peers that a node dials.
pub const PEERS_MAX: usize = 64;
/// What `transactions.waiting_ms` may be: longer than a failover, no longer than an hour.
const WAITING_MS: std::ops::RangeInclusive<u64> = 5_000..=3_600_000;
/// Fewest committed blocks kept in the store: what `horae_block` and a lagging peer may ask for.
pub const RETAIN_BLOCKS_MIN: u64 = 1_024;

/// Why a node cannot start with what its home holds.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The home directory.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The genesis file.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The chain of the home is being made again.
    #[error(
        "{} is there: `horae node rejoin` did not come to its end; run it again",
        .0.display()
    )]
    Rejoining(PathBuf),
    /// A settings file cannot be read or written.
    #[error("{file}: {source}; `horae init --home DIR` writes one")]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A settings file is not TOML, or has a key that is not known, missing, or of the wrong type.
    #[error("{file}: {problem}compare with the file that `horae init --home DIR` writes")]
    Parse {
        /// The file.
        file: PathBuf,
        /// Line, column and what is wrong there.
        problem: String,
    },
    /// A value cannot be used.
    #[error("{file}: `{key}` {problem}; {fix}")]
    Value {
        /// The file.
        file: PathBuf,
        /// The key, with its table.
        key: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        fix: &'static str,
    },
}

/// `node.toml`: what is this node's own business. Every key but `l1.urls`, `links` and `peers` has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The machine profile by name, or the path of one (`tuning/`).
    #[serde(default = "default_profile")]
    pub profile: String,
    /// Ethereum.
    pub l1: L1Settings,
    /// JSON-RPC.
    #[serde(default)]
    pub rpc: RpcSettings,
    /// Where transactions come in beside JSON-RPC.
    #[serde(default)]
    pub ingest: IngestSettings,
    /// Where other validators connect.
    pub links: LinkSettings,
    /// Prometheus.
    #[serde(default)]
    pub metrics: MetricsSettings,
    /// How senders are recovered.
    #[serde(default)]
    pub recovery: RecoverySettings,
    /// The passphrase of the keys.
    #[serde(default = "default_keys")]
    pub keys: KeySource,
    /// What is kept on disk.
    #[serde(default)]
    pub retention: RetentionSettings,
    /// Transactions that wait.
    #[serde(default)]
    pub transactions: TransactionSettings,
    /// The other validators.
    #[serde(default)]
    pub peers: Vec<PeerSettings>,
}

/// `[l1]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Settings {
    /// HTTP endpoints, best first; the next is tried when one does not answer.
    pub urls: Vec<String>,
    /// How often the head of L1 is looked at, in milliseconds.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// Whether this node carries batches to L1 (it needs ether under its L1 key).
    #[serde(default = "default_true")]
    pub submit: bool,
}

/// `[rpc]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpcSettings {
    /// HTTP and WebSocket, one port. Port 0 takes any free one.
    pub address: SocketAddr,
    /// Most connections at one time.
    pub connections_max: u32,
}

/// `[ingest]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IngestSettings {
    /// UDP address of QUIC ingest; none if it is left out.
    pub quic: Option<SocketAddr>,
    /// TCP address of length-framed ingest; none if it is left out.
    pub tcp: Option<SocketAddr>,
}

/// `[links]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSettings {
    /// TCP address where control-plane peers connect.
    pub control: SocketAddr,
    /// UDP address where block streams connect.
    pub stream: SocketAddr,
}

/// `[metrics]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// Where Prometheus may scrape; none if it is left out.
    pub address: Option<SocketAddr>,
}

/// `[recovery]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecoverySettings {
    /// Who recovers senders from signatures.
    pub backend: RecoveryBackend,
    /// One outcome of the vectors in so many is compared with libsecp256k1's; 1 compares all.
    pub sample: NonZeroU32,
}

/// `recovery.backend`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryBackend {
    /// Vectors where the processor has AVX-512 IFMA, else libsecp256k1.
    #[default]
    Auto,
    /// Vectors; a node without them does not start.
    Vector,
    /// libsecp256k1.
    Libsecp256k1,
}

/// `[retention]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionSettings {
    /// Committed blocks that stay in the store: what a lagging peer, a client or a reader of the feed may ask for. The default is an
    /// hour of blocks every 20 ms.
    pub blocks: u64,
    /// Decided control heights that stay in the log: how far behind a peer may be and still catch up by itself.
    pub control_heights: u64,
}

/// `[transactions]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransactionSettings {
    /// How long a transaction waits for the ones before it until it expires, in milliseconds.
    pub waiting_ms: u64,
}

impl Default for TransactionSettings {
    fn default() -> Self {
        Self { waiting_ms: horae_stages::limits::WAITING_MS }
    }
}

/// `[[peers]]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSettings {
    /// For logs.
    #[serde(default)]
    pub name: Option<String>,
    /// Its ed25519 node key.
    #[serde(with = "alloy_primitives::hex::serde")]
    pub node_key: [u8; 32],
    /// Its control-plane address (TCP).
    pub control: SocketAddr,
    /// Its block stream address (UDP).
    pub stream: SocketAddr,
}

impl Default for RpcSettings {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8545)), connections_max: 4_096 }
    }
}

impl Default for RecoverySettings {
    fn default() -> Self {
        Self { backend: RecoveryBackend::Auto, sample: NonZeroU32::new(1_024).expect("not zero") }
    }
}

impl RecoverySettings {
    /// What the recoverers of a process share.
    ///
    /// # Errors
    /// [`NoVectors`] if vectors are asked for and the processor has none.
    pub fn setup(&self) -> Result<Setup, NoVectors> {
        let choice = match self.backend {
            RecoveryBackend::Auto => Choice::Auto,
            RecoveryBackend::Vector => Choice::Vector,
            RecoveryBackend::Libsecp256k1 => Choice::Libsecp256k1,
        };
        Setup::new(choice, self.sample)
    }
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self { blocks: 200_000, control_heights: 16_384 }
    }
}

fn default_profile() -> String {
    "laptop".to_owned()
}

fn default_keys() -> KeySource {
    KeySource::Environment
}

fn default_poll_ms() -> u64 {
    1_000
}

fn default_true() -> bool {
    true
}

impl Settings {
    /// Settings with every default, for a node on `links` that reads L1 at `l1_url`.
    pub fn new(l1_url: String, links: LinkSettings) -> Self {
        Self {
            profile: default_profile(),
            l1: L1Settings { urls: vec![l1_url], poll_ms: default_poll_ms(), submit: true },
            rpc: RpcSettings::default(),
            ingest: IngestSettings::default(),
            links,
            metrics: MetricsSettings::default(),
            recovery: RecoverySettings::default(),
            keys: default_keys(),
            retention: RetentionSettings::default(),
            transactions: TransactionSettings::default(),
            peers: Vec::new(),
        }
    }

    /// Reads and checks a settings file.
    ///
    /// # Errors
    /// [`ConfigError::Io`], [`ConfigError::Parse`], [`ConfigError::Value`], each with the file and, but for the first, the key.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file).map_err(|source| ConfigError::Io { file: file.to_owned(), source })?;
        Self::parse(&text, file)
    }

    /// Checks the text of a settings file; `file` is for errors.
    ///
    /// # Errors
    /// [`ConfigError::Parse`], [`ConfigError::Value`].
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let settings: Self =
            toml::from_str(text).map_err(|e| ConfigError::Parse { file: file.to_owned(), problem: e.to_string() })?;
        settings.check(file)?;
        Ok(settings)
    }

    /// Writes a settings file.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn save(&self, file: &Path) -> Result<(), ConfigError> {
        let io = |source| ConfigError::Io { file: file.to_owned(), source };
        let text = toml::to_string_pretty(self).map_err(|e| io(io::Error::other(e)))?;
        write_atomic(file, text.as_bytes()).map_err(io)
    }

    fn check(&self, file: &Path) -> Result<(), ConfigError> {
        let bad = |key: &str, problem: String, fix| {
            Err(ConfigError::Value { file: file.to_owned(), key: key.to_owned(), problem, fix })
        };
        if self.l1.urls.is_empty() {
            return bad("l1.urls", "is empty".to_owned(), "name at least one HTTP endpoint of Ethereum");
        }
        if let Some(url) = self.l1.urls.iter().find(|u| !u.starts_with("http://") && !u.starts_with("https://")) {
            return bad("l1.urls", format!("has `{url}`"), "endpoints begin with http:// or https://");
        }
        if !(100..=60_000).contains(&self.l1.poll_ms) {
            return bad("l1.poll_ms", format!("is {}", self.l1.poll_ms), "choose 100 to 60000");
        }
        if self.rpc.connections_max == 0 {
            return bad("rpc.connections_max", "is 0".to_owned(), "choose at least 1");
        }
        if self.retention.blocks < RETAIN_BLOCKS_MIN {
            let problem = format!("is {}, below {RETAIN_BLOCKS_MIN}", self.retention.blocks);
            return bad("retention.blocks", problem, "a lagging peer needs that window; choose more");
        }
        if !WAITING_MS.contains(&self.transactions.waiting_ms) {
            let (least, most) = (WAITING_MS.start(), WAITING_MS.end());
            let problem = format!("is {}, not {least} to {most}", self.transactions.waiting_ms);
            return bad("transactions.waiting_ms", problem, "one that waits must outlive a failover; choose within");
        }
        if self.peers.len() > PEERS_MAX {
            let problem = format!("has {} entries, more than {PEERS_MAX}", self.peers.len());
            return bad("peers", problem, "remove those that are no validators");
        }
        let mut keys = BTreeSet::new();
        if let Some(twice) = self.peers.iter().find(|peer| !keys.insert(peer.node_key)) {
            let problem = format!("names {} twice", alloy_primitives::hex::encode(twice.node_key));
            return bad("peers.node_key", problem, "remove one of the two");
        }
        Ok(())
    }
}

/// Everything a node starts with. While it lives the home is locked.
#[derive(Debug)]
pub struct NodeConfig {
    /// Where the node keeps its files.
    pub home: Home,
    /// This node's own settings.
    pub settings: Settings,
    /// What all nodes share.
    pub genesis: GenesisFile,
    /// The keys of this validator.
    pub keys: Keys,
    /// Seals and unseals key shares.
    pub vault: Vault,
    /// Keeps other processes off the home.
    pub lock: HomeLock,
}

impl NodeConfig {
    /// Takes the home for this process and reads it.
    ///
    /// # Errors
    /// The first thing that is wrong, with the file and what to do.
    pub fn load(home: Home) -> Result<Self, ConfigError> {
        let lock = home.lock()?;
        if home.rejoining().exists() {
            return Err(ConfigError::Rejoining(home.rejoining()));
        }
        let settings = Settings::load(&home.settings())?;
        let genesis = GenesisFile::load(&home.genesis())?;
        let vault = Vault::open(&home, &settings.keys)?;
        let keys = Keys::load(&vault)?;
        Ok(Self { home, settings, genesis, keys, vault, lock })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINIMAL: &str = r#"
        [l1]
        urls = ["http://127.0.0.1:8545"]
        [links]
        control = "127.0.0.1:9000"
        stream = "127.0.0.1:9001"
    "#;

    fn error_of(text: &str) -> String {
        Settings::parse(text, Path::new("/home/node.toml")).unwrap_err().to_string()
    }

    #[test]
    fn a_minimal_file_has_every_default() {
        let settings = Settings::parse(MINIMAL, Path::new("node.toml")).unwrap();
        let links = settings.links.clone();
        assert_eq!(settings, Settings::new("http://127.0.0.1:8545".to_owned(), links));
    }

    #[test]
    fn settings_come_back_as_they_were_saved() {
        let mut settings = Settings::parse(MINIMAL, Path::new("node.toml")).unwrap();
        settings.ingest.quic = Some("127.0.0.1:9002".parse().unwrap());
        settings.metrics.address = Some("127.0.0.1:9003".parse().unwrap());
        settings.recovery =
            RecoverySettings { backend: RecoveryBackend::Libsecp256k1, sample: NonZeroU32::new(7).unwrap() };
        settings.keys = KeySource::File { path: "secret".into() };
        settings.peers = vec![PeerSettings {
            name: Some("thallo".to_owned()),
            node_key: [7; 32],
            control: "10.0.0.1:9000".parse().unwrap(),
            stream: "10.0.0.1:9001".parse().unwrap(),
        }];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("node.toml");
        settings.save(&file).unwrap();
        assert_eq!(Settings::load(&file).unwrap(), settings);
    }

    #[test]
    fn errors_name_the_file_the_key_and_the_fix() {
        let unknown = error_of(&format!("prefile = \"x\"\n{MINIMAL}"));
        assert!(unknown.contains("/home/node.toml") && unknown.contains("prefile"), "{unknown}");
        let address = error_of(&MINIMAL.replace("127.0.0.1:9001", "localhost"));
        assert!(address.contains("stream") && address.contains("line 6"), "{address}");
        let missing = error_of("[links]\ncontrol = \"127.0.0.1:1\"\nstream = \"127.0.0.1:2\"\n");
        assert!(missing.contains("`l1`") && missing.contains("horae init"), "{missing}");
        let url = error_of(&MINIMAL.replace("http://", "ws://"));
        assert!(url.contains("`l1.urls`") && url.contains("http:// or https://"), "{url}");
        let window = error_of(&format!("{MINIMAL}\n[retention]\nblocks = 3\n"));
        assert!(window.contains("`retention.blocks`") && window.contains("is 3"), "{window}");
        let backend = error_of(&format!("{MINIMAL}\n[recovery]\nbackend = \"gpu\"\n"));
        assert!(backend.contains("gpu") && backend.contains("libsecp256k1"), "{backend}");
        let sample = error_of(&format!("{MINIMAL}\n[recovery]\nsample = 0\n"));
        assert!(sample.contains("sample"), "{sample}");
        let waiting = error_of(&format!("{MINIMAL}\n[transactions]\nwaiting_ms = 5\n"));
        assert!(waiting.contains("`transactions.waiting_ms`") && waiting.contains("is 5"), "{waiting}");
    }

    #[test]
    fn a_peer_named_twice_is_refused() {
        let peer = format!(
            "[[peers]]\nnode_key = \"{}\"\ncontrol = \"127.0.0.1:1\"\nstream = \"127.0.0.1:2\"\n",
            "07".repeat(32)
        );
        let error = error_of(&format!("{MINIMAL}\n{peer}\n{peer}"));
        assert!(error.contains("`peers.node_key`") && error.contains("twice"), "{error}");
    }
}
