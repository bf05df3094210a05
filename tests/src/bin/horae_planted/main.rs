//! `horae-planted`: `horae`, with the fault that `HORAE_PLANTED` names. For tests of what the others make of it.

use std::{env, process::ExitCode};

use horae_control::planted::{Fault, plant};

fn main() -> ExitCode {
    if let Some(name) = env::var_os("HORAE_PLANTED") {
        let Some(fault) = name.to_str().and_then(Fault::named) else {
            eprintln!("error: HORAE_PLANTED is {}, which is no fault", name.display());
            return ExitCode::FAILURE;
        };
        plant(Some(fault));
    }
    horae_cli::main()
}
