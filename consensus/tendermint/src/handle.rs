//! What the node tells the engine.

use std::net::SocketAddr;

use alloy_primitives::Bytes;

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

/// The node's end of a running engine. Clones are the same engine; the last one dropped stops it.
#[derive(Clone, Debug)]
pub struct Handle {}

impl Handle {
    /// Queues an application message to one peer. `false` if it is not connected or cannot take more; there is no retry.
    pub fn send(&self, to: NodeKey, bytes: Bytes) -> bool {
        let _ = (to, bytes);
        unimplemented!()
    }

    /// Queues an application message to every connected peer; returns to how many.
    pub fn broadcast(&self, bytes: Bytes) -> usize {
        let _ = bytes;
        unimplemented!()
    }

    /// There is something to decide: do not wait for the heartbeat.
    pub fn wake(&self) {
        unimplemented!()
    }

    /// The connected peers.
    pub fn peers(&self) -> Vec<PeerInfo> {
        unimplemented!()
    }

    /// The address this node listens on.
    pub fn local_address(&self) -> SocketAddr {
        unimplemented!()
    }

    /// Replaces the node keys that may connect. Links of keys no longer in it are closed.
    pub fn set_allowed(&self, keys: &[NodeKey]) {
        let _ = keys;
        unimplemented!()
    }

    /// Adds a peer to dial, or changes its address.
    pub fn set_peer(&self, peer: crate::Peer) {
        let _ = peer;
        unimplemented!()
    }

    /// Drops decided values below `height` from the decided log: peers further behind cannot catch up from this node any more.
    ///
    /// # Errors
    /// The log could not be rewritten; it is as it was.
    pub async fn prune_below(&self, height: u64) -> std::io::Result<()> {
        let _ = height;
        unimplemented!()
    }

    /// Stops the engine and closes its links and files; returns when they are closed.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
}
