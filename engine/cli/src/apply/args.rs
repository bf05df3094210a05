//! The command line of `horae apply`.

use std::path::PathBuf;

use alloy_primitives::B256;
use clap::{Args, Subcommand};

use crate::{
    ethereum::{L1Options, SendOptions},
    governance::contracts::GovernorOption,
};

/// `horae apply`
#[derive(Clone, Debug, Subcommand)]
pub enum ApplyCommand {
    /// Apply to run a sequencer: once the vote is won and executed, the account that sends may lock stake for a validator.
    ///
    /// A bond in METIS is taken, which comes back once the vote has decided, either way; not if too few care to vote, nor if the
    /// application is withdrawn while the vote runs. The node's keys are those of --home, or those in a --registration.
    ///
    /// Example: horae apply sequencer --uri https://example.org/us.json --profile us.json --contact ops@example.org --home DIR
    Sequencer(SequencerOptions),
    /// Apply to provide liquid staking: once the vote is won and executed, the account that sends may open a vault.
    LiquidStaking(ProviderOptions),
    /// List applications.
    List(ListOptions),
    /// Show an application; the last one of the home's signer unless told.
    Show(ShowOptions),
    /// Take back an application of one's own.
    Withdraw(NumberOptions),
    /// Close an application that is decided, and pay its bond to whom it is due. Anyone may.
    Settle(NumberOptions),
}

/// What an applicant says of itself.
#[derive(Clone, Debug, Args)]
pub struct ProfileOptions {
    /// Where the application is written out: name, experience, servers, funds. Up to 256 bytes.
    #[arg(long, value_name = "URI")]
    pub uri: String,
    /// The file that lies there; its keccak256 goes on L1, so that it does not change under the vote.
    #[arg(long, value_name = "FILE", required_unless_present = "hash")]
    pub profile: Option<PathBuf>,
    /// That keccak256 itself.
    #[arg(long, value_name = "HASH", conflicts_with = "profile")]
    pub hash: Option<B256>,
    /// Where to reach the applicant. Up to 128 bytes.
    #[arg(long, value_name = "TEXT")]
    pub contact: String,
}

/// `horae apply sequencer`
#[derive(Clone, Debug, Args)]
pub struct SequencerOptions {
    /// Who applies.
    #[command(flatten)]
    pub profile: ProfileOptions,
    /// What `horae keys --owner OWNER --json` printed where the node's keys are.
    #[arg(long, value_name = "FILE")]
    pub registration: Option<PathBuf>,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// `horae apply liquid-staking`
#[derive(Clone, Debug, Args)]
pub struct ProviderOptions {
    /// Who applies.
    #[command(flatten)]
    pub profile: ProfileOptions,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// A chain, and its governance.
#[derive(Clone, Debug, Args)]
pub struct ListOptions {
    /// The chain.
    #[command(flatten)]
    pub l1: L1Options,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Print one JSON value.
    #[arg(long)]
    pub json: bool,
}

/// `horae apply show`
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// Number of the application.
    #[arg(value_name = "N")]
    pub number: Option<u64>,
    /// The chain.
    #[command(flatten)]
    pub at: ListOptions,
}

/// An application, and who sends.
#[derive(Clone, Debug, Args)]
pub struct NumberOptions {
    /// Number of the application.
    #[arg(value_name = "N")]
    pub number: u64,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}
