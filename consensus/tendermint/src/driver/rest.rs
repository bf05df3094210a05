//! When the next height begins: an idle control plane rests between heights.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use arc_malachitebft_app_channel::Reply;
use arc_malachitebft_engine::host::Next;
use tokio::sync::Notify;

use crate::context::{Members, Plane};

/// The node's word that there is something to decide.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    set: AtomicBool,
    notify: Notify,
}

impl Wake {
    pub(crate) fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    pub(super) fn clear(&self) {
        self.set.store(false, Ordering::SeqCst);
    }

    pub(super) async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// What makes a height begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The node said so.
    Pending,
    /// A peer began, or is further.
    Peer,
    /// It is time.
    Heartbeat,
}

impl Cause {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Peer => "peer",
            Self::Heartbeat => "heartbeat",
        }
    }

    /// Whether the peers have to be told.
    pub(super) fn is_own(self) -> bool {
        self != Self::Peer
    }
}

/// Where a height stands. The engine waits for the reply.
pub(super) enum Phase {
    /// It is being decided.
    Deciding,
    /// The node is being told of the decision.
    Telling(Reply<Next<Plane>>),
    /// Nothing has to be decided.
    Resting { reply: Reply<Next<Plane>>, members: Members, pending: bool, since: Instant },
}

impl Phase {
    /// From telling to resting.
    pub(super) fn rest(&mut self, members: Members, pending: bool) {
        *self = match std::mem::replace(self, Self::Deciding) {
            Self::Telling(reply) => Self::Resting { reply, members, pending, since: Instant::now() },
            other => other,
        };
    }

    /// Whether, and why, the next height begins now.
    pub(super) fn due(&self, heartbeat: Duration, wake: &Wake, peer_is_ahead: bool) -> Option<Cause> {
        let Self::Resting { pending, since, .. } = self else { return None };
        if *pending || wake.set.load(Ordering::SeqCst) {
            Some(Cause::Pending)
        } else if peer_is_ahead {
            Some(Cause::Peer)
        } else {
            (since.elapsed() >= heartbeat).then_some(Cause::Heartbeat)
        }
    }

    /// When the heartbeat is due.
    pub(super) fn deadline(&self, heartbeat: Duration) -> Option<Instant> {
        match self {
            Self::Resting { since, .. } => Some(*since + heartbeat),
            _ => None,
        }
    }

    /// From resting to deciding.
    pub(super) fn leave(&mut self) -> Option<(Reply<Next<Plane>>, Members)> {
        match std::mem::replace(self, Self::Deciding) {
            Self::Resting { reply, members, .. } => Some((reply, members)),
            other => {
                *self = other;
                None
            }
        }
    }
}
