//! What the owner of a validator does on the L1 of a devnet, by the command line: raise its stake, lock stake for a new one,
//! leave, ask. METIS is minted before, and an owner whitelisted, by the accounts that may.

use std::fs;

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, U256, hex};
use horae_contracts::{LockingPool, TestMetis};
use horae_control::SignerKey;
use horae_node::{
    edges::l1::{L1, Sender},
    home::Home,
    keys::{KeySource, Keys, Vault},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Devnet, Node,
    node::{command, says},
    rpc::runtime,
    wallet::TEST_KEYS,
};

/// The minimum lock in METIS: weight 1.
pub const UNIT_METIS: u128 = 20_000;
/// Wei in one METIS.
pub const WEI: u128 = 1_000_000_000_000_000_000;

#[derive(Deserialize)]
struct Contracts {
    metis: Address,
    locking: Address,
    vaults: Address,
}

/// The signer address of a node, validator or not. In a devnet it owns the node's stake, too.
///
/// # Panics
/// If its vault does not open.
#[must_use]
pub fn signer_of(node: &Node) -> Address {
    let vault = Vault::open(&Home::new(&node.home), &KeySource::Devnet).expect("the vault of a devnet's node");
    Keys::load(&vault).expect("its keys").signer_address()
}

/// Adds one unit to the stake of a node's validator.
///
/// # Panics
/// If L1 does not take it.
pub fn raise(devnet: &Devnet, node: usize) {
    mint(devnet, signer_of(&devnet.nodes[node]), UNIT_METIS);
    stake(devnet, node, &["relock", "--amount", &UNIT_METIS.to_string()]);
}

/// Locks one unit for a node that is no validator, on a devnet with `--deployer-owns`.
///
/// # Panics
/// If L1 does not take it.
pub fn join(devnet: &Devnet, node: usize) {
    let owner = signer_of(&devnet.nodes[node]);
    let lock = ["lock", "--amount", &UNIT_METIS.to_string()];
    let (ok, _, why) = run(devnet, node, &[&lock[..], &["--yes"]].concat());
    assert!(!ok && why.contains("governance has to whitelist it first"), "{why}");
    mint(devnet, owner, UNIT_METIS);
    send(devnet, contracts(devnet).locking, &LockingPool::setWhitelistCall { owner, allowed: true });
    let (ok, plan, why) = run(devnet, node, &[&lock[..], &["--dry-run"]].concat());
    assert!(ok && plan.contains("lock 20000 METIS") && plan.contains("nothing was sent"), "{plan}{why}");
    stake(devnet, node, &lock);
}

/// Brings the validator of a node back from jail; says why not, if L1 does not take it.
///
/// # Errors
/// What the command says.
pub fn release(devnet: &Devnet, node: usize) -> Result<(), String> {
    let (ok, _, why) = run(devnet, node, &["release", "--yes"]);
    if ok { Ok(()) } else { Err(why) }
}

/// Takes the validator of a node off the list.
///
/// # Panics
/// If L1 does not take it.
pub fn leave(devnet: &Devnet, node: usize) {
    stake(devnet, node, &["unlock"]);
}

/// A node's validator as the LockingPool has it.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn show(devnet: &Devnet, node: usize) -> Value {
    says(&["stake", "show", "--home", &devnet.nodes[node].home_text(), "--json"], &[])
}

fn stake(devnet: &Devnet, node: usize, arguments: &[&str]) {
    let (ok, said, why) = run(devnet, node, &[arguments, &["--yes", "--json"]].concat());
    let sent: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{why}"));
    assert!(ok && sent["sent"].as_array().is_some_and(|sent| !sent.is_empty()), "{said}{why}");
}

fn run(devnet: &Devnet, node: usize, arguments: &[&str]) -> (bool, String, String) {
    command(&[&["stake"], arguments, &["--home", &devnet.nodes[node].home_text()]].concat(), &[])
}

/// Gives an account METIS of a devnet.
///
/// # Panics
/// If L1 does not take it.
pub fn mint(devnet: &Devnet, to: Address, metis: u128) {
    let amount = U256::from(metis * WEI);
    send(devnet, contracts(devnet).metis, &TestMetis::mintCall { to, amount });
}

/// METIS of an account, in wei.
///
/// # Panics
/// If L1 does not answer.
#[must_use]
pub fn metis_of(devnet: &Devnet, account: Address) -> U256 {
    let metis = contracts(devnet).metis;
    runtime().block_on(l1(devnet).view(metis, TestMetis::balanceOfCall { account })).expect("a balance")
}

/// The factory of vaults.
///
/// # Panics
/// If the devnet does not know it.
#[must_use]
pub fn vaults(devnet: &Devnet) -> Address {
    contracts(devnet).vaults
}

/// Sends as the account that owns the contracts.
fn send(devnet: &Devnet, to: Address, call: &impl SolCall) {
    let key = hex::decode_to_array(TEST_KEYS[0]).expect("a key in hex");
    let deployer = Sender::new(l1(devnet), SignerKey::from_bytes(&key).expect("a key"));
    let sent = runtime().block_on(deployer.call(to, call));
    sent.unwrap_or_else(|why| panic!("L1: {why}"));
}

fn l1(devnet: &Devnet) -> L1 {
    L1::new(&[devnet.l1_url()], &devnet.genesis().l1).expect("an endpoint")
}

fn contracts(devnet: &Devnet) -> Contracts {
    let text = fs::read_to_string(devnet.root().join("chain.json")).expect("what the devnet remembers");
    serde_json::from_str(&text).expect("its contracts")
}
