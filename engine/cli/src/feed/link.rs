//! The link to a node's feed: one WebSocket, one subscription.

use std::time::Duration;

use horae_node::feed::{Item, json::ItemJson};
use jsonrpsee::{
    core::client::{Error, Subscription, SubscriptionClientT},
    rpc_params,
    ws_client::{PingConfig, WsClient, WsClientBuilder},
};
use serde_json::{Map, Value};

use crate::{error::CliError, rpc::websocket};

/// Longest wait for a connection, and for the answer to the subscription.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest message, in bytes: a full block in hexadecimal.
const MESSAGE_BYTES: u32 = 64 << 20;
/// Items that may wait to be verified; a feed that runs ahead further is taken up again.
const ITEMS_WAITING: usize = 1 << 16;
/// JSON-RPC: no such method.
const NO_METHOD: i32 = -32601;
/// JSON-RPC: the parameters are wrong.
const WRONG_PARAMETERS: i32 = -32602;
/// go-ethereum: the node keeps it no longer.
const PRUNED: i32 = 4444;

/// Why a link ended.
#[derive(Debug)]
pub enum Broken {
    /// It may be tried again.
    ForNow(String),
    /// Trying again does not help.
    ForGood(CliError),
}

/// A subscription that runs.
pub struct Link {
    items: Subscription<ItemJson>,
    /// Closes the connection when dropped.
    _client: WsClient,
}

impl Link {
    /// Connects and subscribes. `resumed` is whether it was there before: then the node may just lag behind.
    pub async fn open(url: &str, from: Option<u64>, decisions: Option<u64>, resumed: bool) -> Result<Self, Broken> {
        let url = websocket(url);
        let client = WsClientBuilder::default()
            .connection_timeout(TIMEOUT)
            .request_timeout(TIMEOUT)
            .max_response_size(MESSAGE_BYTES)
            .max_buffer_capacity_per_subscription(ITEMS_WAITING)
            .enable_ws_ping(PingConfig::default())
            .build(&url)
            .await
            .map_err(|why| unreachable(&url, &why, resumed))?;
        let mut options = Map::new();
        options.extend(from.map(|from| ("from".to_owned(), Value::from(from))));
        options.extend(decisions.map(|height| ("decisions".to_owned(), Value::from(height))));
        let params = rpc_params!["feed", Value::Object(options)];
        let items = client.subscribe("horae_subscribe", params, "horae_unsubscribe").await;
        let items = items.map_err(|why| match why {
            Error::Call(refusal) => ended(refusal.code(), refusal.message(), resumed),
            other => Broken::ForNow(other.to_string()),
        })?;
        Ok(Self { items, _client: client })
    }

    /// The next item; the last one of a feed is why it ended.
    pub async fn next(&mut self) -> Result<Item, Broken> {
        let item = match self.items.next().await {
            Some(Ok(item)) => item,
            Some(Err(why)) => {
                return Err(Broken::ForGood(CliError::because("the node sent what is no item of a feed", why)));
            }
            None => return Err(Broken::ForNow("the connection closed, or the feed ran too far ahead".to_owned())),
        };
        match Item::try_from(item) {
            Ok(Item::End { code, message }) => Err(ended(code, &message, true)),
            Ok(item) => Ok(item),
            Err(why) => Err(Broken::ForGood(CliError::because("the node sent what is no item of a feed", why))),
        }
    }
}

fn unreachable(url: &str, why: &Error, resumed: bool) -> Broken {
    match resumed {
        true => Broken::ForNow(format!("no node answers at {url}: {why}")),
        false => Broken::ForGood(CliError::because(format!("no node answers at {url}; name another with --rpc"), why)),
    }
}

/// What a refusal means: a node that has only just started may not have what it had, but what is pruned does not come back.
fn ended(code: i32, message: &str, resumed: bool) -> Broken {
    let for_good = matches!(code, PRUNED | NO_METHOD) || (code == WRONG_PARAMETERS && !resumed);
    match for_good {
        true => Broken::ForGood(CliError::because("the node does not serve this feed", message)),
        false => Broken::ForNow(message.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_pruned_is_not_asked_for_again() {
        for (code, resumed, for_good) in [
            (PRUNED, true, true),
            (NO_METHOD, true, true),
            (WRONG_PARAMETERS, false, true),
            (WRONG_PARAMETERS, true, false),
            (-32005, false, false),
        ] {
            let ended = ended(code, "why", resumed);
            assert_eq!(matches!(ended, Broken::ForGood(_)), for_good, "{code}");
        }
    }
}
