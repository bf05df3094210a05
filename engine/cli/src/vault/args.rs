//! The command line of `horae vault`.

use std::path::PathBuf;

use alloy_primitives::{Address, U256};
use clap::{Args, Subcommand};

use crate::{
    amount::{parse_metis, parse_share},
    ethereum::{L1Options, SendOptions},
    governance::contracts::GovernorOption,
};

/// `horae vault`
#[derive(Clone, Debug, Subcommand)]
pub enum VaultCommand {
    /// Show a vault, or the rounds in which providers may ask for one.
    Show(ShowOptions),
    /// Ask for a vault, as a provider: a place in a round of the factory. Then `horae apply liquid-staking`; the vote makes the vault.
    ///
    /// Example: horae vault create --name "Our METIS" --symbol oMETIS --fee 10% --metadata https://example.org/us.json --home DIR
    Create(CreateOptions),
    /// Deposit METIS for shares of a vault, which earn what its validator earns, and are slashed with it.
    ///
    /// Example: horae vault deposit --vault 0x5FbD..0aa3 --amount 500 --home DIR --keystore key.json
    Deposit(DepositOptions),
    /// Put shares into the queue to leave; they earn and are slashed until they are served, after the exit delay at the earliest.
    Withdraw(WithdrawOptions),
    /// Take METIS for shares that were served.
    Claim(VaultOptions),
    /// Do the upkeep that is due: take in rewards and withdrawals, serve the queue, stake the rest. Anyone may.
    Rebalance(VaultOptions),
    /// Add METIS to the provider's cover, which slashes take first.
    Cover(DepositOptions),
    /// Lock a vault's METIS as a validator, as its provider.
    Lock(LockOptions),
}

/// `horae vault show`
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// The vault; without it and without --provider the rounds are shown.
    #[arg(long, value_name = "ADDRESS")]
    pub vault: Option<Address>,
    /// The vault of this provider.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "vault")]
    pub provider: Option<Address>,
    /// What this account has in it.
    #[arg(long, value_name = "ADDRESS")]
    pub holder: Option<Address>,
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
    /// Its governance, which knows the factory of vaults.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Print one JSON value.
    #[arg(long)]
    pub json: bool,
}

/// `horae vault create`
#[derive(Clone, Debug, Args)]
pub struct CreateOptions {
    /// Name of the vault's shares, up to 64 bytes.
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// Symbol of the vault's shares, up to 16 bytes.
    #[arg(long, value_name = "TEXT")]
    pub symbol: String,
    /// The provider's part of rewards.
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub fee: u16,
    /// Who the provider is, or where that is written; up to 4096 bytes.
    #[arg(long, value_name = "TEXT")]
    pub metadata: String,
    /// The round; the last one unless told.
    #[arg(long, value_name = "N")]
    pub round: Option<U256>,
    /// Its governance, which knows the factory of vaults.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// A vault, and who sends.
#[derive(Clone, Debug, Args)]
pub struct VaultOptions {
    /// The vault.
    #[arg(long, value_name = "ADDRESS")]
    pub vault: Address,
    /// Its governance, which knows the factory of vaults.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// `horae vault deposit`, `horae vault cover`
#[derive(Clone, Debug, Args)]
pub struct DepositOptions {
    /// METIS.
    #[arg(long, value_name = "METIS", value_parser = parse_metis)]
    pub amount: U256,
    /// The vault.
    #[command(flatten)]
    pub at: VaultOptions,
}

/// `horae vault withdraw`
#[derive(Clone, Debug, Args)]
pub struct WithdrawOptions {
    /// Shares worth this much METIS now.
    #[arg(long, value_name = "METIS", value_parser = parse_metis, required_unless_present = "all")]
    pub amount: Option<U256>,
    /// All shares.
    #[arg(long, conflicts_with = "amount")]
    pub all: bool,
    /// The vault.
    #[command(flatten)]
    pub at: VaultOptions,
}

/// `horae vault lock`
#[derive(Clone, Debug, Args)]
pub struct LockOptions {
    /// What `horae keys --owner VAULT --json` printed where the node's keys are; those of --home unless told.
    #[arg(long, value_name = "FILE")]
    pub registration: Option<PathBuf>,
    /// The vault.
    #[command(flatten)]
    pub at: VaultOptions,
}
