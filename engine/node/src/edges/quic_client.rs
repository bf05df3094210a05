//! The client's side of QUIC ingest, for load generators and tests.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, Endpoint, IdleTimeout, RecvStream, SendStream, TransportConfig, VarInt};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::intake::{Reply, ReplyError, encode_request};
use super::quic_ingest::{ALPN, CLOSE_DONE, SERVER_NAME};

/// Requests gathered before they are written, bytes.
const SEND_BYTES: usize = 16 * 1024;

/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1024;

/// A connection without a sign of life for so long is given up, milliseconds.
const IDLE_TIMEOUT_MS: u32 = 60_000;

/// A waiting client shows that it is alive this often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Which node to trust. The node's certificate is new at each start.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The one with this certificate, DER.
    Certificate(Vec<u8>),
    /// Whoever answers at the address. Transactions are signed, so it can only read, delay or drop them.
    AnyNode,
}

/// What can go wrong on the client's side.
#[derive(Debug, thiserror::Error)]
pub enum QuicClientError {
    /// No local port, or no connection could be begun.
    #[error("cannot connect to {address}: {message}")]
    Connect {
        /// The node's address.
        address: SocketAddr,
        /// What happened.
        message: String,
    },
    /// The connection ended.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// A stream could not be written.
    #[error(transparent)]
    Write(#[from] quinn::WriteError),
    /// A stream could not be read.
    #[error(transparent)]
    Read(#[from] quinn::ReadError),
    /// The stream was closed before.
    #[error(transparent)]
    Closed(#[from] quinn::ClosedStream),
    /// The node does not speak this protocol.
    #[error(transparent)]
    Reply(#[from] ReplyError),
}

/// A connection to a node's QUIC edge.
pub struct QuicClient {
    endpoint: Endpoint,
    connection: Connection,
}

impl QuicClient {
    /// Connects to the node at `address`. To be called within a tokio runtime.
    ///
    /// # Errors
    /// [`QuicClientError`]
    pub async fn connect(address: SocketAddr, trust: Trust) -> Result<Self, QuicClientError> {
        let fail = |error: &dyn std::fmt::Display| QuicClientError::Connect { address, message: error.to_string() };
        let local =
            if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let endpoint = Endpoint::client(local).map_err(|error| fail(&error))?;
        let config = client_config(trust).map_err(|message| fail(&message))?;
        let connecting = endpoint.connect_with(config, address, SERVER_NAME).map_err(|error| fail(&error))?;
        let connection = connecting.await?;
        Ok(Self { endpoint, connection })
    }

    /// Sends one transaction on a stream of its own. There is no answer to it.
    ///
    /// # Errors
    /// [`QuicClientError`]
    pub async fn send_one_way(&self, transaction: &[u8]) -> Result<(), QuicClientError> {
        let mut stream = self.connection.open_uni().await?;
        stream.write_all(transaction).await?;
        Ok(stream.finish()?)
    }

    /// Opens a stream for many transactions and their answers.
    ///
    /// # Errors
    /// [`QuicClientError`]
    pub async fn open(&self) -> Result<(QuicSender, QuicReceiver), QuicClientError> {
        let (send, receive) = self.connection.open_bi().await?;
        let sender = QuicSender { stream: send, next: 0, out: Vec::with_capacity(SEND_BYTES) };
        Ok((sender, QuicReceiver { stream: receive, bytes: Vec::new(), used: 0 }))
    }

    /// Why the connection ended; waits until it has.
    pub async fn closed(&self) -> quinn::ConnectionError {
        self.connection.closed().await
    }

    /// Waits until all that was sent has arrived, or the connection is gone, and ends it.
    pub async fn close(self) {
        self.connection.close(CLOSE_DONE.into(), b"");
        self.endpoint.wait_idle().await;
    }
}

/// The sending half of a stream.
pub struct QuicSender {
    stream: SendStream,
    next: u64,
    out: Vec<u8>,
}

impl QuicSender {
    /// Sends a transaction, at the latest at the next [`flush`](Self::flush); returns its frame number.
    ///
    /// # Errors
    /// [`QuicClientError`]; the stream is of no more use then.
    pub async fn send(&mut self, transaction: &[u8]) -> Result<u64, QuicClientError> {
        encode_request(transaction, &mut self.out);
        if self.out.len() >= SEND_BYTES {
            self.flush().await?;
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    /// Sends what was gathered.
    ///
    /// # Errors
    /// [`QuicClientError`]
    pub async fn flush(&mut self) -> Result<(), QuicClientError> {
        let written = self.stream.write_all(&self.out).await;
        self.out.clear();
        Ok(written?)
    }

    /// Sends what was gathered, and tells the node that nothing more will come.
    ///
    /// # Errors
    /// [`QuicClientError`]
    pub async fn finish(mut self) -> Result<(), QuicClientError> {
        self.flush().await?;
        Ok(self.stream.finish()?)
    }
}

/// The receiving half of a stream.
pub struct QuicReceiver {
    stream: RecvStream,
    bytes: Vec<u8>,
    used: usize,
}

impl QuicReceiver {
    /// The next answer and the number of the frame that it is for; `None` when the node has answered all and ended the stream.
    ///
    /// # Errors
    /// [`QuicClientError`]
    pub async fn receive(&mut self) -> Result<Option<(u64, Reply)>, QuicClientError> {
        loop {
            if let Some((sequence, reply, bytes)) = Reply::decode(&self.bytes[self.used..])? {
                self.used += bytes;
                return Ok(Some((sequence, reply)));
            }
            self.bytes.drain(..self.used);
            self.used = 0;
            match self.stream.read_chunk(READ_BYTES, true).await? {
                Some(chunk) => self.bytes.extend_from_slice(&chunk.bytes),
                None => return Ok(None),
            }
        }
    }
}

fn client_config(trust: Trust) -> Result<quinn::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?;
    let mut crypto = match trust {
        Trust::Certificate(der) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(der)).map_err(|error| error.to_string())?;
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::AnyNode => {
            let verifier = Arc::new(AnyNode { provider });
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
    };
    crypto.alpn_protocols = vec![ALPN.to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(crypto).map_err(|error| error.to_string())?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_TIMEOUT_MS))))
        .keep_alive_interval(Some(KEEP_ALIVE));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// Takes any certificate, but only from who holds its key.
#[derive(Debug)]
struct AnyNode {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyNode {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
