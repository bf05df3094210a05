//! `horae_subscribe`: the feed, over WebSocket. A reader that does not keep up is served from the store; one that does not
//! read at all is dropped and told why.

use std::collections::VecDeque;
use std::time::Duration;

use jsonrpsee::core::server::SubscriptionMessage;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{PendingSubscriptionSink, SendTimeoutError, SubscriptionSink};
use serde::Deserialize;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;

use super::context::Context;
use super::error;
use super::heads::changed;
use super::limits::{FEED_BYTES_WAITING, FEED_FAREWELL_MS, FEED_LOOK_AGAIN_MS, FEED_STALL_MS};
use crate::chain_view::Change;
use crate::edges::metrics::names;
use crate::feed::Item;
use crate::feed::json::ItemJson;
use crate::feed::source::{Cursor, FeedStart, SourceError};

/// `horae_subscribe("feed", ...)`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedOptions {
    /// Height of the first block, or `"latest"`, which it is unless told.
    #[serde(default)]
    from: Position,
    /// Control height of the first decision: 1 for a reader that starts from the genesis of the control plane.
    decisions: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(untagged)]
enum Position {
    Number(u64),
    #[default]
    #[serde(skip)]
    Unsaid,
    Named(Latest),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Latest {
    Latest,
}

impl FeedOptions {
    fn start(&self) -> FeedStart {
        let from = match self.from {
            Position::Number(number) => Some(number),
            Position::Unsaid | Position::Named(Latest::Latest) => None,
        };
        FeedStart { from, decisions: self.decisions }
    }
}

/// Why a feed ends.
enum Ended {
    Gone,
    TooSlow,
    Failed(ErrorObjectOwned),
}

impl From<SourceError> for Ended {
    fn from(why: SourceError) -> Self {
        Self::Failed(error::feed(&why))
    }
}

pub(super) async fn serve(context: Context, pending: PendingSubscriptionSink, options: Option<FeedOptions>) {
    let Ok(_place) = context.feeds().clone().try_acquire_owned() else {
        return pending.reject(error::limit("this node serves as many feeds as it may; ask another")).await;
    };
    // Subscribed before the first look, so that nothing is missed in between.
    let changes = context.view().subscribe();
    let cursor = match begin(&context, options.unwrap_or_default().start()).await {
        Ok(cursor) => cursor,
        Err(error) => return pending.reject(error).await,
    };
    let Ok(sink) = pending.accept().await else { return };
    metrics::gauge!(names::RPC_SUBSCRIPTIONS).increment(1.0);
    let mut sender = Sender { sink, waiting: VecDeque::new() };
    let ended = forward(&context, cursor, changes, &mut sender).await;
    metrics::gauge!(names::RPC_SUBSCRIPTIONS).decrement(1.0);
    let why = match ended {
        Ended::Gone => return,
        Ended::TooSlow => {
            metrics::counter!(names::RPC_SLOW_SUBSCRIBERS).increment(1);
            error::limit(format!("the feed was not read for {FEED_STALL_MS} ms; subscribe again from where you are"))
        }
        Ended::Failed(error) => error,
    };
    tracing::debug!(%why, "a feed ended");
    let farewell = Item::End { code: why.code(), message: why.message().to_owned() };
    if let Ok(message) = sender.message(&farewell) {
        // One that never reads again never knows; its connection keeps what waits for it until it closes.
        let _ = sender.sink.send_timeout(message, Duration::from_millis(FEED_FAREWELL_MS)).await;
    }
}

/// Where the reader begins, if everything from there on is still there.
async fn begin(context: &Context, start: FeedStart) -> Result<Cursor, ErrorObjectOwned> {
    let cursor =
        context.light(move |c| Cursor::new(&c.view().snapshot(), start).map_err(|why| error::feed(&why))).await?;
    let first = cursor.next_decision();
    let (lowest, _) = context.decisions().read(first, first).await.map_err(|why| error::feed(&why.into()))?;
    match lowest > first {
        true => Err(error::feed(&SourceError::DecisionsPruned { lowest })),
        false => Ok(cursor),
    }
}

async fn forward(context: &Context, mut cursor: Cursor, mut changes: Receiver<Change>, sender: &mut Sender) -> Ended {
    loop {
        let (at, look) = match look(context, cursor).await {
            Ok(looked) => looked,
            Err(error) => return Ended::Failed(error),
        };
        cursor = at;
        for step in look.steps {
            if let Err(ended) = tell_decisions(context, &mut cursor, step.decided, sender).await {
                return ended;
            }
            if let Err(ended) = sender.send(&step.item).await {
                return ended;
            }
        }
        if !look.more && !changed(&mut changes, &sender.sink).await {
            return Ended::Gone;
        }
    }
}

async fn look(context: &Context, mut cursor: Cursor) -> Result<(Cursor, crate::feed::source::Look), ErrorObjectOwned> {
    let looked = move |c: &Context| {
        let look = cursor.look(&c.view().snapshot()).map_err(|why| error::feed(&why))?;
        Ok((cursor, look))
    };
    context.light(looked).await
}

async fn tell_decisions(context: &Context, cursor: &mut Cursor, to: u64, sender: &mut Sender) -> Result<(), Ended> {
    loop {
        let decisions = cursor.decisions_to(to, context.decisions()).await?;
        if decisions.is_empty() {
            return Ok(());
        }
        for decision in &decisions {
            sender.send(decision).await?;
        }
    }
}

/// The way to one reader, bounded by bytes: blocks are large, and the connection's own bound counts messages.
struct Sender {
    sink: SubscriptionSink,
    /// Sizes of the messages sent last, newest last: as many as wait in the connection's queue at most.
    waiting: VecDeque<usize>,
}

impl Sender {
    fn message(&self, item: &Item) -> Result<SubscriptionMessage, Ended> {
        let (method, id) = (self.sink.method_name(), self.sink.subscription_id());
        SubscriptionMessage::new(method, id, &ItemJson::from(item)).map_err(|_| Ended::Gone)
    }

    async fn send(&mut self, item: &Item) -> Result<(), Ended> {
        let stalled_at = Instant::now() + Duration::from_millis(FEED_STALL_MS);
        while self.bytes_waiting() > FEED_BYTES_WAITING {
            if Instant::now() >= stalled_at {
                return Err(Ended::TooSlow);
            }
            if self.sink.is_closed() {
                return Err(Ended::Gone);
            }
            tokio::time::sleep(Duration::from_millis(FEED_LOOK_AGAIN_MS)).await;
        }
        let message = self.message(item)?;
        self.waiting.push_back(size_of(item));
        self.sink.send_timeout(message, Duration::from_millis(FEED_STALL_MS)).await.map_err(|why| match why {
            SendTimeoutError::Timeout(_) => Ended::TooSlow,
            SendTimeoutError::Closed(_) => Ended::Gone,
        })
    }

    /// Bytes that wait for the reader, at most: other subscriptions of its connection may have a part in the queue.
    fn bytes_waiting(&mut self) -> usize {
        let messages = self.sink.max_capacity() - self.sink.capacity();
        while self.waiting.len() > messages {
            self.waiting.pop_front();
        }
        self.waiting.iter().sum()
    }
}

/// About as many bytes as an item takes on the wire.
fn size_of(item: &Item) -> usize {
    /// JSON around what is counted, and for each signature with what stands beside it.
    const FRAME: usize = 1_024;
    const SIGNATURE: usize = 400;
    FRAME
        + match item {
            Item::Block(block) => block.transactions.iter().map(|raw| 2 * raw.len() + 5).sum(),
            Item::Decision(item) => 2 * item.decision.value.len() + SIGNATURE * item.decision.precommits.len(),
            Item::Certificate(certificate) => SIGNATURE * certificate.acks.len(),
            Item::Commit(commit) => SIGNATURE * (commit.acks.len() + commit.certificate.acks.len()),
            Item::Void { .. } | Item::End { .. } => 0,
        }
}
