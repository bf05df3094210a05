//! `horae_subscribe`: the stream as a client sees it, where it may begin, and the client that does not read.
#![allow(clippy::unwrap_used)]

use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde_json::{Value, json};

use super::*;
use crate::chain_view::testing::{sign_with_gas, signer, transfer};
use crate::feed::Item;
use crate::feed::json::ItemJson;

async fn client(setup: &Setup) -> WsClient {
    WsClientBuilder::default().build(format!("ws://{}", setup.address())).await.unwrap()
}

async fn feed(client: &WsClient, options: Value) -> Subscription<ItemJson> {
    client.subscribe("horae_subscribe", rpc_params!["feed", options], "horae_unsubscribe").await.unwrap()
}

async fn next(feed: &mut Subscription<ItemJson>) -> Item {
    feed.next().await.unwrap().unwrap().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_tells_blocks_and_commits_as_they_were_made() {
    let setup = Setup::start(false).await;
    let first = setup.seal(vec![transfer(1, 0, TO, 7)]);
    setup.commit(&first);
    setup.until(|heads| heads.committed == 1).await;
    let client = client(&setup).await;
    let mut feed = feed(&client, json!({"from": 1})).await;
    let Item::Block(told) = next(&mut feed).await else { panic!("a block comes first") };
    assert_eq!(
        (told.id().hash, &told.header, &told.transactions),
        (first.hash, &first.block.header, &first.block.transactions)
    );
    let Item::Commit(commit) = next(&mut feed).await else { panic!("then its commit") };
    assert_eq!(*commit, *commit_of(&first));
    let second = setup.seal(vec![transfer(1, 1, TO, 7)]);
    let Item::Block(told) = next(&mut feed).await else { panic!("a live block") };
    assert_eq!(told.id().hash, second.hash);
    setup.commit(&second);
    assert!(matches!(next(&mut feed).await, Item::Commit(commit) if commit.block().number == 2));
    assert_eq!(setup.view.subscribers(), 1);
    feed.unsubscribe().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_feed_cannot_begin_is_said() {
    let setup = Setup::start(true).await;
    let client = client(&setup).await;
    let refused = async |params| {
        let answer = client.subscribe::<Value, _>("horae_subscribe", params, "horae_unsubscribe").await;
        match answer.unwrap_err() {
            jsonrpsee::core::client::Error::Call(error) => (error.code(), error.message().to_owned()),
            other => panic!("{other}"),
        }
    };
    let (code, message) = refused(rpc_params!["feed", json!({"from": 9})]).await;
    assert_eq!((code, message.starts_with("block 9 is above the next one, 1")), (-32602, true), "{message}");
    assert_eq!(refused(rpc_params!["moon"]).await.0, -32602);
    assert_eq!(refused(rpc_params!["feed", json!({"from": "newest"})]).await.0, -32602);
    assert_eq!(refused(rpc_params!["feed", json!({"form": 1})]).await.0, -32602);
    for options in [json!({"from": "latest"}), json!({}), json!({"from": 1, "decisions": 1})] {
        feed(&client, options).await;
    }
    let state = setup.result("horae_controlState", json!([])).await;
    let bytes: Bytes = serde_json::from_value(state["state"].clone()).unwrap();
    assert_eq!(borsh::from_slice::<ControlState>(&bytes).unwrap(), *genesis_state());
    assert_eq!(state["height"], json!(0));
}

/// A client that subscribes and does not read holds no more than its share, is dropped, and others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_is_dropped_and_others_go_on() {
    let setup = Setup::start(true).await;
    let data = Bytes::from(vec![0; 60_000]);
    let big = |nonce| sign_with_gas(&signer(1), nonce, Some(TO), 0, data.clone(), 5_000_000);
    // More than the connection's buffers and the feed's bound hold together.
    let blocks = 2 * limits::FEED_BYTES_WAITING as u64 / (2 * 60_000);
    for nonce in 0..blocks {
        let block = setup.seal(vec![big(nonce)]);
        setup.commit(&block);
    }
    setup.until(|heads| heads.committed == blocks).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(setup.address()).await.unwrap();
    super::subscriptions::subscribe_and_do_not_read(&mut deaf, "horae_subscribe", json!(["feed", {"from": 1}])).await;
    while setup.view.subscribers() == 0 {
        tokio::task::yield_now().await;
    }
    let client = client(&setup).await;
    let mut other = feed(&client, json!({"from": 1})).await;
    let mut read = 0;
    while read < blocks {
        if let Item::Block(block) = next(&mut other).await {
            read = block.header.number;
        }
    }
    let until = tokio::time::Instant::now() + std::time::Duration::from_millis(6 * limits::FEED_STALL_MS);
    while setup.view.subscribers() > 1 {
        assert!(tokio::time::Instant::now() < until, "the deaf reader is still served");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let block = setup.seal(vec![big(blocks)]);
    while !matches!(next(&mut other).await, Item::Block(told) if told.hash == block.hash) {}
}
