//! The L1 edge against a real anvil, which `make tools` installs.

#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use alloy::sol_types::SolCall;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, keccak256};
use horae_contracts::{
    Batch, ForcedQueue, Succession, batch_digest, group_key, group_signature, installation_digest, recoverable,
};
use horae_control::{Candidate, L1Event, SignerKey, ValidatorSet};
use horae_stages::protocol::batch_paid;
use horae_stages::{ForcedEntry, L1View};

use super::{
    L1, L1Error, Sender,
    deploy::{Delays, Deployment, deploy, mint_and_lock, whitelist},
};
use crate::genesis::{L1Genesis, ViewDepth};

const CHAIN_ID: u64 = 31_337;
const L2_CHAIN_ID: u64 = 7;
const DELAYS: Delays = Delays { exit_s: 60, emergency_s: 60, jail_s: 60, forced_blocks: 20 };
/// The first account of anvil's mnemonic.
const RICH: [u8; 32] = alloy_primitives::hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

struct Anvil {
    child: Child,
    url: String,
}

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Anvil {
    fn start(options: &[&str]) -> Self {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/@foundry-rs");
        let binary = std::fs::read_dir(&tools)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path().join("bin/anvil"))
            .find(|path| path.exists())
            .expect("anvil is missing: run `make tools`");
        let mut child = Command::new(binary)
            .args(["--port", "0", "--slots-in-an-epoch", "1"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|l| l.unwrap().strip_prefix("Listening on ").map(str::to_owned)).unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url: format!("http://{address}") }
    }
}

fn l1(url: &str, deployment: Option<Deployment>) -> L1 {
    L1::new(
        &[url.to_owned()],
        &L1Genesis {
            chain_id: CHAIN_ID,
            locking: deployment.map_or(Address::ZERO, |d| d.locking),
            inbox: deployment.map_or(Address::ZERO, |d| d.inbox),
            governor: None,
            queue: deployment.map_or(Address::ZERO, |d| d.queue),
            origin_number: 0,
            origin_hash: B256::ZERO,
            view_depth: ViewDepth::Blocks(1),
        },
    )
    .unwrap()
}

fn key(seed: u8) -> SignerKey {
    SignerKey::from_bytes(&[seed; 32]).unwrap()
}

fn stake(units: u64) -> U256 {
    U256::from(20_000 * units) * U256::from(10).pow(U256::from(18))
}

/// Four validators of one unit each on a new L1: the client, a rich sender, and where everything is.
async fn chain(anvil: &Anvil) -> (L1, Sender, Deployment) {
    let plain = l1(&anvil.url, None);
    let rich = Sender::new(plain.clone(), SignerKey::from_bytes(&RICH).unwrap());
    let deployment = deploy(&rich, L2_CHAIN_ID, DELAYS).await.unwrap();
    for seed in 1..=4 {
        let owner = Sender::new(plain.clone(), key(seed));
        rich.send(alloy_primitives::TxKind::Call(owner.address()), Bytes::new(), U256::from(10).pow(U256::from(18)))
            .await
            .unwrap();
        whitelist(&rich, deployment.locking, owner.address()).await.unwrap();
        mint_and_lock(&owner, &deployment, &key(seed), [seed; 32], stake(1)).await.unwrap();
    }
    let l1 = l1(&anvil.url, Some(deployment));
    (l1.clone(), Sender::new(l1, SignerKey::from_bytes(&RICH).unwrap()), deployment)
}

/// A group of one, whose Schnorr signatures are what FROST's are.
struct Group(frost_secp256k1::SigningKey);

impl Group {
    fn new() -> Self {
        Self(frost_secp256k1::SigningKey::new(&mut rand_core::OsRng))
    }

    async fn install(&self, sender: &Sender, validators: &[Candidate]) -> Result<super::Included, L1Error> {
        let set = ValidatorSet::form(validators).unwrap();
        let public: [u8; 33] = frost_secp256k1::VerifyingKey::from(&self.0).serialize().unwrap().try_into().unwrap();
        let (px, parity) = group_key(&public).unwrap();
        let next =
            Succession { key_index: 1, px, parity, snapshot_hash: set.snapshot_hash(), last_batch_digest: B256::ZERO };
        let digest = installation_digest(CHAIN_ID, sender.l1().inbox(), &next);
        let keys: Vec<SignerKey> = (1..=4).map(key).collect();
        let sign = |signer: &Address| keys.iter().find(|k| k.address() == *signer).unwrap().sign(digest).0;
        let signers: Vec<Address> = set.validators().iter().map(|v| v.signer).collect();
        let signatures = signers.iter().map(|s| recoverable(&sign(s))).collect();
        let weights = set.validators().iter().map(|v| v.weight).collect();
        sender.install_first_key(px, parity, signers, weights, signatures).await
    }

    async fn submit(&self, sender: &Sender, batch: &Batch, data: Bytes) -> Result<super::Included, L1Error> {
        let digest = batch_digest(CHAIN_ID, sender.l1().inbox(), batch);
        let signature = self.0.sign(rand_core::OsRng, digest.as_slice());
        let signature = group_signature(&signature.serialize().unwrap().try_into().unwrap()).unwrap();
        sender.submit_batch(batch.clone(), signature, data).await
    }
}

fn batch(index: u64, previous: B256, data: &Bytes) -> Batch {
    Batch {
        index,
        previousDigest: previous,
        firstBlock: 1 + 10 * index,
        lastBlock: 10 * (index + 1),
        lastBlockHash: B256::repeat_byte(index as u8 + 1),
        dataHash: keccak256(data),
        stateRoot: B256::repeat_byte(0x55),
        l1View: 3,
        forced: 0,
    }
}

async fn enqueue(sender: &Sender, entry: &ForcedEntry) -> super::Included {
    let (to, is_creation) = match entry.to {
        TxKind::Call(to) => (to, false),
        TxKind::Create => (Address::ZERO, true),
    };
    let price = sender.l1().view(sender.l1().queue(), ForcedQueue::gasPriceCall {}).await.unwrap();
    let call = ForcedQueue::enqueueCall {
        to,
        isCreation: is_creation,
        mint: entry.mint,
        value: entry.value,
        gas: entry.gas,
        data: entry.data.clone(),
    };
    let value = entry.mint + U256::from(entry.gas) * U256::from(price);
    sender.send(TxKind::Call(sender.l1().queue()), call.abi_encode().into(), value).await.unwrap()
}

#[tokio::test]
async fn what_is_entered_on_l1_is_read_as_it_is_executed_and_no_batch_may_leave_it_out_for_long() {
    let anvil = Anvil::start(&[]);
    let (l1, sender, _) = chain(&anvil).await;
    l1.check().await.unwrap();
    let origin = l1.head().await.unwrap().view;
    let from = sender.address();
    let deposit = ForcedEntry {
        index: 0,
        from,
        to: TxKind::Call(from),
        mint: U256::from(77),
        value: U256::from(77),
        gas: 21_000,
        data: Bytes::new(),
    };
    let created = Bytes::from_static(b"no code");
    let creation =
        ForcedEntry { index: 1, to: TxKind::Create, mint: U256::ZERO, gas: 100_000, data: created, ..deposit.clone() };
    let first = enqueue(&sender, &deposit).await;
    let second = enqueue(&sender, &creation).await;
    let head = l1.head().await.unwrap().view;
    let event = |entry: &ForcedEntry, at: L1View| L1Event::Forced {
        index: entry.index,
        l1_block: at.number,
        l1_hash: at.hash,
        hash: entry.hash(),
        gas: entry.gas,
        bytes: entry.encode().len() as u64,
    };
    let events = l1.events(origin, head).await.unwrap();
    assert_eq!(events, [event(&deposit, first.block), event(&creation, second.block)]);
    let read = l1.entries_in(&[first.block, second.block]).await.unwrap();
    assert_eq!(read, [deposit.clone(), creation.clone()]);
    let forked = L1View { hash: B256::repeat_byte(1), ..second.block };
    let error = l1.entries_in(&[first.block, forked]).await.unwrap_err();
    assert!(matches!(error, L1Error::Reorganised { .. }), "{error}");

    let group = Group::new();
    let locked = l1.validators_at(l1.head().await.unwrap().view).await.unwrap();
    group.install(&sender, &locked).await.unwrap();
    let overdue = first.block.number + DELAYS.forced_blocks;
    while l1.height().await.unwrap() < overdue {
        let _: String = l1.call("evm_mine", ()).await.unwrap();
    }
    let data = Bytes::from_static(b"a batch");
    let at = |l1_view, forced| Batch { l1View: l1_view, forced, ..batch(0, B256::ZERO, &data) };
    let refused = async |batch: Batch| match group.submit(&sender, &batch, data.clone()).await.unwrap_err() {
        L1Error::Reverted { reason } => reason,
        other => panic!("{other}"),
    };
    let late = refused(at(overdue, 0)).await;
    let said = format!("ForcedOverdue {{ index: 0, l1Block: {}, l1View: {overdue} }}", first.block.number);
    assert_eq!(late, said);
    assert!(refused(at(first.block.number - 1, 1)).await.starts_with("ForcedAhead"));
    assert!(refused(at(overdue, 3)).await.starts_with("ForcedOutOfRange"));
    let accepted = group.submit(&sender, &at(overdue, 2), data.clone()).await.unwrap();
    assert_eq!(l1.inbox_state().await.unwrap().head.forced, 2);
    let due: Vec<Bytes> =
        l1.due(origin.number, accepted.block.number).await.unwrap().into_iter().map(|due| due.raw).collect();
    assert_eq!(due, [deposit.encode(), creation.encode(), batch_paid(0, from)]);
}

#[tokio::test]
async fn validators_keys_and_batches_go_to_l1_and_come_back_in_order() {
    let anvil = Anvil::start(&[]);
    let (l1, sender, _) = chain(&anvil).await;
    l1.check().await.unwrap();
    let origin = l1.block(0).await.unwrap().unwrap().view;
    let locked = l1.validators_at(l1.head().await.unwrap().view).await.unwrap();
    assert_eq!(locked.iter().map(|c| (c.id, c.signer)).collect::<Vec<_>>(), {
        (1..=4u8).map(|seed| (u64::from(seed), key(seed).address())).collect::<Vec<_>>()
    });
    assert_eq!(l1.inbox_state().await.unwrap().key.index, 0);

    let group = Group::new();
    let data = Bytes::from_static(b"the first batch");
    let first = batch(0, B256::ZERO, &data);
    let refused = group.submit(&sender, &first, data.clone()).await.unwrap_err();
    assert!(matches!(&refused, L1Error::Reverted { reason } if reason.contains("NoKey")), "{refused}");
    group.install(&sender, &locked).await.unwrap();
    let again = group.install(&sender, &locked).await.unwrap_err();
    assert!(matches!(&again, L1Error::Reverted { reason } if reason.contains("KeyAlreadyInstalled")), "{again}");
    let included = group.submit(&sender, &first, data.clone()).await.unwrap();
    assert!(included.gas_used > 21_000);
    let late = group.submit(&sender, &first, data.clone()).await.unwrap_err();
    assert!(
        matches!(&late, L1Error::Reverted { reason } if reason.starts_with("WrongIndex { given: 0, expected: 1 }")),
        "{late}"
    );
    let digest = batch_digest(CHAIN_ID, l1.inbox(), &first);
    let more = Bytes::from_static(b"the second");
    group.submit(&sender, &batch(1, digest, &more), more.clone()).await.unwrap();

    let state = l1.inbox_state().await.unwrap();
    assert_eq!((state.head.nextIndex, state.head.lastBlock, state.key.index), (2, 20, 1));
    let head = l1.head().await.unwrap().view;
    let events = l1.events(origin, head).await.unwrap();
    let names: Vec<String> = events
        .iter()
        .map(|e| match e {
            L1Event::ValidatorJoined { id, .. } => format!("joined {id}"),
            L1Event::KeyInstalled { key_index, .. } => format!("key {key_index}"),
            L1Event::BatchAccepted { index, .. } => format!("batch {index}"),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(names, ["joined 1", "joined 2", "joined 3", "joined 4", "key 1", "batch 0", "batch 1"]);

    let batches = l1.batches(0, head.number).await.unwrap();
    assert_eq!(batches.iter().map(|b| b.data.clone()).collect::<Vec<_>>(), [data, more]);
    assert_eq!(batches[0].batch, first);
    assert_eq!(batches[0].carrier, sender.address());
    assert_eq!(batches[0].l1_block, included.block);
}

#[tokio::test]
async fn the_next_view_is_bounded_in_blocks_and_deep_enough() {
    let anvil = Anvil::start(&[]);
    let (l1, ..) = chain(&anvil).await;
    let head = l1.head().await.unwrap().view;
    let mut after = l1.block(0).await.unwrap().unwrap().view;
    let mut events = Vec::new();
    while let Some((view, more)) = l1.next_view(after, 5).await.unwrap() {
        assert!(view.number > after.number && view.number <= after.number + 5);
        assert_eq!(l1.events(after, view).await.unwrap(), more);
        events.extend(more);
        after = view;
    }
    assert_eq!(after.number, head.number - 1, "the view is one block deep");
    let deep = l1.block(head.number - 1).await.unwrap().unwrap().view;
    let origin = l1.block(0).await.unwrap().unwrap().view;
    assert_eq!(events, l1.events(origin, deep).await.unwrap());
}

#[tokio::test]
async fn a_reorganisation_is_noticed_by_readers_and_by_who_sent() {
    let anvil = Anvil::start(&[]);
    let (l1, sender, _) = chain(&anvil).await;
    let locked = l1.validators_at(l1.head().await.unwrap().view).await.unwrap();
    let origin = l1.block(0).await.unwrap().unwrap().view;
    let snapshot: U64 = l1.call("evm_snapshot", ()).await.unwrap();
    let included = Group::new().install(&sender, &locked).await.unwrap();
    let gone = l1.head().await.unwrap().view;
    assert_eq!(l1.inclusion(included.hash).await.unwrap(), Some(included));
    // anvil shows a receipt before it takes the transaction out of its pool, and would mine it a second time from there.
    while !pool_is_empty(&l1).await {
        tokio::task::yield_now().await;
    }

    let _: bool = l1.call("evm_revert", (snapshot,)).await.unwrap();
    let _: String = l1.call("evm_mine", ()).await.unwrap();
    let _: String = l1.call("evm_mine", ()).await.unwrap();
    assert_eq!(l1.inclusion(included.hash).await.unwrap(), None);
    for error in [
        l1.events(origin, gone).await.map(drop).unwrap_err(),
        l1.validators_at(gone).await.map(drop).unwrap_err(),
        l1.next_view(gone, 10)
            .await
            .map(drop)
            .err()
            .unwrap_or(L1Error::Reorganised { number: gone.number, expected: gone.hash }),
    ] {
        assert!(matches!(error, L1Error::Reorganised { number, .. } if number == gone.number), "{error}");
    }
    // The same account sends again: the nonce is the chain's, not what was counted.
    Group::new().install(&sender, &locked).await.unwrap();
}

#[tokio::test]
async fn a_transaction_left_in_the_pool_is_replaced_with_a_higher_fee() {
    let anvil = Anvil::start(&[]);
    let (l1, sender, deployment) = chain(&anvil).await;
    let _: Option<bool> = l1.call("evm_setAutomine", (false,)).await.unwrap();
    let left = tokio::time::timeout(
        std::time::Duration::from_millis(500),
        whitelist(&sender, deployment.locking, Address::repeat_byte(7)),
    );
    assert!(left.await.is_err(), "nothing is mined, so the call is cut off with its transaction in the pool");
    let (sent, ()) = tokio::join!(whitelist(&sender, deployment.locking, Address::repeat_byte(8)), async {
        while !pool_holds(&l1, Address::repeat_byte(8)).await {
            tokio::task::yield_now().await;
        }
        let _: String = l1.call("evm_mine", ()).await.unwrap();
    });
    sent.unwrap();
}

/// Whether nothing waits to be mined.
async fn pool_is_empty(l1: &L1) -> bool {
    let status: serde_json::Value = l1.call("txpool_status", ()).await.unwrap();
    status["pending"] == "0x0" && status["queued"] == "0x0"
}

/// Whether the block that would be mined now has one transaction, which names this address.
async fn pool_holds(l1: &L1, address: Address) -> bool {
    let pending: alloy::rpc::types::Block = l1.call("eth_getBlockByNumber", ("pending", true)).await.unwrap();
    let inputs: Vec<&Bytes> = pending.transactions.txns().map(|t| t.inner.inner().input()).collect();
    matches!(inputs[..], [input] if input.windows(20).any(|w| w == address.as_slice()))
}

#[tokio::test]
async fn errors_say_what_is_wrong_with_the_l1() {
    let nobody = l1("http://127.0.0.1:1", None).head().await.unwrap_err();
    assert!(matches!(nobody, L1Error::Unreachable { .. }) && nobody.is_transient(), "{nobody}");
    assert!(nobody.to_string().contains("l1.urls"), "{nobody}");
    let anvil = Anvil::start(&["--chain-id", "5"]);
    let wrong = l1(&anvil.url, None).check().await.unwrap_err();
    assert!(matches!(wrong, L1Error::WrongChain { found: 5, expected: CHAIN_ID, .. }), "{wrong}");
    let anvil = Anvil::start(&[]);
    let empty = l1(&anvil.url, None).check().await.unwrap_err();
    assert!(matches!(empty, L1Error::NoContract { name: "l1.locking", .. }), "{empty}");
    let poor = Sender::new(l1(&anvil.url, None), key(9));
    let error = deploy(&poor, L2_CHAIN_ID, DELAYS).await.unwrap_err();
    assert!(matches!(error, L1Error::NoFunds { address, .. } if address == poor.address()), "{error}");
    assert!(matches!(L1::new(&["not a url".to_owned()], &genesis()), Err(L1Error::BadUrl { .. })));
}

fn genesis() -> L1Genesis {
    L1Genesis {
        chain_id: CHAIN_ID,
        locking: Address::ZERO,
        inbox: Address::ZERO,
        queue: Address::ZERO,
        governor: None,
        origin_number: 0,
        origin_hash: B256::ZERO,
        view_depth: ViewDepth::Finalized,
    }
}

#[tokio::test]
async fn the_second_endpoint_is_used_when_the_first_is_away() {
    let anvil = Anvil::start(&[]);
    let l1 = L1::new(&["http://127.0.0.1:1".to_owned(), anvil.url.clone()], &genesis()).unwrap();
    assert_eq!(l1.head().await.unwrap().view, L1View { number: 0, hash: l1.hash_at(0).await.unwrap().unwrap() });
}
