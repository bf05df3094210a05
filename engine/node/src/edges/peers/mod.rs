//! The peer edge: carries the replica's messages between validators over QUIC, in order, authenticated by node keys.
//!
//! Every node dials every peer and sends on the connection it dialled, one uni-directional stream of length-framed
//! messages; what it accepts it only reads. So each ordered pair of nodes has one ordered channel and no tie to break.
//! The edge may drop (a full queue, a broken connection): the replica repairs gaps by asking for blocks again.

mod identity;
mod resets;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use metrics::{counter, gauge};
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, ServerConfig, TransportConfig, VarInt};
use thiserror::Error;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

pub use identity::{Identity, IdentityError, NodeKey, certificate_key};

/// Messages waiting for one peer; beyond it new ones are dropped and counted.
const OUTGOING_QUEUE: usize = 4_096;
/// Largest framed message, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// A connection that has been silent this long is closed.
const IDLE_TIMEOUT_MS: u32 = 5_000;
/// How often a silent connection is kept alive.
const KEEP_ALIVE: Duration = Duration::from_millis(1_500);
/// Pause before dialling again, doubled up to the maximum at each failure.
const REDIAL_MIN: Duration = Duration::from_millis(100);
/// The longest pause between dials.
const REDIAL_MAX: Duration = Duration::from_secs(3);
/// A dial that has not finished its handshake by then has failed.
const DIAL_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes in flight on one connection.
const WINDOW_BYTES: u32 = 32 << 20;

/// Where a peer listens for block streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// The peer's ed25519 node key.
    pub node_key: NodeKey,
    /// Its stream address.
    pub address: SocketAddr,
}

/// Why the peer edge did not start.
#[derive(Debug, Error)]
pub enum PeersError {
    /// The TLS identity could not be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The listening socket could not be bound.
    #[error(
        "cannot listen for peers on {address} (UDP): {source}; is another node running there? change `stream` in node.toml"
    )]
    Bind {
        /// The configured address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Sends to peers. Cheap to clone; never blocks.
#[derive(Clone, Debug)]
pub struct Peers {
    queues: Arc<HashMap<NodeKey, mpsc::Sender<Bytes>>>,
    endpoint: Endpoint,
}

impl Peers {
    /// Queues one encoded message for a peer; `false` if it was dropped (unknown peer or full queue).
    pub fn send(&self, to: &NodeKey, message: Bytes) -> bool {
        let Some(queue) = self.queues.get(to) else { return false };
        match queue.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                counter!("horae_peer_messages_dropped").increment(1);
                false
            }
        }
    }

    /// Queues one encoded message for every peer.
    pub fn broadcast(&self, message: &Bytes) {
        for key in self.queues.keys() {
            self.send(key, message.clone());
        }
    }

    /// The address the edge listens on.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.endpoint.local_addr().ok()
    }

    /// Closes all connections.
    pub fn close(&self) {
        self.endpoint.close(VarInt::from_u32(0), b"shutting down");
    }
}

/// Starts listening and dialling on the current tokio runtime. `deliver` is called with every message that arrives, in
/// the order its sender sent it; returning `false` means the message was junk, and closes the connection. Must be
/// called inside a tokio runtime.
pub fn spawn<D>(seed: &[u8; 32], listen: SocketAddr, peers: &[PeerAddress], deliver: D) -> Result<Peers, PeersError>
where
    D: Fn(NodeKey, Vec<u8>) -> bool + Clone + Send + Sync + 'static,
{
    let identity = Identity::new(seed)?;
    let transport = transport();
    let allowed = peers.iter().map(|peer| peer.node_key).collect();
    let mut server = ServerConfig::with_crypto(Arc::new(identity.server(allowed)?));
    server.transport_config(transport.clone());
    let bind = |source| PeersError::Bind { address: listen, source };
    let socket = std::net::UdpSocket::bind(listen).map_err(bind)?;
    let config = resets::endpoint_config(seed);
    let endpoint = Endpoint::new(config, Some(server), socket, Arc::new(quinn::TokioRuntime)).map_err(bind)?;

    let mut queues = HashMap::new();
    for peer in peers {
        let (tx, rx) = mpsc::channel(OUTGOING_QUEUE);
        queues.insert(peer.node_key, tx);
        let (tls, name) = identity.client(peer.node_key)?;
        let mut client = ClientConfig::new(Arc::new(tls));
        client.transport_config(transport.clone());
        tokio::spawn(dial_forever(endpoint.clone(), client, name, peer.address, rx));
    }
    tokio::spawn(accept(endpoint.clone(), deliver));
    Ok(Peers { queues: Arc::new(queues), endpoint })
}

fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(VarInt::from_u32(IDLE_TIMEOUT_MS).into()))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
        .receive_window(VarInt::from_u32(WINDOW_BYTES))
        .send_window(u64::from(WINDOW_BYTES));
    Arc::new(transport)
}

async fn dial_forever(
    endpoint: Endpoint,
    client: ClientConfig,
    name: &'static str,
    address: SocketAddr,
    mut queue: mpsc::Receiver<Bytes>,
) {
    let mut pause = REDIAL_MIN;
    loop {
        match dial(&endpoint, &client, name, address).await {
            Ok(connection) => {
                info!(%address, "peer connected");
                gauge!("horae_peers_connected").increment(1.0);
                pause = REDIAL_MIN;
                let why = send_all(&connection, &mut queue).await;
                gauge!("horae_peers_connected").decrement(1.0);
                match why {
                    Sent::QueueClosed => return,
                    Sent::Broken(why) => info!(%address, %why, "peer disconnected"),
                }
            }
            Err(why) => debug!(%address, %why, "peer not reached"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(REDIAL_MAX);
        while queue.try_recv().is_ok() {
            counter!("horae_peer_messages_dropped").increment(1);
        }
    }
}

async fn dial(
    endpoint: &Endpoint,
    client: &ClientConfig,
    name: &str,
    address: SocketAddr,
) -> Result<Connection, String> {
    let connecting = endpoint.connect_with(client.clone(), address, name).map_err(|why| why.to_string())?;
    tokio::time::timeout(DIAL_TIMEOUT, connecting)
        .await
        .map_err(|_| "handshake timed out".to_owned())?
        .map_err(|why| why.to_string())
}

enum Sent {
    QueueClosed,
    Broken(String),
}

async fn send_all(connection: &Connection, queue: &mut mpsc::Receiver<Bytes>) -> Sent {
    let mut stream = match connection.open_uni().await {
        Ok(stream) => stream,
        Err(why) => return Sent::Broken(why.to_string()),
    };
    loop {
        let message = tokio::select! {
            message = queue.recv() => match message {
                Some(message) => message,
                None => return Sent::QueueClosed,
            },
            why = connection.closed() => return Sent::Broken(why.to_string()),
        };
        let length = Bytes::copy_from_slice(&(message.len() as u32).to_be_bytes());
        if let Err(why) = stream.write_all_chunks(&mut [length, message]).await {
            return Sent::Broken(why.to_string());
        }
    }
}

async fn accept<D>(endpoint: Endpoint, deliver: D)
where
    D: Fn(NodeKey, Vec<u8>) -> bool + Clone + Send + Sync + 'static,
{
    let mut readers = JoinSet::new();
    while let Some(incoming) = endpoint.accept().await {
        while readers.try_join_next().is_some() {}
        let deliver = deliver.clone();
        readers.spawn(async move {
            let connection = match incoming.await {
                Ok(connection) => connection,
                Err(why) => {
                    counter!("horae_peer_connections_refused").increment(1);
                    return warn!(%why, "peer connection refused");
                }
            };
            let Some(key) = remote_key(&connection) else {
                counter!("horae_peer_connections_refused").increment(1);
                return connection.close(VarInt::from_u32(1), b"no node key");
            };
            if let Err(why) = read_all(&connection, key, &deliver).await {
                counter!("horae_peer_connections_broken").increment(1);
                debug!(%why, "peer stream ended");
                connection.close(VarInt::from_u32(2), b"stream ended");
            }
        });
    }
}

fn remote_key(connection: &Connection) -> Option<NodeKey> {
    let identity = connection.peer_identity()?;
    let chain = identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok()?;
    certificate_key(chain.first()?)
}

#[derive(Debug, Error)]
enum ReadError {
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    #[error(transparent)]
    Read(#[from] quinn::ReadExactError),
    #[error("a message of {0} bytes is over the limit of {MAX_MESSAGE_BYTES}")]
    TooLong(usize),
    #[error("a message could not be decoded")]
    Junk,
}

async fn read_all<D>(connection: &Connection, from: NodeKey, deliver: &D) -> Result<(), ReadError>
where
    D: Fn(NodeKey, Vec<u8>) -> bool,
{
    let mut stream = connection.accept_uni().await?;
    loop {
        let message = read_frame(&mut stream).await?;
        if !deliver(from, message) {
            counter!("horae_peer_junk").increment(1);
            return Err(ReadError::Junk);
        }
    }
}

async fn read_frame(stream: &mut RecvStream) -> Result<Vec<u8>, ReadError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_MESSAGE_BYTES {
        return Err(ReadError::TooLong(length));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn public(seed: [u8; 32]) -> NodeKey {
        ed25519_consensus::SigningKey::from(seed).verification_key().to_bytes()
    }

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[tokio::test]
    async fn messages_arrive_in_order_and_name_their_sender() {
        let (seed_a, seed_b) = ([1; 32], [2; 32]);
        let (tx, mut rx) = mpsc::unbounded_channel();
        let address_of_a = PeerAddress { node_key: public(seed_a), address: any() };
        let b = spawn(&seed_b, any(), std::slice::from_ref(&address_of_a), move |from, message| {
            tx.send((from, message)).is_ok()
        })
        .unwrap();
        let to_b = PeerAddress { node_key: public(seed_b), address: b.local_address().unwrap() };
        let a = spawn(&seed_a, any(), &[to_b], |_, _| true).unwrap();
        tokio::time::timeout(Duration::from_secs(20), async {
            while !a.send(&public(seed_b), Bytes::from_static(b"hello")) {
                tokio::task::yield_now().await;
            }
            assert_eq!(rx.recv().await.unwrap(), (public(seed_a), b"hello".to_vec()));
            for i in 0..100u8 {
                assert!(a.send(&public(seed_b), Bytes::from(vec![i; 1_000])));
            }
            for i in 0..100u8 {
                assert_eq!(rx.recv().await.unwrap().1, vec![i; 1_000]);
            }
        })
        .await
        .unwrap();
    }

    /// Well before the idle timeout: the old connection is reset, not waited for.
    #[tokio::test]
    async fn a_peer_that_was_killed_and_started_again_is_reached_at_once() {
        let (seed_a, seed_b) = ([1; 32], [2; 32]);
        let address_of_a = PeerAddress { node_key: public(seed_a), address: any() };
        let start_b = |listen: SocketAddr| {
            let (tx, rx) = mpsc::unbounded_channel();
            let deliver = move |_, message| tx.send(message).is_ok();
            spawn(&seed_b, listen, std::slice::from_ref(&address_of_a), deliver).map(|b| (b, rx))
        };
        let life = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (b, mut heard) = {
            let _inside = life.enter();
            start_b(any()).unwrap()
        };
        let listen = b.local_address().unwrap();
        let to_b = PeerAddress { node_key: public(seed_b), address: listen };
        let a = spawn(&seed_a, any(), &[to_b], |_, _| true).unwrap();
        let hear = async |heard: &mut mpsc::UnboundedReceiver<Vec<u8>>| {
            let mut again = tokio::time::interval(Duration::from_millis(20));
            loop {
                tokio::select! {
                    message = heard.recv() => return message.unwrap(),
                    _ = again.tick() => drop(a.send(&public(seed_b), Bytes::from_static(b"hello"))),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), hear(&mut heard)).await.unwrap();

        // As by kill -9: nothing is closed in order.
        drop(b);
        life.shutdown_background();
        let (_b, mut heard) = loop {
            match start_b(listen) {
                Ok(started) => break started,
                Err(PeersError::Bind { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(why) => panic!("{why}"),
            }
        };
        let soon = Duration::from_millis(u64::from(IDLE_TIMEOUT_MS) / 2);
        tokio::time::timeout(soon, hear(&mut heard)).await.expect("the old connection is reset, not waited for");
    }

    #[tokio::test]
    async fn a_key_that_is_not_listed_is_refused() {
        let (known, stranger, server) = ([1; 32], [3; 32], [2; 32]);
        let listed = PeerAddress { node_key: public(known), address: any() };
        let b = spawn(&server, any(), &[listed], |_, _| panic!("a stranger was heard")).unwrap();
        let identity = Identity::new(&stranger).unwrap();
        let (tls, name) = identity.client(public(server)).unwrap();
        let endpoint = Endpoint::client(any()).unwrap();
        let connection = dial(&endpoint, &ClientConfig::new(Arc::new(tls)), name, b.local_address().unwrap()).await;
        if let Ok(connection) = connection {
            connection.closed().await;
        }
    }
}
