//! `horae rewards show`: the RewardSchedule and what each validator has of it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use horae_contracts::{
    BatchInbox, LockingPool, RewardSchedule, TestMetis,
    reward::{FIRST_RATE, YEAR_S},
};
use horae_node::edges::l1::L1;
use serde::Serialize;

use crate::{
    amount::{metis, percent},
    error::CliError,
    json,
    rewards::args::ShowOptions,
};

/// The schedule. Amounts in wei of METIS, times in Unix seconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The contract.
    pub schedule: Address,
    /// When the twelve months began; zero if they have not.
    begun_at: u64,
    /// Yearly, in 1 / 10,000, as of L1's head.
    rate: u16,
    /// What a settlement could pay at most now.
    allowed: U256,
    /// What is settled and not paid.
    owed: U256,
    /// How much of that is not there.
    missing: U256,
    /// What there is to pay with.
    pub funds: U256,
    /// Index of the next settlement.
    pub next_index: u64,
    /// Last block that was settled.
    last_settled: u64,
    /// Last block that L1 has, and that could be settled once its epoch has ended.
    last_accepted: u64,
    /// Those that have anything, or have had in what was read, ascending.
    pub validators: Vec<Earner>,
}

/// A validator's part.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Earner {
    /// Its number.
    pub id: u64,
    /// All that it has earned; only with --history.
    #[serde(skip_serializing_if = "Option::is_none")]
    earned: Option<U256>,
    /// Earned, and owed by the schedule for lack of funds.
    pub owed: U256,
    /// Paid to the LockingPool, for its owner to lock or withdraw.
    credited: U256,
}

/// Prints it.
pub async fn run(options: &ShowOptions) -> Result<(), CliError> {
    let l1 = options.l1.connect().await?;
    let from = options.l1.genesis()?.l1.origin_number;
    let history = options.history.then_some(from);
    let shown = read(&l1, history).await?;
    if options.json {
        return json::print(&shown);
    }
    println!("schedule      {}", shown.schedule);
    match shown.begun_at {
        0 => println!("begun         not yet: nothing is earned until governance begins the twelve months"),
        at => println!("begun         at {at} (Unix time)"),
    }
    println!("rate          {} a year", percent(shown.rate));
    println!(
        "settled       {} times, up to block {}; L1 has {}",
        shown.next_index, shown.last_settled, shown.last_accepted
    );
    println!("allowed       {}, for the blocks since", metis(shown.allowed));
    println!("owed          {}, of which {} is missing", metis(shown.owed), metis(shown.missing));
    println!("funds         {}", metis(shown.funds));
    for Earner { id, earned, owed, credited } in &shown.validators {
        let earned = earned.map_or(String::new(), |earned| format!("earned {}, ", metis(earned)));
        println!("validator {id:<3} {earned}owed {}, to withdraw {}", metis(*owed), metis(*credited));
    }
    Ok(())
}

/// Reads the schedule, and with `history` all settlements from that L1 block on.
pub async fn read(l1: &L1, history: Option<u64>) -> Result<Shown, CliError> {
    let Some(state) = l1.schedule().await? else {
        return Err(CliError::new("the LockingPool of this chain works with no RewardSchedule"));
    };
    let schedule = state.address;
    let token = l1.view(schedule, RewardSchedule::METISCall {}).await?;
    let now = l1.head().await?.timestamp_s;
    let later = l1.view(schedule, RewardSchedule::rateCall {}).await?;
    let early = state.begun_s > 0 && now <= state.begun_s.saturating_add(YEAR_S);
    let earned = match history {
        Some(from) => Some(l1.earned(schedule, from).await?),
        None => None,
    };
    Ok(Shown {
        schedule,
        begun_at: state.begun_s,
        rate: if early { FIRST_RATE } else { later },
        allowed: l1.view(schedule, RewardSchedule::allowedCall {}).await?,
        owed: l1.view(schedule, RewardSchedule::owedCall {}).await?,
        missing: l1.view(schedule, RewardSchedule::missingCall {}).await?,
        funds: l1.view(token, TestMetis::balanceOfCall { account: schedule }).await?,
        next_index: state.next_index,
        last_settled: state.last_settled,
        last_accepted: l1.view(l1.inbox(), BatchInbox::headCall {}).await?.lastBlock,
        validators: earners(l1, schedule, earned.as_ref()).await?,
    })
}

async fn earners(l1: &L1, schedule: Address, earned: Option<&BTreeMap<u64, U256>>) -> Result<Vec<Earner>, CliError> {
    let mut earners = Vec::new();
    for id in 1..=l1.view(l1.locking(), LockingPool::validatorCountCall {}).await? {
        let owed = l1.view(schedule, RewardSchedule::owedToCall { id }).await?;
        let credited = l1.view(l1.locking(), LockingPool::validatorCall { id }).await?.rewards;
        let earned = earned.map(|earned| earned.get(&id).copied().unwrap_or_default());
        if !(owed + credited + earned.unwrap_or_default()).is_zero() {
            earners.push(Earner { id, earned, owed, credited });
        }
    }
    Ok(earners)
}
