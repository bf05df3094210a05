//! Transactions in: refused, waited for, many at a time.
#![allow(clippy::unwrap_used)]

use alloy_primitives::{B256, Bytes, bytes, keccak256};
use serde_json::json;

use super::*;
use crate::chain_view::testing::{sign, signer, transfer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_transactions_get_the_reason_at_once() {
    let setup = Setup::start(true).await;
    let send = |raw: Bytes| setup.error("eth_sendRawTransaction", json!([raw]));
    let good = transfer(1, 0, TO, 7);
    assert_eq!(setup.result("eth_sendRawTransaction", json!([good])).await, json!(keccak256(&good)));
    assert_eq!(send(good).await, (-32000, "already known".into()));
    let (code, message) = send(transfer(1, 0, TO, 8)).await;
    assert_eq!((code, message.starts_with("nonce too low")), (-32000, true), "{message}");
    let poor = alloy::signers::local::PrivateKeySigner::from_bytes(&B256::repeat_byte(0x42)).unwrap();
    let (code, message) = send(sign(&poor, 0, Some(TO), 1, Bytes::new())).await;
    assert_eq!((code, message.starts_with("insufficient funds for gas * price + value")), (-32000, true), "{message}");
    assert_eq!(send(bytes!("02c0")).await.0, -32000);
    assert_eq!(setup.error("eth_sendRawTransaction", json!(["0xzz"])).await.0, -32602);
    assert_eq!(setup.error("eth_sendRawTransaction", json!([])).await.0, -32602);
    let count = setup.result("eth_getTransactionCount", json!([signer(9).address(), "pending"])).await;
    assert_eq!(count, json!("0x21"));
    assert_eq!(setup.result("eth_getTransactionCount", json!([signer(9).address(), "latest"])).await, json!("0x0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_sending_waits_for_the_strength_asked_for() {
    let setup = Setup::start(false).await;
    let raw = transfer(1, 0, TO, 7);
    let method = "eth_sendRawTransactionSync";
    let ordered = setup.result(method, json!([raw, 30_000, "ordered"])).await;
    assert_eq!((&ordered["transactionHash"], &ordered["blockNumber"]), (&json!(keccak256(&raw)), &json!("0x1")));

    let slow = transfer(1, 1, TO, 7);
    let answer = setup.ask(method, json!([slow, "0x14"])).await;
    assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(4), &json!(keccak256(&slow))));

    let waited = transfer(1, 2, TO, 7);
    let (receipt, ()) = tokio::join!(setup.result(method, json!([waited, 30_000])), async {
        setup.until(|heads| heads.ordered.number == 3).await;
        let snapshot = setup.view.snapshot();
        setup.commit(&snapshot.block(3).unwrap().unwrap().executed);
    });
    assert_eq!(receipt["transactionHash"], json!(keccak256(&waited)));
    assert_eq!(setup.view.snapshot().heads().committed, 3);
    assert_eq!(setup.error(method, json!([waited])).await, (-32000, "already known".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_answered_in_order_and_keep_nonces_in_order() {
    let setup = Setup::start(true).await;
    let mut calls: Vec<_> = (0..40)
        .map(|nonce| {
            json!({"jsonrpc": "2.0", "id": nonce, "method": "eth_sendRawTransaction",
            "params": [transfer(1, nonce, TO, 1)]})
        })
        .collect();
    calls.push(json!({"jsonrpc": "2.0", "id": 40, "method": "no_such"}));
    let (_, answers) = setup.post(json!(calls).to_string().as_bytes()).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 41);
    for (id, answer) in answers[..40].iter().enumerate() {
        assert_eq!(answer["id"], json!(id));
        assert!(answer["result"].is_string(), "{answer}");
    }
    assert_eq!(answers[40]["error"]["code"], json!(-32601));
    setup.until(|heads| heads.committed == 40).await;
    assert_eq!(setup.result("eth_getBalance", json!([TO])).await, json!("0x28"));
    let too_many =
        vec![json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"}); limits::MAX_BATCH_CALLS as usize + 1];
    let (_, answer) = setup.post(json!(too_many).to_string().as_bytes()).await;
    assert!(answer["error"]["code"].is_i64(), "{answer}");
    let (_, answer) = setup.post(b"[]").await;
    assert_eq!(answer["error"]["code"], json!(-32600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_in_no_block_says_how_it_stands() {
    let setup = Setup::start(false).await;
    let raw = transfer(1, 0, TO, 7);
    let hash = keccak256(&raw);
    let stands = |standing| drop(setup.intake.standings.lock().unwrap().insert(hash, (standing, raw.clone())));
    let report = async || setup.result("horae_transactionStatus", json!([hash])).await;
    let unknown = report().await;
    assert_eq!(
        (&unknown["status"], &unknown["reason"], &unknown["strength"]),
        (&json!("unknown"), &Value::Null, &Value::Null)
    );
    assert_eq!(setup.result("eth_getTransactionByHash", json!([hash])).await, Value::Null);

    stands(Standing::Waiting);
    assert_eq!(report().await["status"], json!("waiting"));
    let pending = setup.result("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&pending["hash"], &pending["from"]), (&json!(hash), &json!(signer(1).address())));
    assert_eq!((&pending["blockHash"], &pending["blockNumber"]), (&Value::Null, &Value::Null));

    stands(Standing::Refused(Shed::NonceTooLow { next: 4, have: 0 }));
    let refused = report().await;
    assert_eq!(
        (&refused["status"], &refused["reason"]),
        (&json!("refused"), &json!("nonce too low: next nonce 4, tx nonce 0"))
    );
    assert_eq!(setup.result("eth_getTransactionByHash", json!([hash])).await, Value::Null);
    stands(Standing::Refused(Shed::Expired { waited_ms: 60_000, missing: 3 }));
    let expired = report().await;
    assert_eq!(expired["status"], json!("expired"));
    assert_eq!(expired["reason"], json!("transaction expired: waited 60000 ms for nonce 3"));
    let by = B256::repeat_byte(9);
    stands(Standing::Refused(Shed::Replaced(by)));
    let replaced = report().await;
    assert_eq!((&replaced["status"], &replaced["replacedBy"]), (&json!("replaced"), &json!(by)));

    setup.seal(vec![raw.clone()]);
    setup.until(|heads| heads.ordered.number == 1).await;
    let ordered = report().await;
    assert_eq!(
        (&ordered["status"], &ordered["reason"]),
        (&json!("ordered"), &Value::Null),
        "the chain has the last word"
    );
}
