//! What the node tells the engine.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use alloy_primitives::{Address, Bytes};
use horae_control::{Decision, SignedEngineStatement, VotePlace};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Part, Peer,
    context::Signer,
    driver::{Command, Wake},
    links::Links,
    network::Network,
};

/// An ed25519 public key, which authenticates links.
pub type NodeKey = [u8; 32];

/// A connected peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its node key.
    pub node_key: NodeKey,
    /// The other end of the connection.
    pub address: SocketAddr,
    /// Whether this node dialled.
    pub dialled: bool,
}

/// What went wrong on the links since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Connections of node keys that may not connect.
    pub refused: u64,
    /// Handshakes that failed: junk, silence, or too many at once.
    pub failed: u64,
    /// Links closed because of what came over them.
    pub junk: u64,
    /// Links closed because the peer did not read.
    pub slow: u64,
}

/// The node's end of a running engine. Clones are the same engine; the last one dropped stops it.
#[derive(Clone)]
pub struct Handle {
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) network: Arc<Network>,
    pub(crate) links: Arc<Links>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) part: Arc<watch::Sender<Option<Part>>>,
    pub(crate) own: OwnVotes,
}

/// What the files said at the start that this node signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnVotes {
    /// The last height in the decided log.
    pub decided_height: u64,
    /// The newest of its own votes and proposals in the write-ahead log.
    pub newest: Option<VotePlace>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("local_address", &self.local_address()).finish_non_exhaustive()
    }
}

impl Handle {
    /// Queues an application message to one peer. `false` if it is not connected or cannot take more; there is no retry.
    pub fn send(&self, to: NodeKey, bytes: Bytes) -> bool {
        self.network.send_message(&to, bytes.0)
    }

    /// Queues an application message to every connected peer; returns to how many.
    pub fn broadcast(&self, bytes: Bytes) -> usize {
        self.network.broadcast_message(bytes.0)
    }

    /// There is something to decide: do not wait for the heartbeat.
    pub fn wake(&self) {
        self.wake.set();
    }

    /// Starts consensus, if the engine waits for that. Only the first call counts.
    pub fn take_part(&self, part: Part) {
        self.part.send_if_modified(|taken| taken.is_none() && taken.replace(part).is_none());
    }

    /// What the files said at the start that this node signed.
    pub fn own_votes(&self) -> OwnVotes {
        self.own
    }

    /// The newest vote or proposal of a validator that came by, of the last heights.
    pub fn newest_of(&self, signer: Address) -> Option<SignedEngineStatement> {
        self.network.newest_of(&Signer(signer))
    }

    /// The connected peers.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.links.peers()
    }

    /// The lowest decided height that a connected peer still keeps, as far as they have said: a node that needs a lower one cannot
    /// catch up from them.
    pub fn oldest_kept(&self) -> Option<u64> {
        self.network.oldest_kept()
    }

    /// What went wrong on the links since the start.
    pub fn link_counts(&self) -> LinkCounts {
        self.links.counts()
    }

    /// The address this node listens on.
    pub fn local_address(&self) -> SocketAddr {
        self.links.local_address()
    }

    /// Replaces the node keys that may connect. Links of keys no longer in it are closed.
    pub fn set_allowed(&self, keys: &[NodeKey]) {
        self.links.set_allowed(keys);
    }

    /// Adds a peer to dial, or changes its address. It must be allowed to connect as well.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn set_peer(&self, peer: Peer) {
        self.links.set_peer(peer);
    }

    /// Drops decided values below `height`, though never the last one, from the decided log: peers further behind cannot catch up from
    /// this node any more.
    ///
    /// # Errors
    /// The log could not be rewritten, and is as it was; or the engine has stopped.
    pub async fn prune_below(&self, height: u64) -> io::Result<()> {
        let stopped = || io::Error::new(io::ErrorKind::NotConnected, "the engine has stopped");
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Prune(height, reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Decisions from height `from` to `to`, lowest first, as far as they are in the decided log and within the bounds of one answer;
    /// beside them the lowest height that the log still has, 0 if it is empty.
    ///
    /// # Errors
    /// Of the disk; or the engine has stopped.
    pub async fn decisions(&self, from: u64, to: u64) -> io::Result<(u64, Vec<Decision>)> {
        let stopped = || io::Error::new(io::ErrorKind::NotConnected, "the engine has stopped");
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Read(from, to, reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Stops the engine and closes its links and files; returns when they are closed.
    pub async fn shutdown(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Shutdown(reply)).await.is_ok() {
            let _ = answer.await;
        }
    }
}
