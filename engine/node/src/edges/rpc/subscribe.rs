//! Subscriptions: new heads, logs, and transactions as they are ordered. A client that does not keep up is dropped.

use alloy::rpc::types::Filter;
use jsonrpsee::core::server::SubscriptionMessage;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{PendingSubscriptionSink, SubscriptionSink, TrySendError};
use serde::Serialize;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::context::Context;
use super::{error, logs, shapes};
use crate::chain_view::{Change, ViewedBlock};
use crate::edges::metrics::names;

/// What a client subscribed to.
enum Topic {
    NewHeads,
    Logs(Box<Filter>),
    PendingHashes,
    PendingTransactions,
}

impl Topic {
    fn parse(kind: &str, options: Option<serde_json::Value>) -> Result<Self, ErrorObjectOwned> {
        match kind {
            "newHeads" => Ok(Self::NewHeads),
            "logs" => {
                let filter = options.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new()));
                let filter =
                    serde_json::from_value(filter).map_err(|e| error::invalid(format!("invalid filter: {e}")))?;
                Ok(Self::Logs(Box::new(filter)))
            }
            "newPendingTransactions" => match options {
                None | Some(serde_json::Value::Bool(false)) => Ok(Self::PendingHashes),
                Some(serde_json::Value::Bool(true)) => Ok(Self::PendingTransactions),
                Some(other) => Err(error::invalid(format!("invalid option {other}: true for whole transactions"))),
            },
            other => Err(error::invalid(format!("no \"{other}\" subscription in eth namespace"))),
        }
    }
}

/// Why a subscription ends.
enum Ended {
    Gone,
    TooSlow,
}

pub(super) async fn serve(
    context: Context,
    pending: PendingSubscriptionSink,
    kind: &str,
    options: Option<serde_json::Value>,
) {
    let topic = match Topic::parse(kind, options) {
        Ok(topic) => topic,
        Err(error) => return pending.reject(error).await,
    };
    let changes = context.view().subscribe();
    let Ok(sink) = pending.accept().await else { return };
    metrics::gauge!(names::RPC_SUBSCRIPTIONS).increment(1.0);
    if let Ended::TooSlow = forward(&context, &topic, changes, sink).await {
        metrics::counter!(names::RPC_SLOW_SUBSCRIBERS).increment(1);
        tracing::debug!("a subscriber did not keep up and was dropped");
    }
    metrics::gauge!(names::RPC_SUBSCRIPTIONS).decrement(1.0);
}

async fn forward(context: &Context, topic: &Topic, mut changes: Receiver<Change>, mut sink: SubscriptionSink) -> Ended {
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = sink.closed() => return Ended::Gone,
        };
        let told = match change {
            Ok(change) => tell(context, topic, &change, &mut sink),
            Err(RecvError::Lagged(_)) => return Ended::TooSlow,
            Err(RecvError::Closed) => return Ended::Gone,
        };
        if let Err(ended) = told {
            return ended;
        }
    }
}

fn tell(context: &Context, topic: &Topic, change: &Change, sink: &mut SubscriptionSink) -> Result<(), Ended> {
    match (topic, change) {
        (Topic::NewHeads, Change::Committed(block)) => {
            let root = context.state_root(block).unwrap_or_default();
            push(sink, &shapes::header_json(block, root))
        }
        (Topic::Logs(filter), Change::Committed(block)) => {
            logs::matching(block, filter).try_for_each(|log| push(sink, &log))
        }
        (Topic::PendingHashes, Change::Ordered(block)) => {
            block.executed.transactions.iter().try_for_each(|transaction| push(sink, &transaction.hash))
        }
        (Topic::PendingTransactions, Change::Ordered(block)) => pending(block, sink),
        _ => Ok(()),
    }
}

fn pending(block: &ViewedBlock, sink: &mut SubscriptionSink) -> Result<(), Ended> {
    let transactions = (0..block.executed.transactions.len()).filter_map(|i| shapes::transaction(block, i, false));
    transactions.into_iter().try_for_each(|transaction| push(sink, &transaction))
}

fn push(sink: &mut SubscriptionSink, item: &impl Serialize) -> Result<(), Ended> {
    let message =
        SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), item).map_err(|_| Ended::Gone)?;
    sink.try_send(message).map_err(|e| match e {
        TrySendError::Closed(_) => Ended::Gone,
        TrySendError::Full(_) => Ended::TooSlow,
    })
}
