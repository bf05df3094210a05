//! The command line of `horae vote`.

use alloy_primitives::{Address, U256};
use clap::{Args, Subcommand, ValueEnum};

use crate::{
    amount::parse_metis,
    ethereum::{L1Options, SendOptions},
    governance::{args::WhichProposal, contracts::GovernorOption},
};

/// `horae vote`
///
/// Votes are wei of METIS: wrapped (`horae vote wrap`), or locked as a validator's stake, as they were when the vote began.
#[derive(Clone, Debug, Subcommand)]
pub enum VoteCommand {
    /// Vote for a proposal. A vote cannot be changed.
    ///
    /// Example: horae vote for 0x1a2b3c4d --reason "They have run a node for a year" --home DIR
    For(CastOptions),
    /// Vote against a proposal. A vote cannot be changed.
    Against(CastOptions),
    /// Be counted for the quorum, neither for nor against.
    Abstain(CastOptions),
    /// Show the votes of an account, and where they come from.
    Power(PowerOptions),
    /// Wrap METIS so that it votes, and have it vote for the account that sends if it votes for nobody yet.
    ///
    /// Example: horae vote wrap --amount 1000 --home DIR --keystore key.json
    Wrap(AmountOptions),
    /// Turn wrapped METIS into METIS again. At any time.
    Unwrap(AmountOptions),
    /// Have an account vote with one's wrapped METIS and locked stake; it can move neither.
    Delegate(DelegateOptions),
}

/// `horae vote for`, `horae vote against`, `horae vote abstain`
#[derive(Clone, Debug, Args)]
pub struct CastOptions {
    /// On what.
    #[command(flatten)]
    pub which: WhichProposal,
    /// Why; stays on L1 for all to read.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// `horae vote power`
#[derive(Clone, Debug, Args)]
pub struct PowerOptions {
    /// The account; that of the home's signer unless told.
    #[arg(long, value_name = "ADDRESS")]
    pub of: Option<Address>,
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae vote wrap`, `horae vote unwrap`
#[derive(Clone, Debug, Args)]
pub struct AmountOptions {
    /// METIS.
    #[arg(long, value_name = "METIS", value_parser = parse_metis)]
    pub amount: U256,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// `horae vote delegate`
#[derive(Clone, Debug, Args)]
pub struct DelegateOptions {
    /// Who is to vote; the account that sends, to vote itself again.
    #[arg(long, value_name = "ADDRESS")]
    pub to: Address,
    /// With what.
    #[arg(long, value_enum, default_value_t)]
    pub what: Delegated,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// Whose votes are delegated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Delegated {
    /// Wrapped METIS and locked stake
    #[default]
    Both,
    /// Wrapped METIS alone
    Wrapped,
    /// Locked stake alone
    Stake,
}
