//! The command line of `horae rewards`.

use alloy_primitives::U256;
use clap::{Args, Subcommand};

use crate::{
    amount::{parse_metis, parse_percent},
    ethereum::{L1Options, SendOptions},
};

/// `horae rewards`
#[derive(Clone, Debug, Subcommand)]
pub enum RewardsCommand {
    /// Show what the RewardSchedule allows, owes and has, and what each validator has of it.
    Show(ShowOptions),
    /// Carry what the nodes have signed to L1, or have what is owed paid, once there are funds.
    ///
    /// The nodes settle each epoch by themselves; this is for when none of them can send to L1. A settlement comes from a node that holds
    /// one; it need not be trusted, for the contract checks the group's signature and pays no more than the schedule allows. Without
    /// one, validators are paid what they are owed, as far as the funds go.
    Settle(SettleOptions),
    /// Reckon what stake earns, by the contract's own formula, without a chain.
    ///
    /// In all the schedule allows rate x listed stake x time: 20 % a year for the first twelve months, then what governance says. A
    /// validator's part is its part of the committed blocks, so without other words that of its stake. A month is a twelfth of 365 days.
    Calculator(CalculatorOptions),
}

/// `horae rewards show`
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
    /// Read all settlements as well, and show what each validator has earned in all. Takes long on an old chain.
    #[arg(long)]
    pub history: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae rewards settle`
#[derive(Clone, Debug, Args)]
pub struct SettleOptions {
    /// JSON-RPC endpoint of a node that may hold a signed settlement.
    #[arg(long, value_name = "URL", env = "HORAE_RPC")]
    pub rpc: Option<String>,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// `horae rewards calculator`
#[derive(Clone, Debug, Args)]
pub struct CalculatorOptions {
    /// METIS locked for the validator.
    #[arg(long, value_name = "METIS", value_parser = parse_metis)]
    pub stake: U256,
    /// METIS locked for all listed validators; the same unless told.
    #[arg(long, value_name = "METIS", value_parser = parse_metis)]
    pub total: Option<U256>,
    /// The validator's part of the committed blocks, in percent; its part of the stake unless told.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub share: Option<u32>,
    /// Months from the schedule's beginning on.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub months: u32,
    /// Yearly rate after the first twelve months, in percent; 0 until governance has set one.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent, default_value = "0")]
    pub later_rate: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
