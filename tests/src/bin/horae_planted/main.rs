//! `horae-planted`: `horae`, with the fault that `HORAE_PLANTED` names. For tests of what the others make of it.

use std::{env, process::ExitCode};

use horae_control::planted::{Fault, plant};

fn main() -> ExitCode {
    if let Some(name) = env::var_os("HORAE_PLANTED") {
        let Some(fault) = name.to_str().and_then(Fault::named) else {
            let known: Vec<&str> = Fault::ALL.iter().map(|fault| fault.name()).collect();
            eprintln!("error: HORAE_PLANTED is {}, which is none of: {}", name.display(), known.join(", "));
            return ExitCode::FAILURE;
        };
        plant(Some(fault));
    }
    horae_cli::main()
}
