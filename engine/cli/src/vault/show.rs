//! `horae vault show`

use alloy_primitives::{Address, U256};
use horae_contracts::{LiquidStakingFactory, LiquidStakingVault};
use horae_node::edges::l1::L1;
use serde::Serialize;

use super::{args::ShowOptions, factory, require, tokens};
use crate::{
    amount::{metis, percent},
    error::CliError,
    governance::proposal::printable,
    json,
    moment::moment,
};

/// Most rounds that are shown: the last ones.
const ROUNDS: u64 = 20;

/// A vault. Amounts in wei of METIS.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    vault: Address,
    name: String,
    provider: Address,
    /// `None` while it has no validator.
    validator: Option<u64>,
    is_closed: bool,
    total_assets: U256,
    cash: U256,
    reserved: U256,
    /// What the shares in the queue are worth.
    queued: U256,
    cover: U256,
    cover_needed: U256,
    fee: u16,
    fee_owed: U256,
    room: U256,
    holding: Option<Holding>,
}

/// What an account has in it, in wei of METIS.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Holding {
    holder: Address,
    #[serde(skip)]
    shares: U256,
    worth: U256,
    waiting: U256,
    claimable: U256,
    votes: U256,
}

/// A round of providers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    round: u64,
    begin: u64,
    end: u64,
    places: u32,
    approved: u32,
    cover: U256,
}

/// Prints a vault, or the rounds.
pub async fn run(options: &ShowOptions) -> Result<(), CliError> {
    let l1 = options.l1.connect().await?;
    let (_, factory) = factory(&l1, &options.l1, &options.governor).await?;
    let vault = match (options.vault, options.provider) {
        (Some(vault), _) => vault,
        (None, Some(provider)) => {
            let vault = l1.view(factory, LiquidStakingFactory::vaultOfCall { provider }).await?;
            match vault.is_zero() {
                true => return Err(CliError::new(format!("{provider} runs no vault"))),
                false => vault,
            }
        }
        (None, None) => return rounds(&l1, factory, options.json).await,
    };
    require(&l1, factory, vault).await?;
    let shown = read(&l1, vault, options.holder).await?;
    if options.json {
        return json::print(&shown);
    }
    println!("vault      {vault}, {}{}", printable(&shown.name), if shown.is_closed { ", CLOSED" } else { "" });
    println!("provider   {}, fee {} of rewards, {} owed", shown.provider, percent(shown.fee), metis(shown.fee_owed));
    match shown.validator {
        Some(id) => println!("validator  {id}; `horae stake show --id {id}`"),
        None => println!("validator  none"),
    }
    println!("assets     {}, {} in hand", metis(shown.total_assets), metis(shown.cash));
    println!("queue      shares worth {}; {} set aside for claims", metis(shown.queued), metis(shown.reserved));
    println!("cover      {} of {}", metis(shown.cover), metis(shown.cover_needed));
    println!("room       for {} more", metis(shown.room));
    if let Some(holding) = &shown.holding {
        println!("holder     {}", holding.holder);
        println!("  shares   {}, worth {}", tokens(&l1, vault, holding.shares).await?, metis(holding.worth));
        println!("  leaving  shares worth {}, {} to claim", metis(holding.waiting), metis(holding.claimable));
        println!("  votes    {}", metis(holding.votes));
    }
    Ok(())
}

async fn read(l1: &L1, vault: Address, holder: Option<Address>) -> Result<Shown, CliError> {
    let validator = l1.view(vault, LiquidStakingVault::validatorIdCall {}).await?;
    let holding = match holder {
        Some(holder) => Some(held(l1, vault, holder).await?),
        None => None,
    };
    Ok(Shown {
        vault,
        name: l1.view(vault, LiquidStakingVault::nameCall {}).await?,
        provider: l1.view(vault, LiquidStakingVault::providerCall {}).await?,
        validator: (validator != 0).then_some(validator),
        is_closed: l1.view(vault, LiquidStakingVault::isClosedCall {}).await?,
        total_assets: l1.view(vault, LiquidStakingVault::totalAssetsCall {}).await?,
        cash: l1.view(vault, LiquidStakingVault::cashCall {}).await?,
        reserved: l1.view(vault, LiquidStakingVault::reservedCall {}).await?,
        queued: l1.view(vault, LiquidStakingVault::queuedCall {}).await?.assets,
        cover: l1.view(vault, LiquidStakingVault::coverCall {}).await?,
        cover_needed: l1.view(vault, LiquidStakingVault::coverNeededCall {}).await?,
        fee: l1.view(vault, LiquidStakingVault::feeCall {}).await?,
        fee_owed: l1.view(vault, LiquidStakingVault::feeOwedCall {}).await?,
        room: l1.view(vault, LiquidStakingVault::maxDepositCall(Address::ZERO)).await?,
        holding,
    })
}

async fn held(l1: &L1, vault: Address, holder: Address) -> Result<Holding, CliError> {
    let shares: U256 = l1.view(vault, LiquidStakingVault::balanceOfCall { account: holder }).await?;
    let waiting = LiquidStakingVault::pendingRedeemRequestCall { requestId: U256::ZERO, controller: holder };
    let waiting: U256 = l1.view(vault, waiting).await?;
    Ok(Holding {
        holder,
        shares,
        worth: l1.view(vault, LiquidStakingVault::convertToAssetsCall { shares }).await?,
        waiting: l1.view(vault, LiquidStakingVault::convertToAssetsCall { shares: waiting }).await?,
        claimable: l1.view(vault, LiquidStakingVault::maxWithdrawCall { controller: holder }).await?,
        votes: l1.view(vault, LiquidStakingVault::getVotesCall { account: holder }).await?,
    })
}

async fn rounds(l1: &L1, factory: Address, as_json: bool) -> Result<(), CliError> {
    let count: U256 = l1.view(factory, LiquidStakingFactory::roundCountCall {}).await?;
    let count: u64 = count.saturating_to();
    let mut rounds = Vec::new();
    for round in (count.saturating_sub(ROUNDS) + 1..=count).rev() {
        let found = l1.view(factory, LiquidStakingFactory::roundAtCall { round: U256::from(round) }).await?;
        rounds.push(Round {
            round,
            begin: found.begin,
            end: found.end,
            places: found.places,
            approved: found.approved,
            cover: U256::from(found.cover),
        });
    }
    if as_json {
        return json::print(&rounds);
    }
    if rounds.is_empty() {
        println!("governance has opened no round of providers yet; `horae governance propose open-round`");
        return Ok(());
    }
    let now = l1.head().await?.timestamp_s;
    println!("{:>5}  {:>6}  {:>8}  {:>14}  from, to", "round", "places", "approved", "cover");
    for Round { round, begin, end, places, approved, cover } in &rounds {
        let (from, to, cover) = (moment(*begin, now), moment(*end, now), metis(*cover));
        println!("{round:>5}  {places:>6}  {approved:>8}  {cover:>14}  {from}, {to}");
    }
    Ok(())
}
