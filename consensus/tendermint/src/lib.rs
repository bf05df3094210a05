//! Runs a replicated log of opaque values on the Malachite Tendermint engine, over authenticated links.
//!
//! One port carries everything between validators' control planes: consensus messages, value sync and an application channel (pending
//! commands, FROST rounds). Peers talk over `tendermint-p2p` secret connections keyed by their ed25519 node key; unknown keys are refused.
//! Votes and proposals are signed with the secp256k1 signer key, so that L1 can check them.
//!
//! [`spawn`] starts an engine on the caller's tokio runtime and returns a [`Handle`] (what the node tells the engine) and a stream of
//! [`Event`]s (what the engine asks and tells the node). A value means nothing here: the node proposes bytes, checks bytes, and is told
//! once, in order, which bytes were decided at each height.
//!
//! # Shape of a height
//! 1. [`Event::Propose`] on the proposer; [`Event::Check`] on everybody else, answered when the answer is known.
//! 2. [`Event::Decided`] on all, after the value and its commit certificate are on stable storage. The answer is the validator set of the
//!    next height.
//! 3. The engine rests until there is something to decide (the answer or [`Handle::wake`] says so), a peer begins the next height, or
//!    the heartbeat is due.
//!
//! # Silence at start
//! What this node signed is in its log, if the log is as it was left. Whether it is, the node finds out by asking its peers, over links
//! that are up before the engine runs; then [`Handle::take_part`] starts the engine, as a validator or as an observer.
//!
//! # How values travel
//! Malachite's `ProposalOnly` mode takes every proposed value as valid. So it runs in `ProposalAndParts` mode here, with the value's hash
//! in its place: the bytes ride beside the signed proposal, the node judges them, and only then does the engine see a part, with the
//! verdict. A late verdict holds up nothing but the vote for that value.
//!
//! # Files under the home directory
//! - `consensus.wal`: the engine's write-ahead log of the height in progress.
//! - `proposals.log`: the bytes of the values seen in the height in progress.
//! - `decided.log`: decided values and their commit certificates, from the prune point on.

mod codec;
mod config;
mod context;
mod decided;
mod driver;
mod error;
mod event;
mod evidence;
mod handle;
mod links;
mod network;
mod records;
mod signing;
mod start;
mod values;
mod wal;
mod wire;

pub use config::{Config, Listen, Part, Peer, Timeouts, limits};
pub use error::StartError;
pub use event::{Event, NextHeight, Validator, Verdict};
pub use handle::{Handle, LinkCounts, NodeKey, OwnVotes, PeerInfo};
pub use horae_control::{Domain, SignerKey};
pub use start::spawn;
