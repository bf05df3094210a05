//! An account that signs transactions.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEnvelope},
    eips::eip2718::Encodable2718,
    signers::{SignerSync, local::PrivateKeySigner},
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use serde_json::json;

use crate::rpc::{Refusal, Rpc, quantity};

/// Keys of accounts with money on every devnet; everybody knows them.
pub const TEST_KEYS: [&str; 3] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
];

/// An account.
#[derive(Clone, Debug)]
pub struct Wallet {
    key: PrivateKeySigner,
}

impl Wallet {
    /// The account of a private key in hex.
    ///
    /// # Panics
    /// If it is no key.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self { key: key.parse().expect("a private key in hex") }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Address {
        self.key.address()
    }

    /// The nonce of its next transaction, those that wait for a commit counted, as a node sees it.
    #[must_use]
    pub fn nonce(&self, rpc: &Rpc) -> u64 {
        quantity(&rpc.ask("eth_getTransactionCount", &json!([self.address(), "pending"])))
    }

    /// A transfer of one wei to an address nobody has, with fees that always do.
    #[must_use]
    pub fn transfer(&self, chain_id: u64, nonce: u64) -> TxEip1559 {
        TxEip1559 {
            chain_id,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 1_000_000_000_000,
            max_priority_fee_per_gas: 1_000_000,
            to: TxKind::Call(Address::repeat_byte(0xbe)),
            value: U256::from(1),
            access_list: Default::default(),
            input: Bytes::new(),
        }
    }

    /// Signs a transaction: its hash and its bytes.
    ///
    /// # Panics
    /// If it cannot be signed.
    #[must_use]
    pub fn sign(&self, transaction: TxEip1559) -> (B256, Bytes) {
        let signature = self.key.sign_hash_sync(&transaction.signature_hash()).expect("a key in memory signs");
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        (*envelope.tx_hash(), envelope.encoded_2718().into())
    }
}

/// Sends a signed transaction.
///
/// # Errors
/// The node's refusal.
pub fn send_raw(rpc: &Rpc, raw: &[u8]) -> Result<B256, Refusal> {
    let hash = rpc.try_ask("eth_sendRawTransaction", &json!([hex::encode_prefixed(raw)]))?;
    Ok(serde_json::from_value(hash).expect("a transaction hash"))
}
