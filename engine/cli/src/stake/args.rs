//! The command line of `horae stake`.

use std::path::PathBuf;

use alloy_primitives::{Address, U256};
use clap::{Args, Subcommand};

use crate::{
    amount::parse_metis,
    ethereum::{L1Options, SendOptions},
};

/// `horae stake`
#[derive(Clone, Debug, Subcommand)]
pub enum StakeCommand {
    /// Show a validator as the LockingPool has it: stake, what is leaving, rewards, jail.
    Show(ShowOptions),
    /// Lock stake for a new validator, whose owner is the account that sends.
    ///
    /// The owner must be whitelisted. The signer key and the node key are those of --home, or those in a file that `horae keys
    /// --owner OWNER --json` made on the node's machine. METIS is taken from the owner, which is asked to approve it first. If the list
    /// is full the validator waits for a place; its turns begin with the next epoch after it is listed.
    Lock(LockOptions),
    /// Add METIS, or rewards, to the stake.
    Relock(RelockOptions),
    /// Take a part off the stake; it stays liable, and can be claimed after the exit delay.
    Withdraw(AmountOptions),
    /// Leave. The exit delay begins with the group key that is made without this validator.
    Unlock(SendOptions),
    /// Take what has left the stake: withdrawals whose delay is over, or everything after an unlock.
    Claim(SendOptions),
    /// Pay out what the validator has earned, to its recipient.
    Rewards(SendOptions),
    /// Give the validator another signer key. The old one never serves again.
    UpdateSigner(UpdateSignerOptions),
    /// Pay rewards to another account from now on.
    SetRecipient(AccountOptions),
    /// Offer the validator to another owner, who takes it with `horae stake accept`.
    SetOwner(AccountOptions),
    /// Take over a validator that was offered to the account that sends.
    Accept(AcceptOptions),
    /// Come back from jail, once its time is over.
    Release(SendOptions),
}

/// `horae stake show`
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
    /// The validator of this owner or signer; that of the home's signer unless told.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "id")]
    pub of: Option<Address>,
    /// The validator with this number.
    #[arg(long, value_name = "N")]
    pub id: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae stake lock`
#[derive(Clone, Debug, Args)]
pub struct LockOptions {
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
    /// METIS to lock, 20000 to 100000.
    #[arg(long, value_name = "METIS", value_parser = parse_metis)]
    pub amount: U256,
    /// Who gets the rewards; the owner unless told.
    #[arg(long, value_name = "ADDRESS")]
    pub recipient: Option<Address>,
    /// What `horae keys --owner OWNER --json` printed where the node's keys are.
    #[arg(long, value_name = "FILE")]
    pub registration: Option<PathBuf>,
}

/// `horae stake relock`
#[derive(Clone, Debug, Args)]
pub struct RelockOptions {
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
    /// METIS to add.
    #[arg(long, value_name = "METIS", value_parser = parse_metis, required_unless_present = "from_rewards")]
    pub amount: Option<U256>,
    /// METIS of what it has earned to add.
    #[arg(long, value_name = "METIS", value_parser = parse_metis)]
    pub from_rewards: Option<U256>,
}

/// An amount, and who sends.
#[derive(Clone, Debug, Args)]
pub struct AmountOptions {
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
    /// METIS.
    #[arg(long, value_name = "METIS", value_parser = parse_metis)]
    pub amount: U256,
}

/// `horae stake update-signer`
#[derive(Clone, Debug, Args)]
pub struct UpdateSignerOptions {
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
    /// What `horae keys --owner OWNER --json` printed for the home with the new key.
    #[arg(long, value_name = "FILE")]
    pub registration: PathBuf,
}

/// An account, and who sends.
#[derive(Clone, Debug, Args)]
pub struct AccountOptions {
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
    /// The account.
    #[arg(long, value_name = "ADDRESS")]
    pub to: Address,
}

/// `horae stake accept`
#[derive(Clone, Debug, Args)]
pub struct AcceptOptions {
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
    /// Number of the validator.
    #[arg(long, value_name = "N")]
    pub id: u64,
}
