//! Who is at the other end of a QUIC connection: TLS 1.3 in which both ends present a self-signed certificate over their
//! ed25519 node key, and nothing of the certificate but that key is believed.
//!
//! The handshake's `CertificateVerify` proves possession of the key (RFC 8446, 4.4.3); the set of keys that may connect is
//! the node's list of peers. Names, dates and issuers in the certificate mean nothing here.

use std::fmt;
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use thiserror::Error as ThisError;
use x509_parser::prelude::{FromDer, X509Certificate};

/// An ed25519 node key, as registered on L1.
pub type NodeKey = [u8; 32];

/// The name in every certificate and in every SNI; it identifies nothing.
const SERVER_NAME: &str = "horae";
/// The protocol both ends must speak (ALPN, RFC 7301).
const ALPN: &[u8] = b"horae/1";
/// DER of a PKCS #8 version 1 ed25519 private key up to the seed (RFC 8410, section 7).
const PKCS8_ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Length of an ed25519 public key.
const KEY_BYTES: usize = 32;

/// Why the TLS identity of this node could not be made.
#[derive(Debug, ThisError)]
pub enum IdentityError {
    /// The certificate could not be made from the node key.
    #[error("cannot make a certificate from the node key: {0}")]
    Certificate(#[from] rcgen::Error),
    /// rustls or quinn refused the configuration.
    #[error("TLS configuration refused: {0}")]
    Tls(#[from] Error),
    /// The TLS configuration has no cipher suite that QUIC needs.
    #[error("TLS configuration lacks the QUIC cipher suite: {0}")]
    Quic(#[from] quinn::crypto::rustls::NoInitialCipherSuite),
}

/// The node's own certificate and key, from which both ends' configurations are made.
pub struct Identity {
    certificate: CertificateDer<'static>,
    pkcs8: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Makes the certificate for a node key, given as its 32-byte ed25519 seed.
    pub fn new(seed: &[u8; 32]) -> Result<Self, IdentityError> {
        let pkcs8 = [&PKCS8_ED25519[..], seed].concat();
        let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
            &PrivatePkcs8KeyDer::from(pkcs8.clone()),
            &rcgen::PKCS_ED25519,
        )?;
        let certificate = rcgen::CertificateParams::new(vec![SERVER_NAME.to_owned()])?.self_signed(&key)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            pkcs8,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        })
    }

    /// The configuration of a connection to the peer with key `peer`, and the server name to dial with.
    pub fn client(&self, peer: NodeKey) -> Result<(QuicClientConfig, &'static str), IdentityError> {
        let mut tls = rustls::ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned { allowed: vec![peer], provider: self.provider.clone() }))
            .with_client_auth_cert(vec![self.certificate.clone()], self.private_key())?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        Ok((QuicClientConfig::try_from(tls)?, SERVER_NAME))
    }

    /// The configuration of the listening end: connections of the `allowed` keys only.
    pub fn server(&self, allowed: Vec<NodeKey>) -> Result<QuicServerConfig, IdentityError> {
        let verifier = Arc::new(Pinned { allowed, provider: self.provider.clone() });
        let mut tls = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![self.certificate.clone()], self.private_key())?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        Ok(QuicServerConfig::try_from(tls)?)
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.clone()))
    }
}

/// The ed25519 key of a certificate, or `None` if it has another kind of key or is no certificate.
pub fn certificate_key(certificate: &CertificateDer<'_>) -> Option<NodeKey> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let spki = parsed.public_key();
    let is_ed25519 = spki.algorithm.algorithm == x509_parser::oid_registry::OID_SIG_ED25519;
    let key = spki.subject_public_key.data.as_ref();
    (is_ed25519 && key.len() == KEY_BYTES).then(|| key.try_into().ok()).flatten()
}

#[derive(Debug)]
struct Pinned {
    allowed: Vec<NodeKey>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        match certificate_key(certificate) {
            Some(key) if self.allowed.contains(&key) => Ok(()),
            _ => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }
}

fn tls12_refused() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_refused()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        tls12_refused()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
