//! The contracts that a load calls, deployed by the load where they are not there yet.
//!
//! Each is deployed by an account of its own, derived from the funder's key and the code, with that account's first transaction: so its
//! address follows from the key, is the same on every chain, and says whether it is there. The source of `LoadFunder` and `LoadMarket`
//! is `contracts/Load.sol`, beside the code that `contracts/build.mjs` makes of it; the token is `TestMetis` of the devnet.

use alloy::{sol, sol_types::SolCall};
use alloy_primitives::{Address, Bytes, TxKind, U256, hex, keccak256};
use horae_contracts::TestMetis;
use horae_control::SignerKey;

use super::{
    accounts::Seed,
    purse::Purse,
    wallet::{Action, sign},
};
use crate::{
    error::CliError,
    rpc::{Rpc, value},
};

sol! {
    interface Funder {
        function pay(uint256[] calldata items) external payable;
        function mint(address token, uint256 amount, address[] calldata accounts) external;
    }

    interface Market {
        function swap(uint256 given, bool forward) external returns (uint256 taken);
    }
}

/// Gas of a deployment: the largest takes a third of it.
const DEPLOY_GAS: u64 = 3_000_000;
/// Gas of a token's transfer, to an account that may never have held any.
pub const TOKEN_GAS: u64 = 80_000;
/// Gas of a swap.
pub const SWAP_GAS: u64 = 120_000;
/// What a swap gives. Reserves are 10^27, so any number of swaps leaves some.
const SWAP_GIVEN: u64 = 1_000_000;

/// One of the contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// Pays many accounts at once.
    Funder,
    /// The ERC-20.
    Token,
    /// What `contract` transactions call.
    Market,
}

impl Contract {
    const fn name(self) -> &'static str {
        match self {
            Self::Funder => "the funding contract",
            Self::Token => "the ERC-20 token",
            Self::Market => "the market",
        }
    }

    fn code(self) -> Result<Bytes, CliError> {
        let text = match self {
            Self::Token => return Ok(TestMetis::BYTECODE.clone()),
            Self::Funder => include_str!("contracts/LoadFunder.hex"),
            Self::Market => include_str!("contracts/LoadMarket.hex"),
        };
        hex::decode(text.trim()).map(Bytes::from).map_err(|why| CliError::because(self.name(), why))
    }

    /// Where it is, for loads that this key funds.
    pub fn address(self, funder: &SignerKey) -> Result<Address, CliError> {
        Ok(self.deployer(funder)?.address().create(0))
    }

    fn deployer(self, funder: &SignerKey) -> Result<SignerKey, CliError> {
        Seed::of(funder).key(&format!("deployer of {}", keccak256(self.code()?)))
    }

    /// Whether there is code at its address.
    pub async fn is_there(rpc: &Rpc, address: Address) -> Result<bool, CliError> {
        let code: Bytes = rpc.ask("eth_getCode", [value(address), value("latest")]).await?;
        Ok(!code.is_empty())
    }

    /// Its address, where it is now for sure.
    pub async fn ensure(self, purse: &mut Purse<'_>) -> Result<Address, CliError> {
        let address = self.address(purse.key())?;
        if Self::is_there(purse.rpc(), address).await? {
            return Ok(address);
        }
        purse.say(format!("deploying {}", self.name()));
        let (deployer, terms) = (self.deployer(purse.key())?, purse.terms());
        if purse.nonce_of(deployer.address()).await? != 0 {
            return Err(CliError::new(format!(
                "{} cannot be deployed: its deployer {} has sent something else; use another --key",
                self.name(),
                deployer.address()
            )));
        }
        let cost = U256::from(DEPLOY_GAS) * U256::from(terms.max_fee);
        purse.spend(vec![Action::transfer(deployer.address(), cost)]).await?;
        let action = Action { to: TxKind::Create, value: U256::ZERO, input: self.code()?, gas: DEPLOY_GAS };
        purse.send_for(&deployer, vec![sign(&deployer, terms, 0, action)], 1).await?;
        if !Self::is_there(purse.rpc(), address).await? {
            return Err(CliError::new(format!("{} is not at {address} after its deployment", self.name())));
        }
        Ok(address)
    }
}

/// Where the contracts are that the transactions of a load call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Called {
    /// The ERC-20, if the load has any of it.
    pub token: Option<Address>,
    /// The market, if the load has any of it.
    pub market: Option<Address>,
}

/// Sends a unit of the token.
pub fn token_transfer(token: Address, to: Address) -> Action {
    Action::call(token, TestMetis::transferCall { to, value: U256::ONE }.abi_encode(), TOKEN_GAS)
}

/// Swaps at the market.
pub fn swap(market: Address, forward: bool) -> Action {
    Action::call(market, Market::swapCall { given: U256::from(SWAP_GIVEN), forward }.abi_encode(), SWAP_GAS)
}

/// Has the funding contract pay accounts, wei each. Amounts that do not fit 96 bits are cut to that: more than there is.
pub fn pay(funder: Address, payees: &[(Address, U256)], gas: u64) -> Action {
    let item = |(to, amount): &(Address, U256)| {
        (*amount).min(U256::MAX >> 160_usize) << 160_usize | U256::from_be_slice(to.as_slice())
    };
    let items: Vec<U256> = payees.iter().map(item).collect();
    let total = payees.iter().map(|(_, amount)| *amount).sum();
    Action { value: total, ..Action::call(funder, Funder::payCall { items }.abi_encode(), gas) }
}

/// Has the funding contract mint `amount` of the token to each account.
pub fn mint(funder: Address, token: Address, amount: U256, accounts: &[Address], gas: u64) -> Action {
    let call = Funder::mintCall { token, amount, accounts: accounts.to_vec() };
    Action::call(funder, call.abi_encode(), gas)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_follow_from_the_key_and_differ() {
        let key = |seed| SignerKey::from_bytes(&[seed; 32]).unwrap();
        let all = [Contract::Funder, Contract::Token, Contract::Market];
        let of = |seed| all.map(|contract| contract.address(&key(seed)).unwrap());
        assert_eq!(of(1), of(1));
        let [a, b, c] = of(1);
        assert!(a != b && b != c && a != c && of(2)[0] != a);
    }

    #[test]
    fn an_item_holds_the_amount_above_the_account() {
        let action = pay(Address::ZERO, &[(Address::repeat_byte(0x11), U256::from(5))], 1);
        let items = Funder::payCall::abi_decode(&action.input).unwrap().items;
        assert_eq!(items[0] >> 160_usize, U256::from(5));
        assert_eq!(Address::from_slice(&items[0].to_be_bytes::<32>()[12..]), Address::repeat_byte(0x11));
        assert_eq!(action.value, U256::from(5));
    }
}
