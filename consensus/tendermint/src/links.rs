//! Authenticated links to peers: a full mesh over `tendermint-p2p` secret connections, carrying opaque messages.
//!
//! Both ends of a pair dial, the one with the higher node key a little later; of two links between the same pair the one dialled by the
//! lower node key stays. Handshakes run in a bounded number of threads, each under a deadline and under `catch_unwind`, because a peer that
//! has not authenticated can make `tendermint-p2p` 0.41 panic. An established link has a reading and a writing thread.

mod frames;
mod peer;
mod queue;

use std::{
    collections::{HashMap, HashSet},
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use ed25519_consensus::SigningKey;
use tendermint_p2p::secret_connection::{PublicKey, SecretConnection, Version};
use tokio::{sync::Semaphore, sync::watch, task::JoinHandle, time::timeout};

use crate::{LinkCounts, NodeKey, Peer, PeerInfo, limits};
use queue::Queue;

/// A message that no correct peer sends; its link is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Junk(pub String);

/// Who hears of links and their messages.
pub(crate) trait Sink: Send + Sync + 'static {
    /// A link is up. Called before its first message.
    fn up(&self, peer: NodeKey);
    /// A link is gone.
    fn down(&self, peer: NodeKey);
    /// A message came; called on the link's reading thread.
    fn message(&self, from: NodeKey, bytes: Bytes) -> Result<(), Junk>;
}

/// The mesh of one node.
pub(crate) struct Links {
    key: SigningKey,
    me: NodeKey,
    local: SocketAddr,
    sink: Arc<dyn Sink>,
    allowed: Mutex<HashSet<NodeKey>>,
    targets: Mutex<HashMap<NodeKey, SocketAddr>>,
    up: Mutex<HashMap<NodeKey, Link>>,
    /// Held while links are entered and removed and the sink is told, so that it hears in order.
    order: Mutex<()>,
    /// Rises with every change that a dialler may wait for.
    changed: watch::Sender<u64>,
    generation: AtomicU64,
    closed: AtomicBool,
    incoming: Arc<Semaphore>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    counts: Counters,
}

struct Link {
    generation: u64,
    queue: Arc<Queue>,
    stream: TcpStream,
    address: SocketAddr,
    dialled: bool,
}

#[derive(Default)]
struct Counters {
    refused: AtomicU64,
    failed: AtomicU64,
    junk: AtomicU64,
    slow: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no answer in time")]
    Timeout,
    #[error("handshake: {0}")]
    Handshake(String),
    #[error("node key {0} may not connect")]
    Refused(String),
    #[error("another link to the peer stays")]
    Duplicate,
    #[error("closed")]
    Closed,
}

impl Links {
    /// Starts listening and dialling on the current tokio runtime.
    ///
    /// # Errors
    /// Of the socket.
    pub(crate) fn start(
        key: SigningKey,
        listener: TcpListener,
        peers: &[Peer],
        allowed: &[NodeKey],
        sink: Arc<dyn Sink>,
    ) -> io::Result<Arc<Self>> {
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let links = Arc::new(Self {
            me: key.verification_key().to_bytes(),
            key,
            local,
            sink,
            allowed: Mutex::new(allowed.iter().copied().collect()),
            targets: Mutex::default(),
            up: Mutex::default(),
            order: Mutex::new(()),
            changed: watch::channel(0).0,
            generation: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            incoming: Arc::new(Semaphore::new(limits::HANDSHAKES_MAX)),
            tasks: Mutex::default(),
            counts: Counters::default(),
        });
        let accepting = tokio::spawn(links.clone().accept(listener));
        lock(&links.tasks).push(accepting);
        for peer in peers {
            links.set_peer(*peer);
        }
        Ok(links)
    }

    /// The address it listens on.
    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Queues a message to a peer; `false` if there is no link, or no room, in which case the link is closed.
    pub(crate) fn send(&self, to: &NodeKey, message: Bytes) -> bool {
        let up = lock(&self.up);
        up.get(to).is_some_and(|link| self.push(to, link, message))
    }

    /// Queues a message to all peers; returns to how many.
    pub(crate) fn broadcast(&self, message: &Bytes) -> usize {
        let up = lock(&self.up);
        up.iter().filter(|(peer, link)| self.push(peer, link, message.clone())).count()
    }

    fn push(&self, peer: &NodeKey, link: &Link, message: Bytes) -> bool {
        let queued = link.queue.push(message);
        if !queued && link.queue.close() {
            tracing::warn!(peer = %name(peer), "a peer does not read what it is sent: link closed");
            self.counts.slow.fetch_add(1, Ordering::Relaxed);
            metrics::counter!("horae_tendermint_links_closed_total", "why" => "slow").increment(1);
            let _ = link.stream.shutdown(Shutdown::Both);
        }
        queued
    }

    /// The links that are up.
    pub(crate) fn peers(&self) -> Vec<PeerInfo> {
        let info =
            |(key, link): (&NodeKey, &Link)| PeerInfo { node_key: *key, address: link.address, dialled: link.dialled };
        lock(&self.up).iter().map(info).collect()
    }

    /// What went wrong so far.
    pub(crate) fn counts(&self) -> LinkCounts {
        LinkCounts {
            refused: self.counts.refused.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
            junk: self.counts.junk.load(Ordering::Relaxed),
            slow: self.counts.slow.load(Ordering::Relaxed),
        }
    }

    /// Replaces the keys that may connect and closes the links of others.
    pub(crate) fn set_allowed(&self, keys: &[NodeKey]) {
        *lock(&self.allowed) = keys.iter().copied().collect();
        for (_, link) in lock(&self.up).iter().filter(|(key, _)| !keys.contains(key)) {
            let _ = link.stream.shutdown(Shutdown::Both);
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// Dials a peer from now on at this address.
    pub(crate) fn set_peer(self: &Arc<Self>, peer: Peer) {
        if peer.node_key == self.me || self.closed.load(Ordering::SeqCst) {
            return;
        }
        if lock(&self.targets).insert(peer.node_key, peer.address).is_none() {
            let dialling = tokio::spawn(self.clone().dial(peer.node_key));
            lock(&self.tasks).push(dialling);
        }
        self.changed.send_modify(|n| *n += 1);
    }

    /// Closes all links and stops listening and dialling.
    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        for link in lock(&self.up).values() {
            link.queue.close();
            let _ = link.stream.shutdown(Shutdown::Both);
        }
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        let mut changed = self.changed.subscribe();
        while !lock(&self.up).is_empty() && changed.changed().await.is_ok() {}
    }

    fn is_up(&self, peer: &NodeKey) -> bool {
        lock(&self.up).contains_key(peer)
    }

    fn is_allowed(&self, peer: &NodeKey) -> bool {
        lock(&self.allowed).contains(peer)
    }

    async fn accept(self: Arc<Self>, listener: tokio::net::TcpListener) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(limits::REDIAL_MIN).await;
                    continue;
                }
            };
            let Ok(permit) = self.incoming.clone().try_acquire_owned() else {
                self.failed(None, &LinkError::Handshake("too many at once".into()));
                continue;
            };
            let links = self.clone();
            tokio::spawn(async move {
                let _permit = permit;
                if let Err(error) = links.establish(stream, None).await {
                    links.failed(None, &error);
                }
            });
        }
    }

    async fn dial(self: Arc<Self>, peer: NodeKey) {
        let mut changed = self.changed.subscribe();
        let head_start = if self.me < peer { Duration::ZERO } else { limits::DIAL_HEADSTART };
        let mut wait = head_start;
        let mut up_since = None;
        loop {
            changed.mark_unchanged();
            let up = self.is_up(&peer);
            if up || !self.is_allowed(&peer) {
                if up {
                    up_since.get_or_insert_with(Instant::now);
                }
                if changed.changed().await.is_err() {
                    return;
                }
                continue;
            }
            // A link that ends as soon as it is up (the peer refuses us) counts as a failed attempt.
            if let Some(since) = up_since.take() {
                let lasted = since.elapsed() > limits::REDIAL_MAX;
                wait = if lasted { head_start } else { wait * 2 }.clamp(limits::REDIAL_MIN, limits::REDIAL_MAX);
            }
            tokio::time::sleep(wait).await;
            if self.is_up(&peer) {
                continue;
            }
            let Some(address) = lock(&self.targets).get(&peer).copied() else { return };
            let outcome = match timeout(limits::HANDSHAKE_TIMEOUT, tokio::net::TcpStream::connect(address)).await {
                Ok(Ok(stream)) => self.establish(stream, Some(peer)).await,
                Ok(Err(error)) => Err(error.into()),
                Err(_) => Err(LinkError::Timeout),
            };
            if let Err(error) = outcome {
                self.failed(Some(&peer), &error);
                wait = (wait * 2).clamp(limits::REDIAL_MIN, limits::REDIAL_MAX);
            }
        }
    }

    fn failed(&self, peer: Option<&NodeKey>, error: &LinkError) {
        let peer = peer.map(name).unwrap_or_default();
        match error {
            LinkError::Duplicate | LinkError::Closed => {}
            LinkError::Io(error) => tracing::debug!(peer, %error, "connection failed"),
            LinkError::Refused(_) => {
                tracing::warn!(peer, %error, "connection refused");
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("horae_tendermint_links_refused_total").increment(1);
            }
            LinkError::Timeout | LinkError::Handshake(_) => {
                tracing::warn!(peer, %error, "connection failed");
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                metrics::counter!("horae_tendermint_handshakes_failed_total").increment(1);
            }
        }
    }

    /// Authenticates a connection and puts it into service.
    async fn establish(
        self: &Arc<Self>,
        stream: tokio::net::TcpStream,
        expected: Option<NodeKey>,
    ) -> Result<(), LinkError> {
        let stream = stream.into_std()?;
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limits::HANDSHAKE_TIMEOUT))?;
        stream.set_write_timeout(Some(limits::HANDSHAKE_TIMEOUT))?;
        let watchdog = stream.try_clone()?;
        let key = self.key.clone();
        let mut handshake = tokio::task::spawn_blocking(move || {
            let run = || SecretConnection::new(stream, key, Version::V0_34);
            match catch_unwind(AssertUnwindSafe(run)) {
                Ok(result) => result.map_err(|e| e.to_string()),
                Err(_) => Err("malformed messages made it panic".into()),
            }
        });
        let connection = match timeout(limits::HANDSHAKE_TIMEOUT, &mut handshake).await {
            Ok(done) => done.map_err(|e| LinkError::Handshake(e.to_string()))?.map_err(LinkError::Handshake)?,
            Err(_) => {
                // A peer that sends a byte at a time never trips the read timeout.
                let _ = watchdog.shutdown(Shutdown::Both);
                let _ = handshake.await;
                return Err(LinkError::Timeout);
            }
        };
        let PublicKey::Ed25519(peer) = connection.remote_pubkey();
        let peer = peer.to_bytes();
        if peer == self.me || !self.is_allowed(&peer) || expected.is_some_and(|key| key != peer) {
            return Err(LinkError::Refused(name(&peer)));
        }
        watchdog.set_read_timeout(Some(limits::LINK_SILENCE))?;
        watchdog.set_write_timeout(Some(limits::WRITE_TIMEOUT))?;
        let links = self.clone();
        let dialled = expected.is_some();
        tokio::task::spawn_blocking(move || links.enter(peer, connection, watchdog, dialled))
            .await
            .map_err(|e| LinkError::Handshake(e.to_string()))?
    }

    /// Enters an authenticated connection as the link to its peer, or closes it if another one stays.
    fn enter(
        self: &Arc<Self>,
        peer: NodeKey,
        connection: SecretConnection<TcpStream>,
        stream: TcpStream,
        dialled: bool,
    ) -> Result<(), LinkError> {
        let address = stream.peer_addr()?;
        let (sender, receiver) = connection.split().map_err(|e| LinkError::Handshake(e.to_string()))?;
        let _order = lock(&self.order);
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        let queue = Arc::new(Queue::new());
        let replaced = {
            let mut up = lock(&self.up);
            if self.closed.load(Ordering::SeqCst) {
                return Err(LinkError::Closed);
            }
            // The link dialled by the lower key stays; of two dialled by the same end, the newer.
            let stays = |dialled: bool| dialled == (self.me < peer);
            if up.get(&peer).is_some_and(|old| stays(old.dialled) && !stays(dialled)) {
                return Err(LinkError::Duplicate);
            }
            up.insert(peer, Link { generation, queue: queue.clone(), stream: stream.try_clone()?, address, dialled })
        };
        if let Some(old) = replaced {
            old.queue.close();
            let _ = old.stream.shutdown(Shutdown::Both);
            self.sink.down(peer);
        }
        tracing::info!(peer = %name(&peer), %address, dialled, "link up");
        self.sink.up(peer);
        peer::run(self.clone(), peer, generation, (sender, receiver), queue, stream);
        self.changed.send_modify(|n| *n += 1);
        metrics::gauge!("horae_tendermint_links").set(lock(&self.up).len() as f64);
        Ok(())
    }

    /// Removes a link whose reading thread has ended, unless another one took its place.
    fn leave(&self, peer: NodeKey, generation: u64, why: &str) {
        let _order = lock(&self.order);
        let removed = {
            let mut up = lock(&self.up);
            let same = up.get(&peer).is_some_and(|link| link.generation == generation);
            if same { up.remove(&peer) } else { None }
        };
        if let Some(link) = removed {
            link.queue.close();
            let _ = link.stream.shutdown(Shutdown::Both);
            tracing::info!(peer = %name(&peer), why, "link down");
            self.sink.down(peer);
        }
        self.changed.send_modify(|n| *n += 1);
        metrics::gauge!("horae_tendermint_links").set(lock(&self.up).len() as f64);
    }

    fn junk(&self) {
        self.counts.junk.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("horae_tendermint_links_closed_total", "why" => "junk").increment(1);
    }
}

/// How a node key is shown: its first four bytes in hex.
pub(crate) fn name(key: &NodeKey) -> String {
    alloy_primitives::hex::encode(&key[..4])
}

#[cfg(test)]
mod tests;
