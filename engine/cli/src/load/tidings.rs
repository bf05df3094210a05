//! A Horae node's own word of its heads, over WebSocket: known when it happens, and not when it is asked for.

use std::time::Duration;

use futures_util::FutureExt;
use jsonrpsee::{
    core::client::{Error, Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::{PingConfig, WsClient, WsClientBuilder},
};

use super::chain::by_strength;
use crate::rpc::{Heads, websocket};

/// Longest wait for a connection, and for the answer to the subscription.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A subscription to heads.
pub struct Tidings {
    heads: Subscription<Heads>,
    /// Closes the connection when dropped.
    _client: WsClient,
}

impl Tidings {
    /// Connects and subscribes; the heads of that moment come first.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let client = WsClientBuilder::default()
            .connection_timeout(TIMEOUT)
            .request_timeout(TIMEOUT)
            .enable_ws_ping(PingConfig::default())
            .build(websocket(url))
            .await?;
        let heads = client.subscribe("horae_subscribe", rpc_params!["heads"], "horae_unsubscribe").await?;
        Ok(Self { heads, _client: client })
    }

    /// The newest heads that were told, by strength, as soon as there are any; nothing once the node tells no more.
    pub async fn next(&mut self) -> Option<Vec<u64>> {
        let mut newest = self.heads.next().await?.ok()?;
        while let Some(Some(Ok(newer))) = self.heads.next().now_or_never() {
            newest = newer;
        }
        Some(by_strength(&newest))
    }
}
