//! `horae tune`: whether this machine carries a profile, what puts it right, and which profile it should have.

pub mod args;
mod capacity;
mod machine;
mod plan;
mod show;
mod warn;

use std::process::ExitCode;

use horae_node::{config::Settings, home::Home};
use horae_tuning::{BUILT_IN, Profile};
use serde_json::json;

use crate::{error::CliError, json};
use args::{ProfilesOptions, TuneCommand, WhichProfile};

pub use warn::{count, warn};

/// Does what the command says; the status tells whether all is well.
pub fn run(command: &TuneCommand) -> Result<ExitCode, CliError> {
    match command {
        TuneCommand::Check(options) => machine::check(options),
        TuneCommand::Apply(options) => machine::apply(options),
        TuneCommand::Revert(options) => machine::revert(options),
        TuneCommand::Profiles(options) => profiles(options),
        TuneCommand::Plan(options) => plan::run(options),
        TuneCommand::Capacity(options) => capacity::run(options),
    }
}

/// The profile that is meant, with its name.
fn profile_of(which: &WhichProfile) -> Result<(String, Profile), CliError> {
    let name = match &which.home {
        Some(home) => Settings::load(&Home::new(home).settings())?.profile,
        None => which.profile.clone(),
    };
    let profile = Profile::load(&name)?;
    Ok((name, profile))
}

fn profiles(options: &ProfilesOptions) -> Result<ExitCode, CliError> {
    let mut all = Vec::new();
    for (name, _) in BUILT_IN {
        all.push((name, Profile::load(name)?));
    }
    if options.json {
        let of = |(name, profile): &(&str, Profile)| json!({ "name": name, "profile": profile });
        json::print(&json!({ "profiles": all.iter().map(of).collect::<Vec<_>>() }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for (name, profile) in &all {
        let cores = profile.cores();
        let bound = if cores.is_empty() { "no cores of its own".to_owned() } else { format!("cores {cores}") };
        println!("{name:<12}  {} recover workers, {bound}{}", profile.recover_workers, show::exercised(profile));
    }
    Ok(ExitCode::SUCCESS)
}
