//! What every ingest edge hands its transactions to, and how the answers find their way back.
//!
//! An edge offers raw bytes together with a [`ReplyTo`]: the connection and the number of the frame on it. Whoever settles
//! the transaction, on whatever thread, sends the [`Reply`] through it. No task waits for an answer; answers go out in
//! the order in which they come, each bearing the number of its frame.
//!
//! On the wire (framed TCP, and a QUIC stream of many):
//!
//! ```text
//! request: u32 length | EIP-2718 transaction            frames are numbered from 0 on each connection (stream)
//! reply:   u64 frame number | u8 status | u32 length | payload                        all numbers big-endian
//!          status 0: accepted, payload is the 32-byte transaction hash
//!          status 1: refused, payload is the reason in UTF-8
//!          status 2: busy, no payload: the same bytes may be sent again later
//! ```

mod counters;
mod session;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use alloy_primitives::B256;

pub(super) use counters::count;
pub use counters::{Counters, Counts};
pub(super) use session::{Bounds, Session, Violation};

/// The longest transaction that an edge takes, bytes: what Ethereum's own pools take (geth's `txMaxSize`).
pub const TRANSACTION_BYTES_MAX: usize = 128 * 1024;

/// The longest reason that goes on the wire, bytes; a longer one is cut.
pub const REASON_BYTES_MAX: usize = 512;

/// Bytes of a request before its payload.
pub const REQUEST_HEADER_BYTES: usize = 4;

/// Bytes of a reply before its payload.
pub const REPLY_HEADER_BYTES: usize = 8 + 1 + 4;

const STATUS_ACCEPTED: u8 = 0;
const STATUS_REFUSED: u8 = 1;
const STATUS_BUSY: u8 = 2;

/// Where ingest edges deliver: the node's way into its pipeline.
pub trait Intake: Clone + Send + Sync + 'static {
    /// Takes one transaction, EIP-2718 bytes as they came. Must not block; a node without room answers
    /// [`Reply::Busy`] at once. `reply` is answered exactly once, now or later, from any thread.
    fn offer(&self, bytes: &[u8], reply: ReplyTo);
}

/// What a client is told about a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Taken, at the strength that the node answers ingest edges with; carries the transaction hash.
    Accepted(B256),
    /// Refused for good, with a reason fit for the client.
    Refused(Cow<'static, str>),
    /// No room now. Nothing was kept.
    Busy,
}

/// Where replies of one edge are collected. Called from any thread; must not block.
pub trait ReplySink: Send + Sync {
    /// Delivers the answer to frame `sequence` of `connection`. The connection may be gone by now.
    fn deliver(&self, connection: u64, sequence: u64, reply: Reply);
}

/// The way back to the client of one transaction. Answering consumes it, so nobody is answered twice; dropping it
/// unanswered tells the client so, so nobody is left waiting.
pub struct ReplyTo {
    sink: Option<Arc<dyn ReplySink>>,
    connection: u64,
    sequence: u64,
}

impl ReplyTo {
    /// The way back to frame `sequence` of `connection`, numbers that mean something to `sink`.
    #[must_use]
    pub fn new(sink: Arc<dyn ReplySink>, connection: u64, sequence: u64) -> Self {
        Self { sink: Some(sink), connection, sequence }
    }

    /// Answers the client.
    pub fn send(mut self, reply: Reply) {
        if let Some(sink) = self.sink.take() {
            sink.deliver(self.connection, self.sequence, reply);
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            let reason = Cow::Borrowed("the node let go of the transaction before it was settled; send it again");
            sink.deliver(self.connection, self.sequence, Reply::Refused(reason));
        }
    }
}

impl fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplyTo({}:{})", self.connection, self.sequence)
    }
}

/// Why bytes are not a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// A status byte that this version does not know.
    #[error("unknown reply status {0}")]
    Status(u8),
    /// The payload does not fit the status.
    #[error("a reply of status {status} cannot have {length} bytes of payload")]
    Length {
        /// The status byte.
        status: u8,
        /// The length it came with.
        length: u32,
    },
}

impl Reply {
    /// Appends the reply to frame `sequence` to `out`.
    pub fn encode(&self, sequence: u64, out: &mut Vec<u8>) {
        let (status, payload): (u8, &[u8]) = match self {
            Self::Accepted(hash) => (STATUS_ACCEPTED, hash.as_slice()),
            Self::Refused(reason) => (STATUS_REFUSED, cut(reason)),
            Self::Busy => (STATUS_BUSY, &[]),
        };
        out.extend_from_slice(&sequence.to_be_bytes());
        out.push(status);
        out.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        out.extend_from_slice(payload);
    }

    /// Reads a reply from the front of `bytes`: frame number, reply, and bytes used; `None` while it is incomplete.
    ///
    /// # Errors
    /// [`ReplyError`] when the peer does not speak this protocol.
    pub fn decode(bytes: &[u8]) -> Result<Option<(u64, Self, usize)>, ReplyError> {
        let Some((head, rest)) = bytes.split_first_chunk::<REPLY_HEADER_BYTES>() else { return Ok(None) };
        let [a, b, c, d, e, f, g, h, status, i, j, k, l] = *head;
        let sequence = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        let length = u32::from_be_bytes([i, j, k, l]);
        let fits = match status {
            STATUS_ACCEPTED => length == 32,
            STATUS_REFUSED => length as usize <= REASON_BYTES_MAX,
            STATUS_BUSY => length == 0,
            _ => return Err(ReplyError::Status(status)),
        };
        if !fits {
            return Err(ReplyError::Length { status, length });
        }
        let Some(payload) = rest.get(..length as usize) else { return Ok(None) };
        let reply = match status {
            STATUS_ACCEPTED => Self::Accepted(B256::from_slice(payload)),
            STATUS_REFUSED => Self::Refused(Cow::Owned(String::from_utf8_lossy(payload).into_owned())),
            _ => Self::Busy,
        };
        Ok(Some((sequence, reply, REPLY_HEADER_BYTES + payload.len())))
    }
}

/// Appends `transaction` as a request frame to `out`.
pub fn encode_request(transaction: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(transaction.len() as u32).to_be_bytes());
    out.extend_from_slice(transaction);
}

fn cut(reason: &str) -> &[u8] {
    let end = (0..=reason.len().min(REASON_BYTES_MAX)).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
    &reason.as_bytes()[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Mutex;

    fn reply() -> impl Strategy<Value = Reply> {
        prop_oneof![
            any::<[u8; 32]>().prop_map(|hash| Reply::Accepted(hash.into())),
            "[a-zé ]{0,64}".prop_map(|reason| Reply::Refused(reason.into())),
            Just(Reply::Busy),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_reply_reads_back_and_is_incomplete_until_its_last_byte(sequence: u64, reply in reply()) {
            let mut bytes = Vec::new();
            reply.encode(sequence, &mut bytes);
            for end in 0..bytes.len() {
                prop_assert_eq!(Reply::decode(&bytes[..end]), Ok(None));
            }
            let length = bytes.len();
            bytes.push(9);
            prop_assert_eq!(Reply::decode(&bytes), Ok(Some((sequence, reply, length))));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((_, _, used))) = Reply::decode(&bytes) {
                prop_assert!(used <= bytes.len());
            }
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut bytes = Vec::new();
        Reply::Refused(Cow::Owned("é".repeat(REASON_BYTES_MAX))).encode(1, &mut bytes);
        let (_, reply, _) = Reply::decode(&bytes).unwrap().unwrap();
        assert_eq!(reply, Reply::Refused("é".repeat(REASON_BYTES_MAX / 2).into()));
    }

    #[test]
    fn what_fits_no_status_is_refused() {
        let mut bytes = Vec::new();
        Reply::Busy.encode(1, &mut bytes);
        bytes[8] = 3;
        assert_eq!(Reply::decode(&bytes), Err(ReplyError::Status(3)));
        bytes[8] = 0;
        assert_eq!(Reply::decode(&bytes), Err(ReplyError::Length { status: 0, length: 0 }));
    }

    #[derive(Default)]
    struct Kept(Mutex<Vec<(u64, u64, Reply)>>);

    impl ReplySink for Kept {
        fn deliver(&self, connection: u64, sequence: u64, reply: Reply) {
            self.0.lock().unwrap().push((connection, sequence, reply));
        }
    }

    #[test]
    fn each_frame_is_answered_exactly_once() {
        let kept = Arc::new(Kept::default());
        ReplyTo::new(kept.clone(), 7, 1).send(Reply::Busy);
        drop(ReplyTo::new(kept.clone(), 7, 2));
        let answers = kept.0.lock().unwrap();
        assert_eq!(answers[0], (7, 1, Reply::Busy));
        assert!(matches!(answers[1], (7, 2, Reply::Refused(_))));
        assert_eq!(answers.len(), 2);
    }
}
