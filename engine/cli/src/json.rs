//! What `--json` prints: one value, one line.

use serde::Serialize;

use crate::error::CliError;

/// Prints a value.
pub fn print(value: &impl Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|why| CliError::because("cannot print the answer", why))?;
    println!("{text}");
    Ok(())
}
