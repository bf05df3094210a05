//! Subscriptions, and the client that does not read.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, Bytes, U256};
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClientBuilder;
use serde_json::{Value, json};

use super::*;
use crate::chain_view::testing::{sign, sign_with_gas, signer};

fn sign_big(nonce: u64, data: &Bytes) -> Bytes {
    sign_with_gas(&signer(1), nonce, Some(TO), 0, data.clone(), 5_000_000)
}

async fn next(subscription: &mut Subscription<Value>) -> Value {
    subscription.next().await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_tell_of_heads_logs_and_ordered_transactions() {
    let setup = Setup::start(false).await;
    let client = WsClientBuilder::default().build(format!("ws://{}", setup.address())).await.unwrap();
    let subscribe = |params| client.subscribe::<Value, _>("eth_subscribe", params, "eth_unsubscribe");
    let mut heads = subscribe(rpc_params!["newHeads"]).await.unwrap();
    let topic = B256::from(U256::from(42));
    let mut logs = subscribe(rpc_params!["logs", json!({"topics": [topic]})]).await.unwrap();
    let mut hashes = subscribe(rpc_params!["newPendingTransactions"]).await.unwrap();
    let mut whole = subscribe(rpc_params!["newPendingTransactions", true]).await.unwrap();
    assert!(subscribe(rpc_params!["newMoons"]).await.is_err());

    let deploy = setup.seal(vec![sign(&signer(1), 0, None, 0, STORE_AND_LOG)]);
    let contract = deploy.receipts[0].contract_address.unwrap();
    let word = Bytes::from(U256::from(77).to_be_bytes::<32>());
    let set = setup.seal(vec![sign(&signer(1), 1, Some(contract), 0, word.clone())]);
    assert_eq!(next(&mut hashes).await, json!(deploy.transactions[0].hash));
    assert_eq!(next(&mut hashes).await, json!(set.transactions[0].hash));
    let ordered = next(&mut whole).await;
    assert_eq!((&ordered["hash"], &ordered["blockNumber"]), (&json!(deploy.transactions[0].hash), &Value::Null));

    setup.commit(&set);
    for block in [&deploy, &set] {
        let head = next(&mut heads).await;
        assert_eq!((&head["hash"], &head["parentHash"]), (&json!(block.hash), &json!(block.block.header.parent)));
        assert!(head["slot"].is_string() && head.get("transactions").is_none());
    }
    let log = next(&mut logs).await;
    assert_eq!((&log["address"], &log["data"]), (&json!(contract), &json!(word)));
    assert_eq!(log["blockHash"], json!(set.hash));
    assert_eq!(client.request::<String, _>("eth_chainId", rpc_params![]).await.unwrap(), "0x1092");
    heads.unsubscribe().await.unwrap();
}

/// Opens a WebSocket by hand and subscribes.
pub(super) async fn subscribe_and_do_not_read(deaf: &mut tokio::net::TcpStream, method: &str, params: Value) {
    let handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    deaf.write_all(handshake.as_bytes()).await.unwrap();
    let mut answer = [0; 1_024];
    let read = deaf.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 101"));
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let call = call.to_string().into_bytes();
    // A final text frame, masked with zeros (RFC 6455, section 5.2).
    let mut frame = vec![0x81, 0x80 | call.len() as u8, 0, 0, 0, 0];
    frame.extend(call);
    deaf.write_all(&frame).await.unwrap();
}

/// A client that subscribes and never reads. Only as much waits for it as its connection's buffers hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_is_dropped_and_others_go_on() {
    let setup = Setup::start(true).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(setup.address()).await.unwrap();
    let params = json!(["newPendingTransactions", true]);
    subscribe_and_do_not_read(&mut deaf, "eth_subscribe", params).await;
    while setup.view.subscribers() == 0 {
        tokio::task::yield_now().await;
    }
    let big = Bytes::from(vec![0; 30_000]);
    let mut nonce = 0;
    while setup.view.subscribers() > 0 {
        assert!(nonce < 20_000, "the deaf subscriber is still served");
        let transactions: Vec<_> = (nonce..nonce + 2).map(|n| sign_big(n, &big)).collect();
        nonce += 2;
        let block = setup.seal(transactions);
        setup.commit(&block);
    }
    assert_eq!(setup.result("eth_chainId", json!([])).await, json!("0x1092"));
}

/// Heads come at once and at each change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_told_now_and_as_they_move() {
    let setup = Setup::start(false).await;
    let client = WsClientBuilder::default().build(format!("ws://{}", setup.address())).await.unwrap();
    let subscribe = |params| client.subscribe::<Value, _>("horae_subscribe", params, "horae_unsubscribe");
    assert!(subscribe(rpc_params!["heads", json!({"from": 1})]).await.is_err());
    let mut heads = subscribe(rpc_params!["heads"]).await.unwrap();
    let of = |ordered, certified, committed| json!({"ordered": ordered, "certified": certified, "committed": committed, "safe": 0, "finalized": 0});
    assert_eq!(next(&mut heads).await, of(0, 0, 0));
    let block = setup.seal(vec![sign(&signer(1), 0, Some(TO), 1, Bytes::new())]);
    assert_eq!(next(&mut heads).await, of(1, 0, 0));
    setup.commit(&block);
    assert_eq!(next(&mut heads).await, of(1, 1, 1));
    heads.unsubscribe().await.unwrap();
    while setup.view.subscribers() > 0 {
        tokio::task::yield_now().await;
    }
}
