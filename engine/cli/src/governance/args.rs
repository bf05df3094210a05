//! The command line of `horae governance`.

use alloy_primitives::{Address, Bytes, U256};
use clap::{Args, Subcommand};

use super::{
    changes::Change,
    contracts::GovernorOption,
    find::BLOCKS,
    proposal::{ProposalName, parse_name},
};
use crate::ethereum::{L1Options, SendOptions};

/// `horae governance`
#[derive(Clone, Debug, Subcommand)]
pub enum GovernanceCommand {
    /// Show governance's contracts, times, rules and what it owns.
    Status(StatusOptions),
    /// Propose a change of a parameter by its name, or any calls.
    ///
    /// What it changes and what it needs to pass is shown first, and whether it would work if it were decided now. Examples:
    ///
    /// horae governance propose set-slash-fraction 5% --home DIR
    ///
    /// horae governance propose offboard 0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC --title "Offline for a month" --home DIR
    ///
    /// horae governance propose set-rule sequencer 60000 75% --home DIR --keystore key.json
    ///
    /// horae governance propose --to 0x5FbD..0aa3 --call 0x8da5cb5b --title "Anything" --home DIR
    #[command(verbatim_doc_comment)]
    Propose(ProposeOptions),
    /// List proposals, the newest first.
    List(ListOptions),
    /// Show a proposal: what it does, how the vote stands, what comes next.
    Show(ShowOptions),
    /// Queue a proposal that was won at the timelock. Anyone may.
    Queue(DecideOptions),
    /// Execute a proposal whose time at the timelock is over. Anyone may.
    Execute(DecideOptions),
    /// Take back a proposal of one's own before its vote begins.
    Cancel(DecideOptions),
}

/// A chain, and its governance.
#[derive(Clone, Debug, Args)]
pub struct StatusOptions {
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

/// `horae governance list`
#[derive(Clone, Debug, Args)]
pub struct ListOptions {
    /// The chain.
    #[command(flatten)]
    pub at: StatusOptions,
    /// How many L1 blocks to look back.
    #[arg(long, value_name = "N", default_value_t = BLOCKS)]
    pub blocks: u64,
}

/// `horae governance show`
#[derive(Clone, Debug, Args)]
pub struct ShowOptions {
    /// Which.
    #[command(flatten)]
    pub which: WhichProposal,
    /// The chain.
    #[command(flatten)]
    pub at: StatusOptions,
}

/// A proposal.
#[derive(Clone, Debug, Args)]
pub struct WhichProposal {
    /// 0x and its first digits, as `horae governance list` shows it, or all of its number; a3 for that of application 3.
    #[arg(value_name = "PROPOSAL", value_parser = parse_name)]
    pub proposal: ProposalName,
    /// How many L1 blocks to look back for it.
    #[arg(long, value_name = "N", default_value_t = BLOCKS)]
    pub blocks: u64,
}

/// `horae governance propose`
#[derive(Clone, Debug, Args)]
pub struct ProposeOptions {
    /// What to change.
    #[arg(value_name = "CHANGE", required_unless_present = "to", conflicts_with = "to")]
    pub change: Option<Change>,
    /// To what.
    #[arg(value_name = "VALUE", requires = "change", allow_negative_numbers = true)]
    pub values: Vec<String>,
    /// A contract to call; with a --call each, several are made in this order.
    #[arg(long, value_name = "ADDRESS", requires = "call")]
    pub to: Vec<Address>,
    /// Selector and arguments of the call, in hex (`cast calldata` makes them).
    #[arg(long, value_name = "HEX", requires = "to")]
    pub call: Vec<Bytes>,
    /// Wei that go with each call, from the timelock; none unless told.
    #[arg(long, value_name = "WEI", requires = "to")]
    pub value: Vec<U256>,
    /// First line of the description, which voters see; what it changes unless told.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Why; goes below the title.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Propose although it would not work if it were decided now.
    #[arg(long)]
    pub even_if_failing: bool,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}

/// `horae governance queue`, `horae governance execute`, `horae governance cancel`
#[derive(Clone, Debug, Args)]
pub struct DecideOptions {
    /// Which.
    #[command(flatten)]
    pub which: WhichProposal,
    /// Its governance.
    #[command(flatten)]
    pub governor: GovernorOption,
    /// Wait until it can be done: for the end of the vote, for the timelock. Ctrl-C ends the waiting.
    #[arg(long)]
    pub wait: bool,
    /// Who sends.
    #[command(flatten)]
    pub send: SendOptions,
}
