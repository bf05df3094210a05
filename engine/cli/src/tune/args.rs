//! The arguments of `horae tune`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `horae tune`
#[derive(Clone, Debug, Subcommand)]
pub enum TuneCommand {
    /// Say what of this machine slows a node down, what it should be, and why. Ends with status 0 if all is well.
    Check(CheckOptions),
    /// Put right what can be while the machine runs (as root), and note what was there.
    ///
    /// What was there is written to /var/lib/horae/tune.json before anything is changed, so that `horae tune revert` puts it back. A
    /// restart of the machine undoes it too. What only the kernel's boot line can do is printed, not done.
    Apply(ApplyOptions),
    /// Put back what `apply` found (as root). What somebody else has set since is said, and left.
    Revert(RevertOptions),
    /// List the built-in profiles, and which of them have been run on a machine of their size.
    Profiles(ProfilesOptions),
    /// Propose a profile for this machine, or one of so many cores, and a rate.
    Plan(PlanOptions),
    /// Work out from measured unit costs what a rate takes: cores, disk, network, L1.
    Capacity(CapacityOptions),
}

/// Which profile the machine is to carry.
#[derive(Clone, Debug, Args)]
pub struct WhichProfile {
    /// Built-in profile, or the path of one.
    #[arg(long, value_name = "NAME", default_value = "laptop")]
    pub profile: String,
    /// Take the profile from this home's node.toml.
    #[arg(long, value_name = "DIR", conflicts_with = "profile")]
    pub home: Option<PathBuf>,
}

/// `horae tune check`
#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// The profile.
    #[command(flatten)]
    pub which: WhichProfile,
    /// Only this check, by its name; may be given again for more.
    #[arg(long, value_name = "CHECK")]
    pub only: Vec<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The machine: a directory with its /proc and /sys.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// `horae tune apply`
#[derive(Clone, Debug, Args)]
pub struct ApplyOptions {
    /// What to check first.
    #[command(flatten)]
    pub check: CheckOptions,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// `horae tune revert`
#[derive(Clone, Debug, Args)]
pub struct RevertOptions {
    /// Put back over what somebody else has set since, too.
    #[arg(long)]
    pub force: bool,
    /// Show what would be put back, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The machine: a directory with its /proc and /sys.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// `horae tune profiles`
#[derive(Clone, Debug, Args)]
pub struct ProfilesOptions {
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `horae tune plan`
#[derive(Clone, Debug, Args)]
pub struct PlanOptions {
    /// Transactions a second.
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// For a machine of so many cores on one socket, one thread each, instead of this one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub cores: Option<u16>,
    /// A report of `make bench` with the unit costs; those that Horae was released with unless told.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write the profile to this file (which must not be there) instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The machine: a directory with its /proc and /sys.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// `horae tune capacity`
#[derive(Clone, Debug, Args)]
pub struct CapacityOptions {
    /// A report of `make bench` with the unit costs; those that Horae was released with unless told.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Transactions a second.
    #[arg(long, value_name = "R", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Write CAPACITY.md and capacity-input.json into this directory instead of printing the page.
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
}
