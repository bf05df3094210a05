//! QUIC ingest (RFC 9000, by `quinn`): one one-way stream a transaction, or a two-way stream of many, framed as in [`super::intake`].
//!
//! A one-way stream holds the bytes of one transaction and gets no answer: its client looks the transaction up. Two-way streams are
//! answered, each with frame numbers of its own. The certificate is self-signed and new at each start: transactions are
//! signed, so TLS here keeps them from prying eyes and is no proof of who the node is.
//!
//! Bounds: connections, streams a connection, frame length, unanswered frames and unsent bytes a stream, unanswered frames in
//! all, and silence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use quinn::{Connection, Endpoint, IdleTimeout, ReadToEndError, RecvStream, SendStream, TransportConfig, VarInt};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::intake::{
    Bounds, Counters, Counts, Intake, Reply, ReplySink, ReplyTo, Session, TRANSACTION_BYTES_MAX, count,
};

/// The protocol's name in the TLS handshake (ALPN, RFC 7301).
pub const ALPN: &[u8] = b"horae-ingest/1";

/// The name in the certificate.
pub const SERVER_NAME: &str = "horae";

/// Why the node closes a connection: nothing is wrong.
pub const CLOSE_DONE: u32 = 0;
/// Why the node closes a connection: what came is no frame.
pub const CLOSE_JUNK: u32 = 1;
/// Why the node closes a connection: it was silent for too long.
pub const CLOSE_IDLE: u32 = 2;

/// A connection whose client shows no sign of life at all for so long is given up, milliseconds.
const LOST_TIMEOUT_MS: u32 = 30_000;

/// How often silence is looked for, milliseconds; only while there are connections.
const SWEEP_MS: u64 = 1_000;

/// Bytes read from a stream at a time.
const READ_BYTES: usize = 16 * 1024;

/// Bounds of the edge. The defaults suit a public node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; one more is refused.
    pub connections_max: usize,
    /// Two-way streams of one connection at a time.
    pub streams_max: u32,
    /// One-way streams of one connection at a time.
    pub one_way_streams_max: u32,
    /// Longest transaction, bytes; a longer one closes the connection.
    pub frame_bytes_max: usize,
    /// Frames of one stream without an answer; at the limit it is not read from.
    pub unanswered_max: usize,
    /// Frames of all connections without an answer; at the limit they are told busy.
    pub unanswered_total_max: usize,
    /// Bytes of answers that a client has not read; at the limit its stream is not read from.
    pub unsent_bytes_max: usize,
    /// A connection, or a stream to which nothing is owed, on which no transaction comes for so long is closed.
    pub idle_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            streams_max: 16,
            one_way_streams_max: 128,
            frame_bytes_max: TRANSACTION_BYTES_MAX,
            unanswered_max: 4_096,
            unanswered_total_max: 65_536,
            unsent_bytes_max: 256 * 1024,
            idle_timeout_ms: 60_000,
        }
    }
}

/// Why the edge could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen for QUIC on {listen}: {source}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate could not be made.
    #[error("cannot make a certificate for QUIC: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("cannot set up TLS for QUIC: {0}")]
    Tls(String),
}

/// A running edge. Dropping it closes the port and every connection.
pub struct QuicIngest {
    endpoint: Endpoint,
    local_addr: SocketAddr,
    certificate: CertificateDer<'static>,
    counters: Arc<Counters>,
}

impl QuicIngest {
    /// Starts listening on `listen` (port 0 takes a free one) and delivering to `intake`. To be called within a tokio runtime, on which the
    /// edge then runs.
    ///
    /// # Errors
    /// [`StartError`]
    pub fn start(listen: SocketAddr, limits: Limits, intake: impl Intake) -> Result<Self, StartError> {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec![SERVER_NAME.to_owned()])?;
        let certificate = cert.der().clone();
        let server = server_config(certificate.clone(), signing_key.serialize_der(), &limits)?;
        let at = |source| StartError::Listen { listen, source };
        let endpoint = Endpoint::server(server, listen).map_err(at)?;
        let local_addr = endpoint.local_addr().map_err(at)?;
        let counters = Arc::new(Counters::default());
        let edge = Edge {
            limits,
            intake,
            counters: Arc::clone(&counters),
            unanswered: Arc::new(AtomicUsize::new(0)),
            started: Instant::now(),
        };
        tokio::spawn(run(endpoint.clone(), Arc::new(edge)));
        tracing::info!(%local_addr, "QUIC ingest listens");
        Ok(Self { endpoint, local_addr, certificate, counters })
    }

    /// The address it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Its certificate, DER, for clients that want to be sure.
    #[must_use]
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// What it has counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counters.read()
    }
}

impl Drop for QuicIngest {
    fn drop(&mut self) {
        self.endpoint.close(CLOSE_DONE.into(), b"the node is stopping");
    }
}

fn server_config(
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    limits: &Limits,
) -> Result<quinn::ServerConfig, StartError> {
    let tls = |error: &dyn std::fmt::Display| StartError::Tls(error.to_string());
    let mut crypto = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| tls(&error))?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(key).into())
        .map_err(|error| tls(&error))?;
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(crypto).map_err(|error| tls(&error))?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits.streams_max.into())
        .max_concurrent_uni_streams(limits.one_way_streams_max.into())
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(LOST_TIMEOUT_MS))))
        .datagram_receive_buffer_size(None);
    server.transport_config(Arc::new(transport)).max_incoming(limits.connections_max).migration(false);
    Ok(server)
}

struct Edge<I> {
    limits: Limits,
    intake: I,
    counters: Arc<Counters>,
    unanswered: Arc<AtomicUsize>,
    started: Instant,
}

async fn run<I: Intake>(endpoint: Endpoint, edge: Arc<Edge<I>>) {
    let mut sweep = interval(Duration::from_millis(SWEEP_MS));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            incoming = endpoint.accept() => {
                let Some(incoming) = incoming else { return };
                if endpoint.open_connections() >= edge.limits.connections_max {
                    count(&edge.counters.turned_away);
                    incoming.refuse();
                } else if endpoint.open_connections() * 2 >= edge.limits.connections_max && incoming.may_retry() {
                    // Half full: whoever comes must show that the address is its own before it takes a place.
                    let _ = incoming.retry();
                } else {
                    let edge = Arc::clone(&edge);
                    tokio::spawn(async move {
                        match incoming.await {
                            Ok(connection) => {
                                count(&edge.counters.accepted);
                                serve(&edge, connection).await;
                                count(&edge.counters.ended);
                            }
                            Err(_) => count(&edge.counters.accept_errors),
                        }
                    });
                }
            }
            _ = sweep.tick(), if endpoint.open_connections() > 0 => edge.counters.publish("quic"),
        }
    }
}

/// Takes streams from a connection until it ends. The futures in this `select!` are all safe to drop: `quinn` keeps what has arrived.
async fn serve<I: Intake>(edge: &Arc<Edge<I>>, connection: Connection) {
    let mut streams = JoinSet::new();
    let mut one_way = FuturesUnordered::new();
    let mut sweep = interval(Duration::from_millis(SWEEP_MS));
    let mut active_ms = edge.now_ms();
    loop {
        tokio::select! {
            stream = connection.accept_bi() => {
                let Ok((send, receive)) = stream else { return };
                streams.spawn(serve_stream(Arc::clone(edge), connection.clone(), send, receive));
            }
            stream = connection.accept_uni() => {
                let Ok(mut stream) = stream else { return };
                let bytes_max = edge.limits.frame_bytes_max;
                // At most as many at a time as QUIC's own bound on streams lets the client open.
                one_way.push(async move { stream.read_to_end(bytes_max).await });
            }
            Some(read) = one_way.next(), if !one_way.is_empty() => match read {
                Ok(bytes) if !bytes.is_empty() => edge.offer_one_way(&bytes),
                Ok(_) => return edge.close_for_junk(&connection, "an empty transaction"),
                Err(ReadToEndError::TooLong) => return edge.close_for_junk(&connection, "a transaction that is too long"),
                Err(ReadToEndError::Read(_)) => {}
            },
            Some(_) = streams.join_next(), if !streams.is_empty() => {}
            _ = sweep.tick() => {
                let silent_ms = edge.now_ms() - active_ms;
                if streams.is_empty() && silent_ms >= edge.limits.idle_timeout_ms {
                    count(&edge.counters.idle_closed);
                    return connection.close(CLOSE_IDLE.into(), b"silence");
                }
                continue;
            }
        }
        active_ms = edge.now_ms();
    }
}

/// One two-way stream. What is in the `select!` may be dropped: `read` and `write` of `quinn` say that nothing is lost then.
async fn serve_stream<I: Intake>(
    edge: Arc<Edge<I>>,
    connection: Connection,
    mut send: SendStream,
    mut receive: RecvStream,
) {
    let (sink, mut replies) = stream_replies(Arc::clone(&edge.unanswered));
    let sink: Arc<dyn ReplySink> = sink;
    let mut session = Session::new(edge.bounds(), edge.now_ms());
    let mut sweep = interval(Duration::from_millis(SWEEP_MS));
    let mut buffer = vec![0; READ_BYTES];
    while !session.is_finished() {
        let mut read = 0;
        tokio::select! {
            found = receive.read(&mut buffer), if session.may_read() => match found {
                Ok(Some(bytes)) => read = bytes,
                Ok(None) => session.end_input(),
                Err(_) => return,
            },
            sent = send.write(session.out()), if !session.out().is_empty() => match sent {
                Ok(bytes) => session.sent(bytes, edge.now_ms()),
                Err(_) => return,
            },
            Some((sequence, reply)) = replies.recv() => {
                session.settle(sequence, &reply, edge.now_ms());
                count(&edge.counters.answered);
            }
            _ = sweep.tick() => if session.is_stalled(edge.now_ms()) {
                count(&edge.counters.idle_closed);
                // Already closed by the other side is as good.
                let _ = (send.reset(CLOSE_IDLE.into()), receive.stop(CLOSE_IDLE.into()));
                return;
            }
        }
        let offer = |sequence: u64, frame: &[u8]| edge.offer(&sink, sequence, frame);
        let now_ms = edge.now_ms();
        let taken_apart =
            if read > 0 { session.read(&buffer[..read], now_ms, offer) } else { session.resume(now_ms, offer) };
        if let Err(violation) = taken_apart {
            return edge.close_for_junk(&connection, &violation.to_string());
        }
    }
    // It fails only when the client has gone.
    let _ = send.finish();
}

impl<I: Intake> Edge<I> {
    fn bounds(&self) -> Bounds {
        Bounds {
            frame_bytes_max: self.limits.frame_bytes_max,
            unanswered_max: self.limits.unanswered_max,
            unsent_bytes_max: self.limits.unsent_bytes_max,
            idle_timeout_ms: self.limits.idle_timeout_ms,
        }
    }

    fn offer(&self, sink: &Arc<dyn ReplySink>, sequence: u64, bytes: &[u8]) -> bool {
        if self.unanswered.fetch_add(1, Ordering::Relaxed) >= self.limits.unanswered_total_max {
            self.unanswered.fetch_sub(1, Ordering::Relaxed);
            count(&self.counters.busy);
            return false;
        }
        count(&self.counters.offered);
        self.intake.offer(bytes, ReplyTo::new(Arc::clone(sink), 0, sequence));
        true
    }

    fn offer_one_way(&self, bytes: &[u8]) {
        let sink: Arc<dyn ReplySink> = Arc::new(NoReplies { unanswered: Arc::clone(&self.unanswered) });
        self.offer(&sink, 0, bytes);
    }

    fn close_for_junk(&self, connection: &Connection, why: &str) {
        tracing::debug!(why, "QUIC ingest: a connection is closed");
        count(&self.counters.junk_closed);
        connection.close(CLOSE_JUNK.into(), why.as_bytes());
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Answers of one stream. The channel needs no bound of its own: the session and the edge bound what is unanswered.
struct StreamReplies {
    unanswered: Arc<AtomicUsize>,
    sender: UnboundedSender<(u64, Reply)>,
}

fn stream_replies(unanswered: Arc<AtomicUsize>) -> (Arc<StreamReplies>, UnboundedReceiver<(u64, Reply)>) {
    let (sender, receiver) = unbounded_channel();
    (Arc::new(StreamReplies { unanswered, sender }), receiver)
}

impl ReplySink for StreamReplies {
    fn deliver(&self, _connection: u64, sequence: u64, reply: Reply) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        // The stream may be gone by now.
        let _ = self.sender.send((sequence, reply));
    }
}

/// One-way streams have no way back.
struct NoReplies {
    unanswered: Arc<AtomicUsize>,
}

impl ReplySink for NoReplies {
    fn deliver(&self, _connection: u64, _sequence: u64, _reply: Reply) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "quic_tests.rs"]
mod tests;
