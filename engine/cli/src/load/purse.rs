//! The account that pays for a load: its transactions in order, few at a time, each waited for.

use std::time::Duration;

use alloy_primitives::{Address, B256, U64, U256};
use horae_control::SignerKey;
use indicatif::ProgressBar;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::wallet::{Action, Signed, Terms, sign};
use crate::{
    error::CliError,
    rpc::{Rpc, value},
};

/// What a few transactions may take to be in a block.
const SPEND_LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked whether they are.
const POLL: Duration = Duration::from_millis(100);
/// Transactions under way at one time: nodes hold few of one account.
pub const AT_ONCE: usize = 16;

/// The payer.
pub struct Purse<'a> {
    rpc: &'a Rpc,
    key: &'a SignerKey,
    terms: Terms,
    nonce: u64,
    say: &'a ProgressBar,
}

#[derive(Debug, Deserialize)]
struct Receipt {
    status: U64,
}

impl<'a> Purse<'a> {
    /// Opens the account of `key`.
    pub async fn open(rpc: &'a Rpc, key: &'a SignerKey, terms: Terms, say: &'a ProgressBar) -> Result<Self, CliError> {
        let nonce = count(rpc, key.address(), "pending").await?;
        Ok(Self { rpc, key, terms, nonce, say })
    }

    /// The endpoint that it pays on.
    pub fn rpc(&self) -> &Rpc {
        self.rpc
    }

    /// Whose it is.
    pub fn key(&self) -> &SignerKey {
        self.key
    }

    /// On which terms.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Shows what is going on.
    pub fn say(&self, message: String) {
        self.say.set_message(message);
    }

    /// The next nonce of an account.
    pub async fn nonce_of(&self, address: Address) -> Result<u64, CliError> {
        count(self.rpc, address, "pending").await
    }

    /// Fails unless it can pay so many wei, with a word on what to change.
    pub async fn check(&self, total: U256, payees: usize) -> Result<(), CliError> {
        let balance: U256 = self.rpc.ask("eth_getBalance", [value(self.key.address()), value("pending")]).await?;
        if balance < total {
            return Err(CliError::new(format!(
                "{} has {balance} wei, but funding {payees} accounts takes {total}; name a richer account with --key, or fewer --accounts or --transactions",
                self.key.address(),
            )));
        }
        Ok(())
    }

    /// Sends all of them, in order, and waits until all have succeeded.
    pub async fn spend(&mut self, actions: Vec<Action>) -> Result<(), CliError> {
        let signed: Vec<Signed> = actions
            .into_iter()
            .zip(self.nonce..)
            .map(|(action, nonce)| sign(self.key, self.terms, nonce, action))
            .collect();
        let after = self.nonce + signed.len() as u64;
        self.send_for(self.key, signed, after).await?;
        self.nonce = after;
        Ok(())
    }

    /// The same for transactions that another account has signed; `after` is its nonce then.
    pub async fn send_for(&self, key: &SignerKey, signed: Vec<Signed>, after: u64) -> Result<(), CliError> {
        let mut nonce = after - signed.len() as u64;
        for part in signed.chunks(AT_ONCE) {
            nonce += part.len() as u64;
            let raw = part.iter().map(|signed| [value(&signed.raw)]);
            self.rpc.ask_many::<B256, 1>("eth_sendRawTransaction", raw).await?;
            let until = Instant::now() + SPEND_LIMIT;
            let mut left: Vec<B256> = part.iter().map(|signed| signed.hash).collect();
            while !left.is_empty() {
                let asked = left.iter().map(|hash| [value(hash)]);
                let receipts: Vec<Option<Receipt>> = self.rpc.ask_many("eth_getTransactionReceipt", asked).await?;
                if let Some((hash, _)) =
                    left.iter().zip(&receipts).find(|(_, r)| r.as_ref().is_some_and(|r| r.status.is_zero()))
                {
                    return Err(CliError::new(format!(
                        "{hash} of {} was reverted, so the accounts are not ready",
                        key.address()
                    )));
                }
                let missing = left.into_iter().zip(receipts).filter(|(_, receipt)| receipt.is_none());
                left = missing.map(|(hash, _)| hash).collect();
                if left.is_empty() {
                    break;
                }
                if Instant::now() >= until {
                    return Err(CliError::new(format!(
                        "a transaction that pays for the load was in no block within {} s ({}, nonce below {nonce}); is the chain moving?",
                        SPEND_LIMIT.as_secs(),
                        key.address()
                    )));
                }
                sleep(POLL).await;
            }
        }
        Ok(())
    }
}

async fn count(rpc: &Rpc, address: Address, tag: &str) -> Result<u64, CliError> {
    let count: U64 = rpc.ask("eth_getTransactionCount", [value(address), value(tag)]).await?;
    Ok(count.to())
}
