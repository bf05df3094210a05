//! What one framed connection (or QUIC stream) may do, without a socket: bytes in, frames out to the node, answers in, bytes out.
//!
//! The twins of framed TCP and the QUIC edge move the bytes and ask it when to read and when to close.

use super::{REQUEST_HEADER_BYTES, Reply};

/// Bounds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::edges) struct Bounds {
    pub frame_bytes_max: usize,
    pub unanswered_max: usize,
    pub unsent_bytes_max: usize,
    pub idle_timeout_ms: u64,
}

/// What a client must not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::edges) enum Violation {
    #[error("a frame of {bytes} bytes, where {max} are the most")]
    TooLong { bytes: u32, max: usize },
    #[error("an empty frame")]
    Empty,
}

/// One connection's state.
pub(in crate::edges) struct Session {
    bounds: Bounds,
    /// Bytes read and not yet taken apart: a frame that is not whole, or what came beyond the bound of unanswered frames.
    partial: Vec<u8>,
    next_sequence: u64,
    unanswered: usize,
    out: Vec<u8>,
    /// Bytes of answers that are with the socket, neither in `out` nor known to be sent.
    sending: usize,
    active_ms: u64,
    input_ended: bool,
    closed: bool,
}

impl Session {
    pub fn new(bounds: Bounds, now_ms: u64) -> Self {
        Self {
            bounds,
            partial: Vec::new(),
            next_sequence: 0,
            unanswered: 0,
            out: Vec::new(),
            sending: 0,
            active_ms: now_ms,
            input_ended: false,
            closed: false,
        }
    }

    /// Takes bytes apart and offers each whole frame with its number; `offer` says whether the node will answer it. If not,
    /// the client is told busy.
    pub fn read(&mut self, bytes: &[u8], now_ms: u64, offer: impl FnMut(u64, &[u8]) -> bool) -> Result<(), Violation> {
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(bytes);
            return self.resume(now_ms, offer);
        }
        let used = self.take_frames(bytes, now_ms, offer)?;
        self.partial.extend_from_slice(&bytes[used..]);
        Ok(())
    }

    /// Goes on with what [`read`](Self::read) left when the client had too much unanswered.
    pub fn resume(&mut self, now_ms: u64, offer: impl FnMut(u64, &[u8]) -> bool) -> Result<(), Violation> {
        let mut partial = std::mem::take(&mut self.partial);
        let used = self.take_frames(&partial, now_ms, offer)?;
        partial.drain(..used);
        self.partial = partial;
        Ok(())
    }

    fn take_frames(
        &mut self,
        bytes: &[u8],
        now_ms: u64,
        mut offer: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<usize, Violation> {
        let mut used = 0;
        while self.has_room() {
            let Some((head, rest)) = bytes[used..].split_first_chunk::<REQUEST_HEADER_BYTES>() else { break };
            let length = u32::from_be_bytes(*head);
            if length == 0 {
                return Err(Violation::Empty);
            }
            if length as usize > self.bounds.frame_bytes_max {
                return Err(Violation::TooLong { bytes: length, max: self.bounds.frame_bytes_max });
            }
            let Some(frame) = rest.get(..length as usize) else { break };
            used += REQUEST_HEADER_BYTES + frame.len();
            self.active_ms = now_ms;
            let sequence = self.next_sequence;
            self.next_sequence += 1;
            if offer(sequence, frame) {
                self.unanswered += 1;
            } else {
                Reply::Busy.encode(sequence, &mut self.out);
            }
        }
        Ok(used)
    }

    /// The node's answer to a frame.
    pub fn settle(&mut self, sequence: u64, reply: &Reply, now_ms: u64) {
        self.unanswered = self.unanswered.saturating_sub(1);
        self.active_ms = if self.unsent() == 0 { now_ms } else { self.active_ms };
        reply.encode(sequence, &mut self.out);
    }

    /// The client will send nothing more; what it is owed is still sent.
    pub fn end_input(&mut self) {
        self.input_ended = true;
    }

    /// The connection is to end now, whatever is owed.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// True once [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// True when all that was sent has been taken apart and nothing more will come.
    pub fn is_input_done(&self) -> bool {
        self.input_ended && !self.has_whole_frame()
    }

    /// True when [`resume`](Self::resume) would offer something.
    pub fn may_resume(&self) -> bool {
        self.has_room() && self.has_whole_frame()
    }

    /// Whether to read from the socket: not while the client has too much unanswered or unread.
    pub fn may_read(&self) -> bool {
        !self.input_ended && !self.closed && self.has_room()
    }

    fn has_room(&self) -> bool {
        self.unanswered < self.bounds.unanswered_max && self.unsent() < self.bounds.unsent_bytes_max
    }

    /// Bytes to send.
    pub fn out(&self) -> &[u8] {
        &self.out
    }

    /// `bytes` from the front of [`out`](Self::out) were sent.
    pub fn sent(&mut self, bytes: usize, now_ms: u64) {
        self.out.drain(..bytes);
        self.active_ms = now_ms;
    }

    /// Hands over all bytes to send, and takes an empty buffer for them; [`sending_done`](Self::sending_done) must follow.
    pub fn take_out(&mut self, empty: Vec<u8>) -> Vec<u8> {
        let out = std::mem::replace(&mut self.out, empty);
        self.sending = out.len();
        out
    }

    /// The bytes taken by [`take_out`](Self::take_out) were sent.
    pub fn sending_done(&mut self, now_ms: u64) {
        self.sending = 0;
        self.active_ms = now_ms;
    }

    /// True when nothing more will come or go: time to close.
    pub fn is_finished(&self) -> bool {
        self.is_input_done() && self.unanswered == 0 && self.unsent() == 0
    }

    /// True when the client has been silent, or has not read its answers, for too long. What the node owes is no fault of the client.
    pub fn is_stalled(&self, now_ms: u64) -> bool {
        let owed = self.unanswered > 0 && self.unsent() == 0;
        !owed && now_ms.saturating_sub(self.active_ms) >= self.bounds.idle_timeout_ms
    }

    fn unsent(&self) -> usize {
        self.out.len() + self.sending
    }

    /// After the end of input, frames may still wait for room.
    fn has_whole_frame(&self) -> bool {
        self.partial
            .split_first_chunk::<REQUEST_HEADER_BYTES>()
            .is_some_and(|(head, rest)| rest.len() >= u32::from_be_bytes(*head) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::intake::encode_request;
    use proptest::prelude::*;

    const BOUNDS: Bounds =
        Bounds { frame_bytes_max: 100, unanswered_max: 4, unsent_bytes_max: 60, idle_timeout_ms: 1_000 };

    fn session() -> Session {
        Session::new(BOUNDS, 0)
    }

    fn frames(payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        payloads.iter().for_each(|payload| encode_request(payload, &mut bytes));
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn frames_come_out_whole_in_order_and_bounded_however_the_bytes_are_cut(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 0..20),
            cuts in prop::collection::vec(1..50usize, 1..200),
        ) {
            let bytes = frames(&payloads);
            let mut session = session();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            let mut offered = Vec::new();
            let mut answered = 0;
            while offered.len() < payloads.len() {
                let mut offer = |sequence: u64, frame: &[u8]| {
                    assert_eq!(sequence, offered.len() as u64);
                    offered.push(frame.to_vec());
                    true
                };
                if session.may_read() {
                    let (chunk, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                    session.read(chunk, 0, &mut offer).unwrap();
                    rest = later;
                } else {
                    session.settle(answered, &Reply::Busy, 0);
                    answered += 1;
                    let unsent = session.out().len();
                    session.sent(unsent, 0);
                    session.resume(0, &mut offer).unwrap();
                }
                prop_assert!(session.unanswered <= BOUNDS.unanswered_max);
            }
            prop_assert_eq!(offered, payloads);
        }

        #[test]
        fn any_bytes_are_taken_apart_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut session = session();
            let _ = session.read(&bytes, 0, |_, frame| !frame.is_empty() && frame.len() <= 100);
        }
    }

    #[test]
    fn what_is_no_frame_is_a_violation() {
        assert_eq!(session().read(&[0, 0, 0, 0], 0, |_, _| true), Err(Violation::Empty));
        assert_eq!(
            session().read(&101u32.to_be_bytes(), 0, |_, _| true),
            Err(Violation::TooLong { bytes: 101, max: 100 })
        );
    }

    #[test]
    fn a_frame_that_nobody_will_answer_is_busy() {
        let mut session = session();
        session.read(&frames(&[vec![1], vec![2]]), 0, |sequence, _| sequence == 1).unwrap();
        assert_eq!(Reply::decode(session.out()), Ok(Some((0, Reply::Busy, 13))));
        assert_eq!((session.unanswered, session.out().len()), (1, 13));
    }

    #[test]
    fn a_client_that_does_not_read_is_not_read_from() {
        let mut session = session();
        session.read(&frames(&vec![vec![1]; 8]), 0, |_, _| false).unwrap();
        assert!(session.out().len() >= BOUNDS.unsent_bytes_max && !session.may_read());
        let taken = session.take_out(Vec::new());
        assert_eq!(taken.len(), 65);
        assert!(!session.may_read());
        session.sending_done(5);
        assert!(session.may_read());
        session.resume(5, |_, _| false).unwrap();
        assert_eq!(session.out().len(), 3 * 13);
    }

    #[test]
    fn silence_is_stalled_unless_the_node_owes_an_answer() {
        let mut session = session();
        assert!(!session.is_stalled(999) && session.is_stalled(1_000));
        session.read(&frames(&[vec![1]])[..3], 900, |_, _| true).unwrap();
        assert!(session.is_stalled(1_000), "a dripping client is silent until its frame ends");
        session.read(&frames(&[vec![1]])[3..], 1_500, |_, _| true).unwrap();
        assert!(!session.is_stalled(9_999), "an answer is owed");
        session.settle(0, &Reply::Busy, 10_000);
        assert!(!session.is_stalled(10_999) && session.is_stalled(11_000), "the answer is not read");
    }

    #[test]
    fn after_the_end_of_input_answers_still_go_out() {
        let mut session = session();
        session.read(&frames(&[vec![1]]), 0, |_, _| true).unwrap();
        session.end_input();
        assert!(!session.may_read() && !session.is_finished());
        session.settle(0, &Reply::Busy, 0);
        assert!(!session.is_finished());
        session.sent(13, 0);
        assert!(session.is_finished());
    }
}
