//! What the owner of a validator does on the L1 of a devnet: raise its stake, lock stake for a new one, leave.

use std::fs;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256, hex};
use horae_contracts::{LockingPool, TestMetis};
use horae_control::SignerKey;
use horae_node::{
    edges::l1::{
        L1, Sender,
        deploy::{Deployment, mint_and_lock, whitelist},
    },
    genesis::GenesisFile,
    home::Home,
    keys::{KeySource, Keys, Vault},
};
use serde::Deserialize;

use crate::{Devnet, Node, rpc::runtime, wallet::TEST_KEYS};

/// The minimum lock in wei METIS: weight 1.
pub const UNIT: u128 = 20_000 * 1_000_000_000_000_000_000;

#[derive(Deserialize)]
struct Contracts {
    metis: Address,
    locking: Address,
    inbox: Address,
}

/// The signer address of a node, validator or not.
///
/// # Panics
/// If its vault does not open.
#[must_use]
pub fn signer_of(node: &Node) -> Address {
    keys_of(node).signer_address()
}

/// Adds one unit to the stake of a node's validator.
///
/// # Panics
/// If L1 does not take it.
pub fn raise(devnet: &Devnet, node: usize) {
    let (owner, deployment) = owner(devnet, node);
    let amount = U256::from(UNIT);
    send(&owner, deployment.metis, &TestMetis::mintCall { to: owner.address(), amount });
    send(&owner, deployment.metis, &TestMetis::approveCall { spender: deployment.escrow, value: amount });
    send(&owner, deployment.locking, &LockingPool::increaseStakeCall { amount });
}

/// Locks one unit for a node that is no validator.
///
/// # Panics
/// If L1 does not take it.
pub fn join(devnet: &Devnet, node: usize) {
    let (owner, deployment) = owner(devnet, node);
    let keys = keys_of(&devnet.nodes[node]);
    let deployer = Sender::new(owner.l1().clone(), key(&hex::decode(TEST_KEYS[0]).expect("a key in hex")));
    runtime().block_on(async {
        whitelist(&deployer, deployment.locking, owner.address()).await.expect("the pool's owner may");
        let signer = key(&keys.signer.to_secret_bytes());
        let locked = mint_and_lock(&owner, &deployment, &signer, keys.node_key(), U256::from(UNIT)).await;
        locked.expect("whoever is whitelisted may lock");
    });
}

/// Takes the validator of a node off the list.
///
/// # Panics
/// If L1 does not take it.
pub fn leave(devnet: &Devnet, node: usize) {
    let (owner, deployment) = owner(devnet, node);
    send(&owner, deployment.locking, &LockingPool::unlockCall {});
}

fn send(owner: &Sender, to: Address, call: &impl SolCall) {
    let sent = runtime().block_on(owner.call(to, call));
    sent.unwrap_or_else(|why| panic!("L1: {why}"));
}

fn owner(devnet: &Devnet, node: usize) -> (Sender, Deployment) {
    let text = fs::read_to_string(devnet.root().join("chain.json")).expect("what the devnet remembers");
    let Contracts { metis, locking, inbox } = serde_json::from_str(&text).expect("its contracts");
    let genesis = GenesisFile::load(&devnet.nodes[node].home.join("genesis.json")).expect("the genesis");
    let l1 = L1::new(&[devnet.l1_url()], &genesis.l1).expect("an endpoint");
    let (escrow, slasher, rewards) = runtime().block_on(async {
        let escrow = l1.view(locking, LockingPool::ESCROWCall {}).await.expect("the pool has an escrow");
        let slasher = l1.view(locking, LockingPool::slasherCall {}).await.expect("the pool has a slasher");
        (escrow, slasher, l1.view(locking, LockingPool::rewardsCall {}).await.expect("the pool has rewards"))
    });
    let signer = key(&keys_of(&devnet.nodes[node]).signer.to_secret_bytes());
    (Sender::new(l1, signer), Deployment { metis, locking, escrow, inbox, slasher, rewards })
}

fn keys_of(node: &Node) -> Keys {
    let vault = Vault::open(&Home::new(&node.home), &KeySource::Devnet).expect("the vault of a devnet's node");
    Keys::load(&vault).expect("its keys")
}

fn key(secret: &[u8]) -> SignerKey {
    SignerKey::from_bytes(secret.try_into().expect("32 bytes")).expect("a key")
}
