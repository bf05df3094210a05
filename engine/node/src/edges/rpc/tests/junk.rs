//! Malformed, unknown, oversized and pruned: each has its error, and the server goes on.
#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_gets_the_standard_errors_and_the_server_goes_on() {
    let setup = Setup::start(true).await;
    assert_eq!(setup.post(b"{\"jsonrpc\":").await.1["error"]["code"], json!(-32700));
    assert_eq!(setup.post(b"\xff\xfe\x00").await.1["error"]["code"], json!(-32700));
    assert_eq!(setup.post(b"{\"id\": 1, \"foo\": 1}").await.1["error"]["code"], json!(-32600));
    assert_eq!(setup.error("eth_nothing", json!([])).await.0, -32601);
    assert_eq!(setup.error("eth_getBalance", json!(["0x12"])).await.0, -32602);
    assert_eq!(setup.error("eth_getBlockByNumber", json!(["newest", true])).await.0, -32602);
    assert_eq!(setup.error("eth_getLogs", json!([{"fromBlock": "0x5", "toBlock": "0x1"}])).await.0, -32602);
    let wide = json!([{"fromBlock": "0x0", "toBlock": "0xffffff"}]);
    assert_eq!(setup.result("eth_getLogs", wide).await, json!([]));
    assert_eq!(setup.error("eth_feeHistory", json!(["0x1", "latest", [60, 50]])).await.0, -32602);
    let oversized = vec![b' '; limits::MAX_REQUEST_BYTES as usize + 1];
    let (status, answer) = setup.post(&oversized).await;
    assert!(status == 413 || status == 0, "{status} {answer}");
    assert_eq!(setup.result("eth_chainId", json!([])).await, json!("0x1092"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_port_says_so() {
    let setup = Setup::start(true).await;
    let options = RpcOptions {
        listen: setup.address(),
        params: crate::chain_view::testing::genesis().params,
        min_priority_fee: 0,
    };
    let refused = serve(setup.view.clone(), setup.intake.clone(), Arc::new(Decided(genesis_state())), options)
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().contains(&setup.address().to_string()), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruned_history_is_refused_and_not_passed_over() {
    let setup = Setup::start(true).await;
    for _ in 0..4 {
        let block = setup.seal(vec![]);
        setup.commit(&block);
    }
    setup.until(|heads| heads.committed == 4).await;
    while setup.view.stored_height() < 4 {
        tokio::task::yield_now().await;
    }
    setup.view.store().prune(3).unwrap();
    // The next block that is stored makes the view take in what the store has become.
    let block = setup.seal(vec![]);
    setup.commit(&block);
    while setup.view.snapshot().store().height() < 5 {
        tokio::task::yield_now().await;
    }
    assert_eq!(setup.error("eth_getLogs", json!([{"fromBlock": "0x1"}])).await.0, 4444);
    assert_eq!(setup.result("eth_getLogs", json!([{"fromBlock": "0x3"}])).await, json!([]));
}
