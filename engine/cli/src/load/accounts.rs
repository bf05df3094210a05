//! The accounts of a load: derived from the key that funds them, and topped up only where they lack something, so that a second run
//! begins at once.

use alloy::sol_types::SolCall;
use alloy_primitives::{Address, Bytes, U64, U256, keccak256};
use horae_contracts::TestMetis;
use horae_control::SignerKey;
use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::json;

use super::{
    contracts::{Called, Contract, mint, pay},
    mix::{Kind, Mix},
    purse::{AT_ONCE, Purse},
    wallet::Terms,
};
use crate::{
    account::parse_key,
    devnet::test_key,
    error::CliError,
    rpc::{Rpc, value},
};

/// The most that is paid is this many times the price of gas at the start.
pub const FEE_ROOM: u128 = 4;
/// Accounts are topped up to this many times what the run may cost them, so that the next one finds them funded.
const PAY_AHEAD: u64 = 2;
/// Gas of paying one account that does not exist yet.
const PAY_GAS: u64 = 45_000;
/// Gas of minting to one account.
const MINT_GAS: u64 = 60_000;
/// Gas of one funding transaction at most (EIP-7825 lets none have more than 2^24).
const FUNDING_GAS: u64 = 12_000_000;
/// Tokens that an account is topped up to.
const TOKENS: u64 = 1 << 40;

/// The key that funds.
pub fn funder(key: Option<&str>) -> Result<SignerKey, CliError> {
    match key {
        Some(text) => parse_key("--key", text),
        None => test_key(0),
    }
}

/// Where the keys of a load's own accounts come from.
pub struct Seed([u8; 32]);

impl Seed {
    /// Of the loads that this key funds.
    pub fn of(funder: &SignerKey) -> Self {
        // A signature of the funder is as secret as its key.
        Self(keccak256(funder.sign(keccak256("horae load accounts")).0).0)
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Result<SignerKey, CliError> {
        SignerKey::from_bytes(&keccak256([&self.0, name.as_bytes()].concat()).0)
            .map_err(|e| CliError::new(e.to_string()))
    }
}

/// What the chain asks of every transaction now.
pub async fn terms(rpc: &Rpc) -> Result<Terms, CliError> {
    let chain_id: U64 = rpc.ask("eth_chainId", []).await?;
    let price: U256 = rpc.ask("eth_gasPrice", []).await?;
    let price = u128::try_from(price).map_err(|_| CliError::new("the node's price of gas is absurd"))?;
    // Not every endpoint suggests a tip; those that do not take transactions without one.
    let tip: U256 = rpc.try_ask("eth_maxPriorityFeePerGas", []).await.unwrap_or_default();
    let max_fee = price.max(1).saturating_mul(FEE_ROOM);
    Ok(Terms { chain_id: chain_id.to(), max_fee, tip: u128::try_from(tip).unwrap_or(max_fee).min(max_fee) })
}

/// The next nonce of each account.
pub async fn nonces(rpc: &Rpc, accounts: &[Address]) -> Result<Vec<u64>, CliError> {
    let asked = accounts.iter().map(|account| [value(account), value("pending")]);
    let nonces: Vec<U64> = rpc.ask_many("eth_getTransactionCount", asked).await?;
    Ok(nonces.into_iter().map(|nonce| nonce.to()).collect())
}

/// Deploys what a mix calls.
pub async fn deploy(purse: &mut Purse<'_>, mix: &Mix) -> Result<Called, CliError> {
    let mut called = Called::default();
    if mix.has(Kind::Erc20) {
        called.token = Some(Contract::Token.ensure(purse).await?);
    }
    if mix.has(Kind::Contract) {
        called.market = Some(Contract::Market.ensure(purse).await?);
    }
    Ok(called)
}

/// Tops up accounts that have less wei than they need, or no tokens for what they send of them.
pub async fn fund(
    rpc: &Rpc,
    key: &SignerKey,
    terms: Terms,
    needs: &[(Address, U256)],
    token: Option<Address>,
    say: &ProgressBar,
) -> Result<(), CliError> {
    say.set_message(format!("asking what {} accounts have", needs.len()));
    let asked = needs.iter().map(|(account, _)| [value(account), value("pending")]);
    let balances: Vec<U256> = rpc.ask_many("eth_getBalance", asked).await?;
    let poor: Vec<(Address, U256)> = needs
        .iter()
        .zip(&balances)
        .filter(|((_, need), balance)| *balance < need)
        .map(|((account, need), balance)| (*account, *need * U256::from(PAY_AHEAD) - *balance))
        .collect();
    let unminted = match token {
        Some(token) => without_tokens(rpc, token, needs).await?,
        None => Vec::new(),
    };
    if poor.is_empty() && unminted.is_empty() {
        return Ok(());
    }
    let gas_at_once = FUNDING_GAS.min(gas_limit(rpc).await? / 2);
    let mut purse = Purse::open(rpc, key, terms, say).await?;
    let gas = PAY_GAS * poor.len() as u64 + MINT_GAS * unminted.len() as u64;
    let total = poor.iter().map(|(_, amount)| *amount).sum::<U256>() + U256::from(gas) * U256::from(terms.max_fee);
    purse.check(total, poor.len().max(unminted.len())).await?;
    let contract = Contract::Funder.ensure(&mut purse).await?;

    let each_time = |gas: u64| ((gas_at_once / gas) as usize).max(2) - 1;
    // One more than those paid: the rest of the transaction takes less than an account does.
    let gas_of = |gas: u64, count: usize| gas * (count as u64 + 1);
    let mut done = 0;
    for part in poor.chunks(each_time(PAY_GAS) * AT_ONCE) {
        say.set_message(format!("funding {} accounts: {done} are", poor.len()));
        let action = |part: &[(Address, U256)]| pay(contract, part, gas_of(PAY_GAS, part.len()));
        purse.spend(part.chunks(each_time(PAY_GAS)).map(action).collect()).await?;
        done += part.len();
    }
    done = 0;
    for part in unminted.chunks(each_time(MINT_GAS) * AT_ONCE) {
        say.set_message(format!("minting tokens to {} accounts: {done} have some", unminted.len()));
        let Some(token) = token else { break };
        let action = |part: &[Address]| mint(contract, token, U256::from(TOKENS), part, gas_of(MINT_GAS, part.len()));
        purse.spend(part.chunks(each_time(MINT_GAS)).map(action).collect()).await?;
        done += part.len();
    }
    Ok(())
}

async fn without_tokens(rpc: &Rpc, token: Address, needs: &[(Address, U256)]) -> Result<Vec<Address>, CliError> {
    let asked = needs.iter().map(|(account, _)| {
        let input = Bytes::from(TestMetis::balanceOfCall { account: *account }.abi_encode());
        [json!({"to": token, "input": input}), value("latest")]
    });
    let held: Vec<Bytes> = rpc.ask_many("eth_call", asked).await?;
    let is_poor = |held: &Bytes| U256::try_from_be_slice(held).unwrap_or_default() < U256::from(TOKENS / 2);
    Ok(needs.iter().zip(&held).filter(|(_, held)| is_poor(held)).map(|((account, _), _)| *account).collect())
}

async fn gas_limit(rpc: &Rpc) -> Result<u64, CliError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Header {
        gas_limit: U64,
    }
    let header: Header = rpc.ask("eth_getBlockByNumber", [value("latest"), value(false)]).await?;
    Ok(header.gas_limit.to())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_are_the_same_in_every_run_and_differ_from_each_other() {
        let funder = SignerKey::from_bytes(&[3; 32]).unwrap();
        let address = |name: &str| Seed::of(&funder).key(name).unwrap().address();
        assert_eq!(address("account 5"), address("account 5"));
        assert_ne!(address("account 5"), address("account 6"));
    }
}
