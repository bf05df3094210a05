//! `horae vote power`

use alloy_primitives::{Address, U256};
use horae_contracts::{HoraeGovernor, StakeVotes, VotingMetis, VotingPower};
use horae_node::home::Home;
use serde::Serialize;

use super::args::PowerOptions;
use crate::{amount::metis, error::CliError, ethereum::keys_of, governance::contracts::Governance, json};

/// An account's votes, in wei of METIS.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Power {
    account: Address,
    /// All that it votes with, also for others.
    votes: U256,
    wrapped: U256,
    /// Who votes with that; zero for nobody.
    wrapped_votes_for: Address,
    wrapped_votes: U256,
    staked: U256,
    stake_votes_for: Address,
    stake_votes: U256,
    may_propose: bool,
    proposal_threshold: U256,
}

/// Prints them.
pub async fn run(options: &PowerOptions) -> Result<(), CliError> {
    let account = match (options.of, &options.l1.home) {
        (Some(account), _) => account,
        (None, Some(home)) => keys_of(&Home::new(home))?.signer_address(),
        (None, None) => return Err(CliError::new("name an account: --of ADDRESS")),
    };
    let l1 = options.l1.connect().await?;
    let g = Governance::find(&l1, &options.l1, &options.governor).await?;
    let votes: U256 = l1.view(g.power, VotingPower::getVotesCall { account }).await?;
    let proposal_threshold: U256 = l1.view(g.governor, HoraeGovernor::proposalThresholdCall {}).await?;
    let power = Power {
        account,
        votes,
        wrapped: l1.view(g.wrapped, VotingMetis::balanceOfCall { account }).await?,
        wrapped_votes_for: l1.view(g.wrapped, VotingMetis::delegatesCall { account }).await?,
        wrapped_votes: l1.view(g.wrapped, VotingMetis::getVotesCall { account }).await?,
        staked: l1.view(g.stakes, StakeVotes::stakeOfCall { owner: account }).await?,
        stake_votes_for: l1.view(g.stakes, StakeVotes::delegatesCall { account }).await?,
        stake_votes: l1.view(g.stakes, StakeVotes::getVotesCall { account }).await?,
        may_propose: votes >= proposal_threshold,
        proposal_threshold,
    };
    if options.json {
        return json::print(&power);
    }
    println!("account        {account}");
    println!("votes          {}", metis(power.votes));
    println!("  of wrapped   {} (own and delegated to it)", metis(power.wrapped_votes));
    println!("  of stake     {} (own and delegated to it)", metis(power.stake_votes));
    let idle = power.wrapped_votes_for.is_zero() && !power.wrapped.is_zero();
    let voter = |voter: Address| if voter == account { "itself".to_owned() } else { voter.to_string() };
    match idle {
        true => println!(
            "wrapped METIS  {}, which votes for NOBODY: `horae vote delegate --to {account}`",
            metis(power.wrapped)
        ),
        false if power.wrapped.is_zero() => println!("wrapped METIS  none"),
        false => println!("wrapped METIS  {}, votes for {}", metis(power.wrapped), voter(power.wrapped_votes_for)),
    }
    match power.staked.is_zero() {
        true => println!("locked stake   none that votes"),
        false => println!("locked stake   {}, votes for {}", metis(power.staked), voter(power.stake_votes_for)),
    }
    let may = if power.may_propose { "may propose" } else { "may not propose" };
    println!("proposing      {may}: that takes {}", metis(power.proposal_threshold));
    Ok(())
}
