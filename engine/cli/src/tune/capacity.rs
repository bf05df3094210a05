//! `horae tune capacity`.

use std::{fs, process::ExitCode};

use horae_tuning::capacity;

use super::{args::CapacityOptions, plan::report};
use crate::error::CliError;

/// Prints the page, or writes it with the rows that it is made of.
pub fn run(options: &CapacityOptions) -> Result<ExitCode, CliError> {
    let used = report(options.report.as_deref())?.used();
    let page = capacity::page(&used, options.rate);
    let Some(folder) = &options.write else {
        print!("{page}");
        return Ok(ExitCode::SUCCESS);
    };
    for (name, text) in [("capacity-input.json", used.to_json()), ("CAPACITY.md", page)] {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|why| CliError::because(path.display(), why))?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
