//! `horae_subscribe("heads")`: the heads by strength, now and at each change. One who reads slowly is told less often, and then the newest.

use std::time::Duration;

use jsonrpsee::core::server::SubscriptionMessage;
use jsonrpsee::{PendingSubscriptionSink, SendTimeoutError, SubscriptionSink};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::context::Context;
use super::limits::FEED_STALL_MS;
use crate::chain_view::{Change, Heads};
use crate::edges::metrics::names;

/// Heights by strength, as clients read them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct HeadsJson {
    ordered: u64,
    certified: u64,
    committed: u64,
    safe: u64,
    finalized: u64,
}

impl From<&Heads> for HeadsJson {
    fn from(heads: &Heads) -> Self {
        Self {
            ordered: heads.ordered.number,
            certified: heads.certified,
            committed: heads.committed,
            safe: heads.safe,
            finalized: heads.finalized,
        }
    }
}

/// Why telling ends.
enum Ended {
    Gone,
    TooSlow,
}

pub(super) async fn serve(context: Context, pending: PendingSubscriptionSink) {
    // Subscribed before the first look, so that nothing is missed in between.
    let changes = context.view().subscribe();
    let Ok(sink) = pending.accept().await else { return };
    metrics::gauge!(names::RPC_SUBSCRIPTIONS).increment(1.0);
    if let Ended::TooSlow = tell(&context, changes, &sink).await {
        metrics::counter!(names::RPC_SLOW_SUBSCRIBERS).increment(1);
        tracing::debug!("one who listens for heads did not read and was dropped");
    }
    metrics::gauge!(names::RPC_SUBSCRIPTIONS).decrement(1.0);
}

async fn tell(context: &Context, mut changes: Receiver<Change>, sink: &SubscriptionSink) -> Ended {
    let mut told = None;
    loop {
        let heads = HeadsJson::from(context.view().snapshot().heads());
        if told.as_ref() != Some(&heads) {
            let Ok(message) = SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), &heads) else {
                return Ended::Gone;
            };
            match sink.send_timeout(message, Duration::from_millis(FEED_STALL_MS)).await {
                Ok(()) => told = Some(heads),
                Err(SendTimeoutError::Timeout(_)) => return Ended::TooSlow,
                Err(SendTimeoutError::Closed(_)) => return Ended::Gone,
            }
        }
        if !changed(&mut changes, sink).await {
            return Ended::Gone;
        }
    }
}

/// Waits until the snapshot is another one. `false` when the client or the node is gone.
pub(super) async fn changed(changes: &mut Receiver<Change>, sink: &SubscriptionSink) -> bool {
    let change = tokio::select! {
        change = changes.recv() => change,
        () = sink.closed() => return false,
    };
    if matches!(change, Err(RecvError::Closed)) {
        return false;
    }
    loop {
        match changes.try_recv() {
            Ok(_) | Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Closed) => return false,
        }
    }
}
