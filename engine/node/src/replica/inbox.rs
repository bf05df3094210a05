//! The replica's way in: two bounded queues that many edges push and its one worker pops. What peers say may be lost when
//! they say more than fits, and is asked for again; what the control plane says comes first.

use std::sync::Arc;

use alloy_primitives::Address;
use crossbeam_queue::ArrayQueue;
use horae_runtime::Waker;
use metrics::counter;
use tracing::error;

use super::{Input, Received};

/// Messages of peers that may wait.
const PEER_MESSAGES: usize = 8_192;
/// Messages of the control plane that may wait.
const CONTROL_MESSAGES: usize = 4_096;

struct Queues {
    peers: ArrayQueue<(Address, Received)>,
    control: ArrayQueue<Input>,
}

/// The pushing end, for edges and council.
#[derive(Clone)]
pub struct ReplicaInbox {
    queues: Arc<Queues>,
    waker: Waker,
}

/// The popping end, for the replica's worker.
pub struct InboxReader(Arc<Queues>);

impl ReplicaInbox {
    /// A way in to the worker that `waker` wakes.
    pub fn new(waker: Waker) -> (Self, InboxReader) {
        let queues = Queues { peers: ArrayQueue::new(PEER_MESSAGES), control: ArrayQueue::new(CONTROL_MESSAGES) };
        let queues = Arc::new(queues);
        (Self { queues: queues.clone(), waker }, InboxReader(queues))
    }

    /// A peer's message; dropped and counted when there is no room.
    pub fn hear(&self, from: Address, message: Received) {
        if self.queues.peers.push((from, message)).is_err() {
            counter!("horae_peer_messages_dropped").increment(1);
        }
        self.waker.wake();
    }

    /// A message of the control plane, of which there are few.
    pub fn tell(&self, input: Input) {
        if self.queues.control.push(input).is_err() {
            counter!("horae_control_messages_dropped").increment(1);
            error!("the replica does not keep up with the control plane: a message was dropped");
        }
        self.waker.wake();
    }
}

impl InboxReader {
    /// The next message.
    pub fn pop(&self) -> Option<Input> {
        let control = self.0.control.pop();
        control.or_else(|| self.0.peers.pop().map(|(from, message)| Input::Peer { from, message }))
    }
}
