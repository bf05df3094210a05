//! The whole way of a key and a batch on a real chain, through the bindings: validators lock stake, install a group
//! key, and the group's FROST signature carries a batch. Wants anvil, which `make tools` fetches.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use alloy::contract::{CallBuilder, CallDecoder};
use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::providers::{Provider, ProviderBuilder};
use alloy::rpc::types::TransactionReceipt;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use common::Group;
use horae_contracts::{
    Batch, BatchInbox, ForcedQueue, LockingPool, Succession, TestMetis, TransparentUpgradeableProxy, batch_digest,
    group_key, group_signature, installation_digest, recoverable, rotation_digest, signer_digest, snapshot_hash,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const L1_CHAIN_ID: u64 = 31_337;

/// Gas above an estimate. Votes and rewards are kept by the second: a call writes over an entry of the same second, and begins new ones, dearer ones,
/// in the next, into which it may come after its estimate.
const GAS_MARGIN: u64 = 200_000;

/// Not the launcher in `node_modules/.bin`: that is a Node script, and killing it would leave anvil behind.
fn anvil_path() -> PathBuf {
    let os = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    let cpu = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let package = format!("node_modules/@foundry-rs/anvil-{os}-{cpu}/bin/anvil");
    [env!("CARGO_MANIFEST_DIR"), "..", &package].iter().collect()
}

struct Anvil {
    process: Child,
    url: String,
}

impl Anvil {
    /// Ready when this returns: anvil says where it listens once it does.
    fn start(path: &Path) -> Self {
        let mut process = Command::new(path).args(["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned)).unwrap();
        // Anvil logs every call, and would block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: format!("http://{address}") }
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends the call and waits for the block that holds it.
async fn mined<P: Provider, D: CallDecoder>(call: CallBuilder<P, D>) -> TransactionReceipt {
    let gas = call.estimate_gas().await.unwrap() + GAS_MARGIN;
    let receipt = call.gas(gas).send().await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status(), "failed in its block: {receipt:?}");
    receipt
}

#[tokio::test]
async fn a_batch_reaches_l1_under_the_key_that_the_validators_installed() {
    let path = anvil_path();
    if !path.exists() {
        eprintln!("SKIPPED: no anvil at {}; run `make tools`", path.display());
        return;
    }
    let anvil = Anvil::start(&path);
    let provider = ProviderBuilder::new().connect_http(anvil.url.parse().unwrap());
    let accounts = provider.get_accounts().await.unwrap();
    let deployer = accounts[0];
    let mut rng = ChaCha20Rng::seed_from_u64(2);

    let metis = TestMetis::deploy_builder(&provider).from(deployer).deploy().await.unwrap();
    let behind = async |implementation: Address, initialize: Vec<u8>| {
        let proxy = TransparentUpgradeableProxy::deploy_builder(&provider, implementation, deployer, initialize.into());
        proxy.from(deployer).deploy().await.unwrap()
    };
    let pool = LockingPool::deploy_builder(&provider).from(deployer).deploy().await.unwrap();
    let initialize = LockingPool::initializeCall { metis, owner: deployer, exitDelay: 60 };
    let pool = behind(pool, initialize.abi_encode()).await;
    let queue = ForcedQueue::deploy_builder(&provider).from(deployer).deploy().await.unwrap();
    let queue = behind(queue, ForcedQueue::initializeCall { owner_: deployer, floor_: 1_000_000 }.abi_encode()).await;
    let inbox = BatchInbox::deploy_builder(&provider).from(deployer).deploy().await.unwrap();
    let initialize = BatchInbox::initializeCall { pool, emergencyDelay: 60, queue, forcedDeadline: 20 };
    let inbox = behind(inbox, initialize.abi_encode()).await;
    let queue = ForcedQueue::new(queue, &provider);
    mined(queue.connect(inbox).from(deployer)).await;
    let metis = TestMetis::new(metis, &provider);
    let pool = LockingPool::new(pool, &provider);
    let inbox = BatchInbox::new(inbox, &provider);

    let stake = U256::from(20_000) * U256::from(10).pow(U256::from(18));
    let escrow = pool.ESCROW().call().await.unwrap();
    let mut signers: Vec<PrivateKeySigner> =
        (1..=4).map(|n| PrivateKeySigner::from_bytes(&B256::with_last_byte(n)).unwrap()).collect();
    for (signer, owner) in signers.iter().zip(&accounts[1..]) {
        let digest = signer_digest(L1_CHAIN_ID, *pool.address(), *owner, signer.address());
        assert_eq!(pool.signerDigest(*owner, signer.address()).call().await.unwrap(), digest);
        let proof = signer.sign_hash_sync(&digest).unwrap().as_bytes();
        let node_key = keccak256(signer.address());
        mined(pool.setWhitelist(*owner, true).from(deployer)).await;
        mined(metis.mint(*owner, stake).from(*owner)).await;
        mined(metis.approve(escrow, stake).from(*owner)).await;
        let lock = pool.lockFor(signer.address(), node_key, stake, Bytes::from(proof));
        let receipt = mined(lock.from(*owner)).await;
        let locked = receipt.decoded_log::<LockingPool::Locked>().unwrap();
        assert_eq!((locked.signer, locked.nodeKey, locked.stake), (signer.address(), node_key, stake));
    }
    assert_eq!(pool.validators().call().await.unwrap().len(), 4);

    signers.sort_by_key(PrivateKeySigner::address);
    let snapshot = pool.snapshot().call().await.unwrap();
    let validators: Vec<_> = signers.iter().map(|s| (s.address(), 1)).collect();
    assert_eq!(snapshot.signers.iter().copied().zip(snapshot.weights.iter().copied()).collect::<Vec<_>>(), validators);

    let group = Group::deal(3, 4, &mut rng);
    let (px, parity) = group_key(&group.key()).unwrap();
    let mut next = Succession {
        key_index: 1,
        px,
        parity,
        snapshot_hash: snapshot_hash(&validators),
        last_batch_digest: B256::ZERO,
    };
    let digest = installation_digest(L1_CHAIN_ID, *inbox.address(), &next);
    assert_eq!(inbox.installationDigest(1, px, parity, next.snapshot_hash).call().await.unwrap(), digest);
    let mut signatures: Vec<Bytes> = signers
        .iter()
        .map(|s| {
            let mut signature = s.sign_hash_sync(&digest).unwrap().as_bytes();
            signature[64] -= 27;
            recoverable(&signature)
        })
        .collect();
    signatures[2] = Bytes::new();
    let install = inbox.installFirstKey(px, parity, snapshot.signers.clone(), snapshot.weights.clone(), signatures);
    mined(install.from(deployer)).await;

    let data = Bytes::from_static(b"the batch");
    let batch = Batch {
        index: 0,
        previousDigest: B256::ZERO,
        firstBlock: 1,
        lastBlock: 9,
        lastBlockHash: keccak256("block 9"),
        dataHash: keccak256(&data),
        stateRoot: keccak256("state 9"),
        l1View: 1,
        forced: 0,
    };
    let digest = batch_digest(L1_CHAIN_ID, *inbox.address(), &batch);
    let signature = group_signature(&group.sign(digest.as_slice(), &mut rng)).unwrap();
    let submit = inbox.submit(batch.clone(), signature, data);
    let receipt = mined(submit.from(accounts[5])).await;
    let accepted = receipt.decoded_log::<BatchInbox::BatchAccepted>().unwrap();
    assert_eq!((accepted.index, accepted.digest, accepted.lastBlock), (0, digest, 9));
    let head = inbox.head().call().await.unwrap();
    assert_eq!((head.nextIndex, head.digest, head.lastBlock, head.stateRoot), (1, digest, 9, batch.stateRoot));

    let successor = Group::deal(3, 4, &mut rng);
    let (px, parity) = group_key(&successor.key()).unwrap();
    next = Succession { key_index: 2, px, parity, last_batch_digest: digest, ..next };
    let digest = rotation_digest(L1_CHAIN_ID, *inbox.address(), &next);
    let signature = group_signature(&group.sign(digest.as_slice(), &mut rng)).unwrap();
    let rotate = inbox.rotate(px, parity, snapshot.signers, snapshot.weights, signature);
    mined(rotate.from(accounts[6])).await;
    let key = inbox.groupKey().call().await.unwrap();
    assert_eq!((key.index, key.px, key.parity, key.snapshotHash), (2, px, parity, next.snapshot_hash));
}
