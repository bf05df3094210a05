//! Tests of JSON-RPC with real clients over real sockets, on a chain that the real stages execute.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};

use alloy::network::EthereumWallet;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U256, bytes, hex, keccak256};
use horae_stages::{ExecutedBlock, Shed};
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::ws_client::WsClientBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::chain_view::testing::{CHAIN_ID, TestNode, commit_of, sign, signer, transfer};
use crate::chain_view::{BatchRecord, ChainEvent, ChainFeed, NodeStatus, SlotStatus};

const TO: Address = Address::repeat_byte(0x77);

/// Stores its one word argument in slot 0 and logs it under topic 42; without an argument returns slot 0.
const STORE_AND_LOG: Bytes =
    bytes!("602580600b6000396000f3 3615601957 600035600055 600035600052 602a60206000a1 00 5b 600054600052 60206000f3");

type Job = Box<dyn FnOnce(&mut TestNode) + Send>;

/// Seals a block for every transaction it is handed, at once; commits it when told to.
struct SealAtOnce {
    /// To the thread that owns the node, since an executor stays on its thread.
    node: Sender<Job>,
    feed: ChainFeed,
    seen: Mutex<HashSet<B256>>,
    commit: bool,
}

impl SealAtOnce {
    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut TestNode) -> T + Send + 'static) -> T {
        let (done, result) = channel();
        let job: Job = Box::new(move |node| done.send(work(node)).unwrap());
        self.node.send(job).unwrap();
        result.recv().unwrap()
    }
}

impl TransactionIntake for SealAtOnce {
    fn submit(&self, raw: Bytes) -> Admission {
        let hash = keccak256(&raw);
        let sealed = if self.seen.lock().unwrap().insert(hash) {
            let commit = self.commit;
            self.with(move |node| {
                let block = node.chain.seal(vec![raw])?;
                node.feed.send(ChainEvent::Executed { block: block.clone(), signature: None }).unwrap();
                if commit {
                    node.commit(&block);
                }
                Ok(hash)
            })
        } else {
            Err(Shed::AlreadyKnown)
        };
        Box::pin(std::future::ready(sealed))
    }

    fn next_nonce(&self, sender: Address) -> Option<u64> {
        (sender == signer(9).address()).then_some(33)
    }
}

fn sign_big(nonce: u64, data: &Bytes) -> Bytes {
    crate::chain_view::testing::sign_with_gas(&signer(1), nonce, Some(TO), 0, data.clone(), 5_000_000)
}

struct Setup {
    _home: TempDir,
    intake: Arc<SealAtOnce>,
    server: RpcServer,
    view: ChainView,
}

impl Setup {
    async fn start(commit: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state.redb");
        let (node, jobs) = channel::<Job>();
        let (started, parts) = channel();
        std::thread::spawn(move || {
            let mut node = TestNode::start(&path, |_| {});
            started.send((node.view.clone(), node.feed.clone(), node.chain.params.clone())).unwrap();
            jobs.into_iter().for_each(|job| job(&mut node));
        });
        let (view, feed, params) = parts.recv().unwrap();
        let intake = Arc::new(SealAtOnce { node, feed, seen: Mutex::default(), commit });
        let options = RpcOptions { listen: "127.0.0.1:0".parse().unwrap(), params, min_priority_fee: 1 };
        let server = serve(view.clone(), intake.clone(), options).await.unwrap();
        Self { _home: home, intake, server, view }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn alloy(&self, seed: u8) -> DynProvider {
        let url = format!("http://{}", self.address()).parse().unwrap();
        ProviderBuilder::new().wallet(EthereumWallet::from(signer(seed))).connect_http(url).erased()
    }

    /// A block sealed outside the intake.
    fn seal(&self, transactions: Vec<Bytes>) -> Arc<ExecutedBlock> {
        self.intake.with(move |node| node.seal(transactions))
    }

    fn commit(&self, block: &ExecutedBlock) {
        let commit = ChainEvent::Committed(commit_of(block));
        self.intake.feed.send(commit).unwrap();
    }

    /// Waits until the view shows what is asked for, woken by its changes.
    async fn until(&self, shows: impl Fn(&crate::chain_view::Heads) -> bool) {
        let mut changes = self.view.subscribe();
        while !shows(self.view.snapshot().heads()) {
            changes.recv().await.unwrap();
        }
    }

    /// Posts a body as it is and returns the HTTP status and the JSON in the answer, if any.
    async fn post(&self, body: &[u8]) -> (u16, Value) {
        let mut stream = tokio::net::TcpStream::connect(self.address()).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may answer and close before it has read all of a body that is too long.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post(body.to_string().as_bytes()).await.1
    }

    async fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await;
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.ask(method, params).await;
        let error = answer.get("error").unwrap_or_else(|| panic!("{method} gave {answer}"));
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }
}

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
    let refused = serve(setup.view.clone(), setup.intake.clone(), options).await.err().unwrap();
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
    // The next block makes the view take in what the store has become.
    let block = setup.seal(vec![]);
    setup.commit(&block);
    setup.until(|heads| heads.committed == 5).await;
    assert_eq!(setup.error("eth_getLogs", json!([{"fromBlock": "0x1"}])).await.0, 4444);
    assert_eq!(setup.result("eth_getLogs", json!([{"fromBlock": "0x3"}])).await, json!([]));
}

/// A client that subscribes and never reads. Only as much waits for it as its connection's buffers hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_does_not_read_is_dropped_and_others_go_on() {
    let setup = Setup::start(true).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut deaf = socket.connect(setup.address()).await.unwrap();
    let handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    deaf.write_all(handshake.as_bytes()).await.unwrap();
    let mut answer = [0; 1_024];
    let read = deaf.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 101"));
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newPendingTransactions", true]});
    let call = call.to_string().into_bytes();
    // A final text frame, masked with zeros (RFC 6455, section 5.2).
    let mut frame = vec![0x81, 0x80 | call.len() as u8, 0, 0, 0, 0];
    frame.extend(call);
    deaf.write_all(&frame).await.unwrap();
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
