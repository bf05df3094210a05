//! `horae governance status`

use alloy_primitives::{Address, U256};
use horae_contracts::{
    Applications, ForcedQueue, HoraeGovernor, LockingPool, ProxyAdmin, RewardSchedule, Slasher, TestMetis, VotingPower,
};
use horae_node::edges::l1::L1;
use serde_json::json;

use super::{args::StatusOptions, contracts::Governance};
use crate::{
    amount::{lasting, metis, percent},
    error::CliError,
    json,
};

/// `IRules.Kind`, in words.
const KINDS: [&str; 3] = ["general", "sequencer", "liquid staking"];

/// Prints governance.
pub async fn run(options: &StatusOptions) -> Result<(), CliError> {
    let l1 = options.l1.connect().await?;
    let g = Governance::find(&l1, &options.l1, &options.governor).await?;
    let (delay, period) = g.voting_s(&l1).await?;
    let timelock_s = g.timelock_s(&l1).await?;
    let threshold: U256 = l1.view(g.governor, HoraeGovernor::proposalThresholdCall {}).await?;
    let bond: U256 = l1.view(g.applications, Applications::bondCall {}).await?;
    let funds: U256 = l1.view(g.metis, TestMetis::balanceOfCall { account: g.timelock }).await?;
    let mut rules = Vec::new();
    for (kind, name) in (0..).zip(KINDS) {
        let rule = g.rule(&l1, kind).await?;
        rules.push((name, U256::from(rule.quorum), rule.share));
    }
    let second = l1.head().await?.timestamp_s;
    let past = VotingPower::getPastTotalSupplyCall { timepoint: U256::from(second.saturating_sub(1)) };
    let votes: U256 = l1.view(g.power, past).await?;
    let owned = owned(&l1, &g).await?;
    if options.json {
        let rules: Vec<_> = rules
            .iter()
            .map(|(kind, quorum, share)| json!({ "kind": kind, "quorum": quorum, "share": share }))
            .collect();
        let owned: Vec<_> = owned
            .iter()
            .map(|(name, at, owner)| json!({ "contract": name, "address": at, "owner": owner, "isGovernance": *owner == g.timelock }))
            .collect();
        return json::print(&json!({
            "governor": g.governor, "timelock": g.timelock, "applications": g.applications, "votingPower": g.power,
            "votingMetis": g.wrapped, "stakeVotes": g.stakes, "votingDelay": delay, "votingPeriod": period,
            "timelockDelay": timelock_s, "proposalThreshold": threshold, "bond": bond, "rules": rules, "owns": owned,
            "votes": votes, "funds": funds,
        }));
    }
    println!("governor      {}", g.governor);
    println!("timelock      {}, holds {}", g.timelock, metis(funds));
    println!("applications  {}, bond {}", g.applications, metis(bond));
    println!("voting METIS  {}", g.wrapped);
    println!("votes         {} in all", metis(votes));
    println!("proposers     hold {} of votes", metis(threshold));
    println!(
        "times         {} to the vote, {} of vote, {} at the timelock",
        lasting(delay),
        lasting(period),
        lasting(timelock_s)
    );
    for (kind, quorum, share) in rules {
        println!("needed        {kind}: {} of votes, {} in favour", metis(quorum), percent(share));
    }
    for (name, at, owner) in owned {
        let whose = if owner == g.timelock {
            "owned by governance".to_owned()
        } else {
            format!("owned by {owner}, NOT by governance")
        };
        println!("{name:<12}  {at}, {whose}");
    }
    Ok(())
}

/// What governance is to own, and who does: the contracts, and who may change the code behind each.
async fn owned(l1: &L1, g: &Governance) -> Result<Vec<(&'static str, Address, Address)>, CliError> {
    let mut owned = vec![
        ("pool", g.pool, l1.view(g.pool, LockingPool::ownerCall {}).await?),
        ("queue", g.queue, l1.view(g.queue, ForcedQueue::ownerCall {}).await?),
    ];
    if !g.slasher.is_zero() {
        owned.push(("slasher", g.slasher, l1.view(g.slasher, Slasher::ownerCall {}).await?));
    }
    if !g.rewards.is_zero() {
        owned.push(("rewards", g.rewards, l1.view(g.rewards, RewardSchedule::ownerCall {}).await?));
    }
    let proxies = [
        ("pool code", g.pool),
        ("inbox code", g.inbox),
        ("queue code", g.queue),
        ("slasher code", g.slasher),
        ("rewards code", g.rewards),
    ];
    for (name, proxy) in proxies.into_iter().filter(|(_, proxy)| !proxy.is_zero()) {
        let admin = l1.proxy_admin(proxy).await?;
        if !admin.is_zero() {
            owned.push((name, admin, l1.view(admin, ProxyAdmin::ownerCall {}).await?));
        }
    }
    Ok(owned)
}
