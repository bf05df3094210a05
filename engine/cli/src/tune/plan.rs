//! `horae tune plan`.

use std::{fs, io::Write, path::Path, process::ExitCode};

use horae_tuning::{
    Profile,
    capacity::{Report, UnitCosts},
    machine::{Root, Topology},
    plan::{Bound, Plan, plan},
};
use serde_json::json;

use super::args::PlanOptions;
use crate::{error::CliError, json};

/// Proposes a profile; the status tells whether it carries the rate.
pub fn run(options: &PlanOptions) -> Result<ExitCode, CliError> {
    let topology = match options.cores {
        Some(cores) => Topology::plain(usize::from(cores)),
        None => Topology::read(&Root::at(&options.root))?,
    };
    let costs = UnitCosts::of(&report(options.report.as_deref())?);
    let plan = plan(&topology, &costs, options.rate);
    let text = plan.to_toml();
    Profile::parse("the proposal", &text)?;
    if let Some(out) = &options.out {
        let create = || fs::File::create_new(out)?.write_all(text.as_bytes());
        create().map_err(|why| CliError::because(out.display(), why))?;
    }
    match options.json {
        true => json::print(&described(&plan))?,
        false if options.out.is_none() => print!("{text}"),
        false => {}
    }
    if plan.bound.is_some() {
        eprintln!("warning: it carries {} a second, not {}: the file says why", plan.carries, plan.rate);
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn described(plan: &Plan) -> serde_json::Value {
    let bound = plan.bound.map(|bound| match bound {
        Bound::Worker(worker) => worker,
        Bound::Cores => "cores",
    });
    json!({
        "rate": plan.rate,
        "carries": plan.carries,
        "bound": bound,
        "not_measured": plan.unmeasured,
        "left": plan.left,
        "profile": plan.profile,
    })
}

/// A report from a file, or the committed one.
pub fn report(file: Option<&Path>) -> Result<Report, CliError> {
    let Some(file) = file else { return Ok(Report::committed()) };
    let text = fs::read_to_string(file).map_err(|why| CliError::because(file.display(), why))?;
    Ok(Report::parse(&file.display().to_string(), &text)?)
}
