//! `horae rewards`: what validators earn; settled, paid, shown, and reckoned ahead.

pub mod args;
mod calculator;
mod show;

use alloy_primitives::{B256, U256};
use horae_contracts::{RewardSchedule, Settlement, SettlementSignature};
use horae_node::chain_view::SettlementStatus;

use crate::{amount::metis, error::CliError, plan::Plan, rpc::Rpc};
use args::{RewardsCommand, SettleOptions};
use show::{Earner, Shown};

/// Does what the command line says.
pub async fn run(command: &RewardsCommand) -> Result<(), CliError> {
    match command {
        RewardsCommand::Show(options) => show::run(options).await,
        RewardsCommand::Settle(options) => settle(options).await,
        RewardsCommand::Calculator(options) => calculator::run(options),
    }
}

async fn settle(options: &SettleOptions) -> Result<(), CliError> {
    let signed: Option<SettlementStatus> = match &options.rpc {
        Some(url) => Rpc::new(url)?.ask("horae_settlement", []).await?,
        None => None,
    };
    let sender = options.send.sender().await?;
    let shown = show::read(sender.l1(), None).await?;
    let plan = match signed.filter(|signed| signed.index == shown.next_index) {
        Some(signed) => settling(&shown, signed),
        None => paying(&shown)?,
    };
    plan.carry_out(&sender, &options.send).await
}

fn settling(shown: &Shown, signed: SettlementStatus) -> Plan {
    let SettlementStatus { index, first_block, last_block, ids, blocks, rx, ry, z, .. } = signed;
    let split = ids.iter().zip(&blocks).map(|(id, blocks)| format!("validator {id}: {blocks}"));
    let plan = Plan::new(format!("settle the rewards of blocks {first_block} to {last_block}"))
        .fact("settlement", index)
        .fact("blocks of", split.collect::<Vec<_>>().join(", "))
        .fact("funds", metis(shown.funds));
    let word = |word: B256| U256::from_be_bytes(word.0);
    let signature = SettlementSignature { rx: word(rx), ry: word(ry), z: word(z) };
    let settlement = Settlement { index, firstBlock: first_block, lastBlock: last_block, ids, blocks };
    plan.call(shown.schedule, &RewardSchedule::settleCall { settlement, signature })
}

fn paying(shown: &Shown) -> Result<Plan, CliError> {
    let owed: Vec<&Earner> = shown.validators.iter().filter(|earner| !earner.owed.is_zero()).collect();
    if owed.is_empty() {
        return Err(CliError::new(
            "nothing to do: L1 owes nobody rewards, and no signed settlement was offered (name a node with --rpc); the nodes \
             settle by themselves when an epoch has ended",
        ));
    }
    let sum = owed.iter().fold(U256::ZERO, |sum, earner| sum + earner.owed);
    if shown.funds.is_zero() {
        let problem = format!("{} is owed, and the schedule has no funds to pay it with", metis(sum));
        return Err(CliError::new(problem));
    }
    let ids: Vec<u64> = owed.iter().map(|earner| earner.id).collect();
    Ok(Plan::new("pay validators what they are owed")
        .fact("validators", ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", "))
        .fact("owed", metis(sum))
        .fact("funds", metis(shown.funds))
        .call(shown.schedule, &RewardSchedule::payCall { ids }))
}
