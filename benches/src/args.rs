//! The command line of the bench.

use std::path::PathBuf;

use clap::Parser;

/// Measures Horae beside its peers, in interleaved rounds.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench", about, long_about = None)]
pub struct Options {
    /// All sweeps too: accounts, batch size, block interval, number of nodes, stubbed sinks.
    #[arg(long)]
    pub full: bool,
    /// Only rows whose names begin so. May be given several times.
    #[arg(long, value_name = "PREFIX")]
    pub only: Vec<String>,
    /// Rounds of every row; the ratio of a row is the median of its rounds.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Where the report and the page go; `target/bench` of the build unless told.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the report as JSON, not as a table.
    #[arg(long)]
    pub json: bool,
    /// Also write BASELINE.md and baseline.json into this folder.
    #[arg(long, value_name = "DIR")]
    pub baseline: Option<PathBuf>,
    /// What was going on beside the run, for the report ("quiet", "beside other builds").
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub conditions: String,
}

impl Options {
    /// Whether a row of this name is to be measured.
    #[must_use]
    pub fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|prefix| row.starts_with(prefix.as_str()))
    }
}
