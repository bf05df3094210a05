//! The accounts of a load: derived from the key that funds them, and topped up only where they lack something, so that a second run
//! begins at once.

use std::time::Duration;

use alloy_primitives::{Address, B256, U64, U256, keccak256};
use horae_control::SignerKey;
use indicatif::ProgressBar;
use tokio::time::{Instant, sleep};

use super::wallet::{Signed, TRANSFER_GAS, Terms, transfer};
use crate::{
    account::parse_key,
    args::LoadOptions,
    devnet::test_key,
    error::CliError,
    rpc::{Rpc, value},
};

/// The most that is paid is this many times the price of gas at the start.
const FEE_ROOM: u128 = 4;
/// What funding may take.
const FUNDING_LIMIT: Duration = Duration::from_secs(60);
/// How often the funding is looked at.
const POLL: Duration = Duration::from_millis(100);
/// Funding transfers under way at one time: nodes hold few transactions of one account.
const FUNDING_AT_ONCE: u64 = 16;

/// Accounts that can pay for their part of the load.
pub struct Funded {
    /// Key and next nonce of each.
    pub accounts: Vec<(SignerKey, u64)>,
    /// What all transfers share.
    pub terms: Terms,
}

/// Derives and funds the accounts.
pub async fn prepare(rpc: &Rpc, options: &LoadOptions, say: &ProgressBar) -> Result<Funded, CliError> {
    say.set_message(format!("asking {}", rpc.url()));
    let funder = match &options.key {
        Some(text) => parse_key("--key", text)?,
        None => test_key(0)?,
    };
    let chain_id: U64 = rpc.ask("eth_chainId", []).await?;
    let price: U256 = rpc.ask("eth_gasPrice", []).await?;
    let price = u128::try_from(price).map_err(|_| CliError::new("the node's price of gas is absurd"))?;
    let terms = Terms { chain_id: chain_id.to(), max_fee: price.max(1) * FEE_ROOM, tip: 0 };
    let keys = (0..options.accounts).map(|index| derive(&funder, index)).collect::<Result<Vec<_>, _>>()?;
    let each = options.transactions.div_ceil(u64::from(options.accounts));
    let need = U256::from(each) * (U256::from(TRANSFER_GAS) * U256::from(terms.max_fee) + U256::from(1));
    let asked = keys.iter().map(|key| [value(key.address()), value("pending")]);
    let balances: Vec<U256> = rpc.ask_many("eth_getBalance", asked).await?;
    let poor: Vec<Address> =
        keys.iter().zip(&balances).filter(|(_, balance)| **balance < need).map(|(key, _)| key.address()).collect();
    if !poor.is_empty() {
        say.set_message(format!("funding {} accounts", poor.len()));
        fund(rpc, &funder, terms, &poor, need * U256::from(2)).await?;
    }
    let asked = keys.iter().map(|key| [value(key.address()), value("pending")]);
    let nonces: Vec<U64> = rpc.ask_many("eth_getTransactionCount", asked).await?;
    let accounts = keys.into_iter().zip(nonces).map(|(key, nonce)| (key, nonce.to())).collect();
    Ok(Funded { accounts, terms })
}

async fn fund(rpc: &Rpc, funder: &SignerKey, terms: Terms, poor: &[Address], amount: U256) -> Result<(), CliError> {
    let balance: U256 = rpc.ask("eth_getBalance", [value(funder.address()), value("pending")]).await?;
    let cost = amount + U256::from(TRANSFER_GAS) * U256::from(terms.max_fee);
    let total = cost * U256::from(poor.len());
    if balance < total {
        return Err(CliError::new(format!(
            "{} has {balance} wei, but funding {} accounts takes {total}; name a richer account with --key, or fewer with --accounts",
            funder.address(),
            poor.len()
        )));
    }
    let until = Instant::now() + FUNDING_LIMIT;
    let mut nonce = count(rpc, funder.address(), "pending").await?;
    for part in poor.chunks(FUNDING_AT_ONCE as usize) {
        let signed: Vec<Signed> =
            part.iter().zip(nonce..).map(|(to, nonce)| transfer(funder, terms, nonce, *to, amount)).collect();
        rpc.ask_many::<B256, 1>("eth_sendRawTransaction", signed.iter().map(|s| [value(&s.raw)])).await?;
        nonce += part.len() as u64;
        while count(rpc, funder.address(), "latest").await? < nonce {
            if Instant::now() >= until {
                let seconds = FUNDING_LIMIT.as_secs();
                return Err(CliError::new(format!(
                    "the accounts were not funded within {seconds} s; is the chain moving?"
                )));
            }
            sleep(POLL).await;
        }
    }
    Ok(())
}

async fn count(rpc: &Rpc, address: Address, tag: &str) -> Result<u64, CliError> {
    let count: U64 = rpc.ask("eth_getTransactionCount", [value(address), value(tag)]).await?;
    Ok(count.to())
}

fn derive(funder: &SignerKey, index: u32) -> Result<SignerKey, CliError> {
    // A signature of the funder is as secret as its key.
    let seed = funder.sign(keccak256(format!("horae load account {index}"))).0;
    SignerKey::from_bytes(&keccak256(seed).0).map_err(|e| CliError::new(e.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn accounts_are_the_same_in_every_run_and_differ_from_each_other() {
        let funder = SignerKey::from_bytes(&[3; 32]).unwrap();
        assert_eq!(derive(&funder, 5).unwrap().address(), derive(&funder, 5).unwrap().address());
        assert_ne!(derive(&funder, 5).unwrap().address(), derive(&funder, 6).unwrap().address());
    }
}
