//! What is answered about transactions that nobody signed, in memory and from the store, and that clients of any network read it.
#![allow(clippy::unwrap_used)]

use alloy::network::{AnyRpcBlock, AnyRpcTransaction, AnyTransactionReceipt};
use alloy_primitives::{Address, Bytes, TxKind, U256, hex, keccak256};
use horae_stages::ForcedEntry;
use serde_json::{Value, json};

use super::*;
use crate::chain_view::testing::transfer;

const FROM: Address = Address::repeat_byte(0x71);

fn entry(index: u64, to: TxKind, data: &[u8]) -> ForcedEntry {
    let (mint, value) = (U256::from(100), U256::from(30));
    ForcedEntry { index, from: FROM, to, mint, value, gas: 100_000, data: Bytes::copy_from_slice(data) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_signed_is_shown_as_nodes_of_the_op_stack_show_deposits() {
    let setup = Setup::start(false).await;
    let entries = [entry(0, TxKind::Call(TO), &[]), entry(1, TxKind::Create, &hex!("60035ff3"))];
    let raw: Vec<Bytes> = entries.iter().map(ForcedEntry::encode).collect();
    let block = setup.seal(vec![raw[0].clone(), raw[1].clone(), transfer(1, 0, TO, 7)]);
    setup.commit(&block);
    setup.until(|heads| heads.committed == 1).await;
    let hash = keccak256(&raw[1]);

    let transaction = setup.result("eth_getTransactionByHash", json!([hash])).await;
    let want = json!({
        "type": "0x7e", "hash": hash, "sourceHash": entries[1].transaction().source_hash, "from": FROM, "to": null,
        "mint": "0x64", "value": "0x1e", "gas": "0x186a0", "isSystemTx": false, "input": "0x60035ff3",
        "nonce": "0x1", "gasPrice": "0x0", "depositReceiptVersion": "0x1", "blockHash": block.hash,
        "blockNumber": "0x1", "transactionIndex": "0x1", "v": "0x0", "r": "0x0", "s": "0x0",
    });
    assert_eq!(transaction, want);
    let read: AnyRpcTransaction = serde_json::from_value(transaction).unwrap();
    assert_eq!(read.block_number, Some(1));

    let receipt = setup.result("eth_getTransactionReceipt", json!([hash])).await;
    let created = FROM.create(1);
    for (field, want) in [
        ("type", json!("0x7e")),
        ("status", json!("0x1")),
        ("depositNonce", json!("0x1")),
        ("depositReceiptVersion", json!("0x1")),
        ("effectiveGasPrice", json!("0x0")),
        ("contractAddress", json!(created)),
        ("to", Value::Null),
    ] {
        assert_eq!(receipt[field], want, "{field}");
    }
    let read: AnyTransactionReceipt = serde_json::from_value(receipt.clone()).unwrap();
    assert_eq!((read.contract_address, read.gas_used), (Some(created), block.receipts[1].gas_used));
    let users = setup.result("eth_getTransactionReceipt", json!([block.transactions[2].hash])).await;
    assert_eq!((&users["type"], users.get("depositNonce")), (&json!("0x2"), None));

    let full = setup.result("eth_getBlockByNumber", json!(["0x1", true])).await;
    assert_eq!((&full["transactions"][1]["hash"], &full["forced"]), (&json!(hash), &json!("0x2")));
    let read: AnyRpcBlock = serde_json::from_value(full).unwrap();
    assert_eq!(read.transactions.len(), 3);

    while setup.view.snapshot().store().height() < 1 {
        tokio::task::yield_now().await;
    }
    let stored = setup.view.store().reader().block(1).unwrap().unwrap().executed;
    assert_eq!((&stored.transactions, &stored.receipts), (&block.transactions, &block.receipts));
}
