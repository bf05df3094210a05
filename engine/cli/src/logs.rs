//! Logs go to standard error, so that what a command prints can be piped.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What a node logs unless told: the consensus engine's every vote is of use only to who looks for its faults.
const NODE: &str = "info,arc_malachitebft=warn";
/// What the other commands log unless told.
const COMMAND: &str = "warn";

/// Starts logging as `filter` says, or by default.
pub fn start(format: LogFormat, filter: Option<&str>, is_node: bool) {
    let default = if is_node { NODE } else { COMMAND };
    let filter = filter.unwrap_or(default);
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        eprintln!("warning: --log `{filter}` is no filter ({error}); `{default}` is used");
        EnvFilter::new(default)
    });
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(stderr().is_terminal());
    match format {
        LogFormat::Human => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}
