//! The bytes that Rust and Solidity must agree on, `tests/vectors/*.json` at the root; forge reads the same files.
//! `cargo test -p horae-contracts -- --ignored` writes them anew.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256, hex, keccak256};
use common::Group;
use frost_secp256k1 as frost;
use horae_contracts::{
    Batch, Settlement, Succession, batch_digest, group_key, group_signature, installation_digest, rotation_digest,
    settlement_digest, signer_digest, snapshot_hash,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

/// RFC 9591, appendix E.5: key, message and signature.
const RFC_9591: [&str; 3] = [
    "02f37c34b66ced1fb51c34a90bdae006901f10625cc06c4f64663b0eae87d87b4f",
    "74657374",
    "0205b6d04d3774c8929413e3c76024d54149c372d57aae62574ed74319b5ea14d0c65dde8492a7471437e6c2fe3da49b90d23f642b5c6dbe7e36089f096dd97324",
];

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "tests", "vectors", name].iter().collect()
}

fn read(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path(name)).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap().clone();
    assert!(!cases.is_empty());
    cases
}

fn write(name: &str, about: &str, cases: Vec<Value>) {
    let text = serde_json::to_string_pretty(&json!({ "about": about, "cases": cases })).unwrap();
    std::fs::write(path(name), text + "\n").unwrap();
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode_to_array(value.as_str().unwrap()).unwrap()
}

fn word(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

// FROST

fn frost_case(name: String, key: &[u8; 33], message: &[u8], signature: &[u8; 65]) -> Value {
    let (px, parity) = group_key(key).unwrap();
    let s = group_signature(signature).unwrap();
    let word = |w: U256| format!("{w:#066x}");
    json!({
        "name": name, "key": hex::encode_prefixed(key), "signature": hex::encode_prefixed(signature),
        "message": hex::encode_prefixed(message), "px": word(px), "parity": parity,
        "rx": word(s.rx), "ry": word(s.ry), "z": word(s.z),
    })
}

#[test]
#[ignore = "writes tests/vectors/frost.json"]
fn write_frost() {
    let [key, message, signature] = RFC_9591.map(|text| hex::decode(text).unwrap());
    let mut cases =
        vec![frost_case("RFC 9591 E.5".into(), &key.try_into().unwrap(), &message, &signature.try_into().unwrap())];
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for (t, n) in [(2, 2), (2, 3), (3, 4), (3, 4), (5, 7), (5, 7), (14, 20), (14, 20)] {
        let mut message = [0; 32];
        rng.fill_bytes(&mut message);
        let group = Group::deal(t, n, &mut rng);
        let signature = group.sign(&message, &mut rng);
        cases.push(frost_case(format!("frost-secp256k1 3.0.0, {t} of {n}"), &group.key(), &message, &signature));
    }
    write("frost.json", "FROST(secp256k1, SHA-256) signatures; `key` and `signature` as RFC 9591 writes them.", cases);
}

#[test]
fn frost_signatures_verify_and_have_the_form_that_l1_takes() {
    let cases = read("frost.json");
    assert_eq!(cases[0]["signature"], format!("0x{}", RFC_9591[2]));
    for case in cases {
        let key: [u8; 33] = bytes(&case["key"]);
        let signature: [u8; 65] = bytes(&case["signature"]);
        let message = hex::decode(case["message"].as_str().unwrap()).unwrap();
        let verifier = frost::VerifyingKey::deserialize(&key).unwrap();
        verifier.verify(&message, &frost::Signature::deserialize(&signature).unwrap()).unwrap();
        let name = case["name"].as_str().unwrap().to_owned();
        assert_eq!(case, frost_case(name, &key, &message, &signature));
    }
}

#[test]
fn both_parities_of_keys_and_of_nonces_are_covered() {
    let odd = |case: &Value, field: &str| bytes::<32>(&case[field])[31] & 1;
    let kinds: BTreeSet<_> =
        read("frost.json").iter().map(|case| (case["parity"].as_u64().unwrap(), odd(case, "ry"))).collect();
    assert_eq!(kinds.len(), 4);
}

// Digests

fn some_word(n: u64, what: &str) -> B256 {
    keccak256(format!("{what} {n}"))
}

fn some_address(n: u64, what: &str) -> Address {
    Address::from_word(some_word(n, what))
}

#[test]
#[ignore = "writes tests/vectors/digests.json"]
fn write_digests() {
    let extremes = [(0, 31_337), (1, 1), (u64::MAX, u64::MAX)];
    let cases = extremes.map(|(n, chain_id)| {
        let contract = some_address(n, "contract");
        let validators: Vec<(Address, u64)> = (0..n.min(4)).map(|i| (some_address(i, "signer"), i + 1)).collect();
        let case = json!({
            "chainId": chain_id.to_string(), "contract": contract,
            "index": n.to_string(), "previousDigest": some_word(n, "digest"),
            "firstBlock": n.to_string(), "lastBlock": (n / 2).to_string(), "lastBlockHash": some_word(n, "hash"),
            "dataHash": some_word(n, "data"), "stateRoot": some_word(n, "root"), "l1View": (n / 3).to_string(),
            "forced": (n / 5).to_string(),
            "keyIndex": n.to_string(), "px": some_word(n, "px"), "parity": 27 + n % 2,
            "signers": validators.iter().map(|v| v.0).collect::<Vec<_>>(),
            "weights": validators.iter().map(|v| v.1).collect::<Vec<_>>(),
            "ids": validators.iter().map(|v| v.1).collect::<Vec<_>>(),
            "blocks": validators.iter().map(|v| v.1 * 1_000 + n % 7).collect::<Vec<_>>(),
            "owner": some_address(n, "owner"), "signer": some_address(n, "signer"),
        });
        with_digests(case)
    });
    write("digests.json", "Digests for L1, `contracts/src/Digests.sol`. Numbers are decimal.", cases.into());
}

/// `case` with its digests as this crate computes them.
fn with_digests(mut case: Value) -> Value {
    let number = |field: &str| -> u64 { case[field].as_str().unwrap().parse().unwrap() };
    let hash = |field: &str| B256::from(bytes::<32>(&case[field]));
    let address = |value: &Value| Address::from(bytes::<20>(value));
    let (chain_id, contract) = (number("chainId"), address(&case["contract"]));
    let batch = Batch {
        index: number("index"),
        previousDigest: hash("previousDigest"),
        firstBlock: number("firstBlock"),
        lastBlock: number("lastBlock"),
        lastBlockHash: hash("lastBlockHash"),
        dataHash: hash("dataHash"),
        stateRoot: hash("stateRoot"),
        l1View: number("l1View"),
        forced: number("forced"),
    };
    let signers = case["signers"].as_array().unwrap().iter().map(address);
    let weights = case["weights"].as_array().unwrap().iter().map(|w| w.as_u64().unwrap());
    let snapshot = snapshot_hash(&signers.zip(weights).collect::<Vec<_>>());
    let next = Succession {
        key_index: number("keyIndex"),
        px: word(&case["px"]),
        parity: case["parity"].as_u64().unwrap().try_into().unwrap(),
        snapshot_hash: snapshot,
        last_batch_digest: hash("previousDigest"),
    };
    let signer = signer_digest(chain_id, contract, address(&case["owner"]), address(&case["signer"]));
    let numbers = |field: &str| case[field].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    let settlement = Settlement {
        index: number("index"),
        firstBlock: number("firstBlock"),
        lastBlock: number("lastBlock"),
        ids: numbers("ids"),
        blocks: numbers("blocks"),
    };
    let settlement = settlement_digest(chain_id, contract, &settlement);
    case["settlementDigest"] = json!(settlement);
    case["snapshotHash"] = json!(snapshot);
    case["batchDigest"] = json!(batch_digest(chain_id, contract, &batch));
    case["rotationDigest"] = json!(rotation_digest(chain_id, contract, &next));
    case["installationDigest"] = json!(installation_digest(chain_id, contract, &next));
    case["signerDigest"] = json!(signer);
    case
}

#[test]
fn digests_are_those_of_the_vectors() {
    for case in read("digests.json") {
        assert_eq!(with_digests(case.clone()), case);
    }
}
