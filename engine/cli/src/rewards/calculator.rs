//! `horae rewards calculator`: what stake earns, month by month, by the formula of the contract.

use alloy_primitives::U256;
use horae_contracts::reward::{FIRST_RATE, Rates, YEAR_S};
use serde::Serialize;

use crate::{
    amount::{HUNDRED_PERCENT, metis, percent},
    error::CliError,
    json,
    rewards::args::CalculatorOptions,
};

/// Seconds of a month: a twelfth of the year of all rates.
const MONTH_S: u64 = YEAR_S / 12;

/// What a validator earns. Amounts in wei of METIS.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reckoning {
    stake: U256,
    total_stake: U256,
    months: Vec<Month>,
}

/// One month, as if it were one settlement.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Month {
    month: u32,
    /// Yearly, in 1 / 10,000.
    rate: u16,
    /// What all validators together may earn.
    allowed: U256,
    /// What this one earns.
    rewards: U256,
    /// What it has earned up to the end of the month.
    in_all: U256,
}

/// Prints it.
pub fn run(options: &CalculatorOptions) -> Result<(), CliError> {
    let reckoning = reckon(options)?;
    if options.json {
        return json::print(&reckoning);
    }
    println!("stake {} of {}", metis(reckoning.stake), metis(reckoning.total_stake));
    println!("{:>5}  {:>7}  {:>40}  {:>40}", "month", "rate", "rewards", "in all");
    for Month { month, rate, rewards, in_all, .. } in &reckoning.months {
        println!("{month:>5}  {:>7}  {:>40}  {:>40}", percent(*rate), metis(*rewards), metis(*in_all));
    }
    Ok(())
}

fn reckon(options: &CalculatorOptions) -> Result<Reckoning, CliError> {
    let (stake, total_stake) = (options.stake, options.total.unwrap_or(options.stake));
    if stake > total_stake {
        return Err(CliError::new(format!(
            "--stake {} is part of --total, and cannot be more than {}",
            metis(stake),
            metis(total_stake)
        )));
    }
    let share = options.share.map(|share| (U256::from(share), U256::from(HUNDRED_PERCENT)));
    let (part, whole) = share.unwrap_or((stake, total_stake));
    let later = u16::try_from(options.later_rate / 100).ok().filter(|rate| *rate <= FIRST_RATE);
    let later = later.ok_or_else(|| CliError::new(format!("--later-rate is at most {}", percent(FIRST_RATE))))?;
    let rates = Rates { begun_s: 0, later };
    let mut in_all = U256::ZERO;
    let month = |month: u32| {
        let from_s = u64::from(month - 1) * MONTH_S;
        let allowed = rates.allowed(total_stake * U256::from(MONTH_S), from_s, from_s + MONTH_S);
        let rewards = allowed * part / whole;
        in_all += rewards;
        Month { month, rate: if from_s < YEAR_S { FIRST_RATE } else { later }, allowed, rewards, in_all }
    };
    Ok(Reckoning { stake, total_stake, months: (1..=options.months).map(month).collect() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const METIS: u128 = 1_000_000_000_000_000_000;

    fn options(stake: u128, total: Option<u128>, share: Option<u32>, months: u32) -> CalculatorOptions {
        let metis = |amount: u128| U256::from(amount * METIS);
        CalculatorOptions {
            stake: metis(stake),
            total: total.map(metis),
            share,
            months,
            later_rate: 50_000,
            json: false,
        }
    }

    #[test]
    fn a_year_gives_a_fifth_and_later_months_what_governance_says() {
        let alone = reckon(&options(100_000, None, None, 13)).unwrap();
        let twelfth = alone.months[11].in_all;
        assert!(U256::from(20_000 * METIS) - twelfth < U256::from(12), "but for a wei a month: {twelfth}");
        assert_eq!((alone.months[12].rate, alone.months[12].rewards), (500, alone.months[0].rewards / U256::from(4)));
    }

    #[test]
    fn blocks_split_what_the_stake_of_all_allows() {
        let by_stake = reckon(&options(20_000, Some(80_000), None, 1)).unwrap();
        let by_blocks = reckon(&options(20_000, Some(80_000), Some(500_000), 1)).unwrap();
        assert_eq!(by_stake.months[0].allowed, by_blocks.months[0].allowed);
        assert_eq!(by_stake.months[0].rewards, by_stake.months[0].allowed / U256::from(4));
        assert_eq!(by_blocks.months[0].rewards, by_blocks.months[0].allowed / U256::from(2));
        assert!(reckon(&options(80_000, Some(20_000), None, 1)).is_err());
        let too_high = CalculatorOptions { later_rate: 210_000, ..options(1, None, None, 1) };
        assert!(reckon(&too_high).unwrap_err().to_string().contains("20.00 %"));
    }
}
