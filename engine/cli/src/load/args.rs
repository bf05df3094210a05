//! `horae load` on the command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;

use super::{mix::Mix, skew::Skew};

/// `horae load`
#[derive(Clone, Debug, Args)]
pub struct LoadOptions {
    /// JSON-RPC endpoint (http://HOST:PORT) of a Horae node or of any other Ethereum node: transactions go there, and the chain is
    /// watched there.
    #[arg(long, value_name = "URL", required_unless_present_any = ["quic", "tcp", "ceiling"], env = "HORAE_RPC", help_heading = "Where")]
    pub rpc: Option<String>,
    /// Send over QUIC, to this address of a Horae node; --rpc then only watches.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "tcp", help_heading = "Where")]
    pub quic: Option<SocketAddr>,
    /// Send over framed TCP, to this address of a Horae node; --rpc then only watches.
    #[arg(long, value_name = "ADDRESS", help_heading = "Where")]
    pub tcp: Option<SocketAddr>,
    /// Connections that send at the same time.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Where")]
    pub lanes: u16,

    /// Accounts that send.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "What")]
    pub accounts: u32,
    /// Transactions in all.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000), help_heading = "What")]
    pub transactions: u64,
    /// Kinds and their shares: `transfers=70,erc20=20,contract=10`. A contract call swaps at a market whose reserves all callers share.
    #[arg(long, value_name = "SHARES", default_value_t, help_heading = "What")]
    pub mix: Mix,
    /// Hot spots: `80/20` has 80 % of the load sent and received by 20 % of the accounts, `zipf=1` has the n-th account take part as
    /// 1/n. Unless told, all send in turn, each to the next.
    #[arg(long, value_name = "SKEW", help_heading = "What")]
    pub skew: Option<Skew>,
    /// Private key (hex) that funds the accounts; the first test account of devnets and of anvil unless told.
    #[arg(long, value_name = "HEX", env = "HORAE_LOAD_KEY", hide_env_values = true, help_heading = "What")]
    pub key: Option<String>,
    /// Sign, write the transactions to this file, and send nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "ceiling", "report", "html"], help_heading = "What")]
    pub save: Option<PathBuf>,
    /// Send the transactions of this file, written by --save for the same chain and the same nonces.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["accounts", "transactions", "mix", "skew"], help_heading = "What")]
    pub from: Option<PathBuf>,

    /// Transactions a second, sent whether or not earlier ones are answered; 0 sends as fast as the chain commits.
    #[arg(long, value_name = "R", default_value_t = 1_000, help_heading = "How fast")]
    pub rate: u32,
    /// With --rate 0: transactions under way at most; unless told 32 for each account, up to 16384.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "How fast")]
    pub window: Option<u64>,
    /// Look at the chain this often, in milliseconds, and do not listen to it: latencies are known to within this and one answer's
    /// time. Unless told, a Horae node tells of its heads over WebSocket, and any other is looked at every 5 ms.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=10_000), help_heading = "How fast")]
    pub poll: Option<u64>,
    /// Give up when nothing more is sent or committed for this long, in seconds.
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600), help_heading = "How fast")]
    pub patience: u64,
    /// First send the same transactions the same way, with no rate, to a sink in this process that takes everything and does nothing:
    /// the most that the generator can do here. Without an endpoint, nothing else is done, for each way in.
    #[arg(long, help_heading = "How fast")]
    pub ceiling: bool,

    /// Write everything that was measured, histograms and the course of the run among it, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub report: Option<PathBuf>,
    /// Write a page with plots; it needs nothing from the net.
    #[arg(long, value_name = "FILE", help_heading = "Results")]
    pub html: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long, help_heading = "Results")]
    pub json: bool,
}
