//! What waits to be sent to one peer: bounded in messages and bytes.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;

use crate::limits;

/// Messages on their way to one peer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Bytes>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Adds a message; `false` if there is no room or the queue is closed.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let mut state = self.state();
        let full = state.messages.len() >= limits::PEER_QUEUE_MESSAGES
            || state.bytes + message.len() > limits::PEER_QUEUE_BYTES;
        if state.closed || full {
            return false;
        }
        state.bytes += message.len();
        state.messages.push_back(message);
        self.filled.notify_one();
        true
    }

    /// Takes everything, after waiting for something for at most `wait`; `None` once closed.
    pub(super) fn take(&self, wait: Duration) -> Option<VecDeque<Bytes>> {
        let empty = |state: &mut State| state.messages.is_empty() && !state.closed;
        let (mut state, _) =
            self.filled.wait_timeout_while(self.state(), wait, empty).unwrap_or_else(|e| e.into_inner());
        if state.closed {
            return None;
        }
        state.bytes = 0;
        Some(std::mem::take(&mut state.messages))
    }

    /// Ends the queue and drops what is in it; `false` if it was closed already.
    pub(super) fn close(&self) -> bool {
        let mut state = self.state();
        state.messages.clear();
        self.filled.notify_all();
        !std::mem::replace(&mut state.closed, true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn bounded_in_messages_and_bytes() {
        let queue = Queue::new();
        for _ in 0..limits::PEER_QUEUE_MESSAGES {
            assert!(queue.push(Bytes::from_static(b"x")));
        }
        assert!(!queue.push(Bytes::from_static(b"x")));
        assert_eq!(queue.take(Duration::ZERO).unwrap().len(), limits::PEER_QUEUE_MESSAGES);

        let large = Bytes::from(vec![0; limits::MESSAGE_MAX_BYTES]);
        let fit = limits::PEER_QUEUE_BYTES / limits::MESSAGE_MAX_BYTES;
        assert_eq!((0..fit + 1).filter(|_| queue.push(large.clone())).count(), fit);
    }

    #[test]
    fn closing_ends_both_sides() {
        let queue = Queue::new();
        assert!(queue.push(Bytes::from_static(b"x")));
        assert!(queue.close());
        assert!(!queue.close());
        assert!(!queue.push(Bytes::from_static(b"x")));
        assert!(queue.take(Duration::from_secs(60)).is_none());
    }
}
