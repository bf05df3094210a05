//! What an engine is started with, and every bound and default of this crate in one place.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    time::Duration,
};

use horae_control::{Domain, SignerKey};

use crate::{NextHeight, NodeKey};

/// Bounds of this crate. What they bound is dropped, refused or closed beyond them, and counted.
pub mod limits {
    use std::time::Duration;

    /// Largest message on a link in bytes, after reframing.
    pub const MESSAGE_MAX_BYTES: usize = 8 << 20;
    /// Largest proposed value in bytes: leaves room for a certificate and the message around it.
    pub const VALUE_MAX_BYTES: usize = MESSAGE_MAX_BYTES - (64 << 10);
    /// Outgoing messages that may wait for one peer; a peer slower than that is disconnected.
    pub const PEER_QUEUE_MESSAGES: usize = 4096;
    /// Outgoing bytes that may wait for one peer; a peer slower than that is disconnected.
    pub const PEER_QUEUE_BYTES: usize = 32 << 20;
    /// Events that may wait for the node. Application messages beyond it are dropped; the engine waits for room for the others.
    pub const EVENT_QUEUE: usize = 1024;
    /// Incoming handshakes under way at one time; further connections are closed unanswered.
    pub const HANDSHAKES_MAX: usize = 16;
    /// How long connecting, and then the handshake, may take.
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
    /// How long a peer may take to accept any bytes at all before it is disconnected.
    pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
    /// Silence on a link, in which not even a keep-alive came, after which it counts as dead.
    pub const LINK_SILENCE: Duration = Duration::from_secs(15);
    /// How often an otherwise silent link carries a keep-alive.
    pub const KEEPALIVE: Duration = Duration::from_secs(4);
    /// First wait before a peer is dialled again; doubles up to [`REDIAL_MAX`].
    pub const REDIAL_MIN: Duration = Duration::from_millis(100);
    /// Longest wait before a peer is dialled again.
    pub const REDIAL_MAX: Duration = Duration::from_secs(3);
    /// How long the peer with the higher node key leaves the dialling to the other one.
    pub const DIAL_HEADSTART: Duration = Duration::from_millis(1500);
    /// Messages a second that are read from one peer on average; a faster one is read slower.
    pub const PEER_MESSAGES_PER_SECOND: u32 = 5000;
    /// Messages that one peer may send at once beyond [`PEER_MESSAGES_PER_SECOND`].
    pub const PEER_MESSAGE_BURST: u32 = 10_000;
    /// Different values of one round that are put to the node. A correct proposer signs one.
    pub const VALUES_PER_ROUND: usize = 2;
    /// Proposals from one peer held until their height begins.
    pub const EARLY_PROPOSALS: usize = 4;
    /// Bytes of the values of [`EARLY_PROPOSALS`].
    pub const EARLY_BYTES: usize = 16 << 20;
    /// How many heights ahead a proposal may be to be held.
    pub const EARLY_HEIGHTS: u64 = 4;
    /// Rounds ahead of the present one in which proposals are looked at (as in the engine).
    pub const ROUNDS_AHEAD: u32 = 10;
    /// Proposals that may wait to be looked at.
    pub const INTAKE_QUEUE: usize = 32;
    /// Decided values in one answer to a peer that is catching up.
    pub const SYNC_BATCH_VALUES: u64 = 32;
    /// Questions for decided values under way at one time.
    pub const SYNC_PARALLEL: usize = 2;
    /// How long the parts of a failed engine may take to stop.
    pub const ENGINE_STOP: Duration = Duration::from_secs(2);
    /// Bytes of decided values in one answer to a peer that is catching up (one value may exceed it).
    pub const SYNC_BATCH_BYTES: usize = 4 << 20;
    /// How often peers are told the height that this node has reached.
    pub const STATUS_INTERVAL: Duration = Duration::from_secs(1);
    /// How long an answer to a sync request may take.
    pub const SYNC_TIMEOUT: Duration = Duration::from_secs(5);
    /// Own messages of the height in progress that a peer gets when its link comes up.
    pub const RECENT_MESSAGES: usize = 64;
    /// Heights, back from the present one, in which double votes are looked for.
    pub const WITNESSED_HEIGHTS: u64 = 4;
    /// Decided heights, back from the last, in which a start looks for what validators signed.
    pub const RECALLED_HEIGHTS: u64 = 256;
    /// The last round of a height in which double votes are looked for.
    pub const WITNESSED_ROUNDS: u32 = 16;
    /// Largest sum of weights in a set: the proposer schedule has that many entries.
    pub const TOTAL_WEIGHT_MAX: u64 = 10_000;
}

/// The address of a peer's control-plane port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its ed25519 node key.
    pub node_key: NodeKey,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Where to listen for peers.
#[derive(Debug)]
pub enum Listen {
    /// Bind this address.
    Address(SocketAddr),
    /// Use a socket that is bound already.
    Bound(TcpListener),
}

/// Timeouts of the consensus steps: `base + delta * round`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// How long round 0 waits for a proposal; includes the time that peers take to check it.
    pub propose: Duration,
    /// Added to `propose` for each further round.
    pub propose_delta: Duration,
    /// How long round 0 waits for late prevotes, once there are > 2/3 that do not agree.
    pub prevote: Duration,
    /// Added to `prevote` for each further round.
    pub prevote_delta: Duration,
    /// How long round 0 waits for late precommits, once there are > 2/3 that do not agree.
    pub precommit: Duration,
    /// Added to `precommit` for each further round.
    pub precommit_delta: Duration,
    /// How long without progress before own votes are sent again.
    pub rebroadcast: Duration,
    /// No timeout grows beyond this.
    pub max: Duration,
}

impl Default for Timeouts {
    /// For links with a round trip of up to about 50 ms.
    fn default() -> Self {
        Self {
            propose: Duration::from_millis(400),
            propose_delta: Duration::from_millis(200),
            prevote: Duration::from_millis(150),
            prevote_delta: Duration::from_millis(100),
            precommit: Duration::from_millis(150),
            precommit_delta: Duration::from_millis(100),
            rebroadcast: Duration::from_millis(500),
            max: Duration::from_secs(10),
        }
    }
}

/// What an engine is started with.
pub struct Config {
    /// ed25519 seed of the node key, which authenticates links.
    pub node_key: ed25519_consensus::SigningKey,
    /// The secp256k1 key that signs votes and proposals.
    pub signer: SignerKey,
    /// What signatures are bound to.
    pub domain: Domain,
    /// Directory of the write-ahead log and the decided log; created if it is not there.
    pub home: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// Whom to dial. Peers that dial us need only be allowed.
    pub peers: Vec<Peer>,
    /// Node keys that may connect; see [`crate::Handle::set_allowed`].
    pub allowed: Vec<NodeKey>,
    /// Timeouts of the consensus steps.
    pub timeouts: Timeouts,
    /// A height is decided at least this often, even with nothing to decide.
    pub heartbeat: Duration,
    /// Highest height whose value the node has applied and stored; 0 before the first. Decided heights above it are delivered again.
    pub applied_height: u64,
    /// The validator set of height `applied_height + 1`.
    pub first: NextHeight,
    /// How to take part; `None` to wait for [`crate::Handle::take_part`]: until then there are links and messages, but no
    /// consensus.
    pub part: Option<Part>,
}

/// How a node takes part in consensus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It proposes and votes wherever the set lists its signer.
    Validator,
    /// It follows what is decided and signs nothing, whether or not the set lists it.
    Observer,
}

impl Config {
    /// Default of [`Config::heartbeat`].
    pub const HEARTBEAT: Duration = Duration::from_secs(10);
}
