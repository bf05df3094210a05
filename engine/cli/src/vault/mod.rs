//! `horae vault`: what providers and holders of shares do at vaults of liquid staking.

pub mod args;
mod show;

use alloy_primitives::{Address, U256};
use horae_contracts::{HoraeGovernor, LiquidStakingFactory, LiquidStakingVault, LockingPool, TestMetis};
use horae_node::edges::l1::{L1, Sender};

use crate::{
    amount::{lasting, metis, percent},
    error::CliError,
    ethereum::L1Options,
    governance::contracts::{Governance, GovernorOption},
    moment::moment,
    plan::Plan,
    stake::Registration,
};
use args::{CreateOptions, DepositOptions, LockOptions, VaultCommand, VaultOptions, WithdrawOptions};

/// Does what the command line says.
pub async fn run(command: &VaultCommand) -> Result<(), CliError> {
    match command {
        VaultCommand::Show(options) => show::run(options).await,
        VaultCommand::Create(options) => create(options).await,
        VaultCommand::Deposit(options) => deposit(options).await,
        VaultCommand::Withdraw(options) => withdraw(options).await,
        VaultCommand::Claim(options) => claim(options).await,
        VaultCommand::Rebalance(options) => rebalance(options).await,
        VaultCommand::Cover(options) => cover(options).await,
        VaultCommand::Lock(options) => lock(options).await,
    }
}

/// The factory of vaults: where governance approves providers.
async fn factory(l1: &L1, chain: &L1Options, governor: &GovernorOption) -> Result<(Governance, Address), CliError> {
    let governance = Governance::find(l1, chain, governor).await?;
    let approval = l1.view(governance.governor, HoraeGovernor::liquidStakingCall {}).await?;
    match approval.target.is_zero() {
        true => Err(CliError::new("governance has named no factory of vaults on this chain yet")),
        false => Ok((governance, approval.target)),
    }
}

async fn create(options: &CreateOptions) -> Result<(), CliError> {
    let sender = options.send.sender().await?;
    let (l1, provider) = (sender.l1(), sender.address());
    let (_, factory) = factory(l1, &options.send.l1, &options.governor).await?;
    let round = match options.round {
        Some(round) => round,
        None => l1.view(factory, LiquidStakingFactory::roundCountCall {}).await?,
    };
    let found = l1.view(factory, LiquidStakingFactory::roundAtCall { round }).await?;
    if found.places == 0 {
        return Err(CliError::new("no round takes applications of providers; see `horae vault show`"));
    }
    let now = l1.head().await?.timestamp_s;
    let vault = l1.view(factory, LiquidStakingFactory::vaultAddressCall { round, provider }).await?;
    let plan = Plan::new(format!("ask for the vault {} ({})", options.name, options.symbol))
        .fact("provider", provider)
        .fact(
            "round",
            format!(
                "{round}, {} of {} places left, ends {}",
                found.places.saturating_sub(found.approved),
                found.places,
                moment(found.end, now)
            ),
        )
        .fact("fee", format!("{} of rewards", percent(options.fee)))
        .fact(
            "cover",
            format!(
                "{} of your own, which slashes take first; added later by `horae vault cover`",
                metis(U256::from(found.cover))
            ),
        )
        .fact("vault", format!("{vault}, once it is approved"))
        .fact("next", "`horae apply liquid-staking`: the vote makes the vault");
    let call = LiquidStakingFactory::applyForCall {
        round,
        name: options.name.clone(),
        symbol: options.symbol.clone(),
        fee: options.fee,
        metadata: options.metadata.clone(),
    };
    plan.call(factory, &call).carry_out(&sender, &options.send).await
}

async fn deposit(options: &DepositOptions) -> Result<(), CliError> {
    let (sender, governance) = at(&options.at).await?;
    let (l1, vault, amount) = (sender.l1(), options.at.vault, options.amount);
    let shares: U256 = l1.view(vault, LiquidStakingVault::previewDepositCall { assets: amount }).await?;
    let room: U256 = l1.view(vault, LiquidStakingVault::maxDepositCall(sender.address())).await?;
    if room < amount {
        return Err(CliError::new(format!("the vault takes {} more, no more than that", metis(room))));
    }
    let plan = Plan::new(format!("deposit {}", metis(amount)))
        .fact("vault", vault)
        .fact("for", tokens(l1, vault, shares).await?)
        .fact(
            "back",
            format!(
                "by `horae vault withdraw`, {} later at the earliest; slashed with its validator until then",
                exit_delay(l1).await?
            ),
        );
    let plan = approved(plan, &sender, &governance, vault, amount).await?;
    let call = LiquidStakingVault::depositCall { assets: amount, receiver: sender.address() };
    plan.call(vault, &call).carry_out(&sender, &options.at.send).await
}

async fn withdraw(options: &WithdrawOptions) -> Result<(), CliError> {
    let (sender, _) = at(&options.at).await?;
    let (l1, vault, account) = (sender.l1(), options.at.vault, sender.address());
    let held: U256 = l1.view(vault, LiquidStakingVault::balanceOfCall { account }).await?;
    let shares = match options.amount {
        Some(assets) => l1.view(vault, LiquidStakingVault::convertToSharesCall { assets }).await?,
        None => held,
    };
    if shares.is_zero() || shares > held {
        let worth: U256 = l1.view(vault, LiquidStakingVault::convertToAssetsCall { shares: held }).await?;
        return Err(CliError::new(format!("{account} has shares worth {} in this vault", metis(worth))));
    }
    let worth: U256 = l1.view(vault, LiquidStakingVault::convertToAssetsCall { shares }).await?;
    let plan = Plan::new("put shares into the queue to leave")
        .fact("vault", vault)
        .fact("shares", tokens(l1, vault, shares).await?)
        .fact("worth now", metis(worth))
        .fact("served", format!("{} later at the earliest, at the price of that moment", exit_delay(l1).await?))
        .fact("then", "`horae vault claim`");
    let call = LiquidStakingVault::requestRedeemCall { shares, controller: account, owner: account };
    plan.call(vault, &call).carry_out(&sender, &options.at.send).await
}

async fn claim(options: &VaultOptions) -> Result<(), CliError> {
    let (sender, _) = at(options).await?;
    let (l1, vault, account) = (sender.l1(), options.vault, sender.address());
    let assets: U256 = l1.view(vault, LiquidStakingVault::maxWithdrawCall { controller: account }).await?;
    if assets.is_zero() {
        return Err(CliError::new(format!(
            "nothing of {account} was served yet; see `horae vault show --vault {vault} --holder {account}`, and `horae vault rebalance`"
        )));
    }
    let plan = Plan::new(format!("claim {}", metis(assets))).fact("vault", vault).fact("paid to", account);
    let shares: U256 = l1.view(vault, LiquidStakingVault::maxRedeemCall { controller: account }).await?;
    let call = LiquidStakingVault::redeemCall { shares, receiver: account, controller: account };
    plan.call(vault, &call).carry_out(&sender, &options.send).await
}

async fn rebalance(options: &VaultOptions) -> Result<(), CliError> {
    let (sender, _) = at(options).await?;
    let plan = Plan::new("do the vault's upkeep").fact("vault", options.vault);
    plan.call(options.vault, &LiquidStakingVault::rebalanceCall {}).carry_out(&sender, &options.send).await
}

async fn cover(options: &DepositOptions) -> Result<(), CliError> {
    let (sender, governance) = at(&options.at).await?;
    let (l1, vault, amount) = (sender.l1(), options.at.vault, options.amount);
    let now: U256 = l1.view(vault, LiquidStakingVault::coverCall {}).await?;
    let needed: U256 = l1.view(vault, LiquidStakingVault::coverNeededCall {}).await?;
    let plan = Plan::new(format!("add {} to the cover", metis(amount)))
        .fact("vault", vault)
        .fact("cover now", format!("{} of {}", metis(now), metis(needed)))
        .fact("back", "to the provider, while the vault has no validator; slashes take it first");
    let plan = approved(plan, &sender, &governance, vault, amount).await?;
    plan.call(vault, &LiquidStakingVault::addCoverCall { amount }).carry_out(&sender, &options.at.send).await
}

async fn lock(options: &LockOptions) -> Result<(), CliError> {
    let (sender, _) = at(&options.at).await?;
    let (l1, vault, send) = (sender.l1(), options.at.vault, &options.at.send);
    let found = Registration::find(options.registration.as_deref(), send.l1.home.as_deref(), vault, l1)?;
    let cash: U256 = l1.view(vault, LiquidStakingVault::cashCall {}).await?;
    let plan = Plan::new("lock the vault's METIS as a validator")
        .fact("vault", vault)
        .fact("in hand", metis(cash))
        .fact("signer", found.signer)
        .fact("node key", found.node_key);
    let call = LiquidStakingVault::lockCall { signer: found.signer, nodeKey: found.node_key, proof: found.proof };
    plan.call(vault, &call).carry_out(&sender, send).await
}

/// The account that sends, once the vault is found to be one of the factory's: no other contract is to be given METIS.
async fn at(options: &VaultOptions) -> Result<(Sender, Governance), CliError> {
    let sender = options.send.sender().await?;
    let (governance, factory) = factory(sender.l1(), &options.send.l1, &options.governor).await?;
    require(sender.l1(), factory, options.vault).await?;
    Ok((sender, governance))
}

async fn require(l1: &L1, factory: Address, vault: Address) -> Result<(), CliError> {
    match l1.view(factory, LiquidStakingFactory::isVaultCall { vault }).await? {
        true => Ok(()),
        false => Err(CliError::new(format!("{vault} is no vault of this chain's factory ({factory})"))),
    }
}

async fn approved(
    plan: Plan,
    sender: &Sender,
    governance: &Governance,
    spender: Address,
    amount: U256,
) -> Result<Plan, CliError> {
    let allowance = TestMetis::allowanceCall { owner: sender.address(), spender };
    if sender.l1().view(governance.metis, allowance).await? >= amount {
        return Ok(plan);
    }
    Ok(plan.call(governance.metis, &TestMetis::approveCall { spender, value: amount }))
}

/// Shares, as a wallet shows them.
async fn tokens(l1: &L1, vault: Address, shares: U256) -> Result<String, CliError> {
    let decimals = l1.view(vault, LiquidStakingVault::decimalsCall {}).await?;
    let symbol = l1.view(vault, LiquidStakingVault::symbolCall {}).await?;
    let text = alloy_primitives::utils::format_units(shares, decimals)
        .map_err(|why| CliError::because(format!("{vault} has shares of {decimals} decimals"), why))?;
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Ok(format!("{text} {}", crate::governance::proposal::printable(&symbol)))
}

async fn exit_delay(l1: &L1) -> Result<String, CliError> {
    Ok(lasting(l1.view(l1.locking(), LockingPool::EXIT_DELAYCall {}).await?))
}
