//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use alloy_primitives::Address;
use clap::{Args, Parser, Subcommand};

use crate::{
    apply::args::ApplyCommand, governance::args::GovernanceCommand, load::args::LoadOptions, logs::LogFormat,
    queue::args::QueueCommand, rewards::args::RewardsCommand, slash::SlashCommand, stake::args::StakeCommand,
    tune::args::TuneCommand, vault::args::VaultCommand, vote::args::VoteCommand,
};

/// Where a devnet keeps everything unless told otherwise.
pub const DEVNET_HOME: &str = "target/devnet";
/// Where a node listens unless told otherwise.
const DEFAULT_RPC: &str = "http://127.0.0.1:8545";

/// A decentralized sequencer for an Ethereum L2.
#[derive(Debug, Parser)]
#[command(name = "horae", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    /// Log filter, as for Rust's tracing: `info`, `debug`, `horae_node=debug,warn`.
    #[arg(long, global = true, env = "HORAE_LOG", value_name = "FILTER", help_heading = "Logs")]
    pub log: Option<String>,
    /// How log lines look.
    #[arg(long, global = true, env = "HORAE_LOG_FORMAT", value_enum, default_value_t, help_heading = "Logs")]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a whole chain on this machine: an L1 (anvil), its contracts, and nodes, all real.
    Devnet(DevnetOptions),
    /// Run a node, or take a running one out of its turns.
    Node(NodeOptions),
    /// Make a home directory with new keys.
    Init(InitOptions),
    /// Show the sequencing slot, or hand it on.
    Slot {
        /// What to do.
        #[command(subcommand)]
        command: SlotCommand,
    },
    /// Show the epochs: the one that runs, those before, the next.
    Epoch {
        /// What to show.
        #[command(subcommand)]
        command: EpochCommand,
    },
    /// Show the validators of the epoch; all of them unless told.
    Validators(ValidatorsOptions),
    /// Lock stake for a validator on L1, and do what its owner does with it.
    Stake {
        /// What to do.
        #[command(subcommand)]
        command: StakeCommand,
    },
    /// Apply to governance to be let in, as a sequencer or as a provider of liquid staking.
    Apply {
        /// What to do.
        #[command(subcommand)]
        command: ApplyCommand,
    },
    /// Vote on proposals, and manage the METIS that votes.
    Vote {
        /// What to do.
        #[command(subcommand)]
        command: VoteCommand,
    },
    /// Liquid staking: run a vault, or hold its shares.
    Vault {
        /// What to do.
        #[command(subcommand)]
        command: VaultCommand,
    },
    /// Propose changes of the chain's contracts, and carry out what was decided.
    Governance {
        /// What to do.
        #[command(subcommand)]
        command: GovernanceCommand,
    },
    /// Show what validators earn, and have it settled and paid.
    Rewards {
        /// What to do.
        #[command(subcommand)]
        command: RewardsCommand,
    },
    /// Show offences, and report them to L1.
    Slash {
        /// What to do.
        #[command(subcommand)]
        command: SlashCommand,
    },
    /// Deposit to L2, or force a transaction into it, by way of L1: no node can leave it out.
    Queue {
        /// What to do.
        #[command(subcommand)]
        command: QueueCommand,
    },
    /// Show the public keys of a home.
    Keys(KeysOptions),
    /// Follow the chain as it is made: blocks, certificates, commits, decisions.
    ///
    /// Prints a line for every item. With --verify each item is checked first, and the command ends with an error at the first one that
    /// does not hold: header hashes, parent links and transactions; the signature of the slot's sequencer; the quorums, by weight, of
    /// certificates, commits and decisions; where terms end and which slot comes next. Blocks are not executed.
    ///
    /// With --genesis the check believes nobody: everything follows from the validator set in that file, which the reader must have from
    /// a source that it trusts. Without it, the validator set and the term are taken from the node at --rpc, so that node is trusted for
    /// them, and what it shows is checked from there on.
    ///
    /// When the link breaks, the feed is taken up again where it was.
    Feed(FeedOptions),
    /// Send signed transactions at a rate and measure how fast they are confirmed: by Horae, or by any other Ethereum JSON-RPC endpoint.
    ///
    /// Everything is signed before the first transaction leaves, and each leaves when it is due, whether or not earlier ones are answered:
    /// a chain that stalls is charged with all that waits meanwhile, for latency counts from when a transaction was due. With --rate 0
    /// a bounded number is under way instead, and latency counts from when each left.
    ///
    /// Accounts are derived from the key that funds them, and topped up where they lack something. The contracts that --mix asks for are
    /// deployed where they are not there yet. A Horae node is asked for the strength of every block; of any other endpoint the latest
    /// block is polled, and its reorganisations are not followed.
    ///
    /// Exit code 0 if all was committed, 1 if not, 130 after Ctrl-C, which prints what was measured until then.
    Load(LoadOptions),
    /// Rebuild the chain from L1 alone.
    Derive(DeriveOptions),
    /// Fit a node to its machine: what slows it down, what puts that right, which profile to take.
    Tune {
        /// What to do.
        #[command(subcommand)]
        command: TuneCommand,
    },
    /// Run a command that ends when another process does.
    #[command(hide = true)]
    Under(UnderOptions),
}

/// `horae devnet`
#[derive(Debug, Args)]
pub struct DevnetOptions {
    /// Number of validators.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub nodes: u8,
    /// Where the devnet keeps its homes, logs and the L1's state. A second start resumes it.
    #[arg(long, value_name = "DIR", default_value = DEVNET_HOME)]
    pub home: PathBuf,
    /// Throw away what an earlier devnet left there and begin anew.
    #[arg(long)]
    pub reset: bool,
    /// Stop by itself once this many batches are accepted on L1; fails if that takes more than 5 minutes.
    #[arg(long, value_name = "K")]
    pub until_batches: Option<u64>,
    /// Send this many transfers a second meanwhile.
    #[arg(long, value_name = "R")]
    pub load: Option<u32>,
    /// Write a report (one JSON object) when it stops, with the L1's state beside it.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Nodes beside the validators, with keys and no stake: each joins in an epoch after stake has been locked for it.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=8))]
    pub standby: u8,
    /// Slots that an epoch lasts at least, on a new devnet; 0 keeps the first validators and their key for ever.
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub epoch_slots: u64,
    /// Milliseconds between blocks under load, on a new devnet: a transaction waits half of it in the mean to be ordered, and every block
    /// costs every node some signatures and a sync of its disk.
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub block_interval_ms: u64,
    /// Seconds that a vote of governance lasts, on a new devnet.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub voting_period: u32,
    /// Leave the contracts to the first test account, which then whitelists and sets parameters without a vote, instead of handing them
    /// over to governance's timelock. Governance is there, and decides nothing. On a new devnet.
    #[arg(long)]
    pub deployer_owns: bool,
    /// First port: L1 there, then six for each node. Free ports are chosen without it.
    #[arg(long, value_name = "PORT")]
    pub base_port: Option<u16>,
}

/// `horae node`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct NodeOptions {
    /// Home directory, made by `horae init`.
    #[arg(long, value_name = "DIR", required = true)]
    pub home: Option<PathBuf>,
    /// What to tell a running node, or do to a stopped one.
    #[command(subcommand)]
    pub command: Option<NodeCommand>,
}

/// `horae node drain`, `horae node resume`, `horae node rejoin`
#[derive(Clone, Debug, Subcommand)]
pub enum NodeCommand {
    /// Take a running node out of its turns, and wait until it may be stopped.
    ///
    /// The other validators decide that its turns are passed over; a slot that it holds ends at its next block. A restart puts
    /// the node back into its turns.
    Drain(DrainOptions),
    /// Put a drained node back into its turns.
    Resume(AdminOptions),
    /// Make the chain of a stopped node again, from L1 and one other node, which need not be trusted.
    ///
    /// For a node that lost its disk, or was away for so long that the others no longer keep what was decided meanwhile. The
    /// home needs node.toml, genesis.json and the keys. Blocks and state are executed again from the batches on L1; the
    /// control state is taken from the other node, and checked: the validators that L1 has in force vouch for it. Then start
    /// the node: it catches up with the rest, finds out what it has forgotten, and speaks again under a new incarnation.
    Rejoin(RejoinOptions),
}

/// `horae node rejoin`
#[derive(Clone, Debug, Args)]
pub struct RejoinOptions {
    /// Home directory of the stopped node.
    #[arg(long, value_name = "DIR")]
    pub home: PathBuf,
    /// JSON-RPC endpoint of any node of the chain.
    #[arg(long, value_name = "URL")]
    pub from: String,
    /// Move a chain that is in the home to a directory beside it (HOME/aside-1) instead of refusing.
    #[arg(long)]
    pub set_aside: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// A node that runs on this machine, and is told something through the socket in its home.
#[derive(Clone, Debug, Args)]
pub struct AdminOptions {
    /// Home directory of the running node.
    #[arg(long, value_name = "DIR")]
    pub home: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae node drain`
#[derive(Clone, Debug, Args)]
pub struct DrainOptions {
    /// The node.
    #[command(flatten)]
    pub admin: AdminOptions,
    /// Give up waiting after this long, in seconds; the node stays drained.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub patience: u64,
}

/// `horae init`
#[derive(Debug, Args)]
pub struct InitOptions {
    /// Home directory to make.
    #[arg(long, value_name = "DIR")]
    pub home: PathBuf,
    /// The chain's genesis.json, copied into the home.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
    /// HTTP endpoint of Ethereum.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8544")]
    pub l1: String,
    /// Where JSON-RPC listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8545")]
    pub rpc: SocketAddr,
    /// Where control-plane peers connect (TCP).
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:26656")]
    pub control: SocketAddr,
    /// Where block streams connect (UDP).
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:26657")]
    pub stream: SocketAddr,
    /// File whose first line seals the keys; otherwise HORAE_PASSPHRASE does.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Seal the keys with a key that lies beside them: for devnets only.
    #[arg(long, conflicts_with = "passphrase_file")]
    pub devnet_keys: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae slot`
#[derive(Clone, Debug, Subcommand)]
pub enum SlotCommand {
    /// As it is now.
    Status(RpcOptions),
    /// List the turns to come, from the running slot on.
    List(TurnsOptions),
    /// End the running slot at its next block, if the node of this home holds it.
    Transfer(AdminOptions),
}

/// `horae slot list`
#[derive(Clone, Debug, Args)]
pub struct TurnsOptions {
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub count: u64,
    /// The node.
    #[command(flatten)]
    pub rpc: RpcOptions,
}

/// `horae epoch`
#[derive(Clone, Debug, Subcommand)]
pub enum EpochCommand {
    /// The one that runs, and how far the next one is.
    Status(RpcOptions),
    /// List the epochs that the control plane remembers: this one and up to 16 before it.
    List(RpcOptions),
    /// Show one of them with its validators.
    Show(EpochOptions),
    /// Show who joins, leaves or changes weight with the next epoch, and what it waits for.
    Next(RpcOptions),
}

/// `horae epoch show`
#[derive(Clone, Debug, Args)]
pub struct EpochOptions {
    /// Number of the epoch.
    #[arg(value_name = "N")]
    pub number: u64,
    /// The node.
    #[command(flatten)]
    pub rpc: RpcOptions,
}

/// `horae validators`
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ValidatorsOptions {
    /// The node.
    #[command(flatten)]
    pub rpc: RpcOptions,
    /// What to show.
    #[command(subcommand)]
    pub command: Option<ValidatorsCommand>,
}

/// `horae validators list`, `horae validators show`
#[derive(Clone, Debug, Subcommand)]
pub enum ValidatorsCommand {
    /// All of the epoch.
    List(RpcOptions),
    /// One, with its next turns.
    Show(WhoOptions),
}

/// `horae validators show`
#[derive(Clone, Debug, Args)]
pub struct WhoOptions {
    /// Its number, or its signer's address, or the beginning of that.
    #[arg(value_name = "VALIDATOR")]
    pub who: String,
    /// The node.
    #[command(flatten)]
    pub rpc: RpcOptions,
}

/// A node to ask.
#[derive(Clone, Debug, Args)]
pub struct RpcOptions {
    /// JSON-RPC endpoint of a node.
    #[arg(long, value_name = "URL", env = "HORAE_RPC", default_value = DEFAULT_RPC)]
    pub rpc: String,
    /// Print one JSON value.
    #[arg(long)]
    pub json: bool,
}

/// `horae feed`
#[derive(Debug, Args)]
pub struct FeedOptions {
    /// JSON-RPC endpoint of a node (ws:// or http://, the feed itself is a WebSocket).
    #[arg(long, value_name = "URL", env = "HORAE_RPC", default_value = DEFAULT_RPC)]
    pub rpc: String,
    /// First block; the one above the committed head unless told.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub from: Option<u64>,
    /// End once this block is committed.
    #[arg(long, value_name = "N")]
    pub until: Option<u64>,
    /// Check every item, and end with an error at the first one that does not hold.
    #[arg(long)]
    pub verify: bool,
    /// The chain's genesis.json, from a source you trust: --verify then trusts no node. The node must still keep the decisions of the
    /// control plane from the first one on.
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub genesis: Option<PathBuf>,
    /// Print items as one JSON object a line, as the node sends them.
    #[arg(long)]
    pub json: bool,
}

/// `horae keys`
#[derive(Debug, Args)]
pub struct KeysOptions {
    /// Home directory.
    #[arg(long, value_name = "DIR")]
    pub home: PathBuf,
    /// Print what this owner needs to lock stake for these keys: they, and the signer's proof that it serves the owner. Secrets stay here.
    #[arg(long, value_name = "ADDRESS", requires = "json")]
    pub owner: Option<Address>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae derive`
#[derive(Debug, Args)]
pub struct DeriveOptions {
    /// HTTP endpoint of Ethereum.
    #[arg(long, value_name = "URL")]
    pub l1: String,
    /// The BatchInbox; the one in genesis.json unless told.
    #[arg(long, value_name = "ADDRESS")]
    pub inbox: Option<Address>,
    /// Directory with the chain's genesis.json.
    #[arg(long, value_name = "DIR")]
    pub home: PathBuf,
    /// JSON-RPC endpoint of a node to compare with.
    #[arg(long, value_name = "URL")]
    pub compare: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae under`
#[derive(Debug, Args)]
pub struct UnderOptions {
    /// The process to end with.
    pub parent: i32,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}
