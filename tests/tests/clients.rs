//! Clients of a running devnet: Foundry's `cast` at nodes that are not the sequencer, bad transactions, and junk on every port.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use alloy_primitives::{Address, B256, TxKind, U256};
use horae_node::edges::{
    peers::{self, PeerAddress},
    quic_client::{QuicClient, Trust},
};
use horae_stages::protocol::SEQUENCER_SET;
use horae_tests::{
    Devnet, Node, Wallet,
    child::lives,
    node::loopback,
    programs::{foundry, repository},
    rpc::{Refusal, quantity, runtime},
    step,
    wallet::{TEST_KEYS, send_raw},
    wire::{metric, post, sent_until_closed},
};
use serde_json::{Value, json};

/// What a transaction may take to be committed, or the chain to show it.
const LIMIT: Duration = Duration::from_secs(30);
/// Longest transaction that a devnet takes, in bytes.
const TRANSACTION_BYTES_MAX: usize = 65_536;
/// Largest request body, in bytes.
const REQUEST_BYTES_MAX: usize = 2 << 20;

#[test]
fn clients_are_served_and_bad_ones_are_refused_by_every_node() {
    let devnet = Devnet::start(&[]);
    for node in 0..devnet.nodes.len() {
        devnet.wait_for_head(node, 4, LIMIT);
    }
    foundrys_cast_works_at_nodes_that_are_not_the_sequencer(&devnet);
    foundrys_cast_reads_what_nobody_signed(&devnet);
    bad_transactions_get_the_standard_errors(&devnet);
    bad_requests_get_the_standard_errors(&devnet);
    no_transaction_vanishes(&devnet);
    junk_closes_the_connection_and_no_more(&devnet);
}

fn foundrys_cast_works_at_nodes_that_are_not_the_sequencer(devnet: &Devnet) {
    let to = Address::repeat_byte(0x42);
    step("cast sends a transfer");
    let sent = cast(devnet, &["send", "--json", "--private-key", TEST_KEYS[0], &to.to_string(), "--value", "7"]);
    assert_eq!(json_of(&sent)["status"], "0x1", "{sent}");

    step("cast deploys a contract");
    let artifact = repository().join("contracts/artifacts/TestMetis.json");
    let artifact = fs::read_to_string(artifact).expect("an artifact");
    let code = json_of(&artifact)["bytecode"]["object"].as_str().expect("bytecode").to_owned();
    let deployed = cast(devnet, &["send", "--json", "--private-key", TEST_KEYS[0], "--create", &code]);
    let token = json_of(&deployed)["contractAddress"].as_str().expect("an address").to_owned();

    step("cast calls it");
    let holder = Wallet::new(TEST_KEYS[1]).address().to_string();
    let minted =
        cast(devnet, &["send", "--json", "--private-key", TEST_KEYS[0], &token, "mint(address,uint256)", &holder, "5"]);
    let minted = json_of(&minted);
    assert_eq!(minted["status"], "0x1", "{minted}");
    let block = quantity(&minted["blockNumber"]);
    for node in 0..devnet.nodes.len() {
        devnet.wait_for_head(node, block, LIMIT);
    }
    let balance = cast(devnet, &["call", &token, "balanceOf(address)(uint256)", &holder]);
    assert_eq!(balance.trim(), "5");

    step("cast reads logs");
    let logs = cast(
        devnet,
        &["logs", "--json", "--from-block", "1", "--address", &token, "Transfer(address,address,uint256)"],
    );
    let logs = json_of(&logs);
    assert_eq!(logs.as_array().map(Vec::len), Some(1), "{logs}");
    assert_eq!(logs[0]["transactionHash"], minted["transactionHash"]);

    step("all nodes have the same state");
    let asked = [
        ("eth_getBalance", json!([to, "latest"])),
        ("eth_getBalance", json!([Wallet::new(TEST_KEYS[0]).address(), "latest"])),
        ("eth_getTransactionCount", json!([Wallet::new(TEST_KEYS[0]).address(), "latest"])),
        ("eth_getCode", json!([token, "latest"])),
        ("eth_getStorageAt", json!([token, "0x2", "latest"])),
        ("eth_getBlockByNumber", json!([minted["blockNumber"], true])),
        ("eth_getBlockReceipts", json!([minted["blockNumber"]])),
        ("eth_getTransactionReceipt", json!([minted["transactionHash"]])),
        ("eth_getLogs", json!([{"fromBlock": "0x1", "toBlock": minted["blockNumber"], "address": token}])),
    ];
    for (method, params) in asked {
        let answers: Vec<Value> = devnet.nodes.iter().map(|node| node.rpc.ask(method, &params)).collect();
        assert!(!answers[0].is_null(), "{method} {params}");
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {params}: {answers:#?}");
    }
    let own: Vec<_> = devnet.nodes.iter().map(|node| node.rpc.ask("eth_getBalance", &json!([to, "latest"]))).collect();
    assert_eq!(own, vec![json!("0x7"); 4]);
}

fn foundrys_cast_reads_what_nobody_signed(devnet: &Devnet) {
    step("cast reads the record of a slot, and who the record says seals");
    let block = devnet.nodes[0].rpc.ask("eth_getBlockByNumber", &json!(["0x1", true]));
    let record = &block["transactions"][0];
    let hash = record["hash"].as_str().expect("a hash");
    let read = json_of(&cast(devnet, &["tx", "--json", hash]));
    for field in ["type", "sourceHash", "from", "to", "input"] {
        assert_eq!(read[field], record[field], "{field}: {read}");
    }
    assert_eq!(read["type"], "0x7e", "{read}");
    let receipt = json_of(&cast(devnet, &["receipt", "--json", hash]));
    assert_eq!((&receipt["status"], &receipt["type"]), (&json!("0x1"), &json!("0x7e")), "{receipt}");
    let full = json_of(&cast(devnet, &["block", "1", "--full", "--json"]));
    assert_eq!(full["transactions"][0]["hash"], record["hash"], "{full}");
    let set = SEQUENCER_SET.to_string();
    let recorded = cast(devnet, &["call", &set, "sequencerOf(uint256)(address)", "1"]);
    let sequencer = block["sequencer"].as_str().expect("an address");
    assert!(recorded.trim().eq_ignore_ascii_case(sequencer), "{recorded} {sequencer}");
}

/// Runs `cast` against a node that is not the sequencer at this moment; its standard output.
fn cast(devnet: &Devnet, arguments: &[&str]) -> String {
    let sequencer = devnet.sequencer();
    let node = (0..devnet.nodes.len()).find(|node| Some(*node) != sequencer).expect("more than one node");
    let url = devnet.nodes[node].rpc.url();
    println!("  node {node}, the sequencer is node {sequencer:?}: cast {}", arguments[0]);
    // Options first: what comes after `--create CODE` or a signature are its arguments.
    let (command, rest) = arguments.split_first().expect("a command");
    let output =
        Command::new(foundry("cast")).args([*command, "--rpc-url", url]).args(rest).output().expect("cast starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cast {command}: {said}\n{}", devnet.logs());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e} in {text}"))
}

fn bad_transactions_get_the_standard_errors(devnet: &Devnet) {
    step("bad transactions");
    let wallet = Wallet::new(TEST_KEYS[1]);
    let poor = Wallet::new("0x1111111111111111111111111111111111111111111111111111111111111111");
    let chain = devnet.chain_id();
    for node in &devnet.nodes {
        let nonce = wallet.nonce(&node.rpc);
        let transfer = |nonce| wallet.transfer(chain, nonce);
        let (hash, good) = wallet.sign(transfer(nonce));
        assert_eq!(send_raw(&node.rpc, &good), Ok(hash));
        devnet.watch("the transfer to be committed", LIMIT, || {
            let receipt = node.rpc.ask("eth_getTransactionReceipt", &json!([hash]));
            (!receipt.is_null()).then_some(())
        });

        let mut long = transfer(nonce + 1);
        long.input = vec![1; TRANSACTION_BYTES_MAX + 1].into();
        let mut foreign = transfer(nonce + 1);
        foreign.chain_id = 1;
        let mut cheap = transfer(nonce + 1);
        (cheap.max_fee_per_gas, cheap.max_priority_fee_per_gas) = (1, 1);
        let mut rich = poor.transfer(chain, 0);
        rich.value = U256::from(1_000_000_000_000_000_000_u64);
        let stale = wallet.transfer(chain, 0).tap(|t| t.value = U256::from(99));
        let cut = &good[..good.len() - 1];
        let cases: [(&str, Vec<u8>, &str); 8] = [
            ("no transaction at all", vec![0xde, 0xad], "malformed"),
            ("cut short", cut.to_vec(), "malformed"),
            ("oversized", wallet.sign(long).1.to_vec(), "oversized"),
            ("for another chain", wallet.sign(foreign).1.to_vec(), "invalid chain id"),
            ("underpriced", wallet.sign(cheap).1.to_vec(), "max fee per gas less than block base fee"),
            ("underfunded", poor.sign(rich).1.to_vec(), "insufficient funds"),
            ("stale nonce", wallet.sign(stale).1.to_vec(), "nonce too low"),
            ("sent again", good.to_vec(), "already known"),
        ];
        for (what, raw, expected) in cases {
            expect_refusal(node, what, send_raw(&node.rpc, &raw).expect_err(what), -32000, expected);
        }
    }
}

/// Changes a value in passing.
trait Tap: Sized {
    fn tap(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl<T> Tap for T {}

fn expect_refusal(node: &Node, what: &str, refusal: Refusal, code: i32, words: &str) {
    println!("  node {}, {what}: {} {}", node.index, refusal.code, refusal.message);
    assert_eq!(refusal.code, code, "{what}: {refusal:?}");
    assert!(refusal.message.contains(words), "{what}: {refusal:?}");
}

/// Whatever was admitted is waiting, in a block, or refused with a reason; at a node that is not the sequencer.
fn no_transaction_vanishes(devnet: &Devnet) {
    step("transactions that wait, are replaced, refused");
    let sequencer = devnet.sequencer();
    let node = devnet.nodes.iter().find(|node| Some(node.index) != sequencer).expect("more than one node");
    let status = |hash: B256| node.rpc.ask("horae_transactionStatus", &json!([hash]));
    let committed = |hash: B256| {
        devnet.watch("the transaction to be committed", LIMIT, || {
            let status = status(hash);
            let strong = ["committed", "safe", "finalized"].map(Value::from).contains(&status["status"]);
            assert!(strong || status["reason"].is_null(), "{status}");
            strong.then_some(())
        });
    };
    let chain = devnet.chain_id();
    let wallet = Wallet::new(TEST_KEYS[1]);
    let nonce = wallet.nonce(&node.rpc);

    let (ahead, raw) = wallet.sign(wallet.transfer(chain, nonce + 1));
    assert_eq!(send_raw(&node.rpc, &raw), Ok(ahead));
    assert_eq!(status(ahead)["status"], "waiting");
    let pending = node.rpc.ask("eth_getTransactionByHash", &json!([ahead]));
    assert_eq!((&pending["hash"], &pending["blockHash"]), (&json!(ahead), &Value::Null), "{pending}");
    assert_eq!(wallet.nonce(&node.rpc), nonce, "what waits behind a gap holds no nonce");

    let cheap = wallet.transfer(chain, nonce + 1).tap(|t| t.value = U256::from(2));
    let refused = send_raw(&node.rpc, &wallet.sign(cheap).1).expect_err("not 10 % more");
    expect_refusal(node, "a cheap replacement", refused, -32000, "replacement transaction underpriced");
    let dearer = wallet.transfer(chain, nonce + 1).tap(|t| {
        t.max_fee_per_gas += t.max_fee_per_gas / 10;
        t.max_priority_fee_per_gas += t.max_priority_fee_per_gas / 10;
    });
    let (by, raw) = wallet.sign(dearer);
    assert_eq!(send_raw(&node.rpc, &raw), Ok(by));
    let replaced = status(ahead);
    assert_eq!((&replaced["status"], &replaced["replacedBy"]), (&json!("replaced"), &json!(by)), "{replaced}");

    let (first, raw) = wallet.sign(wallet.transfer(chain, nonce));
    assert_eq!(send_raw(&node.rpc, &raw), Ok(first));
    assert_eq!(wallet.nonce(&node.rpc), nonce + 2, "both are on their way");
    [first, by].into_iter().for_each(committed);

    // Its first transaction spends what the second one needs.
    let poor = Wallet::new("0x2222222222222222222222222222222222222222222222222222222222222222");
    let fee = U256::from(21_000) * U256::from(poor.transfer(chain, 0).max_fee_per_gas);
    let fund = wallet.transfer(chain, nonce + 2).tap(|t| {
        t.to = TxKind::Call(poor.address());
        t.value = fee + U256::from(10);
    });
    let (funded, raw) = wallet.sign(fund);
    assert_eq!(send_raw(&node.rpc, &raw), Ok(funded));
    committed(funded);
    let (second, raw) = poor.sign(poor.transfer(chain, 1));
    assert_eq!(send_raw(&node.rpc, &raw), Ok(second));
    let (spends, raw) = poor.sign(poor.transfer(chain, 0));
    assert_eq!(send_raw(&node.rpc, &raw), Ok(spends));
    let refused = devnet.watch("the second transaction to be refused", LIMIT, || {
        Some(status(second)).filter(|status| status["status"] == "refused")
    });
    assert!(refused["reason"].as_str().is_some_and(|why| why.contains("insufficient funds")), "{refused}");
    committed(spends);
    assert_eq!(status(B256::repeat_byte(1))["status"], "unknown");
}

fn bad_requests_get_the_standard_errors(devnet: &Devnet) {
    step("bad requests");
    for node in &devnet.nodes {
        let refused = |method: &str, params: Value| node.rpc.try_ask(method, &params).expect_err(method);
        expect_refusal(node, "unknown method", refused("eth_mine", json!([])), -32601, "");
        expect_refusal(node, "no hex", refused("eth_sendRawTransaction", json!(["zz"])), -32602, "");
        expect_refusal(node, "no parameters", refused("eth_getBalance", json!([])), -32602, "");
        expect_refusal(node, "unknown tag", refused("eth_getBlockByNumber", json!(["newest", false])), -32602, "");
        let rpc = loopback(node.ports.rpc);
        assert!(post(rpc, "{\"jsonrpc\": \"2.0\", \"id\"").contains("-32700"), "broken JSON");
        assert!(post(rpc, "{\"jsonrpc\": \"2.0\", \"id\": 1}").contains("-32600"), "no request");
        let large = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(REQUEST_BYTES_MAX));
        let answer = post(rpc, &large);
        assert!(answer.contains("413") || answer.contains("-32007"), "a request that is too large: {answer}");
    }
}

fn junk_closes_the_connection_and_no_more(devnet: &Devnet) {
    let node = &devnet.nodes[1];
    let process = node.process();
    let metrics = loopback(node.ports.metrics);
    let counted = |name: &str, labels: &str, least: f64| {
        devnet.watch(&format!("{name}{{{labels}}} to be {least}"), LIMIT, || {
            (metric(metrics, name, labels) >= least).then_some(())
        });
    };

    step("junk on framed TCP");
    for junk in [[0xff; 64].as_slice(), &[0; 64], &u32::MAX.to_be_bytes()] {
        sent_until_closed(loopback(node.ports.tcp), junk);
    }
    counted("horae_ingest_junk_closed_total", "edge=\"tcp\"", 3.0);

    step("junk on QUIC ingest");
    for junk in [Vec::new(), vec![7; 1 << 20]] {
        runtime().block_on(async {
            let address = loopback(node.ports.quic);
            let client = QuicClient::connect(address, Trust::AnyNode).await.expect("a QUIC connection");
            // A node that has closed already makes this fail, which is what is asked for.
            let _ = client.send_one_way(&junk).await;
            let closed = tokio::time::timeout(LIMIT, client.closed()).await.expect("the node closes the connection");
            assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(_)), "{closed}");
        });
    }
    counted("horae_ingest_junk_closed_total", "edge=\"quic\"", 2.0);

    step("junk on the peers' ports");
    sent_until_closed(loopback(node.ports.control), &[0xff; 4096]);
    sent_until_closed(loopback(node.ports.control), b"GET / HTTP/1.1\r\n\r\n");
    let socket = UdpSocket::bind(loopback(0)).expect("a UDP port");
    for port in [node.ports.stream, node.ports.quic] {
        for length in [1, 100, 1_200, 1_500] {
            let junk: Vec<u8> = (0..length).map(|at| (at * 31 % 256) as u8 | 0xc0).collect();
            socket.send_to(&junk, loopback(port)).expect("UDP takes anything");
        }
    }

    step("a peer with an unregistered key");
    let before = metric(metrics, "horae_peer_connections_refused", "");
    let key: [u8; 32] = node_key(node);
    let stranger = runtime().block_on(async {
        let peer = PeerAddress { node_key: key, address: loopback(node.ports.stream) };
        let anywhere: SocketAddr = loopback(0);
        peers::spawn(&[9; 32], anywhere, &[peer], |_, _| true).expect("a link of our own")
    });
    counted("horae_peer_connections_refused", "", before + 1.0);
    stranger.close();

    step("junk on JSON-RPC");
    sent_until_closed(loopback(node.ports.rpc), &[0xff; 4096]);

    step("the node lives on, and so does the chain");
    assert!(lives(process) && node.process() == process, "the node has ended:\n{}", node.tail());
    devnet.wait_for_blocks(node.index, 10, LIMIT);
    let (hash, raw) = {
        let wallet = Wallet::new(TEST_KEYS[1]);
        wallet.sign(wallet.transfer(devnet.chain_id(), wallet.nonce(&node.rpc)))
    };
    assert_eq!(send_raw(&node.rpc, &raw), Ok(hash));
    for node in &devnet.nodes {
        devnet.watch("the transfer on every node", LIMIT, || {
            (!node.rpc.ask("eth_getTransactionReceipt", &json!([hash])).is_null()).then_some(())
        });
    }
}

/// The key that authenticates a node's links, from the validators it knows.
fn node_key(node: &Node) -> [u8; 32] {
    let own = node.status().own.expect("a validator");
    let validators = node.rpc.ask("horae_validators", &json!([]));
    let of = |v: &&Value| serde_json::from_value::<Address>(v["signer"].clone()).is_ok_and(|signer| signer == own);
    let found =
        validators.as_array().into_iter().flatten().find(of).expect("the node is one of them")["nodeKey"].clone();
    serde_json::from_value::<alloy_primitives::B256>(found).expect("32 bytes").0
}
