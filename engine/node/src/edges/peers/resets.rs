//! A peer that still talks to an earlier life of this process is told so at once, instead of after its idle timeout:
//! stateless resets (RFC 9000, section 10.3) under a key that outlives the process.

use std::sync::Arc;

use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use rand::Rng;
use ring::hmac;

/// Says what the key is for.
const LABEL: &[u8] = b"horae.v1.peers.reset";
/// Bytes of a connection id.
const ID_BYTES: usize = 8;

/// The configuration of an endpoint whose resets any life of it with the same node key can send.
pub(super) fn endpoint_config(seed: &[u8; 32]) -> EndpointConfig {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), LABEL);
    let mut config = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())));
    config.cid_generator(|| Box::new(AnyId));
    config
}

/// Ids without a mark of the process that made them: one of an earlier life is answered, with a reset.
struct AnyId;

impl ConnectionIdGenerator for AnyId {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::rng().random::<[u8; ID_BYTES]>())
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}
