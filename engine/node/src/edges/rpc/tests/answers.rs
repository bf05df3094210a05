//! What is answered about blocks, transactions and state, at which tag.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use alloy::providers::Provider;
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes, U256, hex};
use serde_json::{Value, json};

use super::*;
use crate::chain_view::testing::{CHAIN_ID, sign, signer, transfer};
use crate::chain_view::{BatchRecord, ChainEvent, NodeStatus, SlotStatus};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alloy_sends_deploys_calls_and_reads_logs() {
    let setup = Setup::start(true).await;
    let alloy = setup.alloy(1);
    assert_eq!(alloy.get_chain_id().await.unwrap(), CHAIN_ID);
    assert_eq!(alloy.get_net_version().await.unwrap(), CHAIN_ID);
    assert!(alloy.get_client_version().await.unwrap().starts_with("horae/v"));

    let sent = alloy.send_transaction(TransactionRequest::default().to(TO).value(U256::from(7))).await.unwrap();
    let receipt = sent.get_receipt().await.unwrap();
    assert!(receipt.status());
    assert_eq!((receipt.block_number, receipt.gas_used), (Some(1), 21_000));
    assert_eq!(alloy.get_balance(TO).await.unwrap(), U256::from(7));

    let deploy = TransactionRequest::default().input(STORE_AND_LOG.into());
    let deploy = TransactionRequest { to: Some(alloy_primitives::TxKind::Create), ..deploy };
    let deployed = alloy.send_transaction(deploy).await.unwrap().get_receipt().await.unwrap();
    let contract = deployed.contract_address.unwrap();
    assert_eq!(alloy.get_code_at(contract).await.unwrap().len(), 0x25);

    let word = U256::from(0xabcd);
    let set = TransactionRequest::default().to(contract).input(Bytes::from(word.to_be_bytes::<32>()).into());
    let estimated = alloy.estimate_gas(set.clone()).await.unwrap();
    let receipt = alloy.send_transaction(set).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status() && estimated >= receipt.gas_used, "{estimated} {receipt:?}");
    assert_eq!(receipt.inner.logs().len(), 1);
    assert_eq!(
        alloy.call(TransactionRequest::default().to(contract)).await.unwrap().as_ref(),
        word.to_be_bytes::<32>()
    );
    assert_eq!(alloy.get_storage_at(contract, U256::ZERO).await.unwrap(), word);
    let padded = setup.result("eth_getStorageAt", json!([contract, B256::ZERO, "latest"])).await;
    assert_eq!(padded, json!(B256::from(word)));

    let topic = B256::from(U256::from(42));
    let logs = alloy.get_logs(&Filter::new().from_block(0).address(contract).event_signature(topic)).await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].block_number, logs[0].log_index), (receipt.block_number, Some(0)));
    assert_eq!(logs[0].transaction_hash, Some(receipt.transaction_hash));
    assert!(alloy.get_logs(&Filter::new().from_block(0).address(TO)).await.unwrap().is_empty());

    let block = alloy.get_block(BlockId::latest()).full().await.unwrap().unwrap();
    assert_eq!(Some(block.header.hash), receipt.block_hash);
    assert_eq!(block.transactions.as_transactions().unwrap()[0].inner.signer(), signer(1).address());
    let same = alloy.get_block_by_hash(block.header.hash).await.unwrap().unwrap();
    assert_eq!(same.header.number, block.header.number);
    let receipts = alloy.get_block_receipts(BlockId::latest()).await.unwrap().unwrap();
    assert_eq!(receipts, vec![receipt.clone()]);
    let transaction = alloy.get_transaction_by_hash(receipt.transaction_hash).await.unwrap().unwrap();
    assert_eq!((transaction.block_hash, transaction.transaction_index), (receipt.block_hash, Some(0)));
    let again = alloy.get_transaction_by_block_number_and_index(BlockNumberOrTag::Latest, 0).await.unwrap();
    assert_eq!(again.unwrap(), transaction);

    let history = alloy.get_fee_history(3, BlockNumberOrTag::Latest, &[50.0]).await.unwrap();
    assert_eq!((history.base_fee_per_gas.len(), history.gas_used_ratio.len(), history.oldest_block), (4, 3, 1));
    let base_fee = block.header.base_fee_per_gas.map(u128::from);
    assert_eq!(history.latest_block_base_fee(), base_fee);
    assert!(history.reward.unwrap().iter().all(|rewards| rewards.len() == 1 && rewards[0] > 0));
    assert!(alloy.get_gas_price().await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tags_tell_ordered_from_committed() {
    let setup = Setup::start(false).await;
    let block = setup.seal(vec![transfer(1, 0, TO, 7)]);
    let hash = block.transactions[0].hash;
    setup.until(|heads| heads.ordered.number == 1).await;
    let balance = |tag: &'static str| setup.result("eth_getBalance", json!([TO, tag]));
    assert_eq!((balance("pending").await, balance("latest").await), (json!("0x7"), json!("0x0")));
    assert_eq!(setup.result("eth_blockNumber", json!([])).await, json!("0x0"));
    assert_eq!(setup.result("eth_getBlockByNumber", json!(["0x1", false])).await, Value::Null);
    assert_eq!(setup.result("eth_getBlockByHash", json!([block.hash, false])).await, Value::Null);
    assert_eq!(setup.result("eth_getBlockReceipts", json!(["pending"])).await, Value::Null);
    let pending = setup.result("eth_getBlockByNumber", json!(["pending", false])).await;
    assert_eq!((&pending["number"], &pending["hash"]), (&json!("0x1"), &json!(block.hash)));
    let transaction = setup.result("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!((&transaction["hash"], &transaction["blockHash"]), (&json!(hash), &Value::Null));
    assert_eq!(setup.result("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    assert_eq!(setup.error("eth_getBalance", json!([TO, "0x1"])).await, (-32000, "header not found".into()));
    let status = setup.result("horae_transactionStatus", json!([hash])).await;
    assert_eq!((&status["strength"], &status["blockNumber"]), (&json!("ordered"), &json!(1)));

    setup.commit(&block);
    setup.until(|heads| heads.committed == 1).await;
    assert_eq!(balance("latest").await, json!("0x7"));
    assert_eq!(setup.result("eth_getBalance", json!([TO, {"blockHash": block.hash}])).await, json!("0x7"));
    assert_eq!(setup.result("eth_getBalance", json!([TO, "earliest"])).await, json!("0x0"));
    assert_eq!(setup.result("eth_getBalance", json!([TO, "safe"])).await, json!("0x0"));
    let receipt = setup.result("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!((&receipt["blockHash"], &receipt["status"]), (&json!(block.hash), &json!("0x1")));
    let unknown = setup.error("eth_getBalance", json!([TO, {"blockHash": B256::ZERO}])).await;
    assert_eq!(unknown, (-32000, "header for hash not found".into()));

    let batch = BatchRecord {
        index: 0,
        digest: B256::repeat_byte(1),
        first_block: 1,
        last_block: 1,
        last_block_hash: block.hash,
        state_root: B256::ZERO,
        data_hash: B256::ZERO,
        transactions: 1,
        raw_bytes: 120,
        posted_bytes: 90,
        signers: vec![signer(1).address()],
        l1_tx: B256::repeat_byte(0xee),
        l1_block: 99,
        l1_block_hash: B256::ZERO,
        l1_gas: 1,
    };
    setup.intake.feed.send(ChainEvent::BatchAccepted(Arc::new(batch))).unwrap();
    setup.until(|heads| heads.safe == 1).await;
    assert_eq!(setup.result("eth_getBalance", json!([TO, "safe"])).await, json!("0x7"));
    assert_eq!(setup.result("eth_getBalance", json!([TO, "finalized"])).await, json!("0x0"));
    setup.intake.feed.send(ChainEvent::L1Finalized { batch: 0 }).unwrap();
    setup.until(|heads| heads.finalized == 1).await;
    let status = setup.result("horae_transactionStatus", json!([hash])).await;
    assert_eq!((&status["strength"], &status["l1Block"]), (&json!("finalized"), &json!(99)));
    assert_eq!(status["l1Transaction"], json!(B256::repeat_byte(0xee)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn horae_methods_show_slots_blocks_and_status() {
    let setup = Setup::start(false).await;
    let block = setup.seal(vec![transfer(1, 0, TO, 7)]);
    setup.commit(&block);
    let slot = SlotStatus { slot: 5, sequencer: signer(2).address(), ..SlotStatus::default() };
    let own = Some(signer(2).address());
    let status = Arc::new(NodeStatus { slot, own, highest_known_block: 9, ..NodeStatus::default() });
    setup.intake.feed.send(ChainEvent::Status(status)).unwrap();
    setup.until(|heads| heads.committed == 1).await;
    let mut changes = setup.view.subscribe();
    let next = setup.seal(vec![]);
    while setup.view.snapshot().heads().ordered.number < 2 {
        changes.recv().await.unwrap();
    }
    assert_eq!(setup.result("horae_slot", json!([])).await["slot"], json!(5));
    assert_eq!(setup.result("horae_epoch", json!([])).await["epoch"], json!(0));
    assert_eq!(setup.result("horae_validators", json!([])).await, json!([]));
    let report = setup.result("horae_block", json!(["latest"])).await;
    assert_eq!((&report["hash"], &report["strength"]), (&json!(block.hash), &json!("committed")));
    assert_eq!(report["certificate"]["acks"].as_array().unwrap().len(), 3);
    assert_eq!(report["commit"]["block"]["number"], json!(1));
    assert_eq!(report["signature"].as_str().unwrap().len(), 2 + 65 * 2);
    assert_eq!(report["header"]["parent"], json!(block.block.header.parent));
    let ordered = setup.result("horae_block", json!([{"blockHash": next.hash}])).await;
    assert_eq!((&ordered["strength"], &ordered["commit"]), (&json!("ordered"), &Value::Null));
    let status = setup.result("horae_status", json!([])).await;
    assert_eq!((&status["heads"]["ordered"], &status["heads"]["committed"]), (&json!(2), &json!(1)));
    assert_eq!((&status["isSequencer"], &status["transactions"]), (&json!(true), &json!(1)));
    let syncing = setup.result("eth_syncing", json!([])).await;
    assert_eq!((&syncing["currentBlock"], &syncing["highestBlock"]), (&json!("0x1"), &json!("0x9")));
    let block = setup.result("eth_getBlockByNumber", json!(["0x1", true])).await;
    assert_eq!((&block["slot"], &block["term"], &block["endsSlot"]), (&json!("0x1"), &json!("0x1"), &json!(false)));
    assert_eq!(block["transactions"][0]["from"], json!(signer(1).address()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_revert_estimate_and_take_overrides() {
    let setup = Setup::start(true).await;
    // Creation code that reverts with Error("no way").
    let reason = hex::encode(alloy::sol_types::SolError::abi_encode(&alloy::sol_types::Revert::from("no way")));
    let code = format!("0x606480600b6000396000fd{reason}");
    for method in ["eth_call", "eth_estimateGas"] {
        let answer = setup.ask(method, json!([{"data": code}])).await;
        let error = &answer["error"];
        assert_eq!((&error["code"], &error["message"]), (&json!(3), &json!("execution reverted: no way")), "{method}");
        assert_eq!(error["data"], json!(format!("0x{reason}")));
    }
    let transfer = json!({"from": signer(1).address(), "to": TO, "value": "0x1"});
    assert_eq!(setup.result("eth_estimateGas", json!([transfer])).await, json!("0x5208"));
    let rich = json!({"from": TO, "to": TO, "value": "0x1"});
    let (code, message) = setup.error("eth_call", json!([rich, "latest"])).await;
    assert_eq!((code, message.contains("insufficient funds")), (-32000, true), "{message}");
    let overrides = json!({TO.to_string(): {"balance": "0x5"}});
    assert_eq!(setup.result("eth_call", json!([rich, "latest", overrides])).await, json!("0x"));
    // Returns slot 0 of the account it runs in, and the block number.
    let code = "0x60005460005243602052 60406000f3".replace(' ', "");
    let slot = B256::ZERO.to_string();
    let overrides = json!({TO.to_string(): {"code": code, "stateDiff": {slot: B256::repeat_byte(5)}}});
    let answer = setup.result("eth_call", json!([{"to": TO}, "latest", overrides, {"number": "0x1234"}])).await;
    assert_eq!(answer, json!(format!("0x{}{:064x}", "05".repeat(32), 0x1234)));
    let both = json!({"to": TO, "gasPrice": "0x1", "maxFeePerGas": "0x1"});
    assert_eq!(setup.error("eth_call", json!([both])).await.0, -32602);
    assert_eq!(setup.error("eth_call", json!([{"to": TO, "chainId": "0x1"}])).await.0, -32602);
    // A loop without end stops at the gas cap.
    let (code, message) = setup.error("eth_call", json!([{"data": "0x5b600056"}])).await;
    assert_eq!(code, -32000, "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_found_whether_their_block_is_stored_or_still_in_memory() {
    let setup = Setup::start(true).await;
    let deploy = setup.seal(vec![sign(&signer(1), 0, None, 0, STORE_AND_LOG)]);
    setup.commit(&deploy);
    while setup.view.snapshot().store().height() < 1 {
        tokio::task::yield_now().await;
    }
    let before = setup.view.store().reader();
    let contract = deploy.receipts[0].contract_address.unwrap();
    for nonce in 1..4 {
        let block = setup.seal(vec![sign(&signer(1), nonce, Some(contract), 0, Bytes::from(vec![1; 32]))]);
        setup.commit(&block);
    }
    setup.until(|heads| heads.committed == 4).await;
    while setup.view.snapshot().store().height() < 4 {
        tokio::task::yield_now().await;
    }
    let stored = setup.view.snapshot();
    let in_memory = stored.over(before);
    assert_eq!(in_memory.store().height(), 1);
    for snapshot in [stored.as_ref(), &in_memory] {
        for from in 0..5 {
            let found = logs::search(snapshot, &Filter::new().address(contract), from, 4).unwrap();
            let blocks: Vec<_> = found.iter().filter_map(|log| log.block_number).collect();
            assert_eq!(blocks, (from.max(2)..=4).collect::<Vec<_>>());
        }
    }
}
