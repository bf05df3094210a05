//! `horae tune check`, `apply`, `revert`.

use std::process::ExitCode;

use horae_tuning::{
    Profile,
    change::{self, Application, Applied, Outcome, Reverted},
    checks::{self, Change, Finding},
    machine::Root,
};
use serde_json::json;

use super::{
    args::{ApplyOptions, CheckOptions, RevertOptions},
    profile_of, show,
};
use crate::{error::CliError, json};

/// Says how the machine stands.
pub fn check(options: &CheckOptions) -> Result<ExitCode, CliError> {
    let (name, profile) = profile_of(&options.which)?;
    let findings = ask(options, &profile)?;
    let well = !findings.iter().any(Finding::costs);
    if options.json {
        json::print(&json!({
            "profile": name,
            "exercised": profile.exercised,
            "well": well,
            "findings": findings,
            "boot_line": checks::boot_line(&findings),
        }))?;
        return Ok(status(well));
    }
    println!("profile  {name}{}", show::exercised(&profile));
    findings.iter().for_each(show::finding);
    show::boot_line(&findings);
    show::verdict(&findings);
    Ok(status(well))
}

/// Asks the machine everything, or what was named.
fn ask(options: &CheckOptions, profile: &Profile) -> Result<Vec<Finding>, CliError> {
    let findings = checks::check(&Root::at(&options.root), profile);
    let names: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(CliError::new(format!("there is no check {unknown:?}; there are {}", names.join(", "))));
    }
    let wanted = |finding: &Finding| options.only.is_empty() || options.only.iter().any(|name| name == finding.check);
    Ok(findings.into_iter().filter(wanted).collect())
}

/// Writes what can be written, and says what is left.
pub fn apply(options: &ApplyOptions) -> Result<ExitCode, CliError> {
    let (name, profile) = profile_of(&options.check.which)?;
    let root = Root::at(&options.check.root);
    let findings = ask(&options.check, &profile)?;
    let changes = checks::changes(&findings);
    if options.dry_run {
        return dry_run(&options.check, &root, &name, &findings, &changes);
    }
    let applied = write(&root, changes)?;
    let left = ask(&options.check, &profile)?;
    let well = !left.iter().any(Finding::costs);
    if options.check.json {
        json::print(&json!({
            "profile": name,
            "applied": applied,
            "well": well,
            "left": left.iter().filter(|finding| finding.costs()).collect::<Vec<_>>(),
            "boot_line": checks::boot_line(&left),
        }))?;
        return Ok(status(well));
    }
    applied.iter().for_each(show::applied);
    println!("{} written; `horae tune revert` puts back what was there ({})", written(&applied), change::KEPT);
    left.iter().filter(|finding| finding.costs()).for_each(show::finding);
    show::boot_line(&left);
    show::verdict(&left);
    Ok(status(well))
}

fn write(root: &Root, changes: Vec<Change>) -> Result<Vec<Applied>, CliError> {
    let mut application = Application::begin(root, changes)?;
    let mut applied = Vec::new();
    while let Some(step) = application.step() {
        applied.push(step?);
    }
    Ok(applied)
}

fn written(applied: &[Applied]) -> usize {
    applied.iter().filter(|applied| matches!(applied.outcome, Outcome::Written { .. } | Outcome::Bent { .. })).count()
}

fn dry_run(
    options: &CheckOptions,
    root: &Root,
    name: &str,
    findings: &[Finding],
    changes: &[Change],
) -> Result<ExitCode, CliError> {
    let well = !findings.iter().any(Finding::costs);
    if options.json {
        let boot = checks::boot_line(findings);
        json::print(
            &json!({ "profile": name, "dry_run": true, "would_write": changes, "boot_line": boot, "well": well }),
        )?;
        return Ok(status(well));
    }
    for change in changes {
        let now = root.read(&change.path).map_or_else(|absent| absent.to_string(), |text| change.form.meaning(&text));
        println!("would write  {}  {now} -> {}", change.path, change.value);
    }
    show::boot_line(findings);
    println!("{} would be written, nothing was", changes.len());
    Ok(status(well))
}

/// Puts back what was there.
pub fn revert(options: &RevertOptions) -> Result<ExitCode, CliError> {
    let reverted = change::revert(&Root::at(&options.root), options.force, options.dry_run)?;
    let well = match &reverted {
        Reverted::Nothing | Reverted::Restarted => true,
        Reverted::Values { values } => values.iter().all(|(_, became)| became.is_done()),
    };
    match options.json {
        true => json::print(&json!({ "dry_run": options.dry_run, "well": well, "result": reverted }))?,
        false => show::reverted(&reverted, options.dry_run),
    }
    Ok(status(well))
}

fn status(well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
