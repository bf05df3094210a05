//! Offences that a test commits with the keys of a devnet's node, and reports to L1 as a stranger.

use std::time::Duration;

use alloy::{
    providers::{Provider, ProviderBuilder},
    rpc::types::Filter,
    sol_types::SolEvent,
};
use alloy_primitives::{B256, U256, hex};
use horae_contracts::Slasher;
use horae_control::{BlockId, Kind, Proof, Said, SaidAndSigned, SignerKey, digest};
use horae_node::{
    edges::l1::{L1, Sender, evidence::Reported},
    home::Home,
    keys::{KeySource, Keys, Vault},
};
use serde_json::json;

use crate::{Devnet, rpc::runtime, wallet::TEST_KEYS};

/// Two different blocks of one height, signed by the node's signer as its first incarnation in this epoch.
///
/// # Panics
/// If the node's vault does not open.
#[must_use]
pub fn two_blocks(devnet: &Devnet, node: usize, epoch: u64) -> Proof {
    let domain = devnet.genesis().control_genesis().domain;
    let vault = Vault::open(&Home::new(&devnet.nodes[node].home), &KeySource::Devnet).expect("the vault of a node");
    let keys = Keys::load(&vault).expect("its keys");
    let signer = SignerKey::from_bytes(&keys.signer.to_secret_bytes()).expect("its signer key");
    let (term, slot) = (1_000, 1_000);
    let signed = |byte: u8| {
        let block = BlockId { number: 1_000, hash: B256::repeat_byte(byte) };
        let signed = digest::digest(&domain, Kind::Block, 0, epoch, term, slot, block.content());
        SaidAndSigned { said: Said::Block { slot, block }, signature: signer.sign(signed) }
    };
    Proof { validator: signer.address(), incarnation: 0, epoch, term, first: signed(1), second: signed(2) }
}

/// Reports an offence to L1 with an account that has nothing to do with the chain; gives what was cut, in wei.
///
/// # Panics
/// If L1 does not take it.
#[must_use]
pub fn report(devnet: &Devnet, proof: &Proof) -> U256 {
    let key = hex::decode_to_array(TEST_KEYS[0]).expect("a key in hex");
    let l1 = L1::new(&[devnet.l1_url()], &devnet.genesis().l1).expect("an endpoint");
    let stranger = Sender::new(l1.clone(), SignerKey::from_bytes(&key).expect("a key"));
    let reported = runtime().block_on(stranger.report(proof)).unwrap_or_else(|why| panic!("L1: {why}"));
    assert!(matches!(reported, Reported::Now(_)), "{reported:?}");
    let slasher = runtime().block_on(l1.slasher()).expect("L1").expect("the pool's slasher");
    let provider = ProviderBuilder::new().connect_http(devnet.l1_url().parse().expect("a URL"));
    let filter = Filter::new().address(slasher).from_block(0).event_signature(Slasher::Convicted::SIGNATURE_HASH);
    let logs = runtime().block_on(async { provider.get_logs(&filter).await }).expect("logs of L1");
    let last = logs.last().expect("the conviction");
    Slasher::Convicted::decode_log(&last.inner).expect("the binding's event").data.amount
}

/// Moves the clock of the devnet's L1.
///
/// # Panics
/// If it does not let itself be moved.
pub fn advance_l1(devnet: &Devnet, by: Duration) {
    let _ = devnet.l1().ask("evm_increaseTime", &json!([by.as_secs()]));
    let _ = devnet.l1().ask("evm_mine", &json!([]));
}
